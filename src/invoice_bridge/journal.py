"""A journal of what was tried: intent before a request leaves, outcome after; it survives the process.

    with Client("chargebee", site="acme", api_key=key, journal="bills.sqlite") as billing: …

One SQLite file in WAL mode with one small table, shared by threads and processes. It holds references, paths, keys of
steps and ids of invoices; no credentials, no bodies, no names. A row without an outcome is a request that may have
taken effect: the next try of that reference looks first.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from os import PathLike, fspath
from typing import Literal
from weakref import finalize

from invoice_bridge.commands import Bill
from invoice_bridge.errors import ConfigurationError
from invoice_bridge.lookup import SETTLES
from invoice_bridge.wire import Request

Ended = Literal["not_sent", "lost", "answered"]

_VERSION = 1
_APPLICATION = 0x69624A31  # "ibJ1": SQLite's word for whose file it is
_TABLE = """
CREATE TABLE IF NOT EXISTS tries (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL, reference TEXT NOT NULL, attempt INTEGER NOT NULL,
    method TEXT NOT NULL, url TEXT NOT NULL, key TEXT,
    began_at TEXT NOT NULL, ended_at TEXT,
    ended TEXT CHECK (ended IN ('not_sent', 'lost', 'answered')), status INTEGER, invoice_id TEXT
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS tries_by_reference ON tries (account, reference)"


@dataclass(frozen=True, slots=True)
class Try:
    """One writing request of a bill. `ended` None: its process ended before it did, or it is under way."""

    number: int
    account: str
    reference: str
    attempt: int
    method: str
    url: str
    key: str | None
    began_at: datetime
    ended_at: datetime | None
    ended: Ended | None
    status: int | None
    invoice_id: str | None

    @property
    def left(self) -> bool:
        """Whether the request may have reached the provider."""
        return self.ended != "not_sent"


def is_settled(ended: Ended | None, status: int | None) -> bool:
    """Whether an answer says what became of a request. A failure of the provider's own does not."""
    return ended == "answered" and status is not None and status < 500


def unanswered(tries: Iterable[Try]) -> dict[int, datetime]:
    """Return the attempts whose last request is not settled, each with when that left or was given up.

    `tries` are those of one reference, oldest first.
    """
    found: dict[int, datetime] = {}
    for known in tries:
        if is_settled(known.ended, known.status):
            found.pop(known.attempt, None)
        elif known.left:
            found[known.attempt] = known.ended_at or known.began_at
    return found


class Lately:
    """The requests that one client lost within SETTLES, journal or not; safe to share between threads."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, int], datetime] = {}
        self._lock = threading.Lock()

    def note(self, ask: Bill, ended: Ended | None, status: int | None, at: datetime) -> None:
        """Take down how a writing request of a bill ended; None: the program was stopped meanwhile."""
        with self._lock:
            if is_settled(ended, status):
                self._lost.pop((ask.reference, ask.attempt), None)
            elif ended != "not_sent":
                self._lost = {known: when for known, when in self._lost.items() if at - when < SETTLES}
                self._lost[ask.reference, ask.attempt] = at

    def unanswered(self, reference: str) -> dict[int, datetime]:
        """Return the attempts at a reference whose last request is not settled, each with when it was lost."""
        with self._lock:
            return {attempt: at for (which, attempt), at in self._lost.items() if which == reference}


class Journal:
    """The journal in one file; close() closes it. Raises ConfigurationError where it cannot be opened or written."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._lock = threading.Lock()
        try:
            self._file = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self.close = finalize(self, self._file.close)  # by whoever forgets it too
            self._begin()
        except sqlite3.Error as error:
            raise ConfigurationError(f"the journal {self.path} cannot be opened: {error}") from None

    def _begin(self) -> None:
        """Make the table in a new file. Another program's database is left as it is."""
        execute = self._file.execute
        execute("PRAGMA synchronous = FULL")  # an intent is on the disk before its request leaves
        execute("BEGIN IMMEDIATE")
        whose = execute("PRAGMA application_id").fetchone()[0]
        version = execute("PRAGMA user_version").fetchone()[0]
        if whose != _APPLICATION and (whose or version or execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise ConfigurationError(f"{self.path} is another program's database: name a file of its own as journal")
        if version not in {0, _VERSION}:
            raise ConfigurationError(f"the journal {self.path} was written by a newer version of this library")
        execute(_TABLE)
        execute(_INDEX)
        execute(f"PRAGMA application_id = {_APPLICATION}")
        execute(f"PRAGMA user_version = {_VERSION}")
        execute("COMMIT")
        execute("PRAGMA journal_mode = WAL")

    def intend(self, account: str, reference: str, attempt: int, request: Request, at: datetime) -> int:
        """Write down, durably, that a request is about to leave; returns its number.

        Raises ConfigurationError where that fails: then the request must not leave.
        """
        row = (account, reference, attempt, request.method, request.url, request.key, at.isoformat())
        try:
            with self._lock:
                done = self._file.execute(
                    "INSERT INTO tries (account, reference, attempt, method, url, key, began_at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"the journal {self.path} cannot be written ({error}), so the request was not sent"
            ) from None
        return done.lastrowid or 0

    def conclude(
        self, number: int, ended: Ended, at: datetime, *, status: int | None = None, invoice_id: str | None = None
    ) -> None:
        """Write down what became of a request. Never raises: a row left open only makes the next try look."""
        try:
            with self._lock:
                self._file.execute(
                    "UPDATE tries SET ended = ?, ended_at = ?, status = ?, invoice_id = ? WHERE number = ?",
                    (ended, at.isoformat(), status, invoice_id, number),
                )
        except sqlite3.Error:
            return

    def tries(self, account: str, reference: str) -> tuple[Try, ...]:
        """Return every try of a reference at an account, oldest first. Raises ConfigurationError."""
        try:
            with self._lock:
                rows = self._file.execute(
                    "SELECT * FROM tries WHERE account = ? AND reference = ? ORDER BY number", (account, reference)
                ).fetchall()
        except sqlite3.Error as error:
            raise ConfigurationError(f"the journal {self.path} cannot be read: {error}") from None
        return tuple(Try(*row[:7], *map(_instant, row[7:9]), *row[9:]) for row in rows)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
