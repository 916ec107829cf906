"""Parameters of one provider as options: how their values are read, which commands take them, and what is sent."""

import inspect
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Client, Money
from invoice_bridge.cli.app import COMMANDS
from invoice_bridge.cli.files import read_bill
from invoice_bridge.cli.natives import read_natives, with_natives
from invoice_bridge.client.on_invoices import Verbs
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.emulator.server import Served
from tests.cli.conftest import EXAMPLES, Done

Cli = Callable[..., Done]
CHARGE = str(EXAMPLES / "one-time-charge.json")
OF_BILLS = {"create", "resolve", "explain", "losses"}
OTHERWISE = {"retrieve": "show", "send_invoice": "send"}


def options_of(command: str) -> set[str]:
    module, _, function = COMMANDS[command].place.partition(":")
    named = getattr(__import__(f"invoice_bridge.cli.{module}", fromlist=[function]), function)
    return set(inspect.signature(named).parameters) & {"native", "native_unchecked", "expect_total"}


def test_every_command_takes_the_natives_that_its_method_takes() -> None:
    """The verbs with `**natives` in Python have both options, those of bills the expected total too, no other any."""
    verbs = {name for name in vars(Verbs) if not name.startswith("_")}
    taking = {name for name in verbs if "natives" in inspect.signature(getattr(Client, name)).parameters}
    assert len(taking) > 8
    expected = {OTHERWISE.get(name, name).replace("_", "-"): {"native", "native_unchecked"} for name in taking}
    expected |= {name: {"native", "native_unchecked", "expect_total"} for name in OF_BILLS} | {"list": {"native"}}
    singles = {name for name, entry in COMMANDS.items() if not entry.place.endswith(":app")}
    assert {name: options for name in sorted(singles) if (options := options_of(name))} == expected


@pytest.mark.parametrize(
    "options, native",
    [
        (["stripe.footer=Thank you = merci"], {"stripe": {"footer": "Thank you = merci"}}),
        (["stripe.number=2026"], {"stripe": {"number": "2026"}}),
        (['chargebee.coupon_ids=["spring","7"]'], {"chargebee": {"coupon_ids": ["spring", "7"]}}),
        (
            ["chargebee.coupon_ids[0]=spring", "chargebee.coupon_ids[1]=7"],
            {"chargebee": {"coupon_ids": ["spring", "7"]}},
        ),
        (["stripe.discounts[0].coupon=1e3"], {"stripe": {"discounts": [{"coupon": "1e3"}]}}),
        (['stripe.discounts=[{"coupon":"x"}]'], {"stripe": {"discounts": [{"coupon": "x"}]}}),
        (["stripe.lines[1].discountable=false"], {"stripe": {"lines": [{}, {"discountable": False}]}}),
        (
            ["stripe.lines[1].tax_rates[0]=txr_1", "stripe.lines[0].discountable=true"],
            {"stripe": {"lines": [{"discountable": True}, {"tax_rates": ["txr_1"]}]}},
        ),
        (["stripe.rendering.template_version=2"], {"stripe": {"rendering": {"template_version": 2}}}),
        (["stripe.application_fee_amount=1.50 EUR"], {"stripe": {"application_fee_amount": Money(150, "EUR")}}),
        (
            ['stripe.application_fee_amount={"minor":150,"currency":"EUR"}'],
            {"stripe": {"application_fee_amount": {"minor": 150, "currency": "EUR"}}},
        ),
        (
            ["chargebee.charges[0].amount_in_decimal=19.9875"],
            {"chargebee": {"charges": [{"amount_in_decimal": "19.9875"}]}},
        ),
        (
            ["whop.automatically_finalizes_at=2027-01-01T00:00:00Z", "whop.plan.stock=3"],
            {"whop": {"automatically_finalizes_at": "2027-01-01T00:00:00Z", "plan": {"stock": 3}}},
        ),
    ],
)
def test_a_value_is_read_as_its_parameter_needs_it(options: list[str], native: dict[str, Any]) -> None:
    """Text where the table has a text, however it looks; an amount where it has Money; JSON for all else."""
    assert read_natives("one_time_charge", options) == {"native": native}


def test_an_unchecked_value_is_json_or_a_text() -> None:
    """Exactly: no number becomes a float."""
    given = ["stripe.a.b=1.10", "stripe.a.c=true", 'stripe.d="1"', "stripe.e[0]=word"]
    assert read_natives("one_time_charge", None, given) == {
        "native_unchecked": {"stripe": {"a": {"b": Decimal("1.10"), "c": True}, "d": "1", "e": ["word"]}}
    }


