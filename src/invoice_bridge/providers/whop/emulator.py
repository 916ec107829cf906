"""Whop in memory: the legacy invoices, their plans and payments, as far as its documentation and SDK say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, ClassVar

from invoice_bridge.adapter.emulation.core import Emulator, ErrorResponse, IncomingRequest, StoredResponse
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.core.money import Money, exponent
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.whop.tables import (
    FIRST_NATIVE,
    KEY_WINDOW,
    MONEY,
    TITLE_LENGTH,
    VERSIONS,
    pin,
    speaks_legacy,
)


def _names(text: str) -> list[str]:
    return text.split()


_BILL = _names(  # whop-sdk 2.6.0, CreateInvoicesRequest
    "automatically_finalizes_at billing_address charge_buyer_fee collection_method customer_name due_date "
    "email_address line_items mailing_address_id member_id payment_method_id payment_token_id plan product "
    "product_id save_as_draft subscription_billing_anchor_at"
)
_CREATE_ONLY = {"payment_token_id", "product", "product_id", "save_as_draft"}
_PLAN = _names(  # whop-sdk 2.6.0, CreateInvoicesRequestProductPlan
    "adaptive_pricing_enabled billing_period currency custom_fields description expiration_days initial_price "
    "internal_notes legacy_payment_method_controls payment_method_configuration plan_type release_method renewal_price "
    "stock trial_period_days unlimited_stock visibility"
)
_LIST = _names(  # whop-sdk 2.6.0, RawInvoicesClient.list
    "after before collection_methods collection_methods[] created_after created_before direction first last order "
    "product_ids product_ids[] statuses statuses[]"
)
_ITEM = _names(  # whop-sdk 2.6.0, InvoiceListItem: what a listing shows of an invoice
    "id created_at status number due_date email_address fetch_invoice_token line_items payment_processing"
)
_NOT_BUILT = ("automatically_finalizes_at", "billing_address", "mailing_address_id", "subscription_billing_anchor_at")
_MINIMUM = Decimal("0.50")
_LARGEST_PAGE = 100  # what a public consumer asks for; the largest page is not published


class WhopEmulator(Emulator):
    """Whop's legacy invoices of one account.

    "mber_42", its payment methods "pmt_42" and "pmt_declined" (which declines) and "prod_42" are there already. It
    answers below the root of the API, with or without /api/v1 in front.
    """

    name = "whop"
    key = "whop_test_not_a_key"
    key_header = "Idempotency-Key"
    window = KEY_WINDOW
    account = "biz_42"
    customer = "mber_42"
    payment_method = "pmt_42"
    settings: ClassVar[Mapping[str, Any]] = {"account_id": "biz_42"}
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {
        "past_due_is_open": (True, "whether void, mark_* and resend take a past_due invoice: it stays payable"),
        "state_errors_are_422": (False, "whether a call against the invoice's state answers 422 rather than 400"),
        "unknown_fields_refused": (True, "whether a request with a field that is not documented is refused"),
        "charge_needs_due_date": (
            True,
            "whether charge_automatically needs the due date that all but drafts need: documented, not observed",
        ),
        "collects_tax": (False, "whether the account collects tax on what it sells (whop-sdk 2.6.0, Plan.collect_tax)"),
        "tax_inclusive": (False, "whether the tax is within the price rather than on top of it: not confirmed"),
        "promotes": (
            False,
            "whether a promo code lowers a charge (Payment.total is after discounts): not confirmed of invoices",
        ),
        "minimum_charge": (
            False,
            "whether an invoice below 0.50 is refused: the SDK names the currency's minimum charge and no number",
        ),
        "methods_of_members": (
            True,
            "whether a saved method is known for the member in whose wallet it is alone (payment_methods.retrieve)",
        ),
        "declined_stays_open": (True, "whether a declined charge leaves an open invoice rather than a 402 and none"),
        "one_status_filters": (False, "whether several statuses filter by the last one alone"),
        "voids_after_120_days": (
            False,
            "whether an invoice is voided 120 days past due: a page of October 2025 says so",
        ),
        "server_error_replayed": (
            False,
            "whether a server error is a result, repeated under its key, or an unknown end, 409 until the key expires",
        ),
        "payment_method_wins": (True, "which one is charged where a method and a token are given: taken as the method"),
    }
    tax_percent = 19
    """What an account that collects tax adds, or finds within the price."""
    promo_percent = 10
    """What a promo code takes off."""
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
        ("GET", "/plans/{id}", "retrieve_plan"),
        ("GET", "/payments/{id}", "retrieve_payment"),
    )

    def __init__(self, *, permissions: frozenset[str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.permissions = (
            permissions if permissions is not None else frozenset({"plan:basic:read", "payment:basic:read"})
        )
        self.members: dict[str, dict[str, str]] = {self.customer: {"email": "someone@example.test", "name": "Some One"}}
        self.methods = dict.fromkeys((self.payment_method, "pmt_declined", "payt_42"), self.customer)
        self.products = {"prod_42": "Reservation fees"}
        self.invoices: dict[str, dict[str, Any]] = {}
        self.plans: dict[str, dict[str, Any]] = {}
        self.payments: dict[str, dict[str, Any]] = {}

    # ── what every request meets ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key, then the version: it alone says which of two APIs /invoices is (developer/api/versioning)."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self._refuse("The API key is invalid", status=401, kind="unauthorized")
        version = call.headers.get("api-version-date")
        if version is None:  # the key's own pin decides, and a newly made key is pinned to the latest version
            raise ErrorResponse(self._native(call))
        if version not in VERSIONS:
            message = f"Unknown Api-Version-Date {version!r}. Supported versions: {', '.join(VERSIONS)}"
            raise self._refuse(message, param="Api-Version-Date")
        if pin(version) >= FIRST_NATIVE:
            raise ErrorResponse(self._native(call))
        if len(call.headers.get("idempotency-key", "").encode()) > 255:
            raise self._refuse("Idempotency-Key is too long: 255 bytes at most", param="Idempotency-Key")

    def _native(self, call: IncomingRequest) -> Response:
        """What the native API would say, as far as that is confirmed: a draft of its own, no legacy invoice."""
        segments = self._below(call)
        if (call.method, segments) == ("POST", ("invoices",)):
            return self.json({"id": self.next_id("pay_"), "number": "#00000001", "status": "draft"})
        if (call.method, segments) == ("GET", ("invoices",)):
            return self.json({"data": [], "page_info": {"has_next_page": False, "has_previous_page": False}})
        return self.no_such_route(call)

    @staticmethod
    def _below(call: IncomingRequest) -> tuple[str, ...]:
        return call.segments[2:] if call.segments[:2] == ("api", "v1") else call.segments

    def _answer(self, call: IncomingRequest) -> Response:
        return super()._answer(replace(call, segments=self._below(call)))

    def no_such_route(self, call: IncomingRequest) -> Response:
        """404, in the words of any error."""
        del call
        return self._refuse("Not found", status=404, kind="not_found").answer

    def fingerprint(self, call: IncomingRequest) -> tuple[Any, ...]:
        """The version is part of what must be the same (developer/api/idempotency)."""
        return (*super().fingerprint(call), call.headers.get("api-version-date"))

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """The key came before with another request."""
        del call, kept
        message = "This Idempotency-Key was used with a different request"
        return self._refuse(message, code="idempotency_key_mismatch").answer

    def keeps(self, answer: Response) -> bool:
        """Refusals are replayed too, so a new key is needed after a fix; those that never ran are not."""
        return answer.status not in {401, 429}

    def replayed(self, answer: Response) -> Response:
        """The first answer again; 409 where the first request ended unknown, which a server error is taken for."""
        is_result = answer.status < 500 or self.switches["server_error_replayed"]
        return super().replayed(answer) if is_result else self._in_progress()

    def in_progress(self, call: IncomingRequest) -> Response:
        """409 while the first request with the key runs (developer/api/idempotency)."""
        del call
        return self._in_progress()

    def _in_progress(self) -> Response:
        message = "A request with this Idempotency-Key is still in progress"
        return self._refuse(message, status=409, kind="conflict", code="idempotency_request_in_progress").answer

    def server_error(self) -> Response:
        """500, which the SDK declares for invoices; the word for its type is not published."""
        return self._refuse("Something went wrong", status=500, kind="internal_server_error").answer

    def throttled(self, retry_after: str | None) -> Response:
        """429; the message says how long to wait (developer/troubleshooting), the header is not confirmed."""
        answer = self._refuse("Too many requests, slow down", status=429, kind="too_many_requests").answer
        return self.with_retry_after(answer, retry_after)

    def _refuse(self, message: str, *, status: int = 400, kind: str = "bad_request", **facts: str) -> ErrorResponse:
        return ErrorResponse(self.json({"error": {"type": kind, "message": message, **facts}}, status))

    def _state(self, message: str) -> ErrorResponse:
        if self.switches["state_errors_are_422"]:
            return self._refuse(message, status=422, kind="unprocessable_entity")
        return self._refuse(message)

    def _missing(self, name: str) -> ErrorResponse:
        return self._refuse(f"Missing required parameter: {name}", code="parameter_missing", param=name)

    def _invalid(self, name: str, why: str) -> ErrorResponse:
        return self._refuse(f"Invalid parameter: {name}: {why}", code="parameter_invalid", param=name)

    def _permit(self, permission: str) -> None:
        if permission not in self.permissions:
            raise self._refuse(f"The key lacks the permission {permission}", status=403, kind="forbidden")

    @staticmethod
    def _account_field(call: IncomingRequest) -> str:
        return "account_id" if speaks_legacy(call.headers["api-version-date"]) else "company_id"

    def _body(self, call: IncomingRequest, known: list[str]) -> dict[str, Any]:
        try:
            given = call.json()
        except ValueError:
            raise self._refuse("The body is not valid JSON", code="invalid_json") from None
        if not isinstance(given, dict):
            raise self._refuse("The body is not a JSON object", code="invalid_json")
        if self.switches["unknown_fields_refused"]:
            for name in given:
                if name not in known:
                    raise self._invalid(name, "unknown")
        for name in _NOT_BUILT:
            if given.get(name) is not None:
                raise self._invalid(name, "this emulator does not build it")
        return given

    # ── making and changing an invoice ───────────────────────────────────────────────────────────────────────────
    def create(self, call: IncomingRequest) -> Response:
        """POST /invoices: makes it, and mails or charges it at once unless it is saved as a draft."""
        account = self._account_field(call)
        given = self._body(call, [account, *_BILL])
        if given.get(account) is None:
            raise self._missing(account)
        if given[account] != self.account:
            raise self._refuse("The key has no access to this account", status=403, kind="forbidden")
        if ("product" in given) == ("product_id" in given):
            raise self._invalid("product", "give exactly one of product and product_id")
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
        declined = given.get("payment_method_id") == "pmt_declined" and not draft
        if declined and not self.switches["declined_stays_open"]:
            raise self._refuse("The payment was declined", status=402, kind="payment_required")
        self.invoices[found["id"]] = found
        if not draft:
            self._issue(found, declined=declined)
        self._touch(found)
        return self.json(self._shown(found))

    def _issue(self, found: dict[str, Any], *, declined: bool) -> None:
        found["status"] = "open"
        self._note("issued", found)
        if found["given"]["collection_method"] == "send_invoice":
            self._note("mailed", found)
        elif not declined:
            self._pay(found)

    def update(self, call: IncomingRequest, invoice_id: str) -> Response:
        """PATCH /invoices/{id}: drafts only; an explicit null clears."""
        given = self._body(call, [name for name in _BILL if name not in _CREATE_ONLY])
        found = self._find(invoice_id)
        if found["status"] != "draft":
            raise self._state("Only draft invoices can be updated")
        merged = {**found["given"], **given}
        merged["plan"] = {**found["given"]["plan"], **(given.get("plan") or {})}
        self._check(merged, draft=True)
        found["given"] = merged
        self._keep_plan(found)
        self._touch(found)
        return self.json(self._shown(found))

    def _check(self, given: Mapping[str, Any], *, draft: bool) -> None:
        """The rules of a bill (whop-sdk 2.6.0, CreateInvoicesRequest)."""
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
        if len(product["title"]) > TITLE_LENGTH:
            raise self._invalid("product.title", f"{TITLE_LENGTH} characters at most")
        made = self.next_id("prod_")
        self.products[made] = product["title"]
        return {"id": made, "title": product["title"]}

    def _number(self, value: Any, param: str) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self._missing(param) if value is None else self._invalid(param, "must be a number")
        return Decimal(value)

    # ── the invoice's verbs ──────────────────────────────────────────────────────────────────────────────────────
    def delete(self, call: IncomingRequest, invoice_id: str) -> Response:
        """DELETE /invoices/{id}: drafts only; answers a bare true."""
        del call
        if self._find(invoice_id)["status"] != "draft":
            raise self._state("Only draft invoices can be deleted")
        del self.invoices[invoice_id]
        return self.json(True)

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: open invoices, for good."""
        return self._move(call, invoice_id, "void", "voided")

    def mark_paid(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/mark_paid: paid elsewhere; the invoice shows no payment."""
        return self._move(call, invoice_id, "paid", "recorded")

    def mark_uncollectible(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/mark_uncollectible: open invoices."""
        return self._move(call, invoice_id, "uncollectible", "written_off")

    def resend(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/resend: mails an open invoice again."""
        return self._move(call, invoice_id, "open", "mailed")

    def _move(self, call: IncomingRequest, invoice_id: str, becomes: str, event: str) -> Response:
        del call
        found = self._find(invoice_id)
        status = self._status(found)
        if status not in ({"open", "past_due"} if self.switches["past_due_is_open"] else {"open"}):
            raise self._state(f"The invoice is {status}; only open invoices can be changed like this")
        found["status"] = becomes
        self._touch(found)
        self._note(event, found)
        return self.json(True)

    def settle(self, invoice_id: str, *, clearing: bool = False) -> None:
        """Let the customer pay online; while a bank payment is clearing the invoice stays open."""
        found = self._find(invoice_id)
        if clearing:
            found["payment_processing"] = True
        else:
            self._pay(found)
        self._touch(found)

    def _taxed(self, amount: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """The total of a payment after discounts, and the tax in it, where the account collects tax.

        whop-sdk 2.6.0, Payment.total: "the price after discounts, plus any tax added on top".
        """
        price = Money.parse(amount["amount"], amount["currency"].upper())
        if self.switches["promotes"]:
            price = Money(price.minor - price.minor * self.promo_percent // 100, price.currency)
            amount = {**amount, "amount": f"{price.major:f}"}
        if not self.switches["collects_tax"]:
            return amount, None
        within = self.switches["tax_inclusive"]
        minor = price.minor * self.tax_percent // (100 + self.tax_percent if within else 100)
        total = price.minor if within else price.minor + minor
        write = {name: f"{Money(units, price.currency).major:f}" for name, units in (("total", total), ("tax", minor))}
        return {**amount, "amount": write["total"]}, {**amount, "amount": write["tax"]}

    def _pay(self, found: dict[str, Any]) -> None:
        plan = self.plans[found["plan_id"]]
        amount, now = plan["initial_price_due"], self._now()
        total, tax = self._taxed(amount)
        zero = {**amount, "amount": f"{Money.zero(amount['currency'].upper()).major:f}"}
        payment_id = self.next_id("pay_")
        self.payments[payment_id] = {  # whop-sdk 2.6.0, Payment
            "id": payment_id,
            "account_id": self.account,
            "status": "paid",
            "substatus": "succeeded",
            "currency": amount["currency"],
            "subtotal": amount,
            "total": total,
            "amount_after_fees": total,
            "tax_amount": tax,
            "tax_refunded_amount": zero,
            "refunded_amount": zero,
            "paid_at": now,
            "created_at": now,
            "updated_at": now,
            "member_id": found["given"].get("member_id"),
            "plan_id": found["plan_id"],
            "product_id": found["product"]["id"],
            "auto_refunded": False,
            "holds": [],
            "line_items": [],
            "payment_rule_matches": [],
            "payments_failed": 0,
            "refundable": True,
            "retryable": False,
            "three_ds_verified": False,
            "voidable": False,
        }
        found |= {"status": "paid", "payment": {"id": payment_id}, "payment_processing": False}
        self._note("collected", found)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────
    def retrieve(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}, or by the token that lets anybody read it."""
        del call
        return self.json(self._shown(self._find(invoice_id)))

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
        """GET /invoices: a part of each invoice; the cursor stays filled on the last page."""
        given: dict[str, list[str]] = {}
        for name, value in call.query:
            if name not in {self._account_field(call), *_LIST}:
                raise self._invalid(name, "unknown")
            given.setdefault(name.removesuffix("[]"), []).append(value)
        account = given.get(self._account_field(call), [self.account])[0]
        if account != self.account:
            raise self._refuse("The key has no access to this account", status=403, kind="forbidden")
        rows = [self._shown(found) for found in self.invoices.values() if self._wanted(found, given)]
        if given.get("order", ["created_at"])[0] == "due_date":
            rows.sort(key=lambda row: row["due_date"] or "")
        if given.get("direction", ["desc"])[0] == "desc":
            rows.reverse()
        before = 0
        if "after" in given:
            ids = [row["id"] for row in rows]
            after = given["after"][0].removeprefix("after_")
            if after not in ids:
                raise self._invalid("after", "unknown cursor")
            before = ids.index(after) + 1
        text = given.get("first", ["10"])[0]
        first = min(int(text), _LARGEST_PAGE) if text.isdecimal() and int(text) else 1
        shown = rows[before : before + first]
        info = {
            "start_cursor": f"after_{shown[0]['id']}" if shown else None,
            "end_cursor": f"after_{shown[-1]['id']}" if shown else None,
            "has_next_page": before + first < len(rows),
            "has_previous_page": before > 0,
        }
        return self.json({"data": [self._item(row) for row in shown], "page_info": info})

    def _wanted(self, found: dict[str, Any], given: Mapping[str, Any]) -> bool:
        statuses = given.get("statuses", [])
        if self.switches["one_status_filters"]:
            statuses = statuses[-1:]
        created = self._instant(found["created_at"])
        after, before = (self._instant(given.get(name, [""])[0]) for name in ("created_after", "created_before"))
        return (
            (not statuses or self._status(found) in statuses)
            and found["given"]["collection_method"]
            in given.get("collection_methods", [found["given"]["collection_method"]])
            and found["product"]["id"] in given.get("product_ids", [found["product"]["id"]])
            and (after is None or created is None or created > after)
            and (before is None or created is None or created < before)
        )

    # ── how things look ──────────────────────────────────────────────────────────────────────────────────────────
    def _find(self, invoice_id: str) -> dict[str, Any]:
        for found in self.invoices.values():
            if invoice_id in {found["id"], found["fetch_invoice_token"]}:
                return found
        raise self._refuse("No such invoice", status=404, kind="not_found")

    def _status(self, found: dict[str, Any]) -> str:
        """An open invoice is past due once its due date has passed, unless a payment of it is clearing."""
        due = self._instant(found["given"].get("due_date") or "")
        status: str = found["status"]
        if status != "open" or due is None or found["payment_processing"] or self.clock() <= due:
            return status
        late = self.clock() > due + timedelta(days=120)
        return "void" if late and self.switches["voids_after_120_days"] else "past_due"

    def _keep_plan(self, found: dict[str, Any]) -> None:
        given, now = found["given"]["plan"], self._now()
        currency = given.get("currency", "usd")
        price = Decimal(given.get("initial_price", 0))
        digits = exponent(currency.upper())
        major = Money.parse(price, currency.upper()).major
        self.plans[found["plan_id"]] = {  # whop-sdk 2.6.0, Plan
            "id": found["plan_id"],
            "account": None,
            "plan_type": "one_time",
            "currency": currency,
            "initial_price": price,
            "initial_price_due": {
                "amount": f"{major:f}",
                "currency": currency,
                "decimals": digits,
                "display_decimals": 0 if currency == "cop" else digits,
            },
            "renewal_price": 0,
            "formatted_price": f"{major:f} {currency}",
            "description": given.get("description"),
            "internal_notes": given.get("internal_notes"),
            "invoice": {"id": found["id"]},
            "product": found["product"],
            "adaptive_pricing_enabled": False,
            "collect_tax": self.switches["collects_tax"],
            "custom_fields": [],
            "purchase_url": f"https://whop.example.test/checkout/{found['plan_id']}",
            "release_method": "buy_now",
            "tax_type": "unspecified",
            "unlimited_stock": True,
            "visibility": "hidden",
            "created_at": now,
            "updated_at": now,
        }

    def _shown(self, found: dict[str, Any]) -> dict[str, Any]:
        given, plan = found["given"], self.plans[found["plan_id"]]
        member = self.members.get(given.get("member_id") or "")
        email = given.get("email_address") or (member or {}).get("email")
        name = given.get("customer_name") or (member or {}).get("name")
        charges = given["collection_method"] == "charge_automatically"
        return {
            "id": found["id"],
            "number": found["number"],
            "status": self._status(found),
            "created_at": found["created_at"],
            "updated_at": found["updated_at"],
            "due_date": None if charges else given.get("due_date"),
            "automatically_finalizes_at": None,
            "subscription_billing_anchor_at": None,
            "collection_method": given["collection_method"],
            "charge_buyer_fee": given.get("charge_buyer_fee") is True,
            "company": {"id": self.account},
            "product": found["product"],
            "current_plan": {name: plan[name] for name in ("id", "currency", "formatted_price", "description")},
            "line_items": [self._line(item, place) for place, item in enumerate(given.get("line_items") or [], 1)],
            "customer_name": name,
            "email_address": email,
            "member": {"id": given["member_id"]} if member else None,
            "user": {"id": "user_42", "username": "someone", "name": name, "email": email} if member else None,
            "mailing_address": None,
            "payment": found["payment"],
            "payment_processing": found["payment_processing"],
            "fetch_invoice_token": found["fetch_invoice_token"],
            "pay_online_url": None if found["status"] == "draft" else f"https://whop.example.test/{found['id']}",
        }

    @staticmethod
    def _line(item: Mapping[str, Any], position: int) -> dict[str, Any]:
        quantity, unit = Decimal(item.get("quantity", 1)), Decimal(item["unit_price"])
        with localcontext() as exact:
            exact.prec = 100
            total = quantity * unit
        return {"label": item["label"], "position": position, "quantity": quantity, "unit_price": unit, "total": total}

    @staticmethod
    def _item(row: dict[str, Any]) -> dict[str, Any]:
        user = row["user"] and {name: row["user"][name] for name in ("id", "username", "name")}
        plan = {name: row["current_plan"][name] for name in ("id", "currency", "formatted_price")}
        return {name: row[name] for name in _ITEM} | {"user": user, "current_plan": plan}

    def _note(self, event: str, found: dict[str, Any]) -> None:
        given, plan = found["given"], self.plans[found["plan_id"]]
        customer = given.get("member_id") or given.get("email_address")
        reference = plan["internal_notes"]
        self.record(event, found["id"], customer, plan["initial_price"], plan["currency"], reference)

    def _touch(self, found: dict[str, Any]) -> None:
        found["updated_at"] = self._now()

    def _now(self) -> str:
        now = self.clock().astimezone(UTC)
        return rfc3339_millis(now.replace(microsecond=now.microsecond // 1000 * 1000))

    @staticmethod
    def _instant(text: str) -> datetime | None:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        return found if found.tzinfo is not None else None
