"""Who may use the control API: no page of another site that is open in a browser on this machine.

A browser sends the header Origin with a request of a page to another site. A page that has its own name resolve to
127.0.0.1 sends that name as Host. Programs send neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from invoice_bridge.core.wire import Response
from invoice_bridge.emulator.answers import Refusal


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(url: str) -> tuple[str, str]:
    """Return the host of a URL, and the host with its port; both are empty for what is no URL."""
    try:
        return urlsplit(url).hostname or "", urlsplit(url).netloc
    except ValueError:
        return "", ""


def refuse_foreign(headers: Mapping[str, str], served_on: str) -> Response | None:
    """Return the refusal of a request of another site; None for any other request.

    A server on loopback takes only the names of loopback as Host. A server on another address takes any, because it
    does not know its names.
    """
    host = headers.get("host", "")
    origin = headers.get("origin")
    name = _parts(f"//{host}")[0]
    if is_loopback(served_on) and not is_loopback(name):
        return Refusal(f"the control API of a server on {served_on} is for this machine; use that host", 403).answer
    if origin is not None and _parts(origin)[1] != host:
        return Refusal("the control API takes no request of another site's page", 403).answer
    return None
