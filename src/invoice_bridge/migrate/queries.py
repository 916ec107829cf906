"""What the steps of a migration ask a ledger beside what its workers do.

Rules of this file: one statement each. What is chosen for a run is put on a page of its own, so that workers of that
page take nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from invoice_bridge.core.exact import loads
from invoice_bridge.migrate.ledger import row_of
from invoice_bridge.migrate.schema import ITEMS, NOTES, PLANS, WORKERS, now, of_plan_in_order

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.values import Row

__all__ = [
    "CHOSEN",
    "Planned",
    "choose",
    "ends_of",
    "ids_in",
    "live_workers",
    "made_by",
    "notes_of",
    "owners_of",
    "planned_in",
    "plans_of",
    "skip_planned",
    "span_of",
    "targets_of",
    "texts_of",
]

CHOSEN = -1
"""The page of what a run with a bound has chosen."""
_SOME = 400
_FOR_GOOD = frozenset({"moved-before", "already-at-target", "decided"})
"""The reasons for which a document is left out whatever becomes of it at the source."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ids_in(ledger: Ledger, plan: int, ids: Collection[str]) -> set[str]:
    """Return those of these ids at the source that the plan has an item of."""
    found: set[str] = set()
    asked = sorted(ids)
    with ledger.database.reading() as connection:
        for start in range(0, len(asked), _SOME):
            some = asked[start : start + _SOME]
            query = select(ITEMS.c.source_id).where(ITEMS.c.plan == plan, ITEMS.c.source_id.in_(some))
            found.update(connection.execute(query).scalars())
    return found


def owners_of(ledger: Ledger, plans: Collection[int], references: Collection[str]) -> dict[str, str]:
    """Return the id at the source of the document that has each of these references in one of the plans, the first."""
    found: dict[str, str] = {}
    asked = sorted(references)
    with ledger.database.reading() as connection:
        for start in range(0, len(asked), _SOME):
            query = select(ITEMS.c.reference, ITEMS.c.source_id).where(
                ITEMS.c.plan.in_(sorted(plans)), ITEMS.c.reference.in_(asked[start : start + _SOME])
            )
            for row in connection.execute(query.order_by(ITEMS.c.plan)):
                found.setdefault(row.reference, row.source_id)
    return found


def texts_of(ledger: Ledger, plan: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield what each item of a plan is to do, in its order: its reference, operation, source, and "1" for history."""
    columns = (ITEMS.c.number, ITEMS.c.reference, ITEMS.c.operation, ITEMS.c.source, ITEMS.c.history)
    after, last = ledger.numbers_of(plan)
    while after < last:
        query = select(*columns).where(of_plan_in_order(plan, after, last)).order_by(ITEMS.c.number)
        with ledger.database.reading() as connection:
            some = connection.execute(query.limit(_SOME)).all()
        for number, reference, operation, source, history in some:
            after = number
            yield reference, operation, source, "1" if history else ""
        if len(some) < _SOME:
            return


def plans_of(ledger: Ledger) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the number and the facts of every plan, the first one first."""
    with ledger.database.reading() as connection:
        rows = connection.execute(select(PLANS.c.number, PLANS.c.facts).order_by(PLANS.c.number)).all()
    return [(row.number, loads(row.facts)) for row in rows]


def made_by(ledger: Ledger) -> dict[int, int]:
    """Return how many documents each plan has, or may have, at the target; plans without any are left out."""
    query = select(ITEMS.c.plan, func.count()).where(
        ITEMS.c.target_id.is_not(None), ITEMS.c.state.not_in(("skipped", "planned"))
    )
    with ledger.database.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query.group_by(ITEMS.c.plan))}


def ends_of(ledger: Ledger, plan: int, most: int) -> list[Row]:
    """Return the first and the last items of a plan that have a document at the target, so many of each."""
    query = select(ITEMS).where(
        ITEMS.c.plan == plan, ITEMS.c.target_id.is_not(None), ITEMS.c.state.in_(("done", "made", "released"))
    )
    found: dict[int, Row] = {}
    with ledger.database.reading() as connection:
        for order in (ITEMS.c.number, ITEMS.c.number.desc()):
            rows = connection.execute(query.order_by(order).limit(most))
            found |= {row.number: row_of(row) for row in rows}
    return [found[number] for number in sorted(found)]


def skip_planned(ledger: Ledger, plan: int, found: Mapping[str, str], reason: str) -> int:
    """Leave out planned items that were never sent, by reference with a detail each; return how many."""
    skipped = 0
    with ledger.database.writing() as connection:
        for reference, detail in found.items():
            changed = connection.execute(
                update(ITEMS)
                .where(
                    ITEMS.c.plan == plan,
                    ITEMS.c.reference == reference,
                    ITEMS.c.state == "planned",
                    ITEMS.c.sent_at.is_(None),
                )
                .values(state="skipped", reason=reason, detail=detail, due_at=None)
            )
            skipped += changed.rowcount
    return skipped


