"""What a profile knows for the caller: ids by provider for the caller's own names, and losses that are allowed.

Rules of this file: pure. A name that a map does not have is refused, as it would otherwise be sent as an id. A loss is
allowed by its code: no single word allows all losses that change money.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from invoice_bridge import providers
from invoice_bridge.core.commands import Bill, Command, ImportInvoice, NewInvoice, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.model import CustomerRef, Line

__all__ = ["KINDS", "MAPS", "Maps", "allowed_codes", "fault_of_allow", "fault_of_map"]

C = TypeVar("C", bound=Command)
Ids = Mapping[str, Mapping[str, str]]
"""Names of the caller's own → provider → id there."""
AllowSetting = Collection[str] | Mapping[str, Collection[str]] | None
"""Codes of losses, for every bill or by kind of bill."""

MAPS = {"customers": "customer", "payment_methods": "payment method", "products": "product"}
"""The maps, and what each names."""
KINDS = (OneTimeCharge.verb, PeriodInvoice.verb, ImportInvoice.verb)


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of one client; an empty one translates nothing."""

    provider: str
    customers: Ids = field(default_factory=dict)
    payment_methods: Ids = field(default_factory=dict)
    products: Ids = field(default_factory=dict)

    @classmethod
    def of(cls, provider: str, *maps: Ids | None) -> Maps:
        """Make the maps of a client, from copies: what the caller changes afterwards changes no bill."""
        return cls(provider, *({name: dict(ids) for name, ids in (given or {}).items()} for given in maps))

    def translate(self, command: C) -> C:
        """Put the ids at the provider in place of names. Raises ConfigurationError for a name that a map lacks."""
        changes = dict(self._changes(command))
        return command.model_copy(update=changes) if changes else command

    def _changes(self, command: Command) -> Iterable[tuple[str, Any]]:
        customer: CustomerRef | None = getattr(command, "customer", None)
        if self.customers and customer is not None and customer.id is not None and not customer.ids:
            yield "customer", customer.model_copy(update={"ids": self._customer(customer.id)})
        if self.payment_methods:
            if (method := getattr(command, "payment_method", None)) is not None:
                yield "payment_method", self._id("payment_methods", method)
            if isinstance(command, Bill) and (method := command.collection.payment_method) is not None:
                translated = {"payment_method": self._id("payment_methods", method)}
                yield "collection", command.collection.model_copy(update=translated)
        if self.products and isinstance(command, Bill):
            yield "lines", tuple(map(self._line, command.lines))

    def _line(self, line: Line) -> Line:
        """A line with ids for its names; one that was read, or states whose its product is, has ids already."""
        if line.id is not None or line.provider is not None:
            return line
        names = {name: own for name in ("product", "price") if (own := getattr(line, name)) is not None}
        return line.model_copy(update={name: self._id("products", own) for name, own in names.items()})

    def _customer(self, name: str) -> dict[str, str]:
        if name not in self.customers:
            raise ConfigurationError(
                f"the customer map has no {name!r}: add it, or pass the ids: CustomerRef(ids={{…}}), "
                'in a file "customer": {"ids": {…}}'
            )
        return dict(self.customers[name])

    def _id(self, which: str, name: str) -> str:
        ids: Ids = getattr(self, which)
        if name not in ids:
            from difflib import get_close_matches

            near = get_close_matches(name, ids, 1)
            hint = f"did you mean {near[0]!r}?" if near else "add it"
            raise ConfigurationError(f"the {MAPS[which]} map has no {name!r}; {hint}")
        if self.provider not in ids[name]:
            raise ConfigurationError(
                f"the {MAPS[which]} map has no id of {name!r} at {self.provider}: add one, as {name} = "
                f'{{ {self.provider} = "…" }}'
            )
        return ids[name][self.provider]


def fault_of_map(name: str, value: object) -> str | None:
    """Return what a map must be, or None if it is valid. Providers are not checked: another package may add one."""
    if value is None:
        return None
    if isinstance(value, Mapping) and all(
        isinstance(own, str)
        and isinstance(ids, Mapping)
        and all(isinstance(provider, str) and isinstance(id_, str) and id_ for provider, id_ in ids.items())
        for own, ids in value.items()
    ):
        return None
    example = {"customers": "acme", "payment_methods": "card", "products": "seat"}[name]
    return f'{name} must map your own names to ids by provider: write {name}={{"{example}": {{"<provider>": "<id>"}}}}'


def fault_of_allow(value: object) -> str | None:
    """Return what `allow` must be, or None if it is valid: codes that exist, for every bill or by its kind."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        for kind, codes in value.items():
            if kind not in KINDS:
                return f"{kind!r} is no kind of bill: {_nearest(str(kind), KINDS)}"
            if problem := _fault_of_codes(codes):
                return f"{kind}: {problem}"
        return None
    return _fault_of_codes(value)


def _fault_of_codes(value: object) -> str | None:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        return 'it must be a list of codes, as `losses` prints them, ["IB-…-01"], or such a list for each kind of bill'
    known: set[str] = set()
    for code in value:
        known = known or _codes()
        if not isinstance(code, str):
            return "it must have codes as texts, and nothing else"
        if code not in known:
            what = f"{code[:60]!r} is not the code of a loss"
            if code.lower() in {"all", "info", "warns", "changes_money"}:
                return f"{what}: allow each loss by its own code, above all one that changes money"
            return f"{what}: {_nearest(code, known)}"
    return None


def _codes() -> set[str]:
    """The codes of all losses at all providers: a profile keeps them through a switch."""
    declared = [providers.get(name) for name in providers.names()]
    return {row.code for one in declared for row in (*one.fields, *one.import_fields) if row.code}


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.upper() if name.upper().startswith("IB-") else name, sorted(known), 3)
    if near:
        return f"the nearest are {', '.join(near)}" if len(near) > 1 else f"did you mean {near[0]}?"
    few = sorted(known)
    return f"valid names: {', '.join(few)}" if len(few) < 5 else "`losses` and `explain` show the codes of a bill"


def allowed_codes(setting: AllowSetting, command: Command) -> frozenset[str]:
    """Return the codes that a setting allows for a command."""
    if setting is None or not isinstance(command, NewInvoice):
        return frozenset()
    return frozenset(setting.get(command.verb, ()) if isinstance(setting, Mapping) else setting)
