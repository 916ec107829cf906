"""`cassettes record`: a scenario against the emulator in the process, or against the provider, told apart."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from invoice_bridge import Client, providers
from invoice_bridge.cassettes import SCENARIOS, record
from invoice_bridge.cassettes.player import Player
from invoice_bridge.emulator.server import Served
from tests.cli.conftest import KEY, Done

Cli = Callable[..., Done]
RECORD = ("cassettes", "record", "one_time_charge", "--provider", "stripe")


@pytest.mark.parametrize("provider", providers.names())
def test_the_emulator_is_recorded_as_the_library_does(provider: str, cli: Cli, tmp_path: Path) -> None:
    """Without --against: no key, no network; the same bytes as `record` writes."""
    done = cli("cassettes", "record", "one_time_charge", "--provider", provider, "--into", str(tmp_path / "one"))
    path = tmp_path / "one" / provider / "one_time_charge.yaml"
    assert (done.code, done.out, done.err) == (0, f"recorded {path}\n", "")
    assert path.read_bytes() == record("one_time_charge", provider, tmp_path / "two").read_bytes()


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
        SCENARIOS["one_time_charge"](Client("stripe", api_key="sk_test_none", http=http, base_url=root), "cus_42")
    assert player.unplayed == []


def test_a_scenario_that_fails_writes_nothing(cli: Cli, served: Served, tmp_path: Path) -> None:
    """A customer that is not there: the provider's refusal, and no file."""
    root = served.base_urls["stripe"]
    options = ("--against", "test", "--allow-network", "--customer", "cus_none", "--base-url", root)
    done = cli(*RECORD, *options, "--into", str(tmp_path))
    assert (done.code, done.out) == (3, "")
    assert "cus_none" in done.err
    assert list(tmp_path.iterdir()) == []


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
        "--against live reaches the provider: add --allow-network",
    ),
    "nobody to bill": (
        (*RECORD, "--against", "test", "--allow-network"),
        "--against test bills somebody: add --customer with an id of that account",
    ),
    "a key of the other mode": (
        (*RECORD, "--against", "live", "--allow-network", "--customer", "cus_42"),
        'Stripe: mode="live" was asked for, but the key or host is for test',
    ),
    "no key": (
        (*RECORD, "--against", "test", "--allow-network", "--customer", "cus_42", "--key-env", "NOT_SET"),
        "there is no key: put it into the environment variable NOT_SET, or name another with --key-env",
    ),
    "a customer of the emulator": (
        (*RECORD, "--customer", "cus_42"),
        "--customer is for test and live: the emulator has its own",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_recorded_is_refused(what: str, cli: Cli, tmp_path: Path) -> None:
    """Exit code 2, one line that says what to do, and no file."""
    arguments, told = REFUSED[what]
    done = cli(*arguments, "--into", str(tmp_path))
    assert (done.code, done.out, done.err) == (2, "", f"invoice-bridge: {told}\n")
    assert list(tmp_path.iterdir()) == []
