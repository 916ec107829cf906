"""The emulator's own rules: what the documentation says Chargebee refuses, forgets and ignores."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.providers.chargebee.conditions import month_before
from invoice_bridge.providers.chargebee.emulator import ChargebeeEmulator
from tests.providers.chargebee.conftest import API, World, make_world

CREATE = "/invoices/create_for_charge_items_and_charges"
BILL = (("customer_id", "cus_42"), ("currency_code", "EUR"), ("auto_collection", "off"), ("charges[amount][0]", "500"))


def told(answer: Response) -> tuple[int, str, str | None]:
    body = loads(answer.content)
    return answer.status, body["api_error_code"], body.get("param")


def listed(world: World, *pairs: tuple[str, str]) -> list[str]:
    answer = world.ask("GET", "/invoices", *pairs)
    assert answer.status == 200, answer.content
    return [item["invoice"]["id"] for item in loads(answer.content)["list"]]


def test_only_its_key_is_let_in() -> None:
    """HTTP Basic with the key as user and no password; anything else is 401."""
    site = ChargebeeEmulator()
    for given in (None, "Bearer test_not_a_key", "Basic " + base64.b64encode(b"test_not_a_key:x").decode()):
        headers = {} if given is None else {"Authorization": given}
        assert told(site(Request("GET", f"{API}/invoices", headers), API))[:2] == (401, "api_authentication_failed")


def test_unknown_paths_and_methods(world: World) -> None:
    """A path that is not there is 404, a method that a path does not take is 405."""
    assert told(world.ask("GET", "/nothing"))[:2] == (404, "resource_not_found")
    assert told(world.ask("POST", "/configurations"))[:2] == (405, "http_method_not_supported")


@pytest.mark.parametrize(
    "pair,param",
    [
        (("metadata[a]", "b"), "metadata"),
        (("charges[quantity][0]", "2"), "charges"),
        (("charges[amount][0]", "0"), "charges[amount][0]"),
        (("charges[amount][0]", "19.99"), "charges[amount][0]"),
        (("charges[description][0]", "x" * 251), "charges[description][0]"),
        (("po_number", "x" * 101), "po_number"),
        (("invoice_note", "x" * 2001), "invoice_note"),
        (("auto_collection", "maybe"), "auto_collection"),
        (("currency_code", "EURO"), "currency_code"),
        (("net_term_days", "-1"), "net_term_days"),
    ],
)
def test_parameters_are_checked(world: World, pair: tuple[str, str], param: str) -> None:
    """Unknown names, amounts below one, texts too long and words that are none are param_wrong_value."""
    pairs = dict(BILL) | dict([pair])
    assert told(world.ask("POST", CREATE, *pairs.items())) == (400, "param_wrong_value", param)
    assert world.site.invoices == {}


def test_custom_fields_are_let_through(world: World) -> None:
    """A cf_ field is kept and shown again."""
    assert world.made(CREATE, *BILL, ("cf_ref", "r1"))["invoice"]["cf_ref"] == "r1"


def test_without_a_currency_the_sites_own_bills(world: World) -> None:
    """What is left out is taken from the site (defect 4): the adapter always says it."""
    without = [pair for pair in BILL if pair[0] != "currency_code"]
    assert world.made(CREATE, *without)["invoice"]["currency_code"] == "USD"


def test_without_auto_collection_the_customers_card_pays(world: World) -> None:
    """What is left out is taken from the customer: the adapter always says it."""
    without = [pair for pair in BILL if pair[0] != "auto_collection"]
    assert world.made(CREATE, *without)["invoice"]["status"] == "paid"


def test_each_catalog_has_its_own_requests() -> None:
    """Catalog 1 requests are not enabled on catalog 2 sites and the other way round; for /charge that is a switch."""
    charge = (("customer_id", "cus_42"), ("currency_code", "EUR"), ("amount", "500"), ("description", "Fees"))
    assert told(make_world().ask("POST", "/invoices/charge", *charge))[1] == "configuration_incompatible"
    assert make_world(charge_on_catalog_2=True).ask("POST", "/invoices/charge", *charge).status == 200
    assert told(make_world(product_catalog=1).ask("POST", CREATE, *BILL))[1] == "configuration_incompatible"
    answer = make_world(product_catalog=1).ask("GET", "/configurations")
    assert loads(answer.content)["configurations"][0]["product_catalog_version"] == "v1"


@pytest.mark.parametrize("limited", [True, False])
def test_backdating(limited: bool) -> None:
    """/charge takes a date one month back at most; whether other requests do is a switch."""
    date = (("invoice_date", str(int(datetime(2026, 9, 1, tzinfo=UTC).timestamp()))),)
    world = make_world(backdating_limited=limited)
    assert (world.ask("POST", CREATE, *BILL, *date).status == 400) is limited
    old = make_world(product_catalog=1, backdating_limited=limited)
    charge = (("customer_id", "cus_42"), ("amount", "500"), ("description", "Fees"))
    assert told(old.ask("POST", "/invoices/charge", *charge, *date)) == (400, "param_wrong_value", "invoice_date")
    month = month_before(datetime.fromtimestamp(int(old.clock.now.timestamp()), UTC)).timestamp()
    assert old.ask("POST", "/invoices/charge", *charge, ("invoice_date", str(int(month)))).status == 200
    assert old.ask("POST", "/invoices/charge", *charge, ("invoice_date", str(int(month) - 1))).status == 400


# ── idempotency ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_key_is_replayed_for_thirty_minutes(world: World) -> None:
    """The same key and parameters give the same answer, marked; after 30 minutes they bill again."""
    first = world.ask("POST", CREATE, *BILL, key="k")
    world.clock.now += timedelta(minutes=29, seconds=59)
    again = world.ask("POST", CREATE, *BILL, key="k")
    assert (again.content, again.headers["chargebee-idempotency-replayed"]) == (first.content, "true")
    assert "chargebee-idempotency-replayed" not in first.headers
    world.clock.now += timedelta(seconds=1)
    assert world.ask("POST", CREATE, *BILL, key="k").content != first.content
    assert world.events == ["issued", "issued"]


def test_a_key_with_other_parameters_is_422(world: World) -> None:
    """The same key for another bill is refused as unable_to_process_request."""
    world.ask("POST", CREATE, *BILL, key="k")
    other = world.ask("POST", CREATE, *BILL, ("po_number", "x"), key="k")
    assert told(other)[:2] == (422, "unable_to_process_request")
    assert told(world.ask("POST", CREATE, *BILL, key="k" * 101))[0] == 400


@pytest.mark.parametrize("stored", [True, False])
def test_whether_refusals_are_stored_is_a_switch(stored: bool) -> None:
    """Not confirmed: a refusal under a key may be replayed once the cause is gone."""
    world = make_world(failures_stored=stored)
    missing = [("customer_id", "cus_new"), *BILL[1:]]
    assert world.ask("POST", CREATE, *missing, key="k").status == 404
    world.made("/customers", ("id", "cus_new"))
    assert world.ask("POST", CREATE, *missing, key="k").status == (404 if stored else 200)


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_filters_and_the_missing_operator(world: World) -> None:
    """A filter without an operator is silently ignored; an unknown name or operator is refused."""
    world.made(CREATE, *BILL)
    world.made(CREATE, *BILL, ("create_pending_invoice", "true"))
    assert len(listed(world, ("status", "paid"))) == 2
    assert listed(world, ("status[is]", "payment_due")) == ["1"]
    assert listed(world, ("status[in]", '["posted","payment_due"]')) == ["1"]
    assert listed(world, ("status[in]", "[posted,payment_due]")) == ["1"]
    assert listed(world, ("status[not_in]", "[pending]")) == ["1"]
    assert listed(world, ("status[is_not]", "pending")) == ["1"]
    assert listed(world, ("id[starts_with]", "draft_")) == ["draft_inv_00000002"]
    assert listed(world, ("total[gte]", "500"), ("total[lt]", "501"), ("date[after]", "1000000000")) != []
    assert listed(world, ("date[between]", "[1000000000,1100000000]")) == []
    assert listed(world, ("date[on]", "1793577600")) == ["draft_inv_00000002", "1"]
    for name in ("stauts[is]", "status[contains]", "date[after]"):
        assert told(world.ask("GET", "/invoices", (name, "x")))[:2] == (400, "param_wrong_value")


@pytest.mark.parametrize("tolerant", [True, False])
def test_lists_as_the_sdk_spells_them(tolerant: bool) -> None:
    """Not confirmed: single quotes and spaces, as the SDK sends lists, are taken or refused."""
    answer = make_world(quoted_lists=tolerant).ask("GET", "/invoices", ("status[in]", "['paid', 'posted']"))
    assert answer.status == (200 if tolerant else 400)


def test_pages_have_an_opaque_offset_and_a_limit(world: World) -> None:
    """Ten at a time unless said, a hundred at most; the key is absent on the last page."""
    for _ in range(12):
        world.made(CREATE, *BILL)
    first = loads(world.ask("GET", "/invoices").content)
    assert len(first["list"]) == 10
    rest = loads(world.ask("GET", "/invoices", ("offset", first["next_offset"])).content)
    assert (len(rest["list"]), "next_offset" in rest) == (2, False)
    for pair in (("limit", "0"), ("limit", "101"), ("offset", "5"), ("sort_by[desc]", "total")):
        assert world.ask("GET", "/invoices", pair).status == 400


# ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_posted_becomes_payment_due_at_its_due_date(world: World) -> None:
    """Inside the net term an invoice is posted; when that ends it is due, and dunning begins."""
    world.made(CREATE, *BILL, ("net_term_days", "1"))
    assert loads(world.ask("GET", "/invoices/1").content)["invoice"]["status"] == "posted"
    world.clock.now += timedelta(days=1)
    shown = loads(world.ask("GET", "/invoices/1").content)["invoice"]
    assert (shown["status"], shown["dunning_status"]) == ("payment_due", "in_progress")


@pytest.mark.parametrize("action", ["close", "collect_payment", "record_payment", "void", "write_off", "delete"])
def test_what_a_paid_invoice_refuses(world: World, action: str) -> None:
    """Everything that would change a paid invoice is an invalid state."""
    world.made(CREATE, *BILL)
    world.made("/invoices/1/record_payment", ("transaction[payment_method]", "check"))
    assert told(world.ask("POST", f"/invoices/1/{action}"))[:2] == (409, "invalid_state_for_request")


@pytest.mark.parametrize("action", ["collect_payment", "record_payment", "void", "write_off"])
def test_what_a_pending_invoice_refuses(world: World, action: str) -> None:
    """A pending invoice can be closed or deleted, nothing else."""
    world.made(CREATE, *BILL, ("create_pending_invoice", "true"))
    assert told(world.ask("POST", f"/invoices/draft_inv_00000001/{action}"))[:2] == (409, "invalid_state_for_request")


def test_what_a_payment_needs(world: World) -> None:
    """Collecting needs a source of the customer's and no more than is left; recording needs a known method."""
    world.made(CREATE, *BILL)
    collect = "/invoices/1/collect_payment"
    assert told(world.ask("POST", collect))[2] == "payment_source_id"
    assert told(world.ask("POST", collect, ("payment_source_id", "pm_other")))[0] == 404
    assert told(world.ask("POST", collect, ("payment_source_id", "pm_42"), ("amount", "501")))[2] == "amount"
    method = "transaction[payment_method]"
    assert told(world.ask("POST", "/invoices/1/record_payment", (method, "card")))[2] == method
    part = world.made(collect, ("payment_source_id", "pm_42"), ("amount", "200"))
    assert (part["invoice"]["status"], part["invoice"]["amount_due"]) == ("payment_due", 300)
    assert part["transaction"]["amount"] == 200
    assert told(world.ask("POST", "/invoices/1/void"))[1] == "invalid_state_for_request"


