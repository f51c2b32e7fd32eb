"""Taps on standard output: one line each on a pipe, one line that is repainted on a terminal."""

import errno
import os
import shutil
import sys

from tap2key.listening.live_taps import LiveTap
from tap2key.reading.transcript import ENTER_MARK

# A pipe whose reader has gone, and a terminal that was closed.
CLOSED = (errno.EPIPE, errno.EIO)
COLUMNS = ("time_s", "key", "confidence")
# ECMA-48: back to the start of the line, and erase it.
REPAINT = "\r\x1b[2K"


class Screen:
    """Shows taps to people, or gives them to another program at once.

    `closed` says that the other program reads no more.
    """

    def __init__(self) -> None:
        """On a pipe, the names of the columns come first."""
        self._terminal = sys.stdout.isatty()
        self._painted = self.closed = False
        if not self._terminal:
            self._print("\t".join(COLUMNS))

    def show(self, tap: LiveTap, at_s: float, text: str) -> None:
        """Show a tap and the text that ends with it.

        Args:
            tap: it.
            at_s: its onset, in seconds since listening began.
            text: all that fits is shown.
        """
        named = tap.named
        if not self._terminal:
            self._print(f"{at_s:.6f}\t{named.key}\t{named.confidence:.4f}")
            return
        sure = f"  {named.key} {named.confidence:.0%}"
        room = max(shutil.get_terminal_size().columns - len(sure) - 1, 1)
        line = text.replace("\n", ENTER_MARK)[-room:]
        self._print(f"{REPAINT}{line}{sure}", end="")
        self._painted = True

    def end(self) -> None:
        """Leave a repainted line standing."""
        if self._painted:
            self._print("")
            self._painted = False

    def _print(self, text: str, end: str = "\n") -> None:
        if self.closed:
            return
        try:
            print(text, end=end, flush=True)
        except OSError as error:
            if error.errno not in CLOSED:
                raise
            self.closed = True
            # Else Python complains once more when it flushes what is left.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
