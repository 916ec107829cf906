"""The emulator is a claim about Stripe: each of its rules, and both values of every switch."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from invoice_bridge.core.exact import loads
from invoice_bridge.core.wire import Response
from invoice_bridge.providers.stripe.emulator import StripeEmulator
from tests.providers.stripe.conftest import World

Make = Callable[..., World]
Pair = tuple[str, str]
WHO: tuple[Pair, ...] = (("customer", "cus_42"), ("currency", "eur"))


def fault(answer: Response) -> tuple[int, str | None, str | None, str]:
    error = loads(answer.content)["error"]
    assert answer.headers["request-id"].startswith("req_")
    return answer.status, error.get("code"), error.get("param"), error["message"]


def draft(world: World, *pairs: Pair, lines: int = 1) -> str:
    found = str(world.made("/v1/invoices", *WHO, *pairs)["id"])
    if lines:
        world.made(f"/v1/invoices/{found}/add_lines", *((f"lines[{n}][amount]", "500") for n in range(lines)))
    return found


def opened(world: World, *pairs: Pair) -> str:
    found = draft(world, *pairs)
    world.made(f"/v1/invoices/{found}/finalize")
    return found


# ── what every request meets ─────────────────────────────────────────────────────────────────────────────────────────
def test_unknown_routes(world: World) -> None:
    """A path that Stripe does not have is a 404 in Stripe's words."""
    assert fault(world.ask("GET", "/v1/nothing"))[::3] == (404, "Unrecognized request URL (GET: /v1/nothing)")
    assert fault(world.ask("DELETE", "/v1/invoices"))[0] == 404


@pytest.mark.parametrize(
    "path,name",
    [
        ("/v1/invoices", "tax_percent"),
        ("/v1/invoices", "automatic_tax[on]"),
        ("/v1/invoices", "custom_fields[0][title]"),
        ("/v1/invoices/{id}", "currency"),
        ("/v1/invoices/{id}/add_lines", "lines[0][currency]"),
        ("/v1/invoices/{id}/add_lines", "lines[0][price]"),
        ("/v1/invoices/{id}/add_lines", "lines[0][unit_amount]"),
        ("/v1/invoices/{id}/add_lines", "lines[0][period][first]"),
        ("/v1/invoices/{id}/finalize", "reason"),
        ("/v1/invoices/{id}/pay", "amount"),
        ("/v1/invoices/{id}/send", "email"),
        ("/v1/invoices/{id}/void", "reason"),
        ("/v1/invoiceitems", "unit_amount"),
        ("/v1/invoiceitems", "price"),
    ],
)
def test_unknown_parameters_are_refused(world: World, path: str, name: str) -> None:
    """Also those that older versions had, and those nested in known ones."""
    answer = world.ask("POST", path.format(id=draft(world)), *WHO[: 2 if "{" not in path else 0], (name, "x"))
    assert fault(answer) == (400, "parameter_unknown", name, f"Received unknown parameter: {name}")


def test_unknown_filters_are_refused(world: World) -> None:
    """A misspelled filter does not return the whole list."""
    assert fault(world.ask("GET", "/v1/invoices", ("state", "open")))[1] == "parameter_unknown"


def test_ids_are_deterministic(make: Make) -> None:
    """The same calls make the same ids, in every run."""
    assert [draft(make()) for _ in range(2)] == ["in_00000001"] * 2


def test_an_unknown_switch_is_an_error() -> None:
    """A misspelled switch does not leave a test without its point."""
    with pytest.raises(ValueError, match="stripe has no switch void_uncolectible"):
        StripeEmulator(switches={"void_uncolectible": True})


# ── idempotency (docs.stripe.com/api/idempotent_requests) ────────────────────────────────────────────────────────────
@pytest.mark.parametrize("marked", [True, False])
def test_the_first_answer_is_repeated(make: Make, marked: bool) -> None:
    """The same key and request: the same answer, marked or not, and nothing is done twice."""
    world = make(replay_header=marked)
    first, second = (world.ask("POST", "/v1/invoices", *WHO, key="k") for _ in range(2))
    assert (first.status, first.content) == (second.status, second.content)
    assert ("idempotent-replayed" in first.headers, second.headers.get("idempotent-replayed")) == (
        False,
        "true" if marked else None,
    )
    assert len(world.stripe.invoices) == 1


