"""The training stage, with its speed written to a file.

    python -m gpu.timed_training MEASURED.json --fold …    # and what else the stage takes

What is timed lies between two evaluations: reading and augmenting windows, the steps, and nothing
of evaluations, checkpoints and the start.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tap2key.__main__ import main as tap2key
from tap2key.training import training_run
from tap2key.training.bookkeeping import Bookkeeping
from tap2key.training.inputs import Inputs

UTILISATION = (
    *("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"),
    *("--id=0", "--loop-ms=100"),
)


@dataclass
class Stretch:
    """Training between two evaluations: when, windows made, and the seconds that took."""

    begun: float
    ended: float = 0.0
    windows: int = 0
    loading: float = 0.0


class Stretches:
    """All stretches, and the one that is under way."""

    def __init__(self) -> None:
        self.done: list[Stretch] = []
        self.now: Stretch | None = None
        self.on_gpu = torch.cuda.is_available()

    def begin(self) -> None:
        """Training goes on."""
        self.now = Stretch(self._time())

    def end(self) -> None:
        """An evaluation is next."""
        if self.now is not None:
            self.now.ended = self._time()
            self.done.append(self.now)
            self.now = None

    def loads(self, training: Inputs) -> None:
        """Time what `training` is asked for."""
        load = training.__getitems__

        class Timed(type(training)):  # type: ignore[misc]
            def __getitems__(_, rows: list[int]) -> dict[str, torch.Tensor]:
                begun = time.perf_counter()
                batch = load(rows)
                if self.now is not None:
                    self.now.loading += time.perf_counter() - begun
                    self.now.windows += len(rows)
                return batch

        training.__class__ = Timed

    def _time(self) -> float:
        if self.on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()


class Samples:
    """How busy the GPU was, as nvidia-smi says time and again."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, float]] = []
        self.process: subprocess.Popen[str] | None = None
        try:
            self.process = subprocess.Popen(UTILISATION, stdout=subprocess.PIPE, text=True)
        except OSError:
            return
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.strip().isdigit():  # where it cannot tell, it says [N/A]
                self.taken.append((time.perf_counter(), float(line)))

    def stop(self) -> None:
        """Take no more."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


STRETCHES = Stretches()


class Timing(Bookkeeping):
    """The stage's own bookkeeping, and when stretches begin and end."""

    def __init__(self, training: Inputs) -> None:
        super().__init__(training)
        STRETCHES.loads(training)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        STRETCHES.begin()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        super().on_step_end(args, state, control, **kwargs)
        if control.should_evaluate:
            STRETCHES.end()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        super().on_save(args, state, control, **kwargs)
        STRETCHES.begin()


def main() -> int:
    """Train, and write what was measured."""
    measured, *arguments = sys.argv[1:]
    training_run.Bookkeeping = Timing  # type: ignore[misc]
    samples = Samples() if STRETCHES.on_gpu else None
    status = tap2key(["train", *arguments])
    if samples is not None:
        samples.stop()
    # The first stretch also finds out which kernels are fastest.
    timed = STRETCHES.done[1:] or STRETCHES.done
    busy = [
        percent
        for at, percent in (samples.taken if samples is not None else ())
        if any(stretch.begun < at < stretch.ended for stretch in timed)
    ]
    seconds = sum(stretch.ended - stretch.begun for stretch in timed)
    found = {
        "windows_per_s": sum(stretch.windows for stretch in timed) / seconds if seconds else None,
        "loading": sum(stretch.loading for stretch in timed) / seconds if seconds else None,
        "memory_bytes": torch.cuda.max_memory_reserved() if STRETCHES.on_gpu else None,
        "utilisation": sum(busy) / len(busy) / 100 if busy else None,
    }
    Path(measured).write_text(json.dumps(found), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
