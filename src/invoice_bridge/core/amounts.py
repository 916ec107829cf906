"""Amounts as people write them in files and conversations, "19.99 EUR": read exactly, never through a float."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.money import Money

__all__ = ["all_amounts", "amount", "amounts_of_bill"]

_AMOUNT = re.compile(r"(\S+)\s+([A-Z]{3})", re.ASCII)
_AMOUNTS = frozenset({"amount", "unit_amount", "discount", "expect_total"})
_MONEY = frozenset({"amount", "unit_amount", "total", "discount", "base", "refunded"})
"""The names of the amounts of an import, at any depth."""


def all_amounts(value: Any, at: str = "") -> Any:
    """Read the amounts that are written as text, at any depth."""
    if isinstance(value, dict):
        return {
            name: amount(_text(inner), f"{at}{name}")
            if name in _MONEY and isinstance(inner, str | int | Decimal)
            else all_amounts(inner, f"{at}{name}.")
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [all_amounts(inner, f"{at}{place}.") for place, inner in enumerate(value)]
    return value


def amounts_of_bill(bill: Mapping[str, Any]) -> dict[str, Any]:
    """Read the amounts that are written as text, of the bill, its lines with their taxes, and its discounts."""
    read = _read(bill, "")
    for name in ("lines", "discounts"):
        if isinstance(parts := bill.get(name), list):
            read[name] = [
                _read(part, f"{name}.{place}.") if isinstance(part, dict) else part for place, part in enumerate(parts)
            ]
    return read


def _read(given: Mapping[str, Any], at: str) -> dict[str, Any]:
    read = {
        name: amount(_text(value), at + name) if name in _AMOUNTS and isinstance(value, str | int | Decimal) else value
        for name, value in given.items()
    }
    if isinstance(taxes := given.get("taxes"), list):
        read["taxes"] = all_amounts(taxes, f"{at}taxes.")
    return read


def _text(value: str | int | Decimal) -> str:
    """A value as text. An integer of TOML can have more digits than Python writes out: then its hexadecimal ones."""
    try:
        return str(value)
    except ValueError:
        return hex(int(value))


def amount(text: str, where: str) -> Money:
    """Read "19.99 EUR" exactly. Raises ConfigurationError naming `where`."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f'{where}: {text[:40]!r} is not an amount: write it like "19.99 EUR"')
    try:
        return Money.parse(found[1], found[2])
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None
