"""The journal that a worker gives its client: what the ledger knows of the item in hand, and the fence.

Rules of this file: no statement of the ledger is run. The claim was the intent of every request of an item; `intend`
only checks that the claim still holds, that the request belongs to the item, and that history is not charged. An item
that was taken before counts as tried since then, so that the client looks it up first, and a document that was made
counts as made.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.wire import Effect, Request
from invoice_bridge.engine.lookup import SETTLE_TIME
from invoice_bridge.engine.supervise import Verdict
from invoice_bridge.journal.rows import Book, Ended, State, Try
from invoice_bridge.migrate.errors import ForbiddenEffect
from invoice_bridge.migrate.leases import Fence
from invoice_bridge.migrate.values import Item

if TYPE_CHECKING:
    from invoice_bridge.core.model import Invoice
    from invoice_bridge.journal.protocol import BillJournal

__all__ = ["Course", "ItemJournal"]

_CHARGES = frozenset({Effect.MAILS, Effect.COLLECTS})


@dataclass
class Course:
    """An item in hand, and how many of its writing requests may have left."""

    item: Item
    intended: int = 0
    not_sent: int = 0
    forbidden: list[str] = field(default_factory=list)
    book: Book | None = None
    """The target's book of the application, if there is one."""
    source: tuple[str, str] | None = None
    handed: list[tuple[Book, str, tuple[str, str], str, datetime]] = field(default_factory=list)
    """The source's claims that end once the target's is kept."""

    @property
    def sent(self) -> int:
        """Return how many requests may have left."""
        return self.intended - self.not_sent


class ItemJournal:
    """The journal of a worker's items; a BillJournal. Each thread has one item in hand at a time.

    `kept` is the application's own journal, if it keeps one: a reference moves in it from the source to the target.
    """

    keeps_digests = False
    """An item's operation never changes."""

    def __init__(self, fence: Fence) -> None:
        self._fence, self._threads = fence, threading.local()
        self.kept: BillJournal | None = None

    @contextmanager
    def on(self, item: Item) -> Iterator[Course]:
        """Take an item in hand: the block makes its requests in this thread."""
        course = Course(item)
        self._threads.course = course
        try:
            yield course
        finally:
            self._threads.course = None

    def _course(self) -> Course:
        course: Course | None = getattr(self._threads, "course", None)
        if course is None:
            raise ConfigurationError("this thread has no item of the ledger in hand; nothing was sent")
        return course

    # ── what the client asks ─────────────────────────────────────────────────────────────────────────────────────────
    def tries(self, book: Book, reference: str) -> tuple[Try, ...]:
        """Return the try that an earlier claim may have made, or the document that an earlier stage has made.

        The try is dated a little before its time: its effect has had its settling time, or the ledger would not have
        given the item out. The document is read by its id, however old it is: the key that made it may be forgotten.
        """
        item = self._course().item
        known = item.target_id if item.stage == "arm" else None
        if item.reference != reference or not (item.is_repeat or known):
            return ()
        began = item.first_sent_at - SETTLE_TIME
        ended: Ended | None = None if item.is_repeat else "answered"
        status = None if item.is_repeat else 200
        return (
            Try(
                0, book.account, reference, item.attempt, "POST", "", None, began, None, ended, status, known, book.name
            ),
        )

    def verb_tries(self, book: Book, verb: str, reference: str) -> tuple[Try, ...]:  # noqa: ARG002
        """Return none: verbs with a reference search the invoice for it."""
        return ()

    def refuse_other_content(self, book: Book, verb: str, reference: str, digest: str | None) -> None:
        """Refuse nothing: see `keeps_digests`."""

    def refuse_elsewhere(self, book: Book, reference: str, source: tuple[str, str] | None = None) -> None:
        """Raise BilledElsewhere if the application's book has the reference, and not for the item's own source."""
        course = self._course()
        course.book, course.source = book, source
        if self.kept is not None:
            self.kept.refuse_elsewhere(book, reference, source)

    def reference_of(self, book: Book, invoice_id: str) -> str | None:  # noqa: ARG002
        """Return the reference of the item in hand, so that verbs on invoices pass the fence too."""
        return self._course().item.reference

    # ── around a request ─────────────────────────────────────────────────────────────────────────────────────────────
    def intend(
        self,
        book: Book,  # noqa: ARG002
        reference: str,  # noqa: ARG002
        attempt: int,  # noqa: ARG002
        request: Request,
        at: datetime,  # noqa: ARG002
        *,
        digest: str | None = None,  # noqa: ARG002
        guarded: bool = True,  # noqa: ARG002
        verb: str = "",  # noqa: ARG002
        source: tuple[str, str] | None = None,  # noqa: ARG002
    ) -> int:
        """Let a request of the item in hand be sent. Raises LeaseExpired and ForbiddenEffect."""
        course = self._course()
        effects = sorted(effect.value for effect in request.effects & _CHARGES)
        if course.item.history and effects:
            course.forbidden += effects
            raise ForbiddenEffect(
                f"{request.method} {request.path} {' and '.join(effects)}, and {course.item.reference!r} is history, "
                "which is never charged again; nothing was sent"
            )
        self._fence.check()
        course.intended += 1
        return course.intended

    def conclude(
        self,
        number: int,  # noqa: ARG002
        ended: Ended,
        at: datetime,  # noqa: ARG002
        *,
        status: int | None = None,  # noqa: ARG002
        invoice_id: str | None = None,  # noqa: ARG002
        verdict: Verdict | None = None,  # noqa: ARG002
    ) -> None:
        """Count a request that did not leave."""
        if ended == "not_sent":
            self._course().not_sent += 1

    def learn(self, book: Book, invoice_id: str, state: State, why: str, at: datetime) -> bool:
        """Let the application's book learn that an invoice is void or deleted; the ledger is written by `settle`."""
        return self.kept is not None and self.kept.learn(book, invoice_id, state, why, at)

    def release(
        self,
        book: Book,  # noqa: ARG002
        reference: str,  # noqa: ARG002
        state: State,  # noqa: ARG002
        why: str,  # noqa: ARG002
        at: datetime,  # noqa: ARG002
        *,
        last_try: int | None = None,  # noqa: ARG002
    ) -> int:
        """Release nothing: no command of a migration resolves a bill."""
        return 0

    def hand_over(self, book: Book, reference: str, source: tuple[str, str], why: str, at: datetime) -> int:
        """End the source's claim once the target's is kept: see `pass_on`."""
        self._course().handed.append((book, reference, source, why, at))
        return 0

    def pass_on(self, made: Invoice) -> None:
        """Keep the target's claim on the item's reference in the application's book, then end the source's.

        In this order, so that at no instant nobody has the reference. Raises ConfigurationError.
        """
        course, kept = self._course(), self.kept
        book, reference = course.book, course.item.reference
        if kept is None or book is None:
            return
        try:
            if all(known.invoice_id != made.id for known in kept.tries(book, reference)):
                now = datetime.now(UTC)
                request = Request("POST", "", note="moved by a migration")
                number = kept.intend(book, reference, course.item.attempt, request, now, source=course.source)
                kept.conclude(number, "answered", now, status=200, invoice_id=made.id, verdict="applied")
            for handed in course.handed:
                kept.hand_over(*handed)
        except ConfigurationError as failure:
            failure.outcome = "done_unread"  # the document is there: the item is looked up, and this is tried again
            raise
