"""The fate of each leaf of an import at Chargebee, and the limits of its two requests.

Of several rows of one path the first that applies decides.
"""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.rows import Field, approximated, carried, dropped, unsent
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.core.model import Status
from invoice_bridge.providers.chargebee.import_conditions import (
    drops_taxes,
    drops_taxes_within,
    ended_as,
    gives_credit,
    has_no_lines,
    has_no_rate,
    has_other_adjustment,
    has_other_method,
    has_parts_of_seconds,
    has_tax,
    has_two_tax_ids,
    is_taken_off,
    lacks,
    lacks_note_dates,
    lacks_number,
    loses_quantity,
    loses_reference,
    moves_taxes,
    sends_quantity,
    sums_taxes,
)
from invoice_bridge.providers.chargebee.import_forms import IMPORT, IMPORT_NOTE, ISSUED_SENT, TAXES_SENT

_VERB = ("import_invoice",)
_CODE = "IB-CHARGEBEE-IMPORT"


def _carried(path: str, native: str, **more: Any) -> Field:
    return carried(path, native, more.pop("source", IMPORT), verbs=_VERB, **more)


def _dropped(path: str, word: str, **more: Any) -> Field:
    return dropped(path, f"{_CODE}-{word}", more.pop("source", IMPORT), verbs=_VERB, **more)


def _approximated(path: str, native: str, word: str, **more: Any) -> Field:
    return approximated(path, native, f"{_CODE}-{word}", more.pop("source", IMPORT), verbs=_VERB, **more)


def _unsent(path: str, source: str = IMPORT, **more: Any) -> Field:
    return unsent(path, source, verbs=_VERB, **more)


