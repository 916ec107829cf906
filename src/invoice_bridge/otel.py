"""Spans and metrics of OpenTelemetry for calls, requests, lookups, webhooks, migrations and shadows.

    from invoice_bridge.otel import instrument

    instrument()    # once, where the program starts

Rules of this file: HTTP requests have the names of OpenTelemetry's semantic conventions, everything else is below
`invoice_bridge.`; docs/how-to/opentelemetry.md lists both. An attribute has what a log record may have: providers,
verbs, paths without queries, statuses, classes, ids of invoices. No key, no header, no body, no name, no amount, no
text of an error; a reference only where it is asked for. Nothing is sent to a provider: no trace header either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, Self, assert_never
from urllib.parse import urlsplit

from invoice_bridge.core.commands import Command, NewInvoice, verb_reference
from invoice_bridge.core.errors import ConfigurationError, InvalidSignature
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Request
from invoice_bridge.engine.lookup import Resolution
from invoice_bridge.engine.observers import (
    CallEnded,
    CallStarted,
    DeliveryEnded,
    DeliveryStarted,
    ItemEnded,
    ItemStarted,
    Point,
    RequestEnded,
    RequestStarted,
    Shadowed,
    Started,
    Waited,
    WebhookRead,
    add_observer,
    remove_observer,
)

try:
    from opentelemetry import context as contexts
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as error:  # an extra, not a requirement
    raise ConfigurationError(f'tracing needs {error.name}: run pip install "invoice-bridge[otel]"') from None

__all__ = ["METRICS", "Instrumentation", "instrument"]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0)
"""The buckets of http.client.request.duration in the semantic conventions, and two for calls that wait."""
METRICS: Final[Mapping[str, tuple[str, str]]] = {
    "http.client.request.duration": ("s", "One try of a request, until its whole answer was read."),
    "invoice_bridge.call.duration": ("s", "A call of a client, with its lookup, retries and waits."),
    "invoice_bridge.lookup.duration": ("s", "The lookup of a bill by its reference."),
    "invoice_bridge.wait.duration": ("s", "A wait before a request: for a retry, or for the rate limit."),
    "invoice_bridge.webhook.deliveries": ("{delivery}", "Deliveries that were read or refused."),
    "invoice_bridge.webhook.process.duration": ("s", "The application's function for an event."),
    "invoice_bridge.migrate.item.duration": ("s", "One stage of an item of a migration."),
    "invoice_bridge.shadow.bills": ("{bill}", "Bills that a shadow compared with a candidate."),
    "invoice_bridge.shadow.findings": ("{finding}", "What a shadow found different at a candidate."),
}
"""Each metric: its unit, and what it measures. A unit of seconds is a histogram, every other one a counter."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_running: list[Instrumentation] = []


def instrument(*, tracer_provider: Any = None, meter_provider: Any = None, references: bool = False) -> Instrumentation:
    """Make spans and metrics of everything that begins from now on in this process; `stop()` ends that.

    Without providers it takes those that the program has set or will set (opentelemetry.trace.set_tracer_provider).
    `references=True` adds the reference of a bill to the span of its call, `invoice_bridge.reference`: only if no
    reference of yours names a person. Raises ConfigurationError if it runs already.
    """
    if _running:
        raise ConfigurationError("calls are traced already: one instrument() is enough, or stop() the first one")
    made = Instrumentation(tracer_provider, meter_provider, references=references)
    _running.append(made)
    add_observer(made)
    return made


@dataclass(slots=True)
class _Lookup:
    """A lookup under way, or one whose result the next write will tell."""

    span: Span
    token: Token[Any] | None
    began: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    ended_at: int | None = None

    def leave(self) -> None:
        """Note that its last request has ended; what follows is no part of it."""
        if self.token is not None:
            contexts.detach(self.token)
            self.token, self.seconds, self.ended_at = None, time.perf_counter() - self.began, time.time_ns()


@dataclass(slots=True)
class _Call:
    """A call under way, for what begins inside it."""

    provider: str
    lookup: _Lookup | None = None
    last: Request | None = None
    tries: int = 0
    """How often the last request was sent again."""


_call: ContextVar[_Call | None] = ContextVar("_call", default=None)


