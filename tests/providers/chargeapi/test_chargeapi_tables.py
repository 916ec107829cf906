"""ChargeAPI's rows: each leaf does what its row says, no row is idle, every field that is sent has an origin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from invoice_bridge import Collection, CustomerRef, Line, Money, OneTimeCharge, PeriodInvoice, losses
from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.commands import LEAVES, Bill
from invoice_bridge.core.losses import Alters
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.chargeapi import CHARGEAPI
from invoice_bridge.providers.chargeapi.fields import FIELDS
from invoice_bridge.providers.chargeapi.tables import ERRORS, LIMITS, MONEY, STATUSES
from invoice_bridge.testing.metamorphic import alteration, contradiction, row_of
from invoice_bridge.testing.variants import variants
from tests import strategies
from tests.providers.chargeapi.bench import MAY, may_charge, may_invoice

USE = make_context(CHARGEAPI, {})
DUE = datetime(2026, 7, 1, tzinfo=UTC)
LINES = (
    Line(description="Energy", quantity=Decimal(2), unit_amount=Money(950, "EUR"), period=MAY),
    Line(description="Parking", amount=Money(600, "EUR")),
)
HOW = [
    {"collection": collection, "draft": draft}
    for collection in (Collection.manual(), Collection.send(due=DUE), Collection.charge(), Collection.charge("pm_1"))
    for draft in (False, True)
]
BASES: list[OneTimeCharge | PeriodInvoice] = [
    bill
    for how in HOW
    for bill in (
        may_charge(**how),
        may_charge(amount=None, lines=LINES, **how),
        may_invoice(**how),
        may_invoice(lines=LINES, tax="provider", **how),
    )
]
SEND = {"collection": Collection.send(due=DUE)}
NET = {"collection": Collection.send(net_days=14)}
MANUAL, CHARGE = {"collection": Collection.manual()}, {"collection": Collection.charge()}
# pairs that no general rule makes: the kinds that a due date belongs to
MORE: list[tuple[str, Bill, Bill]] = [
    (leaf, make(**one), make(**two))
    for make in (may_charge, may_invoice)
    for leaf, one, two in (
        ("collection.kind", SEND, CHARGE),
        ("collection.kind", SEND, MANUAL),
        ("collection.net_days", SEND, NET),
    )
]


def pairs() -> Iterator[tuple[str, Bill, Bill]]:
    """Every leaf with every two commands that differ in it, both ways."""
    made = [(leaf, *pair) for base in BASES for leaf in LEAVES[type(base)] for pair in variants(base, leaf)]
    for leaf, one, two in made + MORE:
        yield leaf, one, two
        yield leaf, two, one


def test_the_bases_can_be_done() -> None:
    """What is varied is a bill that ChargeAPI can make."""
    assert [str(made.refusal) for base in BASES if (made := plan(base, USE)).refusal is not None] == []


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


@pytest.mark.parametrize("base", BASES)
def test_where_each_field_of_a_body_comes_from(base: OneTimeCharge | PeriodInvoice) -> None:
    """A field's origin is the leaf whose value it is; ChargeAPI is sent no constants."""
    full = type(base).model_validate(base.model_dump() | {"description": "May", "metadata": {"site": "7"}})
    made = plan(full, USE)
    found = {name: where for request in made.requests for name, _, where in made.origins(request)}
    expected = {
        "period_start": "period.start",
        "period_end": "period.end",
        "fleet": "customer.id",
        "currency": "currency",
        "description": "description",
        "metadata.site": "metadata",
        "metadata.invoice_bridge_reference": "reference",
    }
    if base.collection.due is not None:
        expected["due_date"] = "collection.due"
    if base.collection.payment_method is not None and not base.draft:
        expected["payment_method"] = "collection.payment_method"
    assert expected == found


