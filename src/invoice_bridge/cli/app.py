"""The commands: their names, their functions, and their help. A command's module is loaded when the command runs.

Rules of this file: of the library it imports only `exits`, so `--help` costs no more than typer. Each command calls
one function of the library and prints the result. A test checks that each `help` equals the function's docstring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from invoice_bridge.cli import exits

_ON_BILLS, _ON_INVOICES, _OFFLINE = "Bill", "Work on an invoice", "Without a key"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its function or group as "module:name" in this package, its panel in the help, and its help text."""

    place: str
    panel: str
    help: str

    def load(self, name: str) -> Any:
        """Import the command's function or group, and make a click command of it."""
        module, _, attribute = self.place.partition(":")
        value = getattr(import_module(f"invoice_bridge.cli.{module}"), attribute)
        if isinstance(value, typer.Typer):
            group = typer.main.get_group(value)
            group.name = name
            return group
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(name)(value)
        return typer.main.get_command(alone)


COMMANDS = {
    "demo": Entry(
        "offline:demo",
        _OFFLINE,
        "Bill through every provider, over real HTTP, against the emulators: no key, no account.",
    ),
    "providers": Entry(
        "offline:show_providers",
        _OFFLINE,
        "Show what each provider can do, with the evidence, or one provider in full.",
    ),
    "explain": Entry(
        "offline:explain",
        _OFFLINE,
        "Show the exact requests of a bill, their effects and the losses; nothing is sent.",
    ),
    "losses": Entry(
        "offline:losses",
        _OFFLINE,
        "List what a provider would not carry of a bill; exit code 1 if that would stop it.",
    ),
    "decode": Entry(
        "offline:decode", _OFFLINE, "Read a provider's invoice from its JSON and show it in neutral words."
    ),
    "emulate": Entry(
        "emulate:emulate", _OFFLINE, "Serve in-memory copies of the providers on this machine until it is interrupted."
    ),
    "webhooks": Entry("webhooks:app", _OFFLINE, "Receive, send and verify webhooks."),
    "compare": Entry(
        "compare:compare",
        _OFFLINE,
        "Show where two sides bill differently; exit code 1 if they do, 0 only if something was compared.",
    ),
    "new-provider": Entry(
        "new_provider:scaffold",
        _OFFLINE,
        "Write your own adapter for another provider; it works and passes the conformance suite from the start.",
    ),
    "create": Entry(
        "bills:create", _ON_BILLS, "Make a bill. The same reference is billed once, however late it is repeated."
    ),
    "import": Entry(
        "bills:import_invoice", _ON_BILLS, "Make an invoice of the past again as it ended. Nobody is charged."
    ),
    "resolve": Entry("bills:resolve", _ON_BILLS, "Find out the outcome of a bill; this only reads."),
    "list": Entry("bills:list_invoices", _ON_BILLS, "List invoices, all pages of them."),
    "show": Entry("invoices:retrieve", _ON_INVOICES, "Read one invoice, with all its lines."),
    "find": Entry("invoices:find", _ON_INVOICES, "Find the one invoice that has a reference."),
    "pdf": Entry("invoices:pdf", _ON_INVOICES, "Download the document of an issued invoice into a file."),
    "open": Entry(
        "invoices:open_page",
        _ON_INVOICES,
        "Open an invoice's page in the browser: the customer's, or else the one in the provider's dashboard.",
    ),
    "finalize": Entry("invoices:finalize", _ON_INVOICES, "Issue a draft."),
    "pay": Entry("invoices:pay", _ON_INVOICES, "Collect an open invoice now, or a part of it."),
    "mark-paid": Entry(
        "invoices:mark_paid", _ON_INVOICES, "Record that an open invoice was paid outside the provider; no money moves."
    ),
    "record-payment": Entry(
        "invoices:record_payment",
        _ON_INVOICES,
        "Record a payment made outside the provider, of the whole invoice or a part; no money moves.",
    ),
    "refund": Entry(
        "invoices:refund", _ON_INVOICES, "Give back money that an invoice collected, all that is left or an amount."
    ),
    "credit": Entry(
        "invoices:credit",
        _ON_INVOICES,
        "Issue a credit note: it lowers what remains, or gives the customer a balance; no money is given back.",
    ),
    "void": Entry("invoices:void", _ON_INVOICES, "Withdraw an issued invoice for good."),
    "mark-uncollectible": Entry("invoices:mark_uncollectible", _ON_INVOICES, "Write off an open invoice as bad debt."),
    "update": Entry(
        "invoices:update",
        _ON_INVOICES,
        "Change the description, the due date or the metadata; other fields stay.",
    ),
    "delete": Entry("invoices:delete", _ON_INVOICES, "Discard a draft."),
    "send": Entry("invoices:send", _ON_INVOICES, "Have the provider mail an open invoice."),
    "cassettes": Entry(
        "cassettes:app",
        _OFFLINE,
        "Record and check cassettes; only `record --against test` and `live` use the network.",
    ),
    "migrate": Entry("migrate:app", _ON_BILLS, "Move invoices to another provider."),
    "switch": Entry("switch:app", _ON_BILLS, "Follow a switch of provider, and move its instant."),
    "doctor": Entry(
        "doctor:doctor",
        _ON_BILLS,
        "Check the key, host, account, clock, API version, permissions and journal; this only reads.",
    ),
    "calibrate": Entry(
        "calibrate:calibrate",
        _ON_BILLS,
        "Settle what a provider's documentation leaves open, at a test account; without --write this only reads.",
    ),
    "mcp": Entry(
        "mcp:mcp",
        _ON_BILLS,
        "Serve an assistant over stdin and stdout: explain a bill, have a person confirm it, make exactly that.",
    ),
    "journal": Entry("journal:app", _OFFLINE, "Read the journal of what was tried, or release a reference."),
}
"""Every command by its name, in the order of the help."""


class Listed(exits.Commands):
    """The group of all commands: its help reads COMMANDS, and it loads only the command that runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.help, rich_help_panel=entry.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments name, and load it."""
        name, listed, rest = super().resolve_command(ctx, args)
        if ctx.resilient_parsing and listed:  # a shell completes a line
            from invoice_bridge.cli.completion import completed

            if (idle := completed(str(listed.name))) is not None:
                return name, idle, rest
        command = listed and COMMANDS[str(listed.name)].load(str(listed.name))
        exits.name_options(command)
        return name, command, rest


app = typer.Typer(
    cls=Listed,
    name="invoice-bridge",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=exits.HELP,
    help="Bill through several billing providers behind one neutral invoice.",
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see exits.HELP."""
    return exits.run_app(app, None if arguments is None else list(arguments))


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        print(f"invoice-bridge {version('invoice-bridge')}")
        raise typer.Exit


@app.callback()
def start(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Bill through several billing providers behind one neutral invoice."""
