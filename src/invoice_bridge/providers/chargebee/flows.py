"""Chargebee's verbs, one generator each. A bill that is not to be collected is one request; one that is: a pending
invoice → compare → close, which collects.

Product catalog 1 has no pending invoices: what collects there cannot be compared first, and says so. Every bill sends
its currency and auto_collection: neither the site's default currency nor the customer's card is used by surprise.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import customer_id, delete_draft, invalid_state, submit_change
from invoice_bridge.adapter.checks import payable, same_bill, verify
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.lookup import PAGES, find_matches, guard_reused_key, is_findable
from invoice_bridge.adapter.provider import Context, Page, Unreadable
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import (
    Bill,
    Delete,
    Finalize,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    OneTimeCharge,
    Pay,
    PeriodInvoice,
    Retrieve,
    Void,
)
from invoice_bridge.core.errors import (
    AmountMismatch,
    Discrepancy,
    IdempotencyMismatch,
    InvalidState,
    MalformedResponse,
    NotFound,
    NothingToBill,
    Rejected,
    Unsupported,
)
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.model import Invoice, Line, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow, Request, Response, exchange
from invoice_bridge.providers.chargebee.shapes import invoice, unwrapped
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH, MONEY, NO_MAIL, reference_field

if TYPE_CHECKING:
    from chargebee.models import enums
    from chargebee.models.invoice.operations import Invoice as Sdk
    from chargebee.models.unbilled_charge.operations import UnbilledCharge

_CREATE = "apidocs.chargebee.com, create invoice for items and one-time charges"
_SPECIMEN_ID = "{open.id}"
_PAGE = 100
_OPEN = ("posted", "payment_due", "not_paid")
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


def _check_demand(command: Bill, at: Invoice, context: Context) -> Invoice:
    """Check that what was collected or is demanded is the invoice's total.

    Issuing an invoice applies the customer's credits and excess payments, and whether there are any is not known before
    (apidocs.chargebee.com, close a pending invoice): they take off, and never add. Raises AmountMismatch after the
    fact, unless allow=["balance"].
    """
    if at.status is Status.DRAFT or at.total is None or "balance" in context.allowed:
        return at
    collected = at.amount_paid
    charged = command.collection.kind == "charge" and at.status is Status.PAID
    if charged and collected is not None and collected != at.total:
        raise AmountMismatch(
            f"the invoice {at.id} totals {at.total} and is paid, but {collected} was collected: Chargebee applied "
            'credits or excess payments of the customer to the rest; allow=["balance"] accepts that',
            asked=at.total,
            found=collected,
            invoice=at,
        )
    if (
        context.existing is not None and at.status is not Status.OPEN
    ):  # what was settled long ago demands nothing any more
        return at
    applied = Reader(at.raw, "chargebee").money("credits_applied", MONEY, at.currency)
    if applied:
        raise AmountMismatch(
            f"the invoice {at.id} totals {at.total}, and {at.total - applied} of it is demanded: Chargebee applied "
            f'{applied} of the customer\'s credits; it is {at.status}, and allow=["balance"] accepts that',
            asked=at.total,
            found=at.total - applied,
            invoice=at,
        )
    return at


def _closable(command: OneTimeCharge | PeriodInvoice, at: Invoice) -> Invoice:
    """Check that a pending invoice states what it comes to: a figure that is missing never passes a comparison."""
    if at.total is None:
        raise AmountMismatch(
            f"the pending invoice {at.id} does not state its total, so it was not closed; nothing was collected",
            asked=command.total,
            invoice=at,
        )
    return at


def _check_closing(command: Bill, found: Invoice) -> None:
    """Refuse to close a draft that was found, for a bill that is not to be collected.

    Such a bill never begins as a draft, and an invoice does not show whether its auto_collection is on.
    """
    if found.status is Status.DRAFT and not command.draft and command.collection.kind != "charge":
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} belongs to the draft {found.id} already, and to close it may "
            "collect it, which this bill does not ask for; nothing was done to it: finalize it yourself, or give a "
            "new bill a new reference",
            existing=found,
        )


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


def _compared(command: OneTimeCharge | PeriodInvoice, at: Invoice, expected: Money | None = None) -> Invoice:
    """Compare; where something was collected already, a difference says so.

    A bill of the caller's own lines has no discount, and its total is its amount, with the tax on top or within.
    """
    try:
        return _undiscounted(command, verify(command, at, expected))
    except AmountMismatch as wrong:
        if at.status is not Status.PAID and not at.amount_paid:
            raise
        collected = "an unstated amount" if at.amount_paid is None else at.amount_paid
        raise AmountMismatch(
            f"asked for {wrong.asked}, the invoice {at.id} holds {wrong.found} and is {at.status}; "
            f"{collected} was collected with it",
            asked=wrong.asked,
            found=wrong.found,
            invoice=at,
        ) from None


def _undiscounted(command: OneTimeCharge | PeriodInvoice, at: Invoice) -> Invoice:
    asked = command.total
    if asked is None or at.total is None:  # accrued charges may be discounted: Chargebee rates them
        return at
    on_top = asked if at.tax is None else asked + at.tax
    if at.discount or at.total not in {asked, on_top}:
        raise AmountMismatch(
            f"asked for {asked}, the invoice {at.id} totals {at.total}"
            + (f" with a discount of {at.discount}, which the bill does not ask for" if at.discount else "")
            + f", and is {at.status}",
            asked=asked,
            found=at.total,
            invoice=at,
        )
    return at


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


def _after(answer: Response, context: Context) -> Flow[Invoice]:
    """The invoice that a verb's answer carries; where the answer is replayed, as it stands now."""
    if context.provider.is_replay(answer):
        return (yield from _read(_id_in(answer), context))
    return (yield from _whole(object_of(answer), context))


