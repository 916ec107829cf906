"""The engine: what it does with each kind of failure, and that it can be stopped and repeated."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    AlreadyBilled,
    BridgeError,
    Client,
    Collection,
    ConfigurationError,
    Discrepancy,
    Invoice,
    MalformedResponse,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unauthorized,
    Unreachable,
    Unsupported,
)
from invoice_bridge.core.wire import Effect
from invoice_bridge.emulator.server import running
from invoice_bridge.migrate import (
    ForbiddenEffect,
    Item,
    LeaseExpired,
    Ledger,
    LedgerUnavailable,
    NewItem,
    PlanHeader,
    Timing,
    Worker,
    move,
    write_operation,
)
from invoice_bridge.migrate.journal import Course
from invoice_bridge.migrate.outcomes import result_of_error
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.testing.documents import documents
from tests.clients import emulated_at
from tests.databases import Place, is_url, run_elsewhere

TIMING = Timing(lease=8.0, beat=0.5, deadline=3.0, settling=0.2)
BILL = OneTimeCharge(reference="res-0", customer="cus_42", amount=Money(1999, "EUR"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def plan_of(ledger: Ledger, count: int = 1, *, bill: OneTimeCharge = BILL, history: bool = True, **header: Any) -> int:
    plan = ledger.add_plan(replace(PlanHeader("stripe:acct_1", timing=TIMING), **header))
    bills = (bill.model_copy(update={"reference": f"res-{number}"}) for number in range(count))
    ledger.add(plan, (NewItem(one.reference, {"make": write_operation(one)}, history=history) for one in bills))
    return plan


class Failing:
    """The action of a stage that raises one error after the other, and then makes the invoice."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.seen: list[tuple[int, bool]] = []

    def __call__(self, client: Client, item: Item) -> Invoice:
        self.seen.append((item.attempt, item.is_repeat))
        if self.errors:
            raise self.errors.pop(0)
        return client.create(BILL.model_copy(update={"reference": item.reference, "attempt": item.attempt}))


def work(ledger: Ledger, *errors: Exception, threads: int = 1, **options: Any) -> tuple[Failing, Any]:
    """Run a worker whose items fail like that; return the action, and the emulator."""
    emulator = STRIPE.emulator()
    action = Failing(*errors)
    Worker(
        ledger,
        lambda **settings: emulated_at("stripe", emulator, **settings)[0],
        threads=threads,
        actions={"make": action},
        **options,
    ).run()
    return action, emulator


def unknown() -> OutcomeUnknown:
    error = OutcomeUnknown("the answer was lost", reference="res-0")
    error.outcome = "unknown"
    return error


def settled(error: BridgeError, outcome: Any) -> BridgeError:
    error.outcome = outcome
    return error


# ── one failure after the other ──────────────────────────────────────────────────────────────────────────────────────
def test_an_unknown_outcome_is_looked_up_then_tried_anew_then_quarantined(ledger: Ledger) -> None:
    """First the same attempt, whose key still protects; then the next one; then a person decides."""
    plan = plan_of(ledger)
    action, _ = work(ledger, unknown(), unknown(), unknown())
    assert action.seen == [(1, False), (1, True), (2, True)]
    (row,) = ledger.rows(plan)
    assert (row.state, row.reason, row.claim) == ("quarantined", "outcome-unknown", 3)
    assert "the answer was lost" in row.detail


def test_an_unknown_outcome_that_is_cleared_up_is_done(ledger: Ledger) -> None:
    plan = plan_of(ledger)
    _, emulator = work(ledger, unknown())
    (row,) = ledger.rows(plan)
    assert (row.state, row.reason, row.target_id) == ("done", "", next(iter(emulator.invoices)))
    assert row.target["total"] == {"minor": 1999, "currency": "EUR"}


def test_an_error_that_did_nothing_and_passes_is_tried_again(ledger: Ledger) -> None:
    """It is no repeat: nothing was sent."""
    plan = plan_of(ledger)
    action, _ = work(ledger, Unreachable("no connection"))
    assert list(ledger.counts(plan)) == ["done"]
    assert [attempt for attempt, _ in action.seen] == [1, 1]


def item(**facts: Any) -> Item:
    given: dict[str, Any] = {
        "number": 1, "reference": "res-0", "operation": {"make": {}}, "stage": "make", "history": True, "attempt": 1,
        "claim": 1, "unknowns": 0, "defers": 0, "is_repeat": False, "first_sent_at": datetime(2026, 5, 1, tzinfo=UTC),
        "target_id": None,
    }  # fmt: skip
    return Item(**given | facts)


