"""The emulators over real HTTP on loopback."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import Client, ConfigurationError, Money, NotFound, OneTimeCharge, Unauthorized, providers
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.emulator.server import running, serve

KEY = "sk_test_not_a_key"
SETTINGS: dict[str, dict[str, Any]] = {"chargebee": {"site": "acme-test"}, "whop": {"account_id": "biz_42"}}


def charge(reference: str) -> OneTimeCharge:
    """A small bill."""
    return OneTimeCharge(reference=reference, customer="cus_42", amount=Money(1999, "EUR"))


def test_a_bill_goes_through_a_socket() -> None:
    """A client with the served base URL bills, and the ledger says so."""
    with (
        running(names=["stripe"], clock=FakeClock()) as served,
        Client("stripe", api_key=KEY, base_url=served.base_urls["stripe"], lookup="never") as client,
    ):
        invoice = client.create(charge("res-1"))
        ledger = httpx.get(f"{served.url}/stripe/_ledger").json()
    assert (invoice.id, invoice.total) == ("in_00000001", Money(1999, "EUR"))
    assert ledger == {
        "provider": "stripe",
        "requests": 3,
        "ledger": [
            {
                "event": "issued",
                "invoice_id": "in_00000001",
                "customer": "cus_42",
                "units": 1999,
                "currency": "eur",
                "reference": "res-1",
                "at": "2026-11-02T09:00:00+00:00",
            }
        ],
    }


def test_defect_91_answers_on_a_kept_connection_do_not_wait_for_acknowledgements() -> None:
    """Defect 91: without TCP_NODELAY every answer but the first takes 40 ms, the delayed acknowledgement of Linux."""
    with running(names=["stripe"]) as served, httpx.Client() as http:
        address = f"{served.url}/stripe/_ledger"
        http.get(address)
        assert min(http.get(address).elapsed.total_seconds() for _ in range(10)) < 0.03


def test_every_provider_has_its_base_url_and_key() -> None:
    """The root lists them; each base URL has the path of the provider's own, so that paths are the same as there."""
    with running() as served:
        listed = httpx.get(served.url).json()["providers"]
    assert tuple(listed) == providers.names()
    assert served.base_urls == {
        "chargeapi": f"{served.url}/chargeapi/v1",
        "chargebee": f"{served.url}/chargebee/api/v2",
        "stripe": f"{served.url}/stripe",
        "whop": f"{served.url}/whop/api/v1",
    }
    assert {name: row["base_url"] for name, row in listed.items()} == served.base_urls
    assert listed["stripe"]["api_key"] == KEY


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
def test_every_provider_refuses_a_wrong_key(name: str) -> None:
    """Each emulator answers below its base URL, in words that its adapter understands."""
    with (
        running(names=[name]) as served,
        Client(name, api_key="not_a_key", base_url=served.base_urls[name], **SETTINGS.get(name, {})) as client,
        pytest.raises(Unauthorized),
    ):
        client.retrieve("inv_1")


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
@pytest.mark.parametrize("id", ["a/b", "../invoices", "..", ".", "a?b=1", "a#b", "a b", "ü", "%2F"])
def test_an_id_stays_one_segment(name: str, id: str) -> None:
    """Whatever it is made of, it is looked up as an invoice and not found: it never changes the route."""
    with (
        running(names=[name]) as served,
        Client(
            name, api_key=served.emulators[name].key, base_url=served.base_urls[name], **SETTINGS.get(name, {})
        ) as client,
        pytest.raises(NotFound),
    ):
        client.retrieve(f"inv_{id}" if name == "whop" else id)  # any other id is refused before it is sent


@pytest.mark.parametrize("path,told", [("a%2Fb", "a/b"), ("..%2Fx", "../x"), ("a%252Fb", "a%2Fb"), ("%2E%2E", "..")])
def test_a_path_arrives_undecoded(path: str, told: str) -> None:
    """The emulator decodes each segment once, after the path was split."""
    with running(names=["stripe"]) as served:
        answer = httpx.get(
            f"{served.base_urls['stripe']}/v1/invoices/{path}", headers={"Authorization": f"Bearer {KEY}"}
        )
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"No such invoice: '{told}'"


def test_the_bytes_arrive_as_they_were_sent() -> None:
    """Method, query in its order, headers and body reach the emulator unchanged."""
    with running(names=["stripe"]) as served:
        headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "k"}
        url = f"{served.base_urls['stripe']}/v1/invoices?limit=1&limit=2&customer=a%2Bb+c"
        refused = httpx.request("GET", url, headers=headers)
        form = b"customer=cus_42&currency=eur&description=%C3%BC"
        made = httpx.post(f"{served.base_urls['stripe']}/v1/invoices", content=form, headers=headers)
        deleted = httpx.delete(f"{served.base_urls['stripe']}/v1/invoices/{made.json()['id']}", headers=headers)
    assert refused.json()["data"] == []
    assert made.json()["description"] == "ü"
    assert deleted.json() == {"id": "in_00000001", "object": "invoice", "deleted": True}


def test_an_unknown_provider_is_told_which_there_are() -> None:
    """404 with the listing, so that a wrong base URL explains itself."""
    with running(names=["stripe"]) as served:
        answer = httpx.get(f"{served.url}/strpe/v1/invoices")
    assert answer.status_code == 404
    assert list(answer.json()["providers"]) == ["stripe"]


