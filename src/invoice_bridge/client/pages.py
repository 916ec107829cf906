"""The address of an invoice's page: the one that its customer sees, or the one in the provider's dashboard.

Rules of this file: an address is https, or http on this machine for an emulator; any other one is refused, because what
an answer states is opened by a person's browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from invoice_bridge.adapter.addresses import check_link
from invoice_bridge.client.clients import Client
from invoice_bridge.client.options import is_loopback
from invoice_bridge.core.errors import MalformedResponse, Unsupported
from invoice_bridge.core.model import Invoice, Status


@dataclass(frozen=True, slots=True)
class Page:
    """The page of an invoice: `kind` is "hosted" or "dashboard"."""

    invoice_id: str
    kind: Literal["hosted", "dashboard"]
    address: str


def page_of(client: Client, invoice: Invoice, *, dashboard: bool = False) -> Page:
    """Return the page that the provider states for the customer, else the one in its dashboard; or only the latter.

    Raises Unsupported if there is none, and MalformedResponse for an address that a browser must not be sent to.
    """
    context = client._context  # noqa: SLF001 - of this room
    provider = context.provider
    own_host = context.base_url == provider.base_url(context.settings)
    in_dashboard = provider.dashboard(invoice, context.settings) if own_host else None
    if invoice.hosted_url and not dashboard:
        _check(invoice.hosted_url, context.base_url, provider.name)
        return Page(invoice.id, "hosted", invoice.hosted_url)
    if in_dashboard is not None:
        return Page(invoice.id, "dashboard", in_dashboard)
    kind = "page in its dashboard" if dashboard else "page"
    why = "" if own_host else f": {context.base_url} is not its own host"
    if invoice.status is Status.DRAFT and not dashboard:
        why = ": it is a draft"
    raise Unsupported(
        f"{provider.title} has no known {kind} for {invoice.id}{why}",
        remedy=f"`invoice-bridge show {invoice.id}` prints the invoice",
    )


def _check(address: str, base_url: str, provider: str) -> None:
    check_link(address, base_url, provider)
    parts = urlsplit(address)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise MalformedResponse("the page's address is not an https URL: it is not opened", provider=provider)
