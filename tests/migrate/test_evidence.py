"""Attacks on the evidence: it states nothing that does not hold, is whole or not there, and keeps its secrets."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from invoice_bridge import Client, ConfigurationError, Invoice
from invoice_bridge.migrate import Ledger, Migration, NewItem, PlanHeader, Timing, evidence
from invoice_bridge.migrate.preview import preview_of
from invoice_bridge.migrate.schema import ITEMS, NOTES
from tests.migrate.moves import Move, move

HOSTILE = "</script><img src=x onerror=alert(1)>\ud800"


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path) as made:
        made.fill(4, ("paid",))
        yield made


@pytest.fixture
def migration(between: Move) -> Iterator[Migration]:
    """A plan that is moved and verified whole."""
    with between.migration() as made:
        made.plan(customers=between.customers)
        made.run(allow=made.preview().stopping)
        assert made.verify().ok
        yield made


def written(migration: Migration, folder: Path, plan: int | None = None) -> tuple[dict[str, Any], str]:
    """Write evidence; return the verification that it states, and its page."""
    place = migration.write_evidence(folder, plan)
    return json.loads((place / "verification.json").read_text("utf-8")), (place / "index.html").read_text("utf-8")


# ── it states what holds ─────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_verified_as_it_is_now_is_stated_so(migration: Migration, tmp_path: Path) -> None:
    """The control of the tests below; the list has the digest of each file."""
    found, page = written(migration, tmp_path / "evidence")
    assert (found["ok"], found["is_current"], found["verified"], found["taken_back"]) == (True, True, 4, [])
    assert 'class="bad"' not in page
    lines = (tmp_path / "evidence" / "SHA256SUMS").read_bytes().decode().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}  # as `sha256sum -c` reads them
    files = {path.name: path.read_bytes() for path in (tmp_path / "evidence").iterdir() if path.name != "SHA256SUMS"}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.mark.slow
def test_a_ledger_on_postgresql_has_the_same_evidence(between: Move, tmp_path: Path, postgres_journal: str) -> None:
    """What is verified is joined by the number of the item, however the database sorts texts."""
    with Migration(postgres_journal, source=between.source, target=between.target, rate=1000) as migration:
        migration.plan(customers=between.customers)
        migration.run(allow=migration.preview().stopping)
        assert migration.verify().ok
        found, page = written(migration, tmp_path / "evidence")
    assert (found["ok"], found["is_current"], found["verified"]) == (True, True, 4)
    assert 'class="bad"' not in page


def test_a_verification_that_was_interrupted_is_none(
    migration: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier one had found everything right; the second one, which ended early, takes its place."""
    retrieve, read = Client.retrieve, list[str]()

    def stopping(self: Client, invoice_id: str, **options: Any) -> Invoice:
        read.append(invoice_id)
        if len(read) > 2:
            raise KeyboardInterrupt
        return retrieve(self, invoice_id, **options)

    monkeypatch.setattr(Client, "retrieve", stopping)
    with pytest.raises(KeyboardInterrupt):
        migration.verify()
    found, page = written(migration, tmp_path / "evidence")
    assert (found["ok"], found["is_current"]) == (False, False)
    assert "did not come to its end" in page
    assert "of 4 verified" not in page


def test_what_was_made_after_the_verification_is_not_verified(between: Move, tmp_path: Path) -> None:
    """A person ended what was in quarantine meanwhile: the plan is not what was verified."""
    with between.migration() as migration:
        migration.plan(customers=between.customers)
        migration.run(allow=migration.preview().stopping)
        migration.verify()
        with migration.ledger.database.writing() as connection:
            connection.execute(update(ITEMS).where(ITEMS.c.number == 2).values(target_id="other"))
        found, page = written(migration, tmp_path / "evidence")
    assert (found["ok"], found["is_current"], found["verified"]) == (False, False, 4)
    assert "3 documents are verified as they are now" in page


