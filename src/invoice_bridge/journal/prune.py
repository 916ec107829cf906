"""Removing old bills from a journal: what a bill must be like before the journal may forget it.

Rules of this file: pure. What is not settled, or cannot be read, is kept however old it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.rows import Try, unresolved

LEAST_AGE = timedelta(days=30)
"""Our figure: a bill can be repeated weeks after its first try, and a later one is a new bill to a pruned journal."""
T = TypeVar("T")


def check_before(before: datetime, now: datetime) -> None:
    """Check the time before which bills are removed. Raises ConfigurationError."""
    if before.tzinfo is None:
        raise ConfigurationError(f"before={before.isoformat()} has no time zone: write datetime(…, tzinfo=UTC)")
    if now - before < LEAST_AGE:
        raise ConfigurationError(
            f"before={before.isoformat()} is less than {LEAST_AGE.days} days ago: a bill that young may be repeated, "
            "and the journal would not know it"
        )


def is_prunable(tries: Sequence[Try], before: datetime, *, claimed: bool, made: bool) -> bool:
    """Whether a bill may be removed, by all tries of its reference; `claimed` if it was made and not withdrawn."""
    if claimed and not made:
        return False
    times = [known.last_at for known in tries]
    readable = all(known.began_at is not None for known in tries)
    return readable and not unresolved(tries) and all(at is not None and at < before for at in times)


def batches(items: Sequence[T], size: int = 200) -> Iterator[list[T]]:
    """Split items into lists of that size, one for each transaction."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
