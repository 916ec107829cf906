"""A Stripe account at 2026-10-28.endive, written from contracts/stripe.md.

What Stripe does by itself is done here too: a customer's discount is inherited unless `discounts` is sent empty, a
balance is applied at finalize, an amount below the minimum is paid and moved to the balance, automatic tax is added.

Switches: `balance` (minor units; positive: owed), `discount` (percent), `minimum`, `tax` (percent), `items` (instant,
minor units, text: pending items), `item_tax` (percent that pending items carry), `search_lag` (seconds), `no_search`,
`running_type` (the type of the 409: two forms are seen), `declines` (payment methods), `email` (False: the customer has
none).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.independent.server import Answer, Doc, Kept, Provider, Refused, Request

_CREATE = {
    *("auto_advance", "automatic_tax[enabled]", "collection_method", "currency", "customer", "days_until_due"),
    *("default_payment_method", "description", "discounts", "due_date", "effective_at", "footer", "number"),
    *("pending_invoice_items_behavior", "statement_descriptor", "on_behalf_of"),
}
_UPDATE = _CREATE - {"currency", "customer", "pending_invoice_items_behavior"}
_LINE = {
    *("amount", "description", "discountable", "invoice_item", "quantity", "quantity_decimal", "period[start]"),
    *("period[end]", "price_data[currency]", "price_data[product]", "price_data[unit_amount_decimal]"),
    *("price_data[product_data][name]", "price_data[tax_behavior]", "pricing[price]", "price_data[unit_amount]"),
}
_WORDS_AFTER_FINALIZE = {"collection_method", "days_until_due", "due_date", "auto_advance", "default_payment_method"}


class Stripe(Provider):
    """See the module."""

    name = "stripe"
    kept_headers = ("stripe-version",)
    replay_headers = {"Idempotent-Replayed": "true"}  # noqa: RUF012 - read only

    def seed(self) -> None:
        """The customer's balance and pending items."""
        self.balance = int(self.switch("balance", 0))
        self.items: dict[str, Doc] = {}
        for at, amount, text in self.switch("items", []):
            item = {"id": self.new_id("ii_"), "object": "invoiceitem", "amount": amount, "currency": "eur"}
            item |= {"customer": "cus_1", "date": int(at), "description": text, "discountable": True, "invoice": None}
            item |= {"livemode": False, "metadata": {}, "period": {"start": int(at), "end": int(at)}, "quantity": 1}
            rates = [{"id": "txr_1", "percentage": self.switch("item_tax")}] if self.switch("item_tax") else []
            self.items[item["id"]] = item | {"proration": False, "tax_rates": rates, "discounts": []}

    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Contract sheet, 1.1."""
        one = "/v1/invoices/{id}"
        return [
            ("POST", "/v1/invoices", self.create),
            ("GET", "/v1/invoices", self.list_invoices),
            ("GET", "/v1/invoices/search", self.search),
            ("GET", one, self.retrieve),
            ("POST", one, self.update),
            ("DELETE", one, self.delete),
            ("GET", f"{one}/lines", self.list_lines),
            ("POST", f"{one}/add_lines", self.add_lines),
            ("POST", f"{one}/finalize", self.finalize),
            ("POST", f"{one}/pay", self.pay),
            ("POST", f"{one}/send", self.send),
            ("POST", f"{one}/void", self.void),
            ("POST", f"{one}/mark_uncollectible", self.mark_uncollectible),
            ("GET", "/v1/invoiceitems", self.list_items),
            ("GET", "/v1/customers/{id}", self.customer),
        ]

    def error(self, case: str, message: str, **facts: Any) -> Answer:
        """Contract sheet, 4. What is refused before the endpoint runs is not stored under the key."""
        status, kind, code = {
            "unauthorized": (401, "invalid_request_error", None),
            "no_route": (404, "invalid_request_error", None),
            "mismatch": (400, "idempotency_error", None),
            "running": (409, self.switch("running_type", "invalid_request_error"), "idempotency_key_in_use"),
            "throttled": (429, "invalid_request_error", "rate_limit"),
            "failed": (500, "api_error", None),
            "invalid": (400, "invalid_request_error", facts.get("code")),
            "missing": (404, "invalid_request_error", "resource_missing"),
            "state": (400, "invalid_request_error", facts.get("code")),
            "declined": (402, "card_error", "card_declined"),
        }[case]
        error = {"type": kind, "message": message} | ({"code": code} if code else {})
        error |= {"param": facts["param"]} if facts.get("param") else {}
        return Answer(status, {"error": error}, stored=case in {"failed", "state", "declined", "missing"})

    def keep_failure(self, kept: Kept) -> bool:
        """Results are stored, those of failures included."""
        kept.answer = self.error("failed", "something went wrong on our side")
        return True

    def _refuse(self, case: str, message: str, **facts: Any) -> Refused:
        return Refused(self.error(case, message, **facts))

    def _form(self, request: Request, allowed: set[str]) -> dict[str, str]:
        fields = request.form
        for name in fields:
            if name not in allowed and not re.match(r"(metadata|expand|discounts)\[", name):
                raise self._refuse("invalid", f"Received unknown parameter: {name}", code="parameter_unknown")
        return fields

    def _one(self, id: str, param: str = "invoice") -> Doc:
        doc = self.invoices.get(id)
        if doc is None or doc.get("_deleted"):
            raise self._refuse("missing", f"No such invoice: '{id}'", param=param)
        return doc

    def _shown(self, doc: Doc) -> Doc:
        shown = {name: value for name, value in doc.items() if not name.startswith("_")}
        if doc["status"] == "draft":  # "the current customer balance" until it is finalized (the SDK, starting_balance)
            shown["starting_balance"] = self.balance
        lines = {"object": "list", "data": doc["_lines"][:10], "has_more": len(doc["_lines"]) > 10}
        return {
            **shown,
            "lines": {**lines, "total_count": len(doc["_lines"]), "url": f"/v1/invoices/{doc['id']}/lines"},
        }

    # ── the bill ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, request: Request) -> Answer:
        """A draft without lines."""
        fields = self._form(request, _CREATE)
        if fields.get("customer") != "cus_1":
            param = {"code": "resource_missing", "param": "customer"}
            raise self._refuse("invalid", f"No such customer: '{fields.get('customer')}'", **param)
        self._check_collection(fields.get("collection_method", "charge_automatically"), fields)
        now = int(self.clock.now())
        doc: Doc = {
            "id": self.new_id("in_"),
            "object": "invoice",
            "account_country": "FR",
            "amount_due": 0,
            "amount_overpaid": 0,
            "amount_paid": 0,
            "amount_remaining": 0,
            "amount_shipping": 0,
            "attempt_count": 0,
            "attempted": False,
            "auto_advance": fields.get("auto_advance") == "true",
            "automatic_tax": {"enabled": fields.get("automatic_tax[enabled]") == "true", "status": None},
            "billing_reason": "manual",
            "collection_method": fields.get("collection_method", "charge_automatically"),
            "created": now,
            "currency": fields.get("currency", "eur"),
            "customer": fields["customer"],
            "customer_email": "payer@example.com" if self.switch("email", True) else None,
            "default_payment_method": fields.get("default_payment_method"),
            "description": fields.get("description"),
            "discounts": ["di_1"] if "discounts" not in fields and self.switch("discount") else [],
            "due_date": self._due(fields, now),
            "effective_at": int(fields["effective_at"]) if fields.get("effective_at") else None,
            "ending_balance": None,
            "footer": fields.get("footer"),
            "hosted_invoice_url": None,
            "livemode": False,
            "metadata": _metadata(fields),
            "number": fields.get("number"),
            "parent": None,
            "period_end": now,
            "period_start": now,
            "starting_balance": 0,
            "status": "draft",
            "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
            "subtotal": 0,
            "total": 0,
            "total_discount_amounts": [],
            "total_taxes": [],
            "_lines": [],
        }
        self.invoices[doc["id"]] = doc
        if fields.get("pending_invoice_items_behavior") == "include":
            for item in [item for item in self.items.values() if item["invoice"] is None]:
                self._take_item(doc, item)
        self._reckon(doc)
        self.record("created", doc)
        return Answer(200, self._shown(doc))

    def _check_collection(self, method: str, fields: dict[str, str]) -> None:
        dated = fields.get("due_date") or fields.get("days_until_due")
        if method == "send_invoice" and not dated:
            raise self._refuse("invalid", "you must specify 'due_date' or 'days_until_due'.")
        if method == "charge_automatically" and dated:
            raise self._refuse("invalid", "You can only specify a due date when sending the invoice.")
        if method == "send_invoice" and not self.switch("email", True):
            raise self._refuse("invalid", "Missing email. In order to create invoices that are sent to the customer, …")
        if fields.get("due_date") and int(fields["due_date"]) <= self.clock.now():
            raise self._refuse("invalid", "Invalid timestamp: must be in the future", param="due_date")

    def _due(self, fields: dict[str, str], now: int) -> int | None:
        if fields.get("days_until_due"):
            return now + int(fields["days_until_due"]) * 86400
        return int(fields["due_date"]) if fields.get("due_date") else None

    def add_lines(self, request: Request, id: str) -> Answer:
        """Lines of a draft: own amounts, prices, or pending items."""
        doc, rows = self._one(id), dict[int, dict[str, str]]()
        for name, value in request.form.items():
            cell = re.fullmatch(r"lines\[(\d+)\]\[(\w+)\](.*)", name)
            if cell is None or (cell[2] + cell[3] not in _LINE and cell[2] != "metadata"):
                raise self._refuse("invalid", f"Received unknown parameter: {name}", code="parameter_unknown")
            rows.setdefault(int(cell[1]), {})[cell[2] + cell[3]] = value
        if doc["status"] != "draft":
            raise self._refuse("state", "This invoice is no longer editable", code="invoice_not_editable")
        for place in sorted(rows):
            row = rows[place]
            if "amount" in row and ("quantity" in row or "quantity_decimal" in row):
                raise self._refuse("invalid", "amount or quantity", param=f"lines[{place}][amount]")
            if "invoice_item" in row:
                item = self.items.get(row["invoice_item"])
                if item is None or item["invoice"] is not None:
                    raise self._refuse("state", "This invoice item is already attached", param="invoice_item")
                self._take_item(doc, item)
                continue
            unit = row.get("price_data[unit_amount_decimal]") or row.get("price_data[unit_amount]") or "0"
            quantity = float(row.get("quantity_decimal") or row.get("quantity") or "1")
            amount = int(row["amount"]) if "amount" in row else round(float(unit) * quantity)
            text = row.get("description") or row.get("price_data[product_data][name]")
            period = {
                "start": int(row.get("period[start]") or doc["created"]),
                "end": int(row.get("period[end]") or doc["created"]),
            }
            self._append(doc, amount, text, period, quantity=row.get("quantity") or "1")
        self._reckon(doc)
        self.record("changed", doc)
        return Answer(200, self._shown(doc))

    def _take_item(self, doc: Doc, item: Doc) -> None:
        item["invoice"] = doc["id"]
        self._append(doc, item["amount"], item["description"], item["period"], item=item["id"])

    def _append(
        self, doc: Doc, amount: int, text: str | None, period: Doc, *, quantity: str = "1", item: str | None = None
    ) -> None:
        if amount < 0 and doc["automatic_tax"]["enabled"]:
            raise self._refuse("invalid", "Automatic tax does not support negative amounts")
        parent = {"type": "invoice_item_details", "invoice_item_details": {"invoice_item": item, "proration": False}}
        line = {"id": self.new_id("il_"), "object": "line_item", "amount": amount, "currency": doc["currency"]}
        line |= {"description": text, "discountable": True, "invoice": doc["id"], "livemode": False, "metadata": {}}
        line |= {"parent": parent, "period": period, "quantity": int(float(quantity)), "quantity_decimal": quantity}
        doc["_lines"].append(line | {"subtotal": amount, "taxes": [], "discount_amounts": []})

    def _reckon(self, doc: Doc) -> None:
        net = sum(line["amount"] for line in doc["_lines"])
        off = net * self.switch("discount", 0) // 100 if doc["discounts"] else 0
        rate = self.switch("tax", 0) if doc["automatic_tax"]["enabled"] else 0
        carried = sum(
            line["amount"] * (self.switch("item_tax", 0) or 0) // 100
            for line in doc["_lines"]
            if line["parent"]["invoice_item_details"]["invoice_item"]
        )
        tax = (net - off) * rate // 100 if rate else carried
        detail = {"amount": tax, "tax_behavior": "exclusive", "taxable_amount": net - off, "type": "tax_rate_details"}
        doc["total_taxes"] = [{**detail, "tax_rate_details": {"tax_rate": "txr_1"}}] if tax else []
        doc["total_discount_amounts"] = [{"amount": off, "discount": "di_1"}] if off else []
        doc["subtotal"], doc["total"] = net, net - off + tax
        doc["amount_due"] = doc["amount_remaining"] = max(doc["total"], 0)

    def finalize(self, request: Request, id: str) -> Answer:
        """Draft to open; the balance and the minimum act here."""
        self._form(request, {"auto_advance"})
        doc = self._one(id, "id")
        if doc["status"] != "draft":
            raise self._refuse("state", "This invoice is already finalized, you can't re-finalize it.")
        self._issue(doc)
        return Answer(200, self._shown(doc))

    def _issue(self, doc: Doc) -> None:
        now = int(self.clock.now())
        if not doc["_lines"]:
            raise self._refuse("state", "You can't finalize an empty invoice", code="invoice_no_customer_line_items")
        doc["starting_balance"] = self.balance
        due = doc["total"] + self.balance
        if due < max(self.switch("minimum", 50), 1):  # a credit that is left, or too little to be collected
            self.balance, due = due, 0
        else:
            self.balance = 0
        doc["amount_due"] = doc["amount_remaining"] = due
        doc["ending_balance"], doc["status"] = self.balance, "open"
        doc["status_transitions"]["finalized_at"] = now
        doc["effective_at"] = doc["effective_at"] or now
        self._serial += 1
        doc["number"] = doc["number"] or f"INDEP-{self._serial:04d}"
        doc["hosted_invoice_url"] = f"https://invoice.example.com/{doc['id']}"
        if due == 0:
            doc.update(status="paid", attempted=True, auto_advance=False)
            doc["status_transitions"]["paid_at"] = now
        self.record("issued", doc, due)

    def pay(self, request: Request, id: str) -> Answer:
        """Collects what is due, what the customer owed before included."""
        fields, doc = self._form(request, {"payment_method", "paid_out_of_band", "off_session", "source"}), None
        doc = self._one(id, "id")
        if doc["status"] == "paid":
            raise self._refuse("state", "Invoice is already paid")
        if doc["status"] == "void":
            raise self._refuse("state", "This invoice can no longer be paid.")
        if doc["status"] == "draft":
            self._issue(doc)
        elsewhere = fields.get("paid_out_of_band") == "true"
        method = fields.get("payment_method") or doc["default_payment_method"] or "pm_default"
        if not elsewhere and method in self.switch("declines", ()):
            doc["attempted"], doc["attempt_count"] = True, doc["attempt_count"] + 1
            raise self._refuse("declined", "Your card was declined.")
        if doc["status"] != "paid":
            amount = doc["amount_remaining"]
            doc.update(status="paid", amount_paid=amount, amount_remaining=0, auto_advance=False)
            doc.update({} if elsewhere else {"attempted": True, "attempt_count": 1})
            doc["status_transitions"]["paid_at"] = int(self.clock.now())
            self.record("recorded" if elsewhere else "collected", doc, amount)
        return Answer(200, self._shown(doc))

    def send(self, request: Request, id: str) -> Answer:
        """Mails; a draft is finalized first."""
        doc = self._one(id)
        if doc["collection_method"] != "send_invoice":
            raise self._refuse("state", "You can only send invoices whose collection_method is send_invoice.")
        if doc["status"] not in {"draft", "open"}:
            raise self._refuse("state", "This invoice cannot be sent right now.")
        if doc["status"] == "draft":
            self._issue(doc)
        self.record("mailed", doc, doc["amount_due"])
        return Answer(200, self._shown(doc))

    # ── the other routes ─────────────────────────────────────────────────────────────────────────────────────────────
    def void(self, request: Request, id: str) -> Answer:
        """Open or uncollectible; the amounts stay."""
        return self._end(id, {"open", "uncollectible"}, "void", "voided_at", "voided")

    def mark_uncollectible(self, request: Request, id: str) -> Answer:
        """Open only."""
        return self._end(id, {"open"}, "uncollectible", "marked_uncollectible_at", "written_off")

    def _end(self, id: str, allowed: set[str], status: str, at: str, kind: Any) -> Answer:
        doc = self._one(id, "id")
        if doc["status"] not in allowed:
            raise self._refuse("state", "You can only pass in open invoices. This invoice isn't open.")
        doc.update(status=status, auto_advance=False)
        doc["status_transitions"][at] = int(self.clock.now())
        self.record(kind, doc)
        return Answer(200, self._shown(doc))

    def update(self, request: Request, id: str) -> Answer:
        """Drafts; of others the metadata and how it is collected."""
        fields, doc = self._form(request, _UPDATE), self._one(id, "id")
        frozen = {name for name in fields if not name.startswith("metadata[")} - _WORDS_AFTER_FINALIZE
        if doc["status"] != "draft" and frozen:
            raise self._refuse("state", "Finalized invoices can't be updated in this way", param=min(frozen))
        method: str = fields.get("collection_method") or doc["collection_method"]
        if "collection_method" in fields or fields.get("due_date") or fields.get("days_until_due"):
            self._check_collection(method, fields)
            doc["due_date"] = self._due(fields, doc["created"])
        doc["collection_method"] = method
        doc["metadata"] |= _metadata(fields)
        for name in ("description", "footer", "default_payment_method"):
            doc[name] = fields.get(name, doc[name])
        self.record("changed", doc)
        return Answer(200, self._shown(doc))

    def delete(self, request: Request, id: str) -> Answer:
        """Drafts; the answer is a stub."""
        doc = self._one(id)
        if doc["status"] != "draft":
            raise self._refuse("state", "You can only delete draft invoices.")
        doc["_deleted"] = True
        self.record("deleted", doc)
        return Answer(200, {"id": id, "object": "invoice", "deleted": True})

    def retrieve(self, request: Request, id: str) -> Answer:
        """One invoice, with its first ten lines."""
        return Answer(200, self._shown(self._one(id)))

    def list_lines(self, request: Request, id: str) -> Answer:
        """All lines, in pages."""
        return self._page(self._one(id)["_lines"], request, f"/v1/invoices/{id}/lines")

    def list_items(self, request: Request) -> Answer:
        """Pending items."""
        query = dict(request.query)
        rows = [
            item
            for item in self.items.values()
            if query.get("customer") in {None, item["customer"]}
            and (query.get("pending") != "true" or item["invoice"] is None)
            and query.get("invoice") in {None, item["invoice"]}
        ]
        return self._page(rows, request, "/v1/invoiceitems")

    def customer(self, request: Request, id: str) -> Answer:
        """The customer, with its balance."""
        if id != "cus_1":
            raise self._refuse("missing", f"No such customer: '{id}'", param="id")
        discount = {"id": "di_1", "object": "discount", "coupon": {"percent_off": self.switch("discount")}}
        body = {"id": id, "object": "customer", "balance": self.balance, "currency": "eur", "livemode": False}
        body |= {"email": "payer@example.com" if self.switch("email", True) else None, "metadata": {}}
        return Answer(200, {**body, "discount": discount if self.switch("discount") else None})

    def list_invoices(self, request: Request) -> Answer:
        """Newest first; filters by customer, status, collection method and creation."""
        query = dict(request.query)
        rows = [doc for doc in self.listed() if query.get("customer") in {None, doc["customer"]}]
        rows = [doc for doc in rows if query.get("status") in {None, doc["status"]}]
        rows = [doc for doc in rows if query.get("collection_method") in {None, doc["collection_method"]}]
        for name, keeps in {"gte": int.__ge__, "gt": int.__gt__, "lte": int.__le__, "lt": int.__lt__}.items():
            if f"created[{name}]" in query:
                rows = [doc for doc in rows if keeps(doc["created"], int(query[f"created[{name}]"]))]
        return self._page(rows, request, "/v1/invoices")

    def _page(self, rows: list[Doc], request: Request, url: str) -> Answer:
        query = dict(request.query)
        limit = min(max(int(query.get("limit", "10")), 1), 100)
        if "starting_after" in query:
            places = [place for place, row in enumerate(rows) if row["id"] == query["starting_after"]]
            if not places:
                raise self._refuse("invalid", "No such object", code="resource_missing", param="starting_after")
            rows = rows[places[0] + 1 :]
        data = [self._shown(row) if row["object"] == "invoice" else row for row in rows[:limit]]
        return Answer(200, {"object": "list", "data": data, "has_more": len(rows) > limit, "url": url})

    def search(self, request: Request) -> Answer:
        """Eventually consistent: the index is `search_lag` seconds behind. Clauses of the form field:'value'."""
        if self.switch("no_search"):
            raise self._refuse("invalid", "Search is not available for your account's region.")
        query = dict(request.query)
        rows = list(self.listed(self.switch("search_lag", 50.0)))
        for clause in re.split(r"\s+AND\s+", query.get("query", "")):
            met = re.fullmatch(
                r"""(metadata\[["'](.+?)["']\]|\w+)\s*(:|>=|<=|>|<)\s*["']?((?:\\.|[^"'])*)["']?""", clause
            )
            if met is None:
                raise self._refuse("invalid", f"We were unable to parse your query: {clause}", param="query")
            value = re.sub(r"\\(.)", r"\1", met[4])
            if met[2] is not None:
                rows = [doc for doc in rows if str(doc["metadata"].get(met[2], "")).lower() == value.lower()]
            elif met[3] == ":":
                rows = [doc for doc in rows if str(doc.get(met[1])).lower() == value.lower()]
            else:
                raise self._refuse("invalid", "this server reads equalities only", param="query")
        limit, begin = int(query.get("limit", "10")), int(query.get("page", "0"))
        page = [self._shown(doc) for doc in rows[begin : begin + limit]]
        more = begin + limit < len(rows)
        body = {"object": "search_result", "data": page, "has_more": more, "url": "/v1/invoices/search"}
        return Answer(200, {**body, "next_page": quote(str(begin + limit)) if more else None})


def _metadata(fields: dict[str, str]) -> Doc:
    return {name[9:-1]: value for name, value in fields.items() if name.startswith("metadata[")}
