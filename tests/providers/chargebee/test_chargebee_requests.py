"""What a command becomes on the wire, as absolute literals: ×100 and ÷100 that cancel out cannot hide here."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import (
    Collection,
    ConfigurationError,
    CustomerRef,
    Effect,
    Line,
    Money,
    OneTimeCharge,
    Pay,
    Period,
    PeriodInvoice,
    SendInvoice,
    Status,
    Unsupported,
    Update,
    explain,
)
from invoice_bridge.core.commands import ListInvoices, OnInvoice, Void
from invoice_bridge.core.wire import Request

API = "https://acme-test.chargebee.com/api/v2"
ISSUES, MAILS, COLLECTS, VOIDS = Effect.ISSUES, Effect.MAILS, Effect.COLLECTS, Effect.VOIDS


def requests(command: Any, **settings: Any) -> tuple[Request, ...]:
    """What a command sends after the look; the look has tests of its own."""
    plan = explain("chargebee", command, lookup="never", **{"site": "acme-test", **settings})
    assert plan.refusal is None, plan.refusal
    return plan.requests


def only(command: Any, **settings: Any) -> Request:
    (request,) = requests(command, **settings)
    return request


def refusal(command: Any, **settings: Any) -> str:
    plan = explain("chargebee", command, **{"site": "acme-test", **settings})
    assert (plan.requests, type(plan.refusal)) == ((), Unsupported)
    return str(plan.refusal)


def bill(amount: str = "19.99", currency: str = "EUR", **more: Any) -> OneTimeCharge:
    return OneTimeCharge(reference="r1", customer="cus_42", amount=Money.parse(amount, currency), **more)


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "amount,currency,units",
    [
        ("19.99", "EUR", "1999"),
        ("0.01", "USD", "1"),
        ("1999", "JPY", "1999"),
        ("1999", "KRW", "1999"),
        ("1999", "XOF", "1999"),
        ("1.230", "KWD", "123"),
        ("1.200", "BHD", "120"),
        ("10", "JOD", "1000"),
        ("19.99", "BGN", "1999"),
    ],
)
def test_one_time_charge_in_each_kind_of_currency(amount: str, currency: str, units: str) -> None:
    """Zero-decimal codes go in major units, every other one in hundredths, three-decimal ones too; always named."""
    command = OneTimeCharge(
        reference="r1", customer="cus_42", lines=(Line(description="Fees", amount=Money.parse(amount, currency)),)
    )
    assert (
        only(command).content
        == (
            f"customer_id=cus_42&currency_code={currency}&charges%5Bamount%5D%5B0%5D={units}"
            "&charges%5Btaxable%5D%5B0%5D=false&charges%5Bdescription%5D%5B0%5D=Fees&auto_collection=off&po_number=r1"
        ).encode()
    )


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", "BHD"])
def test_period_invoice_in_each_kind_of_currency(currency: str) -> None:
    """The caller's lines carry the period's two instants, in unix seconds, the end not moved."""
    units = {"EUR": 1200, "JPY": 12, "KWD": 1200, "BHD": 1200}[currency]
    command = PeriodInvoice(
        reference="may",
        customer="cus_42",
        period=Period.month(2026, 5),
        currency=currency,
        lines=(Line(description="Rides", amount=Money.parse("12", currency)),),
    )
    assert (
        only(command).content
        == (
            f"customer_id=cus_42&currency_code={currency}&charges%5Bamount%5D%5B0%5D={units}"
            "&charges%5Btaxable%5D%5B0%5D=false&charges%5Bdescription%5D%5B0%5D=Rides"
            "&charges%5Bdate_from%5D%5B0%5D=1777593600&charges%5Bdate_to%5D%5B0%5D=1780272000"
            "&auto_collection=off&po_number=may"
        ).encode()
    )


@pytest.mark.parametrize("currency", ["ISK", "UGX", "CLP", "VND", "XPF", "TWD", "CLF", "MGA", "COU", "ITL"])
@pytest.mark.parametrize("kind", ["one-time", "period", "accrued"])
def test_a_currency_whose_factor_is_not_confirmed_is_refused(currency: str, kind: str) -> None:
    """A wrong factor would bill a hundredfold: such a currency is refused for both bills, before anything is sent."""
    said: dict[str, Any] = {"reference": "r1", "customer": "cus_42"}
    line = Line(amount=Money.parse("1999", currency))
    month = Period.month(2026, 5)
    command = {
        "one-time": OneTimeCharge(lines=(line,), **said),
        "period": PeriodInvoice(lines=(line,), period=month, currency=currency, **said),
        "accrued": PeriodInvoice(period=month, currency=currency, subscription="sub_42", **said),
    }[kind]
    assert f"{currency}: how this provider counts it is not confirmed" in refusal(command)


def test_what_does_not_fit_into_hundredths_is_refused() -> None:
    """1.234 KWD has a third decimal that Chargebee's hundredths cannot carry; nothing is rounded."""
    assert "1.234 KWD cannot be billed exactly" in refusal(bill("1.234", "KWD"))


