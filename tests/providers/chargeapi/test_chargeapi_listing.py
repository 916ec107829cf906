"""ChargeAPI's listing: pages forward and back, by a URL or by a bare token, and the filter of its own words."""

import httpx
import pytest

from invoice_bridge import Client, ConfigurationError, MalformedResponse, Period, PeriodInvoice, Status
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.core.commands import ListInvoices
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.chargeapi import CHARGEAPI
from invoice_bridge.providers.chargeapi.emulator import ChargeApiEmulator

ROOT = "https://api.chargeapi.co/v1"


def client_with(invoices: int) -> tuple[Client, EmulatorTransport]:
    emulator = ChargeApiEmulator()
    transport = EmulatorTransport(emulator, ROOT)
    client = Client("chargeapi", api_key=emulator.key, http=httpx.Client(transport=transport), lookup="never")
    for number in range(invoices):
        bill = PeriodInvoice(
            reference=f"r{number}", customer="flt_42", period=Period.month(2026, 5), currency="EUR", draft=True,
            tax="provider",
        )  # fmt: skip
        client.create(bill, allow=[loss.code for loss in client.losses(bill)])
    return client, transport


def test_pages_are_read_forward_and_back() -> None:
    """`Page.next` and `Page.previous` are commands; the first page has no previous one, the last no next one."""
    client, _ = client_with(3)
    first = client.page(ListInvoices(limit=1))
    assert first.previous is None
    assert first.next is not None
    second = client.page(first.next)
    assert second.previous is not None
    assert second.next is not None
    third = client.page(second.next)
    assert third.next is None
    again = client.page(second.previous)
    assert [item.id for item in again.items] == [item.id for item in first.items]  # type: ignore[union-attr]
    assert len({item.id for page in (first, second, third) for item in page.items}) == 3  # type: ignore[union-attr]


def test_a_bare_token_is_a_cursor() -> None:
    """It is sent as `page` with the same filters, as the URL that the provider gives has it."""
    client, transport = client_with(2)
    command = ListInvoices(limit=1, customer="flt_42", status=Status.DRAFT)
    first = client.page(command)
    assert first.next is not None
    url = first.next.cursor or ""
    token = httpx.URL(url).params["page"]
    second = client.page(command.model_copy(update={"cursor": token}))
    assert httpx.URL(transport.sent[-1].url).params == httpx.URL(url).params
    assert [item.id for item in second.items] == [item.id for item in client.page(first.next).items]  # type: ignore[union-attr]


def test_the_filter_of_its_own_words() -> None:
    """`open` is sent where the caller asks for it by ChargeAPI's name; it is not sent for `Status.OPEN`."""
    context = make_context(CHARGEAPI, {})
    (asked,) = plan(ListInvoices(native={"chargeapi": {"status": "open"}}), context).requests
    assert asked.url.endswith("/invoices?limit=100&status=open")
    (neutral,) = plan(ListInvoices(status=Status.OPEN), context).requests
    assert "status" not in neutral.url
    both = plan(ListInvoices(status=Status.PAID, native={"chargeapi": {"status": "open"}}), context)
    assert isinstance(both.refusal, ConfigurationError)
    wrong = plan(ListInvoices(native={"chargeapi": {"status": "overdue"}}), context)
    assert isinstance(wrong.refusal, ConfigurationError)
    client, _ = client_with(1)
    assert list(client.list(native={"chargeapi": {"status": "open"}})) == []
    assert len(list(client.list(native={"chargeapi": {"status": "draft"}}))) == 1


@pytest.mark.parametrize("previous", [None, 7, "", {}])
def test_a_previous_page_that_is_no_url_is_none(previous: object) -> None:
    """Reading goes on without it: only `next_page_url` decides about the end."""
    body = {"data": [], "next_page_url": None, "previous_page_url": previous}
    flow = CHARGEAPI.flow(ListInvoices(), make_context(CHARGEAPI, {}))
    next(flow)
    with pytest.raises(StopIteration) as done:
        flow.send(Response(200, dumps(body), provider="chargeapi"))
    assert done.value.value.previous is None


@pytest.mark.parametrize("cursor", ["page_", "page_a/b", "https://elsewhere.example/page_a", "page_a?x=1"])
def test_what_is_no_token_is_taken_for_an_address(cursor: str) -> None:
    """An address is followed on the configured origin alone."""
    flow = CHARGEAPI.flow(ListInvoices(cursor=cursor), make_context(CHARGEAPI, {}))
    with pytest.raises(MalformedResponse):
        next(flow)
