"""Whop's statuses, fields, errors, limits, currencies and version pins: data, each row with its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from invoice_bridge.adapter.declared import ErrorRow, Rate, StatusRow
from invoice_bridge.adapter.limits import Limit
from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
from invoice_bridge.adapter.transitions import Transitions, doubt, transition
from invoice_bridge.core.errors import Declined, NotFound, RateLimited, Rejected, Unauthorized, Unsupported
from invoice_bridge.core.model import Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect

API_VERSION = "2026-10-15-1"
"""The pin that whop-sdk 2.6.0 sends and that the migration guide names for legacy invoices; sent with every request."""
KEY_WINDOW = timedelta(hours=24)
LEGACY_ID = "inv_"
NATIVE_ID = "pay_"

REFERENCE_KEY = "invoice_bridge_reference"
"""The metadata key under which a refund carries its reference."""
REASON_KEY = "invoice_bridge_reason"
"""The metadata key under which a refund carries its reason: no request can set Whop's own field for it."""
METADATA_LENGTH = 500
"""The maximum length of a value in a refund's metadata (whop-sdk 2.6.0, payments.refund)."""

CREATE = "whop-sdk 2.6.0, CreateInvoicesRequest"
PLAN_SOURCE = "whop-sdk 2.6.0, CreateInvoicesRequestProductPlan"
REFUND = "whop-sdk 2.6.0, payments.refund and refunds.list"
LINE_SOURCE = "whop-sdk 2.6.0, CreateInvoicesRequestProductLineItemsItem"
_STATUSES = "whop-sdk 2.6.0, InvoiceStatuses"
_RAW = "whop-sdk 2.6.0, invoices/raw_client.py"
_OBJECT = "whop-sdk 2.6.0, Invoice and InvoiceListItem"
_ADDRESS = "whop-sdk 2.6.0, CreateInvoicesRequestBillingAddress"
_CARD = "whop-sdk 2.6.0, Payment, PaymentInstrumentCard and PaymentMethod"
_BANK = "whop-sdk 2.6.0, PaymentBankTransfer"
_VERSIONING = "docs.whop.com/developer/api/versioning"
IDEMPOTENCY = "docs.whop.com/developer/api/idempotency"
_MIGRATION = "docs.whop.com/developer/guides/migrate-from-legacy-invoices"


# ── version pins ─────────────────────────────────────────────────────────────────────────────────────────────────────
_FIRST_LEGACY = (date(2026, 9, 2), 2)  # the first version with account_id instead of company_id
FIRST_NATIVE = (
    date(2026, 10, 24),
    0,
)  # from here on /invoices is another API of ids pay_…
_RELEASED = (  # whop-sdk 2.6.0, ApiKeyApiVersionDate; the last three from docs.whop.com/developer/guides
    "2025-01-01 2026-06-08 2026-06-09 2026-06-20 2026-07-01 2026-07-08 2026-07-08-1 2026-07-18 2026-07-20 2026-07-22 "
    "2026-07-23 2026-07-25 2026-07-26 2026-07-27 2026-07-29 2026-07-29-1 2026-07-31 2026-08-03 2026-08-05 2026-08-05-1 "
    "2026-08-10 2026-08-12 2026-08-13 2026-08-14 2026-08-21 2026-08-21-1 2026-08-25 2026-08-25-1 2026-08-25-2 "
    "2026-08-31 2026-09-02 2026-09-02-1 2026-09-02-2 2026-09-04 2026-09-06 2026-09-09 2026-09-09-1 2026-09-11 "
    "2026-09-11-1 2026-09-13 2026-09-15 2026-09-22 2026-09-22-1 2026-09-22-2 2026-09-22-3 2026-09-22-4 2026-09-23 "
    "2026-09-24 2026-09-24-1 2026-09-25 2026-09-28 2026-09-29 2026-10-05 2026-10-05-1 2026-10-06 2026-10-06-1 "
    "2026-10-06-2 2026-10-07 2026-10-07-1 2026-10-07-2 2026-10-08 2026-10-09 2026-10-09-1 2026-10-09-2 2026-10-13 "
    "2026-10-13-1 2026-10-14 2026-10-14-1 2026-10-15 2026-10-15-1 2026-10-24 2026-10-27-2 2026-11-02-1"
)
VERSIONS = tuple(_RELEASED.split())
"""The versions that are known to exist; Whop answers 400 to others."""


