"""The memory of one client: the tries of its bills in its journal, if it has one, and its own recent requests.

Rules of this file: no clock and no network; the caller passes the time. An unreadable field of a journal counts as the
worst case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from invoice_bridge.adapter.answers import json_of
from invoice_bridge.adapter.declared import NO_HISTORY, History
from invoice_bridge.adapter.pages import Page
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.core.commands import Command, Find, ImportInvoice, NewInvoice, OnInvoice, verb_reference
from invoice_bridge.core.errors import ConfigurationError, IdempotencyMismatch, MalformedResponse
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.lookup import SETTLE_TIME, Resolution
from invoice_bridge.engine.supervise import Verdict, verdict
from invoice_bridge.journal.recent import RecentLosses
from invoice_bridge.journal.rows import (
    Book,
    Ended,
    Try,
    digest_of,
    digest_of_verb,
    name_of,
    unresolved,
    verdict_of,
)

if TYPE_CHECKING:
    from invoice_bridge.journal.protocol import BillJournal


@dataclass(slots=True)
class Exchange:
    """One request that is being sent, and its answer."""

    answer: Response | None = None
    ended: Ended | None = None
    """The request's end; None if the process died before it, which leaves the intent open."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """The known facts about a bill with an unknown outcome."""

    history: History
    last: datetime
    """The time of its last request."""
    last_try: int
    """The number of its last row in the journal."""


