"""Taps as older scripts have them: `03.plots`, `04.labels` and `05.wav_samples`."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from tap2key.audio.array import Array
from tap2key.core.errors import Tap2keyError
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.pictures import CALM, LINE_COLOURS, STRONG, plt, save_png, shown_all
from tap2key.core.progress import progress
from tap2key.core.provenance import write_provenance
from tap2key.exchange.prototype_layout import (
    COLUMNS,
    LABELS,
    LABELS_ENDING,
    PLOTS,
    SAMPLES,
    sample_name,
)
from tap2key.segmentation.taps import (
    BY_ORDER,
    TAPS_NAME,
    array_of_taps,
    keyboard_labels,
    load_taps,
    pairings,
)

PACKAGES = ("matplotlib", "numpy", "pyarrow", "scipy")


def export_prototype(folders: Sequence[Path], output: Path) -> None:
    """Write each session's labels, windows and pictures.

    One session is written into `output` itself, several into `output/<participant>/<session>`. Of
    each recording there is `04.labels/<recording>_label.csv`, a row per labelled tap that names its
    wav in the column `file`, and `05.wav_samples/<recording>_NNN_8chan.wav` (8 being
    the channels), the window as 32-bit float, the same numbers as in windows.npy. NNN is the tap's
    number in taps.parquet. A tap without a label is not written, so that row n also belongs to the
    n-th wav.

    Raises:
        Tap2keyError: nothing in a folder, or two folders of the same session.
    """
    with atomic_folder(output, "export") as temporary:
        for folder in folders:
            table, windows = load_taps(folder, verify=True)
            rows = table.to_pylist()
            for row, how in zip(rows, pairings(table), strict=True):
                row["pairing"] = how
            if not rows:
                raise Tap2keyError(f"{folder}: no tap in it; see its recordings.tsv")
            target = temporary
            if len(folders) > 1:
                target = temporary / rows[0]["participant"] / rows[0]["session"]
            if (target / LABELS).exists():
                raise Tap2keyError(f"{folder}: the same session as an earlier folder of --taps")
            _write_session(target, rows, windows, keyboard_labels(table), array_of_taps(table))
            labelled = sum(row["label"] is not None for row in rows)
            log.info(
                f"{folder}: {labelled} labelled taps, {len(rows) - labelled} without a label not "
                "written"
            )
        taps = [folder / TAPS_NAME for folder in folders]
        write_provenance(temporary, "export", __name__, {}, taps, PACKAGES)


def _write_session(
    target: Path,
    rows: Sequence[dict],
    windows: np.ndarray,
    labels: Sequence[str],
    array: Array,
) -> None:
    for name in (PLOTS, LABELS, SAMPLES):
        (target / name).mkdir(parents=True)
    recordings = dict.fromkeys(row["recording"] for row in rows)
    for recording in progress(recordings, "recordings", total=len(recordings)):
        own = [i for i, row in enumerate(rows) if row["recording"] == recording]
        greatest = max(rows[i]["tap"] for i in own)
        table = target / LABELS / f"{recording}{LABELS_ENDING}"
        with table.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            for i in own:
                if rows[i]["label"] is None:
                    continue
                name = sample_name(recording, rows[i]["tap"], greatest, len(array.kept))
                # scipy's, for soundfile would write the time of writing into every file.
                wavfile.write(target / SAMPLES / name, array.sample_rate, windows[i].T)
                writer.writerow({**rows[i], "file": name})
        _draw([rows[i] for i in own], labels, recording, target / PLOTS / recording)


def _draw(rows: Sequence[dict], labels: Sequence[str], recording: str, stem: Path) -> None:
    """Which key was tapped when; taps without a label along the bottom."""
    figure, axes = plt.subplots(figsize=(11, 7), layout="constrained")
    known = all(row["time_s"] is not None for row in rows)
    kinds = (
        ("no label", STRONG, "x", lambda row: row["label"] is None),
        ("unverified", LINE_COLOURS[4], "s", lambda row: row["pairing"] == BY_ORDER),
        ("labelled", CALM, "o", lambda row: True),
    )
    left = list(enumerate(rows))
    for name, colour, marker, belongs in kinds:
        own = [(n, row) for n, row in left if belongs(row)]
        left = [(n, row) for n, row in left if not belongs(row)]
        if not own:
            continue
        across = [row["time_s"] if known else n for n, row in own]
        heights = [len(labels) if r["label"] is None else labels.index(r["label"]) for _, r in own]
        axes.scatter(across, heights, s=22, color=colour, marker=marker, label=name)
    axes.set_yticks(range(len(labels) + 1), [*shown_all(labels), "–"], fontsize=8)
    axes.set_ylim(len(labels) + 0.7, -0.7)
    axes.set_xlabel("seconds from the start of the recording" if known else "tap")
    axes.set_title(f"{recording}: {len(rows)} taps")
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    save_png(figure, stem)
