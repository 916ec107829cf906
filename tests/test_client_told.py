"""Stopped, differing, unknown: what a caller is told when a call does not end as it should."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AmountMismatch,
    AsyncClient,
    Client,
    Collection,
    ConfigurationError,
    Money,
    OneTimeCharge,
    Status,
)
from invoice_bridge.emulator import EmulatorTransport, FakeClock
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from invoice_bridge.providers.stripe import STRIPE
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

# ── stopped in the middle ────────────────────────────────────────────────────────────────────────────────────────────
NOTE = (
    "invoice_bridge: stopped after POST /v1/invoices was sent, so the outcome of the reference 'res-1' is unknown: "
    "make the bill again to continue from there, or call resolve()"
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
        "invoice_bridge: stopped after POST /v1/invoices/in_1/void was sent, so the outcome of in_1 is unknown: "
        "read the invoice"
    )


def test_a_call_stopped_before_anything_was_written_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a read, nor a wait after a request that never left, leaves anything unknown."""
    reads: list[Callable[[Client], Any]] = [
        lambda client: client.retrieve("in_1", whole=False),
        lambda client: list(client.list()),
        lambda client: client.pay("in_1"),  # it reads first
        lambda client: client.create(CHARGE.model_copy(update={"attempt": 2})),  # it looks first
    ]
    for call in reads:
        with pytest.raises(KeyboardInterrupt) as caught:
            call(client_of(fails(KeyboardInterrupt()), lookup="auto"))
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
        client = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http, lookup="never")
        task = asyncio.create_task(client.create(CHARGE))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert notes(caught.value) == [NOTE]
        arrived.clear()
        reading = asyncio.create_task(client.retrieve("in_1", whole=False))
        await arrived.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError) as quiet:
            await reading
        assert notes(quiet.value) == []


def test_a_stopped_call_leaves_its_intent_open(tmp_path: Path) -> None:
    """The journal does not know what became of it either: the next call looks first."""
    path = tmp_path / "bills.sqlite"
    with client_of(fails(KeyboardInterrupt()), journal=path, lookup="journal") as client:
        with pytest.raises(KeyboardInterrupt):
            client.create(CHARGE)
        assert [known.ended for known in Journal(path).tries(Book("stripe:"), "res-1")] == [None]
        assert client.explain(CHARGE).requests[0].method == "GET"


# ── what differs ─────────────────────────────────────────────────────────────────────────────────────────────────────
DEARER = OneTimeCharge(
    reference="res-1", customer="cus_42", amount=Money(1999, "EUR"), collection=Collection.charge("pm_1")
)


def _dearer(request: httpx.Request) -> httpx.Response:
    """A Stripe that bills a cent more when the invoice is issued."""
    path = request.url.path
    if path.endswith("/search"):
        return httpx.Response(200, json={"object": "search_result", "data": [], "has_more": False})
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
    with pytest.raises(ConfigurationError, match=f'on_discrepancy must be "raise" or "report", not {word!r}'):
        client.create(CHARGE, on_discrepancy=word)
    assert transport.sent == []


# ── what became of it ────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_became_of_a_bill_is_told_from_when_it_was_first_tried() -> None:
    """found, too_early or absent by `since`; only listings and reads are sent, and nothing is billed."""
    client, transport = emulated(STRIPE.emulator(clock=FakeClock(datetime.now(UTC))))
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
    client, transport = emulated(STRIPE.emulator(clock=FakeClock(datetime.now(UTC))), lookup="never")
    first = client.create(CHARGE)
    transport.emulator.kept.clear()
    second = client.create(CHARGE)
    told = client.resolve(CHARGE, since=datetime.now(UTC))
    assert told.state == "ambiguous"
    assert {invoice.id for invoice in told.invoices} == {first.id, second.id}


def test_a_since_that_is_no_instant_is_refused() -> None:
    """Whose midnight would a naive one be?"""
    client, transport = emulated()
    with pytest.raises(ConfigurationError, match="since: 2026-05-01T00:00:00 has no time zone"):
        client.resolve(CHARGE, since=datetime(2026, 5, 1))
    assert transport.sent == []


async def test_an_asynchronous_client_resolves_too() -> None:
    """The same answer, awaited."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)
    async with httpx.AsyncClient(transport=transport) as http:
        client = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http)
        told = await client.resolve(CHARGE, since=datetime.now(UTC) - timedelta(hours=1))
    assert (told.state, told.invoice) == ("absent", None)
