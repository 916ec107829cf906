"""Retries, and what is known after a failure: generators around a flow; their only effects are Send and Sleep.

Rules of this file: no clock, no randomness, no network. A runner that cannot send raises NotSent; one that sent and got
no complete answer raises Lost. A lost write stays "maybe applied", whatever happens to its later tries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar, cast

from invoice_bridge.adapter.answers import json_of
from invoice_bridge.adapter.classify import Classified
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import NewInvoice, OnInvoice, verb_reference
from invoice_bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    IdempotencyMismatch,
    MalformedResponse,
    Outcome,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unreachable,
    UnreadableServerError,
)
from invoice_bridge.core.steps import State, Step
from invoice_bridge.core.wire import Flow, Request, Response, Send, Sleep, Steps
from invoice_bridge.engine.collecting import reading
from invoice_bridge.engine.subject import check_subject, has_failed

T = TypeVar("T")
Verdict = Literal["applied", "refused", "deferred", "maybe"]
"""What an answer means for a write. applied: it took effect. refused: it did not, and no longer can. deferred: this try
did not, and earlier ones are unknown. maybe: it may have taken effect, or may still do so."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class NotSent(Exception):
    """The request was not sent: no connection could be opened, or none was free."""


class Lost(Exception):
    """The request was sent, but no complete answer came back: it may have taken effect."""


class RateLimiter(Protocol):
    """Limits the requests of an account; threads share it. See invoice_bridge.engine.pace for the library's own.

    A client calls `reserve` before each request, and waits for the seconds that it returns. An AsyncClient calls it on
    its event loop, where it must not block. ConfigurationError from it keeps the request from being sent.
    """

    def reserve(self) -> float:
        """Return the seconds until a request may be sent; it counts as sent then."""
        ...

    def release(self, pause: float) -> None:
        """Cancel the reservation of a request after this pause."""
        ...

    def observe(self, *, throttled: bool, retry_after: int | None) -> None:
        """Record how the provider answered a request."""
        ...


def doubling(tries: int) -> float:
    """Return the seconds to wait after that many tries: 0.5, 1, 2, 4, 8, 8 …; clients add jitter."""
    return min(0.5 * 2.0 ** (tries - 1), 8.0)


@dataclass(frozen=True)
class Policy:
    """How often to try again, and how long to wait between.

    `retries` limits one request, `budget` all requests of one call. `backoff` returns the seconds to wait after that
    many tries; the provider's own Retry-After wins, up to `longest_retry_after` seconds: if it asks for more, the call
    ends.
    """

    retries: int = 2
    budget: int = 6
    backoff: Callable[[int], float] = doubling
    longest_retry_after: int = 60
    pace: RateLimiter | None = None
    search_pace: RateLimiter | None = None
    """The limiter of the provider's search index, if that has a limit of its own."""


@dataclass(slots=True)
class _Call:
    """What one call has done so far."""

    context: Context
    policy: Policy
    steps: list[Step] = field(default_factory=list)
    retried: int = 0


def supervise(
    flow: Flow[T],
    context: Context,
    policy: Policy,
    before: Callable[[], object] = lambda: None,
    again: Callable[[], Flow[T | None]] | None = None,
) -> Steps[T]:
    """Drive a flow: send its requests, retry where that is safe, and state on every error what is known.

    `before` runs once, after the flow made its first request and before that is sent. After server errors, `again`
    looks the bill up and continues from its invoice, or returns None: sending again would show nothing more.
    """
    call, way = _Call(context, policy), cast("Flow[T | None]", flow)
    known = context.command.id if isinstance(context.command, OnInvoice) else None
    unknown: OutcomeUnknown | None = None
    try:
        try:
            request = next(way)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        before()
        while True:
            try:
                answer = yield from _attempts(request, call)
            except BridgeError as failure:
                follow = _threw(way, failure)
            else:
                if isinstance(answer, _OnlyFailures):
                    if again is None:
                        raise answer.unknown from answer.unknown.__cause__
                    way.close()
                    way, again, unknown = again(), None, answer.unknown
                    follow = _sent(way, None)
                else:
                    known = known or _id_in(answer, context)
                    follow = _sent(way, answer)
            if isinstance(follow, StopIteration):
                if follow.value is None and unknown is not None:  # the lookup found nothing, which proves nothing yet
                    raise unknown
                return follow.value  # type: ignore[no-any-return]
            request = follow
    except BridgeError as error:
        error.outcome, error.steps = _outcome(error, call.steps), tuple(call.steps)
        error.invoice_id = error.invoice_id or known
        if unknown is None or error is unknown or not isinstance(error, ProviderError | Unreachable):
            raise
        unknown.outcome, unknown.steps, unknown.invoice_id = error.outcome, error.steps, error.invoice_id
        raise unknown from error  # the second way failed too, and says nothing of the first
    finally:
        way.close()


