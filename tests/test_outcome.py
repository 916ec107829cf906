"""What is known after a failure: flows supervised with next, send and throw alone; no network, no clock."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from invoice_bridge import (
    AmountMismatch,
    BridgeError,
    ConfigurationError,
    Declined,
    Discrepancy,
    IdempotencyMismatch,
    InvalidState,
    Invoice,
    LossyTranslation,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    OutcomeUnknown,
    Pay,
    Period,
    PeriodInvoice,
    RateLimited,
    Rejected,
    Retrieve,
    ServerError,
    Status,
    Unauthorized,
    Unreachable,
    UnreadableServerError,
    Update,
    Void,
)
from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.checks import payable, verify
from invoice_bridge.core.commands import Command, Delete
from invoice_bridge.core.steps import Step
from invoice_bridge.core.wire import Effect, Flow, Request, Response, Send, Sleep, Steps
from invoice_bridge.engine.subject import check_subject
from invoice_bridge.engine.supervise import Lost, NotSent, Policy, supervise, verdict
from tests.toy import ACME, PAY, toy_context

CHARGE = OneTimeCharge(reference="res-1", amount=Money(1900, "EUR"))
OPENED = Response(201, b'{"id":"in_1","currency":"EUR"}', provider="acme")
ISSUED = Response(200, b'{"id":"in_1","currency":"EUR","status":"posted","total":1900}', provider="acme")


def _refusal(status: int, code: str = "", **headers: str) -> Response:
    content = b'{"message":"no","code":"%s"}' % code.encode()
    return Response(status, content, {name.replace("_", "-"): value for name, value in headers.items()}, "acme")


HTML_502 = Response(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}, "acme")
TORN = Response(200, b'{"id":"in_1","curr', {"content-type": "application/json"}, "acme")
REPLAYED = Response(201, b'{"id":"in_1","currency":"EUR"}', {"acme-replayed": "true"}, "acme")
NOW, LATER = "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:12 GMT"
NOT_SENT, LOST = NotSent("connection refused"), Lost("ReadTimeout")
Happening = Response | NotSent | Lost | ConfigurationError


@dataclass
class Course:
    """How a supervised call went: what it sent and waited, and what came of it."""

    sent: list[str]
    waits: list[float]
    result: Any = None
    error: BridgeError | None = None


def _drive(command: Command, *happenings: Happening, policy: Policy | None = None, no_time: bool = False) -> Course:
    """Answer each Send with the next happening; the last one goes on for ever."""
    context = toy_context().on(command)
    return _answered(supervise(ACME.flow(command, context), context, policy or Policy()), *happenings, no_time=no_time)


def _answered(steps: Steps[Any], *happenings: Happening, no_time: bool = False) -> Course:
    course, coming, last = Course([], []), iter(happenings), happenings[-1]
    reply: Response | None = None
    problem: Exception | None = None
    for _ in range(50):
        try:
            step = steps.send(reply) if problem is None else steps.throw(problem)
        except StopIteration as done:
            course.result = done.value
            return course
        except BridgeError as error:
            course.error = error
            return course
        reply = problem = None
        if isinstance(step, Sleep):
            course.waits.append(step.seconds)
            problem = NotSent("the deadline has passed") if no_time else None
            continue
        assert isinstance(step, Send)
        course.sent.append(f"{step.request.method} {step.request.url.removeprefix('https://main.acme.test/v1')}")
        happening = next(coming, last)
        reply, problem = (happening, None) if isinstance(happening, Response) else (None, happening)
    raise AssertionError(f"no end in sight: {course}")


CHANGE, PATCH = Update(id="in_1", description="x"), "PATCH /invoices/in_1"
OPEN, ISSUE = "POST /invoices", "POST /invoices/in_1/issue"
READ, VOID, DELETE = "GET /invoices/in_1", "POST /invoices/in_1/void", "DELETE /invoices/in_1"


def test_a_call_that_goes_well() -> None:
    """Two requests, no wait, and the flow's result."""
    course = _drive(CHARGE, OPENED, ISSUED)
    assert course.sent == [OPEN, ISSUE]
    assert course.waits == []
    assert course.error is None
    assert (course.result.id, course.result.status) == ("in_1", Status.OPEN)


