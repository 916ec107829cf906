"""Money is exact: integer minor units, ISO 4217 exponents, no rounding anywhere."""

from decimal import Decimal
from typing import Any

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import Money
from invoice_bridge.core.money import codes, exponent, scale, times, what_to_write
from tests import strategies

# The independent table says None for funds and metals without a minor unit; they are no money to bill in.
ACTIVE = {currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None}


@pytest.mark.parametrize("code", sorted(ACTIVE))
def test_every_active_currency_has_the_exponent_of_the_independent_table(code: str) -> None:
    """For every active code, ours and the independent package agree on the minor unit."""
    assert exponent(code) == ACTIVE[code]


def test_the_independent_table_is_worth_comparing_with() -> None:
    """The comparison above is not empty, and we know no active code that the independent table does not."""
    assert len(ACTIVE) > 150
    assert codes(0) | codes(2) | codes(3) | codes(4) == set(ACTIVE)


@pytest.mark.parametrize(
    "code,digits",
    [("JPY", 0), ("ISK", 0), ("UGX", 0), ("CLP", 0), ("EUR", 2), ("USD", 2), ("KWD", 3), ("BHD", 3), ("CLF", 4)],
)
def test_exponents_in_numbers(code: str, digits: int) -> None:
    """The exponents that bills turn on, written out."""
    assert exponent(code) == digits


@pytest.mark.parametrize(
    "code,digits",
    [("BGN", 2), ("HRK", 2), ("ANG", 2), ("DEM", 2), ("LTL", 2), ("ZWL", 2), ("ITL", 0), ("ESP", 0), ("TRL", 0)],
)
def test_historic_codes_are_known_and_not_active(code: str, digits: int) -> None:
    """A withdrawn code found on an old invoice keeps the decimals it had in use."""
    assert exponent(code) == digits
    assert all(code not in codes(any_digits) for any_digits in (0, 2, 3, 4))


