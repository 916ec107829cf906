"""The differences of two invoices' facts, path by path.

The items of a list are matched by content, not by position, because providers order them differently: see pairing.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from invoice_bridge.compare.kinds import AMOUNT_PATHS, DOCUMENT, LISTS, ORDER, OWN, PATHS, row_of, severity, shape_of
from invoice_bridge.compare.pairing import Item, comparable, pair, without_hints
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Status
from invoice_bridge.core.money import Money

Facts = Mapping[str, Any]


class Verdict(StrEnum):
    """The result for a pair of invoices, or for one path of a pair."""

    MATCHED = "matched"
    LEFT_ONLY = "left_only"
    RIGHT_ONLY = "right_only"
    DIFFERING = "differing"
    DECLARED_EQUAL = "declared_equal"
    UNSAID = "unsaid"
    """One side of another provider does not state it: a verdict of a path, never of a pair."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which two invoices differ.

    `left` and `right` are in the neutral invoice's JSON form; None if that side does not state it, or has no such item.
    `lines[2]` counts from 0, on the left; on the right for a line that only the right has. `payments[]` is the whole
    list, if one side does not state it. `reason` is that of the declaration that covers it. `because` are the paths
    that explain it by arithmetic: the total follows from "lines[0].amount".
    """

    path: str
    left: Any
    right: Any
    verdict: Verdict
    severity: Severity
    reason: str = ""
    because: tuple[str, ...] = ()

    @property
    def change(self) -> tuple[int, str] | None:
        """Return right less left in minor units, and the currency; the amount of an item that one side lacks.

        None if it is no amount, if one side of an amount does not state it, or if the currencies differ.
        """
        left, right = _money(self.left), _money(self.right)
        stated = [one for one in (left, right) if one is not None]
        currencies = {one["currency"] for one in stated}
        is_item = left is not self.left or right is not self.right
        if len(stated) < (1 if is_item else 2) or len(currencies) > 1:
            return None
        minor = (0 if right is None else right["minor"]) - (0 if left is None else left["minor"])
        return minor, currencies.pop()

    @property
    def shape(self) -> str:
        """Return the path without the numbers of items: "lines[].amount"."""
        return shape_of(self.path)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values; the verdict is called "class"."""
        told = {
            "path": self.path,
            "left": self.left,
            "right": self.right,
            "class": self.verdict.value,
            "severity": self.severity.value,
        }
        told |= {"reason": self.reason} if self.reason else {}
        return told | ({"because": list(self.because)} if self.because else {})


def _money(value: Any) -> Mapping[str, Any] | None:
    """Return the amount that a side states at a path: itself, or that of an item."""
    if not isinstance(value, Mapping):
        return None
    return value if "minor" in value else value.get("amount")


def differences(left: Facts, right: Facts) -> list[Difference]:
    """List the differences of two invoices' facts, in the order of the model."""
    found = [*_fields(left, right)]
    for name in LISTS:
        if name == "lines":
            found += _items(name, left["lines"], right["lines"], left, right)
        else:
            found += _parts(name, left, right)
    if problem := _nothing_shared(left, right):
        found.append(problem)
    return found


def _fields(left: Facts, right: Facts) -> Iterator[Difference]:
    ours, theirs = left["said"], right["said"]
    if ours["status"] == theirs["status"] and not _known(left, right):
        yield _differing("status", ours["status"], theirs["status"])
    one_provider = _is_one_provider(left, right)
    for path in (*PATHS, *DOCUMENT):
        if path in OWN and not one_provider:
            continue
        if path in {"metadata", "custom_fields"}:
            yield from _words(path, left, right)
        elif path == "customer.id":
            yield from _customer(left, right)
        elif path == "past_due" and ours["status"] != theirs["status"]:
            continue  # the status covers it: a paid invoice is not also "no longer past due"
        elif (one := ours.get(path)) != (other := theirs.get(path)):
            yield _told(path, one, other, one_provider=one_provider)


def _is_one_provider(left: Facts, right: Facts) -> bool:
    """Return whether both sides are one provider: then a missing field has vanished, and is not just unstated."""
    return bool(left["provider"] == right["provider"])


def _told(path: str, left: Any, right: Any, *, one_provider: bool) -> Difference:
    """Return a difference, or across providers the silence of one side."""
    if (left is None or right is None) and not one_provider:
        return Difference(path, left, right, Verdict.UNSAID, Severity.INFO)
    return _differing(path, left, right)


def _differing(path: str, left: Any, right: Any) -> Difference:
    return Difference(path, left, right, Verdict.DIFFERING, severity(shape_of(path)))


def _known(left: Facts, right: Facts) -> bool:
    """Return whether equal statuses mean the same; unknown ones only with the same word of one provider."""
    if left["said"]["status"] != Status.UNKNOWN.value:
        return True
    return (left["provider"], left.get("word")) == (right["provider"], right.get("word"))


def _words(name: str, left: Facts, right: Facts) -> Iterator[Difference]:
    """Compare metadata by key. A side without any states nothing; one with some but without the key states its absence.

    Within one provider a side without any has lost it.
    """
    ours, theirs = left["said"], right["said"]
    stated = _is_one_provider(left, right)
    mine, other = ([path for path in said if path.startswith(f"{name}.")] for said in (ours, theirs))
    for path in sorted({*mine, *other}):
        if ours.get(path) != theirs.get(path):
            yield _told(path, ours.get(path), theirs.get(path), one_provider=stated or bool(mine and other))


