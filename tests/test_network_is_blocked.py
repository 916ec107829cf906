"""No test can reach the network, and none can read a developer's keys."""

import asyncio
import os
import socket
from pathlib import Path

import httpx
import pytest

from tests.conftest import FOREIGN_PREFIXES, FOREIGN_SUFFIX, NetworkBlocked

DOCUMENTATION_ADDRESS = "192.0.2.1"  # RFC 5737: never assigned to anyone


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
@pytest.mark.parametrize(
    "family,address",
    [
        (socket.AF_INET, (DOCUMENTATION_ADDRESS, 443)),
        (socket.AF_INET, ("example.invalid", 443)),
        (socket.AF_INET6, ("2001:db8::1", 443, 0, 0)),
        (socket.AF_INET6, (f"::ffff:{DOCUMENTATION_ADDRESS}", 443, 0, 0)),
    ],
)
def test_connecting_elsewhere_is_refused(method: str, family: int, address: tuple[object, ...]) -> None:
    """Neither an address nor a name outside this machine can be connected to, in either family."""
    with socket.socket(family) as sock, pytest.raises(NetworkBlocked, match="loopback only"):
        getattr(sock, method)(address)


def test_sending_a_datagram_elsewhere_is_refused() -> None:
    """A datagram needs no connection, and is refused too, with and without flags."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(NetworkBlocked):
            sock.sendto(b"hello", (DOCUMENTATION_ADDRESS, 53))
        with pytest.raises(NetworkBlocked):
            sock.sendto(b"hello", 0, (DOCUMENTATION_ADDRESS, 53))


@pytest.mark.parametrize("host", ["example.invalid", b"example.invalid", DOCUMENTATION_ADDRESS])
def test_looking_up_a_name_is_refused(host: str | bytes) -> None:
    """The name server is never asked, so a test cannot even tell whether there is a network."""
    with pytest.raises(NetworkBlocked, match=r"example\.invalid|192\.0\.2\.1"):
        socket.getaddrinfo(host, 443)


def test_the_refusal_is_not_taken_for_a_failed_connection() -> None:
    """The HTTP library lets it through, where it would turn an OSError into its own ConnectError."""
    with httpx.Client() as client, pytest.raises(NetworkBlocked):
        client.get(f"http://{DOCUMENTATION_ADDRESS}/")


async def test_an_asynchronous_connection_elsewhere_is_refused() -> None:
    """The event loop connects in its own way, and is stopped as well."""
    with pytest.raises(NetworkBlocked):
        await asyncio.open_connection(DOCUMENTATION_ADDRESS, 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_allowed(host: str) -> None:
    """A server on this machine can be reached by address and by name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection((host, server.getsockname()[1]), timeout=5) as caller,
    ):
        answerer, _ = server.accept()
        with answerer:
            answerer.sendall(b"here")
        assert caller.recv(4) == b"here"


async def test_asynchronous_loopback_is_allowed() -> None:
    """Also through the event loop, on the backend every asynchronous test runs on."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b"here"
        writer.close()
        await writer.wait_closed()


def test_no_key_of_the_developer_is_visible() -> None:
    """What a shell exports for a provider, or for a proxy, is gone before the first test."""
    left = [name for name in os.environ if name.upper().startswith(FOREIGN_PREFIXES) or name.endswith(FOREIGN_SUFFIX)]
    assert left == []


def test_the_reference_material_is_a_directory_or_the_test_is_skipped(shared_dir: Path) -> None:
    """A test that asks for `shared_dir` never sees a path that is not there."""
    assert shared_dir.is_dir()
