"""Chargebee's verbs that give money back: refunds of what an invoice collected, and credit notes; and the document.

Rules of this file: nothing that can be read keeps the reference of a refund or a credit note, which both have it as a
comment for people; so the caller states the amount before, and what is on its way counts as given back. The amount is
always sent, never left to Chargebee; nobody is mailed; and where it would choose by itself what a refund is taken
from, the refund is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.changes import check_state, invalid_state
from invoice_bridge.adapter.once import Entry, check_before, check_part, download, require_expect, submit_once
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import Credit, Pdf, Refund
from invoice_bridge.core.errors import AmountMismatch, Discrepancy, MalformedResponse, Unsupported
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.chargebee.payments import (
    check_transaction,
    read_specimen,
    state_of,
    transactions_of,
    with_transaction,
)
from invoice_bridge.providers.chargebee.shapes import unwrapped
from invoice_bridge.providers.chargebee.tables import FAILED, MONEY, NO_MAIL, OFFLINE_METHODS, SOURCES, TRANSITIONS
from invoice_bridge.providers.chargebee.verbs import bare_specimen, invoice_after, read_invoice

if TYPE_CHECKING:
    from chargebee.models.credit_note.operations import CreditNote as SdkNote
    from chargebee.models.invoice.operations import Invoice as Sdk


def _unmailed(request: Request) -> Request:
    """Keep a request from mailing a credit note, which Chargebee does where the site's settings say so."""
    return replace(request, headers={**request.headers, NO_MAIL[0]: NO_MAIL[1]})


def _comment(reference: str, reason: str | None) -> str:
    return reference if reason is None else f"{reference}: {reason}"


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class _Repaid:
    """What was given back of an invoice, and what is left to give back.

    `known` has what is on its way too, and `source` is the payment that Chargebee would take the next refund from.
    """

    known: Money
    left: Money
    source: str | None
    refunds: frozenset[str] = frozenset()
    """The ids of the refunds that were made and have not failed."""


def refund(command: Refund, context: Context) -> Flow[Invoice]:
    """Refund the payment that Chargebee collected; where there are several, it would choose one itself: refused."""
    transition = TRANSITIONS["refund"]
    require_expect(command, context, SOURCES["refund"])
    before = command.expect
    if before is None:
        raise TypeError("require_expect has checked this")
    paid = before + (command.amount or Money(1, before.currency)) if _fits(command) else before
    invoice = yield from read_specimen(command.id, context, _paid_specimen(command.id, paid))
    check_state(invoice, transition, "cannot be refunded")
    repaid = yield from _repaid(invoice, context, _payment_specimen(paid, before))
    check_before(command, invoice.model_copy(update={"amount_refunded": repaid.known}))
    amount = _amount_to_refund(command, invoice, repaid)
    body: Sdk.RefundParams = {
        "refund_amount": MONEY.to_units(amount),
        "comment": _comment(command.reference, command.reason),
    }
    request = context.post(
        "invoices",
        command.id,
        "refund",
        body=body,
        effects=transition.effects,
        answers=("transaction", "id"),
        excludes={*repaid.refunds, repaid.source or ""},
        failed_if=(("transaction", "status"), FAILED),
        specimen=with_transaction(command.id, "paid", amount, kind="refund"),
        note="a refund that is on its way is a success: the invoice shows it once it is made",
        invoice_id=command.id,
    )

    def read() -> Flow[Invoice]:
        return read_invoice(command.id, context)

    def find() -> Flow[Entry | None]:
        """Exactly `expect` was given back before: what was since then is this refund."""
        now = yield from _repaid((yield from read()), context)
        return Entry(command.id, amount) if now.known == repaid.known + amount else None

    def after(answer: Response) -> Flow[Invoice]:
        transaction = Reader(object_of(answer), "chargebee").child("transaction")
        done = yield from invoice_after(answer, context)
        check_transaction(transaction, done, "refund", "made", context)
        returned = transaction.money("amount", MONEY, transaction.text("currency_code") or invoice.currency)
        if returned != amount:
            raise AmountMismatch(
                f"asked to refund {amount}, but the refund {transaction.text('id')} is for {returned}",
                asked=amount,
                found=returned,
                invoice=done,
            )
        return done

    return (yield from submit_once(context, _unmailed(request), read, find=find, after=after, transition=transition))


def _fits(command: Refund) -> bool:
    return command.amount is None or command.expect is None or command.amount.currency == command.expect.currency


