"""Whoever meets a refusal reads one text: it names the bill, says whether anything was billed, and what to do next.

The texts are compared whole: half a sentence that is missing is a way out that nobody finds.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import (
    AlreadySettled,
    AmountMismatch,
    BridgeError,
    ConfigurationError,
    CustomerRef,
    Discrepancy,
    Invoice,
    Line,
    MalformedResponse,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Pay,
    Period,
    PeriodInvoice,
    Problem,
    Retrieve,
    Status,
    Unsupported,
    Void,
)
from invoice_bridge.adapter.checks import payable, same_bill, verify
from invoice_bridge.adapter.lookup import find_in_listing, refresh
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.lookup import resolve, settled, start
from invoice_bridge.engine.subject import check_subject
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from tests.listing import CHARGE, LATER, MAY, NOON, UNCARRIED, Desk, begin, mine, row, run, use_of
from tests.toy import FIELDS, PAY, toy_context

WITHOUT_REFERENCE: dict[str, Any] = {"fields": (UNCARRIED, *FIELDS[1:])}
NEVER = 'pass lookup="never" if you know that it was not billed'
JOURNAL = 'keep a journal from the first bill on, with lookup="journal"'


def _billed(desk: Desk, **known: Any) -> Any:
    return run(begin(CHARGE, **known), desk)


def _dear() -> Any:
    context = use_of(CHARGE)
    return run(start(CHARGE, replace(context, provider=replace(context.provider, lookup=find_in_listing))), Desk())


class Mixed(Desk):
    """A desk that answers with another bill's invoice."""

    def __call__(self, request: Request) -> Response:
        answer = super().__call__(request)
        return self._said({"id": "in_9", "status": "posted", "ref": "res-9"}) if request.writes else answer


def _held(**facts: Any) -> Invoice:
    least: dict[str, Any] = {"provider": "acme", "id": "in_1", "status": Status.OPEN, "currency": "EUR"}
    return Invoice(**least | facts)


def _eur(minor: int) -> Money:
    return Money(minor, "EUR")


# ── a bill that is not made ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "bill,kind,text",
    [
        (
            lambda: _billed(Desk(), tried=True, lookup="journal", **WITHOUT_REFERENCE),
            Unsupported,
            ("the journal has an earlier try of 'res-1', but Acme stores no reference of this bill that can be looked "
            "up; nothing was sent; check the provider's dashboard; if the bill was not made, make it with "
            'lookup="never"'),
        ),
        (
            lambda: _billed(Desk(), **WITHOUT_REFERENCE),
            Unsupported,
            ("Acme stores no reference of this bill that can be looked up, so a repetition would bill "
            "twice; nothing was sent; have the reference stored (see the losses); or "
            f"{JOURNAL}; or {NEVER}"),
        ),
        (
            _dear,
            Unsupported,
            ("Acme has no cheap lookup: each invoice of the account costs a request; "
            f"nothing was sent; {JOURNAL}; or state the earliest time of a first try: create(…, since=…); or pass "
            'lookup="always", or lookup="never" if it was not billed'),
        ),
        (
            lambda: _billed(Desk([mine(1, status="void")])),
            AlreadySettled,
            ("the reference 'res-1' has the invoice in_1, which is void; nothing was billed: to bill it again, pass "
            "attempt=2"),
        ),
        (
            lambda: _raised(settled(CHARGE, _held(status=Status.UNCOLLECTIBLE))),
            AlreadySettled,
            ("the reference 'res-1' has the invoice in_1, which is uncollectible; nothing was billed: it can still be "
            "paid, so it is not billed again"),
        ),
        (
            lambda: _billed(Desk([mine(1, status="draft")])),
            Discrepancy,
            ("in_1 should have been issued, but the last answer states that it is still a draft. Make the same bill "
            "again to continue from there"),
        ),
        (
            lambda: run(begin(CHARGE, unsettled=True), Desk()),
            OutcomeUnknown,
            ("a request of another attempt at 'res-1' was lost less than 5 minutes ago and may still take effect: "
            "nothing was billed. Call resolve() until it returns absent or found"),
        ),
        (
            lambda: _billed(Desk([mine(1, total="x")])),
            Unsupported,
            ("it is unknown whether the reference 'res-1' was billed before: an invoice that may be it cannot be "
            f"read: $.total is no whole number of units: 'x'; nothing was billed; {JOURNAL}; or {NEVER}"),
        ),
        (
            lambda: _billed(Desk([mine(1) | {"id": "in 1\n" + "x" * 40}])),
            Unsupported,
            ("it is unknown whether the reference 'res-1' was billed before: an invoice that may be it has the id "
            f"'in 1\\n{'x' * 35}', which cannot be asked for; nothing was billed; {JOURNAL}; or {NEVER}"),
        ),
        (
            lambda: _billed(Mixed()),
            OutcomeUnknown,
            ("the answers were about in_9, which has the reference 'res-9', not 'res-1': an intermediary mixes up the "
            "answers of Acme. Look the reference up before you try again: resolve()"),
        ),
        (
            lambda: run(refresh(_held(id="in 1\n" + "x" * 40), use_of(CHARGE)), Desk()),
            BridgeError,
            f"acme: the id 'in 1\\n{'x' * 35}' cannot be asked for",
        ),
    ],
)  # fmt: skip
def test_a_bill_that_is_not_made_says_why_and_what_to_do(bill: Callable[[], Any], kind: Any, text: str) -> None:
    """Each refusal of a lookup names the reference or the invoice, what was done, and every way out."""
    with pytest.raises(kind) as refused:
        bill()
    assert str(refused.value) == text


