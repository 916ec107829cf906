"""Acme's statuses, fields, errors, limits and currencies: data, each row with its source.

Acme does not exist: it was invented with this adapter, and README.md is its documentation. Replace each fact by your
provider's, and each source by the page that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter.declared import ErrorRow, Rate, StatusRow, Units
from invoice_bridge.adapter.rows import Limit, carried, dropped, unsent
from invoice_bridge.adapter.transitions import Transitions, transition
from invoice_bridge.core.errors import Declined, InvalidState, NotFound, RateLimited, Rejected, Unauthorized
from invoice_bridge.core.losses import Alters, Severity
from invoice_bridge.core.model import Status
from invoice_bridge.core.money import codes
from invoice_bridge.core.wire import Effect

NAME = "acme"
API_VERSION = "2026-01"
KEY_HEADER = "Idempotency-Key"
KEY_WINDOW = timedelta(hours=24)
REPLAY_HEADER = "Idempotent-Replayed"

_DOCS = "docs.acme.test"
_INVOICE = f"{_DOCS}/invoices"
_CREATE = f"{_DOCS}/invoices/create"
_FINALIZE = f"{_DOCS}/invoices/finalize"
_PAY = f"{_DOCS}/invoices/pay"
_ERRORS = f"{_DOCS}/errors"
KEY_SOURCE = f"{_DOCS}/idempotency"


def headers(_settings: Mapping[str, Any]) -> dict[str, str]:
    """The version, with every request; the runner adds the credentials."""
    return {"Acme-Version": API_VERSION}


def mode(key: str, _settings: Mapping[str, Any], _base_url: str) -> str | None:
    """The mode that a key's prefix names."""
    return next((mode for mode in ("test", "live") if key.startswith(f"{mode}_")), None)


STATUSES = (
    StatusRow("draft", Status.DRAFT, _INVOICE),
    StatusRow("open", Status.OPEN, _INVOICE),
    StatusRow("paid", Status.PAID, _INVOICE),
    StatusRow("void", Status.VOID, _INVOICE),
)

# A currency that is not listed is refused. List only what is confirmed: a wrong factor bills 10 or 100 times too much.
MONEY = Units({code: digits for digits in (0, 2, 3) for code in codes(digits)}, source=f"{_DOCS}/money")

# The lowest figure that holds for every account; None where your provider states no number.
RATE = Rate(20, 1, f"{_DOCS}/requests")

ERRORS = (
    ErrorRow(Unauthorized, _ERRORS, code="wrong_key"),
    ErrorRow(NotFound, _ERRORS, code="not_found"),
    ErrorRow(InvalidState, _ERRORS, code="wrong_state"),
    ErrorRow(Declined, _ERRORS, code="declined"),
    ErrorRow(RateLimited, _ERRORS, code="too_many_requests"),
    ErrorRow(Rejected, _ERRORS, code="invalid"),
    ErrorRow(Rejected, _ERRORS, code="key_reused", key_reused=True),
)

LIMITS = (
    Limit("description", 200, _CREATE),
    Limit("metadata", 20, _CREATE),
)

SOURCES = {
    "one_time_charge": _CREATE,
    "period_invoice": _CREATE,
    "retrieve": _INVOICE,
    "list": f"{_DOCS}/invoices/list",
    "finalize": _FINALIZE,
    "pay": _PAY,
    "void": f"{_DOCS}/invoices/void",
}
"""verb → where the provider documents what its flow does"""

# In which statuses a verb is allowed, what they become, and the effects of its request; flows and emulator ask here.
TRANSITIONS = Transitions(
    {
        "finalize": transition(
            Status.DRAFT,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.ISSUES, Effect.MAILS],
            source=SOURCES["finalize"],
        ),
        "pay": transition(Status.OPEN, becomes=[Status.PAID], effects=[Effect.COLLECTS], source=SOURCES["pay"]),
        "void": transition(Status.OPEN, becomes=[Status.VOID], effects=[Effect.VOIDS], source=SOURCES["void"]),
    }
)


# ── fields: what becomes of every leaf of a bill ─────────────────────────────────────────────────────────────────────
def _asks_for_tax(command: Any, _context: Any) -> bool:
    return bool(command.tax == "provider")


def _asks_for_no_tax(command: Any, _context: Any) -> bool:
    return bool(command.tax == "none")


# A line's text is its description; of a bare amount the bill's, or else the reference. Where several rows name the same
# field, the first whose leaf the bill sets is told as its origin.
FIELDS = (
    carried("lines[].description", "lines[].text", _CREATE),
    carried("description", "note, lines[].text", _CREATE),
    carried("reference", "ref, lines[].text", _CREATE),
    carried("customer.id", "customer", _CREATE),
    dropped(
        "customer.email",
        "IB-ACME-CUSTOMER-01",
        _CREATE,
        sent="the customer's id",
        why="Acme mails to the address it keeps of its customer",
        severity=Severity.INFO,
    ),
    dropped(
        "customer.name",
        "IB-ACME-CUSTOMER-02",
        _CREATE,
        sent="the customer's id",
        why="Acme prints the name it keeps of its customer",
        severity=Severity.INFO,
    ),
    carried("currency", "currency", _CREATE),
    carried("amount", "lines[].amount", _CREATE, verbs=("one_time_charge",)),
    carried("lines[].quantity", "lines[].quantity", _CREATE),
    carried("lines[].unit_amount", "lines[].unit_price", _CREATE),
    carried("lines[].amount", "lines[].amount", _CREATE),
    carried("lines[].period.start", "lines[].from", _CREATE),
    carried("lines[].period.end", "lines[].to", _CREATE),
    carried("period.start", "lines[].from", _CREATE),
    carried("period.end", "lines[].to", _CREATE),
    dropped(
        "subscription",
        "IB-ACME-SUBSCRIPTION-01",
        _CREATE,
        why="Acme has no subscriptions",
        remedy="leave it out",
        verbs=("period_invoice",),
    ),
    dropped(
        "purchase_order",
        "IB-ACME-ORDER-01",
        _CREATE,
        why="the invoice has no field for a purchase order",
        remedy="name it in the description or in the metadata",
    ),
    carried("metadata", "labels", _CREATE),
    dropped(
        "issued_at",
        "IB-ACME-ISSUED-01",
        _FINALIZE,
        why="an invoice is issued at the moment it is finalized",
        remedy="leave it out",
    ),
    carried("collection.kind", "collection", _CREATE, alters=Alters.BRANCH),
    carried("collection.due", "due", _CREATE),
    carried("collection.net_days", "due_days", _CREATE),
    carried("collection.payment_method", "payment_method", _CREATE),
    dropped(
        "tax",
        "IB-ACME-TAX-01",
        _CREATE,
        severity=Severity.CHANGES_MONEY,
        sent="the lines alone",
        why="Acme computes no tax, so the bill would come to less",
        remedy="add the tax as a line",
        when=_asks_for_tax,
    ),
    unsent("tax", _CREATE, when=_asks_for_no_tax),
    carried("draft", "", _FINALIZE, alters=Alters.BRANCH),
    unsent("attempt", KEY_SOURCE),
)
