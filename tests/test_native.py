"""Native parameters: what a command may state, what is refused before anything is sent, and what they leave alone."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from invoice_bridge import Collection, Money, OneTimeCharge, Period, PeriodInvoice, Unsupported, explain, losses
from invoice_bridge.adapter.checks import same_bill, verify
from invoice_bridge.adapter.kinds import Kind
from invoice_bridge.adapter.native import Native, NativeTable, RefusedNative, shapes_of
from invoice_bridge.adapter.native_bodies import merged
from invoice_bridge.adapter.native_losses import loss_code
from invoice_bridge.core.commands import ListInvoices, Retrieve, Void, read_command
from invoice_bridge.core.errors import AmountMismatch, ConfigurationError, IdempotencyMismatch, LossyTranslation
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.natives import canonical
from invoice_bridge.core.wire import Effect
from invoice_bridge.engine.allow import ALL, refuse_losses
from invoice_bridge.explain import Plan, make_context, plan
from invoice_bridge.journal.rows import digest_of
from invoice_bridge.providers.chargebee import CHARGEBEE
from invoice_bridge.providers.stripe import STRIPE
from tests.strategies import bills


def bill(**more: Any) -> OneTimeCharge:
    fields: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "amount": Money(2000, "EUR")}
    return OneTimeCharge(**(fields | more))


def at_chargebee(**more: Any) -> Plan:
    return explain("chargebee", bill(**more), lookup="never", site="acme-test")


# ── what a command may state ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "native",
    [
        {"chargebee": ["coupon"]},
        {"chargebee": {"x": 1.5}},
        {"chargebee": {"x": None}},
        {"chargebee": {"x": Decimal("NaN")}},
        {"chargebee": {"x": datetime(2026, 1, 1)}},
        {"chargebee": {"x": {1: 2}}},
        {"chargebee": {"x": object()}},
        {"chargebee": {"": 1}},
        {"chargebee": {"x": [[[[[[[[[[1]]]]]]]]]]}},
        "coupon",
    ],
)
def test_what_no_request_carries_is_no_value(native: Any) -> None:
    """Floats, nulls, naive times and other objects are refused when the command is made."""
    with pytest.raises(ValidationError):
        bill(native=native)


def test_a_command_with_natives_is_frozen_and_comes_back_from_json() -> None:
    """It can be hashed, its mappings cannot be changed, and a file gives the same request."""
    stated = {"chargebee": {"coupon_ids": ["spring"], "charges": [{"amount_in_decimal": Decimal("20.001")}]}}
    command = bill(native=stated, expect_total=Money(1600, "EUR"))
    assert hash(command) == hash(bill(native=stated, expect_total=Money(1600, "EUR")))
    with pytest.raises(TypeError):
        command.native["chargebee"]["coupon_ids"] = ["x"]
    again = read_command({"command": "one_time_charge", **loads(command.model_dump_json())})
    contents = [
        [request.content for request in explain("chargebee", one, lookup="never", site="acme-test").requests]
        for one in (command, again)
    ]
    assert contents[0] == contents[1] != []
    stated["chargebee"]["coupon_ids"] = ["changed"]
    assert command.native["chargebee"]["coupon_ids"] == ("spring",)


@pytest.mark.parametrize("total", [Money(1600, "USD"), Money(-1, "EUR")])
def test_an_expected_total_fits_the_bill(total: Money) -> None:
    """Another currency, or a credit, is a mistake."""
    with pytest.raises(ValidationError, match="expect_total"):
        bill(expect_total=total)
    with pytest.raises(ValidationError, match="expect_total"):
        PeriodInvoice(reference="may", period=Period.month(2026, 5), currency="EUR", expect_total=total)


# ── refused before anything is sent ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "native, words",
    [
        ({"coupon_idz": ["x"]}, "native.chargebee.coupon_idz: chargebee has no such .* nearest are 'coupon_ids'"),
        ({"charges": [{"avalara_type": 1}]}, r"nearest are '[^',]+', '[^',]+', '[^',]+'; what is newer than the table"),
        ({"coupon_ids": "spring"}, "native.chargebee.coupon_ids: it is to be a list of 1 to 100 values"),
        ({"coupon_ids": []}, "native.chargebee.coupon_ids: it is to be a list"),
        ({"coupon_ids": [7]}, "native.chargebee.coupon_ids: it is to be a text"),
        ({"payment_initiator": "bank"}, "one of 'customer', 'merchant'"),
        ({"remove_general_note": "true"}, "it is to be True or False"),
        ({"charges": {"hsn_code": "1"}}, "native.chargebee.charges is to have its parts: charges.*hsn_code"),
        ({"charges": ["x"]}, r"native.chargebee.charges\[0\] is to be a mapping"),
        ({"charges": [{}]}, "native.chargebee.charges is empty"),
        ({"charges": [{"hsn_cod": "1"}]}, r"charges\[0\].hsn_cod: .*nearest are 'charges\[\].hsn_code'"),
        ({"statement_descriptor": "x"}, "is to have its parts: statement_descriptor.descriptor"),
        ({"discounts": [{"amount": Money(1, "EUR")}]}, r"needs discounts\[\].apply_on beside it"),
        ({"discounts": [{"amount": Money(1, "USD"), "apply_on": "invoice_amount"}]}, "it is in USD, the bill in EUR"),
        ({"discounts": [{"amount": 100, "apply_on": "invoice_amount"}]}, "units are never written by hand"),
        ({"charges": [{"avalara_service_type": True}]}, "it is to be a whole number"),
        ({"charges": [{"avalara_service_type": -1}]}, "it is to be a whole number"),
    ],
)
def test_what_the_table_does_not_take_is_an_error_that_says_what(native: dict[str, Any], words: str) -> None:
    """The place, what is wrong, and the nearest name; no request is made."""
    made = at_chargebee(native={"chargebee": native}, expect_total=Money(2000, "EUR"))
    assert isinstance(made.refusal, ConfigurationError)
    assert made.refusal.outcome == "nothing_done"
    assert made.requests == ()
    with pytest.raises(ConfigurationError, match=words):
        raise made.refusal


@pytest.mark.parametrize(
    "unchecked, words",
    [
        ({"currency_code": "USD"}, "stated by the bill already"),
        ({"charges": [{"amount": 1}]}, "stated by the bill already"),
        ({"card": {"number": "4"}}, "card and bank details"),
        ({"coupon_ids": ["x"]}, "the table has it; write it in native"),
        ({"newer": datetime(2026, 1, 1, tzinfo=UTC)}, "is to be text, a number, True or False"),
        ({"newer": {"deep": ["list"]}}, "list cannot be sent"),
    ],
)
def test_unchecked_parameters_overwrite_nothing(unchecked: dict[str, Any], words: str) -> None:
    """They are for what the table does not have: neither a field of the bill nor a row is stated so."""
    made = at_chargebee(native_unchecked={"chargebee": unchecked})
    assert made.requests == ()
    assert isinstance(made.refusal, ConfigurationError | Unsupported)
    with pytest.raises(type(made.refusal), match=words):
        raise made.refusal


def test_an_unchecked_parameter_is_sent_and_marked() -> None:
    """Explain says that nothing was checked, and its loss is accepted by its name alone."""
    made = at_chargebee(native_unchecked={"chargebee": {"newer": {"than": "table"}}})
    assert made.refusal is None
    assert made.requests[0].content.endswith(b"&newer%5Bthan%5D=table")
    assert "native_unchecked" in {where for _, _, where in made.origins(made.requests[0])}
    (loss,) = [loss for loss in made.losses if loss.severity == "changes_money"]
    assert (loss.code, loss.path) == (
        "IB-CHARGEBEE-NATIVE-UNCHECKED-01",
        "native_unchecked.chargebee.newer.than",
    )


def test_unchecked_parameters_are_accepted_one_by_one() -> None:
    """Their code is one for all of them, so neither it nor ALL nor the provider's name accepts any: a path does."""
    made = at_chargebee(native_unchecked={"chargebee": {"newer": {"than": 1, "this": 2}, "other": 3}})
    grave = tuple(loss for loss in made.losses if loss.severity == "changes_money")
    assert len(grave) == 3
    names = [loss.path for loss in grave]
    every: list[Any] = [[grave[0].code], ALL, ["native_unchecked"], ["native_unchecked.chargebee"]]
    for allow in (*every, names[:2], [grave[0].code, *names[1:]], ["native_unchecked.chargebee.newer"]):
        with pytest.raises(LossyTranslation) as refused:
            refuse_losses(grave, allow, "Chargebee")
        assert f'allow=["{refused.value.losses[-1].path}"]' in str(refused.value)
    refuse_losses(grave, names, "Chargebee")
    refuse_losses(grave, ["native_unchecked.chargebee.newer", "native_unchecked.chargebee.other"], "Chargebee")


