"""The flows that bill: a one-time charge and a service period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.answers import text_of
from invoice_bridge.adapter.changes import customer_id
from invoice_bridge.adapter.checks import same_bill, verify
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import (
    Bill,
    OneTimeCharge,
    PeriodInvoice,
)
from invoice_bridge.core.errors import AmountMismatch, Discrepancy, IdempotencyMismatch, Unsupported
from invoice_bridge.core.model import Invoice, Period, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.chargeapi.tables import MONEY, TRANSITIONS
from invoice_bridge.providers.chargeapi.verbs import (
    bare_specimen,
    changed,
    finalize_request,
    metadata_with,
    pay_request,
    read_invoice,
)

_CREATE = "docs.chargeapi.co/api-reference/invoices/create"
_SPECIMEN_ID = "{open.id}"


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill an amount once: the transactions of its period, if they add up to that amount."""
    if command.period is None:
        raise Unsupported(
            "ChargeAPI accepts no amount: it bills the transactions of a period, and this charge has no period",
            source=_CREATE,
            remedy="give the period whose transactions add up to this amount",
        )
    return (yield from _bill(command, context, command.period))


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period: its transactions, if they add up to the caller's lines, where it gives any."""
    return _bill(command, context, command.period)


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context, window: Period) -> Flow[Invoice]:
    body, due = _create_body(command, context, window), _due(command)
    at = context.existing or (yield from _open(command, context, body))
    _is_this_bill(command, at, window, body.get("fleet"))
    draft = at if at.status is Status.DRAFT else None
    _compare(command, at, draft)
    if draft is not None and due is not None and at.due_at != command.collection.due:
        specimen = _specimen(command, body, "draft", at.id) | {"due_date": due}
        request = context.post(
            "invoices", at.id, body={"due_date": due}, step="due", specimen=specimen, invoice_id=at.id
        )
        at = _compare(command, (yield from changed(at.id, context, request, TRANSITIONS["update"])), draft)
    if at.status is Status.DRAFT and not command.draft:
        request = finalize_request(at.id, context, _specimen(command, body, "open", at.id))
        at = _compare(command, (yield from changed(at.id, context, request, TRANSITIONS["finalize"])), draft)
    if at.status is Status.OPEN and command.collection.kind == "charge":
        demanded = _collectable(command, at)
        request = pay_request(
            at.id, context, command.collection.payment_method, _specimen(command, body, "paid", at.id)
        )
        at = _compare_collected((yield from changed(at.id, context, request, TRANSITIONS["pay"])), demanded)
    return at


def _open(command: OneTimeCharge | PeriodInvoice, context: Context, body: Mapping[str, Any]) -> Flow[Invoice]:
    """Read the draft again: the answer may repeat an earlier one, and the invoice may be issued by now."""
    specimen = _specimen(command, body, "draft")
    answer = yield context.post("invoices", body=body, step="open", specimen=specimen, opens=True, answers=("id",))
    opened = text_of(answer, "id")
    return (yield from read_invoice(opened, context, _specimen(command, body, "draft", opened)))


def _create_body(command: OneTimeCharge | PeriodInvoice, context: Context, window: Period) -> dict[str, Any]:
    MONEY.to_units(Money.zero(command.currency))  # refuses a currency whose amounts cannot be read back
    body: dict[str, Any] = {"period_start": rfc3339_millis(window.start), "period_end": rfc3339_millis(window.end)}
    if command.customer is not None:  # without an id the account itself is billed: a name or an e-mail is no fleet
        body["fleet"] = customer_id(command, context, example="flt_…", source=_CREATE)
    body["currency"] = command.currency.lower()  # as in all samples; no page says whether upper case is accepted
    if command.description is not None:
        body["description"] = command.description
    return body | {"metadata": metadata_with(command.metadata, command.reference)}


def _due(command: Bill) -> str | None:
    if command.collection.net_days is not None:
        raise Unsupported(
            "ChargeAPI takes a due date, not a number of days: it has no date of issue to count from",
            source="docs.chargeapi.co/api-reference/invoices/update",
            remedy="write Collection.send(due=…)",
        )
    return None if command.collection.due is None else rfc3339_millis(command.collection.due)


def _is_this_bill(command: OneTimeCharge | PeriodInvoice, found: Invoice, window: Period, fleet: str | None) -> None:
    """Check that the invoice of the key or the lookup is this bill. Raises IdempotencyMismatch.

    An issued invoice was compared with its bill before: another currency or amount means another bill. A draft's
    amount changes with its transactions, so a difference proves nothing yet: see _compare.
    """
    theirs = found.customer.id if found.customer is not None else None
    wrong = next(
        (
            f"{name} {has or 'none'}, not {asked or 'none'}"
            for name, asked, has, unsaid in (
                ("the reference", command.reference, found.reference, found.reference is None),
                ("the fleet", fleet, theirs, False),
                ("the period", window, found.period, found.period is None),
            )
            if not unsaid and has != asked
        ),
        None,
    )
    if wrong:
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} already belongs to another bill: {found.id} is {found.status} and "
            f"has {wrong}; nothing was done to it",
            existing=found,
        )
    if found.status is not Status.DRAFT:
        same_bill(command, found)


