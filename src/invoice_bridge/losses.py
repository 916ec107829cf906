"""What a provider would not carry of a command: the fates, the loss report, and the rows that drive both.

Rules of this file: pure; nothing is sent and nothing is guessed. A provider's rows (`FIELDS` in its `tables.py`) are
the only place that says what becomes of a field; the report, the refusal, the documentation and the tests read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Union, get_args, get_origin, get_type_hints

from invoice_bridge.errors import ConfigurationError, LossyTranslation, Unsupported
from invoice_bridge.money import Money

if TYPE_CHECKING:
    from invoice_bridge.provider import Context, Limit

__all__ = ["ALL", "Alters", "Fate", "Field", "Loss", "Severity", "refuse_losses"]


_CODE = re.compile(r"IB-[A-Z0-9]+(-[A-Z0-9]+)+")


class Fate(StrEnum):
    """What becomes of a field on its way to the provider."""

    CARRIED = "carried"
    DROPPED = "dropped"
    APPROXIMATED = "approximated"
    DEFAULTED = "defaulted"
    TRUNCATED = "truncated"
    PROVIDER_RATED = "provider_rated"


class Severity(StrEnum):
    """How much a loss matters: `info` is reported only, the others stop the command unless allowed."""

    INFO = "info"
    WARNS = "warns"
    CHANGES_MONEY = "changes_money"


class Alters(StrEnum):
    """What changing the field changes: bytes of some request, which requests are made, or nothing."""

    BODY = "body"
    BRANCH = "branch"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing a command would lose. `code` is permanent; `path` is where it stands in the command ("period.start").

    `conditional`: whether it comes true depends on the clock, and no `as_of` was given; it is then reported only.
    """

    code: str
    path: str
    fate: Fate
    severity: Severity
    sent: str
    why: str
    remedy: str
    conditional: bool = False

    def __str__(self) -> str:
        told = f"[{self.code}] ($.{self.path}) {'depending on the clock: ' if self.conditional else ''}{self.why}"
        return told + (f"; {self.remedy}" if self.remedy else "")


def _always(_ask: Any, _use: Context) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Field:
    """One row: what becomes of the field at `path` of the commands named in `verbs`.

    `native` is the provider's field. A row with a `code` is a loss wherever `when` holds and the field is set; a row
    without one is carried whole. `source` says where the provider documents it and may not be empty.
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
    when: Callable[[Any, Context], bool] = _always
    clock: Callable[[Any, datetime], bool] | None = None
    """Whether the loss comes true at an instant, where that depends on the clock."""

    def speaks(self, ask: Any, use: Context) -> bool:
        """Whether the row is about this command: its verb and its condition."""
        return ask.verb in self.verbs and self.when(ask, use)

    def is_set(self, ask: Any, use: Context) -> bool:
        """Whether the command says anything at the row's path."""
        if self.path == "customer.id":  # the id at this provider, however the customer was given
            return ask.customer is not None and ask.customer.at(use.provider.name) is not None
        return any(value not in ((), {}) and value is not False for value in values_at(ask, self.path))

    def loss(self, ask: Any, use: Context) -> Loss | None:
        """The loss this row means for a command, or None."""
        if not self.code or not self.speaks(ask, use) or not self.is_set(ask, use):
            return None
        found = Loss(self.code, self.path, self.fate, self.severity, self.sent, self.why, self.remedy)
        if self.clock is None:
            return found
        if use.as_of is None:
            return replace(found, severity=Severity.INFO, conditional=True)
        return found if self.clock(ask, use.as_of) else None


def values_at(ask: Any, path: str) -> list[Any]:
    """What a command says at a path, one value per place: "lines[].period" is each line's, "metadata.key" the keys."""
    found = [ask]
    for name in path.split("."):
        bare = name.removesuffix("[]")
        if found and isinstance(found[0], Mapping):
            found = [word for one in found for word in (one if bare == "key" else one.values())]
        else:
            found = [value for one in found if (value := getattr(one, bare, None)) is not None]
        if name.endswith("[]"):
            found = [item for items in found for item in items]
    return found


