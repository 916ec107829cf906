"""Chargebee's verbs, one generator each. A bill that is not to be collected is one request; one that is: a pending
invoice → compare → close, which collects.

Product catalog 1 has no pending invoices: what collects there cannot be compared first, and says so. Every bill sends
its currency and auto_collection: neither the site's default currency nor the customer's card is used by surprise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.commands import (
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
from invoice_bridge.errors import AmountMismatch, Discrepancy, MalformedResponse, NotFound, NothingToBill, Unsupported
from invoice_bridge.model import Invoice, Line, Period, Status
from invoice_bridge.money import Money
from invoice_bridge.outcome import payable, verify
from invoice_bridge.provider import Context, Page, Unreadable, act, customer_id, wrong_state
from invoice_bridge.providers.chargebee.parse import invoice, unwrapped
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH, MONEY, NO_MAIL, reference_field
from invoice_bridge.reading import Reader
from invoice_bridge.wire import Effect, Flow, Request, Response, dumps, unix_seconds

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
def charge(ask: OneTimeCharge, use: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(ask, use)


def period(ask: PeriodInvoice, use: Context) -> Flow[Invoice]:
    """Bill a service period: the caller's lines, or the subscription's unbilled charges where all lie inside it."""
    return _bill(ask, use) if ask.lines else _bill_accrued(ask, use)


def _bill(ask: OneTimeCharge | PeriodInvoice, use: Context) -> Flow[Invoice]:
    if use.settings.get("product_catalog") == 1:
        return _bill_on_catalog_1(ask, use)
    return _bill_on_catalog_2(ask, use)


def _bill_on_catalog_2(ask: OneTimeCharge | PeriodInvoice, use: Context) -> Flow[Invoice]:
    collects = ask.collection.kind == "charge"
    pending = ask.draft or collects
    body: Sdk.CreateForChargeItemsAndChargesParams = {
        "customer_id": _customer(ask, use),
        "currency_code": ask.currency,
        "charges": [_charge_form(line, ask) for line in _lines(ask)],
        "auto_collection": _on_or_off(on=collects),
    }
    if pending:
        body["create_pending_invoice"] = True
    if (days := _net_term_days(ask)) is not None:
        body["net_term_days"] = days
    if ask.description is not None:
        body["invoice_note"] = ask.description
    if ask.issued_at is not None:
        body["invoice_date"] = unix_seconds(ask.issued_at)
    if ask.collection.payment_method is not None:
        body["payment_source_id"] = ask.collection.payment_method
    request = use.post(
        "invoices",
        "create_for_charge_items_and_charges",
        body={**body, **_names(ask, use)},
        step="open",
        effects=[] if pending else _issuing(ask),
        specimen=_specimen(ask, _SPECIMEN_ID, "pending" if pending else "payment_due"),
    )
    at = verify(ask, (yield from _open(_unmailed(request, ask), use, may_be_gone=collects and not ask.draft)))
    if at.status is Status.DRAFT and not ask.draft:
        at = verify(ask, (yield from _close(at.id, use, _specimen(ask, at.id, "paid"))))
    return at


def _bill_on_catalog_1(ask: OneTimeCharge | PeriodInvoice, use: Context) -> Flow[Invoice]:
    if ask.draft:
        raise Unsupported(
            "Chargebee's product catalog 1 cannot make a draft of a bill",
            source="apidocs.chargebee.com/docs/api/v2/pcv-1/invoices",
            remedy="leave draft out, or bill on product catalog 2",
        )
    collects = ask.collection.kind == "charge"
    route: tuple[str, ...] = ("invoices",)
    body = _create_form(ask, use)
    # /charge collects at once and carries one line without a note, taxed as the site says: used where that is the bill
    if collects and _fits_charge(ask):
        route, body = ("invoices", "charge"), _single_form(ask, use)
    request = use.post(
        *route,
        body={**body, **_names(ask, use)},
        step="open",
        effects=[*_issuing(ask), Effect.COLLECTS] if collects else _issuing(ask),
        specimen=_specimen(ask, _SPECIMEN_ID, "paid" if collects else "payment_due"),
        note="product catalog 1 collects in the same request: nothing can be compared first" if collects else "",
    )
    at = yield from _open(_unmailed(request, ask), use)
    return _compared_late(ask, at) if collects else verify(ask, at)


def _create_form(ask: OneTimeCharge | PeriodInvoice, use: Context) -> Mapping[str, Any]:
    body: Sdk.CreateParams = {
        "customer_id": _customer(ask, use),
        "currency_code": ask.currency,
        "charges": [_charge_form(line, ask) for line in _lines(ask)],
        "auto_collection": _on_or_off(on=ask.collection.kind == "charge"),
    }
    if ask.description is not None:
        body["invoice_note"] = ask.description
    if ask.issued_at is not None:
        body["invoice_date"] = unix_seconds(ask.issued_at)
    if ask.collection.payment_method is not None:
        body["payment_source_id"] = ask.collection.payment_method
    return body


def _fits_charge(ask: OneTimeCharge | PeriodInvoice) -> bool:
    lines = _lines(ask)
    return len(lines) == 1 and ask.tax == "provider" and ask.description in {None, lines[0].description}


def _single_form(ask: OneTimeCharge | PeriodInvoice, use: Context) -> Mapping[str, Any]:
    line: Mapping[str, Any] = _charge_form(_lines(ask)[0], ask)
    body: Sdk.ChargeParams = {
        "customer_id": _customer(ask, use),
        "currency_code": ask.currency,
        "amount": MONEY.to_units(_lines(ask)[0].amount),
        "description": line.get("description", ask.reference),  # required here
    }
    if "date_from" in line and "date_to" in line:
        body["date_from"], body["date_to"] = line["date_from"], line["date_to"]
    if ask.issued_at is not None:
        body["invoice_date"] = unix_seconds(ask.issued_at)
    if ask.collection.payment_method is not None:
        body["payment_source_id"] = ask.collection.payment_method
    return body


# ── the parts of a bill ──────────────────────────────────────────────────────────────────────────────────────────────
def _lines(ask: OneTimeCharge | PeriodInvoice) -> tuple[Line, ...]:
    """The lines; a bare amount whose description is too long for a line is named by the reference: the note has it."""
    lines = ask.billed_lines
    if ask.lines or ask.description is None or len(ask.description) <= DESCRIPTION_LENGTH:
        return lines
    return tuple(line.model_copy(update={"description": ask.reference}) for line in lines)


def _charge_form(line: Line, ask: Bill) -> Sdk.CreateForChargeItemsAndChargesChargeParams:
    if line.amount.minor < 1:
        raise Unsupported(
            f"Chargebee bills amounts above zero only, and a line of {line.amount} is not dropped silently",
            source="chargebee-node 3.31.0, charges[amount] of 1 or more",
            remedy="leave the line out, or take a credit off another line",
        )
    form: Sdk.CreateForChargeItemsAndChargesChargeParams = {
        "amount": MONEY.to_units(line.amount),
        "taxable": ask.tax == "provider",
    }
    if line.description is not None:
        form["description"] = line.description
    if line.period is not None:  # the same two instants: whether Chargebee counts the last one in is not documented
        form["date_from"], form["date_to"] = unix_seconds(line.period.start), unix_seconds(line.period.end)
    return form


def _customer(ask: Bill, use: Context) -> str:
    return customer_id(ask, use, example="cus_…", source=_CREATE)


def _on_or_off(*, on: bool) -> enums.AutoCollection:
    return cast("enums.AutoCollection", "on" if on else "off")  # the SDK's enum is no text; the wire's is


def _names(ask: Bill, use: Context) -> dict[str, str]:
    """The purchase order and the reference, each in the field that carries it."""
    names = {} if ask.purchase_order is None else {"po_number": ask.purchase_order}
    field = reference_field(ask, use.settings)
    return names if field is None else {**names, field: ask.reference}


def _net_term_days(ask: Bill) -> int | None:
    """The payment terms. Raises Unsupported for a due date that is no whole number of days after the invoice's date."""
    due, issued = ask.collection.due, ask.issued_at
    if due is None:
        return ask.collection.net_days
    days, rest = divmod(due - issued, _DAY) if issued is not None else (-1, _DAY)
    if rest or days < 0:
        raise Unsupported(
            "Chargebee counts payment terms in whole days from the invoice's date"
            + ("" if issued is not None else ", and a due date without issued_at has no such number"),
            source=f"{_CREATE}, net_term_days",
            remedy="write Collection.send(net_days=…), or an issued_at that lies whole days before the due date",
        )
    return days


