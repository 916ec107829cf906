"""Deleting what an import made: its offline payments first, then its adjustment credit notes, then the invoice.

Rules of this file: a payment is deleted, never removed from its invoice: one that is removed becomes an excess payment
of the customer, which the site applies to the next bill. The page about deleting asks for the removal: where the site
insists, the first request is refused, and nothing has changed. A credit note that was refunded cannot be deleted. Once
the invoice is unpaid it is deleted by the very next request, since a demand is worse the longer it is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import invalid_state
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.transitions import transition
from invoice_bridge.core.commands import Delete
from invoice_bridge.core.errors import Discrepancy, InvalidState, NotFound, Rejected
from invoice_bridge.core.model import CreditNote, Invoice, Payment, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow, Request
from invoice_bridge.providers.chargebee.imports import quiet
from invoice_bridge.providers.chargebee.verbs import bare_specimen, read_invoice, send_delete, whole_invoice
from invoice_bridge.providers.chargebee.verbs import delete as delete_pending

__all__ = ["DELETED_IMPORTS", "delete"]

DELETED_IMPORTS = frozenset({Status.OPEN, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE})
_SOURCE = (
    "apidocs.chargebee.com, delete an invoice, delete a credit note; chargebee 3.29.0, "
    "Transaction.delete_offline_transaction"
)
_DELETES = transition(*DELETED_IMPORTS, becomes=[Status.DELETED], effects=[Effect.VOIDS], source=_SOURCE)
_IMPORTED = re.compile(r"^Imported from \S+ \S", re.MULTILINE)
_INERT = "not_paid"
"""The one word for an open invoice that Chargebee does not collect by itself."""
_UNPAID = frozenset({_INERT, "payment_due"})
"""What becomes of a paid invoice that is past its due date and loses its payment: payment_due where the customer's
auto_collection is off, and dunning does not resume (apidocs.chargebee.com, remove payment from an invoice)."""
_DELETED_NOTES = frozenset({"adjustment", "write_off"})
"""A credit note that was refunded cannot be deleted (apidocs.chargebee.com, delete a credit note)."""


def delete(command: Delete, context: Context) -> Flow[Invoice]:
    """Delete a draft, or with `imported` what an import made."""
    if not command.imported:
        return (yield from delete_pending(command, context))
    answer = yield context.get("invoices", command.id, specimen=_specimen(command.id), invoice_id=command.id)
    found = yield from whole_invoice(object_of(answer), context)
    if found.status is Status.DRAFT:
        return (yield from delete_pending(command, context))
    _check(found)
    for place, payment in enumerate(found.payments):
        yield from _delete_payment(found, payment, place, context)
    for place, note in enumerate(found.credit_notes):
        yield from _delete_note(found, note, place, context)
    if found.payments or found.credit_notes:
        rest = yield from read_invoice(command.id, context, _INERT)
        if rest.payments or rest.credit_notes or rest.native_status not in _UNPAID:
            raise Discrepancy(
                f"the payments and credit notes of {found.id} were deleted, and it is {rest.native_status} with "
                f"{len(rest.payments)} payments and {len(rest.credit_notes)} credit notes: it was not deleted, and "
                "Chargebee may collect it; look at it there",
                asked=_INERT, found=rest.native_status or "", invoice=rest,
            )  # fmt: skip
    return (yield from send_delete(command.id, context, found, _DELETES, before=quiet))


def _specimen(invoice_id: str) -> dict[str, Any]:
    """Return a paid import with one payment, for `explain`."""
    whole = bare_specimen(invoice_id, "paid", Money.zero("EUR"))["invoice"]
    payment = {"txn_id": "{payment.id}", "txn_status": "success", "applied_amount": 1, "txn_amount": 1}
    more = {"total": 1, "amount_paid": 1, "notes": [{"note": "Imported from stripe in_1"}]}
    lists: dict[str, Any] = {"linked_payments": [payment], "adjustment_credit_notes": [], "issued_credit_notes": []}
    return {"invoice": {**whole, **more, **lists}}


def _check(found: Invoice) -> None:
    """Check that an invoice is an import that can be deleted whole. Raises InvalidState before anything is sent."""
    why = ""
    if found.status not in DELETED_IMPORTS:
        why = f"it is {found.status}"
    elif not _IMPORTED.search(found.description or ""):
        why = "its note does not say that it was imported"
    elif any(note.kind not in _DELETED_NOTES for note in found.credit_notes) or found.amount_refunded:
        why = "it has a credit note that was refunded or is the customer's to spend, which cannot be taken back"
    elif not found.credit_notes_complete:
        why = "its credit notes are not known whole"
    elif found.payments and not found.payments_complete:
        why = "its payments are not known whole"
    elif any(payment.state != "succeeded" for payment in found.payments):
        why = "one of its payments is under way, or failed"
    elif found.status is Status.OPEN and found.native_status not in _UNPAID:
        why = f"it is {found.native_status}, which Chargebee collects by itself"
    if why:
        raise invalid_state(found, "cannot be taken back", why)


def _delete_payment(found: Invoice, payment: Payment, place: int, context: Context) -> Flow[None]:
    """Delete one offline payment; one that is not there any more was deleted by an earlier try."""
    specimen: Mapping[str, object] = {"transaction": {"id": payment.id, "status": "success"}}
    request = context.post(
        "transactions",
        payment.id or "",
        "delete_offline_transaction",
        step=f"take-back-{place}",
        effects=[Effect.RECORDS],
        specimen=specimen,
        invoice_id=found.id,
    )
    yield from _taken_back(
        found,
        request,
        "a payment that was collected is refunded instead; one that must be removed from the invoice first is removed "
        "and deleted at Chargebee by hand, and then the invoice",
    )


def _delete_note(found: Invoice, note: CreditNote, place: int, context: Context) -> Flow[None]:
    """Delete an adjustment credit note, that of a write-off too; one that is not there any more was deleted before."""
    request = context.post(
        "credit_notes",
        note.id or "",
        "delete",
        step=f"take-back-note-{place}",
        effects=[Effect.RECORDS],
        specimen={"credit_note": {"id": note.id, "deleted": True}},
        invoice_id=found.id,
    )
    yield from _taken_back(found, request, "delete the credit note at Chargebee by hand, and then the invoice")


def _taken_back(found: Invoice, request: Request, remedy: str) -> Flow[None]:
    """Send a deletion; what is not there any more was deleted by an earlier try."""
    try:
        yield quiet(request)
    except NotFound:
        return
    except Rejected as refusal:
        error = InvalidState(
            f"{found.id} cannot be taken back: {refusal.message}; {remedy}",
            provider=refusal.provider, code=refusal.code, status=refusal.status, response=refusal.response,
        )  # fmt: skip
        error.invoice = found
        raise error from refusal
