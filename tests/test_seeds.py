"""Every parameter and every field of an answer of five pages is reached, or it is stated why not."""

import re
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge import decode
from invoice_bridge.core.commands import OneTimeCharge
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.money import Money
from invoice_bridge.explain import explain
from tools.seeds import PAGES, UNREAD, WHOLE, Page, field, parameter, seeds_page

CHARGEAPI: dict[str, Any] = {
    "id": "inv_1",
    "object": "invoice",
    "amount_due": 2500,
    "amount_paid": None,
    "created": "2026-05-02T00:25:46.191Z",
    "currency": "eur",
    "description": None,
    "due_date": "2026-05-09T00:25:36.789Z",
    "fleet": "flt_1",
    "line_items": [{"amount": 2500, "description": "Reservation fees", "quantity": 2, "unit_amount": 1250}],
    "metadata": {},
    "paid_at": None,
    "payment_method": None,
    "period_end": "2026-05-02T00:25:17.494Z",
    "period_start": "2026-04-01T00:25:40.683Z",
    "status": "draft",
}
WHOP: dict[str, Any] = {
    "id": "inv_1",
    "created_at": "2026-05-01T05:00:00.401Z",
    "status": "draft",
    "number": "#0001",
    "due_date": "2026-06-01T05:00:00.401Z",
    "email_address": "customer@example.test",
    "fetch_invoice_token": "token_not_a_secret",
    "current_plan": {"id": "plan_1", "currency": "usd", "formatted_price": "$10.00"},
    "user": {"id": "user_1", "name": "Some One", "username": "someone"},
}
SAMPLES = {"chargeapi": CHARGEAPI, "whop": WHOP}
OTHER: dict[str, Any] = {
    "amount_paid": 100,
    "description": "May",
    "metadata": {"site": "7"},
    "paid_at": "2026-05-03T00:00:00.000Z",
    "payment_method": "pm_1",
    "status": "open",
    "currency": "usd",
    "current_plan": {"id": "plan_1", "currency": "eur", "formatted_price": "10.00"},
    "user": {"id": "user_1", "name": "Other One", "username": "someone"},
}
FIELDS = [
    (page.provider, name)
    for page in PAGES
    if not page.is_listing
    for name in page.fields
    if page.provider in SAMPLES and (page.provider, name) not in {*UNREAD, *WHOLE}
]


