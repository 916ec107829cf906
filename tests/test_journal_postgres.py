"""A journal in a PostgreSQL database alone; what both stores keep is in test_journal and test_one_book."""

import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import BilledElsewhere, Client, ConfigurationError, webhooks
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.journal.location import Location
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from invoice_bridge.providers.stripe import STRIPE
from tests.clients import BASE, CHARGE, KEY, client_of, emulated, no_waiting  # noqa: F401 - a fixture
from tests.databases import run_elsewhere

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OPEN = Request("POST", "https://a.test/v1/invoices", key="ib1-1")
ONE, OTHER = Book("stripe:"), Book("whop:biz_42")
PASSWORD = "not%20a%2Fpassword"


def end_sessions(url: str) -> None:
    """End the journal's sessions, as a restart of the server does."""
    run_elsewhere(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'invoice_bridge' "
        "AND datname = current_database()",
    )


@pytest.fixture
def url(postgres_journal: str) -> str:
    """The URL of a journal."""
    return postgres_journal


# ── check and first intent are one transaction ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "defaults",
    [
        "",
        "-cdefault_transaction_isolation=serializable",
        "-cdefault_transaction_isolation=repeatable%5C%20read",
        "-cdefault_transaction_read_only=on",
        "-csynchronous_commit=off",
    ],
)
def test_the_second_of_two_waits_and_sees_what_the_first_wrote(url: str, defaults: str) -> None:
    """Whatever the database's defaults: an intent that waited is checked against what was committed meanwhile."""
    first, second = Journal(url), Journal(f"{url}%20{defaults.replace('=', '%3D')}")
    ended: list[str] = []

    def intend() -> None:
        try:
            second.intend(OTHER, "res-1", 1, OPEN, NOON)
            ended.append("written")
        except BilledElsewhere as refused:
            ended.append(refused.provider)

    thread = threading.Thread(target=intend)
    store: Any = first._store
    with store.writing("", [("default", "res-1")]) as transaction:
        thread.start()
        for _ in range(500):
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND "
            waiting += "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            if run_elsewhere(url, waiting) == [(1,)]:
                break
        assert ended == []
        assert transaction.select("SHOW synchronous_commit", ()) == [("on",)]
        transaction.insert(
            "INSERT INTO tries (account, reference, attempt, method, url, began_at) VALUES (?, ?, 1, 'POST', ?, ?)",
            ("stripe:", "res-1", OPEN.url, NOON.isoformat()),
        )
    thread.join()
    assert ended == ["stripe"]
    assert [known.account for known in first.history("res-1")] == ["stripe:"]


def test_another_reference_waits_for_nobody(url: str) -> None:
    """The lock is on one reference of one book: other bills go on meanwhile."""
    first, second = Journal(url), Journal(url)
    with first._store.writing("", [("default", "res-1")]):
        assert second.intend(ONE, "res-2", 1, OPEN, NOON)
        assert second.intend(Book("stripe:", name="other"), "res-1", 1, OPEN, NOON)


