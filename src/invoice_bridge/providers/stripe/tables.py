"""Stripe's statuses, fields, errors, limits and currencies: data, each row with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from invoice_bridge.adapter.declared import ErrorRow, Rate, StatusRow, Units
from invoice_bridge.adapter.limits import Limit
from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
from invoice_bridge.adapter.transitions import Transitions, doubt, transition
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

API_VERSION = "2026-10-28.endive"
"""The version that stripe-python 16.1.0 pins; sent with every request."""
KEY_WINDOW = timedelta(hours=24)
REFERENCE_KEY = "invoice_bridge_reference"
"""The metadata key under which an invoice carries the caller's reference."""
IMPORT_KEY = "invoice_bridge_import"
"""The metadata key that marks an invoice as imported; its value is the status in which the document ended."""
PART_KEY = "invoice_bridge_part"
"""The metadata key of the payments and credit notes of an import: its reference, and which part of it each is."""
SOURCE_KEY = "invoice_bridge_source"
"""The metadata key under which what was imported keeps where it comes from."""
DATE_KEYS = {name: f"invoice_bridge_{name}" for name in ("due_at", "paid_at", "voided_at", "uncollectible_at")}
"""The date of an imported document that Stripe cannot date back → the metadata key that keeps it."""
REASON_KEY = "invoice_bridge_reason"
"""The metadata key under which a refund carries a reason that Stripe has no word for."""
REFUND_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
"""Stripe's own words (stripe-python 16.1.0, RefundCreateParams.reason); "fraudulent" also blocks the card."""
CREDIT_REASONS = frozenset({"duplicate", "fraudulent", "order_change", "product_unsatisfactory"})
"""Stripe's own words (stripe-python 16.1.0, CreditNoteCreateParams.reason); any other is the note's memo."""
PURCHASE_ORDER = "PO number"
"""The name of the custom field that carries a purchase order."""
LINES_PER_INVOICE = 250
LINE_TEXT = 500
LINE_TEXT_SOURCE = "docs.stripe.com/changelog/2018-10-31, 500 characters of a line's description"
PRODUCT_NAME = 250
"""The maximum length of a product's name: a line with a quantity names one."""
PRODUCT_NAME_SOURCE = "docs.stripe.com/changelog, 250 characters of a product's name; second-hand"

_INVOICE = "stripe-python 16.1.0, Invoice"
_PEOPLE = "stripe-python 16.1.0, Invoice, Customer and PaymentMethod.BillingDetails"
_PAYER = "stripe-python 16.1.0, PaymentMethod, Charge.PaymentMethodDetails, Source and TaxId.Verification"
_CARD = "stripe-python 16.1.0, PaymentMethod.Card and PaymentMethod.UsBankAccount"
CREATE = "stripe-python 16.1.0, InvoiceCreateParams"
ADD_LINES = "stripe-python 16.1.0, InvoiceAddLinesParams"
ITEMS = "stripe-python 16.1.0, InvoiceItemListParams and InvoiceAddLinesParamsLine.invoice_item"
_ERRORS = "docs.stripe.com/error-codes"
_SANDBOX = "third-party recording of the sandbox at 2026-08-26.dahlia"


def read_account(value: object) -> str:
    """Check the id of a connected account, which becomes a header."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value.strip():
        raise ValueError("it is the id of a connected account, a text like acct_…")
    return value


def headers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of the version and of the account to act for."""
    account = settings.get("account")
    return {"Stripe-Version": API_VERSION} | ({"Stripe-Account": account} if account else {})


def mode(key: str, _settings: Mapping[str, Any], _base_url: str) -> str | None:
    """Return the mode that a key's prefix names (docs.stripe.com/keys)."""
    return next((mode for mode in ("test", "live") if key.startswith((f"sk_{mode}_", f"rk_{mode}_"))), None)


def dashboard(invoice: Invoice, settings: Mapping[str, Any]) -> str | None:
    """Return the address of an invoice in the dashboard of the key's own account.

    docs.stripe.com links to dashboard.stripe.com/invoices and /test/invoices; the address of one invoice below them is
    in wide use, and not documented. None for a connected account, or without the mode.
    """
    if invoice.test_mode is None or settings.get("account"):
        return None
    return f"https://dashboard.stripe.com/{'test/' if invoice.test_mode else ''}invoices/{quote(invoice.id, safe='')}"


STATUSES = (
    StatusRow("draft", Status.DRAFT, _INVOICE),
    StatusRow("open", Status.OPEN, _INVOICE),
    StatusRow("paid", Status.PAID, _INVOICE),
    StatusRow("void", Status.VOID, _INVOICE),
    StatusRow("uncollectible", Status.UNCOLLECTIBLE, _INVOICE),
    # in invoice.deleted events; the answer to DELETE has no status but deleted: true
    StatusRow(
        "deleted", Status.DELETED, "stripe/openapi of 2022, Invoice.status; a public recording of invoice.deleted"
    ),
)

