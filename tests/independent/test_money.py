"""Refunds, credit notes and payments of a part: exactly once, by the ledgers of servers that share no code with us."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    Declined,
    Discrepancy,
    InvalidState,
    MalformedResponse,
    Money,
    NotFound,
    OutcomeUnknown,
    Status,
    Unsupported,
    interrupted,
)
from tests.independent.money import DAY, HOUR, KINDS, PAIRS, PART, TOTAL, VERBS, Call, Case, with_fault
from tests.independent.server import Fault, Request

of_every_verb = pytest.mark.parametrize("provider, verb", PAIRS)
keeps_no_reference = pytest.mark.parametrize("verb", ["refund", "pay"])


def a_case(provider: str, verb: str, journal: Path | None = None, **switches: Any) -> Case:
    return Case(provider, VERBS[verb], None if journal is None else str(journal / "bills.sqlite"), switches)


@cache
def requests_of(provider: str, verb: str) -> tuple[Request, ...]:
    """What a call without a fault sends."""
    case = a_case(provider, verb)
    case.make()
    return tuple(case.server.requests)


def places_of_writes(provider: str, verb: str) -> list[int]:
    return [place for place, request in enumerate(requests_of(provider, verb)) if request.writes]


@of_every_verb
def test_a_verb_takes_effect_once(provider: str, verb: str) -> None:
    """The check of the checks: without a fault it takes effect, and the same call again changes nothing."""
    case = a_case(provider, verb)
    assert case.make().done is not None, case
    case.make(pause=10)
    case.make(pause=31 * DAY)
    assert (case.effects, case.amount, list(case.faults_found())) == (1, PART, []), case


@pytest.mark.parametrize("kind", KINDS)
@of_every_verb
def test_a_fault_at_any_request_makes_no_second_effect(provider: str, verb: str, kind: str, tmp_path: Path) -> None:
    """At each request in turn; then the same call, at once or long after the provider forgot the key."""
    number = KINDS.index(kind)
    for place in range(len(requests_of(provider, verb))):
        pause, lag = [(10.0, 60.0), (25 * HOUR, 0.0), (400.0, 60.0)][(place + number) % 3]
        journal = tmp_path / str(place) if (place + number) % 4 == 0 else None
        if journal is not None:
            journal.mkdir()
        case = a_case(provider, verb, journal)
        case.server.listing_lag = lag
        assert not with_fault(case, kind, place, pause), f"{kind} at {place}, then after {pause} s: {case}"


@pytest.mark.parametrize("kind", ["repeated", "torn", "html_after"])
@of_every_verb
def test_a_fault_at_the_second_call_makes_no_second_effect(provider: str, verb: str, kind: str) -> None:
    """It was done, and the key is forgotten: what is read first is read whole, of the right thing, or nothing is."""
    for place in range(len(requests_of(provider, verb))):
        case = a_case(provider, verb)
        assert case.make().done is not None
        case.make(pause=25 * HOUR, fault=Fault(kind), place=place)
        case.make(pause=10)
        assert case.effects == 1, f"{kind} at {place}: {case}"


# ── a provider's own failure after the fact ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("verb", list(VERBS))
def test_a_failure_that_freed_the_key_is_not_followed_by_a_second_request(verb: str) -> None:
    """Chargebee does not document that a 500 is kept under its key: the verb is not sent again in the same call."""
    case = a_case("chargebee", verb)
    call = case.make(fault=Fault("failed_after"), place=places_of_writes("chargebee", verb)[-1])
    assert isinstance(call.error, OutcomeUnknown), case
    assert case.effects == 1
    case.make(pause=10)
    assert case.effects == 1


# ── whose answer is it? ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("provider, verb", [("stripe", "refund"), ("stripe", "credit")])
def test_the_answer_about_another_reference_is_no_success(provider: str, verb: str) -> None:
    """An intermediary gives the answer of an earlier refund of the same amount: it is not taken for this one's."""
    case = a_case(provider, verb)
    case.make(reference="first")
    last = case.sent(1) - 2  # the write, before the invoice is read again
    earlier = case.server.requests[last]
    old = case.server.keys[earlier.headers["idempotency-key"]].answer
    before = case.effects
    case.server._instead = lambda request, fault: old if request.writes else None
    call = case.make(reference="second", pause=10)
    assert isinstance(call.error, OutcomeUnknown), case
    assert case.effects == before


@pytest.mark.parametrize("verb", ["refund", "credit", "pay"])
def test_the_answer_of_an_earlier_transaction_is_no_success(verb: str) -> None:
    """Chargebee keeps no reference: what an earlier call of the same amount made is known by its id."""
    case = a_case("chargebee", verb)
    first = case.make(reference="first")
    assert first.done is not None
    old = next(kept.answer for kept in case.server.keys.values())
    case.server._instead = lambda request, fault: old if request.writes else None
    amount = first.done.amount_remaining if verb == "pay" else Money(PART, "EUR")
    call = case.make(reference="second", pause=10, expect=amount)
    assert isinstance(call.error, OutcomeUnknown), case
    assert case.effects == 1


