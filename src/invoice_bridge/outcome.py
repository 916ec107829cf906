"""Retry, verification and what is known after a failure: generators around a flow; their only effects: Send and Sleep.

Rules of this file: no clock, no chance, no network. A runner that cannot send raises NotSent; one that sent and got no
whole answer raises Lost. A write that was lost stays "maybe applied", whatever happens to its later tries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from invoice_bridge.commands import Bill, OneTimeCharge, OnInvoice, Pay, PeriodInvoice
from invoice_bridge.errors import (
    AmountMismatch,
    BridgeError,
    Discrepancy,
    InvalidState,
    MalformedResponse,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    Unreachable,
)
from invoice_bridge.model import Invoice, Status
from invoice_bridge.money import Money
from invoice_bridge.provider import Context
from invoice_bridge.wire import Effect, Flow, Request, Response, Send, Sleep, Steps

T = TypeVar("T")


class NotSent(Exception):
    """The request never left: no connection could be opened, or none was free."""


class Lost(Exception):
    """The request left, and no whole answer came back: it may have taken effect."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a call, and what is known of it."""

    method: str
    path: str
    effects: frozenset[Effect]
    state: Literal["done", "refused", "not_sent", "unknown"]
    writes: bool
    status: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.state}" + (f" (HTTP {self.status})" if self.status else "")


@dataclass(frozen=True, slots=True)
class Policy:
    """How often to try again, and how long to wait between: seconds, doubling up to `longest_wait`."""

    retries: int = 2
    first_wait: float = 0.5
    longest_wait: float = 8.0
    longest_retry_after: int = 60

    def wait(self, tries: int, asked: int | None) -> float:
        """Seconds to wait after so many tries; the provider's own figure wins where it gives one."""
        return float(asked) if asked is not None else min(self.first_wait * 2.0 ** (tries - 1), self.longest_wait)


def supervise(flow: Flow[T], use: Context, policy: Policy, before: Callable[[], object] = lambda: None) -> Steps[T]:
    """Drive a flow: send its requests, try again where that is safe, and say on every error what is known.

    `before` runs once, after the flow made its first request and before that is sent.
    """
    steps: list[Step] = []
    known = use.ask.id if isinstance(use.ask, OnInvoice) else None
    try:
        try:
            request = next(flow)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        before()
        while True:
            try:
                answer = yield from _attempts(request, use, policy, steps)
            except BridgeError as failure:
                follow = _threw(flow, failure)
            else:
                known = known or _id_in(answer, use)
                follow = _sent(flow, answer)
            if isinstance(follow, StopIteration):
                return follow.value  # type: ignore[no-any-return]
            request = follow
    except BridgeError as error:
        error.outcome, error.invoice_id, error.steps = _outcome(error, steps), error.invoice_id or known, tuple(steps)
        raise
    finally:
        flow.close()


def _sent(flow: Flow[Any], answer: Response) -> Request | StopIteration:
    try:
        return flow.send(answer)
    except StopIteration as done:
        return done


def _threw(flow: Flow[Any], failure: BridgeError) -> Request | StopIteration:
    try:
        return flow.throw(failure)
    except StopIteration as done:
        return done


def _id_in(answer: Response, use: Context) -> str | None:
    try:
        return use.provider.invoice_id(answer.json)
    except MalformedResponse:
        return None


