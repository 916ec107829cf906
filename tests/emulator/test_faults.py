"""What goes wrong on schedule: what a client sees of it, and what the provider did all the same."""

import re
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import timedelta
from typing import Any

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults, Hit, Kind
from tests.emulator.bench import BILLS, NAMES, Connect, Wire, emulated

each_provider = pytest.mark.parametrize("name", NAMES)

# kind → (the exception or the HTTP status that a client meets, how many invoices there are then)
SEEN: dict[Kind, tuple[type[Exception] | int, int]] = {
    Kind.LATENCY: (200, 1),
    Kind.RESET_BEFORE: (httpx.ReadError, 0),
    Kind.RESET_AFTER: (httpx.ReadError, 1),
    Kind.TIMEOUT_AFTER: (httpx.ReadTimeout, 1),
    Kind.DELAYED_COMMIT: (httpx.ReadError, 0),
    Kind.ERROR_AFTER: (500, 1),
    Kind.HTML_502_BEFORE: (502, 0),
    Kind.HTML_502_AFTER: (502, 1),
    Kind.TORN_JSON: (200, 1),
    Kind.TRUNCATED_BODY: (httpx.RemoteProtocolError, 1),
    Kind.SLOW_BODY: (200, 1),
    Kind.THROTTLED: (429, 0),
    Kind.THROTTLED_FOR: (429, 0),
    Kind.THROTTLED_UNTIL: (429, 0),
    Kind.IN_PROGRESS: (409, 0),
    Kind.WRONG_CONTENT_TYPE: (200, 1),
}


def faults_of(name: str, *faults: Fault, **switches: bool) -> tuple[Faults, Any]:
    """An emulator with these faults, and the emulator."""
    emulator = emulated(name, switches=switches)
    return Faults(emulator, faults), emulator


def met(call: Any) -> type[Exception] | int:
    """The class of what a call raises, or the status that it brings."""
    try:
        return int(call().status_code)
    except httpx.HTTPError as error:
        return type(error)


# ── what a client sees ───────────────────────────────────────────────────────────────────────────────────────────────
def test_every_kind_is_in_the_table() -> None:
    """The table below leaves out stale listings alone, which no writing request meets."""
    assert set(SEEN) == set(Kind) - {Kind.STALE_LISTING}


@each_provider
@pytest.mark.parametrize("kind", SEEN)
def test_what_a_client_meets_and_what_was_done(name: str, kind: Kind, connect: Connect) -> None:
    """The exact exception or status of every kind, at every provider, in memory and over TCP; the next is answered."""
    faults, emulator = faults_of(name, Fault(kind, "POST", seconds=0.01))
    wire = connect(faults, timeout=0.3 if kind is Kind.TIMEOUT_AFTER else 5.0)
    seen, bills = SEEN[kind]
    assert met(wire.bill) == seen
    assert len(emulator.invoices) == bills
    assert faults.hits == [Hit(Fault(kind, "POST", seconds=0.01), BILLS[name][0], applied=bills == 1)]
    assert met(wire.list) == 200


@pytest.mark.parametrize("kind", [Kind.LATENCY, Kind.SLOW_BODY])
def test_what_comes_too_late_is_a_read_timeout(kind: Kind, connect: Connect) -> None:
    """The client gives up, and the bill is there."""
    faults, emulator = faults_of("stripe", Fault(kind, seconds=0.6))
    assert met(connect(faults, timeout=0.2).bill) is httpx.ReadTimeout
    assert len(emulator.invoices) == 1


def test_a_torn_answer_is_a_whole_message(connect: Connect) -> None:
    """Content-Length is right, and the text stops in the middle."""
    faults, _ = faults_of("stripe", Fault(Kind.TORN_JSON))
    answer = connect(faults).bill()
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.content.startswith(b'{"id":"in_00000001"')
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()


