"""How many threads of a worker compute: as many as have something to wait for.

Rules of this file: a thread rests only between its batches, with nothing in hand, and never the last one.

Threads of CPython compute one at a time. Where answers take long, most of a batch is waiting, and each further thread
is another item under way. Where they come at once (a target on this machine, no pace) the threads only hand the
interpreter to each other at every system call, which takes half of their time again; then one alone is faster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Crew"]

_CROWDED: Final = 0.5
"""The part of the time for which all threads together compute, above which one of them rests."""
_IDLE: Final = 0.3
"""The part below which one that rests works again."""
_NAP: Final = 1.0
"""Seconds after which one that rests asks whether the worker ends."""


class Crew:
    """The threads of one worker."""

    def __init__(self, threads: int) -> None:
        self._changed = threading.Condition()
        self._active, self.resting = threads, 0

    def now(self) -> tuple[float, float]:
        """Return the time, and for how long this thread has computed."""
        return time.monotonic(), time.thread_time()

    def is_spare(self, began: tuple[float, float]) -> bool:
        """Return whether the others are faster without this thread, by its batch since `began`: see now()."""
        spent, computed = (after - before for after, before in zip(self.now(), began, strict=True))
        with self._changed:
            together = self._active * computed / max(spent, 1e-6)
            if together < _IDLE and self.resting:
                self._changed.notify()
            return together > _CROWDED and self._active > 1

    def rest(self, goes_on: Callable[[], bool]) -> None:
        """Rest, with nothing in hand, until this thread is needed or the worker ends; the last one does not rest."""
        with self._changed:
            if self._active <= 1:
                return
            self._active -= 1
            self.resting += 1
            while not self._changed.wait(_NAP) and self._active > 0 and goes_on():
                pass
            self.resting -= 1
            self._active += 1

    def leave(self) -> None:
        """End a thread: those that rest look for themselves whether anything is left."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()
