"""What the emulator refuses of refunds, credit notes, documents and transactions, and what it does by itself."""

from typing import Any

import pytest

from invoice_bridge import Collection, Invoice, Money, OneTimeCharge
from invoice_bridge.core.exact import loads
from tests.providers.chargebee.conftest import World, make_world


def billed(world: World, reference: str = "res-1", **more: Any) -> Invoice:
    said = {"reference": reference, "customer": "cus_42", "amount": Money(2500, "EUR")} | more
    return world.client.create(OneTimeCharge.model_validate(said))


def refused(world: World, path: str, *pairs: tuple[str, str]) -> tuple[int, str, str]:
    answer = world.ask("POST", path, *pairs)
    body = loads(answer.content)
    return answer.status, body["api_error_code"], body.get("param", "")


@pytest.mark.parametrize(
    "pairs, status, param",
    [
        ([("refund_amount", "2501")], 400, "refund_amount"),
        ([("refund_amount", "0")], 400, "refund_amount"),
        ([("refund_amount", "1.5")], 400, "refund_amount"),
        ([("amount", "100")], 400, "amount"),
        ([("comment", "x" * 301)], 400, "comment"),
        ([("customer_notes", "x" * 2001)], 400, "customer_notes"),
        ([("credit_note[reason]", "waiver")], 400, "credit_note"),
    ],
)
def test_a_refund_that_does_not_fit(world: World, pairs: list[tuple[str, str]], status: int, param: str) -> None:
    """More than is refundable, and parameters that the route does not know."""
    made = billed(world, collection=Collection.charge())
    assert refused(world, f"/invoices/{made.id}/refund", *pairs) == (status, "param_wrong_value", param)
    assert world.events == ["issued", "collected"]


def test_what_was_not_collected_is_not_refunded(world: World) -> None:
    """Neither an open invoice nor one that was paid elsewhere; nor one that was refunded whole."""
    made = billed(world)
    path = f"/invoices/{made.id}/refund"
    assert refused(world, path)[:2] == (409, "invalid_state_for_request")
    world.client.mark_paid(made.id)
    assert refused(world, path)[:2] == (409, "invalid_state_for_request")
    paid = billed(world, "res-2", collection=Collection.charge())
    whole = world.made(f"/invoices/{paid.id}/refund")
    assert (whole["transaction"]["amount"], whole["credit_note"]["status"]) == (2500, "refunded")
    assert refused(world, f"/invoices/{paid.id}/refund")[:2] == (409, "invalid_state_for_request")


@pytest.mark.parametrize(
    "more, status, param",
    [
        ({"type": "adjustment"}, 400, "total"),
        ({"type": "adjustment", "total": "2501"}, 400, "total"),
        ({"type": "adjustment", "total": "0"}, 400, "total"),
        ({"type": "store", "total": "100"}, 400, "type"),
        ({"type": "refundable", "total": "100"}, 409, ""),
        ({"type": "adjustment", "line_items[amount][0]": "100"}, 400, "total"),
        ({"type": "adjustment", "total": "100", "reference": "x"}, 400, "reference"),
    ],
)
def test_a_credit_note_that_does_not_fit(world: World, more: dict[str, str], status: int, param: str) -> None:
    """An open invoice takes adjustments of what remains, and no refundable note."""
    made = billed(world)
    if "line_items[amount][0]" in more:  # with a total and lines both
        more = more | {"total": "100"}
    found = refused(world, "/credit_notes", ("reference_invoice_id", made.id), *more.items())
    assert (found[0], found[2]) == (status, param)
    assert world.events == ["issued"]


