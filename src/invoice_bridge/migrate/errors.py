"""The errors of a ledger's rules, which keep a request from being sent."""

from __future__ import annotations

from invoice_bridge.core.errors import ConfigurationError, Unsupported

__all__ = ["ForbiddenEffect", "LeaseExpired", "LedgerUnavailable", "SourceChanged"]


class LeaseExpired(ConfigurationError):
    """The lease of this worker has passed, so another one may take its items over; the request was not sent."""


class LedgerUnavailable(ConfigurationError):
    """The database of the ledger cannot be reached, read or written.

    Nothing was sent without a claim in it; what may have been sent under one is looked up by the next run.
    """


class ForbiddenEffect(ConfigurationError):
    """The request would mail or collect, and the item is history; the request was not sent."""


class SourceChanged(Unsupported):
    """The invoice is not as it was planned, or is gone, and no document of it is at the target; nothing was sent."""
