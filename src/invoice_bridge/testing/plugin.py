"""The pytest plugin: it runs one test for each provider, against that provider's recordings.

    @pytest.mark.bridge("stripe", "chargebee")
    def test_bill(billing):
        assert bill_reservation(billing).total == Money.parse("19.99", "EUR")

`billing` is a Client (`abilling` an AsyncClient) that replays cassettes/<provider>/test_bill.yaml beside the test's
file. It has no access to the network. A test passes if it makes exactly the recorded requests, including their bodies:
it fails if the application no longer makes a bill, or makes it differently.

    pytest --bridge-record=once            record what is missing, against the emulators in this process
    pytest --bridge-record=rewrite         record everything again
    … --bridge-against=test --bridge-allow-network      against the provider, with <PROVIDER>_API_KEY

A cassette is written only if its test passes.

Rules of this file: every run of pytest on a machine with this distribution loads it. So it imports only pytest and the
standard library until it meets a marked test.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from invoice_bridge import AsyncClient, Client
    from invoice_bridge.cassettes.player import Player
    from invoice_bridge.cassettes.recorder import Recorder

PROVIDER = "billing_provider"
_PASSED = pytest.StashKey[bool]()


# ── options ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; by default nothing is recorded and no request leaves the process."""
    group = parser.getgroup("bridge", "invoice_bridge: tests that run once per billing provider")
    group.addoption(
        "--bridge-record",
        choices=("none", "once", "rewrite"),
        default="none",
        help="none: replay cassettes (default); once: record the missing ones; rewrite: record all of them again",
    )
    group.addoption(
        "--bridge-against",
        choices=("emulator", "test", "live"),
        help="what to record: the emulators in this process (default), or the provider with the test or live key in "
        "<PROVIDER>_API_KEY",
    )
    group.addoption(
        "--bridge-allow-network",
        action="store_true",
        help="let a client reach its provider to record against test or live; live moves real money",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and refuse contradictory options."""
    config.addinivalue_line(
        "markers", "bridge(*providers): run once for each of these billing providers, or for all (fixture billing)"
    )
    against = config.getoption("--bridge-against")
    if against is not None and config.getoption("--bridge-record") == "none":
        raise pytest.UsageError("--bridge-against works only when recording: add --bridge-record=once or =rewrite")
    if against in {"test", "live"} and not config.getoption("--bridge-allow-network"):
        raise pytest.UsageError(f"--bridge-against={against} needs the network: add --bridge-allow-network")


# ── tests and their cassettes ────────────────────────────────────────────────────────────────────────────────────────
@pytest.hookimpl(tryfirst=True)  # so that the provider is the first word in the brackets
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a marked test once for each provider that the mark names."""
    mark = metafunc.definition.get_closest_marker("bridge")
    if mark is None or PROVIDER not in metafunc.fixturenames:
        return
    from invoice_bridge import ConfigurationError, providers

    names = list(dict.fromkeys(mark.args or providers.names()))
    for name in names:
        try:
            providers.get(name)
        except ConfigurationError as error:
            raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: mark.bridge: {error}") from None
    if mark.kwargs:
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: mark.bridge takes only provider names")
    metafunc.parametrize(PROVIDER, names, ids=names, scope="function")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse two tests that would share a cassette."""
    taken: dict[str, str] = {}
    for item in items:
        if (path := cassette_path(item)) is None:
            continue
        other = taken.setdefault(str(path).casefold(), item.nodeid)  # some file systems ignore case
        if other != item.nodeid:
            raise pytest.UsageError(f"{other} and {item.nodeid} would share {path}: rename one of the tests")


def cassette_path(item: pytest.Item) -> Path | None:
    """Return a test's cassette: cassettes/<provider>/<test>.yaml beside its file. None for a test without one."""
    call = getattr(item, "callspec", None)
    if call is None or PROVIDER not in call.params or not isinstance(item, pytest.Function):
        return None
    provider: str = call.params[PROVIDER]
    rest = call.id.removeprefix(provider).removeprefix("-")
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    name = ".".join([*classes, item.originalname]) + (f"[{rest}]" if rest else "")
    folder: Path = item.path.parent / "cassettes" / provider
    return folder / (re.sub(r"[^\w.\[\]-]", "-", name) + ".yaml")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Record whether a test has passed, for the fixtures' teardown."""
    report = yield
    if call.when != "teardown":
        item.stash[_PASSED] = call.when == "call" and report.passed
    return report


# ── fixtures ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class _Tape:
    """The transport between a client and its provider, and the client's settings."""

    provider: str
    transport: Player | Recorder
    arguments: Mapping[str, Any]

    def client(self, kind: Any, http: Any) -> Any:
        """Make a client; it holds no connection of its own, so there is nothing to close."""
        from invoice_bridge import ConfigurationError

        try:
            settings = {"lookup": "never", **self.arguments}  # a lookup also reads the account's other invoices
            return kind(self.provider, http=http(transport=self.transport), **settings)
        except ConfigurationError as error:
            pytest.fail(f"{error}: see the fixture billing_settings", pytrace=False)


@pytest.fixture
def billing_provider() -> str:
    """Return the name of the provider of this run of the test."""
    pytest.fail("mark the test with @pytest.mark.bridge(…): billing needs a provider", pytrace=False)


@pytest.fixture
def billing_settings() -> Mapping[str, Mapping[str, Any]]:
    """Return clients' settings by provider: {"chargebee": {"site": "acme-test"}}. Define your own to override it."""
    return {}


@pytest.fixture
def billing_tape(
    request: pytest.FixtureRequest, billing_provider: str, billing_settings: Mapping[str, Mapping[str, Any]]
) -> Iterator[_Tape]:
    """Replay or record, depending on the options; `billing` and `abilling` share it."""
    path = cassette_path(request.node)
    if path is None:  # something other than the mark set the provider
        pytest.fail("mark the test with @pytest.mark.bridge(…): its cassette is named after the mark", pytrace=False)
    record = request.config.getoption("--bridge-record")
    settings = billing_settings.get(billing_provider, {})
    if record == "rewrite" or (record == "once" and not path.exists()):
        against = request.config.getoption("--bridge-against") or "emulator"
        yield from _record(request.node, path, billing_provider, settings, against)
    else:
        yield from _replay(request.node, path, billing_provider, settings)


@pytest.fixture
def billing(billing_tape: _Tape) -> Client:
    """Return a client of the provider that replays or records the test's cassette."""
    import httpx

    from invoice_bridge import Client

    client: Client = billing_tape.client(Client, httpx.Client)
    return client


@pytest.fixture
def abilling(billing_tape: _Tape) -> AsyncClient:
    """Return an asynchronous client of the provider that replays or records the test's cassette."""
    import httpx

    from invoice_bridge import AsyncClient

    client: AsyncClient = billing_tape.client(AsyncClient, httpx.AsyncClient)
    return client


# ── recording and replaying ──────────────────────────────────────────────────────────────────────────────────────────
def _record(item: pytest.Item, path: Path, provider: str, settings: Mapping[str, Any], against: str) -> Iterator[_Tape]:
    import httpx

    from invoice_bridge import providers
    from invoice_bridge.cassettes.recorder import Recorder
    from invoice_bridge.client.config import key_variable
    from invoice_bridge.emulator import EmulatorTransport

    declared = providers.get(provider)
    inner: httpx.BaseTransport
    if against == "emulator":
        emulator = declared.emulator()
        arguments = _emulator_settings(settings, emulator)
        inner, recorded_at = EmulatorTransport(emulator, declared.base_url(emulator.settings)), emulator.clock()
    else:
        variable = key_variable(provider)
        if not (key := os.environ.get(variable, "").strip()):
            pytest.fail(f"to record against {against}, put {provider}'s {against} key into {variable}", pytrace=False)
        arguments = {**settings, "api_key": key, "mode": against}
        inner, recorded_at = httpx.HTTPTransport(), datetime.now(UTC)
    recorder = Recorder(inner)
    yield _Tape(provider, recorder, arguments)
    recorder.close()
    if item.stash.get(_PASSED, False):
        recorder.save(path, provider, origin=against, recorded_at=recorded_at)


def _replay(item: pytest.Item, path: Path, provider: str, settings: Mapping[str, Any]) -> Iterator[_Tape]:
    from invoice_bridge import ConfigurationError, providers
    from invoice_bridge.cassettes import provenance
    from invoice_bridge.cassettes.player import Player
    from invoice_bridge.cassettes.redaction import Redactor

    command = f"pytest {shlex.quote(item.nodeid)} --bridge-record"
    if not path.exists():
        pytest.fail(f"there is no cassette {path}: record it with\n  {command}=once", pytrace=False)
    try:
        origin = provenance.read(path).origin
    except ConfigurationError as error:
        pytest.fail(f"{error}: record it again with\n  {command}=rewrite", pytrace=False)
    record_again = f"{command}=rewrite"
    emulator = providers.get(provider).emulator()
    if origin == "emulator":
        arguments = _emulator_settings(settings, emulator)
    else:
        arguments = {**emulator.settings, **settings, "api_key": emulator.key, "mode": None}
        record_again += f" --bridge-against={origin} --bridge-allow-network" if origin != "documentation" else ""
    player = Player(
        path,
        match_on_body=True,
        before_request=Redactor(provider, ids=origin == "live").request,
        remedy=f"if the change is intended, record it again:\n  {record_again}",
    )
    yield _Tape(provider, player, arguments)
    if not item.stash.get(_PASSED, False):
        return
    if player.refused:  # the application caught the error and continued
        pytest.fail(player.refused[0], pytrace=False)
    if player.unplayed:
        requests = "\n".join(f"  {request}" for request in player.unplayed)
        pytest.fail(f"{path} has requests that the test did not make:\n{requests}\n{player.remedy}", pytrace=False)


def _emulator_settings(settings: Mapping[str, Any], emulator: Any) -> dict[str, Any]:
    """Return a test's settings with the account settings replaced by the emulator's."""
    kept = {name: value for name, value in settings.items() if name not in {"base_url", "insecure", "mode"}}
    return {**kept, **emulator.settings, "api_key": emulator.key}
