"""Looking a bill up by its reference: when it is done, what it asks, and what is made of what it finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from invoice_bridge import (
    IdempotencyMismatch,
    Invoice,
    Line,
    ListInvoices,
    LossyTranslation,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Rejected,
    Retrieve,
    Status,
    Unsupported,
    explain,
)
from invoice_bridge.commands import Bill
from invoice_bridge.lookup import MARGIN, PAGES, begin, first_use, go_on, looks, resolve, sightings
from invoice_bridge.losses import Fate, Field, Severity
from invoice_bridge.outcome import same_bill
from invoice_bridge.provider import Context, ErrorRow, Flows, Page, Provider, Unreadable, cannot
from invoice_bridge.reading import Reader, build
from invoice_bridge.wire import Flow, Request, Response, dumps, exchange
from tests.clients import emulated_at
from tests.toy import ACME, DOCS, ERRORS, FIELDS, MONEY, context

CHARGE = OneTimeCharge(reference="res-1", customer="buy_1", amount=Money(1900, "EUR"))
MAY = PeriodInvoice(reference="may", customer="buy_1", currency="EUR", period=Period.month(2026, 5))
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STATUSES = {"draft": Status.DRAFT, "posted": Status.OPEN, "void": Status.VOID, "gone": Status.DELETED}
UNCARRIED = Field(
    "reference", "", DOCS, fate=Fate.DROPPED, severity=Severity.INFO, code="IB-ACME-REF-01", why="there is no field"
)


# ── a provider that lists ────────────────────────────────────────────────────────────────────────────────────────────
def bill_of(data: Mapping[str, Any]) -> Invoice:
    """Read an invoice, its reference included."""
    at = Reader(data, "acme")
    return build(
        "acme",
        id=at.need("id"),
        status=STATUSES.get(at.text("status") or "", Status.UNKNOWN),
        native_status=at.text("status"),
        currency="EUR",
        subtotal=at.money("total", MONEY, "EUR"),
        reference=at.text("ref"),
        raw=data,
    )


def charge(ask: Any, use: Context) -> Flow[Invoice]:
    """Open an invoice, or take the one that was found."""
    if use.found is not None:
        return same_bill(ask, use.found)
    body = {"ref": ask.reference, "amount": MONEY.to_units(ask.total)}
    request = use.post("invoices", body=body, step="open", specimen={"id": "{open.id}"}, opens=True)
    return bill_of((yield from first_use(exchange(request), ask, use)).object)


def period(ask: Any, use: Context) -> Flow[Invoice]:
    """Bill what has accrued, or take the invoice that was found."""
    if use.found is not None:
        return same_bill(ask, use.found)
    yield use.get("charges", specimen={})
    return bill_of((yield use.post("invoices", step="open", specimen={"id": "{open.id}"}, opens=True)).object)


def retrieve(ask: Any, use: Context) -> Flow[Invoice]:
    """Read one."""
    return bill_of((yield use.get("invoices", ask.id, specimen={"id": ask.id})).object)


def page(ask: ListInvoices, use: Context) -> Flow[Page]:
    """Read one page."""
    pairs = [("from", ask.created_from.isoformat())] if ask.created_from else []
    pairs += [("buyer", ask.customer.id or "")] if ask.customer else []
    pairs += [("after", ask.cursor)] if ask.cursor else []
    answer = yield use.get("invoices", query=pairs, specimen={"items": [{"id": "{listed.id}"}]})
    items: list[Invoice | Unreadable] = []
    for row in answer.object["items"]:
        try:
            items.append(bill_of(row))
        except MalformedResponse as error:
            items.append(Unreadable(row, error))
    after = answer.object.get("next")
    return Page(tuple(items), ask.model_copy(update={"cursor": after}) if after else None)


FLOWS = Flows(one_time_charge=charge, period_invoice=period, retrieve=retrieve, list=page)
REUSED = ErrorRow(Rejected, DOCS, code="key_reused", key_reused=True)
LISTING: Provider = replace(ACME, flows=FLOWS, parse=bill_of, errors=(REUSED, *ERRORS), limits=())


def use_of(ask: Bill, *, hours: int = 1, **said: Any) -> Context:
    """The context of a bill at a provider that remembers keys for so many hours."""
    fields = said.pop("fields", FIELDS)
    flows = said.pop("flows", FLOWS)
    window = replace(ACME.idempotency, window=timedelta(hours=hours))
    provider = replace(LISTING, idempotency=window, fields=fields, flows=flows)
    return replace(context(), provider=provider, **said).on(ask)


@dataclass
class Desk:
    """Acme's answers: the invoices it holds, in pages, and what it was asked."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 100
    refuses: str = ""
    sent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        path = request.url.removeprefix("https://main.acme.test/v1")
        self.sent.append(f"{request.method} {path}")
        self.notes.append(request.note)
        if request.writes and self.refuses:
            return Response(400, dumps({"message": "no", "code": self.refuses}), provider="acme")
        if request.writes:
            return self._said({"id": "in_new", "status": "posted", "ref": "res-1", "total": 1900})
        if path.startswith("/invoices/"):
            mine = [row for row in self.rows if row["id"] == path.removeprefix("/invoices/")]
            return self._said(mine[0] | {"status": mine[0].get("now", mine[0]["status"])}) if mine else self._none()
        begins = int(path.partition("after=")[2] or 0)
        ends = begins + self.size
        shown = [row for row in self.rows if not row.get("hidden")]
        return self._said({"items": shown[begins:ends], "next": str(ends) if ends < len(shown) else None})

    def _said(self, body: Any) -> Response:
        return Response(200, dumps(body), provider="acme")

    def _none(self) -> Response:
        return Response(404, b'{"message":"none","code":"missing"}', provider="acme")


