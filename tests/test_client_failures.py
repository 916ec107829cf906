"""What the network does to a call, and what a caller is told of it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AmountMismatch,
    AsyncClient,
    BridgeError,
    Client,
    Collection,
    ConfigurationError,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    RateLimited,
    Status,
    Unreachable,
)
from invoice_bridge import client as module
from invoice_bridge.emulator import EmulatorTransport, Ticking
from invoice_bridge.journal import Journal
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.wire import dumps
from tests.clients import (
    BASE,
    CHARGE,
    KEY,
    client_of,
    emulated,
    fails,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    page,
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
    client_of(answer, timeout=8.0).retrieve("in_1")
    assert timeouts == [8.0]


# ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_waits_are_drawn_from_none_to_a_doubling_cap() -> None:
    """Full jitter: of each try's waits all lie between none and 0.5, 1, 2, 4, 8, 8 seconds, and they spread over it."""
    wait = client_of(lambda _: page())._policy.backoff
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
            client_of(fails(httpx.ConnectError("no")), base_url="http://127.0.0.1:1").retrieve("in_1")
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
    with Client("stripe", api_key=KEY, base_url=dripping, **bounds) as client:
        client._policy = replace(client._policy, retries=0)
        with pytest.raises(Unreachable, match="the answer was not whole after 0"):
            client.retrieve("in_1")
    assert 0.35 < time.monotonic() - began < 3


@pytest.mark.slow
async def test_a_body_that_drips_into_an_asynchronous_client_is_bounded(dripping: str) -> None:
    """The same bound, awaited."""
    began = time.monotonic()
    async with AsyncClient("stripe", api_key=KEY, base_url=dripping, deadline=0.4) as client:
        with pytest.raises(Unreachable, match="the answer was not whole after 0"):
            await client.retrieve("in_1")
    assert 0.35 < time.monotonic() - began < 3


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer longer than the cap is no answer: of a write, the outcome is unknown; one of that length is read."""
    assert module._LARGEST_ANSWER == 64 * 1024 * 1024
    whole = dumps(row(1))
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        for _ in range(1_000_000):
            read.append(1)
            yield b"x" * 64

    client = client_of(lambda _: httpx.Response(200, content=endless()))
    monkeypatch.setattr(module, "_LARGEST_ANSWER", len(whole))
    with pytest.raises(OutcomeUnknown, match=f"the answer is longer than {len(whole)} bytes"):
        client.create(CHARGE)
    assert len(read) < 20
    assert client_of(lambda _: httpx.Response(200, content=whole)).retrieve("in_1").id == "in_1"


# ── stopped in the middle ────────────────────────────────────────────────────────────────────────────────────────────
NOTE = (
    "invoice_bridge: stopped after POST /v1/invoices had left, so the outcome of the reference 'res-1' is unknown: "
    "made again it goes on from there, and resolve() tells how it stands"
)


def notes(error: BaseException) -> list[str]:
    """What was noted on an exception."""
    return getattr(error, "__notes__", [])


def test_a_call_stopped_while_it_writes_says_what_is_unknown() -> None:
    """Ctrl-C while the answer to a write is awaited: the exception is the same, with a note that names the bill."""
    stop = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(fails(stop)).create(CHARGE)
    assert caught.value is stop
    assert notes(stop) == [NOTE]


def test_a_call_stopped_while_it_waits_says_what_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the wait after a lost write: the write may have taken effect."""

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(fails(httpx.ReadTimeout("slow"))).create(CHARGE)
    assert notes(caught.value) == [NOTE]


def test_a_verb_stopped_in_the_middle_names_its_invoice() -> None:
    """A verb has no reference: what is unknown is named by the invoice's id."""
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(fails(KeyboardInterrupt())).void("in_1")
    (note,) = notes(caught.value)
    assert note == (
        "invoice_bridge: stopped after POST /v1/invoices/in_1/void had left, so the outcome of in_1 is unknown: "
        "read the invoice"
    )


