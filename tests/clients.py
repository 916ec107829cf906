"""What the client's tests share: clients whose provider is a function or an emulator, and Stripe's JSON by hand."""

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import httpx
import pytest

from invoice_bridge import Client, Money, OneTimeCharge, providers
from invoice_bridge.client import options as module
from invoice_bridge.core.exact import dumps
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.explain import make_context
from invoice_bridge.providers.stripe import STRIPE

KEY = "sk_test_not_a_key"
BASE = "https://stripe.example.test"
CHARGE = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1999, "EUR"))

Answers = Callable[[httpx.Request], httpx.Response]


def client_of(answers: Answers, **said: Any) -> Client:
    """A client whose every request a function answers."""
    http = httpx.Client(transport=httpx.MockTransport(answers))
    given: dict[str, Any] = {"api_key": KEY, "base_url": BASE, "http": http, "lookup": "never"} | said
    return Client("stripe", **given)


def emulated(emulator: Any = None, **said: Any) -> tuple[Client, EmulatorTransport]:
    """A client of Stripe's emulator, and what went through."""
    transport = EmulatorTransport(emulator or STRIPE.emulator(), BASE)
    return Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport), **said), transport


def emulated_at(name: str, emulator: Any = None, **said: Any) -> tuple[Client, EmulatorTransport]:
    """A client of any provider's emulator, with the settings that this one accepts, and what went through."""
    declared = providers.get(name)
    made = emulator or declared.emulator()
    root = make_context(declared, made.settings, "http://127.0.0.1:1" if name == "stripe" else None).base_url
    transport = EmulatorTransport(made, root)
    http = httpx.Client(transport=transport)
    return Client(name, api_key=made.key, base_url=root, http=http, **made.settings, **said), transport


def row(number: int, **said: Any) -> dict[str, Any]:
    """An invoice as Stripe writes it."""
    least = {"id": f"in_{number}", "object": "invoice", "status": "open", "currency": "eur", "lines": {"data": []}}
    return least | {"created": 1777593600} | said


def page(*rows: dict[str, Any], more: bool = False) -> httpx.Response:
    """A page of a listing as Stripe writes it."""
    return httpx.Response(200, content=dumps({"object": "list", "data": list(rows), "has_more": more}))


def fails(error: BaseException) -> Answers:
    """A network that fails the same way every time."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs real waiting between tries, and no account's pace outlives its test."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(module, "_paces", WeakValueDictionary())