def test_a_bill_expects_what_its_natives_come_to() -> None:
    """Without expect_total nothing could be compared; with it alone, it must be what the lines come to."""
    native = {"chargebee": {"coupon": "spring"}}
    assert isinstance(at_chargebee(native=native).refusal, Unsupported)
    assert at_chargebee(native=native, expect_total=Money(1600, "EUR")).refusal is None
    assert isinstance(at_chargebee(expect_total=Money(1600, "EUR")).refusal, Unsupported)
    assert at_chargebee(expect_total=Money(2000, "EUR")).refusal is None
    assert at_chargebee(expect_total=Money(2380, "EUR"), tax="provider").refusal is None


def test_another_providers_entries_are_a_remark() -> None:
    """A switch of provider stays one word, as long as nothing is expected of them."""
    command = bill(native={"stripe": {"footer": "Thanks"}, "chargebee": {"payment_initiator": "merchant"}})
    for name, settings in (("chargebee", {"site": "acme-test"}), ("stripe", {})):
        made = explain(name, command, lookup="never", **settings)
        assert made.refusal is None
        assert [str(loss.severity) for loss in made.losses if "NATIVE" in loss.code] == ["info"]
    elsewhere = bill(native={"stripe": {"discounts": [{"coupon": "spring"}]}}, expect_total=Money(1600, "EUR"))
    refused = explain("chargebee", elsewhere, lookup="never", site="acme-test").refusal
    assert isinstance(refused, Unsupported)
    assert "its lines come to 20.00 EUR" in str(refused)


