"""The two bills: a one-time charge, and the invoice of a period.

Rules of this file: those of commands.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from invoice_bridge.core.model import (
    Amount,
    Collection,
    CustomerRef,
    Discount,
    Frozen,
    FrozenDict,
    Instant,
    Line,
    Period,
    TaxLine,
    TaxRate,
    Text,
    Words,
)
from invoice_bridge.core.money import Currency, Money, times
from invoice_bridge.core.natives import FrozenTree, Natives
from invoice_bridge.core.totals import (
    check_discounts,
    check_line_taxes,
    check_rates,
    discount_lines,
    sum_of,
    tax_on_top,
    taxes_of_lines,
)

__all__ = [
    "Attempt",
    "Bill",
    "Command",
    "Customer",
    "Id",
    "NewInvoice",
    "OneTimeCharge",
    "PeriodInvoice",
    "Reference",
]


def _customer(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("only printable characters can be stored and looked up")
    return value


Reference = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
Id = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Customer = Annotated[CustomerRef, BeforeValidator(_customer)]
Attempt = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Rates = Annotated[tuple[TaxRate, ...], Field(min_length=1)]
Tax: TypeAlias = Literal["provider", "none"] | Rates


class Command(Frozen):
    """The base of every command. `verb` is its name, `noun` what it makes, in the words of a message."""

    verb: ClassVar[str]
    noun: ClassVar[str] = "bill"

    @property
    def capability(self) -> str:
        """Return its name in a provider's flows."""
        return self.verb


class NewInvoice(Command):
    """The common base of the commands that make an invoice under a reference: the two bills, and the import of history.

    `reference` (1–100 printable characters) is the caller's id of the invoice: the same reference is the same invoice.
    """

    reference: Reference
    customer: Customer | None = None
    lines: tuple[Line, ...] = ()

    if TYPE_CHECKING:  # each of them has it after its own fields
        attempt: Attempt


class Bill(NewInvoice):
    """The common base of the two bills.

    `reference` (1–100 printable characters) is the caller's id of this bill: the same reference is the same bill.
    Only the caller raises `attempt`, to try again after a final refusal. `customer` is an id at the client's provider,
    or a CustomerRef. `collection` states who collects; by default nobody. `draft` leaves the invoice a draft.
    `discounts` apply to the whole bill, a line's own `discount` to that line. `subscription` is the provider's
    subscription that the bill belongs to. `tax`: "none" asks for no tax, "provider" lets the provider add it; rates of
    the caller's own (`TaxRate`) apply to every line, and `Line.taxes` are those of one line. `native` has parameters of
    one provider alone, `native_unchecked` those that its table does not have yet. `expect_total` is the required total
    of the invoice, with all changes by natives and tax: it is compared instead of the sum of the lines.
    """

    discounts: tuple[Discount, ...] = ()
    subscription: Id | None = None
    description: Text | None = None
    purchase_order: Annotated[str, Field(min_length=1)] | None = None
    metadata: Words = Field(default_factory=FrozenDict)
    issued_at: Instant | None = None
    collection: Collection = Field(default_factory=Collection.manual)
    tax: Tax = "none"
    draft: bool = False
    attempt: Attempt = 1
    native: Natives = Field(default_factory=FrozenTree)
    native_unchecked: Natives = Field(default_factory=FrozenTree)
    expect_total: Amount | None = None

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        if self.collection.kind == "send" and (self.collection.due is None) == (self.collection.net_days is None):
            raise ValueError("Collection.send takes exactly one of due=… and net_days=…")
        for place, line in enumerate(self.lines):
            if line.quantity is not None and not _is_plain(line.quantity):
                raise ValueError(f"line {place}: a quantity has at most 30 digits on either side of the point")
            if line.unit_amount is not None and not _multiplies(line, line.unit_amount):
                factor = "" if line.quantity is None else f"{line.quantity} × "
                raise ValueError(f"line {place}: {factor}{line.unit_amount} is not the line's amount, {line.amount}")
        if self.discounts or self.states_tax or any(line.discount for line in self.lines):  # few bills
            check_discounts(self.lines, self.discounts, self.subtotal)
            check_rates(self.rates, self.discounts, self.subtotal)
            check_line_taxes(self.lines, self.rates)
        return self

    @property
    def states_tax(self) -> bool:
        """Return whether the bill states its tax itself, by rates or by the taxes of its lines."""
        return bool(self.rates) or any(line.taxes for line in self.lines)

    @property
    def subtotal(self) -> Money | None:
        """Return the sum of the lines, before discounts and tax; None if the provider rates the bill."""
        return sum_of([line.amount for line in self.lines])

    @property
    def discount(self) -> Money | None:
        """Return the sum of all discounts, of the bill and of its lines; None without one."""
        amounts = [off for line in self.lines if (off := line.discount) is not None and off.minor]
        amounts += [off for discount in self.discounts if (off := discount.amount) is not None and off.minor]
        return sum_of(amounts) if amounts else None

    @property
    def rates(self) -> tuple[TaxRate, ...]:
        """Return the rates of tax that the bill states itself."""
        return () if isinstance(self.tax, str) else self.tax

    def _less_discount(self, subtotal: Money | None) -> Money | None:
        return subtotal if subtotal is None or (off := self.discount) is None else subtotal - off


