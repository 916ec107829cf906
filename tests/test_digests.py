"""The digest of a bill or of a verb, as a journal keeps it: who changes it makes every repetition another content."""

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import Collection, CustomerRef, Line, Money, OneTimeCharge, Refund
from invoice_bridge.journal.rows import digest_of, digest_of_verb


def _line(**more: Any) -> Line:
    return Line(description="Seats", amount=Money(500, "EUR"), **more)


def _bill(line: Line, **more: Any) -> OneTimeCharge:
    given: dict[str, Any] = {"reference": "r", "customer": "cus_42", "lines": (line,)} | more
    return OneTimeCharge(**given)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


COUNTED = _line(unit_amount=Money(200, "EUR"), quantity=Decimal("2.50"))


def test_the_digest_of_a_bill_is_that_of_its_stated_content() -> None:
    """Its parts in a fixed order, without what is empty, the reference and the attempt; a quantity in shortest form."""
    text = (
        '["one_time_charge",{"collection":{"kind":"manual"},"customer":"cus_42","lines":[{"amount":{"currency":"EUR",'
        '"minor":500},"description":"Seats","quantity":"2.5","unit_amount":{"currency":"EUR","minor":200}}],'
        '"tax":"none"}]'
    )
    assert digest_of(_bill(COUNTED), "stripe") == _sha(text)


def test_the_digest_of_a_verb_is_that_of_its_account_and_content() -> None:
    """What the caller saw before is no content."""
    refund = Refund(id="in_1", reference="re", amount=Money(5, "EUR"), expect=Money(0, "EUR"))
    text = '["stripe:","refund",{"amount":{"currency":"EUR","minor":5},"id":"in_1"}]'
    assert digest_of_verb(refund, "stripe:") == _sha(text)
    assert digest_of_verb(refund, "stripe:acct_2") != _sha(text)


@pytest.mark.parametrize(
    "one,other",
    [
        (_bill(COUNTED), _bill(COUNTED, reference="s", attempt=2)),
        (_bill(COUNTED), _bill(_line(unit_amount=Money(200, "EUR"), quantity=Decimal("2.5")))),
        (_bill(_line()), _bill(_line(discount=Money(0, "EUR")))),
        (_bill(_line()), _bill(_line())),
        (_bill(_line()), _bill(_line(), customer=CustomerRef(ids={"stripe": "cus_42", "whop": "mber_1"}))),
        (_bill(_line()), _bill(_line(), native={"whop": {"charge_buyer_fee": True}})),
    ],
)
def test_the_same_content_has_one_digest(one: Any, other: Any) -> None:
    """However it is written, and whatever it says to other providers."""
    assert digest_of(one, "stripe") == digest_of(other, "stripe")


@pytest.mark.parametrize(
    "other",
    [
        _bill(_line(metadata={"a": "b"})),
        _bill(_line(quantity=Decimal(2))),
        _bill(_line(discount=Money(1, "EUR"))),
        _bill(_line(), customer="cus_43"),
        _bill(_line(), customer=CustomerRef(email="a@example.test")),
        _bill(_line(), collection=Collection.charge("pm_1")),
        _bill(_line(), native={"stripe": {"footer": "Thanks"}}),
        _bill(_line(), native_unchecked={"stripe": {"footer": "Thanks"}}),
    ],
)
def test_other_content_has_another_digest(other: Any) -> None:
    """Each of these would be another bill."""
    assert digest_of(_bill(_line()), "stripe") != digest_of(other, "stripe")
