"""Lago's emulator, complete: the requests that make, read and list invoices."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from invoice_bridge.adapter import IncomingRequest
from invoice_bridge.core.wire import Response

from ..tables import MONEY
from .probes import PROBES
from .transitions import LagoTransitions

_PARAMS = (
    "external_customer_id", "billing_entity_code", "currency", "purchase_order_number", "fees", "skip_psp",
    "payment_method",
)  # fmt: skip
_FEE_PARAMS = (
    "add_on_code", "invoice_display_name", "unit_amount_cents", "units", "description", "from_datetime", "to_datetime",
    "tax_codes",
)  # fmt: skip
_FILTERS = ("page", "per_page", "external_customer_id", "status", "payment_status")
_PER_PAGE = "100"


class LagoEmulator(LagoTransitions):
    """Lago's invoices. The customer "cus_42" exists, with the payment method "pm_42"; "pm_declined" declines.

    The add-on "charge" exists; `add_draft` makes a draft, as subscriptions do.
    """

    PROBES = PROBES
    ROUTES = (
        ("POST", "/invoices", "create"),
        ("GET", "/invoices", "list"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("PUT", "/invoices/{id}", "update"),
        ("PUT", "/invoices/{id}/finalize", "finalize"),
        ("POST", "/invoices/{id}/retry_payment", "retry_payment"),
        ("POST", "/invoices/{id}/void", "void"),
    )

    def create(self, call: IncomingRequest) -> Response:
        """POST /invoices: a one-off invoice, issued at once (lago-api, create_one_off_service.rb)."""
        params = self._body(call, "invoice", _PARAMS)
        customer, fees = self.customers.get(params.get("external_customer_id", "")), params.get("fees")
        if customer is None:
            raise self._not_found("customer")
        if not isinstance(fees, list) or not fees:
            raise self._not_found("fees")
        fees = [self._checked(fee, _FEE_PARAMS) for fee in fees]
        if any(fee.get("add_on_code") not in self.add_ons for fee in fees):
            raise self._not_found("add_on")
        currency = params.get("currency") or customer["currency"]
        if currency not in MONEY.decimals:
            raise self._invalid("currency", "value_is_invalid")
        if customer["currency"] not in {None, currency}:  # lago-api, customers/update_currency_service.rb
            raise self._invalid("currency", "currencies_does_not_match")
        rows = [self._fee(fee) for fee in fees]
        taxed = any("tax_codes" not in fee for fee in fees) or not self.switches["empty_tax_codes"]
        customer["currency"] = currency
        document = self._new("one_off", customer["external_id"], currency, params.get("purchase_order_number"))
        self._total(document, rows, self.tax_percent if taxed else 0)
        self._issue(document)
        if not params.get("skip_psp") and document["payment_status"] == "pending":
            self._collect(document, self.payment_method or "")
        return self._answer_with(document)

    def _fee(self, params: dict[str, Any]) -> dict[str, Any]:
        """Make the fee of an add-on: unit amount times units, rounded (lago-api, fees/one_off_service.rb)."""
        cents, units = params.get("unit_amount_cents", 0), params.get("units", "1")
        try:
            count = Decimal(str(units))
        except InvalidOperation:
            raise self._invalid("units", "value_is_invalid") from None
        if isinstance(cents, bool) or not isinstance(cents, int) or cents < 0 or not 0 <= count < Decimal(10) ** 30:
            raise self._invalid("unit_amount_cents", "value_is_invalid")
        amount = int((cents * count).to_integral_value(ROUND_HALF_UP))
        name = params.get("invoice_display_name") or self.add_ons[params["add_on_code"]]
        dates = {"from_date": params.get("from_datetime"), "to_date": params.get("to_datetime")}
        return self._fee_row(name, amount, str(units), str(Decimal(cents).scaleb(-2)), **dates)

    def retrieve(self, _call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}."""
        return self._answer_with(self._find(invoice_id))

    def list(self, call: IncomingRequest) -> Response:
        """GET /invoices, newest first, without their fees (lago-api, invoices_query.rb, invoice_serializer.rb)."""
        params = self._checked(dict(call.query), _FILTERS)
        page, size = params.get("page", "1"), params.get("per_page", _PER_PAGE)
        if not (page.isdecimal() and size.isdecimal() and int(page) and int(size)):
            raise self._invalid("page", "value_is_invalid")
        rows = [
            {name: value for name, value in self._shown(row).items() if name != "fees"}
            for row in reversed(self.invoices.values())
            if params.get("external_customer_id") in {None, row["customer"]["external_id"]}
            and all(row[name] == params[name] for name in ("status", "payment_status") if name in params)
        ]
        current, each = int(page), int(size)
        last = max(1, -(-len(rows) // each))
        meta = {
            "current_page": current,
            "next_page": current + 1 if current < last else None,
            "prev_page": current - 1 if current > 1 else None,
            "total_pages": last,
            "total_count": len(rows),
        }
        return self.json({"invoices": rows[(current - 1) * each : current * each], "meta": meta})
