"""What a Stripe body says, field by field: real bodies of 2025 and 2026, and small ones of the endive shape."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    Address,
    Collection,
    CustomerRef,
    Invoice,
    Line,
    MalformedResponse,
    Money,
    Period,
    Status,
    TaxId,
    TaxLine,
    decode,
)
from invoice_bridge.providers.stripe.shapes import invoice


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
    assert {amount.currency for amount in stated.values() if amount is not None} <= {found.currency}
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
    assert bare(found) == (Line(description="(created by Stripe CLI)", quantity=1, unit_amount=usd, amount=usd),)
    (line,) = found.lines
    assert (line.id, line.product) == ("il_1QkqKVQhcl5B85Yl5M0JoDvM", "prod_RZzX4vdO1xqd3H")
    assert (line.price, line.proration) == ("price_1QgpYLQhcl5B85YliFpR7ylI", False)
    assert found.lines_complete
    assert found.customer == CustomerRef(id="cus_Re8bLGCUfuibt4")
    assert (found.created_at, found.issued_at) == (at(2025, 1, 24, 17, 6, 3), at(2025, 1, 24, 17, 6, 4))
    assert (found.due_at, found.paid_at, found.voided_at, found.period) == (None, None, None, None)
    assert found.collection == Collection.manual()
    assert (found.description, found.reference, found.metadata) == ("(created by Stripe CLI)", None, {})
    assert (found.payment_method, found.payment_pending, found.amount_refunded) == (None, False, None)


def bare(invoice: Invoice) -> tuple[Line, ...]:
    """The lines without the provider's ids and parts."""
    names = ("description", "quantity", "unit_amount", "amount", "period")
    return tuple(Line(**{name: getattr(line, name) for name in names}) for line in invoice.lines)


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
    assert [line.discount for line in found.lines] == [eur(5990), eur(0)]
    assert [discount.amount for discount in found.discounts] == [eur(5000), eur(990)]
    assert [(tax.name, tax.rate, tax.amount, tax.inclusive) for tax in found.taxes] == [
        ("VAT", Decimal(20), eur(0), True)
    ]
    assert bare(found) == (
        Line(description="Item with discount", quantity=1, unit_amount=eur(14900), amount=eur(14900)),
        Line(description="Software services", quantity=1, unit_amount=eur(10000), amount=eur(10000)),
    )
    assert found.customer == CustomerRef(
        id="cus_SmRWFdGSJoEXw2",
        email="britishguy@gmail.com",
        name="British guy",
        address=Address(line1="Main Street 12", city="Hull", postal_code="HU17 7PQ", country="GB"),
        tax_ids=(TaxId(kind="gb_vat", value="GB844281425"),),
    )
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
        id="cus_ST2spIlze67fe6",
        email="marife@gmail.com",
        name="MARIA FERNANDA ESPEJO MARIN",
        address=Address(city="San Andrés Cholula", state="Pue.", postal_code="72825", country="MX"),
        tax_ids=(TaxId(kind="mx_rfc", value="EEMF000804326"),),
    )
    assert found.taxes == (TaxLine(name="VAT", rate=Decimal(16), amount=eur(53760), base=eur(336000), inclusive=False),)
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
        id="cus_ExAmPlEcUsToMeR0001",
        email="customer@example.com",
        name="Test Customer LLC",
        address=Address(
            line1="123 Test Street", line2="Suite 100", city="New York", state="NY", postal_code="10001", country="US"
        ),
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
    assert [line.discount for line in found.lines] == [eur(0), eur(1400)]
    assert bare(found) == (
        Line(description="Chargebee Addon", quantity=1, unit_amount=eur(30000), amount=eur(30000)),
        Line(description="Physical good", quantity=2, unit_amount=eur(7000), amount=eur(14000)),
    )
    assert found.customer == CustomerRef(
        id="cus_RaI5TQK1VHayk5",
        email="peterthepanda@jungle.com",
        name="Peter The Panda",
        address=Address(
            line1="Calle Pradillo", line2="42", city="Madrid", state="M", postal_code="28002", country="ES"
        ),
        tax_ids=(TaxId(kind="eu_vat", value="DE111111125"),),
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
    line = Line(
        description="Charging",
        quantity="1.5",
        unit_amount=eur(2000),
        amount=eur(3000),
        period=may,
        id="il_1",
        taxes=[TaxLine(amount=eur(540), inclusive=False)],
    )
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


def test_defect_58_a_deleted_invoice_is_read() -> None:
    """Defect 58: the answer to DELETE states nothing but the id, an event the status "deleted": both are deleted."""
    stub = decode("stripe", {"id": "in_1", "object": "invoice", "deleted": True})
    assert (stub.id, stub.status, stub.currency, stub.problems) == ("in_1", Status.DELETED, None, ())
    assert set(amounts(stub).values()) == {None}
    assert Invoice.model_validate_json(stub.model_dump_json()) == stub
    told = read(status="deleted")
    assert (told.status, told.native_status, told.amount_remaining) == (Status.DELETED, "deleted", eur(0))


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


@pytest.mark.parametrize("changes", [{"id": None}, {"id": ""}, {"id": 7}])
def test_an_invoice_without_an_id_is_refused(changes: Mapping[str, Any]) -> None:
    """Without an id nothing can be done with it."""
    with pytest.raises(MalformedResponse):
        read(**changes)


@pytest.mark.parametrize(
    "changes, none, path",
    [
        ({"total": "3240"}, {"total"}, "total"),
        ({"total": True}, {"total"}, "total"),
        ({"total": Decimal("3240.5")}, {"total"}, "total"),
        ({"total": 10**25}, {"total"}, "total"),
        ({"amount_due": 3140.0000000000005}, {"amount_due"}, "amount_due"),
        ({"amount_remaining": [7]}, {"amount_remaining"}, "amount_remaining"),
        ({"pre_payment_credit_notes_amount": "100"}, {"amount_credited"}, "pre_payment_credit_notes_amount"),
        ({"total_taxes": [{"amount": "1"}]}, {"tax"}, "total_taxes[0].amount"),
        ({"total_discount_amounts": [{"discount": "di_1"}]}, {"discount"}, "total_discount_amounts[0].amount"),
    ],
)
def test_defect_60_one_odd_amount_is_none_and_is_listed(changes: dict[str, Any], none: set[str], path: str) -> None:
    """Defect 60: an amount that cannot be read exactly is None, with a problem; all others are read as ever."""
    found = read(**changes)
    whole = amounts(read())
    assert amounts(found) == {name: None if name in none else value for name, value in whole.items()}
    (problem,) = found.problems
    assert (problem.path, problem.money) == (path, True)
    listed = {shape.removesuffix("[]") for shape in found.unmapped()}
    assert re.sub(r"\[\d+\]", "[]", path) in {*listed, "total_discount_amounts[].amount"}


def test_defect_60_a_whole_unit_currency_with_a_fraction() -> None:
    """Defect 60: 1201.20 ISK is no whole króna: that total and that tax are None, and 1001 ISK is read."""
    line = {"amount": 100100, "description": "Rafmagn"}
    found = decode(
        "stripe",
        ENDIVE
        | {
            "currency": "isk",
            "total": 120120,
            "total_taxes": [{"amount": 20020, "tax_behavior": "exclusive"}],
            "amount_due": 120100,
            "amount_remaining": 120100,
            "lines": {"data": [line], "has_more": False},
        },
    )
    assert (found.subtotal, found.amount_due) == (Money(1001, "ISK"), Money(1201, "ISK"))
    assert (found.total, found.tax, found.lines_complete) == (None, None, True)
    assert {problem.path for problem in found.problems} == {"total", "total_taxes[0].amount"}


@pytest.mark.parametrize("row", [{"description": "no amount"}, {"amount": "5"}, {"amount": None}, "il_1"])
def test_defect_60_a_line_without_a_readable_amount_is_left_out(row: Any) -> None:
    """Defect 60: the other lines are read, the lines are not complete, and the subtotal comes from the total."""
    rows = [row, *ENDIVE["lines"]["data"]]
    found = read(lines={"data": rows, "has_more": False})
    assert [line.description for line in found.lines] == ["Charging"]
    assert (found.lines_complete, found.subtotal, found.total) == (False, eur(3000), eur(3240))
    assert [problem.path for problem in found.problems] == [
        "lines.data[0]" if isinstance(row, str) else "lines.data[0].amount"
    ]
    everything = decode_all(rows)
    assert (everything.lines_complete, len(everything.lines)) == (False, 1)


def decode_all(rows: list[Any]) -> Invoice:
    return invoice(ENDIVE, all_lines=[row if isinstance(row, dict) else {} for row in rows])


@pytest.mark.parametrize("code", ["xyz", None, "", 978, "btc"])
def test_defect_58_without_a_currency_no_amount_is_read(code: Any) -> None:
    """Defect 58: an absent or unknown currency leaves all amounts None, with a problem; the rest is read."""
    found = read(currency=code)
    assert (found.id, found.status, found.currency, found.lines) == ("in_1", Status.OPEN, None, ())
    assert set(amounts(found).values()) == {None}
    assert [(problem.path, problem.money) for problem in found.problems] == [("currency", True)]
    assert {"total", "lines.data[].amount", "lines.data[].description"} <= set(found.unmapped())


@pytest.mark.parametrize("code", ["clf", "uyi", "lyd", "iqd"])
def test_defect_59_an_unknown_factor_is_never_guessed(code: str) -> None:
    """Defect 59: a currency that ISO 4217 has, and Stripe's page has not: it is stated, its amounts are None."""
    found = read(currency=code)
    assert (found.currency, found.total, found.lines) == (code.upper(), None, ())
    assert {problem.money for problem in found.problems} == {True}


@pytest.mark.parametrize(
    "code, minor",
    [("cup", 3240), ("irr", 3240), ("xad", 3240), ("mro", 3240), ("std", 3240), ("itl", 3240), ("hrk", 3240)],
)
def test_defect_59_what_is_only_read_is_read(code: str, minor: int) -> None:
    """Defect 59: codes that Stripe's page lacks, and withdrawn ones, are read in their smallest unit."""
    found = read(currency=code)
    assert (found.total, found.problems) == (Money(minor, code.upper()), ())


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"number": 7}, "number"),
        ({"description": ["x"]}, "description"),
        ({"due_date": "2026-06-01"}, "due_date"),
        ({"due_date": 10**20}, "due_date"),
        ({"livemode": "true"}, "livemode"),
        ({"status": 7}, "status"),
        ({"metadata": {"site": 7}}, "metadata.site"),
        ({"metadata": "x"}, "metadata"),
        ({"customer": 42}, "customer"),
        ({"customer_email": "x"}, "customer_email"),
        ({"status_transitions": [1]}, "status_transitions"),
        ({"custom_fields": {"name": "x"}}, "custom_fields"),
    ],
)
def test_defect_61_a_value_of_a_wrong_type_is_listed(changes: dict[str, Any], path: str) -> None:
    """Defect 61: a value that is not as documented reads as None, is a problem, and is not counted as carried."""
    found = read(**changes)
    assert [(problem.path, problem.money) for problem in found.problems] == [(path, False)]
    assert any(shape == path or shape.startswith((f"{path}.", f"{path}[")) for shape in found.unmapped())


