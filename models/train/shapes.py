"""How a word is written: what the trunk, which reads all in lower case, does not see."""

# The numbers are those of quire's src/feed/shape.rs.
MARK, LOWER, TITLE, UPPER, INITIAL, MIXED, CAMEL, DIGITS, DIGITS_AND_LETTERS, SIGN, UNCASED = range(11)


def shape(word):
    letters = [c for c in word if c.isalpha()]
    digits = any(c.isnumeric() for c in word)
    if not letters:
        return DIGITS if digits else SIGN
    if digits:
        return DIGITS_AND_LETTERS
    upper, lower = sum(c.isupper() for c in letters), sum(c.islower() for c in letters)
    if upper == 0:
        return LOWER if lower else UNCASED
    if lower == 0:
        return INITIAL if upper == 1 else UPPER
    if not letters[0].isupper():
        return CAMEL
    return TITLE if upper == 1 else MIXED
