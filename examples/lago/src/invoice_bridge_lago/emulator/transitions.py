"""The verbs of Lago's emulator: their changes to an invoice, and their refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter import IncomingRequest
from invoice_bridge.core.wire import Response

from ..tables import IN_PAYMENT, METADATA_COUNT
from .documents import LagoDocuments, stamp

_PAYMENT_STATUSES = ("pending", "succeeded", "failed")


class LagoTransitions(LagoDocuments):
    """The verbs that change the documents."""

    def _note(self, event: str, document: Mapping[str, Any]) -> None:
        reference = document["purchase_order_number"] if document["invoice_type"] == "one_off" else None
        customer = document["customer"]["external_id"]
        self.record(
            event, document["lago_id"], customer, document["total_amount_cents"], document["currency"], reference
        )

    @staticmethod
    def _word(document: Mapping[str, Any]) -> str:
        """Return the status as in the table of statuses, joined with the payment status if finalized."""
        status = document["status"]
        return f"{status}/{document['payment_status']}" if status == "finalized" else str(status)

    def _issue(self, document: dict[str, Any]) -> None:
        document["status"] = "finalized"
        self._note("issued", document)
        if self.switches["mails"]:
            self._note("mailed", document)

    def _collect(self, document: dict[str, Any], method: str) -> None:
        if not self.switches["pays_at_once"]:
            self.in_payment.add(document["lago_id"])
            return
        document["payment_status"] = "failed" if "declined" in method else "succeeded"
        if document["payment_status"] == "succeeded":
            self._note("collected", document)

    def finalize(self, call: IncomingRequest, invoice_id: str) -> Response:
        """PUT …/finalize: only drafts; any other invoice is "not found" (lago-api, invoices_controller.rb)."""
        del call
        document = self._find(invoice_id)
        if not self.allows("finalize", self._word(document)):
            raise self._not_found("invoice")
        self._issue(document)
        self._collect(document, self.payment_method or "")
        return self._answer_with(document)

    def retry_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/retry_payment: an empty answer (lago-api, payments/retry_service.rb; lago-openapi for the method)."""
        params = self._body(call, None, ("payment_method",)).get("payment_method") or {}
        params = self._checked(params, ("payment_method_type", "payment_method_id"))
        document = self._find(invoice_id)
        if not self.allows("pay", self._word(document)):
            raise self._not_allowed("invalid_status")
        if invoice_id in self.in_payment:
            raise self._not_allowed(IN_PAYMENT)
        self._collect(document, params.get("payment_method_id") or self.payment_method or "")
        return Response(200, b"", {"content-type": "text/html"})

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: finalized and not paid (getlago.com/docs/api-reference/invoices/void)."""
        del call
        document = self._find(invoice_id)
        word = self._word(document)
        is_paid = word == "finalized/succeeded" and self.switches["voids_paid"]  # our flow never voids a paid one
        if not self.allows("void", word) and not is_paid:
            raise self._not_allowed("not_voidable")
        document |= {"status": "voided", "voided_at": stamp(self.clock()), "payment_overdue": False}
        self._note("voided", document)
        return self._answer_with(document)

    def update(self, call: IncomingRequest, invoice_id: str) -> Response:
        """PUT /invoices/{id}: the payment status and the metadata, except of a void invoice (lago-openapi)."""
        params, document = self._body(call, "invoice", ("payment_status", "metadata")), self._find(invoice_id)
        if not self.allows("update", self._word(document)):
            raise self._not_allowed("not_updatable")
        if "payment_status" in params:
            if params["payment_status"] not in _PAYMENT_STATUSES:
                raise self._invalid("payment_status", "value_is_invalid")
            if params["payment_status"] == "succeeded" != document["payment_status"]:
                self._note("recorded", document)
            document["payment_status"] = params["payment_status"]
        if "metadata" in params:
            document["metadata"] = self._metadata(document, params["metadata"])
        document["updated_at"] = stamp(self.clock())
        return self._answer_with(document)

    def _metadata(self, document: Mapping[str, Any], rows: Any) -> list[dict[str, Any]]:
        """Change entries with a known id, add the others, delete those omitted (metadata/update_service.rb)."""
        known = {row["lago_id"]: row for row in document["metadata"]}
        entries: list[dict[str, Any]] = []
        for row in rows:
            params = self._checked(row, ("id", "key", "value"))
            key, value = params.get("key"), params.get("value")
            if not key or len(key) > 20 or key in {entry["key"] for entry in entries}:
                raise self._invalid("key", "value_is_invalid")
            if not value or len(value) > 140:
                raise self._invalid("value", "value_is_invalid")
            before = known.get(params.get("id")) or {"lago_id": self._uuid(), "created_at": stamp(self.clock())}
            entries.append({**before, "key": key, "value": value})
        if len(entries) > METADATA_COUNT:
            raise self._invalid("metadata", "invalid_count")
        return entries
