"""Money: integer minor units and an ISO 4217 currency; exact parse and format.

Rules of this file: no float, no rounding, no default currency. A value that does not fit raises; it is never adjusted.
What a *provider's* number means is in that provider's table (`providers/*/tables.py`), never here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, Inexact, localcontext
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Strict

__all__ = [
    "Currency",
    "Money",
    "all_codes",
    "codes",
    "exponent",
    "historic_codes",
    "nothing",
    "scale",
    "times",
    "trusted",
    "what_to_write",
]

# ISO 4217 list one, published 2026-01-01: the number of decimals of the minor unit.
_ACTIVE = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
        "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
        "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
        "MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP "
        "SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG "
        "YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# Withdrawn codes still found on old invoices (ISO 4217 list three names them without decimals; these are the decimals
# they had while in use, as the Java platform's currency data records them).
_HISTORIC = {
    0: "BEF BYR ESP GRD ITL LUF MGF PTE TRL",
    2: (
        "ANG ATS AZM BGN CSD CUC CYP DEM EEK FIM FRF GHC HRK IEP LTL LVL MRO MTL MZM NLG ROL RUR SDD SIT SKK SLL SRG "
        "STD TMM VEB VEF ZMK ZWD ZWL ZWN ZWR"
    ),
}
_EXPONENTS = {
    code: digits for table in (_ACTIVE, _HISTORIC) for digits, codes in table.items() for code in codes.split()
}
_DECIMAL_TEXT = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_MOST_DIGITS = 30  # as many as are read
_LARGEST = 10**_MOST_DIGITS


def exponent(currency: str) -> int:
    """Return how many decimals the minor unit of an ISO 4217 code has: EUR 2, JPY 0, KWD 3, CLF 4.

    Historic codes (BGN, HRK …) are known too. Raises ValueError for anything else, lower case included.
    """
    try:
        return _EXPONENTS[currency]
    except (KeyError, TypeError):
        hint = f"; write {currency.upper()!r}" if isinstance(currency, str) and currency.upper() in _EXPONENTS else ""
        raise ValueError(f"{currency!r} is not an ISO 4217 currency code{hint}") from None


def _check_currency(value: Any) -> Any:
    if isinstance(value, str):
        exponent(value)
    return value


Currency = Annotated[str, BeforeValidator(_check_currency)]
"""An upper-case ISO 4217 code, active or historic."""


def scale(value: Decimal, digits: int) -> int:
    """Return `value` × 10^`digits` as an integer, exactly.

    Raises ValueError if that is not a whole number, or if the value is not finite or has more than 30 digits.
    """
    if not value.is_finite() or value.adjusted() > 30 or (value and value.adjusted() < -60):
        raise ValueError(f"{str(value)[:40]} is not an amount of money")
    above, below = value.as_integer_ratio()  # exact, whatever the thread's decimal context is
    scaled: int
    scaled, rest = divmod(above * 10**digits, below)
    if rest:
        raise ValueError(f"{f'{value:f}'[:100]} has more than {digits} decimals, and amounts are never rounded")
    return scaled


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: `minor` units (an int; cents for EUR, yen for JPY) of an ISO 4217 `currency`.

    Compare, add and subtract within one currency; multiply by an int. JSON form: `{"minor": 2500, "currency": "EUR"}`.
    Raises TypeError for a float or a bool, ValueError for an unknown currency.

    >>> Money(1999, "EUR") + Money(1, "EUR") == Money.parse("20.00", "EUR")
    True
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # pydantic 2.10 does not take the model's

    minor: Annotated[int, Strict()]
    currency: str

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describe each field in the JSON Schema."""
        from invoice_bridge.core.descriptions import described_schema

        return described_schema("Money", core_schema, handler)

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(what_to_write(self.minor, self.currency))
        if abs(self.minor) >= _LARGEST:
            raise ValueError("an amount of money has at most 30 digits")
        exponent(self.currency)

    @classmethod
    def parse(cls, text: str | int | Decimal, currency: str) -> Money:
        """Read an amount in major units, exactly: "19.99", 19 or Decimal("19.99").

        Raises TypeError for a float; ValueError for other spellings ("1,000", "1e3", "") and for more decimals than the
        currency has (trailing zeros are fine).
        """
        digits = exponent(currency)
        if isinstance(text, bool) or not isinstance(text, str | int | Decimal):
            raise TypeError(what_to_write(text, currency))
        if isinstance(text, str):
            if not _DECIMAL_TEXT.fullmatch(text):
                raise ValueError(f'{text[:40]!r} is not an amount: write it plainly in major units, like "19.99"')
            text = Decimal(text)
        try:
            return cls(scale(Decimal(text), digits), currency)
        except ValueError as error:
            raise ValueError(f"{error} ({currency} has {digits})") from None

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return zero in a currency."""
        return cls(0, currency)

    @property
    def major(self) -> Decimal:
        """Return the exact amount in major units: Decimal("19.99")."""
        with localcontext() as exact:
            exact.prec = 40
            return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return f"{self.major:f} {self.currency}"

    def __bool__(self) -> bool:
        return self.minor != 0

    def __add__(self, other: Money) -> Money:
        minor = self.minor + self._same(other)
        return trusted(minor, self.currency) if -_LARGEST < minor < _LARGEST else Money(minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        minor = self.minor - self._same(other)
        return trusted(minor, self.currency) if -_LARGEST < minor < _LARGEST else Money(minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __mul__(self, times: int) -> Money:
        if type(times) is not int:
            raise TypeError(f"Money can be multiplied by an int only, not by {times!r}: anything else would round")
        return Money(self.minor * times, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"Money combines with Money only, not with {other!r}")
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} have different currencies, and no exchange rate is known")
        return other.minor


_new = object.__new__
_put_minor, _put_currency = (vars(Money)[name].__set__ for name in ("minor", "currency"))  # the slots of a frozen class


def trusted(minor: int, currency: str) -> Money:
    """Make an amount from an int of at most 30 digits and an ISO 4217 code, without checks."""
    money = _new(Money)
    _put_minor(money, minor)
    _put_currency(money, currency)
    return money


@lru_cache(512)
def nothing(currency: str) -> Money:
    """Return no money at all, in a currency that is known to be one."""
    return trusted(0, currency)


def times(unit: Money, quantity: Decimal | int) -> Money:
    """Return quantity × unit, exactly. Raises ValueError if that is not a whole number of minor units."""
    if isinstance(quantity, int) or (-_MOST_DIGITS < quantity.adjusted() < _MOST_DIGITS and quantity.is_finite()):
        above, below = quantity.as_integer_ratio()
        minor, rest = divmod(above * unit.minor, below)
        if not rest and -_LARGEST < minor < _LARGEST:
            return trusted(minor, unit.currency)
    with localcontext() as exact:
        exact.prec = 200
        exact.traps[Inexact] = True
        try:
            return Money(scale(quantity * Decimal(unit.minor), 0), unit.currency)
        except ArithmeticError:
            raise ValueError(f"{quantity} × {unit} is out of range") from None


def what_to_write(value: object, currency: object) -> str:
    """Describe what to write instead of a value that is not money; a float's digits are never guessed."""
    if not isinstance(value, float):
        kind = type(value).__name__
        return f"an amount of money is an int of minor units, or text for Money.parse, not {kind} {value!r}"
    digits = _EXPONENTS.get(currency, 2) if isinstance(currency, str) else 2
    text = f"{value:.{digits}f}"
    if not _DECIMAL_TEXT.fullmatch(text) or Decimal(text) != Decimal(repr(value)):
        text = "…"
    return (
        f"a float cannot hold money exactly: instead of {value!r} write "
        f'Money.parse("{text}", "{currency}") or Money(minor, "{currency}") with an integer of minor units'
    )


def all_codes() -> frozenset[str]:
    """Return every known code, active and historic."""
    return frozenset(_EXPONENTS)


def codes(digits: int) -> frozenset[str]:
    """Return the active ISO 4217 codes whose minor unit has that many decimals."""
    return frozenset(_ACTIVE.get(digits, "").split())


def historic_codes(digits: int) -> frozenset[str]:
    """Return the withdrawn ISO 4217 codes whose minor unit had that many decimals."""
    return frozenset(_HISTORIC.get(digits, "").split())
