"""One reference is one bill, whatever is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.adapter.lookup import is_findable
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import (
    BridgeError,
    IdempotencyMismatch,
    OutcomeUnknown,
)
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.model import Invoice, Line, Period, Status
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import Emulator, FakeClock
from invoice_bridge.testing.conformance.base import Checks, lookup_mode, plain, plan_of, shown

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WRITING = (
    *("finalize", "pay", "pay_part", "mark_paid", "record_payment", "refund", "credit"),
    *("void", "mark_uncollectible", "update", "delete", "send_invoice"),
)
"""The verbs that change an invoice."""


@dataclass(frozen=True)
class _Done:
    """The result of a verb: the requests, the ledger's new events, the number of effective writes."""

    sent: tuple[Request, ...]
    events: tuple[str, ...]
    writes: int
    unknown: OutcomeUnknown | None


class OnceChecks(Checks):
    """One reference is one bill, whatever is lost on the way."""

    @pytest.mark.parametrize("past", [False, True], ids=["while its key is known", "past that"])
    def test_a_reference_stands_for_one_bill(
        self, *, past: bool, declared: Provider, client: Client, context: Context, emulator: Emulator, clock: FakeClock
    ) -> None:
        """The same reference with other content raises IdempotencyMismatch, with the existing bill; nothing is done.

        Within the key's lifetime, and later if the lookup can find it.
        """
        bill, made = self.bill(context, emulator)
        if past and not is_findable(bill, context):
            pytest.skip(f"{declared.title} does not carry the reference of this bill in a listing")
        created, other = self.create(client, bill, made), _other(bill)
        held = list(emulator.ledger)
        clock.now += declared.idempotency.window if past else timedelta(0)
        lookup: Lookup = "always" if past else lookup_mode(declared)
        with (
            self.meeting(emulator, context, lookup=lookup) as (again, _),
            pytest.raises(IdempotencyMismatch) as refused,
        ):
            self.create(again, other, plan_of(other, context))
        if past or declared.idempotency.replay_header is not None:  # an unmarked repeated answer looks new
            assert refused.value.outcome == "nothing_done"
        assert emulator.ledger == held
        if is_findable(bill, context):
            assert refused.value.existing is not None
            assert refused.value.existing.id == created.id

    def test_a_bill_that_is_found_is_not_made_again(self, declared: Provider, context: Context) -> None:
        """After its key's lifetime a bill is found by its reference: nothing is made, issued or collected again."""
        compared = 0
        for bill, made in self.possible(context, declared.emulator()):
            if not is_findable(bill, context):
                continue
            clock = FakeClock()
            emulator: Emulator = declared.emulator(clock=clock)
            with self.meeting(emulator, context, lookup="always") as (client, _):
                try:
                    created = self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator has nothing to bill for it
                held = _moved(emulator), {invoice.id for invoice in client.list()}
                clock.now += declared.idempotency.window
                again = self.create(client, bill, made)
                assert (_moved(emulator), {invoice.id for invoice in client.list()}) == held, bill.reference
            compared += 1
            assert (again.id, again.status) == (created.id, created.status), bill.reference
        if not compared:
            pytest.skip(f"{declared.title} does not carry the reference of these bills in a listing")

    def test_a_lost_answer_is_asked_for_again(self, declared: Provider, context: Context) -> None:
        """If any write loses its answer, the same bytes are sent again with the same key, and one bill is made.

        A write that has no key, and whose method is not declared repeatable, is sent once: then the lookup finds the
        bill by its reference, or its outcome is unknown. In both cases there is at most one demand for money.
        """
        possible = self.possible(context, declared.emulator())
        charged = [pair for pair in possible if pair[0].collection.kind == "charge" and not pair[0].draft]
        for bill, made in (self.bill(context, declared.emulator()), *charged[:1]):
            with self.meeting(declared.emulator(), context) as (client, transport):
                whole = self.create(client, bill, made)
            writes = [request for request in transport.sent if request.writes]
            assert writes
            for place, write in enumerate(writes):
                emulator: Emulator = declared.emulator()
                before = sum(request.method == write.method for request in writes[:place])
                lost = Fault(Kind.RESET_AFTER, method=write.method, skip=before)
                created: Invoice | None = None
                repeatable = self.is_repeatable(write, declared)
                with self.meeting(emulator, context, lost) as (client, transport):
                    try:
                        created = self.create(client, bill, made)
                    except OutcomeUnknown:
                        if repeatable:
                            raise
                sent = [plain(request) for request in transport.sent if request.writes]
                issued = [entry.event for entry in emulator.ledger].count("issued")
                if repeatable:
                    assert sent == [plain(request) for request in (*writes[: place + 1], *writes[place:])]
                else:
                    assert sent.count(plain(write)) == 1
                if created is None:
                    assert issued <= 1
                    continue
                assert (created.id, created.status, created.total) == (whole.id, whole.status, whole.total)
                assert issued == 1

    def is_repeatable(self, request: Request, declared: Provider) -> bool:
        """Return whether a write may be repeated: it has a key, or its method is declared repeatable without one."""
        header = declared.idempotency.header.lower()
        keyed = bool(header) and header in {name.lower() for name in request.headers}
        return keyed or request.method in declared.idempotency.repeatable

    @pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE], ids=["applied", "not applied"])
    @pytest.mark.parametrize("verb", WRITING)
    def test_a_lost_answer_of_a_verb_ends_in_the_truth(
        self, declared: Provider, context: Context, verb: str, kind: Kind
    ) -> None:
        """If any write of a verb (POST, PUT, PATCH, DELETE) is lost, it is done or OutcomeUnknown, never done twice.

        A write without a key is sent once, unless its method is declared repeatable.
        """
        self.needs(declared, verb)
        whole = self.doing(declared, context, verb)
        if whole is None:
            pytest.fail(f"no bill of this suite makes an invoice that allows {verb}")
        writes = [request for request in whole.sent if request.writes]
        assert writes, f"{verb} sends no request that writes"
        for place, write in enumerate(writes):
            before = sum(request.method == write.method for request in writes[:place])
            again = self.doing(declared, context, verb, Fault(kind, method=write.method, skip=before))
            assert again is not None
            sent = [request for request in again.sent if shown(request) == shown(write)]
            if not self.is_repeatable(write, declared):
                assert len(sent) == 1, f"{write.method} has no key and was sent {len(sent)} times"
            if again.unknown is not None:
                assert again.unknown.outcome == "unknown"
            else:
                assert again.events == whole.events
            assert all(again.events.count(event) <= whole.events.count(event) for event in again.events)
            if write.method not in declared.idempotency.repeatable:
                assert again.writes <= whole.writes, f"{verb} was applied twice"

    def doing(self, declared: Provider, context: Context, verb: str, *faults: Fault) -> _Done | None:
        """Run a verb under these faults on the first invoice that allows it; None if no invoice does."""
        for bill, emulator, make in self.subjects(declared, context):
            with self.meeting(emulator, context) as (client, _):
                try:
                    created = make(client)
                except BridgeError:
                    continue  # the emulator has nothing to bill for it
            held, writes, unknown = len(emulator.ledger), emulator.writes, None
            with self.meeting(emulator, context, *faults) as (client, transport):
                try:
                    if not self.did(client, verb, bill, created, emulator):
                        assert not any(request.writes for request in transport.sent), f"{verb} reports the wrong state"
                        continue
                except OutcomeUnknown as error:
                    unknown = error
            assert transport.faults is not None
            assert len(transport.faults.hits) == len(faults), "the fault was not met"
            events = tuple(entry.event for entry in emulator.ledger[held:])
            return _Done(tuple(transport.sent), events, emulator.writes - writes, unknown)
        return None

    @pytest.mark.parametrize("remembers", [True, False], ids=["its key is known", "its key is forgotten"])
    def test_a_void_whose_answer_was_lost_is_a_success(
        self,
        *,
        remembers: bool,
        declared: Provider,
        client: Client,
        context: Context,
        emulator: Emulator,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The second try gets the first one's answer, or a refusal because the invoice is void: neither is an error."""
        self.needs(declared, "void")
        if not declared.idempotency.methods:
            pytest.skip(
                f"{declared.title} has no idempotency keys: a void is sent once ({declared.idempotency.source})"
            )
        created = self.create(client, *self.bill(context, emulator))
        if not remembers:
            monkeypatch.setattr(emulator, "window", timedelta(0))
        with self.meeting(emulator, context, Fault(Kind.RESET_AFTER, method="POST")) as (again, transport):
            done = again.void(created.id)
        assert transport.faults is not None
        assert (done.id, done.status) == (created.id, Status.VOID)
        assert [hit.applied for hit in transport.faults.hits] == [True]
        assert [entry.event for entry in emulator.ledger].count("voided") == 1

    def test_resolve_says_what_became_of_a_bill(self, client: Client, context: Context, emulator: Emulator) -> None:
        """A bill resolves as found if it exists; otherwise as absent, or too early after a try. Nothing is written.

        If the reference cannot be searched, the answer is ambiguous.
        """
        bill, made = self.bill(context, emulator)
        if not is_findable(bill, context):
            assert client.resolve(bill, since=_LONG_AGO).state == "ambiguous"
            return
        assert client.resolve(bill, since=datetime.now(UTC)).state == "too_early"
        assert client.resolve(bill, since=_LONG_AGO).state == "absent"
        assert emulator.writes == 0
        created, writes = self.create(client, bill, made), emulator.writes
        found = client.resolve(bill, since=_LONG_AGO)
        assert found.state == "found"
        assert found.invoice is not None
        assert (found.invoice.id, found.invoice.status) == (created.id, created.status)
        assert emulator.writes == writes


def _other(bill: OneTimeCharge | PeriodInvoice) -> OneTimeCharge | PeriodInvoice:
    """Return another bill under the same reference: a larger amount, or another month if it states none."""
    if isinstance(bill, PeriodInvoice) and bill.lines:
        lines = (*bill.lines, Line(description="More", amount=bill.lines[0].amount))
        return bill.model_copy(update={"lines": lines})
    if isinstance(bill, OneTimeCharge):
        return bill.model_copy(update={"amount": bill.total + bill.total, "lines": ()})
    return bill.model_copy(update={"period": Period.month(2026, 4)})


def _moved(emulator: Emulator) -> list[tuple[str, str]]:
    """Return the demands for money and the collected amounts."""
    return [(entry.event, entry.invoice_id) for entry in emulator.ledger if entry.event in {"issued", "collected"}]