@pytest.mark.parametrize(
    "error, state, again",
    [
        (Rejected("no"), "refused", False),
        (Unsupported("no"), "refused", False),
        (ForbiddenEffect("it mails"), "refused", False),
        (settled(ForbiddenEffect("it mails"), "partly_done"), "quarantined", False),
        (Discrepancy("a cent more"), "quarantined", False),
        (AlreadyBilled("two invoices"), "quarantined", False),
        (ConfigurationError("no such name in the map"), "quarantined", False),
        (RateLimited("too many"), "planned", True),
        (Unreachable("away"), "planned", True),
        (MalformedResponse("a torn answer"), "planned", True),
        (Unauthorized("wrong key"), "planned", True),
        (LeaseExpired("passed"), "planned", True),
        (settled(LeaseExpired("passed"), "partly_done"), "planned", True),
        (LedgerUnavailable("away"), "planned", True),
        (settled(Rejected("no"), "partly_done"), "unknown", True),
        (settled(Rejected("no"), "done_unread"), "unknown", True),
        (unknown(), "unknown", True),
        (ValueError("a defect"), "unknown", True),
    ],
    ids=repr,
)
def test_each_failure_has_one_end(error: Exception, state: str, again: bool) -> None:
    """The table of the engine: what may have taken effect is never refused, nor simply tried again."""
    result = result_of_error(Course(item(), intended=1), error, TIMING)
    assert (result.state, result.again_in is not None) == (state, again)
    assert result.reason
    assert str(error) in result.detail


