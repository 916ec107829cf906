"""`move(place, page, connect)` runs unchanged under DBOS and Procrastinate, whose processes are killed.

The target forgets idempotency keys at once, so that nothing but the ledger's rules keeps an item from being made twice.
`make engines` installs both and runs this; elsewhere it is skipped.
"""

import sys
from importlib.util import find_spec

import pytest

from tests.migrate.other_engines import prepare
from tests.migrate.processes import kill_and_replace, scene

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="this platform has no SIGKILL")]
ENGINES = ["dbos", "procrastinate"]
ITEMS = 50


def _need(engine: str) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed: run make engines")


@pytest.mark.parametrize("engine", ENGINES)
def test_pages_run_unchanged_under_another_engine(postgres_journal: str, engine: str) -> None:
    """Nobody is killed: each page is a job, and each item is made once."""
    _need(engine)
    with scene(postgres_journal, ITEMS) as stage:
        prepare(engine, stage.place)
        stage.start(engine=engine).join(60)
        assert stage.ledger.counts(stage.plan) == {"done": ITEMS}
        assert (stage.made(), stage.doubles()) == (ITEMS, 0)


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_processes_of_another_engine_make_each_item_once(postgres_journal: str, engine: str, seed: int) -> None:
    """SIGKILL at seeded points, and a new process each time: each item once, and all are."""
    _need(engine)
    with scene(postgres_journal, ITEMS) as stage:
        prepare(engine, stage.place)
        assert kill_and_replace(stage, seed=seed, kills=3, workers=1, engine=engine) >= 1
        assert stage.ledger.counts(stage.plan) == {"done": ITEMS}
        assert (stage.made(), stage.doubles()) == (ITEMS, 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_the_lookup_another_engine_makes_items_twice(postgres_journal: str, engine: str) -> None:
    """The control: exactly once rests on the ledger's rules, not on the engine."""
    _need(engine)
    with scene(postgres_journal, ITEMS) as stage:
        prepare(engine, stage.place)
        stage.start("answer", 20, looks_up=False, engine=engine).join(30)
        stage.start(looks_up=False, engine=engine).join(60)
        assert stage.ledger.counts(stage.plan) == {"done": ITEMS}
        assert stage.doubles() > 0