def test_what_some_clients_write_for_unset_is_no_problem() -> None:
    """Null, "", 0 for an instant and [] for an object mean absent; an id may stand for its object."""
    empty = {"number": "", "due_date": 0, "customer_email": "", "livemode": None, "metadata": None, "payments": None}
    found = read(**empty, status_transitions=[], payment_intent="pi_1", default_payment_method="pm_1", custom_fields=[])
    assert found.problems == ()
    assert found.payment_method == "pm_1"


@pytest.mark.parametrize("kind", ["credit_note", "quote", "invoiceitem", "line_item", "event", "list", "charge"])
def test_defect_57_what_says_that_it_is_something_else_is_refused(kind: str) -> None:
    """Defect 57: an object that states another kind is no invoice, however much it looks like one."""
    with pytest.raises(MalformedResponse, match=f"no invoice: its object is '{kind}'"):
        read(object=kind)
    assert read(object=None).id == read(object="").id == "in_1"


def test_defect_55_the_purchase_order_is_read() -> None:
    """Defect 55: our own custom field is the purchase order; a field of another heading is a custom field."""
    fields = [{"name": "Cost centre", "value": "77"}, {"name": "PO number", "value": "PO-9"}]
    found = read(custom_fields=fields)
    assert (found.purchase_order, found.reference) == ("PO-9", "res-1")
    assert found.custom_fields == {"Cost centre": "77"}
    assert not {"custom_fields[].name", "custom_fields[].value"} & set(found.unmapped())
    assert read(custom_fields=fields[:1]).purchase_order is None


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


