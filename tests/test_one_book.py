"""One reference, one bill, one book: across providers, processes and attempts; and what ends a claim."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AlreadyBilled,
    AlreadySettled,
    BilledElsewhere,
    BridgeError,
    Client,
    Collection,
    ConfigurationError,
    IdempotencyMismatch,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    providers,
)
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults, Kind
from invoice_bridge.emulator.server import running
from invoice_bridge.explain import make_context
from invoice_bridge.journal.recent import RecentLosses
from invoice_bridge.journal.rows import Book, unresolved
from invoice_bridge.journal.store import Journal
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.databases import (
    Place,
    beside,
    is_url,
    run_elsewhere,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STRIPE, WHOP = Book("stripe:", mode="test"), Book("whop:biz_42")
OPEN = Request("POST", "https://a.test/v1/invoices", key="ib1-open")


@pytest.fixture
def path(place: Place) -> Place:
    """Where the journal is kept: a file, and a database."""
    return place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a journal, for what is said of files alone."""
    return tmp_path / "bills.sqlite"


class Shop:
    """A provider's emulator and clients of it that keep one journal."""

    def __init__(self, name: str, journal: Place, *faults: Fault) -> None:
        self.name, self.journal, self.declared = name, journal, providers.get(name)
        self.emulator = self.declared.emulator(clock=FakeClock(datetime.now(UTC)))
        self.faults = Faults(self.emulator, faults)
        here = {"stripe": "http://127.0.0.1:1", "whop": "http://127.0.0.1:1/api/v1"}  # neither host says "live"
        self.root = make_context(self.declared, self.emulator.settings, here.get(name)).base_url
        self.transport = EmulatorTransport(self.faults, self.root)

    def client(self, **said: Any) -> Client:
        given: dict[str, Any] = {"journal": self.journal, "lookup": "journal", **self.emulator.settings, **said}
        http = httpx.Client(transport=self.transport)
        return Client(self.name, api_key=self.emulator.key, base_url=self.root, http=http, **given)

    def bill(self, **said: Any) -> OneTimeCharge:
        how = Collection.send(due=datetime(2027, 1, 1, tzinfo=UTC)) if self.name == "whop" else Collection.manual()
        least: dict[str, Any] = {"reference": "res-1", "customer": self.emulator.customer, "amount": Money(2500, "EUR")}
        least["collection"] = how
        return OneTimeCharge(**(least | said))


# ── across providers ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", ["create", "resolve"])
@pytest.mark.parametrize("first,second", [("stripe", "whop"), ("whop", "chargebee"), ("chargebee", "stripe")])
def test_a_bill_that_was_found_is_not_billed_at_another_provider(
    path: Place, first: str, second: str, how: str
) -> None:
    """It was made without the journal; the journal learns it where it is found, and refuses it elsewhere."""
    one, other = Shop(first, path), Shop(second, path)
    since = datetime.now(UTC) - timedelta(hours=1)
    with one.client(journal=None, lookup="never") as client:
        made = client.create(one.bill())
    with one.client(lookup="auto") as client:
        found = getattr(client, how)(one.bill(), since=since)
        assert (found if how == "create" else found.invoice).id == made.id
        assert client.create(one.bill(), since=since).id == made.id, "found once more, by its id"
    with other.client(lookup="auto") as client, pytest.raises(BilledElsewhere) as refused:
        client.create(other.bill(), since=since)
    assert (refused.value.invoice_id, refused.value.state, len(other.emulator.invoices)) == (made.id, "made", 0)
    with one.client() as client, closing(Journal(path)) as journal:
        assert len(journal.history("res-1")) == 1, "it is recorded once"
        client.void(made.id)
    with other.client() as client:
        assert client.create(other.bill()).reference == "res-1", "its end frees the reference, as of any bill"


def test_a_written_off_bill_that_was_found_is_not_billed_at_another_provider(path: Place) -> None:
    """It can still be paid: it claims its reference, as if the journal had seen it made."""
    one, other = Shop("stripe", path), Shop("chargebee", path)
    with one.client(journal=None, lookup="never") as client:
        made = client.create(one.bill())
        client.mark_uncollectible(made.id)
    with one.client(lookup="auto") as client, pytest.raises(AlreadySettled):
        client.create(one.bill())
    with other.client() as client, pytest.raises(BilledElsewhere):
        client.create(other.bill())
    assert other.emulator.invoices == {}


