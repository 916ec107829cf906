"""The tables of a journal in a PostgreSQL database, which several hosts share; it needs the extra `postgres`.

Rules of this file: whatever the database, the role or a pooler has as defaults, each transaction states its isolation
and its durability itself. READ COMMITTED is meant: the check after the lock must see what was committed while it was
waited for, and a snapshot from before the lock (REPEATABLE READ, SERIALIZABLE) does not. A lost COMMIT is an intent
that may be there, and its request is not sent: an open row only makes the next try look.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import finalize

from invoice_bridge.core.commands import one_line
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.schema import ADDED, FACTS, INDEXES, MORE, TRIES, VERSION, for_postgres

if TYPE_CHECKING:  # at run time it is imported when a journal is opened
    import psycopg

_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
    "SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '60s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'"  # a process that is stopped in between keeps no lock
)
_DURABLE = "SET LOCAL synchronous_commit = on"
"""An intent is on the disk, and on those of synchronous replicas, before its request leaves."""
_STRONGER = "remote_apply"
_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "invoice_bridge",
    "tcp_user_timeout": "30000",
    "keepalives_idle": "30",
}


class _Failed(Exception):
    """A statement that failed, in words without a password. It has no cause: psycopg's frames know the password."""


class Postgres:
    """A store in a database. Raises ConfigurationError if it cannot be opened, or is a read replica."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._psycopg = _import_psycopg()
        self._lock, self._process = threading.RLock(), os.getpid()
        self._open: list[Any] = []
        """The connection; a list, so that what closes it does not keep this object alive."""
        self._in_transaction = False
        self.close = finalize(self, _close, self._open, self._process)
        try:
            self._connect()
            self._set_up()
        except _Failed as failed:
            self.close()
            problem = str(failed)
        except BaseException:
            self.close()
            raise
        else:
            return
        raise ConfigurationError(f"the journal {location} cannot be opened: {problem}")

    # ── the connection ───────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection; a new one if there is none."""
        if not self._open:
            self._connect()
        connection: psycopg.Connection[Any] = self._open[0]
        return connection

    def _connect(self) -> None:
        """Replace the connection. Raises _Failed, and ConfigurationError for a read replica."""
        _close(self._open, self._process)
        answer = self._try_to_connect()
        if isinstance(answer, str):
            raise _Failed(answer)
        is_replica, durable = answer
        if is_replica:
            _close(self._open, self._process)
            raise ConfigurationError(
                f"the journal {self.location} is a read replica, which can lag behind: name the primary server"
            )
        self._begin = _BEGIN if durable == _STRONGER else f"{_BEGIN}; {_DURABLE}"

    def _try_to_connect(self) -> tuple[bool, str] | str:
        """Connect; return whether the server is a replica, and its durability. Return a problem as a text.

        It does not raise: this frame knows the password, and a traceback shows frames.
        """
        try:
            given = self._psycopg.conninfo.conninfo_to_dict(self.location.reveal())
            several = {"target_session_attrs": "primary"} if "," in str(given.get("host", "")) else {}
            settings: dict[str, Any] = {**_DEFAULTS, **several, **given, "client_encoding": "utf8"}
            # no statement is prepared: a pooler gives each transaction another session
            self._open.append(self._psycopg.connect(**settings, autocommit=True, prepare_threshold=None))
            query = "SELECT pg_is_in_recovery(), current_setting('synchronous_commit')"
            is_replica, durable = self._open[0].execute(query).fetchone()
        except (self._psycopg.Error, ValueError, OSError) as error:
            return self._describe(error)
        return bool(is_replica), str(durable)

    def _describe(self, error: Exception) -> str:
        return self.location.conceal(one_line(" ".join(str(error).split()))) or type(error).__name__

    def _execute(self, query: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement. Raises _Failed."""
        try:
            return self.connection.execute(for_postgres(query).encode(), tuple(values) or None)
        except (self._psycopg.Error, ValueError) as error:  # ValueError: a text that UTF-8 has no bytes for
            problem = self._describe(error)
        raise _Failed(problem)

    def _is_lost(self) -> bool:
        """Whether the connection is gone, outside a transaction: a statement can then be run on a new one."""
        return not self._in_transaction and bool(self._open) and self._open[0].closed

    def _execute_anew(self, query: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement that may be run twice, on a new connection if the old one is gone. Raises _Failed."""
        try:
            return self._execute(query, values)
        except _Failed:
            if not self._is_lost():
                raise
        self._connect()
        return self._execute(query, values)

    # ── the tables ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _set_up(self) -> None:
        """Make the tables, or upgrade them; one client at a time. A role that may not make tables needs none to make.

        Raises _Failed, and ConfigurationError for tables of a newer version.
        """
        if self._version() == VERSION:
            return
        with self._transaction(None):
            version = self._version()
            if version is None:
                self._execute("CREATE TABLE invoice_bridge_journal (version INTEGER NOT NULL)")
                self._execute("INSERT INTO invoice_bridge_journal (version) VALUES (?)", (VERSION,))
            elif version > VERSION:
                raise ConfigurationError(
                    f"the journal {self.location} was written by a newer version of this library: upgrade it"
                )
            self._execute(TRIES)
            for name, kind in ADDED:
                self._execute(f"ALTER TABLE tries ADD COLUMN IF NOT EXISTS {name} {kind}")
            self._execute(FACTS)
            for statement in (*MORE, *INDEXES):
                self._execute(statement)
            self._execute("UPDATE invoice_bridge_journal SET version = ?", (VERSION,))

    def _version(self) -> int | None:
        """Return the version of the tables, None if there are none. Raises ConfigurationError if nothing states it."""
        if self._execute("SELECT to_regclass('invoice_bridge_journal')").fetchone()[0] is None:
            return None
        rows = self._execute("SELECT version FROM invoice_bridge_journal").fetchall()
        if len(rows) != 1:
            raise ConfigurationError(f"the journal {self.location} does not state one version: restore a backup of it")
        return int(rows[0][0])

    # ── reading and writing ──────────────────────────────────────────────────────────────────────────────────────────
    def check_in_place(self) -> None:
        """Nothing to check: a table that was dropped is an error of the next statement."""

    def read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query. Raises ConfigurationError."""
        with self._lock:
            try:
                rows: list[tuple[Any, ...]] = self._execute_anew(query, values).fetchall()
            except _Failed as failed:
                raise ConfigurationError(f"the journal {self.location} cannot be read: {failed}") from None
            return rows

    def write(self, query: str, values: Sequence[Any]) -> None:
        """Run one statement, which may be run twice. Raises ConfigurationError."""
        with self.writing("", ()):
            self.run(query, values)

    def run(self, query: str, values: Sequence[Any] = ()) -> int:
        """Run a statement of the transaction; return how many rows it changed."""
        return int(self._execute(query, values).rowcount)

    def select(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query of the transaction."""
        rows: list[tuple[Any, ...]] = self._execute(query, values).fetchall()
        return rows

    def insert(self, query: str, values: Sequence[Any]) -> int:
        """Insert one row in the transaction; return its number."""
        return int(self._execute(f"{query} RETURNING number", values).fetchone()[0])

    @contextmanager
    def writing(self, consequence: str, locks: Iterable[tuple[str, str]] | None) -> Iterator[Postgres]:
        """Run one transaction while no other process writes rows of these references. Raises ConfigurationError."""
        try:
            with self._transaction(None if locks is None else sorted({_number(*lock) for lock in locks})):
                yield self
        except _Failed as failed:
            so = f", {consequence}" if consequence else ""
            raise ConfigurationError(f"the journal {self.location} cannot be written ({failed}){so}") from None

    @contextmanager
    def _transaction(self, locks: Sequence[int] | None) -> Iterator[None]:
        """Begin, lock in one order, and commit. Raises _Failed: whether it was committed may then be unknown."""
        if locks is None:
            words = [f"SELECT pg_advisory_xact_lock({_EVERYTHING})"]
        else:
            words = [f"SELECT pg_advisory_xact_lock_shared({_EVERYTHING})"] * bool(locks)
            words += [f"SELECT pg_advisory_xact_lock({number})" for number in locks]
        with self._lock:
            try:
                self._execute_anew("; ".join([self._begin, *words]))
                self._in_transaction = True
                yield
                self._execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._in_transaction = False

    def _roll_back(self) -> None:
        try:
            self._execute("ROLLBACK")
        except _Failed:
            _close(self._open, self._process)  # the server rolls back what its client leaves


class _Looking(Postgres):
    """A store that neither makes nor upgrades its tables."""

    def _set_up(self) -> None:
        """Leave the tables as they are."""

    def state(self) -> tuple[int | None, bool]:
        """Return the version of the tables, None if there are none, and whether the role may write them."""
        version = self._version()
        if version is None:
            ((may,),) = self._execute("SELECT has_schema_privilege(current_schema(), 'CREATE')").fetchall()
        else:
            query = "SELECT has_table_privilege('invoice_bridge_tries', 'INSERT, UPDATE')"
            ((may,),) = self._execute(query).fetchall()
        return version, bool(may)


def read_version(location: Location) -> tuple[int | None, bool]:
    """Return the version of a database's tables, None if there are none, and whether its role may write them.

    Raises ConfigurationError.
    """
    store = _Looking(location)
    try:
        return store.state()
    except _Failed as failed:
        raise ConfigurationError(f"the journal {location} cannot be read: {failed}") from None
    finally:
        store.close()


def _import_psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise ConfigurationError(
            f'a journal on PostgreSQL needs psycopg: pip install "invoice-bridge[postgres]" ({one_line(str(error))})'
        ) from None
    return psycopg


def _number(book: str, reference: str) -> int:
    """Return the number by which PostgreSQL locks a reference of a book. Two with one number wait for each other."""
    digest = hashlib.sha256(f"invoice_bridge\0{book}\0{reference}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


_EVERYTHING = _number("", "every reference")


def _close(connections: list[Any], process: int) -> None:
    """Close the connection; not in a forked child, which would end its parent's session."""
    while connections:
        connection = connections.pop()
        if os.getpid() == process:
            connection.close()