def test_a_write_off_is_paid_with_an_adjustment(world: World) -> None:
    """Status paid, write_off_amount the former amount_due, and a credit note of its own."""
    world.made(CREATE, *BILL)
    answer = world.made("/invoices/1/write_off")
    shown = answer["invoice"]
    assert (shown["status"], shown["write_off_amount"], shown["amount_due"], shown["amount_paid"]) == (
        "paid",
        500,
        0,
        0,
    )
    assert shown["adjustment_credit_notes"][0]["cn_create_reason_code"] == "Write Off"
    assert answer["credit_note"]["total"] == 500


def test_a_deleted_invoice_is_only_listed_on_request(world: World) -> None:
    """From then on it is 404 by its id and listed with include_deleted alone."""
    world.made(CREATE, *BILL)
    assert world.made("/invoices/1/delete")["invoice"]["deleted"] is True
    assert world.ask("GET", "/invoices/1").status == 404
    assert (listed(world), listed(world, ("include_deleted", "true"))) == ([], ["1"])


def test_update_details_changes_names_only(world: World) -> None:
    """PO number, VAT number, addresses and custom fields; anything else is unknown."""
    world.made(CREATE, *BILL)
    pairs = (("po_number", "PO-7"), ("cf_ref", "r1"), ("billing_address[city]", "Lyon"))
    shown = world.made("/invoices/1/update_details", *pairs)["invoice"]
    assert (shown["po_number"], shown["cf_ref"], shown["billing_address"]) == ("PO-7", "r1", {"city": "Lyon"})
    assert told(world.ask("POST", "/invoices/1/update_details", ("invoice_note", "x")))[2] == "invoice_note"


