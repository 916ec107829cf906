"""Customers, payment methods and invoices that the control API loads, and the test methods of providers."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.emulator.server import Served, running
from tests.emulator.test_control import Control, client_of

CUSTOMERS = {"chargeapi": "flt_7", "chargebee": "cus_7", "stripe": "cus_7", "whop": "mber_7"}
METHODS = {"chargeapi": "pm_7", "chargebee": "pm_7", "stripe": "pm_7", "whop": "pmt_7"}
STRIPE = {"Authorization": "Bearer sk_test_not_a_key"}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """All providers, at the real time."""
    with running() as served:
        yield served


def bill(name: str, reference: str, **more: Any) -> dict[str, Any]:
    """A bill that the provider takes, in the words of a file."""
    customer = CUSTOMERS[name]
    if name == "chargeapi":
        period = {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}
        return {
            "command": "period_invoice",
            "reference": reference,
            "customer": customer,
            "period": period,
            "currency": "EUR",
        }
    amount, due = {"minor": 1999, "currency": "EUR"}, {"kind": "send", "due": "2030-01-01T00:00:00Z"}
    collection = {"collection": due} if name == "whop" else {}
    one = {"command": "one_time_charge", "reference": reference, "customer": customer, "amount": amount}
    return {**one, **collection, **more}


@pytest.mark.parametrize("name", ["chargebee", "stripe", "whop"])
def test_seeded_invoices_are_documents_of_the_provider(server: Served, name: str) -> None:
    """Made by the provider's own flow: a client reads them, each with the status that the seed asked for."""
    control = Control(server, name)
    rows = [
        {"bill": bill(name, "res-1")},
        {"bill": bill(name, "res-2"), "then": "mark_paid"},
        {"bill": bill(name, "res-3"), "then": "void"},
        {"bill": bill(name, "res-4", amount="19.99 EUR"), "draft": True},  # as in a file for `create`
    ]
    seeds = {
        "customers": [{"id": CUSTOMERS[name], "email": "seven@example.test", "name": "Sev En"}],
        "payment_methods": [{"id": METHODS[name], "customer": CUSTOMERS[name]}],
        "invoices": rows,
    }
    made = control.ask("POST", "seed", seeds)
    assert (made["customers"], made["payment_methods"]) == ([CUSTOMERS[name]], [METHODS[name]])
    with client_of(server, name) as client:
        invoices = [client.retrieve(invoice_id) for invoice_id in made["invoices"]]
    assert [invoice.status for invoice in invoices] == ["open", "paid", "void", "draft"]
    if name != "whop":  # whose invoices do not state their total once they are void
        assert {invoice.total and invoice.total.minor for invoice in invoices} == {1999}
    assert control.ask("GET", "webhooks/events")["events"] == []
    assert control.ask("GET", "ledger")["harm"] == []


def test_a_fleet_is_seeded_with_its_method(server: Served) -> None:
    """ChargeAPI bills what a fleet used; a new one has used nothing."""
    control = Control(server, "chargeapi")
    seeds = {"customers": [{"id": "flt_7"}], "payment_methods": [{"id": "pm_declined_7", "customer": "flt_7"}]}
    control.ask("POST", "seed", seeds | {"invoices": [{"bill": bill("chargeapi", "res-1"), "draft": True}]})
    emulator = server.emulators["chargeapi"]
    assert emulator.fleets["flt_7"] == "pm_declined_7"  # type: ignore[attr-defined]
    assert len(emulator.invoices) == 1


@pytest.mark.parametrize(
    "seeds,message",
    [
        ({"customer": []}, "customer: Extra inputs are not permitted; the fields are: customers"),
        ({"customers": [{"id": ""}]}, "customers.0.id"),
        ({"payment_methods": [{"id": "pm_1", "customer": "nobody"}]}, "there is no customer nobody"),
        ({"invoices": [{"bill": {"command": "nope"}}]}, 'invoices.0: "command" must be one of'),
        ({"invoices": [{"bill": bill("stripe", "r") | {"customer": "nobody"}}]}, "invoices.0: "),
        ({"invoices": [{"bill": bill("stripe", "r") | {"customer": "cus_42"}, "then": "burn"}]}, "invoices.0.then"),
    ],
)
def test_what_cannot_be_loaded_is_refused(server: Served, seeds: Any, message: str) -> None:
    """400 with the place, and the emulator reports events again afterwards."""
    control = Control(server)
    answer = control.send("POST", "seed", seeds)
    assert (answer.status_code, message in answer.json()["error"]) == (400, True), answer.text
    assert server.emulators["stripe"].emits is True
    assert control.ask("GET", "ledger")["ledger"] == []


@pytest.mark.parametrize("name", sorted(CUSTOMERS))
def test_every_emulator_takes_customers_and_methods(name: str) -> None:
    """An emulator outside this library says what is missing instead."""
    emulator = providers.get(name).emulator()
    emulator.seed_customer(CUSTOMERS[name], email=None, name=None)
    emulator.seed_payment_method(METHODS[name], CUSTOMERS[name])
    with pytest.raises(LookupError, match="nobody"):
        emulator.seed_payment_method(METHODS[name], "nobody")


# ── Stripe's test methods ────────────────────────────────────────────────────────────────────────────────────────────
def stripe(served: Served, method: str, path: str, **form: str) -> httpx.Response:
    """Send one request to Stripe's emulator."""
    url = f"{served.own_urls['stripe']}/v1/{path}"
    return httpx.request(method, url, data=form or None, headers=STRIPE)


