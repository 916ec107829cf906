"""Chargebee's statuses, fields, errors, limits and currencies: data, each row with its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from invoice_bridge.adapter.declared import ErrorRow, Rate, Setting, StatusRow, Units
from invoice_bridge.adapter.limits import Limit
from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
from invoice_bridge.adapter.transitions import Transitions, transition
from invoice_bridge.core.errors import (
    Declined,
    InvalidState,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import codes, historic_codes
from invoice_bridge.core.wire import Effect

API_VERSION = "v2"
KEY_WINDOW = timedelta(minutes=30)
"""The documentation's figure. Another page says a day, but the shorter one cannot bill twice."""
NO_MAIL = ("chargebee-event-email", "all-disabled")
"""The header that prevents mail about the events of one request."""
QUIET = (NO_MAIL[0], "chargebee-event-webhook", "chargebee-event-actions")
"""The headers that prevent mail, webhooks and automations of an import; their effect is not confirmed."""
DESCRIPTION_LENGTH = 250
"""The maximum length of a line's description."""
OFFLINE_METHODS = frozenset({"cash", "check", "bank_transfer", "other", "custom"})
"""The methods of payments made elsewhere (chargebee/openapi, record_payment); others are those of one country."""
REASON_LENGTH = 198
"""The maximum length of a reason: it follows the reference in a comment of 300 characters."""
FAILED = frozenset({"failure", "late_failure", "voided"})
"""The statuses of a transaction that moved no money (chargebee 3.29.0, Transaction.Status)."""

