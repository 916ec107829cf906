"""A ChargeAPI account, written from contracts/chargeapi.md (G2 shapes; retrieve, finalize, pay and void after G1).

Invoices are made from a window: the lines are the transactions of the fleet inside it. Whether a transaction can be
billed by two windows is not documented; here it can, which is the dangerous reading.

Switches: `transactions` (fleet, instant, minor units, text), `tax` (percent, added at finalize as the G1 page says),
`collects` (finalizing collects at once: not confirmed), `overdue` (the word of the object page), `state_status` (HTTP
status of a wrong state: not confirmed), `keeps_failures`, `declines` (payment methods).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.independent.server import Answer, Doc, Kept, Provider, Refused, Request

LISTED = {"draft", "open", "paid", "void", "uncollectible"}


def instant(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: Any) -> float:
    """The instant of an RFC 3339 text."""
    return datetime.fromisoformat(text).timestamp()


class ChargeAPI(Provider):
    """See the module."""

    name = "chargeapi"

    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Contract sheet, 4."""
        one = "/v1/invoices/{id}"
        return [
            ("POST", "/v1/invoices", self.create),
            ("GET", "/v1/invoices", self.list_invoices),
            ("GET", one, self.retrieve),
            ("POST", one, self.update),
            ("POST", f"{one}/finalize", self.finalize),
            ("POST", f"{one}/pay", self.pay),
            ("POST", f"{one}/void", self.void),
        ]

    def error(self, case: str, message: str, **facts: Any) -> Answer:
        """Flat errors: contract sheet, 5."""
        status, code, kind = {
            "unauthorized": (401, None, "authentication_error"),
            "no_route": (404, None, "invalid_request_error"),
            "running": (409, None, "invalid_request_error"),
            "throttled": (429, "rate_limit_exceeded", "invalid_request_error"),
            "failed": (500, None, "api_error"),
            "invalid": (400, "invoice_validation_error", "invalid_request_error"),
            "missing": (404, "invoice_not_found", "invalid_request_error"),
            "state": (self.switch("state_status", 400), facts.get("code"), "invalid_request_error"),
            "declined": (402, "payment_authorization_failed", "invalid_request_error"),
        }[case]
        body = {
            "code": code,
            "doc_url": None,
            "message": message,
            "object": "error",
            "param": facts.get("param"),
            "request": "req_00000000000000000000000000000000",
            "status": status,
            "type": kind,
        }
        stored = case not in {"unauthorized", "throttled", "running"}
        return Answer(status, body, stored=stored and (status < 400 or bool(self.switch("keeps_failures", True))))

    def mismatch(self, kept: Kept) -> Answer:
        """Sheet, 2: "first request is authoritative and same key replays its outcome"; nothing is said of bodies."""
        return kept.answer or self.error("running", "a request with this key is still in progress")

    def keep_failure(self, kept: Kept) -> bool:
        """Whether a failure counts as an outcome is not stated: a switch."""
        kept.answer = self.error("failed", "something went wrong on our side")
        return bool(self.switch("keeps_failures", True))

    def _refuse(self, case: str, message: str, **facts: Any) -> Refused:
        return Refused(self.error(case, message, **facts))

    def _fields(self, request: Request, allowed: set[str]) -> Doc:
        try:
            fields = request.json
        except (ValueError, TypeError):
            raise self._refuse("invalid", "the body is not a JSON object") from None
        for name in fields.keys() - allowed:
            raise self._refuse("invalid", f"unknown parameter {name}", param=name)
        metadata = fields.get("metadata", {})
        if not isinstance(metadata, dict) or len(metadata) > 50:
            raise self._refuse("invalid", "metadata has at most 50 keys", param="metadata")
        for name, value in metadata.items():
            if len(name) > 40 or not isinstance(value, str) or len(value) > 500:
                raise self._refuse("invalid", "a metadata key has 40 characters, a value 500", param="metadata")
        return fields

    def _one(self, id: str) -> Doc:
        if id not in self.invoices:
            raise self._refuse("missing", f"no invoice {id}")
        return self.invoices[id]

    def _shown(self, doc: Doc) -> Doc:
        shown = {name: value for name, value in doc.items() if not name.startswith("_")}
        past_due = doc["status"] == "open" and doc["due_date"] and seconds(doc["due_date"]) < self.clock.now()
        return {**shown, "status": "overdue"} if past_due and self.switch("overdue") else shown

    # ── routes ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, request: Request) -> Answer:
        """The lines come from the window; no amount can be set."""
        fields = self._fields(request, {"period_start", "period_end", "fleet", "currency", "description", "metadata"})
        try:
            start, end = seconds(fields["period_start"]), seconds(fields["period_end"])
        except (KeyError, ValueError, AttributeError):
            raise self._refuse("invalid", "period_start and period_end are required instants") from None
        if start >= end:
            raise self._refuse("invalid", "the period ends before it begins", param="period_end")
        lines = [
            {"amount": amount, "description": text, "quantity": 1, "unit_amount": amount}
            for fleet, at, amount, text in self.switch("transactions", [])
            if start <= at < end and fields.get("fleet") in {None, fleet}
        ]
        now = self.clock.now()
        doc: Doc = {
            "id": self.new_id("inv_", 32),
            "object": "invoice",
            "amount_due": sum(line["amount"] for line in lines),
            "amount_paid": None,
            "created": instant(now),
            "currency": fields.get("currency") or "eur",
            "description": fields.get("description"),
            "due_date": instant(now + 7 * 86400),
            "fleet": fields.get("fleet"),
            "line_items": lines,
            "metadata": fields.get("metadata", {}),
            "paid_at": None,
            "payment_method": None,
            "period_start": instant(start),
            "period_end": instant(end),
            "status": "draft",
        }
        self.invoices[doc["id"]] = doc
        self.record("created", doc, doc["amount_due"])
        return Answer(200, self._shown(doc))

    def retrieve(self, request: Request, id: str) -> Answer:
        """One invoice."""
        return Answer(200, self._shown(self._one(id)))

    def list_invoices(self, request: Request) -> Answer:
        """Newest first; the next page's address is opaque."""
        query = dict(request.query)
        limit = int(query.get("limit", "10"))
        if not 1 <= limit <= 100:
            raise self._refuse("invalid", "limit is 1 to 100", param="limit")
        if query.get("status", "open") not in LISTED:
            raise self._refuse("invalid", "unknown status", param="status")
        documents = [
            doc
            for doc in self.listed()
            if query.get("fleet") in {None, doc["fleet"]} and query.get("status") in {None, doc["status"]}
        ]
        begin = int(query.get("page", "page_0").removeprefix("page_"))
        page, rest = documents[begin : begin + limit], documents[begin + limit :]
        others = "".join(f"{name}={value}&" for name, value in request.query if name != "page")
        following = f"{self.url}/v1/invoices?{others}page=page_{begin + limit}" if rest else None
        data = [self._shown(doc) for doc in page]
        return Answer(200, {"data": data, "next_page_url": following, "previous_page_url": None})

    def update(self, request: Request, id: str) -> Answer:
        """Draft or open, as the newer page says."""
        fields, doc = self._fields(request, {"description", "due_date", "metadata"}), self._one(id)
        if doc["status"] not in {"draft", "open"}:
            raise self._refuse("state", "it is no longer editable", code="invoice_update_invalid_state")
        doc.update({name: value for name, value in fields.items() if name != "metadata"})
        doc["metadata"] = {**doc["metadata"], **fields.get("metadata", {})}
        self.record("changed", doc)
        return Answer(200, self._shown(doc))

    def finalize(self, request: Request, id: str) -> Answer:
        """Draft to open; the amount is computed, with tax where the account has some."""
        doc = self._one(id)
        if doc["status"] != "draft":
            raise self._refuse("state", "it is already finalized", code="invoice_finalize_invalid_state")
        net = sum(line["amount"] for line in doc["line_items"])
        doc["status"], doc["amount_due"] = "open", net + net * self.switch("tax", 0) // 100
        self.record("issued", doc, doc["amount_due"])
        if self.switch("collects"):
            self._collect(doc, "pm_default")
        return Answer(200, self._shown(doc))

    def pay(self, request: Request, id: str) -> Answer:
        """Open to paid: the whole amount, with the named or the default payment method."""
        fields, doc = self._fields(request, {"payment_method"}), self._one(id)
        if doc["status"] != "open":
            raise self._refuse("state", f"it is {doc['status']}", code="invoice_payment_invalid_state")
        self._collect(doc, fields.get("payment_method") or "pm_default")
        return Answer(200, self._shown(doc))

    def _collect(self, doc: Doc, method: str) -> None:
        if method in self.switch("declines", ()):
            raise self._refuse("declined", "the payment method was declined", param="payment_method")
        amount = doc["amount_due"]
        doc.update(status="paid", amount_paid=amount, amount_due=0, payment_method=method)
        doc["paid_at"] = instant(self.clock.now())
        self.record("collected", doc, amount)

    def void(self, request: Request, id: str) -> Answer:
        """Open to void."""
        doc = self._one(id)
        if doc["status"] not in {"open", "uncollectible"}:
            raise self._refuse("state", f"it is {doc['status']}", code="invoice_void_invalid_state")
        doc["status"] = "void"
        self.record("voided", doc)
        return Answer(200, self._shown(doc))
