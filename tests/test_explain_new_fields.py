"""For bills with discounts, rates of tax, subscriptions, products and native parameters: what is explained is sent."""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import BridgeError, Collection, Discount, Invoice, Line, Money, OneTimeCharge, Request, TaxRate
from invoice_bridge.core.bills import total_with_tax
from tests.clients import emulated_at, no_waiting  # noqa: F401 - a fixture
from tests.strategies import instants, quantities, words

CUSTOMERS = {"chargebee": "cus_42", "stripe": "cus_42", "whop": "mber_42"}
NATIVES: dict[str, list[dict[str, Any]]] = {
    "chargebee": [
        {"coupon_ids": ["spring"]},
        {"payment_initiator": "merchant"},
        {"statement_descriptor": {"descriptor": "ACME"}},
        {"discounts": [{"apply_on": "invoice_amount", "amount": Money(1, "EUR")}]},
    ],
    "stripe": [
        {"footer": "Thank you"},
        {"discounts": [{"coupon": "spring"}, {"coupon": "summer"}]},
        {"transfer_data": {"destination": "acct_1", "amount": Money(1, "EUR")}},
        {"off_session": True},
    ],
    "whop": [
        {"plan": {"stock": 1, "visibility": "hidden"}},
        {"charge_buyer_fee": True},
        {"product_id": "prod_7"},
        {"product": {"product_tax_code_id": "ptc_1"}},
    ],
}
_ID = re.compile(r"\{[^}]*\}|%7B[^/%]*%7D|\b(in|plan|draft_inv)_\w+")


@st.composite
def whole_bills(draw: st.DrawFn, provider: str) -> OneTimeCharge:
    """A bill of lines with a discount, a rate, a product, a subscription or natives, as far as they go together."""
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    step = 10 if currency == "KWD" else 1
    rows: list[Line] = []
    of_lines, tax = draw(st.booleans()), draw(st.sampled_from(["none", "none", "provider", "rates", "of lines"]))
    for _ in range(draw(st.integers(1, 3))):
        amount = Money(draw(st.integers(50, 10**6)) * step, currency)
        said: dict[str, Any] = {
            "product": draw(st.sampled_from([None, None, None, "prod_1"])),
            "description": draw(words),
        }
        if of_lines and draw(st.booleans()):
            said["discount"] = Money(draw(st.integers(0, amount.minor // step)) * step, currency)
        if tax == "of lines" and draw(st.booleans()):
            rate = draw(quantities.filter(lambda number: number <= 100))
            said["taxes"] = [TaxRate(name=draw(words), rate=rate, inclusive=draw(st.booleans()))]
        rows.append(Line(amount=amount, **said))
    subtotal = sum(row.amount.minor for row in rows)
    bill: dict[str, Any] = {
        "reference": draw(words),
        "customer": CUSTOMERS[provider],
        "lines": rows,
        "issued_at": draw(instants),
        "tax": "none" if tax == "of lines" else tax,
        "draft": draw(st.booleans()),
        "collection": draw(
            st.one_of(
                st.just(Collection.manual()),
                instants.map(lambda due: Collection.send(due=due)),
                st.just(Collection.charge("pmt_42")),
            )
        ),
    }
    if tax == "rates":
        rate = draw(quantities.filter(lambda number: number <= 100))
        bill["tax"] = [TaxRate(name="VAT", rate=rate, inclusive=draw(st.booleans()))]
    elif not any(row.discount for row in rows) and draw(st.booleans()):
        most = draw(st.sampled_from([step, subtotal // 2 // step * step, subtotal]))
        bill["discounts"] = [Discount(name=draw(words), amount=Money(most, currency))]
    if draw(st.booleans()):
        bill["native"] = {provider: draw(st.sampled_from(NATIVES[provider]))}
    if draw(st.booleans()):
        bill["expect_total"] = total_with_tax(OneTimeCharge(**bill))
    return OneTimeCharge(**bill)


def _written(requests: Iterable[Request]) -> list[tuple[str, str, bytes]]:
    """The writing requests, without the ids that only the provider knows."""
    return [(one.method, _ID.sub("ID", one.url), one.content) for one in requests if one.writes]


@pytest.mark.parametrize("provider", sorted(CUSTOMERS))
@given(data=st.data())
def test_for_every_whole_bill_the_plan_is_what_is_sent(provider: str, data: st.DataObject) -> None:
    """The same writes in the same bytes; a refusal cuts them short. What is made totals what the bill asks for."""
    bill = data.draw(whole_bills(provider))
    client, transport = emulated_at(provider, lookup="never")
    shown = client.explain(bill)
    allow = [loss.code for loss in shown.losses]
    done: Invoice | None = None
    with suppress(BridgeError):
        done = client.create(bill, allow=allow)
    sent = [Request(one.method, str(one.url), {}, one.content) for one in transport.sent if one.method != "GET"]
    assert _written(sent) == _written(shown.requests)[: len(sent)]
    if shown.refusal is not None and not shown.requests:
        assert not sent
    if done is None:
        return
    if bill.total:
        assert len(sent) == len(_written(shown.requests))
    asked = bill.expect_total or (total_with_tax(bill) if provider == "stripe" else bill.total)
    if bill.tax == "none" and done.total is not None:
        assert done.total == asked
    if done.amount_paid and done.total is not None:
        assert done.amount_paid == done.total