def _issuing(ask: Bill) -> list[Effect]:
    return [Effect.ISSUES, Effect.MAILS] if ask.collection.kind == "send" else [Effect.ISSUES]


def _unmailed(request: Request, ask: Bill) -> Request:
    """Keep a request that is to mail nobody from doing so, whatever the site's e-mail settings say."""
    if ask.collection.kind != "manual":
        return request
    return replace(request, headers={**request.headers, NO_MAIL[0]: NO_MAIL[1]})


def _compared_late(ask: OneTimeCharge | PeriodInvoice, at: Invoice, expected: Money | None = None) -> Invoice:
    """Compare where the request has collected already, and do not say that it has not."""
    try:
        return verify(ask, at, expected)
    except AmountMismatch as wrong:
        collected = "an unstated amount" if at.amount_paid is None else at.amount_paid
        raise AmountMismatch(
            f"asked for {wrong.asked}, the invoice {at.id} holds {wrong.found} and is {at.status}; "
            f"{collected} was collected with it, as this request collects at once",
            asked=wrong.asked,
            found=wrong.found,
        ) from None


# ── sending, and what a replayed answer means ────────────────────────────────────────────────────────────────────────
def _replayed(answer: Response) -> bool:
    return answer.headers.get("chargebee-idempotency-replayed") == "true"


