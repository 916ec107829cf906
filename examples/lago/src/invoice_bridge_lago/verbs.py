"""Lago's verbs, one generator each.

Each reads the invoice first: Lago answers "not found" where it means "not a draft", and newer versions void paid ones.
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
_ISSUES_NOTE = "finalizing hands the invoice to the payment provider of its customer, where there is one"


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
    """Read one page of invoices, newest first. `cursor` is the number of the page."""
    if command.cursor is not None and not (command.cursor.isascii() and command.cursor.isdecimal()):
        raise Unsupported("the cursor is no number of a page", source=LIST)
    asked = int(command.cursor or 1)
    query: list[tuple[str, object]] = [("page", asked), ("per_page", command.limit)]
    if command.customer is not None and (customer := command.customer.at(NAME)) is not None:
        query.append(("external_customer_id", customer))
    query += _FILTERS.get(command.status, ()) if command.status is not None else ()
    specimen = {
        "invoices": [bare_specimen("{listed.id}", "finalized")["invoice"]],
        "meta": {"current_page": asked, "total_pages": asked},
    }
    answer = yield context.get("invoices", query=query, specimen=specimen)
    reader = Reader(object_of(answer), NAME)
    rows, meta = reader.data.get("invoices"), reader.child("meta")
    current, last = meta.integer("current_page"), meta.integer("total_pages")
    if not isinstance(rows, list) or current != asked or last is None:
        problem = f"the answer is not page {asked} of the invoices"
        raise MalformedResponse(problem, provider=NAME, status=answer.status, response=answer)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            items.append(invoice(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    following = None if asked >= last else command.model_copy(update={"cursor": str(asked + 1)})
    return Page(tuple(items), following)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def _changed(request: Request, invoice_id: str, context: Context, transition: Transition) -> Flow[Invoice]:
    """Send a change to an invoice, and return it as the answer has it."""

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
    return (yield from _changed(request, command.id, context, transition))


def collect(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect an open invoice, whole. Lago answers before the payment is made: it may be open still."""
    units = None if command.expect is None else command.expect.minor
    specimen = bare_specimen(command.id, "finalized")
    if command.expect is not None:
        specimen["invoice"] |= {"currency": command.expect.currency, "total_due_amount_cents": units}
    payable(command, (yield from read_invoice(command.id, context, specimen)), TRANSITIONS["pay"])
    return (yield from paid(command.id, command.payment_method, context, specimen))


def paid(invoice_id: str, payment_method: str | None, context: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    """Hand an invoice to the payment provider, and read it after: the answer is empty."""
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
    """Record that an open invoice was paid elsewhere."""
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
    return (yield from _changed(request, command.id, context, transition))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Withdraw an open invoice. One that is paid is refused here, whatever the version of Lago does with it."""
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
    return (yield from _changed(request, command.id, context, transition))


def update(command: Update, context: Context) -> Flow[Invoice]:
    """Change the metadata of an invoice that is not void; nothing else of one can be changed."""
    if command.metadata is None or command.description is not None or command.due_at is not None:
        raise Unsupported(
            "of an invoice Lago changes its metadata alone (and whether it is paid: see mark_paid)",
            source=UPDATE,
            remedy="leave description and due_at out",
        )
    check_metadata(command.metadata)
    existing = yield from read_invoice(command.id, context)
    check_state(existing, TRANSITIONS["update"], "cannot be changed")
    return (yield from with_metadata(existing, command.metadata, context, bare_specimen(command.id, "finalized")))


# ── metadata ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise Unsupported for a value that is empty: Lago refuses a key without one."""
    if empty := [name for name, value in metadata.items() if not (name and value)]:
        raise Unsupported(
            f"the metadata has nothing under {empty[0]!r}, and Lago takes no key without a value",
            source="getlago.com/docs/guide/invoicing/invoice-metadata",
            remedy="leave it out",
        )


def with_metadata(
    existing: Invoice, changes: Mapping[str, str], context: Context, specimen: Mapping[str, Any]
) -> Flow[Invoice]:
    """Write metadata, and send along what is there: Lago deletes the entries that a list leaves out.

    Raises Unsupported for too many entries, and Discrepancy where they are not there afterwards.
    """
    rows = [] if existing.raw is None else existing.raw.get("metadata") or []
    entries, left = [], dict(changes)
    for row in (Reader(row, NAME) for row in rows):
        name = row.text("key") or ""
        entries.append({"id": row.text("lago_id"), "key": name, "value": left.pop(name, row.text("value"))})
    entries += [{"key": name, "value": value} for name, value in left.items()]
    if len(entries) > METADATA_COUNT:
        raise Unsupported(
            f"{existing.id} would have {len(entries)} entries of metadata, and Lago takes {METADATA_COUNT}",
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
    written = yield from _changed(request, existing.id, context, TRANSITIONS["update"])
    if any(written.metadata.get(name) != value for name, value in changes.items()):
        raise Discrepancy(
            f"{existing.id} was to have the metadata {dict(changes)}, and has {dict(written.metadata)}",
            asked=dict(changes),
            found=dict(written.metadata),
            invoice=written,
        )
    return written


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def bare_specimen(invoice_id: str, status: str) -> dict[str, Any]:
    """The happy answer about an invoice, as far as a verb needs it."""
    stated = {"status": status, "payment_status": "pending", "invoice_type": "one_off", "currency": "EUR", "fees": []}
    return {"invoice": {"lago_id": invoice_id, **stated}}
