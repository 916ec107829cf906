"""The key is never shown: in no error, log, repr or plan."""

import base64
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
)
from tests.clients import (
    BASE,
    CHARGE,
    Answers,
    client_of,
    fails,
    no_waiting,  # noqa: F401 - a fixture, used by every test
)

CANARY = "sk_test_canary_not_a_key_7f3a"


# ── the key is never shown ───────────────────────────────────────────────────────────────────────────────────────────
def _echo(status: int) -> Answers:
    def answer(request: httpx.Request) -> httpx.Response:
        told = {"error": {"message": f"no such key: {request.headers['authorization']}", "type": "x"}}
        return httpx.Response(status, json=told, headers={"request-id": "req_1"})

    return answer


SITUATIONS: dict[str, Answers] = {
    "connection refused": fails(httpx.ConnectError("refused")),
    "timeout": fails(httpx.ReadTimeout("slow")),
    "an address that is none": fails(httpx.InvalidURL("bad")),
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


@pytest.mark.parametrize("answers", SITUATIONS.values(), ids=SITUATIONS)
def test_the_key_is_in_no_text_of_any_error(answers: Answers, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in an error, its facts, its causes and its traceback, nor in a log at the lowest level."""
    caplog.set_level(logging.DEBUG)
    client = client_of(answers, api_key=CANARY)
    calls: list[Callable[[], Any]] = [
        lambda: client.create(CHARGE),
        lambda: client.retrieve("in_1", whole=False),
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
                    client.retrieve("in_1", whole=False)
        finally:
            server.shutdown()
            thread.join()
    encoded = base64.b64encode(f"{CANARY}:".encode()).decode()
    assert seen == [f"Bearer {CANARY}", f"Basic {encoded}"]
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert "canary" not in caplog.text
    assert encoded not in caplog.text
