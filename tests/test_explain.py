"""What is explained is what is sent: made by the same flows, without a key and without a network."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given

from invoice_bridge import (
    Client,
    Collection,
    ConfigurationError,
    Credit,
    Effect,
    Invoice,
    Line,
    ListInvoices,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    Plan,
    ProviderError,
    RecordPayment,
    Refund,
    Request,
    SendInvoice,
    Unsupported,
    explain,
    losses,
    providers,
)
from invoice_bridge.adapter.rows import Field
from invoice_bridge.core.commands import (
    Bill,
    Command,
    Delete,
    Finalize,
    MarkPaid,
    MarkUncollectible,
    OnInvoice,
    Pay,
    Retrieve,
    Update,
    Void,
)
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.explain import make_context, needs, origin, plan
from invoice_bridge.providers.stripe import STRIPE
from tests import strategies, toy

KEY = "sk_test_not_a_key"
BASE = "https://stripe.example.test"
MAY = Period.month(2026, 5)
CHARGE = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1999, "EUR"))
ADDED_BY_THE_CLIENT = {
    "authorization", "accept", "user-agent", "host", "connection", "accept-encoding", "content-length",
}  # fmt: skip
EFFECT_OF: Mapping[str, set[Effect]] = {
    "deleted": set(),  # a draft that goes was never a demand for money
    "issued": {Effect.ISSUES},
    "mailed": {Effect.MAILS},
    "collected": {Effect.COLLECTS},
    "recorded": {Effect.RECORDS},
    "refunded": {Effect.REFUNDS},
    "credited": {Effect.ISSUES},
    "voided": {Effect.VOIDS},
    "written_off": {Effect.VOIDS},
}

Bytes = tuple[str, str, dict[str, str], bytes]


def _sent(requests: Iterable[Request]) -> list[Bytes]:
    return [
        (
            request.method,
            request.url,
            {name: value for name, value in request.headers.items() if name not in ADDED_BY_THE_CLIENT},
            request.content,
        )
        for request in requests
    ]


def _explained(requests: Iterable[Request], invoice_id: str) -> list[Bytes]:
    """The requests of a plan, with the placeholder replaced by what the answer gave, names of headers in lower case."""
    return [
        (
            request.method,
            _filled(request.url.replace("{open.id}", invoice_id)),
            {name.lower(): value for name, value in request.headers.items()},
            _filled(request.content.decode()).encode(),
        )
        for request in requests
    ]


def _filled(text: str) -> str:
    for name, value in GIVEN.items():
        text = text.replace(f"{{{name}}}", value).replace(f"%7B{name}%7D", value)
    return text


def _happened(transport: EmulatorTransport, since: int) -> set[Effect]:
    """What the emulator's ledger says was done to the customer."""
    return {effect for entry in transport.emulator.ledger[since:] for effect in EFFECT_OF[entry.event]}


def _emulated() -> tuple[Client, EmulatorTransport]:
    transport = EmulatorTransport(STRIPE.emulator(), BASE)
    return Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport)), transport


# ── the plan is what happens ─────────────────────────────────────────────────────────────────────────────────────────
@given(strategies.bills(is_plain=True))
def test_for_every_bill_the_plan_is_what_is_sent(bill: OneTimeCharge | PeriodInvoice) -> None:
    """For every bill: the same methods, addresses, headers but for credentials, and bytes, in the same order.

    A refusal of the provider can only cut the plan short, and a bill of nothing, which is paid when it is issued.
    """
    client, transport = _emulated()
    shown = client.explain(bill)
    allow = [loss.path for loss in shown.losses]
    if shown.refusal is not None:
        with pytest.raises((type(shown.refusal), ProviderError)) as caught:
            client.create(bill, allow=allow)
        # a draft below the minimum is made, and only the provider knows its tax
        assert shown.requests or str(caught.value) == str(shown.refusal)
        sent, explained = _sent(transport.sent), _explained(shown.requests, "in_00000001")
        is_cut = isinstance(caught.value, ProviderError) and not isinstance(shown.refusal, ProviderError)
        assert sent == (explained[: len(sent)] if is_cut else explained)
        return
    done: Invoice | None = None
    with suppress(ProviderError):
        done = client.create(bill, allow=allow)
    sent, explained = _sent(transport.sent), _explained(shown.requests, "in_00000001")
    assert sent == explained[: len(sent)]
    if done is None or not bill.total:
        return
    assert len(sent) == len(explained)
    assert _happened(transport, 0) == shown.effects
    assert done.losses == shown.losses