def pin(version: str) -> tuple[date, int]:
    """Return a version as (date, number): "2026-10-15-1" is later than "2026-10-15". Raises ValueError."""
    found = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:-([0-9]{1,4}))?", version)
    if found is None:
        raise ValueError(f"{version!r} is not a version: write it like {API_VERSION}")
    return date.fromisoformat(found[1]), int(found[2] or 0)


def speaks_legacy(version: str) -> bool:
    """Return whether a pin reaches the legacy invoices with this adapter's field names. Raises ValueError."""
    return _FIRST_LEGACY <= pin(version) < FIRST_NATIVE


def read_version(value: Any) -> str:
    """Check the setting api_version. Raises ValueError for pins whose /invoices this adapter does not support."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a version: write it like {API_VERSION!r}")
    if pin(value) >= FIRST_NATIVE:
        raise ValueError(
            f"{value} reaches Whop's native invoices (ids pay_…), another API behind the same path; this adapter "
            f"uses the legacy one: leave the setting out, or pin a version before 2026-10-24 ({_MIGRATION})"
        )
    if not speaks_legacy(value):
        raise ValueError(f"{value} names the account company_id: pin 2026-09-02-2 or later, such as {API_VERSION}")
    return value


def prefixed(prefix: str) -> Any:
    """Make the check of a setting whose ids begin with `prefix`."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not value.startswith(prefix) or value == prefix:
            raise ValueError(f"{value!r} is not an id like {prefix}…")
        return value

    return read


def headers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the version: without it new keys get the native API (docs.whop.com/developer/api/versioning)."""
    return {"Api-Version-Date": settings.get("api_version") or API_VERSION}


def mode(_key: str, _settings: Mapping[str, Any], base_url: str) -> str | None:
    """Return the mode of a host; keys look the same in both (docs.whop.com/developer/guides/sandbox)."""
    return {"sandbox-api.whop.com": "test", "api.whop.com": "live"}.get(str(urlsplit(base_url).hostname))


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class MajorUnits:
    """Exact decimal numbers in major units, in the currencies that the SDK lists; any other is refused when writing.

    19.99 means 19.99 EUR, and 499 means 499 EUR, never cents. A number in major units has one meaning in every
    currency of ISO 4217, so all of those are read.
    """

    currencies: frozenset[str]
    source: str

    def to_units(self, money: Money) -> Decimal | int:
        """Return the number to write: 20 for a whole amount, else with all decimals of the currency (19.90).

        Raises Unsupported for a currency that is not listed.
        """
        if money.currency not in self.currencies:
            raise Unsupported(
                f"Whop does not list {money.currency} among its currencies",
                source=self.source,
                remedy="bill in another currency",
            )
        value = money.major
        return int(value) if value == value.to_integral_value() else value

    def from_units(self, units: Decimal | int | str, currency: str) -> Money:
        """Return the amount that a number means, or one written as text, like "10.00".

        Raises ValueError for more decimals than the currency has, and for a currency that ISO 4217 does not have.
        """
        return Money.parse(units, currency)


# Of the 90 values only the ISO codes are accepted: ape, btc, eth, usdt, whop_usd and xau have no minor unit there. It
# is not confirmed how many decimals Whop charges in MGA (fifths in practice) and where coins were withdrawn: the ISO
# exponent bounds what is sent, and the plan's price is compared after each bill.
_ISO = (
    "AED ALL AMD ARS AUD AWG BAM BGN BHD BOB BRL BSD CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP ETB EUR GBP GHS GMD "
    "GTQ GYD HKD HUF IDR ILS INR JMD JOD JPY KES KHR KRW KWD KZT LKR MAD MDL MGA MKD MNT MOP MUR MXN MYR NAD NGN NOK "
    "NZD OMR PEN PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SEK SGD THB TND TRY TTD TWD TZS USD UYU UZS VND XCD XOF ZAR"
)
MONEY = MajorUnits(frozenset(_ISO.split()), source="whop-sdk 2.6.0, Currencies")


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────
STATUSES = (
    StatusRow("draft", Status.DRAFT, _STATUSES),
    StatusRow("open", Status.OPEN, _STATUSES),
    StatusRow("past_due", Status.OPEN, f"{_STATUSES}: open after its due date, still payable"),
    StatusRow("paid", Status.PAID, _STATUSES),
    StatusRow("void", Status.VOID, _STATUSES),
    StatusRow("uncollectible", Status.UNCOLLECTIBLE, _STATUSES),
)

RATE = Rate(600, 60, "docs.whop.com/developer/troubleshooting: 600 a minute for each key and kind of call; the default")

# The error of a call that the invoice's state forbids is not documented: the flow reads the invoice to explain it.
ERRORS = (
    ErrorRow(Rejected, IDEMPOTENCY, code="idempotency_key_mismatch", key_reused=True),
    ErrorRow(Rejected, IDEMPOTENCY, code="idempotency_request_in_progress", maybe_applied=True),
    ErrorRow(Unauthorized, _RAW, status=401),
    ErrorRow(Unauthorized, f"{_RAW}: the key lacks a permission", status=403),
    ErrorRow(Declined, "whop-sdk 2.6.0: payment_required, declared elsewhere than for invoices", status=402),
    ErrorRow(NotFound, _RAW, status=404),
    ErrorRow(Rejected, _RAW, status=422),
    ErrorRow(RateLimited, _RAW, status=429),
)

TITLE_LENGTH = 80
"""The maximum length of a product's title (whop-sdk 2.6.0, products/client.py)."""
LIMITS = (Limit("description", 1000, "whop-sdk 2.6.0, Plan.description: 1000 characters at most"),)