def test_a_key_with_another_request_is_refused(world: World) -> None:
    """Other parameters, or another path, under a key that is remembered: an idempotency_error."""
    world.ask("POST", "/v1/invoices", *WHO, key="k")
    for path, pairs in (("/v1/invoices", (*WHO, ("description", "x"))), ("/v1/customers", ())):
        answer = world.ask("POST", path, *pairs, key="k")
        assert (answer.status, loads(answer.content)["error"]["type"]) == (400, "idempotency_error")
    assert (len(world.stripe.invoices), len(world.stripe.customers)) == (1, 1)


def test_a_key_is_forgotten_after_a_day(world: World) -> None:
    """One second before, the answer is repeated; after 24 hours the same request is done again."""
    world.ask("POST", "/v1/invoices", *WHO, key="k")
    world.clock.now += timedelta(hours=24, seconds=-1)
    world.ask("POST", "/v1/invoices", *WHO, key="k")
    assert len(world.stripe.invoices) == 1
    world.clock.now += timedelta(seconds=1)
    world.ask("POST", "/v1/invoices", *WHO, key="k")
    assert len(world.stripe.invoices) == 2


def test_refusals_are_remembered_but_not_those_of_validation(world: World) -> None:
    """A declined card is repeated; an unknown parameter may be corrected under the same key."""
    world.ask("POST", "/v1/invoices", *WHO, ("nope", "1"), key="k")
    assert world.ask("POST", "/v1/invoices", *WHO, key="k").status == 200
    path, method = f"/v1/invoices/{opened(world)}/pay", ("payment_method", "pm_declined")
    assert [world.ask("POST", path, method, key="p").status for _ in range(2)] == [402, 402]
    assert fault(world.ask("POST", path, key="p"))[3].startswith("Keys for idempotent requests")
    assert world.ask("POST", path, key="q").status == 200


def test_reads_and_deletes_take_no_key(world: World) -> None:
    """A key on GET or DELETE is ignored."""
    found = draft(world)
    assert [world.ask("DELETE", f"/v1/invoices/{found}", key="k").status for _ in range(2)] == [200, 404]


# ── making an invoice ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "pairs,told",
    [
        ((), (400, "parameter_missing", None, "You must provide one of customer or customer_account.")),
        ((("customer", "cus_x"),), (400, "resource_missing", "customer", "No such customer: 'cus_x'")),
        (
            (*WHO, ("collection_method", "send_invoice")),
            (
                400,
                None,
                None,
                "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'.",
            ),
        ),
        (
            (*WHO, ("days_until_due", "14")),
            (
                400,
                None,
                None,
                "You can only specify 'due_date' or 'days_until_due' if collection method is 'send_invoice'.",
            ),
        ),
        (
            (*WHO, ("collection_method", "send_invoice"), ("due_date", "1793610000")),
            (400, None, "due_date", "Invalid timestamp: must be an integer Unix timestamp in the future"),
        ),
        (
            (*WHO, ("collection_method", "send_invoice"), ("days_until_due", "soon")),
            (400, "parameter_invalid_integer", "days_until_due", "Invalid integer: soon"),
        ),
        (
            (*WHO, ("pending_invoice_items_behavior", "include_and_require")),
            (
                400,
                None,
                "pending_invoice_items_behavior",
                "Invalid pending_invoice_items_behavior: must be one of include or exclude",
            ),
        ),
        ((*WHO, ("collection_method", "post")), (400, None, "collection_method", "Invalid collection_method")),
    ],
)
def test_what_cannot_be_opened(world: World, pairs: tuple[Pair, ...], told: tuple[Any, ...]) -> None:
    """Customer, due date, e-mail and the words of the enumerations are checked; nothing is made."""
    assert fault(world.ask("POST", "/v1/invoices", *pairs)) == told
    assert world.stripe.invoices == {}


def test_a_mailed_invoice_needs_an_address(world: World) -> None:
    """The customer must have an e-mail."""
    world.stripe.add_customer("cus_7")
    sends = (("customer", "cus_7"), ("collection_method", "send_invoice"), ("days_until_due", "1"))
    assert fault(world.ask("POST", "/v1/invoices", *sends))[3].startswith("Missing email.")


def test_days_until_due_count_from_creation(world: World) -> None:
    """due_date is created + days × 86400, exactly."""
    found = world.made("/v1/invoices", *WHO, ("collection_method", "send_invoice"), ("days_until_due", "14"))
    assert found["due_date"] == found["created"] + 14 * 86400


