"""Whop's native parameters: it mails and charges as it makes, so nothing that changes the amount is charged unseen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    ALL,
    AmountMismatch,
    Client,
    Collection,
    Line,
    LossyTranslation,
    Money,
    OneTimeCharge,
    Unsupported,
)
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.adapter.native import Native
from invoice_bridge.core.model import Status
from invoice_bridge.explain import explain, make_context, plan
from invoice_bridge.providers.whop import WHOP
from invoice_bridge.providers.whop.emulator import WhopEmulator
from invoice_bridge.providers.whop.native import ROWS
from invoice_bridge.testing.native_rows import commands_for, stating
from tests.providers.whop.test_whop_oracle import strict

ROOT = "https://api.whop.com/api/v1"
DUE = datetime(2030, 1, 1, tzinfo=UTC)
SEND, CHARGE = Collection.send(due=DUE), Collection.charge("pmt_42")
FEE = "native.whop.charge_buyer_fee"


def client_of(emulator: WhopEmulator) -> Client:
    http = httpx.Client(transport=EmulatorTransport(emulator, ROOT))
    return Client("whop", api_key=emulator.key, http=http, lookup="never", account_id="biz_42")


def bill(native: dict[str, Any], total: int | None = None, **more: Any) -> OneTimeCharge:
    fields: dict[str, Any] = {"reference": "res-1", "customer": "mber_42", "amount": Money(2000, "EUR")}
    fields |= {"collection": SEND} | more
    if fields["collection"].kind == "charge":
        fields["issued_at"] = datetime(2026, 5, 1, tzinfo=UTC)
    expected = None if total is None else Money(total, "EUR")
    return OneTimeCharge(**{**fields, "native": {"whop": native}, "expect_total": expected})


def refusal(command: OneTimeCharge) -> Any:
    return explain("whop", command, lookup="never", account_id="biz_42").refusal


def test_the_buyers_fee_is_expected_and_named() -> None:
    """It replaces the constant, on a draft; a plan states the price alone, and once it is paid the payment is compared.

    What issues the draft is Whop's dashboard: no call does.
    """
    emulator = WhopEmulator()
    client = client_of(emulator)
    with pytest.raises(LossyTranslation):
        client.create(bill({"charge_buyer_fee": True}, 2060, draft=True), allow=ALL)
    made = client.create(bill({"charge_buyer_fee": True}, 2060, draft=True), allow=[FEE])
    assert (made.status, made.subtotal, made.total) == (Status.DRAFT, Money(2000, "EUR"), None)
    assert not emulator.ledger
    emulator.invoices[made.id]["given"]["save_as_draft"] = False
    assert client.retrieve(made.id).status is Status.OPEN
    emulator.settle(made.id)
    assert client.retrieve(made.id).total == Money(2060, "EUR")
    again = client.create(bill({"charge_buyer_fee": True}, 2060, draft=True), allow=[FEE])
    assert (again.id, again.amount_paid) == (made.id, Money(2060, "EUR"))
    with pytest.raises(AmountMismatch):
        client.create(bill({"charge_buyer_fee": True}, 2070, draft=True), allow=[FEE])


@pytest.mark.parametrize("collection", [SEND, CHARGE], ids=["send", "charge"])
@pytest.mark.parametrize(
    "more",
    [
        {"native": {"whop": {"charge_buyer_fee": True}}, "expect_total": Money(2060, "EUR")},
        {"native": {"whop": {"plan": {"adaptive_pricing_enabled": True}}}, "expect_total": Money(2000, "EUR")},
        {"native_unchecked": {"whop": {"newer": True}}},
        {
            "native": {"whop": {"charge_buyer_fee": True, "automatically_finalizes_at": "2029-01-01T00:00:00Z"}},
            "expect_total": Money(2060, "EUR"),
        },
    ],
    ids=["fee", "pricing", "unchecked", "scheduled"],
)
def test_what_changes_the_amount_is_neither_mailed_nor_charged_uncompared(
    collection: Collection, more: dict[str, Any]
) -> None:
    """One request makes the invoice and mails or charges it, so nothing of what it comes to could be compared before.

    Nothing reaches the provider: not even with every loss allowed by its name.
    """
    emulator = WhopEmulator()
    command = bill({}, None, collection=collection).model_copy(update=more)
    names = [FEE, "native.whop.plan.adaptive_pricing_enabled", "native_unchecked.whop.newer", "tax"]
    with pytest.raises(Unsupported, match=r"(mails|collects) this bill before what .* draft=True"):
        client_of(emulator).create(command, allow=names)
    assert not emulator.ledger
    assert not emulator.invoices
    assert explain("whop", command, lookup="never", account_id="biz_42").requests == ()


def test_no_method_may_be_enabled_or_disabled() -> None:
    """An empty list is a value of its own: all that the platform offers, or nothing of it, is left as it is."""
    methods = {"enabled": [], "disabled": [], "include_platform_defaults": True}
    assert refusal(bill({"plan": {"payment_method_configuration": methods}})) is None


def test_a_product_that_is_named_has_a_tax_code_of_its_own() -> None:
    """The parameter is for a product that the bill makes."""
    code: dict[str, Any] = {"product": {"product_tax_code_id": "ptc_1"}}
    assert refusal(bill(code, 2000, draft=True)) is None
    line = Line(description="Seats", amount=Money(2000, "EUR"), product="prod_1")
    refused = refusal(bill(code, 2000, amount=None, lines=(line,), draft=True))
    assert isinstance(refused, Unsupported)
    assert refused.remedy == "the product named by the lines or by the setting product_id has its own tax code"
    refused = refusal(bill({"product_id": "prod_2"}, amount=None, lines=(line,)))
    assert isinstance(refused, Unsupported)
    assert refused.remedy == "the lines name a product: state it there"


def test_no_fee_is_charged_unseen() -> None:
    """A charge is collected by the request that makes it: nothing could be compared before."""
    assert isinstance(refusal(bill({"charge_buyer_fee": True}, 2060, collection=CHARGE)), Unsupported)
    newer = bill({}, None, collection=CHARGE, native_unchecked={"whop": {"newer": True}})
    assert isinstance(refusal(newer), Unsupported)


def test_a_payment_token_is_charged() -> None:
    """Exactly one of token and method is sent."""
    emulator = WhopEmulator()
    command = bill({"payment_token_id": "payt_42"}, collection=Collection.charge())
    made = client_of(emulator).create(command, allow=["tax"])
    assert (made.status, made.amount_paid) == (Status.PAID, Money(2000, "EUR"))
    assert isinstance(refusal(bill({"payment_token_id": "payt_42"}, collection=CHARGE)), Unsupported)
    assert isinstance(refusal(bill({}, collection=Collection.charge())), Unsupported)


def test_a_scheduled_bill_is_a_draft_until_then() -> None:
    """It is no unfinished bill: the draft is returned, and issued and mailed at the instant."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    emulator = WhopEmulator(clock=clock)
    client = client_of(emulator)
    command = bill({"automatically_finalizes_at": datetime(2026, 6, 1, tzinfo=UTC)})
    made = client.create(command)
    assert made.status is Status.DRAFT
    assert [entry.event for entry in emulator.ledger] == []
    assert client.create(command).id == made.id
    clock.now += timedelta(days=40)
    assert client.retrieve(made.id).status is Status.OPEN
    assert [entry.event for entry in emulator.ledger] == ["issued", "mailed"]
    assert isinstance(refusal(bill({"automatically_finalizes_at": DUE}, draft=True)), Unsupported)


