"""A client's own connections: one for one exchange at a time, the last one first, and only clean ones again."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from invoice_bridge import AsyncClient, Client, OutcomeUnknown, Unreachable
from invoice_bridge.client import connections
from invoice_bridge.client.connections import AsyncConnections, Connections
from invoice_bridge.core.exact import dumps
from invoice_bridge.testing import no_waiting
from tests.clients import CHARGE, KEY, row
from tests.raw_servers import Listening, whole_request

_BODY = dumps(row(1))
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(_BODY)
GOOD = _HEAD + b"\r\n" + _BODY


class Server(Listening):
    """A server that counts connections, answers each request with bytes, and can be told to close."""

    def __init__(self, answer: Callable[[bytes, int], bytes]) -> None:
        super().__init__()
        self.answer, self.asked = answer, 0
        self.together = self.most = 0
        self.lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while head := whole_request(connection):
                with self.lock:
                    self.asked += 1
                    self.heads.append(head)
                    self.together += 1
                    self.most = max(self.most, self.together)
                answer = self.answer(head, self.asked)
                with self.lock:
                    self.together -= 1
                connection.sendall(answer)
                if b"close" in answer:
                    break
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def hang_up(self) -> None:
        """Close every connection, as a server does with those that are idle."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)


@contextmanager
def server(answer: Callable[[bytes, int], bytes] = lambda *_: GOOD) -> Iterator[Server]:
    """Serve while the block runs."""
    with Server(answer).running() as made:
        yield made


def slow(*_: Any) -> bytes:
    time.sleep(0.1)
    return GOOD


def client(at: Server, **said: Any) -> Client:
    with no_waiting():
        return Client("stripe", api_key=KEY, base_url=at.url, lookup="never", **said)


def aclient(at: Server, **said: Any) -> AsyncClient:
    with no_waiting():
        return AsyncClient("stripe", api_key=KEY, base_url=at.url, lookup="never", **said)


async def until_asked(at: Server) -> None:
    while not at.asked:  # noqa: ASYNC110 - a thread counts
        await asyncio.sleep(0.01)


def idle(made: Any) -> int:
    return len(made._http._idle)


# ── kept and used again ──────────────────────────────────────────────────────────────────────────────────────────────
def test_calls_one_after_another_use_one_connection() -> None:
    with server() as at, client(at) as billing:
        for _ in range(5):
            billing.retrieve("in_1", whole=False)
        assert (at.opened, at.asked, idle(billing)) == (1, 5, 1)


async def test_awaited_calls_one_after_another_use_one_connection() -> None:
    with server() as at:
        async with aclient(at) as billing:
            for _ in range(5):
                await billing.retrieve("in_1", whole=False)
            assert (at.opened, at.asked, idle(billing)) == (1, 5, 1)


def test_threads_have_a_connection_each_and_the_next_calls_use_them_again() -> None:
    with server(slow) as at, client(at) as billing, ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            assert {one.id for one in pool.map(lambda _: billing.retrieve("in_1", whole=False), range(8))} == {"in_1"}
        assert at.asked == 16
        assert at.opened == idle(billing) <= 8


async def test_tasks_have_a_connection_each_and_the_next_calls_use_them_again() -> None:
    with server(slow) as at:
        async with aclient(at) as billing:
            for _ in range(2):
                await asyncio.gather(*(billing.retrieve("in_1", whole=False) for _ in range(8)))
            assert (at.opened, at.asked, idle(billing)) == (8, 16, 8)


def test_the_one_used_last_comes_first() -> None:
    """So that of many connections those that are not needed grow old, and are closed."""
    with server(slow) as at, client(at) as billing, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: billing.retrieve("in_1", whole=False), range(3)))
        last = billing._http._idle[-1][0]
        billing.retrieve("in_1", whole=False)
        assert billing._http._idle[-1][0] is last


def test_connections_that_nobody_needs_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(slow) as at, client(at) as billing, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: billing.retrieve("in_1", whole=False), range(4)))
        assert idle(billing) > 1
        monkeypatch.setattr(connections, "IDLE", 0.05)
        for _ in range(5):
            billing.retrieve("in_1", whole=False)
        assert idle(billing) == 1


async def test_connections_that_no_task_needs_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(slow) as at:
        async with aclient(at) as billing:
            await asyncio.gather(*(billing.retrieve("in_1", whole=False) for _ in range(4)))
            assert idle(billing) == 4
            monkeypatch.setattr(connections, "IDLE", 0.05)
            for _ in range(5):
                await billing.retrieve("in_1", whole=False)
            assert idle(billing) == 1


# ── no more than so many ─────────────────────────────────────────────────────────────────────────────────────────────
def test_there_are_never_more_connections_than_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    with server(slow) as at, client(at) as billing, ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: billing.retrieve("in_1", whole=False), range(6)))
        assert (at.opened, at.most, at.asked) == (2, 2, 6)


async def test_tasks_wait_for_a_connection_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    with server(slow) as at:
        async with aclient(at) as billing:
            await asyncio.gather(*(billing.retrieve("in_1", whole=False) for _ in range(6)))
            assert (at.opened, at.most, at.asked) == (2, 2, 6)


