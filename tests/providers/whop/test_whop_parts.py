"""The parts of Whop's invoices: payment, tax, discount, address, product; each read, and noted where it is no such."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import Collection, Invoice, Money, Status, decode
from invoice_bridge.adapter.notes import Notes
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.view import View
from invoice_bridge.core.exact import loads
from invoice_bridge.core.model import Address, CustomerRef, Discount, Payment, TaxLine
from invoice_bridge.providers.whop.part_shapes import PAYMENT
from invoice_bridge.providers.whop.shapes import invoice, with_payment, with_plan
from tests.providers.whop.conftest import START, Bench, bill

PAID_AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
LINES: list[dict[str, Any]] = [
    {"label": "Fees", "position": 1, "quantity": 2, "unit_price": 50, "total": 100},
    {"label": "Credit", "position": 2, "quantity": 1, "unit_price": Decimal("-20.00"), "total": Decimal("-20.00")},
]
ADDRESS = {
    "name": "Jane Doe", "line1": "1 rue X", "line2": "B", "city": "Lyon", "state": "ARA", "postal_code": "69001",
    "country": "FR", "phone": "+33100000000",
}  # fmt: skip


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def text(amount: str, currency: str = "eur") -> dict[str, Any]:
    return {"amount": amount, "currency": currency, "decimals": 2, "display_decimals": 2}


def whole(**fields: Any) -> dict[str, Any]:
    """An invoice of 80.00 EUR, with every field that whop-sdk 2.6.0 has."""
    given: dict[str, Any] = {
        "id": "inv_1",
        "number": "#0001",
        "status": "paid",
        "created_at": "2026-11-01T09:00:00.000Z",
        "updated_at": "2026-11-02T09:00:01.500Z",
        "due_date": "2026-12-01T00:00:00.000Z",
        "automatically_finalizes_at": None,
        "subscription_billing_anchor_at": None,
        "collection_method": "send_invoice",
        "charge_buyer_fee": False,
        "company": {"id": "biz_1"},
        "product": {"id": "prod_1", "title": "Fees"},
        "current_plan": {"id": "plan_1", "currency": "eur", "formatted_price": "€80.00", "description": "November"},
        "line_items": LINES,
        "customer_name": None,
        "email_address": "jane@example.test",
        "member": {"id": "mber_1"},
        "user": None,
        "mailing_address": ADDRESS,
        "payment": {"id": "pay_1"},
        "payment_processing": False,
        "fetch_invoice_token": "token_not_a_secret",
        "pay_online_url": None,
    }
    return given | fields


def payment(**fields: Any) -> dict[str, Any]:
    """A payment of 80.00 EUR with 19 % on top: 95.20 EUR (whop-sdk 2.6.0, Payment)."""
    given: dict[str, Any] = {
        "id": "pay_1",
        "status": "paid",
        "substatus": "succeeded",
        "currency": "eur",
        "subtotal": text("80.00"),
        "total": text("95.20"),
        "tax_amount": text("15.20"),
        "tax_behavior": "exclusive",
        "refunded_amount": text("0.00"),
        "promo_code_id": None,
        "paid_at": "2026-11-02T09:00:00.000Z",
        "payment_method_id": "payt_1",
        "payment_method_type": "card",
        "payments_failed": 2,
        "next_payment_attempt_at": None,
        "membership_id": "mem_1",
    }
    return given | fields


def joined(*, of: dict[str, Any] | None = None, **fields: Any) -> Invoice:
    return with_payment(invoice(whole() if of is None else of), payment(**fields))


# ── the invoice alone ────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_parts_of_an_invoice() -> None:
    """Address, product and the payment's id; the lines have no ids, and the address has no tax ids in an answer.

    A customer without another name has that of the address.
    """
    found = decode("whop", whole())
    address = Address(line1="1 rue X", line2="B", city="Lyon", state="ARA", postal_code="69001", country="FR")
    assert found.customer == CustomerRef(id="mber_1", email="jane@example.test", name="Jane Doe", address=address)
    assert [(line.id, line.product, line.price) for line in found.lines] == [(None, "prod_1", None)] * 2
    assert found.payments == (Payment(id="pay_1", state="succeeded", recorded_outside=False),)
    assert not found.payments_complete
    assert not found.credit_notes_complete
    assert found.updated_at == datetime(2026, 11, 2, 9, 0, 1, 500_000, tzinfo=UTC)
    assert (found.subtotal, found.unbalanced(), found.problems) == (eur(8000), None, ())
    assert found.unmapped() == (
        "charge_buyer_fee",
        "company.id",
        "current_plan.formatted_price",
        "current_plan.id",
        "fetch_invoice_token",
        "line_items[].position",
        "mailing_address.phone",
        "product.title",
    )


def test_what_an_invoice_does_not_state() -> None:
    """An unpaid one has no payment; marked paid it has none either, and it is not known how it was paid."""
    for status in ("open", "paid"):
        found = decode("whop", whole(status=status, payment=None, product=None, mailing_address=None, updated_at=None))
        assert (found.payments, found.payments_complete, found.updated_at) == ((), False, None)
        assert found.customer == CustomerRef(id="mber_1", email="jane@example.test")
        assert {line.product for line in found.lines} == {None}


def test_a_payment_of_an_invoice_that_is_not_paid_says_no_more_than_its_id() -> None:
    """The SDK writes that it settled the invoice, but the sample of the page has one in a draft."""
    assert decode("whop", whole(status="draft")).payments[0].state == "unknown"


@pytest.mark.parametrize(
    "status, method, at, listed",
    [
        ("draft", "charge_automatically", PAID_AT, False),
        ("draft", "send_invoice", None, True),
        ("open", "charge_automatically", None, True),
    ],
)
def test_a_draft_that_finalizes_itself_charges_then(status: str, method: str, at: Any, listed: bool) -> None:
    """It triggers an automatic charge; of an invoice that is sent it is when the e-mail leaves."""
    when = "2026-11-02T09:00:00.000Z"
    found = decode("whop", whole(status=status, collection_method=method, automatically_finalizes_at=when))
    assert (found.next_attempt_at, "automatically_finalizes_at" in found.unmapped()) == (at, listed)


@pytest.mark.parametrize(
    "path, odd",
    [
        *((f"mailing_address.{part}", 7) for part in ("line1", "line2", "city", "state", "postal_code", "country")),
        ("mailing_address.name", 7),
        ("mailing_address", "1 rue X"),
        ("product.id", 7),
        ("product", "prod_1"),
        ("payment.id", True),
        ("payment", "pay_1"),
        ("updated_at", 1_793_000_000),
        ("updated_at", "yesterday"),
        ("automatically_finalizes_at", "soon"),
    ],
)
def test_a_part_of_a_wrong_type_is_none_and_noted(path: str, odd: Any) -> None:
    """The rest reads as before, and what is noted is listed by unmapped()."""
    outer, _, inner = path.rpartition(".")
    data = whole()
    data[outer or path] = {**data[outer], inner: odd} if outer else odd
    found = decode("whop", data)
    assert [problem.path for problem in found.problems] == [path]
    assert path in found.unmapped()
    assert (found.subtotal, found.status, len(found.lines)) == (eur(8000), Status.PAID, 2)


# ── the payment ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_payment_with_tax_on_top() -> None:
    """95.20 are 80.00 and 15.20 of tax; two tries failed before the third; the membership is Whop's subscription."""
    found = joined()
    assert found.payments == (
        Payment(
            id="pay_1", amount=eur(9520), at=PAID_AT, state="succeeded", method="payt_1", recorded_outside=False,
            refunded=eur(0),
        ),
    )  # fmt: skip
    assert found.taxes == (TaxLine(amount=eur(1520), inclusive=False),)
    assert (found.subtotal, found.discount, found.tax, found.total) == (eur(8000), None, eur(1520), eur(9520))
    assert (found.subscription, found.attempts, found.next_attempt_at) == ("mem_1", 3, None)
    assert (found.discounts, found.unbalanced(), found.problems) == ((), None, ())
    assert not found.payments_complete


