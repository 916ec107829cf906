"""The clients: the only network I/O, one key in one header, and the same bytes from both."""

import base64
import logging
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    Collection,
    ConfigurationError,
    CustomerRef,
    Invoice,
    Line,
    ListInvoices,
    LossyTranslation,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    OutcomeUnknown,
    Period,
    PeriodInvoice,
    RateLimited,
    Status,
    Unreachable,
    Unreadable,
    Unsupported,
)
from invoice_bridge.emulator import EmulatorTransport, Ticking
from invoice_bridge.providers.stripe import STRIPE
from invoice_bridge.wire import dumps

KEY = "sk_test_not_a_key"
CANARY = "sk_test_canary_not_a_key_7f3a"
BASE = "https://stripe.example.test"
MAY = Period.month(2026, 5)
CHARGE = OneTimeCharge(reference="res-1", customer="cus_42", amount=Money(1999, "EUR"))

Handler = Callable[[httpx.Request], httpx.Response]


def _client(handler: Handler, **said: Any) -> Client:
    http = httpx.Client(transport=httpx.MockTransport(handler))
    given: dict[str, Any] = {"api_key": KEY, "base_url": BASE, "http": http} | said
    return Client("stripe", **given)


def _emulated(emulator: Any = None) -> tuple[Client, EmulatorTransport]:
    transport = EmulatorTransport(emulator or STRIPE.emulator(), BASE)
    return Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport)), transport


def _row(number: int, **said: Any) -> dict[str, Any]:
    least = {"id": f"in_{number}", "object": "invoice", "status": "open", "currency": "eur", "lines": {"data": []}}
    return least | {"created": 1777593600} | said


def _page(*rows: dict[str, Any], more: bool = False) -> httpx.Response:
    return httpx.Response(200, content=dumps({"object": "list", "data": list(rows), "has_more": more}))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs real waiting between tries."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


# ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_key_stands_in_the_authorization_header_and_nowhere_else() -> None:
    """No other header, no address and no body of any request of a call has the key in it."""
    client, transport = _emulated()
    invoice = client.create(CHARGE)
    client.retrieve(invoice.id)
    assert len(list(client.list(customer="cus_42"))) == 1
    assert len(transport.sent) > 4
    for request in transport.sent:
        headers = dict(request.headers)
        assert headers.pop("authorization") == f"Bearer {KEY}"
        assert KEY not in f"{request.method} {request.url} {headers} {request.content!r}"


def test_every_request_says_who_asks_and_what_it_reads() -> None:
    """The version header of the provider, JSON as the wanted answer, and the library's own name go along."""
    client, transport = _emulated()
    client.create(CHARGE)
    for request in transport.sent:
        assert request.headers["stripe-version"] == STRIPE.api_version
        assert request.headers["accept"] == "application/json"
        assert request.headers["user-agent"].startswith("invoice-bridge/")


def test_an_injected_client_is_used_as_it_is_and_not_closed() -> None:
    """The caller's client keeps its own headers, sends what is asked, and is still open afterwards."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-trace"])
        return httpx.Response(200, json=_row(1))

    http = httpx.Client(
        transport=httpx.MockTransport(answer), headers={"X-Trace": "7", "Authorization": "Bearer other"}
    )
    with Client("stripe", api_key=KEY, base_url=BASE, http=http) as client:
        assert client.retrieve("in_1").id == "in_1"
    assert seen == ["7"]
    assert http.is_closed is False
    assert http.headers["authorization"] == "Bearer other"  # defect 23: the caller's headers are left alone


def test_a_client_of_its_own_is_closed() -> None:
    """Without an injected client there is one per Client, and leaving the block closes it."""
    with Client("stripe", api_key=KEY, base_url=BASE) as client:
        closed = [client._http.is_closed]
    closed.append(client._http.is_closed)
    assert closed == [False, True]


async def test_an_asynchronous_client_of_its_own_is_closed_and_an_injected_one_is_not() -> None:
    """The same rule for AsyncClient."""
    async with AsyncClient("stripe", api_key=KEY, base_url=BASE) as client:
        closed = [client._http.is_closed]
    closed.append(client._http.is_closed)
    assert closed == [False, True]
    async with httpx.AsyncClient() as http:
        async with AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http):
            pass
        assert http.is_closed is False


def test_redirects_are_not_followed_even_where_the_injected_client_would() -> None:
    """The key is sent to one host once: the redirect is an error that asks about base_url."""
    urls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://elsewhere.test/v1/invoices/in_1"})

    http = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
    with pytest.raises(MalformedResponse, match="a redirect, which is never followed with a key attached"):
        Client("stripe", api_key=KEY, base_url=BASE, http=http).retrieve("in_1")
    assert urls == [f"{BASE}/v1/invoices/in_1"]


def test_an_injected_clients_own_credentials_do_not_replace_ours() -> None:
    """Its `auth` is left out: one Authorization header, with our key."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.extend(request.headers.get_list("authorization"))
        return httpx.Response(200, json=_row(1))

    http = httpx.Client(transport=httpx.MockTransport(answer), auth=("user", "other"))
    Client("stripe", api_key=KEY, base_url=BASE, http=http).retrieve("in_1")
    assert seen == [f"Bearer {KEY}"]


