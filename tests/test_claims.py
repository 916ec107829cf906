"""What the rows of a journal claim of a reference, row by row: made, unknown, or nothing."""

import dataclasses
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import BilledElsewhere, ConfigurationError, Invoice, Money, OneTimeCharge, Status
from invoice_bridge.core.wire import Request
from invoice_bridge.engine.lookup import SETTLE_TIME
from invoice_bridge.journal.recent import RecentLosses
from invoice_bridge.journal.rows import Book, Claim, Fact, Try, verdict_of
from invoice_bridge.journal.store import Journal

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STRIPE, WHOP = Book("stripe:acct_X"), Book("whop:biz_42")
BILL = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1900, "EUR"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "bills.sqlite")


def _tried(journal: Journal, attempt: int, ended: Any, invoice_id: str | None = None, after: int = 0) -> int:
    """One try, concluded; its verdict is what the row says by itself."""
    request = Request("POST", "https://a.test/v1/invoices", key=f"ib1-{attempt}")
    number = journal.intend(STRIPE, "res-1", attempt, request, NOON + timedelta(seconds=after))
    if ended is not None:
        status = 200 if ended == "answered" else None
        journal.conclude(number, ended, NOON + timedelta(seconds=after), status=status, invoice_id=invoice_id)
    return number


def test_the_void_of_one_attempt_leaves_the_invoice_of_the_next_claimed(journal: Journal) -> None:
    """Attempt 1 was voided and attempt 2 was made: the reference is billed, and no other provider may bill it."""
    _tried(journal, 1, "answered", "in_1")
    _tried(journal, 2, "answered", "in_2")
    assert journal.learn(STRIPE, "in_1", "void", "seen", NOON) is True
    assert [(claim.state, claim.invoice_id) for claim in journal.claims(WHOP, "res-1")] == [("made", "in_2")]
    with pytest.raises(BilledElsewhere, match="is already billed by in_2 at stripe:acct_X"):
        journal.refuse_elsewhere(WHOP, "res-1")


def test_a_claim_begins_with_the_first_request_that_left(journal: Journal, tmp_path: Path) -> None:
    """What never left claims nothing; a row whose time cannot be read hides no other's."""
    _tried(journal, 1, "not_sent")
    assert journal.claims(STRIPE, "res-1") == ()
    _tried(journal, 1, "lost", after=60)
    torn = _tried(journal, 1, "lost", after=120)
    with closing(sqlite3.connect(tmp_path / "bills.sqlite")) as file, file:
        file.execute("UPDATE tries SET began_at = 'yesterday' WHERE number = ?", (torn,))
    (claim,) = journal.claims(STRIPE, "res-1")
    assert (claim.state, claim.since) == ("unknown", NOON + timedelta(seconds=60))


@pytest.mark.parametrize("torn", ["''", "zeroblob(3)", "hex(zeroblob(128))"])
def test_an_id_that_cannot_be_one_is_none(journal: Journal, tmp_path: Path, torn: str) -> None:
    """No request is made of an id that is empty, no text, or longer than 255 characters."""
    _tried(journal, 1, "answered", "in_1")
    with closing(sqlite3.connect(tmp_path / "bills.sqlite")) as file, file:
        file.execute(f"UPDATE tries SET invoice_id = {torn}")  # noqa: S608 - the test's own
    (known,) = journal.tries(STRIPE, "res-1")
    assert known.invoice_id is None


@pytest.mark.parametrize(
    "ended,status,verdict",
    [
        (None, None, None),
        ("not_sent", None, "deferred"),
        ("lost", None, "maybe"),
        ("answered", None, "maybe"),
        ("answered", 200, "applied"),
        ("answered", 299, "applied"),
        ("answered", 300, "refused"),
        ("answered", 402, "refused"),
        ("answered", 409, "maybe"),
        ("answered", 429, "deferred"),
        ("answered", 499, "refused"),
        ("answered", 500, "maybe"),
        ("answered", 503, "maybe"),
    ],
)
def test_what_a_row_without_a_verdict_says(ended: Any, status: int | None, verdict: str | None) -> None:
    """Rows of schema 1 kept the status alone: only what cannot have taken effect counts as refused."""
    row = Try(1, "stripe:", "res-1", 1, "POST", "https://a.test", "k", NOON, NOON, ended, status, None)
    assert verdict_of(row) == verdict
    assert verdict_of(dataclasses.replace(row, verdict="applied")) == "applied"


