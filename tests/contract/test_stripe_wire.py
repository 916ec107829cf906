"""The official SDK as an oracle: given the same parameters, it sends the bytes that we send.

Where the two differ on purpose, the difference is pinned below with its reason.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import stripe
from hypothesis import example, given
from hypothesis import strategies as st

from invoice_bridge import (
    Collection,
    Command,
    Credit,
    CustomerRef,
    Discount,
    Finalize,
    Line,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Money,
    OneTimeCharge,
    Pay,
    Period,
    PeriodInvoice,
    RecordPayment,
    Refund,
    Retrieve,
    SendInvoice,
    Status,
    TaxRate,
    Update,
    Void,
)
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.explain import make_context
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.providers.stripe.tables import MONEY
from tests import strategies

KEY = "sk_test_not_a_key"


@dataclass
class Captured:
    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes


class Capture(stripe.HTTPClient):
    """Sends nothing; keeps what would have been sent."""

    name = "capture"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Captured] = []

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, *, _usage: Any = None) -> Any:
        content = post_data.encode() if isinstance(post_data, str) else post_data or b""
        self.sent.append(Captured(method.upper(), url, {k.lower(): v for k, v in headers.items()}, content))
        return '{"id": "in_1", "object": "invoice"}', 200, {}

    def close(self) -> None:
        self.sent.clear()


@dataclass
class Sdk:
    """What the SDK sends for one of our requests: the same call, the same parameters, the same key."""

    capture: Capture = field(default_factory=Capture)
    account: str | None = None

    def twin(self, ours: Request) -> Captured:
        client = stripe.StripeClient(KEY, http_client=self.capture, stripe_account=self.account)
        service, (_, _, *path) = client.v1.invoices, urlsplit(ours.url).path.split("/")
        options: Any = {"idempotency_key": ours.key} if ours.key else {}
        params: Any = ours.body if ours.writes else nested(ours.url)
        calls: dict[str, Any] = {
            "add_lines": service.add_lines,
            "finalize": service.finalize_invoice,
            "pay": service.pay,
            "send": service.send_invoice,
            "void": service.void_invoice,
            "mark_uncollectible": service.mark_uncollectible,
            "attach_payment": service.attach_payment,
        }
        money: dict[tuple[str, ...], Any] = {
            ("GET", "invoice_payments"): client.v1.invoice_payments.list,
            ("GET", "payment_records"): client.v1.payment_records.list,
            ("POST", "payment_records", "report_payment"): client.v1.payment_records.report_payment,
            ("POST", "payment_intents"): client.v1.payment_intents.create,
            ("GET", "refunds"): client.v1.refunds.list,
            ("POST", "refunds"): client.v1.refunds.create,
            ("GET", "credit_notes"): client.v1.credit_notes.list,
            ("POST", "credit_notes"): client.v1.credit_notes.create,
        }
        if (ours.method, *path) in money:
            money[ours.method, *path](params, options)
            return self.capture.sent[-1]
        match ours.method, path:
            case "POST", ["payment_intents", intent_id, "confirm"]:
                client.v1.payment_intents.confirm(intent_id, params, options)
            case "POST", ["invoices"]:
                service.create(params, options)
            case "GET", ["invoices"]:
                service.list(params, options)
            case "GET", ["customers", customer_id]:
                client.v1.customers.retrieve(customer_id, params or None, options)
            case "GET", ["invoiceitems"]:
                client.v1.invoice_items.list(params, options)
            case "GET", ["invoice_payments"]:
                client.v1.invoice_payments.list(params, options)
            case "GET", ["credit_notes"]:
                client.v1.credit_notes.list(params, options)
            case "GET", ["invoices", invoice_id]:
                service.retrieve(invoice_id, params or None, options)
            case "POST", ["invoices", invoice_id]:
                service.update(invoice_id, params, options)
            case "POST", ["invoices", invoice_id, action]:
                calls[action](invoice_id, params, options)
            case _:
                raise AssertionError(ours.url)
        return self.capture.sent[-1]


def nested(url: str) -> dict[str, Any]:
    """The parameters of a query, as the SDK takes them."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(urlsplit(url).query):
        first, _, inner = name.removesuffix("]").partition("[")
        if inner.isdecimal():
            found.setdefault(first, []).append(value)
        elif inner:
            found.setdefault(first, {})[inner] = value
        else:
            found[first] = value
    return found