def test_a_payment_with_the_tax_within() -> None:
    """80.00 hold 12.77 of tax: nothing comes on top."""
    found = joined(total=text("80.00"), tax_amount=text("12.77"), tax_behavior="inclusive")
    assert found.taxes == (TaxLine(amount=eur(1277), inclusive=True),)
    assert (found.tax, found.total, found.discount, found.unbalanced()) == (eur(1277), eur(8000), None, None)


@pytest.mark.parametrize("word", ["unspecified", "unable_to_collect", "sideways", None])
def test_a_tax_of_which_nothing_says_where_it_is(word: str | None) -> None:
    """It is neither within nor on top, and no discount is derived: which part of the difference is tax is not known."""
    found = joined(tax_behavior=word, total=text("85.20"), promo_code_id="promo_1")
    assert found.taxes == (TaxLine(amount=eur(1520)),)
    assert (found.discount, found.discounts, found.unbalanced()) == (None, (Discount(id="promo_1"),), eur(-1000))


@pytest.mark.parametrize(
    "total, tax, behavior, taken",
    [
        ("70.00", None, None, 1000),  # 80.00 less 10.00
        ("83.30", "13.30", "exclusive", 1000),  # 80.00 less 10.00, and 19 % of 70.00 on top
        ("70.00", "11.18", "inclusive", 1000),  # the tax is within the 70.00
        ("0.00", None, None, 8000),
        ("80.00", None, None, None),
        ("90.00", None, None, None),  # more than the price: no discount, whatever it is
    ],
)
def test_a_promo_code_lowers_the_total(total: str, tax: str | None, behavior: str | None, taken: int | None) -> None:
    """No field states how much it takes off: it is the price before discounts less the price after them."""
    tax_amount = None if tax is None else text(tax)
    found = joined(total=text(total), tax_amount=tax_amount, tax_behavior=behavior, promo_code_id="promo_1")
    assert found.discounts == (Discount(id="promo_1"),)
    assert found.discount == (None if taken is None else eur(taken))
    assert found.unbalanced() == (eur(1000) if total == "90.00" else None)


