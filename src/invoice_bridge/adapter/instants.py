"""Instants as providers write them; what would lose parts of a second is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from invoice_bridge.core.errors import Unsupported

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# ── instants ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def unix_seconds(instant: datetime) -> int:
    """Return whole seconds since 1970 UTC. Raises Unsupported where parts of a second would be lost."""
    whole, rest = divmod(instant - _EPOCH, timedelta(seconds=1))
    if rest:
        raise Unsupported(f"{instant.isoformat()} has parts of a second; this provider counts whole seconds")
    return whole


def rfc3339_millis(instant: datetime) -> str:
    """Return 2026-05-01T00:00:00.000Z. Raises Unsupported where parts of a millisecond would be lost."""
    if instant.tzinfo is None:
        raise TypeError(f"{instant.isoformat()} has no time zone")
    if instant.microsecond % 1000:
        raise Unsupported(f"{instant.isoformat()} has parts of a millisecond; this provider counts whole milliseconds")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