# ── what is refused before anything is sent ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "url",
    [
        "http://stripe.example.test",
        "http://127.0.0.1.example.test",
        "http://localhost.example.test",
        "http://10.0.0.1",
        "http://[2001:db8::1]",
    ],
)
def test_plain_http_elsewhere_is_refused_unless_written_out(url: str) -> None:
    """A key does not travel unencrypted by accident; insecure=True is the accident's name."""
    with pytest.raises(ConfigurationError, match=r"plain http to .*: use https, or write insecure=True"):
        Client("stripe", api_key=KEY, base_url=url)
    Client("stripe", api_key=KEY, base_url=url, insecure=True).close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8787/stripe", "http://localhost:8787", "http://[::1]:8787/"])
def test_plain_http_to_loopback_is_fine(url: str) -> None:
    """An emulator on this machine needs no certificate."""
    Client("stripe", api_key=KEY, base_url=url).close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "stripe.example.test",
        "ftp://stripe.example.test",
        "https://",
        "https:///v1",
        "https://user@stripe.example.test",
        "https://user:word@stripe.example.test",
        "https://:word@stripe.example.test",
        "http://127.0.0.1:8787@stripe.example.test",
        "http://127.0.0.1\\@stripe.example.test",
        "https://stripe.example.test?x=1",
        "https://stripe.example.test#x",
        "https://stripe.example.test:port",
        "https://[",
        "https://stripe.example.test/\x00",
    ],
)
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    """Credentials, queries and what is no http(s) address are refused; an empty one is not the live default."""
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        Client("stripe", api_key=KEY, base_url=url)
    assert "word" not in str(caught.value)


def test_defect_21_the_base_url_is_taken_as_it_is_given() -> None:
    """A slash at the end makes no second one, and a path is kept."""
    urls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(200, json=_row(1))

    for base in ("https://a.test", "https://a.test/", "https://a.test/stripe/", "https://a.test:8443/x"):
        _client(answer, base_url=base).retrieve("in_1")
    assert urls == [
        "https://a.test/v1/invoices/in_1",
        "https://a.test/v1/invoices/in_1",
        "https://a.test/stripe/v1/invoices/in_1",
        "https://a.test:8443/x/v1/invoices/in_1",
    ]


@pytest.mark.parametrize(
    "provider,settings,fault",
    [
        ("strpe", {}, "there is no provider 'strpe'; did you mean 'stripe'?"),
        ("stripe", {"acount": "acct_1"}, "Stripe has no setting 'acount'; did you mean 'account'?"),
        ("stripe", {"site": "acme"}, "Stripe has no setting 'site'"),
        ("chargebee", {}, "Chargebee needs the setting site ("),
        ("chargebee", {"sight": "acme"}, "Chargebee has no setting 'sight'; did you mean 'site'?"),
        ("whop", {}, "Whop needs the setting account_id ("),
        ("chargeapi", {"account": "x"}, "ChargeAPI has no setting 'account'"),
    ],
)
def test_a_wrong_setting_names_the_nearest(provider: str, settings: dict[str, Any], fault: str) -> None:
    """Wrong and missing settings are found when the client is made, each with what to write."""
    for kind in (Client, AsyncClient):
        with pytest.raises(ConfigurationError) as caught:
            kind(provider, api_key=KEY, **settings)
        assert fault in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", "sk_test\n", "sk_tést", "sk\x00", None, 7, b"sk_test"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: Any) -> None:
    """A key of other characters would break the header, or be cut; the message does not repeat it."""
    with pytest.raises(ConfigurationError, match="api_key must be a text of printable ASCII") as caught:
        Client("stripe", api_key=key)
    assert "sk" not in str(caught.value).replace("api_key", "")


