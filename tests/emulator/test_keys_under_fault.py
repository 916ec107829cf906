"""What an idempotency key means while something goes wrong, and how our adapters read what the providers say then."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.core import IncomingRequest, StoredResponse
from invoice_bridge.core.errors import (
    InvalidState,
    ProviderError,
    RateLimited,
    Rejected,
    ServerError,
    UnreadableServerError,
)
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator import Emulator, EmulatorTransport, Fault, Faults, Kind
from tests.emulator.bench import NAMES, Connect, emulated
from tests.refusals import classified

each_provider = pytest.mark.parametrize("name", NAMES)
WAITS = ("chargeapi", "chargebee")
"""Where the switch "in_progress_waits" says whether the second request waits for the first."""


def faults_of(name: str, *faults: Fault, **switches: bool) -> tuple[Faults, Any]:
    """An emulator with these faults, and the emulator."""
    emulator = emulated(name, switches=switches)
    return Faults(emulator, faults), emulator


def read(name: str, answer: httpx.Response) -> ProviderError:
    """What our adapter makes of an answer."""
    return providers.get(name).error(Response(answer.status_code, answer.content, dict(answer.headers), name))


# ── a commit that is late ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name,code",
    [
        ("stripe", "idempotency_key_in_use"),
        ("whop", "idempotency_request_in_progress"),
        ("chargeapi", None),
        ("chargebee", "invalid_state_for_request"),
    ],
)
def test_a_key_is_in_use_until_its_request_has_landed(name: str, code: str | None, connect: Connect) -> None:
    """409 in the provider's words, however often it comes; then the same key replays, and there is one bill."""
    switches = {"in_progress_waits": False} if name in WAITS else {}
    faults, emulator = faults_of(name, Fault(Kind.DELAYED_COMMIT), **switches)
    wire = connect(faults)
    with pytest.raises(httpx.ReadError):
        wire.bill()
    for _ in range(2):
        refused = wire.bill()
        assert (refused.status_code, read(name, refused).code) == (409, code)
    assert len(emulator.invoices) == 0
    assert [hit.applied for hit in faults.hits] == [False]
    assert [answer.status for answer in faults.land()] == [200]
    assert [hit.applied for hit in faults.hits] == [True]
    assert wire.bill().status_code == 200
    assert len(emulator.invoices) == 1
    assert faults.land() == []


@pytest.mark.parametrize("name", WAITS)
def test_a_key_may_wait_for_its_first_request(name: str, connect: Connect) -> None:
    """Where the provider waits, the second request is answered with what the first one did, and there is one bill."""
    faults, emulator = faults_of(name, Fault(Kind.DELAYED_COMMIT), in_progress_waits=True)
    wire = connect(faults)
    with pytest.raises(httpx.ReadError):
        wire.bill()
    assert wire.bill().status_code == 200
    assert len(emulator.invoices) == 1
    assert [hit.applied for hit in faults.hits] == [True]
    assert faults.land() == []


@each_provider
def test_another_key_does_not_wait(name: str, connect: Connect) -> None:
    """A new key for the same bill makes a second one, and the first still lands: the harm that a key prevents."""
    faults, emulator = faults_of(name, Fault(Kind.DELAYED_COMMIT))
    wire = connect(faults)
    with pytest.raises(httpx.ReadError):
        wire.bill("key-1")
    assert wire.bill("key-2").status_code == 200
    assert len(emulator.invoices) == 1
    faults.land()
    assert len(emulator.invoices) == 2


def test_a_commit_lands_after_so_many_further_requests(connect: Connect) -> None:
    """After the second one has been answered: the third sees it."""
    faults, _ = faults_of("stripe", Fault(Kind.DELAYED_COMMIT, lands_after=2))
    wire = connect(faults)
    with pytest.raises(httpx.ReadError):
        wire.bill()
    assert [len(wire.list().json()["data"]) for _ in range(3)] == [0, 0, 1]


def test_a_request_without_a_key_lands_too(connect: Connect) -> None:
    """A DELETE takes effect late; a reading request is never held."""
    faults, emulator = faults_of("stripe", Fault(Kind.DELAYED_COMMIT, skip=1))
    wire = connect(faults)
    wire.bill()
    assert wire.list().status_code == 200
    with pytest.raises(httpx.ReadError):
        wire.ask("DELETE", "/v1/invoices/in_00000001")
    assert list(emulator.invoices) == ["in_00000001"]
    assert [answer.status for answer in faults.land()] == [200]
    assert list(emulator.invoices) == []