def _raised(error: BridgeError) -> Any:
    raise error


def test_a_draft_that_was_to_be_issued_says_both_sides() -> None:
    """A program reads what was asked for and what there is, without taking the sentence apart."""
    with pytest.raises(Discrepancy) as refused:
        _billed(Desk([mine(1, status="draft")]))
    assert (refused.value.asked, refused.value.found) == ("an issued invoice", "draft")


def test_a_bill_whose_id_is_known_needs_no_listing() -> None:
    """lookup="auto": where the reference is not carried, an id that the journal has is read, and nothing is made."""
    desk = Desk([mine(1)])
    assert _billed(desk, made=("in_1",), tried=True, **WITHOUT_REFERENCE).id == "in_1"
    assert not any(sent.startswith("POST") for sent in desk.sent)
    with pytest.raises(Unsupported):  # "always" asks for the listing, which cannot show it
        _billed(desk, made=("in_1",), tried=True, lookup="always", **WITHOUT_REFERENCE)


def test_absent_is_said_with_its_limits() -> None:
    """Absent: nobody can know a try that this program does not know of."""
    resolution = run(resolve(CHARGE, use_of(CHARGE), now=LATER, last=NOON), Desk([row(1)]))
    assert resolution.why == "no invoice has the reference, and the last known try is too old to take effect"


# ── what the provider holds is something else ────────────────────────────────────────────────────────────────────────
TAXED = CHARGE.model_copy(update={"tax": "provider"})
HELD_TWICE = {"subtotal": _eur(1900), "discount": _eur(100), "tax": _eur(342), "total": _eur(2500)}