def test_two_threads_bill_at_once() -> None:
    """Every bill of both is made exactly once, each with its own id."""
    with (
        running(names=["stripe"]) as served,
        Client("stripe", api_key=KEY, base_url=served.base_urls["stripe"], lookup="never") as client,
        ThreadPoolExecutor(2) as threads,
    ):
        made = list(threads.map(lambda n: client.create(charge(f"res-{n}")), range(20)))
        entries = served.emulators["stripe"].ledger
    assert len({invoice.id for invoice in made}) == 20
    assert sorted(entry.reference or "" for entry in entries) == sorted(f"res-{n}" for n in range(20))


def test_the_clock_is_the_real_one_unless_given() -> None:
    """An invoice is dated now."""
    before = datetime.now(UTC).replace(microsecond=0)
    with (
        running(names=["stripe"]) as served,
        Client("stripe", api_key=KEY, base_url=served.base_urls["stripe"], lookup="never") as client,
    ):
        created = client.create(charge("res-1")).created_at
    assert created is not None
    assert before <= created <= datetime.now(UTC)


def test_nothing_is_left_running() -> None:
    """After the block the threads are those from before, and the port is closed, even with a connection still open."""
    threads = threading.active_count()
    with httpx.Client() as http:
        with running(names=["stripe"]) as served:
            http.get(served.url)
        assert threading.active_count() == threads
        with pytest.raises(httpx.ConnectError):
            httpx.get(served.url)


def test_it_stops_when_the_block_fails() -> None:
    """An exception inside passes through, and the server is gone."""
    threads = threading.active_count()
    with pytest.raises(LookupError), running(names=["stripe"]) as served:
        raise LookupError
    assert threading.active_count() == threads
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.url)


def test_two_servers_run_side_by_side() -> None:
    """Each has its own port and its own invoices."""
    with running(names=["stripe"]) as one, running(names=["stripe"]) as two:
        with Client("stripe", api_key=KEY, base_url=one.base_urls["stripe"]) as client:
            client.create(charge("res-1"))
        assert one.url != two.url
        assert [len(served.emulators["stripe"].ledger) for served in (one, two)] == [1, 0]


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    """Both ways of serving say which port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = rf"^port {port} of 127\.0\.0\.1 cannot be used: it is already in use; choose another port$"
        with pytest.raises(ConfigurationError, match=told), running(port, names=["stripe"]):
            pass
        with pytest.raises(ConfigurationError, match=told):
            serve(port, names=["stripe"])


def test_an_address_of_no_machine_is_one_clear_line() -> None:
    """The number of a name that is not found is none of errno: it read as "Unknown error -2; choose another port"."""
    with pytest.raises(ConfigurationError, match=r"256\.1\.1\.1 is no address of this machine"):
        serve(0, "256.1.1.1", names=["stripe"])


@pytest.mark.parametrize(
    "name,method,path,content",
    [
        ("stripe", "POST", "v1/invoices", b"customer=\xff"),
        ("chargebee", "POST", "invoices/create_for_charge_items_and_charges", b"customer_id=\xff"),
        ("chargeapi", "POST", "invoices", b'{"fleet": "\xff"}'),
        ("chargeapi", "GET", f"invoices?limit={'9' * 5000}", b""),
        ("chargebee", "GET", "invoices?total[gt]=x", b""),
        ("chargebee", "GET", "invoices?total[between]=[x,y]", b""),
        ("chargebee", "GET", f"invoices?total[gt]={'9' * 5000}", b""),
        ("whop", "POST", "invoices", b'{"a": "\xff"}'),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_providers_words(
    name: str, method: str, path: str, content: bytes
) -> None:
    """Bytes that are not UTF-8, numbers that are none: 400 in JSON, not the end of the request with a traceback."""
    with running(names=[name]) as served:
        emulator = served.emulators[name]
        headers = {"Authorization": providers.get(name).auth(emulator.key), "Api-Version-Date": "2026-10-15-1"}
        answer = httpx.request(method, f"{served.base_urls[name]}/{path}", content=content, headers=headers)
    assert answer.status_code in {400, 422}, answer.text
    assert isinstance(answer.json(), dict)


def test_a_page_of_a_size_that_is_no_number_is_a_page() -> None:
    """Whop names no refusal of it: thousands of digits are read as any other text."""
    with running(names=["whop"]) as served:
        emulator = served.emulators["whop"]
        headers = {"Authorization": providers.get("whop").auth(emulator.key), "Api-Version-Date": "2026-10-15-1"}
        url = f"{served.base_urls['whop']}/invoices?account_id=biz_42&first={'9' * 5000}"
        assert httpx.get(url, headers=headers).status_code == 200


def test_what_is_no_port_is_refused() -> None:
    """A number beyond the range is a fault of the caller, not a crash."""
    with pytest.raises(ConfigurationError, match="70000 is not a port"), running(70000, names=["stripe"]):
        pass


def test_the_server_listens_on_loopback_only() -> None:
    """Nobody else on the network can reach the emulators."""
    with running(names=["stripe"]) as served:
        assert served.url.startswith("http://127.0.0.1:")
