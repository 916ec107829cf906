"""Calibration: settles what a provider's documentation leaves open, by probes against a test account.

Rules of this file: no request that writes is sent before the key and the account's own answer both say "test". What a
probe makes is taken back, and listed where that fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from invoice_bridge.adapter.emulation.probes import ProbeFlow, Probes, answer_of
from invoice_bridge.client.calls import Call
from invoice_bridge.client.clients import Client
from invoice_bridge.client.exchange import Deadline
from invoice_bridge.core.commands import ListInvoices
from invoice_bridge.core.errors import BridgeError, ConfigurationError, Unauthorized, Unreachable
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.supervise import Lost, NotSent

__all__ = ["Calibration", "calibrate"]

_FAILED = 500


@dataclass
class Calibration:
    """What the probes saw: `observed` has each switch (None: not settled), `skipped` those that would write."""

    observed: dict[str, bool | None] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """The ids of what was made and could not be taken back."""
    unsure: list[str] = field(default_factory=list)
    """Writes whose answer was lost or unreadable: what they made, if anything, is not known and not taken back."""
    stopped: str = ""
    """Why the probes ended early; empty if they did not."""


class _Prober(Client):
    """A client that sends single requests. Without `may_write` it sends GET requests only."""

    may_write = False

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.unsure: list[str] = []

    def exchange(self, request: Request) -> Response:
        """Send one request, once. Raises Unreachable."""
        if request.method != "GET" and not self.may_write:
            raise ConfigurationError(f"nothing is written before the account is known to be a test account: {request}")
        try:
            answer = self._send(request, Deadline.starting(None), Call(ListInvoices(), self._context), [])
            if request.method != "GET" and (answer.status >= _FAILED or not answer_of(answer)):
                self.unsure.append(f"{request.method} {request.url}")
            return answer
        except (NotSent, Lost) as error:
            if request.method != "GET" and isinstance(error, Lost):
                self.unsure.append(f"{request.method} {request.url}")
            raise Unreachable(f"{self._context.provider.title} gave no answer: {error}") from error

    def check_test(self, probes: Probes, customer: str, run: str) -> None:
        """Raise ConfigurationError unless the key, and the account's own answer, are in test mode."""
        mode = self._mode_of_key()
        if mode != "test":
            raise ConfigurationError(
                f"calibration writes only with a key that shows test mode; this one shows {mode or 'no mode'}: "
                "use a key of a test account, or leave out --write"
            )
        is_live = self.probe(probes.is_live, customer, run)
        if is_live is not False:
            raise ConfigurationError(
                f"the account's own answer about {customer} does not say test mode, so nothing was written: "
                "check the key and the customer"
            )

    def probe(self, flow: ProbeFlow, customer: str, run: str, made: list[str] | None = None, probes: Any = None) -> Any:
        """Run the requests of a probe; return its result. The ids of what it makes are added to `made`."""
        steps = flow(self._context, customer, run)
        request = next(steps)
        while True:
            response = self.exchange(request)
            if response.status in {401, 403}:
                raise Unauthorized(f"the key was refused: {request.method} {request.url}", status=response.status)
            if made is not None and (new := probes.made(request, response)) is not None and new not in made:
                made.append(new)
            try:
                request = steps.send(response)
            except StopIteration as done:
                return done.value

    def undo(self, probes: Probes, made: list[str]) -> list[str]:
        """Take back what was made; return the ids of the rest."""
        left = []
        for one in made:
            try:
                gone = self.exchange(probes.undo(self._context, one)).status < 300
            except BridgeError:
                gone = False
            left += [] if gone else [one]
        return left


def calibrate(
    given: Mapping[str, Any], probes: Probes, customer: str, run: str, *, may_write: bool = False
) -> Calibration:
    """Run the probes with a client made of `given`; those that write only with `may_write`, at a test account.

    `customer` is one of the account, `run` a word that no other run has. Raises ConfigurationError for a key or an
    account that is not in test mode; Unauthorized and Unreachable if the guard meets them.
    """
    result, made = Calibration(), list[str]()
    own = {name: value for name, value in given.items() if name not in {"journal", "lookup"}}
    with _Prober(**own) as client:
        if may_write:
            client.check_test(probes, customer, run)
            client.may_write = True
        try:
            for switch, probe in probes.rows.items():
                if probe.writes and not may_write:
                    result.skipped.append(switch)
                else:
                    result.observed[switch] = client.probe(probe.flow, customer, run, made, probes)
        except (Unauthorized, Unreachable) as error:
            result.stopped = str(error)
        finally:
            result.left = client.undo(probes, made) if made else []
            result.unsure = client.unsure
    return result
