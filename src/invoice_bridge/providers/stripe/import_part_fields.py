"""The rows of what Stripe keeps apart from an imported invoice: payments made elsewhere, and credit notes."""

from __future__ import annotations

from typing import Any

from invoice_bridge.adapter.rows import Field, approximated, carried, dropped, unsent
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.providers.stripe import import_conditions as when
from invoice_bridge.providers.stripe.tables import CREATE, SOURCE_KEY

_VERB = ("import_invoice",)
_CODE = "IB-STRIPE-IMPORT"
_INVOICE = "stripe-python 16.1.0, Invoice"
NOTE = "stripe-python 16.1.0, CreditNoteCreateParams"
RECORD = "stripe-python 16.1.0, PaymentRecordReportPaymentParams"


def carry(path: str, native: str, **more: Any) -> Field:
    """Make a row of an import for what is taken whole."""
    return carried(path, native, more.pop("source", CREATE), verbs=_VERB, **more)


def drop(path: str, word: str, **more: Any) -> Field:
    """Make a row of an import for what no request carries; `word` ends the code of the loss."""
    return dropped(path, f"{_CODE}-{word}", more.pop("source", CREATE), verbs=_VERB, **more)


def approximate(path: str, native: str, word: str, **more: Any) -> Field:
    """Make a row of an import for what is sent in another form; `word` ends the code of the loss."""
    return approximated(path, native, f"{_CODE}-{word}", more.pop("source", CREATE), verbs=_VERB, **more)


def leave(path: str, source: str = CREATE, **more: Any) -> Field:
    """Make a row of an import for what is not sent and not lost."""
    return unsent(path, source, verbs=_VERB, **more)


PAID_ON = "payment:initiated_at, payment:guaranteed.guaranteed_at"
RECORDED = "payment:amount_requested.value"
_NOTED = "note:amount, note:out_of_band_amount"
PART_FIELDS: tuple[Field, ...] = (
    *(
        leave(path, f"{_INVOICE}: a draft has none; they are sent once it is armed", when=when.is_held)
        for path in (
            *(f"payments[].{name}" for name in ("amount", "at", "id", "method")),
            *(f"credit_notes[].{name}" for name in ("kind", "amount", "number", "id", "at", "reason")),
        )
    ),
    approximate(
        "payments[].amount",
        RECORDED,
        "PAYMENT-DATE-01",
        when=when.lacks_payment_dates,
        source=RECORD,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the date of the document",
        why="a payment needs a date, and none is stated",
        remedy="state its date",
    ),
    carry("payments[].amount", RECORDED, source=RECORD, alters=Alters.BRANCH),
    carry("payments[].at", PAID_ON, source=RECORD),
    carry("payments[].id", "payment:processor_details.custom.payment_reference", source=RECORD),
    carry("payments[].method", "payment:payment_method_details.custom.display_name", source=RECORD),
    leave("payments[].state", "an import has payments that succeeded alone"),
    leave("payments[].recorded_outside", f"{RECORD}: every imported payment is one made elsewhere"),
    leave("payments[].refunded", f"{NOTE}: what was given back is a credit note"),
    approximate(
        "credit_notes[].kind",
        "note:out_of_band_amount",
        "CREDIT-01",
        when=when.gives_credit,
        source=f"{NOTE}.credit_amount",
        severity=Severity.CHANGES_MONEY,
        alters=Alters.BRANCH,
        sent="a credit note that was given back elsewhere",
        why="remaining credit would be deducted from the customer's next invoice, imported or not, so none is given",
        remedy="give the customer the credit at Stripe last of all, once everything is closed at the source",
    ),
    carry("credit_notes[].kind", "note:out_of_band_amount", source=NOTE, alters=Alters.BRANCH),
    approximate(
        "credit_notes[].amount",
        _NOTED,
        "CREDIT-TAX-01",
        when=when.has_tax,
        source=NOTE,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the whole amount",
        why="how much of a credit note is tax is not known, and Stripe divides it by itself",
        remedy="correct the tax report of that month by hand",
    ),
    approximate(
        "credit_notes[].amount",
        _NOTED,
        "CREDIT-DATE-01",
        when=when.lacks_note_dates,
        source=NOTE,
        severity=Severity.WARNS,
        alters=Alters.BRANCH,
        sent="the date of the payment, or of the document",
        why="the document states no date of a credit note, and Stripe would take the day of the import",
        remedy="state its date",
    ),
    carry("credit_notes[].amount", _NOTED, source=NOTE, alters=Alters.BRANCH),
    approximate(
        "credit_notes[].number",
        "note:metadata.invoice_bridge_number",
        "CREDIT-NUMBER-01",
        source=f"{NOTE}: has no number",
        severity=Severity.WARNS,
        sent="the number in the metadata",
        why="Stripe numbers credit notes by itself",
        remedy="keep the old credit note",
    ),
    carry("credit_notes[].id", f"note:metadata.{SOURCE_KEY}", source=NOTE),
    carry("credit_notes[].at", "note:effective_at", source=NOTE),
    carry("credit_notes[].reason", "note:reason, note:memo", source=NOTE),
)
"""What becomes of the payments and credit notes of an import."""
