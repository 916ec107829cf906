"""The transition and the refusals of each verb on Whop's invoices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.whop.emulator.documents import WhopDocuments


class WhopTransitions(WhopDocuments):
    """The verbs, on the documents."""

    def _issue(self, found: dict[str, Any], *, declined: bool) -> None:
        found["status"] = "open"
        self._note("issued", found)
        if found["given"]["collection_method"] == "send_invoice":
            self._note("mailed", found)
        elif not declined:
            self._pay(found)

    def delete(self, call: IncomingRequest, invoice_id: str) -> Response:
        """DELETE /invoices/{id}: drafts only; answers a bare true."""
        del call
        if not self.allows("delete", self._find(invoice_id)["status"]):
            raise self._state("Only draft invoices can be deleted")
        del self.invoices[invoice_id]
        return self.json(True)

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: open invoices, for good."""
        return self._move(call, invoice_id, "void", "void", "voided")

    def mark_paid(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/mark_paid: a payment made elsewhere; the invoice shows no payment."""
        return self._move(call, invoice_id, "mark_paid", "paid", "recorded")

    def mark_uncollectible(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/mark_uncollectible: open invoices."""
        return self._move(call, invoice_id, "mark_uncollectible", "uncollectible", "written_off")

    def resend(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/resend: mails an open invoice again."""
        return self._move(call, invoice_id, "send_invoice", "open", "mailed")

    def _move(self, call: IncomingRequest, invoice_id: str, verb: str, becomes: str, event: str) -> Response:
        del call
        found = self._find(invoice_id)
        status = self._status(found)
        if not self.allows(verb, status):
            raise self._state(f"The invoice is {status}; only open invoices can be changed like this")
        found["status"] = becomes
        self._touch(found)
        self._note(event, found)
        return self.json(True)

    def settle(self, invoice_id: str, *, clearing: bool = False) -> None:
        """Let the customer pay online; while a bank payment is clearing the invoice stays open."""
        found = self._find(invoice_id)
        if clearing:
            found["payment_processing"] = True
        else:
            self._pay(found)
        self._touch(found)

    def _taxed(self, amount: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """Return a payment's total after discounts, and the tax in it if the account collects tax.

        whop-sdk 2.6.0, Payment.total: "the price after discounts, plus any tax added on top".
        """
        price = Money.parse(amount["amount"], amount["currency"].upper())
        if self.switches["promotes"]:
            price = Money(price.minor - price.minor * self.promo_percent // 100, price.currency)
            amount = {**amount, "amount": f"{price.major:f}"}
        if not self.switches["collects_tax"]:
            return amount, None
        within = self.switches["tax_inclusive"]
        minor = price.minor * self.tax_percent // (100 + self.tax_percent if within else 100)
        total = price.minor if within else price.minor + minor
        write = {name: f"{Money(units, price.currency).major:f}" for name, units in (("total", total), ("tax", minor))}
        return {**amount, "amount": write["total"]}, {**amount, "amount": write["tax"]}

    def _with_fee(self, amount: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the price with the buyer's fee, if the bill asks for it; it is assumed to join the payment."""
        if given.get("charge_buyer_fee") is not True:
            return amount
        price = Money.parse(amount["amount"], amount["currency"].upper())
        whole = Money(price.minor + price.minor * self.buyer_fee_percent // 100, price.currency)
        return {**amount, "amount": f"{whole.major:f}"}

    def _charged_method(self, given: Mapping[str, Any]) -> str | None:
        """Return the method that a bill names; none is stored for a customer's online payment.

        The SDK writes that Payment.payment_method_id begins with payt_, where a bill names pmt_…: not confirmed.
        """
        if given["collection_method"] != "charge_automatically":
            return None
        names = ("payment_method_id", "payment_token_id")
        ordered = names if self.switches["payment_method_wins"] else names[::-1]
        return next((given[name] for name in ordered if given.get(name)), None)

    def _pay(self, found: dict[str, Any]) -> None:
        plan = self.plans[found["plan_id"]]
        amount, now = self._with_fee(plan["initial_price_due"], found["given"]), self._now()
        total, tax = self._taxed(amount)
        zero = {**amount, "amount": f"{Money.zero(amount['currency'].upper()).major:f}"}
        payment_id = self.next_id("pay_")
        self.payments[payment_id] = {  # whop-sdk 2.6.0, Payment
            "id": payment_id,
            "account_id": self.account,
            "status": "paid",
            "substatus": "succeeded",
            "currency": amount["currency"],
            "subtotal": amount,
            "total": total,
            "amount_after_fees": total,
            "tax_amount": tax,
            "tax_behavior": tax and ("inclusive" if self.switches["tax_inclusive"] else "exclusive"),
            "tax_refunded_amount": zero,
            "promo_code_id": self.promo_code if self.switches["promotes"] else None,
            "refunded_amount": zero,
            "paid_at": now,
            "created_at": now,
            "updated_at": now,
            "last_payment_attempt_at": now,
            "next_payment_attempt_at": None,
            "payment_method_id": self._charged_method(found["given"]),
            "payment_method_type": "card",
            "member_id": found["given"].get("member_id"),
            "membership_id": None,
            "plan_id": found["plan_id"],
            "product_id": found["product"]["id"],
            "auto_refunded": False,
            "holds": [],
            "line_items": [],
            "payment_rule_matches": [],
            "payments_failed": 0,
            "refundable": True,
            "retryable": False,
            "three_ds_verified": False,
            "voidable": False,
        }
        found |= {"status": "paid", "payment": {"id": payment_id}, "payment_processing": False}
        self._note("collected", found)
