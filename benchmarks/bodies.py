"""The bodies that the benchmarks read: invented, the same each time, shaped as the providers' own.

Sizes are those of one invoice as compact JSON. Of Stripe's there are three: a bare one of 0.5 kB without lines, a whole
one of 4.4 kB with three lines, and one of 20 kB with ten, which is what Stripe puts on a page, each taxed twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

PAGE = 100
KILOBYTES = (0.5, 4.4, 20.0)
_MAY, _JUNE = 1777593600, 1780272000


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# ── Stripe ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def stripe_invoice(number: int, kilobytes: float) -> dict[str, Any]:
    """One invoice of Stripe's current shape; the sizes are KILOBYTES."""
    return {0.5: _stripe_bare, 4.4: _stripe_whole, 20.0: _stripe_long}[kilobytes](number)


def stripe_page(kilobytes: float, count: int = PAGE, first: int = 0) -> bytes:
    """A page of the listing; `first` is the number of its first invoice."""
    rows = [stripe_invoice(first + place, kilobytes) for place in range(count)]
    return compact({"object": "list", "data": rows, "has_more": False, "url": "/v1/invoices"})


def _stripe_bare(number: int) -> dict[str, Any]:
    amount = 1900 + number
    return {
        "id": f"in_1Bench{number:015d}",
        "object": "invoice",
        "status": "open",
        "currency": "eur",
        "customer": f"cus_Bench{number:06d}",
        "customer_email": f"customer{number:06d}@example.test",
        "number": f"BENCH-{number:06d}",
        "collection_method": "send_invoice",
        "created": _JUNE + number,
        "due_date": _JUNE + 1209600,
        "subtotal": amount,
        "total": amount,
        "amount_due": amount,
        "amount_paid": 0,
        "amount_remaining": amount,
        "lines": {"object": "list", "data": [], "has_more": False, "total_count": 0},
        "metadata": {"invoice_bridge_reference": f"res-2026-05-{number:06d}"},
        "livemode": False,
    }


_NULLS = [
    "application",
    "amount_shipping_tax",
    "confirmation_secret",
    "customer_phone",
    "customer_shipping",
    "customer_tax_exempt_reason",
    "default_payment_method",
    "default_source",
    "description",
    "from_invoice",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "on_behalf_of",
    "parent",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "test_clock",
    "threshold_reason",
    "transfer_data",
    "webhooks_delivered_at",
]


def _stripe_whole(number: int, lines: int = 3, line: Callable[[int, int], dict[str, Any]] | None = None) -> Any:
    rows = [(line or _stripe_line)(number, place) for place in range(lines)]
    total = sum(row["amount"] for row in rows)
    return _stripe_bare(number) | {
        **dict.fromkeys(_NULLS),
        "account_country": "FR",
        "account_name": "Acme Studios",
        "account_tax_ids": None,
        "amount_overpaid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": "manual",
        "customer_address": {
            "city": "Lyon",
            "country": "FR",
            "line1": "1 rue des Essais",
            "line2": None,
            "postal_code": "69001",
            "state": None,
        },
        "customer_name": f"Customer {number}",
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "custom_fields": [{"name": "Purchase order", "value": f"PO-{number:05d}"}],
        "default_tax_rates": [],
        "discounts": [],
        "effective_at": _JUNE + number,
        "ending_balance": 0,
        "footer": "Thank you",
        "hosted_invoice_url": f"https://invoice.example.test/i/acct_bench/test_{'bench' * 9}{number}?s=ap",
        "invoice_pdf": f"https://pay.example.test/invoice/acct_bench/test_{'bench' * 9}{number}/pdf?s=ap",
        "issuer": {"type": "self"},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": _JUNE,
        "period_start": _MAY,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status_transitions": {
            "finalized_at": _JUNE + number,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "amount_due": total,
        "amount_remaining": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "lines": {
            "object": "list",
            "data": rows,
            "has_more": False,
            "total_count": lines,
            "url": f"/v1/invoices/in_1Bench{number:015d}/lines",
        },
        "metadata": {"invoice_bridge_reference": f"res-2026-05-{number:06d}", "order": str(number)},
    }


def _stripe_line(number: int, place: int) -> dict[str, Any]:
    amount = 500 + number + place
    return {
        "id": f"il_1Bench{number:010d}{place:05d}",
        "object": "line_item",
        "amount": amount,
        "currency": "eur",
        "description": "Reservation fees",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": f"in_1Bench{number:015d}",
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": {
                "invoice_item": f"ii_1Bench{number:010d}",
                "proration": False,
                "subscription": None,
            },
            "type": "invoice_item_details",
        },
        "period": {"end": _JUNE, "start": _MAY},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": "price_1Bench", "product": "prod_Bench"},
            "type": "price_details",
            "unit_amount_decimal": str(amount),
        },
        "quantity": 1,
        "subtotal": amount,
        "taxes": [],
    }


