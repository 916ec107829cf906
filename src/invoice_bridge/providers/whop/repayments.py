"""Whop's refund: it gives back the payment that settled an invoice, whole or in part.

Rules of this file: a refund has the reference in its metadata, and the payment's own refunds are read for it before
anything is sent. A refund that is pending counts as money that cannot be refunded again, and not as refunded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import check_state, invalid_state
from invoice_bridge.adapter.lookup import PAGES
from invoice_bridge.adapter.notes import Notes
from invoice_bridge.adapter.once import Entry, check_before, made_before, submit_once
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import Refund
from invoice_bridge.core.errors import (
    AmountMismatch,
    Declined,
    Discrepancy,
    MalformedResponse,
    OutcomeUnknown,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.whop.part_shapes import stated
from invoice_bridge.providers.whop.shapes import invoice as invoice_of
from invoice_bridge.providers.whop.shapes import payment_id, with_payment
from invoice_bridge.providers.whop.tables import (
    API_VERSION,
    METADATA_LENGTH,
    MONEY,
    REASON_KEY,
    REFERENCE_KEY,
    REFUND,
    TRANSITIONS,
    pin,
)
from invoice_bridge.providers.whop.verbs import about, bare_specimen, complete_invoice, invoice_request, legacy_id

_FAILED = frozenset({"failed", "canceled"})
_CENT = 1


@dataclass
class _Settled:
    """An invoice, the payment that settled it, and the refunds of that payment."""

    invoice: Invoice
    payment: str
    at: Reader
    refunds: list[Reader]

    @property
    def currency(self) -> str | None:
        """The currency of both, None if the payment settled in another one than the invoice's."""
        same = (self.at.text("currency") or "").upper() == self.invoice.currency
        return self.invoice.currency if same else None

    def moved(self) -> Money | None:
        """Return what was given back, or is about to be: no new refund may count on it."""
        known = _sum(self.refunds, self.invoice.currency, leaves_out=_FAILED)
        shown = self.invoice.amount_refunded
        return max((each for each in (known, shown) if each is not None), key=lambda each: each.minor, default=None)

    def left(self) -> Money | None:
        """Return what can still be given back; None where Whop does not state it in the invoice's currency."""
        total = None if self.currency is None else stated(self.at.child("total"), self.currency)
        if _sum(self.refunds, self.currency, leaves_out=_FAILED) is None:  # one of them states no such amount
            return None
        return None if total is None else total - (self.moved() or Money.zero(total.currency))


def refund(command: Refund, context: Context) -> Flow[Invoice]:
    """Refund the payment that settled an invoice. Whop mails the buyer by itself: no parameter prevents that."""
    transition, invoice_id = TRANSITIONS["refund"], legacy_id(command.id)
    _check_pin(context)
    body = _body(command)
    settled = yield from _settled(command, context)

    def entries() -> Flow[list[Entry]]:
        settled.refunds[:] = yield from _refunds(settled.payment, context)
        mine = [row for row in settled.refunds if _reference(row) == command.reference]
        return [_entry(row, settled.invoice.currency) for row in mine]

    def find() -> Flow[Entry | None]:
        return made_before(command, (yield from entries()), settled.invoice)

    def read() -> Flow[Invoice]:
        again, _ = yield from complete_invoice((yield _paid(command, context)), context)
        return _with_refunds(again, settled.refunds)

    if (yield from find()) is not None:
        return (yield from read())
    check_state(settled.invoice, transition, "cannot be refunded")
    _check(command, settled)
    before = _returned(settled.at, settled.invoice.currency)
    request = context.post(
        "payments",
        settled.payment,
        "refund",
        body=body,
        step="refund",
        effects=transition.effects,
        specimen={"id": settled.payment, "refunded_amount": _specimen(command, settled.payment)["total"]},
        note="Whop mails the buyer and reverses an affiliate's commission",
    )

    def after(answer: Response) -> Flow[Invoice]:
        now = Reader(about(answer, settled.payment), "whop", "$.payment", Notes())  # what cannot be read is not shown
        made = next(iter((yield from entries())), None)
        again = yield from read()
        shown = again.amount_refunded
        is_shown = _returned(now, settled.invoice.currency) > before or (
            context.provider.is_replay(answer)  # of this very refund, and the payment has its amount now
            and shown is not None
            and shown.minor >= (1 if command.amount is None else command.amount.minor)
        )
        if made is None and not is_shown:
            raise OutcomeUnknown(
                f"the refund {command.reference!r} was accepted, and Whop shows neither it nor its amount yet. Make "
                "the same call again in some minutes: its reference takes effect once",
                reference=command.reference,
            )
        if made is not None and made.state == "failed":
            declined = Declined(f"the refund {made.id} of {invoice_id} has failed or was canceled", provider="whop")
            declined.invoice = again
            raise declined
        if made is not None and None not in {command.amount, made.amount} and made.amount != command.amount:
            raise AmountMismatch(
                f"asked to refund {command.amount} of {invoice_id}, but the refund {made.id} is for {made.amount}",
                asked=command.amount,
                found=made.amount,
                invoice=again,
            )
        return again

    return (yield from submit_once(context, request, read, find=find, after=after, transition=transition))


