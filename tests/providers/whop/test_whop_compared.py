"""What Whop collected is compared with the bill; minimum charges, saved methods, titles and due dates, both ways."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import (
    AmountMismatch,
    Collection,
    CustomerRef,
    Money,
    NotFound,
    OneTimeCharge,
    Rejected,
    Status,
    Unsupported,
    explain,
    losses,
)
from tests.providers.whop.conftest import START, Bench, bill


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


def charged(amount: str = "100.00", **fields: Any) -> OneTimeCharge:
    given: dict[str, Any] = {"collection": Collection.charge("pmt_42"), "issued_at": START} | fields
    return bill(amount=amount, **given)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


# ── what is collected (35) ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("inclusive", [True, False])
def test_tax_that_was_asked_for_is_no_difference(benches: Any, inclusive: bool) -> None:
    """Defect 35: with tax="provider" the amount asked for may be collected with the tax on top, or with it within."""
    bench = benches(collects_tax=True, tax_inclusive=inclusive)
    found = bench.billing.create(charged(tax="provider"))
    assert (found.amount_paid, found.tax) == ((eur(10000), eur(1596)) if inclusive else (eur(11900), eur(1900)))
    assert found.discrepancies == ()


def test_tax_within_the_price_collects_what_was_asked(benches: Any) -> None:
    """Defect 35: an untaxed charge whose tax is within the price collects the amount asked for."""
    found = benches(collects_tax=True, tax_inclusive=True).billing.create(charged(), allow=["tax"])
    assert (found.amount_paid, found.discrepancies) == (eur(10000), ())


@pytest.mark.parametrize("tax", ["none", "provider"])
@pytest.mark.parametrize("taxed", [True, False])
def test_a_discount_is_a_difference(benches: Any, tax: Any, taxed: bool) -> None:
    """Defect 35: a discount that nobody asked for is an AmountMismatch, with tax and without."""
    bench = benches(promotes=True, collects_tax=taxed)
    with pytest.raises(AmountMismatch, match=r"but inv_\d+ collected") as wrong:
        bench.billing.create(charged(tax=tax), allow=["tax"])
    assert wrong.value.found == eur(10710 if taxed else 9000)


def test_a_bill_found_again_is_compared_too(benches: Any) -> None:
    """Defect 35: a bill that was mailed, paid with tax, and is made again passes the same comparison."""
    bench = benches(collects_tax=True)
    made = bench.billing.create(bill(amount="100.00"))
    bench.emulator.settle(made.id)
    with pytest.raises(AmountMismatch, match=r"collected 119\.00 EUR"):
        bench.client(lookup="always").create(bill(amount="100.00"))
    assert bench.issued() == ["r-1"]


# ── minimum charge and payment methods (83) ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("limited", [True, False])
def test_a_minimum_charge_refuses_and_bills_nothing(benches: Any, limited: bool) -> None:
    """A bill below the currency's minimum charge is refused where Whop has one; nothing is issued then."""
    bench = benches(minimum_charge=limited)
    if limited:
        with pytest.raises(Rejected, match="at least") as refusal:
            bench.billing.create(charged("0.49"), allow=["tax"])
        assert (refusal.value.outcome, bench.events()) == ("nothing_done", [])
    else:
        assert bench.billing.create(charged("0.49"), allow=["tax"]).amount_paid == eur(49)


@pytest.mark.parametrize("method", ["pm_card_visa", "garbage", "pmt_of_nobody"])
def test_a_method_that_whop_does_not_know_is_not_charged(benches: Any, method: str) -> None:
    """Defect 83: a payment method that is not Whop's own, or that it does not know, charges nothing."""
    bench = benches()
    with pytest.raises(NotFound):
        bench.billing.create(charged(collection=Collection.charge(method)), allow=["tax"])
    assert bench.events() == []


@pytest.mark.parametrize("owned", [True, False])
def test_a_method_in_another_wallet_is_not_charged(benches: Any, owned: bool) -> None:
    """Defect 83: a saved method is charged for the member in whose wallet it is, where Whop insists on that."""
    bench = benches(methods_of_members=owned)
    stranger = charged(customer=CustomerRef(email="a@example.test", name="A"))
    if owned:
        with pytest.raises(NotFound):
            bench.billing.create(stranger, allow=["tax"])
        assert bench.events() == []
    else:
        assert bench.billing.create(stranger, allow=["tax"]).status is Status.PAID


# ── titles and due dates (65) ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "reference, description, title, codes",
    [
        ("r-1", "x" * 80, "x" * 80, set()),
        ("r-1", "x" * 81, "r-1", {"IB-WHOP-TITLE-01"}),
        ("r" * 100, None, "Invoice", {"IB-WHOP-TITLE-02"}),
        ("r" * 100, "x" * 81, "Invoice", {"IB-WHOP-TITLE-01", "IB-WHOP-TITLE-02"}),
    ],
)
def test_a_title_has_80_characters_at_most(
    benches: Any, reference: str, description: str | None, title: str, codes: set[str]
) -> None:
    """Defect 65: no product title over 80 characters is sent; the text is carried whole elsewhere, and that is said."""
    bench = benches()
    command = bill(reference, description=description)
    found = bench.billing.create(command)
    assert (found.reference, found.description) == (reference, description)
    assert {one.code for one in found.losses if "TITLE" in one.code} == codes
    plan = explain("whop", command, account_id="biz_42", lookup="never")
    assert plan.requests[0].body is not None
    assert plan.requests[0].body["product"]["title"] == title


def test_an_own_product_has_its_own_title() -> None:
    """Defect 65: under the caller's own product no title is sent, and none is replaced."""
    found = losses("whop", bill("r" * 100, description="x" * 81), account_id="biz_42", product_id="prod_42")
    assert [one.code for one in found if "TITLE" in one.code] == []


def test_whop_refuses_a_longer_title(benches: Any) -> None:
    """Defect 65: the emulator refuses a title of 81 characters, as documented."""
    bench = benches()
    command = bill(description="x" * 81)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("invoice_bridge.providers.whop.bills.fits_title", lambda _text: True)
        with pytest.raises(Rejected, match="80 characters"):
            bench.billing.create(command)
    assert bench.events() == []


def test_a_charge_without_a_date_is_refused_before_it_is_sent(benches: Any) -> None:
    """Defect 65: Whop demands a due date of every invoice that is no draft; a charge takes it from issued_at."""
    bench = benches()
    with pytest.raises(Unsupported, match="give issued_at"):
        bench.billing.create(charged(issued_at=None), allow=["tax"])
    assert bench.paths() == []
    assert bench.billing.create(charged(issued_at=None, draft=True)).status is Status.DRAFT


@pytest.mark.parametrize("demanded", [True, False])
def test_a_dated_charge_passes_either_way(benches: Any, demanded: bool) -> None:
    """Defect 65: a charge with its date is taken whether or not Whop insists on one."""
    bench = benches(charge_needs_due_date=demanded)
    assert bench.billing.create(charged(issued_at=datetime(2026, 11, 2, tzinfo=UTC)), allow=["tax"]).amount_paid
