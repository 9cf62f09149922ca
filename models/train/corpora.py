"""Readers: each corpus in its own format to one shape, with its labels mapped.

NER: a sentence is a list of (token, allowed), where `allowed` is the set of labels
that the annotation leaves open. A corpus that does not annotate MISC says of a
token outside its names only that it is O or MISC.
Sentiment: (text, rating) with the mean human rating from -4 to 4.
"""

import html
import re
from pathlib import Path

LABELS = ["O"] + [f"{b}-{t}" for t in ("PER", "ORG", "LOC", "MISC") for b in "BI"]
OPEN = frozenset(["O", "B-MISC", "I-MISC"])
WNUT = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG",
        "product": "MISC", "creative-work": "MISC"}
RE3D = {"Person": "PER", "Organisation": "ORG", "Location": "LOC", "Nationality": "MISC",
        "Weapon": "?", "MilitaryPlatform": "?", "DocumentReference": "?"}

# CrossNER's own types. "?" are things that this scheme neither takes for names nor for their absence.
CROSSNER = {"person": "PER", "writer": "PER", "musicalartist": "PER", "politician": "PER", "scientist": "PER",
            "researcher": "PER", "organisation": "ORG", "politicalparty": "ORG", "band": "ORG", "university": "ORG",
            "location": "LOC", "country": "LOC", "misc": "MISC", "song": "MISC", "album": "MISC", "award": "MISC",
            "event": "MISC", "election": "MISC", "book": "MISC", "poem": "MISC", "product": "MISC",
            "conference": "MISC", "programlang": "MISC"}

NOT_NAMES = set("""i we he she it they you me us him her them my our his its their your who a an the this that
these those some all both each other one two mr mrs ms dr""".split())
TITLES = set("""minister secretary president prime foreign defence defense deputy ambassador general gen col colonel
lt lieutenant maj major sgt capt captain commander spokesman spokesperson state assistant under special envoy
representative director chief chairman king queen prince sir lord of and for the fco uk us""".split())


def conll(path):
    """Sentences of (token, tag); the tag is the last column."""
    sentence = []
    for line in Path(path).read_text(encoding="utf-8").splitlines() + [""]:
        parts = line.replace("\t", " ").rsplit(" ", 1)
        if len(parts) == 2 and parts[0].strip():
            sentence.append((parts[0].strip(), parts[1].strip()))
        elif not line.strip() and sentence:
            if sentence[0][0] != "-DOCSTART-":
                yield sentence
            sentence = []


def spans(tags):
    """(start, end, type) of a BIO or IOB1 tag sequence."""
    found, start, kind = [], None, None
    for i, tag in enumerate(list(tags) + ["O"]):
        inside = tag.startswith("I-") and tag[2:] == kind
        if kind is not None and not inside:
            found.append((start, i, kind))
            kind = None
        if tag != "O" and not inside:
            start, kind = i, tag[2:]
    return found


def tagged(tokens, entities, outside=frozenset(["O"])):
    """Tokens with the labels that the entities fix, and `outside` elsewhere."""
    allowed = [outside] * len(tokens)
    for start, end, kind in entities:
        for i in range(start, end):
            if kind == "?":
                allowed[i] = OPEN
            else:
                allowed[i] = frozenset([("B-" if i == start else "I-") + kind])
    return list(zip(tokens, allowed))


def wnut(path):
    for sentence in conll(path):
        tokens = [html.unescape(t) for t, _ in sentence]
        yield tagged(tokens, [(s, e, WNUT[k]) for s, e, k in spans(t for _, t in sentence)])


def plain(path):
    """PER, ORG, LOC and MISC as they are (WikiGold, MASC)."""
    for sentence in conll(path):
        yield tagged([t for t, _ in sentence], spans(t for _, t in sentence))


def crossner(path):
    """CrossNER: five domains of Wikipedia, many types."""
    for sentence in conll(path):
        tags = spans(t for _, t in sentence)
        yield tagged([t for t, _ in sentence], [(s, e, CROSSNER.get(k, "?")) for s, e, k in tags])


