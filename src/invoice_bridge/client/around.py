"""What happens around a call, its requests and its waits: log records, observers, and the note of an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from invoice_bridge.client import logs
from invoice_bridge.client.calls import Call
from invoice_bridge.client.exchange import Deadline
from invoice_bridge.client.known import Known
from invoice_bridge.core.commands import Command, NewInvoice
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.interruption import Trail
from invoice_bridge.engine.lookup import Resolution
from invoice_bridge.engine.observers import CallEnded, CallStarted, End, Waited, begin, is_watched, point
from invoice_bridge.engine.supervise import NotSent

__all__ = ["Around"]


def _nobody(_end: CallEnded) -> None:
    """Take the end of a call that nobody watches."""


class Around(Known):
    """The records of a client about its own calls."""

    def _wait(self, deadline: Deadline, wanted: float, after: str) -> float:
        seconds = deadline.check_wait(wanted)
        logs.waiting(self.provider, seconds, after)
        if is_watched():
            point(Waited(self.provider, seconds, after))
        return seconds

    def _answered(self, call: Call, request: Request, response: Response, trail: Trail) -> str:
        """Record an answer; return what a wait after it is logged as coming after."""
        trail.answer(response)
        logs.answered(self.provider, call.command, request, response)
        return f"HTTP {response.status}" if response.status >= 300 else "an answer (the limit on requests)"

    def _decided(self, call: Call, done: object, trail: Trail) -> None:
        trail.result = done
        if isinstance(call.command, NewInvoice):
            if isinstance(done, Resolution):
                logs.resolved(self.provider, done.state)
            elif isinstance(done, Invoice):
                logs.decided(self.provider, done.id, made=any(request.opens for request in trail.sent))

    def _failed(self, request: Request, problem: Exception) -> str:
        logs.failed(self.provider, request, problem)
        return "a connection refused" if isinstance(problem, NotSent) else "a lost answer"

    @contextmanager
    def _around(self, call: Call) -> Iterator[Trail]:
        """Log how a call ends, and add a note of what is unknown to an exception that stops it halfway."""
        trail, end = Trail(), self._begin(call.command, call.verb) or _nobody
        try:
            yield trail
        except BridgeError as error:
            logs.refused(self.provider, call.command, error)
            end(CallEnded(error.outcome, error=error))
            raise
        except Exception as error:
            end(CallEnded("", error=error))
            raise
        except BaseException as stop:
            known = trail.mark(stop, call.command)
            if known is not None:
                logs.stopped(self.provider, call.command, stop, known)
            end(CallEnded("" if known is None else known.outcome, error=stop))
            raise
        if end is not _nobody:
            end(CallEnded("done", trail.result, opened=any(request.opens for request in trail.sent)))

    def _begin(self, command: Command, verb: str) -> End | None:
        return begin(CallStarted(self.provider, verb, self.book.mode, command)) if is_watched() else None
