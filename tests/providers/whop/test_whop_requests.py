"""What goes to Whop, byte by byte: absolute values, never round trips."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest
from whop_sdk.types.currencies import Currencies

from invoice_bridge import (
    Collection,
    ConfigurationError,
    CustomerRef,
    Line,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Unsupported,
    explain,
    losses,
)
from invoice_bridge.core.commands import Command, ListInvoices, MarkPaid, Retrieve, Update, Void
from invoice_bridge.core.exact import loads
from invoice_bridge.core.model import Status
from invoice_bridge.core.wire import Effect, Request
from invoice_bridge.providers.whop import WHOP
from invoice_bridge.providers.whop.tables import MONEY, pin

DUE = datetime(2026, 12, 1, tzinfo=UTC)
SEND = Collection.send(due=DUE)


def requests(command: Command, **settings: Any) -> tuple[Request, ...]:
    plan = explain("whop", command, **{"account_id": "biz_42", "lookup": "never", **settings})
    if plan.refusal is not None:
        raise plan.refusal
    return plan.requests


def first(command: Command, **settings: Any) -> Request:
    return requests(command, **settings)[0]


def charge(amount: str, currency: str, **fields: Any) -> OneTimeCharge:
    fields = {"customer": "mber_42", "collection": SEND, "description": "Fees", **fields}
    return OneTimeCharge(reference="r-1", amount=Money.parse(amount, currency), **fields)


def period(amount: str, currency: str, **fields: Any) -> PeriodInvoice:
    line = Line(description="May", amount=Money.parse(amount, currency))
    fields = {"customer": "mber_42", "collection": SEND, "lines": (line,), **fields}
    return PeriodInvoice(reference="r-2", period=Period.month(2026, 5), currency=currency, **fields)


def charge_body(number: str, currency: str) -> bytes:
    return (
        '{"account_id":"biz_42","collection_method":"send_invoice","product":{"title":"Fees"},'
        f'"plan":{{"plan_type":"one_time","initial_price":{number},"currency":"{currency}","description":"Fees",'
        '"internal_notes":"r-1"},'
        f'"line_items":[{{"label":"Fees","unit_price":{number},"quantity":1}}],"member_id":"mber_42",'
        '"due_date":"2026-12-01T00:00:00.000Z","save_as_draft":false,"charge_buyer_fee":false}'
    ).encode()


def period_body(number: str, currency: str) -> bytes:
    return (
        '{"account_id":"biz_42","collection_method":"send_invoice","product":{"title":"r-2"},'
        f'"plan":{{"plan_type":"one_time","initial_price":{number},"currency":"{currency}","internal_notes":"r-2"}},'
        f'"line_items":[{{"label":"May","unit_price":{number},"quantity":1}}],"member_id":"mber_42",'
        '"due_date":"2026-12-01T00:00:00.000Z","save_as_draft":false,"charge_buyer_fee":false}'
    ).encode()


VECTORS = [
    ("19.99", "EUR", "19.99"),
    ("20", "EUR", "20"),
    ("19.90", "EUR", "19.90"),
    ("499", "USD", "499"),
    ("4.99", "USD", "4.99"),
    ("500", "JPY", "500"),
    ("1.234", "KWD", "1.234"),
    ("5", "KWD", "5"),
    ("7990", "CLP", "7990"),
    ("2.500", "BHD", "2.500"),
    ("90071992547409.93", "EUR", "90071992547409.93"),
]


@pytest.mark.parametrize("amount, currency, number", VECTORS)
def test_a_one_time_charge_is_one_post_of_major_units(amount: str, currency: str, number: str) -> None:
    """Whop's numbers are major units, written with the digits that were meant."""
    request = first(charge(amount, currency))
    assert (request.method, request.url) == ("POST", "https://api.whop.com/api/v1/invoices")
    assert charge_body(number, currency.lower()) == request.content


@pytest.mark.parametrize("amount, currency, number", VECTORS)
def test_a_period_invoice_with_lines_is_the_same_post(amount: str, currency: str, number: str) -> None:
    """A rated period bills its lines as a one-time plan, never as a subscription."""
    assert period_body(number, currency.lower()) == first(period(amount, currency)).content