def row(number: int, **said: Any) -> dict[str, Any]:
    """An invoice as Acme writes it."""
    return {"id": f"in_{number}", "status": "posted", "ref": f"other-{number}", "total": 1900} | said


def mine(number: int = 1, **said: Any) -> dict[str, Any]:
    """An invoice that carries the reference."""
    return row(number, ref="res-1", **said)


def run(flow: Flow[Any], desk: Desk) -> Any:
    """Answer a flow's requests at the desk until it is done."""
    try:
        request = next(flow)
        while True:
            answer = desk(request)
            request = flow.send(answer) if answer.status < 300 else flow.throw(LISTING.error(answer))
    except StopIteration as done:
        return done.value


LIST = "GET /invoices?buyer=buy_1"


# ── when a bill is looked up ─────────────────────────────────────────────────────────────────────────────────────────
def test_when_a_bill_is_looked_up() -> None:
    """Of every combination, "auto" leaves the look out in five, all of them first attempts: those that a journal does
    not know, and, without a journal, a known amount where the provider remembers keys for a day.
    """
    without: dict[str, set[Any]] = {"auto": set(), "always": set(), "never": set()}
    cases = list(product(without, (1, 24), (None, False, True), (1, 2), (CHARGE, MAY)))
    for lookup, hours, tried, attempt, bill in cases:
        ask = bill.model_copy(update={"attempt": attempt})
        if not looks(ask, use_of(ask, hours=hours, lookup=lookup, tried=tried)):
            without[lookup].add((hours, tried, attempt, ask.reference))
    new_to_a_journal = {(hours, False, 1, reference) for hours in (1, 24) for reference in ("res-1", "may")}
    assert without["auto"] == {(24, None, 1, "res-1")} | new_to_a_journal
    assert without["always"] == set()
    assert len(without["never"]) == len(cases) / 3 == 24


@pytest.mark.parametrize(
    "bill,rated",
    [
        (CHARGE, False),
        (CHARGE.model_copy(update={"amount": Money(1999, "EUR")}), True),  # Acme rounds it: it sets the amount
        (MAY, True),
        (MAY.model_copy(update={"lines": (Line(amount=Money(100, "EUR")),)}), False),
    ],
)
def test_what_the_provider_rates_is_always_looked_up(bill: Bill, rated: bool) -> None:
    """Where the provider sets the amount, what was billed has left the pile: a day's memory of keys is no help."""
    assert looks(bill, use_of(bill, hours=24)) is rated


def test_another_version_of_keys_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library whose keys changed cannot rely on the provider's memory of the old ones."""
    use = use_of(CHARGE, hours=24)
    assert looks(CHARGE, use) is False
    monkeypatch.setattr("invoice_bridge.idempotency.KEY_VERSION", 2)
    assert looks(CHARGE, use) is True


@pytest.mark.parametrize(
    "without",
    [
        {"fields": (UNCARRIED, *FIELDS[1:])},
        {"flows": replace(FLOWS, list=None)},
        {"flows": replace(FLOWS, list=cannot("nothing is listed", source=DOCS))},
    ],
)
def test_what_cannot_be_found_is_not_looked_up(without: dict[str, Any]) -> None:
    """A reference that is not carried, or a provider that lists nothing: "auto" makes no look, "always" refuses."""
    second = CHARGE.model_copy(update={"attempt": 2})
    assert looks(second, use_of(second, **without)) is False
    desk = Desk()
    with pytest.raises(Unsupported, match="does not carry the reference of this bill where it could be looked up"):
        run(begin(CHARGE, use_of(CHARGE, lookup="always", **without)), desk)
    assert desk.sent == []
    assert run(go_on(CHARGE, use_of(CHARGE, **without)), desk) is None
    told = run(resolve(CHARGE, use_of(CHARGE, **without), now=NOON, last=NOON), desk)
    assert (told.state, told.why) == ("ambiguous", "Acme does not carry the reference of this bill in a listing")
    assert desk.sent == []


