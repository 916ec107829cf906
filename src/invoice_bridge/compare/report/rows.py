"""The rows of a report as lines of JSON: for each row one for the table, then one for its details.

Rules of this file: every value is text as a reader sees it, because a browser's numbers are not exact; "<" is
escaped, so that no text can end its element; so are characters that change the direction of writing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

from invoice_bridge.compare.differences import Difference, Facts, Verdict, shown
from invoice_bridge.compare.groups import Group, detail_of, signed, with_causes
from invoice_bridge.compare.kinds import LISTS, OWN, row_of
from invoice_bridge.compare.pairing import comparable, everything
from invoice_bridge.compare.report.tally import KINDS, Tally, kind
from invoice_bridge.compare.result import Row, follows
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.money import exponent

Change = tuple[int, str]
"""Right less left, in minor units of a currency."""

MATCHED = 1000
"""The number of fully matching rows that open with both invoices."""
CAUSES = 3
"""The number of causes that the table shows of a row."""
LARGEST = 64_000_000
"""The maximum of embedded characters, which a browser still opens."""

_TURNS = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_APART = {
    *("raw", "lines_complete", "payments_complete", "credit_notes_complete", "losses", "discrepancies", "problems"),
    *(name for name in LISTS if "." not in name),
}
_HEADS = {
    "lines": "Lines",
    "customer.tax_ids": "Tax numbers",
    "taxes": "Taxes",
    "discounts": "Discounts",
    "adjustments": "Adjustments",
    "payments": "Payments",
    "credit_notes": "Credit notes",
}
_TITLES = ("description", "name", "code", "kind", "state", "value")
"""The name of an item: the first of these that it has."""
_NOTES = {
    "=at": "{}",
    "rate": "{} %",
    "base": "of {}",
    "refunded": "given back: {}",
    "discount": "discount: {}",
    "=id": "id: {}",
    "price": "price: {}",
    "product": "product: {}",
    "subscription": "subscription: {}",
    "reason": "{}",
    "value": "{}",
    "code": "code: {}",
    "kind": "{}",
    "state": "{}",
}
"""The labels of an item's fields; any other field is labelled by its name."""
_SWITCHES = {
    ("inclusive", True): "within the price",
    ("inclusive", False): "on top of the price",
    ("recorded_outside", True): "recorded from outside",
    ("proration", True): "for a part of a period",
}


def lines(rows: Iterable[Row], groups: Iterable[Group], tally: Tally) -> Iterator[str]:
    """Write the rows, two lines each, and count them. `groups` are those of the comparison, in its order."""
    quiet, room = MATCHED, LARGEST
    places = {(group.path, group.detail): place for place, group in enumerate(groups)}
    for row in rows:
        facts = row.facts
        yield _line([*_listed(row, facts, tally.add(row, facts)), *_caused(row, facts, places)])
        told: dict[str, Any] = {"differences": [_difference(one) for one in row.differences]}
        silent = row.verdict is Verdict.MATCHED and not row.differences
        if room > 0 and (quiet > 0 or not silent):
            told |= _opened(row, facts)
            tally.embedded += 1
            quiet -= silent
        line = _line(told)
        room -= len(line)
        yield line


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c") + "\n"


def _listed(row: Row, facts: tuple[Facts | None, Facts | None], found: list[int]) -> list[Any]:
    """Return the values that the table shows and its filters read."""
    left, right = ({} if told is None else told["said"] for told in facts)
    names = ["" if name is None else shown(" ".join(name)) for name in row.names]
    customer = [
        shown(said[path])
        for path in ("customer.name", "customer.email", "customer.id")
        for said in (left, right)
        if path in said
    ]
    return [
        row.verdict.value,
        "" if row.key is None else shown(row.key),
        names,
        ["" if name is None else shown(name[0]) for name in row.names],
        list(dict.fromkeys(customer)),
        [left.get("status"), right.get("status")],
        sorted({said["currency"] for said in (left, right) if said}),
        [shown(said["total"]) if "total" in said else "" for said in (left, right)],
        _changed(_apart(row, facts)),
        found,
    ]


