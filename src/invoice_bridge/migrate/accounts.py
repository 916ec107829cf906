"""The two accounts of a migration: what their clients are made with, and what a plan remembers of them.

Rules of this file: the key is in the settings only, never in what a plan remembers. Maps of names are the plan's, which
writes ids at the target: no client of a migration translates them a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from invoice_bridge import providers
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.idempotency import KEY_VERSION
from invoice_bridge.explain import make_context

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Context
    from invoice_bridge.client.clients import Client
    from invoice_bridge.journal.protocol import BillJournal

__all__ = ["Account", "check_accounts"]

_MAPS = ("customers", "products", "payment_methods")
_OF_CLIENT = (
    "timeout", "deadline", "mode", "insecure", "allow", "lookup", "journal", "book", "requests_per_minute",
)  # fmt: skip
_OF_WORKER = ("journal", "lookup", "deadline", "timeout", "allow")


class Account:
    """One account of a migration, from the keyword arguments of a `Client`, the provider's name among them."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        given = dict(arguments)
        if "provider" not in given:
            raise ConfigurationError('an account of a migration names its provider: {"provider": "stripe", …}')
        self.maps: dict[str, Mapping[str, Mapping[str, str]]] = {name: given.pop(name, None) or {} for name in _MAPS}
        self._arguments = given
        self.provider = str(given["provider"])
        declared = providers.get(self.provider)
        key = str(given.get("api_key", ""))
        settings = {
            name: value
            for name, value in given.items()
            if name not in {*_OF_CLIENT, "provider", "api_key", "base_url", "http"}
        }
        self.context: Context = make_context(declared, settings, given.get("base_url"))
        self.name = self.context.account
        self.mode = given.get("mode") or declared.mode(key, self.context.settings, self.context.base_url) or ""
        del arguments, given, key  # a traceback that shows variables shall not show the key

    def __repr__(self) -> str:
        return f"Account({self.name!r}, base_url={self.context.base_url!r})"

    def facts(self) -> dict[str, str]:
        """Return what a plan remembers of the account."""
        return {"provider": self.provider, "account": self.name, "mode": self.mode, "url": self.context.base_url}

    def client(self, **settings: Any) -> Client:
        """Make a client of the account; what a worker decides is in `settings`, not in the profile."""
        from invoice_bridge.client.clients import Client

        left_out = {*_OF_WORKER, *(("requests_per_minute",) if "rate_limiter" in settings else ())}
        own = {name: value for name, value in self._arguments.items() if name not in left_out}
        return Client(**own, **settings)

    def open_journal(self) -> tuple[BillJournal | None, bool]:
        """Return the application's journal that the profile names, and whether it is to be closed after use."""
        from invoice_bridge.client.checks import locate_journal
        from invoice_bridge.journal.location import Location
        from invoice_bridge.journal.store import Journal

        given = locate_journal(self._arguments.get("journal"))
        return (Journal(given), True) if isinstance(given, Location) else (given, False)

    def reader(self) -> Client:
        """Make a client that only reads, at the profile's own pace."""
        own = {name: value for name, value in self._arguments.items() if name not in {"journal", "lookup", "book"}}
        from invoice_bridge.client.clients import Client

        return Client(**own)

    @property
    def requests_per_second(self) -> int:
        """The requests per second that the account's limit allows, at least one."""
        minute = self._arguments.get("requests_per_minute")
        rate = self.context.provider.rate
        if minute is not None:
            return max(1, int(minute) // 60)
        return 1 if rate is None else max(1, rate.requests // rate.seconds)


def check_accounts(facts: Mapping[str, Any], source: Account, target: Account) -> None:
    """Check that a plan is worked on with the accounts and the key version that it was made for.

    Raises ConfigurationError, which names what differs.
    """
    for side, account in (("source", source), ("target", target)):
        planned, present = facts.get(side, {}), account.facts()
        for word in ("provider", "account", "mode", "url"):
            if planned.get(word) != present[word]:
                raise ConfigurationError(
                    f"the plan was made for another {side}: its {word} is {planned.get(word)!r}, and this one is "
                    f"{present[word]!r}; use the profile that it was planned with, or plan anew"
                )
    if facts.get("key_version") != KEY_VERSION:
        raise ConfigurationError(
            f"the plan was made with key version {facts.get('key_version')}, and this library writes {KEY_VERSION}: "
            "finish it with that version, or plan anew"
        )
