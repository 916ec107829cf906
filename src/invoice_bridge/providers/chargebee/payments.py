"""Chargebee's verbs that pay a part of an invoice: money that is collected now, or that was paid elsewhere.

Rules of this file: the invoice is read first, and a part never exceeds what remains: Chargebee would keep the rest as
the customer's excess payment. A payment made elsewhere has the reference as the reference_number of its transaction,
so the invoice's transactions are read for it. Nothing that can be read keeps the reference of what Chargebee collects:
there the caller states the amount before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import check_state, invalid_state
from invoice_bridge.adapter.checks import payable
from invoice_bridge.adapter.instants import unix_seconds
from invoice_bridge.adapter.once import Entry, check_before, check_part, made_before, require_expect, submit_once
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import Pay, RecordPayment, verb_reference
from invoice_bridge.core.errors import Declined, MalformedResponse, OutcomeUnknown, Unsupported
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Response
from invoice_bridge.providers.chargebee.shapes import unwrapped
from invoice_bridge.providers.chargebee.tables import FAILED, MONEY, OFFLINE_METHODS, SOURCES, TRANSITIONS
from invoice_bridge.providers.chargebee.verbs import bare_specimen, invoice_after, read_invoice, whole_invoice

if TYPE_CHECKING:
    from chargebee.models import enums
    from chargebee.models.invoice.operations import Invoice as Sdk

_ATTENTION = "needs_attention"
_IDS = 100
"""The most transactions of one page (chargebee/openapi, API v2, list transactions), and so of one filter of ids."""


# ── the transactions of an invoice ───────────────────────────────────────────────────────────────────────────────────
def transactions_of(
    invoice: Invoice, context: Context, specimens: Iterable[Mapping[str, Any]] = ()
) -> Flow[list[Reader]]:
    """Read the transactions of an invoice's payments, by their ids.

    Raises MalformedResponse if one is not listed, and if the invoice does not list all of its payments: amount_paid is
    the sum of those that succeeded (chargebee/openapi, API v2, Invoice).
    """
    ids = [payment.id for payment in invoice.payments if payment.id is not None]
    paid = [payment.amount.minor for payment in invoice.payments if payment.amount and payment.state == "succeeded"]
    stated = invoice.amount_paid
    if len(ids) < len(invoice.payments) or (stated is not None and stated.minor != sum(paid)):
        raise MalformedResponse(
            f"the listed payments of {invoice.id} do not add up to the amount paid, {stated}, so one is missing or "
            "has no id; nothing was done",
            provider="chargebee",
        )
    found: dict[str, Reader] = {}
    specimen = {"list": [{"transaction": each} for each in specimens]}
    for start in range(0, len(ids), _IDS):
        query = [("limit", _IDS), ("id[in]", dumps(ids[start : start + _IDS]).decode())]
        answer = yield context.get("transactions", query=query, specimen=specimen)
        for row in Reader(object_of(answer), "chargebee").listing("list"):
            transaction = row.child("transaction")
            found[transaction.required_text("id")] = transaction
    if missing := [each for each in ids if each not in found]:
        raise MalformedResponse(
            f"the transactions listed lack {', '.join(missing)} of {invoice.id}; nothing was done, try again later",
            provider="chargebee",
        )
    return [found[each] for each in ids]


def state_of(row: Reader) -> Literal["done", "pending", "failed"]:
    """How a transaction ended; what nobody knows yet (timeout, needs_attention) may still take effect."""
    word = row.text("status")
    return "failed" if word in FAILED else "done" if word == "success" else "pending"


def read_specimen(invoice_id: str, context: Context, specimen: Mapping[str, Any]) -> Flow[Invoice]:
    """Read an invoice of which explain knows more than its status."""
    answer = yield context.get("invoices", invoice_id, specimen=specimen, invoice_id=invoice_id)
    return (yield from whole_invoice(object_of(answer), context))


def with_transaction(
    invoice_id: str, status: str, amount: Money, *, kind: str = "payment", **more: Any
) -> Mapping[str, Any]:
    """The happy answer about an invoice and a transaction of it."""
    transaction = {
        "id": f"{{{kind}.id}}",
        "type": kind,
        "status": "success",
        "amount": MONEY.to_units(amount),
        "currency_code": amount.currency,
    } | more
    return bare_specimen(invoice_id, status, amount) | {"transaction": transaction}


# ── a payment made elsewhere ─────────────────────────────────────────────────────────────────────────────────────────
def record_part(command: RecordPayment, context: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere, with its date and its reference."""
    transition = TRANSITIONS["record_payment"]
    remaining = command.expect or command.amount
    invoice = yield from read_specimen(command.id, context, bare_specimen(command.id, "payment_due", remaining))

    def find_on(found: Invoice) -> Flow[Entry | None]:
        rows = yield from transactions_of(found, context)
        same = [row for row in rows if row.text("reference_number") == command.reference]
        entries = [Entry(row.required_text("id"), _amount(row), state_of(row)) for row in same]
        return made_before(command, entries, found)

    def find() -> Flow[Entry | None]:
        return (yield from find_on((yield from read_invoice(command.id, context))))

    def read() -> Flow[Invoice]:
        return read_invoice(command.id, context)

    def after(answer: Response) -> Flow[Invoice]:
        return invoice_after(answer, context)

    if (yield from find_on(invoice)) is not None:
        return invoice
    check_state(invoice, transition, "cannot take a payment")
    if invoice.payment_pending:
        raise invalid_state(invoice, "cannot take a payment", "a payment is already in progress")
    _check_attention(invoice)
    check_before(command, invoice)
    check_part(command.amount, invoice)
    word = (command.method or "other").strip().lower().replace(" ", "_")
    transaction: Sdk.RecordPaymentTransactionParams = {
        "payment_method": cast("enums.PaymentMethod", word if word in OFFLINE_METHODS else "other"),
        "amount": MONEY.to_units(command.amount),
        "reference_number": command.reference,
        "date": unix_seconds(command.at),
    }
    body: Sdk.RecordPaymentParams = {"transaction": transaction}
    if command.method is not None and word not in OFFLINE_METHODS:
        body["comment"] = command.method
    request = context.post(
        "invoices",
        command.id,
        "record_payment",
        body=body,
        effects=transition.effects,
        answers=("transaction", "reference_number"),
        equals=command.reference,
        specimen=with_transaction(command.id, "payment_due", command.amount, reference_number=command.reference),
        invoice_id=command.id,
    )
    return (yield from submit_once(context, request, read, find=find, after=after, transition=transition))


