"""What a look tells after the fact: after a failure, of a key that came with another bill, and in resolve."""

from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import (
    IdempotencyMismatch,
    NotFound,
    Rejected,
    Status,
)
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.lookup import Resolution, resolve, resume, start
from tests.listing import CHARGE, LATER, LISTING, NOON, Desk, begin, mine, row, run, use_of

MINUTE = NOON + timedelta(minutes=1)

LIST = "GET /invoices?buyer=buy_1"


class OneBuyer(Desk):
    """Its invoices belong to another customer: the listing of this one is empty."""

    def __call__(self, request: Request) -> Response:
        if "buyer=" not in request.url:
            return super().__call__(request)
        rows, self.rows = self.rows, []
        answer = super().__call__(request)
        self.rows = rows
        return answer


class Issuing(Desk):
    """The draft in_1 gets another id, in_2, while the invoices of a listing are read one by one."""

    def __call__(self, request: Request) -> Response:
        answer = super().__call__(request)
        if request.url.endswith("/invoices/in_2"):
            self.rows = [row for row in self.rows if row["id"] != "in_1"]
        return answer


# ── after a failure ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_after_a_failure_nothing_found_is_not_billed_again() -> None:
    """A listing may not show yet what was made a moment ago: the look reads and leaves it at that."""
    desk = Desk([row(1)])
    assert run(resume(CHARGE, use_of(CHARGE)), desk) is None
    assert desk.sent == [LIST]


def test_after_a_failure_what_is_found_is_gone_on_with() -> None:
    """The invoice that stands is the bill."""
    assert run(resume(CHARGE, use_of(CHARGE)), Desk([mine()])).id == "in_1"


# ── a key that came with another bill ────────────────────────────────────────────────────────────────────────────────
def test_a_key_used_for_another_bill_is_a_mismatch_with_what_stands() -> None:
    """The provider refuses the key with another body: the invoice under the reference is looked up and named."""
    desk = Desk([row(1), mine(2)], refuses="key_reused")
    with pytest.raises(IdempotencyMismatch) as caught:
        run(begin(CHARGE, hours=24, lookup="never"), desk)
    assert str(caught.value) == (
        "the reference 'res-1' was used before for a bill with other content, in_2; nothing was billed: "
        "give a new bill a new reference"
    )
    assert caught.value.existing is not None
    assert (caught.value.existing.id, desk.sent) == ("in_2", ["POST /invoices", LIST, "GET /invoices/in_2"])


def test_a_key_used_for_a_bill_that_cannot_be_seen_is_a_mismatch_too() -> None:
    """Neither an empty listing nor one that fails hides the mismatch."""
    with pytest.raises(IdempotencyMismatch) as caught:
        run(begin(CHARGE, hours=24, lookup="never"), Desk(refuses="key_reused"))
    assert caught.value.existing is None
    flow = begin(CHARGE, hours=24, lookup="never")
    next(flow)
    refusal = LISTING.error(Response(400, b'{"message":"no","code":"key_reused"}'))
    assert flow.throw(refusal).url.endswith("/invoices?buyer=buy_1")
    with pytest.raises(IdempotencyMismatch):
        flow.throw(NotFound("no listing"))


def test_a_key_used_for_two_bills_names_both() -> None:
    """The invoices are listed in the message; the first is `existing`."""
    desk = Desk([mine(1), mine(2)], refuses="key_reused")
    with pytest.raises(
        IdempotencyMismatch, match="for a bill with other content, in_1, in_2; nothing was billed"
    ) as two:
        run(begin(CHARGE, lookup="never"), desk)
    assert two.value.existing is not None
    assert two.value.existing.id == "in_1"


def test_a_key_used_for_another_customers_bill_names_it() -> None:
    """Where the customer's listing has no such invoice, everybody's is read; without a customer, that is read once."""
    desk = OneBuyer([mine(1)], refuses="key_reused")
    with pytest.raises(IdempotencyMismatch, match="in_1"):
        run(begin(CHARGE, lookup="never"), desk)
    assert desk.sent == ["POST /invoices", LIST, "GET /invoices", "GET /invoices/in_1"]
    nobody, empty = CHARGE.model_copy(update={"customer": None}), Desk(refuses="key_reused")
    with pytest.raises(IdempotencyMismatch):
        run(begin(nobody, lookup="never"), empty)
    assert empty.sent == ["POST /invoices", "GET /invoices"]


def test_another_refusal_is_the_callers() -> None:
    """Only a reused key is a mismatch."""
    desk = Desk([mine()], refuses="else")
    with pytest.raises(Rejected):
        run(begin(CHARGE, hours=24, lookup="never"), desk)
    assert desk.sent == ["POST /invoices"]


