"""Calibration: settles what a provider's documentation leaves open, by probes against a test account.

Rules of this file: no request that writes is sent before the key and the account's own answer both say "test". What a
probe makes is taken back; what stays is listed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from invoice_bridge.adapter.emulation.probes import NotSettled, Probe, Probes, Trial, answer_of
from invoice_bridge.client.calls import Call
from invoice_bridge.client.clients import Client
from invoice_bridge.client.exchange import Deadline
from invoice_bridge.core.commands import ListInvoices
from invoice_bridge.core.errors import BridgeError, ConfigurationError, MalformedResponse, Unauthorized, Unreachable
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.engine.supervise import Lost, NotSent

__all__ = ["Calibration", "calibrate"]

T = TypeVar("T")
_FAILED = 500
_WRONG_KEY, _NO_PERMISSION, _TOO_MANY = 401, 403, 429
_ABOUT_THE_KEY = {_WRONG_KEY, _NO_PERMISSION, _TOO_MANY}
_NO_CONTENT = 204
_WAITS = 3
"""How often a request is sent again that came too early for the provider's rate limit."""
_LONGEST_WAIT = 60.0
_ANOTHER_FORM = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""Raised by a probe that reads an answer of another form than the documented one: that settles nothing."""


@dataclass
class Calibration:
    """What the probes saw: `observed` has each switch (None: not settled), `skipped` those that were not run."""

    observed: dict[str, bool | None] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    """What was made and stays, with its state: it does no harm, and the provider takes no more back."""
    left: dict[str, str] = field(default_factory=dict)
    """What was made and could not be taken back, with its state."""
    unsure: list[str] = field(default_factory=list)
    """Writes whose answer was lost or unreadable: what they made, if anything, is not known."""
    stopped: str = ""
    """Why the probes ended early; empty if they did not."""


class _Prober(Client):
    """A client that sends single requests. Without `may_write` it sends GET requests only."""

    may_write = False

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.unsure: list[str] = []
        self.made: list[str] = []

    def trial(self, customer: str, run: str, now: datetime) -> Trial:
        """Return the values that every probe gets."""
        return Trial(self._context, customer, run, now)

    def exchange(self, request: Request) -> Response:
        """Send one request; again only if it came too early.

        Raises Unauthorized, Unreachable (also for what is no answer of the provider), and NotSettled for a refusal in
        another form than the provider's.
        """
        if request.writes and not self.may_write:
            raise ConfigurationError(f"nothing is written before the account is known to be a test account: {request}")
        answer, waits = self._exchange_once(request), 0
        while answer.status == _TOO_MANY:
            if waits == _WAITS:
                raise Unreachable(f"{self._context.provider.title} still answers that it was asked too often")
            time.sleep(_wait_of(answer))
            answer, waits = self._exchange_once(request), waits + 1
        if answer.status in {_WRONG_KEY, _NO_PERMISSION}:
            raise Unauthorized(f"the key was refused: {request.method} {request.url}", status=answer.status)
        return answer

    def _exchange_once(self, request: Request) -> Response:
        try:
            answer = self._send(request, Deadline.starting(None), Call(ListInvoices(), self._context), [])
        except (NotSent, Lost) as error:
            if request.writes and isinstance(error, Lost):
                self.unsure.append(f"{request.method} {request.url}")
            raise Unreachable(f"{self._context.provider.title} gave no answer: {error}") from error
        is_readable = bool(answer_of(answer)) or (answer.status < 300 and answer.content.strip() == b"true")
        if request.writes and (answer.status >= _FAILED or (answer.status < 300 and not is_readable)):
            self.unsure.append(f"{request.method} {request.url}")
        is_about_it = answer.status >= _FAILED or answer.status in {*_ABOUT_THE_KEY, _NO_CONTENT}
        if not is_about_it and not is_readable:
            kind = answer.headers.get("content-type", "no type")
            raise Unreachable(
                f"what answers is not {self._context.provider.title}: HTTP {answer.status} without its JSON ({kind}); "
                "check the base URL, and any proxy before it"
            )
        if 400 <= answer.status < _FAILED and answer.status not in _ABOUT_THE_KEY:
            try:
                self._context.provider.refusal(answer)
            except MalformedResponse as error:  # a refusal that is not the provider's shows nothing of it
                raise NotSettled(str(error)) from None
        return answer

    def check_not_live(self) -> None:
        """Raise ConfigurationError for a key that shows another mode than test, even if nothing is to be written."""
        if (mode := self._mode_of_key()) not in {None, "test"}:
            raise ConfigurationError(f"calibration takes no key that shows {mode} mode: use one of a test account")

    def check_test(self, probes: Probes, trial: Trial) -> None:
        """Raise ConfigurationError unless the key, and the account's own answer, are in test mode."""
        if self._mode_of_key() != "test" and not probes.account_decides:
            raise ConfigurationError(
                "calibration writes only with a key that shows test mode, and this one shows no mode: "
                "use a key of a test account, or leave out --write"
            )
        try:
            is_live = self.run_flow(probes.is_live(trial))
        except (NotSettled, *_ANOTHER_FORM):
            is_live = None
        if is_live is not False:
            raise ConfigurationError(
                f"the account's own answer (asked about {trial.customer}) does not say test mode, so nothing was "
                "written: check the key, the customer and the host"
            )

    def run_probe(self, probe: Probe, probes: Probes, trial: Trial) -> bool | None:
        """Run a probe; return what it shows. What it makes is added to `made`."""
        try:
            return self.run_flow(probe.flow(trial), probes)
        except (NotSettled, *_ANOTHER_FORM):
            return None
        except Unauthorized as error:
            if error.status == _NO_PERMISSION:  # the key is accepted, and may not do this
                return None
            raise

    def run_flow(self, steps: Flow[T], probes: Probes | None = None) -> T:
        """Send the requests of a flow; return its result. What they make is added to `made` if `probes` are given."""
        try:
            request = next(steps)
            while True:
                response = self.exchange(request)
                path = None if probes is None else probes.made(request, response)
                if path is not None and path not in self.made:
                    self.made.append(path)
                request = steps.send(response)
        except StopIteration as done:
            result: T = done.value
            return result

    def take_back(self, probes: Probes, trial: Trial, result: Calibration) -> None:
        """Take back what was made, the latest first; list what stays."""
        for path in reversed(self.made):
            try:
                remains = self.run_flow(probes.take_back(trial, path))
            except (BridgeError, NotSettled, *_ANOTHER_FORM) as error:
                remains = {path: f"not known ({error})"}
            for one, state in remains.items():
                (result.kept if state in probes.kept else result.left)[one] = state


