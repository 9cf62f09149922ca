"""The NER branch: PER, ORG, LOC and MISC in BIO labels on each word's first piece."""

import random

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import corpora
import fit
from bert import Branch, Trunk, read_weights
from corpora import LABELS
from office import Names
from shapes import MARK, shape

SEED, EPOCHS, LR, TOKENS, LONGEST, FROM_LAYER = 17, 1, 1.5e-4, 1024, 160, 3
ID = {label: i for i, label in enumerate(LABELS)}


# Held-out parts that people annotated.
HELD = ["WNUT-17 dev", "CrossNER held out", "UNER EWT held out"]

# Ways in which a whole text may be written: as it is, and in capitals, small letters, all words capitalised.
WAYS = [lambda w: w, str.upper, str.lower, str.capitalize]


def words_of(sentence, tokenizer):
    """The tokeniser's own words, as they are found in running text, with their labels."""
    words = []
    for token, allowed in sentence:
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(token)
        for n, (piece, _) in enumerate(pieces):
            if n and len(allowed) == 1:
                allowed = frozenset(label.replace("B-", "I-") for label in allowed)
            words.append((piece, allowed))
    return words


def encode(sentences, tokenizer):
    """(ids, positions of first pieces, allowed labels, shapes for each of WAYS) of each sentence."""
    found = []
    texts = [[w for w, _ in s] for s in sentences]
    for sentence, e in zip(sentences, tokenizer.encode_batch(texts, is_pretokenized=True)):
        first = {}
        for position, word in enumerate(e.word_ids):
            if word is not None and word not in first and position < LONGEST:
                first[word] = position
        allowed = [sentence[w][1] for w in first]
        shapes = []
        for way in WAYS:
            of_words = [shape(way(w)) for w, _ in sentence]
            shapes.append([MARK if w is None else of_words[w] for w in e.word_ids[:LONGEST]])
        found.append((e.ids[:LONGEST], list(first.values()), allowed, shapes))
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


def measure(branch, examples, constrained=True, way=0):
    """Entity-level exact match: precision, recall and F1, and F1 by type."""
    tally = {}
    predicted = fit.predict(branch, [e[4] for e in examples], [e[3][way] for e in examples])
    for (_, first, allowed, *_), logits in zip(examples, predicted):
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
    named = score(*map(sum, zip(*(v for k, v in tally.items() if k != "MISC"))))
    return total, {k: score(*v)[2] for k, v in tally.items()} | {"without MISC": named[2]}


def report(name, branch, examples, way=0):
    (p, r, f1), by_type = measure(branch, examples, way=way)
    kinds = ", ".join(f"{k} {v * 100:.1f}" for k, v in by_type.items())
    print(f"{name}: P {p * 100:.1f} R {r * 100:.1f} F1 {f1 * 100:.1f} ({kinds})", flush=True)
    return f1


def finish(branch, watched, out, layer):
    """Fits the temperature on the watched parts that people annotated and notes it in config.json.

    A name's confidence is the mean probability of its labels, as in quire; the temperature is the
    one under which the confidences tell best which names are right (least log loss).
    """
    states, labels, of, rights = [], [], [], []
    for name in HELD:
        predicted = fit.predict(branch, [e[4] for e in watched[name]], [e[3][0] for e in watched[name]])
        for (_, first, allowed, *_), logits in zip(watched[name], predicted):
            if not first:
                continue
            rows, open_ = logits[first], any(a == corpora.OPEN for a in allowed)
            tags = viterbi(rows.log_softmax(-1))
            gold = {s for s in corpora.spans("O" if len(a) > 1 else next(iter(a)) for a in allowed)}
            for start, end, kind in corpora.spans(tags):
                if not (open_ and kind == "MISC"):
                    states.append(rows[start:end])
                    labels += [ID[t] for t in tags[start:end]]
                    of += [len(rights)] * (end - start)
                    rights.append(float((start, end, kind) in gold))
    states, labels, of, rights = torch.cat(states), torch.tensor(labels), torch.tensor(of), torch.tensor(rights)

    def loss(t):
        p = (states / t).softmax(-1).gather(1, labels[:, None])[:, 0]
        mean = torch.zeros(len(rights)).index_add(0, of, p) / torch.bincount(of)
        return F.binary_cross_entropy(mean.clamp(1e-4, 1 - 1e-4), rights).item()

    t = min((0.8 + 0.1 * n for n in range(33)), key=loss)
    print(f"{len(rights)} names, log loss {loss(1.0):.4f}, with a temperature of {t:.1f} {loss(t):.4f}", flush=True)
    fit.note(out, {"branch_layer": layer, "shapes": True, "temperature": round(t, 1)})


def unseen(older, newer):
    """CrossNER for training, and those of it that are new to any weights that a run goes on with.

    One run before held out the last 300 of `older` (shuffled), the one after it the last 300 of `newer`, which
    has the test parts, too. Both always shuffled with the same seed.
    """
    text = lambda s: corpora.squeeze(" ".join(t for t, _ in s))
    for part in (older, newer):
        random.Random(SEED).shuffle(part)
    seen = {text(s) for s in older[:-300]} | {text(s) for s in newer[:-300]}
    held = [s for s in newer[-300:] if text(s) not in seen]
    return [s for s in newer if text(s) in seen], held


