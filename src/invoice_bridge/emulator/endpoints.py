"""The webhook endpoints of one emulated provider: they are added, listed and removed, and are given each new event.

GET    _control/webhooks                  the endpoints, and the test secret
POST   _control/webhooks                  {"url": "http://127.0.0.1:8788/stripe", "manner": "doubled"} adds one
DELETE _control/webhooks                  removes all
GET    _control/webhooks/events           the events, newest last
GET    _control/webhooks/deliveries       the deliveries with their tries
POST   _control/webhooks/send             {"event": "evt_…"} delivers an event once more
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Any

import httpx
from pydantic import Field

from invoice_bridge.adapter.emulation.core import Emulator
from invoice_bridge.adapter.emulation.events import EmulatedEvent
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import loads
from invoice_bridge.emulator.answers import Body, Refusal, instant_text, read
from invoice_bridge.emulator.courier import Courier, Endpoint, Manner
from invoice_bridge.emulator.guard import is_loopback
from invoice_bridge.webhooks.signing import sign

_LONGEST = 86400.0
_MOST = 20


class NewEndpoint(Body):
    """POST webhooks: without a secret, the emulator's test secret signs.

    `elsewhere` allows a host that is not this machine by its name or address.
    """

    url: str
    elsewhere: bool = False
    secret: str | None = Field(default=None, repr=False)
    manner: Manner = Manner.IN_TIME
    seconds: float = Field(default=1.0, ge=0, le=_LONGEST)
    retries: int = Field(default=7, ge=0, le=100)
    retry_seconds: float = Field(default=1.0, gt=0, le=_LONGEST)
    signed_ago: float = Field(default=0.0, ge=0, le=_LONGEST)
    events: tuple[str, ...] = ()


class SendAgain(Body):
    """POST webhooks/send: the id of an event."""

    event: str


def _check(body: NewEndpoint) -> None:
    """Read the URL as what delivers to it does. Raises Refusal for no URL, and for another machine not asked for."""
    try:
        parts = httpx.URL(body.url)
    except (httpx.InvalidURL, ValueError):
        parts = httpx.URL("")
    is_url = parts.scheme in {"http", "https"} and parts.host and (parts.port or 0) < 65536 and body.url.isprintable()
    if not is_url or parts.userinfo:
        raise Refusal("url: write http://HOST:PORT/PATH; a user and a password belong in the secret")
    if not (body.elsewhere or is_loopback(parts.host)):
        raise Refusal(f'url: {parts.host} is not this machine; write "elsewhere": true if events are to be sent there')


class Endpoints:
    """The endpoints of one provider, each with its courier."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.couriers: dict[str, Courier] = {}
        self.made = 0
        self._last: EmulatedEvent | None = None

    def add(self, emulator: Emulator, body: NewEndpoint) -> Endpoint:
        """Add an endpoint. Raises Refusal if the provider documents no event, or nothing can be sent there."""
        if emulator.reports is None:
            raise Refusal(f"the documentation of {self.provider} has no event of an invoice, so none is delivered")
        if len(self.couriers) >= _MOST:
            raise Refusal(f"there are {_MOST} endpoints already; remove some")
        _check(body)
        secret = emulator.reports.secret if body.secret is None else body.secret
        values = body.model_dump(exclude={"secret", "elsewhere"})
        self.made += 1
        made = Endpoint(id=f"we_{self.made}", provider=self.provider, secret=secret, **values)
        try:  # a secret of another shape is refused now, not at the first event
            sign(self.provider, b"{}", secret=secret, at=emulator.clock(), event_id="evt_0")
        except ConfigurationError as error:
            raise Refusal(str(error)) from None
        self.collect(emulator)  # what happened before is not delivered to it
        self.couriers[made.id] = Courier(made)
        return made

    def collect(self, emulator: Emulator) -> None:
        """Give the endpoints the events that are new since the last call."""
        events, last = emulator.events, self._last
        if not events or events[-1] is last:
            return
        new = []
        for event in reversed(events):
            if event is last:
                break
            new.append(event)
        self._last = events[-1]
        for event in reversed(new):
            for courier in self.couriers.values():
                courier.offer(event)

    def forget(self) -> None:
        """Drop what is pending: the provider begins again. The endpoints stay."""
        self._last = None
        for courier in self.couriers.values():
            courier.forget()

    def remove_all(self, wait: float = 0.0) -> None:
        """End all couriers."""
        for courier in self.couriers.values():
            courier.close(wait)
        self.couriers.clear()

    # ── what the control API answers ─────────────────────────────────────────────────────────────────────────────────
    def listed(self, emulator: Emulator) -> dict[str, Any]:
        """Return the endpoints without their secrets, and the test secret."""
        shown = [asdict(courier.endpoint) for courier in self.couriers.values()]
        for row in shown:
            del row["secret"]
        return {"test_secret": emulator.reports and emulator.reports.secret, "endpoints": shown}

    def added(self, emulator: Emulator, content: bytes) -> dict[str, Any]:
        """Add the endpoint of a body; return all."""
        self.add(emulator, read(NewEndpoint, content))
        return self.listed(emulator)

    @staticmethod
    def events(emulator: Emulator) -> dict[str, Any]:
        """Return the last thousand events with their bodies, newest last."""
        skip = max(len(emulator.events) - 1000, 0)
        return {
            "events": [
                {
                    "id": event.id,
                    "type": event.type,
                    "invoice_id": event.invoice_id,
                    "at": instant_text(event.at),
                    "body": loads(event.body),
                }
                for event in islice(emulator.events, skip, None)
            ]
        }

    def deliveries(self) -> dict[str, Any]:
        """Return every delivery and its tries."""
        return {
            "deliveries": [
                {
                    "event": posting.event.id,
                    "type": posting.event.type,
                    "endpoint": posting.endpoint,
                    "state": posting.state,
                    "tries": list(posting.tries),
                }
                for courier in list(self.couriers.values())
                for posting in list(courier.postings)
            ]
        }

    def send_again(self, emulator: Emulator, content: bytes) -> dict[str, Any]:
        """Deliver an event once more, to all endpoints."""
        wanted = read(SendAgain, content).event
        event = emulator.find_event(wanted)
        if event is None:
            raise Refusal(f"there is no event {wanted!r}; see webhooks/events", 404)
        for courier in self.couriers.values():
            courier.repeat(event)
        return self.deliveries()