def _attempts(request: Request, use: Context, policy: Policy, steps: list[Step]) -> Steps[Response]:
    maybe, lost, tries = False, False, 0
    while True:
        tries += 1
        again, wait, status = True, None, None
        failure: BridgeError
        try:
            answer = yield Send(request)
        except NotSent as error:
            failure = Unreachable(f"{use.provider.title} cannot be reached: {error}")
        except Lost as error:
            lost, maybe = True, maybe or request.writes
            again = not request.writes or request.key is not None
            failure = Unreachable(f"{use.provider.title} gave no answer: {error}")
        else:
            if answer is None:
                raise TypeError("the runner must answer a Send with a Response")
            if 200 <= answer.status < 300:
                steps.append(_step(request, "done", answer.status))
                return answer
            refusal = use.provider.error(answer)
            refusal.repeated, status, failure = maybe, answer.status, refusal
            maybe = maybe or (refusal.maybe_applied and request.writes)
            if isinstance(refusal, RateLimited):
                wait = refusal.retry_after
                again = wait is None or wait <= policy.longest_retry_after
            else:
                again = refusal.maybe_applied and (not request.writes or request.key is not None)
            if not again and not refusal.maybe_applied:
                steps.append(_step(request, "unknown" if maybe else "refused", status))
                raise refusal
        if not again or tries > policy.retries:
            break
        try:
            yield Sleep(policy.wait(tries, wait))
        except NotSent:  # the deadline leaves no time for another try
            break
    state: Literal["unknown", "refused", "not_sent"] = (
        "unknown" if maybe or lost else "refused" if status else "not_sent"
    )
    steps.append(_step(request, state, status))
    if maybe:
        raise OutcomeUnknown(
            f"{request.method} {_path(request)} may or may not have taken effect: {failure}. "
            "Look the reference up before you try again",
            reference=use.ask.reference if isinstance(use.ask, Bill) else None,
        ) from failure
    raise failure


def _step(request: Request, state: Literal["done", "refused", "not_sent", "unknown"], status: int | None) -> Step:
    return Step(request.method, _path(request), request.effects, state, request.writes, status, request.key)


def _path(request: Request) -> str:
    return urlsplit(request.url).path


def _outcome(error: BridgeError, steps: list[Step]) -> Outcome:
    if any(step.state == "unknown" and step.writes for step in steps):
        return "unknown"
    written = [step for step in steps if step.writes and step.state == "done"]
    if not written:
        return "nothing_done"
    unread = isinstance(error, MalformedResponse) and steps[-1].writes and steps[-1].state == "done"
    return "done_unread" if unread else "partly_done"


# ── verification ─────────────────────────────────────────────────────────────────────────────────────────────────────
def verify(ask: OneTimeCharge | PeriodInvoice, found: Invoice, expected: Money | None = None) -> Invoice:
    """Compare what the provider holds with what was asked, before money moves.

    The currency and the amount before tax (`expected` where the provider rates it) must agree; with tax="provider",
    subtotal − discount + tax = total as well, where the tax is not within the lines. What the provider does not say is
    not compared. Raises AmountMismatch or Discrepancy.
    """
    if found.currency != ask.currency:
        raise Discrepancy(
            f"asked in {ask.currency}, the invoice is in {found.currency}", asked=ask.currency, found=found.currency
        )
    asked = ask.total if ask.total is not None else expected
    rated_or_taxed = ask.total is None or ask.tax == "provider"
    before_tax = found.subtotal if rated_or_taxed or found.total is None else found.total
    if asked is not None and before_tax is not None and before_tax != asked:
        raise AmountMismatch(
            f"asked for {asked}, the invoice {found.id} holds {before_tax} and is {found.status}",
            asked=asked,
            found=before_tax,
        )
    if ask.tax == "provider" and found.subtotal and found.discount is not None and found.tax is not None:
        less_discount = found.subtotal - found.discount
        if found.total is not None and found.total not in {less_discount + found.tax, less_discount}:
            raise AmountMismatch(
                f"subtotal less discount plus tax is {less_discount + found.tax}, "
                f"the invoice {found.id} totals {found.total}",
                asked=less_discount + found.tax,
                found=found.total,
            )
    return found


def payable(ask: Pay, found: Invoice) -> Invoice:
    """Check that an invoice may be collected now: open (or given up), no payment on its way, the amount as expected.

    Raises InvalidState or Discrepancy.
    """
    wrong = None
    if found.payment_pending:
        wrong = "a payment is on its way already"
    elif found.status not in {Status.OPEN, Status.UNCOLLECTIBLE}:
        wrong = f"the invoice is {found.status}"
    if wrong:
        error = InvalidState(f"{found.id} cannot be paid: {wrong}", provider=found.provider)
        error.invoice = found
        raise error
    if ask.expect is not None and found.amount_remaining != ask.expect:
        raise Discrepancy(
            f"expected {ask.expect} to be still to pay on {found.id}, but the provider says "
            f"{'no figure' if found.amount_remaining is None else found.amount_remaining}",
            asked=ask.expect,
            found=found.amount_remaining,
        )
    return found
