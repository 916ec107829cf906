"""Defects seen in other systems whose place is no one adapter; the others stand beside what they are about."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from invoice_bridge import (
    BridgeError,
    Client,
    Collection,
    Invoice,
    Line,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Period,
    PeriodInvoice,
    RateLimited,
    Status,
    Unsupported,
    decode,
    explain,
    providers,
)
from invoice_bridge.emulator import EmulatorTransport, Fault, Faults, Kind
from invoice_bridge.explain import make_context
from invoice_bridge.matrix import VERBS, cell, matrix

BILL = OneTimeCharge(
    reference="res-1",
    customer="cus_42",
    lines=[
        Line(description="Stay", amount=Money(10000, "EUR")),
        Line(description="Loyalty discount", amount=Money(-1500, "EUR")),
    ],
)
LINE = {"amount": 10000, "description": "Stay", "entity_type": "adhoc", "quantity": 1, "unit_amount": 10000}
CHARGEBEE: dict[str, Any] = {
    "id": "19",
    "customer_id": "c",
    "currency_code": "EUR",
    "status": "paid",
    "total": 8500,
    "sub_total": 8500,
    "tax": 0,
    "amount_paid": 0,
    "amount_due": 0,
    "line_items": [LINE],
    "discounts": [{"amount": 1500, "entity_type": "document_level_discount", "description": "Loyalty"}],
}


def test_defect_07_a_discount_is_sent_as_a_line_or_refused() -> None:
    """A negative line reaches the provider with its sign, or stops the bill: it is never left out."""
    stripe = explain("stripe", BILL, lookup="never")
    assert b"lines%5B1%5D%5Bamount%5D=-1500" in stripe.requests[1].content
    whop = explain("whop", BILL.model_copy(update={"draft": True}), lookup="never", account_id="biz_42")
    assert b'"initial_price":85' in whop.requests[0].content
    assert b'{"label":"Loyalty discount","unit_price":-15,"quantity":1}' in whop.requests[0].content
    chargebee = explain("chargebee", BILL, lookup="never", site="acme")
    assert chargebee.requests == ()
    assert isinstance(chargebee.refusal, Unsupported)


def test_defect_07_a_discount_is_read() -> None:
    """What a customer was let off stands in the invoice: subtotal less discount is the total."""
    found = decode("chargebee", CHARGEBEE)
    assert found.subtotal == Money(10000, "EUR")
    assert found.discount == Money(1500, "EUR")
    assert found.total == Money(8500, "EUR")


@pytest.mark.parametrize("number", ["INV-2026/05-0001", "0007", "#0001", "A--B", "19"])
def test_defect_17_a_number_is_kept_as_it_is(number: str) -> None:
    """An invoice's number is one text: leading zeros, separators and all."""
    invoice = {
        "id": "in_1",
        "object": "invoice",
        "currency": "eur",
        "status": "open",
        "number": number,
        "lines": {"data": []},
    }
    found = decode("stripe", invoice)
    assert found.number == number
    assert Invoice.model_validate_json(found.model_dump_json()).number == number


def test_defect_20_a_dry_run_is_the_real_run() -> None:
    """What explain shows is what create sends, byte for byte, but for the ids that answers give."""
    declared = providers.get("stripe")
    transport = EmulatorTransport(declared.emulator(), "http://127.0.0.1:1")
    with httpx.Client(transport=transport) as http:
        client = Client("stripe", api_key="sk_test_not_a_key", base_url="http://127.0.0.1:1", http=http, lookup="never")
        planned = client.explain(BILL)
        made = client.create(BILL)
    shown = [
        (request.method, request.url.replace("{open.id}", made.id), request.content) for request in planned.requests
    ]
    assert shown == [(request.method, request.url, request.content) for request in transport.sent]


@pytest.mark.parametrize("name", providers.names())
def test_defect_22_the_matrix_claims_nothing_that_no_test_proves(name: str) -> None:
    """Every cell is built and proven against the emulator at least, or the provider cannot do it, with the source."""
    for verb in VERBS:
        found = cell(providers.get(name), verb)
        assert found.state in {"built", "cannot"}
        assert "emulator" in found.evidence if found.state == "built" else found.source
    assert "live" not in {kind for cells in matrix().values() for kind in cells[name].evidence}


@pytest.mark.parametrize(
    "written_off, paid, status",
    [(8500, 0, Status.UNCOLLECTIBLE), (500, 8000, Status.UNCOLLECTIBLE), (0, 8500, Status.PAID)],
)
def test_defect_28_a_write_off_is_not_a_payment(written_off: int, paid: int, status: Status) -> None:
    """Chargebee calls a written-off invoice paid; it was given up, in whole or in part."""
    found = decode("chargebee", CHARGEBEE | {"write_off_amount": written_off, "amount_paid": paid})
    assert (found.status, found.native_status) == (status, "paid")
    assert found.amount_paid == Money(paid, "EUR")