@pytest.mark.parametrize("currency", ["ISK", "UGX", "LYD", "HRK", "XAF"])
@pytest.mark.parametrize("bill", [charge, period])
def test_a_currency_outside_the_documented_list_is_refused(bill: Any, currency: str) -> None:
    """ISK and UGX are no value of Whop's currency enum, so they are refused before anything is sent."""
    with pytest.raises(Unsupported, match=f"Whop does not list {currency}"):
        first(bill("500", currency))


def test_the_currencies_are_those_of_the_sdk() -> None:
    """The table lists exactly the ISO codes of the SDK's enum of 90; the other six are coins and metal."""
    documented = set(get_args(get_args(Currencies)[0]))
    assert len(documented) == 90
    assert {"ape", "btc", "eth", "usdt", "whop_usd", "xau"} == documented - {code.lower() for code in MONEY.currencies}
    assert MONEY.currencies <= {code.upper() for code in documented}


def test_headers_carry_version_and_key_and_no_credential() -> None:
    """Every request names its version; a POST names its idempotency key, which is the same for the same reference."""
    request = first(charge("20", "EUR"))
    assert dict(request.headers) == {
        "Api-Version-Date": "2026-10-15-1",
        "Content-Type": "application/json",
        "Idempotency-Key": "ib1-c55d0fbc333acb30f91bd691436d5d958910b9542b2d330bee67719daceb1dad",
    }
    assert request.key == request.headers["Idempotency-Key"]
    assert first(charge("21", "EUR")).key == request.key
    assert first(charge("20", "EUR", attempt=2)).key != request.key
    assert first(charge("20", "EUR"), account_id="biz_43").key != request.key


# ── collection and customer ──────────────────────────────────────────────────────────────────────────────────────────
def body(command: Command, **settings: Any) -> dict[str, Any]:
    found = loads(first(command, **settings).content)
    assert isinstance(found, dict)
    return found


def test_sending_mails_and_charging_collects() -> None:
    """The effects say what Whop does at once: it mails, or it collects; a draft does neither."""
    assert {Effect.ISSUES, Effect.MAILS} == first(charge("20", "EUR")).effects
    assert {Effect.ISSUES, Effect.COLLECTS} == first(
        charge("20", "EUR", collection=Collection.charge("pmt_42"), issued_at=DUE)
    ).effects
    assert not first(charge("20", "EUR", draft=True)).effects
    assert not first(charge("20", "EUR", draft=True, collection=Collection.charge("pmt_42"))).effects


def test_charging_names_the_payment_method() -> None:
    """Defect 65: charge_automatically goes with the payment method and a due date, which is the issue date."""
    dated = body(charge("20", "EUR", collection=Collection.charge("pmt_42"), issued_at=DUE))
    assert (dated["collection_method"], dated["payment_method_id"]) == ("charge_automatically", "pmt_42")
    assert dated["due_date"] == "2026-12-01T00:00:00.000Z"
    with pytest.raises(Unsupported, match="requires a due date on every invoice that is not a draft"):
        body(charge("20", "EUR", collection=Collection.charge("pmt_42")))
    assert "due_date" not in body(charge("20", "EUR", collection=Collection.charge("pmt_42"), draft=True))


@pytest.mark.parametrize(
    "description,reference,title",
    [("Fees", "r-1", "Fees"), ("x" * 80, "r-1", "x" * 80), ("x" * 81, "r-1", "r-1"), (None, "r" * 81, "Invoice")],
)
def test_defect_65_a_products_title_has_80_characters_at_most(
    description: str | None, reference: str, title: str
) -> None:
    """Defect 65: the title is the description where it fits, else the reference; the plan carries both whole."""
    sent = body(charge("20", "EUR", description=description).model_copy(update={"reference": reference}))
    assert sent["product"]["title"] == title
    assert (sent["plan"].get("description"), sent["plan"]["internal_notes"]) == (description, reference)


@pytest.mark.parametrize("collection", [Collection.charge(), Collection.charge("payt_42")])
def test_charging_without_a_payment_method_is_refused(collection: Collection) -> None:
    """Whop has no default payment method to fall back on, and a token is not one."""
    with pytest.raises(Unsupported, match="names"):
        first(charge("20", "EUR", collection=collection))