@dataclass(frozen=True, slots=True)
class _OnlyFailures:
    """The outcome of a write that only got server errors: sending it again would show nothing."""

    unknown: OutcomeUnknown


def _sent(flow: Flow[Any], answer: Response | None) -> Request | StopIteration:
    try:
        with reading(answer):
            return next(flow) if answer is None else flow.send(answer)
    except StopIteration as done:
        return done


def _threw(flow: Flow[Any], failure: BridgeError) -> Request | StopIteration:
    try:
        return flow.throw(failure)
    except StopIteration as done:
        return done


def _id_in(answer: Response, context: Context) -> str | None:
    try:
        return context.provider.invoice_id(json_of(answer))
    except MalformedResponse:
        return None


@dataclass(slots=True)
class _Attempt:
    """The outcome of one try of a request."""

    failure: BridgeError
    again: bool
    """Whether another try is safe and may help."""
    maybe: bool = False
    """Whether it may have taken effect."""
    sent: bool = True
    status: int | None = None
    wait: int | None = None
    """Seconds that the provider asks to wait."""
    final: bool = False
    """Whether another try of a failed write would show nothing more."""


def _attempts(request: Request, call: _Call) -> Steps[Response | _OnlyFailures]:
    maybe, left, tries = False, False, 0
    while True:
        tries += 1
        tried = yield from _try(request, call, maybe)
        if isinstance(tried, Response):
            told_again = call.context.provider.is_replay(tried) and not maybe and request.writes
            call.steps.append(_step(request, "replayed" if told_again else "done", tried.status))
            return tried
        maybe, left = maybe or tried.maybe, left or (tried.sent and (tried.status or 200) < 300)
        over = tries > call.policy.retries or call.retried >= call.policy.budget
        if not tried.again or over:
            break
        try:
            yield Sleep(call.policy.backoff(tries) if tried.wait is None else float(tried.wait))
        except NotSent:  # the deadline leaves no time for another try
            break
        call.retried += 1
    if not tried.again and not tried.maybe and tried.status is not None:
        call.steps.append(_step(request, "unknown" if maybe else "refused", tried.status))
        raise tried.failure
    state: State = "unknown" if maybe or left else "refused" if tried.status else "not_sent"
    call.steps.append(_step(request, state, tried.status))
    if not maybe:
        raise tried.failure
    command = call.context.command
    reference, advice = verb_reference(command), "Read the invoice"
    if reference is not None:
        advice = "Make the same call again: its reference takes effect once"
    elif isinstance(command, NewInvoice):
        reference, advice = command.reference, "Look the reference up before you try again: resolve()"
    unknown = OutcomeUnknown(
        f"{request.method} {request.path} may or may not have taken effect: {tried.failure}. {advice}",
        reference=reference,
    )
    unknown.__cause__ = tried.failure
    # without a key the bill's request was sent once: only a lookup can tell more
    keyless = (
        isinstance(command, NewInvoice)
        and request.key is None
        and request.method not in call.context.provider.idempotency.repeatable
    )
    if keyless or (tried.status is not None and tried.status >= 500):
        return _OnlyFailures(unknown)
    raise unknown