def _check_pin(context: Context) -> None:
    """Raise Unsupported for a version whose refunds are not known to keep the metadata, where the reference is."""
    version = context.settings.get("api_version") or API_VERSION
    if pin(version) < pin(API_VERSION):
        raise Unsupported(
            f"a refund carries its reference in its metadata, which is confirmed from version {API_VERSION} on, but "
            f"the setting api_version is {version}; nothing was sent",
            source=f"{REFUND}; docs.whop.com/api-reference/legacy/payments/refund-payment takes an amount alone",
            remedy="leave the setting api_version out for refunds",
        )


def _body(command: Refund) -> dict[str, Any]:
    metadata = {REFERENCE_KEY: command.reference}
    if command.reason is not None:
        if len(command.reason) > METADATA_LENGTH:
            raise Unsupported(
                f"a value in a refund's metadata has at most {METADATA_LENGTH} characters, and the reason has "
                f"{len(command.reason)}",
                source=REFUND,
                remedy="shorten the reason",
            )
        metadata[REASON_KEY] = command.reason
    amount = {} if command.amount is None else {"partial_amount": MONEY.to_units(command.amount)}
    return {"metadata": metadata, **amount}


# ── what is read before ──────────────────────────────────────────────────────────────────────────────────────────────
def _paid(command: Refund, context: Context) -> Request:
    amount = command.amount or command.expect
    currency = "usd" if amount is None else amount.currency.lower()
    paid = bare_specimen(command.id, "paid", currency) | {"payment": {"id": "{payment.id}"}}
    return invoice_request(command.id, context, paid)


def _settled(command: Refund, context: Context) -> Flow[_Settled]:
    """Read an invoice and its payment; a key without payment:basic:read cannot refund. The refunds are read later.

    Raises InvalidState where Whop names no payment of the invoice.
    """
    data = object_of((yield _paid(command, context)))
    found = invoice_of(data)
    if (payment := payment_id(data)) is None:
        why = f"it is {found.status}"
        if found.status is Status.PAID:
            why = "Whop names no payment that settled it, as for an invoice marked as paid or a subscription's renewal"
        raise invalid_state(found, "cannot be refunded", why)
    specimen = _specimen(command, payment)
    request = context.get("payments", payment, specimen=specimen, note="the amounts collected and refunded")
    told = about((yield request), payment)
    return _Settled(with_payment(found, told), payment, Reader(told, "whop", "$.payment"), [])


def _specimen(command: Refund, payment: str) -> dict[str, Any]:
    """The happy answer about a payment of which the amount can be refunded; explain alone reads it."""
    amount = command.amount or Money(_CENT, "USD" if command.expect is None else command.expect.currency)
    before = Money(0 if command.expect is None else command.expect.minor, amount.currency)
    return {
        "id": payment,
        "status": "paid",
        "paid_at": "2026-01-01T00:00:00.000Z",
        "currency": amount.currency.lower(),
        "total": _written(before + amount),
        "refunded_amount": _written(before),
        "refundable": True,
    }


def _written(money: Money) -> dict[str, str]:
    return {"amount": f"{money.major:f}", "currency": money.currency.lower()}


