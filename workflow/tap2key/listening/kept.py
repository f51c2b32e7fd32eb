"""What listening keeps, if asked to: tapped keys, label tracks, the text, and the recording."""

import csv
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import FULL_BYTES, atomic_file, free_bytes
from tap2key.listening.live_taps import LiveTap
from tap2key.reading.tapped_keys import as_table
from tap2key.reading.transcript import LONGEST_INTERVAL_S, NamedTap, Types, label_line, transcript
from tap2key.reading.unlabelled import TAPPED_KEYS_NAME, TRANSCRIPT_NAME

PIECE = "heard"
LOST_NAME = "lost.tsv"
LOST_COLUMNS = ("recording", "at_s", "lost_s", "reason")
TRACK_ENDING = ".labels.txt"
# A table is only readable whole: while it grows it lies there in parts of so many taps.
PARTS_NAME = "tapped_keys.parts"
TAPS_AT_ONCE = 100
# Taken at the beginning, so that all can be ended well once the disk is full.
RESERVE_NAME = ".reserve"
RESERVE_BYTES = 4 << 20


def holds_something(folder: Path) -> bool:
    """Whether a folder holds a tap or sound."""
    tracks = folder.glob(f"*{TRACK_ENDING}")
    return any(folder.glob("*.wav")) or any(track.stat().st_size for track in tracks)


class Kept:
    """Writes an output folder while sound comes; each unbroken piece is a recording of its own.

    Text, label track and sound are on disk at once, the table after at most `TAPS_AT_ONCE` taps; in
    memory are no more of them.
    All methods raise a `Tap2keyError` if something cannot be written, such as on a full disk; then
    `close` still ends well what came before.
    """

    def __init__(
        self,
        folder: Path,
        labels: Sequence[str],
        types: Types,
        confidence_threshold: float,
        sound: bool,
        place: Path | None = None,
    ) -> None:
        """Nothing heard yet.

        Args:
            folder: where to write.
            labels: the models'.
            types: what a key types.
            confidence_threshold: see `transcript`.
            sound: whether the sound is kept too.
            place: what the folder will be called in the end, for messages; None for as it is.
        """
        self._place = place or folder
        self.folder, self.labels, self.types = folder, tuple(labels), types
        self.taps = 0
        self._threshold, self._sound = confidence_threshold, sound
        self._pieces = self._rows = self._parts = 0
        self._reserve = folder / RESERVE_NAME
        # At random: some disks store zeros as nothing.
        self._reserve.write_bytes(os.urandom(RESERVE_BYTES))
        self._text = (folder / TRANSCRIPT_NAME).open("w", encoding="utf-8")
        self._lost = (folder / LOST_NAME).open("w", newline="", encoding="utf-8")
        self._lost_rows = csv.DictWriter(
            self._lost, LOST_COLUMNS, restval="", delimiter="\t", lineterminator="\n"
        )
        self._lost_rows.writeheader()
        self._file: soundfile.SoundFile | None = None
        self._waiting: list[LiveTap] = []
        self._schema = as_table("", np.zeros(0), np.zeros((0, len(labels))), labels).schema
        self._before: NamedTap | None = None
        self.begin_piece()

    @property
    def piece(self) -> str:
        """What the present piece is called."""
        return PIECE if self._pieces == 1 else f"{PIECE}-{self._pieces}"

    def begin_piece(self) -> None:
        """The first piece, or one after something was lost."""
        self._pieces += 1
        self._rows = 0
        with self._keeping():
            self._track = (self.folder / f"{self.piece}{TRACK_ENDING}").open("w", encoding="utf-8")

    def sound(self, samples: np.ndarray, rate: int) -> None:
        """Keep sound, if that was asked for: [n, channels] float32."""
        if not self._sound:
            return
        with self._keeping():
            if self._file is None:
                # RF64: hours do not fit into a plain wav.
                self._file = soundfile.SoundFile(
                    self.folder / f"{self.piece}.wav",
                    "w",
                    rate,
                    samples.shape[1],
                    subtype="FLOAT",
                    format="RF64",
                )
            self._file.write(samples)

    def tap(self, tap: LiveTap) -> None:
        """Keep a tap."""
        before, self._before = self._before, tap.named
        self._waiting.append(tap)
        self.taps += 1
        with self._keeping():
            self._end_label(before, tap.named.time_s)
            self._text.write(transcript([tap.named], self._threshold, self.types))
            self._text.flush()
            if len(self._waiting) >= TAPS_AT_ONCE:
                self._write_part()

    def lost(self, at_s: float, lost_s: float | None, reason: str) -> None:
        """Note that something was lost in the present piece."""
        row = {"recording": self.piece, "at_s": round(at_s, 6), "reason": reason}
        with self._keeping():
            self._lost_rows.writerow(row if lost_s is None else {**row, "lost_s": round(lost_s, 6)})
            self._lost.flush()

    def end_piece(self, duration_s: float) -> None:
        """The present piece is as long as that."""
        before, self._before = self._before, None
        with self._keeping():
            self._end_label(before, duration_s)
            self._track.close()
            if self._file is not None:
                self._file.close()
                self._file = None
            self._write_part()

    def close(self) -> None:
        """Nothing more comes."""
        self._reserve.unlink(missing_ok=True)
        with self._keeping(), ExitStack() as stack:
            for file in (self._file, self._track, self._text, self._lost):
                if file is not None and not file.closed:
                    stack.callback(file.close)
            # The last piece has no end if it was broken off.
            if self._before is not None:
                self._end_label(self._before, np.inf)
            self._text.write("\n")
            self._write_part()
            self._join_parts()

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        try:
            yield
        # soundfile asserts that all was written.
        except (Tap2keyError, OSError, AssertionError, soundfile.LibsndfileError) as error:
            full = free_bytes(self.folder) <= FULL_BYTES
            why = "no space left" if full else str(error.__cause__ or error) or "written in part"
            self._reserve.unlink(missing_ok=True)
            raise Tap2keyError(
                f"{self._place}: cannot keep what is heard any longer: {why}; what came before is "
                "kept"
            ) from error

    def _end_label(self, tap: NamedTap | None, next_s: float) -> None:
        if tap is not None:
            self._track.write(label_line(tap, min(tap.time_s + LONGEST_INTERVAL_S, next_s)))
            self._track.flush()

    def _write_part(self) -> None:
        if not self._waiting:
            return
        times = np.array([tap.named.time_s for tap in self._waiting])
        probabilities = np.stack([tap.probabilities for tap in self._waiting])
        table = as_table(self.piece, times, probabilities, self.labels)
        numbers = pa.array(range(self._rows, self._rows + len(times)), pa.int32())
        place = table.schema.get_field_index("tap")
        # In order of their names, as of a data set that is read whole.
        with atomic_file(self.folder / PARTS_NAME / f"{self._parts:08}.parquet") as temporary:
            pq.write_table(table.set_column(place, "tap", numbers), temporary)
        self._parts += 1
        self._rows += len(times)
        self._waiting = []

    def _join_parts(self) -> None:
        parts = self.folder / PARTS_NAME
        with (
            atomic_file(self.folder / TAPPED_KEYS_NAME) as temporary,
            pq.ParquetWriter(temporary, self._schema) as table,
        ):
            for number in range(self._parts):
                table.write_table(pq.ParquetFile(parts / f"{number:08}.parquet").read())
        if self._parts:
            shutil.rmtree(parts)
