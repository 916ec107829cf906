"""The same bill again: what a look finds, what a key still knows, what was lost; billed once, and told as it is."""

from datetime import timedelta
from typing import Any, Literal

import pytest

from invoice_bridge import (
    AlreadyBilled,
    AlreadySettled,
    Client,
    Collection,
    Discrepancy,
    IdempotencyMismatch,
    InvalidState,
    MalformedResponse,
    Money,
    NotFound,
    NothingToBill,
    OneTimeCharge,
    OutcomeUnknown,
    Period,
    PeriodInvoice,
    Rejected,
    Status,
    Unsupported,
    explain,
)
from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.adapter.lookup import is_findable
from invoice_bridge.core.commands import Delete
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.engine.lookup import start
from invoice_bridge.explain import make_context
from invoice_bridge.providers.chargebee import CHARGEBEE
from invoice_bridge.providers.chargebee.conditions import reference_field
from invoice_bridge.testing import no_waiting
from tests.providers.chargebee.conftest import API, LOOK, World, make_world
from tests.refusals import refusal_of

MAY = Period.month(2026, 5)
ALLOWED = ["collection"]
CREATE = "POST /invoices/create_for_charge_items_and_charges"
PILE = "GET /unbilled_charges?subscription_id%5Bis%5D=sub_42&limit=100"
INVOICE = "POST /unbilled_charges/invoice_unbilled_charges"
LATER = timedelta(minutes=31)
"""Chargebee has forgotten the keys."""


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def bill(**more: Any) -> OneTimeCharge:
    said: dict[str, Any] = {"reference": "r1", "customer": "cus_42", "amount": eur(1999), "description": "Fees"}
    return OneTimeCharge(**{**said, **more})


def charge(**more: Any) -> OneTimeCharge:
    return bill(**{"collection": Collection.charge("pm_42"), **more})


def accrued(**more: Any) -> PeriodInvoice:
    said: dict[str, Any] = {"reference": "may", "customer": "cus_42", "subscription": "sub_42", "tax": "provider"}
    return PeriodInvoice(period=MAY, currency="EUR", **{**said, **more})


def lost(path: str, times: int = 3) -> Fault:
    """A request that takes effect and whose answers are all lost, as often as a call tries."""
    return Fault(Kind.RESET_AFTER, "POST", path, times=times)


def failed(path: str, times: int = 1) -> Fault:
    """A request that takes effect and is answered with HTTP 500."""
    return Fault(Kind.ERROR_AFTER, "POST", path, times=times)


# ── the look ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("catalog", [1, 2])
@pytest.mark.parametrize("command", [bill(), charge(), charge(tax="provider")])
def test_past_the_window_a_bill_is_found(catalog: Literal[1, 2], command: OneTimeCharge) -> None:
    """Chargebee forgets a key after 30 minutes; the look finds the bill, and nothing is sent."""
    world = make_world(catalog)
    first = world.client.create(command, allow=ALLOWED)
    events = list(world.events)
    world.clock.now += LATER
    world.transport.sent.clear()
    assert world.client.create(command, allow=ALLOWED) == first
    assert world.sent == [LOOK, "GET /invoices/1"]
    assert world.events == events


def test_past_the_window_without_a_look_it_is_billed_again() -> None:
    """The control: lookup="never" bills once within the window of 30 minutes, and twice past it."""
    world = make_world(lookup="never")
    assert world.client.create(bill()).id == "1"
    world.clock.now += timedelta(minutes=29)
    assert world.client.create(bill()).id == "1"
    assert world.events == ["issued"]
    world.clock.now += timedelta(minutes=2)
    assert world.client.create(bill()).id == "2"
    assert world.events == ["issued", "issued"]


def test_every_bill_is_looked_up_first() -> None:
    """The plan of every bill begins with the listing of its customer."""
    for command in (bill(), charge(), bill(draft=True), accrued()):
        plan = explain("chargebee", command, site="acme-test", reference_field="cf_ref")
        assert f"{plan.requests[0].method} {plan.requests[0].url.removeprefix(API)}" == LOOK
        assert plan.requests[0].specimen["list"][0]["invoice"]["id"] == "{listed.id}"
        assert plan.requests[0].note == "lookup: was the reference billed before?"


