"""The clients: the only network I/O, one key in one header; what is refused before anything is sent."""

import os
import subprocess
import sys
import threading
from typing import Any, Literal

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    ConfigurationError,
    CustomerRef,
    Line,
    LossyTranslation,
    MalformedResponse,
    Money,
    NotFound,
    OneTimeCharge,
    Status,
    Unsupported,
)
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.providers.stripe import STRIPE
from tests.clients import (
    BASE,
    CHARGE,
    KEY,
    client_of,
    emulated,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    row,
)


# ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_key_stands_in_the_authorization_header_and_nowhere_else() -> None:
    """No other header, no address and no body of any request of a call has the key in it."""
    client, transport = emulated()
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
    client, transport = emulated()
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
        return httpx.Response(200, json=row(1))

    http = httpx.Client(
        transport=httpx.MockTransport(answer), headers={"X-Trace": "7", "Authorization": "Bearer other"}
    )
    with Client("stripe", api_key=KEY, base_url=BASE, http=http) as client:
        assert client.retrieve("in_1", whole=False).id == "in_1"
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
        Client("stripe", api_key=KEY, base_url=BASE, http=http).retrieve("in_1", whole=False)
    assert urls == [f"{BASE}/v1/invoices/in_1"]


def test_an_injected_clients_own_credentials_do_not_replace_ours() -> None:
    """Its `auth` is left out: one Authorization header, with our key."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.extend(request.headers.get_list("authorization"))
        return httpx.Response(200, json=row(1))

    http = httpx.Client(transport=httpx.MockTransport(answer), auth=("user", "other"))
    Client("stripe", api_key=KEY, base_url=BASE, http=http).retrieve("in_1", whole=False)
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
        return httpx.Response(200, json=row(1))

    for base in ("https://a.test", "https://a.test/", "https://a.test/stripe/", "https://a.test:8443/x"):
        client_of(answer, base_url=base).retrieve("in_1", whole=False)
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
    with pytest.raises(ConfigurationError, match=r"^api_key (is|contains|must)") as caught:
        Client("stripe", api_key=key)
    assert "sk" not in str(caught.value).replace("api_key", "")


def test_a_mode_that_the_key_contradicts_is_refused() -> None:
    """mode="test" with a live key, and the other way round; a key that does not tell is taken."""
    live = KEY.replace("test", "live")
    wrong: list[tuple[str, Literal["test", "live"]]] = [(live, "test"), (KEY, "live")]
    for key, mode in wrong:
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
    client, transport = emulated()
    lossy = OneTimeCharge(reference="r", customer="cus_42", lines=[Line(quantity=2, amount=Money(500, "EUR"))])
    with pytest.raises(LossyTranslation) as caught:
        client.create(lossy)
    assert [loss.path for loss in caught.value.losses] == ["lines[].quantity"]
    with pytest.raises(Unsupported):
        client.create(CHARGE.model_copy(update={"customer": None}))
    assert transport.sent == []


def test_an_accepted_loss_stays_on_the_result() -> None:
    """`allow` belongs to the call; what was lost is told on the invoice."""
    client, _ = emulated()
    lossy = OneTimeCharge(reference="r", customer="cus_42", lines=[Line(quantity=2, amount=Money(500, "EUR"))])
    invoice = client.create(lossy, allow=["lines[].quantity"])
    assert [loss.code for loss in invoice.losses] == ["IB-STRIPE-QUANTITY-01"]
    assert client.losses(lossy) == invoice.losses
    assert client.create(CHARGE).losses == ()


@pytest.mark.parametrize("wrong", ["", "a\nb", "x" * 300])
def test_an_id_that_cannot_be_one_is_refused_before_anything_is_sent(wrong: str) -> None:
    """A wrong argument of a verb is a ConfigurationError that names the verb."""
    client, transport = emulated()
    with pytest.raises(ConfigurationError, match=r"^void: id: "):
        client.void(wrong)
    assert transport.sent == []


# ── the customer map ─────────────────────────────────────────────────────────────────────────────────────────────────
MAP = {"alice": {"stripe": "cus_42", "whop": "mber_1"}, "bob": {"whop": "mber_2"}}


def test_the_customer_map_makes_names_portable() -> None:
    """A name of the caller's own becomes the provider's id; an explicit reference is left alone."""
    transport = EmulatorTransport(STRIPE.emulator(), BASE)
    client = Client(
        "stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport), customers=MAP, lookup="never"
    )
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
    client = Client(
        "stripe", api_key=KEY, base_url=BASE, http=httpx.Client(transport=transport), customers=MAP, lookup="never"
    )
    with pytest.raises(kind):
        client.create(CHARGE.model_copy(update={"customer": CustomerRef(id=customer)}))
    assert transport.sent == []


# ── what a bill becomes ──────────────────────────────────────────────────────────────────────────────────────────────
def test_the_same_reference_bills_once() -> None:
    """Within the key window the second call gives the first invoice, and the ledger has one line (defect 12)."""
    client, transport = emulated()
    first, second = client.create(CHARGE), client.create(CHARGE)
    assert first.id == second.id
    assert [(entry.event, entry.units) for entry in transport.emulator.ledger] == [("issued", 1999)]
    raised = client.create(CHARGE.model_copy(update={"attempt": 2}))
    assert raised.id == first.id  # it stands: a second attempt finds it
    client.void(first.id)
    assert client.create(CHARGE.model_copy(update={"attempt": 2})).id != first.id


def test_a_verb_on_nothing_is_not_found() -> None:
    """The provider's 404 is a NotFound, with the id that was asked for."""
    client, _ = emulated()
    with pytest.raises(NotFound) as caught:
        client.retrieve("in_missing")
    assert (caught.value.invoice_id, caught.value.status) == ("in_missing", 404)


# ── threads and forks ────────────────────────────────────────────────────────────────────────────────────────────────
def test_one_client_serves_several_threads() -> None:
    """Two threads bill through one client at once: every bill is made once, each by its own reference."""
    client, transport = emulated()
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
    return Client("stripe", api_key="sk_test_not_a_key", base_url="https://a.test", http=http, lookup="never")

client = make()
child = os.fork()
if child == 0:
    try:
        client.retrieve("in_1", whole=False)
    except ConfigurationError as error:
        print("refused:", error, flush=True)
    print("own:", make().retrieve("in_1", whole=False).id, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent:", client.retrieve("in_1", whole=False).id, flush=True)
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
    client, transport = emulated(lookup="never")
    assert client.explain(CHARGE).requests[0].url == f"{BASE}/v1/invoices"
    assert transport.sent == []


def test_amounts_are_compared_before_money_moves() -> None:
    """`expect` other than what is still to pay stops the payment after one read."""
    client, transport = emulated()
    invoice = client.create(CHARGE)
    before = len(transport.sent)
    with pytest.raises(BridgeError, match=r"19\.98 EUR"):
        client.pay(invoice.id, expect=Money(1998, "EUR"))
    assert [request.method for request in transport.sent[before:]] == ["GET"]
    assert client.pay(invoice.id, expect=Money(1999, "EUR")).status is Status.PAID
