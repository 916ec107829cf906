"""Acme's verbs, one generator each.

A flow yields requests and receives responses; it opens no connection and reads no clock. Each request has a `specimen`,
the answer of a success: `explain` sends it into the flow, so the same code makes the explained and the sent requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter import (
    Context,
    Page,
    Reader,
    Transition,
    Unreadable,
    object_of,
    payable,
    submit_change,
    text_of,
)
from invoice_bridge.core.commands import Finalize, ListInvoices, Pay, Retrieve, Void
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Effect, Flow, Request, Response

from .shapes import invoice
from .tables import NAME, STATUSES, TRANSITIONS

_WORDS = {row.status: row.native for row in STATUSES}


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines."""
    return read_invoice(command.id, context)


def read_invoice(invoice_id: str, context: Context) -> Flow[Invoice]:
    """Retrieve an invoice."""
    answer = yield context.get("invoices", invoice_id, specimen=bare_specimen(invoice_id, "open"))
    return invoice(object_of(answer))


def read_answer(answer: Response, context: Context) -> Flow[Invoice]:
    """Return the invoice after a write. The answer to a repeated key may be outdated, so then the invoice is read."""
    if context.provider.is_replay(answer):
        return (yield from read_invoice(text_of(answer, "id"), context))
    return invoice(object_of(answer))


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first. `next` is the cursor of the next page, null on the last one."""
    query: list[tuple[str, object]] = [("limit", command.limit)]
    if command.customer is not None and (customer := command.customer.at(NAME)) is not None:
        query.append(("customer", customer))
    if command.status is not None and command.status in _WORDS:
        query.append(("status", _WORDS[command.status]))
    if command.cursor is not None:
        query.append(("cursor", command.cursor))
    answer = yield context.get(
        "invoices", query=query, specimen={"items": [bare_specimen("{listed.id}", "open")], "next": None}
    )
    rows, cursor = object_of(answer).get("items"), Reader(object_of(answer), NAME).text("next")
    if not isinstance(rows, list) or "next" not in object_of(answer):  # as a last page it would lose invoices
        raise MalformedResponse("the answer is not a page of invoices", provider=NAME, response=answer)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append(invoice(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    return Page(tuple(items), None if cursor is None else command.model_copy(update={"cursor": cursor}))


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def finalize_request(invoice_id: str, context: Context, *, mails: bool, specimen: Mapping[str, Any]) -> Request:
    """Return the request that finalizes a draft."""
    effects = TRANSITIONS["finalize"].effects if mails else (Effect.ISSUES,)
    return context.post("invoices", invoice_id, "finalize", body={}, effects=effects, specimen=specimen)


def pay_request(invoice_id: str, context: Context, body: Mapping[str, Any], specimen: Mapping[str, Any]) -> Request:
    """Return the request that collects an invoice."""
    effects = TRANSITIONS["pay"].effects
    return context.post("invoices", invoice_id, "pay", body=body, effects=effects, specimen=specimen)


def changed(invoice_id: str, context: Context, request: Request, transition: Transition) -> Flow[Invoice]:
    """Send a change; the meaning of a refusal depends on the invoice's status at that time."""

    def after(answer: Response) -> Flow[Invoice]:
        return read_answer(answer, context)

    return submit_change(context, request, lambda: read_invoice(invoice_id, context), after, transition)


def finalize(command: Finalize, context: Context) -> Flow[Invoice]:
    """Issue a draft; Acme mails it if its collection is mail."""
    request = finalize_request(command.id, context, mails=True, specimen=bare_specimen(command.id, "open"))
    return changed(command.id, context, request, TRANSITIONS["finalize"])


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect the whole amount of an open invoice. Read it first: only an open one of the expected amount is paid."""
    payable(command, (yield from read_invoice(command.id, context)), TRANSITIONS["pay"])
    body = {} if command.payment_method is None else {"payment_method": command.payment_method}
    request = pay_request(command.id, context, body, specimen=bare_specimen(command.id, "paid"))
    return (yield from changed(command.id, context, request, TRANSITIONS["pay"]))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Void an open invoice."""
    transition, specimen = TRANSITIONS["void"], bare_specimen(command.id, "void")
    request = context.post("invoices", command.id, "void", body={}, effects=transition.effects, specimen=specimen)
    return changed(command.id, context, request, transition)


# ── specimens: the answers for explain ───────────────────────────────────────────────────────────────────────────────
def bare_specimen(invoice_id: str, status: str) -> dict[str, Any]:
    """Return the answer of a success with an invoice, with only the fields that a verb needs."""
    return {"kind": "invoice", "id": invoice_id, "status": status, "currency": "EUR", "lines": []}
