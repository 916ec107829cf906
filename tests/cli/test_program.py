"""The command line as a program of its own: exit codes, one line on stderr, never a traceback."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from invoice_bridge import Invoice, Money
from invoice_bridge import decode as decode_invoice
from invoice_bridge.cli.results import write
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.emulator.server import Served
from tests.cli.conftest import EXAMPLES, KEY, execute
from tests.measured import measured

CHARGE = str(EXAMPLES / "one-time-charge.json")
ON_STRIPE = ("--provider", "stripe", "--base-url")


def test_the_demo_goes_through_all_providers() -> None:
    """Exit code 0; the table has every provider, a refusal without requests, and amounts that are exact."""
    done = execute("demo")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == [
        "provider",
        "command",
        "id",
        "theirs",
        "→",
        "ours",
        "total",
        "remaining",
        "period",
        "sent",
    ]
    assert all(len(line) <= 120 for line in lines)
    assert "\x1b" not in done.out
    assert "FAILED" not in done.out
    for provider in ("ChargeAPI", "Chargebee", "Stripe", "Whop"):
        assert any(line.startswith(provider) for line in lines)
    assert "[IB-CHARGEAPI-AMOUNT-01]" in done.out


def test_the_demo_as_json_says_the_same() -> None:
    """ChargeAPI's refusals sent nothing, its opt-in billed the amount; every provider paid or voided, and listed."""
    rows = json.loads(execute("demo", "--json").out)
    assert all(row["as_expected"] for row in rows)
    assert all(row["sent"] == 0 for row in rows if row["status"] == "refused")
    assert all(row["sent"] > 0 for row in rows if row["status"] != "refused")
    chargeapi = [(row["command"], row["status"], row["total"]) for row in rows if row["provider"] == "ChargeAPI"]
    assert chargeapi[:3] == [
        ("one-time charge", "refused", ""),
        ("one-time charge, April", "refused", ""),
        ("… allow amount, draft", "draft", "19.99 EUR"),
    ]
    for provider in ("ChargeAPI", "Chargebee", "Stripe", "Whop"):
        ends = {row["status"] for row in rows if row["provider"] == provider}
        assert {"draft", "open", "paid", "void"} <= ends


def test_defect_82_the_demo_shows_no_total_that_whop_does_not_say() -> None:
    """A dash for an invoice of which only the subtotal is known; what a payment states is shown to the cent."""
    rows = [row for row in json.loads(execute("demo", "--json").out) if row["provider"] == "Whop"]
    shown = {row["status"]: (row["total"], row["remaining"]) for row in rows if row["native"]}
    assert shown == {
        "draft": ("–", "–"),
        "paid": ("19.99 EUR", "0.00 EUR"),
        "open": ("–", "–"),
        "void": ("–", "0.00 EUR"),
    }


def test_the_demo_fits_eighty_columns() -> None:
    """No line is longer, and no word is cut."""
    done = execute("demo", env={"COLUMNS": "80"})
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert "…" not in done.out.replace("… allow", "").replace("… as draft", "").replace("due=…", "")


def test_a_payload_is_decoded_from_stdin() -> None:
    """`decode -` reads bytes, and prints JSON that is the invoice."""
    payload = b'{"id": "in_1", "object": "invoice", "status": "paid", "currency": "eur", "total": 1999}'
    done = execute("decode", "-", "--provider", "stripe", "--json", stdin=payload)
    assert (done.code, done.err) == (0, "")
    assert Invoice.model_validate_json(done.out).total == Money(1999, "EUR")
    bad = execute("decode", "-", "--provider", "stripe", stdin=b"\xff\xfe<html>")
    assert (bad.code, bad.out) == (2, "")
    assert bad.err.startswith("invoice-bridge: stdin: not JSON")


