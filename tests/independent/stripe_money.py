"""Stripe's refunds, credit notes and payments of a part, from the types of stripe-python 16.1.0; see stripe.py.

An invoice payment joins an invoice to a payment intent or a payment record. An intent that is attached is credited when
it is confirmed, a record at once.

Switches, beside those of stripe.py: `rows` (the size of a page, whatever limit is asked for), `refund_status` (that a
new refund has).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.independent.server import Answer, Doc, Request
from tests.independent.stripe import Stripe, _metadata


class StripeMoney(Stripe):
    """See the module."""

    def seed(self) -> None:
        """What moved no money yet."""
        super().seed()
        self.intents: dict[str, Doc] = {}
        self.records: dict[str, Doc] = {}
        self.paid_by: list[Doc] = []
        self.refunds: list[Doc] = []
        self.notes: list[Doc] = []

    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Those of the verbs that move a part of an invoice's money."""
        return [
            ("POST", "/v1/invoices/{id}/attach_payment", self.attach),
            ("GET", "/v1/invoice_payments", self.list_payments),
            ("POST", "/v1/payment_records/report_payment", self.report),
            ("POST", "/v1/payment_intents", self.create_intent),
            ("POST", "/v1/payment_intents/{id}/confirm", self.confirm),
            ("POST", "/v1/refunds", self.refund),
            ("GET", "/v1/refunds", self.list_refunds),
            ("POST", "/v1/credit_notes", self.credit),
            ("GET", "/v1/credit_notes", self.list_notes),
            *super().declared_routes(),
        ]

    # ── what a case begins with ──────────────────────────────────────────────────────────────────────────────────────
    def bill(self, amount: int, *, paid: tuple[int, ...] = ()) -> str:
        """Make an issued invoice of that amount, paid by payments of these amounts."""
        made = self.create(Request("POST", "", [], {}, b"customer=cus_1&currency=eur&discounts=", 0))
        identifier: str = made.body["id"]
        doc = self.invoices[identifier]
        self._append(doc, amount, "Energy", {"start": doc["created"], "end": doc["created"]})
        self._reckon(doc)
        self._issue(doc)
        for part in paid:
            intent = self._intent(part, {"order": "none"})
            self._attach(doc, "payment_intent", intent, part)["_at"] = 0.0  # long ago
            self._succeed(intent)
        self.events.clear()
        return identifier

    # ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _intent(self, amount: int, metadata: Doc) -> Doc:
        intent: Doc = {"id": self.new_id("pi_"), "object": "payment_intent", "amount": amount, "currency": "eur"}
        intent |= {"metadata": metadata, "status": "requires_confirmation", "amount_received": 0}
        self.intents[intent["id"]] = intent
        return intent

    def create_intent(self, request: Request) -> Answer:
        """Not confirmed: it collects nothing."""
        fields = request.form
        if fields.get("confirm") == "true" or not fields.get("amount"):
            raise self._refuse("invalid", "this server makes intents that are confirmed later", param="confirm")
        intent = self._intent(int(fields["amount"]), _metadata(fields))
        return Answer(200, dict(intent))

    def report(self, request: Request) -> Answer:
        """Write down a payment that was made elsewhere; it belongs to no invoice yet."""
        fields = request.form
        for name in ("amount_requested[value]", "initiated_at", "payment_method_details[type]"):
            if not fields.get(name):
                raise self._refuse("invalid", f"Missing required param: {name}.", param=name)
        record: Doc = {"id": self.new_id("prec_"), "object": "payment_record", "metadata": _metadata(fields)}
        record |= {"amount_requested": {"currency": "eur", "value": int(fields["amount_requested[value]"])}}
        self.records[record["id"]] = record
        return Answer(200, dict(record))

    def _attach(self, doc: Doc, kind: str, paying: Doc, amount: int) -> Doc:
        row = {"id": self.new_id("inpay_"), "object": "invoice_payment", "invoice": doc["id"], "status": "open"}
        row |= {"amount_requested": amount, "amount_paid": None, "currency": "eur", "created": int(self.clock.now())}
        row |= {"payment": {"type": kind, kind: paying}, "_at": self.clock.now()}
        self.paid_by.insert(0, row)
        return row

    def attach(self, request: Request, id: str) -> Answer:
        """Join a payment to an open invoice; one that was made is credited at once."""
        doc, fields = self._one(id), request.form
        if doc["status"] != "open":
            raise self._refuse("state", "Payments can only be attached to open invoices.")
        kind = "payment_intent" if "payment_intent" in fields else "payment_record"
        paying = (self.intents if kind == "payment_intent" else self.records).get(fields.get(kind, ""))
        if paying is None:
            raise self._refuse("missing", f"No such {kind}", param=kind)
        if any(row["payment"].get(kind) is paying for row in self.paid_by):
            raise self._refuse("state", "This payment is attached to an invoice already.")
        amount = paying["amount"] if kind == "payment_intent" else paying["amount_requested"]["value"]
        row = self._attach(doc, kind, paying, amount)
        if kind == "payment_record":
            self._credit(doc, row, "recorded")
        return Answer(200, self._shown(doc))

    def _credit(self, doc: Doc, row: Doc, kind: Any) -> None:
        amount = row["amount_requested"]
        row.update(status="paid", amount_paid=amount)
        doc["amount_paid"] += amount
        doc["amount_remaining"] = max(doc["amount_remaining"] - amount, 0)
        if not doc["amount_remaining"]:
            doc["status"] = "paid"
            doc["status_transitions"]["paid_at"] = int(self.clock.now())
        self.record(kind, doc, amount)

    def _succeed(self, intent: Doc) -> None:
        intent.update(status="succeeded", amount_received=intent["amount"])
        for row in self.paid_by:
            if row["payment"].get("payment_intent") is intent:
                self._credit(self.invoices[row["invoice"]], row, "collected")

    def confirm(self, request: Request, id: str) -> Answer:
        """Collect."""
        intent = self.intents.get(id)
        if intent is None:
            raise self._refuse("missing", f"No such payment_intent: '{id}'", param="intent")
        if intent["status"] not in {"requires_confirmation", "requires_payment_method"}:
            raise self._refuse("state", "it was confirmed before", code="payment_intent_unexpected_state")
        if request.form.get("payment_method") in self.switch("declines", ()):
            intent["status"] = "requires_payment_method"
            raise self._refuse("declined", "Your card was declined.")
        self._succeed(intent)
        return Answer(200, dict(intent))

    def _expanded(self, row: Doc, *expanded: str) -> Doc:
        kind = row["payment"]["type"]
        payment = dict(row["payment"])
        if kind not in expanded:
            payment[kind] = payment[kind]["id"]
        return {name: value for name, value in row.items() if not name.startswith("_")} | {"payment": payment}

    def _shown(self, doc: Doc) -> Doc:
        rows = [self._expanded(row, "payment_intent") for row in self.paid_by if row["invoice"] == doc["id"]]
        notes = [note for note in self.notes if note["invoice"] == doc["id"]]
        payments = {"object": "list", "data": rows[:10], "has_more": len(rows) > 10}
        return super()._shown(doc) | {"payments": payments, **_credited(notes)}

    # ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _listing(self, rows: list[Doc], request: Request, url: str) -> Answer:
        until = self.clock.now() - self.listing_lag
        seen = [row for row in rows if row["_at"] <= until]
        query = [("limit", str(self.switch("rows", 100)))]
        query += [(name, value) for name, value in request.query if name != "limit"]
        narrowed = Request("GET", request.path, query, request.headers, b"", request.call)
        return self._page([{k: v for k, v in row.items() if k != "_at"} for row in seen], narrowed, url)

    def list_payments(self, request: Request) -> Answer:
        """The payments of an invoice, newest first."""
        query = dict(request.query)
        expanded = [value.removeprefix("data.payment.") for name, value in request.query if name.startswith("expand")]
        rows = [row for row in self.paid_by if query.get("invoice") in {None, row["invoice"]}]
        shown = [self._expanded(row, *expanded) | {"_at": row["_at"]} for row in rows]
        return self._listing(shown, request, "/v1/invoice_payments")

    def list_refunds(self, request: Request) -> Answer:
        """The refunds of a payment, newest first."""
        intent = dict(request.query).get("payment_intent")
        rows = [row for row in self.refunds if intent in {None, row["payment_intent"]}]
        return self._listing(rows, request, "/v1/refunds")

    def list_notes(self, request: Request) -> Answer:
        """The credit notes of an invoice, newest first."""
        invoice = dict(request.query).get("invoice")
        return self._listing(
            [row for row in self.notes if invoice in {None, row["invoice"]}], request, "/v1/credit_notes"
        )

    # ── money that goes back ─────────────────────────────────────────────────────────────────────────────────────────
    def refund(self, request: Request) -> Answer:
        """Of one payment: without an amount, all that is left of it."""
        fields = request.form
        intent = self.intents.get(fields.get("payment_intent", ""))
        if intent is None or intent["status"] != "succeeded":
            raise self._refuse("missing", "No such payment_intent", param="payment_intent")
        left = intent["amount"] - sum(
            row["amount"] for row in self.refunds if row["payment_intent"] == intent["id"] and row["status"] != "failed"
        )
        if not left:
            raise self._refuse("state", "Charge has already been refunded.", code="charge_already_refunded")
        amount = int(fields.get("amount") or left)
        if not 0 < amount <= left:
            raise self._refuse("state", f"Refund amount is greater than what is left ({left})", param="amount")
        row = {"id": self.new_id("re_"), "object": "refund", "amount": amount, "payment_intent": intent["id"]}
        row |= {"charge": None, "currency": "eur", "metadata": _metadata(fields), "_at": self.clock.now()}
        row["status"] = self.switch("refund_status", "succeeded")
        self.refunds.insert(0, row)
        invoice = next(each["invoice"] for each in self.paid_by if each["payment"].get("payment_intent") is intent)
        self.record("refunded", self.invoices[invoice], amount)
        return Answer(200, {name: value for name, value in row.items() if name != "_at"})

    def credit(self, request: Request) -> Answer:
        """Lowers what remains of an open invoice; of a paid one the caller says where the money goes."""
        fields = request.form
        doc = self._one(fields.get("invoice", ""))
        if doc["status"] not in {"open", "paid"}:
            raise self._refuse("state", "only open and paid invoices are credited")
        amount = int(fields.get("amount") or sum(int(v) for k, v in fields.items() if re.search(r"amount\]$", k)))
        before = min(amount, doc["amount_remaining"])
        if int(fields.get("credit_amount") or 0) != amount - before or not amount:
            raise self._refuse("invalid", f"credit_amount must be {amount - before}", param="credit_amount")
        if amount > doc["total"] - sum(note["total"] for note in self.notes if note["invoice"] == doc["id"]):
            raise self._refuse("invalid", "more than the invoice's total", param="amount")
        note = {"id": self.new_id("cn_"), "object": "credit_note", "invoice": doc["id"], "amount": amount}
        note |= {"total": amount, "subtotal": amount, "currency": "eur", "status": "issued", "_at": self.clock.now()}
        note |= {"pre_payment_amount": before, "post_payment_amount": amount - before, "refunds": []}
        note |= {"metadata": _metadata(fields), "type": "pre_payment" if before else "post_payment"}
        self.notes.insert(0, note)
        doc["amount_remaining"] -= before
        if not doc["amount_remaining"]:
            doc["status"] = "paid"
        self.record("credited", doc, amount)
        if fields.get("email_type", "credit_note") != "none":
            self.record("mailed", doc, amount)
        return Answer(200, {name: value for name, value in note.items() if name != "_at"})


def _credited(notes: list[Doc]) -> Doc:
    return {
        f"{when}_credit_notes_amount": sum(note[f"{when}_amount"] for note in notes)
        for when in ("pre_payment", "post_payment")
    }
