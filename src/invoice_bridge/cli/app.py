"""The commands. Each calls one function of the library and prints what it returns."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any

import typer

from invoice_bridge import providers
from invoice_bridge.cli import exits
from invoice_bridge.cli.capabilities import matrix_parts, provider_json, provider_parts
from invoice_bridge.cli.cassettes import app as cassettes
from invoice_bridge.cli.compare import compare
from invoice_bridge.cli.connect import (
    AsJson,
    Config,
    Profile,
    ProviderName,
    Settings,
    client_to_ask,
    provider_beside,
    read_settings,
    with_client,
)
from invoice_bridge.cli.files import amount, instant, pairs, read_bill, read_bytes
from invoice_bridge.cli.journal import app as journal
from invoice_bridge.cli.new_provider import scaffold
from invoice_bridge.cli.output import grid, in_color, loss_json, plans_table, print_parts, write, write_json
from invoice_bridge.client.clients import Client
from invoice_bridge.client.config import key_variable
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import ConfigurationError, MalformedResponse
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.decode import decode as decode_invoice
from invoice_bridge.engine.lookup import Resolution
from invoice_bridge.explain import Plan
from invoice_bridge.explain import explain as explain_bill
from invoice_bridge.explain import losses as losses_of_bill

app = typer.Typer(
    cls=exits.Commands,
    name="invoice-bridge",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=exits.HELP,
    help="Bill through several billing providers behind one neutral invoice.",
)

Bill = Annotated[
    str,
    typer.Argument(metavar="FILE", help='A bill in JSON or TOML, or "-" for stdin; see examples/.', show_default=False),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The invoice's id at the provider.", show_default=False)]
Attempt = Annotated[int, typer.Option("--attempt", min=1, help="Raise it to try again after a final refusal.")]


class Lookup(StrEnum):
    """When a bill is looked up before it is made."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"
    JOURNAL = "journal"


class Form(StrEnum):
    """What explain prints."""

    TEXT = "text"
    JSON = "json"
    CURL = "curl"


_ON_BILLS, _ON_INVOICES, _OFFLINE = "Bill", "Work on an invoice", "Without a key"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give back its exit code; see exits.HELP."""
    return exits.run_app(app, None if arguments is None else list(arguments))


def _version(asked: bool) -> None:
    if asked:
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


# ── without a key ────────────────────────────────────────────────────────────────────────────────────────────────────
@app.command(rich_help_panel=_OFFLINE)
def demo(*, as_json: AsJson = False) -> None:
    """Bill through every provider, over real HTTP, against the emulators: no key, no account."""
    from invoice_bridge.cli.demo import demonstrate

    if not demonstrate(as_json=as_json):
        raise typer.Exit(exits.PROVIDER)


@app.command("providers", rich_help_panel=_OFFLINE)
def show_providers(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One provider, in full.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what each provider can do and how that is borne out, or one provider in full."""
    chosen = [providers.get(one) for one in ([name] if name else providers.names())]
    if as_json:
        found = [provider_json(provider) for provider in chosen]
        write_json(found[0] if name else found)
    elif name:
        print_parts(*provider_parts(chosen[0]))
    else:
        print_parts(*matrix_parts())


@app.command(rich_help_panel=_OFFLINE)
def explain(
    file: Bill,
    *,
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME|all", help="One provider, or all side by side.")
    ] = None,
    config: Config = None,
    profile: Profile = None,
    settings: Settings = None,
    lookup: Annotated[Lookup | None, typer.Option("--lookup", help="As for create.")] = None,
    form: Annotated[Form, typer.Option("--format", help="What to print.")] = Form.TEXT,
    as_json: AsJson = False,
) -> None:
    """Show the exact requests a bill would send, their effects and the losses; nothing is sent."""
    bill, of_client = read_bill(file), {} if lookup is None else {"lookup": lookup.value}
    name = provider_beside(config, profile, provider, {"--set": settings})
    if config is not None:
        with client_to_ask(config, profile, **of_client) as client:
            plans = [client.explain(bill)]
    else:
        plans = list(_plans(bill, name or "", pairs(settings or [], "--set"), of_client))
    if as_json or form is Form.JSON:
        write_json([plan.to_json() for plan in plans] if provider == "all" else plans[0].to_json())
    elif form is Form.CURL:
        sys.stdout.write("\n\n".join(plan.curl() for plan in plans) + "\n")
    elif provider == "all":
        print_parts(plans_table(plans))
    else:
        sys.stdout.write(plans[0].text(color=in_color()) + "\n")
    if provider != "all" and (refusal := plans[0].refusal) is not None:
        raise typer.Exit(exits.code_of(refusal))  # as `create` of this bill would end


