"""Attacks on what a bill states: names that are paths, parameters that replace others, one bill spelt twice."""

from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import Collection, Discount, Line, Money, OneTimeCharge, TaxRate, Unsupported, explain
from invoice_bridge.client.maps import Maps
from invoice_bridge.core.errors import AmountMismatch, ConfigurationError
from invoice_bridge.explain import Plan
from invoice_bridge.journal.rows import digest_of
from tests.clients import emulated_at

SETTINGS: dict[str, dict[str, Any]] = {
    "chargebee": {"site": "acme-test"}, "stripe": {}, "whop": {"account_id": "biz_42"},
}  # fmt: skip


def bill(**more: Any) -> OneTimeCharge:
    fields: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "amount": Money(2000, "EUR")}
    return OneTimeCharge(**(fields | more))


def plan_at(provider: str, **more: Any) -> Plan:
    if provider == "whop":
        more = {"customer": "mber_42", "collection": Collection.manual(), "draft": True, **more}
    return explain(provider, bill(**more), lookup="never", **SETTINGS[provider])


# ── names of parameters ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "provider, native",
    [
        ("whop", {"plan.stock": 5}),
        ("stripe", {"transfer_data.destination": "acct_1"}),
        ("chargebee", {"charges[].entity_description": "x"}),
        ("chargebee", {"statement_descriptor.descriptor": "x"}),
        ("chargebee", {"discounts[].amount": Money(500, "EUR")}),
    ],
)
def test_the_path_of_a_row_is_no_name_of_a_parameter(provider: str, native: dict[str, Any]) -> None:
    """A row's path as one flat name was sent as a field that the provider does not have: the parameter was lost."""
    plan = plan_at(provider, native={provider: native}, expect_total=Money(2000, "EUR"))
    assert isinstance(plan.refusal, ConfigurationError)
    assert "not the name of one parameter" in str(plan.refusal)
    assert not plan.requests


@pytest.mark.parametrize(
    "provider, unchecked",
    [
        ("stripe", {"metadata[invoice_bridge_reference]": "other"}),
        ("stripe", {"automatic_tax[enabled]": True}),
        ("stripe", {"newer": {"a][b": 1}}),
        ("stripe", {"newer": [{"a[b]": 1}]}),
        ("chargebee", {"charges[amount][0]": 999999}),
        ("whop", {"plan": {"renewal_price\u200b": 10}}),
        ("whop", {"plan.initial_price": 10}),
    ],
)
def test_an_unchecked_name_spells_no_field_of_the_bill(provider: str, unchecked: dict[str, Any]) -> None:
    """With brackets in its name a parameter was sent as a second value of a field that the bill had stated."""
    plan = plan_at(provider, native_unchecked={provider: unchecked})
    assert isinstance(plan.refusal, ConfigurationError)
    assert not plan.requests


@pytest.mark.parametrize("value", [10, [10], {"amount": 10}, [{"amount": 10}]])
def test_a_refused_parameter_is_refused_in_every_shape(value: Any) -> None:
    """A list or a mapping in place of the value passed: its path was another one."""
    plan = plan_at("whop", native_unchecked={"whop": {"plan": {"renewal_price": value}}})
    assert isinstance(plan.refusal, Unsupported)
    assert "renews" in str(plan.refusal)


@pytest.mark.parametrize(
    "empty", [{"newer": []}, {"newer": {}}, {"plan": {"newer": [{}]}}, {"plan": {"renewal_price": []}}]
)
def test_an_empty_unchecked_parameter_is_refused(empty: dict[str, Any]) -> None:
    """Without a leaf it was neither checked nor a loss: JSON carried it, and a form lost it."""
    for provider in SETTINGS:
        plan = plan_at(provider, native_unchecked={provider: empty})
        assert plan.refusal is not None
        assert not plan.requests


