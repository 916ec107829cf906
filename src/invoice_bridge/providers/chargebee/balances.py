"""The balances of a Chargebee customer: promotional credits, what credit notes left, payments too many, charges that
no invoice has billed.
"""

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
"""The parts of a balance (chargebee 3.29.0, Customer and Customer.Balance). Each is always stated, so that one which is
not is no zero."""
_UNBILLED = "unbilled_charges"


def balances(command: ReadBalances, context: Context) -> Flow[tuple[Balance, ...]]:
    """Read the customer: its balances by currency, or where the site states none, those of its one currency."""
    own = command.customer.at(context.provider.name) or ""
    answer = yield context.get("customers", own, specimen={"customer": {"id": own}})
    customer = Reader(object_of(answer), "chargebee").child("customer")
    if customer.text("id") != own:
        problem = "the answer is not the customer that was asked for: an intermediary mixes up answers"
        raise MalformedResponse(problem, provider="chargebee", status=answer.status, response=answer)
    rows = customer.children("balances") if customer.has_list("balances") else []
    found = [one for row in rows for one in _parts(row, "currency_code")]
    preferred, listed = customer.text("preferred_currency_code"), {row.text("currency_code") for row in rows}
    if not rows or (preferred is not None and preferred not in listed):
        found += _parts(customer, "preferred_currency_code")
    return tuple(found)


def _parts(row: Reader, currency_name: str) -> list[Balance]:
    """Return the balances of one currency. Raises MalformedResponse for one that is not stated."""
    stated = {name: row.integer(name) for name in _KINDS}
    if missing := [name for name, amount in stated.items() if amount is None]:
        raise row.fault(missing[0], "is missing, or no whole number: a balance that is not stated is no zero")
    unbilled = row.integer(_UNBILLED)
    if not unbilled and not any(stated.values()):
        return []
    currency = row.currency(currency_name)
    found = [
        Balance(kind, amount)
        for name, kind in _KINDS.items()
        if stated[name] and (amount := row.money(name, MONEY, currency)) is not None
    ]
    if unbilled and (owed := row.money(_UNBILLED, MONEY, currency)) is not None:
        found.append(Balance("unbilled", -owed))
    return found
