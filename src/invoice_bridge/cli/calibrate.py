"""invoice-bridge calibrate: what a test account shows of the switches that the documentation leaves open."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from invoice_bridge import providers
from invoice_bridge.adapter.emulation.probes import Probes
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.calibrations import CalibrationFile, Made
from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, Settings, arguments
from invoice_bridge.cli.output import grid, print_parts
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.client import calibration
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.files import check_target
from invoice_bridge.files import write as write_file


def calibrate(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="stripe, chargeapi, chargebee, whop …")],
    *,
    customer: Annotated[
        str, typer.Option("--customer", metavar="ID", help="A customer, fleet or member of the test account.")
    ],
    write: Annotated[
        bool, typer.Option("--write", help="Also run the probes that make documents, which are taken back.")
    ] = False,
    charge: Annotated[
        bool,
        typer.Option("--charge", help="With --write: also run the probes that may charge the customer's test card."),
    ] = False,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Another host: a sandbox, or an emulator.")
    ] = None,
    settings: Settings = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", metavar="VARIABLE", help="The environment variable with the test key.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the evidence into a JSON file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Settle what a provider's documentation leaves open, at a test account; without --write this only reads."""
    declared = providers.get(provider)
    probes: Probes | None = getattr(declared.emulator, "PROBES", None)
    switches: dict[str, tuple[bool, str]] = dict(getattr(declared.emulator, "SWITCHES", {}))
    usual = {name: default for name, (default, _) in switches.items()}
    if probes is None:
        raise ConfigurationError(f"the adapter of {declared.title} has no probes: its emulator needs PROBES")
    if charge and not write:
        raise ConfigurationError("--charge needs --write: a charge makes an invoice")
    if not customer.strip():
        raise ConfigurationError("--customer is empty: name a customer of the test account")
    if output is not None:  # what was made must not be taken back without its evidence
        check_target(output)
    given = arguments(provider=provider, base_url=base_url, settings=settings, key_env=key_env, mode="test")
    run = f"cal-{token_hex(6)}"
    with progress(f"asking {declared.title}"):
        result = calibration.calibrate(given, probes, customer, run, may_write=write, may_charge=charge)
    file = CalibrationFile(
        provider=declared.name,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        api_version=str(given.get("api_version") or declared.api_version),
        recorded_at_provider=_is_own_host(declared, probes, given),
        switches=result.observed,
        skipped=result.skipped,
        unobserved=dict(probes.unobserved),
        made=Made(kept=len(result.kept), left=len(result.left), unsure=len(result.unsure)),
        stopped=bool(result.stopped),
    )
    if output is not None:
        write_file(output, file.text())
    if as_json:
        own = {"emulator": usual, "kept": result.kept, "left": result.left, "unsure": result.unsure}
        write_json({**file.model_dump(), **own, "stopped": result.stopped})
    else:
        _show(result, probes, switches, charge=charge)
    if result.stopped:
        raise typer.Exit(exits.PROVIDER)
    if result.left or result.unsure or any(seen is not usual[name] for name, seen in result.observed.items()):
        raise typer.Exit(exits.DIFFERENCE)


def _is_own_host(declared: Provider, probes: Probes, given: dict[str, Any]) -> bool:
    """Return whether the requests went to the provider itself: its own host, or its sandbox."""
    own = declared.base_url({setting.name: given.get(setting.name) for setting in declared.settings})
    used = urlsplit(given.get("base_url") or own)
    return used.scheme == "https" and used.hostname in {urlsplit(own).hostname, *probes.hosts}


_STATES = {True: "yes", False: "no", None: "not settled"}


def _show(
    result: calibration.Calibration, probes: Probes, switches: dict[str, tuple[bool, str]], *, charge: bool
) -> None:
    table = grid("switch", "account", "emulator", "what is not confirmed")
    for name, seen in result.observed.items():
        default, text = switches[name]
        table.add_row(name, _STATES[seen], _STATES[default], exits.printable(text))
    if result.observed:
        print_parts(table)
    charging = [name for name in result.skipped if probes.rows[name].charges]
    writing = [name for name in result.skipped if name not in charging]
    if writing:
        print_parts(f"not run without --write: {', '.join(writing)}")
    if charging and not charge:
        print_parts(f"not run without --write --charge: {', '.join(charging)}")
    print_parts(f"{len(probes.unobserved)} more switches have no probe; --json lists the reasons")
    if probes.note and not writing:
        print_parts(probes.note)
    if result.kept:
        print_parts(exits.printable(f"made, and stays without harm: {_listed(result.kept)}"))
    if result.left:
        print_parts(exits.printable(f"made, and not taken back: {_listed(result.left)}"))
    if result.unsure:
        print_parts(exits.printable(f"may have made something, look there: {', '.join(result.unsure)}"))
    if result.stopped:
        print_parts(exits.printable(f"ended early: {result.stopped}"))


def _listed(made: dict[str, str]) -> str:
    return ", ".join(f"{path} ({state})" for path, state in made.items())
