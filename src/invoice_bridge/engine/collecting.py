"""Reading a large answer without the collector of cycles.

Rules of this file: nothing waits inside, so that it is over in milliseconds; who has switched the collector off keeps
it off. What is made of an answer has no cycles and lives on, yet the collector looks through it each time that 700
objects were made: a fifth of the time of reading a page of 100 long invoices.
"""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from invoice_bridge.core.wire import Response

__all__ = ["reading"]

_LARGE: Final = 1 << 16
"""Bytes of an answer of which thousands of objects are made."""


class _Uncollected:
    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            gc.enable()


def reading(answer: Response | None) -> AbstractContextManager[None]:
    """Around what is made of an answer."""
    return nullcontext() if answer is None or len(answer.content) < _LARGE else _Uncollected()
