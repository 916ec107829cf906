"""Plan: the exact requests of a command in order, their effects, and what would be lost. No network, no key.

A flow gets a specimen of the successful answer to each request, so the code that sends also explains.
A plan prints as text (effects first), as JSON, and as curl commands that take the key from the environment.
"""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, partial
from types import NoneType
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from invoice_bridge import providers
from invoice_bridge.adapter.declared import NO_HISTORY, History
from invoice_bridge.adapter.lookup import LOOKUP_NOTE, is_findable
from invoice_bridge.adapter.native import check_names
from invoice_bridge.adapter.native_losses import native_fields
from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.commands import Command, NewInvoice
from invoice_bridge.core.errors import BridgeError, NotFound, Unsupported
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.losses import Loss, Severity
from invoice_bridge.core.model import Period, in_utc
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Request, Response, scalar
from invoice_bridge.engine.lookup import LookupNeeded, start
from invoice_bridge.engine.once import NotShown

_PLACEHOLDER = re.compile(r"\{([A-Za-z_.]+)\}")
_BOLD, _RED, _YELLOW, _DIM, _PLAIN = "\033[1m", "\033[31m", "\033[33m", "\033[2m", "\033[0m"


@dataclass(frozen=True)
class Plan:
    """What a command would do at a provider: `requests` in order, `losses`, and `refusal` where it cannot be done.

    If it is refused only because no lookup is possible, the requests are those that it would send otherwise.
    """

    provider: str
    requests: tuple[Request, ...] = ()
    losses: tuple[Loss, ...] = ()
    refusal: BridgeError | None = None
    find_fields: Callable[[], tuple[Field, ...]] = field(default=tuple, repr=False, compare=False)
    """Returns `fields`, which take an eighth of the time of a plan and are needed only where it is printed."""
    unset: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """Required settings that were left out and appear as placeholders."""
    twins: tuple[Request, ...] = field(default=(), repr=False, compare=False)
    """The requests of the same command without braces: a brace in one of them is never the caller's own."""
    allowed: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """The codes of losses that the client's settings allow."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Return the provider's rows for this command, which give the origin of each field of a body."""
        return self.find_fields()

    @property
    def effects(self) -> frozenset[Effect]:
        """All effects of the plan on the customer."""
        return frozenset().union(*(request.effects for request in self.requests))

    def __str__(self) -> str:
        return self.text()

    def text(self, *, color: bool = False, spell: Callable[[str], str] = str) -> str:
        """Lay the plan out: effects, requests and where their fields come from, losses; `spell` rewrites sentences."""

        def paint(style: str, words: str) -> str:
            return f"{style}{words}{_PLAIN}" if color else words

        why = spell(str(self.refusal))
        refused = "" if self.refusal is None else f"{self.provider}: refused before anything is sent: {why}"
        if refused and not self.requests:
            return paint(_RED, refused)
        does = ", ".join(sorted(self.effects)) or "nothing to the customer"
        lines = [paint(_RED, refused), "", "Without that, it would send:"] if refused else []
        lines += [
            paint(_BOLD, f"{self.provider}: {does}; {_count(self.requests, 'request')}, {_count(self.losses, 'loss')}")
        ]
        for number, request in enumerate(self.requests, 1):
            effects = ", ".join(sorted(request.effects)) or ("stores" if request.writes else "reads")
            lines += ["", paint(_BOLD, f"{number}. [{effects}] {request.method} {request.url}")]
            lines += [paint(_DIM, f"     {name}: {value}") for name, value in request.headers.items()]
            lines += [paint(_DIM, f"     needs {name}, {self.given_by(name)}") for name in self.needs(number - 1)]
            rows = [(name, value, origin) for name, value, origin in self.origins(request)]
            wide = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
            lines += [
                f"     {name:<{wide[0]}}  {value:<{min(wide[1], 60)}}  {paint(_DIM, f'← {origin}')}".rstrip()
                for name, value, origin in rows
            ]
            lines += [paint(_DIM, f"     ({request.note})")] if request.note else []
        lines += ["", paint(_BOLD, "losses:" if self.losses else "losses: none")]
        lines += [paint(_YELLOW, f"  {self._severity(loss)}: {spell(str(loss))}") for loss in self.losses]
        return "\n".join(lines)

    def _severity(self, loss: Loss) -> str:
        is_allowed = loss.code in self.allowed and loss.severity is not Severity.INFO
        return f"{loss.severity} (allowed)" if is_allowed else str(loss.severity)

    def origins(self, request: Request) -> Iterator[tuple[str, str, str]]:
        """Return each field of a body as (its name, its value, its origin: a path of the command, or a constant)."""
        for name, shape, value in request_leaves(request):
            row = origin(self.fields, shape)
            text = scalar(value)
            yield name, text if text.isprintable() else repr(text), (row.path or f"constant: {row.why}") if row else "?"

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain JSON: effects, requests (with origins), losses, refusal."""
        return {
            "provider": self.provider,
            "effects": sorted(self.effects),
            "requests": [
                {
                    "method": request.method,
                    "url": request.url,
                    "effects": sorted(request.effects),
                    "headers": dict(request.headers),
                    "body": request.content.decode("utf-8"),
                    "key": request.key,
                    "origins": {name: where for name, _, where in self.origins(request)},
                    "needs": self.needs(place),
                    "note": request.note,
                }
                for place, request in enumerate(self.requests)
            ],
            "losses": [
                {
                    name: str(getattr(loss, name))
                    for name in ("code", "path", "fate", "severity", "sent", "why", "remedy")
                }
                for loss in self.losses
            ],
            "refusal": None if self.refusal is None else str(self.refusal),
        }

    def curl(self) -> str:
        """Return the plan as shell commands: the key comes from the environment, answers from variables."""
        provider, known = providers.get(self.provider), self.placeholders
        pairs = zip(self.requests, self._marked, strict=True)
        return "\n\n".join(_curl(request, marked, provider, known) for request, marked in pairs)

    def needs(self, place: int) -> list[str]:
        """Name the placeholders that a request takes, like "open.id", by its place in `requests`."""
        return needs(self._marked[place], self.placeholders)

    @property
    def _marked(self) -> tuple[Request, ...]:
        """Return requests in which each brace is a placeholder's: the twins, or `requests` if there are none."""
        return self.twins or self.requests

    def given_by(self, name: str) -> str:
        """Say where a placeholder's value comes from: the answer of an earlier request, or a setting."""
        for number, request in enumerate(self._marked, 1):
            if name in _PLACEHOLDER.findall(dumps(request.specimen).decode()):
                return f"from the answer of {number}"
        return f"the setting {name}"

    @property
    def placeholders(self) -> frozenset[str]:
        """Return the names of unknown values: those that answers give ("open.id"), and missing settings."""
        given = {name for request in self._marked for name in _PLACEHOLDER.findall(dumps(request.specimen).decode())}
        return self.unset | given


