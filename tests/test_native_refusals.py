"""What is said of native parameters that are not sent, whole: the place, the reason and the way out."""

from dataclasses import FrozenInstanceError, fields, replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from invoice_bridge import Collection, ConfigurationError, Discount, Line, Money, OneTimeCharge, Unsupported, explain
from invoice_bridge.adapter.kinds import Kind
from invoice_bridge.adapter.native import NO_NATIVES, NOTHING_GIVEN, Native, NativeTable, RefusedNative, in_currency
from invoice_bridge.core.commands import Retrieve
from invoice_bridge.core.losses import Fate, Severity
from invoice_bridge.core.totals import discount_lines
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.stripe import STRIPE


def _never(_command: Any, _context: Any) -> bool:
    return False


TABLE = NativeTable(
    (
        Native("fee", "create", Kind.flag(), "docs/fee"),
        Native("coupon", "create", Kind.text(9), "docs/coupon", money=True),
        Native("lines[].code", "create", Kind.text(9), "docs/code", per_line=True),
        Native("plan.days", "create", Kind.whole(1, 9), "docs/plan", requires=("plan.from",)),
        Native("plan.from", "create", Kind.text(9), "docs/plan"),
        Native("once", "create", Kind.flag(), "docs/once", when=_never, unless="bill it later"),
        Native("off", "create", Kind.amount(lambda amount: amount.minor), "docs/off", check=in_currency),
    ),
    (RefusedNative("magic", "no request takes it", "docs/magic"),),
)
BLIND = replace(TABLE, compares=_never)
CHARGED = {"collection": Collection.charge("pm_1")}
NEWER = "what is newer than the table goes into native_unchecked"
LATER = "make it with Collection.manual() or draft=True, compare it, and pay it then"
TOTAL = "give expect_total=Money…, what the invoice totals with them, taxes included"
EACH = "give one mapping for each line, in their order; {} where a line has none"


def _refusal(table: NativeTable = TABLE, **more: Any) -> Any:
    bill: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "amount": Money(2000, "EUR")}
    return plan(OneTimeCharge(**bill | more), make_context(replace(STRIPE, natives=table), {}), lookup="never").refusal


@pytest.mark.parametrize(
    "native,text",
    [
        ({"fe": True}, f".fe: stripe has no such native parameter of one_time_charge; the nearest are 'fee'; {NEWER}"),
        (
            {"zzzzz": 1},
            (".zzzzz: stripe has no such native parameter of one_time_charge; it takes coupon, fee, lines[].code, off, "
            f"once, plan.days, plan.from; {NEWER}"),
        ),
        ({"fee": "yes"}, ".fee: it is to be True or False; nothing was sent"),
        ({"lines": ["a"]}, ".lines[0] is to be a mapping of lines[].code"),
        ({"lines": {"code": 1}}, ".lines is to have its parts: lines[].code"),
        ({"plan": {"days": 3}}, ".plan.days needs plan.from beside it; nothing was sent"),
        ({"plan": 3}, ".plan is to have its parts: plan.days, plan.from"),
        ({"plan": {}}, ".plan is empty: give it a value, or leave it out"),
        (
            {"lines": [{"a[b": 3}]},
            (
                ".lines[0]: 'a[b' is not the name of one parameter; write what is inside another as a mapping or a "
                "list in it"
            ),
        ),
        ({"off": Money(1, "USD")}, ".off: it is in USD, the bill in EUR; nothing was sent"),
    ],
)  # fmt: skip
def test_a_parameter_that_the_table_does_not_take_is_named(native: dict[str, Any], text: str) -> None:
    """Where it was written, and what is to be there."""
    refused = _refusal(native={"stripe": native})
    assert isinstance(refused, ConfigurationError)
    assert str(refused) == f"native.stripe{text}"


@pytest.mark.parametrize(
    "native,needed",
    [
        ({"transfer_data": {"amount": Money(1, "EUR")}}, "transfer_data.destination"),
        ({"issuer": {"account": "acct_1"}}, "issuer.type"),
        ({"automatic_tax": {"liability": {"account": "acct_1"}}}, "automatic_tax.liability.type"),
        ({"rendering": {"template_version": 2}}, "rendering.template"),
        ({"shipping_details": {"name": "Ada"}}, "shipping_details.address"),
        ({"shipping_details": {"phone": "1"}}, "shipping_details.name, shipping_details.address"),
    ],
)
def test_what_stripe_takes_with_another_parameter_alone_needs_it(native: dict[str, Any], needed: str) -> None:
    """It would be refused, or mean nothing, without."""
    refused = _refusal(STRIPE.natives, native={"stripe": native})
    assert isinstance(refused, ConfigurationError)
    assert str(refused).endswith(f" needs {needed} beside it; nothing was sent")


