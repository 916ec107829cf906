"""The transition and the refusals of each verb on Chargebee's invoices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import ErrorResponse, IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.emulator.documents import ChargebeeDocuments
from invoice_bridge.providers.chargebee.tables import NO_MAIL

_TRANSACTION = (
    "amount payment_method reference_number custom_payment_method_id id_at_gateway status date error_code error_text"
)
_ADDRESS = (
    "first_name last_name email company phone line1 line2 line3 city state_code state zip country validation_status"
)
_METHODS = {"cash", "check", "bank_transfer", "other", "custom", "dana", "touch_n_go", "tamara", "qpay"}
_OFFLINE = ("payment_method", "reference_number", "custom_payment_method_id", "id_at_gateway")
_ONLINE: Mapping[str, Any] = {"payment_method": "card", "gateway": "chargebee"}
NO_WEBHOOK = ("chargebee-event-webhook", "all-disabled")
"""The header of a request whose events are not delivered (chargebee/openapi, headers of import_invoice)."""
_DAY = 86400
_DELETES_TOO = ("voided", "payment_due", "posted", "not_paid")
"""Chargebee deletes these as well, but none of our flows asks for it."""


class ChargebeeTransitions(ChargebeeDocuments):
    """The verbs, on the documents."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.paid_by: dict[str, dict[str, Any]] = {}
        """The id of a transaction → how it was paid."""
        self.version = 0

    # ── what is reported ─────────────────────────────────────────────────────────────────────────────────────────────
    def _answer(self, call: IncomingRequest) -> Response:
        try:
            return super()._answer(call)
        finally:
            if call.headers.get(NO_WEBHOOK[0]) == NO_WEBHOOK[1]:
                self._happenings.clear()

    def pass_time(self) -> None:
        """Let the invoices come due whose date has passed."""
        for found in list(self.invoices.values()):
            self._aged(found)

    def next_version(self) -> int:
        """Return the version of an invoice's next state: milliseconds, and more than every one before."""
        self.version = max(self.version + 1, self.now_seconds() * 1000)
        return self.version

    def shown(self, invoice_id: str) -> dict[str, Any]:
        """Return an invoice as an event shows it."""
        return self._shown(self.invoices[invoice_id])

    def _issue(self, found: dict[str, Any], call: IncomingRequest, *, first: bool = False) -> None:
        """Issue a pending invoice, and collect it if auto_collection is on."""
        now = self.now_seconds()
        if self.switches["closing_renumbers"] or first:
            self.invoices.pop(found["id"], None)
            number = self.next_id("").lstrip("0")
            found["id"] = number
        terms = found["net_term_days"]
        found |= {
            "status": "posted" if terms else "payment_due",
            "due_date": found["date"] + 86400 * terms,
            "generated_at": now,
            "updated_at": now,
        }
        if had := self.credits_of(self.customers[found["customer_id"]]):
            applied = min(had, found["amount_due"])
            left = found["amount_due"] - applied
            found |= {"credits_applied": applied, "amount_due": left, "amount_to_collect": left}
            found["applied_credits"] = [{"applied_amount": applied, "applied_at": now}]
        if found["amount_to_collect"] == 0:
            found |= {"status": "paid", "paid_at": now}
        elif found["_auto_collection"] == "on":
            refused = self._collect(found, found["_source"], found["amount_to_collect"])
            if refused is not None and first and not self.switches["declined_create_kept"]:
                raise refused
            if refused is not None:
                self.happened("payment_failed", found["id"])
            self._dun(found)
        self.invoices[found["id"]] = found
        collected = found["amount_paid"] > 0
        self._note("issued", found)
        if collected:
            self._note("collected", found)
        if self.mails_invoices and call.headers.get(NO_MAIL[0]) != NO_MAIL[1]:
            self._note("mailed", found)

    def _collect(self, found: dict[str, Any], source: str | None, amount: int) -> ErrorResponse | None:
        if source is None:
            message = "The customer has no payment source"
            return self._refuse(message, code="payment_method_not_present", kind="payment")
        if "declined" in source:
            found["dunning_status"] = "in_progress"
            found["_failed"].append(self._payment(amount, amount, "failure"))
            return self._refuse("Your card was declined.", code="payment_processing_failed", kind="payment")
        payment = self._pay(found, amount, "in_progress" if "pending" in source else "success")
        self.paid_by[payment["txn_id"]] = {**_ONLINE, "payment_source_id": source}
        return None

    def _pay(self, found: dict[str, Any], amount: int, state: str) -> dict[str, Any]:
        now = self.now_seconds()
        payment = self._payment(amount, min(amount, found["amount_to_collect"]), state)
        found["linked_payments"].append(payment)
        found |= self._balanced(found) | {"updated_at": now}
        if found["amount_due"] == 0:
            found |= {"status": "paid", "paid_at": now}
        return payment

    def _payment(self, amount: int, applied: int, state: str) -> dict[str, Any]:
        now = self.now_seconds()
        return {
            "txn_id": self.next_id("txn_failed_" if state == "failure" else "txn_"),
            "applied_amount": applied,
            "applied_at": now,
            "txn_status": state,
            "txn_date": now,
            "txn_amount": amount,
            "object": "linked_payment",
        }

    @staticmethod
    def _dun(found: dict[str, Any]) -> None:
        """Begin dunning after the first payment was declined: attempt 0, and the next one a day later."""
        for payment in found["_failed"]:
            found["dunning_attempts"] = [
                {
                    "created_at": payment["applied_at"],
                    "attempt": 0,
                    "dunning_type": "auto_collect",
                    "transaction_id": payment["txn_id"],
                    "txn_status": payment["txn_status"],
                    "txn_amount": payment["txn_amount"],
                }
            ]
            found["next_retry_at"] = payment["applied_at"] + _DAY

    def _note(self, event: str, found: Mapping[str, Any], units: int | None = None) -> None:
        """Record an event of an invoice in the ledger, with its total or a part of it."""
        custom = next((value for name, value in found.items() if name.startswith("cf_")), None)
        reference = custom or found.get("po_number")
        amount = found["total"] if units is None else units
        self.record(event, found["id"], found["customer_id"], amount, found["currency_code"], reference)

    def close(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/close: pending → posted, payment_due or paid."""
        self._params(call, "comment invoice_note remove_general_note invoice_date")
        found = self._find(invoice_id)
        if not self.allows("finalize", found["status"]):
            raise self._wrong_state(found, "closed")
        self._issue(found, call)
        return self.json({"invoice": self._shown(found)})

    def collect_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/collect_payment: from a payment source that must be named."""
        given = self._params(call, "amount authorization_transaction_id comment payment_initiator payment_source_id")
        found = self._find(invoice_id)
        if not self.allows("pay", found["status"]) or found["amount_to_collect"] <= 0:
            raise self._wrong_state(found, "collected")
        if not {"payment_source_id", "authorization_transaction_id"} & given.keys():
            raise self._refuse("payment_source_id : cannot be blank", param="payment_source_id")
        amount = self._integer(given, "amount", least=1)
        amount = found["amount_to_collect"] if amount is None else amount
        if amount > found["amount_to_collect"]:
            raise self._refuse("amount : is more than the amount to collect", param="amount")
        source = self._source(given, self.customers[found["customer_id"]])
        if (refused := self._collect(found, source, amount)) is not None:
            self.happened("payment_failed", found["id"])
            raise refused
        self._note("collected", found, amount)
        return self._with_transaction(found, found["linked_payments"][-1])

    def record_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/record_payment: a payment made elsewhere."""
        given = self._params(call, "comment", transaction=_TRANSACTION)
        found = self._find(invoice_id)
        if not self.allows("mark_paid", found["status"]):
            raise self._wrong_state(found, "paid")
        transaction = given.get("transaction", {})
        if transaction.get("payment_method") not in _METHODS:
            param = "transaction[payment_method]"
            raise self._refuse(f"{param} : must be one of {', '.join(sorted(_METHODS))}", param=param)
        amount = self._integer(transaction, "amount", param="transaction[amount]")
        self._text(transaction, "reference_number", 100, param="transaction[reference_number]")
        amount = found["amount_due"] if amount is None else amount
        payment = self._pay(found, amount, "success")
        date = self._integer(transaction, "date", param="transaction[date]")
        payment["txn_date"] = payment["txn_date"] if date is None else date
        offline = {name: transaction[name] for name in _OFFLINE if name in transaction}
        self.paid_by[payment["txn_id"]] = offline | {"gateway": "not_applicable"}
        self._note("recorded", found, amount)
        return self._with_transaction(found, payment)

    def _with_transaction(self, found: dict[str, Any], payment: Mapping[str, Any]) -> Response:
        return self.json({"invoice": self._shown(found), "transaction": self._transaction(found, payment)})

    def _transaction(self, found: Mapping[str, Any], payment: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": payment["txn_id"],
            "customer_id": found["customer_id"],
            "type": "payment",
            "status": payment["txn_status"],
            "amount": payment["txn_amount"],
            "currency_code": found["currency_code"],
            "date": payment["txn_date"],
            **self.facts(payment),
            "object": "transaction",
        }

    def facts(self, payment: Mapping[str, Any]) -> dict[str, Any]:
        """Return the method of a payment, which its invoice does not show."""
        return self.paid_by.get(payment["txn_id"], dict(_ONLINE))

    def _withdrawable(self, found: Mapping[str, Any], action: str) -> None:
        paid = any(row["txn_status"] in {"success", "in_progress"} for row in found["linked_payments"])
        if paid or found["amount_adjusted"]:
            raise self._wrong_state(found, action)

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: issued invoices without payments."""
        given = self._params(call, "comment void_reason_code")
        found = self._find(invoice_id)
        if not self.allows("void", found["status"]):
            raise self._wrong_state(found, "voided")
        self._withdrawable(found, "voided")
        now = self.now_seconds()
        found |= {"status": "voided", "voided_at": now, "updated_at": now}
        found |= {name: given[name] for name in ("void_reason_code",) if name in given}
        self._note("voided", found)
        return self.json({"invoice": self._shown(found)})

    def write_off(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/write_off: becomes paid, with a write_off_amount and an adjustment credit note."""
        self._params(call, "comment")
        found = self._find(invoice_id)
        clearing = any(row["txn_status"] == "in_progress" for row in found["linked_payments"])
        if clearing or not self.allows("mark_uncollectible", found["status"]):
            raise self._wrong_state(found, "written off")
        now, given_up = self.now_seconds(), found["amount_due"]
        note = {
            "cn_id": self.next_id("CN-"),
            "cn_create_reason_code": "Write Off",
            "cn_date": now,
            "cn_total": given_up,
            "cn_status": "adjusted",
            "object": "adjustment_credit_note",
        }
        found["adjustment_credit_notes"].append(note)
        found |= self._balanced(found) | {
            "status": "paid",
            "write_off_amount": given_up,
            "paid_at": now,
            "updated_at": now,
        }
        self._note("written_off", found)
        credit = {
            "id": note["cn_id"],
            "customer_id": found["customer_id"],
            "reference_invoice_id": found["id"],
            "type": "adjustment",
            "status": "adjusted",
            "create_reason_code": "Write Off",
            "total": given_up,
            "currency_code": found["currency_code"],
            "date": now,
            "object": "credit_note",
        }
        return self.json({"invoice": self._shown(found), "credit_note": credit})

    def delete(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/delete: pending, voided or unpaid invoices; from then on only listed, with include_deleted."""
        self._params(call, "comment claim_credits")
        found = self._find(invoice_id)
        if not self.allows("delete", found["status"]) and found["status"] not in _DELETES_TOO:
            raise self._wrong_state(found, "deleted")
        self._withdrawable(found, "deleted")
        found |= {"deleted": True, "updated_at": self.now_seconds()}
        self._note("deleted", found)
        return self.json({"invoice": self._shown(found)})

    def update_details(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/update_details: addresses, VAT number, PO number and custom fields."""
        names = "po_number comment vat_number vat_number_prefix"
        given = self._params(
            call, names, billing_address=_ADDRESS, shipping_address=_ADDRESS, statement_descriptor="descriptor"
        )
        found = self._find(invoice_id)
        self._text(given, "po_number", 100)
        found |= {name: value for name, value in given.items() if name != "comment"}
        found["updated_at"] = self.now_seconds()
        self.happened("updated", found["id"])
        return self.json({"invoice": self._shown(found)})

    def invoice_unbilled(self, call: IncomingRequest) -> Response:
        """POST /unbilled_charges/invoice_unbilled_charges: all of a subscription's, an invoice per currency."""
        given = self._params(call, "subscription_id customer_id")
        subscription = self.subscriptions.get(given.get("subscription_id", ""))
        if subscription is None:  # by customer_id only with consolidated invoicing, which this site does not have
            message = f"subscription_id : {given.get('subscription_id')} not found"
            raise self._refuse(message, status=404, code="resource_not_found", param="subscription_id")
        rows = [row for row in self.unbilled.values() if row["subscription_id"] == subscription["id"]]
        if not rows:
            raise self._refuse("There are no unbilled charges", code="invalid_request")
        customer, made = self.customers[subscription["customer_id"]], []
        for currency in dict.fromkeys(row["currency_code"] for row in rows):
            mine = [row for row in rows if row["currency_code"] == currency]
            lines = [self._accrued_line(row) for row in mine]
            found = self._new(
                customer["id"],
                currency,
                lines,
                terms=customer["net_term_days"],
                date=None,
                auto_collection=subscription["auto_collection"],
                source=self._source({}, customer),
            )
            found |= {"subscription_id": subscription["id"], "recurring": True} | self._inherited()
            self._issue(found, call, first=True)
            made.append(self._shown(found))
        for row in rows:
            del self.unbilled[row["id"]]
        return self.json({"invoices": made})

    def _inherited(self) -> dict[str, str]:
        """Return what an invoice inherits from its subscription (chargebee 3.29.0, Subscription.po_number)."""
        return {"po_number": "PO-CUSTOMER-7"} if self.switches["subscription_order"] else {}

    def _accrued_line(self, row: Mapping[str, Any]) -> dict[str, Any]:
        line = self._line({"amount": str(row["amount"]), "description": row["description"]}, "")
        kept = ("id", "date_from", "date_to", "subscription_id", "entity_type")
        return line | {name: row[name] for name in kept}

    def _shown(self, found: dict[str, Any], start: int = 0, limit: int | None = None) -> dict[str, Any]:
        rows, end = found["line_items"], start + (limit or self.lines_per_page)
        shown = {name: value for name, value in found.items() if not name.startswith("_")}
        shown |= {"line_items": rows[start:end], "resource_version": found["updated_at"] * 1000}
        if found["_failed"]:  # a declined payment is listed among the others, with the amount that it attempted
            payments = [*found["_failed"], *found["linked_payments"]]
            shown["linked_payments"] = sorted(payments, key=lambda row: int(row["applied_at"]))
        if found["status"] != "payment_due":
            shown.pop("next_retry_at", None)
        return shown | ({"line_items_next_offset": str(end)} if end < len(rows) else {})
