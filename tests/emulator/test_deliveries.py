"""Signed webhooks of the served emulators, delivered over real HTTP to a receiver that verifies them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from invoice_bridge import Client, Collection, EventType, InvoiceEvent, Money, OneTimeCharge, webhooks
from invoice_bridge.core.errors import InvalidSignature
from invoice_bridge.emulator.courier import Manner
from invoice_bridge.emulator.server import Served, running
from tests.clients import no_waiting  # noqa: F401 - a fixture
from tests.emulator.test_control import BASE, Control

SIGNING = ("chargebee", "stripe", "whop")


class Receiver:
    """A real server that keeps each delivery; `answers` has the status of the next ones, then 204."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.at: list[float] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.received.append((dict(self.headers.items()), body))
                outer.at.append(time.monotonic())
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.end_headers()

            def log_message(self, format: str, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def wait(self, number: int, seconds: float = 5.0) -> list[tuple[dict[str, str], bytes]]:
        """Wait for that many deliveries, and a moment for one too many."""
        until(lambda: len(self.received) >= number, seconds)
        time.sleep(0.05)
        return self.received

    def events(self, name: str, number: int, secret: str) -> list[InvoiceEvent]:
        """Return the verified events of that many deliveries."""
        return [
            webhooks.parse(name, headers, body, secret=secret, at=_now())
            for headers, body in self.wait(number)[:number]
        ]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    receiver.thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        receiver.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of its own for each test."""
    with receiving() as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """All providers, at the real time."""
    with running() as served:
        yield served


def control_of(served: Served, name: str) -> Control:
    """The control API of a provider that begins again, without endpoints."""
    control = Control(served, name)
    control.ask("DELETE", "webhooks")
    return control


def bill(served: Served, name: str, reference: str = "res-1") -> str:
    """Make an open invoice; return its id."""
    emulator = served.emulators[name]
    order = OneTimeCharge(
        reference=reference,
        customer=emulator.customer,
        amount=Money(1999, "EUR"),
        collection=Collection.send(due=_now() + timedelta(days=14)) if name == "whop" else Collection.send(net_days=14),
    )
    with client_of(served, name) as client:
        return client.create(order, allow=["collection", "reference"]).id


def client_of(served: Served, name: str) -> Client:
    """A client at the provider's own port."""
    key = served.emulators[name].key
    return Client(name, api_key=key, base_url=served.own_urls[name], lookup="never", **BASE.get(name, {}))


def secret_of(served: Served, name: str) -> str:
    """The test secret of an emulator."""
    reports = served.emulators[name].reports
    assert reports is not None
    return reports.secret


@pytest.mark.parametrize(
    "name,expected",
    [
        ("chargebee", [EventType.FINALIZED, EventType.PAID]),
        ("stripe", [EventType.CREATED, EventType.UPDATED, EventType.FINALIZED, EventType.UPDATED, EventType.PAID]),
        ("whop", [EventType.CREATED, EventType.PAID]),
    ],
)
def test_a_bill_and_its_payment_are_delivered_signed(
    server: Served, receiver: Receiver, name: str, expected: list[EventType]
) -> None:
    """In order, each with the invoice as it was then, under the provider's own scheme."""
    control = control_of(server, name)
    control.ask("POST", "webhooks", {"url": receiver.url})
    invoice_id = bill(server, name)
    with client_of(server, name) as client:
        client.mark_paid(invoice_id)
    events = receiver.events(name, len(control.ask("GET", "webhooks/events")["events"]), secret_of(server, name))
    assert [event.type for event in events] == expected
    assert {event.invoice_id for event in events} == {invoice_id}
    assert all(event.verified for event in events)
    assert events[-1].invoice is not None
    assert events[-1].invoice.status == "paid"

    def delivered() -> list[tuple[str, list[int]]]:
        rows = control.ask("GET", "webhooks/deliveries")["deliveries"]
        return [(row["state"], row["tries"]) for row in rows]

    until(lambda: delivered() == [("delivered", [204])] * len(events))


@pytest.mark.parametrize("name", ["stripe", "whop"])
def test_a_wrong_secret_and_a_changed_body_are_refused(server: Served, receiver: Receiver, name: str) -> None:
    """What a receiver relies on."""
    control_of(server, name).ask("POST", "webhooks", {"url": receiver.url})
    bill(server, name)
    headers, body = receiver.wait(1)[0]
    for secret, content in (("another_secret", body), (secret_of(server, name), body + b" ")):
        with pytest.raises(InvalidSignature):
            webhooks.parse(name, headers, content, secret=secret, at=_now())


@pytest.mark.parametrize("name", SIGNING)
def test_a_secret_of_ones_own_signs(server: Served, receiver: Receiver, name: str) -> None:
    """The control API never shows it again."""
    control = control_of(server, name)
    secret = "user:own_test_secret" if name == "chargebee" else "own_test_secret"
    shown = control.ask("POST", "webhooks", {"url": receiver.url, "secret": secret})
    bill(server, name)
    assert receiver.events(name, 1, secret)[0].verified
    assert secret not in str(shown) + str(control.ask("GET", "webhooks")) + str(control.ask("GET"))
    courier = next(iter(server.controls[name].endpoints.couriers.values()))
    assert secret not in repr(courier.endpoint)


def test_a_late_delivery_is_late(server: Served, receiver: Receiver) -> None:
    """By the seconds that were asked for."""
    control_of(server, "whop").ask("POST", "webhooks", {"url": receiver.url, "manner": "late", "seconds": 0.4})
    before = time.monotonic()
    bill(server, "whop")
    assert receiver.events("whop", 1, secret_of(server, "whop"))[0].type is EventType.CREATED
    assert 0.4 <= receiver.at[0] - before < 3


def test_a_doubled_delivery_has_the_same_id(server: Served, receiver: Receiver) -> None:
    """So that a receiver can tell; each is signed anew."""
    control_of(server, "whop").ask("POST", "webhooks", {"url": receiver.url, "manner": "doubled", "seconds": 0.1})
    bill(server, "whop")
    first, second = receiver.events("whop", 2, secret_of(server, "whop"))
    assert first == second
    assert len(receiver.received) == 2


@pytest.mark.parametrize("name", SIGNING)
def test_out_of_order_the_second_event_is_first(server: Served, receiver: Receiver, name: str) -> None:
    """`is_stale` recognizes the older state where the provider orders its states."""
    control = control_of(server, name)
    control.ask("POST", "webhooks", {"url": receiver.url, "manner": "out_of_order", "seconds": 30})
    invoice_id = bill(server, name)
    with client_of(server, name) as client:
        client.void(invoice_id) if name != "chargebee" else client.mark_paid(invoice_id)
    made = [row["id"] for row in control.ask("GET", "webhooks/events")["events"]]
    assert len(made) >= 2
    arrived = [event.id for event in receiver.events(name, 2, secret_of(server, name))]
    assert arrived == [made[1], made[0]]
    if name == "chargebee":
        newer, older = receiver.events(name, 2, secret_of(server, name))
        assert webhooks.is_stale(older, newer)


def test_an_event_without_a_second_one_arrives_in_the_end(server: Served, receiver: Receiver) -> None:
    """After the seconds that were asked for."""
    control = control_of(server, "whop")
    control.ask("POST", "webhooks", {"url": receiver.url, "manner": "out_of_order", "seconds": 0.2})
    bill(server, "whop")
    assert len(receiver.wait(1)) == 1


def test_a_delivery_is_retried_until_it_is_taken(server: Served, receiver: Receiver) -> None:
    """500, then a redirect, then 204: three tries of one event."""
    control = control_of(server, "whop")
    receiver.answers = [500, 302, 204]
    control.ask("POST", "webhooks", {"url": receiver.url, "retry_seconds": 0.05})
    bill(server, "whop")
    first, *again = receiver.events("whop", 3, secret_of(server, "whop"))
    assert again == [first, first]
    until(lambda: control.ask("GET", "webhooks/deliveries")["deliveries"][0]["state"] == "delivered")
    assert control.ask("GET", "webhooks/deliveries")["deliveries"][0]["tries"] == [500, 302, 204]


def test_a_delivery_without_a_receiver_fails_in_the_end(server: Served) -> None:
    """Its tries name what went wrong; the emulator answers meanwhile."""
    with receiving() as gone:
        url = gone.url
    control = control_of(server, "whop")
    control.ask("POST", "webhooks", {"url": url, "retries": 2, "retry_seconds": 0.02})
    bill(server, "whop")
    until(lambda: control.ask("GET", "webhooks/deliveries")["deliveries"][0]["state"] == "failed")
    assert control.ask("GET", "webhooks/deliveries")["deliveries"][0]["tries"] == ["ConnectError"] * 3


def test_an_old_delivery_is_refused_by_its_receiver(server: Served, receiver: Receiver) -> None:
    """`signed_ago` makes a delivery that somebody kept."""
    control_of(server, "stripe").ask("POST", "webhooks", {"url": receiver.url, "signed_ago": 600})
    bill(server, "stripe")
    headers, body = receiver.wait(1)[0]
    with pytest.raises(InvalidSignature, match="too old"):
        webhooks.parse("stripe", headers, body, secret=secret_of(server, "stripe"), at=_now())


def test_an_endpoint_takes_the_events_it_names(server: Served, receiver: Receiver) -> None:
    """And an event is delivered once more on request, also one that the filter left out."""
    control = control_of(server, "stripe")
    control.ask("POST", "webhooks", {"url": receiver.url, "events": ["invoice.voided"]})
    invoice_id = bill(server, "stripe")
    with client_of(server, "stripe") as client:
        client.void(invoice_id)
    assert [event.type for event in receiver.events("stripe", 1, secret_of(server, "stripe"))] == [EventType.VOIDED]
    assert len(receiver.received) == 1
    first = control.ask("GET", "webhooks/events")["events"][0]["id"]
    control.ask("POST", "webhooks/send", {"event": first})
    assert receiver.events("stripe", 2, secret_of(server, "stripe"))[1].id == first
    missing = control.send("POST", "webhooks/send", {"event": "evt_0"})
    assert (missing.status_code, "see webhooks/events" in missing.json()["error"]) == (404, True)


@pytest.mark.parametrize("name,path", [("stripe", "v1/events"), ("chargebee", "events")])
def test_a_delivery_is_confirmed_by_its_id(server: Served, name: str, path: str) -> None:
    """A receiver of a provider that signs nothing reads the event before it acts on it."""
    control = control_of(server, name)
    bill(server, name)
    event = control.ask("GET", "webhooks/events")["events"][0]
    key, url = server.emulators[name].key, f"{server.own_urls[name]}/{path}"
    read = httpx.get(f"{url}/{event['id']}", auth=(key, "")).json()
    assert read.get("event", read) == event["body"]
    assert httpx.get(f"{url}/evt_0", auth=(key, "")).status_code == 404
    if name == "stripe":
        listed = httpx.get(f"{url}?type=invoice.finalized", auth=(key, "")).json()["data"]
        assert [row["type"] for row in listed] == ["invoice.finalized"]


def test_time_that_passes_is_reported(server: Served, receiver: Receiver) -> None:
    """An invoice that comes due by the clock, once."""
    control = control_of(server, "whop")
    control.ask("POST", "webhooks", {"url": receiver.url})
    bill(server, "whop")
    for _ in range(2):
        control.ask("POST", "clock/advance", {"seconds": 86400 * 15})
    events = receiver.events("whop", 2, secret_of(server, "whop"))
    assert [event.type for event in events] == [EventType.CREATED, EventType.PAST_DUE]
    assert len(receiver.received) == 2


def test_a_declined_payment_is_reported(server: Served, receiver: Receiver) -> None:
    """Stripe's own test token declines; nothing was collected."""
    control = control_of(server, "stripe")
    control.ask("POST", "webhooks", {"url": receiver.url, "events": ["invoice.payment_failed"]})
    invoice_id = bill(server, "stripe")
    headers = {"Authorization": "Bearer sk_test_not_a_key"}
    form = {"payment_method": "pm_card_chargeCustomerFail"}
    answer = httpx.post(f"{server.own_urls['stripe']}/v1/invoices/{invoice_id}/pay", data=form, headers=headers)
    assert answer.status_code == 402
    event = receiver.events("stripe", 1, secret_of(server, "stripe"))[0]
    assert (event.type, event.invoice and event.invoice.status) == (EventType.PAYMENT_FAILED, "open")


def test_a_header_of_a_request_suppresses_its_events(server: Served) -> None:
    """As documented for imports: chargebee-event-webhook: all-disabled."""
    control = control_of(server, "chargebee")
    root, form = server.own_urls["chargebee"], {"customer_id": "cus_42", "charges[amount][0]": "100"}
    for headers, number in (({"chargebee-event-webhook": "all-disabled"}, 0), ({}, 2)):
        made = httpx.post(
            f"{root}/invoices/create_for_charge_items_and_charges",
            data={**form, "currency_code": "EUR"},
            headers=headers,
            auth=(server.emulators["chargebee"].key, ""),
        )
        assert made.status_code == 200, made.text
        types = [row["type"] for row in control.ask("GET", "webhooks/events")["events"]]
        assert len([name for name in types if name != "payment_succeeded"]) == number, types


@pytest.mark.parametrize(
    "name,body,message",
    [
        ("stripe", {"url": "ftp://x"}, "write http://HOST:PORT/PATH"),
        ("stripe", {"url": "http://user:word@127.0.0.1/"}, "belong in the secret"),
        ("stripe", {"url": "http://127.0.0.1:99999/"}, "write http://HOST:PORT/PATH"),
        ("stripe", {"url": "http://:word@127.0.0.1/"}, "belong in the secret"),
        ("stripe", {"url": "http://127.0.0.1\x01/"}, "write http://HOST:PORT/PATH"),
        ("stripe", {"url": "http://127.0.0.1:9/\r\nX-A: b"}, "write http://HOST:PORT/PATH"),
        ("stripe", {"url": "http://127.0.0.1:9/?" + "a" * 70000}, "write http://HOST:PORT/PATH"),
        ("stripe", {"url": "http://169.254.169.254/latest"}, '169.254.169.254 is not this machine; write "elsewhere"'),
        ("stripe", {"url": "http://127.0.0.1.evil.test/"}, "is not this machine"),
        ("stripe", {"url": "http://2130706433/"}, "is not this machine"),
        ("stripe", {"url": "http://0.0.0.0:9/"}, "is not this machine"),
        ("stripe", {"url": "http://[::ffff:10.0.0.1]/"}, "is not this machine"),
        ("stripe", {"url": "http://127.0.0.1/", "manner": "never"}, "manner"),
        ("stripe", {"url": "http://127.0.0.1/", "secret": " "}, "needs the endpoint's secret"),
        ("stripe", {}, "url: Field required"),
        ("chargeapi", {"url": "http://127.0.0.1/"}, "has no event of an invoice"),
    ],
)
def test_what_is_no_endpoint_is_refused(server: Served, name: str, body: Any, message: str) -> None:
    """400, and none is added."""
    control = control_of(server, name)
    answer = control.send("POST", "webhooks", body)
    assert (answer.status_code, message in answer.json()["error"]) == (400, True), answer.text
    assert control.ask("GET", "webhooks")["endpoints"] == []


def test_another_machine_is_delivered_to_where_that_is_written(server: Served) -> None:
    """`elsewhere` in a body; a program that serves, or the command line, names the URL itself."""
    control = control_of(server, "whop")
    body = {"url": "http://app.test:9/hooks", "elsewhere": True, "manner": "late"}
    assert [row["url"] for row in control.ask("POST", "webhooks", body)["endpoints"]] == ["http://app.test:9/hooks"]
    server.add_endpoint("whop", "http://other.test:9/", manner="late")
    assert len(control.ask("GET", "webhooks")["endpoints"]) == 2
    for url in ("http://localhost:9/", "http://app.localhost:9/", "http://[::1]:9/", "https://127.9.9.9/"):
        assert control.send("POST", "webhooks", {"url": url, "manner": "late"}).status_code == 200
    control.ask("DELETE", "webhooks")


def test_nothing_is_delivered_after_reset_or_removal(server: Served) -> None:
    """What is pending is dropped; the endpoints outlive a reset, their threads end with them."""
    control = control_of(server, "whop")
    control.ask("POST", "webhooks", {"url": "http://127.0.0.1:9/", "manner": "late", "seconds": 60})
    courier = server.controls["whop"].endpoints.couriers["we_" + str(server.controls["whop"].endpoints.made)]
    bill(server, "whop")
    (posting,) = courier.postings
    assert (posting.state, courier.pending) == ("pending", 1)
    control.ask("POST", "reset")
    assert (posting.state, courier.pending) == ("dropped", 0)
    assert control.ask("GET", "webhooks/deliveries") == {"deliveries": []}
    bill(server, "whop")
    assert courier.pending == 1
    control.ask("DELETE", "webhooks")
    until(lambda: not courier.is_running)


def test_every_manner_is_tested() -> None:
    """A new one is added here too."""
    assert {str(manner) for manner in Manner} == {"in_time", "late", "doubled", "out_of_order"}
