"""Native parameters as options: `--native PROVIDER.PATH=VALUE`, read as the kind of the parameter needs it.

Rules of this file: what a provider takes is its table's to say. Here a value only becomes what a caller would write in
Python: text where the table has a text, an amount where it has Money, JSON for everything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from invoice_bridge import providers
from invoice_bridge.core.amounts import amount
from invoice_bridge.core.commands import ImportInvoice, OneTimeCharge, PeriodInvoice, faults
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.exact import loads
from invoice_bridge.core.money import Money

B = TypeVar(
    "B", OneTimeCharge, PeriodInvoice, OneTimeCharge | PeriodInvoice, OneTimeCharge | PeriodInvoice | ImportInvoice
)
_PANEL = "Parameters of one provider"
Native = Annotated[
    list[str] | None,
    typer.Option(
        "--native",
        metavar="PROVIDER.PATH=VALUE",
        help="A parameter that only this provider has: chargebee.coupon_ids='[\"spring\"]'; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
Unchecked = Annotated[
    list[str] | None,
    typer.Option(
        "--native-unchecked",
        metavar="PROVIDER.PATH=VALUE",
        help="One that is newer than this library: it is sent as it is; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
ExpectTotal = Annotated[
    str | None,
    typer.Option(
        "--expect-total",
        metavar="AMOUNT",
        help='What the bill must come to with all of them: "17.99 EUR".',
        rich_help_panel=_PANEL,
    ),
]

_WRITTEN = re.compile(r"([A-Za-z0-9_-]+)\.([^=]+)=(.*)", re.DOTALL)
_PART = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")
_LONGEST_LIST = 1000


def with_natives(bill: B, native: list[str] | None, unchecked: list[str] | None, expect_total: str | None) -> B:
    """Return a bill with the parameters of its options, beside those of its file. Raises ConfigurationError."""
    if isinstance(bill, ImportInvoice):
        if native or unchecked or expect_total is not None:
            raise ConfigurationError(
                "an import takes no --native, --native-unchecked or --expect-total: leave them out"
            )
        return bill
    stated: dict[str, Any] = read_natives(bill.verb, native, unchecked, bill.native, bill.native_unchecked)
    if expect_total is not None:
        stated["expect_total"] = amount(expect_total, "--expect-total")
    if not stated:
        return bill
    given = {name: getattr(bill, name) for name in bill.model_fields_set}
    try:
        return type(bill).model_validate(given | stated)
    except ValidationError as error:
        raise ConfigurationError(faults(error, type(bill))) from None


def read_natives(
    verb: str,
    native: list[str] | None,
    unchecked: list[str] | None = None,
    known: Mapping[str, Any] | None = None,
    known_unchecked: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the options as the arguments of a verb; `known` are those that a file states. Raises ConfigurationError.

    An argument without an option is left out.
    """
    arguments: dict[str, Any] = {}
    for name, option, texts, stated in (
        ("native", "--native", native, known),
        ("native_unchecked", "--native-unchecked", unchecked, known_unchecked),
    ):
        if texts:
            arguments[name] = tree = _thawed(stated or {})
            for text in texts:
                _add(tree, text, option, verb)
    return arguments


def _add(tree: dict[str, Any], text: str, option: str, verb: str) -> None:
    """Put the value of one option into its place."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ConfigurationError(f"{option} {text[:60]!r}: write {option} PROVIDER.PATH=VALUE")
    provider, path, value = written.groups()
    providers.get(provider)  # a name that is none would be left out as another provider's
    place = f"{option} {provider}.{path}"
    steps: list[str | int] = [provider, *_steps(path, place)]
    shape = re.sub(r"\[\d+\]", "[]", path)
    read = _checked_value(provider, verb, shape, value, place) if option == "--native" else _plain_value(value)
    _put(tree, steps, read, place)


def _steps(path: str, place: str) -> list[str | int]:
    steps: list[str | int] = []
    for part in path.split("."):
        named = _PART.fullmatch(part)
        if named is None:
            raise ConfigurationError(f"{place}: a path is names with dots between, and places in lists: lines[0].name")
        steps += [named[1], *(int(index) for index in re.findall(r"\d+", named[2]))]
    if any(isinstance(step, int) and step >= _LONGEST_LIST for step in steps):
        raise ConfigurationError(f"{place}: no list has more than {_LONGEST_LIST} entries")
    return steps


def _put(tree: dict[str, Any], steps: list[str | int], value: Any, place: str) -> None:
    """Put a value at the end of a path; what is between is made, an entry that is skipped is empty."""
    at: Any = tree
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        made: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(at, dict) == isinstance(step, int):
            raise ConfigurationError(f"{place}: another one states this parameter in another form")
        if isinstance(step, int):
            at.extend({} for _ in range(len(at), step))
            if step == len(at):
                at.append(made)
            elif at[step] == {} and following is None:
                at[step] = made
        elif step not in at:
            at[step] = made
        if at[step] is not made:
            if following is None:
                raise ConfigurationError(f"{place} is given twice")
            if not isinstance(at[step], dict | list):
                raise ConfigurationError(f"{place}: another one states this parameter in another form")
        at = at[step]


def _checked_value(provider: str, verb: str, shape: str, text: str, place: str) -> Any:
    """Read a value as the kind of its parameter needs it; that of an unknown parameter is refused by the table."""
    sample = _sample(provider, verb, shape)
    if isinstance(sample, str | datetime | Decimal):
        return text
    if isinstance(sample, Money) and not text.lstrip().startswith("{"):
        return amount(text, place)
    try:
        return loads(text)
    except (ValueError, RecursionError):
        if sample is None:
            return text
        raise ConfigurationError(f"{place}: {text[:40]!r} is not JSON: write it like {_example(sample)}") from None


def _sample(provider: str, verb: str, shape: str) -> Any:
    """Return a value that the parameter takes, None for one that the table does not have."""
    rows = {row.path: row.kind for row in providers.get(provider).natives.of(verb)}
    if shape in rows:
        return rows[shape].samples[0]
    whole = rows.get(shape.removesuffix("[]"))
    inner = None if whole is None else whole.samples[0]
    return inner[0] if isinstance(inner, list) else None


def _example(sample: Any) -> str:
    from invoice_bridge.core.exact import dumps

    return f"'{dumps(sample).decode()}'"


def _plain_value(text: str) -> Any:
    """Read JSON; what is none is a text."""
    try:
        return loads(text)
    except (ValueError, RecursionError):
        return text


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(inner) for name, inner in value.items()}
    return [_thawed(inner) for inner in value] if isinstance(value, tuple | list) else value
