"""The fate of each leaf of an import at Whop, and the refusals.

Of several rows of one path the first that applies decides.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.limits import Limit
from invoice_bridge.adapter.rows import Field, approximated, carried, dropped, refused, unsent
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.core.model import Status
from invoice_bridge.providers.whop.conditions import carries_quantity, fits_title
from invoice_bridge.providers.whop.imports import multiplies
from invoice_bridge.providers.whop.tables import CREATE, IDEMPOTENCY, LINE_SOURCE, PLAN_SOURCE

_VERB = ("import_invoice",)
_CODE = "IB-WHOP-IMPORT"
_HISTORY = "whop-sdk 2.6.0, invoices.mark_paid: of an open invoice; create: mails or charges all but drafts"
_PRICED = "plan.initial_price, line_items[].unit_price"


def _is_open(command: Any, _context: Any) -> bool:
    return bool(command.status is Status.OPEN)


def _is_settled(command: Any, _context: Any) -> bool:
    return bool(command.is_settled)


def _is_draft(command: Any, _context: Any) -> bool:
    return bool(command.status is Status.DRAFT)


def _is_unasked(command: Any, _context: Any) -> bool:
    return _is_open(command, None) and not command.mail


def _bills_a_member(command: Any, context: Any) -> bool:
    return command.customer is not None and command.customer.at(context.provider.name) is not None


def _loses_quantity(command: Any, _context: Any) -> bool:
    return any(line.quantity not in {None, 1} and not _sends(line) for line in command.lines)


def _sends_quantity(command: Any, _context: Any) -> bool:
    return any(_sends(line) for line in command.lines)


def _sends(line: Any) -> bool:
    return carries_quantity(line) and multiplies(line)


def _is_titled(command: Any, context: Any) -> bool:
    return bool(not context.settings.get("product_id") and command.description and not fits_title(command.description))


def _has_no_lines(command: Any, _context: Any) -> bool:
    return not command.lines


def _has_tax_on_top(command: Any, _context: Any) -> bool:
    return any(not tax.inclusive for tax in command.tax_lines)


def _has_line_tax_on_top(command: Any, context: Any) -> bool:
    return not command.taxes and _has_tax_on_top(command, context)


def _has_tax_within(command: Any, _context: Any) -> bool:
    return any(tax.inclusive for tax in command.tax_lines)


def _sums_taxes(command: Any, _context: Any) -> bool:
    """Return whether the document's taxes replace those of the lines."""
    return bool(command.taxes)


def _carried(path: str, native: str, source: str = CREATE, **more: Any) -> Field:
    return carried(path, native, source, verbs=_VERB, **more)


def _dropped(path: str, word: str, why: str, **more: Any) -> Field:
    remedy = more.pop("remedy", "write it in the description")
    return dropped(path, f"{_CODE}-{word}", more.pop("source", CREATE), why=why, remedy=remedy, verbs=_VERB, **more)


def _approximated(path: str, native: str, word: str, **more: Any) -> Field:
    return approximated(path, native, f"{_CODE}-{word}", more.pop("source", CREATE), verbs=_VERB, **more)


def _unsent(path: str, source: str = CREATE, **more: Any) -> Field:
    return unsent(path, source, verbs=_VERB, **more)


