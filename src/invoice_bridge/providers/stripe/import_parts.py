"""The parts of an import that Stripe keeps apart from the invoice: payments made elsewhere, credit notes, and the end.

Rules of this file: what Stripe shows of a part, by its metadata, is not made again. A payment is reported, then
attached to the invoice, which credits it; what was reported and not attached has no effect, and is attached.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.imported import verify_import
from invoice_bridge.adapter.once import Entry, submit_once
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import ImportInvoice
from invoice_bridge.core.errors import AmountMismatch, Discrepancy, MalformedResponse, Unsupported
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow, Response
from invoice_bridge.providers.stripe.import_forms import note_form, part_of, payment_form, specimen
from invoice_bridge.providers.stripe.payment_shapes import with_credit_notes
from invoice_bridge.providers.stripe.payments import RECORD, check_attached, invoice_payments
from invoice_bridge.providers.stripe.tables import MONEY, PART_KEY, SOURCES, TRANSITIONS
from invoice_bridge.providers.stripe.verbs import changed, listed_rows, post_form, read_answer, read_invoice

_DAY = timedelta(days=1)


class Parts:
    """What an issued import has already of its payments and credit notes, and the requests that make the rest."""

    def __init__(self, command: ImportInvoice, context: Context, at: Invoice) -> None:
        self.command, self.context, self.at = command, context, at
        self.attached: set[int] = set()
        self.records: dict[int, str] = {}
        self.notes: dict[int, Reader] = {}
        self.paid = self.credited = 0

    def read(self) -> Flow[None]:
        """Read what an earlier try made: the payments, the credit notes, and what was reported and not attached.

        A payment can take effect between the reading of the invoice and that of its payments: then both are read.
        """
        command, at = self.command, self.at
        zero = Money.zero(command.currency)
        if command.payments and at.status is Status.OPEN:
            yield from self._read_payments()
            landed = sum(MONEY.to_units(command.payments[place].amount or zero) for place in self.attached)
            if self.attached and at.amount_paid != MONEY.from_units(landed, command.currency):
                self.at = at = yield from read_invoice(at.id, self.context, specimen=self._specimen())
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
        if (began := self.at.created_at) is not None:
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
        return verify_import(command, self.at)

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
