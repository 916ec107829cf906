"""Chargebee's verbs, one generator each. A bill is one request, or pending → compare → close.

Closing collects. Product catalog 1 has no pending invoices: a collection there cannot be compared first, and a loss
says so. Every bill
sends its currency and auto_collection, so that neither the site's default currency nor the customer's card is used by
surprise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import check_state, delete_draft, submit_change
from invoice_bridge.adapter.checks import payable
from invoice_bridge.adapter.lookup import PAGES
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.commands import (
    Delete,
    Finalize,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    NewInvoice,
    Pay,
    Retrieve,
    Void,
)
from invoice_bridge.core.errors import (
    MalformedResponse,
    Unsupported,
)
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.chargebee.conditions import reference_field
from invoice_bridge.providers.chargebee.shapes import invoice, unwrapped
from invoice_bridge.providers.chargebee.tables import MONEY, TRANSITIONS

if TYPE_CHECKING:
    from chargebee.models import enums
    from chargebee.models.invoice.operations import Invoice as Sdk

_OPEN = ("posted", "payment_due", "not_paid")


def invoice_after(answer: Response, context: Context) -> Flow[Invoice]:
    """Return the invoice in a verb's answer; after a replayed answer read its present state."""
    if context.provider.is_replay(answer):
        return (yield from read_invoice(id_in(answer), context))
    return (yield from whole_invoice(object_of(answer), context))


def id_in(answer: Response) -> str:
    """Return the id of the invoice in an answer."""
    return Reader(unwrapped(object_of(answer)), "chargebee").required_text("id")


