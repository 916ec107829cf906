"""A plan is taken again only for what is the same command in the same context, to the last digit."""

from decimal import Decimal

import pytest

from invoice_bridge import Line, Money, OneTimeCharge, providers
from invoice_bridge.explain import make_context, plan
from invoice_bridge.testing.planned import planned


def _bill(quantity: str = "2") -> OneTimeCharge:
    line = Line(description="Parking", quantity=Decimal(quantity), unit_amount=Money(600, "EUR"))
    return OneTimeCharge(reference="res-1", customer="cus_42", lines=(line,))


@pytest.mark.parametrize("name", providers.names())
def test_an_equal_bill_has_the_plan_that_was_made(name: str) -> None:
    """Made once, and the one that `explain` makes."""
    declared = providers.get(name)
    context, again = (make_context(declared, declared.emulator().settings) for _ in range(2))
    made = planned(_bill(), context, "never")
    assert planned(_bill(), again, "never") is made
    assert made.requests == plan(_bill(), context, lookup="never").requests


def test_what_differs_has_a_plan_of_its_own() -> None:
    """Another lookup, another setting, and equal numbers that are written differently."""
    declared = providers.get("chargebee")
    context, other = (make_context(declared, {"site": site}) for site in ("acme", "other"))
    made = planned(_bill(), context, "never")
    assert planned(_bill(), context, "auto") is not made
    assert planned(_bill(), other, "never").requests != made.requests
    assert _bill("2.0") == _bill()
    assert planned(_bill("2.0"), context, "never") is not made
