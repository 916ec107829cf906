"""The commands on one invoice, a verb each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from invoice_bridge.cli.connect import with_client
from invoice_bridge.cli.files import instant, open_in_browser, optional_amount, pairs, write_bytes
from invoice_bridge.cli.natives import Native, Unchecked, read_natives
from invoice_bridge.client.clients import Client
from invoice_bridge.core.amounts import amount as needed_amount
from invoice_bridge.core.model import Invoice, Line

Id = Annotated[str, typer.Argument(metavar="ID", help="The invoice's id at the provider.", show_default=False)]
Attempt = Annotated[int, typer.Option("--attempt", min=1, help="Raise it to try again after a final refusal.")]
Once = Annotated[
    str,
    typer.Option(
        "--reference", metavar="TEXT", help="Your id of it: the same reference takes effect once.", show_default=False
    ),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, where the provider keeps it.")]
Part = Annotated[str | None, typer.Option("--amount", metavar="AMOUNT", help='A part of it: "19.99 EUR".')]
Allowed = Annotated[
    list[str] | None, typer.Option("--allow", metavar="NAME", help="Accept a loss by path or code; repeatable.")
]


Remaining = Annotated[
    str | None, typer.Option("--expect", metavar="AMOUNT", help='Stop unless this amount remains due: "19.99 EUR".')
]
Refunded = Annotated[
    str | None, typer.Option("--expect", metavar="AMOUNT", help='Stop unless it was refunded before: "0.00 EUR".')
]
Credited = Annotated[
    str | None, typer.Option("--expect", metavar="AMOUNT", help='Stop unless it was credited before: "0.00 EUR".')
]


@with_client
def retrieve(client: Client, id: Id) -> Invoice:
    """Read one invoice, with all its lines."""
    return client.retrieve(id)


@with_client
def find(
    client: Client,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="That of the bill.", show_default=False)],
    *,
    customer: Annotated[
        str | None, typer.Option("--customer", metavar="ID", help="Read this customer's listing instead of a search.")
    ] = None,
) -> Invoice:
    """Find the one invoice that has a reference."""
    return client.find(reference, customer=customer)


@with_client
def pdf(
    client: Client,
    id: Id,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where the document goes.", show_default=False)
    ],
) -> dict[str, str]:
    """Download the document of an issued invoice into a file."""
    document = client.pdf(id)
    write_bytes(output, document)
    return {"file": output, "bytes": str(len(document))}


@with_client
def open_page(
    client: Client,
    id: Id,
    *,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="The page in the provider's dashboard, not the customer's.")
    ] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Print the address, and open nothing.")] = False,
) -> dict[str, str]:
    """Open an invoice's page in the browser: the customer's, or else the one in the provider's dashboard."""
    from invoice_bridge.client.pages import page_of

    page = page_of(client, client.retrieve(id, whole=False), dashboard=dashboard)
    if not only_print:
        open_in_browser(page.address)
    return {"invoice": page.invoice_id, "page": page.kind, "address": page.address}


@with_client
def finalize(client: Client, id: Id, *, native: Native = None, native_unchecked: Unchecked = None) -> Invoice:
    """Issue a draft."""
    return client.finalize(id, **read_natives("finalize", native, native_unchecked))


@with_client
def pay(
    client: Client,
    id: Id,
    *,
    expect: Remaining = None,
    amount: Part = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="TEXT", help="Your id of a part payment: it is made once.")
    ] = None,
    payment_method: Annotated[
        str | None, typer.Option("--payment-method", metavar="ID", help="Instead of the customer's default one.")
    ] = None,
    attempt: Attempt = 1,
    native: Native = None,
    native_unchecked: Unchecked = None,
) -> Invoice:
    """Collect an open invoice now, or a part of it."""
    expected, part = optional_amount(expect, "--expect"), optional_amount(amount, "--amount")
    how: dict[str, Any] = {"payment_method": payment_method, "attempt": attempt}
    how |= read_natives("pay", native, native_unchecked)
    return client.pay(id, expect=expected, amount=part, reference=reference, **how)


@with_client
def mark_paid(client: Client, id: Id, *, native: Native = None, native_unchecked: Unchecked = None) -> Invoice:
    """Record that an open invoice was paid outside the provider; no money moves."""
    return client.mark_paid(id, **read_natives("mark_paid", native, native_unchecked))


