"""One listening from its first block to its end: what comes is named, shown, and kept if asked."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.listening.blocks import Block, Lost, Source
from tap2key.listening.kept import Kept
from tap2key.listening.live_taps import LiveTap, LiveTaps, check_rate
from tap2key.listening.live_text import LiveText
from tap2key.listening.screen import Screen
from tap2key.listening.view import View
from tap2key.models.ensemble import Ensemble

# Longer than any buffer of a program that writes sound.
STALLED_S = 3.0
LEVELS_EVERY_S = 0.05


class Session:
    """Reads a source to its end, or until it is asked to stop.

    `failure` is why sound that was heard well came to an end; what was heard before it counts.
    """

    def __init__(
        self,
        source: Source,
        ensemble: Ensemble,
        peak_height: float | None,
        text: LiveText,
        kept: Kept | None,
        view: View | None,
    ) -> None:
        """Nothing heard yet.

        Args:
            source: of sound.
            ensemble: the models.
            peak_height: see `find_taps`.
            text: what is shown as typed.
            kept: where results are kept; None for nowhere.
            view: a page that shows them; None for none.
        """
        self.source, self.ensemble, self.peak_height = source, ensemble, peak_height
        self.text, self.kept, self.view = text, kept, view
        self.screen = Screen()
        self.taps = 0
        self.failure: Tap2keyError | None = None
        self._piece: LiveTaps | None = None
        # When the present piece began, in seconds since the first.
        self._began_s = 0.0
        self._loudest = np.zeros(ensemble.array.channels, np.float32)
        self._levels_s = 0.0

    @property
    def heard_s(self) -> float:
        """Seconds since the first sample, with what is known to be lost."""
        return self._began_s + (self._piece.heard_s if self._piece else 0.0)

    def run(self) -> None:
        """Listen.

        Raises:
            Tap2keyError: the source fails, or gives what the models cannot hear, before any sound;
                or somebody asked twice to stop.
        """
        with stopping() as stop:
            try:
                self._follow_and_end(stop)
            except KeyboardInterrupt:
                raise Tap2keyError("stopped at once, by a second Ctrl-C") from None
        self.screen.end()

    def _follow_and_end(self, stop: threading.Event) -> None:
        try:
            self._follow(stop)
        except Tap2keyError as error:
            if not self.heard_s:
                raise
            self.failure = error
        try:
            self._end_piece()
        except Tap2keyError as error:
            self.failure = self.failure or error

    def _follow(self, stop: threading.Event) -> None:
        heard, stalled = time.monotonic(), False
        for block in self.source.blocks():
            if stop.is_set() or self.screen.closed:
                break
            if block is not None:
                heard, stalled = time.monotonic(), False
                self._take_in(block)
            elif not stalled and time.monotonic() - heard > STALLED_S:
                stalled = True
                log.warning(
                    f"{self.source.name}: no sound comes (after {self.heard_s:.1f} s); "
                    "still waiting, Ctrl-C ends"
                )

    def _take_in(self, block: Block) -> None:
        if block.lost is not None:
            self._lose(block.lost)
        if self._piece is None:
            check_rate(self.source.name, self.source.rate, self.ensemble)
            self._piece = LiveTaps(self.ensemble, self.source.rate, self.peak_height)
        if self.kept is not None:
            self.kept.sound(block.samples, self.source.rate)
        self._tell(self._piece.push(block.samples))
        if self.view is not None:
            np.maximum(self._loudest, np.abs(block.samples).max(axis=0), out=self._loudest)
            if self.heard_s - self._levels_s >= LEVELS_EVERY_S:
                self.view.levels(self._loudest, self.heard_s)
                self._loudest[:] = 0
                self._levels_s = self.heard_s

    def _lose(self, lost: Lost) -> None:
        """End the piece: what comes next does not follow what came before."""
        at_s = self.heard_s
        known = "an unknown time" if lost.seconds is None else f"{lost.seconds:.3f} s"
        self.screen.end()
        log.warning(f"{self.source.name}: {known} lost at {at_s:.3f} s ({lost.reason})")
        if self.kept is not None:
            self.kept.lost(self._piece.heard_s if self._piece else 0.0, lost.seconds, lost.reason)
        if self.view is not None:
            self.view.lost(at_s, known)
        self._end_piece()
        if self.kept is not None:
            self.kept.begin_piece()
        self._began_s += lost.seconds or 0.0

    def _end_piece(self) -> None:
        if self._piece is not None:
            self._tell(self._piece.end())
        heard_s = 0.0 if self._piece is None else self._piece.heard_s
        if self.kept is not None:
            self.kept.end_piece(heard_s)
        self._began_s += heard_s
        self._piece = None

    def _tell(self, taps: list[LiveTap]) -> None:
        for tap in taps:
            self.taps += 1
            self.text.add(tap)
            at_s = self._began_s + tap.named.time_s
            self.screen.show(tap, at_s, self.text.shown)
            if self.kept is not None:
                self.kept.tap(tap)
            if self.view is not None:
                self.view.tap(tap, at_s, self.text.shown)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Yield what is set by Ctrl-C, or by being asked to terminate; asked again, Python stops.

    A terminal that is closed asks too, except of what was started by nohup.
    """
    stop = threading.Event()
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]

    def ask(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
