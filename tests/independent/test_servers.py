"""The four servers themselves: what they import, and that they enforce what their contract sheets say."""

from __future__ import annotations

import ast
import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.independent.chargeapi import ChargeAPI
from tests.independent.chargebee import Chargebee
from tests.independent.over_http import serving
from tests.independent.server import Clock, Fault, Provider
from tests.independent.stripe import Stripe
from tests.independent.whop import Whop

HERE = Path(__file__).parent
SERVERS = (
    *("server.py", "over_http.py", "chargeapi.py", "chargebee.py", "stripe.py", "whop.py"),
    *("chargebee_money.py", "stripe_money.py", "whop_money.py"),
)
SECRET = "sk_test_not_a_key"


class Caller:
    """Plain HTTP to a server: nothing of the library takes part."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._line = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=5)

    def __call__(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, secret: str = SECRET
    ) -> tuple[int, Any, dict[str, str]]:
        headers = {"Authorization": f"Bearer {secret}", "Api-Version-Date": "2026-10-15-1"}
        if self.provider.name == "chargebee":
            headers["Authorization"] = "Basic " + base64.b64encode(f"{secret}:".encode()).decode()
        if key is not None:
            headers[self.provider.key_header] = key
        in_json = self.provider.name in {"chargeapi", "whop"}
        content = None if body is None else json.dumps(body) if in_json else urlencode(body)
        self._line.request(method, path, content, headers)
        answer = self._line.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}

    def close(self) -> None:
        self._line.close()


def calling(kind: type[Provider], **switches: Any) -> Iterator[Caller]:
    with serving(kind(Clock(), SECRET)) as provider:
        provider.reset(**switches)
        caller = Caller(provider)
        yield caller
        caller.close()


@pytest.fixture(params=[ChargeAPI, Chargebee, Stripe, Whop], ids=lambda kind: kind.name)
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    yield from calling(request.param, transactions=[("cus_1", 1_777_600_000, 1999, "Energy")])


def a_bill(provider: Provider, amount: int = 1999) -> tuple[str, Any]:
    """A creating request of each provider."""
    if provider.name == "chargeapi":
        return "/v1/invoices", {
            "period_start": "2026-05-01T00:00:00.000Z",
            "period_end": "2026-06-01T00:00:00.000Z",
            "fleet": "cus_1",
        }
    if provider.name == "chargebee":
        fields = {"customer_id": "cus_1", "charges[amount][0]": str(amount), "charges[description][0]": "Energy"}
        return "/api/v2/invoices/create_for_charge_items_and_charges", {**fields, "auto_collection": "off"}
    if provider.name == "stripe":
        return "/v1/invoices", {"customer": "cus_1", "currency": "eur", "description": str(amount)}
    plan = {"plan_type": "one_time", "initial_price": amount / 100, "currency": "eur"}
    who = {"account_id": "biz_independent", "member_id": "mber_1", "collection_method": "send_invoice"}
    return "/api/v1/invoices", {**who, "plan": plan, "product": {"title": "Energy"}, "save_as_draft": True}


@pytest.mark.parametrize("name", SERVERS)
def test_the_servers_import_nothing_of_the_library(name: str) -> None:
    """A judge that shared code with the library would share its beliefs: standard library and siblings only."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse((HERE / name).read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write absolute imports, so that this test can read them"
            imported.add(node.module or "")
    foreign = {each for each in imported if each.partition(".")[0] not in _standard()}
    assert foreign <= {f"tests.independent.{each.removesuffix('.py')}" for each in SERVERS}


def _standard() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names


def test_every_server_file_is_checked() -> None:
    """A new file of this directory is a server, and listed here, or one of the judge's own."""
    others = {path.name for path in HERE.glob("*.py")} - set(SERVERS)
    assert all(
        name.startswith("test_") or name in {"campaign.py", "judge.py", "calls.py", "cases.py", "money.py"}
        for name in others
    )