_INVOICE = "chargebee/openapi, API v2, Product Catalog 2.0, 2026-08-28, Invoice"
CREATE = "apidocs.chargebee.com, create invoice for items and one-time charges"
UPDATE_DETAILS = "chargebee/openapi, API v2, Product Catalog 2.0, update_details"
UNBILLED = "apidocs.chargebee.com, invoice unbilled charges"
SUBSCRIPTION = "chargebee 3.29.0, Subscription.retrieve; apidocs.chargebee.com, subscription_id"
_LIMITS = "chargebee-node 3.31.0, invoice.schema.ts"
_ERRORS = "apidocs.chargebee.com, error handling"
HEADERS = "apidocs.chargebee.com, headers that disable the events of a request"
_ACCOUNT = "chargebee 3.29.0, PaymentSource and bank_account of Customer"
_PEOPLE = "chargebee/openapi, API v2, Product Catalog 2.0, Customer and Invoice.BillingAddress"
_ORIGIN = "apidocs.chargebee.com, headers that tell where a request comes from"


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _site(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch("[a-z0-9-]+", value):
        return value
    raise ValueError(f"{value!r} is not a site: write only the name before .chargebee.com, such as acme-test")


def _catalog(value: Any) -> int:
    if str(value) in {"1", "2"}:
        return int(value)
    raise ValueError(f"{value!r} is not a product catalog: write 2, or 1 for a site older than May 2021")


def _custom_field(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch("cf_[A-Za-z0-9_]{1,97}", value):
        return value
    raise ValueError(f"{value!r} is not a custom field: write its API name, which begins with cf_")


SETTINGS = (
    Setting("site", "the name before .chargebee.com", required=True, read=_site),
    Setting("product_catalog", "1 or 2, as in GET /configurations of the site", default=2, read=_catalog),
    Setting("reference_field", "a custom field (cf_…) of invoices that takes the reference", read=_custom_field),
)


def dashboard(invoice: Invoice, settings: Mapping[str, Any]) -> str | None:
    """Return the address of an invoice in the site's own pages: it is in wide use, and not documented."""
    return f"https://{settings['site']}.chargebee.com/d/invoices/{quote(invoice.id, safe='')}"


def mode(key: str, settings: Mapping[str, Any], base_url: str) -> str | None:
    """Return the mode by the key's prefix and the site: a test site's name ends in -test.

    Any other name means "live" at chargebee.com only; below another base URL a name means nothing.
    """
    said = {mode for mode in ("test", "live") if key.startswith(f"{mode}_")}
    host = urlsplit(base_url).hostname or ""
    at_home = host.endswith(".chargebee.com")
    site = host.removesuffix(".chargebee.com") if at_home else str(settings.get("site") or "")
    if site.endswith("-test"):
        said.add("test")
    elif at_home:
        said.add("live")
    return " and ".join(sorted(said)) or None  # "live and test" agrees with no requested mode


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────
_API = "chargebee/openapi, API v2, Product Catalog 2.0"
_ISSUED = "payment_due, posted or not_paid"
REDACTIONS = (
    *hidden(Becomes.LINK, f"{_API}, Download: anyone with the link can read the PDF", "download_url"),
    *hidden(Becomes.LINK, f"{_API}, HostedPage and PortalSession", "hosted_page.url", "access_url"),
    *hidden(Becomes.SECRET, f"{_API}, PaymentSource", "token_id", "tmp_token", "gw_token", "reference_id"),
    *hidden(Becomes.EMAIL, _PEOPLE, "email"),
    *hidden(Becomes.NAME, _PEOPLE, "first_name", "last_name", "company"),
    *hidden(Becomes.NAME, _ACCOUNT, "name_on_account"),
    *hidden(Becomes.SECRET, _PEOPLE, "line1", "line2", "line3", "city", "state", "state_code", "zip"),
    *hidden(Becomes.SECRET, f"{_API}, Card", "billing_addr1", "billing_addr2", "billing_city"),
    *hidden(Becomes.SECRET, f"{_API}, Card", "billing_state", "billing_state_code", "billing_zip"),
    *hidden(Becomes.MASK, _PEOPLE, "phone", "vat_number", "tax_id"),
    *hidden(
        Becomes.MASK,
        f"{_API}, Card and BankAccount",
        "card.number",
        "masked_number",
        "masked_card_number",
        "iin",
        "last4",
    ),
    *hidden(Becomes.MASK, f"{_API}, Card and BankAccount", "account_number", "routing_number", "iban"),
    *hidden(Becomes.MASK, _ACCOUNT, "swedish_identity_number"),
    *hidden(Becomes.SECRET, f"{_ACCOUNT}; a UPI address", "vpa"),
    *hidden(
        Becomes.SECRET, f"{_API}, Customer, Subscription and PaymentIntent", "created_from_ip", "client_ip_address"
    ),
    *hidden(
        Becomes.SECRET,
        f"{_API}, Card and BankAccount",
        "cvv",
        "fingerprint",
        "ip_address",
        "expiry_month",
        "expiry_year",
    ),
    Redaction(Where.HEADER, "chargebee-request-origin-user", _ORIGIN, Becomes.EMAIL),
    *hidden(
        Becomes.SECRET,
        _ORIGIN,
        *("chargebee-request-origin-user-encoded", "chargebee-request-origin-ip", "chargebee-request-origin-device"),
        where=Where.HEADER,
    ),
    Redaction(Where.KEY, r"(?<!_)(?:live|test)_[0-9A-Za-z]{20,}", "chargebee.com/docs/2.0/api_keys.html"),
    *hidden(Becomes.ID, _PEOPLE, "customer_id", "customer.id", "subscription_id", "subscription.id"),
    Redaction(Where.PATH, r"/(?:customers|subscriptions)/([^/]+)", f"{_API}, Customer and Subscription", Becomes.ID),
)
"""An invoice's id is its number, a sequence of the site, so redaction leaves it."""

SOURCES = {
    "one_time_charge": f"{_API}, create_for_charge_items_and_charges; on catalog 1 charge and create",
    "period_invoice": f"{_API}, create_for_charge_items_and_charges; invoice_unbilled_charges",
    "import_invoice": "apidocs.chargebee.com, import an invoice, import a credit note",
    "retrieve": f"{_API}, retrieve an invoice",
    "find": f"{_API}, list invoices of a customer",
    "list": f"{_API}, list invoices",
    "pdf": f"{_API}, retrieve an invoice as PDF: its link lives 60 minutes",
    "finalize": f"{_API}, close a pending invoice",
    "pay": f"{_API}, collect_payment",
    "pay_part": f"{_API}, collect_payment: no parameter of it is a reference that can be read",
    "mark_paid": f"{_API}, record_payment",
    "record_payment": f"{_API}, record_payment; list transactions",
    "refund": f"{_API}, refund an invoice: one online payment at a time; its comment cannot be read by a request",
    "credit": f"{_API}, create a credit note: its comment cannot be read by a documented request",
    "void": "apidocs.chargebee.com, void an invoice",
    "mark_uncollectible": "apidocs.chargebee.com, write off an invoice",
    "delete": f"{_API}, delete an invoice",
}
"""verb → where the provider documents what its flow does"""

# ── statuses ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# A write-off leaves the native status "paid", with write_off_amount > 0; that is read in shapes.py.
STATUSES = (
    StatusRow("pending", Status.DRAFT, _INVOICE),
    StatusRow("posted", Status.OPEN, _INVOICE),
    StatusRow("payment_due", Status.OPEN, _INVOICE),
    StatusRow("not_paid", Status.OPEN, _INVOICE),
    StatusRow("paid", Status.PAID, _INVOICE),
    StatusRow("voided", Status.VOID, _INVOICE),
)

TRANSITIONS = Transitions(
    {
        # closing collects where auto_collection is on
        "finalize": transition(
            Status.DRAFT,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.ISSUES, Effect.COLLECTS],
            source=SOURCES["finalize"],
        ),
        "pay": transition(
            Status.OPEN, becomes=[Status.PAID], effects=[Effect.COLLECTS], source=f"{SOURCES['pay']}: {_ISSUED}"
        ),
        "pay_part": transition(
            Status.OPEN,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.COLLECTS],
            source=f"{SOURCES['pay']}: {_ISSUED}",
        ),
        "mark_paid": transition(
            Status.OPEN, becomes=[Status.PAID], effects=[Effect.RECORDS], source=f"{SOURCES['mark_paid']}: {_ISSUED}"
        ),
        "record_payment": transition(
            Status.OPEN,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.RECORDS],
            source=f"{SOURCES['mark_paid']}: {_ISSUED}",
        ),
        # "the invoice status does not change"; for a partly paid invoice this is not documented, so it is not attempted
        "refund": transition(Status.PAID, effects=[Effect.REFUNDS], source=SOURCES["refund"]),
        # an adjustment of the unpaid component, or a refundable note of the paid one
        "credit": transition(
            Status.OPEN,
            Status.PAID,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.ISSUES],
            source="apidocs.chargebee.com, credit notes: adjustment and refundable",
        ),
        "void": transition(
            Status.OPEN, becomes=[Status.VOID], effects=[Effect.VOIDS], source=f"{SOURCES['void']}: {_ISSUED}"
        ),
        "mark_uncollectible": transition(
            Status.OPEN,
            becomes=[Status.UNCOLLECTIBLE],
            effects=[Effect.VOIDS],
            source=f"{SOURCES['mark_uncollectible']}: {_ISSUED}",
        ),
        # Chargebee would delete issued and void invoices too, but no flow asks for it
        "delete": transition(Status.DRAFT, becomes=[Status.DELETED], source=SOURCES["delete"]),
    }
)
NAMES_BILL = transition(*Status, source=UPDATE_DETAILS)
"""The request that writes the reference on a subscription's invoice: update_details, documented without a condition."""