def _open(request: Request, use: Context, *, may_be_gone: bool = False) -> Flow[Invoice]:
    """Send the creating request; a replayed answer is of an earlier try, so the invoice is read once more.

    `may_be_gone`: an earlier try may have closed the pending invoice, which gives it another id; what was replayed then
    stands, and closing it again under the same key replays that as well.
    """
    answer = yield request
    if _replayed(answer):
        try:
            return (yield from _read(Reader(unwrapped(answer.object), "chargebee").need("id"), use))
        except NotFound:
            if not may_be_gone:
                raise
    return (yield from _whole(answer.object, use))


def _after(answer: Response, use: Context) -> Flow[Invoice]:
    """The invoice that a verb's answer carries; where the answer is replayed, as it stands now."""
    if _replayed(answer):
        return (yield from _read(Reader(unwrapped(answer.object), "chargebee").need("id"), use))
    return (yield from _whole(answer.object, use))


def _close(invoice_id: str, use: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    request = use.post(
        "invoices",
        invoice_id,
        "close",
        step="close",
        effects=[Effect.ISSUES, Effect.COLLECTS],
        specimen=specimen,
        note="collects where auto_collection is on; applies credits and excess payments",
    )
    answer = yield from act(request, lambda: _read(invoice_id, use), allowed={Status.DRAFT})
    return (yield from _after(answer, use))


# ── what has accrued ─────────────────────────────────────────────────────────────────────────────────────────────────
def _bill_accrued(ask: PeriodInvoice, use: Context) -> Flow[Invoice]:
    """Invoice a subscription's unbilled charges, all of which must lie inside the period and make one invoice."""
    if ask.subscription is None:
        raise Unsupported(
            "Chargebee's unbilled charges belong to a subscription",
            source="apidocs.chargebee.com, invoice unbilled charges",
            remedy="name it: PeriodInvoice(subscription=…), or bill lines of your own",
        )
    if ask.draft:
        raise Unsupported(
            "Chargebee cannot make a draft of unbilled charges",
            source="apidocs.chargebee.com, invoice unbilled charges",
            remedy="leave draft out",
        )
    MONEY.to_units(Money.zero(ask.currency))  # refuses an unconfirmed currency before anything is read
    expected = yield from _accrued(ask, ask.subscription, use)
    if expected is None:
        found = yield from _billed_before(ask, ask.subscription, use)
        if found is None:
            raise NothingToBill(f"Chargebee has no unbilled charge of {ask.subscription}; no invoice was made")
        return found
    body: UnbilledCharge.InvoiceUnbilledChargesParams = {"subscription_id": ask.subscription}
    specimen = _specimen(ask, _SPECIMEN_ID, "payment_due")
    request = use.post(
        "unbilled_charges",
        "invoice_unbilled_charges",
        body=body,
        step="open",
        effects=[*_issuing(ask), Effect.COLLECTS],
        specimen={"invoices": [specimen["invoice"]]},
        note="collects where the subscription's auto_collection is on: nothing can be compared first",
    )
    answer = yield _unmailed(request, ask)
    rows = Reader(answer.object, "chargebee").children("invoices")
    if len(rows) != 1:
        ids = ", ".join(row.text("id") or "one without an id" for row in rows) or "none"
        raise Discrepancy(f"one invoice was to be made of {ask.subscription}, and there are {len(rows)}: {ids}")
    made = rows[0].need("id")
    if names := _names(ask, use):  # the request that makes the invoice takes none of them
        answer = yield use.post("invoices", made, "update_details", body=names, step="name", specimen=specimen)
        at = yield from _after(answer, use)
    else:
        at = yield from _read(made, use) if _replayed(answer) else _whole(rows[0].data, use)
    if at.status is Status.DRAFT:  # the subscription asks for pending invoices
        verify(ask, at, expected)
        at = yield from _close(at.id, use, _specimen(ask, at.id, "payment_due"))
    return _compared_late(ask, at, expected)


def _accrued(ask: PeriodInvoice, subscription: str, use: Context) -> Flow[Money | None]:
    """The sum of a subscription's unbilled charges, None where it has none.

    Raises Discrepancy where one of them is not what was asked for: all would be billed together.
    """
    total: Money | None = None
    offset: list[tuple[str, object]] = []
    while True:
        answer = yield use.get(
            "unbilled_charges",
            query=[("subscription_id[is]", subscription), ("limit", _PAGE), *offset],
            specimen={"list": [{"unbilled_charge": _specimen_charge(ask)}]},
            note="repeats while there is a next_offset; every charge must lie inside the period",
        )
        whole = Reader(answer.object, "chargebee")
        for item in whole.children("list"):
            row = item.child("unbilled_charge")
            if row.flag("is_voided") or row.flag("deleted"):
                continue
            amount = _fitting(ask, row, use)
            total = amount if total is None else total + amount
        following: list[tuple[str, object]] = [("offset", whole.text("next_offset"))] if "next_offset" in whole else []
        if not following:
            return total
        if following == offset:
            raise whole.fault("next_offset", "gives the same page for ever")
        offset = following


def _fitting(ask: PeriodInvoice, row: Reader, use: Context) -> Money:
    charge_id, currency = row.need("id"), row.text("currency_code")
    wanted = ask.customer.at(use.provider.name) if ask.customer is not None else None
    start, end = row.unix("date_from"), row.unix("date_to")
    wrong = None
    if currency != ask.currency:
        wrong = f"is in {currency}"
    elif wanted is not None and row.text("customer_id") != wanted:
        wrong = f"belongs to the customer {row.text('customer_id')}"
    elif start is None or end is None or not _inside(start, end, ask.period):
        wrong = f"is for {start} to {end}"
    amount = None if wrong else row.money("amount", MONEY, ask.currency)
    if amount is None:
        raise Discrepancy(
            f"the unbilled charge {charge_id} of {ask.subscription} {wrong or 'has no amount'}, not for "
            f"{ask.period} in {ask.currency}; Chargebee bills all of them together, so none was billed",
            asked=ask.period,
            found=charge_id,
        )
    return amount


def _inside(start: Any, end: Any, period: Period) -> bool:
    """Whether a charge's service period lies inside: a charge of one instant belongs where that instant does."""
    return bool(period.start <= start and (end <= period.end if end > start else start < period.end))


def _billed_before(ask: PeriodInvoice, subscription: str, use: Context) -> Flow[Invoice | None]:
    """The invoice that an earlier try of this bill made, among the subscription's newest hundred."""
    field = reference_field(ask, use.settings)
    if field is None:
        return None
    answer = yield use.get(
        "invoices",
        query=[("subscription_id[is]", subscription), ("limit", _PAGE), ("sort_by[desc]", "date")],
        specimen={"list": []},
    )
    for item in Reader(answer.object, "chargebee").children("list"):
        if item.child("invoice").text(field) == ask.reference:
            return (yield from _whole(item.data, use))
    return None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(ask: Retrieve, use: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines."""
    return _read(ask.id, use)


def _read(invoice_id: str, use: Context, native: str = "payment_due") -> Flow[Invoice]:
    answer = yield use.get("invoices", invoice_id, specimen=_bare(invoice_id, native))
    return (yield from _whole(answer.object, use))


def _whole(data: Mapping[str, Any], use: Context) -> Flow[Invoice]:
    """An invoice with all its lines: where it has many, line_items_next_offset says where to go on."""
    field = use.settings.get("reference_field")
    first, at = invoice(data, reference_field=field), Reader(unwrapped(data), "chargebee")
    offset = at.text("line_items_next_offset")
    if offset is None or first.status is Status.DELETED:  # a deleted invoice can be listed, not retrieved
        return first
    rows = [row.data for row in at.children("line_items")]
    while offset is not None:
        answer = yield use.get("invoices", first.id, query=[("line_items_offset", offset)])
        more = Reader(unwrapped(answer.object), "chargebee")
        rows += [row.data for row in more.children("line_items")]
        if more.text("line_items_next_offset") == offset:
            raise more.fault("line_items_next_offset", "gives the same lines for ever")
        offset = more.text("line_items_next_offset")
    return invoice(data, all_lines=rows, reference_field=field)


def page(ask: ListInvoices, use: Context) -> Flow[Page]:
    """Read one page of invoices, each with all its lines.

    The created range is not sent: Chargebee filters by the document's date, which may lie long before an invoice was
    first issued, and would leave out what belongs to the range. The client applies it to what comes back.
    """
    pairs: list[tuple[str, object]] = [("limit", ask.limit), *_status_filter(ask.status)]
    if ask.customer is not None and (customer := ask.customer.at(use.provider.name)) is not None:
        pairs.append(("customer_id[is]", customer))
    if ask.cursor is not None:
        pairs.append(("offset", ask.cursor))
    answer = yield use.get("invoices", query=pairs, specimen={"list": [_bare(_SPECIMEN_ID, "payment_due")]})
    whole = Reader(answer.object, "chargebee")
    items: list[Invoice | Unreadable] = []
    for item in whole.children("list"):
        try:
            items.append((yield from _whole(item.data, use)))
        except MalformedResponse as error:
            items.append(Unreadable(item.data, error))
    offset = whole.text("next_offset")
    return Page(tuple(items), ask.model_copy(update={"cursor": offset}) if offset is not None else None)


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
def close(ask: Finalize, use: Context) -> Flow[Invoice]:
    """Close a pending invoice; it collects where the invoice was made to, or where the customer's settings say so."""
    return _close(ask.id, use, _bare(ask.id, "payment_due"))


def collect(ask: Pay, use: Context) -> Flow[Invoice]:
    """Collect what is left to pay, as it was read, from a payment source of the customer's."""
    if ask.payment_method is None:
        raise Unsupported(
            "Chargebee collects from a payment source that is named",
            source="chargebee/openapi, API v2, collect_payment",
            remedy="pass payment_method, the id of a payment source of the customer (pm_…)",
        )
    found = yield from _payable(ask, use)
    body: Sdk.CollectPaymentParams = {"payment_source_id": ask.payment_method}
    if found.amount_remaining is not None:
        body["amount"] = MONEY.to_units(found.amount_remaining)
    return (yield from _change(ask.id, "collect_payment", use, _bare(ask.id, "paid"), body, effects=(Effect.COLLECTS,)))


def record_payment(ask: MarkPaid, use: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere, of what is left to pay as it was read; its date is the provider's present."""
    found = yield from _payable(Pay(id=ask.id), use)
    transaction: Sdk.RecordPaymentTransactionParams = {"payment_method": cast("enums.PaymentMethod", "other")}
    if found.amount_remaining is not None:  # more than is due would become the customer's excess payment
        transaction["amount"] = MONEY.to_units(found.amount_remaining)
    body: Sdk.RecordPaymentParams = {"transaction": transaction}
    return (yield from _change(ask.id, "record_payment", use, _bare(ask.id, "paid"), body, effects=(Effect.COLLECTS,)))


def void(ask: Void, use: Context) -> Flow[Invoice]:
    """Withdraw an issued invoice on which nothing was paid or credited."""
    return _change(ask.id, "void", use, _bare(ask.id, "voided"), effects=(Effect.VOIDS,))


def write_off(ask: MarkUncollectible, use: Context) -> Flow[Invoice]:
    """Write an issued invoice off: natively it becomes paid, with a write_off_amount."""
    return _change(ask.id, "write_off", use, _bare(ask.id, "paid"), effects=(Effect.VOIDS,))


def delete(ask: Delete, use: Context) -> Flow[Invoice]:
    """Discard a draft. Reads it first: Chargebee would delete an issued invoice too, and its usages for good."""
    found = yield from _read(ask.id, use, "pending")
    if found.status is not Status.DRAFT:
        raise wrong_state(found, "cannot be deleted")
    specimen = _bare(ask.id, "pending", deleted=True)
    gone = yield from _change(ask.id, "delete", use, specimen, allowed=Status.DRAFT)
    if gone.status is not Status.DELETED:
        raise MalformedResponse("the answer does not say that the draft is deleted", provider="chargebee")
    return gone


def _payable(ask: Pay, use: Context) -> Flow[Invoice]:
    """Read an invoice that is to be paid. What was written off is natively paid, and takes no payment any more."""
    answer = yield use.get(
        "invoices",
        ask.id,
        specimen=_bare(ask.id, "payment_due", ask.expect),
        note="what is left to pay then goes into the next request as its amount",
    )
    found = payable(ask, (yield from _whole(answer.object, use)))
    if found.status is not Status.OPEN:
        raise wrong_state(found, "cannot be paid")
    return found


def _change(
    invoice_id: str,
    action: str,
    use: Context,
    specimen: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
    *,
    effects: tuple[Effect, ...] = (),
    allowed: Status = Status.OPEN,
) -> Flow[Invoice]:
    request = use.post("invoices", invoice_id, action, body=body, effects=effects, specimen=specimen)
    answer = yield from act(request, lambda: _read(invoice_id, use), allowed={allowed})
    return (yield from _after(answer, use))


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def _bare(invoice_id: str, status: str, due: Money | None = None, *, deleted: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"id": invoice_id, "status": status, "currency_code": "EUR", "line_items": []}
    if due is not None:
        found |= {"currency_code": due.currency, "amount_due": MONEY.to_units(due)}
    return {"invoice": {**found, "deleted": deleted}}


def _specimen(ask: OneTimeCharge | PeriodInvoice, invoice_id: str, status: str) -> dict[str, Any]:
    rows = [{"amount": MONEY.to_units(line.amount)} for line in ask.billed_lines]
    total = sum(row["amount"] for row in rows)
    amounts = {"currency_code": ask.currency, "sub_total": total, "total": total, "line_items": rows}
    return {"invoice": {**_bare(invoice_id, status)["invoice"], **amounts}}


def _specimen_charge(ask: PeriodInvoice) -> dict[str, Any]:
    start = ask.period.start
    instant = unix_seconds(start.replace(microsecond=0)) + bool(start.microsecond)
    return {
        "id": "{charge.id}",
        "currency_code": ask.currency,
        "customer_id": None if ask.customer is None else ask.customer.at("chargebee"),
        "amount": 0,
        "date_from": instant,
        "date_to": instant,
    }
