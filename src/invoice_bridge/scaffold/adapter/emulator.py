"""Acme in memory: the same rules, the same refusals. Each rule is a claim; say where your provider documents it.

What the documentation leaves open becomes a named entry of `SWITCHES`, so that tests can run it both ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from invoice_bridge.adapter.emulation.core import ErrorResponse, IncomingRequest, StoredResponse
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator import Emulator

from .tables import API_VERSION, KEY_HEADER, KEY_WINDOW, MONEY, NAME, STATUSES, TRANSITIONS

_PARAMS = {
    "ref": str,
    "customer": str,
    "currency": str,
    "lines": list,
    "note": str,
    "labels": dict,
    "collection": str,
    "due": str,
    "due_days": int,
    "payment_method": str,
}
_LINE_PARAMS = {
    "text": str,
    "quantity": int | Decimal,
    "unit_price": int,
    "amount": int,
    "from": str,
    "to": str,
}
_COLLECTIONS = ("none", "mail", "charge")
_FILTERS = ("limit", "customer", "status", "cursor")


class AcmeEmulator(Emulator):
    """Acme's invoices. The customer "cus_42" is there, with the payment method "pm_42"; "pm_declined" declines."""

    name = NAME
    key = "test_not_a_key"
    customer = "cus_42"
    payment_method = "pm_42"
    key_header = KEY_HEADER
    window = KEY_WINDOW
    statuses = STATUSES
    transitions = TRANSITIONS
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {}
    ROUTES = (
        ("POST", "/invoices", "create"),
        ("GET", "/invoices", "list"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("POST", "/invoices/{id}/finalize", "finalize"),
        ("POST", "/invoices/{id}/pay", "pay"),
        ("POST", "/invoices/{id}/void", "void"),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.customers = {self.customer}
        self.invoices: dict[str, dict[str, Any]] = {}

    # ── what every request meets ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key and the version (docs.acme.test/requests)."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self._refuse(401, "wrong_key", "The API key is wrong")
        if call.headers.get("acme-version") != API_VERSION:
            raise self._refuse(400, "invalid", "Acme-Version is missing or unknown", "Acme-Version")

    def no_such_route(self, call: IncomingRequest) -> Response:
        """404, as for an invoice that is not there."""
        return self._refuse(404, "not_found", f"There is no {call.method} /{'/'.join(call.segments)}").answer

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """409 where a key comes again with another request (docs.acme.test/idempotency)."""
        del call, kept
        return self._refuse(409, "key_reused", "This idempotency key came with another request").answer

    def _refuse(self, status: int, code: str, message: str, field: str | None = None) -> ErrorResponse:
        return ErrorResponse(self.json({"error": {"code": code, "message": message, "field": field}}, status))

    def _invalid(self, field: str, problem: str) -> ErrorResponse:
        return self._refuse(422, "invalid", f"{field} {problem}", field)

    def _body(self, call: IncomingRequest, known: Mapping[str, Any]) -> dict[str, Any]:
        try:
            given = call.json()
        except ValueError:
            raise self._invalid("body", "is not JSON") from None
        return self._checked(given, known, "body")

    def _checked(self, given: Any, known: Mapping[str, Any], where: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise self._invalid(where, "must be an object")
        for name, value in given.items():
            if name not in known:
                raise self._invalid(name, "is not a parameter")
            if not isinstance(value, known[name]) or isinstance(value, bool):
                raise self._invalid(name, "is of the wrong type")
        return given

    # ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, call: IncomingRequest) -> Response:
        """POST /invoices: always a draft (docs.acme.test/invoices/create)."""
        given = self._body(call, _PARAMS)
        for name in ("ref", "customer", "currency", "lines", "collection"):
            if not given.get(name):
                raise self._invalid(name, "is required")
        if given["customer"] not in self.customers:
            raise self._refuse(404, "not_found", "There is no such customer", "customer")
        if given["currency"] not in MONEY.decimals:
            raise self._invalid("currency", "is not known")
        if given["collection"] not in _COLLECTIONS:
            raise self._invalid("collection", f"must be one of {', '.join(_COLLECTIONS)}")
        if given["collection"] == "mail" and ("due" in given) == ("due_days" in given):
            raise self._invalid("due", "or due_days is required to mail an invoice, not both")
        if len(given.get("note", "")) > 200 or len(given.get("labels", {})) > 20:
            raise self._invalid("note", "or labels are too long")
        lines = [self._line(line) for line in given["lines"]]
        total = sum(line["amount"] for line in lines)
        found = {
            "kind": "invoice",
            "id": self.next_id("inv_"),
            "status": "draft",
            "total": total,
            "paid": 0,
            "left": total,
            "created": _stamp(self.clock()),
            "finalized": None,
            "settled": None,
            **given,
        }
        self.invoices[found["id"]] = found
        return self.json(found, 201)

    def _line(self, given: Any) -> dict[str, Any]:
        line = self._checked(given, _LINE_PARAMS, "lines")
        if "amount" not in line:
            raise self._invalid("lines.amount", "is required")
        if "quantity" in line and "unit_price" in line and line["quantity"] * line["unit_price"] != line["amount"]:
            raise self._invalid("lines.amount", "is not quantity times unit_price")
        return line

    def _find(self, invoice_id: str) -> dict[str, Any]:
        if invoice_id not in self.invoices:
            raise self._refuse(404, "not_found", "There is no such invoice")
        return self.invoices[invoice_id]

    def retrieve(self, _call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}."""
        return self.json(self._find(invoice_id))

    def list(self, call: IncomingRequest) -> Response:
        """GET /invoices, newest first; `next` is the cursor of the page that follows (docs.acme.test/invoices/list)."""
        given = dict(call.query)
        if unknown := [name for name in given if name not in _FILTERS]:
            raise self._invalid(unknown[0], "is not a parameter")
        limit = given.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise self._invalid("limit", "must be between 1 and 100")
        rows = [
            row
            for row in reversed(self.invoices.values())
            if all(row[name] == given[name] for name in ("customer", "status") if name in given)
        ]
        first = self._place(rows, given["cursor"]) if "cursor" in given else 0
        after = first + int(limit)
        return self.json({"items": rows[first:after], "next": rows[after]["id"] if after < len(rows) else None})

    def _place(self, rows: Sequence[Mapping[str, Any]], cursor: str) -> int:
        for place, row in enumerate(rows):
            if row["id"] == cursor:
                return place
        raise self._invalid("cursor", "does not belong to this listing")

    # ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────
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
        found |= {"status": "open", "finalized": _stamp(now)}
        if "due_days" in found:
            found["due"] = _stamp(now + timedelta(days=found["due_days"]))
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
        found |= {"status": "paid", "paid": found["total"], "left": 0, "settled": _stamp(self.clock())}
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


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
