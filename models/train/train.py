"""Trains one branch, or a teacher for one: python train.py ner|sentiment|tone-teacher --data DIR --trunk DIR [--out DIR]"""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer

import ner
import sentiment
import tone_teacher

TASKS = {"ner": ner, "sentiment": sentiment, "tone-teacher": tone_teacher}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--data", type=Path, required=True, help="folder with ner/ and sentiment/")
    parser.add_argument("--trunk", type=Path, required=True, help="folder with model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, help="folder for model.safetensors (default: ../TASK)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--taught", type=Path, help="folder that teach.py (ner) or tone-teacher --mean (sentiment) wrote")
    parser.add_argument("--begin", type=Path, help="weights of a branch to go on with")
    parser.add_argument("--layer", type=int, choices=range(7), help="where the branch leaves the trunk (6: a linear head)")
    parser.add_argument("--minutes", type=float, help="end training after as many")
    parser.add_argument("--seed", type=int, help="another draw of sentences (ner, tone-teacher) and another order")
    parser.add_argument("--mean", type=Path, nargs="+", help="no training: the mean of these weights, with its temperature; of teachers, the mean of what they say")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = Tokenizer.from_file(str(args.trunk / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    out = args.out or Path(__file__).resolve().parent.parent / args.task
    out.mkdir(parents=True, exist_ok=True)
    more = {"taught": args.taught, "minutes": args.minutes, "begin": args.begin, "layer": args.layer}
    more |= {k: v for k, v in {"seed": args.seed, "mean": args.mean}.items() if v is not None}
    TASKS[args.task].main(args.data, args.trunk, out, tokenizer, **more)


if __name__ == "__main__":
    main()
