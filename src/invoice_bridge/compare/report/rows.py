"""The rows of a report as lines of JSON: of each row one for the table, then one for what opens.

Rules of this file: every value is text as a reader sees it, because a browser's numbers are not exact; "<" is escaped,
so that no text can end the element it stands in; so are characters that turn the direction of writing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from invoice_bridge.compare.differences import Difference, Facts, Verdict, shown
from invoice_bridge.compare.kinds import LINE_PATHS
from invoice_bridge.compare.report.tally import KINDS, Tally, kind, spelled
from invoice_bridge.compare.result import Row
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Invoice

MATCHED = 1000
"""So many rows that match without a word open with both invoices."""
LARGEST = 64_000_000
"""So many characters of invoices are embedded at most: a browser still opens that."""

_TURNS = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_APART = {"raw", "lines", "lines_complete", "losses", "discrepancies", "problems"}


def lines(rows: Iterable[Row], tally: Tally) -> Iterator[str]:
    """Write the rows, two lines each, and count them."""
    quiet, room = MATCHED, LARGEST
    for row in rows:
        facts = row.facts
        yield _line(_listed(row, facts, tally.add(row, facts)))
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
    """What the table shows and its filters look at."""
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
        list(dict.fromkeys(customer)),
        [left.get("status"), right.get("status")],
        sorted({said["currency"] for said in (left, right) if said}),
        [shown(said["total"]) if "total" in said else "" for said in (left, right)],
        _apart(left.get("total"), right.get("total")),
        found,
    ]


def _apart(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> str:
    """Right less left, where both are said in one currency."""
    if left is None or right is None or left["currency"] != right["currency"]:
        return ""
    minor = right["minor"] - left["minor"]
    return f"{'+' if minor > 0 else ''}{spelled(minor, left['currency'])} {left['currency']}"


def _difference(one: Difference) -> list[str | int]:
    return [
        shown(one.path),
        shown(one.left),
        shown(one.right),
        kind(one),
        int(one.severity is Severity.CHANGES_MONEY),
        shown(one.reason) if one.reason else "",
    ]


# ── what opens ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _opened(row: Row, facts: tuple[Facts | None, Facts | None]) -> dict[str, Any]:
    """Both invoices: their fields beside each other, their lines, and what the providers sent."""
    sides = (row.left, row.right)
    left, right = (None if one is None else one.model_dump(mode="json", exclude=_APART) for one in sides)
    kinds = {one.path: KINDS[kind(one)] for one in row.differences}
    alone = left is None or right is None
    return {
        "fields": [
            [shown(path), one, other, kinds.get(path) or ("" if alone else "same" if one == other else "not compared")]
            for path, one, other in _fields("", left or {}, right or {})
        ],
        "lines": _lines(*([] if told is None else told["lines"] for told in facts)),
        "raw": [_raw(one) for one in sides],
    }


def _fields(prefix: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every field that a side says, by path, with both texts."""
    for name in dict.fromkeys(chain(left, right)):
        one, other = left.get(name), right.get(name)
        if any(isinstance(value, dict) and "minor" not in value for value in (one, other)):
            yield from _fields(f"{prefix}{name}.", one or {}, other or {})
        elif one is not None or other is not None:
            yield prefix + name, shown(one), shown(other)


def _lines(left: list[Facts], right: list[Facts]) -> list[list[list[str | int]]]:
    """Each side's lines, in its order; the last value: whether the other side has one that is alike in everything."""
    keys = [[repr(sorted(line.items())) for line in side] for side in (left, right)]
    both = Counter(keys[0]) & Counter(keys[1])
    found: list[list[list[str | int]]] = []
    for side, own in zip((left, right), keys, strict=True):
        still = both.copy()
        table: list[list[str | int]] = []
        for line, key in zip(side, own, strict=True):
            alike = still[key] > 0
            still[key] -= alike
            table.append([*(shown(line.get(path)) for path in LINE_PATHS), int(alike)])
        found.append(table)
    return found


def _raw(invoice: Invoice | None) -> str | None:
    """The provider's own JSON, as exact text."""
    if invoice is None or invoice.raw is None:
        return None
    return _TURNS.sub(lambda found: f"\\u{ord(found[0]):04x}", dumps(invoice.raw).decode("utf-8"))
