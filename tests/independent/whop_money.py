"""Whop's refunds, from the types of whop-sdk 2.6.0 (payments.refund, refunds.list); see whop.py.

Switches, beside those of whop.py: `rows` (the size of a page of refunds), `refund_status` (that a new refund has).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tests.independent.server import Answer, Doc, Request
from tests.independent.whop import Whop, minor


class WhopMoney(Whop):
    """See the module."""

    def seed(self) -> None:
        """No refund yet."""
        super().seed()
        self.refunds: list[Doc] = []

    def declared_routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Those of the verb that moves money."""
        return [
            ("POST", "/api/v1/payments/{id}/refund", self.refund),
            ("GET", "/api/v1/refunds", self.list_refunds),
            *super().declared_routes(),
        ]

    def bill(self, amount: int, *, paid: tuple[int, ...] = ()) -> str:
        """Make an invoice of that amount that Whop charged, if it is paid at all."""
        plan = {"plan_type": "one_time", "currency": "eur"}
        charged = {
            "collection_method": "charge_automatically" if paid else "send_invoice",
            "payment_method_id": "pmt_1",
        }
        doc = self._open(charged, plan, amount, [])
        self._issue(doc, amount, charges=bool(paid))
        self.events.clear()
        return str(doc["id"])

    def _back(self, payment: str) -> int:
        return sum(row["_minor"] for row in self.refunds if row["payment_id"] == payment and row["status"] != "failed")

    def payment(self, request: Request, id: str) -> Answer:
        """The payment, with what was given back of it."""
        shown: Doc = super().payment(request, id).body
        back = self._back(id)
        amounts = {"total": _money(minor(shown["total"])), "refunded_amount": _money(back)}
        return Answer(200, {**shown, **amounts, "refundable": back < minor(shown["total"])})

    def refund(self, request: Request, id: str) -> Answer:
        """Of one payment; more than is left gives back what is left. The buyer is mailed."""
        if id not in self.payments:
            raise self._refuse("missing", f"No payment {id}")
        left = minor(self.payments[id]["total"]) - self._back(id)
        if left <= 0:
            raise self._refuse("state", "the payment is refunded already")
        asked = request.json.get("partial_amount")
        amount = left if asked is None else min(minor(asked), left)
        now, metadata = self.clock.now(), request.json.get("metadata") or {}
        row = {"id": self.new_id("rfnd_"), "payment_id": id, "metadata": metadata, "amount": _money(amount)}
        row |= {"status": self.switch("refund_status", "succeeded"), "_minor": amount, "_at": now}
        self.refunds.insert(0, row)
        invoice = next(doc for doc in self.invoices.values() if (doc["payment"] or {}).get("id") == id)
        self.record("refunded", invoice, amount)
        self.record("mailed", invoice, amount)
        return self.payment(request, id)

    def list_refunds(self, request: Request) -> Answer:
        """Newest first, in pages; the end cursor is filled on the last page too."""
        query = dict(request.query)
        if query.get("account_id") != "biz_independent":
            raise self._refuse("invalid", "account_id is required", param="account_id")
        until = self.clock.now() - self.listing_lag
        rows = [
            row for row in self.refunds if row["_at"] <= until and query.get("payment_id") in {None, row["payment_id"]}
        ]
        begin = 1 + max([place for place, row in enumerate(rows) if row["id"] == query.get("after")], default=-1)
        size = min(int(query.get("first", "20")), self.switch("rows", 100))
        page = [{name: value for name, value in row.items() if name[0] != "_"} for row in rows[begin : begin + size]]
        ends = {"end_cursor": page[-1]["id"]} if page else {}
        return Answer(200, {"data": page, "page_info": {**ends, "has_next_page": bool(rows[begin + size :])}})


def _money(amount: int) -> Doc:
    return {"amount": f"{Decimal(amount) / 100:.2f}", "currency": "eur", "decimals": 2}
