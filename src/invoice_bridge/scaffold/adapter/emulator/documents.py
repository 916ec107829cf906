"""The documents in Acme's emulator, and the checks of every request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from invoice_bridge.adapter import Emulator, ErrorResponse, IncomingRequest, StoredResponse
from invoice_bridge.core.wire import Response

from ..tables import API_VERSION, KEY_HEADER, KEY_WINDOW, NAME, STATUSES, TRANSITIONS

_LINE_PARAMS = {
    "text": str,
    "quantity": int | Decimal,
    "unit_price": int,
    "amount": int,
    "from": str,
    "to": str,
}


def stamp(instant: datetime) -> str:
    """Write an instant in RFC 3339, in UTC with three decimals."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class AcmeDocuments(Emulator):
    """The stored documents, the checks of every request, and the format of answers."""

    name = NAME
    key = "test_not_a_key"
    customer = "cus_42"
    payment_method = "pm_42"
    key_header = KEY_HEADER
    window = KEY_WINDOW
    statuses = STATUSES
    transitions = TRANSITIONS
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.customers = {self.customer}
        self.invoices: dict[str, dict[str, Any]] = {}

    # ── every request ────────────────────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key and the version (docs.acme.test/requests)."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self._refuse(401, "wrong_key", "The API key is wrong")
        if call.headers.get("acme-version") != API_VERSION:
            raise self._refuse(400, "invalid", "Acme-Version is missing or unknown", "Acme-Version")

    def no_such_route(self, call: IncomingRequest) -> Response:
        """Answer 404, as for an invoice that does not exist."""
        return self._refuse(404, "not_found", f"There is no {call.method} /{'/'.join(call.segments)}").answer

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """Answer 409 if a key is used again for another request (docs.acme.test/idempotency)."""
        del call, kept
        return self._refuse(409, "key_reused", "This idempotency key was used for another request").answer

    def _refuse(self, status: int, code: str, message: str, field: str | None = None) -> ErrorResponse:
        return ErrorResponse(self.json({"error": {"code": code, "message": message, "field": field}}, status))

    def _invalid(self, field: str, problem: str) -> ErrorResponse:
        return self._refuse(422, "invalid", f"{field} {problem}", field)

    def _body(self, call: IncomingRequest, known: Mapping[str, Any]) -> dict[str, Any]:
        try:
            params = call.json()
        except ValueError:
            raise self._invalid("body", "is not JSON") from None
        return self._checked(params, known, "body")

    def _checked(self, params: Any, known: Mapping[str, Any], where: str) -> dict[str, Any]:
        if not isinstance(params, dict):
            raise self._invalid(where, "must be an object")
        for name, value in params.items():
            if name not in known:
                raise self._invalid(name, "is not a parameter")
            if not isinstance(value, known[name]) or isinstance(value, bool):
                raise self._invalid(name, "is of the wrong type")
        return params

    # ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _line(self, params: Any) -> dict[str, Any]:
        line = self._checked(params, _LINE_PARAMS, "lines")
        if "amount" not in line:
            raise self._invalid("lines.amount", "is required")
        if "quantity" in line and "unit_price" in line and line["quantity"] * line["unit_price"] != line["amount"]:
            raise self._invalid("lines.amount", "is not quantity times unit_price")
        return line

    def _find(self, invoice_id: str) -> dict[str, Any]:
        if invoice_id not in self.invoices:
            raise self._refuse(404, "not_found", "This invoice does not exist")
        return self.invoices[invoice_id]
