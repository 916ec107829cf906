"""A Whop company, legacy API (pinned before 2026-10-24), written from contracts/whop.md.

Creating mails or charges at once unless it is a draft; the invoice shows no total, a payment does.

Switches: `tax` (percent that the account adds to a payment), `declines` (payment methods), `page` (size of a page),
`paid_payment` (False: the invoice never names its payment).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.independent.server import Answer, Doc, Kept, Provider, Refused, Request

_CREATE = {
    *("account_id", "collection_method", "product", "product_id", "plan", "member_id", "email_address"),
    *("customer_name", "due_date", "save_as_draft", "automatically_finalizes_at", "payment_method_id"),
    *("payment_token_id", "charge_buyer_fee", "line_items", "billing_address", "mailing_address_id"),
    "subscription_billing_anchor_at",
}
_PLAN = {
    *("plan_type", "initial_price", "renewal_price", "billing_period", "currency", "description", "internal_notes"),
    *("expiration_days", "trial_period_days", "stock", "unlimited_stock", "visibility", "release_method"),
    *("custom_fields", "payment_method_configuration", "legacy_payment_method_controls", "adaptive_pricing_enabled"),
}
_OPEN = {"open", "past_due"}


def instant(seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def minor(amount: Any) -> int:
    """Major units to minor ones: every currency of these cases has two decimals."""
    return int((Decimal(str(amount)) * 100).to_integral_value())


class Whop(Provider):
    """See the module."""

    name = "whop"
    kept_headers = ("api-version-date",)
    replay_headers = {"Idempotent-Replayed": "true"}  # noqa: RUF012 - read only

    def seed(self) -> None:
        """No plan and no payment yet."""
        self.plans: dict[str, Doc] = {}
        self.payments: dict[str, Doc] = {}

    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Contract sheet, 2."""
        one = "/api/v1/invoices/{id}"
        return [
            ("POST", "/api/v1/invoices", self.create),
            ("GET", "/api/v1/invoices", self.list_invoices),
            ("GET", one, self.retrieve),
            ("PATCH", one, self.update),
            ("DELETE", one, self.delete),
            ("POST", f"{one}/void", self.void),
            ("POST", f"{one}/mark_paid", self.mark_paid),
            ("POST", f"{one}/mark_uncollectible", self.mark_uncollectible),
            ("POST", f"{one}/resend", self.resend),
            ("GET", "/api/v1/plans/{id}", self.plan),
            ("GET", "/api/v1/payments/{id}", self.payment),
        ]

    def error(self, case: str, message: str, **facts: Any) -> Answer:
        """Contract sheet, 1.1 and 1.2."""
        status, code = {
            "unauthorized": (401, None),
            "no_route": (404, None),
            "mismatch": (400, "idempotency_key_mismatch"),
            "running": (409, "idempotency_request_in_progress"),
            "throttled": (429, None),
            "failed": (500, None),
            "invalid": (400, "parameter_invalid"),
            "missing": (404, None),
            "state": (422, None),
        }[case]
        error = {"type": "invalid_request_error" if status < 500 else "api_error", "message": message}
        error |= {"code": code} if code else {}
        error |= {"param": facts["param"]} if facts.get("param") else {}
        return Answer(status, {"error": error}, stored=case not in {"unauthorized", "throttled", "running", "failed"})

    def keep_failure(self, kept: Kept) -> bool:
        """Sheet, 1.1: a request that "ended unknown" answers 409 until the key expires."""
        kept.answer = None
        return True

    def _refuse(self, case: str, message: str, **facts: Any) -> Refused:
        return Refused(self.error(case, message, **facts))

    def _check_version(self, request: Request) -> None:
        asked = request.headers.get("api-version-date", "")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(-\d+)?", asked) or asked[:10] >= "2026-10-24":
            raise self._refuse("invalid", "this account holds legacy invoices only: send a legacy Api-Version-Date")

    def _one(self, request: Request, id: str) -> Doc:
        self._check_version(request)
        doc = self.invoices.get(id)
        if doc is None or doc.get("_deleted"):
            raise self._refuse("missing", f"No invoice {id}")
        if doc["status"] == "open" and doc["due_date"] and _seconds(doc["due_date"]) < self.clock.now():
            doc["status"] = "past_due"
        return doc

    def _shown(self, doc: Doc) -> Doc:
        return {name: value for name, value in doc.items() if not name.startswith("_")}

    # ── the bill ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, request: Request) -> Answer:
        """Sheet, 2.1."""
        self._check_version(request)
        try:
            fields: Doc = json.loads(request.body, parse_float=Decimal)
        except ValueError:
            raise self._refuse("invalid", "invalid JSON") from None
        plan = fields.get("plan")
        for name in fields.keys() - _CREATE:
            raise self._refuse("invalid", f"unknown field {name}", param=name)
        if not isinstance(plan, dict) or plan.keys() - _PLAN:
            raise self._refuse("invalid", "plan is an object of known fields", param="plan")
        if fields.get("account_id") != "biz_independent":
            raise self._refuse("invalid", "account_id is required", param="account_id")
        if ("product" in fields) == ("product_id" in fields):
            raise self._refuse("invalid", "exactly one of product and product_id", param="product")
        if len(fields.get("product", {}).get("title", "")) > 80:
            raise self._refuse("invalid", "a title has at most 80 characters", param="product.title")
        if fields.get("collection_method") not in {"send_invoice", "charge_automatically"}:
            raise self._refuse("invalid", "collection_method", param="collection_method")
        draft = bool(fields.get("save_as_draft"))
        known = fields.get("member_id") or (fields.get("email_address") and fields.get("customer_name"))
        if not draft and not known:
            raise self._refuse("invalid", "member_id, or email_address and customer_name", param="member_id")
        if not draft and not fields.get("due_date"):
            raise self._refuse("invalid", "due_date is required", param="due_date")
        charges = fields["collection_method"] == "charge_automatically"
        if charges and not fields.get("payment_method_id") and not fields.get("payment_token_id"):
            raise self._refuse("invalid", "payment_method_id is required", param="payment_method_id")
        price = minor(plan.get("initial_price", 0))
        rows = fields.get("line_items") or []
        if rows and sum(Decimal(str(row.get("quantity", 1))) * Decimal(str(row["unit_price"])) for row in rows) != (
            Decimal(price) / 100
        ):
            raise self._refuse("invalid", "the line items do not add up to the plan's price", param="line_items")
        doc = self._open(fields, plan, price, rows)
        if not draft and not fields.get("automatically_finalizes_at"):
            self._issue(doc, price, charges=charges)
        return Answer(200, self._shown(doc))

    def _open(self, fields: Doc, plan: Doc, price: int, rows: list[Doc]) -> Doc:
        now, currency = instant(self.clock.now()), plan.get("currency", "usd")
        shown = f"{price / 100:.2f} {currency}"
        held = {"id": self.new_id("plan_"), "currency": currency, "description": plan.get("description")}
        self.plans[held["id"]] = {
            **held,
            "plan_type": plan.get("plan_type", "one_time"),
            "initial_price": price / 100,
            "initial_price_due": {"amount": f"{Decimal(price) / 100:.2f}", "currency": currency, "decimals": 2},
            "renewal_price": 0.0,
            "internal_notes": plan.get("internal_notes"),
            "created_at": now,
        }
        doc: Doc = {
            "id": self.new_id("inv_"),
            "number": f"#{len(self.invoices) + 1:04d}",
            "status": "draft",
            "created_at": now,
            "updated_at": now,
            "fetch_invoice_token": "token_not_a_secret",
            "due_date": None if fields["collection_method"] == "charge_automatically" else fields.get("due_date"),
            "collection_method": fields["collection_method"],
            "charge_buyer_fee": bool(fields.get("charge_buyer_fee")),
            "payment_processing": False,
            "email_address": fields.get("email_address"),
            "customer_name": fields.get("customer_name"),
            "company": {"id": "biz_independent"},
            "product": {"id": fields.get("product_id") or self.new_id("prod_"), "title": "Product"},
            "current_plan": {**held, "formatted_price": shown},
            "line_items": [
                {
                    "label": row["label"],
                    "position": place,
                    "quantity": float(row.get("quantity", 1)),
                    "unit_price": float(row["unit_price"]),
                    "total": float(Decimal(str(row.get("quantity", 1))) * Decimal(str(row["unit_price"]))),
                }
                for place, row in enumerate(rows)
            ],
            "user": None,
            "member": {"id": fields["member_id"]} if fields.get("member_id") else None,
            "mailing_address": None,
            "pay_online_url": None,
            "automatically_finalizes_at": fields.get("automatically_finalizes_at"),
            "subscription_billing_anchor_at": None,
            "payment": None,
            "_price": price,
            "_method": fields.get("payment_method_id") or fields.get("payment_token_id"),
        }
        self.invoices[doc["id"]] = doc
        self.record("created", doc, price)
        return doc

    def _issue(self, doc: Doc, price: int, *, charges: bool) -> None:
        doc["status"] = "open"
        self.record("issued", doc, price)
        if not charges:
            self.record("mailed", doc, price)
        elif doc["_method"] not in self.switch("declines", ()):
            tax = price * self.switch("tax", 0) // 100
            identifier = self.new_id("pay_")
            self.payments[identifier] = {
                "id": identifier,
                "status": "paid",
                "total": (price + tax) / 100,
                "subtotal": price / 100,
                "tax_amount": tax / 100,
                "currency": doc["current_plan"]["currency"],
                "created_at": instant(self.clock.now()),
                "paid_at": instant(self.clock.now()),
            }
            doc["status"], doc["payment"] = "paid", {"id": identifier}
            self.record("collected", doc, price + tax)

    # ── the other routes ─────────────────────────────────────────────────────────────────────────────────────────────
    def retrieve(self, request: Request, id: str) -> Answer:
        """One invoice."""
        return Answer(200, self._shown(self._one(request, id)))

    def plan(self, request: Request, id: str) -> Answer:
        """The plan, where the exact price and the internal notes are."""
        if id not in self.plans:
            raise self._refuse("missing", f"No plan {id}")
        return Answer(200, self.plans[id])

    def payment(self, request: Request, id: str) -> Answer:
        """The payment, where tax is."""
        if id not in self.payments:
            raise self._refuse("missing", f"No payment {id}")
        return Answer(200, self.payments[id])

    def update(self, request: Request, id: str) -> Answer:
        """Drafts only."""
        doc = self._one(request, id)
        if doc["status"] != "draft":
            raise self._refuse("state", "only a draft can be updated")
        for name, value in request.json.items():
            if name not in {"due_date", "automatically_finalizes_at", "customer_name", "email_address"}:
                raise self._refuse("invalid", f"{name} is not updated here", param=name)
            doc[name] = value
        self.record("changed", doc)
        return Answer(200, self._shown(doc))

    def delete(self, request: Request, id: str) -> Answer:
        """Drafts only; the answer is a bare true."""
        doc = self._one(request, id)
        if doc["status"] != "draft":
            raise self._refuse("state", "only a draft can be deleted")
        doc["_deleted"] = True
        self.record("deleted", doc)
        return Answer(200, True)

    def _end(self, request: Request, id: str, status: str, kind: Any, amount: int = 0) -> Answer:
        doc = self._one(request, id)
        if doc["status"] not in _OPEN:
            raise self._refuse("state", f"the invoice is {doc['status']}, not open")
        doc["status"], doc["updated_at"] = status, instant(self.clock.now())
        self.record(kind, doc, amount)
        return Answer(200, True)

    def void(self, request: Request, id: str) -> Answer:
        """Open, for good."""
        return self._end(request, id, "void", "voided")

    def mark_paid(self, request: Request, id: str) -> Answer:
        """Open, paid outside Whop."""
        return self._end(request, id, "paid", "recorded")

    def mark_uncollectible(self, request: Request, id: str) -> Answer:
        """Open."""
        return self._end(request, id, "uncollectible", "written_off")

    def resend(self, request: Request, id: str) -> Answer:
        """Mail an open invoice once more."""
        doc = self._one(request, id)
        if doc["status"] not in _OPEN:
            raise self._refuse("state", f"the invoice is {doc['status']}, not open")
        self.record("mailed", doc, doc["_price"])
        return Answer(200, True)

    def list_invoices(self, request: Request) -> Answer:
        """Sheet, 4: a subset of each invoice; the end cursor is filled on the last page too."""
        self._check_version(request)
        query = dict(request.query)
        if query.get("account_id") != "biz_independent":
            raise self._refuse("invalid", "account_id is required", param="account_id")
        statuses = [value for name, value in request.query if name in {"statuses", "statuses[]"}][-1:]
        rows = [doc for doc in self.listed() if not statuses or doc["status"] in statuses]
        if "created_after" in query:
            rows = [doc for doc in rows if _seconds(doc["created_at"]) >= _seconds(query["created_after"])]
        if "created_before" in query:
            rows = [doc for doc in rows if _seconds(doc["created_at"]) <= _seconds(query["created_before"])]
        if query.get("order", "created_at") in {"created_at", "id"} and query.get("direction") == "asc":
            rows.reverse()
        begin = 1 + max([place for place, doc in enumerate(rows) if doc["id"] == query.get("after")], default=-1)
        size = min(int(query.get("first", "20")), self.switch("page", 100))
        page = rows[begin : begin + size]
        absent = {"updated_at", "collection_method", "charge_buyer_fee", "company", "product", "customer_name"}
        absent |= {"member", "mailing_address", "pay_online_url", "automatically_finalizes_at", "payment"}
        data = [
            {name: value for name, value in self._shown(doc).items() if name not in absent}
            | {"current_plan": {key: doc["current_plan"][key] for key in ("id", "currency", "formatted_price")}}
            for doc in page
        ]
        more = bool(rows[begin + size :])
        ends = {"start_cursor": page[0]["id"], "end_cursor": page[-1]["id"]} if page else {}
        return Answer(200, {"data": data, "page_info": {**ends, "has_next_page": more, "has_previous_page": begin > 0}})


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
