"""One set of flows, two runners: Client and AsyncClient do and tell the same."""

from typing import Any

import httpx

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    Collection,
    Invoice,
    Line,
    ListInvoices,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
)
from invoice_bridge.emulator import EmulatorTransport, FakeClock
from invoice_bridge.providers.stripe import STRIPE
from tests.clients import (
    BASE,
    CHARGE,
    KEY,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    page,
    row,
)

MAY = Period.month(2026, 5)


# ── one set of flows, two runners ────────────────────────────────────────────────────────────────────────────────────
LINES = (
    Line(description="Fees", quantity=3, unit_amount=Money(500, "EUR")),
    Line(description="Zoë & co", amount=Money(0, "EUR"), period=MAY),
)
BILLS = [
    CHARGE,
    OneTimeCharge(reference="res-2", customer="cus_42", lines=LINES, description="a/b?", draft=True),
    OneTimeCharge(
        reference="res-3", customer="cus_42", amount=Money(5000, "JPY"), collection=Collection.send(net_days=14)
    ),
    OneTimeCharge(reference="res-4", customer="cus_42", amount=Money(1, "EUR"), collection=Collection.charge("pm_1")),
    OneTimeCharge(
        reference="res-5", customer="cus_42", amount=Money(1, "EUR"), collection=Collection.charge("declined")
    ),
    OneTimeCharge(reference="res-6", customer="cus_no", amount=Money(1, "EUR")),
    PeriodInvoice(reference="flt/2026-05", customer="cus_42", period=MAY, currency="EUR", lines=LINES, tax="provider"),
    PeriodInvoice(reference="flt/2026-06", customer="cus_42", period=MAY, currency="EUR"),
    CHARGE,
]
VERBS: list[tuple[str, dict[str, Any]]] = [
    ("retrieve", {"id": "in_00000001"}),
    ("finalize", {"id": "in_00000002"}),
    ("pay", {"id": "in_00000001", "expect": Money(1999, "EUR")}),
    ("refund", {"id": "in_00000001", "amount": Money(500, "EUR"), "reference": "re-1"}),
    ("refund", {"id": "in_00000001", "amount": Money(500, "EUR"), "reference": "re-1"}),
    ("refund", {"id": "in_00000001", "amount": Money(600, "EUR"), "reference": "re-1"}),
    ("credit", {"id": "in_00000001", "amount": Money(100, "EUR"), "reference": "cn-1", "reason": "é"}),
    ("record_payment", {"id": "in_00000002", "amount": Money(5, "EUR"), "at": MAY.end, "reference": "w-1"}),
    ("find", {"reference": "r-none"}),
    ("pdf", {"id": "in_00000001"}),
    ("void", {"id": "in_00000001", "reason": "x"}),
    ("void", {"id": "in_00000001"}),
    ("mark_paid", {"id": "in_00000002"}),
    ("mark_uncollectible", {"id": "in_00000003"}),
    ("update", {"id": "in_00000003", "metadata": {"a": "é"}}),
    ("delete", {"id": "in_00000003"}),
    ("send_invoice", {"id": "in_00000003"}),
    ("retrieve", {"id": "in_missing"}),
]


def _told(result: Any, error: BridgeError | None) -> Any:
    return result if error is None else (type(error), str(error), error.outcome, error.invoice_id, error.steps)


async def test_both_clients_send_the_same_bytes_and_give_the_same_results() -> None:
    """For a course of bills and verbs, good and bad, both clients send identical requests and tell the same."""
    sent: list[EmulatorTransport] = [EmulatorTransport(STRIPE.emulator(clock=FakeClock()), BASE) for _ in range(2)]
    results: list[list[Any]] = [[], []]
    one = Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=sent[0]))
    async with httpx.AsyncClient(transport=sent[1]) as http:
        other = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http)
        for call, said in [("create", {"command": bill}) for bill in BILLS] + VERBS:
            for place, client in enumerate((one, other)):
                result, error = None, None
                try:
                    made: Any = getattr(client, call)(**said)
                    result = await made if place else made
                except BridgeError as caught:
                    error = caught
                results[place].append(_told(result, error))
        listed: list[Invoice] = list(one.list(customer="cus_42", limit=2))
        assert [invoice async for invoice in other.list(customer="cus_42", limit=2)] == listed
        page: Any = await other.page(ListInvoices(limit=2))
        assert one.page(ListInvoices(limit=2)) == page
    assert len(listed) > 2
    assert results[0] == results[1]
    assert sent[0].sent == sent[1].sent
    assert len(sent[0].sent) > 30
    assert sum(isinstance(result, Invoice) for result in results[0]) >= 10
    assert sum(isinstance(result, tuple) for result in results[0]) >= 5


def test_the_two_clients_have_the_same_verbs() -> None:
    """Every public method of one is one of the other."""
    one = {name for name in dir(Client) if not name.startswith("_")}
    other = {name for name in dir(AsyncClient) if not name.startswith("_")}
    assert one == other
    assert {
        "create", "retrieve", "list", "finalize", "pay", "mark_paid", "void", "mark_uncollectible", "update", "delete",
        "send_invoice", "explain", "losses", "page", "close", "from_config", "provider",
    } <= one  # fmt: skip


async def test_an_asynchronous_listing_is_lazy_too() -> None:
    """No request before the first invoice is asked for."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return page(row(1), more=True)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        found = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http).list()
        assert requests == []
        async for invoice in found:
            assert invoice.id == "in_1"
            break
        assert len(requests) == 1
