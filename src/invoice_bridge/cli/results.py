"""What the command of a client prints: an invoice, a listing, a resolution or a few facts, as text or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.cli.listing import show_invoices
from invoice_bridge.cli.output import facts, invoice_parts, print_parts
from invoice_bridge.cli.terminal import escaped, write_json
from invoice_bridge.core.model import Invoice
from invoice_bridge.engine.lookup import Resolution


def write(value: Any, *, as_json: bool) -> None:
    """Print the result of a command: an invoice, an iterable of invoices, or a resolution."""
    if isinstance(value, Resolution):
        if as_json:
            write_json(
                {
                    "state": value.state,
                    "why": value.why,
                    "invoices": [json.loads(invoice.model_dump_json()) for invoice in value.invoices],
                }
            )
        else:
            print_parts(
                facts({"state": value.state, "why": value.why}),
            )
            if value.invoices:
                show_invoices(value.invoices)
    elif isinstance(value, Invoice):
        if as_json:
            sys.stdout.write(escaped(value.model_dump_json()) + "\n")
        else:
            print_parts(*invoice_parts(value))
    elif isinstance(value, Mapping):
        if as_json:
            write_json(dict(value))
        else:
            print_parts(facts(value))
    elif as_json:
        _write_invoices(value)
    else:
        show_invoices(value)


def _write_invoices(invoices: Iterable[Invoice]) -> None:
    """Print a JSON array with one invoice on each line, each as soon as it is read."""
    separator = "[\n"
    for invoice in invoices:
        sys.stdout.write(separator + escaped(invoice.model_dump_json()))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")
