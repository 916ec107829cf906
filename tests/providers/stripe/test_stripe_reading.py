"""What a Stripe body says, field by field: real bodies of 2025 and 2026, and small ones of the endive shape."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    Collection,
    CustomerRef,
    Invoice,
    Line,
    MalformedResponse,
    Money,
    Period,
    Status,
    decode,
)


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


# ── recordings ───────────────────────────────────────────────────────────────────────────────────────────────────────
def recorded(shared_dir: Path, name: str) -> Invoice:
    return decode("stripe", (shared_dir / "recordings" / "stripe" / f"{name}.json").read_bytes())


def amounts(found: Invoice) -> dict[str, int | None]:
    names = ("subtotal", "discount", "tax", "total", "amount_due", "amount_paid", "amount_credited", "amount_remaining")
    stated = {name: getattr(found, name) for name in names}
    assert {amount.currency for amount in stated.values() if amount is not None} == {found.currency}
    return {name: None if amount is None else amount.minor for name, amount in stated.items()}


def test_recording_basic_invoice(shared_dir: Path) -> None:
    """A card invoice that nobody collects; the 0 and "" that the typed client wrote for unset are absent."""
    found = recorded(shared_dir, "stripe_basic_invoice")
    assert (found.id, found.number, found.currency) == ("in_1QkqKVQhcl5B85YlT32LIsNm", "FPOP-10027", "USD")
    assert (found.status, found.native_status, found.test_mode) == (Status.OPEN, "open", True)
    assert amounts(found) == {
        "subtotal": 2000,
        "discount": 0,
        "tax": 0,
        "total": 2000,
        "amount_due": 2000,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_remaining": 2000,
    }
    usd = Money(2000, "USD")
    assert found.lines == (Line(description="(created by Stripe CLI)", quantity=1, unit_amount=usd, amount=usd),)
    assert found.lines_complete
    assert found.customer == CustomerRef(id="cus_Re8bLGCUfuibt4")
    assert (found.created_at, found.issued_at) == (at(2025, 1, 24, 17, 6, 3), at(2025, 1, 24, 17, 6, 4))
    assert (found.due_at, found.paid_at, found.voided_at, found.period) == (None, None, None, None)
    assert found.collection == Collection.manual()
    assert (found.description, found.reference, found.metadata) == ("(created by Stripe CLI)", None, {})
    assert (found.payment_method, found.payment_pending, found.amount_refunded) == (None, False, None)


@pytest.mark.proves("stripe", "retrieve", "recording")
def test_recording_coupon(shared_dir: Path) -> None:
    """One line carries two discounts: the subtotal is before both, and subtotal less discount plus tax is the total."""
    found = recorded(shared_dir, "stripe_coupon")
    assert (found.id, found.number, found.status) == ("in_1RtqukHRYe2PhVGCbTTCgXyC", "V7REHZYJ-0019", Status.OPEN)
    assert amounts(found) == {
        "subtotal": 24900,
        "discount": 5990,
        "tax": 0,
        "total": 18910,
        "amount_due": 18910,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_remaining": 18910,
    }
    assert 24900 - 5990 + 0 == 18910
    assert found.lines == (
        Line(description="Item with discount", quantity=1, unit_amount=eur(14900), amount=eur(14900)),
        Line(description="Software services", quantity=1, unit_amount=eur(10000), amount=eur(10000)),
    )
    assert found.customer == CustomerRef(id="cus_SmRWFdGSJoEXw2", email="britishguy@gmail.com", name="British guy")
    assert (found.created_at, found.issued_at) == (at(2025, 8, 8, 14, 4, 58), at(2025, 8, 8, 14, 8, 8))
    assert found.due_at == at(2025, 9, 7, 14, 8, 8)
    assert found.collection == Collection.send(due=at(2025, 9, 7, 14, 8, 8))
    assert (found.description, found.period, found.payment_pending) == (None, None, False)
    assert found.hosted_url is not None
    assert found.pdf_url is not None


def test_recording_mx_custom_fields(shared_dir: Path) -> None:
    """Tax on top of the line: 3360.00 and 16 % of it make 3897.60."""
    found = recorded(shared_dir, "stripe_mx_custom_fields")
    assert (found.id, found.number, found.status) == ("in_1RYN7YH4o6QqbU8hGDmIcfdb", "JV64HIWA-0009", Status.OPEN)
    assert amounts(found) == {
        "subtotal": 336000,
        "discount": 0,
        "tax": 53760,
        "total": 389760,
        "amount_due": 389760,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_remaining": 389760,
    }
    assert [(line.description, line.quantity, line.unit_amount, line.amount, line.period) for line in found.lines] == [
        ("Equipo para uso de software punto de venta", Decimal(1), eur(336000), eur(336000), None)
    ]
    assert found.customer == CustomerRef(
        id="cus_ST2spIlze67fe6", email="marife@gmail.com", name="MARIA FERNANDA ESPEJO MARIN"
    )
    assert found.collection == Collection.send(due=at(2025, 7, 10, 8, 1, 47))
    assert (found.created_at, found.issued_at) == (at(2025, 6, 10, 8, 1, 24), at(2025, 6, 10, 8, 1, 47))


def test_recording_quantity_rounding(shared_dir: Path) -> None:
    """204 units at 60.00 per 50 are 300.00 and have no unit amount; zero lines stay; periods touch and differ."""
    found = recorded(shared_dir, "stripe_quantity_rounding")
    assert (found.id, found.number, found.status) == ("in_1TKzYuExAmPl0000WDyAcG0Y", "741B0C98-0040", Status.OPEN)
    assert (found.test_mode, found.collection) == (False, Collection.charge())
    assert amounts(found) == {
        "subtotal": 79900,
        "discount": 0,
        "tax": 0,
        "total": 79900,
        "amount_due": 79900,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_remaining": 79900,
    }
    next_month = Period(at(2026, 4, 11, 11, 18, 6), at(2026, 5, 11, 11, 18, 6))
    last_month = Period(at(2026, 3, 11, 11, 18, 6), at(2026, 4, 11, 11, 18, 6))
    assert [(line.quantity, line.unit_amount, line.amount.minor, line.period) for line in found.lines] == [
        (Decimal(2), eur(2500), 5000, next_month),
        (Decimal(1), eur(9900), 9900, next_month),
        (Decimal(1), eur(10000), 10000, next_month),
        (Decimal(1), eur(7500), 7500, next_month),
        (Decimal(1), eur(17500), 17500, next_month),
        (Decimal(204), None, 30000, last_month),
        (Decimal(0), eur(250), 0, last_month),
    ]
    assert found.lines[5].description == "204 units × Metered Usage (at €60.00 per 50 units / month)"
    assert found.period == Period(at(2026, 3, 11, 11, 18, 6), at(2026, 5, 11, 11, 18, 6))
    assert found.customer == CustomerRef(
        id="cus_ExAmPlEcUsToMeR0001", email="customer@example.com", name="Test Customer LLC"
    )
    assert (found.created_at, found.issued_at, found.due_at) == (
        at(2026, 4, 11, 11, 18, 52),
        at(2026, 4, 11, 12, 19, 11),
        None,
    )


def test_recording_unexpanded_invoice(shared_dir: Path) -> None:
    """A draft: no number, no issue date, no links; its discount is stated apart from the lines."""
    found = recorded(shared_dir, "unexpanded_invoice")
    assert (found.id, found.number, found.status) == ("in_1QpCUMQhcl5B85YlfgMLxqMg", None, Status.DRAFT)
    assert amounts(found) == {
        "subtotal": 44000,
        "discount": 1400,
        "tax": 0,
        "total": 42600,
        "amount_due": 42600,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_remaining": 42600,
    }
    assert found.lines == (
        Line(description="Chargebee Addon", quantity=1, unit_amount=eur(30000), amount=eur(30000)),
        Line(description="Physical good", quantity=2, unit_amount=eur(7000), amount=eur(14000)),
    )
    assert found.customer == CustomerRef(
        id="cus_RaI5TQK1VHayk5", email="peterthepanda@jungle.com", name="Peter The Panda"
    )
    assert (found.created_at, found.issued_at, found.hosted_url, found.pdf_url) == (
        at(2025, 2, 5, 17, 34, 14),
        None,
        None,
        None,
    )
    assert (found.payment_pending, found.collection) == (None, Collection.manual())


# ── the endive shape ─────────────────────────────────────────────────────────────────────────────────────────────────
ENDIVE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "status": "open",
    "currency": "eur",
    "livemode": True,
    "customer": "cus_42",
    "created": 1777593600,
    "effective_at": 1777593700,
    "due_date": 1780272000,
    "collection_method": "send_invoice",
    "subtotal": 2700,
    "total": 3240,
    "total_excluding_tax": 2700,
    "total_taxes": [
        {"amount": 540, "tax_behavior": "exclusive", "taxable_amount": 2700, "type": "tax_rate_details"},
        {"amount": 0, "tax_behavior": "inclusive", "taxable_amount": 0, "type": "tax_rate_details"},
    ],
    "total_discount_amounts": [{"amount": 300, "discount": "di_1"}],
    "amount_due": 3140,
    "amount_paid": 0,
    "amount_remaining": 3140,
    "pre_payment_credit_notes_amount": 100,
    "post_payment_credit_notes_amount": 0,
    "metadata": {"invoice_bridge_reference": "res-1", "site": "7"},
    "status_transitions": {"finalized_at": 1777593690, "paid_at": None, "voided_at": None},
    "lines": {
        "object": "list",
        "has_more": False,
        "data": [
            {
                "id": "il_1",
                "object": "line_item",
                "amount": 3000,
                "currency": "eur",
                "description": "Charging",
                "quantity": 1,
                "quantity_decimal": "1.5",
                "period": {"start": 1777593600, "end": 1780272000},
                "pricing": {"type": "price_details", "unit_amount_decimal": "2000"},
                "taxes": [{"amount": 540, "tax_behavior": "exclusive"}],
            }
        ],
    },
}


def read(**changes: Any) -> Invoice:
    return decode("stripe", ENDIVE | changes)


def test_the_endive_shape() -> None:
    """total_taxes, pricing and quantity_decimal are read; the reference comes out of the metadata."""
    found = read()
    assert amounts(found) == {
        "subtotal": 3000,
        "discount": 300,
        "tax": 540,
        "total": 3240,
        "amount_due": 3140,
        "amount_paid": 0,
        "amount_credited": 100,
        "amount_remaining": 3140,
    }
    may = Period.month(2026, 5)
    line = Line(description="Charging", quantity="1.5", unit_amount=eur(2000), amount=eur(3000), period=may)
    assert (found.lines, found.period) == ((line,), may)
    assert (found.reference, found.metadata) == ("res-1", {"site": "7"})
    assert (found.issued_at, found.due_at) == (at(2026, 5, 1, 0, 1, 40), at(2026, 6, 1))
    assert (found.test_mode, found.payment_pending) == (False, None)


def test_tax_inside_the_lines_is_tax_and_not_added_again() -> None:
    """Inclusive tax is stated as tax, and the derivable subtotal of an incomplete invoice does not lose it."""
    taxes = [{"amount": 540, "tax_behavior": "inclusive"}]
    found = read(total_taxes=taxes, total=2700, lines={"data": [], "has_more": True})
    assert (found.tax, found.total, found.discount) == (eur(540), eur(2700), eur(300))
    assert (found.subtotal, found.lines_complete) == (eur(3000), False)


@pytest.mark.parametrize(
    "native,status",
    [
        ("draft", Status.DRAFT),
        ("open", Status.OPEN),
        ("paid", Status.PAID),
        ("void", Status.VOID),
        ("uncollectible", Status.UNCOLLECTIBLE),
        (None, Status.UNKNOWN),
        ("past_due", Status.UNKNOWN),
        ("Paid", Status.UNKNOWN),
        (7, Status.UNKNOWN),
    ],
)
def test_statuses(native: object, status: Status) -> None:
    """Every documented word is read; null and any other word are unknown, never paid, void or failed."""
    found = read(status=native)
    assert (found.status, found.native_status) == (status, native if isinstance(native, str) else None)
    settled = {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE}
    assert found.amount_remaining == eur(0 if status in settled else 3140)


def test_a_deleted_invoice_is_deleted_whatever_its_status_says() -> None:
    """deleted: true wins over the status."""
    assert (read(deleted=True).status, read(deleted=True).amount_remaining) == (Status.DELETED, eur(0))
    assert read(deleted=False).status is Status.OPEN


def test_status_details_and_unknown_fields_survive_in_raw() -> None:
    """New fields change nothing that is read, and are kept untouched."""
    details = {"uncollectible": {"reason": "user_forgiven"}}
    found = read(status="uncollectible", status_details=details, brand_new={"a": [1, None]})
    assert found.status is Status.UNCOLLECTIBLE
    assert found.raw is not None
    assert (found.raw["status_details"], found.raw["brand_new"]) == (details, {"a": [1, None]})


def paying(*intents: object, **more: Any) -> Invoice:
    rows = [{"status": "open", "payment": {"type": "payment_intent", "payment_intent": intent}} for intent in intents]
    return read(payments={"object": "list", "data": rows}, **more)


def test_payments_say_whether_one_is_on_its_way() -> None:
    """Only an expanded payment intent tells; an id alone, or no payments at all, says nothing."""
    assert paying({"id": "pi_1", "status": "processing"}).payment_pending is True
    assert paying({"id": "pi_1", "status": "canceled"}, {"id": "pi_2", "status": "processing"}).payment_pending is True
    assert paying({"id": "pi_1", "status": "requires_payment_method"}).payment_pending is False
    assert paying().payment_pending is False
    assert paying("pi_1").payment_pending is None
    assert read().payment_pending is None
    assert read(payment_intent={"id": "pi_1", "status": "processing"}).payment_pending is True
    assert read(payment_intent="pi_1").payment_pending is None


def test_a_void_invoice_has_nothing_left_to_collect() -> None:
    """Stripe keeps the full remainder on a void invoice; the neutral one says zero, and what was due stays due."""
    found = read(status="void", status_transitions={"voided_at": 1780000000})
    assert (found.amount_remaining, found.amount_due, found.voided_at) == (
        eur(0),
        eur(3140),
        at(2026, 5, 28, 20, 26, 40),
    )


def test_defect_08_the_first_page_of_lines_is_never_taken_for_all() -> None:
    """has_more, a larger total_count, or no lines at all each mean that lines are missing."""
    rows = ENDIVE["lines"]["data"]
    assert read(lines={"data": rows, "has_more": True}).lines_complete is False
    assert read(lines={"data": rows, "has_more": False, "total_count": 2}).lines_complete is False
    assert read(lines=None).lines_complete is False
    assert read(lines={"data": rows, "has_more": False, "total_count": 1}).lines_complete is True


def test_defect_11_past_due_is_derived_from_the_due_date() -> None:
    """Stripe has no word for overdue: open and past the due date, as of the caller's clock."""
    assert read().is_past_due(at(2026, 6, 2)) is True
    assert read().is_past_due(at(2026, 6, 1)) is False
    assert read(status="paid").is_past_due(at(2026, 6, 2)) is False
    assert read(status="past_due").is_past_due(at(2026, 6, 2)) is False
    assert read(due_date=None).is_past_due(at(2030, 1, 1)) is False