def test_what_is_deferred_too_often_is_quarantined() -> None:
    assert result_of_error(Course(item(defers=19)), Unreachable("away"), TIMING).state == "quarantined"
    waits = [result_of_error(Course(item(defers=defers)), Unreachable("away"), TIMING).again_in for defers in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_answer_that_cannot_be_read_is_asked_for_again_and_then_left_to_a_person() -> None:
    """One that was torn is whole the next time; one that stays so is no refusal either."""
    torn = MalformedResponse("the answer is not JSON")
    assert result_of_error(Course(item(defers=3)), torn, TIMING).state == "planned"
    assert result_of_error(Course(item(defers=4)), torn, TIMING).state == "quarantined"


@pytest.mark.parametrize("error", [Unsupported("the lookup has a gap"), Rejected("no such filter")], ids=repr)
def test_what_was_taken_before_is_refused_only_after_its_lookup(error: BridgeError) -> None:
    """A lookup that failed leaves open what an earlier worker has made: a person decides."""
    before_any_request, after_one = Course(item(is_repeat=True)), Course(item(is_repeat=True), intended=1)
    assert result_of_error(before_any_request, error, TIMING).state == "quarantined"
    assert result_of_error(after_one, error, TIMING).state == "refused"
    error.invoice_id = "in_1"  # the lookup has found what an earlier try made, and the next request is refused
    assert result_of_error(after_one, error, TIMING).state == "quarantined"
    assert result_of_error(Course(item(), intended=1), error, TIMING).state == "refused"


# ── what concerns every item ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_wrong_key_stops_the_worker_and_refuses_nothing(ledger: Ledger) -> None:
    plan = plan_of(ledger, 30)
    with pytest.raises(Unauthorized):
        work(ledger, Unauthorized("wrong key"))
    assert ledger.counts(plan) == {"planned": 30}
    work(ledger)
    assert ledger.counts(plan) == {"done": 30}


def test_settings_errors_in_a_row_stop_the_worker(ledger: Ledger) -> None:
    """One is that item's; three in a row are everybody's, and the others keep their place."""
    plan = plan_of(ledger, 30)
    with pytest.raises(ConfigurationError, match="no such product"):
        work(ledger, *[ConfigurationError("no such product") for _ in range(9)])
    assert ledger.counts(plan) == {"quarantined": 3, "planned": 27}


def test_a_stage_that_the_worker_cannot_do_is_an_error(ledger: Ledger) -> None:
    plan = ledger.add_plan(PlanHeader("stripe:acct_1", timing=TIMING))
    ledger.add(plan, [NewItem(f"res-{number}", {"release": {"command": "void"}}) for number in range(3)])
    with pytest.raises(ConfigurationError, match="no action for the stage 'release'"):
        work(ledger)


# ── history is not a charge ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("history, mailed", [(True, 0), (False, 1)])
def test_for_history_nothing_is_mailed_or_collected(ledger: Ledger, history: bool, mailed: int) -> None:
    """The fence refuses the request whatever command the item carries. The control is no history, and is mailed."""
    bill = BILL.model_copy(update={"collection": Collection.send(net_days=14)})
    plan = plan_of(ledger, bill=bill, history=history)
    emulator = STRIPE.emulator()
    Worker(ledger, lambda **settings: emulated_at("stripe", emulator, **settings)[0]).run()
    assert len([entry for entry in emulator.ledger if entry.event == "mailed"]) == mailed
    (row,) = ledger.rows(plan)
    assert (row.state == "done") is not history
    assert (row.reason in {"forbidden-effect", "outcome-unknown"}) is history
    assert Effect.MAILS.value in row.detail or not history


def test_imports_are_moved_and_charge_nobody(ledger: Ledger) -> None:
    """Paid, void and uncollectible documents at Chargebee: each is made once, and nothing is mailed or collected."""
    plan = ledger.add_plan(PlanHeader("chargebee:acme", timing=TIMING))
    emulator: Any = emulated_at("chargebee")[1].emulator
    history = [one for one in documents(emulator.customer) if one.is_settled]
    items = [NewItem(one.reference, {"make": write_operation(one, _losses(one))}) for one in history]
    assert ledger.add(plan, items) == len(history) > 2
    Worker(ledger, lambda **settings: emulated_at("chargebee", emulator, **settings)[0]).run()
    counts = ledger.counts(plan)
    assert counts.get("done", 0) > 2
    assert set(counts) <= {"done", "refused"}
    assert not {entry.event for entry in emulator.ledger} & {"mailed", "collected"}


def _losses(command: Any) -> tuple[str, ...]:
    client = emulated_at("chargebee")[0]
    return tuple(loss.code for loss in client.losses(command))


# ── stopped, repeated, shared ────────────────────────────────────────────────────────────────────────────────────────
def test_a_worker_that_is_stopped_gives_back_what_it_has_not_begun(ledger: Ledger) -> None:
    """What is under way is finished and written; nothing is left in its hands."""
    plan = plan_of(ledger, 30)
    emulator = STRIPE.emulator()

    def make_one(client: Client, item: Item) -> Invoice:
        worker.stop()
        return Failing()(client, item)

    worker = Worker(
        ledger,
        lambda **settings: emulated_at("stripe", emulator, **settings)[0],
        threads=1,
        actions={"make": make_one},
    )
    worker.run()
    assert ledger.counts(plan) == {"done": 1, "planned": 29}
    assert len(emulator.invoices) == 1


def test_move_can_be_repeated_and_run_twice_at_once(place: Place) -> None:
    """Two threads move one plan: each item once; a third run sends nothing."""
    with running(names=["stripe"]) as served, Ledger(place) as ledger:
        emulator = served.emulators["stripe"]
        plan = plan_of(ledger, 60)

        def connect(**settings: Any) -> Client:
            return Client("stripe", api_key=emulator.key, base_url=served.base_urls["stripe"], **settings)

        def run() -> None:
            move(place, None, connect, threads=2)

        both = [threading.Thread(target=run) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        assert ledger.counts(plan) == {"done": 60}
        assert len(emulator.invoices) == 60
        requests = emulator.requests
        assert move(place, 0, connect) == {}
        assert emulator.requests == requests


def test_a_claim_whose_commit_is_not_confirmed_is_taken_over(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker lives on and does not know its items: it ends that lease, and takes them over under the next."""
    plan = plan_of(ledger, 30, timing=Timing(lease=1.0, beat=0.2, deadline=1.0, settling=0.2))
    claim = ledger.claim
    lost: list[Item] = []

    def loses_the_answer(*arguments: Any) -> Any:
        items = claim(*arguments)
        if not lost:
            lost.extend(items)
            raise LedgerUnavailable("the answer to COMMIT is lost")
        return items

    monkeypatch.setattr(ledger, "claim", loses_the_answer)
    _, emulator = work(ledger)
    assert len(lost) == 25
    assert ledger.counts(plan) == {"done": 30}
    assert len(emulator.invoices) == 30
    assert sum(row.claim for row in ledger.rows(plan)) == 55


def test_a_batch_whose_commit_is_not_confirmed_is_written_and_the_next_taken_over(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What became of the first items is written; the next ones, of which the worker does not know, wait their time."""
    plan = plan_of(ledger, 60, timing=Timing(lease=1.0, beat=0.2, deadline=1.0, settling=0.2))
    both, lost = ledger.settle_and_claim, list[Item]()

    def loses_the_answer(*arguments: Any) -> Any:
        written, taken = both(*arguments)
        if taken and not lost:
            lost.extend(taken)
            raise LedgerUnavailable("the answer to COMMIT is lost")
        return written, taken

    monkeypatch.setattr(ledger, "settle_and_claim", loses_the_answer)
    _, emulator = work(ledger)
    assert lost
    assert ledger.counts(plan) == {"done": 60}
    assert len(emulator.invoices) == 60
    assert sum(row.claim for row in ledger.rows(plan)) == 60 + len(lost)


def test_sessions_that_end_in_the_middle_cost_nothing(postgres_journal: str) -> None:
    """The server ends all sessions three times: the worker connects again, and each item is made once."""
    with running(names=["stripe"]) as served, Ledger(postgres_journal) as ledger:
        emulator = served.emulators["stripe"]
        plan = plan_of(ledger, 200)

        def connect(**settings: Any) -> Client:
            return Client("stripe", api_key=emulator.key, base_url=served.base_urls["stripe"], **settings)

        assert is_url(postgres_journal)
        working = threading.Thread(target=lambda: move(postgres_journal, None, connect))
        working.start()
        while not emulator.invoices and working.is_alive():  # a run whose very beginning fails is begun again
            time.sleep(0.01)
        for _ in range(3):
            time.sleep(0.3)
            run_elsewhere(
                postgres_journal,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'invoice_bridge' AND datname = current_database()",
            )
        working.join(60)
        assert not working.is_alive()
    with Ledger(postgres_journal) as ledger:
        assert ledger.counts(plan) == {"done": 200}
    assert len(emulator.invoices) == 200
