"""The journal: intent before a request leaves, outcome after; what a process that was killed leaves behind."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    BilledElsewhere,
    Client,
    ConfigurationError,
    Effect,
    IdempotencyMismatch,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Unreachable,
)
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults, Kind
from invoice_bridge.emulator.server import running
from invoice_bridge.journal.rows import Book, Try
from invoice_bridge.journal.schema import VERSION
from invoice_bridge.journal.store import Journal
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.testing import no_retries
from tests.clients import (
    BASE,
    CHARGE,
    KEY,
    client_of,
    emulated,
    emulated_at,
    fails,
    no_waiting,  # noqa: F401 - a fixture, used by every test
)
from tests.databases import (
    Place,
    is_url,
    make_unwritable,
    run_elsewhere,
)

STRIPE_BOOK = Book("stripe:")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OPEN = Request("POST", "https://a.test/v1/invoices", key="ib1-1")


@pytest.fixture
def path(place: Place) -> Place:
    """Where the journal is kept: a file, and a database."""
    return place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a journal, for what is said of files alone."""
    return tmp_path / "bills.sqlite"


def written(path: Place) -> list[tuple[Any, ...]]:
    """The rows as another connection sees them."""
    return run_elsewhere(path, "SELECT method, url, ended, status, invoice_id FROM tries ORDER BY number")


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_try_is_written_and_concluded(path: Place) -> None:
    """What was about to leave, when, and what became of it, read back as it was written."""
    journal = Journal(path)
    number = journal.intend(STRIPE_BOOK, "res-1", 1, OPEN, NOON)
    begun = Try(number, "stripe:", "res-1", 1, "POST", OPEN.url, "ib1-1", NOON, None, None, None, None)
    assert journal.tries(STRIPE_BOOK, "res-1") == (begun,)
    assert begun.may_have_been_sent is True
    journal.conclude(number, "answered", NOON + timedelta(seconds=2), status=200, invoice_id="in_1")
    ended = replace(begun, ended_at=NOON + timedelta(seconds=2), ended="answered", status=200, invoice_id="in_1")
    assert journal.tries(STRIPE_BOOK, "res-1") == (ended,)
    journal.close()
    assert Journal(path).tries(STRIPE_BOOK, "res-1") == (ended,)


def test_only_what_never_left_is_known_not_to_have_left(path: Place) -> None:
    """not_sent alone says that nothing reached the provider; lost, answered and open say that it may have."""
    journal = Journal(path)
    for ended in ("not_sent", "lost", "answered", None):
        number = journal.intend(STRIPE_BOOK, "res-1", 1, OPEN, NOON)
        if ended is not None:
            journal.conclude(number, ended, NOON)
    assert [(known.ended, known.may_have_been_sent) for known in journal.tries(STRIPE_BOOK, "res-1")] == [
        ("not_sent", False), ("lost", True), ("answered", True), (None, True),
    ]  # fmt: skip


def test_accounts_and_references_are_apart(path: Place) -> None:
    """The same reference at another account, and another one at the same, are other bills."""
    journal = Journal(path)
    journal.intend(STRIPE_BOOK, "res-1", 1, OPEN, NOON)
    assert len(journal.tries(STRIPE_BOOK, "res-1")) == 1
    assert journal.tries(Book("stripe:acct_1"), "res-1") == ()
    assert journal.tries(STRIPE_BOOK, "res-2") == ()