@pytest.mark.parametrize(
    "currency,units,money",
    [
        ("eur", 1999, Money(1999, "EUR")),
        ("jpy", 1999, Money(1999, "JPY")),
        ("kwd", 1230, Money(1230, "KWD")),
        ("isk", 199900, Money(1999, "ISK")),
        ("ugx", 500, Money(5, "UGX")),
        ("clp", 1999, Money(1999, "CLP")),
        ("bhd", 19990, Money(19990, "BHD")),
        ("rwf", 23188, Money(23188, "RWF")),
        ("mga", 1999, Money(199900, "MGA")),
        ("bgn", 1999, Money(1999, "BGN")),
    ],
)
def test_amounts_by_currency(currency: str, units: int, money: Money) -> None:
    """Stripe's numbers mean what its currency page says, not what ISO 4217 would make of them."""
    line = {"amount": units, "pricing": {"unit_amount_decimal": str(units)}}
    found = decode("stripe", {"id": "in_1", "currency": currency, "total": units, "lines": {"data": [line]}})
    assert (found.total, found.subtotal, found.lines[0].amount, found.lines[0].unit_amount) == (money,) * 4


@pytest.mark.parametrize(
    "changes,path,field",
    [
        ({"total": "3240"}, "$.total", "total"),
        ({"total": True}, "$.total", "total"),
        ({"total": Decimal("3240.5")}, "$.total", "total"),
        ({"currency": "clf"}, "$.total", "total"),
        ({"currency": "xyz"}, "$.currency", "total"),
        ({"currency": None}, "$.currency", "currency"),
        ({"currency": "isk", "total": 123}, "$.total", "total"),
        ({"lines": {"data": [{"description": "no amount"}]}}, "$.lines.data[0].amount", None),
        ({"total_taxes": [{"amount": "1"}]}, "$.total_taxes[0].amount", "tax"),
    ],
)
def test_defect_60_what_cannot_be_read_is_a_problem(changes: Mapping[str, Any], path: str, field: str | None) -> None:
    """Defect 60: an amount that cannot be read is None and named; the rest of the invoice is read."""
    found = read(**changes)
    assert path in {problem.path for problem in found.problems}
    assert field is None or getattr(found, field) is None
    assert (found.id, found.status) == (read().id, Status.OPEN)
    if "lines" in changes:
        assert (found.lines, found.lines_complete) == ((), False)