def test_the_property_above_is_not_empty() -> None:
    """A usual bill is created, step for step as explained, and its effects are those of the ledger."""
    client, transport = _emulated()
    bill = CHARGE.model_copy(update={"collection": Collection.charge("pm_1"), "customer": CHARGE.customer})
    shown = client.explain(bill)
    client.create(bill)
    assert len(shown.requests) == 5  # the lookup, and four that write
    assert _sent(transport.sent) == _explained(shown.requests, "in_00000001")
    assert shown.effects == {Effect.ISSUES, Effect.COLLECTS}
    assert [entry.event for entry in transport.emulator.ledger] == ["issued", "collected"]


PART, PAID_AT = Money(500, "EUR"), Period.month(2026, 5).end
GIVEN = {"reported.id": "prec_00000001", "intent.id": "pi_00000001", "payment.payment_intent": "pi_00000001"} | {
    "invoice.customer": "cus_42"
}
"""What answers give in the course of these verbs, by the placeholders of a plan."""
VERBS: list[tuple[OnInvoice, dict[str, Any]]] = [
    (Retrieve(id="in_00000001"), {}),
    (Finalize(id="in_00000001"), {"draft": True}),
    (Pay(id="in_00000001"), {}),
    (Pay(id="in_00000001", payment_method="pm_1"), {}),
    (MarkPaid(id="in_00000001"), {}),
    (Pay(id="in_00000001", amount=PART, reference="p-1", payment_method="pm_1"), {}),
    (RecordPayment(id="in_00000001", amount=PART, at=PAID_AT, reference="w-1", method="bank transfer"), {}),
    (Refund(id="in_00000001", amount=PART, reference="r-1", reason="duplicate"), {"collection": Collection.charge()}),
    (Refund(id="in_00000001", reference="r-1"), {"collection": Collection.charge()}),
    (Credit(id="in_00000001", amount=PART, reference="c-1", reason="as agreed"), {}),
    (Void(id="in_00000001"), {}),
    (MarkUncollectible(id="in_00000001"), {}),
    (Update(id="in_00000001", description="new"), {"draft": True}),
    (Delete(id="in_00000001"), {"draft": True}),
    (SendInvoice(id="in_00000001"), {"collection": Collection.send(net_days=14)}),
]


@pytest.mark.parametrize("command, bill", VERBS, ids=lambda value: getattr(value, "verb", ""))
def test_the_plan_of_a_verb_is_what_is_sent(command: OnInvoice, bill: dict[str, Any]) -> None:
    """Every verb on an invoice, with its reading before it, is explained to the byte."""
    client, transport = _emulated()
    client.create(CHARGE.model_copy(update=bill))
    before, entries = len(transport.sent), len(transport.emulator.ledger)
    shown = client.explain(command)
    said = {name: value for name, value in command if name not in {"id", "attempt"} and value not in (None, {})}
    getattr(client, command.verb)(command.id, **said)
    assert shown.refusal is None
    assert _sent(transport.sent[before:]) == _explained(shown.requests, "")
    assert _happened(transport, entries) == shown.effects


def test_the_plan_of_a_listing_is_its_first_page() -> None:
    """One request, with the filters in it."""
    client, transport = _emulated()
    command = ListInvoices(customer="cus_42", limit=7)
    client.page(command)
    assert _sent(transport.sent) == _explained(client.explain(command).requests, "")
    assert "customer=cus_42" in transport.sent[0].url
    assert "limit=7" in transport.sent[0].url


# ── explaining never fails, and needs nothing ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
@given(bill=strategies.bills())
def test_for_every_bill_and_provider_there_is_a_plan(name: str, bill: Bill) -> None:
    """For every bill, at every provider and without any setting, explaining gives a plan; a refusal stands in it."""
    shown = explain(name, bill)
    assert isinstance(shown, Plan)
    assert shown.requests or shown.refusal
    assert str(shown).startswith(f"{name}: ")
    assert shown.to_json()["provider"] == name


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
@given(command=strategies.verbs)
def test_for_every_verb_and_provider_there_is_a_plan(name: str, command: Command) -> None:
    """For every verb with any id, explaining gives a plan too, and its shell commands can be printed."""
    shown = explain(name, command)
    assert shown.requests or shown.refusal
    assert str(shown).startswith(f"{name}: ")
    if shown.requests:
        assert "curl " in shown.curl()


def test_what_the_provider_cannot_do_is_told_in_the_plan() -> None:
    """cannot() is a refusal in the plan, not an exception; client calls of the same raise it."""
    shown = plan(SendInvoice(id="in_1"), toy.toy_context())
    assert isinstance(shown.refusal, Unsupported)
    assert shown.requests == ()
    assert str(shown) == "acme: refused before anything is sent: Acme: nothing is mailed"
    assert shown.to_json()["refusal"] == "Acme: nothing is mailed"


