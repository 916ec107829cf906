"""The flow that bills a subscription's unbilled charges, invoiced by customer."""

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


# ── unbilled charges ─────────────────────────────────────────────────────────────────────────────────────────────────
def bill_accrued(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Invoice a subscription's unbilled charges, all of which must lie inside the period and make one invoice.

    The request that makes the invoice takes no name; the one after it gives it the reference. If the first takes
    effect and the second is never sent, only the key of the first leads to the invoice: while the key lives, the same
    bill gets that invoice again and names it. Later the invoice keeps no reference and no lookup finds it. Nothing is
    billed twice then, because its charges are billed already: the same bill raises NothingToBill, or invoices what
    has accrued inside the period since.
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
        ):  # the journal knows the invoice, but its name step was never sent
            specimen = bill_specimen(command, at.id, "payment_due", context)
            at = yield from _named(at.id, names, context, specimen)
    if at.status is Status.DRAFT:  # the subscription asks for pending invoices
        draft = closable(command, compared(command, at, expected))
        at = yield from closed(command, draft.id, context, "payment_due")
    return check_demand(command, compared(command, at, expected), context)


def _invoice_accrued(command: PeriodInvoice, subscription: str, context: Context) -> Flow[tuple[Invoice, Money | None]]:
    """Invoice the unbilled charges and name the invoice; also return their sum, None if they were others."""
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
    # This is sent without unbilled charges too: an earlier try may have billed them, and only the key shows it.
    # Without an earlier try Chargebee has nothing to invoice; a charge that accrues in between is compared
    # afterwards.
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
    if replayed or expected is None:  # the unbilled charges accrued since; this invoice was made of others
        return same_bill(command, at), None
    return at, expected


def _named(invoice_id: str, names: dict[str, str], context: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    """Write the bill's reference on the invoice of unbilled charges, which has none."""
    return change(
        invoice_id, "update_details", context, specimen, NAMES_BILL, body=names, step="name", states_bill=True
    )


def _accrued(command: PeriodInvoice, subscription: str, context: Context) -> Flow[Money | None]:
    """Return the sum of a subscription's unbilled charges, None if it has none.

    Raises Discrepancy if one of them does not belong to the bill, because Chargebee bills them all together.
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
    """Return whether a charge's service period, which may be one instant, lies inside the bill's."""
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
