"""Hidden states of the trunk, batches, and the training loop that both tasks share."""

import json
import math
import random
import time

import torch
from safetensors.torch import load_file, save_file

from bert import HIDDEN


def batches(lengths, tokens, rng=None):
    """Lists of indices of similar length, at most `tokens` padded tokens each."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], rng.random() if rng else 0))
    out, batch = [], []
    for i in order:
        if batch and lengths[i] * (len(batch) + 1) > tokens:
            out.append(batch)
            batch = []
        batch.append(i)
    out.append(batch)
    if rng:
        rng.shuffle(out)
    return out


def pad(rows, value=0):
    longest = max(len(r) for r in rows)
    return torch.tensor([list(r) + [value] * (longest - len(r)) for r in rows])


@torch.inference_mode()
def trunk_states(trunk, ids, quick=False):
    """The trunk's output for each sequence, in half precision; `quick` computes it as training does."""
    states = [None] * len(ids)
    for batch in batches([len(s) for s in ids], 4096):
        rows = pad([ids[i] for i in batch])
        mask = pad([[1] * len(ids[i]) for i in batch]).bool()
        with fast(quick):
            found = trunk(rows, mask).half()
        for i, row in zip(batch, found):
            states[i] = row[: len(ids[i])].clone()
    return states


def gather(states, batch):
    longest = max(len(states[i]) for i in batch)
    x = torch.zeros(len(batch), longest, HIDDEN)
    mask = torch.zeros(len(batch), longest, dtype=torch.bool)
    for row, i in enumerate(batch):
        x[row, : len(states[i])] = states[i].float()
        mask[row, : len(states[i])] = True
    return x, mask


@torch.inference_mode()
def predict(branch, states, shapes=None):
    """Logits of each sequence: (labels,) if pooled, else (tokens, labels)."""
    branch.eval()
    out = [None] * len(states)
    for batch in batches([len(s) for s in states], 4096):
        x, mask = gather(states, batch)
        more = [pad([shapes[i] for i in batch])] if shapes else []
        for i, logits in zip(batch, branch(x, mask, *more)):
            out[i] = logits.clone() if branch.pooled else logits[: len(states[i])].clone()
    return out


def fast(wanted=True):
    """Products in bfloat16 where the library has them for the processor; weights stay in single precision."""
    there = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and there)


def train(branch, states, loss_of, *, epochs, lr, tokens, seed, after_epoch=None, shapes_of=None, minutes=None):
    """AdamW, linear warm-up over 10 % of the steps, then linear decay.

    With `minutes`, it ends after as many: the rate then falls with the time that is left, where
    that is faster. `shapes_of(batch)` gives the shapes of the tokens.
    """
    rng = random.Random(seed)
    torch.manual_seed(seed)
    lengths = [len(s) for s in states]
    plan = [b for _ in range(epochs) for b in batches(lengths, tokens, rng)]
    per_epoch = len(plan) // epochs
    decay = [p for p in branch.parameters() if p.dim() > 1]
    rest = [p for p in branch.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01},
                                   {"params": rest, "weight_decay": 0.0}], lr=lr)
    warm = max(1, len(plan) // 10)
    began, running = time.time(), math.nan

    def left(s):
        part = (len(plan) - s) / max(1, len(plan) - warm)
        return part if minutes is None else min(part, 1.1 * (1 - (time.time() - began) / 60 / minutes))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warm, 1.0, max(0.0, left(s))))
    for step, batch in enumerate(plan, 1):
        if left(step) <= 0 and step < len(plan):
            print(f"ended at step {step} of {len(plan)} after {minutes} minutes", flush=True)
            break
        branch.train()
        more = [shapes_of(batch)] if shapes_of else []
        with fast():
            logits = branch(*gather(states, batch), *more)
        loss = loss_of(logits.float(), batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(branch.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        running = loss.item() if math.isnan(running) else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"step {step}/{len(plan)} loss {running:.4f} {time.time() - began:.0f} s", flush=True)
        if after_epoch and step % per_epoch == 0:
            after_epoch(step // per_epoch)


def mean(branch, paths):
    """Puts the mean of several runs into a branch: of runs that went on from the same weights it does better than each, and costs as much as one."""
    each = [load_file(path) for path in paths]
    branch.load_state_dict({k: sum(w[k].float() for w in each) / len(each) for k in each[0]})


def save(branch, path):
    """Half precision, Hugging Face names."""
    save_file({k: v.half().contiguous() for k, v in branch.state_dict().items()}, path, {"format": "pt"})


def rounded(branch):
    """What a reader of the saved file computes with."""
    branch.load_state_dict({k: v.half().float() for k, v in branch.state_dict().items()})
    return branch


def note(out, values):
    """Puts values under `quire` in the config.json of a branch, where there is one."""
    path = out / "config.json"
    if not path.exists():
        print(f"no {path}: put {values} under quire there", flush=True)
        return
    config = json.loads(path.read_text(encoding="utf-8"))
    config.setdefault("quire", {}).update(values)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    print(f"{path}: {values}", flush=True)
