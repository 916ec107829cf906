"""The transition and the refusals of each verb on ChargeAPI's invoices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargeapi.emulator.documents import ChargeApiDocuments, stamp
from invoice_bridge.providers.chargeapi.tables import REFERENCE_KEY


class ChargeApiTransitions(ChargeApiDocuments):
    """The verbs, on the documents."""

    def _note(self, event: str, found: Mapping[str, Any], units: int) -> None:
        reference = found["metadata"].get(REFERENCE_KEY)
        self.record(event, found["id"], found["fleet"], units, found["currency"], reference)

    def finalize(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/finalize: draft → open, its lines locked."""
        self._body(call, ())
        found = self._find(invoice_id)
        if not self.allows("finalize", found["status"]):
            raise self._wrong_state("finalize", found)
        self._issue(found)
        if self.switches["finalize_collects"] and self.fleets[found["fleet"]] is not None:
            self._collect(found, self.fleets[found["fleet"]])
        return self.json(self._shown(found))

    def _issue(self, found: dict[str, Any]) -> None:
        self.billed[found["id"]] = self._inside(found)
        if self.switches["finalize_taxes"]:
            found["amount_due"] += found["amount_due"] * self.tax_percent // 100
        found["status"] = "open"
        self._note("issued", found, found["amount_due"])

    def pay(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/pay: collects the whole balance, from the method given or the fleet's own."""
        given, found = self._body(call, ("payment_method",)), self._find(invoice_id)
        # only ChargeAPI itself would do this: none of our flows pays a draft
        if found["status"] == "draft" and self.switches["pays_drafts"]:
            self._issue(found)
        method = self._text(given, "payment_method") or self.fleets[found["fleet"]]
        if not self.allows("pay", found["status"]) or method is None:
            raise self._wrong_state("payment", found)
        if method not in {*self.methods, *self.fleets.values()}:
            message = "No such payment method"
            raise self._refuse(message, "payment_method_not_found", param="payment_method", status=404)
        if "declined" in method:
            raise self._refuse("The payment was declined", "payment_authorization_failed", status=402)
        self._collect(found, method)
        return self.json(self._shown(found))

    def _collect(self, found: dict[str, Any], method: str | None) -> None:
        self._note("collected", found, found["amount_due"])
        found |= {"status": "paid", "amount_paid": found["amount_due"], "amount_due": 0}
        found |= {"paid_at": stamp(self.clock()), "payment_method": method}

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: open invoices only, never a draft, a paid or a void one."""
        self._body(call, ())
        found = self._find(invoice_id)
        if not self.allows("void", found["status"]):
            raise self._wrong_state("void", found)
        found["status"] = "void"
        if self.switches["void_releases"]:
            self.billed.pop(invoice_id, None)
        self._note("voided", found, found["amount_due"])
        return self.json(self._shown(found))
