"""Invoices as Chargebee states them, written by hand: one of each product catalog."""

from decimal import Decimal
from typing import Any

MAY_DAY = 1_777_593_600
"""2026-05-01."""
JUNE = 1_780_272_000
"""2026-06-01."""

WHOLE: dict[str, Any] = {
    "id": "42",
    "object": "invoice",
    "status": "payment_due",
    "currency_code": "EUR",
    "price_type": "tax_exclusive",
    # 150.00 − 10.00 + 28.00 + 1.25 on top + 0.75 by rounding
    "sub_total": 14000,
    "tax": 2925,
    "round_off_amount": 75,
    "total": 17000,
    "amount_paid": 4000,
    "amount_adjusted": 500,
    "credits_applied": 0,
    "write_off_amount": 0,
    "amount_due": 12500,
    "amount_to_collect": 11500,
    "date": MAY_DAY,
    "updated_at": MAY_DAY + 60,
    "next_retry_at": MAY_DAY + 86400,
    "subscription_id": "sub_1",
    "recurring": True,
    "customer_id": "cus_1",
    "vat_number": "123456789",
    "vat_number_prefix": "XI",
    "billing_address": {
        "first_name": "Ada",
        "last_name": "Byron",
        "company": "Engines Ltd",
        "email": "ada@example.com",
        "line1": "1 Mill Road",
        "line2": "Unit 2",
        "line3": "Docklands",
        "city": "Belfast",
        "state_code": "ANT",
        "zip": "BT1 1AA",
        "country": "GB",
        "object": "billing_address",
    },
    "line_items": [
        {
            "id": "li_1",
            "amount": 10000,
            "unit_amount": 10000,
            "quantity": 1,
            "date_from": MAY_DAY,
            "date_to": JUNE,
            "description": "Fleet - Prorated Charges",
            "entity_type": "plan_item_price",
            "entity_id": "fleet-EUR-monthly",
            "subscription_id": "sub_1",
            "proration_mode": "delta",
            "discount_amount": 1000,
            "is_taxed": True,
            "tax_amount": 1800,
            "tax_rate": Decimal("20.0"),
            "object": "line_item",
        },
        {
            "id": "li_2",
            "amount": 5000,
            "description": "Roadside call",
            "entity_type": "adhoc",
            "discount_amount": 0,
            "is_taxed": True,
            "tax_amount": 1125,
            "object": "line_item",
        },
    ],
    "discounts": [
        {
            "amount": 1000,
            "description": "Spring offer",
            "entity_type": "item_level_coupon",
            "entity_id": "SPRING",
            "coupon_set_code": "SPRING-7Q",
            "line_item_id": "li_1",
            "object": "discount",
        }
    ],
    "line_item_discounts": [
        {"line_item_id": "li_1", "discount_type": "item_level_coupon", "entity_id": "SPRING", "discount_amount": 1000}
    ],
    "taxes": [{"name": "VAT", "amount": 2800}, {"name": "City", "amount": 125}],
    "line_item_taxes": [
        {"line_item_id": "li_1", "tax_name": "VAT", "tax_rate": 20, "taxable_amount": 9000, "tax_amount": 1800},
        {"line_item_id": "li_2", "tax_name": "VAT", "tax_rate": 20, "taxable_amount": 5000, "tax_amount": 1000},
        {
            "line_item_id": "li_2",
            "tax_name": "City",
            "tax_rate": Decimal("2.5"),
            "taxable_amount": 5000,
            "tax_amount": 125,
        },
    ],
    "linked_payments": [
        {
            "txn_id": "txn_1",
            "txn_status": "failure",
            "applied_amount": 17000,
            "txn_amount": 17000,
            "txn_date": MAY_DAY,
            "applied_at": MAY_DAY + 1,
        },
        {
            "txn_id": "txn_2",
            "txn_status": "success",
            "applied_amount": 4000,
            "txn_amount": 9000,
            "applied_at": MAY_DAY + 60,
        },
        {"txn_id": "txn_3", "txn_status": "in_progress", "applied_amount": 1000, "txn_amount": 1000},
    ],
    "dunning_attempts": [
        {
            "attempt": 0,
            "dunning_type": "auto_collect",
            "transaction_id": "txn_1",
            "txn_status": "failure",
            "txn_amount": 17000,
            "created_at": MAY_DAY,
        },
        {"attempt": 1, "dunning_type": "offline", "created_at": MAY_DAY + 30},
    ],
    "adjustment_credit_notes": [
        {
            "cn_id": "CN-1",
            "cn_create_reason_code": "Waiver",
            "cn_reason_code": "waiver",
            "cn_date": MAY_DAY,
            "cn_total": 500,
            "cn_status": "adjusted",
        },
        {"cn_id": "CN-2", "cn_create_reason_code": "Other", "cn_total": 700, "cn_status": "voided"},
    ],
    "issued_credit_notes": [],
}
"""Product catalog 2: two taxes on top, a coupon, rounding, a part payment, a credit note."""

OLD: dict[str, Any] = {
    "id": "19",
    "status": "paid",
    "currency_code": "EUR",
    "price_type": "tax_inclusive",
    # 119.00 + 11.90, of which 19.00 + 1.90 is tax
    "sub_total": 13090,
    "tax": 2090,
    "total": 13090,
    "amount_paid": 13090,
    "amount_due": 0,
    "line_items": [
        {
            "id": "li_1",
            "amount": 11900,
            "entity_type": "plan",
            "entity_id": "gold",
            "tax_amount": 1900,
            "tax_rate": Decimal("19.0"),
        },
        {
            "id": "li_2",
            "amount": 1190,
            "entity_type": "plan_setup",
            "entity_id": "gold",
            "tax_amount": 190,
            "tax_rate": 19,
        },
        {"id": "li_3", "amount": 0, "entity_type": "addon", "entity_id": "seat", "is_taxed": False, "tax_amount": 0},
    ],
    "taxes": [{"name": "USt", "amount": 2090, "description": "USt @ 19%"}],
}
"""Product catalog 1: prices that include tax, and no list of the taxes of lines."""