def test_manual_collection_needs_a_draft() -> None:
    """Whop mails or charges whatever is not a draft, so nobody is surprised: it is refused."""
    with pytest.raises(Unsupported, match="mails or charges every invoice that is not a draft"):
        first(charge("20", "EUR", collection=Collection.manual()))
    draft = body(charge("20", "EUR", collection=Collection.manual(), draft=True))
    assert (draft["save_as_draft"], draft["collection_method"]) == (True, "send_invoice")
    assert "due_date" not in draft


def test_net_days_count_from_the_issue_date_alone() -> None:
    """A due date never derives from now: without issued_at the number of days is refused."""
    net = Collection.send(net_days=14)
    assert body(charge("20", "EUR", collection=net, issued_at=DUE))["due_date"] == "2026-12-15T00:00:00.000Z"
    with pytest.raises(Unsupported, match="never computes one from the current time"):
        first(charge("20", "EUR", collection=net))
    with pytest.raises(Unsupported, match="beyond the calendar"):
        first(charge("20", "EUR", collection=net, issued_at=datetime(9999, 12, 31, tzinfo=UTC)))


def test_customers_are_members_or_email_and_name() -> None:
    """A member goes by its id; anybody else by e-mail and name together; a draft may be without."""
    assert body(charge("20", "EUR"))["member_id"] == "mber_42"
    named = body(charge("20", "EUR", customer=CustomerRef(email="a@example.test", name="A")))
    assert (named["email_address"], named["customer_name"]) == ("a@example.test", "A")
    assert "member_id" not in named
    ids = CustomerRef(id="cus_1", ids={"stripe": "cus_1", "whop": "mber_9"})
    assert body(charge("20", "EUR", customer=ids))["member_id"] == "mber_9"
    assert not {"member_id", "email_address"} & set(body(charge("20", "EUR", customer=None, draft=True)))


@pytest.mark.parametrize(
    "customer",
    [None, "mem_42", CustomerRef(email="a@example.test"), CustomerRef(name="A"), CustomerRef(ids={"stripe": "cus_1"})],
)
def test_customers_that_whop_cannot_bill_are_refused(customer: Any) -> None:
    """A membership is no member, and half a name is none."""
    with pytest.raises(Unsupported):
        first(charge("20", "EUR", customer=customer))


def test_an_existing_product_takes_the_place_of_a_new_one() -> None:
    """A product and a product_id exclude each other."""
    with_product = body(charge("20", "EUR"), product_id="prod_42")
    assert with_product["product_id"] == "prod_42"
    assert "product" not in with_product


def test_quantities_go_where_a_unit_amount_goes_with_them() -> None:
    """unit_price × quantity is exactly the line's amount; a fraction stays exact."""
    lines = (
        Line(description="Seats", quantity=Decimal(3), unit_amount=Money(500, "EUR")),
        Line(description="Hours", quantity=Decimal("0.5"), unit_amount=Money(1998, "EUR")),
        Line(description="Credit", amount=Money(-199, "EUR")),
        Line(quantity=Decimal(2), amount=Money(100, "EUR")),
    )
    command = OneTimeCharge(reference="r-1", customer="mber_42", lines=lines, collection=SEND)
    assert (
        b'"line_items":[{"label":"Seats","unit_price":5,"quantity":3},'
        b'{"label":"Hours","unit_price":19.98,"quantity":0.5},'
        b'{"label":"Credit","unit_price":-1.99,"quantity":1},'
        b'{"label":"r-1","unit_price":1,"quantity":1}]'
    ) in first(command).content
    assert b'"initial_price":24,' in first(command).content
    found = losses("whop", command, account_id="biz_42")
    assert [(loss.code, loss.sent) for loss in found if loss.severity == "warns"] == [
        ("IB-WHOP-QUANTITY-01", "the line's amount alone")
    ]


# ── losses and limits ────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_ordinary_bill_loses_nothing_that_needs_leave() -> None:
    """Only the note on tax is left, and it is information."""
    found = losses("whop", charge("20", "EUR"), account_id="biz_42")
    assert [(loss.code, loss.severity) for loss in found] == [("IB-WHOP-TAX-01", "info")]
    assert not losses("whop", charge("20", "EUR", tax="provider"), account_id="biz_42")


