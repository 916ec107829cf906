"""Sign a delivery as its provider does: for emulators, and for tests of a receiver."""

from __future__ import annotations

from datetime import datetime

from invoice_bridge import providers
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.model import in_utc

__all__ = ["sign"]


def sign(provider: str, body: bytes, *, secret: str, at: datetime, event_id: str) -> dict[str, str]:
    """Return the headers, with the content type, of a delivery that `parse` accepts at `at`.

    `secret` is as for `parse`. Raises ConfigurationError for a provider whose signature is not documented, and for a
    secret that is empty or of another shape.
    """
    declared = providers.get(provider)
    if declared.webhooks is None:
        raise ConfigurationError(f"{declared.title}: this library does not know its webhooks yet")
    if isinstance(declared.webhooks.sign, Cannot):
        raise ConfigurationError(f"{declared.title}: {declared.webhooks.sign.reason}")
    if not secret.strip():
        raise ConfigurationError(f"{declared.title}: signing needs the endpoint's secret")
    try:
        made = declared.webhooks.sign(event_id, body, secret.encode(), in_utc(at))
    except UnicodeEncodeError:
        raise ConfigurationError(f"{declared.title}: the secret is not valid text") from None
    return {"content-type": "application/json; charset=utf-8", **made}