def _id_in(answer: Response) -> str:
    return Reader(unwrapped(object_of(answer)), "chargebee").required_text("id")


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


def _close(invoice_id: str, context: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    return _change(
        invoice_id,
        "close",
        context,
        specimen,
        effects=(Effect.ISSUES, Effect.COLLECTS),
        allowed={Status.DRAFT},
        becomes={Status.OPEN, Status.PAID},
        note="collects where auto_collection is on; applies credits and excess payments",
    )


# ── what has accrued ─────────────────────────────────────────────────────────────────────────────────────────────────
def _bill_accrued(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
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
            remedy="name it: PeriodInvoice(subscription=…), or bill lines of your own",
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
            names := _names(command, context)
        ):  # the journal knows it; its name step never came
            specimen = _specimen(command, at.id, "payment_due")
            at = yield from _change(at.id, "update_details", context, specimen, names, allowed=set(Status), step="name")
    if at.status is Status.DRAFT:  # the subscription asks for pending invoices
        draft = _closable(command, _compared(command, at, expected))
        at = yield from _closed(command, draft.id, context, "payment_due")
    return _check_demand(command, _compared(command, at, expected), context)


def _invoice_accrued(command: PeriodInvoice, subscription: str, context: Context) -> Flow[tuple[Invoice, Money | None]]:
    """Invoice the pile and name the invoice; returns the sum of the pile with it, None where that was another one."""
    expected = yield from _accrued(command, subscription, context)
    body: UnbilledCharge.InvoiceUnbilledChargesParams = {"subscription_id": subscription}
    specimen = _specimen(command, _SPECIMEN_ID, "payment_due")
    request = context.post(
        "unbilled_charges",
        "invoice_unbilled_charges",
        body=body,
        step="open",
        opens=True,
        answers=("invoices",),
        effects=[*_issuing(command), Effect.COLLECTS],
        specimen={"invoices": [specimen["invoice"]]},
        note="collects where the subscription's auto_collection is on: nothing can be compared first",
    )
    nothing = (
        f"Chargebee has no unbilled charge of {subscription}; this call made no invoice. An earlier try that died "
        "before it named its invoice leaves one without the reference: look at the subscription's newest ones"
    )
    # Sent for an empty pile too: an earlier try may have emptied it, which the key alone can tell. Where there was
    # none, Chargebee has nothing to make an invoice of; a charge that accrues in between is compared late, as ever.
    try:
        answer = yield from guard_reused_key(exchange(_unmailed(request, command)), command, context)
    except (Rejected, InvalidState) as refusal:
        if expected is not None or refusal.repeated:
            raise
        raise NothingToBill(nothing) from refusal
    rows = Reader(object_of(answer), "chargebee").children("invoices")
    if not rows and expected is None:
        raise NothingToBill(nothing)
    if len(rows) != 1:
        ids = ", ".join(row.text("id") or "one without an id" for row in rows) or "none"
        raise Discrepancy(f"one invoice was to be made of {subscription}, and there are {len(rows)}: {ids}")
    made, replayed = rows[0].required_text("id"), context.provider.is_replay(answer)
    if names := _names(command, context):
        name = _change(made, "update_details", context, specimen, names, allowed=set(Status), step="name")
        at = yield from guard_reused_key(name, command, context)
    else:
        at = yield from _read(made, context) if replayed else _whole(rows[0].data, context)
    if replayed or expected is None:  # the pile is what accrued since, not what this invoice was made of
        return same_bill(command, at), None
    return at, expected


def _accrued(command: PeriodInvoice, subscription: str, context: Context) -> Flow[Money | None]:
    """The sum of a subscription's unbilled charges, None where it has none.

    Raises Discrepancy where one of them is not what was asked for: all would be billed together.
    """
    total: Money | None = None
    offset: list[tuple[str, object]] = []
    for _ in range(PAGES):
        answer = yield context.get(
            "unbilled_charges",
            query=[("subscription_id[is]", subscription), ("limit", _PAGE), *offset],
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
            raise whole.fault("next_offset", "gives the same page for ever")
        offset = following
    raise MalformedResponse(f"$.next_offset goes on after {PAGES} pages of {_PAGE}", provider="chargebee")


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


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines."""
    return _read(command.id, context)


def _read(invoice_id: str, context: Context, native: str = "payment_due") -> Flow[Invoice]:
    answer = yield context.get("invoices", invoice_id, specimen=_bare(invoice_id, native), invoice_id=invoice_id)
    return (yield from _whole(object_of(answer), context))


def _carrier(context: Context) -> str | None:
    """The field in which an invoice's reference is read; "" where this very bill has none for it."""
    field = context.settings.get("reference_field")
    if (
        field is None
        and isinstance(context.command, Bill)
        and reference_field(context.command, context.settings) is None
    ):
        return ""
    return None if field is None else str(field)


def _whole(data: Mapping[str, Any], context: Context) -> Flow[Invoice]:
    """An invoice with all its lines: where it has many, line_items_next_offset says where to go on."""
    field = _carrier(context)
    first, at = invoice(data, reference_field=field), Reader(unwrapped(data), "chargebee")
    offset = at.text("line_items_next_offset")
    if offset is None or first.status is Status.DELETED:  # a deleted invoice can be listed, not retrieved
        return first
    rows = [row.data for row in at.children("line_items")]
    for _ in range(PAGES):
        answer = yield context.get("invoices", first.id, query=[("line_items_offset", offset)], invoice_id=first.id)
        more = Reader(unwrapped(object_of(answer)), "chargebee")
        rows += [row.data for row in more.children("line_items")]
        if more.text("line_items_next_offset") == offset:
            raise more.fault("line_items_next_offset", "gives the same lines for ever")
        if (offset := more.text("line_items_next_offset")) is None:
            return invoice(data, all_lines=rows, reference_field=field)
    raise MalformedResponse(f"$.line_items_next_offset goes on after {PAGES} pages", provider="chargebee")


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, each with all its lines.

    The created range is not sent: Chargebee filters by the document's date, which may lie long before an invoice was
    first issued, and would leave out what belongs to the range. The client applies it to what comes back.
    """
    pairs: list[tuple[str, object]] = [("limit", command.limit), *_status_filter(command.status)]
    if command.customer is not None and (customer := command.customer.at(context.provider.name)) is not None:
        pairs.append(("customer_id[is]", customer))
    if command.cursor is not None:
        pairs.append(("offset", command.cursor))
    answer = yield context.get("invoices", query=pairs, specimen={"list": [_bare("{listed.id}", "payment_due")]})
    whole = Reader(object_of(answer), "chargebee")
    items: list[Invoice | Unreadable] = []
    for item in whole.listing("list"):
        try:
            items.append((yield from _whole(item.data, context)))
        except MalformedResponse as error:
            items.append(Unreadable(item.data, error))
    offset = whole.text("next_offset")
    return Page(tuple(items), command.model_copy(update={"cursor": offset}) if offset is not None else None)


def _status_filter(status: Status | None) -> list[tuple[str, object]]:
    """The native filter: always with an operator, as one without is silently ignored."""
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
    """Close a pending invoice; it collects where the invoice was made to, or where the customer's settings say so."""
    return _close(command.id, context, _bare(command.id, "payment_due"))


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect what is left to pay, as it was read, from a payment source of the customer's."""
    if command.payment_method is None:
        raise Unsupported(
            "Chargebee collects from a payment source that is named",
            source="chargebee/openapi, API v2, collect_payment",
            remedy="pass payment_method, the id of a payment source of the customer (pm_…)",
        )
    found = yield from _payable(command, context)
    body: Sdk.CollectPaymentParams = {"payment_source_id": command.payment_method}
    if found.amount_remaining is not None:
        body["amount"] = MONEY.to_units(found.amount_remaining)
    return (yield from _pay(command.id, "collect_payment", context, body))


def record_payment(command: MarkPaid, context: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere, of what is left to pay as it was read; its date is the provider's present."""
    found = yield from _payable(Pay(id=command.id), context)
    transaction: Sdk.RecordPaymentTransactionParams = {"payment_method": cast("enums.PaymentMethod", "other")}
    if found.amount_remaining is not None:  # more than is due would become the customer's excess payment
        transaction["amount"] = MONEY.to_units(found.amount_remaining)
    body: Sdk.RecordPaymentParams = {"transaction": transaction}
    return (yield from _pay(command.id, "record_payment", context, body))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Withdraw an issued invoice on which nothing was paid or credited."""
    return _change(
        command.id, "void", context, _bare(command.id, "voided"), effects=(Effect.VOIDS,), becomes={Status.VOID}
    )


def write_off(command: MarkUncollectible, context: Context) -> Flow[Invoice]:
    """Write an issued invoice off: natively it becomes paid, with a write_off_amount."""
    specimen = _bare(command.id, "paid")
    return _change(command.id, "write_off", context, specimen, effects=(Effect.VOIDS,), becomes={Status.UNCOLLECTIBLE})


def delete(command: Delete, context: Context) -> Flow[Invoice]:
    """Discard a draft. Reads it first: Chargebee would delete an issued invoice too, and its usages for good."""
    found = yield from _read(command.id, context, "pending")
    if found.status is not Status.DRAFT:
        raise invalid_state(found, "cannot be deleted")
    request = context.post(
        "invoices", command.id, "delete", specimen=_bare(command.id, "pending", deleted=True), invoice_id=command.id
    )

    def says_so(answer: Response) -> bool:
        return Reader(unwrapped(object_of(answer)), "chargebee").flag("deleted") is True

    return (yield from delete_draft(request, found, lambda: _read(command.id, context), says_so))


def _payable(command: Pay, context: Context) -> Flow[Invoice]:
    """Read an invoice that is to be paid. What was written off is natively paid, and takes no payment any more."""
    answer = yield context.get(
        "invoices",
        command.id,
        specimen=_bare(command.id, "payment_due", command.expect),
        note="what is left to pay then goes into the next request as its amount",
        invoice_id=command.id,
    )
    found = payable(command, (yield from _whole(object_of(answer), context)))
    if found.status is not Status.OPEN:
        raise invalid_state(found, "cannot be paid")
    return found


def _pay(invoice_id: str, action: str, context: Context, body: Mapping[str, Any]) -> Flow[Invoice]:
    specimen = _bare(invoice_id, "paid")
    return _change(invoice_id, action, context, specimen, body, effects=(Effect.COLLECTS,), becomes={Status.PAID})


def _change(
    invoice_id: str,
    action: str,
    context: Context,
    specimen: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
    *,
    effects: tuple[Effect, ...] = (),
    allowed: AbstractSet[Status] = frozenset({Status.OPEN}),
    becomes: AbstractSet[Status] = frozenset(),
    step: str = "",
    note: str = "",
) -> Flow[Invoice]:
    request = context.post(
        "invoices",
        invoice_id,
        action,
        body=body,
        step=step,
        effects=effects,
        specimen=specimen,
        note=note,
        invoice_id=None if action == "close" else invoice_id,  # closing may give an invoice its final number
    )

    def after(answer: Response) -> Flow[Invoice]:
        return _after(answer, context)

    return submit_change(request, lambda: _read(invoice_id, context), after, allowed=allowed, becomes=becomes)


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def _bare(invoice_id: str, status: str, due: Money | None = None, *, deleted: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"id": invoice_id, "status": status, "currency_code": "EUR", "line_items": []}
    if due is not None:
        found |= {"currency_code": due.currency, "amount_due": MONEY.to_units(due)}
    return {"invoice": {**found, "deleted": deleted}}


def _specimen(command: OneTimeCharge | PeriodInvoice, invoice_id: str, status: str) -> dict[str, Any]:
    rows = [{"amount": MONEY.to_units(line.amount)} for line in command.billed_lines]
    total = sum(row["amount"] for row in rows)
    amounts = {"currency_code": command.currency, "sub_total": total, "total": total, "line_items": rows}
    return {"invoice": {**_bare(invoice_id, status)["invoice"], **amounts}}


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
