"""Balances are read last of all, listed to the cent, and moved by nobody but a person."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Client, ConfigurationError, Money, NotFound, ProviderError, ServerError, Unauthorized
from invoice_bridge.core.balances import Balance
from invoice_bridge.migrate.credits import read_balances
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


# ── attacks: no zero for what was not read, no customer left out, no wrong key for an answer ─────────────────────────
class Own:
    """A server of a few fixed answers, which shares nothing with the emulators."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        answers = self.answers

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.get(self.path.partition("?")[0], (404, {"error": {"message": "none"}}))
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    made = Own()
    yield made
    made.server.shutdown()
    made.server.server_close()


NONE = {"promotional_credits": 0, "refundable_credits": 0, "excess_payments": 0}


@pytest.mark.parametrize(
    "name, facts",
    [
        ("stripe", {"deleted": True}),
        ("stripe", {"currency": "eur"}),
        ("stripe", {"balance": None, "currency": "eur"}),
        ("stripe", {"balance": "-1234", "currency": None}),
        ("stripe", {"balance": -12.5, "currency": None}),
        ("stripe", {"balance": 0, "currency": "eur", "invoice_credit_balance": [{"eur": 5}]}),
        ("stripe", {"balance": -5, "currency": None}),
        ("chargebee", {}),
        ("chargebee", {"promotional_credits": 0, "refundable_credits": 0}),
        ("chargebee", {**NONE, "promotional_credits": "100", "preferred_currency_code": "EUR"}),
        ("chargebee", {**NONE, "excess_payments": 1}),
        ("chargebee", {**NONE, "balances": [{"currency_code": "EUR", "promotional_credits": 0}]}),
    ],
)
def test_a_balance_that_is_not_stated_is_no_zero(own: Own, name: str, facts: dict[str, Any]) -> None:
    """Absent, of another type, or of a customer who was deleted: it is an error, and `credits` lists it as not read."""
    customer = {"id": "c", "object": "customer", **facts}
    own.answers.update({"/v1/customers/c": (200, customer), "/customers/c": (200, {"customer": customer})})
    settings: dict[str, Any] = {"site": "acme-test"} if name == "chargebee" else {}
    with (
        Client(name, api_key="sk_test_not_a_key", base_url=own.url, lookup="never", **settings) as client,
        pytest.raises(ProviderError),
    ):
        read_balances(client, "c")


@pytest.mark.parametrize(
    "name, facts, found",
    [
        (
            "stripe",
            {"balance": 0, "currency": "eur", "invoice_credit_balance": {"eur": -500}},
            {("undirected", "5.00 EUR")},
        ),
        (
            "stripe",
            {"balance": -500, "currency": "isk", "invoice_credit_balance": {"isk": -500}},
            {("balance", "5 ISK")},
        ),
        (
            "chargebee",
            {**NONE, "unbilled_charges": 700, "preferred_currency_code": "EUR"},
            {("unbilled", "-7.00 EUR")},
        ),
        (
            "chargebee",
            {
                **NONE, "promotional_credits": 100, "preferred_currency_code": "EUR",
                "balances": [{"currency_code": "USD", **NONE, "excess_payments": 2}],
            },
            {("credit", "1.00 EUR"), ("excess", "0.02 USD")},
        ),
    ],
)  # fmt: skip
def test_statements_that_disagree_lose_no_balance(
    own: Own, name: str, facts: dict[str, Any], found: set[tuple[str, str]]
) -> None:
    """A currency that one list lacks, two statements of one currency, and charges that no invoice has billed."""
    customer = {"id": "c", "object": "customer", **facts}
    own.answers.update({"/v1/customers/c": (200, customer), "/customers/c": (200, {"customer": customer})})
    settings: dict[str, Any] = {"site": "acme-test"} if name == "chargebee" else {}
    with Client(name, api_key="sk_test_not_a_key", base_url=own.url, lookup="never", **settings) as client:
        assert {(one.kind, str(one.amount)) for one in read_balances(client, "c")} == found


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_wrong_key_ends_the_reading(between: Move, side: str) -> None:
    """It concerns every customer: neither "not read" of each one, nor "not known" at the target."""
    customer(between, "source", "cus_42", balance=-100, currency="eur")
    wrong = {**getattr(between, side), "api_key": "sk_test_not_the_key"}
    with between.migration(**{side: wrong}) as migration:
        with pytest.raises(Unauthorized):
            migration.credits(1, customers={"cus_42": "cus_42", "cus_43": "cus_42"})
        assert migration.ledger.note(1, "credits") is None


