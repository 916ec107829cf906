"""Handover: the period decides who bills, one book decides how often; each rule has a control that fails without."""

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    AlreadyBilled,
    AsyncHandover,
    BilledElsewhere,
    BridgeError,
    ConfigurationError,
    Handover,
    Journal,
    NotFound,
    Period,
    PeriodInvoice,
    Unsupported,
)
from invoice_bridge.emulator import Fault, Kind
from invoice_bridge.journal.switches import EVERYBODY
from invoice_bridge.switch.sides import Sides
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.databases import Place, run_elsewhere
from tests.switch.pair import ALLOWED, AT, Pair, Shop


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Stripe is left, Chargebee is moved to."""
    return Pair(tmp_path / "bills.sqlite")


# ── who bills ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_start_of_a_period_decides_who_bills_it(pair: Pair) -> None:
    """A period that ends at the instant is the old side's, one that starts there the new one's."""
    with pair.handover() as billing:
        made = [billing.create(pair.period(month), allow=ALLOWED) for month in (10, 11, 12)]
        assert [invoice.provider for invoice in made] == ["stripe", "stripe", "chargebee"]
        assert billing.side_of(pair.period(11)) is billing.old
        assert billing.provider == "stripe → chargebee"
        assert repr(billing) == "Handover('stripe', 'chargebee')"
        assert (billing.book, billing.lookup) == (billing.new.book, "journal")
        assert billing.journal is billing.old.journal


@pytest.mark.parametrize(
    "start,end",
    [
        (datetime(2026, 11, 15, tzinfo=UTC), datetime(2026, 12, 15, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2026, 11, 1, tzinfo=UTC), AT + timedelta(microseconds=1)),
    ],
)
def test_a_period_across_the_instant_is_refused(pair: Pair, start: datetime, end: datetime) -> None:
    """Neither side may bill all of it; nothing is sent."""
    across = pair.period(11, period=Period(start, end))
    with pair.handover() as billing, pytest.raises(ConfigurationError, match="lies across the switch") as refused:
        billing.create(across)
    assert (refused.value.outcome, pair.old.requests, pair.new.requests) == ("nothing_done", 0, 0)


@pytest.mark.parametrize(
    "on,provider",
    [
        (date(2026, 11, 30), "stripe"),
        (date(2026, 12, 1), "chargebee"),
        (AT - timedelta(seconds=1), "stripe"),
        (AT, "chargebee"),
        (datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "stripe"),
    ],
)
def test_a_one_time_charge_states_its_date(pair: Pair, on: date, provider: str) -> None:
    """`on` is a day in the offset of the switch, or an instant."""
    with pair.handover() as billing:
        assert billing.create(pair.charge(), on=on, allow=ALLOWED).provider == provider


@pytest.mark.parametrize(
    "on,problem",
    [
        (None, "needs on="),
        (datetime(2026, 12, 1), "this one has none"),
        ("2026-12-01", "must be a date"),
        (date.max, "no date of a bill"),
    ],
)
def test_a_charge_without_a_usable_date_is_refused(pair: Pair, on: Any, problem: str) -> None:
    """The clock never decides; nothing is sent."""
    with pair.handover() as billing, pytest.raises(ConfigurationError, match=problem):
        billing.create(pair.charge(), on=on)
    assert pair.old.requests + pair.new.requests == 0


def test_a_day_is_one_of_the_offset_that_is_kept(pair: Pair) -> None:
    """Processes that write the same instant in two offsets decide each day alike: the kept offset counts."""
    east = AT.astimezone(timezone(timedelta(hours=1)))  # 1 December, 01:00
    with pair.handover(east) as billing, pytest.raises(ConfigurationError, match="lies across"):
        billing.create(pair.charge(), on=date(2026, 12, 1))
    with pair.handover(AT) as billing, pytest.raises(ConfigurationError, match="lies across"):
        billing.create(pair.charge(), on=date(2026, 12, 1))


def test_a_period_takes_no_date(pair: Pair) -> None:
    """Its own start decides."""
    with pair.handover() as billing, pytest.raises(ConfigurationError, match="leave on= out"):
        billing.create(pair.period(11), on=date(2026, 12, 1))


def test_each_customer_may_have_an_instant(pair: Pair) -> None:
    """Named customers have their own, "*" are all others; who is not named at all is refused."""
    later = datetime(2027, 1, 1, tzinfo=UTC)
    acme, bolt = pair.customer, pair.customer.model_copy(update={"id": "bolt"})
    nobody = pair.customer.model_copy(update={"id": None})
    with pair.handover({"acme": later, "*": AT}) as billing:
        assert billing.create(pair.period(12, customer=acme), allow=ALLOWED).provider == "stripe"
        assert billing.create(pair.period(12, reference="b", customer=bolt), allow=ALLOWED).provider == "chargebee"
        with pytest.raises(ConfigurationError, match="each bill must name its customer"):
            billing.create(pair.period(12, reference="n", customer=nobody), allow=ALLOWED)
    refused = pytest.raises(ConfigurationError, match="has no instant of the customer 'bolt'")
    with pair.handover({"acme": later}) as billing, refused:
        billing.create(pair.period(12, reference="c", customer=bolt), allow=ALLOWED)


@pytest.mark.parametrize(
    "at,problem",
    [
        (datetime(2026, 12, 1), "with its offset"),
        ("2026-12-01", "with its offset"),
        ({}, "no instant"),
        ({"acme": None}, "at of 'acme'"),
        ({"": AT}, "names of customers"),
    ],
)
def test_an_instant_that_is_none_is_refused(pair: Pair, at: Any, problem: str) -> None:
    """When the handover is made."""
    with pytest.raises(ConfigurationError, match=problem):
        pair.handover(at)


# ── one book ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_two_sides_that_share_nothing_are_refused(pair: Pair, tmp_path: Path) -> None:
    """No journal, two journals, two books, two modes, one account: each with what to do."""
    journal = Journal(tmp_path / "one.sqlite")
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({}, {}, "need the same journal"),
        ({"journal": journal}, {}, "need the same journal"),
        ({"journal": journal}, {"journal": Journal(tmp_path / "two.sqlite")}, "two journals"),
        ({"journal": journal}, {"journal": journal, "book": "b"}, "two books"),
    ]
    for old, new, problem in cases:
        with pytest.raises(ConfigurationError, match=problem):
            Handover(pair.old.client(**old), pair.new.client(**new), at=AT)
    with pytest.raises(ConfigurationError, match="same account"):
        Handover(pair.old.client(journal=journal), pair.old.client(journal=journal), at=AT)


def test_the_instant_is_kept_at_first_use(pair: Pair) -> None:
    """Another process with another instant is refused until the switch is moved; nothing is sent."""
    with pair.handover() as billing:
        billing.create(pair.period(12), allow=ALLOWED)
    before = pair.old.requests + pair.new.requests
    later = datetime(2027, 1, 1, tzinfo=UTC)
    for at in (later, {"acme": later, "*": AT}):
        with pair.handover(at) as billing, pytest.raises(ConfigurationError, match="switch move"):
            billing.create(pair.period(12, reference="stripe-2026-12"), allow=ALLOWED)
    assert pair.old.requests + pair.new.requests == before


def test_control_without_the_kept_instant_a_period_has_two_providers(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same two processes, where each decides by its own setting: both providers bill December."""
    monkeypatch.setattr(
        "invoice_bridge.journal.switches.Switches.keep", lambda _self, _book, _target, given, *_: given["*"]
    )
    with pair.handover() as billing:
        billing.create(pair.period(12), allow=ALLOWED)
    with pair.handover(datetime(2027, 1, 1, tzinfo=UTC)) as billing:
        billing.create(pair.period(12, reference="stripe-2026-12"), allow=ALLOWED)
    assert (len(pair.old.bills()), len(pair.new.bills())) == (1, 1)


