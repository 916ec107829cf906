"""The taxes of single lines at Stripe: sent in amounts, compared before anything is issued, refused where not taken."""

from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from invoice_bridge import (
    AmountMismatch,
    Client,
    Collection,
    Discount,
    IdempotencyMismatch,
    Line,
    LossyTranslation,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Status,
    TaxLine,
    TaxRate,
    Unsupported,
)
from invoice_bridge.core.bills import taxes_of_bill
from invoice_bridge.core.exact import loads
from invoice_bridge.providers.stripe.lines import line_forms
from tests.providers.stripe.conftest import ROOT, World

VAT, LOW = TaxRate(name="VAT", rate=19), TaxRate(name="VAT", rate=7)
WITHIN, CITY = TaxRate(name="VAT", rate=19, inclusive=True), TaxRate(name="CITY", rate="0.125")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def taxed(amount: int, *rates: Any, **more: Any) -> Line:
    return Line(description="Line", amount=eur(amount), taxes=rates, **more)


def stated(amount: int, rate: str = "19", **more: Any) -> TaxLine:
    return TaxLine(**{"name": "VAT", "rate": Decimal(rate), "amount": eur(amount), "inclusive": False, **more})


def charge(*lines: Line, **more: Any) -> OneTimeCharge:
    return OneTimeCharge(**{"reference": "r", "customer": "cus_42", "lines": lines, **more})


def tax_forms(bill: OneTimeCharge) -> list[list[tuple[int, Any, bool, int]]]:
    """Each line's tax amounts as they are sent: amount, percentage, within, base."""
    return [
        [
            (
                row["amount"],
                row["tax_rate_data"]["percentage"],
                row["tax_rate_data"]["inclusive"],
                row["taxable_amount"],
            )
            for row in form.get("tax_amounts", [])
        ]
        for form in cast("list[dict[str, Any]]", line_forms(bill))
    ]


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_each_line_has_its_own_rate(world: World) -> None:
    """Books at 7 %, toys at 19 %, stamps without tax; the customer pays exactly what was asked."""
    lines = [taxed(1999, LOW), taxed(999, VAT), taxed(85)]
    found = world.client.create(charge(*lines, collection=Collection.charge("pm_card_visa")))
    assert (found.status, found.subtotal, found.tax, found.total, found.amount_paid) == (
        Status.PAID, eur(3083), eur(330), eur(3413), eur(3413),
    )  # fmt: skip
    assert [[tax.amount for tax in line.taxes] for line in found.lines] == [[eur(140)], [eur(190)], []]
    assert [(tax.amount, tax.base) for tax in found.taxes] == [(eur(140), eur(1999)), (eur(190), eur(999))]
    assert found.losses == ()


def test_the_invoice_states_one_tax_for_each_rate(world: World) -> None:
    """Lines of one rate are added up, as this library does."""
    bill = charge(taxed(1010, VAT), taxed(500, LOW), taxed(10, VAT))
    found = world.client.create(bill)
    assert [tax.amount for tax in found.taxes] == [tax.amount for tax in taxes_of_bill(bill)] == [eur(194), eur(35)]


def test_a_period_invoice_has_them_too(world: World) -> None:
    """The caller's lines of a period."""
    may = Period.month(2026, 5)
    bill = PeriodInvoice(reference="r", customer="cus_42", period=may, currency="EUR", lines=[taxed(1000, VAT)])
    assert world.client.create(bill).total == eur(1190)


def test_a_tax_within_the_amount_leaves_the_total(world: World) -> None:
    """Beside a line whose tax is on top."""
    found = world.client.create(charge(taxed(11900, WITHIN), taxed(1000, VAT)))
    assert (found.tax, found.total) == (eur(2090), eur(13090))
    assert {tax.inclusive for tax in found.taxes} == {True, False}


@pytest.mark.parametrize(
    "line,sent",
    [
        (taxed(999, VAT, CITY), [(190, 19, False, 999), (1, Decimal("0.125"), False, 999)]),
        (taxed(1000, TaxRate(name="VAT", rate=0)), [(0, 0, False, 1000)]),
        (taxed(11900, WITHIN), [(1900, 19, True, 10000)]),
        (Line(description="Line", quantity=3, unit_amount=eur(333), taxes=[VAT]), [(190, 19, False, 999)]),
        (taxed(1000, stated(190, "19.00")), [(190, 19, False, 1000)]),
        (taxed(1190, stated(190, inclusive=True)), [(190, 19, True, 1000)]),
        (taxed(1000, stated(95, base=eur(500))), [(95, 19, False, 500)]),
    ],
)  # fmt: skip
def test_a_tax_is_sent_in_amounts(line: Line, sent: list[Any]) -> None:
    """Amount, rate as it is written on the invoice, whether it is within, and its base."""
    assert tax_forms(charge(line)) == [sent]


