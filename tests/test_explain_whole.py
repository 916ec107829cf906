"""A plan as it is read, whole: as text, in colour, as JSON and as shell commands."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_bridge import Collection, Money, OneTimeCharge, Period, Retrieve, Void, explain, providers
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.wire import Flow
from invoice_bridge.explain import Plan, _quoted, body_leaves, make_context, plan
from tests import toy
from tests.listing import CHARGE, use_of

BILL = OneTimeCharge(reference="r", customer="c", amount=Money(1900, "EUR"), period=Period.month(2026, 5))
TEXT = """\
{bold}acme: issues; 2 requests, 2 losses{end}

{bold}1. [stores] POST https://main.acme.test/v1/invoices{end}
{dim}     Acme-Version: 7{end}
{dim}     Content-Type: application/json{end}
{dim}     Acme-Key: KEY{end}
     ref     r     {dim}← reference{end}
     amount  1900  {dim}← ?{end}

{bold}2. [issues] POST https://main.acme.test/v1/invoices/{{open.id}}/issue{end}
{dim}     Acme-Version: 7{end}
{dim}     Acme-Key: KEY{end}
{dim}     needs open.id, from the answer of 1{end}

{bold}losses:{end}
{yellow}  info: [IB-ACME-BUYER-01] ($.customer) a buyer is a team{end}
{yellow}  warns: [IB-ACME-PERIOD-01] ($.period) there is no field for it; name the month in the description{end}"""
CONSTANT = Field("", "ref", toy.DOCS, why="acme asks for it")
PLAIN = dict.fromkeys(("bold", "red", "yellow", "dim", "end"), "")
COLOURS = {"bold": "\033[1m", "red": "\033[31m", "yellow": "\033[33m", "dim": "\033[2m", "end": "\033[0m"}


def _without_keys(text: str) -> str:
    return re.sub(r"ib1-[0-9a-f]{64}", "KEY", text)


def _planned() -> Plan:
    return plan(BILL, toy.toy_context(), lookup="never")


def test_a_plan_is_read_from_top_to_bottom() -> None:
    """Effects and counts, each request with its headers, fields, origins and needs, then the losses."""
    assert _without_keys(_planned().text()) == TEXT.format(**PLAIN)


def test_a_plan_in_colour() -> None:
    """Headings are bold, what is secondary is dim, losses are yellow, a refusal is red."""
    assert _without_keys(_planned().text(color=True)) == TEXT.format(**COLOURS)
    refused = explain("whop", CHARGE.model_copy(update={"draft": True}), account_id="biz_42")
    head, empty, without, bold, *_ = refused.text(color=True).split("\n")
    assert (head.startswith("\033[31mwhop: refused before anything is sent: "), head[-4:]) == (True, "\033[0m")
    assert (empty, without, bold[:8]) == ("", "Without that, it would send:", "\033[1mwhop")


def test_a_plan_with_a_lookup_says_which_requests_belong_to_it() -> None:
    """What reads says so, and a note stands in brackets below its request."""
    assert _without_keys(plan(CHARGE, use_of(CHARGE)).text()).split("\n\n")[:2] == [
        "acme: nothing to the customer; 2 requests, 1 loss",
        (
            "1. [reads] GET https://main.acme.test/v1/invoices?buyer=buy_1\n     Acme-Version: 7\n"
            "     (lookup: was the reference billed before?)"
        ),
    ]
    assert plan(Retrieve(id="in_1"), toy.toy_context()).text() == (
        "acme: nothing to the customer; 1 request, 0 losses\n\n1. [reads] GET https://main.acme.test/v1/invoices/in_1\n"
        "     Acme-Version: 7\n\nlosses: none"
    )


def test_a_plan_as_json_is_complete() -> None:
    """Every name and every value, as a program reads them."""
    version, key = {"Acme-Version": "7"}, {"Acme-Key": "KEY"}
    typed = {"Content-Type": "application/json"}
    url = "https://main.acme.test/v1/invoices"
    assert json.loads(_without_keys(json.dumps(_planned().to_json()))) == {
        "provider": "acme",
        "effects": ["issues"],
        "requests": [
            {
                "method": "POST", "url": url, "effects": [], "headers": version | typed | key,
                "body": '{"ref":"r","amount":1900}', "key": "KEY", "origins": {"ref": "reference", "amount": "?"},
                "needs": [], "note": "",
            },
            {
                "method": "POST", "url": f"{url}/{{open.id}}/issue", "effects": ["issues"], "headers": version | key,
                "body": "", "key": "KEY", "origins": {}, "needs": ["open.id"], "note": "",
            },
        ],
        "losses": [
            {
                "code": "IB-ACME-BUYER-01", "path": "customer", "fate": "approximated", "severity": "info", "sent": "",
                "why": "a buyer is a team", "remedy": "",
            },
            {
                "code": "IB-ACME-PERIOD-01", "path": "period", "fate": "dropped", "severity": "warns",
                "sent": "nothing", "why": "there is no field for it", "remedy": "name the month in the description",
            },
        ],
        "refusal": None,
    }  # fmt: skip


def test_a_plan_as_shell_commands_is_complete() -> None:
    """The key comes from the environment by standard input, the effect is a comment, an unknown value a variable."""
    assert _without_keys(explain("chargebee", Void(id="7")).curl()) == (
        "# voids\n"
        'printf \'user = "%s:"\\n\' "$CHARGEBEE_API_KEY" | curl -g -X POST '
        'https://"$SITE".chargebee.com/api/v2/invoices/7/void \\\n'
        "  -K - \\\n"
        "  -H 'chargebee-idempotency-key: KEY'"
    )
    bill = OneTimeCharge(reference="r", customer="cus_42", amount=Money(1900, "EUR"), draft=True)
    assert _without_keys(explain("stripe", bill, lookup="never").curl()).split("\n\n")[1] == (
        "printf 'Authorization: Bearer %s\\n' \"$STRIPE_API_KEY\" | curl -g -X POST "
        'https://api.stripe.com/v1/invoices/"$OPEN_ID"/add_lines \\\n'
        "  -H @- \\\n"
        "  -H 'Stripe-Version: 2026-10-28.endive' \\\n"
        "  -H 'Content-Type: application/x-www-form-urlencoded' \\\n"
        "  -H 'Idempotency-Key: KEY' \\\n"
        "  --data-raw 'lines%5B0%5D%5Bdescription%5D=r&lines%5B0%5D%5Bamount%5D=1900'"
    )


def test_the_effects_of_one_request_are_listed() -> None:
    """In the text and above the shell's command, by name."""
    said: dict[str, Any] = {"reference": "r", "customer": "a@example.com", "amount": Money(1900, "USD")}
    said |= {"collection": Collection.charge("pmt_42"), "issued_at": datetime(2026, 5, 1, tzinfo=UTC)}
    bill = OneTimeCharge(**said)
    made = explain("whop", bill, account_id="biz_42", lookup="never")
    assert "1. [collects, issues] POST " in made.text()
    assert made.curl().startswith("# collects, issues\n")


