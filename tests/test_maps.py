"""What is said of a map or of an allow that cannot be used, whole: who reads it copies the way out of it."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from invoice_bridge import ConfigurationError, Money, OneTimeCharge, Pay
from invoice_bridge.client.maps import MAPS, Maps, fault_of_allow, fault_of_map

BILL = OneTimeCharge(reference="r", customer="acm", amount=Money(100, "EUR"))
EXAMPLES = {"customers": "acme", "payment_methods": "card", "products": "seat"}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_of_another_form_is_refused_with_an_example(name: str) -> None:
    """The example is one of that map's own."""
    wrong: list[Any] = [
        ["acme"],
        {7: {}},
        {"a": "cus_1"},
        {"a": {"stripe": ""}},
        {"a": {"stripe": 7}},
        {"a": {7: "cus_1"}},
    ]
    for value in wrong:
        assert fault_of_map(name, value) == (
            f"{name} must map your own names to ids by provider: write "
            f'{name}={{"{EXAMPLES[name]}": {{"<provider>": "<id>"}}}}'
        )
    assert fault_of_map(name, {"a": {"stripe": "cus_1", "one_of_your_own": "7"}, "b": {}}) is None
    assert fault_of_map(name, None) is None


@pytest.mark.parametrize(
    "maps,command,text",
    [
        (
            {"customers": {"acme": {"stripe": "cus_1"}}},
            BILL,
            (
                "the customer map has no 'acm': add it, or pass the ids: CustomerRef(ids={…}), "
                'in a file "customer": {"ids": {…}}'
            ),
        ),
        (
            {"payment_methods": {"card": {"stripe": "pm_1"}}},
            Pay(id="in_1", payment_method="cart"),
            "the payment method map has no 'cart'; did you mean 'card'?",
        ),
        (
            {"payment_methods": {"card": {"stripe": "pm_1"}}},
            Pay(id="in_1", payment_method="pm_7"),
            "the payment method map has no 'pm_7'; add it",
        ),
        (
            {"payment_methods": {"card": {"whop": "payt_1"}}},
            Pay(id="in_1", payment_method="card"),
            "the payment method map has no id of 'card' at stripe: add one, as card = { stripe = \"…\" }",
        ),
    ],
)
def test_a_name_without_an_id_is_refused(maps: dict[str, Any], command: Any, text: str) -> None:
    """It says what to add, and where."""
    with pytest.raises(ConfigurationError) as refused:
        Maps("stripe", **maps).translate(command)
    assert str(refused.value) == text


def test_the_maps_of_a_client_cannot_be_changed() -> None:
    """What the caller puts in afterwards is in no bill."""
    given = {"acme": {"stripe": "cus_1"}}
    maps = Maps.of("stripe", given, None, {})
    given["acme"]["stripe"] = "cus_2"
    assert (maps.customers, maps.payment_methods, maps.products) == ({"acme": {"stripe": "cus_1"}}, {}, {})
    with pytest.raises(FrozenInstanceError):
        maps.customers = {}  # type: ignore[misc]


@pytest.mark.parametrize(
    "allow,text",
    [
        (
            ["IB-STRIPE-METADATA-1"],
            (
                "'IB-STRIPE-METADATA-1' is not the code of a loss: the nearest are IB-STRIPE-METADATA-01, "
                "IB-STRIPE-IMPORT-METADATA-01, IB-STRIPE-IMPORT-DATE-01"
            ),
        ),
        (["metadata"], "'metadata' is not the code of a loss: `losses` and `explain` show the codes of a bill"),
        (
            ["warns"],
            "'warns' is not the code of a loss: allow each loss by its own code, above all one that changes money",
        ),
        ([7], "it must have codes as texts, and nothing else"),
        ({"one_time": []}, "'one_time' is no kind of bill: did you mean one_time_charge?"),
        ({"iod_invoice": []}, "'iod_invoice' is no kind of bill: the nearest are period_invoice, import_invoice"),
        ({"x": []}, "'x' is no kind of bill: valid names: import_invoice, one_time_charge, period_invoice"),
        (
            {"period_invoice": "IB-STRIPE-METADATA-01"},
            (
                'period_invoice: it must be a list of codes, as `losses` prints them, ["IB-…-01"], or such a list for '
                "each kind of bill"
            ),
        ),
    ],
)
def test_an_allow_that_cannot_be_used_says_what_to_write(allow: Any, text: str) -> None:
    """At most three codes are named that are near, so that they can be read."""
    assert fault_of_allow(allow) == text
