"""The neutral invoice: one meaning per field, whatever the provider calls it.

Rules of this file: every value is frozen; money is exact; instants are aware and in UTC; None means "the provider does
not say", or says it so that it cannot be read (`Invoice.problems`), never zero. The JSON form is stable: money
`{"minor": 2500, "currency": "EUR"}`, instants RFC 3339 in UTC, statuses in lower case, decimals as strings, what is
absent as null, `raw` as the text of the provider's own JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from threading import RLock
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    VERSION,
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.money import Currency, Money, times, what_to_write

__all__ = ["Collection", "CustomerRef", "Invoice", "Line", "Period", "Problem", "Status"]


_PYDANTIC = tuple(int(number) for number in VERSION.split(".")[:2])
_DEFERS = _PYDANTIC >= (2, 11)
"""Whether a model is built when it is first used: before 2.11, pydantic drops a validator while it builds another."""
_BUILDING: AbstractContextManager[object] = nullcontext() if _PYDANTIC >= (2, 14) else RLock()
"""Held while a model is built; since 2.14 pydantic has a lock of its own, and two locks could wait for each other."""


class Frozen(BaseModel):
    """The base of every value here: frozen, nothing unknown accepted, defaults checked. Built when it is first used."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, defer_build=_DEFERS
    )

    @classmethod
    def model_rebuild(
        cls,
        *,
        force: bool = False,
        raise_errors: bool = True,
        _parent_namespace_depth: int = 2,
        _types_namespace: Mapping[str, Any] | None = None,
    ) -> bool | None:
        """Build the validator, as pydantic does at the first use; threads that come at once wait for one another."""
        with _BUILDING:
            return super().model_rebuild(
                force=force,
                raise_errors=raise_errors,
                _parent_namespace_depth=_parent_namespace_depth + 1,  # of whoever calls this
                _types_namespace=_types_namespace,
            )


# ── the kinds of leaf ────────────────────────────────────────────────────────────────────────────────────────────────
_NUMBER = re.compile(r"[+-]?([0-9]+\.?|[0-9]*\.[0-9]+)[0-9]*([eE][+-]?[0-9]+)?", re.ASCII)


def in_utc(instant: datetime) -> datetime:
    """Return the instant in UTC.

    Raises ValueError for a naive datetime (whose midnight would it be?) and for one that UTC puts outside the calendar.
    """
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: write datetime(…, tzinfo=UTC), or …Z in a file")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{instant.isoformat()} is, in UTC, not in the years 1 to 9999") from None


def _no_bare_number(value: Any) -> Any:
    if isinstance(value, int | float | Decimal):
        raise ValueError(f"{value!r} is a number, not an instant: seconds and milliseconds cannot be told apart")
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        raise ValueError(f"{value!r} is a number, not an instant: write 2026-05-01T00:00:00Z")
    return value


