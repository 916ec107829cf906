"""What a Chargebee body says, field by field: real webhook bodies of 2020, and small ones made for each rule."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import CustomerRef, Invoice, Line, MalformedResponse, Money, Period, Status, decode
from invoice_bridge.providers.chargebee.parse import invoice, invoice_id
from invoice_bridge.wire import dumps, loads

AMOUNTS = (
    "subtotal",
    "discount",
    "tax",
    "total",
    "amount_due",
    "amount_paid",
    "amount_credited",
    "amount_refunded",
    "amount_remaining",
)


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


def amounts(found: Invoice) -> dict[str, int | None]:
    stated = {name: getattr(found, name) for name in AMOUNTS}
    return {name: None if amount is None else amount.minor for name, amount in stated.items()}


def small(**facts: Any) -> dict[str, Any]:
    return {"id": "7", "status": "payment_due", "currency_code": "EUR", "line_items": [], **facts}


# ── recordings ───────────────────────────────────────────────────────────────────────────────────────────────────────
def recorded(shared_dir: Path, name: str) -> Invoice:
    event = loads((shared_dir / "recordings" / "chargebee" / f"webhook_{name}.json").read_bytes())
    return decode("chargebee", dumps(event["content"]))


@pytest.mark.proves("chargebee", "retrieve", "recording")
def test_recording_of_an_overdue_invoice(shared_dir: Path) -> None:
    """A one-off invoice of a test site: payment due, its line's dates equal, so no period."""
    found = recorded(shared_dir, "invoice_updated")
    assert (found.id, found.number, found.currency) == ("19", "19", "USD")
    assert (found.status, found.native_status) == (Status.OPEN, "payment_due")
    assert amounts(found) == {
        "subtotal": 500000,
        "discount": 0,
        "tax": 0,
        "total": 500000,
        "amount_due": 500000,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_refunded": 0,
        "amount_remaining": 500000,
    }
    line = Line(
        description="Rewards Prepayment", quantity=Decimal(5000), unit_amount=Money(100, "USD"), amount=found.total
    )
    assert found.lines == (line,)
    assert (found.lines_complete, found.period, found.payment_pending) == (True, None, False)
    assert found.customer == CustomerRef(id="16CHTpRzjKx2O7mo")
    assert (found.issued_at, found.created_at) == (at(2020, 9, 18, 14, 46, 53), at(2020, 9, 18, 14, 46, 53))
    assert found.due_at == at(2020, 10, 18, 14, 46, 53)
    assert found.is_past_due(at(2020, 10, 19))
    assert (found.paid_at, found.voided_at, found.reference, found.description) == (None, None, None, None)


def test_recording_of_a_pending_invoice(shared_dir: Path) -> None:
    """A subscription's pending invoice is a draft: no number yet, no due date, a month of service."""
    found = recorded(shared_dir, "pending_invoice_created")
    assert (found.id, found.number) == ("draft_inv_16BgPKSClXofl2Eic", None)
    assert (found.status, found.native_status, found.due_at) == (Status.DRAFT, "pending", None)
    assert amounts(found) == {
        "subtotal": 2500,
        "discount": 0,
        "tax": 0,
        "total": 2500,
        "amount_due": 2500,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_refunded": 0,
        "amount_remaining": 2500,
    }
    assert found.lines[0].period == Period(at(2020, 10, 7, 20, 32, 15), at(2020, 11, 7, 21, 32, 15))
    assert found.period == found.lines[0].period
    assert found.customer == CustomerRef(id="169yKyRvVEpMaX5Y")


def test_recording_of_a_deleted_invoice(shared_dir: Path) -> None:
    """Deleted wins over the native status, which stays; nothing can be collected any more."""
    found = recorded(shared_dir, "invoice_deleted")
    assert (found.id, found.status, found.native_status) == ("21", Status.DELETED, "not_paid")
    assert (found.total, found.amount_remaining) == (Money(32400, "USD"), Money(0, "USD"))
    assert found.lines[0].period == Period(at(2020, 12, 9, 17, 9, 43), at(2021, 12, 9, 17, 9, 43))
    assert (found.lines[0].quantity, found.lines[0].unit_amount) == (Decimal(6), Money(5400, "USD"))


# ── status ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "facts,status",
    [
        ({"status": "pending"}, Status.DRAFT),
        ({"status": "posted"}, Status.OPEN),
        ({"status": "payment_due"}, Status.OPEN),
        ({"status": "not_paid"}, Status.OPEN),
        ({"status": "paid"}, Status.PAID),
        ({"status": "paid", "write_off_amount": 0}, Status.PAID),
        ({"status": "paid", "write_off_amount": 1}, Status.UNCOLLECTIBLE),
        ({"status": "payment_due", "write_off_amount": 1}, Status.OPEN),
        ({"status": "voided"}, Status.VOID),
        ({"status": "paid", "deleted": True}, Status.DELETED),
        ({"status": "under_review"}, Status.UNKNOWN),
        ({"status": None}, Status.UNKNOWN),
    ],
)
def test_statuses(facts: dict[str, Any], status: Status) -> None:
    """A write-off is read from its amount (defect 28); an unknown word is never terminal (defect 10)."""
    assert decode("chargebee", small(**facts)).status is status


