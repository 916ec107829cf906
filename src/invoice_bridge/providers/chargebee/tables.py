"""Chargebee's statuses, fields, errors, limits and currencies: data, each row with its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from invoice_bridge.adapter.declared import ErrorRow, Rate, Setting, StatusRow, Units
from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
from invoice_bridge.adapter.rows import Field, Limit
from invoice_bridge.core.errors import (
    Declined,
    InvalidState,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.core.model import Status
from invoice_bridge.core.money import codes, historic_codes

API_VERSION = "v2"
KEY_WINDOW = timedelta(minutes=30)
"""The documentation's own figure; another page says a day, and the shorter one cannot bill twice."""
NO_MAIL = ("chargebee-event-email", "all-disabled")
"""The header that keeps the events of one request from mailing anybody."""
DESCRIPTION_LENGTH = 250
"""The most characters of a line's description."""

_INVOICE = "chargebee/openapi, API v2, Product Catalog 2.0, 2026-08-28, Invoice"
_CREATE = "apidocs.chargebee.com, create invoice for items and one-time charges"
_UNBILLED = "apidocs.chargebee.com, invoice unbilled charges"
_LIMITS = "chargebee-node 3.31.0, invoice.schema.ts"
_ERRORS = "apidocs.chargebee.com, error handling"
_HEADERS = "apidocs.chargebee.com, headers that disable the events of a request"
_ACCOUNT = "chargebee 3.29.0, PaymentSource and bank_account of Customer"
_PEOPLE = "chargebee/openapi, API v2, Product Catalog 2.0, Customer and Invoice.BillingAddress"
_ORIGIN = "apidocs.chargebee.com, headers that tell where a request comes from"


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _site(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch("[a-z0-9-]+", value):
        return value
    raise ValueError(f"{value!r} is no site: write the name before .chargebee.com alone, such as acme-test")


def _catalog(value: Any) -> int:
    if str(value) in {"1", "2"}:
        return int(value)
    raise ValueError(f"{value!r} is no product catalog: it is 2, or 1 on sites older than May 2021")


def _custom_field(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch("cf_[A-Za-z0-9_]{1,97}", value):
        return value
    raise ValueError(f"{value!r} is no custom field: its API name begins with cf_")


SETTINGS = (
    Setting("site", "the name before .chargebee.com", required=True, read=_site),
    Setting("product_catalog", "1 or 2, as GET /configurations of the site says", default=2, read=_catalog),
    Setting("reference_field", "a custom field (cf_…) of invoices that takes the reference", read=_custom_field),
)


def mode(key: str, settings: Mapping[str, Any], base_url: str) -> str | None:
    """What the key's prefix and the site say: a test site's name ends in -test.

    The name of a site tells "live" at chargebee.com only; below another base URL it is just a name.
    """
    said = {mode for mode in ("test", "live") if key.startswith(f"{mode}_")}
    host = urlsplit(base_url).hostname or ""
    at_home = host.endswith(".chargebee.com")
    site = host.removesuffix(".chargebee.com") if at_home else str(settings.get("site") or "")
    if site.endswith("-test"):
        said.add("test")
    elif at_home:
        said.add("live")
    return " and ".join(sorted(said)) or None  # "live and test": no mode that is asked for agrees with that


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────
_API = "chargebee/openapi, API v2, Product Catalog 2.0"
REDACTIONS = (
    *hidden(Becomes.LINK, f"{_API}, Download: whoever has it reads the PDF", "download_url"),
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
"""An invoice's id is its number, counted up within the site: it stays."""

SOURCES = {
    "one_time_charge": f"{_API}, create_for_charge_items_and_charges; on catalog 1 charge and create",
    "period_invoice": f"{_API}, create_for_charge_items_and_charges; invoice_unbilled_charges",
    "retrieve": f"{_API}, retrieve an invoice",
    "list": f"{_API}, list invoices",
    "finalize": f"{_API}, close a pending invoice",
    "pay": f"{_API}, collect_payment",
    "mark_paid": f"{_API}, record_payment",
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

# ── currencies ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The currencies page: a zero-decimal currency is counted in major units, and it names four; every other currency is
# counted in hundredths, three-decimal ones too. That is enough to read all of them. To send one, a wrong factor would
# bill a hundredfold, and the site's own list of supported currencies marks zero-decimal ones with a sign that the copy
# read had lost: so every other code without decimals in ISO 4217 is refused, and so are those whose decimals are seldom
# used (TWD; MGA and MRU, whose fifths are no decimals) and the codes that are no cash (BOV … XAD). HUF and MRO are on
# that list without the sign.
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
    # The code's name says little: only with the type and the HTTP status that are documented is it the key's. Any other
    # refusal of that name is a plain one; both bill nothing.
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
)


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def bills_accrued(command: Any) -> bool:
    """Whether the bill is made of a subscription's unbilled charges."""
    return command.verb == "period_invoice" and not command.lines


def reference_field(command: Any, settings: Mapping[str, Any]) -> str | None:
    """The field that carries the reference; None where the only one there is carries a purchase order.

    That is the bill's own, or that of the subscription: what is made of unbilled charges inherits it (chargebee 3.29.0,
    Subscription.po_number), so it is never written over.
    """
    return settings.get("reference_field") or (
        None if command.purchase_order or bills_accrued(command) else "po_number"
    )


def _accrued(command: Any, _use: Any) -> bool:
    return bills_accrued(command)


def _collects_unseen(command: Any, context: Any) -> bool:
    return (
        not bills_accrued(command)
        and context.settings.get("product_catalog") == 1
        and command.collection.kind == "charge"
    )


def _rated(command: Any, _use: Any) -> bool:
    return not bills_accrued(command)


def _quantity_is_lost(command: Any, _use: Any) -> bool:
    return any(line.quantity is not None and line.quantity != 1 for line in command.lines)


def _terms_are_lost(command: Any, context: Any) -> bool:
    return bills_accrued(command) or context.settings.get("product_catalog") == 1


def _reference_is_lost(command: Any, context: Any) -> bool:
    return reference_field(command, context.settings) is None


def _dropped(path: str, code: str, why: str, remedy: str = "", **more: Any) -> Field:
    """A row for what no request names."""
    said = {"alters": Alters.NOTHING, "fate": Fate.DROPPED, "severity": Severity.WARNS, "sent": "nothing", **more}
    return Field(path, "", said.pop("source", _CREATE), code=f"IB-CHARGEBEE-{code}", why=why, remedy=remedy, **said)


def month_before(instant: datetime) -> datetime:
    """One calendar month earlier: the same day, or the last one of a shorter month."""
    last_of_before = instant.replace(day=1) - timedelta(days=1)
    return last_of_before.replace(day=min(instant.day, last_of_before.day))


def _checked(path: str) -> Field:
    """A row for what no request names: what comes back is compared with it before anything is billed."""
    return Field(path, "", _UNBILLED, Alters.NOTHING, when=_accrued)


def _terms(path: str, code: str) -> Field:
    return _dropped(
        path,
        code,
        "this request takes no payment terms, neither on product catalog 1 nor for unbilled charges",
        "set the customer's net terms at Chargebee",
        fate=Fate.DEFAULTED,
        when=_terms_are_lost,
        sent="nothing: the customer's own net terms apply",
    )


# Of several rows that speak of the same path the first one decides; what a loss row leaves over is carried by the next.
FIELDS = (
    Field("customer.id", "customer_id", _CREATE, when=_rated),
    _checked("customer.id"),
    _dropped(
        "customer.email",
        "CUSTOMER-01",
        "Chargebee bills its own record of the customer and mails to the address kept there",
        severity=Severity.INFO,
    ),
    _dropped(
        "customer.name",
        "CUSTOMER-02",
        "Chargebee bills its own record of the customer and prints the name kept there",
        severity=Severity.INFO,
    ),
    Field("amount", "charges[].amount, amount", _CREATE, verbs=("one_time_charge",)),
    Field("currency", "currency_code", _CREATE, when=_rated),
    _checked("currency"),
    Field("lines[].description", "charges[].description, description", _CREATE),
    Field("lines[].amount", "charges[].amount, amount", _CREATE),
    _dropped(
        "lines[].quantity",
        "QUANTITY-01",
        "a one-time charge of an invoice has an amount and no quantity",
        "say it in the line's description",
        when=_quantity_is_lost,
        sent="the line's whole amount, once",
    ),
    Field("lines[].quantity", "", f"{_CREATE}: one is what an amount without a quantity means", Alters.NOTHING),
    _dropped(
        "lines[].unit_amount",
        "QUANTITY-02",
        "a one-time charge of an invoice has an amount and no unit amount",
        severity=Severity.INFO,  # it goes where its quantity goes, which is asked about already
        when=_quantity_is_lost,
        sent="the line's whole amount, once",
    ),
    Field("lines[].unit_amount", "", f"{_CREATE}: of one, it is the amount", Alters.NOTHING),
    Field("lines[].period.start", "charges[].date_from, date_from", _CREATE),
    Field("lines[].period.end", "charges[].date_to, date_to", _CREATE),
    Field("period.start", "charges[].date_from, date_from", _CREATE, when=_rated),
    _checked("period.start"),
    Field("period.end", "charges[].date_to, date_to", _CREATE, when=_rated),
    _checked("period.end"),
    _dropped(
        "description",
        "DESCRIPTION-01",
        "unbilled charges are invoiced without a note",
        "leave it out",
        source=_UNBILLED,
        when=_accrued,
    ),
    Field("description", "invoice_note, charges[].description, description", _CREATE),
    _dropped(
        "reference",
        "REFERENCE-01",
        "a purchase order, the bill's or the subscription's, takes the field that would carry the reference: the bill "
        "cannot be found by it again",
        "set reference_field to a custom field (cf_…) of invoices",
        when=_reference_is_lost,
    ),
    Field("reference", "po_number, charges[].description, description", _CREATE),
    Field("purchase_order", "po_number", _CREATE),
    _dropped(
        "metadata",
        "METADATA-01",
        "invoices have no metadata at Chargebee",
        "keep it on your side, under the reference",
        source="chargebee.com/docs/2.0/metadata.html",
    ),
    _dropped(
        "collection.kind",
        "COLLECTION-04",
        "on product catalog 1 one request makes the invoice and collects it: tax, rounding and credits change what is "
        "collected before it can be compared, which is done afterwards",
        "bill on product catalog 2, or make the invoice with Collection.manual() and pay it",
        source="apidocs.chargebee.com/docs/api/v2/pcv-1/invoices: no pending invoices",
        fate=Fate.APPROXIMATED,
        severity=Severity.CHANGES_MONEY,
        when=_collects_unseen,
        sent="the bill, collected at once",
    ),
    _dropped(
        "collection.kind",
        "COLLECTION-02",
        "unbilled charges are collected as the subscription says, whatever one bill asks for",
        "set the subscription's auto_collection, or bill lines of your own",
        source=_UNBILLED,
        fate=Fate.DEFAULTED,
        when=_accrued,
        sent="nothing: the subscription's own auto_collection decides",
    ),
    _dropped(
        "collection.kind",
        "COLLECTION-05",
        "where the subscription's auto_collection is on, unbilled charges are collected by the request that makes the "
        "invoice: only the charges are added up first; tax, coupons and credits are compared afterwards",
        "switch the subscription's auto_collection off, and pay the invoice once you have seen it",
        source=_UNBILLED,
        fate=Fate.APPROXIMATED,
        severity=Severity.CHANGES_MONEY,
        when=_accrued,
        sent="nothing: the subscription's own auto_collection decides",
    ),
    Field(
        "collection.kind",
        "auto_collection",
        _CREATE,
        Alters.BRANCH,
        Fate.APPROXIMATED,
        Severity.WARNS,
        "IB-CHARGEBEE-COLLECTION-01",
        when=lambda command, _use: command.collection.kind == "send",
        sent="auto_collection=off and the payment terms",
        why="an invoice is mailed where the site's e-mail settings say so, and not otherwise",
        remedy="switch the site's invoice mails on, then allow this",
    ),
    Field(
        "collection.kind",
        "auto_collection",
        _HEADERS,
        Alters.BRANCH,
        Fate.APPROXIMATED,
        code="IB-CHARGEBEE-MAIL-01",
        when=lambda command, _use: command.collection.kind == "manual" and not command.draft,
        sent=f"{NO_MAIL[0]}: {NO_MAIL[1]}",
        why="the mails of this request are switched off; reminders that the site's settings send later are not",
        remedy="look at the site's e-mail settings",
    ),
    # a draft says how it will be collected; what is to be collected at once is made pending, compared, then closed
    Field("collection.kind", "auto_collection, payment_source_id", _CREATE, when=lambda command, _use: command.draft),
    Field("collection.kind", "auto_collection, create_pending_invoice", _CREATE, Alters.BRANCH),
    _terms("collection.net_days", "TERMS-01"),
    Field("collection.net_days", "net_term_days", _CREATE),
    _terms("collection.due", "TERMS-02"),
    Field("collection.due", "net_term_days", _CREATE),
    _dropped(
        "issued_at",
        "ISSUED-01",
        "unbilled charges are invoiced without a date of the caller's",
        "leave it out",
        source=_UNBILLED,
        fate=Fate.DEFAULTED,
        when=_accrued,
        sent="nothing: the invoice is dated when it is made",
    ),
    Field(
        "issued_at",
        "invoice_date, net_term_days",
        "apidocs.chargebee.com, POST /invoices/charge, invoice_date: one calendar month into the past at most",
        fate=Fate.DROPPED,
        severity=Severity.WARNS,
        code="IB-CHARGEBEE-ISSUED-02",
        when=_rated,
        clock=lambda command, as_of: command.issued_at < month_before(as_of),
        sent="the date, with which Chargebee may refuse the bill",
        why="Chargebee dates no invoice more than one calendar month into the past; that is documented of "
        "/invoices/charge, and not confirmed of the other requests",
        remedy="give a later date, or bill without one",
    ),
    _dropped(
        "collection.payment_method",
        "COLLECTION-03",
        "unbilled charges are collected from the subscription's own payment source",
        "set it at the subscription",
        source=_UNBILLED,
        when=_accrued,
    ),
    Field("collection.payment_method", "payment_source_id", _CREATE),
    _dropped(
        "tax",
        "TAX-01",
        "tax cannot be switched off for unbilled charges, and would come on top of what has accrued",
        'ask with tax="provider"',
        source=_UNBILLED,
        fate=Fate.DEFAULTED,
        severity=Severity.CHANGES_MONEY,
        when=lambda command, _use: bills_accrued(command) and command.tax == "none",
        sent="nothing: the charges are taxed as the site's settings say",
    ),
    Field("tax", "charges[].taxable", _CREATE, when=_rated),
    Field("tax", "", f"{_UNBILLED}: the site taxes them by its own settings", Alters.NOTHING),
    Field("draft", "create_pending_invoice", _CREATE, Alters.BRANCH),
    _dropped(
        "subscription",
        "SUBSCRIPTION-01",
        "a bill of the caller's own lines is sent for the customer, though Chargebee could make it for a subscription",
        "leave the subscription out, or the lines",
        when=_rated,
        sent="nothing: the customer is billed",
        verbs=("period_invoice",),
    ),
    Field("subscription", "subscription_id", _UNBILLED, verbs=("period_invoice",)),
    Field("attempt", "", "apidocs.chargebee.com/docs/api/v1/idempotency", Alters.NOTHING),
)
