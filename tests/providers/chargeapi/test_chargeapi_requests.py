"""Request vectors: absolute bytes, never round trips."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import (
    ALL,
    Collection,
    CustomerRef,
    LossyTranslation,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Status,
    Unsupported,
    explain,
)
from invoice_bridge.core.commands import Finalize, ListInvoices, Pay, Retrieve, Update, Void
from invoice_bridge.core.wire import Effect
from tests.providers.chargeapi.bench import MAY, Bench, may_charge, may_invoice

URL = "https://api.chargeapi.co/v1/invoices"
WINDOW = '"period_start":"2026-05-01T00:00:00.000Z","period_end":"2026-06-01T00:00:00.000Z"'
CURRENCIES = ("EUR", "JPY", "KWD", "ISK", "UGX", "CLP", "BHD")


def test_the_whole_create_request() -> None:
    """Opening a period invoice is this method, this URL, these headers and these bytes."""
    request = explain("chargeapi", may_invoice()).requests[1]
    assert (request.method, request.url) == ("POST", URL)
    assert dict(request.headers) == {
        "Charge-Version": "2026-03-01",
        "Content-Type": "application/json",
        # sha256 of [1,"create","chargeapi:","flt_42/2026-05","1","open"]
        "Idempotency-Key": "ib1-2a0a01864962d12c57b506f96ada27e97b755115b4dcaf3184f9ff85d5b3067d",
    }
    assert (
        request.content
        == (
            f'{{{WINDOW},"fleet":"flt_42","currency":"eur","metadata":{{"invoice_bridge_reference":"flt_42/2026-05"}}}}'
        ).encode()
    )
    assert request.effects == frozenset()


def test_the_look() -> None:
    """First comes the listing of the fleet, or of the account where there is none; it says what it is for."""
    look = explain("chargeapi", may_invoice()).requests[0]
    assert (look.method, look.url, look.effects) == ("GET", f"{URL}?fleet=flt_42&limit=100", frozenset())
    assert look.note == "lookup: was the reference billed before?"
    assert explain("chargeapi", may_charge(customer=None)).requests[0].url == f"{URL}?limit=100"
    assert explain("chargeapi", may_charge(), lookup="never").requests[0].method == "POST"


def test_the_requests_after_create() -> None:
    """What was opened is read once, then finalized: that issues, and may collect."""
    _, _, read, finalize = explain("chargeapi", may_invoice()).requests
    assert (read.method, read.url, read.content, read.key) == ("GET", f"{URL}/{{open.id}}", b"", None)
    assert dict(read.headers) == {"Charge-Version": "2026-03-01"}
    assert (finalize.method, finalize.url, finalize.content) == ("POST", f"{URL}/{{open.id}}/finalize", b"{}")
    # sha256 of [1,"create","chargeapi:","flt_42/2026-05","1","finalize"]
    assert finalize.key == "ib1-a5295269475fa6de127b90b24c1876223366196c62f40451c5ebe48f83dc9228"
    assert finalize.effects == {Effect.ISSUES, Effect.COLLECTS}
    assert "not confirmed" in finalize.note


@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_period_invoice_in_a_currency(currency: str) -> None:
    """A currency goes out in lower case, and no amount ever does."""
    request = explain("chargeapi", may_invoice(currency=currency)).requests[1]
    rest = (
        f'"fleet":"flt_42","currency":"{currency.lower()}","metadata":{{"invoice_bridge_reference":"flt_42/2026-05"}}'
    )
    assert request.content == f"{{{WINDOW},{rest}}}".encode()


@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_one_time_charge_in_a_currency(currency: str) -> None:
    """A charge sends the same words whatever its amount: ChargeAPI takes a window and a currency."""
    requests = explain("chargeapi", may_charge(amount=Money(123450, currency))).requests
    rest = f'"fleet":"flt_42","currency":"{currency.lower()}","metadata":{{"invoice_bridge_reference":"res-1"}}'
    assert requests[1].content == f"{{{WINDOW},{rest}}}".encode()
    assert not any(b"1234" in request.content for request in requests)


def test_a_currency_that_cannot_be_read_back_is_refused() -> None:
    """A withdrawn currency outside the table is refused before a draft exists."""
    plan = explain("chargeapi", may_invoice(currency="DEM"))
    assert isinstance(plan.refusal, Unsupported)
    assert plan.requests == ()


def test_every_field_that_is_carried() -> None:
    """Fleet, description and metadata go where the create page has them, the reference among the metadata."""
    command = may_invoice(
        customer=CustomerRef(ids={"chargeapi": "flt_9"}), description="Mai – Gebühren", metadata={"po": "7"}
    )
    content = explain("chargeapi", command).requests[1].content
    expected = (
        f'{{{WINDOW},"fleet":"flt_9","currency":"eur","description":"Mai – Gebühren",'
        '"metadata":{"po":"7","invoice_bridge_reference":"flt_42/2026-05"}}'
    )
    assert content == expected.encode()


def test_an_invoice_of_the_account_itself() -> None:
    """Without a customer no fleet is sent: the invoice is the account's own."""
    content = explain("chargeapi", may_invoice(customer=None)).requests[1].content
    expected = f'{{{WINDOW},"currency":"eur","metadata":{{"invoice_bridge_reference":"flt_42/2026-05"}}}}'
    assert content == expected.encode()


