"""The kinds of values that native parameters take: the caller's value and the value sent for it.

Rules of this file: `read` raises ValueError for any value that the provider would not accept; nothing is rounded, cut
off
or guessed. Amounts are Money, so that no number in the provider's own units is ever written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from invoice_bridge.core.money import Money
from invoice_bridge.core.values import in_utc

_DECIMAL = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: its name for a reader, and the function from the caller's value to the value sent.

    `samples` are two values that it takes and one that it refuses.
    """

    name: str
    read: Callable[[Any], Any]
    samples: tuple[Any, Any, Any]

    @staticmethod
    def text(longest: int = 255, pattern: str = "", *, samples: tuple[str, str] = ("one", "two")) -> Kind:
        """Return a text of one to `longest` characters, which matches the pattern as a whole."""

        def read(value: Any) -> str:
            if not isinstance(value, str) or not value:
                raise ValueError("it is to be a text")
            if len(value) > longest:
                raise ValueError(f"it has {len(value)} characters, and the provider takes {longest} at most")
            if pattern and not re.fullmatch(pattern, value):
                raise ValueError(f"{value!r} is to match {pattern}")
            return value

        return Kind(f"text, {longest} characters at most", read, (*samples, 7))

    @staticmethod
    def one_of(*words: str) -> Kind:
        """Return one of these words."""

        def read(value: Any) -> str:
            if not isinstance(value, str) or value not in words:
                raise ValueError(f"it is to be one of {', '.join(map(repr, words))}")
            return value

        return Kind(f"one of {', '.join(words)}", read, (words[0], words[1], "no such word"))

    @staticmethod
    def whole(least: int = 0, most: int = 2**31 - 1) -> Kind:
        """Return a whole number between the two, both included. It is never an amount."""

        def read(value: Any) -> int:
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ValueError(f"it is to be a whole number from {least} to {most}")
            return value

        return Kind(f"whole number, {least} or more", read, (least + 1, least + 2, "1"))

    @staticmethod
    def flag() -> Kind:
        """True or False."""

        def read(value: Any) -> bool:
            if not isinstance(value, bool):
                raise ValueError("it is to be True or False")
            return value

        return Kind("True or False", read, (True, False, "true"))

    @staticmethod
    def decimal_text(longest: int) -> Kind:
        """Return a decimal number, sent as plain text: a Decimal or a text such as "19.9875"."""

        def read(value: Any) -> str:
            if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
                raise ValueError('it is to be a Decimal, or a text such as "19.9875"')
            plain = value if isinstance(value, str) else f"{value:f}" if isinstance(value, Decimal) else str(value)
            if not _DECIMAL.fullmatch(plain) or len(plain) > longest:
                raise ValueError(f"{value!r} is no plain decimal number of {longest} characters at most")
            return plain

        return Kind(f"decimal number, {longest} characters at most", read, (Decimal("12.004"), "12.003", "1e3 EUR"))

    @staticmethod
    def moment(write: Callable[[datetime], Any]) -> Kind:
        """Return an instant with its time zone: a datetime, or a text such as 2026-05-01T00:00:00Z."""

        def read(value: Any) -> Any:
            if isinstance(value, str):
                try:
                    value = datetime.fromisoformat(value)
                except ValueError:
                    raise ValueError(f"{value!r} is no instant: write 2026-05-01T00:00:00Z") from None
            if not isinstance(value, datetime):
                raise ValueError("it is to be an aware datetime, or a text such as 2026-05-01T00:00:00Z")
            return write(in_utc(value))

        samples = (datetime(2027, 1, 1, tzinfo=UTC), "2027-01-02T00:00:00Z", 1798761600)
        return Kind("instant with its time zone", read, samples)

    @staticmethod
    def amount(write: Callable[[Money], Any]) -> Kind:
        """Return an amount of money: Money, or {"minor": 1999, "currency": "EUR"} in a file."""

        def read(value: Any) -> Any:
            if isinstance(value, Mapping) and set(value) == {"minor", "currency"}:
                try:
                    value = Money(value["minor"], value["currency"])
                except (TypeError, ValueError) as error:
                    raise ValueError(str(error)) from None
            if not isinstance(value, Money):
                raise ValueError(
                    'it is to be Money, such as Money.parse("1.00", "EUR"): units are never written by hand'
                )
            return write(value)

        return Kind("Money", read, (Money(100, "EUR"), Money(200, "EUR"), 100))

    @staticmethod
    def list_of(kind: Kind, *, least: int = 1, most: int = 100) -> Kind:
        """Return a list of values of a kind, one at least by default."""

        def read(value: Any) -> list[Any]:
            if not isinstance(value, list | tuple) or not least <= len(value) <= most:
                raise ValueError(f"it is to be a list of {least} to {most} values")
            return [kind.read(one) for one in value]

        one, two, wrong = kind.samples
        return Kind(f"list: {kind.name}", read, ([one], [two, one], wrong))
