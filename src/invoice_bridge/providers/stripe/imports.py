"""The import of history. One ladder, whether the import is new, resumed or was looked up:

    open → add lines → compare → finalize → compare → credit notes, payments → void or write off → refunds → compare

Rules of this file: a finalized invoice has a page on which it can be paid, so an open one is a draft until it is armed.
Nothing is collected, mailed or given back: payments are reported as made elsewhere, credit notes mail nobody, and what
Stripe would add by itself, a balance of the customer or what is below its minimum charge, is refused before.
"""

from __future__ import annotations

from datetime import timedelta

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.imported import same_document, verify_import
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import (
    AmountMismatch,
    IdempotencyMismatch,
    MalformedResponse,
    Rejected,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.wire import Effect, Flow
from invoice_bridge.providers.stripe.import_conditions import is_below_minimum
from invoice_bridge.providers.stripe.import_forms import (
    customer_of,
    invoice_form,
    line_forms,
    specimen,
)
from invoice_bridge.providers.stripe.import_parts import Parts
from invoice_bridge.providers.stripe.tables import IMPORT_KEY, MINIMUM_CHARGE, MONEY, TRANSITIONS
from invoice_bridge.providers.stripe.verbs import changed, post_form, read_answer

_SPECIMEN_ID = "{import.id}"
_DAY = timedelta(days=1)
_NUMBER = "number"


def import_invoice(command: ImportInvoice, context: Context) -> Flow[Invoice]:
    """Make the document again as it ended, and compare before each step that cannot be taken back."""
    _check_sum(command)
    form, lines = invoice_form(command, context), line_forms(command)
    at = context.existing
    if at is None:
        if _issues(command):
            yield from _check_customer(command, context)
        at = yield from _open(command, context, form)
    at = same_document(command, _is_import(command, at))
    if at.status is Status.DRAFT and not at.lines:
        at = yield from _add_lines(command, at, context, lines)
    _compare(command, at)
    if at.status is Status.DRAFT and _issues(command):
        if context.existing is not None:
            yield from _check_customer(command, context)
        at = yield from _issue(command, at, context)
        return _compare(command, (yield from Parts(command, context, at).finish()))
    if at.status is Status.DRAFT:
        return verify_import(command, at)
    parts = Parts(command, context, at)
    yield from parts.read()
    return _compare(command, (yield from parts.finish()))


def _issues(command: ImportInvoice) -> bool:
    """Whether the import is finalized now: a draft never is, and an open one that is not armed is not yet."""
    return command.status is not Status.DRAFT and command.armed


# ── what Stripe would do by itself ───────────────────────────────────────────────────────────────────────────────────
def _check_sum(command: ImportInvoice) -> None:
    """Refuse what finalizing would settle otherwise than the document ended. Raises Unsupported."""
    if is_below_minimum(command):
        least = MONEY.from_units(MINIMUM_CHARGE[command.currency], command.currency)
        raise Unsupported(
            f"below-minimum: {command.total} is less than Stripe's minimum charge, {least}: finalizing would count it "
            "as paid and add the amount to the customer's next invoice, so it would be collected again",
            source="docs.stripe.com/billing/customer/balance",
            remedy="keep it where it is; or import it as a draft",
        )
    if command.status is Status.VOID and not command.total:
        raise Unsupported(
            "zero-total: Stripe counts an invoice over nothing as paid when it is finalized, so it cannot be void",
            source="stripe-python 16.1.0, Invoice",
            remedy="keep it where it is",
        )


def _check_customer(command: ImportInvoice, context: Context) -> Flow[None]:
    """Refuse an import for a customer with a balance, which finalizing would apply. Raises Unsupported.

    The balances in other currencies are compared too, where Stripe states them. That the balance is still none is
    compared again on the draft.
    """
    known = customer_of(command, context)
    found = {"id": known, "object": "customer", "balance": 0}
    answer = yield context.get("v1", "customers", known, specimen=found, note="does the customer have a balance?")
    customer = Reader(object_of(answer), "stripe")
    if customer.text("id") != known or customer.text("object") != "customer":
        problem = "the answer is not the customer that was asked for: an intermediary mixes up answers"
        raise MalformedResponse(problem, provider="stripe", status=answer.status, response=answer)
    if customer.flag("deleted") is True:
        raise Unsupported(
            f"customer-unmapped: the customer {known} is deleted",
            source="stripe-python 16.1.0, Customer.deleted",
            remedy="name another customer",
        )
    held = customer.child("invoice_credit_balance").data
    if customer.integer("balance") or any(amount != 0 for amount in held.values()):
        raise Unsupported(
            f"customer-has-balance: the customer {known} has a balance, which Stripe applies to the next invoice that "
            "is finalized, whichever that is",
            source="docs.stripe.com/billing/customer/balance",
            remedy="take the balance off, import the history, and give the balance back last",
        )


def _compare(command: ImportInvoice, at: Invoice) -> Invoice:
    """Compare what Stripe states, and what it demands, or will, with the document's total.

    Raises AmountMismatch; a figure that is missing never passes.
    """
    if at.total != command.total:
        raise AmountMismatch(
            f"the document totals {command.total}, and the imported invoice {at.id} {at.total or 'states no total'}; "
            f"it is {at.status}",
            asked=command.total,
            found=at.total,
            invoice=at,
        )
    reader = Reader(at.raw or {}, "stripe")
    balance = reader.integer("starting_balance") or 0
    noted = reader.integer("pre_payment_credit_notes_amount") or 0
    due = at.amount_due
    with_notes = None if due is None else due + MONEY.from_units(noted, due.currency)
    if balance == 0 and command.total in {due, with_notes}:
        return at
    if at.status is Status.DRAFT and not _issues(command):  # compared when it is armed; a draft demands nothing
        return at
    did = "would be applied when it is finalized; it remains a draft" if at.status is Status.DRAFT else "was applied"
    why = "a balance of the customer" if balance else "something that Stripe adds, or its minimum charge,"
    undo = "" if at.status is Status.DRAFT else ". Correct the customer's balance at Stripe by hand"
    raise AmountMismatch(
        f"customer-has-balance: the imported invoice {at.id} totals {at.total}, and Stripe demands {due or 'nothing'}: "
        f"{why} {did}{undo}",
        asked=command.total,
        found=due,
        invoice=at,
    )


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _is_import(command: ImportInvoice, at: Invoice) -> Invoice:
    """Check that an invoice was imported: a bill under the same reference is none. Raises IdempotencyMismatch."""
    if IMPORT_KEY in at.metadata:
        return at
    raise IdempotencyMismatch(
        f"number-taken: the reference {command.reference!r} has the invoice {at.id}, {at.status}, which was billed and "
        "not imported; nothing was done to it: give the import another reference",
        existing=at,
    )


def _open(command: ImportInvoice, context: Context, form: object) -> Flow[Invoice]:
    request = context.post(
        "v1",
        "invoices",
        body=form,
        step="import",
        specimen=specimen(command, _SPECIMEN_ID, "draft", empty=True),
        opens=True,
        answers=("id",),
    )
    try:
        answer = yield request
    except Rejected as refusal:
        if refusal.param != _NUMBER:
            raise
        raise IdempotencyMismatch(  # how Stripe refuses a number that is taken is not confirmed
            f"number-taken: Stripe refuses the number {command.number!r}: {refusal.message} Nothing was imported. "
            'If this document was imported before, lookup="always" finds it; give another number only if it was not',
        ) from refusal
    return (yield from read_answer(answer, context))


def _add_lines(command: ImportInvoice, at: Invoice, context: Context, lines: object) -> Flow[Invoice]:
    request = post_form(
        at.id,
        "add_lines",
        context,
        {"lines": lines},
        step="import-lines",
        specimen=specimen(command, at.id, "draft"),
        answers=("lines", "data", 0),
        states_bill=True,
    )
    return (yield from changed(at.id, context, request, TRANSITIONS["update"]))


def _issue(command: ImportInvoice, at: Invoice, context: Context) -> Flow[Invoice]:
    """Finalize the draft, and compare what Stripe demands for it.

    Whether Stripe mails a send_invoice invoice that is finalized with auto_advance=false is not confirmed: the request
    counts as one that mails, so a draft made to be mailed is finalized with mail=True alone.
    """
    is_mailed = at.collection is not None and at.collection.kind == "send"
    if is_mailed is not command.mail:
        raise Unsupported(
            f"the draft {at.id} is {'' if is_mailed else 'not '}to be mailed, and this import asks for the contrary",
            source="stripe-python 16.1.0, Invoice.collection_method",
            remedy=f"delete the draft, or import it with mail={is_mailed}",
        )
    transition = TRANSITIONS["finalize"]
    request = post_form(
        at.id,
        "finalize",
        context,
        {"auto_advance": False},
        step="import-finalize",
        effects=[*transition.effects, *([Effect.MAILS] if command.mail else [])],
        specimen=specimen(command, at.id, "open" if command.total else "paid"),
    )
    issued = yield from changed(at.id, context, request, transition)
    return _compare(command, same_document(command, issued))
