"""ChargeAPI's statuses, fields, errors, limits and currencies: data, each row with its source.

Its documentation has two generations. Invoice create, list, update and object were read in the newest; retrieve,
finalize, pay and void only in the older one, which is assumed to be still valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from invoice_bridge.adapter.declared import ErrorRow, StatusRow, Units
from invoice_bridge.adapter.limits import Limit
from invoice_bridge.adapter.redactions import Becomes, Redaction, Where, hidden
from invoice_bridge.adapter.transitions import Transitions, doubt, transition
from invoice_bridge.core.errors import Declined, InvalidState, NotFound, RateLimited, Rejected, Unauthorized
from invoice_bridge.core.model import Status
from invoice_bridge.core.money import codes, historic_codes
from invoice_bridge.core.wire import Effect

API_VERSION = "2026-03-01"
"""The only documented version. Every request sends it, because the account's own version would apply otherwise."""
KEY_WINDOW = timedelta(hours=24)
REFERENCE_KEY = "invoice_bridge_reference"
"""The metadata key under which an invoice carries the caller's reference."""
METADATA_BYTES = 20_000
"""The maximum size of all metadata: the page says 20 KB, read as the smaller of its two meanings."""
METADATA_SOURCE = "docs.chargeapi.co/metadata (older generation; the newest states no limits)"

OBJECT = "docs.chargeapi.co/api-reference/invoices/object"
CREATE = "docs.chargeapi.co/api-reference/invoices/create"
_LIST = "docs.chargeapi.co/api-reference/invoices/list"
UPDATE = "docs.chargeapi.co/api-reference/invoices/update"
FINALIZE = "docs.chargeapi.co/api-reference/invoices/finalize (older generation)"
PAY = "docs.chargeapi.co/api-reference/invoices/pay (older generation)"
_ERRORS = "docs.chargeapi.co/errors"
_PAYMENT = "docs.chargeapi.co/api-reference/payment-methods/object"


