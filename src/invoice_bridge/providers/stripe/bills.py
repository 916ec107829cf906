"""The flows that bill: a one-time charge and a service period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoice_bridge.adapter.changes import customer_id
from invoice_bridge.adapter.checks import same_bill
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.bills import taxes_of_bill
from invoice_bridge.core.commands import (
    Bill,
    OneTimeCharge,
    PeriodInvoice,
)
from invoice_bridge.core.errors import NothingToBill, Unsupported
from invoice_bridge.core.model import Invoice, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import tax_on_top
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.stripe.compared import compare_bill, compare_collected, compare_demand, compare_minimum
from invoice_bridge.providers.stripe.fields import carries_price
from invoice_bridge.providers.stripe.lines import line_forms, products_of_prices
from invoice_bridge.providers.stripe.tables import (
    LINES_PER_INVOICE,
    MAILS_BILL,
    MONEY,
    PAYS_BILL,
    PURCHASE_ORDER,
    REFERENCE_KEY,
    TRANSITIONS,
)

if TYPE_CHECKING:
    from stripe.params import (
        InvoiceAddLinesParams,
        InvoiceAddLinesParamsLine,
        InvoiceCreateParams,
    )

from invoice_bridge.providers.stripe.verbs import (
    bare_specimen,
    ceil,
    changed,
    check_keys,
    finalize_request,
    listed_rows,
    post_form,
    read_answer,
    read_invoice,
)

_SPECIMEN_ID = "{open.id}"


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(command, context, _invoice_form(command, context), line_forms(command), expected=command.total)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period: the caller's lines, or the customer's pending items inside it."""
    form = _invoice_form(command, context)
    if command.lines:
        return (yield from _bill(command, context, form, line_forms(command), expected=command.total))
    if context.existing is not None and (context.existing.lines or context.existing.status is not Status.DRAFT):
        return (yield from _bill(command, context, form, [], expected=None))
    items = yield from _pending_items(command, context)
    expected = Money(sum(amount.minor for _, amount in items), command.currency)
    if not items:
        raise NothingToBill(
            f"Stripe has no pending item of {_customer(command, context)} in {command.currency} inside {command.period}"
            + (f" that belongs to {command.subscription}" if command.subscription else "")
            + "; no invoice was opened"
        )
    if len(items) > LINES_PER_INVOICE or expected.minor < 0:
        raise Unsupported(
            f"{len(items)} pending items over {expected} lie inside {command.period}; an invoice takes "
            f"{LINES_PER_INVOICE}, and its total is not negative",
            source="docs.stripe.com/changelog/2016-02-22",
            remedy="bill shorter periods",
        )
    attach: list[InvoiceAddLinesParamsLine] = [{"invoice_item": item} for item, _ in items]
    return (yield from _bill(command, context, form, attach, expected=expected))


def _bill(
    command: OneTimeCharge | PeriodInvoice,
    context: Context,
    form: InvoiceCreateParams,
    lines: list[InvoiceAddLinesParamsLine],
    *,
    expected: Money | None,
) -> Flow[Invoice]:
    at = context.existing or (yield from _open(command, context, form))
    resumed = at.status is not Status.DRAFT or bool(at.lines)
    if resumed or context.existing is not None:  # an existing empty draft may be another customer's
        same_bill(command, at, expected)
    if not resumed:
        add: InvoiceAddLinesParams = {"lines": lines}
        specimen = _specimen(command, at.id, "draft", expected)
        request = post_form(
            at.id,
            "add_lines",
            context,
            add,
            step="lines",
            specimen=specimen,
            answers=("lines", "data", 0),
            states_bill=True,
        )
        at = yield from changed(at.id, context, request, TRANSITIONS["update"])
    at = compare_bill(command, at, expected)
    if at.status is Status.DRAFT and not command.draft:
        compare_demand(compare_minimum(at, context), context)
        request = finalize_request(at.id, context, _specimen(command, at.id, "open", expected))
        at = yield from changed(at.id, context, request, TRANSITIONS["finalize"])
        at = compare_demand(compare_bill(command, at, expected), context)
    elif (
        resumed and at.status in TRANSITIONS["finalize"].becomes
    ):  # a bill that an earlier call refused is refused again
        compare_demand(at, context)
    if resumed and at.status is Status.OPEN and command.collection.kind == "charge":
        at = yield from read_invoice(at.id, context, payments=True)
    if at.status is not Status.OPEN or at.payment_pending or command.draft or command.collection.kind == "manual":
        return at
    return (yield from _handed_over(command, at, context, expected))


def _handed_over(
    command: OneTimeCharge | PeriodInvoice, at: Invoice, context: Context, expected: Money | None
) -> Flow[Invoice]:
    """Mail an open invoice, or collect it. An invoice that the journal lists as mailed is not mailed again.

    Finalizing with auto_advance=false mails nobody: Stripe's page on automatic advancement has it turned off "to decide
    if and when to send" mails. Its page on out-of-band invoices names a setting of the account instead. Nobody has
    confirmed either on a live account; if the setting counts, the customer has two mails of one invoice.
    """
    if command.collection.kind == "charge":
        compare_collected(compare_demand(at, context), at.amount_remaining)
        specimen = _specimen(command, at.id, "paid", expected)
        request = post_form(at.id, "pay", context, step="pay", effects=PAYS_BILL.effects, specimen=specimen)
        paid = yield from changed(at.id, context, request, PAYS_BILL)
        return compare_bill(command, paid, expected)
    specimen = _specimen(command, at.id, "open", expected)
    request = post_form(at.id, "send", context, step="send", effects=MAILS_BILL.effects, specimen=specimen)
    if context.has_done(request):
        return at
    return (yield from changed(at.id, context, request, MAILS_BILL))