def test_a_paid_invoice_takes_no_adjustment(world: World) -> None:
    """And no refundable note of more than was paid and is not credited yet."""
    made = billed(world, collection=Collection.charge())
    about = ("reference_invoice_id", made.id)
    assert refused(world, "/credit_notes", about, ("type", "adjustment"), ("total", "1"))[0] == 409
    world.made("/credit_notes", about, ("type", "refundable"), ("total", "2000"))
    assert refused(world, "/credit_notes", about, ("type", "refundable"), ("total", "501"))[2] == "total"
    assert (
        refused(world, "/credit_notes", ("reference_invoice_id", "99"), ("type", "refundable"), ("total", "1"))[0]
        == 404
    )


def test_lines_are_credited_with_their_tax() -> None:
    """A fifth on top, where the site taxes: which the adapter cannot know before, so it refuses them."""
    world = make_world()
    world.site.tax_percent = 20
    made = billed(world, tax="provider")
    line = [("line_items[reference_line_item_id][0]", str(made.lines[0].id)), ("line_items[amount][0]", "1000")]
    about = [("reference_invoice_id", made.id), ("type", "adjustment")]
    assert world.made("/credit_notes", *about, *line)["credit_note"]["total"] == 1200
    other = [("line_items[reference_line_item_id][0]", "li_other"), ("line_items[amount][0]", "1")]
    assert refused(world, "/credit_notes", *about, *other)[2] == "line_items[amount][0]"


def test_the_site_mails_what_it_is_not_kept_from(world: World) -> None:
    """Its own setting decides; the header of the adapter's requests forbids it."""
    made = billed(world, collection=Collection.charge())
    world.site.mails_invoices = True
    world.made(f"/invoices/{made.id}/refund", ("refund_amount", "100"))
    world.made("/credit_notes", ("reference_invoice_id", made.id), ("type", "refundable"), ("total", "100"))
    assert world.events[-4:] == ["refunded", "mailed", "credited", "mailed"]


def test_transactions_are_listed_newest_first_by_their_filters(world: World) -> None:
    """Payments and refunds; a declined payment is one too."""
    made = billed(world)
    assert world.ask("POST", f"/invoices/{made.id}/collect_payment", ("payment_source_id", "pm_declined")).status == 400
    world.client.pay(made.id, payment_method="pm_42")
    world.made(f"/invoices/{made.id}/refund", ("refund_amount", "100"))

    def listed(*pairs: tuple[str, str]) -> list[tuple[str, str, int]]:
        rows = [row["transaction"] for row in loads(world.ask("GET", "/transactions", *pairs).content)["list"]]
        return [(row["type"], row["status"], row["amount"]) for row in rows]

    assert listed(("type[is]", "refund")) == [("refund", "success", 100)]
    assert listed(("status[is]", "failure")) == [("payment", "failure", 2500)]
    assert len(listed(("limit", "2"))) == 2
    assert world.ask("GET", "/transactions", ("order[is]", "1")).status == 400


def test_a_document_takes_no_other_parameter(world: World) -> None:
    """disposition_type alone."""
    made = billed(world)
    assert refused(world, f"/invoices/{made.id}/pdf", ("format", "a4"))[2] == "format"
    assert world.made(f"/invoices/{made.id}/pdf", ("disposition_type", "inline"))["download"]["mime_type"]


def test_the_verbs_are_those_of_both_catalogs(old_world: World) -> None:
    """A site on product catalog 1 has the same routes."""
    client = old_world.client
    made = billed(old_world)
    client.record_payment(made.id, amount=Money(500, "EUR"), at=old_world.clock.now, reference="wire-1")
    client.credit(made.id, amount=Money(500, "EUR"), reference="cn-1", expect=Money(0, "EUR"))
    rest = Money(1500, "EUR")
    paid = client.pay(made.id, amount=rest, reference="part-1", payment_method="pm_42", expect=rest)
    done = client.refund(paid.id, reference="re-1", expect=Money(0, "EUR"))
    assert done.amount_refunded == rest
    assert client.find("res-1", customer="cus_42").id == made.id
    assert client.pdf(made.id).startswith(b"%PDF-")
    assert old_world.events == ["issued", "recorded", "credited", "collected", "refunded"]
