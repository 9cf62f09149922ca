"""Teachers for the sentiment branch: all layers, trained on the Stanford Sentiment Treebank and on rated texts.

Their weights are not delivered. With `--mean` they label text under open terms, from which the branch learns (`sentiment.py`).
"""

import random

import torch
from safetensors.torch import load_file

import corpora
import fit
import sentiment
from bert import Branch, Trunk, read_weights

LR, TOKENS, LAYER = 1e-4, 1536, 0
# By seeds: epochs, toned and neutral phrases, rated texts that are replayed.
RUNS = {29: (1, 36000, 6000, 6000), 31: (2, 60000, 12000, 9000)}
# Of the draw of what is labelled; and parts that are cut out of a film's text.
LABEL_SEED, CUTS = 77, 8
# The treebank's five labels. Its neutral middle is wider than that of the rated texts in whole sentences, so that it is less sure there.
PHRASE = [[0.96, 0.03, 0.01], [0.80, 0.17, 0.03], [0.10, 0.80, 0.10], [0.03, 0.17, 0.80], [0.01, 0.03, 0.96]]
SENTENCE = PHRASE[:2] + [[0.25, 0.50, 0.25]] + PHRASE[3:]


def treebank(path, rng, apart_from, toned_phrases, plain_phrases):
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
    return whole, some(toned, toned_phrases), some(plain, plain_phrases)


def open_texts(data, rng, parts, known):
    """Text under open terms to be labelled: rated texts, parts of them, the films' also as SST-2 writes them, and other sentences."""
    texts = []
    for text, _, file in parts["train"]:
        texts.append(text)
        # The joined sentences are cut as the single ones are, elsewhere.
        if file.startswith("movie"):
            cuts = corpora.cut(text, rng, CUTS)
            texts += [corpora.apart(text)] + cuts[::2] + [corpora.apart(c) for c in cuts[1::2]]
        elif len(text) < 200:
            texts += corpora.cut(text, rng, 1)
    other = [[t for t, _ in s] for s in corpora.uner(data / "ner" / "uner.dev.iob2")]
    masc = [[t for t, _ in s] for s in corpora.plain(data / "ner" / "masc.silver.conll")]
    texts += [corpora.untokenised(s) for s in other + rng.sample(masc, 1500) if 4 <= len(s) <= 50]
    return [t for t in dict.fromkeys(texts) if "\t" not in t and "\n" not in t and not known(corpora.squeeze(t))]


def show(logits, rated, toned):
    sentiment.show("rated texts watched", logits[0], torch.tensor([sentiment.hard(r) for _, r, _ in rated]))
    sentiment.show_two_tones("SST-2 sentences watched", logits[1], torch.tensor([y for _, y in toned]))


def main(data, trunk_dir, out, tokenizer, minutes, begin, seed=31, mean=(), **_):
    weights = read_weights(trunk_dir)
    trunk = Trunk(weights, LAYER)
    parts, _, known = sentiment.rated_parts(data, random.Random(sentiment.SEED))
    watched = sentiment.watched(data, parts["dev"])
    states = lambda texts: fit.trunk_states(trunk, sentiment.pieces(tokenizer, texts))
    to_watch = [states([t for t, *_ in part]) for part in (parts["dev"], watched)]
    predict = lambda branch, inputs: torch.stack(fit.predict(branch, inputs))

    def branch(path=None):
        made = Branch(3, pooled=True, from_layer=LAYER).start_from(weights)
        if path:
            made.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return made

    if mean:
        teachers = [branch(path) for path in mean]
        together = lambda inputs: sum(predict(teacher, inputs).float().softmax(-1) for teacher in teachers) / len(teachers)
        show([together(inputs).log() for inputs in to_watch], parts["dev"], watched)
        texts = open_texts(data, random.Random(LABEL_SEED), parts, known)
        inputs = states(texts)
        with fit.fast():
            rows = together(inputs).tolist()
        with open(out / "tones.tsv", "w", encoding="utf-8") as file:
            for text, row in zip(texts, rows):
                file.write("\t".join(f"{p:.4f}" for p in row) + f"\t{text}\n")
        print(f"{len(texts)} texts labelled", flush=True)
        return

    rng = random.Random(seed)
    epochs, toned_phrases, plain_phrases, replayed = RUNS.get(seed, RUNS[31])
    extra, _ = sentiment.facts(data, random.Random(sentiment.SEED))
    # What the rated texts are watched and measured with is unknown to the teacher, too.
    held = {p: sentiment.holds([corpora.squeeze(t) for t, _, f in parts[p] if f.startswith("movie")]) for p in ("dev", "test")}
    apart_from = lambda key: known(key) or len(key) > 20 and any(h(key) for h in held.values())
    whole, toned, plain = treebank(data / "sentiment" / "sst.trees.train.txt", rng, apart_from, toned_phrases, plain_phrases)
    print(f"{len(whole)} sentences, {len(toned)} toned and {len(plain)} neutral phrases of the treebank", flush=True)
    rated = [(t, sentiment.soft(r)) for t, r, _ in parts["train"]] + extra
    examples = whole + toned + plain + (rng.sample(rated, replayed) if begin else rated)
    inputs, targets = states([t for t, _ in examples]), torch.tensor([y for _, y in examples])
    print(f"{len(inputs)} sequences, {sum(map(len, inputs))} pieces", flush=True)
    torch.manual_seed(seed)
    teacher = branch(begin)
    fit.train(teacher, inputs, lambda logits, batch: torch.nn.functional.cross_entropy(logits, targets[batch]),
              epochs=epochs, lr=LR, tokens=TOKENS, seed=seed, minutes=minutes)
    fit.save(teacher, out / "teacher.safetensors")
    show([predict(teacher, inputs) for inputs in to_watch], parts["dev"], watched)