def _check_expected(total: Money | None, currency: str) -> None:
    if total is not None and total.currency != currency:
        raise ValueError(f"expect_total is in {total.currency}, the bill in {currency}")
    if total is not None and total.minor < 0:
        raise ValueError(f"expect_total is {total}: a bill below zero would be a credit, not a charge")


def _is_plain(quantity: Decimal) -> bool:
    return quantity.adjusted() < 30 and int(quantity.as_tuple().exponent) >= -30


def _multiplies(line: Line, unit_amount: Money) -> bool:
    try:
        return times(unit_amount, 1 if line.quantity is None else line.quantity) == line.amount
    except ValueError:
        return False


class OneTimeCharge(Bill):
    """Bill lines, or one amount, once.

    Give `amount`, or `lines`, or both if the lines add up to it exactly. Discounts reduce that amount.
    `period` is the service period, if any.

    >>> OneTimeCharge(reference="res-1", customer="cus_42", amount=Money.parse("19.99", "EUR")).currency
    'EUR'
    """

    verb: ClassVar[str] = "one_time_charge"

    amount: Amount | None = None
    period: Period | None = None

    if TYPE_CHECKING:  # the accepted arguments, which are wider than the attributes

        def __init__(
            self,
            *,
            reference: str,
            customer: CustomerRef | str | None = None,
            amount: Money | None = None,
            lines: Iterable[Line] = (),
            discounts: Iterable[Discount] = (),
            subscription: str | None = None,
            period: Period | None = None,
            description: str | None = None,
            purchase_order: str | None = None,
            metadata: Mapping[str, str] = ...,
            issued_at: datetime | None = None,
            collection: Collection = ...,
            tax: Literal["provider", "none"] | Iterable[TaxRate] = "none",
            draft: bool = False,
            attempt: int = 1,
            native: Mapping[str, Mapping[str, Any]] = ...,
            native_unchecked: Mapping[str, Mapping[str, Any]] = ...,
            expect_total: Money | None = None,
        ) -> None: ...

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum_of(line.amount for line in self.lines)
        if self.amount is None and total is None:
            raise ValueError("a one-time charge needs an amount or lines")
        if self.amount is not None and total is not None and self.amount != total:
            before = ", before discounts" if self.discount else ""
            raise ValueError(f"the lines add up to {total}{before}, not to the amount, {self.amount}")
        if self.total.minor < 0:
            raise ValueError(f"a bill of {self.total} would be a credit, not a charge")
        _check_expected(self.expect_total, self.currency)
        return self

    @property
    def subtotal(self) -> Money | None:
        """Return the amount, or the sum of the lines, before discounts and tax."""
        return self.amount if self.amount is not None else sum_of([line.amount for line in self.lines])

    @property
    def total(self) -> Money:
        """Return the amount to bill after discounts, before tax on top."""
        return self._less_discount(self.subtotal) or Money.zero(self.currency)

    @property
    def currency(self) -> str:
        """Return the currency of the bill."""
        return self.amount.currency if self.amount is not None else self.lines[0].amount.currency

    @property
    def stated_lines(self) -> tuple[Line, ...]:
        """Return the lines before discounts, each with its own period or the bill's.

        A bare amount is one line, named by the description or the reference.
        """
        if self.lines:
            return tuple([_within(line, self.period) for line in self.lines])
        amount = Money.zero(self.currency) if self.amount is None else self.amount
        return (Line(description=self.description or self.reference, amount=amount, period=self.period),)

    @property
    def billed_lines(self) -> tuple[Line, ...]:
        """Return the lines and what discounts take off, as lines below zero: together they are the total."""
        return _with_discounts(self, self.period)


