"""Writes tiny random checkpoints of every encoder family and what the reference makes of them.

    pip install -r requirements.txt
    python encoders.py [FAMILY ...]

FAMILY/            the encoder alone, with cases.json: token ids, hidden states, vectors, logits
FAMILY/tokens/     a whole model that labels tokens, weights of its own, in float16
FAMILY/windows/    a whole model that labels windows, weights of its own, in bfloat16

Each sequence is computed alone, without padding. bert/ is also a sentence-transformers folder.
"""

import json
import sys
from copy import deepcopy
from pathlib import Path

import torch
import transformers as hf
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent

SHORT = [1, 2, 5, 9, 17, 31, 44, 60]
LONG = SHORT + [150]
# Below are marks and padding in one family or another.
FIRST_WORD = 5
VOCAB = 70

LABELS = {"id2label": {0: "no", 1: "some", 2: "all"}, "label2id": {"no": 0, "some": 1, "all": 2}}

# What BERT's descendants call the same.
PLAIN = dict(vocab_size=VOCAB, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
             max_position_embeddings=64)
SHIFTED = PLAIN | dict(max_position_embeddings=66, pad_token_id=1)
DEBERTA = PLAIN | dict(max_position_embeddings=160, relative_attention=True)
MODERN = PLAIN | dict(num_hidden_layers=4, max_position_embeddings=160, local_attention=32, pad_token_id=0,
                      bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)

# Folder: the classes' common name, options of the configuration, more for the model of windows, lengths.
FAMILIES = {
    "bert": ("Bert", PLAIN | dict(pad_token_id=0), {}, SHORT),
    "distilbert": ("DistilBert", dict(vocab_size=VOCAB, dim=24, n_layers=2, n_heads=3, hidden_dim=40,
                                      max_position_embeddings=64), dict(activation="relu"), SHORT),
    "roberta": ("Roberta", SHIFTED | dict(type_vocab_size=1), {}, SHORT),
    "xlm-roberta": ("XLMRoberta", SHIFTED | dict(type_vocab_size=2, hidden_act="gelu_new"), {}, SHORT),
    "mpnet": ("MPNet", SHIFTED | dict(max_position_embeddings=162), {}, LONG),
    "deberta-v2": ("DebertaV2", DEBERTA | dict(pos_att_type=["c2p"], position_biased_input=True, type_vocab_size=2,
                                               max_relative_positions=20), dict(pos_att_type="p2c|c2p"), LONG),
    "deberta-v3": ("DebertaV2", DEBERTA | dict(pos_att_type="p2c|c2p", position_biased_input=False, share_att_key=True,
                                               position_buckets=16, norm_rel_ebd="layer_norm"),
                   dict(pos_att_type=["p2c"]), LONG),
    "modernbert": ("ModernBert", MODERN, dict(attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True,
                                              classifier_pooling="mean", layer_types=[
                                                  "sliding_attention", "full_attention", "full_attention",
                                                  "sliding_attention"]), LONG),
}


def rounded(tensor, digits=7):
    return [float(f"{v:.{digits}g}") for v in tensor.flatten().tolist()]


def write(path, value, **style):
    path.write_text(json.dumps(value, ensure_ascii=False, **style) + "\n", encoding="utf-8")


def model(name, options, generator, folder, dtype):
    """A saved model, far from the usual initial values, so that a swapped tensor or a lost bias shows."""
    config_class = getattr(hf, name.split("For")[0].removesuffix("Model") + "Config")
    config = config_class(**options)
    config._attn_implementation = "eager"
    made = getattr(hf, name)(config).eval()
    for key, p in sorted(made.named_parameters()):
        matrix = p.dim() > 1
        p.copy_(torch.randn(p.shape, generator=generator) * (0.3 if matrix else 0.2))
        if "norm" in key.lower() and key.endswith("weight"):
            p.add_(1.0)
    # Only parameters are rounded: rotary frequencies, which are no parameters, stay as they are.
    for p in made.parameters():
        p.copy_(p.to(dtype))
    deepcopy(made).to(dtype).save_pretrained(folder)
    return made


@torch.inference_mode()
def family(folder):
    name, options, for_windows, lengths = FAMILIES[folder]
    out = HERE / folder
    generator = torch.Generator().manual_seed(sum(folder.encode()))
    base = model(f"{name}Model", options, generator, out, torch.float32)
    tokens = model(f"{name}ForTokenClassification", options | LABELS, generator, out / "tokens", torch.float16)
    windows = model(f"{name}ForSequenceClassification", options | LABELS | for_windows, generator, out / "windows",
                    torch.bfloat16)
    vector = sentence(out, generator) if folder == "bert" else lambda states: states.mean(0)
    cases = []
    for length in lengths:
        ids = torch.randint(FIRST_WORD, VOCAB, (1, length), generator=generator)
        states = base(input_ids=ids).last_hidden_state[0]
        pooled = vector(states)
        cases.append({
            "ids": ids[0].tolist(),
            "last_hidden_state": rounded(states),
            "embedding": rounded(pooled / pooled.norm()),
            "token_logits": rounded(tokens(input_ids=ids).logits),
            "window_logits": rounded(windows(input_ids=ids).logits),
        })
    write(out / "cases.json", {"cases": cases}, separators=(",", ":"))


def sentence(out, generator):
    """Makes a sentence-transformers folder of it: the first state, then a matrix and tanh."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
    write(out / "modules.json", [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
                                 for i, (path, kind) in enumerate(kinds)], indent=2)
    for path, _ in kinds[1:3]:
        (out / path).mkdir(exist_ok=True)
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    write(out / "1_Pooling/config.json", {"word_embedding_dimension": 24, "include_prompt": True} | {
        f"pooling_mode_{mode}": mode == "cls_token" for mode in modes}, indent=2)
    write(out / "2_Dense/config.json", {"in_features": 24, "out_features": 10, "bias": True,
                                        "activation_function": "torch.nn.modules.activation.Tanh"}, indent=2)
    weight, bias = (torch.randn(shape, generator=generator) * 0.3 for shape in [(10, 24), (10,)])
    save_file({"linear.weight": weight, "linear.bias": bias}, out / "2_Dense/model.safetensors")
    return lambda states: (weight @ states[0] + bias).tanh()


if __name__ == "__main__":
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    for folder in sys.argv[1:] or FAMILIES:
        family(folder)