@dataclass(frozen=True, slots=True)
class Planned:
    """What an earlier plan has of a document: `is_released` means that it closed the document at the source."""

    plan: int
    state: str
    reason: str
    fingerprint: str
    is_released: bool

    @property
    def may_be_at_target(self) -> bool:
        """Whether something of it may have been made at the target."""
        return self.state not in {"planned", "refused", "skipped"}

    @property
    def was_left_out(self) -> bool:
        """Whether nothing was made of it, by that plan or another one, and nobody decided so."""
        return self.state in {"refused", "skipped"} and self.reason not in _FOR_GOOD


def planned_in(ledger: Ledger, plans: Collection[int], ids: Collection[str]) -> dict[str, Planned]:
    """Return what earlier plans have of the documents of these ids at the source; the last plan counts."""
    found: dict[str, Planned] = {}
    asked = sorted(ids) if plans else []
    with ledger.database.reading() as connection:
        for start in range(0, len(asked), _SOME):
            query = select(ITEMS).where(
                ITEMS.c.source_id.in_(asked[start : start + _SOME]), ITEMS.c.plan.in_(sorted(plans))
            )
            for row in connection.execute(query.order_by(ITEMS.c.plan)):
                fingerprint = loads(row.source).get("fingerprint", "")
                is_released = "release" in loads(row.operation) and row.reached in {"released", "done"}
                found[row.source_id] = Planned(row.plan, row.state, row.reason, fingerprint, is_released)
    return found


def targets_of(ledger: Ledger, plan: int, references: Collection[str]) -> dict[str, str | None]:
    """Return the id at the target for each of these references that the plan has; None where none is known."""
    found: dict[str, str | None] = {}
    asked = sorted(references)
    with ledger.database.reading() as connection:
        for start in range(0, len(asked), _SOME):
            query = select(ITEMS.c.reference, ITEMS.c.target_id).where(
                ITEMS.c.plan == plan, ITEMS.c.reference.in_(asked[start : start + _SOME])
            )
            found |= {row.reference: row.target_id for row in connection.execute(query)}
    return found


def choose(ledger: Ledger, plan: int, numbers: Sequence[int]) -> None:
    """Put items on the page of what was chosen, and take those off that an earlier run had chosen and not begun."""
    with ledger.database.writing() as connection:
        connection.execute(
            update(ITEMS)
            .where(ITEMS.c.plan == plan, ITEMS.c.page == CHOSEN, ITEMS.c.state == "planned", ITEMS.c.sent_at.is_(None))
            .values(page=0)
        )
        for start in range(0, len(numbers), _SOME):
            connection.execute(
                update(ITEMS)
                .where(ITEMS.c.plan == plan, ITEMS.c.number.in_(numbers[start : start + _SOME]))
                .values(page=CHOSEN)
            )


def notes_of(ledger: Ledger, plan: int, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the notes whose names have a prefix, without it, with their JSON, in the order of their names."""
    last = prefix
    while True:
        query = (
            select(NOTES.c.name, NOTES.c.text)
            .where(NOTES.c.plan == plan, NOTES.c.name > last, NOTES.c.name.startswith(prefix, autoescape=True))
            .order_by(NOTES.c.name)
            .limit(_SOME)
        )
        with ledger.database.reading() as connection:
            some = connection.execute(query).all()
        yield from ((row.name.removeprefix(prefix), loads(row.text)) for row in some)
        if len(some) < _SOME:
            return
        last = some[-1].name


def write_notes(ledger: Ledger, plan: int, notes: Iterable[tuple[str, str]]) -> None:
    """Write notes of a plan, in one transaction."""
    ledger.add(plan, (), dict(notes))


def live_workers(ledger: Ledger) -> list[str]:
    """Return the names of the workers whose lease holds."""
    query = select(WORKERS.c.name).where(WORKERS.c.lease_until > now(), WORKERS.c.ended_at.is_(None))
    with ledger.database.reading() as connection:
        return sorted(connection.execute(query).scalars())


def span_of(ledger: Ledger, plan: int) -> tuple[datetime, datetime, int] | None:
    """Return when the first item of a plan was sent, when the last one ended, and how many ended; None before."""
    query = select(func.min(ITEMS.c.sent_at), func.max(ITEMS.c.ended_at), func.count(ITEMS.c.ended_at)).where(
        ITEMS.c.plan == plan, ITEMS.c.sent_at.is_not(None)
    )
    with ledger.database.reading() as connection:
        first, last, ended = connection.execute(query).one()
    if first is None or last is None:
        return None
    return _EPOCH + timedelta(microseconds=first), _EPOCH + timedelta(microseconds=last), ended
