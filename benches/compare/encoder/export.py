"""Writes a BERT checkpoint as ONNX: plain, fused by ONNX Runtime's own optimizer, and quantised to int8.

    python export.py FOLDER OUT     # FOLDER holds config.json and model.safetensors; writes OUT.onnx,
                                    # OUT.f32.onnx and OUT.int8.onnx
"""

import sys
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from transformers import BertModel


class States(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def main(folder, out):
    model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.randint(0, 1000, (2, 16))
    axes = {0: "sequences", 1: "tokens"}
    torch.onnx.export(
        States(model), (ids, torch.ones_like(ids)), f"{out}.onnx", opset_version=17, dynamo=False,
        input_names=["input_ids", "attention_mask"], output_names=["states"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "states": axes},
    )
    # The peer at its best: attention, GELU and layer norms fused, biases folded in.
    fused = optimizer.optimize_model(
        f"{out}.onnx", model_type="bert", num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size, opt_level=99, use_gpu=False,
    )
    print(fused.get_fused_operator_statistics())
    fused.save_model_to_file(f"{out}.f32.onnx")
    quantize_dynamic(f"{out}.f32.onnx", f"{out}.int8.onnx", weight_type=QuantType.QInt8, per_channel=True,
                     extra_options={"DefaultTensorType": 1})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
