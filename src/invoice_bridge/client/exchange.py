"""One HTTP exchange: when it must end, how long its answer may be, and how that is decompressed.

Rules of this file: an exchange ends by `Bound.ends`, whichever part of it drips: the connection, TLS, the headers, the
body or what follows. The bytes of an answer are counted as they come, on the wire and decompressed. Nothing here knows
a provider or a key.

httpx restarts its timeouts with every byte. An asynchronous exchange is bounded by asyncio; a synchronous one by the
network below our own connections (network.py), whose reads and writes wait no longer than until `ends`. A synchronous
HTTP client that a caller gives keeps its own network backend: there only the pieces of the body are bounded.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invoice_bridge.core.exact import LARGEST
from invoice_bridge.core.lazy import LazyModule
from invoice_bridge.engine.supervise import Lost, NotSent

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LazyModule("asyncio")

__all__ = ["Body", "Bound", "Deadline", "bounded", "bounded_async", "current_bound"]

_GRACE = 0.1
"""Seconds by which asyncio waits longer than httpx, whose own timeout knows whether the request has left."""


@dataclass(frozen=True, slots=True)
class Bound:
    """When an exchange began and when it must end: instants of time.monotonic."""

    began: float
    ends: float

    def is_over(self) -> bool:
        return time.monotonic() > self.ends

    def check(self) -> None:
        """Raise Lost if the time is over."""
        if self.is_over():
            raise self.lost()

    def lost(self) -> Lost:
        return Lost(f"the answer was incomplete after {time.monotonic() - self.began:.1f} s")

    def wait(self, wanted: float | None) -> float:
        """Return how long to wait for the network. Raises Lost if the time is over."""
        self.check()
        remaining = max(self.ends - time.monotonic(), 0.001)  # none would make a socket wait for nothing at all
        return remaining if wanted is None else min(wanted, remaining)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a whole call must end: an instant of time.monotonic, None if nothing bounds it."""

    seconds: float | None
    ends: float | None

    @classmethod
    def starting(cls, seconds: float | None) -> Deadline:
        """The deadline of a call that begins now."""
        return cls(seconds, None if seconds is None else time.monotonic() + seconds)

    def remaining(self, wanted: float) -> float:
        """Return how long the next wait may be. Raises NotSent if the deadline has passed."""
        if self.ends is None:
            return wanted
        remaining = self.ends - time.monotonic()
        if remaining <= 0:
            raise NotSent(f"the deadline of {self.seconds:g} s has passed")
        return min(wanted, remaining)

    def check_wait(self, wanted: float) -> float:
        """Return how long to wait before the next request. Raises NotSent if the deadline would pass meanwhile."""
        if self.remaining(wanted) < wanted:
            raise NotSent(f"the deadline of {self.seconds:g} s leaves no time to wait {wanted:.1f} s")
        return wanted

    def bound(self, timeout: float) -> Bound:
        """Return when an exchange that begins now must end. Raises NotSent if the deadline has passed."""
        began = time.monotonic()
        return Bound(began, began + self.remaining(timeout))


_bound: ContextVar[Bound | None] = ContextVar("_bound", default=None)
"""The bound of this thread's current exchange."""


def current_bound() -> Bound | None:
    """Return the bound of this thread's current exchange, None between exchanges."""
    return _bound.get()


class bounded:  # noqa: N801 - used as a function, around each exchange: a generator costs four times as much
    """Around a synchronous exchange: our own connections keep to the bound meanwhile."""

    def __init__(self, bound: Bound) -> None:
        self._to = bound

    def __enter__(self) -> None:
        self._token = _bound.set(self._to)

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


@asynccontextmanager
async def bounded_async(bound: Bound) -> AsyncIterator[None]:
    """Around an asynchronous exchange, with any HTTP client. Raises Lost; a cancellation from outside stays one."""
    try:
        async with asyncio.timeout(max(bound.ends - time.monotonic(), 0) + _GRACE):
            yield
    except TimeoutError as error:
        raise bound.lost() from error


# ── the body ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Body:
    """The body of an answer while it comes in. Raises Lost if it is late, too long, truncated or not gzip.

    One gzip member is read: what follows it would be dropped by some programs and read by others.
    """

    def __init__(self, answer: Any, bound: Bound) -> None:
        self._bound, self._on_wire, self._content = bound, 0, bytearray()
        # an answer that was read before is decompressed: a test's own, or that of a client whose hooks read it
        self.is_read = bool(getattr(answer, "is_stream_consumed", False))
        headers = {} if self.is_read else answer.headers
        coding = headers["content-encoding"].strip(" \t").lower() if "content-encoding" in headers else ""
        if coding not in {"", "identity", "gzip"}:
            raise Lost("the answer is compressed, but not as one gzip, the only encoding accepted")
        self._gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS) if coding == "gzip" else None

    def add(self, piece: bytes) -> None:
        """Take a piece as it came."""
        self._bound.check()
        self._on_wire += len(piece)
        if self._gzip is not None:
            piece = self._decompressed(self._gzip, piece)
        if max(self._on_wire, len(self._content) + len(piece)) > LARGEST:
            raise Lost(f"the answer is longer than {LARGEST} bytes")
        self._content += piece

    def whole(self) -> bytes:
        """Return the content, once the last piece came."""
        if self._gzip is not None and self._on_wire and not self._gzip.eof:
            raise Lost("the answer's gzip is truncated")
        return bytes(self._content)

    def _decompressed(self, gzip: Any, piece: bytes) -> bytes:
        if gzip.eof and piece:
            raise Lost("the answer continues after its gzip")
        try:  # a byte more than may come, so that what is too long shows
            content: bytes = gzip.decompress(piece, LARGEST - len(self._content) + 1)
        except zlib.error as error:
            raise Lost(f"the answer is not gzip: {error}") from None
        if gzip.unused_data:
            raise Lost("the answer continues after its gzip")
        return content