def tweets(path):
    """Broad Twitter Corpus: PER, ORG and LOC. Some of its sections take "@somebody" for a name; here it is none."""
    for sentence in conll(path):
        tokens = [t for t, _ in sentence]
        named = [(s, e, k) for s, e, k in spans(t for _, t in sentence) if k == "LOC" or "@" not in tokens[max(0, s - 1) : s + 1]]
        yield tagged(tokens, named, OPEN)


def uner(path):
    """Universal NER: number, token and label in columns, comments before each sentence; no MISC."""
    sentence = []
    for line in Path(path).read_text(encoding="utf-8").splitlines() + [""]:
        parts = line.split("\t")
        if len(parts) >= 3 and not line.startswith("#"):
            sentence.append((parts[1], parts[2]))
        elif not line.strip() and sentence:
            yield tagged([t for t, _ in sentence], spans(t for _, t in sentence), OPEN)
            sentence = []


def wikiann(path):
    for sentence in conll(path):
        tokens = [t.removeprefix("en:") for t, _ in sentence]
        yield tagged(tokens, spans(t for _, t in sentence), OPEN)


def either(label, other):
    """Both labels, and both ways to go on with each: two annotators who do not agree."""
    both = {label, other} | {f"{b}-{l[2:]}" for l in (label, other) if l != "O" for b in "BI"}
    return frozenset(both)


def columns(path):
    """Sentences of lines in columns, as lists of their columns."""
    sentence = []
    for line in Path(path).read_text(encoding="utf-8").splitlines() + [""]:
        if line:
            sentence.append(line.split("\t"))
        elif sentence:
            yield list(zip(*sentence))
            sentence = []


def agreed(path):
    """WikiANN beside the teacher (teach.py): where they agree the label is fixed, else either may be right.

    WikiANN does not annotate every name: a name that only the teacher sees may be one. It takes
    "Atlantic City , New Jersey" for one place; here it is two.
    """
    for tokens, tags, taught in columns(path):
        tags, allowed = list(tags), []
        for i, token in enumerate(tokens):
            if token == "," and tags[i] == "I-LOC":
                tags[i] = "O"
                if i + 1 < len(tags) and tags[i + 1] == "I-LOC":
                    tags[i + 1] = "B-LOC"
        for tag, other in zip(tags, taught):
            same = tag[2:] == other[2:] or (tag != "O" and other == "O")
            allowed.append(frozenset([tag]) if same else either(tag, other))
        yield list(zip(tokens, allowed))


def voted(path):
    """Text with the labels of three teachers (teach.py): spaCy's, CoreNLP's of three types and of four.

    The one of three types is right the most often, and says nothing of MISC: what it and another say is
    fixed, and MISC where both others say so. Elsewhere each of the labels may be right.
    """
    for tokens, spacy, three, four in columns(path):
        allowed = []
        for a, b, c in zip(spacy, three, four):
            seconded = b in (a, c) and not (b == "O" and "MISC" in a + c)
            if seconded or (a == c and b == "O" and a[2:] == "MISC"):
                allowed.append(frozenset([b if seconded else a]))
            else:
                allowed.append(either(a, b) | either(b, c))
        yield list(zip(tokens, allowed))


def named(sentences):
    """The names in annotated sentences, by type, as they are written."""
    found = {}
    for sentence in sentences:
        fixed = ["O" if len(a) > 1 else next(iter(a)) for _, a in sentence]
        for start, end, kind in spans(fixed):
            found.setdefault(kind, []).append([t for t, _ in sentence[start:end]])
    return found


def renamed(sentence, names, rng):
    """The sentence with other names of the same types in the places of its people, places and organisations."""
    fixed = ["O" if len(a) > 1 else next(iter(a)) for _, a in sentence]
    out, at = [], 0
    for start, end, kind in spans(fixed):
        if kind == "MISC" or sentence[start][0].startswith("@"):
            continue
        new = rng.choice(names[kind])
        if not any(t[:1].isupper() for t, _ in sentence[start:end]):
            new = [t.lower() for t in new]
        out += sentence[at:start] + tagged(new, [(0, len(new), kind)])
        at = end
    return out + sentence[at:]


