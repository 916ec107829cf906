"""Looks a bill up by its reference: the first step of every bill that nothing else protects, and `resolve`.

Rules of this file: a search index lags behind writes, so it is queried only if the idempotency key covers the lag:
before the first attempt of a bill without a known try. Everything else, and `resolve` always, reads listings. A lookup
is bounded; when it reaches the bound it reports that, and never "absent". No clock: the caller passes the time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from invoice_bridge.adapter.declared import NO_HISTORY, History, Matches
from invoice_bridge.adapter.lookup import _EPOCH, _ids, annotated, find_known, find_matches, finds_import, is_findable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core import idempotency
from invoice_bridge.core.commands import Bill, Command, Find, ImportInvoice, NewInvoice, Retrieve, verb_reference
from invoice_bridge.core.errors import (
    AlreadyBilled,
    AlreadySettled,
    Discrepancy,
    IdempotencyMismatch,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    Unsupported,
)
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Flow
from invoice_bridge.engine.imports import check_imported, keep_quiet
from invoice_bridge.engine.once import start_once

T = TypeVar("T")
_GONE = frozenset({Status.VOID, Status.DELETED})
SETTLE_TIME = timedelta(minutes=5)
"""How long after a lost request its effect may still land. Our own figure: no provider states one."""

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_SETTLED = _GONE | {Status.UNCOLLECTIBLE}


@dataclass(frozen=True, slots=True)
class Resolution:
    """The outcome of a bill, as far as the provider's listing shows it.

    found: `invoice` has the reference. absent: no invoice has it, and it is too late for one to appear: the bill can be
    sent again. ambiguous: several have it (`invoices`), or the listing could not be read to its end. too_early: none
    has it, but a lost request may still take effect. `why` is the reason in words.
    """

    state: Literal["found", "absent", "ambiguous", "too_early"]
    why: str
    invoice: Invoice | None = None
    invoices: tuple[Invoice, ...] = ()


def start(command: Command, context: Context, history: History = NO_HISTORY, *, lookup: Lookup = "auto") -> Flow[Any]:
    """Start a command's flow; a bill that may have been made before is looked up first, and continued.

    A verb that moves or records money looks for its reference itself; see engine/once.py. `find` reads first what the
    history knows to be made.

    If `history` is unsettled, a request of another attempt was lost less than SETTLE_TIME ago. It has another key, so
    it could still take effect and bill twice: nothing is written then. Raises OutcomeUnknown.
    """
    if isinstance(command, Find) and history.made:
        return find_known(command, context, history.made)
    if not isinstance(command, NewInvoice):
        is_once = verb_reference(command) is not None
        return start_once(command, context, history) if is_once else context.provider.flow(command, context)
    if history.applied:
        context = replace(context, done=history.applied)
    flow = context.provider.flow(command, context)
    if lookup != "never" and (lookup != "journal" or _is_repeat(command, history)):  # else the flow refuses by itself
        with suppress(StopIteration):
            next(flow)  # what can be refused is refused before the lookup too
        flow.close()
        flow = (
            _looked_up_first(command, context, history, lookup)
            if needs_lookup(command, context, history, lookup)
            else context.provider.flow(command, context)
        )
    flow = _found_again(command, context, history, flow)
    if isinstance(command, ImportInvoice):
        flow = keep_quiet(command, context, flow)
    return _checked(command, context, _reading_only(command, flow) if history.unsettled else flow)


def _is_repeat(command: NewInvoice, history: History) -> bool:
    """Whether an earlier try of a bill is known, or another key than this one's may have made it."""
    return bool(history.tried) or command.attempt > 1 or idempotency.KEY_VERSION > 1


class LookupNeeded(Unsupported):
    """A bill is refused because it cannot be looked up first; its requests are known nevertheless."""


def needs_lookup(command: NewInvoice, context: Context, history: History = NO_HISTORY, lookup: Lookup = "auto") -> bool:
    """Whether a bill is looked up before it is made.

    `lookup` is "always", "never", or "auto", which looks every bill up; "journal" declares the journal complete: a bill
    is looked up only if the journal has an earlier try. Raises Unsupported, with the alternatives and before anything
    is sent, if a needed lookup is impossible.
    """
    if lookup == "never":
        return False
    title = context.provider.title
    if lookup == "journal":
        if history.tried and not is_findable(command, context) and not history.made:
            raise Unsupported(
                f"the journal has an earlier try of {command.reference!r}, but {title} stores no reference of this "
                "bill that can be looked up; nothing was sent",
                remedy='check the provider\'s dashboard; if the bill was not made, make it with lookup="never"',
            )
        return _is_repeat(command, history)
    if not is_findable(command, context):
        if lookup == "auto" and history.made:
            return True
        raise LookupNeeded(
            f"{title} stores no reference of this bill that can be looked up, so a repetition would bill twice; "
            "nothing was sent",
            remedy="have the reference stored (see the losses); or keep a journal from the first bill on, with "
            'lookup="journal"; or pass lookup="never" if you know that it was not billed',
        )
    is_dear = context.provider.lookup is not None and not finds_import(command, context)
    if lookup == "auto" and is_dear and history.since is None and not history.tried:
        raise LookupNeeded(
            f"{title} has no cheap lookup: each invoice of the account costs a request; nothing was sent",
            remedy='keep a journal from the first bill on, with lookup="journal"; or state the earliest time of a '
            'first try: create(…, since=…); or pass lookup="always", or lookup="never" if it was not billed',
        )
    return True


