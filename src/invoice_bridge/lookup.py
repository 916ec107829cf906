"""Looking a bill up by its reference: the first step of a bill that may have been made before, and `resolve`.

Rules of this file: only listings and reads are asked, never a search index, which lags behind what was written. A look
is bounded; where the bound is reached it says so and never passes for "absent". No clock: the caller says what time it
is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from invoice_bridge import idempotency
from invoice_bridge.commands import Bill, Command, ListInvoices, PeriodInvoice, Retrieve
from invoice_bridge.errors import IdempotencyMismatch, NotFound, OutcomeUnknown, ProviderError, Unsupported
from invoice_bridge.losses import Fate, find_losses
from invoice_bridge.model import Invoice, Status
from invoice_bridge.provider import Cannot, Context, Page, Unreadable
from invoice_bridge.wire import Flow, dumps

T = TypeVar("T")

PAGES = 100
"""How many pages of a listing a look reads at most."""
MARGIN = timedelta(days=1)
"""How much earlier than `since` a look begins: the provider's clock and ours need not agree."""
SETTLES = timedelta(minutes=5)
"""How long after a lost request its effect may still land. Our own figure: no provider states one."""

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
_GONE = frozenset({Status.VOID, Status.DELETED})


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


@dataclass(frozen=True, slots=True)
class Sightings:
    """The invoices that carry a reference, and what kept the look from being complete."""

    invoices: tuple[Invoice, ...] = ()
    gap: str = ""


def begin(ask: Command, use: Context, *, unsettled: bool = False) -> Flow[Any]:
    """Begin a command's flow; a bill that may have been made before is looked up first, and gone on with.

    `unsettled`: a request of an earlier attempt was lost less than SETTLES ago. Its key is another one, so that it
    would bill a second time if it landed: what is not found is not made then. Raises OutcomeUnknown.
    """
    if not isinstance(ask, Bill) or not looks(ask, use):
        return _not_now(ask) if unsettled and isinstance(ask, Bill) else use.provider.flow(ask, use)
    probe = use.provider.flow(ask, use)
    with suppress(StopIteration):
        next(probe)  # what can be refused is refused before the look too
    probe.close()
    return _looked_up_first(ask, use, unsettled=unsettled)


def looks(ask: Bill, use: Context) -> bool:
    """Whether a bill is looked up before it is made.

    `lookup` "always" and "never" mean what they say. "auto" looks for a second attempt and after a change of the keys;
    with a journal, exactly where that knows an earlier try; without one, where the provider forgets keys within a day
    and for what the provider rates: what was billed has left the pile, and a late item must not pass for the bill
    itself. Raises Unsupported where "always" cannot be kept.
    """
    if use.lookup == "never":
        return False
    findable = is_findable(ask, use)
    if use.lookup == "always" and not findable:
        raise Unsupported(
            f"{use.provider.title} does not carry the reference of this bill where it could be looked up",
            remedy='let it be carried (see the losses), or leave lookup="always" out',
        )
    unsure = use.provider.idempotency.window < _DAY or _rated_there(ask, use) if use.tried is None else use.tried
    again = use.lookup == "always" or ask.attempt > 1 or idempotency.KEY_VERSION > 1
    return (again or unsure) and findable


def _rated_there(ask: Bill, use: Context) -> bool:
    """Whether the provider finds what is billed: no amount is stated, or one that it cannot be told."""
    losses = find_losses(use.provider.fields, ask, use)
    unstated = isinstance(ask, PeriodInvoice) and ask.total is None
    return unstated or any(loss.fate is Fate.PROVIDER_RATED for loss in losses)


def is_findable(ask: Bill, use: Context) -> bool:
    """Whether the invoice of this bill can be found by its reference: it is carried, and invoices can be listed."""
    found = find_losses(use.provider.fields, ask, use)
    dropped = any(loss.path == "reference" and loss.fate == Fate.DROPPED for loss in found)
    return not dropped and use.provider.flows.list is not None and not isinstance(use.provider.flows.list, Cannot)


def go_on(ask: Bill, use: Context) -> Flow[Any]:
    """Look a bill up whose request failed, and go on from what is found; None where nothing is.

    It is not made again then: a listing may not show yet what was made a moment ago.
    """
    if not is_findable(ask, use):
        return None
    standing = _only_one(ask, (yield from sightings(ask, use)))
    if not standing:
        return None
    return (yield from use.provider.flow(ask, replace(use, found=standing[0])))


def _not_now(ask: Bill) -> Flow[Any]:
    yield from ()
    raise OutcomeUnknown(
        f"a request of an earlier attempt at {ask.reference!r} was lost less than {SETTLES // _MINUTE} minutes ago and "
        "may still take effect: nothing was billed. Ask resolve() until it says absent or found",
        reference=ask.reference,
    )


def _looked_up_first(ask: Bill, use: Context, *, unsettled: bool) -> Flow[Any]:
    seen = yield from sightings(ask, use)
    standing = _only_one(ask, seen)
    if not standing and seen.gap:
        raise Unsupported(
            f"whether the reference {ask.reference!r} was billed before cannot be told: {seen.gap}; nothing was billed",
            remedy='keep a journal (Client(…, journal="bills.sqlite")), or write lookup="never" if you know it was not',
        )
    if not standing and unsettled:
        yield from _not_now(ask)
    return (yield from use.provider.flow(ask, replace(use, found=standing[0] if standing else None)))


def _only_one(ask: Bill, seen: Sightings) -> list[Invoice]:
    standing = _standing(ask, seen)
    if len(standing) > 1:
        raise IdempotencyMismatch(
            f"the reference {ask.reference!r} stands on {len(standing)} invoices, {_ids(standing)}; nothing was done",
            existing=standing[0],
        )
    return standing


