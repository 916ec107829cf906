"""Refunds of what Whop collected, find, and what Whop has no request for, through a real client."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AlreadyBilled,
    BridgeError,
    Client,
    Collection,
    Declined,
    Discrepancy,
    Effect,
    IdempotencyMismatch,
    InvalidState,
    Invoice,
    LossyTranslation,
    Money,
    NotFound,
    OutcomeUnknown,
    Status,
    Unauthorized,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.emulation.faults import Fault, Faults, Kind
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.core.commands import Refund, Void
from invoice_bridge.core.exact import loads
from invoice_bridge.core.losses import Severity
from invoice_bridge.explain import losses
from invoice_bridge.providers.whop.emulator import WhopEmulator
from tests.providers.whop.conftest import START, Bench, bill

LATER = [timedelta(0), timedelta(minutes=1), timedelta(days=2), timedelta(days=366)]
ENDS = "pmt_unrefundable"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def charged(bench: Bench, reference: str = "r-1", method: str = "pmt_42", **fields: Any) -> Invoice:
    """An invoice of 25.00 EUR that Whop collected."""
    how: dict[str, Any] = {
        "amount": "25.00",
        "collection": Collection.charge(method),
        "issued_at": START,
        "tax": "provider",
    }
    made: Invoice = bench.billing.create(bill(reference, **(how | fields)))
    return made


def writes(bench: Bench) -> list[str]:
    return [f"{request.method} {request.url}" for request in bench.transport.sent if request.writes]


def given_back(bench: Bench) -> list[str]:
    return [f"{int(entry.units)}" for entry in bench.emulator.ledger if entry.event == "refunded"]


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_part_is_refunded_and_then_the_rest(bench: Bench) -> None:
    """The invoice stays paid; each refund has its reference and its reason at Whop."""
    made = charged(bench)
    part = bench.billing.refund(made.id, amount=eur(1000), reference="rf-1", reason="late", expect=eur(0))
    assert (part.status, part.amount_paid, part.amount_refunded) == (Status.PAID, eur(2500), eur(1000))
    assert [payment.refunded for payment in part.payments] == [eur(1000)]
    rest = bench.billing.refund(made.id, reference="rf-2", expect=eur(1000))
    assert (rest.status, rest.amount_refunded) == (Status.PAID, eur(2500))
    assert given_back(bench) == ["10", "15"]
    assert [refund["metadata"] for refund in bench.emulator.refunds] == [
        {"invoice_bridge_reference": "rf-1", "invoice_bridge_reason": "late"},
        {"invoice_bridge_reference": "rf-2"},
    ]
    assert bench.billing.retrieve(made.id).amount_refunded == eur(2500)


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("amount", [eur(1000), None])
def test_a_reference_is_refunded_once(bench: Bench, amount: Money | None, later: timedelta) -> None:
    """Made again by a client that remembers nothing, at once or past the key's lifetime, it writes nothing."""
    made = charged(bench)
    first = bench.billing.refund(made.id, amount=amount, reference="rf-1")
    sent, held = len(writes(bench)), list(bench.emulator.ledger)
    bench.clock.now += later
    again = bench.client().refund(made.id, amount=amount, reference="rf-1")
    assert (again.id, again.amount_refunded) == (first.id, first.amount_refunded)
    assert (len(writes(bench)), bench.emulator.ledger) == (sent, held)


@pytest.mark.parametrize("later", LATER)
def test_a_reference_has_one_amount(bench: Bench, later: timedelta) -> None:
    """The same reference with another amount is refused, whatever Whop still knows of the key."""
    made = charged(bench)
    bench.billing.refund(made.id, amount=eur(1000), reference="rf-1")
    bench.clock.now += later
    with pytest.raises(IdempotencyMismatch, match=r"the refund rf_00000001 of inv_00000001 already, of 10\.00 EUR"):
        bench.client().refund(made.id, amount=eur(1100), reference="rf-1")
    assert given_back(bench) == ["10"]


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
def test_a_refund_whose_answers_were_lost_is_made_once(bench: Bench, kind: Kind, later: timedelta) -> None:
    """Whether or not it arrived: the same call, made again, leaves one refund."""
    made = charged(bench)
    transport = EmulatorTransport(Faults(bench.emulator, [Fault(kind, path="/refund$", times=100)]))
    with httpx.Client(transport=transport) as http, pytest.raises(OutcomeUnknown):
        bench.client(http=http).refund(made.id, amount=eur(1000), reference="rf-1")
    bench.clock.now += later
    done = bench.client().refund(made.id, amount=eur(1000), reference="rf-1")
    assert (done.amount_refunded, given_back(bench)) == (eur(1000), ["10"])


