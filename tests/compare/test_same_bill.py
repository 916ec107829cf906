"""assert_same_bill: what a test of an application says."""

from pathlib import Path

import pytest

from invoice_bridge import ConfigurationError
from invoice_bridge.compare import Allowed
from invoice_bridge.testing import assert_same_bill
from tests.compare.bills import NOW, OTHER_IDENTITY, bill, eur

CASSETTES = Path(__file__).resolve().parents[2] / "cassettes"


def test_the_same_bill_passes() -> None:
    """Identity, and what one side does not say, are no failure; nor are two cassettes of one scenario."""
    assert_same_bill(bill(), bill(**OTHER_IDENTITY, tax=None))
    assert_same_bill([bill()], [bill(**OTHER_IDENTITY)], as_of=NOW)
    cassettes = [CASSETTES / provider / "one_time_charge.yaml" for provider in ("stripe", "chargebee")]
    assert_same_bill(*cassettes)


def test_a_failure_shows_the_differing_paths_in_two_columns() -> None:
    """Which paths, what each side says, and which of it changes money."""
    with pytest.raises(AssertionError) as caught:
        assert_same_bill(bill(), bill(**OTHER_IDENTITY, total=eur(14801), description="June", tax=None), as_of=NOW)
    assert str(caught.value).splitlines() == [
        "the two sides do not bill the same",
        "res-1  stripe in_1 | chargebee 19  differing",
        "     tax          24.00 EUR   | –           one side does not state",
        "  !! total        148.00 EUR  | 148.01 EUR  +0.01",
        "  !  description  May         | June",
        "0 matched, 0 left only, 0 right only, 1 differing, 0 declared equal; stated by one side only: 1",
    ]


def test_allowed_differences_pass() -> None:
    """What is declared with a reason is no failure; what is not, is."""
    cent = Allowed(path="total", reason="rounded once more", tolerance_minor=1)
    assert_same_bill(bill(), bill(total=eur(14801)), allow=[cent])
    with pytest.raises(AssertionError, match=r"148\.02 EUR"):
        assert_same_bill(bill(), bill(total=eur(14802)), allow=[cent])


def test_nothing_to_compare_is_no_pass() -> None:
    """Two empty listings are a mistake in the test, not agreement."""
    with pytest.raises(ConfigurationError, match="nothing was compared"):
        assert_same_bill([], [])
