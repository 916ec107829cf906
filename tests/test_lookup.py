"""Looking a bill up by its reference: when it is done, what it asks, and what is made of what it finds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from invoice_bridge import (
    AlreadyBilled,
    AlreadySettled,
    IdempotencyMismatch,
    Line,
    LossyTranslation,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Retrieve,
    Status,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.declared import History, Matches, cannot
from invoice_bridge.adapter.lookup import CLOCK_SKEW, PAGES, find_in_listing, find_matches
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import Bill, Find, NewInvoice
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.wire import Flow, Response
from invoice_bridge.engine.lookup import needs_lookup, resolve, resume, start
from tests.clients import emulated_at
from tests.listing import CHARGE, FLOWS, LISTING, MAY, NOON, UNCARRIED, Desk, begin, mine, row, run, use_of
from tests.toy import DOCS, FIELDS

LIST = "GET /invoices?buyer=buy_1"


# ── when a bill is looked up ─────────────────────────────────────────────────────────────────────────────────────────
def test_when_a_bill_is_looked_up() -> None:
    """Of every combination, "auto" and "always" look all bills up, "journal" known tries and later attempts alone."""
    without: dict[Lookup, set[Any]] = {"auto": set(), "always": set(), "never": set(), "journal": set()}
    cases = list(product(without, (1, 24), (None, False, True), (1, 2), (CHARGE, MAY)))
    for lookup, hours, tried, attempt, bill in cases:
        command = bill.model_copy(update={"attempt": attempt})
        if not needs_lookup(command, use_of(command, hours=hours), History(tried=tried), lookup):
            without[lookup].add((hours, tried, attempt, command.reference))
    new = product((1, 24), (None, False), (1,), ("res-1", "may"))
    assert (without["auto"], without["always"], without["journal"]) == (set(), set(), set(new))
    assert len(without["never"]) == len(cases) / 4 == 24


def test_another_version_of_keys_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library whose keys changed cannot rely on the provider's memory of the old ones."""
    context = use_of(CHARGE, hours=24)
    assert needs_lookup(CHARGE, context, History(tried=False), "journal") is False
    monkeypatch.setattr("invoice_bridge.core.idempotency.KEY_VERSION", 2)
    assert needs_lookup(CHARGE, context, History(tried=False), "journal") is True


@pytest.mark.parametrize(
    "without",
    [
        {"fields": (UNCARRIED, *FIELDS[1:])},
        {"flows": replace(FLOWS, list=None)},
        {"flows": replace(FLOWS, list=cannot("nothing is listed", source=DOCS))},
    ],
)
@pytest.mark.parametrize("lookup", ["auto", "always"])
def test_what_cannot_be_found_is_refused(without: dict[str, Any], lookup: Any) -> None:
    """A reference that is not carried, or a provider that lists nothing: refused before sending, with the ways out."""
    desk = Desk()
    context = use_of(CHARGE, **without)
    with pytest.raises(Unsupported, match="stores no reference of this bill that can be looked up") as no:
        run(start(CHARGE, context, lookup=lookup), desk)
    assert all(way in no.value.remedy for way in ('lookup="journal"', 'lookup="never"'))
    assert desk.sent == []
    assert run(resume(CHARGE, context), desk) is None
    outcome = run(resolve(CHARGE, context, now=NOON, last=NOON), desk)
    assert (outcome.state, outcome.why) == ("ambiguous", "Acme does not return the reference of this bill in a listing")
    assert desk.sent == []


def test_what_cannot_be_found_needs_a_complete_journal() -> None:
    """lookup="journal" bills a new reference; a known try that may have made it stops, unless its id is known."""
    lost: dict[str, Any] = {"fields": (UNCARRIED, *FIELDS[1:]), "lookup": "journal"}
    assert run(begin(CHARGE, tried=False, **lost), Desk()).id == "in_new"
    with pytest.raises(Unsupported, match="the journal has an earlier try of 'res-1'"):
        run(begin(CHARGE, tried=True, **lost), Desk())
    assert run(begin(CHARGE, tried=True, made=("in_1",), **lost), Desk([mine(1)])).id == "in_1"