def test_a_plan_is_shown_without_its_functions() -> None:
    """What a failing test or a debugger prints has values alone."""
    assert "find_fields" not in repr(_planned())


def test_every_placeholder_of_a_text_is_a_variable() -> None:
    """Two in one address, with text before, between and after: nothing of it is lost."""
    assert _quoted("a {x.y}/b c/{z}/d", "a {x.y}/b c/{z}/d", {"x.y", "z"}) == "'a '\"$X_Y\"'/b c/'\"$Z\"/d"


def test_the_leaves_of_a_body_have_a_name_with_indexes_and_a_shape_without() -> None:
    """By its shape a field's row is found; by its name a reader finds the field. No value is no leaf, no items are."""
    body = {"a": {"b": [{"c": 1}, 2], "d": None}, "e": ("f",), 7: False, "g": {"h": []}}
    assert list(body_leaves(body)) == [
        ("a.b[0].c", "a.b[].c", 1),
        ("a.b[1]", "a.b[]", 2),
        ("e[0]", "e[]", "f"),
        ("7", "7", False),
        ("g.h", "g.h", "[]"),
    ]


@pytest.mark.parametrize("provider", ["stripe", "whop"])
def test_the_rows_of_a_plan_are_what_the_bill_states_then_constants_then_the_rest(provider: str) -> None:
    """In that order the origin of a field is found; a plan's own text does not repeat the tables."""
    bill = OneTimeCharge(reference="r-1", customer="cus_42", amount=Money(1900, "EUR"), period=Period.month(2026, 5))
    context = make_context(providers.get(provider), providers.get(provider).emulator().settings).on(bill)
    made = plan(bill, context)
    stated = [row for row in made.fields if row.path and row.is_set(bill, context)]
    constants = [row for row in made.fields if not row.path]
    rest = [row for row in made.fields if row.path and not row.is_set(bill, context)]
    assert made.fields == (*stated, *constants, *rest)
    assert stated
    assert constants
    assert rest
    assert "Field(" not in repr(made)


@pytest.mark.parametrize(
    "rows, origin",
    [
        ((CONSTANT, Field("reference", "ref", toy.DOCS)), "reference"),
        ((Field("number", "ref", toy.DOCS), CONSTANT), "constant: acme asks for it"),
    ],
)
def test_the_origin_of_a_field_is_what_the_bill_states_then_a_constant(rows: tuple[Field, ...], origin: str) -> None:
    """However the table orders the rows of one native name: a stated one wins over a constant, that over the rest."""
    context = toy.toy_context()
    shown = plan(BILL, replace(context, provider=replace(context.provider, fields=rows)), lookup="never")
    assert shown.to_json()["requests"][0]["origins"]["ref"] == origin


def test_a_flow_is_explained_by_answers_of_status_200() -> None:
    """What a flow does after any other status, such as 202 for "accepted, not done yet", is no part of the plan."""

    def charge(command: Any, context: Context) -> Flow[None]:
        done = yield context.post("invoices", step="open", specimen={"id": "{open.id}"}, opens=True)
        if done.status != 200:
            yield context.get("jobs", "1", specimen={})

    context = toy.toy_context()
    provider = replace(context.provider, flows=replace(context.provider.flows, one_time_charge=charge))
    shown = plan(BILL, replace(context, provider=provider), lookup="never")
    assert [request.url for request in shown.requests] == ["https://main.acme.test/v1/invoices"]
