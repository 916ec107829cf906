"""The documents that Chargebee's emulator stores, and the checks that every request passes."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

from invoice_bridge.adapter.emulation.core import Emulator, ErrorResponse, IncomingRequest, StoredResponse, nested
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH, KEY_WINDOW, STATUSES, TRANSITIONS

_LONGEST_KEY = 100
_DAY = 86400
CREDITS = 500
_NAMES = ("first_name", "last_name")
"""The fields that an invoice copies from a customer without an address (apidocs.chargebee.com, update billing info)."""


class ChargebeeDocuments(Emulator):
    """Chargebee's stored documents, the checks of every request, and the answers."""

    name = "chargebee"
    key = "test_not_a_key"
    customer = "cus_42"
    payment_method = "pm_42"
    subscription = "sub_42"
    settings: ClassVar[Mapping[str, Any]] = {"site": "acme-test"}
    reference_settings: ClassVar[Mapping[str, Any]] = {"reference_field": "cf_reference"}
    key_header = "chargebee-idempotency-key"
    window = KEY_WINDOW
    statuses = STATUSES
    transitions = TRANSITIONS
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {
        "charge_on_catalog_2": (False, "whether /invoices/charge and POST /invoices still answer on catalog 2 sites"),
        "closing_renumbers": (True, "whether a closed draft gets an invoice number and its old id finds it no more"),
        "declined_create_kept": (False, "whether an invoice whose first payment is declined is kept as payment_due"),
        "failures_stored": (False, "whether a refusal or a server error is stored under its idempotency key"),
        "in_progress_waits": (
            True,
            "whether a key that comes again while its first request runs waits for that one rather than being refused",
        ),
        "quoted_lists": (True, "whether filters take lists as the SDK spells them, with single quotes and spaces"),
        "customer_credits": (
            False,
            "whether the customer has 5.00 of credits, which closing applies (apidocs.chargebee.com, close an invoice)",
        ),
        "subscription_order": (
            False,
            "whether the subscription has a purchase order, which its invoices inherit (Subscription.po_number)",
        ),
        "tax_inclusive": (False, "whether the site's prices include tax (Invoice.price_type)"),
        "discounted": (
            False,
            "whether a discount that no request asks for lowers an invoice (Invoice.discounts): not documented",
        ),
        "discounts_ignored": (
            False,
            "whether a discount of the whole invoice leaves one-time charges alone: not documented",
        ),
        "rounds_off": (False, "whether the site rounds totals to whole units (Invoice.round_off_amount)"),
        "backdating_limited": (
            False,
            "whether other requests than /charge refuse a date more than one calendar month back: not confirmed",
        ),
    }

    def __init__(self, *, product_catalog: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.product_catalog = product_catalog
        self.tax_percent: int | None = None
        self.mails_invoices = False
        self.lines_per_page = 100
        self.customers: dict[str, dict[str, Any]] = {}
        self.payment_sources: dict[str, str] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.unbilled: dict[str, dict[str, Any]] = {}
        self.item_prices: dict[str, int | None] = {"charge-EUR": None, "tiered-EUR": 777}
        """Item prices of charges in EUR; an amount here is decided by tiers and overrides the request's."""
        self.invoices: dict[str, dict[str, Any]] = {}
        self.add_customer("cus_42")
        self.payment_sources |= {"pm_42": "cus_42", "pm_declined": "cus_42", "pm_pending": "cus_42"}
        self.subscriptions["sub_42"] = {
            "id": "sub_42",
            "customer_id": "cus_42",
            "auto_collection": "on",
            "currency_code": "EUR",
        }
        may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
        self.add_unbilled_charge("sub_42", 2500, may, june, description="Fleet plan, May 2026")
        self.add_unbilled_charge("sub_42", 499, may + timedelta(days=16), description="Roadside call")

    def add_customer(self, customer_id: str, **facts: Any) -> None:
        """Add an existing customer."""
        self.customers[customer_id] = {
            "id": customer_id,
            "auto_collection": "on",
            "net_term_days": 0,
            "created_at": self.now_seconds(),
            "object": "customer",
            "deleted": False,
            **facts,
        }

    def credits_of(self, customer: Mapping[str, Any]) -> int:
        """Return the credits of a customer; one that a request made has none, whatever the switch says."""
        return int(customer.get("refundable_credits", CREDITS * self.switches["customer_credits"]))

    def add_unbilled_charge(
        self,
        subscription_id: str,
        amount: int,
        start: datetime,
        end: datetime | None = None,
        *,
        currency: str = "EUR",
        description: str = "Unbilled",
    ) -> str:
        """Add an unbilled charge of a subscription, over a period or at one instant; return its id."""
        charge_id = self.next_id("li_")
        self.unbilled[charge_id] = {
            "id": charge_id,
            "customer_id": self.subscriptions[subscription_id]["customer_id"],
            "subscription_id": subscription_id,
            "date_from": int(start.timestamp()),
            "date_to": int((end or start).timestamp()),
            "unit_amount": amount,
            "quantity": 1,
            "amount": amount,
            "currency_code": currency,
            "discount_amount": 0,
            "description": description,
            "entity_type": "adhoc",
            "is_voided": False,
            "deleted": False,
            "object": "unbilled_charge",
        }
        return charge_id

    # ── checks of every request ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key: HTTP Basic, with the key as user and no password."""
        if call.headers.get("authorization") != "Basic " + base64.b64encode(f"{self.key}:".encode()).decode():
            message = "Sorry, authentication failed. Invalid api key"
            raise self._refuse(message, status=401, code="api_authentication_failed", kind=None)
        if len(call.headers.get(self.key_header, "")) > _LONGEST_KEY:
            raise self._refuse(f"{self.key_header} : is longer than {_LONGEST_KEY} characters")

    def no_such_route(self, call: IncomingRequest) -> Response:
        """Return 405 for a known path, 404 for any other."""
        paths = {pattern for _, pattern, _ in self.ROUTES}
        if "/" + "/".join(call.segments) in paths:
            return self._refuse("HTTP method not supported", status=405, code="http_method_not_supported").answer
        return self._refuse("Sorry, we couldn't find that resource", status=404, code="resource_not_found").answer

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """Return 422: the key is known with other parameters."""
        del call, kept
        message = "The idempotency key was used with different parameters"
        return self._refuse(message, status=422, code="unable_to_process_request").answer

    def keeps(self, answer: Response) -> bool:
        """Return whether the answer is stored under its key: results are, and for refusals the switch decides."""
        return answer.status < 300 or (self.switches["failures_stored"] and answer.status != 429)

    def replayed(self, answer: Response) -> Response:
        """Return the stored answer with its mark."""
        return Response(answer.status, answer.content, {**answer.headers, "chargebee-idempotency-replayed": "true"})

    def in_progress(self, call: IncomingRequest) -> Response:
        """Return 409 with the only code that is documented for a 409; the case itself is not documented."""
        del call
        message = "A request with this idempotency key is being processed"
        return self._refuse(message, status=409, code="invalid_state_for_request").answer

    def server_error(self) -> Response:
        """Return 500 (apidocs.chargebee.com, error handling)."""
        message = "Sorry, something went wrong"
        return self._refuse(message, status=500, code="internal_error", kind="operation_failed").answer

    def throttled(self, retry_after: str | None) -> Response:
        """Return 429; Retry-After "may" be sent (chargebee.com/docs, API limits)."""
        message = "Too many requests"
        refused = self._refuse(message, status=429, code="api_request_limit_exceeded", kind="operation_failed")
        return self.with_retry_after(refused.answer, retry_after)

    def _refuse(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "param_wrong_value",
        kind: str | None = "invalid_request",
        param: str | None = None,
    ) -> ErrorResponse:
        told = {"message": message, "type": kind, "api_error_code": code, "param": param, "http_status_code": status}
        return ErrorResponse(self.json({name: value for name, value in told.items() if value is not None}, status))

    def _wrong_state(self, found: Mapping[str, Any], action: str) -> ErrorResponse:
        message = f"Invoice {found['id']} is {found['status']} and cannot be {action}"
        return self._refuse(message, status=409, code="invalid_state_for_request")

    def _needs_catalog(self, wanted: int) -> None:
        if self.product_catalog != wanted and not (wanted == 1 and self.switches["charge_on_catalog_2"]):
            raise self._refuse("This API operation is not enabled for this site", code="configuration_incompatible")

    def _params(self, call: IncomingRequest, known: str = "", **groups: str) -> dict[str, Any]:
        """Return the form after checking it against the route's parameters; custom fields (cf_…) always pass."""
        try:
            given = nested(call.form())
        except ValueError:
            raise self._refuse("The body is not UTF-8") from None
        for name, value in given.items():
            inner = groups.get(name, "").split()
            if name not in {*known.split(), *groups} and not name.startswith("cf_"):
                raise self._refuse(f"{name} : unknown parameter", param=name)
            if name in groups and not (isinstance(value, dict) and value.keys() <= set(inner)):
                raise self._refuse(f"{name} : unknown parameter within", param=name)
        return given

    def _integer(self, given: Mapping[str, Any], name: str, *, least: int = 0, param: str = "") -> int | None:
        text = given.get(name)
        if text is None:
            return None
        if not isinstance(text, str) or not re.fullmatch("-?[0-9]{1,18}", text, re.ASCII) or int(text) < least:
            raise self._refuse(f"{param or name} : must be an integer of {least} or more", param=param or name)
        return int(text)

    def _text(self, given: Mapping[str, Any], name: str, longest: int, *, param: str = "") -> str | None:
        text = given.get(name)
        if text is not None and (not isinstance(text, str) or len(text) > longest):
            raise self._refuse(f"{param or name} : is longer than {longest} characters", param=param or name)
        return text or None

    def _find(self, invoice_id: str) -> dict[str, Any]:
        found = self.invoices.get(invoice_id)
        if found is None or found["deleted"]:
            raise self._refuse(f"{invoice_id} not found", status=404, code="resource_not_found")
        return self._aged(found)

    def _aged(self, found: dict[str, Any]) -> dict[str, Any]:
        """Turn posted invoices into payment_due once their due date has passed."""
        if found["status"] == "posted" and found["due_date"] <= self.now_seconds():
            found |= {"status": "payment_due", "dunning_status": "in_progress"}
            found["next_retry_at"] = found["due_date"] + _DAY
            self.happened("updated", found["id"])
        return found

    def _line(self, row: Mapping[str, Any], place: str) -> dict[str, Any]:
        def param(name: str) -> str:
            return f"charges[{name}]{place}" if place else name

        amount = self._integer(row, "amount", least=1, param=param("amount"))
        if amount is None:
            raise self._refuse(f"{param('amount')} : cannot be blank", param=param("amount"))
        now, taxable = self.now_seconds(), row.get("taxable") != "false"
        taxed = taxable and self.tax_percent is not None
        percent = Decimal(self.tax_percent or 0)
        of = 100 + percent if self.switches["tax_inclusive"] else Decimal(100)
        tax = amount * percent / of if taxed else Decimal(0)
        return {
            "id": self.next_id("li_"),
            "date_from": self._integer(row, "date_from", param=param("date_from")) or now,
            "date_to": self._integer(row, "date_to", param=param("date_to")) or now,
            "unit_amount": amount,
            "quantity": 1,
            "amount": amount,
            "pricing_model": "flat_fee",
            "is_taxed": taxed,
            "tax_amount": int(tax.quantize(Decimal(1), ROUND_HALF_UP)),
            **({"tax_rate": self.tax_percent} if taxed else {}),
            "object": "line_item",
            "description": self._text(row, "description", DESCRIPTION_LENGTH, param=param("description")) or "Charge",
            "entity_type": "adhoc",
            "discount_amount": 0,
            "item_level_discount_amount": 0,
        }

    def _source(self, given: Mapping[str, Any], customer: Mapping[str, Any]) -> str | None:
        source = given.get("payment_source_id")
        if source is not None and self.payment_sources.get(source) != customer["id"]:
            raise self._refuse(f"{source} not found", status=404, code="resource_not_found", param="payment_source_id")
        return source or next((pm for pm, owner in self.payment_sources.items() if owner == customer["id"]), None)

    def _new(
        self,
        customer: str,
        currency: str,
        lines: list[dict[str, Any]],
        *,
        terms: int,
        date: int | None,
        auto_collection: str,
        source: str | None,
        discounts: Sequence[int] = (),
    ) -> dict[str, Any]:
        now = self.now_seconds()
        asked = [] if self.switches["discounts_ignored"] else list(discounts)
        by_itself = [sum(line["amount"] for line in lines) // 10] if self.switches["discounted"] else []
        taken = [*asked, *by_itself]
        discount = self._spread(lines, sum(taken)) if taken else 0
        if asked:
            self._tax_the_rest(lines)
        tax = sum(line["tax_amount"] for line in lines)
        subtotal = sum(line["amount"] for line in lines) - discount
        inclusive = self.switches["tax_inclusive"]
        gross = subtotal if inclusive else subtotal + tax
        rounding = -(gross % 100) if self.switches["rounds_off"] else 0
        found = {
            "id": self.next_id("draft_inv_"),
            "customer_id": customer,
            "recurring": False,
            "status": "pending",
            "price_type": "tax_inclusive" if inclusive else "tax_exclusive",
            "date": date or now,
            "net_term_days": terms,
            "total": gross + rounding,
            "amount_adjusted": 0,
            "write_off_amount": 0,
            "credits_applied": 0,
            "updated_at": now,
            "deleted": False,
            "object": "invoice",
            "first_invoice": False,
            "round_off_amount": rounding,
            "has_advance_charges": False,
            "currency_code": currency,
            "base_currency_code": "USD",
            "is_gifted": False,
            "term_finalized": True,
            "tax": tax,
            "sub_total": subtotal,
            "line_items": [line | {"customer_id": customer} for line in lines],
            "linked_payments": [],
            "dunning_attempts": [],
            "applied_credits": [],
            "adjustment_credit_notes": [],
            "issued_credit_notes": [],
            "linked_orders": [],
            "_auto_collection": auto_collection,
            "_source": source,
            "_failed": [],
        }
        if names := {name: row[name] for row in [self.customers[customer]] for name in _NAMES if name in row}:
            found["billing_address"] = names | {"validation_status": "not_validated", "object": "billing_address"}
        if discount:
            kind = "document_level_discount"
            found["discounts"] = [
                {"entity_type": kind, "description": "Discount", "amount": amount, "object": "discount"}
                for amount in taken
            ]
            found["line_item_discounts"] = [
                {"line_item_id": line["id"], "discount_type": kind, "discount_amount": line["discount_amount"]}
                for line in lines
            ]
        if tax:
            found["taxes"] = [{"name": "Tax", "amount": tax, "object": "tax"}]
            found["line_item_taxes"] = [self._line_tax(line) for line in lines if line["is_taxed"]]
        return self._balanced(found)

    @staticmethod
    def _spread(lines: list[dict[str, Any]], whole: int) -> int:
        """Deduct from each line its part of a discount; the first line takes the rounding difference."""
        total: int = sum(line["amount"] for line in lines)
        for line in lines:
            line["discount_amount"] = line["amount"] * whole // total
        lines[0]["discount_amount"] += whole - sum(line["discount_amount"] for line in lines)
        return whole

    @staticmethod
    def _tax_the_rest(lines: list[dict[str, Any]]) -> None:
        """Tax each line after its part of the discount."""
        for line in lines:
            tax = Decimal(line["tax_amount"]) * (line["amount"] - line["discount_amount"]) / line["amount"]
            line["tax_amount"] = int(tax.quantize(Decimal(1), ROUND_HALF_UP))

    def _line_tax(self, line: Mapping[str, Any]) -> dict[str, Any]:
        base = line["amount"] - line["discount_amount"] * (not self.switches["discounted"])
        base -= line["tax_amount"] * self.switches["tax_inclusive"]
        return {
            "line_item_id": line["id"],
            "tax_name": "Tax",
            "tax_rate": line["tax_rate"],
            "taxable_amount": base,
            "tax_amount": line["tax_amount"],
            "object": "line_item_tax",
        }

    @staticmethod
    def _balanced(found: dict[str, Any]) -> dict[str, Any]:
        def sums(state: str) -> int:
            return sum(row["applied_amount"] for row in found["linked_payments"] if row["txn_status"] == state)

        due = found["total"] - sums("success") - sum(note["cn_total"] for note in found["adjustment_credit_notes"])
        due -= found["credits_applied"]
        amounts = {"amount_paid": sums("success"), "amount_due": due, "amount_to_collect": due - sums("in_progress")}
        return found | amounts