@pytest.mark.parametrize("amount", ["0", "-1.00"])
def test_a_line_below_one_unit_is_refused_not_dropped(amount: str) -> None:
    """Chargebee takes no zero or negative line (defect 6: they are never dropped)."""
    lines = (Line(amount=Money.parse("5", "EUR")), Line(amount=Money.parse(amount, "EUR")))
    command = OneTimeCharge(reference="r1", customer="cus_42", lines=lines)
    assert "only bills amounts above zero" in refusal(command)
    assert "leave the line out" in refusal(command)


# ── the bill on product catalog 2 ────────────────────────────────────────────────────────────────────────────────────
def test_everything_a_bill_can_say() -> None:
    """Each field of a bill stands in its own parameter; no line is lost, each keeps its own period or the bill's."""
    day = datetime(2026, 5, 17, tzinfo=UTC)
    command = PeriodInvoice(
        reference="ref 1",
        customer=CustomerRef(ids={"chargebee": "cus_42"}),
        period=Period.month(2026, 5),
        currency="EUR",
        lines=(
            Line(description="Ünits & more", amount=Money(1, "EUR")),
            Line(amount=Money(2, "EUR"), period=Period(day, day + timedelta(hours=2))),
        ),
        description="May",
        purchase_order="PO-7",
        issued_at=datetime(2026, 6, 1, tzinfo=UTC),
        collection=Collection.send(net_days=14),
        tax="provider",
        draft=True,
    )
    request = only(command, reference_field="cf_ib_reference")
    assert (request.method, request.url) == ("POST", f"{API}/invoices/create_for_charge_items_and_charges")
    assert dict(request.headers) == {
        "Content-Type": "application/x-www-form-urlencoded",
        "chargebee-idempotency-key": request.key,
    }
    assert request.effects == frozenset()
    assert request.content == (
        b"customer_id=cus_42&currency_code=EUR"
        b"&charges%5Bamount%5D%5B0%5D=1&charges%5Btaxable%5D%5B0%5D=true"
        b"&charges%5Bdescription%5D%5B0%5D=%C3%9Cnits+%26+more"
        b"&charges%5Bdate_from%5D%5B0%5D=1777593600&charges%5Bdate_to%5D%5B0%5D=1780272000"
        b"&charges%5Bamount%5D%5B1%5D=2&charges%5Btaxable%5D%5B1%5D=true"
        b"&charges%5Bdate_from%5D%5B1%5D=1778976000&charges%5Bdate_to%5D%5B1%5D=1778983200"
        b"&auto_collection=off&create_pending_invoice=true&net_term_days=14&invoice_note=May"
        b"&invoice_date=1780272000&po_number=PO-7&cf_ib_reference=ref+1"
    )


def test_manual_issues_and_mails_nobody() -> None:
    """An ordinary bill issues, collects nothing, and switches the mails of its request off."""
    request = only(bill())
    assert request.effects == {ISSUES}
    assert request.headers["chargebee-event-email"] == "all-disabled"
    assert b"auto_collection=off" in request.content
    assert b"create_pending_invoice" not in request.content


def test_send_mails_by_the_sites_settings() -> None:
    """Sending leaves the mails to the site, never collects, and is a loss that must be allowed."""
    sent = bill(collection=Collection.send(net_days=14))
    plan = explain("chargebee", sent, lookup="never", site="acme-test")
    assert plan.requests[0].effects == {ISSUES, MAILS}
    assert "chargebee-event-email" not in plan.requests[0].headers
    assert b"auto_collection=off&net_term_days=14" in plan.requests[0].content
    assert [loss.code for loss in plan.losses] == ["IB-CHARGEBEE-COLLECTION-01"]