def main(data, trunk_dir, out, tokenizer, taught, minutes, begin, layer, seed=None, mean=()):
    seed = SEED if seed is None else seed
    rng = random.Random(seed)
    weights = read_weights(trunk_dir)
    layer = FROM_LAYER if layer is None else layer
    trunk = Trunk(weights, layer)
    ner = data / "ner"

    measured = {
        "WikiGold": list(corpora.plain(ner / "wikigold.conll.txt")),
        "WNUT-17 test": list(corpora.wnut(ner / "emerging.test.annotated")),
        "WikiANN test (2,000)": list(corpora.wikiann(ner / "wikiann.test"))[:2000],
        "UNER EWT test": list(corpora.uner(ner / "uner.test.iob2")),
    }
    domains = ("ai", "literature", "music", "politics", "science")
    read = lambda *parts: [s for d in domains for part in parts for s in corpora.crossner(ner / f"crossner.{d}.{part}.txt")]
    uner = list(corpora.uner(ner / "uner.dev.iob2"))
    crossner, held = unseen(read("train", "dev"), read("train", "dev", "test"))
    masc = list(corpora.plain(ner / "masc.silver.conll"))
    watched = {
        "WNUT-17 dev": list(corpora.wnut(ner / "emerging.dev.conll")),
        "WikiANN dev (1,500)": list(corpora.wikiann(ner / "wikiann.dev"))[:1500],
        "MASC silver held out": masc[-1000:],
        "CrossNER held out": held,
        "UNER EWT held out": uner[-300:],
    }
    seen = {corpora.squeeze(" ".join(t for t, _ in s)) for p in (*measured.values(), *watched.values()) for s in p}
    wikiann = list(corpora.wikiann(ner / "wikiann.train"))
    names = Names(wikiann)
    empty = lambda s: all("O" in a for _, a in s)
    some = lambda part, keep: [s for s in part if not empty(s) or rng.random() < keep]
    wnut = list(corpora.wnut(ner / "wnut17train.conll"))
    # Most of WikiANN are fragments; the longer ones are more like text.
    agreed = list(corpora.agreed(taught / "wikiann.taught"))
    agreed = [s for s in agreed if len(s) >= 7 or rng.random() < 0.1]
    voted = lambda name: [s for s in corpora.voted(taught / f"{name}.voted") if len(s) >= 4]
    people_and_places = corpora.named(crossner + list(corpora.tweets(ner / "btc.train")))
    parts = {
        # Half of it again with other names, so that what is learnt is where names stand.
        "WNUT-17": wnut + [corpora.renamed(s, people_and_places, rng) for s in wnut[::2]],
        "CrossNER": rng.sample(crossner, 2500),
        "UNER EWT": uner[:-300],
        "BTC": rng.sample(some(list(corpora.tweets(ner / "btc.train")), 0.5), 1750),
        "WikiANN": rng.sample(agreed, 1200),
        "MASC": rng.sample(some(voted("masc"), 0.25), 1200),
        "prose": rng.sample(some(voted("prose"), 0.5), 1000),
        "WikiText": rng.sample(some(voted("wikitext"), 0.25), 3000),
        "re3d": list(corpora.re3d(ner / "re3d-train.conll"))[::2],
        "office": [corpora.tagged(*names.sentence(rng)) for _ in range(700)],
    }
    sentences = []
    for name, part in parts.items():
        fresh = [s for s in part if name == "office" or corpora.squeeze(" ".join(t for t, _ in s)) not in seen]
        words = [w for w in (words_of(s, tokenizer) for s in fresh) if w]
        print(f"{name}: {len(part)} sentences, {len(words)} kept, {sum(map(len, words))} words", flush=True)
        sentences += joined(words, rng)

    def prepare(found, quick=False):
        encoded = encode(found, tokenizer)
        return [(*e, s) for e, s in zip(encoded, fit.trunk_states(trunk, [e[0] for e in encoded], quick))]

    examples = [] if mean else prepare(sentences, quick=True)
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

    def shapes_of(batch):
        """Now and then a text in capitals, in small letters, or with all words capitalised."""
        ways = rng.choices(range(len(WAYS)), [84, 7, 5, 4], k=len(batch))
        return fit.pad([examples[i][3][way] for i, way in zip(batch, ways)])

    torch.manual_seed(seed)
    branch = Branch(len(LABELS), pooled=False, from_layer=layer, shapes=True).start_from(weights)
    if begin:
        # Goes on with a branch that there is; shapes that it did not know of change nothing at first.
        had = {k: v.float() for k, v in load_file(begin).items()}
        torch.nn.init.zeros_(branch.shapes.weight)
        branch.load_state_dict(branch.state_dict() | had)

    def after_epoch(n):
        fit.save(branch, out / "model.safetensors")
        for name, part in watched.items():
            report(f"epoch {n}: {name}", branch, part)

    if mean:
        fit.mean(branch, mean)
    else:
        fit.train(branch, [e[4] for e in examples], loss_of, epochs=EPOCHS, lr=LR, tokens=TOKENS, seed=seed,
                  after_epoch=after_epoch, shapes_of=shapes_of, minutes=minutes)
    fit.rounded(branch)
    fit.save(branch, out / "model.safetensors")
    finish(branch, watched, out, layer)
    for name, part in measured.items():
        part = tests({name: part})[name]
        report(name, branch, part)
        report(f"{name}, in capitals", branch, part, way=1)
