"""How many taps were found at all: what segmentation's audit says beside the named ones."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tap2key.evaluation.metrics import mean_of_known

# The overview's table of every recording's audit.
AUDITS_NAME = "segmented_recordings.tsv"
COUNTS = ("touches", "missed_taps", "invented_taps")
RATES = ("detection_recall", "detection_precision", "detection_f1")
DETECTION = (*COUNTS, *RATES)
END_TO_END = "end_to_end_accuracy"
# What `detection_scores` reads of a row of recordings.tsv.
AUDITED = ("touches", "unmatched_touches", "taps", "unmatched_taps", "matched", "none_dropped")


def detection_scores(audits: Iterable[Mapping[str, Any]]) -> dict[str, float | int | None]:
    """All of `DETECTION`, with the touch sensor as the truth.

    A missed tap is a touch without an onset, an invented one an onset without a touch; so a touch
    that the sensor itself invented or missed counts too. Recall is the share of touches that were
    found, precision that of taps that a touch confirms, F1 their harmonic mean (van Rijsbergen,
    1979). All are None where no recording was segmented with touches.

    Args:
        audits: rows of `recordings.tsv`; of left-out recordings nothing counts.
    """
    total = totals(audits, AUDITED)
    touches, taps = total["touches"], total["taps"]
    if not touches:
        return dict.fromkeys(DETECTION)
    recall = 1 - total["unmatched_touches"] / touches
    precision = 1 - total["unmatched_taps"] / taps if taps else None
    both = recall + (precision or 0)
    return {
        "touches": touches,
        "missed_taps": total["unmatched_touches"],
        "invented_taps": total["unmatched_taps"],
        "detection_recall": recall,
        "detection_precision": precision,
        "detection_f1": 2 * recall * (precision or 0) / both if both else 0.0,
    }


def scored_share(audits: Iterable[Mapping[str, Any]]) -> float | None:
    """The share of touches of which there is a tap to name: neither missed nor cut off by an end.

    Times accuracy it is the end-to-end accuracy, where a missed tap counts as wrong. Touches
    outside every key that segmentation was told to drop do not count. None without touches.

    Args:
        audits: rows of `recordings.tsv`.
    """
    total = totals(audits, AUDITED)
    wanted = total["touches"] - total["none_dropped"]
    return total["matched"] / wanted if wanted > 0 else None


def with_detection(
    rows: Sequence[Mapping[str, Any]],
    audits: Sequence[Mapping[str, Any]],
    sessions: Collection[tuple[str, str]],
) -> list[dict[str, Any]]:
    """Participants' scores with `DETECTION` and `END_TO_END`; counts are summed in the mean.

    Args:
        rows: as `participant_rows` gives them, the mean last.
        audits: rows of `recordings.tsv`, of anybody.
        sessions: participant and session of all that is tested.
    """
    tested = [a for a in audits if (a["participant"], a["session"]) in sessions]
    found: list[dict[str, Any]] = []
    for row in rows[:-1]:
        own = [audit for audit in tested if audit["participant"] == row["participant"]]
        share = scored_share(own)
        end_to_end = None if share is None else share * row["accuracy"]
        found.append({**row, **detection_scores(own), END_TO_END: end_to_end})
    counted = [row for row in found if row["touches"] is not None]
    average = {
        **{name: sum(row[name] for row in counted) if counted else None for name in COUNTS},
        **{name: mean_of_known(row[name] for row in found) for name in (*RATES, END_TO_END)},
    }
    return [*found, {**rows[-1], **average}]


def totals(audits: Iterable[Mapping[str, Any]], counts: Iterable[str]) -> dict[str, int]:
    """Sums of what was counted in recordings; of left-out ones nothing counts.

    Args:
        audits: rows of `recordings.tsv`.
        counts: names of columns; an empty cell is 0.
    """
    used = [audit for audit in audits if audit["status"] == "ok"]
    return {name: sum(int(float(audit[name] or 0)) for audit in used) for name in counts}
