"""The ledger: what a claim takes, who may write, what a second claim knows, and what a person decides."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, null

from invoice_bridge import ConfigurationError, Money, OneTimeCharge
from invoice_bridge.migrate import (
    LeaseExpired,
    Ledger,
    LedgerUnavailable,
    NewItem,
    PlanHeader,
    Result,
    Timing,
    work_on_jobs,
    write_operation,
)
from invoice_bridge.migrate import ledger as ledgers
from invoice_bridge.migrate.leases import Lease, seconds_now
from invoice_bridge.migrate.ledger import BATCH
from invoice_bridge.migrate.queries import texts_of
from tests.databases import Place, is_url

QUICK = Timing(lease=1.0, beat=0.2, deadline=1.0, settling=1.0)
BILL = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1999, "EUR"))


def items(count: int) -> Iterator[NewItem]:
    for number in range(count):
        bill = BILL.model_copy(update={"reference": f"res-{number}"})
        yield NewItem(bill.reference, {"make": write_operation(bill)}, source={"id": f"in_{number}"})


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    with Ledger(place) as opened:
        yield opened


@pytest.fixture
def header(ledger: Ledger) -> PlanHeader:
    plan = ledger.add_plan(PlanHeader("stripe:acct_1", {"hash": "abc"}, QUICK, rate=20))
    ledger.add(plan, items(60), page_size=20)
    return ledger.plan()


@pytest.fixture
def lease(ledger: Ledger, header: PlanHeader) -> Iterator[Lease]:
    held = Lease(ledger.database, Timing())
    yield held
    held.end()


def wait(seconds: float) -> None:
    ends = seconds_now() + seconds
    while seconds_now() < ends:
        pass


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_plan_is_read_as_it_was_written(ledger: Ledger, header: PlanHeader) -> None:
    assert header == PlanHeader("stripe:acct_1", {"hash": "abc"}, QUICK, 20, header.number)
    assert ledger.counts(header.number) == {"planned": 60}
    assert ledger.pages(header.number) == [0, 1, 2]
    first = next(ledger.rows(header.number))
    assert (first.reference, first.source, first.history) == ("res-0", {"id": "in_0"}, True)
    assert len(list(ledger.rows(header.number))) == 60


def test_planning_can_be_repeated(ledger: Ledger, header: PlanHeader) -> None:
    """What the plan has is left as it is, and its cursor is written with the items."""
    assert ledger.add(header.number, items(65), {"cursor": "page 2"}) == 5
    assert ledger.add(header.number, [*items(66), *items(66)], {"cursor": "page 3"}) == 1
    assert ledger.note(header.number, "cursor") == "page 3"
    assert ledger.note(header.number, "other") is None
    assert ledger.counts(header.number) == {"planned": 66}


def test_what_is_refused_or_skipped_from_the_start_is_never_taken(ledger: Ledger, lease: Lease) -> None:
    plan = ledger.add_plan(PlanHeader("stripe:acct_1"))
    ledger.add(plan, [NewItem("a", state="refused", reason="negative"), NewItem("b", state="skipped", reason="asked")])
    assert ledger.claim(ledger.plan(plan), lease.number) == []
    assert ledger.is_finished(plan)
    with pytest.raises(ConfigurationError, match="'c' has no operation"):
        ledger.add(plan, [NewItem("c")])


def test_without_a_plan_there_is_nothing_to_work_on(ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="has no plan: plan the migration first"):
        ledger.plan()
    one, two = (ledger.add_plan(PlanHeader("stripe:acct_1")) for _ in range(2))
    with pytest.raises(ConfigurationError, match=f"has no plan 7: its plans are {one}, {two}"):
        ledger.plan(7)


@pytest.mark.parametrize("values", [{"beat": 6.0}, {"beat": 0.0}, {"deadline": 0.0}, {"settling": -1.0}])
def test_timing_that_cannot_hold_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        Timing(**values)


# ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_claim_takes_at_most_a_batch_and_nobody_takes_it_again(
    ledger: Ledger, header: PlanHeader, lease: Lease
) -> None:
    """Two workers share no item; the claim is in the database before it is returned."""
    other = Lease(ledger.database, Timing())
    one, two = ledger.claim(header, lease.number), ledger.claim(header, other.number)
    three = ledger.claim(header, lease.number)
    assert [len(one), len(two), len(three)] == [BATCH, BATCH, 10]
    assert len({item.number for item in one + two + three}) == 60
    assert ledger.counts(header.number) == {"sent": 60}
    assert not any(item.is_repeat for item in one)
    assert ledger.claim(header, other.number) == []
    with pytest.raises(ValueError, match="from 1 to 25"):
        ledger.claim(header, other.number, most=26)
    other.end()


def test_a_claim_of_a_page_takes_that_page_only(ledger: Ledger, header: PlanHeader, lease: Lease) -> None:
    assert [item.reference for item in ledger.claim(header, lease.number, 1)] == [f"res-{n}" for n in range(20, 40)]
    assert ledger.counts(header.number, 1) == {"sent": 20}
    assert not ledger.is_finished(header.number, 1)


def test_a_worker_whose_lease_has_passed_takes_nothing(ledger: Ledger, header: PlanHeader) -> None:
    """On the database's clock, whatever the worker's own says."""
    lease = Lease(ledger.database, Timing(lease=0.2, beat=0.1))
    lease.end()
    wait(0.3)
    with pytest.raises(LeaseExpired):
        ledger.claim(header, lease.number)
    assert not lease.renew()
    assert not lease.is_held


def test_a_lease_that_passes_within_the_statement_takes_nothing(
    ledger: Ledger, header: PlanHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held for the condition and not for what is selected: a process can be stopped between the two."""
    due, stale = ledgers._taking(by_page=False)
    passed = due.with_only_columns(*(one for one in due.selected_columns if one.name != "instant"))
    passed = passed.add_columns(null().label("instant"))
    monkeypatch.setattr(ledgers, "_taking", lambda **_: (passed, stale))
    held = Lease(ledger.database, Timing())
    assert len(ledger.claim(header, held.number, most=1)) == 1
    held.end()
    lease = Lease(ledger.database, Timing(lease=0.2, beat=0.1))

    def expired(*_: object) -> int:
        raise LeaseExpired("the lease has passed")

    monkeypatch.setattr(ledgers, "check_lease", expired)
    with pytest.raises(LeaseExpired):
        ledger.claim(header, lease.number)
    assert ledger.settle_and_claim(header, lease.number, []) == ([], [])
    assert ledger.counts(header.number) == {"planned": 59, "sent": 1}
    lease.end()