def test_who_gets_no_connection_in_time_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 1)
    free = threading.Event()

    def held(*_: Any) -> bytes:
        free.wait(30)
        return GOOD

    with server(held) as at, client(at, timeout=30.0) as first, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(first.retrieve, "in_1", whole=False)
        while not at.asked:
            time.sleep(0.01)
        first._timeout = 0.2
        with pytest.raises(Unreachable, match="PoolTimeout") as caught:
            first.create(CHARGE)
        assert (caught.value.outcome, at.asked) == ("nothing_done", 1)
        free.set()
        assert busy.result().id == "in_1"
        assert first.retrieve("in_1", whole=False).id == "in_1"


async def test_a_task_that_gets_no_connection_in_time_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 1)
    free = threading.Event()

    def held(*_: Any) -> bytes:
        free.wait(30)
        return GOOD

    with server(held) as at:
        async with aclient(at, timeout=30.0) as first:
            busy = asyncio.create_task(first.retrieve("in_1", whole=False))
            await until_asked(at)
            first._timeout = 0.2
            with pytest.raises(Unreachable, match="PoolTimeout") as caught:
                await first.create(CHARGE)
            assert (caught.value.outcome, at.asked) == ("nothing_done", 1)
            free.set()
            assert (await busy).id == "in_1"


# ── only clean ones again ────────────────────────────────────────────────────────────────────────────────────────────
def test_a_connection_that_was_closed_while_idle_is_not_used_again() -> None:
    """The request goes out on a new one; nothing fails, and nothing is sent twice."""
    with server() as at, client(at) as billing:
        billing.retrieve("in_1", whole=False)
        at.hang_up()
        assert billing.retrieve("in_1", whole=False).id == "in_1"
        assert (at.opened, at.asked) == (2, 2)


async def test_a_connection_that_was_closed_while_idle_is_not_used_again_by_a_task() -> None:
    """With and without a turn of the event loop in between."""
    with server() as at:
        async with aclient(at) as billing:
            await billing.retrieve("in_1", whole=False)
            at.hang_up()
            assert (await billing.retrieve("in_1", whole=False)).id == "in_1"
            at.hang_up()
            await asyncio.sleep(0.05)
            assert (await billing.retrieve("in_1", whole=False)).id == "in_1"
            assert (at.opened, at.asked) == (3, 3)


def test_an_answer_that_says_close_is_the_last_of_its_connection() -> None:
    with server(lambda *_: _HEAD + b"Connection: close\r\n\r\n" + _BODY) as at, client(at) as billing:
        for _ in range(3):
            assert billing.retrieve("in_1", whole=False).id == "in_1"
        assert at.opened == 3


async def test_an_answer_that_says_close_is_the_last_of_its_connection_for_tasks() -> None:
    with server(lambda *_: _HEAD + b"Connection: close\r\n\r\n" + _BODY) as at:
        async with aclient(at) as billing:
            for _ in range(3):
                assert (await billing.retrieve("in_1", whole=False)).id == "in_1"
            assert at.opened == 3


async def test_a_cancelled_exchange_leaves_no_connection_behind() -> None:
    """Else the next call would read the answer of the one that was cancelled."""

    def answer(_: bytes, number: int) -> bytes:
        if number == 1:
            time.sleep(0.3)
            return GOOD.replace(b"in_1", b"in_9")
        return GOOD

    with server(answer) as at:
        async with aclient(at) as billing:
            task = asyncio.create_task(billing.retrieve("in_9", whole=False))
            await until_asked(at)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (idle(billing), len(billing._http._busy)) == (0, 0)
            assert (await billing.retrieve("in_1", whole=False)).id == "in_1"
            await asyncio.sleep(0.4)
            assert (await billing.retrieve("in_1", whole=False)).id == "in_1"
            assert at.opened == 2


