"""What becomes of each leaf of a bill: the rows that losses, explain and the reference read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.core.model import Line
from invoice_bridge.providers.whop.tables import CREATE, IDEMPOTENCY, LINE_SOURCE, PLAN_SOURCE, TITLE_LENGTH


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


def _quantity_is_lost(command: Any, _context: Any) -> bool:
    return any(line.quantity not in {None, 1} and not carries_quantity(line) for line in command.lines)


def _quantity_is_kept(command: Any, context: Any) -> bool:
    return not _quantity_is_lost(command, context)


def _unit_amount_is_lost(command: Any, _context: Any) -> bool:
    return any(
        line.unit_amount is not None and line.quantity is not None and line.quantity <= 0 for line in command.lines
    )


def _unit_amount_is_kept(command: Any, context: Any) -> bool:
    return not _unit_amount_is_lost(command, context)


def _bills_a_member(command: Any, context: Any) -> bool:
    return command.customer is not None and command.customer.at(context.provider.name) is not None


def _bills_an_address(command: Any, context: Any) -> bool:
    return not _bills_a_member(command, context)


def _gives_the_due_date(command: Any, _context: Any) -> bool:
    return bool(command.collection.net_days is not None or (command.collection.kind == "charge" and not command.draft))


def _says_nothing_else(command: Any, context: Any) -> bool:
    return not _gives_the_due_date(command, context)


def _is_issued(command: Any, _context: Any) -> bool:
    return not command.draft


def _drafts_to_mail(command: Any, _context: Any) -> bool:
    return bool(command.draft and command.collection.kind == "manual")


def _drafts_as_asked(command: Any, _context: Any) -> bool:
    return bool(command.draft and command.collection.kind != "manual")


def _untaxed(command: Any, _context: Any) -> bool:
    return bool(command.tax == "none" and (command.collection.kind != "charge" or command.draft))


def _charged_untaxed(command: Any, context: Any) -> bool:
    return bool(command.tax == "none" and not _untaxed(command, context))


def _taxed(command: Any, _context: Any) -> bool:
    return bool(command.tax == "provider")


_TITLE = "whop-sdk 2.6.0, products/client.py: title, 80 characters at most"
_MEMBER = f"{CREATE}: member_id, or email_address and customer_name"
_TAX = "whop-sdk 2.6.0, Plan.collect_tax: based on the account's tax configuration"


def _dropped(path: str, code: str, source: str, **more: Any) -> Field:
    """What Whop has no field for."""
    row = Field(path, "", source, Alters.NOTHING, Fate.DROPPED, Severity.WARNS, code, sent="nothing")
    return replace(row, **more)


# A text that is left out is made up from another, so the product's title and a line's label come from several leaves;
# the sum of the lines is the plan's price. Of the rows that name a field the first that the command sets is its origin.
FIELDS = (
    Field("lines[].description", "line_items[].label", LINE_SOURCE),
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
    Field("description", "plan.description, product.title, line_items[].label", PLAN_SOURCE, when=_has_its_title),
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
    Field(
        "reference", "plan.internal_notes, product.title, line_items[].label", PLAN_SOURCE, when=_needs_no_word_as_title
    ),
    Field("customer.id", "member_id", CREATE),
    Field("customer.email", "email_address", CREATE, when=_bills_an_address),
    _dropped(
        "customer.email",
        "IB-WHOP-CUSTOMER-01",
        _MEMBER,
        severity=Severity.INFO,
        sent="the member's id",
        why="Whop bills its own record of the member and mails to the address kept there",
        when=_bills_a_member,
    ),
    Field("customer.name", "customer_name", CREATE, when=_bills_an_address),
    _dropped(
        "customer.name",
        "IB-WHOP-CUSTOMER-02",
        _MEMBER,
        severity=Severity.INFO,
        sent="the member's id",
        why="Whop bills its own record of the member and shows the name kept there",
        when=_bills_a_member,
    ),
    Field("lines[].unit_amount", "line_items[].unit_price", LINE_SOURCE, when=_unit_amount_is_kept),
    Field("lines[].amount", "plan.initial_price, line_items[].unit_price", LINE_SOURCE),
    Field("amount", "plan.initial_price, line_items[].unit_price", PLAN_SOURCE, verbs=("one_time_charge",)),
    # prices are in major units: a currency of other decimals moves their points
    Field("currency", "plan.currency, plan.initial_price, line_items[].unit_price", PLAN_SOURCE),
    _dropped(
        "lines[].quantity",
        "IB-WHOP-QUANTITY-01",
        LINE_SOURCE,
        native="line_items[].quantity",  # other lines of the bill may carry theirs
        why="a quantity needs a unit amount, and one of zero or below is not documented",
        remedy="give unit_amount, or leave the quantity out",
        sent="the line's amount alone",
        when=_quantity_is_lost,
    ),
    Field("lines[].quantity", "line_items[].quantity", LINE_SOURCE, when=_quantity_is_kept),
    _dropped(
        "lines[].unit_amount",
        "IB-WHOP-UNIT-AMOUNT-01",
        LINE_SOURCE,
        severity=Severity.INFO,  # the quantity that goes with it has stopped the bill already
        why="a unit amount goes with its quantity, and one of zero or below is not documented",
        sent="the line's amount alone",
        when=_unit_amount_is_lost,
    ),
    _dropped(
        "lines[].period.start",
        "IB-WHOP-PERIOD-02",
        f"{LINE_SOURCE}: no field of a period",
        why="Whop's lines have no service period: its start is told to nobody",
        remedy="say the period in the line's description",
    ),
    _dropped(
        "lines[].period.end",
        "IB-WHOP-PERIOD-04",
        f"{LINE_SOURCE}: no field of a period",
        why="Whop's lines have no service period: its end is told to nobody",
        remedy="say the period in the line's description",
    ),
    _dropped(
        "period.start",
        "IB-WHOP-PERIOD-01",
        f"{CREATE}: no field of a period",
        why="Whop's invoices have no service period: its start is told to nobody",
        remedy="say the period in the description",
    ),
    _dropped(
        "period.end",
        "IB-WHOP-PERIOD-03",
        f"{CREATE}: no field of a period",
        why="Whop's invoices have no service period: its end is told to nobody",
        remedy="say the period in the description",
    ),
    _dropped(
        "subscription",
        "IB-WHOP-SUBSCRIPTION-01",
        f"{CREATE}: an invoice belongs to no membership",
        why="Whop's invoices belong to no subscription",
        verbs=("period_invoice",),
    ),
    _dropped(
        "purchase_order",
        "IB-WHOP-PURCHASE-ORDER-01",
        f"{CREATE}: no field of a purchase order",
        why="Whop's invoices have no purchase order number",
        remedy="say it in the description",
    ),
    _dropped(
        "metadata",
        "IB-WHOP-METADATA-01",
        f"{CREATE}: no metadata on legacy invoices",
        why="Whop's legacy invoices have no metadata",
        remedy="keep it on your side under the reference",
    ),
    Field("collection.due", "due_date", CREATE),
    Field("collection.net_days", "due_date", CREATE),
    _dropped(
        "issued_at",
        "IB-WHOP-ISSUED-AT-01",
        f"{CREATE}: no field of an issue date",
        why="Whop dates an invoice when it is created",
        remedy="leave issued_at out",
        when=_says_nothing_else,
    ),
    Field(
        "issued_at",
        "due_date",
        f"{CREATE}: no field of an issue date",
        fate=Fate.APPROXIMATED,
        severity=Severity.INFO,
        code="IB-WHOP-ISSUED-AT-02",
        why="Whop dates an invoice when it is created; issued_at only sets the due date",
        sent="the due date",
        when=_gives_the_due_date,
    ),
    Field("collection.kind", "collection_method", CREATE, Alters.BRANCH, when=_is_issued),
    Field("collection.kind", "collection_method", CREATE, when=_drafts_as_asked),
    Field(
        "collection.kind",
        "collection_method",
        CREATE,
        fate=Fate.DEFAULTED,
        severity=Severity.INFO,
        code="IB-WHOP-COLLECTION-01",
        why="every draft of Whop's has a collection method; nobody is mailed while it is a draft",
        sent="send_invoice",
        when=_drafts_to_mail,
    ),
    Field("collection.payment_method", "payment_method_id", CREATE),
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
    Field("draft", "save_as_draft", CREATE, Alters.BRANCH),
    Field("attempt", "", IDEMPOTENCY, Alters.NOTHING),
    # constants
    Field("", "account_id", CREATE, Alters.NOTHING, why="the setting account_id: whose invoice it is"),
    Field("", "product_id", CREATE, Alters.NOTHING, why="the setting product_id, in place of a new product"),
    Field("", "product.title", _TITLE, Alters.NOTHING, why="the word Invoice, where no text of the bill fits"),
    Field("", "plan.plan_type", PLAN_SOURCE, Alters.NOTHING, why="a bill is charged once and never renews"),
    Field(
        "", "line_items[].quantity", LINE_SOURCE, Alters.NOTHING, why="a line without a quantity is one of its amount"
    ),
    Field("", "charge_buyer_fee", CREATE, Alters.NOTHING, why="the customer pays the amount asked, and no fee on it"),
)
