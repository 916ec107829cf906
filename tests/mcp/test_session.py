"""Nothing is made but the very plan that was shown: once, in time, within the caps, in test mode unless asked for."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import BridgeError, ConfigurationError, Money, NotFound
from invoice_bridge.client.caps import Caps, caps_of, fault_of_caps
from invoice_bridge.mcp.session import Session
from tests.mcp.desk import Desk, bill, desk


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Stripe's emulator, served."""
    with desk(tmp_path, monkeypatch) as made:
        yield made


def refused(session: Session, data: dict[str, Any], plan: str, why: str) -> None:
    """Assert that a bill is refused, for that reason."""
    with pytest.raises(ConfigurationError, match=why):
        session.create(data, plan)


def test_what_was_shown_is_made(at: Desk) -> None:
    """The screen has the exact requests and the caps; the bill is made as shown."""
    session = at.session()
    screen = session.explain(bill())
    assert (len(screen.hash), screen.why_not, screen.seconds) == (32, "", 600)
    assert "stripe: issues" in screen.text
    assert "test mode; at most 100.00 EUR, 10000 JPY a bill; left in this run: 150.00 EUR, 10000 JPY" in screen.text
    assert at.bills == 0
    made = session.create(bill(), screen.hash)
    assert (made.reference, made.total, at.bills) == ("order-1", Money(1999, "EUR"), 1)
    assert session.find("order-1").id == session.show(made.id).id == made.id
    assert "left in this run: 130.01 EUR" in session.explain(bill(2)).text