class Memory:
    """The memory of one client; threads can share it. `journal` is None if the client keeps none."""

    def __init__(
        self, provider: Provider, book: Book, journal: BillJournal | None, close: Callable[[], object] | None = None
    ) -> None:
        self.provider, self.book, self.journal, self._close = provider, book, journal, close
        self._recent = RecentLosses()

    def close(self) -> None:
        """Close the journal, if this memory owns it."""
        if self._close is not None:
            self._close()

    # ── before a call ────────────────────────────────────────────────────────────────────────────────────────────────
    def digest(self, command: NewInvoice | OnInvoice) -> str | None:
        """Return the digest of a command's content for the journal, None without one, or if it keeps none."""
        if self.journal is None or not getattr(self.journal, "keeps_digests", True):
            return None
        if isinstance(command, NewInvoice):
            return digest_of(command, self.provider.name)
        return digest_of_verb(command, self.book.account)

    def recall_verb(self, command: OnInvoice, now: datetime) -> History:
        """Return what is known of the earlier tries of a verb with a reference.

        Only requests with effects are journaled: one that was applied completed the verb. Raises IdempotencyMismatch if
        the journal has the reference with other content.
        """
        reference, name = verb_reference(command), name_of(command)
        if reference is None or name is None:
            return NO_HISTORY
        tries: list[Try] = []
        if self.journal is not None:
            digest = self.digest(command)
            self.journal.refuse_other_content(self.book, command.verb, reference, digest)
            known_tries = self.journal.verb_tries(self.book, command.verb, reference)
            tries = [known for known in known_tries if known.may_have_been_sent and known.digest == digest]
        lost = {attempt for attempt, at in self._recent.unresolved(name).items() if now - at < SETTLE_TIME} | {
            known.attempt
            for known in unresolved(tries).values()
            if known.last_at is None or now - known.last_at < SETTLE_TIME
        }
        keyless = not self.provider.idempotency.methods
        return History(
            tried=bool(tries) if self.journal is not None else None,
            applied=frozenset(known.step for known in tries if verdict_of(known) == "applied"),
            unsettled=any(attempt != command.attempt or keyless for attempt in lost),
        )

    def recall_find(self, command: Find) -> History:
        """Return the ids of the invoices that the journal has for a reference at this account, newest first."""
        if self.journal is None:
            return NO_HISTORY
        tries = [known for known in self.journal.tries(self.book, command.reference) if known.may_have_been_sent]
        return History(made=_ids(reversed(tries)))

    def recall(self, command: NewInvoice, first: datetime | None, now: datetime) -> History:
        """Return the known history of a bill's earlier tries. `first` is the time of the first try, from the caller.

        Raises BilledElsewhere, and IdempotencyMismatch if the journal has the reference with other content.
        """
        lost = self._recent.unresolved(command.reference)
        tries = self._tries(command)
        unknown = unresolved(tries)
        counted = [known for known in tries if verdict_of(known) == "applied" or known.step in unknown]
        if counted:  # a refused request made nothing
            history = self._of_tries(command, tries, counted, now)
        elif lost:  # this client recently lost the answer to a request of the bill, so it looks the bill up
            is_dear = self.provider.lookup is not None  # such a lookup reads each invoice, so it omits older ones
            history = History(tried=True, since=min(lost.values()) if is_dear else None)
        else:
            history = NO_HISTORY if self.journal is None else History(tried=False)
        if first is not None:
            known_since = history.since if history.tried else None
            history = replace(history, since=first if known_since is None else min(first, known_since))
        attempts = {attempt for attempt, at in lost.items() if now - at < SETTLE_TIME} | {
            known.attempt for known in unknown.values() if known.last_at is None or now - known.last_at < SETTLE_TIME
        }
        keyless = not self.provider.idempotency.methods  # without keys even the same attempt would take effect twice
        unsettled = any(attempt != command.attempt or keyless for attempt in attempts)
        return replace(history, unsettled=True) if unsettled else history

    def _of_tries(self, command: NewInvoice, tries: Sequence[Try], counted: Iterable[Try], now: datetime) -> History:
        began = [known.began_at for known in tries]
        since = None if None in began else min(at for at in began if at is not None)
        applied = [known for known in tries if verdict_of(known) == "applied"]
        return History(
            tried=True,
            since=None if since is not None and since > now else since,  # a clock that was ahead wrote it: unusable
            made=_ids(tries),
            mine=frozenset(_ids(known for known in tries if known.attempt == command.attempt)),
            applied=frozenset({known.key for known in applied if known.key} | {known.url for known in applied}),
            other_content=_is_other(counted, digest_of(command, self.provider.name)),
        )

    def _tries(self, command: NewInvoice) -> list[Try]:
        """Return the journal's requests of a bill that may have reached the provider, oldest first."""
        if self.journal is None:
            return []
        self.journal.refuse_elsewhere(self.book, command.reference, _source(command))
        tries = [known for known in self.journal.tries(self.book, command.reference) if known.may_have_been_sent]
        if all(known.digest is None for known in tries):  # none at all, most often
            return tries
        digest = digest_of(command, self.provider.name)
        pending = unresolved(tries)
        for known in tries:
            counts = verdict_of(known) == "applied" or known.step in pending
            if known.attempt == command.attempt and counts and known.digest not in {None, digest}:
                subject = f"the invoice {known.invoice_id}" if known.invoice_id else "a try"
                mismatch = IdempotencyMismatch(
                    f"the journal has the reference {command.reference!r} with other content ({subject}, "
                    f"{'' if known.began_at is None else known.began_at.isoformat()}); nothing was sent: give a new "
                    "bill a new reference"
                )
                mismatch.invoice_id = known.invoice_id
                raise mismatch
        return tries

    def recall_unsure(self, command: NewInvoice, first: datetime | None, now: datetime) -> Unsure:
        """Return the known facts about a bill with an unknown outcome. Raises ConfigurationError if there are none."""
        all_tries = () if self.journal is None else self.journal.tries(self.book, command.reference)
        tries = [known for known in all_tries if known.may_have_been_sent]
        if first is None and not tries:
            raise ConfigurationError(
                "resolve needs to know when the bill was first tried: pass since=…, or keep a journal from the start"
            )
        readable = [known.began_at for known in tries if known.began_at is not None and known.began_at <= now]
        given = [] if first is None else [first]
        begun = min([*readable, *given], default=None) if len(readable) == len(tries) else first
        last = list(self._recent.unresolved(command.reference).values())
        if (written_at := self._recent.last_write(command.reference)) is not None:  # regardless of `since`
            last.append(written_at)
        # an unreadable time, or one in the future, counts as now
        last += [now if known.last_at is None else min(known.last_at, now) for known in tries]
        is_other = _is_other(tries, digest_of(command, self.provider.name))
        return Unsure(
            History(since=begun, made=_ids(tries), other_content=is_other),
            max([*last, *given], default=now),
            max((known.number for known in all_tries), default=0),
        )

    # ── around a request ─────────────────────────────────────────────────────────────────────────────────────────────
    def intend(self, command: Command | None, request: Request, now: datetime, digest: str | None) -> int | None:
        """Record a request in the journal before it is sent; return the row's number, None if none was written.

        Raises BilledElsewhere, and ConfigurationError if the journal cannot be written.
        """
        if self.journal is None or not request.writes:
            return None
        if isinstance(command, NewInvoice):
            return self.journal.intend(
                self.book, command.reference, command.attempt, request, now, digest=digest, source=_source(command)
            )
        if isinstance(command, OnInvoice) and (own := verb_reference(command)) is not None:
            if not request.effects:  # what prepares a verb moves nothing; what has its effects completes it
                return None
            about = replace(request, invoice_id=command.id)
            return self.journal.intend(
                self.book, own, command.attempt, about, now, digest=digest, guarded=False, verb=command.verb
            )
        if (
            isinstance(command, OnInvoice)
            and (reference := self.journal.reference_of(self.book, command.id)) is not None
        ):
            about = replace(request, invoice_id=command.id)
            return self.journal.intend(self.book, reference, 0, about, now, guarded=False)
        return None

    def withdraw(self, number: int | None, now: datetime) -> None:
        """Record that the request of an intent was not sent."""
        if self.journal is not None and number is not None:
            self.journal.conclude(number, "not_sent", now, verdict="deferred")

    def conclude(self, context: Context, request: Request, number: int | None, what: Exchange, now: datetime) -> None:
        """Record the outcome of a request, in the journal and among this client's recent requests."""
        if not request.writes:
            return
        judged: Verdict | None = None
        if what.ended is not None:
            judged = "maybe" if what.ended == "lost" else "deferred"
        if what.answer is not None:
            judged = verdict(request, what.answer, context)
        if isinstance(context.command, NewInvoice) or request.effects:
            self._recent.note(context.command, request.key or f"{request.method} {request.url}", judged, now)
        if self.journal is not None and number is not None and what.ended is not None:
            status = None if what.answer is None else what.answer.status
            invoice_id = None if what.answer is None else self._id_in(what.answer)
            self.journal.conclude(number, what.ended, now, status=status, invoice_id=invoice_id, verdict=judged)

    def _id_in(self, answer: Response) -> str | None:
        try:
            return self.provider.invoice_id(json_of(answer)) if answer.status < 300 else None
        except MalformedResponse:
            return None

    # ── after a call ─────────────────────────────────────────────────────────────────────────────────────────────────
    def learn(self, command: Command, done: object, now: datetime, last_try: int | None) -> None:
        """Record in the journal which bills no longer claim their reference: void, deleted or absent.

        Raises ConfigurationError if the journal cannot be written.
        """
        if self.journal is None:
            return
        if isinstance(done, Resolution) and isinstance(command, NewInvoice):
            if done.state == "absent":
                self.journal.release(self.book, command.reference, "absent", done.why, now, last_try=last_try)
            invoices: Sequence[object] = done.invoices
        else:
            invoices = done.items if isinstance(done, Page) else (done,)
        if isinstance(command, ImportInvoice) and command.is_settled and isinstance(done, Invoice):
            self._hand_over(command, done, now)
        for invoice in invoices:
            if isinstance(invoice, Invoice) and invoice.status in {Status.VOID, Status.DELETED}:
                state: Literal["void", "deleted"] = "void" if invoice.status is Status.VOID else "deleted"
                self.journal.learn(self.book, invoice.id, state, "seen by a client", now)

    def _hand_over(self, command: ImportInvoice, done: Invoice, now: datetime) -> None:
        """End the source's claim on a reference whose document is settled there and was imported here.

        An open document keeps it until it is closed at the source, which the book learns as for any invoice.
        """
        source = _source(command)
        if self.journal is None or source is None:
            return
        why = f"imported as {done.id} at {self.book.account.rstrip(':')}"
        self.journal.hand_over(self.book, command.reference, source, why, now)


def _source(command: NewInvoice) -> tuple[str, str] | None:
    """The account and the id of the document that an import is made of."""
    if not isinstance(command, ImportInvoice) or command.source is None:
        return None
    return command.source.account_name, command.source.id


def _ids(tries: Iterable[Try]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(known.invoice_id for known in tries if known.invoice_id is not None))


def _is_other(tries: Iterable[Try], digest: str) -> bool:
    """Return whether one of these tries had other content than this bill."""
    return any(known.digest not in {None, digest} for known in tries)