def _checked(command: NewInvoice, context: Context, flow: Flow[T]) -> Flow[T]:
    """Check the result of a bill: it is this bill, not withdrawn, and not an unfinished draft.

    Raises AlreadySettled, Discrepancy, or OutcomeUnknown if the answers were about another bill.
    """
    done = yield from flow
    if not isinstance(done, Invoice):
        return done
    if done.reference not in {None, command.reference}:
        raise OutcomeUnknown(
            f"the answers were about {done.id}, which has the reference {done.reference!r}, not "
            f"{command.reference!r}: an intermediary mixes up the answers of {context.provider.title}. Look the "
            "reference up before you try again: resolve()",
            reference=command.reference,
        )
    if isinstance(command, ImportInvoice):
        check_imported(command, done)
        return done
    if isinstance(command, Bill) and done.status in _SETTLED:
        raise settled(command, done)
    if (
        done.status is Status.DRAFT
        and isinstance(command, Bill)
        and not command.draft
        and not context.natives.schedules
    ):
        raise Discrepancy(
            f"{done.id} should have been issued, but the last answer states that it is still a draft. Make the same "
            "bill again to continue from there",
            asked="an issued invoice",
            found=str(done.status),
            invoice=done,
        )
    return done


def settled(command: Bill, existing: Invoice) -> AlreadySettled:
    """Return the error for a bill whose invoice is void, deleted or uncollectible."""
    remedy = (
        f"to bill it again, pass attempt={command.attempt + 1}"
        if existing.status in _GONE
        else "it can still be paid, so it is not billed again"
    )
    return AlreadySettled(
        f"the reference {command.reference!r} has the invoice {existing.id}, which is {existing.status}; nothing was "
        f"billed: {remedy}",
        existing=existing,
    )


def _reading_only(command: NewInvoice, flow: Flow[T]) -> Flow[T]:
    """Drive a flow up to its first write, which is refused while another attempt's request may still take effect."""
    try:
        request = next(flow)
        while True:
            if request.writes:
                flow.close()
                yield from _not_now(command)
            try:
                answer = yield request
            except ProviderError as refusal:
                request = flow.throw(refusal)
            else:
                request = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def _found_again(command: NewInvoice, context: Context, history: History, flow: Flow[Any]) -> Flow[Any]:
    """Drive a bill's flow; look the bill up if the last refusal means that the provider has it already.

    A request that states the bill is refused because its key was used before: the reference belongs to a bill with
    other content. Raises IdempotencyMismatch, with that bill if the lookup finds it.

    An invoice no longer exists, and an earlier try of the request may have taken effect: the invoice got another id
    when it was issued. The flow continues from the invoice that has the reference.
    """
    stating: ProviderError | None = None
    try:
        request = next(flow)
        while True:
            try:
                answer = yield request
            except ProviderError as refusal:
                stating = refusal if request.states_bill or request.opens else None
                request = flow.throw(refusal)
            else:
                request = flow.send(answer)
    except StopIteration as done:
        return done.value
    except ProviderError as refusal:
        response = refusal.response
        if response is None or (refusal is not stating and not (isinstance(refusal, NotFound) and refusal.repeats)):
            raise
        if isinstance(refusal, NotFound):
            return (yield from _moved(command, context, history, refusal))
        if not context.provider.classify(response).key_reused:
            raise
        existing = yield from _owner_of_key(command, context, history)
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} was used before for a bill with other content"
            + (f", {_ids(existing)}" if existing else "")
            + "; nothing was billed: give a new bill a new reference",
            existing=existing[0] if existing else None,
        ) from refusal


def _owner_of_key(command: NewInvoice, context: Context, history: History) -> Flow[list[Invoice]]:
    """Return the invoices with the reference, of this customer or of any; none if they cannot be read."""
    existing: tuple[Invoice, ...] = ()
    with suppress(ProviderError):
        existing = (yield from find_matches(command, context, history)).invoices
        if not existing and command.customer is not None:  # the earlier one may be another customer's
            anybody = command.model_copy(update={"customer": None})
            existing = (yield from find_matches(anybody, context, history)).invoices
    return list(existing)


def _moved(command: NewInvoice, context: Context, history: History, refusal: NotFound) -> Flow[Any]:
    """Continue from the one issued invoice that has the reference of a draft that no longer exists."""
    if not is_findable(command, context):
        raise refusal
    seen = yield from find_matches(command, context, history)
    if len(seen.invoices) != 1 or seen.gap or seen.invoices[0].status is Status.DRAFT:
        raise refusal
    return (yield from context.provider.flow(command, replace(context, existing=seen.invoices[0])))