def test_what_was_taken_back_is_not_verified(migration: Migration, tmp_path: Path) -> None:
    """An undo has deleted the documents since."""
    undo = migration.undo(1)
    assert migration.run(undo)["done"] == 4
    found, page = written(migration, tmp_path / "evidence", 1)
    assert (found["ok"], found["taken_back"]) == (False, [{"plan": undo, "documents": 4}])
    assert f"Plan {undo} has taken 4 documents back." in page


@pytest.mark.parametrize("harm", ["incomplete", "changed", "removed"])
def test_a_plan_that_is_not_as_it_was_written_is_stated_so(migration: Migration, tmp_path: Path, harm: str) -> None:
    """Its source was not read to the end; an item was changed, or removed together with the note of it."""
    with migration.ledger.database.writing() as connection:
        if harm == "incomplete":
            connection.execute(delete(NOTES).where(NOTES.c.name == "complete"))
        elif harm == "changed":
            connection.execute(update(ITEMS).where(ITEMS.c.number == 2).values(reference="res-other"))
        else:
            connection.execute(delete(ITEMS).where(ITEMS.c.number == 2))
    found, page = written(migration, tmp_path / "evidence")
    assert found["ok"] is False
    facts = json.loads((tmp_path / "evidence" / "plan.json").read_text("utf-8"))
    assert (facts["is_complete"], facts["is_as_written"]) == (harm != "incomplete", False)
    assert facts["closes"] == (harm != "removed")
    assert ("not complete" if harm == "incomplete" else "not as it was written") in page


def test_a_plan_that_is_not_complete_is_not_verified(migration: Migration) -> None:
    """Nothing of nothing would be right."""
    with migration.ledger.database.writing() as connection:
        connection.execute(delete(NOTES).where(NOTES.c.name == "complete"))
    with pytest.raises(ConfigurationError, match="plan 1 is not complete: plan again"):
        migration.verify()


def test_a_plan_that_has_moved_nothing_has_nothing_verified(between: Move, tmp_path: Path) -> None:
    """0 of 0 is no success to show."""
    with between.migration() as migration:
        migration.plan(customers={})
        migration.verify()
        _, page = written(migration, tmp_path / "evidence")
    assert "nothing to verify" in page


# ── it is whole, or it is not there ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("harm", ["disk", "bug", "ledger"])
def test_half_of_the_evidence_is_removed(
    migration: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str, exists: bool
) -> None:
    """A full disk, a fault of this library, a ledger that changes meanwhile: the next try can write the folder."""
    folder = tmp_path / "evidence"
    if exists:
        folder.mkdir()

    def page(*_given: object) -> str:
        if harm == "disk":
            raise OSError(28, "No space left on device")
        if harm == "bug":
            raise KeyError("x")
        with migration.ledger.database.writing() as connection:
            connection.execute(update(ITEMS).where(ITEMS.c.number == 2).values(state="quarantined"))
        return ""

    with monkeypatch.context() as patched:
        patched.setattr(evidence, "_page", page)
        wanted = {"disk": "No space left", "ledger": "changed while its evidence was written", "bug": "x"}[harm]
        with pytest.raises(KeyError if harm == "bug" else ConfigurationError, match=wanted):
            migration.write_evidence(folder)
    assert folder.exists() == exists
    assert not exists or list(folder.iterdir()) == []
    assert (migration.write_evidence(folder) / "SHA256SUMS").exists()


def test_what_a_killed_process_left_is_named(migration: Migration, tmp_path: Path) -> None:
    """It has no list; whole evidence is not said to be half."""
    folder = migration.write_evidence(tmp_path / "evidence")
    with pytest.raises(ConfigurationError, match=r"and this one is not$"):
        migration.write_evidence(folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ConfigurationError, match="its writing was interrupted: remove it"):
        migration.write_evidence(folder)