def test_a_truncated_body_promises_more_than_arrives(connect: Connect) -> None:
    """The client says how much of it came."""
    faults, _ = faults_of("stripe", Fault(Kind.TRUNCATED_BODY))
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        connect(faults).bill()
    received, expected = re.findall(r"\d+", str(caught.value))
    assert (int(received), int(expected) > 1000) == (int(expected) // 2, True)


@pytest.mark.parametrize("kind", [Kind.HTML_502_BEFORE, Kind.HTML_502_AFTER])
def test_a_proxys_page_is_html(kind: Kind, connect: Connect) -> None:
    """Nothing in it is the provider's."""
    faults, _ = faults_of("stripe", Fault(kind))
    answer = connect(faults).bill()
    assert answer.headers["content-type"] == "text/html"
    assert answer.text.startswith("<html>")


def test_a_wrong_content_type_leaves_the_json_as_it_is(connect: Connect) -> None:
    """Only the header lies."""
    faults, _ = faults_of("stripe", Fault(Kind.WRONG_CONTENT_TYPE))
    answer = connect(faults).bill()
    assert answer.headers["content-type"] == "text/html"
    assert answer.json()["id"] == "in_00000001"


async def test_an_asynchronous_client_meets_the_same() -> None:
    """In memory both kinds of httpx client raise the same exceptions."""
    faults, emulator = faults_of("stripe", Fault(Kind.RESET_AFTER), Fault(Kind.TIMEOUT_AFTER))
    headers = {"Authorization": f"Bearer {emulator.key}"}
    async with httpx.AsyncClient(transport=EmulatorTransport(faults)) as http:
        with pytest.raises(httpx.ReadError):
            await http.post("http://127.0.0.1:1/v1/customers", headers=headers)
        with pytest.raises(httpx.ReadTimeout):
            await http.post("http://127.0.0.1:1/v1/customers", headers=headers)
    assert len(emulator.customers) == 3


# ── the schedule ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_skip_and_times_say_which_requests_are_hit(connect: Connect) -> None:
    """The first two pass, the next two are hit, the rest pass."""
    faults, _ = faults_of("stripe", Fault(Kind.THROTTLED, "GET", skip=2, times=2))
    wire = connect(faults)
    assert [wire.list().status_code for _ in range(6)] == [200, 200, 429, 429, 200, 200]


@pytest.mark.parametrize(
    "fault,hit",
    [
        (Fault(Kind.THROTTLED), True),
        (Fault(Kind.THROTTLED, "POST"), False),
        (Fault(Kind.THROTTLED, "get"), False),
        (Fault(Kind.THROTTLED, path="/v1/invoices"), True),
        (Fault(Kind.THROTTLED, path="^/v1/invoices$"), False),
        (Fault(Kind.THROTTLED, path="^/v1/invoices/in_[0-9]+/lines$"), True),
        (Fault(Kind.THROTTLED, path="/a b$"), False),
    ],
)
def test_method_and_path_say_which_requests_fit(fault: Fault, hit: bool, connect: Connect) -> None:
    """The method is exact; the path is a regular expression, found anywhere in the path."""
    faults, _ = faults_of("stripe", fault)
    assert connect(faults).ask("GET", "/v1/invoices/in_1/lines").status_code == (429 if hit else 404)


def test_a_path_is_matched_decoded_and_below_the_root(connect: Connect) -> None:
    """What the client percent-encodes is written plainly in a fault."""
    faults, _ = faults_of("stripe", Fault(Kind.THROTTLED, path="^/v1/invoices/a b$"))
    assert connect(faults).ask("GET", "/v1/invoices/a%20b").status_code == 429
    assert faults.hits[0].path == "/v1/invoices/a b"


def test_the_first_fault_that_takes_a_request_has_it(connect: Connect) -> None:
    """The faults behind it have not seen that request: they wait for the next."""
    faults, _ = faults_of("stripe", Fault(Kind.THROTTLED), Fault(Kind.HTML_502_BEFORE), Fault(Kind.THROTTLED, skip=1))
    wire = connect(faults)
    assert [wire.list().status_code for _ in range(5)] == [429, 502, 200, 429, 200]


def test_one_fault_hits_one_of_many_threads(connect: Connect) -> None:
    """Requests are taken one at a time: exactly one of twenty is hit."""
    faults, emulator = faults_of("stripe", Fault(Kind.THROTTLED, "POST"))
    wire = connect(faults)
    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(lambda n: wire.bill(f"key-{n}").status_code, range(20)))
    assert sorted(statuses) == [200] * 19 + [429]
    assert len(emulator.invoices) == 19


