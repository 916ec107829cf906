"""Held against whop-sdk 2.6.0: its models take what we send and what the emulator answers; its wire is ours."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter
from whop_sdk import Whop
from whop_sdk.core.api_error import ApiError
from whop_sdk.environment import WhopEnvironment
from whop_sdk.invoices.types import CreateInvoicesRequest, UpdateInvoicesRequestPlan
from whop_sdk.types import Invoice as SdkInvoice
from whop_sdk.types import InvoiceListItem, Payment, Plan

from invoice_bridge import Client, Collection, CustomerRef, Line, Money, OneTimeCharge, Status, decode, explain
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.core.commands import (
    Command,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Refund,
    Retrieve,
    Update,
    Void,
)
from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Request
from invoice_bridge.providers.whop.emulator import WhopEmulator
from invoice_bridge.providers.whop.tables import MONEY

ROOT = "http://127.0.0.1:1"
DUE = datetime(2026, 12, 1, tzinfo=UTC)
REQUEST: TypeAdapter[Any] = TypeAdapter(CreateInvoicesRequest)


# ── the strict walk: the SDK's models are lax by themselves ──────────────────────────────────────────────────────────
def faults(value: Any, at: str = "$") -> Iterator[str]:
    """Keys that the model does not know, and words outside the literals of its annotations."""
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{at}.{name}: unknown"
        for name, field in type(value).model_fields.items():
            inner = getattr(value, name)
            words = literals(field.annotation)
            if isinstance(inner, str) and words and inner not in words:
                yield f"{at}.{name}: {inner} is not documented"
            yield from faults(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from faults(inner, f"{at}[{place}]")


def literals(annotation: Any) -> set[str]:
    found: set[str] = set()
    for inner in get_args(annotation):
        found |= {inner} if isinstance(inner, str) else literals(inner)
    return found


def strict(content: bytes) -> list[str]:
    body = loads(content)
    found = list(faults(REQUEST.validate_python(body)))
    if ("member_id" in body) == ("email_address" in body) and not body.get("save_as_draft"):
        found.append("$: not exactly one kind of customer")
    if sum(item["unit_price"] * item["quantity"] for item in body["line_items"]) != body["plan"]["initial_price"]:
        found.append("$.line_items: they do not add up")
    return found


def test_the_walk_sees_what_the_models_let_pass() -> None:
    """A bogus currency, an unknown key and an unknown method each are reported: the oracle is not blind."""
    body = {
        "company_id": "biz_42",
        "account_id": "biz_42",
        "collection_method": "by_pigeon",
        "product": {"title": "x"},
        "plan": {"currency": "USD", "expiration": 1},
    }
    assert {
        "$.company_id: unknown",
        "$.collection_method: by_pigeon is not documented",
        "$.plan.currency: USD is not documented",
        "$.plan.expiration: unknown",
    } == set(faults(REQUEST.validate_python(body)))


words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=instant.microsecond // 1000 * 1000)
)


@st.composite
def bills(draw: st.DrawFn) -> OneTimeCharge:
    currency = draw(st.sampled_from(sorted(MONEY.currencies)))
    lines = tuple(
        Line(description=draw(st.none() | words), quantity=quantity, unit_amount=Money(unit, currency))
        for quantity, unit in draw(
            st.lists(
                st.tuples(st.integers(1, 1000).map(Decimal), st.integers(0, 10**9)),
                min_size=1,
                max_size=12,
            )
        )
    )
    how = draw(
        st.builds(lambda due: Collection.send(due=due), instants)
        | st.builds(lambda days: Collection.send(net_days=days), st.integers(0, 365))
        | st.just(Collection.charge("pmt_42"))
    )
    return OneTimeCharge(
        reference=draw(words.filter(str.isprintable)),
        customer=draw(st.just(CustomerRef(id="mber_42")) | st.just(CustomerRef(email="a@example.test", name="A"))),
        lines=lines,
        description=draw(st.none() | words),
        issued_at=draw(instants),
        collection=how,
        draft=draw(st.booleans()),
    )


@pytest.mark.proves("whop", "one_time_charge", "oracle")
@given(bills(), st.sampled_from([None, "prod_42"]))
def test_the_sdk_accepts_every_bill(command: OneTimeCharge, product: str | None) -> None:
    """For every bill: the SDK's request model reads our JSON, and finds no unknown key and no undocumented word."""
    plan = explain("whop", command, lookup="never", account_id="biz_42", product_id=product)
    assert plan.refusal is None
    assert not strict(plan.requests[0].content)