def _repaid(invoice: Invoice, context: Context, specimen: Mapping[str, Any] | None = None) -> Flow[_Repaid]:
    """Read what was given back of an invoice. Raises Unsupported where Chargebee would choose what to refund.

    A refund is on its way until its transaction has ended, and its credit note says "refunded" only then.
    """
    currency = invoice.currency
    if currency is None:
        raise invalid_state(invoice, "cannot be refunded", "its currency is not stated")
    zero = Money.zero(currency)
    rows = yield from transactions_of(invoice, context, [] if specimen is None else [specimen])
    returned, online, applied = zero, [], {payment.id: payment.amount or zero for payment in invoice.payments}
    made: set[str] = set()
    for row in rows:
        refunds = [each for each in row.children("linked_refunds") if each.text("txn_status") not in FAILED]
        made |= {txn for each in refunds if (txn := each.text("txn_id")) is not None}
        of_row = Reader.total_of(refunds, "txn_amount", MONEY, currency) or zero
        returned += of_row
        if state_of(row) == "done" and not _is_offline(row):
            online.append((row, applied[row.required_text("id")] - of_row))
    known = max(returned, invoice.amount_refunded or zero, key=lambda amount: amount.minor)
    issued = [note.amount or zero for note in invoice.credit_notes if note.kind in {"refund", "credit", "unknown"}]
    unissued = (invoice.amount_paid or zero) - sum(issued, zero)
    left = [(row, min(amount, unissued, key=lambda each: each.minor)) for row, amount in online]
    left = [(row, amount) for row, amount in left if amount.minor > 0]
    if len(left) == 1 and not _shares(left[0][0], invoice) and not _has_credits(invoice):
        return _Repaid(known, left[0][1], left[0][0].text("id"), frozenset(made))
    if not left:
        return _Repaid(known, zero, None, frozenset(made))
    if len(left) > 1:
        why = f"was paid by {len(left)} payments"
    elif _has_credits(invoice):
        why = "was paid by credits too"
    else:
        why = "was paid by a payment of several invoices"
    raise Unsupported(
        f"{invoice.id} {why}, and Chargebee itself chooses which payment a refund is taken from; nothing was done",
        source=SOURCES["refund"],
        remedy="refund it in Chargebee",
    )


def _is_offline(row: Reader) -> bool:
    """Whether a payment was recorded by hand; the one word that a bank's own collection shares needs its gateway."""
    return row.text("payment_method") in OFFLINE_METHODS and row.text("gateway") in {None, "not_applicable"}


def _shares(row: Reader, invoice: Invoice) -> bool:
    return any(each.text("invoice_id") not in {None, invoice.id} for each in row.children("linked_invoices"))


def _has_credits(invoice: Invoice) -> bool:
    return bool(Reader(unwrapped(invoice.raw or {}), "chargebee").integer("credits_applied"))


def _amount_to_refund(command: Refund, invoice: Invoice, repaid: _Repaid) -> Money:
    """Return the amount to refund. Raises InvalidState if nothing can be, Discrepancy for more than is left."""
    if repaid.source is None:
        raise invalid_state(
            invoice,
            "cannot be refunded",
            "nothing that Chargebee collected is left to refund, and it cannot refund a payment made elsewhere",
        )
    amount = command.amount or repaid.left
    if amount.currency != repaid.left.currency or amount.minor > repaid.left.minor:
        raise Discrepancy(
            f"asked to refund {amount}, but at most {repaid.left} of {invoice.id} can be refunded; nothing was done",
            asked=amount,
            found=repaid.left,
            invoice=invoice,
        )
    return amount


def _paid_specimen(invoice_id: str, paid: Money) -> Mapping[str, Any]:
    units = MONEY.to_units(paid)
    payment = {"txn_id": "{payment.id}", "applied_amount": units, "txn_status": "success", "txn_amount": units}
    facts = {"currency_code": paid.currency, "amount_paid": units, "total": units, "linked_payments": [payment]}
    return {"invoice": bare_specimen(invoice_id, "paid")["invoice"] | facts}


def _payment_specimen(paid: Money, before: Money) -> Mapping[str, Any]:
    units = MONEY.to_units(before)
    refunds = [{"txn_id": "{refunded.id}", "txn_status": "success", "txn_amount": units}] if units else []
    amount = {"amount": MONEY.to_units(paid), "currency_code": paid.currency}
    return {"id": "{payment.id}", "status": "success", "linked_refunds": refunds} | amount


# ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────────
def credit(command: Credit, context: Context) -> Flow[Invoice]:
    """Issue a credit note: it lowers what remains of an open invoice; of a paid one it is the customer's balance.

    Chargebee spends such a balance on the customer's next invoice by itself.
    """
    transition = TRANSITIONS["credit"]
    require_expect(command, context, SOURCES["credit"])
    invoice = yield from read_specimen(command.id, context, _open_specimen(command))
    check_state(invoice, transition, "cannot be credited")
    if invoice.payment_pending:
        raise invalid_state(invoice, "cannot be credited", "a payment is in progress, which may then pay too much")
    check_before(command, invoice)
    is_paid = invoice.status is Status.PAID
    if not is_paid:
        check_part(command.total, invoice)
    _check_total(command, invoice)
    body: SdkNote.CreateParams = {
        "reference_invoice_id": command.id,
        "type": cast("SdkNote.Type", "refundable" if is_paid else "adjustment"),
        "comment": _comment(command.reference, command.reason),
    }
    if command.amount is not None:
        body["total"] = MONEY.to_units(command.amount)
    else:
        body["line_items"] = [_line_form(line, invoice) for line in command.lines]
    note = {
        "id": "{credit_note.id}",
        "reference_invoice_id": command.id,
        "total": MONEY.to_units(command.total),
        "currency_code": command.total.currency,
    }
    request = context.post(
        "credit_notes",
        body=body,
        step="credit",
        effects=transition.effects,
        answers=("credit_note", "id"),
        excludes=[each.id for each in invoice.credit_notes if each.id is not None],
        specimen={"credit_note": note},
    )

    def read() -> Flow[Invoice]:
        return read_invoice(command.id, context, "paid" if is_paid else "payment_due")

    def find() -> Flow[Entry | None]:
        """Exactly `expect` was credited before: what was since then is this credit note."""
        now = yield from read()
        credited = command.expect is not None and now.amount_credited == command.expect + command.total
        return Entry(command.id, command.total) if credited else None

    def after(answer: Response) -> Flow[Invoice]:
        made = Reader(object_of(answer), "chargebee").child("credit_note")
        if made.text("reference_invoice_id") != command.id:
            problem = "the answer is not the credit note that was asked for: an intermediary mixes up answers"
            raise MalformedResponse(problem, provider="chargebee", status=answer.status, response=answer)
        done = yield from read()
        amount = made.money("total", MONEY, made.text("currency_code"))
        if amount != command.total:
            raise AmountMismatch(
                f"asked to credit {command.total}, but the credit note {made.text('id')} credits {amount}; void it",
                asked=command.total,
                found=amount,
                invoice=done,
            )
        return done

    return (yield from submit_once(context, _unmailed(request), read, find=find, after=after, transition=transition))


def _open_specimen(command: Credit) -> Mapping[str, Any]:
    """The happy answer about an open invoice, of which `expect` is credited and the rest is what is asked for."""
    before, units = command.expect or Money.zero(command.total.currency), MONEY.to_units
    notes = [{"cn_id": "{credited.id}", "cn_total": units(before), "cn_status": "adjusted"}] if before else []
    lines = [{"id": line.id, "amount": units(line.amount)} for line in command.lines if line.id is not None]
    facts: dict[str, Any] = {"issued_credit_notes": [], "adjustment_credit_notes": notes, "tax": 0}
    facts["total"] = units(command.total) + units(before)
    if lines:
        facts |= {"line_items": lines, "sub_total": units(command.total)}
    return {"invoice": bare_specimen(command.id, "payment_due", command.total)["invoice"] | facts}


def _check_total(command: Credit, invoice: Invoice) -> None:
    """Check that an invoice is not credited more than it came to, and that what lines come to is known before."""
    total = invoice.total
    credited = Money.zero(command.total.currency) if invoice.amount_credited is None else invoice.amount_credited
    if total is None or total.currency != command.total.currency or (credited + command.total).minor > total.minor:
        raise Discrepancy(
            f"{command.total} was asked for, but {invoice.id} came to "
            f"{'no amount that is stated' if total is None else total}, of which {credited} is credited already; "
            "nothing was done",
            asked=command.total,
            found=total,
            invoice=invoice,
        )
    if command.lines and (invoice.tax is None or invoice.tax.minor or invoice.discount is None or invoice.discount):
        raise Unsupported(
            f"{invoice.id} has tax or a discount, so the amount that its lines would credit is not known before",
            source=SOURCES["credit"],
            remedy="give the amount to credit, tax included, instead of the lines",
        )


def _line_form(line: Line, invoice: Invoice) -> SdkNote.CreateLineItemParams:
    line_id = line.id
    if line_id is None or line_id not in {each.id for each in invoice.lines}:
        raise Unsupported(
            f"{invoice.id} has no line {line_id!r}, and Chargebee credits lines of the invoice only",
            source=SOURCES["credit"],
            remedy="give each line the id of a line of the invoice, or give the amount to credit",
        )
    form: SdkNote.CreateLineItemParams = {
        "reference_line_item_id": line_id,
        "amount": MONEY.to_units(line.amount),
    }
    if line.description is not None:
        form["description"] = line.description
    return form


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────
def pdf(command: Pdf, context: Context) -> Flow[bytes]:
    """Read the invoice, ask for a link to its document, which lives an hour, and download that without the key."""
    invoice = yield from read_invoice(command.id, context)
    if invoice.status in {Status.DRAFT, Status.DELETED}:
        raise invalid_state(invoice, "has no document", f"it is {invoice.status}: it was not issued, or was deleted")
    answer = yield context.post(
        "invoices",
        command.id,
        "pdf",
        specimen={"download": {"download_url": "https://cdn.chargebee.com/{invoice.pdf}"}},
    )
    url = Reader(object_of(answer), "chargebee").child("download").text("download_url")
    if url is None:
        problem = "$.download.download_url is missing: the answer has no link to the document"
        raise MalformedResponse(problem, provider="chargebee", status=answer.status, response=answer)
    return (yield from download(url, context))
