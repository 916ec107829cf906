"""Stripe's native parameters, and the official SDK as their oracle."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ForwardRef, get_args

import pytest
import stripe
from stripe import params as sdk

from invoice_bridge import ALL, AmountMismatch, Collection, LossyTranslation, Money, OneTimeCharge, Unsupported, explain
from invoice_bridge.adapter.native import Native
from invoice_bridge.core.model import Line, Status
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.providers.stripe.native import ROWS
from invoice_bridge.testing.native_rows import commands_for, stating
from tests.clients import emulated
from tests.contract.test_stripe_wire import Sdk, same

COUPON = "native.stripe.discounts[].coupon"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The SDK would write an id of this machine into the home directory and send it along."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(stripe, "enable_telemetry", False)


def bill(native: dict[str, Any], total: int | None, **more: Any) -> OneTimeCharge:
    fields: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "amount": Money(2000, "EUR")}
    expected = None if total is None else Money(total, "EUR")
    return OneTimeCharge(**{**fields, "native": {"stripe": native}, "expect_total": expected, **more})


def test_a_coupon_takes_the_place_of_the_constant() -> None:
    """`discounts=""` keeps the customer's own discount away; a coupon that is asked for replaces it."""
    client, transport = emulated(lookup="never")
    made = client.create(bill({"discounts": [{"coupon": "spring"}]}, 1600), allow=[COUPON])
    assert (made.status, made.total, made.discount) == (Status.OPEN, Money(1600, "EUR"), Money(400, "EUR"))
    body = transport.sent[0].content.decode()
    assert "discounts%5B0%5D%5Bcoupon%5D=spring" in body
    assert "discounts=" not in body.replace("discounts%5B", "")


def test_another_total_issues_nothing() -> None:
    """The draft is compared before it is finalized."""
    client, transport = emulated(lookup="never")
    with pytest.raises(AmountMismatch):
        client.create(
            bill({"discounts": [{"coupon": "spring"}]}, 1700, collection=Collection.charge("pm_42")), allow=[COUPON]
        )
    assert transport.emulator.ledger == []


def test_default_tax_rates_are_in_the_expected_total() -> None:
    """20 % on 20.00: what is collected is what was expected."""
    client, _ = emulated(lookup="never")
    command = bill({"default_tax_rates": ["txr_42"]}, 2400, collection=Collection.charge("pm_42"))
    with pytest.raises(LossyTranslation):
        client.create(command, allow=ALL)
    made = client.create(command, allow=["IB-STRIPE-NATIVE-DEFAULT-TAX-RATES-01"])
    assert (made.status, made.amount_paid) == (Status.PAID, Money(2400, "EUR"))


def test_a_draft_that_is_finalized_later_says_so() -> None:
    """The effect joins the request: explain prints that it issues."""
    later = {"automatically_finalizes_at": "2027-01-01T00:00:00Z"}
    made = explain("stripe", bill(later, None, draft=True), lookup="never")
    assert made.refusal is None
    assert made.requests[0].effects == {"issues"}
    assert str(made).startswith("stripe: issues; ")
    assert b"automatically_finalizes_at=1798761600" in made.requests[0].content
    assert isinstance(explain("stripe", bill(later, None), lookup="never").refusal, Unsupported)


@pytest.mark.parametrize("name, value", [("auto_advance", True), ("pending_invoice_items_behavior", "include")])
def test_what_would_bill_more_is_refused(name: str, value: Any) -> None:
    """Stripe would collect by itself, or sweep other items in."""
    refused = explain("stripe", bill({name: value}, None), lookup="never").refusal
    assert isinstance(refused, Unsupported)
    assert refused.source


def test_lines_have_an_entry_each() -> None:
    """A list of another length is refused before anything is sent, with both numbers."""
    lines = (Line(amount=Money(1000, "EUR")), Line(amount=Money(1000, "EUR")))
    command = bill({"lines": [{"discountable": False}]}, 2000, amount=None, lines=lines)
    client, transport = emulated(lookup="never")
    with pytest.raises(Unsupported, match="an entry for each of the bill's 2 lines, and has 1") as refused:
        client.create(command, allow=["native.stripe.lines[].discountable"])
    assert refused.value.outcome == "nothing_done"
    assert transport.sent == []


# ── the SDK as oracle ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.step} {row.path}")
def test_a_native_parameter_is_what_the_sdk_would_send(row: Native) -> None:
    """The SDK, given the same parameters, sends the same bytes."""
    context, compared = replace(make_context(STRIPE, {}), allowed=frozenset({"minimum"})), 0
    for command in commands_for(row, "cus_42", "pm_42", "sub_42"):
        plain = plan(command, context, lookup="never")
        if compared or plain.refusal is not None or not row.when(command, context):
            continue
        made = plan(stating(command, row, context, 0), context, lookup="never")
        if made.refusal is None:
            for request in made.requests:
                if request.writes and "{" not in request.url:
                    same(request, Sdk().twin(request))
                    compared += 1
    assert compared


def _typed(hint: Any, names: list[str]) -> bool:
    """Whether the SDK's types have the names, one below the other."""
    if not names:
        return True
    text = hint.__forward_arg__ if isinstance(hint, ForwardRef) else str(hint)
    for kind in (getattr(sdk, word, None) for word in _words(text)):
        fields = getattr(kind, "__annotations__", {})
        if names[0] in fields and _typed(_inner(fields[names[0]]), names[1:]):
            return True
    return False


def _words(text: str) -> list[str]:
    return [word for word in "".join(c if c.isalnum() else " " for c in text).split() if "Params" in word]


def _inner(hint: Any) -> Any:
    arguments = get_args(hint)
    return arguments[0] if arguments else hint


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.step} {row.path}")
def test_the_sdk_has_the_parameter(row: Native) -> None:
    """No row is made up: each path leads through the SDK's types of that request."""
    params = {
        "open": "InvoiceCreateParams",
        "lines": "InvoiceAddLinesParams",
        "pay": "InvoicePayParams",
        "update": "InvoiceUpdateParams",
    }[row.step]
    assert _typed(params, row.path.replace("[]", "").split("."))
    assert not _typed(params, ["made_up"])
