"""Found, lost, replayed, refused late: one bill per reference at Stripe, and what is told of it is true."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AlreadySettled,
    Client,
    Collection,
    IdempotencyMismatch,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Status,
)
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults, Kind
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test

ROOT = "http://127.0.0.1:1"
LOOK = "GET /v1/invoices?limit=100&customer=cus_42"
SEARCH = "GET /v1/invoices/search?query=metadata%5B%27invoice_bridge_reference%27%5D%3A%27res-1%27&limit=100"
PAYABLE = "?expand%5B0%5D=payments.data.payment.payment_intent"
LOST = [Kind.RESET_AFTER, Kind.TIMEOUT_AFTER, Kind.TORN_JSON, Kind.TRUNCATED_BODY, Kind.HTML_502_AFTER]


@dataclass
class Desk:
    """A client of Stripe's emulator, faults between them, and what went through."""

    client: Client
    stripe: StripeEmulator
    transport: EmulatorTransport

    @property
    def sent(self) -> list[str]:
        return [f"{request.method} {request.url.removeprefix(ROOT)}" for request in self.transport.sent]

    @property
    def events(self) -> list[str]:
        return [entry.event for entry in self.stripe.ledger]

    def forget(self) -> None:
        """Have Stripe forget every key."""
        self.stripe.kept.clear()


def desk(*faults: Fault, switches: dict[str, bool] | None = None, **said: Any) -> Desk:
    """A desk with faults and the emulator's switches."""
    stripe = StripeEmulator(clock=FakeClock(), switches=switches)
    transport = EmulatorTransport(Faults(stripe, faults), ROOT)
    client = Client("stripe", api_key=stripe.key, base_url=ROOT, http=httpx.Client(transport=transport), **said)
    return Desk(client, stripe, transport)


def charge(amount: int = 1999, **more: Any) -> OneTimeCharge:
    """A bill that is charged."""
    said: dict[str, Any] = {"reference": "res-1", "customer": "cus_42", "collection": Collection.charge()}
    said |= {"amount": Money(amount, "EUR")} | more
    return OneTimeCharge(**said)


# ── what the look finds ──────────────────────────────────────────────────────────────────────────────────────────────
STANDING: list[tuple[str, Callable[[Desk], Any], list[str] | None, Status, list[str]]] = [
    (
        "a draft",
        lambda at: at.client.create(charge(draft=True)),
        ["finalize", f"in_00000001{PAYABLE}", "pay"],
        Status.PAID,
        ["issued", "collected"],
    ),
    (
        "an open invoice",
        lambda at: at.client.create(charge(collection=Collection.manual())),
        [f"in_00000001{PAYABLE}", "pay"],
        Status.PAID,
        ["issued", "collected"],
    ),
    ("a paid one", lambda at: at.client.create(charge()), [], Status.PAID, ["issued", "collected"]),
    (
        "a void one",
        lambda at: at.client.void(at.client.create(charge(collection=Collection.manual())).id),
        None,
        Status.VOID,
        ["issued", "voided"],
    ),
    (
        "one given up",
        lambda at: at.client.mark_uncollectible(at.client.create(charge(collection=Collection.manual())).id),
        None,
        Status.UNCOLLECTIBLE,
        ["issued", "written_off"],
    ),
]


@pytest.mark.parametrize("name,make,steps,status,events", STANDING, ids=[row[0] for row in STANDING])
def test_gone_on_with_from_where_it_stands(
    name: str, make: Callable[[Desk], Any], steps: list[str] | None, status: Status, events: list[str]
) -> None:
    """Long after the keys are forgotten a lookup finds the invoice: what is missing is done, and nothing twice.

    Defect 44: one that is void or given up is no success, and nothing is billed anew.
    """
    at = desk(lookup="always")
    make(at)
    at.forget()
    began = len(at.sent)
    if steps is None:
        with pytest.raises(AlreadySettled) as caught:
            at.client.create(charge())
        assert caught.value.existing is not None
        assert (caught.value.existing.status, caught.value.outcome) == (status, "nothing_done")
        assert (at.events, len(at.stripe.invoices)) == (events, 1)
        return
    found = at.client.create(charge())
    assert (found.id, found.status, at.events, len(at.stripe.invoices)) == ("in_00000001", status, events, 1)
    assert at.sent[began : began + 2] == [LOOK, "GET /v1/invoices/in_00000001"]
    assert [sent.rpartition("/")[2] for sent in at.sent[began + 2 :]] == steps