def test_a_known_parameter_is_known_in_every_shape() -> None:
    """What the table has is not sent unchecked, whatever its value is."""
    plan = plan_at("whop", native_unchecked={"whop": {"plan": {"stock": [{"count": 1}]}}})
    assert isinstance(plan.refusal, ConfigurationError)


# ── parameters that take another's place ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("turned", [False, True])
def test_a_parameter_that_another_replaces_is_not_lost(turned: bool) -> None:
    """The tax code of a product that is made, and a product that is there: the tax code was dropped without a word."""
    stated: dict[str, Any] = {"product": {"product_tax_code_id": "ptc_1"}, "product_id": "prod_42"}
    native = dict(reversed(stated.items())) if turned else stated
    plan = plan_at("whop", native={"whop": native}, expect_total=Money(2000, "EUR"))
    assert isinstance(plan.refusal, Unsupported)
    assert "both are stated" in str(plan.refusal)


@pytest.mark.parametrize("native", [{"product_id": "prod_B"}, {"product": {"product_tax_code_id": "ptc_1"}}])
def test_a_parameter_does_not_replace_the_product_of_the_lines(native: dict[str, Any]) -> None:
    """The product that the lines name was replaced by the parameter's, or sent beside a product to be made."""
    line = Line(description="Fees", amount=Money(2000, "EUR"), product="prod_A")
    plan = plan_at("whop", amount=None, lines=[line], native={"whop": native}, expect_total=Money(2000, "EUR"))
    assert isinstance(plan.refusal, Unsupported)
    assert "lines" in str(plan.refusal)


# ── one bill, spelt twice ────────────────────────────────────────────────────────────────────────────────────────────
FEES = Line(description="Fees", amount=Money(2000, "EUR"))


def _of(**more: Any) -> dict[str, Any]:
    return {"amount": None, "lines": [FEES.model_copy(update=more)]}


@pytest.mark.parametrize(
    "one, other",
    [
        ({**_of(), "tax": [TaxRate(name="VAT", rate="19")]}, {**_of(), "tax": [TaxRate(name="VAT", rate="19.00")]}),
        ({**_of(), "tax": [TaxRate(name="VAT", rate="0")]}, {**_of(), "tax": [TaxRate(name="VAT", rate="0.0")]}),
        (
            _of(quantity=Decimal("2.5"), unit_amount=Money(800, "EUR")),
            _of(quantity=Decimal("2.50"), unit_amount=Money(800, "EUR")),
        ),
        (_of(discount=Money(0, "EUR")), _of()),
        ({**_of(), "amount": Money(2000, "EUR")}, _of()),
    ],
)
@pytest.mark.parametrize("provider", SETTINGS)
def test_the_same_bill_is_sent_the_same_however_it_is_written(provider: str, one: Any, other: Any) -> None:
    """19 % and 19.00 %, 2.5 and 2.50 pieces: other bytes under the same key, or another digest, are another bill."""
    plans = [plan_at(provider, **each) for each in (one, other)]
    contents = [[request.content for request in plan.requests] for plan in plans]
    assert contents[0] == contents[1]
    assert len({digest_of(bill(**each), provider) for each in (one, other)}) == 1


# ── names of the caller's own ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "line",
    [
        FEES.model_copy(update={"product": "seat", "provider": "stripe"}),
        FEES.model_copy(update={"product": "seat", "provider": "chargebee"}),
        FEES.model_copy(update={"product": "prod_9", "provider": "stripe", "id": "il_1"}),
        FEES.model_copy(update={"product": "seat", "id": "il_1"}),
    ],
)
def test_an_id_of_a_provider_is_no_name_of_the_callers_own(line: Line) -> None:
    """A line that states whose its product is, or was read, has an id: the map put another product in its place."""
    maps = Maps.of("stripe", None, None, {"seat": {"stripe": "prod_1", "chargebee": "seat"}})
    assert maps.translate(bill(amount=None, lines=[line])).lines == (line,)
    own = FEES.model_copy(update={"product": "seat"})
    assert maps.translate(bill(amount=None, lines=[own])).lines[0].product == "prod_1"


