"""A journal of what was tried: intent before a request leaves, outcome after; it survives the process.

    with Client("chargebee", site="acme", api_key=key, journal="bills.sqlite", lookup="journal") as billing: …

One SQLite file in WAL mode, shared by threads and processes of one host, readable by its owner alone. It holds
references, paths, keys of steps, digests of bills and ids of invoices; no credentials, no bodies, no names. A row
without an outcome is a request that may have taken effect: the next try of that reference looks it up first.

A reference is one bill in one book, whatever the provider. A bill that may have been made at another provider or
account is refused here, in the same transaction that writes down the first intent, so that two processes cannot both
pass.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal
from weakref import finalize

from invoice_bridge.commands import Bill
from invoice_bridge.errors import BilledElsewhere, ConfigurationError
from invoice_bridge.lookup import SETTLES
from invoice_bridge.model import Invoice, Status
from invoice_bridge.outcome import Verdict
from invoice_bridge.wire import Request, dumps

Ended = Literal["not_sent", "lost", "answered"]
State = Literal["void", "deleted", "absent", "released"]
"""What ends a bill's claim on its reference: its invoice is void or deleted, `resolve` found none, or a person
released it."""

_VERSION = 2
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
_SINCE_2 = (
    ("book", "TEXT NOT NULL DEFAULT 'default'"),
    ("mode", "TEXT NOT NULL DEFAULT ''"),
    ("digest", "TEXT"),
    ("verdict", "TEXT CHECK (verdict IN ('applied', 'refused', 'deferred', 'maybe'))"),
)
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
    "book, mode, digest, verdict"
)
_ALL_TRIES = f"SELECT {_COLUMNS} FROM tries"  # noqa: S608 - constants
_ALL_FACTS = "SELECT number, book, account, mode, reference, invoice_id, state, why, at, last_try FROM facts"
_LONGEST_ID = 255
_NO_TRY = -(2**63) - 1
"""Below every number that a row can have."""
_MODES = frozenset({"test", "live"})
_EMPTY: tuple[Any, ...] = ("", [], {})


@dataclass(frozen=True, slots=True)
class Book:
    """Where a client's rows belong: its book, its account ("stripe:acct_1") and its mode ("test", "live" or unknown).

    Rows of another mode are another book's. A mode that is not known is taken to be any.
    """

    account: str
    name: str = "default"
    mode: str = ""

    def shares_mode(self, mode: str) -> bool:
        """Whether rows of that mode may be about the same money."""
        return not self.mode or not mode or self.mode == mode


@dataclass(frozen=True, slots=True)
class Try:
    """One writing request of a bill. `ended` None: its process ended before it did, or it is under way.

    `began_at` None: the row cannot be read, and counts as sent at an unknown time.
    """

    number: int
    account: str
    reference: str
    attempt: int
    method: str
    url: str
    key: str | None
    began_at: datetime | None
    ended_at: datetime | None
    ended: Ended | None
    status: int | None
    invoice_id: str | None
    book: str = "default"
    mode: str = ""
    digest: str | None = None
    verdict: Verdict | None = None

    @property
    def left(self) -> bool:
        """Whether the request may have reached the provider."""
        return self.ended != "not_sent"

    @property
    def last_at(self) -> datetime | None:
        """When the last thing happened that is known of it."""
        return self.ended_at or self.began_at

    @property
    def step(self) -> str:
        """What repeats of the same request share: its key, or else its method and address."""
        return self.key or f"{self.method} {self.url}"


@dataclass(frozen=True, slots=True)
class Fact:
    """What ended a bill's claim on its reference at an account; tries up to `last_try` are covered by it."""

    number: int
    book: str
    account: str
    mode: str
    reference: str
    invoice_id: str | None
    state: State
    why: str
    at: datetime | None
    last_try: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A bill of a reference at one account that was made and not withdrawn, or that may have been made."""

    account: str
    mode: str
    reference: str
    book: str
    state: Literal["made", "unknown"]
    invoice_id: str | None
    since: datetime | None

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.account.partition(":")[0]


def digest_of(command: Bill, provider: str) -> str:
    """Return a digest of a bill's content as one provider gets it: what the same reference must say again."""
    content: dict[str, Any] = command.model_dump(mode="json", exclude={"reference", "attempt", "customer"})
    for line, written in zip(command.lines, content["lines"], strict=True):
        written["quantity"] = None if line.quantity is None else _shortest(line.quantity)
    who = command.customer
    content["customer"] = None if who is None else (who.at(provider) or [who.email, who.name])
    return hashlib.sha256(dumps([command.verb, _stated(content)])).hexdigest()


