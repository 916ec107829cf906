"""invoice-bridge calibrate and providers --evidence: the evidence file is written, read and shown."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, calibrations, providers
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.cli.calibrate import _is_own_host
from invoice_bridge.cli.emulate import _switches
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from invoice_bridge.providers.stripe.emulator.probes import PROBES
from tests.cli.conftest import Done

Cli = Callable[..., Done]
READS = {"search", "customer_owes", "customer_credit", "customer_discount"}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """One server for all tests."""
    with running(names=["stripe", "whop"]) as served:
        yield served


def words(server: Served) -> list[str]:
    """Return the command for the served Stripe."""
    return ["calibrate", "stripe", "--customer", "cus_42", "--base-url", server.base_urls["stripe"]]


@pytest.mark.slow  # runs every probe
def test_the_command_writes_its_evidence(server: Served, cli: Cli, tmp_path: Path) -> None:
    """Exit code 0 where the account does as the emulator; the file has no key, id, address or host."""
    file = tmp_path / "stripe.json"
    server.put("stripe", StripeEmulator())
    done = cli(*words(server), "--write", "--output", str(file), "--json")
    assert done.code == 0, done.err
    text, printed = file.read_text("utf-8"), json.loads(done.out)
    found = json.loads(text)
    assert found["switches"] == {name: default for name, default in printed["emulator"].items() if name in PROBES.rows}
    assert found["unobserved"] == PROBES.unobserved
    assert (found["mode"], found["recorded_at_provider"], found["stopped"]) == ("test", False, False)
    assert found["made"] == {"kept": len(printed["kept"]), "left": 0, "unsure": 0}
    assert printed["kept"]
    for secret in ("cus_", "in_0", "sk_test", "127.0.0.1", "example", "cal-"):
        assert secret not in text
    assert calibrations.read(text, file.name).text() == text


def test_the_command_reads_without_the_flag(server: Served, cli: Cli, tmp_path: Path) -> None:
    """Exit code 1 where the account does something else; what was not run is named."""
    emulator = StripeEmulator(switches={"search": False})
    server.put("stripe", emulator)
    file = tmp_path / "stripe.json"
    done = cli(*words(server), "--output", str(file))
    assert (done.code, emulator.writes) == (1, 0)
    assert "not run without --write: replay_header, whole_units" in done.out
    assert "2 more switches have no probe" in done.out
    found = calibrations.read(file.read_text("utf-8"), file.name)
    assert (set(found.switches), found.switches["search"]) == (READS, False)
    assert set(found.skipped) == set(PROBES.rows) - READS
    done = cli("calibrate", "whop", "--customer", "mber_42", "--base-url", server.base_urls["whop"], "--charge")
    assert (done.code, "--charge needs --write" in done.err) == (2, True)


@pytest.mark.parametrize("name", ["no/such/folder.json", ".", "link.json"])
def test_evidence_that_cannot_be_written_is_refused_before_a_request(
    server: Served, cli: Cli, tmp_path: Path, name: str
) -> None:
    """Else the probes would make documents, and what they showed and left would be lost."""
    (tmp_path / "link.json").symlink_to(tmp_path / "other")
    emulator = StripeEmulator()
    server.put("stripe", emulator)
    done = cli(*words(server), "--write", "--output", str(tmp_path / name))
    assert (done.code, emulator.requests, done.out) == (2, 0, "")
    assert str(tmp_path) in done.err


def test_a_customer_without_a_name_is_refused_before_a_request(server: Served, cli: Cli) -> None:
    """An empty id would be the listing of all customers."""
    emulator = StripeEmulator()
    server.put("stripe", emulator)
    done = cli("calibrate", "stripe", "--customer", " ", "--base-url", server.base_urls["stripe"])
    assert (done.code, emulator.requests) == (2, 0)
    assert "--customer is empty" in done.err


def test_the_command_refuses_a_live_key(server: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even to read; Whop's live host is one of a live key."""
    emulator = StripeEmulator()
    server.put("stripe", emulator)
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_not_a_key")
    done = cli(*words(server))
    assert (done.code, emulator.requests) == (2, 0)
    assert "live" in done.err
    monkeypatch.setenv("WHOP_API_KEY", "whop_test_not_a_key")
    done = cli("calibrate", "whop", "--customer", "mber_42", "--set", "account_id=biz_42")
    assert (done.code, "live" in done.err) == (2, True)


