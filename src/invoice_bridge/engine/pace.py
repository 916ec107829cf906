"""Keeping an account within its provider's limit on requests: one Pace for all clients of that account in a process.

Rules of this file: the clock is given. Never more than the allowed number of requests in any window of the limit's
length; halved by a refusal ("too many requests"), once a window and down to a tenth; one more with every request that
is served, up to the documented limit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from math import inf

from invoice_bridge.adapter.declared import Rate

_UNSTATED_WINDOW = 10.0
"""Seconds over which requests are counted where the provider states no limit."""
_PAUSE = 1.0
"""Seconds during which nothing leaves after a refusal that does not say how long to wait."""
_LONGEST_PAUSE = 60.0
"""However long a refusal asks to wait, somebody tries again after so many seconds, and is told by the provider."""


_LEAST = 5.0
"""Requests in a window that are left after a refusal where the provider states no limit; elsewhere a tenth of it."""


class RateLimiter:
    """How fast one account's requests may leave. Safe to share between threads and tasks."""

    def __init__(self, rate: Rate | None, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._limits = [] if rate is None else [rate]
        self._window = _UNSTATED_WINDOW if rate is None else float(rate.seconds)
        self._most = inf if rate is None else float(rate.requests)
        self.allowed = self._most
        """How many requests may leave in one window now."""
        self._sent: deque[float] = deque()
        self._closed_until = self._cut_at = -inf

    def limit(self, rate: Rate) -> None:
        """Keep to another limit too: several clients of one account share this, and all their limits hold."""
        with self._lock:
            if rate not in self._limits:
                self._limits.append(rate)
            if rate.requests / rate.seconds < self._most / self._window:
                self._window, self._most = float(rate.seconds), float(rate.requests)
                self.allowed = self._most

    def reserve(self) -> float:
        """Return the seconds to wait before a request may leave, zero or more; it counts as sent at that instant."""
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
        """Give back the place that `wait` gave a moment ago with this pause: that request will not leave.

        Else those that could not wait so long would push all later ones further and further out.
        """
        with self._lock:
            at = self._clock() + pause
            if self._sent:
                self._sent.remove(min(self._sent, key=lambda place: abs(place - at)))

    def observe(self, *, throttled: bool, retry_after: int | None) -> None:
        """Learn how a request was taken; `retry_after` is in seconds, None where the provider does not say."""
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
