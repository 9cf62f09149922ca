"""The sentiment branch: negative, neutral or positive on the mean of the final hidden states."""

import hashlib
import math
import random

import torch
from safetensors.torch import load_file

import corpora
import fit
from bert import LAYERS, Branch, Trunk, read_weights
from office import Names

SEED, EPOCHS, LR, TOKENS, LONGEST, FROM_LAYER = 23, 2, 1e-4, 1024, 256, 2
# With a teacher there are twice as many texts, and its targets tell more than a label.
TAUGHT_LR, TAUGHT_TOKENS = 1.5e-4, 1536
# A linear head alone begins at nothing and takes more.
HEAD_LR = 1e-2
LABELS = ["negative", "neutral", "positive"]
# A mean rating in [-EDGE, EDGE] is neutral. A rating is itself uncertain: 20 people gave it.
EDGE, SPREAD = 0.5, 0.3
# The teacher's part of the target of a text that people have rated, too.
TEACHER = 0.5
FILES = ["amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets", "tweets"]


def soft(rating):
    """How probable each class is, given the uncertainty of the rating."""
    below = lambda x: 0.5 * (1 + math.erf((x - rating) / (SPREAD * math.sqrt(2))))
    negative, positive = below(-EDGE), 1 - below(EDGE)
    return [negative, 1 - negative - positive, positive]


def hard(rating):
    return 0 if rating < -EDGE else 2 if rating > EDGE else 1


def part_of(file, review):
    """A tenth for the temperature, a tenth for measuring; whole reviews stay together."""
    n = hashlib.sha256(f"{file}/{review}".encode()).digest()[0] % 10
    return {0: "test", 1: "dev"}.get(n, "train")


def three_way(logits, truth):
    guess = logits.argmax(-1)
    scores = []
    for k in range(3):
        hit = ((guess == k) & (truth == k)).sum().item()
        scores.append(2 * hit / max(1, (guess == k).sum().item() + (truth == k).sum().item()))
    return (guess == truth).float().mean().item(), sum(scores) / 3, scores


def calibration_error(logits, truth, bins=10):
    confidence, guess = logits.softmax(-1).max(-1)
    right, error = (guess == truth).float(), 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            error += inside.float().mean().item() * abs(right[inside].mean() - confidence[inside].mean()).item()
    return error


def temperature(logits, targets):
    """The divisor of the logits with the least cross-entropy."""
    log_t = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits / log_t.exp(), targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    return log_t.exp().item()


def holds(squeezed):
    """Whether a squeezed text is in one of these or holds one that is longer than a word or two."""
    every, longer = "\n".join(squeezed), [s for s in squeezed if len(s) > 20]
    return lambda key: key in every or len(key) > 20 and any(s in key for s in longer)


def rated_parts(data, rng):
    """Rated texts in three parts, SST-2's dev part, and whether a squeezed text is in that (or holds a sentence of it)."""
    sst = list(corpora.binary(data / "sentiment" / "sst2.dev.tsv"))
    sst_squeezed = [corpora.squeeze(t) for t, _ in sst]
    # The film snippets and SST-2 have one origin: what SST-2's dev part holds is not trained on.
    known = holds(sst_squeezed)
    parts = {"train": [], "dev": [], "test": []}
    dropped = 0
    for file in FILES:
        rows = list(corpora.rated(data / "sentiment" / f"{file}_GroundTruth.txt"))
        for review, rating, text in rows:
            part = part_of(file, review)
            if part == "train" and file.startswith("movie") and known(corpora.squeeze(text)):
                dropped += 1
                continue
            parts[part].append((text, rating, file))
        # Longer texts: neighbouring sentences of one review, with the mean of their ratings.
        reviews = {}
        for review, rating, text in rows:
            reviews.setdefault(review, []).append((text, rating))
        for review, sentences in reviews.items():
            while len(sentences) > 3 and part_of(file, review) == "train":
                n = rng.randint(2, 4)
                group, sentences = sentences[:n], sentences[n + 2 :]
                parts["train"].append((" ".join(t for t, _ in group), sum(r for _, r in group) / n, file))
    print({k: len(v) for k, v in parts.items()}, f"{dropped} film snippets of SST-2's dev part dropped", flush=True)

    return parts, sst, known


def facts(data, rng):
    """Text that states facts or does business is neutral; and held-out news."""
    ner = data / "ner"
    names = Names(list(corpora.wikiann(ner / "wikiann.train")))
    news = [[t for t, _ in s] for s in corpora.re3d(ner / "re3d-train.conll")]
    masc = [[t for t, _ in s] for s in corpora.plain(ner / "masc.silver.conll")]
    wiki = [[t for t, _ in s] for s in corpora.wikiann(ner / "wikiann.train")]
    long = lambda sentences: [s for s in sentences if len(s) >= 8 and not {"!", "``", "''"} & set(s)]
    found = rng.sample(long(masc), 1200) + rng.sample(long(wiki), 800) + rng.sample(long(news), 500)
    business = [names.sentence(rng)[0] for _ in range(1500)]
    extra = [(corpora.untokenised(s), [0.08, 0.84, 0.08]) for s in found]
    extra += [(corpora.untokenised(s), [0.02, 0.96, 0.02]) for s in business]
    held_business = [corpora.untokenised(s) for s in rng.sample(long([[t for t, _ in s] for s in corpora.re3d(ner / "re3d-test.conll")]), 100)]
    return extra, held_business