@pytest.mark.parametrize("torn", [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{ close", b"no HTTP, close\r\n\r\n"])
def test_a_torn_answer_is_lost_and_its_connection_is_closed(torn: bytes) -> None:
    with server(lambda *_: torn) as at, client(at) as billing:
        with pytest.raises(OutcomeUnknown):
            billing.create(CHARGE)
        assert (idle(billing), len(billing._http._busy)) == (0, 0)
        assert at.opened == at.asked == 3


@pytest.mark.parametrize("torn", [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{ close", b"no HTTP, close\r\n\r\n"])
async def test_a_torn_answer_is_lost_to_a_task_and_its_connection_is_closed(torn: bytes) -> None:
    with server(lambda *_: torn) as at:
        async with aclient(at) as billing:
            with pytest.raises(OutcomeUnknown):
                await billing.create(CHARGE)
            assert (idle(billing), len(billing._http._busy)) == (0, 0)
            assert at.opened == at.asked == 3


def test_a_body_that_is_not_read_is_not_left_for_the_next_exchange() -> None:
    with server() as at:
        made = Connections(at.url, verify=True, trust_env=False)
        for _ in range(2):
            with made.stream("GET", at.url, headers={}, timeout=5) as answer:
                assert answer.status_code == 200
        made.close()
        assert at.opened == 2


# ── an answer before the request was read ────────────────────────────────────────────────────────────────────────────
def _refuses(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 20):
        pass
    connection.close()


async def test_an_answer_that_comes_before_the_request_was_read_is_read() -> None:
    """Servers refuse what is too long before they have it; of threads and of tasks."""
    content = b"x" * 400_000
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        for _ in range(2):
            threading.Thread(target=_refuses, args=(listening,), daemon=True).start()
        ours = AsyncConnections(url, verify=True, trust_env=False)
        async with ours.stream("POST", url, headers={}, content=content, timeout=5) as answer:
            assert (answer.status_code, await answer.aread()) == (413, b"{}")
        await ours.aclose()

        def call() -> tuple[int, bytes]:
            made = Connections(url, verify=True, trust_env=False)
            with made.stream("POST", url, headers={}, content=content, timeout=5) as answer:
                said = answer.status_code, answer.read()
            made.close()
            return said

        assert await asyncio.to_thread(call) == (413, b"{}")


# ── closed ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_closing_closes_idle_connections_and_those_in_use() -> None:
    with server(slow) as at, ThreadPoolExecutor(1) as pool:
        billing = client(at)
        billing.retrieve("in_1", whole=False)
        used = pool.submit(billing.retrieve, "in_1", whole=False)
        while at.asked < 2:
            time.sleep(0.005)
        billing.close()
        with suppress(Unreachable):
            used.result()
        assert (idle(billing), len(billing._http._busy)) == (0, 0)
        assert billing._http.is_closed
        with (
            pytest.raises(RuntimeError, match="has been closed"),
            billing._http.stream("GET", at.url, headers={}, timeout=1),
        ):
            pass


async def test_closing_closes_all_connections_of_tasks() -> None:
    with server(slow) as at:
        billing = aclient(at)
        await asyncio.gather(*(billing.retrieve("in_1", whole=False) for _ in range(3)))
        await billing.close()
        await asyncio.sleep(0.2)
        assert (idle(billing), at.together) == (0, 0)
        with pytest.raises(RuntimeError, match="has been closed"):
            async with billing._http.stream("GET", at.url, headers={}, timeout=1):
                pass


# ── what httpx does ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_bytes_are_those_that_a_client_of_httpx_sends() -> None:
    """The same request line, the same headers in the same order, the same body."""
    headers = {"X-Trace": "7", "Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ours/1"}
    with server() as at:
        made = Connections(at.url, verify=True, trust_env=False)
        for method, content in (("POST", b"a=1"), ("GET", None), ("DELETE", None), ("POST", None)):
            at.heads.clear()
            with made.stream(method, f"{at.url}/v1/a%2Fb?c=d", headers=headers, content=content, timeout=5) as answer:
                answer.read()
            with httpx.Client() as http:
                http.request(method, f"{at.url}/v1/a%2Fb?c=d", headers=headers, content=content)
            ours, theirs = at.heads[0], b"".join(at.heads[1:])
            assert sorted(ours.lower().split(b"\r\n")) == sorted(theirs.lower().split(b"\r\n"))
        made.close()


def test_a_line_is_logged_for_each_answer_as_httpx_does(caplog: pytest.LogCaptureFixture) -> None:
    with server() as at, client(at) as billing, caplog.at_level(logging.INFO, "httpx"):
        billing.retrieve("in_1", whole=False)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert line.startswith(f"HTTP Request: GET {at.url}/v1/invoices/in_1")
    assert line.endswith('"HTTP/1.1 200 OK"')


@pytest.mark.parametrize(
    "variables, url, proxy",
    [
        ({}, "https://api.example.test", None),
        ({"HTTPS_PROXY": "http://proxy.test:1"}, "https://api.example.test", "http://proxy.test:1"),
        ({"HTTPS_PROXY": "proxy.test:1"}, "https://api.example.test", "http://proxy.test:1"),
        ({"ALL_PROXY": "http://proxy.test:1"}, "https://api.example.test", "http://proxy.test:1"),
        ({"HTTP_PROXY": "http://proxy.test:1"}, "https://api.example.test", None),
        ({"HTTPS_PROXY": "http://proxy.test:1", "NO_PROXY": "example.test"}, "https://api.example.test", None),
        ({"HTTPS_PROXY": "http://proxy.test:1", "NO_PROXY": "*"}, "https://api.example.test", None),
        (
            {"HTTPS_PROXY": "http://proxy.test:1", "NO_PROXY": "le.test"},
            "https://api.example.test",
            "http://proxy.test:1",
        ),
    ],
)
def test_proxies_are_those_that_httpx_would_use(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Connections(url, verify=False, trust_env=True)._proxy == proxy
    assert Connections(url, verify=False, trust_env=False)._proxy is None
    with httpx.Client(verify=False) as http:  # noqa: S501 - nothing is sent
        pool: Any = http._transport_for_url(httpx.URL(url))._pool  # type: ignore[attr-defined]
        used = getattr(pool, "_proxy_url", None)
        assert (used is None) == (proxy is None)
