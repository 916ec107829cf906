"""One connection's HTTP/1.1: what is written and read without h11 is what h11 writes and reads."""

import contextlib
from typing import Any

import h11
import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invoice_bridge.client.http11 import Wire, plain_answer, plain_request

BODY = b"amount=1999&currency=eur"
SENT: list[tuple[bytes, bytes]] = [
    (b"Idempotency-Key", b"bill-1"),
    (b"Host", b"127.0.0.1:1"),
    (b"Content-Length", b"%d" % len(BODY)),
    (b"Connection", b"keep-alive"),
    (b"Authorization", b"Bearer sk_test_not_a_key"),
]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nX-Empty:\r\nContent-Length: 2\r\n\r\n{}"

_names = st.sampled_from(b"host|Host|content-length|Transfer-Encoding|Connection|Upgrade|x-a|X B|".split(b"|"))
_values = st.sampled_from(
    b"24|2|0|chunked|keep-alive|close|h2c|| a|a |a\tb|a b|a\r\nX-Injected: 1|a\nb|a\x00b|\xe9|127.0.0.1:1".split(b"|")
)
_headers = st.lists(st.tuples(_names, _values), max_size=2)


def _request(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> httpcore.Request:
    url = httpcore.URL(scheme=b"http", host=b"127.0.0.1", port=1, target=target)
    return httpcore.Request(method, url, headers=headers)


def _by_h11(request: httpcore.Request, body: bytes) -> tuple[h11.Connection, bytes]:
    connection = h11.Connection(h11.CLIENT)
    head = h11.Request(method=request.method, target=request.url.target, headers=request.headers)
    events: list[Any] = [head, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]
    return connection, b"".join([connection.send(event) for event in events])


@given(
    st.sampled_from([b"POST", b"POST", b"POST", b"DELETE", b"HEAD", b"CONNECT", b"po st"]),
    st.sampled_from([b"/v1/invoices", b"/v1/invoices", b"/v1/invoices?a=%20b", b"/a b", b"/\xe9", b"", b"*"]),
    st.sampled_from([5, 5, 5, 0, 1, 2, 3, 4]).flatmap(
        lambda end: st.tuples(st.just(SENT[:end]), st.just(SENT[end + 1 :]))
    ),
    _headers,
    st.sampled_from([BODY, BODY, b""]),
)
def test_a_plain_request_is_written_as_h11_writes_it(
    method: bytes, target: bytes, around: Any, odd: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """For every request: the same bytes, or h11 decides."""
    request = _request(method, target, [*around[0], *odd, *around[1]])
    written = plain_request(request, body)
    if written is not None:
        assert written == _by_h11(request, body)[1]


def test_the_requests_of_a_client_are_plain() -> None:
    """Those with a body and those without."""
    assert plain_request(_request(b"POST", b"/v1/invoices", SENT), BODY) is not None
    assert plain_request(_request(b"GET", b"/v1/invoices/in_1", [SENT[1], SENT[3]]), b"") is not None


@pytest.mark.parametrize("value", [b"a\r\nX-Injected: 1", b"a\nb", b"a\x00b", b" a"])
def test_a_value_that_would_begin_a_header_is_refused(value: bytes) -> None:
    """It is h11's to refuse, and nothing is written."""
    with pytest.raises(httpcore.LocalProtocolError, match="Illegal header value"):
        Wire().request(_request(b"POST", b"/v1/invoices", [*SENT, (b"X-A", value)]), BODY)


def _read_by_h11(received: bytes) -> tuple[Any, ...] | None:
    """The head and the body, if the answer is whole and the connection can be used again."""
    connection, _ = _by_h11(_request(b"POST", b"/", SENT), BODY)
    connection.receive_data(received)
    head, body = None, b""
    with contextlib.suppress(h11.RemoteProtocolError):
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
    if head is None or (connection.our_state, connection.their_state) != (h11.DONE, h11.DONE):
        return None
    if connection.trailing_data[0]:
        return None
    version = b"HTTP/" + head.http_version
    return (head.status_code, head.reason, version, head.headers.raw_items()), body


_firsts = st.sampled_from(
    b"1.1 200 OK|1.1 200 OK|1.1 200 OK|1.1 200 OK|1.1 404 |"
    b"1.0 200 OK|1.1 200|1.1 204 No Content|1.1 304 Not Modified|1.1 100 Continue|"
    b"1.1 101 Switching Protocols|1.1 1000 OK|1.1 404 Nicht da\xdf".split(b"|")
)
_lines = st.sampled_from(
    b"Content-Length: 2|Content-Length: 2|content-length:2 |Content-Length: +2|Content-Length: 2, 2|Content-Length: 3|"
    b"Content-Length: 0|Content-Length: 02|Transfer-Encoding: chunked|Connection: close|Connection: Keep-Alive|"
    b"X-A: \xe9|X-A: b\x00| folded|X A: b|X-A:|X-A:  b \t|Upgrade: h2c|Host: a|: b|x|\r\n".split(b"|")
)
_bodies = st.sampled_from([*[b"{}"] * 9, b"{}\r\n", b"", b"{", b"2\r\n{}\r\n0\r\n\r\n", ANSWER])


@given(_firsts, st.lists(_lines, max_size=2), _bodies)
def test_a_plain_answer_reads_as_h11_reads_it(first: bytes, lines: list[bytes], body: bytes) -> None:
    """For every answer: the same head and the same body, and h11 would use the connection again; or h11 decides."""
    received = b"\r\n".join([b"HTTP/" + first, b"Content-Length: 2", *lines, b"", body])
    if (read := plain_answer(received)) is not None:
        assert (tuple(read[0]), read[1]) == _read_by_h11(received)


_pieces = st.sampled_from([b"HTTP/1.1 200 OK", b"\r\n", b"\n", b"\r\n\r\n", b"{}", b" ", b":", b"Content-Length: 2"])


@given(st.lists(_pieces, max_size=8).map(b"".join), st.integers(0, len(ANSWER)), st.integers(0, len(ANSWER)))
@example(b"", len(ANSWER), len(ANSWER))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, len(ANSWER))
def test_a_torn_answer_reads_as_h11_reads_it(odd: bytes, at: int, again: int) -> None:
    """With other bytes in place of some."""
    received = ANSWER[:at] + odd + ANSWER[again:]
    if (read := plain_answer(received)) is not None:
        assert (tuple(read[0]), read[1]) == _read_by_h11(received)


def test_the_usual_answer_is_plain() -> None:
    """With a Content-Length, in one piece."""
    assert plain_answer(ANSWER) is not None


@pytest.mark.parametrize(
    "odd",
    [
        ANSWER + b"HTTP/1.1 200 OK\r\n",
        ANSWER[:-1],
        ANSWER.replace(b"200 OK", b"204 No Content"),
        ANSWER.replace(b"200 OK", b"100 Continue"),
        ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"),
        ANSWER.replace(b"X-Empty:", b"Content-Length: 3"),
        ANSWER.replace(b"X-Empty:", b"Transfer-Encoding: chunked"),
        ANSWER.replace(b"X-Empty:", b"Connection: close"),
        ANSWER.replace(b"X-Empty:", b" folded"),
        ANSWER.replace(b"X-Empty:", b"X-Empty: \xe9"),
        b"",
    ],
)
def test_any_other_answer_is_for_h11(odd: bytes) -> None:
    """Where a message ends is never guessed."""
    assert plain_answer(odd) is None


def _exchange(wire: Wire, *received: bytes) -> tuple[bytes, bool]:
    wire.request(_request(b"POST", b"/v1/invoices", SENT), BODY)
    pieces, waiting = [], list(received)
    while wire.head(None) is None:
        wire.receive(waiting.pop(0))
    while (piece := wire.piece()) != b"":
        if piece is None:
            wire.receive(waiting.pop(0))
        else:
            pieces.append(piece)
    return b"".join(pieces), wire.end()


@pytest.mark.parametrize("cut", [1, 20, len(ANSWER) - 2, len(ANSWER) - 1])
def test_an_answer_in_two_pieces_is_the_same_answer(cut: int) -> None:
    """One connection has both kinds of exchange, one after another."""
    wire = Wire()
    for _ in range(2):
        assert _exchange(wire, ANSWER) == (b"{}", True)
        assert _exchange(wire, ANSWER[:cut], ANSWER[cut:]) == (b"{}", True)


@pytest.mark.parametrize("pieces", [(ANSWER + ANSWER,), (ANSWER[:9], ANSWER[9:] + b"H")])
def test_what_follows_an_answer_is_not_the_next_answer(pieces: tuple[bytes, ...]) -> None:
    """A server that answers twice would be believed about the next bill: its connection is closed."""
    assert _exchange(Wire(), *pieces) == (b"{}", False)


def test_a_server_that_closes_without_an_answer_is_named() -> None:
    """As httpcore names it."""
    wire = Wire()
    wire.request(_request(b"POST", b"/v1/invoices", SENT), BODY)
    with pytest.raises(httpcore.RemoteProtocolError, match="Server disconnected without sending a response"):
        wire.receive(b"")
