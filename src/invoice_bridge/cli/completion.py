"""What a shell completes: commands, options and their values, from a table instead of the commands' modules.

Rules of this file: no module of a command and no provider is loaded, no key is read, and nothing is sent: a shell waits
for the answer at every press of Tab. `tools/completion.py` writes the table, completion.json, and a test compares it
with the commands. The names of profiles are read from the file of `--config`, else from billing.toml.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import typer

TABLE: Final = Path(__file__).with_name("completion.json")
_CONFIG = "billing.toml"


def completed(name: str) -> Any | None:
    """Return a command that completes like the command of that name, and does nothing else; None without a row."""
    known = _table()["commands"].get(name)
    if known is None:
        return None
    application = typer.Typer(add_completion=False)
    if "commands" not in known:
        application.command(name)(_idle(known))
        return typer.main.get_command(application)
    _fill(application, known)
    group = typer.main.get_group(application)
    group.name = name
    return group


@cache
def _table() -> Any:
    return json.loads(TABLE.read_text("utf-8"))


def _fill(application: typer.Typer, known: Any) -> None:
    application.callback()(lambda: None)
    for name, one in known["commands"].items():
        if "commands" in one:
            inner = typer.Typer(help=one["help"])
            _fill(inner, one)
            application.add_typer(inner, name=name)
        else:
            application.command(name, help=one["help"])(_idle(one))


def _idle(known: Any) -> Callable[..., None]:
    """Return a function without a body, whose signature has the command's options and arguments."""

    def idle(**_: Any) -> None: ...

    made: Any = idle
    made.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in _annotations(known)
        ]
    )
    made.__annotations__ = dict(_annotations(known))
    return idle


def _annotations(known: Any) -> Iterator[tuple[str, Any]]:
    for name, spelled, values, repeated in known["options"]:
        kind: Any = bool if values is None else list[str] if repeated else str
        yield name, Annotated[kind | None, typer.Option(*spelled, autocompletion=_completer(values))]
    for name, values in known["arguments"]:
        yield name, Annotated[str | None, typer.Argument(autocompletion=_completer(values))]


def _completer(values: Any) -> Callable[[typer.Context, str], list[str]] | None:
    """Return typer's function for an option: `values` is a list, or the name of a kind of values."""
    if not values:
        return None

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        known = values if isinstance(values, list) else _KINDS[values](ctx.params)
        return [value for value in known if value.startswith(incomplete)]

    return complete


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _providers(_given: Any) -> list[str]:
    from importlib.metadata import entry_points

    return sorted({*_table()["providers"], *(point.name for point in entry_points(group="invoice_bridge.providers"))})


def _providers_or_all(given: Any) -> list[str]:
    return [*_providers(given), "all"]


def _profiles(given: Any) -> list[str]:
    return list(_read(given).get("profiles", {}))


def _losses(given: Any) -> list[str]:
    return _of_provider(given, "losses")


def _settings(given: Any) -> list[str]:
    return [f"{name}=" for name in _of_provider(given, "settings")]


def _switches(_given: Any) -> list[str]:
    return [f"{name}.{switch}" for name, known in _table()["providers"].items() for switch in known["switches"]]


def _natives(given: Any) -> list[str]:
    return [f"{name}." for name in _providers(given)]


_KINDS: Final[dict[str, Callable[[Any], list[str]]]] = {
    "loss": _losses,
    "native": _natives,
    "profile": _profiles,
    "provider": _providers,
    "provider or all": _providers_or_all,
    "setting": _settings,
    "switch": _switches,
}


def _of_provider(given: Any, what: str) -> list[str]:
    """Return what the chosen provider has, by option or profile; without one, what any of them has."""
    table = _table()["providers"]
    chosen = given.get("provider") or (_profile(given).get("provider") if given.get("config") else None)
    known = [table[chosen]] if isinstance(chosen, str) and chosen in table else table.values()
    return sorted({value for one in known for value in one[what]})


def _profile(given: Any) -> dict[str, Any]:
    file = _read(given)
    profiles = file.get("profiles", {})
    name = given.get("profile") or file.get("default") or (next(iter(profiles)) if len(profiles) == 1 else None)
    found = profiles.get(name, {})
    return found if isinstance(found, dict) else {}


def _read(given: Any) -> dict[str, Any]:
    """Read the file of profiles; an empty one where it cannot be read: a shell shows no errors."""
    import tomllib

    try:
        read = tomllib.loads(Path(given.get("config") or _CONFIG).read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read.get("profiles", {}), dict) else {}