def test_defect_38_a_dear_lookup_is_not_made_without_being_asked_for() -> None:
    """Defect 38: where each invoice costs a read, auto refuses with the ways out; since= and a known try suffice."""
    dear = replace(use_of(CHARGE).provider, lookup=find_in_listing)

    def looks(**known: Any) -> bool:
        lookup: Lookup = known.pop("lookup", "auto")
        return needs_lookup(CHARGE, replace(use_of(CHARGE), provider=dear), History(**known), lookup)

    with pytest.raises(Unsupported, match="Acme has no cheap lookup") as no:
        looks()
    assert all(way in no.value.remedy for way in ('lookup="journal"', "since=", 'lookup="always"', 'lookup="never"'))
    with pytest.raises(Unsupported):  # a journal that nobody declared complete knows nothing
        looks(tried=False)
    enough: tuple[dict[str, Any], ...] = ({"since": NOON}, {"tried": True}, {"lookup": "always"})
    for known in enough:
        assert looks(**known) is True
    for lookup in ("journal", "never"):
        assert looks(lookup=lookup, tried=False) is False


def test_a_search_index_is_asked_where_the_key_covers_its_lag() -> None:
    """The first attempt of an unknown bill is searched for; a known try, another attempt or since= is listed."""

    def search(command: NewInvoice | Find, context: Context, history: History) -> Flow[Matches]:
        yield context.get("search", searches=True)
        return Matches()

    searching = replace(use_of(CHARGE, hours=24).provider, search=search)
    again = CHARGE.model_copy(update={"attempt": 2})
    cases: list[tuple[Bill, dict[str, Any], str]] = [
        (CHARGE, {}, "GET /search"),
        (CHARGE, {"tried": True}, "GET /invoices"),
        (CHARGE, {"since": NOON}, "GET /invoices"),
        (CHARGE, {"lookup": "always"}, "GET /invoices"),
        (again, {}, "GET /invoices"),
    ]
    for command, known, asked in cases:
        desk = Desk()
        run(begin(command, provider=searching, **known), desk)
        assert desk.sent[0].partition("?")[0] == asked


def test_a_verb_is_never_looked_up() -> None:
    """Only bills have a reference."""
    desk = Desk([mine()])
    command = Retrieve(id="in_1")
    found = run(start(command, use_of(CHARGE).on(command), lookup="always"), desk)
    assert (found.id, desk.sent) == ("in_1", ["GET /invoices/in_1"])


# ── what the look asks ───────────────────────────────────────────────────────────────────────────────────────────────
def test_the_look_reads_the_customers_listing_and_each_hit_afresh() -> None:
    """Listings of the customer's invoices, page after page, then the invoice that carries the reference."""
    desk = Desk([row(1), row(2), mine(3, now="void"), row(4)], size=2)
    with pytest.raises(AlreadySettled) as caught:
        run(start(CHARGE, use_of(CHARGE)), desk)
    assert desk.sent == [LIST, f"{LIST}&after=2", "GET /invoices/in_3"]
    assert set(desk.notes[:2]) == {"lookup: was the reference billed before?"}
    existing = caught.value.existing
    assert existing is not None
    assert (existing.id, existing.status) == ("in_3", Status.VOID)  # as it is now, not as it was listed


def test_nothing_found_is_billed() -> None:
    """The bill follows its look."""
    desk = Desk([row(1)])
    assert run(start(CHARGE, use_of(CHARGE)), desk).id == "in_new"
    assert desk.sent == [LIST, "POST /invoices"]


def test_no_look_is_no_request() -> None:
    """lookup="never" bills at once, whatever stands."""
    desk = Desk([mine()])
    assert run(begin(CHARGE, lookup="never"), desk).id == "in_new"
    assert desk.sent == ["POST /invoices"]


def test_the_look_begins_a_day_before_the_first_try() -> None:
    """What is older than the first try is not read; clocks may differ by a day."""
    desk = Desk()
    run(begin(CHARGE, since=NOON), desk)
    assert timedelta(days=1) == CLOCK_SKEW
    assert desk.sent[0] == "GET /invoices?from=2026-11-21T12%3A00%3A00%2B00%3A00&buyer=buy_1"


def test_the_look_begins_no_earlier_than_1970() -> None:
    """Its first bound is the beginning of Unix time; before that a listing has none, as providers refuse it."""
    first = datetime(1970, 1, 2, tzinfo=UTC)
    for since, asked in ((first, "?from=1970-01-01T00%3A00%3A00%2B00%3A00&"), (first - timedelta(seconds=1), "?")):
        desk = Desk()
        run(begin(CHARGE, since=since), desk)
        assert desk.sent[0] == f"GET /invoices{asked}buyer=buy_1"


def test_a_bill_without_a_customer_here_is_looked_up_in_the_whole_listing() -> None:
    """No customer narrows the listing where the bill names none of this provider's."""
    desk = Desk()
    command = CHARGE.model_copy(update={"customer": None})
    run(start(command, use_of(command)), desk)
    assert desk.sent[0] == "GET /invoices"