def test_two_that_write_at_once_leave_one(
    migration: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one finds a file that it did not make: it removes nothing of the first one."""
    folder, real = tmp_path / "evidence", evidence._write_all

    def late(*given: Any) -> None:
        monkeypatch.setattr(evidence, "_write_all", real)
        migration.write_evidence(tmp_path / "first")
        for path in (tmp_path / "first").iterdir():
            path.rename(folder / path.name)
        real(*given)

    monkeypatch.setattr(evidence, "_write_all", late)
    with pytest.raises(ConfigurationError, match="File exists"):
        migration.write_evidence(folder)
    assert len(list(folder.iterdir())) == 7


def test_a_folder_that_cannot_be_read_is_an_error_in_words(
    migration: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have files."""

    def closed(_path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(ConfigurationError, match="cannot be written: Permission denied"):
        migration.write_evidence(tmp_path)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_place_that_is_no_folder_is_refused(migration: Migration, tmp_path: Path, name: str) -> None:
    """A file, and a path below a file."""
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(ConfigurationError):
        migration.write_evidence(tmp_path / name)
    assert (tmp_path / "file").read_text("utf-8") == "mine"


# ── secrets, and what others wrote ───────────────────────────────────────────────────────────────────────────────────
def test_others_cannot_read_it(migration: Migration, tmp_path: Path) -> None:
    """As the ledger, which has the same."""
    old = os.umask(0)
    try:
        folder = migration.write_evidence(tmp_path / "evidence")
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_texts_of_others_are_data(migration: Migration, tmp_path: Path) -> None:
    """Markup, and half of a pair that is no UTF-8."""
    with migration.ledger.database.writing() as connection:
        finding = json.dumps({
            "plan": 1, "expected": 4, "verified": 3, "ok": False, "at": HOSTILE, "findings": [["a", "differs", HOSTILE]]
        })  # fmt: skip
        connection.execute(update(NOTES).where(NOTES.c.name == "verification").values(text=finding))
    _, page = written(migration, tmp_path / "evidence")
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "default-src 'none'" in page


def test_a_plan_that_is_not_at_its_end_is_stated_so(between: Move, tmp_path: Path) -> None:
    """Whatever was verified of it."""
    with between.migration() as migration:
        migration.plan(customers=between.customers)
        migration.run(first=1, allow=migration.preview().stopping)
        migration.verify()
        found, page = written(migration, tmp_path / "evidence")
    assert (found["ok"], found["verified"]) == (False, 1)
    assert "not at its end: 3 items are left" in page


CHROMIUM = Path("/usr/bin/chromium")


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page_of_the_evidence(migration: Migration, tmp_path: Path, width: int) -> None:
    """As a file: no script, no column out of sight, however long a word is."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with migration.ledger.database.writing() as connection:
        odd = {"state": "quarantined", "detail": HOSTILE[:-1] + "x" * 300}
        connection.execute(update(ITEMS).where(ITEMS.c.number == 2).values(odd))
    folder, events = migration.write_evidence(tmp_path / "evidence"), list[str]()
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: events.append(message.text))
        page.on("dialog", lambda dialog: events.append(dialog.message))
        page.goto((folder / "index.html").as_uri())
        cards = "[...document.querySelectorAll('.cards td')].map(cell => cell.getBoundingClientRect().right)"
        assert all(right <= width for right in page.evaluate(cards))
        assert "res-" in page.inner_text("main")
        browser.close()
    assert events == []


def test_a_ledger_of_the_callers_own_items_has_evidence_too(tmp_path: Path) -> None:
    """Its plan was made by no `plan`: nothing of it is stated as complete."""
    with Ledger(tmp_path / "own.sqlite") as ledger:
        number = ledger.add_plan(PlanHeader("stripe:", {}, Timing()))
        ledger.add(number, [NewItem("res-1", {"make": {"command": "import_invoice"}}, {"id": "1"})])
        folder = evidence.write_evidence(ledger, preview_of(ledger, number, None), tmp_path / "evidence")
    assert json.loads((folder / "plan.json").read_text("utf-8"))["is_complete"] is False
