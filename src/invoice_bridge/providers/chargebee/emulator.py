"""Chargebee in memory: the same rules, the same refusals, as far as its documentation shows them.

Nothing here was observed on the live service. `product_catalog` chooses which catalog the site has.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

from invoice_bridge.adapter.emulation.core import Emulator, ErrorResponse, IncomingRequest, StoredResponse, nested
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.money import exponent
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.fields import month_before
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH, KEY_WINDOW, NO_MAIL

# names of parameters: chargebee 3.29.0, the TypedDicts of Invoice
_LINE = (
    "amount amount_in_decimal avalara_sale_type avalara_service_type avalara_tax_code avalara_transaction_type "
    "date_from date_to description hsn_code tax_profile_id taxable taxjar_product_code"
)
_BOTH = (
    "coupon coupon_ids currency_code customer_id invoice_date payment_initiator payment_source_id po_number "
    "subscription_id"
)
_CREATE_1 = (
    f"{_BOTH} authorization_transaction_id auto_collection invoice_note remove_general_note "
    "replace_primary_payment_source retain_payment_source token_id"
)
_CREATE_2 = f"{_CREATE_1} net_term_days create_pending_invoice"
_CHARGE = (
    f"{_BOTH} amount amount_in_decimal avalara_sale_type avalara_service_type avalara_transaction_type date_from "
    "date_to description"
)
_TRANSACTION = (
    "amount payment_method reference_number custom_payment_method_id id_at_gateway status date error_code error_text"
)
_ADDRESS = (
    "first_name last_name email company phone line1 line2 line3 city state_code state zip country validation_status"
)
_METHODS = {"cash", "check", "bank_transfer", "other", "custom", "dana", "touch_n_go", "tamara", "qpay"}
_WORDS = ("id", "customer_id", "subscription_id", "payment_owner", "void_reason_code", "status", "price_type")
_TIMES = ("date", "paid_at", "updated_at", "voided_at")
_CREDITS = 500
_NUMBERS = ("total", "amount_paid", "amount_adjusted", "credits_applied", "amount_due")
_FILTERS = (*_WORDS, *_TIMES, *_NUMBERS, "recurring", "dunning_status", "channel", "einvoice", "paid_on_after")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": lambda have, bound: have < bound,
    "before": lambda have, bound: have < bound,
    "lte": lambda have, bound: have <= bound,
    "gt": lambda have, bound: have > bound,
    "after": lambda have, bound: have > bound,
    "gte": lambda have, bound: have >= bound,
    "on": lambda have, bound: have // 86400 == bound // 86400,
}
_OPEN = ("payment_due", "posted", "not_paid")
_LONGEST_KEY = 100


class ChargebeeEmulator(Emulator):
    """One Chargebee test site.

    The customer "cus_42" is there with the payment source "pm_42", and its subscription "sub_42" with 29.99 EUR of
    unbilled charges in May 2026. A payment source whose id contains "declined" is declined, one with "pending" stays in
    progress. `tax_percent` is what taxable lines are taxed at, None where the site has no tax; `mails_invoices` is the
    site's e-mail setting; `lines_per_page` is how many lines an invoice shows at once.
    """

    name = "chargebee"
    key = "test_not_a_key"
    customer = "cus_42"
    payment_method = "pm_42"
    subscription = "sub_42"
    settings: ClassVar[Mapping[str, Any]] = {"site": "acme-test"}
    reference_settings: ClassVar[Mapping[str, Any]] = {"reference_field": "cf_reference"}
    key_header = "chargebee-idempotency-key"
    window = KEY_WINDOW
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
        "rounds_off": (False, "whether the site rounds totals to whole units (Invoice.round_off_amount)"),
        "backdating_limited": (
            False,
            "whether other requests than /charge refuse a date more than one calendar month back: not confirmed",
        ),
    }
    ROUTES = (
        ("GET", "/configurations", "configurations"),
        ("POST", "/customers", "create_customer"),
        ("GET", "/customers/{id}", "retrieve_customer"),
        ("POST", "/invoices/create_for_charge_items_and_charges", "create_2"),
        ("POST", "/invoices/charge", "charge"),
        ("POST", "/invoices", "create_1"),
        ("GET", "/invoices", "list_invoices"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("POST", "/invoices/{id}/close", "close"),
        ("POST", "/invoices/{id}/collect_payment", "collect_payment"),
        ("POST", "/invoices/{id}/record_payment", "record_payment"),
        ("POST", "/invoices/{id}/void", "void"),
        ("POST", "/invoices/{id}/write_off", "write_off"),
        ("POST", "/invoices/{id}/delete", "delete"),
        ("POST", "/invoices/{id}/update_details", "update_details"),
        ("GET", "/unbilled_charges", "list_unbilled"),
        ("POST", "/unbilled_charges/invoice_unbilled_charges", "invoice_unbilled"),
    )

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
        self.invoices: dict[str, dict[str, Any]] = {}
        self.add_customer("cus_42")
        self.payment_sources |= {"pm_42": "cus_42", "pm_declined": "cus_42", "pm_pending": "cus_42"}
        self.subscriptions["sub_42"] = {"id": "sub_42", "customer_id": "cus_42", "auto_collection": "on"}
        may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
        self.add_unbilled_charge("sub_42", 2500, may, june, description="Fleet plan, May 2026")
        self.add_unbilled_charge("sub_42", 499, may + timedelta(days=16), description="Roadside call")

    def add_customer(self, customer_id: str, **facts: Any) -> None:
        """Make a customer that exists already."""
        self.customers[customer_id] = {
            "id": customer_id,
            "auto_collection": "on",
            "net_term_days": 0,
            "created_at": self.now_seconds(),
            "object": "customer",
            "deleted": False,
            **facts,
        }

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
        """Let a subscription accrue a charge over a period, or at one instant; returns its id."""
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

    # ── what every request meets ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key: HTTP Basic, the key as user, no password."""
        if call.headers.get("authorization") != "Basic " + base64.b64encode(f"{self.key}:".encode()).decode():
            message = "Sorry, authentication failed. Invalid api key"
            raise self._refuse(message, status=401, code="api_authentication_failed", kind=None)
        if len(call.headers.get(self.key_header, "")) > _LONGEST_KEY:
            raise self._refuse(f"{self.key_header} : is longer than {_LONGEST_KEY} characters")

    def no_such_route(self, call: IncomingRequest) -> Response:
        """405 for a known path, 404 for any other."""
        paths = {pattern for _, pattern, _ in self.ROUTES}
        if "/" + "/".join(call.segments) in paths:
            return self._refuse("HTTP method not supported", status=405, code="http_method_not_supported").answer
        return self._refuse("Sorry, we couldn't find that resource", status=404, code="resource_not_found").answer

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """422: the key came before with other parameters."""
        del call, kept
        message = "The idempotency key was used with different parameters"
        return self._refuse(message, status=422, code="unable_to_process_request").answer

    def keeps(self, answer: Response) -> bool:
        """Results are stored; whether refusals are, the switch says."""
        return answer.status < 300 or (self.switches["failures_stored"] and answer.status != 429)

    def replayed(self, answer: Response) -> Response:
        """The stored answer, marked."""
        return Response(answer.status, answer.content, {**answer.headers, "chargebee-idempotency-replayed": "true"})

    def in_progress(self, call: IncomingRequest) -> Response:
        """409 where it does not wait: nothing is documented, so it is taken for the only code that goes with 409."""
        del call
        message = "A request with this idempotency key is being processed"
        return self._refuse(message, status=409, code="invalid_state_for_request").answer

    def server_error(self) -> Response:
        """500 (apidocs.chargebee.com, error handling)."""
        message = "Sorry, something went wrong"
        return self._refuse(message, status=500, code="internal_error", kind="operation_failed").answer

    def throttled(self, retry_after: str | None) -> Response:
        """429; Retry-After "may" be sent (chargebee.com/docs, API limits)."""
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
        """The form, checked against what the route knows; custom fields (cf_…) are always let through."""
        given = nested(call.form())
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
        """A posted invoice becomes payment_due when its due date comes."""
        if found["status"] == "posted" and found["due_date"] <= self.now_seconds():
            found |= {"status": "payment_due", "dunning_status": "in_progress"}
        return found

    # ── customers and the site ───────────────────────────────────────────────────────────────────────────────────
    def configurations(self, call: IncomingRequest) -> Response:
        """GET /configurations: which catalog the site has."""
        del call
        version = f"v{self.product_catalog}"
        return self.json({"configurations": [{"domain": "acme-test", "product_catalog_version": version}]})

    def create_customer(self, call: IncomingRequest) -> Response:
        """POST /customers."""
        given = self._params(call, "id first_name last_name email auto_collection net_term_days")
        customer_id = given.pop("id", None) or self.next_id("cus_")
        if customer_id in self.customers:
            raise self._refuse(f"id : {customer_id} is used already", code="duplicate_entry", param="id")
        terms = self._integer(given, "net_term_days") or 0
        self.add_customer(customer_id, **{**given, "net_term_days": terms})
        return self.json({"customer": self.customers[customer_id]})

    def retrieve_customer(self, call: IncomingRequest, customer_id: str) -> Response:
        """GET /customers/{id}."""
        del call
        if customer_id not in self.customers:
            raise self._refuse(f"{customer_id} not found", status=404, code="resource_not_found")
        return self.json({"customer": self.customers[customer_id]})

    # ── creating ─────────────────────────────────────────────────────────────────────────────────────────────────
    def create_2(self, call: IncomingRequest) -> Response:
        """POST /invoices/create_for_charge_items_and_charges: product catalog 2; pending where it is asked for."""
        self._needs_catalog(2)
        given = self._params(call, _CREATE_2, charges=f"{_LINE} entity_description")
        return self._create(call, given, self._lines(given), pending=given.get("create_pending_invoice") == "true")

    def create_1(self, call: IncomingRequest) -> Response:
        """POST /invoices: product catalog 1."""
        self._needs_catalog(1)
        given = self._params(call, _CREATE_1, charges=_LINE)
        return self._create(call, given, self._lines(given))

    def charge(self, call: IncomingRequest) -> Response:
        """POST /invoices/charge: product catalog 1; one line, collected at once."""
        self._needs_catalog(1)
        given = self._params(call, _CHARGE)
        if "description" not in given:
            raise self._refuse("description : cannot be blank", param="description")
        line = self._line({name: given.get(name) for name in ("amount", "description", "date_from", "date_to")}, "")
        return self._create(call, given | {"auto_collection": "on"}, [line], limited=True)

    def _lines(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        columns: Mapping[str, Mapping[str, str]] = given.get("charges", {})
        if not all(isinstance(column, dict) for column in columns.values()):
            raise self._refuse("charges : must be given as charges[field][index]", param="charges")
        places = sorted({int(index) for column in columns.values() for index in column if index.isdecimal()})
        if not places:
            raise self._refuse("Cannot create an invoice without any line items", code="invalid_request")
        rows = ({name: column.get(str(place)) for name, column in columns.items()} for place in places)
        return [self._line(row, f"[{place}]") for place, row in zip(places, rows, strict=True)]

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
            "object": "line_item",
            "description": self._text(row, "description", DESCRIPTION_LENGTH, param=param("description")) or "Charge",
            "entity_type": "adhoc",
            "discount_amount": 0,
            "item_level_discount_amount": 0,
        }

    def _create(
        self,
        call: IncomingRequest,
        given: Mapping[str, Any],
        lines: list[dict[str, Any]],
        *,
        pending: bool = False,
        limited: bool = False,
    ) -> Response:
        customer = self._customer(given)
        if given.get("auto_collection", "on") not in {"on", "off"}:
            raise self._refuse("auto_collection : must be one of on, off", param="auto_collection")
        date = self._integer(given, "invoice_date")
        earliest = month_before(datetime.fromtimestamp(self.now_seconds(), UTC)).timestamp()
        if date is not None and (limited or self.switches["backdating_limited"]) and date < earliest:
            raise self._refuse("invoice_date : is more than one calendar month back", param="invoice_date")
        terms = self._integer(given, "net_term_days")
        found = self._new(
            customer["id"],
            self._currency(given),
            lines,
            terms=customer["net_term_days"] if terms is None else terms,
            date=date,
            auto_collection=given.get("auto_collection") or customer["auto_collection"],
            source=self._source(given, customer),
        )
        found |= {name: value for name, value in given.items() if name.startswith("cf_")}
        if given.get("subscription_id") in self.subscriptions:
            found |= {"subscription_id": given["subscription_id"]} | self._inherited()
        if (order := self._text(given, "po_number", 100)) is not None:
            found["po_number"] = order
        if (note := self._text(given, "invoice_note", 2000)) is not None:
            found["notes"] = [{"note": note, "object": "note"}]
        if not pending:
            self._issue(found, call, first=True)
        self.invoices[found["id"]] = found
        return self.json({"invoice": self._shown(found)})

    def _customer(self, given: Mapping[str, Any]) -> dict[str, Any]:
        customer_id = given.get("customer_id")
        if customer_id is None and given.get("subscription_id") in self.subscriptions:
            customer_id = self.subscriptions[given["subscription_id"]]["customer_id"]
        if customer_id is None:
            raise self._refuse("customer_id : cannot be blank", param="customer_id")
        if customer_id not in self.customers:
            message = f"customer_id : {customer_id} not found"
            raise self._refuse(message, status=404, code="resource_not_found", param="customer_id")
        return self.customers[customer_id]

    def _currency(self, given: Mapping[str, Any]) -> str:
        code = given.get("currency_code", "USD").upper()  # the site's own where none is said
        try:
            exponent(code)
        except ValueError:
            raise self._refuse(f"currency_code : {code} is not valid", param="currency_code") from None
        return str(code)

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
    ) -> dict[str, Any]:
        now = self.now_seconds()
        tax = sum(line["tax_amount"] for line in lines)
        discount = sum(line["amount"] for line in lines) // 10 if self.switches["discounted"] else 0
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
        }
        if discount:
            found["discounts"] = [{"entity_type": "document_level_discount", "amount": discount, "object": "discount"}]
        if tax:
            found["taxes"] = [{"name": "Tax", "amount": tax, "object": "tax"}]
        return self._balanced(found)

    @staticmethod
    def _balanced(found: dict[str, Any]) -> dict[str, Any]:
        def sums(state: str) -> int:
            return sum(row["applied_amount"] for row in found["linked_payments"] if row["txn_status"] == state)

        due = found["total"] - sums("success") - sum(note["cn_total"] for note in found["adjustment_credit_notes"])
        due -= found["credits_applied"]
        amounts = {"amount_paid": sums("success"), "amount_due": due, "amount_to_collect": due - sums("in_progress")}
        return found | amounts

    def _shown(self, found: dict[str, Any], start: int = 0, limit: int | None = None) -> dict[str, Any]:
        rows, end = found["line_items"], start + (limit or self.lines_per_page)
        shown = {name: value for name, value in found.items() if not name.startswith("_")}
        shown |= {"line_items": rows[start:end], "resource_version": found["updated_at"] * 1000}
        return shown | ({"line_items_next_offset": str(end)} if end < len(rows) else {})

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────
    def retrieve(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}, with one page of its lines."""
        given = dict(call.query)
        for name in given:
            if name not in {"line_items_limit", "line_items_offset"}:
                raise self._refuse(f"{name} : unknown parameter", param=name)
        start = self._integer(given, "line_items_offset") or 0
        limit = self._integer(given, "line_items_limit", least=1)
        return self.json({"invoice": self._shown(self._find(invoice_id), start, limit)})

    def list_invoices(self, call: IncomingRequest) -> Response:
        """GET /invoices, newest first. A filter without an operator is silently ignored, as the real one does."""
        given = dict(call.query)
        rows = [self._aged(row) for row in reversed(self.invoices.values())]
        if given.pop("include_deleted", "false") != "true":
            rows = [row for row in rows if not row["deleted"]]
        rows.sort(key=lambda row: row["date"], reverse=True)
        for name in ("sort_by[asc]", "sort_by[desc]"):
            if (by := given.pop(name, None)) is not None:
                if by not in {"date", "updated_at"}:
                    raise self._refuse(f"{name} : must be one of date, updated_at", param=name)
                rows.sort(key=lambda row, by=by: row[by], reverse="desc" in name)  # type: ignore[misc]
        rows = self._filtered(rows, given, _FILTERS)
        return self._page(rows, given, "invoice", self._shown)

    def list_unbilled(self, call: IncomingRequest) -> Response:
        """GET /unbilled_charges."""
        given = dict(call.query)
        given.pop("include_deleted", None)
        given.pop("is_voided", None)
        rows = self._filtered(list(self.unbilled.values()), given, ("subscription_id", "customer_id"))
        return self._page(rows, given, "unbilled_charge", lambda row: row)

    def _filtered(
        self, rows: list[dict[str, Any]], given: Mapping[str, str], known: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        for name, value in given.items():
            if name in {"limit", "offset"}:
                continue
            parts = re.fullmatch(r"(\w+)(?:\[(\w+)\])?", name)
            if parts is None or parts[1] not in known:
                raise self._refuse(f"{name} : unknown parameter", param=name)
            field, operator = parts.groups()
            if operator is not None:
                holds = self._filter(field, operator, value)
                rows = [row for row in rows if holds(row.get(field))]
        return rows

    def _filter(self, field: str, operator: str, value: str) -> Callable[[Any], bool]:
        def said(have: Any) -> str:
            return str(have).lower() if isinstance(have, bool) else str(have)

        if operator in {"in", "not_in"}:
            among = self._listed(field, value)
            return lambda have: (said(have) in among) == (operator == "in")
        if operator in {"is", "is_not"}:
            return lambda have: (said(have) == value) == (operator == "is")
        if operator == "starts_with":
            return lambda have: said(have).startswith(value)
        if operator == "is_present":
            return lambda have: (have is not None) == (value == "true")
        if operator == "between":
            low, high = (int(bound) for bound in self._listed(field, value))
            return lambda have: have is not None and low <= have <= high
        if operator in _COMPARE and (field in _NUMBERS or re.fullmatch("[0-9]{10}", value)):
            return lambda have: have is not None and _COMPARE[operator](have, int(value))
        raise self._refuse(f"{field}[{operator}] : is not valid", param=f"{field}[{operator}]")

    def _listed(self, field: str, value: str) -> list[str]:
        """A list as published, ["a","b"] or [a,b]; as the SDK spells it, ['a', 'b'], where the switch says so."""
        item = (
            r"""\s*(?:"[^"']*"|'[^"']*'|[^"',\]]*)\s*""" if self.switches["quoted_lists"] else r'(?:"[^"]*"|[^"\', ]*)'
        )
        if not re.fullmatch(rf"\[{item}(?:,{item})*\]", value):
            raise self._refuse(f"{field} : is not a list", param=field)
        return [part.strip().strip("\"'") for part in value[1:-1].split(",")]

    def _page(
        self,
        rows: list[dict[str, Any]],
        given: Mapping[str, str],
        wrapper: str,
        shown: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> Response:
        limit = self._integer(given, "limit", least=1)
        limit = 10 if limit is None else limit
        if limit > 100:
            raise self._refuse("limit : must be between 1 and 100", param="limit")
        if "offset" in given:
            place = next((n for n, row in enumerate(rows) if self._offset(row) == given["offset"]), None)
            if place is None:
                raise self._refuse("offset : is not valid", param="offset")
            rows = rows[place + 1 :]
        body: dict[str, Any] = {"list": [{wrapper: shown(row)} for row in rows[:limit]]}
        if len(rows) > limit:
            body["next_offset"] = self._offset(rows[limit - 1])
        return self.json(body)

    @staticmethod
    def _offset(row: Mapping[str, Any]) -> str:
        return dumps([str(row.get("date", row.get("date_from"))), row["id"]]).decode()

    # ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────
    def _issue(self, found: dict[str, Any], call: IncomingRequest, *, first: bool = False) -> None:
        """Turn a pending invoice into a demand for money, and collect it where auto_collection is on."""
        now = self.now_seconds()
        if self.switches["closing_renumbers"] or first:
            self.invoices.pop(found["id"], None)
            number = self.next_id("").lstrip("0")
            found["id"] = number
        terms = found["net_term_days"]
        found |= {
            "status": "posted" if terms else "payment_due",
            "due_date": found["date"] + 86400 * terms,
            "generated_at": now,
            "updated_at": now,
        }
        if self.switches["customer_credits"]:
            applied = min(_CREDITS, found["amount_due"])
            left = found["amount_due"] - applied
            found |= {"credits_applied": applied, "amount_due": left, "amount_to_collect": left}
            found["applied_credits"] = [{"applied_amount": applied, "applied_at": now}]
        if found["amount_to_collect"] == 0:
            found |= {"status": "paid", "paid_at": now}
        elif found["_auto_collection"] == "on":
            refused = self._collect(found, found["_source"], found["amount_to_collect"])
            if refused is not None and first and not self.switches["declined_create_kept"]:
                raise refused
        self.invoices[found["id"]] = found
        collected = found["amount_paid"] > 0
        self._note("issued", found)
        if collected:
            self._note("collected", found)
        if self.mails_invoices and call.headers.get(NO_MAIL[0]) != NO_MAIL[1]:
            self._note("mailed", found)

    def _collect(self, found: dict[str, Any], source: str | None, amount: int) -> ErrorResponse | None:
        if source is None:
            message = "The customer has no payment source"
            return self._refuse(message, code="payment_method_not_present", kind="payment")
        if "declined" in source:
            found["dunning_status"] = "in_progress"
            return self._refuse("Your card was declined.", code="payment_processing_failed", kind="payment")
        self._pay(found, amount, "in_progress" if "pending" in source else "success")
        return None

    def _pay(self, found: dict[str, Any], amount: int, state: str) -> dict[str, Any]:
        now = self.now_seconds()
        payment = {
            "txn_id": self.next_id("txn_"),
            "applied_amount": min(amount, found["amount_to_collect"]),
            "applied_at": now,
            "txn_status": state,
            "txn_date": now,
            "txn_amount": amount,
            "object": "linked_payment",
        }
        found["linked_payments"].append(payment)
        found |= self._balanced(found) | {"updated_at": now}
        if found["amount_due"] == 0:
            found |= {"status": "paid", "paid_at": now}
        return payment

    def _note(self, event: str, found: Mapping[str, Any]) -> None:
        custom = next((value for name, value in found.items() if name.startswith("cf_")), None)
        reference = custom or found.get("po_number")
        self.record(event, found["id"], found["customer_id"], found["total"], found["currency_code"], reference)

    def close(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/close: pending → posted, payment_due or paid."""
        self._params(call, "comment invoice_note remove_general_note invoice_date")
        found = self._find(invoice_id)
        if found["status"] != "pending":
            raise self._wrong_state(found, "closed")
        self._issue(found, call)
        return self.json({"invoice": self._shown(found)})

    def collect_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/collect_payment: from a payment source that must be named."""
        given = self._params(call, "amount authorization_transaction_id comment payment_initiator payment_source_id")
        found = self._find(invoice_id)
        if found["status"] not in _OPEN or found["amount_to_collect"] <= 0:
            raise self._wrong_state(found, "collected")
        if not {"payment_source_id", "authorization_transaction_id"} & given.keys():
            raise self._refuse("payment_source_id : cannot be blank", param="payment_source_id")
        amount = self._integer(given, "amount", least=1)
        amount = found["amount_to_collect"] if amount is None else amount
        if amount > found["amount_to_collect"]:
            raise self._refuse("amount : is more than the amount to collect", param="amount")
        source = self._source(given, self.customers[found["customer_id"]])
        if (refused := self._collect(found, source, amount)) is not None:
            raise refused
        self._note("collected", found)
        return self._with_transaction(found, found["linked_payments"][-1])

    def record_payment(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/record_payment: paid elsewhere."""
        given = self._params(call, "comment", transaction=_TRANSACTION)
        found = self._find(invoice_id)
        if found["status"] not in _OPEN:
            raise self._wrong_state(found, "paid")
        transaction = given.get("transaction", {})
        if transaction.get("payment_method") not in _METHODS:
            param = "transaction[payment_method]"
            raise self._refuse(f"{param} : must be one of {', '.join(sorted(_METHODS))}", param=param)
        amount = self._integer(transaction, "amount", param="transaction[amount]")
        payment = self._pay(found, found["amount_due"] if amount is None else amount, "success")
        self._note("recorded", found)
        return self._with_transaction(found, payment)

    def _with_transaction(self, found: dict[str, Any], payment: Mapping[str, Any]) -> Response:
        transaction = {
            "id": payment["txn_id"],
            "customer_id": found["customer_id"],
            "type": "payment",
            "status": payment["txn_status"],
            "amount": payment["txn_amount"],
            "currency_code": found["currency_code"],
            "date": payment["txn_date"],
            "object": "transaction",
        }
        return self.json({"invoice": self._shown(found), "transaction": transaction})

    def _withdrawable(self, found: Mapping[str, Any], action: str) -> None:
        paid = any(row["txn_status"] in {"success", "in_progress"} for row in found["linked_payments"])
        if paid or found["amount_adjusted"]:
            raise self._wrong_state(found, action)

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: issued invoices without payments."""
        given = self._params(call, "comment void_reason_code")
        found = self._find(invoice_id)
        if found["status"] not in _OPEN:
            raise self._wrong_state(found, "voided")
        self._withdrawable(found, "voided")
        now = self.now_seconds()
        found |= {"status": "voided", "voided_at": now, "updated_at": now}
        found |= {name: given[name] for name in ("void_reason_code",) if name in given}
        self._note("voided", found)
        return self.json({"invoice": self._shown(found)})

    def write_off(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/write_off: becomes paid, with a write_off_amount and an adjustment credit note."""
        self._params(call, "comment")
        found = self._find(invoice_id)
        if found["status"] not in _OPEN or any(row["txn_status"] == "in_progress" for row in found["linked_payments"]):
            raise self._wrong_state(found, "written off")
        now, given_up = self.now_seconds(), found["amount_due"]
        note = {
            "cn_id": self.next_id("CN-"),
            "cn_create_reason_code": "Write Off",
            "cn_date": now,
            "cn_total": given_up,
            "cn_status": "adjusted",
            "object": "adjustment_credit_note",
        }
        found["adjustment_credit_notes"].append(note)
        found |= self._balanced(found) | {
            "status": "paid",
            "write_off_amount": given_up,
            "paid_at": now,
            "updated_at": now,
        }
        self._note("written_off", found)
        credit = {
            "id": note["cn_id"],
            "customer_id": found["customer_id"],
            "reference_invoice_id": found["id"],
            "type": "adjustment",
            "status": "adjusted",
            "create_reason_code": "Write Off",
            "total": given_up,
            "currency_code": found["currency_code"],
            "date": now,
            "object": "credit_note",
        }
        return self.json({"invoice": self._shown(found), "credit_note": credit})

    def delete(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/delete: pending, voided or unpaid invoices; from then on only listed, with include_deleted."""
        self._params(call, "comment claim_credits")
        found = self._find(invoice_id)
        if found["status"] not in {"pending", "voided", *_OPEN}:
            raise self._wrong_state(found, "deleted")
        self._withdrawable(found, "deleted")
        found |= {"deleted": True, "updated_at": self.now_seconds()}
        self._note("deleted", found)
        return self.json({"invoice": self._shown(found)})

    def update_details(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/update_details: addresses, VAT number, PO number and custom fields."""
        names = "po_number comment vat_number vat_number_prefix"
        given = self._params(
            call, names, billing_address=_ADDRESS, shipping_address=_ADDRESS, statement_descriptor="descriptor"
        )
        found = self._find(invoice_id)
        self._text(given, "po_number", 100)
        found |= {name: value for name, value in given.items() if name != "comment"}
        found["updated_at"] = self.now_seconds()
        return self.json({"invoice": self._shown(found)})

    def invoice_unbilled(self, call: IncomingRequest) -> Response:
        """POST /unbilled_charges/invoice_unbilled_charges: all of a subscription's, an invoice per currency."""
        given = self._params(call, "subscription_id customer_id")
        subscription = self.subscriptions.get(given.get("subscription_id", ""))
        if subscription is None:  # by customer_id only with consolidated invoicing, which this site has not
            message = f"subscription_id : {given.get('subscription_id')} not found"
            raise self._refuse(message, status=404, code="resource_not_found", param="subscription_id")
        rows = [row for row in self.unbilled.values() if row["subscription_id"] == subscription["id"]]
        if not rows:
            raise self._refuse("There are no unbilled charges", code="invalid_request")
        customer, made = self.customers[subscription["customer_id"]], []
        for currency in dict.fromkeys(row["currency_code"] for row in rows):
            mine = [row for row in rows if row["currency_code"] == currency]
            lines = [self._accrued_line(row) for row in mine]
            found = self._new(
                customer["id"],
                currency,
                lines,
                terms=customer["net_term_days"],
                date=None,
                auto_collection=subscription["auto_collection"],
                source=self._source({}, customer),
            )
            found |= {"subscription_id": subscription["id"], "recurring": True} | self._inherited()
            self._issue(found, call, first=True)
            made.append(self._shown(found))
        for row in rows:
            del self.unbilled[row["id"]]
        return self.json({"invoices": made})

    def _inherited(self) -> dict[str, str]:
        """What an invoice takes over from its subscription (chargebee 3.29.0, Subscription.po_number)."""
        return {"po_number": "PO-CUSTOMER-7"} if self.switches["subscription_order"] else {}

    def _accrued_line(self, row: Mapping[str, Any]) -> dict[str, Any]:
        line = self._line({"amount": str(row["amount"]), "description": row["description"]}, "")
        kept = ("id", "date_from", "date_to", "subscription_id", "entity_type")
        return line | {name: row[name] for name in kept}
