"""The clients' settings as type checkers see them: one TypedDict for every provider that is built in.

Each provider declares the settings that are accepted at run time (`Provider.settings`); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from typing import Literal, Required, TypedDict

from invoice_bridge.engine.supervise import RateLimiter
from invoice_bridge.journal.protocol import BillJournal


class Common(TypedDict, total=False):
    """The settings of every client; see Client."""

    base_url: str | None
    timeout: float
    deadline: float | None
    mode: Literal["test", "live"] | None
    insecure: bool
    customers: Mapping[str, Mapping[str, str]] | None
    payment_methods: Mapping[str, Mapping[str, str]] | None
    products: Mapping[str, Mapping[str, str]] | None
    allow: Collection[str] | Mapping[str, Collection[str]] | None
    lookup: Literal["auto", "always", "never", "journal"]
    book: str
    journal: str | PathLike[str] | BillJournal | None
    requests_per_minute: int | None
    rate_limiter: RateLimiter | None


class ChargebeeSettings(Common, total=False):
    """`site` is the name before .chargebee.com; `reference_field` a custom field (cf_…) that takes the reference."""

    site: Required[str]
    product_catalog: Literal[1, 2]
    reference_field: str | None


class StripeSettings(Common, total=False):
    """`account` is a connected account (acct_…) to act for."""

    account: str | None


class WhopSettings(Common, total=False):
    """`account_id` is the company (biz_…); `product_id` (prod_…) an existing product; `api_version` a legacy pin."""

    account_id: Required[str]
    product_id: str | None
    api_version: str
