"""Where Stripe's JSON has the payments, the refunds and the credit notes of an invoice.

An invoice carries none of them by itself: payments come where they are expanded, or by a listing of their own, credit
notes by a listing alone. What was given back is on the charge, or on the payment record, of an invoice payment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.adapter.notes import Notes
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.shapes import Shape, computed, money, text, unix
from invoice_bridge.adapter.trusted import maker
from invoice_bridge.core.model import CreditNote, Invoice, Payment, Status
from invoice_bridge.core.money import Money, trusted
from invoice_bridge.providers.stripe.tables import MONEY

_payment = maker(Payment)
_INVOICE_PAYMENT = {"paid": "succeeded", "canceled": "canceled"}
_CHARGE = {"succeeded": "succeeded", "pending": "pending", "failed": "failed"}
CREDITED = ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount")


# ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _state(at: Reader, _currency: str | None) -> str:
    """How an invoice payment went. An open one is pending where its intent, expanded, is processing; else unknown."""
    word = at.text("status") or ""
    if word == "open" and at.child("payment").expanded("payment_intent").text("status") == "processing":
        return "pending"
    return _INVOICE_PAYMENT.get(word, "unknown")


def _amount(at: Reader, currency: str | None) -> Money | None:
    """What was paid, or is to be."""
    return at.money("amount_paid" if at.data.get("amount_paid") is not None else "amount_requested", MONEY, currency)


def _method(at: Reader, _currency: str | None) -> str | None:
    """The payment method of an expanded intent or charge, or else the kind of what paid."""
    payment = at.child("payment")
    named = payment.expanded("payment_intent").identity("payment_method")
    return named or payment.expanded("charge").identity("payment_method") or payment.text("type")


def _is_outside(at: Reader, _currency: str | None) -> bool | None:
    """A payment record says what was paid elsewhere (docs.stripe.com/api/payment-record)."""
    kind = at.child("payment").text("type")
    return None if kind is None else kind == "payment_record"


def _refunded(at: Reader, currency: str | None) -> Money | None:
    """How much of it was given back, where the charge or the payment record is expanded.

    One intent may pay several invoices (stripe-python 16.1.0, InvoicePayment.amount_paid): whose money a refund gave
    back is not known then, unless it gave back nothing.
    """
    payment = at.child("payment")
    charge = payment.expanded("payment_intent").expanded("latest_charge")
    charge = charge if charge.data else payment.expanded("charge")
    record = payment.expanded("payment_record")
    if charge.data:
        whole, refunded = charge.money("amount", MONEY, currency), charge.money("amount_refunded", MONEY, currency)
        codes = {charge.text("currency")}
    elif record.data:
        stated, given_back = record.child("amount"), record.child("amount_refunded")
        whole, refunded = stated.money("value", MONEY, currency), given_back.money("value", MONEY, currency)
        codes = {stated.text("currency"), given_back.text("currency")}
    else:
        return None
    if any(code is not None and code.upper() != currency for code in codes):
        return None
    return refunded if refunded is None or not refunded.minor or whole == _amount(at, currency) else None


_CHARGES = ("payment.payment_intent.latest_charge", "payment.charge")

PAYMENT = Shape(
    Payment,
    units=MONEY,
    id=text("id"),
    amount=computed(_amount, "amount_paid", "amount_requested"),
    at=unix("status_transitions.paid_at", "status_transitions.canceled_at", "created"),
    state=computed(_state, "status", "payment.payment_intent.status"),
    method=computed(_method, "payment.payment_intent.payment_method", "payment.charge.payment_method", "payment.type"),
    recorded_outside=computed(_is_outside, "payment.type"),
    refunded=computed(
        _refunded,
        *(f"{place}.{name}" for place in _CHARGES for name in ("amount", "amount_refunded", "currency")),
        *(
            f"payment.payment_record.{amount}.{name}"
            for amount in ("amount", "amount_refunded")
            for name in ("value", "currency")
        ),
    ),
)
"""A row of `payments`, which is there where it was expanded."""


def charge_before_basil(at: Reader, currency: str | None) -> tuple[Payment, ...]:
    """The payment of an older invoice: its `charge`, where that is expanded."""
    charge = at.expanded("charge")
    if charge.text("status") is None:  # an id alone, or a client's stub of one
        return ()
    return (
        _payment(
            {
                "id": charge.text("id"),
                "amount": charge.money("amount", MONEY, currency),
                "at": charge.unix("created"),
                "state": _CHARGE.get(charge.text("status") or "", "unknown"),
                "method": charge.identity("payment_method"),
                "recorded_outside": False,
                "refunded": charge.money("amount_refunded", MONEY, currency),
            }
        ),
    )


CHARGE_PATHS = tuple(
    f"charge.{name}" for name in ("id", "amount", "created", "status", "payment_method", "amount_refunded")
)


def settle(values: dict[str, Any]) -> None:
    """Complete what is known of an invoice whose payments are all listed.

    Since basil `amount_paid` has what was paid out of band too (docs.stripe.com/changelog/basil), and whether the list
    has a row for that is not confirmed: what the listed payments do not come to, on a paid invoice, is one that was
    recorded from outside.
    """
    payments, paid, currency = values["payments"], values["amount_paid"], values["currency"]
    made = [payment for payment in payments if payment.state == "succeeded"]
    if paid is None or any(payment.amount is None for payment in made):
        return
    rest = paid.minor - sum(payment.amount.minor for payment in made)
    if rest > 0 and values["status"] is Status.PAID:
        outside = {"amount": trusted(rest, currency), "at": values["paid_at"], "state": "succeeded"}
        values["payments"] = (*payments, _payment({**outside, "recorded_outside": True}))
    elif rest > 0:
        values["payments_complete"] = False
    elif all(payment.refunded is not None for payment in made):
        refunds = sum(payment.refunded.minor for payment in made)
        values["amount_refunded"] = trusted(refunds, currency)


# ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _note(values: dict[str, Any], at: Reader, _given: Mapping[str, Any]) -> None:
    before, after = (values.pop(name) for name in ("before", "after"))
    outside, balance = values.pop("outside"), values.pop("balance")
    if before is None or after is None or (before.minor and after.minor):
        values["kind"] = "unknown"
    elif before.minor:
        values["kind"] = "adjustment"
    else:
        refunds = at.count("refunds") > 0 or (outside is not None and outside.minor > 0)
        values["kind"] = {(True, False): "refund", (False, True): "credit"}.get(
            (refunds, balance is not None), "unknown"
        )


CREDIT_NOTE = Shape(
    CreditNote,
    _note,
    units=MONEY,
    also=("refunds[].amount_refunded", "status", "currency"),
    id=text("id"),
    number=text("number"),
    amount=money("amount"),
    reason=text("reason"),
    at=unix("effective_at", "created"),
    before=money("pre_payment_amount"),
    after=money("post_payment_amount"),
    outside=money("out_of_band_amount"),
    balance=text("customer_balance_transaction"),
)
"""An item of `GET /v1/credit_notes` (stripe-python 16.1.0, CreditNote): money given back outside Stripe is a refund."""


def with_credit_notes(invoice: Invoice, rows: Iterable[Mapping[str, Any]]) -> Invoice:
    """Add the credit notes that are listed for an invoice, but for void ones, which credit nothing.

    Those in another currency are left out, and what cannot be read is one of the invoice's problems; the list is not
    complete then.
    """
    notes, whole = [], True
    reader = Reader({}, "stripe", "$", Notes())
    for row in reader.rows("credit_notes", rows):
        if row.text("status") == "void":
            continue
        code = row.text("currency")
        if invoice.currency is None or (code or "").upper() != invoice.currency:
            row.note("currency", f"is not the invoice's currency, {invoice.currency}", money=True)
            whole = False
            continue
        note = CREDIT_NOTE.read(row, invoice.currency)
        if note is None or note.amount is None:
            whole = False
        if note is not None:
            notes.append(note)
    update = {"credit_notes": tuple(notes), "credit_notes_complete": whole}
    return invoice.model_copy(update={**update, "problems": invoice.problems + reader.problems})


def has_none(values: Mapping[str, Any], at: Reader) -> bool:
    """Whether an invoice states that no credit note lowers it or gives anything back."""
    get = at.data.get  # without a currency neither is read, and so `unmapped` lists both
    return values["currency"] is not None and get(CREDITED[0]) == 0 and get(CREDITED[1]) == 0