@given(strategies.bills())
def test_every_field_of_a_body_has_an_origin(command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill, each field that is sent is explained by a row."""
    made = plan(command, USE)
    assert [name for request in made.requests for name, _, where in made.origins(request) if where == "?"] == []


def test_codes_are_permanent() -> None:
    """The codes of the losses, as callers have written them into their allow lists."""
    assert sorted((row.code, row.path, row.severity.value) for row in FIELDS if row.code) == [
        ("IB-CHARGEAPI-AMOUNT-01", "amount", "changes_money"),
        ("IB-CHARGEAPI-COLLECTION-01", "collection.kind", "info"),
        ("IB-CHARGEAPI-COLLECTION-02", "collection.kind", "warns"),
        ("IB-CHARGEAPI-COLLECTION-03", "collection.kind", "info"),
        ("IB-CHARGEAPI-COLLECTION-04", "collection.payment_method", "info"),
        ("IB-CHARGEAPI-CUSTOMER-01", "customer.id", "info"),
        ("IB-CHARGEAPI-CUSTOMER-02", "customer.email", "info"),
        ("IB-CHARGEAPI-CUSTOMER-03", "customer.name", "info"),
        ("IB-CHARGEAPI-CUSTOMER-ADDRESS-01", "customer.address", "info"),
        ("IB-CHARGEAPI-CUSTOMER-TAXID-01", "customer.tax_ids[]", "info"),
        ("IB-CHARGEAPI-DISCOUNT-01", "discounts[].amount", "changes_money"),
        ("IB-CHARGEAPI-DISCOUNT-02", "discounts[].name", "info"),
        ("IB-CHARGEAPI-DISCOUNT-03", "discounts[].code", "info"),
        ("IB-CHARGEAPI-ISSUED-AT-01", "issued_at", "warns"),
        ("IB-CHARGEAPI-LINE-DISCOUNT-01", "lines[].discount", "changes_money"),
        ("IB-CHARGEAPI-LINE-METADATA-01", "lines[].metadata", "warns"),
        ("IB-CHARGEAPI-LINE-PRICE-01", "lines[].price", "warns"),
        ("IB-CHARGEAPI-LINE-PRODUCT-01", "lines[].product", "warns"),
        ("IB-CHARGEAPI-LINE-SUBSCRIPTION-01", "lines[].subscription", "info"),
        ("IB-CHARGEAPI-LINE-TAX-01", "lines[].taxes[]", "changes_money"),
        ("IB-CHARGEAPI-LINES-01", "lines[].amount", "changes_money"),
        ("IB-CHARGEAPI-LINES-02", "lines[].description", "warns"),
        ("IB-CHARGEAPI-LINES-03", "lines[].quantity", "warns"),
        ("IB-CHARGEAPI-LINES-04", "lines[].unit_amount", "warns"),
        ("IB-CHARGEAPI-LINES-05", "lines[].period.start", "warns"),
        ("IB-CHARGEAPI-LINES-06", "lines[].period.end", "warns"),
        ("IB-CHARGEAPI-PURCHASE-ORDER-01", "purchase_order", "warns"),
        ("IB-CHARGEAPI-SUBSCRIPTION-01", "subscription", "changes_money"),
        ("IB-CHARGEAPI-TAX-01", "tax", "info"),
    ]


@pytest.mark.parametrize("row", [row for row in FIELDS if row.code], ids=lambda row: row.code)
def test_a_loss_says_what_is_sent_and_why(row: Field) -> None:
    """A loss is of use only with its reason and with what goes instead."""
    assert row.why
    assert row.sent
    assert row.fate.value != "carried"


def test_every_row_has_a_source() -> None:
    """A row without a public source is an opinion."""
    rows: tuple[Any, ...] = (*STATUSES, *FIELDS, *ERRORS, *LIMITS, MONEY, CHARGEAPI.idempotency)
    assert [row for row in rows if not row.source.strip()] == []


def test_losses_are_those_of_what_is_said() -> None:
    """A leaf that the command leaves out is not lost; the customer's id is one however it was given."""
    bare = may_charge(customer=None, amount=None, lines=[Line(amount=Money(1, "EUR"))], tax="provider", draft=True)
    assert [loss.code for loss in losses("chargeapi", bare)] == ["IB-CHARGEAPI-LINES-01"]
    who = CustomerRef(email="a@example.test", ids={"chargeapi": "flt_42", "stripe": "cus_1"})
    told = may_charge(customer=who, amount=None, lines=LINES, collection=Collection.charge("pm_1"))
    assert [loss.code.removeprefix("IB-CHARGEAPI-") for loss in losses("chargeapi", told)] == [
        "CUSTOMER-01",
        "CUSTOMER-02",
        "LINES-01",
        "LINES-02",
        "LINES-03",
        "LINES-04",
        "LINES-05",
        "LINES-06",
        "TAX-01",
    ]
    elsewhere = may_invoice(customer=CustomerRef(id="flt_42", ids={"stripe": "cus_1"}))
    assert "IB-CHARGEAPI-CUSTOMER-01" not in [loss.code for loss in losses("chargeapi", elsewhere)]
