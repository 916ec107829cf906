"""The import of history: an invoice that another provider or account made, stated with how it ended.

Rules of this file: those of commands.py. An import is a record and no demand: nothing in it asks for a charge, and
what is paid, void or uncollectible is mailed to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from invoice_bridge.core.bills import Attempt, Id, NewInvoice
from invoice_bridge.core.history import facts_of
from invoice_bridge.core.model import (
    Adjustment,
    Amount,
    CreditNote,
    CustomerRef,
    Discount,
    FrozenDict,
    Instant,
    Invoice,
    Line,
    Payment,
    Period,
    Status,
    TaxLine,
    Text,
    Words,
)
from invoice_bridge.core.money import Money
from invoice_bridge.core.totals import sum_of, tax_on_top

__all__ = ["IMPORT_LEAVES", "NO_LINES", "ImportInvoice", "Source"]

NO_LINES = "Total as issued"
"""The text of the one line of a document whose lines are not known."""
_STATUSES = (Status.DRAFT, Status.OPEN, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)
_HISTORY = frozenset({Status.PAID, Status.VOID, Status.UNCOLLECTIBLE})
_DATES = {"paid_at": Status.PAID, "voided_at": Status.VOID, "uncollectible_at": Status.UNCOLLECTIBLE}
"""The date → the only status in which a document has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document comes from: its provider, the account there as that client's settings name it, and its id.

    `account` is the site of Chargebee, the account of Stripe or Whop; empty where the settings name none. If a
    book has the document there, its reference moves to the import.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # pydantic 2.10 does not take the model's

    provider: str
    account: str
    id: str

    def __post_init__(self) -> None:
        for name in ("provider", "account", "id"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.isprintable() or (name != "account" and not value):
                raise ValueError(f"the {name} of a source is a printable text, not {value!r}")

    @property
    def account_name(self) -> str:
        """Return the account as a journal names it: "stripe:acct_1"."""
        return f"{self.provider}:{self.account}"


class ImportInvoice(NewInvoice):
    """An invoice of the past, made again at another provider as it ended: no charge, and no mail for what is settled.

    `total` is the document's, and its parts must add up to it: lines − discounts + tax on top + adjustments.
    `discounts` are those of the whole document; the `discount` of a line is its share of them, as an invoice states it.
    `payments` are those that succeeded. `credit_notes`: those of the kind "adjustment" lowered the amount to pay,
    "refund" returned money, "credit" became the customer's credit.

    `number` is the document's, `issued_at` its date. `source` is where it comes from: without it, a book refuses a
    reference that it has at another account. `subscription` is that of the target. `armed=False` leaves an open invoice
    in a state in which nobody can pay it yet, until the same command with armed=True finishes it; `mail=True` has an
    open one mailed. See ImportInvoice.of, which makes it from an invoice that was read.
    """

    verb: ClassVar[str] = "import_invoice"
    noun: ClassVar[str] = "import"

    status: Status
    total: Amount
    number: Text | None = None
    issued_at: Instant
    due_at: Instant | None = None
    paid_at: Instant | None = None
    voided_at: Instant | None = None
    uncollectible_at: Instant | None = None
    period: Period | None = None
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    payments: tuple[Payment, ...] = ()
    credit_notes: tuple[CreditNote, ...] = ()
    description: Text | None = None
    purchase_order: Text | None = None
    footer: Text | None = None
    custom_fields: Words = Field(default_factory=FrozenDict)
    metadata: Words = Field(default_factory=FrozenDict)
    subscription: Id | None = None
    source: Source | None = None
    armed: bool = True
    mail: bool = False
    attempt: Attempt = 1

    if TYPE_CHECKING:  # what may be written, where that is wider than what is read back

        def __init__(
            self,
            *,
            reference: str,
            status: Status,
            total: Money,
            issued_at: datetime,
            customer: CustomerRef | str | None = None,
            lines: Iterable[Line] = (),
            number: str | None = None,
            due_at: datetime | None = None,
            paid_at: datetime | None = None,
            voided_at: datetime | None = None,
            uncollectible_at: datetime | None = None,
            period: Period | None = None,
            discounts: Iterable[Discount] = (),
            taxes: Iterable[TaxLine] = (),
            adjustments: Iterable[Adjustment] = (),
            payments: Iterable[Payment] = (),
            credit_notes: Iterable[CreditNote] = (),
            description: str | None = None,
            purchase_order: str | None = None,
            footer: str | None = None,
            custom_fields: Mapping[str, str] = ...,
            metadata: Mapping[str, str] = ...,
            subscription: str | None = None,
            source: Source | None = None,
            armed: bool = True,
            mail: bool = False,
            attempt: int = 1,
        ) -> None: ...

    @classmethod
    def of(
        cls,
        invoice: Invoice,
        *,
        customer: CustomerRef | str | None = None,
        number: str | None = None,
        source: Source | None = None,
        reference: str | None = None,
        total: Money | None = None,
    ) -> Self:
        """Make the import of an invoice that was read whole: see Client.retrieve.

        `customer` is the customer at the target, by default the invoice's own; name, address and tax ids stay those of
        the document. `reference` is by default the invoice's, else its id; `number` its number. `total` is for a
        source that states none (Whop before a payment). Raises Unsupported, with the reason first
        ("source-incomplete: …"), for an invoice that is not fully known, and for one that demands no money.
        """
        facts = facts_of(invoice, customer, total)
        return cls(
            reference=reference or invoice.reference or invoice.id,
            number=number or invoice.number,
            source=source,
            **facts,
        )

    @model_validator(mode="after")
    def _is_history(self) -> Self:
        if self.status not in _STATUSES:
            raise ValueError(f"an invoice that is {self.status} is no document that could be imported")
        if self.total.minor < 0:
            raise ValueError(f"a document of {self.total} is a credit note, not an invoice: credit it at the target")
        for name, status in _DATES.items():
            if getattr(self, name) is not None and self.status is not status:
                raise ValueError(f"{name} belongs to an invoice that is {status}, not to one that is {self.status}")
        if self.status is not Status.OPEN and (self.mail or not self.armed):
            raise ValueError("armed=False and mail=True belong to an open invoice: anything else is never demanded")
        if self.mail and not self.armed:
            raise ValueError("an invoice that is not armed is mailed to nobody: leave mail out until it is armed")
        self._check_money()
        self._check_settled()
        return self

    def _check_money(self) -> None:
        one = self.total.currency
        if any(amount.currency != one for amount in self._amounts()):
            raise ValueError(f"every amount of this document must be in {one}")
        if any(discount.amount is None for discount in self.discounts):
            raise ValueError("state what each discount takes off")
        of_lines = sum_of(tax.amount for line in self.lines for tax in line.taxes)
        if self.taxes and of_lines is not None and sum_of(tax.amount for tax in self.taxes) != of_lines:
            raise ValueError(f"the taxes of the lines come to {of_lines}, those of the document to another sum")
        if (parts := self._parts()) is not None and parts != self.total:
            raise ValueError(
                f"the parts come to {parts}, not to the total, {self.total}: lines − discounts + tax on top + "
                "adjustments"
            )

    def _amounts(self) -> Iterable[Money]:
        for line in self.lines:
            yield from (amount for amount in (line.amount, line.unit_amount, line.discount) if amount is not None)
        taxes = (*self.taxes, *(tax for line in self.lines for tax in line.taxes))
        yield from (amount for tax in taxes for amount in (tax.amount, tax.base) if amount is not None)
        parts: list[Any] = [*self.discounts, *self.adjustments, *self.payments, *self.credit_notes]
        yield from (part.amount for part in parts if part.amount is not None)
        yield from (payment.refunded for payment in self.payments if payment.refunded is not None)

    def _parts(self) -> Money | None:
        subtotal = sum_of(line.amount for line in self.lines)
        return None if subtotal is None else subtotal + self._beside_lines

    @property
    def _beside_lines(self) -> Money:
        """Return what discounts, tax on top and adjustments add to the lines."""
        beside = tax_on_top(self.tax_lines, self.currency)
        for adjustment in self.adjustments:
            beside += adjustment.amount
        for discount in self.discounts:
            beside -= discount.amount or Money.zero(self.currency)
        return beside

    def _check_settled(self) -> None:
        if any(payment.state != "succeeded" or payment.amount is None for payment in self.payments):
            raise ValueError(
                'payments are those that succeeded, each with its amount: write state="succeeded", or leave it out'
            )
        if any(note.amount is None or note.amount.minor <= 0 for note in self.credit_notes):
            raise ValueError("each credit note has an amount above zero")
        if wrong := sorted({note.kind for note in self.credit_notes} - {"adjustment", "refund", "credit"}):
            raise ValueError(f"a credit note is an adjustment, a refund or a credit, not {wrong[0]}")
        if self.status in {Status.DRAFT, Status.VOID} and (self.payments or self.credit_notes):
            raise ValueError(f"an invoice that is {self.status} has neither payments nor credit notes")
        left = self.open_amount
        if left.minor < 0 or self.given_back > self.paid:
            raise ValueError(
                f"{self.paid} was paid, {self.credited} credited and {self.given_back} given back of {self.total}: "
                "more than there was"
            )
        if self.status is Status.PAID and left:
            raise ValueError(f"an invoice that is paid has nothing left to pay, and this one has {left}")
        if self.status in {Status.OPEN, Status.UNCOLLECTIBLE} and not left:
            raise ValueError(f"an invoice that is {self.status} has something left to pay; this one is paid")

    @property
    def currency(self) -> str:
        """Return the currency of the document."""
        return self.total.currency

    @property
    def is_settled(self) -> bool:
        """Return whether nothing of it can be collected any more: paid, void or uncollectible. It is not mailed."""
        return self.status in _HISTORY

    @property
    def stated_lines(self) -> tuple[Line, ...]:
        """Return the lines, each over its own period or else the document's; one line over all where none is known."""
        if not self.lines:
            return (Line(description=NO_LINES, amount=self.total - self._beside_lines, period=self.period),)
        return tuple(
            line if line.period is not None or self.period is None else line.model_copy(update={"period": self.period})
            for line in self.lines
        )

    @property
    def tax_lines(self) -> tuple[TaxLine, ...]:
        """Return the taxes of the document, else those of its lines."""
        return self.taxes or tuple(tax for line in self.lines for tax in line.taxes)

    @property
    def paid(self) -> Money:
        """Return the sum of the payments."""
        return sum_of(payment.amount for payment in self.payments if payment.amount) or Money.zero(self.currency)

    @property
    def credited(self) -> Money:
        """Return by how much credit notes lowered the amount to pay."""
        return self._notes("adjustment")

    @property
    def given_back(self) -> Money:
        """Return how much of the paid amount credit notes returned, in money or as credit."""
        return self._notes("refund", "credit")

    def _notes(self, *kinds: str) -> Money:
        amounts = (note.amount for note in self.credit_notes if note.kind in kinds and note.amount)
        return sum_of(amounts) or Money.zero(self.currency)

    @property
    def open_amount(self) -> Money:
        """Return the total less payments and credit notes: still to be paid, or written off, or withdrawn."""
        return self.total - self.paid - self.credited


IMPORT_LEAVES = (
    "reference",
    "customer.id",
    "customer.email",
    "customer.name",
    "customer.address",
    "customer.tax_ids[]",
    "currency",
    "lines[].description",
    "lines[].quantity",
    "lines[].unit_amount",
    "lines[].amount",
    "lines[].period.start",
    "lines[].period.end",
    "lines[].id",
    "lines[].product",
    "lines[].price",
    "lines[].subscription",
    "lines[].discount",
    "lines[].taxes[]",
    "lines[].metadata",
    "lines[].proration",
    "lines[].provider",
    "status",
    "total",
    "number",
    "issued_at",
    "due_at",
    "paid_at",
    "voided_at",
    "uncollectible_at",
    "period.start",
    "period.end",
    "discounts[].id",
    "discounts[].code",
    "discounts[].name",
    "discounts[].amount",
    "taxes[]",
    "adjustments[].kind",
    "adjustments[].amount",
    "payments[].id",
    "payments[].amount",
    "payments[].at",
    "payments[].state",
    "payments[].method",
    "payments[].recorded_outside",
    "payments[].refunded",
    "credit_notes[].id",
    "credit_notes[].number",
    "credit_notes[].amount",
    "credit_notes[].reason",
    "credit_notes[].kind",
    "credit_notes[].at",
    "description",
    "purchase_order",
    "footer",
    "custom_fields",
    "metadata",
    "subscription",
    "source.provider",
    "source.account",
    "source.id",
    "armed",
    "mail",
    "attempt",
)
"""Every leaf of an import, as a row of a provider's `IMPORT_FIELDS` or a loss names it; see LEAVES."""