def headers(_settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the version."""
    return {"Charge-Version": API_VERSION}


def mode(key: str, _settings: Mapping[str, Any], _base_url: str) -> str | None:
    """Return the mode that the key's prefix names (docs.chargeapi.co/authentication); one host serves both modes."""
    return next((mode for mode in ("test", "live") if key.startswith(f"ch_sk_{mode}_")), None)


# The object's page lists overdue but not uncollectible, and the list's filter the reverse, in both generations: both
# are read. null is documented without a meaning, so it reads as unknown, like any other word.
STATUSES = (
    StatusRow("draft", Status.DRAFT, OBJECT),
    StatusRow("open", Status.OPEN, OBJECT),
    StatusRow("overdue", Status.OPEN, OBJECT),
    StatusRow("paid", Status.PAID, OBJECT),
    StatusRow("void", Status.VOID, OBJECT),
    StatusRow("uncollectible", Status.UNCOLLECTIBLE, _LIST),
)

# "The smallest currency unit": taken as ISO 4217's minor unit. Amounts are read here and never sent, so a wrong reading
# would show as an AmountMismatch and not as a wrong bill. Withdrawn codes occur on old invoices.
_WITHDRAWN = "ANG BGN HRK"
_BILLED = {code: digits for digits in (0, 2, 3, 4) for code in codes(digits)} | dict.fromkeys(_WITHDRAWN.split(), 2)
MONEY = Units(
    _BILLED,
    source=f"{OBJECT}, amount_due",
    read_only={code: digits for digits in (0, 2) for code in historic_codes(digits) if code not in _BILLED},
    read_source=f"{OBJECT}, amount_due: the smallest currency unit, as the withdrawn codes had it while in use",
)

# The HTTP status of each code is not documented (a state error may be 400 or 409), so the code decides.
ERRORS = (
    ErrorRow(RateLimited, _ERRORS, code="rate_limit_exceeded"),
    ErrorRow(Unauthorized, "docs.chargeapi.co/authentication", type="authentication_error"),
    ErrorRow(NotFound, _ERRORS, code="invoice_not_found"),
    ErrorRow(NotFound, _ERRORS, code="fleet_not_found"),
    ErrorRow(NotFound, _ERRORS, code="account_not_found"),
    ErrorRow(NotFound, _ERRORS, code="transaction_not_found"),
    ErrorRow(NotFound, _ERRORS, code="payment_method_not_found"),
    ErrorRow(NotFound, _ERRORS, code="payment_method_owner_not_found"),
    ErrorRow(NotFound, _ERRORS, code="payment_method_scope_not_found"),
    ErrorRow(NotFound, _ERRORS, code="policy_not_found"),
    ErrorRow(InvalidState, _ERRORS, code="invoice_update_invalid_state"),
    ErrorRow(InvalidState, _ERRORS, code="invoice_finalize_invalid_state"),
    ErrorRow(InvalidState, _ERRORS, code="invoice_payment_invalid_state"),
    ErrorRow(InvalidState, _ERRORS, code="invoice_void_invalid_state"),
    ErrorRow(Declined, _ERRORS, code="payment_authorization_failed"),
    ErrorRow(Rejected, _ERRORS, code="invoice_validation_error"),
    ErrorRow(Rejected, _ERRORS, code="payment_method_invalid_input"),
    ErrorRow(Rejected, _ERRORS, code="payment_method_scope_invalid"),
    ErrorRow(Rejected, _ERRORS, code="owner_scope_invalid"),
    ErrorRow(Rejected, _ERRORS, code="policy_blocked"),
    ErrorRow(Rejected, _ERRORS, code="unsupported_expand_value"),
    # the table of statuses lists 409 without a meaning: without a code above it may mean that the first try still runs
    ErrorRow(InvalidState, f"{_ERRORS} (older generation, HTTP 409)", status=409, maybe_applied=True),
)

LIMITS = (
    Limit("metadata", 49, f"{METADATA_SOURCE}: 50 keys, one of which carries the reference"),
    Limit("metadata.key", 40, METADATA_SOURCE),
    Limit("metadata.value", 500, METADATA_SOURCE),
)

REDACTIONS = (
    *hidden(Becomes.EMAIL, _PAYMENT, "email"),
    Redaction(Where.FIELD, "name", _PAYMENT, Becomes.NAME, beside="email"),
    *hidden(Becomes.NAME, _PAYMENT, "billing_details.name"),
    *hidden(Becomes.SECRET, _PAYMENT, "line1", "line2", "city", "state", "postal_code"),
    *hidden(Becomes.MASK, _PAYMENT, "phone", "last4", "card.number", "account_number", "routing_number"),
    *hidden(Becomes.SECRET, _PAYMENT, "cvc", "fingerprint", "exp_month", "exp_year"),
    *hidden(Becomes.SECRET, "docs.chargeapi.co/webhooks", "charge-signature", where=Where.HEADER),
    Redaction(Where.KEY, r"ch_sk_(?:live|test)_[0-9A-Za-z_]{8,}", "docs.chargeapi.co/authentication"),
    Redaction(Where.KEY, r"whsec_[0-9A-Za-z_+/=-]{8,}", "docs.chargeapi.co/webhooks"),
    *hidden(
        Becomes.ID,
        "docs.chargeapi.co/api-reference: the ids of who is billed and for what",
        *("acct_", "cs_", "drv_", "evt_", "flt_", "inv_", "pm_", "req_", "res_", "txn_", "veh_", "wh_"),
        where=Where.ID,
    ),
)
"""The invoice itself has no personal data; the other rows are for the objects recorded beside it."""

SOURCES = {
    "one_time_charge": "docs.chargeapi.co/api-reference/invoices/create",
    "period_invoice": "docs.chargeapi.co/api-reference/invoices/create",
    "find": "docs.chargeapi.co/api-reference/invoices/list",
    "retrieve": "docs.chargeapi.co/api-reference/invoices/retrieve (older generation)",
    "list": "docs.chargeapi.co/api-reference/invoices/list",
    "finalize": "docs.chargeapi.co/api-reference/invoices/finalize (older generation)",
    "pay": "docs.chargeapi.co/api-reference/invoices/pay (older generation)",
    "void": "docs.chargeapi.co/api-reference/invoices/void (older generation)",
    "update": "docs.chargeapi.co/api-reference/invoices/update",
}
"""verb → where the provider documents what its flow does"""

TRANSITIONS = Transitions(
    {
        # it is not confirmed whether finalizing alone collects, so it is counted as a collection
        "finalize": transition(
            Status.DRAFT,
            becomes=[Status.OPEN, Status.PAID],
            effects=[Effect.ISSUES, Effect.COLLECTS],
            source=FINALIZE,
        ),
        # the page refuses paid and void invoices and names no other status
        "pay": transition(
            Status.OPEN,
            undocumented=[Status.UNCOLLECTIBLE],
            becomes=[Status.PAID],
            effects=[Effect.COLLECTS],
            source=PAY,
        ),
        "void": transition(
            Status.OPEN,
            Status.UNCOLLECTIBLE,
            becomes=[Status.VOID],
            effects=[Effect.VOIDS],
            source=SOURCES["void"],
            doubts=[
                doubt(
                    "uncollectible",
                    switch="void_uncollectible",
                    why="whether an uncollectible invoice can be voided: the page contradicts itself",
                )
            ],
        ),
        "update": transition(
            Status.DRAFT,
            Status.OPEN,
            source=UPDATE,
            doubts=[
                doubt(
                    *("open", "overdue"),
                    switch="update_open",
                    why="whether an open invoice can be changed: the newer page allows it, the older one does not",
                )
            ],
        ),
    }
)
