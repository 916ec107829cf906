"""The switches of `invoice_bridge.testing`: clients without waits, and clients without retries."""

import asyncio
import threading
import time
from typing import Any

import httpx
import pytest

from invoice_bridge import AsyncClient, Client, RateLimited, Unreachable
from invoice_bridge.testing import no_retries, no_waiting
from tests.clients import BASE, KEY, fails

RETRIES = 2
"""How often a client repeats a request, unless a switch says otherwise."""


class Counting:
    """A network that loses every request, and counts them."""

    def __init__(self) -> None:
        self.requests = 0
        self.http = httpx.Client(transport=httpx.MockTransport(self.lose))
        self.http_async = httpx.AsyncClient(transport=httpx.MockTransport(self.lose))

    def lose(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return fails(httpx.ConnectError("lost"))(request)

    def requests_of(self, client: Client) -> int:
        """How many requests one read sends."""
        before = self.requests
        with pytest.raises(Unreachable):
            client.retrieve("in_1")
        return self.requests - before


@pytest.fixture
def network() -> Counting:
    """A network that loses every request."""
    return Counting()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that clients wait; nothing really waits."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def client_of(network: Counting) -> Client:
    return Client("stripe", api_key=KEY, base_url=BASE, http=network.http, lookup="never")


def test_a_client_without_retries_sends_each_request_once(network: Counting, slept: list[float]) -> None:
    """One request for each read, for as long as the client lives; a client made before or after repeats its own."""
    before = client_of(network)
    with no_retries():
        once = client_of(network)
        assert network.requests_of(before) == 1 + RETRIES
    assert [network.requests_of(once), network.requests_of(once)] == [1, 1]
    assert network.requests_of(client_of(network)) == 1 + RETRIES


def test_a_request_that_is_refused_is_sent_once_too(slept: list[float]) -> None:
    """A 429 with a Retry-After ends the call, and nothing waits."""
    sent: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(429, headers={"Retry-After": "1"}, json={"error": {}})

    with no_retries():
        http = httpx.Client(transport=httpx.MockTransport(refuse))
        client = Client("stripe", api_key=KEY, base_url=BASE, http=http, lookup="never")
    with pytest.raises(RateLimited):
        client.retrieve("in_1")
    assert (len(sent), slept) == (1, [])


def test_an_asynchronous_client_without_retries_sends_each_request_once(network: Counting) -> None:
    """The same, awaited."""

    async def read() -> None:
        with no_retries():
            client = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=network.http_async, lookup="never")
        with pytest.raises(Unreachable):
            await client.retrieve("in_1")

    asyncio.run(read())
    assert network.requests == 1


def test_the_switch_applies_to_clients_made_in_other_threads(network: Counting) -> None:
    """An application may make its client in a worker."""
    made: list[Client] = []
    with no_retries():
        worker = threading.Thread(target=lambda: made.append(client_of(network)))
        worker.start()
        worker.join()
    assert network.requests_of(made[0]) == 1


def test_switches_nest_and_are_independent(network: Counting, slept: list[float]) -> None:
    """An inner switch that closes leaves the outer one open; without waits a request is still repeated."""
    with no_retries():
        with no_retries():
            pass
        inner = client_of(network)
    assert network.requests_of(inner) == 1
    with no_waiting():
        eager = client_of(network)
        with no_retries():
            both = client_of(network)
    assert network.requests_of(both) == 1
    assert network.requests_of(eager) == 1 + RETRIES
    assert set(slept) <= {0.0}


def test_a_switch_closes_when_its_block_fails(network: Counting, slept: list[float]) -> None:
    """A failed test does not switch off the retries of the next one."""
    failure: Any = RuntimeError("the test failed")
    with pytest.raises(RuntimeError), no_retries():
        raise failure
    assert network.requests_of(client_of(network)) == 1 + RETRIES
