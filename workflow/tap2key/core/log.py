"""What a stage says while it works: lines on stderr with their time and level."""

import logging
import os
import sys

from tap2key.core.errors import Tap2keyError

# The least level that is shown; stages that are started by this one follow it too.
LEVEL_VARIABLE = "TAP2KEY_LOG"
LEVELS = ("debug", "info", "warning", "error")
USUAL_LEVEL = "info"


class _Stderr(logging.Handler):
    """Writes to what stderr is now: callers may have turned it elsewhere since the import."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, at once."""
        print(self.format(record), file=sys.stderr, flush=True)


class _Line(logging.Formatter):
    """The level in small letters and with a colon, as `tap2key: error:` has it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        time = self.formatTime(record, "%Y-%m-%d %H:%M:%S")
        return f"{time} {record.levelname.lower()}: {record.getMessage()}"


def show_from(level: str) -> None:
    """Show lines of this level and above, here and in processes that are started from here.

    Raises:
        Tap2keyError: there is no such level.
    """
    if level not in LEVELS:
        raise Tap2keyError(
            f"{LEVEL_VARIABLE}={level}: unknown level; available: {', '.join(LEVELS)}"
        )
    os.environ[LEVEL_VARIABLE] = level
    log.setLevel(level.upper())


log = logging.getLogger("tap2key")
log.propagate = False
_asked = os.environ.get(LEVEL_VARIABLE)
log.setLevel((_asked if _asked in LEVELS else USUAL_LEVEL).upper())
if not log.handlers:
    _handler = _Stderr()
    _handler.setFormatter(_Line())
    log.addHandler(_handler)
