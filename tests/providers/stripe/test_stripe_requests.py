"""What a bill becomes on the wire, as absolute literals: ×100 and ÷100 that cancel out cannot hide here."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from invoice_bridge import (
    BridgeError,
    Collection,
    CustomerRef,
    Effect,
    Line,
    Money,
    OneTimeCharge,
    Pay,
    Period,
    PeriodInvoice,
    Plan,
    Retrieve,
    Unsupported,
    Update,
    Void,
    explain,
)

OPEN = "ib1-b32c178f15a8addf4bffe19227a8d6ac7af832777387fa2f9fee0c5d0295b41f"
LINES = "ib1-006eee71508f6d5f53d2544ecf9d2180f3b422e385aec15515feff9fc8db5492"
FINALIZE = "ib1-b619c1257a5ccc134d256c844ad70d5a6bd25a7f4b5ed79742ace86d8d40c5e0"
SEND = "ib1-5ad80177b6caa255039767838b5300ad81f5ca9b8d26fa0ca4037b3ffd269a2e"
PAY = "ib1-1b2d59750f3ead390fc63ce5e35a986e9de0684729c9424e9749bbd68dab529e"

# currency, the amount in major units, Stripe's number
AMOUNTS = [
    ("EUR", "19.99", b"1999"),
    ("JPY", "1999", b"1999"),
    ("KWD", "1.230", b"1230"),
    ("BHD", "19.990", b"19990"),
    ("ISK", "1999", b"199900"),
    ("UGX", "5", b"500"),
    ("CLP", "1999", b"1999"),
    ("RWF", "23188", b"23188"),
    ("MGA", "1999", b"1999"),
]
FACTS = {"Stripe-Version": "2026-10-28.endive", "Content-Type": "application/x-www-form-urlencoded"}
OPENED = (
    b"&auto_advance=false&pending_invoice_items_behavior=exclude&automatic_tax%5Benabled%5D=false&discounts="
    b"&metadata%5Binvoice_bridge_reference%5D=res-1&collection_method=charge_automatically"
)


def planned(command: Any, **settings: Any) -> Plan:
    """What a bill itself sends, without the lookup before it."""
    return explain("stripe", command, lookup="never", **settings)


def refused(provider_command: OneTimeCharge | PeriodInvoice) -> BridgeError:
    plan = planned(provider_command)
    assert plan.requests == ()
    assert plan.refusal is not None
    return plan.refusal


@pytest.mark.parametrize("currency,text,units", AMOUNTS)
def test_one_time_charge_by_currency(currency: str, text: str, units: bytes) -> None:
    """A one-time charge is three requests whose every byte is known, in every class of currency."""
    command = OneTimeCharge(
        reference="res-1", customer="cus_42", amount=Money.parse(text, currency), description="Fees"
    )
    opened, lines, finalized = planned(command).requests

    code = currency.lower().encode()
    assert (opened.method, opened.url) == ("POST", "https://api.stripe.com/v1/invoices")
    assert opened.headers == FACTS | {"Idempotency-Key": OPEN}
    assert b"customer=cus_42&currency=" + code + OPENED + b"&description=Fees" == opened.content
    assert frozenset() == opened.effects

    assert (lines.method, lines.url) == ("POST", "https://api.stripe.com/v1/invoices/{open.id}/add_lines")
    assert lines.headers == FACTS | {"Idempotency-Key": LINES}
    assert b"lines%5B0%5D%5Bdescription%5D=Fees&lines%5B0%5D%5Bamount%5D=" + units == lines.content
    assert frozenset() == lines.effects

    assert (finalized.method, finalized.url) == ("POST", "https://api.stripe.com/v1/invoices/{open.id}/finalize")
    assert finalized.headers == FACTS | {"Idempotency-Key": FINALIZE}
    assert finalized.content == b"auto_advance=false"
    assert frozenset({Effect.ISSUES}) == finalized.effects


@pytest.mark.parametrize("currency,text,units", AMOUNTS)
def test_period_invoice_by_currency(currency: str, text: str, units: bytes) -> None:
    """A rated period invoice carries quantity, unit amount, amount and period of each line, by currency."""
    price = Money.parse(text, currency)
    command = PeriodInvoice(
        reference="res-1",
        customer="cus_42",
        currency=currency,
        period=Period.month(2026, 5),
        lines=(Line(description="Charging", quantity=2, unit_amount=price), Line(amount=price)),
    )
    opened, lines, finalized = planned(command).requests
    code = currency.lower().encode()
    assert b"customer=cus_42&currency=" + code + OPENED == opened.content
    assert (
        b"lines%5B0%5D%5Bdescription%5D=Charging"
        b"&lines%5B0%5D%5Bperiod%5D%5Bstart%5D=1777593600&lines%5B0%5D%5Bperiod%5D%5Bend%5D=1780272000"
        b"&lines%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=" + code + b"&lines%5B0%5D%5Bprice_data%5D%5Bproduct_data%5D"
        b"%5Bname%5D=Charging&lines%5B0%5D%5Bprice_data%5D%5Bunit_amount%5D=" + units + b"&lines%5B0%5D%5Bquantity%5D=2"
        b"&lines%5B1%5D%5Bperiod%5D%5Bstart%5D=1777593600&lines%5B1%5D%5Bperiod%5D%5Bend%5D=1780272000"
        b"&lines%5B1%5D%5Bamount%5D=" + units
    ) == lines.content
    assert (opened.key, lines.key, finalized.key) == (OPEN, LINES, FINALIZE)


@pytest.mark.parametrize(
    "currency,text", [("KWD", "1.234"), ("BHD", "0.001"), ("MGA", "19.99"), ("JOD", "1.005"), ("TND", "0.009")]
)
def test_amounts_against_the_granularity_are_refused(currency: str, text: str) -> None:
    """What Stripe cannot carry exactly is refused before anything is sent, never rounded."""
    refusal = refused(OneTimeCharge(reference="res-1", customer="cus_42", amount=Money.parse(text, currency)))
    assert isinstance(refusal, Unsupported)
    assert "cannot be billed exactly" in str(refusal)
    assert refusal.source == "docs.stripe.com/currencies"


@pytest.mark.parametrize("currency", ["CLF", "IQD", "LYD", "UYI", "UYW"])
def test_currencies_that_are_not_confirmed_are_refused(currency: str) -> None:
    """CLF is not CLP, and IQD is no two-decimal currency: what the documentation does not list is not guessed."""
    amount = Money.parse("1", currency)
    one = refused(OneTimeCharge(reference="res-1", customer="cus_42", amount=amount))
    accrued = refused(
        PeriodInvoice(reference="res-1", customer="cus_42", currency=currency, period=Period.month(2026, 5))
    )
    assert all(isinstance(refusal, Unsupported) and "not confirmed" in str(refusal) for refusal in (one, accrued))


@pytest.mark.parametrize("currency", ["EUR", "JPY", "UGX", "KWD"])
def test_defect_04_the_currency_is_always_sent(currency: str) -> None:
    """Left out, the account's default currency would bill: every opening request names the currency."""
    command = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1000, currency))
    assert f"&currency={currency.lower()}&" in planned(command).requests[0].content.decode()


