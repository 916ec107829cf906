"""The transition and the refusals of each verb on Stripe's invoices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import ErrorResponse, IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.emulator.documents import StripeDocuments
from invoice_bridge.providers.stripe.tables import (
    MINIMUM_CHARGE,
    REFERENCE_KEY,
)

_PAY = "expand forgive mandate off_session paid_out_of_band payment_method source"
_DECLINES: Mapping[str, str] = {
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
    "pm_card_visa_chargeDeclinedStolenCard": "stolen_card",
    "pm_card_chargeDeclinedFraudulent": "fraudulent",
    "pm_card_chargeCustomerFail": "generic_decline",
}
"""Test payment methods that decline (docs.stripe.com/testing, declined payments)."""
_NOT_OPEN = "You can only pass in open invoices. This invoice isn't open."


class StripeTransitions(StripeDocuments):
    """The verbs, on the documents."""

    def begin_payment(self, invoice_id: str) -> None:
        """Start a bank payment of an open invoice; `expand` shows it, the invoice itself does not."""
        intent = {"id": self.next_id("pi_"), "object": "payment_intent", "status": "processing"}
        payment = {"type": "payment_intent", "payment_intent": intent}
        row = {"id": self.next_id("inpay_"), "object": "invoice_payment", "status": "open", "payment": payment}
        self.invoices[invoice_id]["payments"].append(row)

    def add_payment(self, found: dict[str, Any], kind: str, paying: dict[str, Any], amount: int) -> dict[str, Any]:
        """Add a payment to an invoice; it is not paid yet."""
        row = {
            "id": self.next_id("inpay_"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": amount,
            "created": self.now_seconds(),
            "currency": found["currency"],
            "invoice": found["id"],
            "is_default": not found["payments"],
            "livemode": False,
            "payment": {"type": kind, kind: paying},
            "status": "open",
            "status_transitions": {"paid_at": None, "canceled_at": None},
        }
        found["payments"].append(row)
        return row

    def charge_of(self, intent: Mapping[str, Any]) -> dict[str, Any]:
        """Make the charge of a successful intent, with nothing refunded."""
        facts = {"amount": intent["amount"], "amount_refunded": 0, "currency": intent["currency"]}
        return {"id": self.next_id("ch_"), "object": "charge", **facts}

    def _add_collected(self, found: dict[str, Any], method: str) -> None:
        """Add the payment by which Stripe collected the whole remaining amount."""
        amount = found["amount_remaining"]
        intent = {"id": self.next_id("pi_"), "object": "payment_intent", "amount": amount, "status": "succeeded"}
        intent |= {"currency": found["currency"], "metadata": {}, "payment_method": method, "amount_received": amount}
        intent["latest_charge"] = self.charge_of(intent)
        self.intents[intent["id"]] = intent
        row = self.add_payment(found, "payment_intent", intent, amount)
        row |= {"status": "paid", "amount_paid": amount}
        row["status_transitions"] = {"paid_at": self.now_seconds(), "canceled_at": None}

    def _becomes(self, found: dict[str, Any], status: str, moment: str, event: str = "", **more: Any) -> Response:
        found.pop("status_details", None)  # present only while it is uncollectible (since endive)
        found |= {"status": status, **more}
        found["status_transitions"][moment] = self.now_seconds()
        if event:
            self.enter_invoice(event, found)
        return self._ok(self._shown(found))

    def enter_invoice(self, event: str, found: dict[str, Any]) -> None:
        """Record an event of an invoice in the ledger."""
        reference = found["metadata"].get(REFERENCE_KEY)
        self.record(event, found["id"], found["customer"], found["total"], found["currency"], reference)

    def record_part(self, event: str, found: Mapping[str, Any], amount: int) -> None:
        """Record an event of a part of an invoice's money in the ledger."""
        reference = found["metadata"].get(REFERENCE_KEY)
        self.record(event, found["id"], found["customer"], amount, found["currency"], reference)

    def _issue(self, found: dict[str, Any]) -> None:
        if not found["rows"] and not self.switches["finalize_empty"]:
            raise self._refuse("Nothing to invoice for customer", code="invoice_no_customer_line_items")
        customer, url = self.customers[found["customer"]], f"https://invoice.example.test/{found['id']}"
        if found["number"] is None:
            found["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
            customer["next_invoice_sequence"] += 1
        found |= {"hosted_invoice_url": url, "invoice_pdf": f"{self.links}/{found['id']}/pdf"}
        found["effective_at"] = found["effective_at"] or self.now_seconds()
        self._total(found)
        self._settle_balance(found, customer)
        self._becomes(found, "open", "finalized_at", "issued")
        if found["amount_due"] == 0:
            self._becomes(found, "paid", "paid_at", attempted=True)
            self.happened("settled", found["id"])

    def _settle_balance(self, found: dict[str, Any], customer: dict[str, Any]) -> None:
        """Apply the customer's balance, as finalizing does; an amount below the minimum charge moves to it."""
        due = found["amount_due"]
        if found["total"] > 0:
            if applied := due - found["total"]:  # above zero what was owed is billed, below it a credit is used up
                self.record_part("balance_applied", found, applied)
            customer["balance"] = min(found["total"] + found["starting_balance"], 0)
        elif found["total"] < 0:  # a credit of the customer, which the next invoice uses up
            customer["balance"] += found["total"]
            self.record_part("carried_over", found, found["total"])
        least = MINIMUM_CHARGE.get(found["currency"].upper(), 0)
        if self.switches["minimum_charge"] and 0 < due < least:
            customer["balance"] = due
            self.record_part("carried_over", found, due)  # the next invoice bills it
            found |= {"amount_due": 0, "amount_remaining": 0}
        found["ending_balance"] = customer["balance"]

    def finalize(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/finalize: draft → open, or paid if nothing is due."""
        given = self._params(call, "auto_advance expand")
        found = self._find(invoice_id)
        if not self.allows("finalize", found["status"]):
            raise self._refuse("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
        if "auto_advance" in given:
            found["auto_advance"] = given["auto_advance"] == "true"
        self._issue(found)
        return self._ok(self._shown(found))

    def pay(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/pay: collects, or records a payment made elsewhere; finalizes a draft in the same call."""
        given = self._params(call, _PAY)
        found = self._find(invoice_id)
        # Stripe finalizes a draft in the same call, but none of our flows asks for it
        if found["status"] != "draft" and not self.allows("pay", found["status"]):
            raise self._refuse(
                "Invoice is already paid" if found["status"] == "paid" else "This invoice can no longer be paid"
            )
        chosen = given.get("payment_method") or found["default_payment_method"] or self._default_of(found["customer"])
        method = chosen or "pm_card_of_the_customer"
        elsewhere = given.get("paid_out_of_band") == "true"
        if not elsewhere and not re.fullmatch(r"(pm|card|src|ba)_\w+", method):
            raise self._missing("PaymentMethod", method, "payment_method")
        if not elsewhere:
            self._usable(method, found["customer"])
        if not elsewhere and (code := self._decline(method)) is not None:
            self.happened("payment_failed", invoice_id)
            raise self.declined(code)
        if found["status"] == "draft":
            self._issue(found)
        if found["status"] == "paid":  # nothing was due
            return self._ok(self._shown(found))
        if not elsewhere:
            self._add_collected(found, method)
        self.record_part("recorded" if elsewhere else "collected", found, found["amount_remaining"])
        tried = {} if elsewhere else {"attempted": True, "attempt_count": found["attempt_count"] + 1}
        paid = {"amount_paid": found["amount_due"], "amount_remaining": 0, "auto_advance": False} | tried
        return self._becomes(found, "paid", "paid_at", **paid)

    def declined(self, code: str) -> ErrorResponse:
        """Return the refusal of a card (docs.stripe.com/declines/codes)."""
        facts = {"code": "card_declined", "decline_code": code}
        return self._refuse("Your card was declined.", status=402, kind="card_error", **facts)

    def _default_of(self, customer_id: str) -> str | None:
        settings: Mapping[str, Any] = self.customers[customer_id].get("invoice_settings") or {}
        return settings.get("default_payment_method")

    def _usable(self, method: str, customer: str) -> None:
        """Refuse a method that is not the customer's; methods.py knows the attached ones."""

    def _decline(self, method: str) -> str | None:
        """Return why a payment method declines: Stripe's test methods (docs.stripe.com/testing), and any "declined"."""
        if "declined" in method:
            return "generic_decline"
        return _DECLINES.get(method)

    def send(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/send: mails an open invoice; finalizes a draft."""
        self._params(call, "expand")
        found = self._find(invoice_id, "invoice")
        if found["status"] != "draft" and not self.allows("send_invoice", found["status"]):  # a draft: as in pay
            raise self._refuse("This invoice cannot be sent right now.")
        if found["collection_method"] != "send_invoice" and not self.switches["send_any_method"]:
            raise self._refuse("You can only manually send an invoice if its collection method is 'send_invoice'.")
        if found["status"] == "draft":
            self._issue(found)
        self.enter_invoice("mailed", found)
        return self._ok(self._shown(found))

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: keeps amount_due and amount_remaining as they were."""
        self._params(call, "expand")
        found = self._find(invoice_id)
        if not self.allows("void", found["status"]):
            paid = "Invoices with `paid` payments cannot be voided."
            raise self._refuse(paid if found["status"] == "paid" else _NOT_OPEN)
        return self._becomes(found, "void", "voided_at", "voided")

    def mark_uncollectible(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/mark_uncollectible: open invoices only."""
        self._params(call, "expand")
        found = self._find(invoice_id)
        if not self.allows("mark_uncollectible", found["status"]):
            again = "This invoice has already been marked uncollectible."
            raise self._refuse(again if found["status"] == "uncollectible" else _NOT_OPEN)
        details = {"uncollectible": {"reason": "user_forgiven"}}  # which reason: not confirmed
        return self._becomes(found, "uncollectible", "marked_uncollectible_at", "written_off", status_details=details)