def test_a_verb_is_never_looked_up() -> None:
    """Only bills have a reference."""
    desk = Desk([mine()])
    ask = Retrieve(id="in_1")
    found = run(begin(ask, replace(use_of(CHARGE), lookup="always").on(ask)), desk)
    assert (found.id, desk.sent) == ("in_1", ["GET /invoices/in_1"])


# ── what the look asks ───────────────────────────────────────────────────────────────────────────────────────────────
def test_the_look_reads_the_customers_listing_and_each_hit_afresh() -> None:
    """Listings of the customer's invoices, page after page, then the invoice that carries the reference."""
    desk = Desk([row(1), row(2), mine(3, now="void"), row(4)], size=2)
    found = run(begin(CHARGE, use_of(CHARGE)), desk)
    assert desk.sent == [LIST, f"{LIST}&after=2", "GET /invoices/in_3"]
    assert set(desk.notes[:2]) == {"the look: whether the reference was billed before"}
    assert (found.id, found.status) == ("in_3", Status.VOID)  # as it is now, not as it was listed


def test_nothing_found_is_billed() -> None:
    """The bill follows its look."""
    desk = Desk([row(1)])
    assert run(begin(CHARGE, use_of(CHARGE)), desk).id == "in_new"
    assert desk.sent == [LIST, "POST /invoices"]


def test_no_look_is_no_request() -> None:
    """lookup="never" bills at once, whatever stands."""
    desk = Desk([mine()])
    assert run(begin(CHARGE, use_of(CHARGE, lookup="never")), desk).id == "in_new"
    assert desk.sent == ["POST /invoices"]


def test_the_look_begins_a_day_before_the_first_try() -> None:
    """What is older than the first try is not read; clocks may differ by a day."""
    desk = Desk()
    run(begin(CHARGE, use_of(CHARGE, since=NOON)), desk)
    assert timedelta(days=1) == MARGIN
    assert desk.sent[0] == "GET /invoices?from=2026-11-21T12%3A00%3A00%2B00%3A00&buyer=buy_1"


def test_a_bill_without_a_customer_here_is_looked_up_in_the_whole_listing() -> None:
    """No customer narrows the listing where the bill names none of this provider's."""
    desk = Desk()
    ask = CHARGE.model_copy(update={"customer": None})
    run(begin(ask, use_of(ask)), desk)
    assert desk.sent[0] == "GET /invoices"


def test_an_invoice_deleted_since_it_was_listed_is_taken_as_it_was_listed() -> None:
    """The listing lags: what cannot be read any more is still a sign that the reference was used."""
    listed = Desk([mine()])
    flow = sightings(CHARGE, use_of(CHARGE))
    request = flow.send(listed(next(flow)))
    assert request.url.endswith("/invoices/in_1")
    with pytest.raises(StopIteration) as done:
        flow.throw(NotFound("gone"))
    assert [invoice.id for invoice in done.value.value.invoices] == ["in_1"]


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
    look = [request for request in plan.requests if request.note.startswith("the look")]
    assert look
    assert list(plan.requests[: len(look)]) == look
    assert {request.method for request in look} == {"GET"}
    assert [request.url for request in plan.requests if "search" in request.url] == []
    assert any(request.writes for request in plan.requests)
    assert "the look" in plan.text()


@pytest.mark.parametrize(
    "name,settings,looked", [("stripe", {}, False), ("chargebee", {"site": "acme"}, True), ("chargeapi", {}, True)]
)
def test_what_explain_looks_up_by_itself(name: str, settings: dict[str, Any], looked: bool) -> None:
    """Stripe remembers a day; Chargebee half an hour; ChargeAPI sets the amount itself."""
    bill: Any = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1900, "EUR"))
    if name == "chargeapi":
        bill = PeriodInvoice(reference="res-1", customer="cus_42", currency="EUR", period=Period.month(2026, 5))
    for lookup, expected in (("auto", looked), ("never", False)):
        plan = explain(name, bill, lookup=lookup, **settings)  # type: ignore[arg-type]
        assert any(request.note.startswith("the look") for request in plan.requests) is expected


