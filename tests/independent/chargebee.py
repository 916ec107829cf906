"""A Chargebee site (Product Catalog 2.0), written from contracts/chargebee.md.

Switches: `tax` (percent on taxable charges), `credits` (minor units that the customer has: applied when an invoice is
issued), `mails` (the site mails what it issues, True by default), `keeps_failures` (not confirmed), `renumbers` (a
pending invoice gets its number, a new id, when it is closed: not confirmed), `custom_fields`, `declines` (payment
sources), `unbilled` (subscription, instant, minor units, text), `po_numbers` (subscription to purchase order).
"""

from __future__ import annotations

import base64
import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.independent.server import Answer, Doc, Kept, Provider, Refused, Request

_CREATE = {
    *("customer_id", "subscription_id", "currency_code", "auto_collection", "create_pending_invoice", "invoice_date"),
    *("invoice_note", "net_term_days", "payment_source_id", "po_number", "remove_general_note", "payment_initiator"),
    *("coupon", "coupon_ids", "token_id", "retain_payment_source", "replace_primary_payment_source"),
}
_CHARGE = {"amount", "description", "entity_description", "taxable", "tax_profile_id", "date_from", "date_to"}
_LIMITS = {"customer_id": 50, "subscription_id": 50, "po_number": 100, "invoice_note": 2000, "currency_code": 3}
_UNPAID = {"payment_due", "posted", "not_paid"}
_OPERATORS = {
    *("is", "is_not", "starts_with", "in", "not_in", "after", "before", "on", "between"),
    *("lt", "lte", "gt", "gte", "is_present"),
}
_WORDS = {"id", "customer_id", "subscription_id", "status", "po_number", "currency_code", "recurring"}
_TIMES = {"date", "paid_at", "updated_at", "voided_at"}


