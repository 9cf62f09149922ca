"""Writes quire's three default models as ONNX, each a whole encoder, as a Python program would have them.

    python export.py MODELS REPOSITORY OUT    # MODELS holds minilm-l6; writes OUT/{embedding,ner,sentiment}.onnx

Inputs are `ids` and `mask`, `[sequences, tokens]`; `ner` has `shapes` too, of the same shape.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

models, repository, out = map(Path, sys.argv[1:])
sys.path.insert(0, str(repository / "models/train"))
from bert import Branch, Trunk, read_weights  # noqa: E402


class Whole(torch.nn.Module):
    """The trunk's lower layers and what follows them."""

    def __init__(self, trunk, branch):
        super().__init__()
        self.trunk, self.branch = trunk, branch

    def forward(self, ids, mask, shapes=None):
        mask = mask.bool()
        states = self.trunk(ids, mask)
        if self.branch is None:
            return states
        return self.branch(states, mask) if shapes is None else self.branch(states, mask, shapes)


def save(name, model, inputs):
    axes = {0: "sequences", 1: "tokens"}
    torch.onnx.export(
        model.eval(), inputs, out / f"{name}.onnx", opset_version=17, dynamo=False,
        input_names=["ids", "mask", "shapes"][: len(inputs)], output_names=["output"],
        dynamic_axes={key: axes for key in ("ids", "mask", "shapes")[: len(inputs)]} | {"output": {0: "sequences"}},
    )


out.mkdir(parents=True, exist_ok=True)
weights = read_weights(models / "minilm-l6")
ids = torch.randint(0, 1000, (2, 16))
save("embedding", Whole(Trunk(weights, 6), None), (ids, torch.ones_like(ids)))
for task, pooled in (("ner", False), ("sentiment", True)):
    folder = repository / "models" / task
    config = json.loads((folder / "config.json").read_text())
    own, layer = config["quire"], config["quire"]["branch_layer"]
    branch = Branch(len(config["id2label"]), pooled, layer, own.get("shapes", False))
    branch.load_state_dict({key: value.float() for key, value in load_file(folder / "model.safetensors").items()})
    inputs = (ids, torch.ones_like(ids)) + ((torch.zeros_like(ids),) if own.get("shapes") else ())
    save(task, Whole(Trunk(weights, layer), branch), inputs)
    (out / f"{task}.json").write_text(json.dumps(config))
