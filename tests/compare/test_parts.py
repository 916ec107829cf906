"""The parts of an invoice in a comparison: taxes, discounts, adjustments, payments, credit notes, what a line bills."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import (
    Address,
    Adjustment,
    CreditNote,
    CustomerRef,
    Discount,
    Invoice,
    Line,
    Payment,
    TaxId,
    TaxLine,
)
from invoice_bridge.compare import Allowed, Verdict, compare
from invoice_bridge.compare.kinds import OWN, SHAPES, shape_of
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.losses import Severity
from tests.compare.bills import OTHER_IDENTITY, bill, eur

MAY_1, MAY_2 = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)


def found(left: Invoice, right: Invoice, **how: Any) -> dict[str, Verdict]:
    """The paths of two invoices' differences, and their verdicts."""
    (row,) = compare(left, right, **how).rows
    return {one.path: one.verdict for one in row.differences}


def other(**changes: Any) -> Invoice:
    """The same bill at another provider."""
    return bill(**{**OTHER_IDENTITY, **changes})


VAT = TaxLine(name="VAT", rate=Decimal(19), amount=eur(1900), base=eur(10000), inclusive=False)
CITY = TaxLine(name="City", rate=Decimal(5), amount=eur(500), base=eur(10000), inclusive=False)
SPRING = Discount(id="di_1", code="SPRING", name="Spring", amount=eur(100))
PAID = Payment(id="py_1", amount=eur(700), at=MAY_1, state="succeeded", method="card", refunded=eur(0))
NOTE = CreditNote(id="cn_1", number="CN-1", amount=eur(100), reason="duplicate", kind="adjustment", at=MAY_1)
SHIPPING = Adjustment(kind="shipping", amount=eur(500))
WHOLE: dict[str, Any] = {"payments_complete": True, "credit_notes_complete": True}
ADDRESS = Address(line1="Rue 1", line2="B", city="Lyon", state="ARA", postal_code="69001", country="FR")
ADA = CustomerRef(
    id="cus_1", email="a@example.test", name="Ada", address=ADDRESS, tax_ids=(TaxId(kind="vat", value="1"),)
)


def line(**changes: Any) -> Line:
    said: dict[str, Any] = {
        "description": "Stay", "amount": eur(100), "discount": eur(10), "taxes": (VAT,), "subscription": "sub_1",
        "metadata": {"meter": "7"}, "proration": False, "product": "prod_1", "price": "price_1", "id": "il_1",
    }  # fmt: skip
    return Line(**{**said, **changes})