def test_defect_28_a_filter_always_has_an_operator() -> None:
    """A Chargebee filter without one is ignored, and the whole list comes back: each that is sent has one."""
    declared = providers.get("chargebee")
    emulator = declared.emulator()
    transport = EmulatorTransport(emulator, declared.base_url(emulator.settings))
    with httpx.Client(transport=transport) as http:
        client = Client("chargebee", api_key=emulator.key, http=http, **emulator.settings)
        for status in Status:
            list(client.list(status=status, customer="cus_42"))
    names = {name for request in transport.sent for name, _ in httpx.URL(request.url).params.multi_items()}
    assert names - {"limit", "offset", "include_deleted"}
    assert [name for name in names - {"limit", "offset", "include_deleted"} if not name.endswith("]")] == []


# ── keys, timeouts, retries and hosts ────────────────────────────────────────────────────────────────────────────────
ROOT = "http://127.0.0.1:1"


def _bill_of(name: str) -> OneTimeCharge | PeriodInvoice:
    emulator = providers.get(name).emulator()
    said: dict[str, Any] = {"reference": "res-1", "customer": emulator.customer}
    if name == "chargeapi":
        return PeriodInvoice(currency="EUR", period=Period.month(2026, 5), **said)
    collection = Collection.send(due=datetime(2026, 12, 1, tzinfo=UTC)) if name == "whop" else Collection.manual()
    return OneTimeCharge(amount=Money(1999, "EUR"), collection=collection, **said)


def _faulty(name: str, *faults: Fault) -> tuple[Client, Any, EmulatorTransport]:
    emulator = providers.get(name).emulator()
    emulator.accrue()
    root = "http://127.0.0.1:1" + urlsplit(make_context(providers.get(name), emulator.settings).base_url).path
    transport = EmulatorTransport(Faults(emulator, faults), root)
    return _client_of(name, transport, "never"), emulator, transport


def _client_of(name: str, transport: EmulatorTransport, lookup: str) -> Client:
    http, emulator = httpx.Client(transport=transport), transport.emulator
    settings = {"lookup": lookup, **emulator.settings}
    return Client(name, api_key=emulator.key, base_url=transport.root, http=http, **settings)


each_provider = pytest.mark.parametrize("name", providers.names())


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited; nothing really waits."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


@each_provider
@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TIMEOUT_AFTER], ids=str)
def test_defect_10_a_timeout_is_not_taken_for_a_failure(name: str, kind: Kind, slept: list[float]) -> None:
    """The bill was made, every answer is lost: the outcome is unknown, never "failed", and one bill stands."""
    client, emulator, _ = _faulty(name, Fault(kind, method="POST", times=99))
    with pytest.raises(OutcomeUnknown) as caught:
        client.create(_bill_of(name))
    assert (caught.value.outcome, caught.value.reference, len(emulator.invoices)) == ("unknown", "res-1", 1)


@each_provider
@pytest.mark.parametrize("kind", [Kind.HTML_502_AFTER, Kind.ERROR_AFTER], ids=str)
def test_defect_10_a_proxys_page_is_not_taken_for_a_failure(name: str, kind: Kind, slept: list[float]) -> None:
    """Where every write is answered by a server error after the fact, the bill is found or its outcome is unknown."""
    client, emulator, _ = _faulty(name, Fault(kind, method="POST", times=99))
    with suppress(OutcomeUnknown):
        assert client.create(_bill_of(name)).id in emulator.invoices
    assert len(emulator.invoices) == 1


@each_provider
def test_defect_12_created_and_then_not_saved_is_found_again(name: str) -> None:
    """The caller lost what it was told: the same reference is the same invoice, at once and when keys are forgotten."""
    client, emulator, transport = _faulty(name)
    first = client.create(_bill_of(name))
    assert client.create(_bill_of(name)).id == first.id
    emulator.kept.clear()
    looking = _client_of(name, transport, "always")
    assert looking.create(_bill_of(name)).id == first.id
    assert len(emulator.invoices) == 1


@each_provider
def test_defect_13_every_try_has_the_key_of_the_first(name: str, slept: list[float]) -> None:
    """Lost, throttled, lost again: three tries of one request are the same bytes under one key, and one bill."""
    faults = [Fault(Kind.RESET_AFTER, method="POST"), Fault(Kind.THROTTLED, method="POST")]
    client, emulator, transport = _faulty(name, *faults)
    client.create(_bill_of(name))
    header = providers.get(name).idempotency.header.lower()
    first, second, third = [request for request in transport.sent if request.writes][:3]
    assert first.headers[header] == second.headers[header] == third.headers[header]
    assert (first.method, first.url, first.content) == (second.method, second.url, second.content)
    assert (first.method, first.url, first.content) == (third.method, third.url, third.content)
    assert len(emulator.invoices) == 1


