"""The fate of each leaf of a bill: the rows behind losses, explain and the reference."""

from __future__ import annotations

from invoice_bridge.adapter.rows import (
    DISCOUNTS,
    Field,
    approximated,
    carried,
    defaulted,
    discounts_as_lines,
    dropped,
    read_parts,
    refused,
    unsent,
)
from invoice_bridge.core.losses import Alters, Fate, Severity
from invoice_bridge.providers.whop.conditions import (
    bills_a_member,
    bills_an_address,
    charged_untaxed,
    drafts_as_asked,
    drafts_to_mail,
    gives_the_due_date,
    has_its_title,
    is_issued,
    needs_a_word_as_title,
    needs_another_title,
    needs_no_word_as_title,
    product_is_lost,
    quantity_is_kept,
    quantity_is_lost,
    says_nothing_else,
    some_lines_have_no_product,
    taxed,
    unit_amount_is_kept,
    unit_amount_is_lost,
    untaxed,
)
from invoice_bridge.providers.whop.tables import (
    CREATE,
    IDEMPOTENCY,
    LINE_SOURCE,
    PLAN_SOURCE,
    REASON_KEY,
    REFERENCE_KEY,
    REFUND,
    TITLE_LENGTH,
)

_TITLE = "whop-sdk 2.6.0, products/client.py: title, 80 characters at most"
_MEMBER = f"{CREATE}: member_id, or email_address and customer_name"
_TAX = "whop-sdk 2.6.0, Plan.collect_tax: based on the account's tax configuration"


