"""The flows that bill: a one-time charge and a service period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import customer_id
from invoice_bridge.adapter.checks import same_bill
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.lookup import find_matches, guard_reused_key, is_findable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import (
    Bill,
    OneTimeCharge,
    PeriodInvoice,
)
from invoice_bridge.core.errors import (
    NotFound,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.wire import Effect, Flow, Request, exchange
from invoice_bridge.providers.chargebee.fields import reference_field
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH, MONEY, NO_MAIL

if TYPE_CHECKING:
    from chargebee.models import enums
    from chargebee.models.invoice.operations import Invoice as Sdk

from invoice_bridge.providers.chargebee.accrued import _bill_accrued
from invoice_bridge.providers.chargebee.compared import _check_closing, _check_demand, _closable, _compared
from invoice_bridge.providers.chargebee.verbs import _bare, _close, _id_in, _read, _whole

_CREATE = "apidocs.chargebee.com, create invoice for items and one-time charges"
_SPECIMEN_ID = "{open.id}"
_PAGE = 100
_DAY = timedelta(days=1)


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(command, context)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period: the caller's lines, or the subscription's unbilled charges where all lie inside it."""
    return _bill(command, context) if command.lines else _bill_accrued(command, context)


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context) -> Flow[Invoice]:
    on_catalog_1 = context.settings.get("product_catalog") == 1
    if on_catalog_1 and command.draft:
        raise Unsupported(
            "Chargebee's product catalog 1 cannot make a draft of a bill",
            source="apidocs.chargebee.com/docs/api/v2/pcv-1/invoices",
            remedy="leave draft out, or bill on product catalog 2",
        )
    if context.existing is None:
        request = _opening_on_catalog_1(command, context) if on_catalog_1 else _opening_on_catalog_2(command, context)
        at = yield from _open(request, command, context)
    else:
        at = same_bill(command, context.existing)
        _check_closing(command, at)
    at = _compared(command, at)
    if at.status is Status.DRAFT and not command.draft:
        at = _compared(command, (yield from _closed(command, _closable(command, at).id, context, "paid")))
    return _check_demand(command, at, context)


def _opening_on_catalog_2(command: OneTimeCharge | PeriodInvoice, context: Context) -> Request:
    collects = command.collection.kind == "charge"
    pending = command.draft or collects
    body: Sdk.CreateForChargeItemsAndChargesParams = {
        "customer_id": _customer(command, context),
        "currency_code": command.currency,
        "charges": [_charge_form(line, command) for line in _lines(command)],
        "auto_collection": _on_or_off(on=collects),
    }
    if pending:
        body["create_pending_invoice"] = True
    if (days := _net_term_days(command)) is not None:
        body["net_term_days"] = days
    if command.description is not None:
        body["invoice_note"] = command.description
    if command.issued_at is not None:
        body["invoice_date"] = unix_seconds(command.issued_at)
    if command.collection.payment_method is not None:
        body["payment_source_id"] = command.collection.payment_method
    return context.post(
        "invoices",
        "create_for_charge_items_and_charges",
        body={**body, **_names(command, context)},
        step="open",
        opens=True,
        answers=("invoice", "id"),
        effects=[] if pending else _issuing(command),
        specimen=_specimen(command, _SPECIMEN_ID, "pending" if pending else "payment_due"),
    )


def _opening_on_catalog_1(command: OneTimeCharge | PeriodInvoice, context: Context) -> Request:
    collects = command.collection.kind == "charge"
    route: tuple[str, ...] = ("invoices",)
    body = _create_form(command, context)
    # /charge collects at once and carries one line without a note, taxed as the site says: used where that is the bill
    if collects and _fits_charge(command):
        route, body = ("invoices", "charge"), _single_form(command, context)
    return context.post(
        *route,
        body={**body, **_names(command, context)},
        step="open",
        opens=True,
        answers=("invoice", "id"),
        effects=[*_issuing(command), Effect.COLLECTS] if collects else _issuing(command),
        specimen=_specimen(command, _SPECIMEN_ID, "paid" if collects else "payment_due"),
        note="product catalog 1 collects in the same request: nothing can be compared first" if collects else "",
    )


def _create_form(command: OneTimeCharge | PeriodInvoice, context: Context) -> Mapping[str, Any]:
    body: Sdk.CreateParams = {
        "customer_id": _customer(command, context),
        "currency_code": command.currency,
        "charges": [_charge_form(line, command) for line in _lines(command)],
        "auto_collection": _on_or_off(on=command.collection.kind == "charge"),
    }
    if command.description is not None:
        body["invoice_note"] = command.description
    if command.issued_at is not None:
        body["invoice_date"] = unix_seconds(command.issued_at)
    if command.collection.payment_method is not None:
        body["payment_source_id"] = command.collection.payment_method
    return body


def _fits_charge(command: OneTimeCharge | PeriodInvoice) -> bool:
    lines = _lines(command)
    return len(lines) == 1 and command.tax == "provider" and command.description in {None, lines[0].description}