# ── currencies ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The currencies page: a zero-decimal currency is counted in major units, and it names four; every other currency is
# counted in hundredths, even those with three decimals. That is enough to read all of them. In sending, a wrong
# factor would bill a hundredfold. The site's own list of supported currencies marks zero-decimal ones with a sign
# that our copy had lost: so every other code without decimals in ISO 4217 is refused, and so are those whose decimals
# are seldom used (TWD; MGA and MRU, whose fifths are no decimals) and the codes that are no cash (BOV … XAD). HUF and
# MRO are on that list without the sign.
_ZERO_DECIMAL = ("JPY", "KRW", "XAF", "XOF")
_NOT_CONFIRMED = {"TWD", "MGA", "MRU", "BOV", "CHE", "CHW", "COU", "MXV", "USN", "XAD"}
_CURRENCIES = "apidocs.chargebee.com/docs/api/currencies"
_SENT = (
    dict.fromkeys(codes(2) - _NOT_CONFIRMED, 2)
    | dict.fromkeys(("BGN", "HRK", "ANG", "MRO"), 2)
    | dict.fromkeys(codes(3), 2)
    | dict.fromkeys(_ZERO_DECIMAL, 0)
)
MONEY = Units(
    _SENT,
    source=_CURRENCIES,
    read_only={
        code: 2 for digits in (0, 2, 3, 4) for code in codes(digits) | historic_codes(digits) if code not in _SENT
    },
    read_source=f"{_CURRENCIES}: every currency but {', '.join(_ZERO_DECIMAL)} is ×100; not confirmed by an answer",
)

