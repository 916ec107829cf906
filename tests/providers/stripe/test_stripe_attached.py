"""Is an attached payment among those of the invoice? Only a list that states that it is whole can say no."""

import json
from typing import Any

import pytest

from invoice_bridge import Invoice, OutcomeUnknown, Status
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.providers.stripe.payments import check_attached

RECORD = "payment_record"


def paid_by(*records: str) -> list[dict[str, Any]]:
    return [{"payment": {"type": RECORD, RECORD: record}} for record in records]


def requests(*records: str, raw: dict[str, Any], answer: bytes = b"") -> int:
    """Check for "pr_1" and return how many requests that took."""
    invoice = Invoice(provider="stripe", id="in_1", status=Status.PAID, currency="EUR", raw=raw)
    flow, sent = check_attached(invoice, make_context(STRIPE, {}), RECORD, "pr_1", "re-1"), 0
    try:
        request = next(flow)
        while True:
            assert (request.method, request.url.partition("?")[0].rpartition("/")[2]) == ("GET", "invoice_payments")
            sent += 1
            request = flow.send(Response(200, answer, provider="stripe"))
    except StopIteration:
        return sent


def test_a_whole_list_is_not_asked_for_again() -> None:
    assert requests(raw={"payments": {"data": paid_by("pr_0", "pr_1"), "has_more": False}}) == 0


@pytest.mark.parametrize("more", [{"has_more": True}, {}, {"has_more": None}], ids=["more", "unstated", "null"])
def test_a_list_that_may_have_more_is_read(more: dict[str, Any]) -> None:
    """What the invoice shows of its payments may be one page of them; the list has all."""
    page = json.dumps({"object": "list", "has_more": False, "data": paid_by("pr_1")}).encode()
    assert requests(raw={"payments": {"data": paid_by("pr_0"), **more}}, answer=page) == 1


def test_a_whole_list_without_it_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown, match=r"in_1 does not have the payment_record pr_1") as refused:
        requests(raw={"payments": {"data": paid_by("pr_0"), "has_more": False}})
    assert refused.value.reference == "re-1"


def test_an_invoice_read_without_payments_answers_nothing() -> None:
    assert requests(raw={}) == 0