def test_control_a_void_bill_that_was_found_claims_nothing(path: Place) -> None:
    """Else a reference that was withdrawn would be blocked for good at the next provider."""
    one, other = Shop("stripe", path), Shop("chargebee", path)
    with one.client(journal=None, lookup="never") as client:
        client.void(client.create(one.bill()).id)
    with one.client(lookup="auto") as client:
        with pytest.raises(AlreadySettled):
            client.create(one.bill())
        assert client.resolve(one.bill(), since=datetime.now(UTC) - timedelta(hours=1)).state == "found"
    with other.client() as client:
        assert client.create(other.bill()).reference == "res-1"


@pytest.mark.parametrize("first,second", [("stripe", "whop"), ("whop", "chargebee"), ("chargebee", "stripe")])
def test_defect_39_the_same_reference_at_another_provider_is_refused(path: Place, first: str, second: str) -> None:
    """Defect 39: a journal that knows the bill refuses it at another provider before anything is sent."""
    one, other = Shop(first, path), Shop(second, path)
    made = one.client().create(one.bill())
    with pytest.raises(BilledElsewhere) as refused:
        other.client().create(other.bill())
    error = refused.value
    assert (error.provider, error.invoice_id, error.state, error.outcome) == (first, made.id, "made", "nothing_done")
    assert error.account.startswith(f"{first}:")
    assert other.transport.sent == []
    assert not isinstance(error, IdempotencyMismatch)  # nobody who handles that by a new reference shall meet it
    assert isinstance(error, AlreadyBilled)


def test_another_book_and_another_mode_are_other_bills(path: Place) -> None:
    """A book of its own, or a live key beside a test key, is asked nothing of the other rows."""
    one, other = Shop("stripe", path), Shop("whop", path)
    one.client().create(one.bill())
    assert other.client(book="events").create(other.bill()).reference == "res-1"
    journal = Journal(path)
    assert [claim.book for claim in journal.claims(None, "res-1")] == ["default", "events"]
    live = Book("chargebee:acme", mode="live")
    assert journal.claims(live, "res-1") == ()  # the row of Stripe is one of test mode
    journal.refuse_elsewhere(live, "res-1")
    with pytest.raises(BilledElsewhere):
        journal.refuse_elsewhere(Book("chargebee:acme"), "res-1")  # a mode that is not known is taken to be any


@pytest.mark.parametrize("verb", ["void", "delete"])
def test_what_is_withdrawn_may_be_billed_elsewhere(path: Place, verb: str) -> None:
    """The client's own void or delete teaches the journal; the reference is free for another provider then."""
    one, other = Shop("stripe", path), Shop("whop", path)
    client = one.client()
    made = client.create(one.bill(draft=verb == "delete"))
    getattr(client, verb)(made.id)
    assert other.client().create(other.bill()).reference == "res-1"


def test_a_read_that_shows_a_void_invoice_teaches_the_journal(path: Place) -> None:
    """Voided in the dashboard: reading the invoice, or listing it, frees the reference."""
    for read in ("retrieve", "list"):
        journal = beside(path, read)
        one, other = Shop("stripe", journal), Shop("whop", journal)
        client = one.client()
        made = client.create(one.bill())
        one.emulator.invoices[made.id]["status"] = "void"
        with pytest.raises(BilledElsewhere):
            other.client().create(other.bill())
        assert client.retrieve(made.id) if read == "retrieve" else list(client.list())
        assert other.client().create(other.bill()).reference == "res-1"


def test_a_refusal_that_made_nothing_blocks_nobody(path: Place) -> None:
    """Refused tries never count: an unknown customer at one provider leaves the reference free for another."""
    one, other = Shop("stripe", path), Shop("whop", path)
    with pytest.raises(BridgeError):
        one.client().create(one.bill(customer="cus_none"))
    assert other.client().create(other.bill()).reference == "res-1"


def test_what_may_have_been_sent_blocks_until_resolve_says_absent(path: Place) -> None:
    """A request that was lost blocks the reference elsewhere; resolve there ends that, once it is not too early."""
    one, other = Shop("stripe", path, Fault(Kind.RESET_BEFORE, method="POST", times=9)), Shop("whop", path)
    client = one.client()
    with pytest.raises(OutcomeUnknown):
        client.create(one.bill())
    with pytest.raises(BilledElsewhere) as refused:
        other.client().create(other.bill())
    assert (refused.value.state, refused.value.invoice_id) == ("unknown", None)
    assert client.resolve(one.bill()).state == "too_early"
    old = (datetime.now(UTC) - timedelta(minutes=6)).isoformat()
    run_elsewhere(path, f"UPDATE tries SET began_at = '{old}', ended_at = '{old}'")  # noqa: S608 - the test's own
    assert one.client().resolve(one.bill()).state == "absent"
    assert other.client().create(other.bill()).reference == "res-1"