def bare(token):
    return token.lower().strip(".,;:'\"()")


def re3d(path):
    """re3d marks descriptions ("the carpenter") as well as names: names are kept."""
    sentences = list(conll(path))
    places = {" ".join(t for t, _ in s[a:b]) for s in sentences
              for a, b, k in spans(t for _, t in s) if k == "Location"}
    for sentence in sentences:
        tokens, entities = [t for t, _ in sentence], []
        for start, end, kind in spans(t for _, t in sentence):
            if kind not in RE3D:
                continue
            if kind == "Organisation" and " ".join(tokens[start:end]) in places:
                kind = "Location"
            skip = TITLES if kind == "Person" else ()
            while start < end and (not tokens[start][:1].isupper() or bare(tokens[start]) in NOT_NAMES
                                   or bare(tokens[start]) in skip):
                start += 1
            while start < end and not tokens[end - 1][:1].isupper() and not tokens[end - 1][:1].isdigit():
                end -= 1
            if start < end:
                entities.append((start, end, RE3D[kind]))
        yield tagged(tokens, entities, OPEN)


def rated(path):
    """(review, rating, text) of one of Hutto and Gilbert's files."""
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.split("\t")
        if len(parts) >= 3 and parts[2].strip():
            yield parts[0].split("_")[0], float(parts[1]), html.unescape(parts[2].strip())


def binary(path):
    """(text, positive) of SST-2."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        text, label = line.rsplit("\t", 1)
        yield text, int(label)


def trees(path):
    """Each sentence of the Stanford Sentiment Treebank: its phrases with their labels (0 to 4), the whole sentence first."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        open_, words, phrases = [], [], []
        for token in re.findall(r"\((\d)|([^\s()]+)|(\))", line):
            label, word, closed = token
            if label:
                open_.append((int(label), len(words)))
            elif word:
                words.append({"-LRB-": "(", "-RRB-": ")"}.get(word, word).replace("\\/", "/"))
            elif closed:
                label, start = open_.pop()
                phrases.append((" ".join(words[start:]), label))
        yield phrases[::-1]


def apart(text):
    """Text as SST-2 writes it: words apart from punctuation, no hyphens, no point at the end."""
    text = re.sub(r"(?i)(n't|'(?:s|re|ve|ll|d|m))\b", r" \1", text.replace("-", " "))
    text = re.sub(r"([.,;:!?()\"]+)", r" \1 ", text)
    return " ".join(text.split()).removesuffix(" .").lower()


def cut(text, rng, count):
    """Up to `count` parts of a text: clauses, and runs of 3 to 25 words."""
    clauses = re.split(r"[,;:.!?]+\s|\s--?\s|\s(?=(?:and|but|or|that|which|who|while|though|because)\s)", text)
    clauses = [c.strip() for c in clauses if len(c.split()) >= 2 and len(c) < len(text)]
    found = rng.sample(clauses, min(len(clauses), count // 2))
    words = text.split()
    while len(words) > 4 and len(found) < count:
        length = rng.randint(3, min(25, len(words) - 1))
        start = rng.randint(0, len(words) - length)
        found.append(" ".join(words[start : start + length]))
    return found


def labelled(path, labels):
    """(text, index of its label) of `text<TAB>label`."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        text, label = line.rsplit("\t", 1)
        yield text, labels.index(label)


def squeeze(text):
    """Letters and digits only: the same text in two tokenisations compares equal."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def untokenised(tokens):
    """Readable text from tokens."""
    text = " ".join(tokens)
    text = re.sub(r" ([.,;:!?)\]%’”]|n't|'s|'re|'ve|'ll|'d|'m)", r"\1", text)
    return re.sub(r"([(\[“$£]) ", r"\1", text)
