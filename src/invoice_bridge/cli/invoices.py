"""The commands on one invoice, a verb each."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_bridge.cli.connect import with_client
from invoice_bridge.cli.files import amount, instant, pairs
from invoice_bridge.client.clients import Client
from invoice_bridge.core.model import Invoice

Id = Annotated[str, typer.Argument(metavar="ID", help="The invoice's id at the provider.", show_default=False)]
Attempt = Annotated[int, typer.Option("--attempt", min=1, help="Raise it to try again after a final refusal.")]


@with_client
def retrieve(client: Client, id: Id) -> Invoice:
    """Read one invoice, with all its lines."""
    return client.retrieve(id)


@with_client
def finalize(client: Client, id: Id) -> Invoice:
    """Issue a draft."""
    return client.finalize(id)


@with_client
def pay(
    client: Client,
    id: Id,
    *,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="AMOUNT", help='Stop unless this amount remains due: "19.99 EUR".'),
    ] = None,
    payment_method: Annotated[
        str | None, typer.Option("--payment-method", metavar="ID", help="Instead of the customer's default one.")
    ] = None,
    attempt: Attempt = 1,
) -> Invoice:
    """Collect an open invoice now."""
    expected = amount(expect, "--expect") if expect else None
    return client.pay(id, expect=expected, payment_method=payment_method, attempt=attempt)


@with_client
def mark_paid(client: Client, id: Id) -> Invoice:
    """Record that an open invoice was paid outside the provider; no money moves."""
    return client.mark_paid(id)


@with_client
def void(client: Client, id: Id) -> Invoice:
    """Withdraw an issued invoice for good."""
    return client.void(id)


@with_client
def mark_uncollectible(client: Client, id: Id) -> Invoice:
    """Write off an open invoice as bad debt."""
    return client.mark_uncollectible(id)


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
    """Change the description, the due date or the metadata; other fields stay."""
    return client.update(
        id,
        description=description,
        due_at=instant(due, "--due") if due else None,
        metadata=pairs(metadata, "--metadata") if metadata else None,
    )


@with_client
def delete(client: Client, id: Id) -> Invoice:
    """Discard a draft."""
    return client.delete(id)


@with_client
def send(client: Client, id: Id) -> Invoice:
    """Have the provider mail an open invoice."""
    return client.send_invoice(id)