def _wait_of(answer: Response) -> float:
    """Return how many seconds to wait before a request is sent again."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdecimal() else 2.0


def calibrate(
    given: Mapping[str, Any],
    probes: Probes,
    customer: str,
    run: str,
    *,
    may_write: bool = False,
    may_charge: bool = False,
    now: datetime | None = None,
) -> Calibration:
    """Run the probes with a client made of `given`.

    Those that write run only with `may_write`, those that may take money of a test card only with `may_charge` too;
    both only at a test account. `customer` is one of the account, `run` a word of at most 16 characters that no other
    run has. Raises ConfigurationError for a key or an account that is not in test mode; Unauthorized and Unreachable if
    the guard meets them.
    """
    result = Calibration()
    own = {name: value for name, value in given.items() if name not in {"journal", "lookup"}}
    with _Prober(**own) as client:
        client.check_not_live()
        trial = client.trial(customer, run, now or datetime.now(UTC))
        if may_write:
            client.check_test(probes, trial)
            client.may_write = True
        try:
            for switch, probe in probes.rows.items():
                if (probe.writes and not may_write) or (probe.charges and not may_charge):
                    result.skipped.append(switch)
                else:
                    result.observed[switch] = client.run_probe(probe, probes, trial)
        except (Unauthorized, Unreachable) as error:
            result.stopped = str(error)
        finally:
            client.take_back(probes, trial, result)
            result.unsure = client.unsure
    return result
