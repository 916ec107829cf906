"""What a Chargebee body says, field by field: real webhook bodies of 2020, and small ones made for each rule."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import CustomerRef, Invoice, Line, MalformedResponse, Money, Period, Status, decode
from invoice_bridge.core.exact import dumps, loads
from invoice_bridge.core.money import codes, historic_codes
from invoice_bridge.providers.chargebee.shapes import invoice, invoice_id
from invoice_bridge.providers.chargebee.tables import MONEY

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
        description="Rewards Prepayment",
        quantity=Decimal(5000),
        unit_amount=Money(100, "USD"),
        amount=found.total,
        id="li_16CHTnSAx2s685Ku",
        product="rewards-prepayment",
        discount=Money(0, "USD"),
        provider="chargebee",
    )
    assert found.lines == (line,)
    assert (found.lines_complete, found.period, found.payment_pending) == (True, None, False)
    assert found.customer == CustomerRef(id="16CHTpRzjKx2O7mo", name="Bob Jones")
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
    "currency, units, minor",
    [
        ("HUF", 500000, 500000),
        ("MRO", 1999, 1999),
        ("TWD", 1999, 1999),
        ("MGA", 1999, 1999),
        ("ISK", 199900, 1999),
        ("UGX", 500000, 5000),
        ("CLP", 799000, 7990),
        ("VND", 100, 1),
        ("CLF", 1, 100),
        ("UYW", 25, 2500),
        ("ITL", 1000, 10),
        ("VEF", 5, 5),
        ("IRR", 7, 7),
    ],
)
def test_defect_59_every_currency_but_four_is_read_in_hundredths(currency: str, units: int, minor: int) -> None:
    """Defect 59: the currencies page names four zero-decimal codes; every other one is ×100, sent or not."""
    found = decode("chargebee", small(currency_code=currency, total=units))
    assert (found.total, found.problems) == (Money(minor, currency), ())


@pytest.mark.parametrize("currency", ["HUF", "MRO"])
def test_defect_59_what_is_documented_is_billed(currency: str) -> None:
    """Defect 59: HUF and MRO are on the list of supported currencies, and not among the zero-decimal ones."""
    assert MONEY.to_units(Money(1999, currency)) == 1999


def test_defect_59_every_currency_that_money_knows_is_read() -> None:
    """Defect 59: reading refuses none for its currency; billing still refuses what a wrong factor could overbill."""
    known = {code for digits in (0, 2, 3, 4) for code in codes(digits) | historic_codes(digits)}
    assert known == MONEY.readable
    assert not {"ISK", "UGX", "CLP", "TWD", "MGA", "CLF"} & MONEY.currencies
    assert "not confirmed" in MONEY.read_source


@pytest.mark.parametrize(
    "facts, path",
    [
        ({"currency_code": "XXX"}, "currency_code"),
        ({"currency_code": None}, "currency_code"),
        ({"currency_code": "CLP", "total": 150}, "total"),
        ({"total": "1999"}, "total"),
        ({"total": 19.99}, "total"),
        ({"total": True}, "total"),
        ({"total": [1]}, "total"),
        (
            {"issued_credit_notes": [{"cn_total": "1"}], "adjustment_credit_notes": []},
            "issued_credit_notes[0].cn_total",
        ),
        ({"line_item_discounts": [{"discount_amount": None}]}, "line_item_discounts[0].discount_amount"),
    ],
)
def test_defect_60_one_odd_amount_hides_no_invoice(facts: dict[str, Any], path: str) -> None:
    """Defect 60: money that is no exact amount is None and a problem, never converted."""
    found = decode("chargebee", small(**facts))
    assert found.id == "7"
    assert (found.total, found.amount_credited, found.discount) == (None, None, None)
    assert [(problem.path, problem.money) for problem in found.problems] == [(path, True)]


def test_defect_61_a_value_of_a_wrong_type_is_listed() -> None:
    """Defect 61: what is not as documented is a problem, and unmapped() does not count it as carried."""
    found = decode("chargebee", small(due_date="soon", customer_id=7, recurring="no", po_number=9))
    assert {problem.path for problem in found.problems} == {"due_date", "customer_id", "recurring", "po_number"}
    assert {"due_date", "customer_id", "recurring", "po_number"} <= set(found.unmapped())
    assert {problem.money for problem in found.problems} == {False}


def test_a_write_off_that_cannot_be_read_is_not_paid() -> None:
    """Paid or written off: where the amount that tells is unreadable, the status is unknown (defect 28)."""
    found = decode("chargebee", small(status="paid", write_off_amount="5"))
    assert (found.status, found.native_status) == (Status.UNKNOWN, "paid")
    assert [problem.path for problem in found.problems] == ["write_off_amount"]


@pytest.mark.parametrize("kind", ["credit_note", "transaction", "quote", "unbilled_charge", "event", "customer"])
def test_defect_57_what_says_that_it_is_something_else_is_refused(kind: str) -> None:
    """Defect 57: bare or wrapped, an object that states another kind is no invoice."""
    with pytest.raises(MalformedResponse, match=f"its object is '{kind}'"):
        decode("chargebee", small(object=kind))
    with pytest.raises(MalformedResponse, match=f"its object is '{kind}'"):
        decode("chargebee", {"invoice": small(object=kind)})
    with pytest.raises(MalformedResponse, match=f"it contains {kind!r}"):
        decode("chargebee", {kind: small(object=kind)})
    assert decode("chargebee", {"invoice": small(object="invoice"), kind: {"object": kind}}).id == "7"


def test_defect_57_an_event_that_states_no_object_is_refused() -> None:
    """Defect 57: with an id and an event's type it would else read as an invoice without amounts."""
    with pytest.raises(MalformedResponse, match="decode the invoice in its content"):
        decode("chargebee", {"id": "ev_1", "event_type": "invoice_generated", "content": {"invoice": small()}})


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