def test_what_whop_cannot_carry_is_named() -> None:
    """Period, purchase order, metadata and issue date each have their own code."""
    command = period("20", "EUR", purchase_order="PO-1", metadata={"a": "b"}, issued_at=DUE, subscription="sub_1")
    found = {loss.code: (loss.path, str(loss.severity)) for loss in losses("whop", command, account_id="biz_42")}
    assert found == {
        "IB-WHOP-PERIOD-01": ("period.start", "warns"),
        "IB-WHOP-PERIOD-03": ("period.end", "warns"),
        "IB-WHOP-SUBSCRIPTION-01": ("subscription", "warns"),
        "IB-WHOP-PURCHASE-ORDER-01": ("purchase_order", "warns"),
        "IB-WHOP-METADATA-01": ("metadata", "warns"),
        "IB-WHOP-ISSUED-AT-01": ("issued_at", "warns"),
        "IB-WHOP-TAX-01": ("tax", "info"),
    }
    net = charge("20", "EUR", collection=Collection.send(net_days=14), issued_at=DUE)
    assert "IB-WHOP-ISSUED-AT-02" in {loss.code for loss in losses("whop", net, account_id="biz_42")}
    lines = (Line(amount=Money(1, "EUR"), period=Period.month(2026, 5)),)
    dated = OneTimeCharge(reference="r", customer="mber_42", lines=lines, collection=SEND)
    found = {loss.code: (loss.path, str(loss.severity)) for loss in losses("whop", dated, account_id="biz_42")}
    assert found == {
        "IB-WHOP-PERIOD-02": ("lines[].period.start", "warns"),
        "IB-WHOP-PERIOD-04": ("lines[].period.end", "warns"),
        "IB-WHOP-TAX-01": ("tax", "info"),
    }


def test_a_long_description_is_refused() -> None:
    """A plan's description takes 1000 characters; nothing is cut."""
    assert len(body(charge("20", "EUR", description="x" * 1000))["plan"]["description"]) == 1000
    with pytest.raises(Unsupported, match="takes 1000 at most"):
        first(charge("20", "EUR", description="x" * 1001))


def test_a_period_without_lines_is_refused() -> None:
    """Whop accrues nothing, so there is nothing it could rate."""
    with pytest.raises(Unsupported, match="give the lines"):
        first(period("20", "EUR", lines=()))


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("version", ["2026-09-02-2", "2026-09-11-1", "2026-10-15-1", "2026-10-23-9"])
def test_legacy_pins_are_sent_as_given(version: str) -> None:
    """Any pin between the account_id rename and the native API is taken."""
    assert first(charge("20", "EUR"), api_version=version).headers["Api-Version-Date"] == version


@pytest.mark.parametrize(
    "version, why",
    [
        ("2026-10-24", "native invoices"),
        ("2026-11-02-1", "native invoices"),
        ("2026-09-02-1", "company_id"),
        ("2026-09-02", "company_id"),
        ("2025-01-01", "company_id"),
        ("yesterday", "is not a version"),
        ("2026-13-01", "month"),
        (20261015, "is not a version"),
    ],
)
def test_other_pins_are_a_configuration_error(version: Any, why: str) -> None:
    """A newer pin would reach another API, an older one other field names: neither half-works."""
    with pytest.raises(ConfigurationError, match=why):
        first(charge("20", "EUR"), api_version=version)


def test_pins_compare_by_date_and_number() -> None:
    """2026-10-15-10 is later than 2026-10-15-9, which text would deny."""
    assert pin("2026-10-15") < pin("2026-10-15-1") < pin("2026-10-15-9") < pin("2026-10-15-10") < pin("2026-10-16")


@pytest.mark.parametrize("settings", [{"account_id": "acct_1"}, {"account_id": "biz_"}, {"product_id": "plan_1"}])
def test_ids_of_another_kind_are_a_configuration_error(settings: dict[str, str]) -> None:
    """An account is biz_…, a product prod_…."""
    with pytest.raises(ConfigurationError, match="is not an id like"):
        first(charge("20", "EUR"), **settings)


def test_the_host_tells_the_mode() -> None:
    """Whop's keys look the same in sandbox and production; only the host differs."""
    assert WHOP.mode("k", {}, "https://sandbox-api.whop.com/api/v1") == "test"
    assert WHOP.mode("k", {}, "https://api.whop.com/api/v1") == "live"
    assert WHOP.mode("k", {}, "http://127.0.0.1:8787/whop") is None