def test_a_discount_is_not_derived_where_the_price_may_be_without_its_tax() -> None:
    """With the tax within, a `subtotal` that is not the sum of the lines may be the price before that tax."""
    # 67.23 is 80.00 without 19 %
    found = joined(subtotal=text("67.23"), total=text("60.00"), tax_amount=text("9.58"), tax_behavior="inclusive")
    assert (found.discount, found.unbalanced()) == (None, eur(-2000))
    assert joined(subtotal=None).discount is None


def test_a_refund_is_on_the_payment() -> None:
    """It changes neither the total nor what was paid."""
    found = joined(refunded_amount=text("20.00"), status="paid", substatus="partially_refunded")
    assert (found.payments[0].refunded, found.amount_refunded) == (eur(2000), eur(2000))
    assert (found.payments[0].state, found.amount_paid, found.unbalanced()) == ("succeeded", eur(9520), None)


@pytest.mark.parametrize(
    "status, substatus, state, attempts",
    [
        ("paid", "succeeded", "succeeded", 3),
        ("pending", "pending", "pending", 3),
        ("authorized", "requires_capture", "pending", 3),
        ("open", "failed", "failed", 2),
        ("open", "blocked", "failed", 2),
        ("open", "canceled", "canceled", 2),
        ("open", "pending", "pending", 3),
        ("open", "past_due", "unknown", 2),
        ("open", None, "unknown", 2),
        ("void", "canceled", "canceled", 2),
        ("uncollectible", "uncollectible", "failed", 2),
        ("draft", "drafted", "unknown", 2),
        ("unresolved", "unresolved", "unknown", 2),
        ("marinating", "succeeded", "unknown", 2),
    ],
)
def test_how_a_payment_went(status: str, substatus: str | None, state: str, attempts: int) -> None:
    """Each of Whop's words; one that is not known is unknown. A try that is on its way is one that was made."""
    later = "2026-11-05T09:00:00.000Z"
    found = joined(
        of=whole(status="open"), status=status, substatus=substatus, paid_at=None, next_payment_attempt_at=later
    )
    (only,) = found.payments
    assert (only.state, only.at, only.amount, found.attempts) == (state, None, eur(9520), attempts)
    assert found.next_attempt_at == datetime(2026, 11, 5, 9, tzinfo=UTC)
    assert (found.amount_paid, found.total, found.tax, found.taxes) == (None, None, None, ())


def test_a_payment_that_says_little() -> None:
    """The invoice names it, its date shows that it was paid, and the kind of its method serves for an id."""
    found = with_payment(invoice(whole()), {"paid_at": "2026-11-02T09:00:00.000Z", "payment_method_type": "sepa_debit"})
    assert found.payments == (
        Payment(id="pay_1", at=PAID_AT, state="succeeded", method="sepa_debit", recorded_outside=False),
    )
    assert (found.attempts, found.subscription, found.taxes) == (None, None, ())
    assert with_payment(invoice(whole(payment=None)), {}).payments == (Payment(recorded_outside=False),)


def test_a_payment_in_another_currency() -> None:
    """It settles in dollars: what the buyer saw is the payment, and no tax or discount is computed from the rest."""
    dollars = {name: text("92.00", "usd") for name in ("subtotal", "total", "tax_amount", "refunded_amount")}
    found = joined(**dollars, presentment_total=text("80.00"))
    assert (found.payments[0].amount, found.payments[0].refunded) == (eur(8000), None)
    assert (found.total, found.tax, found.taxes, found.discount, found.unbalanced()) == (None, None, (), None, None)
    bare = joined(of=whole(current_plan=None))
    assert (bare.payments[0].amount, bare.currency, bare.total) == (None, None, None)