class PeriodInvoice(Bill):
    """Bill a service period.

    With lines, the caller has rated it; without, the provider bills the charges that it accrued in the period, those
    of the `subscription` if one is named.
    """

    verb: ClassVar[str] = "period_invoice"

    period: Period
    currency: Currency

    if TYPE_CHECKING:  # the accepted arguments, which are wider than the attributes

        def __init__(
            self,
            *,
            reference: str,
            period: Period,
            currency: str,
            customer: CustomerRef | str | None = None,
            lines: Iterable[Line] = (),
            discounts: Iterable[Discount] = (),
            subscription: str | None = None,
            description: str | None = None,
            purchase_order: str | None = None,
            metadata: Mapping[str, str] = ...,
            issued_at: datetime | None = None,
            collection: Collection = ...,
            tax: Literal["provider", "none"] | Iterable[TaxRate] = "none",
            draft: bool = False,
            attempt: int = 1,
            native: Mapping[str, Mapping[str, Any]] = ...,
            native_unchecked: Mapping[str, Mapping[str, Any]] = ...,
            expect_total: Money | None = None,
        ) -> None: ...

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.total
        if total is not None and total.currency != self.currency:
            raise ValueError(f"the lines are in {total.currency}, the invoice in {self.currency}")
        if total is not None and total.minor < 0:
            raise ValueError(f"a bill of {total} would be a credit, not a charge")
        _check_expected(self.expect_total, self.currency)
        return self

    @property
    def total(self) -> Money | None:
        """Return the amount to bill after discounts, before tax on top; None if the provider rates it."""
        return self._less_discount(self.subtotal)

    @property
    def stated_lines(self) -> tuple[Line, ...]:
        """Return the lines before discounts, each with its own period or the invoice's."""
        return tuple(_within(line, self.period) for line in self.lines)

    @property
    def billed_lines(self) -> tuple[Line, ...]:
        """Return the lines and what discounts take off, as lines below zero: together they are the total."""
        return _with_discounts(self, self.period)


def taxes_of_bill(command: OneTimeCharge | PeriodInvoice) -> tuple[TaxLine, ...]:
    """Return the taxes that a bill states itself, one for each rate; empty if it states none."""
    return taxes_of_lines(command.stated_lines, command.rates) if command.states_tax else ()


def total_with_tax(command: OneTimeCharge | PeriodInvoice) -> Money | None:
    """Return the total with the tax on top that a bill states itself; None if the provider rates the bill."""
    total = command.total
    return total if total is None else total + tax_on_top(taxes_of_bill(command), total.currency)


def _with_discounts(command: OneTimeCharge | PeriodInvoice, period: Period | None) -> tuple[Line, ...]:
    stated = command.stated_lines
    return stated if command.discount is None else (*stated, *discount_lines(stated, command.discounts, period))


def _within(line: Line, period: Period | None) -> Line:
    return line if line.period is not None or period is None else line.model_copy(update={"period": period})