# docs.stripe.com/currencies. ISK and UGX have no minor unit in ISO 4217, yet Stripe counts hundredths in whole units.
# Three-decimal codes: the last digit must be 0 (text of 2022; not confirmed that this is still enforced).
_ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_WHOLE_UNITS = "ISK UGX"
_THREE_DECIMAL = "BHD JOD KWD OMR TND"
_WITHDRAWN = "ANG BGN HRK"  # two decimals while in use; old invoices still have them
_NOT_LISTED = "BOV CHE CHW COU CUP ERN IRR KPW MXV SDG SSP SYP USN XAD"  # two decimals, not on the page: never sent


def _each(listed: str, value: int) -> dict[str, int]:
    return dict.fromkeys(listed.split(), value)


_SENT = (
    dict.fromkeys(codes(2) - set(_NOT_LISTED.split()), 2)
    | _each(_WITHDRAWN, 2)
    | _each(_WHOLE_UNITS, 2)
    | _each(_ZERO_DECIMAL, 0)
    | _each(_THREE_DECIMAL, 3)
)
MONEY = Units(
    _SENT,
    source="docs.stripe.com/currencies",
    multiple_of=_each(_WHOLE_UNITS, 100) | _each(_THREE_DECIMAL, 10),
    # The codes of three and four decimals and UYI, which the page does not list either, are left out: their factor
    # would be a guess.
    read_only=_each(_NOT_LISTED, 2)
    | {code: digits for digits in (0, 2) for code in historic_codes(digits) if code not in _SENT},
    read_source=(
        "docs.stripe.com/currencies: amounts are in the smallest unit of the currency. These codes are not on the "
        "page, or were withdrawn before; not confirmed by an answer"
    ),
)

# In the currency's own units. Stripe's minimum is that of the settlement currency, which may be another one: an
# account that settles in a third currency has a limit near these. Other currencies have a minimum too, but the page
# does not list it.
MINIMUM_CHARGE: Mapping[str, int] = {
    "EUR": 50, "USD": 50, "GBP": 30, "PLN": 200, "SEK": 300, "NOK": 300, "JPY": 50, "KRW": 50, "HUF": 17500,
    "MXN": 1000, "THB": 1000,
}  # fmt: skip
"""The smallest amounts that Stripe charges (docs.stripe.com/currencies, minimum and maximum charge amounts)."""

SEARCH_RATE = Rate(20, 1, "docs.stripe.com/rate-limits: 20 read requests a second for Search")
RATE = Rate(25, 1, "docs.stripe.com/rate-limits: 25 a second in a sandbox and for each endpoint, 100 in live mode")

ERRORS = (
    ErrorRow(RateLimited, _ERRORS, code="rate_limit"),
    ErrorRow(RateLimited, _ERRORS, code="lock_timeout"),
    # the first try of the same key is still running: its outcome is unknown
    ErrorRow(Rejected, "docs.stripe.com/error-low-level", code="idempotency_key_in_use", maybe_applied=True),
    ErrorRow(Rejected, "stripe-python 16.1.0, retries of HTTP 409", status=409, maybe_applied=True),
    # its type is confirmed, its HTTP status is not
    ErrorRow(Rejected, "docs.stripe.com/api/idempotent_requests", type="idempotency_error", key_reused=True),
    ErrorRow(ServerError, "stripe-python 16.1.0, APIError for HTTP 424", status=424, maybe_applied=True),
    # HTTP 404 for the invoice itself, 400 for another object that the request names, such as the customer
    ErrorRow(NotFound, _SANDBOX, code="resource_missing"),
    ErrorRow(InvalidState, _SANDBOX, code="invoice_not_editable"),
    ErrorRow(InvalidState, _ERRORS, code="status_transition_invalid"),
    ErrorRow(Declined, _ERRORS, type="card_error"),
    ErrorRow(Declined, _ERRORS, code="invoice_payment_intent_requires_action"),
    ErrorRow(Unauthorized, _ERRORS, code="secret_key_required"),
    ErrorRow(Unauthorized, _ERRORS, code="api_key_expired"),
    ErrorRow(Unauthorized, _ERRORS, code="livemode_mismatch"),
)

