"""The requests that create, change and list invoices: Whop's whole emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from invoice_bridge.adapter.emulation.core import IncomingRequest, count_in
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.whop.emulator.documents import names
from invoice_bridge.providers.whop.emulator.events import REPORTS
from invoice_bridge.providers.whop.emulator.probes import PROBES
from invoice_bridge.providers.whop.emulator.repayments import WhopRepayments
from invoice_bridge.providers.whop.tables import (
    MONEY,
    TITLE_LENGTH,
)

_BILL = names(  # whop-sdk 2.6.0, CreateInvoicesRequest
    "automatically_finalizes_at billing_address charge_buyer_fee collection_method customer_name due_date "
    "email_address line_items mailing_address_id member_id payment_method_id payment_token_id plan product "
    "product_id save_as_draft subscription_billing_anchor_at"
)
_CREATE_ONLY = {"payment_token_id", "product", "product_id", "save_as_draft"}
_PLAN = names(  # whop-sdk 2.6.0, CreateInvoicesRequestProductPlan
    "adaptive_pricing_enabled billing_period currency custom_fields description expiration_days initial_price "
    "internal_notes legacy_payment_method_controls payment_method_configuration plan_type release_method renewal_price "
    "stock trial_period_days unlimited_stock visibility"
)
_LIST = names(  # whop-sdk 2.6.0, RawInvoicesClient.list
    "after before collection_methods collection_methods[] created_after created_before direction first last order "
    "product_ids product_ids[] statuses statuses[]"
)
_MINIMUM = Decimal("0.50")
_LARGEST_PAGE = 100  # the page size that a public consumer requests; the maximum is not published


class WhopEmulator(WhopRepayments):
    """Whop's legacy invoices of one account.

    "mber_42", its payment methods "pmt_42" and "pmt_declined" (which declines) and "prod_42" exist from the start. It
    answers at the root of the API, with or without the prefix /api/v1.
    """

    reports = REPORTS
    PROBES = PROBES
    COMPUTES = frozenset({"charge_buyer_fee"})
    ROUTES = (
        ("POST", "/invoices", "create"),
        ("GET", "/invoices", "list"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("PATCH", "/invoices/{id}", "update"),
        ("DELETE", "/invoices/{id}", "delete"),
        ("POST", "/invoices/{id}/void", "void"),
        ("POST", "/invoices/{id}/mark_paid", "mark_paid"),
        ("POST", "/invoices/{id}/mark_uncollectible", "mark_uncollectible"),
        ("POST", "/invoices/{id}/resend", "resend"),
        ("GET", "/payment_methods", "list_methods"),
        ("GET", "/plans/{id}", "retrieve_plan"),
        ("GET", "/payments/{id}", "retrieve_payment"),
        ("POST", "/payments/{id}/refund", "refund"),
        ("GET", "/refunds", "list_refunds"),
    )

    def create(self, call: IncomingRequest) -> Response:
        """POST /invoices: creates an invoice, and mails or charges it at once unless it is saved as a draft."""
        account = self._account_field(call)
        given = self._body(call, [account, *_BILL])
        if given.get(account) is None:
            raise self._missing(account)
        if given[account] != self.account:
            raise self._refuse("The key has no access to this account", status=403, kind="forbidden")
        if ("product" in given) == ("product_id" in given):
            raise self._invalid("product", "give exactly one of product and product_id")
        if given.get("billing_address") is not None and given.get("mailing_address_id") is not None:
            raise self._invalid("billing_address", "give one of billing_address and mailing_address_id")
        draft = given.get("save_as_draft") is True
        self._check(given, draft=draft)
        product = self._product(given)
        number = len(self.invoices) + 1
        found: dict[str, Any] = {
            "id": self.next_id("inv_"),
            "number": f"#{number:04d}",
            "created_at": self._now(),
            "fetch_invoice_token": f"token_not_a_secret_{number}",
            "plan_id": self.next_id("plan_"),
            "product": product,
            "status": "draft",
            "payment": None,
            "payment_processing": False,
            "given": given,
        }
        self._keep_plan(found)
        declined = "declined" in (given.get("payment_method_id") or "") and not draft
        if declined and not self.switches["declined_stays_open"]:
            raise self._refuse("The payment was declined", status=402, kind="payment_required")
        self.invoices[found["id"]] = found
        self.happened("created", found["id"])
        if not self._waits(given):
            self._issue(found, declined=declined)
        self._touch(found)
        return self.json(self._shown(found))

    def update(self, call: IncomingRequest, invoice_id: str) -> Response:
        """PATCH /invoices/{id}: drafts only; an explicit null clears."""
        given = self._body(call, [name for name in _BILL if name not in _CREATE_ONLY])
        found = self._find(invoice_id)
        if not self.allows("update", found["status"]):
            raise self._state("Only draft invoices can be updated")
        merged = {**found["given"], **given}
        merged["plan"] = {**found["given"]["plan"], **(given.get("plan") or {})}
        self._check(merged, draft=True)
        found["given"] = merged
        self._keep_plan(found)
        self._touch(found)
        return self.json(self._shown(found))

    def _check(self, given: Mapping[str, Any], *, draft: bool) -> None:
        """Check the rules of a bill (whop-sdk 2.6.0, CreateInvoicesRequest)."""
        method = given.get("collection_method")
        if method not in {"send_invoice", "charge_automatically"}:
            raise (
                self._missing("collection_method") if method is None else self._invalid("collection_method", "unknown")
            )
        price = self._check_plan(given.get("plan"))
        self._check_lines(given.get("line_items"), price)
        self._check_customer(given, draft=draft)
        charges = method == "charge_automatically"
        due = given.get("due_date")
        if due is not None and (not isinstance(due, str) or self._instant(due) is None):
            raise self._invalid("due_date", "must be an ISO 8601 date and time")
        if due is None and not draft and (not charges or self.switches["charge_needs_due_date"]):
            raise self._missing("due_date")
        if charges:
            first, second = "payment_method_id", "payment_token_id"
            chosen = given.get(first) or given.get(second)
            if given.get(first) and given.get(second) and not self.switches["payment_method_wins"]:
                chosen = given[second]
            if chosen is None:
                raise self._missing("payment_method_id")
            owner = self.methods.get(chosen) if isinstance(chosen, str) else None
            known = owner is not None and (
                not self.switches["methods_of_members"] or draft or owner == given.get("member_id")
            )
            if not known:
                raise self._refuse("No such payment method", status=404, kind="not_found", param="payment_method_id")

    def _check_plan(self, plan: Any) -> Decimal:
        if not isinstance(plan, dict):
            raise self._missing("plan")
        if unknown := [name for name in plan if name not in _PLAN]:
            raise self._invalid(f"plan.{unknown[0]}", "unknown")
        if plan.get("adaptive_pricing_enabled") not in {None, False}:
            raise self._invalid("plan.adaptive_pricing_enabled", "this emulator does not compute prices by country")
        if plan.get("plan_type", "one_time") != "one_time":
            raise self._invalid("plan.plan_type", "this emulator builds one_time only")
        currency = plan.get("currency", "usd")
        if currency not in {code.lower() for code in MONEY.currencies}:
            raise self._invalid("plan.currency", "not a currency, or one that this emulator does not build")
        if len(plan.get("description") or "") > 1000:
            raise self._invalid("plan.description", "1000 characters at most")
        price = self._number(plan.get("initial_price", 0), "plan.initial_price")
        try:
            if Money.parse(price, currency.upper()).minor < 0:
                raise self._invalid("plan.initial_price", "must not be negative")
            if self.switches["minimum_charge"] and price < _MINIMUM:
                raise self._invalid("plan.initial_price", f"{_MINIMUM} {currency} at least")
        except ValueError:
            raise self._invalid("plan.initial_price", f"more decimals than {currency} has") from None
        return price

    def _check_lines(self, items: Any, price: Decimal) -> None:
        if not items:
            return
        if not isinstance(items, list):
            raise self._invalid("line_items", "must be a list")
        total = Decimal(0)
        with localcontext() as exact:
            exact.prec = 100
            for place, item in enumerate(items):
                at = f"line_items[{place}]"
                if not isinstance(item, dict) or not isinstance(item.get("label"), str) or not item["label"]:
                    raise self._missing(f"{at}.label")
                if set(item) - {"label", "unit_price", "quantity"}:
                    raise self._invalid(at, "unknown field")
                quantity = self._number(item.get("quantity", 1), f"{at}.quantity")
                total += self._number(item.get("unit_price"), f"{at}.unit_price") * quantity
        if total != price:
            raise self._invalid("line_items", f"they add up to {total:f}, not to the plan's price of {price:f}")

    def _check_customer(self, given: Mapping[str, Any], *, draft: bool) -> None:
        member, named = given.get("member_id"), [given.get("email_address"), given.get("customer_name")]
        if member is not None and any(named):
            raise self._invalid("member_id", "give a member, or an e-mail address and a name")
        if member is not None and member not in self.members:
            raise self._refuse("No such member", status=404, kind="not_found", param="member_id")
        if member is None and not all(named) and not draft:
            raise self._missing("email_address" if named[0] is None else "customer_name")

    def _product(self, given: Mapping[str, Any]) -> dict[str, str]:
        if (known := given.get("product_id")) is not None:
            if known not in self.products:
                raise self._refuse("No such product", status=404, kind="not_found", param="product_id")
            return {"id": known, "title": self.products[known]}
        product = given.get("product")
        if not isinstance(product, dict) or not product.get("title") or set(product) - {"title", "product_tax_code_id"}:
            raise self._missing("product.title")
        if product.get("product_tax_code_id") is not None:
            raise self._invalid("product.product_tax_code_id", "this emulator does not compute the tax that it decides")
        if len(product["title"]) > TITLE_LENGTH:
            raise self._invalid("product.title", f"{TITLE_LENGTH} characters at most")
        made = self.next_id("prod_")
        self.products[made] = product["title"]
        return {"id": made, "title": product["title"]}

    def retrieve(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}, also by the public token."""
        del call
        return self.json(self._shown(self._find(invoice_id)))

    def list_methods(self, call: IncomingRequest) -> Response:
        """GET /payment_methods: the saved methods of a member (whop-sdk 2.6.0, payment_methods.list)."""
        given = dict(call.query)
        if unknown := set(given) - {"member_id", "first", "account_id"}:
            raise self._invalid(min(unknown), "unknown, or not built by this emulator")
        owned = [one for one, owner in self.methods.items() if owner == given.get("member_id")]
        rows = [{"id": one, "payment_method_type": "card", "created_at": self._now()} for one in owned]
        rows = [row for row in rows if row["id"].startswith("pmt_")]  # a token is no saved method
        first = count_in(given.get("first", "10"))
        shown = rows[: 10 if first is None else first]
        info = {"start_cursor": None, "end_cursor": None, "has_previous_page": False}
        return self.json({"data": shown, "page_info": info | {"has_next_page": len(shown) < len(rows)}})

    def retrieve_plan(self, call: IncomingRequest, plan_id: str) -> Response:
        """GET /plans/{id}."""
        del call
        self._permit("plan:basic:read")
        if plan_id not in self.plans:
            raise self._refuse("No such plan", status=404, kind="not_found")
        return self.json(self.plans[plan_id])

    def retrieve_payment(self, call: IncomingRequest, payment_id: str) -> Response:
        """GET /payments/{id}."""
        del call
        self._permit("payment:basic:read")
        if payment_id not in self.payments:
            raise self._refuse("No such payment", status=404, kind="not_found")
        return self.json(self.payments[payment_id])

    def list(self, call: IncomingRequest) -> Response:
        """GET /invoices: a part of each invoice; the last page has a cursor too."""
        given: dict[str, list[str]] = {}
        for name, value in call.query:
            if name not in {self._account_field(call), *_LIST}:
                raise self._invalid(name, "unknown")
            given.setdefault(name.removesuffix("[]"), []).append(value)
        account = given.get(self._account_field(call), [self.account])[0]
        if account != self.account:
            raise self._refuse("The key has no access to this account", status=403, kind="forbidden")
        wanted = self._wanted(given)
        rows = [found for found in map(self._come_due, self.invoices.values()) if wanted(found)]
        if given.get("order", ["created_at"])[0] == "due_date":
            rows.sort(key=lambda row: self._shown(row)["due_date"] or "")
        if given.get("direction", ["desc"])[0] == "desc":
            rows.reverse()
        before = 0
        if "after" in given:
            ids = [row["id"] for row in rows]
            after = given["after"][0].removeprefix("after_")
            if after not in ids:
                raise self._invalid("after", "unknown cursor")
            before = ids.index(after) + 1
        first = min(count_in(given.get("first", ["10"])[0]) or 1, _LARGEST_PAGE)
        shown = rows[before : before + first]
        info = {
            "start_cursor": f"after_{shown[0]['id']}" if shown else None,
            "end_cursor": f"after_{shown[-1]['id']}" if shown else None,
            "has_next_page": before + first < len(rows),
            "has_previous_page": before > 0,
        }
        return self.json({"data": [self._item(self._shown(row)) for row in shown], "page_info": info})

    def _wanted(self, given: Mapping[str, Any]) -> Callable[[dict[str, Any]], bool]:
        """Return what tells whether a listing with these filters has an invoice."""
        statuses = given.get("statuses", [])
        if self.switches["one_status_filters"]:
            statuses = statuses[-1:]
        methods, products = given.get("collection_methods"), given.get("product_ids")
        after, before = (self._instant(given.get(name, [""])[0]) for name in ("created_after", "created_before"))

        def is_within(found: dict[str, Any]) -> bool:
            created = None if after is None and before is None else self._instant(found["created_at"])
            return created is None or ((after is None or created > after) and (before is None or created < before))

        return lambda found: (
            (not statuses or self._status(found) in statuses)
            and (methods is None or found["given"]["collection_method"] in methods)
            and (products is None or found["product"]["id"] in products)
            and is_within(found)
        )
