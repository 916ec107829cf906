"""The control API of the served emulators, and the port of each provider, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    Client,
    Collection,
    ConfigurationError,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Unreachable,
    providers,
)
from invoice_bridge.adapter.emulation.core import FakeClock, LedgerEntry
from invoice_bridge.emulator.control import PATH
from invoice_bridge.emulator.harm import find_harm
from invoice_bridge.emulator.server import Served, running
from tests.clients import no_waiting  # noqa: F401 - a fixture

BASE: dict[str, dict[str, Any]] = {"chargebee": {"site": "acme-test"}, "whop": {"account_id": "biz_42"}}


def charge(reference: str) -> OneTimeCharge:
    """A small bill."""
    return OneTimeCharge(reference=reference, customer="cus_42", amount=Money(1999, "EUR"))


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """All providers, at a fixed time."""
    with running(clock=FakeClock()) as served:
        yield served


_HTTP = httpx.Client()  # one for all: a new one reads the certificates of the machine first


class Control:
    """The control API of one provider."""

    def __init__(self, served: Served, name: str = "stripe") -> None:
        self.root = f"{served.url}/{name}/{PATH}"
        self.ask("POST", "reset")

    def ask(self, method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        """Return the JSON of an answer of 200."""
        answer = self.send(method, path, body, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method: str, path: str = "", body: Any = None, **headers: str) -> httpx.Response:
        """Send one request."""
        return _HTTP.request(method, f"{self.root}/{path}", json=body, headers=headers)


def client_of(served: Served, name: str = "stripe", **more: Any) -> Client:
    """A client at the provider's port of its own."""
    key = served.emulators[name].key
    return Client(name, api_key=key, base_url=served.own_urls[name], lookup="never", **BASE.get(name, {}), **more)


# ── a port for each provider ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
def test_a_provider_has_a_port_without_a_prefix(server: Served, name: str) -> None:
    """A client bills there as it would at the provider, which has no prefix either."""
    Control(server, name)
    assert server.own_urls[name].startswith(f"http://127.0.0.1:{server.own_ports[name]}")
    with client_of(server, name) as alone:
        assert list(alone.list()) == []
    assert server.emulators[name].requests == 1


def test_a_bill_on_its_own_port_is_listed_below_the_prefix(server: Served) -> None:
    """One emulator, two addresses."""
    Control(server)
    with client_of(server) as alone:
        made = alone.create(charge("res-1"))
    with Client("stripe", api_key="sk_test_not_a_key", base_url=server.base_urls["stripe"]) as shared:
        assert [invoice.id for invoice in shared.list()] == [made.id]
    assert made.pdf_url is not None
    assert made.pdf_url.startswith(server.own_urls["stripe"])


def test_the_ports_follow_the_first_one() -> None:
    """In the order of the names, so that a configuration can be written down."""
    with running(first_port=0, names=["stripe", "whop"]) as served:
        assert set(served.own_ports) == {"stripe", "whop"}
        taken = served.own_ports["stripe"]
        with (
            pytest.raises(ConfigurationError, match=rf"^port {taken} of 127\.0\.0\.1 cannot be used: it is already"),
            running(first_port=taken, names=["whop"]),
        ):
            pass


def test_the_root_lists_both_forms_as_the_reader_addresses_them(server: Served) -> None:
    """A container is reached by another name than the one it listens on."""
    listed = httpx.get(server.url, headers={"Host": "emulators.test:80"}).json()["providers"]["chargebee"]
    assert listed["base_url"] == "http://emulators.test:80/chargebee/api/v2"
    assert listed["own_url"] == f"http://emulators.test:{server.own_ports['chargebee']}/api/v2"
    assert listed["control"] == "http://emulators.test:80/chargebee/_control"


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
def test_no_provider_has_a_path_of_the_control_api(name: str) -> None:
    """It never hides a route."""
    routes = providers.get(name).emulator().ROUTES
    assert routes
    assert not [path for _, path, _ in routes if path.strip("/").split("/")[0] in {PATH, "_ledger"}]


# ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_clock_is_read_set_advanced_and_reset(server: Served) -> None:
    """It runs on from where it is set unless it is stopped."""
    control = Control(server)
    assert control.ask("GET", "clock") == {"now": "2026-11-02T09:00:00+00:00", "runs": True}
    stopped = {"now": "2027-01-01T00:00:00+00:00", "runs": False}
    assert control.ask("PUT", "clock", {"now": "2027-01-01T01:00:00+01:00", "runs": False}) == stopped
    assert control.ask("POST", "clock/advance", {"seconds": 86400})["now"] == "2027-01-02T00:00:00+00:00"
    assert control.ask("DELETE", "clock")["now"] == "2026-11-02T09:00:00+00:00"


