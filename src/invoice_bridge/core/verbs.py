"""The verbs on an invoice, and listing.

Rules of this file: those of commands.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypedDict

from pydantic import Field, model_validator

from invoice_bridge.core.bills import Attempt, Command, Customer, Id, Reference
from invoice_bridge.core.model import Amount, CustomerRef, Instant, Invoice, Line, Status, Text, Words
from invoice_bridge.core.money import Money
from invoice_bridge.core.natives import FrozenTree, Natives

__all__ = [
    "VERB_LEAVES",
    "Credit",
    "Delete",
    "Filters",
    "Finalize",
    "Find",
    "ListInvoices",
    "MarkPaid",
    "MarkUncollectible",
    "OnInvoice",
    "Pay",
    "Pdf",
    "RecordPayment",
    "Refund",
    "Retrieve",
    "SendInvoice",
    "Update",
    "Void",
    "verb_reference",
]


class OnInvoice(Command):
    """The base of the verbs on one invoice. Raise `attempt` to try again after a final refusal.

    `native` and `native_unchecked` are as on a bill.
    """

    id: Id
    attempt: Attempt = 1
    native: Natives = Field(default_factory=FrozenTree)
    native_unchecked: Natives = Field(default_factory=FrozenTree)


class Retrieve(OnInvoice):
    """Read one invoice, with all its lines; `whole`: with its payments and credit notes, by requests of their own."""

    verb: ClassVar[str] = "retrieve"

    whole: bool = True


class Pdf(OnInvoice):
    """Download the document of an issued invoice; its result is bytes."""

    verb: ClassVar[str] = "pdf"


class Finalize(OnInvoice):
    """Issue a draft; this alone charges nobody, where the provider allows that."""

    verb: ClassVar[str] = "finalize"


class Pay(OnInvoice):
    """Collect an open invoice now. `expect` is the amount remaining that the caller expects: any other stops it.

    With `amount` only a part is collected; `reference` then names this payment, so that it is collected once.
    """

    verb: ClassVar[str] = "pay"
    noun: ClassVar[str] = "payment"

    expect: Amount | None = None
    payment_method: Id | None = None
    amount: Amount | None = None
    reference: Reference | None = None

    @property
    def capability(self) -> str:
        """Return its name in a provider's flows; a part has its own, since not every provider takes an amount."""
        return "pay" if self.amount is None else "pay_part"

    @model_validator(mode="after")
    def _is_once(self) -> Self:
        if self.amount is not None and self.reference is None:
            raise ValueError("a part payment needs a reference, so that it is collected once: write reference=…")
        if self.reference is not None and self.amount is None:
            raise ValueError("a reference belongs to a part payment: write amount=…, or leave the reference out")
        _check_positive(self.amount)
        return self


class MarkPaid(OnInvoice):
    """Record that an open invoice was paid in full outside the provider; no money moves. See RecordPayment."""

    verb: ClassVar[str] = "mark_paid"


class RecordPayment(OnInvoice):
    """Record a payment that was made outside the provider, of the whole invoice or of a part; no money moves.

    `at` is when it was paid, `method` the caller's word for how ("bank transfer"). `reference` names this payment: the
    same reference is recorded once. `expect` is the amount remaining before it.
    """

    verb: ClassVar[str] = "record_payment"
    noun: ClassVar[str] = "payment"

    amount: Amount
    at: Instant
    reference: Reference
    method: Text | None = None
    expect: Amount | None = None

    @model_validator(mode="after")
    def _is_an_amount(self) -> Self:
        _check_positive(self.amount)
        return self


class Refund(OnInvoice):
    """Give back money that an invoice collected; None refunds all that is left to refund.

    `reference` names this refund: the same reference is refunded once. `expect` is the amount refunded before it.
    """

    verb: ClassVar[str] = "refund"
    noun: ClassVar[str] = "refund"

    amount: Amount | None = None
    reason: Text | None = None
    reference: Reference
    expect: Amount | None = None

    @model_validator(mode="after")
    def _is_an_amount(self) -> Self:
        _check_positive(self.amount)
        return self


class Credit(OnInvoice):
    """Issue a credit note: of an open invoice it lowers what remains, of a paid one it gives the customer a balance.

    Give `amount`, or `lines`: a line with an `id` credits that line of the invoice, one without is a line of its own.
    No money is given back: see Refund. `reference` names this credit note: the same reference is credited once.
    `expect` is the amount credited before it.
    """

    verb: ClassVar[str] = "credit"
    noun: ClassVar[str] = "credit note"

    amount: Amount | None = None
    lines: tuple[Line, ...] = ()
    reason: Text | None = None
    reference: Reference
    expect: Amount | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if (self.amount is None) == (not self.lines):
            raise ValueError("a credit note takes either an amount or lines")
        _check_positive(self.amount)
        for line in self.lines:
            _check_positive(line.amount)
            if other := sorted(line.model_fields_set - {"id", "description", "amount"}):
                raise ValueError(f"a line of a credit note has an id, a description and an amount, no {other[0]}")
        if len({line.amount.currency for line in self.lines}) > 1:
            raise ValueError("all lines of a credit note have one currency")
        return self

    @property
    def total(self) -> Money:
        """Return the amount to credit."""
        if self.amount is not None:
            return self.amount
        total = self.lines[0].amount
        for line in self.lines[1:]:
            total += line.amount
        return total