CANNOT_FINALIZE = "no call finalizes a legacy draft: finalize it in Whop's dashboard, or create it without draft"
CANNOT_PAY = "an invoice is charged when it is created, or the customer pays it online: no call collects it later"
CANNOT_RECORD = (
    "no part, date, method or reference of a payment made elsewhere can be recorded: use mark_paid, which records the "
    "whole amount"
)
CANNOT_CREDIT = "legacy invoices have no credit notes: refund a paid invoice, or void an open one"
CANNOT_PRINT = "the document of a legacy invoice cannot be read: only a payment has a PDF, which is its receipt"
ENDPOINTS = _RAW

REDACTIONS = (
    *hidden(Becomes.SECRET, f"{_OBJECT}: it reads the invoice without a key", "fetch_invoice_token"),
    *hidden(Becomes.SECRET, f"{CREATE}: it charges what it was made for", "payment_token_id"),
    *hidden(Becomes.LINK, f"{_OBJECT}: anyone with the link can pay and read it", "pay_online_url"),
    *hidden(Becomes.EMAIL, _OBJECT, "email", "email_address", "customer_email"),
    Redaction(Where.FIELD, "name", _OBJECT, Becomes.NAME, beside="email"),
    Redaction(Where.FIELD, "name", _OBJECT, Becomes.NAME, beside="username"),
    Redaction(Where.FIELD, "display_name", "whop-sdk 2.6.0, Member", Becomes.NAME, beside="email"),
    *hidden(Becomes.NAME, _OBJECT, "customer_name", "username", "user.name", "member.name"),
    *hidden(Becomes.NAME, _ADDRESS, "mailing_address.name", "billing_address.name", "shipping_address.name"),
    *hidden(Becomes.NAME, _BANK, "beneficiary_name"),
    *hidden(Becomes.SECRET, _ADDRESS, "line1", "line2", "city", "state", "postal_code"),
    *hidden(Becomes.MASK, _ADDRESS, "phone", "phone_number", "customer_phone", "tax_id_value"),
    *hidden(Becomes.MASK, _CARD, "last4", "card_last4", "issuer_identification_number"),
    *hidden(Becomes.MASK, f"{_CARD}: Visa and the last four digits", "payment_instrument.display_name"),
    *hidden(Becomes.SECRET, _CARD, "fingerprint", "exp_month", "exp_year", "card_exp_month", "card_exp_year"),
    *hidden(Becomes.SECRET, _CARD, "ip_address", "cashtag"),
    *hidden(Becomes.MASK, _BANK, "account_number", "secondary_account_number", "routing_number"),
    *hidden(Becomes.MASK, _BANK, "beneficiary_document"),
    *hidden(Becomes.MASK, "whop-sdk 2.6.0, Refund: a bank traces the refund by it", "reference_value"),
    Redaction(
        Where.PATH, r"/invoices/(?!inv_|pay_)([^/]+)", "docs.whop.com/api-reference/invoices: an id or the public token"
    ),
    *hidden(Becomes.SECRET, "docs.whop.com/developer/guides/webhooks", "webhook-signature", where=Where.HEADER),
    Redaction(Where.KEY, r"ws_[0-9A-Za-z_]{16,}", "docs.whop.com/developer/guides/webhooks: a webhook's secret"),
    *hidden(
        Becomes.ID,
        "whop-sdk 2.6.0: the ids of who sells and who is billed",
        *("biz_", "inv_", "ma_", "mber_", "mem_", "pay_", "payt_", "user_"),
        where=Where.ID,
    ),
)
"""API keys have no recognizable form: redaction knows them by their header."""

