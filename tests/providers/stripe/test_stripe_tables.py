"""Stripe's tables: every row has a source, every leaf of a bill has a row, every refusal has its class."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from invoice_bridge import (
    Collection,
    CustomerRef,
    Declined,
    InvalidState,
    Line,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    ProviderError,
    RateLimited,
    Rejected,
    ServerError,
    Status,
    Unauthorized,
    Unsupported,
    Update,
    explain,
    losses,
)
from invoice_bridge.adapter.rows import values_at
from invoice_bridge.core.commands import LEAVES
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.money import codes, historic_codes
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.providers.stripe.fields import FIELDS
from invoice_bridge.providers.stripe.tables import ERRORS, LIMITS, MINIMUM_CHARGE, MONEY, STATUSES
from tests import strategies
from tests.refusals import classified


def test_every_row_has_a_source() -> None:
    """A row without a public source is an opinion."""
    rows: tuple[Any, ...] = (*STATUSES, *FIELDS, *ERRORS, *LIMITS, MONEY, STRIPE.idempotency)
    assert all(row.source.strip() for row in rows)


FULL = {
    "reference": "res-1",
    "customer": CustomerRef(id="cus_42", email="a@example.test", name="A"),
    "lines": (Line(description="L", quantity=1, unit_amount=Money(1, "EUR"), period=Period.month(2026, 5)),),
    "collection": Collection.charge("pm_7"),
    "period": Period.month(2026, 5),
}


@pytest.mark.parametrize("kind", [OneTimeCharge, PeriodInvoice], ids=lambda kind: kind.verb)
def test_every_leaf_of_a_bill_has_a_row(kind: type[OneTimeCharge] | type[PeriodInvoice]) -> None:
    """What becomes of a field is said of each, at its own path."""
    assert set(LEAVES[kind]) <= {row.path for row in FIELDS if kind.verb in row.verbs}


def test_every_row_is_about_a_leaf_of_a_bill() -> None:
    """No row speaks of a field that no bill has."""
    assert {row.path for row in FIELDS if row.path} <= {leaf for leaves in LEAVES.values() for leaf in leaves}


def test_codes_are_permanent() -> None:
    """The codes of the losses, as callers have written them into their allow lists."""
    assert sorted(row.code for row in FIELDS if row.code) == [
        "IB-STRIPE-CUSTOMER-01",
        "IB-STRIPE-CUSTOMER-02",
        "IB-STRIPE-CUSTOMER-ADDRESS-01",
        "IB-STRIPE-CUSTOMER-TAXID-01",
        "IB-STRIPE-DISCOUNT-01",
        "IB-STRIPE-DISCOUNT-02",
        "IB-STRIPE-DUE-01",
        "IB-STRIPE-LINE-DISCOUNT-02",
        "IB-STRIPE-LINE-PRICE-01",
        "IB-STRIPE-LINE-PRODUCT-01",
        "IB-STRIPE-LINE-SUBSCRIPTION-01",
        "IB-STRIPE-LINE-TAX-01",
        "IB-STRIPE-METADATA-01",
        "IB-STRIPE-PRICE-01",
        "IB-STRIPE-QUANTITY-01",
        "IB-STRIPE-SUBSCRIPTION-02",
    ]


def test_info_losses_never_stop_a_bill() -> None:
    """E-mail and name of the reference are reported; Stripe's own record of the customer is billed."""
    bill = OneTimeCharge.model_validate({k: v for k, v in FULL.items() if k != "period"})
    found = losses("stripe", bill)
    assert [(loss.code, loss.path, loss.severity) for loss in found] == [
        ("IB-STRIPE-CUSTOMER-01", "customer.email", "info"),
        ("IB-STRIPE-CUSTOMER-02", "customer.name", "info"),
    ]