@pytest.mark.parametrize("field", [None, "cf_ref"])
@pytest.mark.parametrize("order", [None, "PO-7"])
def test_findable_is_what_a_field_carries(field: str | None, order: str | None) -> None:
    """A bill can be found exactly where a field of the invoice carries its reference; else it is refused by default."""
    command = bill(purchase_order=order)
    context = make_context(CHARGEBEE, {"site": "acme-test", "reference_field": field})
    carried = reference_field(command, context.settings) is not None
    assert carried is (field is not None or order is None)
    assert is_findable(command, context) is carried
    world = make_world(reference_field=field)
    if not carried:
        with pytest.raises(Unsupported, match="stores no reference of this bill that can be looked up"):
            world.client.create(command, allow=["reference"])
        assert world.sent == []
        return
    for _ in range(2):
        assert world.client.create(command, allow=["reference"]).id == "1"
    assert (world.sent.count(LOOK), world.events) == (2, ["issued"])


@pytest.mark.parametrize("field", [None, "cf_ref"])
def test_the_look_reads_the_listing_alone(field: str | None) -> None:
    """The reference stands in each item of the listing: of many invoices only the one that carries it is read."""
    world = make_world(reference_field=field)
    for number in range(5):
        world.client.create(bill(reference=f"r{number}"))
    world.clock.now += LATER
    world.transport.sent.clear()
    assert world.client.create(bill(reference="r3")).id == "4"
    assert world.sent == [LOOK, "GET /invoices/4"]


# ── what is found ────────────────────────────────────────────────────────────────────────────────────────────────────
def drafted(world: World, **more: Any) -> str:
    """Leave the draft of a bill behind, as one whose process ended before it was closed."""
    made = world.client.create(charge(draft=True, **more))
    world.clock.now += LATER
    world.transport.sent.clear()
    return made.id


def test_a_draft_that_is_found_is_closed(world: World) -> None:
    """What an earlier try opened is compared and closed, which collects; nothing is opened."""
    draft = drafted(world)
    made = world.client.create(charge())
    assert world.sent == [LOOK, f"GET /invoices/{draft}", f"POST /invoices/{draft}/close"]
    assert (made.id, made.status, made.amount_paid) == ("1", Status.PAID, eur(1999))
    assert world.events == ["issued", "collected"]


def test_a_draft_of_another_amount_is_not_closed(world: World) -> None:
    """Another content under the reference stops before money moves; the error has what stands there."""
    draft = drafted(world, amount=eur(2000))
    with pytest.raises(IdempotencyMismatch, match=r"it holds 20\.00 EUR, not 19\.99 EUR") as other:
        world.client.create(charge())
    assert other.value.existing is not None
    assert (other.value.existing.id, other.value.outcome, world.events) == (draft, "nothing_done", [])


@pytest.mark.parametrize("collection", [Collection.manual(), Collection.send(net_days=3)])
def test_a_draft_is_not_closed_for_a_bill_that_does_not_collect(world: World, collection: Collection) -> None:
    """An invoice does not show whether closing it collects: a bill that nobody is to collect leaves it alone."""
    draft = drafted(world)
    with pytest.raises(IdempotencyMismatch, match="closing it may collect it") as other:
        world.client.create(bill(collection=collection), allow=ALLOWED)
    assert other.value.existing is not None
    assert (other.value.existing.id, world.events) == (draft, [])


def test_a_draft_again_stays_a_draft(world: World) -> None:
    """A bill that shall stay a draft is found as one, and is returned as it is where it was closed since."""
    draft = drafted(world)
    assert world.client.create(charge(draft=True)).id == draft
    world.client.finalize(draft)
    assert world.client.create(charge(draft=True)).status is Status.PAID
    assert world.events == ["issued", "collected"]


def test_an_open_invoice_that_is_found_is_not_collected_again(world: World) -> None:
    """Declined at first, the site's dunning collects it: the same bill again returns it and sends nothing."""
    command = charge(collection=Collection.charge("pm_declined"))
    first = world.client.create(command)
    world.clock.now += LATER
    world.transport.sent.clear()
    assert world.client.create(command).id == first.id
    assert world.sent == [LOOK, "GET /invoices/1"]
    assert world.events == ["issued"]


def test_a_payment_on_its_way_is_not_collected_again(world: World) -> None:
    """Found open with a payment in progress, it is returned as that."""
    command = charge(collection=Collection.charge("pm_pending"))
    world.client.create(command)
    world.clock.now += LATER
    again = world.client.create(command)
    assert (again.status, again.payment_pending) == (Status.OPEN, True)
    assert len(world.site.invoices["1"]["linked_payments"]) == 1