def test_a_draft_without_lines_is_filled_once() -> None:
    """A run that stopped after opening: the look finds the empty draft, fills it, and finishes it."""
    at = desk(Fault(Kind.RESET_BEFORE, path="add_lines", times=3))
    with pytest.raises(OutcomeUnknown):
        at.client.create(charge())
    at.forget()
    later = Client("stripe", api_key=at.stripe.key, base_url=ROOT, http=at.client._http, lookup="always")
    found = later.create(charge())
    assert (found.id, found.status, [line.amount.minor for line in found.lines]) == ("in_00000001", Status.PAID, [1999])
    assert (at.events, len(at.stripe.invoices)) == (["issued", "collected"], 1)


@pytest.mark.parametrize(
    "change", [{"amount": 2000}, {"collection": Collection.manual(), "amount": 1}], ids=["dearer", "cheaper"]
)
def test_another_bill_under_the_reference_is_shown(change: dict[str, Any]) -> None:
    """Found, and of another amount: a mismatch with the existing invoice, and nothing is done to it."""
    at = desk(lookup="always")
    first = at.client.create(charge(draft=True))
    at.forget()
    with pytest.raises(IdempotencyMismatch) as caught:
        at.client.create(charge(**change))
    assert caught.value.existing is not None
    assert (caught.value.existing.id, caught.value.existing.status) == (first.id, Status.DRAFT)
    assert (at.events, len(at.stripe.invoices)) == ([], 1)


def test_the_look_needs_no_key_and_no_search() -> None:
    """Reads alone: a listing of the customer and the invoice; Stripe's search, which lags, is never asked."""
    at = desk(lookup="always")
    at.client.create(charge())
    at.client.create(charge(reference="res-2"))
    reads = [sent for sent in at.sent if sent.startswith("GET")]
    assert reads == [LOOK, LOOK]
    assert not any("search" in sent for sent in at.sent)


# ── lost, and tried again ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", LOST, ids=str)
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("marked", [True, False])
def test_defect_12_an_answer_that_is_lost_is_asked_for_again(kind: Kind, place: int, marked: bool) -> None:
    """Whichever of the four requests loses its answer, once: the same key brings it back, and there is one bill."""
    at = desk(Fault(kind, skip=place, method="POST"), switches={"replay_header": marked})
    found = at.client.create(charge())
    assert (found.status, found.total, len(at.stripe.invoices)) == (Status.PAID, Money(1999, "EUR"), 1)
    assert at.events == ["issued", "collected"]


@pytest.mark.parametrize("place", range(4))
def test_defect_14_a_new_run_while_the_old_one_may_still_land(place: int) -> None:
    """A request that lands late: the run ends as unknown, and the next run with the same reference adds nothing."""
    at = desk(Fault(Kind.DELAYED_COMMIT, skip=place, method="POST", times=3))
    with pytest.raises(OutcomeUnknown) as caught:
        at.client.create(charge())
    assert (caught.value.outcome, caught.value.reference) == ("unknown", "res-1")
    assert at.transport.faults is not None
    at.transport.faults.land()
    found = at.client.create(charge())
    assert (found.id, found.status, at.events) == ("in_00000001", Status.PAID, ["issued", "collected"])
    assert len(at.stripe.invoices) == 1


def test_a_stored_failure_that_only_repeats_is_looked_up() -> None:
    """Stripe keeps a failure that came after the fact under its key: what it repeats is not asked for twice."""
    at = desk(Fault(Kind.ERROR_AFTER, method="POST"))
    found = at.client.create(charge())
    assert (found.id, found.status, at.events) == ("in_00000001", Status.PAID, ["issued", "collected"])
    opened = "POST /v1/invoices"
    assert at.sent[:5] == [SEARCH, opened, opened, LOOK, "GET /v1/invoices/in_00000001"]
    assert len(at.stripe.invoices) == 1


def test_a_stored_failure_without_a_mark_is_looked_up_too() -> None:
    """Where the repetition is not marked, the tries run out and the look follows."""
    at = desk(Fault(Kind.ERROR_AFTER, method="POST"), switches={"replay_header": False})
    assert at.client.create(charge()).status is Status.PAID
    assert at.sent[:5] == [SEARCH, *["POST /v1/invoices"] * 3, LOOK]
    assert (at.events, len(at.stripe.invoices)) == (["issued", "collected"], 1)


