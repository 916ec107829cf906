"""Settings that cannot be used, and keys, are refused when the client is made."""

import asyncio
import traceback
from collections.abc import Sequence
from math import inf, nan
from pathlib import Path
from typing import Any

import httpx
import pytest

import invoice_bridge
from invoice_bridge import AsyncClient, Client, ConfigurationError
from tests.clients import (
    BASE,
    CHARGE,
    KEY,
    client_of,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    row,
)

PACKAGE = str(Path(invoice_bridge.__file__).parent)  # a tree's, or what a wheel installed

_UNUSABLE: list[tuple[str, Sequence[Any], str]] = [
    (
        "timeout",
        (
            None,
            0,
            -1,
            True,
            nan,
            inf,
            "30",
            1e9,
        ),
        "timeout must be .*write timeout=30.0",
    ),
    (
        "deadline",
        (
            0,
            -0.5,
            False,
            nan,
            inf,
            "9",
            1e9,
        ),
        "deadline must be .*write deadline=60.0",
    ),
    (
        "requests_per_minute",
        (
            1.5,
            True,
            "60",
            nan,
        ),
        "must be a whole number",
    ),
    (
        "requests_per_minute",
        (
            0,
            -1,
            10**30,
        ),
        "must be from 1 to",
    ),
    (
        "http",
        (
            7,
            "x",
            httpx,
            httpx.Client,
            object(),
        ),
        "http must be an httpx.Client",
    ),
    (
        "journal",
        (
            7,
            b"bills",
            True,
        ),
        "journal must be the path of a file",
    ),
    ("journal", (":memory:", "file::memory:"), "journal must be a file on disk"),
    (
        "journal",
        (
            "",
            "  ",
        ),
        "journal is empty",
    ),
    ("journal", ("a\0b",), "cannot be opened"),
    (
        "customers",
        (
            [],
            "acme",
            {"a": "cus_1"},
            {"a": {"x": 7}},
            {7: {}},
        ),
        "customers must map",
    ),
    (
        "base_url",
        (
            7,
            b"https://x",
            ["https://x"],
        ),
        "base_url must be a str",
    ),
    (
        "insecure",
        (
            1,
            "no",
            None,
        ),
        "insecure must be True or False",
    ),
    (
        "mode",
        (
            "prod",
            [],
            7,
        ),
        'mode must be "test" or "live"',
    ),
    (
        "lookup",
        (
            [],
            {},
            None,
            "sometimes",
        ),
        'lookup must be "auto", "always", "never" or "journal"',
    ),
    ("acount", ("acct_1",), "acount"),
]
UNUSABLE = [(name, value, message) for name, values, message in _UNUSABLE for value in values]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name,value,message", UNUSABLE)
def test_defect_48_a_setting_that_cannot_be_used_is_refused(kind: Any, name: str, value: Any, message: str) -> None:
    """Defect 48: each is refused when the client is made, with what to write; no call fails by it after a write."""
    message = message.replace("httpx.Client", "httpx.(Async)?Client")
    with pytest.raises(ConfigurationError, match=message) as caught:
        kind(**({"provider": "stripe", "api_key": KEY, "base_url": BASE} | {name: value}))
    assert caught.value.outcome == "nothing_done"


def test_an_http_client_of_the_other_kind_is_refused() -> None:
    """Defect 48: an httpx.AsyncClient is no use to Client, nor an httpx.Client to AsyncClient, nor a closed one."""
    wrong: Any = httpx.AsyncClient()
    with pytest.raises(ConfigurationError, match="other kind"):
        Client("stripe", api_key=KEY, http=wrong)
    asyncio.run(wrong.aclose())
    plain = httpx.Client()
    wrong = plain
    with pytest.raises(ConfigurationError, match="other kind"):
        AsyncClient("stripe", api_key=KEY, http=wrong)
    plain.close()
    with pytest.raises(ConfigurationError, match="is closed"):
        Client("stripe", api_key=KEY, http=plain)


def test_a_journal_in_a_directory_is_refused(tmp_path: Path) -> None:
    """Defect 51: a directory is no journal."""
    with pytest.raises(ConfigurationError, match="it is a directory"):
        Client("stripe", api_key=KEY, journal=tmp_path)


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY} ", f"{KEY}\n", "sk_test not_a_key", f"\t{KEY}", f"{KEY}\u00a0"])
def test_a_key_with_a_blank_is_refused_and_gone(key: str) -> None:
    """Defect 75: it is not trimmed, not shown, in no frame of the traceback, and the half-made client has a repr."""
    with pytest.raises(ConfigurationError, match="a space or a line break") as caught:
        client_of(lambda _: httpx.Response(200), api_key=key)
    assert "not_a_key" not in str(caught.value)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if frame.f_code.co_filename.startswith(PACKAGE)]
    assert ours
    shown = [repr(value) for frame in ours for value in frame.f_locals.values()]
    assert [text for text in shown if "not_a_key" in text] == []
    assert "Client()" in shown


@pytest.mark.parametrize("is_injected", [True, False])
def test_defect_74_cookies_are_neither_kept_nor_sent_back(is_injected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 74: a provider's cookies do not come back; an injected client's own jar is neither sent nor changed."""
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Cookie"))
        return httpx.Response(200, json=row(1), headers={"Set-Cookie": "session=1; Path=/"})

    transport = httpx.MockTransport(answer)
    http = httpx.Client(transport=transport, cookies={"own": "1"})
    if is_injected:
        client = Client("stripe", api_key=KEY, base_url=BASE, http=http)
    else:
        client = Client("stripe", api_key=KEY, base_url=BASE)
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", transport.handle_request)
    for _ in range(2):
        client.retrieve("in_1", whole=False)
    assert seen == [None, None]
    assert dict(http.cookies) == {"own": "1"}
    assert is_injected or not hasattr(client._http, "cookies")


def test_a_client_of_another_http_library_raises_our_errors() -> None:
    """Defect 86: the exceptions are those of the module that the injected client's class comes from."""
    import sys
    from types import ModuleType

    from invoice_bridge import OutcomeUnknown, Unreachable

    module: Any = ModuleType("httpy")
    module.RequestError = type("RequestError", (Exception,), {"__module__": "httpy"})
    for name in ("ConnectError", "ReadTimeout"):
        setattr(module, name, type(name, (module.RequestError,), {"__module__": "httpy"}))

    class Own(httpx.Client):
        failure: type[Exception]

        def stream(self, *_: Any, **__: Any) -> Any:
            raise self.failure("it failed")

    Own.__module__ = "httpy"
    sys.modules["httpy"] = module
    try:
        for name, kind in (("ConnectError", Unreachable), ("ReadTimeout", OutcomeUnknown)):
            Own.failure = getattr(module, name)
            with Own() as http, pytest.raises(kind) as caught:
                Client("stripe", api_key=KEY, base_url=BASE, http=http, lookup="never").create(CHARGE)
            assert caught.value.outcome == ("nothing_done" if kind is Unreachable else "unknown")
    finally:
        del sys.modules["httpy"]