def test_a_rate_is_written_in_one_way(world: World) -> None:
    """19.00 % is sent as 19, so that the same bill is the same bytes."""
    world.client.create(charge(taxed(1000, stated(190, "19.00"))))
    sent = "".join(request.content.decode() for request in world.transport.sent)
    assert "percentage%5D=19&" in sent


@pytest.mark.parametrize(
    "currency,amount,units", [("JPY", 333, 63), ("ISK", 333, 6300), ("CLP", 50, 10), ("KWD", 1000, 190)]
)
def test_a_tax_is_in_the_units_of_its_currency(currency: str, amount: int, units: int) -> None:
    """No minor units, Stripe's hundredfold of ISK, three decimals."""
    line = Line(amount=Money(amount, currency), taxes=[VAT])
    assert tax_forms(charge(line))[0][0][0] == units


def test_a_tax_that_the_currency_cannot_carry_is_refused(world: World) -> None:
    """Stripe takes KWD in tens of its thousandths: 0.191 of tax is none."""
    with pytest.raises(Unsupported, match="KWD"):
        world.client.create(charge(Line(amount=Money(1010, "KWD"), taxes=[VAT])))
    assert world.sent == []


# ── what is compared ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("cents", [1, -1, 1000])
def test_another_tax_on_the_draft_stops_the_bill(world: World, monkeypatch: pytest.MonkeyPatch, cents: int) -> None:
    """A cent more or less, and nothing is issued or collected."""
    attach = world.stripe._attach

    def changed(found: dict[str, Any], added: list[dict[str, Any]]) -> None:
        added[0]["taxes"][0]["amount"] += cents
        attach(found, added)

    monkeypatch.setattr(world.stripe, "_attach", changed)
    with pytest.raises(AmountMismatch, match=r"a tax of 1\.90 EUR, .* is draft"):
        world.client.create(charge(taxed(1000, VAT), taxed(500), collection=Collection.charge("pm_card_visa")))
    assert world.events == []