def test_a_due_date_is_whole_days_after_the_date_of_issue() -> None:
    """due=… becomes net_term_days where issued_at makes it a whole number, and is never moved (defect 9)."""
    issued, due = datetime(2026, 5, 1, 8, tzinfo=UTC), datetime(2026, 5, 31, 8, tzinfo=UTC)
    send = Collection.send(due=due)
    assert b"net_term_days=30" in only(bill(issued_at=issued, collection=send)).content
    for other in (None, issued + timedelta(hours=1), due + timedelta(days=1)):
        assert "net_days" in refusal(bill(issued_at=other, collection=send))


def test_charge_compares_before_it_collects() -> None:
    """Collecting takes two requests: a pending invoice, which demands nothing, and its close, which collects."""
    first, second = requests(bill(collection=Collection.charge("pm_42")))
    assert first.effects == frozenset()
    assert b"auto_collection=on&create_pending_invoice=true&payment_source_id=pm_42" in first.content
    assert (second.method, second.url) == ("POST", f"{API}/invoices/{{open.id}}/close")
    assert (second.effects, second.content) == (frozenset({ISSUES, COLLECTS}), b"")
    assert first.key != second.key


def test_the_key_is_frozen() -> None:
    """The key of a creating step derives from site, reference, attempt and step alone, and fits the header."""
    key = only(bill()).key
    assert key == "ib1-884645e1f0288f9491b4fa9997fdf29a5fcdff8f330d93785f4d0c4782699e2a"
    assert len(key) == 68
    assert only(bill("5", "USD", description="other")).key == key
    assert only(bill(attempt=2)).key != key
    assert only(bill(), site="other").key != key


def test_without_a_site_the_placeholder_stands_in_the_url() -> None:
    """A plan needs no setting: what is missing is shown as {site}."""
    (request,) = explain("chargebee", bill(), lookup="never").requests
    assert request.url == "https://{site}.chargebee.com/api/v2/invoices/create_for_charge_items_and_charges"


# ── what is lost ─────────────────────────────────────────────────────────────────────────────────────────────────────
def codes(command: Any, **settings: Any) -> list[str]:
    return [loss.code for loss in explain("chargebee", command, **{"site": "acme-test", **settings}).losses]


def test_reference_goes_into_the_custom_field_else_the_po_number() -> None:
    """Where a purchase order takes po_number and no custom field is named, the reference is lost and says so."""
    assert b"po_number=r1" in only(bill()).content
    named = only(bill(purchase_order="PO-7"), reference_field="cf_ref").content
    assert named.endswith(b"po_number=PO-7&cf_ref=r1")
    both = bill(purchase_order="PO-7")
    assert only(both).content.endswith(b"po_number=PO-7")
    assert codes(both) == ["IB-CHARGEBEE-REFERENCE-01", "IB-CHARGEBEE-MAIL-01"]


def test_quantity_metadata_and_a_reference_beside_a_subscription_are_losses() -> None:
    """An ad-hoc charge has no quantity, an invoice no metadata; a quantity of one loses nothing."""
    unit = Money(500, "EUR")

    def of(quantity: int, **more: Any) -> OneTimeCharge:
        line = Line(quantity=quantity, unit_amount=unit)
        return OneTimeCharge(reference="r1", customer="cus_42", lines=(line,), **more)

    assert codes(of(1)) == ["IB-CHARGEBEE-MAIL-01"]
    assert codes(of(3)) == ["IB-CHARGEBEE-QUANTITY-01", "IB-CHARGEBEE-QUANTITY-02", "IB-CHARGEBEE-MAIL-01"]
    assert b"charges%5Bamount%5D%5B0%5D=1500" in only(of(3)).content
    assert codes(of(1, metadata={"a": "b"})) == ["IB-CHARGEBEE-METADATA-01", "IB-CHARGEBEE-MAIL-01"]
    period = PeriodInvoice(
        reference="r1",
        customer="cus_42",
        period=Period.month(2026, 5),
        currency="EUR",
        lines=(Line(amount=unit),),
        subscription="sub_42",
    )
    assert codes(period) == ["IB-CHARGEBEE-REFERENCE-01", "IB-CHARGEBEE-MAIL-01"]


def test_a_long_description_names_no_line() -> None:
    """A note takes 2000 characters, a line's name 250: a longer one is the note alone, and the reference the name."""
    request = only(bill(description="x" * 251))
    assert b"charges%5Bdescription%5D%5B0%5D=r1&" in request.content
    assert b"invoice_note=" + b"x" * 251 in request.content
    assert b"charges%5Bdescription%5D%5B0%5D=" + b"x" * 250 in only(bill(description="x" * 250)).content
    assert "2000 at most" in refusal(bill(description="x" * 2001))
    lines = (Line(description="x" * 251, amount=Money(1999, "EUR")),)
    assert "250 at most" in refusal(OneTimeCharge(reference="r1", customer="cus_42", lines=lines))


