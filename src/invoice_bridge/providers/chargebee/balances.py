"""The balances of a Chargebee customer: promotional credits, what credit notes left, payments too many."""

from __future__ import annotations

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.balances import Balance, Kind, ReadBalances
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.wire import Flow
from invoice_bridge.providers.chargebee.tables import MONEY

_KINDS: dict[str, Kind] = {
    "promotional_credits": "credit",
    "refundable_credits": "refundable",
    "excess_payments": "excess",
}
"""The parts of a balance (chargebee 3.29.0, Customer and Customer.Balance)."""


def balances(command: ReadBalances, context: Context) -> Flow[tuple[Balance, ...]]:
    """Read the customer: its balances by currency, or where the site states none, those of its one currency."""
    own = command.customer.at(context.provider.name) or ""
    answer = yield context.get("customers", own, specimen={"customer": {"id": own}})
    customer = Reader(object_of(answer), "chargebee").child("customer")
    if customer.text("id") != own:
        problem = "the answer is not the customer that was asked for: an intermediary mixes up answers"
        raise MalformedResponse(problem, provider="chargebee", status=answer.status, response=answer)
    rows = customer.children("balances") if customer.has_list("balances") else []
    found: list[Balance] = []
    for row, name_of in [(row, "currency_code") for row in rows] or [(customer, "preferred_currency_code")]:
        amounts = {name: row.integer(name) for name in _KINDS}
        if not any(amounts.values()):
            continue
        currency = row.currency(name_of)
        for name, kind in _KINDS.items():
            if amounts[name] and (amount := row.money(name, MONEY, currency)) is not None:
                found.append(Balance(kind, amount))
    return tuple(found)
