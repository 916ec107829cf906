"""Lago's verbs, one generator each.

Each reads the invoice first: Lago answers "not found" when an invoice is not a draft, and newer versions void paid
ones.
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
    check_state,
    object_of,
    payable,
    submit_change,
)
from invoice_bridge.core.commands import Finalize, ListInvoices, MarkPaid, Pay, Retrieve, Update, Void
from invoice_bridge.core.errors import Discrepancy, MalformedResponse, Unsupported
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Flow, Request, Response

from .shapes import invoice
from .tables import LIST, METADATA_COUNT, NAME, TRANSITIONS, UPDATE

_FILTERS = {
    Status.DRAFT: (("status", "draft"),),
    Status.OPEN: (("status", "finalized"),),  # payment_status takes one word, and open has two
    Status.PAID: (("status", "finalized"), ("payment_status", "succeeded")),
    Status.VOID: (("status", "voided"),),
}
_ISSUES_NOTE = "finalizing passes the invoice to the customer's payment provider, if there is one"


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice, with all its fees."""
    return read_invoice(command.id, context)


def read_invoice(
    invoice_id: str, context: Context, specimen: Mapping[str, Any] | None = None, status: str = "finalized"
) -> Flow[Invoice]:
    """Retrieve an invoice; `status` is that of the specimen."""
    answer = yield context.get(
        "invoices", invoice_id, specimen=specimen or bare_specimen(invoice_id, status), invoice_id=invoice_id
    )
    return invoice(object_of(answer))


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first. `cursor` is the page number."""
    if command.cursor is not None and not (command.cursor.isascii() and command.cursor.isdecimal()):
        raise Unsupported("the cursor is not a page number", source=LIST)
    number = int(command.cursor or 1)
    query: list[tuple[str, object]] = [("page", number), ("per_page", command.limit)]
    if command.customer is not None and (customer := command.customer.at(NAME)) is not None:
        query.append(("external_customer_id", customer))
    query += _FILTERS.get(command.status, ()) if command.status is not None else ()
    specimen = {
        "invoices": [bare_specimen("{listed.id}", "finalized")["invoice"]],
        "meta": {"current_page": number, "total_pages": number},
    }
    answer = yield context.get("invoices", query=query, specimen=specimen)
    reader = Reader(object_of(answer), NAME)
    rows, meta = reader.data.get("invoices"), reader.child("meta")
    current, last = meta.integer("current_page"), meta.integer("total_pages")
    if not isinstance(rows, list) or current != number or last is None:
        problem = f"the answer is not page {number} of the invoices"
        raise MalformedResponse(problem, provider=NAME, status=answer.status, response=answer)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append(invoice(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    following = None if number >= last else command.model_copy(update={"cursor": str(number + 1)})
    return Page(tuple(items), following)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def _change(request: Request, invoice_id: str, context: Context, transition: Transition) -> Flow[Invoice]:
    """Send a change to an invoice, and return the invoice in the answer."""

    def after(answer: Response) -> Flow[Invoice]:
        yield from ()
        return invoice(object_of(answer))

    return submit_change(context, request, lambda: read_invoice(invoice_id, context), after, transition)


def finalize(command: Finalize, context: Context) -> Flow[Invoice]:
    """Issue a draft, such as a subscription's in its grace period."""
    transition = TRANSITIONS["finalize"]
    check_state((yield from read_invoice(command.id, context, status="draft")), transition, "cannot be finalized")
    request = context.send(
        "PUT",
        "invoices",
        command.id,
        "finalize",
        effects=transition.effects,
        note=_ISSUES_NOTE,
        specimen=bare_specimen(command.id, "finalized"),
        invoice_id=command.id,
    )
    return (yield from _change(request, command.id, context, transition))


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect the whole amount of an open invoice. Lago answers before the payment is made: it may still be open."""
    units = None if command.expect is None else command.expect.minor
    specimen = bare_specimen(command.id, "finalized")
    if command.expect is not None:
        specimen["invoice"] |= {"currency": command.expect.currency, "total_due_amount_cents": units}
    payable(command, (yield from read_invoice(command.id, context, specimen)), TRANSITIONS["pay"])
    return (yield from paid(command.id, command.payment_method, context, specimen))


def paid(invoice_id: str, payment_method: str | None, context: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    """Have the payment provider collect an invoice, and read the invoice after it: the answer is empty."""
    transition, method = TRANSITIONS["pay"], {"payment_method_type": "provider", "payment_method_id": payment_method}
    request = context.post(
        "invoices",
        invoice_id,
        "retry_payment",
        body={} if payment_method is None else {"payment_method": method},
        effects=transition.effects,
        specimen={},
        empty=True,
    )
    settled = {"invoice": {**specimen["invoice"], "payment_status": "succeeded"}}

    def after(_answer: Response) -> Flow[Invoice]:
        return read_invoice(invoice_id, context, settled)

    return submit_change(context, request, lambda: read_invoice(invoice_id, context), after, transition)


def mark_paid(command: MarkPaid, context: Context) -> Flow[Invoice]:
    """Record that an open invoice was paid outside Lago."""
    transition = TRANSITIONS["mark_paid"]
    check_state((yield from read_invoice(command.id, context)), transition, "cannot be marked as paid")
    specimen = bare_specimen(command.id, "finalized")
    specimen["invoice"]["payment_status"] = "succeeded"
    request = context.send(
        "PUT",
        "invoices",
        command.id,
        body={"invoice": {"payment_status": "succeeded"}},
        effects=transition.effects,
        specimen=specimen,
        invoice_id=command.id,
    )
    return (yield from _change(request, command.id, context, transition))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Void an open invoice. A paid one is refused here, although some versions of Lago void it."""
    transition = TRANSITIONS["void"]
    check_state((yield from read_invoice(command.id, context)), transition, "cannot be voided")
    request = context.post(
        "invoices",
        command.id,
        "void",
        effects=transition.effects,
        specimen=bare_specimen(command.id, "voided"),
        invoice_id=command.id,
    )
    return (yield from _change(request, command.id, context, transition))


