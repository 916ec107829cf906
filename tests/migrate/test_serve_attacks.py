"""Attacks on the page of a ledger: nothing stale, no lost connection, on a ledger that is odd, gone or busy."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from invoice_bridge import ConfigurationError
from invoice_bridge.migrate import Ledger, NewItem, PlanHeader, Timing
from invoice_bridge.migrate.schema import ITEMS, NOTES
from invoice_bridge.migrate.serving import serving
from tests.migrate.moves import Move
from tests.migrate.test_serve import between, get  # noqa: F401 - a fixture


@pytest.fixture
def own(between: Move, tmp_path: Path) -> Iterator[Ledger]:  # noqa: F811 - the fixture
    """A copy of the ledger, to be harmed."""
    with (
        closing(sqlite3.connect(between.folder / "ledger.sqlite")) as first,
        closing(sqlite3.connect(tmp_path / "own.sqlite")) as copy,
    ):
        first.backup(copy)
    with Ledger(tmp_path / "own.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("harm", ["removed", "replaced"])
def test_a_ledger_that_is_gone_is_not_shown_as_it_was(own: Ledger, tmp_path: Path, harm: str) -> None:
    """Its open file could be read for ever; the style is still there, so that the page can be read."""
    with serving(own) as url:
        assert get(url)[0] == 200
        (tmp_path / "own.sqlite").unlink()
        if harm == "replaced":
            with Ledger(tmp_path / "own.sqlite"):
                pass
        status, text, _ = get(url)
        assert (status, "start migrate serve again" in text) == (503, True)
        assert get(url, "/style.css")[0] == 200


def test_what_cannot_be_read_is_answered(own: Ledger) -> None:
    """An item of another shape is an answer with 500, not a lost connection; the rest is shown."""
    with own.database.writing() as connection:
        connection.execute(update(ITEMS).where(ITEMS.c.number == 1).values(source='{"losses": 5}'))
    with serving(own) as url:
        status, text, headers = get(url, "/item/1")
        assert (status, "The page cannot be shown" in text) == (500, True)
        assert "Content-Security-Policy" in headers
        assert get(url, "/item/2")[0] == 200
        assert get(url, "/plan/1/items")[0] == 200


def test_totals_are_read_again_though_no_state_has_another_count(own: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two items changed places: the counts are the same, the amounts and reasons are not; the page says of when."""
    (row,) = own.rows(1, ("quarantined",))
    with serving(own) as url:
        text = get(url)[1]
        assert "What is below was read at 20" in text
        assert "not-found" not in text
        with own.database.writing() as connection:
            connection.execute(update(ITEMS).where(ITEMS.c.number == row.number).values(reason="not-found"))
        monkeypatch.setattr("invoice_bridge.migrate.serving._OLD", 0.0)
        monkeypatch.setattr("invoice_bridge.migrate.serving._COST", 0)
        for _ in range(100):
            if "reason=not-found" in get(url)[1]:
                break
            time.sleep(0.05)
        assert "reason=not-found" in get(url)[1]


@pytest.mark.parametrize("harm", ["more", "interrupted", "undone", "none"])
def test_a_verification_that_does_not_hold_any_more_is_shown_so(own: Ledger, harm: str) -> None:
    """More was made since, a later verification was interrupted, an undo took documents back; else it is good."""
    done = own.counts(1)["done"]
    with own.database.writing() as connection:
        connection.execute(delete(ITEMS).where(ITEMS.c.state != "done"))
        made = {"expected": done, "verified": done, "ok": True, "at": "2026-11-30T00:00:00Z", "findings": []}
        if harm == "more":
            made |= {"expected": done - 1, "verified": done - 1}
        elif harm == "interrupted":
            made |= {"ok": False, "is_whole": False}
        connection.execute(update(NOTES).where(NOTES.c.name == "verification").values(text=json.dumps(made)))
    if harm == "undone":
        header = own.plan(1)
        undo = own.add_plan(PlanHeader(header.target, {**header.facts, "kind": "undo", "of": 1}, header.timing))
        own.add(undo, [NewItem("res-0", {"make": {}}, {})])
        with own.database.writing() as connection:
            connection.execute(update(ITEMS).where(ITEMS.c.plan == undo).values(state="done"))
    with serving(own, 1) as url:
        card = get(url)[1].partition("<h2>Verification</h2>")[2].partition("</section>")[0]
    wanted = {
        "more": "Since then the plan has changed",
        "interrupted": "A verification has not come to its end",
        "undone": "Since then plan 2 has taken 1 back",
        "none": "verified",
    }
    assert wanted[harm] in card
    assert ('class="good"' in card) == (harm == "none")


def test_a_ledger_that_others_write_is_shown(own: Ledger, tmp_path: Path) -> None:
    """Another process holds the write lock: reading waits for nobody."""
    other = sqlite3.connect(tmp_path / "own.sqlite", isolation_level=None)
    try:
        with serving(own) as url:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            assert [get(url, path)[0] for path in ("/", "/plan/1/items", "/item/1")] == [200, 200, 200]
            assert time.monotonic() - began < 5
    finally:
        other.close()


def test_a_ledger_of_another_version_is_refused_in_words(own: Ledger, tmp_path: Path) -> None:
    """With what to do; nothing is served."""
    with own.database.writing() as connection:
        connection.exec_driver_sql("UPDATE invoice_bridge_ledger SET version = 99")
    with pytest.raises(ConfigurationError, match="another version of this library"), Ledger(tmp_path / "own.sqlite"):
        pass


@pytest.mark.slow
def test_odd_addresses_are_answered_on_postgresql_too(postgres_journal: str) -> None:
    """Numbers that no column has, a NUL that no text has, half of a pair: an answer each, and the next one works."""
    with Ledger(postgres_journal) as ledger:
        number = ledger.add_plan(PlanHeader("stripe:", {"kind": "plan"}, Timing()))
        ledger.add(number, [NewItem("res-1", {"make": {"command": "import_invoice"}}, {"id": "1"})])
        with serving(ledger) as url:
            for path in (
                "/plan/999999999999999999", "/item/999999999999999999", "/item/9999999999", f"/plan/{2**31}",
                f"/plan/{number}/items?state=%00", f"/plan/{number}/items?code=%ED%A0%80",
                f"/plan/{number}/items?after=999999999999999999", f"/plan/{number}/items?code=%25_",
            ):  # fmt: skip
                status, text, _ = get(url, path)
                assert status in {200, 404, 503}, path
                assert "password" not in text
                assert get(url)[0] == 200