def test_automatic_advance_finalizes_in_an_hour(world: World) -> None:
    """auto_advance sets automatically_finalizes_at to created + 3601; switching it off clears it."""
    found = world.made("/v1/invoices", *WHO, ("auto_advance", "true"))
    assert found["automatically_finalizes_at"] == found["created"] + 3601
    off = world.made(f"/v1/invoices/{found['id']}", ("auto_advance", "false"))
    assert (off["auto_advance"], off["automatically_finalizes_at"]) == (False, None)


def test_manual_invoices_have_a_period_of_no_width(world: World) -> None:
    """period_start and period_end are both the creation; the service period stands on the lines."""
    found = world.made("/v1/invoices", *WHO)
    assert found["period_start"] == found["period_end"] == found["created"]


def test_pending_items_join_only_where_they_are_asked_to(world: World) -> None:
    """Exclude is the default; include takes the customer's items of the currency, and leaves the others."""
    item, other = world.item(1, 1), world.item(1, 1, currency="usd")
    assert world.made("/v1/invoices", *WHO)["lines"]["data"] == []
    found = world.made("/v1/invoices", *WHO, ("pending_invoice_items_behavior", "include"))
    assert [row["parent"]["invoice_item_details"]["invoice_item"] for row in found["lines"]["data"]] == [item]
    assert world.stripe.items[other]["invoice"] is None


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "line,param",
    [
        ({"amount": "5", "quantity": "2"}, "lines[0][amount]"),
        ({"quantity": "2"}, "lines[0][amount]"),
        ({"amount": "5", "price_data][unit_amount": "5"}, "lines[0][amount]"),
        ({"amount": "1.5"}, "lines[0][amount]"),
        ({"quantity": "-1", "price_data][unit_amount": "5"}, "lines[0][price_data]"),
        ({"price_data][currency": "usd", "price_data][unit_amount": "5"}, "lines[0][price_data]"),
        ({"quantity": "x", "price_data][unit_amount": "5"}, "lines[0][quantity]"),
        ({"amount": "5", "period][start": "9", "period][end": "8"}, "lines[0][period][end]"),
        ({"amount": "5", "period][start": "x", "period][end": "8"}, "lines[0][period][start]"),
        ({"invoice_item": "ii_x"}, "lines[0][invoice_item]"),
    ],
)
def test_lines_that_cannot_be_added(world: World, line: dict[str, str], param: str) -> None:
    """An amount, or a quantity and a price that fit the invoice, over a period that does not end before it starts."""
    found = draft(world, lines=0)
    good = ("lines[1][amount]", "100")
    pairs = [(f"lines[0][{name}]", value) for name, value in line.items()]
    assert fault(world.ask("POST", f"/v1/invoices/{found}/add_lines", *pairs, good))[::2][:2] == (400, param)
    assert world.stripe.invoices[found]["rows"] == []


def test_no_lines_at_all(world: World) -> None:
    """The parameter is required."""
    answer = world.ask("POST", f"/v1/invoices/{draft(world, lines=0)}/add_lines")
    assert fault(answer)[1:3] == ("parameter_missing", "lines")


def test_an_item_joins_one_invoice_once(world: World) -> None:
    """Not twice in a call, not again later, not another customer's, not of another currency."""
    world.stripe.add_customer("cus_7", "seven@example.test")
    item = world.item(1, 1)
    others = [world.item(1, 1, customer="cus_7"), world.item(1, 1, currency="usd")]
    path = f"/v1/invoices/{draft(world, lines=0)}/add_lines"
    twice = (("lines[0][invoice_item]", item), ("lines[1][invoice_item]", item))
    assert world.ask("POST", path, *twice).status == 400
    assert [world.ask("POST", path, ("lines[0][invoice_item]", other)).status for other in others] == [400, 400]
    assert [world.ask("POST", path, twice[0]).status for _ in range(2)] == [200, 400]


def test_an_invoice_takes_250_items(world: World) -> None:
    """The 251st is refused, by itself or with the others, as a line or as an item."""
    full = draft(world, lines=250)
    answer = world.ask("POST", f"/v1/invoices/{full}/add_lines", ("lines[0][amount]", "1"))
    assert fault(answer)[3] == "An invoice can have at most 250 items"
    item = world.ask("POST", "/v1/invoiceitems", *WHO, ("amount", "1"), ("invoice", full))
    assert (item.status, world.stripe.items) == (400, {})
    many = ((f"lines[{n}][amount]", "1") for n in range(251))
    assert world.ask("POST", f"/v1/invoices/{draft(world, lines=0)}/add_lines", *many).status == 400


