"""The whole bill: discounts, rates of tax, products and subscriptions, and what every provider makes of them."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from invoice_bridge import (
    Client,
    Collection,
    Discount,
    Line,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    TaxRate,
    Unsupported,
    explain,
    losses,
    providers,
    read_command,
)
from invoice_bridge.adapter import DISCOUNTS, Context, discounts_as_lines, read_parts, refused
from invoice_bridge.adapter.rows import check_refused
from invoice_bridge.core.bills import taxes_of_bill, total_with_tax
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.journal.rows import digest_of
from tests.toy import toy_context

MAY = Period.month(2026, 5)
SETTINGS: dict[str, dict[str, Any]] = {
    "chargeapi": {}, "chargebee": {"site": "acme-test"}, "stripe": {}, "whop": {"account_id": "biz_42"},
}  # fmt: skip
VAT = TaxRate(name="VAT", rate=19)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def charge(*lines: Line, **more: Any) -> OneTimeCharge:
    return OneTimeCharge(**{"reference": "r", "customer": "cus_42", "lines": lines, **more})


# ── the arithmetic ───────────────────────────────────────────────────────────────────────────────────────────────────
discounted = st.lists(
    st.integers(1, 10**6).flatmap(lambda amount: st.tuples(st.just(amount), st.integers(0, amount))),
    min_size=1,
    max_size=5,
)


@given(rows=discounted)
def test_billed_lines_come_to_the_total_with_discounts_of_lines(rows: list[tuple[int, int]]) -> None:
    """For every bill with discounted lines: the total is their sum less the discounts, and so are the billed lines."""
    bill = charge(*(Line(amount=eur(amount), discount=eur(off)) for amount, off in rows))
    assert bill.total.minor == sum(amount - off for amount, off in rows)
    assert sum(line.amount.minor for line in bill.billed_lines) == bill.total.minor
    assert sum(line.amount.minor for line in bill.stated_lines) == sum(amount for amount, _ in rows)


@given(amounts=st.lists(st.integers(1, 10**6), min_size=1, max_size=5), part=st.integers(1, 100))
def test_billed_lines_come_to_the_total_with_discounts_of_the_bill(amounts: list[int], part: int) -> None:
    """For every bill with discounts of its own: likewise, with a period as without."""
    off = max(sum(amounts) * part // 100, 1)
    discounts = [Discount(name="Spring", amount=eur(off))]
    lines = [Line(amount=eur(amount)) for amount in amounts]
    for bill in (
        charge(*lines, discounts=discounts),
        charge(amount=eur(sum(amounts)), discounts=discounts),
        PeriodInvoice(reference="r", period=MAY, currency="EUR", lines=lines, discounts=discounts),
    ):
        assert bill.total == eur(sum(amounts) - off)
        assert sum(line.amount.minor for line in bill.billed_lines) == sum(amounts) - off


@given(
    amounts=st.lists(st.integers(0, 10**9), min_size=1, max_size=5),
    rates=st.lists(st.decimals("0", "40", places=4), min_size=1, max_size=3),
    inclusive=st.booleans(),
)
def test_taxes_are_those_of_the_lines_rounded_one_by_one(
    amounts: list[int], rates: list[Decimal], inclusive: bool
) -> None:
    """For every bill with rates: each line's tax is rounded by itself, and base and tax close with the amounts."""
    stated = [TaxRate(name=f"T{n}", rate=rate, inclusive=inclusive) for n, rate in enumerate(rates)]
    bill = charge(*(Line(amount=eur(amount)) for amount in amounts), tax=stated)
    taxes, whole = taxes_of_bill(bill), total_with_tax(bill)
    assert whole is not None
    tax = sum(row.amount.minor for row in taxes)
    assert whole.minor == sum(amounts) + (0 if inclusive else tax)
    assert all(row.base == eur(sum(amounts) - (tax if inclusive else 0)) for row in taxes)
    if not inclusive:
        for rate, row in zip(rates, taxes, strict=True):
            by_line = [(Decimal(a) * rate / 100).quantize(Decimal(1), ROUND_HALF_UP) for a in amounts]
            assert row.amount.minor == sum(by_line)


def test_half_a_cent_of_tax_is_rounded_away_from_zero() -> None:
    """0.50 at 7 % is 3.5 cents: 4."""
    assert [tax.amount for tax in taxes_of_bill(charge(Line(amount=eur(50)), tax=[TaxRate(name="T", rate=7)]))] == [
        eur(4)
    ]


