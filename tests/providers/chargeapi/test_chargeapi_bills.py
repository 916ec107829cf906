"""The two bills through a client, against the emulator, with every switch that concerns them both ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from invoice_bridge import (
    AmountMismatch,
    Collection,
    Declined,
    Discrepancy,
    IdempotencyMismatch,
    Line,
    Money,
    NotFound,
    Period,
    Rejected,
    Status,
)
from tests.providers.chargeapi.bench import LOOK, MAY, Bench, may_charge, may_invoice

EUR_25 = Money(2500, "EUR")
BILL = [LOOK, "POST /invoices", "GET /invoices/inv_00000001", "POST /invoices/inv_00000001/finalize"]
FOUND = [LOOK, "GET /invoices/inv_00000001"]
APRIL = Period.month(2026, 4)


@pytest.mark.parametrize("created", [False, True])
def test_a_period_invoice_bills_what_the_period_holds(created: bool) -> None:
    """It is looked for, opened, read and finalized, and comes to its transactions, whatever 2xx create answers."""
    bench = Bench(create_answers_201=created)
    found = bench.client.create(may_invoice())
    assert bench.sent == BILL
    assert (found.status, found.native_status, found.total, found.amount_remaining) == ("open", "open", EUR_25, EUR_25)
    assert (found.reference, found.period, found.metadata) == ("flt_42/2026-05", MAY, {})
    assert bench.events == [("issued", 2500)]


def test_every_request_carries_version_and_key() -> None:
    """Nothing leaves without the version header and the key; writes have an idempotency key as well."""
    bench = Bench()
    bench.client.create(may_invoice())
    assert {one.headers["charge-version"] for one in bench.transport.sent} == {"2026-03-01"}
    assert {one.headers["authorization"] for one in bench.transport.sent} == {"Bearer ch_sk_test_not_a_key"}
    keyed = ["idempotency-key" in one.headers for one in bench.transport.sent]
    assert keyed == [False, True, False, True]


def test_a_charge_of_the_right_amount() -> None:
    """Allowed, a one-time charge bills the window that comes to its amount."""
    bench = Bench()
    found = bench.client.create(may_charge(), allow=["amount"])
    assert (found.status, found.total) == (Status.OPEN, EUR_25)
    assert bench.sent == BILL


@pytest.mark.parametrize("minor", [2499, 25, 250000])
def test_a_charge_of_another_amount_leaves_a_draft(minor: int) -> None:
    """A window that comes to another amount stops before it is issued, and the error names the draft that stays."""
    bench = Bench()
    with pytest.raises(AmountMismatch) as caught:
        bench.client.create(may_charge(amount=Money(minor, "EUR")), allow=["amount"])
    assert bench.sent == BILL[:3]
    assert (caught.value.asked, caught.value.found) == (Money(minor, "EUR"), EUR_25)
    assert (caught.value.invoice_id, caught.value.outcome) == ("inv_00000001", "partly_done")
    assert "the draft inv_00000001 remains" in str(caught.value)
    assert "neither delete nor void a draft" in str(caught.value)
    assert bench.events == []
    assert bench.emulator.invoices["inv_00000001"]["status"] == "draft"


def test_lines_are_compared_by_their_sum() -> None:
    """A period invoice with lines goes where they come to what the window holds, and stops where they do not."""
    right = [Line(description="Use", amount=Money(2000, "EUR")), Line(description="Fee", amount=Money(500, "EUR"))]
    assert Bench().client.create(may_invoice(lines=right), allow=["lines"]).total == EUR_25
    with pytest.raises(AmountMismatch, match="the draft inv_00000001 remains"):
        Bench().client.create(may_invoice(lines=right[:1]), allow=["lines"])


@pytest.mark.parametrize("collects", [False, True])
def test_a_tax_that_finalizing_adds(collects: bool) -> None:
    """With tax="none" a total that finalizing changes is an AmountMismatch, which says what became of the invoice."""
    bench = Bench(finalize_taxes=True, finalize_collects=collects)
    with pytest.raises(AmountMismatch) as caught:
        bench.client.create(may_charge(collection=Collection.charge()), allow=["amount"])
    assert (caught.value.asked, caught.value.found) == (EUR_25, Money(3000, "EUR"))
    said = "is paid: ChargeAPI collected when it finalized" if collects else "is open and was not collected: void it"
    assert said in str(caught.value)
    assert bench.sent == BILL  # no pay


def test_a_tax_on_what_has_accrued() -> None:
    """A period invoice without lines is held against its draft: a tax that finalizing adds stops it."""
    bench = Bench(finalize_taxes=True)
    with pytest.raises(AmountMismatch, match=r"25\.00 EUR before it was finalized and totals 30\.00 EUR now"):
        bench.client.create(may_invoice(collection=Collection.charge()))
    assert bench.sent == BILL
    with pytest.raises(AmountMismatch, match=r"25\.00 EUR before it was finalized and totals 30\.00 EUR now"):
        bench.client.create(may_invoice(collection=Collection.charge()))  # again: the same invoice, open by now
    assert bench.sent == [*BILL, *FOUND]


def test_a_tax_that_was_asked_for() -> None:
    """With tax="provider" the lines are compared, and the total may be higher."""
    found = Bench(finalize_taxes=True).client.create(may_charge(tax="provider"), allow=["amount"])
    assert (found.subtotal, found.total) == (EUR_25, Money(3000, "EUR"))


@pytest.mark.parametrize("collects", [False, True])
def test_manual_collection(collects: bool) -> None:
    """By default no pay is sent; should finalizing collect all the same, the invoice says paid."""
    bench = Bench(finalize_collects=collects)
    found = bench.client.create(may_invoice())
    assert bench.sent == BILL
    assert found.status is (Status.PAID if collects else Status.OPEN)
    assert found.total == EUR_25


@pytest.mark.parametrize("collects", [False, True])
def test_charging(collects: bool) -> None:
    """Collection.charge ends paid, and money is collected once even where finalizing collects already."""
    bench = Bench(finalize_collects=collects)
    found = bench.client.create(may_invoice(collection=Collection.charge()))
    assert (found.status, found.amount_paid, found.amount_remaining) == ("paid", EUR_25, Money(0, "EUR"))
    assert bench.events == [("issued", 2500), ("collected", 2500)]
    assert bench.sent == (BILL if collects else [*BILL, "POST /invoices/inv_00000001/pay"])


def test_a_named_payment_method() -> None:
    """The payment method of Collection.charge is the one that pays."""
    found = Bench().client.create(may_invoice(collection=Collection.charge("pm_42")))
    assert found.payment_method == "pm_42"


def test_a_declined_payment() -> None:
    """A payment that is declined leaves the invoice open, and the error carries it."""
    bench = Bench()
    with pytest.raises(Declined) as caught:
        bench.client.create(may_invoice(collection=Collection.charge("pm_declined")))
    assert caught.value.invoice is not None
    assert (caught.value.invoice.status, caught.value.code) == (Status.OPEN, "payment_authorization_failed")


def test_sending_sets_the_due_date() -> None:
    """Collection.send leaves the invoice open with the due date asked for; nobody is mailed or charged."""
    bench = Bench()
    due = datetime(2026, 12, 1, 12, tzinfo=UTC)
    found = bench.client.create(may_invoice(collection=Collection.send(due=due)), allow=["collection"])
    assert (found.status, found.due_at) == (Status.OPEN, due)
    assert bench.sent == [*BILL[:3], "POST /invoices/inv_00000001", BILL[3]]
    assert bench.events == [("issued", 2500)]


def test_a_draft_is_left_alone() -> None:
    """draft=True looks, opens and reads, no more."""
    bench = Bench()
    assert bench.client.create(may_invoice(draft=True)).status is Status.DRAFT
    assert (bench.sent, bench.events) == (BILL[:3], [])


# ── the same reference again ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_same_reference_bills_once() -> None:
    """The second run finds the first invoice, sees that it is open, and writes nothing."""
    bench = Bench()
    first = bench.client.create(may_invoice())
    assert bench.client.create(may_invoice()) == first
    assert bench.sent == [*BILL, *FOUND]
    assert bench.events == [("issued", 2500)]


def test_a_bill_goes_on_where_it_stopped() -> None:
    """A draft left by an amount that was not there yet is finalized once its window holds it: one draft, one bill."""
    bench = Bench()
    command = may_charge(amount=Money(2600, "EUR"))
    with pytest.raises(AmountMismatch):
        bench.client.create(command, allow=["amount"])
    bench.emulator.add_transaction("flt_42", 100, "eur", datetime(2026, 5, 30, tzinfo=UTC), "Late")
    found = bench.client.create(command, allow=["amount"])
    assert (found.id, found.status, found.total) == ("inv_00000001", "open", Money(2600, "EUR"))


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("fields", [{"period": APRIL}, {"customer": None}])
def test_a_reference_of_another_bill_that_is_replayed(fields: dict[str, object], looks: bool) -> None:
    """Where a key with another body is replayed, the other bill that comes back is told apart and left alone."""
    bench = Bench(looks=looks, mismatch_refused=False)
    bench.client.create(may_invoice(draft=True))
    with pytest.raises(IdempotencyMismatch) as caught:
        bench.client.create(may_invoice(**fields))
    assert caught.value.existing is not None
    assert caught.value.existing.id == "inv_00000001"
    assert bench.events == []


def test_a_reference_of_another_bill_that_is_refused() -> None:
    """Where a key with another body is refused, so is a bill that was not looked for; nothing else is sent."""
    bench = Bench(looks=False, mismatch_refused=True)
    bench.client.create(may_invoice(draft=True))
    with pytest.raises(Rejected) as caught:
        bench.client.create(may_invoice(period=APRIL))
    assert caught.value.outcome == "nothing_done"
    assert bench.events == []


def test_a_reference_used_in_another_currency() -> None:
    """A draft in another currency, found or replayed, is a Discrepancy that carries it, and the draft stays."""
    for bench in (Bench(), Bench(looks=False, mismatch_refused=False)):
        bench.client.create(may_invoice(draft=True))
        told = "asked for USD, inv_00000001 has EUR; the draft inv_00000001 remains"
        with pytest.raises(Discrepancy, match=told) as caught:
            bench.client.create(may_invoice(currency="USD"))
        assert caught.value.invoice is not None
        assert caught.value.invoice.id == "inv_00000001"


# ── windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_window_without_transactions() -> None:
    """An empty window comes to zero, or is refused before anything is stored; a charge of 25.00 never comes of it."""
    command = may_invoice(period=Period.month(2026, 7))
    assert Bench(empty_window_refused=False).client.create(command).total == Money(0, "EUR")
    with pytest.raises(Rejected) as caught:
        Bench(empty_window_refused=True).client.create(command)
    assert (caught.value.code, caught.value.param) == ("invoice_validation_error", "period_start")
    with pytest.raises(AmountMismatch):
        Bench().client.create(may_charge(period=Period.month(2026, 7)), allow=["amount"])


def test_a_transaction_in_two_windows() -> None:
    """Whether a transaction is billed twice is not documented: a stated amount stops the second bill if not."""
    second = may_charge(reference="res-2")
    twice = Bench(billed_once=False)
    twice.client.create(may_invoice())
    assert twice.client.create(second, allow=["amount"]).total == EUR_25
    once = Bench(billed_once=True)
    once.client.create(may_invoice())
    with pytest.raises(AmountMismatch) as caught:
        once.client.create(second, allow=["amount"])
    assert caught.value.found == Money(0, "EUR")


@pytest.mark.parametrize("releases, minor", [(True, 2500), (False, 0)])
def test_a_window_after_its_invoice_was_voided(releases: bool, minor: int) -> None:
    """Whether voiding frees the transactions for another invoice is not documented."""
    bench = Bench(void_releases=releases)
    bench.client.void(bench.client.create(may_invoice()).id)
    assert bench.client.create(may_invoice(attempt=2)).total == Money(minor, "EUR")


def test_another_fleet_is_not_found() -> None:
    """A customer that is no fleet is refused by ChargeAPI, by name."""
    with pytest.raises(NotFound) as caught:
        Bench().client.create(may_invoice(customer="flt_unknown"))
    assert (caught.value.code, caught.value.param, caught.value.status) == ("fleet_not_found", "fleet", 404)