RATE = Rate(
    150,
    60,
    "chargebee.com/docs, what are the Chargebee API limits: 150 a minute on test sites and live on the smallest plan",
)

# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# A declined payment is HTTP 400 of the type "payment". A 5xx may have taken effect. lock_timeout (429) has not.
ERRORS = (
    ErrorRow(Declined, _ERRORS, type="payment"),
    ErrorRow(Declined, _ERRORS, code="payment_processing_failed"),
    ErrorRow(Declined, _ERRORS, code="payment_method_verification_failed"),
    ErrorRow(Declined, _ERRORS, code="payment_method_not_present"),
    ErrorRow(InvalidState, _ERRORS, code="invalid_state_for_request"),
    # The code's name is ambiguous: it concerns the key only with the documented type and HTTP status. Any other
    # refusal of that name is an ordinary one; both bill nothing.
    ErrorRow(
        Rejected,
        "apidocs.chargebee.com/docs/api/v1/idempotency",
        code="unable_to_process_request",
        type="invalid_request",
        status=422,
        key_reused=True,
    ),
    ErrorRow(Rejected, _ERRORS, code="param_wrong_value"),
    ErrorRow(Rejected, _ERRORS, code="duplicate_entry"),
    ErrorRow(Rejected, _ERRORS, code="configuration_incompatible"),
    ErrorRow(NotFound, _ERRORS, code="resource_not_found"),
    ErrorRow(NotFound, _ERRORS, code="site_not_found"),
    ErrorRow(Unauthorized, _ERRORS, code="api_authentication_failed"),
    ErrorRow(Unauthorized, _ERRORS, code="basic_authentication_failed"),
    ErrorRow(Unauthorized, _ERRORS, code="api_authorization_failed"),
    ErrorRow(Unauthorized, _ERRORS, code="request_blocked"),
    ErrorRow(RateLimited, _ERRORS, code="api_request_limit_exceeded"),
    ErrorRow(RateLimited, _ERRORS, code="third_party_api_request_limit_exceeded"),
    ErrorRow(RateLimited, _ERRORS, code="lock_timeout"),
    ErrorRow(ServerError, _ERRORS, code="internal_error", maybe_applied=True),
    ErrorRow(ServerError, _ERRORS, code="internal_temporary_error", maybe_applied=True),
    ErrorRow(ServerError, _ERRORS, code="db_connection_failure", maybe_applied=True),
    ErrorRow(ServerError, _ERRORS, code="site_not_ready", maybe_applied=True),
    ErrorRow(ServerError, _ERRORS, code="site_read_only_mode", maybe_applied=True),
)

LIMITS = (
    Limit("lines[].description", DESCRIPTION_LENGTH, f"{_LIMITS}, charges[description]"),
    Limit("description", 2000, f"{_LIMITS}, invoice_note"),
    Limit("purchase_order", 100, f"{_LIMITS}, po_number"),
    Limit("subscription", 50, f"{_LIMITS}, subscription_id"),
    Limit("collection.payment_method", 40, f"{_LIMITS}, payment_source_id"),
    Limit("payment_method", 40, f"{_LIMITS}, payment_source_id"),
    Limit("method", 300, f"{_LIMITS}, comment"),
    Limit("reason", REASON_LENGTH, f"{_LIMITS}, comment: 300, of which a reference takes at most 102"),
)
