"""Defect 71: whatever drips, a call ends by its timeout and by its deadline; and what a caller is told then."""

import asyncio
import gzip
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from vcr.config import VCR
from vcr.record_mode import RecordMode

from invoice_bridge import AsyncClient, Client, OutcomeUnknown, Unreachable
from invoice_bridge.client.exchange import Bound, bounded, bounded_async
from invoice_bridge.client.network import bound_network
from invoice_bridge.client.network_async import bound_network_async
from invoice_bridge.core.exact import dumps
from invoice_bridge.engine.supervise import Lost
from invoice_bridge.testing import no_retries
from tests.clients import CHARGE, KEY, row
from tests.drips import CALLS, KINDS, LONG, PROXY, TLS, Answer, Call, by_client, drip, serving, silent

LIMIT = 0.6
LATE = 0.5
"""Seconds by which an exchange may end later than it must."""


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["timeout", "deadline"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_defect_71_no_drip_outlives_its_bound(call: Call, bound: str) -> None:
    """Every kind at once, each with a server and a client of its own."""
    assert len(KINDS) >= 14
    with ExitStack() as servers, ThreadPoolExecutor(len(KINDS) + 1) as pool:
        where = {kind: "http://" + servers.enter_context(serving(answer)) for kind, answer in KINDS.items()}
        where["TLS"] = "https://" + servers.enter_context(serving(TLS))
        calls = {
            kind: pool.submit(call, {"base_url": url, bound: LIMIT, "lookup": "never"}) for kind, url in where.items()
        }
        ended = {kind: one.result() for kind, one in calls.items()}
    assert {kind: seconds for kind, (seconds, _) in ended.items() if seconds > LIMIT + LATE} == {}
    assert {kind: type(error) for kind, (_, error) in ended.items()} == dict.fromkeys(where, Unreachable)
    early = {"gzip members that are empty"}  # a second member is refused, however it comes
    assert {kind for kind, (seconds, _) in ended.items() if seconds < LIMIT * 0.9} <= early


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "answer",
    [
        drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 500, pause=0),
        drip(b"", b"HTTP/1.1 100 \r\n\r\n" * 4000, pause=0),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 5000, pause=0),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"a" * 9000 + b"\r\n \r\n", pause=0),
        drip(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08" + bytes(6) + b"\3", b"\0\0\0\xff\xff"),
    ],
    ids=["1xx", "short 1xx", "chunks", "extensions", "gzip blocks"],
)
def test_defect_71_no_flood_outlives_its_bound(call: Call, answer: Answer) -> None:
    """What comes as fast as it is read ends in time too."""
    with serving(answer) as where:
        seconds, error = call({"base_url": f"http://{where}", "deadline": LIMIT})
    assert type(error) is Unreachable
    assert seconds < LIMIT + LATE


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_defect_71_a_proxy_that_drips_is_bounded(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to CONNECT is part of the exchange; the environment's proxies are used as ever."""
    with serving(PROXY) as where:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{where}")
        seconds, error = call({"base_url": "https://stripe.example.test", "timeout": LIMIT})
    assert type(error) is Unreachable
    assert LIMIT * 0.9 < seconds < LIMIT + LATE


# ── requests that nobody reads ───────────────────────────────────────────────────────────────────────────────────────
def _sips(connection: socket.socket) -> None:
    over = time.monotonic() + LONG
    while time.monotonic() < over and connection.recv(1):
        threading.Event().wait(0.02)


def _never(_: socket.socket) -> None:
    threading.Event().wait(3)


@pytest.mark.slow
@pytest.mark.parametrize("answer", [_never, _sips])
def test_defect_71_a_request_that_nobody_reads_is_bounded(answer: Answer) -> None:
    """A write is a wait for the network too: 16 MB fit into no socket's buffer."""
    content = b"x" * 16_000_000
    with serving(answer, reads=False) as where, Client("stripe", api_key=KEY, base_url=f"http://{where}") as client:
        began = time.monotonic()
        with (
            pytest.raises((httpx.WriteTimeout, Lost)),
            bounded(Bound(began, began + LIMIT)),
            client._http.stream("POST", f"http://{where}", headers={}, content=content, timeout=LIMIT),
        ):
            pass
        assert time.monotonic() - began < LIMIT + LATE


@pytest.mark.slow
@pytest.mark.parametrize("answer", [_never, _sips])
async def test_defect_71_a_request_that_nobody_reads_is_bounded_in_tasks(answer: Answer) -> None:
    """The same, awaited."""
    content = b"x" * 16_000_000
    with serving(answer, reads=False) as where:
        async with AsyncClient("stripe", api_key=KEY, base_url=f"http://{where}") as client:
            began = time.monotonic()
            with pytest.raises((httpx.WriteTimeout, Lost)):
                async with (
                    bounded_async(Bound(began, began + LIMIT)),
                    client._http.stream("POST", f"http://{where}", headers={}, content=content, timeout=LIMIT),
                ):
                    pass
            assert time.monotonic() - began < LIMIT + LATE


# ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def deaf() -> Iterator[int]:
    """A port of two addresses whose queues are full: what connects to it waits."""
    with ExitStack() as opened:
        first = opened.enter_context(socket.socket())
        first.bind(("127.0.0.1", 0))
        port: int = first.getsockname()[1]
        second = opened.enter_context(socket.socket())
        second.bind(("127.0.0.2", port))
        for listening in (first, second):
            listening.listen(0)
            for _ in range(4):
                waiting = opened.enter_context(socket.socket())
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect(listening.getsockname())
        yield port


@pytest.mark.slow
def test_defect_71_a_host_of_many_addresses_is_bounded(deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout for each address of a host would be as many timeouts; and what never connected was never sent."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, deaf)) for host in ("127.0.0.1", "127.0.0.2")]
    command = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: found if host == "localhost" else command(host, *rest, **more),
    )
    seconds, error = by_client({"base_url": f"http://localhost:{deaf}", "timeout": LIMIT})
    assert LIMIT * 0.9 < seconds < LIMIT + LATE
    assert type(error) is Unreachable
    url = f"http://localhost:{deaf}"
    with no_retries():
        made = Client("stripe", api_key=KEY, base_url=url, timeout=LIMIT, lookup="never")
    with made as client, pytest.raises(Unreachable) as caught:
        client.create(CHARGE)
    assert caught.value.outcome == "nothing_done"


def test_the_next_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As httpx does: one address that refuses is not the whole host. A name without an address was not sent to."""
    with serving(_good) as where:
        port = int(where.rpartition(":")[2])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.9", "127.0.0.1")]
        command = socket.getaddrinfo

        def resolve(host: str, *rest: Any, **more: Any) -> Any:
            if host == "localhost":
                return found
            return command(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        url = f"http://localhost:{port}"
        assert by_client({"base_url": url})[1] is None
        found.clear()
        assert type(by_client({"base_url": url})[1]) is Unreachable

        def unknown(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        _, error = by_client({"base_url": url})
    assert type(error) is Unreachable
    assert "Name or service not known" in str(error)


def _good(connection: socket.socket) -> None:
    body = gzip.compress(dumps(row(1)))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    connection.sendall(head + body)
    while connection.recv(65536):
        connection.sendall(head + body)


def _good_once(connection: socket.socket) -> None:
    """A good answer, and a drip for the second request on the same connection."""
    body = dumps(row(1))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    connection.recv(65536)
    drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"a")(connection)


@pytest.mark.slow
def test_a_kept_connection_has_the_bound_of_each_exchange() -> None:
    """A connection outlives the exchange that opened it: neither is the next one cut short, nor is it unbounded."""
    with (
        serving(_good_once) as where,
        no_retries(),
        Client("stripe", api_key=KEY, base_url=f"http://{where}", timeout=0.4) as client,
    ):
        assert client.retrieve("in_1", whole=False).id == "in_1"
        time.sleep(0.5)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="the answer was incomplete after 0"):
            client.retrieve("in_1", whole=False)
        assert 0.36 < time.monotonic() - began < 0.4 + LATE


def test_an_httpx_that_hides_its_network_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """A later version may do so: the client works, and says what is not bounded."""
    hidden = httpx.MockTransport(lambda _: httpx.Response(200))
    for bind in (bound_network, bound_network_async):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert bind(hidden, ssl.create_default_context()) is hidden
        assert "this version of httpx hides its network" in caplog.text


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
def test_this_httpx_shows_its_network(proxy: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Of the lowest and of the latest version that is supported, proxies included; nothing else would notice."""
    with caplog.at_level(logging.WARNING):
        tls = ssl.create_default_context()
        for transport in (
            bound_network(httpx.HTTPTransport(proxy=proxy), tls),
            bound_network_async(httpx.AsyncHTTPTransport(proxy=proxy), tls),
        ):
            pool: Any = transport._pool
            ours = pool if proxy is None else pool._network_backend
            assert type(ours).__module__.startswith("invoice_bridge.client.network")
    assert caplog.text == ""


def test_outside_an_exchange_nothing_is_bounded() -> None:
    """The client's own connections can be used by themselves, with httpx's timeouts."""

    def get(client: Client, where: str, timeout: float) -> Any:
        with client._http.stream("GET", f"http://{where}", headers={}, timeout=timeout) as answer:
            answer.read()
            return answer.json()

    with serving(_good) as where, Client("stripe", api_key=KEY, base_url=f"http://{where}") as client:
        assert get(client, where, 5)["id"] == "in_1"
    with (
        serving(silent) as where,
        Client("stripe", api_key=KEY, base_url=f"http://{where}") as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        get(client, where, 0.1)


# ── what a caller is told ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_a_write_whose_answer_drips_is_unknown() -> None:
    """It left, and may have taken effect."""
    with (
        serving(KINDS["header value"]) as where,
        Client("stripe", api_key=KEY, base_url=f"http://{where}", deadline=LIMIT, lookup="never") as client,
        pytest.raises(OutcomeUnknown, match="the answer was incomplete after 0"),
    ):
        client.create(CHARGE)


@pytest.mark.slow
async def test_a_write_whose_answer_drips_is_unknown_to_a_task() -> None:
    """The same, awaited; and the task is not cancelled."""
    with serving(KINDS["header value"]) as where:
        client = AsyncClient("stripe", api_key=KEY, base_url=f"http://{where}", deadline=LIMIT, lookup="never")
        async with client:
            with pytest.raises(OutcomeUnknown, match="the answer was incomplete after 0"):
                await client.create(CHARGE)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.slow
async def test_an_injected_asynchronous_client_is_bounded_too() -> None:
    """Whatever its timeouts and transports are."""
    with serving(KINDS["trailer"]) as where:
        async with httpx.AsyncClient(timeout=None) as http:  # noqa: S113 - ours is to end it
            client = AsyncClient("stripe", api_key=KEY, base_url=f"http://{where}", deadline=LIMIT, http=http)
            began = time.monotonic()
            with pytest.raises(Unreachable):
                await client.retrieve("in_1", whole=False)
    assert LIMIT * 0.9 < time.monotonic() - began < LIMIT + LATE


@pytest.mark.slow
async def test_a_cancellation_from_outside_stays_one() -> None:
    """A caller's own timeout, and a cancelled task, end a call that drips as they end any other."""
    with serving(KINDS["headers"]) as where:
        async with AsyncClient("stripe", api_key=KEY, base_url=f"http://{where}", timeout=5) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.retrieve("in_1", whole=False)
            task = asyncio.create_task(client.retrieve("in_1", whole=False))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


# ── recordings ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_vcrpy_records_and_replays_a_client_of_ours(call: Call, tmp_path: Path) -> None:
    """Transports stay httpx's own; an answer in gzip is recorded as it came, and read when it is played."""
    tape: Any = VCR(record_mode=RecordMode.ONCE)  # type: ignore[no-untyped-call] # vcrpy has no types of its own
    file = os.fspath(tmp_path / "tape.yaml")
    with serving(_good) as where:
        url = f"http://{where}"
        with tape.use_cassette(file):
            assert call({"base_url": url})[1] is None
    with tape.use_cassette(file) as played:
        assert call({"base_url": url})[1] is None
        assert played.play_count == 1