@pytest.mark.parametrize(
    "row, path",
    [
        ({"description": "x"}, "line_items[0].amount"),
        ({"amount": "5"}, "line_items[0].amount"),
        ({"amount_in_decimal": "19.995"}, "line_items[0].amount_in_decimal"),
        ("li_1", "line_items[0]"),
    ],
)
def test_defect_60_a_line_without_a_readable_amount_is_left_out(row: Any, path: str) -> None:
    """Defect 60: the other lines are there, they are not complete, and their sum is not known."""
    found = decode("chargebee", small(line_items=[row, {"amount": 5}]))
    assert ([line.amount.minor for line in found.lines], found.lines_complete, found.subtotal) == ([5], False, None)
    assert path in {problem.path for problem in found.problems}
    assert {problem.money for problem in found.problems} == {not isinstance(row, str)}


def test_defect_60_an_amount_in_decimal_alone_is_read_where_it_is_exact() -> None:
    """Defect 60: multi-decimal sites state amounts in the major unit as text; 19.990 is 19.99, and no rounding."""
    found = decode("chargebee", small(line_items=[{"amount_in_decimal": "19.990"}]))
    assert (found.subtotal, found.lines_complete, found.problems) == (Money(1999, "EUR"), True, ())


@pytest.mark.parametrize(
    "facts",
    [
        {"subscription_id": "sub_1"},
        {"recurring": True},
        {"line_items": [{"amount": 5, "entity_type": "adhoc"}, {"amount": 5, "entity_type": "plan_item_price"}]},
        {"line_items": [{"amount": 5, "entity_type": "addon"}]},
    ],
)
def test_defect_45_a_purchase_order_is_not_taken_for_a_reference_it_cannot_be(facts: dict[str, Any]) -> None:
    """Defect 45: a subscription's invoices inherit its PO number, and we bill ad-hoc lines alone."""
    found = decode("chargebee", small(po_number="PO-7", **facts))
    assert (found.reference, found.purchase_order) == (None, "PO-7")


def test_defect_55_the_purchase_order_is_read() -> None:
    """Defect 55: with a reference_field it is never the reference; without one an ad-hoc invoice's may be both."""
    data = small(po_number="PO-7", cf_ref="r1", line_items=[{"amount": 5, "entity_type": "adhoc"}])
    named, none, default = (invoice(data, reference_field=field) for field in ("cf_ref", "", None))
    assert (named.reference, named.purchase_order) == ("r1", "PO-7")
    assert (none.reference, none.purchase_order) == (None, "PO-7")
    assert (default.reference, default.purchase_order) == ("PO-7", "PO-7")
    assert decode("chargebee", small()).purchase_order is None


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
