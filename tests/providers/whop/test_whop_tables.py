"""Whop's rows: each leaf does what its row says, no row is idle, every field that is sent has an origin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from whop_sdk.types.api_key_api_version_date import ApiKeyApiVersionDate

from invoice_bridge import Collection, CustomerRef, Line, Money, OneTimeCharge, Period, PeriodInvoice, losses
from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.commands import LEAVES, Bill
from invoice_bridge.core.losses import Alters
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.whop import WHOP
from invoice_bridge.providers.whop.fields import FIELDS
from invoice_bridge.providers.whop.tables import ERRORS, LIMITS, MONEY, RATE, STATUSES, VERSIONS, pin
from invoice_bridge.testing.metamorphic import alteration, contradiction, row_of
from invoice_bridge.testing.variants import variants
from tests import strategies

USE = make_context(WHOP, {"account_id": "biz_42"})
MAY = Period.month(2026, 5)
DUE = datetime(2026, 7, 1, tzinfo=UTC)
LINES = (
    Line(description="Seats", quantity=Decimal(2), unit_amount=Money(950, "EUR"), period=MAY),
    Line(amount=Money(600, "EUR")),
)


def charge(**fields: Any) -> OneTimeCharge:
    """A bill of one amount, or of lines."""
    given: dict[str, Any] = {"reference": "r-1", "customer": "mber_42", "amount": Money(2500, "EUR")} | fields
    return OneTimeCharge(**given)


def rated(**fields: Any) -> PeriodInvoice:
    """A service period that the caller has rated."""
    given: dict[str, Any] = {"reference": "r-2", "customer": "mber_42", "lines": LINES, "period": MAY}
    given |= {"currency": "EUR"} | fields
    return PeriodInvoice(**given)


SEND, NET = Collection.send(due=DUE), Collection.send(net_days=14)
CHARGE, MANUAL = Collection.charge("pmt_1"), Collection.manual()
HOW: list[dict[str, Any]] = [
    {"collection": SEND},
    {"collection": SEND, "draft": True},
    {"collection": NET, "issued_at": DUE},
    {"collection": NET, "issued_at": DUE, "draft": True},
    {"collection": CHARGE, "issued_at": DUE},
    {"collection": CHARGE, "draft": True},
    {"collection": MANUAL, "draft": True},
]
BASES: list[OneTimeCharge | PeriodInvoice] = [
    bill
    for how in HOW
    for bill in (
        charge(**how),
        charge(description="Fees", tax="provider", **how),
        charge(amount=None, lines=LINES, **how),
        rated(**how),
        rated(customer=CustomerRef(email="a@example.test", name="A"), description="May", **how),
        charge(description="x" * 81, **how),
        charge(description="x" * 81, reference="r" * 81, **how),
        charge(reference="r" * 81, **how),
    )
]


def of_none(unit: int, quantity: int = 0) -> Bill:
    """A line whose quantity bills nothing, beside one that does."""
    line = Line(quantity=Decimal(quantity), unit_amount=Money(unit, "EUR"))
    return charge(amount=None, lines=(line, *LINES), collection=SEND)


# pairs that no general rule makes
MORE: list[tuple[str, Bill, Bill]] = [
    ("description", charge(description="x" * 81, collection=SEND), charge(description="y" * 82, collection=SEND)),
    ("reference", charge(reference="r" * 81, collection=SEND), charge(reference="s" * 82, collection=SEND)),
    ("lines[].unit_amount", of_none(500), of_none(700)),
    ("lines[].unit_amount", of_none(500, -2), of_none(1000, -1)),
    ("lines[].quantity", of_none(500, -2), of_none(1000, -1)),
    *(
        ("collection.kind", make(collection=SEND, draft=draft), make(collection=CHARGE, draft=draft))
        for make in (charge, rated)
        for draft in (False, True)
    ),
]


def pairs() -> Iterator[tuple[str, Bill, Bill]]:
    """Every leaf with every two commands that differ in it, both ways."""
    made = [(leaf, *pair) for base in BASES for leaf in LEAVES[type(base)] for pair in variants(base, leaf)]
    for leaf, one, two in made + MORE:
        yield leaf, one, two
        yield leaf, two, one


def test_the_bases_can_be_done() -> None:
    """What is varied is a bill that Whop can make."""
    assert [str(made.refusal) for base in BASES if (made := plan(base, USE, lookup="never")).refusal is not None] == []


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.verb)
def test_every_leaf_has_a_row(kind: type[Bill]) -> None:
    """For each thing that a bill can say one row speaks, and one alone, whatever else the bill says."""
    for base in BASES:
        if isinstance(base, kind):
            spoken = [row.path for row in FIELDS if row.path and row.speaks(base, USE)]
            assert sorted(spoken) == sorted(LEAVES[kind])


def test_no_row_contradicts_what_a_change_changes() -> None:
    """Changing one leaf changes the branch, the body's named fields, or nothing: as its row says."""
    assert {said for leaf, one, two in pairs() if (said := contradiction(one, two, leaf, USE))} == set()


