"""The shop's HTTP interface: orders come in, months are billed, deliveries of the providers are received.

POST /orders                   an order of a customer
POST /months/2026-10/bill      bill every customer's orders of a month
POST /paid/acme/2026-10        a bank transfer arrived for an invoice
POST /webhooks/stripe          a provider reports a change
GET  /                         the invoices, for people; /invoices for programs
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from invoice_bridge import BridgeError, InvoiceEvent, Journal
from invoice_bridge.webhooks.asgi import application
from shop.billing import bill_month, open_billing
from shop.store import Order, Store

SECRETS = {"stripe": "SHOP_STRIPE_WEBHOOK_SECRET", "chargebee": "SHOP_CHARGEBEE_WEBHOOK_SECRET"}
"""The environment variable of each provider's secret; a provider without one is not received."""
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class NewOrder(BaseModel):
    """An order as it is posted."""

    customer: str = Field(min_length=1)
    month: Month
    item: str = Field(min_length=1)
    quantity: int = Field(gt=0)
    unit_cents: int = Field(gt=0)


def create_app() -> FastAPI:
    """Make the shop of the current folder: its `billing.toml`, its `shop.sqlite`."""
    folder = Path.cwd()
    store, billing = Store(folder / "shop.sqlite"), open_billing(folder / "billing.toml")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with billing:
            yield

    app = FastAPI(title="shop", lifespan=lifespan)

    @app.post("/orders", status_code=201)
    def order(new: NewOrder) -> dict[str, str]:
        store.add(new.customer, new.month, Order(new.item, new.quantity, new.unit_cents))
        return {"customer": new.customer, "month": new.month}

    @app.post("/months/{month}/bill")
    def bill(month: Month) -> list[dict[str, str]]:
        """Bill each customer; one that fails stops no other, and the call can be repeated."""
        made = []
        for customer, orders in store.orders(month).items():
            try:
                invoice = bill_month(billing, customer, month, orders)
            except BridgeError as error:
                made.append({"customer": customer, "error": str(error), "outcome": error.outcome})
                continue
            store.keep(f"{customer}/{month}", invoice)
            made.append({"customer": customer, "provider": invoice.provider, "status": invoice.status})
        return made

    @app.post("/paid/{customer}/{month}")
    def paid(customer: str, month: Month) -> dict[str, str]:
        reference = f"{customer}/{month}"
        if (invoice_id := store.invoice_id(reference)) is None:
            raise HTTPException(404, f"{reference} is not billed")
        invoice = billing.mark_paid(invoice_id)  # at the provider that made it
        store.keep(reference, invoice)
        return {"provider": invoice.provider, "status": invoice.status}

    def on_event(event: InvoiceEvent) -> None:
        """Ask the provider what became of the invoice: a delivery may come twice, late, or from somebody else."""
        reference = None if event.invoice_id is None else store.reference(event.provider, event.invoice_id)
        if event.invoice_id is not None and reference is not None:  # the account may have invoices that are not ours
            store.keep(reference, billing.retrieve(event.invoice_id))

    secrets = {name: os.environ[variable] for name, variable in SECRETS.items() if variable in os.environ}
    journal = billing.journal if isinstance(billing.journal, Journal) else None
    app.mount("/webhooks", application(on_event, secrets=secrets, journal=journal))

    @app.get("/invoices")
    def invoices() -> list[dict[str, str]]:
        return store.invoices()

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        names = ("reference", "provider", "status", "total", "remaining")
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(row[name])}</td>' for name in names)}</tr>" for row in store.invoices()
        )
        head = "".join(f"<th>{name}</th>" for name in names)
        return f"<!doctype html><title>shop</title><table><tr>{head}</tr>{rows}</table>"

    return app
