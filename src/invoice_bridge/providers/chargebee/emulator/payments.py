"""Transactions, refunds and credit notes of Chargebee's invoices, and the links of their PDFs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest, count_in
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.emulator.transitions import ChargebeeTransitions
from invoice_bridge.providers.chargebee.tables import FAILED, NO_MAIL, OFFLINE_METHODS

_LINE_ITEM = (
    "amount date_from date_to description entity_id entity_type quantity quantity_in_decimal reference_line_item_id "
    "unit_amount unit_amount_in_decimal"
)
_LINK_LIVES = 3600
"""Seconds (chargebee/openapi, API v2, retrieve an invoice as PDF)."""
_COMMENT = 300
_NOTES = 2000


class ChargebeePayments(ChargebeeTransitions):
    """The refunds and credit notes of an invoice, and its payments.

    The payment source "pm_slow_refund" takes refunds that stay in progress until `settle_refunds`, "pm_no_refund"
    takes none. No page says which of several payments is refunded: here it is the last one.
    """

    SWITCHES = {  # noqa: RUF012 - a ClassVar of the base
        **ChargebeeTransitions.SWITCHES,
        "deleted_payment_inert": (
            True,
            "whether a paid invoice whose offline payment is deleted becomes not_paid, which nothing collects",
        ),
        "applied_payment_deleted": (
            True,
            "whether an offline payment that is applied to an invoice can be deleted: a page asks to remove it first",
        ),
        "pending_refund_noted": (
            False,
            "whether a refund in progress has a credit note: an older copy of the page says that it is made afterwards",
        ),
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.refunds: dict[str, dict[str, Any]] = {}
        self.payment_sources |= {"pm_slow_refund": "cus_42", "pm_no_refund": "cus_42"}

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _transactions(self) -> list[dict[str, Any]]:
        """Every payment of an invoice as a transaction, newest first, and every refund."""
        payments = [
            self._transaction(found, row)
            for found in self.invoices.values()
            for row in (*found["linked_payments"], *found["_failed"])
        ]
        return [*reversed(self.refunds.values()), *reversed(payments)]

    def _transaction(self, found: Mapping[str, Any], payment: Mapping[str, Any]) -> dict[str, Any]:
        refunds = [row for row in self.refunds.values() if row["refunded_txn_id"] == payment["txn_id"]]
        linked = {
            "invoice_id": found["id"],
            "applied_amount": payment["applied_amount"],
            "applied_at": payment["applied_at"],
            "invoice_status": found["status"],
            "object": "linked_invoice",
        }
        return super()._transaction(found, payment) | {
            "linked_invoices": [linked],
            "linked_refunds": [
                {
                    "txn_id": row["id"],
                    "txn_status": row["status"],
                    "txn_date": row["date"],
                    "txn_amount": row["amount"],
                    "object": "linked_refund",
                }
                for row in refunds
            ],
        }

    def delete_offline_transaction(self, call: IncomingRequest, transaction_id: str) -> Response:
        """POST /transactions/{id}/delete_offline_transaction: a payment that nobody collected, and no refund."""
        self._text(self._params(call, "comment"), "comment", _COMMENT)
        for found in self.invoices.values():
            for row in found["linked_payments"]:
                if row["txn_id"] == transaction_id:
                    return self._without(found, row)
        message = f"{transaction_id} not found"
        raise self._refuse(message, status=404, code="resource_not_found", param="transaction_id")

    def _without(self, found: dict[str, Any], row: dict[str, Any]) -> Response:
        """Delete an offline payment. No page says what its invoice then is; by analogy with remove_credit_note."""
        if self.facts(row)["payment_method"] not in OFFLINE_METHODS or found["issued_credit_notes"]:
            raise self._refuse(f"{row['txn_id']} is no offline payment, or was refunded", code="invalid_request")
        if not self.switches["applied_payment_deleted"]:
            raise self._refuse(f"{row['txn_id']} is applied to {found['id']}: remove it first", code="invalid_request")
        shown = self._transaction(found, row)
        found["linked_payments"].remove(row)
        found |= self._balanced(found)
        self._unsettled(found, "not_paid" if self.switches["deleted_payment_inert"] else "payment_due")
        self._note("payment_deleted", found, row["applied_amount"])
        return self.json({"transaction": shown})

    def _unsettled(self, found: dict[str, Any], past_due: str) -> None:
        """Let an invoice that is not covered any more be unpaid: posted until its due date, then `past_due`."""
        now = self.now_seconds()
        if found["status"] == "paid" and found["amount_due"]:
            found["status"] = "posted" if found["due_date"] > now else past_due
            found.pop("paid_at", None)
        found["updated_at"] = now

    # ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def refund(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/refund: of one online payment; the invoice's status stays."""
        given = self._params(call, "comment customer_notes refund_amount", credit_note="reason_code create_reason_code")
        found = self._find(invoice_id)
        self._text(given, "comment", _COMMENT)
        self._text(given, "customer_notes", _NOTES)
        online = [row for row in self._online(found) if self._left_of(row) > 0]
        if not online or not self.allows("refund", found["status"]):
            raise self._wrong_state(found, "refunded")
        payment = online[-1]
        most = min(self._left_of(payment), self._refundable(found))
        asked = self._integer(given, "refund_amount", least=1)
        amount = most if asked is None else asked
        if amount > most or most <= 0:
            raise self._refuse("refund_amount : is more than the refundable amount", param="refund_amount")
        source = self.facts(payment)["payment_source_id"]
        if source == "pm_no_refund":
            raise self._refuse("The refund was declined.", code="payment_processing_failed", kind="payment")
        status = "in_progress" if source == "pm_slow_refund" else "success"
        made = {
            "id": self.next_id("txn_refund_"),
            "customer_id": found["customer_id"],
            "type": "refund",
            "status": status,
            "amount": amount,
            "currency_code": found["currency_code"],
            "date": self.now_seconds(),
            "refunded_txn_id": payment["txn_id"],
            "object": "transaction",
        }
        self.refunds[made["id"]] = made
        answer: dict[str, Any] = {"transaction": made}
        if status == "success" or self.switches["pending_refund_noted"]:
            answer["credit_note"] = self._issue_note(
                found, amount, "refunded" if status == "success" else "refund_due", given.get("credit_note", {})
            )
            made["_note"] = answer["credit_note"]["id"]
        self._note("refunded", found, amount)
        self._mail(call, found)
        answer["transaction"] = self._public(made)
        return self.json({"invoice": self._shown(found), **answer})

    def settle_refunds(self, status: str = "success") -> None:
        """End the refunds that are in progress, as their banks do in time."""
        for made in self.refunds.values():
            if made["status"] != "in_progress":
                continue
            made["status"] = status
            found = next(
                found
                for found in self.invoices.values()
                if made["refunded_txn_id"] in {row["txn_id"] for row in found["linked_payments"]}
            )
            if "_note" not in made and status == "success":
                self._issue_note(found, made["amount"], "refunded", {})
            for note in found["issued_credit_notes"]:
                if note["cn_id"] == made.get("_note"):
                    note["cn_status"] = "refunded" if status == "success" else "voided"
            found["updated_at"] = self.now_seconds()

    @staticmethod
    def _public(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if not name.startswith("_")}

    def _online(self, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The payments that Chargebee collected."""
        rows = [row for row in found["linked_payments"] if row["txn_status"] == "success"]
        return [row for row in rows if self.facts(row)["payment_method"] not in OFFLINE_METHODS]

    def _left_of(self, payment: Mapping[str, Any]) -> int:
        given_back: int = sum(
            row["amount"]
            for row in self.refunds.values()
            if row["refunded_txn_id"] == payment["txn_id"] and row["status"] not in FAILED
        )
        return int(payment["applied_amount"]) - given_back

    @staticmethod
    def _refundable(found: Mapping[str, Any]) -> int:
        """Return the limit of refundable credit notes (apidocs.chargebee.com, record refund for an invoice)."""
        issued = sum(row["cn_total"] for row in found["issued_credit_notes"] if row["cn_status"] != "voided")
        return int(found["amount_paid"] + found["credits_applied"] - issued)

    # ── credit notes ─────────────────────────────────────────────────────────────────────────────────────────────────
    def create_credit_note(self, call: IncomingRequest) -> Response:
        """POST /credit_notes: an adjustment of what is unpaid, or a refundable one of what is paid."""
        names = "comment create_reason_code currency_code customer_id customer_notes date reason_code"
        given = self._params(call, f"{names} reference_invoice_id total type", line_items=_LINE_ITEM)
        found = self._find(given.get("reference_invoice_id", ""))
        self._text(given, "comment", _COMMENT)
        self._text(given, "customer_notes", _NOTES)
        kind = given.get("type")
        if kind not in {"adjustment", "refundable"}:
            raise self._refuse("type : must be one of adjustment, refundable", param="type")
        if ("total" in given) == ("line_items" in given):
            raise self._refuse("total : either this or line_items must be given", param="total")
        total = self._integer(given, "total", least=1)
        total = self._lines_total(found, given["line_items"]) if total is None else total
        if not self.allows("credit", found["status"]) or (kind == "adjustment") != (found["status"] != "paid"):
            raise self._wrong_state(found, "credited")
        most = found["amount_to_collect"] if kind == "adjustment" else self._refundable(found)
        if total > most:
            raise self._refuse("total : is more than can be credited", param="total")
        if kind == "adjustment":
            made = self._adjust(found, total, given)
        else:
            made = self._issue_note(found, total, "refund_due", given)
        self._note("credited", found, total)
        self._mail(call, found)
        return self.json({"credit_note": made, "invoice": self._shown(found)})

    def _lines_total(self, found: Mapping[str, Any], columns: Mapping[str, Mapping[str, str]]) -> int:
        """Return the amount of some lines of the invoice, with their tax."""
        lines, total = {row["id"]: row for row in found["line_items"]}, 0
        for place, line_id in columns.get("reference_line_item_id", {}).items():
            param = f"line_items[amount][{place}]"
            amount = self._integer({"amount": columns.get("amount", {}).get(place)}, "amount", least=1, param=param)
            if line_id not in lines or amount is None or amount > lines[line_id]["amount"]:
                raise self._refuse(f"{param} : is no line of the invoice, or more than it", param=param)
            total += amount + lines[line_id]["tax_amount"] * amount // lines[line_id]["amount"]
        return total

    def _adjust(self, found: dict[str, Any], total: int, given: Mapping[str, Any]) -> dict[str, Any]:
        now = self.now_seconds()
        row = self._row("adjustment_credit_note", total, "adjusted", given)
        found["adjustment_credit_notes"].append(row)
        found["amount_adjusted"] += total
        found |= self._balanced(found) | {"updated_at": now}
        if found["amount_due"] == 0:
            found |= {"status": "paid", "paid_at": now}
        return self._credit_note(found, row, "adjustment")

    def _issue_note(self, found: dict[str, Any], total: int, status: str, given: Mapping[str, Any]) -> dict[str, Any]:
        row = self._row("issued_credit_note", total, status, given)
        found["issued_credit_notes"].append(row)
        found["updated_at"] = self.now_seconds()
        return self._credit_note(found, row, "refundable")

    def _row(self, kind: str, total: int, status: str, given: Mapping[str, Any]) -> dict[str, Any]:
        reason = given.get("create_reason_code")
        return {
            "cn_id": self.next_id("CN-"),
            **({"cn_create_reason_code": reason} if reason else {}),
            "cn_date": self.now_seconds(),
            "cn_total": total,
            "cn_status": status,
            "object": kind,
        }

    @staticmethod
    def _credit_note(found: Mapping[str, Any], row: Mapping[str, Any], kind: str) -> dict[str, Any]:
        status, total = row["cn_status"], row["cn_total"]
        return {
            "id": row["cn_id"],
            "customer_id": found["customer_id"],
            "reference_invoice_id": found["id"],
            "type": kind,
            "status": status,
            "total": total,
            "amount_allocated": total if status == "adjusted" else 0,
            "amount_refunded": total if status == "refunded" else 0,
            "amount_available": total if status == "refund_due" else 0,
            "currency_code": found["currency_code"],
            "date": row["cn_date"],
            "object": "credit_note",
        }

    def _mail(self, call: IncomingRequest, found: Mapping[str, Any]) -> None:
        """Mail a credit note where the site's settings say so, and the request does not forbid it."""
        if self.mails_invoices and call.headers.get(NO_MAIL[0]) != NO_MAIL[1]:
            self._note("mailed", found)

    # ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key, except for the link of a document, which anyone may read."""
        if not (call.method == "GET" and call.segments[1:] == ("pdf",)):
            super().authenticate(call)

    def pdf(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/pdf: a link that lives an hour."""
        self._params(call, "disposition_type")
        found = self._find(invoice_id)
        till = self.now_seconds() + _LINK_LIVES
        download = {
            "download_url": f"{self.links}/{found['id']}-{till}/pdf",
            "valid_till": till,
            "mime_type": "application/pdf",
            "object": "download",
        }
        return self.json({"download": download})

    def document(self, call: IncomingRequest, name: str) -> Response:
        """GET the link in download_url: a document, without a key."""
        del call
        invoice_id, _, till = name.rpartition("-")
        if (count_in(till) or 0) < self.now_seconds():
            return Response(403, b"Request has expired", {"content-type": "text/plain"})
        content = f"%PDF-1.4\n% {self._find(invoice_id)['id']}\n%%EOF\n".encode()
        return Response(200, content, {"content-type": "application/pdf"})