def resume(command: NewInvoice, context: Context, history: History = NO_HISTORY) -> Flow[Any]:
    """Look up a bill whose request failed, and continue from its invoice; return None if there is none.

    The bill is not made again then: a listing may not show yet what was made a moment ago.
    """
    if not is_findable(command, context):
        return None
    seen = yield from find_matches(command, context, history)
    existing = yield from _only_one(command, seen, context, history)
    if not existing:
        return None
    context = replace(context, existing=existing[0], done=history.applied)
    flow = _found_again(command, context, history, context.provider.flow(command, context))
    if isinstance(command, ImportInvoice):
        flow = keep_quiet(command, context, flow)
    return (yield from _checked(command, context, flow))


def _not_now(command: NewInvoice) -> Flow[Any]:
    yield from ()
    raise OutcomeUnknown(
        f"a request of another attempt at {command.reference!r} was lost less than {SETTLE_TIME // _MINUTE} minutes "
        "ago and may still take effect: nothing was billed. Call resolve() until it returns absent or found",
        reference=command.reference,
    )


def _looked_up_first(command: NewInvoice, context: Context, history: History, lookup: Lookup) -> Flow[Any]:
    """Look a bill up, then make it or continue from its invoice.

    The search index is used if no earlier try is known, since then only the key can be alive that covers its lag; with
    other keys (another attempt or version) and for known tries the listing is read.
    """
    is_first = command.attempt == 1 and idempotency.KEY_VERSION == 1 and lookup == "auto" and not history.tried
    covered = context.provider.idempotency.window >= _DAY  # an index may lag for an hour
    searches = context.provider.search if not finds_import(command, context) else None
    if searches is not None and is_first and covered and history.since is None:
        seen = yield from annotated(searches(command, context, history))
    else:
        seen = yield from find_matches(command, context, history)
    existing = yield from _only_one(command, seen, context, history)
    if not existing and seen.gap:
        raise Unsupported(
            f"it is unknown whether the reference {command.reference!r} was billed before: {seen.gap}; nothing was "
            "billed",
            remedy='keep a journal from the first bill on, with lookup="journal"; or pass lookup="never" if you know '
            "that it was not billed",
        )
    if existing and isinstance(command, Bill) and existing[0].status in _SETTLED:
        raise settled(command, existing[0])
    if existing:
        context = replace(context, existing=existing[0])
    return (yield from context.provider.flow(command, context))


def _only_one(command: NewInvoice, seen: Matches, context: Context, history: History) -> Flow[list[Invoice]]:
    """Return the one invoice of this bill, or none. Several are read again: one may have got another id meanwhile."""
    live = _live(command, seen, history)
    if len(live) > 1:
        live = yield from _still_there(live, context)
    if len(live) > 1:
        raise AlreadyBilled(
            f"the reference {command.reference!r} is on {len(live)} invoices, {_ids(live)}; nothing was "
            "done: void or delete all but one at the provider, then make the bill again",
            existing=live[0],
        )
    return live


def _still_there(invoices: list[Invoice], context: Context) -> Flow[list[Invoice]]:
    """Read invoices again, and omit those that no longer exist: an issued draft may get another id."""
    there: list[Invoice] = []
    for invoice in invoices:
        again = Retrieve(id=invoice.id, whole=False)
        with suppress(NotFound):
            there.append((yield from annotated(context.provider.flow(again, context.on(again)))))
    return there


def _live(command: NewInvoice, seen: Matches, history: History) -> list[Invoice]:
    """Return the invoices of this bill: those that were not withdrawn, else the newest that was.

    A second attempt, made after a final refusal, ignores withdrawn invoices, except for its own.
    """
    if isinstance(command, ImportInvoice):  # a void one is an import that is done
        return list(seen.invoices)
    live = [invoice for invoice in seen.invoices if invoice.status not in _GONE]
    gone = [one for one in seen.invoices if one.status in _GONE and (command.attempt == 1 or one.id in history.mine)]
    return live or sorted(gone, key=lambda one: one.created_at or _EPOCH)[-1:]


def resolve(
    command: NewInvoice, context: Context, history: History = NO_HISTORY, *, now: datetime, last: datetime
) -> Flow[Resolution]:
    """Find out the outcome of a bill; `last` is when its last request was sent, `now` is now."""
    if not is_findable(command, context):
        return Resolution(
            "ambiguous", f"{context.provider.title} does not return the reference of this bill in a listing"
        )
    seen = yield from find_matches(command, context, history)
    live = (_live(command, seen, history) if command.attempt > 1 else []) or list(seen.invoices)
    if len(live) > 1:
        live = (yield from _still_there(live, context)) or live
    if len(live) > 1:
        return Resolution("ambiguous", f"the reference is on {len(live)} invoices: {_ids(live)}", invoices=tuple(live))
    if live:
        return Resolution("found", f"{live[0].id} has the reference and is {live[0].status}", live[0], tuple(live))
    if seen.gap:
        return Resolution("ambiguous", seen.gap)
    if now - last < SETTLE_TIME:
        wait = -(-(SETTLE_TIME - (now - last)) // timedelta(seconds=1))
        return Resolution(
            "too_early", f"no invoice has the reference, but one may still appear: call again in {wait} s"
        )
    return Resolution("absent", "no invoice has the reference, and the last known try is too old to take effect")
