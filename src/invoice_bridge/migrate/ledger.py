"""The ledger of a migration: plan, queue, journal and evidence in one table of a database.

Rules of this file: the claim is the intent. One transaction takes up to BATCH items, and is committed before anything
is sent for them; the next one writes what became of them, and takes others. A worker writes only under its own claim,
so that it overwrites nobody who took its item over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, islice
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from invoice_bridge.core.commands import one_line
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.journal.location import Location
from invoice_bridge.migrate.database import Database
from invoice_bridge.migrate.errors import LeaseExpired
from invoice_bridge.migrate.schema import ITEMS, NOTES, PLANS, WORKERS, now, of_plan_in_order, rows_in, span_of_numbers
from invoice_bridge.migrate.settling import microseconds, write_results
from invoice_bridge.migrate.values import (
    STAGES,
    STATES,
    Item,
    NewItem,
    PlanHeader,
    Result,
    Row,
    Stage,
    State,
    Timing,
    following_stage,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

from sqlalchemy import BigInteger, Integer, and_, bindparam, cast, delete, func, insert, select, true, update

__all__ = ["BATCH", "Ledger", "row_of"]

BATCH = 25
"""The most items that one claim takes: what a worker that dies leaves to be looked up."""
PAGE = 500
"""Items of one page, the job of an engine."""
_MOST = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = ("planned", "sent", "made", "released", "unknown")


class Ledger:
    """The ledger in a file, or in a PostgreSQL database by its URL; threads share it. close() closes it.

    A URL needs the extra `migrate-postgres`; its password is best in PGPASSWORD or ~/.pgpass. Raises ConfigurationError
    if it cannot be opened, read or written, or if it is another program's.
    """

    def __init__(self, place: str | PathLike[str] | Location) -> None:
        box = [place]
        del place  # a traceback that shows variables shall not show a password
        self.database = Database(box.pop())
        self.close = self.database.close
        self._added: dict[int, int] = {}
        """How many items a plan has: counted once, since counting them again for each page read would take ever longer.
        It only divides a plan into pages."""

    def __repr__(self) -> str:
        return f"Ledger({self.database.location.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def add_plan(self, header: PlanHeader) -> int:
        """Write the header of a plan; return its number."""
        with self.database.writing() as connection:
            added = connection.execute(
                insert(PLANS)
                .values(
                    target=header.target,
                    facts=_json(header.facts),
                    timing=_json({name: str(value) for name, value in asdict(header.timing).items()}),
                    rate=header.rate,
                    made_at=now(),
                )
                .returning(PLANS.c.number)
            )
            return int(added.scalar_one())

    def plan(self, number: int | None = None) -> PlanHeader:
        """Return the header of a plan, by default of the last one. Raises ConfigurationError if there is none."""
        query = select(PLANS).order_by(PLANS.c.number.desc()).limit(1)
        with self.database.reading() as connection:
            row = connection.execute(query if number is None else query.where(PLANS.c.number == number)).first()
            known = [] if row else list(connection.execute(select(PLANS.c.number).order_by(PLANS.c.number)).scalars())
        if row is None and known:
            raise ConfigurationError(
                f"the ledger {self.database.location} has no plan {number}: its plans are {', '.join(map(str, known))}"
            )
        if row is None:
            raise ConfigurationError(f"the ledger {self.database.location} has no plan: plan the migration first")
        timing = Timing(**{name: float(value) for name, value in loads(row.timing).items()})
        return PlanHeader(row.target, loads(row.facts), timing, row.rate, row.number)

    def add(
        self, plan: int, items: Iterable[NewItem], notes: Mapping[str, str] | None = None, *, page_size: int = PAGE
    ) -> int:
        """Add items to a plan, and write its notes in the same transaction; return how many were new.

        An item whose reference the plan has already is left as it is: planning can be repeated.
        """
        added = 0
        with self.database.writing() as connection:
            if (first := self._added.get(plan)) is None:
                counted = select(func.count()).select_from(ITEMS).where(ITEMS.c.plan == plan)
                first = connection.execute(counted).scalar_one()
            places = count(first)
            remaining = iter(items)
            while some := list(islice(remaining, _MOST)):
                known = set(
                    connection.execute(
                        select(ITEMS.c.reference).where(
                            ITEMS.c.plan == plan, ITEMS.c.reference.in_([item.reference for item in some])
                        )
                    ).scalars()
                )
                rows = []
                for item in some:
                    if item.reference not in known:
                        known.add(item.reference)
                        rows.append(_new_row(plan, next(places) // page_size, item))
                if rows:
                    connection.execute(insert(ITEMS), rows)
                added += len(rows)
            for name, text in (notes or {}).items():
                connection.execute(delete(NOTES).where(NOTES.c.plan == plan, NOTES.c.name == name))
                connection.execute(insert(NOTES).values(plan=plan, name=name, text=text))
        self._added[plan] = first + added
        return added

    def analyze(self) -> None:
        """Have PostgreSQL count the items, as it does by itself after some time.

        Till then it sorted some thousand items at each claim. SQLite chooses its indexes without counting.
        """
        if self.database.is_postgres:
            with self.database.writing() as connection:
                connection.exec_driver_sql(f"ANALYZE {ITEMS.name}")

    def note(self, plan: int, name: str) -> str | None:
        """Return a note of a plan, None if there is none."""
        with self.database.reading() as connection:
            query = select(NOTES.c.text).where(NOTES.c.plan == plan, NOTES.c.name == name)
            return connection.execute(query).scalar()

    # ── what the ledger has ──────────────────────────────────────────────────────────────────────────────────────────
    def counts(self, plan: int, page: int | None = None) -> dict[State, int]:
        """Return how many items each state has, for the states that have any."""
        query = select(ITEMS.c.state, func.count()).where(ITEMS.c.plan == plan, _on(page)).group_by(ITEMS.c.state)
        with self.database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def pages(self, plan: int) -> list[int]:
        """Return the pages of a plan that have an item which is not at its end."""
        query = select(ITEMS.c.page).where(ITEMS.c.plan == plan, ITEMS.c.state.in_(_OPEN)).distinct()
        with self.database.reading() as connection:
            return sorted(connection.execute(query).scalars())

    def rows(self, plan: int, states: Sequence[State] | None = None) -> Iterator[Row]:
        """Yield the items of a plan, in its order, of some states or of all; a thousand are read at a time."""
        after, last = self.numbers_of(plan, states or STATES)
        while after < last:
            query = select(ITEMS).order_by(ITEMS.c.number)
            if states is not None and len(states) == 1:  # in this order, the index of the states has them
                query = query.where(ITEMS.c.plan == plan, ITEMS.c.state == states[0], ITEMS.c.number > after)
            else:
                some_states = true() if states is None else ITEMS.c.state.in_(states)
                query = query.where(of_plan_in_order(plan, after, last), some_states)
            with self.database.reading() as connection:
                some = connection.execute(query.limit(_MOST)).all()
            yield from map(row_of, some)
            if len(some) < _MOST:
                return
            after = some[-1].number

    def numbers_of(self, plan: int, states: Sequence[State] = STATES) -> tuple[int, int]:
        """Return between which numbers the items of a plan are, of some states or of all: after one, to the other."""
        with self.database.reading() as connection:
            span = connection.execute(span_of_numbers(plan, states)).one()
        return (0, 0) if span.first is None else (span.first - 1, span.last)

    def is_finished(self, plan: int, page: int | None = None) -> bool:
        """Return whether no item of a plan, or of a page, is left to be worked on."""
        query = select(ITEMS.c.number).where(ITEMS.c.plan == plan, ITEMS.c.state.in_(_OPEN), _on(page)).limit(1)
        with self.database.reading() as connection:
            return connection.execute(query).first() is None

    def decide(self, plan: int, reference: str, decision: State, why: str) -> bool:
        """Record what a person decided about a quarantined item; return whether it was one.

        "planned" has it looked up and tried again under the next attempt; "done", "refused" and "skipped" end it.
        """
        if decision not in {"planned", "done", "refused", "skipped"} or not why.strip():
            raise ConfigurationError('decide "planned", "done", "refused" or "skipped", and state why')
        values: dict[str, Any] = {"state": decision, "reason": "decided", "detail": one_line(why), "ended_at": now()}
        if decision == "planned":  # it was sent before: `sent_at` stays, so that it is looked up first
            values |= {"due_at": 0, "unknowns": 0, "defers": 0, "attempt": ITEMS.c.attempt + 1, "ended_at": None}
        with self.database.writing() as connection:
            decided = connection.execute(
                update(ITEMS)
                .where(ITEMS.c.plan == plan, ITEMS.c.reference == reference, ITEMS.c.state == "quarantined")
                .values(values)
            )
        return decided.rowcount == 1

    # ── what workers do ──────────────────────────────────────────────────────────────────────────────────────────────
    def claim(self, header: PlanHeader, worker: int, page: int | None = None, most: int = BATCH) -> list[Item]:
        """Take items for a worker: those that are due, then those of workers that died. The claim is the intent.

        An empty list means that nothing is due now. Raises LeaseExpired if the worker's own lease has passed.
        """
        with self.database.writing() as connection:
            return self._claim_in(connection, header, worker, page, most)

    def settle(self, worker: int, results: Iterable[Result]) -> list[Item]:
        """Write what became of items, in one transaction; return those that another worker has taken over meanwhile.

        Their rows stay as they are.
        """
        with self.database.writing() as connection:
            return write_results(connection, worker, results)

    def settle_and_claim(
        self, header: PlanHeader, worker: int, results: Iterable[Result], page: int | None = None, most: int = BATCH
    ) -> tuple[list[Item], list[Item]]:
        """Write what became of items, as `settle`, and take the next ones, as `claim`, in one transaction.

        Return the items that were lost, and those that were taken: none where the worker's lease has passed, though
        what became of the others is written.
        """
        with self.database.writing() as connection:
            lost = write_results(connection, worker, results)
            try:
                return lost, self._claim_in(connection, header, worker, page, most)
            except LeaseExpired:
                return lost, []

    def _claim_in(
        self, connection: Connection, header: PlanHeader, worker: int, page: int | None, most: int
    ) -> list[Item]:
        if not 1 <= most <= BATCH:
            raise ValueError(f"a claim takes from 1 to {BATCH} items")
        due, stale = _taking(by_page=page is not None)
        where = {"plan": header.number} | ({} if page is None else {"page": page})
        rows = list(connection.execute(due, {**where, "most": most, "which": worker}).all())
        # null even with rows, where the lease has passed between the condition and what is selected
        instant = (rows[0].instant if rows else None) or check_lease(connection, worker)
        if len(rows) < most:
            grace = microseconds(header.timing.deadline + header.timing.settling)
            rows += connection.execute(stale, {**where, "most": most - len(rows), "grace": grace}).all()
        if rows:
            numbers = json.dumps([row.number for row in rows])
            take = _take(is_postgres=self.database.is_postgres)
            connection.execute(take, {"numbers": numbers, "taker": worker, "instant": instant})
        return [_item(row, instant) for row in rows]


def check_lease(connection: Connection, worker: int) -> int:
    """Return the database's present. Raises LeaseExpired if the lease of a worker has passed on that clock."""
    row = connection.execute(_lease(), {"which": worker}).first()
    if row is None:
        raise LeaseExpired(f"the lease of worker {worker} has passed: nothing was taken")
    return int(row[0])