def test_an_invoice_that_is_listed_and_not_there_any_more_is_a_gap() -> None:
    """The listing is behind: a draft was deleted, or got another id when issued. It is neither found nor absent."""
    listed = Desk([mine()])
    flow = find_matches(CHARGE, use_of(CHARGE))
    request = flow.send(listed(next(flow)))
    assert request.url.endswith("/invoices/in_1")
    with pytest.raises(StopIteration) as done:
        flow.throw(NotFound("gone"))
    assert done.value.value.invoices == ()
    assert done.value.value.gap == "in_1 is listed and not there any more: the listing is behind, so try again later"


@pytest.mark.parametrize("known", ["in_9", "in_\n1"])
def test_an_id_of_the_journal_that_leads_nowhere_hides_no_other(known: str) -> None:
    """Of the ids that the journal knows, one that is gone or torn is passed over, and the next one is read."""
    desk = Desk([mine(1, hidden=True)])
    context = use_of(CHARGE, fields=(UNCARRIED, *FIELDS[1:]))
    matches = run(find_matches(CHARGE, context, History(tried=True, made=(known, "in_1"))), desk)
    assert ([invoice.id for invoice in matches.invoices], matches.gap) == (["in_1"], "")
    nothing = run(find_matches(CHARGE, context), Desk())
    assert (nothing.invoices, nothing.gap) == ((), "")


def test_an_id_of_the_journal_that_leads_nowhere_is_a_gap_where_no_reference_is_carried() -> None:
    """The listing cannot have the bill under its reference, so that nothing proves that it was not made."""
    context = use_of(CHARGE, fields=(UNCARRIED, *FIELDS[1:]))
    matches = run(find_matches(CHARGE, context, History(tried=True, made=("in_9",))), Desk())
    assert (matches.invoices, matches.gap) == (
        (),
        "in_9, which the journal knows, is not there any more and may have got another id when it was issued",
    )


def test_an_invoice_of_the_journal_that_carries_another_reference_is_a_gap() -> None:
    """The journal and the provider contradict each other: neither is believed, and the message names both."""
    matches = run(find_matches(CHARGE, use_of(CHARGE), History(tried=True, made=("in_1",))), Desk([row(1)]))
    assert matches.invoices == ()
    assert matches.gap == "in_1, which the journal knows as this bill, carries the reference 'other-1'"


def test_an_item_whose_id_cannot_be_asked_for_hides_no_other() -> None:
    """It may be the bill, so it is a gap; what follows it in the listing is read all the same."""
    matches = run(find_matches(CHARGE, use_of(CHARGE)), Desk([mine(id="in_" + "1" * 300), mine(2)]))
    assert [invoice.id for invoice in matches.invoices] == ["in_2"]
    assert matches.gap == f"an invoice that may be it has the id 'in_{'1' * 37}', which cannot be asked for"


@pytest.mark.parametrize(
    "name,settings",
    [("stripe", {}), ("chargebee", {"site": "acme"}), ("whop", {"account_id": "biz_42"}), ("chargeapi", {})],
)
def test_explain_shows_the_look_first(name: str, settings: dict[str, Any]) -> None:
    """With lookup="always" a plan begins with reading requests that are marked as the look; they are no search."""
    bill: Any = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1900, "EUR"), draft=True)
    if name == "chargeapi":
        bill = PeriodInvoice(reference="res-1", customer="cus_42", currency="EUR", period=Period.month(2026, 5))
    plan = explain(name, bill, lookup="always", **settings)
    assert plan.refusal is None
    look = [request for request in plan.requests if request.note.startswith("lookup")]
    assert look
    assert list(plan.requests[: len(look)]) == look
    assert {request.method for request in look} == {"GET"}
    assert [request.url for request in plan.requests if "search" in request.url] == []
    assert any(request.writes for request in plan.requests)
    assert "lookup: was the reference billed before?" in plan.text()


@pytest.mark.parametrize("name,settings", [("stripe", {}), ("chargebee", {"site": "acme"}), ("chargeapi", {})])
def test_what_explain_looks_up_by_itself(name: str, settings: dict[str, Any]) -> None:
    """Every bill is looked up first, unless lookup="never", or lookup="journal" of a bill that no journal knows."""
    bill: Any = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1900, "EUR"))
    if name == "chargeapi":
        bill = PeriodInvoice(reference="res-1", customer="cus_42", currency="EUR", period=Period.month(2026, 5))
    for lookup, expected in (("auto", True), ("never", False), ("journal", False)):
        plan = explain(name, bill, lookup=lookup, **settings)  # type: ignore[arg-type]
        assert any(request.note.startswith("lookup") for request in plan.requests) is expected


