"""Whop's statuses, fields, errors, limits, currencies and version pins: data, each row with its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from invoice_bridge.adapter.declared import ErrorRow, Rate, StatusRow
from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
from invoice_bridge.adapter.rows import Field, Limit
from invoice_bridge.core.errors import Declined, NotFound, RateLimited, Rejected, Unauthorized, Unsupported
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.core.model import Line, Status
from invoice_bridge.core.money import Money

API_VERSION = "2026-10-15-1"
"""The pin that whop-sdk 2.6.0 sends and that the migration guide names for legacy invoices; sent with every request."""
KEY_WINDOW = timedelta(hours=24)
LEGACY_ID = "inv_"
NATIVE_ID = "pay_"

_CREATE = "whop-sdk 2.6.0, CreateInvoicesRequest"
_PLAN = "whop-sdk 2.6.0, CreateInvoicesRequestProductPlan"
_LINE = "whop-sdk 2.6.0, CreateInvoicesRequestProductLineItemsItem"
_STATUSES = "whop-sdk 2.6.0, InvoiceStatuses"
_RAW = "whop-sdk 2.6.0, invoices/raw_client.py"
_OBJECT = "whop-sdk 2.6.0, Invoice and InvoiceListItem"
_ADDRESS = "whop-sdk 2.6.0, CreateInvoicesRequestBillingAddress"
_CARD = "whop-sdk 2.6.0, Payment, PaymentInstrumentCard and PaymentMethod"
_BANK = "whop-sdk 2.6.0, PaymentBankTransfer"
_VERSIONING = "docs.whop.com/developer/api/versioning"
_IDEMPOTENCY = "docs.whop.com/developer/api/idempotency"
_MIGRATION = "docs.whop.com/developer/guides/migrate-from-legacy-invoices"


# ── version pins ─────────────────────────────────────────────────────────────────────────────────────────────────────
_FIRST_LEGACY = (date(2026, 9, 2), 2)  # the first version that says account_id where earlier ones say company_id
FIRST_NATIVE = (date(2026, 10, 24), 0)  # from here on /invoices is another API: ids pay_…, an invoice is a payment
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
    """Whether a pin reaches the legacy invoices in the words this adapter writes. Raises ValueError."""
    return _FIRST_LEGACY <= pin(version) < FIRST_NATIVE


def read_version(value: Any) -> str:
    """Check the setting api_version. Raises ValueError for pins whose /invoices this adapter does not speak."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a version: write it like {API_VERSION!r}")
    if pin(value) >= FIRST_NATIVE:
        raise ValueError(
            f"{value} reaches Whop's native invoices (ids pay_…), another API behind the same path; "
            f"this adapter speaks the legacy one: leave the setting out, or pin one before 2026-10-24 ({_MIGRATION})"
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
    """The version: without it a newly made key answers with the native API (docs.whop.com/developer/api/versioning)."""
    return {"Api-Version-Date": settings.get("api_version") or API_VERSION}


def mode(_key: str, _settings: Mapping[str, Any], base_url: str) -> str | None:
    """The mode a host names; Whop's keys look the same in both (docs.whop.com/developer/guides/sandbox)."""
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
                f"{money.currency} is not among the currencies that Whop lists",
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


# Of the 90 values the ISO codes only; ape, btc, eth, usdt, whop_usd and xau have no minor unit there and are refused.
# How many decimals Whop charges in MGA (fifths in practice) and where coins are gone is not confirmed: the ISO exponent
# bounds what is sent, and the plan's price is compared after each bill.
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

# The error of a call that the invoice's state does not allow is not documented: it is explained by reading (`act`).
ERRORS = (
    ErrorRow(Rejected, _IDEMPOTENCY, code="idempotency_key_mismatch", key_reused=True),
    ErrorRow(Rejected, _IDEMPOTENCY, code="idempotency_request_in_progress", maybe_applied=True),
    ErrorRow(Unauthorized, _RAW, status=401),
    ErrorRow(Unauthorized, f"{_RAW}: the key lacks a permission", status=403),
    ErrorRow(Declined, "whop-sdk 2.6.0: payment_required, declared elsewhere than for invoices", status=402),
    ErrorRow(NotFound, _RAW, status=404),
    ErrorRow(Rejected, _RAW, status=422),
    ErrorRow(RateLimited, _RAW, status=429),
)

TITLE_LENGTH = 80
"""Characters of a product's title (whop-sdk 2.6.0, products/client.py)."""
LIMITS = (Limit("description", 1000, "whop-sdk 2.6.0, Plan.description: 1000 characters at most"),)


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def carries_quantity(line: Line) -> bool:
    """Whether a line goes as quantity × unit price: a quantity of zero or below is not documented."""
    return line.quantity is not None and line.unit_amount is not None and line.quantity > 0


def fits_title(text: str) -> bool:
    """Whether a text is short enough for the title of a product."""
    return len(text) <= TITLE_LENGTH


def _needs_another_title(command: Any, context: Any) -> bool:
    return (
        not context.settings.get("product_id")
        and command.description is not None
        and not fits_title(command.description)
    )


def _has_its_title(command: Any, context: Any) -> bool:
    return not _needs_another_title(command, context)


def _needs_a_word_as_title(command: Any, context: Any) -> bool:
    titled = command.description is not None and fits_title(command.description)
    return not (context.settings.get("product_id") or titled or fits_title(command.reference))


def _needs_no_word_as_title(command: Any, context: Any) -> bool:
    return not _needs_a_word_as_title(command, context)


def _quantity_is_lost(command: Any, _use: Any) -> bool:
    return any(line.quantity not in {None, 1} and not carries_quantity(line) for line in command.lines)


def _quantity_is_kept(command: Any, context: Any) -> bool:
    return not _quantity_is_lost(command, context)


def _unit_amount_is_lost(command: Any, _use: Any) -> bool:
    return any(
        line.unit_amount is not None and line.quantity is not None and line.quantity <= 0 for line in command.lines
    )


def _unit_amount_is_kept(command: Any, context: Any) -> bool:
    return not _unit_amount_is_lost(command, context)


def _bills_a_member(command: Any, context: Any) -> bool:
    return command.customer is not None and command.customer.at(context.provider.name) is not None


def _bills_an_address(command: Any, context: Any) -> bool:
    return not _bills_a_member(command, context)


def _gives_the_due_date(command: Any, _use: Any) -> bool:
    return bool(command.collection.net_days is not None or (command.collection.kind == "charge" and not command.draft))


def _says_nothing_else(command: Any, context: Any) -> bool:
    return not _gives_the_due_date(command, context)


def _is_issued(command: Any, _use: Any) -> bool:
    return not command.draft


def _drafts_to_mail(command: Any, _use: Any) -> bool:
    return bool(command.draft and command.collection.kind == "manual")


def _drafts_as_asked(command: Any, _use: Any) -> bool:
    return bool(command.draft and command.collection.kind != "manual")


def _untaxed(command: Any, _use: Any) -> bool:
    return bool(command.tax == "none" and (command.collection.kind != "charge" or command.draft))


def _charged_untaxed(command: Any, context: Any) -> bool:
    return bool(command.tax == "none" and not _untaxed(command, context))


def _taxed(command: Any, _use: Any) -> bool:
    return bool(command.tax == "provider")


_TITLE = "whop-sdk 2.6.0, products/client.py: title, 80 characters at most"
_MEMBER = f"{_CREATE}: member_id, or email_address and customer_name"
_TAX = "whop-sdk 2.6.0, Plan.collect_tax: based on the account's tax configuration"


def _dropped(path: str, code: str, source: str, **more: Any) -> Field:
    """What Whop has no field for."""
    row = Field(path, "", source, Alters.NOTHING, Fate.DROPPED, Severity.WARNS, code, sent="nothing")
    return replace(row, **more)


# A text that is left out is made up from another, so the product's title and a line's label come from several leaves;
# the sum of the lines is the plan's price. Of the rows that name a field the first that the command sets is its origin.
FIELDS = (
    Field("lines[].description", "line_items[].label", _LINE),
    Field(
        "description",
        "plan.description, line_items[].label",
        _TITLE,
        fate=Fate.APPROXIMATED,
        code="IB-WHOP-TITLE-01",
        why=f"a product's title has {TITLE_LENGTH} characters at most, and the description has more",
        remedy="shorten the description, or bill under a product of your own (the setting product_id)",
        sent="the whole description in the plan; the reference, or the word Invoice, as the product's title",
        when=_needs_another_title,
    ),
    Field("description", "plan.description, product.title, line_items[].label", _PLAN, when=_has_its_title),
    Field(
        "reference",
        "plan.internal_notes, line_items[].label",
        _TITLE,
        fate=Fate.APPROXIMATED,
        code="IB-WHOP-TITLE-02",
        why=f"a product's title has {TITLE_LENGTH} characters at most, and the reference has more",
        remedy="give a short description",
        sent="the whole reference in the plan's notes; the word Invoice as the product's title",
        when=_needs_a_word_as_title,
    ),
    Field("reference", "plan.internal_notes, product.title, line_items[].label", _PLAN, when=_needs_no_word_as_title),
    Field("customer.id", "member_id", _CREATE),
    Field("customer.email", "email_address", _CREATE, when=_bills_an_address),
    _dropped(
        "customer.email",
        "IB-WHOP-CUSTOMER-01",
        _MEMBER,
        severity=Severity.INFO,
        sent="the member's id",
        why="Whop bills its own record of the member and mails to the address kept there",
        when=_bills_a_member,
    ),
    Field("customer.name", "customer_name", _CREATE, when=_bills_an_address),
    _dropped(
        "customer.name",
        "IB-WHOP-CUSTOMER-02",
        _MEMBER,
        severity=Severity.INFO,
        sent="the member's id",
        why="Whop bills its own record of the member and shows the name kept there",
        when=_bills_a_member,
    ),
    Field("lines[].unit_amount", "line_items[].unit_price", _LINE, when=_unit_amount_is_kept),
    Field("lines[].amount", "plan.initial_price, line_items[].unit_price", _LINE),
    Field("amount", "plan.initial_price, line_items[].unit_price", _PLAN, verbs=("one_time_charge",)),
    # prices are in major units: a currency of other decimals moves their points
    Field("currency", "plan.currency, plan.initial_price, line_items[].unit_price", _PLAN),
    _dropped(
        "lines[].quantity",
        "IB-WHOP-QUANTITY-01",
        _LINE,
        native="line_items[].quantity",  # other lines of the bill may carry theirs
        why="a quantity needs a unit amount, and one of zero or below is not documented",
        remedy="give unit_amount, or leave the quantity out",
        sent="the line's amount alone",
        when=_quantity_is_lost,
    ),
    Field("lines[].quantity", "line_items[].quantity", _LINE, when=_quantity_is_kept),
    _dropped(
        "lines[].unit_amount",
        "IB-WHOP-UNIT-AMOUNT-01",
        _LINE,
        severity=Severity.INFO,  # the quantity that goes with it has stopped the bill already
        why="a unit amount goes with its quantity, and one of zero or below is not documented",
        sent="the line's amount alone",
        when=_unit_amount_is_lost,
    ),
    _dropped(
        "lines[].period.start",
        "IB-WHOP-PERIOD-02",
        f"{_LINE}: no field of a period",
        why="Whop's lines have no service period: its start is told to nobody",
        remedy="say the period in the line's description",
    ),
    _dropped(
        "lines[].period.end",
        "IB-WHOP-PERIOD-04",
        f"{_LINE}: no field of a period",
        why="Whop's lines have no service period: its end is told to nobody",
        remedy="say the period in the line's description",
    ),
    _dropped(
        "period.start",
        "IB-WHOP-PERIOD-01",
        f"{_CREATE}: no field of a period",
        why="Whop's invoices have no service period: its start is told to nobody",
        remedy="say the period in the description",
    ),
    _dropped(
        "period.end",
        "IB-WHOP-PERIOD-03",
        f"{_CREATE}: no field of a period",
        why="Whop's invoices have no service period: its end is told to nobody",
        remedy="say the period in the description",
    ),
    _dropped(
        "subscription",
        "IB-WHOP-SUBSCRIPTION-01",
        f"{_CREATE}: an invoice belongs to no membership",
        why="Whop's invoices belong to no subscription",
        verbs=("period_invoice",),
    ),
    _dropped(
        "purchase_order",
        "IB-WHOP-PURCHASE-ORDER-01",
        f"{_CREATE}: no field of a purchase order",
        why="Whop's invoices have no purchase order number",
        remedy="say it in the description",
    ),
    _dropped(
        "metadata",
        "IB-WHOP-METADATA-01",
        f"{_CREATE}: no metadata on legacy invoices",
        why="Whop's legacy invoices have no metadata",
        remedy="keep it on your side under the reference",
    ),
    Field("collection.due", "due_date", _CREATE),
    Field("collection.net_days", "due_date", _CREATE),
    _dropped(
        "issued_at",
        "IB-WHOP-ISSUED-AT-01",
        f"{_CREATE}: no field of an issue date",
        why="Whop dates an invoice when it is created",
        remedy="leave issued_at out",
        when=_says_nothing_else,
    ),
    Field(
        "issued_at",
        "due_date",
        f"{_CREATE}: no field of an issue date",
        fate=Fate.APPROXIMATED,
        severity=Severity.INFO,
        code="IB-WHOP-ISSUED-AT-02",
        why="Whop dates an invoice when it is created; issued_at only sets the due date",
        sent="the due date",
        when=_gives_the_due_date,
    ),
    Field("collection.kind", "collection_method", _CREATE, Alters.BRANCH, when=_is_issued),
    Field("collection.kind", "collection_method", _CREATE, when=_drafts_as_asked),
    Field(
        "collection.kind",
        "collection_method",
        _CREATE,
        fate=Fate.DEFAULTED,
        severity=Severity.INFO,
        code="IB-WHOP-COLLECTION-01",
        why="every draft of Whop's has a collection method; nobody is mailed while it is a draft",
        sent="send_invoice",
        when=_drafts_to_mail,
    ),
    Field("collection.payment_method", "payment_method_id", _CREATE),
    # A charge is collected by the request that makes the invoice: what the account adds cannot be compared before, and
    # no request can switch it off.
    Field(
        "tax",
        "",
        _TAX,
        Alters.NOTHING,
        Fate.DEFAULTED,
        Severity.CHANGES_MONEY,
        code="IB-WHOP-TAX-02",
        why="an account that collects tax adds it to the charge, and Whop states the total only after it collected it",
        remedy='check that the account collects no tax, then write allow=["tax"]; or bill with tax="provider". What '
        "was collected is compared afterwards",
        sent="nothing",
        when=_charged_untaxed,
    ),
    # Info for what is mailed or drafted: the customer sees the total before paying it, and the amount before tax, which
    # is what a command states, is carried exactly.
    Field(
        "tax",
        "",
        _TAX,
        Alters.NOTHING,
        Fate.DEFAULTED,
        Severity.INFO,
        code="IB-WHOP-TAX-01",
        why="whether tax is added is the Whop account's own setting, and the invoice does not show it",
        remedy="check the account's tax settings",
        sent="nothing",
        when=_untaxed,
    ),
    Field("tax", "", _TAX, Alters.NOTHING, when=_taxed),
    Field("draft", "save_as_draft", _CREATE, Alters.BRANCH),
    Field("attempt", "", _IDEMPOTENCY, Alters.NOTHING),
    # constants
    Field("", "account_id", _CREATE, Alters.NOTHING, why="the setting account_id: whose invoice it is"),
    Field("", "product_id", _CREATE, Alters.NOTHING, why="the setting product_id, in place of a new product"),
    Field("", "product.title", _TITLE, Alters.NOTHING, why="the word Invoice, where no text of the bill fits"),
    Field("", "plan.plan_type", _PLAN, Alters.NOTHING, why="a bill is charged once and never renews"),
    Field("", "line_items[].quantity", _LINE, Alters.NOTHING, why="a line without a quantity is one of its amount"),
    Field("", "charge_buyer_fee", _CREATE, Alters.NOTHING, why="the customer pays the amount asked, and no fee on it"),
)

CANNOT_FINALIZE = "no call finalizes a legacy draft: finalize it in Whop's dashboard, or create it without draft"
CANNOT_PAY = "an invoice is charged when it is created, or paid by the customer online: no call collects it later"
ENDPOINTS = _RAW

REDACTIONS = (
    *hidden(Becomes.SECRET, f"{_OBJECT}: it reads the invoice without a key", "fetch_invoice_token"),
    *hidden(Becomes.SECRET, f"{_CREATE}: it charges what it was made for", "payment_token_id"),
    *hidden(Becomes.LINK, f"{_OBJECT}: whoever has it may pay and read", "pay_online_url"),
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
"""API keys have no shape of their own here: they are known by the header they stand in."""

SOURCES = {
    "one_time_charge": "docs.whop.com/api-reference/legacy/invoices/create-invoice",
    "period_invoice": "docs.whop.com/api-reference/legacy/invoices/create-invoice",
    "retrieve": "whop-sdk 2.6.0, invoices.retrieve",
    "list": "whop-sdk 2.6.0, invoices.list",
    "mark_paid": "whop-sdk 2.6.0, invoices.mark_paid",
    "void": "whop-sdk 2.6.0, invoices.void",
    "mark_uncollectible": "whop-sdk 2.6.0, invoices.mark_uncollectible",
    "update": "whop-sdk 2.6.0, invoices.update",
    "delete": "whop-sdk 2.6.0, invoices.delete",
    "send_invoice": "whop-sdk 2.6.0, invoices.resend",
}
"""verb → where the provider documents what its flow does"""
