"""The limits of the two requests that import at Chargebee."""

from __future__ import annotations

from invoice_bridge.adapter.limits import Limit
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH

_ZOD = "chargebee-node, src/schema/invoice.schema.ts, import_invoice"
_ZOD_NOTE = "chargebee-node, src/schema/credit_note.schema.ts, import_credit_note"

IMPORT_LIMITS = (
    Limit("number", 50, f"{_ZOD}, id"),
    Limit("purchase_order", 100, f"{_ZOD}, po_number"),
    Limit("subscription", 50, f"{_ZOD}, subscription_id"),
    Limit("customer.name", 150, f"{_ZOD}, billing_address[first_name]"),
    Limit("customer.email", 70, f"{_ZOD}, billing_address[email]"),
    Limit("customer.address.line1", 150, f"{_ZOD}, billing_address[line1]"),
    Limit("customer.address.line2", 150, f"{_ZOD}, billing_address[line2]"),
    Limit("customer.address.city", 50, f"{_ZOD}, billing_address[city]"),
    Limit("customer.address.state", 50, f"{_ZOD}, billing_address[state]"),
    Limit("customer.address.postal_code", 20, f"{_ZOD}, billing_address[zip]"),
    Limit("customer.address.country", 50, f"{_ZOD}, billing_address[country]"),
    Limit("customer.tax_ids[].value", 20, f"{_ZOD}, vat_number"),
    Limit("lines[].description", DESCRIPTION_LENGTH, f"{_ZOD}, line_items[description]"),
    Limit("taxes[].name", 50, f"{_ZOD}, line_items[tax1_name]"),
    Limit("lines[].taxes[].name", 50, f"{_ZOD}, line_items[tax1_name]"),
    Limit("discounts[].name", DESCRIPTION_LENGTH, f"{_ZOD}, discounts[description]"),
    Limit("payments[].id", 100, f"{_ZOD}, payments[reference_number]"),
    Limit("credit_notes[].number", 50, f"{_ZOD_NOTE}, id"),
    Limit("credit_notes[].id", 50, f"{_ZOD_NOTE}, id"),
    Limit("credit_notes[].reason", 100, f"{_ZOD_NOTE}, create_reason_code"),
    Limit("description", 64_000, f"{_ZOD}, notes[note]: 65,000, of which the source takes a line"),
)
