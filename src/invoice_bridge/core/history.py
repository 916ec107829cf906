"""What an import states of an invoice that was read: everything or nothing.

Rules of this file: pure. A document of which not everything is known is refused with the reason first, a word that
stays the same; it is never imported by halves. What a source leaves unsaid is derived only where the arithmetic is
exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.model import CreditNote, CustomerRef, Discount, Invoice, Payment, Status, TaxLine
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import sum_of

__all__ = ["facts_of"]

_READ_WHOLE = "read it whole: client.retrieve(id), or list(full=True)"


def facts_of(invoice: Invoice, customer: CustomerRef | str | None, known: Money | None = None) -> dict[str, Any]:
    """Return the fields of an import, but for its reference, number and source; `known` is its total if it states none.

    Raises Unsupported.
    """
    if known is not None and invoice.total not in {None, known}:
        raise _refuse("source-incomplete", invoice, f"totals {invoice.total}, not {known}", "leave total out")
    if known is not None:
        invoice = invoice.model_copy(update={"total": known})
    _check_known(invoice)
    total = invoice.total
    assert total is not None  # noqa: S101 - checked above
    notes = _credit_notes(invoice)
    facts = {
        "customer": _customer(invoice, customer),
        "status": invoice.status,
        "total": total,
        "lines": invoice.lines,
        "discounts": _discounts(invoice),
        "taxes": _taxes(invoice),
        "adjustments": invoice.adjustments,
        "payments": _payments(invoice, notes),
        "credit_notes": notes,
        "issued_at": invoice.issued_at or invoice.created_at,
        "due_at": invoice.due_at,
        "period": invoice.period,
        "description": invoice.description,
        # what Chargebee keeps in po_number is read as both: then it is the reference
        "purchase_order": None if invoice.purchase_order == invoice.reference else invoice.purchase_order,
        "footer": invoice.footer,
        "custom_fields": invoice.custom_fields,
        "metadata": invoice.metadata,
    }
    ends = {Status.PAID: "paid_at", Status.VOID: "voided_at", Status.UNCOLLECTIBLE: "uncollectible_at"}
    if (name := ends.get(invoice.status)) is not None:
        facts[name] = getattr(invoice, name)
    return facts


def _refuse(word: str, invoice: Invoice, problem: str, remedy: str = "") -> Unsupported:
    return Unsupported(f"{word}: the invoice {invoice.id} of {invoice.provider} {problem}", remedy=remedy)


def _check_known(invoice: Invoice) -> None:
    if invoice.status in {Status.DELETED, Status.UNKNOWN}:
        raise _refuse("source-incomplete", invoice, f"is {invoice.status}", "leave it out")
    if unread := [str(problem) for problem in invoice.problems if problem.money]:
        raise _refuse("source-incomplete", invoice, f"cannot be read whole: {'; '.join(unread)}", _READ_WHOLE)
    if not invoice.lines_complete:
        raise _refuse("source-incomplete", invoice, "lacks lines", _READ_WHOLE)
    if invoice.total is None:
        raise _refuse("source-total-unknown", invoice, "does not state its total", "pass total=…, if you know it")
    if invoice.total.minor < 0:
        raise _refuse("negative", invoice, f"totals {invoice.total}, which is a credit", "credit it at the target")
    if invoice.issued_at is None and invoice.created_at is None:
        raise _refuse("source-incomplete", invoice, "has no date", "state issued_at in an ImportInvoice of your own")
    if invoice.payment_pending:
        raise _refuse("payment-pending", invoice, "has a payment on its way", "import it once that has ended")
    if (rest := _unbalanced(invoice)) is not None:
        raise _refuse(
            "source-incomplete", invoice, f"has parts that miss its total by {rest}", "state the parts in an import"
        )


def _unbalanced(invoice: Invoice) -> Money | None:
    """Return the total less the parts as an import states them, None if they agree or no line is known."""
    subtotal = sum_of(line.amount for line in invoice.lines)
    if subtotal is None or invoice.total is None:
        return None
    rest = invoice.total - subtotal
    for discount in _discounts(invoice):
        rest += discount.amount or Money.zero(rest.currency)
    for adjustment in invoice.adjustments:
        rest -= adjustment.amount
    for tax in _taxes(invoice) or (tax for line in invoice.lines for tax in line.taxes):
        if not tax.inclusive:
            rest -= tax.amount
    return rest or None


def _customer(invoice: Invoice, customer: CustomerRef | str | None) -> CustomerRef | None:
    """Return the customer at the target, with what the document says of the customer."""
    of_document = invoice.customer
    if customer is None:
        return of_document
    target = CustomerRef(id=customer) if isinstance(customer, str) else customer
    if of_document is None:
        return target
    stated = {name: getattr(of_document, name) for name in ("email", "name", "address", "tax_ids")}
    return target.model_copy(update={name: value for name, value in stated.items() if value})


def _discounts(invoice: Invoice) -> tuple[Discount, ...]:
    """Return the discounts with their amounts; one over all where only their sum is stated."""
    stated = [discount for discount in invoice.discounts if discount.amount is None or discount.amount]
    known = sum_of(discount.amount for discount in stated if discount.amount)
    whole = invoice.discount or sum_of(line.discount for line in invoice.lines if line.discount)
    if all(discount.amount is not None for discount in stated) and (whole is None or known == whole):
        return tuple(stated)
    if not whole:
        return ()
    names = dict.fromkeys(name for discount in stated if (name := discount.name or discount.code))
    return (Discount(name=", ".join(names) or None, amount=whole),)


def _taxes(invoice: Invoice) -> tuple[TaxLine, ...]:
    """Return the taxes of the document, else its sum as one; whether that is on top shows in the arithmetic."""
    if invoice.taxes or not invoice.tax or any(line.taxes for line in invoice.lines):
        return invoice.taxes
    subtotal = sum_of(line.amount for line in invoice.lines)
    within = subtotal is not None and invoice.unbalanced() is None and invoice.total == _less(subtotal, invoice)
    return (TaxLine(name="Tax", amount=invoice.tax, inclusive=within),)


def _less(subtotal: Money, invoice: Invoice) -> Money:
    """Return the lines less discounts, with adjustments: the total where no tax comes on top."""
    amount = subtotal
    for discount in _discounts(invoice):
        amount -= discount.amount or Money.zero(amount.currency)
    for adjustment in invoice.adjustments:
        amount += adjustment.amount
    return amount


def _credit_notes(invoice: Invoice) -> tuple[CreditNote, ...]:
    """Return the credit notes, and what was given back without one. That of a write-off is the write-off itself."""
    notes = tuple(note for note in invoice.credit_notes if note.kind != "write_off")
    if wrong := next((note for note in notes if note.kind == "unknown" or note.amount is None), None):
        raise _refuse("source-incomplete", invoice, f"has a credit note {wrong.id} of which not all is stated")
    if not invoice.credit_notes_complete and _is_credited(invoice, notes):
        raise _refuse("source-incomplete", invoice, "has credit notes that were not read", _READ_WHOLE)
    refunded = [payment.refunded for payment in invoice.payments if payment.refunded]
    given_back = invoice.amount_refunded or sum_of(refunded)
    noted = sum_of(note.amount for note in notes if note.kind == "refund" and note.amount)
    if given_back is None or (noted is not None and noted >= given_back):
        return notes
    rest = given_back if noted is None else given_back - noted
    return (*notes, CreditNote(amount=rest, kind="refund")) if rest else notes


def _is_credited(invoice: Invoice, notes: tuple[CreditNote, ...]) -> bool:
    """Return whether credit notes may be missing: the credited amount differs from zero and from their sum."""
    if invoice.amount_credited is not None:
        return invoice.amount_credited != (sum_of(note.amount for note in notes if note.amount) or _zero(invoice))
    if invoice.status in {Status.DRAFT, Status.VOID}:
        return False
    paid = invoice.amount_paid
    if paid is None or invoice.total is None:  # a provider that states neither keeps no credit notes
        return bool(notes) or (invoice.status is Status.OPEN and invoice.amount_remaining not in {None, invoice.total})
    remaining = invoice.amount_remaining if invoice.status is Status.OPEN else _zero(invoice)
    return remaining is None or invoice.total - paid != remaining


def _zero(invoice: Invoice) -> Money:
    assert invoice.currency is not None  # noqa: S101 - an invoice with a total has one
    return Money.zero(invoice.currency)


def _payments(invoice: Invoice, notes: tuple[CreditNote, ...]) -> tuple[Payment, ...]:
    """Return the payments that succeeded, and what the customer's balance paid, as a payment."""
    if invoice.status in {Status.DRAFT, Status.VOID}:
        return ()
    if any(payment.state in {"pending", "unknown"} for payment in invoice.payments):
        raise _refuse("payment-pending", invoice, "has a payment of which nobody can say how it ended")
    payments = tuple(payment for payment in invoice.payments if payment.state == "succeeded")
    listed = sum_of(payment.amount for payment in payments if payment.amount) or _zero(invoice)
    paid = invoice.amount_paid
    if paid is None:
        paid = listed if payments and invoice.payments_complete else _paid_by_status(invoice)
    if paid is None or paid < listed:
        raise _refuse("source-incomplete", invoice, "does not state what was paid", _READ_WHOLE)
    if paid != listed:
        if payments:
            raise _refuse("source-incomplete", invoice, f"states payments of {listed} of {paid}", _READ_WHOLE)
        payments = (Payment(amount=paid, at=invoice.paid_at, state="succeeded"),)
    return (*payments, *_from_balance(invoice, paid, notes))


def _paid_by_status(invoice: Invoice) -> Money | None:
    """What was paid where no figure is stated: nothing of what all remains, everything of what is paid."""
    if invoice.status is Status.OPEN and invoice.amount_remaining in {None, invoice.total}:
        return _zero(invoice) if not invoice.payments else None
    if invoice.status is Status.PAID and not invoice.payments and not invoice.credit_notes:
        return invoice.total
    return None


def _from_balance(invoice: Invoice, paid: Money, notes: tuple[CreditNote, ...]) -> Iterator[Payment]:
    """Return the unpaid, uncredited part of a paid invoice that moved to a balance by its amount due."""
    if invoice.status is not Status.PAID or invoice.total is None:
        return
    credited = sum_of(note.amount for note in notes if note.kind == "adjustment" and note.amount) or _zero(invoice)
    rest = invoice.total - paid - credited
    if not rest:
        return
    if rest.minor < 0 or invoice.amount_due is None or invoice.amount_due > paid:
        raise _refuse("source-incomplete", invoice, f"is paid, and {rest} of it is in no payment", "import it by hand")
    yield Payment(amount=rest, at=invoice.paid_at, state="succeeded", method="balance", recorded_outside=True)