def test_items_of_a_dead_worker_are_taken_over_once_nothing_of_it_can_be_under_way(
    ledger: Ledger, header: PlanHeader, lease: Lease
) -> None:
    """Not before lease, deadline and settling time; then as items that may have been sent, under a new claim."""
    dead = Lease(ledger.database, QUICK)
    taken = ledger.claim(header, dead.number, most=5)
    assert [len(ledger.claim(header, lease.number)) for _ in range(3)] == [25, 25, 5]
    dead.end()
    assert ledger.claim(header, lease.number) == []
    wait(QUICK.lease)
    assert ledger.claim(header, lease.number) == []
    wait(QUICK.deadline + QUICK.settling + 0.1)
    again = ledger.claim(header, lease.number)
    assert [item.number for item in again] == [item.number for item in taken]
    assert all(item.is_repeat and item.claim == 2 and item.attempt == 1 for item in again)
    assert ledger.settle(dead.number, [Result(item, "done", target_id="in_wrong") for item in taken]) == taken
    assert {row.state for row in ledger.rows(header.number)} == {"sent"}
    assert ledger.settle(lease.number, [Result(item, "done", target_id="in_9") for item in again]) == []
    assert ledger.counts(header.number) == {"done": 5, "sent": 55}


def test_the_same_worker_does_not_write_under_an_earlier_claim(
    ledger: Ledger, header: PlanHeader, lease: Lease
) -> None:
    """An item that came back to a worker is its new claim's only."""
    first = ledger.claim(header, lease.number, most=1)
    ledger.settle(lease.number, [Result(first[0], "planned", again_in=0.0)])
    ledger.claim(header, lease.number)
    assert ledger.settle(lease.number, [Result(first[0], "refused")]) == first


def test_what_became_of_items_is_written_with_the_next_claim(ledger: Ledger, header: PlanHeader, lease: Lease) -> None:
    """In one transaction: what was lost to another worker stays as it is, and the next items are this worker's."""
    other = Lease(ledger.database, QUICK)
    mine, theirs = ledger.claim(header, lease.number, most=2), ledger.claim(header, other.number, most=1)
    results = [Result(item, "done", target_id="in_9") for item in [*mine, *theirs]]
    lost, taken = ledger.settle_and_claim(header, lease.number, results, most=20)
    assert lost == theirs
    assert [item.reference for item in taken] == [f"res-{number}" for number in range(3, 23)]
    assert ledger.counts(header.number) == {"planned": 37, "sent": 21, "done": 2}
    other.end()