class Chargebee(Provider):
    """See the module."""

    name = "chargebee"
    key_header = "chargebee-idempotency-key"
    key_length = 100
    lifetime = 30 * 60.0
    replay_headers = {"chargebee-idempotency-replayed": "true"}  # noqa: RUF012 - read only

    def seed(self) -> None:
        """What the customer has."""
        self.credits = int(self.switch("credits", 0))
        self.unbilled: list[Doc] = [
            {"sub": subscription, "at": at, "amount": amount, "text": text}
            for subscription, at, amount, text in self.switch("unbilled", [])
        ]
        self._number = 0

    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Contract sheet, 1."""
        one = "/api/v2/invoices/{id}"
        return [
            ("POST", "/api/v2/invoices/create_for_charge_items_and_charges", self.create),
            ("GET", "/api/v2/invoices", self.list_invoices),
            ("GET", one, self.retrieve),
            ("POST", f"{one}/close", self.close),
            ("POST", f"{one}/collect_payment", self.collect),
            ("POST", f"{one}/record_payment", self.record_payment),
            ("POST", f"{one}/void", self.void),
            ("POST", f"{one}/write_off", self.write_off),
            ("POST", f"{one}/delete", self.delete),
            ("POST", f"{one}/update_details", self.update),
            ("GET", "/api/v2/unbilled_charges", self.list_unbilled),
            ("POST", "/api/v2/unbilled_charges/invoice_unbilled_charges", self.invoice_unbilled),
            ("GET", "/api/v2/customers/{id}", self.customer),
        ]

    def is_authorized(self, request: Request) -> bool:
        """Basic: the key is the user, the password is empty."""
        return request.headers.get("authorization") == "Basic " + base64.b64encode(f"{self.secret}:".encode()).decode()

    def error(self, case: str, message: str, **facts: Any) -> Answer:
        """Contract sheet, 4."""
        status, kind, code = {
            "unauthorized": (401, None, "api_authentication_failed"),
            "no_route": (404, None, "resource_not_found"),
            "mismatch": (422, "invalid_request", "unable_to_process_request"),
            "running": (429, "operation_failed", "lock_timeout"),
            "throttled": (429, "operation_failed", "api_request_limit_exceeded"),
            "failed": (500, "operation_failed", "internal_error"),
            "invalid": (400, "invalid_request", "param_wrong_value"),
            "missing": (404, "invalid_request", "resource_not_found"),
            "state": (409, "invalid_request", "invalid_state_for_request"),
            "declined": (400, "payment", "payment_processing_failed"),
        }[case]
        body = {"message": message, "api_error_code": code, "http_status_code": status}
        body |= {"type": kind} if kind else {}
        body |= {"param": facts["param"]} if "param" in facts else {}
        stored = case not in {"unauthorized", "throttled", "running"} and bool(self.switch("keeps_failures", False))
        return Answer(status, body, stored=stored)

    def keep_failure(self, kept: Kept) -> bool:
        """Whether failures are stored is not confirmed: a switch."""
        kept.answer = self.error("failed", "something went wrong on our side")
        return bool(self.switch("keeps_failures", False))

    def _refuse(self, case: str, message: str, **facts: Any) -> Refused:
        return Refused(self.error(case, message, **facts))

    def _one(self, id: str) -> Doc:
        doc = self.invoices.get(id)
        if doc is None or doc.get("_deleted"):
            raise self._refuse("missing", f"{id} not found")
        return doc

    def _shown(self, doc: Doc) -> Doc:
        return {name: value for name, value in doc.items() if not name.startswith("_") and value is not None}

    def _said(self, doc: Doc, **more: Any) -> Answer:
        return Answer(200, {"invoice": self._shown(doc), **more})

    # ── routes that bill ─────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, request: Request) -> Answer:
        """Sheet, 1.2: charges come column-wise, charges[amount][0]."""
        fields, rows = {}, dict[int, dict[str, str]]()
        for name, value in request.form.items():
            cell = re.fullmatch(r"charges\[(\w+)\]\[(\d+)\]", name)
            if cell is not None:
                if cell[1] not in _CHARGE:
                    raise self._refuse("invalid", f"unknown column {cell[1]}", param=name)
                rows.setdefault(int(cell[2]), {})[cell[1]] = value
            elif name in _CREATE or name in self.switch("custom_fields", ()):
                fields[name] = value
            else:
                raise self._refuse("invalid", f"{name} is not a parameter", param=name)
        if not rows:
            raise self._refuse("invalid", "an invoice needs a charge", param="charges")
        lines = [self._line(place, rows[place]) for place in sorted(rows)]
        return self._said(self._open(request, fields, lines))

    def _line(self, place: int, row: dict[str, str]) -> Doc:
        amount = int(row.get("amount") or 0)
        if amount < 1 or len(row.get("description", "")) > 250:
            raise self._refuse("invalid", "a charge has an amount from 1 on and 250 characters", param="charges")
        rate = self.switch("tax", 0) if row.get("taxable", "true") != "false" else 0
        now = int(self.clock.now())
        return {
            "object": "line_item",
            "id": f"li_{place}",
            "amount": amount,
            "unit_amount": amount,
            "quantity": 1,
            "description": row.get("description", ""),
            "date_from": int(row.get("date_from", now)),
            "date_to": int(row.get("date_to", now)),
            "entity_type": "adhoc",
            "is_taxed": rate > 0,
            "tax_amount": amount * rate // 100,
            "tax_rate": rate,
            "pricing_model": "flat_fee",
        }

    def _open(self, request: Request, fields: dict[str, str], lines: list[Doc]) -> Doc:
        for name, most in _LIMITS.items():
            if len(fields.get(name, "")) > most:
                raise self._refuse("invalid", f"{name} has at most {most} characters", param=name)
        if not fields.get("customer_id") and not fields.get("subscription_id"):
            raise self._refuse("invalid", "customer_id or subscription_id is needed", param="customer_id")
        now = int(self.clock.now())
        date = int(fields.get("invoice_date", now))
        if date < _month_before(now) or date > now + 60:
            raise self._refuse("invalid", "invoice_date is at most a month ago", param="invoice_date")
        net, tax = sum(line["amount"] for line in lines), sum(line["tax_amount"] for line in lines)
        terms = int(fields.get("net_term_days") or 0)
        pending = fields.get("create_pending_invoice") == "true"
        doc: Doc = {
            "object": "invoice",
            "id": self.new_id("draft_inv_") if pending and self.switch("renumbers") else self._next_number(),
            "customer_id": fields.get("customer_id", "cus_of_subscription"),
            "subscription_id": fields.get("subscription_id"),
            "po_number": fields.get("po_number"),
            "recurring": False,
            "status": "pending",
            "price_type": "tax_exclusive",
            "currency_code": fields.get("currency_code", "EUR").upper(),
            "date": date,
            "due_date": date + terms * 86400,
            "net_term_days": terms,
            "sub_total": net,
            "tax": tax,
            "total": net + tax,
            "amount_due": net + tax,
            "amount_to_collect": net + tax,
            "amount_paid": 0,
            "amount_adjusted": 0,
            "credits_applied": 0,
            "write_off_amount": 0,
            "term_finalized": True,
            "is_gifted": False,
            "first_invoice": False,
            "deleted": False,
            "updated_at": now,
            "resource_version": now * 1000,
            "line_items": lines,
            "linked_payments": [],
            "applied_credits": [],
            "notes": [{"note": fields["invoice_note"]}] if fields.get("invoice_note") else [],
            "_collects": fields.get("auto_collection", "on") == "on",
            "_source": fields.get("payment_source_id", "pm_default"),
            **{name: value for name, value in fields.items() if name.startswith("cf_")},
        }
        self.invoices[doc["id"]] = doc
        self.record("created", doc, doc["total"])
        if not pending:
            self._issue(doc, request)
        return doc

    def _next_number(self) -> str:
        self._number += 1
        return str(self._number)

    def _issue(self, doc: Doc, request: Request) -> None:
        """What happens when an invoice is generated or closed: credits, then a collection, then the mail."""
        doc["generated_at"] = int(self.clock.now())
        doc["status"] = "posted" if doc["net_term_days"] else "payment_due"
        self.record("issued", doc, doc["total"])
        used = min(self.credits, doc["amount_due"])
        if used:
            self.credits -= used
            doc["credits_applied"], doc["amount_due"] = used, doc["amount_due"] - used
            doc["applied_credits"] = [{"cn_id": "cn_1", "applied_amount": used, "applied_at": int(self.clock.now())}]
        doc["amount_to_collect"] = doc["amount_due"]
        if not doc["amount_due"]:
            doc["status"], doc["paid_at"] = "paid", int(self.clock.now())
        elif doc["_collects"] and doc["_source"] not in self.switch("declines", ()):
            self._take(doc, doc["amount_due"], "collected")
        if request.headers.get("chargebee-event-email") != "all-disabled" and self.switch("mails", True):
            self.record("mailed", doc, doc["total"])
        self.record("changed", doc)

    def _take(self, doc: Doc, amount: int, kind: Any) -> None:
        now = int(self.clock.now())
        doc["amount_paid"] += amount
        doc["amount_due"] -= amount
        doc["amount_to_collect"] = doc["amount_due"]
        payment = {"txn_id": self.new_id("txn_"), "applied_amount": amount, "applied_at": now, "txn_status": "success"}
        doc["linked_payments"].append({**payment, "txn_date": now, "txn_amount": amount})
        if not doc["amount_due"]:
            doc["status"], doc["paid_at"] = "paid", now
        self._touch(doc)
        self.record(kind, doc, amount)

    def _touch(self, doc: Doc) -> None:
        doc["updated_at"] = int(self.clock.now())
        doc["resource_version"] = max(int(self.clock.now() * 1000), doc["resource_version"] + 1)

    def close(self, request: Request, id: str) -> Answer:
        """Close a pending invoice: it is issued, credits are applied, it is collected where auto_collection is on."""
        doc = self._one(id)
        if doc["status"] != "pending":
            raise self._refuse("state", "only a pending invoice can be closed")
        if id.startswith("draft_inv_"):
            doc["_deleted"] = True
            self.record("changed", doc)
            del self.invoices[id]
            doc = {name: value for name, value in doc.items() if name != "_deleted"} | {"id": self._next_number()}
            self.invoices[doc["id"]] = doc
        self._issue(doc, request)
        return self._said(doc)

    def list_unbilled(self, request: Request) -> Answer:
        """Sheet, 1: what a subscription has accrued."""
        wanted = dict(request.query).get("subscription_id[is]")
        rows = [
            {
                "unbilled_charge": {
                    "object": "unbilled_charge",
                    "id": f"uc_{place}",
                    "subscription_id": row["sub"],
                    "customer_id": "cus_1",
                    "amount": row["amount"],
                    "unit_amount": row["amount"],
                    "quantity": 1,
                    "currency_code": "EUR",
                    "date_from": int(row["at"]),
                    "date_to": int(row["at"]),
                    "description": row["text"],
                    "entity_type": "adhoc",
                    "deleted": False,
                    "is_voided": False,
                    "discount_amount": 0,
                    "pricing_model": "flat_fee",
                    "is_advance_charge": False,
                    "updated_at": int(row["at"]),
                }
            }
            for place, row in enumerate(self.unbilled)
            if wanted in {None, row["sub"]}
        ]
        return Answer(200, {"list": rows})

    def invoice_unbilled(self, request: Request) -> Answer:
        """Bill everything that is unbilled of a subscription, in one invoice here."""
        fields = request.form
        subscription = fields.get("subscription_id", "")
        rows = [row for row in self.unbilled if row["sub"] == subscription]
        if not rows:
            raise self._refuse("invalid", "there are no unbilled charges", param="subscription_id")
        self.unbilled = [row for row in self.unbilled if row["sub"] != subscription]
        at = {"date_from": "at", "date_to": "at"}
        lines = [
            self._line(place, {"amount": str(row["amount"]), "description": row["text"], "taxable": "true"})
            | {name: int(row[of]) for name, of in at.items()}
            for place, row in enumerate(rows)
        ]
        order = self.switch("po_numbers", {}).get(subscription)
        inherited = {"subscription_id": subscription, "customer_id": "cus_1", "auto_collection": "off"}
        doc = self._open(request, inherited | ({"po_number": order} if order else {}), lines)
        return Answer(200, {"invoices": [self._shown(doc)]})

    # ── routes on one invoice ────────────────────────────────────────────────────────────────────────────────────────
    def customer(self, request: Request, id: str) -> Answer:
        """The customer, with what can be applied to its invoices."""
        facts = {"object": "customer", "id": id, "promotional_credits": self.credits, "refundable_credits": 0}
        return Answer(200, {"customer": {**facts, "excess_payments": 0, "auto_collection": "on"}})

    def retrieve(self, request: Request, id: str) -> Answer:
        """One invoice."""
        return self._said(self._one(id))

    def collect(self, request: Request, id: str) -> Answer:
        """Needs an unpaid, issued invoice and a payment source."""
        doc, fields = self._one(id), request.form
        if doc["status"] not in _UNPAID or doc["amount_to_collect"] <= 0:
            raise self._refuse("state", f"it is {doc['status']}")
        amount = int(fields.get("amount") or doc["amount_to_collect"])
        if not 1 <= amount <= doc["amount_to_collect"]:
            raise self._refuse("invalid", "more than is to be collected", param="amount")
        if fields.get("payment_source_id", "pm_default") in self.switch("declines", ()):
            raise self._refuse("declined", "the payment was declined")
        self._take(doc, amount, "collected")
        return self._said(doc, transaction={"object": "transaction", "id": self.new_id("txn_"), "amount": amount})

    def record_payment(self, request: Request, id: str) -> Answer:
        """A payment made elsewhere."""
        doc, fields = self._one(id), request.form
        if doc["status"] not in _UNPAID:
            raise self._refuse("state", f"it is {doc['status']}")
        if not fields.get("transaction[payment_method]"):
            raise self._refuse("invalid", "how was it paid?", param="transaction[payment_method]")
        amount = int(fields.get("transaction[amount]") or doc["amount_due"])
        self._take(doc, min(amount, doc["amount_due"]), "recorded")
        return self._said(doc, transaction={"object": "transaction", "id": self.new_id("txn_"), "amount": amount})

    def void(self, request: Request, id: str) -> Answer:
        """Unpaid and without payments."""
        doc = self._one(id)
        if doc["status"] not in _UNPAID or doc["amount_paid"]:
            raise self._refuse("state", f"it is {doc['status']}")
        doc.update(status="voided", voided_at=int(self.clock.now()))
        self._touch(doc)
        self.record("voided", doc)
        return self._said(doc)

    def write_off(self, request: Request, id: str) -> Answer:
        """The invoice becomes paid, with a write-off amount: sheet, 0.2."""
        doc = self._one(id)
        if doc["status"] not in _UNPAID:
            raise self._refuse("state", f"it is {doc['status']}")
        note = {"cn_id": "cn_off", "cn_total": doc["amount_due"], "cn_status": "adjusted"}
        doc.update(status="paid", write_off_amount=doc["amount_due"], amount_due=0, adjustment_credit_notes=[note])
        self._touch(doc)
        self.record("written_off", doc)
        return self._said(doc, credit_note={"object": "credit_note", "id": "cn_off"})

    def delete(self, request: Request, id: str) -> Answer:
        """Gone from everything but include_deleted."""
        doc = self._one(id)
        if doc["status"] not in {"pending", "voided", *_UNPAID} or doc["amount_paid"]:
            raise self._refuse("state", f"it is {doc['status']}")
        doc["deleted"] = doc["_deleted"] = True
        self._touch(doc)
        self.record("deleted", doc)
        return self._said(doc)

    def update(self, request: Request, id: str) -> Answer:
        """Details only."""
        doc, fields = self._one(id), request.form
        for name, value in fields.items():
            if name != "po_number" and name not in self.switch("custom_fields", ()):
                raise self._refuse("invalid", f"{name} is not a parameter", param=name)
            doc[name] = value
        self._touch(doc)
        self.record("changed", doc)
        return self._said(doc)

    def list_invoices(self, request: Request) -> Answer:
        """Sheet, 3. A filter without an operator is silently ignored."""
        limit, offset, documents, order = 10, 0, list(self.listed()), None
        for name, value in request.query:
            if name == "limit":
                limit = int(value)
            elif name == "offset":
                offset = int(value.strip('[]"'))
            elif name in {"sort_by[asc]", "sort_by[desc]"}:
                order = (value, name.endswith("[desc]"))
            elif (asked := re.fullmatch(r"(\w+)\[(\w+)\]", name)) is not None:
                if asked[2] not in _OPERATORS:
                    raise self._refuse("invalid", f"unknown operator in {name}", param=name)
                documents = [doc for doc in documents if self._passes(doc, asked[1], asked[2], value)]
        if not 1 <= limit <= 100:
            raise self._refuse("invalid", "limit is 1 to 100", param="limit")
        if order is not None:
            documents.sort(key=lambda doc: doc.get(order[0]) or 0, reverse=order[1])
        page = documents[offset : offset + limit]
        body: Doc = {"list": [{"invoice": self._shown(doc)} for doc in page]}
        if documents[offset + limit :]:
            body["next_offset"] = f'["{offset + limit}"]'
        return Answer(200, body)

    def _passes(self, doc: Doc, name: str, operator: str, value: str) -> bool:
        if name in _TIMES and operator in {"after", "before"}:
            if not re.fullmatch(r"\d{10}", value):
                raise self._refuse("invalid", "a time has 10 digits", param=name)
            at = doc.get(name)
            return at is not None and (at > int(value) if operator == "after" else at < int(value))
        if name in _WORDS and operator in {"is", "starts_with", "in"}:
            held = str(doc.get(name) or "")
            if operator == "in":
                return held in [each.strip('"') for each in value.strip("[]").split(",")]
            return held == value if operator == "is" else held.startswith(value)
        raise self._refuse("invalid", f"{name}[{operator}] is not a filter here", param=name)


def _month_before(now: float) -> float:
    today = datetime.fromtimestamp(now, UTC)
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    day = min(today.day, calendar.monthrange(year, month)[1])
    return today.replace(year=year, month=month, day=day).timestamp() - 86400