@pytest.mark.parametrize("word", ["paid", "void", "uncollectible", "deleted"])
def test_defect_54_a_settled_invoice_keeps_its_collection(word: str) -> None:
    """Defect 54: auto_advance is off on all of these, whoever paid: collection_method says how it was to be paid."""
    automatic = {"status": word, "collection_method": "charge_automatically", "auto_advance": False}
    others = {**automatic, "metadata": {}, "default_payment_method": "pm_7"}
    assert read(**others).collection == Collection.charge("pm_7")
    assert read(**others, attempted=False).collection == Collection.charge("pm_7")
    assert read(**others | {"collection_method": "send_invoice"}).collection == Collection.send(due=at(2026, 6, 1))


def test_defect_54_our_own_manual_bill_stays_manual_unless_stripe_charged_it() -> None:
    """Defect 54: our bills have auto_advance off from the start; one that Stripe never tried to charge was manual."""
    ours = {"status": "paid", "collection_method": "charge_automatically", "auto_advance": False}
    assert read(**ours, attempted=False).collection == Collection.manual()
    assert read(**ours, attempted=True).collection == Collection.charge()
    assert read(**ours).collection == Collection.charge()
    assert read(**ours | {"status": "open"}, attempted=True).collection == Collection.manual()


def test_who_moves_the_money() -> None:
    """Only auto_advance lets Stripe charge a draft or an open invoice by itself; without it it is manual."""
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
