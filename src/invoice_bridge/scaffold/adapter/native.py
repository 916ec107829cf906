"""The parameters that only Acme has: what no field of a bill or verb reaches, as rows, checked before sending."""

from __future__ import annotations

from invoice_bridge.adapter import Kind, Native, NativeTable, RefusedNative

NATIVES = NativeTable(
    (Native("footer", "open", Kind.text(500), "docs.acme.test/invoices/create"),),
    (RefusedNative("card", "card details never pass this library", "docs.acme.test/invoices/create"),),
)
