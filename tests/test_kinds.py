"""The kinds of native parameters: what is sent is what was written, or it is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge.adapter.kinds import Kind

KINDS = [
    Kind.text(20),
    Kind.text(20, "payt_.+", samples=("payt_1", "payt_2")),
    Kind.one_of("a", "b"),
    Kind.whole(3, 9),
    Kind.flag(),
    Kind.decimal_text(10),
    Kind.moment(lambda instant: instant.isoformat()),
    Kind.amount(lambda amount: amount.minor),
    Kind.list_of(Kind.text(5)),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_takes_its_samples(kind: Kind) -> None:
    """Two are sent differently, the third is refused."""
    one, two, wrong = kind.samples
    assert kind.read(one) != kind.read(two)
    with pytest.raises(ValueError, match=r"."):
        kind.read(wrong)


@given(value=st.one_of(st.floats(), st.none(), st.booleans(), st.integers(), st.text(max_size=40), st.binary()))
def test_a_kind_reads_exactly_or_refuses(value: Any) -> None:
    """For every value: what is sent is what was written, or ValueError."""
    for kind in KINDS:
        try:
            sent = kind.read(value)
        except ValueError:
            continue
        assert sent == value or (isinstance(sent, str) and Decimal(sent) == Decimal(value))
        assert not isinstance(value, float)


@pytest.mark.parametrize(
    "kind, value, sent",
    [
        (Kind.text(3), "abc", "abc"),
        (Kind.whole(3, 9), 3, 3),
        (Kind.whole(3, 9), 9, 9),
        (Kind.decimal_text(6), "20.001", "20.001"),
        (Kind.decimal_text(6), 20, "20"),
        (Kind.moment(str), "2026-01-01T01:00:00+01:00", "2026-01-01 00:00:00+00:00"),
        (Kind.amount(str), {"minor": 100, "currency": "EUR"}, "1.00 EUR"),
        (Kind.list_of(Kind.whole(), most=2), [1, 2], [1, 2]),
        (Kind.list_of(Kind.whole(), least=0), [], []),
    ],
)
def test_what_a_kind_sends(kind: Kind, value: Any, sent: Any) -> None:
    """Bounds are included; instants are in UTC."""
    assert kind.read(value) == sent


@pytest.mark.parametrize(
    "kind, value",
    [
        (Kind.text(3), "abcd"),
        (Kind.text(3), ""),
        (Kind.whole(3, 9), 2),
        (Kind.whole(3, 9), 10),
        (Kind.whole(), -1),
        (Kind.whole(), 2**31),
        (Kind.decimal_text(5), "20.001"),
        (Kind.decimal_text(9), "-1"),
        (Kind.decimal_text(9), "1e3"),
        (Kind.decimal_text(9), "1,5"),
        (Kind.decimal_text(9), True),
        (Kind.moment(str), "2026-01-01T01:00:00"),
        (Kind.moment(str), "soon"),
        (Kind.amount(str), {"minor": 1.5, "currency": "EUR"}),
        (Kind.amount(str), {"minor": 100}),
        (Kind.list_of(Kind.whole(), most=2), [1, 2, 3]),
    ],
)
def test_what_a_kind_refuses(kind: Kind, value: Any) -> None:
    """Nothing is cut off or guessed."""
    with pytest.raises(ValueError, match=r"."):
        kind.read(value)


def test_a_decimal_number_that_is_refused_is_shown_with_what_is_taken() -> None:
    with pytest.raises(ValueError, match=r"^'1,5' is no plain decimal number of 9 characters at most$"):
        Kind.decimal_text(9).read("1,5")