def _check_attention(invoice: Invoice) -> None:
    """Raise InvalidState if an invoice has a payment of which a person has yet to find out whether it was made."""
    rows = Reader(unwrapped(invoice.raw or {}), "chargebee").children("linked_payments")
    if any(row.text("txn_status") == _ATTENTION for row in rows):
        raise invalid_state(invoice, "cannot take a payment", f"one of its payments is {_ATTENTION}: resolve it first")


def _amount(row: Reader) -> Money | None:
    return row.money("amount", MONEY, row.text("currency_code"))


# ── a part that is collected ─────────────────────────────────────────────────────────────────────────────────────────
def collect_part(command: Pay, context: Context) -> Flow[Invoice]:
    """Collect a part of what remains from a payment source of the customer's."""
    transition, amount = TRANSITIONS["pay_part"], command.amount
    if amount is None or command.reference is None:
        raise TypeError("a part payment has an amount and a reference")
    if command.payment_method is None:
        raise Unsupported(
            "Chargebee only collects from a named payment source",
            source="chargebee/openapi, API v2, collect_payment",
            remedy="pass payment_method, the id of a payment source of the customer (pm_…)",
        )
    require_expect(command, context, SOURCES["pay_part"])
    invoice = yield from read_specimen(
        command.id, context, bare_specimen(command.id, "payment_due", command.expect or amount)
    )
    if invoice.status is Status.PAID:  # by this very part, perhaps: then it is the amount that is another one
        check_before(command, invoice)
    payable(command, invoice, transition)
    _check_attention(invoice)
    check_part(amount, invoice)
    body: Sdk.CollectPaymentParams = {
        "amount": MONEY.to_units(amount),
        "payment_source_id": command.payment_method,
        "comment": command.reference,
    }
    request = context.post(
        "invoices",
        command.id,
        "collect_payment",
        body=body,
        effects=transition.effects,
        answers=("transaction", "id"),
        excludes=[each.id for each in invoice.payments if each.id and each.state not in {"failed", "canceled"}],
        failed_if=(("transaction", "status"), FAILED),
        specimen=with_transaction(command.id, "payment_due", amount),
        invoice_id=command.id,
    )

    def read() -> Flow[Invoice]:
        return read_invoice(command.id, context)

    def after(answer: Response) -> Flow[Invoice]:
        return _collected(answer, context)

    def find() -> Flow[Entry | None]:
        """The invoice had no pending payment and exactly `expect` remained: what moved since is this part."""
        now = yield from read()
        paid = command.expect is not None and now.amount_remaining == command.expect - amount
        return Entry(command.id, amount) if paid or now.payment_pending else None

    return (yield from submit_once(context, request, read, find=find, after=after, transition=transition))


def _collected(answer: Response, context: Context) -> Flow[Invoice]:
    """Read the invoice after a payment. Raises Declined if its transaction failed; a pending one is a normal end."""
    transaction = Reader(object_of(answer), "chargebee").child("transaction")
    invoice = yield from invoice_after(answer, context)
    check_transaction(transaction, invoice, "payment", "collected", context)
    return invoice


def check_transaction(transaction: Reader, invoice: Invoice, noun: str, done: str, context: Context) -> None:
    """Check that a transaction succeeded or is on its way. Raises Declined if it failed, else OutcomeUnknown.

    Of "timeout" the sources disagree whether money may have moved; of "needs_attention" a person has to find that out.
    """
    word, which = transaction.text("status"), transaction.text("id")
    if word in {"success", "in_progress"}:
        return
    if word in FAILED:
        declined = Declined(f"the {noun} {which} is not {done}: it is {word}", provider="chargebee")
        declined.invoice = invoice
        raise declined
    unknown = OutcomeUnknown(
        f"the {noun} {which} of {invoice.id} is {word}: whether money has moved is not known. Look at it at Chargebee "
        "before you try again",
        reference=verb_reference(context.command),
    )
    unknown.invoice_id = invoice.id
    raise unknown