def close_draft(invoice_id: str, context: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    """Close a pending invoice, which gives it its number."""
    return change(
        invoice_id,
        "close",
        context,
        specimen,
        TRANSITIONS["finalize"],
        note="collects if auto_collection is on; applies credits and excess payments",
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines."""
    return read_invoice(command.id, context)


def read_invoice(invoice_id: str, context: Context, native: str = "payment_due") -> Flow[Invoice]:
    """Retrieve an invoice whole, all pages of its lines."""
    answer = yield context.get(
        "invoices", invoice_id, specimen=bare_specimen(invoice_id, native), invoice_id=invoice_id
    )
    return (yield from whole_invoice(object_of(answer), context))


def _carrier(context: Context) -> str | None:
    """Return the field that holds an invoice's reference, "" if this bill has none."""
    field = context.settings.get("reference_field")
    if (
        field is None
        and isinstance(context.command, NewInvoice)
        and reference_field(context.command, context.settings) is None
    ):
        return ""
    return None if field is None else str(field)


def whole_invoice(data: Mapping[str, Any], context: Context) -> Flow[Invoice]:
    """Read an invoice with all its lines: a long one continues at line_items_next_offset."""
    field = _carrier(context)
    first, whole = invoice(data, reference_field=field), unwrapped(data)
    if whole.get("line_items_next_offset") is None:  # most have few lines
        return first
    at = Reader(whole, "chargebee")
    offset = at.text("line_items_next_offset")
    if offset is None or first.status is Status.DELETED:  # a deleted invoice can be listed, not retrieved
        return first
    rows = [row.data for row in at.children("line_items")]
    for _ in range(PAGES):
        answer = yield context.get("invoices", first.id, query=[("line_items_offset", offset)], invoice_id=first.id)
        more = Reader(unwrapped(object_of(answer)), "chargebee")
        rows += [row.data for row in more.children("line_items")]
        if more.text("line_items_next_offset") == offset:
            raise more.fault("line_items_next_offset", "returns the same lines again")
        if (offset := more.text("line_items_next_offset")) is None:
            return invoice(data, all_lines=rows, reference_field=field)
    raise MalformedResponse(f"$.line_items_next_offset continues after {PAGES} pages", provider="chargebee")


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, each with all its lines.

    The created range is not sent: Chargebee filters by the document's date, which may lie long before the creation,
    and would omit invoices of the range. The client applies it to the answer.
    """
    pairs: list[tuple[str, object]] = [("limit", command.limit), *_status_filter(command.status)]
    if command.customer is not None and (customer := command.customer.at(context.provider.name)) is not None:
        pairs.append(("customer_id[is]", customer))
    if command.cursor is not None:
        pairs.append(("offset", command.cursor))
    answer = yield context.get(
        "invoices", query=pairs, specimen={"list": [bare_specimen("{listed.id}", "payment_due")]}
    )
    whole = Reader(object_of(answer), "chargebee")
    items: list[Invoice | Unreadable] = []
    for item in whole.listing("list"):
        try:
            items.append((yield from whole_invoice(item.data, context)))
        except MalformedResponse as error:
            items.append(Unreadable(item.data, error))
    offset = whole.text("next_offset")
    return Page(tuple(items), command.model_copy(update={"cursor": offset}) if offset is not None else None)


def _status_filter(status: Status | None) -> list[tuple[str, object]]:
    """Return the native filter, always with an operator: Chargebee silently ignores one without."""
    if status is Status.OPEN:
        return [("status[in]", dumps(_OPEN).decode())]
    if status is Status.DELETED:
        return [("include_deleted", True)]
    native: dict[Status | None, str] = {
        Status.DRAFT: "pending",
        Status.PAID: "paid",
        Status.VOID: "voided",
        Status.UNCOLLECTIBLE: "paid",  # a write-off leaves it paid
    }
    return [("status[is]", native[status])] if status in native else []


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def close(command: Finalize, context: Context) -> Flow[Invoice]:
    """Close a pending invoice; it collects if the invoice or the customer's settings require it."""
    return close_draft(command.id, context, bare_specimen(command.id, "payment_due"))


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect the remaining amount, as read before, from one of the customer's payment sources."""
    if command.payment_method is None:
        raise Unsupported(
            "Chargebee only collects from a named payment source",
            source="chargebee/openapi, API v2, collect_payment",
            remedy="pass payment_method, the id of a payment source of the customer (pm_…)",
        )
    transition = TRANSITIONS["pay"]
    found = yield from _payable(command, context, transition)
    body: Sdk.CollectPaymentParams = {"payment_source_id": command.payment_method}
    if found.amount_remaining is not None:
        body["amount"] = MONEY.to_units(found.amount_remaining)
    specimen = bare_specimen(command.id, "paid")
    return (yield from change(command.id, "collect_payment", context, specimen, transition, body=body))


def record_payment(command: MarkPaid, context: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere of the remaining amount, as read before; Chargebee dates it now."""
    transition = TRANSITIONS["mark_paid"]
    found = yield from _payable(Pay(id=command.id), context, transition)
    transaction: Sdk.RecordPaymentTransactionParams = {"payment_method": cast("enums.PaymentMethod", "other")}
    if found.amount_remaining is not None:  # a surplus would become the customer's excess payment
        transaction["amount"] = MONEY.to_units(found.amount_remaining)
    body: Sdk.RecordPaymentParams = {"transaction": transaction}
    specimen = bare_specimen(command.id, "paid")
    return (yield from change(command.id, "record_payment", context, specimen, transition, body=body))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Void an issued invoice without payments or credits; the reason becomes a comment."""
    body: Sdk.VoidInvoiceParams | None = None if command.reason is None else {"comment": command.reason}
    return change(command.id, "void", context, bare_specimen(command.id, "voided"), TRANSITIONS["void"], body=body)


def write_off(command: MarkUncollectible, context: Context) -> Flow[Invoice]:
    """Write an issued invoice off: natively it becomes paid, with a write_off_amount."""
    specimen = bare_specimen(command.id, "paid")
    return change(command.id, "write_off", context, specimen, TRANSITIONS["mark_uncollectible"])


def delete(command: Delete, context: Context) -> Flow[Invoice]:
    """Delete a draft. Reads it first, because Chargebee would delete an issued invoice too, with its usages."""
    transition = TRANSITIONS["delete"]
    found = check_state((yield from read_invoice(command.id, context, "pending")), transition, "cannot be deleted")
    return (yield from send_delete(command.id, context, found, transition))


def send_delete(
    invoice_id: str,
    context: Context,
    found: Invoice,
    transition: Transition,
    *,
    before: Callable[[Request], Request] = lambda request: request,
) -> Flow[Invoice]:
    """Delete an invoice that was read before; the answer must confirm it. `before` completes the request."""
    request = context.post(
        "invoices",
        invoice_id,
        "delete",
        effects=transition.effects,
        specimen=bare_specimen(invoice_id, "pending", deleted=True),
        invoice_id=invoice_id,
    )

    def says_so(answer: Response) -> bool:
        return Reader(unwrapped(object_of(answer)), "chargebee").flag("deleted") is True

    def read() -> Flow[Invoice]:
        return read_invoice(invoice_id, context)

    return (yield from delete_draft(context, before(request), found, read, says_so=says_so, transition=transition))


def _payable(command: Pay, context: Context, transition: Transition) -> Flow[Invoice]:
    """Read an invoice before it is paid. A written-off one is natively paid and takes no payment any more."""
    answer = yield context.get(
        "invoices",
        command.id,
        specimen=bare_specimen(command.id, "payment_due", command.expect),
        note="the amount that then remains goes into the next request",
        invoice_id=command.id,
    )
    return payable(command, (yield from whole_invoice(object_of(answer), context)), transition)


def change(
    invoice_id: str,
    action: str,
    context: Context,
    specimen: Mapping[str, Any],
    transition: Transition,
    *,
    body: Mapping[str, Any] | None = None,
    step: str = "",
    note: str = "",
    states_bill: bool = False,
) -> Flow[Invoice]:
    """Send a change and read the answer; the invoice's status by then decides what a refusal means."""
    request = context.post(
        "invoices",
        invoice_id,
        action,
        body=body,
        step=step,
        effects=transition.effects,
        specimen=specimen,
        note=note,
        invoice_id=None if action == "close" else invoice_id,  # closing may give an invoice its final number
        states_bill=states_bill,
    )

    def after(answer: Response) -> Flow[Invoice]:
        return invoice_after(answer, context)

    return submit_change(context, request, lambda: read_invoice(invoice_id, context), after, transition)


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def bare_specimen(invoice_id: str, status: str, due: Money | None = None, *, deleted: bool = False) -> dict[str, Any]:
    """Return the successful answer about an invoice, as far as a verb needs it."""
    found: dict[str, Any] = {"id": invoice_id, "status": status, "currency_code": "EUR", "line_items": []}
    if due is not None:
        found |= {"currency_code": due.currency, "amount_due": MONEY.to_units(due)}
    return {"invoice": {**found, "deleted": deleted}}
