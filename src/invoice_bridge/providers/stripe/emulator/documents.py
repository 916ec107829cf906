"""The documents that Stripe's emulator stores, and the checks that every request passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, ClassVar

from invoice_bridge.adapter.emulation.core import Emulator, ErrorResponse, IncomingRequest, StoredResponse, nested
from invoice_bridge.core.wire import Response, basic, bearer
from invoice_bridge.providers.stripe.emulator.tax_amounts import read_tax_amounts
from invoice_bridge.providers.stripe.emulator.totals import amounts_of
from invoice_bridge.providers.stripe.tables import (
    API_VERSION,
    KEY_WINDOW,
    LINES_PER_INVOICE,
    MONEY,
    STATUSES,
    TRANSITIONS,
)

LINE_PARAMS = (
    "amount description discountable discounts metadata period.start period.end price_data.currency price_data.product "
    "price_data.product_data price_data.tax_behavior price_data.unit_amount price_data.unit_amount_decimal "
    "pricing.price quantity quantity_decimal tax_rates"
)
_TAX_AMOUNT = "amount tax_rate_data.display_name tax_rate_data.inclusive tax_rate_data.percentage taxable_amount"
TAX_PARAMS = " ".join(f"lines.tax_amounts.{name}" for name in _TAX_AMOUNT.split())
COUPON_WORDS = ("coupon", "promotion_code", "discount")
_FIRST_LINES = 10
_HOUR = 3600
ITEM_FIELDS = ("amount", "currency", "description", "metadata", "period", "pricing", "quantity", "quantity_decimal")
_INNER = frozenset({"rows", "payments", "inherits", "coupons"})


class StripeDocuments(Emulator):
    """Stripe's stored documents, the checks of every request, and the answers."""

    name = "stripe"
    key = "sk_test_not_a_key"
    customer = "cus_42"
    key_header = "Idempotency-Key"
    window = KEY_WINDOW
    statuses = STATUSES
    transitions = TRANSITIONS
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {
        "void_uncollectible": (True, "whether an uncollectible invoice can be voided: documented, not observed"),
        "pay_uncollectible": (True, "whether an uncollectible invoice can be paid: documented, not observed"),
        "whole_units": (True, "whether amounts against the granularity of ISK, UGX or three-decimal codes are refused"),
        "replay_header": (True, "whether a replayed answer says idempotent-replayed: true; not found in a Stripe page"),
        "send_any_method": (False, "whether an invoice that is charged automatically can be mailed by hand"),
        "method_changes": (
            True,
            "whether the collection method of an open invoice can be changed: its documentation disagrees with itself",
        ),
        "in_use_is_idempotency_error": (
            False,
            "whether the type of idempotency_key_in_use is idempotency_error rather than invalid_request_error",
        ),
        "finalize_empty": (False, "whether a draft without lines can be finalized, to a paid invoice over nothing"),
        "customer_discount": (
            False,
            "whether the customer has a discount, which an invoice inherits (InvoiceCreateParams.discounts)",
        ),
        "customer_owes": (False, "whether the customer owes 50.00 from before (Customer.balance)"),
        "customer_credit": (False, "whether the customer has a credit of 5.00 (Customer.balance)"),
        "minimum_charge": (
            True,
            "whether an amount below the minimum charge counts as paid and moves to the balance (Invoice.amount_due)",
        ),
        "tax_inclusive": (False, "whether automatic tax is within the prices (TotalTax.tax_behavior)"),
        "taxed_items": (False, "whether pending items carry a tax rate of their own (InvoiceItem.tax_rates)"),
        "search": (True, "whether the account can search: not for merchants in India (docs.stripe.com/search)"),
    }
    COMPUTES = frozenset({*(f"discounts[].{name}" for name in COUPON_WORDS), "default_tax_rates"})
    tax_percent = 20
    """The rate of automatic tax, on top or included."""
    discount_percent = 10
    coupons: ClassVar[Mapping[str, int]] = {"spring": 20, "welcome": 5}
    """The percentages of the coupons and promotion codes that exist."""
    tax_rates = ("txr_42",)
    """The tax rates that exist, each of `tax_percent`."""
    search_lag = timedelta(0)
    """The lag of the search index: under a minute by documentation, an hour in outages."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.customers: dict[str, dict[str, Any]] = {}
        self.invoices: dict[str, dict[str, Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.products = {"prod_42", "prod_43"}
        self.prices = {"price_42": ("prod_42", "eur", 600)}
        self.subscriptions = {"sub_42": self.customer}
        self.intents: dict[str, dict[str, Any]] = {}
        self.payment_records: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []
        self.credit_notes: list[dict[str, Any]] = []
        self.made_rates: dict[tuple[str, str, Decimal], str] = {}
        self.add_customer(self.customer, "someone@example.test")

    def add_customer(self, customer_id: str, email: str | None = None, **more: Any) -> dict[str, Any]:
        """Add an existing customer."""
        head = {"id": customer_id, "object": "customer", "created": self.now_seconds(), "livemode": False}
        balance = 5000 * self.switches["customer_owes"] - 500 * self.switches["customer_credit"]
        coupon = {"id": "di_1", "object": "discount", "coupon": {"percent_off": self.discount_percent}}
        discount = coupon if self.switches["customer_discount"] else None
        rest = {"email": email, "name": None, "metadata": {}, "next_invoice_sequence": 1} | more
        rest |= {"balance": balance, "discount": discount}
        self.customers[customer_id] = head | rest | {"invoice_prefix": f"EMULATE{len(self.customers)}"}
        return self.customers[customer_id]

    # ── what every request meets ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key, as bearer or as the user of Basic (docs.stripe.com/api/authentication)."""
        if call.headers.get("authorization") not in {bearer(self.key), basic(self.key)}:
            raise self._refuse("Invalid API Key provided", status=401)

    def no_such_route(self, call: IncomingRequest) -> Response:
        """Return 404, as for any unrecognized URL."""
        return self._refuse(f"Unrecognized request URL ({call.method}: /{'/'.join(call.segments)})", status=404).answer

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """Refuse a known key with other parameters (docs.stripe.com/error-low-level; HTTP 400 as the SDK expects)."""
        del call, kept
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return self._refuse(message, kind="idempotency_error").answer

    def keeps(self, answer: Response) -> bool:
        """Return whether the answer is stored: results are once the endpoint began, refusals of validation are not."""
        return not (answer.status == 400 and b'"code":"parameter' in answer.content) and answer.status not in {401, 429}

    def replayed(self, answer: Response) -> Response:
        """Return the stored answer, with the mark if the switch is on."""
        return super().replayed(answer) if self.switches["replay_header"] else answer

    def in_progress(self, call: IncomingRequest) -> Response:
        """Return 409 while the first request with the key runs (docs.stripe.com/error-low-level)."""
        del call
        message = "There is currently another in-progress request using this Idempotent Key."
        kind = "idempotency_error" if self.switches["in_use_is_idempotency_error"] else "invalid_request_error"
        return self._refuse(message, status=409, kind=kind, code="idempotency_key_in_use").answer

    def server_error(self) -> Response:
        """Return 500, stored like any result once the endpoint began (docs.stripe.com/api/idempotent_requests)."""
        return self._refuse("Something went wrong on our end", status=500, kind="api_error").answer

    def throttled(self, retry_after: str | None) -> Response:
        """429 (docs.stripe.com/rate-limits)."""
        answer = self._refuse("Too many requests", status=429, code="rate_limit").answer
        return self.with_retry_after(answer, retry_after)

    def _refuse(
        self, message: str, *, status: int = 400, kind: str = "invalid_request_error", **facts: str
    ) -> ErrorResponse:
        headers = {"request-id": self.next_id("req_")}
        return ErrorResponse(self.json({"error": {"type": kind, "message": message, **facts}}, status, headers))

    def _missing(self, what: str, which: str, param: str, status: int = 400) -> ErrorResponse:
        return self._refuse(f"No such {what}: '{which}'", status=status, code="resource_missing", param=param)

    def _ok(self, body: Any) -> Response:
        return self.json(body, 200, {"request-id": self.next_id("req_"), "stripe-version": API_VERSION})

    def _params(self, call: IncomingRequest, known: str) -> dict[str, Any]:
        pairs = call.query if call.method in {"GET", "DELETE"} else call.form()
        names = set(known.split())
        for name, _ in pairs:
            words = [word for word in re.findall(r"[^\[\]]+", name) if not word.isdecimal()]
            if not any(".".join(words[:depth]) in names for depth in range(1, len(words) + 1)):
                raise self._refuse(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
        return nested(pairs)

    def _integer(self, given: Mapping[str, Any], name: str, param: str = "") -> int | None:
        if name not in given:
            return None
        try:
            return int(given[name])
        except (TypeError, ValueError):
            message, code = f"Invalid integer: {given[name]}", "parameter_invalid_integer"
            raise self._refuse(message, code=code, param=param or name) from None

    def _find(self, invoice_id: str, param: str = "id") -> dict[str, Any]:
        if invoice_id not in self.invoices:
            raise self._missing("invoice", invoice_id, param, 404)
        return self.invoices[invoice_id]

    def _page(
        self,
        rows: list[dict[str, Any]],
        given: Mapping[str, Any],
        url: str,
        show: Callable[[dict[str, Any]], Any] = lambda row: row,
    ) -> Response:
        """Answer with one page of rows; `show` makes each row of the page as it is answered."""
        limit = self._integer(given, "limit")
        limit = 10 if limit is None else min(max(limit, 1), 100)  # clamps silently (sandbox recording)
        edges = [name for name in ("starting_after", "ending_before") if name in given]
        if len(edges) > 1:
            raise self._refuse("You can only specify one of these parameters: starting_after, ending_before.")
        for name in edges:
            place = next((place for place, row in enumerate(rows) if row["id"] == given[name]), None)
            if place is None:
                raise self._missing("object", given[name], name)
            rows = rows[place + 1 :] if name == "starting_after" else rows[:place]
        shown = rows[-limit:] if "ending_before" in given else rows[:limit]
        return self._ok({"object": "list", "url": url, "has_more": len(rows) > limit, "data": list(map(show, shown))})

    def _customer(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if "customer" not in given:
            raise self._refuse("You must provide one of customer or customer_account.", code="parameter_missing")
        if given["customer"] not in self.customers:
            raise self._missing("customer", given["customer"], "customer")
        return self.customers[given["customer"]]

    def _apply(self, found: dict[str, Any], given: Mapping[str, Any]) -> None:
        for name in ("description", "collection_method", "default_payment_method", "number", "footer"):
            if name in given:
                found[name] = given[name] or None
        if found["collection_method"] not in {"charge_automatically", "send_invoice"}:
            raise self._refuse("Invalid collection_method", param="collection_method")
        if "auto_advance" in given:
            found["auto_advance"] = given["auto_advance"] == "true"
            found["automatically_finalizes_at"] = found["created"] + _HOUR + 1 if found["auto_advance"] else None
        if "automatic_tax" in given:
            found["automatic_tax"] = {"enabled": given["automatic_tax"].get("enabled") == "true", "status": None}
        self._native(found, given)
        if "custom_fields" in given:
            found["custom_fields"] = [dict(row) for row in given["custom_fields"].values()]
        if "metadata" in given:
            merged = {**found["metadata"], **(given["metadata"] or {})}
            found["metadata"] = {name: value for name, value in merged.items() if value != ""}
        if "effective_at" in given:
            found["effective_at"] = self._integer(given, "effective_at")
        self._due(found, given)

    def _native(self, found: dict[str, Any], given: Mapping[str, Any]) -> None:
        """Read coupons, default tax rates, and the instant at which Stripe finalizes a draft; shipping is refused."""
        self._refuse_uncomputed(given, "", "shipping_cost")
        if isinstance(rows := given.get("discounts"), dict):
            codes = [next((row[word] for word in COUPON_WORDS if row.get(word)), None) for row in rows.values()]
            for code in codes:
                if code not in self.coupons:
                    raise self._missing("coupon", str(code), "discounts[0][coupon]")
            found["coupons"] = codes
        if isinstance(rates := given.get("default_tax_rates"), dict):
            for rate in rates.values():
                if rate not in self.tax_rates:
                    raise self._missing("tax_rate", rate, "default_tax_rates")
            found["default_tax_rates"] = [{"id": rate, "object": "tax_rate"} for rate in rates.values()]
        if "automatically_finalizes_at" in given:
            found["automatically_finalizes_at"] = self._integer(given, "automatically_finalizes_at")

    def _refuse_uncomputed(self, given: Mapping[str, Any], at: str, *names: str) -> None:
        for name in names:
            if name in given:
                message = f"This emulator does not compute what {name} changes of the amount"
                raise self._refuse(message, param=f"{at}[{name}]" if at else name)

    def _due(self, found: dict[str, Any], given: Mapping[str, Any]) -> None:
        if "days_until_due" in given:
            found["due_date"] = found["created"] + 24 * _HOUR * (self._integer(given, "days_until_due") or 0)
        if "due_date" in given:
            found["due_date"] = self._integer(given, "due_date") or 0
            if found["due_date"] <= self.now_seconds():
                message = "Invalid timestamp: must be an integer Unix timestamp in the future"
                raise self._refuse(message, param="due_date")
        named = "'due_date' or 'days_until_due'"
        if found["collection_method"] != "send_invoice":
            if found["due_date"] is not None:
                raise self._refuse(f"You can only specify {named} if collection method is 'send_invoice'.")
        elif found["due_date"] is None:
            raise self._refuse(f"If invoice collection method is 'send_invoice', you must specify {named}.")
        elif not found["customer_email"]:
            mail = "In order to create invoices that are sent to the customer, the customer must have a valid email."
            raise self._refuse(f"Missing email. {mail}")

    def _draft(self, invoice_id: str) -> dict[str, Any]:
        found = self._find(invoice_id, "invoice")
        if not self.allows("update", found["status"]):
            raise self._refuse("This invoice is no longer editable", code="invoice_not_editable")
        return found

    def _attach(self, found: dict[str, Any], added: list[dict[str, Any]]) -> None:
        if len(found["rows"]) + len(added) > LINES_PER_INVOICE:
            raise self._refuse(f"An invoice can have at most {LINES_PER_INVOICE} items")
        for row in added:
            if row["object"] == "invoiceitem":
                row["invoice"] = found["id"]
                parent = {"type": "invoice_item_details", "invoice_item_details": {"invoice_item": row["id"]}}
                rated = self.switches["taxed_items"]
                row = self._row({name: row[name] for name in ITEM_FIELDS} | {"parent": parent, "rated": rated})  # noqa: PLW2901
            found["rows"].append(row | {"invoice": found["id"]})
        self._total(found)

    def _line(self, given: Mapping[str, Any], currency: str, at: str) -> dict[str, Any]:
        def name(field: str) -> str:
            return f"{at}[{field}]" if at else field

        self._refuse_uncomputed(given, at, "discounts", "discountable", "tax_rates")
        priced_by = (given.get("pricing") or {}).get("price")
        price = (
            given.get("price_data") or ({} if priced_by is None else self._price(priced_by, currency, name)) or given
        )
        priced = [word for word in ("unit_amount", "unit_amount_decimal") if word in price]
        if ("amount" in given) == bool(priced) or ("amount" in given and {"quantity", "quantity_decimal"} & set(given)):
            raise self._refuse("You must give either an amount, or a quantity and a price", param=name("amount"))
        quantity, unit = Decimal(1), Decimal(self._integer(given, "amount", name("amount")) or 0)
        if priced:
            try:
                quantity = Decimal(given.get("quantity_decimal", given.get("quantity", "1")))
                unit = Decimal(price[priced[0]])
            except InvalidOperation:
                raise self._refuse(
                    "Invalid decimal", code="parameter_invalid_integer", param=name("quantity")
                ) from None
            if min(quantity, unit) < 0 or price.get("currency", currency) != currency:
                raise self._refuse("The price does not fit the invoice", param=name("price_data"))
        amount = int((quantity * unit).quantize(Decimal(1), ROUND_HALF_UP))
        step = MONEY.multiple_of.get(currency.upper(), 1)
        if self.switches["whole_units"] and amount % step:
            raise self._refuse(f"Amounts in {currency} must be multiples of {step}", param=name("amount"))
        now, spell = self.now_seconds(), given.get("period") or {}
        edges = [self._integer(spell, edge, f"{name('period')}[{edge}]") for edge in ("start", "end")]
        start, end = (now if edge is None else edge for edge in edges)
        if end < start:
            raise self._refuse("The period must end after it starts", param=f"{name('period')}[end]")
        product = price.get("product")
        if product is not None and product not in self.products:
            raise self._missing("product", product, f"{name('price_data')}[product]")
        minted = {"price": priced_by or self.next_id("price_"), "product": product or self.next_id("prod_")}
        return self._row(
            {
                "amount": amount,
                "currency": currency,
                "description": given.get("description"),
                "metadata": given.get("metadata") or {},
                "period": {"start": start, "end": end},
                "quantity": int(quantity),
                "quantity_decimal": f"{quantity:f}",
                "pricing": {"type": "price_details", "price_details": minted, "unit_amount_decimal": f"{unit:f}"},
                "parent": None,
                "taxes": read_tax_amounts(
                    given.get("tax_amounts") or {}, name("tax_amounts"), self._refuse, self._integer, self._rate_id
                ),
            }
        )

    def _price(self, price_id: str, currency: str, name: Callable[[str], str]) -> dict[str, Any]:
        """Return one of the account's prices in the form of price_data."""
        if price_id not in self.prices:
            raise self._missing("price", price_id, f"{name('pricing')}[price]")
        product, of, unit = self.prices[price_id]
        if of != currency:
            raise self._refuse(f"The price is in {of}, not in {currency}", param=f"{name('pricing')}[price]")
        return {"product": product, "unit_amount": str(unit)}

    def _rate_id(self, known: tuple[str, str, Decimal]) -> str:
        """Return the id of a rate object: one that matches an earlier one exactly is that one."""
        return self.made_rates.setdefault(known, self.next_id("txr_"))

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        rest = {"livemode": False, "discountable": True, "discounts": [], "discount_amounts": []}
        stated = {name: value for name, value in row.items() if name != "taxes"}
        head = {"id": self.next_id("il_"), "object": "line_item"}
        return {**head, **stated, **rest, "taxes": row.get("taxes", [])}

    def _total(self, found: dict[str, Any]) -> None:
        is_inclusive, percent = bool(self.switches["tax_inclusive"]), self.tax_percent
        found |= amounts_of(found, self._percent_off(found), percent, is_inclusive=is_inclusive, refuse=self._refuse)
        if found["status"] == "draft":
            found["starting_balance"] = self.customers[found["customer"]]["balance"]
        total = found["total"]
        due = max(total + found["starting_balance"], 0) if total > 0 else max(total, 0)
        found |= {"amount_due": due, "amount_remaining": due - found["amount_paid"]}

    def _percent_off(self, found: Mapping[str, Any]) -> int:
        """Return the discount of the customer, or of the coupons that the invoice was made with."""
        if found["inherits"]:
            return int(self.discount_percent)
        return min(sum(self.coupons[code] for code in found.get("coupons", ())), 100)

    def shown(self, invoice_id: str) -> dict[str, Any]:
        """Return an invoice as an answer or an event shows it."""
        return self._shown(self.invoices[invoice_id])

    @staticmethod
    def _shown(found: dict[str, Any], *, payments: bool = False) -> dict[str, Any]:
        rows, url = found["rows"], f"/v1/invoices/{found['id']}/lines"
        page = {"data": rows[:_FIRST_LINES], "has_more": len(rows) > _FIRST_LINES, "total_count": len(rows), "url": url}
        rest = {name: value for name, value in sorted(found.items()) if name not in _INNER}
        more = {"payments": {"object": "list", "data": found["payments"], "has_more": False}} if payments else {}
        return {"id": found["id"], "object": "invoice", **rest, "lines": {"object": "list", **page}, **more}