@pytest.mark.parametrize("wrong", [None, ""])
def test_an_id_that_is_missing_is_an_error(wrong: str | None) -> None:
    """Without an id there is no invoice."""
    with pytest.raises(MalformedResponse, match=r"\$\.id is missing"):
        read(id=wrong)


@pytest.mark.parametrize("status", ["paid", "void", "uncollectible"])
def test_defect_54_a_settled_invoice_keeps_its_collection(status: str) -> None:
    """Defect 54: auto_advance is off on every settled invoice, so collection_method alone says how it is collected."""
    found = read(status=status, collection_method="charge_automatically", auto_advance=False)
    assert found.collection == Collection.charge(found.payment_method)
    assert read(collection_method="charge_automatically", auto_advance=False).collection == Collection.manual()


def test_defect_55_a_purchase_order_is_read() -> None:
    """Defect 55: the custom field that this adapter writes is the purchase order; two of that name are none."""
    field = {"name": "PO number", "value": "PO-7"}
    assert read(custom_fields=[{"name": "Depot", "value": "Lyon"}, field]).purchase_order == "PO-7"
    assert read(custom_fields=[{"name": "Depot", "value": "Lyon"}]).purchase_order is None
    assert read(custom_fields=[field, {**field, "value": "PO-8"}]).purchase_order is None


