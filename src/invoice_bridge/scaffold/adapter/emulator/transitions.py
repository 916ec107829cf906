"""The verbs of Acme's emulator: their changes to an invoice, and their refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter import IncomingRequest
from invoice_bridge.core.wire import Response

from ..tables import STATUSES
from .documents import AcmeDocuments, stamp


class AcmeTransitions(AcmeDocuments):
    """The verbs that change the documents."""

    def _allowed(self, verb: str, invoice_id: str) -> dict[str, Any]:
        document = self._find(invoice_id)
        if not self.allows(verb, document["status"]):
            allowed = " or ".join(row.native for row in STATUSES if row.status in self.transitions[verb].allowed)
            raise self._refuse(409, "wrong_state", f"The invoice is {document['status']}, not {allowed}")
        return document

    def _note(self, event: str, document: Mapping[str, Any]) -> None:
        self.record(
            event, document["id"], document["customer"], document["total"], document["currency"], document["ref"]
        )

    def finalize(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/finalize: draft → open; mailed if its collection is mail (docs.acme.test/invoices/finalize)."""
        self._body(call, {})
        document, now = self._allowed("finalize", invoice_id), self.clock()
        document |= {"status": "open", "finalized": stamp(now)}
        if "due_days" in document:
            document["due"] = stamp(now + timedelta(days=document["due_days"]))
        self._note("issued", document)
        if document["collection"] == "mail":
            self._note("mailed", document)
        return self.json(document)

    def pay(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/pay: collects all, from the given method or the customer's default (docs.acme.test/invoices/pay)."""
        params, document = self._body(call, {"payment_method": str}), self._allowed("pay", invoice_id)
        method = params.get("payment_method") or document.get("payment_method") or self.payment_method
        if method != self.payment_method:
            raise self._refuse(402, "declined", "The payment was declined", "payment_method")
        document |= {"status": "paid", "paid": document["total"], "left": 0, "settled": stamp(self.clock())}
        document["payment_method"] = method
        self._note("collected", document)
        return self.json(document)

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: open → void (docs.acme.test/invoices/void)."""
        self._body(call, {})
        document = self._allowed("void", invoice_id)
        document["status"] = "void"
        self._note("voided", document)
        return self.json(document)