def test_unbilled_charges_make_an_invoice_per_currency(world: World) -> None:
    """All of a subscription's charges are billed, however many currencies there are; then there are none."""
    world.site.add_unbilled_charge("sub_42", 700, datetime(2026, 5, 2, tzinfo=UTC), currency="USD")
    path, pair = "/unbilled_charges/invoice_unbilled_charges", ("subscription_id", "sub_42")
    made: list[dict[str, Any]] = world.made(path, pair)["invoices"]
    assert [(row["currency_code"], row["total"]) for row in made] == [("EUR", 2999), ("USD", 700)]
    assert world.ask("POST", path, pair).status == 400
    assert told(world.ask("POST", path, ("customer_id", "cus_42")))[0] == 404


def test_an_unknown_switch_is_refused() -> None:
    """A misspelt switch would silently test nothing."""
    with pytest.raises(ValueError, match="no switch"):
        ChargebeeEmulator(switches={"closing_renumber": True})


# ── customers and their subscriptions ────────────────────────────────────────────────────────────────────────────────
def test_credits_are_those_of_the_customers_that_were_there(world: World) -> None:
    """The switch also works while the emulator runs; a customer that a request makes has no credits."""

    def has(customer: str) -> int:
        found: int = loads(world.ask("GET", f"/customers/{customer}").content)["customer"]["refundable_credits"]
        return found

    assert world.ask("POST", "/customers", ("id", "cus_new")).status == 200
    assert (has("cus_42"), has("cus_new")) == (0, 0)
    world.site.switches["customer_credits"] = True
    assert (has("cus_42"), has("cus_new")) == (500, 0)
    for customer, applied in (("cus_42", 500), ("cus_new", 0)):
        made = world.ask("POST", CREATE, ("customer_id", customer), *BILL[1:], ("charges[description][0]", "x"))
        assert loads(made.content)["invoice"]["credits_applied"] == applied


