"""ChargeAPI's verbs, one generator each. A bill is one ladder: open → read → compare → finalize → compare → collect.

ChargeAPI is told a period and makes the lines itself, so the comparison is all that stands between a caller's amount
and another bill. An answer that merely repeats an earlier one is not marked, and whether a key that comes with another
body is refused is not documented: so the invoice is read once after it is opened, and must be the bill that was asked.
A bill that was looked up and found goes on from there, by the same steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from invoice_bridge.adapter.answers import object_of, text_of
from invoice_bridge.adapter.changes import customer_id, submit_change
from invoice_bridge.adapter.checks import payable, same_bill, verify
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.provider import Context, Page, Unreadable
from invoice_bridge.core.commands import (
    Bill,
    Finalize,
    ListInvoices,
    OneTimeCharge,
    Pay,
    PeriodInvoice,
    Retrieve,
    Update,
    Void,
)
from invoice_bridge.core.errors import AmountMismatch, Discrepancy, IdempotencyMismatch, MalformedResponse, Unsupported
from invoice_bridge.core.model import Invoice, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow, Request, Response
from invoice_bridge.providers.chargeapi.shapes import invoice
from invoice_bridge.providers.chargeapi.tables import METADATA_BYTES, METADATA_SOURCE, MONEY, REFERENCE_KEY

_CREATE = "docs.chargeapi.co/api-reference/invoices/create"
_SPECIMEN_ID = "{open.id}"
# Sent as a filter: only words that both of the provider's lists of statuses know, or the filter's own. `open` is not
# sent: whether it finds an overdue invoice, which counts as open here, is not documented.
_FILTERS = {status: status.value for status in (Status.DRAFT, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)}
_ISSUES = (Effect.ISSUES, Effect.COLLECTS)
_ISSUED = frozenset({Status.OPEN, Status.PAID})
_CHANGEABLE = frozenset({Status.DRAFT, Status.OPEN})
_ISSUES_NOTE = "whether finalizing alone starts a collection is not confirmed; it is counted as one"


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill an amount once: the transactions of its period, provided that they come to that amount."""
    if command.period is None:
        raise Unsupported(
            "ChargeAPI cannot be told an amount: it bills the transactions of a period, and this charge has none",
            source=_CREATE,
            remedy="give the period whose transactions come to this amount",
        )
    return (yield from _bill(command, context, command.period))


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period: its transactions, provided that they come to the caller's lines where there are any."""
    return _bill(command, context, command.period)


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context, window: Period) -> Flow[Invoice]:
    body, due = _create_body(command, context, window), _due(command)
    at = context.existing or (yield from _open(command, context, body))
    _is_this_bill(command, at, window, body.get("fleet"))
    draft = at if at.status is Status.DRAFT else None
    _compare(command, at, draft)
    if draft is not None and due is not None and at.due_at != command.collection.due:
        specimen = _specimen(command, body, "draft", at.id) | {"due_date": due}
        request = context.post(
            "invoices", at.id, body={"due_date": due}, step="due", specimen=specimen, invoice_id=at.id
        )
        at = _compare(command, (yield from _sent(at.id, context, request, _CHANGEABLE)), draft)
    if at.status is Status.DRAFT and not command.draft:
        request = _finalize(at.id, context, _specimen(command, body, "open", at.id))
        at = _compare(command, (yield from _sent(at.id, context, request, {Status.DRAFT}, _ISSUED)), draft)
    if at.status is Status.OPEN and command.collection.kind == "charge":
        demanded = _collectable(command, at)
        request = _pay(at.id, context, command.collection.payment_method, _specimen(command, body, "paid", at.id))
        at = _compare_collected((yield from _sent(at.id, context, request, {Status.OPEN}, {Status.PAID})), demanded)
    return at


def _open(command: OneTimeCharge | PeriodInvoice, context: Context, body: Mapping[str, Any]) -> Flow[Invoice]:
    """The draft, read once more: the answer may be what an earlier try was told, and the invoice issued since."""
    specimen = _specimen(command, body, "draft")
    answer = yield context.post("invoices", body=body, step="open", specimen=specimen, opens=True, answers=("id",))
    opened = text_of(answer, "id")
    return (yield from _read(opened, context, _specimen(command, body, "draft", opened)))