def test_a_bill_is_created_from_stdin(served: Served) -> None:
    """`create -` takes JSON from a pipe."""
    bill = Path(CHARGE).read_bytes()
    url = served.base_urls["stripe"]
    done = execute("create", "-", *ON_STRIPE, url, "--json", stdin=bill, env={"STRIPE_API_KEY": KEY})
    assert (done.code, done.err) == (0, "")
    assert Invoice.model_validate_json(done.out).reference == "res-2026-05-17"


def test_a_wrong_key_is_one_clear_line(served: Served) -> None:
    """Exit code 3, and the key is not repeated."""
    env = {"STRIPE_API_KEY": "sk_test_not_the_key"}
    done = execute("create", CHARGE, *ON_STRIPE, served.base_urls["stripe"], env=env)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("invoice-bridge: stripe: Invalid API Key provided (HTTP 401")
    assert done.err.count("\n") == 1
    assert "not_the_key" not in done.err


def test_a_closed_port_is_one_clear_line() -> None:
    """Exit code 3: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = execute("show", "in_1", *ON_STRIPE, f"http://127.0.0.1:{port}", env={"STRIPE_API_KEY": KEY})
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("invoice-bridge: Stripe cannot be reached: ConnectError")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[[[["])
def test_a_bad_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    """Exit code 2, naming the file."""
    file = tmp_path / "bill.json"
    file.write_bytes(content)
    done = execute("explain", str(file), "--provider", "stripe")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"invoice-bridge: {file}: ")
    assert done.err.count("\n") == 1


def test_colours_are_for_terminals_that_want_them(served: Served) -> None:
    """Forced colours come, and NO_COLOR keeps them away."""
    arguments = ("create", CHARGE, *ON_STRIPE, served.base_urls["stripe"])
    plain = execute(*arguments, env={"STRIPE_API_KEY": KEY})
    forced = execute(*arguments, env={"STRIPE_API_KEY": KEY, "FORCE_COLOR": "1", "TERM": "xterm-256color"})
    refused = execute(*arguments, env={"STRIPE_API_KEY": KEY, "FORCE_COLOR": "1", "TERM": "xterm", "NO_COLOR": "1"})
    assert "\x1b[" not in plain.out
    assert "\x1b[33m" in forced.out
    assert "\x1b[33m" not in refused.out


def test_a_terminal_without_unicode_is_no_failure() -> None:
    """What cannot be encoded is spelled out."""
    done = execute("demo", env={"PYTHONIOENCODING": "ascii", "COLUMNS": "120"})
    assert (done.code, done.err) == (0, "")
    assert "\\u2192" in done.out


def test_a_closed_pipe_is_quiet() -> None:
    """`invoice-bridge … | head -1` ends without a word."""
    command = f'"{sys.executable}" -c "from invoice_bridge.cli import main; main()" providers --json | head -1'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        check=False,
        timeout=60,
        env={**measured(), "PATH": "/usr/bin:/bin"},
    )
    assert done.stderr == b""
    assert done.stdout == b"[\n"
    assert done.returncode in {0, 141}


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_full_disk_does_not_make_a_bill_a_failure(served: Served, *, as_json: bool) -> None:
    """It ended with a traceback and the exit code of a loss, though the invoice was made."""
    words = ["create", CHARGE, *ON_STRIPE, served.base_urls["stripe"], *(["--json"] if as_json else [])]
    program = [sys.executable, "-c", "from invoice_bridge.cli import main; main()", *words]
    env = {**measured(), "PATH": "/usr/bin:/bin", "STRIPE_API_KEY": KEY}
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60, env=env)
    err = done.stderr.decode()
    assert (done.returncode, len(served.emulators["stripe"].invoices), err.count("\n")) == (141, 1, 1)
    assert "the output cannot be written: No space left on device" in err
    assert "what the command made is made" in err
    assert not as_json or json.loads(err)["error"] == "OutputLost"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_a_message_that_nobody_can_read_does_not_change_the_exit_code() -> None:
    """It became that of a crash, which is the one of a difference."""
    program = [sys.executable, "-c", "from invoice_bridge.cli import main; main()", "explain", "none.json"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run([*program, "--provider", "stripe"], stderr=full, check=False, timeout=60)
    assert done.returncode == 2


@pytest.mark.parametrize("words", ["providers >&-", "providers 2>&-", "explain - --provider stripe <&-"])
def test_a_stream_that_the_shell_has_closed_is_no_crash(words: str) -> None:
    """Output goes nowhere, input is empty."""
    command = f'"{sys.executable}" -c "from invoice_bridge.cli import main; main()" {words}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=60)
    assert done.returncode == (2 if "stdin" in words or "<" in words else 0)
    assert b"Traceback" not in done.stderr


def test_the_emulators_are_served_until_interrupted() -> None:
    """`emulate --port 0 --json` says where it listens; Ctrl-C ends it with 130 and without a word."""
    program = [sys.executable, "-c", "from invoice_bridge.cli import main; main()", "emulate", "--port", "0", "--json"]
    env = {**measured(), "PATH": "/usr/bin:/bin", "STRIPE_API_KEY": KEY}
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        listed = json.loads(b"".join(iter(server.stdout.readline, b"}\n")) + b"}")
        url = listed["providers"]["stripe"]["base_url"]
        made = execute("create", CHARGE, *ON_STRIPE, url, "--json", env=env)
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 130
        assert server.stderr.read() == b""
    assert Invoice.model_validate_json(made.out).total == Money(1999, "EUR")


def test_ctrl_c_in_the_middle_of_a_bill_names_the_reference() -> None:
    """Stopped while an answer is awaited: exit code 130, and one line that says what left and what is unknown."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        program = [sys.executable, "-c", "from invoice_bridge.cli import main; main()"]
        program += ["create", CHARGE, "--lookup", "never", *ON_STRIPE, url]
        env = {**measured(), "PATH": "/usr/bin:/bin", "STRIPE_API_KEY": KEY}
        with subprocess.Popen(program, stderr=subprocess.PIPE, env=env) as billing:
            assert billing.stderr is not None
            with silent.accept()[0] as connection:
                connection.recv(65536)
                billing.send_signal(signal.SIGINT)
                told = billing.stderr.read().decode()
                assert billing.wait(timeout=20) == 130
    assert told == (
        "invoice-bridge: stopped after POST /v1/invoices was sent, so the outcome of the reference 'res-2026-05-17' is "
        "unknown: make the bill again to continue from there, or `invoice-bridge resolve` its file\n"
    )


