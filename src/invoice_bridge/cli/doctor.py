"""invoice-bridge doctor: whether a profile or a provider's settings can bill, by checks that only read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from invoice_bridge import providers
from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, Config, Profile, Settings, arguments, journal_file
from invoice_bridge.cli.output import grid, print_parts
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.client.config import key_variable
from invoice_bridge.client.doctor import Check, examine
from invoice_bridge.core.errors import ConfigurationError

_CODES = {"usage": exits.USAGE, "provider": exits.PROVIDER, "difference": exits.DIFFERENCE}


def doctor(
    *,
    config: Config = None,
    profile: Profile = None,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Instead of a file.")] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Another host, such as an emulator.")
    ] = None,
    settings: Settings = None,
    key_env: Annotated[
        str | None,
        typer.Option("--key-env", metavar="VARIABLE", help="The environment variable with the key."),
    ] = None,
    mode: Annotated[
        str | None, typer.Option("--mode", metavar="test|live", help="Refuse a key of the other mode.")
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option("--journal", metavar="FILE|URL", callback=journal_file, help="The journal to check."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="How long to wait for an answer; else 10.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the key, host, account, clock, API version, permissions and journal; this only reads."""
    options: dict[str, Any] = {
        "config": config,
        "profile": profile,
        "provider": provider,
        "base_url": base_url,
        "settings": settings,
        "key_env": key_env,
        "mode": mode,
    }
    checks: list[Check] = []
    name = provider
    try:
        given = arguments(**options, needs_key=False)
    except ConfigurationError as error:
        checks.append(Check("file" if config else "options", "failed", str(error), "correct what the message names"))
    else:
        name = given["provider"]
        if config:
            checks.append(Check("file", "ok", f"{config}: a profile of {name}"))
        if journal is not None:
            given["journal"] = journal
        if timeout is not None or "timeout" not in given:
            given["timeout"] = 10.0 if timeout is None else timeout
        fault = "" if "api_key" in given else _key_fault(options)
        source = "" if config else key_env or key_variable(given["provider"])
        with progress(f"asking {providers.get(name).title}"):
            checks += examine(given, key_fault=fault, key_source=source)
    failed = [check for check in checks if check.state == "failed"]
    code = _CODES[failed[0].kind] if failed else exits.DONE
    if as_json:
        rows = [
            {part: value for part, value in asdict(check).items() if part != "kind"}
            | {"text": exits.spell(check.text), "remedy": exits.spell(check.remedy)}
            for check in checks
        ]
        write_json({"provider": name, "ok": not failed, "exit_code": code, "checks": rows})
    else:
        _show(checks, failed)
    if code:
        raise typer.Exit(code)


def _key_fault(options: dict[str, Any]) -> str:
    """Return what is wrong with a key that is not there: which variable has none."""
    try:
        arguments(**options)
    except ConfigurationError as error:
        return str(error)
    return ""


def _show(checks: list[Check], failed: list[Check]) -> None:
    table = grid("check", "state", "")
    for check in checks:
        table.add_row(check.name, check.state, exits.printable(exits.spell(check.text)))
        if check.remedy and check.state != "ok":
            table.add_row("", "", exits.printable(f"→ {exits.spell(check.remedy)}"))
    print_parts(table)
    print_parts("", "nothing was written" if not failed else f"failed: {', '.join(one.name for one in failed)}")
