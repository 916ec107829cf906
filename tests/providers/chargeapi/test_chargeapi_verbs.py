"""The verbs on an invoice and the listing, through a client against the emulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    Client,
    ConfigurationError,
    Discrepancy,
    InvalidState,
    Invoice,
    MalformedResponse,
    Money,
    NotFound,
    Period,
    Status,
    Unauthorized,
    Unsupported,
)
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.adapter.pages import Unreadable
from invoice_bridge.core.commands import Finalize, ListInvoices
from invoice_bridge.core.exact import dumps
from tests.providers.chargeapi.bench import ROOT, Bench, may_invoice, stated

EUR_25 = Money(2500, "EUR")
ID = "inv_00000001"


def drafted(**switches: bool) -> Bench:
    """A bench on which one draft stands."""
    bench = Bench(**switches)
    bench.client.create(may_invoice(draft=True))
    bench.transport.sent.clear()
    return bench


def opened(**switches: bool) -> Bench:
    """A bench on which one open invoice stands."""
    bench = drafted(**switches)
    bench.client.finalize(ID)
    bench.transport.sent.clear()
    return bench


def test_retrieve() -> None:
    """An invoice is read by its id; one that is not there is NotFound."""
    bench = drafted()
    assert bench.client.retrieve(ID).total == EUR_25
    with pytest.raises(NotFound) as caught:
        bench.client.retrieve("../inv_1")
    assert (caught.value.code, caught.value.request_id) == ("invoice_not_found", "req_00000001")
    assert bench.sent == [f"GET /invoices/{ID}", "GET /invoices/..%2Finv_1"]


def test_a_wrong_key() -> None:
    """A key that ChargeAPI refuses is Unauthorized, and does not stand in the message."""
    bench = Bench()
    client = Client("chargeapi", api_key="ch_sk_test_wrong", http=httpx.Client(transport=bench.transport))
    with pytest.raises(Unauthorized) as caught:
        client.retrieve("inv_1")
    assert "ch_sk_test_wrong" not in str(caught.value)


def test_the_mode_of_a_key() -> None:
    """mode="live" refuses a test key before anything is sent."""
    with pytest.raises(ConfigurationError, match="for test"):
        Client("chargeapi", api_key="ch_sk_test_not_a_key", mode="live")


@pytest.mark.parametrize("conflict", [False, True])
def test_a_draft_cannot_be_voided(conflict: bool) -> None:
    """The documented refusal of a draft's void is InvalidState with the draft, at either HTTP status."""
    bench = drafted(state_errors_409=conflict)
    with pytest.raises(InvalidState) as caught:
        bench.client.void(ID)
    assert (caught.value.code, caught.value.status) == ("invoice_void_invalid_state", 409 if conflict else 400)
    assert caught.value.invoice is not None
    assert caught.value.invoice.status is Status.DRAFT
    assert bench.events == []


def test_finalize_and_void() -> None:
    """A draft becomes open, an open invoice void: nothing remains to be paid of it, and its total is no longer said."""
    bench = drafted()
    assert bench.client.finalize(ID).status is Status.OPEN
    found = bench.client.void(ID)
    assert (found.status, found.amount_remaining, found.total) == (Status.VOID, Money(0, "EUR"), None)
    assert bench.events == [("issued", 2500), ("voided", 2500)]


@pytest.mark.parametrize("conflict", [False, True])
def test_what_is_final_stays(conflict: bool) -> None:
    """A paid invoice is neither voided nor updated nor finalized again."""
    bench = opened(state_errors_409=conflict)
    bench.client.pay(ID)
    tries: list[Callable[[], Invoice]] = [
        lambda: bench.client.void(ID),
        lambda: bench.client.update(ID, description="x"),
        lambda: bench.client._do(Finalize, id=ID, attempt=2),
    ]
    for refused in tries:
        with pytest.raises(InvalidState) as caught:
            refused()
        assert caught.value.invoice is not None
        assert caught.value.invoice.status is Status.PAID
    assert bench.events == [("issued", 2500), ("collected", 2500)]


