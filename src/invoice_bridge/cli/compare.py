"""The command `compare`: two sides, and where they bill differently."""

from __future__ import annotations

import re
import sys
import tomllib
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from invoice_bridge.cli import exits
from invoice_bridge.cli.connect import AsJson
from invoice_bridge.cli.files import instant, read_bytes
from invoice_bridge.cli.progress import progress
from invoice_bridge.cli.terminal import escaped, in_color
from invoice_bridge.client.clients import Client
from invoice_bridge.client.config import read_maps, read_profile
from invoice_bridge.compare import Comparison, Side
from invoice_bridge.compare import compare as compare_sides
from invoice_bridge.compare.junit import write_junit
from invoice_bridge.compare.kinds import Customers
from invoice_bridge.compare.report import write_html
from invoice_bridge.compare.screen import screenful, whole
from invoice_bridge.core.errors import ConfigurationError

_LIVE = re.compile(r"([A-Za-z][\w-]+):(.*)", re.DOTALL)
_STAGES = {"left": "reading the left side", "right": "reading the right side", "pairs": "comparing"}
_SIDE = (
    "A cassette (.yaml), neutral invoices (.ndjson, .jsonl, .json), a folder of them, or PROVIDER:ID and PROVIDER: "
    "(all of the account) through --config."
)


def compare(
    left: Annotated[str, typer.Argument(metavar="LEFT", help=_SIDE, show_default=False)],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="The other side.", show_default=False)],
    *,
    allow: Annotated[
        str | None, typer.Option("--allow", metavar="FILE", help="A TOML file of differences declared equal.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="INSTANT", help="Compare what is past due at this time; else not at all."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="PATH",
            help="Join by this instead of the reference: metadata.order, customer.email+period.start …; repeatable, "
            "the next one joins what the first leaves unmatched.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Count an unused declaration of the --allow file as a difference.")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", help="The TOML file of profiles, customers and products."),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Also write a page to read and print; it needs no network."),
    ] = None,
    junit: Annotated[
        str | None, typer.Option("--junit", metavar="FILE", help="Also write a JUnit file: each pair is one test.")
    ] = None,
    every_row: Annotated[
        bool, typer.Option("--all", help="Print every row, matched ones too; else at most one screen.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show where two sides bill differently; exit code 1 if they do, 0 only if something was compared."""
    moment = None if as_of is None else instant(as_of, "--as-of")
    _check_targets({"--html": html, "--junit": junit}, (left, right))  # now, not after an hour of reading
    if _is_same_file(left, right):
        raise ConfigurationError(f"{left} is both sides: nothing would be compared; name another file on one of them")
    with ExitStack() as closing:
        profiles = _Profiles(config, closing)
        sides = [profiles.side(one) for one in (left, right)]
        with progress("reading the left side") as line:
            found = compare_sides(
                *sides,
                allow=allow or (),
                as_of=moment,
                keys=keys or ("reference",),
                customers=profiles.maps.get("customers"),
                products=profiles.maps.get("products"),
                progress=lambda stage, done, total: line.show(done, total, _STAGES[stage]),
            )
        closing.enter_context(found)
        if html is not None:
            write_html(found, html, sides=(left, right), made_at=datetime.now(UTC))
        if junit is not None:
            write_junit(found, junit, sides=(left, right), strict=strict)
        _write(found, every_row=every_row, as_json=as_json)
        if not found.same or (strict and found.unused):
            raise typer.Exit(exits.DIFFERENCE)


def _check_targets(targets: dict[str, str | None], sides: tuple[str, str]) -> None:
    """Refuse a file that cannot be written, or that is read: a side, or the other target."""
    taken = list(sides)
    for option, path in targets.items():
        if path is None:
            continue
        if Path(path).is_dir():
            raise ConfigurationError(f"{option} {path}: it is a folder: name a file in it")
        if Path(path).exists() and not Path(path).is_file():
            raise ConfigurationError(f"{option} {path}: it is not a file that can be replaced: name another one")
        if not Path(path).parent.is_dir():
            raise ConfigurationError(f"{option} {path}: there is no such folder")
        if any(path == other or _is_same_file(path, other) for other in taken):
            raise ConfigurationError(f"{option} {path}: the command uses this file already: name another one")
        taken.append(path)


def _is_same_file(left: str, right: str) -> bool:
    try:
        return Path(left).samefile(right)
    except (OSError, ValueError):  # no file, which is said where it is read
        return False


def _write(found: Comparison, *, every_row: bool, as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(escaped(part) for part in found.json_parts())
        return
    styled = in_color()
    width, height = get_terminal_size()
    for line in whole(found) if every_row else screenful(found, width=width, height=height):
        grave = styled and line.startswith("  !!")
        sys.stdout.write(f"\x1b[31m{line}\x1b[0m\n" if grave else f"{line}\n")


class _Profiles:
    """Live sides: clients made from the profiles of a file, closed with the command."""

    def __init__(self, config: str | None, closing: ExitStack) -> None:
        self._config, self._closing = config, closing
        self.maps: dict[str, Customers] = {} if config is None else dict(read_maps(config))

    def side(self, text: str) -> Side:
        """A path where there is one; PROVIDER:ID and PROVIDER: otherwise."""
        named = _LIVE.fullmatch(text)
        if named is None or Path(text).exists():
            return Path(text)
        name, invoice_id = named.groups()
        client = self._client(name)
        return client.retrieve(invoice_id) if invoice_id else client

    def _client(self, name: str) -> Client:
        if self._config is None:
            raise ConfigurationError(f"{name}: is read live: name the file of its profile with --config FILE")
        given = read_profile(self._config, self._profile(self._config, name))
        self.maps |= {name: given[name] for name in ("customers", "products") if name in given}
        return self._closing.enter_context(Client(**given))

    def _profile(self, config: str, name: str) -> str:
        """The profile of that name, else the only one of that provider."""
        try:
            profiles = tomllib.loads(read_bytes(config).decode("utf-8-sig")).get("profiles", {})
        except ValueError:  # what is wrong with the file is said where it is read as a whole
            return name
        if not isinstance(profiles, dict) or name in profiles:
            return name
        found = [one for one, own in profiles.items() if isinstance(own, dict) and own.get("provider") == name]
        if len(found) > 1:
            raise ConfigurationError(
                f"{config}: {' and '.join(found)} are profiles for {name}: write {found[0]}: or so"
            )
        return found[0] if found else name