@pytest.mark.parametrize("kind", ["credit_note", "quote", "event", "charge", "customer", "list"])
def test_defect_57_another_object_is_refused(kind: str) -> None:
    """Defect 57: what says that it is something else is no invoice."""
    with pytest.raises(MalformedResponse, match=rf"\$\.object is '{kind}', not 'invoice'"):
        read(object=kind)


def test_defect_58_a_deleted_draft_is_read() -> None:
    """Defect 58: the answer to DELETE is an id and no more, which is no problem; the status deleted is one we know."""
    found = decode("stripe", {"id": "in_1", "object": "invoice", "deleted": True})
    assert (found.id, found.status, found.currency, found.problems) == ("in_1", Status.DELETED, None, ())
    assert not found.lines_complete
    assert read(status="deleted").status is Status.DELETED


@pytest.mark.parametrize("code", ["mro", "ltl", "dem"])
def test_defect_59_a_withdrawn_currency_is_read_and_not_billed(code: str) -> None:
    """Defect 59: reading refuses no currency whose factor the provider's rule gives."""
    assert read(currency=code, total=150).total == Money(150, code.upper())
    assert code.upper() not in MONEY.currencies


def test_defect_59_only_listed_currencies_are_billed() -> None:
    """Defect 59: the table has no code that the page which it cites never had."""
    assert not MONEY.currencies & {"BOV", "CHE", "CHW", "COU", "CUP", "ERN", "IRR", "KPW", "MXV", "SSP", "SYP", "XAD"}
    assert "UYU" in MONEY.currencies