# ── resolve ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "rows,now,state,why",
    [
        ([mine(1)], NOON, "found", "in_1 has the reference and is open"),
        ([mine(1, status="void")], LATER, "found", "in_1 has the reference and is void"),
        ([mine(1), mine(2)], LATER, "ambiguous", "the reference is on 2 invoices: in_1, in_2"),
        ([mine(1, total="x")], LATER, "ambiguous", "an invoice that may be it cannot be read: "),
        ([row(1)], NOON, "too_early", "no invoice has the reference, but one may still appear: call again in 300 s"),
        ([], MINUTE, "too_early", "no invoice has the reference, but one may still appear: call again in 240 s"),
        ([], LATER - timedelta(milliseconds=1), "too_early", "no invoice has the reference, but one may still appear"),
        ([], LATER, "absent", "no invoice has the reference, and the last known try is too old"),
        ([row(1)], LATER, "absent", "no invoice has the reference, and the last known try is too old"),
    ],
)  # fmt: skip
def test_what_became_of_a_bill(rows: list[dict[str, Any]], now: datetime, state: str, why: str) -> None:
    """found, absent, ambiguous or too_early, each with its reason; only reading requests are sent."""
    desk = Desk(rows)
    told = run(resolve(CHARGE, use_of(CHARGE), now=now, last=NOON), desk)
    assert (told.state, told.why[: len(why)]) == (state, why)
    assert (told.invoice is not None) is (state == "found")
    assert len(told.invoices) == {"found": 1}.get(state, 2 if why.startswith("the reference") else 0)
    assert all(sent.startswith("GET /invoices") for sent in desk.sent)


def test_what_became_of_a_second_attempt() -> None:
    """It passes over what was withdrawn where something stands; where nothing does, that one is the answer."""
    again = CHARGE.model_copy(update={"attempt": 2})
    stands = run(resolve(again, use_of(again), now=LATER, last=NOON), Desk([mine(1, status="void"), mine(2)]))
    assert (stands.state, stands.invoice.id) == ("found", "in_2")
    gone = run(resolve(again, use_of(again), now=LATER, last=NOON), Desk([mine(1, status="void")]))
    assert (gone.state, gone.invoice.id, gone.invoice.status) == ("found", "in_1", Status.VOID)
    first = run(resolve(CHARGE, use_of(CHARGE), now=LATER, last=NOON), Desk([mine(1, status="void"), mine(2)]))
    assert first.state == "ambiguous"


def test_a_bound_that_is_reached_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that goes on is not "absent"."""
    monkeypatch.setattr("invoice_bridge.adapter.lookup.PAGES", 1)
    told = run(resolve(CHARGE, use_of(CHARGE), now=LATER, last=NOON), Desk([row(1), row(2)], size=1))
    assert (told.state, told.why) == ("ambiguous", "the listing goes on after 1 pages")


def test_a_draft_that_is_issued_meanwhile_under_another_id_is_one_bill() -> None:
    """Two invoices found are read once more: the one that is still there is the bill, in resolve and in create."""
    rows = [mine(1, status="draft"), mine(2)]
    outcome = run(resolve(CHARGE, use_of(CHARGE), now=LATER, last=NOON), Issuing(rows))
    assert (outcome.state, [invoice.id for invoice in outcome.invoices]) == ("found", ["in_2"])
    assert run(start(CHARGE, use_of(CHARGE)), Issuing(rows)).id == "in_2"


def test_two_invoices_that_are_both_gone_when_read_again_are_ambiguous() -> None:
    """What was seen a moment ago is not reported as absent."""
    desk = Desk([mine(1), mine(2)])
    flow = resolve(CHARGE, use_of(CHARGE), now=LATER, last=NOON)
    request = next(flow)
    for _ in range(3):  # the listing, and each of the two
        request = flow.send(desk(request))
    assert flow.throw(NotFound("gone")).url.endswith("/invoices/in_2")
    with pytest.raises(StopIteration) as done:
        flow.throw(NotFound("gone"))
    assert (done.value.value.state, len(done.value.value.invoices)) == ("ambiguous", 2)


def test_a_resolution_is_a_value() -> None:
    """It says what was found at one moment: it cannot be changed, and takes no further attribute."""
    outcome = Resolution("absent", "no invoice carries it")
    with pytest.raises(FrozenInstanceError):
        outcome.state = "found"  # type: ignore[misc]
    assert not hasattr(outcome, "__dict__")