def test_two_refunds_of_one_reference_are_not_taken_for_one(bench: Bench) -> None:
    """Somebody wrote the reference a second time at Whop: nothing is sent."""
    made = charged(bench)
    bench.billing.refund(made.id, amount=eur(500), reference="rf-1")
    bench.emulator.refunds.append(bench.emulator.refunds[0] | {"id": "rf_9"})
    with pytest.raises(AlreadyBilled, match="on 2 of the refunds of inv_00000001: rf_9, rf_00000001"):
        bench.billing.refund(made.id, amount=eur(500), reference="rf-1")


def test_every_page_of_the_refunds_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refund of the reference is on the second page of them."""
    made = charged(bench)
    bench.billing.refund(made.id, amount=eur(500), reference="rf-1")
    bench.billing.refund(made.id, amount=eur(500), reference="rf-2")
    monkeypatch.setattr("invoice_bridge.providers.whop.emulator.repayments._LARGEST_PAGE", 1)
    bench.billing.refund(made.id, amount=eur(500), reference="rf-1")
    assert given_back(bench) == ["5", "5"]


def test_a_refund_of_another_payment_is_not_this_ones(bench: Bench) -> None:
    """A reference belongs to a refund of one invoice: a filter that is ignored brings no other one in."""

    class Unfiltered(WhopEmulator):
        def list_refunds(self, call: Any) -> Any:
            kept = tuple(pair for pair in call.query if pair[0] != "payment_id")
            return super().list_refunds(replace(call, query=kept))

    other = Bench(kind=Unfiltered)
    one, two = charged(other, "r-1"), charged(other, "r-2")
    other.billing.refund(one.id, amount=eur(500), reference="rf-1")
    done = other.billing.refund(two.id, amount=eur(700), reference="rf-1x")
    assert (done.amount_refunded, given_back(other)) == (eur(700), ["5", "7"])
    other.http.close()


@pytest.mark.parametrize("amount, ends", [(eur(1000), None), (eur(2000), Discrepancy), (None, InvalidState)])
def test_a_listing_that_lags_behind_makes_no_second_refund(
    amount: Money | None, ends: type[BridgeError] | None
) -> None:
    """Whop does not list the refund yet: the key repeats its answer, or what is left of the payment stops it."""

    class Lagging(WhopEmulator):
        def list_refunds(self, call: Any) -> Any:
            held, self.refunds = self.refunds, []
            try:
                return super().list_refunds(call)
            finally:
                self.refunds = held

    bench = Bench(kind=Lagging)
    made = charged(bench)
    first = bench.billing.refund(made.id, amount=amount, reference="rf-1")
    assert first.amount_refunded == (amount or eur(2500))
    held = list(bench.emulator.ledger)
    if ends is None:
        assert bench.client().refund(made.id, amount=amount, reference="rf-1").amount_refunded == eur(1000)
    else:
        with pytest.raises(ends) as refused:
            bench.client().refund(made.id, amount=amount, reference="rf-1")
        assert refused.value.outcome == "nothing_done"
    assert bench.emulator.ledger == held
    bench.http.close()


# ── what is refused before anything is sent ──────────────────────────────────────────────────────────────────────────
def opened(bench: Bench) -> Invoice:
    return bench.billing.create(bill())


def drafted(bench: Bench) -> Invoice:
    return bench.billing.create(bill(draft=True))


def voided(bench: Bench) -> Invoice:
    return bench.billing.void(opened(bench).id)


def written_off(bench: Bench) -> Invoice:
    return bench.billing.mark_uncollectible(opened(bench).id)


def paid_elsewhere(bench: Bench) -> Invoice:
    return bench.billing.mark_paid(opened(bench).id)


def clearing(bench: Bench) -> Invoice:
    made = opened(bench)
    bench.emulator.settle(made.id, clearing=True)
    return made


def refunded(bench: Bench) -> Invoice:
    return bench.billing.refund(charged(bench).id, reference="rf-0")


@pytest.mark.parametrize(
    "make, why",
    [
        (opened, "cannot be refunded: it is open"),
        (drafted, "cannot be refunded: it is draft"),
        (voided, "cannot be refunded: it is void"),
        (written_off, "cannot be refunded: it is uncollectible"),
        (clearing, "cannot be refunded: it is open"),
        (paid_elsewhere, "Whop names no payment that settled it"),
        (refunded, "is not refundable: it is already refunded"),
    ],
)
def test_what_whop_did_not_collect_is_not_refunded(bench: Bench, make: Callable[[Bench], Invoice], why: str) -> None:
    """Each state says why; nothing is sent."""
    made = make(bench)
    before = writes(bench)
    with pytest.raises(InvalidState, match=why):
        bench.billing.refund(made.id, amount=eur(100), reference="rf-1")
    assert writes(bench) == before


@pytest.mark.parametrize(
    "given, why",
    [
        ({"amount": eur(2501)}, "asked to refund 25.01 EUR, but at most 25.00 EUR of inv_00000001 can be refunded"),
        ({"amount": Money(1000, "USD")}, "asked to refund 10.00 USD, but inv_00000001 is in EUR"),
        (
            {"amount": eur(1000), "expect": eur(1)},
            "expected amount_refunded of inv_00000001 to be 0.01 EUR, but the provider states 0.00 EUR",
        ),
        (
            {"expect": Money(0, "USD")},
            "expected amount_refunded of inv_00000001 to be 0.00 USD, but the provider states 0.00 EUR",
        ),
    ],
)
def test_an_amount_that_does_not_fit_stops_it(bench: Bench, given: dict[str, Any], why: str) -> None:
    """More than is left would refund the rest at Whop, so it is refused here."""
    made = charged(bench)
    before = writes(bench)
    with pytest.raises(Discrepancy) as refused:
        bench.billing.refund(made.id, reference="rf-1", **given)
    assert str(refused.value) == f"{why}; nothing was done"
    assert writes(bench) == before


@pytest.mark.parametrize("on", [False, True])
def test_more_than_is_left_is_never_asked_for(on: bool) -> None:
    """Whether Whop would refund the rest or refuse is not confirmed: neither is met."""
    bench = Bench(switches={"too_much_refunds_rest": on})
    made = charged(bench)
    bench.billing.refund(made.id, amount=eur(2000), reference="rf-1")
    with pytest.raises(Discrepancy, match=r"at most 5\.00 EUR"):
        bench.billing.refund(made.id, amount=eur(600), reference="rf-2")
    assert given_back(bench) == ["20"]
    bench.http.close()


def test_a_part_of_a_payment_in_another_currency_is_refused(bench: Bench) -> None:
    """A part is stated in the payment's currency: 10.00 EUR must not become 10.00 USD. All of it has no such number."""
    made = charged(bench)
    payment = bench.emulator.payments["pay_00000001"]
    usd = {"amount": "27.00", "currency": "usd", "decimals": 2, "display_decimals": 2}
    payment |= {"currency": "usd", "total": usd, "subtotal": usd, "refunded_amount": {**usd, "amount": "0.00"}}
    with pytest.raises(Unsupported, match="a partial refund needs the payment's currency"):
        bench.billing.refund(made.id, amount=eur(1000), reference="rf-1")
    assert given_back(bench) == []
    bench.billing.refund(made.id, reference="rf-1")
    assert given_back(bench) == ["27"]
    bench.billing.refund(made.id, reference="rf-1")
    assert given_back(bench) == ["27"]


