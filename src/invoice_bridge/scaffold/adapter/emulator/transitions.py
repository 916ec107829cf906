"""What each verb does to an invoice of Acme's, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter import IncomingRequest
from invoice_bridge.core.wire import Response

from ..tables import STATUSES
from .documents import AcmeDocuments, stamp


class AcmeTransitions(AcmeDocuments):
    """The verbs, on the documents."""

    def _allowed(self, verb: str, invoice_id: str) -> dict[str, Any]:
        found = self._find(invoice_id)
        if not self.allows(verb, found["status"]):
            wanted = " or ".join(row.native for row in STATUSES if row.status in self.transitions[verb].allowed)
            raise self._refuse(409, "wrong_state", f"The invoice is {found['status']}, not {wanted}")
        return found

    def _note(self, event: str, found: Mapping[str, Any]) -> None:
        self.record(event, found["id"], found["customer"], found["total"], found["currency"], found["ref"])

    def finalize(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/finalize: draft → open; mailed where the draft says so (docs.acme.test/invoices/finalize)."""
        self._body(call, {})
        found, now = self._allowed("finalize", invoice_id), self.clock()
        found |= {"status": "open", "finalized": stamp(now)}
        if "due_days" in found:
            found["due"] = stamp(now + timedelta(days=found["due_days"]))
        self._note("issued", found)
        if found["collection"] == "mail":
            self._note("mailed", found)
        return self.json(found)

    def pay(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/pay: collects all of it, from the method given or the customer's own (docs.acme.test/invoices/pay)."""
        given, found = self._body(call, {"payment_method": str}), self._allowed("pay", invoice_id)
        method = given.get("payment_method") or found.get("payment_method") or self.payment_method
        if method != self.payment_method:
            raise self._refuse(402, "declined", "The payment was declined", "payment_method")
        found |= {"status": "paid", "paid": found["total"], "left": 0, "settled": stamp(self.clock())}
        found["payment_method"] = method
        self._note("collected", found)
        return self.json(found)

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: open → void (docs.acme.test/invoices/void)."""
        self._body(call, {})
        found = self._allowed("void", invoice_id)
        found["status"] = "void"
        self._note("voided", found)
        return self.json(found)
