"""The flows that bill: a one-time charge and a service period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.checks import same_bill
from invoice_bridge.adapter.instants import unix_seconds
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
from invoice_bridge.core.wire import Effect, Flow, Request
from invoice_bridge.providers.chargebee.conditions import carries_price, is_compared_first
from invoice_bridge.providers.chargebee.subscription import check_subscription
from invoice_bridge.providers.chargebee.tables import MONEY

if TYPE_CHECKING:
    from chargebee.models import enums
    from chargebee.models.invoice.operations import Invoice as Sdk

from invoice_bridge.providers.chargebee.accrued import bill_accrued
from invoice_bridge.providers.chargebee.compared import check_closing, check_demand, closable, compared
from invoice_bridge.providers.chargebee.parts import (
    SPECIMEN_ID,
    bill_specimen,
    closed,
    customer_of_bill,
    discounts_of_bill,
    issuing,
    lines_of_bill,
    naming_form,
    net_term_days,
    unmailed,
)
from invoice_bridge.providers.chargebee.verbs import id_in, read_invoice, whole_invoice


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(command, context)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period: the caller's lines, or the subscription's unbilled charges if all lie inside it."""
    return _bill(command, context) if command.lines else bill_accrued(command, context)


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context) -> Flow[Invoice]:
    on_catalog_1 = context.settings.get("product_catalog") == 1
    if on_catalog_1 and command.draft:
        raise Unsupported(
            "Chargebee's product catalog 1 cannot make a draft of a bill",
            source="apidocs.chargebee.com/docs/api/v2/pcv-1/invoices",
            remedy="leave draft out, or bill on product catalog 2",
        )
    if context.existing is None:
        if command.subscription is not None:
            yield from check_subscription(command, command.subscription, context)
        request = _opening_on_catalog_1(command, context) if on_catalog_1 else _opening_on_catalog_2(command, context)
        at = yield from _open(request, command, context)
    else:
        at = same_bill(command, context.existing)
        check_closing(command, at)
    at = compared(command, at)
    if at.status is Status.DRAFT and not command.draft:
        at = compared(command, (yield from closed(command, closable(command, at).id, context, "paid")))
    return check_demand(command, at, context)


def _opening_on_catalog_2(command: OneTimeCharge | PeriodInvoice, context: Context) -> Request:
    collects = command.collection.kind == "charge"
    pending = command.draft or collects or is_compared_first(command, context.settings)
    body: Sdk.CreateForChargeItemsAndChargesParams = {}
    if command.subscription is None:
        body["customer_id"] = customer_of_bill(command, context)
        body["currency_code"] = command.currency
    else:
        body["subscription_id"] = command.subscription
    lines = lines_of_bill(command)
    if charges := [_charge_form(line, command) for line in lines if not carries_price(line, context.settings)]:
        body["charges"] = charges
    if items := [_item_form(line) for line in lines if carries_price(line, context.settings)]:
        body["item_prices"] = items
    if command.discounts:
        whole = cast("enums.ApplyOn", "invoice_amount")
        discounts: list[Sdk.CreateForChargeItemsAndChargesDiscountParams] = [
            {"apply_on": whole, "amount": units} for units in discounts_of_bill(command)
        ]
        body["discounts"] = discounts
    body["auto_collection"] = _on_or_off(on=collects)
    if pending:
        body["create_pending_invoice"] = True
    if (days := net_term_days(command)) is not None:
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
        body={**body, **naming_form(command, context)},
        step="open",
        opens=True,
        answers=("invoice", "id"),
        effects=[] if pending else issuing(command),
        specimen=bill_specimen(command, SPECIMEN_ID, "pending" if pending else "payment_due", context),
    )


def _opening_on_catalog_1(command: OneTimeCharge | PeriodInvoice, context: Context) -> Request:
    collects = command.collection.kind == "charge"
    route: tuple[str, ...] = ("invoices",)
    body = _create_form(command, context)
    # /charge collects at once and carries one line without a note, taxed by the site: used for exactly such bills
    if collects and fits_charge(command):
        route, body = ("invoices", "charge"), _single_form(command, context)
    return context.post(
        *route,
        body={**body, **naming_form(command, context)},
        step="open",
        opens=True,
        answers=("invoice", "id"),
        effects=[*issuing(command), Effect.COLLECTS] if collects else issuing(command),
        specimen=bill_specimen(command, SPECIMEN_ID, "paid" if collects else "payment_due", context),
        note="product catalog 1 collects in the same request: nothing can be compared before" if collects else "",
    )


