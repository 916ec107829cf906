"""`invoice-bridge new-provider`: write a new provider's adapter, and print the next steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invoice_bridge.cli.connect import AsJson
from invoice_bridge.cli.output import print_parts
from invoice_bridge.cli.terminal import write_json
from invoice_bridge.scaffold import new_provider

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The provider's name: lower-case letters and digits.", show_default=False),
]
Into = Annotated[Path, typer.Option("--into", metavar="DIR", help="The folder in which to make the adapter's folder.")]


def scaffold(name: Name, *, into: Into = Path(), as_json: AsJson = False) -> None:
    """Write your own adapter for another provider; it works and passes the conformance suite from the start."""
    written = new_provider(name, into)
    folder = written[0].parent
    if as_json:
        write_json({"folder": str(folder), "files": [str(path) for path in written]})
        return
    print_parts(f"made {folder}", *(f"  {path.relative_to(folder).as_posix()}" for path in written), "")
    print_parts("Install it, and run its tests before you change a line:", f"  cd {folder}")
    print_parts('  pip install --editable ".[test]"', "  pytest -q")