def test_many_threads_at_two_accounts_bill_a_reference_once(url: str) -> None:
    """Of twelve that begin at once, those of one account pass, and all of the other are refused."""
    journals = [Journal(url) for _ in range(4)]
    ready, results = threading.Barrier(12), []

    def intend(place: int, reference: str) -> None:
        ready.wait()
        book = (ONE, OTHER)[place % 2]
        try:
            journals[place % 4].intend(book, reference, 1, OPEN, NOON)
            results.append((reference, book.account))
        except BilledElsewhere:
            pass

    for turn in range(5):
        threads = [threading.Thread(target=intend, args=(place, f"res-{turn}")) for place in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [len({account for what, account in results if what == f"res-{turn}"}) for turn in range(5)] == [1] * 5
    assert len(results) == 30


# ── the server, and what is lost of it ───────────────────────────────────────────────────────────────────────────────
def test_a_session_that_was_ended_is_opened_again(url: str) -> None:
    """A server that was restarted between two calls: reads and intents go on."""
    journal = Journal(url)
    journal.intend(ONE, "res-1", 1, OPEN, NOON)
    end_sessions(url)
    assert len(journal.history("res-1")) == 1
    end_sessions(url)
    assert journal.intend(ONE, "res-2", 1, OPEN, NOON)


def test_an_outcome_is_written_after_the_session_was_ended(url: str) -> None:
    """The session ends while the request is under way: its answer is written all the same."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)

    def answer(request: httpx.Request) -> httpx.Response:
        end_sessions(url)
        return transport.handle_request(request)

    with client_of(answer, journal=url) as client:
        client.create(CHARGE)
    assert [known.ended for known in Journal(url).history("res-1")] == ["answered"] * 3


def test_a_session_that_ends_inside_the_transaction_sends_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent is not there, the request is not sent, and the error says so; the next call opens a session."""
    client, transport = emulated(journal=url, lookup="journal")
    journal: Any = client._memory.journal
    store: Any = journal._store
    insert = store.insert

    def ends(*statement: Any) -> int:
        end_sessions(url)
        return int(insert(*statement))

    monkeypatch.setattr(store, "insert", ends)
    with pytest.raises(ConfigurationError, match=r"cannot be written .*, so the request was not sent") as caught:
        client.create(CHARGE)
    assert (caught.value.outcome, transport.sent) == ("nothing_done", [])
    monkeypatch.undo()
    assert client.create(CHARGE).reference == "res-1"
    assert [entry.event for entry in transport.emulator.ledger] == ["issued"]


def test_a_session_that_ends_in_the_middle_of_a_bill_says_what_is_done(url: str) -> None:
    """One request was answered, the database is gone before the second: partly done, with the invoice's id."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)

    def answer(request: httpx.Request) -> httpx.Response:
        answered = transport.handle_request(request)
        run_elsewhere(url, "ALTER TABLE tries ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
        end_sessions(url)
        return answered

    with client_of(answer, journal=url) as client, pytest.raises(ConfigurationError) as caught:
        client.create(CHARGE)
    assert (caught.value.outcome, caught.value.invoice_id) == ("partly_done", "in_00000001")
    assert len(transport.sent) == 1
    assert [known.ended for known in Journal(url).history("res-1")] == [None]  # open: the next try looks


def test_a_commit_whose_answer_is_lost_is_an_open_intent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is there, its request was not sent: the next try looks the bill up, and makes it."""
    client, transport = emulated(journal=url, lookup="journal")
    journal: Any = client._memory.journal
    store: Any = journal._store
    execute = store._execute

    def loses(query: str, values: Any = ()) -> Any:
        done = execute(query, values)
        if query == "COMMIT":
            end_sessions(url)
            execute("SELECT 1")
        return done

    monkeypatch.setattr(store, "_execute", loses)
    with pytest.raises(ConfigurationError, match="so the request was not sent"):
        client.create(CHARGE)
    assert transport.sent == []
    monkeypatch.undo()
    assert [known.ended for known in Journal(url).history("res-1")] == [None]
    with pytest.raises(BilledElsewhere):
        Journal(url).refuse_elsewhere(OTHER, "res-1")
    client.create(CHARGE)
    assert transport.sent[0].method == "GET"
    assert [entry.event for entry in transport.emulator.ledger] == ["issued"]


def test_a_lock_that_is_never_released_is_an_error_that_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process keeps the lock: after the limit nothing is sent, and the session can be used again."""
    first, second = Journal(url), Journal(url)
    store: Any = second._store
    store._begin = store._begin.replace("lock_timeout = '30s'", "lock_timeout = '50ms'")
    with (
        first._store.writing("", [("default", "res-1")]),
        pytest.raises(ConfigurationError, match=r"lock timeout\), so the request was not sent"),
    ):
        second.intend(ONE, "res-1", 1, OPEN, NOON)
    assert second.intend(ONE, "res-1", 1, OPEN, NOON)


def test_a_process_that_is_stopped_keeps_no_lock(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends a transaction that stands still: what wakes up later writes nothing, and others go on."""
    first, second = Journal(url), Journal(url)
    store: Any = first._store
    store._begin = store._begin.replace("session_timeout = '60s'", "session_timeout = '500ms'")
    refuse = first.refuse_elsewhere

    def stops(*asked: Any) -> None:
        refuse(*asked)
        assert second.intend(ONE, "res-1", 1, OPEN, NOON)  # waits until the lock is free

    monkeypatch.setattr(first, "refuse_elsewhere", stops)
    with pytest.raises(ConfigurationError, match=r"cannot be written .*, so the request was not sent"):
        first.intend(OTHER, "res-1", 1, OPEN, NOON)
    assert [known.account for known in second.history("res-1")] == ["stripe:"]


def test_a_read_replica_is_refused(url: str) -> None:
    """A replica lags behind: what it does not show may be billed already."""
    run_elsewhere(url, "CREATE FUNCTION pg_is_in_recovery() RETURNS boolean AS 'SELECT true' LANGUAGE sql")
    shadowed = f"{url},pg_catalog"  # the function above comes before the server's own
    with pytest.raises(ConfigurationError, match="is a read replica, which can lag behind: name the primary server"):
        Journal(shadowed)


def test_a_newer_version_and_no_version_are_refused(url: str) -> None:
    """Tables of a later library are left alone."""
    Journal(url).close()
    run_elsewhere(url, "UPDATE invoice_bridge_journal SET version = 99")
    with pytest.raises(ConfigurationError, match="was written by a newer version of this library: upgrade it"):
        Journal(url)
    run_elsewhere(url, "DELETE FROM invoice_bridge_journal")
    with pytest.raises(ConfigurationError, match="does not state one version: restore a backup"):
        Journal(url)


def test_a_role_that_may_not_make_tables_uses_those_that_are_there(url: str) -> None:
    """It needs SELECT, INSERT and UPDATE; where the tables are missing it is refused with the server's words."""
    schema = url.rpartition("%3D")[2]
    run_elsewhere(url, f"CREATE ROLE clerk_{schema} LOGIN")
    run_elsewhere(url, f"GRANT USAGE ON SCHEMA {schema} TO clerk_{schema}")
    clerk = url.replace("postgres@", f"clerk_{schema}@")
    with pytest.raises(ConfigurationError, match=f"cannot be opened: permission denied for schema {schema}"):
        Journal(clerk)
    Journal(url).close()
    run_elsewhere(url, f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO clerk_{schema}")
    assert Journal(clerk).intend(ONE, "res-1", 1, OPEN, NOON) == 1
    run_elsewhere(url, f"DROP OWNED BY clerk_{schema}")
    run_elsewhere(url, f"DROP ROLE clerk_{schema}")


def test_both_stores_have_the_same_columns(url: str, tmp_path: Path) -> None:
    """The tables come from one list; a column that one of them lacks would be lost there."""
    path = tmp_path / "bills.sqlite"
    Journal(path).close()
    Journal(url).close()
    for table in ("tries", "facts"):
        named = f"SELECT column_name FROM information_schema.columns WHERE table_name = 'invoice_bridge_{table}'"  # noqa: S608
        named += " AND table_schema = current_schema()"
        of_file = {row[1] for row in run_elsewhere(path, f"PRAGMA table_info({table})")}
        assert {row[0] for row in run_elsewhere(url, named)} == of_file


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_leaves_its_parents_session(url: str) -> None:
    """A child that ends closes nothing of its parent's: the parent's session goes on."""
    code = (
        "import os, sys\nfrom invoice_bridge.journal.store import Journal\njournal = Journal(sys.argv[1])\n"
        "before = journal._store.connection.info.backend_pid\n"
        "if os.fork() == 0:\n    sys.exit()\nos.wait()\njournal.claims()\n"
        "print(journal._store.connection.info.backend_pid == before)"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


# ── the password ─────────────────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def shows_no_password() -> Iterator[None]:
    """An error whose text, chain and variables show no password, as it is written or as it is meant."""
    with pytest.raises(ConfigurationError) as caught:
        yield
    whole = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    ours = whole.partition("invoice_bridge/")[2]  # the test's own variables have it
    for part in (str(caught.value), ours):
        assert "not%20a" not in part
        assert "not a/pass" not in part
    error: BaseException | None = caught.value
    while error is not None:
        assert "psycopg" not in type(error).__module__
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "given",
    [
        f"postgresql://bills:{PASSWORD}@127.0.0.1:1/main",
        f"postgres://bills:{PASSWORD}@127.0.0.1:1/main?connect_timeout=1",
        f"postgresql://bills@127.0.0.1:1/main?password={PASSWORD}",
        f"postgresql://bills:{PASSWORD}@127.0.0.1:port/main",
        f"postgresql://bills:{PASSWORD}@127.0.0.1:1/main?no_such_setting={PASSWORD}",
        f"postgresql://bills:{PASSWORD}@[::1/main",
        "postgresql://bills:not a/password@127.0.0.1/main",
        "postgresql:not a/password",
        f"postgresql://bills:{PASSWORD}%zz@127.0.0.1/main",
    ],
)
def test_no_error_shows_the_password(given: str) -> None:
    """No server, a wrong port, a URL that cannot be read: each is a ConfigurationError without the password."""
    with shows_no_password():
        Client("stripe", api_key=KEY, base_url=BASE, journal=given)
    with shows_no_password():
        Journal(given)


def test_nothing_that_is_shown_has_the_password() -> None:
    """Its place, as it is printed: the user, the hosts and the database."""
    place = Location(f"postgresql://bills:{PASSWORD}@a.test:5432,b.test/main?password=other&sslmode=require")
    shown = "postgresql://bills@a.test:5432,b.test/main"
    assert (str(place), repr(place), place.name) == (shown, f"Location('{shown}')", shown)
    assert place.conceal(f"{PASSWORD} and other, not a/password") == "… and …, …"
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        place.__reduce__()


@pytest.mark.parametrize(
    "given,shown,hidden",
    [
        ("postgresql://a.test", "postgresql://a.test", []),
        ("postgres://bills@a.test", "postgresql://bills@a.test", []),
        ("postgresql://bills:p%20w@a.test/", "postgresql://bills@a.test", ["p%20w", "p w"]),
        ("postgresql://a.test/main?sslpassword=s%21&sslmode=require", "postgresql://a.test/main", ["s%21", "s!"]),
        ("postgresql://a.test/main?sslmode=require", "postgresql://a.test/main", []),
    ],
)
def test_a_place_shows_all_but_its_passwords(given: str, shown: str, hidden: list[str]) -> None:
    """They are hidden as they are written and as they are meant, and nothing else is."""
    place = Location(given)
    assert (str(place), place.has_password, place.reveal()) == (shown, bool(hidden), given)
    for word in hidden:
        assert place.conceal(f"of {word}.") == "of …."
    assert place.conceal("sslmode, require and a.test") == "sslmode, require and a.test"


@pytest.mark.parametrize("given", ["postgresql:a.test", "postgresql://a.test/main#x", "postgresql://a\0.test/main"])
def test_a_url_that_cannot_be_read_is_not_shown(given: str) -> None:
    """It may have a password anywhere."""
    with pytest.raises(ConfigurationError) as refused:
        Location(given)
    assert str(refused.value) == (
        "the journal's URL cannot be read: write postgresql://USER@HOST/DATABASE, with the password in PGPASSWORD or "
        "~/.pgpass (in a URL, its special characters are percent-encoded)"
    )


def test_a_client_and_its_journal_show_no_password(url: str) -> None:
    """A server that trusts takes any password: nothing of a client that works shows it."""
    given = url.replace("postgres@", f"postgres:{PASSWORD}@")
    client, _ = emulated(journal=given)
    journal: Any = client._memory.journal
    shown = [repr(client), repr(journal), journal.path, repr(client.__dict__), repr(vars(journal))]
    assert [text for text in shown if "not%20a" in text or "not a/" in text] == []
    client.create(CHARGE)
    with client_of(lambda _request: httpx.Response(500), journal=given) as broken:
        run_elsewhere(url, "DROP TABLE tries")
        with pytest.raises(ConfigurationError) as caught:
            broken.create(CHARGE)
    assert "not%20a" not in str(caught.value)
    assert f"{Location(url)} cannot be read" in str(caught.value)


# ── without psycopg, and elsewhere ───────────────────────────────────────────────────────────────────────────────────
def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install; nothing was sent."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r'needs psycopg: pip install "invoice-bridge\[postgres\]"'):
        Journal("postgresql://bills@127.0.0.1/main")


def test_a_receiver_of_webhooks_takes_the_database_too(url: str) -> None:
    """`Journal(url)` is what webhooks.parse takes, in another process than the client's."""
    journal = Journal(url)
    number = journal.intend(ONE, "res-1", 1, OPEN, NOON)
    journal.conclude(number, "answered", NOON, status=200, invoice_id="in_1", verdict="applied")
    assert Journal(url).learn(ONE, "in_1", "void", "a webhook", NOON + timedelta(seconds=1))
    journal.refuse_elsewhere(OTHER, "res-1")
    assert webhooks.parse.__module__.startswith("invoice_bridge.webhooks")
