"""Deliveries of providers, verified and read as neutral events; `asgi` receives them."""

from invoice_bridge.adapter.webhooks import EventType, InvoiceEvent
from invoice_bridge.webhooks.deliveries import ProcessedEvents, is_stale, parse

__all__ = ["EventType", "InvoiceEvent", "ProcessedEvents", "is_stale", "parse"]
