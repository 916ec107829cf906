"""invoice-bridge calibrate: what a test account shows of the switches that the documentation leaves open."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from invoice_bridge import providers
from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson, Settings, arguments
from invoice_bridge.cli.output import grid, print_parts
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.client import calibration
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.files import write as write_file


def calibrate(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="stripe; the others are not built.")],
    *,
    customer: Annotated[str, typer.Option("--customer", metavar="ID", help="A customer of the test account.")],
    write: Annotated[
        bool, typer.Option("--write", help="Also run the probes that make drafts, which are deleted again.")
    ] = False,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Another host, such as an emulator.")
    ] = None,
    settings: Settings = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", metavar="VARIABLE", help="The environment variable with the test key.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write what was seen into a JSON file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Settle what a provider's documentation leaves open, at a test account; without --write this only reads."""
    declared = providers.get(provider)
    emulator = declared.emulator()
    probes = emulator.PROBES
    if probes is None:
        raise ConfigurationError(f"calibrate has no probes for {declared.title} yet: it has them for stripe")
    given = arguments(provider=provider, base_url=base_url, settings=settings, key_env=key_env, mode="test")
    with progress(f"asking {declared.title}"):
        result = calibration.calibrate(given, probes, customer, f"calibration-{token_hex(8)}", may_write=write)
    own = urlsplit(declared.base_url({setting.name: given.get(setting.name) for setting in declared.settings})).hostname
    host = urlsplit(base_url).hostname if base_url else own
    report: dict[str, Any] = {
        "provider": provider,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "api_version": declared.api_version,
        "mode": "test",
        "host": host,
        "recorded_at_provider": host == own,
        "switches": {
            name: {"emulator": emulator.SWITCHES[name][0], "observed": seen} for name, seen in result.observed.items()
        },
        "skipped": result.skipped,
        "unobserved": dict(probes.unobserved),
        "left": result.left,
        "unsure": result.unsure,
        "stopped": result.stopped,
    }
    if output is not None:
        write_file(output, json.dumps(report, indent=2) + "\n")
    if as_json:
        write_json(report)
    else:
        _show(report, {name: text for name, (_, text) in emulator.SWITCHES.items()})
    if result.stopped:
        raise typer.Exit(exits.PROVIDER)
    if (
        result.left
        or result.unsure
        or any(seen["observed"] is not seen["emulator"] for seen in report["switches"].values())
    ):
        raise typer.Exit(exits.DIFFERENCE)


def _show(report: dict[str, Any], texts: dict[str, str]) -> None:
    words = {True: "yes", False: "no", None: "not settled"}
    table = grid("switch", "account", "emulator", "what is not confirmed")
    for name, seen in report["switches"].items():
        table.add_row(name, words[seen["observed"]], words[seen["emulator"]], exits.printable(texts[name]))
    print_parts(table)
    if report["skipped"]:
        print_parts(f"not run without --write: {', '.join(report['skipped'])}")
    print_parts(f"{len(report['unobserved'])} more switches have no probe; --json lists the reasons")
    if report["left"]:
        print_parts(exits.printable(f"made and not deleted: {', '.join(report['left'])}"))
    if report["unsure"]:
        print_parts(exits.printable(f"may have made a draft, look at the customer: {', '.join(report['unsure'])}"))
    if report["stopped"]:
        print_parts(exits.printable(f"ended early: {report['stopped']}"))
