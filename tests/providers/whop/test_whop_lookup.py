"""The look by reference, the ladder on what it found, and what is known after a request was lost."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from invoice_bridge import (
    AlreadyBilled,
    AlreadySettled,
    AmountMismatch,
    Collection,
    CustomerRef,
    Discrepancy,
    IdempotencyMismatch,
    InvalidState,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    OutcomeUnknown,
    Rejected,
    ServerError,
    Status,
    Unauthorized,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.declared import History, Rate
from invoice_bridge.adapter.emulation.core import Emulator, IncomingRequest
from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.core.commands import Delete, MarkPaid, MarkUncollectible, Void
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context, plan
from invoice_bridge.providers.whop import WHOP
from invoice_bridge.providers.whop.emulator import WhopEmulator
from tests.providers.whop.conftest import START, Bench, bill, draft
from tests.refusals import classified, refusal_of

NO_PLANS = frozenset({"payment:basic:read"})
HOUR = timedelta(hours=1)


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    """Make a bench with faults, switches or permissions."""
    made: list[Bench] = []

    def bench(*faults: Fault, **options: Any) -> Bench:
        made.append(Bench(*faults, **options))
        return made[-1]

    yield bench
    for one in made:
        one.http.close()


def writes(bench: Bench) -> list[str]:
    return [path for path in bench.paths() if not path.startswith("GET")]


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_within_a_day_a_reference_bills_once_without_a_look(bench: Bench) -> None:
    """Whop remembers a key for 24 hours: nothing is listed, the answer is marked as replayed and read once more."""
    first = bench.billing.create(bill())
    bench.clock.now += timedelta(hours=23, minutes=59)
    assert bench.billing.create(bill()).id == first.id
    assert bench.issued() == ["r-1"]
    assert bench.paths() == [
        "POST /invoices",
        "GET /plans/plan_00000001",
        "POST /invoices",
        "GET /invoices/inv_00000001",
        "GET /plans/plan_00000001",
    ]


@pytest.mark.parametrize("lookup, times", [("always", 1), ("never", 2)])
def test_after_a_day_only_a_lookup_keeps_a_reference_from_billing_twice(
    bench: Bench, lookup: Literal["always", "never"], times: int
) -> None:
    """A day later the key is forgotten; without a lookup, and without a journal, the customer is billed again."""
    first = bench.billing.create(bill())
    bench.clock.now += 25 * HOUR
    again = bench.client(lookup=lookup).create(bill())
    assert bench.issued() == ["r-1"] * times
    assert (again.id == first.id) is (times == 1)


def test_defect_38_by_default_a_bill_is_refused_until_a_lookup_is_chosen(bench: Bench, tmp_path: Path) -> None:
    """Defect 38: Whop's default bills nothing it could bill twice: a journal alone is no knowledge, since= is."""
    for said in ({}, {"journal": tmp_path / "bills.sqlite"}):
        with pytest.raises(Unsupported, match="no cheap lookup") as refused:
            bench.client(lookup="auto", **said).create(bill())
        assert (refused.value.outcome, bench.paths()) == ("nothing_done", [])
    first = bench.client(lookup="auto").create(bill(), since=START)
    bench.clock.now += 25 * HOUR
    assert bench.client(lookup="auto").create(bill(), since=START).id == first.id
    assert bench.issued() == ["r-1"]


