"""ChargeAPI's verbs, one generator each. A bill is one ladder: open → read → compare → finalize → compare → collect.

ChargeAPI accepts a period and makes the lines itself, so only the comparison protects the caller's amount. A replayed
answer is not marked, and it is not documented whether a known key with another body is refused: so the invoice is
read once after it is opened, and must be the bill of the command. A bill that the lookup finds continues by the same
steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import submit_change
from invoice_bridge.adapter.checks import payable
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.transitions import Transition
from invoice_bridge.core.commands import (
    Finalize,
    ListInvoices,
    Pay,
    Retrieve,
    Update,
    Void,
)
from invoice_bridge.core.errors import Discrepancy, MalformedResponse, Unsupported
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.chargeapi.shapes import invoice
from invoice_bridge.providers.chargeapi.tables import (
    METADATA_BYTES,
    METADATA_SOURCE,
    MONEY,
    REFERENCE_KEY,
    TRANSITIONS,
)

# A filter is sent only if both of the provider's lists of statuses know the word, or it is the filter's own. `open`
# is not sent: it is not documented whether it includes overdue invoices, which count as open here.
_FILTERS = {status: status.value for status in (Status.DRAFT, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)}
_TOKEN = re.compile(r"page_[A-Za-z0-9_-]+")
"""A page's token as the documentation shows it; anything else is read as a URL."""
_ISSUES_NOTE = "it is not confirmed whether finalizing starts a collection, so it is counted as one"