def _customer(left: Facts, right: Facts) -> Iterator[Difference]:
    """Return the customers' ids; across providers only if one side knows the id at the other's."""
    ours, theirs = left["said"].get("customer.id"), right["said"].get("customer.id")
    if _is_one_provider(left, right):
        if ours != theirs:
            yield _differing("customer.id", ours, theirs)
        return
    expected, known = left.get("ids", {}).get(right["provider"]), right.get("ids", {}).get(left["provider"])
    if (expected and theirs and expected != theirs) or (known and ours and known != ours):
        yield _differing("customer.id", ours, theirs)


def _nothing_shared(left: Facts, right: Facts) -> Difference | None:
    """Return a difference if no amount was compared although both state some: that is not agreement."""
    ours, theirs = _amounts(left), _amounts(right)
    if ours & theirs or not ours | theirs:
        return None
    return _differing("amounts", _list(ours), _list(theirs))


def _amounts(facts: Facts) -> set[str]:
    return {path for path in facts["said"] if path in AMOUNT_PATHS} | ({"lines"} if facts["lines"] else set())


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _parts(name: str, left: Facts, right: Facts) -> Iterator[Difference]:
    """Return the items of a list other than the lines.

    Across providers only successful payments are compared, because each provider retries by its own rules. A list
    that may lack items states nothing, even within one provider; any other missing list has vanished.
    """
    one_provider = _is_one_provider(left, right)
    if f"{name}[]" in OWN and not one_provider:
        return
    ours, theirs = (_stated(name, side, one_provider=one_provider) for side in (left, right))
    if ours is None and theirs is None:
        return
    silent = name in left.get("incomplete", ()) or name in right.get("incomplete", ())
    if (ours is None or theirs is None) and (silent or not one_provider):
        if ours or theirs:
            texts = [None if items is None else ", ".join(map(shown, items)) for items in (ours, theirs)]
            yield Difference(f"{name}[]", texts[0], texts[1], Verdict.UNSAID, Severity.INFO)
        return
    yield from _items(name, ours or [], theirs or [], left, right)


def _stated(name: str, side: Facts, *, one_provider: bool) -> list[Item] | None:
    items: list[Item] | None = side.get("lists", {}).get(name)
    if items is None or name in side.get("incomplete", ()):
        return None
    if name == "payments" and not one_provider:
        return [item for item in items if item.get("state") == "succeeded"]
    return items


def _items(name: str, ours: list[Item], theirs: list[Item], left: Facts, right: Facts) -> Iterator[Difference]:
    if ours == theirs:
        return
    one_provider = _is_one_provider(left, right)
    one_document = one_provider and left.get("id") == right.get("id")
    sides = [[comparable(name, item, one_provider=one_provider) for item in items] for items in (ours, theirs)]
    pairs, alone_left, alone_right = pair(name, *sides, one_provider=one_provider)
    for n, m in pairs:
        place = f"{name}[{ours[n].get('=place', n)}]"
        yield from _item(place, sides[0][n], sides[1][m], one_provider=one_provider)
        if name == "lines":
            yield from _catalog(place, ours[n], theirs[m], one_document=one_document)
    for n in alone_left:
        yield _differing(f"{name}[{ours[n].get('=place', n)}]", without_hints(ours[n]), None)
    for m in alone_right:
        yield _differing(f"{name}[{theirs[m].get('=place', m)}]", None, without_hints(theirs[m]))


def _item(place: str, ours: Item, theirs: Item, *, one_provider: bool) -> Iterator[Difference]:
    """Return the fields of two items that belong together, in the order of the model."""
    for path in sorted({*ours, *theirs}, key=lambda path: (_order(place, path), path)):
        one, other = ours.get(path), theirs.get(path)
        if path.startswith("=") or one == other:
            continue
        if isinstance(one, list) or isinstance(other, list):  # of a line, and compared within one provider only
            for found in _items(path, one or [], other or [], _NESTED, _NESTED):
                yield replace(found, path=f"{place}.{found.path}")
        else:
            yield _told(f"{place}.{path}", one, other, one_provider=one_provider)


def _order(place: str, path: str) -> int:
    row = row_of(shape_of(f"{place}.{path}"))
    return ORDER.get(row, ORDER.get(f"{row}[]", 0))


_NESTED: Facts = {"provider": "", "id": None}
"""The owner of a list inside a line."""


def _catalog(place: str, ours: Item, theirs: Item, *, one_document: bool) -> Iterator[Difference]:
    """Return what two lines bill: ids for two readings of one invoice, otherwise the caller's product names."""
    if one_document:
        for path in ("product", "price"):
            if ours.get(path) != theirs.get(path):
                yield _differing(f"{place}.{path}", ours.get(path), theirs.get(path))
        return
    if ours.get("=product") == theirs.get("=product"):
        return
    one, other = (item.get("product", item.get("price")) for item in (ours, theirs))
    yield _told(f"{place}.product", one, other, one_provider=False)


# ── for a reader ─────────────────────────────────────────────────────────────────────────────────────────────────────
_NAMES = ("description", "name", "code", "kind", "state", "reason", "value")
"""The name of a list item for a reader: the first of these fields that it has."""


def shown(value: Any) -> str:
    """Write a side's value for a reader on one line: money in major units, control characters as escapes."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and "minor" in value:
        return str(Money(value["minor"], value["currency"]))
    if isinstance(value, Mapping):
        name = next((shown(value[path]) for path in _NAMES if path in value), None)
        amount = shown(value["amount"]) if "amount" in value else None
        return ": ".join(part for part in (name, amount) if part is not None) or "–"
    text = str(value)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return text if text and text == text.strip() else f'"{text}"'


def columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Align rows of text in columns."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