def test_tax_that_was_collected_is_refunded_with_the_rest() -> None:
    """All that is left is what the payment collected, tax on top and all."""
    bench = Bench(switches={"collects_tax": True})
    made = charged(bench)
    done = bench.billing.refund(made.id, amount=Money(2975, "EUR"), reference="rf-1")
    assert (done.amount_paid, done.amount_refunded) == (eur(2975), eur(2975))
    bench.http.close()


@pytest.mark.parametrize("version", ["2026-09-02-2", "2026-10-15"])
def test_an_earlier_version_keeps_no_reference(bench: Bench, version: str) -> None:
    """Its refunds are not known to take metadata: nothing would stop a second one, so nothing is sent."""
    made = charged(bench)
    sent = len(bench.transport.sent)
    with pytest.raises(Unsupported, match=f"the setting api_version is {version}; nothing was sent"):
        bench.client(api_version=version).refund(made.id, reference="rf-1")
    assert len(bench.transport.sent) == sent


def test_a_reason_has_a_length(bench: Bench) -> None:
    """A value of metadata has 500 characters at most."""
    with pytest.raises(Unsupported, match="at most 500 characters, and the reason has 501"):
        bench.billing.refund("inv_1", reference="rf-1", reason="x" * 501)
    assert bench.transport.sent == []


