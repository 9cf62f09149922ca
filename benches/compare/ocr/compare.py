"""RapidOCR on ONNX Runtime over the same weights and pages as `quire bench ocr`, on one core.

    python compare.py MODEL_FOLDER IMAGE_OR_FOLDER...

MODEL_FOLDER is data/models/ppocr-v6. Truth is looked for as `quire bench ocr` does.
"""

import re
import sys
import time
from collections import Counter
from pathlib import Path

from rapidocr import RapidOCR


def truth(image):
    if image.name.endswith(".img.jpg"):
        path = image.with_name(image.name.replace(".img.jpg", ".box.csv"))
        if path.exists():
            rows = (line.split(",", 8) for line in path.read_text(errors="replace").splitlines())
            return "\n".join(row[8] for row in rows if len(row) == 9)
    path = image.with_name(image.name + ".txt")
    return path.read_text() if path.exists() else None


def bag(text):
    return Counter(word.upper() for word in re.findall(r"[^\W_]+", text))


def f1(found, expected):
    found, expected = bag(found), bag(expected)
    return 2 * (found & expected).total() / max((found + expected).total(), 1)


models, *paths = map(Path, sys.argv[1:])
images = []
for path in paths:
    endings = {".png", ".jpg", ".jpeg"}
    images += sorted(p for p in path.iterdir() if p.suffix in endings) if path.is_dir() else [path]
engine = RapidOCR(params={
    "Global.log_level": "error",
    "Global.use_cls": False,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "Det.model_path": str(models / "detector.onnx"),
    "Rec.model_path": str(models / "recognizer.onnx"),
})
scores, spent = [], 0.0
for image in images:
    wall, cpu = time.perf_counter(), time.process_time()
    result = engine(str(image))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    spent += cpu
    text, expected = " ".join(result.txts or []), truth(image)
    score = f1(text, expected) if expected is not None else None
    scores += [score] if score is not None else []
    shown = "" if score is None else f"{score:.3f}"
    print(f"{image.name}\t{len(text.split())} words\t{shown}\t{cpu:.2f} CPU-s\t{wall:.2f} s", flush=True)
mean = sum(scores) / len(scores) if scores else float("nan")
print(f"all {len(images)}\tword F1 {mean:.3f}\t{len(images) / spent:.2f} pages/CPU-s")
