"""A provider is a value: its tables decide, its context makes requests, and both say what is wrong."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import (
    ConfigurationError,
    CustomerRef,
    Declined,
    Finalize,
    InvalidState,
    Invoice,
    ListInvoices,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    ProviderError,
    RateLimited,
    Rejected,
    Retrieve,
    SendInvoice,
    ServerError,
    Status,
    Unauthorized,
    UnreadableServerError,
    Unsupported,
    Void,
    providers,
)
from invoice_bridge.adapter.answers import text_of
from invoice_bridge.adapter.changes import check_state, customer_id, delete_draft, submit_change
from invoice_bridge.adapter.declared import ErrorRow, Setting, Units, cannot
from invoice_bridge.adapter.transitions import transition
from invoice_bridge.core.idempotency import step_key, verb_key
from invoice_bridge.core.wire import Effect, Request, Response
from tests.refusals import classified, refusal_of
from tests.toy import ACME, DOCS, MONEY, toy_context

CHARGE = OneTimeCharge(reference="res-1", amount=Money(1900, "EUR"))


# ── money tables ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "minor,currency,units",
    [
        (1999, "EUR", 1999),
        (5000, "JPY", 5000),
        (1230, "KWD", 123),  # the provider counts hundredths of a currency with three decimals
        (5, "ISK", 500),  # … and hundredths of one without any
        (1234, "BHD", 1234),
        (0, "KWD", 0),
        (-1230, "KWD", -123),
    ],
)
def test_units_in_numbers(minor: int, currency: str, units: int) -> None:
    """The provider's number for an amount, and back, both in the absolute."""
    assert units == MONEY.to_units(Money(minor, currency))
    assert Money(minor, currency) == MONEY.from_units(units, currency)


@pytest.mark.parametrize("minor,currency", [(1234, "KWD"), (-1, "KWD")])
def test_an_amount_that_does_not_fit_is_refused(minor: int, currency: str) -> None:
    """What the provider's number cannot say exactly is refused with its source and what to do."""
    with pytest.raises(Unsupported, match=f"carries {currency} with 2 decimals") as caught:
        MONEY.to_units(Money(minor, currency))
    assert caught.value.source == DOCS
    assert "round the amount yourself" in str(caught.value)


def test_an_amount_off_the_grid_is_refused() -> None:
    """Where units must be whole multiples, others are refused."""
    table = Units({"BHD": 3}, DOCS, multiple_of={"BHD": 10})
    assert table.to_units(Money(1230, "BHD")) == 1230
    with pytest.raises(Unsupported, match="with 3 decimals in multiples of 10"):
        table.to_units(Money(1234, "BHD"))


def test_a_currency_whose_factor_is_not_confirmed_is_refused_both_ways() -> None:
    """An unlisted currency is neither billed nor read: ten times too much is worse than no bill."""
    with pytest.raises(Unsupported, match="CLP: how this provider counts it is not confirmed"):
        MONEY.to_units(Money(1, "CLP"))
    with pytest.raises(ValueError, match="CLP: how this provider counts it is not confirmed"):
        MONEY.from_units(1, "CLP")


def test_a_number_that_is_no_whole_amount_is_not_read() -> None:
    """Half a krona in hundredths cannot be money of a currency without decimals."""
    with pytest.raises(ValueError, match="150 is no whole amount of ISK"):
        MONEY.from_units(150, "ISK")


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(MONEY.decimals)))
def test_for_every_number_that_is_read_the_same_number_is_written(units: int, currency: str) -> None:
    """For every number of units, reading either refuses or gives money that is written as the same number."""
    try:
        money = MONEY.from_units(units, currency)
    except ValueError:
        return
    assert units == MONEY.to_units(money)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _answer(status: int, code: str = "", kind: str = "", **headers: str) -> Response:
    content = b'{"message":"no","code":"%s","type":"%s","field":"buyer"}' % (code.encode(), kind.encode())
    return Response(status, content, {"X-Id": "req_1"} | {n.replace("_", "-"): v for n, v in headers.items()}, "acme")


