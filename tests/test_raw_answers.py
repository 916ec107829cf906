"""Answers byte by byte over real sockets and TLS: a client's own connections read what httpx reads, or less."""

import asyncio
import gzip
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from invoice_bridge import AsyncClient, Client, OutcomeUnknown, Unreachable
from invoice_bridge.client.connections import AsyncConnections, Connections
from invoice_bridge.testing import no_retries
from tests.clients import CHARGE, KEY
from tests.raw_servers import Authority, Pieces, raw
from tests.test_connections import GOOD

LINE = b"HTTP/1.1 200 OK\r\n"
TWO = LINE + b"Content-Length: 2\r\n\r\n{}"
STRANGER = b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"no"'
_ZIPPED = gzip.compress(b'{"id": "in_1"}', mtime=0)
_GZIP = LINE + b"Content-Encoding: gzip\r\n"

ANSWERS: dict[str, bytes] = {
    "plain": TWO,
    "lower case": LINE + b"content-length:2\r\n\r\n{}",
    "upper case": LINE + b"CONTENT-LENGTH: 2\r\nCONNECTION: KEEP-ALIVE\r\n\r\n{}",
    "shorter than its length": LINE + b"Content-Length: 3\r\n\r\n{}",
    "longer than its length": LINE + b"Content-Length: 1\r\n\r\n{}",
    "two answers": TWO + STRANGER,
    "an answer in a body": LINE + b"Content-Length: %d\r\n\r\n" % len(STRANGER) + STRANGER,
    "length twice, the same": LINE + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "length twice, another": LINE + b"Content-Length: 2\r\nContent-Length: 1\r\n\r\n{}",
    "length in a list": LINE + b"Content-Length: 2, 2\r\n\r\n{}",
    "length below zero": LINE + b"Content-Length: -2\r\n\r\n{}",
    "length with a sign": LINE + b"Content-Length: +2\r\n\r\n{}",
    "length with spaces": LINE + b"Content-Length:   2 \t\r\n\r\n{}",
    "length with a space inside": LINE + b"Content-Length: 1 2\r\n\r\n{}",
    "length in hexadecimal": LINE + b"Content-Length: 0x2\r\n\r\n{}",
    "length in other digits": LINE + b"Content-Length: \xb2\r\n\r\n{}",
    "length of 30 digits": LINE + b"Content-Length: %030d\r\n\r\n{}" % 2,
    "length that is empty": LINE + b"Content-Length:\r\n\r\n{}",
    "space before the colon": LINE + b"Content-Length : 2\r\n\r\n{}",
    "length and chunks": LINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks and length": LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks": LINE + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "chunks of no chunks": LINE + b"Transfer-Encoding: chunked\r\n\r\n{}",
    "chunks without an end": LINE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "chunk of a size below zero": LINE + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "another coding": LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "identity and a length": LINE + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
    "folded": LINE + b"X-A: a\r\n folded\r\nContent-Length: 2\r\n\r\n{}",
    "folded length": LINE + b"Content-Length:\r\n 2\r\n\r\n{}",
    "folded first": LINE + b" folded\r\nContent-Length: 2\r\n\r\n{}",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "bare LF in a head of CR LF": LINE + b"X-A: a\nContent-Length: 2\r\n\r\n{}",
    "bare CR in a value": LINE + b"X-A: a\rContent-Length: 9\r\nContent-Length: 2\r\n\r\n{}",
    "NUL in a value": LINE + b"X-A: a\x00\r\nContent-Length: 2\r\n\r\n{}",
    "not ASCII": LINE + b"X-A: \xc3\xa9\r\nContent-Length: 2\r\n\r\n{}",
    "1xx before": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + TWO,
    "1xx with a length": b"HTTP/1.1 102 Processing\r\nContent-Length: 2\r\n\r\n" + TWO,
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.0 kept": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/0.9": b"{}",
    "close": LINE + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    "close among others": LINE + b"Content-Length: 2\r\nConnection: keep-alive, Close\r\n\r\n{}",
    "no length": LINE + b"\r\n{}",
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    "304 with a body": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status 600": b"HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "status 000": b"HTTP/1.1 000 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "an empty line first": b"\r\n" + TWO,
    "no headers": LINE + b"\r\n",
    "half a head": LINE + b"Content-Length: 2\r\n",
    "nothing": b"",
    "gzip": _GZIP + b"Content-Length: %d\r\n\r\n" % len(_ZIPPED) + _ZIPPED,
    "gzip, cut": _GZIP + b"Content-Length: %d\r\n\r\n" % (len(_ZIPPED) - 9) + _ZIPPED[:-9],
    "gzip, two members": _GZIP + b"Content-Length: %d\r\n\r\n" % (2 * len(_ZIPPED)) + 2 * _ZIPPED,
}
"""What a server may send, and then it closes."""

