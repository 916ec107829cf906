"""The taxes of single lines: how they are stated, what they come to, and what every provider makes of them."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from invoice_bridge import (
    ImportInvoice,
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
    explain,
    losses,
    read_command,
)
from invoice_bridge.adapter import carried, dropped
from invoice_bridge.adapter.rows import without_unsent_taxes
from invoice_bridge.core.bills import taxes_of_bill, total_with_tax
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.losses import Fate
from invoice_bridge.journal.rows import digest_of
from tests.clients import emulated_at, no_waiting  # noqa: F401 - a fixture
from tests.toy import toy_context

MAY = Period.month(2026, 5)
SETTINGS: dict[str, dict[str, Any]] = {
    "chargeapi": {}, "chargebee": {"site": "acme-test"}, "stripe": {}, "whop": {"account_id": "biz_42"},
}  # fmt: skip
VAT, LOW = TaxRate(name="VAT", rate=19), TaxRate(name="VAT", rate=7)
WITHIN = TaxRate(name="VAT", rate=19, inclusive=True)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def charge(*lines: Line, **more: Any) -> OneTimeCharge:
    return OneTimeCharge(**{"reference": "r", "customer": "cus_42", "lines": lines, **more})


def amounts(*lines: Line) -> list[list[int]]:
    return [[tax.amount.minor for tax in line.taxes] for line in lines]


# ── the arithmetic ───────────────────────────────────────────────────────────────────────────────────────────────────
rows = st.lists(
    st.tuples(st.integers(0, 10**9), st.none() | st.decimals("0", "100", places=4), st.booleans()),
    min_size=1, max_size=6,
)  # fmt: skip


@given(rows=rows)
def test_each_line_is_taxed_at_its_own_rate(rows: list[tuple[int, Decimal | None, bool]]) -> None:
    """For every bill: each line's tax is rounded by itself, lines without taxes add none, and what is within stays."""
    lines = [
        Line(amount=eur(amount), taxes=[] if rate is None else [TaxRate(name="T", rate=rate, inclusive=within)])
        for amount, rate, within in rows
    ]
    on_top = sum(
        int((amount * rate / 100).quantize(Decimal(1), ROUND_HALF_UP))
        for amount, rate, within in rows
        if rate is not None and not within
    )
    bill = charge(*lines)
    assert bill.total == eur(sum(amount for amount, _, _ in rows))
    assert total_with_tax(bill) == bill.total + eur(on_top)
    assert sum(tax.amount.minor for tax in taxes_of_bill(bill) if not tax.inclusive) == on_top
    for line, (amount, _, within) in zip(lines, rows, strict=True):
        for tax in line.taxes:  # base and tax close with the amount
            assert tax.base == eur(amount - (tax.amount.minor if within else 0))


@given(
    amounts=st.lists(st.integers(0, 10**9), min_size=1, max_size=5),
    rates=st.lists(st.decimals("0", "40", places=4), min_size=1, max_size=3),
    inclusive=st.booleans(),
)
def test_the_same_rates_on_every_line_are_those_of_the_bill(
    amounts: list[int], rates: list[Decimal], inclusive: bool
) -> None:
    """For every bill: rates written at each line come to what tax=[…] comes to."""
    stated = [TaxRate(name=f"T{n}", rate=rate, inclusive=inclusive) for n, rate in enumerate(rates)]
    by_bill = charge(*(Line(amount=eur(amount)) for amount in amounts), tax=stated)
    by_line = charge(*(Line(amount=eur(amount), taxes=stated) for amount in amounts))
    assert taxes_of_bill(by_line) == taxes_of_bill(by_bill)
    assert total_with_tax(by_line) == total_with_tax(by_bill)


