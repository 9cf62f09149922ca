"""Labels text with CoreNLP beside spaCy, for ner.py: python vote.py --data DIR --model DIR --corenlp DIR --out DIR

After teach.py, with the same --model and --out. --corenlp is a folder with CoreNLP's two archives (code and
models); java runs them. Writes to --out NAME.voted for MASC, the prose of teach.py and WikiText-2's test part: token,
spaCy's label, that of CoreNLP's model of three types, and that of four, one token a line.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import spacy
from spacy.tokens import Doc

from corpora import conll, spans
from teach import tags

MODELS = ("english.all.3class.distsim", "english.conll.4class.distsim")
TYPES = {"PERSON": "PER", "ORGANIZATION": "ORG", "LOCATION": "LOC"}
READER = "edu.stanford.nlp.sequences.ColumnDocumentReaderAndWriter"
# MASC's last sentences are watched in training.
WATCHED = 1000


def encyclopaedia(path):
    """Sentences of WikiText as lists of words."""
    for line in path.read_text(encoding="utf-8").splitlines():
        line = re.sub(r" @([-,.])@ ", r"\1", line.strip())
        if line and not line.startswith("="):
            # A full stop after one letter is an initial's.
            for text in re.split(r"(?<=[a-z0-9)\"']{2} [.?!]) (?=[\"']? ?[A-Z])", line):
                if 6 <= len(text.split()) <= 80:
                    yield text.split()


def bio(labels):
    """BIO labels of CoreNLP's, which do not say where a name begins."""
    own = ["O" if l == "O" else "I-" + TYPES.get(l.removeprefix("I-"), l.removeprefix("I-")) for l in labels]
    out = ["O"] * len(own)
    for start, end, kind in spans(own):
        out[start:end] = ["B-" + kind] + ["I-" + kind] * (end - start - 1)
    return out


def corenlp(folder, model, texts):
    """The labels that a model of CoreNLP gives to the words of each text."""
    with tempfile.TemporaryDirectory() as work:
        words = Path(work) / "words"
        words.write_text("".join("".join(f"{w}\tO\n" for w in text) + "\n" for text in texts), encoding="utf-8")
        path = f"edu/stanford/nlp/models/ner/{model}.crf.ser.gz"
        found = subprocess.run(
            ["java", "-mx4g", "-cp", f"{folder}/*", "edu.stanford.nlp.ie.crf.CRFClassifier", "-loadClassifier", path,
             "-testFile", words, "-map", "word=0,answer=1", "-readerAndWriter", READER],
            check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    labels = [[]]
    for line in found.splitlines():
        if line.strip():
            labels[-1].append(line.split("\t")[2].removeprefix("B-"))
        elif labels[-1]:
            labels.append([])
    return [bio(l) for l in labels if l]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--data", "--model", "--corenlp", "--out"):
        parser.add_argument(name, type=Path, required=True)
    args = parser.parse_args()
    nlp = spacy.load(args.model)
    texts = list(encyclopaedia(args.data / "ner" / "wikitext2.test.raw"))
    docs = nlp.pipe((Doc(nlp.vocab, words=t) for t in texts), batch_size=256)
    sets = {
        "wikitext": [list(zip(t, tags(d))) for t, d in zip(texts, docs)],
        "prose": list(conll(args.out / "prose.taught")),
        "masc": list(conll(args.data / "ner" / "masc.silver.conll"))[:-WATCHED],
    }
    for name, sentences in sets.items():
        # A word may hold a space of its own kind; CoreNLP's columns may not.
        words = [["".join(w.split()) or "_" for w, _ in s] for s in sentences]
        others = [corenlp(args.corenlp, model, words) for model in MODELS]
        with open(args.out / f"{name}.voted", "w", encoding="utf-8") as out:
            for sentence, text, *labels in zip(sentences, words, *others, strict=True):
                for row in zip(text, (l for _, l in sentence), *labels, strict=True):
                    out.write("\t".join(row) + "\n")
                out.write("\n")


if __name__ == "__main__":
    main()