def _count(things: Sized, word: str) -> str:
    number = len(things)
    return f"{number} {word}" + ("" if number == 1 else "es" if word.endswith("s") else "s")


def needs(request: Request, known: Collection[str]) -> list[str]:
    """Name which of the known placeholders a request takes, like "open.id"."""
    texts = (request.url, request.content.decode("utf-8"))
    return sorted({found[1] for text in texts for found in _pattern(known).finditer(text)})


def _pattern(known: Collection[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(known)) or r"(?!)"
    # no f-string: parso 0.8.7, which reads this file for `make mutants`, fails on a backslash before a doubled brace
    return re.compile(r"(?:\{|%7B)(" + names + r")(?:\}|%7D)")


def _pieces(text: str, marked: str, known: Collection[str]) -> list[str]:
    """Split a text at its placeholders: text, name, text, …

    `marked` is the same text with the caller's own braces replaced, so that every brace is a placeholder's.
    """
    pieces, start = [], 0
    for found in _pattern(known).finditer(marked):
        pieces += [text[start : found.start()], found[1]]
        start = found.end()
    return [*pieces, text[start:]]


_WITHOUT_TEXT = frozenset({NoneType, bool, datetime, int, Decimal, Money, Period})


def _without_braces(value: Any) -> Any:
    """Return the same command with "}" for each "{" in its texts.

    Both are encoded alike, one byte in JSON and in a path, three in a query or form: every placeholder keeps its place.
    The command itself where it has no brace.
    """
    if type(value) in _WITHOUT_TEXT or not value:
        return value
    if isinstance(value, str):
        return value.replace("{", "}") if "{" in value and not isinstance(value, StrEnum) else value
    if isinstance(value, BaseModel):
        some = [(name, one) for name, one in vars(value).items() if type(one) not in _WITHOUT_TEXT]
        changed = {name: other for name, one in some if (other := _without_braces(one)) is not one}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, list | tuple):
        others = [_without_braces(one) for one in value]
        return value if all(map(operator.is_, others, value)) else type(value)(others)
    if isinstance(value, Mapping):
        pairs = {_without_braces(name): _without_braces(one) for name, one in value.items()}
        return value if pairs == value else pairs
    return value


