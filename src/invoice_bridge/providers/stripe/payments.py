"""Stripe's verbs that pay a part of an invoice: money that is collected now, or that was paid elsewhere.

Rules of this file: a payment is made, attached to the invoice, and only then collected, so that Stripe itself credits
what it collects. Each has the reference in its metadata; the invoice's payments are read for it before anything is
made. What was made and not attached has no effect, and is made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from invoice_bridge.adapter.answers import object_of, text_of
from invoice_bridge.adapter.changes import check_state, invalid_state
from invoice_bridge.adapter.checks import payable
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.once import Entry, check_before, check_part, made_before, submit_once
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import Pay, RecordPayment
from invoice_bridge.core.errors import Declined, MalformedResponse, OutcomeUnknown, Unsupported
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow, Response
from invoice_bridge.providers.stripe.tables import MONEY, REFERENCE_KEY, TRANSITIONS
from invoice_bridge.providers.stripe.verbs import bare_specimen, listed_rows, post_form, read_invoice

if TYPE_CHECKING:
    from stripe.params import (
        InvoiceAttachPaymentParams,
        PaymentIntentConfirmParams,
        PaymentIntentCreateParams,
        PaymentRecordReportPaymentParams,
    )

PAID_ELSEWHERE = "Paid elsewhere"
"""The name of the payment method of a payment that was made elsewhere, where the caller gives none."""
INTENT, RECORD = "payment_intent", "payment_record"
_UNFINISHED = frozenset({"requires_confirmation", "requires_payment_method"})
_MOVED_NOTHING = frozenset({"requires_payment_method", "canceled"})
"""The words of a payment intent that was confirmed and collected nothing."""


# ── the payments of an invoice ───────────────────────────────────────────────────────────────────────────────────────
def invoice_payments(
    invoice_id: str, context: Context, *, expand: str = "", specimens: Iterable[Mapping[str, Any]] = ()
) -> Flow[list[Reader]]:
    """Read all payments of an invoice; `expand` names the object of a payment that comes whole."""
    query: list[tuple[str, object]] = [("invoice", invoice_id)]
    if expand:
        query.append(("expand[0]", f"data.payment.{expand}"))
    specimen = {"object": "list", "data": list(specimens), "has_more": False}
    return (yield from listed_rows(context, ("v1", "invoice_payments"), query, specimen=specimen))


def _with_reference(rows: Iterable[Reader], kind: str, reference: str) -> list[tuple[Reader, Reader]]:
    """Return the payments of a kind whose object has the reference, each with that object."""
    pairs = [(row, row.child("payment").expanded(kind)) for row in rows]
    return [(row, of) for row, of in pairs if of.child("metadata").text(REFERENCE_KEY) == reference]


def _state(row: Reader, of: Reader) -> Literal["done", "pending", "failed"]:
    """How a payment stands; a canceled one moved nothing. A record is attached when it is paid already."""
    if "canceled" in {row.text("status"), of.text("status")}:
        return "failed"
    return "done" if row.text("status") == "paid" else "pending"


def _amount(row: Reader, currency: str | None) -> Money | None:
    paid = row.data.get("amount_paid") is not None
    return row.money("amount_paid" if paid else "amount_requested", MONEY, currency)


def _entries(pairs: Iterable[tuple[Reader, Reader]], currency: str | None) -> list[Entry]:
    return [Entry(row.required_text("id"), _amount(row, currency), _state(row, of)) for row, of in pairs]


def with_payments(invoice_id: str, context: Context, *, specimen: Mapping[str, Any] | None = None) -> Flow[Invoice]:
    """Read an invoice with its payments."""
    return read_invoice(invoice_id, context, payments=True, specimen=specimen)


def specimen_of(invoice_id: str, status: str, amount: Money | None, **amounts: Money | None) -> dict[str, Any]:
    """The happy answer about an invoice to which a verb with an amount can be done."""
    currency = {} if amount is None else {"currency": amount.currency.lower()}
    stated = {name: MONEY.to_units(each) for name, each in amounts.items() if each is not None}
    return bare_specimen(invoice_id, status) | currency | stated


# ── a payment made elsewhere ─────────────────────────────────────────────────────────────────────────────────────────
def record_part(command: RecordPayment, context: Context) -> Flow[Invoice]:
    """Report a payment made elsewhere, then attach it to the invoice: that credits it."""
    transition = TRANSITIONS["record_payment"]
    remaining = command.expect or command.amount
    specimen = specimen_of(command.id, "open", command.amount, amount_remaining=remaining)
    invoice = yield from with_payments(command.id, context, specimen=specimen)

    def find() -> Flow[Entry | None]:
        rows = yield from invoice_payments(command.id, context, expand=RECORD)
        entries = _entries(_with_reference(rows, RECORD, command.reference), invoice.currency)
        return made_before(command, entries, invoice)

    if (yield from find()) is not None:
        return invoice
    check_state(invoice, transition, "cannot take a payment")
    check_before(command, invoice)
    check_part(command.amount, invoice)
    form: PaymentRecordReportPaymentParams = {
        "amount_requested": {"currency": command.amount.currency.lower(), "value": MONEY.to_units(command.amount)},
        "initiated_at": unix_seconds(command.at),
        "payment_method_details": {"type": "custom", "custom": {"display_name": command.method or PAID_ELSEWHERE}},
        "processor_details": {"type": "custom", "custom": {"payment_reference": command.reference}},
        "outcome": "guaranteed",
        "guaranteed": {"guaranteed_at": unix_seconds(command.at)},
        "metadata": {REFERENCE_KEY: command.reference},
    }
    reported = yield context.post(
        "v1",
        "payment_records",
        "report_payment",
        body=form,
        step="report",
        answers=("metadata", REFERENCE_KEY),
        equals=command.reference,
        specimen={"id": "{reported.id}", "object": RECORD, "metadata": {REFERENCE_KEY: command.reference}},
    )
    record = _id_of(reported, RECORD, command.reference)
    attaching: InvoiceAttachPaymentParams = {"payment_record": record}
    specimen = bare_specimen(command.id, "open")
    request = post_form(
        command.id,
        "attach_payment",
        context,
        attaching,
        step="attach",
        effects=transition.effects,
        answers=("id",),
        equals=command.id,
        specimen=specimen,
    )

    def read() -> Flow[Invoice]:
        return with_payments(command.id, context)

    def after(_answer: Response) -> Flow[Invoice]:
        paid = yield from read()
        yield from check_attached(paid, context, RECORD, record, command.reference)
        return paid

    return (yield from submit_once(context, request, read, find=find, after=after, transition=transition))


def check_attached(invoice: Invoice, context: Context, kind: str, which: str, reference: str) -> Flow[None]:
    """Check that an invoice, read with its payments, has this one. Raises OutcomeUnknown.

    The answer to the request that attached it may be an earlier one. What came without payments cannot be checked.
    """
    payments = Reader(invoice.raw or {}, "stripe").child("payments")
    if not payments.data:
        return
    rows = payments.children("data")
    if payments.flag("has_more") is not False:
        rows = yield from invoice_payments(invoice.id, context)
    if all(row.child("payment").identity(kind) != which for row in rows):
        raise _not_shown(reference, f"{invoice.id} does not have the {kind} {which}")


def _not_shown(reference: str, problem: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the payment {reference!r} was accepted, and {problem}: an intermediary mixes up answers, or Stripe has not "
        "counted it yet. Make the same call again: its reference takes effect once",
        reference=reference,
    )


def _id_of(answer: Response, kind: str, reference: str) -> str:
    """Return the id of what was made. Raises MalformedResponse if the answer is about something else."""
    made = Reader(object_of(answer), "stripe")
    if made.text("object") != kind or made.child("metadata").text(REFERENCE_KEY) != reference:
        problem = f"the answer is not the {kind} that was asked for: an intermediary mixes up answers"
        raise MalformedResponse(problem, provider="stripe", status=answer.status, response=answer)
    return text_of(answer, "id")


# ── a part that is collected ─────────────────────────────────────────────────────────────────────────────────────────
def collect_part(command: Pay, context: Context) -> Flow[Invoice]:
    """Make a payment intent of the amount, attach it to the invoice, then confirm it: that collects.

    A payment intent that was attached and not confirmed is confirmed now: nothing was collected by it.
    """
    transition, amount, reference = TRANSITIONS["pay_part"], command.amount, command.reference
    if amount is None or reference is None:
        raise TypeError("a part payment has an amount and a reference")
    specimen = specimen_of(command.id, "open", amount, amount_remaining=command.expect or amount)
    of_customer = specimen | {"customer": "{invoice.customer}"}
    invoice = yield from with_payments(command.id, context, specimen=of_customer)

    def look() -> Flow[tuple[Entry | None, str | None]]:
        """Find the payment of the reference, and the id of its payment intent if that is not confirmed yet."""
        rows = yield from invoice_payments(command.id, context, expand=INTENT)
        pairs = _with_reference(rows, INTENT, reference)
        entry = made_before(command, _entries(pairs, invoice.currency), invoice)
        status = pairs[0][1].text("status") if pairs else None
        if status == "requires_action":
            raise invalid_state(
                invoice, "is not paid", f"the payment of {reference!r} waits for the customer: {status}"
            )
        waiting = entry is not None and entry.state == "pending" and status in _UNFINISHED
        return entry, pairs[0][1].text("id") if waiting else None

    entry, intent = yield from look()
    if entry is not None and intent is None:
        return invoice
    payable(command, invoice, transition)
    check_part(amount, invoice)
    method = command.payment_method or (invoice.collection.payment_method if invoice.collection else None)
    if method is None:
        raise Unsupported(
            "Stripe only collects a part with a named payment method",
            source="stripe-python 16.1.0, PaymentIntentConfirmParams",
            remedy="pass payment_method=…",
        )
    if intent is None:
        intent = yield from _attached(command, invoice, context, method)

    def read() -> Flow[Invoice]:
        return with_payments(command.id, context)

    def find() -> Flow[Entry | None]:
        found, unconfirmed = yield from look()
        return None if unconfirmed is not None else found

    def after(answer: Response) -> Flow[Invoice]:
        status = yield from _status_now(answer, command.id, context)
        paid = yield from read()
        if status in {"succeeded", "processing"}:
            return paid
        if status == "requires_confirmation":  # a confirmation leaves no payment so
            raise _not_shown(reference, f"the payment intent {intent} is not confirmed")
        declined = Declined(f"the payment {intent} is not collected: it is {status}", provider="stripe")
        declined.invoice = paid
        raise declined

    form: PaymentIntentConfirmParams = {"payment_method": method, "off_session": True}
    request = context.post(
        "v1",
        "payment_intents",
        intent,
        "confirm",
        body=form,
        step="confirm",
        effects=[Effect.COLLECTS],
        answers=("id",),
        equals=intent,
        failed_if=(("status",), _MOVED_NOTHING),
        specimen={"id": intent, "object": INTENT, "status": "succeeded"},
    )
    return (yield from submit_once(context, request, read, find=find, after=after, transition=transition))


def _status_now(answer: Response, invoice_id: str, context: Context) -> Flow[str | None]:
    """Return the status of the payment intent in an answer; that of a replayed answer is read again."""
    of = Reader(object_of(answer), "stripe")
    if not context.provider.is_replay(answer):
        return of.text("status")
    rows = yield from invoice_payments(invoice_id, context, expand=INTENT)
    intents = [row.child("payment").expanded(INTENT) for row in rows]
    return next((each.text("status") for each in intents if each.text("id") == of.text("id")), of.text("status"))


def _attached(command: Pay, invoice: Invoice, context: Context, method: str) -> Flow[str]:
    """Make a payment intent that is not confirmed, attach it, and return its id."""
    amount, reference = command.amount, command.reference
    if amount is None or reference is None:
        raise TypeError("a part payment has an amount and a reference")
    form: PaymentIntentCreateParams = {
        "amount": MONEY.to_units(amount),
        "currency": amount.currency.lower(),
        "payment_method": method,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {REFERENCE_KEY: reference},
    }
    if invoice.customer is not None and invoice.customer.id is not None:
        form["customer"] = invoice.customer.id
    made = yield context.post(
        "v1",
        "payment_intents",
        body=form,
        step="intent",
        answers=("metadata", REFERENCE_KEY),
        equals=reference,
        specimen={"id": "{intent.id}", "object": INTENT, "metadata": {REFERENCE_KEY: reference}},
    )
    intent = _id_of(made, INTENT, reference)
    attaching: InvoiceAttachPaymentParams = {"payment_intent": intent}
    specimen = bare_specimen(command.id, "open")
    yield post_form(
        command.id,
        "attach_payment",
        context,
        attaching,
        step="attach",
        specimen=specimen,
        answers=("id",),
        equals=command.id,
    )
    # collected without being attached, it would pay nothing of the invoice
    attached = yield from with_payments(command.id, context)
    yield from check_attached(attached, context, INTENT, intent, reference)
    return intent
