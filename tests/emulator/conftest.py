"""Both ways to reach an emulator that faults surround."""

from collections.abc import Iterator

import httpx
import pytest

from invoice_bridge.emulator import EmulatorTransport, Faults
from invoice_bridge.emulator.server import Served, running
from tests.emulator.bench import Connect, Wire


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """All providers, on one free port, for all tests."""
    with running() as server:
        yield server


@pytest.fixture(params=["in memory", "over tcp"])
def connect(request: pytest.FixtureRequest, served: Served) -> Iterator[Connect]:
    """Both ways to reach an emulator with faults: what a client meets must be the same."""
    opened: list[httpx.Client] = []

    def to(faults: Faults, timeout: float = 5.0) -> Wire:
        name, root = faults.emulator.name, "http://127.0.0.1:1"
        if request.param == "in memory":
            opened.append(httpx.Client(transport=EmulatorTransport(faults, root), timeout=timeout))
        else:
            served.put(name, faults)
            root = served.base_urls[name]
            opened.append(httpx.Client(timeout=timeout))
        return Wire(name, root, opened[-1])

    yield to
    for http in opened:
        http.close()