# ── what is compared before it is issued ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("collection", [Collection.manual(), Collection.send(net_days=14)])
def test_a_bill_with_a_native_discount_is_compared_before_it_is_mailed(collection: Collection) -> None:
    """A bill of another total than expected was issued, and mailed, before the comparison."""
    client, transport = emulated_at("chargebee", lookup="never")
    off = {"discounts": [{"apply_on": "invoice_amount", "amount": Money(500, "EUR")}]}
    more: dict[str, Any] = {"native": {"chargebee": off}, "collection": collection}
    allow = ["native.chargebee.discounts", "collection.kind"]
    with pytest.raises(AmountMismatch) as caught:
        client.create(bill(**more, expect_total=Money(1400, "EUR")), allow=allow)
    assert caught.value.invoice is not None
    assert caught.value.invoice.status == "draft"
    assert not transport.emulator.ledger
    made = client.create(bill(**more, reference="res-2", expect_total=Money(1500, "EUR")), allow=allow)
    assert (made.status, made.total) == ("open", Money(1500, "EUR"))


def test_a_bill_with_an_unchecked_parameter_is_compared_before_it_is_issued() -> None:
    """What a parameter does that the table does not have is not known, so the invoice is pending first."""
    plan = plan_at("chargebee", native_unchecked={"chargebee": {"newer": 1}})
    assert b"create_pending_invoice=true" in plan.requests[0].content
    assert not plan.requests[0].effects
    assert plan.requests[1].path.endswith("/close")


# ── parameters of each line ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_parameter_of_each_line_goes_beside_discounts_and_prices() -> None:
    """An entry was asked for each line of a discount or price, which is no charge: no list had the right length."""
    fee, seat = FEES, Line(description="Seats", amount=Money(900, "EUR"), price="seat-EUR")
    native = {"chargebee": {"charges": [{"entity_description": "one"}]}}
    for more in (
        {"lines": [fee], "discounts": [Discount(name="Spring", amount=Money(100, "EUR"))]},
        {"lines": [fee.model_copy(update={"discount": Money(100, "EUR")})]},
        {"lines": [seat, fee]},
    ):
        plan = plan_at("chargebee", amount=None, native=native, **more)
        assert plan.refusal is None
        assert b"charges%5Bentity_description%5D%5B0%5D=one" in plan.requests[0].content


def test_a_decimal_refines_what_is_left_of_a_line_after_its_discount() -> None:
    """It was compared with the amount before the discount, which it would have put on the bill again."""
    line = FEES.model_copy(update={"discount": Money(500, "EUR")})
    more: dict[str, Any] = {"amount": None, "lines": [line], "expect_total": Money(1500, "EUR")}
    for decimal, passes in (("15.004", True), ("20.004", False)):
        plan = plan_at("chargebee", native={"chargebee": {"charges": [{"amount_in_decimal": decimal}]}}, **more)
        assert (plan.refusal is None) is passes
    seat = Line(description="Seats", amount=Money(900, "EUR"), price="seat-EUR")
    more |= {"lines": [seat, FEES], "expect_total": Money(2900, "EUR")}
    plan = plan_at("chargebee", native={"chargebee": {"charges": [{"amount_in_decimal": "20.004"}]}}, **more)
    assert "item prices" in str(plan.refusal)


def test_an_expected_total_that_the_rates_contradict_is_refused_before_sending() -> None:
    """A draft was made first, and stayed."""
    more: dict[str, Any] = {"amount": None, "lines": [FEES], "tax": [TaxRate(name="VAT", rate="19")]}
    assert plan_at("stripe", **more, expect_total=Money(2380, "EUR")).refusal is None
    plan = plan_at("stripe", **more, expect_total=Money(2000, "EUR"))
    assert isinstance(plan.refusal, Unsupported)
    assert not plan.requests
