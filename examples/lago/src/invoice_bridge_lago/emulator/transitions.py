"""What each verb does to an invoice of Lago's, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter import IncomingRequest
from invoice_bridge.core.wire import Response

from ..tables import IN_PAYMENT, METADATA_COUNT
from .documents import LagoDocuments, stamp

_PAYMENT_STATUSES = ("pending", "succeeded", "failed")


class LagoTransitions(LagoDocuments):
    """The verbs, on the documents."""

    def _note(self, event: str, document: Mapping[str, Any]) -> None:
        reference = document["purchase_order_number"] if document["invoice_type"] == "one_off" else None
        customer = document["customer"]["external_id"]
        self.record(
            event, document["lago_id"], customer, document["total_amount_cents"], document["currency"], reference
        )

    @staticmethod
    def _word(document: Mapping[str, Any]) -> str:
        """The status by both axes, as the table of statuses has it."""
        axis = document["status"]
        return f"{axis}/{document['payment_status']}" if axis == "finalized" else str(axis)

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
        """PUT …/finalize: drafts alone; another one is "not found" (lago-api, invoices_controller.rb)."""
        del call
        document = self._find(invoice_id)
        if not self.allows("finalize", self._word(document)):
            raise self._not_found("invoice")
        self._issue(document)
        self._collect(document, self.payment_method or "")
        return self._answer_with(document)

    def retry_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/retry_payment: an empty answer (lago-api, payments/retry_service.rb; lago-openapi for the method)."""
        given = self._body(call, None, ("payment_method",)).get("payment_method") or {}
        given = self._checked(given, ("payment_method_type", "payment_method_id"))
        document = self._find(invoice_id)
        if not self.allows("pay", self._word(document)):
            raise self._not_allowed("invalid_status")
        if invoice_id in self.in_payment:
            raise self._not_allowed(IN_PAYMENT)
        self._collect(document, given.get("payment_method_id") or self.payment_method or "")
        return Response(200, b"", {"content-type": "text/html"})

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: finalized and not paid (getlago.com/docs/api-reference/invoices/void)."""
        del call
        document = self._find(invoice_id)
        word = self._word(document)
        more = word == "finalized/succeeded" and self.switches["voids_paid"]  # more than our flow asks for
        if not self.allows("void", word) and not more:
            raise self._not_allowed("not_voidable")
        document |= {"status": "voided", "voided_at": stamp(self.clock()), "payment_overdue": False}
        self._note("voided", document)
        return self._answer_with(document)

    def update(self, call: IncomingRequest, invoice_id: str) -> Response:
        """PUT /invoices/{id}: whether it is paid, and its metadata; never of a void one (lago-openapi)."""
        given, document = self._body(call, "invoice", ("payment_status", "metadata")), self._find(invoice_id)
        if not self.allows("update", self._word(document)):
            raise self._not_allowed("not_updatable")
        if "payment_status" in given:
            if given["payment_status"] not in _PAYMENT_STATUSES:
                raise self._invalid("payment_status", "value_is_invalid")
            if given["payment_status"] == "succeeded" != document["payment_status"]:
                self._note("recorded", document)
            document["payment_status"] = given["payment_status"]
        if "metadata" in given:
            document["metadata"] = self._metadata(document, given["metadata"])
        document["updated_at"] = stamp(self.clock())
        return self._answer_with(document)

    def _metadata(self, document: Mapping[str, Any], rows: Any) -> list[dict[str, Any]]:
        """Entries of a known id are changed, others made, those left out deleted (metadata/update_service.rb)."""
        known = {row["lago_id"]: row for row in document["metadata"]}
        made: list[dict[str, Any]] = []
        for row in rows:
            given = self._checked(row, ("id", "key", "value"))
            key, value = given.get("key"), given.get("value")
            if not key or len(key) > 20 or key in {one["key"] for one in made}:
                raise self._invalid("key", "value_is_invalid")
            if not value or len(value) > 140:
                raise self._invalid("value", "value_is_invalid")
            before = known.get(given.get("id")) or {"lago_id": self._uuid(), "created_at": stamp(self.clock())}
            made.append({**before, "key": key, "value": value})
        if len(made) > METADATA_COUNT:
            raise self._invalid("metadata", "invalid_count")
        return made