@pytest.mark.parametrize("verb,status", [("void", Status.VOID), ("mark_uncollectible", Status.UNCOLLECTIBLE)])
def test_defect_44_what_was_withdrawn_is_not_made_again(world: World, verb: str, status: Status) -> None:
    """A bill that was voided or written off is not made again under its reference, until attempt is raised."""
    world.client.create(bill())
    getattr(world.client, verb)("1")
    world.clock.now += LATER
    with pytest.raises(AlreadySettled) as settled:
        world.client.create(bill())
    assert settled.value.existing is not None
    assert (settled.value.existing.status, world.events.count("issued")) == (status, 1)
    if status is Status.VOID:
        assert world.client.create(bill(attempt=2)).id == "2"
    else:
        with pytest.raises(AlreadySettled, match="it can still be paid, so it is not billed again"):
            world.client.create(bill(attempt=2))


def test_two_invoices_of_a_reference_stop(world: World) -> None:
    """Where somebody billed the reference twice, nothing is done, and both are named."""
    for _ in range(2):
        pairs = (("customer_id", "cus_42"), ("charges[amount][0]", "1999"), ("po_number", "r1"))
        world.made("/invoices/create_for_charge_items_and_charges", *pairs, ("auto_collection", "off"))
    with pytest.raises(AlreadyBilled, match="is on 2 invoices, 2, 1"):
        world.client.create(bill())
    assert world.events == ["issued", "issued"]


# ── a key that came before with another bill ─────────────────────────────────────────────────────────────────────────
def test_the_key_of_another_bill_is_a_mismatch() -> None:
    """Not looked up first, another content under the key is HTTP 422; what stands under the reference is looked up."""
    world = make_world(lookup="never")
    world.client.create(bill())
    with pytest.raises(IdempotencyMismatch) as other:
        world.client.create(bill(amount=eur(1)))
    assert isinstance(other.value.__cause__, Rejected)
    assert (other.value.__cause__.status, other.value.__cause__.code) == (422, "unable_to_process_request")
    assert other.value.existing is not None
    assert (other.value.existing.id, other.value.outcome) == ("1", "nothing_done")
    assert world.events == ["issued"]


def test_the_reference_of_a_charge_is_none_for_a_period() -> None:
    """The same reference for unbilled charges meets the same key: a mismatch, and the pile stays."""
    world = make_world(reference_field="cf_ref", lookup="never")
    world.client.create(bill())
    with pytest.raises(IdempotencyMismatch) as other:
        world.client.create(accrued(reference="r1"), allow=ALLOWED)
    assert other.value.existing is not None
    assert (other.value.existing.id, world.events, len(world.site.unbilled)) == ("1", ["issued"], 2)


@pytest.mark.parametrize(
    "status,kind,code,reused",
    [
        (422, "invalid_request", "unable_to_process_request", True),
        (400, "invalid_request", "unable_to_process_request", False),
        (422, "operation_failed", "unable_to_process_request", False),
        (422, "invalid_request", "param_wrong_value", False),
    ],
)
def test_only_the_documented_refusal_is_the_keys(status: int, kind: str, code: str, reused: bool) -> None:
    """The code alone says little: with another status or type it is a plain refusal."""
    answer = Response(status, dumps({"message": "No.", "type": kind, "api_error_code": code}))
    row = CHARGEBEE.classify(answer)
    assert (type(row.error), row.key_reused, row.maybe_applied) == (Rejected, reused, False)


# ── what was lost ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_lost_answer_is_asked_for_again() -> None:
    """Within one call the request goes again under its key, and the invoice is read as it stands."""
    world = make_world(faults=[lost("/create_for", times=1)])
    assert world.client.create(bill()).id == "1"
    assert world.sent == [LOOK, CREATE, CREATE, "GET /invoices/1"]
    assert world.events == ["issued"]


