"""The two sides of the table [switch] of a TOML file, with the one journal that both profiles name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from invoice_bridge.client.config import read_profile, read_switch
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.store import Journal
from invoice_bridge.switch.sides import At

T = TypeVar("T", bound=Any)


@dataclass(frozen=True, slots=True)
class FileSides:
    """What the table says: the arguments of both clients, the place of their journal, and the instants."""

    path: str
    old: dict[str, Any]
    new: dict[str, Any]
    place: Any
    at: At | None

    def instant(self) -> At:
        """Return the instants. Raises ConfigurationError where there is none: that is a shadow phase."""
        if self.at is None:
            raise ConfigurationError(
                f"{self.path}: [switch] has no at: write at = 2026-12-01T00:00:00Z for a handover; without it, "
                "Shadow.from_config compares the two"
            )
        return self.at

    def open(self, make: Callable[[dict[str, Any], dict[str, Any]], T]) -> T:
        """Open the journal, and make what uses both sides; closing that closes the journal."""
        journal = Journal(self.place)
        try:
            made = make({**self.old, "journal": journal}, {**self.new, "journal": journal})
        except BaseException:
            journal.close()
            raise
        made._after = journal.close  # noqa: SLF001 - of this room
        return made


def read_sides(path: str | os.PathLike[str], *, needs_key: bool = True, needs_new_key: bool = True) -> FileSides:
    """Read the table [switch] and its two profiles. Raises ConfigurationError.

    Without a key that is needed, the side gets a text in its place that no provider takes.
    """
    switch = read_switch(path)
    old = read_profile(path, switch["old"], needs_key=needs_key)
    new = read_profile(path, switch["new"], needs_key=needs_key and needs_new_key)
    places = [side.pop("journal", None) for side in (old, new)]
    names = [None if place is None else str(Location(place)) for place in places]
    for name, place in zip(("old", "new"), names, strict=True):
        if place is None:
            raise ConfigurationError(
                f"{os.fspath(path)}: [profiles.{switch[name]}]: it has no journal: both sides of a switch need the same"
            )
    if names[0] != names[1]:
        raise ConfigurationError(
            f"{os.fspath(path)}: [switch]: its profiles have two journals, {names[0]} and {names[1]}: name the same "
            "one in both"
        )
    for side in (old, new):
        side.setdefault("api_key", "none_is_needed")
    return FileSides(os.fspath(path), old, new, places[0], switch.get("at"))