def test_a_mode_that_the_key_contradicts_is_refused() -> None:
    """mode="test" with a live key, and the other way round; a key that does not tell is taken."""
    live = KEY.replace("test", "live")
    for key, mode in ((live, "test"), (KEY, "live")):
        with pytest.raises(
            ConfigurationError, match=f'mode="{mode}" was asked for, but the key or host is for'
        ) as caught:
            Client("stripe", api_key=key, mode=mode)
        assert key not in str(caught.value)
    Client("stripe", api_key=KEY, mode="test").close()
    Client("stripe", api_key=live, mode="live").close()
    Client("stripe", api_key="some_other_key", mode="live").close()


def test_what_cannot_be_carried_is_refused_before_anything_is_sent() -> None:
    """Unsupported and LossyTranslation leave the transport untouched."""
    client, transport = _emulated()
    lossy = OneTimeCharge(reference="r", customer="cus_42", lines=[Line(quantity=2, amount=Money(500, "EUR"))])
    with pytest.raises(LossyTranslation) as caught:
        client.create(lossy)
    assert [loss.path for loss in caught.value.losses] == ["lines[].quantity"]
    with pytest.raises(Unsupported):
        client.create(CHARGE.model_copy(update={"customer": None}))
    assert transport.sent == []


def test_an_accepted_loss_stays_on_the_result() -> None:
    """`allow` belongs to the call; what was lost is told on the invoice."""
    client, _ = _emulated()
    lossy = OneTimeCharge(reference="r", customer="cus_42", lines=[Line(quantity=2, amount=Money(500, "EUR"))])
    invoice = client.create(lossy, allow=["lines[].quantity"])
    assert [loss.code for loss in invoice.losses] == ["IB-STRIPE-QUANTITY-01"]
    assert client.losses(lossy) == invoice.losses
    assert client.create(CHARGE).losses == ()


@pytest.mark.parametrize("wrong", ["", "a\nb", "x" * 300])
def test_an_id_that_cannot_be_one_is_refused_before_anything_is_sent(wrong: str) -> None:
    """A wrong argument of a verb is a ConfigurationError that names the verb."""
    client, transport = _emulated()
    with pytest.raises(ConfigurationError, match=r"^void: id: "):
        client.void(wrong)
    assert transport.sent == []


# ── the customer map ─────────────────────────────────────────────────────────────────────────────────────────────────
MAP = {"alice": {"stripe": "cus_42", "whop": "mber_1"}, "bob": {"whop": "mber_2"}}


def test_the_customer_map_makes_names_portable() -> None:
    """A name of the caller's own becomes the provider's id; an explicit reference is left alone."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)
    client = Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport), customers=MAP)
    alice = CHARGE.model_copy(update={"customer": CustomerRef(id="alice")})
    invoice = client.create(alice)
    assert invoice.customer is not None
    assert invoice.customer.id == "cus_42"
    assert [found.id for found in client.list(customer="alice")] == [invoice.id]
    assert b"customer=cus_42" in client.explain(alice).requests[0].content
    named = CHARGE.model_copy(update={"customer": CustomerRef(ids={"stripe": "cus_42"}), "reference": "res-2"})
    assert client.create(named).id != invoice.id


@pytest.mark.parametrize("customer,kind", [("carol", ConfigurationError), ("bob", Unsupported)])
def test_a_name_the_map_does_not_have_is_refused(customer: str, kind: type[BridgeError]) -> None:
    """With a map, an unknown name is not taken for an id: it could be somebody else's."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)
    client = Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport), customers=MAP)
    with pytest.raises(kind):
        client.create(CHARGE.model_copy(update={"customer": CustomerRef(id=customer)}))
    assert transport.sent == []


