"""The documents that ChargeAPI's emulator stores, and the checks that every request passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, ClassVar

from invoice_bridge.adapter.emulation.core import Emulator, ErrorResponse, IncomingRequest, StoredResponse
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.chargeapi.tables import API_VERSION, KEY_WINDOW, MONEY, STATUSES, TRANSITIONS

_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Transaction:
    """Something a fleet used: `amount` in the smallest unit of a lower-case currency."""

    fleet: str | None
    amount: int
    currency: str
    at: datetime
    description: str


def stamp(instant: datetime) -> str:
    """Format an instant as all samples do: RFC 3339 in UTC with three decimals."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(one: Transaction) -> tuple[str, int]:
    return one.description, one.amount


def _lines(transactions: Sequence[Transaction]) -> list[dict[str, Any]]:
    """Group transactions as the samples do: one line per description and unit amount."""
    lines = []
    for (description, unit), same in groupby(sorted(transactions, key=_line), key=_line):
        quantity = len(list(same))
        lines.append({"amount": quantity * unit, "description": description, "quantity": quantity, "unit_amount": unit})
    return lines


class ChargeApiDocuments(Emulator):
    """ChargeAPI's stored documents, the checks of every request, and the answers."""

    name = "chargeapi"
    key = "ch_sk_test_not_a_key"
    customer = "flt_42"
    payment_method = "pm_42"
    key_header = "Idempotency-Key"
    window = KEY_WINDOW
    statuses = STATUSES
    transitions = TRANSITIONS
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
    default_currency = "eur"
    tax_percent = 20
    """Return the tax that finalizing adds if the switch is on."""

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
        """Add a fleet and its default payment method, which declines if its id contains "declined"."""
        self.fleets[fleet] = payment_method

    def add_transaction(self, fleet: str | None, amount: int, currency: str, at: datetime, description: str) -> None:
        """Add a transaction of a fleet (None: of the account itself), `amount` in the currency's smallest unit."""
        self.fleets.setdefault(fleet)
        self.transactions.append(Transaction(fleet, amount, currency.lower(), at, description))

    def seed_customer(self, customer_id: str, *, email: str | None, name: str | None) -> None:
        """Add a fleet; it has neither an address nor a name here, because no invoice shows one."""
        del email, name
        self.add_fleet(customer_id)

    def seed_payment_method(self, method_id: str, customer_id: str) -> None:
        """Make a method the default of a fleet; it declines if its id contains "declined"."""
        if customer_id not in self.fleets:
            raise LookupError(f"payment_methods: there is no fleet {customer_id}")
        self.methods.add(method_id)
        self.fleets[customer_id] = method_id

    # ── checks of every request ─────────────────────────────────────────────────────────────────────────────────
    def authenticate(self, call: IncomingRequest) -> None:
        """Check the key and the version (docs.chargeapi.co/authentication, /versioning)."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            raise self._refuse("Invalid API key", None, status=401, kind="authentication_error")
        if call.headers.get("charge-version", API_VERSION) != API_VERSION:
            raise self._refuse("Unknown version", None)
        if len(call.headers.get("idempotency-key", "")) > _LONGEST_KEY:
            raise self._refuse("The idempotency key is too long", None)

    def no_such_route(self, call: IncomingRequest) -> Response:
        """Return 404, as for any other path."""
        return self._refuse(f"No such path: {call.method} /{'/'.join(call.segments)}", None, status=404).answer

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """Refuse a known key with another body, without a code, or replay its answer: neither is documented."""
        del call
        if not self.switches["mismatch_refused"]:
            return kept.answer
        return self._refuse("The idempotency key was used with another request", None).answer

    def replayed(self, answer: Response) -> Response:
        """Return the first outcome again; no header that marks it is documented."""
        return answer

    def keeps(self, answer: Response) -> bool:
        """Return whether the key replays this answer; for server errors a switch decides."""
        return answer.status < 500 or self.switches["server_errors_stored"]

    def in_progress(self, call: IncomingRequest) -> Response:
        """Return 409 without a code: the page lists the status without a meaning, and no code for keys."""
        del call
        return self._refuse("A request with this idempotency key is being processed", None, status=409).answer

    def server_error(self) -> Response:
        """Return 500, as in the older generation's table; its code and type are not documented."""
        return self._refuse("Something went wrong", None, status=500, kind="api_error").answer

    def throttled(self, retry_after: str | None) -> Response:
        """Return 429 (docs.chargeapi.co/errors); it is not documented that it carries Retry-After."""
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
            if name == "expand":  # invoices are not among the objects that can be expanded
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
        """Read metadata within the limits of docs.chargeapi.co/metadata."""
        found = given.get("metadata", {})
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise self._invalid("metadata must hold strings", "metadata")
        if len(found) > 50 or any(len(name) > 40 or len(value) > 500 for name, value in found.items()):
            raise self._invalid("metadata is too long", "metadata")
        return found

    # ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _inside(self, found: Mapping[str, Any]) -> list[Transaction]:
        """Return one fleet's transactions of the period in one currency: start inclusive, end exclusive.

        Without a fleet, those that belong to no fleet. Other currencies are left out: no page mentions them.
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
        """Return the invoice; a draft's lines and amount follow its transactions until finalizing locks them."""
        if found["status"] == "draft":
            found["line_items"] = _lines(self._inside(found))
            found["amount_due"] = sum(line["amount"] for line in found["line_items"])
        return found

    def _currency(self, given: Mapping[str, Any]) -> str:
        code = self._text(given, "currency") or self.default_currency
        if code.upper() not in MONEY.decimals or (code != code.lower() and not self.switches["uppercase_currency"]):
            raise self._invalid("currency must be an ISO 4217 code in lower case", "currency")
        return code.lower()

    def _status(self, found: Mapping[str, Any]) -> Any:
        """Return the status: overdue is an open invoice past its due date (inferred: no page defines it)."""
        if found["status"] == "open" and found["due_date"] and found["due_date"] < stamp(self.clock()):
            return "overdue"
        return found["status"]

    def _shown(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {**found, "status": self._status(found)}