def test_an_adapter_without_probes(server: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says what its emulator lacks, and sends nothing."""
    emulator = StripeEmulator()
    server.put("stripe", emulator)
    monkeypatch.setattr(StripeEmulator, "PROBES", None)
    done = cli(*words(server))
    assert (done.code, "no probes" in done.err, emulator.requests) == (2, True, 0)


@pytest.mark.parametrize(
    "name,base_url,own",
    [
        ("stripe", None, True),
        ("stripe", "https://api.stripe.com", True),
        ("stripe", "http://api.stripe.com", False),
        ("stripe", "https://stripe.example.test", False),
        ("stripe", "http://127.0.0.1:8787/stripe", False),
        ("chargebee", None, True),
        ("chargebee", "https://other.chargebee.com/api/v2", False),
        ("whop", "https://sandbox-api.whop.com/api/v1", True),
        ("whop", "http://127.0.0.1:8787/whop/api/v1", False),
    ],
)
def test_only_the_providers_own_host_is_evidence(name: str, base_url: str | None, own: bool) -> None:
    """Its own, or its sandbox, over TLS."""
    declared = providers.get(name)
    given = {"base_url": base_url, **declared.emulator().settings}
    assert _is_own_host(declared, declared.emulator().PROBES, given) is own


def test_the_command_names_a_write_whose_answer_is_lost(server: Served, cli: Cli) -> None:
    """And does not end with 0."""
    emulator = StripeEmulator()
    server.put("stripe", Faults(emulator, [Fault(Kind.RESET_AFTER, method="POST", path="/v1/customers$")]))
    done = cli(*words(server), "--write")
    assert (done.code, "may have made something" in done.out, "ended early" in done.out) == (3, True, True)


# ── what reads the file ──────────────────────────────────────────────────────────────────────────────────────────────
def evidence(**changed: Any) -> str:
    """Return an evidence file of Stripe as its own host gives it."""
    found = {
        "form": 1,
        "provider": "stripe",
        "date": "2026-11-29",
        "api_version": "2026-10-28.endive",
        "mode": "test",
        "recorded_at_provider": True,
        "switches": {"search": True, "minimum_charge": None, "finalize_empty": True},
        "skipped": ["replay_header"],
        "unobserved": {"record_mails": "no request shows it"},
        "made": {"kept": 1, "left": 0, "unsure": 0},
        "stopped": False,
    }
    return json.dumps({name: value for name, value in (found | changed).items() if value is not ...})


@pytest.mark.parametrize(
    "changed,says",
    [
        ({"form": 2}, "form"),
        ({"mode": "live"}, "mode"),
        ({"provider": ...}, "provider: Field required"),
        ({"date": "today"}, "date"),
        ({"switches": {"search": "yes"}}, "switches.search"),
        ({"switches": {"serch": True}}, "serch, which is no switch of stripe"),
        ({"api_key": "sk_test_not_a_key"}, "api_key: Extra inputs are not permitted"),
    ],
)
def test_another_form_of_file_is_refused(changed: dict[str, Any], says: str) -> None:
    """By the place at fault; the value is not repeated."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        calibrations.read(evidence(**changed), "stripe.json")
    assert "sk_test" not in str(caught.value)
    assert str(caught.value).startswith("stripe.json ")


def test_the_matrix_reads_the_file(cli: Cli, tmp_path: Path) -> None:
    """As a column of the switches, and as a row of the matrix; of other providers it says nothing."""
    file = tmp_path / "stripe.json"
    file.write_text(evidence())
    assert calibrations.read(evidence(), file.name).settled() == {"search": True, "finalize_empty": True}
    known = json.loads(cli("providers", "stripe", "--evidence", str(file), "--json").out)
    assert known["test_account"] == "2 of 20 settled (2026-10-28.endive, 2026-11-29)"
    seen = {name: row["test_account"] for name, row in known["switches"].items()}
    assert (seen["search"], seen["minimum_charge"], seen["replay_header"]) == ("yes", "not settled", "no probe was run")
    done = cli("providers", "--evidence", str(file))
    assert (done.code, done.out.count("2 of 20 settled"), done.err) == (0, 1, "")
    assert "test account" in cli("providers", "stripe", "--evidence", str(file)).out


def test_a_file_of_another_host_confirms_nothing(cli: Cli, tmp_path: Path) -> None:
    """An emulator is no evidence of its provider, and the command says so."""
    file = tmp_path / "stripe.json"
    file.write_text(evidence(recorded_at_provider=False))
    done = cli("providers", "stripe", "--evidence", str(file), "--json")
    assert {row["test_account"] for row in json.loads(done.out)["switches"].values()} == {"not recorded live"}
    assert "it confirms nothing" in done.err


def test_an_emulator_does_what_a_calibration_settled(tmp_path: Path) -> None:
    """A switch of the command line comes after the file's; a file of a provider that is not served is refused."""
    file = tmp_path / "stripe.json"
    file.write_text(evidence())
    names = ["stripe", "whop"]
    assert _switches(names, [], [str(file)]) == {"stripe": {"search": True, "finalize_empty": True}}
    assert _switches(names, ["stripe.search=off"], [str(file)])["stripe"]["search"] is False
    with pytest.raises(ConfigurationError, match="it is of stripe, and whop are served"):
        _switches(["whop"], [], [str(file)])


def test_nothing_here_was_recorded_at_a_provider() -> None:
    """The release has no evidence file: each of its providers says so, in the matrix and on its page."""
    from invoice_bridge.matrix import matrix_page, provider_page

    row = next(line for line in matrix_page().splitlines() if line.startswith("| test account"))
    assert row.count("not recorded live") == len(providers.names())
    for name in ("chargeapi", "chargebee", "stripe", "whop"):
        seen = calibrations.seen_at(name)
        assert seen.file is None
        assert provider_page(name).count("| not recorded live |") == len(seen.switches)