_TAKEN = [
    ITEMS.c[name]
    for name in (
        "number", "reference", "operation", "source", "history", "reached", "attempt", "claim", "unknowns", "defers",
        "sent_at", "target_id",
    )
]  # fmt: skip
"""What an Item is made of."""


# ── the statements of a claim, made once: making one takes longer than running it ────────────────────────────────────
@cache
def _lease() -> Any:
    return select(now()).where(WORKERS.c.number == bindparam("which"), WORKERS.c.lease_until > now())


@cache
def _taking(*, by_page: bool) -> tuple[Any, Any]:
    """Return what reads and locks items that are due, and those of workers that died."""
    mine = ITEMS.c.plan == bindparam("plan")
    if by_page:
        mine = and_(mine, ITEMS.c.page == bindparam("page"))
    dead = select(WORKERS.c.number).where(WORKERS.c.lease_until + bindparam("grace", type_=BigInteger) < now())
    instant = _lease().scalar_subquery()  # of a lease that has passed it is null, and nothing is due
    due = (
        select(*_TAKEN, instant.label("instant"))
        .where(mine, ITEMS.c.due_at <= instant)
        .order_by(ITEMS.c.due_at, ITEMS.c.number)
    )
    taken = ITEMS.c.worker.is_not(None)  # as the index of what is taken has it
    stale = select(*_TAKEN).where(mine, taken, ITEMS.c.worker.in_(dead)).order_by(ITEMS.c.number)
    most = bindparam("most", type_=Integer)
    return due.limit(most).with_for_update(skip_locked=True), stale.limit(most).with_for_update(skip_locked=True)


