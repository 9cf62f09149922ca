"""Writes the reference values that the default models' test compares with.

    pip install -r requirements.txt
    python generate.py --trunk DIR     # the folder with the trunk's model.safetensors and tokenizer.json

minilm.json: sentences through the trunk and through the two branches in models/. encoders.py writes
the values of the families.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "models/train"))

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForTokenClassification, BertModel

from shapes import MARK, shape

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


def shapes_of(text, encoded):
    """The shape of each token's word, as it stands in the text."""
    ends = {}
    for (start, end), word in zip(encoded.offsets, encoded.word_ids):
        if word is not None:
            ends[word] = (min(start, ends.get(word, (start, 0))[0]), end)
    return [MARK if word is None else shape(text[slice(*ends[word])]) for word in encoded.word_ids]


def labels(model, from_layer, table, ids, shapes):
    """The best label of each token with its probability; a row of `table` is added where the branch begins."""
    def add(layer, inputs):
        return (inputs[0] + table[torch.tensor(shapes)].float(), *inputs[1:])
    hook = model.bert.encoder.layer[from_layer].register_forward_pre_hook(add) if table is not None else None
    probability, label = model(input_ids=ids).logits[0].softmax(-1).max(-1)
    if hook:
        hook.remove()
    return probability, label


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
        known = ("position_ids", "pooler", "shapes")
        assert not [k for k in unexpected if not any(word in k for word in known)], unexpected
        return model.eval()

    def branch(name):
        own = {k: v.float() for k, v in load_file(MODELS / name / "model.safetensors").items()}
        config = json.loads((MODELS / name / "config.json").read_text())
        head = config["id2label"]
        for part in ("classifier.weight", "classifier.bias"):
            own[part] /= config["quire"].get("temperature", 1.0)
        merged = {f"bert.{k}": v for k, v in trunk.items()} | own
        return merged, [head[str(i)] for i in range(len(head))]

    embed = loaded(BertModel(config), trunk)
    weights, ner_labels = branch("ner")
    weights_of_ner = weights
    ner_from = json.loads((MODELS / "ner/config.json").read_text())["quire"]["branch_layer"]
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
        shapes = shapes_of(text, encoded)
        probability, label = labels(ner, ner_from, weights_of_ner.get("shapes.weight"), ids, shapes)
        pooled = sentiment(input_ids=ids).last_hidden_state[0].mean(0)
        scores = (weights["classifier.weight"] @ pooled + weights["classifier.bias"]).softmax(-1)
        cases.append({
            "text": text,
            "ids": encoded.ids,
            "pieces": encoded.tokens,
            "shapes": shapes,
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
