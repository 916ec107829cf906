"""The commands on bills: make one, find out what became of one, list them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from invoice_bridge.cli.connect import BillFile, Lookup, with_client
from invoice_bridge.cli.files import instant, read_bill, read_document, read_new_invoice
from invoice_bridge.cli.natives import ExpectTotal, Native, Unchecked, read_natives, with_natives
from invoice_bridge.client.clients import Client
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.core.model import Invoice, Status
from invoice_bridge.engine.lookup import Resolution


@with_client
def create(
    client: Client,
    file: BillFile,
    *,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="PATH", help="Accept a loss by its path or code; repeatable.")
    ] = None,
    lookup: Annotated[  # noqa: ARG001 - the client's
        Lookup | None,
        typer.Option("--lookup", help="Look the reference up before billing; journal: --journal FILE has every bill."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="The earliest time of a first try.")
    ] = None,
    native: Native = None,
    native_unchecked: Unchecked = None,
    expect_total: ExpectTotal = None,
) -> Invoice:
    """Make a bill. The same reference is billed once, however late it is repeated."""
    bill = with_natives(read_bill(file), native, native_unchecked, expect_total)
    return client.create(bill, allow=allow or (), since=None if since is None else instant(since, "--since"))


@with_client
def import_invoice(
    client: Client,
    file: BillFile,
    *,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="PATH", help="Accept a loss by its path or code; repeatable.")
    ] = None,
    lookup: Annotated[  # noqa: ARG001 - the client's
        Lookup | None,
        typer.Option("--lookup", help="Look the import up before it is made; journal: --journal FILE has every one."),
    ] = None,
) -> Invoice:
    """Make an invoice of the past again as it ended. Nobody is charged."""
    return client.import_invoice(read_document(file), allow=allow or ())


@with_client
def resolve(
    client: Client,
    file: BillFile,
    *,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="When it was first tried; a journal has that.")
    ] = None,
    native: Native = None,
    native_unchecked: Unchecked = None,
    expect_total: ExpectTotal = None,
) -> Resolution:
    """Find out the outcome of a bill; this only reads."""
    moment = None if since is None else instant(since, "--since")
    if moment is not None and moment > datetime.now(UTC):
        raise ConfigurationError(f"--since {since} is in the future: give the time of the first try")
    return client.resolve(with_natives(read_new_invoice(file), native, native_unchecked, expect_total), since=moment)


@with_client
def list_invoices(
    client: Client,
    *,
    status: Annotated[Status | None, typer.Option("--status", help="Only those with this status.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", metavar="ID", help="Only this customer's.")] = None,
    created_from: Annotated[
        str | None, typer.Option("--from", metavar="INSTANT", help="Created then or later: 2026-05-01 is midnight UTC.")
    ] = None,
    created_to: Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="Created before.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read each invoice whole if a listing omits parts.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Stop after that many.")] = None,
    native: Native = None,
) -> Iterator[Invoice]:
    """List invoices, all pages of them."""
    since = None if created_from is None else instant(created_from, "--from")
    until = None if created_to is None else instant(created_to, "--to")
    if since is not None and until is not None and since >= until:
        raise ConfigurationError("--from must be before --to: between them nothing was created")
    found = client.list(
        status=status,
        customer=customer,
        created_from=since,
        created_to=until,
        full=full,
        native=read_natives("list", native).get("native", {}),
    )
    return islice(found, limit)
