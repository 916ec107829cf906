"""Probes: requests that show how a provider decides what its documentation leaves open, a switch of its emulator.

Rules of this file: a probe makes nothing but what `undo` takes back, mails nobody and collects nothing. An answer that
shows neither reading is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from invoice_bridge.adapter.provider import Context
from invoice_bridge.core import wire
from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Flow, Request, Response

ProbeFlow = Callable[[Context, str, str], Flow[bool | None]]
"""(context, customer, a word that no other run has) → what the provider does, None if the answers do not show it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The requests that show one switch; `writes` if they make something."""

    flow: ProbeFlow
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a provider by their switch; `unobserved` has every other switch, and why it has no probe."""

    rows: Mapping[str, Probe]
    unobserved: Mapping[str, str]
    is_live: ProbeFlow
    """Reads whether the account itself is live; None if its answer does not state it."""
    made: Callable[[Request, Response], str | None]
    """Returns the id of what a request made."""
    undo: Callable[[Context, str], Request]
    """The request that takes back what was made, by its id."""


def ask(
    context: Context, method: str, *segments: str, body: Mapping[str, Any] | None = None, key: str | None = None
) -> Request:
    """Make a request of a probe, with an idempotency key if one is given."""
    provider = context.provider
    headers = dict(provider.headers(context.settings))
    content, kind = wire.encoded(body, provider.form)
    if kind:
        headers["Content-Type"] = kind
    if key is not None:
        headers[provider.idempotency.header] = key
    return Request(method, context.base_url + wire.path(*segments), headers, content, body=body, key=key)


def answer_of(response: Response) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one if it is another value."""
    try:
        value = loads(response.content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
