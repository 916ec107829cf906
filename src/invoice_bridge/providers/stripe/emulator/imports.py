"""What imports of history need of Stripe's emulator: payment records, and what is not confirmed of old invoices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.emulator.payments import REPORT, StripePayments

_PAGING = "ending_before expand limit starting_after"
_REFUND = (
    "amount.currency amount.value expand failed failure_reason initiated_at metadata outcome "
    "processor_details.custom.refund_reference processor_details.type refunded.refunded_at"
)
_YEAR = 365 * 24 * 3600


class StripeImports(StripePayments):
    """Payment records with their listing and refunds, numbers, and dates that lie back."""

    SWITCHES = {  # noqa: RUF012 - a ClassVar of the base
        **StripePayments.SWITCHES,
        "number_unique": (True, "whether a number that another invoice has is refused; with which code: not confirmed"),
        "effective_at_back": (True, "whether effective_at may lie more than a year back"),
        "finalize_mails_send_invoice": (
            False,
            "whether finalizing a send_invoice invoice with auto_advance=false mails it: Stripe's pages differ",
        ),
        "record_mails": (False, "whether a payment record that is attached mails a receipt"),
        "record_amount_above_due": (False, "whether a payment record over more than is due can be attached"),
    }

    def _apply(self, found: dict[str, Any], given: Mapping[str, Any]) -> None:
        super()._apply(found, given)
        number = given.get("number")
        if number and self.switches["number_unique"]:
            others = [row for row in self.invoices.values() if row["id"] != found["id"]]
            if any(row["number"] == number for row in others):
                raise self._refuse(f"Invoice number '{number}' is already in use.", param="number")
        back = self._integer(given, "effective_at") if "effective_at" in given else None
        if back is not None and not self.switches["effective_at_back"] and back < self.now_seconds() - _YEAR:
            raise self._refuse("Invalid timestamp: it lies too far back", param="effective_at")

    def finalize(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/finalize; whether that mails a send_invoice invoice is a switch."""
        answer = super().finalize(call, invoice_id)
        found = self._find(invoice_id)
        if self.switches["finalize_mails_send_invoice"] and found["collection_method"] == "send_invoice":
            self.enter_invoice("mailed", found)
        return answer

    def report_payment(self, call: IncomingRequest) -> Response:
        """POST /v1/payment_records/report_payment: an amount above zero, and when it was guaranteed."""
        given = self._params(call, REPORT)
        value = self._integer(given.get("amount_requested") or {}, "value", "amount_requested[value]")
        if value is not None and value <= 0:
            raise self._refuse("Invalid positive integer", param="amount_requested[value]")
        if given.get("outcome") == "guaranteed" and "guaranteed_at" not in (given.get("guaranteed") or {}):
            name = "guaranteed[guaranteed_at]"
            raise self._refuse(f"Missing required param: {name}.", code="parameter_missing", param=name)
        return super().report_payment(call)

    def list_records(self, call: IncomingRequest) -> Response:
        """GET /v1/payment_records, newest first: by their time alone, not by customer, invoice or metadata."""
        given = self._params(call, f"{_PAGING} created_after created_before")
        after, before = (self._integer(given, name) for name in ("created_after", "created_before"))
        rows = [
            row
            for row in reversed(self.payment_records.values())
            if (after is None or row["created"] > after) and (before is None or row["created"] < before)
        ]
        return self._page(rows, given, "/v1/payment_records")

    def report_refund(self, call: IncomingRequest, record_id: str) -> Response:
        """POST /v1/payment_records/{id}/report_refund: given back elsewhere, at most what the payment was."""
        given = self._params(call, _REFUND)
        if record_id not in self.payment_records:
            raise self._missing("payment_record", record_id, "id", 404)
        record = self.payment_records[record_id]
        whole = record["amount_requested"]
        asked = given.get("amount") or whole
        before = (record.get("amount_refunded") or {}).get("value", 0)
        value = self._integer(asked, "value", "amount[value]") or 0
        if asked.get("currency") != whole["currency"] or value <= 0 or value > whole["value"] - before:
            raise self._refuse("The refund does not fit the payment", param="amount")
        record |= {"amount": whole, "amount_refunded": {**whole, "value": before + value}}
        return self._ok(record)

    def attach_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/attach_payment; what a record over more than is due does is a switch."""
        given = self._params(call, "expand payment_intent payment_record")
        record, found = self.payment_records.get(given.get("payment_record", "")), self.invoices.get(invoice_id)
        if record is not None and found is not None and found["status"] == "open":
            is_above = record["amount_requested"]["value"] > found["amount_remaining"]
            if is_above and not self.switches["record_amount_above_due"]:
                raise self._refuse("The payment record's amount is more than is due.", param="payment_record")
        answer = super().attach_payment(call, invoice_id)
        if record is not None and found is not None and self.switches["record_mails"]:
            self.enter_invoice("mailed", found)
        return answer
