"""The neutral invoice: one meaning per field, independent of the provider's words.

Rules of this file: every value is frozen; money is exact; instants are aware and in UTC; None means "the provider does
not say", or says it so that it cannot be read (`Invoice.problems`), never zero. The JSON form is stable: money
`{"minor": 2500, "currency": "EUR"}`, instants RFC 3339 in UTC, statuses in lower case, decimals as strings, what is
absent as null, `raw` as the text of the provider's own JSON.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from invoice_bridge.core.losses import Loss
from invoice_bridge.core.money import Currency, Money
from invoice_bridge.core.parts import (
    Address,
    Adjustment,
    Collection,
    CreditNote,
    CustomerRef,
    Discount,
    Line,
    Payment,
    Period,
    Problem,
    Status,
    TaxId,
)
from invoice_bridge.core.taxes import TaxLine, TaxRate
from invoice_bridge.core.values import (
    Amount,
    Frozen,
    FrozenDict,
    Instant,
    Quantity,
    Raw,
    Text,
    Words,
    in_utc,
)

__all__ = [
    "AMOUNTS",
    "PAST_DUE_WORDS",
    "Address",
    "Adjustment",
    "Amount",
    "Collection",
    "CreditNote",
    "CustomerRef",
    "Discount",
    "Frozen",
    "FrozenDict",
    "Instant",
    "Invoice",
    "Line",
    "Payment",
    "Period",
    "Problem",
    "Quantity",
    "Raw",
    "Status",
    "TaxId",
    "TaxLine",
    "TaxRate",
    "Text",
    "Words",
    "in_utc",
]


# ── the invoice ──────────────────────────────────────────────────────────────────────────────────────────────────────
class Invoice(Frozen):
    """An invoice as its provider states it, in neutral words.

    Amounts, in the order of the arithmetic: `subtotal` (the sum of the lines, before discounts), `discount`, `tax`,
    `total`; `amount_due` is the total less credits, fixed at issue; `amount_remaining` is what can still be collected,
    zero when paid, void or written off. None means that the provider does not state it, and that it cannot be derived
    exactly. `currency` is None if the provider states none (of a deleted invoice Stripe states only the id), or one
    that ISO 4217 does not have; then no amount is read.

    The lists: `taxes` of the whole invoice, `discounts`, `adjustments` (any other change of the total), `payments`
    and attempts at them, `credit_notes` against it. `payments_complete` and `credit_notes_complete` state that those
    lists are complete: a client's retrieve and its full listing read them if the provider lists them separately.
    `subscription` is the billed one, if there is exactly one. `custom_fields` are those on the document, by heading.
    `attempts` counts the provider's tries to collect, `next_attempt_at` is when it will try
    again.

    `purchase_order` is the customer's own number on the document. `problems` lists the values that could not be read,
    so that their None is not mistaken for absence; a line whose amount could not be read is left out, and
    `lines_complete`
    is False. `losses` are those of the bill that created it; `discrepancies` states in words its differences from
    that bill, if create was asked to report them instead of raising.
    """

    provider: Text
    id: Text
    number: Text | None = None
    status: Status
    native_status: Text | None = None
    currency: Currency | None

    subtotal: Amount | None = None
    discount: Amount | None = None
    tax: Amount | None = None
    total: Amount | None = None
    amount_due: Amount | None = None
    amount_paid: Amount | None = None
    amount_credited: Amount | None = None
    amount_refunded: Amount | None = None
    amount_remaining: Amount | None = None

    lines: tuple[Line, ...] = ()
    lines_complete: bool = True
    customer: CustomerRef | None = None
    period: Period | None = None
    description: Text | None = None
    reference: Text | None = None
    purchase_order: Text | None = None
    metadata: Words = Field(default_factory=FrozenDict)
    subscription: Text | None = None
    custom_fields: Words = Field(default_factory=FrozenDict)
    footer: Text | None = None

    taxes: tuple[TaxLine, ...] = ()
    discounts: tuple[Discount, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    payments: tuple[Payment, ...] = ()
    payments_complete: bool = False
    credit_notes: tuple[CreditNote, ...] = ()
    credit_notes_complete: bool = False

    created_at: Instant | None = None
    issued_at: Instant | None = None
    due_at: Instant | None = None
    paid_at: Instant | None = None
    voided_at: Instant | None = None
    uncollectible_at: Instant | None = None
    updated_at: Instant | None = None
    attempts: int | None = None
    next_attempt_at: Instant | None = None

    collection: Collection | None = None
    payment_method: Text | None = None
    payment_pending: bool | None = None
    hosted_url: Text | None = Field(default=None, repr=False)
    pdf_url: Text | None = Field(default=None, repr=False)
    test_mode: bool | None = None
    losses: tuple[Loss, ...] = ()
    discrepancies: tuple[Text, ...] = ()
    problems: tuple[Problem, ...] = ()
    raw: Raw = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        amounts = [getattr(self, name) for name in AMOUNTS]
        amounts += [amount for line in self.lines for amount in (line.amount, line.unit_amount, line.discount)]
        taxes = (*self.taxes, *(tax for line in self.lines for tax in line.taxes))
        amounts += [amount for tax in taxes for amount in (tax.amount, tax.base)]
        amounts += [discount.amount for discount in self.discounts]
        amounts += [adjustment.amount for adjustment in self.adjustments]
        amounts += [note.amount for note in self.credit_notes]
        amounts += [amount for payment in self.payments for amount in (payment.amount, payment.refunded)]
        if any(amount is not None and amount.currency != self.currency for amount in amounts):
            raise ValueError(
                f"every amount of this invoice must be in {self.currency}"
                if self.currency
                else "an invoice without a currency has no amounts"
            )
        return self

    def is_past_due(self, as_of: datetime) -> bool:
        """Return whether it is open and due before `as_of` (aware). Without a due date the provider's word decides."""
        now = in_utc(as_of)
        if self.status is not Status.OPEN:
            return False
        return self.due_at < now if self.due_at is not None else self.native_status in PAST_DUE_WORDS

    def unbalanced(self) -> Money | None:
        """Return the total less (subtotal − discount + tax on top + adjustments); None if they agree.

        An unstated part counts as zero, so that the rest shows. None too if the subtotal or the total is not stated.
        Tax is on top, except for tax lines that are `inclusive`; without tax lines, all of `tax` or none of it is.
        """
        if self.subtotal is None or self.total is None:
            return None
        before_tax = self.subtotal
        if self.discount is not None:
            before_tax -= self.discount
        for adjustment in self.adjustments:
            before_tax += adjustment.amount
        rest = self.total - before_tax
        if self.taxes:
            on_top = sum(tax.amount.minor for tax in self.taxes if tax.inclusive is not True)
            rest -= Money(on_top, rest.currency)
        elif self.tax is not None and rest.minor:
            rest -= self.tax
        return rest if rest.minor else None

    def unmapped(self) -> tuple[str, ...]:
        """List the fields of `raw` that no neutral field carries, by shape: "lines.data[].discountable"."""
        from invoice_bridge.decode import unmapped

        return unmapped(self)


AMOUNTS = (
    "subtotal",
    "discount",
    "tax",
    "total",
    "amount_due",
    "amount_paid",
    "amount_credited",
    "amount_refunded",
    "amount_remaining",
)
"""The names of an invoice's amounts, in the order of the arithmetic."""

PAST_DUE_WORDS = frozenset({"overdue", "not_paid", "past_due"})
"""Native statuses that mean "past due"."""
