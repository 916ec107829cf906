"""Limits the requests of one account to the provider's documented rate; its clients in a process share a limiter.

Rules of this file: the caller passes the clock. No window of the limit's length has more than the allowed number of
requests. A refusal ("too many requests") halves that number, once a window and down to a tenth; every request that is
served adds one, up to the documented limit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from math import inf

from invoice_bridge.adapter.declared import Rate

_UNSTATED_WINDOW = 10.0
"""Seconds over which requests are counted if the provider states no limit."""
_PAUSE = 1.0
"""Seconds without requests after a refusal that does not state how long to wait."""
_LONGEST_PAUSE = 60.0
"""Seconds after which a request is tried again, however long a refusal asks to wait."""


_LEAST = 5.0
"""The fewest requests in a window after refusals if the provider states no limit; otherwise a tenth of the limit."""


class RateLimiter:
    """The rate limiter of one account. Threads and tasks can share it."""

    def __init__(self, rate: Rate | None, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._limits = [] if rate is None else [rate]
        self._window = _UNSTATED_WINDOW if rate is None else float(rate.seconds)
        self._most = inf if rate is None else float(rate.requests)
        self.allowed = self._most
        """How many requests may be sent in one window now."""
        self._sent: deque[float] = deque()
        self._closed_until = self._cut_at = -inf

    def limit(self, rate: Rate) -> None:
        """Add a limit: several clients of one account share the limiter, and all their limits hold."""
        with self._lock:
            if rate not in self._limits:
                self._limits.append(rate)
            if rate.requests / rate.seconds < self._most / self._window:
                self._window, self._most = float(rate.seconds), float(rate.requests)
                self.allowed = self._most

    def reserve(self) -> float:
        """Return the seconds to wait before a request may be sent; it counts as sent at that instant."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            at = max(now, self._closed_until, self._sent[-1] if self._sent else now)
            now_allowed = (self.allowed, self._window)
            for most, window in (now_allowed, *((rate.requests, rate.seconds) for rate in self._limits)):
                if len(self._sent) >= most:
                    at = max(at, self._sent[-int(most)] + window)
            self._sent.append(at)
            return at - now

    def release(self, pause: float) -> None:
        """Give back the place that `reserve` gave a moment ago with this pause: that request will not be sent.

        Otherwise requests that could not wait that long would delay all later ones more and more.
        """
        with self._lock:
            at = self._clock() + pause
            if self._sent:
                self._sent.remove(min(self._sent, key=lambda place: abs(place - at)))

    def observe(self, *, throttled: bool, retry_after: int | None) -> None:
        """Record the answer to a request; `retry_after` is in seconds, None if the provider states none."""
        with self._lock:
            now = self._clock()
            if not throttled:
                self.allowed = min(self._most, self.allowed + 1)
                return
            pause = _PAUSE if retry_after is None else min(retry_after, _LONGEST_PAUSE)
            self._closed_until = max(self._closed_until, now + pause)
            if now - self._cut_at >= self._window:  # of several refusals of one burst the first counts
                self._cut_at = now
                lately = sum(at > now - self._window for at in self._sent)
                least = _LEAST if self._most == inf else max(1, self._most // 10)
                self.allowed = max(least, min(self.allowed, lately) // 2)

    def _forget(self, now: float) -> None:
        longest = max([self._window, *(rate.seconds for rate in self._limits)])
        while self._sent and self._sent[0] <= now - longest:
            self._sent.popleft()