def test_subscriptions_are_listed_by_customer(world: World) -> None:
    """With what its invoices inherit."""

    def listing(customer: str) -> list[dict[str, Any]]:
        answer = world.ask("GET", "/subscriptions", ("customer_id[is]", customer))
        return [row["subscription"] for row in loads(answer.content)["list"]]

    assert [(row["id"], "po_number" in row) for row in listing("cus_42")] == [("sub_42", False)]
    world.site.switches["subscription_order"] = True
    assert listing("cus_42")[0]["po_number"] == "PO-CUSTOMER-7"
    assert listing("cus_nobody") == []


def test_a_deleted_customer_is_gone_with_its_cards(world: World) -> None:
    """Its invoices stay."""
    assert world.ask("POST", "/customers", ("id", "cus_new")).status == 200
    card = [("card[number]", "4111111111111111"), ("card[expiry_month]", "12"), ("card[expiry_year]", "2034")]
    assert world.ask("POST", "/payment_sources/create_card", ("customer_id", "cus_new"), *card).status == 200
    made = world.ask("POST", CREATE, ("customer_id", "cus_new"), *BILL[1:], ("charges[description][0]", "x"))
    invoice = loads(made.content)["invoice"]["id"]
    assert loads(world.ask("POST", "/customers/cus_new/delete").content)["customer"]["deleted"] is True
    assert told(world.ask("GET", "/customers/cus_new"))[:2] == (404, "resource_not_found")
    assert "cus_new" not in world.site.payment_sources.values()
    assert listed(world, ("customer_id[is]", "cus_new")) == [invoice]
