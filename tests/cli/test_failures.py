"""Failures under `--json`: one object on stderr, with the same keys for each command, and the exit code of the text."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Client, Status
from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.cli import exits, failures
from invoice_bridge.cli.app import COMMANDS
from invoice_bridge.core import errors
from invoice_bridge.core.commands import read_command
from invoice_bridge.core.errors import BridgeError, RateLimited, ServerError, Unreachable, Unsupported
from invoice_bridge.emulator.server import Served
from tests.cli.conftest import EXAMPLES, KEY, Done
from tests.measured import measured
from tests.test_errors import TREE

Cli = Callable[..., Done]
ROOT = EXAMPLES.parent
CHARGE = str(EXAMPLES / "one-time-charge.json")


def failed(done: Done) -> dict[str, Any]:
    """The one object that a failed command printed, with each of its keys; nothing is on stdout."""
    assert done.out == ""
    assert done.err.count("\n") == 1
    found: dict[str, Any] = json.loads(done.err)
    assert list(found) == list(failures.KEYS)
    assert found["exit_code"] == done.code != 0
    assert found["message"]
    assert found["what_to_do"]
    return found


def test_a_page_in_place_of_an_answer_names_the_option(stripe: Cli, served: Served) -> None:
    """`base_url` is Python's argument; a terminal has --base-url."""
    served.faults["stripe"].add(Fault(Kind.HTML_502_BEFORE, times=9))
    for words in (("show", "in_1"), ("show", "in_1", "--json")):
        done = stripe(*words)
        assert done.code == exits.PROVIDER
        assert "is --base-url right?" in done.err


