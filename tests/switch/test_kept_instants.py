"""The instants of a switch in a journal, in a file and in a database: kept once, moved with a reason, in a chain."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from invoice_bridge import ConfigurationError, Journal
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.shadows import Finding
from invoice_bridge.journal.switches import EVERYBODY
from tests.databases import Place, run_elsewhere

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = datetime(2026, 12, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
OLD, NEW, NEXT = Book("stripe:", mode="test"), "whop:biz_42", "chargebee:acme"


@pytest.fixture
def journal(place: Place) -> Iterator[Journal]:
    """A new journal."""
    with closing(Journal(place)) as opened:
        yield opened


def test_the_first_use_keeps_all_instants(journal: Journal) -> None:
    """Also those of customers who are billed later; the kept one is returned from then on."""
    given = {"acme": LATER, EVERYBODY: AT}
    assert journal.switches.keep(OLD, NEW, given, "bolt", NOW) == AT
    assert journal.switches.keep(OLD, NEW, given, "acme", NOW) == LATER
    rows = journal.switches.rows(OLD)
    assert [(row.customer, row.at, row.source, row.target, row.mode, row.kept_at) for row in rows] == [
        ("acme", LATER, "stripe:", NEW, "test", NOW),
        (EVERYBODY, AT, "stripe:", NEW, "test", NOW),
    ]
    assert journal.switches.keep(OLD, NEW, given, "acme", NOW + timedelta(days=1)) == LATER
    assert len(journal.switches.rows(OLD)) == 2


@pytest.mark.parametrize(
    "given,customer",
    [
        ({EVERYBODY: LATER}, "bolt"),
        ({EVERYBODY: AT}, "acme"),
        ({"bolt": LATER, EVERYBODY: AT}, "bolt"),
        ({"acme": LATER, EVERYBODY: LATER}, "bolt"),
    ],
)
def test_another_instant_is_refused(journal: Journal, given: dict[str, datetime], customer: str) -> None:
    """Of all, of one customer, of one that had the instant of all others."""
    journal.switches.keep(OLD, NEW, {"acme": LATER, EVERYBODY: AT}, "acme", NOW)
    with pytest.raises(ConfigurationError, match="switch move"):
        journal.switches.keep(OLD, NEW, given, customer, NOW)


def test_a_move_replaces_an_instant_and_keeps_the_reason(journal: Journal) -> None:
    """Afterwards only the new one is taken; both rows stay."""
    journal.switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)
    before = journal.switches.move(OLD, NEW, EVERYBODY, LATER, why="the bank needs a month more", now=NOW)
    assert before.at == AT
    assert journal.switches.keep(OLD, NEW, {EVERYBODY: LATER}, None, NOW) == LATER
    with pytest.raises(ConfigurationError, match="switch move"):
        journal.switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)
    assert [row.why for row in journal.switches.rows(OLD)] == ["kept at first use", "the bank needs a month more"]


def test_what_cannot_be_moved_is_refused(journal: Journal) -> None:
    """Nothing is kept yet; no reason; no offset."""
    with pytest.raises(ConfigurationError, match="nothing to move"):
        journal.switches.move(OLD, NEW, EVERYBODY, LATER, why="soon", now=NOW)
    journal.switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)
    for why in ("", "two\nlines"):
        with pytest.raises(ConfigurationError, match="why must be"):
            journal.switches.move(OLD, NEW, EVERYBODY, LATER, why=why, now=NOW)
    with pytest.raises(ConfigurationError, match="with its offset"):
        journal.switches.move(OLD, NEW, EVERYBODY, datetime(2027, 1, 1), why="soon", now=NOW)


def test_switches_of_a_book_are_a_chain(journal: Journal) -> None:
    """Another target, a way back in time, and a switch that is over are refused; another mode is another book."""
    switches = journal.switches
    switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)
    with pytest.raises(ConfigurationError, match="this book switches from stripe to whop:biz_42, not from"):
        switches.keep(OLD, NEXT, {EVERYBODY: LATER}, None, NOW)
    second = Book(NEW, mode="test")
    with pytest.raises(ConfigurationError, match="must be after it"):
        switches.keep(second, NEXT, {EVERYBODY: AT - timedelta(days=1)}, None, NOW)
    assert switches.keep(second, NEXT, {EVERYBODY: LATER}, None, NOW) == LATER
    with pytest.raises(ConfigurationError, match="switches from whop:biz_42 to chargebee:acme"):
        switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)
    with pytest.raises(ConfigurationError, match="must be after it"):
        switches.move(second, NEXT, EVERYBODY, AT - timedelta(days=1), why="too early", now=NOW)
    live = Book("stripe:", mode="live")
    assert switches.keep(live, NEXT, {EVERYBODY: AT}, None, NOW) == AT


def test_an_instant_that_was_moved_does_not_hold_up_the_next_switch(journal: Journal) -> None:
    """It was moved to an earlier one: the next switch is after that, and not after the one that counts no more."""
    journal.switches.keep(OLD, NEW, {EVERYBODY: LATER}, None, NOW)
    journal.switches.move(OLD, NEW, EVERYBODY, AT, why="sooner", now=NOW)
    between = AT + timedelta(days=10)
    assert journal.switches.keep(Book(NEW, mode="test"), NEXT, {EVERYBODY: between}, None, NOW) == between


def test_swapped_accounts_are_no_way_back(journal: Journal) -> None:
    """A process whose file has the two sides swapped, at the same instant, would bill each period at the wrong one."""
    journal.switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)
    with pytest.raises(ConfigurationError, match="its two accounts are swapped"):
        journal.switches.keep(Book(NEW, mode="test"), OLD.account, {EVERYBODY: AT}, None, NOW)
    assert journal.switches.keep(Book(NEW, mode="test"), OLD.account, {EVERYBODY: LATER}, None, NOW) == LATER


def test_an_instant_that_cannot_be_read_decides_nothing(journal: Journal, place: Place) -> None:
    """A torn row is no absence of one: bills are refused."""
    journal.switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)
    run_elsewhere(place, "UPDATE switches SET at = 'soon'")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        journal.switches.keep(OLD, NEW, {EVERYBODY: AT}, None, NOW)


def test_two_processes_keep_one_instant(journal: Journal, place: Place) -> None:
    """Both use the switch first at the same moment, with two instants: one is kept, the other is refused."""
    barrier = threading.Barrier(2)
    ends: list[datetime | None] = []

    def process(at: datetime) -> None:
        with closing(Journal(place)) as own:
            barrier.wait()
            try:
                ends.append(own.switches.keep(OLD, NEW, {EVERYBODY: at}, None, NOW))
            except ConfigurationError:
                ends.append(None)

    threads = [threading.Thread(target=process, args=(at,)) for at in (AT, LATER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (row,) = journal.switches.rows(OLD)
    assert sorted(ends, key=str) == sorted([None, row.at], key=str)


def test_the_note_of_a_bill_is_replaced_by_its_next_one(journal: Journal, place: Place) -> None:
    """A bill that is repeated counts once; a row that cannot be read is a finding."""
    loss = Finding("loss", "warns", "it has no purchase order", "IB-X-01", "purchase_order")
    for findings in ((loss,), ()):
        journal.shadows.note(OLD, NEW, "2026-11", "res-1", findings, now=NOW)
    journal.shadows.note(OLD, NEW, "2026-12", "res-2", (loss,), now=NOW)
    assert [(noted.reference, noted.findings) for noted in journal.shadows.notes(OLD, NEW)] == [
        ("res-1", ()),
        ("res-2", (loss,)),
    ]
    assert [noted.reference for noted in journal.shadows.notes(OLD, NEW, "2026-12")] == ["res-2"]
    assert journal.shadows.notes(OLD, NEXT) == ()
    run_elsewhere(place, "UPDATE shadows SET findings = 'torn' WHERE reference = 'res-1'")
    (torn, _) = journal.shadows.notes(OLD, NEW)
    assert [finding.kind for finding in torn.findings] == ["failed"]
