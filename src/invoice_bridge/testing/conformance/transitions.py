"""Each verb in each reachable status of an invoice: the result agrees with the table of transitions."""

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
        """In a status that the row allows, the verb leads to the row's result; in any other it changes nothing.

        Some invoice reaches an allowed status, and some a forbidden one.
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
        assert checked == {True, False}, f"no bill of this suite makes an invoice for which {verb} is {wanted}"

    @pytest.mark.parametrize("verb", CHANGES)
    def test_a_verb_declares_the_effects_of_its_row(self, declared: Provider, context: Context, verb: str) -> None:
        """The requests of a verb together have the effects of its row, so that explain shows them."""
        self.needs(declared, verb)
        bills = self.starts(context, declared.emulator(), verb)
        with self.beginning(declared, context) as (client, emulator):
            invoice_id = self.create(client, *bills[0]).id
            command = COMMANDS[verb](id=invoice_id, **further(verb, emulator, self.change), **self.before(verb))
            assert command.capability == verb
        assert plan(command, context).effects == declared.transitions[verb].effects

    def changes(self, client: Client, emulator: Emulator, verb: str, row: Transition, invoice: Invoice) -> None:
        """Run an allowed verb: check that the status is one of its results, and that every effect is declared."""
        written = len(emulator.ledger)
        done = change(client, emulator, verb, invoice.id, self.change, attempt=2, **self.before(verb, invoice))
        assert done.status in (row.becomes or {invoice.status}), f"{verb}: {invoice.status} became {done.status}"
        if done.status is not Status.DELETED:
            assert client.retrieve(done.id).status is done.status
        events = {entry.event for entry in emulator.ledger[written:]}
        assert {EFFECTS[event] for event in events & EFFECTS.keys()} <= row.effects, f"{verb} also {events}"

    def refuses(self, client: Client, emulator: Emulator, verb: str, row: Transition, invoice: Invoice) -> None:
        """Run a forbidden verb: check that the error has the unchanged invoice, and that nothing happened."""
        written, gone = len(emulator.ledger), invoice.status is Status.DELETED
        in_doubt = invoice.status in row.allowed  # the provider's switch forbids it
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
        """Return a client of a fresh emulator."""
        emulator: Emulator = declared.emulator()
        with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
            yield (
                Client(
                    self.provider, api_key=emulator.key, http=http, lookup=lookup_mode(declared), **emulator.settings
                ),
                emulator,
            )

    def starts(self, context: Context, emulator: Emulator, verb: str) -> Bills:
        """Return one bill of each kind of collection, as a draft and issued; on request the mailable ones first."""
        order = ("send", "manual", "charge") if verb == "send_invoice" else ("manual", "send", "charge")
        kinds: dict[tuple[bool, str], tuple[OneTimeCharge | PeriodInvoice, Plan]] = {}
        for bill, made in self.possible(context, emulator):
            kinds.setdefault((bill.draft, bill.collection.kind), (bill, made))
        return [kinds[draft, kind] for kind in order for draft in (True, False) if (draft, kind) in kinds]


# ── the way to a status ─────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Course:
    """The ways of an invoice to a status: made by one of these bills, or changed by rows of the table."""

    client: Client
    declared: Provider
    emulator: Emulator
    bills: Bills
    update: Mapping[str, Any]
    """What an update changes."""
    expects: frozenset[str] = frozenset()
    """The verbs that need the amount before."""

    def brought(self, status: Status, through: frozenset[Status] = frozenset()) -> Invoice | None:
        """Return an invoice of this status, None if no bill and no row reaches it without repeating a status."""
        for bill, made in self.bills:
            try:
                created = self.client.create(bill, allow=[loss.code for loss in made.losses])
            except BridgeError:
                continue  # the emulator has nothing to bill for it
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
    """Run a verb on an invoice."""
    done: Invoice = getattr(client, METHODS.get(verb, verb))(invoice_id, **further(verb, emulator, update), **more)
    return done


def further(verb: str, emulator: Emulator, update: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a verb besides the invoice."""
    more: dict[str, dict[str, Any]] = {
        "update": dict(update),
        "pay": {"payment_method": emulator.payment_method},
        **{each: part_of(each, emulator) for each in MONEY_VERBS},
    }
    return more.get(verb, {})