def test_a_step_from_row_to_row_does_no_more_than_either_says() -> None:
    """Where the change makes another row speak, the two together bound what it does."""
    order = [Alters.NOTHING, Alters.BODY, Alters.BRANCH]
    for leaf, one, two in pairs():
        rows = [row_of(FIELDS, command, leaf, USE) for command in (one, two)]
        if rows[0] is not rows[1]:
            most = max(order.index(row.alters) for row in rows if row is not None)
            assert order.index(alteration(one, two, USE)) <= most, leaf


def test_no_row_is_idle() -> None:
    """Each row about a leaf is seen to do what it says, by some pair."""
    seen = [
        row
        for leaf, one, two in pairs()
        if (row := row_of(FIELDS, two, leaf, USE)) is not None and row.alters is alteration(one, two, USE)
    ]
    assert [(row.path, row.code) for row in FIELDS if row.path and row not in seen] == []


def origins(command: Bill, **settings: str) -> dict[str, str]:
    """Where each field of the one request comes from."""
    made = plan(command, make_context(WHOP, {"account_id": "biz_42"} | settings), lookup="never")
    assert made.refusal is None
    return {name: where for request in made.requests for name, _, where in made.origins(request)}


CONSTANTS = {
    "account_id": "constant: the setting account_id: the account that bills",
    "plan.plan_type": "constant: a bill is charged once and never renews",
    "charge_buyer_fee": "constant: the customer pays the amount of the bill, with no fee on top",
    "collection_method": "collection.kind",
    "save_as_draft": "draft",
    "plan.internal_notes": "reference",
    "plan.currency": "currency",
}
ONE = "constant: a line without a quantity has the quantity 1"


def test_where_the_fields_of_an_amount_come_from() -> None:
    """Without a description the reference names the product and the line."""
    assert origins(charge(collection=SEND)) == CONSTANTS | {
        "member_id": "customer.id",
        "plan.initial_price": "amount",
        "product.title": "reference",
        "line_items[0].label": "reference",
        "line_items[0].unit_price": "amount",
        "line_items[0].quantity": ONE,
        "due_date": "collection.due",
    }
    assert origins(charge(description="Fees", collection=CHARGE, issued_at=DUE), product_id="prod_1") == CONSTANTS | {
        "member_id": "customer.id",
        "plan.initial_price": "amount",
        "plan.description": "description",
        "product_id": "constant: the setting product_id, in place of a new product",
        "line_items[0].label": "description",
        "line_items[0].unit_price": "amount",
        "line_items[0].quantity": ONE,
        "payment_method_id": "collection.payment_method",
        "due_date": "issued_at",
    }


@pytest.mark.parametrize("how", [how for how in HOW if how.get("draft")])
def test_what_a_draft_is_sent_for_its_collection(how: dict[str, Any]) -> None:
    """A draft's collection method is of its kind of collection, whichever that is."""
    assert origins(charge(**how))["collection_method"] == "collection.kind"


def test_where_the_fields_of_lines_come_from() -> None:
    """A line's own words are its label, the sum of the lines is the price."""
    who = CustomerRef(email="a@example.test", name="A", ids={"stripe": "cus_1"})
    assert origins(rated(customer=who, lines=LINES[:1], description="May", collection=NET, issued_at=DUE)) == (
        CONSTANTS
        | {
            "email_address": "customer.email",
            "customer_name": "customer.name",
            "plan.initial_price": "lines[].amount",
            "plan.description": "description",
            "product.title": "description",
            "line_items[0].label": "lines[].description",
            "line_items[0].unit_price": "lines[].unit_amount",
            "line_items[0].quantity": "lines[].quantity",
            "due_date": "collection.net_days",
        }
    )


