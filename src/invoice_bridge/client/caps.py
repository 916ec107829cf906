"""The table [profiles.NAME.mcp]: how much an assistant may bill through the MCP server, and how long a plan holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from invoice_bridge.core.money import Money

__all__ = ["KEYS", "Caps", "caps_of", "fault_of_caps"]

KEYS = frozenset({"per_bill", "per_run", "confirm_within", "ask"})
_LONGEST = 86_400
_TABLE = 'per_bill = ["100.00 EUR"], per_run = ["500.00 EUR"] and, if 600 seconds are not right, confirm_within = 300'


@dataclass(frozen=True, slots=True)
class Caps:
    """The amounts by currency that one bill, and all bills of a run together, may reach; a currency without is none."""

    per_bill: Mapping[str, Money]
    per_run: Mapping[str, Money]
    confirm_within: float = 600.0
    """Seconds in which a plan that was shown may be made."""
    ask: bool = False
    """Whether nothing is made where the assistant's program cannot ask its user."""


def fault_of_caps(value: Any) -> str | None:
    """Describe what is wrong with the table; return None for a valid one."""
    if not isinstance(value, dict) or not set(value) <= KEYS:
        return f"it must be a table of {_TABLE}"
    if not {"per_bill", "per_run"} <= set(value):
        return f"it needs both caps: {_TABLE}"
    seconds = value.get("confirm_within", 600)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST:
        return f"confirm_within must be a number of seconds above 0, up to {_LONGEST}"
    if not isinstance(value.get("ask", False), bool):
        return "ask must be true or false"
    try:
        caps = caps_of(value)
    except (TypeError, ValueError):
        return f"each cap must be a list of amounts, one for each currency, as texts: {_TABLE}"
    for amounts, name in ((caps.per_bill, "per_bill"), (caps.per_run, "per_run")):
        if not amounts or len(amounts) != len(value[name]) or any(amount.minor <= 0 for amount in amounts.values()):
            return f"{name} must have an amount above zero for each currency, each currency once: {_TABLE}"
    if set(caps.per_bill) != set(caps.per_run):
        return "per_bill and per_run must name the same currencies"
    return None


def caps_of(table: Mapping[str, Any]) -> Caps:
    """Return the caps of a table that has no fault."""
    read = [{m.currency: m for m in map(_money, _listed(table[name]))} for name in ("per_bill", "per_run")]
    return Caps(read[0], read[1], float(table.get("confirm_within", 600)), table.get("ask", False))


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _money(text: Any) -> Money:
    if not isinstance(text, str):
        raise TypeError("no text")
    amount, _, currency = text.partition(" ")
    return Money.parse(amount, currency)