@pytest.mark.parametrize(
    "customer",
    [CustomerRef(email="a@example.test"), CustomerRef(name="A"), CustomerRef(id="x", ids={"stripe": "cus_1"})],
)
def test_a_customer_without_a_fleet_is_refused(customer: CustomerRef) -> None:
    """A name, an e-mail or another provider's id never falls through to an invoice of the whole account."""
    plan = explain("chargeapi", may_invoice(customer=customer))
    assert isinstance(plan.refusal, Unsupported)
    assert plan.requests == ()


def test_instants_have_exactly_three_decimals() -> None:
    """A window in Paris time goes out in UTC with milliseconds."""
    command = may_invoice(period=Period.month(2026, 5, tz="Europe/Paris"))
    content = explain("chargeapi", command).requests[1].content
    assert b'"period_start":"2026-04-30T22:00:00.000Z","period_end":"2026-05-31T22:00:00.000Z"' in content


def test_parts_of_a_millisecond_are_refused() -> None:
    """An instant that three decimals cannot hold is refused, never rounded."""
    command = may_invoice(period=Period(MAY.start + timedelta(microseconds=1), MAY.end))
    assert isinstance(explain("chargeapi", command).refusal, Unsupported)


def test_a_draft_is_opened_and_read() -> None:
    """draft=True stops before anything is issued."""
    requests = explain("chargeapi", may_invoice(draft=True), lookup="never").requests
    assert [(one.method, one.effects) for one in requests] == [("POST", frozenset()), ("GET", frozenset())]


def test_a_due_date_is_set_on_the_draft() -> None:
    """Collection.send sets the due date between the reading and the finalizing: both generations allow it then."""
    due = datetime(2026, 6, 30, 12, tzinfo=UTC)
    requests = explain("chargeapi", may_invoice(collection=Collection.send(due=due))).requests
    assert [(one.method, one.url, one.content) for one in requests[3:]] == [
        ("POST", f"{URL}/{{open.id}}", b'{"due_date":"2026-06-30T12:00:00.000Z"}'),
        ("POST", f"{URL}/{{open.id}}/finalize", b"{}"),
    ]


def test_a_number_of_days_is_refused() -> None:
    """ChargeAPI takes a due date; days would have to be counted from a date that it does not have."""
    plan = explain("chargeapi", may_invoice(collection=Collection.send(net_days=14)))
    assert isinstance(plan.refusal, Unsupported)
    assert "Collection.send(due=" in str(plan.refusal)


@pytest.mark.parametrize(
    "collection, content",
    [(Collection.charge(), b"{}"), (Collection.charge("pm_1"), b'{"payment_method":"pm_1"}')],
)
def test_a_charge_pays_last(collection: Collection, content: bytes) -> None:
    """Collection.charge pays after the last comparison, with the method where one is named."""
    request = explain("chargeapi", may_invoice(collection=collection)).requests[-1]
    assert (request.method, request.url, request.content) == ("POST", f"{URL}/{{open.id}}/pay", content)
    assert request.effects == {Effect.COLLECTS}


DUE = datetime(2026, 6, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "command, expected",
    [
        (Retrieve(id="inv_1"), [("GET", "/inv_1", b"")]),
        (Retrieve(id="../x"), [("GET", "/..%2Fx", b"")]),
        (Retrieve(id="a/b"), [("GET", "/a%2Fb", b"")]),
        (Finalize(id="inv_1"), [("POST", "/inv_1/finalize", b"{}"), ("GET", "/inv_1", b"")]),
        (Void(id="inv_1"), [("POST", "/inv_1/void", b"{}")]),
        (Pay(id="inv_1"), [("GET", "/inv_1", b""), ("POST", "/inv_1/pay", b"{}")]),
        (
            Pay(id="inv_1", expect=Money(2500, "JPY"), payment_method="pm_1"),
            [("GET", "/inv_1", b""), ("POST", "/inv_1/pay", b'{"payment_method":"pm_1"}')],
        ),
        (
            Update(id="inv_1", description="x", due_at=DUE),
            [("POST", "/inv_1", b'{"description":"x","due_date":"2026-06-30T12:00:00.000Z"}'), ("GET", "/inv_1", b"")],
        ),
        (
            Update(id="inv_1", metadata={"k": "v"}),
            [("GET", "/inv_1", b""), ("POST", "/inv_1", b'{"metadata":{"k":"v"}}'), ("GET", "/inv_1", b"")],
        ),
        (ListInvoices(), [("GET", "?limit=100", b"")]),
        (
            ListInvoices(customer=CustomerRef(id="flt_42"), status=Status.DRAFT, limit=3),
            [("GET", "?fleet=flt_42&limit=3&status=draft", b"")],
        ),
        (ListInvoices(status=Status.UNCOLLECTIBLE), [("GET", "?limit=100&status=uncollectible", b"")]),
        (ListInvoices(status=Status.OPEN), [("GET", "?limit=100", b"")]),
        (ListInvoices(status=Status.UNKNOWN, created_from=DUE), [("GET", "?limit=100", b"")]),
    ],
    ids=lambda value: value.verb if hasattr(value, "verb") else "",
)
def test_the_verbs_on_an_invoice(command: Any, expected: list[tuple[str, str, bytes]]) -> None:
    """Each verb sends exactly these requests; `open` is no filter, for an overdue invoice is open too."""
    plan = explain("chargeapi", command)
    assert plan.refusal is None
    assert [(one.method, one.url.removeprefix(URL), one.content) for one in plan.requests] == expected
    assert all(one.headers["Charge-Version"] == "2026-03-01" for one in plan.requests)
    assert all((one.key is not None) == (one.method == "POST") for one in plan.requests)


