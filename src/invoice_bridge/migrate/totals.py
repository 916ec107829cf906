"""Control totals: what the source has, by currency, month and status, and what became of it.

Rules of this file: pure. The source's side is summed when its listing is read, the other side from the ledger's items:
an item that vanished from the ledger shows as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.money import Money

__all__ = ["Group", "Totals", "group_of"]

Key = tuple[str, str, str]
"""Currency, month ("2026-03") and status, each empty where the source does not say."""


def group_of(source: Mapping[str, Any]) -> Key:
    """Return the group of an item, from what the ledger has of its source."""
    return source.get("currency", ""), source.get("month", ""), source.get("status", "")


@dataclass
class Totals:
    """How many documents a group has, and what they come to in minor units."""

    groups: dict[Key, tuple[int, int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many documents there are."""
        return sum(number for number, _ in self.groups.values())

    def add(self, source: Mapping[str, Any]) -> None:
        """Count one document; one without a total counts as zero."""
        key = group_of(source)
        number, amount = self.groups.get(key, (0, 0))
        self.groups[key] = number + 1, amount + (source.get("total") or 0)

    def at(self, key: Key) -> tuple[int, int]:
        """Return the number and the amount of a group."""
        return self.groups.get(key, (0, 0))

    def to_json(self) -> str:
        """Return the JSON form."""
        return dumps([[*key, *value] for key, value in sorted(self.groups.items())]).decode()

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Read the JSON form; None is nothing."""
        return cls({(row[0], row[1], row[2]): (row[3], row[4]) for row in loads(text or "[]")})


@dataclass(frozen=True)
class Group:
    """One group of a preview: each side as (documents, minor units)."""

    currency: str
    month: str
    status: str
    source: tuple[int, int]
    moved: tuple[int, int]
    skipped: tuple[int, int]
    refused: tuple[int, int]
    person: tuple[int, int]

    @property
    def difference(self) -> tuple[int, int]:
        """What the source has and no item accounts for: (0, 0) where the group closes."""
        sides = (self.moved, self.skipped, self.refused, self.person)
        return self.source[0] - sum(side[0] for side in sides), self.source[1] - sum(side[1] for side in sides)

    def amount(self, minor: int) -> str:
        """Write an amount of the group."""
        return str(Money(minor, self.currency)) if self.currency else "–"
