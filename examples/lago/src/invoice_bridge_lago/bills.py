"""The flows that bill: a one-time charge and a service period.

A bill is one ladder: existing or made → compare → metadata → pay. Lago issues a one-off invoice when it makes it, so
the flow makes it without its payment provider (`skip_psp`), compares it, and collects it by another request. A lost
request is never sent again, because Lago has no keys. The invoice has the reference from the start, so the next
lookup finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter import Context, customer_id, object_of, rfc3339_seconds, same_bill, verify
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import Discrepancy, InvalidState, Unsupported
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.wire import Effect, Flow, scalar

from .fields import carries_quantity
from .shapes import invoice
from .tables import CREATE, CREATED, IN_PAYMENT, MONEY
from .verbs import bare_specimen, check_metadata, paid, with_metadata

_SPECIMEN_ID = "{open.id}"


def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(command, context)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period whose lines the caller has rated."""
    if not command.lines:
        raise Unsupported(
            "a one-off invoice bills only the lines of the request; Lago rates and bills subscriptions by itself",
            source=CREATE,
            remedy="pass the lines",
        )
    return _bill(command, context)


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context) -> Flow[Invoice]:
    _check(command)
    body = _body(command, context)
    existing = context.existing
    issued = same_bill(command, existing) if existing is not None else (yield from _create(body, context))
    verify(command, issued)
    if issued.status is Status.UNKNOWN:
        raise Discrepancy(
            f"{issued.id} should be issued, but its status at Lago is {issued.native_status!r}",
            asked="an issued invoice",
            found=issued.native_status,
            invoice=issued,
        )
    specimen = _specimen(body, issued.id)
    missing = {name: value for name, value in command.metadata.items() if issued.metadata.get(name) != value}
    if missing and issued.status in {Status.OPEN, Status.PAID}:
        issued = verify(command, (yield from with_metadata(issued, missing, context, specimen)))
    if issued.status is Status.OPEN and command.collection.kind == "charge":
        issued = yield from _collect(issued, command.collection.payment_method, context, specimen)
    return issued


def _collect(
    issued: Invoice, payment_method: str | None, context: Context, specimen: Mapping[str, Any]
) -> Flow[Invoice]:
    """Collect the invoice. A payment that is already in progress is a normal end: a lost try may have started it.

    Lago has at most one payment in progress for each invoice (lago-api, invoices/payments/create_service.rb).
    """
    try:
        return (yield from paid(issued.id, payment_method, context, specimen))
    except InvalidState as refusal:
        if refusal.code == IN_PAYMENT and refusal.invoice is not None:
            return refusal.invoice
        raise


def _check(command: OneTimeCharge | PeriodInvoice) -> None:
    if command.draft:
        raise Unsupported(
            "Lago issues a one-off invoice when it makes it: one-off invoices have no drafts",
            source=CREATED,
            remedy="omit draft",
        )
    if command.collection.kind == "send":
        raise Unsupported(
            "the billing entity's settings decide about mails, and the customer's payment term sets the due date",
            source=CREATE,
            remedy="set both in Lago, and omit collection",
        )
    if any(line.amount.minor < 0 for line in command.lines):
        raise Unsupported(
            "a negative fee is not documented",
            source=CREATE,
            remedy="subtract the amount from another line, or credit it afterwards",
        )
    check_metadata(command.metadata)


def _create(body: Mapping[str, Any], context: Context) -> Flow[Invoice]:
    answer = yield context.post(
        "invoices",
        body=body,
        step="open",
        specimen=_specimen(body, _SPECIMEN_ID),
        opens=True,
        answers=("invoice", "lago_id"),
        effects=[Effect.ISSUES],
    )
    return invoice(object_of(answer))


def _body(command: OneTimeCharge | PeriodInvoice, context: Context) -> dict[str, Any]:
    return {
        "invoice": {
            "external_customer_id": customer_id(command, context, example="cus_42", source=CREATE),
            "currency": command.currency,
            "purchase_order_number": command.reference,
            "fees": [_fee(line, command.tax, context) for line in command.billed_lines],
            "skip_psp": True,
        }
    }


def _fee(line: Line, tax: object, context: Context) -> dict[str, Any]:
    unit_amount, units = (line.unit_amount, line.quantity) if carries_quantity(line) else (line.amount, 1)
    assert unit_amount is not None and units is not None  # noqa: S101, PT018 - carries_quantity has checked it
    fee: dict[str, Any] = {"add_on_code": context.settings["add_on"]}
    if line.description is not None:
        fee["invoice_display_name"] = line.description
    fee |= {"unit_amount_cents": MONEY.to_units(unit_amount), "units": scalar(units)}
    if line.period is not None:
        fee |= {
            "from_datetime": rfc3339_seconds(line.period.start),
            "to_datetime": rfc3339_seconds(line.period.end),
        }
    return fee | ({"tax_codes": []} if tax == "none" else {})


def _specimen(body: Mapping[str, Any], invoice_id: str) -> dict[str, Any]:
    sent = body["invoice"]
    fees = [{"amount_cents": _amount(fee), "units": fee["units"]} for fee in sent["fees"]]
    total = sum(fee["amount_cents"] for fee in fees)
    stated = {
        "currency": sent["currency"],
        "purchase_order_number": sent["purchase_order_number"],
        "fees": fees,
        **dict.fromkeys(
            (
                "fees_amount_cents",
                "sub_total_including_taxes_amount_cents",
                "total_amount_cents",
                "total_due_amount_cents",
            ),
            total,
        ),
    }
    bare = bare_specimen(invoice_id, "finalized")
    return {"invoice": bare["invoice"] | stated}


def _amount(fee: Mapping[str, Any]) -> int:
    return int(fee["unit_amount_cents"] * Decimal(fee["units"]))