def test_missing_settings_stand_as_placeholders() -> None:
    """Without a required setting the plan shows where it goes."""
    read = toy.ACME.read_settings({})
    assert toy.ACME.missing_settings(read)[0].name == "site"
    assert make_context(toy.ACME, {}).base_url == "https://{site}.acme.test/v1"
    assert make_context(toy.ACME, {"site": "main"}).base_url == "https://main.acme.test/v1"
    assert make_context(toy.ACME, {"site": "main"}, "http://127.0.0.1:1/acme/").base_url == "http://127.0.0.1:1/acme"
    assert "{site}" in explain("chargebee", Retrieve(id="1")).requests[0].url


def test_settings_are_those_of_a_client() -> None:
    """A setting changes the plan as it changes the client; a wrong one, or a wrong provider, is an error."""
    assert explain("stripe", CHARGE, account="acct_1").requests[0].headers["Stripe-Account"] == "acct_1"
    for call in (explain, losses):
        with pytest.raises(ConfigurationError, match="Stripe has no setting 'acount'; did you mean 'account'"):
            call("stripe", CHARGE, acount="acct_1")
        with pytest.raises(ConfigurationError, match="there is no provider 'strip'; did you mean 'stripe'"):
            call("strip", CHARGE)


# ── losses ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_losses_are_listed_without_a_plan() -> None:
    """losses() gives the same list as the plan; verbs on an invoice lose nothing."""
    lossy = OneTimeCharge(reference="r", customer="cus_42", lines=[Line(quantity=2, amount=Money(500, "EUR"))])
    assert [loss.path for loss in losses("stripe", lossy)] == ["lines[].quantity"]
    assert explain("stripe", lossy).losses == losses("stripe", lossy)
    assert losses("stripe", Void(id="in_1")) == ()


# ── how a plan reads ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_plan_says_its_effects_first() -> None:
    """The first line has what happens to the customer; each request begins with its own effects."""
    lines = str(
        explain("stripe", CHARGE.model_copy(update={"collection": Collection.charge()}), lookup="never")
    ).splitlines()
    assert lines[0] == "stripe: collects, issues; 4 requests, 0 losses"
    numbered = [line for line in lines if line[:2] in {"1.", "2.", "3.", "4."}]
    assert numbered == [
        "1. [stores] POST https://api.stripe.com/v1/invoices",
        "2. [stores] POST https://api.stripe.com/v1/invoices/{open.id}/add_lines",
        "3. [issues] POST https://api.stripe.com/v1/invoices/{open.id}/finalize",
        "4. [collects] POST https://api.stripe.com/v1/invoices/{open.id}/pay",
    ]
    assert lines[-1] == "losses: none"


def test_a_plan_that_does_nothing_to_the_customer_says_so() -> None:
    """A reading plan, and a draft."""
    assert str(explain("stripe", Retrieve(id="in_1"))).startswith("stripe: nothing to the customer; 2 requests")
    assert str(explain("stripe", CHARGE.model_copy(update={"draft": True}), lookup="never")).startswith(
        "stripe: nothing to the customer;"
    )


def test_losses_stand_below_the_requests() -> None:
    """Each with its severity, its code and its path."""
    command = OneTimeCharge(reference="r", customer="c", amount=Money(1900, "EUR"), period=MAY)
    lines = str(plan(command, toy.toy_context(), lookup="never")).splitlines()
    assert lines[0] == "acme: issues; 2 requests, 2 losses"
    assert lines[lines.index("losses:") + 1 :] == [
        "  info: [IB-ACME-BUYER-01] ($.customer) a buyer is a team",
        "  warns: [IB-ACME-PERIOD-01] ($.period) there is no field for it; name the month in the description",
    ]


def test_colours_change_nothing_but_colour() -> None:
    """Without its escapes the coloured text is the plain one."""
    shown = explain("stripe", CHARGE, lookup="never")
    coloured = shown.text(color=True)
    assert "\033[1m" in coloured
    for escape in ("\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[33m"):
        coloured = coloured.replace(escape, "")
    assert coloured == str(shown)


def test_a_plan_as_json() -> None:
    """Effects, requests with bodies, keys and what they need from earlier answers; plain values only."""
    told = explain("stripe", CHARGE, lookup="never").to_json()
    assert told["effects"] == ["issues"]
    assert [request["needs"] for request in told["requests"]] == [[], ["open.id"], ["open.id"]]
    first = told["requests"][0]
    assert (first["method"], first["url"], first["effects"]) == ("POST", "https://api.stripe.com/v1/invoices", [])
    assert first["key"] == first["headers"]["Idempotency-Key"]
    assert first["body"].startswith("customer=cus_42&currency=eur&auto_advance=false")
    assert first["origins"]["customer"] == "customer.id"
    assert told["refusal"] is None