# ── failures of the network ──────────────────────────────────────────────────────────────────────────────────────────
def _fails(error: Exception) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    "failure,kind",
    [
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ConnectTimeout("slow"), Unreachable),
        (httpx.PoolTimeout("full"), Unreachable),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.WriteTimeout("slow"), OutcomeUnknown),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.WriteError("reset"), OutcomeUnknown),
        (httpx.CloseError("reset"), OutcomeUnknown),
        (httpx.RemoteProtocolError("torn"), OutcomeUnknown),
        (httpx.DecodingError("torn"), OutcomeUnknown),
        (httpx.ProxyError("broken"), OutcomeUnknown),
    ],
)
def test_what_a_failure_of_the_network_means(failure: Exception, kind: type[BridgeError]) -> None:
    """What could not leave was not done; what left without an answer is unknown. Nothing else is guessed."""
    with pytest.raises(kind) as caught:
        _client(_fails(failure)).create(CHARGE)
    assert type(caught.value) is kind
    assert caught.value.outcome == ("nothing_done" if kind is Unreachable else "unknown")


def test_a_deadline_ends_the_tries() -> None:
    """A Retry-After beyond the deadline is not waited for: the caller learns at once what is known."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(429, headers={"Retry-After": "20"}, json={"error": {"message": "slow down"}})

    with pytest.raises(RateLimited) as caught:
        _client(answer, deadline=5.0).create(CHARGE)
    assert len(requests) == 1
    assert caught.value.retry_after == 20
    assert caught.value.outcome == "nothing_done"


def test_a_deadline_bounds_each_request_and_the_whole_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request may take longer than what is left, and none is sent when nothing is."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    timeouts: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        now[0] += 6.0
        lines = [{"amount": 1999}] if request.url.path.endswith("/add_lines") else []
        return httpx.Response(200, json=_row(1, status="draft", total=1999 * len(lines), lines={"data": lines}))

    with pytest.raises(Unreachable, match="the deadline of 10 s has passed") as caught:
        _client(answer, deadline=10.0, timeout=8.0).create(CHARGE)
    assert timeouts == [8.0, 4.0]
    assert (caught.value.outcome, caught.value.invoice_id) == ("partly_done", "in_1")
    timeouts.clear()
    _client(answer, timeout=8.0).retrieve("in_1")
    assert timeouts == [8.0]


# ── the key is never shown ───────────────────────────────────────────────────────────────────────────────────────────
def _echo(status: int) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        told = {"error": {"message": f"no such key: {request.headers['authorization']}", "type": "x"}}
        return httpx.Response(status, json=told, headers={"request-id": "req_1"})

    return answer


SITUATIONS: dict[str, Handler] = {
    "connection refused": _fails(httpx.ConnectError("refused")),
    "timeout": _fails(httpx.ReadTimeout("slow")),
    "an address that is none": _fails(httpx.InvalidURL("bad")),
    "the key repeated in a 401": _echo(401),
    "the key repeated in a 400": _echo(400),
    "the key repeated in a 500": _echo(500),
    "a proxy's page": lambda _: httpx.Response(502, html="<html>Bad Gateway</html>"),
    "a page that repeats the headers": lambda r: httpx.Response(403, text=f"<pre>{r.headers['authorization']}</pre>"),
    "a torn body": lambda _: httpx.Response(200, content=b'{"id": "in_'),
    "a redirect": lambda _: httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
    "throttled": lambda _: httpx.Response(429, json={"error": {"message": "slow down"}}),
    "declined": lambda _: httpx.Response(402, json={"error": {"type": "card_error", "message": "declined"}}),
    "no such invoice": lambda _: httpx.Response(404, json={"error": {"message": "no such invoice"}}),
}


def _all_texts(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield repr(error)
        yield str(error)
        yield repr(vars(error))
        yield "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("handler", SITUATIONS.values(), ids=SITUATIONS)
def test_the_key_is_in_no_text_of_any_error(handler: Handler, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in an error, its facts, its causes and its traceback, nor in a log at the lowest level."""
    caplog.set_level(logging.DEBUG)
    client = _client(handler, api_key=CANARY)
    calls: list[Callable[[], Any]] = [
        lambda: client.create(CHARGE),
        lambda: client.retrieve("in_1"),
        lambda: client.delete("in_1"),
        lambda: list(client.list()),
    ]
    for call in calls:
        with pytest.raises(BridgeError) as caught:
            call()
        for text in _all_texts(caught.value):
            assert CANARY not in text
            assert "canary" not in text
    assert "canary" not in caplog.text


def test_the_key_is_in_no_text_of_a_client() -> None:
    """Neither in its repr nor among its attributes, nor in a plan."""
    for kind in (Client, AsyncClient):
        client: Any = kind("stripe", api_key=CANARY, base_url=BASE)
        assert repr(client) == f"{kind.__name__}('stripe', base_url='{BASE}')"
        assert "canary" not in str(client)
        assert "canary" not in repr(vars(client))
        plan = client.explain(CHARGE)
        assert "canary" not in f"{plan!r} {plan} {plan.to_json()} {plan.curl()}"


