"""What a provider answers is read without a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.core.errors import (
    MalformedResponse,
)
from invoice_bridge.core.model import AMOUNTS, Status
from invoice_bridge.emulator import Emulator
from invoice_bridge.testing.conformance.base import Checks


class ReadingChecks(Checks):
    """What a provider answers is read without a guess."""

    def test_unknown_words_and_fields_survive(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """An invoice with a new status and new fields decodes: status unknown, the word kept, the fields in raw."""
        created = client.retrieve(self.create(client, *self.bill(context, emulator)).id)
        assert created.raw is not None
        found = declared.parse({**created.raw, "status": "brand new", "a_new_field": {"deep": [1]}})
        assert (found.status, found.native_status) == (Status.UNKNOWN, "brand new")
        assert found.raw is not None
        assert found.raw["a_new_field"] == {"deep": [1]}
        assert "a_new_field.deep[]" in found.unmapped()

    def test_what_is_no_invoice_is_refused(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """Anything else raises MalformedResponse, never another error; so does an invoice without an id."""
        created = client.retrieve(self.create(client, *self.bill(context, emulator)).id)
        assert declared.parse(created.raw or {}).id == created.id
        broken = [_replaced(created.raw, created.id, wrong) for wrong in (None, "", 7)]
        for data in ({}, *broken):
            with pytest.raises(MalformedResponse):
                declared.parse(data)

    def test_without_a_currency_no_amount_is_read(
        self, declared: Provider, client: Client, context: Context, emulator: Emulator
    ) -> None:
        """An absent or unknown currency hides no invoice: no amount is read, and `problems` has the reason."""
        created = client.retrieve(self.create(client, *self.bill(context, emulator)).id)
        assert created.currency is not None
        assert created.problems == (), f"this provider's answers must be read in full: {created.problems} (shapes.py)"
        texts = (created.currency, created.currency.lower())
        broken = [_replaced(created.raw, text, wrong) for text in texts for wrong in (None, "", 7, "nope")]
        changed = [data for data in broken if data != created.raw]
        assert changed
        for data in changed:
            found = declared.parse(data)
            assert (found.id, found.currency, found.lines) == (created.id, None, ())
            assert all(getattr(found, name) is None for name in AMOUNTS)
            assert any(problem.money for problem in found.problems)


def _replaced(value: Any, text: str, wrong: Any) -> Any:
    """Return the JSON with another value in every place of that text."""
    if isinstance(value, Mapping):
        return {name: _replaced(inner, text, wrong) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(inner, text, wrong) for inner in value]
    return wrong if value == text else value
