"""The limits of the requests of an import at Stripe; see import_fields.py."""

from __future__ import annotations

from invoice_bridge.adapter.limits import Limit
from invoice_bridge.providers.stripe.tables import CREATE, LINE_TEXT, LINE_TEXT_SOURCE, LINES_PER_INVOICE

_METADATA = "docs.stripe.com/api/metadata; not confirmed here"
_OF_2022 = "stripe/openapi of 2022; not confirmed since"
IMPORT_LIMITS = (
    Limit("lines", LINES_PER_INVOICE, "docs.stripe.com/changelog/2016-02-22, 250 items an invoice"),
    Limit("description", 1500, _OF_2022),
    Limit("footer", 5000, _OF_2022),
    Limit("lines[].description", LINE_TEXT, LINE_TEXT_SOURCE),
    Limit("purchase_order", 140, f"{CREATE}, custom_fields[].value"),
    Limit("custom_fields.key", 40, f"{CREATE}, custom_fields[].name"),
    Limit("custom_fields.value", 140, f"{CREATE}, custom_fields[].value"),
    Limit("metadata", 45, "docs.stripe.com/api/metadata, 50 keys, five of them the import's; not confirmed here"),
    Limit("metadata.key", 40, _METADATA),
    Limit("metadata.value", 500, _METADATA),
    Limit("lines[].metadata", 50, _METADATA),
    Limit("lines[].metadata.key", 40, _METADATA),
    Limit("lines[].metadata.value", 500, _METADATA),
)
