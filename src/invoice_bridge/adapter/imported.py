"""Compare what a provider holds of an import with the document, before it is finished and after.

Rules of this file: a missing amount never satisfies a comparison of money. The provider's own document decides
whether a reference or a number is this import's: any other one is left alone.
"""

from __future__ import annotations

from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import AmountMismatch, Discrepancy, IdempotencyMismatch
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money

__all__ = ["just_made", "same_document", "verify_import"]


def same_document(command: ImportInvoice, found: Invoice, total: Money | None = None) -> Invoice:
    """Check that an existing invoice is the document of this import; return it.

    `total` is the total that the provider must state, by default the document's. The currency, the total, the
    customer's id, the number and the reference are compared if both sides state them. A draft without lines has no
    total yet. Raises
    IdempotencyMismatch, with that invoice as `existing`.
    """
    asked = command.total if total is None else total
    customer = None if command.customer is None else command.customer.at(found.provider)
    theirs = None if found.customer is None else found.customer.at(found.provider)
    is_empty = found.status is Status.DRAFT and not found.lines
    other = None
    if found.currency != asked.currency:
        other = f"it is in {found.currency}, not in {asked.currency}"
    elif found.total not in {None, asked} and not is_empty:
        other = f"it totals {found.total}, not {asked}"
    elif None not in {customer, theirs} and customer != theirs:
        other = f"it bills {theirs}, not {customer}"
    elif None not in {command.number, found.number} and command.number != found.number:
        other = f"its number is {found.number}, not {command.number}"
    elif found.reference not in {None, command.reference}:
        other = f"its reference is {found.reference!r}"
    if other:
        raise IdempotencyMismatch(
            f"number-taken: the invoice {found.id} is there already, {found.status}, and is not the import of "
            f"{command.reference!r}: {other}; nothing was done to it: give another number or reference",
            existing=found,
        )
    return found


def just_made(command: ImportInvoice, found: Invoice) -> Invoice:
    """Check that the answer to an import names its customer and its number, if it names any. Raises Discrepancy.

    There is a document of this import now: another number would make a second one.
    """
    customer = None if command.customer is None else command.customer.at(found.provider)
    theirs = None if found.customer is None else found.customer.at(found.provider)
    for what, asked, stated in (("customer", customer, theirs), ("number", command.number, found.number)):
        if None not in {asked, stated} and asked != stated:
            raise Discrepancy(
                f"imported with the {what} {asked}, the invoice {found.id} states {stated}: look at it there",
                asked=asked,
                found=stated,
                invoice=found,
            )
    return found


def verify_import(
    command: ImportInvoice, found: Invoice, total: Money | None = None, *, is_finished: bool = True
) -> Invoice:
    """Compare the total and the amounts paid and remaining with the document's; return the invoice.

    The amounts paid and remaining are compared once the invoice has the document's status and `is_finished`: before,
    they change with each request. Raises AmountMismatch or Discrepancy; a total that the provider does not state
    counts as another one.
    """
    asked = command.total if total is None else total
    if found.currency != asked.currency:
        raise Discrepancy(
            f"imported in {asked.currency}, the invoice {found.id} is in {found.currency}",
            asked=asked.currency,
            found=found.currency,
            invoice=found,
        )
    compared: list[tuple[str, Money | None, Money | None, bool]] = [("total", asked, found.total, True)]
    if is_finished and found.status is command.status and found.status is not Status.DRAFT:
        left = command.open_amount if command.status is Status.OPEN else None
        paid = command.paid if command.status is not Status.VOID else None
        compared += [("amount paid", paid, found.amount_paid, False)]
        compared += [("amount left to pay", left, found.amount_remaining, True)]
    for what, wanted, stated, is_needed in compared:
        if wanted is None or stated == wanted or (stated is None and not is_needed):
            continue
        raise AmountMismatch(
            f"the document's {what} is {wanted}, and the imported invoice {found.id} states "
            f"{'none' if stated is None else stated}; it is {found.status}",
            asked=wanted,
            found=stated,
            invoice=found,
        )
    return found
