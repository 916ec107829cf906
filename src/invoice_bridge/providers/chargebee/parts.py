"""The parts that all bills at Chargebee share: customer, lines, terms, names, and how a draft is closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import customer_id, submit_change
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import (
    Bill,
    OneTimeCharge,
    PeriodInvoice,
)
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.model import Invoice, Line
from invoice_bridge.core.wire import Effect, Flow, Request, Response
from invoice_bridge.providers.chargebee.conditions import bills_accrued, carries_price, reference_field
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH, MONEY, NO_MAIL, TRANSITIONS
from invoice_bridge.providers.chargebee.verbs import bare_specimen, close_draft, id_in, read_invoice, whole_invoice

_CREATE = "apidocs.chargebee.com, create invoice for items and one-time charges"
_DAY = timedelta(days=1)
SPECIMEN_ID = "{open.id}"
PAGE = 100


# ── the parts of a bill ──────────────────────────────────────────────────────────────────────────────────────────────
def lines_of_bill(command: OneTimeCharge | PeriodInvoice) -> tuple[Line, ...]:
    """Return the lines, each less its own discount.

    A bare amount whose description is too long for a line is named by the reference: the note has it.
    """
    lines = tuple(_less_discount(line) for line in command.stated_lines)
    if command.lines or command.description is None or len(command.description) <= DESCRIPTION_LENGTH:
        return lines
    return tuple(line.model_copy(update={"description": command.reference}) for line in lines)


def _less_discount(line: Line) -> Line:
    return line if not line.discount else line.model_copy(update={"amount": line.amount - line.discount})


def customer_of_bill(command: Bill, context: Context) -> str:
    """Return the id of the customer. Raises Unsupported where the bill names none."""
    return customer_id(command, context, example="cus_…", source=_CREATE)


def discounts_of_bill(command: Bill) -> list[int]:
    """Return what each discount of the whole bill takes off, in Chargebee's units."""
    return [MONEY.to_units(discount.amount) for discount in command.discounts if discount.amount is not None]


def naming_form(command: Bill, context: Context) -> dict[str, str]:
    """Return the purchase order and the reference, each in the field that carries it."""
    names = {} if command.purchase_order is None else {"po_number": command.purchase_order}
    field = reference_field(command, context.settings)
    return names if field is None else {**names, field: command.reference}


def net_term_days(command: Bill) -> int | None:
    """Return the payment terms. Raises Unsupported if the due date is not whole days after the invoice's date."""
    due, issued = command.collection.due, command.issued_at
    if due is None:
        return command.collection.net_days
    days, rest = divmod(due - issued, _DAY) if issued is not None else (-1, _DAY)
    if rest or days < 0:
        raise Unsupported(
            "Chargebee counts payment terms in whole days from the invoice's date"
            + ("" if issued is not None else ", and a due date without issued_at does not give that number"),
            source=f"{_CREATE}, net_term_days",
            remedy="write Collection.send(net_days=…), or an issued_at a whole number of days before the due date",
        )
    return days


def issuing(command: Bill) -> list[Effect]:
    """Return the effects of issuing a bill."""
    return [Effect.ISSUES, Effect.MAILS] if command.collection.kind == "send" else [Effect.ISSUES]


def unmailed(request: Request, command: Bill) -> Request:
    """Keep a request that is to mail nobody from doing so, whatever the site's e-mail settings say."""
    if command.collection.kind != "manual":
        return request
    return replace(request, headers={**request.headers, NO_MAIL[0]: NO_MAIL[1]})


def closed(command: OneTimeCharge | PeriodInvoice, draft_id: str, context: Context, native: str) -> Flow[Invoice]:
    """Close the pending invoice of a bill; it may get another id then, and an earlier try may have closed it.

    One that is not to be collected was made with auto_collection=off, and is mailed only where the bill asks for it.
    """
    specimen = bill_specimen(command, draft_id, native, context)
    if command.collection.kind == "charge" or bills_accrued(command):
        return close_draft(draft_id, context, specimen)
    request = context.post(
        "invoices",
        draft_id,
        "close",
        effects=issuing(command),
        specimen=specimen,
        note="auto_collection is off: nothing is collected; applies credits and excess payments",
    )

    def after(answer: Response) -> Flow[Invoice]:
        if context.provider.is_replay(answer):
            return (yield from read_invoice(id_in(answer), context))
        return (yield from whole_invoice(object_of(answer), context))

    transition = TRANSITIONS["finalize"]
    return submit_change(
        context, unmailed(request, command), lambda: read_invoice(draft_id, context), after, transition
    )


def bill_specimen(
    command: OneTimeCharge | PeriodInvoice, invoice_id: str, status: str, context: Context
) -> dict[str, Any]:
    """Return the happy answer to a bill."""
    rows: list[dict[str, Any]] = []
    for line in lines_of_bill(command):
        rows.append({"amount": MONEY.to_units(line.amount)})
        if carries_price(line, context.settings):
            rows[-1] |= {"entity_type": "charge_item_price", "entity_id": line.price}
    total = 0 if command.total is None else MONEY.to_units(command.total)
    due = total if command.expect_total is None else MONEY.to_units(command.expect_total)
    amounts = {"currency_code": command.currency, "sub_total": total, "total": due, "line_items": rows}
    if command.discounts:
        amounts["discounts"] = [{"amount": units} for units in discounts_of_bill(command)]
    return {"invoice": {**bare_specimen(invoice_id, status)["invoice"], **amounts}}
