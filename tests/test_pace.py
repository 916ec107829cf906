"""The pace of an account: never more than its limit in any window, slower after a refusal, shared by its clients."""

import gc
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import Client, ConfigurationError, RateLimited, providers
from invoice_bridge.adapter.declared import Rate
from invoice_bridge.client import options as module
from invoice_bridge.emulator.server import running
from invoice_bridge.engine.pace import RateLimiter
from tests.clients import BASE, KEY, row


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def paced(requests: int | None, seconds: int = 1) -> tuple[RateLimiter, Clock]:
    """A pace and its clock."""
    clock = Clock()
    return RateLimiter(None if requests is None else Rate(requests, seconds, "a test"), clock), clock


def most_in_any_window(sent: list[float], window: float) -> int:
    """The largest number of requests in a window that begins with one of them; its end is not part of it."""
    return max(sum(start <= other < start + window - 1e-9 for other in sent) for start in sent)


# ── the limit ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_burst_waits_for_the_next_window() -> None:
    """Three a second: three at once, three a second later, one two seconds later."""
    pace, _ = paced(3)
    assert [pace.reserve() for _ in range(7)] == [0, 0, 0, 1, 1, 1, 2]


def test_what_left_long_ago_does_not_count() -> None:
    """A window after the burst the whole limit is free again; a moment before, it is not."""
    pace, clock = paced(2, 10)
    assert [pace.reserve(), pace.reserve()] == [0, 0]
    clock.now += 9.5
    assert pace.reserve() == 0.5
    clock.now += 10.5
    assert [pace.reserve(), pace.reserve()] == [0, 0]


steps = st.lists(
    st.tuples(st.floats(0, 3, allow_nan=False), st.sampled_from(["", "", "", "served", "refused", "refused 2"])),
    min_size=1,
    max_size=80,
)


@given(limit=st.integers(1, 7), seconds=st.integers(1, 5), course=steps)
def test_for_every_course_no_window_holds_more_than_the_limit(
    limit: int, seconds: int, course: list[tuple[float, str]]
) -> None:
    """However requests come and are answered, no window holds more than the limit, and none is sent in the past."""
    pace, clock = paced(limit, seconds)
    sent: list[float] = []
    for pause, answer in course:
        clock.now += pause
        wait = pace.reserve()
        assert wait >= 0
        sent.append(clock.now + wait)
        if answer:
            pace.observe(throttled=answer != "served", retry_after=2 if answer == "refused 2" else None)
    assert sent == sorted(sent)
    assert most_in_any_window(sent, seconds) <= limit


@given(limit=st.integers(2, 9), course=st.lists(st.floats(0, 1, allow_nan=False), min_size=20, max_size=60))
def test_for_every_course_the_limit_is_used(limit: int, course: list[float]) -> None:
    """Nothing waits that need not: whatever waits, waits because its window is full."""
    pace, clock = paced(limit)
    sent: list[float] = []
    for pause in course:
        clock.now += pause
        at = clock.now + pace.reserve()
        if at > clock.now + 1e-9:
            assert sum(at - 1 - 1e-9 <= other for other in sent) >= limit
        sent.append(at)


def test_no_limit_is_no_wait() -> None:
    """Where the provider states no number, nothing waits until it refuses."""
    pace, _ = paced(None)
    assert {pace.reserve() for _ in range(10_000)} == {0}


# ── what the provider says ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_refusal_halves_the_limit_once_a_window() -> None:
    """Of eight, four; the other refusals of the same burst add nothing; a window later it is halved again."""
    pace, clock = paced(8)
    for _ in range(8):
        pace.reserve()
    for _ in range(5):
        pace.observe(throttled=True, retry_after=None)
    assert pace.allowed == 4
    clock.now += 1
    for _ in range(4):
        pace.reserve()
    pace.observe(throttled=True, retry_after=None)
    assert pace.allowed == 2


def test_a_refusal_halves_what_was_sent_where_that_is_less() -> None:
    """A limit that the provider does not keep to is learnt from what it refused: seven of twenty-five were too many."""
    pace, _ = paced(25)
    for _ in range(7):
        pace.reserve()
    pace.observe(throttled=True, retry_after=None)
    assert pace.allowed == 3
    unstated, _ = paced(None)
    for _ in range(10):
        unstated.reserve()
    unstated.observe(throttled=True, retry_after=None)
    assert unstated.allowed == 5