def check_limits(limits: Iterable[Limit], ask: Any) -> None:
    """Raise Unsupported for a text or list of a bill, or of an update, that is longer than the provider takes."""
    for limit in limits:
        for value in values_at(ask, limit.what):
            if isinstance(value, Sized) and len(value) > limit.most:
                raise Unsupported(
                    f"{limit.what} has {len(value)} {'characters' if isinstance(value, str) else 'entries'}, "
                    f"and the provider takes {limit.most} at most",
                    source=limit.source,
                    remedy="shorten it: nothing is cut off silently",
                )


class _All:
    """The type of ALL."""

    def __repr__(self) -> str:
        return "ALL"


ALL = _All()
"""`allow=ALL` accepts every loss of severity `warns`; one that changes money needs its own path or code."""

Allow = Collection[str] | _All


ADDITIONS = frozenset({"balance", "minimum"})
"""What `allow` also takes by name: amounts that a provider may add or take off by itself when it issues an invoice (a
customer's balance), or move away (an invoice below the minimum charge)."""


def names_allowed(allow: Allow) -> frozenset[str]:
    """The names in `allow`; ALL names nothing."""
    return frozenset() if isinstance(allow, _All) else frozenset(allow)


def find_losses(fields: Iterable[Field], ask: Any, use: Context) -> tuple[Loss, ...]:
    """Every loss that a provider's rows mean for a command, in the order of the rows."""
    return tuple(loss for row in fields if (loss := row.loss(ask, use)))


def covers(name: str, path: str) -> bool:
    """Whether a name speaks of a path: the path itself, or what it lies in ("period", "lines")."""
    return path == name or path.startswith((f"{name}.", f"{name}["))


def refuse_losses(found: tuple[Loss, ...], allow: Allow, provider: str) -> None:
    """Raise LossyTranslation for losses that `allow` does not accept.

    A name accepts the losses of its code, at its path, or below it ("period" accepts "period.start"). A path that loses
    nothing here is fine: the same call serves another provider. Raises ConfigurationError for a name that is neither a
    path of any bill nor spelled like a code, naming the nearest.
    """
    if isinstance(allow, str):
        raise ConfigurationError(f"allow takes a list of paths or codes: write allow=[{allow!r}]")
    names = set() if isinstance(allow, _All) else set(allow)
    if not all(isinstance(name, str) for name in names):
        raise ConfigurationError("allow takes a list of paths or codes; ALL stands alone: write allow=ALL")
    known = {loss.path for loss in found} | {loss.code for loss in found} | _paths() | ADDITIONS
    for name in sorted(names):
        if not any(covers(name, path) for path in known) and not _CODE.fullmatch(name):
            near = get_close_matches(name, known, 3) or sorted({loss.path for loss in found})
            hint = f"the nearest are {', '.join(map(repr, near))}" if near else "nothing is lost here"
            raise ConfigurationError(f"allow names {name!r}, which is no path of a bill; {hint}")

    def accepted(loss: Loss) -> bool:
        if loss.severity is Severity.INFO or any(name == loss.code or covers(name, loss.path) for name in names):
            return True
        return isinstance(allow, _All) and loss.severity is Severity.WARNS

    if refused := tuple(loss for loss in found if not accepted(loss)):
        raise LossyTranslation(refused, provider)


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


def _below(hint: Any, path: str) -> Iterator[str]:
    if hint is Money:
        yield path
        yield "currency"
    elif path == "customer.ids":
        yield "customer.id"
    elif isinstance(hint, type) and (hasattr(hint, "model_fields") or is_dataclass(hint)):
        yield from _leaves(hint, f"{path}.")
    else:
        yield path


def _paths() -> set[str]:
    from invoice_bridge.commands import LEAVES

    leaves = {leaf for each in LEAVES.values() for leaf in each}
    return leaves | {leaf.split(".")[0].removesuffix("[]") for leaf in leaves}
