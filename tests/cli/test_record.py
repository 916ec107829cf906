"""`cassettes record`: a scenario against the emulator in the process, or against the provider, told apart."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from invoice_bridge import Client, providers
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.cassettes import SCENARIOS, Account, Player
from invoice_bridge.cassettes.scenarios import record
from invoice_bridge.emulator.server import Served, running
from tests.cli.conftest import KEY, Done

Cli = Callable[..., Done]
RECORD = ("cassettes", "record", "one_time_charge", "--provider", "stripe")
THROTTLED = ("cassettes", "record", "throttled", "--provider", "stripe")


@pytest.mark.parametrize("provider", providers.names())
def test_the_emulator_is_recorded_as_the_library_does(provider: str, cli: Cli, tmp_path: Path) -> None:
    """Without --against: no key, no network; the same bytes as `record` writes."""
    done = cli("cassettes", "record", "one_time_charge", "--provider", provider, "--into", str(tmp_path / "one"))
    path = tmp_path / "one" / provider / "one_time_charge.yaml"
    assert (done.code, done.out, done.err) == (0, f"recorded {path}\n", "")
    assert path.read_bytes() == record("one_time_charge", provider, tmp_path / "two").path.read_bytes()


def test_a_provider_is_recorded_and_says_so(cli: Cli, served: Served, tmp_path: Path) -> None:
    """With a test key: the sidecar says test, no file holds the key, and the player replays it whole."""
    root = served.base_urls["stripe"]
    options = ("--against", "test", "--allow-network", "--customer", "cus_42", "--base-url", root)
    done = cli(*RECORD, *options, "--into", str(tmp_path))
    path = tmp_path / "stripe" / "one_time_charge.yaml"
    assert (done.code, done.out, done.err) == (0, f"recorded {path}\n", "")
    said = json.loads(path.with_suffix(".provenance.json").read_text("utf-8"))
    assert (said["origin"], said["mode"]) == ("test", "test")
    assert [found for found in tmp_path.rglob("*") if found.is_file() and KEY in found.read_text("utf-8")] == []
    player = Player(path, match_on_body=True)
    with httpx.Client(transport=player) as http:
        client = Client("stripe", api_key="sk_test_none", http=http, base_url=root, lookup="never")
        SCENARIOS["one_time_charge"](client, Account("cus_42"))
    assert player.unplayed == []


def test_a_scenario_that_fails_writes_nothing(cli: Cli, served: Served, tmp_path: Path) -> None:
    """A customer that is not there: the provider's refusal, and no file."""
    root = served.base_urls["stripe"]
    options = ("--against", "test", "--allow-network", "--customer", "cus_none", "--base-url", root)
    done = cli(*RECORD, *options, "--into", str(tmp_path))
    assert (done.code, done.out) == (3, "")
    assert "cus_none" in done.err
    assert list(tmp_path.iterdir()) == []


NEEDED = {
    "paid": (
        ("--payment-method", "pm_42"),
        (
            "Chargebee only collects from a named payment source; pass --payment-method, the id of a payment source "
            "of the customer (pm_…)"
        ),
    ),
    "period_invoice_accrued": (
        ("--subscription", "sub_42"),
        (
            "Chargebee's unbilled charges belong to a subscription; name the subscription: "
            'subscription = "…", or bill lines of your own'
        ),
    ),
}


@pytest.mark.parametrize("scenario", NEEDED)
def test_further_ids_reach_the_scenario(
    scenario: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some providers want the payment method or the subscription named: without it the refusal says so, no file."""
    option, told = NEEDED[scenario]
    monkeypatch.setenv("CHARGEBEE_API_KEY", "test_not_a_key")
    with running(clock=FakeClock(), names=["chargebee"]) as server:
        place = ("--base-url", server.base_urls["chargebee"], "--set", "site=acme-test", "--into", str(tmp_path))
        whom = ("--against", "test", "--allow-network", "--customer", "cus_42")
        arguments = ("cassettes", "record", scenario, "--provider", "chargebee", *whom, *place)
        without = cli(*arguments)
        assert (without.code, without.out, without.err) == (2, "", f"invoice-bridge: {told}\n")
        assert list(tmp_path.iterdir()) == []
        assert cli(*arguments, *option).code == 0
    assert option[1] in (tmp_path / "chargebee" / f"{scenario}.yaml").read_text("utf-8")


def test_the_scenarios_are_listed(cli: Cli) -> None:
    """In the help, and for a name that is like none of them."""
    shown = " ".join(cli("cassettes", "record", "--help").out.replace("│", " ").split())
    assert ", ".join(SCENARIOS) in shown
    done = cli("cassettes", "record", "nothing-like-it", "--provider", "stripe")
    assert (done.code, done.err) == (
        2,
        (
            "invoice-bridge: there is no scenario 'nothing-like-it'; valid names: one_time_charge, "
            "period_invoice_lines, period_invoice_accrued, listing, void, paid, refused, throttled, history\n"
        ),
    )


REFUSED = {
    "a scenario that is none": (
        ("cassettes", "record", "one_time_charg", "--provider", "stripe"),
        "there is no scenario 'one_time_charg'; did you mean 'one_time_charge'?",
    ),
    "a provider that is none": (
        ("cassettes", "record", "one_time_charge", "--provider", "stripee"),
        "there is no provider 'stripee'; did you mean 'stripe'?",
    ),
    "the network, and not saying so": (
        (*RECORD, "--against", "live", "--customer", "cus_42"),
        "--against live needs the network: add --allow-network",
    ),
    "nobody to bill": (
        (*RECORD, "--against", "test", "--allow-network"),
        "--against test bills a customer: add --customer with an id of that account",
    ),
    "a key of the other mode": (
        (*RECORD, "--against", "live", "--allow-network", "--customer", "cus_42"),
        'Stripe: mode = "live" was asked for, but the key or host is for test',
    ),
    "no key": (
        (*RECORD, "--against", "test", "--allow-network", "--customer", "cus_42", "--key-env", "NOT_SET"),
        "there is no key: put it into the environment variable NOT_SET, or name another with --key-env",
    ),
    "what no provider does on request": (
        (*THROTTLED, "--against", "test", "--allow-network", "--customer", "cus_42"),
        "'throttled' needs a provider that fails on request: omit --against test to use the emulator",
    ),
    "what a provider cannot do": (
        ("cassettes", "record", "period_invoice_accrued", "--provider", "whop"),
        "Whop cannot bill the usage of a period: it accrues nothing; give the lines",
    ),
    "a subscription of the emulator": (
        (*RECORD, "--subscription", "sub_42"),
        "--subscription is for test and live: the emulator has its own values",
    ),
    "a customer of the emulator": (
        (*RECORD, "--customer", "cus_42"),
        "--customer is for test and live: the emulator has its own values",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_recorded_is_refused(what: str, cli: Cli, tmp_path: Path) -> None:
    """Exit code 2, one line that says what to do, and no file."""
    arguments, told = REFUSED[what]
    done = cli(*arguments, "--into", str(tmp_path))
    assert (done.code, done.out, done.err) == (2, "", f"invoice-bridge: {told}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(cli: Cli, tmp_path: Path) -> None:
    """Exit code 2 and the option, where a file stands in the way."""
    (tmp_path / "file").write_text("", "utf-8")
    done = cli(*RECORD, "--into", str(tmp_path / "file"))
    told = f"--into {tmp_path / 'file'}: it cannot be written: Not a directory"
    assert (done.code, done.out, done.err) == (2, "", f"invoice-bridge: {told}\n")