def test_an_item_is_attached_at_once_where_it_names_an_invoice(world: World) -> None:
    """unit_amount_decimal × quantity is its amount, rounded half up; the invoice must be a draft."""
    found = draft(world, lines=0)
    priced = (*WHO, ("unit_amount_decimal", "0.5"), ("quantity", "3"), ("invoice", found))
    item = world.made("/v1/invoiceitems", *priced)
    assert (item["amount"], item["invoice"], world.stripe.invoices[found]["total"]) == (2, found, 2)
    answer = world.ask("POST", "/v1/invoiceitems", *WHO, ("amount", "1"), ("invoice", opened(world)))
    assert (fault(answer)[1], len(world.stripe.items)) == ("invoice_not_editable", 1)


@pytest.mark.parametrize("currency,amount", [("isk", "150"), ("ugx", "99"), ("kwd", "1234"), ("bhd", "1")])
def test_granularity_is_enforced_or_not(make: Make, currency: str, amount: str) -> None:
    """Whether amounts against a currency's granularity are refused is not confirmed: a switch, both ways."""
    pairs = (("customer", "cus_42"), ("currency", currency), ("amount", amount))
    assert make(whole_units=True).ask("POST", "/v1/invoiceitems", *pairs).status == 400
    assert make(whole_units=False).ask("POST", "/v1/invoiceitems", *pairs).status == 200


def test_ten_lines_come_with_the_invoice(world: World) -> None:
    """The rest is paged; total_count says how many there are."""
    found = draft(world, lines=12)
    lines = loads(world.ask("GET", f"/v1/invoices/{found}").content)["lines"]
    assert (len(lines["data"]), lines["has_more"], lines["total_count"]) == (10, True, 12)
    page = loads(world.ask("GET", lines["url"], ("starting_after", lines["data"][-1]["id"])).content)
    assert (len(page["data"]), page["has_more"]) == (2, False)


# ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────────────
NOT_OPEN = "You can only pass in open invoices. This invoice isn't open."


@pytest.mark.parametrize(
    "before,verb,message",
    [
        ([], "void", NOT_OPEN),
        ([], "mark_uncollectible", NOT_OPEN),
        (["finalize"], "finalize", "This invoice is already finalized, you can't re-finalize a non-draft invoice."),
        (["pay"], "pay", "Invoice is already paid"),
        (["pay"], "void", "Invoices with `paid` payments cannot be voided."),
        (["pay"], "mark_uncollectible", NOT_OPEN),
        (["pay"], "finalize", "This invoice is already finalized, you can't re-finalize a non-draft invoice."),
        (["pay"], "send", "This invoice cannot be sent right now."),
        (["finalize", "void"], "void", NOT_OPEN),
        (["finalize", "void"], "pay", "This invoice can no longer be paid"),
        (
            ["finalize", "mark_uncollectible"],
            "mark_uncollectible",
            "This invoice has already been marked uncollectible.",
        ),
    ],
)
def test_transitions_that_stripe_refuses(world: World, before: list[str], verb: str, message: str) -> None:
    """All of them are HTTP 400 with neither code nor param, as recorded."""
    found = draft(world)
    for step in before:
        world.made(f"/v1/invoices/{found}/{step}")
    assert fault(world.ask("POST", f"/v1/invoices/{found}/{verb}")) == (400, None, None, message)


def test_only_drafts_are_deleted_and_their_items_do_not_come_back(world: World) -> None:
    """The answer is the id alone; an item that the draft held is not pending again."""
    item = world.item(1, 1)
    found = draft(world, lines=0)
    world.made(f"/v1/invoices/{found}/add_lines", ("lines[0][invoice_item]", item))
    answer = world.ask("DELETE", f"/v1/invoices/{found}")
    assert loads(answer.content) == {"id": found, "object": "invoice", "deleted": True}
    assert loads(world.ask("GET", "/v1/invoiceitems", ("pending", "true")).content)["data"] == []
    assert fault(world.ask("DELETE", f"/v1/invoices/{opened(world)}"))[3] == "You can only delete draft invoices."


@pytest.mark.parametrize(
    "method,path,param",
    [
        ("GET", "", "invoice"),
        ("DELETE", "", "invoice"),
        ("POST", "/send", "invoice"),
        ("POST", "/add_lines", "invoice"),
        ("POST", "", "id"),
        ("POST", "/pay", "id"),
        ("POST", "/finalize", "id"),
        ("POST", "/void", "id"),
        ("POST", "/mark_uncollectible", "id"),
    ],
)
def test_which_parameter_a_404_names(world: World, method: str, path: str, param: str) -> None:
    """As recorded: "invoice" for some endpoints, "id" for the others."""
    told = fault(world.ask(method, f"/v1/invoices/in_x{path}"))
    assert told == (404, "resource_missing", param, "No such invoice: 'in_x'")


