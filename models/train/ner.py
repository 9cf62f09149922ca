"""The NER branch: PER, ORG, LOC and MISC in BIO labels on each word's first piece."""

import random

import torch
import torch.nn.functional as F

import corpora
import fit
from bert import Branch, Trunk, read_weights
from corpora import LABELS
from office import Names

SEED, EPOCHS, LR, TOKENS, LONGEST = 17, 2, 2e-4, 1024, 160
ID = {label: i for i, label in enumerate(LABELS)}


def words_of(sentence, tokenizer):
    """The tokeniser's own words, as they are found in running text, with their labels."""
    words = []
    for token, allowed in sentence:
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(token))
        for n, (piece, _) in enumerate(pieces):
            if n and len(allowed) == 1:
                allowed = frozenset(label.replace("B-", "I-") for label in allowed)
            words.append((piece, allowed))
    return words


def encode(sentences, tokenizer):
    """(ids, positions of first pieces, allowed labels) of each sentence."""
    found = []
    texts = [[w for w, _ in s] for s in sentences]
    for sentence, e in zip(sentences, tokenizer.encode_batch(texts, is_pretokenized=True)):
        first = {}
        for position, word in enumerate(e.word_ids):
            if word is not None and word not in first and position < LONGEST:
                first[word] = position
        allowed = [sentence[w][1] for w in first]
        found.append((e.ids[:LONGEST], list(first.values()), allowed))
    return found


def joined(sentences, rng):
    """Half of the sentences alone, the others joined by two to five: documents come in longer pieces."""
    out, i = [], 0
    while i < len(sentences):
        n = 1 if rng.random() < 0.5 else rng.randint(2, 5)
        group = sentences[i : i + n]
        while sum(len(s) for s in group) > LONGEST * 3 // 4 and len(group) > 1:
            group.pop()
        out.append([word for s in group for word in s])
        i += len(group)
    return out


def viterbi(log_p):
    """The best label sequence in which I-X follows only B-X or I-X."""
    ban = torch.zeros(len(LABELS), len(LABELS))
    for i, before in enumerate(LABELS):
        for j, label in enumerate(LABELS):
            if label.startswith("I-") and before[2:] != label[2:]:
                ban[i, j] = -1e4
    score, back = log_p[0] + ban[0], []
    for row in log_p[1:]:
        score, best = (score[:, None] + ban).max(0)
        score = score + row
        back.append(best)
    path = [int(score.argmax())]
    for best in reversed(back):
        path.append(int(best[path[-1]]))
    return [LABELS[i] for i in reversed(path)]


def measure(branch, examples, constrained=True):
    """Entity-level exact match: precision, recall and F1, and F1 by type."""
    tally = {}
    for (_, first, allowed, _), logits in zip(examples, fit.predict(branch, [e[3] for e in examples])):
        if not first:
            continue
        log_p = logits[first].log_softmax(-1)
        tags = viterbi(log_p) if constrained else [LABELS[i] for i in log_p.argmax(-1)]
        misc = not any(a == corpora.OPEN for a in allowed)
        gold = {s for s in corpora.spans("O" if len(a) > 1 else next(iter(a)) for a in allowed)}
        guess = {s for s in corpora.spans(tags) if misc or s[2] != "MISC"}
        for kind in ("PER", "ORG", "LOC", "MISC"):
            g, p = {s for s in gold if s[2] == kind}, {s for s in guess if s[2] == kind}
            row = tally.setdefault(kind, [0, 0, 0])
            row[0] += len(g & p)
            row[1] += len(p)
            row[2] += len(g)
    def score(hit, said, true):
        p, r = hit / max(1, said), hit / max(1, true)
        return p, r, 2 * p * r / max(1e-9, p + r)
    total = score(*map(sum, zip(*tally.values())))
    return total, {k: score(*v)[2] for k, v in tally.items()}