# (what is asked, what happens; what is sent, how long is waited, the error, its outcome, the invoice's id, the steps)
Row = tuple[Command, list[Happening], list[str], list[float], type[BridgeError] | None, str, str | None, list[str]]
TABLE: dict[str, Row] = {
    "never sent, then answered": (
        CHARGE, [NOT_SENT, OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.5], None, "", None, [],
    ),
    "never sent": (
        CHARGE, [NOT_SENT], [OPEN] * 3, [0.5, 1.0], Unreachable, "nothing_done", None, ["not_sent"],
    ),
    "the second request never sent": (
        CHARGE, [OPENED, NOT_SENT], [OPEN] + [ISSUE] * 3, [0.5, 1.0], Unreachable, "partly_done", "in_1",
        ["done", "not_sent"],
    ),
    "lost, then answered": (
        CHARGE, [LOST, OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.5], None, "", None, [],
    ),
    "lost for good": (
        CHARGE, [LOST], [OPEN] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "lost, then refused": (
        CHARGE, [LOST, _refusal(400)], [OPEN, OPEN], [0.5], Rejected, "unknown", None, ["unknown"],
    ),
    "lost, then twice not sent: maybe-applied is sticky": (
        CHARGE, [LOST, NOT_SENT, NOT_SENT], [OPEN] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "lost, then throttled for good": (
        CHARGE, [LOST, _refusal(429)], [OPEN] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "lost, then throttled for too long": (
        CHARGE, [LOST, _refusal(429, retry_after="61")], [OPEN] * 2, [0.5], RateLimited, "unknown", None, ["unknown"],
    ),
    "the second request lost for good": (
        CHARGE, [OPENED, LOST], [OPEN] + [ISSUE] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", "in_1",
        ["done", "unknown"],
    ),
    "refused": (
        CHARGE, [_refusal(400)], [OPEN], [], Rejected, "nothing_done", None, ["refused"],
    ),
    "the second request refused": (
        CHARGE, [OPENED, _refusal(400)], [OPEN, ISSUE], [], Rejected, "partly_done", "in_1", ["done", "refused"],
    ),
    "an unauthorized key": (
        CHARGE, [_refusal(401)], [OPEN], [], Unauthorized, "nothing_done", None, ["refused"],
    ),
    "5xx, then answered": (
        CHARGE, [_refusal(500)], [OPEN], [], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "a proxy's 502, then answered": (
        CHARGE, [HTML_502, OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.5], None, "", None, [],
    ),
    "a proxy's 502, then refused": (
        CHARGE, [HTML_502, _refusal(400)], [OPEN, OPEN], [0.5], Rejected, "unknown", None, ["unknown"],
    ),
    "a verb's 5xx for good": (
        Void(id="in_1"), [_refusal(500)], [VOID] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", "in_1", ["unknown"],
    ),
    "the first try is still running, for good": (
        CHARGE, [_refusal(409, "in_progress")], [OPEN] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "a status that a row calls not applied": (
        CHARGE, [_refusal(503)], [OPEN], [], ServerError, "nothing_done", None, ["refused"],
    ),
    "429 without Retry-After": (
        CHARGE, [_refusal(429), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.5], None, "", None, [],
    ),
    "429 with Retry-After": (
        CHARGE, [_refusal(429, retry_after="7"), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [7.0], None, "", None, [],
    ),
    "429 with Retry-After 0": (
        CHARGE, [_refusal(429, retry_after="0"), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.0], None, "", None, [],
    ),
    "429 with a date": (
        CHARGE, [_refusal(429, retry_after=LATER, date=NOW), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [12.0], None, "",
        None, [],
    ),
    "429 with a date that is past": (
        CHARGE, [_refusal(429, retry_after=NOW, date=LATER), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.0], None, "",
        None, [],
    ),
    "429 with a date, and no Date to count it from": (
        CHARGE, [_refusal(429, retry_after=LATER), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.5], None, "", None, [],
    ),
    "429 for good": (
        CHARGE, [_refusal(429)], [OPEN] * 3, [0.5, 1.0], RateLimited, "nothing_done", None, ["refused"],
    ),
    "429 for too long": (
        CHARGE, [_refusal(429, retry_after="61")], [OPEN], [], RateLimited, "nothing_done", None, ["refused"],
    ),
    "429 for just not too long": (
        CHARGE, [_refusal(429, retry_after="60"), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [60.0], None, "", None, [],
    ),
    "a torn answer to the first write": (
        CHARGE, [TORN], [OPEN] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "a torn answer, then the same answer whole": (
        CHARGE, [TORN, OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.5], None, "", None, [],
    ),
    "a torn answer to the last write": (
        CHARGE, [OPENED, TORN], [OPEN] + [ISSUE] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", "in_1",
        ["done", "unknown"],
    ),
    "an answer without an id": (
        CHARGE, [Response(200, b"{}", provider="acme")], [OPEN], [], MalformedResponse, "done_unread", None, ["done"],
    ),
    "a redirect": (
        CHARGE, [Response(302, b"", {"location": "https://x.test"}, "acme")], [OPEN], [], MalformedResponse,
        "nothing_done", None, ["refused"],
    ),
    "a redirect of the second write": (
        CHARGE, [OPENED, Response(302, b"", {}, "acme")], [OPEN, ISSUE], [], MalformedResponse, "partly_done", "in_1",
        ["done", "refused"],
    ),
    "an HTML 502 for good": (
        CHARGE, [HTML_502], [OPEN] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "an HTML 404": (
        CHARGE, [Response(404, b"<html>", {}, "acme")], [OPEN], [], MalformedResponse, "nothing_done", None,
        ["refused"],
    ),
    "a read lost, then answered": (
        Retrieve(id="in_1"), [LOST, ISSUED], [READ, READ], [0.5], None, "", None, [],
    ),
    "a read lost for good": (
        Retrieve(id="in_1"), [LOST], [READ] * 3, [0.5, 1.0], Unreachable, "nothing_done", "in_1", ["unknown"],
    ),
    "a read never sent": (
        Retrieve(id="in_1"), [NOT_SENT], [READ] * 3, [0.5, 1.0], Unreachable, "nothing_done", "in_1", ["not_sent"],
    ),
    "a read answered by 5xx for good": (
        Retrieve(id="in_1"), [_refusal(500)], [READ] * 3, [0.5, 1.0], ServerError, "nothing_done", "in_1", ["refused"],
    ),
    "a read answered by HTML 502 for good": (
        Retrieve(id="in_1"), [HTML_502], [READ] * 3, [0.5, 1.0], UnreadableServerError, "nothing_done", "in_1",
        ["refused"],
    ),
    "a read answered by a torn body": (
        Retrieve(id="in_1"), [TORN], [READ] * 3, [0.5, 1.0], MalformedResponse, "nothing_done", "in_1", ["unknown"],
    ),
    "a read of nothing": (
        Retrieve(id="in_1"), [_refusal(404, "missing")], [READ], [], NotFound, "nothing_done", "in_1", ["refused"],
    ),
    "a verb lost for good": (
        Void(id="in_1"), [LOST], [VOID] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", "in_1", ["unknown"],
    ),
    "a write without a key is not repeated when lost": (
        CHANGE, [LOST], [PATCH], [], OutcomeUnknown, "unknown", "in_1", ["unknown"],
    ),
    "a write without a key is not repeated after 5xx": (
        CHANGE, [_refusal(500)], [PATCH], [], OutcomeUnknown, "unknown", "in_1", ["unknown"],
    ),
    "a write without a key is not repeated after a torn answer": (
        CHANGE, [TORN], [PATCH], [], OutcomeUnknown, "unknown", "in_1", ["unknown"],
    ),
    "a write without a key is repeated when it never left": (
        CHANGE, [NOT_SENT, ISSUED], [PATCH, PATCH], [0.5], None, "", None, [],
    ),
    "a write without a key is repeated when throttled": (
        CHANGE, [_refusal(429), ISSUED], [PATCH, PATCH], [0.5], None, "", None, [],
    ),
    "deleting twice deletes once": (
        Delete(id="in_1"), [LOST, ISSUED], [DELETE, DELETE], [0.5], None, "", None, [],
    ),
    "an earlier call's answer is repeated": (
        CHARGE, [REPLAYED, _refusal(400)], [OPEN, ISSUE], [], Rejected, "partly_done", "in_1", ["replayed", "refused"],
    ),
    "this call's own first try is repeated": (
        CHARGE, [LOST, REPLAYED, _refusal(400)], [OPEN, OPEN, ISSUE], [0.5], Rejected, "partly_done", "in_1",
        ["done", "refused"],
    ),
    "a stored failure is repeated": (
        CHARGE, [_refusal(500, acme_replayed="true")], [OPEN], [], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "a failure, then the stored one": (
        CHARGE, [HTML_502, _refusal(500, acme_replayed="true")], [OPEN, OPEN], [0.5], OutcomeUnknown, "unknown", None,
        ["unknown"],
    ),
    "a conflict of the request that opens": (
        CHARGE, [_refusal(409, "busy")], [OPEN] * 3, [0.5, 1.0], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "a conflict of a later request": (
        CHARGE, [OPENED, _refusal(409, "busy")], [OPEN, ISSUE], [], InvalidState, "partly_done", "in_1",
        ["done", "refused"],
    ),
    "the provider says: try again": (
        CHARGE, [_refusal(400, acme_retry="true"), OPENED, ISSUED], [OPEN, OPEN, ISSUE], [0.5], None, "", None, [],
    ),
    "the provider says: do not try again": (
        CHARGE, [_refusal(500, acme_retry="false")], [OPEN], [], OutcomeUnknown, "unknown", None, ["unknown"],
    ),
    "the provider says of 429: do not try again": (
        CHARGE, [_refusal(429, acme_retry="false")], [OPEN], [], RateLimited, "nothing_done", None, ["refused"],
    ),
    "the provider says of a write without a key: try again": (
        CHANGE, [_refusal(500, acme_retry="true")], [PATCH], [], OutcomeUnknown, "unknown", "in_1", ["unknown"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_is_sent_and_what_is_known(row: Row) -> None:
    """For each course of events: the requests, the waits, the error, and what it says is known."""
    command, happenings, sent, waits, kind, outcome, invoice_id, states = row
    course = _drive(command, *happenings)
    assert course.sent == sent
    assert course.waits == waits
    if kind is None:
        assert course.error is None
        assert course.result.id == "in_1"
        return
    assert course.error is not None
    assert type(course.error) is kind
    assert course.error.outcome == outcome
    assert course.error.invoice_id == invoice_id
    assert [step.state for step in course.error.steps] == states


HAPPENINGS: list[Happening] = [
    NOT_SENT, LOST, _refusal(429), _refusal(429, retry_after="60"), _refusal(409, "in_progress"),
    HTML_502,
]  # fmt: skip


@pytest.mark.parametrize("happening", HAPPENINGS, ids=range(len(HAPPENINGS)))
@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_defect_15_tries_are_bounded(happening: Happening, retries: int) -> None:
    """Whatever goes on for ever, one request is tried once and then as often as the policy says, never more."""
    course = _drive(CHARGE, happening, policy=Policy(retries=retries, budget=retries))
    assert course.sent == [OPEN] * (retries + 1)
    assert len(course.waits) == retries
    assert course.error is not None


def test_waits_double_up_to_the_longest() -> None:
    """Half a second, doubling, up to eight seconds; the provider's own figure wins."""
    course = _drive(CHARGE, _refusal(429), policy=Policy(retries=7, budget=7))
    assert course.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_call_has_a_budget_of_retries() -> None:
    """Each request may be tried again, but all of a call's requests together not more often than the budget says."""
    course = _drive(CHARGE, LOST, LOST, OPENED, LOST, policy=Policy(retries=2, budget=3))
    assert course.sent == [OPEN, OPEN, OPEN, ISSUE, ISSUE]
    assert isinstance(course.error, OutcomeUnknown)
    assert Policy().budget == 6


def test_no_time_for_another_try_ends_the_tries() -> None:
    """When the deadline leaves no time to wait, what is known so far is what is told."""
    lost = _drive(CHARGE, LOST, no_time=True)
    assert (lost.sent, type(lost.error)) == ([OPEN], OutcomeUnknown)
    throttled = _drive(CHARGE, _refusal(429), no_time=True)
    assert (throttled.sent, type(throttled.error)) == ([OPEN], RateLimited)


def test_an_unknown_outcome_names_the_reference() -> None:
    """The reference is what to look up; the message says so and names the request."""
    error = _drive(CHARGE, LOST).error
    assert isinstance(error, OutcomeUnknown)
    assert error.reference == "res-1"
    assert str(error) == (
        "POST /v1/invoices may or may not have taken effect: Acme gave no answer: ReadTimeout. "
        "Look the reference up before you try again: resolve()"
    )
    verb = _drive(Void(id="in_1"), LOST).error
    assert isinstance(verb, OutcomeUnknown)
    assert (verb.reference, verb.invoice_id) == (None, "in_1")


def test_a_refusal_after_a_lost_try_says_that_it_is_a_repetition() -> None:
    """The second try may be refused because the first one worked: the error tells."""
    first, second = _drive(CHARGE, _refusal(400)).error, _drive(CHARGE, LOST, _refusal(400)).error
    assert isinstance(first, Rejected)
    assert isinstance(second, Rejected)
    assert (first.repeats, second.repeats) == (False, True)


def test_defect_10_a_timeout_is_never_a_failure() -> None:
    """A write that got no answer is unknown; no course of events turns a timeout into "nothing was done"."""
    for then in (NOT_SENT, LOST, _refusal(400), _refusal(402), _refusal(429, retry_after="99"), HTML_502):
        error = _drive(CHARGE, LOST, then).error
        assert error is not None
        assert error.outcome == "unknown"


def test_steps_tell_each_request_with_its_effects() -> None:
    """A step has the method, the path, the effects, the state, the status and the key."""
    error = _drive(CHARGE, OPENED, _refusal(400)).error
    assert error is not None
    opened, issued = error.steps
    key = next(ACME.flow(CHARGE, toy_context().on(CHARGE))).key
    assert opened == Step("POST", "/v1/invoices", frozenset(), "done", writes=True, status=201, key=key)
    assert (issued.effects, issued.state, issued.status) == (frozenset({Effect.ISSUES}), "refused", 400)
    assert str(opened) == "POST /v1/invoices: done (HTTP 201)"
    assert str(Step("GET", "/v1", frozenset(), "not_sent", writes=False)) == "GET /v1: not_sent"


def test_every_try_of_a_request_is_the_same_bytes() -> None:
    """A retry repeats the request to the byte, its key included."""
    context = toy_context().on(CHARGE)
    steps = supervise(ACME.flow(CHARGE, context), context, Policy())
    sent = [next(steps)]
    assert isinstance(steps.throw(LOST), Sleep)
    sent.append(next(steps))
    assert sent[0] == sent[1]
    assert isinstance(sent[0], Send)
    assert sent[0].request.key is not None


def test_nothing_is_sent_when_the_check_before_refuses() -> None:
    """`before` runs once the first request is made and before it is sent; what it raises is told as any other error."""
    context = toy_context().on(CHARGE)

    def refuse() -> None:
        raise LossyTranslation((), "Acme")

    steps = supervise(ACME.flow(CHARGE, context), context, Policy(), refuse)
    with pytest.raises(LossyTranslation) as caught:
        next(steps)
    assert (caught.value.outcome, caught.value.steps) == ("nothing_done", ())


def test_the_check_before_runs_once() -> None:
    """Not before every request."""
    context, calls = toy_context().on(CHARGE), list[int]()
    steps = supervise(ACME.flow(CHARGE, context), context, Policy(), lambda: calls.append(1))
    assert isinstance(next(steps), Send)
    assert isinstance(steps.send(OPENED), Send)
    assert calls == [1]


def test_a_flow_is_closed_whatever_happens() -> None:
    """The flow's own clean-up runs when the runner gives up in the middle."""
    closed: list[str] = []

    def flow() -> Iterator[Any]:
        try:
            yield toy_context().get("invoices")
        finally:
            closed.append("flow")

    made: Any = flow()
    steps = supervise(made, toy_context(), Policy())
    next(steps)
    steps.close()
    assert closed == ["flow"]


def test_a_runner_that_forgets_the_answer_is_told() -> None:
    """Sending nothing back is a mistake of the runner, not of the provider."""
    context = toy_context().on(CHARGE)
    steps = supervise(ACME.flow(CHARGE, context), context, Policy())
    next(steps)
    with pytest.raises(TypeError, match="the runner must answer a Send with a Response"):
        next(steps)


# ── verification ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _eur(minor: int | None) -> Money | None:
    return None if minor is None else Money(minor, "EUR")


def _found(**said: Any) -> Invoice:
    amounts: dict[str, Any] = {name: _eur(value) if type(value) is int else value for name, value in said.items()}
    least: dict[str, Any] = {"provider": "acme", "id": "in_1", "status": Status.OPEN, "currency": "EUR"}
    return Invoice(**least | amounts)


RATED = PeriodInvoice(reference="r", period=Period.month(2026, 5), currency="EUR")


@pytest.mark.parametrize(
    "tax,found,agrees",
    [
        ("none", {}, True),  # the provider says nothing: nothing to compare
        ("none", {"total": 1900}, True),
        ("none", {"total": 1901}, False),
        ("none", {"total": 2280, "subtotal": 1900, "tax": 380}, False),  # tax that nobody asked for
        ("none", {"subtotal": 1900}, True),
        ("none", {"subtotal": 1899}, False),
        ("none", {"subtotal": 1900, "total": 1000, "discount": 900}, False),  # a discount that nobody asked for
        ("provider", {"subtotal": 1900, "tax": 380, "discount": 0, "total": 2280}, True),
        ("provider", {"subtotal": 1900, "tax": 380, "discount": 0, "total": 1900}, True),  # tax within the lines
        ("provider", {"subtotal": 1900, "tax": 380, "discount": 0, "total": 2281}, False),
        ("provider", {"subtotal": 1900, "tax": 380, "discount": 100, "total": 2180}, True),
        ("provider", {"subtotal": 1901, "tax": 380, "discount": 0, "total": 2281}, False),
        ("provider", {"subtotal": 1900, "total": 2280}, True),  # the parts are not stated
        ("provider", {"total": 2280}, True),
    ],
)
def test_defect_16_what_the_provider_holds_is_compared(tax: Any, found: dict[str, Any], agrees: bool) -> None:
    """The amount before tax must be the one asked; with the provider's tax, the parts must add up to the total."""
    command = OneTimeCharge(reference="r", amount=Money(1900, "EUR"), tax=tax)
    invoice = _found(**found)
    if agrees:
        assert verify(command, invoice) is invoice
        return
    with pytest.raises(AmountMismatch) as caught:
        verify(command, invoice)
    assert isinstance(caught.value.asked, Money)
    assert isinstance(caught.value.found, Money)


def test_a_mismatch_names_both_amounts_and_where_the_invoice_stands() -> None:
    """The message says what was asked, what is there, and what became of the invoice."""
    with pytest.raises(AmountMismatch) as caught:
        verify(CHARGE, _found(total=1901))
    assert str(caught.value) == "asked for 19.00 EUR, the invoice in_1 holds 19.01 EUR and is open"
    assert (caught.value.asked, caught.value.found) == (Money(1900, "EUR"), Money(1901, "EUR"))


@pytest.mark.parametrize(
    "found,expected,agrees",
    [
        ({"subtotal": 700}, None, True),  # rated by the provider, and nobody knows better
        ({"subtotal": 700}, 700, True),
        ({"subtotal": 700}, 701, False),
        ({"subtotal": 700, "total": 840}, 700, True),  # what is expected is before tax
        ({}, 701, True),
    ],
)
def test_what_the_provider_rates_is_held_to_what_was_expected(found: Any, expected: int | None, agrees: bool) -> None:
    """Where the provider rates the bill, the subtotal is compared with the sum that was read before."""
    if agrees:
        verify(RATED, _found(**found), _eur(expected))
        return
    with pytest.raises(AmountMismatch):
        verify(RATED, _found(**found), _eur(expected))


def test_defect_04_another_currency_is_a_discrepancy() -> None:
    """The same number in another currency is another bill."""
    with pytest.raises(Discrepancy, match="asked in EUR, the invoice is in USD") as caught:
        verify(CHARGE, _found(currency="USD", total=Money(1900, "USD")))
    assert (caught.value.asked, caught.value.found) == ("EUR", "USD")


# ── before money moves ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "said,expect,kind",
    [
        ({"status": Status.OPEN}, None, None),
        ({"status": Status.UNCOLLECTIBLE}, None, None),
        ({"status": Status.DRAFT}, None, InvalidState),
        ({"status": Status.PAID}, None, InvalidState),
        ({"status": Status.VOID}, None, InvalidState),
        ({"status": Status.DELETED}, None, InvalidState),
        ({"status": Status.UNKNOWN}, None, InvalidState),
        ({"payment_pending": True}, None, InvalidState),
        ({"payment_pending": False}, None, None),
        ({"amount_remaining": 1900}, 1900, None),
        ({"amount_remaining": 1900, "total": 2500}, 1900, None),
        ({"amount_remaining": 1901}, 1900, Discrepancy),
        ({}, 1900, Discrepancy),  # an amount that is not stated is not the one expected
    ],
)
def test_what_may_be_paid(said: dict[str, Any], expect: int | None, kind: type[BridgeError] | None) -> None:
    """Open or given up, no payment on its way, and exactly what was expected: only then money moves."""
    command, found = Pay(id="in_1", expect=_eur(expect)), _found(**said)
    if kind is None:
        assert payable(command, found, PAY) is found
        return
    with pytest.raises(kind) as caught:
        payable(command, found, PAY)
    if isinstance(caught.value, InvalidState):
        assert caught.value.invoice == found


def test_another_currency_is_not_what_was_expected() -> None:
    """19.00 USD are not 19.00 EUR."""
    found = _found(currency="USD", amount_remaining=Money(1900, "USD"))
    with pytest.raises(
        Discrepancy, match=r"expected 19\.00 EUR to be still to pay on in_1, but the provider says 19\.00 USD"
    ):
        payable(Pay(id="in_1", expect=Money(1900, "EUR")), found, PAY)


def test_the_kinds_of_error_here_are_told_apart() -> None:
    """A decline is a refusal like any other to the supervisor: final, and nothing was done."""
    error = _drive(Void(id="in_1"), _refusal(402)).error
    assert isinstance(error, Declined)
    assert (error.outcome, error.invoice_id) == ("nothing_done", "in_1")


def test_an_unknown_outcome_keeps_what_caused_it() -> None:
    """Whoever logs the error sees the failure of the last try too: no answer, or the server's own error."""
    causes: tuple[tuple[Happening, type[BridgeError]], ...] = ((LOST, Unreachable), (_refusal(500), ServerError))
    for happening, kind in causes:
        error = _drive(CHARGE, happening).error
        assert isinstance(error, OutcomeUnknown)
        assert isinstance(error.__cause__, kind)


def test_a_request_whose_intent_cannot_be_written_is_not_tried_again() -> None:
    """A journal that fails stops the call at once: a second try would fail alike. An earlier lost try stays unknown."""
    unwritten = ConfigurationError("the journal cannot be written")
    course = _drive(CHARGE, unwritten)
    assert (course.sent, course.waits, course.error) == ([OPEN], [], unwritten)
    assert unwritten.outcome == "nothing_done"
    course = _drive(CHARGE, LOST, unwritten)
    assert (course.sent, course.waits) == ([OPEN] * 2, [0.5])
    assert isinstance(course.error, OutcomeUnknown)


def test_a_read_that_is_refused_every_time_is_no_unknown_step() -> None:
    """Also with a status just above those of success, after which the provider asked for another try."""
    error = _drive(Retrieve(id="in_1"), _refusal(300, acme_retry="true")).error
    assert error is not None
    assert [(step.state, step.status) for step in error.steps] == [("refused", 300)]
    torn = _drive(Retrieve(id="in_1"), TORN).error
    assert torn is not None
    assert [step.state for step in torn.steps] == ["unknown"]


# ── when a write meets server errors alone ───────────────────────────────────────────────────────────────────────────
def _look_again(*happenings: Happening, found: bool) -> Course:
    """A charge that is looked up after a failure: the look reads the invoice, and has it or has nothing."""
    context = toy_context().on(CHARGE)

    def again() -> Any:
        answer = yield context.get("invoices")
        return ACME.parse(object_of(answer)) if found else None

    steps = supervise(ACME.flow(CHARGE, context), context, Policy(), again=again)
    return _answered(steps, *happenings)


def test_a_write_that_meets_a_server_error_is_looked_up() -> None:
    """Acme does not say that it keeps failures under keys: what failed is looked up, not sent again."""
    course = _look_again(_refusal(500), ISSUED, found=True)
    assert course.sent == [OPEN, "GET /invoices"]
    assert (course.result.id, course.error) == ("in_1", None)


def test_what_the_look_does_not_find_is_unknown() -> None:
    """A listing may lag: nothing is made again, and the caller is told that the outcome is unknown."""
    course = _look_again(_refusal(500), ISSUED, found=False)
    assert course.sent == [OPEN, "GET /invoices"]
    assert isinstance(course.error, OutcomeUnknown)
    assert course.error.outcome == "unknown"


def test_a_provider_that_keeps_failures_is_asked_again_first() -> None:
    """There a request sent again is answered as before, or done once; when only failures come, it is looked up."""
    keeps = replace(ACME, idempotency=replace(ACME.idempotency, keeps_failures=True))
    context = replace(toy_context(), provider=keeps).on(CHARGE)
    steps = supervise(keeps.flow(CHARGE, context), context, Policy(), again=lambda: iter(()))  # type: ignore[arg-type,return-value]
    assert _answered(steps, _refusal(500), OPENED, ISSUED).sent == [OPEN, OPEN, ISSUE]


def test_a_look_that_fails_leaves_the_outcome_unknown() -> None:
    """A server that answers nothing but errors answers the look so too: what is told is still the first failure."""
    course = _look_again(_refusal(500), found=True)
    assert isinstance(course.error, OutcomeUnknown)
    assert (course.error.outcome, course.error.reference) == ("unknown", "res-1")
    assert "POST /v1/invoices may or may not" in str(course.error)


def test_a_lost_write_is_not_looked_up() -> None:
    """Where nothing answers, a look would not be answered either."""
    course = _look_again(LOST, found=True)
    assert course.sent == [OPEN] * 3
    assert isinstance(course.error, OutcomeUnknown)


# ── pace ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Gate:
    """A pace that always asks for the same wait, and remembers what it was told."""

    seconds: float
    told: list[tuple[bool, int | None]]

    def reserve(self) -> float:
        return self.seconds

    def release(self, pause: float) -> None:
        raise AssertionError("there is always time to wait here")

    def observe(self, *, throttled: bool, retry_after: int | None) -> None:
        self.told.append((throttled, retry_after))


def test_each_request_waits_for_its_pace_and_tells_it_the_answer() -> None:
    """Before every try the pace is asked; after every answer it is told whether that was too much."""
    gate = Gate(0.25, [])
    course = _drive(CHARGE, _refusal(429, retry_after="7"), OPENED, ISSUED, policy=Policy(pace=gate))
    assert course.waits == [0.25, 7.0, 0.25, 0.25]
    assert gate.told == [(True, 7), (False, None), (False, None)]
    free = Gate(0.0, [])
    assert _drive(CHARGE, LOST, OPENED, ISSUED, policy=Policy(pace=free)).waits == [0.5]
    assert free.told == [(False, None), (False, None)]


# ── what the sentences say, and the edges ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "command, happening, text",
    [
        (CHARGE, NOT_SENT, "Acme cannot be reached: connection refused"),
        (
            CHARGE,
            LOST,
            ("POST /v1/invoices may or may not have taken effect: Acme gave no answer: ReadTimeout. Look the reference "
            "up before you try again: resolve()"),
        ),
        (
            Void(id="in_1"),
            LOST,
            ("POST /v1/invoices/in_1/void may or may not have taken effect: Acme gave no answer: ReadTimeout. Read the "
            "invoice"),
        ),
    ],
)  # fmt: skip
def test_what_failed_says_the_request_and_the_next_step(command: Command, happening: Happening, text: str) -> None:
    """The request, what is known of it, and whether to look the reference up or to read the invoice."""
    assert str(_drive(command, happening).error) == text


def test_a_request_that_never_left_is_no_unknown_step() -> None:
    """Nobody is sent to look for an invoice that cannot be there."""
    error = _drive(CHARGE, NOT_SENT).error
    assert error is not None
    assert [(step.state, error.outcome) for step in error.steps] == [("not_sent", "nothing_done")]


def test_the_edges_of_success() -> None:
    """200 and 299 are done; 300 is not, whatever its body says."""
    done = b'{"id":"in_1","currency":"EUR","status":"posted","total":1900}'
    for status in (200, 299):
        assert _drive(CHARGE, OPENED, Response(status, done, provider="acme")).result.id == "in_1"
    assert _drive(CHARGE, OPENED, Response(300, done, provider="acme")).error is not None


@pytest.mark.parametrize(
    "status,is_read", [(301, True), (302, True), (303, True), (307, True), (308, True), (304, False)]
)
def test_a_redirect_of_a_documents_link_is_the_flows_to_follow(status: int, is_read: bool) -> None:
    """Of a link alone: a redirect of the provider's own request is no answer of the provider's."""
    context = toy_context().on(CHARGE)

    def follows(request: Request) -> Flow[int]:
        return (yield request).status

    for request, is_answer in (
        (Request("GET", "https://a.test/x.pdf", link=True), is_read),
        (Request("GET", "/"), False),
    ):
        moved = Response(status, b"", {"location": "https://a.test/"}, provider="acme")
        course = _answered(supervise(follows(request), context, Policy()), moved)
        assert (course.result == status, course.error is None) == (is_answer, is_answer)


def test_the_longest_wait_that_a_provider_may_ask_for_is_waited() -> None:
    """60 seconds are waited, 61 end the call."""
    assert _drive(CHARGE, _refusal(429, retry_after="60"), OPENED, ISSUED).waits == [60.0]
    assert _drive(CHARGE, _refusal(429, retry_after="61"), OPENED, ISSUED).waits == []


@pytest.mark.parametrize(
    "status,word",
    [(200, "applied"), (201, "applied"), (299, "applied"), (300, "deferred"), (400, "refused"), (401, "deferred"),
     (409, "maybe"), (429, "deferred"), (500, "maybe")],
)  # fmt: skip
def test_what_the_journal_writes_of_an_answer(status: int, word: str) -> None:
    """Done is applied; only a refusal that also answers for earlier tries is refused."""
    context = toy_context().on(CHARGE)
    request = next(ACME.flow(CHARGE, context))
    content = b'{"id":"in_1","currency":"EUR"}' if status < 300 else b'{"message":"no"}'
    assert verdict(request, Response(status, content, provider="acme"), context) == word


@pytest.mark.parametrize(
    "said,text",
    [
        (b'{"metadata": {"reference": "back-1"}}', None),
        (b'{"metadata": {"reference": "back-0"}}', "something earlier: its metadata.reference is 'back-0'"),
        (b'{"metadata": {"reference": "before"}}', "something earlier: its metadata.reference is 'before'"),
        (b'{"metadata": {}}', "something else: it has no metadata.reference"),
    ],
)
def test_an_answer_is_about_what_was_asked(said: bytes, text: str | None) -> None:
    """It has the reference that was sent, and is none that was known before; else an intermediary mixed it up."""
    context = toy_context().on(CHARGE)
    asked = replace(
        context.get("refunds", specimen={}), answers=("metadata", "reference"), excludes=frozenset({"before"})
    )
    for request in (replace(asked, equals="back-1"), asked):
        answer = Response(200, said, provider="acme")
        if text is None or (request.equals is None and "back-0" in text):
            check_subject(request, answer, context)
            continue
        with pytest.raises(MalformedResponse) as refused:
            check_subject(request, answer, context)
        assert str(refused.value) == f"acme: the answer is about {text}: an intermediary mixes up answers (HTTP 200)"


@pytest.mark.parametrize("answer,outcome", [(OPENED, "partly_done"), (REPLAYED, "nothing_done")])
def test_what_another_bill_has_done_is_not_this_ones(answer: Response, outcome: str) -> None:
    """A reference that turns out to be another bill's: its replayed answer is no write of this call, a new one is."""
    context = toy_context().on(CHARGE)

    def flow() -> Flow[Invoice]:
        yield next(ACME.flow(CHARGE, context))
        raise IdempotencyMismatch("the reference is another bill's")

    course = _answered(supervise(flow(), context, Policy()), answer)
    assert isinstance(course.error, IdempotencyMismatch)
    assert course.error.outcome == outcome
