"""Where a key may go: over verified TLS, or to this machine; to the configured host alone; in the mode it is for."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    ConfigurationError,
    MalformedResponse,
    NotFound,
    Unreachable,
    providers,
)
from invoice_bridge.core.exact import dumps

KEYS = {
    "chargeapi": "ch_sk_test_not_a_key",
    "chargebee": "test_not_a_key",
    "stripe": "sk_test_not_a_key",
    "whop": "whop_test_not_a_key",
}
each_provider = pytest.mark.parametrize("name", KEYS)
each_kind = pytest.mark.parametrize("kind", [Client, AsyncClient])


def _settings(name: str) -> dict[str, Any]:
    return dict(providers.get(name).emulator().settings)


# ── plain http ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost:8787",
        "127.0.0.1",
        "127.0.0.1:8787",
        "127.255.255.254",
        "[::1]",
        "[::1]:8787",
    ],
)
@each_kind
def test_plain_http_to_this_machine_is_fine(kind: Any, host: str) -> None:
    """127.0.0.0/8, ::1 and localhost."""
    assert kind("stripe", api_key=KEYS["stripe"], base_url=f"http://{host}/v1").provider == "stripe"


NOT_LOOPBACK = [
    "localhost.evil.test", "127.0.0.1.evil.test", "evil.test", "notlocalhost", "localhost.", "127.0.0.1.",
    "sub.localhost", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1",
    "127.0.1", "127.000.000.001", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u24dbocalhost", "0.0.0.0",
    "0", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::1%25eth0]", "[fe80::1]", "10.0.0.1",
    "169.254.169.254", "128.0.0.1", "126.255.255.255",
]  # fmt: skip


@pytest.mark.parametrize("host", NOT_LOOPBACK)
@each_kind
def test_plain_http_elsewhere_is_refused(kind: Any, host: str) -> None:
    """What looks like this machine, or is it in a spelling that others read otherwise, is another host."""
    with pytest.raises(ConfigurationError, match=r"plain http|base_url is not a URL|base_url must be"):
        kind("stripe", api_key=KEYS["stripe"], base_url=f"http://{host}/v1")


@pytest.mark.parametrize("said", ["true", "yes", 1, None, "false", 0])
def test_insecure_is_written_out_or_it_is_not_meant(said: Any) -> None:
    """Only True is True: a text from a file or the environment is refused, "false" above all."""
    with pytest.raises(ConfigurationError, match="insecure must be True or False"):
        Client("stripe", api_key=KEYS["stripe"], base_url="http://evil.test", insecure=said)


def test_insecure_accepts_plain_http_to_any_host() -> None:
    """Where it is written out."""
    Client("stripe", api_key=KEYS["stripe"], base_url="http://10.0.0.1", insecure=True).close()


# ── a server that keeps what it was sent ─────────────────────────────────────────────────────────────────────────────
_REFUSAL = b'{"error": {"message": "there is no such invoice"}}'


@contextmanager
def _server(tls: ssl.SSLContext | None = None, location: str | None = None) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(302 if location else 404)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(_REFUSAL)))
            self.end_headers()
            self.wfile.write(_REFUSAL)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that turns away from a certificate is what is tested."""

    with Quiet(("127.0.0.1", 0), Answer) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def test_what_is_for_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment would carry the key away in plain text; only one that is asked for may."""
    with _server() as (proxy, carried), _server() as (url, seen):
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, proxy)
        with Client("stripe", api_key=KEYS["stripe"], base_url=url) as client, pytest.raises(BridgeError):
            client.retrieve("inv_1")
        assert seen == [f"Bearer {KEYS['stripe']}"]
        assert carried == []
        with (
            Client("stripe", api_key=KEYS["stripe"], base_url="http://10.0.0.1", insecure=True) as client,
            pytest.raises(BridgeError),
        ):
            client.retrieve("inv_1")
        assert carried == [f"Bearer {KEYS['stripe']}"], "the proxy is not one"


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody has signed, and its key, both made now."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "made.pem", folder / "key.pem"
    said = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([openssl, *said.split(), "-keyout", key, "-out", made], check=True, capture_output=True, timeout=60)
    return made, key


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> Iterator[tuple[str, list[str]]]:
    """A server behind that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with _server(context) as served:
        yield served


