"""Named taps as text: a readable transcript, an Audacity label track, a Praat TextGrid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tap2key.study.keyboard import usual_text

ENTER_MARK = "↵"
# Taps in fast typing are 60 ms apart at least; an interval ends there or where the next one starts.
LONGEST_INTERVAL_S = 0.06


@dataclass(frozen=True)
class NamedTap:
    """One tap: its onset in seconds from the recording's first sample, its key, and how sure."""

    time_s: float
    key: str
    confidence: float


Types = Callable[[str], str]


def transcript(
    taps: Sequence[NamedTap], confidence_threshold: float, types: Types = usual_text
) -> str:
    """What the taps type; a character of less confidence than that stands in brackets.

    Args:
        taps: in order of time.
        confidence_threshold: below it a character is doubtful.
        types: what a key types.
    """
    parts = []
    for tap in taps:
        text = types(tap.key)
        if text and tap.confidence < confidence_threshold:
            text = f"[{ENTER_MARK}]\n" if text == "\n" else f"[{text}]"
        parts.append(text)
    return "".join(parts)


def intervals(taps: Sequence[NamedTap], duration_s: float) -> list[tuple[float, float]]:
    """Start and end of each tap in seconds: they follow each other without overlap."""
    starts = [tap.time_s for tap in taps]
    ends = [*starts, duration_s][1:]
    return [
        (start, min(end, start + LONGEST_INTERVAL_S, duration_s))
        for start, end in zip(starts, ends, strict=True)
    ]


def label_track(taps: Sequence[NamedTap], duration_s: float) -> str:
    """A label track as Audacity imports it: start, end and label, parted by tabs, one a line.

    https://manual.audacityteam.org/man/importing_and_exporting_labels.html
    """
    return "".join(
        label_line(tap, end)
        for tap, (_, end) in zip(taps, intervals(taps, duration_s), strict=True)
    )


def label_line(tap: NamedTap, end_s: float) -> str:
    """A tap's line in a label track."""
    return f"{tap.time_s:.6f}\t{end_s:.6f}\t{tap.key} {tap.confidence:.2f}\n"


def text_grid(taps: Sequence[NamedTap], duration_s: float) -> str:
    """A Praat TextGrid in its long text format, with the tier `keys` of intervals.

    https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
    """
    parts: list[tuple[float, float, str]] = []
    at = 0.0
    for tap, (start, end) in zip(taps, intervals(taps, duration_s), strict=True):
        if end <= start:
            continue
        if start > at:
            parts.append((at, start, ""))
        parts.append((start, end, tap.key))
        at = end
    if at < duration_s:
        parts.append((at, duration_s, ""))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {duration_s:.6f}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        '        name = "keys"',
        "        xmin = 0",
        f"        xmax = {duration_s:.6f}",
        f"        intervals: size = {len(parts)}",
    ]
    for number, (start, end, key) in enumerate(parts, start=1):
        quoted = key.replace('"', '""')
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {start:.6f}",
            f"            xmax = {end:.6f}",
            f'            text = "{quoted}"',
        ]
    return "\n".join(lines) + "\n"