def test_a_young_account_is_not_stopped_for_a_window() -> None:
    """A tenth of the limit is left, or five requests where none is stated: one refusal tells little of a young one."""
    pace, _ = paced(150)
    pace.reserve()
    pace.observe(throttled=True, retry_after=0)
    assert (pace.allowed, pace.reserve()) == (15, 0)
    unstated, _ = paced(None)
    unstated.reserve()
    unstated.observe(throttled=True, retry_after=0)
    assert (unstated.allowed, unstated.reserve()) == (5, 0)


def test_it_never_stops_for_good() -> None:
    """However often it is refused, one request a window may leave."""
    pace, clock = paced(4)
    for _ in range(20):
        pace.reserve()
        pace.observe(throttled=True, retry_after=0)
        clock.now += 1
    assert pace.allowed == 1
    assert pace.reserve() < 1.5


def test_it_recovers_one_by_one_up_to_the_limit() -> None:
    """Each request that is served allows one more, and never more than the provider documents."""
    pace, _ = paced(8)
    for _ in range(8):
        pace.reserve()
    pace.observe(throttled=True, retry_after=None)
    recovered = []
    for _ in range(6):
        pace.observe(throttled=False, retry_after=None)
        recovered.append(pace.allowed)
    assert recovered == [5, 6, 7, 8, 8, 8]


@pytest.mark.parametrize("retry_after,closed", [(7, 7.0), (0, 0.0), (None, 1.0)])
def test_a_refusal_closes_the_gate_for_all(retry_after: int | None, closed: float) -> None:
    """Retry-After holds for every request of the account; without it, nothing leaves for a second."""
    pace, clock = paced(None)
    for _ in range(10):
        pace.reserve()
    clock.now += 9
    pace.observe(throttled=True, retry_after=retry_after)
    clock.now += 1
    assert pace.reserve() == max(closed - 1, 0)


def test_no_refusal_closes_the_gate_for_long() -> None:
    """A Retry-After of a year would stop every later call of the process: after a minute one asks again."""
    pace, _ = paced(None)
    pace.reserve()
    pace.observe(throttled=True, retry_after=99_999_999)
    assert pace.reserve() == 60


def test_an_earlier_gate_does_not_open_a_later_one() -> None:
    """The longest wait that was asked for holds."""
    pace, _ = paced(None)
    pace.reserve()
    pace.observe(throttled=True, retry_after=30)
    pace.observe(throttled=True, retry_after=2)
    assert pace.reserve() == 30


def test_the_lower_limit_holds() -> None:
    """A lower limit is taken over, a higher one is not; what "lower" means is requests a second."""
    pace, _ = paced(10, 1)
    pace.limit(Rate(700, 60, "more"))
    assert pace.allowed == 10
    pace.limit(Rate(2, 60, "least"))
    assert pace.allowed == 2
    assert [pace.reserve() for _ in range(5)] == [0, 0, 60, 60, 120]


def test_a_lower_limit_of_a_longer_window_leaves_the_shorter_one_in_place() -> None:
    """Two a second and sixty a minute: the minute's sixty do not leave in one second."""
    pace, clock = paced(2, 1)
    pace.limit(Rate(60, 60, "less in a minute, more in a second"))
    sent = [clock.now + pace.reserve() for _ in range(150)]
    assert most_in_any_window(sent, 1) == 2
    assert most_in_any_window(sent, 60) == 60


