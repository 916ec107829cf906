"""Looking a bill up by its reference: the first step of every bill that nothing else protects, and `resolve`.

Rules of this file: a search index lags behind what was written, so it is asked only where the idempotency key covers
the lag: before the first attempt of a bill of which no try is known. Everything else, and `resolve` always, reads
listings. A lookup is bounded; where the bound is reached it says so and never passes for "absent". No clock: the caller
says what time it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from invoice_bridge.adapter.declared import NO_HISTORY, History, Matches
from invoice_bridge.adapter.lookup import _EPOCH, _ids, annotated, find_matches, is_findable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core import idempotency
from invoice_bridge.core.commands import Bill, Command, Retrieve
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

T = TypeVar("T")
_GONE = frozenset({Status.VOID, Status.DELETED})
SETTLE_TIME = timedelta(minutes=5)
"""How long after a lost request its effect may still land. Our own figure: no provider states one."""

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_SETTLED = _GONE | {Status.UNCOLLECTIBLE}


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of a bill, as far as the provider's listing shows.

    found: `invoice` carries the reference. absent: no invoice does, and it is too late for one to appear: the bill may
    be sent again. ambiguous: several do (`invoices`), or the listing could not be read to its end. too_early: none
    does, but a request that was lost may still take effect. `why` says it in words.
    """

    state: Literal["found", "absent", "ambiguous", "too_early"]
    why: str
    invoice: Invoice | None = None
    invoices: tuple[Invoice, ...] = ()


def start(command: Command, context: Context, history: History = NO_HISTORY, *, lookup: Lookup = "auto") -> Flow[Any]:
    """Begin a command's flow; a bill that may have been made before is looked up first, and gone on with.

    Where `history` is unsettled, a request of another attempt was lost less than SETTLE_TIME ago. Its key is another
    one, so that it would take effect a second time if it landed: nothing is written then. Raises OutcomeUnknown.
    """
    if not isinstance(command, Bill):
        return context.provider.flow(command, context)
    if history.applied:
        context = replace(context, done=history.applied)
    flow = context.provider.flow(command, context)
    if lookup != "never":
        with suppress(StopIteration):
            next(flow)  # what can be refused is refused before the lookup too
        flow.close()
        flow = (
            _looked_up_first(command, context, history, lookup)
            if needs_lookup(command, context, history, lookup)
            else context.provider.flow(command, context)
        )
    flow = _found_again(command, context, history, flow)
    return _checked(command, context, _reading_only(command, flow) if history.unsettled else flow)


class LookupNeeded(Unsupported):
    """A bill is refused because it cannot be looked up first; what it would send is known all the same."""


def needs_lookup(command: Bill, context: Context, history: History = NO_HISTORY, lookup: Lookup = "auto") -> bool:
    """Whether a bill is looked up before it is made.

    `lookup` "always" and "never" mean what they say. "journal" declares the journal complete: a bill is looked up where
    that knows an earlier try, and nowhere else. "auto" looks up every bill. Raises Unsupported where a lookup that is
    needed cannot be had: before anything is sent, with the ways out.
    """
    if lookup == "never":
        return False
    title = context.provider.title
    if lookup == "journal":
        if history.tried and not is_findable(command, context) and not history.made:
            raise Unsupported(
                f"the journal knows a try of {command.reference!r}, and {title} does not carry the reference of this "
                "bill where it could be looked up; nothing was sent",
                remedy='find out in the provider\'s dashboard; then lookup="never" makes it, if it was not made',
            )
        return bool(history.tried) or command.attempt > 1 or idempotency.KEY_VERSION > 1
    if not is_findable(command, context):
        if lookup == "auto" and history.made:
            return True
        raise LookupNeeded(
            f"{title} does not carry the reference of this bill where it could be looked up, so that a second bill "
            "could not be told from the first; nothing was sent",
            remedy="let the reference be carried (see the losses); or keep a journal from the first bill on and write "
            'lookup="journal"; or write lookup="never" if you know that it was not billed',
        )
    if lookup == "auto" and context.provider.lookup is not None and history.since is None and not history.tried:
        raise LookupNeeded(
            f"{title} has no way to look a bill up cheaply: each invoice of the account costs a request of its own; "
            "nothing was sent",
            remedy='keep a journal from the first bill on and write lookup="journal"; or say when it can have been '
            'tried first: create(…, since=…); or write lookup="always", or lookup="never" if it was not billed',
        )
    return True