def test_an_invoice_comes_due_when_the_clock_advances(server: Served) -> None:
    """The provider's own state follows its clock."""
    control = Control(server, "chargebee")
    bill = charge("res-1").model_copy(update={"collection": Collection.send(net_days=14)})
    with client_of(server, "chargebee", reference_field="cf_reference") as client:
        made = client.create(bill, allow=["collection"])
        assert made.native_status == "posted"
        control.ask("POST", "clock/advance", {"seconds": 86400 * 15})
        assert client.retrieve(made.id).native_status == "payment_due"


def test_each_provider_has_its_own_clock(server: Served) -> None:
    """Advancing one moves no other."""
    one, other = Control(server), Control(server, "whop")
    one.ask("POST", "clock/advance", {"seconds": 60})
    assert one.ask("GET", "clock")["now"] != other.ask("GET", "clock")["now"]


@pytest.mark.parametrize(
    "method,path,body,message",
    [
        ("PUT", "clock", {"now": "2026-11-02T09:00:00"}, "write the offset"),
        ("PUT", "clock", {"now": "1999-11-02T09:00:00Z"}, "the clock can show"),
        ("PUT", "clock", {"now": "2026-11-02T09:00:00Z", "run": True}, "run: Extra inputs are not permitted"),
        ("PUT", "clock", {}, "now: Field required"),
        ("POST", "clock/advance", {"seconds": -1}, "to move it back, set it"),
        ("POST", "clock/advance", {"seconds": 1e300}, "the clock advances by 0 to 62"),
        ("POST", "faults", {"kind": "nope"}, "there is no fault 'nope'; there are: latency"),
        ("POST", "faults", {"kind": "latency", "times": 0}, "times"),
        ("POST", "faults", {"kind": "latency", "path": "("}, "missing )"),
        ("POST", "faults", {"kind": "latency", "method": "post"}, "there is no method 'post'; there are: GET, POST"),
        ("PATCH", "switches", {"nope": True}, "stripe has no switch nope; it has: void_uncollectible"),
        ("PATCH", "switches", {"search": "off"}, "true or false"),
        ("PATCH", "switches", [1], "true or false"),
        ("POST", "reset", {"switches": {"search": "off"}}, "switches.search"),
        ("POST", "reset", {"switches": {"nope": True}}, "stripe has no switch nope"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    server: Served, method: str, path: str, body: Any, message: str
) -> None:
    """400, and nothing has changed."""
    control = Control(server)
    before = control.ask("GET")
    answer = control.send(method, path, body)
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]
    assert control.ask("GET") == before


def test_an_unknown_path_or_method_names_those_that_exist(server: Served) -> None:
    """404 and 405."""
    control = Control(server)
    missing = control.send("GET", "clocks")
    assert (missing.status_code, "clock/advance" in missing.json()["error"]) == (404, True)
    wrong = control.send("POST", "clock", {})
    assert (wrong.status_code, wrong.json()["error"]) == (405, "_control/clock takes GET, PUT, DELETE")


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_fault_is_added_hits_and_is_cleared(server: Served) -> None:
    """The requests it hit are listed, with whether they took effect."""
    control = Control(server)
    fault = {"kind": "reset_after", "method": "POST", "path": "/v1/invoices$", "times": 5}
    assert control.ask("POST", "faults", fault)["faults"][0]["matched"] == 0
    with client_of(server, timeout=2.0, deadline=0.3) as client, pytest.raises(OutcomeUnknown):
        client.create(charge("res-1"))
    hits = control.ask("GET", "faults")["hits"]
    assert hits[0] == {"kind": "reset_after", "path": "/v1/invoices", "applied": True}
    assert control.ask("DELETE", "faults")["faults"] == []
    with client_of(server) as client:
        assert client.create(charge("res-1")).total == Money(1999, "EUR")
    assert control.ask("GET", "ledger")["harm"] == []


def test_a_delayed_commit_lands_on_request(server: Served) -> None:
    """Until then the write has not happened."""
    control = Control(server)
    control.ask("POST", "faults", {"kind": "delayed_commit", "method": "POST", "path": "/v1/customers$"})
    headers = {"Authorization": "Bearer sk_test_not_a_key"}
    with pytest.raises(httpx.ReadError):
        httpx.post(f"{server.own_urls['stripe']}/v1/customers", headers=headers)
    assert control.ask("GET", "faults")["landing"] == 1
    assert control.ask("GET")["writes"] == 0
    assert control.ask("POST", "faults/land")["landing"] == 0
    assert control.ask("GET")["writes"] == 1


# ── ledger, switches, reset ──────────────────────────────────────────────────────────────────────────────────────────
def test_the_ledger_names_what_should_not_have_happened(server: Served) -> None:
    """A bill that another program makes twice under one reference is billed twice."""
    control = Control(server)
    for _ in range(2):
        control.ask("POST", "clock/advance", {"seconds": 90000})  # the key is forgotten
        with client_of(server) as client:  # which does not look
            client.create(charge("res-1"))
    found = control.ask("GET", "ledger")
    assert [entry["event"] for entry in found["ledger"]] == ["issued", "issued"]
    ids = [entry["invoice_id"] for entry in found["ledger"]]
    assert found["harm"] == [f"the reference res-1 is billed 2 times: {ids[0]}, {ids[1]}"]


def _entry(event: str, invoice_id: str = "in_1", units: int = 100, reference: str | None = "res-1") -> LedgerEntry:
    return LedgerEntry(event, invoice_id, "cus_42", units, "eur", reference, FakeClock().now)


@pytest.mark.parametrize(
    "ledger,harm",
    [
        ([_entry("issued"), _entry("collected")], []),
        ([_entry("issued"), _entry("voided"), _entry("issued", "in_2")], []),
        ([_entry("issued", reference=None), _entry("issued", "in_2", reference=None)], []),
        ([_entry("issued"), _entry("collected", units=40), _entry("collected", units=60)], []),
        ([_entry("balance_applied", units=50), _entry("issued"), _entry("collected", units=150)], []),
        (
            [_entry("issued"), _entry("collected"), _entry("collected")],
            ["in_1 was collected 2 times, in total more than is due"],
        ),
        (
            [_entry("issued"), _entry("recorded"), _entry("collected")],
            ["in_1 was collected and recorded as paid, in total more than is due"],
        ),
        (
            [_entry("issued"), _entry("voided"), _entry("collected")],
            ["in_1 was collected after it was voided"],
        ),
    ],
)
def test_harm_is_found_and_nothing_else(ledger: list[LedgerEntry], harm: list[str]) -> None:
    """What a customer would complain about."""
    assert find_harm(ledger) == harm


def test_a_switch_is_changed_and_listed_with_its_source(server: Served) -> None:
    """From the next request on."""
    control = Control(server)
    assert control.ask("PATCH", "switches", {"search": False})["search"]["on"] is False
    headers = {"Authorization": "Bearer sk_test_not_a_key"}
    refused = httpx.get(f"{server.own_urls['stripe']}/v1/invoices/search?query=x", headers=headers)
    assert refused.json()["error"]["message"] == "Search is not supported for your account's country."
    assert "docs.stripe.com/search" in control.ask("GET", "switches")["search"]["sets"]
    assert control.ask("POST", "reset", {"switches": {"search": True}})["switches"]["search"]["on"] is True


def test_reset_begins_again(server: Served) -> None:
    """No invoices, no faults, and the same ids as at first."""
    control = Control(server)
    ids = []
    for _ in range(2):
        with client_of(server) as client:
            ids.append(client.create(charge("res-1")).id)
        control.ask("POST", "faults", {"kind": "throttled"})
        empty = control.ask("POST", "reset")
        assert (empty["requests"], empty["faults"], empty["hits"]) == (0, [], [])
        assert control.ask("GET", "ledger")["ledger"] == []
    assert ids[0] == ids[1]


def test_switches_of_the_start() -> None:
    """`running(switches=…)` sets them; a provider that is not served, or an unknown switch, is refused."""
    with running(names=["stripe"], switches={"stripe": {"search": False}}) as served:
        assert served.emulators["stripe"].switches["search"] is False
    with pytest.raises(ConfigurationError, match="no switch nope"), running(switches={"stripe": {"nope": True}}):
        pass
    with (
        pytest.raises(ConfigurationError, match="no emulator of whop is served"),
        running(names=["stripe"], switches={"whop": {}}),
    ):
        pass


# ── who may use it ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "headers,status",
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "evil.test"}, 403),
        ({"Host": "127.0.0.1.evil.test"}, 403),
        ({"Host": "]"}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
    ],
)
def test_pages_of_other_sites_are_refused(server: Served, headers: dict[str, str], status: int) -> None:
    """Neither a page's request nor a name that was made to resolve to this machine reaches the control API."""
    for root in (f"{server.url}/stripe", server.own_urls["stripe"]):
        for path in (PATH, f"{PATH}/ledger", "_ledger"):
            assert httpx.get(f"{root}/{path}", headers=headers).status_code == status


def test_a_server_on_another_address_takes_any_host() -> None:
    """A container is reached by a name that it does not know; a page of another site is refused all the same."""
    with running(host="0.0.0.0", names=["stripe"]) as served:
        root = f"http://127.0.0.1:{served.own_ports['stripe']}/{PATH}"
        assert httpx.get(root, headers={"Host": "emulators:8803"}).status_code == 200
        assert httpx.get(root, headers={"Origin": "https://evil.test"}).status_code == 403


def test_unreachable_is_used() -> None:
    """A closed port is Unreachable, so that the tests above do not pass against nothing."""
    with running(names=["stripe"]) as served:
        client = client_of(served, deadline=0.2)
    with client, pytest.raises(Unreachable):
        client.retrieve("in_1")