LIMITS = (
    Limit("lines", LINES_PER_INVOICE, "docs.stripe.com/changelog/2016-02-22, 250 items an invoice"),
    Limit("description", 1500, "stripe/openapi of 2022; not confirmed since"),
    Limit("lines[].description", LINE_TEXT, LINE_TEXT_SOURCE),
    Limit("purchase_order", 140, f"{CREATE}, custom_fields[].value"),
    Limit("metadata", 49, "docs.stripe.com/api/metadata, 50 keys, one of them the reference's; not confirmed here"),
    Limit("metadata.key", 40, "docs.stripe.com/api/metadata; not confirmed here"),
    Limit("metadata.value", 500, "docs.stripe.com/api/metadata; not confirmed here"),
    Limit("lines[].metadata", 50, "docs.stripe.com/api/metadata; not confirmed here"),
    Limit("lines[].metadata.key", 40, "docs.stripe.com/api/metadata; not confirmed here"),
    Limit("lines[].metadata.value", 500, "docs.stripe.com/api/metadata; not confirmed here"),
)

REDACTIONS = (
    *hidden(Becomes.SECRET, "stripe-python 16.1.0, Invoice.ConfirmationSecret and PaymentIntent", "client_secret"),
    *hidden(Becomes.LINK, _INVOICE, "hosted_invoice_url", "invoice_pdf"),
    *hidden(Becomes.LINK, "stripe-python 16.1.0, Charge and ErrorObject", "receipt_url", "request_log_url"),
    *hidden(Becomes.EMAIL, _PEOPLE, "email", "customer_email", "receipt_email"),
    *hidden(Becomes.EMAIL, _PAYER, "payer_email", "verified_email"),
    Redaction(Where.FIELD, "name", _PEOPLE, Becomes.NAME, beside="email"),
    *hidden(Becomes.NAME, _PEOPLE, "customer_name", "customer.name", "shipping.name", "customer_shipping.name"),
    *hidden(Becomes.NAME, _PEOPLE, "billing_details.name", "customer_details.name", "individual_name", "business_name"),
    *hidden(Becomes.NAME, _PAYER, "card.name", "owner.name", "account_holder_name", "cardholder_name", "payer_name"),
    *hidden(Becomes.NAME, _PAYER, "verified_name", "first_name", "last_name", "refund_account_holder_name"),
    *hidden(Becomes.NAME, _PAYER, "shipping_first_name", "shipping_last_name"),
    *hidden(Becomes.MASK, _PEOPLE, "phone", "customer_phone"),
    *hidden(Becomes.SECRET, _PEOPLE, "line1", "line2", "postal_code", "city", "state", "ip_address"),
    *hidden(Becomes.SECRET, f"{_PAYER}; Card", "address_line1", "address_line2", "address_city", "address_state"),
    *hidden(Becomes.SECRET, f"{_PAYER}; Card and Charge.Level3", "address_zip", "shipping_address_zip"),
    *hidden(
        Becomes.SECRET,
        f"{_PAYER}; Source",
        *(f"refund_account_holder_address_{part}" for part in ("line1", "line2", "city", "state", "postal_code")),
    ),
    *hidden(Becomes.SECRET, _PAYER, "verified_address", "payer_id", "cashtag", "buyer_id", "vpa", "dob"),
    *hidden(Becomes.MASK, _PAYER, "verified_phone", "verified_phone_last4", "iban", "iban_last4", "refund_iban"),
    *hidden(Becomes.MASK, _PAYER, "sort_code", "bsb_number", "billing_details.tax_id"),
    *hidden(Becomes.MASK, _PEOPLE, "customer_tax_ids.value", "tax_ids.value", "tax_id_data.value", "tax_id.value"),
    *hidden(Becomes.MASK, _CARD, "last4", "dynamic_last4", "card.number", "iin", "account_number", "routing_number"),
    *hidden(Becomes.SECRET, _CARD, "cvc", "fingerprint", "exp_month", "exp_year"),
    *hidden(
        Becomes.SECRET,
        "stripe-python 16.1.0, _api_requestor: the machine's name, and the last request",
        *("x-stripe-client-user-agent", "x-stripe-client-telemetry"),
        where=Where.HEADER,
    ),
    *hidden(Becomes.SECRET, "docs.stripe.com/webhooks", "stripe-signature", where=Where.HEADER),
    Redaction(Where.KEY, r"(?:sk|rk|ek)_(?:live|test)_[0-9A-Za-z_]{8,}", "docs.stripe.com/keys"),
    Redaction(Where.KEY, r"whsec_[0-9A-Za-z_+/=-]{8,}", "docs.stripe.com/webhooks"),
    *hidden(
        Becomes.ID,
        "stripe-python 16.1.0: the ids of what belongs to a customer or an account",
        *("acct_", "ba_", "card_", "ch_", "cn_", "cus_", "evt_", "ii_", "il_", "in_", "inpay_", "pi_", "pm_", "py_"),
        *("re_", "req_", "seti_", "si_", "src_", "sub_", "txi_", "txn_"),
        where=Where.ID,
    ),
)
"""An address's state is redacted with its city; an invoice has `status`. The country is kept for its taxes."""

