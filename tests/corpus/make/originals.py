"""Documents taken as they are. Their bytes stay in documents/; a rebuild leaves them alone."""

from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent


def keep():
    return None


def truth_of(file):
    """The truth of an original is kept beside it, not made."""
    path = CORPUS / "truth" / f"{file}.txt"
    return lambda: path.read_text(encoding="utf-8")
