"""Writes the reference values that the default models' test compares with.

    pip install -r requirements.txt
    python generate.py --trunk DIR     # the folder with the trunk's model.safetensors and tokenizer.json

minilm.json: sentences through the trunk and through the two branches in models/. encoders.py writes
the values of the families.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForTokenClassification, BertModel

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "models"

TEXTS = [
    "Angela Merkel met the board of Siemens in Munich on 12 March 2019.",
    "Please find attached invoice no. RE-20481 over EUR 1,204.50, due within 30 days.",
    "The battery died after two days and nobody at the support desk cared. Terrible.",
    "What a wonderful, warm and funny film!",
    "Dear Ms. O'Neill-Smith, Deutsche Bank AG in Frankfurt confirms your order.",
    "naïve café owners in São Paulo — 東京 — paid $5.",
]


def rounded(tensor, digits):
    return [float(f"{v:.{digits}g}") for v in tensor.flatten().tolist()]


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


@torch.inference_mode()
def minilm(trunk_dir):
    trunk = load_file(trunk_dir / "model.safetensors")
    config = BertConfig.from_pretrained(trunk_dir, attn_implementation="eager")
    tokenizer = Tokenizer.from_file(str(trunk_dir / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def loaded(model, weights):
        missing, unexpected = model.load_state_dict(weights, strict=False)
        assert not [k for k in missing if "position_ids" not in k], missing
        assert not [k for k in unexpected if "position_ids" not in k and "pooler" not in k], unexpected
        return model.eval()

    def branch(name):
        own = {k: v.float() for k, v in load_file(MODELS / name / "model.safetensors").items()}
        head = json.loads((MODELS / name / "config.json").read_text())["id2label"]
        merged = {f"bert.{k}": v for k, v in trunk.items()} | own
        return merged, [head[str(i)] for i in range(len(head))]

    embed = loaded(BertModel(config), trunk)
    weights, ner_labels = branch("ner")
    config.num_labels = len(ner_labels)
    ner = loaded(BertForTokenClassification(config), weights)
    weights, sentiment_labels = branch("sentiment")
    body = {k.removeprefix("bert."): v for k, v in weights.items() if k.startswith("bert.")}
    sentiment = loaded(BertModel(config), body)

    cases = []
    for text in TEXTS:
        encoded = tokenizer.encode(text)
        ids = torch.tensor([encoded.ids])
        mean = embed(input_ids=ids).last_hidden_state[0].mean(0)
        probability, label = ner(input_ids=ids).logits[0].softmax(-1).max(-1)
        pooled = sentiment(input_ids=ids).last_hidden_state[0].mean(0)
        scores = (weights["classifier.weight"] @ pooled + weights["classifier.bias"]).softmax(-1)
        cases.append({
            "text": text,
            "ids": encoded.ids,
            "pieces": encoded.tokens,
            "embedding": rounded(mean / mean.norm(), 6),
            "ner": [ner_labels[i] for i in label],
            "ner_probability": rounded(probability, 6),
            "sentiment": dict(zip(sentiment_labels, rounded(scores, 6))),
        })
    write(HERE / "minilm.json", {"cases": cases})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    minilm(args.trunk)
