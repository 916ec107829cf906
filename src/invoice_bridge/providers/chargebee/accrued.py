"""Billing what a subscription has accrued: unbilled charges, invoiced by customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.checks import same_bill
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.lookup import PAGES
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import (
    PeriodInvoice,
)
from invoice_bridge.core.errors import (
    Discrepancy,
    InvalidState,
    MalformedResponse,
    NothingToBill,
    Rejected,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow
from invoice_bridge.providers.chargebee.tables import MONEY, NAMES_BILL

if TYPE_CHECKING:
    from chargebee.models.unbilled_charge.operations import UnbilledCharge

from invoice_bridge.providers.chargebee.compared import check_demand, closable, compared
from invoice_bridge.providers.chargebee.parts import (
    PAGE,
    SPECIMEN_ID,
    bill_specimen,
    closed,
    issuing,
    naming_form,
    unmailed,
)
from invoice_bridge.providers.chargebee.verbs import change, read_invoice, whole_invoice


# ── what has accrued ─────────────────────────────────────────────────────────────────────────────────────────────────
def bill_accrued(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Invoice a subscription's unbilled charges, all of which must lie inside the period and make one invoice.

    The request that makes the invoice takes no name; the one after it gives it the reference. Where the first took
    effect and the second never left, only the key of the first knows the invoice: within the key window the same bill
    made again is answered with that invoice, and names it. Past the window it stays without a name and is not found.
    Nothing is billed twice then, as its charges have left the pile: the same bill made again raises NothingToBill, or
    invoices what has accrued inside the period since.
    """
    if command.subscription is None:
        raise Unsupported(
            "Chargebee's unbilled charges belong to a subscription",
            source="apidocs.chargebee.com, invoice unbilled charges",
            remedy="name the subscription: PeriodInvoice(subscription=…), or bill lines of your own",
        )
    if command.draft:
        raise Unsupported(
            "Chargebee cannot make a draft of unbilled charges",
            source="apidocs.chargebee.com, invoice unbilled charges",
            remedy="leave draft out",
        )
    MONEY.to_units(Money.zero(command.currency))  # refuses an unconfirmed currency before anything is read
    expected = None
    if context.existing is None:
        at, expected = yield from _invoice_accrued(command, command.subscription, context)
    else:
        at = same_bill(command, context.existing)
        if at.reference is None and (
            names := naming_form(command, context)
        ):  # the journal knows it; its name step never came
            specimen = bill_specimen(command, at.id, "payment_due", context)
            at = yield from _named(at.id, names, context, specimen)
    if at.status is Status.DRAFT:  # the subscription asks for pending invoices
        draft = closable(command, compared(command, at, expected))
        at = yield from closed(command, draft.id, context, "payment_due")
    return check_demand(command, compared(command, at, expected), context)


def _invoice_accrued(command: PeriodInvoice, subscription: str, context: Context) -> Flow[tuple[Invoice, Money | None]]:
    """Invoice the pile and name the invoice; returns the sum of the pile with it, None where that was another one."""
    expected = yield from _accrued(command, subscription, context)
    body: UnbilledCharge.InvoiceUnbilledChargesParams = {"subscription_id": subscription}
    specimen = bill_specimen(command, SPECIMEN_ID, "payment_due", context)
    request = context.post(
        "unbilled_charges",
        "invoice_unbilled_charges",
        body=body,
        step="open",
        opens=True,
        answers=("invoices",),
        effects=[*issuing(command), Effect.COLLECTS],
        specimen={"invoices": [specimen["invoice"]]},
        note="collects if the subscription's auto_collection is on: nothing can be compared before",
    )
    nothing = (
        f"Chargebee has no unbilled charge of {subscription}; this call made no invoice. An earlier try that died "
        "before it named its invoice leaves an invoice without the reference: check the subscription's newest "
        "invoices"
    )
    # Sent for an empty pile too: an earlier try may have emptied it, which the key alone can tell. Where there was
    # none, Chargebee has nothing to make an invoice of; a charge that accrues in between is compared late, as ever.
    try:
        answer = yield unmailed(request, command)
    except (Rejected, InvalidState) as refusal:
        if expected is not None or refusal.repeats:
            raise
        raise NothingToBill(nothing) from refusal
    rows = Reader(object_of(answer), "chargebee").children("invoices")
    if not rows and expected is None:
        raise NothingToBill(nothing)
    if len(rows) != 1:
        ids = ", ".join(row.text("id") or "one without an id" for row in rows) or "none"
        raise Discrepancy(f"{subscription} should have one new invoice, but has {len(rows)}: {ids}")
    made, replayed = rows[0].required_text("id"), context.provider.is_replay(answer)
    if names := naming_form(command, context):
        at = yield from _named(made, names, context, specimen)
    else:
        at = yield from read_invoice(made, context) if replayed else whole_invoice(rows[0].data, context)
    if replayed or expected is None:  # the pile is what accrued since, not what this invoice was made of
        return same_bill(command, at), None
    return at, expected


