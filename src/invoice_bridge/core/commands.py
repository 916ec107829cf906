"""What a caller can ask: the two bills, and the verbs on an invoice.

Rules of this file: commands are frozen values, whole in themselves: nothing that is sent derives from a clock, so that
a retry is the same bytes. Whatever can be found wrong without a provider is found here, before anything is sent.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypedDict

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.model import (
    Amount,
    Collection,
    CustomerRef,
    Frozen,
    Instant,
    Invoice,
    Line,
    Period,
    Status,
    Text,
    Words,
)
from invoice_bridge.core.money import Currency, Money, times

__all__ = [
    "LEAVES",
    "Bill",
    "Command",
    "Delete",
    "Finalize",
    "ListInvoices",
    "MarkPaid",
    "MarkUncollectible",
    "OneTimeCharge",
    "Pay",
    "PeriodInvoice",
    "Retrieve",
    "SendInvoice",
    "Update",
    "Void",
    "read_command",
]


def _customer(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("only printable characters can be carried and found again")
    return value


Reference = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
Id = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Customer = Annotated[CustomerRef, BeforeValidator(_customer)]
Attempt = Annotated[int, Field(strict=True, ge=1)]


class Command(Frozen):
    """The base of everything that can be asked. `verb` is its name in a provider's flows."""

    verb: ClassVar[str]


class Bill(Command):
    """What the two bills share.

    `reference` (1–100 printable characters) is the caller's own identity of this bill: the same reference is the same
    bill. `attempt` is raised by the caller alone, to try again after a final refusal. `customer` is an id at the
    client's provider, or a CustomerRef. `collection` says who moves money; by default nobody. `draft` stops before it
    is issued. `tax`: "none" asks for no tax, "provider" lets the provider add it.
    """

    reference: Reference
    customer: Customer | None = None
    lines: tuple[Line, ...] = ()
    description: Text | None = None
    purchase_order: Annotated[str, Field(min_length=1)] | None = None
    metadata: Words = Field(default_factory=dict)
    issued_at: Instant | None = None
    collection: Collection = Field(default_factory=Collection.manual)
    tax: Literal["provider", "none"] = "none"
    draft: bool = False
    attempt: Attempt = 1

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        if self.collection.kind == "send" and (self.collection.due is None) == (self.collection.net_days is None):
            raise ValueError("Collection.send takes exactly one of due=… and net_days=…")
        for place, line in enumerate(self.lines):
            if line.quantity is not None and not _is_plain(line.quantity):
                raise ValueError(f"line {place}: a quantity has at most 30 digits on either side of the point")
            if line.unit_amount is not None and not _multiplies(line, line.unit_amount):
                told = "" if line.quantity is None else f"{line.quantity} × "
                raise ValueError(f"line {place}: {told}{line.unit_amount} is not its amount, {line.amount}")
        return self

    def _sum(self) -> Money | None:
        if not self.lines:
            return None
        total = self.lines[0].amount
        for line in self.lines[1:]:
            total += line.amount
        return total


def _is_plain(quantity: Decimal) -> bool:
    return quantity.adjusted() < 30 and int(quantity.as_tuple().exponent) >= -30


def _multiplies(line: Line, unit_amount: Money) -> bool:
    try:
        return times(unit_amount, 1 if line.quantity is None else line.quantity) == line.amount
    except ValueError:
        return False