@pytest.mark.parametrize("name", ["chargbee", "Chargebee", "stirpe"])
def test_a_misspelt_provider_is_an_error(name: str) -> None:
    """Its parameters would be left out without a word."""
    for field in ("native", "native_unchecked"):
        refused = at_chargebee(**{field: {name: {"coupon": "spring"}}}).refusal
        assert isinstance(refused, ConfigurationError)
        assert "did you mean" in str(refused)


def test_reading_takes_none() -> None:
    """A retrieval sends nothing that they could join."""
    context = make_context(STRIPE, {})
    for more in ({"native": {"stripe": {"footer": "x"}}}, {"native_unchecked": {"stripe": {"x": 1}}}):
        refused = plan(Retrieve.model_validate({"id": "in_1", **more}), context).refusal
        assert isinstance(refused, Unsupported)
    listing = plan(ListInvoices(native={"stripe": {"status": "open"}}), context)
    assert isinstance(listing.refusal, ConfigurationError)


@given(command=bills(with_natives=True))
def test_a_bill_with_natives_is_sent_or_refused_and_never_half(command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill at every provider: a plan is refused, or its requests have every parameter that was stated."""
    for name, settings in (("stripe", {}), ("chargebee", {"site": "acme-test"}), ("whop", {"account_id": "biz_42"})):
        made = explain(name, command, lookup="never", **settings)
        if made.refusal is not None:
            continue
        places = {where for request in made.requests for _, _, where in made.origins(request)}
        assert ("native" in places) is bool(command.native.get(name)), command
        assert read_command({"command": command.verb, **loads(command.model_dump_json().encode())}) == command


# ── keys, digests, losses ────────────────────────────────────────────────────────────────────────────────────────────
@given(command=bills())
def test_a_bill_without_natives_is_as_before(command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill: stating other providers' natives changes neither bytes nor keys nor the digest."""
    context = make_context(STRIPE, {})
    other = command.model_copy(update={"native": {"elsewhere": {"parameter": "one"}}})
    one, two = (plan(each, context, lookup="never") for each in (command, other))
    assert [(r.content, r.key, r.effects) for r in one.requests] == [
        (r.content, r.key, r.effects) for r in two.requests
    ]
    assert digest_of(command, "stripe") == digest_of(other, "stripe")


def test_the_digest_has_the_natives() -> None:
    """Other parameters are other content, what is false among them; their order is not."""
    natives: list[dict[str, Any]] = [
        {},
        {"remove_general_note": False},
        {"remove_general_note": True},
        {"coupon_ids": ["a", "b"]},
        {"coupon_ids": ["b", "a"]},
    ]
    digests = [digest_of(bill(native={"chargebee": native}), "chargebee") for native in natives]
    digests += [digest_of(bill(native_unchecked={"chargebee": {"newer": 0}}), "chargebee")]
    digests += [digest_of(bill(expect_total=Money(2000, "EUR")), "chargebee")]
    assert len(set(digests)) == len(digests)
    assert digests[0] == digest_of(bill(), "chargebee")
    two = {"x": 1, "y": {"b": 2, "a": 3}}
    turned = {"y": {"a": 3, "b": 2}, "x": 1}
    assert canonical(two) == canonical(turned) == '{"x":1,"y":{"a":3,"b":2}}'


def test_natives_do_not_change_the_key() -> None:
    """The same reference is the same bill: other natives are a mismatch at the provider."""
    plain, made = at_chargebee(), at_chargebee(native={"chargebee": {"payment_initiator": "merchant"}})
    assert [request.key for request in plain.requests] == [request.key for request in made.requests]
    assert [request.content for request in plain.requests] != [request.content for request in made.requests]
    assert made.requests[0].content == plain.requests[0].content + b"&payment_initiator=merchant"


def test_what_is_accepted_by_name() -> None:
    """The code, or a path that names the parameter or what it is a part of; never the field."""
    lost = losses(
        "chargebee",
        bill(native={"chargebee": {"coupon_ids": ["spring"]}}, expect_total=Money(1600, "EUR")),
        site="acme-test",
    )
    for name in ("IB-CHARGEBEE-NATIVE-COUPON-IDS-01", "native.chargebee.coupon_ids"):
        refuse_losses(lost, [name], "Chargebee")
    for name in ("native", "native.chargebee", "native.chargebee.coupon"):
        with pytest.raises(Exception, match="COUPON-IDS"):
            refuse_losses(lost, [name], "Chargebee")
    assert loss_code("acme", "charges[].hsn_code") == "IB-ACME-NATIVE-CHARGES-HSN-CODE-01"


# ── the expected total, compared ─────────────────────────────────────────────────────────────────────────────────────
def _invoice(**more: Any) -> Invoice:
    fields: dict[str, Any] = {"provider": "chargebee", "id": "1", "status": Status.OPEN, "currency": "EUR"}
    return Invoice(**(fields | more))


def test_the_expected_total_is_compared_with_the_total() -> None:
    """In place of the lines' sum; a total that is not stated passes no comparison."""
    command = bill(native={"chargebee": {"coupon": "x"}}, expect_total=Money(1600, "EUR"))
    good = _invoice(subtotal=Money(2000, "EUR"), total=Money(1600, "EUR"))
    assert verify(command, good) is good
    assert same_bill(command, good) is good
    for wrong in (_invoice(subtotal=Money(1600, "EUR")), _invoice(total=Money(2000, "EUR"))):
        with pytest.raises(AmountMismatch) as refused:
            verify(command, wrong)
        assert refused.value.asked == Money(1600, "EUR")
    with pytest.raises(IdempotencyMismatch):
        same_bill(command, _invoice(subtotal=Money(2000, "EUR"), total=Money(1500, "EUR")))
    with pytest.raises(IdempotencyMismatch):
        same_bill(command, _invoice(subtotal=Money(1500, "EUR")))


# ── a table of one's own ─────────────────────────────────────────────────────────────────────────────────────────────
TABLE = NativeTable(
    (
        Native("fee", "open", Kind.flag(), "docs", replaces=("fee",), effects=frozenset({Effect.MAILS})),
        Native("plan.days", "open", Kind.whole(), "docs", replaces=("trial",)),
        Native("trial", "open", Kind.flag(), "docs"),
        Native("late", "other", Kind.whole(), "docs"),
    ),
    (RefusedNative("magic", "no request takes it", "docs"),),
)


def _merge(native: dict[str, Any], body: dict[str, Any] | None, step: str = "open") -> Any:
    declared = replace(STRIPE, natives=TABLE)
    context = replace(make_context(declared, {}), command=bill(native={"stripe": native}))
    return merged(context.natives, step, body, takes_unchecked=True)


def test_a_parameter_joins_its_own_request() -> None:
    """It replaces the constant that it is declared to replace, adds to an object, and has its effects."""
    body = {"fee": False, "plan": {"price": 1}, "x": 1}
    assert _merge({"fee": True, "plan": {"days": 3}}, body) == (
        {"plan": {"price": 1, "days": 3}, "x": 1, "fee": True},
        {Effect.MAILS},
    )
    assert body == {"fee": False, "plan": {"price": 1}, "x": 1}
    assert _merge({"late": 1}, body) is None
    assert _merge({"late": 1}, None, "other") == ({"late": 1}, frozenset())


def test_a_part_of_a_parameter_replaces_another_parameter() -> None:
    """The bill's own field goes; two parameters are refused, because one of them would be lost."""
    assert _merge({"plan": {"days": 3}}, {"trial": True}) == ({"plan": {"days": 3}}, frozenset())
    with pytest.raises(Unsupported, match=r"^the native parameter plan takes the place of trial, and both are stated"):
        _merge({"plan": {"days": 3}, "trial": True}, {})


@pytest.mark.parametrize("body", [{"plan": {"days": 2}}, {"plan": "none"}, {"plan": [1]}])
def test_a_parameter_overwrites_nothing(body: dict[str, Any]) -> None:
    """What the bill states stays: it is refused."""
    with pytest.raises(Unsupported, match="nothing is overwritten"):
        _merge({"plan": {"days": 3}}, body)


def test_a_refused_parameter_says_why() -> None:
    """The reason and its source, not a list of names."""
    with pytest.raises(Unsupported, match="no request takes it"):
        _merge({"magic": 1}, {})
    with pytest.raises(ConfigurationError, match="no such native parameter"):
        _merge({"magi": 1}, {})


def test_shapes() -> None:
    """Leaves by their path without indexes."""
    assert list(shapes_of({"a": [{"b": 1}, 2], "c": {"d": "x"}})) == [("a[].b", 1), ("a[]", 2), ("c.d", "x")]


def test_effects_come_first() -> None:
    """Explain prints the effects of natives in its first line, and in the curl form."""
    declared = replace(CHARGEBEE, natives=TABLE)
    context = make_context(declared, {"site": "acme-test"})
    made = plan(bill(native={"chargebee": {"fee": True}}, collection=Collection.manual()), context, lookup="never")
    assert str(made).startswith("chargebee: issues, mails; 1 request")
    assert made.to_json()["requests"][0]["origins"]["fee"] == "native"
    verb = plan(Void(id="1", native={"chargebee": {"fee": True}}), context)
    assert isinstance(verb.refusal, ConfigurationError)
    assert dumps(made.to_json())