@pytest.mark.parametrize(
    "status,code,kind,becomes,maybe",
    [
        (400, "", "", Rejected, False),
        (401, "", "", Unauthorized, False),
        (402, "", "", Declined, False),
        (403, "", "", Unauthorized, False),
        (404, "", "", NotFound, False),
        (409, "", "", InvalidState, False),
        (422, "", "", Rejected, False),
        (429, "", "", RateLimited, False),
        (500, "", "", ServerError, True),
        (502, "", "", ServerError, True),
        (400, "slow_down", "", RateLimited, False),
        (409, "in_progress", "", Rejected, True),
        (404, "missing", "", NotFound, False),
        (400, "missing", "", Rejected, False),  # the row asks for 404 as well
        (400, "", "state", InvalidState, False),
        (400, "", "card", Declined, False),
        (500, "", "card", Declined, True),  # a server error may come after the fact, whatever its words
        (503, "", "", ServerError, False),  # … unless a row speaks of that very status
    ],
)
def test_a_refusal_becomes_its_error(status: int, code: str, kind: str, becomes: type, *, maybe: bool) -> None:
    """By the provider's row, else by the HTTP status; whether it may have been applied comes along."""
    error = ACME.error(_answer(status, code, kind))
    assert type(error) is becomes
    assert classified(error, ACME).maybe_applied is maybe
    assert (error.message, error.status, error.request_id, error.param) == ("no", status, "req_1", "buyer")
    assert error.code == (code or None)