def test_a_person_may_release_a_reference(path: Place) -> None:
    """`journal release` writes down who knows better and why; tries after it count again."""
    journal = Journal(path)
    number = journal.intend(STRIPE, "res-1", 1, OPEN, NOW)
    journal.conclude(number, "answered", NOW, status=200, invoice_id="in_1", verdict="applied")
    assert journal.release(STRIPE, "res-1", "released", "the customer moved to Whop", NOW) == 1
    journal.refuse_elsewhere(WHOP, "res-1")
    assert [(fact.state, fact.why) for fact in journal.facts("res-1")] == [("released", "the customer moved to Whop")]
    journal.intend(STRIPE, "res-1", 1, OPEN, NOW)
    with pytest.raises(BilledElsewhere):
        journal.refuse_elsewhere(WHOP, "res-1")


def test_one_attempt_is_one_invoice_whatever_ids_it_had(path: Place) -> None:
    """A draft that got another id when it was closed is no claim of its own: the void of its last id ends both."""
    journal = Journal(path)
    for url, invoice_id in (("open", "draft_1"), ("draft_1/close", "7")):
        request = Request("POST", f"https://a.test/{url}", key=f"ib1-{invoice_id}")
        number = journal.intend(STRIPE, "res-1", 1, request, NOW)
        journal.conclude(number, "answered", NOW, status=200, invoice_id=invoice_id, verdict="applied")
    assert [claim.invoice_id for claim in journal.claims(STRIPE, "res-1")] == ["7"]
    assert journal.learn(STRIPE, "7", "void", "seen", NOW) is True
    assert journal.claims(STRIPE, "res-1") == ()
    assert journal.learn(STRIPE, "9", "void", "seen", NOW) is False  # nobody made it here


def test_a_void_does_not_settle_a_second_attempt_that_is_unknown(path: Place) -> None:
    """attempt=2 was lost after attempt 1 was voided: the reference stays claimed."""
    journal = Journal(path)
    first = journal.intend(STRIPE, "res-1", 1, OPEN, NOW)
    journal.conclude(first, "answered", NOW, status=200, invoice_id="in_1", verdict="applied")
    journal.intend(STRIPE, "res-1", 2, Request("POST", OPEN.url, key="ib1-second"), NOW)
    journal.learn(STRIPE, "in_1", "void", "seen", NOW)
    assert [(claim.state, claim.invoice_id) for claim in journal.claims(STRIPE, "res-1")] == [("unknown", None)]


BOTH = """
import sys
from invoice_bridge import BilledElsewhere, Client, Collection, Money, OneTimeCharge
from datetime import UTC, datetime
name, url, key, journal, customer, settings = sys.argv[1:7]
bill = OneTimeCharge(reference="res-1", customer=customer, amount=Money(2500, "EUR"),
    collection=Collection.send(due=datetime(2027, 1, 1, tzinfo=UTC)))
with Client(name, api_key=key, base_url=url, journal=journal, lookup="journal", **eval(settings)) as client:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print("made", client.create(bill).id, flush=True)
    except BilledElsewhere as refused:
        print("refused", refused.provider, flush=True)
"""


MANUAL = BOTH.replace("Collection.send(due=datetime(2027, 1, 1, tzinfo=UTC))", "Collection.manual()")