# ── what failed is no success ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("attempt", [1, 2])
@keeps_no_reference
def test_a_failed_transaction_is_not_done_by_the_journal(verb: str, attempt: int, tmp_path: Path) -> None:
    """Chargebee answers 200 with a transaction that failed: the next call does not return as if it were done."""
    case = a_case("chargebee", verb, tmp_path)
    case.server.switches["transaction_status"] = "failure"
    first = case.make()
    assert isinstance(first.error, Declined), case
    again = case.make(pause=10, attempt=attempt)
    assert isinstance(again.error, Declined), case
    case.server.switches.clear()
    case.make(pause=10, attempt=3)
    assert (case.calls[-1].done is not None, case.effects, case.amount) == (True, 1, PART), case


def test_a_refund_that_failed_later_is_not_done_by_the_journal(tmp_path: Path) -> None:
    """It was on its way, and the bank refused it: the journal has its success, and Chargebee shows none."""
    case = a_case("chargebee", "refund", tmp_path)
    case.server.switches["transaction_status"] = "in_progress"
    assert case.make().done is not None, case
    doc = case.server.invoices[case.id]
    doc["issued_credit_notes"].clear()
    for row in case.server.transactions.values():
        for refund in row["linked_refunds"]:
            refund["txn_status"] = "failure"
    again = case.make(pause=25 * HOUR)
    assert isinstance(again.error, Discrepancy), case
    assert "does not show it" in str(again.error)
    assert again.error.invoice is not None


# ── two at once ──────────────────────────────────────────────────────────────────────────────────────────────────────
def meanwhile(case: Case, after: int, **more: Any) -> list[Call]:
    """Make the verb's call as another process, once the next call's request of that place is answered."""
    made: list[Call] = []
    receive = case.server.receive

    def received(request: Any) -> Any:
        answer = receive(request)
        if case.sent(1) > after and not made:
            case.server.receive = receive
            made.append(case.make(**more))
            case.server.call = 1
        return answer

    case.server.receive = received
    return made


@of_every_verb
def test_two_processes_with_one_reference_do_it_once(provider: str, verb: str) -> None:
    """Both have read that nothing was done: the key is the same."""
    last = places_of_writes(provider, verb)[-1]
    for place in range(max(last - 2, 0), last):
        case = a_case(provider, verb)
        others = meanwhile(case, place)
        first = case.make()
        assert others[0].done is not None
        assert (case.effects, case.amount, list(case.faults_found())) == (1, PART, []), f"at {place}: {case}"
        assert first.done is not None or isinstance(first.error, Discrepancy), case


@pytest.mark.parametrize("fault", [None, Fault("reset_after")])
@of_every_verb
def test_two_attempts_at_once_are_one_in_a_journal(
    provider: str, verb: str, fault: Fault | None, tmp_path: Path
) -> None:
    """The keys differ: the intent of one is refused where the other's was sent since, or took effect."""
    writes = places_of_writes(provider, verb)
    for place in range(max(writes[-1] - 2, 0), writes[-1]):
        (tmp_path / str(place)).mkdir()
        case = a_case(provider, verb, tmp_path / str(place))
        others = meanwhile(case, place, fault=fault, place=writes[-1], attempt=2)
        call = case.make()
        assert others
        assert (case.effects, list(case.faults_found())) == (1, []), f"at {place}: {case}"
        assert call.done is not None or call.error is not None
        assert getattr(call.error, "steps", ()) is not None


@pytest.mark.parametrize("pause", [10.0, 25 * HOUR])
@of_every_verb
def test_a_task_that_is_cancelled_leaves_no_second_effect(
    provider: str, verb: str, pause: float, tmp_path: Path
) -> None:
    """At each request that writes, once it has taken effect; then the same call, from another process."""
    for place in places_of_writes(provider, verb):
        (tmp_path / str(place)).mkdir()
        case = a_case(provider, verb, tmp_path / str(place))
        stop = asyncio.run(case.make_cancelled(place))
        assert isinstance(stop, asyncio.CancelledError)
        known = interrupted(stop)
        assert known is not None
        assert (known.outcome, known.invoice_id) == ("unknown", case.id)
        call = case.make(pause=pause)
        assert case.effects == 1, f"at {place}: {case}"
        assert call.done is not None or isinstance(call.error, Discrepancy), case


