"""Stripe's verbs, one generator each. A bill is one ladder: open → add the lines → finalize → compare → mail or collect.

Nothing is charged or mailed by Stripe on its own: every invoice is made with auto_advance=false and excludes the
customer's pending items, so the only money that moves is the one the last step moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

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
    SendInvoice,
    Update,
    Void,
)
from invoice_bridge.errors import InvalidState, MalformedResponse, NothingToBill, Unsupported
from invoice_bridge.model import Invoice, Line, Period, Status
from invoice_bridge.money import Money
from invoice_bridge.outcome import payable, verify
from invoice_bridge.provider import Context, Page, Unreadable, act, customer_id, wrong_state
from invoice_bridge.providers.stripe.parse import invoice
from invoice_bridge.providers.stripe.tables import MONEY, PURCHASE_ORDER, REFERENCE_KEY, carries_quantity
from invoice_bridge.reading import Reader, period_of
from invoice_bridge.wire import Effect, Flow, Request, unix_seconds

if TYPE_CHECKING:
    from stripe.params import (
        InvoiceAddLinesParams,
        InvoiceAddLinesParamsLine,
        InvoiceCreateParams,
        InvoiceFinalizeInvoiceParams,
        InvoiceListParams,
        InvoicePayParams,
        InvoiceUpdateParams,
    )

_SPECIMEN_ID = "{open.id}"
_PAGE = 100
_NATIVE = {status: status.value for status in (Status.DRAFT, Status.OPEN, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)}


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(ask: OneTimeCharge, use: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(ask, use, [_line_form(line, ask.currency) for line in ask.billed_lines], ask.total)


def period(ask: PeriodInvoice, use: Context) -> Flow[Invoice]:
    """Bill a service period: the caller's lines, or the customer's pending items that lie inside it."""
    if ask.lines:
        lines = [_line_form(line, ask.currency) for line in ask.billed_lines]
        return (yield from _bill(ask, use, lines, ask.total))
    items = yield from _pending_items(ask, use)
    found = None if items else (yield from _billed_before(ask, use))
    if not items and found is None:
        raise NothingToBill(
            f"Stripe has no pending item of {_customer(ask, use)} in {ask.currency} inside {ask.period}; no invoice was opened"
        )
    expected = Money(sum(amount.minor for _, amount in items), ask.currency) if items else None
    return (yield from _bill(ask, use, [{"invoice_item": item} for item, _ in items], expected, found))


def _bill(
    ask: OneTimeCharge | PeriodInvoice,
    use: Context,
    lines: list[InvoiceAddLinesParamsLine],
    expected: Money | None,
    found: Invoice | None = None,
) -> Flow[Invoice]:
    at = found or (yield from _open(ask, use))
    if at.status is Status.DRAFT and not at.lines:
        add: InvoiceAddLinesParams = {"lines": lines}
        answer = yield use.post(
            "v1",
            "invoices",
            at.id,
            "add_lines",
            body=add,
            step="lines",
            specimen=_specimen(ask, at.id, "draft", expected),
        )
        at = verify(ask, (yield from _whole(answer.object, use)), expected)
    if at.status is Status.DRAFT and not ask.draft:
        answer = yield _finalize(at.id, use, _specimen(ask, at.id, "open", expected))
        at = yield from _whole(answer.object, use)
    verify(ask, at, expected)
    if at.status is Status.OPEN and ask.collection.kind == "send":
        answer = yield use.post(
            "v1",
            "invoices",
            at.id,
            "send",
            step="send",
            effects=[Effect.MAILS],
            specimen=_specimen(ask, at.id, "open", expected),
        )
        at = yield from _whole(answer.object, use)
    if at.status is Status.OPEN and ask.collection.kind == "charge":
        answer = yield from act(
            use.post(
                "v1",
                "invoices",
                at.id,
                "pay",
                step="pay",
                effects=[Effect.COLLECTS],
                specimen=_specimen(ask, at.id, "paid", expected),
            ),
            lambda: _read(at.id, use),
            allowed={Status.OPEN},
        )
        at = yield from _whole(answer.object, use)
    return at


def _open(ask: OneTimeCharge | PeriodInvoice, use: Context) -> Flow[Invoice]:
    _leave_our_key(ask.metadata)
    body: InvoiceCreateParams = {
        "customer": _customer(ask, use),
        "currency": ask.currency.lower(),
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "automatic_tax": {"enabled": ask.tax == "provider"},
        "metadata": {**ask.metadata, REFERENCE_KEY: ask.reference},
        "collection_method": "send_invoice" if ask.collection.kind == "send" else "charge_automatically",
    }
    if ask.description is not None:
        body["description"] = ask.description
    if ask.purchase_order is not None:
        body["custom_fields"] = [{"name": PURCHASE_ORDER, "value": ask.purchase_order}]
    if ask.issued_at is not None:
        body["effective_at"] = unix_seconds(ask.issued_at)
    if ask.collection.due is not None:
        body["due_date"] = unix_seconds(ask.collection.due)
    if ask.collection.net_days is not None:
        body["days_until_due"] = ask.collection.net_days
    if ask.collection.payment_method is not None:
        body["default_payment_method"] = ask.collection.payment_method
    request = use.post(
        "v1", "invoices", body=body, step="open", specimen=_specimen(ask, _SPECIMEN_ID, "draft", Money.zero(ask.currency))
    )
    answer = yield request
    if answer.headers.get("idempotent-replayed") == "true":  # the answer of an earlier try: how does it stand now?
        return (yield from _read(answer.text("id"), use))
    return invoice(answer.object)


def _line_form(line: Line, currency: str) -> InvoiceAddLinesParamsLine:
    form: InvoiceAddLinesParamsLine = {}
    if line.description is not None:
        form["description"] = line.description
    if line.period is not None:
        form["period"] = {"start": unix_seconds(line.period.start), "end": unix_seconds(line.period.end)}
    if line.quantity is not None and line.unit_amount is not None and carries_quantity(line):
        form["price_data"] = {
            "currency": currency.lower(),
            "product_data": {"name": line.description or "Line"},
            "unit_amount": MONEY.to_units(line.unit_amount),
        }
        if line.quantity == line.quantity.to_integral_value():
            form["quantity"] = int(line.quantity)
        else:
            form["quantity_decimal"] = line.quantity
    else:
        form["amount"] = MONEY.to_units(line.amount)
    MONEY.to_units(line.amount)
    return form


def _customer(ask: Bill, use: Context) -> str:
    return customer_id(ask, use, example="cus_…", source="stripe-python 16.1.0, InvoiceCreateParams")


def _leave_our_key(metadata: Mapping[str, str]) -> None:
    if REFERENCE_KEY in metadata:
        raise Unsupported(f"the metadata key {REFERENCE_KEY} carries the reference", remedy="use another key")


# ── what has accrued ─────────────────────────────────────────────────────────────────────────────────────────────────
def _pending_items(ask: PeriodInvoice, use: Context) -> Flow[list[tuple[str, Money]]]:
    """The customer's pending items in the currency that lie inside the period, oldest first, with their amounts."""
    found: list[tuple[str, Money]] = []
    after: list[tuple[str, object]] = []
    while True:
        answer = yield use.get(
            "v1",
            "invoiceitems",
            query=[("customer", _customer(ask, use)), ("pending", True), ("limit", _PAGE), *after],
            specimen={"data": [_specimen_item(ask)], "has_more": False},
            note="repeats while has_more; only items inside the period are billed",
        )
        rows = Reader(answer.object, "stripe").children("data")
        for row in rows:
            amount = row.money("amount", MONEY, ask.currency) if row.text("currency") == ask.currency.lower() else None
            if amount is not None and _inside(row.child("period"), ask.period):
                found.append((row.need("id"), amount))
        if answer.object.get("has_more") is not True or not rows:
            return found[::-1]
        after = [("starting_after", rows[-1].need("id"))]


