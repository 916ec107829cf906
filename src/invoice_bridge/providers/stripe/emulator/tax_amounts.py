"""Taxes that a line states in amounts, as Stripe takes and adds them up (InvoiceAddLinesParamsLineTaxAmount)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from invoice_bridge.adapter.emulation.core import ErrorResponse

TAXES_PER_LINE = 20
RATE_DECIMALS = 4


def read_tax_amounts(
    given: Mapping[str, Any],
    at: str,
    refuse: Callable[..., ErrorResponse],
    integer: Callable[[Mapping[str, Any], str, str], int | None],
    rate_id: Callable[[tuple[str, str, Decimal]], str],
) -> list[dict[str, Any]]:
    """Return the taxes of one line. Raises what `refuse` makes of a message."""
    if len(given) > TAXES_PER_LINE:
        raise refuse(f"You can only set {TAXES_PER_LINE} tax amounts on a line.", param=at)
    rows = []
    for place, row in given.items():
        data = row.get("tax_rate_data") or {}
        for parts, names in ((row, ("amount", "taxable_amount")), (data, ("display_name", "inclusive", "percentage"))):
            for name in names:
                if name not in parts:
                    param = f"{at}[{place}]" + ("[tax_rate_data]" if parts is data else "") + f"[{name}]"
                    raise refuse(f"Missing required param: {param}.", code="parameter_missing", param=param)
        amounts = {name: integer(row, name, f"{at}[{place}][{name}]") for name in ("amount", "taxable_amount")}
        percentage = read_percentage(data["percentage"])
        if percentage is None:
            message = f"Invalid percentage: must be between 0 and 100, with at most {RATE_DECIMALS} decimal places"
            raise refuse(message, param=f"{at}[{place}][tax_rate_data][percentage]")
        behavior = "inclusive" if data["inclusive"] == "true" else "exclusive"
        rate = {"tax_rate": rate_id((data["display_name"], behavior, percentage))}
        rows.append({**amounts, "tax_behavior": behavior, "tax_rate_details": rate, "type": "tax_rate_details"})
    return rows


def read_percentage(text: str) -> Decimal | None:
    """Return a rate of 0 to 100 with at most four decimals; None for any other text."""
    try:
        percentage = Decimal(text)
    except InvalidOperation:
        return None
    if not percentage.is_finite() or not 0 <= percentage <= 100:
        return None
    return percentage if int(percentage.as_tuple().exponent) >= -RATE_DECIMALS else None


def by_rate(taxes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the taxes of all lines, one for each rate (Invoice.total_taxes): sums of the lines' amounts alone."""
    rows: dict[str, dict[str, Any]] = {}
    for tax in taxes:
        row = rows.setdefault(tax["tax_rate_details"]["tax_rate"], {**tax, "amount": 0, "taxable_amount": 0})
        row["amount"] += tax["amount"]
        row["taxable_amount"] += tax["taxable_amount"]
    return list(rows.values())
