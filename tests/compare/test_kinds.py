"""What each field is to a comparison."""

from dataclasses import fields, is_dataclass

import pytest

from invoice_bridge import (
    Address,
    Adjustment,
    Collection,
    CreditNote,
    CustomerRef,
    Discount,
    Invoice,
    Line,
    Payment,
    Period,
    TaxId,
    TaxLine,
)
from invoice_bridge.compare.facts import facts
from invoice_bridge.compare.kinds import AMOUNT_PATHS, KINDS, SHAPES, Kind, severity
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import AMOUNTS
from tests.compare.bills import bill

PARTS = [Address, Adjustment, CreditNote, Discount, Payment, TaxId, TaxLine]
TYPES = [Invoice, Line, CustomerRef, Period, Collection, *PARTS]


@pytest.mark.parametrize("of", TYPES)
def test_every_field_of_the_model_has_one_kind(of: type) -> None:
    """A field that joins the model must be decided here before it can be overlooked by a comparison."""
    names = [field.name for field in fields(of)] if is_dataclass(of) else list(of.model_fields)  # type: ignore[attr-defined]
    assert list(KINDS[of]) == names


def test_the_tables_are_those_of_the_model() -> None:
    """No type is forgotten, and none is invented."""
    assert set(KINDS) == set(TYPES)


def test_every_amount_is_money_that_changes_money() -> None:
    """Each amount of an invoice and of a line is compared as money."""
    assert set(AMOUNTS) == AMOUNT_PATHS
    grave = {shape for shape in SHAPES if severity(shape) is Severity.CHANGES_MONEY}
    assert grave == {
        *AMOUNTS,
        "status",
        "payment_pending",
        "past_due",
        "currency",
        "amounts",
        "customer.id",
        "lines[]",
        "lines[].amount",
        "lines[].unit_amount",
        "lines[].discount",
        *(f"{place}{path}" for place in ("", "lines[].") for path in ("taxes[]", "taxes[].amount", "taxes[].base")),
        *("discounts[]", "discounts[].amount", "adjustments[]", "adjustments[].amount"),
        *("payments[]", "payments[].amount", "payments[].state", "payments[].refunded"),
        *("credit_notes[]", "credit_notes[].amount"),
    }


def test_instants_are_decided_one_by_one() -> None:
    """When a record was made is identity; when money is due, and for which span, was agreed."""
    instants = {name: kind for name, kind in KINDS[Invoice].items() if name.endswith("_at")}
    assert instants == {
        "created_at": Kind.IDENTITY,
        "issued_at": Kind.IDENTITY,
        "due_at": Kind.TERMS,
        "paid_at": Kind.IDENTITY,
        "voided_at": Kind.IDENTITY,
        "uncollectible_at": Kind.IDENTITY,
        "updated_at": Kind.IDENTITY,
        "next_attempt_at": Kind.IDENTITY,
    }
    assert set(KINDS[Period].values()) == {Kind.TERMS}


def test_defect_55_a_field_that_carries_both_is_compared_once() -> None:
    """Defect 55: what one field says as reference and purchase order is the reference; another order is compared."""
    both = facts(bill(reference="res-1", purchase_order="res-1"))["said"]
    assert (both["reference"], "purchase_order" in both) == ("res-1", False)
    assert facts(bill(reference="res-1", purchase_order="PO-9"))["said"]["purchase_order"] == "PO-9"
