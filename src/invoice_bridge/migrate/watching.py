"""What a person who watches a migration asks the ledger: how fast it goes, who works on it, and single items.

Rules of this file: it only reads. Each answer is one statement, so that watching does not slow the workers down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from invoice_bridge.core.exact import loads
from invoice_bridge.migrate.ledger import row_of
from invoice_bridge.migrate.schema import ITEMS, PLANS, WORKERS, now

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.values import Row

__all__ = ["MINUTE", "At", "Working", "find_items", "instant_of", "item", "recent_rate", "same_reference", "workers_of"]

MINUTE = timedelta(minutes=1)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Working:
    """A worker: whether its lease holds, when it began, and how many items of the plan it has in hand."""

    name: str
    began_at: datetime
    is_live: bool
    items: int


@dataclass(frozen=True, slots=True)
class At:
    """An item, and the plan that has it."""

    plan: int
    kind: str
    row: Row


def instant_of(value: int) -> datetime:
    """Return an instant of the database's clock."""
    return _EPOCH + timedelta(microseconds=value)


def recent_rate(ledger: Ledger, plan: int, span: timedelta = MINUTE) -> float:
    """Return how many items ended per second of the last while, or since the first one was sent if that is later."""
    began = now() - span // _MICROSECOND
    first = select(func.min(ITEMS.c.sent_at)).where(ITEMS.c.plan == plan).scalar_subquery()
    query = select(func.count(), first, now()).where(
        ITEMS.c.plan == plan, ITEMS.c.sent_at.is_not(None), ITEMS.c.ended_at > began
    )
    with ledger.database.reading() as connection:
        ended, sent_at, present = connection.execute(query).one()
    if not ended:
        return 0.0
    seconds = min(span, timedelta(microseconds=present - sent_at)).total_seconds()
    return float(ended / max(seconds, 1.0))


def workers_of(ledger: Ledger, plan: int) -> list[Working]:
    """Return the workers whose lease holds, and those that left items of the plan in hand."""
    held = (
        select(ITEMS.c.worker, func.count().label("held"))
        .where(ITEMS.c.plan == plan, ITEMS.c.worker.is_not(None))
        .group_by(ITEMS.c.worker)
        .subquery()
    )
    is_live = (WORKERS.c.lease_until > now()) & WORKERS.c.ended_at.is_(None)
    query = (
        select(WORKERS.c.name, WORKERS.c.began_at, is_live.label("is_live"), func.coalesce(held.c.held, 0))
        .select_from(WORKERS.outerjoin(held, held.c.worker == WORKERS.c.number))
        .where(is_live | held.c.held.is_not(None))
        .order_by(WORKERS.c.number)
    )
    with ledger.database.reading() as connection:
        return [Working(row[0], instant_of(row[1]), bool(row[2]), row[3]) for row in connection.execute(query)]


def find_items(ledger: Ledger, plan: int, wanted: Mapping[str, str], after: int = 0, most: int = 100) -> list[Row]:
    """Return items of a plan in its order, those after a number: by state, reason, or the code of a loss."""
    query = select(ITEMS).where(ITEMS.c.plan == plan, ITEMS.c.number > after)
    for name in ("state", "reason"):
        if name in wanted:
            query = query.where(ITEMS.c[name] == wanted[name])
    if "code" in wanted:
        query = query.where(ITEMS.c.source.contains(f'"{wanted["code"]}"', autoescape=True))
    with ledger.database.reading() as connection:
        return [row_of(row) for row in connection.execute(query.order_by(ITEMS.c.number).limit(most))]


def _at(row: Any) -> At:
    return At(row.plan, str(loads(row.facts).get("kind", "plan")), row_of(row))


def item(ledger: Ledger, number: int) -> At | None:
    """Return one item by its number in the ledger, None if there is none."""
    query = select(ITEMS, PLANS.c.facts).join(PLANS, PLANS.c.number == ITEMS.c.plan).where(ITEMS.c.number == number)
    with ledger.database.reading() as connection:
        row = connection.execute(query).first()
    return None if row is None else _at(row)


def same_reference(ledger: Ledger, reference: str) -> list[At]:
    """Return what each plan of the ledger has under a reference, the first plan first."""
    query = (
        select(ITEMS, PLANS.c.facts)
        .join(PLANS, PLANS.c.number == ITEMS.c.plan)
        .where(ITEMS.c.reference == reference)
        .order_by(ITEMS.c.plan)
    )
    with ledger.database.reading() as connection:
        return [_at(row) for row in connection.execute(query)]