def test_the_same_reference_at_the_other_side_is_refused(pair: Pair) -> None:
    """A charge repeated with another date is one bill: once, and the error names where it is."""
    with pair.handover() as billing:
        made = billing.create(pair.charge(), on=date(2026, 11, 30), allow=ALLOWED)
        with pytest.raises(BilledElsewhere) as refused:
            billing.create(pair.charge(), on=date(2026, 12, 2), allow=ALLOWED)
        assert (refused.value.provider, refused.value.invoice_id) == ("stripe", made.id)
    assert len(pair.bills("res-1")) == 1


def test_after_a_move_a_period_is_recognised_by_its_reference_alone(pair: Pair) -> None:
    """The same reference is billed once. Under another one it is billed twice: the limit that the how-to states."""
    with pair.handover() as billing:
        made = billing.create(pair.period(12), allow=ALLOWED)  # at the new side
        assert made.provider == "chargebee"
        later = datetime(2027, 1, 1, tzinfo=UTC)
        old, new = billing.old.book, billing.new.book
        billing.journal.switches.move(old, new.account, EVERYBODY, later, why="a month later", now=AT)
    with pair.handover(later) as billing:  # December now belongs to the old side
        with pytest.raises(BilledElsewhere) as refused:
            billing.create(pair.period(12), allow=ALLOWED)
        assert refused.value.invoice_id == made.id
        assert (len(pair.old.bills()), len(pair.new.bills())) == (0, 1)
        assert billing.create(pair.period(12, reference="stripe-2026-12"), allow=ALLOWED).provider == "stripe"
    assert (len(pair.old.bills()), len(pair.new.bills())) == (1, 1)
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "switch-providers.md").read_text("utf-8")
    assert "The same period under another reference" in page


