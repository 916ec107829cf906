"""The parts of an invoice: who, what, when, and how it is collected.

Rules of this file: those of model.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from invoice_bridge.core.money import Money, times
from invoice_bridge.core.taxes import TaxLine, TaxRate, with_amounts
from invoice_bridge.core.values import Amount, Frozen, FrozenDict, Instant, Quantity, Text, Words, in_utc


class Status(StrEnum):
    """The status of an invoice. `unknown` is a provider's word that we do not know; it is never terminal."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of time: it includes `start` and excludes `end`. Both aware; kept in UTC.

    Raises ValueError for naive datetimes, and if start is not before end.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # pydantic 2.10 does not take the model's

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            instant = getattr(self, name)
            if not isinstance(instant, datetime):
                raise TypeError(f"{name} is a datetime, not {instant!r}: write datetime(…, tzinfo=UTC)")
            object.__setattr__(self, name, in_utc(instant))
        if self.start >= self.end:
            raise ValueError(f"a period must begin before it ends, but {self}")

    @classmethod
    def month(cls, year: int, month: int, tz: str = "UTC") -> Period:
        """Return a calendar month in the time zone `tz` (an IANA name like "Europe/Paris")."""
        zone = ZoneInfo(tz)
        following = (year + 1, 1) if month == 12 else (year, month + 1)
        return cls(datetime(year, month, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describe each field in the JSON Schema."""
        from invoice_bridge.core.descriptions import described_schema

        return described_schema("Period", core_schema, handler)

    def __str__(self) -> str:
        return f"{_plain(self.start)} to {_plain(self.end)}"


def _plain(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


class Address(Frozen):
    """A postal address as the invoice shows it. `country` is the provider's code for it: ISO 3166-1, two letters."""

    line1: Text | None = None
    line2: Text | None = None
    city: Text | None = None
    state: Text | None = None
    postal_code: Text | None = None
    country: Text | None = None


class TaxId(Frozen):
    """A tax number as the invoice shows it. `kind` is the provider's word for its type, such as "eu_vat"."""

    kind: Text | None = None
    value: Text | None = None


class CustomerRef(Frozen):
    """A billed customer. `id` is the id at the client's provider, `ids` has ids by provider, so a switch is one word.

    `address` and `tax_ids` are read from invoices; no bill sends them.
    """

    id: Annotated[str, Field(min_length=1)] | None = None
    email: Annotated[str, Field(min_length=3)] | None = None
    name: Text | None = None
    ids: Words = Field(default_factory=FrozenDict)
    address: Address | None = None
    tax_ids: tuple[TaxId, ...] = ()

    def at(self, provider: str) -> str | None:
        """Return the id at a provider. With `ids`, only those: another provider's id may name another customer."""
        return self.ids.get(provider) if self.ids else self.id


class Discount(Frozen):
    """One discount of an invoice: `id` is the provider's, `code` what the customer typed, `name` what is shown of it.

    `amount` is the discounted amount, None if only the sum of all discounts is stated. A bill states the amount.
    """

    id: Text | None = None
    code: Text | None = None
    name: Text | None = None
    amount: Amount | None = None


PaymentState = Literal["succeeded", "pending", "failed", "canceled", "unknown"]


class Payment(Frozen):
    """A payment of an invoice, or an attempt at one.

    `amount` is the amount paid or attempted. `state`: "pending" is not settled yet, "unknown" is a word that we do
    not know.
    `method` is the id of the payment method, or else the provider's word for its kind. `recorded_outside`: the
    payment was made elsewhere and only recorded here. `refunded` is the refunded part of it.
    """

    id: Text | None = None
    amount: Amount | None = None
    at: Instant | None = None
    state: PaymentState = "unknown"
    method: Text | None = None
    recorded_outside: bool | None = None
    refunded: Amount | None = None


class CreditNote(Frozen):
    """A credit note against an invoice. `amount` is the whole credited amount.

    `kind`: "adjustment" reduces the amount due, "refund" returns a payment, "credit" adds to the customer's balance,
    "write_off" writes the invoice off, "unknown" is anything else.
    """

    id: Text | None = None
    number: Text | None = None
    amount: Amount | None = None
    reason: Text | None = None
    kind: Literal["adjustment", "refund", "credit", "write_off", "unknown"] = "unknown"
    at: Instant | None = None


class Adjustment(Frozen):
    """A change of the total besides lines, discounts and tax. `amount` is added to it, so a reduction is negative.

    "shipping", "rounding", "credit" (of the customer's credit, before tax) and "other".
    """

    kind: Literal["shipping", "rounding", "credit", "other"]
    amount: Amount


class Line(Frozen):
    """One line. `amount` is authoritative.

    It may be omitted if quantity × unit_amount gives it exactly. `quantity` is an exact decimal (1 by default on a
    command). `unit_amount` is None if it is not a whole number of minor units. Tiers and discounts
    make a read line's amount differ from quantity × unit_amount.

    `product` and `price` are the provider's ids for the line; the amount remains the caller's. `discount` is this
    line's discount, not yet deducted from `amount`. `taxes` are this line's: a `TaxRate` is computed on its amount less
    its discount, rounded to the minor unit, halves away from zero; a `TaxLine` states the amount itself.

    The rest is read from invoices: `id` of the line, `subscription` that it belongs to. `proration`: it
    bills a part of a period. `provider` is the one whose product and price it names; None is the client's own.
    """

    description: Text | None = None
    quantity: Quantity | None = None
    unit_amount: Amount | None = None
    amount: Amount
    period: Period | None = None
    id: Text | None = None
    product: Text | None = None
    price: Text | None = None
    subscription: Text | None = None
    discount: Amount | None = None
    taxes: tuple[TaxLine, ...] = ()
    metadata: Words = Field(default_factory=FrozenDict)
    proration: bool | None = None
    provider: Text | None = None

    if TYPE_CHECKING:  # the accepted arguments, which are wider than the attributes

        def __init__(
            self,
            *,
            description: str | None = None,
            quantity: Decimal | int | str | None = None,
            unit_amount: Money | None = None,
            amount: Money | None = None,
            period: Period | None = None,
            id: str | None = None,
            product: str | None = None,
            price: str | None = None,
            subscription: str | None = None,
            discount: Money | None = None,
            taxes: Iterable[TaxLine | TaxRate] = (),
            metadata: Mapping[str, str] = ...,
            proration: bool | None = None,
            provider: str | None = None,
        ) -> None: ...

    def names_at(self, provider: str) -> bool:
        """Return whether a bill may send its product and price: neither read ones, nor another provider's.

        A line with an id was read from an invoice: its product may no longer exist, or exist for that line only.
        """
        return self.id is None and self.provider in {None, provider}

    @field_validator("taxes", mode="before")
    @classmethod
    def _compute_taxes(cls, taxes: Any, info: ValidationInfo) -> Any:
        return with_amounts(taxes, info.data.get("amount"), info.data.get("discount"))

    @model_validator(mode="before")
    @classmethod
    def _multiply(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("amount") is not None or data.get("unit_amount") is None:
            return data
        unit = data["unit_amount"]
        quantity = 1 if data.get("quantity") is None else data["quantity"]
        try:
            unit = unit if isinstance(unit, Money) else Money(**unit)
            quantity = Decimal(quantity) if isinstance(quantity, int | str) else quantity
        except (ArithmeticError, TypeError, ValueError):
            return data  # each field's own error says what is wrong
        if not isinstance(quantity, Decimal):
            return data
        try:
            return {**data, "amount": times(unit, quantity)}
        except ValueError:
            raise ValueError(
                f"{quantity} × {unit} is not a whole number of minor units: state the line's amount"
            ) from None


class Collection(Frozen):
    """The way of collection. Made by manual(), send() or charge(), never by hand.

    manual: the invoice is open, nobody is mailed or charged. send: the provider mails it and never charges. charge:
    the provider collects, from `payment_method` or from the customer's own default.
    """

    kind: Literal["manual", "send", "charge"]
    due: Instant | None = None
    net_days: Annotated[int, Field(strict=True, ge=0, le=3650)] | None = None
    payment_method: Annotated[str, Field(min_length=1)] | None = None

    @classmethod
    def manual(cls) -> Collection:
        """Leave it open: nothing is mailed or charged. This is the default."""
        return _manual()

    @classmethod
    def send(cls, *, due: datetime | None = None, net_days: int | None = None) -> Collection:
        """Have the provider mail it, due at an instant or a number of days after the issue; exactly one of the two."""
        if (due is None) == (net_days is None):
            raise ValueError("Collection.send takes exactly one of due=… and net_days=…")
        return cls(kind="send", due=due, net_days=net_days)

    @classmethod
    def charge(cls, payment_method: str | None = None) -> Collection:
        """Have the provider collect, from this payment method or the customer's default one."""
        return cls(kind="charge", payment_method=payment_method)

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.kind != "send" and (self.due is not None or self.net_days is not None):
            raise ValueError(f"a due date belongs to Collection.send, not to {self.kind}")
        if self.kind != "charge" and self.payment_method is not None:
            raise ValueError(f"a payment method belongs to Collection.charge, not to {self.kind}")
        return self


@cache
def _manual() -> Collection:
    """The collection of most bills, which all of them share."""
    return Collection(kind="manual")


class Problem(Frozen):
    """A value of a provider's answer that could not be read, and so reads as None.

    `path` is its place in `Invoice.raw` ("lines.data[0].amount"); in a second answer that belongs to the invoice,
    the path there ("payment.total.amount"). `why` completes a sentence that begins with the path. `money`: it is an
    amount, or the currency without which no amount can be read.
    """

    path: Text
    why: Text
    money: bool = False

    def __str__(self) -> str:
        return f"{self.path} {self.why}"