def test_resolve_asks_a_journal_that_is_there(tmp_path: Path) -> None:
    """A journal by a wrong name is exit code 2, and is not made; nor is a bill resolved that is still to be made."""
    for verb in ("create", "resolve"):
        done = execute(verb, CHARGE, "--provider", "stripe", "--journal", str(tmp_path), env={"STRIPE_API_KEY": KEY})
        told = f"--journal {tmp_path}: it is a folder: name a file in it"
        assert (done.code, done.out, done.err) == (2, "", f"invoice-bridge: {told}\n")
    wrong = tmp_path / "bils.sqlite"
    done = execute("resolve", CHARGE, "--provider", "stripe", "--journal", str(wrong), env={"STRIPE_API_KEY": KEY})
    assert (done.code, done.out, done.err) == (
        2,
        "",
        f"invoice-bridge: --journal {wrong}: there is no such file; `create` makes it with the first bill\n",
    )
    assert not wrong.exists()
    done = execute("resolve", CHARGE, "--provider", "stripe", "--since", "2999-01-01", env={"STRIPE_API_KEY": KEY})
    told = "--since 2999-01-01 is in the future: give the time of the first try"
    assert (done.code, done.out, done.err) == (2, "", f"invoice-bridge: {told}\n")


def test_a_group_without_a_command_shows_its_help_alone() -> None:
    """Exit code 2, the commands, and no empty complaint after them."""
    for arguments, command in (((), "mark-uncollectible"), (("cassettes",), "drift")):
        done = execute(*arguments)
        assert (done.code, done.err) == (2, "")
        assert command in done.out


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    """Exit code 2, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = execute("emulate", "--port", str(port))
    assert (done.code, done.out) == (2, "")
    told = f"port {port} of 127.0.0.1 cannot be used: it is already in use; choose another port"
    assert done.err == f"invoice-bridge: {told}\n"


def test_a_missing_extra_is_one_clear_line(tmp_path: Path) -> None:
    """Without typer, and without starlette, the line names what to install."""
    for module, extra, arguments in (("typer", "cli", ["demo"]), ("starlette", "emulator", ["emulate"])):
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('none', name='{module}')", "utf-8")
        done = execute(*arguments, env={"PYTHONPATH": str(tmp_path)})
        (tmp_path / f"{module}.py").unlink()
        assert (done.code, done.out) == (2, "")
        assert f'needs {module}: run pip install "invoice-bridge[{extra}]"' in done.err
        assert done.err.count("\n") == 1


STEERS = (
    "\x7f\x85\x9b2J\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\ue000\U000e0001\U000f0000"
)


def test_defect_78_json_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Defect 78: --json writes C1 controls, direction marks and other format characters as escapes; values are kept."""
    text = f"Größe 日本 € 🚀 {STEERS}"
    write_json({"a": text, STEERS: [text]})
    printed = capsys.readouterr().out
    assert not set(STEERS) & set(printed) - {"2", "J"}
    assert "Größe 日本 € 🚀" in printed
    assert json.loads(printed) == {"a": text, STEERS: [text]}
    invoice = decode_invoice("stripe", {"id": "in_1", "status": "open", "currency": "eur", "description": text})
    for value in (invoice, [invoice]):
        write(value, as_json=True)
        printed = capsys.readouterr().out
        assert not set(STEERS) & set(printed) - {"2", "J"}
        assert STEERS in json.dumps(json.loads(printed), ensure_ascii=False)