def test_threads_share_it() -> None:
    """Fifty threads ask at once: every instant is given out once, and no window holds more than the limit."""
    pace, _ = paced(10)
    waits: list[float] = []
    together = threading.Barrier(50)

    def send() -> None:
        together.wait()
        waits.extend(pace.reserve() for _ in range(4))

    threads = [threading.Thread(target=send) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == sorted(list(map(float, range(20))) * 10)


# ── who shares it ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No pace of another test."""
    gc.collect()
    yield
    gc.collect()


def pace_of(provider: str = "stripe", key: str = KEY, url: str = BASE, **settings: Any) -> RateLimiter | None:
    """The pace of a client."""
    with Client(provider, api_key=key, base_url=url, **settings) as client:
        found: Any = client._policy.pace
    assert found is None or isinstance(found, RateLimiter)
    return found


def test_one_account_has_one_pace_and_two_accounts_have_two() -> None:
    """The same host, key and account share; another key, connected account or host does not."""
    mine = pace_of()
    assert mine is not None
    assert pace_of() is mine
    for other in (pace_of(key="sk_test_not_a_key_2"), pace_of(account="acct_1"), pace_of(url="https://b.test")):
        assert other is not None
        assert other is not mine


def test_the_documented_limit_is_the_default() -> None:
    """Stripe 25 a second, Chargebee 150 a minute, Whop 600 a minute; ChargeAPI states none."""
    stated = {name: providers.get(name).rate for name in ("stripe", "chargebee", "whop", "chargeapi")}
    figures = {name: None if rate is None else (rate.requests, rate.seconds) for name, rate in stated.items()}
    assert figures == {"stripe": (25, 1), "chargebee": (150, 60), "whop": (600, 60), "chargeapi": None}
    paces = {
        "stripe": pace_of(),
        "chargebee": pace_of("chargebee", site="acme"),
        "whop": pace_of("whop", account_id="biz_1"),
        "chargeapi": pace_of("chargeapi"),
    }
    assert {name: pace and pace.allowed for name, pace in paces.items()} == {
        "stripe": 25, "chargebee": 150, "whop": 600, "chargeapi": float("inf"),
    }  # fmt: skip


def test_two_clients_of_an_account_keep_to_the_lower_limit_together() -> None:
    """What one of them is told holds for both."""
    mine = pace_of()
    assert pace_of(requests_per_minute=6) is mine
    assert mine is not None
    assert mine.allowed == 6


def test_an_account_is_forgotten_with_its_last_client() -> None:
    """Nothing grows in a process that makes a client for each of its tenants."""
    kept = pace_of(key="sk_test_not_a_key_3")
    assert kept is not None
    before = len(module._paces)
    del kept
    gc.collect()
    assert len(module._paces) == before - 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:8787", "http://localhost:8787", "http://[::1]:8787"])
def test_an_emulator_has_no_pace_unless_asked_for(url: str) -> None:
    """Tests against loopback run at full speed."""
    assert pace_of(url=url) is None
    asked = pace_of(url=url, requests_per_minute=90)
    assert asked is not None
    assert asked.allowed == 90


@pytest.mark.parametrize("number", [0, -1])
def test_a_limit_below_one_is_refused(number: int) -> None:
    """No request a minute is no client."""
    with pytest.raises(ConfigurationError, match="requests_per_minute must be from 1 to 1000000"):
        pace_of(requests_per_minute=number)


def test_the_key_is_no_part_of_what_is_kept() -> None:
    """Accounts are told apart by a digest."""
    kept = pace_of(key="sk_test_canary_not_a_key_7f3a")
    assert kept is not None
    assert not any("canary" in name for name in module._paces)


# ── in a client ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_client_keeps_to_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six a minute, five reads: nothing waits; two more: the seventh waits for the minute to be over."""
    slept: list[float] = []
    now = Clock()
    monkeypatch.setattr(time, "monotonic", now)
    monkeypatch.setattr(time, "sleep", slept.append)
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=row(1))))
    with Client("stripe", api_key="sk_test_not_a_key_4", base_url=BASE, http=http, requests_per_minute=6) as client:
        for _ in range(6):
            client.retrieve("in_1", whole=False)
            now.now += 1
        assert slept == []
        client.retrieve("in_1", whole=False)
    assert slept == [54.0]


def test_what_one_client_is_told_the_other_keeps_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 429 with Retry-After to one client closes the gate for the other one of the account."""
    slept: list[float] = []
    monkeypatch.setattr(time, "monotonic", Clock())
    monkeypatch.setattr(time, "sleep", slept.append)
    told = {"error": {"message": "slow down"}}
    no = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "61"}, json=told))
    )
    yes = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=row(1))))
    key = "sk_test_not_a_key_5"
    with Client("stripe", api_key=key, base_url=BASE, http=no) as one, pytest.raises(RateLimited):
        one.retrieve("in_1", whole=False)
    with Client("stripe", api_key=key, base_url=BASE, http=yes) as other:
        other.retrieve("in_1", whole=False)
    assert slept == [60.0]


@pytest.mark.slow
def test_a_limit_on_loopback_works_for_real() -> None:
    """Against real time and a real server: two a second, five reads, more than two seconds and not four."""
    with running(names=["stripe"]) as served:
        url = served.base_urls["stripe"]
        with Client("stripe", api_key=KEY, base_url=url, requests_per_minute=600) as client:
            paced_by: Any = client._policy.pace
            paced_by.limit(Rate(2, 1, "a test"))
            began = time.monotonic()
            for _ in range(5):
                assert list(client.list()) == []
            took = time.monotonic() - began
    assert 1.9 < took < 4