def test_everything_a_bill_says_is_sent() -> None:
    """Description, purchase order, metadata, issue date, due date and tax all reach the opening request."""
    command = OneTimeCharge(
        reference="res-1",
        customer="cus_42",
        amount=Money(1999, "EUR"),
        description="Fees & more",
        purchase_order="PO 7",
        metadata={"site": "Zürich"},
        issued_at=datetime(2026, 5, 31, 22, 0, tzinfo=timezone(timedelta(hours=2))),
        collection=Collection.send(due=datetime(2026, 6, 30, tzinfo=UTC)),
        tax="provider",
    )
    opened = planned(command).requests[0]
    assert opened.content == (
        b"customer=cus_42&currency=eur&auto_advance=false&pending_invoice_items_behavior=exclude"
        b"&automatic_tax%5Benabled%5D=true&discounts=&metadata%5Bsite%5D=Z%C3%BCrich"
        b"&metadata%5Binvoice_bridge_reference%5D=res-1&collection_method=send_invoice&description=Fees+%26+more"
        b"&custom_fields%5B0%5D%5Bname%5D=PO+number&custom_fields%5B0%5D%5Bvalue%5D=PO+7"
        b"&effective_at=1780257600&due_date=1782777600"
    )


def test_collection_send_mails_and_never_collects() -> None:
    """Collection.send ends with Stripe's own mail, after the comparison; no request takes money."""
    command = OneTimeCharge(
        reference="res-1", customer="cus_42", amount=Money(100, "EUR"), collection=Collection.send(net_days=14)
    )
    plan = planned(command)
    assert [r.url.rsplit("/", 1)[1] for r in plan.requests] == ["invoices", "add_lines", "finalize", "send"]
    assert b"&collection_method=send_invoice&days_until_due=14" in plan.requests[0].content
    assert (SEND, b"", frozenset({Effect.MAILS})) == (
        plan.requests[3].key,
        plan.requests[3].content,
        plan.requests[3].effects,
    )
    assert plan.effects == {Effect.ISSUES, Effect.MAILS}