def test_shell_commands_take_the_key_from_the_environment() -> None:
    """The placeholder is a shell variable, the key another, and quotes cannot be broken out of."""
    command = CHARGE.model_copy(update={"reference": "it's; rm -rf $HOME `x`"})
    text = explain("stripe", command, lookup="never").curl()
    assert text.count("| curl -g -X POST ") == 3
    assert text.count("printf 'Authorization: Bearer %s\\n' \"$STRIPE_API_KEY\" | curl ") == 3
    assert 'https://api.stripe.com/v1/invoices/"$OPEN_ID"/finalize' in text
    assert "$HOME" not in text.replace("%24HOME", "")
    assert "`" not in text
    assert "it%27s" in text
    assert "'user = \"%s:\"\\n'" in explain("chargebee", Retrieve(id="1")).curl()


def test_what_a_request_needs_from_earlier_answers() -> None:
    """Placeholders of the address and of the body, percent-encoded or not; other braces are the caller's own."""
    request = Request("POST", "https://x.test/{open.id}/add", content=b"a=%7Bitem.id%7D&b={open.id}&c={HOME}")
    known = {"item.id", "open.id", "plan.id"}
    assert needs(request, known) == ["item.id", "open.id"]
    assert needs(request, ()) == []
    assert needs(Request("GET", "https://x.test/1"), known) == []


def test_a_reader_is_told_where_a_placeholder_comes_from() -> None:
    """What a request needs stands with it: the answer of an earlier request, or a setting that was left out."""
    assert "     needs open.id, from the answer of 1\n" in str(explain("stripe", CHARGE, lookup="never"))
    assert "     needs site, the setting site\n" in str(explain("chargebee", CHARGE))
    assert "needs site" not in str(explain("chargebee", CHARGE, site="acme"))


def test_a_brace_in_a_description_is_no_shell_variable() -> None:
    """What a caller writes reaches the shell in single quotes, braces too."""
    command = CHARGE.model_copy(update={"description": "{HOME} {PATH}"})
    text = explain("whop", command.model_copy(update={"draft": True}), lookup="never", account_id="biz_42").curl()
    assert "{HOME} {PATH}" in text
    assert '"$HOME"' not in text


@pytest.mark.parametrize("field", ["description", "reference"])
@pytest.mark.parametrize("name", ["stripe", "chargebee"])
def test_defect_69_what_looks_like_a_placeholder_is_the_callers_own_text(name: str, field: str) -> None:
    """Defect 69: a caller's "{open.id}" stays text in curl, and no request needs a value because of it."""
    settings: dict[str, Any] = {"site": "acme"} if name == "chargebee" else {}
    command = CHARGE.model_copy(update={"draft": True})
    plain = explain(name, command.model_copy(update={field: "see }open.id}}x.y}"}), **settings)
    braces = explain(name, command.model_copy(update={field: "see {open.id}{x.y}"}), **settings)
    assert [request["needs"] for request in braces.to_json()["requests"]] == [
        request["needs"] for request in plain.to_json()["requests"]
    ]
    assert braces.curl().count('"$') == plain.curl().count('"$')
    assert "$X_Y" not in braces.curl()
    assert braces.placeholders == plain.placeholders


def test_an_id_that_looks_like_a_placeholder_is_the_callers_own() -> None:
    """Defect 69: the id that a verb is called with needs no earlier answer, whatever it looks like."""
    plan = explain("stripe", Retrieve(id="{open.id}"))
    assert not plan.placeholders
    assert '"$OPEN_ID"' not in plan.curl()


def test_the_origin_of_a_field_is_the_most_exact_row() -> None:
    """An exact name wins over what it lies in; a name that merely begins alike does not count."""
    whole, inner, other = (
        Field(path, native, "docs") for path, native in (("m", "meta"), ("r", "meta.ref"), ("x", "met"))
    )
    assert origin([whole, inner, other], "meta.ref") is inner
    assert origin([whole, inner, other], "meta.other") is whole
    assert origin([inner, other], "meta.other") is None
    assert origin([Field("two", "a, b", "docs")], "b") == Field("two", "a, b", "docs")


def test_plans_of_all_registered_providers_are_made_without_a_key() -> None:
    """Explain takes no api_key: there is nothing to give it to."""
    for name in ("chargeapi", "chargebee", "stripe", "whop"):
        with pytest.raises(ConfigurationError, match="has no setting 'api_key'"):
            explain(name, CHARGE, api_key=KEY)
        assert name in providers.names()


def test_a_placeholder_at_the_end_of_a_body_is_a_variable() -> None:
    """Nothing follows it."""
    text = explain("stripe", Refund(id="in_1", reference="re-1")).curl()
    assert 're-1&payment_intent=\'"$PAYMENT_PAYMENT_INTENT"\n\n' in text