@given(strategies.bills())
def test_every_field_of_a_body_has_an_origin(command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill, each field that is sent is explained by a row."""
    plan = explain("stripe", command, lookup="never")
    assert [name for request in plan.requests for name, _, where in plan.origins(request) if where == "?"] == []


LINES: dict[str, Any] = {"amount": None, "lines": [{"amount": Money(100, "EUR")}]}
QUANTITY: dict[str, Any] = {"quantity": 2, "unit_amount": Money(100, "EUR")}


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "fits,too_long",
    [
        ({"description": "x" * 1500} | LINES, {"description": "x" * 1501} | LINES),
        ({"description": "x" * 500}, {"description": "x" * 501}),  # a bare amount's description is that of its line
        ({"purchase_order": "x" * 140}, {"purchase_order": "x" * 141}),
        ({"metadata": {str(n): "x" for n in range(49)}}, {"metadata": {str(n): "x" for n in range(50)}}),
        ({"metadata": {"k" * 40: "x"}}, {"metadata": {"k" * 41: "x"}}),
        ({"metadata": {"k": "x" * 500}}, {"metadata": {"k": "x" * 501}}),
        (
            {"amount": None, "lines": [{"amount": Money(100, "EUR"), "description": "x" * 500}]},
            {"amount": None, "lines": [{"amount": Money(100, "EUR"), "description": "x" * 501}]},
        ),
        (
            {"amount": None, "lines": [QUANTITY | {"description": "x" * 250}]},
            {"amount": None, "lines": [QUANTITY | {"description": "x" * 251}]},
        ),
        (
            {"amount": None, "lines": [{"amount": Money(100, "EUR")}] * 250},
            {"amount": None, "lines": [{"amount": Money(100, "EUR")}] * 251},
        ),
    ],
)
def test_defect_64_limits_are_checked_before_anything_is_sent(fits: dict[str, Any], too_long: dict[str, Any]) -> None:
    """Defect 64: the longest that fits is sent whole; one more is refused before the draft is opened, never cut."""
    bill = {"reference": "res-1", "customer": "cus_42", "amount": Money(100, "EUR")}
    assert explain("stripe", OneTimeCharge.model_validate(bill | fits), lookup="never").refusal is None
    refused = explain("stripe", OneTimeCharge.model_validate(bill | too_long), lookup="never")
    assert isinstance(refused.refusal, Unsupported)
    assert refused.requests == ()


def test_a_line_below_zero_with_automatic_tax_is_refused_before_the_draft() -> None:
    """Defect 64: Stripe refuses such a line after the draft was opened. Without tax it is billed."""
    bill = {
        "reference": "res-1",
        "customer": "cus_42",
        "lines": [{"amount": Money(amount, "EUR")} for amount in (900, -100)],
    }
    refused = explain("stripe", OneTimeCharge.model_validate(bill | {"tax": "provider"}), lookup="never")
    assert isinstance(refused.refusal, Unsupported)
    assert refused.requests == ()
    assert explain("stripe", OneTimeCharge.model_validate(bill), lookup="never").refusal is None


def test_limits_hold_for_updates_too() -> None:
    """The same text is too long in an update."""
    assert isinstance(explain("stripe", Update(id="in_1", description="x" * 1501)).refusal, Unsupported)


def test_every_limit_names_a_place_of_a_bill() -> None:
    """A limit on a path that nothing has would never be checked."""
    bill = OneTimeCharge.model_validate(FULL | {"description": "d", "purchase_order": "p", "metadata": {"k": "v"}})
    lines = tuple(line.model_copy(update={"metadata": {"k": "v"}}) for line in bill.lines)
    bill = bill.model_copy(update={"lines": lines})
    assert all(values_at(bill, limit.path) for limit in LIMITS)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "status,error,becomes,maybe_applied",
    [
        (400, {"type": "invalid_request_error"}, Rejected, False),
        (400, {"type": "invalid_request_error", "code": "parameter_unknown"}, Rejected, False),
        (400, {"type": "invalid_request_error", "code": "resource_missing"}, NotFound, False),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, NotFound, False),
        (404, {"type": "invalid_request_error"}, NotFound, False),
        (400, {"type": "idempotency_error"}, Rejected, False),
        (409, {"type": "invalid_request_error", "code": "idempotency_key_in_use"}, Rejected, True),
        (409, {"type": "api_error"}, Rejected, True),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, RateLimited, False),
        (400, {"type": "invalid_request_error", "code": "rate_limit"}, RateLimited, False),
        (429, {"type": "invalid_request_error"}, RateLimited, False),
        (400, {"type": "invalid_request_error", "code": "invoice_not_editable"}, InvalidState, False),
        (400, {"type": "invalid_request_error", "code": "status_transition_invalid"}, InvalidState, False),
        (402, {"type": "card_error", "code": "card_declined"}, Declined, False),
        (402, {"type": "invalid_request_error"}, Declined, False),
        (400, {"type": "invalid_request_error", "code": "invoice_payment_intent_requires_action"}, Declined, False),
        (401, {"type": "invalid_request_error"}, Unauthorized, False),
        (403, {"type": "invalid_request_error"}, Unauthorized, False),
        (400, {"type": "invalid_request_error", "code": "livemode_mismatch"}, Unauthorized, False),
        (424, {"type": "api_error"}, ServerError, True),
        (500, {"type": "api_error"}, ServerError, True),
        (503, {"type": "api_error"}, ServerError, True),
    ],
)
def test_refusals(status: int, error: dict[str, str], becomes: type[ProviderError], maybe_applied: bool) -> None:
    """By code and type first, by HTTP status where Stripe gives neither; what may have taken effect says so."""
    answer = Response(status, dumps({"error": error | {"message": "no", "param": "p"}}), {"Request-Id": "req_1"})
    found = STRIPE.error(answer)
    assert (type(found), classified(found, STRIPE).maybe_applied) == (becomes, maybe_applied)
    assert (found.code, found.param, found.status, found.request_id) == (error.get("code"), "p", status, "req_1")


@pytest.mark.parametrize("content", [b"<html>502</html>", b"[]", b'{"error": "no"}', b""])
def test_a_refusal_in_other_words(content: bytes) -> None:
    """A proxy's page is no refusal of Stripe's; a broken one may have let the request through."""
    assert STRIPE.classify(Response(502, content)).maybe_applied is True
    assert STRIPE.classify(Response(400, content)).maybe_applied is False


# ── currencies ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_whole_currency_table() -> None:
    """Every class, as Stripe's currency page lists it: two decimals but for the codes that are named."""
    zero = ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
    three = ["BHD", "JOD", "KWD", "OMR", "TND"]
    by_digits = {digits: {code for code, have in MONEY.decimals.items() if have == digits} for digits in (0, 2, 3)}
    assert by_digits[0] == set(zero)
    assert by_digits[3] == set(three)
    unlisted = {"BOV", "CHE", "CHW", "COU", "CUP", "ERN", "IRR", "KPW", "MXV", "SDG", "SSP", "SYP", "USN", "XAD"}
    assert by_digits[2] == (codes(2) - {"MGA"} - unlisted) | {"ISK", "UGX", "ANG", "BGN", "HRK"}
    assert MONEY.multiple_of == {"ISK": 100, "UGX": 100} | dict.fromkeys(three, 10)
    assert not {"CLF", "IQD", "LYD", "UYI", "UYW"} & set(MONEY.decimals)
    assert not {"CLF", "IQD", "LYD", "UYI", "UYW"} & MONEY.readable


def test_defect_59_what_the_page_lacks_is_read_and_never_billed() -> None:
    """Defect 59: fourteen active codes are not on the page, and withdrawn ones: reading has a source of its own."""
    unlisted = {"BOV", "CHE", "CHW", "COU", "CUP", "ERN", "IRR", "KPW", "MXV", "SDG", "SSP", "SYP", "USN", "XAD"}
    assert {code for code in MONEY.read_only if code in codes(2)} == unlisted
    assert set(MONEY.read_only) - unlisted == (historic_codes(0) | historic_codes(2)) - {"ANG", "BGN", "HRK"}
    assert not set(MONEY.read_only) & MONEY.currencies
    assert "not confirmed" in MONEY.read_source
    with pytest.raises(Unsupported, match="IRR: how this provider counts it is not confirmed"):
        MONEY.to_units(Money(1, "IRR"))


def test_the_minimum_charges() -> None:
    """As docs.stripe.com/currencies lists them, in the currency's own units; each is a currency that is billed."""
    listed = "EUR 50, USD 50, GBP 30, PLN 200, SEK 300, NOK 300, JPY 50, KRW 50, HUF 17500, MXN 1000, THB 1000"
    assert ", ".join(f"{code} {least}" for code, least in MINIMUM_CHARGE.items()) == listed
    assert set(MINIMUM_CHARGE) <= MONEY.currencies


@pytest.mark.parametrize("word,status", [(row.native, row.status) for row in STATUSES])
def test_native_words_are_ours(word: str, status: Status) -> None:
    """Stripe's five words are the neutral ones."""
    assert (STRIPE.status(word), word) == (status, status.value)


def test_a_past_due_date_is_a_loss_as_of_a_clock() -> None:
    """Without a clock it is told as conditional and stops nothing; as of an instant it is a loss, or none."""
    due = datetime(2026, 6, 1, tzinfo=UTC)
    bill = OneTimeCharge(
        reference="r", customer="cus_42", amount=Money(100, "EUR"), collection=Collection.send(due=due)
    )
    [told] = losses("stripe", bill)
    assert (told.code, told.severity, told.conditional) == ("IB-STRIPE-DUE-01", Severity.INFO, True)
    assert str(told).startswith("[IB-STRIPE-DUE-01] ($.collection.due) depending on the clock: ")
    [found] = losses("stripe", bill, as_of=due)
    assert (found.code, found.severity, found.conditional) == ("IB-STRIPE-DUE-01", Severity.WARNS, False)
    assert losses("stripe", bill, as_of=datetime(2026, 5, 31, tzinfo=UTC)) == ()
    with pytest.raises(ValueError, match="no time zone"):
        losses("stripe", bill, as_of=datetime(2026, 5, 31))
