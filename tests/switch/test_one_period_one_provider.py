"""One period, one provider: under crashes at every edge, skewed clocks, payments in between, and a moved switch.

A process is stopped, or loses an answer, at any edge: before and after each request, and before and after each write of
the journal. The controls run the same machine with one rule taken away, and must see a period billed twice.
"""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from invoice_bridge import AlreadySettled, BilledElsewhere, BridgeError, ConfigurationError, Journal, OutcomeUnknown
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.switches import EVERYBODY
from invoice_bridge.switch.sides import Sides
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.databases import run_elsewhere
from tests.switch.pair import Edges, Killed, Pair

MONTHS = st.sampled_from([(2026, 11), (2026, 12), (2027, 1)])
INSTANTS = st.sampled_from(
    [datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
)
DAY = timedelta(days=1)


class Machine(RuleBasedStateMachine):
    """Processes of one application that bill three months at two providers."""

    root: Path
    """A folder for the journals of one test."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.root))
        self.pair = Pair(self.folder / "bills.sqlite")
        Journal(self.pair.place).close()
        self.at = datetime(2026, 12, 1, tzinfo=UTC)
        self.history = [self.at]
        self.tried: set[tuple[int, int]] = set()
        self.voided: set[str] = set()

    @initialize(old=st.sampled_from([-DAY, 0 * DAY, DAY]), new=st.sampled_from([-DAY, 0 * DAY, DAY]))
    def skew(self, old: timedelta, new: timedelta) -> None:
        """The providers' clocks are up to two days apart."""
        for shop, by in ((self.pair.old, old), (self.pair.new, new)):
            shop.emulator.clock.now += by

    @rule(month=MONTHS, stop=st.none() | st.integers(1, 24), loses=st.booleans(), pays=st.booleans())
    def bill(self, month: tuple[int, int], stop: int | None, loses: bool, pays: bool) -> None:
        """A process bills a month; it may be stopped at an edge, and open invoices may be paid before each request."""
        self.tried.add(month)
        between = self.pay if pays else None
        edges = Edges(stop, loses=loses, between=between)
        self.attempt(self.at, month, edges)

    def attempt(self, at: datetime, month: tuple[int, int], edges: Edges | None) -> BaseException | None:
        year, number = month
        return self.pair.attempt(self.make(at, edges), self.pair.period(number, year))

    def make(self, at: datetime, edges: Edges | None) -> Any:
        """Make the handover of one process."""
        return self.pair.handover(at, edges=edges)

    @rule(at=INSTANTS)
    def move(self, at: datetime) -> None:
        """A person moves the switch, and every process learns of it."""
        journal = Journal(self.pair.place)
        old, new = (shop.client(journal=journal).book for shop in (self.pair.old, self.pair.new))
        if journal.switches.rows(old):
            journal.switches.move(old, new.account, EVERYBODY, at, why="a test", now=datetime.now(UTC))
            self.at = at
            self.history.append(at)
        journal.close()

    @rule(month=MONTHS, at=INSTANTS)
    def bill_by_another_instant(self, month: tuple[int, int], at: datetime) -> None:
        """A process that was left out has another instant: it sends nothing."""
        journal = Journal(self.pair.place)
        kept = journal.switches.rows(Book("stripe:", mode="test"))
        journal.close()
        if kept and at != self.at:
            before = self.pair.old.requests, self.pair.new.requests
            error = self.attempt(at, month, None)
            assert isinstance(error, ConfigurationError)
            assert (self.pair.old.requests, self.pair.new.requests) == before

    @rule()
    def pay(self) -> None:
        """Customers pay what is open at the source."""
        self.pair.old.pay_all()
        self.pair.new.pay_all()

    @rule(hours=st.sampled_from([-24, 1, 24]))
    def later(self, hours: int) -> None:
        """Time passes by the journal's rows, or a host's clock was a day ahead as it wrote them; keys are forgotten."""
        shift_rows(self.pair.place, -timedelta(hours=hours))
        for shop in (self.pair.old, self.pair.new):
            shop.emulator.kept.clear()

    @invariant()
    def each_period_has_one_bill(self) -> None:
        """At most one invoice of each period at both providers together."""
        for year, month in self.tried:
            reference = f"flt/{year}-{month:02}"
            bills = self.pair.bills(reference)
            assert len(bills) <= 1
            start = datetime(year, month, 1, tzinfo=UTC)
            sides = {"chargebee" if start >= at else "stripe" for at in self.history}
            assert {bill.provider for bill in bills} <= sides

    def teardown(self) -> None:
        """Nothing blocks for ever: a few tries later each month that was tried is billed, once."""
        try:
            for month in sorted(self.tried):
                tries = 0
                while True:
                    self.later(1)
                    error, tries = self.attempt(self.at, month, None), tries + 1
                    if tries == 3 or not isinstance(error, OutcomeUnknown):
                        break
                assert error is None or isinstance(error, BilledElsewhere | AlreadySettled), error
                assert len(self.pair.bills(f"flt/{month[0]}-{month[1]:02}")) == 1
        finally:
            shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def root(tmp_path: Path) -> None:
    """Keep the journals of a machine where pytest keeps its files."""
    Machine.root = tmp_path


def shift_rows(place: Any, by: timedelta) -> None:
    """Shift the times of all rows."""
    for number, began, ended in run_elsewhere(place, "SELECT number, began_at, ended_at FROM tries"):
        values = [None if at is None else (datetime.fromisoformat(at) + by).isoformat() for at in (began, ended)]
        began_at, ended_at = ("NULL" if value is None else f"'{value}'" for value in values)
        run_elsewhere(place, f"UPDATE tries SET began_at = {began_at}, ended_at = {ended_at} WHERE number = {number}")  # noqa: S608 - the test's own


def run(machine: type[RuleBasedStateMachine], examples: int) -> None:
    """Run a machine, the same examples each time."""
    how = settings(
        max_examples=examples,
        stateful_step_count=8,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(machine, settings=how)


def test_one_period_one_provider() -> None:
    """Whatever stops the processes, each period is billed once, at a side that the switch had for it.

    With --hypothesis-profile=soak for longer.
    """
    run(Machine, 20 if settings.default is None or settings.default.max_examples < 2_000 else 400)


def test_control_without_one_book_a_period_is_billed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two sides have journals of their own, and the other side is not asked."""
    monkeypatch.setattr("invoice_bridge.switch.sides.shared_journal", lambda old, _: old.journal)
    monkeypatch.setattr(Sides, "look_elsewhere", lambda *_: iter(()))

    class Apart(Machine):
        def make(self, at: datetime, edges: Edges | None) -> Any:
            made = self.pair.handover(at, edges=edges)
            alone = Journal(self.folder / "new.sqlite")
            made.new._memory.journal = alone
            return made

    with pytest.raises(AssertionError, match=r"2 == 1|2 <= 1"):
        run(Apart, 100)


def test_control_without_the_intents_a_period_is_billed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash leaves no row: what was stopped after a request left is unknown to the next process."""
    monkeypatch.setattr("invoice_bridge.journal.memory.Memory.intend", lambda *_: None)
    with pytest.raises(AssertionError, match=r"2 == 1|2 <= 1"):
        run(Machine, 100)


def test_control_with_instants_of_their_own_the_process_left_out_bills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process decides by its own setting: the machine sees requests where there must be none."""
    monkeypatch.setattr(
        "invoice_bridge.journal.switches._kept_for", lambda _rows, _book, _target, given, _name: given[EVERYBODY]
    )

    class Unkept(Machine):
        def move(self, at: datetime) -> None:
            """Nothing is kept, so nothing is moved."""

        def bill_by_another_instant(self, month: tuple[int, int], at: datetime) -> None:
            if at != self.at:
                assert isinstance(self.attempt(at, month, None), ConfigurationError)

        move = rule(at=INSTANTS)(move)
        bill_by_another_instant = rule(month=MONTHS, at=INSTANTS)(bill_by_another_instant)

    with pytest.raises(AssertionError):
        run(Unkept, 100)


@pytest.mark.parametrize("loses", [False, True], ids=["killed", "lost"])
@pytest.mark.parametrize("month", [11, 12])
def test_every_edge_of_one_bill(tmp_path: Path, month: int, loses: bool) -> None:
    """Stopped at each edge in turn, then moved to the other side, then repeated: one bill, whatever edge it was."""
    stopped, edge = 0, 0
    while True:
        edge += 1
        pair = Pair(tmp_path / f"{edge}.sqlite")
        edges = Edges(edge, loses=loses)
        error = pair.attempt(pair.handover(edges=edges), pair.period(month))
        if edges.left is not None and edges.left > 0:
            break  # the bill has no such edge any more
        stopped += isinstance(error, Killed | BridgeError)
        journal = Journal(pair.place)
        old, new = (shop.client(journal=journal).book for shop in (pair.old, pair.new))
        moved = datetime(2027, 1, 1, tzinfo=UTC) if month == 12 else datetime(2026, 11, 1, tzinfo=UTC)
        journal.switches.move(old, new.account, EVERYBODY, moved, why="a test", now=datetime.now(UTC))
        journal.close()
        for _ in range(2):
            pair.attempt(pair.handover(moved), pair.period(month))
            shift_rows(pair.place, -timedelta(minutes=10))
        assert len(pair.bills(f"flt/2026-{month}")) <= 1
        last = pair.attempt(pair.handover(moved), pair.period(month))
        assert last is None or isinstance(last, BilledElsewhere), last
        assert len(pair.bills(f"flt/2026-{month}")) == 1 or isinstance(last, BilledElsewhere)
    assert edge > 6
    assert stopped >= (edge - 1) // 3
