"""From options to a client: a profile of a file, or a provider and its settings; the key is in the environment."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invoice_bridge import providers
from invoice_bridge.cli import exits
from invoice_bridge.cli.files import pairs
from invoice_bridge.client.config import key_variable, read_profile
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.journal.location import Location

if TYPE_CHECKING:  # what explains and reads makes no client
    from invoice_bridge.adapter.provider import Provider
    from invoice_bridge.client.clients import Client

AsJson = Annotated[bool, typer.Option("--json", help="Print stable JSON on stdout, and nothing else there.")]
ProviderName = Annotated[str, typer.Option("--provider", metavar="NAME", help="stripe, chargeapi, chargebee, whop …")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the provider, like site=acme.")
]
_PANEL = "Which provider"
Config = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="A TOML file of profiles.", rich_help_panel=_PANEL)
]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Its profile.", rich_help_panel=_PANEL)]
BillFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help='A bill in JSON or TOML, or "-" for stdin; see examples/.', show_default=False),
]
_OF_CLIENT = ("lookup",)
"""Options that some commands name for themselves, and that are the client's."""


_MAKES_INVOICES = ("create", "import_invoice")


class Lookup(StrEnum):
    """When a bill is looked up before it is made."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"
    JOURNAL = "journal"


def journal_file(path: str | None) -> str | None:
    """Check the name of a journal: a file or a URL; a folder is none. Raises ConfigurationError."""
    return path if path is None else _checked(path, "--journal")


def _checked(path: str, option: str) -> str:
    location = Location(path)
    if location.has_password:
        raise ConfigurationError(
            f"{option} {location}: other programs can read a command line: put the password into PGPASSWORD or "
            "~/.pgpass, and leave it out of the URL"
        )
    if not location.is_url and Path(path).is_dir():
        raise ConfigurationError(f"{option} {path}: it is a folder: name a file in it")
    return path


def journal_there(path: str | None) -> str | None:
    """Check that a journal exists: opening it would make one that remembers nothing. Raises ConfigurationError."""
    if path is not None and is_missing(path):
        raise ConfigurationError(f"--journal {path}: there is no such file; `create` makes it with the first bill")
    return journal_file(path)


def ledger_file(param: typer.CallbackParam, path: str) -> str:
    """Check the name of a ledger, of the option that names it. Raises ConfigurationError."""
    return _checked(path, param.opts[0])


def ledger_there(param: typer.CallbackParam, path: str) -> str:
    """Check that a ledger exists: opening it would make an empty one. Raises ConfigurationError."""
    if is_missing(path):
        raise ConfigurationError(f"{param.opts[0]} {path}: there is no such file; `migrate plan` makes it")
    return _checked(path, param.opts[0])


def is_missing(journal: str | Location) -> bool:
    """Whether a journal is a file that is not there."""
    location = Location(journal)
    return not location.is_url and not Path(location.name).exists()


def with_client(command: Callable[..., Any]) -> Callable[..., None]:
    """Give a command a client as its first argument, made from options that it need not name; print what it returns."""

    def options(
        *,
        config: Config = None,
        profile: Profile = None,
        provider: Annotated[
            str | None,
            typer.Option("--provider", metavar="NAME", help="Instead of a file.", rich_help_panel=_PANEL),
        ] = None,
        base_url: Annotated[
            str | None,
            typer.Option(
                "--base-url", metavar="URL", help="Another host, such as an emulator.", rich_help_panel=_PANEL
            ),
        ] = None,
        settings: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="NAME=VALUE", help="A setting, like site=acme.", rich_help_panel=_PANEL),
        ] = None,
        key_env: Annotated[
            str | None,
            typer.Option(
                "--key-env",
                metavar="VARIABLE",
                help="The environment variable with the key; else STRIPE_API_KEY and so on.",
                rich_help_panel=_PANEL,
            ),
        ] = None,
        mode: Annotated[
            str | None,
            typer.Option("--mode", metavar="test|live", help="Refuse a key of the other mode.", rich_help_panel=_PANEL),
        ] = None,
        journal: Annotated[
            str | None,
            typer.Option(
                "--journal",
                metavar="FILE|URL",
                callback=journal_file,
                help="The journal of tried requests; all commands on its bills share it.",
                rich_help_panel=_PANEL,
            ),
        ] = None,
        book: Annotated[
            str | None,
            typer.Option(
                "--book",
                metavar="NAME",
                help="The journal's book, within which a reference is one bill.",
                rich_help_panel=_PANEL,
            ),
        ] = None,
        as_json: AsJson = False,
    ) -> None: ...

    shared = inspect.signature(options, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @wraps(command)
    def wrapped(**given: Any) -> None:
        from invoice_bridge.cli.progress import progress
        from invoice_bridge.cli.results import write
        from invoice_bridge.client.clients import Client
        from invoice_bridge.engine.lookup import Resolution

        chosen = {name: given.pop(name) for name in shared}
        as_json = chosen.pop("as_json")
        named = {name: given.pop(name, None) for name in _OF_CLIENT} | {
            name: chosen.pop(name) for name in ("journal", "book")
        }
        if command.__name__ not in _MAKES_INVOICES:  # they make a journal too; elsewhere its name would be a mistake
            journal_there(named["journal"])
        of_client = {name: value for name, value in named.items() if value is not None}
        with Client(**arguments(**chosen) | of_client) as client:
            exits.name_provider(client.provider)
            with progress(f"waiting for {providers.get(client.provider).title}"):
                answer = command(client, **given)
            write(answer, as_json=as_json)
        if isinstance(answer, Resolution) and answer.state != "found":
            raise typer.Exit(exits.DIFFERENCE if answer.state == "absent" else exits.PROVIDER)

    parameters = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in (*own, *shared.values())]
    made: Any = wrapped
    made.__signature__ = inspect.Signature(parameters)
    made.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del made.__wrapped__  # typer would read the signature of what is wrapped
    return wrapped


def arguments(
    *,
    config: str | None = None,
    profile: str | None = None,
    provider: str | None,
    base_url: str | None,
    settings: list[str] | None,
    key_env: str | None = None,
    mode: str | None,
    needs_key: bool = True,
) -> dict[str, Any]:
    """Turn the options into what a client is made with. Raises ConfigurationError.

    Without `needs_key`, a missing key is no fault, and the result has no `api_key`.
    """
    beside = {"--base-url": base_url, "--set": settings, "--key-env": key_env, "--mode": mode}
    name = provider_beside(config, profile, provider, beside)
    if config is not None or name is None:
        return read_profile(config or "", profile, needs_key=needs_key)
    declared, provider = providers.get(name), name
    if mode not in {None, "test", "live"}:
        raise ConfigurationError(f"--mode is test or live, not {mode!r}")
    if key_env is not None and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", key_env) is None:
        raise ConfigurationError(
            "--key-env must name an environment variable, in capitals; no option takes the key itself"
        )
    variable = key_env or key_variable(provider)
    key = os.environ.get(variable, "").strip()
    if not key and needs_key:
        raise ConfigurationError(
            f"there is no key: put it into the environment variable {variable}, or name another with --key-env"
        )
    return {
        "provider": provider,
        **({"api_key": key} if key else {}),
        "base_url": base_url,
        "mode": mode,
        **read_settings(declared, pairs(settings or [], "--set")),
    }


def provider_beside(
    config: str | None, profile: str | None, provider: str | None, beside: Mapping[str, object]
) -> str | None:
    """Return the provider's name, or None where a profile says it. Raises ConfigurationError for options of both."""
    if config is not None:
        if given := [name for name, value in {"--provider": provider, **beside}.items() if value]:
            raise ConfigurationError(f"{given[0]} cannot go with --config: the profile states it")
        return None
    if profile is not None:
        raise ConfigurationError("--profile needs --config FILE, the file that has it")
    if provider is None:
        raise ConfigurationError("name a provider: write --config FILE, or --provider NAME and its settings")
    return provider


@contextmanager
def client_to_ask(config: str, profile: str | None, **own: Any) -> Iterator[Client]:
    """Make the client of a profile for commands that send nothing: no key is needed, and no journal is made by it."""
    import tempfile

    from invoice_bridge.client.clients import Client

    given = {"api_key": "none_is_needed", **read_profile(config, profile, needs_key=False), **own}
    with tempfile.TemporaryDirectory() as folder:
        if "journal" in given and is_missing(given["journal"]):
            given["journal"] = str(Path(folder) / "nothing-yet.sqlite")  # as `create` would find it
        with Client(**given) as client:
            yield client


def read_settings(provider: Provider, given: Mapping[str, str]) -> dict[str, Any]:
    """Settings as the provider takes them: text, or a number where it asks for one. Raises ConfigurationError."""
    read: dict[str, Any] = dict(given)
    for setting in provider.settings:
        text = read.get(setting.name)
        if isinstance(text, str) and text.isascii() and text.isdecimal():
            try:
                setting.read(text)
            except (TypeError, ValueError):
                read[setting.name] = int(text)
    provider.read_settings(read)
    return read
