"""ChargeAPI bills a reference once: looked up and found, with lost answers, and past the day that it remembers keys."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from invoice_bridge import (
    AlreadySettled,
    AmountMismatch,
    Collection,
    IdempotencyMismatch,
    InvalidState,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Period,
    PeriodInvoice,
    Status,
)
from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.engine.lookup import needs_lookup
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargeapi import CHARGEAPI
from tests.providers.chargeapi.bench import LOOK, Bench, may_charge, may_invoice

EUR_25 = Money(2500, "EUR")
ID = "inv_00000001"
APRIL = Period.month(2026, 4)
PAST = timedelta(hours=25)
FOUND = [LOOK, f"GET /invoices/{ID}"]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs real waiting between tries."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def charge(bench: Bench, **fields: Any) -> Any:
    """A charge of the right amount, allowed; what was sent before it is forgotten."""
    bench.transport.sent.clear()
    return bench.client.create(may_charge(**fields), allow=["amount"])


# ── when it looks ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "command",
    [
        may_charge(),
        may_invoice(),
        may_invoice(lines=[{"description": "Fees", "amount": EUR_25}]),
        may_charge(amount=None, lines=[{"description": "Fees", "amount": EUR_25}]),
    ],
)
def test_every_bill_is_looked_up(command: OneTimeCharge | PeriodInvoice) -> None:
    """ChargeAPI rates each bill itself, so a second one would be of what came late; a stated amount changes nothing."""
    assert needs_lookup(command, make_context(CHARGEAPI, {}).on(command))


@pytest.mark.parametrize("billed_once", [True, False])
def test_past_the_day_of_its_key_a_charge_is_not_made_again(billed_once: bool) -> None:
    """A day later the key is forgotten; the invoice that carries the reference is found and returned as it is."""
    bench = Bench(billed_once=billed_once)
    first = charge(bench)
    bench.clock.now += PAST
    assert charge(bench) == first
    assert bench.sent == FOUND
    assert bench.events == [("issued", 2500)]


def test_without_the_look_a_charge_would_be_made_again() -> None:
    """The control: told never to look, and where ChargeAPI bills a transaction twice, the customer is billed twice."""
    bench = Bench(looks=False, billed_once=False)
    charge(bench)
    bench.clock.now += PAST
    assert charge(bench).id == "inv_00000002"
    assert bench.events == [("issued", 2500), ("issued", 2500)]


def test_the_look_of_an_account_reads_all_of_it() -> None:
    """A bill without a fleet stands in the listing of the whole account, whose other bills are passed over."""
    bench = Bench()
    bench.client.create(may_invoice(reference="another", draft=True))
    command = may_invoice(customer=None, draft=True)
    first = bench.client.create(command)
    bench.clock.now += PAST
    bench.transport.sent.clear()
    assert bench.client.create(command) == first
    assert bench.sent == ["GET /invoices?limit=100", "GET /invoices/inv_00000002"]


# ── what is found ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_draft_that_is_found_is_finalized() -> None:
    """The ladder goes on where it stopped: nothing is opened."""
    bench = Bench()
    charge(bench, draft=True)
    bench.clock.now += PAST
    found = charge(bench)
    assert (found.id, found.status, found.total) == (ID, Status.OPEN, EUR_25)
    assert bench.sent == [*FOUND, f"POST /invoices/{ID}/finalize"]
    assert bench.events == [("issued", 2500)]


def test_an_open_invoice_that_is_found_is_collected() -> None:
    """What was to be charged and is still open is paid, once."""
    bench = Bench()
    charge(bench)
    bench.clock.now += PAST
    assert charge(bench, collection=Collection.charge()).status is Status.PAID
    assert bench.sent == [*FOUND, f"POST /invoices/{ID}/pay"]
    assert charge(bench, collection=Collection.charge()).status is Status.PAID
    assert bench.sent == FOUND
    assert bench.events == [("issued", 2500), ("collected", 2500)]


def test_defect_44_a_void_invoice_that_is_found_is_no_success() -> None:
    """Defect 44: the same bill, withdrawn since, is not made again; another attempt makes it, by a key of its own."""
    bench = Bench()
    charge(bench)
    bench.client.void(ID)
    with pytest.raises(AlreadySettled):
        charge(bench)
    assert bench.sent == FOUND
    again = charge(bench, attempt=2)
    assert (again.id, again.status) == ("inv_00000002", Status.OPEN)
    assert bench.events == [("issued", 2500), ("voided", 2500), ("issued", 2500)]


def test_another_attempt_goes_on_with_what_stands() -> None:
    """attempt=2 opens nothing while an invoice of the reference stands."""
    bench = Bench()
    charge(bench, draft=True)
    assert charge(bench, attempt=2).id == ID
    assert bench.events == [("issued", 2500)]


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"amount": Money(2600, "EUR")}, "it holds 25.00 EUR, not 26.00 EUR"),
        ({"amount": Money(2500, "USD")}, "it is in EUR, not in USD"),
        ({"period": APRIL}, "has the period 2026-05-01"),
    ],
)
def test_another_bill_that_is_found(fields: dict[str, Any], told: str) -> None:
    """An issued invoice of another amount, currency or period is another bill: nothing is written, it comes along."""
    bench = Bench()
    charge(bench)
    with pytest.raises(IdempotencyMismatch) as caught:
        charge(bench, **fields)
    assert told in str(caught.value)
    assert caught.value.existing is not None
    assert caught.value.existing.id == ID
    assert bench.sent == FOUND
    assert bench.events == [("issued", 2500)]


def test_a_draft_of_another_amount_that_is_found() -> None:
    """Its amount still moves with the window, so it is this bill: AmountMismatch, or reported as it stands."""
    bench = Bench()
    charge(bench, draft=True)
    command = may_charge(amount=Money(2600, "EUR"))
    with pytest.raises(AmountMismatch, match=f"the draft {ID} remains"):
        bench.client.create(command, allow=["amount"])
    found = bench.client.create(command, allow=["amount"], on_discrepancy="report")
    assert (found.id, found.status) == (ID, Status.DRAFT)
    assert "asked for 26.00 EUR" in found.discrepancies[0]
    assert bench.events == []


# ── lost answers ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", [Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.TORN_JSON, Kind.HTML_502_AFTER])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_lost_answer_is_asked_for_again(place: int, kind: Kind) -> None:
    """Whichever write loses its answer, it is sent again with the same key, and the customer pays once."""
    bench = Bench(Fault(kind, method="POST", skip=place))
    assert charge(bench, collection=Collection.charge()).status is Status.PAID
    writes = [one for one in bench.transport.sent if one.method == "POST"]
    assert len(writes) == 4
    assert writes[place] == writes[place + 1]
    assert "idempotency-key" in writes[place].headers
    assert bench.events == [("issued", 2500), ("collected", 2500)]


@pytest.mark.parametrize("stored", [True, False])
def test_a_server_error_after_the_fact(stored: bool) -> None:
    """Whether its key keeps it is not documented, so the bill is not sent again: a look finds what was made."""
    bench = Bench(Fault(Kind.ERROR_AFTER, method="POST", path="/invoices$"), server_errors_stored=stored)
    assert charge(bench).id == ID
    assert bench.sent == [LOOK, "POST /invoices", *FOUND, f"POST /invoices/{ID}/finalize"]
    assert bench.events == [("issued", 2500)]


def test_a_bill_whose_outcome_stays_unknown() -> None:
    """Where nothing answers any more it is said so; the next call finds the draft and goes on with it."""
    bench = Bench(Fault(Kind.RESET_AFTER, method="POST", path="/invoices$", times=3))
    with pytest.raises(OutcomeUnknown) as caught:
        charge(bench)
    assert (caught.value.reference, caught.value.outcome) == ("res-1", "unknown")
    assert charge(bench).id == ID
    assert bench.sent == [*FOUND, f"POST /invoices/{ID}/finalize"]
    assert bench.events == [("issued", 2500)]


@pytest.mark.parametrize(
    "verb, becomes, events",
    [
        ("finalize", Status.OPEN, ["issued"]),
        ("pay", Status.PAID, ["issued", "collected"]),
        ("void", Status.VOID, ["issued", "voided"]),
    ],
)
@pytest.mark.parametrize("remembers", [True, False])
def test_a_verb_whose_first_try_was_lost(
    verb: str, becomes: Status, events: list[str], remembers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try is told the first one's answer, or refused by what that one did: both are success."""
    bench = Bench(Fault(Kind.RESET_AFTER, method="POST", path=f"/{verb}$"))
    bench.ask("POST", "/invoices", {"period_start": "2026-05-01T00:00:00Z", "period_end": "2026-06-01T00:00:00Z"})
    if verb != "finalize":
        bench.client.finalize(ID)
    if not remembers:
        monkeypatch.setattr(bench.emulator, "window", timedelta(0))
    found = getattr(bench.client, verb)(ID)
    assert (found.id, found.status) == (ID, becomes)
    assert [hit.applied for hit in bench.faults.hits] == [True]
    assert [event for event, _ in bench.events] == events


def test_what_somebody_else_did_is_no_success() -> None:
    """A first try that is refused says how the invoice stands, whatever it has become."""
    bench = Bench()
    charge(bench)
    bench.client.void(ID)
    with pytest.raises(InvalidState) as caught:
        bench.client.void(ID, attempt=2)
    assert caught.value.outcome == "nothing_done"


def test_finalize_is_not_told_old_news() -> None:
    """Asked again within a day it is answered from memory; the invoice is read, and is void by now."""
    bench = Bench()
    charge(bench, draft=True)
    assert bench.client.finalize(ID).status is Status.OPEN
    bench.client.void(ID)
    assert bench.client.finalize(ID).status is Status.VOID
    assert bench.events == [("issued", 2500), ("voided", 2500)]
