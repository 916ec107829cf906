"""invoice-bridge webhooks: listen, send and verify; and `emulate`, whose webhooks go there."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import webhooks
from invoice_bridge.emulator.specimens import specimen_events
from invoice_bridge.webhooks.signing import sign
from tests.cli.conftest import Done
from tests.emulator.test_deliveries import (
    Receiver,
    receiver,  # noqa: F401 - a fixture
)

SECRET = "whsec_test_not_a_secret"
SECRETS = {"stripe": SECRET, "whop": "ws_test_not_a_secret", "chargebee": "webhooks:not_a_password"}
NOW = datetime.now(UTC)
Cli = Callable[..., Done]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(f"{name.upper()}_WEBHOOK_SECRET", secret)


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a program of its own until the block ends."""
    command = [sys.executable, "-c", "from invoice_bridge.cli import main; main()", *arguments]
    environment = {**os.environ, "COLUMNS": "300"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


@pytest.mark.slow  # two programs
def test_a_receiver_without_a_reader_ends(cli: Cli) -> None:
    """`webhooks listen | head -1`: it refused every delivery for ever, with a traceback for each."""
    with program("webhooks", "listen", "--provider", "stripe", "--port", "0") as listening:
        assert listening.stdout is not None
        assert listening.stderr is not None
        url = listening.stdout.readline().removeprefix("listening on ").strip()
        listening.stdout.close()
        sent = cli("webhooks", "send", "invoice.paid", "--provider", "stripe", "--to", url)
        assert (sent.code, sent.out.partition(" ")[0]) == (3, "500"), "so that the provider sends it again"
        assert listening.wait(20) == 141
        assert listening.stderr.read() == ""


# ── specimens ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name,types",
    [
        ("stripe", {"invoice.created", "invoice.paid", "invoice.payment_failed", "invoice.voided", "invoice.deleted"}),
        ("whop", {"invoice.created", "invoice.paid", "invoice.past_due", "invoice.voided"}),
        ("chargebee", {"pending_invoice_created", "invoice_generated", "payment_failed", "invoice_deleted"}),
    ],
)
def test_there_is_a_specimen_of_each_event(name: str, types: set[str]) -> None:
    """Each is read as an event of a kind that the library knows."""
    events = specimen_events(name, NOW)
    assert types <= set(events)
    for event in events.values():
        read = webhooks.parse(
            name,
            sign(name, event.body, secret=SECRETS[name], at=NOW, event_id=event.id),
            event.body,
            secret=SECRETS[name],
            at=NOW,
        )
        assert (read.native_type, read.invoice_id) == (event.type, event.invoice_id)
        assert read.type is not webhooks.EventType.UNKNOWN


# ── send ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name,event", [("stripe", "invoice.paid"), ("whop", "invoice.voided"), ("chargebee", "invoice_generated")]
)
def test_an_event_is_signed_and_sent(cli: Cli, receiver: Receiver, name: str, event: str) -> None:  # noqa: F811
    """By the provider's own word for it."""
    done = cli("webhooks", "send", event, "--provider", name, "--to", receiver.url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"204 from {receiver.url}: {event}, ")
    (read,) = receiver.events(name, 1, SECRETS[name])
    assert (read.native_type, read.verified) == (event, True)


def test_a_file_is_sent_as_it_is(cli: Cli, receiver: Receiver, tmp_path: Path) -> None:  # noqa: F811
    """Its bytes, under the id that was given; an answer that is no 2xx is exit code 3."""
    body, secret = tmp_path / "event.json", tmp_path / "secret"
    body.write_bytes(specimen_events("whop", NOW)["invoice.paid"].body)
    secret.write_text("another_test_secret\n", "utf-8")
    receiver.answers = [500]
    arguments = ("--provider", "whop", "--to", receiver.url, "--event-id", "msg_7", "--secret-file", str(secret))
    done = cli("webhooks", "send", str(body), *arguments)
    assert (done.code, done.out) == (3, f"500 from {receiver.url}: invoice.paid, msg_7\n")
    headers, received = receiver.wait(1)[0]
    assert received == body.read_bytes()
    assert webhooks.parse("whop", headers, received, secret="another_test_secret", at=datetime.now(UTC)).id == "msg_7"


