"""ChargeAPI's verbs, one generator each. A bill is one ladder: open → read → compare → finalize → compare → collect.

ChargeAPI is told a period and makes the lines itself, so the comparison is all that stands between a caller's amount
and another bill. An answer that merely repeats an earlier one is not marked, and whether a key that comes with another
body is refused is not documented: so the invoice is read once after it is opened, and must be the bill that was asked.
A bill that was looked up and found goes on from there, by the same steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import submit_change
from invoice_bridge.adapter.checks import payable
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.provider import Context, Page, Unreadable
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

# Sent as a filter: only words that both of the provider's lists of statuses know, or the filter's own. `open` is not
# sent: whether it finds an overdue invoice, which counts as open here, is not documented.
_FILTERS = {status: status.value for status in (Status.DRAFT, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)}
_TOKEN = re.compile(r"page_[A-Za-z0-9_-]+")
"""A page's token as the documentation shows it; anything else is taken for an address."""
_ISSUES_NOTE = "it is not confirmed whether finalizing starts a collection, so it is counted as one"


def metadata_with(metadata: Mapping[str, str], reference: str | None) -> dict[str, str]:
    """The caller's metadata with the reference in it. Raises Unsupported for a key that carries the reference."""
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

    The next and the previous one are the URLs that ChargeAPI gives, on its own origin only; a page's token alone is a
    cursor too, with the same filters.
    """
    answer = yield _listing(command, context)
    whole = object_of(answer)
    rows, url, before = whole.get("data"), whole.get("next_page_url", ""), whole.get("previous_page_url")
    if not isinstance(rows, list) or not (url is None or (isinstance(url, str) and url)):
        # an older generation says has_more instead, and null alone is the end: to stop here would lose invoices
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
    """The request that finalizes a draft."""
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
    """The request that collects an invoice."""
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
    """Send a change and read the invoice again; what a refusal means depends on its status by then."""

    def after(answer: Response) -> Flow[Invoice]:
        yield from ()
        return invoice(object_of(answer))

    return submit_change(context, request, lambda: read_invoice(invoice_id, context), after, transition)


def finalize(command: Finalize, context: Context) -> Flow[Invoice]:
    """Turn a draft into an open invoice. Whether that alone collects is not confirmed.

    It is read afterwards: the answer may be what the same request was told within the last day, and the invoice paid or
    void since. (Of pay and void such an answer stays true: paid and void are final.)
    """
    request = finalize_request(command.id, context, bare_specimen(command.id, "open"))
    yield from changed(command.id, context, request, TRANSITIONS["finalize"])
    return (yield from read_invoice(command.id, context))


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect an open invoice, whole. Reads it first: what `pay` does to a draft is not documented."""
    units = None if command.expect is None else MONEY.to_units(command.expect)
    currency = "eur" if command.expect is None else command.expect.currency.lower()
    specimen = bare_specimen(command.id, "open") | {"currency": currency, "amount_due": units}
    transition = TRANSITIONS["pay"]
    payable(command, (yield from read_invoice(command.id, context, specimen)), transition)
    paid = specimen | {"status": "paid", "amount_due": 0, "amount_paid": units}
    request = pay_request(command.id, context, command.payment_method, paid)
    return (yield from changed(command.id, context, request, transition))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Withdraw an open invoice; one sentence of the documentation allows an uncollectible one too. Never a draft."""
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

    With metadata it reads first and sends the reference along: whether new metadata replaces the old is not said, and
    an invoice that lost its reference could be billed again. It reads afterwards too: the same change sent again within
    a day is answered and not applied. Raises Discrepancy where the change is not there.
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
    """The happy answer about an invoice, as far as a verb needs it."""
    return {"id": invoice_id, "object": "invoice", "status": status, "currency": "eur"}