def test_a_client_remembers_when_it_last_wrote() -> None:
    """Answered or not: what was made a moment ago may be in no listing yet. It is forgotten after SETTLES."""
    recent = RecentLosses()
    recent.note(BILL, "open", "refused", NOON)
    assert recent.last_write("res-1") is None
    recent.note(BILL, "open", "applied", NOON)
    assert (recent.last_write("res-1"), recent.unresolved("res-1")) == (NOON, {})
    recent.note(BILL.model_copy(update={"reference": "res-2"}), "open", "applied", NOON + SETTLE_TIME)
    assert recent.last_write("res-1") is None


def test_what_a_client_remembers_of_lost_requests() -> None:
    """Lost and stopped requests are kept; "not now" prolongs what was lost and begins nothing; an answer ends it."""
    recent = RecentLosses()
    recent.note(BILL, "open", "deferred", NOON)
    assert recent.unresolved("res-1") == {}
    recent.note(BILL, "open", None, NOON)
    recent.note(BILL, "open", "deferred", NOON + timedelta(seconds=9))
    assert recent.unresolved("res-1") == {1: NOON + timedelta(seconds=9)}
    assert recent.unresolved("res-2") == {}
    recent.note(BILL, "lines", "maybe", NOON + timedelta(seconds=4))
    assert recent.unresolved("res-1") == {1: NOON + timedelta(seconds=9)}
    recent.note(BILL, "open", "refused", NOON)
    assert recent.unresolved("res-1") == {1: NOON + timedelta(seconds=4)}
    recent.note(BILL.model_copy(update={"attempt": 2}), "open", "maybe", NOON + timedelta(seconds=4) + SETTLE_TIME)
    assert set(recent.unresolved("res-1")) == {2}  # the first attempt's can land no more


@pytest.mark.parametrize("kind", [Book, Try, Fact, Claim])
def test_what_the_journal_hands_out_cannot_be_changed(kind: Any) -> None:
    """A row, a fact or a claim is what the file says: no caller can write on it."""
    value = kind(*[None] * sum(field.default is dataclasses.MISSING for field in dataclasses.fields(kind)))
    name = dataclasses.fields(kind)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, "other")


@pytest.mark.parametrize(
    "column,written,read",
    [
        ("attempt", "'two'", 1),
        ("attempt", "3", 3),
        ("verdict", "'applied'", "applied"),
        ("verdict", "'refused'", "refused"),
        ("verdict", "'deferred'", "deferred"),
        ("verdict", "'maybe'", "maybe"),
        ("verdict", "'done'", None),
    ],
)
def test_a_cell_that_cannot_be_read_counts_as_the_worse(
    journal: Journal, tmp_path: Path, column: str, written: str, read: object
) -> None:
    """An attempt that is no number is the first, whose bill it may be; a verdict that is none says nothing."""
    _tried(journal, 2, "answered", "in_1")
    with closing(sqlite3.connect(tmp_path / "bills.sqlite")) as file, file:
        file.execute("PRAGMA ignore_check_constraints = ON")
        file.execute(f"UPDATE tries SET {column} = {written}")  # noqa: S608 - the test's own
    (known,) = journal.tries(STRIPE, "res-1")
    assert getattr(known, column) == read


@pytest.mark.parametrize("status,claimed", [(499, False), (500, True), (502, True)])
def test_a_server_error_beside_a_void_invoice_may_have_made_another(
    journal: Journal, status: int, claimed: bool
) -> None:
    """A server error may have freed the key: the attempt may have made a second invoice beside the void one."""
    for key, code, verdict in (("ib1-a", status, "maybe"), ("ib1-b", 200, "applied")):
        request = Request("POST", "https://a.test/v1/invoices", key=key)
        number = journal.intend(STRIPE, "res-1", 1, request, NOON)
        made: Any = verdict
        invoice_id = "in_1" if code == 200 else None
        journal.conclude(number, "answered", NOON, status=code, invoice_id=invoice_id, verdict=made)
    journal.learn(STRIPE, "in_1", "void", "seen", NOON)
    assert bool(journal.claims(STRIPE, "res-1")) is claimed


def test_the_end_of_an_invoice_ends_no_other_attempt(journal: Journal) -> None:
    """Attempt 2 was lost when attempt 1's invoice was voided: it may still have made one, and goes on claiming."""
    _tried(journal, 1, "answered", "in_1")
    _tried(journal, 2, "lost")
    journal.learn(STRIPE, "in_1", "void", "seen", NOON)
    assert [(claim.state, claim.invoice_id) for claim in journal.claims(STRIPE, "res-1")] == [("unknown", None)]