# A missing text is replaced by another, so the product's title and a line's label come from several leaves; the sum
# of the lines is the plan's price. The origin of a field is the first of its rows that the command sets.
FIELDS = (
    carried("lines[].description", "line_items[].label", LINE_SOURCE),
    approximated(
        "description",
        "plan.description, line_items[].label",
        "IB-WHOP-TITLE-01",
        _TITLE,
        why=f"a product's title has at most {TITLE_LENGTH} characters, and the description is longer",
        remedy="shorten the description, or bill under a product of your own (the setting product_id)",
        sent="the whole description in the plan; the reference, or the word Invoice, as the product's title",
        when=needs_another_title,
    ),
    carried("description", "plan.description, product.title, line_items[].label", PLAN_SOURCE, when=has_its_title),
    approximated(
        "reference",
        "plan.internal_notes, line_items[].label",
        "IB-WHOP-TITLE-02",
        _TITLE,
        why=f"a product's title has at most {TITLE_LENGTH} characters, and the reference is longer",
        remedy="give a short description",
        sent="the whole reference in the plan's notes; the word Invoice as the product's title",
        when=needs_a_word_as_title,
    ),
    carried(
        "reference", "plan.internal_notes, product.title, line_items[].label", PLAN_SOURCE, when=needs_no_word_as_title
    ),
    carried("customer.id", "member_id", CREATE),
    carried("customer.email", "email_address", CREATE, when=bills_an_address),
    dropped(
        "customer.email",
        "IB-WHOP-CUSTOMER-01",
        _MEMBER,
        severity=Severity.INFO,
        sent="the member's id",
        why="Whop bills its own record of the member and mails to the address on that record",
        when=bills_a_member,
    ),
    carried("customer.name", "customer_name", CREATE, when=bills_an_address),
    dropped(
        "customer.name",
        "IB-WHOP-CUSTOMER-02",
        _MEMBER,
        severity=Severity.INFO,
        sent="the member's id",
        why="Whop bills its own record of the member and shows the name on that record",
        when=bills_a_member,
    ),
    carried("lines[].unit_amount", "line_items[].unit_price", LINE_SOURCE, when=unit_amount_is_kept),
    carried("lines[].amount", "plan.initial_price, line_items[].unit_price", LINE_SOURCE),
    carried("amount", "plan.initial_price, line_items[].unit_price", PLAN_SOURCE, verbs=("one_time_charge",)),
    # prices are in major units: a currency with other decimals moves the decimal point
    carried("currency", "plan.currency, plan.initial_price, line_items[].unit_price", PLAN_SOURCE),
    dropped(
        "lines[].quantity",
        "IB-WHOP-QUANTITY-01",
        LINE_SOURCE,
        native="line_items[].quantity",  # other lines of the bill may still carry theirs
        why="a quantity needs a unit amount, and one of zero or below is not documented",
        remedy="give unit_amount, or leave the quantity out",
        sent="the line's amount alone",
        when=quantity_is_lost,
    ),
    carried("lines[].quantity", "line_items[].quantity", LINE_SOURCE, when=quantity_is_kept),
    dropped(
        "lines[].unit_amount",
        "IB-WHOP-UNIT-AMOUNT-01",
        LINE_SOURCE,
        severity=Severity.INFO,  # its quantity has stopped the bill already
        why="a unit amount goes with its quantity, and one of zero or below is not documented",
        sent="the line's amount alone",
        when=unit_amount_is_lost,
    ),
    dropped(
        "lines[].period.start",
        "IB-WHOP-PERIOD-02",
        f"{LINE_SOURCE}: no field of a period",
        why="Whop's lines have no service period, so its start is not sent",
        remedy="write the period in the line's description",
    ),
    dropped(
        "lines[].period.end",
        "IB-WHOP-PERIOD-04",
        f"{LINE_SOURCE}: no field of a period",
        why="Whop's lines have no service period, so its end is not sent",
        remedy="write the period in the line's description",
    ),
    dropped(
        "period.start",
        "IB-WHOP-PERIOD-01",
        f"{CREATE}: no field of a period",
        why="Whop's invoices have no service period, so its start is not sent",
        remedy="write the period in the description",
    ),
    dropped(
        "period.end",
        "IB-WHOP-PERIOD-03",
        f"{CREATE}: no field of a period",
        why="Whop's invoices have no service period, so its end is not sent",
        remedy="write the period in the description",
    ),
    dropped(
        "subscription",
        "IB-WHOP-SUBSCRIPTION-01",
        f"{CREATE}: an invoice belongs to no membership",
        why="Whop's invoices belong to no subscription",
    ),
    dropped(
        "purchase_order",
        "IB-WHOP-PURCHASE-ORDER-01",
        f"{CREATE}: no field of a purchase order",
        why="Whop's invoices have no purchase order number",
        remedy="write the number in the description",
    ),
    dropped(
        "metadata",
        "IB-WHOP-METADATA-01",
        f"{CREATE}: no metadata on legacy invoices",
        why="Whop's legacy invoices have no metadata",
        remedy="keep it in your own records, under the reference",
    ),
    carried("collection.due", "due_date", CREATE),
    carried("collection.net_days", "due_date", CREATE),
    dropped(
        "issued_at",
        "IB-WHOP-ISSUED-AT-01",
        f"{CREATE}: no field of an issue date",
        why="Whop dates an invoice when it is created",
        remedy="leave issued_at out",
        when=says_nothing_else,
    ),
    approximated(
        "issued_at",
        "due_date",
        "IB-WHOP-ISSUED-AT-02",
        f"{CREATE}: no field of an issue date",
        severity=Severity.INFO,
        why="Whop dates an invoice when it is created; issued_at only sets the due date",
        sent="the due date",
        when=gives_the_due_date,
    ),
    carried("collection.kind", "collection_method", CREATE, alters=Alters.BRANCH, when=is_issued),
    carried("collection.kind", "collection_method", CREATE, when=drafts_as_asked),
    Field(
        "collection.kind",
        "collection_method",
        CREATE,
        fate=Fate.DEFAULTED,
        severity=Severity.INFO,
        code="IB-WHOP-COLLECTION-01",
        why="every Whop draft has a collection method; Whop sends no mail while it is a draft",
        sent="send_invoice",
        when=drafts_to_mail,
    ),
    carried("collection.payment_method", "payment_method_id", CREATE),
    # The request that makes the invoice also collects a charge: what the account adds cannot be compared before, and
    # no request can switch it off.
    defaulted(
        "tax",
        "IB-WHOP-TAX-02",
        _TAX,
        severity=Severity.CHANGES_MONEY,
        why="an account that collects tax adds it to the charge, and Whop states the total only after the collection",
        remedy='check that the account collects no tax, then write allow=["tax"]; or bill with tax="provider". What '
        "was collected is compared afterwards",
        when=charged_untaxed,
    ),
    # It is only an info on a mailed bill or a draft: the customer sees the total before paying, and the command's
    # amount, which is before tax, is carried exactly.
    defaulted(
        "tax",
        "IB-WHOP-TAX-01",
        _TAX,
        severity=Severity.INFO,
        why="the Whop account's settings decide whether tax is added, and the invoice does not show it",
        remedy="check the account's tax settings",
        when=untaxed,
    ),
    unsent("tax", _TAX, when=taxed),
    carried("draft", "save_as_draft", CREATE, alters=Alters.BRANCH),
    unsent("attempt", IDEMPOTENCY),
    # constants
    carried("", "account_id", CREATE, alters=Alters.NOTHING, why="the setting account_id: the account that bills"),
    dropped(
        "lines[].product",
        "IB-WHOP-LINE-PRODUCT-01",
        CREATE,
        when=product_is_lost,
        why="the product of a line that was read from an invoice, or that belongs to another provider, is not sent; a "
        "Whop invoice has one product",
        remedy="name one product of this account in all lines, and drop the id and provider of lines that were read",
    ),
    approximated(
        "lines[].product",
        "product_id",
        "IB-WHOP-LINE-PRODUCT-02",
        CREATE,
        when=some_lines_have_no_product,
        sent="the product of the other lines",
        why="a Whop invoice has one product: lines that name none are billed under it too",
    ),
    carried("lines[].product", "product_id", CREATE),
    *discounts_as_lines(
        "IB-WHOP",
        f"{LINE_SOURCE}: amounts below zero where the sum is above",
        amount="line_items[].unit_price, plan.initial_price",
        text="line_items[].label",
    ),
    refused(
        "tax[]",
        f"{CREATE}: no field of a tax rate",
        why="Whop taxes an invoice by the account's own settings",
        remedy='write tax="provider", or state the tax as a line',
    ),
    carried("", "product_id", CREATE, alters=Alters.NOTHING, why="the setting product_id, in place of a new product"),
    carried("", "product.title", _TITLE, alters=Alters.NOTHING, why="the word Invoice, if no text of the bill fits"),
    carried("", "plan.plan_type", PLAN_SOURCE, alters=Alters.NOTHING, why="a bill is charged once and never renews"),
    carried(
        "",
        "line_items[].quantity",
        LINE_SOURCE,
        alters=Alters.NOTHING,
        why="a line without a quantity has the quantity 1",
    ),
    carried(
        "",
        "charge_buyer_fee",
        CREATE,
        alters=Alters.NOTHING,
        why="the customer pays the amount of the bill, with no fee on top",
    ),
    *read_parts("IB-WHOP", LINE_SOURCE, sent=("lines[].product", "lines[].discount", *DISCOUNTS, "tax[]")),
)

_REFUNDED = ("refund",)
VERB_FIELDS: tuple[Field, ...] = (
    carried("amount", "partial_amount", REFUND, verbs=_REFUNDED),
    carried("reference", f"metadata.{REFERENCE_KEY}", REFUND, verbs=_REFUNDED),
    carried("reason", f"metadata.{REASON_KEY}", REFUND, verbs=_REFUNDED),
    defaulted(
        "id",
        "IB-WHOP-REFUND-01",
        REFUND,
        severity=Severity.INFO,
        verbs=_REFUNDED,
        why="Whop mails the buyer, reverses an affiliate's commission, changes the membership that was bought, and "
        "closes an open case of the Resolution Center; the request cannot prevent that",
    ),
    dropped(
        "reason",
        "IB-WHOP-VOID-REASON-01",
        "whop-sdk 2.6.0, invoices.void",
        verbs=("void",),
        why="the void request has no body, so it keeps no reason",
        remedy="keep it in your own records, under the reference",
    ),
)
"""What becomes of each field of the verbs of VERB_LEAVES."""