@pytest.mark.parametrize(
    "arguments,code,message",
    [
        (("invoice.nope", "--provider", "stripe", "--to", "http://127.0.0.1:9/"), 2, "stripe has: invoice.created"),
        (("invoice.paid", "--provider", "stripe", "--to", "http://127.0.0.1:9/"), 3, "cannot be reached"),
        (("invoice.paid", "--provider", "stripe", "--to", "nowhere"), 2, "write http://HOST:PORT/PATH"),
        (("invoice.paid", "--provider", "stripe", "--to", "ftp://127.0.0.1/"), 2, "write http://HOST:PORT/PATH"),
        (("invoice.paid", "--provider", "stripe", "--to", "http://[::1/"), 2, "write http://HOST:PORT/PATH"),
        (("invoice.paid", "--provider", "stripe", "--to", f"http://u:{SECRET}@127.0.0.1:9/"), 2, "leave the user and"),
        (("a" * 5000, "--provider", "stripe", "--to", "http://127.0.0.1:9/"), 2, "is neither a file nor an event"),
        (("invoice.paid", "--provider", "stripe", "--to", "http://127.0.0.1:9/", "--ago", "inf"), 2, "'--ago'"),
        (("invoice.paid", "--provider", "stripe", "--to", "http://127.0.0.1:9/", "--ago", "9e10"), 2, "'--ago'"),
        (("invoice.paid", "--provider", "whop", "--to", "http://127.0.0.1:9/", "--event-id", "é"), 2, "ASCII"),
        (("invoice.paid", "--provider", "whop", "--to", "http://127.0.0.1:9/", "--event-id", "a\nb"), 2, "printable"),
        (("/dev/null", "--provider", "stripe", "--to", "http://127.0.0.1:9/"), 2, "/dev/null: it is no delivery that"),
        (("x", "--provider", "chargeapi", "--to", "http://127.0.0.1:9/"), 2, "set CHARGEAPI_WEBHOOK_SECRET"),
        (("invoice.paid", "--provider", "stripe", "--to", "x", "--secret-file", "nope"), 2, "no such file"),
    ],
)
def test_what_cannot_be_sent_is_one_line(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    """Without the secret in it."""
    done = cli("webhooks", "send", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert SECRET not in done.err


# ── verify ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def delivery(tmp_path: Path) -> dict[str, str]:
    """The files of a delivery of Stripe."""
    event = specimen_events("stripe", NOW)["invoice.paid"]
    headers = sign("stripe", event.body, secret=SECRET, at=datetime.now(UTC), event_id=event.id)
    body, lines = tmp_path / "body.json", tmp_path / "headers.txt"
    body.write_bytes(event.body)
    lines.write_text("".join(f"{name}: {value}\n" for name, value in headers.items()), "utf-8")
    return {"body": str(body), "headers": str(lines), "signature": headers["stripe-signature"]}


def test_a_valid_delivery_is_said_to_be_valid(cli: Cli, delivery: dict[str, str]) -> None:
    """By a header of the command line or by a file of headers."""
    header = f"Stripe-Signature: {delivery['signature']}"
    for given in (("--header", header), ("--headers", delivery["headers"])):
        done = cli("webhooks", "verify", delivery["body"], "--provider", "stripe", *given)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("valid: ")
        assert " paid (invoice.paid) in_" in done.out
    read = json.loads(cli("webhooks", "verify", delivery["body"], "--provider", "stripe", *given, "--json").out)
    assert (read["valid"], read["event"]["type"], read["event"]["invoice"]["status"]) == (True, "paid", "paid")


def test_an_invalid_delivery_says_why(cli: Cli, delivery: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another secret, a changed body, an old one, a missing header: exit code 1."""
    body, headers = Path(delivery["body"]), ("--headers", delivery["headers"])
    verify = ("webhooks", "verify", delivery["body"], "--provider", "stripe")
    missing = cli(*verify)
    assert (missing.code, "no header stripe-signature" in missing.err) == (1, True)
    late = cli(*verify, *headers, "--at", "2030-01-01T00:00:00Z")
    assert (late.code, "too old" in late.err) == (1, True)
    body.write_bytes(body.read_bytes() + b"\n")
    ended = cli(*verify, *headers)
    assert (ended.code, "valid without the line end of the file" in ended.err) == (1, True)
    body.write_bytes(body.read_bytes() + b" ")
    changed = cli(*verify, *headers, "--json")
    assert changed.code == 1
    assert json.loads(changed.out)["valid"] is False
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "another_test_secret")
    wrong = cli(*verify, *headers)
    assert (wrong.code, "no signature matches" in wrong.err) == (1, True)
    assert "another_test_secret" not in wrong.err


def test_a_delivery_without_an_event_is_not_valid(cli: Cli, tmp_path: Path) -> None:
    """A signed body that cannot be read: exit code 1 with the reason, as for any other that is not valid."""
    body, headers = tmp_path / "body", tmp_path / "headers"
    body.write_bytes(b"not JSON")
    signed = sign("stripe", b"not JSON", secret=SECRET, at=datetime.now(UTC), event_id="evt_1")
    headers.write_text("".join(f"{name}: {value}\n" for name, value in signed.items()), "utf-8")
    done = cli("webhooks", "verify", str(body), "--provider", "stripe", "--headers", str(headers))
    assert (done.code, done.out) == (1, "")
    assert "not valid: stripe: the delivery is not JSON" in done.err


def test_a_password_is_not_taken_from_the_command_line(cli: Cli, delivery: dict[str, str]) -> None:
    """Chargebee's Authorization is the secret itself."""
    arguments = ("webhooks", "verify", delivery["body"], "--provider", "chargebee", "--header")
    refused = cli(*arguments, "Authorization: Basic bm9ib2R5Og==")
    assert (refused.code, "use --headers FILE" in refused.err) == (2, True)
    assert "bm9ib2R5Og" not in refused.err
    assert cli(*arguments, "nothing").err == "invoice-bridge: a header is written NAME: VALUE\n"


def test_a_secret_that_is_missing_names_its_variable(
    cli: Cli, delivery: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And an empty file is none."""
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET")
    verify = ("webhooks", "verify", delivery["body"], "--provider", "stripe")
    assert "set STRIPE_WEBHOOK_SECRET, or name a file by --secret-file" in cli(*verify).err
    empty = tmp_path / "empty"
    empty.write_text("\n", "utf-8")
    assert f"{empty} is empty" in cli(*verify, "--secret-file", str(empty)).err
    listening = ("webhooks", "listen", "--provider", "stripe", "--provider", "whop", "--secret-file", str(empty))
    assert "--secret-file is for one provider" in cli(*listening).err


# ── listen, and emulate ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_the_receiver_prints_what_the_emulator_delivers() -> None:
    """Two programs: `emulate --webhooks-to`, and `webhooks listen`, which verifies; Ctrl-C ends both with 130."""
    with program("webhooks", "listen", "--provider", "stripe", "--port", "0", "--json") as listening:
        assert listening.stderr is not None
        assert listening.stdout is not None
        address = listening.stderr.readline().removeprefix("listening on ").strip()
        assert address.endswith("/stripe")
        flags = ("--port", "0", "--only", "stripe", "--json", "--webhooks-to", f"stripe={address}")
        with program("emulate", *flags, "--delivery", "doubled", "--delivery-seconds", "0.1") as emulating:
            assert emulating.stdout is not None
            text = ""
            while not text.endswith("\n}\n"):
                text += emulating.stdout.readline()
            provider: Any = json.loads(text)["providers"]["stripe"]
            headers = {"Authorization": f"Bearer {provider['api_key']}"}
            made = httpx.post(f"{provider['own_url']}/v1/invoices", data={"customer": "cus_42"}, headers=headers)
            event = json.loads(listening.stdout.readline())
            assert (event["type"], event["invoice_id"], event["verified"]) == ("created", made.json()["id"], True)
            forged = httpx.post(address, content=b"{}", headers={"stripe-signature": "t=1,v1=00"})
            assert forged.status_code == 400
            emulating.send_signal(signal.SIGINT)
            assert emulating.wait(10) == 130
            assert emulating.stderr is not None
            assert emulating.stderr.read() == ""
        listening.send_signal(signal.SIGINT)
        assert listening.wait(10) == 130
        assert listening.stdout.read() == ""  # the second delivery of one event is not a second event
        refusal = "a delivery to stripe was refused: the signed instant is too old"
        assert [line.startswith(refusal) for line in listening.stderr.read().splitlines()] == [True]


@pytest.mark.parametrize(
    "arguments,message",
    [
        (("--webhooks-to", "stripe"), "write PROVIDER=URL"),
        (("--webhooks-to", "nope=http://x/"), "write PROVIDER=URL"),
        (("--webhooks-to", "stripe=ftp://x/"), "webhooks of stripe: url: write http://HOST:PORT/PATH"),
        (("--webhooks-to", "chargeapi=http://127.0.0.1:9/"), "has no event of an invoice"),
        (("--delivery", "never"), "--delivery"),
        (("--switch", "stripe"), "write PROVIDER.NAME"),
        (("--switch", "stripe.nope"), "stripe has no such switch"),
        (("--switch", "stripe.search=perhaps"), "write on or off"),
        (("--only", "nope"), "there is no provider 'nope'"),
        (("--only", "stripe", "--switch", "whop.promotes"), "with one of stripe"),
    ],
)
def test_options_of_emulate_that_cannot_be_used(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    """Exit code 2 and one line; nothing is served."""
    done = cli("emulate", "--port", "0", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_every_switch_is_listed(cli: Cli) -> None:
    """With its default and what it sets."""
    listed = json.loads(cli("emulate", "--list-switches", "--json").out)
    assert listed["stripe"]["search"] == {
        "default": True,
        "sets": "whether the account can search: not for merchants in India (docs.stripe.com/search)",
    }
    text = cli("emulate", "--list-switches", "--only", "whop").out
    assert "promotes" in text
    assert "customer_owes" not in text
    assert all(row["sets"].startswith(("whether", "which")) for table in listed.values() for row in table.values())
