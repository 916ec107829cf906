"""The pace of an account in the ledger: used by all workers together, and never exceeded."""

from pathlib import Path

import pytest

from invoice_bridge.migrate import LeaseExpired, Ledger
from invoice_bridge.migrate.leases import Fence, seconds_now
from invoice_bridge.migrate.pace import SharedPace
from tests.databases import Place
from tests.migrate.pacing import CALM, measure


def _open_fence() -> Fence:
    fence = Fence()
    fence.extend(seconds_now() + 60)
    return fence


@pytest.mark.parametrize("place", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
def test_three_processes_use_the_rate_and_never_exceed_it(place: Place) -> None:
    """By the target's clock no second has more. A machine that is busy uses less: the best of some runs counts."""
    shares = []
    for _ in range(5):
        seen = measure(place, 25, 2.5)
        assert seen.most <= 25 or seen.late > CALM, seen
        shares.append(seen.used)
        if seen.used >= 0.95 and seen.most <= 25:
            return
    pytest.fail(f"of 25 a second only these shares were used: {shares}")


@pytest.mark.slow
def test_with_a_pace_of_their_own_three_processes_exceed_it(tmp_path: Path) -> None:
    """The control."""
    assert measure(tmp_path / "ledger.sqlite", 25, 2.0, shared=False).most > 25


def test_a_refusal_closes_the_account_for_all_workers(place: Place) -> None:
    """One worker is refused; the other one's next slot comes after the pause that the provider asked for."""
    with Ledger(place) as ledger:
        one, other = (SharedPace(ledger.database, "stripe:acct_1", 1000, _open_fence()) for _ in range(2))
        began = seconds_now()
        other.reserve()
        assert seconds_now() - began < 0.5
        one.observe(throttled=True, retry_after=1)
        other.reserve()
        assert 0.95 < seconds_now() - began < 3


def test_accounts_do_not_wait_for_each_other(place: Place) -> None:
    """The pace is the account's."""
    with Ledger(place) as ledger:
        slow = SharedPace(ledger.database, "stripe:acct_1", 1, _open_fence())
        slow.reserve()
        began = seconds_now()
        SharedPace(ledger.database, "stripe:acct_2", 1, _open_fence()).reserve()
        assert seconds_now() - began < 0.5
        slow.reserve()
        assert seconds_now() - began > 0.8


def test_a_worker_whose_lease_has_passed_gets_no_slot(place: Place) -> None:
    """Requests that only read are fenced too."""
    with Ledger(place) as ledger:
        fence = _open_fence()
        pace = SharedPace(ledger.database, "stripe:acct_1", 1000, fence)
        assert pace.reserve() == 0.0
        fence.close()
        with pytest.raises(LeaseExpired, match="nothing was sent"):
            pace.reserve()
