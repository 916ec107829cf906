"""The settings of a client, read and checked by what its provider declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.adapter.declared import Setting
from invoice_bridge.core.errors import ConfigurationError


def read_settings(title: str, settings: Iterable[Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check settings and fill in defaults. Raises ConfigurationError naming the nearest valid name."""
    known = {setting.name: setting for setting in settings}
    for name in given:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(known) or 'none'}"
            raise ConfigurationError(f"{title} has no setting {name!r}; {hint}")
    read: dict[str, Any] = {}
    for name, setting in known.items():
        value = given.get(name)
        if value is None:
            read[name] = setting.default
            continue
        try:
            read[name] = setting.read(value)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"{title}: the setting {name}: {error}") from None
    return read