def test_a_key_that_is_held_twice_lands_once(connect: Connect) -> None:
    """The second try is lost as well, and adds nothing to the first."""
    faults, emulator = faults_of("stripe", Fault(Kind.DELAYED_COMMIT, times=2))
    wire = connect(faults)
    for _ in range(2):
        with pytest.raises(httpx.ReadError):
            wire.bill()
    assert len(faults.land()) == 1
    assert len(emulator.invoices) == 1


@each_provider
def test_a_late_commit_may_be_refused(name: str, connect: Connect) -> None:
    """It is judged when it lands; a refusal is nothing applied."""
    faults, emulator = faults_of(name, Fault(Kind.DELAYED_COMMIT))
    wire = connect(faults)
    with pytest.raises(httpx.ReadError):
        wire.ask("POST", "/nothing", headers={wire.declared.idempotency.header: "key-1"})
    assert [answer.status for answer in faults.land()] == [404]
    assert [hit.applied for hit in faults.hits] == [False]
    assert emulator.running == set()


# ── a server error after the fact ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name,switches,then,bills",
    [
        ("stripe", {}, 500, 1),  # the first result is stored, 500 included
        ("whop", {}, 409, 1),  # it ended unknown
        ("whop", {"server_error_replayed": True}, 500, 1),
        ("chargeapi", {}, 500, 1),  # the first request's outcome is authoritative
        ("chargeapi", {"server_errors_stored": False}, 200, 2),
        ("chargebee", {}, 200, 2),  # not documented: the reading that does harm
        ("chargebee", {"failures_stored": True}, 500, 1),
    ],
)
def test_what_a_key_remembers_of_a_server_error(
    name: str, switches: dict[str, bool], then: int, bills: int, connect: Connect
) -> None:
    """The bill is there, its answer is HTTP 500; the same key then gives what the provider keeps."""
    faults, emulator = faults_of(name, Fault(Kind.ERROR_AFTER), **switches)
    wire = connect(faults)
    assert wire.bill().status_code == 500
    assert [hit.applied for hit in faults.hits] == [True]
    assert [wire.bill().status_code, len(emulator.invoices)] == [then, bills]


@each_provider
def test_a_server_error_on_a_replay_changes_nothing(name: str, connect: Connect) -> None:
    """What is kept under the key is the first answer."""
    faults, emulator = faults_of(name, Fault(Kind.ERROR_AFTER, skip=1))
    wire = connect(faults)
    first = wire.bill()
    assert wire.bill().status_code == 500
    assert [hit.applied for hit in faults.hits] == [False]
    assert wire.bill().content == first.content
    assert len(emulator.invoices) == 1


@each_provider
@pytest.mark.parametrize(
    "kind", [Kind.RESET_AFTER, Kind.TIMEOUT_AFTER, Kind.TRUNCATED_BODY, Kind.TORN_JSON, Kind.HTML_502_AFTER]
)
def test_what_is_lost_on_the_way_is_kept_under_the_key(name: str, kind: Kind, connect: Connect) -> None:
    """The provider knows nothing of it: the same key replays its answer, and there is one bill."""
    faults, emulator = faults_of(name, Fault(kind))
    wire = connect(faults, timeout=0.3)
    try:
        wire.bill()
    except httpx.TransportError:
        assert kind not in {Kind.TORN_JSON, Kind.HTML_502_AFTER}
    assert wire.bill().status_code == 200
    assert len(emulator.invoices) == 1


@each_provider
@pytest.mark.parametrize("kind", [Kind.RESET_BEFORE, Kind.HTML_502_BEFORE, Kind.THROTTLED, Kind.IN_PROGRESS])
def test_what_was_never_applied_leaves_the_key_free(name: str, kind: Kind, connect: Connect) -> None:
    """The next request with the key makes the bill."""
    faults, emulator = faults_of(name, Fault(kind))
    wire = connect(faults)
    try:
        wire.bill()
    except httpx.TransportError:
        assert kind is Kind.RESET_BEFORE
    assert len(emulator.invoices) == 0
    assert wire.bill().status_code == 200
    assert len(emulator.invoices) == 1


def test_only_a_request_with_a_key_can_be_in_progress(connect: Connect) -> None:
    """Without a key there is no first request to wait for."""
    faults, _ = faults_of("stripe", Fault(Kind.IN_PROGRESS))
    wire = connect(faults)
    assert wire.list().status_code == 200
    assert wire.bill(None).status_code == 200
    assert wire.bill().status_code == 409


