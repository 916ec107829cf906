"""What a client asks of a journal: `Journal` is one, and `journal=` takes any other object that has these methods."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from invoice_bridge.core.wire import Request
from invoice_bridge.engine.supervise import Verdict
from invoice_bridge.journal.rows import Book, Ended, State, Try

__all__ = ["BillJournal"]


@runtime_checkable
class BillJournal(Protocol):
    """A journal of tried requests, as a client uses it; threads share it.

    `intend` is called before every writing request of a bill, and before every verb on an invoice whose reference the
    journal knows. What it raises keeps the request from being sent: ConfigurationError, or BilledElsewhere. A journal
    that a client is given is not closed by the client.

    A journal that compares no contents may have `keeps_digests = False`: it is then given None in place of a digest.
    """

    def tries(self, book: Book, reference: str) -> tuple[Try, ...]:
        """Return the tries of a bill at an account, oldest first. Raises ConfigurationError."""
        ...

    def verb_tries(self, book: Book, verb: str, reference: str) -> tuple[Try, ...]:
        """Return the tries of a verb's own reference, oldest first. Raises ConfigurationError."""
        ...

    def refuse_other_content(self, book: Book, verb: str, reference: str, digest: str | None) -> None:
        """Raise IdempotencyMismatch if the book has, or may have, a verb's reference with other content."""
        ...

    def refuse_elsewhere(self, book: Book, reference: str, source: tuple[str, str] | None = None) -> None:
        """Raise BilledElsewhere if another account of the book has, or may have, a bill of this reference.

        `source` is the account and the id of the document that an import is made of: that bill does not count.
        """
        ...

    def reference_of(self, book: Book, invoice_id: str) -> str | None:
        """Return the reference of the bill that made an invoice, None if unknown. Raises ConfigurationError."""
        ...

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
        """Allow a request to be sent now, and return a number for its outcome.

        Raises ConfigurationError or BilledElsewhere if it must not be sent.
        """
        ...

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
        """Record the outcome of a request. Never raises."""
        ...

    def learn(self, book: Book, invoice_id: str, state: State, why: str, at: datetime) -> bool:
        """Record that an invoice is void or deleted; return whether the journal has the bill that made it."""
        ...

    def release(
        self, book: Book, reference: str, state: State, why: str, at: datetime, *, last_try: int | None = None
    ) -> int:
        """End the claim of every try of a reference; return how many tries that covers."""
        ...

    def hand_over(self, book: Book, reference: str, source: tuple[str, str], why: str, at: datetime) -> int:
        """End the claim of the document that an import was made of; return how many tries that covers."""
        ...
