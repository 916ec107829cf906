"""A repetition that Chargebee refuses: it is a success where the first try took effect, and a refusal where not.

The answer of the first try is lost, so nobody knows; what the invoice shows decides.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import BridgeError, Client, Collection, Discrepancy, Invoice, Money, OneTimeCharge, Rejected
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.emulator import EmulatorTransport
from tests.providers.chargebee.conftest import API, World

REFUSAL = {"message": "Sorry", "type": "invalid_request", "api_error_code": "invalid_request"}
Verb = Callable[[Client, str], Invoice]


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def refund(client: Client, invoice_id: str) -> Invoice:
    return client.refund(invoice_id, amount=eur(1000), reference="re-1", expect=eur(500))


def credit(client: Client, invoice_id: str) -> Invoice:
    return client.credit(invoice_id, amount=eur(1000), reference="cn-1", expect=eur(500))


def collect(client: Client, invoice_id: str) -> Invoice:
    given: dict[str, Any] = {"payment_method": "pm_42", "expect": eur(2000)}
    return client.pay(invoice_id, amount=eur(1000), reference="part-1", **given)


def record(client: Client, invoice_id: str) -> Invoice:
    return client.record_payment(invoice_id, amount=eur(1000), at=datetime(2026, 10, 1, tzinfo=UTC), reference="wire-1")


class RefusesAgain(httpx.BaseTransport):
    """Passes requests on; of those that post to a path, the second one is refused."""

    def __init__(self, inner: httpx.BaseTransport, path: str) -> None:
        self.inner, self.path, self.posted = inner, path, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and re.search(self.path, request.url.path):
            self.posted += 1
            if self.posted == 2:
                return httpx.Response(400, json=REFUSAL)
        return self.inner.handle_request(request)


def _invoice(world: World, verb: Verb) -> str:
    """An invoice of 25.00 of which 5.00 was refunded, credited or paid before."""
    charged = Collection.charge("pm_42") if verb is refund else Collection.manual()
    bill = OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(2500), collection=charged)
    made = world.client.create(bill)
    if verb is refund:
        world.client.refund(made.id, amount=eur(500), reference="before", expect=eur(0))
    if verb is credit:
        world.client.credit(made.id, amount=eur(500), reference="before", expect=eur(0))
    if verb is collect:
        world.client.pay(made.id, amount=eur(500), reference="before", payment_method="pm_42", expect=eur(2500))
    return made.id


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
@pytest.mark.parametrize(
    "verb,path,amount",
    [
        (refund, "/refund$", "amount_refunded"),
        (credit, "/credit_notes$", "amount_credited"),
        (collect, "/collect_payment$", "amount_paid"),
        (record, "/record_payment$", "amount_paid"),
    ],
)
def test_a_refused_repetition_is_what_the_invoice_shows(
    world: World, verb: Verb, path: str, amount: str, kind: Kind
) -> None:
    """Done once and returned; or not done, and the refusal is the caller's to read."""
    invoice_id = _invoice(world, verb)
    before = getattr(world.client.retrieve(invoice_id), amount)
    effects = len(world.events)
    inner = EmulatorTransport(Faults(world.site, [Fault(kind, path=path)]), API)
    transport = RefusesAgain(inner, path)
    client = Client("chargebee", api_key=world.site.key, site="acme-test", http=httpx.Client(transport=transport))
    if kind is Kind.RESET_AFTER:
        assert getattr(verb(client, invoice_id), amount) == before + eur(1000)
        assert len(world.events) == effects + 1
    else:
        with pytest.raises(BridgeError) as refused:
            verb(client, invoice_id)
        assert isinstance(refused.value, Rejected)
        assert len(world.events) == effects
    assert transport.posted == 2


@pytest.mark.parametrize("kept", [False, True], ids=["forgotten", "journal"])
def test_a_reference_that_chargebee_does_not_keep(world: World, kept: bool, tmp_path: Path) -> None:
    """After the key's lifetime the expected amount alone protects; a journal refuses what it has as done."""
    invoice_id = world.client.create(
        OneTimeCharge(reference="res-1", customer="cus_42", amount=eur(2500), collection=Collection.manual())
    ).id

    def pay(expect: int) -> Invoice:
        journal = tmp_path / "bills.sqlite" if kept else None
        http = httpx.Client(transport=EmulatorTransport(world.site, API))
        with Client("chargebee", api_key=world.site.key, site="acme-test", http=http, journal=journal) as client:
            return client.pay(
                invoice_id, amount=eur(1000), reference="part-1", payment_method="pm_42", expect=eur(expect)
            )

    pay(2500)
    world.site.kept.clear()
    if kept:
        assert pay(2500).amount_paid == eur(1000)
        with pytest.raises(Discrepancy, match=f"the journal has the payment 'part-1' of {invoice_id} as done"):
            pay(1500)
    else:
        with pytest.raises(Discrepancy, match=r"expected 25\.00 EUR"):
            pay(2500)
        assert pay(1500).amount_paid == eur(2000)