def test_defect_61_a_field_of_another_type_is_listed_as_unmapped() -> None:
    """Defect 61: a value that was dropped for its type is no carried one."""
    found = read(number=42)
    assert (found.number, [problem.path for problem in found.problems]) == (None, ["$.number"])
    assert "number" in found.unmapped()
    assert "number" not in read(number="A-1").unmapped()


@pytest.mark.parametrize(
    "changes",
    [
        {"customer": 7},
        {"metadata": ["x"]},
        {"metadata": {"a": 1}},
        {"status_transitions": None},
        {"due_date": "soon"},
        {"created": 10**30},
        {"collection_method": "carrier_pigeon"},
        {"total_discount_amounts": None},
        {
            "lines": {
                "data": [{"amount": 3000, "quantity_decimal": "many", "pricing": {"unit_amount_decimal": "0.333"}}]
            }
        },
        {"customer_email": "x"},
    ],
)
def test_nothing_else_can_stop_the_reading(changes: Mapping[str, Any]) -> None:
    """A field of an unexpected type or word reads as absent."""
    assert read(**changes).total == eur(3240)


def test_the_customer_alone_and_expanded() -> None:
    """An id, or the whole object; the snapshot on the invoice wins over the customer as it is now."""
    whole = {"id": "cus_42", "object": "customer", "email": "now@example.test", "name": "Now"}
    assert read().customer == CustomerRef(id="cus_42")
    assert read(customer=whole).customer == CustomerRef(id="cus_42", email="now@example.test", name="Now")
    then = read(customer=whole, customer_email="then@example.test", customer_name="Then").customer
    assert then == CustomerRef(id="cus_42", email="then@example.test", name="Then")
    assert read(customer=None).customer is None