# ── what is refused before the look ──────────────────────────────────────────────────────────────────────────────────
def test_what_cannot_be_billed_is_refused_before_the_look() -> None:
    """A currency that Acme does not carry costs no request."""
    ask = CHARGE.model_copy(update={"amount": Money(1900, "USD")})
    desk = Desk()
    with pytest.raises(Unsupported, match="USD"):
        run(begin(ask, use_of(ask)), desk)
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
def test_several_standing_invoices_are_a_mismatch() -> None:
    """Two invoices under one reference: nothing is done, and both are named."""
    desk = Desk([mine(1), mine(2), row(3)])
    with pytest.raises(IdempotencyMismatch) as caught:
        run(begin(CHARGE, use_of(CHARGE)), desk)
    assert str(caught.value) == "the reference 'res-1' stands on 2 invoices, in_1, in_2; nothing was done"
    assert caught.value.existing is not None
    assert caught.value.existing.id == "in_1"
    with pytest.raises(IdempotencyMismatch):
        run(go_on(CHARGE, use_of(CHARGE)), desk)
    assert not any(sent.startswith("POST") for sent in desk.sent)


@pytest.mark.parametrize("status", ["void", "gone"])
def test_a_second_attempt_passes_over_what_was_withdrawn(status: str) -> None:
    """The first attempt is answered with the void invoice; the second bills again; a third finds the second's."""
    desk = Desk([mine(1, status=status)])
    assert run(begin(CHARGE, use_of(CHARGE)), desk).id == "in_1"
    again = CHARGE.model_copy(update={"attempt": 2})
    assert run(begin(again, use_of(again)), desk).id == "in_new"
    desk.rows.append(mine(2))
    assert run(begin(again, use_of(again)), desk).id == "in_2"


def test_another_bill_under_the_reference_is_a_mismatch() -> None:
    """The adapter's comparison decides: 25.00 is not 19.00."""
    desk = Desk([mine(1, total=2500)])
    with pytest.raises(IdempotencyMismatch, match=r"it holds 25\.00 EUR, not 19\.00 EUR") as caught:
        run(begin(CHARGE, use_of(CHARGE)), desk)
    assert caught.value.existing is not None
    assert desk.sent == [LIST, "GET /invoices/in_1"]


def test_an_unreadable_item_that_may_be_it_stops_the_bill() -> None:
    """An item that holds the reference and cannot be read may be the bill: nothing is billed; what helps is said."""
    desk = Desk([mine(1, total="19,00")])
    with pytest.raises(Unsupported) as caught:
        run(begin(CHARGE, use_of(CHARGE)), desk)
    assert "whether the reference 'res-1' was billed before cannot be told: an invoice that may be it" in str(
        caught.value
    )
    assert 'write lookup="never" if you know it was not' in str(caught.value)
    assert desk.sent == [LIST]


@pytest.mark.parametrize("reference", ['quo"ted', "back\\slash", "Zoë/é", "a\u2028b", "{x}"])
def test_an_unreadable_item_is_searched_as_json(reference: str) -> None:
    """However JSON spells the reference, an unreadable item that holds it is seen."""
    ask = CHARGE.model_copy(update={"reference": reference})
    desk = Desk([row(1, ref=reference, total="19,00")])
    with pytest.raises(Unsupported, match="cannot be told"):
        run(begin(ask, use_of(ask)), desk)


def test_an_unreadable_item_of_somebody_else_is_passed_over() -> None:
    """A torn item without the reference says nothing about this bill."""
    assert run(begin(CHARGE, use_of(CHARGE)), Desk([row(1, total="19,00")])).id == "in_new"


def test_an_invoice_that_stands_is_taken_in_spite_of_a_gap() -> None:
    """What is found is found; the gap matters where nothing is."""
    desk = Desk([mine(1), mine(2, total="19,00")])
    assert run(begin(CHARGE, use_of(CHARGE)), desk).id == "in_1"


def test_an_invoice_on_two_pages_is_one() -> None:
    """Others are made while the pages are read, and push it onto the next one: it is read once, and is one bill."""
    desk = Desk([row(1), mine(2), mine(2), row(3)], size=2)
    assert run(begin(CHARGE, use_of(CHARGE)), desk).id == "in_2"
    assert desk.sent == [LIST, "GET /invoices/in_2", f"{LIST}&after=2"]


