"""The documents in Lago's emulator, and the checks of every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from invoice_bridge.adapter import Emulator, ErrorResponse, IncomingRequest
from invoice_bridge.core.wire import Response

from ..tables import NAME, STATUSES, TRANSITIONS


def stamp(instant: datetime) -> str:
    """Write an instant in RFC 3339, in UTC and whole seconds."""
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


class LagoDocuments(Emulator):
    """The stored documents, the checks of every request, and the format of answers."""

    name = NAME
    key = "test_not_a_key"
    customer = "cus_42"
    payment_method = "pm_42"
    statuses = STATUSES
    transitions = TRANSITIONS
    settings: ClassVar[Mapping[str, Any]] = {"add_on": "charge"}
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {
        "pays_at_once": (True, "whether a payment is made before the answer; in the source it is a background job"),
        "empty_tax_codes": (True, "whether an empty list of tax codes means no tax; it is not documented"),
        "states_amounts_due": (
            True,
            "whether an invoice has the amounts paid and due: yes in the source, no in the schema",
        ),
        "fees_have_dates": (False, "whether the fee of an add-on has its dates in answers: no in the schema"),
        "voids_paid": (
            False,
            "whether a paid invoice can be voided: yes in the newest source, no in the documentation",
        ),
        "mails": (False, "whether the billing entity mails finalized invoices: a setting, with a premium license"),
    }
    net_payment_term = 30
    """The customer's payment term in days."""
    tax_percent = 0
    """The tax of the billing entity, which applies to a fee without tax codes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.customers: dict[str, dict[str, Any]] = {}
        self.add_ons = {"charge": "Charge"}
        self.invoices: dict[str, dict[str, Any]] = {}
        self.in_payment: set[str] = set()
        self.add_customer(self.customer)

    def add_customer(self, external_id: str) -> None:
        """Add an existing customer; its currency is that of its first invoice."""
        self.customers[external_id] = {
            "lago_id": self._uuid(),
            "external_id": external_id,
            "name": "Ada",
            "email": "ada@example.test",
            "currency": None,
            "applicable_timezone": "UTC",
        }

    def add_draft(self) -> str:
        """Make the draft of a subscription's invoice in its grace period."""
        document = self._new("subscription", self.customer, "EUR", None)
        self._total(document, [self._fee_row("Base fee", 2500, "1", "25.0")], tax_percent=0)
        document["status"] = "draft"
        return str(document["lago_id"])

    # ── every request ────────────────────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key (getlago.com/docs, lago-skill.md: a Bearer credential)."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self._refuse(401, "Unauthorized")

    def no_such_route(self, call: IncomingRequest) -> Response:
        """Answer 404 (lago-api, api_errors.rb; the answer to an unknown path is unconfirmed)."""
        del call
        return self._refuse(404, "Not Found", "route_not_found").answer

    def throttled(self, retry_after: str | None) -> Response:
        """Answer 429 (getlago.com/docs, Rate limits): the wait is in X-RateLimit-Reset, Retry-After is undocumented."""
        return self.with_retry_after(self._refuse(429, "Too Many Requests", "too_many_requests").answer, retry_after)

    def _refuse(
        self, status: int, error: str, code: str | None = None, details: Mapping[str, Any] | None = None
    ) -> ErrorResponse:
        body: dict[str, Any] = {"status": status, "error": error}
        body |= {} if code is None else {"code": code}
        return ErrorResponse(self.json(body | ({} if details is None else {"error_details": details}), status))

    def _invalid(self, field: str, problem: str) -> ErrorResponse:
        return self._refuse(422, "Unprocessable Entity", "validation_errors", {field: [problem]})

    def _not_found(self, resource: str) -> ErrorResponse:
        return self._refuse(404, "Not Found", f"{resource}_not_found")

    def _not_allowed(self, code: str) -> ErrorResponse:
        return self._refuse(405, "Method Not Allowed", code)

    def _body(self, call: IncomingRequest, wrapper: str | None, known: Sequence[str]) -> dict[str, Any]:
        try:
            params = call.json()
            params = params if wrapper is None else params[wrapper]
        except (KeyError, TypeError, ValueError):
            raise self._refuse(400, f"BadRequest: param is missing: {wrapper}") from None
        return self._checked(params, known)

    def _checked(self, params: Any, known: Sequence[str]) -> dict[str, Any]:
        if not isinstance(params, dict):
            raise self._refuse(400, "BadRequest: not an object")
        if unknown := [name for name in params if name not in known]:
            raise self._invalid(unknown[0], "is_not_a_parameter")
        return params

    # ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _uuid(self) -> str:
        return f"1a901a90-1a90-4a90-8a90-{self.next_id('')}0000"

    def _find(self, invoice_id: str) -> dict[str, Any]:
        if invoice_id not in self.invoices:
            raise self._not_found("invoice")
        return self.invoices[invoice_id]

    def _new(self, kind: str, customer: str, currency: str, order: str | None) -> dict[str, Any]:
        now, number = self.clock(), len(self.invoices) + 1
        document: dict[str, Any] = {
            "lago_id": self._uuid(),
            "billing_entity_code": "default",
            "sequential_id": number,
            "number": f"LAG-1234-001-{number:03d}",
            "purchase_order_number": order,
            "issuing_date": now.date().isoformat(),
            "payment_due_date": (now + timedelta(days=self.net_payment_term)).date().isoformat(),
            "net_payment_term": self.net_payment_term,
            "invoice_type": kind,
            "status": "finalized",
            "payment_status": "pending",
            "payment_overdue": False,
            "currency": currency,
            "version_number": 4,
            "file_url": None,
            "created_at": stamp(now),
            "updated_at": stamp(now),
            "voided_at": None,
            "customer": self.customers[customer],
            "metadata": [],
        }
        self.invoices[document["lago_id"]] = document
        return document

    def _fee_row(self, name: str, amount: int, units: str, unit_amount: str, **dates: str | None) -> dict[str, Any]:
        return {
            "lago_id": self._uuid(),
            "item": {"type": "add_on", "code": "charge", "name": "Charge", "invoice_display_name": name},
            "amount_cents": amount,
            "units": units,
            "precise_unit_amount": unit_amount,
            **(dates if self.switches["fees_have_dates"] else {"from_date": None, "to_date": None}),
        }

    def _total(self, document: dict[str, Any], fees: list[dict[str, Any]], tax_percent: int) -> None:
        subtotal = sum(fee["amount_cents"] for fee in fees)
        tax = round(subtotal * tax_percent / 100)
        document |= {
            "fees": fees,
            "credits": [],
            "applied_taxes": [self._applied_tax(tax, tax_percent)] if tax else [],
            "fees_amount_cents": subtotal,
            "coupons_amount_cents": 0,
            "credit_notes_amount_cents": 0,
            "prepaid_credit_amount_cents": 0,
            "sub_total_excluding_taxes_amount_cents": subtotal,
            "taxes_amount_cents": tax,
            "sub_total_including_taxes_amount_cents": subtotal + tax,
            "total_amount_cents": subtotal + tax,
        }
        if subtotal + tax == 0:  # lago-api, create_one_off_service.rb
            document["payment_status"] = "succeeded"

    @staticmethod
    def _applied_tax(amount: int, percent: int) -> dict[str, Any]:
        """Return a tax row (lago-openapi, BaseAppliedTax.yaml)."""
        return {
            "lago_tax_id": "1a901a90-1a90-4a90-8a90-1a901a901a90",
            "tax_name": "TVA",
            "tax_code": "french_standard_vat",
            "tax_rate": percent,
            "amount_cents": amount,
        }

    def _shown(self, document: Mapping[str, Any]) -> dict[str, Any]:
        if not self.switches["states_amounts_due"]:
            return dict(document)
        paid = document["total_amount_cents"] if document["payment_status"] == "succeeded" else 0
        return {
            **document,
            "total_paid_amount_cents": paid,
            "total_due_amount_cents": document["total_amount_cents"] - paid,
        }

    def _answer_with(self, document: Mapping[str, Any]) -> Response:
        return self.json({"invoice": self._shown(document)})
