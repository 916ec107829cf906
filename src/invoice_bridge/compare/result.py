"""The result of a comparison: counts, and rows that are read back from disk one at a time; as text and as JSON."""

from __future__ import annotations

import json
import marshal
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

from invoice_bridge.compare.allowed import Allowed
from invoice_bridge.compare.differences import Difference, Facts, Verdict, columns, shown
from invoice_bridge.compare.groups import Group, signed
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Invoice

_MARKS = {Severity.CHANGES_MONEY: "!!", Severity.WARNS: "!", Severity.INFO: " "}


class Store:
    """A temporary database in an anonymous file, which ends with close() or the last reference."""

    def __init__(self) -> None:
        # the thread that collects it closes it
        self.connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.execute = self.connection.execute
        self.close = weakref.finalize(self, self.connection.close)


@dataclass(frozen=True)
class Row:
    """One pair of invoices, or one invoice that is on one side only.

    `key` is the value that joined them (None for two single invoices without a reference). `names` are the provider and
    the id on each side. `left` and `right` are the invoices, read from disk on access; None if there is none.
    """

    verdict: Verdict
    key: str | None
    differences: tuple[Difference, ...]
    names: tuple[tuple[str, str] | None, tuple[str, str] | None]
    _at: tuple[int | None, int | None] = field(repr=False)
    _store: Store = field(repr=False)

    @cached_property
    def left(self) -> Invoice | None:
        """Return the left side's invoice."""
        return self._read(self._at[0])

    @cached_property
    def right(self) -> Invoice | None:
        """Return the right side's invoice."""
        return self._read(self._at[1])

    @property
    def facts(self) -> tuple[Facts | None, Facts | None]:
        """Return the compared facts of both invoices (compare.kinds.facts), as stored on disk."""
        found = [self._store.execute("SELECT facts FROM bill WHERE n = ?", (n,)).fetchone() for n in self._at]
        left, right = (None if one is None else marshal.loads(one[0]) for one in found)  # noqa: S302 - written by us
        return left, right

    def _read(self, n: int | None) -> Invoice | None:
        found = self._store.execute("SELECT text FROM body WHERE n = ?", (n,)).fetchone()
        return None if found is None else Invoice.model_validate_json(found[0])

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values: the verdict ("class"), the key, providers and ids, the differences."""
        return {
            "class": self.verdict.value,
            "key": self.key,
            "left": _name(self.names[0]),
            "right": _name(self.names[1]),
            "differences": [one.to_json() for one in self.differences],
        }

    def lines(self) -> Iterator[str]:
        """Return the row for a reader: its paths in two columns, "!!" before what changes money."""
        names = ["nothing" if name is None else shown(" ".join(name)) for name in self.names]
        head = "" if self.key is None else shown(self.key) + "  "
        yield f"{head}{names[0]} | {names[1]}  {self.verdict.value.replace('_', ' ')}"
        if self.differences:
            yield from columns(
                (
                    "  "
                    + (_MARKS[one.severity] if one.verdict is Verdict.DIFFERING else " ").ljust(2)
                    + f" {shown(one.path)}",
                    shown(one.left),
                    f"| {shown(one.right)}",
                    _note(one),
                )
                for one in self.differences
            )


def _note(one: Difference) -> str:
    """Return what to know about a difference: by how much, and from what it follows."""
    if one.verdict is Verdict.UNSAID:
        return "one side does not state"
    if one.verdict is Verdict.DECLARED_EQUAL:
        return f"declared equal: {shown(one.reason)}"
    change = "" if one.change is None else signed(*one.change)
    return "  ".join(part for part in (change, follows(one.because)) if part)


def follows(because: tuple[str, ...]) -> str:
    """Return from what a difference follows, for a reader."""
    if not because:
        return ""
    rest = f" and {len(because) - 2} more" if len(because) > 2 else ""
    return f"from {', '.join(because[:2])}{rest}"


def _name(name: tuple[str, str] | None) -> dict[str, str] | None:
    return None if name is None else {"provider": name[0], "id": name[1]}


class Comparison:
    """The result of a comparison. `rows` can be read repeatedly; close() frees their disk space.

    `counts` has the number of rows for each verdict, `unsaid` the number of values that one side of a pair does not
    state. `unused` are declarations that no difference needed. `as_of` is None if past due was not compared. `groups`
    are like differences of many rows, gravest first.
    """

    def __init__(
        self,
        store: Store,
        *,
        counts: Mapping[Verdict, int],
        unsaid: int,
        unused: tuple[Allowed, ...],
        as_of: datetime | None,
        keys: tuple[str, ...],
        groups: tuple[Group, ...] = (),
    ) -> None:
        self._store = store
        self.counts: Mapping[Verdict, int] = MappingProxyType(dict(counts))
        self.unsaid, self.unused, self.as_of, self.keys = unsaid, unused, as_of, keys
        self.groups = groups

    def close(self) -> None:
        """Free the disk space, like the end of the last reference. The rows cannot be read after that."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Comparison {self.summary()}>"

    @property
    def same(self) -> bool:
        """Return whether nothing differs or is missing. A field that one side does not state is no difference."""
        return not any(self.counts[one] for one in (Verdict.DIFFERING, Verdict.LEFT_ONLY, Verdict.RIGHT_ONLY))

    @property
    def rows(self) -> Iterator[Row]:
        """Yield the pairs and the left side's unmatched invoices in its order; then the right side's unmatched ones."""
        return self.select(*Verdict)

    def select(self, *verdicts: Verdict) -> Iterator[Row]:
        """Yield the rows with one of these verdicts, in the same order."""
        wanted = [verdict.value for verdict in verdicts]
        found = self._store.execute(
            "SELECT verdict, label, found, l.n, l.provider, l.id, r.n, r.provider, r.id "  # noqa: S608 - question marks
            "FROM row LEFT JOIN body l ON l.n = row.l LEFT JOIN body r ON r.n = row.r "
            f"WHERE verdict IN ({', '.join('?' * len(wanted))}) ORDER BY row.n",
            wanted,
        )
        for verdict, label, told, left, left_provider, left_id, right, right_provider, right_id in found:
            yield Row(
                Verdict(verdict),
                label,
                tuple(_difference(one) for one in json.loads(told)),
                (
                    None if left is None else (left_provider, left_id),
                    None if right is None else (right_provider, right_id),
                ),
                (left, right),
                self._store,
            )

    def summary(self) -> str:
        """Return the counts in one line."""
        told = [f"{self.counts[verdict]} {verdict.value.replace('_', ' ')}" for verdict in self.counts]
        return ", ".join(told) + f"; stated by one side only: {self.unsaid}"

    def text_lines(self) -> Iterator[str]:
        """Yield the report's lines in two columns: differing, missing, declared equal, unstated; the summary last."""
        for row in self.rows:
            if row.verdict is not Verdict.MATCHED or row.differences:
                yield from row.lines()
        yield self.summary()
        yield from self.notes()

    def notes(self) -> Iterator[str]:
        """Yield what a reader must know beside the counts: what was not compared, and unused declarations."""
        if self.as_of is None:
            yield "past due was not compared: it needs one clock for both sides (as_of)"
        for one in self.unused:
            yield f"declared equal, but unused: {one.path} ({shown(one.reason)})"

    def text(self) -> str:
        """Return the whole report for a reader."""
        return "\n".join(self.text_lines())

    def head(self) -> dict[str, Any]:
        """Return the report as plain JSON values, without its rows."""
        return {
            "same": self.same,
            "counts": {verdict.value: count for verdict, count in self.counts.items()},
            "unsaid": self.unsaid,
            "keys": list(self.keys),
            "as_of": None if self.as_of is None else self.as_of.isoformat().replace("+00:00", "Z"),
            "unused": [one.to_json() for one in self.unused],
            "groups": [one.to_json() for one in self.groups],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the whole report as plain JSON values."""
        return self.head() | {"rows": [row.to_json() for row in self.rows]}

    def json_parts(self) -> Iterator[str]:
        """Yield the whole report as JSON text, in parts: one line for each row."""
        yield json.dumps(self.head(), ensure_ascii=False, indent=2).removesuffix("\n}") + ',\n  "rows": ['
        before = "\n    "
        for row in self.rows:
            yield before + json.dumps(row.to_json(), ensure_ascii=False)
            before = ",\n    "
        yield "\n  ]\n}\n"


def _difference(told: Mapping[str, Any]) -> Difference:
    return Difference(
        told["path"],
        told["left"],
        told["right"],
        Verdict(told["class"]),
        Severity(told["severity"]),
        told.get("reason", ""),
        tuple(told.get("because", ())),
    )
