"""Instants and days as providers write them; a conversion that loses parts of a second is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from invoice_bridge.core.errors import Unsupported

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LAST = time(23, 59, 59, tzinfo=UTC)


# ── instants ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def unix_seconds(instant: datetime) -> int:
    """Return whole seconds since 1970 UTC. Raises Unsupported if parts of a second would be lost."""
    whole, rest = divmod(instant - _EPOCH, timedelta(seconds=1))
    if rest:
        raise Unsupported(f"{instant.isoformat()} has parts of a second; this provider counts whole seconds")
    return whole


def rfc3339_seconds(instant: datetime) -> str:
    """Return 2026-05-01T00:00:00Z. Raises Unsupported if parts of a second would be lost."""
    if instant.tzinfo is None:
        raise TypeError(f"{instant.isoformat()} has no time zone")
    if instant.microsecond:
        raise Unsupported(f"{instant.isoformat()} has parts of a second; this provider counts whole seconds")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def rfc3339_millis(instant: datetime) -> str:
    """Return 2026-05-01T00:00:00.000Z. Raises Unsupported if parts of a millisecond would be lost."""
    if instant.tzinfo is None:
        raise TypeError(f"{instant.isoformat()} has no time zone")
    if instant.microsecond % 1000:
        raise Unsupported(f"{instant.isoformat()} has parts of a millisecond; this provider counts whole milliseconds")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_in_utc(text: str, *, ends: bool = False) -> datetime:
    """Return the first second of a day written as 2026-05-01, or its last one; UTC, as a date has no zone.

    Raises ValueError for anything else.
    """
    if not _DAY.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a date")
    day = date.fromisoformat(text)
    return datetime.combine(day, _LAST if ends else time(tzinfo=UTC))
