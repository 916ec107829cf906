"""What becomes of each leaf of an import at Stripe, and the limits of its requests.

Of several rows that speak of the same path the first one decides.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.rows import Field, Limit, approximated, carried, dropped, unsent
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.core.model import Status
from invoice_bridge.providers.stripe import import_conditions as when
from invoice_bridge.providers.stripe.tables import (
    ADD_LINES,
    CREATE,
    DATE_KEYS,
    IMPORT_KEY,
    LINE_TEXT,
    LINE_TEXT_SOURCE,
    LINES_PER_INVOICE,
    PART_KEY,
    REFERENCE_KEY,
    SOURCE_KEY,
)

_VERB = ("import_invoice",)
_CODE = "IB-STRIPE-IMPORT"
_NOTE = "stripe-python 16.1.0, CreditNoteCreateParams"
_RECORD = "stripe-python 16.1.0, PaymentRecordReportPaymentParams"
_INVOICE = "stripe-python 16.1.0, Invoice"
_BALANCE = "docs.stripe.com/billing/customer/balance"
_METADATA = "docs.stripe.com/api/metadata; not confirmed here"


def _carried(path: str, native: str, **more: Any) -> Field:
    return carried(path, native, more.pop("source", CREATE), verbs=_VERB, **more)


def _dropped(path: str, word: str, **more: Any) -> Field:
    return dropped(path, f"{_CODE}-{word}", more.pop("source", CREATE), verbs=_VERB, **more)


def _approximated(path: str, native: str, word: str, **more: Any) -> Field:
    return approximated(path, native, f"{_CODE}-{word}", more.pop("source", CREATE), verbs=_VERB, **more)


def _unsent(path: str, source: str = CREATE, **more: Any) -> Field:
    return unsent(path, source, verbs=_VERB, **more)


_AMOUNTS = "lines[].amount, lines[].price_data.unit_amount"
_APART = "lines[].amount, lines[].description"
_PAID_ON = "payment:initiated_at, payment:guaranteed.guaranteed_at"
_RECORDED = "payment:amount_requested.value"
_NOTED = "note:amount, note:out_of_band_amount"


def _tax_rows(path: str, number: int, *conditions: when.When) -> tuple[Field, ...]:
    """The rows of a document's taxes, or of its lines' taxes: where each goes, and what is lost."""
    return (
        _approximated(
            path,
            _APART,
            f"TAX-0{number}",
            source=f"{ADD_LINES}, lines[].tax_amounts",
            when=when.all_of(when.has_taxes_apart, *conditions),
            severity=Severity.CHANGES_MONEY,
            sent="a line for each tax whose line cannot be told, or which is of or below zero",
            why="taxes are parts of lines; whether a line below zero takes tax amounts is not documented",
            remedy="state the taxes of each line, and correct the tax report of that month by hand",
        ),
        _dropped(
            path,
            f"TAX-WITHIN-0{number}",
            source=f"{ADD_LINES}, lines[].tax_amounts",
            when=when.all_of(when.leaves_taxes_out, *conditions),
            why="a tax within the amounts whose line cannot be told, or which is of or below zero, is not sent",
            remedy="state the taxes of each line, and correct the tax report of that month by hand",
        ),
        _approximated(
            path,
            "lines[].tax_amounts",
            f"TAX-RATE-0{number}",
            source=f"{ADD_LINES}, lines[].tax_amounts[].tax_rate_data.percentage",
            when=when.all_of(when.has_another_rate, *conditions),
            sent="the exact amount, with a rate of four decimals, or 0 where none is stated",
            why="a tax needs a rate here, of four decimals at most",
        ),
        _carried(
            path,
            "lines[].tax_amounts",
            source=f"{ADD_LINES}, lines[].tax_amounts",
            when=when.all_of(*conditions) if conditions else lambda _command, _context: True,
        ),
    )


IMPORT_FIELDS: tuple[Field, ...] = (
    # ── which document it is
    _carried(
        "reference",
        f"metadata.{REFERENCE_KEY}, payment:metadata.{PART_KEY}, note:metadata.{PART_KEY}, "
        "payment:processor_details.custom.payment_reference",
    ),
    _carried("number", "number"),
    _unsent("attempt", "docs.stripe.com/api/idempotent_requests"),
    _carried("source.provider", f"metadata.{SOURCE_KEY}"),
    _carried("source.id", f"metadata.{SOURCE_KEY}"),
    _unsent("source.account", "the book alone reads it"),
    _carried("armed", "", alters=Alters.BRANCH, source=f"{_INVOICE}.hosted_invoice_url: a draft cannot be paid"),
    _approximated(
        "mail",
        "collection_method",
        "MAIL-01",
        source=f"{_INVOICE}.collection_method; docs.stripe.com/billing/subscriptions/out-of-band-invoices",
        alters=Alters.BRANCH,
        severity=Severity.WARNS,
        sent="send_invoice with the due date",
        why="whether Stripe mails such an invoice when it is finalized without auto_advance is not confirmed, and "
        "depends on the account's settings",
        remedy="look at it at Stripe, and mail it with send_invoice where it was not",
    ),
    # ── the customer: the document shows the one of today
    _carried("customer.id", "customer, payment:customer_details.customer", alters=Alters.BRANCH),
    _dropped(
        "customer.email",
        "EMAIL-01",
        severity=Severity.INFO,
        why="Stripe shows the address that it keeps of its customer, and mails to that one",
    ),
    _dropped(
        "customer.name",
        "NAME-01",
        why="the document shows the name that Stripe keeps of its customer today",
        remedy="bring Stripe's customer up to date before the import",
    ),
    _dropped(
        "customer.address",
        "ADDRESS-01",
        why="the document shows the address that Stripe keeps of its customer today",
        remedy="bring Stripe's customer up to date before the import, and keep the old document",
    ),
    _dropped(
        "customer.tax_ids[]",
        "TAX-ID-01",
        why="the document shows the tax ids that Stripe keeps of its customer today",
        remedy="bring Stripe's customer up to date before the import, and keep the old document",
    ),
    # ── the money
    _carried("currency", f"currency, lines[].price_data.currency, payment:amount_requested.currency, {_RECORDED}"),
    _approximated(
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
    _approximated(
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
    _carried("total", _APART, source=ADD_LINES),
    _carried("lines[].description", "lines[].description, lines[].price_data.product_data.name", source=ADD_LINES),
    _carried("lines[].amount", f"{_AMOUNTS}, lines[].tax_amounts", source=ADD_LINES),
    _approximated(
        "lines[].quantity",
        "lines[].quantity, lines[].quantity_decimal, lines[].price_data",
        "QUANTITY-01",
        when=when.loses_quantity,
        source=ADD_LINES,
        alters=Alters.NOTHING,
        severity=Severity.WARNS,
        sent="the line's whole amount, once",
        why="a quantity is sent where it comes to the amount with a unit amount that is not below zero, and where the "
        "line's text can name a product",
        remedy="say it in the line's description",
    ),
    _carried(
        "lines[].quantity",
        "lines[].quantity, lines[].quantity_decimal, lines[].price_data",
        source=ADD_LINES,
        when=when.sends_a_quantity,
    ),
    _unsent("lines[].quantity", f"{ADD_LINES}: one is what an amount without a quantity means"),
    _unsent("lines[].unit_amount", f"{ADD_LINES}: sent with its quantity alone", when=when.loses_quantity),
    _carried(
        "lines[].unit_amount",
        "lines[].price_data, lines[].quantity, lines[].quantity_decimal",
        source=ADD_LINES,
        when=when.sends_a_quantity,
    ),
    _unsent("lines[].unit_amount", f"{ADD_LINES}: of one, it is the amount"),
    _carried("lines[].period.start", "lines[].period.start", source=ADD_LINES),
    _carried("lines[].period.end", "lines[].period.end", source=ADD_LINES),
    _carried("period.start", "lines[].period.start", source=ADD_LINES),
    _carried("period.end", "lines[].period.end", source=ADD_LINES),
    _unsent("lines[].discount", f"{ADD_LINES}: the discounts of the document are sent, which have it in their sum"),
    _approximated(
        "discounts[].amount",
        _APART,
        "DISCOUNT-01",
        source=ADD_LINES,
        severity=Severity.WARNS,
        sent="a line below zero",
        why="the invoice states no discount; the total is exact",
        remedy="allow it: reports of discounts do not have the imported ones",
    ),
    _carried("discounts[].name", "lines[].description", source=ADD_LINES),
    _approximated(
        "discounts[].code",
        "lines[].description",
        "DISCOUNT-02",
        source=ADD_LINES,
        sent="the text of the line",
        why="the amount is taken off, and no coupon is redeemed",
    ),
    _unsent("discounts[].id"),
    *_tax_rows("taxes[]", 1, when.states_no_line_taxes),
    _unsent("taxes[]", f"{ADD_LINES}: the taxes of the lines are sent, which come to them"),
    *_tax_rows("lines[].taxes[]", 2),
    _approximated(
        "adjustments[].kind",
        "lines[].description",
        "ADJUSTMENT-01",
        source=ADD_LINES,
        sent="a line of its own",
        why="an invoice has lines, and no field for what else moves its total",
    ),
    _carried("adjustments[].amount", _APART, source=ADD_LINES),
    # ── when it was, and how it ended
    _approximated(
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
    _dropped(
        "issued_at",
        "ISSUED-AT-01",
        when=when.ended_as(Status.DRAFT),
        severity=Severity.INFO,
        why="a draft gets its date when it is issued",
    ),
    _approximated(
        "issued_at",
        "effective_at",
        "DATE-01",
        when=when.has_parts_of_seconds,
        sent="whole seconds",
        why="Stripe counts whole seconds; parts of one are left off every date",
    ),
    _carried("issued_at", f"effective_at, {_PAID_ON}, note:effective_at"),
    Field(
        "due_at",
        "due_date",
        f"{CREATE}, due_date: in the future alone",
        code=f"{_CODE}-DUE-02",
        severity=Severity.WARNS,
        sent="the date as it is",
        why="Stripe refuses a due date in the past",
        remedy="give a due date in the future, or leave mail out",
        verbs=_VERB,
        when=when.is_mailed,
        clock=lambda command, as_of: command.due_at is not None and command.due_at <= as_of,
    ),
    _approximated(
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
    _carried("due_at", "due_date"),
    _approximated(
        "paid_at",
        f"metadata.{DATE_KEYS['paid_at']}, {_PAID_ON}, note:effective_at",
        "PAID-AT-01",
        source=f"{_INVOICE}.status_transitions",
        severity=Severity.WARNS,
        sent="the date in the metadata, and with each payment",
        why="the invoice is paid on the day of the import",
        remedy="the payment records keep their own dates",
    ),
    _approximated(
        "voided_at",
        f"metadata.{DATE_KEYS['voided_at']}",
        "VOIDED-AT-01",
        source=f"{_INVOICE}.status_transitions",
        sent="the date in the metadata",
        why="the invoice is voided on the day of the import",
    ),
    _approximated(
        "uncollectible_at",
        f"metadata.{DATE_KEYS['uncollectible_at']}",
        "UNCOLLECTIBLE-01",
        source=f"{_INVOICE}.status_transitions and status_details",
        sent="the date in the metadata",
        why="the invoice is given up on the day of the import, with a reason of Stripe's",
    ),
    _carried(
        "status",
        f"metadata.{IMPORT_KEY}",
        source="docs.stripe.com/invoicing/integration/workflow-transitions",
        alters=Alters.BRANCH,
    ),
    # ── payments and credit notes
    *(
        _unsent(path, f"{_INVOICE}: a draft has none; they are sent once it is armed", when=when.is_held)
        for path in (
            *(f"payments[].{name}" for name in ("amount", "at", "id", "method")),
            *(f"credit_notes[].{name}" for name in ("kind", "amount", "number", "id", "at", "reason")),
        )
    ),
    _approximated(
        "payments[].amount",
        _RECORDED,
        "PAYMENT-DATE-01",
        when=when.lacks_payment_dates,
        source=_RECORD,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the date of the document",
        why="a payment needs a date, and none is stated",
        remedy="state its date",
    ),
    _carried("payments[].amount", _RECORDED, source=_RECORD, alters=Alters.BRANCH),
    _carried("payments[].at", _PAID_ON, source=_RECORD),
    _carried("payments[].id", "payment:processor_details.custom.payment_reference", source=_RECORD),
    _carried("payments[].method", "payment:payment_method_details.custom.display_name", source=_RECORD),
    _unsent("payments[].state", "an import has payments that succeeded alone"),
    _unsent("payments[].recorded_outside", f"{_RECORD}: every imported payment is one made elsewhere"),
    _unsent("payments[].refunded", f"{_NOTE}: what was given back is a credit note"),
    _approximated(
        "credit_notes[].kind",
        "note:out_of_band_amount",
        "CREDIT-01",
        when=when.gives_credit,
        source=f"{_NOTE}.credit_amount",
        severity=Severity.CHANGES_MONEY,
        alters=Alters.BRANCH,
        sent="a credit note that was given back elsewhere",
        why="credit that is left over would be taken off the customer's next invoice, imported or not, so none is given",
        remedy="give the customer the credit at Stripe last of all, once everything is closed at the source",
    ),
    _carried("credit_notes[].kind", "note:out_of_band_amount", source=_NOTE, alters=Alters.BRANCH),
    _approximated(
        "credit_notes[].amount",
        _NOTED,
        "CREDIT-TAX-01",
        when=when.has_tax,
        source=_NOTE,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the whole amount",
        why="how much of a credit note is tax is not known, and Stripe divides it by itself",
        remedy="correct the tax report of that month by hand",
    ),
    _approximated(
        "credit_notes[].amount",
        _NOTED,
        "CREDIT-DATE-01",
        when=when.lacks_note_dates,
        source=_NOTE,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the date of the payment, or of the document",
        why="the document states no date of a credit note, and Stripe would take the day of the import",
        remedy="state its date",
    ),
    _carried("credit_notes[].amount", _NOTED, source=_NOTE, alters=Alters.BRANCH),
    _approximated(
        "credit_notes[].number",
        "note:metadata.invoice_bridge_number",
        "CREDIT-NUMBER-01",
        source=f"{_NOTE}: has no number",
        severity=Severity.WARNS,
        sent="the number in the metadata",
        why="Stripe numbers credit notes by itself",
        remedy="keep the old credit note",
    ),
    _carried("credit_notes[].id", f"note:metadata.{SOURCE_KEY}", source=_NOTE),
    _carried("credit_notes[].at", "note:effective_at", source=_NOTE),
    _carried("credit_notes[].reason", "note:reason, note:memo", source=_NOTE),
    # ── texts
    _carried("description", "description"),
    _carried("purchase_order", "custom_fields"),
    _carried("footer", "footer"),
    _carried("custom_fields", "custom_fields"),
    _dropped(
        "metadata",
        "METADATA-01",
        when=when.has_empty_value,
        source=_METADATA,
        why="a key with an empty value is not kept",
        remedy="leave the key out",
        alters=Alters.BODY,
        sent="the other keys",
    ),
    _carried("metadata", "metadata", source=_METADATA),
    _carried("subscription", "subscription"),
    # ── what lines have of the source's own
    _unsent("lines[].id"),
    _unsent("lines[].proration"),
    _unsent("lines[].provider"),
    *(
        _dropped(
            f"lines[].{name}",
            f"LINE-{name.upper()}-01",
            why=f"the {name} of a line is one of the source's, which this account does not have",
            severity=Severity.INFO,
            source=ADD_LINES,
        )
        for name in ("product", "price", "subscription")
    ),
    _carried("lines[].metadata", "lines[].metadata", source=ADD_LINES),
    # ── constants
    *(
        _carried("", native, source=source, alters=Alters.NOTHING, why=why)
        for native, source, why in (
            ("auto_advance", CREATE, "Stripe issues and charges nothing by itself"),
            ("pending_invoice_items_behavior", CREATE, "what accrues for the customer is not part of the document"),
            ("automatic_tax", CREATE, "the document's taxes are its own"),
            ("discounts", CREATE, "left out, the customer's own discount would lower the document"),
            ("payment:payment_method_details.type", _RECORD, "it was made elsewhere"),
            ("payment:processor_details.type", _RECORD, "it was made elsewhere"),
            ("payment:outcome", _RECORD, "it succeeded"),
            ("attached:payment_record", f"{_INVOICE}.attach_payment", "the payment that was reported before"),
            ("note:invoice", _NOTE, "the imported invoice"),
            ("note:email_type", _NOTE, "no mail is sent: left out, the credit note would be mailed"),
        )
    ),
)
"""What becomes of each field of an import."""

_OF_2022 = "stripe/openapi of 2022; not confirmed since"
IMPORT_LIMITS = (
    Limit("lines", LINES_PER_INVOICE, "docs.stripe.com/changelog/2016-02-22, 250 items an invoice"),
    Limit("description", 1500, _OF_2022),
    Limit("footer", 5000, _OF_2022),
    Limit("lines[].description", LINE_TEXT, LINE_TEXT_SOURCE),
    Limit("purchase_order", 140, f"{CREATE}, custom_fields[].value"),
    Limit("custom_fields.key", 40, f"{CREATE}, custom_fields[].name"),
    Limit("custom_fields.value", 140, f"{CREATE}, custom_fields[].value"),
    Limit("metadata", 45, "docs.stripe.com/api/metadata, 50 keys, five of them the import's; not confirmed here"),
    Limit("metadata.key", 40, _METADATA),
    Limit("metadata.value", 500, _METADATA),
    Limit("lines[].metadata", 50, _METADATA),
    Limit("lines[].metadata.key", 40, _METADATA),
    Limit("lines[].metadata.value", 500, _METADATA),
)