def test_a_journal_makes_a_second_try_look(bench: Bench, tmp_path: Path) -> None:
    """What a journal knows was tried is looked up, from a day before that try on; what it does not know is not."""
    bench.clock.now = datetime.now(UTC)
    with bench.client(journal=tmp_path / "bills.sqlite", lookup="journal") as billing:
        first = billing.create(bill())
        assert bench.paths() == ["POST /invoices", "GET /plans/plan_00000001"]
        bench.clock.now += 25 * HOUR
        assert billing.create(bill()).id == first.id
    assert (bench.issued(), writes(bench)) == (["r-1"], ["POST /invoices"])
    assert bench.paths()[2] == f"GET /invoices/{first.id}"  # by the id that the journal has, then in the listing
    listing = next(request for request in bench.transport.sent if "created_after" in request.url)
    after = httpx.URL(listing.url).params["created_after"]
    assert timedelta(hours=48) < bench.clock.now - datetime.fromisoformat(after) < timedelta(hours=50)


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "lookup, attempt, looks", [("journal", 1, 0), ("always", 1, 2), ("journal", 2, 2), ("never", 2, 0)]
)
def test_explain_shows_the_look(lookup: Any, attempt: int, looks: int) -> None:
    """The list, and the plan of what it lists: both marked as the look, and neither taken for the bill's own."""
    shown = explain("whop", bill(attempt=attempt), lookup=lookup, account_id="biz_42")
    assert shown.refusal is None
    found = [request for request in shown.requests if request.note.startswith("lookup: ")]
    assert found == list(shown.requests[:looks])
    assert [request.method for request in shown.requests[looks:]] == ["POST", "GET"]
    assert shown.requests[-1].url == "https://api.whop.com/api/v1/plans/{plan.id}"
    if looks:
        assert [request.url.removeprefix("https://api.whop.com/api/v1") for request in found] == [
            "/invoices?account_id=biz_42&first=100&order=created_at&direction=desc",
            "/plans/{listed.plan}",
        ]
        assert "repeats for each invoice listed" in shown.text()
        assert "needs listed.plan, from the answer of 1" in shown.text()


def test_a_look_begins_a_day_before_the_first_try() -> None:
    """The provider's clock and ours need not agree; the bound is Whop's to apply, one millisecond wider."""
    command = bill()
    context = make_context(WHOP, {"account_id": "biz_42"})
    planned = plan(command, context, History(since=START), lookup="always")
    assert planned.requests[0].url.endswith("&direction=desc&created_after=2026-11-01T08%3A59%3A59.999Z")


def test_the_same_reference_is_found_whatever_else_differs(bench: Bench) -> None:
    """Every plan is read, in whatever currency and for whomever: another bill under the reference is a mismatch."""
    other = OneTimeCharge(
        reference="r-1",
        customer=CustomerRef(email="a@example.test", name="A"),
        amount=Money(500, "JPY"),
        collection=Collection.send(due=START),
    )
    made = bench.billing.create(other)
    for number in range(2, 5):
        bench.billing.create(bill(f"r-{number}"))
    with pytest.raises(IdempotencyMismatch, match="it is in JPY, not in EUR") as raised:
        bench.client(lookup="always").create(bill())
    assert (raised.value.existing, raised.value.outcome) == (bench.billing.retrieve(made.id), "nothing_done")
    assert bench.issued() == ["r-1", "r-2", "r-3", "r-4"]


def test_a_look_reads_page_after_page_and_300_plans_at_most(bench: Bench) -> None:
    """Beyond them it says how many were read, and never passes for "absent"."""
    always = bench.client(lookup="always")
    for number in range(300):
        bench.billing.create(draft(f"d-{number}"))
    bench.transport.sent.clear()
    assert always.create(bill("r-0")).reference == "r-0"
    assert [path.partition("_")[0] for path in bench.paths()].count("GET /plans/plan") == 301
    assert bench.paths().count("GET /invoices") == 3
    assert (writes(bench), bench.issued()) == (["POST /invoices"], ["r-0"])
    with pytest.raises(Unsupported, match="the account has more invoices than the 300 that were checked"):
        always.create(bill("r-1"))
    told = always.resolve(bill("r-1"), since=datetime.now(UTC) - timedelta(days=30))
    assert (told.state, told.why) == ("ambiguous", "the account has more invoices than the 300 that were checked")
    assert always.create(bill("r-0")).id == "inv_00000301"
    assert bench.issued() == ["r-0"]


def test_without_the_permission_nothing_is_absent(make: Callable[..., Bench]) -> None:
    """A key that may not read plans cannot tell: after one plan it is said what it lacks, and nothing is billed."""
    bench = make(permissions=NO_PLANS)
    bench.billing.create(bill("r-1"))
    bench.billing.create(bill("r-2"))
    bench.transport.sent.clear()
    always = bench.client(lookup="always")
    with pytest.raises(Unsupported, match=r"may not read the plans.* give it the permission plan:basic:read") as raised:
        always.create(bill("r-3"))
    assert bench.paths() == ["GET /invoices", "GET /plans/plan_00000002"]
    assert raised.value.outcome == "nothing_done"
    assert always.resolve(bill("r-1"), since=START).state == "ambiguous"
    assert bench.issued() == ["r-1", "r-2"]


