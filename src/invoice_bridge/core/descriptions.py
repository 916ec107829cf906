"""What each field of an invoice means, in one sentence: the descriptions of its JSON Schema.

Rules of this file: every field of a model that is read has an entry, in the order of the model; a test finds what is
missing. It is loaded when a schema is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PERIOD = "The service period, half-open: its start belongs to it, its end does not."
_EMPTY = "empty where the provider does not say"

DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    "Invoice": {
        "provider": "The name of the provider.",
        "id": "The provider's id of the invoice.",
        "number": "The number that the document shows.",
        "status": "Where the invoice stands, in neutral words; unknown is never terminal.",
        "native_status": "The provider's own word for it.",
        "currency": "The ISO 4217 code of every amount; null where the provider states none.",
        "subtotal": "The sum of the lines, before discounts and tax on top.",
        "discount": "What all discounts take off.",
        "tax": "All tax, within the lines or on top of them.",
        "total": "Subtotal − discount + tax on top + adjustments.",
        "amount_due": "The total less credits, fixed when the invoice was issued.",
        "amount_paid": "What was paid.",
        "amount_credited": "What credit notes have taken off.",
        "amount_refunded": "What was given back.",
        "amount_remaining": "What can still be collected; zero when paid, void or written off.",
        "lines": "What is billed, line by line.",
        "lines_complete": "Whether all lines are here.",
        "customer": "Whom the invoice is for.",
        "period": "The service period of the whole invoice, half-open.",
        "description": "The text on the document.",
        "reference": "The caller's own identity of the bill, where the provider carries it.",
        "purchase_order": "The customer's own number, as the document shows it.",
        "metadata": "Names and values that the provider keeps with the invoice.",
        "subscription": "The provider's id of the subscription that it bills, where there is one alone.",
        "custom_fields": "The fields that the document shows, by their headings.",
        "footer": "The text at the foot of the document.",
        "taxes": f"The taxes of the whole invoice; {_EMPTY}.",
        "discounts": f"The discounts of the whole invoice; {_EMPTY}.",
        "adjustments": "Whatever else moves the total, each with its sign.",
        "payments": "Payments and attempts at them.",
        "payments_complete": "Whether all payments are here, and all attempts.",
        "credit_notes": "Credit notes against the invoice.",
        "credit_notes_complete": "Whether all credit notes are here.",
        "created_at": "When the provider made it.",
        "issued_at": "The date of the document: when it became a demand for money.",
        "due_at": "When it is to be paid.",
        "paid_at": "When it was paid in full.",
        "voided_at": "When it was withdrawn.",
        "uncollectible_at": "When it was given up.",
        "updated_at": "When the provider last changed it.",
        "attempts": "How often the provider tried to collect it.",
        "next_attempt_at": "When the provider will try again.",
        "collection": "Who moves the money.",
        "payment_method": "The id of the payment method that it is collected from.",
        "payment_pending": "Whether a payment is on its way.",
        "hosted_url": "The provider's page where the customer sees and pays it.",
        "pdf_url": "Where the provider's PDF is.",
        "test_mode": "Whether no real money is meant.",
        "losses": "What the provider does not carry of the bill that made it.",
        "discrepancies": "What differs from the bill that made it, in words.",
        "problems": "What could not be read of the provider's answer.",
        "raw": "The provider's own JSON, as text.",
    },
    "Line": {
        "description": "The text of the line.",
        "quantity": "How many, an exact decimal as text.",
        "unit_amount": "The price of one; null where it is no whole number of minor units.",
        "amount": "What the line bills, before the invoice's discounts; authoritative.",
        "period": _PERIOD,
        "id": "The provider's id of the line.",
        "product": "The provider's id of the product that it bills.",
        "price": "The provider's id of the price that it bills.",
        "subscription": "The provider's id of the subscription that it belongs to.",
        "discount": "What the invoice's discounts take off this line; its amount has not lost it yet.",
        "taxes": f"The taxes of this line; {_EMPTY}.",
        "metadata": "Names and values that the provider keeps with the line.",
        "proration": "Whether it bills a part of a period.",
        "provider": "The provider whose product and price the line names.",
    },
    "CustomerRef": {
        "id": "The id at the client's provider.",
        "email": "The e-mail address.",
        "name": "The name.",
        "ids": "Ids by the name of the provider.",
        "address": "The address as the invoice shows it.",
        "tax_ids": "The tax numbers as the invoice shows them.",
    },
    "Address": {
        "line1": "Street and number.",
        "line2": "A second line of the street.",
        "city": "The city.",
        "state": "The state, province or region.",
        "postal_code": "The postal code.",
        "country": "The provider's code of the country: ISO 3166-1, two letters.",
    },
    "TaxId": {
        "kind": "The provider's word for what it is, such as eu_vat.",
        "value": "The number itself.",
    },
    "TaxLine": {
        "name": "What the tax is called.",
        "rate": "The rate in percent, an exact decimal as text.",
        "amount": "How much the tax is.",
        "base": "The amount that it is computed on.",
        "inclusive": "Whether it is within the amounts of the lines; false where it comes on top.",
    },
    "Discount": {
        "id": "The provider's id of the discount.",
        "code": "What the customer typed.",
        "name": "What the document shows of it.",
        "amount": "How much it takes off; null where only the sum of all discounts is stated.",
    },
    "Payment": {
        "id": "The provider's id of the payment.",
        "amount": "What it paid, or was to pay.",
        "at": "When.",
        "state": "How it went; pending is on its way.",
        "method": "The id of the payment method, or else the provider's word for its kind.",
        "recorded_outside": "Whether the money was taken elsewhere and only recorded.",
        "refunded": "How much of it was given back.",
    },
    "CreditNote": {
        "id": "The provider's id of the credit note.",
        "number": "Its own number.",
        "amount": "What it credits in all.",
        "reason": "The provider's word for why.",
        "kind": "What it does: lowers what is to be paid, gives money back, gives a balance, or gives the invoice up.",
        "at": "Its date.",
    },
    "Adjustment": {
        "kind": "What it is.",
        "amount": "What is added to the total; below zero where it lowers it.",
    },
    "Collection": {
        "kind": "manual: nobody is mailed or charged; send: the provider mails it; charge: the provider collects.",
        "due": "When it is due, of what is mailed.",
        "net_days": "Days from the issue until it is due, of what is mailed.",
        "payment_method": "What it is collected from; null for the customer's default one.",
    },
    "Problem": {
        "path": "Where it stands in the provider's JSON.",
        "why": "What is wrong with it.",
        "money": "Whether it is an amount, or the currency without which none can be read.",
    },
    "Loss": {
        "code": "The permanent code.",
        "path": "The field of the command.",
        "fate": "What becomes of it.",
        "severity": "How much that matters.",
        "sent": "What is sent instead.",
        "why": "Why.",
        "remedy": "What to do about it.",
        "conditional": "Whether it depends on a clock that was not given.",
    },
    "Money": {
        "minor": "The amount in minor units: cents for EUR, yen for JPY.",
        "currency": "The ISO 4217 code.",
    },
    "Period": {
        "start": "The first instant that belongs to it, RFC 3339 in UTC.",
        "end": "The first instant that does not, RFC 3339 in UTC.",
    },
}


def described_schema(name: str, core_schema: Any, handler: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type with a description of each of its fields."""
    schema: dict[str, Any] = handler(core_schema)
    _describe(handler.resolve_ref_schema(schema), name)
    return schema


def _describe(schema: dict[str, Any], name: str) -> None:
    """Write the descriptions of a type's fields into its JSON Schema."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return
    for field, text in DESCRIPTIONS.get(name, {}).items():
        if field in properties:
            properties[field] = {**properties[field], "description": text}
