"""The loggers of a client, by name; docs/reference/logging.md lists them.

    invoice_bridge.requests   at INFO: a request that failed, or was not sent
    invoice_bridge.waits      at INFO: a wait before a request: for a retry, or for the rate limit
    invoice_bridge.lookups    at INFO: a lookup of a bill and its result
    invoice_bridge.refusals   at INFO: a call that ended in an error, by its class and outcome
    invoice_bridge.stopped    at WARNING: a call stopped in the middle by a cancellation or a signal

Records hold verbs, methods, paths without their query, statuses, seconds and names of classes. No keys, no bodies, no
headers, no texts of a provider's errors: those may name a person.
"""

from __future__ import annotations

import logging

from invoice_bridge.core.commands import Command, NewInvoice
from invoice_bridge.core.errors import BridgeError
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.interruption import Interruption

__all__ = ["NAMES", "answered", "failed", "refused", "stopped", "waiting"]

NAMES = ("requests", "waits", "lookups", "refusals", "stopped")

_REQUESTS, _WAITS, _LOOKUPS, _REFUSALS, _STOPPED = (logging.getLogger(f"invoice_bridge.{name}") for name in NAMES)
_STOPPED.addHandler(logging.NullHandler())  # a program without logging shows the exception, not a second line


def answered(provider: str, command: Command | None, request: Request, response: Response) -> None:
    """Log an answer that is not a success, and every request of a lookup."""
    if response.status >= 300:
        _REQUESTS.info("%s: %s was answered with HTTP %d", provider, _where(request), response.status)
    if isinstance(command, NewInvoice) and request.note.startswith("lookup"):
        _LOOKUPS.info("%s: lookup by %s: HTTP %d", provider, _where(request), response.status)


def decided(provider: str, invoice_id: str, *, made: bool) -> None:
    """Log the result of a bill: an invoice that existed before, or one that this call asked for."""
    _LOOKUPS.info("%s: %s %s", provider, "asked for" if made else "found", invoice_id)


def resolved(provider: str, state: str) -> None:
    """Log what resolve returned."""
    _LOOKUPS.info("%s: resolve returned %s", provider, state)


def unlearnt(provider: str) -> None:
    """Log that the journal could not be written after a call: the reference stays claimed."""
    _LOOKUPS.info("%s: the journal could not be written: the reference stays claimed", provider)


def failed(provider: str, request: Request, problem: Exception) -> None:
    """Log a request that was never sent, or whose answer was lost, by the class of the failure."""
    cause = problem.__cause__ or problem
    _REQUESTS.info(
        "%s: %s: %s (%s)",
        provider,
        _where(request),
        {"NotSent": "not sent", "Lost": "no complete answer"}.get(type(problem).__name__, "not sent"),
        type(cause).__name__,
    )


def waiting(provider: str, seconds: float, after: str) -> None:
    """Log a wait, and what it comes after."""
    _WAITS.info("%s: waiting %.1f s after %s", provider, seconds, after)


def refused(provider: str, command: Command | None, error: BridgeError) -> None:
    """Log how a call ended, by the class of its error."""
    _REFUSALS.info("%s: %s ended: %s, outcome %s", provider, _verb(command), type(error).__name__, error.outcome)


def stopped(provider: str, command: Command | None, stop: BaseException, known: Interruption) -> None:
    """Log a warning that a call was stopped after a write was sent: its exception may reach nobody."""
    _STOPPED.warning(
        "%s: %s was stopped by %s, outcome %s", provider, _verb(command), type(stop).__name__, known.outcome
    )


def _where(request: Request) -> str:
    return f"{request.method} {request.path}"


def _verb(command: Command | None) -> str:
    return "a call" if command is None else command.verb
