"""Find the invoices that carry a bill's reference: in the listing of its customer, or in the provider's own way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from invoice_bridge.adapter.declared import NO_HISTORY, Cannot, History, Matches
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import Find, ImportInvoice, ListInvoices, NewInvoice, Retrieve
from invoice_bridge.core.errors import (
    AlreadyBilled,
    Discrepancy,
    MalformedResponse,
    NotFound,
    ProviderError,
    Unsupported,
)
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.losses import Fate
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Flow

T = TypeVar("T")

PAGES = 100
"""A lookup reads at most this many pages of a listing."""
CLOCK_SKEW = timedelta(days=1)
"""A lookup begins this much earlier than `since`: the provider's clock and ours may differ."""
LOOKUP_NOTE = "lookup: was the reference billed before?"
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


def is_findable(command: NewInvoice | Find, context: Context) -> bool:
    """Return whether a lookup can find this bill: its reference is sent, and invoices can be listed."""
    if finds_import(command, context):
        return True
    losses = context.on(command).losses
    dropped = any(loss.path == "reference" and loss.fate == Fate.DROPPED for loss in losses)
    return (
        not dropped and context.provider.flows.list is not None and not isinstance(context.provider.flows.list, Cannot)
    )


def _ids(invoices: list[Invoice]) -> str:
    return ", ".join(invoice.id for invoice in invoices)


def find_matches(command: NewInvoice | Find, context: Context, history: History = NO_HISTORY) -> Flow[Matches]:
    """Find every invoice that has a bill's reference, each in its current state.

    Invoices that are known to have been made are read by their ids, for any customer and time. Then the provider's
    listing of the bill's customer is read, from CLOCK_SKEW before `history.since` if that is known, at most PAGES
    pages. An unreadable item with the reference's text is a gap: it may be the invoice.
    """
    made: dict[str, Invoice] = {}
    findable, lost, strange = is_findable(command, context), "", ""
    for invoice_id in history.made:
        if (again := retrieval(invoice_id)) is None:  # unreadable in the journal, but the listing has it
            continue
        try:
            invoice: Invoice = yield from annotated(context.provider.flow(again, context.on(again)))
        except NotFound:  # a draft that was deleted, or got another id
            lost = invoice_id
            continue
        if not findable:  # the text read as its reference is something else, such as a purchase order
            invoice = invoice.model_copy(update={"reference": None})
        if invoice.reference in {None, command.reference}:
            made[invoice.id] = invoice
        else:
            strange = f"{invoice.id}, which the journal knows as this bill, carries the reference {invoice.reference!r}"
    seen = yield from _look_up(command, context, history)
    gap = seen.gap or strange
    if lost and not made and not findable:
        gap = f"{lost}, which the journal knows, is not there any more and may have got another id when it was issued"
    return Matches(tuple(({invoice.id: invoice for invoice in seen.invoices} | made).values()), gap)


def finds_import(command: NewInvoice | Find, context: Context) -> bool:
    """Return whether the command is an import for which the provider has a lookup of its own."""
    return isinstance(command, ImportInvoice) and context.provider.import_lookup is not None


def _look_up(command: NewInvoice | Find, context: Context, history: History) -> Flow[Matches]:
    by_import = context.provider.import_lookup
    if isinstance(command, ImportInvoice) and by_import is not None:
        return annotated(by_import(command, context, history))
    return (context.provider.lookup or find_in_listing)(command, context, history)


def find_in_listing(command: NewInvoice | Find, context: Context, history: History = NO_HISTORY) -> Flow[Matches]:
    """Find every invoice that has a bill's reference in the listing of its customer, at most PAGES pages."""
    mine, gap = json_text(command.reference), ""
    listing = listing_command(command, context, history)
    seen: dict[str, Invoice] = {}  # by id: an invoice that changes during the listing is on two pages
    for _ in range(PAGES):
        page: Page = yield from annotated(context.provider.flow(listing, context.on(listing)))
        for item in page.items:
            if isinstance(item, Unreadable):
                gap = (
                    f"an invoice that may be it cannot be read: {item.error.message}"
                    if mine in json_text(item.raw)
                    else gap
                )
            elif item.reference == command.reference and item.id not in seen:
                if retrieval(item.id) is None:
                    gap = f"an invoice that may be it has the id {item.id[:40]!r}, which cannot be asked for"
                    continue
                if (now := (yield from refresh(item, context))) is None:
                    gap = f"{item.id} is listed and not there any more: the listing is behind, so try again later"
                else:
                    seen[item.id] = now
        if page.next is None:
            return Matches(tuple(seen.values()), gap)
        listing = page.next
    return Matches(tuple(seen.values()), gap or f"the listing goes on after {PAGES} pages")


