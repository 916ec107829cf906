"""Payments, refunds and credit notes of Stripe's invoices, on the documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.emulator.transitions import StripeTransitions

_PAGING = "ending_before expand limit starting_after"
REPORT = (
    "amount_requested.currency amount_requested.value canceled customer_details customer_presence description expand "
    "failed guaranteed.guaranteed_at initiated_at metadata outcome payment_method_details processor_details "
    "shipping_details"
)
_INTENT = (
    "amount automatic_payment_methods.allow_redirects automatic_payment_methods.enabled confirm currency customer "
    "description expand metadata off_session payment_method"
)
_CREDIT = (
    "amount credit_amount effective_at email_type expand invoice lines.amount lines.description "
    "lines.invoice_line_item lines.metadata lines.quantity lines.type lines.unit_amount memo metadata "
    "out_of_band_amount reason refund_amount refunds"
)
_FAILS = "pm_card_refundFail"
_PAID_BY = ("payment_intent", "charge", "payment_record")


class StripePayments(StripeTransitions):
    """What pays an invoice beside `pay`, and what gives it back."""

    # ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def list_payments(self, call: IncomingRequest) -> Response:
        """GET /v1/invoice_payments, newest first; what paid is its id alone where it is not expanded."""
        given = self._params(call, f"{_PAGING} created invoice payment.payment_intent payment.type status")
        owners = [self._find(given["invoice"], "invoice")] if "invoice" in given else list(self.invoices.values())
        rows = [row | {"invoice": owner["id"]} for owner in owners for row in owner["payments"]]
        rows = [row for row in rows if given.get("status") in {None, row["status"]}]
        expanded = [path.removeprefix("data.") for path in (given.get("expand") or {}).values()]
        return self._page([_collapsed(row, expanded) for row in reversed(rows)], given, "/v1/invoice_payments")

    def report_payment(self, call: IncomingRequest) -> Response:
        """POST /v1/payment_records/report_payment: no invoice has it until it is attached."""
        given = self._params(call, REPORT)
        for name in ("amount_requested", "initiated_at", "payment_method_details"):
            if name not in given:
                raise self._refuse(f"Missing required param: {name}.", code="parameter_missing", param=name)
        asked = given["amount_requested"]
        amount = {"currency": asked["currency"], "value": self._integer(asked, "value", "amount_requested[value]")}
        guaranteed = given.get("outcome") == "guaranteed"
        record: dict[str, Any] = {
            "id": self.next_id("prec_"),
            "object": "payment_record",
            "amount_requested": amount,
            "amount_guaranteed": {**amount, "value": amount["value"] if guaranteed else 0},
            "created": self.now_seconds(),
            "livemode": False,
            "metadata": given.get("metadata") or {},
            "payment_method_details": given["payment_method_details"],
            "processor_details": given.get("processor_details"),
            "reported_by": "self",
        }
        self.payment_records[record["id"]] = record
        return self._ok(record)

    def create_intent(self, call: IncomingRequest) -> Response:
        """POST /v1/payment_intents, not confirmed."""
        given = self._params(call, _INTENT)
        intent: dict[str, Any] = {
            "id": self.next_id("pi_"),
            "object": "payment_intent",
            "amount": self._integer(given, "amount"),
            "amount_received": 0,
            "currency": given.get("currency"),
            "created": self.now_seconds(),
            "customer": given.get("customer"),
            "livemode": False,
            "metadata": given.get("metadata") or {},
            "payment_method": given.get("payment_method"),
            "status": "requires_confirmation" if "payment_method" in given else "requires_payment_method",
        }
        self.intents[intent["id"]] = intent
        return self._ok(intent)

    def confirm_intent(self, call: IncomingRequest, intent_id: str) -> Response:
        """POST /v1/payment_intents/{id}/confirm: collects, and credits the invoice that it is attached to."""
        given = self._params(call, "expand off_session payment_method return_url")
        intent = self._intent(intent_id)
        if intent["status"] not in {"requires_confirmation", "requires_payment_method"}:
            message = f"This PaymentIntent's status is {intent['status']}: it cannot be confirmed."
            raise self._refuse(message, code="payment_intent_unexpected_state")
        intent["payment_method"] = given.get("payment_method", intent["payment_method"])
        if (code := self._decline(intent["payment_method"] or "")) is not None:
            intent["status"] = "requires_payment_method"
            facts = {"code": "card_declined", "decline_code": code}
            raise self._refuse("Your card was declined.", status=402, kind="card_error", **facts)
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": self.charge_of(intent)}
        for invoice in self.invoices.values():
            for row in invoice["payments"]:
                if row["payment"].get("payment_intent") is intent:
                    self._credit(invoice, row, intent["amount"], "collected")
        return self._ok(intent | {"latest_charge": intent["latest_charge"]["id"]})

    def _intent(self, intent_id: str) -> dict[str, Any]:
        if intent_id not in self.intents:
            raise self._missing("payment_intent", intent_id, "intent", 404)
        return self.intents[intent_id]

    def attach_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/attach_payment: a payment that was made is credited at once, another once it is."""
        given = self._params(call, "expand payment_intent payment_record")
        found = self._find(invoice_id, "invoice")
        if not self.allows("record_payment", found["status"]):
            raise self._refuse("Payments can only be attached to open invoices.")
        kind = "payment_intent" if "payment_intent" in given else "payment_record"
        held = self.intents if kind == "payment_intent" else self.payment_records
        if given.get(kind) not in held:
            raise self._missing(kind, str(given.get(kind)), kind)
        paying = held[given[kind]]
        if any(row["payment"].get(kind) is paying for row in found["payments"]):
            raise self._refuse(f"This {kind} is attached to the invoice already.")
        asked = paying["amount"] if kind == "payment_intent" else paying["amount_requested"]["value"]
        currency = paying["currency"] if kind == "payment_intent" else paying["amount_requested"]["currency"]
        if currency != found["currency"]:
            raise self._refuse(f"The currency of the {kind} is not the invoice's.", param=kind)
        made = paying.get("status") == "succeeded" if kind == "payment_intent" else True
        row = self.add_payment(found, kind, paying, asked)
        if made:
            self._credit(found, row, asked, "collected" if kind == "payment_intent" else "recorded")
        return self._ok(self._shown(found))

    def _credit(self, found: dict[str, Any], row: dict[str, Any], amount: int, event: str) -> None:
        """Count a payment that was made towards what an invoice still owes."""
        now = self.now_seconds()
        row |= {"status": "paid", "amount_paid": amount, "status_transitions": {"paid_at": now, "canceled_at": None}}
        found["amount_paid"] += amount
        found["amount_remaining"] = max(found["amount_remaining"] - amount, 0)
        self.record_part(event, found, amount)
        if found["amount_remaining"] == 0:
            self._becomes(found, "paid", "paid_at", attempted=found["attempted"])

    # ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def create_refund(self, call: IncomingRequest) -> Response:
        """POST /v1/refunds: of one payment, at most what is left of it."""
        given = self._params(call, "amount charge currency expand metadata payment_intent reason")
        intent_id = given.get("payment_intent", "")
        if intent_id not in self.intents or self.intents[intent_id]["status"] != "succeeded":
            raise self._missing("payment_intent", intent_id, "payment_intent")
        intent = self.intents[intent_id]
        refunded = sum(
            row["amount"] for row in self.refunds if row["payment_intent"] == intent_id and row["status"] != "failed"
        )
        left = intent["amount"] - refunded
        amount = self._integer(given, "amount") or left
        if left == 0:
            raise self._refuse("Charge has already been refunded.", code="charge_already_refunded")
        if amount > left:
            raise self._refuse(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
            )
        refund = {
            "id": self.next_id("re_"),
            "object": "refund",
            "amount": amount,
            "charge": None,
            "created": self.now_seconds(),
            "currency": intent["currency"],
            "metadata": given.get("metadata") or {},
            "payment_intent": intent_id,
            "reason": given.get("reason"),
            "status": "failed" if intent["payment_method"] == _FAILS else "succeeded",
        }
        self.refunds.append(refund)
        if refund["status"] != "failed":
            intent["latest_charge"]["amount_refunded"] += amount
        for invoice in self.invoices.values():
            if any(row["payment"].get("payment_intent") is intent for row in invoice["payments"]):
                self.record_part("refunded", invoice, amount)
        return self._ok(refund)

    def list_refunds(self, call: IncomingRequest) -> Response:
        """GET /v1/refunds, newest first."""
        given = self._params(call, f"{_PAGING} charge created payment_intent")
        rows = [row for row in reversed(self.refunds) if given.get("payment_intent") in {None, row["payment_intent"]}]
        return self._page(rows, given, "/v1/refunds")

    # ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────
    def create_credit_note(self, call: IncomingRequest) -> Response:
        """POST /v1/credit_notes: lowers what an open invoice owes; of a paid one, says where the money goes."""
        given = self._params(call, _CREDIT)
        found = self._find(given.get("invoice", ""), "invoice")
        if not self.allows("credit", found["status"]):
            raise self._refuse("Credit notes can only be created for open or paid invoices.")
        lines = list((given.get("lines") or {}).values())
        if ("amount" in given) == bool(lines):
            raise self._refuse("One of amount, lines, or shipping_cost must be provided.")
        amount = self._integer(given, "amount") or sum(self._credited(found, line) for line in lines)
        credited = found["pre_payment_credit_notes_amount"] + found["post_payment_credit_notes_amount"]
        if amount > found["total"] - credited:
            raise self._refuse("The sum of credit notes cannot exceed the invoice's total.", param="amount")
        before = min(amount, found["amount_remaining"])
        places = ("credit_amount", "out_of_band_amount", "refund_amount")
        placed = {name: self._integer(given, name) or 0 for name in places}
        if sum(placed.values()) != amount - before:
            message = f"The sum of credit_amount, refund_amount and out_of_band_amount must equal {amount - before}."
            raise self._refuse(message)
        after = amount - before
        note = {
            "id": self.next_id("cn_"),
            "object": "credit_note",
            "amount": amount,
            "created": self.now_seconds(),
            "currency": found["currency"],
            "customer": found["customer"],
            "customer_balance_transaction": self.next_id("cbtxn_") if placed["credit_amount"] else None,
            "effective_at": self._integer(given, "effective_at"),
            "invoice": found["id"],
            "livemode": False,
            "memo": given.get("memo"),
            "metadata": given.get("metadata") or {},
            "number": f"{found['number']}-CN-{len(self.credit_notes) + 1:02d}",
            "out_of_band_amount": placed["out_of_band_amount"] or None,
            "post_payment_amount": after,
            "pre_payment_amount": before,
            "reason": given.get("reason"),
            "refunds": [],
            "status": "issued",
            "subtotal": amount,
            "total": amount,
            "type": "mixed" if before and after else "post_payment" if after else "pre_payment",
        }
        self.credit_notes.append(note)
        found["pre_payment_credit_notes_amount"] += before
        found["post_payment_credit_notes_amount"] += after
        found["amount_remaining"] -= before
        found["amount_due"] -= before
        self.customers[found["customer"]]["balance"] -= placed["credit_amount"]
        self.record_part("credited", found, amount)
        if given.get("email_type", "credit_note") == "credit_note":
            self.enter_invoice("mailed", found)
        if before and found["amount_remaining"] == 0:
            self._becomes(found, "paid", "paid_at")
        return self._ok(note)

    def add_credit_note(self, invoice_id: str, amount: int, **more: Any) -> dict[str, Any]:
        """Make a credit note that exists already, against an open invoice or, given back by hand, a paid one."""
        found = self.invoices[invoice_id]
        paid = found["status"] == "paid"
        note = {
            "id": self.next_id("cn_"),
            "object": "credit_note",
            "amount": amount,
            "currency": found["currency"],
            "invoice": invoice_id,
            "number": f"{found['number']}-CN-{len(self.credit_notes) + 1:02d}",
            "created": self.now_seconds(),
            "effective_at": self.now_seconds(),
            "status": "issued",
            "reason": None,
            "refunds": [],
            "customer_balance_transaction": None,
            "out_of_band_amount": amount if paid else None,
            "post_payment_amount": amount if paid else 0,
            "pre_payment_amount": 0 if paid else amount,
            "type": "post_payment" if paid else "pre_payment",
        } | more
        self.credit_notes.append(note)
        if note["status"] == "issued":
            found["pre_payment_credit_notes_amount"] += note["pre_payment_amount"]
            found["post_payment_credit_notes_amount"] += note["post_payment_amount"]
            found["amount_remaining"] -= note["pre_payment_amount"]
        return note

    def _credited(self, found: Mapping[str, Any], line: Mapping[str, Any]) -> int:
        if line.get("type") == "invoice_line_item":
            if line.get("invoice_line_item") not in {row["id"] for row in found["rows"]}:
                raise self._missing("invoice_line_item", str(line.get("invoice_line_item")), "lines")
            return self._integer(line, "amount") or 0
        return (self._integer(line, "quantity") or 1) * (self._integer(line, "unit_amount") or 0)

    def list_credit_notes(self, call: IncomingRequest) -> Response:
        """GET /v1/credit_notes, newest first."""
        given = self._params(call, f"{_PAGING} created customer customer_account invoice")
        rows = [row for row in reversed(self.credit_notes) if given.get("invoice") in {None, row["invoice"]}]
        return self._page(rows, given, "/v1/credit_notes")

    # ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key, except for the link of a document, which anyone may read."""
        if not (call.method == "GET" and call.segments[1:] == ("pdf",)):
            super().authenticate(call)

    def document(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET the link in invoice_pdf: a document, without a key."""
        del call
        found = self._find(invoice_id)
        content = f"%PDF-1.4\n% {found['number']}\n%%EOF\n".encode()
        return Response(200, content, {"content-type": "application/pdf"})


def _collapsed(row: Mapping[str, Any], expanded: Iterable[str]) -> dict[str, Any]:
    """An invoice payment with the ids of what is not expanded."""
    paths = tuple(expanded)
    payment = dict(row["payment"])
    for kind in _PAID_BY:
        inner = payment.get(kind)
        if not isinstance(inner, Mapping):
            continue
        if not any(path.startswith(f"payment.{kind}") for path in paths):
            payment[kind] = inner["id"]
        elif isinstance(charge := inner.get("latest_charge"), Mapping) and (
            f"payment.{kind}.latest_charge" not in paths
        ):
            payment[kind] = {**inner, "latest_charge": charge["id"]}
    return {**row, "payment": payment}
