"""A BERT encoder in plain torch, cut in two: a frozen trunk and trained branches.

Parameter names are those of Hugging Face checkpoints, so that weights load and
save without renaming.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

HIDDEN, HEADS, INNER, VOCAB, POSITIONS, EPS = 384, 12, 1536, 30522, 512, 1e-12
LAYERS, BRANCH_LAYER = 6, 3
# What quire's src/feed/shape.rs tells apart.
SHAPES = 11


class Layer(nn.Module):
    """One post-norm transformer layer."""

    def __init__(self, dropout=0.1):
        super().__init__()
        linear = lambda i, o: nn.Linear(i, o)
        norm = lambda: nn.LayerNorm(HIDDEN, eps=EPS)
        self.attention = nn.ModuleDict({
            "self": nn.ModuleDict({k: linear(HIDDEN, HIDDEN) for k in ("query", "key", "value")}),
            "output": nn.ModuleDict({"dense": linear(HIDDEN, HIDDEN), "LayerNorm": norm()}),
        })
        self.intermediate = nn.ModuleDict({"dense": linear(HIDDEN, INNER)})
        self.output = nn.ModuleDict({"dense": linear(INNER, HIDDEN), "LayerNorm": norm()})
        self.dropout = dropout

    def forward(self, x, mask):
        batch, length, _ = x.shape
        drop = lambda t: F.dropout(t, self.dropout, self.training)
        heads = lambda t: t.view(batch, length, HEADS, HIDDEN // HEADS).transpose(1, 2)
        attention, out = self.attention["self"], self.attention["output"]
        mixed = F.scaled_dot_product_attention(
            heads(attention["query"](x)),
            heads(attention["key"](x)),
            heads(attention["value"](x)),
            attn_mask=mask[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        mixed = mixed.transpose(1, 2).reshape(batch, length, HIDDEN)
        x = out["LayerNorm"](x + drop(out["dense"](mixed)))
        inner = F.gelu(self.intermediate["dense"](x))
        return self.output["LayerNorm"](x + drop(self.output["dense"](inner)))


class Trunk(nn.Module):
    """Embeddings and the layers below the branches; never trained."""

    def __init__(self, weights, layers=BRANCH_LAYER):
        super().__init__()
        self.embeddings = nn.ModuleDict({
            "word_embeddings": nn.Embedding(VOCAB, HIDDEN),
            "position_embeddings": nn.Embedding(POSITIONS, HIDDEN),
            "token_type_embeddings": nn.Embedding(2, HIDDEN),
            "LayerNorm": nn.LayerNorm(HIDDEN, eps=EPS),
        })
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(layers))})
        self.load_state_dict({k: weights[k] for k in self.state_dict()})
        self.eval().requires_grad_(False)

    def forward(self, ids, mask):
        e = self.embeddings
        positions = torch.arange(ids.shape[1])
        x = e["word_embeddings"](ids) + e["position_embeddings"](positions)
        x = e["LayerNorm"](x + e["token_type_embeddings"](torch.zeros_like(ids)))
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        return x


class Branch(nn.Module):
    """The upper layers, fine-tuned for one task, and a linear head.

    With `shapes`, a row for each token's shape (how its word is written) is added to the states
    where the branch leaves the trunk, whose tokens are all in lower case.
    """

    def __init__(self, labels, pooled, from_layer=BRANCH_LAYER, shapes=False):
        super().__init__()
        upper = {str(n): Layer() for n in range(from_layer, LAYERS)}
        self.bert = nn.ModuleDict({"encoder": nn.ModuleDict({"layer": nn.ModuleDict(upper)})})
        self.classifier = nn.Linear(HIDDEN, labels)
        self.pooled = pooled
        self.shapes = nn.Embedding(SHAPES, HIDDEN) if shapes else None
        if shapes:
            nn.init.normal_(self.shapes.weight, std=0.02)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def start_from(self, weights):
        own = {k: weights[k.removeprefix("bert.")] for k in self.state_dict() if k.startswith("bert.")}
        self.load_state_dict(own, strict=False)
        return self

    def forward(self, x, mask, shapes=None):
        if self.shapes is not None:
            x = x + self.shapes(shapes)
        for layer in self.bert["encoder"]["layer"].values():
            x = layer(x, mask)
        if self.pooled:
            weight = mask[:, :, None].to(x.dtype)
            x = (x * weight).sum(1) / weight.sum(1)
        return self.classifier(F.dropout(x, 0.1, self.training))


def read_weights(trunk_dir):
    return load_file(f"{trunk_dir}/model.safetensors")