def find(command: Find, context: Context) -> Flow[Invoice]:
    """Find the one invoice that has a reference: in the listing of a customer, else in the search index or listing.

    A withdrawn invoice counts only if no other has the reference. Raises NotFound, AlreadyBilled if several
    have it, and Unsupported if the listing could not be read to its end.
    """
    searches = context.provider.search if command.customer is None else None
    seen = yield from (searches or find_matches)(command, context, NO_HISTORY)
    # an index or a listing may be behind: it was read again, and may have another reference by now
    mine = [invoice for invoice in seen.invoices if invoice.reference == command.reference]
    live = [invoice for invoice in mine if invoice.status not in {Status.VOID, Status.DELETED}]
    gone = [invoice for invoice in mine if invoice not in live]
    if len(live) > 1:
        raise AlreadyBilled(
            f"the reference {command.reference!r} is on {len(live)} invoices: {_ids(live)}", existing=live[0]
        )
    if live or (gone and not seen.gap):
        return (live or sorted(gone, key=lambda invoice: invoice.created_at or _EPOCH))[-1]
    narrower = "pass customer=…, whose listing is read instead"
    if seen.gap:
        raise Unsupported(
            f"{context.provider.title}: it is unknown whether an invoice has the reference {command.reference!r}: "
            f"{seen.gap}",
            remedy=narrower if command.customer is None else "",
        )
    lag = f"; the search index may be minutes behind: {narrower}" if searches is not None else ""
    raise NotFound(f"no invoice has the reference {command.reference!r}{lag}", provider=context.provider.name)


def find_known(command: Find, context: Context, made: tuple[str, ...]) -> Flow[Invoice]:
    """Find the invoice of a reference among those in the journal, otherwise in the provider's own way.

    Each is read by its id, so no search index can lag. A withdrawn one is returned if no other has the reference.
    Raises what `find` raises, and Discrepancy if the invoice of the journal has another reference.
    """
    known: dict[str, Invoice] = {}
    strange: tuple[str, str] | None = None
    for invoice_id in made:
        if (again := retrieval(invoice_id)) is None:
            continue
        try:
            invoice: Invoice = yield from context.provider.flow(again, context.on(again))
        except NotFound:  # a draft that was deleted, or got another id
            continue
        if invoice.reference not in {None, command.reference} and invoice.reference == invoice.purchase_order:
            invoice = invoice.model_copy(update={"reference": None})  # one field that may be either
        if invoice.reference is not None and invoice.reference != command.reference:
            strange = invoice.id, invoice.reference
        elif _is_for(command, invoice, context):
            known[invoice.id] = invoice
    live = [invoice for invoice in known.values() if invoice.status not in {Status.VOID, Status.DELETED}]
    if len(live) > 1:
        raise AlreadyBilled(
            f"the reference {command.reference!r} is on {len(live)} invoices: {_ids(live)}", existing=live[0]
        )
    if live:
        return live[0]
    try:
        found: Invoice = yield from context.provider.flow(command, context)
    except (NotFound, Unsupported):
        if known:
            return next(iter(known.values()))
        if strange:
            raise Discrepancy(
                f"the journal has {strange[0]} for the reference {command.reference!r}, and at "
                f"{context.provider.title} it carries {strange[1]!r}: its reference was changed, or the journal is "
                "another account's",
                asked=command.reference,
                found=strange[1],
            ) from None
        raise
    return found


def _is_for(command: Find, invoice: Invoice, context: Context) -> bool:
    """Return whether an invoice belongs to the customer of the listing, as far as it states one."""
    here = context.provider.name
    if command.customer is None or invoice.customer is None:
        return True
    return invoice.customer.at(here) in {None, command.customer.at(here)}


def listing_command(command: NewInvoice | Find, context: Context, history: History = NO_HISTORY) -> ListInvoices:
    """Return the listing that has a bill's invoice: its customer's, from shortly before its first try.

    If a try had other content, it may have had another customer: then the listing of all customers.
    """
    customer = (
        command.customer
        if command.customer is not None and command.customer.at(context.provider.name) is not None
        else None
    )
    if history.other_content:
        customer = None
    return ListInvoices(customer=customer, created_from=lookup_start(history))


def lookup_start(history: History) -> datetime | None:
    """Return the start of a lookup; None for the beginning, because no provider existed before 1970."""
    return None if history.since is None or history.since < _EPOCH else history.since - CLOCK_SKEW


def retrieval(invoice_id: str) -> Retrieve | None:
    """Return the command that reads an invoice; None for an id that no request can carry."""
    try:
        return Retrieve(id=invoice_id, whole=False)
    except ValidationError:
        return None


def refresh(found: Invoice, context: Context) -> Flow[Invoice | None]:
    """Read the current state of an invoice: a listing may lag behind, and may omit fields.

    Returns None if it no longer exists: a draft that was deleted, or that got another id when it was issued.
    """
    again = retrieval(found.id)
    if again is None:
        raise MalformedResponse(f"the id {found.id[:40]!r} cannot be asked for", provider=context.provider.name)
    try:
        now: Invoice = yield from context.provider.flow(again, context.on(again))
    except NotFound:  # Chargebee lists a deleted invoice and does not show it
        return found if found.status is Status.DELETED else None
    return now


def annotated(flow: Flow[T]) -> Flow[T]:
    """Mark the requests of a flow as the lookup's, for a reader of the plan."""
    try:
        request = next(flow)
        while True:
            try:
                answer = yield replace(request, note=LOOKUP_NOTE)
            except ProviderError as refusal:
                request = flow.throw(refusal)
            else:
                request = flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def json_text(value: Any) -> bytes:
    """Return a value as JSON, a text without its quotation marks."""
    return dumps(value).strip(b'"')
