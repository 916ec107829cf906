"""The import of history. One ladder, whether the import is new, resumed or was looked up:

    open → add lines → compare → finalize → compare → credit notes, payments → void or write off → refunds → compare

Rules of this file: a finalized invoice has a page on which it can be paid, so an open one is a draft until it is armed.
Nothing is collected, mailed or given back: payments are reported as made elsewhere, credit notes mail nobody, and what
Stripe would add by itself, a balance of the customer or what is below its minimum charge, is refused before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.imported import same_document, verify_import
from invoice_bridge.adapter.once import Entry, submit_once
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import (
    AmountMismatch,
    Discrepancy,
    IdempotencyMismatch,
    MalformedResponse,
    Rejected,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow, Response
from invoice_bridge.providers.stripe.import_conditions import is_below_minimum
from invoice_bridge.providers.stripe.import_forms import (
    customer_of,
    invoice_form,
    line_forms,
    note_form,
    part_of,
    payment_form,
    specimen,
)
from invoice_bridge.providers.stripe.payment_shapes import with_credit_notes
from invoice_bridge.providers.stripe.payments import RECORD, check_attached, invoice_payments
from invoice_bridge.providers.stripe.tables import IMPORT_KEY, MINIMUM_CHARGE, MONEY, PART_KEY, SOURCES, TRANSITIONS
from invoice_bridge.providers.stripe.verbs import changed, listed_rows, post_form, read_answer, read_invoice

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
        return (yield from _Parts(command, context, at).finish())
    if at.status is Status.DRAFT:
        return verify_import(command, at)
    parts = _Parts(command, context, at)
    yield from parts.read()
    return (yield from parts.finish())


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
            f"number-taken: Stripe refuses the number {command.number!r}: {refusal.message}; nothing was imported: "
            "give another number",
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
            f"the draft {at.id} of XX and this import asks for the contrary",
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


# ── payments, credit notes and the end ───────────────────────────────────────────────────────────────────────────────
class _Parts:
    """What an issued import has already of its payments and credit notes, and the requests that make the rest."""

    def __init__(self, command: ImportInvoice, context: Context, at: Invoice) -> None:
        self.command, self.context, self.at = command, context, at
        self.attached: set[int] = set()
        self.records: dict[int, str] = {}
        self.notes: dict[int, Reader] = {}
        self.paid = self.credited = 0

    def read(self) -> Flow[None]:
        """Read what an earlier try made: the payments, the credit notes, and what was reported and not attached."""
        command, at = self.command, self.at
        if command.payments and at.status is Status.OPEN:
            yield from self._read_payments()
        if command.credit_notes and at.status in {Status.OPEN, Status.PAID}:
            rows = yield from listed_rows(self.context, ("v1", "credit_notes"), [("invoice", at.id)])
            live = [row for row in rows if row.text("status") != "void"]
            self.notes = self._places(((row, row) for row in live), "credit note", len(command.credit_notes))

    def _places(self, rows: Iterable[tuple[Reader, Reader]], what: str, count: int) -> dict[int, Reader]:
        """The rows that our metadata names, by the part of the document that each is."""
        names = {part_of(self.command, what, place): place for place in range(count)}
        found: dict[int, Reader] = {}
        for row, of in rows:
            place = names.get(of.child("metadata").text(PART_KEY) or "")
            if place is not None:
                found[place] = row
        return found

    def _read_payments(self) -> Flow[None]:
        count = len(self.command.payments)
        rows = yield from invoice_payments(self.at.id, self.context, expand=RECORD)
        made = [row for row in rows if row.text("status") != "canceled"]
        pairs = ((row, row.child("payment").expanded(RECORD)) for row in made)
        self.attached = set(self._places(pairs, "payment", count))
        if len(self.attached) == count:
            return
        # payment records are listed by their time alone (stripe-python 16.1.0, PaymentRecordListParams)
        query: list[tuple[str, object]] = []
        if (began := self._began()) is not None:
            query.append(("created_after", int((began - _DAY).timestamp())))
        try:
            records = yield from listed_rows(self.context, ("v1", "payment_records"), query)
        except MalformedResponse as problem:
            raise Unsupported(
                f"it is unknown whether the payments of {self.at.id} were reported already: {problem.message}",
                source="stripe-python 16.1.0, PaymentRecordListParams",
                remedy="attach the payment record to the invoice at Stripe, then import it again",
            ) from problem
        reported = self._places(((row, row) for row in records), "payment", count)
        self.records = {place: row.required_text("id") for place, row in reported.items()}

    def _began(self) -> datetime | None:
        return self.at.created_at

    def finish(self) -> Flow[Invoice]:
        """Make what is missing, in the order in which the document came to its end; compare at last."""
        command = self.command
        before = set(self.notes)
        if self.at.status is Status.OPEN:
            yield from self._make_notes("adjustment")
            for place, payment in enumerate(command.payments):
                if payment.amount and place not in self.attached:
                    yield from self._pay(place)
            yield from self._end()
        if self.at.status is Status.PAID and command.status is Status.PAID:
            yield from self._make_notes("refund", "credit")
        if set(self.notes) - before or (command.credit_notes and self.notes):
            self.at = yield from read_invoice(self.at.id, self.context, specimen=self._specimen())
            self.at = with_credit_notes(self.at, [row.data for row in self.notes.values()])
        return verify_import(command, _compare(command, self.at))

    def _specimen(self) -> dict[str, object]:
        left = MONEY.to_units(self.command.total) - self.paid - self.credited
        status = str(self.at.status) if self.at.status is not Status.OPEN or left else "paid"
        return specimen(self.command, self.at.id, status, paid=self.paid, credited=self.credited)

    def _make_notes(self, *kinds: str) -> Flow[None]:
        for place, note in enumerate(self.command.credit_notes):
            if note.kind in kinds and place not in self.notes:
                yield from self._credit(place)
        if "adjustment" in kinds and self.notes and not self.command.payments:  # they alone may have paid it
            self.at = yield from read_invoice(self.at.id, self.context, specimen=self._specimen())

    def _credit(self, place: int) -> Flow[None]:
        command = self.command
        note = command.credit_notes[place]
        part = part_of(command, "credit note", place)
        amount = MONEY.to_units(note.amount or Money.zero(command.currency))
        request = self.context.post(
            "v1",
            "credit_notes",
            body=note_form(command, place, self.at.id),
            step=f"import-note-{place}",
            part="note",
            effects=[Effect.RECORDS, *([Effect.ISSUES] if note.kind == "adjustment" else [])],
            answers=("metadata", PART_KEY),
            equals=part,
            specimen={
                "id": f"{{note_{place + 1}.id}}",
                "object": "credit_note",
                "amount": amount,
                "currency": command.currency.lower(),
                "metadata": {PART_KEY: part},
            },
        )
        made = Reader(object_of((yield request)), "stripe")
        stated = made.money("amount", MONEY, command.currency)
        if made.text("object") != "credit_note" or stated != note.amount:
            raise AmountMismatch(
                f"the credit note {made.text('id')} of {self.at.id} should credit {note.amount}, and Stripe states "
                f"{stated}",
                asked=note.amount,
                found=stated,
                invoice=self.at,
            )
        self.notes[place] = made
        if note.kind == "adjustment":
            self.credited += amount

    def _pay(self, place: int) -> Flow[None]:
        """Report one payment as made elsewhere, unless it was, and attach it to the invoice, which credits it."""
        command, context, at = self.command, self.context, self.at
        part = part_of(command, "payment", place)
        record = self.records.get(place)
        if record is None:
            reported = yield context.post(
                "v1",
                "payment_records",
                "report_payment",
                body=payment_form(command, place, context),
                step=f"import-report-{place}",
                part="payment",
                answers=("metadata", PART_KEY),
                equals=part,
                specimen={"id": f"{{record_{place + 1}.id}}", "object": RECORD, "metadata": {PART_KEY: part}},
            )
            record = _record_in(reported)
        self.paid += MONEY.to_units(command.payments[place].amount or Money.zero(command.currency))
        transition = TRANSITIONS["record_payment"]
        request = post_form(
            at.id,
            "attach_payment",
            context,
            {"payment_record": record},
            step=f"import-attach-{place}",
            part="attached",
            effects=transition.effects,
            answers=("id",),
            equals=at.id,
            specimen=self._specimen(),
        )

        def read() -> Flow[Invoice]:
            return read_invoice(at.id, context)

        def find() -> Flow[Entry | None]:
            rows = yield from invoice_payments(at.id, context, expand=RECORD)
            ids = {row.child("payment").identity(RECORD): row for row in rows}
            return Entry(ids[record].required_text("id"), None) if record in ids else None

        def after(answer: Response) -> Flow[Invoice]:
            paid = yield from read_answer(answer, context)
            yield from check_attached(paid, context, RECORD, record, command.reference)
            return paid

        self.at = yield from submit_once(context, request, read, find=find, after=after, transition=transition)

    def _end(self) -> Flow[None]:
        """Withdraw the invoice, or give it up, as the document was."""
        command, at = self.command, self.at
        words = {Status.VOID: ("void", "void"), Status.UNCOLLECTIBLE: ("mark_uncollectible", "uncollectible")}
        if at.status is not Status.OPEN or command.status not in words:
            return
        action, status = words[command.status]
        left = command.open_amount
        if at.amount_remaining != left:
            raise Discrepancy(
                f"{left} of the document was left to pay, and Stripe states {at.amount_remaining} of {at.id}: it is "
                "still open",
                asked=left,
                found=at.amount_remaining,
                invoice=at,
            )
        transition = TRANSITIONS[action]
        shown = specimen(command, at.id, status, paid=self.paid, credited=self.credited)
        request = post_form(
            at.id, action, self.context, step=f"import-{action}", effects=transition.effects, specimen=shown
        )
        self.at = yield from changed(at.id, self.context, request, transition)


def _record_in(answer: Response) -> str:
    """Return the id of a payment record. Raises MalformedResponse if the answer is about something else."""
    made = Reader(object_of(answer), "stripe")
    if made.text("object") != RECORD:
        problem = f"the answer is not the payment record that was asked for ({SOURCES['record_payment']})"
        raise MalformedResponse(problem, provider="stripe", status=answer.status, response=answer)
    return made.required_text("id")