@pytest.mark.parametrize("command", ["", "demo", "providers", "explain", "losses", "decode", "emulate", "compare"])
def test_a_short_word_for_help(command: str) -> None:
    """Defect 84: -h is --help, for the program and its commands."""
    done = execute(*filter(None, [command, "-h"]))
    assert (done.code, done.err) == (0, "")
    assert done.out == execute(*filter(None, [command, "--help"])).out


def test_defect_84_words_are_completed() -> None:
    """A shell that asks is told the commands and options; --show-completion prints what makes it ask."""
    for words, place, told in (
        ("invoice-bridge exp", "1", "explain"),
        ("invoice-bridge explain --conf", "2", "--config"),
    ):
        asked = {"_INVOICE_BRIDGE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
        assert execute(env=asked).out.split() == [told]
    script = execute("--show-completion", "bash", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}).out
    assert "_INVOICE_BRIDGE_COMPLETE" in script


def test_the_package_is_a_program() -> None:
    """Defect 84: python -m invoice_bridge is the command line."""
    program = [sys.executable, "-W", "error", "-m", "invoice_bridge", "--version"]
    done = subprocess.run(program, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"invoice-bridge ")


def test_completion_of_a_shell() -> None:
    """Defect 84: a shell's completion script is printed, and the program completes its commands."""
    script = execute("--show-completion", "bash", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert (script.code, script.err) == (0, "")
    assert "_INVOICE_BRIDGE_COMPLETE" in script.out
    asked = {
        "_INVOICE_BRIDGE_COMPLETE": "complete_bash",
        "COMP_WORDS": "invoice-bridge mark",
        "COMP_CWORD": "1",
    }
    assert execute(env=asked).out.split() == ["mark-paid", "mark-uncollectible"]
