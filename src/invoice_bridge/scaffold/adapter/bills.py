"""The flows that bill: a one-time charge and a service period.

A bill is one ladder: existing or made → compare → finalize → compare → pay. Lookup, retries and the rate limit are not
part of a flow: the context has the existing invoice of the reference, and the flow continues from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter import Context, customer_id, rfc3339_millis, same_bill, verify
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.wire import Flow

from .tables import MONEY, SOURCES, TRANSITIONS
from .verbs import bare_specimen, changed, finalize_request, pay_request, read_answer

_KINDS = {"manual": "none", "send": "mail", "charge": "charge"}


def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(command, context)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period whose lines the caller has rated."""
    if not command.lines:
        raise Unsupported("Acme rates no usage: it bills only the lines of the request", source=SOURCES[command.verb])
    return _bill(command, context)


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context) -> Flow[Invoice]:
    body = _body(command, context)
    existing = context.existing
    invoice = same_bill(command, existing) if existing is not None else (yield from _create(context, body))
    verify(command, invoice)
    if invoice.status is Status.DRAFT and not command.draft:
        request = finalize_request(
            invoice.id, context, mails=command.collection.kind == "send", specimen=_specimen(body, invoice.id, "open")
        )
        invoice = verify(command, (yield from changed(invoice.id, context, request, TRANSITIONS["finalize"])))
    if invoice.status is Status.OPEN and command.collection.kind == "charge":
        request = pay_request(invoice.id, context, {}, specimen=_specimen(body, invoice.id, "paid"))
        invoice = yield from changed(invoice.id, context, request, TRANSITIONS["pay"])
    return invoice


def _create(context: Context, body: Mapping[str, Any]) -> Flow[Invoice]:
    """Make the draft, or return the invoice that it became if the key was used before."""
    specimen = _specimen(body, "{open.id}", "draft")
    request = context.post("invoices", body=body, step="open", specimen=specimen, opens=True, answers=("id",))
    return (yield from read_answer((yield request), context))


def _body(command: OneTimeCharge | PeriodInvoice, context: Context) -> dict[str, Any]:
    due = command.collection.due
    body = {
        "ref": command.reference,
        "customer": customer_id(command, context, example="cus_…", source=SOURCES[command.verb]),
        "currency": command.currency,
        "lines": [_line(line) for line in command.billed_lines],
        "note": command.description,
        "labels": dict(command.metadata) or None,
        "collection": _KINDS[command.collection.kind],
        "due": None if due is None else rfc3339_millis(due),
        "due_days": command.collection.net_days,
        "payment_method": command.collection.payment_method,
    }
    return _without_none(body)


def _line(line: Line) -> dict[str, Any]:
    return _without_none(
        {
            "text": line.description,
            "quantity": line.quantity,
            "unit_price": None if line.unit_amount is None else MONEY.to_units(line.unit_amount),
            "amount": MONEY.to_units(line.amount),
            "from": None if line.period is None else rfc3339_millis(line.period.start),
            "to": None if line.period is None else rfc3339_millis(line.period.end),
        }
    )


def _without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _specimen(body: Mapping[str, Any], invoice_id: str, status: str) -> dict[str, Any]:
    return {**bare_specimen(invoice_id, status), **body, "total": sum(line["amount"] for line in body["lines"])}