@given(strategies.bills())
def test_every_field_of_a_body_has_an_origin(command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill, each field that is sent is explained by a row."""
    made = plan(command, USE, lookup="never")
    assert [name for request in made.requests for name, _, where in made.origins(request) if where == "?"] == []


def test_codes_are_permanent() -> None:
    """The codes of the losses, as callers have written them into their allow lists."""
    assert sorted((row.code, row.path, row.severity.value) for row in FIELDS if row.code) == [
        ("IB-WHOP-COLLECTION-01", "collection.kind", "info"),
        ("IB-WHOP-CUSTOMER-01", "customer.email", "info"),
        ("IB-WHOP-CUSTOMER-02", "customer.name", "info"),
        ("IB-WHOP-CUSTOMER-ADDRESS-01", "customer.address", "info"),
        ("IB-WHOP-CUSTOMER-TAXID-01", "customer.tax_ids[]", "info"),
        ("IB-WHOP-DISCOUNT-01", "discounts[].amount", "info"),
        ("IB-WHOP-DISCOUNT-02", "discounts[].code", "info"),
        ("IB-WHOP-ISSUED-AT-01", "issued_at", "warns"),
        ("IB-WHOP-ISSUED-AT-02", "issued_at", "info"),
        ("IB-WHOP-LINE-DISCOUNT-02", "lines[].discount", "info"),
        ("IB-WHOP-LINE-METADATA-01", "lines[].metadata", "warns"),
        ("IB-WHOP-LINE-PRICE-01", "lines[].price", "warns"),
        ("IB-WHOP-LINE-PRODUCT-01", "lines[].product", "warns"),
        ("IB-WHOP-LINE-PRODUCT-02", "lines[].product", "info"),
        ("IB-WHOP-LINE-SUBSCRIPTION-01", "lines[].subscription", "info"),
        ("IB-WHOP-LINE-TAX-01", "lines[].taxes[]", "changes_money"),
        ("IB-WHOP-METADATA-01", "metadata", "warns"),
        ("IB-WHOP-PERIOD-01", "period.start", "warns"),
        ("IB-WHOP-PERIOD-02", "lines[].period.start", "warns"),
        ("IB-WHOP-PERIOD-03", "period.end", "warns"),
        ("IB-WHOP-PERIOD-04", "lines[].period.end", "warns"),
        ("IB-WHOP-PURCHASE-ORDER-01", "purchase_order", "warns"),
        ("IB-WHOP-QUANTITY-01", "lines[].quantity", "warns"),
        ("IB-WHOP-SUBSCRIPTION-01", "subscription", "warns"),
        ("IB-WHOP-TAX-01", "tax", "info"),
        ("IB-WHOP-TAX-02", "tax", "changes_money"),
        ("IB-WHOP-TITLE-01", "description", "info"),
        ("IB-WHOP-TITLE-02", "reference", "info"),
        ("IB-WHOP-UNIT-AMOUNT-01", "lines[].unit_amount", "info"),
    ]


@pytest.mark.parametrize("row", [row for row in FIELDS if row.code], ids=lambda row: row.code)
def test_a_loss_says_what_is_sent_and_why(row: Field) -> None:
    """A loss is of use only with its reason and with what goes instead."""
    assert row.why
    assert row.sent
    assert row.fate.value != "carried"


def test_every_row_has_a_source() -> None:
    """A row without a public source is an opinion."""
    rows: tuple[Any, ...] = (*STATUSES, *FIELDS, *ERRORS, *LIMITS, MONEY, RATE, WHOP.idempotency)
    assert [row for row in rows if not row.source.strip()] == []


def test_losses_are_those_of_what_is_said() -> None:
    """A leaf that the command leaves out is not lost; address and name are lost beside a member's id alone."""
    who = CustomerRef(email="a@example.test", name="A")
    bare = charge(customer=who, collection=SEND, tax="provider")
    assert losses("whop", bare, account_id="biz_42") == ()
    member = CustomerRef(email="a@example.test", name="A", ids={"whop": "mber_42"})
    told = charge(customer=member, amount=None, lines=LINES, collection=SEND, tax="provider")
    assert [loss.code for loss in losses("whop", told, account_id="biz_42")] == [
        "IB-WHOP-CUSTOMER-01",
        "IB-WHOP-CUSTOMER-02",
        "IB-WHOP-PERIOD-02",
        "IB-WHOP-PERIOD-04",
    ]
    assert [loss.code for loss in losses("whop", of_none(500), account_id="biz_42") if "LINES" not in loss.code][
        :2
    ] == [
        "IB-WHOP-QUANTITY-01",
        "IB-WHOP-UNIT-AMOUNT-01",
    ]


def test_the_released_versions_are_those_of_the_sdk_and_the_guides() -> None:
    """Every version that the SDK lists, in order, and the three that the guides name after it; nothing else."""
    theirs = [word for word in get_args(get_args(ApiKeyApiVersionDate)[0]) if word[:1].isdigit()]
    assert set(theirs) <= set(VERSIONS)
    assert sorted(set(VERSIONS) - set(theirs)) == ["2026-10-24", "2026-10-27-2", "2026-11-02-1"]
    assert sorted(VERSIONS, key=pin) == list(VERSIONS)