def _inside(spell: Reader, period: Period) -> bool:
    """Whether an item's service period lies inside: an item of one instant belongs where that instant does."""
    start, end = spell.unix("start"), spell.unix("end")
    if start is None or end is None:
        return False
    return period.start <= start and (end <= period.end if end > start else start < period.end)


def _billed_before(ask: PeriodInvoice, use: Context) -> Flow[Invoice | None]:
    """The invoice that an earlier try of this bill made, among the customer's newest hundred."""
    answer = yield use.get(
        "v1", "invoices", query=[("customer", _customer(ask, use)), ("limit", _PAGE)], specimen={"data": []}
    )
    for row in Reader(answer.object, "stripe").children("data"):
        if row.words("metadata").get(REFERENCE_KEY) == ask.reference:
            return (yield from _whole(row.data, use))
    return None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(ask: Retrieve, use: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines."""
    return _read(ask.id, use)


def _read(invoice_id: str, use: Context) -> Flow[Invoice]:
    answer = yield use.get("v1", "invoices", invoice_id, specimen=_bare(invoice_id, "open"))
    return (yield from _whole(answer.object, use))


def _whole(data: Mapping[str, Any], use: Context) -> Flow[Invoice]:
    """An invoice with all its lines: the first ten come with it, the rest is paged."""
    first = invoice(data)
    if first.lines_complete:
        return first
    rows: list[Mapping[str, Any]] = []
    after: list[tuple[str, object]] = []
    while True:
        answer = yield use.get("v1", "invoices", first.id, "lines", query=[("limit", _PAGE), *after])
        page = Reader(answer.object, "stripe", "$.lines").children("data")
        rows += [row.data for row in page]
        if answer.object.get("has_more") is not True or not page:
            return invoice(data, all_lines=rows)
        after = [("starting_after", page[-1].need("id"))]


def page(ask: ListInvoices, use: Context) -> Flow[Page]:
    """Read one page of invoices, newest first, each with all its lines."""
    query: InvoiceListParams = {"limit": ask.limit}
    if ask.status in _NATIVE:
        query["status"] = _NATIVE[ask.status]
    if ask.customer is not None and (customer := ask.customer.at(use.provider.name)) is not None:
        query["customer"] = customer
    pairs: list[tuple[str, object]] = list(query.items())
    if ask.created_from is not None:  # whole seconds, rounded outwards: the filters are applied again
        pairs.append(("created[gte]", math.floor(ask.created_from.timestamp())))
    if ask.created_to is not None:
        pairs.append(("created[lt]", math.ceil(ask.created_to.timestamp())))
    if ask.cursor is not None:
        pairs.append(("starting_after", ask.cursor))
    answer = yield use.get("v1", "invoices", query=pairs, specimen={"data": [_bare(_SPECIMEN_ID, "open")], "has_more": False})
    rows = Reader(answer.object, "stripe").children("data")
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append((yield from _whole(row.data, use)))
        except MalformedResponse as error:
            items.append(Unreadable(row.data, error))
    more = answer.object.get("has_more") is True and rows
    return Page(tuple(items), ask.model_copy(update={"cursor": rows[-1].need("id")}) if more else None)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def _finalize(invoice_id: str, use: Context, specimen: Mapping[str, Any]) -> Request:
    body: InvoiceFinalizeInvoiceParams = {"auto_advance": False}
    return use.post(
        "v1", "invoices", invoice_id, "finalize", body=body, step="finalize", effects=[Effect.ISSUES], specimen=specimen
    )


def finalize(ask: Finalize, use: Context) -> Flow[Invoice]:
    """Turn a draft into an open invoice; nothing is charged or mailed."""
    answer = yield from act(
        _finalize(ask.id, use, _bare(ask.id, "open")), lambda: _read(ask.id, use), allowed={Status.DRAFT}
    )
    return (yield from _whole(answer.object, use))


def collect(ask: Pay, use: Context) -> Flow[Invoice]:
    """Collect an open invoice. Reads it first: Stripe's `pay` would finalize and charge a draft in one call."""
    payable(ask, (yield from _read(ask.id, use)))
    body: InvoicePayParams = {}
    if ask.payment_method is not None:
        body["payment_method"] = ask.payment_method
    return (yield from _change(ask.id, "pay", use, [Effect.COLLECTS], "paid", body, allowed={Status.OPEN}))


def record_payment(ask: MarkPaid, use: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere. Reads first, for the same reason as `collect`."""
    payable(Pay(id=ask.id), (yield from _read(ask.id, use)))
    body: InvoicePayParams = {"paid_out_of_band": True}
    return (yield from _change(ask.id, "pay", use, [Effect.COLLECTS], "paid", body, allowed={Status.OPEN}))


def void(ask: Void, use: Context) -> Flow[Invoice]:
    """Withdraw an open invoice; the documentation allows an uncollectible one too (not observed)."""
    return _change(ask.id, "void", use, [Effect.VOIDS], "void", allowed={Status.OPEN, Status.UNCOLLECTIBLE})


def mark_uncollectible(ask: MarkUncollectible, use: Context) -> Flow[Invoice]:
    """Give an open invoice up as a bad debt."""
    return _change(ask.id, "mark_uncollectible", use, [Effect.VOIDS], "uncollectible", allowed={Status.OPEN})


def mail(ask: SendInvoice, use: Context) -> Flow[Invoice]:
    """Mail an open invoice. Reads it first: Stripe's `send` would finalize a draft."""
    found = yield from _read(ask.id, use)
    if found.status is not Status.OPEN:
        raise wrong_state(found, "cannot be sent")
    return (yield from _change(ask.id, "send", use, [Effect.MAILS], "open", allowed={Status.OPEN}))


def update(ask: Update, use: Context) -> Flow[Invoice]:
    """Change a draft; of an issued invoice Stripe changes the metadata only."""
    body: InvoiceUpdateParams = {}
    if ask.description is not None:
        body["description"] = ask.description
    if ask.due_at is not None:
        body["due_date"] = unix_seconds(ask.due_at)
    if ask.metadata is not None:
        _leave_our_key(ask.metadata)
        body["metadata"] = dict(ask.metadata)
    request = use.post("v1", "invoices", ask.id, body=body, step="update", specimen=_bare(ask.id, "draft"))
    answer = yield from act(request, lambda: _read(ask.id, use), allowed={Status.DRAFT})
    return (yield from _whole(answer.object, use))


def delete(ask: Delete, use: Context) -> Flow[Invoice]:
    """Discard a draft. Reads it first: the answer to DELETE is its id alone."""
    found = yield from _read(ask.id, use)
    request = use.send("DELETE", "v1", "invoices", ask.id, specimen={"id": ask.id, "object": "invoice", "deleted": True})
    answer = yield from act(request, lambda: _read(ask.id, use), allowed={Status.DRAFT})
    if answer.object.get("deleted") is not True:
        raise MalformedResponse("the answer does not say that the draft is deleted", provider="stripe", response=answer)
    return found.model_copy(update={"status": Status.DELETED, "amount_remaining": Money.zero(found.currency)})


def _change(
    invoice_id: str,
    action: str,
    use: Context,
    effects: list[Effect],
    becomes: str,
    body: Mapping[str, Any] | None = None,
    *,
    allowed: set[Status],
) -> Flow[Invoice]:
    request = use.post(
        "v1", "invoices", invoice_id, action, body=body or None, effects=effects, specimen=_bare(invoice_id, becomes)
    )
    answer = yield from act(request, lambda: _read(invoice_id, use), allowed=allowed)
    return (yield from _whole(answer.object, use))


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def _bare(invoice_id: str, status: str) -> dict[str, Any]:
    return {"id": invoice_id, "object": "invoice", "status": status, "currency": "eur", "lines": {"data": []}}


def _specimen(ask: OneTimeCharge | PeriodInvoice, invoice_id: str, status: str, total: Money | None) -> dict[str, Any]:
    units = None if total is None else MONEY.to_units(total)
    lines = [{"amount": units}] if units else []
    return {**_bare(invoice_id, status), "currency": ask.currency.lower(), "total": units, "lines": {"data": lines}}


def _specimen_item(ask: PeriodInvoice) -> dict[str, Any]:
    start = int(ask.period.start.replace(tzinfo=UTC).timestamp())
    return {"id": "{item.id}", "currency": ask.currency.lower(), "amount": 0, "period": {"start": start, "end": start}}