SOURCES = {
    "one_time_charge": "docs.whop.com/api-reference/legacy/invoices/create-invoice",
    "period_invoice": "docs.whop.com/api-reference/legacy/invoices/create-invoice",
    "import_invoice": "docs.whop.com/api-reference/legacy/invoices/create-invoice",
    "retrieve": "whop-sdk 2.6.0, invoices.retrieve",
    "list": "whop-sdk 2.6.0, invoices.list",
    "find": "whop-sdk 2.6.0, invoices.list and plans.retrieve",
    "refund": REFUND,
    "mark_paid": "whop-sdk 2.6.0, invoices.mark_paid",
    "void": "whop-sdk 2.6.0, invoices.void",
    "mark_uncollectible": "whop-sdk 2.6.0, invoices.mark_uncollectible",
    "update": "whop-sdk 2.6.0, invoices.update",
    "delete": "whop-sdk 2.6.0, invoices.delete",
    "send_invoice": "whop-sdk 2.6.0, invoices.resend",
}
"""verb → where the provider documents what its flow does"""

_PAST_DUE = doubt(
    "past_due", switch="past_due_is_open", why="whether the call accepts a past_due invoice, which stays payable"
)
TRANSITIONS = Transitions(
    {
        "mark_paid": transition(
            Status.OPEN,
            becomes=[Status.PAID],
            effects=[Effect.RECORDS],
            source=SOURCES["mark_paid"],
            doubts=[_PAST_DUE],
        ),
        # "The buyer is emailed": nothing in the request prevents that
        "refund": transition(Status.PAID, effects=[Effect.REFUNDS, Effect.MAILS], source=SOURCES["refund"]),
        "void": transition(
            Status.OPEN, becomes=[Status.VOID], effects=[Effect.VOIDS], source=SOURCES["void"], doubts=[_PAST_DUE]
        ),
        "mark_uncollectible": transition(
            Status.OPEN,
            becomes=[Status.UNCOLLECTIBLE],
            effects=[Effect.VOIDS],
            source=SOURCES["mark_uncollectible"],
            doubts=[_PAST_DUE],
        ),
        "update": transition(Status.DRAFT, source=SOURCES["update"]),
        "delete": transition(Status.DRAFT, becomes=[Status.DELETED], source=SOURCES["delete"]),
        # resend on other statuses is not documented
        "send_invoice": transition(
            Status.OPEN, effects=[Effect.MAILS], source=SOURCES["send_invoice"], doubts=[_PAST_DUE]
        ),
    }
)