@pytest.mark.parametrize(
    "check,kind,text",
    [
        (lambda: verify(CHARGE, _held(currency="USD")), Discrepancy, "asked in EUR, the invoice is in USD"),
        (
            lambda: verify(CHARGE, _held(subtotal=_eur(2500), total=_eur(2500))),
            AmountMismatch,
            "asked for 19.00 EUR, the invoice in_1 holds 25.00 EUR and is open",
        ),
        (
            lambda: verify(TAXED, _held(**HELD_TWICE)),
            AmountMismatch,
            "subtotal less discount plus tax is 21.42 EUR, the invoice in_1 totals 25.00 EUR",
        ),
        (
            lambda: verify(CHARGE, _held(problems=[Problem(path="total", why="is no number", money=True)])),
            Discrepancy,
            "the amounts of in_1 cannot be read, so that they cannot be compared: total is no number; it is open",
        ),
        (
            lambda: payable(Pay(id="in_1"), _held(payment_pending=True), PAY),
            BridgeError,
            "acme: in_1 cannot be paid: a payment is already in progress",
        ),
        (
            lambda: payable(Pay(id="in_1"), _held(status=Status.VOID), PAY),
            BridgeError,
            "acme: in_1 cannot be paid: the invoice is void",
        ),
        (
            lambda: payable(Pay(id="in_1", expect=_eur(5)), _held(), PAY),
            Discrepancy,
            "expected 0.05 EUR to be still to pay on in_1, but the provider says no figure",
        ),
        (
            lambda: payable(Pay(id="in_1", expect=_eur(5)), _held(amount_remaining=_eur(7)), PAY),
            Discrepancy,
            "expected 0.05 EUR to be still to pay on in_1, but the provider says 0.07 EUR",
        ),
    ],
)
def test_what_differs_is_named_with_both_figures(check: Callable[[], Any], kind: Any, text: str) -> None:
    """Before money moves: what was asked, what the provider has, and on which invoice."""
    with pytest.raises(kind) as refused:
        check()
    assert str(refused.value) == text


@pytest.mark.parametrize(
    "command,held,other",
    [
        (CHARGE, {"currency": "USD"}, "it is in USD, not in EUR"),
        (CHARGE, {"subtotal": _eur(2500)}, "it holds 25.00 EUR, not 19.00 EUR"),
        (CHARGE, {"customer": CustomerRef(id="buy_2")}, "it bills buy_2, not buy_1"),
        (MAY, {"period": Period.month(2026, 6)}, f"it is for {Period.month(2026, 6)}, not inside {MAY.period}"),
    ],
)
def test_another_bill_under_the_reference_says_what_differs(command: Any, held: dict[str, Any], other: str) -> None:
    """The reference, the invoice that has it, the difference, and that the bill needs a reference of its own."""
    with pytest.raises(BridgeError) as refused:
        same_bill(command, _held(**held))
    assert str(refused.value) == (
        f"the reference {command.reference!r} belongs to in_1 already, open: {other}; nothing was done to it: give a "
        "new bill a new reference"
    )


def test_a_period_that_the_provider_does_not_state_is_not_compared() -> None:
    """An invoice without a period is no other bill, and a bill of lines is compared line by line."""
    assert same_bill(MAY, _held()).id == "in_1"
    lines = (Line(amount=_eur(1900), period=Period.month(2026, 5)),)
    bill = PeriodInvoice(reference="may", customer="buy_1", currency="EUR", period=MAY.period, lines=lines)
    assert same_bill(bill, _held(period=Period.month(2026, 6), lines=lines)).id == "in_1"


@pytest.mark.parametrize("month", [4, 6])
def test_the_month_before_and_the_month_after_are_other_bills(month: int) -> None:
    """The end of a period is not in it: neither neighbour of May is taken for May's invoice."""
    lines = {number: (Line(amount=_eur(1900), period=Period.month(2026, number)),) for number in (5, month)}
    may = OneTimeCharge(reference="res-1", customer="buy_1", lines=lines[5])
    assert same_bill(may, _held(lines=lines[5])).id == "in_1"
    with pytest.raises(BridgeError, match=f"in_1 already, open: it is for {Period.month(2026, month)}; nothing was"):
        same_bill(may, _held(lines=lines[month], period=Period.month(2026, month)))


@pytest.mark.parametrize(
    "command,request_id,answer,problem",
    [
        (Retrieve(id="in_1"), "in_1", b'{"id":"in_2"}', "the invoice in_2, but in_1 was requested"),
    ],
)
def test_an_answer_about_another_invoice_names_both(command: Any, request_id: str, answer: bytes, problem: str) -> None:
    """Whose answer is it: the one that came, the one that was asked for, and what does such a thing."""
    context = use_of(CHARGE).on(command)
    request = Request("GET", "https://main.acme.test/v1/invoices/in_1", invoice_id=request_id)
    with pytest.raises(BridgeError) as refused:
        check_subject(request, Response(200, answer, provider="acme"), context)
    assert str(refused.value) == (f"acme: the answer is about {problem}: an intermediary mixes up answers (HTTP 200)")


