"""What ChargeAPI does by itself: a tax that finalizing adds, and methods it does not know; each both ways."""

import pytest

from invoice_bridge import AmountMismatch, Collection, Money, NotFound, ProviderError, Status
from invoice_bridge.core.wire import Flow
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargeapi import CHARGEAPI
from tests.providers.chargeapi.bench import Bench, answer, may_charge, may_invoice

EUR_25, EUR_30 = Money(2500, "EUR"), Money(3000, "EUR")
OPEN = {"status": "open", "metadata": {"invoice_bridge_reference": "res-1"}}
DRAFT = {**OPEN, "status": "draft"}


@pytest.mark.parametrize("taxes", [True, False])
@pytest.mark.parametrize("kind", ["charge", "period"])
def test_a_tax_that_finalizing_adds_is_seen_before_it_is_collected(taxes: bool, kind: str) -> None:
    """Defect 35: with tax="none" a total that finalizing changed is never paid; without the tax the bill is."""
    bench = Bench(finalize_taxes=taxes)
    make = may_charge if kind == "charge" else may_invoice
    command = make(collection=Collection.charge())
    if taxes:
        with pytest.raises(AmountMismatch):
            bench.client.create(command, allow=["amount"])
        assert bench.events == [("issued", 3000)]
    else:
        assert bench.client.create(command, allow=["amount"]).amount_paid == EUR_25


@pytest.mark.parametrize("taxes,collected", [(True, EUR_30), (False, EUR_25)])
def test_a_tax_that_was_asked_for_is_collected(taxes: bool, collected: Money) -> None:
    """Defect 35: with tax="provider" what the open invoice demands is what is collected."""
    bench = Bench(finalize_taxes=taxes)
    found = bench.client.create(may_charge(tax="provider", collection=Collection.charge()), allow=["amount"])
    assert (found.status, found.amount_paid) == (Status.PAID, collected)


def finalized(command: object, **fields: object) -> Flow[object]:
    """The flow of a bill up to its finalized invoice, which has these fields."""
    flow = CHARGEAPI.flow(command, make_context(CHARGEAPI, {}).on(command))  # type: ignore[arg-type]
    next(flow)
    flow.send(answer(**DRAFT))
    flow.send(answer(**DRAFT))
    flow.send(answer(**OPEN | fields))
    return flow


def test_an_open_invoice_that_states_no_amount_is_not_collected() -> None:
    """Defect 35: a figure that is missing satisfies no comparison before collecting."""
    command = may_charge(tax="provider", collection=Collection.charge())
    with pytest.raises(AmountMismatch, match="does not state what it would collect"):
        finalized(command, amount_due=None)


def test_an_open_invoice_below_its_lines_is_not_collected() -> None:
    """Defect 35: a tax makes an invoice larger; one that demands less than its lines is another bill."""
    command = may_charge(tax="provider", collection=Collection.charge())
    with pytest.raises(AmountMismatch, match=r"add up to 25\.00 EUR, but it would collect 20\.00 EUR"):
        finalized(command, amount_due=2000)


@pytest.mark.parametrize("collected", [2500, 3000])
def test_what_was_collected_is_compared_with_what_was_demanded(collected: int) -> None:
    """Defect 35: another amount than the open invoice demanded is an AmountMismatch after the fact."""
    flow = finalized(may_charge(collection=Collection.charge()))
    paid = answer(**OPEN | {"status": "paid", "amount_due": 0, "amount_paid": collected})
    if collected == 2500:
        with pytest.raises(StopIteration) as done:
            flow.send(paid)
        assert done.value.value.amount_paid == EUR_25
    else:
        with pytest.raises(AmountMismatch, match=r"demanded 25\.00 EUR, but 30\.00 EUR was collected"):
            flow.send(paid)


@pytest.mark.parametrize("method", ["garbage", "pm_of_nobody", "pmt_42"])
def test_a_method_that_is_not_known_is_not_charged(method: str) -> None:
    """Defect 83: payment_method_not_found, and nothing is collected; a known one is charged."""
    bench = Bench()
    with pytest.raises(NotFound):
        bench.client.create(may_invoice(collection=Collection.charge(method)))
    assert bench.events == [("issued", 2500)]
    known = Bench().client.create(may_invoice(collection=Collection.charge("pm_42")))
    assert known.payment_method == "pm_42"


def test_a_declined_method_collects_nothing() -> None:
    """Defect 83: the method that declines is known, and collects nothing."""
    bench = Bench()
    with pytest.raises(ProviderError) as refusal:
        bench.client.create(may_invoice(collection=Collection.charge("pm_declined")))
    assert refusal.value.code == "payment_authorization_failed"
    assert bench.events == [("issued", 2500)]
