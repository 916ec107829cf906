"""ChargeAPI's deliveries: neither a way to verify them nor an event of an invoice is documented."""

from __future__ import annotations

from invoice_bridge.adapter.declared import cannot
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.adapter.webhooks import Delivery, EventFacts, Webhooks

_GUIDE = "docs.chargeapi.co/webhooks"


def read(at: Reader, _delivery: Delivery) -> EventFacts:
    """Read an event. An invoice in it is read, although no documented event has one; the type stays unknown."""
    if at.text("object") != "event":
        raise at.fault("object", "is not event")
    about = at.child("data").child("object")
    is_invoice = about.text("object") == "invoice"
    live = at.flag("livemode")
    return EventFacts(
        id=at.text("id"),
        native_type=at.text("type"),
        invoice=about.data if is_invoice else None,
        invoice_id=about.text("id") if is_invoice else None,
        # RFC 3339 at the pinned version; whole seconds in the older generation
        occurred_at=at.instant("created") or at.unix("created"),
        test_mode=None if live is None else not live,
    )


# The header is shown as Charge-Signature: t=<RFC 3339>,v1=<64 hex>; no page says what is signed or how old it may be.
# A verifier that guesses would refuse genuine deliveries or accept forged ones.
WEBHOOKS = Webhooks(
    verify=cannot("what the signature of a delivery covers is not documented, so none can be verified", source=_GUIDE),
    sign=cannot("what the signature of a delivery covers is not documented, so none can be made", source=_GUIDE),
    read=read,
    events=(),  # only charge.succeeded and report.succeeded are documented; poll for changes of invoices
    source=_GUIDE,
)