def test_a_product_of_its_own() -> None:
    """A bill names its product, in place of the one that would be made, and of the setting's."""
    for settings in ({}, {"product_id": "prod_7"}):
        made = explain("whop", bill({"product_id": "prod_42"}), lookup="never", account_id="biz_42", **settings)
        (body,) = [request.body for request in made.requests if request.opens] or [{}]
        assert body is not None
        assert (body["product_id"], "product" in body) == ("prod_42", False)


@pytest.mark.parametrize("name", ["plan_type", "renewal_price", "billing_period", "trial_period_days"])
def test_no_bill_begins_a_subscription(name: str) -> None:
    """What renews would charge again."""
    refused = refusal(bill({"plan": {name: 1}}))
    assert isinstance(refused, Unsupported)
    assert "renews" in str(refused)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_the_sdk_has_the_parameter(row: Native) -> None:
    """whop-sdk's model takes what is sent, strictly: no unknown key, no word outside its literals."""
    context, compared = make_context(WHOP, {"account_id": "biz_42"}), 0
    for command in commands_for(row, "mber_42", "pmt_42", "sub_42"):
        if compared or not row.when(command, context):
            continue
        made = plan(stating(command, row, context, 0), context, lookup="never")
        if made.refusal is None:
            assert strict(made.requests[0].content) == []
            compared += 1
    assert compared
