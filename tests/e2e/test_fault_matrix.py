"""A seeded slice of the fault matrix: real TCP, real processes, real kill -9; `make soak` runs the whole."""

import sys
from collections.abc import Iterator

import pytest

from invoice_bridge.adapter.emulation.faults import Kind
from invoice_bridge.emulator.server import Served, running
from invoice_bridge.testing import fault_matrix
from invoice_bridge.testing.fault_matrix import Case, choose, imports, run_all

SEED, SAMPLE = 20261122, 40
PROVIDERS = ("chargeapi", "chargebee", "stripe", "whop")
SAMPLED = ("stripe", "chargebee", *(pytest.param(name, marks=pytest.mark.slow) for name in ("chargeapi", "whop")))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server for all cases: each puts its own emulator behind it."""
    with running() as found:
        yield found


@pytest.mark.parametrize("name", SAMPLED)
def test_no_fault_bills_twice_or_tells_what_is_not_so(name: str, served: Served) -> None:
    """After each case the ledger holds one bill at most, and what the caller was told is true of it."""
    count = run_all(choose(name, SAMPLE, SEED), served)
    sys.stdout.write(f"{name}, seed {SEED}: {count}\n")
    assert (count.cases, count.duplicates, count.lies, count.wrong) == (SAMPLE, 0, 0, [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chargebee", "stripe", "whop"])
def test_no_fault_imports_twice_or_collects(name: str, served: Served) -> None:
    """After each case there is one document, each of its payments and credit notes once, and nothing was collected."""
    count = run_all(choose(name, SAMPLE, SEED, imports(name)), served)
    sys.stdout.write(f"imports at {name}, seed {SEED}: {count}\n")
    assert (count.cases, count.duplicates, count.lies, count.wrong) == (SAMPLE, 0, 0, [])


@pytest.mark.parametrize("name", PROVIDERS)
def test_without_keys_and_looks_it_bills_twice(name: str, served: Served) -> None:
    """The control: a provider that forgets keys, and a client that never looks, show duplicates to the same judge."""
    faults = (Kind.RESET_AFTER, Kind.TORN_JSON, Kind.HTML_502_AFTER, Kind.TRUNCATED_BODY)
    found = [
        case
        for case in choose(name, None, SEED)
        if case.kind in faults and case.way == "again" and case.bill.startswith(("charge once", "bill lines"))
    ]
    count = run_all(found[-12:], served, forgets=True)
    assert count.duplicates > 0


@pytest.mark.slow
def test_without_keys_and_lookups_it_imports_twice(served: Served) -> None:
    """The control of imports: a draft has no number that the provider would refuse a second time."""
    faults = (Kind.RESET_AFTER, Kind.TORN_JSON, Kind.HTML_502_AFTER)
    drafts = {name: command for name, command in imports("stripe").items() if command.number is None}
    found = [case for case in choose("stripe", None, SEED, drafts) if case.kind in faults and case.way == "again"]
    assert run_all(found[:8], served, forgets=True).duplicates > 0


def test_a_case_says_what_it_is() -> None:
    """A row of the matrix names everything that makes it, so that it can be run again alone."""
    case = Case("stripe", "charge once, send", 2, Kind.RESET_AFTER, 3, "killed, journal", "replay_header")
    assert str(case) == ("stripe: charge once, send, request 2: reset_after ×3, killed, journal, replay_header flipped")


@pytest.mark.slow
def test_the_sample_is_the_same_for_a_seed() -> None:
    """A seed chooses the same cases every time, another one others."""
    first = choose("stripe", 20, 1)
    assert choose("stripe", 20, 1) == first
    assert choose("stripe", 20, 2) != first
    assert fault_matrix.bills("stripe").keys() >= {"charge once, manual", "charge once, collect", "bill a period, send"}