def _try(request: Request, call: _Call, maybe: bool) -> Steps[Response | _Attempt]:
    """Send a request once. `maybe`: an earlier try of it may have taken effect."""
    provider = call.context.provider
    pace = call.policy.search_pace if request.searches else call.policy.pace
    # a key makes a repetition harmless; without one, only the methods that the provider declares so are
    repeatable = not request.writes or request.key is not None or request.method in provider.idempotency.repeatable
    try:
        if pace is not None and (pause := pace.reserve()) > 0:
            yield from _paused(pause, pace)
        answer = yield Send(request)
    except NotSent as error:
        return _Attempt(Unreachable(f"{provider.title} cannot be reached: {error}"), again=True, sent=False)
    except (
        ConfigurationError,
        IdempotencyMismatch,
    ) as problem:  # no intent, no request: but an earlier try of it may have taken effect
        return _Attempt(problem, again=False, sent=False)
    except Lost as error:
        failure = Unreachable(f"{provider.title} gave no answer: {error}")
        return _Attempt(failure, repeatable, maybe=request.writes)
    if answer is None:
        raise TypeError("the runner must answer a Send with a Response")
    if request.link and (answer.status < 300 or answer.status in _REDIRECTS):  # a document, or where it is
        return answer
    if 200 <= answer.status < 300:
        if pace is not None:
            pace.observe(throttled=False, retry_after=None)
        try:
            with reading(answer):
                check_subject(request, answer, call.context)
        except MalformedResponse as torn:  # torn, or another request's answer: as good as lost
            return _Attempt(torn, repeatable, maybe=request.writes, status=answer.status)
        return answer
    answer = replace(answer, repeats=maybe) if maybe else answer
    classified = provider.classify(answer)
    refusal = classified.error
    throttled = isinstance(refusal, RateLimited)
    if pace is not None:
        pace.observe(throttled=throttled, retry_after=refusal.retry_after if isinstance(refusal, RateLimited) else None)
    if isinstance(refusal, RateLimited):
        wait = refusal.retry_after
        again = wait is None or wait <= call.policy.longest_retry_after
        return _Attempt(refusal, again and provider.wants_retry(answer, default=True), status=answer.status, wait=wait)
    after_the_fact = may_have_applied(request, answer, classified)
    again = provider.wants_retry(answer, default=after_the_fact or classified.maybe_applied) and repeatable
    final = after_the_fact and answer.status >= 500 and _tells_no_more(answer, refusal, call.context)
    return _Attempt(refusal, again and not final, after_the_fact, status=answer.status, final=final)


def may_have_applied(request: Request, answer: Response, refusal: Classified) -> bool:
    """Whether a refused write may have taken effect, or may still do so: an earlier try may be in progress."""
    running = request.opens and answer.status == 409 and not refusal.key_reused
    return request.writes and (refusal.maybe_applied or running)


def verdict(request: Request, answer: Response, context: Context) -> Verdict:
    """Judge a write by its answer: for the journal, and for a client's recent losses.

    A refusal that only means "not now" shows nothing of an earlier lost try; neither does a 401, which the provider
    decides before anything else.
    """
    if 200 <= answer.status < 300:
        try:
            check_subject(request, answer, context)
        except MalformedResponse:
            return "maybe"
        return "refused" if has_failed(request, answer) else "applied"
    refusal = context.provider.classify(answer)
    if may_have_applied(request, answer, refusal):
        return "maybe"
    return "deferred" if isinstance(refusal.error, RateLimited | Unauthorized | MalformedResponse) else "refused"


def _paused(pause: float, pace: RateLimiter) -> Steps[None]:
    try:
        yield Sleep(pause)
    except NotSent:  # the deadline leaves no time for it
        pace.release(pause)
        raise


def _tells_no_more(answer: Response, refusal: ProviderError, context: Context) -> bool:
    """Whether sending a failed write again would show nothing, or could bill or move money twice.

    A stored failure is only replayed. If the provider does not document that it stores failures, this one may have come
    after the fact and freed the key; a proxy's page shows nothing of what is stored.
    """
    if context.provider.is_replay(answer):
        return True
    own = not isinstance(refusal, UnreadableServerError)
    is_once = isinstance(context.command, NewInvoice) or verb_reference(context.command) is not None
    return own and is_once and not context.provider.idempotency.keeps_failures


def _step(request: Request, state: State, status: int | None) -> Step:
    return Step(request.method, request.path, request.effects, state, request.writes, status, request.key)


def _outcome(error: BridgeError, steps: list[Step]) -> Outcome:
    if isinstance(error, OutcomeUnknown) or any(step.state == "unknown" and step.writes for step in steps):
        return "unknown"
    # a repeated answer too: whether an earlier call asked first, or a proxy delivered this one twice, cannot be known;
    # but where the reference is another bill's, so is the answer
    counted = {"done"} if isinstance(error, IdempotencyMismatch) else {"done", "replayed"}
    written = [step for step in steps if step.writes and step.state in counted]
    if not written:
        return "nothing_done"
    unread = isinstance(error, MalformedResponse) and steps[-1].writes and steps[-1].state in counted
    return "done_unread" if unread else "partly_done"
