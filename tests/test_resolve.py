"""What a look tells after the fact: after a failure, of a key that came with another bill, and in resolve."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import (
    IdempotencyMismatch,
    NotFound,
    Rejected,
    Status,
)
from invoice_bridge.core.wire import Response
from invoice_bridge.engine.lookup import resolve, resume, start
from tests.listing import CHARGE, LATER, LISTING, NOON, Desk, mine, row, run, use_of

MINUTE = NOON + timedelta(minutes=1)

LIST = "GET /invoices?buyer=buy_1"


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
        run(start(CHARGE, use_of(CHARGE, hours=24, lookup="never")), desk)
    assert str(caught.value) == (
        "the reference 'res-1' was used before for a bill of other content, in_2; nothing was billed: "
        "give a new bill a new reference"
    )
    assert caught.value.existing is not None
    assert (caught.value.existing.id, desk.sent) == ("in_2", ["POST /invoices", LIST, "GET /invoices/in_2"])


def test_a_key_used_for_a_bill_that_cannot_be_seen_is_a_mismatch_too() -> None:
    """Neither an empty listing nor one that fails hides the mismatch."""
    with pytest.raises(IdempotencyMismatch) as caught:
        run(start(CHARGE, use_of(CHARGE, hours=24, lookup="never")), Desk(refuses="key_reused"))
    assert caught.value.existing is None
    flow = start(CHARGE, use_of(CHARGE, hours=24, lookup="never"))
    next(flow)
    refusal = LISTING.error(Response(400, b'{"message":"no","code":"key_reused"}'))
    assert flow.throw(refusal).url.endswith("/invoices?buyer=buy_1")
    with pytest.raises(IdempotencyMismatch):
        flow.throw(NotFound("no listing"))


def test_another_refusal_is_the_callers() -> None:
    """Only a reused key is a mismatch."""
    desk = Desk([mine()], refuses="else")
    with pytest.raises(Rejected):
        run(start(CHARGE, use_of(CHARGE, hours=24, lookup="never")), desk)
    assert desk.sent == ["POST /invoices"]


# ── resolve ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "rows,now,state,why",
    [
        ([mine(1)], NOON, "found", "in_1 carries it, open"),
        ([mine(1, status="void")], LATER, "found", "in_1 carries it, void"),
        ([mine(1), mine(2)], LATER, "ambiguous", "the reference is on 2 invoices: in_1, in_2"),
        ([mine(1, total="x")], LATER, "ambiguous", "an invoice that may be it cannot be read: "),
        ([row(1)], NOON, "too_early", "no invoice carries it, and one may still appear: ask again in 300 s"),
        ([], MINUTE, "too_early", "no invoice carries it, and one may still appear: ask again in 240 s"),
        ([], LATER - timedelta(milliseconds=1), "too_early", "no invoice carries it, and one may still appear"),
        ([], LATER, "absent", "no invoice carries it, and as far as is known its last try is too long ago"),
        ([row(1)], LATER, "absent", "no invoice carries it, and as far as is known its last try is too long ago"),
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