class Instrumentation:
    """The observer. Use it as a context manager, or stop() it."""

    def __init__(self, tracer_provider: Any, meter_provider: Any, *, references: bool) -> None:
        own = "invoice_bridge", version("invoice-bridge")
        self._tracer = trace.get_tracer(*own, tracer_provider=tracer_provider)
        self._references = references
        meter = metrics.get_meter(*own, meter_provider=meter_provider)
        self._record: dict[str, Callable[[float, Any], None]] = {}
        for name, (unit, what) in METRICS.items():
            if unit == "s":
                histogram = meter.create_histogram(name, unit, what, explicit_bucket_boundaries_advisory=_SECONDS)
                self._record[name] = histogram.record
            else:
                self._record[name] = meter.create_counter(name, unit, what).add

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Make no more spans and metrics. What has begun is seen to its end."""
        remove_observer(self)
        if self in _running:
            _running.remove(self)

    # ── the observer ─────────────────────────────────────────────────────────────────────────────────────────────────
    def begin(self, started: Started) -> Callable[[Any], None]:
        """Start the span of what begins; return what ends it."""
        match started:
            case CallStarted():
                return self._begin_call(started)
            case RequestStarted():
                return self._begin_request(started)
            case DeliveryStarted():
                return self._begin_delivery(started)
            case ItemStarted():
                return self._begin_item(started)
        assert_never(started)

    def point(self, point: Point) -> None:
        """Count what has no length."""
        match point:
            case Waited():
                self._waited(point)
            case WebhookRead():
                self._webhook_read(point)
            case Shadowed():
                self._shadowed(point)
            case _:
                assert_never(point)

    def _begin_call(self, started: CallStarted) -> Callable[[CallEnded], None]:
        attributes = {"invoice_bridge.provider": started.provider, "invoice_bridge.verb": started.verb}
        if started.mode:
            attributes["invoice_bridge.mode"] = started.mode
        began, span = time.perf_counter(), self._span(f"{started.verb} {started.provider}", attributes)
        if self._references and (reference := _reference_of(started.command)) is not None:
            span.set_attribute("invoice_bridge.reference", reference)
        token, current = _enter(span), _call.set(_Call(started.provider))

        def end(ended: CallEnded) -> None:
            call = _call.get()
            if call is not None:
                self._end_lookup(call, _lookup_result(call.lookup, ended))
            facts = attributes | {"invoice_bridge.outcome": ended.outcome} if ended.outcome else attributes
            invoice_id = _invoice_id(ended)
            if invoice_id is not None:
                span.set_attribute("invoice_bridge.invoice.id", invoice_id)
            self._end(span, "invoice_bridge.call.duration", began, facts, ended.error)
            _call.reset(current)
            contexts.detach(token)

        return end

    def _begin_request(self, started: RequestStarted) -> Callable[[RequestEnded], None]:
        request, call = started.request, _call.get()
        resent = 0
        if call is not None:
            self._follow_lookup(call, request)
            call.tries = call.tries + 1 if call.last is request else 0
            call.last, resent = request, call.tries
        attributes = _address(request)
        span = self._span(request.method, attributes, SpanKind.CLIENT)
        span.set_attribute("invoice_bridge.provider", started.provider)
        if not request.link:  # its path is what opens a document
            span.set_attribute("url.full", request.url.partition("?")[0])
        if request.effects:
            span.set_attribute("invoice_bridge.request.effects", sorted(effect.value for effect in request.effects))
        if resent:
            span.set_attribute("http.request.resend_count", resent)
        began, token = time.perf_counter(), _enter(span)

        def end(ended: RequestEnded) -> None:
            facts, problem = dict(attributes), ended.error
            if ended.response is not None:
                status = ended.response.status
                facts["http.response.status_code"] = status
                if status >= 400 and not (request.misses and status == 404):
                    facts["error.type"] = str(status)
            if problem is not None:
                facts["error.type"] = type(problem.__cause__ or problem).__name__
                span.set_attribute("invoice_bridge.request.state", _STATES.get(type(problem).__name__, "stopped"))
            self._end(span, "http.client.request.duration", began, facts, None)
            contexts.detach(token)

        return end

    def _begin_delivery(self, started: DeliveryStarted) -> Callable[[DeliveryEnded], None]:
        attributes = {
            "invoice_bridge.provider": started.provider,
            "invoice_bridge.webhook.type": started.event_type,
        }
        span = self._span(f"process webhook {started.provider}", attributes, SpanKind.CONSUMER)
        if started.invoice_id is not None:
            span.set_attribute("invoice_bridge.invoice.id", started.invoice_id)
        began, token = time.perf_counter(), _enter(span)

        def end(ended: DeliveryEnded) -> None:
            self._end(span, "invoice_bridge.webhook.process.duration", began, attributes, ended.error)
            contexts.detach(token)

        return end

    def _begin_item(self, started: ItemStarted) -> Callable[[ItemEnded], None]:
        span = self._span(f"migrate {started.stage}", {"invoice_bridge.migrate.stage": started.stage})
        span.set_attribute("invoice_bridge.migrate.plan", started.plan)
        span.set_attribute("invoice_bridge.migrate.item", started.item)
        span.set_attribute("invoice_bridge.migrate.repeat", started.is_repeat)
        began, token = time.perf_counter(), _enter(span)

        def end(ended: ItemEnded) -> None:
            facts = {"invoice_bridge.migrate.stage": started.stage, "invoice_bridge.migrate.state": ended.state}
            if ended.reason:
                facts["error.type"] = ended.reason
            if ended.target_id is not None:
                span.set_attribute("invoice_bridge.invoice.id", ended.target_id)
            self._end(span, "invoice_bridge.migrate.item.duration", began, facts, None)
            contexts.detach(token)

        return end

    def _waited(self, waited: Waited) -> None:
        facts = {"invoice_bridge.provider": waited.provider, "invoice_bridge.wait.after": waited.after}
        trace.get_current_span().add_event("wait", {**facts, "invoice_bridge.wait.seconds": waited.seconds})
        self._record["invoice_bridge.wait.duration"](waited.seconds, facts)

    def _webhook_read(self, read: WebhookRead) -> None:
        facts: dict[str, Any] = {"invoice_bridge.provider": read.provider, "invoice_bridge.webhook.result": "read"}
        if read.error is None:
            facts["invoice_bridge.webhook.type"] = read.event_type
            facts["invoice_bridge.webhook.verified"] = read.is_verified
        else:
            refused = isinstance(read.error, InvalidSignature)
            facts["invoice_bridge.webhook.result"] = "refused" if refused else "unreadable"
            facts["error.type"] = type(read.error).__name__
        self._record["invoice_bridge.webhook.deliveries"](1, facts)

    def _shadowed(self, shadowed: Shadowed) -> None:
        sides = {"invoice_bridge.provider": shadowed.provider, "invoice_bridge.shadow.candidate": shadowed.candidate}
        is_grave = any(finding.is_grave for finding in shadowed.findings)
        result = "differs" if is_grave else "same"
        facts = {"invoice_bridge.shadow.result": result, "invoice_bridge.shadow.noted": shadowed.is_noted}
        self._record["invoice_bridge.shadow.bills"](1, sides | facts)
        for finding in shadowed.findings:
            about = {
                "invoice_bridge.shadow.kind": finding.kind,
                "invoice_bridge.shadow.severity": finding.severity,
                "invoice_bridge.shadow.code": finding.code,
                "invoice_bridge.shadow.allowed": finding.is_allowed,
            }
            self._record["invoice_bridge.shadow.findings"](1, sides | about)

    # ── a lookup: the requests of a call that carry its note ─────────────────────────────────────────────────────────
    def _follow_lookup(self, call: _Call, request: Request) -> None:
        """Begin the span of a lookup with its first request; the first one that writes tells what it found."""
        lookup = call.lookup
        if request.note.startswith("lookup"):
            if lookup is None:
                span = self._span(f"lookup {call.provider}", {"invoice_bridge.provider": call.provider})
                call.lookup = _Lookup(span, _enter(span))
        elif lookup is not None:
            lookup.leave()
            if request.writes:
                self._end_lookup(call, "absent" if request.opens else "found")

    def _end_lookup(self, call: _Call, result: str) -> None:
        if (lookup := call.lookup) is None:
            return
        lookup.leave()
        facts = {"invoice_bridge.provider": call.provider, "invoice_bridge.lookup.result": result}
        lookup.span.set_attributes(facts)
        self._record["invoice_bridge.lookup.duration"](lookup.seconds, facts)
        lookup.span.end(lookup.ended_at)
        call.lookup = None

    # ── spans ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _span(self, name: str, attributes: Mapping[str, Any], kind: SpanKind = SpanKind.INTERNAL) -> Span:
        return self._tracer.start_span(name, kind=kind, attributes=attributes)

    def _end(
        self, span: Span, metric: str, began: float, attributes: Mapping[str, Any], error: BaseException | None
    ) -> None:
        """End a span, and record its length. Of an error only its class is kept: its text may name a person."""
        facts = dict(attributes)
        if error is not None:
            facts["error.type"] = type(error).__name__
        span.set_attributes(facts)
        if "error.type" in facts:
            span.set_status(Status(StatusCode.ERROR))
        self._record[metric](time.perf_counter() - began, facts)
        span.end()


_STATES = {"NotSent": "not_sent", "Lost": "lost"}


def _enter(span: Span) -> Token[Any]:
    token: Token[Any] = contexts.attach(trace.set_span_in_context(span))
    return token


def _address(request: Request) -> dict[str, Any]:
    parts = urlsplit(request.url)
    return {
        "http.request.method": request.method,
        "server.address": parts.hostname or "",
        "server.port": parts.port or _DEFAULT_PORTS.get(parts.scheme, 0),
    }


def _reference_of(command: Command) -> str | None:
    return command.reference if isinstance(command, NewInvoice) else verb_reference(command)


def _invoice_id(ended: CallEnded) -> str | None:
    if isinstance(ended.result, Invoice):
        return ended.result.id
    if isinstance(ended.result, Resolution) and ended.result.invoice is not None:
        return ended.result.invoice.id
    invoice_id = getattr(ended.error, "invoice_id", None)
    return invoice_id if isinstance(invoice_id, str) else None


def _lookup_result(lookup: _Lookup | None, ended: CallEnded) -> str:
    """Return what a lookup gave that no write has followed."""
    if isinstance(ended.result, Resolution):
        return ended.result.state
    if ended.error is None or _invoice_id(ended) is not None:
        return "found"
    return "failed" if lookup is None or lookup.token is not None else "absent"
