"""Is an attached payment among those of the invoice? Only a list that states that it is whole can say no."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import IdempotencyMismatch, Invoice, Money, OutcomeUnknown, RecordPayment, Status
from invoice_bridge.core.wire import Response
from invoice_bridge.explain import make_context
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.providers.stripe.payments import check_attached, record_part

RECORD = "payment_record"


def _answer(body: dict[str, Any]) -> Response:
    return Response(200, json.dumps(body).encode(), provider="stripe")


def paid_by(*records: str) -> list[dict[str, Any]]:
    return [{"payment": {"type": RECORD, RECORD: record}} for record in records]


def requests(raw: dict[str, Any], answer: dict[str, Any] | None = None) -> int:
    """Check for "pr_1" and return how many requests that took."""
    invoice = Invoice(provider="stripe", id="in_1", status=Status.PAID, currency="EUR", raw=raw)
    flow, sent = check_attached(invoice, make_context(STRIPE, {}), RECORD, "pr_1", "re-1"), 0
    try:
        request = next(flow)
        while True:
            assert (request.method, request.url.partition("?")[0].rpartition("/")[2]) == ("GET", "invoice_payments")
            sent += 1
            request = flow.send(_answer(answer or {}))
    except StopIteration:
        return sent


def test_a_whole_list_is_not_asked_for_again() -> None:
    assert requests(raw={"payments": {"data": paid_by("pr_0", "pr_1"), "has_more": False}}) == 0


@pytest.mark.parametrize("more", [{"has_more": True}, {}, {"has_more": None}], ids=["more", "unstated", "null"])
def test_a_list_that_may_have_more_is_read(more: dict[str, Any]) -> None:
    """What the invoice shows of its payments may be one page of them; the list has all."""
    page = {"object": "list", "has_more": False, "data": paid_by("pr_1")}
    assert requests(raw={"payments": {"data": paid_by("pr_0"), **more}}, answer=page) == 1


def test_a_whole_list_without_it_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown, match=r"in_1 does not have the payment_record pr_1") as refused:
        requests(raw={"payments": {"data": paid_by("pr_0"), "has_more": False}})
    assert refused.value.reference == "re-1"


def test_an_invoice_read_without_payments_answers_nothing() -> None:
    assert requests(raw={}) == 0


def test_what_a_payment_paid_counts_and_not_what_was_asked_of_it() -> None:
    """The reference was used before, and only a part of its amount was credited to the invoice."""
    command = RecordPayment(id="in_1", reference="re-1", amount=Money(500, "EUR"), at=datetime(2026, 11, 1, tzinfo=UTC))
    invoice: dict[str, Any] = {
        "object": "invoice",
        "id": "in_1",
        "status": "open",
        "currency": "eur",
        "amount_remaining": 500,
    }
    invoice |= {"lines": {"object": "list", "data": [], "has_more": False}}
    record = {"id": "pr_1", "metadata": {"invoice_bridge_reference": "re-1"}}
    row: dict[str, Any] = {"id": "inpay_1", "status": "paid", "amount_paid": 300, "amount_requested": 500}
    row["payment"] = {"type": RECORD, RECORD: record}
    answers = {"in_1": invoice, "invoice_payments": {"object": "list", "has_more": False, "data": [row]}}
    flow = record_part(command, make_context(STRIPE, {}).on(command))

    def run() -> None:
        request = next(flow)
        while request.method == "GET":
            request = flow.send(_answer(answers[request.url.partition("?")[0].rpartition("/")[2]]))

    with pytest.raises(IdempotencyMismatch, match=r"of 3\.00 EUR, not 5\.00 EUR; nothing was done"):
        run()
