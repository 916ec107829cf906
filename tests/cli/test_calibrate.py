"""Calibration against emulators with each switch flipped, one at a time: each is found, and no other."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import ConfigurationError
from invoice_bridge.adapter.emulation.core import IncomingRequest
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.client.calibration import Calibration, calibrate
from invoice_bridge.core.errors import Unauthorized
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from invoice_bridge.providers.stripe.emulator.probes import PROBES
from tests.cli.conftest import Done

Cli = Callable[..., Done]
DEFAULTS = {name: default for name, (default, _) in StripeEmulator.SWITCHES.items()}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """One server for all tests."""
    with running(names=["stripe"]) as served:
        yield served


def run(server: Served, emulator: StripeEmulator, **changed: Any) -> Calibration:
    """Calibrate a served emulator."""
    server.put("stripe", emulator)
    given = {"provider": "stripe", "api_key": emulator.key, "base_url": server.base_urls["stripe"]}
    options = {"may_write": True} | {name: value for name, value in changed.items() if name == "may_write"}
    given |= {name: value for name, value in changed.items() if name != "may_write"}
    return calibrate(given, PROBES, emulator.customer, "run-1", **options)


def test_every_switch_has_a_probe_or_a_reason() -> None:
    """The two lists are exact: a new switch joins one of them."""
    assert set(PROBES.rows) | set(PROBES.unobserved) == set(StripeEmulator.SWITCHES)
    assert set(PROBES.rows) & set(PROBES.unobserved) == set()
    assert set(PROBES.rows) == {
        "search",
        "customer_owes",
        "customer_credit",
        "customer_discount",
        "replay_header",
        "whole_units",
    }


@pytest.mark.parametrize("flipped", [None, *StripeEmulator.SWITCHES])
def test_a_flipped_switch_is_found_and_no_other(server: Served, flipped: str | None) -> None:
    """A switch without a probe changes no result; what was made is deleted, and nobody is billed or mailed."""
    emulator = StripeEmulator(switches={} if flipped is None else {flipped: not DEFAULTS[flipped]})
    result = run(server, emulator)
    differing = {name for name, value in result.observed.items() if value is not DEFAULTS[name]}
    assert differing == ({flipped} if flipped in PROBES.rows else set())
    assert set(result.observed) == set(PROBES.rows)
    assert (result.left, emulator.invoices) == ([], {})
    assert {entry.event for entry in emulator.ledger} <= {"deleted"}


def test_without_the_flag_nothing_is_written(server: Served) -> None:
    """The probes that write are listed as skipped."""
    emulator = StripeEmulator()
    result = run(server, emulator, may_write=False)
    assert result.skipped == ["replay_header", "whole_units"]
    assert emulator.writes == 0


@pytest.mark.parametrize("key", ["sk_live_not_a_key", "not_a_key_with_a_mode"])
def test_a_key_that_is_not_of_test_mode_sends_nothing(server: Served, key: str) -> None:
    """By its prefix, before any request."""
    emulator = StripeEmulator()
    with pytest.raises(ConfigurationError, match="test mode"):
        run(server, emulator, api_key=key)
    assert emulator.requests == 0


def test_an_account_that_is_live_is_not_written_to(server: Served) -> None:
    """By its own answer, whatever the key's prefix says."""

    class Live(StripeEmulator):
        def __call__(self, *arguments: Any, **options: Any) -> Response:
            answer = super().__call__(*arguments, **options)
            content = answer.content.replace(b'"livemode":false', b'"livemode":true')
            return Response(answer.status, content, answer.headers)

    emulator = Live()
    with pytest.raises(ConfigurationError, match="does not say test mode"):
        run(server, emulator)
    assert emulator.writes == 0


def test_what_cannot_be_taken_back_is_listed(server: Served) -> None:
    """A deletion that is refused leaves the draft, by its id."""

    class Keeps(StripeEmulator):
        def delete(self, call: IncomingRequest, invoice_id: str) -> Response:
            del call, invoice_id
            return self.server_error()

    emulator = Keeps()
    result = run(server, emulator)
    assert result.left == list(emulator.invoices)
    assert len(result.left) == 2