def update(command: Update, context: Context) -> Flow[Invoice]:
    """Change the metadata of an invoice that is not void; Lago changes no other field."""
    if command.metadata is None or command.description is not None or command.due_at is not None:
        raise Unsupported(
            "Lago changes only the metadata of an invoice (and its payment status: see mark_paid)",
            source=UPDATE,
            remedy="omit description and due_at",
        )
    check_metadata(command.metadata)
    existing = yield from read_invoice(command.id, context)
    check_state(existing, TRANSITIONS["update"], "cannot be changed")
    return (yield from with_metadata(existing, command.metadata, context, bare_specimen(command.id, "finalized")))


# ── metadata ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise Unsupported for an empty key or value: Lago refuses a key without a value."""
    if empty := [name for name, value in metadata.items() if not (name and value)]:
        raise Unsupported(
            f"the metadata has no value for {empty[0]!r}, and Lago takes no key without a value",
            source="getlago.com/docs/guide/invoicing/invoice-metadata",
            remedy="omit the key",
        )


def with_metadata(
    existing: Invoice, changes: Mapping[str, str], context: Context, specimen: Mapping[str, Any]
) -> Flow[Invoice]:
    """Write metadata together with the existing entries: Lago deletes entries that the list omits.

    Raises Unsupported for too many entries, and Discrepancy if the invoice does not have them afterwards.
    """
    rows = [] if existing.raw is None else existing.raw.get("metadata") or []
    entries, new = [], dict(changes)
    for row in (Reader(row, NAME) for row in rows):
        name = row.text("key") or ""
        entries.append({"id": row.text("lago_id"), "key": name, "value": new.pop(name, row.text("value"))})
    entries += [{"key": name, "value": value} for name, value in new.items()]
    if len(entries) > METADATA_COUNT:
        raise Unsupported(
            f"{existing.id} would have {len(entries)} entries of metadata, but Lago takes at most {METADATA_COUNT}",
            source=UPDATE,
        )
    request = context.send(
        "PUT",
        "invoices",
        existing.id,
        body={"invoice": {"metadata": entries}},
        step="metadata",
        specimen={"invoice": {**specimen["invoice"], "metadata": entries}},
        invoice_id=existing.id,
    )
    written = yield from _change(request, existing.id, context, TRANSITIONS["update"])
    if any(written.metadata.get(name) != value for name, value in changes.items()):
        raise Discrepancy(
            f"{existing.id} should have the metadata {dict(changes)}, but has {dict(written.metadata)}",
            asked=dict(changes),
            found=dict(written.metadata),
            invoice=written,
        )
    return written


# ── specimens: the answers for explain ───────────────────────────────────────────────────────────────────────────────
def bare_specimen(invoice_id: str, status: str) -> dict[str, Any]:
    """Return the answer of a success with an invoice, with only the fields that a verb needs."""
    stated = {"status": status, "payment_status": "pending", "invoice_type": "one_off", "currency": "EUR", "fees": []}
    return {"invoice": {"lago_id": invoice_id, **stated}}