@pytest.mark.parametrize("allowed", [True, False])
def test_voiding_an_uncollectible_invoice(allowed: bool) -> None:
    """One sentence of the documentation allows it, another does not say so: both answers are understood."""
    bench = opened(void_uncollectible=allowed)
    bench.emulator.invoices[ID]["status"] = "uncollectible"
    if allowed:
        assert bench.client.void(ID).status is Status.VOID
    else:
        with pytest.raises(InvalidState):
            bench.client.void(ID)


@pytest.mark.parametrize("takes", [False, True])
def test_pay_refuses_drafts(takes: bool) -> None:
    """A draft is never paid, whether or not ChargeAPI would: it is read first, and no pay leaves."""
    bench = drafted(pays_drafts=takes)
    with pytest.raises(InvalidState):
        bench.client.pay(ID)
    assert bench.sent == [f"GET /invoices/{ID}"]
    raw = bench.ask("POST", f"/invoices/{ID}/pay", {})
    assert raw.status == (200 if takes else 400)


def test_pay_compares_what_is_expected() -> None:
    """pay(expect=…) stops where another amount remains, and collects where it is right."""
    bench = opened()
    with pytest.raises(Discrepancy):
        bench.client.pay(ID, expect=Money(2400, "EUR"))
    found = bench.client.pay(ID, expect=EUR_25, payment_method="pm_42")
    assert (found.status, found.amount_paid, found.total) == (Status.PAID, EUR_25, EUR_25)
    assert (found.payment_method, found.paid_at) == ("pm_42", datetime(2026, 11, 2, 9, tzinfo=UTC))


def test_pay_without_a_payment_method() -> None:
    """Where the fleet has no default method, pay is refused and the invoice stays open."""
    bench = opened()
    bench.emulator.fleets["flt_42"] = None
    with pytest.raises(InvalidState) as caught:
        bench.client.pay(ID)
    assert caught.value.invoice is not None
    assert (caught.value.code, caught.value.invoice.status) == ("invoice_payment_invalid_state", Status.OPEN)


def test_pay_with_an_unknown_method() -> None:
    """A payment method that is not there is NotFound."""
    with pytest.raises(NotFound):
        opened().client.pay(ID, payment_method="card_1")


@pytest.mark.parametrize("merges", [True, False])
def test_update_keeps_the_reference(merges: bool) -> None:
    """New metadata never costs an invoice its reference, whether ChargeAPI merges or replaces."""
    bench = drafted(metadata_merges=merges)
    due = datetime(2026, 12, 24, tzinfo=UTC)
    found = bench.client.update(ID, description="Mai", due_at=due, metadata={"k": "v"})
    assert (found.description, found.due_at, found.metadata) == ("Mai", due, {"k": "v"})
    assert found.reference == "flt_42/2026-05"
    assert bench.sent == [f"GET /invoices/{ID}", f"POST /invoices/{ID}", f"GET /invoices/{ID}"]


@pytest.mark.parametrize("allowed", [True, False])
def test_update_of_an_open_invoice(allowed: bool) -> None:
    """The newer page allows it, the older one refuses it: a refusal says that the invoice is open."""
    bench = opened(update_open=allowed)
    if allowed:
        assert bench.client.update(ID, description="x").description == "x"
    else:
        with pytest.raises(InvalidState) as caught:
            bench.client.update(ID, description="x")
        assert caught.value.code == "invoice_update_invalid_state"


def test_update_with_our_own_metadata_key() -> None:
    """The key that carries the reference cannot be overwritten."""
    bench = drafted()
    with pytest.raises(Unsupported):
        bench.client.update(ID, metadata={"invoice_bridge_reference": "x"})
    assert bench.sent == []


def test_a_change_that_is_answered_and_not_made() -> None:
    """The same change twice within a day is answered from memory: it is noticed that the invoice says otherwise."""
    bench = drafted()
    bench.client.update(ID, description="a")
    bench.client.update(ID, description="b")
    with pytest.raises(Discrepancy, match="should have a, but has b"):
        bench.client.update(ID, description="a")


# ── listing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def listed(count: int, **switches: bool) -> Bench:
    """A bench on which so many drafts stand, of one day each."""
    bench = Bench(**switches)
    start = datetime(2026, 5, 1, tzinfo=UTC)
    for day in range(count):
        at = start + timedelta(days=day)
        bench.client.create(may_invoice(reference=f"day-{day}", period=Period(at, at + timedelta(days=1)), draft=True))
    bench.transport.sent.clear()
    return bench