def test_two_journals_share_a_file(path: Place) -> None:
    """Processes and threads write into one file at once: no row is lost, and each has a number of its own."""
    journals = [Journal(path), Journal(path)]
    numbers: list[int] = []

    def write(journal: Journal) -> None:
        for _ in range(20):
            numbers.append(journal.intend(STRIPE_BOOK, "res-1", 1, OPEN, NOON))

    threads = [threading.Thread(target=write, args=(journals[place % 2],)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == len(journals[0].tries(STRIPE_BOOK, "res-1")) == 80


def test_it_is_durable_before_the_request_leaves(file: Path) -> None:
    """WAL, and every commit on the disk: synchronous is FULL."""
    journal: Any = Journal(file)
    assert journal._store.file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._store.file.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """A directory, a folder that is not there, another file, a newer version: each with its path."""
    other = tmp_path / "other.txt"
    other.write_text("this is no database, and it is long enough to be sure of that" * 20)
    newer = tmp_path / "newer.sqlite"
    Journal(newer).close()
    with closing(sqlite3.connect(newer)) as file:
        file.execute(f"PRAGMA user_version = {VERSION + 1}")
    counted, used = tmp_path / "counted.sqlite", tmp_path / "used.sqlite"
    with closing(sqlite3.connect(counted)) as file:
        file.execute("PRAGMA user_version = 1")
    with closing(sqlite3.connect(used)) as file:
        file.execute("CREATE TABLE orders (number INTEGER)")
    before = used.read_bytes()
    for wrong, told in (
        (tmp_path, "cannot be opened"),
        (tmp_path / "missing" / "bills.sqlite", "cannot be opened"),
        (other, "cannot be opened: file is not a database"),
        (newer, "was written by a newer version of this library"),
        (counted, "is another program's database"),
        (used, "is another program's database"),
    ):
        with pytest.raises(ConfigurationError, match=told) as caught:
            Client("stripe", api_key=KEY, base_url=BASE, journal=wrong)
        assert str(wrong) in str(caught.value)
    assert used.read_bytes() == before


# ── in a client ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_intent_is_written_before_the_request_leaves(path: Place) -> None:
    """While a request is under way another connection reads its intent; when its answer is there, what it was."""
    during: list[list[tuple[Any, ...]]] = []
    emulator = STRIPE.emulator()
    transport = EmulatorTransport(emulator, BASE)

    def answer(request: httpx.Request) -> httpx.Response:
        during.append(written(path))
        return transport.handle_request(request)

    with client_of(answer, journal=path) as client:
        client.create(CHARGE)
    opened = ("POST", f"{BASE}/v1/invoices", None, None, None)
    done = ("POST", f"{BASE}/v1/invoices", "answered", 200, "in_00000001")
    adding = ("POST", f"{BASE}/v1/invoices/in_00000001/add_lines", None, None, "in_00000001")
    assert during[:2] == [[opened], [done, adding]]
    assert [(row[2], row[3], row[4]) for row in written(path)] == [("answered", 200, "in_00000001")] * 3


async def test_an_asynchronous_client_writes_it_too(path: Place) -> None:
    """The same rows from AsyncClient."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)
    async with (
        httpx.AsyncClient(transport=transport) as http,
        AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http, journal=path) as client,
    ):
        await client.create(CHARGE)
    assert [(row[2], row[3], row[4]) for row in written(path)] == [("answered", 200, "in_00000001")] * 3


@pytest.mark.parametrize(
    "failure,ended,kind",
    [(httpx.ConnectError("no"), "not_sent", Unreachable), (httpx.ReadTimeout("no"), "lost", OutcomeUnknown)],
)
def test_what_became_of_a_request_is_written(path: Place, failure: Exception, ended: str, kind: Any) -> None:
    """Every try has its row, and says whether it left."""
    with client_of(fails(failure), journal=path) as client, pytest.raises(kind):
        client.create(CHARGE)
    assert [row[2:] for row in written(path)] == [(ended, None, None)] * 3


def test_reads_are_not_written_and_verbs_on_a_known_invoice_are(path: Place) -> None:
    """What reads needs no row; a verb on the invoice of a bill has one, and on any other invoice none."""
    client, transport = emulated(journal=path)
    invoice = client.create(CHARGE)
    before = written(path)
    client.retrieve(invoice.id)
    list(client.list())
    assert written(path) == before
    client.void(invoice.id)
    assert [row[2:] for row in written(path)[len(before) :]] == [("answered", 200, invoice.id)]
    other, _ = emulated(transport.emulator, lookup="never")
    unknown = other.create(CHARGE.model_copy(update={"reference": "res-2"}))
    client.void(unknown.id)
    assert len(written(path)) == len(before) + 1


def test_it_holds_no_key_of_the_account_and_no_content(path: Place) -> None:
    """Neither the API key nor a customer, a description or an amount is in any byte of its files."""
    bill = OneTimeCharge(
        reference="res-1", customer="cus_42", amount=Money(1999, "EUR"), description="confidential words"
    )
    with emulated(journal=path)[0] as client:
        client.create(bill)
        tables = [run_elsewhere(path, f"SELECT * FROM {table}") for table in ("tries", "facts")]  # noqa: S608
        files = b"" if isinstance(path, str) else b"".join(part.read_bytes() for part in path.parent.iterdir())
    content = repr(tables).encode() + files
    assert b"res-1" in content
    for secret in (KEY.encode(), b"confidential", b"cus_42", b"1999", b"Bearer"):
        assert secret not in content


@pytest.mark.parametrize("spoil", ["DROP TABLE tries", "read only"])
def test_a_journal_that_cannot_be_written_sends_nothing(path: Place, spoil: str) -> None:
    """Without its intent on the disk no request leaves: a clear error, and nothing was done."""
    client, transport = emulated(journal=path, lookup="never")
    if spoil == "read only":
        make_unwritable(client)
    else:
        run_elsewhere(path, spoil)
    name = "postgresql://postgres@/journals_[a-z0-9]+" if is_url(path) else r".*bills\.sqlite"
    with pytest.raises(ConfigurationError, match=rf"the journal {name} cannot be (written|read)") as caught:
        client.create(CHARGE)
    assert (caught.value.outcome, transport.sent) == ("nothing_done", [])


def test_a_full_disk_in_the_middle_of_a_bill_says_what_is_done(path: Place) -> None:
    """The first request left and was answered; the second does not leave, and the error says both."""
    emulator = STRIPE.emulator()
    transport = EmulatorTransport(emulator, BASE)

    def answer(request: httpx.Request) -> httpx.Response:
        make_unwritable(client)
        return transport.handle_request(request)

    client = client_of(answer, journal=path)
    with pytest.raises(ConfigurationError, match="so the request was not sent") as caught:
        client.create(CHARGE)
    assert (caught.value.outcome, caught.value.invoice_id) == ("partly_done", "in_00000001")
    assert len(transport.sent) == 1
    assert written(path)[0][2] is None  # what could not be concluded stays open: the next try looks


# ── what it knows ────────────────────────────────────────────────────────────────────────────────────────────────────
def is_look(request: Request) -> bool:
    """Whether a request lists invoices."""
    return request.method == "GET" and "/invoices?" in request.url


@pytest.mark.parametrize("provider", ["chargebee", "stripe"])
def test_defect_37_a_journal_takes_no_lookup_away(path: Place, provider: str) -> None:
    """Defect 37: a journal without a row says nothing of another host; only lookup="journal" declares it complete."""
    ways: tuple[dict[str, Any], ...] = ({}, {"journal": path}, {"journal": path, "lookup": "journal"})
    for number, said in enumerate(ways):
        client, sent = emulated_at(provider, **said)
        client.create(CHARGE.model_copy(update={"reference": f"res-{number}"}))
        assert (sent.sent[0].method == "GET") is (said.get("lookup") != "journal")


def test_lookup_journal_needs_a_journal() -> None:
    """lookup="journal" declares a journal complete: without one it is refused when the client is made."""
    with pytest.raises(ConfigurationError, match="needs a complete journal: pass journal=… too"):
        emulated(lookup="journal")


def test_a_known_reference_is_looked_up_from_its_first_try_on(path: Place) -> None:
    """A bill that was tried is looked up, at Stripe too, in what was made since a day before its first try."""
    clock = FakeClock()
    client, transport = emulated(STRIPE.emulator(clock=clock), journal=path, lookup="journal")
    first = client.create(CHARGE)
    assert not any(is_look(request) for request in transport.sent)
    began = len(transport.sent)
    transport.emulator.kept.clear()  # Stripe has forgotten the keys
    clock.now = datetime.now(UTC)
    for invoice in transport.emulator.invoices.values():
        invoice["created"] = transport.emulator.now_seconds()
    assert client.create(CHARGE).id == first.id
    known, look = transport.sent[began : began + 2]
    assert known.url.endswith(f"/v1/invoices/{first.id}")  # by the id that the journal has, then in the listing
    assert is_look(look)
    since = int(httpx.URL(look.url).params["created[gte]"])
    assert abs(since - (datetime.now(UTC) - timedelta(days=1)).timestamp()) < 60
    assert [entry.event for entry in transport.emulator.ledger] == ["issued"]


def test_what_never_left_is_not_looked_up(path: Place) -> None:
    """A try that is known not to have left made nothing: the next one bills at once."""
    with client_of(fails(httpx.ConnectError("no")), journal=path) as client, pytest.raises(Unreachable):
        client.create(CHARGE)
    client, transport = emulated(journal=path, lookup="journal")
    client.create(CHARGE)
    assert not any(is_look(request) for request in transport.sent)


def test_the_journal_of_another_account_refuses_the_reference(path: Place) -> None:
    """The same reference at a connected account is the same bill of the book; in a book of its own it is another."""
    one, _ = emulated(journal=path, lookup="journal")
    one.create(CHARGE)
    other, transport = emulated(journal=path, lookup="journal", account="acct_1")
    refusal = other.explain(CHARGE).refusal
    assert isinstance(refusal, BilledElsewhere)
    assert (refusal.provider, refusal.account, refusal.state) == ("stripe", "stripe:", "made")
    apart, _ = emulated(journal=path, lookup="journal", account="acct_1", book="apart")
    assert apart.explain(CHARGE).requests[0].method == "POST"
    assert one.explain(CHARGE).requests[0].method == "GET"
    assert transport.sent == []


def test_resolve_takes_the_instant_from_the_journal(path: Place) -> None:
    """No `since` is needed: found where the invoice stands, too early where a lost request may still land."""
    faults = Faults(STRIPE.emulator(clock=FakeClock(datetime.now(UTC))), [Fault(Kind.DELAYED_COMMIT)])
    transport = EmulatorTransport(faults, BASE)
    with no_retries():
        client = Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport), journal=path)
    with pytest.raises(OutcomeUnknown):
        client.create(CHARGE)
    early = client.resolve(CHARGE)
    assert early.state == "too_early"
    faults.land()
    found = client.resolve(CHARGE)
    assert (found.state, found.invoice and found.invoice.id) == ("found", "in_00000001")
    finished = client.create(CHARGE)
    assert (finished.id, finished.status.value) == ("in_00000001", "open")
    assert [entry.event for entry in transport.emulator.ledger] == ["issued"]


def test_resolve_without_a_since_or_a_known_try_is_refused(path: Place) -> None:
    """Nobody knows since when to look: that is said, and nothing is sent."""
    for said in ({}, {"journal": path}):
        client, transport = emulated(**said)
        with pytest.raises(ConfigurationError, match="pass since=…, or keep a journal from the start"):
            client.resolve(CHARGE)
        assert transport.sent == []


# ── killed in between ────────────────────────────────────────────────────────────────────────────────────────────────
BILL = """
import sys
from invoice_bridge import Client, Money, OneTimeCharge
bill = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1999, "EUR"))
settings = {"api_key": sys.argv[2], "base_url": sys.argv[1], "journal": sys.argv[3]}
with Client("stripe", lookup="journal", **settings) as client:
    print("made", client.create(bill).id, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this platform has no SIGKILL")
def test_a_process_killed_in_between_leaves_an_open_intent(path: Place) -> None:
    """SIGKILL while the answer is awaited: the intent is open; the next process looks first, and bills once."""
    with running(names=["stripe"]) as served:
        emulator = served.emulators["stripe"]
        served.faults["stripe"] = Faults(emulator, [Fault(Kind.TIMEOUT_AFTER)])
        url = served.base_urls["stripe"]
        arguments = [sys.executable, "-c", BILL, url, emulator.key, os.fspath(path)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        waiting = threading.Event()
        for _ in range(500):
            if emulator.invoices:
                break
            waiting.wait(0.02)
        os.kill(process.pid, signal.SIGKILL)
        told, _ = process.communicate()
        assert (process.returncode, told, len(emulator.invoices)) == (-signal.SIGKILL, b"", 1)
        assert [row[2:] for row in written(path)] == [(None, None, None)]
        emulator.kept.clear()  # and the provider forgets the key meanwhile
        seen = emulator.requests
        again = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert again.stdout == "made in_00000001\n"
        assert emulator.requests - seen == 4  # the look, the invoice, its lines, its issue
        assert [entry.event for entry in emulator.ledger] == ["issued"]


# ── the references of verbs ──────────────────────────────────────────────────────────────────────────────────────────
REFUND = Request("POST", "https://x.test/refunds", key="k-1", effects=frozenset({Effect.REFUNDS}), invoice_id="in_1")


def test_a_reference_of_a_verb_claims_no_bill(tmp_path: Path) -> None:
    """Its row has the verb; bills, their claims and the ends of those do not see it."""
    journal, book, at = Journal(tmp_path / "bills.sqlite"), Book("stripe:"), datetime(2026, 5, 17, tzinfo=UTC)
    number = journal.intend(book, "r-1", 1, REFUND, at, digest="d", verb="refund")
    journal.conclude(number, "answered", at, status=200, verdict="applied")
    assert journal.tries(book, "r-1") == ()
    assert journal.claims() == ()
    assert journal.reference_of(book, "in_1") is None
    assert journal.learn(book, "in_1", "void", "seen", at) is False
    assert journal.release(book, "r-1", "released", "by hand", at) == 0
    assert [(row.verb, row.invoice_id) for row in journal.verb_tries(book, "refund", "r-1")] == [("refund", "in_1")]
    assert journal.verb_tries(book, "credit", "r-1") == ()
    assert [row.verb for row in journal.history("r-1")] == ["refund"]
    journal.close()


@pytest.mark.parametrize("ended,verdict,refuses", [
    ("answered", "applied", True),
    ("lost", "maybe", True),
    (None, None, True),
    ("answered", "refused", False),
    ("not_sent", "deferred", False),
])  # fmt: skip
def test_a_reference_of_a_verb_has_one_content_in_a_book(
    tmp_path: Path, ended: Any, verdict: Any, refuses: bool
) -> None:
    """At all accounts; what was refused or never sent made nothing. Another book or mode is another matter."""
    journal, at = Journal(tmp_path / "bills.sqlite"), datetime(2026, 5, 17, tzinfo=UTC)
    one, other = Book("stripe:", mode="test"), Book("whop:biz_42", mode="test")
    number = journal.intend(one, "r-1", 1, REFUND, at, digest="one", verb="refund")
    if ended is not None:
        journal.conclude(number, ended, at, verdict=verdict)
    for book, digest in ((one, "two"), (other, "one of whop")):
        if refuses:
            with pytest.raises(IdempotencyMismatch, match="for another refund, of in_1 at stripe"):
                journal.intend(book, "r-1", 1, REFUND, at, digest=digest, verb="refund")
        else:
            journal.refuse_other_content(book, "refund", "r-1", digest)
    journal.refuse_other_content(one, "refund", "r-1", "one")
    journal.refuse_other_content(one, "credit", "r-1", "two")
    journal.refuse_other_content(Book("stripe:", "another", "test"), "refund", "r-1", "two")
    journal.refuse_other_content(Book("stripe:", mode="live"), "refund", "r-1", "two")
    journal.close()