def test_collection_charge_collects_last() -> None:
    """Collection.charge names its payment method when it opens the invoice, and takes the money last."""
    command = OneTimeCharge(
        reference="res-1", customer="cus_42", amount=Money(100, "EUR"), collection=Collection.charge("pm_7")
    )
    plan = planned(command)
    assert plan.requests[0].content.endswith(b"&default_payment_method=pm_7")
    assert [r.url.rsplit("/", 1)[1] for r in plan.requests] == ["invoices", "add_lines", "finalize", "pay"]
    assert (PAY, b"", frozenset({Effect.COLLECTS})) == (
        plan.requests[3].key,
        plan.requests[3].content,
        plan.requests[3].effects,
    )


def test_a_draft_stops_before_it_is_issued() -> None:
    """draft=True makes the invoice and its lines, and nothing that the customer could notice."""
    plan = planned(OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1, "EUR"), draft=True))
    assert [r.url.rsplit("/", 1)[1] for r in plan.requests] == ["invoices", "add_lines"]
    assert plan.effects == set()


def test_defects_05_and_06_every_line_is_sent_and_zero_lines_too() -> None:
    """Lines are neither collapsed into one nor dropped where they cost nothing."""
    free, paid = Line(description="Free", amount=Money(0, "EUR")), Line(description="Paid", amount=Money(1999, "EUR"))
    plan = planned(OneTimeCharge(reference="res-1", customer="cus_42", lines=(free, paid, free)))
    assert plan.requests[1].content == (
        b"lines%5B0%5D%5Bdescription%5D=Free&lines%5B0%5D%5Bamount%5D=0"
        b"&lines%5B1%5D%5Bdescription%5D=Paid&lines%5B1%5D%5Bamount%5D=1999"
        b"&lines%5B2%5D%5Bdescription%5D=Free&lines%5B2%5D%5Bamount%5D=0"
    )


def test_a_quantity_of_parts_goes_as_a_decimal() -> None:
    """1.5 × 20.00 is sent as quantity_decimal=1.5 and unit_amount=2000, in plain digits."""
    command = OneTimeCharge(
        reference="res-1", customer="cus_42", lines=(Line(quantity=Decimal("1.5"), unit_amount=Money(2000, "EUR")),)
    )
    assert planned(command).requests[1].content == (
        b"lines%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=eur"
        b"&lines%5B0%5D%5Bprice_data%5D%5Bproduct_data%5D%5Bname%5D=Line"
        b"&lines%5B0%5D%5Bprice_data%5D%5Bunit_amount%5D=2000&lines%5B0%5D%5Bquantity_decimal%5D=1.5"
    )


def test_a_credit_line_keeps_its_sign() -> None:
    """A negative line goes as a negative amount: Stripe takes no negative quantity or unit amount."""
    lines = (Line(amount=Money(500, "EUR")), Line(quantity=1, unit_amount=Money(-200, "EUR")))
    plan = planned(OneTimeCharge(reference="res-1", customer="cus_42", lines=lines))
    assert plan.requests[1].content == b"lines%5B0%5D%5Bamount%5D=500&lines%5B1%5D%5Bamount%5D=-200"
    assert plan.losses == ()