@cache
def _take(*, is_postgres: bool) -> Any:
    taken = select(cast(rows_in("numbers", is_postgres=is_postgres).c.value, BigInteger))
    return (
        update(ITEMS)
        .where(ITEMS.c.number.in_(taken))
        .values(
            state="sent",
            worker=bindparam("taker"),
            due_at=None,
            claim=ITEMS.c.claim + 1,
            sent_at=func.coalesce(ITEMS.c.sent_at, bindparam("instant", type_=BigInteger)),
        )
    )


def _on(page: int | None) -> Any:
    return true() if page is None else ITEMS.c.page == page


_NEXT: dict[str, Stage] = {"planned": "make", "made": "release", "released": "arm"}


def _item(row: Any, instant: int) -> Item:
    operation = loads(row.operation)
    stage = _NEXT[row.reached]
    if stage not in operation:
        stage = following_stage(operation, stage) or stage
    return Item(
        number=row.number,
        reference=row.reference,
        operation=operation,
        stage=stage,
        history=row.history,
        attempt=row.attempt,
        claim=row.claim + 1,
        unknowns=row.unknowns,
        defers=row.defers,
        is_repeat=row.sent_at is not None,
        first_sent_at=_instant(row.sent_at) or _EPOCH + timedelta(microseconds=instant),
        target_id=row.target_id,
        source=loads(row.source),
    )


