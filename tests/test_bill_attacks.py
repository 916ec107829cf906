"""Attacks on what a bill states: names that are paths, parameters that replace others, one bill spelt twice."""

from typing import Any

import pytest

from invoice_bridge import Collection, Line, Money, OneTimeCharge, Unsupported, explain
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.explain import Plan

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
