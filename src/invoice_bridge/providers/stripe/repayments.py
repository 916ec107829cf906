"""Stripe's verbs that give money back: refunds of what an invoice collected, and credit notes; and the document.

Rules of this file: both have the reference in their metadata, and the invoice's own are read for it before anything is
made. A credit note refunds nothing and mails nobody: `refund_amount` is never sent, `email_type` is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import check_state, invalid_state
from invoice_bridge.adapter.once import Entry, check_before, check_part, download, made_before, submit_once
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import Credit, Pdf, Refund
from invoice_bridge.core.errors import AmountMismatch, Declined, Discrepancy, Unsupported
from invoice_bridge.core.model import CreditNote, Invoice, Payment, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Response
from invoice_bridge.providers.stripe.collected import (
    EMPTY,
    FAILED,
    Collected,
    amount_of,
    check_not_given_back,
    not_given_back,
    payments_with_refunds,
)
from invoice_bridge.providers.stripe.payments import INTENT, specimen_of, with_payments
from invoice_bridge.providers.stripe.tables import (
    CREDIT_REASONS,
    MONEY,
    REASON_KEY,
    REFERENCE_KEY,
    REFUND_REASONS,
    TRANSITIONS,
)
from invoice_bridge.providers.stripe.verbs import bare_specimen, listed_rows, read_invoice

if TYPE_CHECKING:
    from stripe.params import CreditNoteCreateParams, CreditNoteCreateParamsLine, RefundCreateParams


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _collected(command: Refund, invoice: Invoice, context: Context) -> Flow[list[Collected]]:
    """Read what Stripe collected of an invoice, each payment with its refunds."""
    before, amount = (0 if each is None else MONEY.to_units(each) for each in (command.expect, command.amount))
    paid = before + (amount or 1)
    intent = {"type": INTENT, INTENT: {"id": "{payment.payment_intent}", "amount_received": paid}}
    specimen = {"id": "{payment.id}", "status": "paid", "amount_paid": paid, "payment": intent}
    refunded = [{"id": "{refunded.id}", "amount": before, "status": "succeeded"}] if before else []
    listing = {**EMPTY, "data": refunded}
    return (yield from payments_with_refunds(invoice, context, specimens=[specimen], listing=listing))


def refund(command: Refund, context: Context) -> Flow[Invoice]:
    """Refund a payment of an invoice. Stripe refunds one payment at a time: the last one that covers the amount."""
    transition = TRANSITIONS["refund"]
    specimen = specimen_of(command.id, "paid", command.amount or command.expect)
    invoice = yield from with_payments(command.id, context, specimen=specimen)
    payments: list[Collected] = []

    def find() -> Flow[Entry | None]:
        payments[:] = yield from _collected(command, invoice, context)
        rows = [row for each in payments for row in each.refunds if _reference(row) == command.reference]
        entries = [Entry(row.required_text("id"), _amount(row, invoice), _state(row)) for row in rows]
        return made_before(command, entries, invoice)

    def read() -> Flow[Invoice]:
        again = yield from with_payments(command.id, context)
        return _with_refunds(again, payments)

    done = yield from find()
    invoice = _with_refunds(invoice, payments)
    if done is not None:
        return invoice
    check_state(invoice, transition, "cannot be refunded")
    check_before(command, invoice)
    chosen, amount = _payment_for(command, invoice, payments)
    form = _refund_form(command, chosen, amount)
    if amount_of(invoice, "post_payment_credit_notes_amount"):  # the customer has that back already
        notes = yield from listed_rows(context, ("v1", "credit_notes"), [("invoice", command.id)])
        rest = not_given_back(invoice, payments, notes)
        if rest is not None and command.amount is None and 0 < rest.minor < amount.minor:
            amount, form["amount"] = rest, MONEY.to_units(rest)
        check_not_given_back(amount, invoice, rest)
    request = context.post(
        "v1",
        "refunds",
        body=form,
        step="refund",
        effects=transition.effects,
        answers=("metadata", REFERENCE_KEY),
        equals=command.reference,
        failed_if=(("status",), FAILED),
        specimen={"id": "{refund.id}", "object": "refund", "status": "succeeded", "amount": MONEY.to_units(amount)}
        | {"metadata": form.get("metadata")},
    )

    def after(answer: Response) -> Flow[Invoice]:
        made = Reader(object_of(answer), "stripe")
        if context.provider.is_replay(answer):  # it has the state of that time
            payments[:] = yield from _collected(command, invoice, context)
        rows = {row.text("id"): row for each in payments for row in each.refunds}
        if made.text("id") in rows:
            made = rows[made.text("id")]
        else:
            next(each for each in payments if each.which == chosen.which).refunds.append(made)
        again = yield from read()
        if made.text("status") in FAILED:
            declined = Declined(f"the refund {made.text('id')} is {made.text('status')}", provider="stripe")
            declined.invoice = again
            raise declined
        returned = _amount(made, invoice)
        less = "amount" not in form and returned is not None and returned.minor < amount.minor  # refunded meanwhile
        if returned != amount and not less:
            raise AmountMismatch(
                f"asked to refund {amount}, the refund {made.text('id')} gives back {returned}",
                asked=amount,
                found=returned,
                invoice=again,
            )
        return again

    return (yield from submit_once(context, request, read, find=find, after=after, transition=transition))


def _refund_form(command: Refund, chosen: Collected, amount: Money) -> RefundCreateParams:
    form: RefundCreateParams = {"metadata": {REFERENCE_KEY: command.reference}}
    if command.amount is not None or chosen.is_of_others:  # Stripe's default is all that is left of the whole payment
        form["amount"] = MONEY.to_units(amount)
    if command.reason in REFUND_REASONS:
        form["reason"] = command.reason
    elif command.reason is not None:
        form["metadata"] = {REFERENCE_KEY: command.reference, REASON_KEY: command.reason}
    if chosen.kind == "charge":
        form["charge"] = chosen.which
    else:
        form["payment_intent"] = chosen.which
    return form


def _reference(row: Reader) -> str | None:
    return row.child("metadata").text(REFERENCE_KEY)


def _amount(row: Reader, invoice: Invoice) -> Money | None:
    return row.money("amount", MONEY, invoice.currency)


def _state(row: Reader) -> Literal["done", "pending", "failed"]:
    word = row.text("status")
    return "failed" if word in FAILED else "done" if word == "succeeded" else "pending"


def _payment_for(command: Refund, invoice: Invoice, payments: list[Collected]) -> tuple[Collected, Money]:
    """Choose the payment to refund, and the amount. Raises InvalidState, Discrepancy or Unsupported if none can be.

    Without an amount it is all that is left of the invoice's own payment.
    """
    currency = invoice.currency
    if currency is None or not payments:
        raise invalid_state(invoice, "cannot be refunded", "Stripe collected nothing of it")
    if command.amount is not None and command.amount.currency != currency:
        raise Discrepancy(
            f"asked to refund {command.amount}, but {invoice.id} is in {currency}; nothing was done",
            asked=command.amount,
            found=currency,
            invoice=invoice,
        )
    left = [each for each in payments if each.left(currency).minor > 0]
    if not left:
        raise invalid_state(invoice, "cannot be refunded", "everything that was collected is already refunded")
    if command.amount is None:
        if len(left) > 1:
            raise Unsupported(
                f"{invoice.id} was paid by {len(left)} payments, and Stripe refunds one at a time",
                source="stripe-python 16.1.0, RefundCreateParams",
                remedy="refund each part by its amount, with a reference of its own",
            )
        return left[0], left[0].left(currency)
    covering = [each for each in left if each.left(currency).minor >= command.amount.minor]
    if not covering:
        most = max(each.left(currency).minor for each in left)
        raise Discrepancy(
            f"asked to refund {command.amount}, but at most {Money(most, currency)} can be refunded from one "
            f"payment of {invoice.id}; nothing was done",
            asked=command.amount,
            found=Money(most, currency),
            invoice=invoice,
        )
    return covering[0], command.amount  # the listing is newest first


def _with_refunds(invoice: Invoice, payments: list[Collected]) -> Invoice:
    """Add to an invoice what was refunded of each of its payments, and in all."""
    currency = invoice.currency
    if currency is None:
        return invoice
    by_id = {each.id: each.refunded(currency) for each in payments}
    total = Money(sum(amount.minor for amount in by_id.values()), currency)

    def shown(payment: Payment) -> Payment:
        return payment.model_copy(update={"refunded": by_id.get(payment.id or "", payment.refunded)})

    shown_payments = tuple(shown(payment) for payment in invoice.payments)
    return invoice.model_copy(update={"amount_refunded": total, "payments": shown_payments})


# ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────────
def credit(command: Credit, context: Context) -> Flow[Invoice]:
    """Issue a credit note: it lowers what remains of an open invoice; of a paid one it goes to the balance."""
    transition = TRANSITIONS["credit"]
    whole = specimen_of(
        command.id,
        "open",
        command.total,
        amount_remaining=command.total,
        pre_payment_credit_notes_amount=command.expect,
    )
    invoice = yield from with_payments(command.id, context, specimen=whole)
    notes: list[Reader] = []

    def find() -> Flow[Entry | None]:
        query = [("invoice", command.id)]
        notes[:] = yield from listed_rows(context, ("v1", "credit_notes"), query, specimen=EMPTY)
        rows = [row for row in notes if _reference(row) == command.reference]
        return made_before(command, [_note_entry(row, command, invoice) for row in rows], invoice)

    def read() -> Flow[Invoice]:
        again = yield from with_payments(command.id, context)
        return _with_notes(again, notes)

    if (yield from find()) is not None:
        return _with_notes(invoice, notes)
    check_state(invoice, transition, "cannot be credited")
    check_before(command, invoice)
    form = _credit_form(command, invoice)
    if invoice.status is Status.PAID:  # a refund of it is no credit note
        payments = yield from payments_with_refunds(invoice, context)
        check_not_given_back(command.total, invoice, not_given_back(invoice, payments, notes))
    request = context.post(
        "v1",
        "credit_notes",
        body=form,
        step="credit",
        effects=transition.effects,
        answers=("metadata", REFERENCE_KEY),
        equals=command.reference,
        specimen={"id": "{credit_note.id}", "object": "credit_note", "metadata": {REFERENCE_KEY: command.reference}},
    )

    def after(answer: Response) -> Flow[Invoice]:
        made = Reader(object_of(answer), "stripe")
        if made.text("id") not in {row.text("id") for row in notes}:
            notes.append(made)
        again = yield from read()
        amount = _note_entry(made, command, invoice).amount
        if amount is not None and amount != command.total:
            raise AmountMismatch(
                f"asked to credit {command.total}, but the credit note {made.text('id')} credits {amount}; void it",
                asked=command.total,
                found=amount,
                invoice=again,
            )
        return again

    return (yield from submit_once(context, request, read, find=find, after=after, transition=transition))


def _credit_form(command: Credit, invoice: Invoice) -> CreditNoteCreateParams:
    form: CreditNoteCreateParams = {
        "invoice": command.id,
        "email_type": "none",
        "metadata": {REFERENCE_KEY: command.reference},
    }
    if command.amount is not None:
        form["amount"] = MONEY.to_units(command.amount)
    else:
        form["lines"] = [_line_form(line) for line in command.lines]
    if command.reason in CREDIT_REASONS:
        form["reason"] = command.reason
    elif command.reason is not None:
        form["memo"] = command.reason
    if invoice.status is Status.PAID:
        if command.lines and (invoice.tax is None or invoice.tax.minor):
            raise Unsupported(
                f"{invoice.id} is paid and has tax, so the amount that its lines would credit is not known before",
                source="stripe-python 16.1.0, CreditNoteCreateParams.credit_amount",
                remedy="give the amount to credit, tax included, instead of the lines",
            )
        form["credit_amount"] = MONEY.to_units(command.total)
    elif invoice.currency is not None:
        check_part(command.total, invoice)
    if invoice.currency not in {None, command.total.currency}:
        raise Discrepancy(
            f"asked to credit {command.total}, but {invoice.id} is in {invoice.currency}; nothing was done",
            asked=command.total,
            found=invoice.currency,
            invoice=invoice,
        )
    return form


def _line_form(line: Any) -> CreditNoteCreateParamsLine:
    """The form of a line: one of the invoice's by its id, else one of its own, of its whole amount."""
    amount = MONEY.to_units(line.amount)
    if line.id is not None:
        return {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": amount}
    return {
        "type": "custom_line_item",
        "description": line.description or "Credit",
        "quantity": 1,
        "unit_amount": amount,
    }


def _note_entry(row: Reader, command: Credit, invoice: Invoice) -> Entry:
    """What is at Stripe under the reference; lines are compared without the tax that Stripe adds to them."""
    name = "subtotal" if command.lines else "total"
    state: Literal["done", "failed"] = "failed" if row.text("status") == "void" else "done"
    return Entry(row.required_text("id"), row.money(name, MONEY, invoice.currency), state)


def _with_notes(invoice: Invoice, rows: list[Reader]) -> Invoice:
    notes = tuple(credit_note(row, invoice.currency) for row in rows if row.text("status") != "void")
    return invoice.model_copy(update={"credit_notes": notes, "credit_notes_complete": True})


def credit_note(row: Reader, currency: str | None) -> CreditNote:
    """Read a credit note."""
    kind: Literal["adjustment", "refund", "credit", "unknown"] = "unknown"
    if row.text("type") == "pre_payment":
        kind = "adjustment"
    elif row.identity("customer_balance_transaction") is not None:
        kind = "credit"
    elif row.data.get("refunds") or row.data.get("out_of_band_amount"):
        kind = "refund"
    return CreditNote(
        id=row.text("id"),
        number=row.text("number"),
        amount=row.money("total", MONEY, currency),
        reason=row.text("reason") or row.text("memo"),
        kind=kind,
        at=row.unix("effective_at") or row.unix("created"),
    )


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────
def pdf(command: Pdf, context: Context) -> Flow[bytes]:
    """Read the invoice, then download its document from the host that its link names, without the key."""
    specimen = bare_specimen(command.id, "open") | {"invoice_pdf": "https://pay.stripe.com/{invoice.pdf}"}
    invoice = yield from read_invoice(command.id, context, specimen=specimen)
    if invoice.pdf_url is None:
        raise invalid_state(
            invoice, "has no document", f"it is {invoice.status}, and Stripe makes the PDF when it issues the invoice"
        )
    return (yield from download(invoice.pdf_url, context))
