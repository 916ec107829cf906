"""The command line: prints what the library's functions return. `invoice-bridge --help` lists the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code; without the extra `cli`, say in one line how to install it."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as error:
        print(
            f'invoice-bridge: the command line needs {error.name}: run pip install "invoice-bridge[cli]"',
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        from invoice_bridge.cli.app import run

        sys.exit(run(arguments))
    except KeyboardInterrupt:  # while the modules were still being read
        sys.exit(130)
