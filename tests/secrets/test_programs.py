"""The command line and recordings against a provider that repeats the key in all it says."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from invoice_bridge import providers
from invoice_bridge.cassettes import scenarios as recording
from invoice_bridge.cli.app import run
from invoice_bridge.emulator.server import Served, running
from tests.cli.conftest import execute
from tests.secrets.canary import CANARIES, charge, repeating, says

KEY = CANARIES["stripe"]
each_provider = pytest.mark.parametrize("name", CANARIES)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """All providers, each repeating its key."""
    with running() as server:
        for name in CANARIES:
            server.put(name, repeating(name))
        yield server


def _options(served: Served, name: str) -> list[str]:
    settings = served.emulators[name].settings.items()
    return [
        *("--provider", name, "--base-url", served.base_urls[name]),
        *(word for setting, value in settings for word in ("--set", f"{setting}={value}")),
    ]


@pytest.fixture
def bill(tmp_path: Path) -> Callable[[str, str], str]:
    """A bill in a file."""

    def written(name: str, reference: str) -> str:
        path = tmp_path / f"{reference}.json"
        said = charge(name, reference).model_dump_json(exclude_none=True, exclude_defaults=True)
        path.write_text(f'{{"command": "one_time_charge", {said[1:]}', "utf-8")
        return str(path)

    return written


@pytest.mark.slow
def test_no_command_prints_the_key(served: Served, bill: Callable[[str, str], str], tmp_path: Path) -> None:
    """Every command as a program of its own, those that succeed and those that fail, for people and as JSON."""
    environment, options = {"STRIPE_API_KEY": KEY}, _options(served, "stripe")
    file = bill("stripe", "res-cli")
    journal = str(tmp_path / "bills.sqlite")
    ended: dict[str, int] = {}
    for arguments in [
        ("create", file, "--journal", journal),
        ("create", file, "--json"),
        ("resolve", file, "--journal", journal),
        ("list", "--json"),
        ("list", "--full"),
        ("show", "in_00000001"),
        ("show", "in_00000001", "--json"),
        ("pay", "in_00000001", "--expect", "1.00 EUR"),
        ("mark-paid", "in_00000001"),
        ("finalize", "in_00000001"),
        ("void", "no-such-invoice"),
        ("mark-uncollectible", "no-such-invoice"),
        ("update", "no-such-invoice", "--description", "x"),
        ("delete", "no-such-invoice"),
        ("send", "no-such-invoice"),
        ("show", KEY),
        ("list", "--customer", KEY),
    ]:
        done = execute(*arguments, *options, env=environment)
        ended[arguments[0]] = done.code
        assert done.out + done.err
        assert not says(done.out + done.err, KEY), arguments
    assert ended["create"] == ended["mark-paid"] == 0
    assert ended["void"] == ended["delete"] == 3
    assert ended["show"] == 2
    assert not any(says(path.read_bytes(), KEY) for path in tmp_path.iterdir())


@each_provider
def test_no_command_of_any_provider_prints_the_key(  # noqa: PLR0917 - what a command needs
    served: Served,
    name: str,
    bill: Callable[[str, str], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bill is made, read and listed; a wrong key and a wrong id are refused."""
    caplog.set_level(logging.DEBUG)
    variable, options = f"{name.upper()}_API_KEY", _options(served, name)
    monkeypatch.setenv(variable, CANARIES[name])
    allow = ("--allow", "amount") if name == "chargeapi" else ()
    assert run(["create", bill(name, "res-1"), "--lookup", "never", *allow, *options]) == 0
    assert run(["list", "--full", "--json", *options]) == 0
    assert run(["void", "inv_none", *options]) == 3
    monkeypatch.setenv(variable, wrong := CANARIES[name].replace("Zq7", "Zq8"))
    assert run(["list", *options]) == 3
    printed = capsys.readouterr()
    for key in (CANARIES[name], wrong):
        assert not says(printed.err, key)
    assert not says(printed.out, CANARIES[name])
    assert not says(caplog.text, wrong)


@pytest.mark.parametrize(
    "misplaced",
    [
        ("--key-env", KEY),
        ("--base-url", f"https://{KEY}@stripe.example.test"),
        ("--base-url", f"https://stripe.example.test?key={KEY}"),
        ("--set", f"account={KEY}"),
    ],
)
def test_a_key_among_the_options_is_not_repeated(
    misplaced: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the screen, or its log, does not learn it from us."""
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    assert run(["list", "--provider", "stripe", *misplaced]) == 2
    printed = capsys.readouterr()
    assert printed.err
    assert not says(printed.out + printed.err, KEY)


@each_provider
def test_defect_19_no_recording_has_the_key(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the cassette nor its provenance, in headers, bodies or addresses of answers; nor the recorder's log."""
    caplog.set_level(logging.DEBUG)
    declared, emulator = providers.get(name), repeating(name)
    made = replace(declared, emulator=lambda: emulator)
    found = providers.get
    monkeypatch.setattr(providers, "get", lambda other: made if other == name else found(other))
    path = recording.record("one_time_charge", name, tmp_path).path
    written = [each for each in path.parent.iterdir() if each.is_file()]
    assert len(written) == 2
    for each in written:
        assert not says(each.read_bytes(), CANARIES[name]), each.name
    assert not says(caplog.text, CANARIES[name])