IMPORT_FIELDS: tuple[Field, ...] = (
    refused(
        "status",
        _HISTORY,
        verbs=_VERB,
        when=_is_settled,
        why="no request makes an invoice that is paid, void or uncollectible: it would be mailed as a demand first",
        remedy="keep history where it is, or import it at another provider",
    ),
    refused(
        "status",
        f"{CREATE}, save_as_draft",
        verbs=_VERB,
        when=_is_unasked,
        why="an open invoice is mailed by the request that makes it",
        remedy="close it at the source, then import it with mail=True and a due date in the future",
    ),
    _carried("status", "save_as_draft, collection_method", alters=Alters.BRANCH),
    _unsent("armed", f"{CREATE}: whatever is open is armed"),
    _carried("mail", "collection_method", alters=Alters.BRANCH, when=_is_open),
    _unsent("mail", f"{CREATE}: a draft is mailed to nobody"),
    refused(
        "payments[].amount",
        _HISTORY,
        verbs=_VERB,
        why="a part payment cannot be recorded",
        remedy="close it at the source and import what is left to pay as a document of its own",
    ),
    *(_unsent(f"payments[].{name}", _HISTORY) for name in ("id", "at", "state", "method", "recorded_outside")),
    _unsent("payments[].refunded", _HISTORY),
    refused(
        "credit_notes[].amount",
        f"{CREATE}: legacy invoices have no credit notes",
        verbs=_VERB,
        why="there are no credit notes",
        remedy="close it at the source and import what is left to pay as a document of its own",
    ),
    *(_unsent(f"credit_notes[].{name}") for name in ("id", "number", "reason", "kind", "at")),
    # ── identity of the document
    _carried("reference", "plan.internal_notes, product.title, line_items[].label", PLAN_SOURCE),
    _unsent("attempt", IDEMPOTENCY),
    _dropped("number", "NUMBER-01", "Whop numbers its invoices itself"),
    _dropped("source.provider", "SOURCE-01", "where a document comes from is not kept", severity=Severity.INFO),
    _dropped("source.id", "SOURCE-02", "which document it was is not kept", severity=Severity.INFO),
    _unsent("source.account", "the book alone reads it"),
    _dropped("issued_at", "ISSUED-AT-01", "Whop dates an invoice when it is made"),
    Field(
        "due_at",
        "due_date",
        CREATE,
        code=f"{_CODE}-DUE-01",
        severity=Severity.WARNS,
        why="what Whop does with a due date in the past is not documented",
        remedy="give a due date in the future",
        sent="the date as it is",
        verbs=_VERB,
        when=_is_open,
        clock=lambda command, as_of: command.due_at is not None and command.due_at <= as_of,
    ),
    _dropped(
        "due_at",
        "DUE-02",
        "the due date of a draft is given when it is finalized",
        severity=Severity.INFO,
        when=_is_draft,
    ),
    *(_unsent(name, _HISTORY) for name in ("paid_at", "voided_at", "uncollectible_at")),
    # ── the customer
    _carried("customer.id", "member_id"),
    _dropped(
        "customer.email",
        "CUSTOMER-01",
        "Whop bills its own record of the member and mails to the address kept there",
        severity=Severity.INFO,
        when=_bills_a_member,
    ),
    _carried("customer.email", "email_address", alters=Alters.BRANCH),
    _dropped(
        "customer.name",
        "CUSTOMER-02",
        "Whop bills its own record of the member and shows the name kept there",
        severity=Severity.INFO,
        when=_bills_a_member,
    ),
    _carried("customer.name", "customer_name", alters=Alters.BRANCH),
    _dropped("customer.address", "ADDRESS-01", "the address of a document is not sent"),
    _dropped("customer.tax_ids[]", "ADDRESS-02", "the tax numbers of a document are not sent"),
    # ── the money
    _carried("currency", f"plan.currency, {_PRICED}", PLAN_SOURCE),
    _approximated(
        "total",
        f"{_PRICED}, line_items[].label",
        "LINES-01",
        when=_has_no_lines,
        severity=Severity.WARNS,
        sent="one line with the whole amount",
        why="the document's lines are not known",
        remedy="state the lines",
    ),
    _carried("total", _PRICED, PLAN_SOURCE),
    _carried("lines[].description", "line_items[].label", LINE_SOURCE),
    _carried("lines[].amount", _PRICED, LINE_SOURCE),
    _approximated(
        "lines[].quantity",
        "line_items[].quantity, line_items[].unit_price",
        "QUANTITY-01",
        source=LINE_SOURCE,
        when=_loses_quantity,
        alters=Alters.NOTHING,
        severity=Severity.WARNS,
        sent="the line's whole amount, once",
        why="a quantity is sent only if quantity × unit amount is the amount",
        remedy="write it in the line's description",
    ),
    _carried("lines[].quantity", "line_items[].quantity", LINE_SOURCE, when=_sends_quantity),
    _unsent("lines[].quantity", LINE_SOURCE),
    _unsent("lines[].unit_amount", LINE_SOURCE, when=_loses_quantity),
    _carried("lines[].unit_amount", "line_items[].unit_price", LINE_SOURCE, when=_sends_quantity),
    _unsent("lines[].unit_amount", LINE_SOURCE),
    _approximated(
        "discounts[].amount",
        f"{_PRICED}, line_items[].label",
        "DISCOUNT-01",
        alters=Alters.BODY,
        sent="a line below zero",
        why="an invoice states no discount; the total is the same",
    ),
    _carried("discounts[].name", "line_items[].label", LINE_SOURCE),
    _carried("discounts[].code", "line_items[].label", LINE_SOURCE),
    _unsent("discounts[].id", LINE_SOURCE),
    _unsent("lines[].discount", f"{LINE_SOURCE}: the discounts of the document are sent, which have it in their sum"),
    _approximated(
        "taxes[]",
        f"{_PRICED}, line_items[].label",
        "TAX-01",
        when=_has_tax_on_top,
        severity=Severity.CHANGES_MONEY,
        sent="a line for each tax",
        why="an invoice takes no tax of the caller's, and an account that collects tax adds its own to these lines",
        remedy="switch the account's tax off before you import",
    ),
    _dropped(
        "taxes[]",
        "TAX-02",
        "a tax within the amounts of the lines is not stated",
        when=_has_tax_within,
        severity=Severity.INFO,
    ),
    _unsent("lines[].taxes[]", f"{LINE_SOURCE}: the taxes of the document are sent", when=_sums_taxes),
    _approximated(
        "lines[].taxes[]",
        f"{_PRICED}, line_items[].label",
        "TAX-03",
        when=_has_line_tax_on_top,
        severity=Severity.CHANGES_MONEY,
        sent="a line for each tax",
        why="an invoice takes no tax of the caller's, and an account that collects tax adds its own to these lines",
        remedy="switch the account's tax off before you import",
    ),
    _dropped(
        "lines[].taxes[]",
        "TAX-04",
        "a tax within the amounts of the lines is not stated",
        when=_has_tax_within,
        severity=Severity.INFO,
    ),
    _approximated(
        "adjustments[].amount",
        f"{_PRICED}, line_items[].label",
        "ADJUSTMENT-01",
        alters=Alters.BODY,
        sent="a line of its own",
        why="an invoice has lines and nothing beside them",
    ),
    _carried("adjustments[].kind", "line_items[].label", LINE_SOURCE),
    # ── texts and losses
    _approximated(
        "description",
        "plan.description, line_items[].label",
        "TITLE-01",
        when=_is_titled,
        sent="the whole description in the plan; the reference as the product's title",
        why="a product's title has fewer characters",
    ),
    _carried("description", "plan.description, product.title, line_items[].label", PLAN_SOURCE),
    *(
        _dropped(path, word, "Whop's invoices have no service period")
        for path, word in (
            ("period.start", "PERIOD-01"),
            ("period.end", "PERIOD-02"),
            ("lines[].period.start", "PERIOD-03"),
            ("lines[].period.end", "PERIOD-04"),
        )
    ),
    _dropped("purchase_order", "ORDER-01", "Whop's invoices have no purchase order number"),
    _dropped("footer", "FOOTER-01", "an invoice has no footer", remedy="leave it out"),
    _dropped("custom_fields", "CUSTOM-FIELDS-01", "an invoice has no custom fields", remedy="leave them out"),
    _dropped(
        "metadata", "METADATA-01", "legacy invoices have no metadata", remedy="keep it on your side, by the reference"
    ),
    _dropped("subscription", "SUBSCRIPTION-01", "Whop's invoices belong to no subscription", remedy="leave it out"),
    *(_unsent(f"lines[].{name}", LINE_SOURCE) for name in ("id", "proration", "provider")),
    _dropped(
        "lines[].product",
        "LINE-PRODUCT-01",
        "the product is one of the source's, which Whop does not have",
        severity=Severity.INFO,
    ),
    *(
        _dropped(
            f"lines[].{name}", f"LINE-{name.upper()}-01", f"a line of Whop's has no {name}", severity=Severity.INFO
        )
        for name in ("price", "subscription")
    ),
    _dropped("lines[].metadata", "LINE-METADATA-01", "the metadata of a line is not sent"),
    # ── constants
    _carried(
        "", "account_id, charge_buyer_fee, plan.plan_type, product_id", alters=Alters.NOTHING, why="of the client"
    ),
)
"""What becomes of each field of an import."""

IMPORT_LIMITS = (Limit("description", 1000, "whop-sdk 2.6.0, Plan.description: 1000 characters at most"),)
