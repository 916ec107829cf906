"""What each table of `billing.toml` takes: its keys, what each value must be, and hints for a key that is elsewhere.

Rules of this file: no file is read here. A check returns what a value must be, or None; no message repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from invoice_bridge import providers
from invoice_bridge.client.caps import fault_of_caps
from invoice_bridge.client.maps import MAPS, fault_of_allow
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.idempotency import LOOKUPS
from invoice_bridge.journal.location import Location

__all__ = [
    "PROFILE",
    "PROVIDER",
    "SWITCH",
    "TOP",
    "Check",
    "fault_of_text",
    "kind_of",
    "known_providers",
    "listed",
    "nearest",
    "place_hint",
]

Check = Callable[[Any], str | None]
"""Returns what a value must be, or None if it is valid."""


def fault_of_text(value: Any) -> str | None:
    """Return what a text must be, or None if the value is one."""
    return None if isinstance(value, str) and value.strip() else f'it must be a text like "…", not {kind_of(value)}'


def _table(value: Any) -> str | None:
    return None if isinstance(value, dict) else f"it must be a table, not {kind_of(value)}"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"it must be true or false, not {kind_of(value)}"


def _seconds(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number and 0 < value < 86400 else "it must be a number of seconds above 0 and below 86400"


def _mode(value: Any) -> str | None:
    return None if value in ("test", "live") else 'it must be "test" or "live"'


def _lookup(value: Any) -> str | None:
    return None if value in LOOKUPS else 'it must be "auto", "always", "never" or "journal"'


def _book(value: Any) -> str | None:
    return fault_of_text(value) or (None if value.isprintable() else "it must consist of printable characters")


def _number(value: Any) -> str | None:
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return None if is_number else "it must be a number of 1 or more"


def _variable(value: Any) -> str | None:
    if isinstance(value, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", value):
        return None
    return "it must name an environment variable, in capitals like STRIPE_API_KEY, and not be the key itself"


def _journal_variable(value: Any) -> str | None:
    if _variable(value) is None:
        return None
    return "it must name an environment variable, in capitals like BILLS_JOURNAL, and not be the URL itself"


def _switch_at(value: Any) -> str | None:
    each = list(value.values()) if isinstance(value, dict) else [value]
    if each and all(isinstance(at, datetime) and at.utcoffset() is not None for at in each):
        return None
    return (
        "it must be an instant with its offset, without quotes: 2026-12-01T00:00:00Z, or a table of customers to such"
    )


def _journal(value: Any) -> str | None:
    if problem := fault_of_text(value):
        return problem
    try:
        location = Location(value)
    except ConfigurationError as error:
        return str(error)
    if location.has_password:
        return (
            "the file must not contain a password: put it into PGPASSWORD or ~/.pgpass, or the whole URL into an "
            "environment variable, and the variable's name into journal_env"
        )
    return None


TOP: Mapping[str, Check] = {
    "default": fault_of_text,
    "profiles": _table,
    "providers": _table,
    "switch": _table,
    **dict.fromkeys(MAPS, _table),
}
SWITCH: Mapping[str, Check] = {"old": fault_of_text, "new": fault_of_text, "at": _switch_at}
PROFILE: Mapping[str, Check] = {
    "provider": fault_of_text,
    "mode": _mode,
    "timeout": _seconds,
    "deadline": _seconds,
    "journal": _journal,
    "journal_env": _journal_variable,
    "lookup": _lookup,
    "book": _book,
    "allow": fault_of_allow,
    "mcp": fault_of_caps,
    **dict.fromkeys(MAPS, _table),
    "providers": _table,
}
PROVIDER: Mapping[str, Check] = {
    "api_key_env": _variable,
    "base_url": fault_of_text,
    "insecure": _flag,
    "requests_per_minute": _number,
    "settings": _table,
}


def place_hint(key: str, at: str, known: Iterable[str]) -> str:
    """Guess where an unknown key belongs."""
    parts = at.split(".")
    if key in PROVIDER and parts[0] == "profiles" and len(parts) == 2:
        return f"it belongs to one provider: write it under [providers.…], or only for this profile [{at}.providers.…]"
    if key in PROFILE and not at:
        return f"write it under a profile, as in [profiles.main] {key} = …"
    if parts[-2:-1] == ["providers"] and key not in PROFILE and not get_close_matches(key, PROVIDER, 1, 0.8):
        return f"if it is a setting of {parts[-1]}, write settings = {{ {key if len(key) < 20 else 'it'} = … }}"
    return nearest(key, known)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name that was probably meant, else all names."""
    names = list(known)
    near = get_close_matches(name, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"valid names: {listed(names)}"


def listed(names: Iterable[str]) -> str:
    """Return names in one line, in their order."""
    return ", ".join(sorted(names))


def known_providers() -> str:
    """Return the names of all providers."""
    return listed(providers.names())


def kind_of(value: Any) -> str:
    """Return what a value of TOML is, without showing it."""
    if isinstance(value, str):
        return "a text" if value.strip() else "an empty text"
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date")