@pytest.mark.parametrize("place", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
def test_two_processes_at_two_providers_bill_once(path: Place) -> None:
    """The check and the first intent are one transaction: of two that start at the same instant one is refused."""
    with running(names=["stripe", "whop"]) as served:
        for turn in range(5 if isinstance(path, Path) else 2):
            journal = beside(path, f"turn_{turn}")
            Journal(journal).close()
            both = []
            for name in ("stripe", "whop"):
                emulator = served.emulators[name]
                emulator.ledger.clear()
                settings = repr(dict(emulator.settings))
                arguments = [name, served.base_urls[name], emulator.key, str(journal), emulator.customer, settings]
                both.append(
                    subprocess.Popen(
                        [sys.executable, "-c", BOTH.replace('"res-1"', f'"res-{turn}"'), *arguments],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
            for process in both:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in both:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            said = sorted(process.communicate()[0].split()[0] for process in both)
            issued = sum(
                entry.event == "issued" for name in ("stripe", "whop") for entry in served.emulators[name].ledger
            )
            assert (said, issued) == (["made", "refused"], 1)


# ── what the journal knows of a bill ─────────────────────────────────────────────────────────────────────────────────
def test_other_content_is_a_mismatch_however_late(path: Place) -> None:
    """Defect 39: the journal keeps a digest of the content; other lines of the same sum are another bill."""
    shop = Shop("stripe", path)
    made = shop.client().create(shop.bill(description="Stay"))
    shop.emulator.kept.clear()
    sent = len(shop.transport.sent)
    with pytest.raises(IdempotencyMismatch, match="with other content") as other:
        shop.client().create(shop.bill(description="Breakfast"))
    assert (other.value.invoice_id, other.value.outcome, len(shop.transport.sent)) == (made.id, "nothing_done", sent)
    assert shop.client().create(shop.bill(description="Stay")).id == made.id


def test_a_mended_bill_after_a_refusal_is_no_mismatch(path: Place) -> None:
    """What was refused and made nothing is compared with nothing."""
    shop = Shop("stripe", path)
    with pytest.raises(BridgeError):
        shop.client().create(shop.bill(customer="cus_none"))
    assert shop.client().create(shop.bill(attempt=2)).reference == "res-1"


def test_defect_42_what_the_journal_knows_to_be_mailed_is_not_mailed_again(path: Place) -> None:
    """Defect 42: made again when the keys are forgotten, a mailed bill is found, and nobody is mailed twice."""
    shop = Shop("stripe", path)
    bill = shop.bill(collection=Collection.send(net_days=14))
    first = shop.client().create(bill)
    shop.emulator.kept.clear()
    assert shop.client().create(bill).id == first.id
    assert [entry.event for entry in shop.emulator.ledger] == ["issued", "mailed"]


def test_defect_43_a_row_from_the_future_hides_nothing(path: Place) -> None:
    """Defect 43: the clock was three days ahead when the bill was tried: the lookup begins at the beginning."""
    shop = Shop("whop", path, Fault(Kind.RESET_AFTER, method="POST", times=3))
    with pytest.raises(OutcomeUnknown):
        shop.client().create(shop.bill())
    ahead = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    run_elsewhere(path, f"UPDATE tries SET began_at = '{ahead}', ended_at = '{ahead}'")  # noqa: S608 - the test's own
    shop.emulator.kept.clear()
    assert shop.client().create(shop.bill()).id == "inv_00000001"
    assert [entry.event for entry in shop.emulator.ledger].count("issued") == 1


NOT_IN_A_DATABASE = ("attempt = 'two'", "digest = x'00'")


@pytest.mark.parametrize(
    "torn",
    [
        "began_at = 'yesterday'",
        "began_at = '2026-11-01T00:00:00'",
        "invoice_id = ''",
        "invoice_id = 'in_1' || char(8203)",
        "attempt = 'two'",
        "digest = x'00'",
    ],
)
def test_defect_50_a_torn_row_counts_as_sent(path: Place, torn: str) -> None:
    """Defect 50: what cannot be read of a row is the worse: the bill is looked up, found, and not made again."""
    shop = Shop("stripe", path)
    first = shop.client().create(shop.bill())
    shop.emulator.kept.clear()
    if is_url(path):
        torn = torn.replace("char(8203)", "chr(8203)")
        if torn in NOT_IN_A_DATABASE:
            pytest.skip(f"PostgreSQL keeps the type of each column, and has no row with {torn}")
    run_elsewhere(path, f"UPDATE tries SET {torn}")  # noqa: S608 - the test's own
    again = shop.client().create(shop.bill())
    assert (again.id, [entry.event for entry in shop.emulator.ledger]) == (first.id, ["issued"])


def test_defect_51_a_journal_that_keeps_nothing_is_refused(file: Path) -> None:
    """Defect 51: no name, memory, a URI: each would be gone with the process; a file deleted while open is noticed."""
    for name in ("", "  ", ":memory:", "file:bills.sqlite"):
        with pytest.raises(ConfigurationError, match="would be lost with the process"):
            Journal(name)
    shop = Shop("stripe", file)
    client = shop.client()
    client.create(shop.bill())
    for one in file.parent.iterdir():
        one.unlink()
    with pytest.raises(ConfigurationError, match="deleted or replaced while it was open") as caught:
        client.create(shop.bill(reference="res-2"))
    assert caught.value.outcome == "nothing_done"
    assert [entry.reference for entry in shop.emulator.ledger] == ["res-1"]


@pytest.mark.skipif(os.name == "nt", reason="no POSIX permissions")
def test_defect_80_a_journal_is_its_owners_alone(file: Path) -> None:
    """Defect 80: nobody else reads the file or its helper files, whatever the umask says."""
    before = os.umask(0)
    try:
        journal = Journal(file)
        journal.intend(STRIPE, "res-1", 1, OPEN, NOW)
        modes = {stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}


VERSION_1 = """
CREATE TABLE tries (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL, reference TEXT NOT NULL, attempt INTEGER NOT NULL,
    method TEXT NOT NULL, url TEXT NOT NULL, key TEXT,
    began_at TEXT NOT NULL, ended_at TEXT,
    ended TEXT CHECK (ended IN ('not_sent', 'lost', 'answered')), status INTEGER, invoice_id TEXT
);
CREATE INDEX tries_by_reference ON tries (account, reference);
PRAGMA application_id = 1768049201;
PRAGMA user_version = 1;
"""


def test_a_journal_of_schema_1_is_taken_over_in_place(file: Path) -> None:
    """Its rows are kept, belong to the default book, and claim their references by what their statuses say."""
    with closing(sqlite3.connect(file)) as other, other:
        other.executescript(VERSION_1)
        at = NOW.isoformat()
        for number, (ended, status, invoice_id) in enumerate(
            [("answered", 200, "in_1"), ("lost", None, None), ("answered", 400, None), ("answered", 429, None)]
        ):
            row = ("stripe:", f"res-{number}", 1, "POST", OPEN.url, f"k-{number}", at, at, ended, status, invoice_id)
            other.execute(
                "INSERT INTO tries (account, reference, attempt, method, url, key, began_at, ended_at, ended, status, "
                "invoice_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
    journal = Journal(file)
    claims = [(claim.reference, claim.state, claim.invoice_id, claim.book) for claim in journal.claims()]
    assert claims == [("res-0", "made", "in_1", "default"), ("res-1", "unknown", None, "default")]
    assert len(journal.tries(STRIPE, "res-0")) == 1
    journal.close()
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (4,)


# ── unsettled stays unsettled ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("then", ["maybe", "deferred"])
def test_defect_36_a_lost_write_stays_unsettled_through_409_and_429(path: Place, then: Any) -> None:
    """Defect 36: "still running" and "not now" say nothing of the request that was lost; only its own answer does."""
    journal, losses = Journal(path), RecentLosses()
    bill = OneTimeCharge(reference="res-1", customer="c", amount=Money(100, "EUR"))
    tries: list[tuple[Any, Any, datetime]] = [("lost", "maybe", NOW), ("answered", then, NOW + timedelta(minutes=1))]
    for ended, verdict, at in tries:
        number = journal.intend(STRIPE, "res-1", 1, OPEN, NOW)
        journal.conclude(number, ended, at, status=None if ended == "lost" else 409, verdict=verdict)
        losses.note(bill, "ib1-open", verdict, at)
    pending = unresolved(journal.tries(STRIPE, "res-1"))
    assert [known.last_at for known in pending.values()] == [NOW + timedelta(minutes=1)]
    assert losses.unresolved("res-1") == {1: NOW + timedelta(minutes=1)}
    number = journal.intend(STRIPE, "res-1", 1, OPEN, NOW)
    journal.conclude(number, "answered", NOW, status=200, invoice_id="in_1", verdict="applied")
    losses.note(bill, "ib1-open", "applied", NOW)
    assert (unresolved(journal.tries(STRIPE, "res-1")), losses.unresolved("res-1")) == ({}, {})


@pytest.mark.parametrize("kept", [False, True], ids=["no journal", "journal"])
@pytest.mark.parametrize("meets", [Kind.IN_PROGRESS, Kind.THROTTLED])
@pytest.mark.parametrize("name", ["stripe", "whop"])
def test_defect_36_no_second_attempt_while_the_first_may_land(path: Place, name: str, meets: Kind, kept: bool) -> None:
    """Defect 36: lost, and its retries met 409 or 429: attempt=2 is refused, and resolve returned too early."""
    faults = [Fault(Kind.DELAYED_COMMIT, method="POST"), Fault(meets, method="POST", times=2)]
    shop = Shop(name, path, *faults)
    said: dict[str, Any] = {} if kept else {"journal": None, "lookup": "always"}
    client = shop.client(**said)
    with pytest.raises(BridgeError) as lost:
        client.create(shop.bill())
    assert lost.value.outcome == "unknown"
    for again in (client, shop.client()) if kept else (client,):
        with pytest.raises(OutcomeUnknown, match="may still take effect: nothing was billed"):
            again.create(shop.bill(attempt=2))
        assert again.resolve(shop.bill(), since=datetime.now(UTC) - timedelta(hours=1)).state == "too_early"
    shop.faults.land()
    assert len(shop.emulator.invoices) == 1


def test_defect_41_a_second_attempt_touches_no_draft_that_may_still_change(path: Place) -> None:
    """Defect 41: the lines of attempt 1 may still land: attempt=2 finds the draft, and adds no lines of its own."""
    shop = Shop(
        "stripe",
        path,
        Fault(Kind.DELAYED_COMMIT, path="add_lines"),
        Fault(Kind.RESET_BEFORE, path="add_lines", times=9),
    )
    client = shop.client(lookup="always", journal=None)
    with pytest.raises(OutcomeUnknown):
        client.create(shop.bill())
    with pytest.raises(OutcomeUnknown, match="may still take effect"):
        client.create(shop.bill(attempt=2))
    shop.faults.land()
    (invoice,) = shop.emulator.invoices.values()
    assert ([row["amount"] for row in invoice["rows"]], invoice["status"]) == ([2500], "draft")


# ── whose answer is it? ──────────────────────────────────────────────────────────────────────────────────────────────
class Repeats(httpx.BaseTransport):
    """A proxy that hands out the answer before the last one, from a request on, for some requests."""

    def __init__(self, inner: httpx.BaseTransport, since: int, times: int) -> None:
        self.inner, self.since, self.times, self.count, self.last = inner, since, times, 0, b""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(request)
        content, self.count = answer.read(), self.count + 1
        stale, self.last = self.last, content
        if self.since <= self.count < self.since + self.times:
            return httpx.Response(200, content=stale)
        return httpx.Response(answer.status_code, content=content, headers={"content-type": "application/json"})


class Stale(httpx.BaseTransport):
    """A proxy that answers one request with the answer before it, and hands the request on to nobody."""

    def __init__(self, inner: httpx.BaseTransport, at: int) -> None:
        self.inner, self.at, self.count, self.last = inner, at, 0, b"{}"

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        if self.count == self.at:
            return httpx.Response(200, content=self.last, headers={"content-type": "application/json"})
        answer = self.inner.handle_request(request)
        self.last = answer.read()
        return httpx.Response(answer.status_code, content=self.last, headers=answer.headers)


@pytest.mark.parametrize("since", range(4, 8))
@pytest.mark.parametrize("times", [1, 2, 9])
def test_defect_40_the_answer_of_another_bill_is_not_believed(path: Place, since: int, times: int) -> None:
    """Defect 40: a proxy mixes answers up: bill B is billed, or the call says that it does not know; A is untouched."""
    shop = Shop("stripe", path)
    shop.transport = Repeats(shop.transport, since, times)  # type: ignore[assignment]
    client = shop.client(lookup="never", journal=None)
    first = client.create(shop.bill(reference="A"))
    stopped, second = None, None
    try:
        second = client.create(shop.bill(reference="B"))
    except BridgeError as error:
        stopped = error
    references = [row["metadata"]["invoice_bridge_reference"] for row in shop.emulator.invoices.values()]
    if second is not None:
        assert (second.reference, second.id != first.id) == ("B", True)
    else:
        assert stopped is not None
        assert stopped.outcome != "nothing_done" or references == ["A"]
    assert [row["amount"] for row in shop.emulator.invoices[first.id]["rows"]] == [2500]


@pytest.mark.parametrize("verb", ["void", "finalize", "mark_uncollectible", "retrieve"])
def test_defect_40_a_verb_believes_no_answer_about_another_invoice(verb: str) -> None:
    """Defect 40: void("in_A") answered with in_OTHER is unknown, or unreadable for a read; never a success."""
    other = {"id": "in_OTHER", "object": "invoice", "status": "void", "currency": "eur", "lines": {"data": []}}
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=other))
    client = Client(
        "stripe", api_key="sk_test_not_a_key", base_url="http://127.0.0.1:1", http=httpx.Client(transport=transport)
    )
    with pytest.raises(BridgeError, match="the invoice in_OTHER, but in_A was requested") as caught:
        getattr(client, verb)("in_A")
    assert caught.value.outcome == ("nothing_done" if verb == "retrieve" else "unknown")


@pytest.mark.parametrize("provider", ["stripe", "whop", "chargebee"])
def test_defect_40_an_older_answer_never_says_that_a_bill_was_made(path: Place, provider: str) -> None:
    """Defect 40: the write is lost and an older answer stands in for it: it is sent again, or its outcome is unknown.

    Every answer of the call is replaced once by the one before it, at a server that was not asked.
    """
    for since in range(1, 6):
        shop = Shop(provider, beside(path, f"turn_{since}"))
        shop.transport = Stale(shop.transport, since)  # type: ignore[assignment]
        bill = shop.bill()
        stopped: BridgeError | None = None
        with shop.client(lookup="always") as client:
            try:
                made = client.create(bill, allow=["tax"])
            except BridgeError as error:
                stopped, made = error, client.create(bill, allow=["tax"])
        assert stopped is None or stopped.outcome != "done_unread"
        assert len(shop.emulator.invoices) == 1
        assert made.reference == bill.reference
        assert made.total in {bill.total, None}


def test_defect_46_one_invoice_that_got_another_id_is_one(path: Place) -> None:
    """Defect 46: a draft of the journal that was closed meanwhile, and its invoice in the listing, are one bill."""
    shop = Shop("chargebee", path, Fault(Kind.RESET_AFTER, path="close", times=9))
    bill = shop.bill(collection=Collection.charge("pm_42"))
    client = shop.client()
    with pytest.raises(OutcomeUnknown):
        client.create(bill, allow=["tax"])
    shop.faults = Faults(shop.emulator, ())
    shop.transport = EmulatorTransport(shop.faults, shop.root)
    shop.emulator.kept.clear()
    found = shop.client().create(bill, allow=["tax"])
    assert [entry.event for entry in shop.emulator.ledger] == ["issued", "collected"]
    assert found.status == "paid"


def test_defect_47_a_creation_delivered_twice_is_not_nothing(path: Place) -> None:
    """Defect 47: a proxy delivers the creating request twice, and the rest fails: the outcome is not nothing_done."""
    shop = Shop("whop", path)
    twice = shop.transport

    class Doubles(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                twice.handle_request(request)
                return twice.handle_request(request)
            raise httpx.ReadError("reset")

    shop.transport = Doubles()  # type: ignore[assignment]
    with pytest.raises(BridgeError) as caught:
        shop.client(lookup="never", journal=None).create(shop.bill())
    assert len(shop.emulator.invoices) == 1
    assert caught.value.outcome != "nothing_done"


def test_defect_44_a_settled_invoice_is_no_success(path: Place) -> None:
    """Defect 44: uncollectible, void and deleted end in AlreadySettled, whatever found them; nothing is made anew."""
    shop = Shop("stripe", path)
    client = shop.client()
    made = client.create(shop.bill())
    client.mark_uncollectible(made.id)
    for attempt in (1, 2):  # it can still be paid, so a second attempt bills nothing either
        with pytest.raises(AlreadySettled, match="is uncollectible"):
            client.create(shop.bill(attempt=attempt))
    assert len(shop.emulator.invoices) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this platform has no SIGKILL")
def test_a_killed_process_blocks_the_other_provider(path: Place) -> None:
    """SIGKILL while the answer is awaited: the other provider refuses the reference until somebody finds out."""
    with running(names=["stripe"]) as served:
        served.faults["stripe"] = Faults(served.emulators["stripe"], [Fault(Kind.TIMEOUT_AFTER)])
        emulator = served.emulators["stripe"]
        arguments = ["stripe", served.base_urls["stripe"], emulator.key, str(path), emulator.customer, "{}"]
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                MANUAL,
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.write("go\n")
        process.stdin.flush()
        for _ in range(500):
            if emulator.invoices:
                break
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.kill()
        process.communicate()
        other = Shop("whop", path)
        with pytest.raises(BilledElsewhere) as refused:
            other.client().create(other.bill())
        assert refused.value.state == "unknown"