def _named(invoice_id: str, names: dict[str, str], context: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    """Write the bill's names on an invoice of the pile, which carries none."""
    return change(
        invoice_id, "update_details", context, specimen, NAMES_BILL, body=names, step="name", states_bill=True
    )


def _accrued(command: PeriodInvoice, subscription: str, context: Context) -> Flow[Money | None]:
    """The sum of a subscription's unbilled charges, None where it has none.

    Raises Discrepancy where one of them is not what was asked for: all would be billed together.
    """
    total: Money | None = None
    offset: list[tuple[str, object]] = []
    for _ in range(PAGES):
        answer = yield context.get(
            "unbilled_charges",
            query=[("subscription_id[is]", subscription), ("limit", PAGE), *offset],
            specimen={"list": [{"unbilled_charge": _specimen_charge(command)}]},
            note="repeats while there is a next_offset; every charge must lie inside the period",
        )
        whole = Reader(object_of(answer), "chargebee")
        for item in whole.listing("list"):
            row = item.child("unbilled_charge")
            if row.flag("is_voided") or row.flag("deleted"):
                continue
            amount = _fitting(command, row, context)
            total = amount if total is None else total + amount
        following: list[tuple[str, object]] = [("offset", whole.text("next_offset"))] if "next_offset" in whole else []
        if not following:
            return total
        if following == offset:
            raise whole.fault("next_offset", "returns the same page again")
        offset = following
    raise MalformedResponse(f"$.next_offset continues after {PAGES} pages of {PAGE}", provider="chargebee")


def _fitting(command: PeriodInvoice, row: Reader, context: Context) -> Money:
    charge_id, currency = row.required_text("id"), row.text("currency_code")
    wanted = command.customer.at(context.provider.name) if command.customer is not None else None
    start, end = row.unix("date_from"), row.unix("date_to")
    wrong = None
    if currency != command.currency:
        wrong = f"is in {currency}"
    elif wanted is not None and row.text("customer_id") != wanted:
        wrong = f"belongs to the customer {row.text('customer_id')}"
    elif start is None or end is None or not _inside(start, end, command.period):
        wrong = f"is for {start} to {end}"
    amount = None if wrong else row.money("amount", MONEY, command.currency)
    if amount is None:
        raise Discrepancy(
            f"the unbilled charge {charge_id} of {command.subscription} {wrong or 'has no amount'}, not for "
            f"{command.period} in {command.currency}; Chargebee bills all of them together, so none was billed",
            asked=command.period,
            found=charge_id,
        )
    return amount


def _inside(start: Any, end: Any, period: Period) -> bool:
    """Whether a charge's service period lies inside: a charge of one instant belongs where that instant does."""
    return bool(period.start <= start and (end <= period.end if end > start else start < period.end))


def _specimen_charge(command: PeriodInvoice) -> dict[str, Any]:
    start = command.period.start
    instant = unix_seconds(start.replace(microsecond=0)) + bool(start.microsecond)
    return {
        "id": "{charge.id}",
        "currency_code": command.currency,
        "customer_id": None if command.customer is None else command.customer.at("chargebee"),
        "amount": 0,
        "date_from": instant,
        "date_to": instant,
    }