def _shortest(number: Decimal) -> str:
    """A number without zeros that say nothing: 2.00 is 2. Not normalize(), which rounds to the context's digits."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _stated(value: Any) -> Any:
    """A bill's content in one order and without what is empty: a field that a later version adds changes no digest."""
    if isinstance(value, dict):
        stated = {name: _stated(value[name]) for name in sorted(value)}
        return {name: one for name, one in stated.items() if one is not None and one is not False and one not in _EMPTY}
    return [_stated(one) for one in value] if isinstance(value, list) else value


def verdict_of(known: Try) -> Verdict | None:
    """What a row says of its request; rows of schema 1 kept the status alone."""
    if known.verdict is not None or known.ended is None:
        return known.verdict
    if known.ended != "answered":
        return "maybe" if known.ended == "lost" else "deferred"
    status = known.status
    if status is None or status >= 500 or status == 409:
        return "maybe"
    return "applied" if status < 300 else "deferred" if status == 429 else "refused"


def unresolved(tries: Iterable[Try]) -> dict[str, Try]:
    """Return the steps that may have taken effect, or may still do so, and of which no answer says what became of them.

    `tries` are those of one reference, oldest first. A step is one request with its repeats: an answer to any of them
    settles all, as they share a key. The row given is the last one of the step that left.
    """
    pending: dict[str, Try] = {}
    for known in tries:
        verdict = verdict_of(known)
        if verdict in {"applied", "refused"} and known.ended == "answered":
            pending.pop(known.step, None)
        elif verdict in {"maybe", None} or (known.step in pending and known.left):
            pending[known.step] = known
    return pending


