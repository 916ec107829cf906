"""Each item is made exactly once: under SIGKILL, SIGSTOP, a dead worker, on both databases.

The target forgets idempotency keys at once, so that nothing but the ledger's rules keeps an item from being made twice.
"""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.databases import Place, is_url
from tests.migrate.processes import kill_and_replace, scene

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="this platform has no SIGKILL")


@pytest.mark.parametrize("place", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
def test_killed_workers_make_each_item_once(place: Place) -> None:
    """SIGKILL at seeded points: each item is made once, and all are. `make migrations` runs hundreds of them."""
    with scene(place, 50) as stage:
        workers = 3 if is_url(place) else 1
        assert kill_and_replace(stage, seed=7, kills=workers + 1, workers=workers) >= 1
        assert stage.ledger.counts(stage.plan) == {"done": 50}
        assert (stage.made(), stage.doubles()) == (50, 0)
        assert {row.target_id for row in stage.ledger.rows(stage.plan)} == set(stage.emulator.invoices)


@pytest.mark.slow
def test_killed_workers_import_history_once_and_charge_nobody(tmp_path: Path) -> None:
    """Paid, void and uncollectible invoices at Chargebee: each once, and nothing is mailed or collected."""
    with scene(tmp_path / "ledger.sqlite", 30, provider="chargebee", imports=True) as stage:
        assert kill_and_replace(stage, seed=5, kills=1, workers=1) == 1
        assert stage.ledger.counts(stage.plan) == {"done": 30}
        assert (stage.made(), stage.doubles()) == (30, 0)
        assert not {entry.event for entry in stage.emulator.ledger} & {"mailed", "collected"}


@pytest.mark.slow
def test_pages_as_jobs_survive_killed_machines(postgres_journal: str) -> None:
    """With pgqueuer: a machine that dies leaves its job to another one, which finishes its pages; each item once."""
    with scene(postgres_journal, 50) as stage:
        assert kill_and_replace(stage, seed=3, kills=3, workers=2, jobs=True) >= 1
        assert stage.ledger.counts(stage.plan) == {"done": 50}
        assert (stage.made(), stage.doubles()) == (50, 0)


def test_without_the_lookup_killed_workers_make_items_twice(tmp_path: Path) -> None:
    """The control: the same run, but an item that is taken a second time is not looked up."""
    with scene(tmp_path / "ledger.sqlite", 50) as stage:
        stage.start("answer", 20, looks_up=False).join(30)
        stage.start(looks_up=False).join(60)
        assert stage.ledger.counts(stage.plan) == {"done": 50}
        assert stage.doubles() > 0


@pytest.mark.parametrize("point", ["claim", pytest.param("answer", marks=pytest.mark.slow)])
def test_a_worker_that_is_dead_for_good_is_replaced(tmp_path: Path, point: str) -> None:
    """Nobody starts it again: the other worker has everything done within 30 seconds."""
    with scene(tmp_path / "ledger.sqlite", 50, threads=1) as stage:
        dead, other = stage.start(point), stage.start()
        dead.join(30)
        assert dead.exitcode == -signal.SIGKILL
        died = time.monotonic()
        assert stage.finished(within=30)
        assert time.monotonic() - died < 30
        other.join(10)
        assert (stage.made(), stage.doubles()) == (50, 0)


@pytest.mark.parametrize("place", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("fenced, doubles", [(True, False), (False, True)])
def test_a_worker_stopped_past_its_lease_and_woken_sends_nothing_more(
    place: Place, fenced: bool, doubles: bool
) -> None:
    """Another worker has taken its items over meanwhile. The control, without the fence, makes them twice."""
    with scene(place, 30, threads=1) as stage:
        stopped = stage.start("send", 10, signal=signal.SIGSTOP, fenced=fenced)
        assert stopped.pid is not None
        _wait_until_stopped(stopped.pid)
        stage.start()
        assert stage.finished(within=30)
        before = stage.emulator.requests
        os.kill(stopped.pid, signal.SIGCONT)
        stopped.join(20)
        assert stopped.exitcode == 0
        assert (stage.doubles() > 0) is doubles
        assert (stage.emulator.requests > before) is doubles
        assert stage.ledger.counts(stage.plan) == {"done": 30}


@pytest.mark.slow
@pytest.mark.parametrize(
    "point, after, forgets, sent, doubles",
    [
        ("intended", 9, True, 0, 0),  # the deadline has passed by then, and it is compared directly before the write
        ("written", 0, True, 1, 1),
        ("written", 0, False, 1, 0),
    ],
)
def test_a_stop_after_the_check_of_the_lease_sends_at_most_that_one_request(  # noqa: PLR0917 - parametrized
    tmp_path: Path, point: str, after: int, forgets: bool, sent: int, doubles: int
) -> None:
    """The residue that no client can prevent: a stop within the write itself, and a key that is forgotten."""
    with scene(tmp_path / "ledger.sqlite", 30, threads=1, forgets=forgets) as stage:
        stopped = stage.start(point, after, signal=signal.SIGSTOP)  # a request that creates an item
        assert stopped.pid is not None
        _wait_until_stopped(stopped.pid)
        stage.start()
        assert stage.finished(within=60)
        before = stage.emulator.requests
        os.kill(stopped.pid, signal.SIGCONT)
        stopped.join(20)
        assert (stopped.exitcode, stage.emulator.requests - before) == (0, sent)
        assert stage.doubles() == doubles
        assert stage.ledger.counts(stage.plan) == {"done": 30}


def _wait_until_stopped(pid: int) -> None:
    for _ in range(400):
        if Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "T":
            return
        time.sleep(0.05)
    pytest.fail("the worker did not stop")