def _new_row(plan: int, page: int, item: NewItem) -> dict[str, Any]:
    if item.state == "planned" and not any(stage in item.operation for stage in STAGES):
        raise ConfigurationError(f"the item {item.reference!r} has no operation: give it one, or skip it")
    ended = item.state != "planned"
    return {
        "plan": plan, "page": page, "reference": item.reference,
        "source_id": str(item.source.get("id") or ""), "operation": _json(item.operation),
        "source": _json(item.source), "history": item.history, "state": item.state, "reached": "planned",
        "reason": item.reason, "detail": one_line(item.detail), "due_at": None if ended else 0, "worker": None,
        "claim": 0, "attempt": 1, "unknowns": 0, "defers": 0, "sent_at": None, "ended_at": None, "requests": 0,
        "target_id": None, "target": "{}",
    }  # fmt: skip


def row_of(row: Any) -> Row:
    """Return an item as it is shown, from a row of the table."""
    return Row(
        row.number, row.reference, row.page, row.state, row.reason, row.detail, loads(row.operation),
        loads(row.source), row.history, row.attempt, row.claim, row.requests, _instant(row.sent_at),
        _instant(row.ended_at), row.target_id, loads(row.target),
    )  # fmt: skip


def _instant(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def _json(value: Mapping[str, Any]) -> str:
    return dumps(dict(value)).decode()