def _apart(row: Row, facts: tuple[Facts | None, Facts | None]) -> Change | None:
    """Return the right total less the left one, if both have one currency; the total of an invoice that is alone."""
    totals = [told["said"].get("total") for told in facts if told is not None]
    if None in totals or len({total["currency"] for total in totals}) != 1:
        return None
    minors = [total["minor"] for total in totals]
    if len(minors) == 2:
        return minors[1] - minors[0], totals[0]["currency"]
    return (1 if row.verdict is Verdict.RIGHT_ONLY else -1) * minors[0], totals[0]["currency"]


def _caused(row: Row, facts: tuple[Facts | None, Facts | None], places: Mapping[tuple[str, str], int]) -> list[Any]:
    """Return the groups of a row, its first causes, the numbers of what is left out, and the value that sorts it."""
    if row.verdict in {Verdict.LEFT_ONLY, Verdict.RIGHT_ONLY}:
        words, change = row.verdict.value.replace("_", " "), _changed(_apart(row, facts))
        return [[places["invoice", words]], [["invoice", f"{words} {change}".strip(), 1]], [0, 0], change.lstrip("+-")]
    differing = list(with_causes(row.differences))
    causes = sorted((one for one, first in differing if first[0] is one), key=lambda one: not _changes_money(one))
    groups = sorted({_place(one, places) for one in causes})
    written = [[shown(one.path), _change(one), int(_changes_money(one))] for one in causes[:CAUSES]]
    grave = [one.change for one, _ in differing if one.change and _changes_money(one)]
    value = max(grave, key=lambda change: Decimal(abs(change[0])).scaleb(-exponent(change[1])), default=None)
    return [groups, written, [len(causes) - len(written), len(differing) - len(causes)], _changed(value).lstrip("+-")]


def _changes_money(one: Difference) -> bool:
    return one.severity is Severity.CHANGES_MONEY


def _place(one: Difference, places: Mapping[tuple[str, str], int]) -> int:
    """Return the place of the group that counts a cause; above a number of groups it is that of all keys."""
    detail = detail_of(one)
    return places[key if (key := (one.shape, detail)) in places else (row_of(one.shape), detail)]


def _change(one: Difference) -> str:
    return "  ".join(text for text in (detail_of(one), _changed(one.change)) if text)


def _changed(change: Change | None) -> str:
    return "" if change is None else f"{signed(*change)} {change[1]}"


def _difference(one: Difference) -> list[str | int]:
    differs = one.verdict is Verdict.DIFFERING
    return [
        shown(one.path),
        shown(one.left),
        shown(one.right),
        kind(one),
        int(_changes_money(one)),
        shown(one.reason) if one.reason else "",
        _changed(one.change) if differs else "",
        follows(tuple(map(shown, one.because))) if differs else "",
    ]


# ── the details ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _opened(row: Row, facts: tuple[Facts | None, Facts | None]) -> dict[str, Any]:
    """Return both invoices: their fields side by side, their lines, and the providers' JSON."""
    sides = (row.left, row.right)
    left, right = (None if one is None else one.model_dump(mode="json", exclude=_APART) for one in sides)
    kinds = {one.path: KINDS[kind(one)] for one in row.differences}
    alone = left is None or right is None
    return {
        "fields": [
            [shown(path), one, other, kinds.get(path) or ("" if alone else "same" if one == other else "not compared")]
            for path, one, other in _fields("", left or {}, right or {})
        ],
        "parts": _parts(*facts),
        "raw": [_raw(one) for one in sides],
    }


