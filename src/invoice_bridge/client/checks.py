"""Checks of a client's settings: each returns nothing, or raises a ConfigurationError that states what to write.

Rules of this file: no setting is repaired, and a setting that may contain a key is never shown. A setting that passes
cannot fail a call halfway, when a customer may have been charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from invoice_bridge.client.maps import fault_of_allow, fault_of_map
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.idempotency import LOOKUPS
from invoice_bridge.core.model import in_utc
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.protocol import BillJournal

__all__ = ["check", "check_http", "fault_of_key", "first_try", "locate_journal"]

LONGEST = 86_400.0
"""Seconds of the longest timeout or deadline: a day. Sockets cannot wait for arbitrarily many."""
MOST_REQUESTS = 1_000_000
"""Requests per minute; a larger number is no limit: write None."""


def fault_of_key(key: object) -> str | None:
    """Describe what is wrong with an API key, without showing it; return None for a usable one.

    It returns rather than raises: the caller deletes its own variable first, so that no frame of the traceback holds
    the key.
    """
    if not isinstance(key, str):
        return f"api_key must be a str, not {_kind(key)}"
    if not key:
        return "api_key is empty: give the provider's secret key"
    if any(character.isspace() for character in key):
        return "api_key contains a space or a line break: pass the key only, for instance file.read().strip()"
    if not key.isascii() or not key.isprintable():
        return "api_key must consist of printable ASCII characters"
    return None


def check(
    *,
    base_url: object,
    timeout: object,
    deadline: object,
    insecure: object,
    mode: object,
    lookup: object,
    book: object,
    maps: Mapping[str, object],
    allow: object,
    journal: object,
    requests_per_minute: object,
    rate_limiter: object,
) -> None:
    """Check the settings that every client takes. Raises ConfigurationError."""
    if base_url is not None and not isinstance(base_url, str):
        raise ConfigurationError(f"base_url must be a str such as https://host/…, not {_kind(base_url)}")
    _check_seconds("timeout", timeout, "timeout=30.0")
    if deadline is not None:
        _check_seconds("deadline", deadline, "deadline=60.0, or None for no deadline")
    if not isinstance(insecure, bool):
        raise ConfigurationError("insecure must be True or False")
    if mode is not None and mode not in ("test", "live"):
        raise ConfigurationError(f'mode must be "test" or "live", not {_kind(mode)}')
    if not isinstance(lookup, str) or lookup not in LOOKUPS:
        raise ConfigurationError(f'lookup must be "auto", "always", "never" or "journal", not {_kind(lookup)}')
    if lookup == "journal" and journal is None:
        raise ConfigurationError('lookup="journal" needs a complete journal: pass journal=… too')
    if not isinstance(book, str) or not book.strip() or not book.isprintable():
        raise ConfigurationError(f"book must name a book of bills in printable characters, not {_kind(book)}")
    _check_rate(requests_per_minute)
    _check_limiter(rate_limiter, requests_per_minute)
    for name, value in maps.items():
        if problem := fault_of_map(name, value):
            raise ConfigurationError(problem)
    if problem := fault_of_allow(allow):
        raise ConfigurationError(f"allow: {problem}")


def _check_seconds(name: str, value: object, example: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{name} must be a number of seconds, not {_kind(value)}: write {example}")
    if not 0 < value <= LONGEST or not isfinite(value):
        raise ConfigurationError(f"{name} must be more than 0 and at most {LONGEST:.0f} seconds: write {example}")


def _check_rate(value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"requests_per_minute must be a whole number, not {_kind(value)}")
    if not 1 <= value <= MOST_REQUESTS:
        raise ConfigurationError(
            f"requests_per_minute must be from 1 to {MOST_REQUESTS}; leave it out for the provider's own limit"
        )


def _check_limiter(value: object, requests_per_minute: object) -> None:
    if value is None:
        return
    if missing := [name for name in ("reserve", "release", "observe") if not callable(getattr(value, name, None))]:
        raise ConfigurationError(f"rate_limiter must be a RateLimiter: {_kind(value)} has no {', '.join(missing)}")
    if requests_per_minute is not None:
        raise ConfigurationError("rate_limiter and requests_per_minute both set the limit: leave one of them out")


def locate_journal(value: object) -> Location | BillJournal | None:
    """Return the place of a journal, a file or a database, or the caller's own journal.

    Raises ConfigurationError, which shows no password.
    """
    if value is None or isinstance(value, Location | BillJournal):
        return value
    if not isinstance(fspath(value) if isinstance(value, PathLike) else value, str):
        raise ConfigurationError(
            f"journal must be the path of a file, not {_kind(value)}: write journal='bills.sqlite'"
        )
    box: list[Any] = [value]
    del value  # a traceback that shows variables shall not show a password
    place = Location(box.pop())
    if not place.is_url:
        _check_path(place.name)
    return place


def _check_path(path: str) -> None:
    if not path.strip():
        raise ConfigurationError("journal is empty, so nothing would be recorded: name a file, or leave journal out")
    if path.startswith((":memory:", "file:")):
        raise ConfigurationError(
            "journal must be a file on disk, since one in memory forgets what was tried: write 'bills.sqlite'"
        )
    if "\0" in path or Path(path).is_dir():
        raise ConfigurationError(
            f"the journal {path!r} cannot be opened: it is a directory or not a file: name a file, such as bills.sqlite"
        )


def check_http(http: Any, *, is_async: bool) -> None:
    """Check that an injected HTTP client is one, and of the right kind. Raises ConfigurationError."""
    wanted = "httpx.AsyncClient" if is_async else "httpx.Client"
    ours = "AsyncClient" if is_async else "Client"
    is_class = isinstance(http, type)
    if is_class or not callable(getattr(http, "stream", None)) or not hasattr(http, "is_closed"):
        raise ConfigurationError(f"http must be an {wanted} or a compatible client, not {_kind(http)}")
    if hasattr(http, "aclose") != is_async:
        raise ConfigurationError(f"{ours} needs an {wanted} as http, not one of the other kind")
    if http.is_closed:
        raise ConfigurationError("the http client is closed: make a new one")


def first_try(since: datetime | None, now: datetime) -> datetime | None:
    """Return when a bill can first have been tried. Raises ConfigurationError unless that is aware and in the past."""
    if since is None:
        return None
    if not isinstance(since, datetime):
        raise ConfigurationError(f"since must be a datetime, not {since!r}: write datetime(…, tzinfo=UTC)")
    try:
        first = in_utc(since)
    except ValueError as error:
        raise ConfigurationError(f"since: {error}") from None
    if first > now:
        raise ConfigurationError(
            f"since={first.isoformat()} is in the future, so a lookup would find nothing: "
            "give the time of the first try"
        )
    return first


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
