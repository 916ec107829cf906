"""One run of the server: the plans that were shown, and what may still be made.

Rules of this file: a plan is made once, within its time, if the bill, the profile and everything that would be sent are
as they were shown. What a bill may have cost stays counted unless it is certain that nothing was done. No clock but the
monotonic one that is passed in.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from invoice_bridge.client.caps import Caps, caps_of
from invoice_bridge.client.clients import Client
from invoice_bridge.client.config import read_caps, read_profile
from invoice_bridge.core.amounts import amounts_of_bill
from invoice_bridge.core.bills import total_with_tax
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice, read_command
from invoice_bridge.core.errors import BridgeError, ConfigurationError
from invoice_bridge.core.losses import Loss, Severity
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.money import Money
from invoice_bridge.explain import Plan

__all__ = ["Screen", "Session"]

_LOG = logging.getLogger("invoice_bridge.mcp")
_MOST_SHOWN = 100
_Bill = OneTimeCharge | PeriodInvoice


@dataclass(frozen=True, slots=True)
class Screen:
    """What `explain` shows: the plan and its hash; `hash` is empty, and `why_not` says why, where it cannot be made."""

    hash: str
    text: str
    why_not: str = ""
    seconds: float = 0.0
    """How long the plan may be made."""


@dataclass(slots=True)
class _Shown:
    """A plan that was shown; `asked` once the person was asked about it."""

    bill: str
    profile: str
    until: float
    question: str
    asked: bool = False


class Session:
    """A profile of a file, opened anew for each call, so that a change of the file is seen."""

    def __init__(
        self,
        path: str,
        profile: str | None = None,
        *,
        allow_live: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the profile and check it. Raises ConfigurationError, also for live mode without `allow_live`."""
        self._path, self._profile, self._allow_live, self._clock = path, profile, allow_live, clock
        self._salt = secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._shown: dict[str, _Shown] = {}
        self._billed: dict[str, int] = {}
        """Minor units by currency that the bills of this run have cost, or may have."""
        with self._opened():
            pass

    # ── what only reads ──────────────────────────────────────────────────────────────────────────────────────────────
    def explain(self, data: Mapping[str, Any]) -> Screen:
        """Show exactly what a bill would send, and its hash if it may be made. Nothing is sent."""
        command = read_command(amounts_of_bill(data))
        with self._opened() as (client, caps, profile), self._lock:
            plan = client.explain(command)
            text = f"{self._heading(client, caps)}\n\n{plan.text()}"
            if why_not := self._why_not(client, caps, command, plan):
                return Screen("", text, why_not)
            digest = _digest(client, command, plan)
            while len(self._shown) >= _MOST_SHOWN:
                del self._shown[next(iter(self._shown))]
            question = f"Make this bill of {_amount(command)} at {client.provider}?\n\n{text}"
            until = self._clock() + caps.confirm_within
            self._shown[digest] = _Shown(_canonical(command), profile, until, question)
            return Screen(digest, text, seconds=caps.confirm_within)

    def losses(self, data: Mapping[str, Any]) -> tuple[Loss, ...]:
        """List what the provider would not carry of a bill. Nothing is sent."""
        command = read_command(amounts_of_bill(data))
        with self._opened() as (client, _, _):
            return client.losses(command)

    def find(self, reference: str, customer: str | None = None) -> Invoice:
        """Find the one invoice of a reference."""
        with self._opened() as (client, _, _):
            return client.find(reference, customer=customer)

    def show(self, invoice_id: str) -> Invoice:
        """Read one invoice."""
        with self._opened() as (client, _, _):
            return client.retrieve(invoice_id)

    # ── what the person says ─────────────────────────────────────────────────────────────────────────────────────────
    def must_ask(self) -> bool:
        """Whether nothing is made without an answer of the person, as the file says now."""
        return caps_of(read_caps(self._path, self._profile)).ask

    def question(self, data: Mapping[str, Any], plan_hash: str) -> str | None:
        """Return what to ask the person before this bill is made; None for one that `create` refuses by itself."""
        command = read_command(amounts_of_bill(data))
        with self._lock:
            shown = self._shown.get(plan_hash)
            if shown is None or shown.bill != _canonical(command):
                return None
            shown.asked = True
            return shown.question

    def was_asked(self, plan_hash: str) -> bool:
        """Whether the person was asked about a plan that waits."""
        with self._lock:
            return plan_hash in self._shown and self._shown[plan_hash].asked

    def withdraw(self, plan_hash: str) -> None:
        """Use a hash up: the person did not agree."""
        with self._lock:
            self._shown.pop(plan_hash, None)

    # ── what bills ───────────────────────────────────────────────────────────────────────────────────────────────────
    def create(self, data: Mapping[str, Any], plan_hash: str) -> Invoice:
        """Make the bill of a plan that was shown. Raises ConfigurationError, before anything is sent, for any other.

        The hash is used up by the first call that names it, however that ends.
        """
        with self._lock:
            shown = self._shown.pop(plan_hash, None)
            if shown is None:
                raise ConfigurationError(
                    "no plan of this hash is waiting: it was never shown by this server, was used before, or is too "
                    "old; nothing was sent: explain the bill, show the screen, and confirm that plan"
                )
            if self._clock() >= shown.until:
                raise ConfigurationError("this plan was shown too long ago; nothing was sent: explain the bill again")
            command = read_command(amounts_of_bill(data))
            if _canonical(command) != shown.bill:
                raise ConfigurationError(
                    "this is another bill than the one that was shown under this hash; nothing was sent: explain it"
                )
            with self._opened() as (client, caps, profile):
                if profile != shown.profile:
                    raise ConfigurationError(
                        "the profile was changed since the plan was shown; nothing was sent: explain the bill again"
                    )
                plan = client.explain(command)
                if _digest(client, command, plan) != plan_hash:
                    raise ConfigurationError(
                        "the bill would not send any more what was shown, because the journal has changed; nothing "
                        "was sent: explain it again"
                    )
                if why_not := self._why_not(client, caps, command, plan):
                    raise ConfigurationError(f"{why_not}; nothing was sent")
                return self._make(client, command, plan_hash)

    def _make(self, client: Client, command: _Bill, plan_hash: str) -> Invoice:
        amount = _amount(command)
        if amount is None:
            raise TypeError("a bill without an amount was let through")
        self._billed[amount.currency] = self._billed.get(amount.currency, 0) + amount.minor
        try:
            made = client.create(command)
        except BaseException as error:
            outcome = getattr(error, "outcome", "unknown")
            if isinstance(error, BridgeError) and outcome == "nothing_done":
                self._billed[amount.currency] -= amount.minor
            _LOG.info("%s: plan %s ended: %s, outcome %s", client.provider, plan_hash, type(error).__name__, outcome)
            raise
        if made.total is not None and made.total.currency == amount.currency and made.total.minor > amount.minor:
            self._billed[amount.currency] += made.total.minor - amount.minor  # tax that the provider added
        _LOG.info("%s: plan %s made %s", client.provider, plan_hash, made.id)
        return made

    # ── what may be made ─────────────────────────────────────────────────────────────────────────────────────────────
    def _why_not(self, client: Client, caps: Caps, command: _Bill, plan: Plan) -> str:
        """Say why a bill may not be made here; empty if it may."""
        if plan.refusal is not None:
            return "the provider cannot make this bill"
        stopping = [loss.code for loss in plan.losses if _stops(loss) and loss.code not in plan.allowed]
        if stopping:
            return f"it would lose {', '.join(stopping)}, which the profile does not allow"
        if command.native or command.native_unchecked:
            return "it has native parameters, whose amounts no cap can check: make it without this server"
        if client.journal is None:
            return "the profile has no journal, without which a repeated bill could be made twice: write journal = …"
        amount = _amount(command)
        if amount is None:
            return "the provider decides its amount, which no cap can check: make it without this server"
        cap, run = caps.per_bill.get(amount.currency), caps.per_run.get(amount.currency)
        if cap is None or run is None:
            return f"the profile has no cap in {amount.currency}"
        if amount.minor > cap.minor:
            return f"it is {amount}, more than the {cap} that one bill may be"
        if self._billed.get(amount.currency, 0) + amount.minor > run.minor:
            billed = Money(self._billed.get(amount.currency, 0), amount.currency)
            return f"with it this run would bill more than {run}: {billed} are billed"
        return ""

    def _heading(self, client: Client, caps: Caps) -> str:
        left = [Money(cap.minor - self._billed.get(name, 0), name) for name, cap in caps.per_run.items()]
        mode = f"{client.book.mode} mode" if client.book.mode else "LIVE, as far as can be known"
        return (
            f"{client.book.account.rstrip(':')}: {mode.replace('live mode', 'LIVE mode')}; at most "
            f"{', '.join(map(str, caps.per_bill.values()))} a bill; left in this run: {', '.join(map(str, left))}"
        )

    # ── the profile ──────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def _opened(self) -> Iterator[tuple[Client, Caps, str]]:
        """Open the client of the profile, with the caps and a fingerprint of all that the profile says."""
        given, table = read_profile(self._path, self._profile), read_caps(self._path, self._profile)
        text = json.dumps([given, table], sort_keys=True, default=str).encode()
        fingerprint = hmac.new(self._salt, text, hashlib.sha256).hexdigest()
        with Client(**given) as client:
            if client.book.mode != "test" and not self._allow_live:
                mode = (
                    "is in live mode" if client.book.mode == "live" else 'does not say mode = "test", nor does its key'
                )
                raise ConfigurationError(
                    f"{self._path}: the profile {mode}: an assistant bills for real only with --allow-live"
                )
            yield client, caps_of(table), fingerprint


def _stops(loss: Loss) -> bool:
    return loss.severity is not Severity.INFO


def _amount(command: _Bill) -> Money | None:
    """Return what a bill costs with its tax, None if the provider decides it.

    A total that is expected is no bound of the provider's tax: where a bill is issued at once it is compared too late.
    """
    total = total_with_tax(command)
    if command.tax == "provider" or total is None:
        return None
    expected = command.expect_total
    return total if expected is None else max(total, expected, key=lambda money: money.minor)


def _canonical(command: _Bill) -> str:
    return json.dumps([command.verb, command.model_dump(mode="json")], sort_keys=True)


def _digest(client: Client, command: _Bill, plan: Plan) -> str:
    """Return the hash of a plan: of the bill, the account, its mode, and every byte that would be sent."""
    shown = [client.book.account, client.book.mode, client.book.name, _canonical(command), plan.to_json()]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:32]