def _fields(prefix: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return every field that a side states, by path, with both texts; lists have tables of their own."""
    for name in dict.fromkeys(chain(left, right)):
        one, other = left.get(name), right.get(name)
        if isinstance(one, list) or isinstance(other, list):
            continue
        if any(isinstance(value, dict) and "minor" not in value for value in (one, other)):
            yield from _fields(f"{prefix}{name}.", one or {}, other or {})
        elif one is not None or other is not None:
            yield prefix + name, shown(one), shown(other)


def _parts(left: Facts | None, right: Facts | None) -> list[list[Any]]:
    """Return the lists of both sides: their head, each side's items, and whether some may be missing."""
    tables: list[list[Any]] = []
    for name in LISTS:
        sides = [_list(name, told) for told in (left, right)]
        if any(sides):
            silent = [told is not None and name in told["incomplete"] for told in (left, right)]
            items = [
                _items(name, *pair, left=told, right=mate)
                for *pair, told, mate in ((sides[0], sides[1], left, right), (sides[1], sides[0], right, left))
            ]
            tables.append([_HEADS[name], *items, silent])
    return tables


def _list(name: str, told: Facts | None) -> list[Facts]:
    if told is None:
        return []
    items: list[Facts] = told["lines"] if name == "lines" else told["lists"].get(name, [])
    return items


def _items(name: str, own: list[Facts], others: list[Facts], *, left: Facts | None, right: Facts | None) -> list[Any]:
    """Return a side's items in its order, each with its verdict: "" if there is no other side."""
    if left is None or right is None:
        return [[*_texts(item), ""] for item in own]
    one_provider = left["provider"] == right["provider"]
    silent = name in left["incomplete"] or name in right["incomplete"]
    unstated = not one_provider and not others and name not in right["lists"]
    compared = not (silent or unstated or (f"{name}[]" in OWN and not one_provider)) or name == "lines"
    there = Counter(everything(comparable(name, item, one_provider=one_provider)) for item in others)
    table: list[Any] = []
    for item in own:
        key = everything(comparable(name, item, one_provider=one_provider))
        alike = there[key] > 0
        there[key] -= alike
        tried = name == "payments" and not one_provider and item.get("state") != "succeeded"
        table.append([*_texts(item), "same" if alike else "none like it" if compared and not tried else "not compared"])
    return table


def _texts(item: Facts) -> list[Any]:
    """Return an item for a reader: its name, its other fields, its amount."""
    title = next((path for path in _TITLES if path in item), None)
    notes = [text for text in (_priced(item), _span(item)) if text]
    for path, value in item.items():
        if path not in {title, "amount", "quantity", "unit_amount", "=place", "=product"} and not path.startswith(
            "period."
        ):
            notes += _notes(path, value)
    amount = shown(item["amount"]) if "amount" in item else ""
    return [shown(item[title]) if title else shown(None), notes, amount]


def _notes(path: str, value: Any) -> list[str]:
    if isinstance(value, list):  # the taxes of a line
        return [f"{path}: " + ", ".join(" ".join([text[0], *text[1], text[2]]).strip() for text in map(_texts, value))]
    if isinstance(value, bool):
        text = _SWITCHES.get((path, value))
        return [] if text is None else [text]
    return [_NOTES.get(path, f"{path}: {{}}").format(shown(value))]


def _priced(item: Facts) -> str:
    quantity, unit = item.get("quantity"), item.get("unit_amount")
    if quantity is None:
        return "" if unit is None else f"each {shown(unit)}"
    return f"{quantity} ×" + ("" if unit is None else f" {shown(unit)}")


def _span(item: Facts) -> str:
    edges = [item.get(f"period.{edge}") for edge in ("start", "end")]
    return "" if edges == [None, None] else " to ".join(map(shown, edges))


def _raw(invoice: Invoice | None) -> str | None:
    """Return the provider's own JSON, as exact text."""
    if invoice is None or invoice.raw is None:
        return None
    return _TURNS.sub(lambda found: f"\\u{ord(found[0]):04x}", dumps(invoice.raw).decode("utf-8"))
