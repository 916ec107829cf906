"""Refunds of Whop's payments, on the documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest, count_in
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.whop.emulator.documents import names
from invoice_bridge.providers.whop.emulator.transitions import WhopTransitions
from invoice_bridge.providers.whop.tables import METADATA_LENGTH

_LIST = names(  # whop-sdk 2.6.0, RawRefundsClient.list
    "account_id after before created_after created_before direction first last order payment_id user_id"
)
_KEYS, _KEY_LENGTH = 50, 100
_LARGEST_PAGE = 100  # the largest page is not published
_FAILS = "pmt_unrefundable"
_FAILED = {"failed", "canceled"}


class WhopRepayments(WhopTransitions):
    """What gives back what a payment collected."""

    # ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def refund(self, call: IncomingRequest, payment_id: str) -> Response:
        """POST /payments/{id}/refund: all that is left of a payment, or a part; mails the buyer.

        Of the method "pmt_unrefundable" the processor fails every refund.
        """
        self._permit("payment:manage")  # docs.whop.com/api-reference/legacy/payments/refund-payment
        given = self._body(call, ["metadata", "partial_amount"])
        if payment_id not in self.payments:
            raise self._refuse("No such payment", status=404, kind="not_found")
        payment = self.payments[payment_id]
        metadata = self._metadata(given.get("metadata"))
        left = self._left(payment)
        amount = left
        if given.get("partial_amount") is not None:
            number = self._number(given["partial_amount"], "partial_amount")
            try:
                amount = Money.parse(number, left.currency)
            except ValueError:
                raise self._invalid("partial_amount", f"more decimals than {left.currency} has") from None
            if amount.minor <= 0:
                raise self._invalid("partial_amount", "must be more than zero")
        if not payment["refundable"]:
            raise self._state("This payment cannot be refunded")
        if amount.minor > left.minor:
            if not self.switches["too_much_refunds_rest"]:
                raise self._invalid("partial_amount", f"at most {left.major:f} can be refunded")
            amount = left
        refund_id = self.next_id("rf_")
        now, fails = self._now(), payment["payment_method_id"] == _FAILS
        refund = {  # whop-sdk 2.6.0, Refund
            "id": refund_id,
            "account_id": self.account,
            "amount": {**payment["total"], "amount": f"{amount.major:f}"},
            "original_amount": {**payment["total"], "amount": f"{amount.major:f}"},
            "created_at": now,
            "updated_at": now,
            "failure_message": None,
            "failure_reason": None,
            "metadata": metadata,
            "payment_id": payment_id,
            "provider": "stripe",
            "provider_created_at": now,
            "reason": None,
            "reference_status": None,
            "reference_type": None,
            "reference_value": None,
            "status": "pending",
            "visa_rdr": False,
        }
        self.refunds.append(refund)
        invoice = self._invoice_of(payment_id)
        if invoice is not None:
            self._note("mailed", invoice)
        if fails or not self.switches["refunds_pend"]:
            self.end_refund(refund_id, "failed" if fails else "succeeded")
        self._count(payment)
        return self.json(payment)

    def end_refund(self, refund_id: str, status: str) -> None:
        """Let a pending refund end as "succeeded", "failed" or "canceled"."""
        refund = next(row for row in self.refunds if row["id"] == refund_id)
        reason = "not_refundable" if status in _FAILED else None
        refund |= {"status": status, "updated_at": self._now(), "failure_reason": reason}
        self._count(self.payments[refund["payment_id"]])
        invoice = self._invoice_of(refund["payment_id"])
        if status == "succeeded" and invoice is not None:
            plan, given = self.plans[invoice["plan_id"]], invoice["given"]
            amount = self._money(refund["amount"])
            customer = given.get("member_id") or given.get("email_address")
            self.record("refunded", invoice["id"], customer, amount.major, plan["currency"], plan["internal_notes"])

    def list_refunds(self, call: IncomingRequest) -> Response:
        """GET /refunds, newest first; the cursor stays filled on the last page."""
        self._permit("payment:basic:read")
        given: dict[str, str] = {}
        for name, value in call.query:
            if name not in _LIST:
                raise self._invalid(name, "unknown")
            given[name] = value
        if given.get("account_id", self.account) != self.account:
            raise self._refuse("The key has no access to this account", status=403, kind="forbidden")
        rows = [row for row in reversed(self.refunds) if given.get("payment_id") in {None, row["payment_id"]}]
        ids = [row["id"] for row in rows]
        before = 0
        if "after" in given:
            if given["after"] not in ids:
                raise self._invalid("after", "unknown cursor")
            before = ids.index(given["after"]) + 1
        first = count_in(given.get("first", "10"))
        shown = rows[before : before + (10 if first is None else min(first, _LARGEST_PAGE))]
        info = {
            "start_cursor": shown[0]["id"] if shown else None,
            "end_cursor": shown[-1]["id"] if shown else None,
            "has_next_page": before + len(shown) < len(rows),
            "has_previous_page": before > 0,
        }
        return self.json({"data": shown, "page_info": info})

    # ── amounts ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @staticmethod
    def _money(stated: Mapping[str, Any]) -> Money:
        return Money.parse(stated["amount"], stated["currency"].upper())

    def _of(self, payment: Mapping[str, Any], *statuses: str) -> Money:
        total = Money.zero(payment["currency"].upper())
        for row in self.refunds:
            if row["payment_id"] == payment["id"] and row["status"] in statuses:
                total += self._money(row["amount"])
        return total

    def _left(self, payment: Mapping[str, Any]) -> Money:
        return self._money(payment["total"]) - self._of(payment, "succeeded", "pending", "requires_action")

    def _count(self, payment: dict[str, Any]) -> None:
        """Write into a payment what its refunds have given back of it."""
        counted = ("succeeded", "pending") if self.switches["pending_is_refunded"] else ("succeeded",)
        refunded, now = self._of(payment, *counted), self._now()
        whole = refunded == self._money(payment["total"])
        payment |= {
            "refunded_amount": {**payment["total"], "amount": f"{refunded.major:f}"},
            "refunded_at": now if refunded.minor else None,
            "refundable": self._left(payment).minor > 0,
            "substatus": "refunded" if whole else "partially_refunded" if refunded.minor else "succeeded",
            "updated_at": now,
        }

    def _metadata(self, given: Any) -> dict[str, Any]:
        if given is None:
            return {}
        if not isinstance(given, dict) or len(given) > _KEYS:
            raise self._invalid("metadata", f"an object of {_KEYS} keys at most")
        for key, value in given.items():
            if len(key) > _KEY_LENGTH or (isinstance(value, str) and len(value) > METADATA_LENGTH):
                raise self._invalid(f"metadata.{key[:_KEY_LENGTH]}", "too long")
        return given

    def _invoice_of(self, payment_id: str) -> dict[str, Any] | None:
        paid = (row for row in self.invoices.values() if (row["payment"] or {}).get("id") == payment_id)
        return next(paid, None)
