"""A journal of tried requests: the intent before a request is sent, the outcome after; it survives the process.

    with Client("chargebee", site="acme", api_key=key, journal="bills.sqlite", lookup="journal") as billing: …

One SQLite file in WAL mode, shared by threads and processes of one host, readable by its owner only. It has
references, paths, keys of steps, digests of bills and ids of invoices; no credentials, no bodies, no names. A row
without an outcome is a request that may have taken effect: the next try of that reference looks it up first.

A reference is one bill in one book at all providers. A bill that may have been made at another provider or account is
refused here, in the same transaction that writes the first intent, so that two processes cannot both pass.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize

from invoice_bridge.core.errors import BilledElsewhere, ConfigurationError, IdempotencyMismatch
from invoice_bridge.core.lazy import LazyModule
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Request
from invoice_bridge.engine.supervise import Verdict
from invoice_bridge.journal.rows import (
    Book,
    Claim,
    Ended,
    Fact,
    State,
    Try,
    _claim,
    _fact,
    _try,
    unresolved,
    verdict_of,
)

if TYPE_CHECKING:
    import sqlite3
else:
    sqlite3 = LazyModule("sqlite3")

_VERSION = 3
_APPLICATION = 0x69624A31  # "ibJ1": SQLite's word for whose file it is
_TRIES = """
CREATE TABLE IF NOT EXISTS tries (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL, reference TEXT NOT NULL, attempt INTEGER NOT NULL,
    method TEXT NOT NULL, url TEXT NOT NULL, key TEXT,
    began_at TEXT NOT NULL, ended_at TEXT,
    ended TEXT CHECK (ended IN ('not_sent', 'lost', 'answered')), status INTEGER, invoice_id TEXT
)
"""
_ADDED = (
    ("book", "TEXT NOT NULL DEFAULT 'default'"),
    ("mode", "TEXT NOT NULL DEFAULT ''"),
    ("digest", "TEXT"),
    ("verdict", "TEXT CHECK (verdict IN ('applied', 'refused', 'deferred', 'maybe'))"),
    ("verb", "TEXT NOT NULL DEFAULT ''"),
)
"""The columns that schemas 2 and 3 added: `verb` is empty for a bill, else the verb whose reference it is."""
_FACTS = """
CREATE TABLE IF NOT EXISTS facts (
    number INTEGER PRIMARY KEY,
    book TEXT NOT NULL, account TEXT NOT NULL, mode TEXT NOT NULL, reference TEXT NOT NULL, invoice_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('void', 'deleted', 'absent', 'released')), why TEXT NOT NULL, at TEXT NOT NULL,
    last_try INTEGER NOT NULL
)
"""
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS tries_by_reference ON tries (account, reference)",
    "CREATE INDEX IF NOT EXISTS tries_by_book ON tries (book, reference)",
    "CREATE INDEX IF NOT EXISTS tries_by_invoice ON tries (invoice_id)",
    "CREATE INDEX IF NOT EXISTS facts_by_book ON facts (book, reference)",
)
_COLUMNS = (
    "number, account, reference, attempt, method, url, key, began_at, ended_at, ended, status, invoice_id, "
    "book, mode, digest, verdict, verb"
)
_ALL_TRIES = f"SELECT {_COLUMNS} FROM tries"  # noqa: S608 - constants
_ALL_FACTS = "SELECT number, book, account, mode, reference, invoice_id, state, why, at, last_try FROM facts"


class Journal:
    """The journal in one file; close() closes it.

    Raises ConfigurationError if it cannot be opened, read or written, or if the file is another program's.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._lock = threading.RLock()
        if not self.path.strip() or self.path.startswith(":memory:") or self.path.startswith("file:"):
            raise ConfigurationError(
                f"the journal {self.path!r} would be lost with the process: name a file, such as bills.sqlite"
            )
        try:
            self._make_private()
            self._file = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self.close = finalize(self, self._file.close)  # also when nobody closes it
            try:
                self._set_up()
            except BaseException:
                self.close()  # else a file that was refused stays locked for as long as the error is kept
                raise
            self._inode = _inode(self.path)
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"the journal {self.path} cannot be opened: {error}") from None

    def _make_private(self) -> None:
        """Make a new file readable by its owner only; SQLite gives its other files the same permissions."""
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def _set_up(self) -> None:
        """Make the tables in a new file, or upgrade one of an older schema. Another program's database stays."""
        execute = self._file.execute
        execute("PRAGMA synchronous = FULL")  # an intent is on the disk before its request leaves
        execute("BEGIN IMMEDIATE")
        whose = execute("PRAGMA application_id").fetchone()[0]
        version = execute("PRAGMA user_version").fetchone()[0]
        if whose != _APPLICATION and (whose or version or execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise ConfigurationError(f"{self.path} is another program's database: name another file as journal")
        if version > _VERSION:
            raise ConfigurationError(
                f"the journal {self.path} was written by a newer version of this library: upgrade it"
            )
        execute(_TRIES)
        present = {row[1] for row in execute("PRAGMA table_info(tries)")}
        for name, kind in _ADDED:
            if name not in present:
                execute(f"ALTER TABLE tries ADD COLUMN {name} {kind}")
        execute(_FACTS)
        for index in _INDEXES:
            execute(index)
        execute(f"PRAGMA application_id = {_APPLICATION}")
        execute(f"PRAGMA user_version = {_VERSION}")
        execute("COMMIT")
        execute("PRAGMA journal_mode = WAL")

    # ── what is about to happen, and what happened ───────────────────────────────────────────────────────────────────
    def intend(
        self,
        book: Book,
        reference: str,
        attempt: int,
        request: Request,
        at: datetime,
        *,
        digest: str | None = None,
        guarded: bool = True,
        verb: str = "",
    ) -> int:
        """Record durably that a request is about to be sent; return the row's number.

        Raises BilledElsewhere if another account of the book has, or may have, a bill of this reference (unless
        `guarded` is False: a verb on an invoice is always possible); the check and the row are one transaction. `verb`
        is that of a verb whose own reference this is: raises IdempotencyMismatch if the book has it with other content.
        Raises ConfigurationError if the row cannot be written. Either way the request must not be sent.
        """
        if _inode(self.path) != self._inode:
            raise ConfigurationError(
                f"the journal {self.path} was deleted or replaced while it was open, so the request was not sent: "
                "restore the file, or make a new client"
            )
        row = (
            book.account, reference, attempt, request.method, request.url, request.key, at.isoformat(), book.name,
            book.mode, digest, request.invoice_id, verb,
        )  # fmt: skip
        with self._writing("so the request was not sent") as execute:
            if verb:
                self.refuse_other_content(book, verb, reference, digest)
            elif guarded:
                self.refuse_elsewhere(book, reference)
            written = execute(
                "INSERT INTO tries "
                "(account, reference, attempt, method, url, key, began_at, book, mode, digest, invoice_id, "
                "verb) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return written.lastrowid or 0

    def conclude(
        self,
        number: int,
        ended: Ended,
        at: datetime,
        *,
        status: int | None = None,
        invoice_id: str | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        """Record the outcome of a request. Never raises: an open row only makes the next try look it up."""
        try:
            with self._lock:
                self._file.execute(
                    "UPDATE tries SET ended = ?, ended_at = ?, status = ?, invoice_id = coalesce(?, invoice_id), "
                    "verdict = ? WHERE number = ?",
                    (ended, at.isoformat(), status, invoice_id, verdict, number),
                )
        except sqlite3.Error:
            return

    def learn(self, book: Book, invoice_id: str, state: State, why: str, at: datetime) -> bool:
        """Record that an invoice is void or deleted; return whether the journal has the bill that made it.

        Raises ConfigurationError if the journal cannot be read or written.
        """
        values = (invoice_id, book.account, book.name)
        what = "invoice_id = ? AND account = ? AND book = ?"
        if not self._read(f"SELECT 1 FROM tries WHERE {what} AND verb = '' LIMIT 1", values):  # noqa: S608 - constants
            return False
        with self._writing("") as execute:
            if not execute(f"SELECT 1 FROM facts WHERE {what} LIMIT 1", values).fetchone():  # noqa: S608
                rows = execute(
                    f"SELECT reference, max(number) FROM tries WHERE {what} AND verb = '' GROUP BY reference",  # noqa: S608
                    values,
                ).fetchall()
                for reference, last in rows:
                    self._insert_fact(execute, book, reference, invoice_id, state, why, at, last)
        return True

    def learn_from(self, invoice: Invoice, why: str, at: datetime) -> bool:
        """Record an invoice that a provider reported as void or deleted, in every book; return whether one has it.

        Ids are not unique across accounts: the invoice must have the reference of the bill that made it. Raises
        ConfigurationError if the journal cannot be read or written.
        """
        if invoice.status not in {Status.VOID, Status.DELETED} or invoice.reference is None:
            return False
        state: State = "void" if invoice.status is Status.VOID else "deleted"
        rows = self._read(
            "SELECT DISTINCT account, book, mode FROM tries WHERE invoice_id = ? AND reference = ? AND verb = ''",
            (invoice.id, invoice.reference),
        )
        books = [Book(account, book, mode) for account, book, mode in rows]
        mine = [book for book in books if book.account.partition(":")[0] == invoice.provider]
        learnt = [self.learn(book, invoice.id, state, why, at) for book in mine]  # each of them
        return any(learnt)

    def reference_of(self, book: Book, invoice_id: str) -> str | None:
        """Return the reference of the bill that made an invoice, None if unknown. Raises ConfigurationError."""
        rows = self._read(
            "SELECT reference FROM tries WHERE invoice_id = ? AND account = ? AND book = ? AND verb = '' "
            "ORDER BY number DESC LIMIT 1",
            (invoice_id, book.account, book.name),
        )
        return rows[0][0] if rows and isinstance(rows[0][0], str) else None

    def release(
        self, book: Book, reference: str, state: State, why: str, at: datetime, *, last_try: int | None = None
    ) -> int:
        """End the claim of every try of a reference at an account and mode; return how many tries that covers.

        `last_try` is the last try to cover, by default the last of all. Raises ConfigurationError if the journal cannot
        be written.
        """
        with self._writing("") as execute:
            count, last = execute(
                "SELECT count(*), max(number) FROM tries WHERE reference = ? AND account = ? AND book = ? AND mode = ? "
                "AND verb = '' AND number <= coalesce(?, number)",
                (reference, book.account, book.name, book.mode, last_try),
            ).fetchone()
            if count:
                self._insert_fact(execute, book, reference, None, state, why, at, last)
        return int(count)

    @staticmethod
    def _insert_fact(execute: Any, book: Book, *values: Any) -> None:
        reference, invoice_id, state, why, at, last = values
        execute(
            "INSERT INTO facts (book, account, mode, reference, invoice_id, state, why, at, last_try) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (book.name, book.account, book.mode, reference, invoice_id, state, why, at.isoformat(), last),
        )

    # ── what is known ────────────────────────────────────────────────────────────────────────────────────────────────
    def tries(self, book: Book, reference: str) -> tuple[Try, ...]:
        """Return the tries of a reference at an account, oldest first. Raises ConfigurationError."""
        rows = self._read(
            f"{_ALL_TRIES} WHERE account = ? AND reference = ? AND book = ? AND verb = '' ORDER BY number",
            (book.account, reference, book.name),
        )
        return tuple(known for known in map(_try, rows) if book.shares_mode(known.mode))

    def verb_tries(self, book: Book, verb: str, reference: str) -> tuple[Try, ...]:
        """Return the tries of a verb's reference at all accounts of a book, oldest first. Raises ConfigurationError."""
        rows = self._read(
            f"{_ALL_TRIES} WHERE reference = ? AND book = ? AND verb = ? ORDER BY number", (reference, book.name, verb)
        )
        return tuple(known for known in map(_try, rows) if book.shares_mode(known.mode))

    def refuse_other_content(self, book: Book, verb: str, reference: str, digest: str | None) -> None:
        """Raise IdempotencyMismatch if the book has, or may have, a verb's reference with other content."""
        tries = [known for known in self.verb_tries(book, verb, reference) if known.may_have_been_sent]
        pending = unresolved(tries)
        for known in tries:
            if known.digest != digest and (verdict_of(known) == "applied" or known.step in pending):
                mismatch = IdempotencyMismatch(
                    f"the journal has the reference {reference!r} for another {verb}, of {known.invoice_id} at "
                    f"{known.account.rstrip(':')}; nothing was sent: give a new one a new reference"
                )
                mismatch.invoice_id = known.invoice_id
                raise mismatch

    def claims(self, book: Book | None = None, reference: str | None = None) -> tuple[Claim, ...]:
        """Return the bills that were made and not withdrawn, or may have been made, of one reference or of all.

        Without `book`, of every book and mode. Raises ConfigurationError.
        """
        where = " AND ".join(
            ["verb = ''"] + ["reference = ?"] * (reference is not None) + ["book = ?"] * (book is not None)
        )
        values = [*([reference] if reference is not None else []), *([book.name] if book is not None else [])]
        tries = [_try(row) for row in self._read(f"{_ALL_TRIES} WHERE {where} ORDER BY number", values)]
        about = where.removeprefix("verb = ''").removeprefix(" AND ") or "1"  # facts are about bills only
        facts = [_fact(row) for row in self._read(f"{_ALL_FACTS} WHERE {about} ORDER BY number", values)]
        groups: dict[tuple[str, str, str, str], list[Try]] = {}
        for known in tries:
            if book is None or book.shares_mode(known.mode):
                groups.setdefault((known.book, known.reference, known.account, known.mode), []).append(known)
        claims = []
        for (name, what, account, mode), rows in groups.items():
            ended = [  # "absent" was looked up in one mode, an invoice's id is in one mode only
                fact
                for fact in facts
                if (fact.book, fact.reference, fact.account) == (name, what, account)
                and (fact.invoice_id is not None or fact.mode == mode)
            ]
            if (claim := _claim(rows, ended)) is not None:
                state, invoice_id, since = claim
                claims.append(Claim(account, mode, what, name, state, invoice_id, since))
        return tuple(claims)

    def facts(self, reference: str | None = None) -> tuple[Fact, ...]:
        """Return the ends of claims, of one reference or of all, oldest first. Raises ConfigurationError."""
        if reference is None:
            return tuple(map(_fact, self._read(f"{_ALL_FACTS} ORDER BY number", ())))
        rows = self._read(f"{_ALL_FACTS} WHERE reference = ? ORDER BY number", (reference,))
        return tuple(map(_fact, rows))

    def history(self, reference: str) -> tuple[Try, ...]:
        """Return every try of a reference, in every book and account, oldest first. Raises ConfigurationError."""
        rows = self._read(f"{_ALL_TRIES} WHERE reference = ? ORDER BY number", (reference,))
        return tuple(map(_try, rows))

    def refuse_elsewhere(self, book: Book, reference: str) -> None:
        """Raise BilledElsewhere if another account of the book has, or may have, a bill of this reference."""
        other = next((claim for claim in self.claims(book, reference) if claim.account != book.account), None)
        if other is None:
            return
        what = f"is already billed by {other.invoice_id}" if other.invoice_id else "may already have been billed"
        raise BilledElsewhere(
            f"the reference {reference!r} {what} at {other.account.rstrip(':')}, in the book {book.name!r}; nothing "
            "was sent. If that invoice is void, retrieve() it with its own client and this journal; if the bill was "
            "never made, resolve() it there; if you know better, record why: "
            f"invoice-bridge journal release {shlex.quote(reference)} --why …",
            provider=other.provider,
            account=other.account,
            invoice_id=other.invoice_id,
            state=other.state,
        )

    def _read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._file.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise ConfigurationError(f"the journal {self.path} cannot be read: {error}") from None

    @contextmanager
    def _writing(self, consequence: str) -> Iterator[Any]:
        """Run one transaction while no other process writes."""
        try:
            with self._lock:
                self._file.execute("BEGIN IMMEDIATE")
                try:
                    yield self._file.execute
                    self._file.execute("COMMIT")
                except BaseException:
                    if self._file.in_transaction:
                        self._file.execute("ROLLBACK")
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
