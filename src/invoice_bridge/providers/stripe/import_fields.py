"""What becomes of each leaf of an import at Stripe, and the limits of its requests.

Of several rows that speak of the same path the first one decides.
"""

from __future__ import annotations

from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.core.model import Status
from invoice_bridge.providers.stripe import import_conditions as when
from invoice_bridge.providers.stripe.import_part_fields import (
    NOTE,
    PAID_ON,
    PART_FIELDS,
    RECORD,
    RECORDED,
    approximate,
    carry,
    drop,
    leave,
)
from invoice_bridge.providers.stripe.tables import (
    ADD_LINES,
    CREATE,
    DATE_KEYS,
    IMPORT_KEY,
    PART_KEY,
    REFERENCE_KEY,
    SOURCE_KEY,
)

_INVOICE = "stripe-python 16.1.0, Invoice"
_BALANCE = "docs.stripe.com/billing/customer/balance"
_METADATA = "docs.stripe.com/api/metadata; not confirmed here"


_AMOUNTS = "lines[].amount, lines[].price_data.unit_amount"
_APART = "lines[].amount, lines[].description"


def _tax_rows(path: str, number: int, *conditions: when.When) -> tuple[Field, ...]:
    """The rows of a document's taxes, or of its lines' taxes: where each goes, and what is lost."""
    return (
        approximate(
            path,
            _APART,
            f"TAX-0{number}",
            source=f"{ADD_LINES}, lines[].tax_amounts",
            when=when.all_of(when.has_taxes_apart, *conditions),
            severity=Severity.CHANGES_MONEY,
            sent="a line for each tax whose line is not known, or which is zero or less",
            why="taxes are parts of lines; whether a line below zero takes tax amounts is not documented",
            remedy="state the taxes of each line, and correct the tax report of that month by hand",
        ),
        drop(
            path,
            f"TAX-WITHIN-0{number}",
            source=f"{ADD_LINES}, lines[].tax_amounts",
            when=when.all_of(when.leaves_taxes_out, *conditions),
            why="a tax within the amounts whose line is not known, or which is zero or less, is not sent",
            remedy="state the taxes of each line, and correct the tax report of that month by hand",
        ),
        approximate(
            path,
            "lines[].tax_amounts",
            f"TAX-RATE-0{number}",
            source=f"{ADD_LINES}, lines[].tax_amounts[].tax_rate_data.percentage",
            when=when.all_of(when.has_another_rate, *conditions),
            sent="the exact amount, with a rate of four decimals, or 0 where none is stated",
            why="a tax needs a rate here, of four decimals at most",
        ),
        carry(
            path,
            "lines[].tax_amounts",
            source=f"{ADD_LINES}, lines[].tax_amounts",
            when=when.all_of(*conditions) if conditions else lambda _command, _context: True,
        ),
    )


