"""Reference → idempotency key per step.

Rules of this file: the same reference is the same bill, whatever its kind or content, so neither goes into the key; the
bodies of creating commands are frozen per KEY_VERSION. Nothing derives from a clock or from chance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from invoice_bridge.core.exact import dumps

KEY_VERSION = 1
"""Raised when the body of any creating command changes; the client then looks bills up before it sends them."""

Lookup = Literal["auto", "always", "never", "journal"]
LOOKUPS: tuple[Lookup, ...] = ("auto", "always", "never", "journal")


_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Idempotency:
    """How a provider deduplicates repeated requests: its header, and how long it remembers a key.

    A provider that has no keys declares `Idempotency.no_keys(source)`. Raises ValueError if the parts contradict
    each other.
    """

    header: str
    window: timedelta
    source: str
    replay_header: str | None = None
    """The header that says "true" on an answer that repeats an earlier one; None where no mark is documented."""
    keeps_failures: bool = False
    """Whether a failure of the provider's own (5xx) is documented to be kept under its key: only then is it harmless to
    send a bill's request again after one. Elsewhere a failure after the fact may have freed the key."""
    methods: frozenset[str] = frozenset({"POST"})
    """The HTTP methods whose requests carry a key; empty where the provider has no keys."""
    repeatable: frozenset[str] = frozenset({"DELETE"})
    """The methods that are sent again without a key: the second request leaves what the first one left. PUT belongs
    here only where the provider documents that it replaces the whole resource (RFC 9110 §9.2.2 says that PUT should,
    not that a given provider's does)."""

    def __post_init__(self) -> None:
        if unknown := (self.methods | self.repeatable) - _WRITES:
            raise ValueError(
                f"{', '.join(sorted(unknown))}: keys belong to writing methods, {', '.join(sorted(_WRITES))}"
            )
        if self.repeatable - {"PUT", "DELETE"}:
            raise ValueError("POST and PATCH are not idempotent (RFC 9110 §9.2.2): without a key they are sent once")
        if bool(self.methods) != bool(self.header):
            raise ValueError("a provider with keys names their header and methods; without keys use no_keys(source)")
        if bool(self.methods) != (self.window > timedelta(0)):
            raise ValueError("a provider with keys remembers them for some time; without keys that time is zero")
        if not self.methods and (self.replay_header is not None or self.keeps_failures):
            raise ValueError("without keys there is nothing to replay or to keep: leave both out")

    @classmethod
    def no_keys(cls, source: str, *, repeatable: frozenset[str] = frozenset({"DELETE"})) -> Idempotency:
        """Declare a provider without keys; `source` is where its documentation shows that.

        A lost write is then never sent again, unless its method is in `repeatable`: its outcome is unknown, and it is
        looked up. Every bill is looked up before it is made.
        """
        return cls("", timedelta(0), source, methods=frozenset(), repeatable=repeatable)


def step_key(scope: str, reference: str, attempt: int, step: str) -> str:
    """Return the key of one step of a creating command: 68 ASCII characters, the same in every process."""
    return _key("create", scope, reference, str(attempt), step)


def verb_key(scope: str, invoice_id: str, verb: str, body: bytes, attempt: int) -> str:
    """Return the key of a verb on an invoice: 68 ASCII characters; another body or attempt is another key."""
    return _key("verb", scope, invoice_id, verb, body.hex(), str(attempt))


def once_key(scope: str, verb: str, reference: str, attempt: int, step: str) -> str:
    """Return the key of one step of a verb that moves or records money: 68 ASCII characters.

    Neither the invoice nor the amount goes into it, so that the provider refuses its reference with other content.
    """
    return _key("once", scope, verb, reference, str(attempt), step)


def _key(*parts: str) -> str:
    digest = hashlib.sha256(dumps([KEY_VERSION, *parts])).hexdigest()
    return f"ib{KEY_VERSION}-{digest}"
