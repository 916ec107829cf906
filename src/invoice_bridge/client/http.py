"""The HTTP library as a client meets it: its exceptions, its loggers, its cookies."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType

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
"""What logs the requests and answers of the HTTP library, headers of answers among them."""


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
    found = [sys.modules[root] for root in sorted(roots) if root in sys.modules]
    return [httpx, *(module for module in found if module is not httpx and hasattr(module, "RequestError"))]


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


@contextmanager
def classify_transport_errors(key: ApiKey, failures: _Failures) -> Iterator[None]:
    """Turn a failure of the HTTP library into what it means: the request never left, or its answer is lost.

    Its words, and what it logs meanwhile, may quote an answer: the key is taken out of both. A RuntimeError (a closed
    loop, a client closed meanwhile) or an error of the operating system says nothing of the request: it may have left.
    """
    token = _sending.set(key)
    try:
        yield
    except failures.all as error:
        told = key.conceal(f"{type(error).__name__} {error}".strip())
        raise (NotSent if isinstance(error, failures.never_sent) else Lost)(told) from error
    finally:
        _sending.reset(token)


def no_cookies() -> CookieJar:
    """A jar that takes no cookie and gives none: a provider's cookies would tie requests together, without bound."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


_sending: ContextVar[ApiKey | None] = ContextVar("_sending", default=None)
"""The key that goes out in this thread or task at this moment."""


def without_keys(record: logging.LogRecord) -> bool:
    """Take the key out of what the HTTP library logs while a client of ours waits for it; a filter of its loggers."""
    key = _sending.get()
    if key is not None and key.is_in(told := record.getMessage()):
        record.msg, record.args = key.conceal(told), ()
    return True
