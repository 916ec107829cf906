"""The rows of a journal, and their claims on a reference: made, unknown or none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from invoice_bridge.core.commands import ImportInvoice, NewInvoice, OnInvoice, verb_reference
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.natives import canonical
from invoice_bridge.core.values import shortest
from invoice_bridge.engine.supervise import Verdict

Ended = Literal["not_sent", "lost", "answered"]
State = Literal["void", "deleted", "absent", "released"]
"""The reason why a bill no longer claims its reference: its invoice is void or deleted, `resolve` returned absent, or a
person released it."""
_LONGEST_ID = 255
_NO_TRY = -(2**63) - 1
"""Below every row number."""
_MODES = frozenset({"test", "live"})
_EMPTY: tuple[Any, ...] = ("", [], {})


@dataclass(frozen=True, slots=True)
class Book:
    """The owner of a client's rows: its book, its account ("stripe:acct_1") and its mode ("test", "live" or unknown).

    Rows of another mode belong to another book. An unknown mode matches any.
    """

    account: str
    name: str = "default"
    mode: str = ""

    def shares_mode(self, mode: str) -> bool:
        """Return whether rows of that mode may be about the same money."""
        return not self.mode or not mode or self.mode == mode


@dataclass(frozen=True, slots=True)
class Try:
    """One writing request of a bill. `ended` is None if the process ended first, or the request is in progress.

    `began_at` is None if it cannot be read: the request counts as sent at an unknown time.
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
    verb: str = ""
    """The verb whose reference this is, if it moves or records money; else empty: a bill's."""

    @property
    def may_have_been_sent(self) -> bool:
        """Return whether the request may have reached the provider."""
        return self.ended != "not_sent"

    @property
    def last_at(self) -> datetime | None:
        """Return the time when the request ended, or else began."""
        return self.ended_at or self.began_at

    @property
    def step(self) -> str:
        """Return the name that repeats of the same request share: its key, or else its method and URL."""
        return self.key or f"{self.method} {self.url}"


@dataclass(frozen=True, slots=True)
class Fact:
    """The end of a bill's claim on its reference at an account; it covers the tries up to `last_try`."""

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
    """A bill of a reference at one account that was made and is not withdrawn, or that may have been made."""

    account: str
    mode: str
    reference: str
    book: str
    state: Literal["made", "unknown"]
    invoice_id: str | None
    since: datetime | None

    @property
    def provider(self) -> str:
        """Return the provider's name."""
        return self.account.partition(":")[0]


_NATIVES = ("native", "native_unchecked")


def digest_of(command: NewInvoice, provider: str) -> str:
    """Return a digest of a bill's or import's content as one provider gets it: a reference has one content."""
    content: dict[str, Any] = command.model_dump(mode="json", exclude={"reference", "attempt", "customer", *_NATIVES})
    content |= _natives(command, provider)
    if isinstance(command, ImportInvoice):  # how far it is taken now, not what it is
        del content["armed"], content["mail"]
    for line, written in zip(command.lines, content["lines"], strict=True):
        if not line.discount:  # one of zero takes nothing off
            written["discount"] = None
        written["quantity"] = None if line.quantity is None else f"{shortest(line.quantity):f}"
    if command.lines:  # they come to it
        content.pop("amount", None)
    customer = command.customer
    content["customer"] = None if customer is None else (customer.at(provider) or [customer.email, customer.name])
    return hashlib.sha256(dumps([command.verb, _stated(content)])).hexdigest()


def _natives(command: NewInvoice | OnInvoice, provider: str) -> dict[str, str]:
    """The native parameters for one provider, each mapping as one text: false and empty values are content too."""
    stated = {name: getattr(command, name, {}).get(provider) for name in _NATIVES}
    return {name: canonical(natives) for name, natives in stated.items() if natives}


def digest_of_verb(command: OnInvoice, account: str) -> str:
    """Return a digest of a verb's content at one account: the same reference must have the same content.

    `expect` is no content: it is what the caller saw before.
    """
    content: dict[str, Any] = command.model_dump(mode="json", exclude={"reference", "attempt", "expect", *_NATIVES})
    content |= _natives(command, account.partition(":")[0])
    return hashlib.sha256(dumps([account, command.verb, _stated(content)])).hexdigest()


