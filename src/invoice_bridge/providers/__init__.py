"""The registry of providers: names to declarations, loaded only when asked for; third parties join by entry point."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from invoice_bridge.core.errors import ConfigurationError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from invoice_bridge.adapter.provider import Provider

_BUILT_IN = {
    "chargeapi": "invoice_bridge.providers.chargeapi:CHARGEAPI",
    "chargebee": "invoice_bridge.providers.chargebee:CHARGEBEE",
    "stripe": "invoice_bridge.providers.stripe:STRIPE",
    "whop": "invoice_bridge.providers.whop:WHOP",
}
GROUP = "invoice_bridge.providers"
"""The entry-point group in which a third party names its own provider: `name = "module:VALUE"`."""


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points  # a built-in provider is read without it

    return entry_points(group=GROUP)


def names() -> tuple[str, ...]:
    """Return the names of all providers, built in and installed, sorted."""
    return tuple(sorted({*_BUILT_IN, *(point.name for point in _entry_points())}))


@cache
def get(name: str) -> Provider:
    """Return a provider's declaration. Raises ConfigurationError naming the nearest name."""
    if name in _BUILT_IN:
        module, _, value = _BUILT_IN[name].partition(":")
        return getattr(import_module(module), value)  # type: ignore[no-any-return]
    for point in _entry_points().select(name=name):
        return point.load()  # type: ignore[no-any-return]
    from difflib import get_close_matches

    near = get_close_matches(str(name), names(), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"valid names: {', '.join(names())}"
    raise ConfigurationError(f"there is no provider {name!r}; {hint}")