def test_pay_and_send_finalize_a_draft(world: World) -> None:
    """One call finalizes and collects, or mails: the reason why the adapter reads first."""
    paid = world.made(f"/v1/invoices/{draft(world)}/pay")
    moments = paid["status_transitions"]
    assert (paid["status"], moments["finalized_at"], moments["paid_at"]) == ("paid", *[paid["effective_at"]] * 2)
    due = (("collection_method", "send_invoice"), ("days_until_due", "1"))
    assert world.made(f"/v1/invoices/{draft(world, *due)}/send")["status"] == "open"
    assert world.events == ["issued", "collected", "issued", "mailed"]


def test_out_of_band_is_no_attempt(world: World) -> None:
    """Attempted stays false, amount_paid is amount_due, auto_advance is off."""
    found = world.made(f"/v1/invoices/{opened(world, ('auto_advance', 'true'))}/pay", ("paid_out_of_band", "true"))
    facts = ("status", "attempted", "attempt_count", "amount_paid", "amount_remaining", "auto_advance")
    assert [found[name] for name in facts] == ["paid", False, 0, 500, 0, False]
    assert world.events == ["issued", "recorded"]


def test_a_void_invoice_keeps_its_amounts(world: World) -> None:
    """amount_due and amount_remaining stay at their full value."""
    found = world.made(f"/v1/invoices/{opened(world)}/void")
    assert (found["amount_due"], found["amount_remaining"], found["status"]) == (500, 500, "void")


def test_numbers_count_per_customer(world: World) -> None:
    """One sequence a customer, with the customer's prefix; a number that was given stays."""
    world.stripe.add_customer("cus_7", "seven@example.test")
    first, second = (world.stripe.invoices[opened(world)]["number"] for _ in range(2))
    other = draft(world, ("customer", "cus_7"))
    given = opened(world, ("number", "MINE-7"))
    assert (first, second) == ("EMULATE0-0001", "EMULATE0-0002")
    assert world.made(f"/v1/invoices/{other}/finalize")["number"] == "EMULATE1-0001"
    assert world.stripe.invoices[given]["number"] == "MINE-7"


def test_an_invoice_over_nothing_is_paid_when_it_is_finalized(world: World) -> None:
    """Attempted is true, no attempt is counted, nothing is collected."""
    found = draft(world, lines=0)
    world.made(f"/v1/invoices/{found}/add_lines", ("lines[0][amount]", "0"))
    paid = world.made(f"/v1/invoices/{found}/finalize")
    assert (paid["status"], paid["attempted"], paid["attempt_count"], world.events) == ("paid", True, 0, ["issued"])


@pytest.mark.parametrize("allowed", [True, False])
def test_finalizing_an_empty_draft(make: Make, allowed: bool) -> None:
    """Whether that works is not confirmed: a switch, both ways."""
    world = make(finalize_empty=allowed)
    answer = world.ask("POST", f"/v1/invoices/{draft(world, lines=0)}/finalize")
    assert answer.status == (200 if allowed else 400)
    assert world.events == (["issued"] if allowed else [])


@pytest.mark.parametrize("switch,verb", [("void_uncollectible", "void"), ("pay_uncollectible", "pay")])
@pytest.mark.parametrize("allowed", [True, False])
def test_what_becomes_of_the_uncollectible(make: Make, switch: str, verb: str, allowed: bool) -> None:
    """Documented, not observed: a switch, both ways; status_details goes when the status does."""
    world = make(**{switch: allowed})
    found = opened(world)
    given_up = world.made(f"/v1/invoices/{found}/mark_uncollectible")
    assert given_up["status_details"] == {"uncollectible": {"reason": "user_forgiven"}}
    answer = world.ask("POST", f"/v1/invoices/{found}/{verb}")
    assert answer.status == (200 if allowed else 400)
    assert "status_details" not in loads(answer.content)


@pytest.mark.parametrize("allowed", [True, False])
def test_mailing_what_is_charged_automatically(make: Make, allowed: bool) -> None:
    """Not confirmed: a switch, both ways."""
    world = make(send_any_method=allowed)
    assert world.ask("POST", f"/v1/invoices/{opened(world)}/send").status == (200 if allowed else 400)