def test_where_the_listing_is_refused_that_is_the_error(bench: Bench) -> None:
    """A wrong key is no gap in what was read: it may not read at all."""
    with pytest.raises(Unauthorized):
        bench.client(lookup="always", api_key="whop_wrong_not_a_key").create(bill())
    assert bench.paths() == ["GET /invoices"]


class Forgets(WhopEmulator):
    """Whop where the second plan was deleted in the dashboard."""

    def retrieve_plan(self, call: IncomingRequest, plan_id: str) -> Response:
        """404 for that one."""
        return super().retrieve_plan(call, "gone" if plan_id == "plan_00000002" else plan_id)


def test_a_plan_that_is_gone_is_a_gap(make: Callable[..., Bench]) -> None:
    """Its invoice may be the one: another that is found all the same settles it, else nothing is billed."""
    bench = make(kind=Forgets)
    for number in (1, 2, 3):
        bench.billing.create(bill(f"r-{number}"))
    always = bench.client(lookup="always")
    with pytest.raises(Unsupported, match="the plan of inv_00000002, which has its reference, does not exist"):
        always.create(bill("r-2"))
    assert always.create(bill("r-1")).id == "inv_00000001"
    assert bench.issued() == ["r-1", "r-2", "r-3"]


def test_an_invoice_that_carries_it_and_cannot_be_compared_stops_the_bill(bench: Bench) -> None:
    """Money in a coin cannot be read: under the reference it stops the bill, under another it does not matter.

    It is no mismatch, whose way out is a new reference: that would bill the same thing again.
    """
    bench.billing.create(bill("r-1"))
    bench.emulator.plans["plan_00000001"]["currency"] = "btc"
    always = bench.client(lookup="always")
    with pytest.raises(
        Discrepancy, match="that of inv_00000001 already, open, and its amounts cannot be read"
    ) as stopped:
        always.create(bill("r-1"))
    assert stopped.value.outcome == "nothing_done"
    assert always.create(bill("r-2")).status is Status.OPEN
    assert bench.issued() == ["r-1", "r-2"]


def test_a_proxys_page_in_the_middle_of_a_look_is_said_as_such(make: Callable[..., Bench]) -> None:
    """A page with HTTP 502 is no gap: it is the provider's failure, and the next try may read."""
    bench = make(Fault(Kind.HTML_502_BEFORE, "GET", "/invoices/inv", times=3))
    bench.billing.create(bill())
    with pytest.raises(ServerError) as raised:
        bench.client(lookup="always").create(bill())
    assert raised.value.outcome == "nothing_done"
    assert bench.issued() == ["r-1"]


def test_two_invoices_under_one_reference_stop_the_bill(bench: Bench) -> None:
    """What was billed twice before is shown, and not billed a third time."""
    bench.billing.create(bill())
    bench.clock.now += 25 * HOUR
    bench.billing.create(bill())
    with pytest.raises(AlreadyBilled, match="is on 2 invoices, inv_00000002, inv_00000001"):
        bench.client(lookup="always").create(bill())
    assert bench.issued() == ["r-1", "r-1"]


# ── the ladder on what was found ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_found_open_or_paid_invoice_is_the_bill(bench: Bench, attempt: int) -> None:
    """It is read whole and returned as it stands; nothing is made, and a second attempt bills nothing either."""
    always = bench.client(lookup="always")
    first = bench.billing.create(bill())
    assert always.create(bill(attempt=attempt)) == first
    bench.emulator.settle(first.id)
    found = always.create(bill(attempt=attempt))
    assert (found.id, found.status, found.amount_paid) == (first.id, Status.PAID, Money(1999, "EUR"))
    assert (bench.issued(), writes(bench)) == (["r-1"], ["POST /invoices"])


def test_a_found_void_invoice_is_the_bill_until_another_attempt(bench: Bench) -> None:
    """What was withdrawn stays withdrawn; attempt=2 says that it shall be billed again, and bills once."""
    first = bench.billing.create(bill())
    bench.billing.void(first.id)
    always = bench.client(lookup="always")
    with pytest.raises(AlreadySettled) as settled:
        always.create(bill())
    assert settled.value.existing is not None
    assert settled.value.existing.id == first.id
    again = always.create(bill(attempt=2))
    assert (again.id, again.status) == ("inv_00000002", Status.OPEN)
    assert always.create(bill(attempt=3)).id == again.id
    assert bench.issued() == ["r-1", "r-1"]


