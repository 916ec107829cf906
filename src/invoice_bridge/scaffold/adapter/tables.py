"""Acme's statuses, errors, limits and currencies: data, each row with its source.

Acme does not exist: it was invented with this adapter, and README.md is its documentation. Replace each fact with your
provider's, and each source with the page that states the fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter import ErrorRow, Limit, Rate, StatusRow, Transitions, Units, transition
from invoice_bridge.core.errors import Declined, InvalidState, NotFound, RateLimited, Rejected, Unauthorized
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
CREATE = f"{_DOCS}/invoices/create"
FINALIZE = f"{_DOCS}/invoices/finalize"
_PAY = f"{_DOCS}/invoices/pay"
_ERRORS = f"{_DOCS}/errors"
KEY_SOURCE = f"{_DOCS}/idempotency"


def headers(_settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the version header of every request; the runner adds the credentials."""
    return {"Acme-Version": API_VERSION}


def mode(key: str, _settings: Mapping[str, Any], _base_url: str) -> str | None:
    """Return the mode in a key's prefix."""
    return next((mode for mode in ("test", "live") if key.startswith(f"{mode}_")), None)


STATUSES = (
    StatusRow("draft", Status.DRAFT, _INVOICE),
    StatusRow("open", Status.OPEN, _INVOICE),
    StatusRow("paid", Status.PAID, _INVOICE),
    StatusRow("void", Status.VOID, _INVOICE),
)

# A currency that is not listed is refused. List only confirmed ones: a wrong factor bills 10 or 100 times too much.
MONEY = Units({code: digits for digits in (0, 2, 3) for code in codes(digits)}, source=f"{_DOCS}/money")

# The lowest limit of any account; None if your provider documents no number.
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
    Limit("description", 200, CREATE),
    Limit("metadata", 20, CREATE),
)

SOURCES = {
    "one_time_charge": CREATE,
    "period_invoice": CREATE,
    "find": f"{_DOCS}/invoices/list",
    "retrieve": _INVOICE,
    "list": f"{_DOCS}/invoices/list",
    "finalize": FINALIZE,
    "pay": _PAY,
    "void": f"{_DOCS}/invoices/void",
}
"""verb → the page that documents the requests of its flow"""

# The statuses in which a verb is allowed, the resulting statuses, and the effects of its request, for the flows and the
# emulator.
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
