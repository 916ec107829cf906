"""The pairing of two lists' items by content, strongest evidence first.

Items that agree in every compared field come first. Then those with the same id, which has a meaning within one
provider only; then those that share the most distinctive fields. The rest is paired in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from invoice_bridge.compare.kinds import OWN, SHAPES, Kind, row_of

Item = Mapping[str, Any]
Alike = Callable[[Item], object]


def _minor(item: Item) -> Any:
    return item["amount"]["minor"] if "amount" in item else None


def _both(*paths: str) -> Alike:
    """Return a key that items share if they agree in all of these fields and state the first."""
    return lambda item: None if paths[0] not in item else tuple(repr(item.get(path)) for path in paths)


def everything(item: Item) -> object:
    """Return a key that two items share if they agree in every compared field."""
    return repr(sorted((path, value) for path, value in item.items() if not path.startswith("=")))


_ID = _both("=id")
_REST: Alike = lambda _: True  # noqa: E731 - one of a list of such functions
_ALIKE: Mapping[str, tuple[Alike, ...]] = {
    "lines": (
        lambda line: ("description" in line and line["description"], line["amount"]["minor"]),
        lambda line: line.get("description"),
        _minor,
        _REST,
    ),
    "taxes": (_both("name", "rate"), _both("rate", "amount"), _minor, _both("rate"), _both("name"), _REST),
    "discounts": (_both("code", "amount"), _both("name", "amount"), _both("code"), _both("name"), _minor, _REST),
    "adjustments": (_both("kind", "amount"), _both("kind")),
    "payments": (_both("=at", "amount"), _minor, _both("=at"), _REST),
    "credit_notes": (_both("=at", "amount"), _minor, _both("=at"), _REST),
    "tax_ids": (_both("kind"), _REST),
}
"""Keys that paired items share, strongest first. None pairs with nothing."""


def comparable(name: str, item: Item, *, one_provider: bool) -> dict[str, Any]:
    """Return the compared fields of a list item, with hints; across providers without ids of their own."""
    shape = f"{name}[]."
    kept: dict[str, Any] = {}
    for path, value in item.items():
        row = row_of(f"{shape}{path}") + "[]" * isinstance(value, list)
        if path.startswith("=") or (SHAPES.get(row) is not Kind.CATALOG and (one_provider or row not in OWN)):
            kept[path] = value
    return kept


def without_hints(item: Item) -> dict[str, Any]:
    """Return an item in the form for a reader."""
    return {path: value for path, value in item.items() if not path.startswith("=")}


def pair(
    name: str, left: list[dict[str, Any]], right: list[dict[str, Any]], *, one_provider: bool
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair the items of two lists; return the pairs and the positions of the unpaired items on each side."""
    pairs: list[tuple[int, int]] = []
    ours, theirs = list(range(len(left))), list(range(len(right)))
    rules = (everything, *((_ID,) if one_provider else ()), *_ALIKE[name.rpartition(".")[2]])
    for alike in rules:
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
