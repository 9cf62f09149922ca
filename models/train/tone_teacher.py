"""A teacher for the sentiment branch: all layers, trained on the Stanford Sentiment Treebank and on rated texts.

Its weights are not delivered. It labels text under open terms, from which the branch learns (`sentiment.py`).
"""

import random

import torch
from safetensors.torch import load_file

import corpora
import fit
import sentiment
from bert import Branch, Trunk, read_weights

SEED, EPOCHS, LR, TOKENS, LAYER = 29, 1, 1e-4, 1536, 0
PHRASES, NEUTRAL_PHRASES, REPLAYED = 36000, 6000, 6000
# The treebank's five labels. Its neutral middle is wider than that of the rated texts in whole sentences, so that it is less sure there.
PHRASE = [[0.96, 0.03, 0.01], [0.80, 0.17, 0.03], [0.10, 0.80, 0.10], [0.03, 0.17, 0.80], [0.01, 0.03, 0.96]]
SENTENCE = PHRASE[:2] + [[0.25, 0.50, 0.25]] + PHRASE[3:]


def treebank(path, rng, apart_from):
    """(text, target) of its sentences and some of its phrases, without what `apart_from` says of the squeezed text."""
    whole, phrases = [], {}
    for tree in corpora.trees(path):
        sentence, label = tree[0]
        if apart_from(corpora.squeeze(sentence)):
            continue
        whole.append((corpora.apart(sentence), SENTENCE[label]))
        for text, label in tree[1:]:
            if text.count(" ") >= 1:
                phrases[corpora.apart(text)] = label
    toned, plain = ([(t, PHRASE[y]) for t, y in phrases.items() if (y == 2) == neutral] for neutral in (False, True))
    some = lambda rows, count: [r for r in rng.sample(rows, min(len(rows), 2 * count)) if not apart_from(corpora.squeeze(r[0]))][:count]
    return whole, some(toned, PHRASES), some(plain, NEUTRAL_PHRASES)


def open_texts(data, rng, parts, known):
    """Text under open terms to be labelled: rated texts, parts of them, the films' also as SST-2 writes them, and other sentences."""
    texts = []
    for text, _, file in parts["train"]:
        texts.append(text)
        # The joined sentences are cut as the single ones are, elsewhere.
        if file.startswith("movie"):
            cuts = corpora.cut(text, rng, 4)
            texts += [corpora.apart(text)] + cuts[::2] + [corpora.apart(c) for c in cuts[1::2]]
        elif len(text) < 200:
            texts += corpora.cut(text, rng, 1)
    other = [[t for t, _ in s] for s in corpora.uner(data / "ner" / "uner.dev.iob2")]
    masc = [[t for t, _ in s] for s in corpora.plain(data / "ner" / "masc.silver.conll")]
    texts += [corpora.untokenised(s) for s in other + rng.sample(masc, 1500) if 4 <= len(s) <= 50]
    return [t for t in dict.fromkeys(texts) if "\t" not in t and "\n" not in t and not known(corpora.squeeze(t))]


def main(data, trunk_dir, out, tokenizer, minutes, begin, **_):
    rng = random.Random(SEED)
    weights = read_weights(trunk_dir)
    trunk = Trunk(weights, LAYER)
    parts, _, known = sentiment.rated_parts(data, random.Random(sentiment.SEED))
    extra, _ = sentiment.facts(data, random.Random(sentiment.SEED))
    # What the rated texts are watched and measured with is unknown to the teacher, too.
    held = {p: sentiment.holds([corpora.squeeze(t) for t, _, f in parts[p] if f.startswith("movie")]) for p in ("dev", "test")}
    apart_from = lambda key: known(key) or len(key) > 20 and any(h(key) for h in held.values())
    whole, toned, plain = treebank(data / "sentiment" / "sst.trees.train.txt", rng, apart_from)
    print(f"{len(whole)} sentences, {len(toned)} toned and {len(plain)} neutral phrases of the treebank", flush=True)
    rated = [(t, sentiment.soft(r)) for t, r, _ in parts["train"]] + extra
    examples = whole + toned + plain + (rng.sample(rated, REPLAYED) if begin else rated)
    watched = sentiment.watched(data, parts["dev"])

    states = lambda texts: fit.trunk_states(trunk, sentiment.pieces(tokenizer, texts))
    inputs, targets = states([t for t, _ in examples]), torch.tensor([y for _, y in examples])
    print(f"{len(inputs)} sequences, {sum(map(len, inputs))} pieces", flush=True)
    torch.manual_seed(SEED)
    branch = Branch(3, pooled=True, from_layer=LAYER).start_from(weights)
    if begin:
        branch.load_state_dict({k: v.float() for k, v in load_file(begin).items()})
    fit.train(branch, inputs, lambda logits, batch: torch.nn.functional.cross_entropy(logits, targets[batch]),
              epochs=EPOCHS, lr=LR, tokens=TOKENS, seed=SEED, minutes=minutes)
    fit.save(branch, out / "teacher.safetensors")
    del inputs
    predict = lambda texts: torch.stack(fit.predict(branch, states(texts)))
    sentiment.show("rated texts watched", predict([t for t, *_ in parts["dev"]]), torch.tensor([sentiment.hard(r) for _, r, _ in parts["dev"]]))
    sentiment.show_two_tones("SST-2 sentences watched", predict([t for t, _ in watched]), torch.tensor([y for _, y in watched]))
    texts = open_texts(data, rng, parts, known)
    with fit.fast():
        rows = predict(texts).float().softmax(-1).tolist()
    with open(out / "tones.tsv", "w", encoding="utf-8") as file:
        for text, row in zip(texts, rows):
            file.write("\t".join(f"{p:.4f}" for p in row) + f"\t{text}\n")
    print(f"{len(texts)} texts labelled", flush=True)