def requests(command: Command, **settings: Any) -> Iterator[Request]:
    """What a command sends, its own specimens answering, "in_1" in place of the placeholder.

    Below the minimum charge too: that check is not about what is sent.
    """
    context = replace(make_context(STRIPE, settings).on(command), allowed=frozenset({"minimum"}))
    flow = STRIPE.flow(command, context)
    request = next(flow)
    while True:
        yield request
        specimen = dumps(request.specimen).replace(b"{open.id}", b"in_1").replace(b"{item.id}", b"ii_1")
        specimen = re.sub(rb"\{([a-z]+(?:_\d+)?)\.[a-z_]+\}", rb"\1_1", specimen)
        try:
            request = flow.send(Response(200, specimen, provider="stripe"))
        except StopIteration:
            return


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The SDK would write an id of this machine into the home directory and send it along."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(stripe, "enable_telemetry", False)


def bare_brackets(content: bytes) -> bytes:
    """Pinned: the SDK turns encoded brackets back to make its strings easier to read; both decode alike."""
    return content.replace(b"%5B", b"[").replace(b"%5D", b"]")


def same(ours: Request, theirs: Captured) -> None:
    assert ours.method == theirs.method
    assert urlsplit(ours.url)[:3] == urlsplit(theirs.url)[:3]
    assert parse_qsl(urlsplit(ours.url).query) == parse_qsl(urlsplit(theirs.url).query)
    assert bare_brackets(ours.content) == theirs.content
    assert parse_qsl(ours.content.decode(), True) == parse_qsl(theirs.content.decode(), True)
    ignored = {"authorization", "user-agent", "x-stripe-client-user-agent"}
    their_headers = {name: value for name, value in theirs.headers.items() if name not in ignored}
    our_headers = {name.lower(): value for name, value in ours.headers.items()}
    if ours.method == "POST" and not ours.content:
        their_headers.pop("content-type")  # pinned: the SDK types an empty body, we do not
    assert our_headers == their_headers


# ── generated commands ───────────────────────────────────────────────────────────────────────────────────────────────
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
keys = st.text(st.characters(codec="utf-8", exclude_characters="[]\x00"), min_size=1, max_size=20).filter(
    lambda key: key != "invoice_bridge_reference"
)


@st.composite
def amounts(draw: st.DrawFn, currency: str) -> Money:
    """An amount that Stripe can carry."""
    step = MONEY.multiple_of.get(currency, 1)
    return MONEY.from_units(draw(st.integers(0, 10**8)) * step, currency)


@st.composite
def lines(draw: st.DrawFn, currency: str) -> Line:
    said: dict[str, Any] = {
        "description": draw(st.none() | texts),
        "period": draw(st.none() | strategies.periods),
        "product": draw(st.none() | st.just("prod_42")),
        "price": draw(st.none() | st.just("price_42")),
    }
    if draw(st.booleans()):
        return Line(amount=draw(amounts(currency)), **said)
    quantity = draw(st.integers(0, 99) | st.sampled_from([Decimal("1.5"), Decimal("0.25"), Decimal("2.0")]))
    hundreds = draw(st.integers(0, 1000)) * 100 * MONEY.multiple_of.get(currency, 1)
    return Line(quantity=quantity, unit_amount=MONEY.from_units(hundreds, currency), **said)


rates = st.lists(
    st.builds(TaxRate, name=strategies.words, rate=st.sampled_from(["19", "7.5", "8.8875", "0", "100"])),
    min_size=1,
    max_size=3,
) | st.just([TaxRate(name="VAT", rate=20, inclusive=True)])


def taxed(line: Line, stated: list[TaxRate]) -> Line:
    """The line with taxes of its own."""
    return Line(**{**{name: getattr(line, name) for name in type(line).model_fields}, "taxes": stated})


def discount(currency: str) -> Discount:
    """The least discount that there is."""
    return Discount(name="Less", code="LESS", amount=Money(1, currency))


