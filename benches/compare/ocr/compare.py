"""The `tesseract` program, and RapidOCR on ONNX Runtime over the same weights, beside `quire bench ocr`: one core, the same pages.

    OMP_THREAD_LIMIT=1 python compare.py MODEL_FOLDER IMAGE_OR_FOLDER... [--engines tesseract,rapidocr]

MODEL_FOLDER is data/models/ppocr-v6. Truth is looked for as `quire bench ocr` does. Tesseract gets the files as they are.
"""

import argparse
import re
import resource
import subprocess
import time
from collections import Counter
from pathlib import Path


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


def tesseract():
    def read(image):
        command = ["tesseract", str(image), "-", "-l", "eng"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return read


def rapidocr(models):
    from rapidocr import RapidOCR

    engine = RapidOCR(params={
        "Global.log_level": "error",
        "Global.use_cls": False,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "Det.model_path": str(models / "detector.onnx"),
        "Rec.model_path": str(models / "recognizer.onnx"),
    })
    return lambda image: " ".join(engine(str(image)).txts or [])


def spent():
    """CPU seconds of this process and of the programs that it ran."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--engines", default="tesseract,rapidocr")
    args = parser.parse_args()
    images, endings = [], {".png", ".jpg", ".jpeg"}
    for path in args.paths:
        images += sorted(p for p in path.iterdir() if p.suffix in endings) if path.is_dir() else [path]
    for name in args.engines.split(","):
        read = tesseract() if name == "tesseract" else rapidocr(args.models)
        scores, cpu, wall = [], spent(), time.perf_counter()
        for image in images:
            text, expected = read(image), truth(image)
            if expected is not None:
                scores.append(f1(text, expected))
            shown = f"{scores[-1]:.3f}" if expected is not None else ""
            print(f"{name}\t{image.name}\t{len(text.split())} words\t{shown}", flush=True)
        cpu, wall = spent() - cpu, time.perf_counter() - wall
        mean = sum(scores) / len(scores) if scores else float("nan")
        print(f"{name}\tall {len(images)}\tword F1 {mean:.3f}\t{cpu / len(images):.2f} CPU-s/page\t"
              f"{wall / len(images):.2f} s/page", flush=True)


if __name__ == "__main__":
    main()