@pytest.mark.parametrize(
    "line,taxes,base",
    [
        (Line(amount=eur(50), taxes=[LOW]), [4], 50),  # 3.5
        (Line(amount=eur(50), taxes=[TaxRate(name="T", rate=5)]), [3], 50),  # 2.5
        (Line(amount=eur(-50), taxes=[TaxRate(name="T", rate=5)]), [-3], -50),
        (Line(amount=eur(7), taxes=[LOW]), [0], 7),  # 0.49
        (Line(amount=eur(-50), taxes=[LOW]), [-4], -50),  # away from zero, as the line above zero
        (Line(amount=eur(1000), taxes=[TaxRate(name="VAT", rate=0)]), [0], 1000),
        (Line(amount=eur(0), taxes=[VAT]), [0], 0),
        (Line(amount=eur(11900), taxes=[WITHIN]), [1900], 10000),
        (Line(amount=eur(1000), discount=eur(100), taxes=[VAT]), [171], 900),
        (Line(quantity=3, unit_amount=eur(333), taxes=[VAT]), [190], 999),  # of the line, not 3 × 63
        (Line(quantity=Decimal("2.5"), unit_amount=eur(200), taxes=[VAT, LOW]), [95, 35], 500),
        (Line(amount=Money(333, "JPY"), taxes=[TaxRate(name="CT", rate=10)]), [33], 333),  # no minor unit to round to
        (Line(amount=Money(1235, "KWD"), taxes=[TaxRate(name="T", rate=10)]), [124], 1235),
    ],
)
def test_what_a_rate_comes_to(line: Line, taxes: list[int], base: int) -> None:
    """Halves away from zero, on the amount less the line's discount, in the currency's own minor unit."""
    assert [tax.amount.minor for tax in line.taxes] == taxes
    assert {tax.base for tax in line.taxes} == {Money(base, line.amount.currency)}


def test_taxes_of_one_rate_are_one() -> None:
    """What lines have of the same rate is added up; another name, rate or place is another tax."""
    lines = [Line(amount=eur(amount), taxes=[rate]) for amount, rate in ((1000, VAT), (500, LOW), (10, VAT), (9, LOW))]
    other = Line(amount=eur(1190), taxes=[WITHIN])
    found = taxes_of_bill(charge(*lines, other, Line(amount=eur(5))))
    assert found == (
        TaxLine(name="VAT", rate=19, amount=eur(192), base=eur(1010), inclusive=False),
        TaxLine(name="VAT", rate=7, amount=eur(36), base=eur(509), inclusive=False),
        TaxLine(name="VAT", rate=19, amount=eur(190), base=eur(1000), inclusive=True),
    )


def test_a_stated_amount_is_the_callers() -> None:
    """A tax engine's amount is kept to the cent, where rounding could have made it: 1.90 or 1.89 of 9.99."""
    for cents in (189, 190):
        line = Line(amount=eur(999), taxes=[TaxLine(name="VAT", rate=19, amount=eur(cents), inclusive=False)])
        assert total_with_tax(charge(line)) == eur(999 + cents)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────
def tax(cents: int, rate: int | None = 19, **more: Any) -> TaxLine:
    return TaxLine(**{"name": "VAT", "rate": rate, "amount": eur(cents), "inclusive": False, **more})


@pytest.mark.parametrize(
    "said,problem",
    [
        ([{"name": "VAT", "rate": "120"}], "a percentage of 0 to 100"),
        ([{"name": "VAT", "rate": "-1"}], "a percentage of 0 to 100"),
        ([{"name": "VAT", "rate": 19.5}], "19.5 is not exact"),
        ([{"name": "VAT", "rate": "0.12345678901"}], "at most 10 decimals"),
        ([{"name": "", "rate": "19"}], "name String should have at least 1 character"),
        ([{"rate": "19"}], "name Field required"),
        ([{"name": "VAT"}], "amount"),
        ([{"name": "VAT", "rate": "19", "of": 1}], "Extra inputs"),
        ([VAT, tax(190)], "the amounts of all its taxes, or the rates of all"),
        ([VAT, WITHIN], "all within its amount, or all on top of it"),
        ([tax(191)], "a tax of 1.91 EUR is not 19 % of 10.00 EUR: state its name and its rate alone"),
        ([tax(189)], "a tax of 1.89 EUR is not 19 %"),
        ([tax(-190)], "a tax of -1.90 EUR is not 19 %"),
        ([tax(1900, base=eur(10000))], "a tax of 19.00 EUR is computed on 100.00 EUR, more than the line's 10.00 EUR"),
        ([tax(190, inclusive=True)], "a tax of 1.90 EUR is not 19 % of 8.10 EUR"),
        ([TaxLine(name="VAT", rate=19, amount=Money(190, "USD"))], "is in another currency"),
        ([tax(190, base=Money(1000, "USD"))], "is in another currency"),
        (5, "valid tuple"),
        ("VAT", "valid tuple"),
    ],
)
def test_a_tax_that_is_none_is_an_error(said: Any, problem: str) -> None:
    """Typed, with what to write instead, before there is a provider."""
    with pytest.raises(ValidationError, match=problem):
        charge(Line(amount=eur(1000), taxes=said))