@each_provider
def test_a_certificate_that_nobody_signed_is_refused(name: str, tls: tuple[str, list[str]]) -> None:
    """On loopback too: the key is not sent, and nothing was done."""
    url, seen = tls
    with Client(name, api_key=KEYS[name], base_url=url, **_settings(name)) as client:
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED") as caught:
            client.retrieve("inv_1")
        assert caught.value.outcome == "nothing_done"
    assert seen == []


async def test_an_asynchronous_client_checks_certificates_too(tls: tuple[str, list[str]]) -> None:
    """The same for AsyncClient, with insecure=True and without."""
    url, seen = tls
    async with AsyncClient("stripe", api_key=KEYS["stripe"], base_url=url) as client:
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await client.retrieve("inv_1")
    assert seen == []
    async with AsyncClient("stripe", api_key=KEYS["stripe"], base_url=url, insecure=True) as client:
        with pytest.raises(NotFound):
            await client.retrieve("inv_1")
    assert seen == [f"Bearer {KEYS['stripe']}"]


def test_insecure_does_not_check_certificates(tls: tuple[str, list[str]]) -> None:
    """Written out, it means both: plain http to every host, and https to whoever answers."""
    url, seen = tls
    with Client("stripe", api_key=KEYS["stripe"], base_url=url, insecure=True) as client, pytest.raises(NotFound):
        client.retrieve("inv_1")
    assert seen == [f"Bearer {KEYS['stripe']}"]