_GOOD_BODY = GOOD.partition(b"\r\n\r\n")[2]
Seen = tuple[Any, ...]
"""Status, version, reason, headers and body as they came; or what was raised."""


def _seen(answer: httpx.Response, body: bytes) -> Seen:
    said = answer.extensions
    return answer.status_code, said["http_version"], said["reason_phrase"], answer.headers.raw, body


def _by_httpx(url: str, tls: ssl.SSLContext | bool) -> Seen:
    try:
        with httpx.Client(verify=tls, trust_env=False) as http, http.stream("POST", url, content=b"a=1") as answer:
            return _seen(answer, b"".join(answer.iter_raw()))
    except httpx.HTTPError as error:
        return (type(error),)


def _by_threads(made: Connections, url: str) -> Seen:
    try:
        with made.stream("POST", url, headers={}, content=b"a=1", timeout=5) as answer:
            return _seen(answer, b"".join(answer.iter_raw()))
    except httpx.HTTPError as error:
        return (type(error),)


async def _by_tasks(made: AsyncConnections, url: str) -> Seen:
    try:
        async with made.stream("POST", url, headers={}, content=b"a=1", timeout=5) as answer:
            return _seen(answer, b"".join([piece async for piece in answer.aiter_raw()]))
    except httpx.HTTPError as error:
        return (type(error),)


def _by_ours(url: str, *, trust_env: bool = False) -> Iterator[Seen]:
    made = Connections(url, verify=True, trust_env=trust_env)
    yield _by_threads(made, url)
    made.close()

    async def call() -> Seen:
        made = AsyncConnections(url, verify=True, trust_env=trust_env)
        seen = await _by_tasks(made, url)
        await made.aclose()
        return seen

    yield asyncio.run(call())


def _always(pieces: list[bytes]) -> Pieces:
    return lambda _: pieces


def _one_by_one(answer: bytes) -> list[bytes]:
    return [answer[at : at + 1] for at in range(len(answer))]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.certificate("IP:127.0.0.1")