def test_who_moves_the_money() -> None:
    """Only auto_advance lets Stripe charge by itself; without it an invoice is as manual as it can be."""
    automatic = {"collection_method": "charge_automatically", "default_payment_method": {"id": "pm_7"}}
    assert read(**automatic, auto_advance=True).collection == Collection.charge("pm_7")
    assert read(**automatic, auto_advance=False).collection == Collection.manual()
    assert read(**automatic).payment_method == "pm_7"
    assert read(collection_method=None).collection is None


def test_the_shape_before_basil() -> None:
    """Acacia: tax amounts, the price on the line, the payment intent on the invoice."""
    line = {"amount": 1000, "quantity": 4, "price": {"unit_amount_decimal": "250"}, "tax_amounts": []}
    acacia = {
        "id": "in_1",
        "object": "invoice",
        "status": "paid",
        "currency": "usd",
        "paid": True,
        "total": 1080,
        "total_tax_amounts": [{"amount": 80, "inclusive": False}],
        "payment_intent": {"id": "pi_1", "status": "succeeded"},
        "lines": {"object": "list", "data": [line], "has_more": False, "total_count": 1},
    }
    found = decode("stripe", acacia)
    assert (found.tax, found.subtotal, found.discount) == (Money(80, "USD"), Money(1000, "USD"), None)
    usd = Money(250, "USD")
    assert found.lines == (Line(quantity=4, unit_amount=usd, amount=Money(1000, "USD")),)
    assert (found.amount_paid, found.payment_pending, found.test_mode, found.collection) == (None, False, None, None)


def test_the_price_of_a_package_is_no_unit_amount() -> None:
    """60.00 per 50 units is what 50 cost: the line has its amount and its quantity, and no unit amount."""
    price = {"unit_amount_decimal": "6000", "transform_quantity": {"divide_by": 50, "round": "up"}}
    line = {"amount": 30000, "quantity": 204, "price": price}
    found = decode("stripe", {"id": "in_1", "currency": "eur", "lines": {"data": [line]}})
    assert found.lines == (Line(quantity=204, amount=eur(30000)),)


def test_tax_that_is_not_listed_is_derived_where_it_can_be() -> None:
    """The total less total_excluding_tax is the tax; without both nothing is said."""
    bare = {"id": "in_1", "currency": "eur", "total": 1200}
    assert decode("stripe", bare | {"total_excluding_tax": 1000}).tax == eur(200)
    assert decode("stripe", bare).tax is None
