"""What the tests of calibrations share: one server of all providers, and runs against it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.faults import Faults
from invoice_bridge.adapter.emulation.probes import Probes
from invoice_bridge.client.calibration import Calibration, calibrate
from invoice_bridge.emulator.server import Served, running

NAMES = ("chargeapi", "chargebee", "stripe", "whop")
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
"""The time of an emulator's own clock."""


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """One server for all tests."""
    with running(names=NAMES) as served:
        yield served


def emulator_of(name: str, **switches: bool) -> Emulator:
    """Make an emulator with some switches set."""
    emulator: Emulator = providers.get(name).emulator(switches=switches)
    return emulator


def probes_of(name: str) -> Probes:
    """Return the probes of a provider."""
    probes = emulator_of(name).PROBES
    assert probes is not None
    return probes


def defaults_of(name: str) -> dict[str, bool]:
    """Return what the emulator does by default, by switch."""
    return {switch: default for switch, (default, _) in emulator_of(name).SWITCHES.items()}


def given(server: Served, emulator: Emulator, key: str | None = None) -> dict[str, Any]:
    """Return what a client of a served emulator is made of."""
    name, settings = emulator.name, dict(emulator.settings)
    return {"provider": name, "api_key": key or emulator.key, "base_url": server.base_urls[name], **settings}


def run(server: Served, answers: Emulator | Faults, *, key: str | None = None, **changed: Any) -> Calibration:
    """Calibrate a served emulator, with all probes unless `changed` says otherwise."""
    emulator = answers.emulator if isinstance(answers, Faults) else answers
    server.put(emulator.name, answers)
    options: dict[str, Any] = {"may_write": True, "may_charge": True, "now": NOW, **changed}
    return calibrate(given(server, emulator, key), probes_of(emulator.name), emulator.customer, "cal-1", **options)
