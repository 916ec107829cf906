"""The events that an emulator reports, as its provider would deliver them to a webhook endpoint.

Rules of this file: deterministic and without a network. An emulator notes what happened while it answers a request;
the events are made when the request is done, so that each has the invoice as it then is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple


class Happening(NamedTuple):
    """What happened to an invoice: a word of the ledger, or created, updated, removed, settled, payment_failed …

    `document` is the invoice if it can no longer be read.
    """

    what: str
    invoice_id: str
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EmulatedEvent:
    """One event: the provider's word for it, its instant, and the bytes of every delivery."""

    id: str
    type: str
    invoice_id: str
    at: datetime
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reports:
    """How an emulator words its events.

    `describe(emulator, happening)` returns the provider's events: name and object. `envelope(emulator, event_id, name,
    object)` returns the JSON of a delivery. `prefix` begins the ids. `secret` is the test secret of its endpoints; its
    spelling shows that it is not a real one. `source`: where the provider documents the events.
    """

    describe: Callable[[Any, Happening], Iterable[tuple[str, Any]]]
    envelope: Callable[[Any, str, str, Any], Mapping[str, Any]]
    prefix: str
    secret: str
    source: str