def _check_positive(amount: Money | None) -> None:
    if amount is not None and amount.minor <= 0:
        raise ValueError(f"the amount must be more than zero, not {amount}")


class Void(OnInvoice):
    """Withdraw an issued invoice for good. `reason` is kept where the provider keeps one, else it is a loss."""

    verb: ClassVar[str] = "void"
    noun: ClassVar[str] = "void"

    reason: Text | None = None


class MarkUncollectible(OnInvoice):
    """Write an open invoice off as a bad debt."""

    verb: ClassVar[str] = "mark_uncollectible"


class Update(OnInvoice):
    """Change the description, the due date or the metadata; None leaves a field as it is."""

    verb: ClassVar[str] = "update"

    description: Text | None = None
    due_at: Instant | None = None
    metadata: Words | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.description is None and self.due_at is None and self.metadata is None:
            raise ValueError("an update must change something: description, due_at or metadata")
        return self


class Delete(OnInvoice):
    """Discard a draft; with `imported` also an issued invoice that an import has made, where the provider allows it.

    The payments that the import recorded are deleted with it. An invoice that was paid since then is refused.
    """

    verb: ClassVar[str] = "delete"

    imported: bool = False


class SendInvoice(OnInvoice):
    """Have the provider mail an open invoice."""

    verb: ClassVar[str] = "send_invoice"


class Find(Command):
    """Find the one invoice that has a reference. With `customer` the listing of that customer is read."""

    verb: ClassVar[str] = "find"

    reference: Reference
    customer: Customer | None = None

    if TYPE_CHECKING:  # what may be written, where that is wider than what is read back

        def __init__(self, *, reference: str, customer: CustomerRef | str | None = None) -> None: ...


VERB_LEAVES: dict[type[OnInvoice], tuple[str, ...]] = {
    Pay: ("amount", "reference"),
    RecordPayment: ("amount", "at", "reference", "method"),
    Refund: ("amount", "reason", "reference"),
    Credit: ("amount", "lines", "reason", "reference"),
    Void: ("reason",),
}
"""The fields of these verbs that a provider carries, loses or cannot take, as a row of its `VERB_FIELDS` names them."""


def verb_reference(command: object) -> str | None:
    """Return the reference of a verb that moves or records money; None for any other command, bills included."""
    return command.reference if isinstance(command, Pay | RecordPayment | Refund | Credit) else None


class Filters(TypedDict, total=False):
    """The filters of a listing; see ListInvoices."""

    status: Status | None
    customer: CustomerRef | str | None
    created_from: datetime | None
    created_to: datetime | None
    full: bool
    limit: int
    native: Mapping[str, Mapping[str, Any]]


class ListInvoices(Command):
    """Read one page of invoices, newest first if the provider orders them so; the page has the command for the next.

    `created_from` is inclusive, `created_to` exclusive. `cursor` is the provider's own. `full` reads what a
    listing omits, by further requests for each invoice. Every filter is applied again to what comes back, except for
    `native`: filters that only one provider has.
    """

    verb: ClassVar[str] = "list"

    status: Status | None = None
    customer: Customer | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None
    full: bool = False
    limit: Annotated[int, Field(strict=True, ge=1, le=100)] = 100
    cursor: Text | None = None
    native: Natives = Field(default_factory=FrozenTree)

    if TYPE_CHECKING:  # what may be written, where that is wider than what is read back

        def __init__(
            self,
            *,
            status: Status | None = None,
            customer: CustomerRef | str | None = None,
            created_from: datetime | None = None,
            created_to: datetime | None = None,
            full: bool = False,
            limit: int = 100,
            cursor: str | None = None,
            native: Mapping[str, Mapping[str, Any]] = ...,
        ) -> None: ...

    def matches(self, invoice: Invoice, provider: str) -> bool:
        """Return whether an invoice passes the filters; a field that the provider does not state fails its filter."""
        customer = self.customer.at(provider) if self.customer else None
        return (
            (self.status is None or invoice.status is self.status)
            and (self.customer is None or (customer is not None and _bills(invoice, customer, provider)))
            and (
                self.created_from is None
                or (invoice.created_at is not None and invoice.created_at >= self.created_from)
            )
            and (self.created_to is None or (invoice.created_at is not None and invoice.created_at < self.created_to))
        )


def _bills(invoice: Invoice, customer: str, provider: str) -> bool:
    return invoice.customer is not None and invoice.customer.at(provider) == customer