@pytest.mark.parametrize("taxed", [VAT, tax(190)], ids=["a rate", "an amount"])
def test_a_line_is_taxed_once(taxed: Any) -> None:
    """Rates of the bill apply to every line: beside a line's own they would tax it twice."""
    with pytest.raises(ValidationError, match=r"line 1 states its own taxes, .* taxed twice"):
        charge(Line(amount=eur(1000)), Line(amount=eur(1000), taxes=[taxed]), tax=[VAT])


def test_a_tax_of_a_changed_line_is_noticed() -> None:
    """A copy with another amount or discount keeps the old tax: it is no bill."""
    line = Line(amount=eur(1000), taxes=[VAT])
    for change in ({"amount": eur(500)}, {"discount": eur(500)}):
        with pytest.raises(ValidationError, match=r"more than the line's 5\.00 EUR"):
            charge(line.model_copy(update=change))


def test_a_tax_on_a_tax_is_a_tax() -> None:
    """Some taxes are computed on the amount with another one."""
    line = Line(amount=eur(1000), taxes=[tax(50, 5, name="GST"), tax(105, 10, name="QST", base=eur(1050))])
    assert total_with_tax(charge(line)) == eur(1155)


def test_taxes_that_were_read_are_not_computed_again() -> None:
    """An invoice's own line may round elsewhere: its taxes are the provider's."""
    read = Line(id="il_1", amount=eur(1000), taxes=[tax(188)])
    assert total_with_tax(charge(read)) == eur(1188)


# ── files, and the journal ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_bill_with_taxed_lines_reads_back_from_json() -> None:
    """By rate, or with the amounts that were computed: the same bill."""
    bill = charge(Line(amount=eur(999), taxes=[VAT]), Line(amount=eur(1), taxes=[]))
    written = loads(dumps({"command": "one_time_charge", **bill.model_dump(mode="json")}))
    assert read_command(written) == bill
    written["lines"][0]["taxes"] = [{"name": "VAT", "rate": "19.00"}]
    assert read_command(written) == bill
    read = read_command(written)
    assert isinstance(read, OneTimeCharge)
    assert digest_of(read, "stripe") == digest_of(bill, "stripe")


@pytest.mark.parametrize("taxes", [[], [LOW], [VAT, LOW], [WITHIN], [TaxRate(name="GST", rate=19)]])
def test_another_rate_is_another_bill(taxes: list[TaxRate]) -> None:
    """A reference has one content, and the tax of each line is a part of it."""
    bill, other = (charge(Line(amount=eur(1000), taxes=each)) for each in ([VAT], taxes))
    assert digest_of(bill, "stripe") != digest_of(other, "stripe")


def test_a_period_invoice_and_an_import_take_rates_too() -> None:
    """Wherever a line is written."""
    line = Line(description="Energy", amount=eur(1000), taxes=[VAT], period=MAY)
    bill = PeriodInvoice(reference="r", customer="c", period=MAY, currency="EUR", lines=[line])
    assert total_with_tax(bill) == eur(1190)
    document = ImportInvoice(
        reference="r", customer="c", status=Status.OPEN, issued_at=MAY.end, lines=[line], total=eur(1190)
    )
    assert amounts(*document.lines) == [[190]]


