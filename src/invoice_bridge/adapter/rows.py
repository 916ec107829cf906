"""The rows of a provider: what happens to each field of a command, and the losses that result.

Rules of this file: pure; nothing is sent and nothing is guessed. A provider's rows (`FIELDS` in its `tables.py`) are
the only place that states what happens to a field; the report, the refusal, the documentation and the tests read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, Union, get_args, get_origin, get_type_hints

from invoice_bridge.adapter.paths import is_stated, values_at
from invoice_bridge.adapter.stated import RowsByField
from invoice_bridge.core.bills import Bill
from invoice_bridge.core.commands import VERB_LEAVES, OnInvoice
from invoice_bridge.core.errors import Unsupported
from invoice_bridge.core.losses import Alters, Fate, Loss, Severity
from invoice_bridge.core.money import Money
from invoice_bridge.core.parts import Address, TaxId
from invoice_bridge.core.taxes import TaxLine, TaxRate

__all__ = [
    "Field",
    "approximated",
    "carried",
    "defaulted",
    "dropped",
    "provider_rated",
    "refused",
    "unsent",
    "values_at",
]


class Named(Protocol):
    """The part of a provider that rows need."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...


class Setup(Protocol):
    """The facts that a row may depend on besides the command: settings, the provider's name, the time if given."""

    @property
    def provider(self) -> Named:
        """Return the provider."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return the settings of the client, read and checked."""
        ...

    @property
    def as_of(self) -> datetime | None:
        """Return the present, for what depends on the clock."""
        ...


def _always(_command: Any, _context: Setup) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Field:
    """One row: what happens to the field at `path` of the commands named in `verbs`.

    `native` is the provider's field. A row with a `code` is a loss if `when` holds and the field is set; a field of a
    row without one is carried in full. `source` names the provider's documentation and may not be empty.
    """

    path: str
    native: str
    source: str
    alters: Alters = Alters.BODY
    fate: Fate = Fate.CARRIED
    severity: Severity = Severity.INFO
    code: str = ""
    why: str = ""
    remedy: str = ""
    sent: str = ""
    verbs: tuple[str, ...] = ("one_time_charge", "period_invoice")
    when: Callable[[Any, Setup], bool] = _always
    clock: Callable[[Any, datetime], bool] | None = None
    """Whether the loss occurs at an instant, if that depends on the clock."""
    refuses: bool = False
    """Whether a bill that has the field is refused before anything is sent."""

    def speaks(self, command: Any, context: Setup) -> bool:
        """Return whether the row applies to this command: its verb and its condition."""
        return command.verb in self.verbs and (self.when is _always or self.when(command, context))

    def is_set(self, command: Any, context: Setup) -> bool:
        """Return whether the command has a value at the row's path."""
        if self.path == "customer.id":  # the id at this provider, however the customer was given
            return command.customer is not None and command.customer.at(context.provider.name) is not None
        return is_stated(command, self.path)

    def loss(self, command: Any, context: Setup) -> Loss | None:
        """Return the loss of a command by this row, or None."""
        if not self.code or not self.speaks(command, context) or not self.is_set(command, context):
            return None
        found = Loss(self.code, self.path, self.fate, self.severity, self.sent, self.why, self.remedy)
        if self.clock is None:
            return found
        if context.as_of is None:
            return replace(found, severity=Severity.INFO, conditional=True)
        return found if self.clock(command, context.as_of) else None


@dataclass(frozen=True, slots=True)
class VerbRows:
    """The rows of one verb in the order of their table, and among them those that state a loss or refuse a field."""

    every: tuple[Field, ...]
    losing: RowsByField[Field]
    refusing: RowsByField[Field]
    """With those of `tax[]`, which say that rates of tax are known here."""

    @classmethod
    def of(cls, rows: Iterable[Field], verb: str) -> VerbRows:
        """Return the rows of a verb."""
        every = tuple(row for row in rows if verb in row.verbs)
        losing = RowsByField(row for row in every if row.code)
        return cls(every, losing, RowsByField(row for row in every if row.refuses or row.path == _RATES))

    def ranked(self, command: Any, context: Setup) -> tuple[Field, ...]:
        """Return the rows that apply to a command: those of its stated fields first, then constants, then the rest."""
        stated: list[Field] = []
        constants: list[Field] = []
        rest: list[Field] = []
        known: dict[str, bool] = {}  # several rows have one path
        for row in self.every:
            if row.when is not _always and not row.when(command, context):
                continue
            if not row.path:
                constants.append(row)
                continue
            is_set = known.get(row.path)
            if is_set is None:
                is_set = known[row.path] = row.is_set(command, context)
            (stated if is_set else rest).append(row)
        return (*stated, *constants, *rest)


def carried(path: str, native: str, source: str, **more: Any) -> Field:
    """Make a row for a field that the provider accepts in full, as its field `native`."""
    return Field(path, native, source, **more)