def test_a_refused_update_changes_nothing(world: World) -> None:
    """All of an update or none of it; of an issued invoice only the metadata."""
    found = draft(world)
    before = world.ask("GET", f"/v1/invoices/{found}").content
    assert world.ask("POST", f"/v1/invoices/{found}", ("description", "x"), ("due_date", "1")).status == 400
    assert loads(world.ask("GET", f"/v1/invoices/{found}").content) == loads(before)
    world.made(f"/v1/invoices/{found}/finalize")
    answer = world.ask("POST", f"/v1/invoices/{found}", ("footer", "x"), ("metadata[a]", "1"))
    assert fault(answer) == (400, None, "footer", "Finalized invoices can't be updated in this way")
    assert world.made(f"/v1/invoices/{found}", ("metadata[a]", "1"))["metadata"] == {"a": "1"}
    assert world.made(f"/v1/invoices/{found}", ("metadata[a]", ""))["metadata"] == {}


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("limit,shown", [("0", 1), ("-5", 1), ("1", 1), ("100", 100), ("101", 100), (None, 10)])
def test_limits_are_clamped_silently(world: World, limit: str | None, shown: int) -> None:
    """0 becomes 1, 101 becomes 100, and without one it is 10."""
    for _ in range(102):
        draft(world, lines=0)
    page = loads(world.ask("GET", "/v1/invoices", *([("limit", limit)] if limit else [])).content)
    assert (len(page["data"]), page["has_more"]) == (shown, True)


def test_cursors(world: World) -> None:
    """Newest first; after and before an id, never both; an unknown one is refused."""
    one, two, three = (draft(world, lines=0) for _ in range(3))

    def listed(*pairs: Pair) -> list[str]:
        return [row["id"] for row in loads(world.ask("GET", "/v1/invoices", *pairs).content)["data"]]

    assert listed() == [three, two, one]
    assert listed(("starting_after", three), ("limit", "1")) == [two]
    assert listed(("ending_before", one), ("limit", "1")) == [two]
    assert fault(world.ask("GET", "/v1/invoices", ("starting_after", "in_x")))[1:3] == (
        "resource_missing",
        "starting_after",
    )
    both = world.ask("GET", "/v1/invoices", ("starting_after", one), ("ending_before", two))
    assert fault(both)[:3] == (400, None, None)
    assert fault(world.ask("GET", "/v1/invoices", ("limit", "abc")))[1:3] == ("parameter_invalid_integer", "limit")


def test_payments_come_only_where_they_are_expanded(world: World) -> None:
    """The invoice alone does not say that a payment is on its way."""
    found = opened(world)
    world.stripe.begin_payment(found)
    assert "payments" not in loads(world.ask("GET", f"/v1/invoices/{found}").content)
    expand = ("expand[0]", "payments.data.payment.payment_intent")
    payments = loads(world.ask("GET", f"/v1/invoices/{found}", expand).content)["payments"]
    assert payments["data"][0]["payment"]["payment_intent"]["status"] == "processing"


def test_customers(world: World) -> None:
    """They can be made, read, billed, and not found."""
    made = world.made("/v1/customers", ("email", "new@example.test"), ("name", "New"), ("metadata[a]", "1"))
    assert loads(world.ask("GET", f"/v1/customers/{made['id']}").content) == made
    assert (made["email"], made["name"], made["metadata"]) == ("new@example.test", "New", {"a": "1"})
    assert fault(world.ask("GET", "/v1/customers/cus_x"))[:3] == (404, "resource_missing", "id")
    assert world.made("/v1/invoices", ("customer", made["id"]))["customer_email"] == "new@example.test"


def test_a_customer_that_a_request_makes_owes_nothing_and_can_be_deleted(make: Callable[..., World]) -> None:
    """Whatever the switches say of the customers that were there before; its issued invoices stay."""
    world = make(customer_owes=True, customer_discount=True)
    assert world.stripe.customers["cus_42"]["balance"] == 5000
    made = world.made("/v1/customers", ("email", "new@example.test"))
    assert (made["balance"], made["discount"]) == (0, None)
    issued = opened(world, ("customer", made["id"]))
    answer = world.ask("DELETE", f"/v1/customers/{made['id']}")
    assert loads(answer.content) == {"id": made["id"], "object": "customer", "deleted": True}
    assert fault(world.ask("DELETE", f"/v1/customers/{made['id']}"))[:2] == (404, "resource_missing")
    assert issued in world.stripe.invoices