@pytest.mark.parametrize(
    "header,seconds",
    [
        ("7", 7),
        ("0", 0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 30, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_whole_seconds_or_unknown(header: str | None, seconds: int | None) -> None:
    """A date, a fraction or nonsense is no number of seconds; the header of a proxy's page counts too."""
    headers = {} if header is None else {"Retry-After": header}
    for content in (b'{"message":"slow"}', b"<html>"):
        error = ACME.error(Response(429, content, headers, "acme"))
        assert isinstance(error, RateLimited)
        assert error.retry_after == seconds
        assert classified(error, ACME).maybe_applied is False


@pytest.mark.parametrize("status,becomes,maybe", [(400, MalformedResponse, False), (502, UnreadableServerError, True)])
@pytest.mark.parametrize("content", [b"<html>", b"", b"[]", b'{"message":7}', b"\xff"])
def test_a_refusal_in_other_words_is_malformed(status: int, becomes: type, content: bytes, *, maybe: bool) -> None:
    """A page that is not the provider's is a MalformedResponse, and from 500 on a server error as well."""
    error = ACME.error(Response(status, content, {"content-type": "text/html"}, "acme"))
    assert type(error) is becomes
    assert classified(error, ACME).maybe_applied is maybe
    assert error.status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_an_error_that_asks_about_the_base_url(status: int) -> None:
    """A redirect is never followed with a key attached."""
    error = ACME.error(Response(status, b"", {"location": "https://elsewhere.test"}, "acme"))
    assert type(error) is MalformedResponse
    assert "never followed with a key attached; is base_url right?" in str(error)


@pytest.mark.parametrize(
    "word,status",
    [
        ("posted", Status.OPEN),
        ("settled", Status.PAID),
        ("new_word", Status.UNKNOWN),
        (None, Status.UNKNOWN),
        (7, Status.UNKNOWN),
    ],
)
def test_defect_10_an_unknown_status_is_unknown(word: object, status: Status) -> None:
    """A word the table does not have is `unknown`: never paid, never an exception."""
    assert status is ACME.status(word)


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_settings_have_defaults_and_are_checked() -> None:
    """What is not given is the default; what is given is read by its own rule."""
    assert ACME.read_settings({"site": "main"}) == {"site": "main", "plan": "full"}
    assert ACME.read_settings({"site": "main", "plan": "basic"}) == {"site": "main", "plan": "basic"}
    assert ACME.read_settings({"plan": None}) == {"site": None, "plan": "full"}
    with pytest.raises(ConfigurationError, match='Acme: the setting plan: it is "basic" or "full"'):
        ACME.read_settings({"plan": "premium"})


def test_an_unknown_setting_names_the_nearest() -> None:
    """A typing mistake is answered with the name that was meant, else with all of them."""
    with pytest.raises(ConfigurationError, match="Acme has no setting 'sites'; did you mean 'site'"):
        ACME.read_settings({"sites": "main"})
    with pytest.raises(ConfigurationError, match="Acme has no setting 'quux'; it knows site, plan"):
        ACME.read_settings({"quux": "main"})


def test_missing_settings_are_the_required_ones() -> None:
    """Only what is required and not given is missing."""
    assert ACME.missing_settings({"site": None, "plan": "full"}) == (
        Setting("site", "the name before .acme.test", required=True),
    )
    assert ACME.missing_settings({"site": "main"}) == ()


# ── the context ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_reading_request() -> None:
    """Method, address, query and headers of a GET; no key, no effects."""
    request = toy_context().get("invoices", "a/b", query=[("limit", 10), ("open", True), ("q", "x y")])
    assert request == Request(
        "GET", "https://main.acme.test/v1/invoices/a%2Fb?limit=10&open=true&q=x+y", {"Acme-Version": "7"}
    )
    assert request.key is None


def test_a_writing_request() -> None:
    """A POST has its body, its content type, its effects, and its key both as a fact and as a header."""
    request = toy_context().on(CHARGE).post("invoices", body={"a": 1}, step="open", effects=[Effect.ISSUES])
    key = step_key("acme:main", "res-1", 1, "open")
    assert request == Request(
        "POST",
        "https://main.acme.test/v1/invoices",
        {"Acme-Version": "7", "Content-Type": "application/json", "Acme-Key": key},
        b'{"a":1}',
        frozenset({Effect.ISSUES}),
        key,
    )
    assert request.body == {"a": 1}


def test_the_key_of_a_verb_has_its_body() -> None:
    """A verb on an invoice with another body is another request."""
    request = toy_context().on(Void(id="in_1", attempt=2)).post("invoices", "in_1", "void")
    assert request.key == verb_key("acme:main", "in_1", "void/void", b"", 2)
    assert request.headers["Acme-Key"] == request.key


def test_only_post_has_a_key() -> None:
    """Providers ignore a key elsewhere; a promise that is not kept is not made."""
    request = toy_context().on(Void(id="in_1")).send("DELETE", "invoices", "in_1")
    assert request.key is None
    assert "Acme-Key" not in request.headers


def test_defect_24_no_writing_post_without_a_key() -> None:
    """A POST that no command stands behind has no key to derive, and cannot be made."""
    for context in (toy_context(), toy_context().on(ListInvoices())):
        with pytest.raises(TypeError, match="a writing request needs a command"):
            context.post("invoices", body={})


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/v1/invoices?page=2",
        "http://main.acme.test/v1/invoices?page=2",
        "https://main.acme.test:8443/v1/invoices",
        "https://user@main.acme.test/v1/invoices",
        "https://main.acme.test@evil.test/v1/invoices",
        "https://main.acme.test\\@evil.test/v1/invoices",
        "https://main.acme.test.evil.test/v1/invoices",
        "https://main.acme.test/v2/invoices",
        "//evil.test/v1/invoices",
        "/v1/invoices?page=2",
        "",
        "https://[",
    ],
)
def test_defect_27_a_next_page_elsewhere_is_not_followed(url: str) -> None:
    """The key goes to the configured origin and below its path, whatever address the provider gives."""
    with pytest.raises(MalformedResponse):
        toy_context().follow(url)


def test_a_next_page_at_home_is_followed() -> None:
    """The very address is read, with the headers of every request."""
    url = "https://main.acme.test/v1/invoices?page=2"
    assert toy_context().follow(url) == Request("GET", url, {"Acme-Version": "7"})


# ── capabilities ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_the_provider_cannot_do_is_refused_before_any_request() -> None:
    """What is declared with cannot() has no flow: asking for one is the refusal, with its source."""
    with pytest.raises(Unsupported, match="Acme: nothing is mailed") as caught:
        ACME.flow(SendInvoice(id="in_1"), toy_context())
    assert caught.value.source == DOCS
    assert cannot("no", source="docs") == cannot("no", source="docs")


def test_what_nobody_has_built_is_said_so() -> None:
    """Absent and impossible are two things."""
    with pytest.raises(Unsupported, match="Acme: finalize is not built yet"):
        ACME.flow(Finalize(id="in_1"), toy_context())


def test_limits_are_checked_before_anything_is_sent() -> None:
    """A text that is too long is refused before the flow begins."""
    with pytest.raises(Unsupported, match="description has 11 characters"):
        ACME.flow(CHARGE.model_copy(update={"description": "x" * 11}), toy_context())


def test_a_provider_prints_as_its_name() -> None:
    """The repr is short: tables do not belong into a log line."""
    assert repr(ACME) == "<Provider acme>"


# ── refusals that are read after the fact ────────────────────────────────────────────────────────────────────────────
PAID = Invoice(provider="acme", id="in_1", status=Status.PAID, currency="EUR")
REQUEST = Request("POST", "https://main.acme.test/v1/invoices/in_1/void")
REUSED = ErrorRow(Rejected, "docs", code="reused", key_reused=True)
CONTEXT = replace(toy_context(), provider=replace(ACME, errors=(REUSED, *ACME.errors)))


def _refused(refusal: ProviderError, allowed: set[Status], *, unreadable: bool = False) -> ProviderError:
    def read() -> Any:
        yield Request("GET", "https://main.acme.test/v1/invoices/in_1")
        if unreadable:
            raise ServerError("broken")
        return PAID

    flow = submit_change(CONTEXT, REQUEST, read, _after, transition(*allowed, becomes=[Status.VOID], source=DOCS))
    assert next(flow) == REQUEST
    assert flow.throw(refusal).method == "GET"
    with pytest.raises(ProviderError) as caught:
        flow.send(Response(200))
    return caught.value


def _after(answer: Response) -> Any:
    yield from ()
    return PAID.model_copy(update={"id": text_of(answer, "id")})


def test_an_answer_becomes_the_invoice() -> None:
    """What comes of a request that goes well is made of its answer."""
    flow = submit_change(CONTEXT, REQUEST, lambda: _returns(PAID), _after, transition(Status.OPEN, source=DOCS))
    next(flow)
    with pytest.raises(StopIteration) as done:
        flow.send(Response(200, b'{"id":"in_2"}'))
    assert done.value.value.id == "in_2"


def _returns(found: Invoice) -> Any:
    yield Request("GET", "https://main.acme.test/v1/invoices/in_1")
    return found


@pytest.mark.parametrize("kind", [Rejected, InvalidState, Declined])
@pytest.mark.parametrize(
    "repeated, becomes, success",
    [(True, {Status.PAID}, True), (True, {Status.VOID}, False), (False, {Status.PAID}, False)],
)
def test_a_refusal_of_what_a_lost_try_did_is_a_success(
    kind: type[ProviderError], repeated: bool, becomes: set[Status], success: bool
) -> None:
    """Where an earlier try may have worked and the invoice is what that makes of it, it has; else it is an error."""
    flow = submit_change(CONTEXT, REQUEST, lambda: _returns(PAID), _after, transition(becomes=becomes, source=DOCS))
    next(flow)
    refusal = refusal_of(kind, provider="acme", status=400, repeats=repeated)
    assert flow.throw(refusal).method == "GET"
    with pytest.raises(StopIteration if success else ProviderError) as done:
        flow.send(Response(200))
    assert getattr(done.value, "value", None) == (PAID if success else None)


def test_a_key_that_came_with_another_request_stays_that() -> None:
    """It says nothing about the invoice's state, whatever that is."""
    refusal = ACME.error(_answer(400, "reused", ""))
    assert _refused(refusal, {Status.OPEN}) is refusal


DRAFT = Invoice(provider="acme", id="in_1", status=Status.DRAFT, currency="EUR", amount_remaining=Money(5, "EUR"))
DISCARD = Request("DELETE", "https://main.acme.test/v1/invoices/in_1")


def _discarding(says_so: bool = True) -> Any:
    delete = transition(Status.DRAFT, becomes=[Status.DELETED], source=DOCS)
    flow = delete_draft(
        CONTEXT, DISCARD, DRAFT, lambda: _returns(DRAFT), says_so=lambda _answer: says_so, transition=delete
    )
    assert next(flow) == DISCARD
    return flow


def test_a_draft_that_is_deleted() -> None:
    """All that is left of it is what was read before: deleted, with nothing to pay."""
    with pytest.raises(StopIteration) as done:
        _discarding().send(Response(200))
    assert (done.value.value.status, done.value.value.amount_remaining) == (Status.DELETED, Money(0, "EUR"))
    with pytest.raises(MalformedResponse) as refused:
        _discarding(says_so=False).send(Response(200))
    assert refused.value.message == "the provider did not confirm the deletion"


@pytest.mark.parametrize("repeated", [False, True])
def test_defect_47_a_draft_that_is_gone_was_deleted(repeated: bool) -> None:
    """Defect 47: a draft that was read and is not there any more is deleted, also where a proxy delivered twice."""
    refusal = refusal_of(NotFound, status=404, repeats=repeated)
    with pytest.raises(StopIteration) as done:
        _discarding().throw(refusal)
    assert done.value.value.status is Status.DELETED


def test_a_refusal_is_explained_by_the_invoices_state() -> None:
    """A wordless refusal of an invoice in another state becomes InvalidState, with the invoice and all facts."""
    refusal = refusal_of(Rejected, provider="acme", code="c", status=400, param="p", request_id="r", repeats=True)
    error = _refused(refusal, {Status.OPEN})
    assert isinstance(error, InvalidState)
    assert error.invoice == PAID
    assert error.message == "no; the invoice is paid"
    assert error.repeats is True
    assert error.__cause__ is refusal
    assert (error.code, error.status, error.param, error.request_id, error.response) == (
        "c",
        400,
        "p",
        "r",
        Response(400),
    )


def test_a_refusal_for_another_reason_stays_what_it_is() -> None:
    """Where the state allows what was asked, the refusal means something else."""
    refusal = Rejected("no", status=400)
    assert _refused(refusal, {Status.PAID}) is refusal


def test_a_decline_carries_the_invoice() -> None:
    """A declined payment stays Declined, with the invoice as it stands."""
    refusal = Declined("insufficient funds", status=402)
    error = _refused(refusal, {Status.OPEN})
    assert error is refusal
    assert refusal.invoice == PAID


def test_a_state_that_cannot_be_read_leaves_the_refusal() -> None:
    """When the reading fails too, the caller gets what the provider said first."""
    refusal = Rejected("no", status=400)
    assert _refused(refusal, {Status.OPEN}, unreadable=True) is refusal


def test_a_wrong_state_names_the_invoice_and_its_status() -> None:
    """The error of a check that was made before sending."""
    send = transition(Status.OPEN, undocumented=[Status.UNCOLLECTIBLE], source=DOCS)
    for status in (Status.OPEN, Status.UNCOLLECTIBLE):
        invoice = PAID.model_copy(update={"status": status})
        assert check_state(invoice, send, "cannot be sent") is invoice
    with pytest.raises(InvalidState) as caught:
        check_state(PAID, send, "cannot be sent")
    assert str(caught.value) == "acme: in_1 cannot be sent: it is paid"
    assert caught.value.invoice == PAID
    with pytest.raises(InvalidState, match="acme: in_1 cannot be sent: the invoice is paid"):
        check_state(PAID, send, "cannot be sent", "the invoice is paid")


# ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("customer", [None, CustomerRef(email="a@b.test"), CustomerRef(id="x", ids={"other": "x"})])
def test_a_customer_is_never_made_silently(customer: CustomerRef | None) -> None:
    """Without an id at this provider the bill is refused, with what to write."""
    with pytest.raises(Unsupported) as caught:
        customer_id(CHARGE.model_copy(update={"customer": customer}), toy_context(), example="buyer_1", source=DOCS)
    assert caught.value.remedy == 'pass customer="buyer_1", or CustomerRef(ids={"acme": "buyer_1"})'


def test_a_customers_id_is_the_one_at_this_provider() -> None:
    """A plain id is this provider's; a map is looked up."""
    for customer in (CustomerRef(id="b1"), CustomerRef(id="mine", ids={"acme": "b1"})):
        command = CHARGE.model_copy(update={"customer": customer})
        assert customer_id(command, toy_context(), example="buyer_1", source=DOCS) == "b1"


# ── the registry ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_four_built_in_providers() -> None:
    """Their names, sorted."""
    assert [name for name in providers.names() if name != "acme"] == ["chargeapi", "chargebee", "stripe", "whop"]


@pytest.mark.parametrize("name", ["chargeapi", "chargebee", "stripe", "whop"])
def test_a_provider_knows_its_own_name(name: str) -> None:
    """The registry and the declaration agree."""
    assert providers.get(name).name == name


@pytest.mark.parametrize(
    "name,hint",
    [
        ("strpe", "did you mean 'stripe'?"),
        ("Stripe", "did you mean 'stripe'?"),
        ("paypal", "valid names: chargeapi,"),
        ("", "valid names:"),
    ],
)
def test_an_unknown_provider_names_the_nearest(name: str, hint: str) -> None:
    """A typing mistake is answered with the name that was meant."""
    with pytest.raises(ConfigurationError) as caught:
        providers.get(name)
    assert hint in str(caught.value)


def test_a_retrieval_by_next_and_send() -> None:
    """A flow is driven by hand: one request, one answer, one invoice."""
    flow = ACME.flow(Retrieve(id="in_1"), toy_context())
    assert next(flow).url == "https://main.acme.test/v1/invoices/in_1"
    with pytest.raises(StopIteration) as done:
        flow.send(Response(200, b'{"id":"in_1","currency":"eur","status":"posted","total":1999}', provider="acme"))
    assert (done.value.value.status, done.value.value.total) == (Status.OPEN, Money(1999, "EUR"))