def name_of(command: object) -> str | None:
    """Return the name under which a client remembers a command's recent requests; None for one without a reference.

    A line break keeps a verb's references apart from those of bills, which have printable characters only.
    """
    if isinstance(command, NewInvoice):
        return command.reference
    reference = verb_reference(command)
    return None if reference is None or not isinstance(command, OnInvoice) else f"{command.verb}\n{reference}"


def _stated(value: Any) -> Any:
    """Return a bill's content in a fixed order, without empty values: a field of a later version changes no digest."""
    if isinstance(value, dict):
        stated = {name: _stated(value[name]) for name in sorted(value)}
        return {
            name: inner for name, inner in stated.items() if not (inner is None or inner is False or inner in _EMPTY)
        }
    return [_stated(inner) for inner in value] if isinstance(value, list) else value


def verdict_of(known: Try) -> Verdict | None:
    """Return the verdict on a row's request; rows of schema 1 have only the status."""
    if known.verdict is not None or known.ended is None:
        return known.verdict
    if known.ended != "answered":
        return "maybe" if known.ended == "lost" else "deferred"
    status = known.status
    if status is None or status >= 500 or status == 409:
        return "maybe"
    return "applied" if status < 300 else "deferred" if status == 429 else "refused"


def unresolved(tries: Iterable[Try]) -> dict[str, Try]:
    """Return the steps that may have taken effect, or may still do so, and whose outcome no answer shows.

    `tries` are those of one reference, oldest first. A step is one request with its repeats: because they share a key,
    an answer to one of them resolves all. The row of a step is the last one that was sent.
    """
    pending: dict[str, Try] = {}
    for known in tries:
        verdict = verdict_of(known)
        if verdict in {"applied", "refused"} and known.ended == "answered":
            pending.pop(known.step, None)
        elif verdict in {"maybe", None} or (known.step in pending and known.may_have_been_sent):
            pending[known.step] = known
    return pending


def _claim(rows: list[Try], facts: list[Fact]) -> tuple[Literal["made", "unknown"], str | None, datetime | None] | None:
    """Return the claim that the tries of a reference at one account still have after the known ends of claims."""
    covered = max((fact.last_try for fact in facts if fact.invoice_id is None), default=_NO_TRY)
    rows = [known for known in rows if known.number > covered]
    pending = unresolved(rows)
    for fact in facts:
        if fact.invoice_id is None:
            continue
        before = [known for known in rows if known.number <= fact.last_try]
        attempts = {known.attempt for known in before if known.invoice_id == fact.invoice_id and known.attempt}
        ids = {known.invoice_id for known in before if known.attempt in attempts} - {None} | {fact.invoice_id}
        # one attempt makes one invoice, whose id may change when it is issued; after that invoice has ended, the same
        # attempt makes another one
        rows = [
            known
            for known in rows
            if known.invoice_id not in ids
            and (
                known.number > fact.last_try or known.attempt not in attempts or _may_have_made_another(known, pending)
            )
        ]
    pending = unresolved(rows)
    applied = [known for known in rows if verdict_of(known) == "applied" and known.may_have_been_sent]
    if not applied and not pending:
        return None
    last = applied[-1] if applied else None
    since = min(
        (known.began_at for known in rows if known.may_have_been_sent and known.began_at is not None), default=None
    )
    return ("made" if applied else "unknown", None if last is None else last.invoice_id, since)


def _may_have_made_another(known: Try, pending: dict[str, Try]) -> bool:
    """Return whether a try whose attempt made an invoice may have made a second one: no answer or key rules it out.

    A server error may follow a write that took effect, and may free its key; see `Idempotency.keeps_failures`.
    """
    return known.step in pending and (known.key is None or (known.status or 0) >= 500)


def _try(row: tuple[Any, ...]) -> Try:
    """Read a row. An unreadable field counts as the worst case: sent, at an unknown time, with an unknown end."""
    number, account, reference, attempt, method, url, key, began, ended_at, ended, status, invoice_id, *new = row
    book, mode, digest, verdict, verb = new
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
        str(verb),
    )


def _fact(row: tuple[Any, ...]) -> Fact:
    """Read a fact. It covers no try if its last try cannot be read."""
    number, book, account, mode, reference, invoice_id, state, why, at, last = row
    covered = last if isinstance(last, int) else _NO_TRY
    return Fact(number, book, account, mode, reference, invoice_id, state, str(why), _instant(at), covered)


def _instant(text: object) -> datetime | None:
    """Return an aware instant, or None if the text is not one."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if instant is None or instant.tzinfo is None else instant
