"""Balances are read last of all, listed to the cent, and moved by nobody but a person."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, Money
from invoice_bridge.core.balances import Balance
from tests.migrate.moves import Move, move

EUR = Money.parse


@pytest.fixture
def between(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Move]:
    with move(tmp_path, *getattr(request, "param", ("stripe", "chargebee"))) as made:
        made.fill(2, ("paid",))
        with made.migration() as migration:
            migration.plan(customers=made.customers)
            migration.run(allow=migration.preview().stopping)
        yield made


def customer(between: Move, side: str, name: str, **facts: Any) -> None:
    """Give a customer of one side some facts; it is made if need be."""
    emulator: Any = between.emulators[getattr(between, side)["provider"]]
    if name not in emulator.customers:
        emulator.add_customer(name)
    emulator.customers[name].update(facts)


CASES: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("stripe", {"balance": -1234, "currency": "eur"}, {("balance", "12.34 EUR")}),
    ("stripe", {"balance": 50, "currency": "eur"}, {("balance", "-0.50 EUR")}),
    (
        "stripe",
        {"balance": -1, "currency": "eur", "invoice_credit_balance": {"eur": -1, "usd": -700}},
        {("balance", "0.01 EUR"), ("undirected", "7.00 USD")},
    ),
    ("stripe", {"balance": 0, "currency": None}, set()),
    (
        "chargebee",
        {
            "preferred_currency_code": "EUR",
            "promotional_credits": 100,
            "refundable_credits": 250,
            "excess_payments": 3,
        },
        {("credit", "1.00 EUR"), ("refundable", "2.50 EUR"), ("excess", "0.03 EUR")},
    ),
    (
        "chargebee",
        {
            "promotional_credits": 100,
            "balances": [
                {"currency_code": "EUR", "promotional_credits": 100, "excess_payments": 0, "refundable_credits": 0},
                {"currency_code": "JPY", "promotional_credits": 0, "excess_payments": 500, "refundable_credits": 0},
            ],
        },
        {("credit", "1.00 EUR"), ("excess", "500 JPY")},
    ),
    ("chargebee", {}, set()),
]


@pytest.mark.parametrize(
    "between, facts, found",
    [((name, "stripe" if name == "chargebee" else "chargebee"), facts, found) for name, facts, found in CASES],
    indirect=["between"],
)
def test_each_balance_is_listed_to_the_cent(between: Move, facts: dict[str, Any], found: set[tuple[str, str]]) -> None:
    """By kind and currency; below zero the customer owes; nothing is written at either provider."""
    customer(between, "source", "cus_42", **facts)
    written = {name: len(emulator.ledger) for name, emulator in between.emulators.items()}
    with between.migration() as migration:
        made = migration.credits(customers=between.customers)
    assert {(one.balance.kind, str(one.balance.amount)) for one in made.found} == found
    assert made.read == 1
    assert made.is_clear == (not found)
    assert {name: len(emulator.ledger) for name, emulator in between.emulators.items()} == written


def test_what_the_target_has_already_is_beside_it(between: Move) -> None:
    """So that a person who was there before does not move it twice; the totals by kind come last."""
    customer(between, "source", "cus_42", balance=-1234, currency="eur")
    customer(between, "target", "cus_42", preferred_currency_code="EUR", promotional_credits=1234)
    with between.migration() as migration:
        made = migration.credits(customers={"cus_42": "cus_42"})
        (one,) = made.found
        assert one.at_target == (Balance("credit", EUR("12.34", "EUR")),)
        assert str(made).splitlines()[-1] == "  balance: 12.34 EUR"
        assert "at the target: 12.34 EUR" in str(made)
        assert migration.ledger.note(1, "credits") is not None


def test_a_customer_that_cannot_be_read_is_listed(between: Move) -> None:
    """One that is not there, at the source or at the target: nothing is clear then."""
    customer(between, "source", "cus_42", balance=-100, currency="eur")
    with between.migration() as migration:
        made = migration.credits(customers={"cus_42": "cus_away", "cus_gone": "cus_42"})
    assert set(made.unread) == {"cus_gone"}
    assert not made.is_clear
    assert made.found[0].at_target is None
    assert "at the target: not known" in str(made)


def test_it_comes_last_and_needs_a_map(between: Move, tmp_path: Path) -> None:
    """A plan with items left, no map, and a source that states no balances are refused before anything is read."""
    with between.migration() as migration:
        with pytest.raises(ConfigurationError, match="no customer is mapped"):
            migration.credits()
        between.bill("paid", "res-new", 100)
        number = migration.sweep(customers=between.customers)
        with pytest.raises(ConfigurationError, match="balances come last"):
            migration.credits(number, customers=between.customers)
    with move(tmp_path / "whop", "whop", "chargebee") as other:
        (tmp_path / "whop").mkdir()
        with other.migration() as migration:
            migration.plan(customers=lambda _invoice: "cus_42")
            with pytest.raises(ConfigurationError, match="whop states no balances"):
                migration.credits(customers={"a": "b"})


def test_the_preview_names_the_step(between: Move) -> None:
    """A person reads there that no plan moves balances."""
    with between.migration() as migration:
        assert any("migrate credits" in check for check in migration.preview(1).checks)
