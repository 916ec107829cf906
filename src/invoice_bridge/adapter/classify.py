"""Return the typed error of a refusal by the provider's table or the HTTP status."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from invoice_bridge.adapter.declared import ErrorRow, Refusal
from invoice_bridge.core.errors import (
    Declined,
    InvalidState,
    MalformedResponse,
    NotFound,
    ProviderError,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
    UnreadableServerError,
)
from invoice_bridge.core.wire import Response


@dataclass(frozen=True, slots=True)
class Classified:
    """What a refusal means by the provider's table.

    `maybe_applied`: the refused request may still have taken effect. `key_reused`: its idempotency key was used before
    with another request.
    """

    error: ProviderError
    maybe_applied: bool = False
    key_reused: bool = False


def classify(
    answer: Response, provider: str, errors: Iterable[ErrorRow], refusal: Callable[[Response], Refusal]
) -> Classified:
    """Return the typed error of a refusal, with what the provider's table adds."""
    facts: dict[str, Any] = {"provider": provider, "status": answer.status, "response": answer}
    if 300 <= answer.status < 400:
        problem = "the answer is a redirect, which is never followed with a key attached; is base_url right?"
        return Classified(MalformedResponse(problem, **facts))
    try:
        words = refusal(answer)
    except MalformedResponse as unreadable:
        if answer.status == 429:  # a proxy's page means "not now" too
            return Classified(RateLimited("too many requests", retry_after=_retry_after(answer), **facts))
        broken = answer.status >= 500
        page = (UnreadableServerError if broken else MalformedResponse)(unreadable.message, **facts)
        return Classified(page, maybe_applied=broken)
    facts |= {"code": words.code, "param": words.param, "request_id": words.request_id}
    row = next((row for row in errors if row.fits(words.code, words.type, answer.status)), None)
    becomes = row.becomes if row else _by_status(answer.status)
    if becomes is RateLimited:
        return Classified(RateLimited(words.message, retry_after=_retry_after(answer), **facts))
    # a server error may follow a successful write, unless a row states this status
    named = row is not None and row.status is not None
    return Classified(
        becomes(words.message, **facts),
        maybe_applied=(row is not None and row.maybe_applied) or (answer.status >= 500 and not named),
        key_reused=row is not None and row.key_reused,
    )


def _by_status(status: int) -> type[ProviderError]:
    by_status: dict[int, type[ProviderError]] = {
        401: Unauthorized,
        403: Unauthorized,
        402: Declined,
        404: NotFound,
        409: InvalidState,
        429: RateLimited,
    }
    return by_status.get(status, ServerError if status >= 500 else Rejected)


def _retry_after(answer: Response) -> int | None:
    """Return the seconds of Retry-After: a number, or a date less the answer's own Date (RFC 9110)."""
    text = answer.headers.get("retry-after", "")
    if text.isascii() and text.isdecimal() and len(text) < 9:
        return int(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):  # not a date, or one without a zone
        return None
    return max(0, -(-wait // timedelta(seconds=1)))
