"""Acme's emulator, complete: the requests that make, read and list invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from invoice_bridge.adapter import IncomingRequest
from invoice_bridge.core.wire import Response

from ..tables import MONEY
from .documents import stamp
from .transitions import AcmeTransitions

_PARAMS = {
    "ref": str,
    "customer": str,
    "currency": str,
    "lines": list,
    "note": str,
    "footer": str,
    "labels": dict,
    "collection": str,
    "due": str,
    "due_days": int,
    "payment_method": str,
}
_COLLECTIONS = ("none", "mail", "charge")
_FILTERS = ("limit", "customer", "status", "cursor")


class AcmeEmulator(AcmeTransitions):
    """Acme's invoices. The customer "cus_42" exists, with the payment method "pm_42"; any other method declines."""

    ROUTES = (
        ("POST", "/invoices", "create"),
        ("GET", "/invoices", "list"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("POST", "/invoices/{id}/finalize", "finalize"),
        ("POST", "/invoices/{id}/pay", "pay"),
        ("POST", "/invoices/{id}/void", "void"),
    )

    def create(self, call: IncomingRequest) -> Response:
        """POST /invoices: always a draft (docs.acme.test/invoices/create)."""
        params = self._body(call, _PARAMS)
        for name in ("ref", "customer", "currency", "lines", "collection"):
            if not params.get(name):
                raise self._invalid(name, "is required")
        if params["customer"] not in self.customers:
            raise self._refuse(404, "not_found", "This customer does not exist", "customer")
        if params["currency"] not in MONEY.decimals:
            raise self._invalid("currency", "is not known")
        if params["collection"] not in _COLLECTIONS:
            raise self._invalid("collection", f"must be one of {', '.join(_COLLECTIONS)}")
        if params["collection"] == "mail" and ("due" in params) == ("due_days" in params):
            raise self._invalid("due", "or due_days is required to mail an invoice, not both")
        if len(params.get("note", "")) > 200 or len(params.get("labels", {})) > 20:
            raise self._invalid("note", "or labels are too long")
        lines = [self._line(line) for line in params["lines"]]
        total = sum(line["amount"] for line in lines)
        document = {
            "kind": "invoice",
            "id": self.next_id("inv_"),
            "status": "draft",
            "total": total,
            "paid": 0,
            "left": total,
            "created": stamp(self.clock()),
            "finalized": None,
            "settled": None,
            **params,
        }
        self.invoices[document["id"]] = document
        return self.json(document, 201)

    def retrieve(self, _call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}."""
        return self.json(self._find(invoice_id))

    def list(self, call: IncomingRequest) -> Response:
        """GET /invoices, newest first; `next` is the cursor of the next page (docs.acme.test/invoices/list)."""
        params = dict(call.query)
        if unknown := [name for name in params if name not in _FILTERS]:
            raise self._invalid(unknown[0], "is not a parameter")
        limit = params.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise self._invalid("limit", "must be between 1 and 100")
        rows = [
            row
            for row in reversed(self.invoices.values())
            if all(row[name] == params[name] for name in ("customer", "status") if name in params)
        ]
        first = self._place(rows, params["cursor"]) if "cursor" in params else 0
        after = first + int(limit)
        return self.json({"items": rows[first:after], "next": rows[after]["id"] if after < len(rows) else None})

    def _place(self, rows: Sequence[Mapping[str, Any]], cursor: str) -> int:
        for place, row in enumerate(rows):
            if row["id"] == cursor:
                return place
        raise self._invalid("cursor", "does not belong to this listing")
