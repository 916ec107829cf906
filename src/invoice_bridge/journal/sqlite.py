"""The tables of a journal in one SQLite file, in WAL mode; threads and processes of one host share it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.lazy import LazyModule
from invoice_bridge.journal.schema import ADDED, FACTS, INDEXES, MORE, TRIES, VERSION

if TYPE_CHECKING:
    import sqlite3
else:
    sqlite3 = LazyModule("sqlite3")

APPLICATION = 0x69624A31  # "ibJ1": SQLite's word for whose file it is


class Sqlite:
    """A store in a file that only its owner can read. Raises ConfigurationError if the file is another program's."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._make_private()
            self.file = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self.close = finalize(self, self.file.close)  # also when nobody closes it
            try:
                self._set_up()
            except BaseException:
                self.close()  # else a file that was refused stays locked for as long as the error is kept
                raise
            self._inode = _inode(path)
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"the journal {path} cannot be opened: {error}") from None

    def _make_private(self) -> None:
        """Make a new file readable by its owner only; SQLite gives its other files the same permissions."""
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def _set_up(self) -> None:
        """Make the tables in a new file, or upgrade a file of schema 1. Another program's database stays as it is."""
        execute = self.file.execute
        execute("PRAGMA synchronous = FULL")  # an intent is on the disk before its request leaves
        execute("BEGIN IMMEDIATE")
        whose = execute("PRAGMA application_id").fetchone()[0]
        version = execute("PRAGMA user_version").fetchone()[0]
        if whose != APPLICATION and (whose or version or execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise ConfigurationError(f"{self.path} is another program's database: name another file as journal")
        if version > VERSION:
            raise ConfigurationError(
                f"the journal {self.path} was written by a newer version of this library: upgrade it"
            )
        execute(TRIES)
        present = {row[1] for row in execute("PRAGMA table_info(tries)")}
        for name, kind in ADDED:
            if name not in present:
                execute(f"ALTER TABLE tries ADD COLUMN {name} {kind}")
        execute(FACTS)
        for statement in (*MORE, *INDEXES):
            execute(statement)
        execute(f"PRAGMA application_id = {APPLICATION}")
        execute(f"PRAGMA user_version = {VERSION}")
        execute("COMMIT")
        execute("PRAGMA journal_mode = WAL")

    def check_in_place(self) -> None:
        """Raise ConfigurationError if the file was deleted or replaced while it was open."""
        if _inode(self.path) != self._inode:
            raise ConfigurationError(
                f"the journal {self.path} was deleted or replaced while it was open, so the request was not sent: "
                "restore the file, or make a new client"
            )

    def read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query. Raises ConfigurationError."""
        try:
            with self._lock:
                return self.file.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise ConfigurationError(f"the journal {self.path} cannot be read: {error}") from None

    def write(self, query: str, values: Sequence[Any]) -> None:
        """Run one statement. Raises ConfigurationError."""
        try:
            with self._lock:
                self.file.execute(query, tuple(values))
        except sqlite3.Error as error:
            raise ConfigurationError(f"the journal {self.path} cannot be written ({error})") from None

    def run(self, query: str, values: Sequence[Any] = ()) -> int:
        """Run a statement of the transaction; return how many rows it changed."""
        return self.file.execute(query, tuple(values)).rowcount

    def select(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query of the transaction."""
        return self.file.execute(query, tuple(values)).fetchall()

    def insert(self, query: str, values: Sequence[Any]) -> int:
        """Insert one row in the transaction; return its number."""
        return self.file.execute(query, tuple(values)).lastrowid or 0

    @contextmanager
    def writing(self, consequence: str, locks: Iterable[tuple[str, str]] | None) -> Iterator[Sqlite]:  # noqa: ARG002
        """Run one transaction while no other process writes: SQLite's lock is on the whole file."""
        try:
            with self._lock:
                self.file.execute("BEGIN IMMEDIATE")
                try:
                    yield self
                    self.file.execute("COMMIT")
                except BaseException:
                    if self.file.in_transaction:
                        self.file.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"the journal {self.path} cannot be written ({error})" + (f", {consequence}" if consequence else "")
            ) from None


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None