def test_the_key_is_in_no_log_of_a_real_connection(caplog: pytest.LogCaptureFixture) -> None:
    """Over a real socket, with every logger at DEBUG, no line shows the key; it did go out, in Basic's spelling too."""
    seen: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the test reads our log, not the server's."""

    caplog.set_level(logging.DEBUG)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            providers: list[tuple[str, dict[str, Any]]] = [("stripe", {}), ("chargebee", {"site": "acme"})]
            for provider, settings in providers:
                with (
                    Client(provider, api_key=CANARY, base_url=url, **settings) as client,
                    pytest.raises(BridgeError),
                ):
                    client.retrieve("in_1")
        finally:
            server.shutdown()
            thread.join()
    encoded = base64.b64encode(f"{CANARY}:".encode()).decode()
    assert seen == [f"Bearer {CANARY}", f"Basic {encoded}"]
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert "canary" not in caplog.text
    assert encoded not in caplog.text


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_listing_is_lazy() -> None:
    """No request before the first invoice is asked for; the second page only when the first is used up."""
    cursors: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("starting_after")
        cursors.append(after)
        return _page(_row(1), _row(2), more=True) if after is None else _page(_row(3))

    found = _client(answer).list()
    assert cursors == []
    assert next(found).id == "in_1"
    assert next(found).id == "in_2"
    assert cursors == [None]
    assert next(found).id == "in_3"
    assert cursors == [None, "in_2"]
    assert list(found) == []
    assert cursors == [None, "in_2"]


def test_filters_are_applied_again() -> None:
    """A provider that ignores a filter does not get its invoices past us (defect 28)."""
    rows = [
        _row(1),
        _row(2, status="paid"),
        _row(3, customer="cus_2"),
        _row(4, created=1777593599),
        _row(5, created=1780272000),
        _row(6, customer="cus_1"),
    ]
    client = _client(lambda _: _page(*rows))
    start, end = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert [found.id for found in client.list()] == ["in_1", "in_2", "in_3", "in_4", "in_5", "in_6"]
    assert [found.id for found in client.list(status=Status.PAID)] == ["in_2"]
    assert [found.id for found in client.list(customer="cus_1")] == ["in_6"]
    assert [found.id for found in client.list(created_from=start, created_to=end)] == ["in_1", "in_2", "in_3", "in_6"]


def test_an_item_that_cannot_be_read_raises_or_is_handed_on() -> None:
    """By default it stops the listing; with unreadable="yield" it comes in its place, with its JSON and the reason."""
    client = _client(lambda _: _page(_row(1), _row(2, total="12,00"), _row(3)))
    found = client.list()
    assert next(found).id == "in_1"
    with pytest.raises(MalformedResponse, match=r"\$\.total"):
        next(found)
    first, second, third = client.list(unreadable="yield")
    assert isinstance(first, Invoice)
    assert isinstance(second, Unreadable)
    assert isinstance(third, Invoice)
    assert second.raw["id"] == "in_2"
    assert "$.total" in str(second.error)


def test_a_word_for_unreadable_that_means_nothing_is_refused() -> None:
    """A typing mistake is not taken for "yield"."""
    wrong: Any = "ignore"
    with pytest.raises(ConfigurationError, match='unreadable is "raise" or "yield", not \'ignore\''):
        list(_client(lambda _: _page(_row(1))).list(unreadable=wrong))


def test_a_wrong_filter_is_refused() -> None:
    """A status that is not ours, a naive date, a filter that does not exist."""
    client = _client(lambda _: _page())
    wrong: list[dict[str, Any]] = [{"status": "posted"}, {"created_from": datetime(2026, 5, 1)}, {"state": "open"}]
    for filters in wrong:
        with pytest.raises(ConfigurationError, match=r"^list: "):
            list(client.list(**filters))