def test_a_message_that_no_database_stores_stops_nobody(ledger: Ledger, header: PlanHeader, lease: Lease) -> None:
    """A zero byte or half of a surrogate pair in a provider's answer: PostgreSQL refuses one, and UTF-8 the other."""
    messages = ["a\x00b", "a\ud800b", "a\nb", '\\"%s :x', "é €", "123", "null"]
    written = ["a\\x00b", "a\\ud800b", "a\\nb", '\\"%s :x', "é €", "123", "null"]
    items = ledger.claim(header, lease.number, most=len(messages))
    facts = {"number": "A\ud800\x00"}
    results = [
        Result(item, "refused", "declined", text, "in_9", facts) for item, text in zip(items, messages, strict=True)
    ]
    assert ledger.settle(lease.number, results) == []
    assert [row.detail for row in ledger.rows(header.number, ["refused"])] == written
    planned = [NewItem(f"odd-{place}", state="refused", detail=text) for place, text in enumerate(messages)]
    assert ledger.add(header.number, planned) == len(messages)
    assert [row.detail for row in ledger.rows(header.number, ["refused"])] == written * 2


def test_what_became_of_items_is_written_though_the_lease_has_passed(ledger: Ledger, header: PlanHeader) -> None:
    lease = Lease(ledger.database, Timing(lease=0.2, beat=0.1))
    taken = ledger.claim(header, lease.number, most=2)
    lease.end()
    wait(0.3)
    results = [Result(item, "done", target_id="in_9") for item in taken]
    assert ledger.settle_and_claim(header, lease.number, results) == ([], [])
    assert ledger.counts(header.number) == {"planned": 58, "done": 2}


def test_a_long_plan_is_read_in_parts_without_sorting_it_for_each(tmp_path: Path) -> None:
    """A sort of a million items for each of two thousand parts took minutes; counting them for each page that is added
    did too.
    """
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        plan = opened.add_plan(PlanHeader("stripe:acct_1"))
        seen: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
            if not many and statement.startswith("SELECT"):
                seen.append((statement, values))

        for engine in (opened.database._durable, opened.database._light):
            event.listen(engine, "before_cursor_execute", note)
        for number in range(4):
            opened.add(plan, islice(items(80), 20 * number, 20 * number + 20))
        counted = [statement for statement, _ in seen if "count(" in statement]
        assert len(counted) == 1
        seen.clear()
        assert len(list(opened.rows(plan))) == len(list(texts_of(opened, plan))) == 80
        assert len(list(opened.rows(plan, ["planned"]))) == len(list(opened.rows(plan, ["planned", "sent"]))) == 80
        assert len(opened.claim(opened.plan(plan), Lease(opened.database, Timing()).number)) == BATCH
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as file:
        reading = [one for one in seen if "FROM invoice_bridge_items" in one[0]]
        assert len(reading) == 9
        for statement, values in reading:
            steps = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert not any("TEMP B-TREE" in step or "SCAN invoice_bridge" in step for step in steps), (statement, steps)


def test_each_of_two_plans_is_read_alone(ledger: Ledger, header: PlanHeader) -> None:
    """Their items are mixed, as where two are planned at once; a plan without items has none."""
    second, empty = (ledger.add_plan(PlanHeader("stripe:acct_1")) for _ in range(2))
    ledger.add(second, islice(items(40), 20))
    ledger.add(header.number, (NewItem(f"late-{one}", state="refused", reason="void") for one in range(5)))
    ledger.add(second, items(40))
    assert len(list(ledger.rows(second))) == len(list(texts_of(ledger, second))) == 40
    assert [row.reference for row in ledger.rows(header.number)][-5:] == [f"late-{one}" for one in range(5)]
    assert len(list(ledger.rows(header.number))) == len(list(texts_of(ledger, header.number))) == 65
    assert (
        len(list(ledger.rows(header.number, ["refused"])))
        == len(list(ledger.rows(header.number, ["refused", "sent"])))
        == 5
    )
    assert not list(ledger.rows(empty))
    assert not list(texts_of(ledger, empty))
    assert not list(ledger.rows(second, ["done"]))


# ── what became of items ─────────────────────────────────────────────────────────────────────────────────────────────
def test_what_was_not_sent_is_as_if_it_had_not_been_taken(ledger: Ledger, header: PlanHeader, lease: Lease) -> None:
    (item,) = ledger.claim(header, lease.number, most=1)
    ledger.settle(lease.number, [Result(item, "planned", again_in=0.0, sent=False)])
    again = next(
        each
        for each in ledger.claim(header, lease.number)
        + ledger.claim(header, lease.number)
        + ledger.claim(header, lease.number)
        if each.number == item.number
    )
    assert not again.is_repeat


def test_an_unknown_outcome_waits_and_is_a_repeat(ledger: Ledger, header: PlanHeader, lease: Lease) -> None:
    (item,) = ledger.claim(header, lease.number, 0, most=1)
    ledger.settle(lease.number, [Result(item, "unknown", "outcome-unknown", again_in=0.3, next_attempt=True)])
    assert len(ledger.claim(header, lease.number, 0)) == 19
    wait(0.4)
    (again,) = ledger.claim(header, lease.number, 0)
    assert (again.is_repeat, again.attempt, again.unknowns) == (True, 2, 1)