# ── the same as httpx ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_reads_as_httpx_reads_it(name: str) -> None:
    """In one piece, where our own connections may read without h11."""
    with raw(lambda _: [ANSWERS[name], b""]) as at:
        theirs = _by_httpx(at.url, tls=False)
        assert list(_by_ours(at.url)) == [theirs, theirs]


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_a_byte_at_a_time_reads_as_httpx_reads_it(name: str) -> None:
    """Whatever is in a piece."""
    with raw(lambda _: [*_one_by_one(ANSWERS[name]), b""]) as at:
        theirs = _by_httpx(at.url, tls=False)
        assert list(_by_ours(at.url)) == [theirs, theirs]


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_reads_as_httpx_reads_it_over_tls(
    name: str, authority: Authority, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same behind a certificate that SSL_CERT_FILE makes known."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    known = ssl.create_default_context(cafile=authority.file)
    for answered in ([ANSWERS[name], b""], [*_one_by_one(ANSWERS[name]), b""]):
        with raw(_always(answered), tls) as at:
            theirs = _by_httpx(at.url, tls=known)
            assert list(_by_ours(at.url, trust_env=True)) == [theirs, theirs]


def _cut(number: int) -> list[bytes]:
    at = (number - 1) % len(TWO)
    return [TWO[:at], TWO[at:]] if at else [TWO]


def test_an_answer_cut_anywhere_is_the_same_and_its_connection_is_used_again() -> None:
    """At every position of head and body; one connection has them all, one after another."""
    with raw(_cut) as at:
        made = Connections(at.url, verify=True, trust_env=False)
        whole = (200, b"HTTP/1.1", b"OK", [(b"Content-Length", b"2")], b"{}")
        assert [_by_threads(made, at.url) for _ in TWO] == [whole] * len(TWO)
        made.close()
        assert at.opened == 1

        async def calls() -> list[Seen]:
            made = AsyncConnections(at.url, verify=True, trust_env=False)
            seen = [await _by_tasks(made, at.url) for _ in TWO]
            await made.aclose()
            return seen

        assert asyncio.run(calls()) == [whole] * len(TWO)
        assert at.opened == 2


# ── the next answer ──────────────────────────────────────────────────────────────────────────────────────────────────
_FOLLOWED = {
    "a second answer": [TWO + STRANGER],
    "a second answer in a piece of its own": [TWO, STRANGER],
    "a second answer after chunks": [ANSWERS["chunks"] + STRANGER],
    "the rest of a body": [LINE + b"Content-Length: 1\r\n\r\n{}"],
    "the body of a 204": [b"HTTP/1.1 204 No Content\r\n\r\n" + STRANGER],
    "the body of a 304": [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n" + STRANGER],
    "an empty line": [TWO + b"\r\n"],
    "half a second answer": [TWO, STRANGER[:9]],
    "a second answer that fills what is read at once": [
        LINE + b"Content-Length: 16338\r\n\r\n" + b" " * 16338 + STRANGER
    ],
}


def _then(first: list[bytes]) -> Any:
    return lambda number: first if number == 1 else [GOOD]


def _twice(url: str, *, trust_env: bool = False) -> Iterator[Seen]:
    """The second of two answers, of threads and of tasks; what follows the first one has the time to come."""
    made = Connections(url, verify=True, trust_env=trust_env)
    _by_threads(made, url)
    time.sleep(0.02)
    yield _by_threads(made, url)
    made.close()

    async def calls() -> Seen:
        made = AsyncConnections(url, verify=True, trust_env=trust_env)
        await _by_tasks(made, url)
        await asyncio.sleep(0.02)
        seen = await _by_tasks(made, url)
        await made.aclose()
        return seen

    yield asyncio.run(calls())


def _first_and_then(first: list[bytes]) -> Any:
    return lambda number: first if number % 2 else [GOOD]


@pytest.mark.parametrize("name", _FOLLOWED)
def test_no_request_reads_the_answer_of_another_one(name: str) -> None:
    """What follows an answer closes its connection: the next request has its own one."""
    with raw(_first_and_then(_FOLLOWED[name])) as at:
        assert [seen[-1] for seen in _twice(at.url)] == [_GOOD_BODY] * 2
        assert (at.opened, len(at.heads)) == (4, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", _FOLLOWED)
def test_no_request_reads_the_answer_of_another_one_over_tls(
    name: str, authority: Authority, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where what follows may wait in TLS, and the socket shows nothing."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with raw(_first_and_then(_FOLLOWED[name]), tls) as at:
        assert [seen[-1] for seen in _twice(at.url, trust_env=True)] == [_GOOD_BODY] * 2
        assert (at.opened, len(at.heads)) == (4, 4)


@pytest.mark.parametrize("held", [1, 20, len(GOOD) - 1])
def test_a_task_that_is_cancelled_in_an_answer_leaves_nothing_of_it(held: int) -> None:
    """In the head and in the body: the rest of its answer comes later, and is nobody's."""

    def pieces(number: int) -> Iterator[bytes]:
        if number == 1:
            yield STRANGER[:held] if held < len(STRANGER) else GOOD[:held]
            time.sleep(0.1)
            yield STRANGER
        else:
            yield GOOD

    async def calls(url: str) -> Seen:
        made = AsyncConnections(url, verify=True, trust_env=False)
        task = asyncio.create_task(_by_tasks(made, url))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        seen = [await _by_tasks(made, url) for _ in range(2)]
        await made.aclose()
        assert seen[0] == seen[1]
        return seen[0]

    with raw(pieces) as at:
        assert asyncio.run(calls(at.url))[-1] == _GOOD_BODY
        assert at.opened == 2


# ── what may have been sent ──────────────────────────────────────────────────────────────────────────────────────────
def _resets(listening: socket.socket, reads: int) -> None:
    """Answer one request well, and reset the connection when the next one comes."""
    connection, _ = listening.accept()
    connection.recv(65536)
    connection.sendall(GOOD)
    connection.recv(1, socket.MSG_PEEK)  # the next request is here
    if reads:
        connection.recv(reads)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("reads", [0, 10, 65536])
async def test_a_write_on_a_connection_that_was_reset_may_have_been_sent(reads: int) -> None:
    """Only the server knows how much of it was read; of threads and of tasks."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def call() -> OutcomeUnknown:
            with no_retries(), Client("stripe", api_key=KEY, base_url=url, lookup="never") as billing:
                billing.retrieve("in_1", whole=False)
                with pytest.raises(OutcomeUnknown) as caught:
                    billing.create(CHARGE)
            return caught.value

        thread = asyncio.to_thread(_resets, listening, reads)
        assert (await asyncio.gather(asyncio.to_thread(call), thread))[0].outcome == "unknown"
        served = asyncio.create_task(asyncio.to_thread(_resets, listening, reads))
        with no_retries():
            made = AsyncClient("stripe", api_key=KEY, base_url=url, lookup="never")
        async with made as billing:
            await billing.retrieve("in_1", whole=False)
            with pytest.raises(OutcomeUnknown) as caught:
                await billing.create(CHARGE)
        assert caught.value.outcome == "unknown"
        await served


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\x00b", "\xe9", "a\r", " a", "\u2028"])
def test_a_header_that_is_none_is_refused_and_nothing_is_sent(value: str) -> None:
    """A line break would begin a header of its own, or a request of its own; of threads and of tasks."""
    with raw(lambda _: [GOOD]) as at:
        made = Connections(at.url, verify=True, trust_env=False)
        refused = pytest.raises((httpx.LocalProtocolError, UnicodeEncodeError))
        with refused, made.stream("POST", at.url, headers={"X-A": value}, content=b"a=1", timeout=5):
            pass
        made.close()

        async def call() -> None:
            made = AsyncConnections(at.url, verify=True, trust_env=False)
            with refused:
                async with made.stream("POST", at.url, headers={"X-A": value}, content=b"a=1", timeout=5):
                    pass
            await made.aclose()

        asyncio.run(call())
        time.sleep(0.01)
        assert at.heads == []


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────
_CERTIFICATES = {
    "of another address": ("IP:127.0.0.2", 2, "IP address mismatch"),
    "of a name": ("DNS:localhost", 2, "IP address mismatch"),
    "of a name that is the address": ("DNS:127.0.0.1", 2, "IP address mismatch"),
    "expired": ("IP:127.0.0.1", -1, "certificate has expired"),
    "of an unknown authority": ("IP:127.0.0.1", 2, "unable to get local issuer certificate"),
}


@pytest.mark.parametrize("which", _CERTIFICATES)
def test_a_certificate_that_is_not_the_hosts_is_refused_and_nothing_was_done(
    which: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authority is known, but for one: no byte of a request leaves, of a Client or of an AsyncClient."""
    name, days, why = _CERTIFICATES[which]
    if "unknown" not in which:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    async def call(url: str) -> None:
        async with AsyncClient("stripe", api_key=KEY, base_url=url) as billing:
            await billing.create(CHARGE)

    with raw(lambda _: [GOOD], authority.certificate(name, days)) as at, no_retries():
        with Client("stripe", api_key=KEY, base_url=at.url) as billing, pytest.raises(Unreachable, match=why) as one:
            billing.create(CHARGE)
        with pytest.raises(Unreachable, match=why) as other:
            asyncio.run(call(at.url))
        assert (one.value.outcome, other.value.outcome, at.heads) == ("nothing_done", "nothing_done", [])


def test_a_certificate_of_an_authority_that_is_known_is_accepted(
    authority: Authority, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE makes it known, to both kinds of client."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    async def call(url: str) -> str:
        async with AsyncClient("stripe", api_key=KEY, base_url=url) as billing:
            return (await billing.retrieve("in_1", whole=False)).id

    with raw(lambda _: [GOOD], tls) as at, Client("stripe", api_key=KEY, base_url=at.url) as billing:
        assert (billing.retrieve("in_1", whole=False).id, asyncio.run(call(at.url))) == ("in_1", "in_1")
