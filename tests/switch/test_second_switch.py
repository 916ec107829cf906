"""After a second switch, A to B and then B to C: each period stays with the account of its time, and is billed once."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import BilledElsewhere, ConfigurationError, Handover, Journal, NotFound, Period
from invoice_bridge.journal.switches import EVERYBODY
from invoice_bridge.switch.sides import Sides
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.switch.pair import ALLOWED, AT, Pair, Shop

SECOND = datetime(2027, 3, 1, tzinfo=UTC)
BEFORE, BETWEEN, AFTER = (10, 2026), (1, 2027), (3, 2027)


class Chain(Pair):
    """Stripe is left for Chargebee, and Chargebee for Whop."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.last = Shop("whop")

    @property
    def customer(self) -> Any:
        ids = {shop.name: shop.emulator.customer for shop in (self.old, self.new, self.last)}
        return super().customer.model_copy(update={"ids": ids})

    def second(self, at: Any = SECOND, *, back: bool = False, **given: Any) -> Handover:
        """Make the second handover, to Whop or back to Stripe."""
        named = {"journal": Journal(self.place), **given}
        return Handover(self.new.client(**named), (self.old if back else self.last).client(**named), at=at)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """The first switch was used: its instant is kept."""
    made = Chain(tmp_path / "bills.sqlite")
    with made.handover() as billing:
        billing.create(made.period(11), allow=ALLOWED)
    return made


def requests(chain: Chain) -> int:
    return sum(shop.requests for shop in (chain.old, chain.new, chain.last))


def test_a_late_bill_of_the_first_accounts_time_does_not_go_to_the_middle_one(chain: Chain) -> None:
    """Nothing is sent; the error names the account, and what it says to do makes one bill."""
    late = chain.period(*BEFORE)
    with chain.second() as billing:
        sent = requests(chain)
        for step in (billing.create, billing.explain, billing.side_of):
            with pytest.raises(ConfigurationError, match="is for the time of stripe, which this book has left for"):
                step(late)
        assert requests(chain) == sent
        between = billing.create(chain.period(*BETWEEN), allow=ALLOWED)
        assert between.provider == "chargebee"
        assert billing.side_of(chain.period(*AFTER)) is billing.new
    with chain.old.client(journal=Journal(chain.place)) as alone:
        alone.create(late, allow=ALLOWED)
    assert [bill.provider for bill in chain.bills(late.reference)] == ["stripe"]


def test_a_bill_that_the_first_account_has_is_not_made_by_the_middle_one(chain: Chain) -> None:
    """Also where it is void there, so that its reference is free: a period is billed at the account of its time."""
    with chain.old.client(journal=Journal(chain.place)) as alone:
        (made,) = chain.old.bills()
        alone.void(made.id)
    with chain.second() as billing, pytest.raises(ConfigurationError, match="with a client of that account alone"):
        billing.create(chain.period(11), allow=ALLOWED)
    assert chain.new.bills() == []


def test_control_without_the_earlier_switches_the_middle_account_bills_it(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bill of the first account that the journal does not know is billed a second time then."""
    late = chain.period(*BEFORE)
    with chain.old.client(lookup="never") as other:
        other.create(late, allow=ALLOWED)
    with chain.second() as billing, pytest.raises(ConfigurationError):
        billing.create(late, allow=ALLOWED)
    assert len(chain.bills(late.reference)) == 1
    monkeypatch.setattr(Sides, "_left_before", staticmethod(lambda *_given: None))
    with chain.second() as billing:
        billing.create(late, allow=ALLOWED)
    assert len(chain.bills(late.reference)) == 2


def test_a_period_across_the_first_instant_is_refused(chain: Chain) -> None:
    """Its two parts are billed at the first and at the middle account; so is a one-time charge by its date."""
    across = chain.period(11, reference="long", period=Period(datetime(2026, 11, 1, tzinfo=UTC), SECOND))
    with chain.second() as billing:
        with pytest.raises(ConfigurationError, match=r"two bills, at stripe and chargebee"):
            billing.create(across, allow=ALLOWED)
        with pytest.raises(ConfigurationError, match="is for the time of stripe"):
            billing.create(chain.charge(), on=date(2026, 11, 30), allow=ALLOWED)
        assert billing.create(chain.charge(), on=date(2026, 12, 1), allow=ALLOWED).provider == "chargebee"


def test_after_a_switch_back_the_first_account_bills_its_own_time(chain: Chain) -> None:
    """It is a side of the handover, so that nothing has to be refused; a repeat gives the same bill."""
    with chain.second(back=True) as billing:
        late = billing.create(chain.period(*BEFORE), allow=ALLOWED)
        again = billing.create(chain.period(11), allow=ALLOWED)
        made = [billing.create(chain.period(*month), allow=ALLOWED).provider for month in (BETWEEN, AFTER)]
    assert (late.provider, again.provider, made) == ("stripe", "stripe", ["chargebee", "stripe"])
    assert len(chain.bills("flt/2026-11")) == 1


def test_the_first_instant_is_that_of_the_customer(tmp_path: Path) -> None:
    """Who switched later stays with the first account longer; without a name the latest instant counts."""
    chain = Chain(tmp_path / "bills.sqlite")
    later = datetime(2027, 1, 1, tzinfo=UTC)
    with chain.handover({"acme": later, EVERYBODY: AT}) as billing:
        billing.create(chain.period(11), allow=ALLOWED)
    bolt = chain.customer.model_copy(update={"id": "bolt"})
    unnamed = chain.customer.model_copy(update={"id": None})
    with chain.second() as billing:
        for customer in (chain.customer, unnamed):
            with pytest.raises(ConfigurationError, match="is for the time of stripe"):
                billing.side_of(chain.period(12, customer=customer))
        assert billing.side_of(chain.period(12, customer=bolt)) is billing.old
        assert billing.side_of(chain.period(*BETWEEN, customer=unnamed)) is billing.old


def test_a_moved_first_instant_counts_as_it_was_moved(chain: Chain) -> None:
    """The last row of the first switch decides."""
    with chain.handover() as billing:
        moved = datetime(2027, 1, 1, tzinfo=UTC)
        billing.journal.switches.move(
            billing.old.book, billing.new.book.account, EVERYBODY, moved, why="a month more", now=AT
        )
    with chain.second() as billing:
        with pytest.raises(ConfigurationError, match=r"left for chargebee.* at 2027-01-01T00:00:00Z"):
            billing.side_of(chain.period(12))
        assert billing.side_of(chain.period(*BETWEEN)) is billing.old


def test_a_reference_of_the_first_account_is_still_billed_once(chain: Chain) -> None:
    """The same reference for a period of the middle account's time: the journal of all three refuses it."""
    with chain.second() as billing, pytest.raises(BilledElsewhere):
        billing.create(chain.period(*BETWEEN, reference="flt/2026-11"), allow=ALLOWED)


def test_an_invoice_of_the_first_account_is_not_called_unknown(chain: Chain) -> None:
    """A verb, and `find` by its reference, name the account: neither side is asked, and it is not "not found"."""
    (made,) = chain.old.bills()
    with chain.second() as billing:
        sent = requests(chain)
        with pytest.raises(ConfigurationError, match="was made at stripe, which this book has left"):
            billing.void(made.id)
        with pytest.raises(BilledElsewhere) as caught:
            billing.find("flt/2026-11")
        assert (caught.value.provider, caught.value.invoice_id, caught.value.state) == ("stripe", made.id, "made")
        assert requests(chain) == sent
        with pytest.raises(NotFound):
            billing.find("flt/never", customer=chain.customer)
