"""A large answer is read without the collector of cycles, which is on again before anything waits."""

import gc
from collections.abc import Iterator

import pytest

from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.engine.collecting import reading
from invoice_bridge.engine.supervise import Policy, supervise
from tests.toy import toy_context

LARGE, SMALL = (Response(200, b'{"of": "%s"}' % (b"x" * size), provider="museum") for size in (100_000, 100))


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.enable()
    yield
    if not was_on:
        gc.disable()


def test_a_large_answer_is_read_without_it() -> None:
    with reading(LARGE):
        assert not gc.isenabled()
    assert gc.isenabled()
    with reading(SMALL), reading(None):
        assert gc.isenabled()


def test_it_is_on_again_after_an_error() -> None:
    with pytest.raises(MalformedResponse), reading(LARGE):
        raise MalformedResponse("torn", provider="museum")
    assert gc.isenabled()


def test_who_has_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    with reading(LARGE):
        pass
    assert not gc.isenabled()


def test_a_flow_is_given_a_large_answer_without_it_and_waits_with_it() -> None:
    """Also where it asks for more: what is awaited next is awaited with the collector on."""
    seen: list[bool] = []

    def flow() -> Flow[int]:
        for _ in range(2):
            answer = yield Request("GET", "https://museum.test/invoices")
            seen.append(gc.isenabled())
            assert answer.parsed
        return 1

    steps = supervise(flow(), toy_context(), Policy())
    next(steps)
    steps.send(LARGE)
    assert gc.isenabled()
    with pytest.raises(StopIteration):
        steps.send(SMALL)
    assert seen == [False, True]