def _compare(command: OneTimeCharge | PeriodInvoice, found: Invoice, draft: Invoice | None) -> Invoice:
    """Compare the invoice with the command and with its draft; every error names the invoice that remains.

    If the caller states an amount, the invoice must state one too: an amount that cannot be compared is not billed.
    With
    tax="none" finalizing may not change the total.
    """
    stated_late = found.status is Status.DRAFT and command.tax == "provider"  # finalizing adds the tax
    asked = command.model_copy(update={"expect_total": None}) if stated_late else command
    try:
        verify(asked, found, draft.subtotal if draft is not None else None)
    except Discrepancy as error:
        should = "the draft came to" if command.total is None and isinstance(error, AmountMismatch) else "asked for"
        raise type(error)(
            f"{should} {error.asked}, {found.id} has {error.found}; {_what_is_left(found)}",
            asked=error.asked,
            found=error.found,
            invoice=found,
        ) from error
    stated = found.subtotal if command.tax == "provider" or found.total is None else found.total
    if command.total is not None and stated is None:
        raise AmountMismatch(
            f"asked for {command.total}, {found.id} does not state its total; {_what_is_left(found)}",
            asked=command.total,
            invoice=found,
        )
    before = draft.total if draft is not None else found.subtotal
    if command.tax == "none" and before is not None and found.total is not None and found.total != before:
        raise AmountMismatch(
            f"{found.id} totaled {before} before it was finalized and totals {found.total} now: tax or a new "
            f"transaction changed it; {_what_is_left(found)}",
            asked=before,
            found=found.total,
            invoice=found,
        )
    return found


def _collectable(command: OneTimeCharge | PeriodInvoice, invoice: Invoice) -> Money:
    """Return the amount that pay will collect. Raises AmountMismatch if it is missing or less than the lines.

    Finalizing calculates tax, which no field states (an older page, invoices/finalize): with tax="provider" it may
    increase the invoice, but never reduce it.
    """
    demanded, lines = invoice.amount_remaining, invoice.subtotal
    if demanded is None:
        raise AmountMismatch(
            f"{invoice.id} does not state what it would collect; {_what_is_left(invoice)}",
            asked=command.total,
            invoice=invoice,
        )
    if lines is not None and demanded < lines:
        raise AmountMismatch(
            f"the lines of {invoice.id} add up to {lines}, but it would collect {demanded}; {_what_is_left(invoice)}",
            asked=lines,
            found=demanded,
            invoice=invoice,
        )
    return demanded


def _compare_collected(invoice: Invoice, demanded: Money) -> Invoice:
    """Compare the amount collected with what the open invoice demanded. Raises AmountMismatch after the fact."""
    if invoice.status is Status.PAID and invoice.amount_paid is not None and invoice.amount_paid != demanded:
        raise AmountMismatch(
            f"{invoice.id} demanded {demanded}, but {invoice.amount_paid} was collected: refund it in ChargeAPI's "
            "dashboard",
            asked=demanded,
            found=invoice.amount_paid,
            invoice=invoice,
        )
    return invoice


def _what_is_left(found: Invoice) -> str:
    if found.status is Status.DRAFT:
        return f"the draft {found.id} remains: it collects nothing, and ChargeAPI can neither delete nor void a draft"
    if found.status is Status.OPEN:
        return f"the invoice {found.id} is open and was not collected: void it, or accept it as it is"
    if found.status is Status.PAID:
        return (
            f"the invoice {found.id} is paid: ChargeAPI collected when it finalized, so refund it in ChargeAPI's "
            "dashboard"
        )
    return f"the invoice {found.id} is {found.status}"


def _specimen(
    command: OneTimeCharge | PeriodInvoice, body: Mapping[str, Any], status: str, invoice_id: str = _SPECIMEN_ID
) -> dict[str, Any]:
    untaxed = command.expect_total is None or (status == "draft" and command.tax == "provider")
    total = command.total if untaxed else command.expect_total
    units = 0 if total is None else MONEY.to_units(total)
    paid = status == "paid"
    return {
        **bare_specimen(invoice_id, status),
        **body,
        "amount_due": 0 if paid else units,
        "amount_paid": units if paid else None,
        "line_items": None if command.total is None else [{"amount": units}],
        "due_date": None
        if command.collection.due is None or status == "draft"
        else rfc3339_millis(command.collection.due),
    }
