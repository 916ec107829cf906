"""The two accounts of a migration: what their clients are made with, and what a plan remembers of them.

Rules of this file: the key is in the settings only, never in what a plan remembers. Maps of names are the plan's, which
writes ids at the target: no client of a migration translates them a second time. Where the settings name no account,
its key decides which one it is: then what the plan knows of it is looked for there, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from invoice_bridge import providers
from invoice_bridge.core.errors import BridgeError, ConfigurationError, NotFound
from invoice_bridge.core.idempotency import KEY_VERSION
from invoice_bridge.core.model import Status
from invoice_bridge.explain import make_context
from invoice_bridge.migrate.credits import read_balances
from invoice_bridge.migrate.operations import customer_at
from invoice_bridge.migrate.planning import SEEN
from invoice_bridge.migrate.queries import ends_of

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Context
    from invoice_bridge.client.clients import Client
    from invoice_bridge.journal.protocol import BillJournal
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.values import Row

__all__ = ["Account", "check_accounts", "check_made", "check_source", "check_target"]

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

    @property
    def is_named(self) -> bool:
        """Whether the settings name the account; else its key alone decides which one it is."""
        return bool(self.name.partition(":")[2])

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


# ── what the plan knows of an account that its settings do not name ──────────────────────────────────────────────────
_PROBED = 3
"""Invoices, documents or customers of a plan that are looked for: an account without a name has its key alone."""
_SEARCHED = 2_000
"""Items in which so many customers are looked for."""


def check_source(ledger: Ledger, plan: int, source: Account) -> None:
    """Check that the source has an invoice of the plan: another account of the provider has none.

    Raises ConfigurationError if it has none of the first three, before an item is refused.
    """
    rows = list(islice(ledger.rows(plan, ("planned",)), _PROBED))
    if len(rows) < _PROBED:
        return
    with source.reader() as client:
        if _has_none(_reads(client), (str(row.source.get("id")) for row in rows)):
            raise ConfigurationError(
                f"the source has none of the first {_PROBED} invoices of plan {plan}: is the key that of the account "
                "which was planned? If they were deleted there, plan anew"
            )


def check_target(ledger: Ledger, plan: int, source: Account, target: Account) -> None:
    """Check that the target is the account that the plan was made for, where its settings do not name it.

    It has what was there when the plan was made, what the plan has made, or else the customers that the plan names, and
    it is not the source by another key. Raises ConfigurationError, before an item is refused.
    """
    if target.is_named:
        return
    planned = list(islice(ledger.rows(plan, ("planned", "unknown", "sent", "made", "released")), _SEARCHED))
    with target.reader() as client:
        _check_apart(client, plan, planned, source, target)
        if _has_seen(client, ledger, plan) or _has_made(client, ledger, plan):
            return
        names = dict.fromkeys(
            name for row in planned if (name := customer_at(row.operation, target.provider)) is not None
        )
        probed = list(names)[:_PROBED]
        if target.context.provider.balances is not None and _has_none(lambda own: read_balances(client, own), probed):
            raise ConfigurationError(
                f"the target has no customer {', '.join(map(repr, probed))} of plan {plan}: is the key that of the "
                "account which was planned? If the ids are wrong, correct the CSV of customers, and plan anew"
            )


def check_made(ledger: Ledger, plan: int, target: Account) -> None:
    """Check that the target has a document that the plan has made, where its settings do not name the account.

    Raises ConfigurationError if it has none of the first and the last three.
    """
    if not target.is_named:
        with target.reader() as client:
            _has_made(client, ledger, plan)


def _has_seen(client: Client, ledger: Ledger, plan: int) -> bool:
    """Whether the plan has noted an invoice of the target. Raises ConfigurationError if it is not there."""
    seen = ledger.note(plan, SEEN)
    if seen is not None and _has_none(_reads(client), [seen]):
        raise ConfigurationError(
            f"the target has no invoice {seen}, which was there when plan {plan} was made: is the key that of the "
            "account which was planned? If it was planned with the wrong key, plan anew"
        )
    return seen is not None


def _has_made(client: Client, ledger: Ledger, plan: int) -> bool:
    """Whether the plan has made documents. Raises ConfigurationError if none of some is there.

    What can be deleted, such as a draft, is left out: somebody may have done so.
    """
    deletable = {Status.DRAFT, *client._context.provider.deletes_imports}  # noqa: SLF001 - as read_balances
    made = [row for row in ends_of(ledger, plan, _PROBED) if row.target.get("status") not in deletable]
    if _has_none(_reads(client), [row.target_id or "" for row in made]):
        raise ConfigurationError(
            f"the target has none of {len(made)} documents that plan {plan} has made: is the key that of the account "
            "which the plan was run with?"
        )
    return bool(made)


def _check_apart(client: Client, plan: int, planned: Iterable[Row], source: Account, target: Account) -> None:
    """Check that the first planned invoice of the source is not at the target: then both are one account."""
    first = next(iter(planned), None)
    if source.facts() == target.facts() and first is not None:
        own = str(first.source.get("id"))
        if not _has_none(_reads(client), [own], unsure=True):
            raise ConfigurationError(
                f"the target has the invoice {own} of plan {plan} under its own id: source and target are one account, "
                "with two keys; name the key of the account that the invoices are to be moved to"
            )


def _reads(client: Client) -> Callable[[str], object]:
    return lambda own: client.retrieve(own, whole=False)


def _has_none(read: Callable[[str], object], ids: Iterable[str], *, unsure: bool = False) -> bool:
    """Whether there are ids, and none of them is there; `unsure` is returned where reading fails otherwise."""
    looked = False
    for own in ids:
        looked = True
        try:
            read(own)
        except NotFound:
            continue
        except BridgeError:  # each item meets it, and says so
            return unsure
        return False
    return looked
