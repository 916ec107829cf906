"""The requests that create, change and list invoices: Chargebee's whole emulator."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest, count_in
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargebee.conditions import month_before
from invoice_bridge.providers.chargebee.emulator.charges import ADDRESS
from invoice_bridge.providers.chargebee.emulator.events import REPORTS
from invoice_bridge.providers.chargebee.emulator.probes import PROBES
from invoice_bridge.providers.chargebee.emulator.sources import ChargebeeSources

# names of parameters: chargebee 3.29.0, the TypedDicts of Invoice
_LINE = (
    "amount amount_in_decimal avalara_sale_type avalara_service_type avalara_tax_code avalara_transaction_type "
    "date_from date_to description hsn_code tax_profile_id taxable taxjar_product_code"
)
_BOTH = (
    "coupon coupon_ids currency_code customer_id invoice_date payment_initiator payment_source_id po_number "
    "subscription_id"
)
_CREATE_1 = (
    f"{_BOTH} authorization_transaction_id auto_collection invoice_note remove_general_note "
    "replace_primary_payment_source retain_payment_source token_id"
)
_CREATE_2 = f"{_CREATE_1} net_term_days create_pending_invoice"
_CHARGE = (
    f"{_BOTH} amount amount_in_decimal avalara_sale_type avalara_service_type avalara_transaction_type date_from "
    "date_to description"
)
_ITEM = "item_price_id quantity quantity_in_decimal unit_price unit_price_in_decimal date_from date_to description"
_DISCOUNT = "apply_on amount percentage quantity item_price_id"
_TAX_FIELDS = "provider_name field_id field_value"
_GROUPS = {
    "coupon_ids": "0 1 2 3 4 5 6 7 8 9",
    "tax_providers_fields": _TAX_FIELDS,
    "notes_to_remove": "entity_type entity_id",
    "statement_descriptor": "descriptor",
    "shipping_address": ADDRESS,
}
_WORDS = ("id", "customer_id", "subscription_id", "payment_owner", "void_reason_code", "status", "price_type")
_TIMES = ("date", "paid_at", "updated_at", "voided_at")
_NUMBERS = ("total", "amount_paid", "amount_adjusted", "credits_applied", "amount_due")
_FILTERS = (*_WORDS, *_TIMES, *_NUMBERS, "recurring", "dunning_status", "channel", "einvoice", "paid_on_after")
_TRANSACTION_FILTERS = ("id", "customer_id", "payment_method", "reference_number", "type", "status")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": lambda have, bound: have < bound,
    "before": lambda have, bound: have < bound,
    "lte": lambda have, bound: have <= bound,
    "gt": lambda have, bound: have > bound,
    "after": lambda have, bound: have > bound,
    "gte": lambda have, bound: have >= bound,
    "on": lambda have, bound: have // 86400 == bound // 86400,
}


class ChargebeeEmulator(ChargebeeSources):
    """One Chargebee test site.

    The customer "cus_42" exists with the payment source "pm_42", and its subscription "sub_42" with 29.99 EUR of
    unbilled charges in May 2026. A payment source whose id contains "declined" is declined, one with "pending" stays
    in progress. `tax_percent` is the rate of taxable lines, None if the site has no tax; `mails_invoices` is the
    site's e-mail setting; `lines_per_page` is how many lines an invoice shows at once.
    """

    reports = REPORTS
    PROBES = PROBES
    ROUTES = (
        ("GET", "/configurations", "configurations"),
        ("POST", "/customers", "create_customer"),
        ("GET", "/customers/{id}", "retrieve_customer"),
        ("POST", "/customers/{id}/delete", "delete_customer"),
        ("POST", "/payment_sources/create_card", "create_card"),
        ("GET", "/payment_sources", "list_sources"),
        ("GET", "/payment_sources/{id}", "retrieve_source"),
        ("POST", "/payment_sources/{id}/delete", "delete_source"),
        ("GET", "/events/{id}", "retrieve_event"),
        ("GET", "/subscriptions", "list_subscriptions"),
        ("GET", "/subscriptions/{id}", "retrieve_subscription"),
        ("POST", "/invoices/create_for_charge_items_and_charges", "create_2"),
        ("POST", "/invoices/charge", "charge"),
        ("POST", "/invoices/import_invoice", "import_invoice"),
        ("POST", "/invoices", "create_1"),
        ("GET", "/invoices", "list_invoices"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("POST", "/invoices/{id}/close", "close"),
        ("POST", "/invoices/{id}/collect_payment", "collect_payment"),
        ("POST", "/invoices/{id}/record_payment", "record_payment"),
        ("POST", "/invoices/{id}/void", "void"),
        ("POST", "/invoices/{id}/write_off", "write_off"),
        ("POST", "/invoices/{id}/delete", "delete"),
        ("POST", "/invoices/{id}/update_details", "update_details"),
        ("POST", "/invoices/{id}/refund", "refund"),
        ("POST", "/invoices/{id}/pdf", "pdf"),
        ("GET", "/{id}/pdf", "document"),
        ("POST", "/credit_notes", "create_credit_note"),
        ("POST", "/credit_notes/import_credit_note", "import_credit_note"),
        ("POST", "/credit_notes/{id}/delete", "delete_credit_note"),
        ("GET", "/transactions", "list_transactions"),
        ("POST", "/transactions/{id}/delete_offline_transaction", "delete_offline_transaction"),
        ("GET", "/unbilled_charges", "list_unbilled"),
        ("POST", "/unbilled_charges/invoice_unbilled_charges", "invoice_unbilled"),
    )

    def configurations(self, call: IncomingRequest) -> Response:
        """GET /configurations: the site's product catalog."""
        del call
        version = f"v{self.product_catalog}"
        return self.json({"configurations": [{"domain": "acme-test", "product_catalog_version": version}]})

    def create_customer(self, call: IncomingRequest) -> Response:
        """POST /customers."""
        given = self._params(call, "id first_name last_name email auto_collection net_term_days")
        customer_id = given.pop("id", None) or self.next_id("cus_")
        if customer_id in self.customers:
            raise self._refuse(f"id : {customer_id} is used already", code="duplicate_entry", param="id")
        terms = self._integer(given, "net_term_days") or 0
        self.add_customer(customer_id, **{**given, "net_term_days": terms, "refundable_credits": 0})
        return self.json({"customer": self.customers[customer_id]})

    def retrieve_customer(self, call: IncomingRequest, customer_id: str) -> Response:
        """GET /customers/{id}."""
        del call
        if customer_id not in self.customers:
            raise self._refuse(f"{customer_id} not found", status=404, code="resource_not_found")
        found = self.customers[customer_id]
        stated = {"promotional_credits": 0, "excess_payments": 0, "unbilled_charges": 0}
        return self.json({"customer": {**stated, **found, "refundable_credits": self.credits_of(found)}})

    def retrieve_subscription(self, call: IncomingRequest, subscription_id: str) -> Response:
        """GET /subscriptions/{id}."""
        del call
        if subscription_id not in self.subscriptions:
            raise self._refuse(f"{subscription_id} not found", status=404, code="resource_not_found")
        return self.json({"subscription": self._subscription(self.subscriptions[subscription_id])})

    def list_subscriptions(self, call: IncomingRequest) -> Response:
        """GET /subscriptions."""
        given = dict(call.query)
        rows = self._filtered(list(self.subscriptions.values()), given, ("id", "customer_id"))
        return self._page(rows, given, "subscription", self._subscription)

    def _subscription(self, found: dict[str, Any]) -> dict[str, Any]:
        return found | self._inherited() | {"object": "subscription"}

    def delete_customer(self, call: IncomingRequest, customer_id: str) -> Response:
        """POST /customers/{id}/delete (chargebee 3.29.0, Customer.delete): its invoices stay, its sources go."""
        self._params(call, "delete_payment_method")
        customer = self._customer_of(customer_id)
        for source in [source for source, owner in self.payment_sources.items() if owner == customer_id]:
            del self.payment_sources[source]
            self.sources.pop(source, None)
        del self.customers[customer_id]
        return self.json({"customer": customer | {"deleted": True}})

    def create_2(self, call: IncomingRequest) -> Response:
        """POST /invoices/create_for_charge_items_and_charges: product catalog 2; pending on request."""
        self._needs_catalog(2)
        given = self._params(
            call, _CREATE_2, charges=f"{_LINE} entity_description", item_prices=_ITEM, discounts=_DISCOUNT, **_GROUPS
        )
        self._refuse_uncomputed(given)
        lines = [*self._lines(given), *self._items(given)]
        if not lines:
            raise self._refuse("Cannot create an invoice without any line items", code="invalid_request")
        discounts = [self._off(row, place) for place, row in self._rows(given, "discounts")]
        if sum(discounts) > sum(line["amount"] for line in lines):
            raise self._refuse("discounts : are more than the invoice", param="discounts[amount][0]")
        pending = given.get("create_pending_invoice") == "true"
        return self._create(call, given, lines, pending=pending, discounts=discounts)

    def create_1(self, call: IncomingRequest) -> Response:
        """POST /invoices: product catalog 1."""
        self._needs_catalog(1)
        given = self._params(call, _CREATE_1, charges=_LINE, **_GROUPS)
        self._refuse_uncomputed(given)
        lines = self._lines(given)
        if not lines:
            raise self._refuse("Cannot create an invoice without any line items", code="invalid_request")
        return self._create(call, given, lines)

    def charge(self, call: IncomingRequest) -> Response:
        """POST /invoices/charge: product catalog 1; one line, collected at once."""
        self._needs_catalog(1)
        given = self._params(call, _CHARGE, tax_providers_fields=_TAX_FIELDS, coupon_ids="0 1 2 3 4 5 6 7 8 9")
        self._refuse_uncomputed(given)
        if "description" not in given:
            raise self._refuse("description : cannot be blank", param="description")
        names = ("amount", "amount_in_decimal", "avalara_sale_type", "description", "date_from", "date_to")
        line = self._line(self._exact({name: given.get(name) for name in names}, ""), "")
        return self._create(call, given | {"auto_collection": "on"}, [line], limited=True)

    def _lines(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows = self._rows(given, "charges")
        return [self._line(self._exact(row, f"[{place}]"), f"[{place}]") for place, row in rows]

    def _items(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the lines of item prices, at the request's price unless the item has tiers."""
        lines = []
        for place, row in self._rows(given, "item_prices"):
            price = row.get("item_price_id")
            if price is None or price not in self.item_prices:
                param = f"item_prices[item_price_id][{place}]"
                raise self._refuse(f"{param} : {price} not found", code="resource_not_found", status=404, param=param)
            decided = self.item_prices[price]
            line = self._line({**row, "amount": row.get("unit_price") if decided is None else str(decided)}, "")
            lines.append(line | {"entity_type": "charge_item_price", "entity_id": price})
        return lines

    def _off(self, row: Mapping[str, str | None], place: int) -> int:
        """Return the amount of a discount on the whole invoice."""
        if row.get("apply_on") != "invoice_amount":
            param = f"discounts[apply_on][{place}]"
            raise self._refuse(f"{param} : this emulator knows invoice_amount alone", param=param)
        return self._integer(row, "amount", least=1, param=f"discounts[amount][{place}]") or 0

    def _create(
        self,
        call: IncomingRequest,
        given: Mapping[str, Any],
        lines: list[dict[str, Any]],
        *,
        pending: bool = False,
        limited: bool = False,
        discounts: Sequence[int] = (),
    ) -> Response:
        customer = self._customer(given)
        if given.get("auto_collection", "on") not in {"on", "off"}:
            raise self._refuse("auto_collection : must be one of on, off", param="auto_collection")
        date = self._integer(given, "invoice_date")
        earliest = month_before(datetime.fromtimestamp(self.now_seconds(), UTC)).timestamp()
        if date is not None and (limited or self.switches["backdating_limited"]) and date < earliest:
            raise self._refuse("invoice_date : is more than one calendar month back", param="invoice_date")
        terms = self._integer(given, "net_term_days")
        found = self._new(
            customer["id"],
            self._currency(given),
            lines,
            terms=customer["net_term_days"] if terms is None else terms,
            date=date,
            auto_collection=given.get("auto_collection") or customer["auto_collection"],
            source=self._source(given, customer),
            discounts=discounts,
        )
        found = self._discounted_by(found, given)
        found |= {name: value for name, value in given.items() if name.startswith("cf_")}
        if given.get("subscription_id") in self.subscriptions:
            found |= {"subscription_id": given["subscription_id"]} | self._inherited()
        if (order := self._text(given, "po_number", 100)) is not None:
            found["po_number"] = order
        if (note := self._text(given, "invoice_note", 2000)) is not None:
            found["notes"] = [{"note": note, "object": "note"}]
        if not pending:
            self._issue(found, call, first=True)
        self.invoices[found["id"]] = found
        if pending:
            self.happened("created", found["id"])
        return self.json({"invoice": self._shown(found)})

    def retrieve(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}, with one page of its lines."""
        given = dict(call.query)
        for name in given:
            if name not in {"line_items_limit", "line_items_offset"}:
                raise self._refuse(f"{name} : unknown parameter", param=name)
        start = self._integer(given, "line_items_offset") or 0
        limit = self._integer(given, "line_items_limit", least=1)
        return self.json({"invoice": self._shown(self._find(invoice_id), start, limit)})

    def list_invoices(self, call: IncomingRequest) -> Response:
        """GET /invoices, newest first. A filter without an operator is silently ignored, as by Chargebee."""
        given = dict(call.query)
        rows = [self._aged(row) for row in reversed(self.invoices.values())]
        if given.pop("include_deleted", "false") != "true":
            rows = [row for row in rows if not row["deleted"]]
        rows.sort(key=lambda row: row["date"], reverse=True)
        for name in ("sort_by[asc]", "sort_by[desc]"):
            if (by := given.pop(name, None)) is not None:
                if by not in {"date", "updated_at"}:
                    raise self._refuse(f"{name} : must be one of date, updated_at", param=name)
                rows.sort(key=lambda row, by=by: row[by], reverse="desc" in name)  # type: ignore[misc]
        rows = self._filtered(rows, given, _FILTERS)
        return self._page(rows, given, "invoice", self._shown)

    def list_unbilled(self, call: IncomingRequest) -> Response:
        """GET /unbilled_charges."""
        given = dict(call.query)
        given.pop("include_deleted", None)
        given.pop("is_voided", None)
        rows = self._filtered(list(self.unbilled.values()), given, ("subscription_id", "customer_id"))
        return self._page(rows, given, "unbilled_charge", lambda row: row)

    def list_transactions(self, call: IncomingRequest) -> Response:
        """GET /transactions, newest first."""
        given = dict(call.query)
        given.pop("include_deleted", None)
        rows = self._filtered(self._transactions(), given, _TRANSACTION_FILTERS)
        return self._page(rows, given, "transaction", self._public)

    def list_sources(self, call: IncomingRequest) -> Response:
        """GET /payment_sources, newest first."""
        given = dict(call.query)
        rows = self._filtered(list(reversed(self.sources.values())), given, ("customer_id", "type", "status"))
        return self._page(rows, given, "payment_source", lambda row: row)

    def _filtered(
        self, rows: list[dict[str, Any]], given: Mapping[str, str], known: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        for name, value in given.items():
            if name in {"limit", "offset"}:
                continue
            parts = re.fullmatch(r"(\w+)(?:\[(\w+)\])?", name)
            if parts is None or parts[1] not in known:
                raise self._refuse(f"{name} : unknown parameter", param=name)
            field, operator = parts.groups()
            if operator is not None:
                holds = self._filter(field, operator, value)
                rows = [row for row in rows if holds(row.get(field))]
        return rows

    def _filter(self, field: str, operator: str, value: str) -> Callable[[Any], bool]:
        def said(have: Any) -> str:
            return str(have).lower() if isinstance(have, bool) else str(have)

        if operator in {"in", "not_in"}:
            among = self._listed(field, value)
            return lambda have: (said(have) in among) == (operator == "in")
        if operator in {"is", "is_not"}:
            return lambda have: (said(have) == value) == (operator == "is")
        if operator == "starts_with":
            return lambda have: said(have).startswith(value)
        if operator == "is_present":
            return lambda have: (have is not None) == (value == "true")
        if operator == "between":
            bounds = [number for bound in self._listed(field, value) if (number := count_in(bound)) is not None]
            if len(bounds) == 2:
                return lambda have: isinstance(have, int) and bounds[0] <= have <= bounds[1]
        number = count_in(value) if field in _NUMBERS or re.fullmatch("[0-9]{10}", value) else None
        if operator in _COMPARE and number is not None:
            return lambda have: isinstance(have, int) and _COMPARE[operator](have, number)
        raise self._refuse(f"{field}[{operator}] : is not valid", param=f"{field}[{operator}]")

    def _listed(self, field: str, value: str) -> list[str]:
        """Read a list as documented, ["a","b"] or [a,b]; with the switch also as the SDK writes it, ['a', 'b']."""
        item = (
            r"""\s*(?:"[^"']*"|'[^"']*'|[^"',\]]*)\s*""" if self.switches["quoted_lists"] else r'(?:"[^"]*"|[^"\', ]*)'
        )
        if not re.fullmatch(rf"\[{item}(?:,{item})*\]", value):
            raise self._refuse(f"{field} : is not a list", param=field)
        return [part.strip().strip("\"'") for part in value[1:-1].split(",")]

    def _page(
        self,
        rows: list[dict[str, Any]],
        given: Mapping[str, str],
        wrapper: str,
        shown: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> Response:
        limit = self._integer(given, "limit", least=1)
        limit = 10 if limit is None else limit
        if limit > 100:
            raise self._refuse("limit : must be between 1 and 100", param="limit")
        if "offset" in given:
            place = next((n for n, row in enumerate(rows) if self._offset(row) == given["offset"]), None)
            if place is None:
                raise self._refuse("offset : is not valid", param="offset")
            rows = rows[place + 1 :]
        body: dict[str, Any] = {"list": [{wrapper: shown(row)} for row in rows[:limit]]}
        if len(rows) > limit:
            body["next_offset"] = self._offset(rows[limit - 1])
        return self.json(body)

    @staticmethod
    def _offset(row: Mapping[str, Any]) -> str:
        return dumps([str(row.get("date", row.get("date_from"))), row["id"]]).decode()