def _checked(command: Bill, context: Context, flow: Flow[T]) -> Flow[T]:
    """Check how a bill ended: it is this bill, it is not withdrawn, and it is no draft that was left unfinished.

    Raises AlreadySettled, Discrepancy, or OutcomeUnknown where the answers were about another bill.
    """
    done = yield from flow
    if not isinstance(done, Invoice):
        return done
    if done.reference not in {None, command.reference}:
        raise OutcomeUnknown(
            f"the answers were about {done.id}, which carries the reference {done.reference!r} and not "
            f"{command.reference!r}: something between here and {context.provider.title} mixes answers up. Look the "
            "reference up before you try again: resolve()",
            reference=command.reference,
        )
    if done.status in _SETTLED:
        raise settled(command, done)
    if done.status is Status.DRAFT and not command.draft:
        raise Discrepancy(
            f"{done.id} was to be issued, and the last answer says that it is still a draft. The same bill made again "
            "reads it and goes on from there",
            asked="an issued invoice",
            found=str(done.status),
            invoice=done,
        )
    return done


def settled(command: Bill, existing: Invoice) -> AlreadySettled:
    """The error for a bill whose invoice is void, deleted or uncollectible."""
    way = (
        f"to bill it again, write attempt={command.attempt + 1}"
        if existing.status in _GONE
        else "it can still be paid, so it is not billed again"
    )
    return AlreadySettled(
        f"the reference {command.reference!r} has the invoice {existing.id}, which is {existing.status}; nothing was "
        f"billed: {way}",
        existing=existing,
    )


def _reading_only(command: Bill, flow: Flow[T]) -> Flow[T]:
    """Drive a flow up to its first write, which another attempt's request that may still land forbids."""
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