# ── joined by what they say ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "parts",
    [
        {"taxes": (VAT, CITY)},
        {"adjustments": (SHIPPING, Adjustment(kind="rounding", amount=eur(-1)))},
        {"payments": (PAID, PAID.model_copy(update={"amount": eur(5), "id": "py_2"})), **WHOLE},
        {"credit_notes": (NOTE, NOTE.model_copy(update={"amount": eur(7)})), **WHOLE},
        {"discounts": (SPRING, Discount(name="Loyalty", amount=eur(3)))},
        {"lines": (line(), line(description="Other", id="il_2"))},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_order_and_ids_mean_nothing(parts: dict[str, Any]) -> None:
    """The same items the other way round, under other ids: nothing differs, here or at another provider."""
    name, items = next(iter(parts.items()))
    turned = [item.model_copy(update={"id": "x"} if "id" in type(item).model_fields else {}) for item in items[::-1]]
    for side in (bill, other):
        assert found(bill(**parts), side(**{**parts, name: tuple(turned)})) == {}


@given(st.permutations([VAT, CITY, VAT.model_copy(update={"amount": eur(1)}), TaxLine(amount=eur(3))]))
def test_for_every_order_of_taxes_nothing_differs(taxes: list[TaxLine]) -> None:
    """A list is compared as a multiset."""
    assert found(bill(taxes=tuple(sorted(taxes, key=repr))), other(taxes=tuple(taxes))) == {}


@pytest.mark.parametrize(
    "left, right, paths",
    [
        # the name and the rate tell which tax it is
        ({"taxes": (VAT, CITY)}, {"taxes": (CITY, VAT.model_copy(update={"amount": eur(1899)}))}, ["taxes[0].amount"]),
        ({"taxes": (VAT,)}, {"taxes": (VAT.model_copy(update={"rate": Decimal(20)}),)}, ["taxes[0].rate"]),
        ({"taxes": (VAT,)}, {"taxes": (VAT.model_copy(update={"base": eur(9)}),)}, ["taxes[0].base"]),
        ({"taxes": (VAT,)}, {"taxes": (VAT.model_copy(update={"inclusive": True}),)}, ["taxes[0].inclusive"]),
        ({"taxes": (VAT, CITY)}, {"taxes": (VAT,)}, ["taxes[1]"]),
        # the amount, then the instant, tell which payment it is; its number is that of the invoice's own list
        (
            {"payments": (PAID, PAID.model_copy(update={"amount": eur(5), "at": MAY_2})), **WHOLE},
            {"payments": (PAID.model_copy(update={"amount": eur(6), "at": MAY_2}), PAID), **WHOLE},
            ["payments[1].amount"],
        ),
        (
            {"payments": (PAID,), **WHOLE},
            {"payments": (PAID.model_copy(update={"refunded": eur(1)}),), **WHOLE},
            ["payments[0].refunded"],
        ),
        ({"payments": (PAID,), **WHOLE}, {"payments": (), **WHOLE}, ["payments[0]"]),
        ({"credit_notes": (NOTE,), **WHOLE}, {"credit_notes": (NOTE, NOTE), **WHOLE}, ["credit_notes[1]"]),
        (
            {"credit_notes": (NOTE,), **WHOLE},
            {"credit_notes": (NOTE.model_copy(update={"amount": eur(9)}),), **WHOLE},
            ["credit_notes[0].amount"],
        ),
        (
            {"credit_notes": (NOTE,), **WHOLE},
            {"credit_notes": (NOTE.model_copy(update={"kind": "refund"}),), **WHOLE},
            ["credit_notes[0].kind"],
        ),
        (
            {"adjustments": (SHIPPING,)},
            {"adjustments": (SHIPPING.model_copy(update={"amount": eur(501)}),)},
            ["adjustments[0].amount"],
        ),
        # an adjustment of another kind is another one
        (
            {"adjustments": (SHIPPING,)},
            {"adjustments": (Adjustment(kind="other", amount=eur(500)),)},
            ["adjustments[0]", "adjustments[0]"],
        ),
    ],
)
def test_what_differs_is_named_alone(left: dict[str, Any], right: dict[str, Any], paths: list[str]) -> None:
    """Between two providers, and within one, by the number of the item on the left; it changes money where it may."""
    for side in (other, bill):
        (row,) = compare(bill(**left), side(**right)).rows
        assert [one.path for one in row.differences] == paths
        assert {one.verdict for one in row.differences} == {Verdict.DIFFERING}
        texts = {"taxes[].rate", "taxes[].inclusive", "credit_notes[].kind"}
        assert {one.severity is Severity.CHANGES_MONEY for one in row.differences} == {shape_of(paths[0]) not in texts}


# ── what is not said ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_list_that_another_provider_does_not_have_is_unsaid() -> None:
    """It is listed whole, in one row, and is no difference; within one provider each item has vanished."""
    parts: dict[str, Any] = {"taxes": (VAT, CITY), "adjustments": (SHIPPING,), "payments": (PAID,), **WHOLE}
    result = compare(bill(**parts), other())
    (row,) = result.rows
    assert result.same
    assert [(one.path, one.left, one.right) for one in row.differences] == [
        ("taxes[]", "VAT: 19.00 EUR, City: 5.00 EUR", None),
        ("adjustments[]", "shipping: 5.00 EUR", None),
        ("payments[]", "succeeded: 7.00 EUR", None),
    ]
    assert found(bill(taxes=(VAT, CITY)), bill()) == {"taxes[0]": Verdict.DIFFERING, "taxes[1]": Verdict.DIFFERING}


@pytest.mark.parametrize("name, item", [("payments", PAID), ("credit_notes", NOTE)])
def test_a_list_that_may_lack_items_states_nothing(name: str, item: Any) -> None:
    """Within one provider too: an invoice of a plain listing is the one that was retrieved whole."""
    whole, part = bill(**{name: (item,)}, **WHOLE), bill(**{name: ()})
    assert found(whole, part) == {f"{name}[]": Verdict.UNSAID}
    assert found(part, whole) == {f"{name}[]": Verdict.UNSAID}
    assert found(part, part.model_copy(update={name: (item,)})) == {}
    assert found(bill(**WHOLE), part) == {}


def test_how_often_a_provider_tried_is_its_own_affair() -> None:
    """Of two providers payments that were made are compared; within one provider every attempt."""
    failed = Payment(id="py_0", amount=eur(700), at=MAY_1, state="failed")
    tried, made = {"payments": (failed, PAID), **WHOLE}, {"payments": (PAID,), **WHOLE}
    assert found(bill(**tried), other(**made)) == {}
    assert found(bill(**tried), bill(**made)) == {"payments[0]": Verdict.DIFFERING}
    more = {"payments": (PAID.model_copy(update={"amount": eur(1)}),), **WHOLE}
    assert found(bill(**tried), other(**more)) == {"payments[1].amount": Verdict.DIFFERING}


def test_a_write_off_is_no_credit_note_and_an_unknown_word_states_nothing() -> None:
    """A provider that writes off by a credit note has one that another has not; the status is compared."""
    given_up = NOTE.model_copy(update={"kind": "write_off"})
    assert found(bill(credit_notes=(given_up,), **WHOLE), other(**WHOLE)) == {}
    unknown = NOTE.model_copy(update={"kind": "unknown"})
    left, right = ({"credit_notes": (note,), **WHOLE} for note in (NOTE, unknown))
    assert found(bill(**left), other(**right)) == {"credit_notes[0].kind": Verdict.UNSAID}


# ── within one provider ──────────────────────────────────────────────────────────────────────────────────────────────
def in_line(**changes: Any) -> Callable[[], tuple[Invoice, Invoice]]:
    return lambda: (bill(lines=(line(),)), bill(lines=(line(**changes),)))


def in_customer(**changes: Any) -> Callable[[], tuple[Invoice, Invoice]]:
    return lambda: (bill(customer=ADA), bill(customer=ADA.model_copy(update=changes)))


def in_bill(name: str, one: Any, two: Any, **rest: Any) -> Callable[[], tuple[Invoice, Invoice]]:
    return lambda: (bill(**{name: one}, **rest), bill(**{name: two}, **rest))


def address(name: str) -> Callable[[], tuple[Invoice, Invoice]]:
    return in_customer(address=ADDRESS.model_copy(update={name: "XX"}))


def tax(**changes: Any) -> Callable[[], tuple[Invoice, Invoice]]:
    return in_line(taxes=(VAT.model_copy(update=changes),))


OWN_CASES: dict[str, tuple[str, Callable[[], tuple[Invoice, Invoice]]]] = {
    "subscription": ("subscription", in_bill("subscription", "sub_1", "sub_2")),
    "footer": ("footer", in_bill("footer", "Thanks", None)),
    "custom_fields": ("custom_fields.Depot", in_bill("custom_fields", {"Depot": "Lyon"}, {"Depot": "Nice"})),
    "lines[].subscription": ("lines[0].subscription", in_line(subscription=None)),
    "lines[].discount": ("lines[0].discount", in_line(discount=eur(11))),
    "lines[].metadata": ("lines[0].metadata.meter", in_line(metadata={"meter": "8"})),
    "lines[].proration": ("lines[0].proration", in_line(proration=True)),
    "lines[].taxes[]": ("lines[0].taxes[0]", in_line(taxes=())),
    "lines[].taxes[].name": ("lines[0].taxes[0].name", tax(name="MwSt")),
    "lines[].taxes[].rate": ("lines[0].taxes[0].rate", tax(rate=Decimal(20))),
    "lines[].taxes[].amount": ("lines[0].taxes[0].amount", tax(amount=eur(1))),
    "lines[].taxes[].base": ("lines[0].taxes[0].base", tax(base=eur(1))),
    "lines[].taxes[].inclusive": ("lines[0].taxes[0].inclusive", tax(inclusive=True)),
    "taxes[].name": ("taxes[0].name", in_bill("taxes", (VAT,), (VAT.model_copy(update={"name": "MwSt"}),))),
    "discounts[]": ("discounts[0]", in_bill("discounts", (SPRING,), ())),
    "discounts[].code": (
        "discounts[0].code",
        in_bill("discounts", (SPRING,), (SPRING.model_copy(update={"code": "MAY"}),)),
    ),
    "discounts[].name": (
        "discounts[0].name",
        in_bill("discounts", (SPRING,), (SPRING.model_copy(update={"name": "May"}),)),
    ),
    "discounts[].amount": (
        "discounts[0].amount",
        in_bill("discounts", (SPRING,), (SPRING.model_copy(update={"amount": eur(99)}),)),
    ),
    "payments[].recorded_outside": (
        "payments[0].recorded_outside",
        in_bill("payments", (PAID,), (PAID.model_copy(update={"recorded_outside": True}),), **WHOLE),
    ),
    "credit_notes[].reason": (
        "credit_notes[0].reason",
        in_bill("credit_notes", (NOTE,), (NOTE.model_copy(update={"reason": "fraudulent"}),), **WHOLE),
    ),
    **{f"customer.address.{name}": (f"customer.address.{name}", address(name)) for name in Address.model_fields},
    "customer.tax_ids[]": ("customer.tax_ids[0]", in_customer(tax_ids=())),
    "customer.tax_ids[].kind": ("customer.tax_ids[0].kind", in_customer(tax_ids=(TaxId(kind="x", value="1"),))),
    "customer.tax_ids[].value": ("customer.tax_ids[0].value", in_customer(tax_ids=(TaxId(kind="vat", value="2"),))),
}


def test_every_such_path_has_a_case() -> None:
    """A field that is compared within one provider alone is shown to be, here."""
    assert OWN_CASES.keys() == OWN


@pytest.mark.parametrize("path, make", OWN_CASES.values(), ids=OWN_CASES)
def test_what_each_provider_has_of_its_own_is_compared_within_one(
    path: str, make: Callable[[], tuple[Invoice, Invoice]]
) -> None:
    """It differs within one provider, alone; between two providers it means nothing."""
    left, right = make()
    assert found(left, right) == {path: Verdict.DIFFERING}
    assert found(right, left) == {path: Verdict.DIFFERING}
    who = right.customer and right.customer.model_copy(update={"id": "cb_9"})
    elsewhere = right.model_copy(update={"provider": "chargebee", "id": "19", "customer": who})
    assert found(left, elsewhere) == {}
    assert found(elsewhere, left) == {}


# ── what a line bills ────────────────────────────────────────────────────────────────────────────────────────────────
def test_two_readings_of_one_invoice_bill_the_same_products() -> None:
    """Within one document product and price are compared as they are; of two documents the ids may be made for each."""
    left, right = (bill(lines=(line(), line(id="il_2", product=name, price=f"of {name}"))) for name in ("p", "q"))
    assert found(left, right) == {"lines[1].product": Verdict.DIFFERING, "lines[1].price": Verdict.DIFFERING}
    assert found(left, right.model_copy(update={"id": "in_2"})) == {}


PRODUCTS = {"parking": {"stripe": "prod_1", "chargebee": "parking-EUR"}, "wash": {"chargebee": "wash-EUR"}}


@pytest.mark.parametrize(
    "changes, verdict",
    [
        ({"product": None, "price": "parking-EUR"}, None),
        ({"product": None, "price": "wash-EUR"}, Verdict.DIFFERING),
        ({"product": "nobody's"}, Verdict.DIFFERING),
        ({"product": None, "price": None}, Verdict.UNSAID),
    ],
)
def test_a_map_of_products_joins_what_lines_bill(changes: dict[str, Any], verdict: Verdict | None) -> None:
    """Names of the caller's own → an id of a product or a price at each provider."""
    left, right = bill(lines=(line(),)), other(lines=(line(**changes),))
    assert found(left, right) == {}
    expected = {} if verdict is None else {"lines[0].product": verdict}
    assert found(left, right, products=PRODUCTS) == expected
    assert found(right, left, products=PRODUCTS) == expected


def test_lines_of_one_id_belong_together() -> None:
    """Within one provider, where what they say does not tell: two lines that changed places and everything."""
    left = (line(description="A", amount=eur(1)), line(id="il_2", description="B", amount=eur(2)))
    right = (line(id="il_2", description="C", amount=eur(3)), line(description="D", amount=eur(4)))
    with compare(bill(lines=left), bill(lines=right)) as result:
        (row,) = result.rows
        assert {(one.path, str(one.right)) for one in row.differences if one.path.endswith("description")} == {
            ("lines[0].description", "D"),
            ("lines[1].description", "C"),
        }


# ── declared equal ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_differences_of_parts_are_declared_equal() -> None:
    """By shape with a tolerance, by values, wholesale where it does not change money, by key."""
    left = bill(taxes=(VAT,), lines=(line(),), custom_fields={"Depot": "Lyon"})
    right = bill(
        taxes=(VAT.model_copy(update={"amount": eur(1901)}),),
        lines=(line(discount=eur(11), metadata={"meter": "8"}),),
        custom_fields={"Depot": "Nice"},
    )
    allow = [
        Allowed(path="taxes[].amount", reason="rounded by line", tolerance_minor=1),
        Allowed(path="lines[].discount", reason="split otherwise", left="0.10 EUR", right="0.11 EUR"),
        Allowed(path="lines[0].metadata.meter", reason="another meter"),
        Allowed(path="custom_fields.Depot", reason="moved"),
    ]
    result = compare(left, right, allow=allow)
    assert (result.counts[Verdict.DECLARED_EQUAL], result.unused) == (1, ())
    missing = compare(bill(taxes=(VAT,)), bill(), allow=[Allowed(path="taxes[]", reason="none", left="VAT: 19.00 EUR")])
    assert missing.counts[Verdict.DECLARED_EQUAL] == 1


@pytest.mark.parametrize(
    "path, problem",
    [
        ("taxes[].amount", "this changes money"),
        ("payments[]", "this changes money"),
        ("lines[].metadata", "lines[].metadata is compared key by key"),
        ("custom_fields.", "no path that is compared"),
        ("taxes[].amounts", "did you mean 'taxes[].amount'"),
        ("taxes", "did you mean 'taxes[]'"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(path: str, problem: str) -> None:
    """Money wholesale, a whole object of words, a path that is none."""
    with pytest.raises(ConfigurationError) as refused:
        Allowed(path=path, reason="why not")
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    "path, shape",
    [
        ("lines[3].taxes[0].amount", "lines[].taxes[].amount"),
        ("lines[3].metadata.a[1]", "lines[].metadata.a[1]"),
        ("metadata.lines[3]", "metadata.lines[3]"),
        ("custom_fields.x[0].metadata.y", "custom_fields.x[0].metadata.y"),
        ("payments[]", "payments[]"),
    ],
)
def test_a_shape_has_no_numbers_but_in_keys(path: str, shape: str) -> None:
    """A key of the caller's stays as it is."""
    assert shape_of(path) == shape


def test_every_path_of_a_part_is_a_shape() -> None:
    """Each list stands for itself and for each field of its items."""
    assert {shape.split("[]")[0] for shape in SHAPES if "[]" in shape} == {
        "lines", "customer.tax_ids", "taxes", "discounts", "adjustments", "payments", "credit_notes",
    }  # fmt: skip
