"""The parts of a client: its context, its base URL, its retries, and the rate limits of its account."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Rate
from invoice_bridge.adapter.provider import Context
from invoice_bridge.client.credentials import ApiKey
from invoice_bridge.core.errors import (
    ConfigurationError,
)
from invoice_bridge.engine.pace import RateLimiter
from invoice_bridge.engine.supervise import Policy, doubling
from invoice_bridge.engine.supervise import RateLimiter as AnyRateLimiter
from invoice_bridge.explain import make_context

_paces: WeakValueDictionary[str, RateLimiter] = WeakValueDictionary()
_paces_lock = threading.Lock()


_open_switches: Counter[str] = Counter()
"""How many `no_waiting` and `no_retries` are open: one count for all threads, which share no context variable."""


@contextmanager
def _switched(name: str) -> Iterator[None]:
    with _paces_lock:
        _open_switches[name] += 1
    try:
        yield
    finally:
        with _paces_lock:
            _open_switches[name] -= 1


@contextmanager
def no_waiting() -> Iterator[None]:
    """Make clients that wait neither for a rate limit nor before a retry: for tests, with an emulator.

    The switch applies to clients made inside it, in any thread, for as long as they live. They still wait as long as
    a provider's Retry-After asks.
    """
    with _switched("no_waiting"):
        yield


@contextmanager
def no_retries() -> Iterator[None]:
    """Make clients that send each request once: for tests of lost and refused requests.

    The switch applies to clients made inside it, in any thread, for as long as they live. The rate limit still holds.
    """
    with _switched("no_retries"):
        yield


def policy_of(
    context: Context, key: ApiKey, requests_per_minute: int | None, rate_limiter: AnyRateLimiter | None = None
) -> Policy:
    """Return a client's retries and waits, and the rate limiters that it shares with other clients of its account.

    A rate limiter of the caller's own takes the place of the account's.
    """
    retries = 0 if _open_switches["no_retries"] else Policy.retries
    if _open_switches["no_waiting"]:
        return Policy(retries=retries, backoff=lambda _tries: 0.0, pace=rate_limiter, search_pace=rate_limiter)
    return Policy(
        retries=retries,
        backoff=full_jitter,
        pace=rate_limiter or _rate_limiter_of(context, key, requests_per_minute),
        search_pace=rate_limiter or _search_limiter_of(context, key),
    )


def full_jitter(tries: int) -> float:
    """Draw the seconds to wait after that many tries: from 0 to 0.5, 1, 2, 4, 8, 8 … ("full jitter")."""
    return random.uniform(0.0, doubling(tries))  # noqa: S311 - a wait is no secret


def make_client_context(
    provider: str,
    key: ApiKey,
    settings: Mapping[str, Any],
    base_url: str | None,
    *,
    mode: str | None,
    insecure: bool,
) -> Context:
    """Check the settings of a client, and make its context. Raises ConfigurationError."""
    declared = providers.get(provider)
    read = declared.read_settings(settings)
    if missing := declared.missing_settings(read):
        needed = "; ".join(f"{setting.name} ({setting.help})" for setting in missing)
        raise ConfigurationError(f"{declared.title} needs the setting {needed}")
    context = make_context(declared, settings, base_url)
    _check_url(context.base_url, insecure=insecure)
    mode_of_key = declared.mode(key.text, read, context.base_url)
    if mode is not None and mode_of_key is not None and mode_of_key != mode:
        raise ConfigurationError(
            f'{declared.title}: mode="{mode}" was asked for, but the key or host is for {mode_of_key}'
        )
    return context


def _rate_limiter_of(context: Context, key: ApiKey, requests_per_minute: int | None) -> RateLimiter | None:
    """The rate limiter of an account, shared by its clients in this process; none on loopback unless asked for."""
    if requests_per_minute is None and is_loopback(urlsplit(context.base_url).hostname or ""):
        return None
    rate = context.provider.rate
    if requests_per_minute is not None:
        rate = Rate(requests_per_minute, 60, "the client's own setting")
    return _shared_limiter(context, key, rate, "")


def _search_limiter_of(context: Context, key: ApiKey) -> RateLimiter | None:
    """The rate limiter of the provider's search index, if that has a limit of its own."""
    rate = context.provider.search_rate
    if rate is None or is_loopback(urlsplit(context.base_url).hostname or ""):
        return None
    return _shared_limiter(context, key, rate, "search ")


def _shared_limiter(context: Context, key: ApiKey, rate: Rate | None, what: str) -> RateLimiter:
    who = hashlib.sha256(f"{what}{context.base_url} {context.account} {key.text}".encode()).hexdigest()
    with _paces_lock:
        pace = _paces.get(who)
        if pace is None:
            pace = _paces[who] = RateLimiter(rate, time.monotonic)
        elif rate is not None:
            pace.limit(rate)
    return pace


def _check_url(url: str, *, insecure: bool) -> None:
    import httpx

    try:
        parts = urlsplit(url)
        whole = parts.port != 0 and httpx.URL(url).host and not parts.query and not parts.fragment
    except (ValueError, httpx.InvalidURL):
        raise ConfigurationError("base_url is not a URL: write https://host/…") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or not whole:
        raise ConfigurationError(
            f"base_url must be http(s)://host/…, without credentials or a query, not {parts.scheme}://…"
        )
    if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise ConfigurationError(
            f"base_url would send the key over plain http to {parts.hostname}: use https, or write insecure=True"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    # an IPv4 address inside an IPv6 one is loopback to some versions of Python and not to others: it is not, here
    return address.is_loopback if isinstance(address, IPv4Address) else address == IPv6Address("::1")
