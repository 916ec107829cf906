"""The documents that Whop's emulator stores, and the checks that every request passes."""

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
    STATUSES,
    TRANSITIONS,
    VERSIONS,
    pin,
    speaks_legacy,
)


def names(text: str) -> list[str]:
    """Return the parameter names that a text lists."""
    return text.split()


_ITEM = names(  # whop-sdk 2.6.0, InvoiceListItem: the part of an invoice that a listing shows
    "id created_at status number due_date email_address fetch_invoice_token line_items payment_processing"
)
_NOT_BUILT = ("subscription_billing_anchor_at",)


class WhopDocuments(Emulator):
    """Whop's stored documents, the checks of every request, and the answers."""

    name = "whop"
    key = "whop_test_not_a_key"
    key_header = "Idempotency-Key"
    window = KEY_WINDOW
    statuses = STATUSES
    transitions = TRANSITIONS
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
        "refunds_pend": (False, "whether a refund is pending first rather than made at once: the processor decides"),
        "pending_is_refunded": (
            False,
            "whether a payment's refunded_amount has a refund that is pending: taken as not given back yet",
        ),
        "too_much_refunds_rest": (
            True,
            "whether more than is left refunds the rest, as the SDK says of what covers it, or is refused",
        ),
    }
    tax_percent = 19
    """The tax rate of an account that collects tax, on top or included."""
    promo_code = "promo_42"
    promo_percent = 10
    """The percentage that a promo code deducts."""
    buyer_fee_percent = 3
    """The buyer's fee on a bill that asks for it; the real figure is not published."""

    def __init__(self, *, permissions: frozenset[str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.permissions = (
            permissions
            if permissions is not None
            else frozenset({"plan:basic:read", "payment:basic:read", "payment:manage"})
        )
        self.members: dict[str, dict[str, str]] = {self.customer: {"email": "someone@example.test", "name": "Some One"}}
        self.methods = dict.fromkeys(
            (self.payment_method, "pmt_declined", "pmt_unrefundable", "payt_42"), self.customer
        )
        self.products = {"prod_42": "Reservation fees"}
        self.invoices: dict[str, dict[str, Any]] = {}
        self.plans: dict[str, dict[str, Any]] = {}
        self.payments: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []
        self.reported_late: set[str] = set()

    def seed_customer(self, customer_id: str, *, email: str | None, name: str | None) -> None:
        """Add a member; an invoice shows its address and its name."""
        local = f"{customer_id}@example.test"
        self.members[customer_id] = {"email": email or local, "name": name or customer_id}

    def seed_payment_method(self, method_id: str, customer_id: str) -> None:
        """Add a saved method of a member; it declines if its id contains "declined"."""
        if customer_id not in self.members:
            raise LookupError(f"payment_methods: there is no member {customer_id}")
        self.methods[method_id] = customer_id

    # ── what every request meets ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key, then the version, which selects one of two APIs of /invoices (developer/api/versioning)."""
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
        """Return the native API's answer, as far as it is confirmed: a draft of its own, no legacy invoice."""
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
        """Return 404, in the form of any error."""
        del call
        return self._refuse("Not found", status=404, kind="not_found").answer

    def fingerprint(self, call: IncomingRequest) -> tuple[Any, ...]:
        """Return the request's signature, which includes the version (developer/api/idempotency)."""
        return (*super().fingerprint(call), call.headers.get("api-version-date"))

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """Refuse a known key with another request."""
        del call, kept
        message = "This Idempotency-Key was used with a different request"
        return self._refuse(message, code="idempotency_key_mismatch").answer

    def keeps(self, answer: Response) -> bool:
        """Return whether the answer is stored: refusals are, so a fix needs a new key; unexecuted requests are not."""
        return answer.status not in {401, 429}

    def replayed(self, answer: Response) -> Response:
        """Return the first answer, or 409 if the first outcome is unknown, as after a server error."""
        is_result = answer.status < 500 or self.switches["server_error_replayed"]
        return super().replayed(answer) if is_result else self._in_progress()

    def in_progress(self, call: IncomingRequest) -> Response:
        """Return 409 while the first request with the key runs (developer/api/idempotency)."""
        del call
        return self._in_progress()

    def _in_progress(self) -> Response:
        message = "A request with this Idempotency-Key is still in progress"
        return self._refuse(message, status=409, kind="conflict", code="idempotency_request_in_progress").answer

    def server_error(self) -> Response:
        """Return 500, which the SDK declares for invoices; the word for its type is not published."""
        return self._refuse("Something went wrong", status=500, kind="internal_server_error").answer

    def throttled(self, retry_after: str | None) -> Response:
        """Return 429; the message says how long to wait (developer/troubleshooting), the header is not confirmed."""
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

    def _number(self, value: Any, param: str) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self._missing(param) if value is None else self._invalid(param, "must be a number")
        return Decimal(value)

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

    # ── how things look ──────────────────────────────────────────────────────────────────────────────────────────
    def _find(self, invoice_id: str) -> dict[str, Any]:
        for found in self.invoices.values():
            if invoice_id in {found["id"], found["fetch_invoice_token"]}:
                return self._come_due(found)
        raise self._refuse("No such invoice", status=404, kind="not_found")

    def _come_due(self, found: dict[str, Any]) -> dict[str, Any]:
        """Issue drafts whose finalize date has passed, and mail or charge them."""
        if found["status"] == "draft" and not self._waits(found["given"]):
            self._issue(found, declined=False)
        return found

    def _waits(self, given: Mapping[str, Any]) -> bool:
        """Return whether an invoice is still a draft: saved as one, or with an issue date in the future."""
        at = self._instant(given.get("automatically_finalizes_at") or "")
        return given.get("save_as_draft") is True or (at is not None and at > self.clock())

    def _issue(self, found: dict[str, Any], *, declined: bool) -> None:
        """Issue a draft; the subclass in transitions.py implements it."""
        raise NotImplementedError

    def pass_time(self) -> None:
        """Issue the drafts whose date has come, and report each invoice once that is past due by now."""
        for found in list(self.invoices.values()):
            if self._status(self._come_due(found)) == "past_due" and found["id"] not in self.reported_late:
                self.reported_late.add(found["id"])
                self.happened("past_due", found["id"])

    def shown(self, invoice_id: str) -> dict[str, Any]:
        """Return an invoice as an answer or an event shows it."""
        return self._shown(self.invoices[invoice_id])

    def now_text(self) -> str:
        """Return the provider's present as Whop writes it."""
        return self._now()

    def _status(self, found: dict[str, Any]) -> str:
        """Mark open invoices as past due once their due date has passed, unless a payment is clearing."""
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
            "adaptive_pricing_enabled": given.get("adaptive_pricing_enabled", False),
            "collect_tax": self.switches["collects_tax"],
            "custom_fields": given.get("custom_fields", []),
            "purchase_url": f"https://whop.example.test/checkout/{found['plan_id']}",
            "release_method": given.get("release_method", "buy_now"),
            "tax_type": "unspecified",
            "unlimited_stock": given.get("unlimited_stock", True),
            "visibility": given.get("visibility", "hidden"),
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
            "automatically_finalizes_at": given.get("automatically_finalizes_at"),
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