@pytest.mark.parametrize("pages", [["in_1"], ["in_1", "in_2"], ["in_1", "in_2", "in_3"]])
def test_a_listing_that_runs_in_circles_is_refused(pages: list[str]) -> None:
    """The same next page again, at once or after a round, ends with an error, not never."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        assert len(requests) < 20
        return _page(_row(1, id=pages[(len(requests) - 1) % len(pages)]), more=True)

    with pytest.raises(MalformedResponse, match="the same next page for ever"):
        list(_client(answer).list())
    assert len(requests) == len(pages) + 1


def test_a_page_is_read_and_continued_by_hand() -> None:
    """page() gives what the provider gives, and the command that reads on: a cursor that can be kept."""
    client = _client(lambda r: _page(_row(2)) if "starting_after=in_1" in str(r.url) else _page(_row(1), more=True))
    first = client.page(ListInvoices())
    assert [item.id for item in first.items if isinstance(item, Invoice)] == ["in_1"]
    assert first.next is not None
    kept = ListInvoices.model_validate_json(first.next.model_dump_json())
    second = client.page(kept)
    assert [item.id for item in second.items if isinstance(item, Invoice)] == ["in_2"]
    assert second.next is None


# ── one set of flows, two runners ────────────────────────────────────────────────────────────────────────────────────
LINES = (
    Line(description="Fees", quantity=3, unit_amount=Money(500, "EUR")),
    Line(description="Zoë & co", amount=Money(0, "EUR"), period=MAY),
)
BILLS = [
    CHARGE,
    OneTimeCharge(reference="res-2", customer="cus_42", lines=LINES, description="a/b?", draft=True),
    OneTimeCharge(
        reference="res-3", customer="cus_42", amount=Money(5000, "JPY"), collection=Collection.send(net_days=14)
    ),
    OneTimeCharge(reference="res-4", customer="cus_42", amount=Money(1, "EUR"), collection=Collection.charge("pm_1")),
    OneTimeCharge(
        reference="res-5", customer="cus_42", amount=Money(1, "EUR"), collection=Collection.charge("declined")
    ),
    OneTimeCharge(reference="res-6", customer="cus_no", amount=Money(1, "EUR")),
    PeriodInvoice(reference="flt/2026-05", customer="cus_42", period=MAY, currency="EUR", lines=LINES, tax="provider"),
    PeriodInvoice(reference="flt/2026-06", customer="cus_42", period=MAY, currency="EUR"),
    CHARGE,
]
VERBS: list[tuple[str, dict[str, Any]]] = [
    ("retrieve", {"id": "in_00000001"}),
    ("finalize", {"id": "in_00000002"}),
    ("pay", {"id": "in_00000001", "expect": Money(1999, "EUR")}),
    ("void", {"id": "in_00000001"}),
    ("mark_paid", {"id": "in_00000002"}),
    ("mark_uncollectible", {"id": "in_00000003"}),
    ("update", {"id": "in_00000003", "metadata": {"a": "é"}}),
    ("delete", {"id": "in_00000003"}),
    ("send_invoice", {"id": "in_00000003"}),
    ("retrieve", {"id": "in_missing"}),
]


def _told(result: Any, error: BridgeError | None) -> Any:
    return result if error is None else (type(error), str(error), error.outcome, error.invoice_id, error.steps)


async def test_both_clients_send_the_same_bytes_and_give_the_same_results() -> None:
    """For a course of bills and verbs, good and bad, both clients send identical requests and tell the same."""
    sent: list[EmulatorTransport] = [EmulatorTransport(STRIPE.emulator(clock=Ticking()), BASE) for _ in range(2)]
    results: list[list[Any]] = [[], []]
    one = Client("stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=sent[0]))
    async with httpx.AsyncClient(transport=sent[1]) as http:
        other = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http)
        for call, said in [("create", {"command": bill}) for bill in BILLS] + VERBS:
            for place, client in enumerate((one, other)):
                result, error = None, None
                try:
                    made: Any = getattr(client, call)(**said)
                    result = await made if place else made
                except BridgeError as caught:
                    error = caught
                results[place].append(_told(result, error))
        listed: list[Invoice] = list(one.list(customer="cus_42", limit=2))
        assert [invoice async for invoice in other.list(customer="cus_42", limit=2)] == listed
        page: Any = await other.page(ListInvoices(limit=2))
        assert one.page(ListInvoices(limit=2)) == page
    assert len(listed) > 2
    assert results[0] == results[1]
    assert sent[0].sent == sent[1].sent
    assert len(sent[0].sent) > 30
    assert sum(isinstance(result, Invoice) for result in results[0]) >= 10
    assert sum(isinstance(result, tuple) for result in results[0]) >= 5


def test_the_two_clients_have_the_same_verbs() -> None:
    """Every public method of one is one of the other."""
    one = {name for name in dir(Client) if not name.startswith("_")}
    other = {name for name in dir(AsyncClient) if not name.startswith("_")}
    assert one == other
    assert {
        "create", "retrieve", "list", "finalize", "pay", "mark_paid", "void", "mark_uncollectible", "update", "delete",
        "send_invoice", "explain", "losses", "page", "close", "from_config", "provider",
    } <= one  # fmt: skip


async def test_an_asynchronous_listing_is_lazy_too() -> None:
    """No request before the first invoice is asked for."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return _page(_row(1), more=True)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        found = AsyncClient("stripe", api_key=KEY, base_url=BASE, http=http).list()
        assert requests == []
        async for invoice in found:
            assert invoice.id == "in_1"
            break
        assert len(requests) == 1


