"""What a provider declares: its verbs, rows, statuses and losses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.adapter.transitions import CHANGES
from invoice_bridge.client.clients import Client
from invoice_bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    InvalidSignature,
)
from invoice_bridge.core.model import Status
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.matrix import VERBS, cell
from invoice_bridge.testing.conformance.base import Checks, lookup_mode
from invoice_bridge.webhooks.deliveries import parse


class DeclarationChecks(Checks):
    """What a provider declares: its verbs, rows, statuses and losses."""

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_verb_is_built_or_refused_with_a_source(
        self, declared: Provider, verb: str, request: pytest.FixtureRequest
    ) -> None:
        """No verb is left open: it is a flow with a documented source, or cannot(…) with a reason and a source."""
        found = cell(declared, verb)
        assert found.state != "not built"
        assert found.source
        changes = found.state == "built" and verb in CHANGES
        assert (verb in declared.transitions) is changes, (
            f"{verb}: a built verb needs a row of TRANSITIONS, any other has none"
        )
        if found.state == "built":
            self.proves(request, verb, "documented")
        else:
            assert found.reason

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_built_verb_works(
        self, declared: Provider, context: Context, verb: str, request: pytest.FixtureRequest
    ) -> None:
        """Against the emulator, each built verb has its documented result on an invoice in the right state."""
        self.needs(declared, verb)
        for bill, emulator, make in self.subjects(declared, context):
            with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=lookup_mode(context.provider),
                    **emulator.settings,
                )
                try:
                    created = make(client)
                except BridgeError:
                    continue  # the emulator has nothing to bill for it
                if self.did(client, verb, bill, created, emulator):
                    self.proves(request, verb, "emulator")
                    return
        pytest.fail(f"no bill of this suite makes an invoice that allows {verb}")

    def test_every_row_has_a_source(self, declared: Provider) -> None:
        """Each row of each table names its source in the provider's documentation."""
        tables: tuple[Iterable[Any], ...] = (declared.statuses, declared.fields, declared.errors, declared.limits)
        rows = [*declared.transitions.values(), *(row for table in tables for row in table)]
        rows += [] if declared.webhooks is None else [declared.webhooks, *declared.webhooks.events]
        assert len(rows) > 5
        assert [row for row in (*rows, declared.idempotency, declared.money) if not row.source.strip()] == []

    def test_statuses_are_told_apart(self, declared: Provider) -> None:
        """Each native word occurs once, none reads as unknown, and a word outside the table does."""
        words = [row.native for row in declared.statuses]
        assert words, "the table of statuses is empty: every invoice would read as unknown (tables.py)"
        assert len(words) == len(set(words))
        assert Status.UNKNOWN not in {row.status for row in declared.statuses}
        assert [declared.status(word) for word in ("", None, "no such word", "PAID")] == [Status.UNKNOWN] * 4

    def test_a_delivery_of_anybody_is_refused(self, declared: Provider) -> None:
        """A webhook without a signature, or with an invented one, is never read; no error contains its content."""
        at = datetime(2026, 5, 1, tzinfo=UTC)
        signature = f"t={int(at.timestamp())},v1={'0' * 64}"
        invented = dict.fromkeys(("authorization", "signature", f"{declared.name}-signature"), signature)
        for headers in ({}, invented):
            with pytest.raises((InvalidSignature, ConfigurationError)) as refused:
                parse(self.provider, headers, b'{"id":"evt_1"}', secret="user:test_not_a_secret", at=at)  # noqa: S106
            assert "test_not_a_secret" not in f"{refused.value!r}{refused.value}"
        if declared.webhooks is not None:
            names = [row.native for row in declared.webhooks.events]
            assert len(names) == len(set(names))

    def test_loss_codes_are_unique_and_speak(self, declared: Provider) -> None:
        """Each loss has one permanent code, a reason, and the value that is sent instead."""
        losing = [row for row in declared.fields if row.code]
        if not losing:
            pytest.skip(f"no row of {declared.title} is a loss: it declares to carry every bill in full")
        codes = [row.code for row in losing]
        assert len(codes) == len(set(codes))
        assert [row.code for row in losing if not (row.why and row.sent)] == []
        wrong = [code for code in codes if not re.fullmatch(rf"IB-{declared.name.upper()}-[A-Z-]+-\d\d", code)]
        assert wrong == []
