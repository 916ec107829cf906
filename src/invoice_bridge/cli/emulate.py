"""invoice-bridge emulate: in-memory copies of the providers, for programs in any language."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invoice_bridge import providers
from invoice_bridge.calibrations import read as read_evidence
from invoice_bridge.cli.connect import AsJson
from invoice_bridge.cli.files import read_bytes
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.client.config import key_variable, webhook_variable
from invoice_bridge.core.errors import ConfigurationError

if TYPE_CHECKING:
    from invoice_bridge.emulator.server import Served


class Delivery(StrEnum):
    """How webhooks arrive."""

    IN_TIME = "in_time"
    LATE = "late"
    DOUBLED = "doubled"
    OUT_OF_ORDER = "out_of_order"


_ON, _OFF = {"", "on", "true", "yes", "1"}, {"off", "false", "no", "0"}


def emulate(
    *,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Every provider, below its name; 0 chooses a free one.")
    ] = 8787,
    first_port: Annotated[
        int | None,
        typer.Option(
            "--first-port",
            min=0,
            max=65535,
            show_default=False,
            help="Each provider alone, without a prefix, from this port on: 8801; 0 chooses free ones.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="0.0.0.0 serves every network of this machine.")
    ] = "127.0.0.1",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Serve this provider; may be repeated.")
    ] = None,
    switch: Annotated[
        list[str] | None,
        typer.Option(
            "--switch", metavar="PROVIDER.NAME[=off]", help="Set what documentation leaves open; may be repeated."
        ),
    ] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option("--evidence", metavar="FILE", help="Set what a calibration settled; --switch comes after it."),
    ] = None,
    webhooks_to: Annotated[
        list[str] | None,
        typer.Option("--webhooks-to", metavar="PROVIDER=URL", help="Deliver its webhooks there; may be repeated."),
    ] = None,
    delivery: Annotated[
        Delivery, typer.Option("--delivery", help="How webhooks arrive; until the answer is 2xx they are sent again.")
    ] = Delivery.IN_TIME,
    delivery_seconds: Annotated[
        float, typer.Option("--delivery-seconds", min=0, help="How late, or how far apart, they are.")
    ] = 1.0,
    list_switches: Annotated[
        bool, typer.Option("--list-switches", help="List every switch, its default and its source, and exit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve in-memory copies of the providers on this machine until it is interrupted."""
    names = _chosen(only)
    if list_switches:
        _show_switches(names, as_json=as_json)
        return
    switches = _switches(names, switch or [], evidence or [])
    from invoice_bridge.emulator.server import FIRST_PORT, listing, serve

    endpoints = list(_endpoints(names, webhooks_to or []))
    if first_port is None:
        first_port = FIRST_PORT if port else 0

    def ready(served: Served) -> None:
        for name, url in endpoints:
            secret = os.environ.get(webhook_variable(name)) or None
            served.add_endpoint(name, url, secret, manner=delivery.value, seconds=delivery_seconds)
        if as_json:
            write_json(listing(served))
        else:
            _show(served)
        sys.stdout.flush()

    serve(port, host, first_port=first_port, names=names, switches=switches, ready=ready)


def _chosen(only: Iterable[str] | None) -> tuple[str, ...]:
    if not only:
        return providers.names()
    chosen = {providers.get(name).name for name in only}
    return tuple(name for name in providers.names() if name in chosen)


def _switches(names: Iterable[str], given: Iterable[str], evidence: Iterable[str]) -> dict[str, dict[str, bool]]:
    """Read evidence files, then PROVIDER.NAME, =on and =off. Raises ConfigurationError for what is not served."""
    read: dict[str, dict[str, bool]] = defaultdict(dict)
    for path in evidence:
        file = read_evidence(read_bytes(path), path)
        if file.provider not in names:
            raise ConfigurationError(f"--evidence {path}: it is of {file.provider}, and {', '.join(names)} are served")
        read[file.provider] |= file.settled()
    for text in given:
        where, _, value = text.partition("=")
        provider, dot, name = where.partition(".")
        if not dot or provider not in names:
            raise ConfigurationError(f"--switch {text}: write PROVIDER.NAME, with one of {', '.join(names)}")
        known = providers.get(provider).emulator().SWITCHES
        if name not in known:
            raise ConfigurationError(f"--switch {text}: {provider} has no such switch; see emulate --list-switches")
        if value.lower() not in _ON | _OFF:
            raise ConfigurationError(f"--switch {text}: write on or off after the =")
        read[provider][name] = value.lower() in _ON
    return dict(read)


def _endpoints(names: Iterable[str], given: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        provider, _, url = text.partition("=")
        if provider not in names or not url:
            raise ConfigurationError(f"--webhooks-to {text}: write PROVIDER=URL, with one of {', '.join(names)}")
        yield provider, url


def _show_switches(names: Iterable[str], *, as_json: bool) -> None:
    tables: dict[str, Mapping[str, tuple[bool, str]]] = {
        name: providers.get(name).emulator().SWITCHES for name in names
    }
    if as_json:
        found: dict[str, dict[str, Any]] = {
            name: {switch: {"default": default, "sets": text} for switch, (default, text) in table.items()}
            for name, table in tables.items()
        }
        write_json(found)
        return
    from invoice_bridge.cli.output import grid, print_parts

    for name, table in tables.items():
        rows = grid(f"{name}: switch", "default", "what it sets, and its source")
        for switch, (default, text) in table.items():
            rows.add_row(switch, "on" if default else "off", text)
        print_parts(rows, "")
    print_parts("To set one: invoice-bridge emulate --switch PROVIDER.SWITCH, or --switch PROVIDER.SWITCH=off")


def _show(served: Served) -> None:
    from invoice_bridge.cli.output import grid, print_parts
    from invoice_bridge.emulator.control import PATH

    table = grid("provider", "base URL", "on a port of its own", "variable", "key")
    for name, url in served.base_urls.items():
        table.add_row(name, url, served.own_urls[name], key_variable(name), served.emulators[name].key)
    print_parts(table, "")
    print_parts(f"All of this as JSON: {served.url}/  The control API of each: /{PATH} below it.  Ctrl-C ends it.")
    for name, control in served.controls.items():
        for courier in control.endpoints.couriers.values():
            made = courier.endpoint
            own = bool(os.environ.get(webhook_variable(name)))
            secret = f"signed with {webhook_variable(name)}" if own else f"test secret {made.secret}"
            print_parts(f"Webhooks of {name} go to {made.url}, {made.manner.replace('_', ' ')}; {secret}")
    first = "stripe" if "stripe" in served.faults else next(iter(served.faults))
    print_parts("To bill:", "", f"  export {key_variable(first)}={served.emulators[first].key}")
    print_parts(f"  invoice-bridge create FILE --provider {first} --base-url {served.base_urls[first]}")
