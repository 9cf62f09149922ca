"""Encoder speed of quire on a GPU beside PyTorch, the same checkpoint and sequences, taking turns in one run.

    python gpu.py --quire ../../../target/release/quire --checkpoint FOLDER

PyTorch runs as sentence-transformers does: fp16, sequences sorted by length, padded in batches of 32 and, its best
case, of 256; then one sequence at a time. quire gets them as they come. Printed: tokens (without padding) a second,
medians over rounds, the ratio, and the share of a measured product of 8192 x 8192 matrices in the same format.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time

import numpy as np
import torch
from transformers import AutoModel


def mixed(count=2048):
    rng = np.random.default_rng(20261124)
    return np.clip(np.exp(rng.normal(4.2, 0.9, count)), 8, 512).astype(int).tolist()


def peer(model, lengths, size, vocabulary):
    lengths = sorted(lengths)
    feeds = []
    for start in range(0, len(lengths), size):
        part = torch.tensor(lengths[start:start + size])
        mask = (torch.arange(int(part.max()))[None, :] < part[:, None]).long()
        ids = torch.randint(1000, vocabulary, mask.shape) * mask
        feeds.append((ids.pin_memory(), mask.pin_memory()))
    torch.cuda.synchronize()
    begun = time.perf_counter()
    with torch.inference_mode():
        for ids, mask in feeds:
            ids, mask = ids.cuda(non_blocking=True), mask.cuda(non_blocking=True)
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            torch.nn.functional.normalize(mean, dim=1).float().cpu()
    return sum(lengths) / (time.perf_counter() - begun)


def ours(args, lengths):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(map(str, lengths)))
        file.flush()
        out = subprocess.run(
            [args.quire, "bench", "encoder", args.checkpoint, "--json", "--device", "gpu", "--lengths", "8",
             "--lengths-file", file.name, "--rounds", "10"], check=True, capture_output=True, text=True).stdout
    return next(row for row in json.loads(out) if row["lengths"] == "file")["tokens_per_s"]


def ceiling():
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
    for _ in range(5):
        a @ a
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(20):
        a @ a
    torch.cuda.synchronize()
    return 20 * 2 * 8192**3 / (time.perf_counter() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    config = json.load(open(f"{args.checkpoint}/config.json"))
    model = AutoModel.from_pretrained(args.checkpoint, dtype=torch.float16).eval().cuda()
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "embeddings" not in name)
    most = ceiling()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, products {most / 1e12:.0f} TFLOP/s")
    mixes = {"16": ([16] * 4096, 256), "128": ([128] * 1024, 256), "mixed, 32": (mixed(), 32),
             "mixed, 256": (mixed(), 256), "one of 16": ([16], 1), "one of 128": ([128], 1)}
    print(f"{'lengths':>12} {'PyTorch tok/s':>14} {'quire':>12} {'ratio':>7} {'of ceiling':>10}")
    for name, (lengths, size) in mixes.items():
        peer(model, lengths, size, config["vocab_size"])
        pairs = [(peer(model, lengths, size, config["vocab_size"]), ours(args, lengths)) for _ in range(args.rounds)]
        theirs, own = (statistics.median(column) for column in zip(*pairs))
        print(f"{name:>12} {theirs:>14.0f} {own:>12.0f} {own / theirs:>6.2f}x {own * 2 * matrices / most:>9.1%}",
              flush=True)


if __name__ == "__main__":
    main()