def _refunds(payment: str, context: Context) -> Flow[list[Reader]]:
    """Read every refund of a payment. Those of another payment, should the filter be ignored, are left out."""
    pairs: list[tuple[str, object]] = [("account_id", context.settings["account_id"]), ("payment_id", payment)]
    pairs.append(("first", 100))
    none: Mapping[str, Any] = {"data": [], "page_info": {"has_next_page": False}}
    rows: list[Reader] = []
    cursor: list[tuple[str, object]] = []
    for _ in range(PAGES):
        note = "looks for an earlier refund with this reference"
        answer = yield context.get("refunds", query=[*pairs, *cursor], specimen=none, note=note)
        at = Reader(object_of(answer), "whop")
        more = at.child("page_info").flag("has_next_page")
        if more is None or not isinstance(at.data.get("data"), list):
            problem = "the listing of refunds has no $.data, or does not state whether it continues"
            raise MalformedResponse(problem, provider="whop", status=answer.status, response=answer)
        rows += [row for row in at.children("data") if row.text("payment_id") in {None, payment}]
        if not more:
            return rows
        cursor = [("after", at.child("page_info").required_text("end_cursor"))]
    raise Unsupported(
        f"the payment {payment} has more refunds than {PAGES} pages list; nothing was done",
        source=REFUND,
        remedy="refund it in Whop's dashboard",
    )


def _check(command: Refund, settled: _Settled) -> None:
    """Compare what was collected with what is asked for. Raises InvalidState, Discrepancy or Unsupported."""
    invoice, moved, left = settled.invoice, settled.moved(), settled.left()
    check_before(command, invoice.model_copy(update={"amount_refunded": moved}))
    if settled.at.flag("refundable") is False:
        why = (
            "Whop states that its payment is not refundable: it is already refunded, or its payment method takes "
            "no refunds"
        )
        raise invalid_state(invoice, "cannot be refunded", why)
    if left is not None and left.minor <= 0:
        raise invalid_state(
            invoice,
            "cannot be refunded",
            "everything that was collected is already refunded, or a refund is in progress",
        )
    if command.amount is None:
        return
    if invoice.currency is not None and command.amount.currency != invoice.currency:
        raise Discrepancy(
            f"asked to refund {command.amount}, but {invoice.id} is in {invoice.currency}; nothing was done",
            asked=command.amount,
            found=invoice.currency,
            invoice=invoice,
        )
    if left is None:
        raise Unsupported(
            f"Whop does not state in {invoice.currency or 'a known currency'} how much the payment "
            f"{settled.payment} of {invoice.id} collected, and a partial refund needs the payment's currency; "
            "nothing was done",
            source=f"{REFUND}: partial_amount",
            remedy="refund all of it (no amount), or a part in Whop's dashboard",
        )
    if command.amount.minor > left.minor:  # Whop would give back the rest, and not refuse
        raise Discrepancy(
            f"asked to refund {command.amount}, but at most {left} of {invoice.id} can be refunded; nothing was done",
            asked=command.amount,
            found=left,
            invoice=invoice,
        )


# ── a refund ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _returned(payment: Reader, currency: str | None) -> int:
    """Return what a payment states that was given back of it, in minor units; 0 if it states nothing."""
    amount = stated(payment.child("refunded_amount"), currency)
    return 0 if amount is None else amount.minor


def _reference(row: Reader) -> str | None:
    return row.child("metadata").text(REFERENCE_KEY)


def _entry(row: Reader, currency: str | None) -> Entry:
    word = row.text("status")
    state: Literal["done", "pending", "failed"] = "done" if word == "succeeded" else "pending"
    return Entry(row.required_text("id"), _amount(row, currency), "failed" if word in _FAILED else state)


def _amount(row: Reader, currency: str | None) -> Money | None:
    """What a refund comes to in the invoice's currency, None if it states only others."""
    settled = stated(row.child("amount"), currency)
    return settled if settled is not None else stated(row.child("original_amount"), currency)


def _sum(rows: list[Reader], currency: str | None, *, leaves_out: frozenset[str]) -> Money | None:
    """Add up refunds; None where one of them states no amount in the invoice's currency."""
    amounts = [_amount(row, currency) for row in rows if row.text("status") not in leaves_out]
    if currency is None or None in amounts:
        return None
    return Money(sum(amount.minor for amount in amounts if amount is not None), currency)


def _with_refunds(invoice: Invoice, rows: list[Reader]) -> Invoice:
    """Count what was refunded without what is still pending, whether or not Whop's own sum has it."""
    pending = {word for row in rows if (word := row.text("status") or "") != "succeeded"}
    refunded = _sum(rows, invoice.currency, leaves_out=frozenset(pending))
    if not pending - _FAILED or refunded is None:
        return invoice
    payments = tuple(payment.model_copy(update={"refunded": refunded}) for payment in invoice.payments)
    return invoice.model_copy(update={"amount_refunded": refunded, "payments": payments})