def test_three_pages() -> None:
    """A listing follows next_page_url verbatim to its end: every invoice once, newest first."""
    bench = listed(7)
    found = list(bench.client.list(customer="flt_42", limit=3))
    assert [one.reference for one in found] == [f"day-{day}" for day in (6, 5, 4, 3, 2, 1, 0)]
    first, second, third = bench.transport.sent
    assert first.url == f"{ROOT}/invoices?fleet=flt_42&limit=3"
    for later in (second, third):
        assert later.url.startswith(f"{ROOT}/invoices?page=page_")
        assert later.url.endswith("&fleet=flt_42&limit=3")
        assert later.headers["charge-version"] == "2026-03-01"
    assert second.url != third.url


def test_a_listing_can_be_resumed() -> None:
    """The next page is a command whose cursor is the whole URL."""
    bench = listed(4)
    page = bench.client.page(ListInvoices(limit=3))
    assert page.next is not None
    assert (page.next.cursor or "").startswith(f"{ROOT}/invoices?page=page_")
    last = bench.client.page(page.next)
    assert ([getattr(one, "reference", None) for one in last.items], last.next) == (["day-0"], None)


def test_an_overdue_invoice_is_open() -> None:
    """Open finds what ChargeAPI calls overdue: the filter is not sent, and is applied to what comes back."""
    bench = opened()
    bench.client.create(may_invoice(reference="other", draft=True))
    clock = bench.emulator.clock
    assert isinstance(clock, FakeClock)
    clock.now += timedelta(days=8)
    bench.transport.sent.clear()
    (found,) = bench.client.list(status=Status.OPEN)
    assert (found.id, found.status, found.native_status) == (ID, Status.OPEN, "overdue")
    assert found.is_past_due(clock.now)
    assert bench.sent == ["GET /invoices?limit=100"]
    assert list(bench.client.list(status=Status.DRAFT, created_from=clock.now)) == []


HOSTS = [
    "https://evil.example/v1/invoices?page=p",
    "https://api.chargeapi.co.evil.example/v1/invoices?page=p",
    "https://api.chargeapi.co@evil.example/v1/invoices?page=p",
    "https://someone@api.chargeapi.co/v1/invoices?page=p",
    "http://api.chargeapi.co/v1/invoices?page=p",
    "https://api.chargeapi.co:8443/v1/invoices?page=p",
    "//evil.example/v1/invoices?page=p",
    "/v1/invoices?page=p",
]


@pytest.mark.parametrize("url", HOSTS)
def test_a_next_page_elsewhere_is_not_followed(url: str) -> None:
    """A next_page_url off the configured origin is refused, and the key goes nowhere."""
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, content=dumps({"data": [stated()], "next_page_url": url}))

    client = Client(
        "chargeapi", api_key="ch_sk_test_not_a_key", http=httpx.Client(transport=httpx.MockTransport(respond))
    )
    listing = client.list()
    assert next(listing).id == "inv_1"
    with pytest.raises(MalformedResponse):
        next(listing)
    assert [str(one.url) for one in sent] == [f"{ROOT}/invoices?limit=100"]


def answering(body: Any) -> Client:
    """A client that is always answered so."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=dumps(body)))
    return Client("chargeapi", api_key="ch_sk_test_not_a_key", http=httpx.Client(transport=transport))


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [], "has_more": True},
        {"data": None, "next_page_url": None},
        {"next_page_url": None},
    ],
)
def test_a_listing_of_another_shape(body: Any) -> None:
    """A page that does not say whether there is another is never taken for the last one."""
    with pytest.raises(MalformedResponse):
        list(answering(body).list())


def test_an_invoice_that_cannot_be_read() -> None:
    """One bad item raises, or with unreadable="yield" comes as it is among the others."""
    body = {"data": [stated(), stated(id=None), 7], "next_page_url": None}
    with pytest.raises(MalformedResponse):
        list(answering(body).list())
    first, *others = answering(body).list(unreadable="yield")
    assert getattr(first, "id", None) == "inv_1"
    assert [isinstance(one, Unreadable) for one in others] == [True, True]