# ── every provider ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_tax_of_a_line_is_sent_or_stops_the_bill(name: str) -> None:
    """Stripe takes it; elsewhere it is a loss that changes money, with what to do, and ALL does not allow it."""
    bill = charge(Line(description="Energy", amount=eur(1000), taxes=[VAT]), period=MAY)
    found = [loss for loss in losses(name, bill, **SETTINGS[name]) if "taxes" in loss.path]
    if name == "stripe":
        assert found == []
        return
    assert [(loss.code, loss.severity.value) for loss in found] == [(f"IB-{name.upper()}-LINE-TAX-01", "changes_money")]
    assert "as lines" in found[0].remedy
    assert 'tax="provider"' in found[0].remedy
    client, transport = emulated_at(name, lookup="never")
    with pytest.raises((LossyTranslation, Unsupported)):
        client.create(
            bill.model_copy(update={"customer": None} if name == "chargeapi" else {}), allow=["lines[].period"]
        )
    assert transport.sent == []


@pytest.mark.parametrize("name", ["chargebee", "whop"])
def test_an_allowed_loss_of_taxes_is_billed_without_them(name: str) -> None:
    """What is compared before money moves is what was sent: the amounts, and no tax."""
    client, _ = emulated_at(name, lookup="never")
    bill = charge(
        Line(description="Energy", amount=eur(1000), taxes=[VAT]),
        customer="mber_42" if name == "whop" else "cus_42", draft=True, issued_at=MAY.start,
    )  # fmt: skip
    made = client.create(bill, allow=[loss.code for loss in client.losses(bill)])
    assert made.total in {None, eur(1000)}
    assert f"IB-{name.upper()}-LINE-TAX-01" in {loss.code for loss in made.losses}


def test_a_total_that_was_expected_is_not_given_up_with_the_taxes() -> None:
    """expect_total with the tax, at a provider that drops it: nothing is sent, whatever is allowed."""
    client, transport = emulated_at("chargebee", lookup="never")
    bill = charge(
        Line(description="Energy", amount=eur(1000), taxes=[VAT]), issued_at=MAY.start, expect_total=eur(1190)
    )
    with pytest.raises(Unsupported, match=r"expects a total of 11\.90 EUR, its lines come to 10\.00 EUR"):
        client.create(bill, allow=[loss.code for loss in client.losses(bill)])
    assert transport.sent == []


def test_an_adapter_is_given_the_taxes_that_its_rows_carry() -> None:
    """A row that sends them, and none that drops them: else they are not compared with the invoice."""
    bill, context = charge(Line(amount=eur(1000), taxes=[VAT])), toy_context()
    sends = carried("lines[].taxes[]", "tax", "docs")
    assert without_unsent_taxes((sends,), bill, context) is bill
    bare = charge(Line(amount=eur(1000)))
    loses = dropped("lines[].taxes[]", "IB-X-LINE-TAX-01", "docs", why="no")
    never = dropped("lines[].taxes[]", "IB-X-LINE-TAX-01", "docs", why="no", when=lambda *_: False)
    assert loses.fate is Fate.DROPPED
    assert without_unsent_taxes((loses, sends), bill, context) == bare
    assert without_unsent_taxes((), bill, context) == bare
    assert without_unsent_taxes((never, sends), bill, context) is bill
    assert without_unsent_taxes((), bare, context) is bare


def test_a_bill_of_any_provider_states_its_tax_on_one_screen() -> None:
    """Each tax is a row of the plan, with the field that it comes from."""
    text = explain("stripe", charge(Line(description="Book", amount=eur(1999), taxes=[LOW])), lookup="never").text()
    assert "lines[0].tax_amounts[0].amount                      140" in text
    assert "← lines[].taxes[]" in text
    text = explain("stripe", charge(Line(description="Book", amount=eur(1999)), tax=[LOW]), lookup="never").text()
    assert "← tax[]" in text
    assert "← lines[].taxes[]" not in text