@pytest.mark.parametrize("later", [timedelta(), LATER])
@pytest.mark.parametrize("renumbers", [True, False])
def test_a_lost_close_is_found(renumbers: bool, later: timedelta) -> None:
    """Closed, and nobody was told: the same bill again is found by its reference, under whatever id it has now."""
    world = make_world(faults=[lost("/close")], closing_renumbers=renumbers)
    with pytest.raises(OutcomeUnknown) as unknown:
        world.client.create(charge())
    assert unknown.value.outcome == "unknown"
    world.clock.now += later
    world.transport.sent.clear()
    made = world.client.create(charge())
    assert made.id == ("1" if renumbers else "draft_inv_00000001")
    assert (made.status, made.reference) == (Status.PAID, "r1")
    assert world.sent == [LOOK, f"GET /invoices/{made.id}"]
    assert world.events == ["issued", "collected"]


@pytest.mark.parametrize("renumbers", [True, False])
def test_a_close_refused_after_the_fact_worked(renumbers: bool) -> None:
    """HTTP 500 after the fact, kept under no key: nothing is sent again, and the invoice is found instead."""
    world = make_world(faults=[failed("/close")], closing_renumbers=renumbers)
    made = world.client.create(charge())
    assert (made.id, made.status) == ("1" if renumbers else "draft_inv_00000001", Status.PAID)
    assert [path for path in world.sent if path.endswith("/close")] == ["POST /invoices/draft_inv_00000001/close"]
    assert world.events == ["issued", "collected"]


@pytest.mark.parametrize("repeated", [False, True])
def test_a_draft_that_is_gone_is_not_taken_for_closed(repeated: bool) -> None:
    """Only after a lost try is the reference looked up, and a draft that is found then is no closed invoice."""
    command = charge()
    context = make_context(CHARGEBEE, {"site": "acme-test"}).on(command)
    flow = start(command, context, lookup="never")
    draft = {"id": "d_1", "status": "pending", "currency_code": "EUR", "total": 1999, "line_items": [{"amount": 1999}]}
    next(flow)
    flow.send(Response(200, dumps({"invoice": draft})))
    gone = refusal_of(NotFound, "d_1 not found", provider="chargebee", status=404, repeats=repeated)
    last = Response(200, dumps({"invoice": {**draft, "po_number": "r1"}}))
    if repeated:
        flow.throw(gone)
        flow.send(Response(200, dumps({"list": [{"invoice": {**draft, "po_number": "r1"}}]})))
    with pytest.raises(NotFound):
        _ = flow.send(last) if repeated else flow.throw(gone)


@pytest.mark.parametrize("stored", [False, True])
def test_a_failure_leads_to_a_look(stored: bool) -> None:
    """HTTP 500 after the fact: whether Chargebee keeps it under the key is not documented, so it is not sent again."""
    world = make_world(faults=[failed("/create_for")], failures_stored=stored)
    assert world.client.create(bill()).id == "1"
    assert world.sent == [LOOK, CREATE, LOOK, "GET /invoices/1"]
    assert world.events == ["issued"]


# ── the verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "verb,path,status,given",
    [
        ("void", "/void", Status.VOID, {}),
        ("mark_uncollectible", "/write_off", Status.UNCOLLECTIBLE, {}),
        ("mark_paid", "/record_payment", Status.PAID, {}),
        ("pay", "/collect_payment", Status.PAID, {"payment_method": "pm_42"}),
    ],
)
@pytest.mark.parametrize("fault", [lost, failed])
def test_a_verb_that_was_lost_is_told_as_it_stands(
    fault: Any, verb: str, path: str, status: Status, given: dict[str, str]
) -> None:
    """A lost answer is asked for again; a second try that is refused because the first worked is no error."""
    world = make_world(faults=[fault(path, times=1)])
    made = world.client.create(bill())
    done = getattr(world.client, verb)(made.id, **given)
    assert (done.status, done.amount_remaining) == (status, eur(0))
    assert [path for path in world.sent if path.startswith("POST /invoices/1/")] == [f"POST /invoices/1{path}"] * 2
    assert world.sent[-1] == "GET /invoices/1"
    assert len(world.events) == 2


@pytest.mark.parametrize("fault", [lost, failed])
def test_finalize_that_was_lost(fault: Any) -> None:
    """Where closing keeps the id, a second try that finds no draft any more is no error."""
    world = make_world(faults=[fault("/close", times=1)], closing_renumbers=False)
    draft = world.client.create(bill(draft=True))
    assert world.client.finalize(draft.id).status is Status.OPEN
    assert world.events == ["issued"]