@pytest.mark.parametrize(
    "name, odd, path",
    [
        ("id", 7, "payment.id"),
        ("status", 7, "payment.status"),
        ("paid_at", "yesterday", "payment.paid_at"),
        ("payment_method_id", 7, "payment.payment_method_id"),
        ("membership_id", ["mem_1"], "payment.membership_id"),
        ("promo_code_id", 7, "payment.promo_code_id"),
        ("next_payment_attempt_at", "soon", "payment.next_payment_attempt_at"),
        ("payments_failed", "many", "payment.payments_failed"),
        ("payments_failed", Decimal("1.5"), "payment.payments_failed"),
        ("payments_failed", -1, "payment.payments_failed"),
        ("tax_behavior", 7, "payment.tax_behavior"),
        ("tax_amount", {"amount": Decimal("15.20"), "currency": "eur"}, "payment.tax_amount.amount"),
        ("subtotal", {"amount": "80.001", "currency": "eur"}, "payment.subtotal.amount"),
        ("refunded_amount", {"amount": 0, "currency": "eur"}, "payment.refunded_amount.amount"),
        ("total", "95.20", "payment.total"),
    ],
)
def test_a_payment_with_a_wrong_type_is_noted(name: str, odd: Any, path: str) -> None:
    """It reads as None, by its path in the other answer; the invoice is there, and equal to its own validation."""
    found = joined(**{name: odd})
    assert [problem.path for problem in found.problems] == [path]
    fields = {field: getattr(found, field) for field in Invoice.model_fields}
    assert Invoice.model_validate(fields) == found
    assert Invoice.model_validate_json(found.model_dump_json()) == found


def test_the_table_of_the_payment_lists_what_it_reads() -> None:
    """The payment is another answer, which the reference does not print; its table is held to its reading here."""
    read: set[str] = set()
    settled = payment(total=text("1.00", "usd"), status=None, presentment_total=text("95.20"), payment_method_id=None)
    for one in (payment(), settled, payment(status="open")):
        PAYMENT.read(Reader(View(one, read), "whop", "$", Notes()), "EUR")
    assert read == PAYMENT.every_path()


# ── recordings and the emulator ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["page_legacy_invoice.json", "page_early_2026_list_item.json"])
def test_the_recordings_balance(shared_dir: Path, name: str) -> None:
    """They state neither a total nor a tax, so that there is nothing to balance; what they state is read."""
    data = loads((shared_dir / "recordings" / "whop" / name).read_bytes())
    found = decode("whop", data)
    assert (found.unbalanced(), found.problems) == (None, ())
    full = "product" in data
    assert ([payment.id for payment in found.payments], [line.product for line in found.lines]) == (
        (["pay_xxxxxxxxxxxxxx"], ["prod_xxxxxxxxxxxxx"]) if full else ([], [])
    )
    assert not {
        path
        for path in found.unmapped()
        if re.match(r"mailing_address\.(?!phone|name)|payment|product\.id|updated", path)
    }


@pytest.fixture
def benches() -> Iterator[Any]:
    """Make benches with switches, and close what they opened."""
    made: list[Bench] = []

    def make(**switches: bool) -> Bench:
        made.append(Bench(switches=switches))
        return made[-1]

    yield make
    for bench in made:
        bench.http.close()


@pytest.mark.parametrize("promotes", [False, True])
@pytest.mark.parametrize("tax", [{}, {"collects_tax": True}, {"collects_tax": True, "tax_inclusive": True}])
def test_what_the_emulator_collected_balances(benches: Any, tax: dict[str, bool], promotes: bool) -> None:
    """Whatever the account taxes and takes off, the parts come to the total; the method is the one of the bill."""
    bench = benches(promotes=promotes, **tax)
    charge = bill(amount="100.00", collection=Collection.charge("pmt_42"), issued_at=START, tax="provider")
    kept = bench.billing.create(charge, on_discrepancy="report") if promotes else bench.billing.create(charge)
    found = bench.billing.retrieve(kept.id)
    assert found.unbalanced() is None
    (only,) = found.payments
    assert (only.state, only.method, only.amount, only.at) == ("succeeded", "pmt_42", found.amount_paid, found.paid_at)
    assert [line.inclusive for line in found.taxes] == ([bool(tax.get("tax_inclusive"))] if tax else [])
    assert (found.discount, [one.id for one in found.discounts]) == (
        (eur(1000), ["promo_42"]) if promotes else (None, [])
    )
    assert (found.attempts, found.updated_at is not None, found.subscription) == (1, True, None)


def test_what_a_customer_pays_online_has_the_kind_of_its_method(benches: Any) -> None:
    """And an invoice that is marked paid has no payment."""
    bench = benches()
    first, second = (bench.billing.create(bill(reference)) for reference in ("r-1", "r-2"))
    bench.emulator.settle(first.id)
    assert [payment.method for payment in bench.billing.retrieve(first.id).payments] == ["card"]
    assert bench.billing.mark_paid(second.id).payments == ()


def test_with_plan_keeps_the_parts() -> None:
    """The plan adds the reference and the price, and takes nothing away."""
    plan = {"id": "plan_1", "plan_type": "one_time", "internal_notes": "r-1", "initial_price_due": text("80.00")}
    found = with_payment(with_plan(invoice(whole()), plan), payment())
    assert (found.reference, found.unbalanced(), found.taxes[0].amount) == ("r-1", None, eur(1520))