# ── what stops before anything is sent ───────────────────────────────────────────────────────────────────────────────
def test_a_one_time_charge_without_a_period_is_unsupported() -> None:
    """There is no amount to send: without a window nothing can be billed, and nothing leaves."""
    bench = Bench()
    with pytest.raises(Unsupported, match="accepts no amount"):
        bench.client.create(may_charge(period=None), allow=["amount"])
    assert bench.sent == []


LINES = [{"description": "Fees", "amount": Money(2500, "EUR")}]


@pytest.mark.parametrize(
    "command, allow, lost",
    [
        (may_charge(), ["amount"], ["amount"]),
        (may_charge(amount=None, lines=LINES), ["lines"], ["lines[].amount", "lines[].description"]),
        (may_charge(lines=LINES), ["amount", "lines"], ["amount", "lines[].amount", "lines[].description"]),
        (may_invoice(lines=LINES), ["lines"], ["lines[].amount", "lines[].description"]),
        (may_invoice(subscription="sub_1"), ["subscription"], ["subscription"]),
        (may_invoice(purchase_order="PO 7"), ["purchase_order"], ["purchase_order"]),
        (may_invoice(issued_at=DUE), ["issued_at"], ["issued_at"]),
        (may_invoice(collection=Collection.send(due=DUE)), ["collection"], ["collection.kind"]),
    ],
)
def test_what_must_be_allowed(command: OneTimeCharge | PeriodInvoice, allow: list[str], lost: list[str]) -> None:
    """What a command states and ChargeAPI does not carry stops it; allowed by the names the caller wrote, it goes."""
    bench = Bench()
    with pytest.raises(LossyTranslation) as caught:
        bench.client.create(command)
    refused = [loss.path for loss in caught.value.losses if loss.severity != "info"]
    assert refused == lost
    assert bench.sent == []
    assert bench.client.create(command, allow=allow).total == Money(2500, "EUR")


@pytest.mark.parametrize("command", [may_charge(), may_invoice(lines=LINES), may_invoice(subscription="sub_1")])
def test_money_is_never_covered_by_all(command: OneTimeCharge | PeriodInvoice) -> None:
    """ALL covers what warns, not what changes money."""
    with pytest.raises(LossyTranslation):
        Bench().client.create(command, allow=ALL)


def test_what_is_only_reported() -> None:
    """A plain period invoice goes without allowance, and says what it cannot promise."""
    found = Bench().client.create(may_invoice())
    assert [(loss.code, loss.severity) for loss in found.losses] == [
        ("IB-CHARGEAPI-CUSTOMER-01", "info"),
        ("IB-CHARGEAPI-COLLECTION-01", "info"),
        ("IB-CHARGEAPI-TAX-01", "info"),
    ]


def test_a_draft_does_not_remember_its_collection() -> None:
    """A draft that is to be charged says that ChargeAPI keeps no such thing."""
    command = may_invoice(draft=True, collection=Collection.charge("pm_1"), tax="provider")
    assert [loss.code for loss in explain("chargeapi", command).losses] == [
        "IB-CHARGEAPI-CUSTOMER-01",
        "IB-CHARGEAPI-COLLECTION-03",
        "IB-CHARGEAPI-COLLECTION-04",
    ]


@pytest.mark.parametrize(
    "metadata",
    [
        {"invoice_bridge_reference": "x"},
        {f"k{n}": "v" for n in range(50)},
        {"k" * 41: "v"},
        {"k": "v" * 501},
        {f"k{n}": "v" * 500 for n in range(41)},
    ],
    ids=["our key", "50 keys", "long key", "long value", "20 KB"],
)
def test_metadata_that_does_not_fit(metadata: dict[str, str]) -> None:
    """Metadata past the documented limits, or under our own key, is refused before anything is sent."""
    assert isinstance(explain("chargeapi", may_invoice(metadata=metadata)).refusal, Unsupported)


@pytest.mark.parametrize("verb", ["mark_paid", "mark_uncollectible", "delete", "send_invoice"])
def test_what_chargeapi_cannot_do(verb: str) -> None:
    """Verbs that no page documents raise Unsupported with a source, and nothing is sent."""
    bench = Bench()
    with pytest.raises(Unsupported) as caught:
        getattr(bench.client, verb)("inv_1")
    assert caught.value.source.startswith("docs.chargeapi.co/")
    assert bench.sent == []