def test_without_faults_it_answers_as_the_emulator_does() -> None:
    """The same bytes, delivered whole."""
    request = Request("GET", "http://x/v1/invoices", {"Authorization": "Bearer sk_test_not_a_key"})
    delivery = Faults(emulated("stripe")).deliver(request, "http://x")
    assert (delivery.manner, delivery.answer) == ("whole", emulated("stripe")(request, "http://x"))


@pytest.mark.parametrize(
    "wrong", [{"skip": -1}, {"times": 0}, {"behind": 0}, {"lands_after": 0}, {"lands_after": -1}, {"path": "("}]
)
def test_a_fault_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    """At once, not when a request comes."""
    with pytest.raises((ValueError, re.error)):
        Fault(Kind.DELAYED_COMMIT, **wrong)


def test_a_kind_may_be_given_by_its_word() -> None:
    """A word that is no kind is refused."""
    word: Any = "reset_after"
    assert Fault(word).kind is Kind.RESET_AFTER
    with pytest.raises(ValueError, match="'nonsense' is not a valid Kind"):
        Fault("nonsense")  # type: ignore[arg-type]


# ── a stale listing ──────────────────────────────────────────────────────────────────────────────────────────────────
@each_provider
def test_a_stale_listing_does_not_know_the_latest_write(name: str, connect: Connect) -> None:
    """Two bills are made; one listing shows the first alone, the next one shows both."""
    faults, emulator = faults_of(name, Fault(Kind.STALE_LISTING))
    wire = connect(faults)
    wire.bill("key-1")
    wire.bill("key-2")
    shown = [len(next(rows for rows in wire.list().json().values() if isinstance(rows, list))) for _ in range(2)]
    assert shown == [1, 2]
    assert len(emulator.invoices) == 2
    assert [hit.applied for hit in faults.hits] == [False]


def test_a_listing_may_lag_behind_several_writes(connect: Connect) -> None:
    """Three writes behind, none of the three bills is there; further back than the first it cannot go."""
    faults, _ = faults_of("stripe", *(Fault(Kind.STALE_LISTING, behind=number) for number in (3, 9, 1)))
    wire = connect(faults)
    for number in range(3):
        wire.bill(f"key-{number}")
    assert [len(wire.list().json()["data"]) for _ in range(4)] == [0, 0, 2, 3]


def test_only_listings_are_stale(connect: Connect) -> None:
    """An invoice that is read by its id is there at once; its lines are a listing."""
    faults, _ = faults_of("stripe", Fault(Kind.STALE_LISTING))
    wire = connect(faults)
    wire.bill()
    assert wire.ask("GET", "/v1/invoices/in_00000001").status_code == 200
    assert faults.hits == []
    assert wire.ask("GET", "/v1/invoices/in_00000001/lines").status_code == 404


def test_replays_and_refusals_are_no_writes(connect: Connect) -> None:
    """The listing misses the bill itself, however often its request came again."""
    faults, _ = faults_of("stripe", Fault(Kind.STALE_LISTING))
    wire = connect(faults)
    wire.bill()
    assert wire.bill().headers["idempotent-replayed"] == "true"
    assert wire.ask("POST", "/v1/invoices/nothing/void").status_code == 404
    assert wire.list().json()["data"] == []


@each_provider
def test_a_copy_of_an_emulator_is_its_own(name: str) -> None:
    """What happens to the copy does not happen to the original; both have the same present."""
    clock = FakeClock(step=timedelta(seconds=1))
    emulator = providers.get(name).emulator(clock=clock)
    copy = deepcopy(emulator)
    wire_faults = Faults(copy)
    with httpx.Client(transport=EmulatorTransport(wire_faults)) as http:
        Wire(name, "http://127.0.0.1:1", http).bill()
    assert (len(copy.invoices), len(emulator.invoices)) == (1, 0)
    assert (copy.kept.keys(), emulator.kept.keys()) == ({"key-1"}, set())
    assert copy.clock is clock
    assert copy._lock is not emulator._lock