def test_not_paid_is_past_due_by_itself() -> None:
    """Without a due date the provider's own word decides."""
    assert decode("chargebee", small(status="not_paid")).is_past_due(at(2026, 1, 1))
    assert not decode("chargebee", small(status="posted")).is_past_due(at(2026, 1, 1))


# ── amounts ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_amounts_by_their_meaning() -> None:
    """The native amount_due is a balance; ours is the total less credits, whatever was paid since."""
    found = decode(
        "chargebee",
        small(
            total=10000,
            tax=1000,
            sub_total=9000,
            amount_paid=4000,
            amount_due=3500,
            amount_to_collect=3500,
            credits_applied=2000,
            amount_adjusted=500,
            line_items=[{"amount": 10000}],
            line_item_discounts=[{"discount_amount": 600}, {"discount_amount": 400}],
            discounts=[{"amount": 1000}],
            linked_payments=[{"txn_status": "success", "applied_amount": 4000}],
            adjustment_credit_notes=[{"cn_total": 500, "cn_status": "adjusted"}],
            issued_credit_notes=[
                {"cn_total": 300, "cn_status": "refunded"},
                {"cn_total": 200, "cn_status": "refund_due"},
                {"cn_total": 100, "cn_status": "voided"},
            ],
        ),
    )
    assert amounts(found) == {
        "subtotal": 10000,
        "discount": 1000,
        "tax": 1000,
        "total": 10000,
        "amount_due": 7500,
        "amount_paid": 4000,
        "amount_credited": 1000,
        "amount_refunded": 300,
        "amount_remaining": 3500,
    }


def test_what_is_absent_is_not_zero() -> None:
    """Chargebee leaves out what is unset: None, never zero."""
    assert set(amounts(decode("chargebee", {"id": "7", "currency_code": "EUR"})).values()) == {None}


@pytest.mark.parametrize(
    "currency,units,minor",
    [("EUR", 1999, 1999), ("JPY", 1999, 1999), ("KWD", 123, 1230), ("BHD", 1, 10), ("usd", 5, 5)],
)
def test_units_of_each_kind_of_currency(currency: str, units: int, minor: int) -> None:
    """Hundredths of a dinar are ten of its minor units; a code in lower case is read too."""
    found = decode("chargebee", small(currency_code=currency, total=units))
    assert found.total == Money(minor, currency.upper())


@pytest.mark.parametrize(
    "currency,total", [("HUF", "19.00"), ("TWD", "19.00"), ("ISK", "19"), ("CLP", "19"), ("CLF", "19.0000"), ("MRO", "19.00")]
)
def test_defect_59_every_other_currency_is_counted_in_hundredths(currency: str, total: str) -> None:
    """Defect 59: the currencies page names four zero-decimal codes, so all others are read in hundredths."""
    assert decode("chargebee", small(currency_code=currency, total=1900)).total == Money.parse(total, currency)


def test_defect_59_what_is_not_confirmed_is_read_and_not_billed() -> None:
    """Defect 59: HUF and MRO are listed without the zero-decimal sign and are billed; ISK is read alone."""
    assert {"HUF", "MRO"} <= MONEY.currencies
    assert not {"ISK", "CLP", "TWD", "VND", "UGX"} & MONEY.currencies


@pytest.mark.parametrize(
    "stated", [{"currency_code": "XXX"}, {"total": "1999"}, {"total": 19.99}, {"total": True}, {"total": [1]},
               {"currency_code": "ISK", "total": 1999}]
)
def test_defect_60_what_cannot_be_read_is_a_problem(stated: dict[str, object]) -> None:
    """Defect 60: money that is no integer, or in no currency, is None and named, never converted."""
    found = decode("chargebee", small(**{"total": 1, **stated}))
    assert found.total is None
    assert [problem.path for problem in found.problems] == ["$.currency_code" if "XXX" in stated.values() else "$.total"]


@pytest.mark.parametrize("other", [{"object": "credit_note"}, {"object": "event"}, {"event_type": "invoice_updated"}])
def test_defect_57_another_object_is_refused(other: dict[str, str]) -> None:
    """Defect 57: what says that it is a credit note, or a delivery of a webhook, is no invoice."""
    with pytest.raises(MalformedResponse, match="credit_note|event"):
        decode("chargebee", small(**other))


@pytest.mark.parametrize("inherits", [{"subscription_id": "sub_42"}, {"recurring": True}])
def test_defect_55_an_inherited_purchase_order_is_no_reference(inherits: dict[str, object]) -> None:
    """Defects 45 and 55: a subscription's invoice inherits its purchase order, which is never taken for a reference."""
    found = decode("chargebee", small(po_number="PO-7", **inherits))
    assert (found.purchase_order, found.reference) == ("PO-7", None)