def test_a_wrong_key_is_refused(caller: Caller) -> None:
    """401 for any other secret, and nothing happens."""
    path, body = a_bill(caller.provider)
    assert caller("POST", path, body, secret="sk_test_another")[0] == 401
    assert not caller.provider.events


def test_a_key_is_answered_again_within_its_lifetime_and_not_after(caller: Caller) -> None:
    """The stored answer comes back byte for byte, with the provider's replay header; later the key is unknown."""
    path, body = a_bill(caller.provider)
    first = caller("POST", path, body, key="k1")
    again = caller("POST", path, body, key="k1")
    assert first[0] == again[0] == 200
    assert first[1] == again[1]
    for name in caller.provider.replay_headers:
        assert name.lower() in again[2]
        assert name.lower() not in first[2]
    caller.provider.clock.skip(caller.provider.lifetime - 5)
    assert caller("POST", path, body, key="k1")[1] == first[1]
    caller.provider.clock.skip(10)
    assert caller("POST", path, body, key="k1")[1] != first[1]
    assert len(caller.provider.invoices) == 2


def test_a_key_of_another_request_is_a_mismatch(caller: Caller) -> None:
    """ChargeAPI says that the first request is authoritative and nothing of bodies; the others refuse."""
    path, body = a_bill(caller.provider)
    other = {**body, "description": "another"} if caller.provider.name == "chargeapi" else a_bill(caller.provider, 1)[1]
    first = caller("POST", path, body, key="k1")
    status, content, _ = caller("POST", path, other, key="k1")
    expected = {"chargeapi": 200, "chargebee": 422, "stripe": 400, "whop": 400}[caller.provider.name]
    assert status == expected
    assert (content == first[1]) == (caller.provider.name == "chargeapi")
    assert len(caller.provider.invoices) == 1


def test_a_running_request_keeps_its_key(caller: Caller) -> None:
    """A delayed effect: the key answers "in progress" until it has landed, and then the stored answer."""
    path, body = a_bill(caller.provider)
    caller.provider.faults[0, 0] = Fault("late", 30)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        caller("POST", path, body, key="k1")
    caller.close()
    status = caller("POST", path, body, key="k1")[0]
    assert status == (429 if caller.provider.name == "chargebee" else 409)
    assert not caller.provider.invoices
    caller.provider.clock.skip(31)
    status, content, _ = caller("POST", path, body, key="k1")
    assert status == 200
    assert len(caller.provider.invoices) == 1
    assert next(iter(caller.provider.invoices)) in content.decode()


@pytest.mark.parametrize(
    "kind, happened",
    [
        *(("reset_before", 0), ("reset_after", 1), ("failed_before", 0), ("failed_after", 1), ("html_before", 0)),
        *(("html_after", 1), ("torn", 1), ("throttled", 0), ("twice", 2)),
    ],
)
def test_every_fault_does_what_it_says(caller: Caller, kind: str, happened: int) -> None:
    """Without a key: whether the request took effect, and whether an answer came."""
    path, body = a_bill(caller.provider)
    caller.provider.faults[0, 0] = Fault(kind)
    if kind.startswith("reset"):
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            caller("POST", path, body)
    else:
        status, content, _ = caller("POST", path, body)
        expected = {"failed": 500, "html": 502, "torn": 200, "throttled": 429, "twice": 200}
        assert status == expected[kind.partition("_")[0]]
        if kind == "torn":
            with pytest.raises(ValueError, match=r"."):
                json.loads(content)
    assert len(caller.provider.invoices) == happened


def test_a_listing_can_lag(caller: Caller) -> None:
    """What was made within the lag is not listed yet."""
    path, body = a_bill(caller.provider)
    caller("POST", path, body)
    caller.provider.listing_lag = 60
    query = "?account_id=biz_independent" if caller.provider.name == "whop" else ""
    listing = path.removesuffix("/create_for_charge_items_and_charges") + query
    made = next(iter(caller.provider.invoices)).encode()
    shown = b'"id": "' + made + b'"'
    assert shown not in caller("GET", listing)[1]
    caller.provider.clock.skip(61)
    assert shown in caller("GET", listing)[1]