def test_a_found_draft_is_the_draft_that_was_asked(bench: Bench) -> None:
    """Nothing is made twice, drafts neither."""
    first = bench.billing.create(draft())
    assert bench.client(lookup="always").create(draft()) == first
    assert writes(bench) == ["POST /invoices"]


def test_a_found_draft_cannot_be_issued(bench: Bench) -> None:
    """No call finalizes a draft: it says what to do; once the draft is gone another attempt bills, once."""
    made = bench.billing.create(draft())
    with pytest.raises(InvalidState, match=r"no call finalizes; nothing was billed: .* bill with attempt=3") as raised:
        bench.client(lookup="always").create(bill(attempt=2))
    assert (raised.value.invoice, raised.value.outcome) == (bench.billing.retrieve(made.id), "nothing_done")
    assert bench.issued() == []
    bench.billing.delete(made.id)
    assert bench.billing.create(bill(attempt=3)).status is Status.OPEN
    assert bench.issued() == ["r-1"]


@pytest.mark.parametrize(
    "other, why",
    [
        (bill(amount="20"), r"it holds 19\.99 EUR, not 20\.00 EUR"),
        (bill(customer="mber_7"), "it bills mber_42, not mber_7"),
        (bill(customer=CustomerRef(email="other@example.test", name="O")), "which bills another address"),
    ],
)
def test_a_found_invoice_of_other_content_is_a_mismatch(bench: Bench, other: OneTimeCharge, why: str) -> None:
    """The price, the member and the address are compared; what stands is shown, and nothing is done to it."""
    made = bench.billing.create(bill())
    with pytest.raises(IdempotencyMismatch, match=why) as raised:
        bench.client(lookup="always").create(other)
    assert raised.value.existing == bench.billing.retrieve(made.id)
    assert bench.issued() == ["r-1"]


def test_an_address_is_the_same_in_capital_letters(bench: Bench) -> None:
    """Whop may spell an address otherwise than it was given; that makes no other customer."""
    first = bench.billing.create(bill(customer=CustomerRef(email="a@example.test", name="A")))
    again = bench.client(lookup="always").create(bill(customer=CustomerRef(email="A@example.test", name="A")))
    assert again.id == first.id


def test_a_found_invoice_whose_price_contradicts_its_lines_is_no_success(bench: Bench) -> None:
    """What was wrong when it was made is wrong when it is found: the invoice goes with the error."""
    made = bench.billing.create(bill())
    bench.emulator.plans["plan_00000001"]["initial_price_due"] |= {"amount": "1999.00"}
    always = bench.client(lookup="always")
    with pytest.raises(AmountMismatch, match="the price of its plan and its lines do not agree") as raised:
        always.create(bill())
    assert raised.value.invoice is not None
    assert raised.value.invoice.id == made.id
    shown = always.create(bill(), on_discrepancy="report")
    assert (shown.id, len(shown.discrepancies)) == (made.id, 1)
    assert bench.issued() == ["r-1"]


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_key_that_came_with_another_bill_shows_that_bill(bench: Bench) -> None:
    """Within a day Whop says so itself (idempotency_key_mismatch); the invoice is found by its plan."""
    made = bench.billing.create(bill())
    with pytest.raises(IdempotencyMismatch, match="used before for a bill with other content, inv_00000001") as raised:
        bench.billing.create(bill(amount="20"))
    assert (raised.value.existing, raised.value.outcome) == (bench.billing.retrieve(made.id), "nothing_done")
    assert isinstance(raised.value.__cause__, Rejected)
    assert raised.value.__cause__.code == "idempotency_key_mismatch"
    assert bench.issued() == ["r-1"]


def test_a_key_that_came_with_another_bill_is_a_mismatch_even_where_plans_are_not_to_be_read(
    make: Callable[..., Bench],
) -> None:
    """Without the permission there is nothing to show."""
    bench = make(permissions=NO_PLANS)
    bench.billing.create(bill())
    with pytest.raises(IdempotencyMismatch) as raised:
        bench.billing.create(bill(amount="20"))
    assert raised.value.existing is None


