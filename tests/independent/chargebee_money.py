"""Chargebee's refunds, credit notes and transactions, from contracts/chargebee.md and chargebee 3.29.0; see also
chargebee.py.

Switches, beside those of that file: `transaction_status` (that a new transaction of money collected or given back
has).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.independent.chargebee import Chargebee
from tests.independent.server import Answer, Doc, Request

_FAILED = {"failure", "late_failure", "voided"}


class ChargebeeMoney(Chargebee):
    """See the module."""

    def seed(self) -> None:
        """No transaction yet."""
        super().seed()
        self.transactions: dict[str, Doc] = {}

    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Those of the verbs that move a part of an invoice's money."""
        return [
            ("POST", "/api/v2/invoices/{id}/refund", self.refund),
            ("POST", "/api/v2/credit_notes", self.credit),
            ("GET", "/api/v2/transactions", self.list_transactions),
            *super().declared_routes(),
        ]

    def bill(self, amount: int, *, paid: tuple[int, ...] = ()) -> str:
        """Make an issued invoice of that amount, of which these payments were collected."""
        fields = {"customer_id": "cus_1", "auto_collection": "off"}
        request = Request("POST", "", [], {"chargebee-event-email": "all-disabled"}, b"", 0)
        doc = self._open(request, fields, [self._line(0, {"amount": str(amount), "taxable": "false"})])
        doc |= {"issued_credit_notes": [], "adjustment_credit_notes": []}
        for part in paid:
            self._move(doc, part, "collected", {})
        self.events.clear()
        return str(doc["id"])

    # ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _move(self, doc: Doc, amount: int, kind: str, more: Doc) -> Doc:
        """Make a transaction of an invoice; one that failed changes nothing else."""
        status = "success" if kind == "recorded" else self.switch("transaction_status", "success")
        made: Doc = {"object": "transaction", "id": self.new_id("txn_"), "amount": amount, "status": status}
        made |= {"type": "payment", "currency_code": "EUR", "date": int(self.clock.now()), "linked_refunds": []}
        made |= {"payment_method": "card", "gateway": "stripe"} | more
        made |= {"linked_invoices": [{"invoice_id": doc["id"], "applied_amount": amount}]}
        self.transactions[made["id"]] = made
        if status in _FAILED:
            self._link(doc, made, amount)
        else:
            self._take(doc, amount, kind)
            doc["linked_payments"][-1] |= {"txn_id": made["id"], "txn_status": status}
        return made

    def _link(self, doc: Doc, made: Doc, amount: int) -> None:
        doc["linked_payments"].append(
            {"txn_id": made["id"], "applied_amount": amount, "txn_status": made["status"], "txn_amount": amount}
        )
        self._touch(doc)

    def collect(self, request: Request, id: str) -> Answer:
        """Needs an unpaid invoice and a payment source; nobody can read the comment."""
        doc, fields = self._one(id), request.form
        if doc["status"] not in {"payment_due", "posted", "not_paid"} or doc["amount_to_collect"] <= 0:
            raise self._refuse("state", f"it is {doc['status']}")
        amount = int(fields.get("amount") or doc["amount_to_collect"])
        if not 1 <= amount <= doc["amount_to_collect"]:
            raise self._refuse("invalid", "more than is to be collected", param="amount")
        if fields.get("payment_source_id") in self.switch("declines", ()):
            raise self._refuse("declined", "the payment was declined")
        made = self._move(doc, amount, "collected", {})
        return self._said(doc, transaction=dict(made))

    def record_payment(self, request: Request, id: str) -> Answer:
        """A payment made elsewhere: what is too much is the customer's excess payment."""
        doc, fields = self._one(id), request.form
        if doc["status"] not in {"payment_due", "posted", "not_paid"}:
            raise self._refuse("state", f"it is {doc['status']}")
        method = fields.get("transaction[payment_method]")
        if not method:
            raise self._refuse("invalid", "how was it paid?", param="transaction[payment_method]")
        amount = min(int(fields.get("transaction[amount]") or doc["amount_due"]), doc["amount_due"])
        more = {"reference_number": fields.get("transaction[reference_number]"), "gateway": "not_applicable"}
        made = self._move(doc, amount, "recorded", {**more, "payment_method": method})
        return self._said(doc, transaction=dict(made))

    def list_transactions(self, request: Request) -> Answer:
        """By their ids."""
        query = dict(request.query)
        wanted = json.loads(query["id[in]"]) if "id[in]" in query else list(self.transactions)
        rows = [self.transactions[each] for each in wanted if each in self.transactions]
        return Answer(200, {"list": [{"transaction": row} for row in rows]})

    # ── money that goes back ─────────────────────────────────────────────────────────────────────────────────────────
    def refund(self, request: Request, id: str) -> Answer:
        """Of the latest payment that was collected, with a credit note of its own."""
        doc, fields = self._one(id), request.form
        if doc["status"] != "paid":
            raise self._refuse("state", f"it is {doc['status']}")
        payment = next(
            (row for row in reversed(self.transactions.values()) if self._is_of(row, id) and self._left(row)), None
        )
        if payment is None:
            raise self._refuse("state", "nothing is left to refund")
        amount = int(fields.get("refund_amount") or self._left(payment))
        if not 1 <= amount <= self._left(payment):
            raise self._refuse("invalid", "more than can be refunded", param="refund_amount")
        status = self.switch("transaction_status", "success")
        made = {"object": "transaction", "id": self.new_id("txn_"), "amount": amount, "status": status}
        made |= {"type": "refund", "currency_code": "EUR"}
        payment["linked_refunds"].append({"txn_id": made["id"], "txn_status": status, "txn_amount": amount})
        if status not in _FAILED:
            self._note(doc, amount, "issued_credit_notes", "refunded" if status == "success" else "refund_due")
            self.record("refunded", doc, amount)
            self._mail(request, doc)
        return self._said(doc, transaction=made)

    def _is_of(self, row: Doc, id: str) -> bool:
        return bool(row["linked_invoices"][0]["invoice_id"] == id and row["gateway"] != "not_applicable")

    def _left(self, row: Doc) -> int:
        if row["status"] != "success":
            return 0
        back = [each for each in row["linked_refunds"] if each["txn_status"] not in _FAILED]
        return int(row["amount"] - sum(each["txn_amount"] for each in back))

    def _note(self, doc: Doc, amount: int, place: str, status: str) -> Doc:
        note = {"cn_id": self.new_id("cn_"), "cn_total": amount, "cn_status": status, "cn_date": int(self.clock.now())}
        doc[place].append(note)
        self._touch(doc)
        return note

    def _mail(self, request: Request, doc: Doc) -> None:
        if request.headers.get("chargebee-event-email") != "all-disabled":
            self.record("mailed", doc)

    def credit(self, request: Request) -> Answer:
        """An adjustment of what is unpaid, or a refundable note of what was paid."""
        fields = request.form
        doc = self._one(fields.get("reference_invoice_id", ""))
        amount = int(fields.get("total") or 0)
        adjusts = fields.get("type") == "adjustment"
        if not 1 <= amount <= (doc["amount_due"] if adjusts else doc["amount_paid"]):
            raise self._refuse("invalid", "more than can be credited", param="total")
        note = self._note(doc, amount, "adjustment_credit_notes" if adjusts else "issued_credit_notes", "adjusted")
        if adjusts:
            doc["amount_due"] -= amount
            doc["amount_adjusted"] += amount
            doc["amount_to_collect"] = doc["amount_due"]
            doc["status"] = doc["status"] if doc["amount_due"] else "paid"
        else:
            note["cn_status"] = "refund_due"
        self.record("credited", doc, amount)
        self._mail(request, doc)
        whole: dict[str, Any] = {
            "id": note["cn_id"],
            "total": amount,
            "currency_code": "EUR",
            "status": note["cn_status"],
        }
        return Answer(200, {"credit_note": {**whole, "reference_invoice_id": doc["id"], "type": fields.get("type")}})
