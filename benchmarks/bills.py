"""The bills that are made over HTTP: what the client sends for each, and what the provider's emulator answers.

A bill is made once against the emulator in memory. Its requests and answers become the server's routes, what the raw
HTTP clients send, and what the SDKs are given: the same number of requests, and the same bodies. Bills are numbered, so
that none is like another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from server import NUMBER

SETTINGS: dict[str, dict[str, str]] = {
    "stripe": {},
    "chargebee": {"site": "bench-test"},
    "whop": {"account_id": "biz_42"},
}
CUSTOMERS = {"stripe": "cus_42", "chargebee": "cus_42", "whop": "mber_42"}
_ROOT = "http://127.0.0.1:1"
_FIRST = re.compile(r"\b(in|inv|plan)_00000001\b")
"""The emulators' first ids, which carry the bill's number here."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of a bill, NUMBER in place of the bill's number, and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    content: str
    body: dict[str, Any]
    kind: str
    answer: str


@dataclass(frozen=True, slots=True)
class Course:
    """All requests of a provider's bill, in order."""

    provider: str
    key: str
    sent: tuple[Sent, ...]

    def routes(self) -> dict[str, tuple[str, str]]:
        """What the server needs."""
        return {f"{one.method} {one.path}": (one.kind, one.answer) for one in self.sent}


def numbers() -> Iterator[str]:
    """Numbers of bills: eight digits, each once in a process."""
    return (f"{number:08d}" for number in count(10_000_001))


def bill(provider: str, number: str) -> Any:
    """A bill of two lines, which the customer is asked to pay."""
    from datetime import UTC, datetime

    from invoice_bridge import Collection, Line, Money, OneTimeCharge

    due = datetime(2026, 12, 1, tzinfo=UTC)
    return OneTimeCharge(
        reference=f"bench-{number}",
        customer=CUSTOMERS[provider],
        description="Reservation fees",
        collection=Collection.send(due=due) if provider == "whop" else Collection.manual(),
        lines=[
            Line(description=f"Reservation fee of day {day}", quantity=1, unit_amount=Money(1_999, "EUR"))
            for day in (1, 2)
        ],
    )


def client_settings(provider: str, url: str) -> dict[str, Any]:
    """What a client of ours is made with: no lookup, and the highest limit on requests that it takes."""
    return {"base_url": url, "lookup": "never", "requests_per_minute": 1_000_000, **SETTINGS[provider]}


def course(provider: str) -> Course:
    """Make the bill once, against the emulator."""
    import httpx

    from invoice_bridge import Client, explain, providers
    from invoice_bridge.emulator import EmulatorTransport, FakeClock

    number = NUMBER.decode()
    emulator: Any = providers.get(provider).emulator(clock=FakeClock())
    transport, answers = EmulatorTransport(emulator, _ROOT), []

    def keep(answer: httpx.Response) -> None:
        answer.read()
        answers.append(answer)

    http = httpx.Client(transport=transport, event_hooks={"response": [keep]})
    with http, Client(provider, api_key=emulator.key, http=http, **client_settings(provider, _ROOT)) as client:
        client.create(bill(provider, number))
    planned = explain(provider, bill(provider, number), lookup="never", **SETTINGS[provider]).requests
    assert [one.method for one in planned] == [one.method for one in transport.sent]
    return Course(
        provider,
        emulator.key,
        tuple(
            Sent(
                request.method,
                _FIRST.sub(rf"\1_{number}", urlsplit(request.url).path),
                {name: value for name, value in request.headers.items() if name not in {"host", "content-length"}},
                request.content.decode(),
                dict(plan.body or {}),
                answer.headers["content-type"],
                _FIRST.sub(rf"\1_{number}", answer.text),
            )
            for request, plan, answer in zip(transport.sent, planned, answers, strict=True)
        ),
    )


def comparable(log: list[list[str]], number: str) -> list[tuple[str, str, Any]]:
    """Requests as the server saw them, apart from the number and from the order of fields in a body."""
    found = []
    for method, target, body in log:
        text = body.replace(number, "NUMBER").replace(".000Z", "Z")  # whop-sdk leaves the milliseconds out
        fields: Any = json.loads(text) if text.startswith("{") else sorted(parse_qsl(text, keep_blank_values=True))
        found.append((method, target.replace(number, "NUMBER"), fields))
    return found
