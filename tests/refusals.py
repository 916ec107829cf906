"""Refusals for tests: what a provider's table makes of one, and one whose request may have worked before."""

from typing import Any, TypeVar

from invoice_bridge import ProviderError, providers
from invoice_bridge.adapter.classify import Classified
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.core.wire import Response

E = TypeVar("E", bound=ProviderError)


def classified(error: ProviderError, provider: Provider | None = None) -> Classified:
    """How the table of its provider reads the answer behind an error."""
    assert error.response is not None
    return (provider or providers.get(error.provider)).classify(error.response)


def refusal_of(kind: type[E], message: str = "no", *, repeats: bool = False, **facts: Any) -> E:
    """A refusal of a request, of which an earlier try may have taken effect."""
    return kind(message, response=Response(facts.get("status", 400), repeats=repeats), **facts)