@pytest.mark.parametrize("lookup", ["auto", "always"])
def test_a_bill_that_the_journal_does_not_know_is_looked_up_at_the_other_side(pair: Pair, lookup: str) -> None:
    """Billed at the old provider before there was a journal: the new one bills it no second time."""
    with pair.old.client() as before:
        made = before.create(pair.period(12), allow=ALLOWED)
    with pair.handover(lookup=lookup) as billing, pytest.raises(BilledElsewhere) as refused:
        billing.create(pair.period(12), allow=ALLOWED)
    assert (refused.value.invoice_id, refused.value.state, refused.value.provider) == (made.id, "made", "stripe")
    assert len(pair.bills("flt/2026-12")) == 1


def test_control_without_the_lookup_at_the_other_side_it_is_billed_twice(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bill, where nobody asks the old provider."""
    monkeypatch.setattr(Sides, "look_elsewhere", lambda *_: iter(()))
    with pair.old.client() as before:
        before.create(pair.period(12), allow=ALLOWED)
    with pair.handover(lookup="auto") as billing:
        billing.create(pair.period(12), allow=ALLOWED)
    assert len(pair.bills("flt/2026-12")) == 2


@pytest.mark.parametrize("ends", ["void", "delete"])
def test_what_was_withdrawn_at_the_other_side_is_billed(pair: Pair, ends: str) -> None:
    """Withdrawn there in the dashboard, which the journal does not know: the other side is asked first."""
    with pair.handover() as billing:
        made = billing.create(pair.charge(draft=ends == "delete"), on=date(2026, 11, 1), allow=ALLOWED)
        with pair.old.client() as dashboard:
            getattr(dashboard, ends)(made.id)
        if ends == "void":
            assert billing.create(pair.charge(), on=date(2026, 12, 1), allow=ALLOWED).provider == "chargebee"
        else:  # Stripe keeps nothing of a draft that was deleted, so that nobody can say what became of it
            with pytest.raises(BilledElsewhere):
                billing.create(pair.charge(), on=date(2026, 12, 1), allow=ALLOWED)


def test_where_a_reference_cannot_be_found_a_complete_journal_is_needed(tmp_path: Path) -> None:
    """A site that keeps no reference: nothing can be looked up there, and the error says what to do."""
    pair = Pair(tmp_path / "bills.sqlite", "chargebee", "stripe")
    del pair.old.settings["reference_field"]
    bill = pair.period(12, purchase_order="PO-7")  # which takes the one field that the reference could be in
    with pair.handover(lookup="auto") as billing, pytest.raises(Unsupported, match='lookup="journal"'):
        billing.create(bill, allow=[*ALLOWED, "purchase_order"])
    assert pair.new.bills() == []
    with pair.handover() as billing:
        assert billing.create(bill, allow=[*ALLOWED, "purchase_order"]).provider == "stripe"


def test_a_bill_that_may_be_at_the_other_side_is_resolved_first(tmp_path: Path) -> None:
    """Lost at the old side: too early it is refused, later it is seen to be absent there, and billed."""
    pair = Pair(tmp_path / "bills.sqlite")
    pair.old = Shop("stripe", Fault(Kind.RESET_BEFORE, method="POST", times=9))
    with pair.handover() as billing:
        with pytest.raises(BridgeError) as lost:
            billing.create(pair.charge(), on=date(2026, 11, 30), allow=ALLOWED)
        assert lost.value.outcome == "unknown"
        with pytest.raises(BilledElsewhere) as early:
            billing.create(pair.charge(), on=date(2026, 12, 1), allow=ALLOWED)
        assert early.value.state == "unknown"
        assert billing.resolve(pair.charge(), on=date(2026, 12, 1)).state == "too_early"  # at the side that has it
        age(pair.place)
    with pair.handover() as billing:
        assert billing.create(pair.charge(), on=date(2026, 12, 1), allow=ALLOWED).provider == "chargebee"
    assert len(pair.bills("res-1")) == 1


def age(place: Place) -> None:
    """Make every row ten minutes older than now."""
    old = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    run_elsewhere(place, f"UPDATE tries SET began_at = '{old}', ended_at = '{old}'")  # noqa: S608 - the test's own


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_verbs_go_to_the_side_that_made_the_invoice(pair: Pair) -> None:
    """By its id, through the journal; the other side gets no request."""
    with pair.handover() as billing:
        old = billing.create(pair.period(11), allow=ALLOWED)
        new = billing.create(pair.period(12), allow=ALLOWED)
        before = pair.new.requests
        assert billing.retrieve(old.id).reference == "flt/2026-11"
        assert billing.mark_paid(old.id).status == "paid"
        assert pair.new.requests == before
        before = pair.old.requests
        assert billing.void(new.id).status == "void"
        assert pair.old.requests == before
        assert billing.find("flt/2026-11").id == old.id
        assert {invoice.id for invoice in billing.list()} == {old.id, new.id}


def test_an_invoice_that_the_journal_does_not_know_is_changed_at_neither_side(pair: Pair) -> None:
    """The error names the two clients; ids of two providers may be equal."""
    with pair.old.client() as before:
        made = before.create(pair.period(10), allow=ALLOWED)
    with pair.handover() as billing:
        with pytest.raises(ConfigurationError, match="does not know which side has it"):
            billing.void(made.id)
        assert billing.old.void(made.id).status == "void"
    for shop, reference in ((pair.old, "a"), (pair.new, "b")):
        with shop.client(journal=pair.place) as client:
            client.create(pair.charge(reference=reference), allow=ALLOWED)
    run_elsewhere(pair.place, "UPDATE tries SET invoice_id = '7'")
    with pair.handover() as billing, pytest.raises(ConfigurationError, match="both sides have made"):
        billing.retrieve("7")


def test_find_asks_both_sides_where_the_journal_has_nothing(pair: Pair) -> None:
    """One of them has it, neither has it, both have it."""
    with pair.handover() as billing:
        with pytest.raises(NotFound, match="at stripe or at chargebee"):
            billing.find("flt/2026-10", customer=pair.customer)
        with pair.new.client() as client:
            made = client.create(pair.period(10), allow=ALLOWED)
        assert billing.find("flt/2026-10", customer=pair.customer).id == made.id
        with pair.old.client() as client:
            client.create(pair.period(10), allow=ALLOWED)
        with pytest.raises(AlreadyBilled, match="void one of them"):
            billing.find("flt/2026-10", customer=pair.customer)


def test_a_plan_is_that_of_the_side_that_bills(pair: Pair) -> None:
    """Explain and losses keep nothing and send nothing."""
    with pair.handover() as billing:
        assert billing.explain(pair.period(11)).provider == "stripe"
        assert billing.explain(pair.charge(), on=date(2026, 12, 24)).provider == "chargebee"
        assert billing.losses(pair.period(11)) == billing.old.losses(pair.period(11))
        assert billing.allowed(pair.period(11)) == frozenset()
        with pytest.raises(Unsupported, match="belongs to one provider"):
            billing.page(None)  # type: ignore[arg-type]
    assert Journal(pair.place).switches.rows(billing.old.book) == ()
    assert pair.old.requests + pair.new.requests == 0


# ── asyncio ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_asynchronous_handover_does_the_same(tmp_path: Path) -> None:
    """The same calls at both, request by request and error by error."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("create", {"command": 11}),
        ("create", {"command": 12}),
        ("create", {"command": 11}),
        ("create", {"command": "charge", "on": date(2026, 11, 2)}),
        ("create", {"command": "charge", "on": date(2026, 12, 2)}),
        ("create", {"command": "charge"}),
        ("resolve", {"command": "charge", "on": date(2026, 11, 2)}),
        ("find", {"reference": "flt/2026-11"}),
        ("find", {"reference": "none"}),
        ("void", {"id": 1}),
        ("retrieve", {"id": "in_none"}),
        ("page", {"command": "charge"}),
    ]

    def filled(pair: Pair, given: dict[str, Any], made: list[str]) -> dict[str, Any]:
        command = given.get("command")
        named = {"command": pair.charge() if command == "charge" else pair.period(command)} if command else {}
        ids = {"id": made[given["id"]]} if isinstance(given.get("id"), int) else {}
        return given | named | ids

    def noted(done: Any) -> Any:
        if isinstance(done, BridgeError):
            return type(done).__name__, str(done)
        return getattr(done, "id", None) or getattr(done, "state", None)

    first, second = Pair(tmp_path / "one.sqlite"), Pair(tmp_path / "two.sqlite")
    results: list[Any] = []
    made: list[str] = []
    with first.handover() as billing:
        for verb, given in calls:
            try:
                done: Any = getattr(billing, verb)(**filled(first, given, made))
                made += [done.id] if verb == "create" else []
            except BridgeError as error:
                done = error
            results.append(noted(done))
        results.append(sorted(invoice.id for invoice in billing.list()))

    async def run() -> list[Any]:
        journal = Journal(second.place)
        results: list[Any] = []
        made: list[str] = []
        sides = [shop.async_client(journal=journal, lookup="journal") for shop in (second.old, second.new)]
        async with AsyncHandover(*sides, at=AT) as billing:
            for verb, given in calls:
                try:
                    done: Any = await getattr(billing, verb)(**filled(second, given, made))
                    made += [done.id] if verb == "create" else []
                except BridgeError as error:
                    done = error
                results.append(noted(done))
            results.append(sorted([invoice.id async for invoice in billing.list()]))
        return results

    assert asyncio.run(run()) == results
    assert [(len(a.bills()), a.requests) for a in (first.old, first.new)] == [
        (len(b.bills()), b.requests) for b in (second.old, second.new)
    ]
    assert isinstance(first.period(11), PeriodInvoice)