def _create_body(command: OneTimeCharge | PeriodInvoice, context: Context, window: Period) -> dict[str, Any]:
    MONEY.to_units(Money.zero(command.currency))  # refuses a currency whose amounts could not be read back
    body: dict[str, Any] = {"period_start": rfc3339_millis(window.start), "period_end": rfc3339_millis(window.end)}
    if command.customer is not None:  # without one it is an invoice of the account itself; a name or e-mail is no fleet
        body["fleet"] = customer_id(command, context, example="flt_…", source=_CREATE)
    body["currency"] = command.currency.lower()  # as in all samples; whether upper case is taken is not documented
    if command.description is not None:
        body["description"] = command.description
    return body | {"metadata": _metadata(command.metadata, command.reference)}


def _metadata(metadata: Mapping[str, str], reference: str | None) -> dict[str, str]:
    if REFERENCE_KEY in metadata:
        raise Unsupported(f"the metadata key {REFERENCE_KEY} carries the reference", remedy="use another key")
    found = dict(metadata) | ({REFERENCE_KEY: reference} if reference is not None else {})
    if sum(len(text.encode()) for pair in found.items() for text in pair) > METADATA_BYTES:
        problem = f"the metadata is longer than {METADATA_BYTES} bytes"
        raise Unsupported(problem, source=METADATA_SOURCE, remedy="shorten it")
    return found


def _due(command: Bill) -> str | None:
    if command.collection.net_days is not None:
        raise Unsupported(
            "ChargeAPI takes a due date, not a number of days: it has no date of issue to count from",
            source="docs.chargeapi.co/api-reference/invoices/update",
            remedy="write Collection.send(due=…)",
        )
    return None if command.collection.due is None else rfc3339_millis(command.collection.due)


def _is_this_bill(command: OneTimeCharge | PeriodInvoice, found: Invoice, window: Period, fleet: str | None) -> None:
    """Check that what the key or the lookup brought is this bill, not another one. Raises IdempotencyMismatch.

    What is no draft was compared with its bill before it was issued: another currency or amount is another bill. A
    draft's amount moves with its window, so that it differs says nothing yet: see _compare.
    """
    theirs = found.customer.id if found.customer is not None else None
    wrong = next(
        (
            f"{name} {has or 'none'}, not {asked or 'none'}"
            for name, asked, has, unsaid in (
                ("the reference", command.reference, found.reference, found.reference is None),
                ("the fleet", fleet, theirs, False),
                ("the period", window, found.period, found.period is None),
            )
            if not unsaid and has != asked
        ),
        None,
    )
    if wrong:
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} was used before for another bill: {found.id} is {found.status} "
            f"and has {wrong}; nothing was done to it",
            existing=found,
        )
    if found.status is not Status.DRAFT:
        same_bill(command, found)


def _compare(command: OneTimeCharge | PeriodInvoice, found: Invoice, draft: Invoice | None) -> Invoice:
    """Compare the invoice with what was asked, and with the draft it was made of; every difference names what is left.

    Where the caller states an amount the invoice must state one too: what cannot be compared is not billed. With
    tax="none" finalizing may not change the total.
    """
    try:
        verify(command, found, draft.subtotal if draft is not None else None)
    except Discrepancy as error:
        should = "the draft came to" if command.total is None and isinstance(error, AmountMismatch) else "asked for"
        raise type(error)(
            f"{should} {error.asked}, {found.id} has {error.found}; {_what_is_left(found)}",
            asked=error.asked,
            found=error.found,
            invoice=found,
        ) from error
    stated = found.subtotal if command.tax == "provider" or found.total is None else found.total
    if command.total is not None and stated is None:
        raise AmountMismatch(
            f"asked for {command.total}, {found.id} does not say what it comes to; {_what_is_left(found)}",
            asked=command.total,
            invoice=found,
        )
    before = draft.total if draft is not None else found.subtotal
    if command.tax == "none" and before is not None and found.total is not None and found.total != before:
        raise AmountMismatch(
            f"before it was finalized {found.id} came to {before}, now it comes to {found.total}: a tax, "
            f"or a transaction that came in between; {_what_is_left(found)}",
            asked=before,
            found=found.total,
            invoice=found,
        )
    return found


