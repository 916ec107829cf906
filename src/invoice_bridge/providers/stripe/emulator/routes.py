"""The requests that create, change and list invoices: Stripe's whole emulator."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.emulator.documents import ITEM_FIELDS, LINE_PARAMS, TAX_PARAMS
from invoice_bridge.providers.stripe.emulator.events import REPORTS
from invoice_bridge.providers.stripe.emulator.methods import StripeMethods
from invoice_bridge.providers.stripe.emulator.probes import PROBES
from invoice_bridge.providers.stripe.tables import (
    LINES_PER_INVOICE,
)

# A name covers its nested parameters, unless those are listed themselves.
_UPDATE = (
    "account_tax_ids application_fee_amount auto_advance automatic_tax.enabled automatic_tax.liability "
    "automatically_finalizes_at collection_method custom_fields.name custom_fields.value days_until_due "
    "default_payment_method default_source default_tax_rates description discounts due_date effective_at expand footer "
    "issuer metadata number on_behalf_of payment_settings rendering shipping_cost shipping_details "
    "statement_descriptor transfer_data"
)
_CREATE = f"{_UPDATE} currency customer customer_account from_invoice pending_invoice_items_behavior subscription"
_ADD_LINES = f"expand invoice_metadata lines.invoice_item {TAX_PARAMS} lines." + LINE_PARAMS.replace(" ", " lines.")
_ITEM = (
    f"{LINE_PARAMS} currency customer customer_account expand invoice subscription tax_behavior tax_code "
    "unit_amount_decimal"
)
_PAGING = "ending_before expand limit starting_after"
_LIST = f"{_PAGING} collection_method created customer customer_account due_date status subscription"
_UNSET = (
    "automatically_finalizes_at custom_fields default_payment_method description due_date effective_at footer "
    "hosted_invoice_url invoice_pdf number parent"
)
_QUERY = re.compile(r"metadata\['((?:[^'\\]|\\.)*)'\]:'((?:[^'\\]|\\.)*)'")
_BOUNDS: Mapping[str, Callable[[int, int], bool]] = {
    "gt": lambda have, bound: have > bound,
    "gte": lambda have, bound: have >= bound,
    "lt": lambda have, bound: have < bound,
    "lte": lambda have, bound: have <= bound,
}


class StripeEmulator(StripeMethods):
    """Stripe's invoices, invoice items and customers; the customer "cus_42" exists from the start."""

    reports = REPORTS
    PROBES = PROBES

    ROUTES = (
        ("POST", "/v1/customers", "create_customer"),
        ("GET", "/v1/customers", "list_customers"),
        ("GET", "/v1/customers/{id}", "retrieve_customer"),
        ("POST", "/v1/customers/{id}", "update_customer"),
        ("DELETE", "/v1/customers/{id}", "delete_customer"),
        ("GET", "/v1/customers/{id}/payment_methods", "list_methods"),
        ("POST", "/v1/payment_methods", "create_method"),
        ("GET", "/v1/payment_methods/{id}", "retrieve_method"),
        ("POST", "/v1/payment_methods/{id}/attach", "attach_method"),
        ("POST", "/v1/payment_methods/{id}/detach", "detach_method"),
        ("POST", "/v1/invoices", "create"),
        ("GET", "/v1/invoices", "list_invoices"),
        ("GET", "/v1/invoices/search", "search"),
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
        ("POST", "/v1/invoices/{id}/attach_payment", "attach_payment"),
        ("GET", "/v1/invoice_payments", "list_payments"),
        ("GET", "/v1/payment_records", "list_records"),
        ("POST", "/v1/payment_records/report_payment", "report_payment"),
        ("POST", "/v1/payment_records/{id}/report_refund", "report_refund"),
        ("POST", "/v1/payment_intents", "create_intent"),
        ("POST", "/v1/payment_intents/{id}/confirm", "confirm_intent"),
        ("POST", "/v1/refunds", "create_refund"),
        ("GET", "/v1/refunds", "list_refunds"),
        ("POST", "/v1/credit_notes", "create_credit_note"),
        ("GET", "/v1/credit_notes", "list_credit_notes"),
        ("GET", "/{id}/pdf", "document"),
        ("GET", "/v1/events", "list_events"),
        ("GET", "/v1/events/{id}", "retrieve_event"),
        ("POST", "/v1/invoiceitems", "create_item"),
        ("GET", "/v1/invoiceitems", "list_items"),
    )

    def retrieve_event(self, call: IncomingRequest, event_id: str) -> Response:
        """GET /v1/events/{id}: as it was delivered; a served emulator keeps its events."""
        self._params(call, "expand")
        event = self.find_event(event_id)
        if event is None:
            raise self._missing("event", event_id, "id", 404)
        return self._ok(loads(event.body))

    def list_events(self, call: IncomingRequest) -> Response:
        """GET /v1/events, newest first."""
        given = self._params(call, f"{_PAGING} type")
        events = [event for event in reversed(self.events) if given.get("type") in {None, event.type}]
        return self._page([loads(event.body) for event in events], given, "/v1/events")

    def accrue(self) -> None:
        """Add a pending item of 25.00 EUR in May 2026."""
        may = [("period[start]", "1777593600"), ("period[end]", "1777593600")]
        owed = [("customer", self.customer), ("currency", "eur"), ("amount", "2500"), *may]
        self.create_item(IncomingRequest("POST", (), (), {}, urlencode(owed).encode(), ""))

    def create_item(self, call: IncomingRequest) -> Response:
        """POST /v1/invoiceitems: pending, or attached to a draft at once."""
        given = self._params(call, _ITEM)
        owner = {"subscription_details": {"subscription": given["subscription"]}} if "subscription" in given else None
        item = {
            "id": self.next_id("ii_"),
            "object": "invoiceitem",
            "customer": self._customer(given)["id"],
            "date": self.now_seconds(),
            "invoice": None,
            "livemode": False,
            "parent": owner,
        }
        row = self._line(given, given.get("currency", "usd").lower(), "")
        item |= {name: row[name] for name in ITEM_FIELDS}
        if "invoice" in given:
            self._attach(self._draft(given["invoice"]), [item])
        self.items[item["id"]] = item
        return self._ok(item)

    def list_items(self, call: IncomingRequest) -> Response:
        """GET /v1/invoiceitems, newest first."""
        given = self._params(call, f"{_PAGING} created customer invoice pending")
        rows = [item for item in reversed(self.items.values()) if given.get("customer") in {None, item["customer"]}]
        if "pending" in given:
            rows = [item for item in rows if (item["invoice"] is None) == (given["pending"] == "true")]
        return self._page(rows, given, "/v1/invoiceitems")

    def create(self, call: IncomingRequest) -> Response:
        """POST /v1/invoices: always a draft; other pending items join it only on request."""
        given = self._params(call, _CREATE)
        customer, now = self._customer(given), self.now_seconds()
        behavior = given.get("pending_invoice_items_behavior", "exclude")
        if behavior not in {"include", "exclude"}:
            message = "Invalid pending_invoice_items_behavior: must be one of include or exclude"
            raise self._refuse(message, param="pending_invoice_items_behavior")
        owner = given.get("subscription")
        if owner is not None and self.subscriptions.get(owner) != customer["id"]:
            raise self._missing("subscription", owner, "subscription")
        found: dict[str, Any] = dict.fromkeys(_UNSET.split()) | {
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
            "attempted": False,
            "attempt_count": 0,
            "amount_paid": 0,
            "collection_method": "charge_automatically",
            "auto_advance": False,
            "automatic_tax": {"enabled": False, "status": None},
            "metadata": {},
            "discounts": [],
            "inherits": customer["discount"] is not None and "discounts" not in given,
            "starting_balance": customer["balance"],
            "ending_balance": None,
            "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
            "payments": [],
            "rows": [],
        }
        if owner is not None:
            details = {"subscription": owner, "metadata": {}}
            found["parent"] = {"type": "subscription_details", "subscription_details": details}
        self._apply(found, given)
        if behavior == "include":
            whose = (None, customer["id"], found["currency"])
            pending = [i for i in self.items.values() if (i["invoice"], i["customer"], i["currency"]) == whose]
            if owner is not None:
                pending = [
                    i for i in pending if (i["parent"] or {}).get("subscription_details") == {"subscription": owner}
                ]
            self._attach(found, pending[:LINES_PER_INVOICE])
        self._total(found)
        self.invoices[found["id"]] = found
        self.happened("created", found["id"])
        return self._ok(self._shown(found))

    def retrieve(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /v1/invoices/{id}; with its payments only if they are expanded."""
        given = self._params(call, "expand")
        expands = any(path.split(".")[0] == "payments" for path in (given.get("expand") or {}).values())
        return self._ok(self._shown(self._find(invoice_id, "invoice"), payments=expands))

    def list_invoices(self, call: IncomingRequest) -> Response:
        """GET /v1/invoices, newest first."""
        given = self._params(call, _LIST)
        rows = list(reversed(self.invoices.values()))
        for name in ("status", "customer", "collection_method"):
            if name in given:
                rows = [row for row in rows if row[name] == given[name]]
        for name in ("created", "due_date"):
            asked = given.get(name)
            for word, bound in asked.items() if isinstance(asked, dict) else ():
                holds, limit = _BOUNDS[word], self._integer({name: bound}, name, f"{name}[{word}]") or 0
                rows = [row for row in rows if row[name] is not None and holds(row[name], limit)]
        return self._page(rows, given, "/v1/invoices", self._shown)

    def search(self, call: IncomingRequest) -> Response:
        """GET /v1/invoices/search: one exact metadata value, newest first, after the index's lag."""
        given = self._params(call, "expand limit page query")
        if not self.switches["search"]:
            raise self._refuse("Search is not supported for your account's country.")
        asked = _QUERY.fullmatch(given.get("query", ""))
        if asked is None:
            raise self._refuse("We were unable to parse your search query.", param="query")
        name, value = (re.sub(r"\\(.)", r"\1", text) for text in asked.groups())
        seen = self.now_seconds() - int(self.search_lag.total_seconds())
        rows = [row for row in reversed(self.invoices.values()) if row["created"] <= seen]
        rows = [row for row in rows if row["metadata"].get(name) == value]
        start = self._integer(given, "page") or 0
        limit = self._integer(given, "limit") or 10
        more = len(rows) > start + limit
        body = {"object": "search_result", "url": "/v1/invoices/search", "has_more": more}
        body |= {"next_page": str(start + limit) if more else None}
        return self._ok(body | {"data": [self._shown(row) for row in rows[start : start + limit]]})

    def update(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST /v1/invoices/{id}: drafts; the metadata of an issued invoice, the collection method of an open one."""
        changed = deepcopy(self._find(invoice_id))
        given = self._params(call, _UPDATE)
        free = {*self.transitions["update"].anywhere, "expand"}
        # Stripe lets the collection method of an open invoice change; of our flows only send_invoice uses it
        if changed["status"] == "open" and self.switches["method_changes"]:
            free |= {"collection_method", "days_until_due", "due_date"}
        frozen = [name for name in given if name not in free]
        if frozen and not self.allows("update", changed["status"]):
            raise self._refuse("Finalized invoices can't be updated in this way", param=frozen[0])
        self._apply(changed, given)
        if frozen:
            self._total(changed)
        self.invoices[invoice_id] = changed
        self.happened("updated", invoice_id)
        return self._ok(self._shown(changed))

    def delete(self, call: IncomingRequest, invoice_id: str) -> Response:
        """DELETE /v1/invoices/{id}: drafts only; its items do not become pending again."""
        self._params(call, "")
        if not self.allows("delete", self._find(invoice_id, "invoice")["status"]):
            raise self._refuse("You can only delete draft invoices.")
        self.happened("removed", invoice_id, self._shown(self.invoices[invoice_id]))
        self.enter_invoice("deleted", self.invoices.pop(invoice_id))
        return self._ok({"id": invoice_id, "object": "invoice", "deleted": True})

    def add_lines(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST /v1/invoices/{id}/add_lines: new lines, or pending items by id; all or none."""
        given = self._params(call, _ADD_LINES)
        found = self._draft(invoice_id)
        added: list[dict[str, Any]] = []
        for place, line in enumerate((given.get("lines") or {}).values()):
            if "invoice_item" not in line:
                added.append(self._line(line, found["currency"], f"lines[{place}]"))
                continue
            item = self.items.get(line["invoice_item"])
            whose = (None, found["customer"], found["currency"])
            if item is None or item in added or (item["invoice"], item["customer"], item["currency"]) != whose:
                raise self._missing("invoiceitem", line["invoice_item"], f"lines[{place}][invoice_item]")
            added.append(item)
        if not added:
            raise self._refuse("Missing required param: lines.", code="parameter_missing", param="lines")
        self._attach(found, added)
        self.happened("updated", invoice_id)
        return self._ok(self._shown(found))

    def list_lines(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /v1/invoices/{id}/lines."""
        given = self._params(call, _PAGING)
        return self._page(self._find(invoice_id, "invoice")["rows"], given, f"/v1/invoices/{invoice_id}/lines")

    # ── what an invoice lists apart ──────────────────────────────────────────────────────────────────────────────