def _open(command: OneTimeCharge | PeriodInvoice, context: Context, form: InvoiceCreateParams) -> Flow[Invoice]:
    empty = command.model_copy(update={"expect_total": None})
    specimen = _specimen(empty, _SPECIMEN_ID, "draft", Money.zero(command.currency))
    request = context.post("v1", "invoices", body=form, step="open", specimen=specimen, opens=True, answers=("id",))
    return (yield from read_answer((yield request), context))


def _invoice_form(command: OneTimeCharge | PeriodInvoice, context: Context) -> InvoiceCreateParams:
    check_keys(command.metadata)
    form: InvoiceCreateParams = {
        "customer": _customer(command, context),
        "currency": command.currency.lower(),
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "automatic_tax": {"enabled": command.tax == "provider"},
        "discounts": "",  # without it the customer's own discount would reduce the bill
        "metadata": {**command.metadata, REFERENCE_KEY: command.reference},
        "collection_method": "send_invoice" if command.collection.kind == "send" else "charge_automatically",
    }
    if command.description is not None:
        form["description"] = command.description
    if command.purchase_order is not None:
        form["custom_fields"] = [{"name": PURCHASE_ORDER, "value": command.purchase_order}]
    if command.issued_at is not None:
        form["effective_at"] = unix_seconds(command.issued_at)
    if command.collection.due is not None:
        form["due_date"] = unix_seconds(command.collection.due)
    if command.collection.net_days is not None:
        form["days_until_due"] = command.collection.net_days
    if command.collection.payment_method is not None:
        form["default_payment_method"] = command.collection.payment_method
    if command.subscription is not None:  # its cycle is not affected, and only its pending items can join the invoice
        form["subscription"] = command.subscription
    MONEY.to_units(Money.zero(command.currency))  # a currency whose factor is not confirmed is refused, lines or not
    return form


def _customer(command: Bill, context: Context) -> str:
    return customer_id(command, context, example="cus_…", source="stripe-python 16.1.0, InvoiceCreateParams")


# ── what has accrued, and what was billed ────────────────────────────────────────────────────────────────────────────
def _pending_items(command: PeriodInvoice, context: Context) -> Flow[list[tuple[str, Money]]]:
    """Return the pending items to bill, oldest first, with their amounts.

    They are the customer's, in the currency, inside the period, and the subscription's. Without a subscription, items
    that belong to one are left out: its own next invoice bills them.
    """
    customer = _customer(command, context)
    rows = yield from listed_rows(
        context,
        ("v1", "invoiceitems"),
        [("customer", customer), ("pending", True)],
        specimen=_specimen_item(command, customer),
        note="repeats while has_more; only items inside the period are billed",
    )
    found: list[tuple[str, Money]] = []
    for row in rows:
        whose = (row.text("customer") or row.child("customer").text("id"), row.text("currency"), "invoice" in row)
        owner = row.child("parent").child("subscription_details").text("subscription")
        if whose != (customer, command.currency.lower(), False) or owner != command.subscription:
            continue
        if (
            _inside(row.child("period"), command.period)
            and (amount := row.money("amount", MONEY, command.currency)) is not None
        ):
            found.append((row.required_text("id"), amount))
    return found[::-1]


def _inside(spell: Reader, period: Period) -> bool:
    """Return whether an item's service period, which may be one instant, lies inside the bill's."""
    start, end = spell.unix("start"), spell.unix("end")
    if start is None or end is None:
        return False
    return period.start <= start and (end <= period.end if end > start else start < period.end)


def _specimen(
    command: OneTimeCharge | PeriodInvoice, invoice_id: str, status: str, total: Money | None
) -> dict[str, Any]:
    lines = [] if not total else _specimen_lines(command, MONEY.to_units(total))
    if total is not None and lines:
        total += tax_on_top(taxes_of_bill(command), total.currency)
    if command.expect_total is not None:
        total = command.expect_total
    units = None if total is None else MONEY.to_units(total)
    paid = status == "paid"
    amounts = {
        "total": units,
        "amount_due": units,
        "amount_paid": units if paid else 0,
        "amount_remaining": 0 if paid else units,
        "starting_balance": 0,
    }
    return {
        **bare_specimen(invoice_id, status),
        "currency": command.currency.lower(),
        **amounts,
        "lines": {"data": lines},
    }


def _specimen_lines(command: OneTimeCharge | PeriodInvoice, units: int) -> list[dict[str, Any]]:
    """Return one line of the whole amount, or every line if a price of Stripe's rates one: that is compared."""
    if not any(carries_price(line) for line in command.lines):
        return [{"amount": units}]
    products = products_of_prices(command)
    return [
        {
            "amount": MONEY.to_units(line.amount),
            "pricing": {"price_details": {"price": line.price, "product": products.get(line.price or "")}},
        }
        for line in command.billed_lines
    ]


def _specimen_item(command: PeriodInvoice, customer: str) -> dict[str, Any]:
    item = {"id": "{item.id}", "customer": customer, "currency": command.currency.lower(), "amount": 0}
    owner = {"subscription_details": {"subscription": command.subscription}} if command.subscription else None
    start = ceil(command.period.start)
    return {"data": [item | {"period": {"start": start, "end": start}, "parent": owner}], "has_more": False}
