"""Plan: the exact requests of a command in order, their effects, and what would be lost. No network, no key.

A flow is fed the specimen of each of its requests' happy answers, so what is explained is made by the code that sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from invoice_bridge import providers
from invoice_bridge.commands import Bill, Command
from invoice_bridge.errors import BridgeError
from invoice_bridge.losses import Loss, find_losses
from invoice_bridge.provider import Context, Provider
from invoice_bridge.wire import Request, Response, dumps


@dataclass(frozen=True)
class Plan:
    """What a command would do at a provider: `requests` in order, `losses`, and `refusal` where it cannot be done."""

    provider: str
    requests: tuple[Request, ...] = ()
    losses: tuple[Loss, ...] = ()
    refusal: BridgeError | None = None

    def __str__(self) -> str:
        if self.refusal is not None:
            return f"{self.provider}: refused before anything is sent: {self.refusal}"
        lines = []
        for number, request in enumerate(self.requests, 1):
            effects = ", ".join(sorted(request.effects)) or ("stores" if request.writes else "reads")
            lines.append(f"{number}. [{effects}] {request.method} {request.url}")
            lines += [f"     {name}: {value}" for name, value in request.headers.items()]
            lines += [f"     {request.content.decode()}"] if request.content else []
            lines += [f"     ({request.note})"] if request.note else []
        lines += [f"loses {loss}" for loss in self.losses]
        return "\n".join(lines)


def losses(provider: str, command: Command, *, as_of: datetime | None = None, **settings: Any) -> tuple[Loss, ...]:
    """List what a provider would not carry of a command, before anything is sent; pure.

    `as_of` (aware) decides rows that depend on the clock; without it they are left out. Settings are the client's.
    Raises ConfigurationError for an unknown provider or setting.
    """
    return losses_of(command, context(providers.get(provider), settings), as_of)


def explain(provider: str, command: Command, **settings: Any) -> Plan:
    """Show exactly what a command would send: requests in order with their effects, then the losses.

    Needs no network and no key; never raises for what the provider cannot do (see Plan.refusal). Answers that a later
    request depends on stand as placeholders like {open.id}. Raises ConfigurationError for an unknown provider or
    setting.
    """
    return plan(command, context(providers.get(provider), settings))


def losses_of(ask: Command, use: Context, as_of: datetime | None = None) -> tuple[Loss, ...]:
    """The losses of a command in a context; only bills can lose anything."""
    return find_losses(use.provider.fields, ask, replace(use, as_of=as_of)) if isinstance(ask, Bill) else ()


def plan(ask: Command, use: Context) -> Plan:
    """Feed a command's flow its own specimens and collect what it asks to send."""
    use = use.on(ask)
    requests: list[Request] = []
    try:
        flow = use.provider.flow(ask, use)
        request = next(flow)
        while True:
            requests.append(request)
            request = flow.send(Response(200, dumps(request.specimen), provider=use.provider.name))
    except StopIteration:
        return Plan(use.provider.name, tuple(requests), losses_of(ask, use))
    except BridgeError as refusal:
        return Plan(use.provider.name, tuple(requests), losses_of(ask, use), refusal)


def context(provider: Provider, settings: Mapping[str, Any], base_url: str | None = None) -> Context:
    """Make the context of a provider: settings checked, required ones that are missing shown as placeholders."""
    read = provider.read_settings(settings)
    shown = {setting.name: f"{{{setting.name}}}" for setting in provider.missing_settings(read)}
    return Context(provider, read | shown, (base_url or provider.base_url(read | shown)).rstrip("/"))
