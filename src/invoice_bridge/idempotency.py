"""Reference → idempotency key per step.

Rules of this file: the same reference is the same bill, whatever its kind or content, so neither goes into the key; the
bodies of creating commands are frozen per KEY_VERSION. Nothing derives from a clock or from chance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from invoice_bridge.wire import dumps

KEY_VERSION = 1
"""Raised when the body of any creating command changes; the client then looks before it sends."""

Lookup = Literal["auto", "always", "never", "journal"]
LOOKUPS: tuple[Lookup, ...] = ("auto", "always", "never", "journal")


@dataclass(frozen=True, slots=True)
class Idempotency:
    """How a provider keeps a repeated request from taking effect twice: its header, and for how long it remembers."""

    header: str
    window: timedelta
    source: str
    replay_header: str | None = None
    """The header that says "true" on an answer that repeats an earlier one; None where no mark is documented."""
    keeps_failures: bool = False
    """Whether a failure of the provider's own (5xx) is documented to be kept under its key: only then is it harmless to
    send a bill's request again after one. Elsewhere a failure after the fact may have freed the key."""


def step_key(scope: str, reference: str, attempt: int, step: str) -> str:
    """Return the key of one step of a creating command: 68 ASCII characters, the same in every process."""
    return _key("create", scope, reference, str(attempt), step)


def verb_key(scope: str, invoice_id: str, verb: str, body: bytes, attempt: int) -> str:
    """Return the key of a verb on an invoice: 68 ASCII characters; another body or attempt is another key."""
    return _key("verb", scope, invoice_id, verb, body.hex(), str(attempt))


def _key(*parts: str) -> str:
    digest = hashlib.sha256(dumps([KEY_VERSION, *parts])).hexdigest()
    return f"ib{KEY_VERSION}-{digest}"