def test_a_tax_that_is_dropped_on_the_draft_stops_the_bill(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invoice without the tax is another invoice, though its lines agree."""
    attach = world.stripe._attach

    def without(found: dict[str, Any], added: list[dict[str, Any]]) -> None:
        attach(found, [{**row, "taxes": []} for row in added])

    monkeypatch.setattr(world.stripe, "_attach", without)
    with pytest.raises(AmountMismatch, match=r"a tax of 1\.90 EUR"):
        world.client.create(charge(taxed(1000, VAT)))
    assert world.events == []


@pytest.mark.parametrize("other", [[LOW], [], [VAT, LOW], [WITHIN]], ids=["rate", "none", "more", "within"])
def test_the_reference_with_other_rates_is_another_bill(world: World, other: list[TaxRate]) -> None:
    """Nothing is done to the first invoice: it is found, and its tax is another one."""
    first = world.client.create(charge(taxed(1000, VAT)))
    with pytest.raises(AmountMismatch, match="is open"):
        world.client.create(charge(taxed(1000, *other)))
    assert world.events == ["issued"]
    assert world.client.create(charge(taxed(1000, VAT))).id == first.id


@pytest.mark.parametrize("other", [[LOW], [], [TaxRate(name="GST", rate=19)]], ids=["rate", "none", "name"])
def test_the_journal_knows_another_rate_before_anything_is_sent(
    world: World, other: list[TaxRate], tmp_path: Path
) -> None:
    """By the digest of the bill, even where the tax is the same."""
    http = httpx.Client(transport=world.transport)
    path = tmp_path / "journal.sqlite"
    with Client("stripe", api_key=world.stripe.key, base_url=ROOT, http=http, journal=path) as client:
        client.create(charge(taxed(1000, VAT)))
        sent = len(world.sent)
        with pytest.raises(IdempotencyMismatch):
            client.create(charge(taxed(1000, *other)))
        assert len(world.sent) == sent


def test_the_same_rates_again_are_the_same_bill(world: World) -> None:
    """Written as 19.00, or with the amounts that were computed: nothing is billed twice."""
    first = world.client.create(charge(taxed(1000, VAT)))
    same = taxed(1000, TaxRate(name="VAT", rate="19.00"))
    assert world.client.create(charge(same)).id == first.id
    assert world.client.create(charge(taxed(1000, *taxed(1000, VAT).taxes))).id == first.id
    assert len(world.stripe.invoices) == 1


@pytest.mark.parametrize("total,fine", [(1190, True), (1000, False), (1191, False)])
def test_an_expected_total_has_the_taxes(world: World, total: int, fine: bool) -> None:
    """What is expected is compared with the lines before anything is sent."""
    bill = charge(taxed(1000, VAT), expect_total=eur(total))
    if fine:
        assert world.client.create(bill).total == eur(1190)
        return
    with pytest.raises(Unsupported, match=r"its lines come to 11\.90 EUR"):
        world.client.create(bill)
    assert world.sent == []


# ── what is lost, and what is refused ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "bill",
    [
        charge(taxed(1000, VAT), tax="provider"),
        charge(taxed(1000, TaxLine(amount=eur(190)))),
        charge(taxed(1000, TaxLine(name="VAT", amount=eur(190), inclusive=False))),
        charge(taxed(1000, TaxLine(rate=19, amount=eur(190), inclusive=False))),
        charge(taxed(1000, TaxLine(name="VAT", rate=19, amount=eur(190)))),
        charge(taxed(1000, VAT), taxed(5, TaxLine(amount=eur(1)))),
    ],
    ids=["automatic tax", "bare", "no rate", "no name", "on top or within", "one of them"],
)
def test_a_tax_that_stripe_cannot_show_is_a_loss(world: World, bill: OneTimeCharge) -> None:
    """It changes money: nothing is sent, and with its code allowed none of the lines' taxes is."""
    with pytest.raises(LossyTranslation, match="IB-STRIPE-LINE-TAX-01"):
        world.client.create(bill)
    assert world.sent == []
    found = world.client.create(bill, allow=["IB-STRIPE-LINE-TAX-01"])
    assert found.subtotal == bill.total
    assert found.tax == (eur(200) if bill.tax == "provider" else eur(0))
    assert not any("tax_amounts" in request.content.decode() for request in world.transport.sent)


def test_the_lines_of_an_invoice_that_was_read_keep_no_tax_of_their_own(world: World) -> None:
    """Stripe's lines name no rate: billed again, their taxes are a loss."""
    lines = world.client.create(charge(taxed(1000, VAT))).lines
    found = {loss.code: loss.severity.value for loss in world.client.losses(charge(*lines, reference="again"))}
    assert found["IB-STRIPE-LINE-TAX-01"] == "changes_money"


def test_the_taxed_lines_of_another_provider_are_billed_as_they_were(world: World) -> None:
    """With a name, a rate and an amount, rounded there as it was: to the cent."""
    tax = TaxLine(name="MwSt", rate=Decimal("19.0"), amount=eur(188), base=eur(1000), inclusive=False)
    found = world.client.create(charge(Line(id="li_1", description="Energy", amount=eur(1000), taxes=[tax])))
    assert found.total == eur(1188)


TWENTY = [TaxRate(name=f"T{n}", rate="0.1234") for n in range(20)]


def test_as_many_taxes_as_stripe_takes_are_sent(world: World) -> None:
    """Twenty a line, of four decimals; the emulator refuses more as Stripe does."""
    assert world.client.create(charge(taxed(10000, *TWENTY))).tax == eur(20 * 12)


@pytest.mark.parametrize(
    "bill,problem",
    [
        (charge(taxed(1000, *TWENTY, VAT)), "at most 20 taxes on a line, and the line 'Line' has 21"),
        (charge(taxed(1000, TaxRate(name="VAT", rate="19.12345"))), "at most 4 decimals, and VAT is 19.12345 %"),
        (charge(taxed(1000), taxed(-100, VAT)), "whether a negative line takes tax amounts"),
        (charge(Line(id="l", amount=eur(1000), taxes=[TaxLine(name="W", rate=5, amount=eur(-50), inclusive=False)])),
         "a tax below zero, and W is -0.50 EUR"),
        (charge(Line(id="l", amount=eur(1000), taxes=[TaxLine(name="W", rate=130, amount=eur(50), inclusive=False)])),
         "of 0 to 100 %"),
        (charge(taxed(1000, VAT, discount=eur(100))), "leave the taxes of the lines out"),
        (charge(taxed(1000, VAT), discounts=[Discount(amount=eur(100))]), "leave the taxes of the lines out"),
        (charge(taxed(1000, VAT), native={"stripe": {"default_tax_rates": ["txr_42"]}}, expect_total=eur(1390)),
         "takes no tax rates"),
        (charge(taxed(1000, VAT), native={"stripe": {"lines": [{"tax_rates": ["txr_42"]}]}}, expect_total=eur(1390)),
         "takes no tax rates"),
    ],
)  # fmt: skip
def test_what_stripe_does_not_take_is_refused(world: World, bill: OneTimeCharge, problem: str) -> None:
    """Before anything is sent, with what to do."""
    with pytest.raises(Unsupported, match=problem):
        world.client.create(bill)
    assert world.sent == []


def test_a_credit_and_a_discount_beside_a_taxed_line_are_sent(world: World) -> None:
    """Lines without taxes may be below zero or discounted: no tax depends on them."""
    found = world.client.create(charge(taxed(1000, VAT), taxed(-100), taxed(500, discount=eur(50))))
    assert (found.tax, found.total) == (eur(190), eur(1540))


# ── the emulator ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "changed,problem",
    [
        ({"percentage": "19.12345"}, "Invalid percentage"),
        ({"percentage": "101"}, "Invalid percentage"),
        ({"percentage": "-1"}, "Invalid percentage"),
        ({"percentage": "NaN"}, "Invalid percentage"),
        ({"percentage": "many"}, "Invalid percentage"),
        ({"percentage": None}, "Missing required param: lines[0][tax_amounts][0][tax_rate_data][percentage]"),
        ({"taxable_amount": None}, "Missing required param: lines[0][tax_amounts][0][taxable_amount]"),
        ({"amount": "1.5"}, "Invalid integer"),
        ({"count": 21}, "You can only set 20 tax amounts"),
    ],
)
def test_the_emulator_takes_no_other_taxes(world: World, changed: dict[str, Any], problem: str) -> None:
    """What the SDK's documentation demands of a tax amount."""
    draft = world.client.create(charge(taxed(5), draft=True)).id
    fields = {"amount": "190", "taxable_amount": "1000"}
    fields |= {"display_name": "VAT", "inclusive": "false", "percentage": "19"}
    fields |= {name: value for name, value in changed.items() if name != "count"}
    pairs = [("lines[0][amount]", "1000")]
    for place in range(changed.get("count", 1)):
        for name, value in fields.items():
            inner = f"[{name}]" if name in {"amount", "taxable_amount"} else f"[tax_rate_data][{name}]"
            if value is not None:
                pairs.append((f"lines[0][tax_amounts][{place}]{inner}", value))
    answer = world.ask("POST", f"/v1/invoices/{draft}/add_lines", *pairs)
    assert answer.status == 400
    assert problem in loads(answer.content)["error"]["message"]


@pytest.mark.parametrize("native", [True, False])
def test_the_emulator_takes_no_amounts_beside_rates(world: World, native: bool) -> None:
    """Default tax rates, or automatic tax, and tax amounts exclude each other (InvoiceAddLinesParams)."""
    more = [("default_tax_rates[0]", "txr_42")] if native else [("automatic_tax[enabled]", "true")]
    draft = world.made("/v1/invoices", ("customer", "cus_42"), ("currency", "eur"), *more)["id"]
    names = {"display_name": "VAT", "inclusive": "false", "percentage": "19"}
    at = "lines[0][tax_amounts][0]"
    pairs = [("lines[0][amount]", "1000"), (f"{at}[amount]", "190"), (f"{at}[taxable_amount]", "1000")]
    pairs += [(f"{at}[tax_rate_data][{name}]", value) for name, value in names.items()]
    answer = world.ask("POST", f"/v1/invoices/{draft}/add_lines", *pairs)
    assert answer.status == 400
    assert "You cannot set tax amounts" in loads(answer.content)["error"]["message"]
