"""Deleting what an import made: its offline payments first, then the invoice.

Rules of this file: a payment is deleted, never removed from its invoice: a payment that is removed can stay with the
customer as an excess payment, which the site applies to the next bill (not confirmed, so not done). Nothing is deleted
of an invoice that has credit notes, that was written off, or that could be collected in between.
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
from invoice_bridge.core.model import Invoice, Payment, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow
from invoice_bridge.providers.chargebee.imports import quiet
from invoice_bridge.providers.chargebee.verbs import bare_specimen, read_invoice, send_delete, whole_invoice
from invoice_bridge.providers.chargebee.verbs import delete as delete_pending

__all__ = ["DELETED_IMPORTS", "delete"]

DELETED_IMPORTS = frozenset({Status.OPEN, Status.PAID, Status.VOID})
_SOURCE = "apidocs.chargebee.com, delete an invoice; chargebee 3.29.0, Transaction.delete_offline_transaction"
_DELETES = transition(*DELETED_IMPORTS, becomes=[Status.DELETED], effects=[Effect.VOIDS], source=_SOURCE)
_IMPORTED = re.compile(r"^Imported from \S+ \S", re.MULTILINE)
_INERT = "not_paid"
"""The one word for an open invoice that Chargebee does not collect by itself."""


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
    if found.payments:
        rest = yield from read_invoice(command.id, context, _INERT)
        if rest.payments or rest.native_status != _INERT:
            raise Discrepancy(
                f"the payments of {found.id} were deleted, and it is {rest.native_status} with {len(rest.payments)} "
                "payments: it was not deleted, and Chargebee may collect it; look at it there",
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
    elif found.credit_notes or found.amount_credited or found.amount_refunded:
        why = "it has credit notes, which cannot be taken back"
    elif found.payments and not found.payments_complete:
        why = "its payments are not known whole"
    elif any(payment.state != "succeeded" for payment in found.payments):
        why = "one of its payments is under way, or failed"
    elif found.status is Status.OPEN and found.native_status != _INERT:
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
    try:
        yield quiet(request)
    except NotFound:
        return
    except Rejected as refusal:
        error = InvalidState(
            f"{found.id} cannot be taken back: {refusal.message}; a payment that was collected is refunded instead",
            provider=refusal.provider, code=refusal.code, status=refusal.status, response=refusal.response,
        )  # fmt: skip
        error.invoice = found
        raise error from refusal