def _standing(ask: Bill, seen: Sightings) -> list[Invoice]:
    """The invoices that are this bill. A second attempt, made after a final refusal, passes over what was withdrawn."""
    return [invoice for invoice in seen.invoices if ask.attempt == 1 or invoice.status not in _GONE]


def _ids(invoices: list[Invoice]) -> str:
    return ", ".join(invoice.id for invoice in invoices)


def sightings(ask: Bill, use: Context) -> Flow[Sightings]:
    """Find every invoice that carries a bill's reference, each as it is now.

    What the journal knows to have been made is read by its id, whomever it bills and whatever the clocks say. Then the
    provider's listing of the bill's customer is read, from MARGIN before `use.since` on where that is known, at most
    PAGES pages. An item that cannot be read and holds the reference's text is a gap: it may be the one.
    """
    made: dict[str, Invoice] = {}
    for invoice_id in use.made:
        again = Retrieve(id=invoice_id)
        with suppress(NotFound):  # a draft that was deleted, or got another id
            invoice: Invoice = yield from noted(use.provider.flow(again, use.on(again)))
            if invoice.reference in {None, ask.reference}:
                made[invoice.id] = invoice
    look = _in_the_listing if use.provider.look is None else use.provider.look
    seen = yield from look(ask, use)
    return Sightings(tuple(({invoice.id: invoice for invoice in seen.invoices} | made).values()), seen.gap)


def _in_the_listing(ask: Bill, use: Context) -> Flow[Sightings]:
    mine, gap = json_text(ask.reference), ""
    listing = listed(ask, use)
    seen: dict[str, Invoice] = {}  # by id: one that moves on while it is listed stands on two pages
    for _ in range(PAGES):
        page: Page = yield from noted(use.provider.flow(listing, use.on(listing)))
        for item in page.items:
            if isinstance(item, Unreadable):
                gap = (
                    f"an invoice that may be it cannot be read: {item.error.message}"
                    if mine in json_text(item.raw)
                    else gap
                )
            elif item.reference == ask.reference and item.id not in seen:
                seen[item.id] = yield from reread(item, use)
        if page.next is None:
            return Sightings(tuple(seen.values()), gap)
        listing = page.next
    return Sightings(tuple(seen.values()), gap or f"the listing goes on after {PAGES} pages")


def listed(ask: Bill, use: Context) -> ListInvoices:
    """The listing in which a bill's invoice stands: its customer's, from a little before its first try."""
    customer = ask.customer if ask.customer is not None and ask.customer.at(use.provider.name) is not None else None
    return ListInvoices(customer=customer, created_from=looked_from(use))


def looked_from(use: Context) -> datetime | None:
    """Where in time a look begins; None for the very beginning, as no provider was there before 1970."""
    return None if use.since is None or use.since < _EPOCH else use.since - MARGIN


def reread(found: Invoice, use: Context) -> Flow[Invoice]:
    """An invoice as it is now: a listing may lag behind, and may leave fields out."""
    again = Retrieve(id=found.id)
    try:
        now: Invoice = yield from use.provider.flow(again, use.on(again))
    except NotFound:  # deleted since, or listed and not to be read
        return found
    return now


def noted(flow: Flow[T]) -> Flow[T]:
    """A flow whose requests say to a reader of the plan that they are the look."""
    try:
        request = next(flow)
        while True:
            try:
                answer = yield replace(request, note="the look: whether the reference was billed before")
            except ProviderError as refusal:
                request = flow.throw(refusal)
            else:
                request = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def first_use(flow: Flow[T], ask: Bill, use: Context) -> Flow[T]:
    """Drive requests whose bodies are the bill: their keys may have gone out before, with another one.

    Raises IdempotencyMismatch then, with the invoice that stands under the reference where it can be found.
    """
    try:
        return (yield from flow)
    except ProviderError as refusal:
        if not refusal.key_reused:
            raise
        found: tuple[Invoice, ...] = ()
        with suppress(ProviderError):
            found = (yield from sightings(ask, use)).invoices
            if not found and ask.customer is not None:  # the earlier one may be another customer's
                found = (yield from sightings(ask.model_copy(update={"customer": None}), use)).invoices
        raise IdempotencyMismatch(
            f"the reference {ask.reference!r} was used before for a bill of other content"
            + (f", {', '.join(invoice.id for invoice in found)}" if found else "")
            + "; nothing was billed: give a new bill a new reference",
            existing=found[0] if found else None,
        ) from refusal


def json_text(value: Any) -> bytes:
    """A value as JSON, a text without its quotation marks."""
    return dumps(value).strip(b'"')


def resolve(ask: Bill, use: Context, *, now: datetime, last: datetime) -> Flow[Resolution]:
    """Say what became of a bill whose outcome is unknown; `last` is when its last request left, `now` is now."""
    if not is_findable(ask, use):
        return Resolution("ambiguous", f"{use.provider.title} does not carry the reference of this bill in a listing")
    seen = yield from sightings(ask, use)
    standing = _standing(ask, seen) or list(seen.invoices)
    if len(standing) > 1:
        told = f"the reference stands on {len(standing)} invoices: {_ids(standing)}"
        return Resolution("ambiguous", told, invoices=tuple(standing))
    if standing:
        return Resolution("found", f"{standing[0].id} carries it, {standing[0].status}", standing[0], tuple(standing))
    if seen.gap:
        return Resolution("ambiguous", seen.gap)
    if now - last < SETTLES:
        wait = -(-(SETTLES - (now - last)) // timedelta(seconds=1))
        return Resolution("too_early", f"no invoice carries it, and one may still appear: ask again in {wait} s")
    return Resolution("absent", "no invoice carries it, and as far as is known its last try is too long ago to land")
