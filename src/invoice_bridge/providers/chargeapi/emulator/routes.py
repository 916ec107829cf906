"""The requests that create, change and list invoices: ChargeAPI's whole emulator."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response, query
from invoice_bridge.providers.chargeapi.emulator.documents import stamp
from invoice_bridge.providers.chargeapi.emulator.events import REPORTS
from invoice_bridge.providers.chargeapi.emulator.probes import PROBES
from invoice_bridge.providers.chargeapi.emulator.transitions import ChargeApiTransitions

_CREATE_PARAMS = ("period_start", "period_end", "fleet", "currency", "description", "metadata")
_UPDATE_PARAMS = ("description", "due_date", "metadata")
_LIST_PARAMS = ("fleet", "limit", "page", "status")
_LIST_STATUSES = ("draft", "open", "paid", "void", "uncollectible")  # overdue is not among them
_DUE_AFTER = timedelta(days=7)  # as in the samples; the rule is not documented


class ChargeApiEmulator(ChargeApiTransitions):
    """ChargeAPI's invoices. The fleet "flt_42" exists from the start, with 25.00 EUR in May 2026 and 19.99 in April.

    The payment methods "pm_42", "pm_declined" (which declines) and those of the fleets are known; any other is refused.
    """

    reports = REPORTS
    PROBES = PROBES
    ROUTES = (
        ("POST", "/invoices", "create"),
        ("GET", "/invoices", "list"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("POST", "/invoices/{id}", "update"),
        ("POST", "/invoices/{id}/finalize", "finalize"),
        ("POST", "/invoices/{id}/pay", "pay"),
        ("POST", "/invoices/{id}/void", "void"),
    )

    def create(self, call: IncomingRequest) -> Response:
        """POST /invoices: always a draft, with the transactions of the period as lines."""
        given = self._body(call, _CREATE_PARAMS)
        start, end = self._moment(given, "period_start"), self._moment(given, "period_end")
        if start >= end:
            raise self._invalid("period_end must be after period_start", "period_end")
        fleet, now = self._text(given, "fleet"), self.clock()
        if fleet not in self.fleets:
            raise self._refuse("No such fleet", "fleet_not_found", param="fleet", status=404)
        found: dict[str, Any] = {
            "id": self.next_id("inv_"),
            "object": "invoice",
            "amount_due": None,
            "amount_paid": None,
            "created": stamp(now),
            "currency": self._currency(given),
            "description": self._text(given, "description"),
            "due_date": stamp(now + _DUE_AFTER),
            "fleet": fleet,
            "line_items": [],
            "metadata": self._words(given),
            "paid_at": None,
            "payment_method": None,
            "period_end": stamp(end),
            "period_start": stamp(start),
            "status": "draft",
        }
        if not self._rated(found)["line_items"] and self.switches["empty_window_refused"]:
            raise self._invalid("The period holds no transactions", "period_start")
        self.invoices[found["id"]] = found
        return self.json(self._shown(found), 201 if self.switches["create_answers_201"] else 200)

    def retrieve(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}."""
        self._filters(call, ())
        return self.json(self._shown(self._find(invoice_id)))

    def list(self, call: IncomingRequest) -> Response:
        """GET /invoices, newest first; a page's token is valid only with the filters of its page."""
        given = self._filters(call, _LIST_PARAMS)
        if "status" in given and given["status"] not in _LIST_STATUSES:
            raise self._invalid("No such status", "status")
        limit = given.get("limit", "10")
        if not re.fullmatch("[1-9][0-9]?|100", limit):
            raise self._invalid("limit must be between 1 and 100", "limit")
        filters = tuple((name, value) for name, value in call.query if name != "page")
        rows = [row for row in reversed(self.invoices.values()) if given.get("fleet") in {None, row["fleet"]}]
        if "status" in given:
            rows = [row for row in rows if self._status(row) == given["status"]]
        first = 0
        if "page" in given:
            anchor, before = self.pages.get(given["page"], ("", ()))
            place = next((place for place, row in enumerate(rows) if row["id"] == anchor), None)
            if before != filters or place is None:
                raise self._invalid("The page token does not belong to this listing", "page")
            first = place
        after = first + int(limit)
        body = {
            "data": [self._shown(self._rated(row)) for row in rows[first:after]],
            "next_page_url": self._page_url(call, rows[after]["id"], filters) if after < len(rows) else None,
            "previous_page_url": self._page_url(call, rows[max(first - int(limit), 0)]["id"], filters)
            if first
            else None,
        }
        return self.json(body)

    def _page_url(self, call: IncomingRequest, anchor: str, filters: tuple[tuple[str, str], ...]) -> str:
        digest = hashlib.sha256(repr((anchor, filters)).encode()).digest()
        token = "page_" + urlsafe_b64encode(digest).decode().rstrip("=")
        self.pages[token] = (anchor, filters)
        return f"{call.root}/invoices?{query([('page', token), *filters])}"

    def update(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST /invoices/{id}: drafts, and open invoices as on the newer page."""
        given, found = self._body(call, _UPDATE_PARAMS), self._find(invoice_id)
        if not self.allows("update", found["status"]):
            raise self._wrong_state("update", found)
        changes: dict[str, Any] = {}
        if "description" in given:
            changes["description"] = self._text(given, "description") or None
        if "due_date" in given:
            changes["due_date"] = stamp(self._moment(given, "due_date"))
        if "metadata" in given:
            kept = found["metadata"] if self.switches["metadata_merges"] else {}
            changes["metadata"] = kept | self._words(given)
        found |= changes
        return self.json(self._shown(found))