def test_a_wrong_key_ends_it(server: Served) -> None:
    """And the key is in no message."""
    emulator = StripeEmulator()
    result = run(server, emulator, api_key="sk_test_another_not_a_key", may_write=False)
    assert ("key was refused" in result.stopped, result.observed, emulator.requests) == (True, {}, 1)
    assert "another_not_a_key" not in result.stopped
    with pytest.raises(Unauthorized):
        run(server, emulator, api_key="sk_test_another_not_a_key")
    assert emulator.writes == 0


def test_a_run_that_is_stopped_takes_back_what_it_made(server: Served) -> None:
    """A key that loses its permission halfway ends the probes, and the draft is deleted all the same."""

    class Forbids(StripeEmulator):
        def add_lines(self, call: IncomingRequest, invoice_id: str) -> Response:
            del call, invoice_id
            return Response(403, b"{}", {"content-type": "application/json"})

    emulator = Forbids()
    result = run(server, emulator)
    assert ("403" in result.stopped or "refused" in result.stopped, "whole_units" in result.observed) == (True, False)
    assert (result.left, emulator.invoices) == ([], {})


def test_an_answer_that_shows_neither_reading_settles_nothing(server: Served) -> None:
    """A refusal of the amount that must pass is no evidence about the other."""

    class Refuses(StripeEmulator):
        def add_lines(self, call: IncomingRequest, invoice_id: str) -> Response:
            del call, invoice_id
            return self._refuse("No such currency").answer

    assert run(server, Refuses()).observed["whole_units"] is None


def test_the_command_writes_its_evidence(server: Served, cli: Cli, tmp_path: Path) -> None:
    """Exit code 0 where the account does as the emulator, 1 where it does not; the file has what was printed."""
    file = tmp_path / "stripe.json"
    words = ["calibrate", "stripe", "--customer", "cus_42", "--base-url", server.base_urls["stripe"]]
    server.put("stripe", StripeEmulator())
    done = cli(*words, "--write", "--output", str(file), "--json")
    assert done.code == 0, done.err
    report = json.loads(file.read_text("utf-8"))
    assert report == json.loads(done.out)
    assert (report["mode"], report["recorded_at_provider"], report["left"]) == ("test", False, [])
    assert report["switches"]["replay_header"] == {"emulator": True, "observed": True}
    assert set(report["unobserved"]) == set(PROBES.unobserved)
    server.put("stripe", StripeEmulator(switches={"search": False}))
    done = cli(*words)
    assert (done.code, "not run without --write: replay_header, whole_units" in done.out) == (1, True)


def test_the_command_refuses_a_live_key(server: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even to read; and a provider without probes."""
    emulator = StripeEmulator()
    server.put("stripe", emulator)
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_not_a_key")
    done = cli("calibrate", "stripe", "--customer", "cus_42", "--base-url", server.base_urls["stripe"])
    assert (done.code, emulator.requests) == (2, 0)
    assert "live" in done.err
    done = cli("calibrate", "whop", "--customer", "mber_1")
    assert (done.code, "no probes" in done.err) == (2, True)


@pytest.mark.parametrize("kind", ["reset_after", "html_502_after", "torn_json"])
def test_a_write_whose_answer_is_lost_is_listed(server: Served, kind: str) -> None:
    """The draft is there, and its id is not known: the report says so, whatever the other probes show."""
    emulator = StripeEmulator()
    server.put("stripe", Faults(emulator, [Fault(Kind(kind), method="POST", path="/v1/invoices$")]))
    given = {"provider": "stripe", "api_key": emulator.key, "base_url": server.base_urls["stripe"]}
    result = calibrate(given, PROBES, emulator.customer, "run-1", may_write=True)
    assert [text.partition("/v1")[2] for text in result.unsure] == ["/invoices"]
    assert result.observed.get("replay_header") is None
    assert len(emulator.invoices) <= 1


def test_the_command_names_a_write_whose_answer_is_lost(server: Served, cli: Cli) -> None:
    """And does not end with 0."""
    emulator = StripeEmulator()
    server.put("stripe", Faults(emulator, [Fault(Kind.RESET_AFTER, method="POST", path="/v1/invoices$")]))
    words = ["calibrate", "stripe", "--customer", "cus_42", "--base-url", server.base_urls["stripe"], "--write"]
    done = cli(*words)
    assert (done.code, "may have made a draft" in done.out, "ended early" in done.out) == (3, True, True)
