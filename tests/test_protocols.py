"""The two protocols of a client: a journal and a rate limiter of the caller's own."""

import inspect
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import invoice_bridge
from invoice_bridge import Client, ConfigurationError, Journal, Unauthorized
from invoice_bridge.core.exact import dumps
from invoice_bridge.engine.pace import RateLimiter as OwnRateLimiter
from invoice_bridge.engine.supervise import RateLimiter
from invoice_bridge.journal.protocol import BillJournal
from tests.clients import CHARGE, KEY, client_of, emulated


class Noting:
    """A rate limiter that notes its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def reserve(self) -> float:
        self.calls.append("reserve")
        return 0.0

    def release(self, pause: float) -> None:
        self.calls.append(("release", pause))

    def observe(self, *, throttled: bool, retry_after: int | None) -> None:
        self.calls.append(("throttled", throttled))


def _methods(kind: type) -> dict[str, list[str]]:
    names = [name for name in vars(kind) if not name.startswith("_") and inspect.isfunction(getattr(kind, name))]
    return {name: list(inspect.signature(getattr(kind, name)).parameters) for name in names}


def test_the_protocol_of_a_journal_has_what_the_client_uses_and_no_more() -> None:
    """Each method is one of Journal's, with the same parameters, and is called by the client's memory."""
    memory = Path(invoice_bridge.__file__).parent / "journal" / "memory.py"
    used = set(re.findall(r"self\.journal\.(\w+)\(", memory.read_text("utf-8")))
    assert set(_methods(BillJournal)) == used
    journal = _methods(Journal)
    assert _methods(BillJournal) == {name: journal[name] for name in used}


def test_the_protocol_of_a_rate_limiter_is_what_the_librarys_own_has() -> None:
    own = _methods(OwnRateLimiter)
    assert _methods(RateLimiter) == {name: own[name] for name in ("reserve", "release", "observe")}


def test_a_client_asks_the_callers_rate_limiter_before_each_request() -> None:
    """Also on loopback and with an emulator, where the documented limit does not apply."""
    limiter = Noting()
    client, transport = emulated(rate_limiter=limiter)
    client.create(CHARGE)
    assert limiter.calls.count("reserve") == len(transport.sent) > 1
    assert ("throttled", False) in limiter.calls
    refused = client_of(lambda _: httpx.Response(401, content=dumps({"error": {}})), rate_limiter=limiter)
    with pytest.raises(Unauthorized):
        refused.retrieve("in_1")


class Refusing(Noting):
    """A rate limiter that has no slot to give."""

    def reserve(self) -> float:
        raise ConfigurationError("no slot")


def test_a_rate_limiter_that_refuses_keeps_the_request_from_being_sent() -> None:
    client, transport = emulated(rate_limiter=Refusing())
    with pytest.raises(ConfigurationError, match="no slot") as caught:
        client.create(CHARGE)
    assert (transport.sent, caught.value.outcome) == ([], "nothing_done")


@pytest.mark.parametrize("value", [1, "fast", object()])
def test_what_is_no_rate_limiter_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"rate_limiter must be a RateLimiter: .* has no reserve"):
        Client("stripe", api_key=KEY, rate_limiter=value)


def test_two_limits_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="both set the limit"):
        Client("stripe", api_key=KEY, rate_limiter=Noting(), requests_per_minute=60)


def test_a_journal_that_is_given_is_used_and_not_closed(tmp_path: Path) -> None:
    """Two clients share it, and it is still open after both were closed."""
    journal = Journal(tmp_path / "bills.sqlite")
    for _ in range(2):
        client, _ = emulated(journal=journal, lookup="journal")
        with client:
            client.create(CHARGE)
    assert [known.verdict for known in journal.history(CHARGE.reference)][:3] == ["applied"] * 3
    journal.close()


def test_a_journal_that_refuses_keeps_the_request_from_being_sent(tmp_path: Path) -> None:
    """What `intend` raises is the caller's error, and nothing was sent."""

    class Closed(Journal):
        def intend(self, *_arguments: Any, **_options: Any) -> int:
            raise ConfigurationError("this journal lets nothing pass")

    client, transport = emulated(journal=Closed(tmp_path / "bills.sqlite"), lookup="journal")
    with pytest.raises(ConfigurationError, match="lets nothing pass") as caught:
        client.create(CHARGE)
    assert (transport.sent, caught.value.outcome) == ([], "nothing_done")
