"""Acme's verbs, one generator each. A bill is one ladder: found or made → compare → finalize → compare → pay.

A flow yields requests and is sent responses; it opens no connection and reads no clock. Each request has a `specimen`,
the answer where all goes well: `explain` feeds it back, so what is explained is made by the code that sends. Looking a
bill up, retrying and pacing are no part of a flow: it is given what was found, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of, text_of
from invoice_bridge.adapter.changes import customer_id, submit_change
from invoice_bridge.adapter.checks import payable, same_bill, verify
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.provider import Context, Page, Unreadable
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.commands import Finalize, ListInvoices, OneTimeCharge, Pay, PeriodInvoice, Retrieve, Void
from invoice_bridge.core.errors import MalformedResponse, Unsupported
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.wire import Effect, Flow, Request, Response

from .shapes import invoice
from .tables import MONEY, NAME, SOURCES, STATUSES, TRANSITIONS

_WORDS = {row.status: row.native for row in STATUSES}
_KINDS = {"manual": "none", "send": "mail", "charge": "charge"}


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(command, context)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period whose lines the caller has rated."""
    if not command.lines:
        raise Unsupported("Acme rates nothing by itself: it bills the lines it is given", source=SOURCES[command.verb])
    return _bill(command, context)


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context) -> Flow[Invoice]:
    body = _body(command, context)
    existing = context.existing
    at = same_bill(command, existing) if existing is not None else (yield from _created(context, body))
    verify(command, at)
    if at.status is Status.DRAFT and not command.draft:
        request = _finalize(
            at.id, context, mails=command.collection.kind == "send", specimen=_specimen(body, at.id, "open")
        )
        at = verify(command, (yield from _sent(at.id, context, request, TRANSITIONS["finalize"])))
    if at.status is Status.OPEN and command.collection.kind == "charge":
        request = _pay(at.id, context, {}, specimen=_specimen(body, at.id, "paid"))
        at = yield from _sent(at.id, context, request, TRANSITIONS["pay"])
    return at


def _created(context: Context, body: Mapping[str, Any]) -> Flow[Invoice]:
    """The draft; or the invoice that it became, where the key has gone out before."""
    specimen = _specimen(body, "{open.id}", "draft")
    request = context.post("invoices", body=body, step="open", specimen=specimen, opens=True, answers=("id",))
    return (yield from _after((yield request), context))


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
    return _said(body)


def _line(line: Line) -> dict[str, Any]:
    return _said(
        {
            "text": line.description,
            "quantity": line.quantity,
            "unit_price": None if line.unit_amount is None else MONEY.to_units(line.unit_amount),
            "amount": MONEY.to_units(line.amount),
            "from": None if line.period is None else rfc3339_millis(line.period.start),
            "to": None if line.period is None else rfc3339_millis(line.period.end),
        }
    )


def _said(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines."""
    return _read(command.id, context)


def _read(invoice_id: str, context: Context) -> Flow[Invoice]:
    answer = yield context.get("invoices", invoice_id, specimen=_bare(invoice_id, "open"))
    return invoice(object_of(answer))


def _after(answer: Response, context: Context) -> Flow[Invoice]:
    """The invoice after a write. The answer to a key that came before may be old news: then it is read."""
    if context.provider.is_replay(answer):
        return (yield from _read(text_of(answer, "id"), context))
    return invoice(object_of(answer))


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first. `next` is the cursor of the page that follows, null on the last one."""
    query: list[tuple[str, object]] = [("limit", command.limit)]
    if command.customer is not None and (customer := command.customer.at(NAME)) is not None:
        query.append(("customer", customer))
    if command.status is not None and command.status in _WORDS:
        query.append(("status", _WORDS[command.status]))
    if command.cursor is not None:
        query.append(("cursor", command.cursor))
    answer = yield context.get(
        "invoices", query=query, specimen={"items": [_bare("{listed.id}", "open")], "next": None}
    )
    rows, cursor = object_of(answer).get("items"), Reader(object_of(answer), NAME).text("next")
    if not isinstance(rows, list) or "next" not in object_of(answer):  # to read it as the last page would lose invoices
        raise MalformedResponse("the answer is no page of invoices", provider=NAME, response=answer)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append(invoice(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    return Page(tuple(items), None if cursor is None else command.model_copy(update={"cursor": cursor}))


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def _finalize(invoice_id: str, context: Context, *, mails: bool, specimen: Mapping[str, Any]) -> Request:
    effects = TRANSITIONS["finalize"].effects if mails else (Effect.ISSUES,)
    return context.post("invoices", invoice_id, "finalize", body={}, effects=effects, specimen=specimen)


def _pay(invoice_id: str, context: Context, body: Mapping[str, Any], specimen: Mapping[str, Any]) -> Request:
    effects = TRANSITIONS["pay"].effects
    return context.post("invoices", invoice_id, "pay", body=body, effects=effects, specimen=specimen)


def _sent(invoice_id: str, context: Context, request: Request, transition: Transition) -> Flow[Invoice]:
    """Send it; what a refusal means depends on the invoice's status by then."""

    def after(answer: Response) -> Flow[Invoice]:
        return _after(answer, context)

    return submit_change(context, request, lambda: _read(invoice_id, context), after, transition)


def finalize(command: Finalize, context: Context) -> Flow[Invoice]:
    """Turn a draft into an open invoice; it is mailed where the draft says so."""
    request = _finalize(command.id, context, mails=True, specimen=_bare(command.id, "open"))
    return _sent(command.id, context, request, TRANSITIONS["finalize"])


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect an open invoice, whole. Reads it first: only an open one of the expected amount is paid."""
    payable(command, (yield from _read(command.id, context)), TRANSITIONS["pay"])
    body = {} if command.payment_method is None else {"payment_method": command.payment_method}
    request = _pay(command.id, context, body, specimen=_bare(command.id, "paid"))
    return (yield from _sent(command.id, context, request, TRANSITIONS["pay"]))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Withdraw an open invoice."""
    transition, specimen = TRANSITIONS["void"], _bare(command.id, "void")
    request = context.post("invoices", command.id, "void", body={}, effects=transition.effects, specimen=specimen)
    return _sent(command.id, context, request, transition)


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def _bare(invoice_id: str, status: str) -> dict[str, Any]:
    return {"kind": "invoice", "id": invoice_id, "status": status, "currency": "EUR", "lines": []}


def _specimen(body: Mapping[str, Any], invoice_id: str, status: str) -> dict[str, Any]:
    return {**_bare(invoice_id, status), **body, "total": sum(line["amount"] for line in body["lines"])}