SOURCES = {
    "one_time_charge": "stripe-python 16.1.0, InvoiceService.create and add_lines",
    "period_invoice": "stripe-python 16.1.0, InvoiceItemService.list and InvoiceService.add_lines",
    "import_invoice": "stripe-python 16.1.0, InvoiceCreateParams.number and effective_at, Invoice.attach_payment",
    "retrieve": "stripe-python 16.1.0, InvoiceService.retrieve, InvoicePaymentService.list and CreditNoteService.list",
    "find": "stripe-python 16.1.0, InvoiceService.search and list",
    "list": "stripe-python 16.1.0, InvoiceService.list",
    "pdf": "stripe-python 16.1.0, Invoice.invoice_pdf",
    "finalize": "stripe-python 16.1.0, InvoiceService.finalize_invoice",
    "pay": "stripe-python 16.1.0, InvoiceService.pay",
    "pay_part": "stripe-python 16.1.0, InvoiceService.attach_payment and PaymentIntentService.confirm",
    "mark_paid": "stripe-python 16.1.0, InvoicePayParams.paid_out_of_band",
    "record_payment": "stripe-python 16.1.0, PaymentRecordService.report_payment and InvoiceService.attach_payment",
    "refund": "stripe-python 16.1.0, RefundService.create and InvoicePaymentService.list",
    "credit": "stripe-python 16.1.0, CreditNoteService.create",
    "void": "docs.stripe.com/invoicing/integration/workflow-transitions",
    "mark_uncollectible": "docs.stripe.com/invoicing/integration/workflow-transitions",
    "update": "stripe-python 16.1.0, InvoiceService.update",
    "delete": "docs.stripe.com/invoicing/integration/workflow-transitions",
    "send_invoice": "stripe-python 16.1.0, InvoiceService.send_invoice",
}
"""verb → where the provider documents what its flow does"""

_WORKFLOW = "docs.stripe.com/invoicing/integration/workflow-transitions"
_PAYS_LATER = doubt(
    "uncollectible", switch="pay_uncollectible", why="whether an uncollectible invoice can be paid: not observed"
)
_VOIDS_LATER = doubt(
    "uncollectible", switch="void_uncollectible", why="whether an uncollectible invoice can be voided: not observed"
)
TRANSITIONS = Transitions(
    {
        "finalize": transition(
            Status.DRAFT, becomes=[Status.OPEN, Status.PAID], effects=[Effect.ISSUES], source=_WORKFLOW
        ),
        "pay": transition(
            Status.OPEN,
            Status.UNCOLLECTIBLE,
            becomes=[Status.PAID],
            effects=[Effect.COLLECTS],
            source=_WORKFLOW,
            doubts=[_PAYS_LATER],
        ),
        # for an uncollectible invoice this is not documented, so it is not attempted
        "pay_part": transition(
            Status.OPEN,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.COLLECTS],
            source=SOURCES["pay_part"],
        ),
        "mark_paid": transition(
            Status.OPEN,
            Status.UNCOLLECTIBLE,
            becomes=[Status.PAID],
            effects=[Effect.RECORDS],
            source=f"{_WORKFLOW}; {SOURCES['mark_paid']}",
            doubts=[_PAYS_LATER],
        ),
        "record_payment": transition(
            Status.OPEN,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.RECORDS],
            source=SOURCES["record_payment"],
        ),
        "refund": transition(Status.PAID, effects=[Effect.REFUNDS], source=SOURCES["refund"]),
        "credit": transition(
            Status.OPEN,
            Status.PAID,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.ISSUES],
            source=SOURCES["credit"],
        ),
        "void": transition(
            Status.OPEN,
            Status.UNCOLLECTIBLE,
            becomes=[Status.VOID],
            effects=[Effect.VOIDS],
            source=_WORKFLOW,
            doubts=[_VOIDS_LATER],
        ),
        "mark_uncollectible": transition(
            Status.OPEN, becomes=[Status.UNCOLLECTIBLE], effects=[Effect.VOIDS], source=_WORKFLOW
        ),
        # a finalized invoice is no longer editable, except for its metadata
        "update": transition(Status.DRAFT, anywhere=["metadata"], source=SOURCES["update"]),
        "delete": transition(Status.DRAFT, becomes=[Status.DELETED], source=_WORKFLOW),
        "send_invoice": transition(Status.OPEN, effects=[Effect.MAILS], source=_WORKFLOW),
    }
)
PAYS_BILL = replace(TRANSITIONS["pay"], allowed=frozenset({Status.OPEN}))
"""The collection of a bill: open only, so an invoice written off in between is not collected."""
MAILS_BILL = replace(TRANSITIONS["send_invoice"], becomes=frozenset({Status.PAID}))
"""The mail of a bill: paid too, because after a lost answer a paid invoice needs no second mail."""