def _changed(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The same object with another value at a name."""
    first, _, rest = name.partition(".")
    if rest:
        return {**data, first: [_changed(data[first][0], rest)]}
    value = data[first]
    if first in OTHER:
        other: Any = OTHER[first]
    elif isinstance(value, int):
        other = value + 1
    else:
        other = str(value).replace("2026", "2025") if "2026" in str(value) else f"{value}2"
    return {**data, first: other}


def _read(provider: str, data: dict[str, Any]) -> Invoice:
    return decode(provider, data).model_copy(update={"raw": None})


@pytest.mark.parametrize("provider, name", sorted(set(FIELDS)))
def test_a_field_of_an_answer_is_read(provider: str, name: str) -> None:
    """Another value at the field is another invoice."""
    data = SAMPLES[provider]
    assert _read(provider, data) != _read(provider, _changed(data, name))
    assert field(provider, name).how.startswith("read as `")


@pytest.mark.parametrize("provider, name", sorted(UNREAD))
def test_what_is_not_read_stays_in_raw(provider: str, name: str) -> None:
    """It is stated why, and the provider's own JSON has it."""
    raw = decode(provider, SAMPLES[provider]).raw
    assert raw is not None
    assert raw[name] == SAMPLES[provider][name]
    assert field(provider, name).how.startswith("not read: ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_every_name_is_reached(page: Page) -> None:
    """Each name has a way and an evidence; a name that no table has is an error."""
    for names, reach in ((page.parameters, parameter), (page.fields, field)):
        for name in names:
            reached = reach(page.provider, name, is_listing=page.is_listing)
            assert reached.how
            assert reached.evidence
    for reach in (parameter, field):
        with pytest.raises(LookupError):
            reach(page.provider, "made_up", is_listing=page.is_listing)


def test_the_page_names_no_other_material() -> None:
    """The page is made of the tables alone."""
    text = seeds_page()
    assert "shared" not in text
    assert all(f"`{name}`" in text for page in PAGES for name in (*page.parameters, *page.fields))


# ── against the pages ────────────────────────────────────────────────────────────────────────────────────────────────
_TYPED = re.compile(r"^([a-z_]+)\n(?:string|integer|object|array of object)(?: \| null)?$", re.MULTILINE)
_CHARGEBEE = re.compile(r"^([a-z_]+)\n(?:optional|required)", re.MULTILINE)
MARKS = {
    "account_id": "biz_",
    "product": "create a new product",
    "member_id": "mber_",
    "plan": "plan attributes",
    "collection_method": "charge_automatically",
    "due_date": "must be paid",
    "customer_name": "customer_name",
    "email_address": "email_address",
    "automatically_finalizes_at": "automatically finalized",
    "charge_buyer_fee": "buyer fee",
    "payment_method_id": "pmt_",
    "payment_token_id": "payt_",
}
"""What the page of Whop says of a parameter whose name it does not show."""


def _page(shared: Path, number: int) -> str:
    (path,) = (shared / "seeds").glob(f"{number:03}_*.txt")
    return path.read_text("utf-8")


@pytest.mark.parametrize("number", range(4))
def test_the_list_is_that_of_the_page(shared_dir: Path, number: int) -> None:
    """No parameter and no field of the page is forgotten, and none is made up."""
    text, page = _page(shared_dir, number), PAGES[number]
    if page.provider == "chargebee":
        assert set(_CHARGEBEE.findall(text)) | {"currency_code"} == set(page.parameters)
        assert len(_CHARGEBEE.findall(text)) >= len(page.parameters) - 1
        return
    named = set(_TYPED.findall(text))
    listed = {name.partition(".")[0] for name in (*page.parameters, *page.fields)}
    assert named - listed == set()
    samples = set(re.findall(r'"([a-z_]+)": ', text))
    shown = {part for name in (*page.parameters, *page.fields) for part in name.split(".")}
    assert samples - shown <= ({"data"} if page.fields != page.parameters else set()) | (
        {name.partition(".")[0] for name in PAGES[2].fields} | {"amount", "quantity", "unit_amount", "description"}
    )


def test_the_list_is_that_of_the_page_without_names(shared_dir: Path) -> None:
    """Whop's page shows sentences and examples: each parameter has one, and there are no more."""
    text = _page(shared_dir, 4)
    request, _, answer = text.partition("A successful response")
    request = request.partition("Autogenerated input")[2]
    page = PAGES[4]
    assert set(MARKS) == set(page.parameters)
    assert [name for name, mark in MARKS.items() if mark not in request] == []
    # one description each; the customer's two are described with the member, and by one sentence of their own
    described = [line for line in request.splitlines()[1:] if re.search(r"[a-z]\.$", line) or "must be paid." in line]
    assert len(described) == len(page.parameters) - 1
    fields = [line for line in answer.splitlines() if re.match(r"^(?:The|A |draft, open).* ", line) and "." in line]
    assert len(fields) == len(page.fields)


def test_both_catalogs_reach_the_parameters_of_a_charge() -> None:
    """The parameters of POST /invoices/charge go there on catalog 1, and per line on catalog 2."""
    from invoice_bridge import Collection

    native = {"chargebee": {"payment_initiator": "customer"}}
    charge = OneTimeCharge(
        reference="r",
        customer="cus_42",
        amount=Money(100, "EUR"),
        tax="provider",
        collection=Collection.charge("pm_42"),
        native=native,
    )
    made = explain("chargebee", charge, lookup="never", site="acme-test", product_catalog=1)
    assert made.requests[0].url.endswith("/invoices/charge")
    assert b"payment_initiator=customer" in made.requests[0].content
