"""The bodies that are decoded: pages of invented invoices in the providers' shapes, the same in every run.

The fields are those that the providers' references list, blanks among them; ids, names and amounts are made up. JSON is
compact, as numbers and words would otherwise drown in spaces.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

SIZES = {"0.5 kB": None, "4.4 kB": 2, "20 kB": 21}
"""Stripe's three: a bare invoice without lines, and whole ones of so many lines."""
_START, _END = 1_777_593_600, 1_780_272_000
_AMOUNT = 1_999


def encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _id(prefix: str, *numbers: int) -> str:
    """An id as long as Stripe's."""
    return f"{prefix}_1{hashlib.sha256(f'{prefix}{numbers}'.encode()).hexdigest()[:23]}"


# ── Stripe ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def stripe_page(size: str, count: int = 100, first: int = 0) -> bytes:
    """A listing of `count` invoices of the size; `first` is the number of the first one."""
    invoices = [stripe_invoice(number, SIZES[size]) for number in range(first, first + count)]
    return encode({"object": "list", "url": "/v1/invoices", "has_more": False, "data": invoices})


def stripe_invoice(number: int, lines: int | None) -> dict[str, Any]:
    """An open invoice; None: only what every invoice says, and no line."""
    total = _AMOUNT * (lines or 1)
    bare = {
        "id": _id("in", number),
        "object": "invoice",
        "amount_due": total,
        "amount_paid": 0,
        "amount_remaining": total,
        "collection_method": "send_invoice",
        "created": _END + number,
        "currency": "eur",
        "customer": f"cus_Bench{number:08d}",
        "due_date": _END + 1_209_600 + number,
        "lines": {"object": "list", "data": [], "has_more": False, "total_count": 0},
        "livemode": False,
        "metadata": {"invoice_bridge_reference": f"res-2026-05-{number:06d}"},
        "number": f"BENCH-{number:04d}",
        "status": "open",
        "status_transitions": {"finalized_at": _END + number, "paid_at": None},
        "total": total,
    }
    if lines is None:
        return bare
    token = hashlib.sha512(f"{number}".encode()).hexdigest()[:96]
    return {
        **bare,
        "account_country": "FR",
        "account_name": "Bench & Sons",
        "account_tax_ids": None,
        "amount_overpaid": 0,
        "amount_shipping": 0,
        "application": None,
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
        "automatically_finalizes_at": None,
        "billing_reason": "manual",
        "confirmation_secret": None,
        "custom_fields": [{"name": "Purchase order", "value": f"PO-{number:06d}"}],
        "customer_address": {
            "city": "Orléans",
            "country": "FR",
            "line1": f"{number + 1} rue de la Mesure",
            "line2": None,
            "postal_code": "45000",
            "state": None,
        },
        "customer_email": f"customer{number}@example.test",
        "customer_name": f"Customer {number}",
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": "Reservation fees of May 2026, as agreed in the contract",
        "discounts": [],
        "effective_at": _END + number,
        "ending_balance": 0,
        "footer": "Payable within 14 days by bank transfer. Questions: billing@example.test, or by telephone.",
        "from_invoice": None,
        "hosted_invoice_url": f"https://invoice.example.test/i/acct_1Bench/test_{token}?s=ap",
        "invoice_pdf": f"https://pay.example.test/invoice/acct_1Bench/test_{token}/pdf?s=ap",
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {
            "object": "list",
            "data": [_stripe_line(number, place) for place in range(lines)],
            "has_more": False,
            "total_count": lines,
            "url": f"/v1/invoices/{_id('in', number)}/lines",
        },
        "next_payment_attempt": None,
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": _END,
        "period_start": _START,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status_transitions": {
            "finalized_at": _END + number,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": None,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": _END + number,
    }


def _stripe_line(number: int, place: int) -> dict[str, Any]:
    return {
        "id": _id("il", number, place),
        "object": "line_item",
        "amount": _AMOUNT,
        "currency": "eur",
        "description": f"Reservation fee of day {place + 1}, charging station {1000 + place}",
        "discount_amounts": [],
        "discountable": False,
        "discounts": [],
        "invoice": _id("in", number),
        "livemode": False,
        "metadata": {"session": f"ses-2026-05-{number:06d}-{place:03d}", "station": f"{1000 + place}"},
        "parent": {
            "invoice_item_details": {
                "invoice_item": _id("ii", number, place),
                "proration": False,
                "proration_details": None,
                "subscription": None,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": {"end": _END, "start": _START},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": _id("price", place), "product": "prod_BenchReservat"},
            "type": "price_details",
            "unit_amount_decimal": str(_AMOUNT),
        },
        "quantity": 1,
        "quantity_decimal": "1",
        "subtotal": _AMOUNT,
        "taxes": [],
    }