@pytest.fixture
def stripe() -> Iterator[Caller]:
    yield from calling(Stripe, balance=5000, discount=10)


def _stripe_draft(stripe: Caller, **more: str) -> str:
    fields = {"customer": "cus_1", "currency": "eur", **more}
    identifier: str = json.loads(stripe("POST", "/v1/invoices", fields)[1])["id"]
    stripe("POST", f"/v1/invoices/{identifier}/add_lines", {"lines[0][amount]": "2000"})
    return identifier


def test_stripe_takes_a_discount_and_a_balance_by_itself(stripe: Caller) -> None:
    """The customer's discount unless `discounts` is sent empty; the balance at finalize; both in what is collected."""
    identifier = _stripe_draft(stripe)
    finalized = json.loads(stripe("POST", f"/v1/invoices/{identifier}/finalize")[1])
    assert (finalized["total"], finalized["amount_due"]) == (1800, 6800)
    stripe("POST", f"/v1/invoices/{identifier}/pay")
    assert [event.amount for event in stripe.provider.events if event.kind == "collected"] == [6800]
    second = _stripe_draft(stripe, discounts="")
    assert json.loads(stripe("POST", f"/v1/invoices/{second}/finalize")[1])["amount_due"] == 2000


def test_stripe_refuses_the_wrong_state(stripe: Caller) -> None:
    """A draft cannot be voided, an issued invoice not deleted or changed, a paid one not paid again."""
    identifier = _stripe_draft(stripe)
    assert stripe("POST", f"/v1/invoices/{identifier}/void")[0] == 400
    stripe("POST", f"/v1/invoices/{identifier}/finalize")
    assert stripe("DELETE", f"/v1/invoices/{identifier}")[0] == 400
    assert stripe("POST", f"/v1/invoices/{identifier}/add_lines", {"lines[0][amount]": "1"})[0] == 400
    assert stripe("POST", f"/v1/invoices/{identifier}/send")[0] == 400
    stripe("POST", f"/v1/invoices/{identifier}/pay")
    assert stripe("POST", f"/v1/invoices/{identifier}/pay")[0] == 400


def test_stripe_search_lags_behind(stripe: Caller) -> None:
    """The index shows an invoice some 50 seconds after it was made."""
    _stripe_draft(stripe, **{"metadata[order]": "r-1"})
    query = "/v1/invoices/search?" + urlencode({"query": "metadata['order']:'r-1'"})
    assert not json.loads(stripe("GET", query)[1])["data"]
    stripe.provider.clock.skip(60)
    assert len(json.loads(stripe("GET", query)[1])["data"]) == 1


def test_chargebee_applies_credits_and_taxes_by_itself() -> None:
    """A taxable charge is taxed and the customer's credits are used when it is issued."""
    for caller in calling(Chargebee, tax=20, credits=500):
        path, body = a_bill(caller.provider)
        made = json.loads(caller("POST", path, body)[1])["invoice"]
        assert (made["total"], made["credits_applied"], made["amount_due"]) == (2398, 500, 1898)
        untaxed = json.loads(caller("POST", path, {**body, "charges[taxable][0]": "false"})[1])["invoice"]
        assert untaxed["total"] == 1999


def test_whop_adds_tax_to_the_payment_only() -> None:
    """The invoice shows no total; the payment's total holds the tax."""
    for caller in calling(Whop, tax=20):
        path, body = a_bill(caller.provider)
        charge = {"collection_method": "charge_automatically", "payment_method_id": "pmt_1", "save_as_draft": False}
        made = json.loads(caller("POST", path, {**body, **charge, "due_date": "2027-01-01T00:00:00.000Z"})[1])
        assert "total" not in made
        paid = json.loads(caller("GET", f"/api/v1/payments/{made['payment']['id']}")[1])
        assert (paid["subtotal"], paid["total"], paid["tax_amount"]) == (19.99, 23.98, 3.99)