def _collectable(command: OneTimeCharge | PeriodInvoice, invoice: Invoice) -> Money:
    """What collecting an open invoice takes. Raises AmountMismatch where it is not stated, or is less than its lines.

    Finalizing calculates tax, which no field states (an older page, invoices/finalize): with tax="provider" it may make
    the invoice larger, and never smaller.
    """
    demanded, lines = invoice.amount_remaining, invoice.subtotal
    if demanded is None:
        raise AmountMismatch(
            f"{invoice.id} does not state what it would collect; {_what_is_left(invoice)}",
            asked=command.total,
            invoice=invoice,
        )
    if lines is not None and demanded < lines:
        raise AmountMismatch(
            f"the lines of {invoice.id} come to {lines}, and it would collect {demanded}; {_what_is_left(invoice)}",
            asked=lines,
            found=demanded,
            invoice=invoice,
        )
    return demanded


def _compare_collected(invoice: Invoice, demanded: Money) -> Invoice:
    """Check that what was collected is what the open invoice demanded. Raises AmountMismatch after the fact."""
    if invoice.status is Status.PAID and invoice.amount_paid is not None and invoice.amount_paid != demanded:
        raise AmountMismatch(
            f"{invoice.id} demanded {demanded}, and {invoice.amount_paid} was collected: see to a refund there",
            asked=demanded,
            found=invoice.amount_paid,
            invoice=invoice,
        )
    return invoice


