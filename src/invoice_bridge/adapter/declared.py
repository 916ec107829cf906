"""Values that an adapter declares or returns: statuses, refusals, amounts, rates, settings, and refusals of verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol

from invoice_bridge.adapter.recurring import AmountsByCurrency, WrittenByCurrency
from invoice_bridge.core.errors import (
    ProviderError,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money, exponent


# ── earlier tries of a bill ──────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class History:
    """The earlier tries of a bill, as known from a journal, the client's memory or the caller."""

    tried: bool | None = None
    """Whether there was an earlier try; None without a journal."""
    since: datetime | None = None
    """When the first try began: no invoice of the bill is older."""
    made: tuple[str, ...] = ()
    """The ids of the invoices that earlier tries are known to have made."""
    mine: frozenset[str] = frozenset()
    """Those of `made` that this attempt made."""
    applied: frozenset[str] = frozenset()
    """The keys and URLs of the requests that are known to have succeeded."""
    other_content: bool = False
    """Whether a try of the reference had other content: it may have had another customer."""
    unsettled: bool = False
    """Whether a request of another attempt was lost so recently that it may still take effect."""


NO_HISTORY = History()


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class StatusRow:
    """A provider's word for a status, and ours."""

    native: str
    status: Status
    source: str


def status_of(rows: Iterable[StatusRow], word: object) -> Status:
    """Return our status for a provider's word; unknown for any word that is not in the table, including null."""
    return next((row.status for row in rows if row.native == word), Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A row that recognizes a refusal by its code, type or HTTP status, and the error that it becomes.

    `maybe_applied`: the request may still have taken effect (for instance, an earlier try of it is still running).
    `key_reused`: its idempotency key was used before with another request.
    """

    becomes: type[ProviderError]
    source: str
    code: str | None = None
    type: str | None = None
    status: int | None = None
    maybe_applied: bool = False
    key_reused: bool = False

    def fits(self, code: str | None, kind: str | None, status: int) -> bool:
        """Return whether this row matches an answer."""
        return (
            (self.code is None or self.code == code)
            and (self.type is None or self.type == kind)
            and (self.status is None or self.status == status)
        )


@dataclass(frozen=True)
class Units:
    """The meaning of a provider's integer amounts: the number of decimals of each currency.

    A currency that is not listed is refused: its factor is not confirmed. `read_only` lists those that are read and
    never sent: a wrong factor appears in a report, and not on a bill; `read_source` names the documentation.
    `multiple_of` lists those whose numbers must be whole multiples when they are sent.
    """

    decimals: Mapping[str, int]
    source: str
    multiple_of: Mapping[str, int] = field(default_factory=dict)
    read_only: Mapping[str, int] = field(default_factory=dict)
    read_source: str = ""

    @cached_property
    def amounts(self) -> AmountsByCurrency:
        """Return the amounts of whole numbers by currency; None for one that only `from_units` can decide."""
        return AmountsByCurrency({**self.read_only, **self.decimals})

    @cached_property
    def written(self) -> WrittenByCurrency:
        """Return the amounts of whole numbers that are written as text, by currency."""
        return WrittenByCurrency(self.amounts)

    def to_units(self, money: Money) -> int:
        """Return the provider's number for an amount. Raises Unsupported if it cannot carry the amount exactly."""
        units: int
        digits = self._digits(money.currency)
        more = digits - exponent(money.currency)
        units, rest = (money.minor * 10**more, 0) if more >= 0 else divmod(money.minor, 10**-more)
        if rest or units % self.multiple_of.get(money.currency, 1):
            raise Unsupported(
                f"{money} cannot be billed exactly: this provider carries {money.currency} with {digits} decimals"
                + (
                    f" in multiples of {self.multiple_of[money.currency]}" if money.currency in self.multiple_of else ""
                ),
                source=self.source,
                remedy="round the amount yourself before billing it",
            )
        return units

    @property
    def currencies(self) -> frozenset[str]:
        """Return the codes that can be billed; any other is refused."""
        return frozenset(self.decimals)

    @property
    def readable(self) -> frozenset[str]:
        """Return the codes whose amounts are read: those that can be billed, and those that are only read."""
        return frozenset(self.decimals) | frozenset(self.read_only)

    def from_units(self, units: int, currency: str) -> Money:
        """Return the amount of a provider's number. Raises ValueError if it cannot be read exactly."""
        digits = self.decimals.get(currency, self.read_only.get(currency))
        if digits is None:
            raise ValueError(f"{currency}: how this provider counts it is not confirmed, and no factor is guessed")
        more = exponent(currency) - digits
        minor, rest = (units * 10**more, 0) if more >= 0 else divmod(units, 10**-more)
        if rest:
            raise ValueError(f"{units} is no whole amount of {currency} at this provider")
        return Money(minor, currency)

    def _digits(self, currency: str) -> int:
        if currency not in self.decimals:
            raise Unsupported(
                f"{currency}: how this provider counts it is not confirmed, "
                "and a wrong factor would bill 10 or 100 times too much",
                source=self.source,
                remedy="bill in another currency",
            )
        return self.decimals[currency]


class Currencies(Protocol):
    """The interface of every table of currencies; the adapter itself writes and reads amounts."""

    @property
    def currencies(self) -> frozenset[str]:
        """Return the ISO 4217 codes that can be billed; any other is refused."""
        ...

    @property
    def source(self) -> str:
        """Where the provider documents them."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests an account may make in that many seconds. `source` states if it is a guess."""

    requests: int
    seconds: int
    source: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a provider: its default, what it is for, and what it accepts (raises ValueError)."""

    name: str
    help: str
    default: Any = None
    required: bool = False
    read: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, slots=True)
class Refusal:
    """The facts of a refusal in the provider's words, before its class is decided."""

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A class named by its path, "package.module:Name": imported only when it is called or read."""

    path: str

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Make an instance. Raises ImportError or AttributeError for a wrong path."""
        return self.load()(*arguments, **options)

    def load(self) -> Any:
        """Import the class."""
        module, _, name = self.path.partition(":")
        return getattr(import_module(module), name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling look for names that do not exist
            raise AttributeError(name)
        return getattr(self.load(), name)


@dataclass(frozen=True, slots=True)
class Cannot:
    """A verb that the provider cannot do, with the reason and its source."""

    reason: str
    source: str


def cannot(reason: str, *, source: str) -> Cannot:
    """Declare that a provider cannot do something; None would mean that it is not built yet."""
    return Cannot(reason, source)


@dataclass(frozen=True, slots=True)
class Matches:
    """The invoices that have a reference, and what made the lookup incomplete."""

    invoices: tuple[Invoice, ...] = ()
    gap: str = ""
