"""Lago's statuses, errors, limits and currencies: data, each row with its source.

"lago-openapi" is github.com/getlago/lago-openapi, "lago-api" is github.com/getlago/lago-api, the server itself; both as
read in November 2026. Nothing here was observed on the live API. What no source confirms says "unconfirmed".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter import Becomes, ErrorRow, Limit, Rate, StatusRow, Transitions, Units, hidden, transition
from invoice_bridge.core.errors import InvalidState, NotFound, RateLimited, Rejected, Unauthorized
from invoice_bridge.core.model import Status
from invoice_bridge.core.money import codes
from invoice_bridge.core.wire import Effect

NAME = "lago"
OPENAPI = "lago-openapi, src"
CREATE = f"{OPENAPI}/schemas/InvoiceOneOffCreateInput.yaml"
CREATED = "lago-api, app/services/invoices/create_one_off_service.rb"
FEES = "lago-api, app/services/fees/one_off_service.rb"
UPDATE = f"{OPENAPI}/schemas/InvoiceUpdateInput.yaml"
RETRY = f"{OPENAPI}/resources/invoice_retry_payment.yaml"
VOID = f"{OPENAPI}/resources/invoice_void.yaml"
LIST = f"{OPENAPI}/resources/invoices.yaml"
FINALIZE = f"{OPENAPI}/resources/invoice_finalize.yaml"
_INVOICE = f"{OPENAPI}/schemas/InvoiceBaseObject.yaml"
_ERRORS = "lago-api, app/controllers/concerns/api_errors.rb"
NO_KEYS = f"{LIST} names no such header; only events have a transaction_id (getlago.com/docs, Rate limits)"

_HOSTS = {"us": "https://api.getlago.com", "eu": "https://api.eu.getlago.com"}
"""getlago.com/docs, lago-skill.md, "Authentication and environment"; a self-hosted one is given as `base_url`."""


def base_url(settings: Mapping[str, Any]) -> str:
    """The root of the API in a region."""
    return f"{_HOSTS[settings['region']]}/api/v1"


def read_region(value: Any) -> str:
    """Check the setting `region`. Raises ValueError."""
    if value not in _HOSTS:
        raise ValueError(f"it is one of {', '.join(_HOSTS)}")
    return str(value)


def read_code(value: Any) -> str:
    """Check the setting `add_on`. Raises ValueError."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it is the code of an add-on")
    return value


# Two axes: `status` says what the document is, `payment_status` whether it is paid. A finalized invoice is read by both
# words, joined by a slash. generating, pending, failed, open and closed have no neutral word: failed is not yet issued.
STATUSES = (
    StatusRow("draft", Status.DRAFT, f"{_INVOICE}, status"),
    StatusRow("finalized/pending", Status.OPEN, f"{_INVOICE}, payment_status"),
    StatusRow("finalized/failed", Status.OPEN, f"{_INVOICE}, payment_status: it can be collected again"),
    StatusRow("finalized/succeeded", Status.PAID, f"{_INVOICE}, payment_status"),
    StatusRow("voided", Status.VOID, f"{_INVOICE}, status"),
    StatusRow("deleted", Status.DELETED, f"{_INVOICE}, status"),
)

_LISTED = frozenset({
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BMD", "BND", "BOB",
    "BRL", "BSD", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP", "CRC", "CVE", "CZK", "DKK", "DOP", "DZD",
    "EGP", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "ILS", "INR",
    "JMD", "KES", "KGS", "KHR", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MKD", "MMK", "MNT",
    "MOP", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK",
    "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SEK", "SGD", "SHP", "SOS", "SRD", "SZL",
    "THB", "TJS", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "WST", "XCD", "YER", "ZAR", "ZMW",
})  # fmt: skip
# The fields are called cents and state no factor for currencies of other decimals: those are neither billed nor read.
MONEY = Units(
    {code: 2 for code in codes(2) if code in _LISTED},
    source=f"{OPENAPI}/schemas/Currency.yaml; cents of currencies without two decimals are unconfirmed",
)

RATE = Rate(50, 1, "getlago.com/docs/api-reference/rate-limits: all other endpoints, per organization")

IN_PAYMENT = "payment_processor_is_currently_handling_payment"
"""The code of a refusal to collect an invoice whose payment is on its way."""
ERRORS = (
    ErrorRow(Rejected, _ERRORS, status=400),
    ErrorRow(Unauthorized, _ERRORS, status=401),
    ErrorRow(Unauthorized, _ERRORS, status=403),
    ErrorRow(NotFound, _ERRORS, status=404),
    ErrorRow(InvalidState, f"{_ERRORS}: not_voidable, invalid_status and the like", status=405),
    ErrorRow(Rejected, _ERRORS, status=422),
    ErrorRow(RateLimited, "getlago.com/docs/api-reference/rate-limits", status=429),
)

METADATA_COUNT = 5
_METADATA = "lago-api, app/models/metadata/invoice_metadata.rb"
LIMITS = (
    Limit("metadata", METADATA_COUNT, f"{_METADATA}, COUNT_PER_INVOICE"),
    Limit("metadata.key", 20, _METADATA),
    Limit("metadata.value", 140, UPDATE),
)

REDACTIONS = (
    *hidden(Becomes.NAME, _INVOICE, "customer.name", "customer.legal_name", "firstname", "lastname"),
    *hidden(Becomes.EMAIL, _INVOICE, "customer.email"),
    *hidden(Becomes.MASK, _INVOICE, "address_line1", "address_line2", "zipcode", "phone", "tax_identification_number"),
    *hidden(Becomes.LINK, _INVOICE, "file_url", "xml_url", "web_url"),
)

SOURCES = {
    "one_time_charge": CREATE,
    "period_invoice": CREATE,
    "find": LIST,
    "retrieve": f"{OPENAPI}/resources/invoice.yaml",
    "list": LIST,
    "finalize": FINALIZE,
    "pay": RETRY,
    "mark_paid": UPDATE,
    "void": VOID,
    "update": UPDATE,
}
"""verb → where the provider documents what its flow does"""

TRANSITIONS = Transitions(
    {
        "finalize": transition(
            Status.DRAFT,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.ISSUES, Effect.COLLECTS],  # it is handed to the payment provider, where there is one
            source=FINALIZE,
        ),
        "pay": transition(Status.OPEN, becomes=[Status.OPEN, Status.PAID], effects=[Effect.COLLECTS], source=RETRY),
        "mark_paid": transition(Status.OPEN, becomes=[Status.PAID], effects=[Effect.RECORDS], source=UPDATE),
        "void": transition(Status.OPEN, becomes=[Status.VOID], effects=[Effect.VOIDS], source=VOID),
        "update": transition(
            Status.DRAFT,
            Status.OPEN,
            Status.PAID,
            undocumented=[Status.UNKNOWN],
            source=f"{UPDATE}: never of a void one",
        ),
    }
)
"""In which statuses a verb is allowed, what they become, and its effects; flows and emulator ask here."""
