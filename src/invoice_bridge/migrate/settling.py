"""What a settled item's row becomes, and the statement that writes many of them at once.

Rules of this file: a worker writes only the rows that it still has under its own claim. The rows that get the same
columns are written by one statement, whose only text is JSON: a database plans it once, not once for each row. What a
provider says is written without what a database refuses (a zero byte, half of a surrogate pair).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, cast, func, update

from invoice_bridge.core.commands import one_line
from invoice_bridge.core.exact import dumps
from invoice_bridge.migrate.schema import ITEMS, now, rows_in
from invoice_bridge.migrate.values import REACHES, Item, Result, Stage, State, following_stage

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Update

__all__ = ["BEFORE", "microseconds", "write_results"]

BEFORE: dict[Stage, State] = {"make": "planned", "release": "made", "arm": "released"}
"""The state of an item whose next stage is this one."""


_Kinds = tuple[tuple[str, type[Any]], ...]
"""The columns that a row gets, and how."""


class _More(NamedTuple):
    """So much more than the row has."""

    by: int


class _In(NamedTuple):
    """So many microseconds after the database's present."""

    microseconds: int


def microseconds(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1_000_000)


def write_results(connection: Connection, worker: int, results: Iterable[Result]) -> list[Item]:
    """Write what became of items; return those that another worker has taken over, whose rows stay as they are."""
    lost: dict[tuple[int, int], Item] = {}
    alike: dict[_Kinds, list[list[Any]]] = defaultdict(list)
    for result in results:
        number, claim = result.item.number, result.item.claim
        lost[number, claim] = result.item
        values = _settled(result)
        kinds = tuple((name, type(value) if isinstance(value, tuple) else object) for name, value in values.items())
        row = [value[0] if isinstance(value, tuple) else value for value in values.values()]
        alike[kinds].append([number, claim, *row])
    is_postgres = connection.dialect.name == "postgresql"
    for kinds, rows in alike.items():
        written = connection.execute(
            _statement(kinds, is_postgres=is_postgres), {"rows": json.dumps(rows), "holder": worker}
        )
        for number, claim in written:
            del lost[number, claim]
    return list(lost.values())


@lru_cache(256)
def _statement(kinds: _Kinds, *, is_postgres: bool) -> Update:
    """Return the statement that writes rows of the same columns: each a list of its number, its claim and the values.

    It returns the number and the claim of each row that it wrote.
    """
    rows = rows_in("rows", is_postgres=is_postgres)

    def at(place: int, name: str) -> ColumnElement[Any]:
        kind = ITEMS.c[name].type
        if is_postgres:
            return cast(rows.c.value[place].astext, kind)
        return func.json_extract(rows.c.value, f"$[{place}]", type_=kind)

    values: dict[str, Any] = {}
    for place, (name, kind) in enumerate(kinds, 2):
        new = at(place, name)
        values[name] = ITEMS.c[name] + new if kind is _More else now() + new if kind is _In else new
    held = (ITEMS.c.number == at(0, "number"), ITEMS.c.claim == at(1, "claim"))
    mine = update(ITEMS).where(*held, ITEMS.c.worker == bindparam("holder"))
    return mine.values(values).returning(ITEMS.c.number, ITEMS.c.claim)


def _settled(result: Result) -> dict[str, Any]:
    """Return what the row of an item gets."""
    item, state = result.item, result.state
    values: dict[str, Any] = {
        "worker": None,
        "reason": result.reason,
        "detail": one_line(result.detail),
        "requests": _More(result.requests),
    }
    if result.target_id is not None:
        values["target_id"] = one_line(result.target_id)
    if result.target:
        values["target"] = dumps(dict(result.target)).decode()
    if not result.sent and not item.is_repeat:  # nothing left under this claim, nor under an earlier one
        values["sent_at"] = None
    if result.next_attempt:
        values["attempt"] = _More(1)
    if state == REACHES[item.stage] or state == "done":
        following = following_stage(item.operation, item.stage)
        state = "done" if following is None else REACHES[item.stage]
        values |= {"reached": state, "unknowns": 0, "defers": 0}
        if following is not None:
            return values | {"attempt": 1, "state": state, "due_at": _In(0), "sent_at": None}
    elif state == "unknown":
        values["unknowns"] = _More(1)
    elif result.again_in is not None:
        if result.sent or result.deferred:
            values["defers"] = _More(1)
        state = BEFORE[item.stage]
    if result.again_in is not None:
        return values | {"state": state, "due_at": _In(microseconds(result.again_in))}
    return values | {"state": state, "due_at": None, "ended_at": _In(0)}