def test_a_refused_lookup_hides_no_request() -> None:
    """Whop's bill is refused by default, and the plan shows both: why, and what it would send otherwise."""
    bill = OneTimeCharge(reference="res-1", customer="mber_42", amount=Money(1900, "EUR"), draft=True)
    plan = explain("whop", bill, account_id="biz_42")
    assert isinstance(plan.refusal, Unsupported)
    assert [request.method for request in plan.requests] == ["POST", "GET"]
    text = plan.text()
    assert text.startswith("whop: refused before anything is sent: Whop has no cheap lookup")
    assert "Without that, it would send:" in text
    assert "POST https://api.whop.com/api/v1/invoices" in text


# ── what is refused before the look ──────────────────────────────────────────────────────────────────────────────────
def test_what_cannot_be_billed_is_refused_before_the_look() -> None:
    """A currency that Acme does not carry costs no request."""
    command = CHARGE.model_copy(update={"amount": Money(1900, "USD")})
    desk = Desk()
    with pytest.raises(Unsupported, match="USD"):
        run(start(command, use_of(command)), desk)
    assert desk.sent == []


@pytest.mark.parametrize("name", ["stripe", "chargebee", "whop"])
def test_losses_are_refused_before_the_look(name: str) -> None:
    """With a look or without, what would be lost is told before the first request leaves."""
    client, transport = emulated_at(name, lookup="always")
    lossy = OneTimeCharge(
        reference="r",
        customer=transport.emulator.customer,
        lines=[Line(quantity=2, amount=Money(500, "EUR"), period=Period.month(2026, 5))],
        draft=name == "whop",
    )
    assert any(loss.severity is not Severity.INFO for loss in client.losses(lossy))
    with pytest.raises(LossyTranslation):
        client.create(lossy)
    assert transport.sent == []


# ── what is made of what is found ────────────────────────────────────────────────────────────────────────────────────
def test_a_reference_on_several_standing_invoices_stops_the_bill() -> None:
    """Two invoices under one reference: nothing is done, and both are named."""
    desk = Desk([mine(1), mine(2), row(3)])
    with pytest.raises(AlreadyBilled) as caught:
        run(start(CHARGE, use_of(CHARGE)), desk)
    assert str(caught.value) == (
        "the reference 'res-1' is on 2 invoices, in_1, in_2; nothing was done: void or delete all but one at the "
        "provider, then make the bill again"
    )
    assert caught.value.existing is not None
    assert caught.value.existing.id == "in_1"
    with pytest.raises(AlreadyBilled):
        run(resume(CHARGE, use_of(CHARGE)), desk)
    assert not any(sent.startswith("POST") for sent in desk.sent)


@pytest.mark.parametrize("status", ["void", "gone"])
def test_a_second_attempt_passes_over_what_was_withdrawn(status: str) -> None:
    """The first attempt is AlreadySettled; the second bills again; made again, it finds the second's."""
    desk = Desk([mine(1, status=status)])
    with pytest.raises(AlreadySettled):
        run(start(CHARGE, use_of(CHARGE)), desk)
    again = CHARGE.model_copy(update={"attempt": 2})
    assert run(start(again, use_of(again)), desk).id == "in_new"
    desk.rows.append(mine(2))
    assert run(start(again, use_of(again)), desk).id == "in_2"


def test_another_bill_under_the_reference_is_a_mismatch() -> None:
    """The adapter's comparison decides: 25.00 is not 19.00."""
    desk = Desk([mine(1, total=2500)])
    with pytest.raises(IdempotencyMismatch, match=r"it holds 25\.00 EUR, not 19\.00 EUR") as caught:
        run(start(CHARGE, use_of(CHARGE)), desk)
    assert caught.value.existing is not None
    assert desk.sent == [LIST, "GET /invoices/in_1"]


def test_an_unreadable_item_that_may_be_it_stops_the_bill() -> None:
    """An item that holds the reference and cannot be read may be the bill: nothing is billed; what helps is said."""
    desk = Desk([mine(1, total="19,00")])
    with pytest.raises(Unsupported) as caught:
        run(start(CHARGE, use_of(CHARGE)), desk)
    assert "it is unknown whether the reference 'res-1' was billed before: an invoice that may be it" in str(
        caught.value
    )
    assert 'pass lookup="never" if you know that it was not billed' in str(caught.value)
    assert desk.sent == [LIST]


