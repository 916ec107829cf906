"""Probes: requests that show how a provider decides what its documentation leaves open, a switch of its emulator.

Rules of this file: a probe bills a customer that it makes itself, wherever the provider lets it make one, and its
address is one that nobody has. It has a control where a refusal could have another reason. An answer that shows neither
reading raises NotSettled: a probe never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from invoice_bridge.adapter.provider import Context
from invoice_bridge.core import wire
from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Flow, Request, Response

NOBODY = "calibration@example.com"
"""An address that nobody has (RFC 2606), for the customers that probes make."""


class NotSettled(Exception):
    """Raised by a probe whose answers show neither reading."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the probes.

    `customer` is the one of the test account that the caller names; `run` is a word that no other run has, of at most
    16 characters; `now` is the time at which the run began.
    """

    context: Context
    customer: str
    run: str
    now: datetime

    def name(self, switch: str) -> str:
        """Return a word that no other run and no other probe has."""
        return f"{self.run}-{switch}"

    def get(self, *segments: str, query: Iterable[tuple[str, object]] = ()) -> Request:
        """Make a request that reads."""
        return self.context.get(*segments, query=query)

    def post(self, *segments: str, **what: Any) -> Request:
        """Make a POST request: see `send`."""
        return self.send("POST", *segments, **what)

    def send(
        self,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """Make a request that writes, with an idempotency key if one is given; `headers` join the provider's own."""
        provider = self.context.provider
        sent = {**provider.headers(self.context.settings), **(headers or {})}
        content, kind = wire.encoded(body, provider.form)
        if kind:
            sent["Content-Type"] = kind
        if key is not None:
            sent[provider.idempotency.header] = key
        return Request(method, self.context.base_url + wire.path(*segments), sent, content, body=body, key=key)


ProbeFlow = Callable[[Trial], Flow[bool | None]]
"""The requests of a probe → what the provider does. It may raise NotSettled; None means the same."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The requests that show one switch.

    `writes` if they make something. `charges` if they take money of a test account, or may: from a payment method there
    that is a test card.
    """

    flow: ProbeFlow
    writes: bool = False
    charges: bool = False


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a provider by their switch; `unobserved` has every other switch, and why it has no probe."""

    rows: Mapping[str, Probe]
    unobserved: Mapping[str, str]
    is_live: ProbeFlow
    """Reads whether the account itself is live; None if its answer does not state it."""
    made: Callable[[Request, Response], str | None]
    """Returns the path of what a request made and `take_back` takes back, such as "customers/42"."""
    take_back: Callable[[Trial, str], Flow[Mapping[str, str]]]
    """Takes back what is at a path; returns what is left there, each path with its state."""
    kept: Collection[str] = frozenset()
    """The states in which what is left does no harm: the provider keeps it for good, and collects nothing for it."""
    account_decides: bool = False
    """Whether keys show no mode, so that the account's own answer alone decides."""
    hosts: Collection[str] = frozenset()
    """The provider's hosts of test accounts, beside its own."""
    note: str = ""
    """What a reader must know of the evidence, such as what a test account does not do."""


def answer_of(response: Response) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one if it is another value."""
    try:
        value = loads(response.content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def succeeded(response: Response) -> bool:
    """Return whether an answer is a success."""
    return 200 <= response.status < 300


def made_of(response: Response) -> dict[str, Any]:
    """Return the JSON object of a success. Raises NotSettled for any other answer."""
    body = answer_of(response)
    if not succeeded(response) or not body:
        raise NotSettled(f"HTTP {response.status}")
    return body


def accepted(response: Response, *refusals: int) -> bool:
    """Return whether a request was accepted rather than refused with one of these statuses. Raises NotSettled."""
    if succeeded(response):
        return True
    if response.status in (refusals or (400,)):
        return False
    raise NotSettled(f"HTTP {response.status}")
