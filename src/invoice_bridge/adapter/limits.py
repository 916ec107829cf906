"""The limits of a provider: how long a text may be, and how many entries a list may have."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Any

from invoice_bridge.adapter.paths import values_at
from invoice_bridge.core.errors import Unsupported

__all__ = ["Limit", "check_limits"]


@dataclass(frozen=True, slots=True)
class Limit:
    """The maximum that the provider accepts at a path: characters of a text, entries of a list or mapping.

    "metadata" counts its keys; "metadata.key" and "metadata.value" limit each of them.
    """

    path: str
    maximum: int
    source: str


def check_limits(limits: Iterable[Limit], command: Any) -> None:
    """Raise Unsupported for a text or list of a bill or an update that is longer than the provider accepts."""
    for limit in limits:
        for value in values_at(command, limit.path):
            if (type(value) is str or isinstance(value, Sized)) and len(value) > limit.maximum:
                raise Unsupported(
                    f"{limit.path} has {len(value)} {'characters' if isinstance(value, str) else 'entries'}, "
                    f"and the provider takes {limit.maximum} at most",
                    source=limit.source,
                    remedy="shorten it: nothing is cut off silently",
                )
