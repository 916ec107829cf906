"""Customers and payment methods: Stripe's own test methods are attached, charged or declined (docs.stripe.com/testing).

Only cards are built. A test method such as pm_card_visa belongs to every account; attaching it makes a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.emulator.imports import StripeImports

_CARDS: Mapping[str, tuple[str, str]] = {
    "visa": ("visa", "4242"),
    "visa_debit": ("visa", "5556"),
    "mastercard": ("mastercard", "4444"),
    "mastercard_debit": ("mastercard", "3222"),
    "amex": ("amex", "8431"),
    "discover": ("discover", "9424"),
    "diners": ("diners", "3237"),
    "jcb": ("jcb", "0505"),
    "chargeCustomerFail": ("visa", "0341"),
}
"""The end of pm_card_… and tok_… → brand and last digits; each can be attached."""
_DECLINED = "chargeDeclined"
"""In the name of each test method that the bank declines at once, attaching included."""


class StripeMethods(StripeImports):
    """Customers, and the payment methods that are attached to them."""

    def __init__(self, **options: Any) -> None:
        self.methods: dict[str, dict[str, Any]] = {}
        super().__init__(**options)

    # ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────
    def create_customer(self, call: IncomingRequest) -> Response:
        """POST /v1/customers."""
        given = self._params(call, "address description email expand metadata name phone")
        more = {"name": given.get("name"), "metadata": given.get("metadata") or {}}
        made = self.add_customer(self.next_id("cus_"), given.get("email"), **more)
        made |= {"balance": 0, "discount": None}  # whatever the switches say of the customers that were there before
        return self._ok(made)

    def retrieve_customer(self, call: IncomingRequest, customer_id: str) -> Response:
        """GET /v1/customers/{id}."""
        self._params(call, "expand")
        return self._ok(self._known_customer(customer_id))

    def update_customer(self, call: IncomingRequest, customer_id: str) -> Response:
        """POST /v1/customers/{id}: its names, its metadata and its default payment method."""
        known = "address description email expand invoice_settings.default_payment_method metadata name phone"
        given = self._params(call, known)
        found = self._known_customer(customer_id)
        method = (given.get("invoice_settings") or {}).get("default_payment_method")
        if method:
            self._usable(method, customer_id)
        for name in ("description", "email", "name", "phone"):
            if name in given:
                found[name] = given[name] or None
        if "metadata" in given:
            found["metadata"] = {**found["metadata"], **(given["metadata"] or {})}
        if method is not None:
            found["invoice_settings"] = {"default_payment_method": method or None}
        return self._ok(found)

    def delete_customer(self, call: IncomingRequest, customer_id: str) -> Response:
        """DELETE /v1/customers/{id}: its issued invoices stay."""
        self._params(call, "")
        del self.customers[self._known_customer(customer_id)["id"]]
        return self._ok({"id": customer_id, "object": "customer", "deleted": True})

    def list_customers(self, call: IncomingRequest) -> Response:
        """GET /v1/customers, newest first."""
        given = self._params(call, "created email ending_before expand limit starting_after")
        rows = [row for row in reversed(self.customers.values()) if given.get("email") in {None, row["email"]}]
        return self._page(rows, given, "/v1/customers")

    def _known_customer(self, customer_id: str) -> dict[str, Any]:
        if customer_id not in self.customers:
            raise self._missing("customer", customer_id, "id", 404)
        return self.customers[customer_id]

    def seed_customer(self, customer_id: str, *, email: str | None, name: str | None) -> None:
        """Add a customer that exists already."""
        self.add_customer(customer_id, email, name=name)

    # ── payment methods ──────────────────────────────────────────────────────────────────────────────────────────────
    def create_method(self, call: IncomingRequest) -> Response:
        """POST /v1/payment_methods: a card from a test token, attached to nobody."""
        given = self._params(call, "billing_details card.token expand metadata type")
        token = (given.get("card") or {}).get("token", "")
        if given.get("type") != "card" or not token.startswith("tok_"):
            message = "This emulator makes cards from test tokens alone: type=card and card[token]=tok_visa"
            raise self._refuse(message, param="card[token]")
        return self._ok(self._add_method(token.removeprefix("tok_"), None))

    def attach_method(self, call: IncomingRequest, method_id: str) -> Response:
        """POST /v1/payment_methods/{id}/attach; a declined card cannot be attached (docs.stripe.com/testing)."""
        given = self._params(call, "customer expand")
        customer = given.get("customer", "")
        if customer not in self.customers:
            raise self._missing("customer", customer, "customer")
        if method_id.startswith("pm_card_"):
            if (code := self._decline(method_id)) is not None and _DECLINED in method_id:
                raise self.declined(code)
            return self._ok(self._add_method(method_id.removeprefix("pm_card_"), customer))
        found = self._find_method(method_id)
        if found["customer"] not in {None, customer}:
            raise self._refuse("The payment method you provided has already been attached to a customer.")
        if _DECLINED in found["_test"]:
            raise self.declined("generic_decline")
        found["customer"] = customer
        return self._ok(_public(found))

    def detach_method(self, call: IncomingRequest, method_id: str) -> Response:
        """POST /v1/payment_methods/{id}/detach: it can never be used again."""
        self._params(call, "expand")
        found = self._find_method(method_id)
        if found["customer"] is None:
            raise self._refuse("The payment method you provided is not attached to a customer.")
        found |= {"customer": None, "_detached": True}
        return self._ok(_public(found))

    def retrieve_method(self, call: IncomingRequest, method_id: str) -> Response:
        """GET /v1/payment_methods/{id}."""
        self._params(call, "expand")
        return self._ok(_public(self._find_method(method_id)))

    def list_methods(self, call: IncomingRequest, customer_id: str) -> Response:
        """GET /v1/customers/{id}/payment_methods, newest first."""
        given = self._params(call, "ending_before expand limit starting_after type")
        self._known_customer(customer_id)
        rows = [_public(row) for row in reversed(self.methods.values()) if row["customer"] == customer_id]
        return self._page(rows, given, f"/v1/customers/{customer_id}/payment_methods")

    def seed_payment_method(self, method_id: str, customer_id: str) -> None:
        """Attach a method of a given id; it declines if its id contains "declined"."""
        if customer_id not in self.customers:
            raise LookupError(f"payment_methods: there is no customer {customer_id}")
        self._add_method("chargeCustomerFail" if "declined" in method_id else "visa", customer_id, method_id)

    def _add_method(self, test: str, customer: str | None, method_id: str | None = None) -> dict[str, Any]:
        brand, last4 = _CARDS.get(test, ("visa", "0002"))
        if test not in _CARDS and _DECLINED not in test:
            raise self._missing("PaymentMethod", f"pm_card_{test}", "payment_method", 404)
        made: dict[str, Any] = {
            "id": method_id or self.next_id("pm_"),
            "object": "payment_method",
            "billing_details": {"address": None, "email": None, "name": None, "phone": None},
            "card": {"brand": brand, "last4": last4, "exp_month": 12, "exp_year": 2034, "funding": "credit"},
            "created": self.now_seconds(),
            "customer": customer,
            "livemode": False,
            "metadata": {},
            "type": "card",
            "_test": test,
            "_detached": False,
        }
        self.methods[made["id"]] = made
        return _public(made)

    def _find_method(self, method_id: str) -> dict[str, Any]:
        if method_id not in self.methods:
            raise self._missing("PaymentMethod", method_id, "payment_method", 404)
        return self.methods[method_id]

    def _usable(self, method: str, customer: str) -> None:
        """Refuse an attached method of another customer, and one that was detached."""
        found = self.methods.get(method)
        if found is not None and (found["_detached"] or found["customer"] != customer):
            message = "The payment method does not belong to the customer, or was detached: attach one to the customer."
            raise self._refuse(message, param="payment_method")

    def _decline(self, method: str) -> str | None:
        found = self.methods.get(method)
        return super()._decline(method if found is None else f"pm_card_{found['_test']}")


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("_")}
