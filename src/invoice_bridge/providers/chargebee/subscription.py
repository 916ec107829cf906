"""The check of the subscription that the caller's lines are billed to, before anything is made.

An invoice of a subscription takes its customer and its currency from it: the request that makes it names neither
(apidocs.chargebee.com, create an invoice: customer_id or subscription_id, and currency_code with customer_id only).
So both are compared before the invoice is made, because it is issued at once.
"""

from __future__ import annotations

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import Discrepancy, Unsupported
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.chargebee.parts import customer_of_bill
from invoice_bridge.providers.chargebee.tables import SUBSCRIPTION


def check_subscription(command: OneTimeCharge | PeriodInvoice, subscription: str, context: Context) -> Flow[None]:
    """Check that a subscription is of the bill's customer and in its currency, and collects nothing by itself.

    Raises Discrepancy. Raises Unsupported if its own auto_collection is on and the bill must not be collected, unless
    allow=["collection.kind"]: the request's auto_collection=off is documented to override the customer's setting, but
    not the subscription's.
    """
    customer = customer_of_bill(command, context)
    specimen = {"id": subscription, "customer_id": customer, "currency_code": command.currency}
    answer = yield context.get(
        "subscriptions",
        subscription,
        specimen={"subscription": specimen},
        note="its customer and currency must be the bill's: the invoice takes both from it",
    )
    reader = Reader(object_of(answer), "chargebee").child("subscription")
    for what, asked, found in (
        ("is", subscription, reader.text("id")),
        ("belongs to the customer", customer, reader.text("customer_id")),
        ("is in", command.currency, reader.text("currency_code")),
    ):
        if asked != found:
            raise Discrepancy(
                f"the subscription {subscription} {what} {found or 'unstated'}, and the bill states {asked}; nothing "
                "was made",
                asked=asked,
                found=found,
            )
    collects = reader.text("auto_collection") == "on" and command.collection.kind != "charge"
    if collects and "collection.kind" not in context.allowed:
        raise Unsupported(
            f"the subscription {subscription} has auto_collection on, and the bill must not be collected: it is not "
            "documented that the request overrides it",
            source=SUBSCRIPTION,
            remedy='switch it off on the subscription, leave the subscription out, or write allow=["collection.kind"]',
        )
