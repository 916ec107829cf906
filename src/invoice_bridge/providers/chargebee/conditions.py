"""The conditions of the rows in fields.py: what the bill consists of, and what the site accepts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from invoice_bridge.core.model import Line


def bills_accrued(command: Any) -> bool:
    """Return whether the bill consists of a subscription's unbilled charges."""
    return command.verb == "period_invoice" and not command.lines


def bills_subscription(command: Any) -> bool:
    """Return whether lines of the caller's own are billed to a subscription."""
    return command.subscription is not None and not bills_accrued(command)


def carries_price(line: Line, settings: Mapping[str, Any]) -> bool:
    """Return whether a line bills an item price at the caller's amount, which only product catalog 2 has."""
    return line.price is not None and line.names_at("chargebee") and settings.get("product_catalog") != 1


def is_compared_first(command: Any, settings: Mapping[str, Any]) -> bool:
    """Return whether a bill begins as a pending invoice, because Chargebee may calculate another amount.

    Native parameters that change the amount come with `expect_total`; the effect of unchecked ones is unknown.
    """
    if command.discounts or command.expect_total is not None or command.native_unchecked.get("chargebee"):
        return True
    return any(carries_price(line, settings) for line in command.lines)


def reference_field(command: Any, settings: Mapping[str, Any]) -> str | None:
    """Return the field that carries the reference, None if a purchase order takes the only one.

    The purchase order is the bill's, or the subscription's: its invoices inherit that (chargebee 3.29.0,
    Subscription.po_number), so it is never overwritten. On a bill of item prices po_number is not read as a reference
    either, because invoices that Chargebee makes of its own catalog look the same.
    """
    taken = command.purchase_order or command.subscription is not None or bills_accrued(command)
    taken = taken or (command.verb != "import_invoice" and any(carries_price(line, settings) for line in command.lines))
    return settings.get("reference_field") or (None if taken else "po_number")


def accrued(command: Any, _context: Any) -> bool:
    """Return whether the bill consists of unbilled charges."""
    return bills_accrued(command)


def collects_unseen(command: Any, context: Any) -> bool:
    """Return whether one request makes and collects the bill."""
    return (
        not bills_accrued(command)
        and context.settings.get("product_catalog") == 1
        and command.collection.kind == "charge"
    )


def rated(command: Any, _context: Any) -> bool:
    """Return whether the lines are the caller's own."""
    return not bills_accrued(command)


def names_its_customer(command: Any, _context: Any) -> bool:
    """Return whether the invoice is made for the customer."""
    return not bills_accrued(command) and command.subscription is None


def names_its_subscription(command: Any, _context: Any) -> bool:
    """Return whether the invoice is made for a subscription."""
    return bills_subscription(command)


def takes_the_subscriptions_source(command: Any, _context: Any) -> bool:
    """Return whether the invoice is collected from the subscription's payment source."""
    collection = command.collection
    return bills_subscription(command) and collection.kind == "charge" and collection.payment_method is None


def has_price(command: Any, context: Any) -> bool:
    """Return whether a line bills an item price."""
    return any(carries_price(line, context.settings) for line in command.lines)


def has_price_untaxed(command: Any, context: Any) -> bool:
    """Return whether an item price is billed without tax."""
    return bool(command.tax == "none") and has_price(command, context)


def price_is_lost(command: Any, context: Any) -> bool:
    """Return whether a line names a price that is not sent."""
    return any(line.price is not None and not carries_price(line, context.settings) for line in command.lines)


def is_on_catalog_1(_command: Any, context: Any) -> bool:
    """Return whether the site has product catalog 1."""
    return bool(context.settings.get("product_catalog") == 1)


def is_issued_after_comparison(command: Any, context: Any) -> bool:
    """Return whether a bill that is not collected begins as a pending invoice."""
    return (
        is_compared_first(command, context.settings)
        and command.collection.kind != "charge"
        and not command.draft
        and not bills_accrued(command)
        and not is_on_catalog_1(command, context)
    )


def quantity_is_lost(command: Any, _context: Any) -> bool:
    """Return whether a line has a quantity other than one."""
    return any(line.quantity is not None and line.quantity != 1 for line in command.lines)


def terms_are_lost(command: Any, context: Any) -> bool:
    """Return whether the request accepts no payment terms."""
    return bills_accrued(command) or context.settings.get("product_catalog") == 1


def reference_is_lost(command: Any, context: Any) -> bool:
    """Return whether no field carries the reference."""
    return reference_field(command, context.settings) is None


def month_before(instant: datetime) -> datetime:
    """Return the date one calendar month earlier: the same day, or the last of a shorter month."""
    last_of_before = instant.replace(day=1) - timedelta(days=1)
    return last_of_before.replace(day=min(instant.day, last_of_before.day))