def dropped(path: str, code: str, source: str, **more: Any) -> Field:
    """Make a row for a field that no request carries. It warns and sends nothing, unless the row states otherwise."""
    row = {"native": "", "fate": Fate.DROPPED, "severity": Severity.WARNS, **_NOWHERE, **more}
    return Field(path, source=source, code=code, **row)


def defaulted(path: str, code: str, source: str, **more: Any) -> Field:
    """Make a row for a field that the provider's settings decide. It warns, unless the row states otherwise."""
    return Field(
        path, "", source, code=code, **{**_NOWHERE, "fate": Fate.DEFAULTED, "severity": Severity.WARNS, **more}
    )


def approximated(path: str, native: str, code: str, source: str, **more: Any) -> Field:
    """Make a row for a field that is sent in another form, `sent`. It is only a remark by default."""
    return Field(path, native, source, code=code, fate=Fate.APPROXIMATED, **more)


def provider_rated(path: str, code: str, source: str, **more: Any) -> Field:
    """Make a row for an amount that the provider computes by itself, which changes what is billed."""
    rated = {"fate": Fate.PROVIDER_RATED, "severity": Severity.CHANGES_MONEY}
    return Field(path, "", source, code=code, **{**_NOWHERE, **rated, **more})


def unsent(path: str, source: str, **more: Any) -> Field:
    """Make a row for a field that is neither sent nor lost: it is compared with the answer, or always true."""
    return Field(path, "", source, Alters.NOTHING, **more)


def refused(path: str, source: str, *, why: str, remedy: str, **more: Any) -> Field:
    """Make a row for a field that the provider cannot accept: a bill with it is refused, with `why`."""
    return Field(path, "", source, Alters.BRANCH, why=f"{_REFUSED}{why}", remedy=remedy, refuses=True, **more)


_REFUSED = "refused: "
_RATES = "tax[]"
_NOWHERE = {"alters": Alters.NOTHING, "sent": "nothing"}


def read_parts(code: str, source: str, *, sent: tuple[str, ...] = ()) -> tuple[Field, ...]:
    """Return the rows for parts that were read from an invoice, and for leaves that no row here sends.

    `code` begins the codes of their losses: "IB-ACME". `sent` are the paths of those that a provider takes, with rows
    of its own. Discounts and rates of tax are refused, unless the provider takes them.
    """
    again = "leave it out: then only the amounts of the lines are billed"
    natives = "the rows of native.py state what is sent"
    rows = (
        unsent("native", natives),
        unsent("native_unchecked", natives),
        unsent("expect_total", "compared with the invoice's total, and not sent"),
        unsent("lines[].id", source),
        unsent("lines[].proration", source),
        unsent("lines[].provider", source),
        dropped(
            "lines[].subscription",
            f"{code}-LINE-SUBSCRIPTION-01",
            source,
            why="a line is billed by itself, and belongs to no subscription",
            severity=Severity.INFO,
        ),
        dropped(
            "lines[].product",
            f"{code}-LINE-PRODUCT-01",
            source,
            why="a line is billed by its text and amount, and names no product",
            remedy="leave it out, or name the product in the description",
        ),
        dropped(
            "lines[].price",
            f"{code}-LINE-PRICE-01",
            source,
            why="a line is billed by its text and amount, and names no price",
            remedy="leave it out",
        ),
        dropped(
            "lines[].metadata",
            f"{code}-LINE-METADATA-01",
            source,
            why="the metadata of a line is not sent",
            remedy="put it into the metadata of the bill",
        ),
        refused("lines[].discount", source, why="a line is billed at its whole amount", remedy=_LOWER),
        refused("discounts[].amount", source, why="a bill is the sum of its lines", remedy=_LOWER),
        *(unsent(f"discounts[].{part}", source) for part in ("id", "code", "name")),
        refused(
            "tax[]",
            source,
            why="an invoice takes no rates of tax from the bill",
            remedy='write tax="provider" where the provider computes the tax, or state the tax as a line',
        ),
        dropped(
            "lines[].taxes[]",
            f"{code}-LINE-TAX-01",
            source,
            why="the taxes of a line are not sent",
            remedy=f'state them as lines, or have the provider tax the bill with tax="provider"; {again}',
            severity=Severity.CHANGES_MONEY,
        ),
        dropped(
            "customer.address",
            f"{code}-CUSTOMER-ADDRESS-01",
            source,
            why="the provider prints the address that it keeps of its customer",
            severity=Severity.INFO,
        ),
        dropped(
            "customer.tax_ids[]",
            f"{code}-CUSTOMER-TAXID-01",
            source,
            why="the provider prints the tax ids that it keeps of its customer",
            severity=Severity.INFO,
        ),
    )
    return tuple(row for row in rows if row.path not in sent)


DISCOUNTS = ("discounts[].id", "discounts[].code", "discounts[].name", "discounts[].amount")
"""The leaves of a bill's discounts."""
_LOWER = "state the discount as a line below zero, or lower the amount"