@with_client
def record_payment(
    client: Client,
    id: Id,
    *,
    amount: Annotated[
        str, typer.Option("--amount", metavar="AMOUNT", help='What was paid: "19.99 EUR".', show_default=False)
    ],
    at: Annotated[str, typer.Option("--at", metavar="INSTANT", help="When it was paid.", show_default=False)],
    reference: Once,
    method: Annotated[str | None, typer.Option("--method", metavar="TEXT", help="How it was paid.")] = None,
    expect: Remaining = None,
    allow: Allowed = None,
    attempt: Attempt = 1,
    native: Native = None,
    native_unchecked: Unchecked = None,
) -> Invoice:
    """Record a payment made outside the provider, of the whole invoice or a part; no money moves."""
    paid, expected = needed_amount(amount, "--amount"), optional_amount(expect, "--expect")
    how: dict[str, Any] = {"method": method, "expect": expected, "allow": allow or [], "attempt": attempt}
    how |= read_natives("record_payment", native, native_unchecked)
    return client.record_payment(id, amount=paid, at=instant(at, "--at"), reference=reference, **how)


@with_client
def refund(
    client: Client,
    id: Id,
    *,
    reference: Once,
    amount: Part = None,
    reason: Reason = None,
    expect: Refunded = None,
    allow: Allowed = None,
    attempt: Attempt = 1,
    native: Native = None,
    native_unchecked: Unchecked = None,
) -> Invoice:
    """Give back money that an invoice collected, all that is left or an amount."""
    back, expected = optional_amount(amount, "--amount"), optional_amount(expect, "--expect")
    how: dict[str, Any] = {"reason": reason, "expect": expected, "allow": allow or [], "attempt": attempt}
    how |= read_natives("refund", native, native_unchecked)
    return client.refund(id, amount=back, reference=reference, **how)


@with_client
def credit(
    client: Client,
    id: Id,
    *,
    reference: Once,
    amount: Part = None,
    lines: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="ID=AMOUNT", help="Credit a line of the invoice instead; repeatable."),
    ] = None,
    reason: Reason = None,
    expect: Credited = None,
    allow: Allowed = None,
    attempt: Attempt = 1,
    native: Native = None,
    native_unchecked: Unchecked = None,
) -> Invoice:
    """Issue a credit note: it lowers what remains, or gives the customer a balance; no money is given back."""
    whole, expected = optional_amount(amount, "--amount"), optional_amount(expect, "--expect")
    named = pairs(lines, "--line").items() if lines else ()
    credited = [Line(id=line, amount=needed_amount(text, "--line")) for line, text in named]
    how: dict[str, Any] = {"reason": reason, "expect": expected, "allow": allow or [], "attempt": attempt}
    how |= read_natives("credit", native, native_unchecked)
    return client.credit(id, amount=whole, lines=credited, reference=reference, **how)


@with_client
def void(
    client: Client,
    id: Id,
    *,
    reason: Reason = None,
    allow: Allowed = None,
    native: Native = None,
    native_unchecked: Unchecked = None,
) -> Invoice:
    """Withdraw an issued invoice for good."""
    return client.void(id, reason=reason, allow=allow or [], **read_natives("void", native, native_unchecked))


@with_client
def mark_uncollectible(client: Client, id: Id, *, native: Native = None, native_unchecked: Unchecked = None) -> Invoice:
    """Write off an open invoice as bad debt."""
    return client.mark_uncollectible(id, **read_natives("mark_uncollectible", native, native_unchecked))


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
    native: Native = None,
    native_unchecked: Unchecked = None,
) -> Invoice:
    """Change the description, the due date or the metadata; other fields stay."""
    return client.update(
        id,
        description=description,
        due_at=None if due is None else instant(due, "--due"),
        metadata=pairs(metadata, "--metadata") if metadata else None,
        **read_natives("update", native, native_unchecked),
    )


@with_client
def delete(client: Client, id: Id, *, native: Native = None, native_unchecked: Unchecked = None) -> Invoice:
    """Discard a draft."""
    return client.delete(id, **read_natives("delete", native, native_unchecked))


@with_client
def send(client: Client, id: Id, *, native: Native = None, native_unchecked: Unchecked = None) -> Invoice:
    """Have the provider mail an open invoice."""
    return client.send_invoice(id, **read_natives("send_invoice", native, native_unchecked))
