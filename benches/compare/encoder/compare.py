"""Encoder speed of quire beside ONNX Runtime and sentence-transformers: the same checkpoint, threads and sequences, taking turns in one run.

    python compare.py --quire ../../../target/release/quire --checkpoint FOLDER --onnx OUT [--threads 2]

`OUT` is what export.py wrote. Sequences: 256 of 16 tokens, 32 of 128, and 256 of lognormal lengths (8 to 512).
The others get the mixed ones as people run them: sorted by length, in padded batches of 32; quire gets them as they
come. Printed: tokens (without padding) per second of wall and of CPU time, medians over rounds, and the ratios.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime as ort

MIXES = {"16": [16] * 256, "128": [128] * 32}


def mixed(count=256):
    rng = np.random.default_rng(20261124)
    return np.clip(np.exp(rng.normal(4.2, 0.9, count)), 8, 512).astype(int).tolist()


def session(path, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def batches(lengths, vocabulary):
    lengths = sorted(lengths)
    for start in range(0, len(lengths), 32):
        part = lengths[start:start + 32]
        mask = (np.arange(max(part))[None, :] < np.array(part)[:, None]).astype(np.int64)
        ids = np.random.default_rng(start).integers(1000, vocabulary, mask.shape) * mask
        yield {"input_ids": ids, "attention_mask": mask}


def run_onnx(model, feeds):
    wall, cpu = time.perf_counter(), time.process_time()
    for feed in feeds:
        model.run(None, feed)
    return time.perf_counter() - wall, time.process_time() - cpu


def torch_runner(args):
    """sentence-transformers over PyTorch, where it is installed: its modules as for `encode`, tokens given."""
    try:
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers import models as modules
    except ImportError:
        return None
    torch.set_num_threads(args.threads)
    trunk = modules.Transformer(args.checkpoint)
    parts = [trunk, modules.Pooling(trunk.get_word_embedding_dimension()), modules.Normalize()]
    model = SentenceTransformer(modules=parts, device="cpu").eval()

    def run(feeds):
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            for feed in feeds:
                model({name: torch.from_numpy(value) for name, value in feed.items()})
        return time.perf_counter() - wall, time.process_time() - cpu

    return run


def run_quire(args, precision, lengths):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(map(str, lengths)))
        file.flush()
        out = subprocess.run(
            [args.quire, "bench", "encoder", args.checkpoint, "--json", "--precisions", precision, "--lengths", "8",
             "--lengths-file", file.name, "--threads", str(args.threads), "--rounds", str(args.inner)],
            check=True, capture_output=True, text=True).stdout
    row = next(row for row in json.loads(out) if row["lengths"] == "file")
    return row["tokens_per_s"], row["tokens_per_cpu_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--inner", type=int, default=3, help="runs of quire within one process")
    args = parser.parse_args()
    vocabulary = json.load(open(f"{args.checkpoint}/config.json"))["vocab_size"]
    mixes = MIXES | {"mixed": mixed()}
    print(f"ONNX Runtime {ort.__version__}, {args.threads} threads, medians of {args.rounds} rounds")
    print(f"{'lengths':>8} {'precision':>9} {'peer tok/s':>10} {'quire':>10} {'wall x':>7} {'peer/CPU-s':>10} "
          f"{'quire':>10} {'CPU x':>7}")
    peers = [("f32", "f32"), ("bf16", "f32"), ("int8", "int8"), ("f32", "torch")]
    for precision, against in peers:
        if against == "torch":
            run = torch_runner(args)
            if run is None:
                print("sentence-transformers is not installed: left out")
                continue
            print("beside sentence-transformers on PyTorch, f32:")
        else:
            model = session(f"{args.onnx}.{against}.onnx", args.threads)
            run = lambda feeds, model=model: run_onnx(model, feeds)
        for name, lengths in mixes.items():
            feeds = list(batches(lengths, vocabulary))
            run(feeds)
            figures = []
            for _ in range(args.rounds):
                spent = [run(feeds) for _ in range(args.inner)]
                wall, cpu = (sum(column) / args.inner for column in zip(*spent))
                quire = run_quire(args, precision, lengths)
                figures.append((sum(lengths) / wall, sum(lengths) / cpu, *quire))
            onnx, onnx_cpu, ours, ours_cpu = (statistics.median(column) for column in zip(*figures))
            print(f"{name:>8} {precision:>9} {onnx:>10.0f} {ours:>10.0f} {ours / onnx:>6.2f}x {onnx_cpu:>10.0f} "
                  f"{ours_cpu:>10.0f} {ours_cpu / onnx_cpu:>6.2f}x", flush=True)


if __name__ == "__main__":
    main()