def test_the_end_of_an_invoice_ends_no_invoice_of_another_attempt_made_meanwhile(journal: Journal) -> None:
    """Attempt 1's invoice was written to once more after attempt 2 made its own: the void of the first ends itself."""
    _tried(journal, 1, "answered", "in_1")
    _tried(journal, 2, "answered", "in_2")
    _tried(journal, 1, "answered", "in_1", after=60)
    journal.learn(STRIPE, "in_1", "void", "seen", NOON)
    assert [(claim.state, claim.invoice_id) for claim in journal.claims(STRIPE, "res-1")] == [("made", "in_2")]


def test_the_end_of_an_invoice_ends_what_is_written_later_to_its_draft(journal: Journal) -> None:
    """A draft's own id claims nothing after the issued invoice was voided, whenever the last write to it is noted."""
    _tried(journal, 1, "answered", "draft_1")
    _tried(journal, 1, "answered", "in_1")
    journal.learn(STRIPE, "in_1", "void", "seen", NOON)
    _tried(journal, 1, "answered", "draft_1", after=60)
    assert journal.claims(STRIPE, "res-1") == ()


@pytest.mark.parametrize(
    "status,reference,learnt",
    [
        (Status.VOID, "res-1", True),
        (Status.DELETED, "res-1", True),
        (Status.VOID, None, False),
        (Status.VOID, "res-2", False),
        (Status.OPEN, "res-1", False),
        (Status.UNCOLLECTIBLE, "res-1", False),
    ],
)
def test_only_an_end_of_the_bills_own_invoice_is_learnt(
    journal: Journal, status: Status, reference: str | None, learnt: bool
) -> None:
    """A void or deleted invoice that carries the reference frees it; one without a reference could be anybody's."""
    _tried(journal, 1, "answered", "in_1")
    seen = Invoice(provider="stripe", id="in_1", status=status, currency="EUR", reference=reference)
    assert journal.learn_from(seen, "a webhook", NOON) is learnt
    assert bool(journal.claims(STRIPE, "res-1")) is not learnt


def test_a_request_is_guarded_unless_it_is_said_otherwise(journal: Journal) -> None:
    """What another account has is refused by default; a verb on an invoice is always possible."""
    _tried(journal, 1, "answered", "in_1")
    request = Request("POST", "https://b.test/v1/invoices", key="ib1-9")
    with pytest.raises(BilledElsewhere):
        journal.intend(WHOP, "res-1", 1, request, NOON)
    assert journal.intend(WHOP, "res-1", 1, request, NOON, guarded=False) == 2


@pytest.mark.parametrize("verdict,claims", [("applied", ["made"]), ("refused", []), ("deferred", ["unknown"])])
def test_an_answer_to_a_repeat_settles_what_was_lost(journal: Journal, verdict: Any, claims: list[str]) -> None:
    """A refusal of the same key says that the lost one made nothing; "not now" says nothing of it."""
    _tried(journal, 1, "lost")
    request = Request("POST", "https://a.test/v1/invoices", key="ib1-1")
    journal.conclude(journal.intend(STRIPE, "res-1", 1, request, NOON), "answered", NOON, status=200, verdict=verdict)
    assert [claim.state for claim in journal.claims(STRIPE, "res-1")] == claims


def test_a_draft_that_got_another_id_ends_with_it(journal: Journal) -> None:
    """One attempt makes one invoice: the draft's own id claims nothing after the issued invoice was voided."""
    _tried(journal, 1, "answered", "draft_1")
    request = Request("POST", "https://a.test/v1/invoices/draft_1/close", key="ib1-close")
    number = journal.intend(STRIPE, "res-1", 1, request, NOON)
    journal.conclude(number, "answered", NOON, status=200, invoice_id="in_1", verdict="applied")
    journal.learn(STRIPE, "in_1", "void", "seen", NOON)
    assert journal.claims(STRIPE, "res-1") == ()


def test_the_longest_id_is_one(journal: Journal) -> None:
    """255 characters are read, as they may be asked for."""
    _tried(journal, 1, "answered", "i" * 255)
    assert journal.tries(STRIPE, "res-1")[0].invoice_id == "i" * 255


def test_a_fact_that_cannot_be_written_says_so_and_no_more(journal: Journal, tmp_path: Path) -> None:
    """No request was held back, so that the message ends with the reason."""
    _tried(journal, 1, "answered", "in_1")
    with closing(sqlite3.connect(tmp_path / "bills.sqlite")) as file, file:
        file.execute("DROP TABLE facts")
    with pytest.raises(ConfigurationError) as failed:
        journal.learn(STRIPE, "in_1", "void", "seen", NOON)
    assert str(failed.value) == f"the journal {journal.path} cannot be written (no such table: facts)"