def test_a_list_of_lines_at_stripe_has_one_entry_for_each() -> None:
    """Before any request is made."""
    refused = _refusal(STRIPE.natives, native={"stripe": {"lines": [{"discountable": False}, {}]}})
    assert isinstance(refused, Unsupported)
    assert str(refused) == f"native.stripe.lines is to have an entry for each of the bill's 1 lines, and has 2; {EACH}"


def test_a_table_without_rows_takes_none() -> None:
    """There is no name to propose."""
    assert str(_refusal(NO_NATIVES, native={"stripe": {"fee": True}})) == (
        f"native.stripe.fee: stripe has no such native parameter of one_time_charge; it takes none; {NEWER}"
    )


@pytest.mark.parametrize(
    "more,text,source,remedy",
    [
        ({"native": {"magic": 1}}, "native.stripe.magic is not sent: no request takes it", "docs/magic", ""),
        (
            {"native": {"lines": [{"code": "a"}, {}]}},
            "native.stripe.lines is to have an entry for each of the bill's 1 lines, and has 2",
            "docs/code",
            EACH,
        ),
        (
            {"native": {"once": True}},
            "native.stripe.once: stripe does not take it in the request of this one_time_charge",
            "docs/once",
            "bill it later",
        ),
        (
            {"native": {"coupon": "x"}},
            "stripe: coupon changes what is billed, and the bill does not state what it is to come to",
            "docs/coupon",
            TOTAL,
        ),
        (
            {"native": {"fee": True}, "expect_total": Money(1, "EUR")},
            ("the bill expects a total of 0.01 EUR, its lines come to 20.00 EUR, and no native parameter of stripe "
            "changes that"),
            "",
            "give the parameters for stripe too, or leave expect_total out",
        ),
        ({"native_unchecked": {"magic": {"x": 1}}}, "native_unchecked.stripe.magic.x is not sent: no request takes it",
         "", ""),
    ],
)  # fmt: skip
def test_a_parameter_that_this_bill_cannot_carry_says_the_way_out(
    more: dict[str, Any], text: str, source: str, remedy: str
) -> None:
    """The reason, its source, and what to do."""
    given: dict[str, Any] = {
        key: {"stripe": value} if key.startswith("native") else value for key, value in more.items()
    }
    refused = _refusal(TABLE, **given)
    assert isinstance(refused, Unsupported)
    assert str(refused) == (f"{text}; {remedy}" if remedy else text)
    assert (refused.source, refused.remedy) == (source, remedy)


@pytest.mark.parametrize(
    "more,names,source",
    [
        ({"native": {"stripe": {"coupon": "x"}}, "expect_total": Money(1600, "EUR")}, "coupon", "docs/coupon"),
        ({"native_unchecked": {"stripe": {"newer": 1}}}, "newer", ""),
    ],
)
def test_what_cannot_be_compared_is_not_collected(more: dict[str, Any], names: str, source: str) -> None:
    """Where the provider collects first; any other bill with the same parameters is made."""
    refused = _refusal(BLIND, **more, **CHARGED)
    text = f"stripe collects this bill before what {names} makes of it can be compared"
    assert (str(refused), refused.source) == (f"{text}; {LATER}", source)
    assert _refusal(BLIND, **more) is None
    assert _refusal(BLIND, **more, **CHARGED, draft=True) is None
    assert _refusal(TABLE, **more, **CHARGED) is None


@pytest.mark.parametrize(
    "unchecked,text",
    [
        (
            {"a": {"b c": 1}},
            ".a: 'b c' is not the name of one parameter; write what is inside another as a mapping or a list in it",
        ),
        ({"fee": True}, ".fee: the table has it; write it in native, where it is checked"),
        ({"plan": {"days": 1}}, ".plan.days: the table has it; write it in native, where it is checked"),
        ({"new": []}, ".new is to be text, a number, True or False: it is sent as it is"),
    ],
)
def test_an_unchecked_parameter_that_is_not_sent_is_named(unchecked: dict[str, Any], text: str) -> None:
    """It is for what the table does not have, and goes out as it is written."""
    assert str(_refusal(native_unchecked={"stripe": unchecked})) == f"native_unchecked.stripe{text}"