@given(bills())
def test_the_emulator_accepts_every_bill_and_answers_in_the_sdks_models(command: OneTimeCharge) -> None:
    """For every bill: the emulator bills the exact amount, and the SDK's models read its invoice, plan and payment."""
    emulator = WhopEmulator(switches={"methods_of_members": False})
    with httpx.Client(transport=EmulatorTransport(emulator)) as http:
        billing = Client("whop", api_key=emulator.key, account_id="biz_42", base_url=ROOT, http=http, lookup="never")
        allow = ["issued_at"] if command.draft or command.collection.due else []
        found = billing.create(command, allow=[*allow, "tax"])
        assert command.total == found.subtotal
        assert command.reference == found.reference
        headers = {"Authorization": f"Bearer {emulator.key}", "Api-Version-Date": "2026-10-15-1"}
        whole = http.get(f"{ROOT}/invoices/{found.id}", headers=headers).content
        page = http.get(f"{ROOT}/invoices", params={"account_id": "biz_42"}, headers=headers).json()
    assert found.id == SdkInvoice.model_validate_json(whole).id
    assert [found.id] == [InvoiceListItem.model_validate(item).id for item in page["data"]]
    assert len([Plan.model_validate(_floats(plan)) for plan in emulator.plans.values()]) == 1
    assert len([Payment.model_validate(payment) for payment in emulator.payments.values()]) == len(emulator.payments)


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _floats(inner) for name, inner in value.items()}
    return float(value) if isinstance(value, Decimal) else value


# ── the SDK's own wire ───────────────────────────────────────────────────────────────────────────────────────────────
def sent_by_the_sdk(call: Callable[[Whop], Any]) -> httpx.Request:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(400, json={"error": {"type": "bad_request", "message": "enough"}})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http, pytest.raises(ApiError):
        call(_sdk(http, "https://api.whop.com/api/v1"))
    return seen[0]


def _sdk(http: httpx.Client, api: str) -> Whop:
    environment = WhopEnvironment(api=api, vault="http://127.0.0.1:1/vault")
    return Whop(environment=environment, token="whop_test_not_a_key", max_retries=0, httpx_client=http)


def ours(command: Command, place: int = 0) -> Request:
    plan = explain("whop", command, lookup="never", account_id="biz_42")
    assert plan.refusal is None
    return plan.requests[place]


BILL = OneTimeCharge(
    reference="r-1",
    customer="mber_42",
    lines=(
        Line(description="Seats", quantity=Decimal(3), unit_amount=Money(500, "EUR")),
        Line(description="Credit", amount=Money(-1, "EUR")),
    ),
    description="Fees",
    collection=Collection.send(due=DUE),
)
SDK_BILL: dict[str, Any] = {
    "account_id": "biz_42",
    "collection_method": "send_invoice",
    "product": {"title": "Fees"},
    "plan": {
        "plan_type": "one_time",
        "initial_price": 14.99,
        "currency": "eur",
        "description": "Fees",
        "internal_notes": "r-1",
    },
    "line_items": [
        {"label": "Seats", "unit_price": 5, "quantity": 3},
        {"label": "Credit", "unit_price": -0.01, "quantity": 1},
    ],
    "member_id": "mber_42",
    "due_date": DUE,
    "save_as_draft": False,
    "charge_buyer_fee": False,
}
PAIRS: list[tuple[Command, int, Callable[[Whop], Any]]] = [
    (BILL, 0, lambda sdk: sdk.invoices.create(request=REQUEST.validate_python(SDK_BILL))),
    (BILL, 1, lambda sdk: sdk.plans.retrieve("{plan.id}")),
    (Retrieve(id="inv_1"), 0, lambda sdk: sdk.invoices.retrieve("inv_1")),
    (MarkPaid(id="inv_1"), 1, lambda sdk: sdk.invoices.mark_paid("inv_1")),
    (Void(id="inv_1"), 0, lambda sdk: sdk.invoices.void("inv_1")),
    (MarkUncollectible(id="inv_1"), 0, lambda sdk: sdk.invoices.mark_uncollectible("inv_1")),
    (
        Update(id="inv_1", description="New", due_at=DUE),
        0,
        lambda sdk: sdk.invoices.update("inv_1", plan=UpdateInvoicesRequestPlan(description="New"), due_date=DUE),
    ),
    (
        Refund(id="inv_1", amount=Money(999, "EUR"), reason="late", reference="rf-1"),
        3,
        lambda sdk: sdk.payments.refund(
            "{payment.id}",
            metadata={"invoice_bridge_reference": "rf-1", "invoice_bridge_reason": "late"},
            partial_amount=9.99,
        ),
    ),
    (
        Refund(id="inv_1", reference="rf-1"),
        3,
        lambda sdk: sdk.payments.refund("{payment.id}", metadata={"invoice_bridge_reference": "rf-1"}),
    ),
    (
        Refund(id="inv_1", reference="rf-1"),
        2,
        lambda sdk: sdk.refunds.list(account_id="biz_42", payment_id="{payment.id}", first=100),
    ),
    (
        ListInvoices(status=Status.PAID, cursor="abc"),
        0,
        lambda sdk: sdk.invoices.list(
            account_id="biz_42", first=100, order="created_at", direction="desc", after="abc", statuses=["paid"]
        ),
    ),
]