def test_an_answer_without_a_body_is_taken_where_that_is_documented() -> None:
    """An empty answer is a success of a request that declares it; a proxy's page never is one."""
    request = toy_context().on(Void(id="in_1")).post("invoices", "in_1", "void", empty=True)
    context = use_of(CHARGE)
    assert (request.empty, request.content) == (True, b"")
    check_subject(request, Response(200, b"", provider="acme"), context)
    for answer, asked in ((b"", replace(request, empty=False)), (b"<html>", request)):
        with pytest.raises(MalformedResponse, match="the answer is not JSON"):
            check_subject(asked, Response(200, answer, provider="acme"), context)


def test_an_answer_about_another_bill_names_both() -> None:
    """The reference that came back, and the one that was sent."""
    request = Request("POST", "https://main.acme.test/v1/invoices", opens=True)
    answer = Response(200, b'{"id":"in_9","ref":"res-9"}', provider="acme")
    context = use_of(CHARGE)
    acme = replace(context.provider, reference_in=lambda data, _use: data["ref"])
    with pytest.raises(BridgeError) as refused:
        check_subject(request, answer, replace(context, provider=acme))
    assert str(refused.value) == (
        "acme: the answer is about the bill 'res-9', but 'res-1' was sent: an intermediary mixes up answers (HTTP 200)"
    )


def test_the_figure_that_was_expected_of_a_taxed_bill_is_kept() -> None:
    """Not only in words: what was asked is the subtotal less the discount plus the tax."""
    with pytest.raises(AmountMismatch) as refused:
        verify(TAXED, _held(**HELD_TWICE))
    assert (refused.value.asked, refused.value.found) == (_eur(2142), _eur(2500))


@pytest.mark.parametrize(
    "answers,answer,problem",
    [
        (("id",), b'{"data":[]}', "something else: it has no id"),
        (("id",), b'{"id":null}', "something else: it has no id"),
        (("id",), b'["id"]', "something else: it has no id"),
        (("a", "b", 0), b'{"a":{"b":[]}}', "something else: it has no a.b.0"),
        (("a", "b", 0), b'{"a":{"b":{"0":1}}}', "something else: it has no a.b.0"),
        (("a", 1), b'{"a":[1]}', "something else: it has no a.1"),
        (("id",), b'{"id":""}', None),
        (("a",), b'{"a":[]}', None),
        (("a", "b", 0), b'{"a":{"b":[0]}}', None),
        (("a", 1), b'{"a":[1,2]}', None),
    ],
)
def test_an_answer_that_lacks_what_this_request_brings_is_another_ones(
    answers: tuple[str | int, ...], answer: bytes, problem: str | None
) -> None:
    """A new invoice has an id, added lines are there: an answer without them is an older one."""
    request = Request("POST", "https://main.acme.test/v1/invoices", answers=answers)
    found = Response(200, answer, provider="acme")
    if problem is None:
        check_subject(request, found, use_of(CHARGE))
        return
    with pytest.raises(BridgeError) as refused:
        check_subject(request, found, use_of(CHARGE))
    assert f"the answer is about {problem}: an intermediary mixes up answers" in str(refused.value)


def test_an_answer_is_checked_once_for_each_request() -> None:
    """The client and its supervision both ask; what was refused is refused again, and another request asks anew."""
    calls = []

    def reference_in(data: Any, _context: Any) -> str | None:
        calls.append(data)
        return str(data["reference"])

    context = replace(use_of(CHARGE), provider=replace(use_of(CHARGE).provider, reference_in=reference_in))
    first, second = (Request("POST", f"https://main.acme.test/v1/{name}", opens=True) for name in ("a", "b"))
    own = Response(200, b'{"reference":"%s"}' % CHARGE.reference.encode(), provider="acme")
    for request in (first, first, second, replace(first)):
        check_subject(request, own, context)
    assert len(calls) == 3
    other = Response(200, b'{"reference":"another"}', provider="acme")
    for _ in range(2):
        with pytest.raises(BridgeError, match="mixes up answers"):
            check_subject(first, other, context)
    assert len(calls) == 5


