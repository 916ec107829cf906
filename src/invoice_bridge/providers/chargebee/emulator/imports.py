"""The import of history: invoices and credit notes of Chargebee in their final state.

Limits: chargebee-node, src/schema/invoice.schema.ts and credit_note.schema.ts. Each undocumented rule is a switch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.emulator.charges import ADDRESS, ChargebeeCharges
from invoice_bridge.providers.chargebee.tables import DESCRIPTION_LENGTH, NO_MAIL

_STATUSES = ("paid", "posted", "payment_due", "not_paid", "voided", "pending")
METHODS = {"cash", "check", "bank_transfer", "other", "app_store", "play_store", "custom"}
_DISCOUNTS = ("document_level_discount", "item_level_discount", "promotional_credits")
_INVOICE = (
    "id currency_code customer_id subscription_id po_number price_type tax_override_reason vat_number "
    "vat_number_prefix date total round_off status voided_at void_reason_code is_written_off write_off_amount "
    "write_off_date due_date net_term_days has_advance_charges use_for_proration paid_at"
)
_TAXED = " ".join(f"tax{place}_name tax{place}_amount" for place in range(1, 11))
IMPORTED_LINE = f"id date_from date_to description unit_amount quantity amount entity_type entity_id {_TAXED}"
TAX = "name rate amount description juris_type juris_name juris_code"


class ChargebeeImports(ChargebeeCharges):
    """The two import routes; nothing that they make is collected, unless its status allows it."""

    SWITCHES = {  # noqa: RUF012 - a ClassVar of the base
        **ChargebeeCharges.SWITCHES,
        "import_open_collects": (
            True,
            "whether what is imported as posted or payment_due is collected by itself; not_paid never is",
        ),
        "import_total_checked": (True, "whether the total of an import must be what its parts come to"),
        "import_paid_needs_payments": (True, "whether an import as paid is refused unless payments cover its total"),
        "import_enabled": (True, "whether imports are enabled for the site, which Support may have to do"),
        "credit_reason_checked": (False, "whether create_reason_code must be one of the site's own"),
        "deleted_id_free": (False, "whether the id of a deleted invoice may be used again"),
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.credit_reasons = {"Other", "Product Unsatisfactory", "Service Unsatisfactory"}
        """The site's reasons for credit notes; the switch credit_reason_checked enforces them."""
        self.imported_notes: set[str] = set()

    # ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def import_invoice(self, call: IncomingRequest) -> Response:
        """POST /invoices/import_invoice."""
        self._needs_imports()
        given = self._params(
            call,
            _INVOICE,
            line_items=IMPORTED_LINE,
            discounts="line_item_id entity_type entity_id description amount",
            taxes=TAX,
            payments="id amount payment_method date reference_number",
            notes="entity_type entity_id note",
            credit_note="id",
            billing_address=ADDRESS,
            shipping_address=ADDRESS,
        )
        known = self._new_id(given)
        customer, status = self._customer_of_import(given), given.get("status", "paid")
        if status not in _STATUSES:
            raise self._refuse(f"status : must be one of {', '.join(_STATUSES)}", param="status")
        total, date = self._required(given, "total"), self._required(given, "date")
        lines, taxes = self._imported_lines(given), self._named_taxes(given, status)
        inclusive = given.get("price_type") == "tax_inclusive"
        discounts = [self._imported_discount(row, place) for place, row in self._rows(given, "discounts")]
        rounded = self._integer(given, "round_off", least=-99) or 0
        net = sum(line["amount"] for line in lines) - sum(row["amount"] for row in discounts)
        tax = sum(line["tax_amount"] for line in lines)
        comes_to = net + (0 if inclusive else tax) + rounded
        if self.switches["import_total_checked"] and comes_to != total:
            raise self._refuse(f"total : is {total}, and the parts come to {comes_to}", param="total")
        payments = [self._imported_payment(row, place, date) for place, row in self._rows(given, "payments")]
        written_off = self._write_off(given, total, payments)
        self._check_ended(given, status, total, payments, written_off=bool(written_off))
        found = {
            "id": known,
            "customer_id": customer["id"],
            "recurring": "subscription_id" in given,
            "status": status,
            "price_type": given.get("price_type", "tax_exclusive"),
            "date": date,
            "due_date": self._integer(given, "due_date") or date,
            "generated_at": self.now_seconds(),
            "net_term_days": self._integer(given, "net_term_days") or 0,
            "total": total,
            "amount_adjusted": 0,
            "write_off_amount": 0,
            "credits_applied": 0,
            "updated_at": self.now_seconds(),
            "deleted": False,
            "object": "invoice",
            "first_invoice": False,
            "round_off_amount": rounded,
            "has_advance_charges": False,
            "currency_code": self._currency(given),
            "base_currency_code": "USD",
            "is_gifted": False,
            "term_finalized": True,
            "tax": tax,
            "sub_total": net,
            "line_items": [line | {"customer_id": customer["id"]} for line in lines],
            "linked_payments": payments,
            "dunning_attempts": [],
            "applied_credits": [],
            "adjustment_credit_notes": [],
            "issued_credit_notes": [],
            "linked_orders": [],
            "_auto_collection": customer["auto_collection"],
            "_source": self._source({}, customer),
            "_failed": [],
        }
        found |= self._texts(given)
        if discounts:
            found["discounts"] = discounts
        if taxes:
            found["taxes"] = [{"name": name, "amount": self._taxed(lines, name), "object": "tax"} for name in taxes]
            found["line_item_taxes"] = [tax for line in lines for tax in self._line_taxes(line, taxes)]
        for line in found["line_items"]:
            line.pop("_taxes")
        found = self._balanced(found)
        for name, needed in (("paid_at", "paid"), ("voided_at", "voided")):
            if status == needed:
                found[name] = self._integer(given, name) or self.now_seconds()
        if written_off:
            self._give_up(found, given, written_off)
        self.invoices[known] = found
        self._note("imported", found)
        if status not in {"pending", "voided"}:
            self._after_import(found, call)
        answer = {"invoice": self._shown(found)}
        if written_off:
            answer["credit_note"] = self._credit_note(found, found["adjustment_credit_notes"][-1], "adjustment")
        return self.json(answer)

    def _needs_imports(self) -> None:
        if not self.switches["import_enabled"]:
            raise self._refuse("This API operation is not enabled for this site", code="configuration_incompatible")

    def _required(self, given: Mapping[str, Any], name: str) -> int:
        value = self._integer(given, name)
        if value is None:
            raise self._refuse(f"{name} : cannot be blank", param=name)
        return value

    def _new_id(self, given: Mapping[str, Any]) -> str:
        known = self._text(given, "id", 50)
        if known is None:
            raise self._refuse("id : cannot be blank", param="id")
        other = self.invoices.get(known)
        if other is not None and not (other["deleted"] and self.switches["deleted_id_free"]):
            raise self._refuse(f"id : {known} is used already", code="duplicate_entry", param="id")
        return known

    def _customer_of_import(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found = self._customer({"customer_id": given.get("customer_id")})
        subscription = given.get("subscription_id")
        if subscription is not None:
            if subscription not in self.subscriptions:
                message = f"subscription_id : {subscription} not found"
                raise self._refuse(message, status=404, code="resource_not_found", param="subscription_id")
            if self.subscriptions[subscription]["customer_id"] != found["id"]:
                raise self._refuse("customer_id : is not the subscription's", param="customer_id")
        return found

    def _imported_lines(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        lines = [self._imported_line(row, place) for place, row in self._rows(given, "line_items")]
        if not lines:
            raise self._refuse("line_items : at least one is required", param="line_items")
        return lines

    def _imported_line(self, row: Mapping[str, Any], place: int) -> dict[str, Any]:
        def param(name: str) -> str:
            return f"line_items[{name}][{place}]"

        least = -(10**17)  # no page states a minimum
        text = self._text(row, "description", DESCRIPTION_LENGTH, param=param("description"))
        if text is None:
            raise self._refuse(f"{param('description')} : cannot be blank", param=param("description"))
        unit = self._integer(row, "unit_amount", least=least, param=param("unit_amount"))
        quantity = self._integer(row, "quantity", least=least, param=param("quantity"))
        amount = self._integer(row, "amount", least=least, param=param("amount"))
        if amount is None and unit is None:
            raise self._refuse(f"{param('amount')} : cannot be blank", param=param("amount"))
        quantity = 1 if quantity is None else quantity
        amount = (unit or 0) * quantity if amount is None else amount
        taxes: dict[str, int] = {}
        for number in range(1, 11):
            name = self._text(row, f"tax{number}_name", 50, param=param(f"tax{number}_name"))
            taxed = self._integer(row, f"tax{number}_amount", param=param(f"tax{number}_amount"))
            if (name is None) != (taxed is None):
                raise self._refuse(f"{param(f'tax{number}_name')} : needs its amount", param=param("tax1_name"))
            if name is not None and taxed is not None:
                taxes[name] = taxes.get(name, 0) + taxed
        date = self.now_seconds()
        return {
            "id": self.next_id("li_"),
            "date_from": self._integer(row, "date_from", param=param("date_from")) or date,
            "date_to": self._integer(row, "date_to", param=param("date_to")) or date,
            "unit_amount": amount if unit is None else unit,
            "quantity": quantity,
            "amount": amount,
            "pricing_model": "flat_fee",
            "is_taxed": bool(taxes),
            "tax_amount": sum(taxes.values()),
            "_taxes": taxes,
            "object": "line_item",
            "description": text,
            "entity_type": row.get("entity_type") or "adhoc",
            "discount_amount": 0,
            "item_level_discount_amount": 0,
        }

    def _named_taxes(self, given: Mapping[str, Any], status: str) -> dict[str, str]:
        """Return each tax of the document by name, with its rate; refuse a line's tax that is not among them."""
        taxes: dict[str, str] = {}
        for place, row in self._rows(given, "taxes"):
            name, rate = row.get("name"), row.get("rate")
            if not name or len(name) > 100:
                raise self._refuse(f"taxes[name][{place}] : must have 1 to 100 characters", param="taxes[name]")
            if rate is None or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", rate) or Decimal(rate) > 100:
                raise self._refuse(f"taxes[rate][{place}] : must be from 0 to 100", param="taxes[rate]")
            taxes[name] = rate
        named = {
            name
            for column, names in given.get("line_items", {}).items()
            if re.fullmatch(r"tax\d+_name", column)
            for name in names.values()
        }
        if missing := sorted(named - set(taxes)):
            raise self._refuse(f"taxes[name] : {missing[0]} is not among them", param="taxes[name]")
        if taxes and status == "pending":
            raise self._refuse("taxes : cannot be given with the status pending", param="taxes")
        return taxes

    @staticmethod
    def _taxed(lines: list[dict[str, Any]], name: str) -> int:
        return sum(line["_taxes"].get(name, 0) for line in lines)

    @staticmethod
    def _line_taxes(line: Mapping[str, Any], taxes: Mapping[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "line_item_id": line["id"],
                "tax_name": name,
                "tax_rate": Decimal(taxes[name]),
                "taxable_amount": line["amount"],
                "tax_amount": amount,
                "object": "line_item_tax",
            }
            for name, amount in line["_taxes"].items()
        ]

    def _imported_discount(self, row: Mapping[str, Any], place: int) -> dict[str, Any]:
        param = f"discounts[entity_type][{place}]"
        if row.get("entity_type") not in _DISCOUNTS:
            raise self._refuse(f"{param} : must be one of {', '.join(_DISCOUNTS)}", param=param)
        amount = self._integer(row, "amount", param=f"discounts[amount][{place}]")
        if amount is None:
            raise self._refuse(f"discounts[amount][{place}] : cannot be blank", param="discounts[amount]")
        text = self._text(row, "description", DESCRIPTION_LENGTH, param=f"discounts[description][{place}]")
        told = {"entity_type": row["entity_type"], "description": text, "amount": amount, "object": "discount"}
        return {name: value for name, value in told.items() if value is not None}

    def _imported_payment(self, row: Mapping[str, Any], place: int, date: int) -> dict[str, Any]:
        amount = self._integer(row, "amount", least=1, param=f"payments[amount][{place}]")
        method = row.get("payment_method")
        if amount is None or method not in METHODS:
            param = f"payments[payment_method][{place}]"
            raise self._refuse(f"{param} : must be one of {', '.join(sorted(METHODS))}", param=param)
        number = self._text(row, "reference_number", 100, param=f"payments[reference_number][{place}]")
        payment = self._payment(amount, amount, "success")
        payment["txn_date"] = self._integer(row, "date", param=f"payments[date][{place}]") or date
        self.paid_by[payment["txn_id"]] = {"payment_method": method, "reference_number": number}
        return payment

    def _write_off(self, given: Mapping[str, Any], total: int, payments: list[dict[str, Any]]) -> int:
        if given.get("is_written_off", "false") != "true":
            return 0
        for name, value in (
            ("write_off_date", given.get("write_off_date")),
            ("credit_note[id]", given.get("credit_note", {}).get("id")),
        ):
            if not value:
                raise self._refuse(f"{name} : cannot be blank with is_written_off", param=name)
        due = total - sum(row["applied_amount"] for row in payments)
        amount = self._integer(given, "write_off_amount")
        amount = due if amount is None else amount
        if amount > due or given.get("status", "paid") != "paid":
            raise self._refuse("write_off_amount : is more than the amount due", param="write_off_amount")
        return amount

    def _check_ended(
        self, given: Mapping[str, Any], status: str, total: int, payments: list[dict[str, Any]], *, written_off: bool
    ) -> None:
        paid = sum(row["applied_amount"] for row in payments)
        if paid > total:
            raise self._refuse("payments[amount] : come to more than the total", param="payments[amount]")
        if status == "paid" and not written_off and paid < total and self.switches["import_paid_needs_payments"]:
            raise self._refuse("payments : must cover the total of a paid invoice", param="payments")
        if "paid_at" in given and status != "paid":
            raise self._refuse("paid_at : belongs to a paid invoice", param="paid_at")
        if status in {"pending", "voided"} and payments:
            raise self._refuse(f"payments : cannot be given with the status {status}", param="payments")

    def _texts(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {name: value for name, value in given.items() if name.startswith("cf_")}
        for name, longest in (("po_number", 100), ("vat_number", 20), ("subscription_id", 50)):
            if (text := self._text(given, name, longest)) is not None:
                found[name] = text
        rows = [
            {"note": self._text(row, "note", 65_000, param=f"notes[note][{place}]"), "object": "note"}
            for place, row in self._rows(given, "notes")
        ]
        if rows:
            found["notes"] = rows
        if address := given.get("billing_address"):
            found["billing_address"] = {**address, "validation_status": "not_validated", "object": "billing_address"}
        return found

    def _give_up(self, found: dict[str, Any], given: Mapping[str, Any], amount: int) -> None:
        note = {
            "cn_id": given["credit_note"]["id"],
            "cn_create_reason_code": "Write Off",
            "cn_date": int(given["write_off_date"]),
            "cn_total": amount,
            "cn_status": "adjusted",
            "object": "adjustment_credit_note",
        }
        self.imported_notes.add(note["cn_id"])
        found["adjustment_credit_notes"].append(note)
        found["write_off_amount"] = amount
        found |= self._balanced(found)

    def _after_import(self, found: dict[str, Any], call: IncomingRequest) -> None:
        """Do what the site does by itself: send mail, and collect invoices that its retry settings include."""
        if self.mails_invoices and call.headers.get(NO_MAIL[0]) != NO_MAIL[1]:
            self._note("mailed", found)
        if found["status"] in {"posted", "payment_due"} and self.switches["import_open_collects"]:
            refused = self._collect(found, found["_source"], found["amount_to_collect"])
            if refused is None:
                self._note("collected", found)
