"""invoice-bridge mcp: a server for assistants, which explain a bill, have it confirmed, and make it."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_bridge.cli.connect import Profile


def mcp(
    *,
    config: Annotated[
        str,
        typer.Option("--config", metavar="FILE", help="The TOML file of profiles; its [profiles.NAME.mcp] has caps."),
    ],
    profile: Profile = None,
    allow_live: Annotated[
        bool, typer.Option("--allow-live", help="Serve a profile in live mode, or one that does not say its mode.")
    ] = False,
) -> None:
    """Serve an assistant over stdin and stdout: explain a bill, have a person confirm it, make exactly that."""
    from invoice_bridge.mcp.server import serve

    serve(config, profile, allow_live=allow_live)