@each_provider
def test_defect_14_no_new_attempt_while_the_old_one_is_unknown(name: str, slept: list[float]) -> None:
    """A raised attempt is refused while an unknown one may still land; the same one finds what it left."""
    client, emulator, _ = _faulty(name, Fault(Kind.RESET_AFTER, method="POST", times=3))
    bill = _bill_of(name)
    with pytest.raises(OutcomeUnknown):
        client.create(bill)
    with pytest.raises(OutcomeUnknown, match="may still take effect: nothing was billed"):
        client.create(bill.model_copy(update={"attempt": 2}))
    again = client.create(bill)
    assert (again.reference, len(emulator.invoices)) == ("res-1", 1)


@each_provider
@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.THROTTLED_FOR, Kind.THROTTLED_UNTIL], ids=str)
def test_defect_15_too_many_requests_end_in_an_error_with_what_was_asked(
    name: str, kind: Kind, slept: list[float]
) -> None:
    """Refused for ever: three tries, the waits that the provider asked for, a RateLimited, and nothing was billed."""
    client, emulator, transport = _faulty(name, Fault(kind, times=999, seconds=7))
    with pytest.raises(RateLimited) as caught:
        client.create(_bill_of(name))
    assert len(transport.sent) == 3
    assert len(slept) == 2
    if kind is not Kind.THROTTLED:
        assert (slept, caught.value.retry_after) == ([7.0, 7.0], 7)
    assert (caught.value.outcome, len(emulator.invoices)) == ("nothing_done", 0)


@each_provider
def test_defect_21_every_request_goes_to_the_configured_root(name: str) -> None:
    """No request of a bill or a listing leaves the base URL, whatever the environment or the answers say."""
    client, _, transport = _faulty(name)
    client.create(_bill_of(name))
    list(client.list())
    assert len(transport.sent) > 1
    assert [request.url for request in transport.sent if not request.url.startswith(transport.root + "/")] == []


def test_defect_23_one_connection_pool_for_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client makes one HTTP client and one TLS context, however many calls it makes."""
    made: list[str] = []
    real = httpx.HTTPTransport.__init__

    def counted(self: httpx.HTTPTransport, *given: Any, **said: Any) -> None:
        made.append("transport")
        real(self, *given, **said)

    monkeypatch.setattr(httpx.HTTPTransport, "__init__", counted)
    answer = {"id": "in_1", "object": "invoice", "currency": "eur", "lines": {"data": []}}
    with Client("stripe", api_key="sk_test_not_a_key", base_url=ROOT, lookup="never") as client:
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda *_: httpx.Response(200, json=answer))
        for _ in range(5):
            client.retrieve("in_1", whole=False)
    assert made == ["transport"]


def test_defect_23_no_headers_of_the_caller_are_changed() -> None:
    """What a caller passed is as it was: no key is left in its headers, and none in the provider's or a request's."""
    mine = {"X-Trace": "7"}
    declared = providers.get("stripe")
    before = dict(declared.headers({}))
    transport = EmulatorTransport(declared.emulator(), ROOT)
    with httpx.Client(transport=transport, headers=mine) as http:
        client = Client("stripe", api_key="sk_test_not_a_key", base_url=ROOT, http=http, lookup="never")
        client.create(BILL)
        plan = client.explain(BILL)
        assert "authorization" not in http.headers
    assert mine == {"X-Trace": "7"}
    assert dict(declared.headers({})) == before
    assert not any("authorization" in {name.lower() for name in request.headers} for request in plan.requests)


@each_provider
def test_defect_24_every_post_of_a_bill_has_a_key(name: str) -> None:
    """Nothing that can bill is sent without a key, and no two steps of a bill share one."""
    client, _, transport = _faulty(name)
    client.create(_bill_of(name))
    header = providers.get(name).idempotency.header.lower()
    keys = [request.headers.get(header) for request in transport.sent if request.method == "POST"]
    assert None not in keys
    assert len(set(keys)) == len(keys) > 0


@each_provider
def test_defect_27_a_page_elsewhere_gets_no_key(name: str) -> None:
    """A listing that points to another host ends with an error; that host is never asked."""
    elsewhere = "https://elsewhere.test/next"
    page = {"object": "list", "data": [], "has_more": True, "next_page_url": elsewhere, "next_offset": elsewhere}
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(200, json=page if len(hosts) < 5 else {"data": [], "list": []})

    emulator = providers.get(name).emulator()
    http = httpx.Client(transport=httpx.MockTransport(answer))
    with http, suppress(BridgeError):
        list(Client(name, api_key=emulator.key, base_url=ROOT, http=http, **emulator.settings).list())
    assert set(hosts) == {"127.0.0.1"}


@each_provider
def test_defect_30_every_request_says_its_version(name: str) -> None:
    """The version of the API stands in a header of each request, or in its path, and the emulator insists on it."""
    declared = providers.get(name)
    client, _, transport = _faulty(name)
    client.create(_bill_of(name))
    list(client.list())
    version = declared.api_version
    for request in transport.sent:
        assert version in request.headers.values() or f"/{version}/" in request.url
