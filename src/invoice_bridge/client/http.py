"""The HTTP library: its exceptions, its loggers, its cookies."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import Any

from invoice_bridge.client.credentials import ApiKey
from invoice_bridge.engine.supervise import Lost, NotSent

LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "hpack.hpack",
    "hpack.table",
)
"""The loggers of the HTTP library's requests and answers, including headers of answers."""


@dataclass(frozen=True)
class _Failures:
    """The exceptions of the module that an HTTP client comes from: httpx, or one with the same names such as httpx2.

    `all` has those of the machinery below too.
    """

    all: tuple[type[BaseException], ...]
    never_sent: tuple[type[BaseException], ...]


_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "InvalidURL")


def _modules_of(http: object) -> list[ModuleType]:
    """The HTTP libraries that a client's class derives from, by their exceptions; httpx is always among them."""
    import httpx

    roots = {kind.__module__.partition(".")[0] for kind in type(http).__mro__}
    modules = [sys.modules[root] for root in sorted(roots) if root in sys.modules]
    return [httpx, *(module for module in modules if module is not httpx and hasattr(module, "RequestError"))]


def failures_of(http: object) -> _Failures:
    """The exceptions of the library that an HTTP client comes from."""

    def named(*names: str) -> tuple[type[BaseException], ...]:
        kinds = (getattr(module, name, None) for module in _modules_of(http) for name in names)
        return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseException))

    return _Failures((*named("RequestError", "InvalidURL", "StreamError"), RuntimeError, OSError), named(*_NEVER_SENT))


def loggers_of(http: object) -> tuple[str, ...]:
    """The loggers of another HTTP library than httpx, spelt as that spells its own."""
    names = [module.__name__ for module in _modules_of(http)[1:]]
    core = [name.replace("httpx", "httpcore") for name in names if name.startswith("httpx")]
    return (*names, *(logger.replace("httpcore", one) for one in core for logger in LOGGERS if "httpcore" in logger))


class classify_transport_errors:  # noqa: N801 - used as a function, around each exchange
    """Classify a failure of the HTTP library: the request was not sent, or its answer is lost.

    Its messages and its logs may quote an answer: the key is removed from both. After a RuntimeError (a closed loop, a
    client closed meanwhile) or an error of the operating system, the request may have been sent.
    """

    def __init__(self, key: ApiKey, failures: _Failures) -> None:
        self._key, self._failures = key, failures

    def __enter__(self) -> None:
        self._token = _sending.set(self._key)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        _sending.reset(self._token)
        if isinstance(error, self._failures.all):
            message = self._key.conceal(f"{type(error).__name__} {error}".strip())
            raise (NotSent if isinstance(error, self._failures.never_sent) else Lost)(message) from error


class _NoCookies(CookieJar):
    """A jar that keeps and sends no cookies: a provider's cookies would link requests without limit."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Look for none: the library's own search takes a tenth of the time of a request."""


NO_COOKIES = _NoCookies(DefaultCookiePolicy(allowed_domains=[]))


_sending: ContextVar[ApiKey | None] = ContextVar("_sending", default=None)
"""The key of this thread's or task's current request."""


def without_keys(record: logging.LogRecord) -> bool:
    """Remove the key from what the HTTP library logs while a client of ours sends; a filter of its loggers."""
    key = _sending.get()
    if key is not None and key.is_in(message := record.getMessage()):
        record.msg, record.args = key.conceal(message), ()
    return True