@pytest.mark.parametrize("value", [Kind.flag(), TABLE, *TABLE.rows[:1], *TABLE.refused, NOTHING_GIVEN])
def test_a_table_cannot_be_changed(value: Any) -> None:
    """One client's tables are all clients' tables."""
    name = fields(value)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, getattr(value, name))


def test_a_retrieval_takes_no_parameters() -> None:
    """It has no body that they could join."""
    refused = plan(Retrieve(id="in_1", native={"stripe": {"a": 1}}), make_context(STRIPE, {})).refusal
    assert str(refused) == "stripe: retrieve takes no native parameters; leave them out"


@pytest.mark.parametrize(
    "value,text",
    [
        (["x"], '\'stripe\' is to have a mapping of parameters, such as {"coupon_ids": ["spring"]}'),
        ({"x": 1.5}, "1.5 is not exact: write an int, a Decimal or a string"),
        ({"x": None}, "NoneType is no value of a native parameter: leave out what has none"),
        ({"x": Decimal("Infinity")}, "Infinity is no number that can be sent"),
        ({"x": {1: 2}}, "the names of native parameters are texts"),
        ({"x": [[[[[[[1]]]]]]]}, "a native parameter is at most 8 levels deep"),
    ],
)
def test_a_value_that_no_request_carries_is_refused_with_its_reason(value: Any, text: str) -> None:
    """When the command is made."""
    with pytest.raises(ValidationError) as refused:
        OneTimeCharge(reference="r", customer="c", amount=Money(1, "EUR"), native={"stripe": value})
    assert [error["msg"] for error in refused.value.errors()] == [f"Value error, {text}"]


def test_eight_levels_are_not_too_deep() -> None:
    """The provider and the name are two of them."""
    value = {"stripe": {"x": [[[[[[1]]]]]]}}
    assert OneTimeCharge(reference="r", customer="c", amount=Money(1, "EUR"), native=value).native == {
        "stripe": {"x": ((((((1,),),),),),)}
    }


@pytest.mark.parametrize(
    "discount,text",
    [
        (Discount(name="Spring", code="S1", amount=Money(1, "EUR")), "Spring (S1)"),
        (Discount(name="Spring", amount=Money(1, "EUR")), "Spring"),
        (Discount(code="S1", amount=Money(1, "EUR")), "S1"),
        (Discount(amount=Money(1, "EUR")), "Discount"),
    ],
)
def test_the_line_of_a_discount_says_its_name_and_code(discount: Discount, text: str) -> None:
    """What the customer reads, and the amount below zero."""
    own = (Line(description="Seats", amount=Money(9, "EUR"), discount=Money(2, "EUR")),)
    assert [(line.description, line.amount) for line in discount_lines(own, [discount], None)] == [
        ("Discount: Seats", Money(-2, "EUR")),
        (text, Money(-1, "EUR")),
    ]


def test_explain_says_whose_parameters_are_left_out() -> None:
    """Those of another provider are a remark."""
    bill = OneTimeCharge(reference="r", customer="c", amount=Money(1, "EUR"), native={"chargebee": {"coupon": "x"}})
    losses = [loss for loss in explain("stripe", bill, lookup="never").losses if "NATIVE" in loss.code]
    assert [(loss.code, loss.path, loss.sent, loss.why, loss.remedy) for loss in losses] == [
        ("IB-STRIPE-NATIVE-01", "native.chargebee", "nothing", "it is for chargebee alone", "")
    ]


def test_explain_says_that_nothing_was_checked_of_a_newer_parameter() -> None:
    """It may change what is billed, so that it is allowed by its whole path alone."""
    bill = OneTimeCharge(
        reference="r", customer="c", amount=Money(1, "EUR"), native_unchecked={"stripe": {"x": {"y": 1}}}
    )
    (loss,) = [loss for loss in explain("stripe", bill, lookup="never").losses if "NATIVE" in loss.code]
    assert (loss.code, loss.path) == ("IB-STRIPE-NATIVE-UNCHECKED-01", "native_unchecked.stripe.x.y")
    assert (loss.fate, loss.severity) == (Fate.PROVIDER_RATED, Severity.CHANGES_MONEY)
    assert (loss.sent, loss.why, loss.remedy) == (
        "the parameter as it is",
        "it is newer than the table: neither its name nor its value nor its effect was checked",
        'check it against the provider\'s documentation, then name it: allow=["native_unchecked.stripe.x.y"]',
    )
