"""Faults over real TCP: what only a socket shows."""

import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from invoice_bridge.emulator import Fault, Faults, Kind
from invoice_bridge.emulator.server import Served, running
from tests.emulator.bench import Wire, emulated


def raw(served: Served, faults: Faults) -> socket.socket:
    """A socket on which a listing has been asked for."""
    served.put("stripe", faults)
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    connection = socket.create_connection((parts.hostname, parts.port or 0), timeout=5)
    request = f"GET /stripe/v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {faults.emulator.key}\r\n\r\n"
    connection.sendall(request.encode())
    return connection


def test_a_reset_is_a_reset(served: Served) -> None:
    """The socket gets RST, not an orderly end."""
    with (
        raw(served, Faults(emulated("stripe"), [Fault(Kind.RESET_AFTER)])) as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.recv(1)


def test_a_truncated_answer_ends_in_order(served: Served) -> None:
    """Head and half of the body arrive, then the end: no reset."""
    with raw(served, Faults(emulated("stripe"), [Fault(Kind.TRUNCATED_BODY)])) as connection:
        received = b""
        while part := connection.recv(4096):
            received += part
    head, body = received.split(b"\r\n\r\n", 1)
    whole = b'{"object":"list","url":"/v1/invoices","has_more":false,"data":[]}'
    assert f"content-length: {len(whole)}".encode() in head
    assert body == whole[: len(whole) // 2]


def test_a_slow_body_comes_piece_by_piece(served: Served) -> None:
    """Each piece after the pause, each within the client's patience: httpx takes it for a healthy connection."""
    faults = Faults(emulated("stripe"), [Fault(Kind.SLOW_BODY, seconds=0.03)])
    served.put("stripe", faults)
    pieces = []
    with httpx.stream(
        "GET",
        f"{served.base_urls['stripe']}/v1/invoices",
        headers={"Authorization": f"Bearer {faults.emulator.key}"},
        timeout=0.5,
    ) as answer:
        for piece in answer.iter_raw():
            pieces.append((time.monotonic(), piece))
    assert (
        b"".join(piece for _, piece in pieces) == b'{"object":"list","url":"/v1/invoices","has_more":false,"data":[]}'
    )
    assert len(pieces) >= 8
    assert pieces[-1][0] - pieces[0][0] >= 0.2


def test_a_late_answer_is_late(served: Served) -> None:
    """By the seconds that were asked for."""
    faults = Faults(emulated("stripe"), [Fault(Kind.LATENCY, seconds=0.2)])
    served.put("stripe", faults)
    with httpx.Client() as http:
        before = time.monotonic()
        assert Wire("stripe", served.base_urls["stripe"], http).list().status_code == 200
    assert 0.2 <= time.monotonic() - before < 2


def test_others_are_answered_while_one_hangs(served: Served) -> None:
    """A hanging request keeps nobody else waiting; it ends when its client gives up."""
    served.put("stripe", Faults(emulated("stripe"), [Fault(Kind.TIMEOUT_AFTER)]))
    with httpx.Client(timeout=0.8) as http:
        wire = Wire("stripe", served.base_urls["stripe"], http)
        met: list[type[Exception]] = []

        def hang() -> None:
            try:
                wire.list()
            except httpx.ReadTimeout as error:
                met.append(type(error))

        thread = threading.Thread(target=hang)
        before = time.monotonic()
        thread.start()
        while not served.faults["stripe"].hits:
            assert thread.is_alive(), "the request ended before the server had it"
            time.sleep(0.01)
        assert [wire.list().status_code for _ in range(3)] == [200, 200, 200]
        assert time.monotonic() - before < 0.7
        thread.join()
    assert met == [httpx.ReadTimeout]


@pytest.mark.parametrize("kind", [Kind.TIMEOUT_AFTER, Kind.LATENCY, Kind.SLOW_BODY])
def test_what_is_held_back_ends_with_the_server(kind: Kind, capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody waits for it, nothing is logged, no thread is left."""
    threads = threading.active_count()
    met: list[type[Exception]] = []

    def send(url: str) -> None:
        with httpx.Client(timeout=30) as http:
            try:
                Wire("stripe", url, http).list()
            except httpx.TransportError as error:
                met.append(type(error))

    with running(names=["stripe"]) as served:
        served.put("stripe", Faults(emulated("stripe"), [Fault(kind, seconds=30)]))
        thread = threading.Thread(target=send, args=(served.base_urls["stripe"],))
        thread.start()
        while not served.faults["stripe"].hits:
            assert thread.is_alive(), "the request ended before the server had it"
            time.sleep(0.01)
        time.sleep(0.05)
        before = time.monotonic()
    thread.join()
    assert time.monotonic() - before < 1.5
    assert met == [httpx.RemoteProtocolError]
    assert threading.active_count() == threads
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TRUNCATED_BODY, Kind.SLOW_BODY, Kind.TIMEOUT_AFTER])
def test_a_fault_is_no_failure_of_the_server(kind: Kind, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is logged, and the server goes on."""
    with running(names=["stripe"]) as served, httpx.Client(timeout=0.2) as http:
        wire = Wire("stripe", served.base_urls["stripe"], http)
        served.put("stripe", Faults(emulated("stripe"), [Fault(kind, seconds=1)]))
        with pytest.raises(httpx.TransportError):
            wire.list()
        assert wire.list().status_code == 200
    assert capfd.readouterr() == ("", "")


def test_emulators_are_exchanged_while_the_server_runs(served: Served) -> None:
    """The next request meets the other one: its ledger, its switches, its invoices; with faults or without."""
    with httpx.Client() as http:
        wire = Wire("whop", served.base_urls["whop"], http)
        first, second = emulated("whop"), emulated("whop")
        served.put("whop", first)
        wire.bill()
        ledger = http.get(f"{served.url}/whop/_ledger").json()
        assert [entry["event"] for entry in ledger["ledger"]] == ["issued", "mailed"]
        served.put("whop", Faults(second, [Fault(Kind.THROTTLED)]))
        assert wire.bill().status_code == 429
        assert http.get(f"{served.url}/whop/_ledger").json() == {"provider": "whop", "requests": 0, "ledger": []}
        assert wire.bill().status_code == 200
        assert http.get(f"{served.url}/whop/_ledger").json()["requests"] == 1
    assert served.emulators["whop"] is second
    assert [len(first.ledger), len(second.ledger)] == [2, 2]


def test_a_fault_does_not_hit_the_ledger(served: Served) -> None:
    """What the server says of itself is no request to the provider."""
    faults = Faults(emulated("stripe"), [Fault(Kind.RESET_BEFORE, times=9)])
    served.put("stripe", faults)
    assert httpx.get(f"{served.url}/stripe/_ledger").json()["ledger"] == []
    assert httpx.get(served.url).json()["providers"]["stripe"]["api_key"] == faults.emulator.key
    assert faults.hits == []


def test_only_what_is_served_can_be_exchanged() -> None:
    """Another name would have no base URL."""
    with (
        running(names=["stripe"]) as served,
        pytest.raises(ValueError, match="this server does not serve whop; it serves stripe"),
    ):
        served.put("whop", emulated("whop"))


def test_every_answer_has_one_date(served: Served) -> None:
    """That of the emulator's clock, as a provider states its own."""
    served.put("stripe", emulated("stripe"))
    dates = [
        value for name, value in httpx.get(f"{served.url}/stripe/v1/invoices").headers.multi_items() if name == "date"
    ]
    assert dates == ["Mon, 02 Nov 2026 09:00:00 GMT"]
