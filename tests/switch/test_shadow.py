"""Shadow: main bills, the candidate only explains; nothing about the candidate stops a bill."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import AsyncShadow, BridgeError, ConfigurationError, Journal, ListInvoices, Money, Shadow
from invoice_bridge.switch import explained
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test
from tests.databases import make_unwritable
from tests.switch.pair import ALLOWED, Pair


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Stripe bills, Chargebee is the candidate."""
    return Pair(tmp_path / "bills.sqlite")


def shadow_of(pair: Pair, **of_candidate: Any) -> Shadow:
    """Make a shadow."""
    return Shadow(pair.old.client(journal=pair.place), pair.new.client(**of_candidate))


def test_main_bills_and_the_candidate_is_sent_nothing(pair: Pair) -> None:
    """Every verb goes to main; the candidate gets no request, whatever is called."""
    with shadow_of(pair) as billing:
        made = billing.create(pair.period(11), allow=ALLOWED)
        charge = billing.create(pair.charge(), allow=ALLOWED)
        assert billing.retrieve(made.id).provider == billing.provider == "stripe"
        assert billing.find("res-1").id == charge.id
        assert billing.mark_paid(made.id).status == "paid"
        assert billing.void(charge.id).status == "void"
        assert len(list(billing.list())) == len(billing.page(ListInvoices()).items) == 2
        assert billing.resolve(pair.period(11)).state == "found"
        assert billing.explain(pair.charge()).provider == "stripe"
        assert billing.losses(pair.charge()) == billing.main.losses(pair.charge())
        assert repr(billing) == "Shadow('stripe', 'chargebee')"
        assert (billing.book, billing.lookup) == (billing.main.book, "journal")
        assert billing.journal is billing.main.journal
        assert billing.report().bills == 2
    assert pair.new.requests == 0


def test_control_a_candidate_that_bills_is_seen(pair: Pair) -> None:
    """The count of requests sees a client that does send: the same bill, made by the candidate's own client."""
    with pair.new.client() as client:
        client.create(pair.period(11), allow=ALLOWED)
    assert pair.new.requests > 0


def test_the_report_of_a_month_has_losses_and_refusals(pair: Pair) -> None:
    """By month of the period, the gravest first; a repeated bill counts once."""
    with shadow_of(pair) as billing:
        for _ in range(2):
            billing.create(pair.period(11), allow=ALLOWED)
        billing.create(pair.period(12, purchase_order="PO-7"), allow=[*ALLOWED, "purchase_order"])
        november, december = billing.report("2026-11"), billing.report("2026-12")
        assert (november.bills, december.bills, billing.report().bills) == (1, 1, 2)
        expected = {loss.code for loss in billing.candidate.losses(pair.period(12, purchase_order="PO-7"))}
        assert {row.finding.code for row in december.rows if row.finding.kind == "loss"} == expected
        assert billing.report("2025-01").is_clean is False  # nothing was compared


def test_what_the_candidate_refuses_is_reported_and_billed_all_the_same(pair: Pair) -> None:
    """A currency or a customer that the candidate lacks: the bill is made, and the report says why."""
    with shadow_of(pair, customers={"bolt": {"chargebee": "cus_42"}}) as billing:
        bill = pair.charge(customer="cus_42")
        assert billing.create(bill, allow=ALLOWED).status == "open"
        report = billing.report()
        assert (report.bills, report.refused, report.is_clean) == (1, 1, False)
        (row,) = report.rows
        assert "the customer map has no 'cus_42'" in row.finding.text
        assert row.examples == ("res-1",)


def test_what_fails_about_the_candidate_fails_no_bill(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect in explaining is a finding; a journal that cannot be written is a warning in the log."""

    def fails(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(explained, "plan_of", fails)
    with shadow_of(pair) as billing:
        billing.create(pair.charge(), allow=ALLOWED)
        assert [row.finding.kind for row in billing.report().rows] == ["failed"]


def test_a_note_that_cannot_be_written_is_logged(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """The bill was made, so nothing is raised."""
    with shadow_of(pair) as billing:
        invoice = billing.create(pair.charge(), allow=ALLOWED)
        make_unwritable(billing.main)
        billing._note(pair.charge(), invoice)
        assert "was not noted" in caplog.text


def test_a_total_that_main_changed_is_a_difference(pair: Pair) -> None:
    """The provider billed another total than the bill states, or states none."""
    with shadow_of(pair) as billing:
        invoice = billing.create(pair.charge(), allow=ALLOWED)
        other = invoice.model_copy(update={"total": Money(2501, "EUR")})
        silent = invoice.model_copy(update={"total": None})
        for made, kinds in ((invoice, set()), (other, {"total"}), (silent, {"uncompared"})):
            findings = explained.findings_of(billing.main, billing.candidate, pair.charge(), made)
            assert {finding.kind for finding in findings} - {"loss", "effects"} == kinds


def test_a_refusal_of_main_is_raised_and_not_noted(pair: Pair) -> None:
    """Nothing was billed, so there is nothing to compare."""
    with shadow_of(pair) as billing:
        with pytest.raises(BridgeError):
            billing.create(pair.charge(customer="cus_none"), allow=ALLOWED)
        assert billing.report().bills == 0


def test_a_shadow_needs_a_journal_and_two_accounts(pair: Pair) -> None:
    """Where nothing could be kept, or nothing compared."""
    with pytest.raises(ConfigurationError, match="main needs a journal"):
        Shadow(pair.old.client(), pair.new.client())
    with pytest.raises(ConfigurationError, match="same account"):
        Shadow(pair.old.client(journal=pair.place), pair.old.client())


def test_the_asynchronous_shadow_does_the_same(tmp_path: Path) -> None:
    """The same bills, the same report, and nothing sent to the candidate."""
    first, second = Pair(tmp_path / "one.sqlite"), Pair(tmp_path / "two.sqlite")
    with shadow_of(first) as billing:
        billing.create(first.period(11), allow=ALLOWED)
        expected = billing.report()

    async def run() -> Any:
        main = second.old.async_client(journal=Journal(second.place), lookup="journal")
        async with AsyncShadow(main, second.new.async_client(lookup="never")) as billing:
            made = await billing.create(second.period(11), allow=ALLOWED)
            assert (await billing.retrieve(made.id)).id == made.id
            assert [invoice.id async for invoice in billing.list()] == [made.id]
            assert len((await billing.page(ListInvoices())).items) == 1
            assert (await billing.resolve(second.period(11))).state == "found"
            return billing.report()

    assert asyncio.run(run()) == expected
    assert (first.new.requests, second.new.requests) == (0, 0)
