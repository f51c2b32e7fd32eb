"""How well text was entered: the measures of text-entry research, from counts that add up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from rapidfuzz.distance import Levenshtein

from tap2key.decoding.characters import BACKSPACE

CHARACTERS_PER_WORD = 5
SECONDS_PER_MINUTE = 60
MEASURES = (
    *("character_error_rate", "insertion_rate", "deletion_rate", "substitution_rate"),
    *("msd_error_rate", "word_error_rate", "words_per_minute"),
    *("uncorrected_error_rate", "corrected_error_rate", "total_error_rate"),
)


@dataclass(frozen=True)
class Entered:
    """A character that was entered, and the onset of its tap in s."""

    text: str
    time_s: float


@dataclass(frozen=True)
class Counts:
    """What the measures are made of; counts of several phrases or recordings add up.

    Attributes:
        phrases: how many.
        asked: characters asked for.
        transcribed: characters of the final text.
        longer: of each phrase, the longer of the two.
        substitutions: characters that stand for others.
        insertions: characters too many.
        deletions: characters that lack.
        words: words asked for.
        word_errors: words substituted, inserted or deleted.
        intervals: characters of the final text but each phrase's first.
        seconds: from each phrase's first character to its last.
        erased: characters that Backspace took back.
    """

    phrases: int = 0
    asked: int = 0
    transcribed: int = 0
    longer: int = 0
    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    words: int = 0
    word_errors: int = 0
    intervals: int = 0
    seconds: float = 0.0
    erased: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def total(counts: Iterable[Counts]) -> Counts:
    """All of several counts."""
    return sum(counts, Counts())


def measures_of(counts: Counts, has_backspace: bool) -> dict[str, float | None]:
    """The measures; None where they are undefined.

    `character_error_rate` is the minimum string distance between asked and final text per character
    asked, and insertions, deletions and substitutions are its parts; `msd_error_rate` is the same
    distance per character of the longer of the two (Soukoreff and MacKenzie, 2001).
    `words_per_minute` counts five characters as a word, from the first to the last of a phrase
    (Wobbrock and Myers, 2006). Where there is a Backspace, with C characters right, INF wrong and
    left so, and IF erased, `uncorrected_error_rate` is INF, `corrected_error_rate` IF and
    `total_error_rate` both, per C + INF + IF (Soukoreff and MacKenzie, 2003).
    """
    distance = counts.substitutions + counts.insertions + counts.deletions
    keystrokes = counts.longer + counts.erased
    found = {
        "character_error_rate": _share(distance, counts.asked),
        "insertion_rate": _share(counts.insertions, counts.asked),
        "deletion_rate": _share(counts.deletions, counts.asked),
        "substitution_rate": _share(counts.substitutions, counts.asked),
        "msd_error_rate": _share(distance, counts.longer),
        "word_error_rate": _share(counts.word_errors, counts.words),
        "words_per_minute": _share(
            counts.intervals * SECONDS_PER_MINUTE, counts.seconds * CHARACTERS_PER_WORD
        ),
    }
    for name, errors in (
        ("uncorrected_error_rate", distance),
        ("corrected_error_rate", counts.erased),
        ("total_error_rate", distance + counts.erased),
    ):
        found[name] = _share(errors, keystrokes) if has_backspace else None
    return {name: found[name] for name in MEASURES}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def final(entered: Sequence[Entered]) -> tuple[list[Entered], int]:
    """What is left after every Backspace, and how many characters were taken back."""
    kept: list[Entered] = []
    erased = 0
    for each in entered:
        if each.text != BACKSPACE:
            kept.append(each)
        elif kept:
            kept.pop()
            erased += 1
    return kept, erased


def count_recording(
    phrases: Sequence[str], entered: Sequence[Entered], end: str
) -> tuple[Counts, list[str]]:
    """Compare what was entered in a recording with the phrases that were asked for.

    The text is parted where an alignment of minimum string distance has the phrases' ends; the ends
    themselves are not scored (a phrase's Enter is no part of it).

    Args:
        phrases: asked for, in order.
        entered: all characters, Backspace included.
        end: what ends a phrase.

    Returns:
        The counts, and the final text of each phrase.
    """
    kept, erased = final(entered)
    parts = parted(phrases, kept, end)
    counts = total(_of_phrase(*pair) for pair in zip(phrases, parts, strict=True))
    texts = ["".join(each.text for each in part) for part in parts]
    return counts + Counts(erased=erased), texts


def parted(phrases: Sequence[str], kept: Sequence[Entered], end: str) -> list[list[Entered]]:
    """The characters entered for each phrase, without its end."""
    asked = "".join(phrase + end for phrase in phrases)
    characters = [each.text for each in kept]
    reached = _reached(list(asked), characters)
    parts, first, at = [], 0, 0
    for phrase in phrases:
        at += len(phrase) + len(end)
        last = len(kept) if at == len(asked) else reached[at]
        part = list(kept[first:last])
        if part and part[-1].text == end:
            part.pop()
        parts.append(part)
        first = last
    return parts


def _reached(asked: list[str], entered: list[str]) -> list[int]:
    """How many entered characters an alignment has used after each number of asked ones."""
    result = [0] * (len(asked) + 1)
    for op in Levenshtein.opcodes(asked, entered):
        for step in range(1, op.src_end - op.src_start + 1):
            used = min(op.dest_start + step, op.dest_end)
            result[op.src_start + step] = used
    return result


def _of_phrase(phrase: str, part: Sequence[Entered]) -> Counts:
    text = [each.text for each in part]
    edits = [op.tag for op in Levenshtein.editops(list(phrase), text)]
    words = phrase.split()
    return Counts(
        phrases=1,
        asked=len(phrase),
        transcribed=len(text),
        longer=max(len(phrase), len(text)),
        substitutions=edits.count("replace"),
        insertions=edits.count("insert"),
        deletions=edits.count("delete"),
        words=len(words),
        word_errors=Levenshtein.distance(words, "".join(text).split()),
        intervals=max(len(text) - 1, 0),
        seconds=part[-1].time_s - part[0].time_s if part else 0.0,
    )