def test_stages_follow_each_other(ledger: Ledger, lease: Lease) -> None:
    """Planned → made → released → done, each stage claimed on its own."""
    plan = ledger.add_plan(PlanHeader("stripe:acct_1", timing=QUICK))
    operation = {"make": write_operation(BILL), "release": {"command": "void"}, "arm": {"command": "finalize"}}
    ledger.add(plan, [NewItem("res-1", operation, history=False)])
    header = ledger.plan(plan)
    for stage, state, after in (
        ("make", "made", {"made": 1}),
        ("release", "released", {"released": 1}),
        ("arm", "done", {"done": 1}),
    ):
        (item,) = ledger.claim(header, lease.number)
        assert (item.stage, item.is_repeat, item.attempt) == (stage, False, 1)
        ledger.settle(lease.number, [Result(item, state, target_id="in_1")])  # type: ignore[arg-type]
        assert ledger.counts(plan) == after
    assert next(ledger.rows(plan)).target_id == "in_1"


def test_a_person_decides_about_what_is_quarantined(ledger: Ledger, header: PlanHeader, lease: Lease) -> None:
    """Tried again, it is looked up first and has the next attempt; nothing else can be decided about."""
    two = ledger.claim(header, lease.number, 0, most=2)
    ledger.settle(lease.number, [Result(item, "quarantined", "discrepancy", "2 € more") for item in two])
    assert not ledger.decide(header.number, "res-5", "done", "I know")
    with pytest.raises(ConfigurationError, match="state why"):
        ledger.decide(header.number, "res-0", "planned", " ")
    assert ledger.decide(header.number, "res-0", "planned", "voided by hand")
    assert ledger.decide(header.number, "res-1", "skipped", "the customer left")
    (again,) = [item for item in ledger.claim(header, lease.number, 0) if item.reference == "res-0"]
    assert (again.is_repeat, again.attempt) == (True, 2)
    assert ledger.counts(header.number, 0) == {"sent": 19, "skipped": 1}


# ── the database ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_file_is_private_and_another_programs_is_left_alone(tmp_path: Path) -> None:
    Ledger(tmp_path / "own.sqlite").close()
    assert stat.S_IMODE((tmp_path / "own.sqlite").stat().st_mode) == 0o600
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as file:
        file.execute("CREATE TABLE mine (x)")
    with pytest.raises(ConfigurationError, match="another program's database: name another file as the ledger"):
        Ledger(tmp_path / "other.sqlite")
    with pytest.raises(ConfigurationError, match="lost with the process"):
        Ledger(":memory:")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Ledger(tmp_path / "no" / "folder.sqlite")


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as file, file:
        file.execute("UPDATE invoice_bridge_ledger SET version = 99")
    with pytest.raises(ConfigurationError, match="finish the migration with that version"):
        Ledger(tmp_path / "ledger.sqlite")


def test_no_error_shows_the_password() -> None:
    """Neither the message nor a frame's variables of it."""
    url = "postgresql://bills:hunter2@127.0.0.1:1/ledger"
    with pytest.raises(ConfigurationError, match="cannot be reached") as caught:
        Ledger(url)
    assert "hunter2" not in "".join(map(str, (caught.value, caught.value.__cause__, caught.value.__context__)))


def test_a_ledger_that_cannot_be_written_raises_an_error(tmp_path: Path) -> None:
    """A full disk, or a file that was made read-only: the worker takes nothing."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        plan = ledger.add_plan(PlanHeader("stripe:acct_1"))
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as file, file:
            file.execute(
                "CREATE TRIGGER full BEFORE INSERT ON invoice_bridge_items BEGIN SELECT RAISE(FAIL, 'full'); END"
            )
        with pytest.raises(LedgerUnavailable, match="cannot be written: full"):
            ledger.add(plan, items(1))
        assert ledger.counts(plan) == {}


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """The room can be imported; the first name that needs SQLAlchemy, or pgqueuer, says what to install."""
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import invoice_bridge.migrate as migrate; migrate.NewItem\n"
        "try: migrate.Ledger\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == 'ConfigurationError a migration needs SQLAlchemy: run pip install "invoice-bridge[migrate]"\n'
    if is_url(place):
        with Ledger(place) as ledger:
            ledger.add(ledger.add_plan(PlanHeader("stripe:acct_1")), items(1))
        monkeypatch.setitem(sys.modules, "pgqueuer", None)
        with pytest.raises(ConfigurationError, match="need pgqueuer"):
            work_on_jobs(str(place), lambda **_settings: None)  # type: ignore[arg-type]