def test_a_discount_may_take_off_nothing_or_all() -> None:
    """A line that costs nothing after it is a line all the same."""
    assert charge(Line(amount=eur(100), discount=eur(0)), Line(amount=eur(100), discount=eur(100))).discounts == ()


@pytest.mark.parametrize(
    "said,problem",
    [
        ({"lines": [Line(amount=eur(100), discount=eur(101))]}, "not between nothing and the line's"),
        ({"lines": [Line(amount=eur(100), discount=eur(-1))]}, "not between nothing and the line's"),
        ({"lines": [Line(amount=eur(200)), Line(amount=eur(-100), discount=eur(1))]}, "not between nothing"),
        ({"amount": eur(100), "discounts": [Discount(amount=eur(101))]}, "more than the lines"),
        ({"amount": eur(100), "discounts": [Discount(amount=eur(0))]}, "above zero"),
        ({"amount": eur(100), "discounts": [Discount(code="SPRING")]}, "a coupon whose amount the provider knows"),
        (
            {"lines": [Line(amount=eur(100), discount=eur(10))], "discounts": [Discount(amount=eur(10))]},
            "the same discount in both",
        ),
        ({"amount": eur(100), "discounts": [Discount(amount=Money(10, "USD"))]}, "EUR|USD"),
        ({"lines": [Line(amount=eur(100))], "amount": eur(90), "discounts": [Discount(amount=eur(10))]}, "before disc"),
        ({"amount": eur(100), "tax": []}, "at least 1"),
        ({"amount": eur(100), "tax": "vat"}, "'provider' or 'none'"),
        ({"amount": eur(100), "tax": [{"name": "VAT", "rate": "120"}]}, "a percentage of 0 to 100"),
        ({"amount": eur(100), "tax": [{"name": "VAT", "rate": 19.5}]}, "float"),
        ({"amount": eur(100), "tax": [VAT], "discounts": [Discount(amount=eur(10))]}, "discounts of the lines"),
        ({"amount": eur(100), "tax": [VAT, TaxRate(name="GST", rate=5, inclusive=True)]}, "all within the amounts"),
    ],
)
def test_what_cannot_be_billed_is_an_error(said: dict[str, Any], problem: str) -> None:
    """Typed, with what to write instead, before there is a provider."""
    with pytest.raises(ValidationError, match=problem):
        OneTimeCharge(reference="r", customer="c", **said)


@pytest.mark.parametrize("said", [{"discounts": [Discount(amount=eur(1))]}, {"tax": [VAT]}], ids=["discount", "rates"])
def test_what_a_provider_rates_has_neither_discounts_nor_rates(said: dict[str, Any]) -> None:
    """There is nothing that they could be computed on."""
    with pytest.raises(ValidationError, match="the provider rates this bill"):
        PeriodInvoice(reference="r", period=MAY, currency="EUR", subscription="sub_1", **said)


def test_a_bill_reads_back_from_json() -> None:
    """Every new part is JSON like the others."""
    bill = charge(Line(amount=eur(100), product="prod_1", discount=eur(5)), tax=[VAT], subscription="sub_1")
    written = loads(dumps({"command": "one_time_charge", **bill.model_dump(mode="json")}))
    assert read_command(written) == bill


def test_a_bill_without_the_new_parts_keeps_its_digest() -> None:
    """A journal of before knows the bill again: what is empty is no content."""
    bill = charge(amount=eur(1999), lines=(), description="Fees")
    assert digest_of(bill, "stripe") == "bb0f6a73ded634623c100d16d5423dd01e1ea9f5b837aab9a4dea6bad46bd48e"


# ── every provider ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_rates_of_tax_are_sent_or_refused(name: str) -> None:
    """No provider bills a taxed bill without its tax: it takes the rates, or nothing is sent."""
    collection = Collection.send(due=Period.month(2027, 1).start)
    bill = charge(Line(amount=eur(1000)), tax=[VAT], period=MAY, customer="mber_42", collection=collection)
    found = explain(name, bill, lookup="never", **SETTINGS[name])
    if name == "stripe":
        assert found.refusal is None
    else:
        assert isinstance(found.refusal, Unsupported)
        assert found.refusal.source
        assert "tax=" in str(found.refusal)
        assert found.requests == ()


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_product_of_another_provider_is_a_loss(name: str) -> None:
    """A line that names a provider is sent to that one alone; elsewhere the name is lost, and that stops the bill."""
    foreign = charge(Line(amount=eur(1000), product="prod_1", price="price_1", provider="another"))
    found = {loss.path: loss.severity.value for loss in losses(name, foreign, **SETTINGS[name])}
    assert found["lines[].product"] == "warns"
    assert found["lines[].price"] == "warns"