def _found_again(command: Bill, context: Context, history: History, flow: Flow[Any]) -> Flow[Any]:
    """Drive a bill's flow; look the bill up where its last refusal says that the provider has it already.

    A request that states the bill and is refused because its key was used before: the reference is that of a bill of
    other content. Raises IdempotencyMismatch then, with that bill where it can be found.

    An invoice that is not there any more, where an earlier try of the request may have taken effect: it got another id
    when it was issued. The flow goes on from the invoice that the reference finds.
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
            f"the reference {command.reference!r} was used before for a bill of other content"
            + (f", {_ids(existing)}" if existing else "")
            + "; nothing was billed: give a new bill a new reference",
            existing=existing[0] if existing else None,
        ) from refusal


def _owner_of_key(command: Bill, context: Context, history: History) -> Flow[list[Invoice]]:
    """The invoices that have the reference, the customer's or anybody's; none where they cannot be read."""
    existing: tuple[Invoice, ...] = ()
    with suppress(ProviderError):
        existing = (yield from find_matches(command, context, history)).invoices
        if not existing and command.customer is not None:  # the earlier one may be another customer's
            anybody = command.model_copy(update={"customer": None})
            existing = (yield from find_matches(anybody, context, history)).invoices
    return list(existing)


def _moved(command: Bill, context: Context, history: History, refusal: NotFound) -> Flow[Any]:
    """Go on from the one issued invoice that has the reference of a draft that is not there any more."""
    if not is_findable(command, context):
        raise refusal
    seen = yield from find_matches(command, context, history)
    if len(seen.invoices) != 1 or seen.gap or seen.invoices[0].status is Status.DRAFT:
        raise refusal
    return (yield from context.provider.flow(command, replace(context, existing=seen.invoices[0])))


def resume(command: Bill, context: Context, history: History = NO_HISTORY) -> Flow[Any]:
    """Look a bill up whose request failed, and go on from what is found; None where nothing is.

    It is not made again then: a listing may not show yet what was made a moment ago.
    """
    if not is_findable(command, context):
        return None
    seen = yield from find_matches(command, context, history)
    existing = yield from _only_one(command, seen, context, history)
    if not existing:
        return None
    context = replace(context, existing=existing[0], done=history.applied)
    flow = _found_again(command, context, history, context.provider.flow(command, context))
    return (yield from _checked(command, context, flow))


def _not_now(command: Bill) -> Flow[Any]:
    yield from ()
    raise OutcomeUnknown(
        f"a request of another attempt at {command.reference!r} was lost less than {SETTLE_TIME // _MINUTE} minutes "
        "ago and may still take effect: nothing was billed. Ask resolve() until it says absent or found",
        reference=command.reference,
    )


def _looked_up_first(command: Bill, context: Context, history: History, lookup: Lookup) -> Flow[Any]:
    """Look a bill up, then make it or go on with what was found.

    The search index answers where nothing is known of an earlier try, for then only the key can be alive that covers
    its lag; with other keys (another attempt or version) and for known tries the listing does.
    """
    is_first = command.attempt == 1 and idempotency.KEY_VERSION == 1 and lookup == "auto" and not history.tried
    covered = context.provider.idempotency.window >= _DAY  # an index may lag for an hour
    if context.provider.search is not None and is_first and covered and history.since is None:
        seen = yield from annotated(context.provider.search(command, context, history))
    else:
        seen = yield from find_matches(command, context, history)
    existing = yield from _only_one(command, seen, context, history)
    if not existing and seen.gap:
        raise Unsupported(
            f"whether the reference {command.reference!r} was billed before is not known: {seen.gap}; nothing was "
            "billed",
            remedy='keep a journal from the first bill on and write lookup="journal"; or write lookup="never" if you '
            "know that it was not billed",
        )
    if existing and existing[0].status in _SETTLED:
        raise settled(command, existing[0])
    if existing:
        context = replace(context, existing=existing[0])
    return (yield from context.provider.flow(command, context))


def _only_one(command: Bill, seen: Matches, context: Context, history: History) -> Flow[list[Invoice]]:
    """The one invoice that is this bill, or none. Several are read once more: one may have got another id meanwhile."""
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
    """Read invoices again and leave out those that are gone: a draft that is issued may get another id."""
    there: list[Invoice] = []
    for invoice in invoices:
        again = Retrieve(id=invoice.id)
        with suppress(NotFound):
            there.append((yield from annotated(context.provider.flow(again, context.on(again)))))
    return there


def _live(command: Bill, seen: Matches, history: History) -> list[Invoice]:
    """The invoices that are this bill: those that were not withdrawn, else the newest that was.

    A second attempt, made after a final refusal, passes over what was withdrawn, but for what it made itself.
    """
    live = [invoice for invoice in seen.invoices if invoice.status not in _GONE]
    gone = [one for one in seen.invoices if one.status in _GONE and (command.attempt == 1 or one.id in history.mine)]
    return live or sorted(gone, key=lambda one: one.created_at or _EPOCH)[-1:]


def resolve(
    command: Bill, context: Context, history: History = NO_HISTORY, *, now: datetime, last: datetime
) -> Flow[Resolution]:
    """Say what became of a bill whose outcome is unknown; `last` is when its last request left, `now` is now."""
    if not is_findable(command, context):
        return Resolution(
            "ambiguous", f"{context.provider.title} does not carry the reference of this bill in a listing"
        )
    seen = yield from find_matches(command, context, history)
    live = (_live(command, seen, history) if command.attempt > 1 else []) or list(seen.invoices)
    if len(live) > 1:
        live = (yield from _still_there(live, context)) or live
    if len(live) > 1:
        return Resolution("ambiguous", f"the reference is on {len(live)} invoices: {_ids(live)}", invoices=tuple(live))
    if live:
        return Resolution("found", f"{live[0].id} carries it, {live[0].status}", live[0], tuple(live))
    if seen.gap:
        return Resolution("ambiguous", seen.gap)
    if now - last < SETTLE_TIME:
        wait = -(-(SETTLE_TIME - (now - last)) // timedelta(seconds=1))
        return Resolution("too_early", f"no invoice carries it, and one may still appear: ask again in {wait} s")
    return Resolution("absent", "no invoice carries it, and as far as is known its last try is too long ago to land")