def test_a_customer_is_never_made() -> None:
    """An e-mail address alone is refused."""
    command = OneTimeCharge(reference="r1", customer=CustomerRef(email="a@b.test"), amount=Money(1, "EUR"))
    assert "CustomerRef(ids=" in refusal(command)


# ── product catalog 1 ────────────────────────────────────────────────────────────────────────────────────────────────
def test_catalog_1_without_collecting_never_uses_charge() -> None:
    """/charge collects: a bill that is not to be collected is POST /invoices with collection off, one line or more."""
    request = only(bill(description="Fees"), product_catalog=1)
    assert (request.url, request.effects) == (f"{API}/invoices", frozenset({ISSUES}))
    assert request.content == (
        b"customer_id=cus_42&currency_code=EUR&charges%5Bamount%5D%5B0%5D=1999&charges%5Btaxable%5D%5B0%5D=false"
        b"&charges%5Bdescription%5D%5B0%5D=Fees&auto_collection=off&invoice_note=Fees&po_number=r1"
    )


def test_catalog_1_charges_one_line_by_charge() -> None:
    """/charge takes one line, taxed as the site says; it collects at once, and the plan says so."""
    month = Period.month(2026, 5)
    command = bill(description="Fees", tax="provider", period=month, collection=Collection.charge("pm_42"))
    request = only(command, product_catalog=1)
    assert (request.url, request.effects) == (f"{API}/invoices/charge", frozenset({ISSUES, COLLECTS}))
    assert "nothing can be compared before" in request.note
    assert request.content == (
        b"customer_id=cus_42&currency_code=EUR&amount=1999&description=Fees&date_from=1777593600&date_to=1780272000"
        b"&payment_source_id=pm_42&po_number=r1"
    )


def test_catalog_1_charges_without_tax_or_with_several_lines_by_invoices() -> None:
    """/charge cannot say "no tax" and has one line: such a bill goes to POST /invoices with collection on."""
    untaxed = only(bill(collection=Collection.charge()), product_catalog=1)
    assert (untaxed.url, untaxed.effects) == (f"{API}/invoices", frozenset({ISSUES, COLLECTS}))
    assert b"charges%5Btaxable%5D%5B0%5D=false" in untaxed.content
    assert b"auto_collection=on" in untaxed.content
    lines = (Line(amount=Money(1, "EUR")), Line(amount=Money(2, "EUR")))
    several = OneTimeCharge(
        reference="r1", customer="cus_42", lines=lines, tax="provider", collection=Collection.charge()
    )
    assert only(several, product_catalog=1).url == f"{API}/invoices"


def test_catalog_1_has_no_drafts_and_no_terms() -> None:
    """A draft is refused; payment terms are the customer's own, which is a loss."""
    assert "catalog 1 cannot make a draft" in refusal(bill(draft=True), product_catalog=1)
    sent = bill(collection=Collection.send(net_days=14))
    assert b"net_term_days" not in only(sent, product_catalog=1).content
    assert codes(sent, product_catalog=1) == ["IB-CHARGEBEE-COLLECTION-01", "IB-CHARGEBEE-TERMS-01"]


# ── unbilled charges ─────────────────────────────────────────────────────────────────────────────────────────────────
def accrued(**more: Any) -> PeriodInvoice:
    said: dict[str, Any] = {"reference": "may", "customer": "cus_42", "subscription": "sub_42", **more}
    return PeriodInvoice(period=Period.month(2026, 5), currency="EUR", **said)


def test_a_period_without_lines_bills_the_unbilled_charges() -> None:
    """Look first, invoice all of them, then write the reference on the invoice; filters carry an operator."""
    look, make, name = requests(accrued(tax="provider"), reference_field="cf_ref")
    assert (look.method, look.url) == ("GET", f"{API}/unbilled_charges?subscription_id%5Bis%5D=sub_42&limit=100")
    assert (make.url, make.content) == (
        f"{API}/unbilled_charges/invoice_unbilled_charges",
        b"subscription_id=sub_42",
    )
    assert make.effects == {ISSUES, COLLECTS}
    assert (name.url, name.content) == (f"{API}/invoices/{{open.id}}/update_details", b"cf_ref=may")


