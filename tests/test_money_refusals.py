"""The refusals of verbs that move money: each says what was stated, what the provider has, and that nothing was done.

The texts are compared whole: who reads one decides whether to pay again.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import (
    AlreadyBilled,
    Credit,
    Discrepancy,
    IdempotencyMismatch,
    InvalidState,
    Invoice,
    MalformedResponse,
    Money,
    NotFound,
    OutcomeUnknown,
    Pay,
    RecordPayment,
    Refund,
    Status,
    Unsupported,
)
from invoice_bridge.adapter.declared import History
from invoice_bridge.adapter.once import Entry, check_before, check_part, download, made_before, require_expect
from invoice_bridge.core.wire import Flow, Response
from invoice_bridge.engine.once import NotShown, start_once
from invoice_bridge.explain import make_context
from invoice_bridge.providers.stripe import STRIPE
from tests.toy import toy_context

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LINK = "https://pay.example.test/a.pdf"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


REFUND = Refund(id="in_1", reference="re-1", amount=eur(500))
CREDIT = Credit(id="in_1", reference="re-1", amount=eur(500))
PAY = Pay(id="in_1", reference="re-1", amount=eur(500))
RECORD = RecordPayment(id="in_1", reference="re-1", amount=eur(500), at=NOON)
NOUNS = [(REFUND, "refund"), (CREDIT, "credit note"), (PAY, "payment"), (RECORD, "payment")]
BEFORE = [
    (REFUND, "amount_refunded"),
    (CREDIT, "amount_credited"),
    (PAY, "amount_remaining"),
    (RECORD, "amount_remaining"),
]


def held(**facts: Any) -> Invoice:
    least: dict[str, Any] = {"provider": "acme", "id": "in_1", "status": Status.OPEN, "currency": "EUR"}
    return Invoice(**least | facts)


# ── what has the reference already ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("state", ["done", "pending"])
def test_what_was_made_before_is_returned(state: Any) -> None:
    """One entry of the same amount; or of an amount that is not stated on one of the two sides."""
    same = Entry("re_9", eur(500), state)
    assert made_before(REFUND, [same], held()) == same
    assert made_before(REFUND, [Entry("re_9", None, state)], held()) == Entry("re_9", None, state)
    assert made_before(Refund(id="in_1", reference="re-1"), [same], held()) == same
    assert made_before(REFUND, [], held()) is None


@pytest.mark.parametrize("command,noun", NOUNS)
def test_another_amount_under_the_reference_is_refused(command: Any, noun: str) -> None:
    """Both amounts are stated, of a credit note the sum of its lines."""
    with pytest.raises(IdempotencyMismatch) as refused:
        made_before(command, [Entry("x_9", eur(400), "failed")], held())
    assert str(refused.value) == (
        f"the reference 're-1' belongs to the {noun} x_9 of in_1 already, of 4.00 EUR, not 5.00 EUR; nothing was done: "
        f"give a new {noun} a new reference"
    )
    assert refused.value.existing == held()


@pytest.mark.parametrize("command,noun", NOUNS)
def test_several_entries_of_a_reference_are_refused(command: Any, noun: str) -> None:
    """Somebody else made one of them: none is taken for ours."""
    with pytest.raises(AlreadyBilled) as refused:
        made_before(command, [Entry("x_1", eur(500)), Entry("x_2", eur(500))], held())
    assert str(refused.value) == (
        f"the reference 're-1' is on 2 of the {noun}s of in_1: x_1, x_2; nothing was done: look at them at the provider"
    )
    assert refused.value.existing == held()


@pytest.mark.parametrize("command,noun", NOUNS)
def test_what_failed_under_the_reference_is_not_made_again(command: Any, noun: str) -> None:
    """Another try is another payment."""
    with pytest.raises(InvalidState) as refused:
        made_before(command, [Entry("x_1", eur(500), "failed")], held())
    assert refused.value.message == (
        f"the {noun} x_1 of the reference 're-1' has failed or was withdrawn; nothing was done: to try again, give it "
        "a new reference"
    )
    assert (refused.value.provider, refused.value.invoice) == ("acme", held())


# ── the amount before ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("command,name", BEFORE)
def test_another_amount_before_is_refused(command: Any, name: str) -> None:
    """The figure of the provider is stated, or that it states none."""
    expecting = command.model_copy(update={"expect": eur(300)})
    assert check_before(expecting, held(**{name: eur(300)})) == held(**{name: eur(300)})
    assert check_before(command, held()) == held()
    for figure, words in ((eur(301), "3.01 EUR"), (None, "no figure")):
        with pytest.raises(Discrepancy) as refused:
            check_before(expecting, held(**{name: figure}))
        assert str(refused.value) == (
            f"expected {name} of in_1 to be 3.00 EUR, but the provider states {words}; nothing was done"
        )
        assert (refused.value.asked, refused.value.found) == (eur(300), figure)
        assert refused.value.invoice == held(**{name: figure})


@pytest.mark.parametrize("command,name", BEFORE)
def test_without_the_amount_before_it_must_be_given(command: Any, name: str) -> None:
    """A provider that keeps no reference cannot tell a repetition; the error names the amount to pass."""
    require_expect(command.model_copy(update={"expect": eur(0)}), toy_context(), "acme.test/docs")
    with pytest.raises(Unsupported) as refused:
        require_expect(command, toy_context(), "acme.test/docs")
    noun = {type(each): word for each, word in NOUNS}[type(command)]
    assert str(refused.value).startswith(
        f"Acme keeps no reference of a {noun}, so a repetition would make a second one; nothing was sent"
    )
    assert refused.value.remedy == f"pass expect=…, the invoice's {name} before it"
    assert refused.value.source == "acme.test/docs"


@pytest.mark.parametrize(
    "remaining,words",
    [
        (eur(499), "4.99 EUR remains"),
        (Money(900, "USD"), "9.00 USD remains"),
        (None, "no figure is stated of what remains"),
    ],
)
def test_more_than_remains_is_refused(remaining: Money | None, words: str) -> None:
    """Also where it is in another currency, or not stated."""
    check_part(eur(500), held(amount_remaining=eur(500)))
    with pytest.raises(Discrepancy) as refused:
        check_part(
            eur(500), held(amount_remaining=remaining, currency="EUR" if remaining is None else remaining.currency)
        )
    assert str(refused.value) == f"5.00 EUR was asked for, but {words} on in_1; nothing was done"
    assert (refused.value.asked, refused.value.found) == (eur(500), remaining)


# ── a request that was lost ──────────────────────────────────────────────────────────────────────────────────────────
def _refunds(command: Any, context: Any) -> Flow[Any]:
    """Read, then write; the answer to the reading may be a refusal."""
    try:
        yield context.get("invoices", command.id, specimen={})
    except NotFound:
        return "gone"
    yield context.post("refunds", body={}, step="refund", specimen={})
    return "refunded"


def _start(history: History, *answers: Any) -> tuple[Any, list[str]]:
    """Drive a refund; return what came of it, and the requests that were sent."""
    provider = replace(STRIPE, flows=replace(STRIPE.flows, refund=_refunds, retrieve=_read))
    context = make_context(provider, {}).on(REFUND)
    flow, sent = start_once(REFUND, context, history), []
    try:
        request = next(flow)
        for answer in answers:
            sent.append(f"{request.method} {request.url.removeprefix('https://api.stripe.com/')}")
            request = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
    except StopIteration as done:
        return getattr(done.value, "id", done.value), sent
    raise AssertionError(f"it goes on with {request.method} {request.url}")


def _read(command: Any, context: Any) -> Flow[Any]:
    yield context.get("invoices", command.id, specimen={})
    return held(amount_remaining=eur(500))


DONE = Response(200, b"{}", provider="acme")


def test_a_verb_whose_request_was_lost_waits() -> None:
    """Reading is allowed, writing is not; the reference is on the error."""
    with pytest.raises(OutcomeUnknown) as refused:
        _start(History(unsettled=True), DONE)
    assert refused.value.reference == "re-1"
    assert str(refused.value).startswith(
        "a request of the refund 're-1' was lost a few minutes ago and may still take effect: nothing was sent. "
        "Make the same call again in five minutes"
    )


def test_a_verb_that_took_effect_is_read_and_not_made_again() -> None:
    """The journal has its success: the invoice is read in place of the write; one that does not show it is named."""
    applied = History(applied=frozenset({"refund"}))
    other = Discrepancy("another amount", asked=None, found=None)
    assert _start(applied, other, DONE) == ("in_1", ["GET invoices/in_1", "GET invoices/in_1"])
    with pytest.raises(NotShown, match=r"has the refund 're-1' of in_1 as done, and Stripe does not show it"):
        _start(applied, DONE, DONE)


def test_a_verb_of_which_nothing_is_known_is_made() -> None:
    """And what its flow makes of a refusal is its own, with or without a journal."""
    assert _start(History(), DONE, DONE) == ("refunded", ["GET invoices/in_1", "POST refunds"])
    gone = NotFound("no such invoice", provider="acme")
    for history in (History(), History(unsettled=True), History(applied=frozenset({"refund"}))):
        assert _start(history, gone) == ("gone", ["GET invoices/in_1"])


# ── a document ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _download(*answers: Response) -> tuple[bytes, list[str]]:
    flow, urls = download(LINK, toy_context()), []
    try:
        request = next(flow)
        for answer in answers:
            urls.append(request.url)
            request = flow.send(answer)
    except StopIteration as done:
        return done.value, urls
    raise AssertionError(f"it goes on to {request.url}")


def _redirect(to: str, status: int = 302, content: bytes = b"") -> Response:
    return Response(status, content, {"location": to}, provider="acme")


PDF = Response(200, b"%PDF-1.7", provider="acme")


@pytest.mark.parametrize("status", [300, 301, 307])
def test_a_redirect_is_followed_whatever_it_contains(status: int) -> None:
    """Its own content is never the document; the link may be a relative one."""
    moved = _redirect("../b.pdf", status, b"%PDF-of-the-wrong-page")
    assert _download(moved, PDF) == (b"%PDF-1.7", [LINK, "https://pay.example.test/b.pdf"])


def test_five_redirects_are_followed_and_no_more() -> None:
    """The sixth answer must be the document."""
    moved = [_redirect(LINK)] * 5
    assert _download(*moved[:4], PDF)[0] == b"%PDF-1.7"
    with pytest.raises(MalformedResponse) as refused:
        _download(*moved, moved[0])
    assert refused.value.message == "the link of the document is redirected 5 times"


@pytest.mark.parametrize(
    "answer,problem",
    [
        (Response(200, b"<html>", {"content-type": "text/html"}, provider="acme"), "gives no PDF (text/html)"),
        (Response(200, b"", provider="acme"), "gives no PDF (no content type)"),
        (Response(302, b"", provider="acme"), "leads nowhere"),
    ],
)
def test_what_is_no_document_is_refused(answer: Response, problem: str) -> None:
    """The error has the answer, and says what is wrong with it."""
    with pytest.raises(MalformedResponse) as refused:
        _download(answer)
    assert refused.value.message == f"the link of the document {problem}"
    assert (refused.value.provider, refused.value.status) == ("acme", answer.status)
    assert refused.value.response is answer