def _money_not_float(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(what_to_write(value, "…"))
    return value


def _decimal_not_float(value: Any) -> Any:
    if isinstance(value, float | bool):
        raise ValueError(f"{value!r} is not exact: write an int, a Decimal or a string")
    return value


def _encodable(text: str) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair is no text: it cannot be sent or stored") from None
    return text


def _refuse_change(*_: object, **__: object) -> Any:
    raise TypeError("this mapping belongs to a frozen value; make a new value instead")


class FrozenDict(dict[str, str]):
    """A dict of strings that cannot be changed."""

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse_change

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _raw(value: Any) -> Any:
    return loads(value) if isinstance(value, str) else value


Instant = Annotated[datetime, BeforeValidator(_no_bare_number), AfterValidator(in_utc)]
Amount = Annotated[Money, BeforeValidator(_money_not_float)]
Quantity = Annotated[Decimal, BeforeValidator(_decimal_not_float)]
Text = Annotated[str, AfterValidator(_encodable)]
Words = Annotated[Mapping[Text, Text], AfterValidator(FrozenDict)]
Raw = Annotated[
    Mapping[str, Any] | None,
    BeforeValidator(_raw),
    PlainSerializer(lambda raw: None if raw is None else dumps(raw).decode(), return_type=str | None, when_used="json"),
]


# ── the parts ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Status(StrEnum):
    """Where an invoice stands. `unknown` is a word the provider has and we do not; it is never terminal."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of time: `start` belongs to it, `end` does not. Both aware; kept in UTC.

    Raises ValueError for naive datetimes and where start is not before end.
    """

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
        """Return a calendar month as it is lived in time zone `tz` (an IANA name like "Europe/Paris")."""
        zone = ZoneInfo(tz)
        following = (year + 1, 1) if month == 12 else (year, month + 1)
        return cls(datetime(year, month, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone))

    def __str__(self) -> str:
        return f"{_plain(self.start)} to {_plain(self.end)}"


def _plain(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


class CustomerRef(Frozen):
    """Who is billed. `id` is an id at the client's provider; `ids` maps provider names to ids: a switch is one word."""

    id: Annotated[str, Field(min_length=1)] | None = None
    email: Annotated[str, Field(min_length=3)] | None = None
    name: Text | None = None
    ids: Words = Field(default_factory=dict)

    def at(self, provider: str) -> str | None:
        """The id to use at a provider. With `ids`, only those: another provider's id may name another customer."""
        return self.ids.get(provider) if self.ids else self.id


class Line(Frozen):
    """One line. `amount` is authoritative.

    It may be left out where quantity × unit_amount gives it exactly. `quantity` is an exact decimal (1 where nothing
    else is said on a command). `unit_amount` is None where it is not a whole number of minor units. Tiers and discounts
    make a read line's amount differ from quantity × unit_amount.
    """

    description: Text | None = None
    quantity: Quantity | None = None
    unit_amount: Amount | None = None
    amount: Amount
    period: Period | None = None

    if TYPE_CHECKING:  # what may be written, where that is wider than what is read back

        def __init__(
            self,
            *,
            description: str | None = None,
            quantity: Decimal | int | str | None = None,
            unit_amount: Money | None = None,
            amount: Money | None = None,
            period: Period | None = None,
        ) -> None: ...

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
            return data  # each field says itself what is wrong with it
        if not isinstance(quantity, Decimal):
            return data
        try:
            return {**data, "amount": times(unit, quantity)}
        except ValueError:
            raise ValueError(
                f"{quantity} × {unit} is not a whole number of minor units: state the line's amount"
            ) from None


class Collection(Frozen):
    """Who moves the money. Made by manual(), send() or charge(), never by hand.

    manual: the invoice is open, nobody is mailed or charged. send: the provider mails it and never takes money. charge:
    the provider collects, from `payment_method` or from the customer's own default.
    """

    kind: Literal["manual", "send", "charge"]
    due: Instant | None = None
    net_days: Annotated[int, Field(strict=True, ge=0, le=3650)] | None = None
    payment_method: Annotated[str, Field(min_length=1)] | None = None

    @classmethod
    def manual(cls) -> Collection:
        """Leave it open: nobody is mailed, nothing is charged. The default."""
        return cls(kind="manual")

    @classmethod
    def send(cls, *, due: datetime | None = None, net_days: int | None = None) -> Collection:
        """Have the provider mail it, due at an instant or so many days after it is issued; exactly one of the two."""
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


class Problem(Frozen):
    """A value of a provider's answer that could not be read, and so reads as None.

    `path` is where it stands in `Invoice.raw` ("lines.data[0].amount"); in a second answer that belongs to the invoice,
    the path there ("payment.total.amount"). `why` completes a sentence that begins with the path. `money`: it is an
    amount, or the currency without which no amount can be read.
    """

    path: Text
    why: Text
    money: bool = False

    def __str__(self) -> str:
        return f"{self.path} {self.why}"


# ── the invoice ──────────────────────────────────────────────────────────────────────────────────────────────────────
class Invoice(Frozen):
    """An invoice as its provider states it, in neutral words.

    Amounts, in the order of the arithmetic: `subtotal` (the sum of the lines, before discounts), `discount`, `tax`,
    `total`; `amount_due` is the total less credits, fixed at issue; `amount_remaining` is what can still be collected,
    zero when paid, void or written off. None means that the provider does not say, and that it cannot be derived
    exactly. `currency` is None where the provider does not state one (of a deleted invoice Stripe states nothing but
    its id), or none that ISO 4217 has; then no amount is read.

    `purchase_order` is the customer's own number as the document shows it. `problems` lists what could not be read, so
    that a None there is not taken for silence; a line whose amount could not be read is left out, and `lines_complete`
    is False. `losses` is what the provider does not carry of the bill that made it; `discrepancies` says in words what
    differs from that bill, where create was told to report it rather than raise.
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
    metadata: Words = Field(default_factory=dict)

    created_at: Instant | None = None
    issued_at: Instant | None = None
    due_at: Instant | None = None
    paid_at: Instant | None = None
    voided_at: Instant | None = None

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
        amounts += [amount for line in self.lines for amount in (line.amount, line.unit_amount)]
        if any(amount is not None and amount.currency != self.currency for amount in amounts):
            raise ValueError(
                f"every amount of this invoice must be in {self.currency}"
                if self.currency
                else "an invoice without a currency has no amounts"
            )
        return self

    def is_past_due(self, as_of: datetime) -> bool:
        """Whether it is open and due before `as_of` (aware); without a due date, the provider's own word decides."""
        now = in_utc(as_of)
        if self.status is not Status.OPEN:
            return False
        return self.due_at < now if self.due_at is not None else self.native_status in PAST_DUE_WORDS

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
"""Native statuses that say "past due" by themselves."""
