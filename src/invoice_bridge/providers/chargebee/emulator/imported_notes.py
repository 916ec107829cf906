"""The import of Chargebee's credit notes in their final state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.emulator.imports import IMPORTED_LINE, METHODS, TAX, ChargebeeImports

_NOTE = (
    "id customer_id subscription_id reference_invoice_id type currency_code create_reason_code date status total "
    "refunded_at voided_at sub_total round_off_amount vat_number_prefix"
)
_NOTE_STATUSES = {"adjustment": {"adjusted", "voided"}, "refundable": {"adjusted", "refunded", "refund_due", "voided"}}


class ChargebeeImportedNotes(ChargebeeImports):
    """The route that imports credit notes of imported invoices."""

    def import_credit_note(self, call: IncomingRequest) -> Response:
        """POST /credit_notes/import_credit_note."""
        self._needs_imports()
        given = self._params(
            call,
            _NOTE,
            line_items=f"{IMPORTED_LINE} reference_line_item_id",
            discounts="line_item_id entity_type entity_id description amount",
            taxes=TAX,
            allocations="invoice_id allocated_amount allocated_at",
            linked_refunds="id amount payment_method date reference_number",
        )
        for name, longest in (("id", 50), ("reference_invoice_id", 50), ("create_reason_code", 100)):
            if self._text(given, name, longest) is None:
                raise self._refuse(f"{name} : cannot be blank", param=name)
        date, known = self._required(given, "date"), given["id"]
        if known in self.imported_notes:
            raise self._refuse(f"id : {known} is used already", code="duplicate_entry", param="id")
        if self.switches["credit_reason_checked"] and given["create_reason_code"] not in self.credit_reasons:
            raise self._refuse("create_reason_code : is not one of the site's", param="create_reason_code")
        kind = given.get("type", "")
        status = given.get("status", "adjusted" if kind == "adjustment" else "refund_due")
        if status not in _NOTE_STATUSES.get(kind, set()):
            raise self._refuse("type : must be adjustment or refundable, with a status of its own", param="type")
        found = self._find(given["reference_invoice_id"])
        if given.get("customer_id", found["customer_id"]) != found["customer_id"]:
            raise self._refuse("customer_id : is not the invoice's", param="customer_id")
        total = self._integer(given, "total") or 0
        for place, row in self._rows(given, "line_items"):
            self._imported_line(row, place)
        refunds = [self._linked_refund(row, place) for place, row in self._rows(given, "linked_refunds")]
        if status == "refunded" and sum(refunds) != total:
            raise self._refuse("linked_refunds : must come to the total of a refunded note", param="linked_refunds")
        note = {
            "cn_id": known,
            "cn_create_reason_code": given["create_reason_code"],
            "cn_date": date,
            "cn_total": total,
            "cn_status": status,
        }
        self.imported_notes.add(known)
        made = self._noted(found, note, kind)
        self._note("credited", found, total)
        self._mail(call, found)
        return self.json({"credit_note": made})

    def _linked_refund(self, row: Mapping[str, Any], place: int) -> int:
        amount = self._integer(row, "amount", least=1, param=f"linked_refunds[amount][{place}]")
        if amount is None or row.get("payment_method") not in METHODS or not row.get("date"):
            param = f"linked_refunds[amount][{place}]"
            raise self._refuse(f"{param} : a refund has an amount, a method and a date", param=param)
        self._text(row, "reference_number", 100, param=f"linked_refunds[reference_number][{place}]")
        return amount

    def _noted(self, found: dict[str, Any], note: dict[str, Any], kind: str) -> dict[str, Any]:
        """Apply a credit note to its invoice; an adjustment of all that is due makes it paid, a void one nothing."""
        if kind == "adjustment" and note["cn_status"] == "voided":
            row = note | {"object": "adjustment_credit_note"}
        elif kind == "adjustment":
            if note["cn_total"] > found["amount_due"]:
                raise self._refuse("total : is more than the amount due", param="total")
            row = note | {"object": "adjustment_credit_note"}
            found["adjustment_credit_notes"].append(row)
            found["amount_adjusted"] += note["cn_total"]
            found |= self._balanced(found)
            if found["amount_due"] == 0 and found["status"] == "not_paid":
                found |= {"status": "paid", "paid_at": self.now_seconds()}
        else:
            if note["cn_total"] > self._refundable(found):
                raise self._refuse("total : is more than what was paid", param="total")
            row = note | {"object": "issued_credit_note"}
            found["issued_credit_notes"].append(row)
        found["updated_at"] = self.now_seconds()
        return self._credit_note(found, row, kind)

    def delete_credit_note(self, call: IncomingRequest, note_id: str) -> Response:
        """POST /credit_notes/{id}/delete: for good, unless it was refunded.

        No page says what its invoice then is: here what remove_credit_note makes of it, also after a write-off.
        """
        self._text(self._params(call, "comment"), "comment", 300)
        for found in self.invoices.values():
            for name, kind in (("adjustment_credit_notes", "adjustment"), ("issued_credit_notes", "refundable")):
                for row in found[name]:
                    if row["cn_id"] == note_id:
                        return self._without_note(found, name, row, kind)
        raise self._refuse(f"{note_id} not found", status=404, code="resource_not_found", param="credit_note_id")

    def _without_note(self, found: dict[str, Any], name: str, row: dict[str, Any], kind: str) -> Response:
        if row["cn_status"] == "refunded":
            message = f"{row['cn_id']} was refunded, and cannot be deleted"
            raise self._refuse(message, code="invalid_state_for_request")
        shown = self._credit_note(found, row, kind) | {"deleted": True}
        found[name].remove(row)
        if kind == "adjustment":
            whole = "write_off_amount" if row.get("cn_create_reason_code") == "Write Off" else "amount_adjusted"
            found[whole] -= row["cn_total"]
            found |= self._balanced(found)
            self._unsettled(found, "not_paid")
        self._note("credit_deleted", found, row["cn_total"])
        return self.json({"credit_note": shown})
