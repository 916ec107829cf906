"""The tables of a ledger, for SQLite and PostgreSQL.

Rules of this file: an instant is a whole number of microseconds since 1970 on the database's clock, which all workers
share; None in `due_at` means that no worker may take the item. A change of a table raises VERSION.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

VERSION = 3
APPLICATION = 0x69624C31
"""SQLite's mark of a ledger's file: "ibL1"."""

_METADATA = MetaData()
_Instant = BigInteger


def _number() -> Column[int]:
    # SQLite numbers rows by itself only in a column that it calls INTEGER
    return Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _index_where(is_given: str, name: str, *columns: str) -> Index:
    """Return an index of the rows in which a column is not null: one that is at its end is in none of them."""
    condition = text(f"{is_given} IS NOT NULL")
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


LEDGER = Table("invoice_bridge_ledger", _METADATA, Column("version", Integer, nullable=False))

PLANS = Table(
    "invoice_bridge_plans",
    _METADATA,
    _number(),
    Column("target", Text, nullable=False),  # the account that the items go to: "stripe:acct_1"
    Column("facts", Text, nullable=False),  # JSON: what `run` compares before it begins
    Column("timing", Text, nullable=False),  # JSON: a Timing, the same for all workers
    Column("rate", Integer),  # requests per second, of all workers together; None: no limit
    Column("made_at", _Instant, nullable=False),
)

ITEMS = Table(
    "invoice_bridge_items",
    _METADATA,
    _number(),
    Column("plan", ForeignKey("invoice_bridge_plans.number"), nullable=False),
    Column("page", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),
    Column("source_id", Text, nullable=False),  # the document's id at the source; empty where there is none
    Column("operation", Text, nullable=False),  # JSON: a command for each stage, with the losses it may have
    Column("source", Text, nullable=False),  # JSON: the source document's facts
    Column("history", Boolean, nullable=False),  # nothing that mails or collects may be sent for it
    Column("state", Text, nullable=False),
    Column("reached", Text, nullable=False),  # the last stage that is known to be complete
    Column("reason", Text, nullable=False),  # the stable word for refused, quarantined, skipped, unknown
    Column("detail", Text, nullable=False),  # the error's message
    Column("due_at", _Instant),
    Column("worker", BigInteger),  # who has taken it; None: nobody
    Column("claim", Integer, nullable=False),  # how often it was taken
    Column("attempt", Integer, nullable=False),  # the attempt of the idempotency key
    Column("unknowns", Integer, nullable=False),  # how often an outcome was unknown
    Column("defers", Integer, nullable=False),  # how often it was put back with nothing done
    Column("sent_at", _Instant),  # when it was first taken, in this stage
    Column("ended_at", _Instant),
    Column("requests", Integer, nullable=False),
    Column("target_id", Text),
    Column("target", Text, nullable=False),  # JSON: the target document's facts
    UniqueConstraint("plan", "reference"),
    Index("invoice_bridge_items_source", "source_id", "plan"),
    _index_where("due_at", "invoice_bridge_items_due", "plan", "due_at", "number"),
    _index_where("due_at", "invoice_bridge_items_page", "plan", "page", "due_at", "number"),
    _index_where("worker", "invoice_bridge_items_taken", "plan", "worker"),
    Index("invoice_bridge_items_state", "plan", "state", "number"),
)

WORKERS = Table(
    "invoice_bridge_workers",
    _METADATA,
    _number(),
    Column("name", Text, nullable=False),  # host and process
    Column("began_at", _Instant, nullable=False),
    Column("lease_until", _Instant, nullable=False),
    Column("ended_at", _Instant),
)

PACES = Table(
    "invoice_bridge_paces",
    _METADATA,
    Column("account", Text, primary_key=True),
    Column("next_at", _Instant, nullable=False),
)

NOTES = Table(
    "invoice_bridge_notes",
    _METADATA,
    Column("plan", BigInteger, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("text", Text, nullable=False),
)


class now(FunctionElement[int]):  # noqa: N801 - it is a function of SQL
    """The present on the database's clock, in microseconds since 1970."""

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(_element: now, _compiler: Any, **_options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(now, "postgresql")
def _now_postgres(_element: now, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


def rows_in(parameter: str, *, is_postgres: bool) -> Any:
    """Return the items of a parameter that is a JSON array, as rows of one column `value`.

    A statement with a list of rows as one text is planned once, and compiled once whatever their number.
    """
    given = bindparam(parameter, type_=Text)
    if is_postgres:
        return func.jsonb_array_elements(cast(given, JSONB)).table_valued(column("value", JSONB), name=parameter)
    return func.json_each(given).table_valued(column("value", Text), name=parameter)


def of_plan_in_order(plan: int, after: int, last: int) -> Any:
    """Return the condition of a plan's items from after a number to the last one, for reading some in this order.

    The sum keeps a database from an index that begins with the plan: it would sort the whole plan for each part of it.
    """
    return and_(ITEMS.c.number > after, ITEMS.c.number <= last, ITEMS.c.plan + 0 == plan)


def span_of_numbers(plan: int, states: Iterable[str]) -> Any:
    """Return the query for the first and the last number of a plan, by the index of the states: both null if it has
    none in these states.
    """
    found = [
        select(func.min(ITEMS.c.number).label("first"), literal(None, BigInteger).label("last")).where(
            ITEMS.c.plan == plan, ITEMS.c.state == state
        )
        for state in states
    ]
    found += [
        select(literal(None, BigInteger), func.max(ITEMS.c.number)).where(ITEMS.c.plan == plan, ITEMS.c.state == state)
        for state in states
    ]
    each = union_all(*found).subquery()
    return select(func.min(each.c.first).label("first"), func.max(each.c.last).label("last"))


def create_tables(connection: Any) -> None:
    """Make the tables that are not there yet."""
    _METADATA.create_all(connection)