@pytest.mark.proves("whop", "*", "oracle")
@pytest.mark.parametrize("command, place, call", PAIRS)
def test_the_sdk_sends_what_we_send(command: Command, place: int, call: Callable[[Whop], Any]) -> None:
    """Method, path, query, version and JSON tree agree; pinned: the SDK leaves out the milliseconds .000."""
    theirs, own = sent_by_the_sdk(call), ours(command, place)
    url = httpx.URL(own.url)
    assert (theirs.method, theirs.url.path) == (own.method, url.path)
    assert dict(theirs.url.params) == dict(url.params)
    assert theirs.headers["api-version-date"] == own.headers["Api-Version-Date"]
    expected = loads(theirs.content) if theirs.content else None
    if expected and "due_date" in expected:
        assert expected["due_date"] == "2026-12-01T00:00:00Z"
        expected["due_date"] = "2026-12-01T00:00:00.000Z"
    assert expected == (loads(own.content) if own.content else None)


def test_defect_24_the_sdk_retries_a_create_without_a_key_and_we_never_send_one() -> None:
    """Every POST of ours carries an idempotency key; the SDK's carries none."""
    assert ours(BILL).key is not None
    assert "idempotency-key" not in sent_by_the_sdk(PAIRS[0][2]).headers


# ── the SDK as a client of the emulator ──────────────────────────────────────────────────────────────────────────────
def test_the_sdk_works_against_the_emulator() -> None:
    """Pointed at the emulator, the official client creates, lists, reads and voids; decode reads its objects."""
    emulator = WhopEmulator()
    with httpx.Client(transport=EmulatorTransport(emulator)) as http:
        sdk = _sdk(http, f"{ROOT}/api/v1")
        made = sdk.invoices.create(request=REQUEST.validate_python(SDK_BILL))
        listed = list(sdk.invoices.list(account_id="biz_42"))
        read = sdk.invoices.retrieve(made.id)
        plan = sdk.plans.retrieve(read.current_plan.id)
        assert sdk.invoices.void(made.id) is True
    assert [made.id] == [item.id for item in listed]
    assert (plan.initial_price_due.amount, plan.internal_notes) == ("14.99", "r-1")
    found = decode("whop", read)
    assert (Status.OPEN, Money(1499, "EUR"), DUE) == (found.status, found.subtotal, found.due_at)
    assert found.lines_complete
    assert decode("whop", listed[0]).subtotal == Money(1499, "EUR")


def test_the_sdk_refunds_against_the_emulator() -> None:
    """The official client refunds a part and lists it; its models take every answer, and nothing in them is unknown."""
    emulator = WhopEmulator()
    charged = SDK_BILL | {"collection_method": "charge_automatically", "payment_method_id": "pmt_42"}
    with httpx.Client(transport=EmulatorTransport(emulator)) as http:
        sdk = _sdk(http, f"{ROOT}/api/v1")
        made = sdk.invoices.create(request=REQUEST.validate_python(charged))
        assert made.payment is not None
        payment = sdk.payments.refund(made.payment.id, partial_amount=4.99, metadata={"k": "v"})
        refunds = list(sdk.refunds.list(account_id="biz_42", payment_id=payment.id))
    assert payment.refunded_amount is not None
    assert (payment.refunded_amount.amount, payment.refundable) == ("4.99", True)
    assert [(row.status, row.amount and row.amount.amount, row.metadata) for row in refunds] == [
        ("succeeded", "4.99", {"k": "v"})
    ]
    assert [fault for row in (payment, *refunds) for fault in faults(row)] == []
