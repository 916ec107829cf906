"""Values that an adapter declares or returns: statuses, refusals, amounts, rates, settings, what it cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol

from invoice_bridge.adapter.recurring import AmountsByCurrency
from invoice_bridge.core.errors import (
    ProviderError,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money, exponent


# ── what is known of a bill ──────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class History:
    """What is known of the earlier tries of a bill: by a journal, by the client's own memory, or from the caller."""

    tried: bool | None = None
    """Whether there was an earlier try; None where there is no journal."""
    since: datetime | None = None
    """When the first try began: no invoice of the bill is older."""
    made: tuple[str, ...] = ()
    """The ids of the invoices that earlier tries are known to have made."""
    mine: frozenset[str] = frozenset()
    """Those of `made` that this very attempt made."""
    applied: frozenset[str] = frozenset()
    """The keys and addresses of the requests that are known to have been answered with success."""
    other_content: bool = False
    """Whether a try of the reference had other content: its customer may be another one."""
    unsettled: bool = False
    """Whether a request of another attempt was lost so lately that it may still take effect."""


NO_HISTORY = History()


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class StatusRow:
    """A provider's word for a status, and ours."""

    native: str
    status: Status
    source: str


def status_of(rows: Iterable[StatusRow], word: object) -> Status:
    """Return our word for a provider's; unknown for any word that is not in the table, null included."""
    return next((row.status for row in rows if row.native == word), Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How a refusal is told apart: its code (or type, or HTTP status), and the error it becomes.

    `maybe_applied`: the request may have taken effect all the same (an earlier try of it is still running, say).
    `key_reused`: its idempotency key came before with another request.
    """

    becomes: type[ProviderError]
    source: str
    code: str | None = None
    type: str | None = None
    status: int | None = None
    maybe_applied: bool = False
    key_reused: bool = False

    def fits(self, code: str | None, kind: str | None, status: int) -> bool:
        """Whether this row speaks of such an answer."""
        return (
            (self.code is None or self.code == code)
            and (self.type is None or self.type == kind)
            and (self.status is None or self.status == status)
        )


@dataclass(frozen=True)
class Units:
    """What a provider's integer amounts mean: how many decimals each currency has there.

    A currency that is not listed is refused: its factor is not confirmed. `read_only` lists those that are read and
    never sent: a wrong factor there is seen in a report, and not on a bill; `read_source` says where it is documented.
    `multiple_of` lists those whose numbers must be whole multiples when they are sent.
    """

    decimals: Mapping[str, int]
    source: str
    multiple_of: Mapping[str, int] = field(default_factory=dict)
    read_only: Mapping[str, int] = field(default_factory=dict)
    read_source: str = ""

    @cached_property
    def amounts(self) -> AmountsByCurrency:
        """The amounts that whole numbers mean, by currency; None for one that `from_units` has to judge."""
        return AmountsByCurrency({**self.read_only, **self.decimals})

    def to_units(self, money: Money) -> int:
        """Return the provider's number for an amount. Raises Unsupported for what it cannot carry exactly."""
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
        """The codes that can be billed; any other is refused."""
        return frozenset(self.decimals)

    @property
    def readable(self) -> frozenset[str]:
        """The codes whose amounts are read: those that can be billed, and those that are only read."""
        return frozenset(self.decimals) | frozenset(self.read_only)

    def from_units(self, units: int, currency: str) -> Money:
        """Return the amount that a provider's number means. Raises ValueError for what cannot be read exactly."""
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
    """What is asked of every table of currencies; how amounts are written and read is the adapter's own affair."""

    @property
    def currencies(self) -> frozenset[str]:
        """The ISO 4217 codes that can be billed; any other is refused."""
        ...

    @property
    def source(self) -> str:
        """Where the provider documents them."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests an account may make in so many seconds. Where `source` is a guess, it says so."""

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
    """The facts of a refusal as the provider words them, before its class is decided."""

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A class named by its path, "package.module:Name": imported when it is called or read, and not before."""

    path: str

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Make one. Raises ImportError and AttributeError for a path that leads nowhere."""
        return self.load()(*arguments, **options)

    def load(self) -> Any:
        """Import the class."""
        module, _, name = self.path.partition(":")
        return getattr(import_module(module), name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copying and pickling look for is not there
            raise AttributeError(name)
        return getattr(self.load(), name)


@dataclass(frozen=True, slots=True)
class Cannot:
    """What the provider does not have, with the reason and where that is documented."""

    reason: str
    source: str


def cannot(reason: str, *, source: str) -> Cannot:
    """Declare that a provider cannot do something; None in its place would mean that nobody has built it yet."""
    return Cannot(reason, source)


@dataclass(frozen=True, slots=True)
class Matches:
    """The invoices that carry a reference, and what kept the lookup from being complete."""

    invoices: tuple[Invoice, ...] = ()
    gap: str = ""
