"""What the lines, discounts and taxes of an invoice come to, as Stripe computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from invoice_bridge.adapter.emulation.core import ErrorResponse
from invoice_bridge.providers.stripe.emulator.tax_amounts import by_rate
from invoice_bridge.providers.stripe.tables import MONEY


def amounts_of(
    found: Mapping[str, Any],
    percent_off: int,
    tax_percent: int,
    *,
    is_inclusive: bool,
    refuse: Callable[..., ErrorResponse],
) -> dict[str, Any]:
    """Return the sums of an invoice, its taxes and discounts. Raises what `refuse` makes of a message."""
    subtotal, automatic = sum(row["amount"] for row in found["rows"]), found["automatic_tax"]["enabled"]
    off = share(subtotal, percent_off)
    taxed = subtotal - off if automatic else _rated(found, subtotal, off)
    within = automatic and is_inclusive
    tax = share(taxed, tax_percent)
    if within:
        tax = taxed - int((Decimal(taxed) * 100 / (100 + tax_percent)).quantize(Decimal(1), ROUND_HALF_UP))
    behavior = "inclusive" if within else "exclusive"
    whole = MONEY.multiple_of.get(found["currency"].upper(), 1) if automatic else 1
    # Stripe rounds UGX to the nearest 100; the same is assumed of ISK
    tax = int((Decimal(tax) / whole).quantize(Decimal(1), ROUND_HALF_UP)) * whole
    stated = [row for line in found["rows"] for row in line["taxes"]]
    if stated and automatic:
        raise refuse("You cannot set tax amounts on an invoice that uses automatic tax.")
    if stated and found.get("default_tax_rates"):
        raise refuse("You cannot set tax amounts on an invoice that has default tax rates.")
    base = taxed - tax if within else taxed
    taxes: list[dict[str, Any]] = [{"amount": tax, "tax_behavior": behavior, "taxable_amount": base}]
    taxes = (taxes if automatic or tax else []) + by_rate(stated)
    tax += sum(row["amount"] for row in stated)
    total = subtotal - off + sum(row["amount"] for row in taxes if row["tax_behavior"] == "exclusive")
    return {
        "subtotal": subtotal,
        "total": total,
        "total_excluding_tax": total - tax,
        "total_taxes": taxes,
        "total_discount_amounts": [{"amount": off, "discount": "di_1"}] if off else [],
        "amount_shipping": 0,
        "pre_payment_credit_notes_amount": 0,
        "post_payment_credit_notes_amount": 0,
    }


def share(amount: int, percent: int) -> int:
    """Return so many per cent of an amount, half a unit rounded up."""
    return int((Decimal(amount) * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))


def _rated(found: Mapping[str, Any], subtotal: int, off: int) -> int:
    """Return what is taxed without automatic tax: everything by default rates, or the items with rates."""
    if found.get("default_tax_rates"):
        return subtotal - off
    return sum(row["amount"] for row in found["rows"] if row.get("rated"))
