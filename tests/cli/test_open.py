"""`open`: which address is opened for an invoice, in a browser of the test's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from invoice_bridge import Client, Invoice, MalformedResponse, Status, Unsupported
from invoice_bridge.cli import exits
from invoice_bridge.client.pages import page_of
from tests.cli.conftest import EXAMPLES, KEY, Done

Cli = Callable[..., Done]
CHARGE = str(EXAMPLES / "one-time-charge.json")
HOSTED = "https://invoice.example.test/in_00000001"


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file into which the browser of BROWSER writes what it is started with."""
    program, seen = tmp_path / "browser", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{seen}"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    return seen


def opened(seen: Path) -> list[str]:
    return seen.read_text("utf-8").splitlines() if seen.exists() else []


def test_the_page_of_an_issued_invoice_is_opened(stripe: Cli, browser: Path) -> None:
    """The hosted page that Stripe states; the address is printed too."""
    stripe("create", CHARGE)
    done = stripe("open", "in_00000001")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1:] == ["page     hosted", f"address  {HOSTED}"]
    assert opened(browser) == [HOSTED]


def test_print_opens_nothing(stripe: Cli, browser: Path) -> None:
    """The address is the answer, as JSON too."""
    stripe("create", CHARGE)
    assert HOSTED in stripe("open", "in_00000001", "--print").out
    shown = json.loads(stripe("open", "in_00000001", "--print", "--json").out)
    assert shown == {"invoice": "in_00000001", "page": "hosted", "address": HOSTED}
    assert opened(browser) == []


def test_a_draft_has_no_page(stripe: Cli, browser: Path, tmp_path: Path) -> None:
    """Exit code 2, why, and what to do; an emulator is in no dashboard."""
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(json.loads(Path(CHARGE).read_text("utf-8")) | {"draft": True}), "utf-8")
    stripe("create", str(draft))
    done = stripe("open", "in_00000001")
    assert (done.code, done.out) == (exits.USAGE, "")
    assert "Stripe has no known page for in_00000001: it is a draft; `invoice-bridge show in_00000001`" in done.err
    done = stripe("open", "in_00000001", "--dashboard")
    assert "is not its own host" in done.err
    assert opened(browser) == []


def test_without_a_browser_the_address_is_printed(stripe: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the address to open by hand."""
    stripe("create", CHARGE)
    monkeypatch.setattr("webbrowser.open", lambda _address: False)
    done = stripe("open", "in_00000001")
    assert done.code == exits.USAGE
    assert f"set BROWSER, or open {HOSTED} yourself" in done.err


def invoice(provider: str, **more: object) -> Invoice:
    facts = {"provider": provider, "id": "in_1", "status": Status.OPEN, "currency": "EUR", **more}
    return Invoice.model_validate(facts)


@pytest.mark.parametrize(
    "provider, settings, more, address",
    [
        ("stripe", {}, {"test_mode": True}, "https://dashboard.stripe.com/test/invoices/in_1"),
        ("stripe", {}, {"test_mode": False}, "https://dashboard.stripe.com/invoices/in_1"),
        ("stripe", {}, {"test_mode": False, "id": "../a?b"}, "https://dashboard.stripe.com/invoices/..%2Fa%3Fb"),
        ("chargebee", {"site": "acme-test"}, {}, "https://acme-test.chargebee.com/d/invoices/in_1"),
    ],
)
def test_the_page_in_a_dashboard(
    provider: str, settings: dict[str, str], more: dict[str, object], address: str
) -> None:
    """Of the mode and the site; it is opened too where the provider states no page for the customer."""
    with Client(provider, api_key=KEY, **settings) as client:  # type: ignore[call-overload]
        found = invoice(provider, **more)
        assert page_of(client, found, dashboard=True).address == address
        assert page_of(client, found).kind == "dashboard"
        hosted = found.model_copy(update={"hosted_url": "https://pay.example.test/1"})
        assert page_of(client, hosted).address == "https://pay.example.test/1"


@pytest.mark.parametrize(
    "provider, settings, more",
    [
        ("stripe", {}, {}),  # the mode is not known
        ("stripe", {"account": "acct_1"}, {"test_mode": True}),
        ("whop", {"account_id": "biz_1"}, {}),
        ("chargeapi", {}, {}),
    ],
)
def test_no_address_is_made_up(provider: str, settings: dict[str, str], more: dict[str, object]) -> None:
    """Where none is known, the refusal names the command that prints the invoice."""
    with (
        Client(provider, api_key=KEY, **settings) as client,  # type: ignore[call-overload]
        pytest.raises(Unsupported, match=r"no known page for in_1.*invoice-bridge show in_1"),
    ):
        page_of(client, invoice(provider, **more))


@pytest.mark.parametrize(
    "address",
    [
        "http://pay.example.test/1",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user@pay.example.test/1",
        "https://pay.example.test/1\\@evil.example.test",
        "--new-window",
        "http://127.0.0.1:8787/1",  # this machine, but not the host that answers
    ],
)
def test_only_https_is_opened(address: str) -> None:
    """Whatever an answer states: no plain http, no file, no script, no credentials, no option of a browser."""
    with Client("stripe", api_key=KEY) as client, pytest.raises(MalformedResponse, match=r"https|not a URL"):
        page_of(client, invoice("stripe", hosted_url=address))


def test_http_is_opened_on_this_machine_alone() -> None:
    """An emulator's page; the same scheme and host elsewhere are refused, though the client may ask it."""
    address = "http://127.0.0.1:8787/pages/in_1"
    with Client("stripe", api_key=KEY, base_url="http://127.0.0.1:8787/stripe") as client:
        assert page_of(client, invoice("stripe", hosted_url=address)).address == address
    with (
        Client("stripe", api_key=KEY, base_url="http://stripe.example.test", insecure=True) as client,
        pytest.raises(MalformedResponse, match="not an https URL"),
    ):
        page_of(client, invoice("stripe", hosted_url="http://stripe.example.test/in_1"))