def metadata_with(metadata: Mapping[str, str], reference: str | None) -> dict[str, str]:
    """Return the caller's metadata with the reference. Raises Unsupported if the caller uses the reference's key."""
    if REFERENCE_KEY in metadata:
        raise Unsupported(f"the metadata key {REFERENCE_KEY} carries the reference", remedy="use another key")
    found = dict(metadata) | ({REFERENCE_KEY: reference} if reference is not None else {})
    if sum(len(text.encode()) for pair in found.items() for text in pair) > METADATA_BYTES:
        problem = f"the metadata is longer than {METADATA_BYTES} bytes"
        raise Unsupported(problem, source=METADATA_SOURCE, remedy="shorten it")
    return found


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice, with all its lines; the lines and amounts of a draft may still move."""
    return read_invoice(command.id, context)


def read_invoice(invoice_id: str, context: Context, specimen: Mapping[str, Any] | None = None) -> Flow[Invoice]:
    """Retrieve an invoice."""
    answer = yield context.get(
        "invoices", invoice_id, specimen=specimen or bare_specimen(invoice_id, "open"), invoice_id=invoice_id
    )
    return invoice(object_of(answer))


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first.

    The next and the previous page are the URLs that ChargeAPI gives, on its own origin only. A bare token is a cursor
    too, with the same filters.
    """
    answer = yield _listing(command, context)
    whole = object_of(answer)
    rows, url, before = whole.get("data"), whole.get("next_page_url", ""), whole.get("previous_page_url")
    if not isinstance(rows, list) or not (url is None or (isinstance(url, str) and url)):
        # an older generation has has_more instead, and only null is the end: stopping here would lose invoices
        problem = "the answer is not a page of invoices with a next_page_url"
        raise MalformedResponse(problem, provider="chargeapi", status=answer.status, response=answer)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append(invoice(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    following, previous = (
        command.model_copy(update={"cursor": one}) if isinstance(one, str) and one else None for one in (url, before)
    )
    return Page(tuple(items), following, previous)


def _listing(command: ListInvoices, context: Context) -> Request:
    specimen = {"data": [bare_specimen("{listed.id}", "open")], "next_page_url": None}
    query: list[tuple[str, object]] = []
    if command.cursor is not None:
        if not _TOKEN.fullmatch(command.cursor):
            return context.follow(command.cursor, specimen=specimen)
        query.append(("page", command.cursor))
    if command.customer is not None and (fleet := command.customer.at(context.provider.name)) is not None:
        query.append(("fleet", fleet))
    query.append(("limit", command.limit))
    if command.status is not None and command.status in _FILTERS:
        query.append(("status", _FILTERS[command.status]))
    query += context.natives.steps.get("list", {}).items()
    return context.get("invoices", query=query, specimen=specimen)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def finalize_request(invoice_id: str, context: Context, specimen: Mapping[str, Any]) -> Request:
    """Return the request that finalizes a draft."""
    return context.post(
        "invoices",
        invoice_id,
        "finalize",
        body={},
        effects=TRANSITIONS["finalize"].effects,
        specimen=specimen,
        note=_ISSUES_NOTE,
        invoice_id=invoice_id,
    )


def pay_request(invoice_id: str, context: Context, payment_method: str | None, specimen: Mapping[str, Any]) -> Request:
    """Return the request that collects an invoice."""
    body = {} if payment_method is None else {"payment_method": payment_method}
    return context.post(
        "invoices",
        invoice_id,
        "pay",
        body=body,
        effects=TRANSITIONS["pay"].effects,
        specimen=specimen,
        invoice_id=invoice_id,
    )


def changed(invoice_id: str, context: Context, request: Request, transition: Transition) -> Flow[Invoice]:
    """Send a change and read the invoice again; the status by then decides what a refusal means."""

    def after(answer: Response) -> Flow[Invoice]:
        yield from ()
        return invoice(object_of(answer))

    return submit_change(context, request, lambda: read_invoice(invoice_id, context), after, transition)


def finalize(command: Finalize, context: Context) -> Flow[Invoice]:
    """Turn a draft into an open invoice. It is not confirmed whether that alone collects.

    The invoice is read afterwards: the answer may repeat one of the last day, and the invoice be paid or void by now.
    (After pay and void a repeated answer stays true: paid and void are final.)
    """
    request = finalize_request(command.id, context, bare_specimen(command.id, "open"))
    yield from changed(command.id, context, request, TRANSITIONS["finalize"])
    return (yield from read_invoice(command.id, context))


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect an open invoice in full. Reads it first, because `pay` on a draft is not documented."""
    units = None if command.expect is None else MONEY.to_units(command.expect)
    currency = "eur" if command.expect is None else command.expect.currency.lower()
    specimen = bare_specimen(command.id, "open") | {"currency": currency, "amount_due": units}
    transition = TRANSITIONS["pay"]
    payable(command, (yield from read_invoice(command.id, context, specimen)), transition)
    paid = specimen | {"status": "paid", "amount_due": 0, "amount_paid": units}
    request = pay_request(command.id, context, command.payment_method, paid)
    return (yield from changed(command.id, context, request, transition))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Void an open invoice, never a draft; one sentence of the documentation allows an uncollectible one too."""
    request = context.post(
        "invoices",
        command.id,
        "void",
        body={},
        effects=TRANSITIONS["void"].effects,
        specimen=bare_specimen(command.id, "void"),
        invoice_id=command.id,
    )
    return changed(command.id, context, request, TRANSITIONS["void"])


def update(command: Update, context: Context) -> Flow[Invoice]:
    """Change a draft or an open invoice (an older page refuses the latter).

    With metadata it reads first and sends the reference along: no page says whether new metadata replaces the old,
    and an invoice without its reference could be billed again. It reads afterwards too: the same change within a day
    gets the old answer and is not applied. Raises Discrepancy if the invoice does not show the change.
    """
    due = None if command.due_at is None else rfc3339_millis(command.due_at)
    body: dict[str, Any] = {"description": command.description, "due_date": due}
    body = {name: value for name, value in body.items() if value is not None}
    if command.metadata is not None:
        metadata_with(command.metadata, None)
        found = yield from read_invoice(command.id, context)
        body["metadata"] = metadata_with(command.metadata, found.reference)
    specimen = bare_specimen(command.id, "open") | body
    request = context.post("invoices", command.id, body=body, step="update", specimen=specimen, invoice_id=command.id)
    yield from changed(command.id, context, request, TRANSITIONS["update"])
    now = yield from read_invoice(command.id, context, specimen)
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
                f"{command.id} should have {asked}, but has {holds}: ChargeAPI repeats its answer to a change of "
                "the last day without making the change again",
                asked=asked,
                found=holds,
                invoice=now,
            )
    return now


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def bare_specimen(invoice_id: str, status: str) -> dict[str, Any]:
    """Return the successful answer about an invoice, as far as a verb needs it."""
    return {"id": invoice_id, "object": "invoice", "status": status, "currency": "eur"}