# ── how our adapters read it ─────────────────────────────────────────────────────────────────────────────────────────
@each_provider
def test_throttling_is_read_in_every_provider_s_words(name: str, connect: Connect) -> None:
    """RateLimited, with the seconds of Retry-After where it gives seconds; nothing was applied."""
    faults, _ = faults_of(name, Fault(Kind.THROTTLED), Fault(Kind.THROTTLED_FOR, seconds=6.2))
    wire = connect(faults)
    errors = [read(name, wire.bill()) for _ in range(2)]
    assert [type(error) for error in errors] == [RateLimited, RateLimited]
    assert [error.retry_after for error in errors if isinstance(error, RateLimited)] == [None, 7]
    assert [classified(error).maybe_applied for error in errors] == [False, False]
    assert [error.message.startswith("Too many requests") for error in errors] == [True, True]


@each_provider
def test_throttling_until_a_date_is_seven_seconds_after_the_answers_own(name: str, connect: Connect) -> None:
    """Both dates are the provider's present, so that the wait can be told without a clock of one's own."""
    faults, emulator = faults_of(name, Fault(Kind.THROTTLED_UNTIL, seconds=6.2))
    answer = connect(faults).bill()
    until, now = (parsedate_to_datetime(answer.headers[name]) for name in ("Retry-After", "Date"))
    assert isinstance(read(name, answer), RateLimited)
    assert (until - now).total_seconds() == 7
    assert now == emulator.clock()


@each_provider
def test_a_server_error_is_read_in_every_provider_s_words(name: str, connect: Connect) -> None:
    """ServerError, and the request may have been applied."""
    faults, _ = faults_of(name, Fault(Kind.ERROR_AFTER))
    error = read(name, connect(faults).bill())
    assert (type(error), classified(error).maybe_applied, error.status) == (ServerError, True, 500)


@pytest.mark.parametrize(
    "name,becomes,maybe",
    [
        ("stripe", Rejected, True),
        ("whop", Rejected, True),
        ("chargeapi", InvalidState, True),
        # not documented: taken for the one code that goes with 409, which means a state error everywhere else
        ("chargebee", InvalidState, False),
    ],
)
def test_in_progress_is_read_in_every_provider_s_words(
    name: str, becomes: type[ProviderError], maybe: bool, connect: Connect
) -> None:
    """The first request may be applied, as far as the words can tell."""
    faults, _ = faults_of(name, Fault(Kind.IN_PROGRESS))
    error = read(name, connect(faults).bill())
    assert (type(error), classified(error).maybe_applied, error.status) == (becomes, maybe, 409)


def test_a_key_in_use_is_no_key_reused(connect: Connect) -> None:
    """Whatever type Stripe gives it, its code says that the first request may be applied."""
    faults, _ = faults_of("stripe", Fault(Kind.IN_PROGRESS), in_use_is_idempotency_error=True)
    answer = connect(faults).bill()
    assert answer.json()["error"]["type"] == "idempotency_error"
    error = read("stripe", answer)
    assert (type(error), classified(error).maybe_applied) == (Rejected, True)


class Plain(Emulator):
    """An emulator that says nothing of its own about what goes wrong, as an adapter's first version may not."""

    name, key, key_header, customer = "plain", "not_a_key", "Key", "cus_1"
    window = emulated("stripe").window
    ROUTES = (("POST", "/bills", "create"),)

    def authenticate(self, call: IncomingRequest) -> None:
        """Let everybody in."""

    def no_such_route(self, call: IncomingRequest) -> Response:
        """404."""
        raise NotImplementedError

    def mismatch(self, call: IncomingRequest, kept: StoredResponse) -> Response:
        """400."""
        raise NotImplementedError

    def create(self, _call: IncomingRequest) -> Response:
        """POST /bills."""
        return self.json({"id": self.next_id("bill_")})


@pytest.mark.parametrize(
    "kind,status,becomes",
    [
        (Kind.THROTTLED_FOR, 429, RateLimited),
        (Kind.ERROR_AFTER, 500, UnreadableServerError),
        (Kind.IN_PROGRESS, 409, None),
    ],
)
def test_an_emulator_need_not_say_how_it_fails(kind: Kind, status: int, becomes: type[ProviderError] | None) -> None:
    """It answers as a proxy in front of it would, in no words of a provider's."""
    emulator = Plain()
    with httpx.Client(transport=EmulatorTransport(Faults(emulator, [Fault(kind, seconds=3)]))) as http:
        answer = http.post("http://127.0.0.1:1/bills", headers={"Key": "k"})
        again = http.post("http://127.0.0.1:1/bills", headers={"Key": "k"})
    assert (answer.status_code, again.status_code) == (status, 500 if status == 500 else 200)
    error = read("stripe", answer)
    assert becomes is None or type(error) is becomes
    assert getattr(error, "retry_after", None) == (3 if status == 429 else None)