class OneTimeCharge(Bill):
    """Bill lines, or one amount, once.

    Give `amount`, or `lines`, or both where the lines add up to it exactly. `period` is the service period, if any.

    >>> OneTimeCharge(reference="res-1", customer="cus_42", amount=Money.parse("19.99", "EUR")).currency
    'EUR'
    """

    verb: ClassVar[str] = "one_time_charge"

    amount: Amount | None = None
    period: Period | None = None

    if TYPE_CHECKING:  # what may be written, where that is wider than what is read back

        def __init__(
            self,
            *,
            reference: str,
            customer: CustomerRef | str | None = None,
            amount: Money | None = None,
            lines: Iterable[Line] = (),
            period: Period | None = None,
            description: str | None = None,
            purchase_order: str | None = None,
            metadata: Mapping[str, str] = ...,
            issued_at: datetime | None = None,
            collection: Collection = ...,
            tax: Literal["provider", "none"] = "none",
            draft: bool = False,
            attempt: int = 1,
        ) -> None: ...

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self._sum()
        if self.amount is None and total is None:
            raise ValueError("a one-time charge needs an amount or lines")
        if self.amount is not None and total is not None and self.amount != total:
            raise ValueError(f"the lines add up to {total}, not to the amount, {self.amount}")
        if self.total.minor < 0:
            raise ValueError(f"a bill of {self.total} would be a credit, not a charge")
        return self

    @property
    def total(self) -> Money:
        """What is to be billed before tax."""
        return self.amount or self._sum() or Money.zero(self.currency)

    @property
    def currency(self) -> str:
        """The currency of the bill."""
        return self.amount.currency if self.amount is not None else self.lines[0].amount.currency

    @property
    def billed_lines(self) -> tuple[Line, ...]:
        """The lines; a bare amount is one line, named by the description (or the reference), over the period."""
        if self.lines:
            return tuple(_within(line, self.period) for line in self.lines)
        return (Line(description=self.description or self.reference, amount=self.total, period=self.period),)


class PeriodInvoice(Bill):
    """Bill a service period.

    With lines the caller has rated it; without, the provider bills what it has accrued inside it. `subscription` names
    the provider's subscription where accrued charges belong to one.
    """

    verb: ClassVar[str] = "period_invoice"

    period: Period
    currency: Currency
    subscription: Id | None = None

    if TYPE_CHECKING:  # what may be written, where that is wider than what is read back

        def __init__(
            self,
            *,
            reference: str,
            period: Period,
            currency: str,
            customer: CustomerRef | str | None = None,
            lines: Iterable[Line] = (),
            subscription: str | None = None,
            description: str | None = None,
            purchase_order: str | None = None,
            metadata: Mapping[str, str] = ...,
            issued_at: datetime | None = None,
            collection: Collection = ...,
            tax: Literal["provider", "none"] = "none",
            draft: bool = False,
            attempt: int = 1,
        ) -> None: ...

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self._sum()
        if total is not None and total.currency != self.currency:
            raise ValueError(f"the lines are in {total.currency}, the invoice in {self.currency}")
        if total is not None and total.minor < 0:
            raise ValueError(f"a bill of {total} would be a credit, not a charge")
        return self

    @property
    def total(self) -> Money | None:
        """What is to be billed before tax; None where the provider rates it."""
        return self._sum()

    @property
    def billed_lines(self) -> tuple[Line, ...]:
        """The lines, each over its own period or else the invoice's."""
        return tuple(_within(line, self.period) for line in self.lines)


def _within(line: Line, period: Period | None) -> Line:
    return line if line.period is not None or period is None else line.model_copy(update={"period": period})


_SHARED_LEAVES = (
    "reference",
    "customer.id",
    "customer.email",
    "customer.name",
    "currency",
    "lines[].description",
    "lines[].quantity",
    "lines[].unit_amount",
    "lines[].amount",
    "lines[].period.start",
    "lines[].period.end",
    "period.start",
    "period.end",
    "description",
    "purchase_order",
    "metadata",
    "issued_at",
    "collection.kind",
    "collection.due",
    "collection.net_days",
    "collection.payment_method",
    "tax",
    "draft",
    "attempt",
)
LEAVES: dict[type[Bill], tuple[str, ...]] = {
    OneTimeCharge: (*_SHARED_LEAVES, "amount"),
    PeriodInvoice: (*_SHARED_LEAVES, "subscription"),
}
"""Every leaf of each bill, as a row of a provider's `FIELDS` or a loss names it.

An amount of money is one leaf; the currency of all of them is another. `customer.id` stands for the id at the provider,
however the customer was given.
"""


# ── verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────────
class OnInvoice(Command):
    """The base of the verbs on one invoice. `attempt` is raised to try again after a final refusal."""

    id: Id
    attempt: Attempt = 1


class Retrieve(OnInvoice):
    """Read one invoice, with all its lines."""

    verb: ClassVar[str] = "retrieve"


class Finalize(OnInvoice):
    """Turn a draft into a demand for money; nobody is charged by this alone where the provider allows that."""

    verb: ClassVar[str] = "finalize"


class Pay(OnInvoice):
    """Collect an open invoice now. `expect` is what the caller believes is left to pay: another figure stops it."""

    verb: ClassVar[str] = "pay"

    expect: Amount | None = None
    payment_method: Id | None = None


class MarkPaid(OnInvoice):
    """Record that an open invoice was paid outside the provider; no money is moved."""

    verb: ClassVar[str] = "mark_paid"


class Void(OnInvoice):
    """Withdraw an issued invoice for good."""

    verb: ClassVar[str] = "void"


class MarkUncollectible(OnInvoice):
    """Give an open invoice up as a bad debt (write it off)."""

    verb: ClassVar[str] = "mark_uncollectible"


class Update(OnInvoice):
    """Change the description, the due date or the metadata; what is None stays as it is."""

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
    """Discard a draft."""

    verb: ClassVar[str] = "delete"


class SendInvoice(OnInvoice):
    """Have the provider mail an open invoice."""

    verb: ClassVar[str] = "send_invoice"


class Filters(TypedDict, total=False):
    """What a listing can be narrowed by; see ListInvoices."""

    status: Status | None
    customer: CustomerRef | str | None
    created_from: datetime | None
    created_to: datetime | None
    full: bool
    limit: int


class ListInvoices(Command):
    """Read invoices, newest first where the provider orders them so; one page, with the command for the next.

    `created_from` belongs to the range, `created_to` does not. `cursor` is a provider's own word for where to go on.
    `full` retrieves each invoice where a listing leaves fields out. Every filter is applied again to what comes back.
    """

    verb: ClassVar[str] = "list"

    status: Status | None = None
    customer: Customer | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None
    full: bool = False
    limit: Annotated[int, Field(strict=True, ge=1, le=100)] = 100
    cursor: Text | None = None

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
        ) -> None: ...

    def matches(self, invoice: Invoice, provider: str) -> bool:
        """Whether an invoice passes the filters; what the provider does not say does not pass a filter on it."""
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


_KINDS: dict[str, type[Bill]] = {kind.verb: kind for kind in (OneTimeCharge, PeriodInvoice)}


def read_command(data: Mapping[str, Any]) -> OneTimeCharge | PeriodInvoice:
    """Read a bill from the mapping of a JSON or TOML file: its `command` is "one_time_charge" or "period_invoice".

    An `amount` may be written {"minor": 1999, "currency": "EUR"}. Raises ConfigurationError, one line a fault.
    """
    fields = dict(data)
    kind = fields.pop("command", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        known = ", ".join(map(repr, sorted(_KINDS)))
        raise ConfigurationError(f'"command" must be one of {known}, not {_shortened(kind)}')
    try:
        return _KINDS[kind].model_validate(fields)  # type: ignore[return-value]
    except ValidationError as error:
        raise ConfigurationError(faults(error)) from None


def _shortened(value: Any) -> str:
    """Return a value of a file in short, however deep it is."""
    try:
        return reprlib.repr(value)
    except ValueError:  # TOML's hexadecimal integers can have more digits than Python converts to decimal
        return "an integer of too many digits"


def faults(error: ValidationError) -> str:
    """Say what is wrong with a value, a fault a clause: "lines.0.amount: …", all of it in one line."""
    return one_line(
        "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False, include_input=False)
        )
    )


def one_line(text: str) -> str:
    """Escape what cannot be printed: a name in a file may hold line breaks, and a terminal's control sequences."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