def _single_form(command: OneTimeCharge | PeriodInvoice, context: Context) -> Mapping[str, Any]:
    line: Mapping[str, Any] = _charge_form(_lines(command)[0], command)
    body: Sdk.ChargeParams = {
        "customer_id": _customer(command, context),
        "currency_code": command.currency,
        "amount": MONEY.to_units(_lines(command)[0].amount),
        "description": line.get("description", command.reference),  # required here
    }
    if "date_from" in line and "date_to" in line:
        body["date_from"], body["date_to"] = line["date_from"], line["date_to"]
    if command.issued_at is not None:
        body["invoice_date"] = unix_seconds(command.issued_at)
    if command.collection.payment_method is not None:
        body["payment_source_id"] = command.collection.payment_method
    return body


# ── the parts of a bill ──────────────────────────────────────────────────────────────────────────────────────────────
def _lines(command: OneTimeCharge | PeriodInvoice) -> tuple[Line, ...]:
    """The lines; a bare amount whose description is too long for a line is named by the reference: the note has it."""
    lines = command.billed_lines
    if command.lines or command.description is None or len(command.description) <= DESCRIPTION_LENGTH:
        return lines
    return tuple(line.model_copy(update={"description": command.reference}) for line in lines)


def _charge_form(line: Line, command: Bill) -> Sdk.CreateForChargeItemsAndChargesChargeParams:
    if line.amount.minor < 1:
        raise Unsupported(
            f"Chargebee bills amounts above zero only, and a line of {line.amount} is not dropped silently",
            source="chargebee-node 3.31.0, charges[amount] of 1 or more",
            remedy="leave the line out, or take a credit off another line",
        )
    form: Sdk.CreateForChargeItemsAndChargesChargeParams = {
        "amount": MONEY.to_units(line.amount),
        "taxable": command.tax == "provider",
    }
    if line.description is not None:
        form["description"] = line.description
    if line.period is not None:  # the same two instants: whether Chargebee counts the last one in is not documented
        form["date_from"], form["date_to"] = unix_seconds(line.period.start), unix_seconds(line.period.end)
    return form


def _customer(command: Bill, context: Context) -> str:
    return customer_id(command, context, example="cus_…", source=_CREATE)


def _on_or_off(*, on: bool) -> enums.AutoCollection:
    return cast("enums.AutoCollection", "on" if on else "off")  # the SDK's enum is no text; the wire's is


def _names(command: Bill, context: Context) -> dict[str, str]:
    """The purchase order and the reference, each in the field that carries it."""
    names = {} if command.purchase_order is None else {"po_number": command.purchase_order}
    field = reference_field(command, context.settings)
    return names if field is None else {**names, field: command.reference}


def _net_term_days(command: Bill) -> int | None:
    """The payment terms. Raises Unsupported for a due date that is no whole number of days after the invoice's date."""
    due, issued = command.collection.due, command.issued_at
    if due is None:
        return command.collection.net_days
    days, rest = divmod(due - issued, _DAY) if issued is not None else (-1, _DAY)
    if rest or days < 0:
        raise Unsupported(
            "Chargebee counts payment terms in whole days from the invoice's date"
            + ("" if issued is not None else ", and a due date without issued_at has no such number"),
            source=f"{_CREATE}, net_term_days",
            remedy="write Collection.send(net_days=…), or an issued_at that lies whole days before the due date",
        )
    return days


def _issuing(command: Bill) -> list[Effect]:
    return [Effect.ISSUES, Effect.MAILS] if command.collection.kind == "send" else [Effect.ISSUES]


def _unmailed(request: Request, command: Bill) -> Request:
    """Keep a request that is to mail nobody from doing so, whatever the site's e-mail settings say."""
    if command.collection.kind != "manual":
        return request
    return replace(request, headers={**request.headers, NO_MAIL[0]: NO_MAIL[1]})


# ── sending, and what a replayed answer means ────────────────────────────────────────────────────────────────────────
def _open(request: Request, command: Bill, context: Context) -> Flow[Invoice]:
    """Send the creating request; a replayed answer is of an earlier try, so the invoice is read once more.

    An earlier try may have closed the pending invoice, which gives it another id; what was replayed then stands, and
    closing it again under the same key replays that as well.
    """
    answer = yield from guard_reused_key(exchange(_unmailed(request, command)), command, context)
    if context.provider.is_replay(answer):
        try:
            return (yield from _read(_id_in(answer), context))
        except NotFound:
            if command.draft or command.collection.kind != "charge":
                raise
    return (yield from _whole(object_of(answer), context))


def _closed(command: OneTimeCharge | PeriodInvoice, draft_id: str, context: Context, native: str) -> Flow[Invoice]:
    """Close the pending invoice of a bill.

    Where an earlier try may have closed it and its id finds it no more, it has another one: the reference finds it.
    """
    try:
        return (yield from _close(draft_id, context, _specimen(command, draft_id, native)))
    except NotFound as refusal:
        if not refusal.repeated or not is_findable(command, context):
            raise
        seen = yield from find_matches(command, context)
        if len(seen.invoices) != 1 or seen.gap or seen.invoices[0].status is Status.DRAFT:
            raise
        return same_bill(command, seen.invoices[0])


def _specimen(command: OneTimeCharge | PeriodInvoice, invoice_id: str, status: str) -> dict[str, Any]:
    rows = [{"amount": MONEY.to_units(line.amount)} for line in command.billed_lines]
    total = sum(row["amount"] for row in rows)
    amounts = {"currency_code": command.currency, "sub_total": total, "total": total, "line_items": rows}
    return {"invoice": {**_bare(invoice_id, status)["invoice"], **amounts}}
