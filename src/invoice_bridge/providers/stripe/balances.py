"""The balance of a Stripe customer, in each currency."""

from __future__ import annotations

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.balances import Balance, ReadBalances
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.stripe.tables import MONEY


def balances(command: ReadBalances, context: Context) -> Flow[tuple[Balance, ...]]:
    """Read the customer. Stripe counts `balance` from its own side: below zero is the customer's credit.

    The sign of what is stated by currency is described the other way round (stripe-python 16.1.0,
    Customer.invoice_credit_balance), so that in other currencies than the customer's own the direction is left open.
    """
    own = command.customer.at(context.provider.name) or ""
    answer = yield context.get(
        "v1",
        "customers",
        own,
        query=[("expand[]", "invoice_credit_balance")],
        specimen={"id": own, "object": "customer", "balance": 0},
    )
    customer = Reader(object_of(answer), "stripe")
    if customer.text("id") != own or customer.text("object") != "customer":
        problem = "the answer is not the customer that was asked for: an intermediary mixes up answers"
        raise MalformedResponse(problem, provider="stripe", status=answer.status, response=answer)
    held = customer.child("invoice_credit_balance")
    found: list[Balance] = []
    own_currency = customer.currency("currency", needed=bool(customer.integer("balance")))
    if own_currency is not None and (whole := customer.money("balance", MONEY, own_currency)):
        found.append(Balance("balance", -whole))
    for name in sorted(map(str, held.data)):
        amount = held.money(name, MONEY, name.upper())
        if amount and name.upper() != own_currency:
            found.append(Balance("undirected", amount if amount.minor > 0 else -amount))
    return tuple(found)