class RecentLosses:
    """The writing requests of one client within SETTLES, journal or not; safe to share between threads."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, int, str], datetime] = {}
        self._wrote: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def note(self, command: Bill, step: str, verdict: Verdict | None, at: datetime) -> None:
        """Note what became of a writing request of a bill; None: the program was stopped meanwhile."""
        name = (command.reference, command.attempt, step)
        with self._lock:
            self._wrote = {known: when for known, when in self._wrote.items() if at - when < SETTLES}
            if verdict != "refused":
                self._wrote[command.reference] = at
            if verdict in {"applied", "refused"}:
                self._lost.pop(name, None)
            elif verdict in {"maybe", None} or name in self._lost:
                self._lost = {known: when for known, when in self._lost.items() if at - when < SETTLES}
                self._lost[name] = at

    def last_write(self, reference: str) -> datetime | None:
        """Return when a write of a reference last ended that was not refused: no listing need show it yet."""
        with self._lock:
            return self._wrote.get(reference)

    def unresolved(self, reference: str) -> dict[int, datetime]:
        """Return the attempts at a reference with a request that is not settled, each with when that was last tried."""
        last: dict[int, datetime] = {}
        with self._lock:
            for (which, attempt, _), at in self._lost.items():
                if which == reference:
                    last[attempt] = max(at, last.get(attempt, at))
        return last


class Journal:
    """The journal in one file; close() closes it.

    Raises ConfigurationError where it cannot be opened, read or written, or where the file is another program's.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._lock = threading.RLock()
        if not self.path.strip() or self.path.startswith(":memory:") or self.path.startswith("file:"):
            raise ConfigurationError(
                f"the journal {self.path!r} would be gone with the process: name a file, such as bills.sqlite"
            )
        try:
            self._make_private()
            self._file = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self.close = finalize(self, self._file.close)  # by whoever forgets it too
            try:
                self._set_up()
            except BaseException:
                self.close()  # else a file that was refused stays locked for as long as the error is kept
                raise
            self._inode = _inode(self.path)
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"the journal {self.path} cannot be opened: {error}") from None

    def _make_private(self) -> None:
        """Make a new file readable by its owner alone; SQLite gives its helper files the same permissions."""
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def _set_up(self) -> None:
        """Make the tables in a new file, or take a file of schema 1 over. Another program's database stays as it is."""
        execute = self._file.execute
        execute("PRAGMA synchronous = FULL")  # an intent is on the disk before its request leaves
        execute("BEGIN IMMEDIATE")
        whose = execute("PRAGMA application_id").fetchone()[0]
        version = execute("PRAGMA user_version").fetchone()[0]
        if whose != _APPLICATION and (whose or version or execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise ConfigurationError(f"{self.path} is another program's database: name a file of its own as journal")
        if version > _VERSION:
            raise ConfigurationError(f"the journal {self.path} was written by a newer version of this library")
        execute(_TRIES)
        present = {row[1] for row in execute("PRAGMA table_info(tries)")}
        for name, kind in _SINCE_2:
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
    ) -> int:
        """Write down, durably, that a request is about to leave; returns the row's number.

        Raises BilledElsewhere where another account of the book has, or may have, a bill of this reference (but where
        `guarded` is False: a verb on an invoice is always possible); the check and the row are one transaction. Raises
        ConfigurationError where the row cannot be written. Either way the request must not leave.
        """
        if _inode(self.path) != self._inode:
            raise ConfigurationError(
                f"the journal {self.path} was deleted or replaced while it was open, so the request was not sent: "
                "restore the file, or make a new client"
            )
        row = (
            book.account, reference, attempt, request.method, request.url, request.key, at.isoformat(), book.name,
            book.mode, digest, request.invoice_id,
        )  # fmt: skip
        with self._writing("so the request was not sent") as execute:
            if guarded:
                self.refuse_elsewhere(book, reference)
            written = execute(
                "INSERT INTO tries "
                "(account, reference, attempt, method, url, key, began_at, book, mode, digest, invoice_id) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        """Write down what became of a request. Never raises: a row left open only makes the next try look it up."""
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
        """Note that an invoice is void or deleted; whether the journal knows a bill that made it.

        Raises ConfigurationError where it cannot be read or written.
        """
        values = (invoice_id, book.account, book.name)
        what = "invoice_id = ? AND account = ? AND book = ?"
        if not self._read(f"SELECT 1 FROM tries WHERE {what} LIMIT 1", values):  # noqa: S608 - constants
            return False
        with self._writing("") as execute:
            if not execute(f"SELECT 1 FROM facts WHERE {what} LIMIT 1", values).fetchone():  # noqa: S608
                rows = execute(
                    f"SELECT reference, max(number) FROM tries WHERE {what} GROUP BY reference",  # noqa: S608
                    values,
                ).fetchall()
                for reference, last in rows:
                    self._insert_fact(execute, book, reference, invoice_id, state, why, at, last)
        return True

    def learn_from(self, invoice: Invoice, why: str, at: datetime) -> bool:
        """Note an invoice that a provider reported as void or deleted, wherever it belongs; whether it is known.

        Ids alone are not unique across accounts: the invoice must carry the reference of the bill that made it. Raises
        ConfigurationError where the journal cannot be read or written.
        """
        if invoice.status not in {Status.VOID, Status.DELETED} or invoice.reference is None:
            return False
        state: State = "void" if invoice.status is Status.VOID else "deleted"
        rows = self._read(
            "SELECT DISTINCT account, book, mode FROM tries WHERE invoice_id = ? AND reference = ?",
            (invoice.id, invoice.reference),
        )
        books = [Book(account, book, mode) for account, book, mode in rows]
        mine = [book for book in books if book.account.partition(":")[0] == invoice.provider]
        learnt = [self.learn(book, invoice.id, state, why, at) for book in mine]  # each of them
        return any(learnt)

    def reference_of(self, book: Book, invoice_id: str) -> str | None:
        """Return the reference of the bill that made an invoice, as far as is known. Raises ConfigurationError."""
        rows = self._read(
            "SELECT reference FROM tries WHERE invoice_id = ? AND account = ? AND book = ? "
            "ORDER BY number DESC LIMIT 1",
            (invoice_id, book.account, book.name),
        )
        return rows[0][0] if rows and isinstance(rows[0][0], str) else None

    def release(
        self, book: Book, reference: str, state: State, why: str, at: datetime, *, last_try: int | None = None
    ) -> int:
        """End the claim of every try of a reference at an account and mode; returns how many tries that covers.

        `last_try` is the last one that is covered: by default the last there is. Raises ConfigurationError where it
        cannot be written.
        """
        with self._writing("") as execute:
            count, last = execute(
                "SELECT count(*), max(number) FROM tries WHERE reference = ? AND account = ? AND book = ? AND mode = ? "
                "AND number <= coalesce(?, number)",
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
            f"{_ALL_TRIES} WHERE account = ? AND reference = ? AND book = ? ORDER BY number",
            (book.account, reference, book.name),
        )
        return tuple(known for known in map(_try, rows) if book.shares_mode(known.mode))

    def claims(self, book: Book | None = None, reference: str | None = None) -> tuple[Claim, ...]:
        """Return the bills that stand or may have been made, of one reference and book or of all.

        Without `book`, of every book and mode. Raises ConfigurationError.
        """
        where = " AND ".join(["1"] + ["reference = ?"] * (reference is not None) + ["book = ?"] * (book is not None))
        values = [*([reference] if reference is not None else []), *([book.name] if book is not None else [])]
        tries = [_try(row) for row in self._read(f"{_ALL_TRIES} WHERE {where} ORDER BY number", values)]
        facts = [_fact(row) for row in self._read(f"{_ALL_FACTS} WHERE {where} ORDER BY number", values)]
        groups: dict[tuple[str, str, str, str], list[Try]] = {}
        for known in tries:
            if book is None or book.shares_mode(known.mode):
                groups.setdefault((known.book, known.reference, known.account, known.mode), []).append(known)
        found = []
        for (name, what, account, mode), rows in groups.items():
            ended = [  # "absent" was looked up in one mode, an invoice's id is in one mode only
                fact
                for fact in facts
                if (fact.book, fact.reference, fact.account) == (name, what, account)
                and (fact.invoice_id is not None or fact.mode == mode)
            ]
            if (claim := _claim(rows, ended)) is not None:
                state, invoice_id, since = claim
                found.append(Claim(account, mode, what, name, state, invoice_id, since))
        return tuple(found)

    def facts(self, reference: str | None = None) -> tuple[Fact, ...]:
        """Return what ended claims, of one reference or of all, oldest first. Raises ConfigurationError."""
        if reference is None:
            return tuple(map(_fact, self._read(f"{_ALL_FACTS} ORDER BY number", ())))
        rows = self._read(f"{_ALL_FACTS} WHERE reference = ? ORDER BY number", (reference,))
        return tuple(map(_fact, rows))

    def history(self, reference: str) -> tuple[Try, ...]:
        """Return every try of a reference, in every book and account, oldest first. Raises ConfigurationError."""
        rows = self._read(f"{_ALL_TRIES} WHERE reference = ? ORDER BY number", (reference,))
        return tuple(map(_try, rows))

    def refuse_elsewhere(self, book: Book, reference: str) -> None:
        """Raise BilledElsewhere where another account of the book has, or may have, a bill of this reference."""
        other = next((claim for claim in self.claims(book, reference) if claim.account != book.account), None)
        if other is None:
            return
        what = f"is billed by {other.invoice_id}" if other.invoice_id else "may have been billed"
        raise BilledElsewhere(
            f"the reference {reference!r} {what} at {other.account.rstrip(':')} already, in the book {book.name!r}; "
            "nothing was sent. If that invoice is void, read it with its own client and this journal (retrieve); if "
            "the bill was never made, resolve() it there; if you know better, write down why: "
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
        """One transaction that no other process writes beside."""
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


def _claim(rows: list[Try], facts: list[Fact]) -> tuple[Literal["made", "unknown"], str | None, datetime | None] | None:
    """What the tries of a reference at one account still claim, after what is known to have ended."""
    covered = max((fact.last_try for fact in facts if fact.invoice_id is None), default=_NO_TRY)
    rows = [known for known in rows if known.number > covered]
    pending = unresolved(rows)
    for fact in facts:
        if fact.invoice_id is None:
            continue
        before = [known for known in rows if known.number <= fact.last_try]
        attempts = {known.attempt for known in before if known.invoice_id == fact.invoice_id and known.attempt}
        ids = {known.invoice_id for known in before if known.attempt in attempts} - {None} | {fact.invoice_id}
        # one attempt makes one invoice, whose id may change when it is issued; what the attempt makes after the end of
        # that one is another
        rows = [
            known
            for known in rows
            if known.invoice_id not in ids
            and (
                known.number > fact.last_try or known.attempt not in attempts or _may_have_made_another(known, pending)
            )
        ]
    pending = unresolved(rows)
    made = [known for known in rows if verdict_of(known) == "applied" and known.left]
    if not made and not pending:
        return None
    last = made[-1] if made else None
    since = min((known.began_at for known in rows if known.left and known.began_at is not None), default=None)
    return ("made" if made else "unknown", None if last is None else last.invoice_id, since)


def _may_have_made_another(known: Try, pending: dict[str, Try]) -> bool:
    """Whether a try whose attempt made an invoice may have made a second one: it is unknown, and no key prevents it.

    A server error may have come after the fact and freed the key; see `Idempotency.keeps_failures`.
    """
    return known.step in pending and (known.key is None or (known.status or 0) >= 500)


def _try(row: tuple[Any, ...]) -> Try:
    """Read a row. What cannot be read of it counts as the worse: sent, at an unknown time, its end unknown."""
    number, account, reference, attempt, method, url, key, began, ended_at, ended, status, invoice_id, *new = row
    book, mode, digest, verdict = new
    is_id = isinstance(invoice_id, str) and 0 < len(invoice_id) <= _LONGEST_ID and invoice_id.isprintable()
    return Try(
        number,
        str(account),
        str(reference),
        attempt if isinstance(attempt, int) else 1,
        str(method),
        str(url),
        key if isinstance(key, str) else None,
        _instant(began),
        _instant(ended_at),
        ended if ended in {"not_sent", "lost", "answered"} else None,
        status if isinstance(status, int) else None,
        invoice_id if is_id else None,
        str(book),
        mode if mode in _MODES else "",  # of any mode
        digest if isinstance(digest, str) else None,
        verdict if verdict in {"applied", "refused", "deferred", "maybe"} else None,
    )


def _fact(row: tuple[Any, ...]) -> Fact:
    """Read a fact. One of which the last try cannot be read covers none."""
    number, book, account, mode, reference, invoice_id, state, why, at, last = row
    covered = last if isinstance(last, int) else _NO_TRY
    return Fact(number, book, account, mode, reference, invoice_id, state, str(why), _instant(at), covered)


def _instant(text: object) -> datetime | None:
    """An aware instant; None for what is none."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if instant is None or instant.tzinfo is None else instant


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None