@pytest.mark.parametrize("field,reference", [("cf_ref", "r1"), ("", None)])
def test_defect_55_beside_a_reference_field_the_number_is_a_purchase_order(field: str, reference: str | None) -> None:
    """Defects 45 and 55: with a field for references, or with none at all, po_number is the purchase order alone."""
    found = invoice(small(po_number="PO-7", cf_ref="r1"), reference_field=field)
    assert (found.purchase_order, found.reference) == ("PO-7", reference)


def test_a_payment_in_progress() -> None:
    """It is listed with the payments, or shows in what is left to collect; without either nothing is known."""
    assert decode("chargebee", small(linked_payments=[{"txn_status": "in_progress"}])).payment_pending is True
    assert decode("chargebee", small(amount_due=5, amount_to_collect=3)).payment_pending is True
    assert decode("chargebee", small(linked_payments=[{"txn_status": "success"}])).payment_pending is False
    assert decode("chargebee", small()).payment_pending is None


# ── lines, texts, shapes ─────────────────────────────────────────────────────────────────────────────────────────────
def test_a_page_of_lines_is_not_all_of_them() -> None:
    """With line_items_next_offset, or without line_items, the lines are not complete and their sum is not known."""
    part = decode("chargebee", small(line_items=[{"amount": 5}], line_items_next_offset="x"))
    assert (part.lines_complete, part.subtotal, len(part.lines)) == (False, None, 1)
    assert decode("chargebee", {"id": "7", "currency_code": "EUR"}).lines_complete is False


def test_lines_keep_what_they_say() -> None:
    """The amount is authoritative; with decimals the rounded unit amount is left out; equal dates are no period."""
    rows = [
        {"amount": 100, "unit_amount": 33, "quantity": 3, "date_from": 5, "date_to": 5, "description": "Tiers"},
        {"amount": 7, "unit_amount": 1, "unit_amount_in_decimal": "0.7", "quantity": 10, "quantity_in_decimal": "10.5"},
        {"amount": -5},
    ]
    first, second, third = decode("chargebee", small(line_items=rows)).lines
    assert (first.description, first.quantity, first.unit_amount) == ("Tiers", Decimal(3), Money(33, "EUR"))
    assert (first.amount, first.period) == (Money(100, "EUR"), None)
    assert (second.quantity, second.unit_amount) == (Decimal("10.5"), None)
    assert third.amount == Money(-5, "EUR")
    part = decode("chargebee", small(line_items=[{"description": "x"}, {"amount": 2}]))
    assert [problem.path for problem in part.problems] == ["$.line_items[0].amount"]
    assert (len(part.lines), part.lines_complete, part.subtotal) == (1, False, None)


def test_reference_and_note() -> None:
    """The PO number is the reference unless a field is named; the invoice's own note belongs to no other entity."""
    data = small(
        po_number="PO-7",
        cf_ref="r1",
        notes=[{"note": "Thank you"}, {"note": "Plan", "entity_type": "plan", "entity_id": "p"}],
    )
    assert decode("chargebee", data).reference == "PO-7"
    assert invoice(data, reference_field="cf_ref").reference == "r1"
    assert invoice(small(po_number="PO-7"), reference_field="cf_ref").reference is None
    assert decode("chargebee", data).description == "Thank you"
    assert decode("chargebee", small(notes=[{"note": "a"}, {"note": "b"}])).description is None


def test_created_is_when_it_was_generated_else_its_date() -> None:
    """There is no created_at: the first issue, or for a draft the document's date."""
    found = decode("chargebee", small(generated_at=1_600_000_000, date=1_599_999_999))
    assert (found.created_at, found.issued_at) == (at(2020, 9, 13, 12, 26, 40), at(2020, 9, 13, 12, 26, 39))
    assert decode("chargebee", small(date=1_599_999_999)).created_at == at(2020, 9, 13, 12, 26, 39)


def test_wrapped_bare_bytes_and_unknown_fields() -> None:
    """The invoice or the answer around it, parsed or as bytes; what is unknown survives in raw."""
    data = small(new_field={"deep": [1]}, total=5)
    for shape in (data, {"invoice": data}, dumps(data), dumps({"invoice": data}).decode()):
        found = decode("chargebee", shape)
        assert (found.id, found.raw) == ("7", data)
    with pytest.raises(MalformedResponse, match="id"):
        decode("chargebee", {"currency_code": "EUR"})


def test_the_id_in_an_answer() -> None:
    """One invoice has an id that errors can name; several have none."""
    assert invoice_id({"invoice": {"id": "7"}, "transaction": {"id": "t"}}) == "7"
    assert invoice_id({"invoices": [{"id": "7"}]}) == "7"
    assert invoice_id({"invoices": [{"id": "7"}, {"id": "8"}]}) is None
    assert invoice_id({"list": []}) is None
