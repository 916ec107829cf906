"""Defect 86: an injected client of httpx2 meets every fault over real TCP, and raises what one of httpx raises."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import httpx2
import pytest

from invoice_bridge import AsyncClient, BridgeError, Client, Unreachable
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.testing import no_retries
from tests.clients import CHARGE, KEY

each_fault = pytest.mark.parametrize("kind", Kind, ids=str)


class Ending(NamedTuple):
    """How a call ended, and how many invoices the provider holds after it."""

    error: type[BridgeError] | None
    outcome: str | None
    invoices: int


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Stripe's emulator, whose answers each test replaces."""
    with running(names=["stripe"]) as server:
        yield server


def _settings(served: Served, kind: Kind, http: Any) -> dict[str, Any]:
    seconds = 0.4 if kind is Kind.LATENCY else 0.03
    served.put("stripe", Faults(STRIPE.emulator(clock=FakeClock()), [Fault(kind, times=99, seconds=seconds)]))
    url = served.base_urls["stripe"]
    timeout = 0.25 if kind in {Kind.LATENCY, Kind.TIMEOUT_AFTER} else 5.0
    return {"api_key": KEY, "base_url": url, "http": http, "lookup": "never", "timeout": timeout}


def _ending(error: BridgeError | None, served: Served) -> Ending:
    invoices: Any = served.emulators["stripe"].invoices
    if error is None:
        return Ending(None, None, len(invoices))
    return Ending(type(error), error.outcome, len(invoices))


def _sync(served: Served, kind: Kind, library: Any) -> Ending:
    with library.Client() as http, no_retries(), Client("stripe", **_settings(served, kind, http)) as client:
        try:
            client.create(CHARGE)
        except BridgeError as error:
            return _ending(error, served)
        return _ending(None, served)


async def _async(served: Served, kind: Kind, library: Any) -> Ending:
    async with library.AsyncClient() as http:
        with no_retries():
            made = AsyncClient("stripe", **_settings(served, kind, http))
        async with made as client:
            try:
                await client.create(CHARGE)
            except BridgeError as error:
                return _ending(error, served)
            return _ending(None, served)


@each_fault
def test_defect_86_a_fault_means_the_same_through_httpx2(kind: Kind, served: Served) -> None:
    """The same error with the same outcome, or the same bill; nothing of the other library comes through."""
    ending = _sync(served, kind, httpx2)
    assert ending == _sync(served, kind, httpx)
    assert ending.invoices <= 1


@each_fault
async def test_defect_86_a_fault_means_the_same_through_an_asynchronous_httpx2(kind: Kind, served: Served) -> None:
    """The same, awaited; and the two kinds of client agree."""
    ending = await _async(served, kind, httpx2)
    assert ending == await _async(served, kind, httpx)
    assert ending.invoices <= 1


def test_defect_86_faults_are_met_at_all(served: Served) -> None:
    """Most faults end a call that is not repeated, in different ways: there is something to compare."""
    endings = {kind: _sync(served, kind, httpx2) for kind in Kind if kind is not Kind.TIMEOUT_AFTER}
    assert len({ending.error for ending in endings.values()}) == 3
    assert sum(ending.error is not None for ending in endings.values()) >= 10


def test_defect_86_nothing_listens() -> None:
    """A refused connection was never sent, whichever library says so."""
    for library in (httpx, httpx2):
        with library.Client() as http, no_retries():
            client = Client("stripe", api_key=KEY, base_url="http://127.0.0.1:1", http=http, lookup="never")
            with pytest.raises(Unreachable) as caught:
                client.create(CHARGE)
        assert caught.value.outcome == "nothing_done"
