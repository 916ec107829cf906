"""Webhooks: verify a provider's delivery and read it as a neutral event; `asgi` receives deliveries over HTTP."""

from invoice_bridge.adapter.webhooks import EventType, InvoiceEvent
from invoice_bridge.webhooks.deliveries import ProcessedEvents, is_stale, parse

__all__ = ["EventType", "InvoiceEvent", "ProcessedEvents", "is_stale", "parse"]