def origin(rows: Iterable[Field], shape: str) -> Field | None:
    """Return the row that a body's field belongs to: the most exact of those whose native names cover it."""
    best: tuple[int, Field] | None = None
    for row in rows:
        for native in row.native.split(", "):
            exact = shape == native
            if native and (exact or shape.startswith((f"{native}.", f"{native}["))):
                rank = len(native) + (1000 if exact else 0)
                best = (rank, row) if best is None or rank > best[0] else best
    return best[1] if best else None


def body_leaves(value: Any, name: str = "", shape: str = "") -> Iterator[tuple[str, str, Any]]:
    """Return each leaf of a body, an empty list too: its name with indexes, its shape without, its value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from body_leaves(
                inner, f"{name}.{key}" if name else str(key), f"{shape}.{key}" if shape else str(key)
            )
    elif isinstance(value, list | tuple):
        if not value and shape:  # an empty list is content as well
            yield name, shape, "[]"
        for place, inner in enumerate(value):
            yield from body_leaves(inner, f"{name}[{place}]", f"{shape}[]")
    elif value is not None:
        yield name, shape, value


def request_leaves(request: Request) -> Iterator[tuple[str, str, Any]]:
    """Return each leaf of a request's body, its shape as rows name it: "part:name" where the request states a part."""
    before = f"{request.part}:" if request.part else ""
    for name, shape, value in body_leaves(request.body or {}):
        yield name, before + shape, value


def _curl(request: Request, marked: Request, provider: Provider, known: Collection[str]) -> str:
    # every user of a machine can read the arguments of a running curl; printf is a builtin of the shell and has none
    variable = f'"${provider.name.upper()}_API_KEY"'
    scheme, _, _ = provider.auth("").partition(" ")
    if scheme == "Basic":
        line, takes = "'user = \"%s:\"\\n'", "-K -"
    else:
        line, takes = f"'Authorization: {scheme} %s\\n'", "-H @-"
    url = _quoted(request.url, marked.url, known)
    parts = [f"printf {line} {variable} | curl -g -X {request.method} {url}", takes]
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()]
    if request.content:
        content, marked_content = request.content.decode("utf-8"), marked.content.decode("utf-8")
        parts.append(f"--data-raw {_quoted(content, marked_content, known)}")
    effects = ", ".join(sorted(request.effects))
    return (f"# {effects}\n" if effects else "") + " \\\n  ".join(parts)


def _quoted(text: str, marked: str, known: Collection[str]) -> str:
    """Quote for a shell, with placeholders as variables: {open.id} becomes "$OPEN_ID"."""
    quoted = [
        f'"${piece.replace(".", "_").upper()}"' if place % 2 else shlex.quote(piece) if piece else ""
        for place, piece in enumerate(_pieces(text, marked, known))
    ]
    return "".join(quoted)


def losses(provider: str, command: Command, *, as_of: datetime | None = None, **settings: Any) -> tuple[Loss, ...]:
    """List what a provider would not carry of a command, before anything is sent; pure.

    `as_of` (aware) decides rows that depend on the clock; without it they are conditional, and of severity info.
    Settings are the client's. Raises ConfigurationError for an unknown provider or setting, ValueError for a naive
    `as_of`.
    """
    return losses_of(command, make_context(providers.get(provider), settings), as_of)


def explain(provider: str, command: Command, *, lookup: Lookup = "auto", **settings: Any) -> Plan:
    """Show exactly what a command would send: requests in order with their effects, then the losses.

    Needs no network and no key; never raises for what the provider cannot do (see Plan.refusal). A value from an
    earlier answer appears as a placeholder like {open.id}. Raises ConfigurationError for an unknown provider or
    setting.
    """
    return plan(command, make_context(providers.get(provider), settings), lookup=lookup)