@pytest.mark.parametrize("fault", [lost, failed])
def test_a_delete_that_was_lost(fault: Any) -> None:
    """A draft that is not there any more, after a try that may have worked, is deleted."""
    world = make_world(faults=[fault("/delete", times=1)])
    draft = world.client.create(bill(draft=True))
    gone = world.client.delete(draft.id)
    assert (gone.id, gone.status, gone.amount_remaining) == (draft.id, Status.DELETED, eur(0))
    assert world.events == ["deleted"]


def test_a_delete_that_does_not_say_so_is_not_believed() -> None:
    """An answer without deleted=true leaves open whether the draft is gone."""
    command = Delete(id="d_1")
    flow = CHARGEBEE.flow(command, make_context(CHARGEBEE, {"site": "acme-test"}).on(command))
    next(flow)
    draft = dumps({"invoice": {"id": "d_1", "status": "pending", "currency_code": "EUR", "line_items": []}})
    flow.send(Response(200, draft))
    with pytest.raises(MalformedResponse, match="did not confirm the deletion"):
        flow.send(Response(200, draft))


def test_a_refusal_at_the_first_try_stays_one(world: World) -> None:
    """Voiding what somebody voided before is refused: nothing of this call was lost."""
    world.client.create(bill())
    world.made("/invoices/1/void")
    with pytest.raises(InvalidState) as wrong:
        world.client.void("1")
    assert wrong.value.invoice is not None
    assert wrong.value.invoice.status is Status.VOID


# ── what has accrued ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("later", [timedelta(), LATER])
def test_a_late_charge_makes_no_second_bill(named: World, later: timedelta) -> None:
    """Once the bill is found, what accrues in its period later is left for another reference."""
    first = named.client.create(accrued(), allow=ALLOWED)
    late = named.site.add_unbilled_charge("sub_42", 700, MAY.start)
    named.clock.now += later
    named.transport.sent.clear()
    assert named.client.create(accrued(), allow=ALLOWED).id == first.id
    assert named.sent == [LOOK, f"GET /invoices/{first.id}"]
    assert (named.events, list(named.site.unbilled)) == (["issued", "collected"], [late])


@pytest.mark.parametrize("late", [False, True])
def test_an_accrued_invoice_without_its_name_is_named_by_the_replay(late: bool) -> None:
    """Invoiced and not named: within the window the key knows the invoice, also where the pile has grown since."""
    world = make_world(reference_field="cf_ref", faults=[Fault(Kind.RESET_BEFORE, "POST", "/update_details", times=3)])
    with pytest.raises(OutcomeUnknown):
        world.client.create(accrued(), allow=ALLOWED)
    if late:
        world.site.add_unbilled_charge("sub_42", 700, MAY.start)
    world.transport.sent.clear()
    made = world.client.create(accrued(), allow=ALLOWED)
    assert (made.id, made.reference, made.total, made.status) == ("1", "may", eur(2999), Status.PAID)
    assert world.sent == [LOOK, PILE, INVOICE, "POST /invoices/1/update_details"]
    assert (world.events, len(world.site.unbilled)) == (["issued", "collected"], int(late))


def test_an_accrued_invoice_without_its_name_is_not_found_past_the_window() -> None:
    """Past the window nothing knows it any more: its charges are not billed twice, and it stays without a name."""
    world = make_world(reference_field="cf_ref", faults=[Fault(Kind.RESET_BEFORE, "POST", "/update_details", times=3)])
    with pytest.raises(OutcomeUnknown):
        world.client.create(accrued(), allow=ALLOWED)
    world.clock.now += LATER
    with pytest.raises(NothingToBill) as nothing:
        world.client.create(accrued(), allow=ALLOWED)
    assert (nothing.value.outcome, world.events) == ("nothing_done", ["issued", "collected"])
    assert "leaves an invoice without the reference" in str(nothing.value)
    assert world.client.retrieve("1").reference is None


def test_an_accrued_invoice_without_its_name_is_named_by_what_the_journal_knows(tmp_path: Any) -> None:
    """Past the window the journal still has the invoice's id: it is read, compared and named, and nothing is billed."""
    world = make_world(reference_field="cf_ref", faults=[Fault(Kind.RESET_BEFORE, "POST", "/update_details", times=3)])
    said: dict[str, Any] = {"api_key": "test_not_a_key", "site": "acme-test", "http": world.client._http}
    said["reference_field"] = "cf_ref"
    with no_waiting(), Client("chargebee", journal=tmp_path / "bills.sqlite", **said) as billing:
        with pytest.raises(OutcomeUnknown):
            billing.create(accrued(), allow=ALLOWED)
        world.clock.now += LATER
        world.site.kept.clear()
        made = billing.create(accrued(), allow=ALLOWED)
    assert (made.id, made.reference, made.status) == ("1", "may", Status.PAID)
    assert world.events == ["issued", "collected"]