# ── Chargebee ────────────────────────────────────────────────────────────────────────────────────────────────────────
def chargebee_page(count: int = 100) -> bytes:
    """A listing of whole invoices of two lines."""
    return encode({"list": [{"invoice": _chargebee_invoice(number)} for number in range(count)]})


def _chargebee_invoice(number: int) -> dict[str, Any]:
    customer, total = f"cus_Bench{number:06d}", 2 * _AMOUNT
    return {
        "id": f"BENCH-{number:05d}",
        "customer_id": customer,
        "recurring": False,
        "status": "payment_due",
        "price_type": "tax_exclusive",
        "date": _END + number,
        "due_date": _END + 1_209_600 + number,
        "net_term_days": 14,
        "exchange_rate": 1.0,
        "total": total,
        "amount_paid": 0,
        "amount_adjusted": 0,
        "write_off_amount": 0,
        "credits_applied": 0,
        "amount_due": total,
        "dunning_status": "in_progress",
        "updated_at": _END + number,
        "resource_version": (_END + number) * 1000,
        "deleted": False,
        "object": "invoice",
        "first_invoice": False,
        "amount_to_collect": total,
        "round_off_amount": 0,
        "new_sales_amount": total,
        "has_advance_charges": False,
        "currency_code": "EUR",
        "base_currency_code": "EUR",
        "generated_at": _END + number,
        "is_gifted": False,
        "term_finalized": True,
        "channel": "web",
        "tax": 0,
        "line_items": [
            {
                "id": f"li_Bench{number:06d}{place}",
                "date_from": _START,
                "date_to": _END,
                "unit_amount": _AMOUNT,
                "quantity": 1,
                "amount": _AMOUNT,
                "pricing_model": "flat_fee",
                "is_taxed": False,
                "tax_amount": 0,
                "object": "line_item",
                "customer_id": customer,
                "description": f"Reservation fee of day {place + 1}",
                "entity_type": "adhoc",
                "discount_amount": 0,
                "item_level_discount_amount": 0,
            }
            for place in range(2)
        ],
        "sub_total": total,
        "linked_payments": [],
        "applied_credits": [],
        "adjustment_credit_notes": [],
        "issued_credit_notes": [],
        "linked_orders": [],
        "dunning_attempts": [],
        "po_number": f"PO-{number:06d}",
        "notes": [{"note": "Thank you for driving with us"}],
        "billing_address": {
            "first_name": "Customer",
            "last_name": str(number),
            "email": f"customer{number}@example.test",
            "line1": f"{number + 1} rue de la Mesure",
            "city": "Orléans",
            "country": "FR",
            "zip": "45000",
            "validation_status": "not_validated",
            "object": "billing_address",
        },
        "site_details_at_creation": {"timezone": "Europe/Paris"},
    }


# ── Whop ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def whop_page(count: int = 100) -> bytes:
    """A listing of items of two lines; its items are a part of the invoice."""
    page_info = {"end_cursor": None, "has_next_page": False, "has_previous_page": False, "start_cursor": None}
    return encode({"data": [_whop_item(number) for number in range(count)], "page_info": page_info})


def _whop_item(number: int) -> dict[str, Any]:
    return {
        "id": f"inv_Bench{number:08d}",
        "created_at": "2026-06-01T08:00:00.000Z",
        "due_date": "2026-06-15T08:00:00.000Z",
        "current_plan": {"id": f"plan_Bench{number:08d}", "currency": "eur", "formatted_price": "€39.98"},
        "email_address": f"customer{number}@example.test",
        "fetch_invoice_token": f"{number:032d}",
        "number": f"#{number:04d}",
        "payment_processing": False,
        "status": "open",
        "user": {"id": f"user_Bench{number:06d}", "name": f"Customer {number}", "username": f"customer{number}"},
        "line_items": [
            {
                "label": f"Reservation fee of day {place + 1}",
                "position": place,
                "quantity": 1.0,
                "unit_price": 19.99,
                "total": 19.99,
            }
            for place in range(2)
        ],
    }