def test_a_document_goes_to_a_file_with_a_name(stripe: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It became a file called "-"."""
    monkeypatch.chdir(tmp_path)
    stripe("create", CHARGE)
    done = stripe("pdf", "in_00000001", "-o", "-", "--json")
    assert "name a file" in failed(done)["message"]
    assert (done.code, list(tmp_path.iterdir())) == (exits.USAGE, [])


# ── every command ────────────────────────────────────────────────────────────────────────────────────────────────────
def walk(name: str, command: Any) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each command of a group, at any depth, and whether it takes --json."""
    for inner, one in getattr(command, "commands", {}).items():
        yield from (((name, *rest), takes) for rest, takes in walk(inner, one))
    if not hasattr(command, "commands"):
        yield (name,), any("--json" in parameter.opts for parameter in command.params)


ALL = [found for name, entry in COMMANDS.items() for found in walk(name, entry.load(name))]
WITH_JSON = [words for words, takes in ALL if takes]


def test_every_command_takes_json() -> None:
    """But for two servers: what they answer is no result that is printed."""
    assert {words for words, takes in ALL if not takes} == {("mcp",), ("migrate", "serve")}


@pytest.mark.parametrize("words", WITH_JSON, ids=" ".join)
def test_a_wrong_option_of_any_command_is_an_object(words: tuple[str, ...], cli: Cli) -> None:
    """Before --json or after it; without --json it stays a line of text with the same exit code."""
    for arguments in ((*words, "--json", "--no-such-option"), (*words, "--no-such-option", "--json")):
        found = failed(cli(*arguments))
        assert found["error"] == "UsageError"
        assert found["what_to_do"] == f"see invoice-bridge {' '.join(words)} --help"
        assert (found["outcome"], found["retryable"]) == ("nothing_done", False)
    text = cli(*words, "--no-such-option")
    assert text.code == exits.USAGE
    assert text.err.startswith("invoice-bridge: ")


def test_json_after_two_dashes_is_no_option(cli: Cli) -> None:
    """Then it is the id of an invoice, or too many arguments, and the failure is text."""
    done = cli("show", "--provider", "none", "--", "--json")
    assert done.err.startswith("invoice-bridge: ")


# ── every kind of failure ────────────────────────────────────────────────────────────────────────────────────────────
def test_a_wrong_value_of_an_option(stripe: Cli) -> None:
    """Of typer's own kind, of a choice, and of a kind that the library reads."""
    assert failed(stripe("list", "--limit", "many", "--json"))["error"] == "UsageError"
    assert "'payed'" in failed(stripe("list", "--status", "payed", "--json"))["message"]
    found = failed(stripe("pay", "in_1", "--expect", "nothing", "--json"))
    assert (found["error"], found["exit_code"]) == ("ConfigurationError", exits.USAGE)
    assert 'write it like "19.99 EUR"' in found["message"]


def test_an_unknown_command(cli: Cli) -> None:
    """--json counts wherever it is."""
    assert failed(cli("creat", "--json"))["error"] == "UsageError"


def test_a_missing_key(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable."""
    monkeypatch.delenv("STRIPE_API_KEY")
    found = failed(cli("list", "--provider", "stripe", "--json"))
    assert (found["error"], found["outcome"], found["retryable"]) == ("ConfigurationError", "nothing_done", False)
    assert "STRIPE_API_KEY" in found["message"]


def test_an_unknown_profile(cli: Cli, tmp_path: Path) -> None:
    """The message names the profiles of the file."""
    config = tmp_path / "billing.toml"
    config.write_text('[profiles.main]\nprovider = "stripe"\n', "utf-8")
    found = failed(cli("list", "--config", str(config), "--profile", "mian", "--json"))
    assert found["exit_code"] == exits.USAGE
    assert "mian" in found["message"]


def test_a_refused_loss(stripe: Cli, served: Served, tmp_path: Path) -> None:
    """Each loss of a bill or a verb is an object, and the options that accept them are the next step."""
    bill = tmp_path / "bill.json"
    bill.write_text(json.dumps(json.loads(Path(CHARGE).read_text("utf-8")) | {"metadata": {"a": ""}}), "utf-8")
    for words in (("create", str(bill)), ("void", "in_1", "--reason", "duplicate")):
        check_losses(failed(stripe(*words, "--json")))
    assert served.emulators["stripe"].ledger == []


def check_losses(found: dict[str, Any]) -> None:
    """What a refused loss has."""
    assert (found["error"], found["exit_code"], found["provider"]) == ("LossyTranslation", exits.DIFFERENCE, "stripe")
    assert found["losses"]
    for loss in found["losses"]:
        assert {"code", "path", "fate", "severity", "why", "remedy"} <= set(loss)
        assert f"--allow {loss['path']}" in found["what_to_do"].replace("'", "")


def test_an_invoice_that_is_not_there(stripe: Cli) -> None:
    """The provider's words, its code and its status."""
    found = failed(stripe("show", "in_none", "--json"))
    assert (found["error"], found["exit_code"]) == ("NotFound", exits.PROVIDER)
    assert (found["provider"], found["status"], found["code"]) == ("stripe", 404, "resource_missing")
    assert found["outcome"] == "nothing_done"


def test_a_dead_host(cli: Cli) -> None:
    """Nothing was sent: the same command may be run again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = failed(cli("show", "in_1", "--provider", "stripe", "--base-url", f"http://127.0.0.1:{port}", "--json"))
    assert (found["error"], found["exit_code"], found["provider"]) == ("Unreachable", exits.PROVIDER, "stripe")
    assert (found["outcome"], found["retryable"]) == ("nothing_done", True)


@pytest.fixture
def config(served: Served, tmp_path: Path) -> str:
    """A profile of the served emulator whose calls end soon."""
    file = tmp_path / "billing.toml"
    url = served.base_urls["stripe"]
    file.write_text(
        f'[profiles.main]\nprovider = "stripe"\ndeadline = 1\n[providers.stripe]\nbase_url = "{url}"\n', "utf-8"
    )
    return str(file)


def test_an_endpoint_that_is_not_there(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that cannot be sent is a failure like any other."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_not_a_secret")
    words = ("webhooks", "send", "invoice.paid", "--provider", "stripe", "--to", "http://127.0.0.1:9/")
    found = failed(cli(*words, "--json"))
    assert (found["error"], found["retryable"]) == ("Unreachable", True)


def test_an_unknown_outcome(cli: Cli, served: Served, config: str) -> None:
    """Every answer to the bill is lost: it is not to be run again as it is, but resolved."""
    served.faults["stripe"].add(Fault(kind=Kind.RESET_AFTER, method="POST", times=100))
    found = failed(cli("create", CHARGE, "--config", config, "--json"))
    assert (found["error"], found["exit_code"]) == ("OutcomeUnknown", exits.PROVIDER)
    assert (found["outcome"], found["retryable"], found["provider"]) == ("unknown", False, "stripe")
    assert found["reference"] == "res-2026-05-17"
    assert "invoice-bridge resolve" in found["what_to_do"]


def test_a_listing_that_breaks_off_leaves_its_output_open(
    cli: Cli, stripe: Cli, served: Served, config: str, tmp_path: Path
) -> None:
    """What was listed before is on stdout, which is no whole JSON then: nobody can read it as all invoices."""
    bill = json.loads(Path(CHARGE).read_text("utf-8"))
    for number in range(101):  # more than a page
        assert stripe_bill(served, bill | {"reference": f"res-{number}"})
    served.faults["stripe"].add(Fault(kind=Kind.RESET_AFTER, method="GET", skip=1, times=100))
    done = cli("list", "--config", config, "--json")
    assert done.code == exits.PROVIDER
    assert failed(Done(done.code, "", done.err))["outcome"] == "nothing_done"
    assert done.out.count("res-") >= 100
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(done.out)


def stripe_bill(served: Served, bill: dict[str, Any]) -> bool:
    """Make a bill without a command of its own."""
    with Client("stripe", api_key=KEY, base_url=served.base_urls["stripe"], lookup="never") as client:
        return client.create(read_command(bill)).status is Status.OPEN


def test_a_stop_in_the_middle_of_a_bill() -> None:
    """Ctrl-C while an answer is awaited: what left, and that the outcome is unknown."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        program = [sys.executable, "-c", "from invoice_bridge.cli import main; main()", "create", CHARGE, "--json"]
        program += ["--lookup", "never", "--provider", "stripe", "--base-url", url]
        env = {**measured(), "PATH": "/usr/bin:/bin", "STRIPE_API_KEY": KEY}
        with (
            subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as billing,
            silent.accept()[0] as connection,
        ):
            connection.recv(65536)
            billing.send_signal(signal.SIGINT)
            out, err = billing.communicate(timeout=30)
    found = failed(Done(billing.returncode, out.decode(), err.decode()))
    assert (found["error"], found["exit_code"]) == ("Interrupted", exits.INTERRUPTED)
    assert (found["outcome"], found["retryable"], found["provider"]) == ("unknown", False, "stripe")
    assert "res-2026-05-17" in found["message"]


# ── the object ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_error_has_a_next_step_of_its_own() -> None:
    """A new class of errors needs a row, unless its base says enough; each row names a class of the tree."""
    own = set(failures._NEXT)
    assert own <= set(TREE.values())
    by_base = {errors.AmountMismatch, errors.UnreadableServerError, errors.LossyTranslation, BridgeError}
    assert set(TREE.values()) - own == by_base


@pytest.mark.parametrize(
    "error, retryable",
    [
        (Unreachable("no connection"), True),
        (RateLimited("slowly", provider="stripe", retry_after=3), True),
        (ServerError("no", provider="stripe", status=500), True),
        (Unsupported("cannot", remedy="write since=…"), False),
        (errors.Declined("no", provider="stripe"), False),
        (errors.OutcomeUnknown("lost"), False),
    ],
)
def test_only_what_left_nothing_behind_is_retryable(error: BridgeError, retryable: bool) -> None:
    """An error after which part of the work may be done is never retryable, whatever its class."""
    assert failures.is_retryable(error) is retryable
    for outcome in ("partly_done", "done_unread", "unknown"):
        error.outcome = outcome
        assert not failures.is_retryable(error)


def test_a_providers_text_cannot_steer_a_terminal() -> None:
    """Its control characters are escapes of JSON."""
    found = failures.failure_json(Unreachable("a\x1b[2J\u202eb"), "a\x1b[2J\u202eb", 3, None)
    line = failures.failure_line(found)
    assert not {"\x1b", "\u202e"} & set(line)
    assert json.loads(line)["message"] == "a\x1b[2J\u202eb"


def test_the_keys_are_documented() -> None:
    """The page has a row for each, in the same words."""
    page = (ROOT / "docs/how-to/command-line.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE))
    assert {name: rows.get(name) for name in failures.KEYS} == failures.KEYS
