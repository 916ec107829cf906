"""Both clients send the same, keep the key secret, and bill nobody else."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import AsyncClient, Client
from invoice_bridge.core.errors import (
    Unauthorized,
    Unsupported,
)
from invoice_bridge.core.model import CustomerRef, Invoice
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.testing.conformance.base import Checks, lookup_mode, plain, plan_of


class ClientChecks(Checks):
    """Both clients send the same, keep the key secret, and bill nobody else."""

    def test_a_wrong_key_is_told_and_never_shown(self, emulator: Emulator, context: Context) -> None:
        """A key that the provider refuses raises Unauthorized, whose texts do not hold it."""
        canary = "canary_not_a_key_0123456789"
        with httpx.Client(transport=EmulatorTransport(emulator, context.base_url)) as http:
            client = Client(
                self.provider, api_key=canary, http=http, lookup=lookup_mode(context.provider), **emulator.settings
            )
            with pytest.raises(Unauthorized) as refused:
                list(client.list())
        assert canary not in f"{client!r} {refused.value!r} {refused.value} {refused.value.response!r}"

    def test_both_clients_send_the_same_bytes(self, declared: Provider, context: Context) -> None:
        """Client and AsyncClient send identical requests and give equal invoices."""
        bill, made = self.bill(context, declared.emulator())
        allow = [loss.code for loss in made.losses]

        def blocking() -> tuple[Invoice, list[Request]]:
            emulator: Emulator = declared.emulator()
            transport = EmulatorTransport(emulator, context.base_url)
            with httpx.Client(transport=transport) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=lookup_mode(context.provider),
                    **emulator.settings,
                )
                return client.create(bill, allow=allow), transport.sent

        async def awaiting() -> tuple[Invoice, list[Request]]:
            emulator: Emulator = declared.emulator()
            transport = EmulatorTransport(emulator, context.base_url)
            async with httpx.AsyncClient(transport=transport) as http:
                client = AsyncClient(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=lookup_mode(context.provider),
                    **emulator.settings,
                )
                return await client.create(bill, allow=allow), transport.sent

        one, two = blocking(), asyncio.run(awaiting())
        assert one[0] == two[0]
        assert [plain(request) for request in one[1]] == [plain(request) for request in two[1]]
        assert one[1]

    def test_a_customer_of_another_provider_is_not_billed(self, context: Context, emulator: Emulator) -> None:
        """An id of another provider is refused: it may name another customer here."""
        bill, _ = self.bill(context, emulator)
        elsewhere = bill.model_copy(update={"customer": CustomerRef(ids={"another": "x"})})
        assert isinstance(plan_of(elsewhere, context).refusal, Unsupported)
