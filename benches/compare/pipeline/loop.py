"""The same work as a plain consumer loop: a record, its models, its result, the next record.

    python loop.py BROKER PREFIX MODELS ONNX

Reads PREFIX, writes PREFIX.results; keeps vectors and payloads in Qdrant's Python engine within this process.
Pictures go through `tesseract`, text through three models of ONNX Runtime with as many threads as there are cores:
embedding, NER and sentiment over passages of 254 tokens that overlap by 32, the passages of a document in one padded
batch of at most 32. It leaves out what quire does besides: fields, checks, kinds, near-duplicates, progress, transactions.
"""

import io
import json
import sys
import uuid
from pathlib import Path

import numpy as np
import onnxruntime
import pytesseract
from confluent_kafka import Consumer, Producer
from PIL import Image
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams
from tokenizers import Tokenizer

broker, prefix, models, onnx = sys.argv[1:]
onnx = Path(onnx)
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "models/train"))
from shapes import shape  # noqa: E402

WINDOW, OVERLAP, BATCH = 254, 32, 32
CLS, SEP = 101, 102


def session(name):
    return onnxruntime.InferenceSession(onnx / f"{name}.onnx", providers=["CPUExecutionProvider"])


embedding, ner, sentiment = map(session, ("embedding", "ner", "sentiment"))
labels = {task: json.loads((onnx / f"{task}.json").read_text())["id2label"] for task in ("ner", "sentiment")}
tokenizer = Tokenizer.from_file(f"{models}/minilm-l6/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def passages(text):
    """Ids, places in the text and shapes of each window of the text's tokens."""
    encoded = tokenizer.encode(text, add_special_tokens=False)
    words, spans = encoded.word_ids, {}
    for word, (start, end) in zip(words, encoded.offsets):
        first, last = spans.get(word, (start, end))
        spans[word] = (min(first, start), max(last, end))
    known = {word: shape(text[start:end]) for word, (start, end) in spans.items()}
    shapes = [known[word] for word in words]
    for start in range(0, max(len(encoded.ids) - OVERLAP, 1), WINDOW - OVERLAP):
        span = slice(start, start + WINDOW)
        yield encoded.ids[span], encoded.offsets[span], shapes[span], words[span]


def infer(windows):
    longest = max(len(ids) for ids, *_ in windows) + 2
    ids = np.zeros((len(windows), longest), np.int64)
    mask, shapes = np.zeros_like(ids), np.zeros_like(ids)
    for row, (tokens, _, written, _) in enumerate(windows):
        ids[row, : len(tokens) + 2] = [CLS, *tokens, SEP]
        mask[row, : len(tokens) + 2] = 1
        shapes[row, 1 : len(tokens) + 1] = written
    states = embedding.run(None, {"ids": ids, "mask": mask})[0]
    vectors = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = softmax(ner.run(None, {"ids": ids, "mask": mask, "shapes": shapes})[0])
    tones = softmax(sentiment.run(None, {"ids": ids, "mask": mask})[0])
    return vectors, names, tones


def entities(text, windows, names):
    found = []
    for (_, offsets, _, words), scores in zip(windows, names):
        best, open_, last = scores.argmax(-1), None, None
        for index, word in enumerate(words, 1):
            start, end = offsets[index - 1]
            if word == last:
                if open_:
                    open_["end"] = end
                continue
            last, label = word, labels["ner"][str(best[index])]
            if label.startswith("I-") and open_ and open_["label"] == label[2:]:
                open_["end"] = end
                continue
            open_ = None
            if label != "O":
                open_ = {"label": label[2:], "start": start, "end": end, "score": float(scores[index].max())}
                found.append(open_)
    return [entity | {"text": text[entity["start"] : entity["end"]]} for entity in found]


def understand(text):
    windows, vectors, names, tones = list(passages(text)), [], [], []
    for first in range(0, len(windows), BATCH):
        batch = infer(windows[first : first + BATCH])
        vectors.extend(batch[0]), names.extend(batch[1]), tones.extend(batch[2])
    centre = np.mean(vectors, 0)
    order = np.argsort(-(np.array(vectors) @ centre))[:3]
    summary = [text[windows[i][1][0][0] : windows[i][1][-1][1]] for i in order if windows[i][1]]
    tone = np.mean(tones, 0)
    result = {
        "text": text, "entities": entities(text, windows, names), "summary": summary,
        "sentiment": {label: float(tone[int(index)]) for index, label in labels["sentiment"].items()},
    }
    return result, vectors, centre


def main():
    qdrant = QdrantClient(":memory:")
    for name in ("documents", "passages"):
        qdrant.create_collection(name, VectorParams(size=384, distance=Distance.COSINE))
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"{prefix}-loop", "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "max.poll.interval.ms": 600000})
    producer = Producer({"bootstrap.servers": broker})
    consumer.subscribe([prefix])
    while True:
        record = consumer.poll(1.0)
        if record is None or record.error():
            continue
        data, key = record.value(), record.key().decode()
        if data[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"II*\0", b"MM\0*"):
            text = pytesseract.image_to_string(Image.open(io.BytesIO(data)), lang="eng+deu")
        else:
            text = data.decode("utf-8", "replace")
        result, vectors, centre = understand(text)
        point = lambda name: str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        qdrant.upsert("documents", [PointStruct(id=point(key), vector=centre.tolist(), payload=result)])
        qdrant.upsert("passages", [
            PointStruct(id=point(f"{key}/{i}"), vector=vector.tolist(), payload={"document": key})
            for i, vector in enumerate(vectors)
        ])
        producer.produce(f"{prefix}.results", json.dumps(result), key)
        producer.flush()
        consumer.commit(record, asynchronous=False)


if __name__ == "__main__":
    main()
