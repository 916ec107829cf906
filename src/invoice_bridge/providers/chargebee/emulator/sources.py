"""Payment sources, cards of Chargebee's test gateway (chargebee.com/docs, Chargebee Test Gateway), and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.emulator.imported_notes import ChargebeeImportedNotes

_CARDS: Mapping[str, str] = {
    "4111111111111111": "visa",
    "5555555555554444": "mastercard",
    "378282246310005": "american_express",
    "6011111111111117": "discover",
    "3530111333300000": "jcb",
    "38520000023237": "diners_club",
    "4005519200000004": "visa",
}
_NOT_STORED = "4119862760338320"
"""Storing it fails with a verification failure."""
_NO_FUNDS = "4005519200000004"
"""Stored, and every charge fails with "Insufficient funds"."""
_CARD = (
    "number expiry_month expiry_year cvv first_name last_name billing_addr1 billing_addr2 billing_city "
    "billing_state_code billing_state billing_zip billing_country gateway_account_id"
)


class ChargebeeSources(ChargebeeImportedNotes):
    """The payment sources of customers. Only cards by number are built, as the test gateway takes them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sources: dict[str, dict[str, Any]] = {}

    def create_card(self, call: IncomingRequest) -> Response:
        """POST /payment_sources/create_card: a card of the test gateway's list."""
        given = self._params(call, "customer_id replace_primary_payment_source", card=_CARD)
        customer = self._customer_of(given.get("customer_id"))
        card = given.get("card", {})
        number = card.get("number") or ""
        for name in ("number", "expiry_month", "expiry_year"):
            if not card.get(name):
                raise self._refuse(f"card[{name}] : cannot be blank", param=f"card[{name}]")
        if number == _NOT_STORED:
            message, code = "The card could not be verified.", "payment_method_verification_failed"
            raise self._refuse(message, code=code, kind="payment", param="card[number]")
        if number not in _CARDS:
            message = "card[number] : is not a card of the test gateway's list, which this emulator takes alone"
            raise self._refuse(message, param="card[number]")
        made = self._add_source(self.next_id("pm_declined_" if number == _NO_FUNDS else "pm_"), customer["id"], number)
        made["card"] |= {name: self._integer(card, name, param=f"card[{name}]") for name in _EXPIRY}
        return self.json({"customer": customer, "payment_source": made})

    def retrieve_source(self, call: IncomingRequest, source_id: str) -> Response:
        """GET /payment_sources/{id}."""
        del call
        return self.json({"payment_source": self._find_source(source_id)})

    def delete_source(self, call: IncomingRequest, source_id: str) -> Response:
        """POST /payment_sources/{id}/delete."""
        del call
        found = self._find_source(source_id)
        del self.sources[source_id], self.payment_sources[source_id]
        customer = self.customers[found["customer_id"]]
        return self.json({"customer": customer, "payment_source": found | {"deleted": True}})

    def retrieve_event(self, call: IncomingRequest, event_id: str) -> Response:
        """GET /events/{id}: how a receiver confirms a delivery, which nobody signed; a served emulator keeps events."""
        del call
        event = self.find_event(event_id)
        if event is None:
            raise self._refuse(f"{event_id} not found", status=404, code="resource_not_found")
        return self.json({"event": loads(event.body)})

    def seed_customer(self, customer_id: str, *, email: str | None, name: str | None) -> None:
        """Add a customer that exists already."""
        first, _, last = (name or "").partition(" ")
        facts = {"email": email, "first_name": first, "last_name": last}
        self.add_customer(customer_id, **{name: value for name, value in facts.items() if value})

    def seed_payment_method(self, method_id: str, customer_id: str) -> None:
        """Add a card of a given id; it declines if its id contains "declined"."""
        if customer_id not in self.customers:
            raise LookupError(f"payment_methods: there is no customer {customer_id}")
        self._add_source(method_id, customer_id, _NO_FUNDS if "declined" in method_id else "4111111111111111")

    def _customer_of(self, customer_id: str | None) -> dict[str, Any]:
        if customer_id not in self.customers:
            message = f"{customer_id} not found"
            raise self._refuse(message, status=404, code="resource_not_found", param="customer_id")
        return self.customers[customer_id]

    def _find_source(self, source_id: str) -> dict[str, Any]:
        if source_id not in self.sources:
            raise self._refuse(f"{source_id} not found", status=404, code="resource_not_found")
        return self.sources[source_id]

    def _add_source(self, source_id: str, customer_id: str, number: str) -> dict[str, Any]:
        now = self.now_seconds()
        card = {"first_name": "", "last_name": "", "iin": number[:6], "last4": number[-4:], "brand": _CARDS[number]}
        card |= {"funding_type": "credit", "masked_number": "*" * (len(number) - 4) + number[-4:], "object": "card"}
        self.payment_sources[source_id] = customer_id
        self.sources[source_id] = {
            "id": source_id,
            "customer_id": customer_id,
            "type": "card",
            "reference_id": f"tok_{source_id}",
            "status": "valid",
            "gateway": "chargebee",
            "gateway_account_id": "gw_42",
            "created_at": now,
            "updated_at": now,
            "resource_version": now * 1000,
            "deleted": False,
            "object": "payment_source",
            "card": card,
        }
        return self.sources[source_id]


_EXPIRY = ("expiry_month", "expiry_year")