# ── attacks ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_hash_that_was_never_shown_is_refused(at: Desk) -> None:
    """An assistant that invents one, or leaves it empty, makes nothing."""
    session = at.session()
    for guess in ("", "0" * 32, session.explain(bill()).hash.upper(), session.explain(bill()).hash[:-1]):
        refused(session, bill(), guess, "no plan of this hash is waiting")
    assert at.bills == 0


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "20.00 EUR"},
        {"reference": "order-2"},
        {"customer": "cus_43"},
        {"description": "Other fees"},
        {"collection": {"kind": "send", "net_days": 1}},
        {"metadata": {"a": "b"}},
        {"draft": True},
        {"attempt": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_bill_with_the_same_hash_is_refused(at: Desk, change: dict[str, Any]) -> None:
    """Whatever differs; and the hash is used up by the attempt."""
    session = at.session()
    plan = session.explain(bill()).hash
    refused(session, {**bill(), **change}, plan, "another bill than the one that was shown")
    refused(session, bill(), plan, "no plan of this hash is waiting")
    assert at.bills == 0


def test_a_bill_written_otherwise_is_the_same_bill(at: Desk) -> None:
    """An amount as minor units, fields in another order: what is billed counts, not its spelling."""
    session = at.session()
    plan = session.explain(bill()).hash
    other = dict(reversed(bill(amount={"minor": 1999, "currency": "EUR"}).items()))
    assert session.create(other, plan).total == Money(1999, "EUR")


def test_a_hash_holds_once(at: Desk) -> None:
    """A replay is refused; explained again, the reference is billed once all the same."""
    session = at.session()
    plan = session.explain(bill()).hash
    first = session.create(bill(), plan)
    refused(session, bill(), plan, "was used before")
    again = session.explain(bill())
    assert again.hash
    assert session.create(bill(), again.hash).id == first.id
    assert at.bills == 1


def test_threads_that_race_with_one_hash_make_one_bill(at: Desk) -> None:
    """One wins, all others are refused."""
    session = at.session()
    plan, results = session.explain(bill()).hash, list[str]()

    def run() -> None:
        try:
            results.append(session.create(bill(), plan).id)
        except ConfigurationError:
            results.append("refused")

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("refused") == 5
    assert at.bills == 1


def test_a_hash_expires(at: Desk) -> None:
    """At the end of its time, not before."""
    session = at.session()
    early, late = session.explain(bill(1)).hash, session.explain(bill(2)).hash
    at.clock.now += 599.9
    assert session.create(bill(1), early).reference == "order-1"
    at.clock.now += 0.1
    refused(session, bill(2), late, "shown too long ago")
    assert at.bills == 1


@pytest.mark.parametrize(
    "old,new",
    [
        ('journal = "bills.sqlite"', 'journal = "other.sqlite"'),
        ('per_bill = ["100.00 EUR"', 'per_bill = ["140.00 EUR"'),
        ('mode = "test"', 'mode = "test"\nbook = "other"'),
        ('mode = "test"', 'mode = "test"\nallow = ["IB-STRIPE-QUANTITY-01"]'),
        ("127.0.0.1", "localhost"),
    ],
)
def test_a_profile_that_changed_in_between_is_refused(at: Desk, old: str, new: str) -> None:
    """Whatever line of it: the person saw the screen of another profile."""
    session = at.session()
    plan = session.explain(bill()).hash
    at.change(old, new)
    refused(session, bill(), plan, "the profile was changed")
    assert at.bills == 0


def test_another_key_in_between_is_refused(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another account's."""
    session = at.session()
    plan = session.explain(bill()).hash
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_not_a_key_2")
    refused(session, bill(), plan, "the profile was changed")


def test_a_profile_that_becomes_live_in_between_is_refused(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent."""
    session = at.session()
    plan = session.explain(bill()).hash
    at.change('mode = "test"', 'mode = "live"')
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_not_a_key")
    refused(session, bill(), plan, "--allow-live")


def test_two_servers_know_their_own_plans_alone(at: Desk) -> None:
    """A hash that one has shown is none of the other's, though both are the same hash."""
    one, other = at.session(), at.session()
    plan = one.explain(bill()).hash
    refused(other, bill(), plan, "never shown by this server")
    assert one.create(bill(), plan).reference == "order-1"
    assert at.bills == 1


def test_two_servers_that_both_show_a_bill_make_it_once(at: Desk) -> None:
    """The journal has changed meanwhile, so that the second plan is not any more what was shown."""
    one, other = at.session(), at.session()
    plans = one.explain(bill()).hash, other.explain(bill()).hash
    assert plans[0] == plans[1]
    one.create(bill(), plans[0])
    refused(other, bill(), plans[1], "the journal has changed")
    assert at.bills == 1


def test_a_reference_of_another_bill_is_refused_on_the_screen(at: Desk) -> None:
    """The journal has it with other content: no hash."""
    session = at.session()
    session.create(bill(), session.explain(bill()).hash)
    screen = session.explain(bill(amount="5.00 EUR"))
    assert (screen.hash, screen.why_not) == ("", "the provider cannot make this bill")
    assert "order-1" in screen.text


# ── caps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "data,why",
    [
        (bill(amount="100.01 EUR"), "more than the 100.00 EUR that one bill may be"),
        (bill(amount="5.00 USD"), "no cap in USD"),
        (bill(tax="provider"), "the provider decides its amount"),
        (bill(tax=[{"name": "VAT", "rate": "20"}], amount="90.00 EUR"), "it is 108.00 EUR, more than"),
        (bill(native={"stripe": {"footer": "x"}}), "native parameters"),
        (bill(lines=[{"description": "x", "quantity": "2", "amount": "5.00 EUR"}], amount=None), "it would lose IB-"),
    ],
    ids=["bill", "currency", "tax", "rate", "native", "loss"],
)
def test_what_no_cap_covers_has_no_hash(at: Desk, data: dict[str, Any], why: str) -> None:
    """The screen is shown all the same."""
    screen = at.session().explain({name: value for name, value in data.items() if value is not None})
    assert screen.hash == ""
    assert why in screen.why_not
    assert "stripe" in screen.text


def test_a_bill_that_the_provider_rates_has_no_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ChargeAPI bills the transactions of a period: nobody knows the amount before."""
    with desk(tmp_path, monkeypatch, "chargeapi") as made:
        period = {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}
        data = {"command": "period_invoice", "reference": "r", "customer": made.emulator.customer, "period": period}
        screen = made.session().explain({**data, "currency": "EUR"})
    assert screen.hash == ""
    assert screen.why_not.startswith("the provider decides its amount")


def test_an_expected_total_does_not_bound_the_tax_of_a_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chargebee issues at once: a bill of 99.00 EUR with its tax would pass a cap of 100.00 EUR."""
    with desk(tmp_path, monkeypatch, "chargebee") as made:
        screen = made.session().explain(bill(amount="99.00 EUR", tax="provider", expect_total="99.00 EUR"))
        assert (screen.hash, screen.why_not.partition(",")[0]) == ("", "the provider decides its amount")


def test_a_run_has_a_cap_over_all_its_bills(at: Desk) -> None:
    """Also for plans that were shown while there was room for each of them."""
    session = at.session()
    first, second = session.explain(bill(1, "90.00 EUR")).hash, session.explain(bill(2, "60.01 EUR")).hash
    assert second
    session.create(bill(1, "90.00 EUR"), first)
    refused(session, bill(2, "60.01 EUR"), second, r"more than 150\.00 EUR: 90\.00 EUR are billed; nothing was sent")
    assert session.explain(bill(2, "60.00 EUR")).hash
    assert at.session().explain(bill(3, "60.01 EUR")).hash, "another run begins anew"


def test_what_was_certainly_not_done_is_not_counted(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of the provider gives the room back; an unknown outcome does not."""
    session = at.session()
    with pytest.raises(BridgeError) as caught:
        session.create(bill(customer="cus_no"), session.explain(bill(customer="cus_no")).hash)
    assert caught.value.outcome == "nothing_done"
    assert "left in this run: 150.00 EUR" in session.explain(bill(2)).text

    def lose(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    plan = session.explain(bill(3)).hash
    monkeypatch.setattr("invoice_bridge.client.clients.Client.create", lose)
    with pytest.raises(KeyboardInterrupt):
        session.create(bill(3), plan)
    assert "left in this run: 130.01 EUR" in session.explain(bill(4)).text


def test_without_a_journal_nothing_is_made(at: Desk) -> None:
    """After an unknown outcome it is what keeps a repeated bill from being a second one."""
    at.change('journal = "bills.sqlite"\n', "")
    assert at.session().explain(bill()).why_not.startswith("the profile has no journal")


# ── the profile ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("key", ["sk_live_not_a_key", "not_a_key_of_any_mode"])
def test_live_mode_and_an_unknown_one_need_the_flag(at: Desk, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, before a conversation begins."""
    at.change('mode = "test"\n', "")
    monkeypatch.setenv("STRIPE_API_KEY", key)
    with pytest.raises(ConfigurationError, match="--allow-live"):
        at.session()
    assert "LIVE" in at.session(allow_live=True).explain(bill()).text


def test_a_profile_without_caps_is_refused(at: Desk) -> None:
    """With what to write."""
    text = at.file.read_text("utf-8")
    head, _, tail = text.partition("[profiles.main.mcp]")
    at.file.write_text(head + tail[tail.index("[providers") :], "utf-8")
    with pytest.raises(ConfigurationError, match=r"write \[profiles.NAME.mcp\] with per_bill and per_run"):
        at.session()


TABLE: dict[str, Any] = {"per_bill": ["1.00 EUR"], "per_run": ["2.00 EUR"]}


@pytest.mark.parametrize(
    "change,fault",
    [
        ({"per_bill": None}, "list of amounts"),
        ({"per_bill": "1.00 EUR"}, "list of amounts"),
        ({"per_bill": [100]}, "list of amounts"),
        ({"per_bill": ["1.00"]}, "list of amounts"),
        ({"per_bill": ["1.001 EUR"]}, "list of amounts"),
        ({"per_bill": []}, "an amount above zero"),
        ({"per_bill": ["0.00 EUR"]}, "an amount above zero"),
        ({"per_bill": ["-1.00 EUR"]}, "an amount above zero"),
        ({"per_bill": ["1.00 EUR", "2.00 EUR"]}, "each currency once"),
        ({"per_run": ["2.00 USD"]}, "the same currencies"),
        ({"confirm_within": 0}, "a number of seconds"),
        ({"confirm_within": True}, "a number of seconds"),
        ({"confirm_within": 100_000}, "a number of seconds"),
        ({"api_key": "x"}, "must be a table of"),
    ],
)
def test_a_table_that_is_wrong_says_what_to_write(change: dict[str, Any], fault: str) -> None:
    """Each fault has its sentence, and a valid table none."""
    assert fault_of_caps(TABLE) is None
    assert fault in str(fault_of_caps(TABLE | change))


def test_both_caps_are_needed() -> None:
    """A cap of a bill without one of the run would let a loop bill without end."""
    assert "needs both caps" in str(fault_of_caps({"per_bill": ["1.00 EUR"]}))
    assert caps_of(TABLE) == Caps({"EUR": Money(100, "EUR")}, {"EUR": Money(200, "EUR")}, 600.0)


def test_a_key_in_a_bill_is_refused(at: Desk) -> None:
    """It would get onto the invoice."""
    with pytest.raises(ConfigurationError, match="contains the API key"):
        at.session().explain(bill(description=f"use {at.emulator.key}"))


def test_the_screen_has_no_key(at: Desk) -> None:
    """Neither has the hash anything of it that could be guessed from outside."""
    session = at.session()
    screen = session.explain(bill())
    assert at.emulator.key not in json.dumps([screen.text, screen.hash])


def test_only_so_many_plans_wait(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is dropped: memory does not grow with a conversation."""
    monkeypatch.setattr("invoice_bridge.mcp.session._MOST_SHOWN", 3)
    session = at.session()
    first = session.explain(bill(0)).hash
    for number in range(1, 4):
        session.explain(bill(number))
    refused(session, bill(0), first, "too old")


def test_what_is_not_there_is_an_error(at: Desk) -> None:
    """Of the library, typed."""
    session = at.session()
    with pytest.raises(NotFound):
        session.show("in_none")
    with pytest.raises(NotFound):
        session.find("none")
    assert [loss.code for loss in session.losses(bill())] == []