def test_the_look_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hundred pages it stops, and does not pass for "absent"."""
    assert PAGES == 100
    monkeypatch.setattr("invoice_bridge.lookup.PAGES", 3)
    full = Desk([row(number) for number in range(7)], size=2)
    with pytest.raises(Unsupported, match="the listing goes on after 3 pages; nothing was billed"):
        run(begin(CHARGE, use_of(CHARGE)), full)
    assert len(full.sent) == 3
    fits = Desk([row(number) for number in range(6)], size=2)
    assert run(begin(CHARGE, use_of(CHARGE)), fits).id == "in_new"
    assert len(fits.sent) == 4


def test_the_real_bound_is_a_hundred_pages() -> None:
    """A hundred pages are read to the end; of a hundred and one, a hundred."""
    for pages, gap in ((100, ""), (101, "the listing goes on after 100 pages")):
        desk = Desk([row(number) for number in range(pages)], size=1)
        assert run(sightings(CHARGE, use_of(CHARGE)), desk).gap == gap
        assert len(desk.sent) == 100


# ── after a failure ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_after_a_failure_nothing_found_is_not_billed_again() -> None:
    """A listing may not show yet what was made a moment ago: the look reads and leaves it at that."""
    desk = Desk([row(1)])
    assert run(go_on(CHARGE, use_of(CHARGE)), desk) is None
    assert desk.sent == [LIST]


def test_after_a_failure_what_is_found_is_gone_on_with() -> None:
    """The invoice that stands is the bill."""
    assert run(go_on(CHARGE, use_of(CHARGE)), Desk([mine()])).id == "in_1"


# ── a key that came with another bill ────────────────────────────────────────────────────────────────────────────────
def test_a_key_used_for_another_bill_is_a_mismatch_with_what_stands() -> None:
    """The provider refuses the key with another body: the invoice under the reference is looked up and named."""
    desk = Desk([row(1), mine(2)], refuses="key_reused")
    with pytest.raises(IdempotencyMismatch) as caught:
        run(begin(CHARGE, use_of(CHARGE, hours=24)), desk)
    assert str(caught.value) == (
        "the reference 'res-1' was used before for a bill of other content, in_2; nothing was billed: "
        "give a new bill a new reference"
    )
    assert caught.value.existing is not None
    assert (caught.value.existing.id, desk.sent) == ("in_2", ["POST /invoices", LIST, "GET /invoices/in_2"])


def test_a_key_used_for_a_bill_that_cannot_be_seen_is_a_mismatch_too() -> None:
    """Neither an empty listing nor one that fails hides the mismatch."""
    with pytest.raises(IdempotencyMismatch) as caught:
        run(begin(CHARGE, use_of(CHARGE, hours=24)), Desk(refuses="key_reused"))
    assert caught.value.existing is None
    flow = begin(CHARGE, use_of(CHARGE, hours=24))
    next(flow)
    refusal = LISTING.error(Response(400, b'{"message":"no","code":"key_reused"}'))
    assert flow.throw(refusal).url.endswith("/invoices?buyer=buy_1")
    with pytest.raises(IdempotencyMismatch):
        flow.throw(NotFound("no listing"))


def test_another_refusal_is_the_callers() -> None:
    """Only a reused key is a mismatch."""
    desk = Desk([mine()], refuses="else")
    with pytest.raises(Rejected):
        run(begin(CHARGE, use_of(CHARGE, hours=24)), desk)
    assert desk.sent == ["POST /invoices"]


# ── resolve ──────────────────────────────────────────────────────────────────────────────────────────────────────────
LATER = NOON + timedelta(minutes=5)


@pytest.mark.parametrize(
    "rows,now,state,why",
    [
        ([mine(1)], NOON, "found", "in_1 carries it, open"),
        ([mine(1, status="void")], LATER, "found", "in_1 carries it, void"),
        ([mine(1), mine(2)], LATER, "ambiguous", "the reference stands on 2 invoices: in_1, in_2"),
        ([mine(1, total="x")], LATER, "ambiguous", "an invoice that may be it cannot be read: "),
        ([row(1)], NOON, "too_early", "no invoice carries it, and one may still appear: ask again in 300 s"),
        ([], LATER - timedelta(milliseconds=1), "too_early", "no invoice carries it, and one may still appear: ask aga"),
        ([], LATER, "absent", "no invoice carries it, and none can appear any more"),
        ([row(1)], LATER, "absent", "no invoice carries it, and none can appear any more"),
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
    monkeypatch.setattr("invoice_bridge.lookup.PAGES", 1)
    told = run(resolve(CHARGE, use_of(CHARGE), now=LATER, last=NOON), Desk([row(1), row(2)], size=1))
    assert (told.state, told.why) == ("ambiguous", "the listing goes on after 1 pages")