def _what_is_left(found: Invoice) -> str:
    if found.status is Status.DRAFT:
        return f"the draft {found.id} stays: it collects nothing, and ChargeAPI can neither delete nor void a draft"
    if found.status is Status.OPEN:
        return f"the invoice {found.id} is open and was not collected: void it, or take it as it is"
    if found.status is Status.PAID:
        return f"the invoice {found.id} is paid: ChargeAPI collected as it finalized, so see to a refund there"
    return f"the invoice {found.id} is {found.status}"


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines; the lines and amounts of a draft may still move."""
    return _read(command.id, context)


def _read(invoice_id: str, context: Context, specimen: Mapping[str, Any] | None = None) -> Flow[Invoice]:
    answer = yield context.get(
        "invoices", invoice_id, specimen=specimen or _bare(invoice_id, "open"), invoice_id=invoice_id
    )
    return invoice(object_of(answer))


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first. The next one is the URL that ChargeAPI gives, on its own origin only."""
    answer = yield _listing(command, context)
    rows, url = object_of(answer).get("data"), object_of(answer).get("next_page_url", "")
    if not isinstance(rows, list) or not (url is None or (isinstance(url, str) and url)):
        # an older generation says has_more instead, and null alone is the end: to stop here would lose invoices
        problem = "the answer is no page of invoices with a next_page_url"
        raise MalformedResponse(problem, provider="chargeapi", status=answer.status, response=answer)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append(invoice(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    return Page(tuple(items), None if url is None else command.model_copy(update={"cursor": url}))


def _listing(command: ListInvoices, context: Context) -> Request:
    specimen = {"data": [_bare("{listed.id}", "open")], "next_page_url": None}
    if command.cursor is not None:
        return context.follow(command.cursor, specimen=specimen)
    query: list[tuple[str, object]] = []
    if command.customer is not None and (fleet := command.customer.at(context.provider.name)) is not None:
        query.append(("fleet", fleet))
    query.append(("limit", command.limit))
    if command.status is not None and command.status in _FILTERS:
        query.append(("status", _FILTERS[command.status]))
    return context.get("invoices", query=query, specimen=specimen)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def _finalize(invoice_id: str, context: Context, specimen: Mapping[str, Any]) -> Request:
    return context.post(
        "invoices",
        invoice_id,
        "finalize",
        body={},
        effects=_ISSUES,
        specimen=specimen,
        note=_ISSUES_NOTE,
        invoice_id=invoice_id,
    )


def _pay(invoice_id: str, context: Context, payment_method: str | None, specimen: Mapping[str, Any]) -> Request:
    body = {} if payment_method is None else {"payment_method": payment_method}
    return context.post(
        "invoices",
        invoice_id,
        "pay",
        body=body,
        effects=[Effect.COLLECTS],
        specimen=specimen,
        invoice_id=invoice_id,
    )


def _sent(
    invoice_id: str,
    context: Context,
    request: Request,
    allowed: AbstractSet[Status],
    becomes: AbstractSet[Status] = frozenset(),
) -> Flow[Invoice]:
    def after(answer: Response) -> Flow[Invoice]:
        yield from ()
        return invoice(object_of(answer))

    return submit_change(request, lambda: _read(invoice_id, context), after, allowed=allowed, becomes=becomes)


def finalize(command: Finalize, context: Context) -> Flow[Invoice]:
    """Turn a draft into an open invoice. Whether that alone collects is not confirmed.

    It is read afterwards: the answer may be what the same request was told within the last day, and the invoice paid or
    void since. (Of pay and void such an answer stays true: paid and void are final.)
    """
    yield from _sent(
        command.id, context, _finalize(command.id, context, _bare(command.id, "open")), {Status.DRAFT}, _ISSUED
    )
    return (yield from _read(command.id, context))


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect an open invoice, whole. Reads it first: what `pay` does to a draft is not documented."""
    units = None if command.expect is None else MONEY.to_units(command.expect)
    currency = "eur" if command.expect is None else command.expect.currency.lower()
    specimen = _bare(command.id, "open") | {"currency": currency, "amount_due": units}
    payable(command, (yield from _read(command.id, context, specimen)))
    paid = specimen | {"status": "paid", "amount_due": 0, "amount_paid": units}
    request = _pay(command.id, context, command.payment_method, paid)
    return (yield from _sent(command.id, context, request, {Status.OPEN}, {Status.PAID}))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Withdraw an open invoice; one sentence of the documentation allows an uncollectible one too. Never a draft."""
    request = context.post(
        "invoices",
        command.id,
        "void",
        body={},
        effects=[Effect.VOIDS],
        specimen=_bare(command.id, "void"),
        invoice_id=command.id,
    )
    return _sent(command.id, context, request, {Status.OPEN, Status.UNCOLLECTIBLE}, {Status.VOID})


def update(command: Update, context: Context) -> Flow[Invoice]:
    """Change a draft or an open invoice (an older page refuses the latter).

    With metadata it reads first and sends the reference along: whether new metadata replaces the old is not said, and
    an invoice that lost its reference could be billed again. It reads afterwards too: the same change sent again within
    a day is answered and not applied. Raises Discrepancy where the change is not there.
    """
    due = None if command.due_at is None else rfc3339_millis(command.due_at)
    body: dict[str, Any] = {"description": command.description, "due_date": due}
    body = {name: value for name, value in body.items() if value is not None}
    if command.metadata is not None:
        _metadata(command.metadata, None)
        found = yield from _read(command.id, context)
        body["metadata"] = _metadata(command.metadata, found.reference)
    specimen = _bare(command.id, "open") | body
    request = context.post("invoices", command.id, body=body, step="update", specimen=specimen, invoice_id=command.id)
    yield from _sent(command.id, context, request, _CHANGEABLE)
    now = yield from _read(command.id, context, specimen)
    asked_and_found = (
        (command.description or None, now.description, command.description is not None),
        (command.due_at, now.due_at, due is not None),
        (
            command.metadata,
            {name: now.metadata.get(name) for name in command.metadata or ()},
            command.metadata is not None,
        ),
    )
    for asked, holds, told in asked_and_found:
        if told and asked != holds:
            raise Discrepancy(
                f"{command.id} was to have {asked}, and has {holds}: ChargeAPI answers a change that it saw within the "
                "last day without making it again",
                asked=asked,
                found=holds,
                invoice=now,
            )
    return now


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def _bare(invoice_id: str, status: str) -> dict[str, Any]:
    return {"id": invoice_id, "object": "invoice", "status": status, "currency": "eur"}


def _specimen(
    command: OneTimeCharge | PeriodInvoice, body: Mapping[str, Any], status: str, invoice_id: str = _SPECIMEN_ID
) -> dict[str, Any]:
    units = 0 if command.total is None else MONEY.to_units(command.total)
    paid = status == "paid"
    return {
        **_bare(invoice_id, status),
        **body,
        "amount_due": 0 if paid else units,
        "amount_paid": units if paid else None,
        "line_items": None if command.total is None else [{"amount": units}],
        "due_date": None
        if command.collection.due is None or status == "draft"
        else rfc3339_millis(command.collection.due),
    }