# ── the other verbs ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("invoice_id", ["pay_1", "tok_en", "in_1"])
@pytest.mark.parametrize("verb", [Retrieve, Void, MarkPaid])
def test_ids_of_another_api_are_refused(verb: Any, invoice_id: str) -> None:
    """A native invoice cannot be read by the legacy API, and no request is made to find that out."""
    plan = explain("whop", verb(id=invoice_id), account_id="biz_42")
    assert not plan.requests
    assert isinstance(plan.refusal, Unsupported)


def test_ids_stay_one_segment() -> None:
    """An id with a slash cannot change the route."""
    assert first(Retrieve(id="inv_../plans")).url == "https://api.whop.com/api/v1/invoices/inv_..%2Fplans"


def test_an_update_patches_the_plan_and_the_due_date() -> None:
    """PATCH names only what changes, and takes no idempotency key."""
    request = first(Update(id="inv_1", description="New", due_at=DUE))
    assert request.method == "PATCH"
    assert request.content == b'{"plan":{"description":"New"},"due_date":"2026-12-01T00:00:00.000Z"}'
    assert request.key is None
    with pytest.raises(Unsupported, match="no metadata"):
        first(Update(id="inv_1", metadata={"a": "b"}))


def test_a_listing_names_its_account_and_widens_its_range() -> None:
    """The server's filters narrow to a superset: bounds one millisecond wider, no filter for open."""
    command = ListInvoices(
        status=Status.PAID,
        created_from=datetime(2026, 5, 1, 0, 0, 0, 500, tzinfo=UTC),
        created_to=datetime(2026, 6, 1, tzinfo=UTC),
        cursor="abc",
    )
    assert first(command).url == (
        "https://api.whop.com/api/v1/invoices?account_id=biz_42&first=100&order=created_at&direction=desc&after=abc"
        "&statuses=paid&created_after=2026-04-30T23%3A59%3A59.999Z&created_before=2026-06-01T00%3A00%3A00.002Z"
    )
    assert "statuses" not in first(ListInvoices(status=Status.OPEN)).url
    with pytest.raises(Unsupported, match="id of a member"):
        first(ListInvoices(customer=CustomerRef(email="a@example.test")))


# ── defects seen elsewhere ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("amount, currency, _number", VECTORS)
def test_defect_04_the_currency_is_always_sent(amount: str, currency: str, _number: str) -> None:
    """Left out, the account's default currency would bill."""
    assert body(charge(amount, currency))["plan"]["currency"] == currency.lower()


def test_defect_05_every_line_is_sent() -> None:
    """Twelve lines arrive as twelve, each with its own label and amount."""
    lines = tuple(Line(description=f"Line {n}", amount=Money(n, "EUR")) for n in range(1, 13))
    sent = body(OneTimeCharge(reference="r-1", customer="mber_42", lines=lines, collection=SEND))
    assert [f"Line {n}" for n in range(1, 13)] == [item["label"] for item in sent["line_items"]]
    assert [Decimal(n) / 100 for n in range(1, 13)] == [item["unit_price"] for item in sent["line_items"]]
    assert sent["plan"]["initial_price"] == Decimal("0.78")


def test_defect_06_a_line_of_nothing_is_sent() -> None:
    """A free line says something to the customer: it stays."""
    lines = (Line(description="Free", amount=Money(0, "EUR")), Line(description="Paid", amount=Money(100, "EUR")))
    sent = body(OneTimeCharge(reference="r-1", customer="mber_42", lines=lines, collection=SEND))
    assert sent["line_items"] == [
        {"label": "Free", "unit_price": 0, "quantity": 1},
        {"label": "Paid", "unit_price": 1, "quantity": 1},
    ]


def test_defect_29_whop_prices_in_cents() -> None:
    """4.99 USD is the number 4.99: as cents, 499 would bill 499.00."""
    assert b'"initial_price":4.99,' in first(charge("4.99", "USD")).content
    assert b"499" not in first(charge("4.99", "USD")).content


@pytest.mark.parametrize(
    "command",
    [
        charge("20", "EUR"),
        period("20", "EUR"),
        Retrieve(id="inv_1"),
        ListInvoices(full=True),
        MarkPaid(id="inv_1"),
        Void(id="inv_1"),
        Update(id="inv_1", description="x"),
    ],
)
def test_defect_30_every_request_names_its_version(command: Command) -> None:
    """Without the header a fresh key answers with another API behind the same path."""
    assert {"2026-10-15-1"} == {request.headers["Api-Version-Date"] for request in requests(command)}