def losses_of(command: Command, context: Context, as_of: datetime | None = None) -> tuple[Loss, ...]:
    """Return the losses of a command in a context; only bills can lose anything."""
    if as_of is not None or context.as_of is not None:
        context = replace(context, as_of=None if as_of is None else in_utc(as_of))
    return context.on(command).losses


def plan(command: Command, context: Context, history: History = NO_HISTORY, *, lookup: Lookup = "auto") -> Plan:
    """Feed a command's flow its own specimens and collect its requests."""
    context = context.on(command)
    requests, refusal = _walk(command, context, history, lookup)
    if isinstance(refusal, LookupNeeded):
        unlooked = plan(command, context, history, lookup="never")
        return unlooked if unlooked.refusal is not None else replace(unlooked, refusal=refusal)
    twin = _without_braces(command)
    twins = () if twin is command else _walk(twin, context.on(twin), history, lookup)[0]
    sizes = [[(len(each.url), len(each.content)) for each in of] for of in (twins, requests)]
    if sizes[0] != sizes[1]:
        twins = ()  # a flow that reads the braces themselves: an extra placeholder is better than a wrong position
    unset = frozenset(name for name, value in context.settings.items() if value == f"{{{name}}}")
    find_fields = partial(_rows, command, context)
    return Plan(context.provider.name, requests, losses_of(command, context), refusal, find_fields, unset, twins)


def outline(command: Command, context: Context) -> tuple[tuple[Request, ...], tuple[Loss, ...], BridgeError | None]:
    """Return the requests of a command that is not looked up, its losses and its refusal: a plan that nobody reads."""
    context = context.on(command)
    requests, refusal = _walk(command, context, NO_HISTORY, "never")
    return requests, context.losses, refusal


def _walk(
    command: Command, context: Context, history: History, lookup: Lookup
) -> tuple[tuple[Request, ...], BridgeError | None]:
    """Return the requests of a command's flow when it is fed its own specimens, and the refusal that ended it.

    A bill that the journal knows is looked up by the ids of its invoices, whose present state is unknown here. As
    with the listing, the lookup returns nothing, and the requests that follow are shown.
    """
    requests: list[Request] = []
    made = {quote(invoice_id, safe="") for invoice_id in history.made} if isinstance(command, NewInvoice) else set()
    missed = False
    try:
        check_names(command, context.provider.name, providers.names)
        flow = start(command, context, history, lookup=lookup)
        request = next(flow)
        while True:
            requests.append(request)
            if request.misses:
                request = flow.throw(NotFound("there is none yet", provider=context.provider.name, status=404))
                continue
            if request.note == LOOKUP_NOTE and request.path.rpartition("/")[2] in made:
                missed = True
                request = flow.throw(NotFound("what it is now is not known", provider=context.provider.name))
                continue
            content = b"%PDF-" if request.link else dumps(request.specimen)
            request = flow.send(Response(200, content, provider=context.provider.name))
    except (StopIteration, NotShown):  # specimens show the invoice as it was before the verb
        pass
    except BridgeError as problem:
        is_unknown = missed and isinstance(command, NewInvoice) and not is_findable(command, context)
        return tuple(requests), None if is_unknown and isinstance(problem, Unsupported) else problem
    return tuple(requests), None


def _rows(command: Command, context: Context) -> tuple[Field, ...]:
    """Return the rows of a command: its natives and stated leaves first, then constants, then the rest."""
    try:
        natives = native_fields(context.natives)
    except BridgeError:  # the flow refuses them
        natives = ()
    if not isinstance(command, NewInvoice):
        of_verb = [row for row in context.provider.verb_fields if row.speaks(command, context)]
        return (*natives, *(of_verb or context.provider.fields))
    return (*natives, *context.provider.rows_for(command).ranked(command, context))


def make_context(provider: Provider, settings: Mapping[str, Any], base_url: str | None = None) -> Context:
    """Make the context of a provider: settings checked, required ones that are missing shown as placeholders."""
    read = provider.read_settings(settings)
    shown = {setting.name: f"{{{setting.name}}}" for setting in provider.missing_settings(read)}
    root = provider.base_url(read | shown) if base_url is None else base_url  # "" is a mistake, not the default
    return Context(provider, read | shown, root.rstrip("/"))
