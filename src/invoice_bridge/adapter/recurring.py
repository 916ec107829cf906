"""Amounts, instants and numbers as answers repeat them: the last few hundred of each are kept and shared.

Rules of this file: a mapping is asked by what JSON has, of the type that it states; None means that it takes a Reader
to say what the value is. What is kept cannot be changed, and is dropped all at once when it becomes too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from invoice_bridge.core.money import Money, exponent, trusted

K = TypeVar("K")
V = TypeVar("V")

_KEPT = 256
_LAST_SECOND = 253_402_300_800
"""The unix time at which the year 10000 begins."""
_PLAIN_DIGITS = 10**15
"""Whole numbers below this are money in any unit, whatever they are multiplied by."""
_LONGEST_INSTANT = 40


class _Recurring(dict[K, V | None]):
    """Makes a value when it is asked for the first time."""

    __slots__ = ()

    def __missing__(self, key: K) -> V | None:
        value = self.make(key)
        if value is not None:
            if len(self) >= _KEPT:
                self.clear()
            self[key] = value
        return value

    def make(self, key: K) -> V | None:
        """Return the value, or None where it is not the common case."""
        raise NotImplementedError


class Amounts(_Recurring[int, Money]):
    """Amounts of one currency by the provider's integer units; none without a whole `factor` to minor units."""

    __slots__ = ("_currency", "_factor")

    def __init__(self, currency: str, factor: int | None) -> None:
        super().__init__()
        self._currency, self._factor = currency, factor

    def make(self, key: int) -> Money | None:
        """Return the amount of so many units."""
        if self._factor is None or not -_PLAIN_DIGITS < key < _PLAIN_DIGITS:
            return None
        return trusted(key * self._factor, self._currency)


NO_AMOUNTS = Amounts("", None)
"""Where there is no currency, or no whole factor."""


class AmountsByCurrency(dict[str | None, Amounts]):
    """The amounts of each currency, by how many decimals it has at the provider."""

    __slots__ = ("_digits",)

    def __init__(self, digits: Mapping[str, int]) -> None:
        super().__init__()
        self._digits = digits

    def __missing__(self, currency: str | None) -> Amounts:
        if currency is None or currency not in self._digits:
            return NO_AMOUNTS
        power = exponent(currency) - self._digits[currency]
        amounts = self[currency] = Amounts(currency, 10**power if power >= 0 else None)
        return amounts


class _Digits(_Recurring[str, Money]):
    """Amounts of one currency by the provider's units in a text of digits alone."""

    __slots__ = ("_amounts",)

    def __init__(self, amounts: Amounts) -> None:
        super().__init__()
        self._amounts = amounts

    def make(self, key: str) -> Money | None:
        """Return the amount."""
        return self._amounts[int(key)] if len(key) < 16 and key.isascii() and key.isdigit() else None


class WrittenByCurrency(dict[str, _Digits]):
    """The amounts of each currency by what is written."""

    __slots__ = ("_amounts",)

    def __init__(self, amounts: AmountsByCurrency) -> None:
        super().__init__()
        self._amounts = amounts

    def __missing__(self, currency: str) -> _Digits:
        digits = self[currency] = _Digits(self._amounts[currency])
        return digits


class _Seconds(_Recurring[int, datetime]):
    """Instants by their unix second."""

    __slots__ = ()

    def make(self, key: int) -> datetime | None:
        """Return the instant; 0 is none."""
        return datetime.fromtimestamp(key, UTC) if 0 < key < _LAST_SECOND else None


class _Written(_Recurring[str, datetime]):
    """Instants as RFC 3339 writes them, with their zone."""

    __slots__ = ()

    def make(self, key: str) -> datetime | None:
        """Return the instant in UTC."""
        if len(key) > _LONGEST_INSTANT or not key.isascii():
            return None
        try:
            instant = datetime.fromisoformat(key)
            return None if instant.tzinfo is None else instant.astimezone(UTC)
        except (OverflowError, ValueError):
            return None


class _Numbers(_Recurring[int | str, Decimal]):
    """Exact numbers by what is written: a whole number, or a text of digits alone."""

    __slots__ = ()

    def make(self, key: int | str) -> Decimal | None:
        """Return the number."""
        if type(key) is int:
            plain = -_PLAIN_DIGITS < key < _PLAIN_DIGITS
        else:
            plain = isinstance(key, str) and len(key) < 18 and key.isascii() and key.isdigit()
        return Decimal(key) if plain else None


SECONDS, WRITTEN, NUMBERS = _Seconds(), _Written(), _Numbers()
