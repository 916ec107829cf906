"""The invoices that are made: read back, listed, and changed only as their state allows."""

from __future__ import annotations

import httpx
import pytest

from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.core.errors import (
    BridgeError,
    InvalidState,
    NotFound,
    Unsupported,
)
from invoice_bridge.core.losses import Fate
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.steps import Step
from invoice_bridge.core.wire import Effect
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.matrix import VERBS
from invoice_bridge.testing.conformance.base import Checks, lookup_mode, plan_of

EFFECTS = {
    "issued": Effect.ISSUES,
    "mailed": Effect.MAILS,
    "collected": Effect.COLLECTS,
    "recorded": Effect.RECORDS,
    "refunded": Effect.REFUNDS,
    "credited": Effect.ISSUES,
    "voided": Effect.VOIDS,
    "written_off": Effect.VOIDS,
}
"""Event in the ledger of an emulator → the effect that a request declares."""


class InvoiceChecks(Checks):
    """The invoices that are made: read back, listed, and changed only as their state allows."""

    def test_an_invoice_is_read_back(self, client: Client, context: Context, emulator: Emulator) -> None:
        """A created invoice is retrieved and listed with its currency, sum, reference and all lines."""
        bill, made = self.bill(context, emulator)
        created = self.create(client, bill, made)
        assert (created.provider, created.currency) == (self.provider, bill.currency)
        assert created.lines_complete
        read = client.retrieve(created.id)
        assert (read.id, read.status, read.total, read.lines) == (
            created.id,
            created.status,
            created.total,
            created.lines,
        )
        asked = bill.total
        assert asked is not None
        assert Money(sum(line.amount.minor for line in read.lines), bill.currency) == asked
        assert asked in {read.subtotal, read.total}
        assert read.reference == bill.reference
        assert created.id in {invoice.id for invoice in client.list()}
        assert Invoice.model_validate_json(read.model_dump_json()) == read

    def test_all_lines_are_read(self, client: Client, context: Context, emulator: Emulator) -> None:
        """Each line of a bill with several is read back, in order, with its amount."""
        compared = 0
        for bill, made in self.possible(context, emulator):
            rated = [
                row for row in context.provider.fields if row.path == "lines[].amount" and row.speaks(bill, context)
            ]
            if len(bill.lines) > 1 and all(row.fate is Fate.CARRIED for row in rated):
                read = client.retrieve(self.create(client, bill, made).id)
                assert [line.amount for line in read.lines] == [line.amount for line in bill.lines]
                compared += 1
        if not compared:
            pytest.skip(f"{context.provider.title} carries no bill of several lines with the amount of each")

    def test_what_an_invoice_states_comes_to_its_total(
        self, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """Lines, discount, tax on top and adjustments add up to the total of every invoice that states both."""
        for bill, made in self.possible(context, emulator):
            try:
                read = client.retrieve(self.create(client, bill, made).id)
            except BridgeError:
                continue  # the emulator has nothing to bill for it
            assert read.unbalanced() is None, f"{bill.reference}: {read.unbalanced()} too much or too little"

    def test_every_effect_is_declared(self, declared: Provider, context: Context) -> None:
        """Every event of a bill in the emulator's ledger is a declared effect of one of its requests."""
        seen: set[str] = set()
        for bill, made in self.possible(context, declared.emulator()):
            emulator: Emulator = declared.emulator()
            with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=lookup_mode(context.provider),
                    **emulator.settings,
                )
                try:
                    self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator has nothing to bill for it
            events = {entry.event for entry in emulator.ledger}
            assert {EFFECTS[event] for event in events} <= made.effects
            seen |= events
        assert "issued" in seen

    def test_verbs_that_the_provider_cannot_do_send_nothing(
        self, declared: Provider, client: Client, transport: EmulatorTransport
    ) -> None:
        """cannot(…) raises Unsupported with its source, before any request."""
        refusing = [(verb, flow) for verb in VERBS if isinstance(flow := getattr(declared.flows, verb), Cannot)]
        if not refusing:
            pytest.skip(f"{declared.title} can do every verb")
        for verb, flow in refusing:
            with pytest.raises(Unsupported) as refused:
                self.attempt(client, verb, declared.emulator())
            assert refused.value.source == flow.source
        assert transport.sent == []

    def test_states_are_respected(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """A void invoice stays void: a second void raises with the invoice, and nothing is collected."""
        self.needs(declared, "void")
        bill, made = self.bill(context, emulator)
        created = self.create(client, bill, made)
        assert created.status is Status.OPEN
        assert client.void(created.id).status is Status.VOID
        with pytest.raises(InvalidState) as refused:
            client.void(created.id, attempt=2)
        assert refused.value.invoice is not None
        assert refused.value.invoice.status is Status.VOID
        if not isinstance(declared.flows.pay, Cannot):
            with pytest.raises(BridgeError):
                client.pay(created.id)
        assert "collected" not in {entry.event for entry in emulator.ledger}

    def test_a_draft_is_never_collected(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """Paying a draft is refused before any write."""
        self.needs(declared, "pay")
        drafts = [pair for pair in self.possible(context, emulator) if pair[0].draft]
        if not drafts:
            refusals = [plan_of(bill, context).refusal for bill in self.commands(emulator) if bill.draft]
            pytest.skip(f"{declared.title} makes no drafts: {refusals[0]}")
        created = self.create(client, *drafts[0])
        assert created.status is Status.DRAFT
        with pytest.raises((InvalidState, Unsupported)) as refused:
            client.pay(created.id)
        written: list[Step] = [step for step in refused.value.steps if step.writes]
        assert written == []

    def test_a_listing_gives_every_invoice_once(self, client: Client, context: Context, emulator: Emulator) -> None:
        """Pages of two give each invoice once, and no page is read before it is needed."""
        self.needs(context.provider, "list")
        bill, made = self.bill(context, emulator)
        drafts = [pair for pair in self.possible(context, emulator) if pair[0].draft]
        bill, made = drafts[0] if drafts else (bill, made)
        ids = {self.create(client, bill.model_copy(update={"reference": f"page-{n}"}), made).id for n in range(5)}
        assert len(ids) == 5
        listed = [invoice.id for invoice in client.list(limit=2)]
        assert sorted(listed) == sorted(set(listed))
        assert ids <= set(listed)
        before = emulator.requests
        next(iter(client.list(limit=2)))
        assert emulator.requests < before + 5

    def test_an_id_stays_one_segment(self, client: Client, transport: EmulatorTransport) -> None:
        """Ids like "a/b" and "../x" cannot change the path of a request."""
        for name in ("a/b", "../x", "..", "a?b#c"):
            with pytest.raises((NotFound, Unsupported)):
                client.retrieve(name)
        for request in transport.sent:
            assert request.url.partition("?")[0].count("/") == transport.sent[0].url.partition("?")[0].count("/")
            assert "/../" not in request.url
