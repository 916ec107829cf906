"""Stripe in memory: the same rules, the same refusals, as far as its documentation and recordings show them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, ClassVar

from invoice_bridge.emulator.core import Call, Emulator, Kept, Refused, nested
from invoice_bridge.providers.stripe.tables import API_VERSION, KEY_WINDOW, LINES_PER_INVOICE, MONEY, REFERENCE_KEY
from invoice_bridge.wire import Response

_INVOICE_PARAMS = (  # stripe-python 16.1.0, InvoiceCreateParams
    "account_tax_ids application_fee_amount auto_advance automatic_tax automatically_finalizes_at collection_method "
    "currency custom_fields customer customer_account days_until_due default_payment_method default_source "
    "default_tax_rates description discounts due_date effective_at expand footer from_invoice issuer metadata number "
    "on_behalf_of payment_settings pending_invoice_items_behavior rendering shipping_cost shipping_details "
    "statement_descriptor subscription transfer_data"
).split()
_CREATE_ONLY = {"currency", "customer", "customer_account", "from_invoice", "pending_invoice_items_behavior", "subscription"}
_LINE_PARAMS = (  # stripe-python 16.1.0, InvoiceAddLinesParamsLine
    "amount description discountable discounts invoice_item metadata period price_data pricing quantity "
    "quantity_decimal tax_amounts tax_rates"
).split()
_ITEM_PARAMS = (  # stripe-python 16.1.0, InvoiceItemCreateParams
    "amount currency customer customer_account description discountable discounts expand invoice metadata period "
    "price_data pricing quantity quantity_decimal subscription tax_behavior tax_code tax_rates unit_amount_decimal"
).split()
_LIST_PARAMS = "collection_method created customer customer_account due_date ending_before expand limit starting_after status subscription".split()
_FIRST_LINES = 10
_HOUR = 3600


class StripeEmulator(Emulator):
    """Stripe's invoices, invoice items and customers. `customers` maps ids to e-mail addresses; "cus_42" is there already."""

    name = "stripe"
    key = "sk_test_not_a_key"
    key_header = "Idempotency-Key"
    window = KEY_WINDOW
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {
        "void_uncollectible": (True, "whether an uncollectible invoice can be voided: documented, not observed"),
        "whole_units": (True, "whether amounts against the granularity of ISK, UGX or three-decimal codes are refused"),
        "replay_header": (True, "whether a replayed answer says idempotent-replayed: true; not found in a Stripe page"),
    }
    ROUTES = (
        ("POST", "/v1/customers", "create_customer"),
        ("GET", "/v1/customers/{id}", "retrieve_customer"),
        ("POST", "/v1/invoices", "create"),
        ("GET", "/v1/invoices", "list"),
        ("GET", "/v1/invoices/{id}", "retrieve"),
        ("POST", "/v1/invoices/{id}", "update"),
        ("DELETE", "/v1/invoices/{id}", "delete"),
        ("POST", "/v1/invoices/{id}/add_lines", "add_lines"),
        ("GET", "/v1/invoices/{id}/lines", "list_lines"),
        ("POST", "/v1/invoices/{id}/finalize", "finalize"),
        ("POST", "/v1/invoices/{id}/pay", "pay"),
        ("POST", "/v1/invoices/{id}/send", "send"),
        ("POST", "/v1/invoices/{id}/void", "void"),
        ("POST", "/v1/invoices/{id}/mark_uncollectible", "mark_uncollectible"),
        ("POST", "/v1/invoiceitems", "create_item"),
        ("GET", "/v1/invoiceitems", "list_items"),
    )
    tax_percent = 20
    """What automatic tax adds on top."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.customers: dict[str, dict[str, Any]] = {}
        self.invoices: dict[str, dict[str, Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.add_customer("cus_42", "someone@example.test")

    def add_customer(self, customer_id: str, email: str | None = None) -> None:
        """Make a customer that exists already."""
        self.customers[customer_id] = {
            "id": customer_id,
            "object": "customer",
            "email": email,
            "name": None,
            "created": self.now_seconds(),
            "livemode": False,
            "metadata": {},
        }

    # ── what every request meets ─────────────────────────────────────────────────────────────────────────────────
    def admit(self, call: Call) -> None:
        """Check the key (docs.stripe.com/api/authentication)."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self._refuse("Invalid API Key provided", status=401)

    def no_such_route(self, call: Call) -> Response:
        """404, as for any unrecognized URL."""
        return self._refuse(f"Unrecognized request URL ({call.method}: /{'/'.join(call.segments)})", status=404).answer

    def mismatch(self, call: Call, kept: Kept) -> Response:
        """The key came before with other parameters (docs.stripe.com/error-low-level; HTTP 400 as the SDK expects)."""
        del call, kept
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return self._refuse(message, kind="idempotency_error").answer

    def keeps(self, answer: Response) -> bool:
        """Results are stored once the endpoint began; what validation refuses is not."""
        return not (answer.status == 400 and b'"code":"parameter' in answer.content) and answer.status not in {401, 429}

    def replayed(self, answer: Response) -> Response:
        """The stored answer, marked as the switch says."""
        return super().replayed(answer) if self.switches["replay_header"] else answer

    def _refuse(self, message: str, *, status: int = 400, kind: str = "invalid_request_error", **facts: str) -> Refused:
        headers = {"request-id": self.next_id("req_")}
        return Refused(self.json({"error": {"type": kind, "message": message, **facts}}, status, headers))

    def _ok(self, body: Any) -> Response:
        return self.json(body, 200, {"request-id": self.next_id("req_"), "stripe-version": API_VERSION})

    def _params(self, call: Call, known: list[str] | tuple[str, ...]) -> dict[str, Any]:
        given = nested(call.query if call.method in {"GET", "DELETE"} else call.form())
        for name in given:
            if name not in known:
                raise self._refuse(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
        return given

    def _integer(self, given: Mapping[str, Any], name: str, param: str = "") -> int | None:
        if name not in given:
            return None
        try:
            return int(given[name])
        except (TypeError, ValueError):
            raise self._refuse(
                f"Invalid integer: {given[name]}", code="parameter_invalid_integer", param=param or name
            ) from None

    def _find(self, invoice_id: str, param: str = "id") -> dict[str, Any]:
        if invoice_id not in self.invoices:
            raise self._refuse(f"No such invoice: '{invoice_id}'", status=404, code="resource_missing", param=param)
        return self.invoices[invoice_id]

    # ── customers and invoice items ──────────────────────────────────────────────────────────────────────────────
    def create_customer(self, call: Call) -> Response:
        """POST /v1/customers."""
        given = self._params(call, ("email", "name", "metadata", "address", "description", "phone", "expand"))
        customer_id = self.next_id("cus_")
        self.add_customer(customer_id, given.get("email"))
        self.customers[customer_id] |= {"name": given.get("name"), "metadata": given.get("metadata") or {}}
        return self._ok(self.customers[customer_id])

    def retrieve_customer(self, call: Call, customer_id: str) -> Response:
        """GET /v1/customers/{id}."""
        del call
        if customer_id not in self.customers:
            raise self._refuse(f"No such customer: '{customer_id}'", status=404, code="resource_missing", param="id")
        return self._ok(self.customers[customer_id])

    def _customer(self, given: Mapping[str, Any]) -> dict[str, Any]:
        customer = self.customers.get(given.get("customer", ""))
        if customer is None:
            if "customer" in given:
                message = f"No such customer: '{given['customer']}'"
                raise self._refuse(message, code="resource_missing", param="customer")
            raise self._refuse("You must provide one of customer or customer_account.", code="parameter_missing")
        return customer

    def create_item(self, call: Call) -> Response:
        """POST /v1/invoiceitems: pending, or attached to a draft at once."""
        given = self._params(call, _ITEM_PARAMS)
        customer = self._customer(given)
        currency = given.get("currency", "usd")
        row = self._line(given, currency, "")
        item = {
            "id": self.next_id("ii_"),
            "object": "invoiceitem",
            "customer": customer["id"],
            "date": self.now_seconds(),
            "invoice": given.get("invoice"),
            "livemode": False,
            **{name: row[name] for name in ("amount", "currency", "description", "metadata", "period", "pricing", "quantity")},
        }
        self.items[item["id"]] = item
        if given.get("invoice"):
            found = self._draft(given["invoice"])
            found["rows"].append(row | {"parent": self._parent(item["id"])})
            self._total(found)
        return self._ok(item)

    def list_items(self, call: Call) -> Response:
        """GET /v1/invoiceitems, newest first."""
        given = self._params(call, ("created", "customer", "ending_before", "expand", "invoice", "limit", "pending", "starting_after"))
        rows = [item for item in reversed(self.items.values()) if given.get("customer") in {None, item["customer"]}]
        if "pending" in given:
            rows = [item for item in rows if (item["invoice"] is None) == (given["pending"] == "true")]
        return self._page(rows, given, "/v1/invoiceitems")

    @staticmethod
    def _parent(item_id: str) -> dict[str, Any]:
        return {"type": "invoice_item_details", "invoice_item_details": {"invoice_item": item_id, "proration": False}}

    # ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, call: Call) -> Response:
        """POST /v1/invoices: always a draft."""
        given = self._params(call, _INVOICE_PARAMS)
        customer, now = self._customer(given), self.now_seconds()
        behavior = given.get("pending_invoice_items_behavior", "exclude")
        if behavior not in {"include", "exclude"}:
            message = "Invalid pending_invoice_items_behavior: must be one of include or exclude"
            raise self._refuse(message, param="pending_invoice_items_behavior")
        found: dict[str, Any] = {
            "id": self.next_id("in_"),
            "object": "invoice",
            "status": "draft",
            "currency": given.get("currency", "usd").lower(),
            "customer": customer["id"],
            "customer_email": customer["email"],
            "customer_name": customer["name"],
            "created": now,
            "period_start": now,
            "period_end": now,
            "livemode": False,
            "billing_reason": "manual",
            "number": None,
            "attempted": False,
            "attempt_count": 0,
            "amount_paid": 0,
            "hosted_invoice_url": None,
            "invoice_pdf": None,
            "collection_method": "charge_automatically",
            "auto_advance": False,
            "automatic_tax": {"enabled": False, "status": None},
            "due_date": None,
            "effective_at": None,
            "description": None,
            "default_payment_method": None,
            "custom_fields": None,
            "metadata": {},
            "parent": None,
            "discounts": [],
            "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
            "rows": [],
        }
        self._apply(found, given)
        self._check_due(found)
        if behavior == "include":
            for item in self.items.values():
                if item["invoice"] is None and (item["customer"], item["currency"]) == (customer["id"], found["currency"]):
                    self._attach(found, item)
        self._total(found)
        self.invoices[found["id"]] = found
        return self._ok(self._shown(found))

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
        if "custom_fields" in given:
            found["custom_fields"] = [dict(row) for row in given["custom_fields"].values()]
        if "metadata" in given:
            found["metadata"] = {k: v for k, v in {**found["metadata"], **(given["metadata"] or {})}.items() if v != ""}
        if "effective_at" in given:
            found["effective_at"] = self._integer(given, "effective_at")
        if "days_until_due" in given:
            found["due_date"] = found["created"] + 86400 * (self._integer(given, "days_until_due") or 0)
        if "due_date" in given:
            found["due_date"] = self._integer(given, "due_date")
            if found["due_date"] is None or found["due_date"] <= self.now_seconds():
                message = "Invalid timestamp: must be an integer Unix timestamp in the future"
                raise self._refuse(message, param="due_date")

    def _check_due(self, found: dict[str, Any]) -> None:
        sends = found["collection_method"] == "send_invoice"
        if sends and found["due_date"] is None:
            raise self._refuse(
                "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'."
            )
        if not sends and found["due_date"] is not None:
            raise self._refuse("You can only specify 'due_date' or 'days_until_due' if collection method is 'send_invoice'.")
        if sends and not found["customer_email"]:
            raise self._refuse(
                "Missing email. In order to create invoices that are sent to the customer, the customer must have a valid email."
            )

    def retrieve(self, call: Call, invoice_id: str) -> Response:
        """GET /v1/invoices/{id}."""
        self._params(call, ("expand",))
        return self._ok(self._shown(self._find(invoice_id, "invoice")))

    def list(self, call: Call) -> Response:
        """GET /v1/invoices, newest first."""
        given = self._params(call, _LIST_PARAMS)
        rows = list(reversed(self.invoices.values()))
        for name in ("status", "customer", "collection_method"):
            if name in given:
                rows = [row for row in rows if row[name] == given[name]]
        created = given.get("created")
        for word, holds in _COMPARE.items():
            if isinstance(created, dict) and word in created:
                bound = self._integer(created, word, f"created[{word}]")
                rows = [row for row in rows if holds(row["created"], bound)]
        return self._page([self._shown(row) for row in rows], given, "/v1/invoices")

    def _page(self, rows: list[dict[str, Any]], given: Mapping[str, Any], url: str) -> Response:
        if "starting_after" in given:
            place = next((n for n, row in enumerate(rows) if row["id"] == given["starting_after"]), None)
            if place is None:
                message = f"No such object: '{given['starting_after']}'"
                raise self._refuse(message, code="resource_missing", param="starting_after")
            rows = rows[place + 1 :]
        limit = self._integer(given, "limit")
        limit = 10 if limit is None else min(max(limit, 1), 100)  # clamps silently (sandbox recording)
        return self._ok({"object": "list", "url": url, "has_more": len(rows) > limit, "data": rows[:limit]})

    def update(self, call: Call, invoice_id: str) -> Response:
        """POST /v1/invoices/{id}: drafts; of an issued invoice the metadata only."""
        found = self._find(invoice_id)
        given = self._params(call, [name for name in _INVOICE_PARAMS if name not in _CREATE_ONLY])
        frozen = [name for name in given if name not in {"metadata", "expand"}]
        if found["status"] != "draft" and frozen:
            raise self._refuse("Finalized invoices can't be updated in this way", param=frozen[0])
        self._apply(found, given)
        self._check_due(found)
        self._total(found)
        return self._ok(self._shown(found))

    def delete(self, call: Call, invoice_id: str) -> Response:
        """DELETE /v1/invoices/{id}: drafts only."""
        del call
        found = self._find(invoice_id, "invoice")
        if found["status"] != "draft":
            raise self._refuse("You can only delete draft invoices.")
        del self.invoices[invoice_id]
        return self._ok({"id": invoice_id, "object": "invoice", "deleted": True})

    def _draft(self, invoice_id: str) -> dict[str, Any]:
        found = self._find(invoice_id, "invoice")
        if found["status"] != "draft":
            raise self._refuse("This invoice is no longer editable", code="invoice_not_editable")
        return found

    def add_lines(self, call: Call, invoice_id: str) -> Response:
        """POST /v1/invoices/{id}/add_lines: new lines, or pending items by their ids."""
        given = self._params(call, ("lines", "invoice_metadata", "expand"))
        found = self._draft(invoice_id)
        added = list((given.get("lines") or {}).values())
        if not added:
            raise self._refuse("Missing required param: lines.", code="parameter_missing", param="lines")
        if len(found["rows"]) + len(added) > LINES_PER_INVOICE:
            raise self._refuse(f"An invoice can have at most {LINES_PER_INVOICE} items")
        rows: list[Any] = []
        for place, line in enumerate(added):
            if unknown := [name for name in line if name not in _LINE_PARAMS]:
                name = f"lines[{place}][{unknown[0]}]"
                raise self._refuse(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
            if "invoice_item" in line:
                item = self.items.get(line["invoice_item"])
                if item is None or item["invoice"] is not None or item["currency"] != found["currency"]:
                    raise self._refuse(f"No such invoiceitem: '{line['invoice_item']}'", code="resource_missing")
                rows.append(item)
            else:
                rows.append(self._line(line, found["currency"], f"lines[{place}]"))
        for row in rows:
            if row["object"] == "invoiceitem":
                self._attach(found, row)
            else:
                found["rows"].append(row)
        self._total(found)
        return self._ok(self._shown(found))

    def _attach(self, found: dict[str, Any], item: dict[str, Any]) -> None:
        item["invoice"] = found["id"]
        row = {name: item[name] for name in ("amount", "currency", "description", "metadata", "period", "pricing", "quantity")}
        found["rows"].append(self._row(row | {"parent": self._parent(item["id"])}))

    def _line(self, given: Mapping[str, Any], currency: str, param: str) -> dict[str, Any]:
        price = given.get("price_data")
        if ("amount" in given) == (price is not None or "unit_amount_decimal" in given):
            raise self._refuse("You must give exactly one of amount and a price", param=f"{param}[amount]" if param else "amount")
        amount = self._integer(given, "amount", f"{param}[amount]" if param else "amount")
        quantity, unit = Decimal(1), Decimal(amount or 0)
        if amount is None:
            try:
                quantity = Decimal(given.get("quantity_decimal", given.get("quantity", "1")))
                source = price if isinstance(price, dict) else given
                unit = Decimal(source.get("unit_amount") or source["unit_amount_decimal"])
            except (KeyError, InvalidOperation):
                raise self._refuse("Invalid decimal", code="parameter_invalid_integer", param=param) from None
            if min(quantity, unit) < 0 or (isinstance(price, dict) and price.get("currency") != currency):
                raise self._refuse("The price does not fit the invoice", param=f"{param}[price_data]")
            amount = int((quantity * unit).quantize(Decimal(1), ROUND_HALF_UP))
        step = MONEY.multiple_of.get(currency.upper(), 1)
        if self.switches["whole_units"] and amount % step:
            raise self._refuse(f"Amounts in {currency} must be multiples of {step}", param=param or "amount")
        now, period = self.now_seconds(), given.get("period") or {}
        spell = {edge: self._integer(period, edge) or now for edge in ("start", "end")}
        if spell["end"] < spell["start"]:
            raise self._refuse("The period must end after it starts", param=f"{param}[period][end]")
        return self._row(
            {
                "amount": amount,
                "currency": currency,
                "description": given.get("description"),
                "metadata": given.get("metadata") or {},
                "period": spell,
                "quantity": int(quantity),
                "quantity_decimal": f"{quantity:f}",
                "pricing": {
                    "type": "price_details",
                    "price_details": {"price": self.next_id("price_"), "product": self.next_id("prod_")},
                    "unit_amount_decimal": f"{unit:f}",
                },
                "parent": None,
            }
        )

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": self.next_id("il_"),
            "object": "line_item",
            **row,
            "livemode": False,
            "discountable": True,
            "discounts": [],
            "discount_amounts": [],
            "taxes": [],
        }

    def _total(self, found: dict[str, Any]) -> None:
        subtotal = sum(row["amount"] for row in found["rows"])
        taxed = found["automatic_tax"]["enabled"]
        tax = int((Decimal(subtotal) * self.tax_percent / 100).quantize(Decimal(1), ROUND_HALF_UP)) if taxed else 0
        found |= {
            "subtotal": subtotal,
            "total_taxes": [{"amount": tax, "tax_behavior": "exclusive", "taxable_amount": subtotal}] if taxed else [],
            "total_discount_amounts": [],
            "total": subtotal + tax,
            "total_excluding_tax": subtotal,
            "amount_due": max(subtotal + tax, 0),
            "amount_remaining": max(subtotal + tax, 0) - found["amount_paid"],
            "pre_payment_credit_notes_amount": 0,
            "post_payment_credit_notes_amount": 0,
            "starting_balance": 0,
            "amount_shipping": 0,
        }

    def _shown(self, found: dict[str, Any]) -> dict[str, Any]:
        rows = [row | {"invoice": found["id"]} for row in found["rows"]]
        lines = {
            "object": "list",
            "data": rows[:_FIRST_LINES],
            "has_more": len(rows) > _FIRST_LINES,
            "total_count": len(rows),
            "url": f"/v1/invoices/{found['id']}/lines",
        }
        head = {"id": found["id"], "object": "invoice"}
        rest = {name: value for name, value in sorted(found.items()) if name != "rows"} | {"lines": lines}
        return head | rest

    def list_lines(self, call: Call, invoice_id: str) -> Response:
        """GET /v1/invoices/{id}/lines."""
        given = self._params(call, ("ending_before", "expand", "limit", "starting_after"))
        found = self._find(invoice_id, "invoice")
        return self._page([row | {"invoice": invoice_id} for row in found["rows"]], given, f"/v1/invoices/{invoice_id}/lines")

    # ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────
    def _issue(self, found: dict[str, Any]) -> None:
        now = self.now_seconds()
        found |= {
            "status": "open",
            "number": found["number"] or f"EMULATED-{len([i for i in self.invoices.values() if i['number']]) + 1:04d}",
            "effective_at": found["effective_at"] or now,
            "hosted_invoice_url": f"https://invoice.example.test/{found['id']}",
            "invoice_pdf": f"https://invoice.example.test/{found['id']}/pdf",
        }
        found["status_transitions"]["finalized_at"] = now
        self._note("issued", found)
        if found["amount_due"] == 0:
            found |= {"status": "paid", "attempted": True}
            found["status_transitions"]["paid_at"] = now

    def _note(self, event: str, found: dict[str, Any]) -> None:
        reference = found["metadata"].get(REFERENCE_KEY)
        self.enter(event, found["id"], found["customer"], found["total"], found["currency"], reference)

    def finalize(self, call: Call, invoice_id: str) -> Response:
        """POST …/finalize: draft → open, or paid where nothing is due."""
        self._params(call, ("auto_advance", "expand"))
        found = self._find(invoice_id)
        if found["status"] != "draft":
            raise self._refuse("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
        if not found["rows"]:
            raise self._refuse("Nothing to invoice for customer", code="invoice_no_customer_line_items")
        self._issue(found)
        return self._ok(self._shown(found))

    def pay(self, call: Call, invoice_id: str) -> Response:
        """POST …/pay: collects, or records a payment made elsewhere; finalizes a draft in the same call (sandbox recording)."""
        given = self._params(call, "expand forgive mandate off_session paid_out_of_band payment_method source".split())
        found = self._find(invoice_id)
        if found["status"] == "paid":
            raise self._refuse("Invoice is already paid")
        if found["status"] == "void":
            raise self._refuse("This invoice can no longer be paid: it is void")
        method = given.get("payment_method") or found["default_payment_method"] or "pm_card_of_the_customer"
        elsewhere = given.get("paid_out_of_band") == "true"
        if not elsewhere and "declined" in method:
            message = "Your card was declined."
            raise self._refuse(message, status=402, kind="card_error", code="card_declined", decline_code="generic_decline")
        if found["status"] == "draft":
            self._issue(found)
        found |= {"status": "paid", "amount_paid": found["amount_due"], "amount_remaining": 0, "auto_advance": False}
        if not elsewhere:
            found |= {"attempted": True, "attempt_count": found["attempt_count"] + 1}
        found["status_transitions"]["paid_at"] = self.now_seconds()
        self._note("recorded" if elsewhere else "collected", found)
        return self._ok(self._shown(found))

    def send(self, call: Call, invoice_id: str) -> Response:
        """POST …/send: mails an open invoice; finalizes a draft (sandbox recording)."""
        self._params(call, ("expand",))
        found = self._find(invoice_id, "invoice")
        if found["status"] not in {"draft", "open"}:
            raise self._refuse("This invoice cannot be sent right now.")
        if found["collection_method"] != "send_invoice":
            raise self._refuse("You can only manually send an invoice if its collection method is 'send_invoice'.")
        if found["status"] == "draft":
            self._issue(found)
        self._note("mailed", found)
        return self._ok(self._shown(found))

    def void(self, call: Call, invoice_id: str) -> Response:
        """POST …/void: keeps amount_due and amount_remaining as they were (sandbox recording)."""
        self._params(call, ("expand",))
        found = self._find(invoice_id)
        if found["status"] == "paid":
            raise self._refuse("Invoices with `paid` payments cannot be voided.")
        allowed = {"open", "uncollectible"} if self.switches["void_uncollectible"] else {"open"}
        if found["status"] not in allowed:
            raise self._refuse("You can only pass in open invoices. This invoice isn't open.")
        found["status"] = "void"
        found["status_transitions"]["voided_at"] = self.now_seconds()
        self._note("voided", found)
        return self._ok(self._shown(found))

    def mark_uncollectible(self, call: Call, invoice_id: str) -> Response:
        """POST …/mark_uncollectible: open invoices only."""
        self._params(call, ("expand",))
        found = self._find(invoice_id)
        if found["status"] == "uncollectible":
            raise self._refuse("This invoice has already been marked uncollectible.")
        if found["status"] != "open":
            raise self._refuse("You can only pass in open invoices. This invoice isn't open.")
        found |= {"status": "uncollectible", "status_details": {"uncollectible": {"reason": "user_forgiven"}}}
        found["status_transitions"]["marked_uncollectible_at"] = self.now_seconds()
        self._note("written_off", found)
        return self._ok(self._shown(found))


_COMPARE = {
    "gt": lambda have, bound: have > bound,
    "gte": lambda have, bound: have >= bound,
    "lt": lambda have, bound: have < bound,
    "lte": lambda have, bound: have <= bound,
}
