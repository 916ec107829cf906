"""Verbs that move or record money: the same reference takes effect once, however often it is repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.adapter.transitions import COMMANDS
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import VERB_LEAVES
from invoice_bridge.core.errors import (
    BridgeError,
    Discrepancy,
    IdempotencyMismatch,
    LossyTranslation,
    OutcomeUnknown,
)
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.testing.conformance.base import METHODS, MONEY_VERBS, PART, Checks, part_of

LATER = {
    "at once": timedelta(0),
    "past its key": timedelta(days=2),
    "a year later": timedelta(days=366),
}
_TEXT = "a reason"


class MoneyChecks(Checks):
    """Verbs that move or record money take effect once for each reference."""

    @pytest.mark.parametrize("later", LATER)
    @pytest.mark.parametrize("verb", MONEY_VERBS)
    def test_a_reference_of_a_verb_takes_effect_once(
        self, declared: Provider, context: Context, verb: str, later: str
    ) -> None:
        """A client without memory repeats it: nothing happens again, and the invoice is returned.

        If the provider keeps no reference, `expect` stops it with a Discrepancy.
        """
        self.needs(declared, verb)
        emulator, invoice = self.begun(declared, context, verb)
        with self.meeting(emulator, context) as (client, _):
            done = self.move(client, verb, emulator, invoice)
        held = list(emulator.ledger)
        emulator.clock.now += LATER[later]  # type: ignore[attr-defined]
        with self.meeting(emulator, context) as (client, transport):
            if verb in self.expects:
                with pytest.raises(Discrepancy):
                    self.move(client, verb, emulator, invoice)
            else:
                again = self.move(client, verb, emulator, invoice)
                assert (again.id, again.status) == (done.id, done.status)
                assert [request for request in transport.sent if request.writes] == []
        assert emulator.ledger == held

    @pytest.mark.parametrize("later", LATER)
    @pytest.mark.parametrize("verb", MONEY_VERBS)
    def test_a_reference_of_a_verb_has_one_amount(
        self, declared: Provider, context: Context, verb: str, later: str
    ) -> None:
        """The same reference with another amount raises IdempotencyMismatch and does nothing."""
        self.needs(declared, verb)
        if verb in self.expects:
            pytest.skip(f"{declared.title} keeps no reference of a {verb}")
        emulator, invoice = self.begun(declared, context, verb)
        with self.meeting(emulator, context) as (client, _):
            self.move(client, verb, emulator, invoice)
        held = list(emulator.ledger)
        emulator.clock.now += LATER[later]  # type: ignore[attr-defined]
        with self.meeting(emulator, context) as (client, _), pytest.raises(IdempotencyMismatch) as refused:
            self.move(client, verb, emulator, invoice, amount=PART + PART)
        assert refused.value.outcome == "nothing_done"
        assert emulator.ledger == held

    @pytest.mark.parametrize("later", LATER)
    @pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE], ids=["applied", "not applied"])
    @pytest.mark.parametrize("verb", MONEY_VERBS)
    def test_a_verb_whose_answers_were_all_lost_is_done_once(
        self, declared: Provider, context: Context, *, verb: str, kind: Kind, later: str
    ) -> None:
        """If any request loses every answer, the same call made again has the effect of one call."""
        self.needs(declared, verb)
        if verb in self.expects or not declared.idempotency.methods:
            pytest.skip(f"{declared.title} keeps no reference of a {verb}, or knows no keys")
        emulator, invoice = self.begun(declared, context, verb)
        with self.meeting(emulator, context) as (client, transport):
            self.move(client, verb, emulator, invoice)
        whole = self.events(emulator)
        writes = [request for request in transport.sent if request.writes]
        assert writes, f"{verb} sends no request that writes"
        for write in writes:
            path = write.url.removeprefix(context.base_url).replace(invoice.id, "[^/]+") + "$"
            emulator, invoice = self.begun(declared, context, verb)
            every = Fault(kind, method=write.method, path=_anywhere(path), times=100)
            with self.meeting(emulator, context, every) as (client, _), pytest.raises(BridgeError) as lost:
                self.move(client, verb, emulator, invoice)
            assert isinstance(lost.value, OutcomeUnknown)
            emulator.clock.now += LATER[later]  # type: ignore[attr-defined]
            with self.meeting(emulator, context) as (client, _):
                self.move(client, verb, emulator, invoice)
            assert self.events(emulator) == whole, f"after {write.method} {path} was lost"

    @pytest.mark.parametrize("verb", MONEY_VERBS)
    def test_clients_that_share_a_journal_do_a_verb_once(
        self, declared: Provider, context: Context, verb: str, tmp_path: Path
    ) -> None:
        """A second client does not repeat the first one's verb; other content is refused, on another invoice too."""
        self.needs(declared, verb)
        journal = tmp_path / "bills.sqlite"
        emulator, invoice = self.begun(declared, context, verb)
        with self.keeping(emulator, context, journal) as (one, _), self.keeping(emulator, context, journal) as (two, t):
            done = self.move(one, verb, emulator, invoice)
            held = list(emulator.ledger)
            emulator.clock.now += timedelta(days=366)  # type: ignore[attr-defined]
            again = self.move(two, verb, emulator, invoice)
            assert (again.id, again.status) == (done.id, done.status)
            for other in ({"amount": PART + PART}, {"id": "in_another"}):
                with pytest.raises(IdempotencyMismatch):
                    self.move(two, verb, emulator, invoice, **other)
            assert [request for request in t.sent if request.writes] == []
        assert emulator.ledger == held

    @pytest.mark.parametrize("verb", MONEY_VERBS)
    def test_another_amount_before_stops_a_verb(self, declared: Provider, context: Context, verb: str) -> None:
        """`expect` is compared before anything is written."""
        self.needs(declared, verb)
        emulator, invoice = self.begun(declared, context, verb)
        held = list(emulator.ledger)
        with self.meeting(emulator, context) as (client, transport), pytest.raises(Discrepancy):
            self.move(client, verb, emulator, invoice, expect=PART + PART + PART + PART)
        assert [request for request in transport.sent if request.writes] == []
        assert emulator.ledger == held

    def test_every_field_of_a_verb_has_a_row(self, declared: Provider) -> None:
        """A row of VERB_FIELDS states with its source whether a field is carried, dropped as a loss, or refused."""
        checked = 0
        for capability, kind in COMMANDS.items():
            if kind not in VERB_LEAVES or not callable(getattr(declared.flows, capability)):
                continue
            for leaf in VERB_LEAVES[kind] if (kind.verb, capability) != ("pay", "pay") else ():
                rows = [row for row in declared.verb_fields if kind.verb in row.verbs]
                paths = {row.path.partition("[")[0] for row in rows}
                assert leaf in paths, f"{declared.title}: VERB_FIELDS has no row for {capability}'s {leaf}"
                checked += 1
        if not checked:
            pytest.skip(f"{declared.title} builds none of the verbs with such fields")
        assert [row.native or row.path for row in declared.verb_fields if not row.source.strip()] == []
        codes = [row.code for row in (*declared.fields, *declared.verb_fields) if row.code]
        assert len(codes) == len(set(codes))

    def test_a_loss_of_a_verb_stops_it(self, declared: Provider, context: Context) -> None:
        """A field that a provider does not keep raises LossyTranslation before a request; `allow` accepts it."""
        rows = [row for row in declared.verb_fields if row.code and row.severity is not Severity.INFO]
        if not rows:
            pytest.skip(f"no row of {declared.title}'s verbs is a loss that stops it")
        for row in rows:
            for verb in row.verbs:
                given = part_of(verb, declared.emulator()) if verb in MONEY_VERBS else {}
                given |= {row.path: _TEXT}
                with self.meeting(declared.emulator(), context) as (client, transport):
                    with pytest.raises(LossyTranslation) as refused:
                        getattr(client, verb)("inv_1", **given)
                    assert row.code in {loss.code for loss in refused.value.losses}
                    assert transport.sent == []
                    with pytest.raises(BridgeError) as sent:
                        getattr(client, verb)("inv_1", **given, allow=[row.code])
                    assert not isinstance(sent.value, LossyTranslation)
                    assert transport.sent, "an allowed loss stopped the verb too"

    # ── invoices that allow the verb ───────────────────────────────────────────────────────────
    def begun(self, declared: Provider, context: Context, verb: str) -> tuple[Emulator, Invoice]:
        """Return a fresh emulator with an invoice that allows the verb."""
        for bill, emulator, make in self.subjects(declared, context):
            collected = verb == "refund"
            if bill.draft or (bill.collection.kind == "charge") is not collected:
                continue
            with self.meeting(emulator, context) as (client, _):
                try:
                    invoice = client.retrieve(make(client).id)
                except BridgeError:
                    continue  # the emulator has nothing to bill for it
            if invoice.status is (Status.PAID if collected else Status.OPEN):
                return emulator, invoice
        pytest.fail(f"no bill of this suite makes an invoice that allows {verb}")

    def move(self, client: Client, verb: str, emulator: Emulator, invoice: Invoice, **other: Any) -> Invoice:
        """Run the verb on the invoice, with one reference."""
        given = part_of(verb, emulator) | other
        if "expect" not in other:
            given |= self.before(verb, invoice)
        done: Invoice = getattr(client, METHODS.get(verb, verb))(given.pop("id", invoice.id), **given)
        return done

    @staticmethod
    def events(emulator: Emulator) -> list[tuple[str, Any]]:
        """Return the events of an emulator's customers, with their amounts."""
        return [(entry.event, entry.units) for entry in emulator.ledger]

    @contextmanager
    def keeping(
        self, emulator: Emulator, context: Context, journal: Path
    ) -> Iterator[tuple[Client, EmulatorTransport]]:
        """Return a client with a journal, and the requests it sends."""
        transport = EmulatorTransport(emulator, context.base_url)
        with httpx.Client(transport=transport) as http:
            client = Client(
                self.provider, api_key=emulator.key, http=http, journal=journal, lookup="never", **emulator.settings
            )
            with client:
                yield client, transport


def _anywhere(path: str) -> str:
    """Return a pattern for a path with sequential ids, which differ in another run."""
    return re.sub(r"_\d{8}", r"_\\d+", path)