def discounts_as_lines(code: str, source: str, *, amount: str, text: str, **more: Any) -> tuple[Field, ...]:
    """Return the rows of an adapter that sends discounts as negative lines (`billed_lines`), with its field names.

    Such lines come to the total exactly. `code` begins the codes of their losses: "IB-ACME".
    """
    sent = "a line below zero"
    why = "a discount is a line below zero on the invoice, which states no discount"
    parts: dict[str, Any] = {"sent": sent, "why": why, **more}
    return (
        approximated("lines[].discount", amount, f"{code}-LINE-DISCOUNT-02", source, **parts),
        approximated("discounts[].amount", amount, f"{code}-DISCOUNT-01", source, **parts),
        carried("discounts[].name", text, source, **more),
        approximated(
            "discounts[].code",
            text,
            f"{code}-DISCOUNT-02",
            source,
            **{**parts, "sent": "the text of the line", "why": "the amount is taken off, and no coupon is redeemed"},
        ),
        unsent("discounts[].id", source),
    )


def check_refused(fields: Iterable[Field], command: Any, context: Setup) -> None:
    """Raise Unsupported for a field of a bill that its row refuses, and for rates of tax without a row."""
    spoken_of = False
    for row in fields:
        if (row.refuses or row.path == _RATES) and row.speaks(command, context) and row.is_set(command, context):
            if row.refuses:
                raise Unsupported(f"{row.path}: {row.why.removeprefix(_REFUSED)}", source=row.source, remedy=row.remedy)
            spoken_of = True
    if not spoken_of and values_at(command, _RATES):
        raise Unsupported(
            f"no row of {context.provider.name} says how rates of tax are sent", remedy='write tax="provider" or "none"'
        )


def without_unsent_taxes(fields: Iterable[Field], command: Any, context: Setup) -> Any:
    """Return a bill as its provider gets it: without the taxes of its lines where no row carries them.

    They are a loss that the caller allowed; what is compared before money moves is what was sent.
    """
    if (
        not isinstance(command, Bill)
        or not any(line.taxes for line in command.lines)
        or _carries(fields, "lines[].taxes[]", command, context)
    ):
        return command
    return command.model_copy(update={"lines": tuple(line.model_copy(update={"taxes": ()}) for line in command.lines)})


def _carries(fields: Iterable[Field], path: str, command: Any, context: Setup) -> bool:
    """Return whether a row sends a field of this command, and none drops it."""
    rows = [row for row in fields if row.path == path and row.speaks(command, context)]
    sends = [row for row in rows if row.fate in {Fate.CARRIED, Fate.APPROXIMATED} and row.alters is Alters.BODY]
    return bool(sends) and not any(row.fate is Fate.DROPPED for row in rows)


def find_losses(fields: Iterable[Field], command: Any, context: Setup) -> tuple[Loss, ...]:
    """Return every loss of a command by a provider's rows, in their order."""
    return tuple(loss for row in fields if (loss := row.loss(command, context)))


def unbuilt_leaf(fields: Iterable[Field], command: OnInvoice) -> str | None:
    """Return a field that a verb on an invoice states, of which no row says what happens to it or to its parts."""
    paths = [row.path for row in fields if command.verb in row.verbs]
    for leaf in VERB_LEAVES.get(type(command), ()):
        value = getattr(command, leaf)
        if value is not None and value != ():
            below = (f"{leaf}[", f"{leaf}.")
            if not any(path == leaf or path.startswith(below) for path in paths):
                return leaf
    return None


def leaves_of(bill: type[Any]) -> tuple[str, ...]:
    """Return the paths of everything a caller can set on a type of bill, computed from its fields.

    `LEAVES` in commands.py is held equal to this by the tests. An amount of money is one leaf, and the currency of all
    amounts is the leaf "currency". `CustomerRef.ids` is another way to give the leaf "customer.id".
    """
    return tuple(dict.fromkeys(_leaves(bill, "")))


def _leaves(of: type[Any], prefix: str) -> Iterator[str]:
    for name, hint in get_type_hints(of).items():
        if get_origin(hint) is ClassVar or name.startswith(("_", "model_")):
            continue
        for part in get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,):
            if get_origin(part) is tuple:
                yield from _below(get_args(part)[0], f"{prefix}{name}[]")
            elif part is not NoneType:
                yield from _below(part, prefix + name)


_WHOLE = (Address, TaxId, TaxLine, TaxRate)
"""Parts that are one leaf each: they are read and never sent, or sent whole."""


def _below(hint: Any, path: str) -> Iterator[str]:
    if hint is Money:
        yield path
        yield "currency"
    elif path == "customer.ids":
        yield "customer.id"
    elif hint in _WHOLE:
        yield path
    elif isinstance(hint, type) and (hasattr(hint, "model_fields") or is_dataclass(hint)):
        yield from _leaves(hint, f"{path}.")
    else:
        yield path
