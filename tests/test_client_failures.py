"""What the network does to a call, and what a caller is told of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    OutcomeUnknown,
    RateLimited,
    Unreachable,
)
from invoice_bridge.client.options import full_jitter
from invoice_bridge.testing import no_retries
from tests.clients import (
    CHARGE,
    KEY,
    client_of,
    fails,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    row,
)


@pytest.mark.parametrize(
    "failure,kind",
    [
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ConnectTimeout("slow"), Unreachable),
        (httpx.PoolTimeout("full"), Unreachable),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.WriteTimeout("slow"), OutcomeUnknown),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.WriteError("reset"), OutcomeUnknown),
        (httpx.CloseError("reset"), OutcomeUnknown),
        (httpx.RemoteProtocolError("torn"), OutcomeUnknown),
        (httpx.DecodingError("torn"), OutcomeUnknown),
        (httpx.ProxyError("broken"), OutcomeUnknown),
    ],
)
def test_what_a_failure_of_the_network_means(failure: Exception, kind: type[BridgeError]) -> None:
    """What could not leave was not done; what left without an answer is unknown. Nothing else is guessed."""
    with pytest.raises(kind) as caught:
        client_of(fails(failure)).create(CHARGE)
    assert type(caught.value) is kind
    assert caught.value.outcome == ("nothing_done" if kind is Unreachable else "unknown")


def test_a_deadline_ends_the_tries() -> None:
    """A Retry-After beyond the deadline is not waited for: the caller learns at once what is known."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(429, headers={"Retry-After": "20"}, json={"error": {"message": "slow down"}})

    with pytest.raises(RateLimited) as caught:
        client_of(answer, deadline=5.0).create(CHARGE)
    assert len(requests) == 1
    assert caught.value.retry_after == 20
    assert caught.value.outcome == "nothing_done"


def test_a_deadline_bounds_each_request_and_the_whole_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request may take longer than what is left, and none is sent when nothing is."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    timeouts: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        now[0] += 5.0
        lines = [{"amount": 1999}] if request.url.path.endswith("/add_lines") else []
        return httpx.Response(200, json=row(1, status="draft", total=1999 * len(lines), lines={"data": lines}))

    with pytest.raises(Unreachable, match="the deadline of 10 s has passed") as caught:
        client_of(answer, deadline=10.0, timeout=8.0).create(CHARGE)
    assert timeouts == [8.0, 5.0]
    assert (caught.value.outcome, caught.value.invoice_id) == ("partly_done", "in_1")
    timeouts.clear()
    client_of(answer, timeout=8.0).retrieve("in_1", whole=False)
    assert timeouts == [8.0]


# ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_waits_are_drawn_from_none_to_a_doubling_cap() -> None:
    """Full jitter: of each try's waits all lie between none and 0.5, 1, 2, 4, 8, 8 seconds, and they spread over it."""
    wait = full_jitter
    for tries, cap in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0), 1):
        drawn = [wait(tries) for _ in range(400)]
        assert min(drawn) >= 0
        assert max(drawn) <= cap
        assert min(drawn) < cap * 0.1
        assert max(drawn) > cap * 0.9
        assert len(set(drawn)) > 300


def test_a_client_waits_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the tries of a request there are two waits, of the first and the second cap."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for _ in range(30):
        with pytest.raises(Unreachable):
            client_of(fails(httpx.ConnectError("no")), base_url="http://127.0.0.1:1").retrieve("in_1", whole=False)
    assert len(slept) == 60
    assert 0.25 < max(slept[::2]) <= 0.5 < max(slept[1::2]) <= 1.0


# ── answers that do not end ──────────────────────────────────────────────────────────────────────────────────────────
class Dripping(BaseHTTPRequestHandler):
    """Answers with a good head and a body of ten seconds, a byte every 50 milliseconds."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "200")
        self.end_headers()
        with suppress(OSError):
            for _ in range(200):
                self.wfile.write(b" ")
                threading.Event().wait(0.05)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def dripping() -> Iterator[str]:
    """The address of a server whose bodies drip in."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["deadline", "timeout"])
def test_a_body_that_drips_in_is_bounded(dripping: str, bound: str) -> None:
    """Each byte comes in time, the whole would take ten seconds: the deadline and the timeout end it all the same."""
    began = time.monotonic()
    bounds: dict[str, Any] = {bound: 0.4}
    with no_retries():
        made = Client("stripe", api_key=KEY, base_url=dripping, **bounds)
    with made as client, pytest.raises(Unreachable, match="the answer was incomplete after 0"):
        client.retrieve("in_1", whole=False)
    assert 0.35 < time.monotonic() - began < 3


@pytest.mark.slow
async def test_a_body_that_drips_into_an_asynchronous_client_is_bounded(dripping: str) -> None:
    """The same bound, awaited."""
    began = time.monotonic()
    async with AsyncClient("stripe", api_key=KEY, base_url=dripping, deadline=0.4) as client:
        with pytest.raises(Unreachable, match="the answer was incomplete after 0"):
            await client.retrieve("in_1", whole=False)
    assert 0.35 < time.monotonic() - began < 3
