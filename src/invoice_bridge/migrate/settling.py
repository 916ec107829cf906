"""What a settled item's row becomes, and the statements that write many of them at once.

Rules of this file: a worker writes only the rows that it still has under its own claim. They are read and locked by one
statement; the rows that get the same columns are written by one more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, select, update

from invoice_bridge.core.exact import dumps
from invoice_bridge.migrate.schema import ITEMS, now
from invoice_bridge.migrate.values import REACHES, Item, Result, Stage, State, following_stage

if TYPE_CHECKING:
    from sqlalchemy import Connection, Update

__all__ = ["BEFORE", "microseconds", "write_results"]

BEFORE: dict[Stage, State] = {"make": "planned", "release": "made", "arm": "released"}
"""The state of an item whose next stage is this one."""


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
    given = list(results)
    numbers = [result.item.number for result in given]
    mine = select(ITEMS.c.number, ITEMS.c.claim).where(ITEMS.c.number.in_(numbers), ITEMS.c.worker == worker)
    held = {(row.number, row.claim) for row in connection.execute(mine.with_for_update())}
    lost: list[Item] = []
    alike: dict[tuple[tuple[str, type[Any]], ...], list[dict[str, Any]]] = defaultdict(list)
    for result in given:
        if (result.item.number, result.item.claim) not in held:
            lost.append(result.item)
            continue
        values = _settled(result)
        kinds = tuple((name, type(value) if isinstance(value, tuple) else object) for name, value in values.items())
        row = {f"new_{name}": value[0] if isinstance(value, tuple) else value for name, value in values.items()}
        alike[kinds].append({"which": result.item.number, **row})
    for kinds, rows in alike.items():
        connection.execute(_statement(kinds), rows)
    return lost


@lru_cache(256)
def _statement(kinds: tuple[tuple[str, type[Any]], ...]) -> Update:
    """Return the statement that writes rows of the same columns."""
    values: dict[str, Any] = {}
    for name, kind in kinds:
        column, new = ITEMS.c[name], bindparam(f"new_{name}", type_=ITEMS.c[name].type)
        values[name] = column + new if kind is _More else now() + new if kind is _In else new
    return update(ITEMS).where(ITEMS.c.number == bindparam("which")).values(values)


def _settled(result: Result) -> dict[str, Any]:
    """Return what the row of an item gets."""
    item, state = result.item, result.state
    values: dict[str, Any] = {
        "worker": None,
        "reason": result.reason,
        "detail": result.detail,
        "requests": _More(result.requests),
    }
    if result.target_id is not None:
        values["target_id"] = result.target_id
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