IMPORT_FIELDS: tuple[Field, ...] = (
    # ── identity of the document
    _approximated(
        "reference",
        "",
        "REFERENCE-01",
        alters=Alters.NOTHING,
        severity=Severity.INFO,
        when=lambda command, context: loses_reference(command, context) and command.number is not None,
        sent="nothing; the invoice is looked up by its number",
        why="a purchase order, the document's or the subscription's, takes the field that would carry the reference",
        remedy="set reference_field to a custom field (cf_…) of invoices",
    ),
    _carried(
        "reference",
        "id, po_number, credit_note.id, note:reference_invoice_id, note:id",
        when=lacks_number,
        alters=Alters.BRANCH,
    ),
    _carried("reference", "po_number"),
    _carried("number", "id, credit_note.id, note:reference_invoice_id, note:id", alters=Alters.BRANCH),
    _unsent("attempt", "apidocs.chargebee.com/docs/api/v1/idempotency"),
    _carried("source.provider", "notes[].note"),
    _carried("source.id", "notes[].note"),
    _unsent("source.account", "the book alone reads it"),
    _unsent("armed", f"{IMPORT}: an open invoice is imported as not_paid, which nothing collects (not confirmed)"),
    _dropped(
        "mail",
        "MAIL-01",
        sent="the headers that switch all mails off",
        why="an import is never mailed, even if the site's settings mail invoices",
        remedy="leave mail out, and mail the invoice from Chargebee",
    ),
    # ── the customer on the document
    _carried("customer.id", "customer_id, note:customer_id"),
    _carried("customer.email", "billing_address.email"),
    _carried("customer.name", "billing_address.first_name"),
    _carried(
        "customer.address",
        ", ".join(f"billing_address.{name}" for name in ("line1", "line2", "city", "state", "zip", "country")),
    ),
    _dropped(
        "customer.tax_ids[]",
        "TAX-ID-01",
        when=has_two_tax_ids,
        sent="the first number",
        why="an invoice has one VAT number",
        remedy="leave the others out",
        alters=Alters.BODY,
        native="vat_number",
    ),
    _carried("customer.tax_ids[]", "vat_number"),
    # ── the money
    _carried("currency", "currency_code, note:currency_code"),
    _approximated(
        "total",
        "total, line_items[].amount",
        "LINES-01",
        when=has_no_lines,
        severity=Severity.WARNS,
        sent="one line with the whole amount",
        why="the document states no lines, and an import needs one",
        remedy="state the lines",
    ),
    _carried("total", "total, write_off_amount"),
    _carried("lines[].description", "line_items[].description"),
    _carried("lines[].amount", "line_items[].amount, total, write_off_amount"),
    _approximated(
        "lines[].quantity",
        "line_items[].quantity, line_items[].unit_amount",
        "QUANTITY-01",
        when=loses_quantity,
        alters=Alters.NOTHING,
        severity=Severity.WARNS,
        sent="the line's whole amount, once",
        why="a quantity is sent only if it is a whole number and quantity × unit amount is the amount",
        remedy="write it in the line's description",
    ),
    _carried("lines[].quantity", "line_items[].quantity", when=sends_quantity),
    _unsent("lines[].quantity", f"{IMPORT}: one is what an amount without a quantity means"),
    _approximated(
        "lines[].unit_amount",
        "",
        "QUANTITY-02",
        when=loses_quantity,
        alters=Alters.NOTHING,
        sent="the line's whole amount, once",
        why="a unit amount is sent only with its quantity",
    ),
    _carried("lines[].unit_amount", "line_items[].unit_amount", when=sends_quantity),
    _unsent("lines[].unit_amount", f"{IMPORT}: of one, it is the amount"),
    _carried("lines[].period.start", "line_items[].date_from"),
    _carried("lines[].period.end", "line_items[].date_to"),
    _carried("period.start", "line_items[].date_from"),
    _carried("period.end", "line_items[].date_to"),
    _unsent("lines[].discount", f"{IMPORT}: the discounts of the document are sent, which have it in their sum"),
    _carried("discounts[].amount", "discounts[].amount, discounts[].entity_type, total, write_off_amount"),
    _carried("discounts[].name", "discounts[].description"),
    _approximated(
        "discounts[].code",
        "discounts[].description",
        "DISCOUNT-01",
        sent="the text of the discount",
        why="the amount is taken off, and no coupon of the site is redeemed",
    ),
    _unsent("discounts[].id"),
    _dropped(
        "taxes[]",
        "TAX-01",
        when=drops_taxes,
        severity=Severity.CHANGES_MONEY,
        sent="the total without the tax on top",
        why="a pending invoice is imported without taxes",
        remedy="import it once it is issued, or leave the draft behind",
    ),
    _unsent("taxes[]", f"{IMPORT}: a pending invoice takes no taxes", when=drops_taxes_within),
    _approximated(
        "taxes[]",
        TAXES_SENT,
        "TAX-02",
        when=moves_taxes,
        severity=Severity.CHANGES_MONEY,
        sent="all taxes with the first line",
        why="the document states its taxes for all lines together, and Chargebee keeps them by line",
        remedy="state the taxes of each line",
    ),
    _unsent("taxes[]", f"{IMPORT}: the taxes of the lines are sent, which come to them", when=sums_taxes),
    _approximated(
        "taxes[]",
        TAXES_SENT,
        "TAX-RATE-01",
        when=has_no_rate,
        sent="the rate 0 with the exact amount",
        why="a tax needs a rate here, and the document states none",
    ),
    _carried("taxes[]", TAXES_SENT),
    _dropped(
        "lines[].taxes[]",
        "TAX-03",
        when=drops_taxes,
        severity=Severity.CHANGES_MONEY,
        sent="the total without the tax on top",
        why="a pending invoice is imported without taxes",
        remedy="import it once it is issued, or leave the draft behind",
    ),
    _unsent("lines[].taxes[]", f"{IMPORT}: a pending invoice takes no taxes", when=drops_taxes_within),
    _approximated(
        "lines[].taxes[]",
        TAXES_SENT,
        "TAX-RATE-02",
        when=has_no_rate,
        sent="the rate 0 with the exact amount",
        why="a tax needs a rate here, and the document states none",
    ),
    _carried("lines[].taxes[]", TAXES_SENT),
    _approximated(
        "adjustments[].kind",
        "round_off, line_items[].description, line_items[].amount",
        "ADJUSTMENT-01",
        when=has_other_adjustment,
        sent="a line of its own",
        why="an invoice has a field for rounding, but none for other adjustments",
    ),
    _carried("adjustments[].kind", "round_off, line_items[].description, line_items[].amount"),
    _carried("adjustments[].amount", "round_off, line_items[].amount, total, write_off_amount"),
    # ── the final state
    _approximated(
        "status",
        "status",
        "STATUS-01",
        when=ended_as(Status.OPEN),
        alters=Alters.BRANCH,
        sent="not_paid",
        why="an invoice imported as posted or payment_due may be collected by itself; not_paid is not, as far as it is "
        "documented",
        remedy="check it at Chargebee before you switch its collection on",
    ),
    _approximated(
        "status",
        "voided_at",
        "VOIDED-AT-01",
        when=lacks("voided_at", Status.VOID),
        alters=Alters.BRANCH,
        severity=Severity.WARNS,
        sent="the date of the document",
        why="a voided invoice needs the time of its voiding, else it is the time of the import",
        remedy="state voided_at",
    ),
    _approximated(
        "status",
        "is_written_off, write_off_date",
        "UNCOLLECTIBLE-AT-01",
        when=lacks("uncollectible_at", Status.UNCOLLECTIBLE),
        alters=Alters.BRANCH,
        severity=Severity.WARNS,
        sent="the date of the document",
        why="a write-off needs a date",
        remedy="state uncollectible_at",
    ),
    _approximated(
        "status",
        "status",
        "PAID-AT-02",
        when=lacks("paid_at", Status.PAID),
        alters=Alters.BRANCH,
        sent="nothing: it is paid at the time of the import",
        why="the document states no paid_at; its payments keep their own dates",
        remedy="state paid_at",
    ),
    _carried("status", "status, is_written_off", alters=Alters.BRANCH),
    _approximated(
        "issued_at",
        "date, voided_at, write_off_date",
        "DATE-01",
        when=has_parts_of_seconds,
        sent="whole seconds",
        why="Chargebee counts whole seconds: every date loses its fraction of a second",
    ),
    _carried("issued_at", ISSUED_SENT),
    _carried("due_at", "due_date"),
    _dropped(
        "paid_at",
        "PAID-AT-01",
        when=is_taken_off,
        why="an invoice with a credit note against it is imported as unpaid, and paid by its credit note: its paid_at "
        "is then the time of the import",
        remedy="the payments keep their own dates",
    ),
    _carried("paid_at", "paid_at, note:refunded_at, note:linked_refunds[].date, note:date"),
    _carried("voided_at", "voided_at"),
    _carried("uncollectible_at", "write_off_date"),
    # ── payments and credit notes
    _carried("payments[].amount", "payments[].amount, write_off_amount", alters=Alters.BRANCH),
    _carried("payments[].at", "payments[].date"),
    _carried("payments[].id", "payments[].reference_number"),
    _approximated(
        "payments[].method",
        "payments[].payment_method",
        "METHOD-01",
        when=has_other_method,
        sent='"other"',
        why="a payment is imported as made elsewhere: by cash, check, bank transfer or other, and by no card",
    ),
    _carried("payments[].method", "payments[].payment_method"),
    _unsent("payments[].state", "an import has payments that succeeded alone"),
    _unsent("payments[].recorded_outside", f"{IMPORT}: every imported payment is one made elsewhere"),
    _unsent("payments[].refunded", f"{IMPORT_NOTE}: what was given back is a credit note"),
    _approximated(
        "credit_notes[].kind",
        "note:type, note:status",
        "CREDIT-01",
        when=gives_credit,
        source=f"{IMPORT_NOTE}; apidocs.chargebee.com, credit notes: refund_due is applied to the next invoice",
        severity=Severity.CHANGES_MONEY,
        alters=Alters.BRANCH,
        sent="a refundable credit note that is due",
        why="remaining credit is deducted from the customer's next invoices",
        remedy="import it last, once everything is closed at the source",
    ),
    _carried("credit_notes[].kind", "note:type, note:status", source=IMPORT_NOTE, alters=Alters.BRANCH),
    _approximated(
        "credit_notes[].amount",
        "note:total, note:line_items[].amount, note:linked_refunds[].amount",
        "CREDIT-TAX-01",
        when=has_tax,
        source=IMPORT_NOTE,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the whole amount, as a line without tax",
        why="the tax in a credit note is not known",
        remedy="correct the tax report of that month by hand",
    ),
    _approximated(
        "credit_notes[].amount",
        "note:total, note:line_items[].amount, note:linked_refunds[].amount",
        "CREDIT-DATE-01",
        when=lacks_note_dates,
        source=IMPORT_NOTE,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the date of the payment, or of the document",
        why="a credit note needs a date, and the document states none",
        remedy="state its date",
    ),
    _carried(
        "credit_notes[].amount",
        "note:total, note:line_items[].amount, note:linked_refunds[].amount",
        source=IMPORT_NOTE,
        alters=Alters.BRANCH,
    ),
    _carried("credit_notes[].number", "note:id", source=IMPORT_NOTE),
    _carried("credit_notes[].id", "note:id, note:linked_refunds[].reference_number", source=IMPORT_NOTE),
    _carried("credit_notes[].at", "note:date, note:refunded_at, note:linked_refunds[].date", source=IMPORT_NOTE),
    _carried("credit_notes[].reason", "note:create_reason_code, note:line_items[].description", source=IMPORT_NOTE),
    # ── texts
    _carried("description", "notes[].note"),
    _carried("purchase_order", "po_number"),
    _dropped("footer", "FOOTER-01", why="an invoice has no footer of its own", remedy="leave it out"),
    _dropped(
        "custom_fields",
        "CUSTOM-FIELDS-01",
        why="an invoice shows only the custom fields of the site",
        remedy="leave them out",
    ),
    _dropped(
        "metadata",
        "METADATA-01",
        source="chargebee.com/docs/2.0/metadata.html",
        why="invoices have no metadata at Chargebee",
        remedy="keep it on your side, under the reference",
    ),
    _carried("subscription", "subscription_id", source=f"{IMPORT}, subscription_id"),
    # ── the source's own ids on lines
    _unsent("lines[].id"),
    _unsent("lines[].proration"),
    _unsent("lines[].provider"),
    *(
        _dropped(
            f"lines[].{name}",
            f"LINE-{name.upper()}-01",
            why=f"the {name} of a line is one of the source's, which this site does not have",
            severity=Severity.INFO,
        )
        for name in ("product", "price", "subscription")
    ),
    _dropped(
        "lines[].metadata",
        "LINE-METADATA-01",
        why="the metadata of a line is not sent",
        remedy="keep it on your side, under the reference",
    ),
    # ── constants
    _carried(
        "",
        "note:linked_refunds[].payment_method",
        source=IMPORT_NOTE,
        alters=Alters.NOTHING,
        why="it was made elsewhere",
    ),
)
"""What becomes of each field of an import."""
