"""Reading invoices of Stripe whole, one or a page of them: lines, payments and credit notes.

An invoice comes with its first ten lines. Its payments and credit notes have listings of their own (stripe-python
16.1.0, InvoicePaymentService.list and CreditNoteService.list), which a restricted key may not read and an imitation
of Stripe may not have: then the invoice marks them as incomplete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import ListInvoices, Retrieve
from invoice_bridge.core.errors import MalformedResponse, NotFound, Unauthorized, Unsupported
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.stripe.payment_shapes import CREDITED, with_credit_notes
from invoice_bridge.providers.stripe.shapes import invoice
from invoice_bridge.providers.stripe.verbs import (
    all_lines,
    bare_specimen,
    ceil,
    goes_on,
    listed_rows,
    read_invoice,
    whole_lines,
)

if TYPE_CHECKING:
    from stripe.params import InvoiceListParams

_EPOCH, _SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)
_FILTERS = frozenset({Status.DRAFT, Status.OPEN, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE})
_PAYMENTS = (  # four levels are the maximum (docs.stripe.com/api/expanding_objects)
    ("expand[0]", "data.payment.payment_intent.latest_charge"),
    ("expand[1]", "data.payment.charge"),
    ("expand[2]", "data.payment.payment_record"),
)
_NO_NOTES = dict.fromkeys(CREDITED, 0)
_NOTES_TOO = "if the invoice states that it has credit notes, they are listed too: GET v1/credit_notes?invoice=…"
_PAGES = "reads another page if there are more than 100"


def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice with all its lines, and with its payments and credit notes unless `whole` is False."""
    if not command.whole:
        return read_invoice(command.id, context)
    return _read_whole(command.id, context)


def _read_whole(invoice_id: str, context: Context) -> Flow[Invoice]:
    specimen = bare_specimen(invoice_id, "open") | _NO_NOTES
    answer = yield context.get("v1", "invoices", invoice_id, specimen=specimen, note=_NOTES_TOO, invoice_id=invoice_id)
    return (yield from _complete(object_of(answer), context))


def _complete(data: Mapping[str, Any], context: Context) -> Flow[Invoice]:
    """Complete an invoice's lines, payments and credit notes, with a request for each incomplete list."""
    first = invoice(data)
    if first.status is Status.DELETED:
        return first
    lines = None if first.lines_complete else (yield from all_lines(first, context))
    owner = ("invoice", first.id)
    payments = yield from _allowed(context, "invoice_payments", [owner, *_PAYMENTS])
    found = invoice(data, all_lines=lines, all_payments=payments)
    if found.credit_notes_complete:  # the invoice states that it has none
        return found
    notes = yield from _allowed(context, "credit_notes", [owner])
    return found if notes is None else with_credit_notes(found, notes)


def _allowed(
    context: Context, collection: str, query: Sequence[tuple[str, object]]
) -> Flow[list[Mapping[str, Any]] | None]:
    """Return all rows of an invoice's listing, None if the key may not read it or it does not exist."""
    specimen: dict[str, Any] = {"data": [], "has_more": False}
    try:
        rows: list[Reader] = yield from listed_rows(context, ("v1", collection), query, specimen=specimen, note=_PAGES)
    except (Unauthorized, NotFound):
        return None
    return [row.data for row in rows]


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first, each with all its lines; `full` completes each as `retrieve` does."""
    query: InvoiceListParams = {"limit": command.limit}
    if command.status is not None and command.status in _FILTERS:
        query["status"] = command.status.value
    if command.customer is not None:
        if (customer := command.customer.at(context.provider.name)) is None:
            raise Unsupported("Stripe lists by a customer's id", source="stripe-python 16.1.0, InvoiceListParams")
        query["customer"] = customer
    pairs: list[tuple[str, object]] = list(query.items())
    if command.created_from is not None:  # whole seconds, rounded outwards: the filters are applied again
        pairs.append(("created[gte]", _floor(command.created_from)))
    if command.created_to is not None:
        pairs.append(("created[lt]", ceil(command.created_to)))
    if command.cursor is not None:
        pairs.append(("starting_after", command.cursor))
    specimen = {"data": [bare_specimen("{listed.id}", "open") | _NO_NOTES], "has_more": False}
    note = _NOTES_TOO if command.full else ""
    answer = yield context.get("v1", "invoices", query=pairs, specimen=specimen, note=note)
    rows = Reader(object_of(answer), "stripe").listing("data")
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append((yield from (_complete if command.full else whole_lines)(row.data, context)))
        except MalformedResponse as error:
            items.append(Unreadable(row.data, error))
    more = goes_on(answer, rows)
    return Page(tuple(items), command.model_copy(update={"cursor": rows[-1].required_text("id")}) if more else None)


def _floor(instant: datetime) -> int:
    return (instant - _EPOCH) // _SECOND
