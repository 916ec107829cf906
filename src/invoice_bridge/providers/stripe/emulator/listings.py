"""The listings that belong to an invoice of Stripe's: its payments and its credit notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.emulator.transitions import StripeTransitions

_PAGING = "ending_before expand limit starting_after"
_KINDS = ("payment_intent", "charge", "payment_record")


class StripeListings(StripeTransitions):
    """What an invoice answers for payments and credit notes, each a listing of its own."""

    def add_credit_note(self, invoice_id: str, amount: int, **more: Any) -> dict[str, Any]:
        """Make a credit note that exists already, against an open invoice or, given back by hand, a paid one."""
        found = self.invoices[invoice_id]
        paid = found["status"] == "paid"
        note = {
            "id": self.next_id("cn_"),
            "object": "credit_note",
            "amount": amount,
            "currency": found["currency"],
            "invoice": invoice_id,
            "number": f"{found['number']}-CN-{len(self.credit_notes) + 1:02d}",
            "created": self.now_seconds(),
            "effective_at": self.now_seconds(),
            "status": "issued",
            "reason": None,
            "refunds": [],
            "customer_balance_transaction": None,
            "out_of_band_amount": amount if paid else None,
            "post_payment_amount": amount if paid else 0,
            "pre_payment_amount": 0 if paid else amount,
            "type": "post_payment" if paid else "pre_payment",
        } | more
        self.credit_notes[note["id"]] = note
        if note["status"] == "issued":
            found["pre_payment_credit_notes_amount"] += note["pre_payment_amount"]
            found["post_payment_credit_notes_amount"] += note["post_payment_amount"]
            found["amount_remaining"] -= note["pre_payment_amount"]
        return note

    def list_payments(self, call: IncomingRequest) -> Response:
        """GET /v1/invoice_payments, newest first; what paid is its id alone where it is not expanded."""
        given = self._params(call, f"{_PAGING} created invoice payment status")
        rows = [
            row | {"invoice": invoice["id"]}
            for invoice in self.invoices.values()
            if given.get("invoice") in {None, invoice["id"]}
            for row in invoice["payments"]
            if given.get("status") in {None, row["status"]}
        ]
        expanded = [path.removeprefix("data.") for path in (given.get("expand") or {}).values()]
        return self._page([_collapsed(row, expanded) for row in reversed(rows)], given, "/v1/invoice_payments")

    def list_credit_notes(self, call: IncomingRequest) -> Response:
        """GET /v1/credit_notes, newest first."""
        given = self._params(call, f"{_PAGING} created customer customer_account invoice")
        rows = [
            note for note in reversed(self.credit_notes.values()) if given.get("invoice") in {None, note["invoice"]}
        ]
        return self._page(rows, given, "/v1/credit_notes")


def _collapsed(row: Mapping[str, Any], expanded: Iterable[str]) -> dict[str, Any]:
    """An invoice payment with the ids of what is not expanded."""
    paths = tuple(expanded)
    payment = dict(row["payment"])
    for kind in _KINDS:
        inner = payment.get(kind)
        if not isinstance(inner, Mapping):
            continue
        if not any(path.startswith(f"payment.{kind}") for path in paths):
            payment[kind] = inner["id"]
        elif isinstance(charge := inner.get("latest_charge"), Mapping) and (
            f"payment.{kind}.latest_charge" not in paths
        ):
            payment[kind] = {**inner, "latest_charge": charge["id"]}
    return {**row, "payment": payment}
