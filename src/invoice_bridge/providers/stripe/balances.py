"""The balance of a Stripe customer, in each currency."""

from __future__ import annotations

from collections.abc import Mapping

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.balances import Balance, ReadBalances
from invoice_bridge.core.errors import MalformedResponse, NotFound
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.stripe.tables import MONEY


def balances(command: ReadBalances, context: Context) -> Flow[tuple[Balance, ...]]:
    """Read the customer. Stripe counts `balance` from its own side: below zero is the customer's credit.

    The sign of what is stated by currency is described the other way round (stripe-python 16.1.0,
    Customer.invoice_credit_balance), so that in other currencies than the customer's own the direction is left open.
    A balance that is not stated is no balance of zero. Raises NotFound for a customer that was deleted.
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
    if customer.flag("deleted") is True:  # stripe-python 16.1.0, Customer.deleted: nothing else is stated then
        problem = f"the customer {own} was deleted: what it had there cannot be read any more"
        raise NotFound(problem, provider="stripe", status=answer.status, response=answer)
    stated = customer.integer("balance")
    held = customer.child("invoice_credit_balance")
    if stated is None or not isinstance(customer.data.get("invoice_credit_balance") or {}, Mapping):
        problem = "the answer states no balance that can be read, so that it is not known"
        raise MalformedResponse(problem, provider="stripe", status=answer.status, response=answer)
    found: list[Balance] = []
    own_currency = customer.currency("currency", needed=bool(stated))
    whole = customer.money("balance", MONEY, own_currency)
    if whole:
        found.append(Balance("balance", -whole))
    for name in sorted(map(str, held.data)):
        amount = held.money(name, MONEY, name.upper())
        if amount and whole not in {amount, -amount}:  # the customer's own currency is stated twice
            found.append(Balance("undirected", amount if amount.minor > 0 else -amount))
    return tuple(found)