def test_a_call_stopped_before_anything_was_written_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a read, nor a wait after a request that never left, leaves anything unknown."""
    reads: list[Callable[[Client], Any]] = [
        lambda client: client.retrieve("in_1"),
        lambda client: list(client.list()),
        lambda client: client.pay("in_1"),  # it reads first
        lambda client: client.create(CHARGE.model_copy(update={"attempt": 2})),  # it looks first
    ]
    for call in reads:
        with pytest.raises(KeyboardInterrupt) as caught:
            call(client_of(fails(KeyboardInterrupt())))
        assert notes(caught.value) == []

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(fails(httpx.ConnectError("refused"))).create(CHARGE)
    assert notes(caught.value) == []


async def test_a_cancelled_call_says_what_is_unknown() -> None:
    """A task cancelled while its write is under way ends with a CancelledError that names the bill."""
    arrived = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        arrived.set()
        await asyncio.sleep(60)
        return page()

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http)
        task = asyncio.create_task(client.create(CHARGE))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert notes(caught.value) == [NOTE]
        arrived.clear()
        reading = asyncio.create_task(client.retrieve("in_1"))
        await arrived.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError) as quiet:
            await reading
        assert notes(quiet.value) == []


def test_a_stopped_call_leaves_its_intent_open(tmp_path: Path) -> None:
    """The journal does not know what became of it either: the next call looks first."""
    path = tmp_path / "bills.sqlite"
    with client_of(fails(KeyboardInterrupt()), journal=path) as client:
        with pytest.raises(KeyboardInterrupt):
            client.create(CHARGE)
        assert [known.ended for known in Journal(path).tries("stripe:", "res-1")] == [None]
        assert client.explain(CHARGE).requests[0].method == "GET"


# ── what differs ─────────────────────────────────────────────────────────────────────────────────────────────────────
DEARER = OneTimeCharge(
    reference="res-1", customer="cus_42", amount=Money(1999, "EUR"), collection=Collection.charge("pm_1")
)


def _dearer(request: httpx.Request) -> httpx.Response:
    """A Stripe that bills a cent more when the invoice is issued."""
    path = request.url.path
    lines = {"data": [{"amount": 1999}] if path.count("/") > 2 else []}
    if path.endswith("/finalize"):
        return httpx.Response(200, json=row(1, status="open", total=2000, amount_remaining=2000, lines=lines))
    assert not path.endswith("/pay"), "money moved"
    return httpx.Response(200, json=row(1, status="draft", total=1999 if lines["data"] else 0, lines=lines))


def test_a_difference_is_raised() -> None:
    """By default the call ends before money moves, and the error has the invoice."""
    with pytest.raises(
        AmountMismatch, match=r"asked for 19\.99 EUR, the invoice in_1 holds 20\.00 EUR and is open"
    ) as caught:
        client_of(_dearer).create(DEARER)
    assert caught.value.invoice is not None
    assert (caught.value.invoice.id, caught.value.outcome) == ("in_1", "partly_done")


async def test_a_difference_is_reported_where_that_is_asked_for() -> None:
    """With on_discrepancy="report" the invoice comes back as it stands, uncollected, and says what differs."""
    found = client_of(_dearer).create(DEARER, on_discrepancy="report")
    assert (found.id, found.status, found.total) == ("in_1", Status.OPEN, Money(2000, "EUR"))
    assert found.discrepancies == ("asked for 19.99 EUR, the invoice in_1 holds 20.00 EUR and is open",)
    async with httpx.AsyncClient(transport=httpx.MockTransport(_dearer)) as http:
        twin = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http)
        assert await twin.create(DEARER, on_discrepancy="report") == found


def test_without_a_difference_there_is_nothing_to_report() -> None:
    """The word changes nothing of a bill that agrees."""
    client, transport = emulated()
    found = client.create(CHARGE, on_discrepancy="report")
    assert (found.discrepancies, [entry.event for entry in transport.emulator.ledger]) == ((), ["issued"])


@pytest.mark.parametrize("word", ["ignore", "Report", "", None, True])
def test_another_word_for_a_difference_is_refused(word: Any) -> None:
    """A typing mistake is not taken for "raise", and nothing is sent."""
    client, transport = emulated()
    with pytest.raises(ConfigurationError, match=f'on_discrepancy is "raise" or "report", not {word!r}'):
        client.create(CHARGE, on_discrepancy=word)
    assert transport.sent == []


# ── what became of it ────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_became_of_a_bill_is_told_from_when_it_was_first_tried() -> None:
    """found, too_early or absent by `since`; only listings and reads are sent, and nothing is billed."""
    client, transport = emulated(STRIPE.emulator(clock=Ticking(datetime.now(UTC))))
    now = datetime.now(UTC)
    assert client.resolve(CHARGE, since=now - timedelta(minutes=1)).state == "too_early"
    assert client.resolve(CHARGE, since=now - timedelta(minutes=6)).state == "absent"
    assert transport.emulator.ledger == []
    made = client.create(CHARGE)
    began = len(transport.sent)
    told = client.resolve(CHARGE, since=now)
    assert (told.state, told.invoice, told.invoices) == ("found", made, (made,))
    sent = [f"{request.method} {httpx.URL(request.url).path}" for request in transport.sent[began:]]
    assert sent == ["GET /v1/invoices", f"GET /v1/invoices/{made.id}"]


def test_two_invoices_under_one_reference_are_ambiguous() -> None:
    """What an earlier program billed twice is shown, both of them."""
    client, transport = emulated(STRIPE.emulator(clock=Ticking(datetime.now(UTC))))
    first = client.create(CHARGE)
    transport.emulator.kept.clear()
    second = client.create(CHARGE)
    told = client.resolve(CHARGE, since=datetime.now(UTC))
    assert told.state == "ambiguous"
    assert {invoice.id for invoice in told.invoices} == {first.id, second.id}


def test_a_since_that_is_no_instant_is_refused() -> None:
    """Whose midnight would a naive one be?"""
    client, transport = emulated()
    with pytest.raises(ConfigurationError, match="resolve: since: 2026-05-01T00:00:00 has no time zone"):
        client.resolve(CHARGE, since=datetime(2026, 5, 1))
    assert transport.sent == []


async def test_an_asynchronous_client_resolves_too() -> None:
    """The same answer, awaited."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)
    async with httpx.AsyncClient(transport=transport) as http:
        client = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http)
        told = await client.resolve(CHARGE, since=datetime.now(UTC) - timedelta(hours=1))
    assert (told.state, told.invoice) == ("absent", None)
