"""What a caller learns when a call is stopped, and what is logged meanwhile."""

import asyncio
import logging
from typing import Any

import httpx
import pytest

from invoice_bridge import AsyncClient, ConfigurationError, OutcomeUnknown, Unreachable, interrupted
from tests.clients import (
    BASE,
    CHARGE,
    KEY,
    client_of,
    fails,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    row,
)


async def _hangs(request: httpx.Request) -> httpx.Response:
    if request.method == "POST":
        await asyncio.sleep(60)
    return httpx.Response(200, json={"object": "search_result", "data": [], "has_more": False})


def _client(answer: Any = _hangs) -> AsyncClient:
    return AsyncClient(
        "stripe", api_key=KEY, base_url=BASE, http=httpx.AsyncClient(transport=httpx.MockTransport(answer))
    )


async def _by_timeout() -> None:
    async with asyncio.timeout(0.05):
        await _client().create(CHARGE)


async def _by_wait_for() -> None:
    await asyncio.wait_for(_client().create(CHARGE), 0.05)


async def _by_cancelling() -> None:
    task = asyncio.create_task(_client().create(CHARGE))
    await asyncio.sleep(0.05)
    task.cancel()
    await task


async def _by_group() -> None:
    async def fail() -> None:
        await asyncio.sleep(0.05)
        raise ValueError("a sibling")

    task: Any = None
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_client().create(CHARGE))
            group.create_task(fail())
    except* ValueError:
        pass
    task.result()


@pytest.mark.parametrize("stopping", [_by_timeout, _by_wait_for, _by_cancelling, _by_group])
def test_defect_53_what_is_known_is_found_from_what_the_caller_catches(
    stopping: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 53: outcome, reference and steps are found in the exception that the caller has, and it is logged."""
    with pytest.raises((TimeoutError, asyncio.CancelledError)) as caught:
        asyncio.run(stopping())
    known = interrupted(caught.value)
    assert known is not None
    assert (known.outcome, known.reference) == ("unknown", CHARGE.reference)
    assert (known.steps[-1].writes, known.steps[-1].state) == (True, "unknown")
    assert "the outcome of the reference 'res-1' is unknown" in str(known)
    assert [record.levelname for record in caplog.records if record.name == "invoice_bridge.stopped"] == ["WARNING"]


def test_nothing_is_claimed_of_other_exceptions() -> None:
    """An exception that stopped no call of ours has nothing to tell; a group is searched, and a cycle ends."""
    other = ValueError("x")
    other.__context__ = RuntimeError("y")
    other.__context__.__context__ = other
    assert interrupted(BaseExceptionGroup("all", [other, KeyboardInterrupt()])) is None


def test_ctrl_c_is_found_in_a_group() -> None:
    """Defect 53: KeyboardInterrupt has it too, on its own and in a group."""
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(fails(KeyboardInterrupt())).create(CHARGE)
    known = interrupted(BaseExceptionGroup("all", [ValueError("x"), caught.value]))
    assert known is not None
    assert known.reference == CHARGE.reference


def test_defect_49_a_second_event_loop_is_refused() -> None:
    """Defect 49: before anything is sent, with what to do; the first loop's calls were served."""
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        return httpx.Response(200, json=row(1))

    client = _client(answer)
    assert asyncio.run(client.retrieve("in_1", whole=False)).id == "in_1"
    with pytest.raises(ConfigurationError, match="another event loop: make one client in each loop") as caught:
        asyncio.run(client.create(CHARGE))
    assert (caught.value.outcome, sent) == ("nothing_done", ["GET"])


def test_a_closed_client_is_refused() -> None:
    """Defect 49: a call after close() says so, before anything is sent."""
    from invoice_bridge import Client

    client = Client("stripe", api_key=KEY, base_url=BASE)
    client.close()
    with pytest.raises(ConfigurationError, match="is closed: make a new one") as caught:
        client.create(CHARGE)
    assert caught.value.outcome == "nothing_done"


@pytest.mark.parametrize("failure", [RuntimeError("Event loop is closed"), OSError("torn")])
def test_no_bare_error_surfaces_after_a_write(failure: Exception) -> None:
    """Defect 49: what the machinery below raises says nothing of the request, so its outcome is unknown."""
    with pytest.raises(OutcomeUnknown) as caught:
        client_of(fails(failure)).create(CHARGE)
    assert caught.value.outcome == "unknown"


def test_defect_90_a_refused_connection_leaves_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Defect 90: each try that did not leave, each wait and the call's end are logged at INFO, without the key."""
    caplog.set_level(logging.INFO, "invoice_bridge")
    with pytest.raises(Unreachable):
        client_of(fails(httpx.ConnectError(f"refused {KEY}"))).create(CHARGE)
    said = [(record.name, record.getMessage()) for record in caplog.records if record.name.startswith("invoice_bridge")]
    names = [name for name, _ in said]
    assert names.count("invoice_bridge.requests") == 3
    assert names.count("invoice_bridge.waits") == 2
    assert ("invoice_bridge.refusals", "stripe: one_time_charge ended: Unreachable, outcome nothing_done") in said
    assert ("invoice_bridge.requests", "stripe: POST /v1/invoices: not sent (ConnectError)") in said
    assert KEY not in caplog.text


def test_retries_after_an_answer_and_lookups_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Defect 90: the status, the wait that follows it and the lookup are told; no word of the answer is."""
    caplog.set_level(logging.INFO, "invoice_bridge")

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": "3"}, json={"error": {"message": f"Jane Doe {KEY}"}})

    with pytest.raises(Exception, match="Jane"):
        client_of(answer, lookup="always").create(CHARGE)
    said = [record.getMessage() for record in caplog.records]
    assert "stripe: waiting 3.0 s after HTTP 429" in said
    assert any(record.name == "invoice_bridge.lookups" for record in caplog.records)
    assert "Jane" not in caplog.text
    assert KEY not in caplog.text