def test_a_failure_and_a_listing_that_lags_is_unknown() -> None:
    """The look does not see yet what the failure left: nothing is made again, and the outcome is unknown."""
    at = desk(Fault(Kind.ERROR_AFTER, method="POST"), Fault(Kind.STALE_LISTING, path="invoices$"))
    with pytest.raises(OutcomeUnknown) as caught:
        at.client.create(charge())
    assert (caught.value.outcome, len(at.stripe.invoices), at.events) == ("unknown", 1, [])
    assert at.client.create(charge()).id == "in_00000001"
    assert at.events == ["issued", "collected"]


def test_with_the_look_off_a_failure_is_left_unknown() -> None:
    """lookup="never" means never, after a failure too."""
    at = desk(Fault(Kind.ERROR_AFTER, method="POST"), lookup="never")
    with pytest.raises(OutcomeUnknown):
        at.client.create(charge())
    assert LOOK not in at.sent


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_defect_13_a_key_that_is_forgotten_bills_again_unless_it_is_looked_up() -> None:
    """A day later Stripe has forgotten the key: the look keeps the second run from billing; without it, it bills."""
    for lookup, invoices in (("always", 1), ("never", 2)):
        at = desk(lookup=lookup)
        at.client.create(charge())
        clock: Any = at.stripe.clock
        clock.now += timedelta(hours=24)
        at.client.create(charge())
        assert len(at.stripe.invoices) == invoices


def test_defect_13_the_same_key_with_a_changed_body_bills_nothing() -> None:
    """Other lines under the same reference: Stripe refuses the key, and the caller is shown the existing invoice."""
    at = desk(lookup="never")
    first = at.client.create(charge(draft=True))
    with pytest.raises(IdempotencyMismatch, match="was used before for a bill with other content") as caught:
        at.client.create(charge(draft=True, description="Else"))
    assert caught.value.existing is not None
    assert (caught.value.existing.id, len(at.stripe.invoices)) == (first.id, 1)


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "verb,status,event",
    [
        ("void", Status.VOID, "voided"),
        ("mark_uncollectible", Status.UNCOLLECTIBLE, "written_off"),
        ("pay", Status.PAID, "collected"),
        ("mark_paid", Status.PAID, "recorded"),
    ],
)
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_verb_that_worked_and_was_lost_is_no_error(verb: str, status: Status, event: str, forgotten: bool) -> None:
    """The second try is refused, for the first one worked, or is told the same again: it is done once either way."""
    at = desk(Fault(Kind.RESET_AFTER, path=f"/(void|pay|{verb})$"))
    made = at.client.create(charge(collection=Collection.manual()))
    if forgotten:  # before the second try
        keeps = at.stripe.keeps
        at.stripe.keeps = lambda answer: keeps(answer) and False  # type: ignore[method-assign]
    found = getattr(at.client, verb)(made.id)
    assert (found.status, at.events) == (status, ["issued", event])


def test_a_deletion_that_worked_and_was_lost_is_no_error() -> None:
    """DELETE has no key and needs none: the second one finds nothing, which is what was wanted."""
    at = desk(Fault(Kind.RESET_AFTER, method="DELETE"))
    made = at.client.create(charge(draft=True))
    found = at.client.delete(made.id)
    assert (found.id, found.status, at.stripe.invoices) == (made.id, Status.DELETED, {})
    assert at.sent[-2:] == [f"DELETE /v1/invoices/{made.id}"] * 2


@pytest.mark.parametrize("kept", [False, True], ids=["forgotten", "journal"])
def test_a_refunds_reference_on_another_invoice(kept: bool, tmp_path: Path) -> None:
    """While Stripe remembers the key it is refused. Later only a journal refuses it: refunds are listed by invoice."""
    at = desk(journal=tmp_path / "bills.sqlite") if kept else desk()
    one, two = (
        at.client.pay(at.client.create(OneTimeCharge(reference=name, customer="cus_42", amount=Money(1999, "EUR"))).id)
        for name in ("res-1", "res-2")
    )
    part = Money(100, "EUR")
    at.client.refund(one.id, amount=part, reference="back-1")
    with pytest.raises(IdempotencyMismatch, match="'back-1'"):
        at.client.refund(two.id, amount=part, reference="back-1")
    at.forget()
    assert at.client.refund(one.id, amount=part, reference="back-1").amount_refunded == part
    if kept:
        with pytest.raises(IdempotencyMismatch, match=f"another refund, of {one.id} at stripe; nothing was sent"):
            at.client.refund(two.id, amount=part, reference="back-1")
    else:
        at.client.refund(two.id, amount=part, reference="back-1")
    assert at.events.count("refunded") == (1 if kept else 2)
