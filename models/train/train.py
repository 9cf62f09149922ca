"""Trains one branch: python train.py ner|sentiment --data DIR --trunk DIR [--out DIR]"""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer

import ner
import sentiment

TASKS = {"ner": ner, "sentiment": sentiment}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--data", type=Path, required=True, help="folder with ner/ and sentiment/")
    parser.add_argument("--trunk", type=Path, required=True, help="folder with model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, help="folder for model.safetensors (default: ../TASK)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--taught", type=Path, help="folder that teach.py wrote (ner)")
    parser.add_argument("--begin", type=Path, help="weights of a branch to go on with")
    parser.add_argument("--layer", type=int, choices=range(7), help="where the branch leaves the trunk (6: a linear head)")
    parser.add_argument("--minutes", type=float, help="end training after as many")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = Tokenizer.from_file(str(args.trunk / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    out = args.out or Path(__file__).resolve().parent.parent / args.task
    out.mkdir(parents=True, exist_ok=True)
    more = {"taught": args.taught, "minutes": args.minutes, "begin": args.begin, "layer": args.layer}
    TASKS[args.task].main(args.data, args.trunk, out, tokenizer, **more)


if __name__ == "__main__":
    main()