def test_a_key_that_may_not_read_payments_cannot_refund() -> None:
    """What cannot be compared is not refunded."""
    bench = Bench(permissions=frozenset({"plan:basic:read", "payment:manage"}))
    made = charged(bench)
    with pytest.raises(Unauthorized, match="payment:basic:read"):
        bench.billing.refund(made.id, reference="rf-1")
    assert given_back(bench) == []
    bench.http.close()


def test_a_key_that_may_not_refund_says_so() -> None:
    """403 is no state of the invoice, and the outcome is known."""
    bench = Bench(permissions=frozenset({"plan:basic:read", "payment:basic:read"}))
    made = charged(bench)
    with pytest.raises(Unauthorized, match="payment:manage") as refused:
        bench.billing.refund(made.id, reference="rf-1")
    assert refused.value.outcome == "nothing_done"
    bench.http.close()


@pytest.mark.parametrize("state_422", [False, True])
def test_whop_may_refuse_what_it_stated_as_refundable(bench: Bench, state_422: bool) -> None:
    """The refusal comes as Whop words it, and nothing was done."""
    bench.emulator.switches["state_errors_are_422"] = state_422
    made = charged(bench)

    class Closed(dict[str, Any]):
        """A payment that is shown as refundable and is not."""

        def __getitem__(self, name: str) -> Any:
            return False if name == "refundable" else super().__getitem__(name)

    payments = bench.emulator.payments
    payments["pay_00000001"] = Closed(payments["pay_00000001"])
    with pytest.raises(BridgeError, match="This payment cannot be refunded") as refused:
        bench.billing.refund(made.id, reference="rf-1")
    assert refused.value.outcome == "nothing_done"
    assert given_back(bench) == []


def test_a_refusal_is_kept_under_its_key_and_another_attempt_refunds_once(bench: Bench) -> None:
    """Whop repeats a refusal for 24 hours, after the permission was given too: attempt=2 has another key."""
    made = charged(bench)
    bench.emulator.permissions -= {"payment:manage"}
    for given in (frozenset[str](), frozenset({"payment:manage"})):
        bench.emulator.permissions |= given
        with pytest.raises(Unauthorized):
            bench.billing.refund(made.id, amount=eur(1000), reference="rf-1")
    for attempt in (2, 3):
        done = bench.billing.refund(made.id, amount=eur(1000), reference="rf-1", attempt=attempt)
        assert done.amount_refunded == eur(1000)
    assert given_back(bench) == ["10"]


# ── pending and failed ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("counted", [False, True])
def test_a_pending_refund_is_a_normal_end_and_never_refunded(counted: bool) -> None:
    """It counts as money that cannot be refunded again, whether or not Whop's own sum has it."""
    bench = Bench(switches={"refunds_pend": True, "pending_is_refunded": counted})
    made = charged(bench)
    for _ in range(2):  # made again it is the same one, and still pending
        done = bench.billing.refund(made.id, amount=eur(2000), reference="rf-1")
        assert (done.status, done.amount_refunded) == (Status.PAID, eur(0))
        assert [payment.refunded for payment in done.payments] == [eur(0)]
    with pytest.raises(Discrepancy, match=r"at most 5\.00 EUR"):
        bench.billing.refund(made.id, amount=eur(2000), reference="rf-2")
    with pytest.raises(Discrepancy, match="expected amount_refunded"):
        bench.billing.refund(made.id, amount=eur(100), reference="rf-2", expect=eur(0))
    assert given_back(bench) == []
    bench.emulator.end_refund("rf_00000001", "succeeded")
    assert bench.billing.refund(made.id, amount=eur(2000), reference="rf-1").amount_refunded == eur(2000)
    assert given_back(bench) == ["20"]
    bench.http.close()


@pytest.mark.parametrize("later", LATER)
def test_a_failed_refund_is_declined_and_needs_a_new_reference(bench: Bench, later: timedelta) -> None:
    """The processor failed it: it is not refunded, and the reference is not tried again by itself."""
    made = charged(bench, method=ENDS)
    with pytest.raises(Declined, match="the refund rf_00000001 of inv_00000001 has failed") as refused:
        bench.billing.refund(made.id, amount=eur(1000), reference="rf-1")
    assert refused.value.invoice is not None
    assert refused.value.invoice.amount_refunded == eur(0)
    bench.clock.now += later
    with pytest.raises(InvalidState, match="to try again, give it a new reference"):
        bench.client().refund(made.id, amount=eur(1000), reference="rf-1")
    assert (given_back(bench), len(bench.emulator.refunds)) == ([], 1)
    bench.emulator.payments["pay_00000001"]["payment_method_id"] = "pmt_42"
    assert bench.billing.refund(made.id, amount=eur(1000), reference="rf-2").amount_refunded == eur(1000)