def _plans(
    bill: OneTimeCharge | PeriodInvoice, provider: str, given: Mapping[str, str], of_client: Mapping[str, Any]
) -> Iterator[Plan]:
    for name in providers.names() if provider == "all" else (provider,):
        declared = providers.get(name)
        known = {setting.name for setting in declared.settings}
        own = {word: value for word, value in given.items() if word in known or provider != "all"}
        yield explain_bill(name, bill, **of_client, **read_settings(declared, own))


@app.command(rich_help_panel=_OFFLINE)
def losses(
    file: Bill,
    *,
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME", help="stripe, chargeapi, chargebee, whop …")
    ] = None,
    config: Config = None,
    profile: Profile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List what a provider would not carry of a bill; exit code 1 where that would stop it."""
    bill, now = read_bill(file), datetime.now(UTC)
    name = provider_beside(config, profile, provider, {"--set": settings})
    if config is not None:
        with client_to_ask(config, profile) as client:
            name, found = client.provider, client.losses(bill, as_of=now)
    else:
        own = read_settings(providers.get(name or ""), pairs(settings or [], "--set"))
        found = losses_of_bill(name or "", bill, as_of=now, **own)
    if as_json:
        write_json([loss_json(loss) for loss in found])
    else:
        for loss in found:
            print(f"{loss.severity.value}: {exits.printable(loss)}")
        if not found:
            print(f"{name} carries this bill whole")
    if any(loss.severity is not Severity.INFO for loss in found):
        raise typer.Exit(exits.DIFFERENCE)


@app.command(rich_help_panel=_OFFLINE)
def decode(
    file: Annotated[str, typer.Argument(metavar="FILE", help='The provider\'s own JSON, or "-" for stdin.')],
    *,
    provider: ProviderName,
    as_json: AsJson = False,
) -> None:
    """Read a provider's invoice from its JSON and show it in neutral words."""
    try:
        invoice = decode_invoice(provider, read_bytes(file))
    except MalformedResponse as error:  # here the file is at fault, not a provider's answer
        raise ConfigurationError(f"{'stdin' if file == '-' else file}: {error.message}") from None
    write(invoice, as_json=as_json)


@app.command(rich_help_panel=_OFFLINE)
def emulate(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8787,
    as_json: AsJson = False,
) -> None:
    """Serve in-memory copies of the providers on this machine until it is interrupted."""
    from invoice_bridge.emulator.server import Served, listing, serve

    def ready(served: Served) -> None:
        if as_json:
            write_json(listing(served))
        else:
            table = grid("provider", "base URL", "variable", "key")
            for name, url in served.base_urls.items():
                table.add_row(name, url, key_variable(name), served.emulators[name].key)
            print_parts(
                table, "", f"All of this as JSON, and what was billed: {served.url}/. Ctrl-C ends it. To bill:", ""
            )
            print_parts(f"  export STRIPE_API_KEY={served.emulators['stripe'].key}")
            print_parts(f"  invoice-bridge create FILE --provider stripe --base-url {served.base_urls['stripe']}")
        sys.stdout.flush()

    serve(port, ready=ready)


app.command("compare", rich_help_panel=_OFFLINE)(compare)
app.add_typer(cassettes, name="cassettes", rich_help_panel=_OFFLINE)
app.add_typer(journal, name="journal", rich_help_panel=_OFFLINE)
app.command("new-provider", rich_help_panel=_OFFLINE)(scaffold)


# ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@app.command(rich_help_panel=_ON_BILLS)
@with_client
def create(
    client: Client,
    file: Bill,
    *,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="PATH", help="Accept a loss by its path or code; repeatable.")
    ] = None,
    lookup: Annotated[  # noqa: ARG001 - the client's
        Lookup | None,
        typer.Option("--lookup", help="Look the reference up before billing; journal: --journal FILE has every bill."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="When it can have been tried first.")
    ] = None,
) -> Invoice:
    """Bill. The same reference is the same bill, however much later it is made again."""
    return client.create(read_bill(file), allow=allow or (), since=instant(since, "--since") if since else None)


@app.command(rich_help_panel=_ON_BILLS)
@with_client
def resolve(
    client: Client,
    file: Bill,
    *,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="When it was first tried; a journal knows it.")
    ] = None,
) -> Resolution:
    """Find out what became of a bill whose outcome is unknown; sends nothing but reads."""
    moment = instant(since, "--since") if since else None
    if moment is not None and moment > datetime.now(UTC):
        raise ConfigurationError(f"--since {since} is still to come: say when the bill was first tried")
    return client.resolve(read_bill(file), since=moment)


@app.command("list", rich_help_panel=_ON_BILLS)
@with_client
def list_invoices(
    client: Client,
    *,
    status: Annotated[Status | None, typer.Option("--status", help="Only those that stand so.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", metavar="ID", help="Only this customer's.")] = None,
    created_from: Annotated[
        str | None, typer.Option("--from", metavar="INSTANT", help="Created then or later: 2026-05-01 is midnight UTC.")
    ] = None,
    created_to: Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="Created before.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read each invoice whole where a listing leaves parts out.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Stop after so many.")] = None,
) -> Iterator[Invoice]:
    """List invoices, all pages of them."""
    found = client.list(
        status=status,
        customer=customer,
        created_from=instant(created_from, "--from") if created_from else None,
        created_to=instant(created_to, "--to") if created_to else None,
        full=full,
    )
    return islice(found, limit)


# ── verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────────
@app.command("show", rich_help_panel=_ON_INVOICES)
@with_client
def retrieve(client: Client, id: Id) -> Invoice:
    """Read one invoice, with all its lines."""
    return client.retrieve(id)


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def finalize(client: Client, id: Id) -> Invoice:
    """Turn a draft into a demand for money."""
    return client.finalize(id)


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def pay(
    client: Client,
    id: Id,
    *,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="AMOUNT", help='Stop unless so much is still to be paid: "19.99 EUR".'),
    ] = None,
    payment_method: Annotated[
        str | None, typer.Option("--payment-method", metavar="ID", help="Instead of the customer's default one.")
    ] = None,
    attempt: Attempt = 1,
) -> Invoice:
    """Collect an open invoice now."""
    expected = amount(expect, "--expect") if expect else None
    return client.pay(id, expect=expected, payment_method=payment_method, attempt=attempt)


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def mark_paid(client: Client, id: Id) -> Invoice:
    """Record that an open invoice was paid outside the provider; no money moves."""
    return client.mark_paid(id)


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def void(client: Client, id: Id) -> Invoice:
    """Withdraw an issued invoice for good."""
    return client.void(id)


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def mark_uncollectible(client: Client, id: Id) -> Invoice:
    """Give an open invoice up as a bad debt."""
    return client.mark_uncollectible(id)


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def update(
    client: Client,
    id: Id,
    *,
    description: Annotated[str | None, typer.Option("--description", help="The new description.")] = None,
    due: Annotated[str | None, typer.Option("--due", metavar="INSTANT", help="The new due date.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="NAME=VALUE", help="Set a key; repeatable.")
    ] = None,
) -> Invoice:
    """Change the description, the due date or the metadata; what is not named stays."""
    return client.update(
        id,
        description=description,
        due_at=instant(due, "--due") if due else None,
        metadata=pairs(metadata, "--metadata") if metadata else None,
    )


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def delete(client: Client, id: Id) -> Invoice:
    """Discard a draft."""
    return client.delete(id)


@app.command(rich_help_panel=_ON_INVOICES)
@with_client
def send(client: Client, id: Id) -> Invoice:
    """Have the provider mail an open invoice."""
    return client.send_invoice(id)