def test_a_certificate_that_the_machine_trusts_is_fine(
    certificate: tuple[Path, Path], tls: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE names a certificate to trust: the way to a server of one's own, without insecure=True."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    url, seen = tls
    with Client("stripe", api_key=KEYS["stripe"], base_url=url) as client, pytest.raises(NotFound):
        client.retrieve("inv_1")
    assert len(seen) == 1


def test_insecure_does_not_reach_into_a_client_that_is_given(tls: tuple[str, list[str]]) -> None:
    """An injected HTTP client checks certificates, or does not, as it was made to."""
    url, seen = tls
    with (
        httpx.Client() as http,
        Client("stripe", api_key=KEYS["stripe"], base_url=url, insecure=True, http=http) as client,
        pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.retrieve("inv_1")
    assert seen == []


# ── redirects and next pages ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@each_provider
def test_no_redirect_is_followed(name: str, status: int) -> None:
    """The key goes to one host once, even where an injected client would follow; to the same host too."""
    for location in ("https://evil.test/v1", "/elsewhere", "//evil.test", "http://127.0.0.1:1/"):
        urls: list[str] = []

        def answer(request: httpx.Request, urls: list[str] = urls, location: str = location) -> httpx.Response:
            urls.append(request.url.host)
            return httpx.Response(status, headers={"Location": location})

        with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as http:
            client = Client(name, api_key=KEYS[name], http=http, requests_per_minute=10**6, **_settings(name))
            with pytest.raises(MalformedResponse, match="a redirect, which is never followed with a key attached"):
                client.retrieve("inv_1")
        assert urls == [httpx.URL(client._context.base_url).host]


def test_a_redirect_of_a_real_server_sends_the_key_nowhere() -> None:
    """Over real connections: the second server never hears of it."""
    with _server() as (other, carried), _server(location=other) as (url, seen):
        with Client("stripe", api_key=KEYS["stripe"], base_url=url) as client, pytest.raises(MalformedResponse):
            client.retrieve("inv_1")
        assert (len(seen), carried) == (1, [])


NEXT = [
    "https://evil.test/v1/invoices?after=1",
    "//evil.test/v1/invoices",
    "http://{host}/v1/invoices",
    "https://{host}:8443/v1/invoices",
    "https://{host}.evil.test/v1/invoices",
    "https://{host}@evil.test/v1/invoices",
    "https://user:word@{host}/v1/invoices",
    "https://evil.test\\@{host}/v1/invoices",
    "https://{host}\\.evil.test/v1/invoices",
    "https://{host}\t.evil.test/v1/invoices",
    "javascript:alert(1)",
    "https://[",
]


@pytest.mark.parametrize("following", NEXT)
@each_provider
def test_defect_27_a_next_page_elsewhere_is_never_asked_for(name: str, following: str) -> None:
    """Wherever a listing names its next page: the key goes to the configured origin alone."""
    sent: list[httpx.URL] = []
    client: Client

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.url)
        there = following.replace("{host}", request.url.host)
        data = {"data": [], "list": [], "object": "list", "has_more": True, "next_offset": there}
        data |= {"next_page_url": there, "next": there, "url": there, "after": there, "next_cursor": there}
        data |= {"page_info": {"has_next_page": True, "end_cursor": there}, "pagination": {"next": there}}
        return httpx.Response(200, content=dumps(data))

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = Client(name, api_key=KEYS[name], http=http, requests_per_minute=10**6, **_settings(name))
        with suppress(MalformedResponse):
            list(client.list())
        base = httpx.URL(client._context.base_url)
    assert sent
    for url in sent:
        assert (url.scheme, url.host, url.port, url.userinfo) == (base.scheme, base.host, base.port, b"")
        assert url.path.startswith(base.path.rstrip("/"))


# ── modes ────────────────────────────────────────────────────────────────────────────────────────────────────────────
MODES: list[tuple[str, str, dict[str, Any], str | None]] = [
    ("stripe", "sk_test_not_a_key", {}, "test"),
    ("stripe", "rk_test_not_a_key", {}, "test"),
    ("stripe", "sk_live_not_a_key", {}, "live"),
    ("stripe", "rk_live_not_a_key", {}, "live"),
    ("stripe", "some_other_not_a_key", {}, None),
    ("chargeapi", "ch_sk_test_not_a_key", {}, "test"),
    ("chargeapi", "ch_sk_live_not_a_key", {}, "live"),
    ("chargeapi", "sk_live_not_a_key", {}, None),
    ("chargebee", "test_not_a_key", {"site": "acme-test"}, "test"),
    ("chargebee", "live_not_a_key", {"site": "acme"}, "live"),
    ("chargebee", "some_not_a_key", {"site": "acme-test"}, "test"),
    ("chargebee", "some_not_a_key", {"site": "acme"}, "live"),
    ("chargebee", "test_not_a_key", {"site": "acme"}, "neither"),
    ("chargebee", "live_not_a_key", {"site": "acme-test"}, "neither"),
    ("chargebee", "test_not_a_key", {"site": "acme", "base_url": "http://127.0.0.1:8787/chargebee/api/v2"}, "test"),
    ("whop", "whop_not_a_key", {"account_id": "biz_42"}, "live"),
    ("whop", "whop_not_a_key", {"account_id": "biz_42", "base_url": "https://sandbox-api.whop.com/api/v1"}, "test"),
    ("whop", "whop_not_a_key", {"account_id": "biz_42", "base_url": "http://127.0.0.1:8787/whop/api/v1"}, None),
]


@pytest.mark.parametrize("asked", ["test", "live"])
@pytest.mark.parametrize("name, key, said, found", MODES)
@each_kind
def test_defect_21_a_mode_refuses_a_key_site_or_host_of_the_other(  # noqa: PLR0917 - one for each column
    kind: Any, name: str, key: str, said: dict[str, Any], found: str | None, asked: str
) -> None:
    """What key, site and host say, per provider; where they contradict each other, both modes are refused."""
    if found in {asked, None}:
        assert kind(name, api_key=key, mode=asked, **said).provider == name
        return
    with pytest.raises(ConfigurationError, match=f'mode="{asked}" was asked for, but the key or host is for') as caught:
        kind(name, api_key=key, mode=asked, **said)
    assert key not in str(caught.value)


@pytest.mark.parametrize("mode", ["prod", "TEST", "", 1])
@each_provider
def test_a_mode_that_is_none_is_refused(name: str, mode: Any) -> None:
    """A word that nothing is compared with would be no protection."""
    with pytest.raises(ConfigurationError, match='mode must be "test" or "live", not '):
        Client(name, api_key=KEYS[name], mode=mode, **_settings(name))


# ── one client, one connection, and what the caller gave ─────────────────────────────────────────────────────────────
@each_provider
def test_defect_23_one_http_client_serves_all_calls_and_nothing_given_is_changed(name: str) -> None:
    """No HTTP client per call; the caller's headers, settings and client hold no key afterwards."""
    headers, settings = {"X-Trace": "7"}, _settings(name)
    before = dict(settings)
    with (
        httpx.Client(transport=httpx.MockTransport(lambda _request: httpx.Response(404)), headers=headers) as http,
        Client(name, api_key=KEYS[name], http=http, requests_per_minute=10**6, **settings) as client,
    ):
        for _ in range(3):
            with pytest.raises(BridgeError):
                client.retrieve("inv_1")
        assert client._http is http
        assert (headers, settings) == ({"X-Trace": "7"}, before)
        assert "authorization" not in http.headers
        assert http.auth is None
