"""Progress a person can follow: a bar on a terminal, plain lines in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

from tap2key.core.log import log

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass `items` through while showing on stderr how many are done."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
        yield from tqdm(items, desc=what, total=total)
        return
    of_total = "" if total is None else f" of {total}"
    done, started = 0, time.monotonic()
    reported = started
    for item in items:
        yield item
        done += 1
        if time.monotonic() - reported >= SECONDS_BETWEEN_LINES:
            reported = time.monotonic()
            log.info(f"{what}: {done}{of_total}, {reported - started:.0f} s")
    log.info(f"{what}: {done}{of_total}, done in {time.monotonic() - started:.1f} s")
