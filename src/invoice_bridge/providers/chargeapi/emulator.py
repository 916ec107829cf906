"""ChargeAPI in memory: the same rules, the same refusals, as far as its documentation shows them.

Nothing here was observed on the live service. Lines come from transactions, which tests and examples add themselves.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, ClassVar

from invoice_bridge.adapter.emulation.core import Emulator, ErrorResponse, IncomingRequest, StoredResponse
from invoice_bridge.core.wire import Response, query
from invoice_bridge.providers.chargeapi.tables import API_VERSION, KEY_WINDOW, MONEY, REFERENCE_KEY

_CREATE_PARAMS = ("period_start", "period_end", "fleet", "currency", "description", "metadata")
_UPDATE_PARAMS = ("description", "due_date", "metadata")
_LIST_PARAMS = ("fleet", "limit", "page", "status")
_LIST_STATUSES = ("draft", "open", "paid", "void", "uncollectible")  # overdue is not among them
_DUE_AFTER = timedelta(days=7)  # as in the samples; the rule is not documented
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Transaction:
    """Something a fleet used: `amount` in the smallest unit of a lower-case currency."""

    fleet: str | None
    amount: int
    currency: str
    at: datetime
    description: str


class ChargeApiEmulator(Emulator):
    """ChargeAPI's invoices. The fleet "flt_42" is there, with 25.00 EUR of transactions in May 2026, 19.99 in April.

    The payment methods "pm_42", "pm_declined" (which declines) and those of the fleets are known; no other is charged.
    """

    name = "chargeapi"
    key = "ch_sk_test_not_a_key"
    customer = "flt_42"
    payment_method = "pm_42"
    key_header = "Idempotency-Key"
    window = KEY_WINDOW
    SWITCHES: ClassVar[Mapping[str, tuple[bool, str]]] = {
        "state_errors_409": (False, "whether the state errors answer HTTP 409 or 400"),
        "finalize_collects": (False, "whether finalizing alone collects, as one sentence of the create page suggests"),
        "finalize_taxes": (False, "whether finalizing adds a tax: an older page says so, no field shows it"),
        "mismatch_refused": (True, "whether a key that comes with another body is refused; otherwise it is replayed"),
        "empty_window_refused": (False, "whether a period without transactions is refused; otherwise it comes to zero"),
        "create_answers_201": (False, "whether create answers HTTP 201 or 200"),
        "billed_once": (True, "whether a transaction on an issued invoice is left out of later ones"),
        "void_releases": (True, "whether the transactions of a void invoice can be billed again"),
        "update_open": (True, "whether an open invoice can be changed: the newer page says yes, the older one no"),
        "metadata_merges": (True, "whether new metadata is merged into the old; otherwise it replaces it"),
        "pays_drafts": (False, "whether pay takes a draft: its page refuses paid and void invoices only"),
        "void_uncollectible": (True, "whether an uncollectible invoice can be voided: the page contradicts itself"),
        "uppercase_currency": (False, "whether a currency in upper case is taken"),
        "in_progress_waits": (
            True,
            "whether a key that comes again while its first request runs waits for that one rather than being refused",
        ),
        "server_errors_stored": (True, "whether a server error is an outcome that its key replays"),
        "finer_timestamps": (False, "whether a timestamp with parts of a millisecond is taken"),
    }
    ROUTES = (
        ("POST", "/invoices", "create"),
        ("GET", "/invoices", "list"),
        ("GET", "/invoices/{id}", "retrieve"),
        ("POST", "/invoices/{id}", "update"),
        ("POST", "/invoices/{id}/finalize", "finalize"),
        ("POST", "/invoices/{id}/pay", "pay"),
        ("POST", "/invoices/{id}/void", "void"),
    )
    default_currency = "eur"
    tax_percent = 20
    """What finalizing adds where the switch says that it does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.invoices: dict[str, dict[str, Any]] = {}
        self.transactions: list[Transaction] = []
        self.billed: dict[str, list[Transaction]] = {}
        self.fleets: dict[str | None, str | None] = {None: "pm_of_the_account"}
        self.methods = {self.payment_method, "pm_declined"}
        self.pages: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {}
        self.add_fleet(self.customer, "pm_of_the_fleet")
        self.add_transaction(self.customer, 1999, "eur", datetime(2026, 4, 17, 9, tzinfo=UTC), "Reservation fees")
        self.add_transaction(self.customer, 1842, "eur", datetime(2026, 5, 4, 7, 30, tzinfo=UTC), "Charging sessions")
        for day in (17, 23):
            self.add_transaction(self.customer, 329, "eur", datetime(2026, 5, day, 18, tzinfo=UTC), "Reservation fees")

    def add_fleet(self, fleet: str, payment_method: str | None = None) -> None:
        """Make a fleet that exists already, and its default payment method; one with "declined" in its id declines."""
        self.fleets[fleet] = payment_method

    def add_transaction(self, fleet: str | None, amount: int, currency: str, at: datetime, description: str) -> None:
        """Have a fleet (None: the account itself) use something; `amount` in the smallest unit of the currency."""
        self.fleets.setdefault(fleet)
        self.transactions.append(Transaction(fleet, amount, currency.lower(), at, description))

    # ── what every request meets ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key and the version (docs.chargeapi.co/authentication, /versioning)."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self._refuse("Invalid API key", None, status=401, kind="authentication_error")
        if call.headers.get("charge-version", API_VERSION) != API_VERSION:
            raise self._refuse("Unknown version", None)
        if len(call.headers.get("idempotency-key", "")) > _LONGEST_KEY:
            raise self._refuse("The idempotency key is too long", None)

    def no_such_route(self, call: IncomingRequest) -> Response:
        """404, as for any other path."""
        return self._refuse(f"No such path: {call.method} /{'/'.join(call.segments)}", None, status=404).answer

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """The key came before with another body: not documented, so refused without a code, or replayed."""
        del call
        if not self.switches["mismatch_refused"]:
            return kept.answer
        return self._refuse("The idempotency key was used with another request", None).answer

    def replayed(self, answer: Response) -> Response:
        """The first outcome again; no header that marks it is documented."""
        return answer

    def keeps(self, answer: Response) -> bool:
        """The first request is authoritative and its outcome replayed; whether a server error is one is a switch."""
        return answer.status < 500 or self.switches["server_errors_stored"]

    def in_progress(self, call: IncomingRequest) -> Response:
        """409 without a code where it does not wait: the status is listed without a meaning, no code for keys is."""
        del call
        return self._refuse("A request with this idempotency key is being processed", None, status=409).answer

    def server_error(self) -> Response:
        """500 as the older generation's table lists it; its code and type are not documented."""
        return self._refuse("Something went wrong", None, status=500, kind="api_error").answer

    def throttled(self, retry_after: str | None) -> Response:
        """429 (docs.chargeapi.co/errors); that Retry-After comes with it is not documented."""
        answer = self._refuse("Too many requests", "rate_limit_exceeded", status=429).answer
        return self.with_retry_after(answer, retry_after)

    def _refuse(
        self,
        message: str,
        code: str | None,
        *,
        param: str | None = None,
        status: int = 400,
        kind: str = "invalid_request_error",
    ) -> ErrorResponse:
        body = {
            "code": code,
            "doc_url": f"https://docs.chargeapi.co/errors#{code}" if code else None,
            "message": message,
            "object": "error",
            "param": param,
            "request": self.next_id("req_"),
            "status": status,
            "type": kind,
        }
        return ErrorResponse(self.json(body, status))

    def _invalid(self, message: str, param: str) -> ErrorResponse:
        return self._refuse(message, "invoice_validation_error", param=param)

    def _wrong_state(self, action: str, found: Mapping[str, Any]) -> ErrorResponse:
        status = 409 if self.switches["state_errors_409"] else 400
        message = f"The invoice is {self._status(found)}"
        return self._refuse(message, f"invoice_{action}_invalid_state", status=status)

    def _body(self, call: IncomingRequest, known: Sequence[str]) -> dict[str, Any]:
        try:
            given = call.json()
        except ValueError:
            raise self._invalid("The body is not JSON", "body") from None
        if not isinstance(given, dict):
            raise self._invalid("The body must be an object", "body")
        if unknown := [name for name in given if name not in known]:
            raise self._invalid(f"Unknown parameter: {unknown[0]}", unknown[0])
        return given

    def _filters(self, call: IncomingRequest, known: Sequence[str]) -> dict[str, str]:
        for name, _ in call.query:
            if name == "expand":  # an invoice is not in the table of what can be expanded
                raise self._refuse("Nothing can be expanded here", "unsupported_expand_value", param="expand")
            if name not in known:
                raise self._invalid(f"Unknown parameter: {name}", name)
        return dict(call.query)

    def _find(self, invoice_id: str) -> dict[str, Any]:
        if invoice_id not in self.invoices:
            raise self._refuse("No such invoice", "invoice_not_found", param="invoice", status=404)
        return self._rated(self.invoices[invoice_id])

    def _moment(self, given: Mapping[str, Any], name: str) -> datetime:
        try:
            found = datetime.fromisoformat(given[name])
        except (KeyError, TypeError, ValueError):
            raise self._invalid(f"{name} must be an RFC 3339 timestamp", name) from None
        too_fine = found.microsecond % 1000 and not self.switches["finer_timestamps"]
        if found.tzinfo is None or too_fine:
            raise self._invalid(f"{name} must be an RFC 3339 timestamp in milliseconds", name)
        return found.astimezone(UTC)

    def _text(self, given: Mapping[str, Any], name: str) -> str | None:
        value = given.get(name)
        if value is not None and not isinstance(value, str):
            raise self._invalid(f"{name} must be a string", name)
        return value

    def _words(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Metadata, within the limits of docs.chargeapi.co/metadata."""
        found = given.get("metadata", {})
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise self._invalid("metadata must hold strings", "metadata")
        if len(found) > 50 or any(len(name) > 40 or len(value) > 500 for name, value in found.items()):
            raise self._invalid("metadata is too long", "metadata")
        return found

    # ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _inside(self, found: Mapping[str, Any]) -> list[Transaction]:
        """The window's transactions, start inclusive and end exclusive, of one fleet and one currency.

        Without a fleet those that belong to none; what becomes of other currencies is not documented: they stay out.
        """
        start, end = (datetime.fromisoformat(found[name]) for name in ("period_start", "period_end"))
        taken = {id(one) for rows in self.billed.values() for one in rows} if self.switches["billed_once"] else set()
        return [
            one
            for one in self.transactions
            if start <= one.at < end
            and (one.fleet, one.currency) == (found["fleet"], found["currency"])
            and id(one) not in taken
        ]

    def _rated(self, found: dict[str, Any]) -> dict[str, Any]:
        """The invoice; a draft's lines and amount move with its transactions until they are locked."""
        if found["status"] == "draft":
            found["line_items"] = _lines(self._inside(found))
            found["amount_due"] = sum(line["amount"] for line in found["line_items"])
        return found

    # ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, call: IncomingRequest) -> Response:
        """POST /invoices: always a draft, its lines made of the window's transactions."""
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
            "created": _stamp(now),
            "currency": self._currency(given),
            "description": self._text(given, "description"),
            "due_date": _stamp(now + _DUE_AFTER),
            "fleet": fleet,
            "line_items": [],
            "metadata": self._words(given),
            "paid_at": None,
            "payment_method": None,
            "period_end": _stamp(end),
            "period_start": _stamp(start),
            "status": "draft",
        }
        if not self._rated(found)["line_items"] and self.switches["empty_window_refused"]:
            raise self._invalid("The period holds no transactions", "period_start")
        self.invoices[found["id"]] = found
        return self.json(self._shown(found), 201 if self.switches["create_answers_201"] else 200)

    def _currency(self, given: Mapping[str, Any]) -> str:
        code = self._text(given, "currency") or self.default_currency
        if code.upper() not in MONEY.decimals or (code != code.lower() and not self.switches["uppercase_currency"]):
            raise self._invalid("currency must be an ISO 4217 code in lower case", "currency")
        return code.lower()

    def _status(self, found: Mapping[str, Any]) -> Any:
        """Overdue is what an open invoice is once its due date has passed: inferred, no page says what makes it so."""
        if found["status"] == "open" and found["due_date"] and found["due_date"] < _stamp(self.clock()):
            return "overdue"
        return found["status"]

    def _shown(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {**found, "status": self._status(found)}

    def retrieve(self, call: IncomingRequest, invoice_id: str) -> Response:
        """GET /invoices/{id}."""
        self._filters(call, ())
        return self.json(self._shown(self._find(invoice_id)))

    def list(self, call: IncomingRequest) -> Response:
        """GET /invoices, newest first; a page's token goes with the filters it was made for."""
        given = self._filters(call, _LIST_PARAMS)
        if "status" in given and given["status"] not in _LIST_STATUSES:
            raise self._invalid("No such status", "status")
        limit = given.get("limit", "10")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise self._invalid("limit must be between 1 and 100", "limit")
        filters = tuple((name, value) for name, value in call.query if name != "page")
        rows = [self._shown(self._rated(row)) for row in reversed(self.invoices.values())]
        rows = [row for row in rows if all(row[name] == given[name] for name in ("fleet", "status") if name in given)]
        first = 0
        if "page" in given:
            anchor, before = self.pages.get(given["page"], ("", ()))
            place = next((place for place, row in enumerate(rows) if row["id"] == anchor), None)
            if before != filters or place is None:
                raise self._invalid("The page token does not belong to this listing", "page")
            first = place
        after = first + int(limit)
        body = {
            "data": rows[first:after],
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
        """POST /invoices/{id}: drafts, and open invoices as the newer page has it."""
        given, found = self._body(call, _UPDATE_PARAMS), self._find(invoice_id)
        if found["status"] not in ({"draft", "open"} if self.switches["update_open"] else {"draft"}):
            raise self._wrong_state("update", found)
        changes: dict[str, Any] = {}
        if "description" in given:
            changes["description"] = self._text(given, "description") or None
        if "due_date" in given:
            changes["due_date"] = _stamp(self._moment(given, "due_date"))
        if "metadata" in given:
            kept = found["metadata"] if self.switches["metadata_merges"] else {}
            changes["metadata"] = kept | self._words(given)
        found |= changes
        return self.json(self._shown(found))

    # ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────
    def _note(self, event: str, found: Mapping[str, Any], units: int) -> None:
        reference = found["metadata"].get(REFERENCE_KEY)
        self.record(event, found["id"], found["fleet"], units, found["currency"], reference)

    def finalize(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/finalize: draft → open, its lines locked."""
        self._body(call, ())
        found = self._find(invoice_id)
        if found["status"] != "draft":
            raise self._wrong_state("finalize", found)
        self._issue(found)
        if self.switches["finalize_collects"] and self.fleets[found["fleet"]] is not None:
            self._collect(found, self.fleets[found["fleet"]])
        return self.json(self._shown(found))

    def _issue(self, found: dict[str, Any]) -> None:
        self.billed[found["id"]] = self._inside(found)
        if self.switches["finalize_taxes"]:
            found["amount_due"] += found["amount_due"] * self.tax_percent // 100
        found["status"] = "open"
        self._note("issued", found, found["amount_due"])

    def pay(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/pay: collects the whole balance, from the method given or the fleet's own."""
        given, found = self._body(call, ("payment_method",)), self._find(invoice_id)
        if found["status"] == "draft" and self.switches["pays_drafts"]:
            self._issue(found)
        method = self._text(given, "payment_method") or self.fleets[found["fleet"]]
        if found["status"] != "open" or method is None:
            raise self._wrong_state("payment", found)
        if method not in {*self.methods, *self.fleets.values()}:
            message = "No such payment method"
            raise self._refuse(message, "payment_method_not_found", param="payment_method", status=404)
        if "declined" in method:
            raise self._refuse("The payment was declined", "payment_authorization_failed", status=402)
        self._collect(found, method)
        return self.json(self._shown(found))

    def _collect(self, found: dict[str, Any], method: str | None) -> None:
        self._note("collected", found, found["amount_due"])
        found |= {"status": "paid", "amount_paid": found["amount_due"], "amount_due": 0}
        found |= {"paid_at": _stamp(self.clock()), "payment_method": method}

    def void(self, call: IncomingRequest, invoice_id: str) -> Response:
        """POST …/void: open invoices; never a draft, nor one that is paid or void."""
        self._body(call, ())
        found = self._find(invoice_id)
        if found["status"] not in ({"open", "uncollectible"} if self.switches["void_uncollectible"] else {"open"}):
            raise self._wrong_state("void", found)
        found["status"] = "void"
        if self.switches["void_releases"]:
            self.billed.pop(invoice_id, None)
        self._note("voided", found, found["amount_due"])
        return self.json(self._shown(found))


def _stamp(instant: datetime) -> str:
    """RFC 3339 in UTC with three decimals, as all samples have it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(one: Transaction) -> tuple[str, int]:
    return one.description, one.amount


def _lines(transactions: Sequence[Transaction]) -> list[dict[str, Any]]:
    """One line per description and unit amount, as the samples have it."""
    lines = []
    for (description, unit), same in groupby(sorted(transactions, key=_line), key=_line):
        quantity = len(list(same))
        lines.append({"amount": quantity * unit, "description": description, "quantity": quantity, "unit_amount": unit})
    return lines
