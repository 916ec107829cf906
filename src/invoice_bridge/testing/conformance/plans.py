"""What is explained is what is sent, with the keys of each step."""

from __future__ import annotations

import re

import httpx
import pytest

from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.core.errors import (
    BridgeError,
)
from invoice_bridge.core.wire import Request
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.testing.conformance.base import Checks, lookup_mode, plan_of, shown

_PLACEHOLDER = re.compile(r"(\{[A-Za-z_.]+\})|(%7B[A-Za-z_.]+%7D)")


class PlanChecks(Checks):
    """What is explained is what is sent, with the keys of each step."""

    def test_what_is_explained_is_what_is_sent(self, declared: Provider, context: Context) -> None:
        """The same requests in the same order: method, URL, headers, content; placeholders and credentials excepted."""
        fresh: Emulator = declared.emulator()
        compared = 0
        for bill, made in self.possible(context, fresh):
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
                try:
                    self.create(client, bill, made)
                except BridgeError:
                    continue  # the emulator has nothing to bill for it
            compared += 1
            assert [shown(request) for request in made.requests] == _as_shown(transport.sent, made.requests)
        assert compared

    def test_a_plan_holds_no_credential(self, context: Context, emulator: Emulator) -> None:
        """Credentials are added by the runner: no request of any plan has one."""
        seen = 0
        for _, made in self.possible(context, emulator):
            for request in made.requests:
                seen += 1
                assert "authorization" not in {name.lower() for name in request.headers}
                assert emulator.key not in repr(request)
        assert seen, "no plan of any bill has a request"

    def test_vectors(self, context: Context) -> None:
        """Each literal vector of the subclass equals its bill's requests, byte for byte."""
        if not self.vectors:
            pytest.skip(f"{type(self).__name__} states no vectors: literal requests from the provider's documentation")
        for name, (bill, contents) in self.vectors.items():
            assert (name, tuple(request.content for request in plan_of(bill, context).requests)) == (name, contents)

    def test_every_post_has_its_own_key(self, declared: Provider, context: Context, emulator: Emulator) -> None:
        """Each write of a bill carries a key of its own, which another reference or attempt changes.

        This holds for methods that take keys; for others no header is sent, because it would be a false promise.
        """
        keys_of = declared.idempotency
        if not keys_of.methods:
            pytest.skip(f"{declared.title} has no idempotency keys ({keys_of.source})")
        for bill, made in self.possible(context, emulator):
            keys = [request.key for request in made.requests if request.method in keys_of.methods]
            assert keys
            assert None not in keys
            assert len(keys) == len(set(keys))
            for change in ({"reference": "another"}, {"attempt": 2}):
                others = [request.key for request in plan_of(bill.model_copy(update=change), context).requests]
                assert not set(keys) & set(others) - {None}
            for request in made.requests:
                assert request.headers.get(keys_of.header) == request.key
                assert request.key is None or request.method in keys_of.methods

    def test_the_same_reference_is_billed_once(self, client: Client, context: Context, emulator: Emulator) -> None:
        """Creating the same bill twice gives one invoice, and the ledger shows one demand for money."""
        bill, made = self.bill(context, emulator)
        first = self.create(client, bill, made)
        second = self.create(client, bill, made)
        assert first.id == second.id
        issued = [entry for entry in emulator.ledger if entry.event == "issued"]
        assert len(issued) == 1


def _as_shown(sent: list[Request], explained: tuple[Request, ...]) -> list[tuple[str, str, bytes, str | None]]:
    """Return the sent requests, with each explained placeholder put back in place of its value."""
    found: list[tuple[str, str, bytes, str | None]] = []
    for number, request in enumerate(sent):
        if number >= len(explained):
            found.append((request.method, request.url, request.content, None))
            continue
        model = explained[number]
        header = next((name for name, value in model.headers.items() if value == model.key), "")
        key = next((value for name, value in request.headers.items() if name.lower() == header.lower()), None)
        found.append(
            (
                request.method,
                _put_back(request.url, model.url),
                _put_back(request.content.decode(), model.content.decode()).encode(),
                key if model.key is not None else None,
            )
        )
    return found


def _put_back(text: str, model: str) -> str:
    """Return the model if the text is the model with filled placeholders, otherwise the text."""
    pattern = "".join(
        r"[^/?&\"]+" if _PLACEHOLDER.fullmatch(piece) else re.escape(piece)
        for piece in re.split(r"(\{[A-Za-z_.]+\}|%7B[A-Za-z_.]+%7D)", model)
    )
    return model if re.fullmatch(pattern, text) else text