def test_the_refunds_of_another_payment_are_not_read_for_this_one() -> None:
    """Stripe's filter is ignored, or an intermediary repeats the listing of the payment before: nothing is refunded."""
    case = a_case("stripe", "refund")
    case.make()
    case.server.refunds[0]["payment_intent"] = "pi_of_another"
    case.server.list_refunds = lambda request: case.server._listing(case.server.refunds, request, "/v1/refunds")
    case.server.routes = [
        (method, pattern, case.server.list_refunds if method == "GET" and "refunds" in pattern.pattern else handler)
        for method, pattern, handler in case.server.routes
    ]
    call = case.make(reference="another", pause=10)
    assert isinstance(call.error, MalformedResponse), case
    assert case.effects == 1


# ── too much ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_refund_of_the_rest_leaves_other_invoices_alone() -> None:
    """One payment intent paid two invoices: all that is left of one of them is not all that is left of the intent."""
    case = a_case("stripe", "refund")
    server = case.server
    other = server.bill(2 * TOTAL)
    intent = next(iter(server.intents.values()))
    intent["amount"] += 2 * TOTAL
    intent["amount_received"] += 2 * TOTAL
    row = server._attach(server.invoices[other], "payment_intent", intent, 2 * TOTAL)
    row["_at"] = 0
    server._credit(server.invoices[other], row, "collected")
    call = case.make(amount=None)
    assert call.done is not None, case
    assert (case.effects, case.amount) == (1, TOTAL)
    assert call.done.status is Status.PAID


@pytest.mark.parametrize("provider", ["stripe", "chargebee"])
@pytest.mark.parametrize("first, then", [("refund", "credit"), ("credit", "refund")])
def test_what_was_paid_is_given_back_once(provider: str, first: str, then: str) -> None:
    """Refunded in the dashboard and then credited to the balance, or the other way round: once is enough."""
    case = Case(provider, VERBS["refund"])
    expect: dict[str, Any] = {"expect": Money(0, "EUR")} if provider == "chargebee" else {}
    case.verb = VERBS[first]
    assert case.make(amount=Money(2000, "EUR"), reference="first", **expect).done is not None, case
    case.verb = VERBS[then]
    if provider == "chargebee":
        expect = {"expect": Money(2000, "EUR")} if then == "credit" else expect
    call = case.make(amount=Money(600, "EUR"), reference="second", pause=10, **expect)
    assert isinstance(call.error, Discrepancy), case
    if provider == "stripe":
        assert "20.00 EUR of it was given back" in str(call.error)
    assert case.make(amount=Money(500, "EUR"), reference="third", pause=10, **expect).done is not None, case


def test_the_rest_of_what_was_not_credited_is_refunded() -> None:
    """Without an amount a refund leaves out what the customer has as a balance."""
    case = a_case("stripe", "refund")
    case.verb = VERBS["credit"]
    assert case.make().done is not None
    case.verb = VERBS["refund"]
    assert case.make(amount=None, pause=10).done is not None, case
    assert (case.effects, case.amount) == (1, TOTAL - PART)


# ── words that nobody knows ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("word", ["needs_attention", "timeout", "gone_fishing"])
@keeps_no_reference
def test_a_transaction_whose_end_nobody_knows_is_no_success(verb: str, word: str) -> None:
    """Chargebee states neither that it succeeded nor that it is on its way: the call does not return."""
    case = a_case("chargebee", verb)
    case.server.switches["transaction_status"] = word
    call = case.make()
    assert isinstance(call.error, OutcomeUnknown), case
    assert word in str(call.error)


def test_nothing_is_collected_beside_a_payment_that_needs_attention() -> None:
    """The bank may have taken it: a person finds that out first."""
    case = a_case("chargebee", "pay")
    case.server.switches["transaction_status"] = "needs_attention"
    case.server._take = lambda doc, amount, kind: case.server._link(doc, {"id": "txn_9", "status": "x"}, amount)
    case.make()
    del case.server._take
    case.server.switches.clear()
    call = case.make(reference="another", pause=25 * HOUR)
    assert isinstance(call.error, InvalidState), case
    assert "needs_attention" in str(call.error)
    assert case.effects == 0


def test_a_part_beside_a_refund_of_an_unknown_amount_is_refused() -> None:
    """Whop lists a refund in another currency: what is left is not known, and Whop would give back what it can."""
    case = a_case("whop", "refund")
    assert case.make().done is not None
    case.server.refunds[0]["amount"] = {"amount": "11.00", "currency": "usd", "decimals": 2}
    call = case.make(reference="second", pause=10)
    assert isinstance(call.error, Unsupported), case
    assert case.effects == 1


def test_an_invoice_that_had_the_reference_before_is_not_found() -> None:
    """Stripe's index is a minute behind: the invoice has another reference by now, so it is not this one."""
    case = a_case("stripe", "credit")
    doc = case.server.invoices[case.id]
    doc["metadata"]["invoice_bridge_reference"] = "res-1"
    case.server.record("changed", doc)
    case.clock.skip(120)
    with case.client() as client:
        assert client.find("res-1").id == case.id
        doc["metadata"]["invoice_bridge_reference"] = "res-2"
        with pytest.raises(NotFound):
            client.find("res-1")