@pytest.mark.parametrize("read_by", ["stripe", "chargebee", "whop"])
def test_the_lines_of_an_invoice_name_no_product_at_another_provider(read_by: str) -> None:
    """An invoice that was read, billed again elsewhere: its products are no products there, and are not sent."""
    emulator = providers.get(read_by).emulator()
    with httpx.Client(transport=EmulatorTransport(emulator)) as http:
        client = Client(
            read_by, api_key=emulator.key, http=http, lookup="never", base_url="http://127.0.0.1:1", **SETTINGS[read_by]
        )
        bill = charge(
            Line(description="Energy", amount=eur(1300), price="charge-EUR" if read_by == "chargebee" else None),
            customer=emulator.customer, collection=Collection.send(due=Period.month(2027, 1).start),
            issued_at=MAY.start if read_by == "chargebee" else None, draft=True,
        )  # fmt: skip
        lines = client.create(bill, allow=[loss.code for loss in client.losses(bill)]).lines
    assert any(line.product or line.price for line in lines)
    for name, settings in SETTINGS.items():
        again = charge(*lines, customer="cus_42")
        assert not any(line.names_at(name) for line in again.lines if line.product or line.price) or name == read_by
        body = b"".join(request.content for request in explain(name, again, lookup="never", **settings).requests)
        for word in (line.product or line.price for line in lines):
            assert word is None or word.encode() not in body or name == read_by


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_discount_is_never_dropped_without_a_word(name: str) -> None:
    """What a customer pays less is sent exactly, or is a loss that changes money."""
    for bill in (
        charge(Line(amount=eur(1000), discount=eur(100))),
        charge(Line(amount=eur(1000)), discounts=[Discount(amount=eur(100))]),
    ):
        grave = [loss for loss in losses(name, bill, **SETTINGS[name]) if "discount" in loss.path]
        if name == "chargeapi":
            assert [loss.severity.value for loss in grave] == ["changes_money"]
        else:
            assert [loss for loss in grave if loss.severity.value != "info"] == []
            assert bill.total == eur(900)


# ── the kit ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def context() -> Context:
    return toy_context()


@pytest.mark.parametrize(
    "bill,text",
    [
        (
            charge(Line(amount=eur(1000), discount=eur(100))),
            "lines[].discount: a line is billed at its whole amount; state the discount as a line below zero, or lower",
        ),
        (
            charge(amount=eur(1000), lines=(), discounts=[Discount(amount=eur(100))]),
            "discounts[].amount: a bill is the sum of its lines; state the discount as a line below zero, or lower",
        ),
        (charge(amount=eur(1000), lines=(), tax=[VAT]), "tax[]: "),
    ],
)
def test_an_adapter_that_says_nothing_refuses(bill: OneTimeCharge, text: str) -> None:
    """Discounts and rates are refused by the kit's own rows, before a flow begins: field, reason, remedy."""
    with pytest.raises(Unsupported) as refused:
        toy_context().provider.flow(bill, context().on(bill))
    assert str(refused.value).startswith(text)


def test_an_adapter_without_a_row_of_rates_refuses_them() -> None:
    """An adapter of before knows of no rates: it may not bill without the tax."""
    bill = charge(amount=eur(1000), lines=(), tax=[VAT])
    with pytest.raises(Unsupported, match="no row of acme says how rates of tax are sent"):
        check_refused((), bill, context())
    check_refused((), charge(amount=eur(1000), lines=(), tax="provider"), context())
    row = refused("tax[]", "docs", why="no", remedy="none", when=lambda *_: False)
    with pytest.raises(Unsupported, match="no row of acme"):
        check_refused((row,), bill, context())


def test_an_adapter_that_sends_lines_below_zero_takes_discounts() -> None:
    """The rows of such an adapter take the place of the refusals."""
    sent = ("lines[].discount", *DISCOUNTS)
    rows = (*discounts_as_lines("IB-X", "docs", amount="a", text="t"), *read_parts("IB-X", "docs", sent=sent))
    assert [row.path for row in rows if row.refuses] == ["tax[]"]
    assert sorted(row.path for row in rows if row.path in sent) == sorted(sent)