def test_what_unbilled_charges_cannot_carry() -> None:
    """Collection is the subscription's; tax, note, date and terms are not the bill's to say."""
    assert codes(accrued()) == [
        "IB-CHARGEBEE-REFERENCE-01",
        "IB-CHARGEBEE-COLLECTION-02",
        "IB-CHARGEBEE-COLLECTION-05",
        "IB-CHARGEBEE-MAIL-01",
        "IB-CHARGEBEE-TAX-01",
    ]
    said = accrued(
        tax="provider",
        description="May",
        issued_at=datetime(2026, 6, 1, tzinfo=UTC),
        collection=Collection.send(net_days=3),
    )
    assert codes(said) == [
        "IB-CHARGEBEE-DESCRIPTION-01",
        "IB-CHARGEBEE-REFERENCE-01",
        "IB-CHARGEBEE-COLLECTION-02",
        "IB-CHARGEBEE-COLLECTION-05",
        "IB-CHARGEBEE-COLLECTION-01",
        "IB-CHARGEBEE-TERMS-01",
        "IB-CHARGEBEE-ISSUED-01",
    ]


def test_unbilled_charges_need_a_subscription_and_make_no_draft() -> None:
    """Without a subscription, or as a draft, it is refused before anything is sent."""
    assert "belong to a subscription" in refusal(accrued(subscription=None))
    assert "cannot make a draft" in refusal(accrued(draft=True))


# ── the verbs and the listing ────────────────────────────────────────────────────────────────────────────────────────
def test_ids_stay_one_segment() -> None:
    """An id with a slash or dots cannot change the path (defect 25)."""
    assert only(Void(id="../x")).url == f"{API}/invoices/..%2Fx/void"
    assert only(Void(id="a/b")).url == f"{API}/invoices/a%2Fb/void"


def test_pay_names_the_payment_source_and_the_amount() -> None:
    """Collecting reads first and sends what is left to pay; without a payment source it is refused."""
    read, collect = requests(Pay(id="7", expect=Money.parse("19.99", "EUR"), payment_method="pm_42"))
    assert (read.method, read.url) == ("GET", f"{API}/invoices/7")
    assert (collect.url, collect.effects) == (f"{API}/invoices/7/collect_payment", frozenset({COLLECTS}))
    assert collect.content == b"payment_source_id=pm_42&amount=1999"
    assert "pass payment_method" in refusal(Pay(id="7"))


@pytest.mark.parametrize("command", [Update(id="7", description="x"), SendInvoice(id="7")])
def test_what_chargebee_cannot_do(command: OnInvoice) -> None:
    """Changing a note, terms or metadata, and mailing, are refused with a reason."""
    assert refusal(command).startswith("Chargebee: ")


@pytest.mark.parametrize(
    "status,filters",
    [
        (None, ""),
        (Status.OPEN, "&status%5Bin%5D=%5B%22posted%22%2C%22payment_due%22%2C%22not_paid%22%5D"),
        (Status.DRAFT, "&status%5Bis%5D=pending"),
        (Status.PAID, "&status%5Bis%5D=paid"),
        (Status.UNCOLLECTIBLE, "&status%5Bis%5D=paid"),
        (Status.VOID, "&status%5Bis%5D=voided"),
        (Status.DELETED, "&include_deleted=true"),
        (Status.UNKNOWN, ""),
    ],
)
def test_filters_always_carry_an_operator(status: Status | None, filters: str) -> None:
    """A filter without one is silently ignored (defect 28); the created range is applied here alone."""
    command = ListInvoices(
        status=status, customer=CustomerRef(id="cus_42"), created_from=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert only(command).url == f"{API}/invoices?limit=100{filters}&customer_id%5Bis%5D=cus_42"


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "settings",
    [
        {"site": "Acme"},
        {"site": "acme.chargebee.com"},
        {"site": "a/b"},
        {"site": ""},
        {"product_catalog": 3},
        {"product_catalog": True},
        {"reference_field": "reference"},
        {"reference_field": "cf_a[b]"},
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any]) -> None:
    """A site is a bare name, a catalog is 1 or 2, a custom field begins with cf_."""
    with pytest.raises(ConfigurationError):
        explain("chargebee", bill(), **settings)


def test_the_catalog_may_be_written_as_text() -> None:
    """A profile read from the environment has "1" for 1."""
    assert only(bill(), product_catalog="1").url == f"{API}/invoices"
