"""What the network does to a call, and what a caller is told of it."""

import time

import httpx
import pytest

from invoice_bridge import (
    BridgeError,
    OutcomeUnknown,
    RateLimited,
    Unreachable,
)
from tests.clients import (
    CHARGE,
    client_of,
    fails,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    row,
)


# ── failures of the network ──────────────────────────────────────────────────────────────────────────────────────────
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
    client_of(answer, timeout=8.0).retrieve("in_1")
    assert timeouts == [8.0]
