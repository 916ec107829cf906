"""The database of a ledger: a SQLite file of one machine, or PostgreSQL by its URL.

Rules of this file: it raises ConfigurationError, without a password. A durable transaction is on the disk before
`writing` ends, whatever the database has as default; SQLite takes its write lock at the beginning.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from invoice_bridge.core.commands import one_line
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.location import Location
from invoice_bridge.migrate.errors import LedgerUnavailable
from invoice_bridge.migrate.schema import APPLICATION, LEDGER, VERSION, create_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "invoice_bridge",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "30",
}
_LIMITS = (
    "SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '60s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '10s'"  # a worker that is stopped in between keeps no lock
)
_CONNECTIONS = 32
_FULL = "free some space on its disk and run again: what was sent is looked up first"
_READ_ONLY = "make it writable for this user and run again: what was sent is looked up first"
_REMEDIES = {
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR": _FULL,  # a quota, or a limit on the size of files, is no SQLITE_FULL
    "SQLITE_READONLY": _READ_ONLY,
    "53100": _FULL,
    "25006": _READ_ONLY,
}
"""What to do, by the beginning of SQLite's error name or PostgreSQL's SQLSTATE."""


class Database:
    """The database at a place; threads share it. Raises ConfigurationError if it cannot be opened."""

    def __init__(self, place: str | os.PathLike[str] | Location) -> None:
        box = [place]
        del place  # a traceback that shows variables shall not show a password
        self.location = Location(box.pop())
        self.is_postgres = self.location.is_url
        if not self.is_postgres:
            self._make_private()
        # one thread writes at a time to a file: SQLite would have the others sleep for up to a tenth of a second
        self._turn: AbstractContextManager[Any] = nullcontext() if self.is_postgres else threading.RLock()
        self._durable, self._light = self._engine(durable=True), self._engine(durable=False)
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self._durable.dispose()
        self._light.dispose()

    def __repr__(self) -> str:
        return f"Database({self.location.name!r})"

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        """Run one transaction of writing. Raises ConfigurationError: whether it was committed may then be unknown.

        What is lost with a `durable=False` transaction, if the machine fails, is a beat or a slot of the pace.
        """
        problem = ""
        try:
            with self._turn, (self._durable if durable else self._light).begin() as connection:
                if self.is_postgres:
                    mode = "on" if durable else "off"
                    connection.exec_driver_sql(f"{_LIMITS}; SET LOCAL synchronous_commit = {mode}")
                yield connection
        except SQLAlchemyError as failure:
            problem = self._describe(failure)
        if problem:
            raise LedgerUnavailable(f"the ledger {self.location} cannot be written: {problem}")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run one transaction of reading. Raises ConfigurationError."""
        problem = ""
        try:
            with self._light.connect().execution_options(reading=True) as connection:
                yield connection
        except SQLAlchemyError as failure:
            problem = self._describe(failure)
        if problem:
            raise LedgerUnavailable(f"the ledger {self.location} cannot be read: {problem}")

    def _describe(self, failure: SQLAlchemyError) -> str:
        cause = getattr(failure, "orig", None) or failure
        problem = self.location.conceal(one_line(" ".join(str(cause).split()))) or type(cause).__name__
        code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
        remedy = next((remedy for start, remedy in _REMEDIES.items() if code.startswith(start)), "")
        return f"{problem}; {remedy}" if remedy else problem

    # ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _engine(self, *, durable: bool) -> Engine:
        if self.is_postgres:
            engine = create_engine(
                "postgresql+psycopg://",
                creator=self._connect_postgres,
                hide_parameters=True,
                isolation_level="READ COMMITTED",
                pool_pre_ping=True,
                pool_size=_CONNECTIONS,
            )
        else:
            engine = create_engine(
                "sqlite://",
                creator=lambda: self._connect_sqlite(durable=durable),
                hide_parameters=True,
                poolclass=QueuePool,
                pool_size=_CONNECTIONS,
            )
            event.listen(engine, "begin", _begin)
        return engine

    def _make_private(self) -> None:
        """Make a new file readable by its owner only; SQLite gives its other files the same permissions."""
        name = self.location.name
        if not name.strip() or name.startswith((":memory:", "file:")):
            raise ConfigurationError(
                f"the ledger {name!r} would be lost with the process: name a file, such as migration.sqlite"
            )
        try:
            os.close(os.open(name, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as failure:
            raise ConfigurationError(
                f"the ledger {name} cannot be opened: {failure}; name a file that this user can write, in a folder "
                "that exists"
            ) from None

    def _connect_sqlite(self, *, durable: bool) -> sqlite3.Connection:
        file = sqlite3.connect(self.location.name, timeout=30, isolation_level=None, check_same_thread=False)
        # in WAL mode NORMAL can lose the last transactions with the machine, but never breaks the file
        file.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        return file

    def _connect_postgres(self) -> Any:
        psycopg = _import_psycopg()
        problem = ""
        try:
            given = psycopg.conninfo.conninfo_to_dict(self.location.reveal())
            settings: dict[str, Any] = {**_DEFAULTS, **given, "client_encoding": "utf8"}
            # no statement is prepared: a pooler gives each transaction another session
            return psycopg.connect(**settings, prepare_threshold=None)
        except (psycopg.Error, ValueError, OSError) as failure:
            problem = self.location.conceal(one_line(" ".join(str(failure).split()))) or type(failure).__name__
        raise LedgerUnavailable(f"the ledger {self.location} cannot be reached: {problem}")

    # ── the tables ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _set_up(self) -> None:
        """Make the tables in a new database. Another program's file stays as it is."""
        with self.writing() as connection:
            if self.is_postgres:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7597119814171409233)")  # one at a time
                if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar():
                    raise ConfigurationError(
                        f"the ledger {self.location} is a read replica, which can lag behind: name the primary server"
                    )
            else:
                self._check_owner(connection)
            if not inspect(connection).has_table(LEDGER.name):
                create_tables(connection)
                connection.execute(insert(LEDGER).values(version=VERSION))
            version = connection.execute(select(LEDGER.c.version)).scalar()
        if version != VERSION:
            raise ConfigurationError(
                f"the ledger {self.location} was written by another version of this library (its tables are {version}, "
                f"not {VERSION}): finish the migration with that version"
            )
        if not self.is_postgres:
            with self._durable.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                raw.execute("PRAGMA journal_mode = WAL")

    def _check_owner(self, connection: Connection) -> None:
        owner = connection.exec_driver_sql("PRAGMA application_id").scalar()
        if owner != APPLICATION:
            if owner or connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first():
                raise ConfigurationError(
                    f"{self.location.name} is another program's database: name another file as the ledger"
                )
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _import_psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as failure:
        raise ConfigurationError(
            "a ledger on PostgreSQL needs psycopg: "
            f'pip install "invoice-bridge[migrate-postgres]" ({one_line(str(failure))})'
        ) from None
    return psycopg