def _stripe_taxed_line(number: int, place: int) -> dict[str, Any]:
    line = _stripe_line(number, place)
    taxes = [
        {
            "amount": line["amount"] * rate // 100,
            "tax_behavior": "inclusive",
            "tax_rate_details": {"tax_rate": f"txr_1Bench{rate:03d}{place:012d}"},
            "taxability_reason": "standard_rated",
            "taxable_amount": line["amount"],
            "type": "tax_rate_details",
        }
        for rate in (5, 20)
    ]
    credits = [
        {"amount": 0, "discount": f"di_1Bench{kind}{number:06d}{place:06d}", "type": "discount"}
        for kind in ("first", "loyal")
    ]
    texts = {
        "site": "Lyon, rooms on the second floor",
        "order": f"order-{number:06d}-{place:02d}",
        "booked_by": f"customer{number}@example.test",
        "cost_center": "production / sound / recording and mixing",
        "note": "three sessions of four hours, with an engineer and the large room, as agreed by telephone",
        "terms": "cancelled free of charge until two days before a session, and at half of its price after that",
        "contact": "the studio answers from Monday to Friday",
    }
    title = "Reservation fees: studio, engineer and instruments, one session of four hours on a weekday, as booked"
    return line | {
        "description": title,
        "discount_amounts": [{"amount": 0, "discount": credit["discount"]} for credit in credits],
        "metadata": texts,
        "pretax_credit_amounts": credits,
        "taxes": taxes,
    }


def _stripe_long(number: int) -> Any:
    return _stripe_whole(number, lines=10, line=_stripe_taxed_line)


# ── Chargebee ────────────────────────────────────────────────────────────────────────────────────────────────────────
def chargebee_page(count: int = PAGE) -> bytes:
    """A page of the listing: wrapped invoices with three lines, as product catalog 2 gives them."""
    return compact({"list": [{"invoice": chargebee_invoice(number)} for number in range(count)]})


def chargebee_invoice(number: int) -> dict[str, Any]:
    lines = [_chargebee_line(number, place) for place in range(3)]
    total = sum(line["amount"] for line in lines)
    zeros = [
        "amount_paid",
        "amount_adjusted",
        "write_off_amount",
        "credits_applied",
        "round_off_amount",
        "tax",
        "new_sales_amount_adjusted",
    ]
    empty = [
        "line_item_taxes",
        "line_item_discounts",
        "taxes",
        "discounts",
        "linked_taxes_withheld",
        "linked_payments",
        "applied_credits",
        "adjustment_credit_notes",
        "issued_credit_notes",
        "linked_orders",
        "dunning_attempts",
        "notes",
    ]
    return {
        **dict.fromkeys(zeros, 0),
        **{name: [] for name in empty},
        "id": f"{number}",
        "po_number": f"res-2026-05-{number:06d}",
        "customer_id": f"cus_bench_{number}",
        "recurring": False,
        "status": "payment_due",
        "price_type": "tax_exclusive",
        "date": _JUNE,
        "due_date": _JUNE + 1209600,
        "net_term_days": 14,
        "exchange_rate": 1.0,
        "total": total,
        "sub_total": total,
        "amount_due": total,
        "amount_to_collect": total,
        "generated_at": _JUNE + number,
        "updated_at": _JUNE + number,
        "resource_version": 1780272000000 + number,
        "currency_code": "EUR",
        "base_currency_code": "EUR",
        "channel": "web",
        "deleted": False,
        "first_invoice": True,
        "has_advance_charges": False,
        "is_gifted": False,
        "term_finalized": True,
        "object": "invoice",
        "business_entity_id": "bench_entity",
        "line_items": lines,
        "billing_address": {
            "first_name": "Customer",
            "last_name": str(number),
            "line1": "1 rue des Essais",
            "city": "Lyon",
            "country": "FR",
            "zip": "69001",
            "validation_status": "not_validated",
            "object": "billing_address",
        },
    }


def _chargebee_line(number: int, place: int) -> dict[str, Any]:
    amount = 500 + number + place
    return {
        "id": f"li_bench_{number}_{place}",
        "date_from": _MAY,
        "date_to": _JUNE,
        "unit_amount": amount,
        "quantity": 1,
        "amount": amount,
        "pricing_model": "flat_fee",
        "is_taxed": False,
        "tax_amount": 0,
        "object": "line_item",
        "customer_id": f"cus_bench_{number}",
        "description": "Reservation fees",
        "entity_type": "adhoc",
        "tax_exempt_reason": "tax_not_configured",
        "discount_amount": 0,
        "item_level_discount_amount": 0,
    }


# ── Whop ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def whop_page(count: int = PAGE) -> bytes:
    """A page of the listing: its items are a part of the invoice, with three lines."""
    info = {"has_next_page": False, "has_previous_page": False, "start_cursor": "YmVnaW4", "end_cursor": "ZW5k"}
    return compact({"data": [whop_item(number) for number in range(count)], "page_info": info})


def whop_item(number: int) -> Mapping[str, Any]:
    price = 5 + number
    return {
        "id": f"inv_bench{number:09d}",
        "number": f"{number:04d}",
        "created_at": "2026-06-01T00:00:00.000Z",
        "due_date": "2026-06-15T00:00:00.000Z",
        "email_address": f"customer{number}@example.test",
        "fetch_invoice_token": "eyJub3Qi.YV90b2tlbg.bm9uZQ" + "a" * 120,
        "payment_processing": False,
        "status": "open",
        "user": {"id": f"user_bench{number:08d}", "name": f"Customer {number}", "username": f"customer{number}"},
        "current_plan": {"id": f"plan_bench{number:07d}", "currency": "eur", "formatted_price": f"€{price * 3}.00"},
        "line_items": [
            {"label": "Reservation fees", "position": place, "quantity": 1, "total": price, "unit_price": price}
            for place in range(3)
        ],
    }
