"""Sentences that more than one page or card states, and numbers with their nouns."""

SIMULATED = (
    "The study is simulated: the scores show that everything runs, not how well real taps are "
    "recognised."
)
CONSENT = (
    "Recordings of typing are personal data, and so is what was learned from them: with a sound "
    "and a model, others can read what was typed. Share this only as far as the people recorded "
    "agreed to, and a model as carefully as the recordings. No licence is stated here: whoever "
    "shares it chooses one that their consent allows."
)


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts; the plural is the noun with an s unless given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
