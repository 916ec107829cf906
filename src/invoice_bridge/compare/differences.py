"""Two invoices' facts → what differs, path by path.

Lines are matched by content, not by position, because providers order them differently: those that agree in everything
first, then by description and amount, by description, by amount, and the rest in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from invoice_bridge.compare.kinds import AMOUNT_PATHS, LINE_PATHS, PATHS, severity
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
    """One side, of another provider, does not state it: a path's verdict, never a pair's."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which two invoices differ.

    `left` and `right` are in the neutral invoice's JSON form; None if that side does not state it, or has no such line.
    `lines[2]` counts from 0, on the left; on the right for a line that is only there. `reason` is that of the
    declaration that makes the two equal.
    """

    path: str
    left: Any
    right: Any
    verdict: Verdict
    severity: Severity
    reason: str = ""

    @property
    def shape(self) -> str:
        """The path without the line's number: "lines[].amount"."""
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
        return told | ({"reason": self.reason} if self.reason else {})


def shape_of(path: str) -> str:
    """Return a path without the line's number."""
    return path if path.startswith("metadata.") else re.sub(r"^lines\[\d+\]", "lines[]", path)


def differences(left: Facts, right: Facts) -> list[Difference]:
    """List the differences of two invoices' facts, in the order of the model."""
    found = [
        *_fields(left, right),
        *_lines(left["lines"], right["lines"], one_provider=_is_one_provider(left, right)),
    ]
    if problem := _nothing_shared(left, right):
        found.append(problem)
    return found


def _fields(left: Facts, right: Facts) -> Iterator[Difference]:
    ours, theirs = left["said"], right["said"]
    if ours["status"] == theirs["status"] and not _known(left, right):
        yield _differing("status", ours["status"], theirs["status"])
    for path in PATHS:
        if path == "metadata":
            yield from _metadata(left, right)
        elif path == "customer.id":
            yield from _customer(left, right)
        elif path == "past_due" and ours["status"] != theirs["status"]:
            continue  # the status says it: what is paid on one side is not also "no longer past due"
        elif (one := ours.get(path)) != (other := theirs.get(path)):
            yield _told(path, one, other, one_provider=_is_one_provider(left, right))


def _is_one_provider(left: Facts, right: Facts) -> bool:
    """Whether both sides are one provider: then a field that one side lacks has vanished, not merely unstated."""
    return bool(left["provider"] == right["provider"])


def _told(path: str, left: Any, right: Any, *, one_provider: bool) -> Difference:
    """Return a difference, or across providers the silence of one side."""
    if (left is None or right is None) and not one_provider:
        return Difference(path, left, right, Verdict.UNSAID, Severity.INFO)
    return _differing(path, left, right)


def _differing(path: str, left: Any, right: Any) -> Difference:
    return Difference(path, left, right, Verdict.DIFFERING, severity(shape_of(path)))


def _known(left: Facts, right: Facts) -> bool:
    """Whether equal statuses mean the same: two unknown words do only where they are one provider's same word."""
    if left["said"]["status"] != Status.UNKNOWN.value:
        return True
    return (left["provider"], left.get("word")) == (right["provider"], right.get("word"))


def _metadata(left: Facts, right: Facts) -> Iterator[Difference]:
    """Metadata, key by key. A side without any does not say; one that has some and lacks a key says it is not there.

    Within one provider a side without any has lost it.
    """
    ours, theirs = left["said"], right["said"]
    stated = _is_one_provider(left, right)
    mine, other = ([path for path in said if path.startswith("metadata.")] for said in (ours, theirs))
    for path in sorted({*mine, *other}):
        if ours.get(path) != theirs.get(path):
            yield _told(path, ours.get(path), theirs.get(path), one_provider=stated or bool(mine and other))


def _customer(left: Facts, right: Facts) -> Iterator[Difference]:
    """The customers' ids: within one provider as they are, else where one side knows the id at the other's provider."""
    ours, theirs = left["said"].get("customer.id"), right["said"].get("customer.id")
    if _is_one_provider(left, right):
        if ours != theirs:
            yield _differing("customer.id", ours, theirs)
        return
    expected, known = left.get("ids", {}).get(right["provider"]), right.get("ids", {}).get(left["provider"])
    if (expected and theirs and expected != theirs) or (known and ours and known != ours):
        yield _differing("customer.id", ours, theirs)


def _nothing_shared(left: Facts, right: Facts) -> Difference | None:
    """A difference where no amount was compared, though the two say some: that must not pass for agreement."""
    ours, theirs = _amounts(left), _amounts(right)
    if ours & theirs or not ours | theirs:
        return None
    return _differing("amounts", _list(ours), _list(theirs))


def _amounts(facts: Facts) -> set[str]:
    return {path for path in facts["said"] if path in AMOUNT_PATHS} | ({"lines"} if facts["lines"] else set())


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
Said = Mapping[str, Any]
_ALIKE: tuple[Callable[[Said], object], ...] = (
    lambda line: repr(sorted(line.items())),
    lambda line: ("description" in line and line["description"], line["amount"]["minor"]),
    lambda line: line.get("description"),
    lambda line: line["amount"]["minor"],
    lambda _: True,
)
"""What two lines have in common that belong together, the surest first. None belongs to nothing."""


def _lines(left: list[Said], right: list[Said], *, one_provider: bool) -> Iterator[Difference]:
    if left == right:
        return
    pairs, alone_left, alone_right = _paired(left, right)
    for ours, theirs in pairs:
        for path in LINE_PATHS:
            one, other = left[ours].get(path), right[theirs].get(path)
            if one != other:
                yield _told(f"lines[{ours}].{path}", one, other, one_provider=one_provider)
    for place in alone_left:
        yield _differing(f"lines[{place}]", dict(left[place]), None)
    for place in alone_right:
        yield _differing(f"lines[{place}]", None, dict(right[place]))


def _paired(left: list[Said], right: list[Said]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair lines that belong together; give back the pairs and the places of those that are left on each side."""
    pairs: list[tuple[int, int]] = []
    ours, theirs = list(range(len(left))), list(range(len(right)))
    for alike in _ALIKE:
        waiting: dict[object, list[int]] = {}
        for place in theirs:
            waiting.setdefault(alike(right[place]), []).append(place)
        waiting.pop(None, None)
        for place in ours:
            if mates := waiting.get(alike(left[place])):
                pairs.append((place, mates.pop(0)))
        taken = {one for one, _ in pairs}, {other for _, other in pairs}
        ours = [place for place in ours if place not in taken[0]]
        theirs = [place for place in theirs if place not in taken[1]]
    return sorted(pairs), ours, theirs


# ── for a reader ─────────────────────────────────────────────────────────────────────────────────────────────────────
def shown(value: Any) -> str:
    """Spell a side's value for a reader on one line: money in major units, control characters as escapes."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and "minor" in value:
        return str(Money(value["minor"], value["currency"]))
    if isinstance(value, Mapping):
        amount = shown(value["amount"])
        return f"{shown(value['description'])}: {amount}" if "description" in value else amount
    text = str(value)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return text if text and text == text.strip() else f'"{text}"'


def columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Align rows of text in columns."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