def taught_too(path, examples):
    """Targets of people and of the teacher (tone_teacher.py): their mean where there are both."""
    taught = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        *row, text = line.split("\t")
        taught[text] = [float(p) for p in row]
    both = [(t, [(1 - TEACHER) * a + TEACHER * b for a, b in zip(y, taught.pop(t))] if t in taught else y) for t, y in examples]
    return both + list(taught.items())


def watched(data, held):
    """Sentences of SST-2's train part that are also among the films held out: no part of training has them."""
    inside = holds([corpora.squeeze(t) for t, _, f in held if f.startswith("movie")])
    return [(t, y) for t, y in corpora.binary(data / "sentiment" / "sst2.train.tsv") if len(t) > 30 and inside(corpora.squeeze(t))]


def pieces(tokenizer, texts):
    return [e.ids[: LONGEST - 1] + [e.ids[-1]] if len(e.ids) > LONGEST else e.ids for e in tokenizer.encode_batch(texts)]


def show(name, logits, truth):
    accuracy, f1, each = three_way(logits, truth)
    print(f"{name}: accuracy {accuracy:.4f} macro-F1 {f1:.4f} ({' '.join(f'{s:.3f}' for s in each)}) "
          f"calibration error {calibration_error(logits, truth):.4f}", flush=True)


def show_two_tones(name, logits, truth):
    guess = (logits[:, 2] > logits[:, 0]).long()
    print(f"{name} ({len(truth)}), positive against negative: {(guess == truth).float().mean().item():.4f}", flush=True)


def main(data, trunk_dir, out, tokenizer, minutes, begin, layer, taught, seed=SEED, mean=(), **_):
    rng = random.Random(SEED)
    weights = read_weights(trunk_dir)
    layer = FROM_LAYER if layer is None else layer
    trunk = Trunk(weights, layer)
    parts, sst, _ = rated_parts(data, rng)
    extra, held_business = facts(data, rng)

    def states(texts, quick=False):
        return fit.trunk_states(trunk, pieces(tokenizer, texts), quick)

    examples = [] if mean else [(t, soft(r)) for t, r, _ in parts["train"]] + extra
    if taught and not mean:
        examples = taught_too(taught / "tones.tsv", examples)
    targets = torch.tensor([y for _, y in examples])
    inputs = states([t for t, _ in examples], quick=True) if examples else []
    print(f"{len(inputs)} sequences, {sum(map(len, inputs))} pieces", flush=True)
    watch = watched(data, parts["dev"])
    watch_states, watch_truth = states([t for t, _ in watch]), torch.tensor([y for _, y in watch])
    dev, test = states([t for t, *_ in parts["dev"]]), states([t for t, *_ in parts["test"]])
    truth = {p: torch.tensor([hard(r) for _, r, _ in parts[p]]) for p in ("dev", "test")}
    sst_states, sst_truth = states([t for t, _ in sst]), torch.tensor([y for _, y in sst])
    plain = states(held_business)

    def loss_of(logits, batch):
        return torch.nn.functional.cross_entropy(logits, targets[batch])

    # Texts and parts are drawn as ever; another seed is another order.
    torch.manual_seed(seed)
    branch = Branch(3, pooled=True, from_layer=layer).start_from(weights)
    if begin:
        had = {k: v.float() for k, v in load_file(begin).items()}
        branch.load_state_dict(branch.state_dict() | had)

    def after_epoch(n):
        fit.save(branch, out / "model.safetensors")
        show(f"epoch {n}: dev", torch.stack(fit.predict(branch, dev)), truth["dev"])
        show_two_tones(f"epoch {n}: SST-2 sentences watched", torch.stack(fit.predict(branch, watch_states)), watch_truth)

    if mean:
        fit.mean(branch, mean)
    else:
        lr, tokens = (TAUGHT_LR, TAUGHT_TOKENS) if taught else (LR, TOKENS)
        fit.train(branch, inputs, loss_of, epochs=EPOCHS, lr=HEAD_LR if layer == LAYERS else lr, tokens=tokens, seed=seed,
                  after_epoch=after_epoch, minutes=minutes)

    t = temperature(torch.stack(fit.predict(branch, dev)), truth["dev"])
    fit.rounded(branch)
    after_epoch("last")
    predict = lambda part: torch.stack(fit.predict(branch, part)) / t
    noted = {"branch_layer": layer, "temperature": round(t, 4), "languages": ["en"]}
    # What divides the logits of text in languages that the trunk does not know.
    strange = [row for path in sorted((data / "sentiment").glob("tones-dev.*.tsv")) for row in corpora.labelled(path, LABELS)]
    if strange:
        noted["elsewhere"] = round(temperature(predict(states([t for t, _ in strange])), torch.tensor([y for _, y in strange])), 2)
    fit.note(out, noted)
    logits = predict(test)
    show("held-out rated text", logits, truth["test"])
    for file in FILES:
        here = torch.tensor([f == file for *_, f in parts["test"]])
        show(f"  {file} ({int(here.sum())})", logits[here], truth["test"][here])
    show_two_tones("SST-2 dev", predict(sst_states), sst_truth)
    logits = predict(plain)
    print(f"re3d test sentences said to be neutral: {(logits.argmax(-1) == 1).float().mean().item():.4f}")