# ── what the journal refuses ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_bill_made_elsewhere_says_where_and_how_to_go_on(tmp_path: Path) -> None:
    """The account, the invoice where it is known, the book, and the command that releases the reference."""
    journal, stripe, whop = Journal(tmp_path / "bills.sqlite"), Book("stripe:"), Book("whop:biz_42")
    rest = (
        "at stripe, in the book 'default'; nothing was sent. If that invoice is void, retrieve() it with its own "
        "client and this journal; if the bill was never made, resolve() it there. Else a person can "
        "release the reference: invoice-bridge journal release 'res 1' --why …"
    )
    number = journal.intend(stripe, "res 1", 1, Request("POST", "https://a.test/v1/invoices", key="ib1-1"), NOON)
    with pytest.raises(BridgeError) as refused:
        journal.refuse_elsewhere(whop, "res 1")
    assert str(refused.value) == f"the reference 'res 1' may already have been billed {rest}"
    journal.conclude(number, "answered", NOON, status=200, invoice_id="in_1")
    with pytest.raises(BridgeError) as refused:
        journal.refuse_elsewhere(whop, "res 1")
    assert str(refused.value) == f"the reference 'res 1' is already billed by in_1 {rest}"


def test_a_journal_that_fails_says_how_and_what_was_not_done(tmp_path: Path) -> None:
    """Which file, what SQLite says, whether a request was held back, and what to do."""
    path = tmp_path / "bills.sqlite"
    journal, book, request = Journal(path), Book("stripe:"), Request("POST", "https://a.test/v1/invoices", key="ib1-1")
    journal.intend(book, "res-1", 1, request, NOON)
    readonly = f"the journal {path} cannot be written (attempt to write a readonly database)"
    said: list[tuple[str, Callable[[], Any], str]] = [
        ("PRAGMA query_only = 1", lambda: journal.intend(book, "res-1", 1, request, NOON),
         f"{readonly}, so the request was not sent"),
        ("PRAGMA query_only = 1", lambda: journal.release(book, "res-1", "released", "known", NOON), readonly),
        ("DROP TABLE facts", journal.facts, f"the journal {path} cannot be read: no such table: facts"),
    ]  # fmt: skip
    store: Any = journal._store
    for spoil, call, text in said:
        store.file.execute("PRAGMA query_only = 0")
        store.file.execute(spoil)
        with pytest.raises(ConfigurationError) as refused:
            call()
        assert str(refused.value) == text
    path.unlink()
    with pytest.raises(ConfigurationError) as refused:
        journal.intend(book, "res-1", 1, request, NOON)
    assert str(refused.value) == (
        f"the journal {path} was deleted or replaced while it was open, so the request was not sent: restore the file, "
        "or make a new client"
    )


def test_a_journal_that_cannot_be_opened_says_what_to_name(tmp_path: Path) -> None:
    """A journal in memory and another program's database: name a file; a newer one: said."""
    with pytest.raises(ConfigurationError) as refused:
        Journal(":memory:")
    assert str(refused.value) == (
        "the journal ':memory:' would be lost with the process: name a file, such as bills.sqlite"
    )
    path = tmp_path / "bills.sqlite"
    for spoil, text in (
        ("PRAGMA user_version = 5", f"the journal {path} was written by a newer version of this library: upgrade it"),
        ("PRAGMA application_id = 7", f"{path} is another program's database: name another file as journal"),
    ):
        Journal(path).close()
        with closing(sqlite3.connect(path)) as file:
            file.execute(spoil)
        with pytest.raises(ConfigurationError) as refused:
            Journal(path)
        assert str(refused.value) == text
        path.unlink()


def test_a_file_that_is_refused_is_not_left_locked(tmp_path: Path) -> None:
    """Another program's database is let go at once, though the error is kept: that program writes on."""
    path = tmp_path / "orders.sqlite"
    with closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("CREATE TABLE orders (number INTEGER)")
        with pytest.raises(ConfigurationError) as refused:
            Journal(path)
        with other:
            other.execute("INSERT INTO orders VALUES (1)")
    assert "is another program's database" in str(refused.value)