# ── what a bill becomes ──────────────────────────────────────────────────────────────────────────────────────────────
def test_the_same_reference_bills_once() -> None:
    """Within the key window the second call gives the first invoice, and the ledger has one line (defect 12)."""
    client, transport = _emulated()
    first, second = client.create(CHARGE), client.create(CHARGE)
    assert first.id == second.id
    assert [(entry.event, entry.units) for entry in transport.emulator.ledger] == [("issued", 1999)]
    raised = client.create(CHARGE.model_copy(update={"attempt": 2}))
    assert raised.id != first.id


def test_a_verb_on_nothing_is_not_found() -> None:
    """The provider's 404 is a NotFound, with the id that was asked for."""
    client, _ = _emulated()
    with pytest.raises(NotFound) as caught:
        client.retrieve("in_missing")
    assert (caught.value.invoice_id, caught.value.status) == ("in_missing", 404)


# ── threads and forks ────────────────────────────────────────────────────────────────────────────────────────────────
def test_one_client_serves_several_threads() -> None:
    """Two threads bill through one client at once: every bill is made once, each by its own reference."""
    client, transport = _emulated()
    made: dict[str, str] = {}
    problems: list[BaseException] = []
    together = threading.Barrier(2)

    def bill(name: str) -> None:
        try:
            together.wait()
            for number in range(25):
                reference = f"{name}-{number}"
                made[reference] = client.create(CHARGE.model_copy(update={"reference": reference})).reference or ""
        except BaseException as problem:  # noqa: BLE001 - it must reach the test
            problems.append(problem)

    threads = [threading.Thread(target=bill, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(made) == 50
    assert all(reference == answered for reference, answered in made.items())
    assert sorted(entry.reference or "" for entry in transport.emulator.ledger) == sorted(made)


FORK = """
import os, sys
import httpx
from invoice_bridge import Client, ConfigurationError

def answer(request):
    print("sent", flush=True)
    return httpx.Response(200, json={"id": "in_1", "object": "invoice", "currency": "eur", "lines": {"data": []}})

def make():
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Client("stripe", api_key="sk_test_not_a_key", base_url="https://a.test", http=http)

client = make()
child = os.fork()
if child == 0:
    try:
        client.retrieve("in_1")
    except ConfigurationError as error:
        print("refused:", error, flush=True)
    print("own:", make().retrieve("in_1").id, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent:", client.retrieve("in_1").id, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_client_made_before_a_fork_refuses_in_the_child() -> None:
    """Two processes would share one connection: the child is told, may make its own, and the parent goes on."""
    told = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == [
        "refused: this client was made before a fork: make a new one in the child process",
        "sent",
        "own: in_1",
        "sent",
        "parent: in_1",
    ]


def test_a_plan_of_the_client_is_for_its_own_base_url() -> None:
    """explain() on a client shows its own addresses and needs no request."""
    client, transport = _emulated()
    assert client.explain(CHARGE).requests[0].url == f"{BASE}/v1/invoices"
    assert transport.sent == []


def test_amounts_are_compared_before_money_moves() -> None:
    """`expect` other than what is still to pay stops the payment after one read."""
    client, transport = _emulated()
    invoice = client.create(CHARGE)
    before = len(transport.sent)
    with pytest.raises(BridgeError, match=r"19\.98 EUR"):
        client.pay(invoice.id, expect=Money(1998, "EUR"))
    assert [request.method for request in transport.sent[before:]] == ["GET"]
    assert client.pay(invoice.id, expect=Money(1999, "EUR")).status is Status.PAID