@pytest.mark.parametrize("reference", ['quo"ted', "back\\slash", "Zoë/é", "a\u2028b", "{x}"])
def test_an_unreadable_item_is_searched_as_json(reference: str) -> None:
    """However JSON spells the reference, an unreadable item that holds it is seen."""
    command = CHARGE.model_copy(update={"reference": reference})
    desk = Desk([row(1, ref=reference, total="19,00")])
    with pytest.raises(Unsupported, match="it is unknown whether the reference"):
        run(start(command, use_of(command)), desk)


def test_an_unreadable_item_of_somebody_else_is_passed_over() -> None:
    """A torn item without the reference says nothing about this bill, however few letters the reference has."""
    assert run(start(CHARGE, use_of(CHARGE)), Desk([row(1, total="19,00")])).id == "in_new"
    command = CHARGE.model_copy(update={"reference": "X"})
    assert run(find_matches(command, use_of(command)), Desk([row(1, total="19,00")])) == Matches((), "")


def test_an_invoice_that_stands_is_taken_in_spite_of_a_gap() -> None:
    """What is found is found; the gap matters where nothing is."""
    desk = Desk([mine(1), mine(2, total="19,00")])
    assert run(start(CHARGE, use_of(CHARGE)), desk).id == "in_1"


def test_an_invoice_on_two_pages_is_one() -> None:
    """Others are made while the pages are read, and push it onto the next one: it is read once, and is one bill."""
    desk = Desk([row(1), mine(2), mine(2), row(3)], size=2)
    assert run(start(CHARGE, use_of(CHARGE)), desk).id == "in_2"
    assert desk.sent == [LIST, "GET /invoices/in_2", f"{LIST}&after=2"]


def test_the_look_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hundred pages it stops, and does not pass for "absent"."""
    assert PAGES == 100
    monkeypatch.setattr("invoice_bridge.adapter.lookup.PAGES", 3)
    full = Desk([row(number) for number in range(7)], size=2)
    with pytest.raises(Unsupported, match="the listing goes on after 3 pages; nothing was billed"):
        run(start(CHARGE, use_of(CHARGE)), full)
    assert len(full.sent) == 3
    fits = Desk([row(number) for number in range(6)], size=2)
    assert run(start(CHARGE, use_of(CHARGE)), fits).id == "in_new"
    assert len(fits.sent) == 4


def test_the_real_bound_is_a_hundred_pages() -> None:
    """A hundred pages are read to the end; of a hundred and one, a hundred."""
    for pages, gap in ((100, ""), (101, "the listing goes on after 100 pages")):
        desk = Desk([row(number) for number in range(pages)], size=1)
        assert run(find_matches(CHARGE, use_of(CHARGE)), desk).gap == gap
        assert len(desk.sent) == 100


# ── a draft that got another id ──────────────────────────────────────────────────────────────────────────────────────
def _issue_a_draft(command: Any, context: Context) -> Flow[Any]:
    if context.existing is not None:
        return context.existing
    return (yield context.post("invoices", "in_0", "issue", step="issue", specimen={"id": "in_0"}))


def _issued(desk: Desk, *, repeats: bool = True, **known: Any) -> Any:
    """Issue a draft that the provider does not have any more, after a try that may have taken effect."""
    flow = begin(CHARGE, lookup="never", flows=replace(FLOWS, one_time_charge=_issue_a_draft), **known)
    request = next(flow)
    assert request.url.endswith("/invoices/in_0/issue")
    answer = Response(404, b'{"message":"none","code":"missing"}', provider="acme", repeats=repeats)
    gone = LISTING.error(answer)

    def rest() -> Flow[Any]:
        try:
            request = flow.throw(gone)
            while True:
                request = flow.send((yield request))
        except StopIteration as done:
            return done.value

    return run(rest(), desk)


def test_a_draft_that_got_another_id_is_the_one_invoice_of_its_reference() -> None:
    """An earlier try issued it: the bill goes on from what the listing has."""
    assert _issued(Desk([row(1), mine(2)])).id == "in_2"


@pytest.mark.parametrize(
    "rows,known",
    [
        ([], {}),
        ([mine(1), mine(2)], {}),
        ([mine(1, status="draft")], {}),
        ([mine(1), {"id": None, "ref": "res-1"}], {}),
        ([mine(1)], {"repeats": False}),
        ([mine(1)], {"fields": (UNCARRIED, *FIELDS[1:])}),
    ],
    ids=["none", "several", "a draft", "a gap", "no earlier try", "no reference is carried"],
)
def test_a_draft_that_is_gone_is_no_other_invoice(rows: list[dict[str, Any]], known: dict[str, Any]) -> None:
    """Where not exactly one issued invoice is known to be it, the refusal stays."""
    with pytest.raises(NotFound):
        _issued(Desk(rows), **known)
