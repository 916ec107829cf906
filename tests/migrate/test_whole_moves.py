"""A slice of the whole migrations that tools/pairs.py runs by the dozen: killed, stopped, and with faults."""

import random
import sys
from pathlib import Path

import pytest

from tests.migrate.whole import disturb, whole

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="this platform has no SIGKILL"),
]


def test_a_migration_whose_workers_are_killed_and_stopped_moves_each_document_once(tmp_path: Path) -> None:
    """With faults at both accounts: nothing twice, nothing mailed or collected, at no instant payable at both."""
    dice = random.Random(3)
    with whole(tmp_path / "ledger.sqlite", ("chargebee", "stripe"), 40, numbers="new") as stage:
        stage.harm(dice, 120, 5)
        given = disturb(stage, dice, kills=1, stops=1, workers=1, early=True)
        made = stage.judge()
    assert (given["SIGKILL"], given["SIGSTOP"], given["failed"], given["still running"]) == (1, 1, 0, 0)
    assert not made.is_wrong, made
    assert made.states.get("done", 0) >= 36
    assert made.hits > 0


def test_without_the_lookup_the_same_migration_makes_documents_twice(tmp_path: Path) -> None:
    """The control: the judge sees what the rules prevent."""
    dice = random.Random(3)
    with whole(tmp_path / "ledger.sqlite", ("chargebee", "stripe"), 40, numbers="new") as stage:
        disturb(stage, dice, kills=2, stops=0, workers=1, looks_up=False)
        made = stage.judge()
    assert made.doubles