IMPORT_FIELDS: tuple[Field, ...] = (
    # ── which document it is
    carry(
        "reference",
        f"metadata.{REFERENCE_KEY}, payment:metadata.{PART_KEY}, note:metadata.{PART_KEY}, "
        "payment:processor_details.custom.payment_reference",
    ),
    carry("number", "number"),
    leave("attempt", "docs.stripe.com/api/idempotent_requests"),
    carry("source.provider", f"metadata.{SOURCE_KEY}"),
    carry("source.id", f"metadata.{SOURCE_KEY}"),
    leave("source.account", "the book alone reads it"),
    carry("armed", "", alters=Alters.BRANCH, source=f"{_INVOICE}.hosted_invoice_url: a draft cannot be paid"),
    approximate(
        "mail",
        "collection_method",
        "MAIL-01",
        source=f"{_INVOICE}.collection_method; docs.stripe.com/billing/subscriptions/out-of-band-invoices",
        alters=Alters.BRANCH,
        severity=Severity.WARNS,
        sent="send_invoice with the due date",
        why="whether Stripe mails such an invoice when it is finalized without auto_advance is not confirmed, and "
        "depends on the account's settings",
        remedy="check at Stripe, and mail it with send_invoice if it was not mailed",
    ),
    # ── the customer: the document shows the one of today
    carry("customer.id", "customer, payment:customer_details.customer", alters=Alters.BRANCH),
    drop(
        "customer.email",
        "EMAIL-01",
        severity=Severity.INFO,
        why="Stripe shows the address that it keeps of its customer, and mails to that one",
    ),
    drop(
        "customer.name",
        "NAME-01",
        why="the document shows the name that Stripe keeps of its customer today",
        remedy="bring Stripe's customer up to date before the import",
    ),
    drop(
        "customer.address",
        "ADDRESS-01",
        why="the document shows the address that Stripe keeps of its customer today",
        remedy="bring Stripe's customer up to date before the import, and keep the old document",
    ),
    drop(
        "customer.tax_ids[]",
        "TAX-ID-01",
        why="the document shows the tax ids that Stripe keeps of its customer today",
        remedy="bring Stripe's customer up to date before the import, and keep the old document",
    ),
    # ── the money
    carry("currency", f"currency, lines[].price_data.currency, payment:amount_requested.currency, {RECORDED}"),
    approximate(
        "total",
        _APART,
        "MINIMUM-01",
        when=when.is_near_minimum,
        source=f"{_BALANCE}; docs.stripe.com/currencies, minimum and maximum charge amounts",
        severity=Severity.CHANGES_MONEY,
        sent="the amount as it is, which is compared after finalizing",
        why="it may be below Stripe's minimum charge, which is that of the currency in which the account settles: it "
        "would be added to the customer's next invoice",
        remedy="compare the account's minimum before you allow it",
    ),
    approximate(
        "total",
        _APART,
        "LINES-01",
        when=when.has_no_lines,
        source=ADD_LINES,
        severity=Severity.WARNS,
        sent="one line over the whole amount",
        why="the document's lines are not known, and an invoice needs one",
        remedy="state the lines",
    ),
    carry("total", _APART, source=ADD_LINES),
    carry("lines[].description", "lines[].description, lines[].price_data.product_data.name", source=ADD_LINES),
    carry("lines[].amount", f"{_AMOUNTS}, lines[].tax_amounts", source=ADD_LINES),
    approximate(
        "lines[].quantity",
        "lines[].quantity, lines[].quantity_decimal, lines[].price_data",
        "QUANTITY-01",
        when=when.loses_quantity,
        source=ADD_LINES,
        alters=Alters.NOTHING,
        severity=Severity.WARNS,
        sent="the line's whole amount, once",
        why="a quantity is sent only if quantity × unit amount is the amount, the unit amount is not negative, and the "
        "line's text can name a product",
        remedy="write it into the line's description",
    ),
    carry(
        "lines[].quantity",
        "lines[].quantity, lines[].quantity_decimal, lines[].price_data",
        source=ADD_LINES,
        when=when.sends_a_quantity,
    ),
    leave("lines[].quantity", f"{ADD_LINES}: one is what an amount without a quantity means"),
    leave("lines[].unit_amount", f"{ADD_LINES}: sent with its quantity alone", when=when.loses_quantity),
    carry(
        "lines[].unit_amount",
        "lines[].price_data, lines[].quantity, lines[].quantity_decimal",
        source=ADD_LINES,
        when=when.sends_a_quantity,
    ),
    leave("lines[].unit_amount", f"{ADD_LINES}: of one, it is the amount"),
    carry("lines[].period.start", "lines[].period.start", source=ADD_LINES),
    carry("lines[].period.end", "lines[].period.end", source=ADD_LINES),
    carry("period.start", "lines[].period.start", source=ADD_LINES),
    carry("period.end", "lines[].period.end", source=ADD_LINES),
    leave("lines[].discount", f"{ADD_LINES}: the discounts of the document are sent, which have it in their sum"),
    approximate(
        "discounts[].amount",
        _APART,
        "DISCOUNT-01",
        source=ADD_LINES,
        severity=Severity.WARNS,
        sent="a line below zero",
        why="the invoice states no discount; the total is exact",
        remedy="allow it: reports of discounts do not have the imported ones",
    ),
    carry("discounts[].name", "lines[].description", source=ADD_LINES),
    approximate(
        "discounts[].code",
        "lines[].description",
        "DISCOUNT-02",
        source=ADD_LINES,
        sent="the text of the line",
        why="the amount is taken off, and no coupon is redeemed",
    ),
    leave("discounts[].id"),
    *_tax_rows("taxes[]", 1, when.states_no_line_taxes),
    leave("taxes[]", f"{ADD_LINES}: the taxes of the lines are sent, which come to them"),
    *_tax_rows("lines[].taxes[]", 2),
    approximate(
        "adjustments[].kind",
        "lines[].description",
        "ADJUSTMENT-01",
        source=ADD_LINES,
        sent="a line of its own",
        why="an invoice has lines, and no field for other changes of its total",
    ),
    carry("adjustments[].amount", _APART, source=ADD_LINES),
    # ── when it was, and how it ended
    approximate(
        "issued_at",
        "effective_at",
        "CREATED-01",
        when=when.is_issued,
        source=f"{_INVOICE}.created and effective_at",
        severity=Severity.WARNS,
        sent="the date that the document shows",
        why="it is created and finalized on the day of the import, so reports by those dates show that day; how far "
        "back the shown date may lie is not confirmed",
        remedy="keep the old reports of the months before the import",
    ),
    drop(
        "issued_at",
        "ISSUED-AT-01",
        when=when.ended_as(Status.DRAFT),
        severity=Severity.INFO,
        why="a draft gets its date when it is issued",
    ),
    approximate(
        "issued_at",
        "effective_at",
        "DATE-01",
        when=when.has_parts_of_seconds,
        sent="whole seconds",
        why="Stripe counts whole seconds; every date loses its fraction of a second",
    ),
    carry("issued_at", f"effective_at, {PAID_ON}, note:effective_at"),
    Field(
        "due_at",
        "due_date",
        f"{CREATE}, due_date: in the future alone",
        code="IB-STRIPE-IMPORT-DUE-02",
        severity=Severity.WARNS,
        sent="the date as it is",
        why="Stripe refuses a due date in the past",
        remedy="give a due date in the future, or leave mail out",
        verbs=("import_invoice",),
        when=when.is_mailed,
        clock=lambda command, as_of: command.due_at is not None and command.due_at <= as_of,
    ),
    approximate(
        "due_at",
        f"metadata.{DATE_KEYS['due_at']}",
        "DUE-01",
        when=when.all_of(lambda command, _context: not command.mail),
        source=f"{CREATE}, due_date: for send_invoice alone",
        severity=Severity.WARNS,
        sent="the date in the metadata",
        why="an invoice that is mailed to nobody has no due date, so it is never past due",
        remedy="keep the date on your side",
    ),
    carry("due_at", "due_date"),
    approximate(
        "paid_at",
        f"metadata.{DATE_KEYS['paid_at']}, {PAID_ON}, note:effective_at",
        "PAID-AT-01",
        source=f"{_INVOICE}.status_transitions",
        severity=Severity.WARNS,
        sent="the date in the metadata, and with each payment",
        why="the invoice is paid on the day of the import",
        remedy="the payment records keep their own dates",
    ),
    approximate(
        "voided_at",
        f"metadata.{DATE_KEYS['voided_at']}",
        "VOIDED-AT-01",
        source=f"{_INVOICE}.status_transitions",
        sent="the date in the metadata",
        why="the invoice is voided on the day of the import",
    ),
    approximate(
        "uncollectible_at",
        f"metadata.{DATE_KEYS['uncollectible_at']}",
        "UNCOLLECTIBLE-01",
        source=f"{_INVOICE}.status_transitions and status_details",
        sent="the date in the metadata",
        why="the invoice is written off on the day of the import, with a reason of Stripe's",
    ),
    carry(
        "status",
        f"metadata.{IMPORT_KEY}",
        source="docs.stripe.com/invoicing/integration/workflow-transitions",
        alters=Alters.BRANCH,
    ),
    *PART_FIELDS,
    # ── texts
    carry("description", "description"),
    carry("purchase_order", "custom_fields"),
    carry("footer", "footer"),
    carry("custom_fields", "custom_fields"),
    drop(
        "metadata",
        "METADATA-01",
        when=when.has_empty_value,
        source=_METADATA,
        why="a key with an empty value is not kept",
        remedy="leave the key out",
        alters=Alters.BODY,
        sent="the other keys",
    ),
    carry("metadata", "metadata", source=_METADATA),
    carry("subscription", "subscription"),
    # ── what lines have of the source's own
    leave("lines[].id"),
    leave("lines[].proration"),
    leave("lines[].provider"),
    *(
        drop(
            f"lines[].{name}",
            f"LINE-{name.upper()}-01",
            why=f"the {name} of a line is one of the source's, which this account does not have",
            severity=Severity.INFO,
            source=ADD_LINES,
        )
        for name in ("product", "price", "subscription")
    ),
    carry("lines[].metadata", "lines[].metadata", source=ADD_LINES),
    # ── constants
    *(
        carry("", native, source=source, alters=Alters.NOTHING, why=why)
        for native, source, why in (
            ("auto_advance", CREATE, "Stripe issues and charges nothing by itself"),
            ("pending_invoice_items_behavior", CREATE, "what accrues for the customer is not part of the document"),
            ("automatic_tax", CREATE, "the document's taxes are its own"),
            ("discounts", CREATE, "left out, the customer's own discount would lower the document"),
            ("payment:payment_method_details.type", RECORD, "it was made elsewhere"),
            ("payment:processor_details.type", RECORD, "it was made elsewhere"),
            ("payment:outcome", RECORD, "it succeeded"),
            ("attached:payment_record", f"{_INVOICE}.attach_payment", "the payment that was reported before"),
            ("note:invoice", NOTE, "the imported invoice"),
            ("note:email_type", NOTE, "no mail is sent: left out, the credit note would be mailed"),
        )
    ),
)
"""What becomes of each field of an import."""