def test_a_lost_invoice_of_the_pile_is_not_taken_for_nothing() -> None:
    """The answer of the request that emptied the pile is lost: nobody is told that there was nothing to bill."""
    world = make_world(reference_field="cf_ref", faults=[lost("/invoice_unbilled_charges")])
    with pytest.raises(OutcomeUnknown):
        world.client.create(accrued(), allow=ALLOWED)
    made = world.client.create(accrued(), allow=ALLOWED)
    assert (made.id, made.reference, world.events) == ("1", "may", ["issued", "collected"])


@pytest.mark.parametrize(
    "amount,repeated,becomes", [(None, False, NothingToBill), (None, True, Rejected), (5, False, Rejected)]
)
def test_a_refused_invoice_of_the_pile(amount: int | None, repeated: bool, becomes: type[Exception]) -> None:
    """A refusal means that there was nothing to bill where the pile was empty and no try of it was lost."""
    context = make_context(CHARGEBEE, {"site": "acme-test"}).on(accrued())
    flow = CHARGEBEE.flow(accrued(), context)
    next(flow)
    row = {"id": "li_1", "currency_code": "EUR", "customer_id": "cus_42", "amount": amount, "date_from": 1777593600}
    rows = [] if amount is None else [{"unbilled_charge": {**row, "date_to": 1777593600}}]
    flow.send(Response(200, dumps({"list": rows})))
    refusal = refusal_of(Rejected, "There are no unbilled charges", provider="chargebee", status=400, repeats=repeated)
    with pytest.raises(becomes):
        flow.throw(refusal)


def test_an_accrued_invoice_of_another_period_is_a_mismatch(named: World) -> None:
    """Found under the reference, it is compared with the bill before it is returned."""
    named.client.create(accrued(), allow=ALLOWED)
    with pytest.raises(IdempotencyMismatch, match="not inside"):
        named.client.create(accrued().model_copy(update={"period": Period.month(2026, 6)}), allow=ALLOWED)
    assert named.events == ["issued", "collected"]


def test_a_replayed_invoice_of_another_period_is_told() -> None:
    """What the key gives back is compared with the bill as it is asked now."""
    world = make_world(reference_field="cf_ref", lookup="never")
    world.client.create(accrued(), allow=ALLOWED)
    june = accrued().model_copy(update={"period": Period.month(2026, 6)})
    with pytest.raises(IdempotencyMismatch, match="not inside"):
        world.client.create(june, allow=ALLOWED)
    assert world.events == ["issued", "collected"]


def test_an_accrued_difference_names_the_invoice() -> None:
    """With on_discrepancy="report" an invoice that holds another amount than the pile is returned, and says so."""
    world = make_world(reference_field="cf_ref")
    charge_id = next(iter(world.site.unbilled))
    line, amount = world.site._accrued_line, world.site.unbilled[charge_id]["amount"]
    world.site._accrued_line = lambda row: line({**row, "amount": amount + 1})  # type: ignore[method-assign]
    with pytest.raises(Discrepancy, match="it collected") as wrong:
        world.client.create(accrued(), allow=ALLOWED)
    assert wrong.value.invoice is not None
    assert wrong.value.invoice.id == "1"


def test_since_a_journal_knows_no_try_nothing_is_looked_up(tmp_path: Any) -> None:
    """A journal declared complete spares the lookup of a new bill; one that knows of a lost request makes it."""
    world = make_world(faults=[lost("/close")])
    said: dict[str, Any] = {"api_key": "test_not_a_key", "site": "acme-test", "http": world.client._http}
    with no_waiting(), Client("chargebee", journal=tmp_path / "bills.sqlite", lookup="journal", **said) as billing:
        with pytest.raises(OutcomeUnknown):
            billing.create(charge())
        assert world.sent[0] == CREATE
        world.clock.now += LATER
        world.transport.sent.clear()
        assert billing.create(charge()).status is Status.PAID
    assert world.sent == ["GET /invoices/draft_inv_00000001", LOOK, "GET /invoices/1"]  # it has another id by now
    assert world.events == ["issued", "collected"]
