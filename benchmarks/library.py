"""The names of the library that the benchmarks use and `invoice_bridge` does not export; a renaming touches this file.

Everything is imported when it is called: a benchmark's declaration can be read without the library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def hide_msgspec() -> None:
    """Make msgspec not importable, so that the library reads JSON with the standard library. Before the library loads.

    The library takes msgspec where it can be imported; if it is to be asked for it, this file is the place.
    """
    if "invoice_bridge" in sys.modules:
        raise RuntimeError("msgspec is hidden before the library is imported")
    sys.modules["msgspec"] = None  # type: ignore[assignment]


def is_msgspec_used() -> bool:
    """Whether the library has loaded msgspec; to be asked after it decoded something, and before a peer imports it."""
    return sys.modules.get("msgspec") is not None


def read_page(provider: str) -> Callable[[bytes], Any]:
    """Return what a client does with the bytes of a listing's answer: the steps of `ListInvoices`, fed with them."""
    from invoice_bridge import ListInvoices, providers
    from invoice_bridge.core.wire import Response
    from invoice_bridge.engine.supervise import Policy, supervise
    from invoice_bridge.explain import make_context

    declared = providers.get(provider)
    command = ListInvoices(limit=100)
    context = make_context(declared, {}).on(command)
    headers = {"content-type": "application/json"}

    def read(content: bytes) -> Any:
        steps = supervise(declared.flow(command, context), context, Policy())
        next(steps)
        try:
            steps.send(Response(200, content, headers, provider))
        except StopIteration as done:
            return done.value
        raise AssertionError("a page asks for more than its listing: the fixture is not complete")

    return read


def first_request(provider: str, command: Any) -> Callable[[], Any]:
    """Return a call that makes a command's flow and its first request."""
    from invoice_bridge import providers
    from invoice_bridge.explain import make_context

    declared = providers.get(provider)
    context = make_context(declared, {})

    def make() -> Any:
        return next(declared.flow(command, context.on(command)))

    return make