@st.composite
def bills(draw: st.DrawFn) -> OneTimeCharge | PeriodInvoice:
    """Any bill that Stripe can carry, in every class of currency."""
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD", "ISK", "UGX", "CLP", "BHD", "RWF", "MGA"]))
    said: dict[str, Any] = {
        "reference": draw(strategies.words),
        "customer": CustomerRef(id=draw(st.sampled_from(["cus_42", "cus/7", "a b"]))),
        "description": draw(st.none() | texts),
        "purchase_order": draw(st.none() | strategies.words),
        "metadata": draw(st.dictionaries(keys, texts, max_size=3)),
        "issued_at": draw(st.none() | strategies.instants),
        "collection": draw(strategies.collections),
        "subscription": draw(st.none() | st.just("sub_42")),
        "tax": draw(st.sampled_from(["none", "provider"])),
        "draft": draw(st.booleans()),
        "attempt": draw(st.integers(1, 3)),
    }
    if currency in {"EUR", "JPY", "CLP", "RWF"}:  # elsewhere a tax of a few units cannot be carried
        said |= draw(st.sampled_from([{}, {"tax": draw(rates)}, {"tax": "none", "discounts": [discount(currency)]}]))
    rows = tuple(draw(st.lists(lines(currency), min_size=1, max_size=5)))
    if currency in {"EUR", "JPY", "CLP", "RWF"} and said["tax"] == "none":
        stated = [draw(st.just([]) | rates) for _ in rows]
        rows = tuple(taxed(row, taxes) for row, taxes in zip(rows, stated, strict=True))
        if any(stated):
            said.pop("discounts", None)
    if not any(row.amount for row in rows):
        said.pop("discounts", None)
    if draw(st.booleans()):
        return PeriodInvoice(currency=currency, period=draw(strategies.periods), lines=rows, **said)
    if draw(st.booleans()):
        return OneTimeCharge(lines=rows, period=draw(st.none() | strategies.periods), **said)
    amount = draw(amounts(currency))
    if not amount:
        said.pop("discounts", None)
    return OneTimeCharge(amount=amount, **said)