def report(name, branch, examples):
    (p, r, f1), by_type = measure(branch, examples)
    kinds = " ".join(f"{k} {v * 100:.1f}" for k, v in by_type.items())
    print(f"{name}: P {p * 100:.1f} R {r * 100:.1f} F1 {f1 * 100:.1f} ({kinds})", flush=True)
    return f1


def main(data, trunk_dir, out, tokenizer):
    rng = random.Random(SEED)
    weights = read_weights(trunk_dir)
    trunk = Trunk(weights)
    ner = data / "ner"

    measured = {
        "WikiGold": list(corpora.plain(ner / "wikigold.conll.txt")),
        "WNUT-17 test": list(corpora.wnut(ner / "emerging.test.annotated")),
        "WikiANN test": list(corpora.wikiann(ner / "wikiann.test")),
    }
    masc = list(corpora.plain(ner / "masc.silver.conll"))
    watched = {
        "WNUT-17 dev": list(corpora.wnut(ner / "emerging.dev.conll")),
        "WikiANN dev (1,500)": list(corpora.wikiann(ner / "wikiann.dev"))[:1500],
        "MASC silver held out": masc[-1000:],
        "re3d test (names only)": list(corpora.re3d(ner / "re3d-test.conll")),
    }
    seen = {corpora.squeeze(" ".join(t for t, _ in s)) for p in (*measured.values(), *watched.values()) for s in p}
    wikiann = list(corpora.wikiann(ner / "wikiann.train"))
    names = Names(wikiann)
    office = [corpora.tagged(*names.sentence(rng), corpora.OPEN) for _ in range(4000)]
    empty = lambda s: all(a == {"O"} for _, a in s)
    parts = {
        "WNUT-17": list(corpora.wnut(ner / "wnut17train.conll")),
        "WikiANN": wikiann,
        "MASC": [s for s in masc[:-1000] if not empty(s) or rng.random() < 0.5],
        "re3d": list(corpora.re3d(ner / "re3d-train.conll")),
        "office": office,
    }
    sentences = []
    for name, part in parts.items():
        fresh = [s for s in part if name == "office" or corpora.squeeze(" ".join(t for t, _ in s)) not in seen]
        words = [w for w in (words_of(s, tokenizer) for s in fresh) if w]
        print(f"{name}: {len(part)} sentences, {len(words)} kept", flush=True)
        sentences += joined(words, rng)

    def prepare(found):
        encoded = encode(found, tokenizer)
        return [(*e, s) for e, s in zip(encoded, fit.trunk_states(trunk, [e[0] for e in encoded]))]

    examples = prepare(sentences)
    print(f"{len(examples)} sequences, {sum(len(e[0]) for e in examples)} pieces", flush=True)
    tests = lambda group: {n: prepare([w for w in (words_of(s, tokenizer) for s in p) if w]) for n, p in group.items()}
    watched = tests(watched)

    def loss_of(logits, batch):
        rows = [(r, p) for r, i in enumerate(batch) for p in examples[i][1]]
        allowed = [a for i in batch for a in examples[i][2]]
        open_to = torch.tensor([[label in a for label in LABELS] for a in allowed])
        picked = logits[[r for r, _ in rows], [p for _, p in rows]]
        log_p = F.log_softmax(picked, -1).masked_fill(~open_to, float("-inf"))
        return -log_p.logsumexp(-1).mean()

    torch.manual_seed(SEED)
    branch = Branch(len(LABELS), pooled=False).start_from(weights)

    def after_epoch(n):
        fit.save(branch, out / "model.safetensors")
        for name, part in watched.items():
            report(f"epoch {n}: {name}", branch, part)

    fit.train(branch, [e[3] for e in examples], loss_of, epochs=EPOCHS, lr=LR, tokens=TOKENS, seed=SEED,
              after_epoch=after_epoch)
    fit.rounded(branch)
    fit.save(branch, out / "model.safetensors")
    for name, part in tests(measured).items():
        report(name, branch, part)
