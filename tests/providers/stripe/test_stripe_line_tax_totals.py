"""A bill with taxes of its lines whose draft is off by a cent stops before it is finalized, over real HTTP."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from invoice_bridge import AmountMismatch, Client, Collection, Discrepancy, Line, Money, OneTimeCharge, TaxRate
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.testing import no_waiting

Change = Callable[[dict[str, Any]], None]


class Changed(httpx.HTTPTransport):
    """A network that changes each draft with lines on its way, and notes the requests."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change, self.paths = change, list[str]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        self.paths.append(request.url.path)
        body = json.loads(answer.read())
        if body.get("status") == "draft" and body["lines"]["data"]:
            self.change(body)
        answer.close()
        return httpx.Response(answer.status_code, content=json.dumps(body).encode())


def _by(cents: int, *names: str) -> Change:
    def change(body: dict[str, Any]) -> None:
        for name in names:
            body[name] += cents

    return change


def _tax(cents: int) -> Change:
    def change(body: dict[str, Any]) -> None:
        body["total_taxes"][0]["amount"] += cents

    return change


def _without(*names: str) -> Change:
    def change(body: dict[str, Any]) -> None:
        for name in names:
            del body[name]

    return change


CHANGES: dict[str, tuple[Change, type[Exception]]] = {
    "a cent more": (_by(1, "total", "amount_due"), AmountMismatch),
    "a cent less": (_by(-1, "total", "amount_due"), AmountMismatch),
    "a cent more of amount and total": (_by(1, "subtotal", "total", "amount_due"), AmountMismatch),
    "a cent more of tax": (_tax(1), AmountMismatch),
    "a cent less of tax": (_tax(-1), AmountMismatch),
    "a cent more is demanded": (_by(1, "amount_due"), AmountMismatch),
    "no total": (_without("total"), Discrepancy),
    "neither total nor amount due": (_without("total", "amount_due", "amount_remaining"), Discrepancy),
}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(names=["stripe"]) as served:
        yield served


@contextmanager
def _client(served: Served, change: Change) -> Iterator[tuple[Client, Changed]]:
    network = Changed(change)
    key, url = served.emulators["stripe"].key, served.base_urls["stripe"]
    with httpx.Client(transport=network) as http, no_waiting():
        yield Client("stripe", api_key=key, base_url=url, http=http), network


def _bill(reference: str, served: Served, collection: Collection) -> OneTimeCharge:
    rates = ((1999, "7"), (999, "19"), (50, "7"))
    lines = [
        Line(description="x", amount=Money(amount, "EUR"), taxes=[TaxRate(name="VAT", rate=rate)])
        for amount, rate in rates
    ]
    customer = served.emulators["stripe"].customer
    return OneTimeCharge(reference=reference, customer=customer, lines=lines, collection=collection)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("collection", [Collection.manual(), Collection.send(net_days=14)], ids=["manual", "send"])
def test_a_draft_that_is_off_by_a_cent_is_not_finalized(name: str, collection: Collection, served: Served) -> None:
    """Whichever of its amounts is off; a total that is not stated is off too."""
    change, kind = CHANGES[name]
    with _client(served, change) as (client, network), pytest.raises(kind):
        client.create(_bill(f"{name}, {collection.kind}", served, collection))
    assert any(path.endswith("/add_lines") for path in network.paths)
    assert not any(path.endswith(("/finalize", "/send", "/pay")) for path in network.paths)


def test_the_same_draft_as_it_came_is_finalized(served: Served) -> None:
    """1.40, 1.90 and, of 3.5 cents, 0.04."""
    with _client(served, lambda _: None) as (client, network):
        assert client.create(_bill("as it came", served, Collection.manual())).total == Money(3382, "EUR")
    assert any(path.endswith("/finalize") for path in network.paths)
