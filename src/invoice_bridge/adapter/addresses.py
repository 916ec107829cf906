"""Checks of addresses that an answer gives: a next page, which is read with the key, and a document, which is not."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from invoice_bridge.core.errors import MalformedResponse

__all__ = ["check_link", "check_next_page"]

_PLAIN_LINK = re.compile(
    r"(?i:https?)://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::\d+)?(?:[/?#][!-\[\]-~]{0,8000})?"
)
"""An address in printable ASCII without a backslash, whose host is a name or an IPv6 address."""


def check_next_page(url: str, base_url: str, provider: str) -> None:
    """Raise MalformedResponse for another origin than the configured one, and outside the base URL's path."""
    ours = urlsplit(base_url)
    try:
        theirs = urlsplit(url)
    except ValueError:
        raise MalformedResponse("the next page's address is not a URL", provider=provider) from None
    same = (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
    if same and not _is_below(theirs.path, ours.path):
        raise MalformedResponse(
            f"the next page is not below {base_url}: it is not followed, since the key would be sent with it",
            provider=provider,
        )
    if not same or theirs.username is not None:
        raise MalformedResponse(
            f"the next page is at {theirs.scheme}://{theirs.hostname}, not at {ours.scheme}://{ours.netloc}: "
            "it is not followed, since the key would be sent with it",
            provider=provider,
        )


def check_link(url: str, base_url: str, provider: str) -> None:
    """Raise MalformedResponse for a document's link that is not https, unless it is at the configured origin.

    What programs read in different ways is refused too: blanks, backslashes, encoded or internationalized host names.
    """
    ours = urlsplit(base_url)
    try:
        theirs = urlsplit(url)
        port = theirs.port  # raises for what is none
        is_usable = (
            _PLAIN_LINK.fullmatch(url) is not None
            and not any(label.startswith("xn--") for label in (theirs.hostname or "").split("."))
            and theirs.username is None
            and (port is None or port > 0)
        )
    except ValueError:
        raise MalformedResponse("the document's link is not a URL", provider=provider) from None
    is_ours = (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
    if not is_usable or not (is_ours or theirs.scheme == "https"):
        raise MalformedResponse("the document's link is not an https URL: it is not followed", provider=provider)


def _is_below(path: str, base: str) -> bool:
    """Return whether a URL's path stays within the base path, however it is decoded on its way.

    Proxies and servers resolve dots (RFC 3986, 5.2.4) after decoding, some take a backslash for a slash, and some
    decode twice: a path with a dot segment in any of these readings is refused.
    """
    if path != base and not path.startswith(f"{base}/"):
        return False
    while (decoded := unquote(path)) != path:
        path = decoded
    return path.isprintable() and not {".", ".."} & set(re.split(r"[/\\;]", path))
