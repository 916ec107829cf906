"""Every leaf of the two bills: what a caller can set, by its path.

Rules of this file: those of commands.py. A test holds it equal to the fields of the bills.
"""

from __future__ import annotations

from invoice_bridge.core.bills import Bill, OneTimeCharge, PeriodInvoice

__all__ = ["LEAVES"]

_SHARED_LEAVES = (
    "reference",
    "customer.id",
    "customer.email",
    "customer.name",
    "customer.address",
    "customer.tax_ids[]",
    "currency",
    "lines[].description",
    "lines[].quantity",
    "lines[].unit_amount",
    "lines[].amount",
    "lines[].period.start",
    "lines[].period.end",
    "lines[].id",
    "lines[].product",
    "lines[].price",
    "lines[].subscription",
    "lines[].discount",
    "lines[].taxes[]",
    "lines[].metadata",
    "lines[].proration",
    "lines[].provider",
    "discounts[].id",
    "discounts[].code",
    "discounts[].name",
    "discounts[].amount",
    "subscription",
    "period.start",
    "period.end",
    "description",
    "purchase_order",
    "metadata",
    "issued_at",
    "collection.kind",
    "collection.due",
    "collection.net_days",
    "collection.payment_method",
    "tax",
    "tax[]",
    "draft",
    "attempt",
    "native",
    "native_unchecked",
    "expect_total",
)
LEAVES: dict[type[Bill], tuple[str, ...]] = {
    OneTimeCharge: (*_SHARED_LEAVES, "amount"),
    PeriodInvoice: _SHARED_LEAVES,
}
"""Every leaf of each bill, as a row of a provider's `FIELDS` or a loss names it.

An amount of money is one leaf; the currency of all of them is another. `customer.id` is the id at the provider, however
the customer was given.
"""
