"""Writes the reference values that the encoder's tests compare with.

    pip install torch==2.15.0 transformers==5.23.0 tokenizers==0.23.3 safetensors==0.8.0
    python generate.py --trunk DIR     # the folder with the trunk's model.safetensors and tokenizer.json

bert-tiny/: a random BERT and its hidden states, each sequence computed alone, without padding.
minilm.json: sentences through the trunk and through the two branches in models/.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForTokenClassification, BertModel

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "models"

LENGTHS = [1, 2, 5, 9, 17, 31, 44, 60]
WITH_LAYER_1 = [2, 4]

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
def tiny():
    out = HERE / "bert-tiny"
    out.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(5)
    config = BertConfig(vocab_size=200, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
                        intermediate_size=64, max_position_embeddings=64, attn_implementation="eager")
    model = BertModel(config).eval()
    for name, p in sorted(model.named_parameters()):
        # Far from the usual initial values, so that a swapped tensor or a lost bias shows.
        spread = 0.3 if p.dim() > 1 else 0.2
        p.copy_(torch.randn(p.shape, generator=generator) * spread)
        if name.endswith("LayerNorm.weight"):
            p.add_(1.0)
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()},
              out / "model.safetensors", {"format": "pt"})
    keys = ["architectures", "model_type", "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps",
            "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "pad_token_id",
            "type_vocab_size", "vocab_size"]
    values = config.to_dict() | {"architectures": ["BertModel"], "model_type": "bert"}
    (out / "config.json").write_text(json.dumps({k: values[k] for k in keys}, indent=2) + "\n")
    cases = []
    for n, length in enumerate(LENGTHS):
        ids = torch.randint(1, 200, (1, length), generator=generator)
        states = model(input_ids=ids, output_hidden_states=True)
        case = {"ids": ids[0].tolist(), "last_hidden_state": rounded(states.last_hidden_state, 7)}
        if n in WITH_LAYER_1:
            case["layer_1"] = rounded(states.hidden_states[1], 7)
        cases.append(case)
    write(out / "cases.json", {"hidden_size": 32, "cases": cases})


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
    tiny()
    minilm(args.trunk)
