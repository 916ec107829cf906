"""All that the shop knows of billing: its client, and how a month becomes a bill. No provider is named here."""

from __future__ import annotations

import tomllib
from pathlib import Path

from invoice_bridge import Client, Handover, Invoice, Line, Money, Period, PeriodInvoice, Shadow
from shop.store import Order

Billing = Client | Shadow | Handover


def open_billing(config: Path) -> Billing:
    """Return the client that the file asks for: one provider, a shadow phase, or a handover to another provider."""
    switch = tomllib.loads(config.read_text("utf-8")).get("switch")
    if switch is None:
        return Client.from_config(config)
    return Handover.from_config(config) if "at" in switch else Shadow.from_config(config)


def bill_month(billing: Billing, customer: str, month: str, orders: list[Order]) -> Invoice:
    """Bill a customer's orders of a month ("2026-10"); called again, by any process, it is the same invoice."""
    year, number = map(int, month.split("-"))
    return billing.create(
        PeriodInvoice(
            reference=f"{customer}/{month}",
            customer=customer,
            period=Period.month(year, number),
            currency="EUR",
            lines=[
                Line(
                    description=order.item,
                    quantity=order.quantity,
                    unit_amount=Money(order.unit_cents, "EUR"),
                    amount=Money(order.unit_cents * order.quantity, "EUR"),
                )
                for order in orders
            ],
        )
    )