@pytest.mark.parametrize("status", [500, 404])
def test_a_provider_that_is_away_is_not_asked_for_every_customer(
    between: Move, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Three customers in a row end the command; customers that are not there are listed, each of them."""
    asked: list[str] = []

    def away(_client: Client, customer: str) -> tuple[Balance, ...]:
        asked.append(customer)
        raise (ServerError if status == 500 else NotFound)("away", provider="stripe", status=status)

    monkeypatch.setattr("invoice_bridge.migrate.credits.read_balances", away)
    with between.migration() as migration:
        customers = {f"cus_{number}": "cus_42" for number in range(9)}
        if status == 500:
            with pytest.raises(ServerError):
                migration.credits(customers=customers)
        else:
            assert len(migration.credits(customers=customers).unread) == 9
    assert len(asked) == (3 if status == 500 else 9)


def test_debts_are_not_set_off_against_credits(between: Move) -> None:
    """One customer's debt is not paid by what another one has: the totals are two."""
    customer(between, "source", "cus_42", balance=-1234, currency="eur")
    customer(between, "source", "cus_43", balance=1234, currency="eur")
    read: list[int] = []
    with between.migration() as migration:
        made = migration.credits(customers={"cus_42": "cus_42", "cus_43": "cus_42"}, progress=read.append)
    assert read == [0, 1]
    assert str(made).splitlines()[-2:] == ["  balance: 12.34 EUR", "  balance, owed by customers: 12.34 EUR"]


def test_a_customer_without_an_id_at_the_target_is_read_too(between: Move) -> None:
    """The plan knows it; its balance is money of the source's customer like any other."""
    customer(between, "source", "cus_new", balance=-700, currency="eur")
    between.emulators["stripe"].invoices[between.bill("paid", "res-new", 100)]["customer"] = "cus_new"
    with between.migration() as migration:
        number = migration.sweep(customers=between.customers)
        made = migration.credits(number, customers=between.customers)
    assert (made.read, made.is_clear) == (2, False)
    assert [(one.source, one.target, one.at_target) for one in made.found] == [("cus_new", None, None)]
    assert "cus_new → no id at the target: 7.00 EUR of the customer" in str(made)


def test_a_map_that_is_not_the_plans_is_not_clear(between: Move) -> None:
    """A customer that the plan has made invoices for is in no line of the map: nobody has read it."""
    customer(between, "source", "cus_other")
    with between.migration() as migration:
        made = migration.credits(customers={"cus_other": "cus_other_there"})
    assert (list(made.unread), made.is_clear) == (["? → cus_42"], False)


def test_a_customer_that_nothing_was_made_for_is_not_asked_about(between: Move) -> None:
    """An earlier plan had a wrong id at the target, and was never run: the map is right now."""
    between.bill("paid", "res-more", 100)
    with between.migration() as migration:
        migration.plan(customers={"cus_42": "cus_404"})
        migration.plan(customers=between.customers)
        migration.run(allow=migration.preview().stopping)
        assert migration.credits(customers=between.customers).is_clear


def test_the_plan_that_was_swept_is_finished_too(between: Move) -> None:
    """A sweep that is at its end does not hide that the first plan has items left."""
    for number in range(2):
        between.bill("paid", f"res-more-{number}", 100)
    with between.migration() as migration:
        again = migration.plan(customers=between.customers)
        migration.run(first=1, allow=migration.preview().stopping)
        sweep = migration.sweep(customers=between.customers)
        with pytest.raises(ConfigurationError, match=f"plan {again} has 1 items left: balances come last"):
            migration.credits(sweep, customers=between.customers)


@pytest.mark.parametrize("kind", ["csv", "mapping"])
def test_a_line_of_the_map_without_an_id_asks_for_nobody(between: Move, tmp_path: Path, kind: str) -> None:
    """An empty id would read the list of all customers; one without an id at the target is not mapped."""
    csv = tmp_path / "customers.csv"
    csv.write_text("source_id,target_id\n,cus_42\ncus_42,cus_42\ncus_43,\n", "utf-8")
    given: Any = csv if kind == "csv" else {"": "cus_42", "cus_42": "cus_42", "cus_43": ""}
    with between.migration() as migration:
        made = migration.credits(customers=given)
    assert (made.read, made.is_clear) == (1, True)
