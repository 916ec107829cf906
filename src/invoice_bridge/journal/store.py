"""A journal of tried requests: the intent before a request is sent, the outcome after; it survives the process.

    with Client("chargebee", site="acme", api_key=key, journal="bills.sqlite", lookup="journal") as billing: …

One SQLite file, shared by threads and processes of one host, or a PostgreSQL database, shared by many hosts. It has
references, paths, keys of steps, digests of bills and ids of invoices; no credentials, no bodies, no names. A row
without an outcome is a request that may have taken effect: the next try of that reference looks it up first.

A reference is one bill in one book at all providers. A bill that may have been made at another provider or account is
refused here, in the same transaction that writes the first intent, so that two processes cannot both pass.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from os import PathLike
from typing import Any

from invoice_bridge.core.errors import BilledElsewhere, ConfigurationError, IdempotencyMismatch, OutcomeUnknown
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Request
from invoice_bridge.engine.lookup import SETTLE_TIME
from invoice_bridge.engine.supervise import Verdict
from invoice_bridge.journal.database import Store, Transaction
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.prune import batches, check_before, is_prunable
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
from invoice_bridge.journal.schema import COLUMNS
from invoice_bridge.journal.shadows import Shadows
from invoice_bridge.journal.switches import Switches

_ALL_TRIES = f"SELECT {COLUMNS} FROM tries"  # noqa: S608 - constants
_ALL_FACTS = "SELECT number, book, account, mode, reference, invoice_id, state, why, at, last_try FROM facts"


def _open(location: Location) -> Store:
    if location.is_url:
        from invoice_bridge.journal.postgres import Postgres

        return Postgres(location)
    from invoice_bridge.journal.sqlite import Sqlite

    return Sqlite(location.name)


class Journal:
    """The journal in a file, or in a PostgreSQL database by its URL; close() closes it.

    A URL (postgresql://USER@HOST/DATABASE) needs the extra `postgres`; its password is best in PGPASSWORD or ~/.pgpass.
    Raises ConfigurationError if it cannot be opened, read or written, or if it is another program's.
    """

    path = ""
    """The path, or the URL without its password."""

    def __init__(self, path: str | PathLike[str] | Location) -> None:
        box = [path]
        del path  # a traceback that shows variables shall not show a password
        location = Location(box.pop())
        self.path = location.name
        if not self.path.strip() or self.path.startswith(":memory:") or self.path.startswith("file:"):
            raise ConfigurationError(
                f"the journal {self.path!r} would be lost with the process: name a file, such as bills.sqlite"
            )
        self._store = _open(location)
        self.close = self._store.close
        self.switches, self.shadows = Switches(self._store), Shadows(self._store)

    def __repr__(self) -> str:
        return f"Journal({self.path!r})"

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
        source: tuple[str, str] | None = None,
    ) -> int:
        """Record durably that a request is about to be sent; return the row's number.

        Raises BilledElsewhere if another account of the book has, or may have, a bill of this reference (unless
        `guarded` is False: a verb on an invoice is always possible); the check and the row are one transaction. `verb`
        is that of a verb whose own reference this is: raises IdempotencyMismatch if the book has it with other content,
        and OutcomeUnknown if another attempt took effect, or may still do so, since the caller last read the journal.
        `source` is the account and the id of the document that an import is made of: see refuse_elsewhere.
        Raises ConfigurationError if the row cannot be written. Either way the request must not be sent.
        """
        self._store.check_in_place()
        row = (
            book.account, reference, attempt, request.method, request.url, request.key, at.isoformat(), book.name,
            book.mode, digest, request.invoice_id, verb,
        )  # fmt: skip
        with self._store.writing("so the request was not sent", [(book.name, reference)]) as transaction:
            if verb:
                self.refuse_other_content(book, verb, reference, digest)
                self._refuse_other_attempt(book, verb, reference, attempt, at)
            elif guarded:
                self.refuse_elsewhere(book, reference, source)
            return transaction.insert(
                "INSERT INTO tries "
                "(account, reference, attempt, method, url, key, began_at, book, mode, digest, invoice_id, "
                "verb) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

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
            self._store.write(
                "UPDATE tries SET ended = ?, ended_at = ?, status = ?, invoice_id = coalesce(?, invoice_id), "
                "verdict = ? WHERE number = ?",
                (ended, at.isoformat(), status, invoice_id, verdict, number),
            )
        except ConfigurationError:
            return

    def learn(self, book: Book, invoice_id: str, state: State, why: str, at: datetime) -> bool:
        """Record that an invoice is void or deleted; return whether the journal has the bill that made it.

        Raises ConfigurationError if the journal cannot be read or written.
        """
        values = (invoice_id, book.account, book.name)
        what = "invoice_id = ? AND account = ? AND book = ?"
        made = self._read(f"SELECT DISTINCT reference FROM tries WHERE {what} AND verb = ''", values)  # noqa: S608
        if not made:
            return False
        with self._store.writing("", [(book.name, str(reference)) for (reference,) in made]) as transaction:
            if not transaction.select(f"SELECT 1 FROM facts WHERE {what} LIMIT 1", values):  # noqa: S608
                rows = transaction.select(
                    f"SELECT reference, max(number) FROM tries WHERE {what} AND verb = '' GROUP BY reference",  # noqa: S608
                    values,
                )
                for reference, last in rows:
                    if (reference,) not in made:
                        continue  # it came after `made` was read, and is not locked: its claim stays
                    self._insert_fact(transaction, book, reference, invoice_id, state, why, at, last)
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
        with self._store.writing("", [(book.name, reference)]) as transaction:
            ((count, last),) = transaction.select(
                "SELECT count(*), max(number) FROM tries WHERE reference = ? AND account = ? AND book = ? AND mode = ? "
                "AND verb = '' AND number <= coalesce(?, number)",
                (reference, book.account, book.name, book.mode, last_try),
            )
            if count:
                self._insert_fact(transaction, book, reference, None, state, why, at, last)
        return int(count)

    def prune(self, before: datetime, now: datetime, *, made: bool = False, dry_run: bool = False) -> int:
        """Remove what was settled before an instant; return how many references that are.

        Removed are those that claim nothing: refused, never sent, void, deleted, absent, released. With `made`, bills
        that were made and verbs that took effect too: the same reference, made again, is then a new one to
        lookup="journal". What is not settled or cannot be read is kept. `before` is at least 30 days ago.
        Raises ConfigurationError.
        """
        check_before(before, now)
        old = self._read(
            "SELECT book, reference FROM tries GROUP BY book, reference HAVING max(began_at) < ? "
            "ORDER BY book, reference",
            (before.astimezone(UTC).isoformat(),),
        )
        count = 0
        for batch in batches([(str(book), str(reference)) for book, reference in old]):
            with self._store.writing("", batch) as transaction:
                for book, reference in batch:
                    tries = [known for known in self.history(reference) if known.book == book]
                    moved = any(known.verb and verdict_of(known) == "applied" for known in tries)
                    claimed = moved or bool(self.claims(Book("", book), reference))
                    if is_prunable(tries, before, claimed=claimed, made=made):
                        count += 1
                        for table in () if dry_run else ("tries", "facts"):
                            transaction.run(f"DELETE FROM {table} WHERE book = ? AND reference = ?", (book, reference))  # noqa: S608
        return count

    @staticmethod
    def _insert_fact(transaction: Transaction, book: Book, *values: Any) -> None:
        reference, invoice_id, state, why, at, last = values
        transaction.insert(
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

    def _refuse_other_attempt(self, book: Book, verb: str, reference: str, attempt: int, at: datetime) -> None:
        """Raise OutcomeUnknown if another attempt of a verb took effect, or was sent so recently that it still may."""
        tries = [known for known in self.verb_tries(book, verb, reference) if known.may_have_been_sent]
        pending = {
            step
            for step, known in unresolved(tries).items()
            if known.last_at is None or at - known.last_at < SETTLE_TIME
        }
        for known in tries:
            if known.attempt != attempt and (verdict_of(known) == "applied" or known.step in pending):
                raise OutcomeUnknown(
                    f"attempt {known.attempt} of {verb} {reference!r} was sent meanwhile, by another process: nothing "
                    "was sent. Make the same call again in five minutes",
                    reference=reference,
                )

    def claims(self, book: Book | None = None, reference: str | None = None) -> tuple[Claim, ...]:
        """Return the bills that were made and not withdrawn, or may have been made, of one reference or of all.

        Without `book`, of every book and mode. Raises ConfigurationError.
        """
        conditions = ["reference = ?"] * (reference is not None) + ["book = ?"] * (book is not None)
        where = " AND ".join(["verb = ''", *conditions])
        values = [*([reference] if reference is not None else []), *([book.name] if book is not None else [])]
        tries = [_try(row) for row in self._read(f"{_ALL_TRIES} WHERE {where} ORDER BY number", values)]
        about = " AND ".join(conditions) or "1 = 1"  # facts are about bills only
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

    def hand_over(self, book: Book, reference: str, source: tuple[str, str], why: str, at: datetime) -> int:
        """End the claim of the document that an import of `book` was made of; return how many tries that covers.

        Raises ConfigurationError if the journal cannot be written.
        """
        passed = [claim for claim in self.claims(book, reference) if (claim.account, claim.invoice_id) == source]
        return sum(
            self.release(Book(claim.account, book.name, claim.mode), reference, "released", why, at)
            for claim in passed
            if claim.account != book.account
        )

    def refuse_elsewhere(self, book: Book, reference: str, source: tuple[str, str] | None = None) -> None:
        """Raise BilledElsewhere if another account of the book has, or may have, a bill of this reference.

        `source` is the account and the id of the document that an import is made of: that bill does not count, if it is
        known to be made. A bill whose outcome is unknown counts, and so does another invoice of that account.
        """
        others = [claim for claim in self.claims(book, reference) if claim.account != book.account]
        other = next(
            (claim for claim in others if claim.state != "made" or (claim.account, claim.invoice_id) != source), None
        )
        if other is None:
            return
        what = f"is already billed by {other.invoice_id}" if other.invoice_id else "may already have been billed"
        raise BilledElsewhere(
            f"the reference {reference!r} {what} at {other.account.rstrip(':')}, in the book {book.name!r}; nothing "
            "was sent. If that invoice is void, retrieve() it with its own client and this journal; if the bill was "
            "never made, resolve() it there. Else a person can release the reference: "
            f"invoice-bridge journal release {shlex.quote(reference)} --why …",
            provider=other.provider,
            account=other.account,
            invoice_id=other.invoice_id,
            state=other.state,
        )

    def _read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._store.read(query, values)