def test_a_pending_refund_that_failed_frees_the_money() -> None:
    """What failed in the end can be refunded again, under a new reference."""
    bench = Bench(switches={"refunds_pend": True})
    made = charged(bench)
    bench.billing.refund(made.id, reference="rf-1")
    with pytest.raises(InvalidState, match="is already refunded"):
        bench.billing.refund(made.id, reference="rf-2")
    bench.emulator.end_refund("rf_00000001", "canceled")
    bench.billing.refund(made.id, reference="rf-2")
    bench.emulator.end_refund("rf_00000002", "succeeded")
    assert given_back(bench) == ["25"]
    bench.http.close()


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_explain_says_that_whop_mails_and_takes_back() -> None:
    """The effects come first, and what Whop does by itself is an info loss: nothing in the request prevents it."""
    command = Refund(id="inv_1", amount=eur(1000), reference="rf-1", reason="late")
    plan = explain("whop", command, account_id="biz_42")
    writing = [request for request in plan.requests if request.writes]
    assert [request.effects for request in writing] == [frozenset({Effect.REFUNDS, Effect.MAILS})]
    assert loads(writing[0].content) == {
        "metadata": {"invoice_bridge_reference": "rf-1", "invoice_bridge_reason": "late"},
        "partial_amount": Decimal(10),
    }
    assert [(loss.code, loss.severity) for loss in plan.losses] == [("IB-WHOP-REFUND-01", Severity.INFO)]


def test_a_journal_remembers_a_refund(bench: Bench, tmp_path: Path) -> None:
    """Another process that keeps the same journal sends nothing that writes."""
    made = charged(bench)
    journal = tmp_path / "bills.sqlite"
    clients: list[Client] = [bench.client(journal=journal), bench.client(journal=journal)]
    for client in clients:
        assert client.refund(made.id, amount=eur(1000), reference="rf-1").amount_refunded == eur(1000)
    with pytest.raises(IdempotencyMismatch):
        clients[1].refund("inv_other", amount=eur(1000), reference="rf-1")
    assert given_back(bench) == ["10"]
    for client in clients:
        client.close()


# ── find ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_invoice_is_found_by_its_reference(bench: Bench) -> None:
    """It stands on the plan: each listed invoice's plan is read."""
    made = [bench.billing.create(bill(f"r-{number}")) for number in range(3)]
    assert bench.billing.find("r-1").id == made[1].id
    with pytest.raises(NotFound, match="no invoice has the reference 'r-9'"):
        bench.billing.find("r-9")
    bench.billing.void(made[1].id)
    assert bench.billing.find("r-1").status is Status.VOID


def test_find_without_the_plans_knows_nothing(bench: Bench) -> None:
    """A key that may not read plans cannot say that there is none."""
    bench.billing.create(bill())
    bench.emulator.permissions = frozenset()
    with pytest.raises(Unsupported, match="plan:basic:read") as refused:
        bench.billing.find("r-1")
    assert "customer" not in str(refused.value)  # the listing of a customer would need each plan too


# ── what Whop has no request for ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "call, why",
    [
        (lambda it: it.pay("inv_1", amount=eur(1), reference="p-1"), "no call collects it later"),
        (lambda it: it.record_payment("inv_1", amount=eur(1), at=START, reference="p-1"), "use mark_paid"),
        (lambda it: it.credit("inv_1", amount=eur(1), reference="c-1"), "no credit notes"),
    ],
)
def test_what_whop_cannot_do_is_refused_with_its_source(bench: Bench, call: Callable[[Client], Any], why: str) -> None:
    """Nothing is sent; the source is named."""
    with pytest.raises(Unsupported, match=why) as refused:
        call(bench.billing)
    assert refused.value.source.startswith("whop-sdk 2.6.0")
    assert bench.transport.sent == []


def test_the_reason_of_a_void_is_a_loss(bench: Bench) -> None:
    """It is kept nowhere: without being allowed by name it stops the void."""
    assert [loss.code for loss in losses("whop", Void(id="inv_1", reason="x"), account_id="biz_42")] == [
        "IB-WHOP-VOID-REASON-01"
    ]
    made = opened(bench)
    with pytest.raises(LossyTranslation):
        bench.billing.void(made.id, reason="wrong address")
    assert bench.billing.void(made.id, reason="wrong address", allow=["reason"]).status is Status.VOID
