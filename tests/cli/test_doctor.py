"""invoice-bridge doctor over served emulators: a wrong key, a wrong site, a dead host, a skewed clock, and the rest."""

import json
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Client, Collection, ConfigurationError, Money, OneTimeCharge, providers
from invoice_bridge.adapter.emulation.core import ErrorResponse, IncomingRequest
from invoice_bridge.adapter.emulation.faults import Faults
from invoice_bridge.client.config import key_variable
from invoice_bridge.client.doctor import _Reader
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator.clock import ServedClock
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.journal.store import Journal
from invoice_bridge.providers.chargebee.emulator import ChargebeeEmulator
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.cli.conftest import Done

Cli = Callable[..., Done]
NAMES = ("chargeapi", "chargebee", "stripe", "whop")


def clock() -> datetime:
    """The real time."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """One server for all tests."""
    with running() as served:
        yield served


@pytest.fixture
def all_served(server: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """New emulators of all providers at the real time, and their keys in the environment."""
    for name in NAMES:
        emulator = providers.get(name).emulator(clock=clock)
        server.put(name, emulator)
        monkeypatch.setenv(key_variable(name), emulator.key)
    return server


def options(served: Served, name: str, **changed: str) -> list[str]:
    """The options of a command for one served emulator."""
    settings = dict(served.emulators[name].settings) | {key: value for key, value in changed.items() if key != "url"}
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["--provider", name, "--base-url", changed.get("url", served.base_urls[name]), *given]


def bill(served: Served, name: str) -> None:
    """Make one invoice, so that there is one to read."""
    emulator: Any = served.emulators[name]
    due = clock().replace(microsecond=0) + timedelta(days=14)
    charge = OneTimeCharge(
        reference="r-1",
        customer=emulator.customer,
        amount=Money.parse("9.99", "EUR"),
        description="Fees",
        collection=Collection.send(due=due) if name == "whop" else Collection.send(net_days=14),
    )
    arguments: dict[str, Any] = dict(emulator.settings)
    with Client(name, api_key=emulator.key, base_url=served.base_urls[name], lookup="never", **arguments) as client:
        client.create(charge, allow=["reference", "collection.kind"])


def examined(cli: Cli, *arguments: str) -> tuple[int, dict[str, tuple[str, str]], str]:
    """Run doctor with --json; return its code, state and text by check, and all of its output."""
    done = cli("doctor", *arguments, "--json")
    report = json.loads(done.out)
    assert (report["exit_code"], report["ok"]) == (done.code, done.code == 0)
    for check in report["checks"]:
        assert check["state"] != "failed" or check["remedy"], f"{check['name']} fails without a remedy"
    checks = {check["name"]: (check["state"], check["text"]) for check in report["checks"]}
    assert len(checks) == len(report["checks"])
    return done.code, checks, done.out + done.err


def failures(checks: dict[str, tuple[str, str]]) -> list[str]:
    return [name for name, (state, _) in checks.items() if state == "failed"]


@pytest.mark.parametrize("name", NAMES)
def test_all_is_well_and_nothing_is_written(cli: Cli, all_served: Served, name: str) -> None:
    """No check fails, the ledger and the emulator's writes are as before, and the key is shown nowhere."""
    if name != "chargeapi":  # it bills periods only
        bill(all_served, name)
    emulator = all_served.emulators[name]
    before = (emulator.writes, len(emulator.ledger), emulator.requests)
    code, checks, output = examined(cli, *options(all_served, name))
    assert (code, failures(checks)) == (0, [])
    assert (emulator.writes, len(emulator.ledger)) == before[:2]
    assert emulator.requests > before[2]
    assert emulator.key not in output
    assert {"key", "account", "host", "mode", "clock", "API version", "may list invoices", "journal"} <= set(checks)
    assert checks["key"][1].startswith(f"present in {key_variable(name)}")
    assert checks["clock"][0] == "ok"
    assert checks["may write"] == ("unknown", checks["may write"][1])
    if name != "chargeapi":
        assert checks["may read an invoice"][0] == "ok"
    shown = cli("doctor", *options(all_served, name))
    assert (shown.code, "nothing was written" in shown.out, emulator.key in shown.out) == (0, True, False)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key(cli: Cli, all_served: Served, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key alone fails, and is not printed."""
    wrong = f"{all_served.emulators[name].key}_but_wrong"
    monkeypatch.setenv(key_variable(name), wrong)
    code, checks, output = examined(cli, *options(all_served, name))
    assert (code, failures(checks)) == (3, ["key"])
    assert wrong not in output


def test_no_key_sends_nothing_and_the_journal_is_checked_all_the_same(
    cli: Cli, all_served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message names the variable."""
    monkeypatch.delenv("STRIPE_API_KEY")
    journal = tmp_path / "bills.sqlite"
    code, checks, _ = examined(cli, *options(all_served, "stripe"), "--journal", str(journal))
    assert (code, failures(checks)) == (2, ["key"])
    assert "STRIPE_API_KEY" in checks["key"][1]
    assert (checks["host"][0], checks["journal"][0]) == ("skipped", "ok")
    assert all_served.emulators["stripe"].requests == 0
    assert not journal.exists()


def test_a_key_of_the_other_mode_sends_nothing(cli: Cli, all_served: Served) -> None:
    """The same refusal as that of a client."""
    code, checks, _ = examined(cli, *options(all_served, "stripe"), "--mode", "live")
    assert (code, failures(checks)) == (2, ["settings"])
    assert "mode" in checks["settings"][1]
    assert all_served.emulators["stripe"].requests == 0


def test_a_wrong_site(cli: Cli, all_served: Served) -> None:
    """Chargebee answers a site that it does not have with site_not_found: account and host fail."""

    class NoSite(ChargebeeEmulator):
        def authenticate(self, call: IncomingRequest) -> None:
            raise self._refuse("Sorry, we couldn't find that site", status=404, code="site_not_found")

    all_served.put("chargebee", NoSite(clock=clock))
    code, checks, output = examined(cli, *options(all_served, "chargebee", site="acme-tset"))
    assert (code, failures(checks)) == (3, ["account", "host"])
    assert "chargebee:acme-tset" in checks["account"][1]
    assert "not with Chargebee's invoices" in checks["host"][1]
    assert "settings (site" in output


def test_a_wrong_account(cli: Cli, all_served: Served) -> None:
    """Whop's key is of another company than the setting."""
    code, checks, _ = examined(cli, *options(all_served, "whop", account_id="biz_other"))
    assert (code, failures(checks)) == (3, ["may list invoices"])


@pytest.mark.parametrize("name", NAMES)
def test_a_host_that_is_another_providers(cli: Cli, all_served: Served, name: str) -> None:
    """It answers, but not with the provider's invoices: no check of it passes."""
    other = "whop" if name != "whop" else "stripe"
    url = all_served.base_urls[name].replace(f"/{name}", f"/{other}/nowhere", 1)
    code, checks, _ = examined(cli, *options(all_served, name, url=url))
    assert code == 3
    assert {"host", "key"} & set(failures(checks))
    assert checks["may list invoices"][0] != "ok"


def test_a_dead_host(cli: Cli, all_served: Served) -> None:
    """Nothing listens: one failure, that of the host, and what depends on an answer is left open."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        code, checks, _ = examined(cli, *options(all_served, "stripe", url=url))
    assert (code, failures(checks)) == (3, ["host"])
    assert "nothing listens there" in checks["host"][1]
    assert (checks["key"][0], checks["clock"][0], checks["API version"][0]) == ("unknown", "unknown", "skipped")


def test_a_host_that_never_answers(cli: Cli, all_served: Served) -> None:
    """The wait ends after --timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code, checks, _ = examined(cli, *options(all_served, "stripe", url=url), "--timeout", "0.3")
    assert (code, failures(checks)) == (3, ["host"])


@pytest.mark.parametrize(
    "shift,ending,text",
    [
        (timedelta(seconds=3), (0, "ok"), "s of the provider's"),
        (timedelta(minutes=1), (0, "warning"), "behind the provider"),
        (timedelta(minutes=-1), (0, "warning"), "ahead of the provider"),
        (timedelta(minutes=10), (1, "failed"), "10 min behind the provider"),
        (timedelta(minutes=-10), (1, "failed"), "10 min ahead of the provider"),
        (timedelta(days=-400), (1, "failed"), "9600 h ahead of the provider"),
    ],
)
def test_a_skewed_clock(cli: Cli, all_served: Served, shift: timedelta, ending: tuple[int, str], text: str) -> None:
    """The provider's Date against this machine's clock; from five minutes on, webhooks would be refused."""
    ServedClock.of(all_served.emulators["stripe"]).shift = shift
    ended, checks, _ = examined(cli, *options(all_served, "stripe"))
    assert (ended, checks["clock"][0]) == ending
    assert text in checks["clock"][1]
    assert failures(checks) == (["clock"] if ended else [])


def test_a_key_without_a_permission(cli: Cli, all_served: Served) -> None:
    """The key is accepted, and the permission that it lacks is named."""
    bill(all_served, "stripe")

    class Restricted(StripeEmulator):
        def authenticate(self, call: IncomingRequest) -> None:
            super().authenticate(call)
            if call.segments[-1] == "search":
                body = b'{"error": {"type": "invalid_request_error", "message": "no permission rak_invoice_read"}}'
                raise ErrorResponse(Response(403, body, {"content-type": "application/json"}))

    all_served.put("stripe", Restricted(clock=clock))
    code, checks, _ = examined(cli, *options(all_served, "stripe"))
    assert (code, failures(checks)) == (3, ["may search by reference"])
    assert "rak_invoice_read" in checks["may search by reference"][1]
    assert checks["key"][0] == "ok"


def test_an_account_of_the_other_mode(cli: Cli, all_served: Served) -> None:
    """A key that reads as test, and invoices that are live: the account's own answer decides."""

    class Live(StripeEmulator):
        def __call__(self, *arguments: Any, **options: Any) -> Response:
            answer = super().__call__(*arguments, **options)
            content = answer.content.replace(b'"livemode":false', b'"livemode":true')
            return Response(answer.status, content, answer.headers)

    all_served.put("stripe", Live(clock=clock))
    bill(all_served, "stripe")
    code, checks, _ = examined(cli, *options(all_served, "stripe"))
    assert (code, failures(checks)) == (1, ["mode"])
    assert checks["mode"][1] == "the key or host is for test, the account's invoices are live"


def test_another_api_version_is_a_difference(cli: Cli, all_served: Served) -> None:
    """What is answered with another version than the one that is sent."""

    class Older(StripeEmulator):
        def __call__(self, *arguments: Any, **options: Any) -> Response:
            answer = super().__call__(*arguments, **options)
            return Response(answer.status, answer.content, {**answer.headers, "stripe-version": "2020-08-27"})

    all_served.put("stripe", Older(clock=clock))
    code, checks, _ = examined(cli, *options(all_served, "stripe"))
    assert (code, failures(checks)) == (1, ["API version"])
    assert "2020-08-27" in checks["API version"][1]


def test_a_provider_that_fails(cli: Cli, all_served: Served) -> None:
    """HTTP 500 is the host's failure, once: nothing is tried again."""

    class Broken(StripeEmulator):
        def __call__(self, *_: Any, **__: Any) -> Response:
            self.requests += 1
            return self.server_error()

    broken = Broken(clock=clock)
    all_served.put("stripe", Faults(broken))
    code, checks, _ = examined(cli, *options(all_served, "stripe"))
    assert (code, failures(checks), broken.requests) == (3, ["host"], 1)


def test_the_journal_is_read_and_left_as_it_is(cli: Cli, all_served: Served, tmp_path: Path) -> None:
    """Not there; there; of an older and of a newer schema; another program's; a folder that is not there."""
    path, given = tmp_path / "bills.sqlite", options(all_served, "stripe")

    def journal(place: Path = path) -> tuple[int, str, str]:
        code, checks, _ = examined(cli, *given, "--journal", str(place))
        return code, *checks["journal"]

    assert journal() == (0, "ok", f"{path}: not there yet, the first bill makes it")
    assert list(tmp_path.iterdir()) == []
    Journal(path).close()
    assert journal() == (0, "ok", f"{path}: schema 4")
    assert {one.name for one in tmp_path.iterdir()} == {"bills.sqlite"}
    for version, expected in ((3, (0, "warning")), (99, (2, "failed"))):
        with sqlite3.connect(path) as file:
            file.execute(f"PRAGMA user_version = {version}")
        file.close()
        assert journal()[:2] == expected
        with sqlite3.connect(path) as file:
            assert file.execute("PRAGMA user_version").fetchone() == (version,)
        file.close()
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE things (name TEXT)")
    file.close()
    assert "another program's" in journal(other)[2]
    other.write_bytes(b"this is text, and no database at all" * 100)
    assert journal(other)[:2] == (2, "failed")
    assert "folder" in journal(tmp_path / "none" / "bills.sqlite")[2]


def test_a_journal_that_cannot_be_written(
    cli: Cli, all_served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails, because no bill would be sent; root may write everything, so the answer of the system is set here."""
    path = tmp_path / "bills.sqlite"
    Journal(path).close()
    monkeypatch.setattr("invoice_bridge.journal.state.os.access", lambda *_: False)
    code, checks, _ = examined(cli, *options(all_served, "stripe"), "--journal", str(path))
    assert (code, failures(checks), "not written" in checks["journal"][1]) == (2, ["journal"], True)


def test_a_journal_that_is_in_use(cli: Cli, all_served: Served, tmp_path: Path) -> None:
    """It is read while another process holds its lock."""
    path = tmp_path / "bills.sqlite"
    with closing(Journal(path)), closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        code, checks, _ = examined(cli, *options(all_served, "stripe"), "--journal", str(path))
    assert (code, checks["journal"]) == (0, ("ok", f"{path}: schema 4"))


def test_a_journal_in_a_database(cli: Cli, all_served: Served, postgres_journal: str) -> None:
    """No table is made, no row is changed; a role without rights fails, and so does a dead server."""
    given = [*options(all_served, "stripe"), "--journal"]
    code, checks, _ = examined(cli, *given, postgres_journal)
    assert (code, "not there yet" in checks["journal"][1]) == (0, True)
    code, checks, _ = examined(cli, *given, postgres_journal)
    assert "not there yet" in checks["journal"][1]
    Journal(postgres_journal).close()
    code, checks, _ = examined(cli, *given, postgres_journal)
    assert (code, checks["journal"][0], "schema 4" in checks["journal"][1]) == (0, "ok", True)
    code, checks, _ = examined(cli, *given, "postgresql://nobody@127.0.0.1:1/none")
    assert (code, failures(checks)) == (2, ["journal"])


def test_only_reads_are_sent(all_served: Served) -> None:
    """The client of the checks refuses a write before it is sent."""
    emulator = all_served.emulators["stripe"]
    with (
        _Reader(provider="stripe", api_key=emulator.key, base_url=all_served.base_urls["stripe"]) as client,
        pytest.raises(ConfigurationError, match="GET requests only"),
    ):
        client.finalize("in_1")
    assert emulator.writes == 0


def test_a_profile(cli: Cli, all_served: Served, tmp_path: Path) -> None:
    """A file that is right, one that is not there, one with a fault, and options that it cannot go with."""
    file = tmp_path / "billing.toml"
    text = '[profiles.main]\nprovider = "stripe"\nmode = "test"\njournal = "bills.sqlite"\n'
    file.write_text(f'{text}[providers.stripe]\nbase_url = "{all_served.base_urls["stripe"]}"\n', "utf-8")
    code, checks, _ = examined(cli, "--config", str(file))
    assert (code, checks["file"][0]) == (0, "ok")
    assert checks["journal"][1] == f"{tmp_path / 'bills.sqlite'}: not there yet, the first bill makes it"
    file.write_text(text.replace("mode", "mood"), "utf-8")
    code, checks, _ = examined(cli, "--config", str(file))
    assert (code, failures(checks), "mood" in checks["file"][1]) == (2, ["file"], True)
    code, checks, _ = examined(cli, "--config", str(tmp_path / "none.toml"))
    assert (code, failures(checks)) == (2, ["file"])
    code, checks, _ = examined(cli, "--config", str(file), "--provider", "stripe")
    assert (code, failures(checks)) == (2, ["file"])
    code, checks, _ = examined(cli, "--provider", "chargebee")
    assert (code, failures(checks), "site" in checks["settings"][1]) == (2, ["settings"], True)
    code, checks, _ = examined(cli, "--provider", "strpe")
    assert (code, failures(checks), "stripe" in checks["options"][1]) == (2, ["options"], True)


def test_every_provider_is_tried() -> None:
    """A provider that is built in joins NAMES; others are those of other packages."""
    assert set(NAMES) == {name for name in providers.names() if "." not in name}
