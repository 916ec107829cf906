"""How an AsyncClient connects: no socket stays open, whenever it is cancelled; the addresses of a host in turn."""

import asyncio
import socket
from asyncio.selector_events import BaseSelectorEventLoop
from typing import Any

import httpcore
import pytest

from invoice_bridge.client.network_async import _AsyncNetwork, _interleave
from tests.drips import serving, silent

STEPS = 8
"""Steps of the event loop from the connected socket to the made connection, and some more."""


def resolves_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Have every name resolve to these addresses at once, without the thread that a resolver takes."""

    async def resolve(_loop: Any, _host: str, port: int, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("steps", range(STEPS))
async def test_defect_89_a_connection_that_is_cancelled_as_it_is_made_is_closed(
    monkeypatch: pytest.MonkeyPatch, host: str, steps: int
) -> None:
    """A timeout that ends in the very moment in which the socket connects loses no socket."""
    resolves_to(monkeypatch, "127.0.0.1")
    opened: list[socket.socket] = []
    original = BaseSelectorEventLoop.sock_connect
    loop = asyncio.get_running_loop()

    def cancel_after(left: int) -> None:
        if left:
            loop.call_soon(cancel_after, left - 1)
        else:
            connecting.cancel()

    async def connect(self: Any, sock: socket.socket, address: Any) -> None:
        opened.append(sock)
        await original(self, sock, address)
        loop.call_soon(cancel_after, steps)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    with serving(silent) as where:
        port = int(where.rpartition(":")[2])
        connecting = asyncio.ensure_future(_AsyncNetwork().connect_tcp(host, port, timeout=5))
        try:
            await (await connecting).aclose()
        except asyncio.CancelledError:
            assert connecting.cancelled()
        else:
            assert steps >= 1, "a connection was made although it was cancelled before"
        for _ in range(STEPS):
            await asyncio.sleep(0)
    assert [sock.fileno() for sock in opened] == [-1]


async def test_defect_89_an_address_that_connects_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second address is tried beside the first one; one of both is used, and the other one is closed."""
    resolves_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    monkeypatch.setattr("invoice_bridge.client.network_async._HEAD_START", 0)
    opened: list[socket.socket] = []
    both = asyncio.Event()
    original = BaseSelectorEventLoop.sock_connect

    async def connect(self: Any, sock: socket.socket, address: Any) -> None:
        opened.append(sock)
        if len(opened) == 2:
            both.set()
        await both.wait()
        await original(self, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    with socket.create_server(("0.0.0.0", 0)) as listening:
        stream = await _AsyncNetwork().connect_tcp("localhost", listening.getsockname()[1], timeout=5)
        for _ in range(STEPS):
            await asyncio.sleep(0)
        used = stream.get_extra_info("socket").fileno()
        assert len(opened) == 2
        assert [sock.fileno() for sock in opened if sock.fileno() != -1] == [used]
        await stream.aclose()
        await asyncio.sleep(0)


async def test_what_refuses_at_every_address_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next address is tried at once; the error is that of the last one."""
    resolves_to(monkeypatch, "127.0.0.8", "127.0.0.9")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(httpcore.ConnectError, match=r"127\.0\.0\.9"):
            await _AsyncNetwork().connect_tcp("localhost", port, timeout=5)


async def test_a_name_without_an_address_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver may answer with nothing at all."""
    resolves_to(monkeypatch)
    with pytest.raises(httpcore.ConnectError, match="localhost has no address"):
        await _AsyncNetwork().connect_tcp("localhost", 1, timeout=5)


def test_the_addresses_of_both_families_take_turns() -> None:
    """One family that does not answer costs one wait; what is resolved twice is tried once."""
    six, four = socket.AF_INET6, socket.AF_INET
    infos = [(six, 1, 6, "", ("::1", 1, 0, 0)), (six, 1, 6, "", ("::2", 1, 0, 0)), (four, 1, 6, "", ("127.0.0.1", 1))]
    assert _interleave([*infos, infos[0]]) == ["::1", "127.0.0.1", "::2"]