@pytest.mark.proves("stripe", "one_time_charge", "oracle")
@pytest.mark.proves("stripe", "period_invoice", "oracle")
@given(command=bills())
@example(command=OneTimeCharge(reference="0", customer="cus_42", amount=Money(1, "EUR")))  # below the minimum charge
def test_a_bill_goes_out_as_the_sdk_sends_it(command: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill: the same method, URL, form bytes, idempotency key and version, request by request."""
    sdk, seen = Sdk(), 0
    for ours in requests(command):
        same(ours, sdk.twin(ours))
        seen += 1
    assert seen == 2 + (not command.draft) * (1 + (command.collection.kind != "manual"))


FIVE, PAID_AT = Money(500, "USD"), datetime(2026, 6, 1, tzinfo=UTC)
MONEY_VERBS: list[Command] = [
    Pay(id="in_1", amount=FIVE, reference="part 1", payment_method="pm_7"),
    RecordPayment(id="in_1", amount=FIVE, at=PAID_AT, reference="wire 7", method="bank transfer"),
    RecordPayment(id="in_1", amount=FIVE, at=PAID_AT, reference="wire 8"),
    Refund(id="in_1", amount=FIVE, reference="re 1", reason="duplicate"),
    Refund(id="in_1", reference="re 2", reason="the room was closed", expect=FIVE),
    Credit(id="in_1", amount=FIVE, reference="cn 1", reason="order_change"),
    Credit(
        id="in_1",
        lines=(Line(id="il_1", amount=FIVE), Line(description="Goodwill", amount=FIVE)),
        reference="cn 2",
        reason="as agreed",
    ),
]
MAY = PeriodInvoice(reference="may", customer="cus_42", currency="EUR", period=Period.month(2026, 5))


@pytest.mark.proves("stripe", "*", "oracle")
@pytest.mark.parametrize(
    "command",
    [
        MAY,
        Retrieve(id="in_1"),
        Finalize(id="in_1"),
        Pay(id="in_1"),
        Pay(id="in_1", payment_method="pm_7"),
        MarkPaid(id="in_1"),
        Void(id="in_1"),
        MarkUncollectible(id="in_1"),
        SendInvoice(id="in_1"),
        Update(id="in_1", description="é & ~", due_at=datetime(2026, 6, 1, tzinfo=UTC), metadata={"a b": "", "c": "d"}),
        *MONEY_VERBS,
        ListInvoices(limit=7, cursor="in_9"),
        ListInvoices(
            status=Status.OPEN,
            customer=CustomerRef(id="cus_42"),
            created_from=datetime(2026, 5, 1, tzinfo=UTC),
            created_to=datetime(2026, 6, 1, tzinfo=UTC),
        ),
    ],
    ids=lambda command: command.verb,
)
def test_a_verb_goes_out_as_the_sdk_sends_it(command: Command) -> None:
    """The verbs on an invoice, what is read before them, and the listing."""
    sdk = Sdk()
    for ours in requests(command):
        same(ours, sdk.twin(ours))
    assert sdk.capture.sent


def test_a_connected_account_goes_out_as_the_sdk_sends_it() -> None:
    """Stripe-Account stands in every request, as the SDK's option puts it there."""
    sdk = Sdk(account="acct_1")
    for ours in requests(MAY, account="acct_1"):
        assert ours.headers["Stripe-Account"] == "acct_1"
        same(ours, sdk.twin(ours))


def test_the_versions_agree() -> None:
    """The version that we pin is the SDK's."""
    assert STRIPE.api_version == stripe.api_version == "2026-10-28.endive"


# ── pinned differences ───────────────────────────────────────────────────────────────────────────────────────────────
def test_pinned_tiny_decimals() -> None:
    """The SDK writes str(Decimal), so 0.0000001 becomes 1E-7; we write plain digits."""
    line = Line(quantity=Decimal("0.0000001"), unit_amount=Money(10**9, "EUR"))
    ours = list(requests(OneTimeCharge(reference="r", customer="cus_42", lines=(line,))))[1]
    theirs = Sdk().twin(ours)
    assert b"%5Bquantity_decimal%5D=0.0000001" in ours.content
    assert bare_brackets(ours.content).replace(b"=0.0000001", b"=1E-7") == theirs.content


@pytest.mark.parametrize(
    "odd,ours,theirs",
    [("a/b", "a%2Fb", "a%2Fb"), ("..", "%2E%2E", ".."), ("a b", "a%20b", "a+b"), ("a~b", "a~b", "a~b")],
)
def test_pinned_odd_ids(odd: str, ours: str, theirs: str) -> None:
    """The SDK leaves dots, so that ".." climbs up, and writes a space as +, which in a path is a plus."""
    capture = Capture()
    stripe.StripeClient(KEY, http_client=capture).v1.invoices.retrieve(odd)
    assert capture.sent[0].url == f"https://api.stripe.com/v1/invoices/{theirs}"
    assert next(requests(Retrieve(id=odd))).url == f"https://api.stripe.com/v1/invoices/{ours}"


def test_pinned_naive_datetimes() -> None:
    """The SDK encodes a datetime without a zone in the machine's own; ours are aware before they get here."""
    capture = Capture()
    service = stripe.StripeClient(KEY, http_client=capture).v1.invoices
    naive: Any = datetime(2026, 5, 1)
    service.create({"customer": "cus_42", "due_date": naive})
    assert capture.sent[0].content == f"customer=cus_42&due_date={int(naive.timestamp())}".encode()
    with pytest.raises(ValueError, match="no time zone"):
        Collection.send(due=naive)


def test_pinned_random_keys() -> None:
    """Left alone, the SDK makes up a key per call, which protects no second process; ours derives."""
    capture = Capture()
    service = stripe.StripeClient(KEY, http_client=capture).v1.invoices
    for _ in range(2):
        service.create({"customer": "cus_42"})
    assert capture.sent[0].headers["idempotency-key"] != capture.sent[1].headers["idempotency-key"]
    assert [r.key for r in requests(MAY)] == [r.key for r in requests(MAY)]
