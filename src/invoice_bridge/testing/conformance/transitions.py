"""Each verb in each status that an invoice can be brought to: what the table of transitions says is what happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.adapter.transitions import CHANGES, COMMANDS, Transition
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import BridgeError, InvalidState, NotFound, Rejected
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.explain import Plan, plan
from invoice_bridge.testing.conformance.base import METHODS, MONEY_VERBS, Checks, expected, lookup_mode, part_of
from invoice_bridge.testing.conformance.invoices import EFFECTS

Bills = list[tuple[OneTimeCharge | PeriodInvoice, Plan]]


class TransitionChecks(Checks):
    """Each verb in each status that an invoice can be brought to."""

    @pytest.mark.parametrize("verb", CHANGES)
    def test_a_verb_does_what_its_row_says(self, declared: Provider, context: Context, verb: str) -> None:
        """Where the row allows a status the verb leads to what it says; elsewhere it is refused and changes nothing.

        Some invoice is brought to a status that is allowed, and some to one that is not.
        """
        self.needs(declared, verb)
        row, bills = declared.transitions[verb], self.starts(context, declared.emulator(), verb)
        checked = set()
        for status in Status:
            with self.beginning(declared, context) as (client, emulator):
                invoice = Course(client, declared, emulator, bills, self.change, self.expects).brought(status)
                if invoice is None:
                    continue
                allowed = row.is_allowed(invoice.status, invoice.native_status or "", emulator.switches)
                (self.changes if allowed else self.refuses)(client, emulator, verb, row, invoice)
                checked.add(allowed)
        wanted = "allowed" if True not in checked else "refused"
        assert checked == {True, False}, f"no bill of this suite brings an invoice to where {verb} is {wanted}"

    @pytest.mark.parametrize("verb", CHANGES)
    def test_a_verb_declares_the_effects_of_its_row(self, declared: Provider, context: Context, verb: str) -> None:
        """The requests of a verb have the effects of its row between them, so that explain shows what it does."""
        self.needs(declared, verb)
        bills = self.starts(context, declared.emulator(), verb)
        with self.beginning(declared, context) as (client, emulator):
            invoice_id = self.create(client, *bills[0]).id
            command = COMMANDS[verb](id=invoice_id, **further(verb, emulator, self.change), **self.before(verb))
            assert command.capability == verb
        assert plan(command, context).effects == declared.transitions[verb].effects

    def changes(self, client: Client, emulator: Emulator, verb: str, row: Transition, invoice: Invoice) -> None:
        """Do a verb that is allowed: the status is one that it leads to, and no effect is kept silent."""
        written = len(emulator.ledger)
        done = change(client, emulator, verb, invoice.id, self.change, attempt=2, **self.before(verb, invoice))
        assert done.status in (row.becomes or {invoice.status}), f"{verb}: {invoice.status} became {done.status}"
        if done.status is not Status.DELETED:
            assert client.retrieve(done.id).status is done.status
        events = {entry.event for entry in emulator.ledger[written:]}
        assert {EFFECTS[event] for event in events & EFFECTS.keys()} <= row.effects, f"{verb} also {events}"

    def refuses(self, client: Client, emulator: Emulator, verb: str, row: Transition, invoice: Invoice) -> None:
        """Do a verb that is not allowed: the error has the invoice, which is what it was, and nothing happened."""
        written, gone = len(emulator.ledger), invoice.status is Status.DELETED
        in_doubt = invoice.status in row.allowed  # it is the provider's switch that forbids it
        kinds = (InvalidState, NotFound) if gone else (InvalidState, Rejected) if in_doubt else (InvalidState,)
        with pytest.raises(kinds) as refused:
            change(client, emulator, verb, invoice.id, self.change, attempt=2, **self.before(verb, invoice))
        assert len(emulator.ledger) == written, f"{verb} of an invoice that is {invoice.status} did something"
        if isinstance(refused.value, InvalidState):
            assert refused.value.invoice is not None
            assert (refused.value.invoice.id, refused.value.invoice.status) == (invoice.id, invoice.status)
        if not gone:
            assert client.retrieve(invoice.id) == invoice

    @contextmanager
    def beginning(self, declared: Provider, context: Context) -> Iterator[tuple[Client, Emulator]]:
        """A client of a fresh emulator."""
        emulator: Emulator = declared.emulator()
        with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
            yield (
                Client(
                    self.provider, api_key=emulator.key, http=http, lookup=lookup_mode(declared), **emulator.settings
                ),
                emulator,
            )

    def starts(self, context: Context, emulator: Emulator, verb: str) -> Bills:
        """One bill of each kind of collection, as a draft and issued; first what can be mailed, where that is asked."""
        order = ("send", "manual", "charge") if verb == "send_invoice" else ("manual", "send", "charge")
        kinds: dict[tuple[bool, str], tuple[OneTimeCharge | PeriodInvoice, Plan]] = {}
        for bill, made in self.possible(context, emulator):
            kinds.setdefault((bill.draft, bill.collection.kind), (bill, made))
        return [kinds[draft, kind] for kind in order for draft in (True, False) if (draft, kind) in kinds]


# ── how an invoice comes to a status ─────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Course:
    """How an invoice is brought to a status: made so by one of these bills, or changed so by rows of the table."""

    client: Client
    declared: Provider
    emulator: Emulator
    bills: Bills
    update: Mapping[str, Any]
    """What an update changes."""
    expects: frozenset[str] = frozenset()
    """The verbs that need the amount before."""

    def brought(self, status: Status, through: frozenset[Status] = frozenset()) -> Invoice | None:
        """An invoice of this status; None where no bill and no row leads to it without coming `through` one twice."""
        for bill, made in self.bills:
            try:
                created = self.client.create(bill, allow=[loss.code for loss in made.losses])
            except BridgeError:
                continue  # the emulator holds nothing for this bill to bill
            if created.status is status:
                return self.client.retrieve(created.id)
        if (draft := self.emulator.add_draft()) is not None and status is Status.DRAFT:
            return self.client.retrieve(draft)
        for verb, row in self.declared.transitions.items():
            for before in sorted(row.allowed - through - {status}) if status in row.becomes else ():
                invoice = self.brought(before, through | {status})
                if invoice is None or not row.is_allowed(before, invoice.native_status or "", self.emulator.switches):
                    continue
                more = expected(verb, invoice) if verb in self.expects else {}
                changed = change(self.client, self.emulator, verb, invoice.id, self.update, **more)
                if changed.status is status:
                    return changed if status is Status.DELETED else self.client.retrieve(changed.id)
        return None


def change(
    client: Client, emulator: Emulator, verb: str, invoice_id: str, update: Mapping[str, Any], **more: Any
) -> Invoice:
    """Do a verb to an invoice."""
    done: Invoice = getattr(client, METHODS.get(verb, verb))(invoice_id, **further(verb, emulator, update), **more)
    return done


def further(verb: str, emulator: Emulator, update: Mapping[str, Any]) -> dict[str, Any]:
    """What a verb needs beside the invoice."""
    more: dict[str, dict[str, Any]] = {
        "update": dict(update),
        "pay": {"payment_method": emulator.payment_method},
        **{each: part_of(each, emulator) for each in MONEY_VERBS},
    }
    return more.get(verb, {})
