"""A slice of the campaign: nothing may be found; and its control, which must find what it looks for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.independent.campaign import Count, Court, add, can_run, court, story
from tests.independent.cases import PROVIDERS, case

CASES = 24
CONTROLS = 12
SEED = 2026


@pytest.fixture(scope="module")
def sitting() -> Iterator[Court]:
    with court() as opened:
        yield opened


def _count(sitting: Court, provider: str, cases: int, *, control: bool = False) -> Count:
    count = Count()
    for number in range(cases):
        tried = case(provider, SEED, number, control=control)
        if can_run(tried):
            add(count, tried, *sitting.run(tried), verbose=True)
    return count


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nobody_is_billed_twice_over_collected_or_told_what_is_not_so(sitting: Court, provider: str) -> None:
    """Faults, lookups, journals, attempts, books and killed processes, judged by the provider's own ledger."""
    count = _count(sitting, provider, CASES)
    assert not count.found, "\n".join(count.found)
    assert count.billed >= CASES / 3, f"too few of the bills were made for this to mean anything: {count.ends}"


def test_the_control_bills_twice_and_tells_what_is_not_so(sitting: Court) -> None:
    """Where keys are forgotten, nothing is looked up and a provider refuses what it did, the judge sees both."""
    count = Count()
    for provider in PROVIDERS:
        count += _count(sitting, provider, CONTROLS, control=True)
    assert count.duplicates
    assert count.false


def test_a_caller_is_really_killed(sitting: Court) -> None:
    """A SIGKILL after the effect: nothing is told, and the same bill made again by another process is the same bill."""
    for number in range(200):
        tried = case("stripe", SEED, number, kills=1.0)
        made, wrong = sitting.run(tried)
        if made[0].killed and made[0].after:
            assert not wrong, f"{wrong}\n{story(tried, made)}"
            assert made[-1].told["kind"] in {"invoice", "error"}
            return
    pytest.fail("no case killed its caller after something was made")


def test_equal_seeds_give_equal_cases() -> None:
    """A finding can be run again by its number."""
    assert case("stripe", 7, 11) == case("stripe", 7, 11)
    assert case("stripe", 7, 11) != case("stripe", 8, 11)
