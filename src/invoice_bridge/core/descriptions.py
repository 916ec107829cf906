"""The meaning of each field of an invoice in one sentence: the descriptions of its JSON Schema.

Rules of this file: every field of a model that is read has an entry, in the order of the model; a test finds a
missing one. The module is loaded when a schema is requested.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PERIOD = "The service period, half-open: it includes its start and excludes its end."
_EMPTY = "empty if the provider does not state them"

DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    "Invoice": {
        "provider": "The name of the provider.",
        "id": "The provider's id of the invoice.",
        "number": "The number on the document.",
        "status": "The status in neutral words; unknown is never terminal.",
        "native_status": "The provider's own word for the status.",
        "currency": "The ISO 4217 code of every amount; null if the provider states none.",
        "subtotal": "The sum of the lines, before discounts and tax on top.",
        "discount": "The sum of all discounts.",
        "tax": "All tax, included in the lines or on top of them.",
        "total": "Subtotal − discount + tax on top + adjustments.",
        "amount_due": "The total less credits, fixed when the invoice was issued.",
        "amount_paid": "What was paid.",
        "amount_credited": "The sum of all credit notes.",
        "amount_refunded": "The refunded amount.",
        "amount_remaining": "The amount that can still be collected; zero when paid, void or written off.",
        "lines": "The billed lines.",
        "lines_complete": "Whether the list of lines is complete.",
        "customer": "The billed customer.",
        "period": "The service period of the whole invoice, half-open.",
        "description": "The text on the document.",
        "reference": "The caller's own id of the bill, if the provider stores it.",
        "purchase_order": "The customer's purchase order number on the document.",
        "metadata": "Names and values that the provider stores with the invoice.",
        "subscription": "The provider's id of the billed subscription, if there is exactly one.",
        "custom_fields": "The custom fields on the document, by heading.",
        "footer": "The text at the bottom of the document.",
        "taxes": f"The taxes of the whole invoice; {_EMPTY}.",
        "discounts": f"The discounts of the whole invoice; {_EMPTY}.",
        "adjustments": "Any other change of the total, each with its sign.",
        "payments": "Payments and attempts at them.",
        "payments_complete": "Whether the list of payments and attempts is complete.",
        "credit_notes": "Credit notes against the invoice.",
        "credit_notes_complete": "Whether the list of credit notes is complete.",
        "created_at": "When the provider created it.",
        "issued_at": "The date of the document: when it was issued.",
        "due_at": "When payment is due.",
        "paid_at": "When it was paid in full.",
        "voided_at": "When it was voided.",
        "uncollectible_at": "When it was written off as uncollectible.",
        "updated_at": "When the provider last changed it.",
        "attempts": "How often the provider tried to collect it.",
        "next_attempt_at": "When the provider will try again.",
        "collection": "How the invoice is collected.",
        "payment_method": "The id of the payment method to charge.",
        "payment_pending": "Whether a payment is pending.",
        "hosted_url": "The URL of the provider's page where the customer sees and pays it.",
        "pdf_url": "The URL of the provider's PDF.",
        "test_mode": "Whether it is in test mode, without real money.",
        "losses": "The losses of the bill that created it.",
        "discrepancies": "The differences from the bill that created it, in words.",
        "problems": "The values of the provider's answer that could not be read.",
        "raw": "The provider's own JSON, as text.",
    },
    "Line": {
        "description": "The text of the line.",
        "quantity": "The quantity, an exact decimal as text.",
        "unit_amount": "The price of one unit; null if it is not a whole number of minor units.",
        "amount": "The amount of the line, before the invoice's discounts; authoritative.",
        "period": _PERIOD,
        "id": "The provider's id of the line.",
        "product": "The provider's id of the billed product.",
        "price": "The provider's id of the billed price.",
        "subscription": "The provider's id of the line's subscription.",
        "discount": "The line's share of the invoice's discounts, not yet deducted from its amount.",
        "taxes": f"The taxes of this line; {_EMPTY}.",
        "metadata": "Names and values that the provider stores with the line.",
        "proration": "Whether it bills a part of a period (proration).",
        "provider": "The provider whose product and price the line names.",
    },
    "CustomerRef": {
        "id": "The id at the client's provider.",
        "email": "The e-mail address.",
        "name": "The name.",
        "ids": "Ids by the name of the provider.",
        "address": "The address on the invoice.",
        "tax_ids": "The tax numbers on the invoice.",
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
        "kind": "The provider's word for its type, such as eu_vat.",
        "value": "The number itself.",
    },
    "TaxLine": {
        "name": "The name of the tax.",
        "rate": "The rate in percent, an exact decimal as text.",
        "amount": "The amount of the tax.",
        "base": "The amount on which it is computed.",
        "inclusive": "Whether the amounts of the lines include it; false if it is on top.",
    },
    "Discount": {
        "id": "The provider's id of the discount.",
        "code": "The code that the customer entered.",
        "name": "The name on the document.",
        "amount": "The discounted amount; null if only the sum of all discounts is stated.",
    },
    "Payment": {
        "id": "The provider's id of the payment.",
        "amount": "The amount paid or attempted.",
        "at": "When.",
        "state": "The state of the payment.",
        "method": "The id of the payment method, or else the provider's word for its kind.",
        "recorded_outside": "Whether the payment was made elsewhere and only recorded here.",
        "refunded": "The refunded part of it.",
    },
    "CreditNote": {
        "id": "The provider's id of the credit note.",
        "number": "Its own number.",
        "amount": "The credited amount.",
        "reason": "The provider's word for the reason.",
        "kind": "The effect: reduces the amount due, refunds, adds to the balance, or writes the invoice off.",
        "at": "Its date.",
    },
    "Adjustment": {
        "kind": "What it is.",
        "amount": "The amount added to the total; negative if it reduces it.",
    },
    "Collection": {
        "kind": "manual: nobody is mailed or charged; send: the provider mails it; charge: the provider collects.",
        "due": "The due date of a mailed invoice.",
        "net_days": "Days from the issue to the due date of a mailed invoice.",
        "payment_method": "The payment method to charge; null for the customer's default one.",
    },
    "Problem": {
        "path": "Its path in the provider's JSON.",
        "why": "The reason why it could not be read.",
        "money": "Whether it is an amount, or the currency that all amounts need.",
    },
    "Loss": {
        "code": "The permanent code.",
        "path": "The field of the command.",
        "fate": "The fate of the field.",
        "severity": "The severity of the loss.",
        "sent": "The value that is sent instead.",
        "why": "Why.",
        "remedy": "The way to avoid the loss.",
        "conditional": "Whether it depends on a time that was not given.",
    },
    "Money": {
        "minor": "The amount in minor units: cents for EUR, yen for JPY.",
        "currency": "The ISO 4217 code.",
    },
    "Period": {
        "start": "The first instant inside the period, RFC 3339 in UTC.",
        "end": "The first instant after the period, RFC 3339 in UTC.",
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