def _owed(served: Served, customer: str) -> str:
    made = stripe(served, "POST", "invoices", customer=customer, currency="eur").json()["id"]
    stripe(served, "POST", f"invoices/{made}/add_lines", **{"lines[0][amount]": "500", "lines[0][description]": "x"})
    stripe(served, "POST", f"invoices/{made}/finalize")
    return str(made)


def test_a_customer_pays_by_the_method_that_is_attached(server: Served) -> None:
    """The default of the customer is charged; a method of somebody else, or a detached one, is refused."""
    Control(server)
    attached = stripe(server, "POST", "payment_methods/pm_card_visa/attach", customer="cus_42").json()
    default = {"invoice_settings[default_payment_method]": attached["id"]}
    assert stripe(server, "POST", "customers/cus_42", **default).status_code == 200
    assert stripe(server, "POST", f"invoices/{_owed(server, 'cus_42')}/pay").json()["status"] == "paid"
    other = stripe(server, "POST", "customers", email="other@example.test").json()["id"]
    wrong = stripe(server, "POST", f"invoices/{_owed(server, other)}/pay", payment_method=attached["id"])
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "payment_method")
    listed = stripe(server, "GET", "customers/cus_42/payment_methods").json()["data"]
    assert [row["id"] for row in listed] == [attached["id"]]
    assert not [name for row in listed for name in row if name.startswith("_")]
    stripe(server, "POST", f"payment_methods/{attached['id']}/detach")
    gone = stripe(server, "POST", f"invoices/{_owed(server, 'cus_42')}/pay", payment_method=attached["id"])
    assert gone.status_code == 400
    collected = [entry for entry in server.emulators["stripe"].ledger if entry.event == "collected"]
    assert len(collected) == 1


@pytest.mark.parametrize(
    "token,attach,pay",
    [("tok_visa", 200, 200), ("tok_chargeCustomerFail", 200, 402), ("tok_chargeDeclined", 402, 402)],
)
def test_a_test_token_is_attached_and_charged_as_documented(server: Served, token: str, attach: int, pay: int) -> None:
    """docs.stripe.com/testing: a declined card cannot be attached, one declines after it was attached."""
    Control(server)
    made = stripe(server, "POST", "payment_methods", **{"type": "card", "card[token]": token}).json()
    assert made["customer"] is None
    assert stripe(server, "POST", f"payment_methods/{made['id']}/attach", customer="cus_42").status_code == attach
    if attach == 200:
        paid = stripe(server, "POST", f"invoices/{_owed(server, 'cus_42')}/pay", payment_method=made["id"])
        assert paid.status_code == pay


@pytest.mark.parametrize(
    "form", [{"type": "card"}, {"type": "card", "card[token]": "tok_nope"}, {"type": "sepa_debit"}]
)
def test_other_cards_are_refused(server: Served, form: dict[str, str]) -> None:
    """Never a number, and no token that is not listed."""
    Control(server)
    assert stripe(server, "POST", "payment_methods", **form).status_code in {400, 404}
    assert stripe(server, "POST", "payment_methods/pm_card_nope/attach", customer="cus_42").status_code == 404


# ── cards of Chargebee's test gateway ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "number,stored,charged",
    [
        ("4111111111111111", 200, 200),
        ("4005519200000004", 200, 400),
        ("4119862760338320", 400, None),
        ("4242424242424242", 400, None),
    ],
)
def test_cards_of_the_test_gateway(server: Served, number: str, stored: int, charged: int | None) -> None:
    """Stored and charged as its page says; any other card is refused."""
    Control(server, "chargebee")
    root, auth = server.own_urls["chargebee"], ("test_not_a_key", "")
    form = {
        "customer_id": "cus_42",
        "card[number]": number,
        "card[expiry_month]": "12",
        "card[expiry_year]": "2030",
        "card[cvv]": "100",
    }
    made = httpx.post(f"{root}/payment_sources/create_card", data=form, auth=auth)
    assert made.status_code == stored, made.text
    assert number not in made.text
    if charged is None:
        return
    source = made.json()["payment_source"]["id"]
    bills = {"customer_id": "cus_42", "currency_code": "EUR", "auto_collection": "off", "charges[amount][0]": "500"}
    invoice = httpx.post(f"{root}/invoices/create_for_charge_items_and_charges", data=bills, auth=auth).json()[
        "invoice"
    ]
    paid = httpx.post(f"{root}/invoices/{invoice['id']}/collect_payment", data={"payment_source_id": source}, auth=auth)
    assert paid.status_code == charged
    listed = httpx.get(f"{root}/payment_sources?customer_id[is]=cus_42", auth=auth).json()["list"]
    assert [row["payment_source"]["id"] for row in listed] == [source]
    assert httpx.post(f"{root}/payment_sources/{source}/delete", auth=auth).json()["payment_source"]["deleted"] is True


@pytest.mark.parametrize(
    "auth,status",
    [(("sk_test_not_a_key", ""), 200), (("sk_test_another_one", ""), 401), (("", "sk_test_not_a_key"), 401)],
)
def test_stripe_takes_the_key_as_the_user_of_basic_too(server: Served, auth: tuple[str, str], status: int) -> None:
    """As every example with curl in its documentation does."""
    assert httpx.get(f"{server.own_urls['stripe']}/v1/customers", auth=auth).status_code == status