def test_defect_25_ids_stay_one_segment() -> None:
    """An id with a slash or dots cannot change the path of a request."""
    assert [
        planned(Retrieve(id=odd)).requests[0].url.removeprefix("https://api.stripe.com/v1/invoices/")
        for odd in ("a/b", "../customers", "..", "in_1?x#y", "in 1")
    ] == ["a%2Fb", "..%2Fcustomers", "%2E%2E", "in_1%3Fx%23y", "in%201"]
    assert planned(Void(id="a/b")).requests[0].url == "https://api.stripe.com/v1/invoices/a%2Fb/void"


def test_defect_26_naive_datetimes_are_refused() -> None:
    """A datetime without a zone would be billed in the machine's own; none gets as far as a request."""
    naive = datetime(2026, 5, 1)
    with pytest.raises(ValueError, match="has no time zone"):
        OneTimeCharge(reference="res-1", amount=Money(1, "EUR"), issued_at=naive)
    with pytest.raises(ValueError, match="has no time zone"):
        Collection.send(due=naive)
    with pytest.raises(ValueError, match="has no time zone"):
        Period(naive, naive + timedelta(days=1))
    with pytest.raises(ValueError, match="has no time zone"):
        Update(id="in_1", due_at=naive)


def test_parts_of_a_second_are_refused() -> None:
    """Stripe counts whole seconds: an instant between two of them is refused, not cut off."""
    odd = datetime(2026, 5, 1, 0, 0, 0, 1, tzinfo=UTC)
    day = timedelta(days=1)
    lines = (Line(amount=Money(1, "EUR")),)
    assert "whole seconds" in str(
        refused(
            PeriodInvoice(reference="r", customer="cus_1", currency="EUR", period=Period(odd, odd + day), lines=lines)
        )
    )
    assert "whole seconds" in str(
        refused(
            PeriodInvoice(reference="r", customer="cus_1", currency="EUR", period=Period.month(2026, 5), issued_at=odd)
        )
    )


@pytest.mark.parametrize("key", ["invoice_bridge_reference", "a[b]", "a]", ""])
def test_metadata_keys_that_would_change_the_form_are_refused(key: str) -> None:
    """Brackets nest in a form, and one key carries the reference: such keys are refused before anything is sent."""
    command = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1, "EUR"), metadata={key: "x"})
    assert isinstance(refused(command), Unsupported)
    assert isinstance(planned(Update(id="in_1", metadata={key: "x"})).refusal, Unsupported)


def test_a_customer_is_never_made_silently() -> None:
    """Without a Stripe id nothing is sent, whatever else is known of the customer."""
    for customer in (None, CustomerRef(email="a@example.test"), CustomerRef(ids={"whop": "mber_1"})):
        refusal = refused(OneTimeCharge(reference="res-1", customer=customer, amount=Money(1, "EUR")))
        assert "bills a customer by its id" in str(refusal)


def test_a_connected_account_is_named_in_the_header_and_in_the_key() -> None:
    """Two accounts never share an idempotency key, and requests say whose they are."""
    command = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1, "EUR"))
    opened = planned(command, account="acct_1").requests[0]
    assert opened.headers["Stripe-Account"] == "acct_1"
    assert opened.key == "ib1-ba4bf77ba86c525021bfa682e3436d3f9a7df73ab211b5ff21050243af9cc602"


def test_another_attempt_is_another_key() -> None:
    """attempt=2 looks first, changes the keys of all steps, and not one byte of a body."""
    first = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(100, "EUR"))
    one, two = planned(first).requests, explain("stripe", first.model_copy(update={"attempt": 2})).requests
    assert two[0].url == "https://api.stripe.com/v1/invoices?limit=100&customer=cus_42"
    writes = [request for request in two if request.writes]
    assert [r.content for r in one] == [r.content for r in writes]
    assert not {r.key for r in one} & {r.key for r in writes}


def test_pay_names_a_payment_method_only_where_one_is_given() -> None:
    """The verb's body is the payment method alone, or nothing."""
    assert planned(Pay(id="in_1")).requests[1].content == b""
    assert planned(Pay(id="in_1", payment_method="pm_7")).requests[1].content == b"payment_method=pm_7"