def _create_form(command: OneTimeCharge | PeriodInvoice, context: Context) -> Mapping[str, Any]:
    body: Sdk.CreateParams = {
        "customer_id": customer_of_bill(command, context),
        "currency_code": command.currency,
        "charges": [_charge_form(line, command) for line in lines_of_bill(command)],
        "auto_collection": _on_or_off(on=command.collection.kind == "charge"),
    }
    if command.subscription is not None:  # the invoice takes the subscription's customer and currency, compared before
        del body["customer_id"], body["currency_code"]
        body["subscription_id"] = command.subscription
    if command.description is not None:
        body["invoice_note"] = command.description
    if command.issued_at is not None:
        body["invoice_date"] = unix_seconds(command.issued_at)
    if command.collection.payment_method is not None:
        body["payment_source_id"] = command.collection.payment_method
    return body


def fits_charge(command: OneTimeCharge | PeriodInvoice) -> bool:
    """Return whether POST /invoices/charge can carry this bill of product catalog 1 that is to be collected."""
    lines = lines_of_bill(command)
    return len(lines) == 1 and command.tax == "provider" and command.description in {None, lines[0].description}


def _single_form(command: OneTimeCharge | PeriodInvoice, context: Context) -> Mapping[str, Any]:
    line: Mapping[str, Any] = _charge_form(lines_of_bill(command)[0], command)
    body: Sdk.ChargeParams = {
        "customer_id": customer_of_bill(command, context),
        "currency_code": command.currency,
        "amount": MONEY.to_units(lines_of_bill(command)[0].amount),
        "description": line.get("description", command.reference),  # required here
    }
    if command.subscription is not None:
        del body["customer_id"], body["currency_code"]
        body["subscription_id"] = command.subscription
    if "date_from" in line and "date_to" in line:
        body["date_from"], body["date_to"] = line["date_from"], line["date_to"]
    if command.issued_at is not None:
        body["invoice_date"] = unix_seconds(command.issued_at)
    if command.collection.payment_method is not None:
        body["payment_source_id"] = command.collection.payment_method
    return body


def _check_amount(line: Line) -> None:
    if line.amount.minor < 1:
        raise Unsupported(
            f"Chargebee only bills amounts above zero, and this bill has a line of {line.amount}",
            source="chargebee-node 3.31.0, charges[amount] of 1 or more",
            remedy="leave the line out, or take a credit off another line",
        )


def _item_form(line: Line) -> Sdk.CreateForChargeItemsAndChargesItemPriceParams:
    """Return a line of an item price, once at the line's amount: it replaces the price of the catalog.

    No quantity is sent, because it would multiply an item of a flat fee.
    """
    _check_amount(line)
    form: Sdk.CreateForChargeItemsAndChargesItemPriceParams = {"unit_price": MONEY.to_units(line.amount)}
    if line.price is not None:
        form["item_price_id"] = line.price
    if line.description is not None:
        form["description"] = line.description
    if line.period is not None:
        form["date_from"], form["date_to"] = unix_seconds(line.period.start), unix_seconds(line.period.end)
    return form


def _charge_form(line: Line, command: Bill) -> Sdk.CreateForChargeItemsAndChargesChargeParams:
    _check_amount(line)
    form: Sdk.CreateForChargeItemsAndChargesChargeParams = {
        "amount": MONEY.to_units(line.amount),
        "taxable": command.tax == "provider",
    }
    if line.description is not None:
        form["description"] = line.description
    if line.period is not None:  # the same two instants: no page says whether Chargebee includes the last one
        form["date_from"], form["date_to"] = unix_seconds(line.period.start), unix_seconds(line.period.end)
    return form


def _on_or_off(*, on: bool) -> enums.AutoCollection:
    return cast("enums.AutoCollection", "on" if on else "off")  # the SDK's enum is not a str, the value on the wire is


# ── sending, and what a replayed answer means ────────────────────────────────────────────────────────────────────────
def _open(request: Request, command: Bill, context: Context) -> Flow[Invoice]:
    """Send the creating request; a replayed answer is an earlier one, so the invoice is read again.

    An earlier try may have closed the pending invoice, which gives it another id. The replayed answer is used then,
    and closing it again under the same key replays that answer too.
    """
    answer = yield unmailed(request, command)
    if context.provider.is_replay(answer):
        try:
            return (yield from read_invoice(id_in(answer), context))
        except NotFound:
            is_closed = command.collection.kind == "charge" or is_compared_first(command, context.settings)
            if command.draft or not is_closed:
                raise
    return (yield from whole_invoice(object_of(answer), context))