@pytest.mark.parametrize(
    "options, message",
    [
        (["footer"], "write --native PROVIDER.PATH=VALUE"),
        (["footer=x"], "write --native PROVIDER.PATH=VALUE"),
        (["stripe.=x"], "write --native PROVIDER.PATH=VALUE"),
        (["strip.footer=x"], "did you mean 'stripe'?"),
        (["stripe.footer=x", "stripe.footer=y"], "stripe.footer is given twice"),
        (["stripe.footer[x]=y"], "a path is names with dots between"),
        (["stripe..footer=y"], "a path is names with dots between"),
        (["stripe.lines[1000000].tax_rates=[]"], "no list has more than 1000 entries"),
        (["stripe.discounts[0].coupon=x", "stripe.discounts.coupon=y"], "in another form"),
        (["stripe.footer=x", "stripe.footer.y=z"], "in another form"),
        (["chargebee.coupon_ids=spring"], "'spring' is not JSON: write it like '[\"one\"]'"),
        (["stripe.application_fee_amount=150"], 'is not an amount: write it like "19.99 EUR"'),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options: list[str], message: str) -> None:
    """One line, which states what to write."""
    with pytest.raises(ConfigurationError) as refused:
        read_natives("one_time_charge", options)
    assert message in str(refused.value)


def test_options_join_the_natives_of_the_file(tmp_path: Path) -> None:
    """Beside each other; the same parameter in both is refused, and a total in another currency too."""
    stated = json.loads(Path(CHARGE).read_text("utf-8"))
    stated |= {"native": {"stripe": {"footer": "Thanks"}}, "expect_total": "19.99 EUR"}
    file = tmp_path / "bill.json"
    file.write_text(json.dumps(stated), "utf-8")
    bill = read_bill(str(file))
    assert bill.expect_total == Money(1999, "EUR")
    joined = with_natives(bill, ["stripe.number=R-1", "chargebee.payment_initiator=customer"], None, "17.99 EUR")
    assert joined.native == {
        "stripe": {"footer": "Thanks", "number": "R-1"},
        "chargebee": {"payment_initiator": "customer"},
    }
    assert joined.expect_total == Money(1799, "EUR")
    assert joined.reference == bill.reference
    assert with_natives(bill, None, None, None) is bill
    with pytest.raises(ConfigurationError, match="given twice"):
        with_natives(bill, ["stripe.footer=Other"], None, None)
    with pytest.raises(ConfigurationError, match="expect_total is in USD"):
        with_natives(bill, None, None, "17.99 USD")


def test_a_bill_is_made_with_them_and_looked_up_with_them(stripe: Cli, served: Served) -> None:
    """What changes the amount needs the expected total and is allowed by name; the total is compared."""
    coupon = ("--native", "stripe.discounts[0].coupon=spring")
    refused = stripe("create", CHARGE, *coupon)
    assert refused.code == 2
    assert "give --expect-total" in refused.err
    total = ("--expect-total", "15.99 EUR")
    lossy = stripe("create", CHARGE, *coupon, *total)
    assert lossy.code == 1
    assert "native.stripe.discounts[].coupon" in lossy.err
    assert (
        stripe("create", CHARGE, *coupon, "--expect-total", "16.99 EUR", "--allow", "native.stripe.discounts").code == 1
    )
    assert not served.emulators["stripe"].ledger
    made = stripe(
        "create", CHARGE, *coupon, *total, "--allow", "native.stripe.discounts", "--native", "stripe.footer=Thanks"
    )
    assert (made.code, "total         15.99 EUR" in made.out) == (0, True), made.err


def test_explain_shows_what_the_options_send(cli: Cli) -> None:
    """In the requests, with the unchecked one marked as a loss; an unknown name is refused with the nearest."""
    given = ("--provider", "stripe", "--native", "stripe.footer=Thanks", "--native-unchecked", "stripe.brand_new=1")
    shown = cli("explain", CHARGE, *given)
    assert (shown.code, "Thanks" in shown.out, "brand_new" in shown.out) == (0, True, True), shown.out
    listed = cli("losses", CHARGE, *given)
    assert (listed.code, "native_unchecked.stripe.brand_new" in listed.out) == (1, True)
    wrong = cli("explain", CHARGE, "--provider", "stripe", "--native", "stripe.foter=Thanks")
    assert wrong.code == 2
    assert "the nearest are 'footer'" in wrong.out + wrong.err
    all_four = cli("explain", CHARGE, "--provider", "all", "--native", "stripe.footer=Thanks")
    assert all_four.code == 0


def test_a_verb_sends_them(stripe: Cli, tmp_path: Path) -> None:
    """An update writes the footer; a name that the verb lacks is refused, before anything is sent."""
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(json.loads(Path(CHARGE).read_text("utf-8")) | {"draft": True}), "utf-8")
    stripe("create", str(draft))
    done = stripe("update", "in_00000001", "--description", "New", "--native", "stripe.footer=Merci")
    assert done.code == 0, done.err
    assert json.loads(stripe("show", "in_00000001", "--json").out)["footer"] == "Merci"
    for verb in ("void", "finalize", "mark-paid", "mark-uncollectible", "delete", "send", "pay"):
        refused = stripe(verb, "in_00000001", "--native", "stripe.footr=x")
        assert (refused.code, refused.out) == (2, ""), verb
        assert "no such native parameter" in refused.err
        assert stripe(verb, "in_00000001", "--native", "stripe.x").code == 2
    money = {
        "refund": (),
        "credit": ("--amount", "1.00 EUR"),
        "record-payment": ("--amount", "1.00 EUR", "--at", "2026-10-01"),
    }
    for verb, more in money.items():
        refused = stripe(verb, "in_00000001", "--reference", "r-1", *more, "--native", "stripe.footr=x")
        assert (refused.code, "no such native parameter" in refused.err) == (2, True), refused.err
    assert stripe("list", "--native", "stripe.nonsense=x").code == 2