@pytest.mark.parametrize("code", ["", "EU", "EURO", "XXX", "XAU", "BTC", "\u0395UR", "€"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    """An unknown code is refused by name, never given two decimals."""
    with pytest.raises(ValueError, match="is not an ISO 4217 currency code"):
        Money(1, code)


def test_a_lower_case_code_is_refused_and_the_right_one_named() -> None:
    """Case is not guessed: the message says what to write."""
    with pytest.raises(ValueError, match="'eur' is not an ISO 4217 currency code; write 'EUR'"):
        Money(1, "eur")


@pytest.mark.parametrize("code", [None, 978, ["EUR"], b"EUR"])
def test_a_currency_of_another_type_is_refused(code: Any) -> None:
    """The numeric code or a list is no code either."""
    with pytest.raises(ValueError, match="is not an ISO 4217 currency code"):
        Money(1, code)


@pytest.mark.parametrize(
    "text,currency,minor",
    [
        ("19.99", "EUR", 1999),
        ("0.01", "EUR", 1),
        ("-19.99", "EUR", -1999),
        ("+5", "EUR", 500),
        ("19.990", "EUR", 1999),
        ("1999", "JPY", 1999),
        ("1999.00", "JPY", 1999),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("1.2345", "CLF", 12345),
        ("90071992547409.93", "EUR", 9007199254740993),
        (19, "EUR", 1900),
        (19, "JPY", 19),
        (Decimal("19.99"), "EUR", 1999),
        (Decimal("1.999E+1"), "EUR", 1999),
        (Decimal("1E+3"), "JPY", 1000),
        ("-0.00", "EUR", 0),
    ],
)
def test_parse_reads_major_units_exactly(text: str | int | Decimal, currency: str, minor: int) -> None:
    """An amount in major units becomes the number of minor units that the currency says."""
    assert Money(minor, currency) == Money.parse(text, currency)


@pytest.mark.parametrize(
    "text",
    ["", " ", "1,000", "1,000.00", "1e3", "1_000", "0x10", "NaN", "Infinity", "19.99 ", "19.99\n", ".5", "5.", "١٩"],
)
def test_other_spellings_are_refused(text: str) -> None:
    """What could be read in two ways, or is no plain number, is not read at all."""
    with pytest.raises(ValueError, match="is not an amount: write it plainly in major units"):
        Money.parse(text, "EUR")


@pytest.mark.parametrize("text,currency", [("19.999", "EUR"), ("0.5", "JPY"), ("1.2345", "KWD"), ("0.00001", "CLF")])
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    """Nothing is rounded: an amount with too many decimals is an error that says so."""
    with pytest.raises(ValueError, match="amounts are never rounded"):
        Money.parse(text, currency)


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+40"), Decimal("1E-70"), 10**31])
def test_numbers_that_are_no_amount_are_refused(number: Any) -> None:
    """Not-a-numbers and absurd sizes are refused, in every spelling."""
    with pytest.raises(ValueError, match="amount of money"):
        Money.parse(number, "EUR")


@pytest.mark.parametrize("currency", ["UYI", "EUR", "CLF"])
def test_the_largest_amount_is_read_as_it_is_written(currency: str) -> None:
    """Thirty digits of minor units are the most, in every currency, and one more is refused."""
    largest = Money(10**30 - 1, currency)
    assert Money.parse(str(largest.major), currency) == largest
    for minor in (10**30, -(10**30)):
        with pytest.raises(ValueError, match="at most 30 digits"):
            Money(minor, currency)


def test_a_number_too_long_to_be_printed_is_refused_too() -> None:
    """An int of 5000 digits, which Python itself will not print, is refused with a message of its own."""
    with pytest.raises(ValueError, match="amount of money"):
        Money.parse(10**5000, "EUR")


@pytest.mark.parametrize(
    "value,currency,advice",
    [
        (19.99, "EUR", 'instead of 19.99 write Money.parse("19.99", "EUR")'),
        (19.0, "JPY", 'instead of 19.0 write Money.parse("19", "JPY")'),
        (1.234, "KWD", 'instead of 1.234 write Money.parse("1.234", "KWD")'),
        (0.1 + 0.2, "EUR", 'write Money.parse("…", "EUR")'),  # which of two amounts was meant is not ours to guess
        (float("nan"), "EUR", 'write Money.parse("…", "EUR")'),
    ],
)
def test_a_float_is_refused_with_what_to_write_instead(value: Any, currency: str, advice: str) -> None:
    """A float is refused in both constructors, and the advice never changes the amount."""
    for make in (Money, Money.parse):
        with pytest.raises(TypeError) as caught:
            make(value, currency)
        assert advice in str(caught.value)
        assert "a float cannot hold money exactly" in str(caught.value)


@pytest.mark.parametrize("value", [True, "1999", Decimal(1999), None])
def test_minor_units_are_an_int_and_nothing_else(value: Any) -> None:
    """A bool, a text or a Decimal is not taken for a number of minor units."""
    with pytest.raises(TypeError, match="an int of minor units"):
        Money(value, "EUR")


def test_what_to_write_names_the_type_of_other_values() -> None:
    """The advice for what is no float names what was given."""
    assert "not NoneType None" in what_to_write(None, "EUR")


@pytest.mark.parametrize(
    "minor,currency,text",
    [
        (1999, "EUR", "19.99 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-5, "KWD", "-0.005 KWD"),
        (1999, "JPY", "1999 JPY"),
        (1, "CLF", "0.0001 CLF"),
        (0, "KWD", "0.000 KWD"),
        (10**30 - 1, "EUR", "9999999999999999999999999999.99 EUR"),
    ],
)
def test_format_shows_all_decimals_of_the_currency(minor: int, currency: str, text: str) -> None:
    """Text has the currency's own decimals, never an exponent."""
    assert text == str(Money(minor, currency))


@given(minor=st.integers(1 - 10**30, 10**30 - 1), currency=strategies.all_codes)
def test_for_every_amount_text_reads_back(minor: int, currency: str) -> None:
    """For every minor int and currency, parsing the major amount gives the same money."""
    amount = Money(minor, currency)
    assert amount == Money.parse(str(amount.major), currency) == Money.parse(str(amount).split()[0], currency)
    assert amount.major == Decimal(f"{minor}E-{exponent(currency)}")  # a constructor does not round


@given(a=st.integers(-(10**12), 10**12), b=st.integers(-(10**12), 10**12), currency=strategies.all_codes)
def test_for_every_two_amounts_arithmetic_is_that_of_integers(a: int, b: int, currency: str) -> None:
    """For every two amounts of one currency, comparison and sums are those of their minor units."""
    one, other = Money(a, currency), Money(b, currency)
    assert (one + other).minor == a + b
    assert (one - other).minor == a - b
    assert (-one).minor == -a
    assert (one * 3).minor == (3 * one).minor == 3 * a
    assert (one < other, one <= other, one > other, one >= other, one == other) == (
        a < b,
        a <= b,
        a > b,
        a >= b,
        a == b,
    )
    assert bool(one) is (a != 0)


@pytest.mark.parametrize("operation", ["__add__", "__sub__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_two_currencies_do_not_mix(operation: str) -> None:
    """Adding or comparing euros and dollars is an error, not an exchange rate of one."""
    with pytest.raises(ValueError, match="have different currencies"):
        getattr(Money(1, "EUR"), operation)(Money(1, "USD"))
    with pytest.raises(TypeError, match="Money only"):
        getattr(Money(1, "EUR"), operation)(1)


def test_equal_numbers_of_two_currencies_are_not_equal() -> None:
    """Equality asks for the currency too, and never raises."""
    assert Money(100, "EUR") != Money(100, "USD")
    hundred: object = 100
    assert Money(100, "EUR") != hundred
    assert {Money(100, "EUR"), Money(100, "EUR")} == {Money(100, "EUR")}


@pytest.mark.parametrize("factor", [1.5, True, Decimal(2), "2"])
def test_only_an_int_multiplies(factor: Any) -> None:
    """Anything but an int would round somewhere."""
    with pytest.raises(TypeError, match="multiplied by an int only"):
        _ = Money(100, "EUR") * factor


@pytest.mark.parametrize(
    "unit,quantity,minor",
    [
        (200, Decimal("1.5"), 300),
        (1, 3, 3),
        (0, Decimal("0.333"), 0),
        (1000, Decimal("0.001"), 1),
        (10**29, Decimal("9.99"), 999 * 10**27),
        (1, Decimal("1." + "0" * 300), 1),
        (11, Decimal(12345678901234567890123456789), 135802467913580246791358024679),
    ],
)
def test_times_is_exact(unit: int, quantity: Decimal | int, minor: int) -> None:
    """A quantity of a unit amount is the exact product, beyond the 28 digits of Python's default context too."""
    assert Money(minor, "EUR") == times(Money(unit, "EUR"), quantity)


@pytest.mark.parametrize("quantity", ["1.5", "0.333", "1.00000000000000000000000000000000001", "1E+999999", "NaN"])
def test_times_refuses_what_would_round(quantity: str) -> None:
    """A product that is no whole number of minor units is refused, however near it comes."""
    with pytest.raises(ValueError, match=r"never rounded|not an amount|out of range"):
        times(Money(1, "EUR"), Decimal(quantity))


def test_times_refuses_what_is_exact_to_two_hundred_digits() -> None:
    """A quantity with more digits than are calculated with is refused, not cut to those."""
    with pytest.raises(ValueError, match="out of range"):
        times(Money(1, "EUR"), Decimal("1." + "0" * 250 + "1"))


def test_scale_is_exact_or_refuses() -> None:
    """Scaling by a power of ten loses no digit of the largest amounts."""
    assert scale(Decimal("90071992547409.93"), 2) == 9007199254740993
    assert scale(Decimal("-0.001"), 3) == -1
    with pytest.raises(ValueError, match="more than 2 decimals"):
        scale(Decimal("0.001"), 2)


def test_money_is_frozen_and_has_no_hidden_place_for_more() -> None:
    """An amount cannot be changed, and takes no further attributes."""
    amount: Any = Money(1, "EUR")
    for name in ("minor", "currency", "note"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(amount, name, 2)


# ── defects seen elsewhere ───────────────────────────────────────────────────────────────────────────────────────────
def test_defect_01_times_and_divided_by_a_hundred_do_not_cancel_out() -> None:
    """Yen have no cents: 5000 yen are 5000 minor units, in the absolute, not after a round trip."""
    assert Money.parse("5000", "JPY").minor == 5000
    assert Money(5000, "JPY").major == Decimal(5000)
    assert str(Money(5000, "JPY")) == "5000 JPY"


def test_defect_02_wrong_code_in_the_currency_table() -> None:
    """CLF (4 decimals) is not CLP (none), UYW (4) not UYU (2) or UYI (0); three-decimal currencies have three."""
    assert [exponent(code) for code in ("CLF", "CLP", "UYW", "UYU", "UYI")] == [4, 0, 4, 2, 0]
    assert codes(3) == {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
    assert codes(4) == {"CLF", "UYW"}
    assert codes(1) == frozenset()


def test_defect_03_no_truncation_and_no_float_between() -> None:
    """8.95 is 895 cents (a float gives 894.99…), and what does not fit raises instead of being cut off."""
    assert int(8.95 * 100) == 894
    assert Money.parse("8.95", "EUR").minor == 895
    assert Money.parse("0.29", "EUR").minor == 29
    with pytest.raises(ValueError, match="amounts are never rounded"):
        Money.parse("8.959", "EUR")


def test_what_was_computed_before_does_not_spoil_an_amount() -> None:
    """An inexact division anywhere in the thread leaves a flag behind; reading money does not mind it."""
    assert Decimal(1) / 3 != 0
    assert Money.parse("19.99", "EUR") == Money(1999, "EUR")
