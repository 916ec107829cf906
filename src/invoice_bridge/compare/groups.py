"""Like differences of many invoices as one group, gravest first: one changed price is one line, not 10,000.

Rules of this file: a group has the causes alone, and names what follows from them. Sums are integers of minor units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from invoice_bridge.compare.differences import Difference, Verdict, shown
from invoice_bridge.compare.kinds import SHAPES, Kind, row_of
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.money import exponent

MOST = 1000
"""The number of groups kept apart; above it the keys of metadata become one group, so that memory has a bound."""
_RANKS = {Severity.CHANGES_MONEY: 0, Severity.WARNS: 1, Severity.INFO: 2}


def spelled(minor: int, currency: str) -> str:
    """Write a sum in major units; it may be longer than any Money."""
    digits = exponent(currency)
    text = f"{abs(minor):0{digits + 1}d}"
    return ("-" if minor < 0 else "") + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)


def signed(minor: int, currency: str) -> str:
    """Write a change in major units, with its sign."""
    return ("+" if minor > 0 else "") + spelled(minor, currency)


@dataclass
class Change:
    """The changes of an amount in one currency, right less left, in minor units."""

    total: int
    least: int
    greatest: int
    count: int = 1

    def add(self, minor: int) -> None:
        """Count one more."""
        self.total += minor
        self.least, self.greatest = min(self.least, minor), max(self.greatest, minor)
        self.count += 1

    def text(self, currency: str) -> str:
        """Return it for a reader: "+0.01 EUR each", or the span and the sum."""
        if self.count == 1:
            return f"{signed(self.total, currency)} {currency}"
        if self.least == self.greatest:
            return f"{signed(self.least, currency)} {currency} each"
        span = f"{signed(self.least, currency)} to {signed(self.greatest, currency)}"
        return f"{span}, sum {signed(self.total, currency)} {currency}"


@dataclass
class Group:
    """Like differences: a path without the numbers of items, and how it differs.

    `detail` is "open → paid" for a status, "left only" or "right only" for an item or a whole invoice (path
    "invoice"), else empty. `invoices` is their number, `first` the key of one of them. `followed` counts the paths that
    follow from it.
    """

    path: str
    detail: str
    severity: Severity
    first: str | None
    invoices: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    followed: Counter[str] = field(default_factory=Counter)

    @property
    def order(self) -> tuple[Any, ...]:
        """Return what sorts groups: severity, value (in the currency that has the most minor units), number."""
        value = max((abs(change.total) for change in self.changes.values()), default=0)
        return _RANKS[self.severity], -value, -self.invoices, self.path, self.detail

    def count(self, change: tuple[int, str] | None) -> None:
        """Add the change of an amount."""
        if change is not None:
            minor, currency = change
            if currency in self.changes:
                self.changes[currency].add(minor)
            else:
                self.changes[currency] = Change(minor, minor, minor)

    def change_text(self, most: int | None = None) -> str:
        """Return how it differs, and by how much in each currency; of many the `most` largest, and how many more."""
        listed = sorted(self.changes.items())
        if most is not None and len(listed) > most + 1:
            value = {currency: Decimal(abs(one.total)).scaleb(-exponent(currency)) for currency, one in listed}
            listed = sorted(listed, key=lambda item: -value[item[0]])[:most]
        texts = [change.text(currency) for currency, change in listed]
        if rest := len(self.changes) - len(listed):
            texts.append(f"and {rest} more currencies")
        return "  ".join(part for part in (self.detail, "; ".join(texts)) if part)

    def cells(self) -> tuple[str, ...]:
        """Return the group for a reader: path, number of invoices, change, the key of one, what follows from it."""
        mark = "!!" if self.severity is Severity.CHANGES_MONEY else "! "
        follows = ", ".join(self.followed)
        return (
            f"  {mark} {shown(self.path)}",
            f"{self.invoices} invoice{'' if self.invoices == 1 else 's'}",
            self.change_text(),
            "" if self.first is None else f"({shown(self.first)}{', …' if self.invoices > 1 else ''})",
            f"so {follows}" if follows else "",
        )

    @property
    def title(self) -> str:
        """Return what names it among the groups of a comparison: the path, and how it differs."""
        return shown(" ".join(part for part in (self.path, self.detail) if part))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values; amounts are changes in minor units, right less left."""
        return {
            "path": self.path,
            "detail": self.detail,
            "severity": self.severity.value,
            "invoices": self.invoices,
            "first": self.first,
            "changes": {
                currency: {"sum": one.total, "least": one.least, "greatest": one.greatest, "count": one.count}
                for currency, one in sorted(self.changes.items())
            },
            "followed_by": dict(self.followed),
        }


class Groups:
    """The groups of a comparison, counted row by row."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], Group] = {}

    def add(self, key: str | None, found: Iterable[Difference]) -> None:
        """Count the differences of a pair. What is declared equal, or not stated, is left out."""
        groups: dict[int, Group] = {}
        for one, causes in with_causes(found):
            if causes[0] is one:
                group = groups[id(one)] = self._group(key, one.shape, detail_of(one), one.severity)
                group.count(one.change)
            else:
                for group in {id(group): group for group in (groups[id(cause)] for cause in causes)}.values():
                    group.followed[one.shape] += 1
        for group in {id(group): group for group in groups.values()}.values():
            group.invoices += 1

    def add_alone(self, key: str | None, verdict: Verdict, total: Mapping[str, Any] | None) -> None:
        """Count an invoice that one side lacks, with its total."""
        group = self._group(key, "invoice", verdict.value.replace("_", " "), Severity.CHANGES_MONEY)
        group.invoices += 1
        if total is not None:
            sign = 1 if verdict is Verdict.RIGHT_ONLY else -1
            group.count((sign * total["minor"], total["currency"]))

    def sorted(self) -> tuple[Group, ...]:
        """Return the groups, gravest first: what changes money, by value and number."""
        return tuple(sorted(self._groups.values(), key=lambda group: group.order))

    def _group(self, key: str | None, path: str, detail: str, severity: Severity) -> Group:
        if len(self._groups) >= MOST and (path, detail) not in self._groups:
            path = row_of(path)
        return self._groups.setdefault((path, detail), Group(path, detail, severity, key))


def with_causes(found: Iterable[Difference]) -> Iterator[tuple[Difference, list[Difference]]]:
    """Yield what differs, each with its first causes: itself alone if it follows from nothing else that differs.

    A cause comes before what follows from it. What is declared equal, or not stated, is left out.
    """
    first: dict[str, list[Difference]] = {}
    for one in found:
        if one.verdict is Verdict.DIFFERING:
            causes = [cause for path in one.because for cause in first.get(path, ())] or [one]
            first.setdefault(one.path, []).extend(causes)
            yield one, causes


def detail_of(one: Difference) -> str:
    """Return how it differs, if that is one of a few answers."""
    if SHAPES.get(one.shape) is Kind.STATUS or one.path == "currency":
        return f"{shown(one.left)} → {shown(one.right)}"
    if one.shape.endswith("[]"):
        return "right only" if one.left is None else "left only"
    return ""