def test_the_facts_of_keys_and_limits() -> None:
    """Kept a day, marked when replayed, 600 requests a minute; a mismatch and a key in use are told apart."""
    assert (WHOP.idempotency.window, WHOP.idempotency.replay_header) == (timedelta(days=1), "Idempotent-Replayed")
    assert isinstance(WHOP.rate, Rate)
    assert (WHOP.rate.requests, WHOP.rate.seconds) == (600, 60)
    told = {
        code: WHOP.error(Response(status, dumps({"error": {"type": "t", "message": "m", "code": code}})))
        for status, code in [(400, "idempotency_key_mismatch"), (409, "idempotency_request_in_progress")]
    }
    rows = [classified(error, WHOP) for error in told.values()]
    assert [(row.key_reused, row.maybe_applied) for row in rows] == [(True, False), (False, True)]


# ── what is known after a request was lost ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "kind",
    [
        Kind.RESET_BEFORE,
        Kind.RESET_AFTER,
        Kind.TIMEOUT_AFTER,
        Kind.TORN_JSON,
        Kind.TRUNCATED_BODY,
        Kind.HTML_502_AFTER,
        Kind.IN_PROGRESS,
        Kind.THROTTLED,
    ],
)
def test_a_lost_create_is_sent_again_with_its_key(make: Callable[..., Bench], kind: Kind) -> None:
    """One invoice, and the caller has it, whatever became of the first answer."""
    bench = make(Fault(kind, "POST", "/invoices"))
    assert (bench.billing.create(bill()).id, bench.issued()) == ("inv_00000001", ["r-1"])
    assert (
        len({request.headers["idempotency-key"] for request in bench.transport.sent if request.method == "POST"}) == 1
    )
    assert writes(bench) == ["POST /invoices"] * 2


def test_a_failure_that_whop_keeps_under_the_key_leaves_the_outcome_unknown(make: Callable[..., Bench]) -> None:
    """The key answers 409 until it expires, so the outcome stays unknown; the look tells, and bills nothing again."""
    bench = make(Fault(Kind.ERROR_AFTER, "POST", "/invoices"))
    with pytest.raises(OutcomeUnknown) as raised:
        bench.billing.create(bill())
    assert (raised.value.reference, raised.value.outcome) == ("r-1", "unknown")
    told = bench.billing.resolve(bill(), since=START)
    assert (told.state, told.invoice and told.invoice.id) == ("found", "inv_00000001")
    assert bench.client(lookup="always").create(bill()).id == "inv_00000001"
    assert bench.issued() == ["r-1"]


class Repeats(WhopEmulator):
    """Whop where it repeats a failure as it was, marked: the other reading of its page on idempotency."""

    def replayed(self, answer: Response) -> Response:
        """The first answer again, whatever it was."""
        return Emulator.replayed(self, answer)


@pytest.mark.parametrize("kind, outcome", [(Kind.ERROR_AFTER, "found"), (Kind.RESET_BEFORE, "billed")])
def test_a_failure_repeated_under_the_key_is_looked_up(make: Callable[..., Bench], kind: Kind, outcome: str) -> None:
    """A marked repetition of a server error ends the retries: how things stand is looked up, and it stands."""
    bench = make(Fault(kind, "POST", "/invoices"), kind=Repeats)
    found = bench.client(lookup="auto").create(bill(), since=START)
    assert (found.id, found.status, found.reference) == ("inv_00000001", Status.OPEN, "r-1")
    assert bench.issued() == ["r-1"]
    assert bench.paths().count("GET /invoices") == (2 if outcome == "found" else 1)


def test_a_refusal_is_repeated_under_its_key_until_another_attempt(bench: Bench) -> None:
    """Whop repeats a 4xx for a day: what was wrong is refused again after it was mended, and attempt=2 bills once."""
    command = bill(customer="mber_7")
    with pytest.raises(NotFound):
        bench.billing.create(command)
    bench.emulator.members["mber_7"] = {"email": "b@example.test", "name": "B"}
    with pytest.raises(NotFound) as raised:
        bench.billing.create(command)
    assert raised.value.outcome == "nothing_done"
    assert bench.billing.create(command.model_copy(update={"attempt": 2})).status is Status.OPEN
    assert bench.issued() == ["r-1"]


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TORN_JSON, Kind.HTML_502_AFTER])
@pytest.mark.parametrize(
    "verb, event, status",
    [
        ("void", "voided", Status.VOID),
        ("mark_uncollectible", "written_off", Status.UNCOLLECTIBLE),
        ("mark_paid", "recorded", Status.PAID),
        ("send_invoice", "mailed", Status.OPEN),
    ],
)
def test_a_lost_verb_is_sent_again_with_its_key(
    make: Callable[..., Bench], kind: Kind, verb: str, event: str, status: Status
) -> None:
    """It is done once, and read afterwards."""
    bench = make(Fault(kind, "POST", f"/{'resend' if verb == 'send_invoice' else verb}$"))
    made = bench.billing.create(bill())
    before = len(bench.events())
    assert getattr(bench.billing, verb)(made.id).status is status
    assert [name for name, _ in bench.events()[before:]] == [event]


OPEN = {"id": "inv_1", "status": "open", "current_plan": {"currency": "eur"}, "line_items": []}


def _sent(flow: Any, reads: int) -> None:
    next(flow)
    for _ in range(reads):
        flow.send(Response(200, dumps(OPEN), provider="whop"))


@pytest.mark.parametrize(
    "command, reads, status",
    [
        (Void(id="inv_1"), 0, "void"),
        (MarkUncollectible(id="inv_1"), 0, "uncollectible"),
        (MarkPaid(id="inv_1"), 1, "paid"),
    ],
)
@pytest.mark.parametrize("repeated", [True, False])
def test_a_refusal_of_what_a_lost_try_has_done_is_success(
    command: Any, reads: int, status: str, repeated: bool
) -> None:
    """Where an earlier try may have worked and the invoice shows that it has; else it is a wrong state."""
    flow = WHOP.flow(command, make_context(WHOP, {"account_id": "biz_42"}).on(command))
    _sent(flow, reads)
    refusal = refusal_of(Rejected, "only open invoices", provider="whop", status=400, repeats=repeated)
    assert flow.throw(refusal).url.endswith("/invoices/inv_1")
    answer = Response(200, dumps(OPEN | {"status": status}), provider="whop")
    if repeated:
        with pytest.raises(StopIteration) as done:
            flow.send(answer)
        assert done.value.value.status == status
    else:
        with pytest.raises(InvalidState) as raised:
            flow.send(answer)
        assert raised.value.invoice is not None
        assert raised.value.invoice.status == status


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TORN_JSON, Kind.HTML_502_AFTER, Kind.RESET_BEFORE])
def test_a_lost_delete_is_repeated(make: Callable[..., Bench], kind: Kind) -> None:
    """To delete the same draft twice deletes it once: that it is not there any more says that it is gone."""
    bench = make(Fault(kind, "DELETE"))
    made = bench.billing.create(draft())
    gone = bench.billing.delete(made.id)
    assert (gone.id, gone.status, gone.amount_remaining) == (made.id, Status.DELETED, Money(0, "EUR"))
    assert writes(bench) == ["POST /invoices", "DELETE /invoices/inv_00000001", "DELETE /invoices/inv_00000001"]
    with pytest.raises(NotFound):
        bench.billing.delete(made.id)


def test_an_answer_to_a_delete_other_than_true_is_malformed() -> None:
    """A draft is deleted when Whop says so, and not because it answered."""
    command = Delete(id="inv_1")
    flow = WHOP.flow(command, make_context(WHOP, {"account_id": "biz_42"}).on(command))
    next(flow)
    flow.send(Response(200, dumps(OPEN | {"status": "draft"}), provider="whop"))
    with pytest.raises(MalformedResponse, match="did not confirm the deletion"):
        flow.send(Response(200, b"{}", provider="whop"))


def test_a_lost_update_stays_unknown(make: Callable[..., Bench]) -> None:
    """PATCH takes no key, so it is sent once, and the caller is told to read the invoice."""
    bench = make(Fault(Kind.RESET_AFTER, "PATCH"))
    made = bench.billing.create(draft())
    with pytest.raises(OutcomeUnknown, match="Read the invoice") as raised:
        bench.billing.update(made.id, description="New")
    assert (raised.value.outcome, raised.value.invoice_id) == ("unknown", made.id)
    assert writes(bench) == ["POST /invoices", "PATCH /invoices/inv_00000001"]
