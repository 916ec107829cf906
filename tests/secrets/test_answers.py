"""A provider that repeats the key in all it says: no result, error, log record or journal has it.

What cannot be promised, because it is not ours: the caller's own variables (a traceback that shows variables shows the
frame that was given the key), the HTTP library's variables while it writes a request, attributes that are reached on
purpose (a client must hold its key), and logs of other requests of the same HTTP library.
"""

import copy
import logging
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    Discrepancy,
    IdempotencyMismatch,
    Invoice,
    Line,
    ListInvoices,
    MalformedResponse,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    PeriodInvoice,
    Unreachable,
)
from invoice_bridge.core import errors
from invoice_bridge.emulator.server import running
from tests.secrets.canary import (
    ALLOW,
    CANARIES,
    MAY,
    SINCE,
    answering,
    charge,
    emulated,
    refusal,
    repeated,
    repeating,
    says,
    spellings,
    texts,
)

STATUSES = (302, 401, 404, 429, 500)
each_provider = pytest.mark.parametrize("name", CANARIES)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs real waiting between tries."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def _all_of(result: Any) -> Iterator[str | bytes]:
    """All that a result says, and what becomes of it when it is pickled or copied."""
    for made in (result, copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):  # noqa: S301 - our own
        yield f"{made!r} {made} {getattr(made, '__dict__', {})!r}"
    yield pickle.dumps(result)
    if isinstance(result, Invoice):
        yield result.model_dump_json()
        yield repr(result.unmapped())


def _calls(client: Client, name: str) -> dict[str, Callable[[], Any]]:
    return {
        "create": lambda: client.create(charge(name), allow=ALLOW),
        "retrieve": lambda: client.retrieve("inv_1"),
        "list": lambda: list(client.list(full=True)),
    }


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _page(status: int, key: str, shape: str) -> httpx.Response:
    said = " ".join(spellings(key))
    headers = {"x-echo": said, "location": f"https://elsewhere.test/{key}", "request-id": f"req_{key}"}
    content = {
        "own words": refusal("any", said),
        "own words, escaped": refusal("any", said).replace(b"/", rb"\/"),
        "a page": f"<html><pre>{said}</pre></html>".encode(),
        "torn": refusal("any", said)[:-9],
    }[shape]
    return httpx.Response(status, headers=headers, content=content)


@pytest.mark.parametrize("shape", ["own words", "own words, escaped", "a page", "torn"])
@each_provider
def test_no_refusal_hands_the_key_on(name: str, shape: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the status and the shape of the body: not in the error, its response, its traceback with variables."""
    caplog.set_level(logging.DEBUG)
    for status in STATUSES:
        sent: list[int] = []
        client = answering(
            name, lambda _request, status=status, sent=sent: sent.append(1) or _page(status, CANARIES[name], shape)
        )
        for verb, call in _calls(client, name).items():
            with pytest.raises(BridgeError) as caught:
                call()
            assert not any(says(text, CANARIES[name]) for text in texts(caught.value)), (status, verb)
            for said in _all_of(caught.value):
                assert not says(said, CANARIES[name]), (status, verb)
        assert len(sent) >= len(_calls(client, name)), "some call was refused before it was sent"
    assert not says(caplog.text, CANARIES[name])


@each_provider
async def test_no_refusal_hands_the_key_on_to_an_asynchronous_client(name: str) -> None:
    """The same for AsyncClient."""
    for status in (302, 401, 404):
        answer = _page(status, CANARIES[name], "own words")
        async with answering(name, lambda _request, answer=answer: answer, AsyncClient) as client:
            with pytest.raises(BridgeError) as caught:
                await client.retrieve("inv_1")
        assert not any(says(text, CANARIES[name]) for text in texts(caught.value))


def test_a_refusal_still_says_what_it_said() -> None:
    """Only the key is gone: the message, the code and the id of the request are read as ever."""
    said = {"error": {"message": f"Invalid API Key provided: {CANARIES['stripe']}", "code": "api_key_invalid"}}
    client = answering("stripe", lambda _request: httpx.Response(401, json=said, headers={"request-id": "req_1"}))
    with pytest.raises(errors.Unauthorized) as caught:
        client.retrieve("inv_1")
    assert str(caught.value) == "stripe: Invalid API Key provided: [api key] (HTTP 401, api_key_invalid, req_1)"


@pytest.mark.parametrize(
    "failure, kind",
    [(httpx.ConnectError, Unreachable), (httpx.RemoteProtocolError, OutcomeUnknown), (httpx.InvalidURL, Unreachable)],
)
def test_no_failure_of_the_network_hands_the_key_on(failure: Any, kind: type[BridgeError]) -> None:
    """The HTTP library quotes a header line that it cannot read; what it says is cleared of the key too."""

    def fails(_request: httpx.Request) -> httpx.Response:
        raise failure(f"illegal header line: {' '.join(spellings(CANARIES['stripe']))}")

    with pytest.raises(kind) as caught:
        answering("stripe", fails).create(charge("stripe"))
    assert "illegal header line: [api key]" in str(caught.value)
    assert not any(says(text, CANARIES["stripe"]) for text in texts(caught.value))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_stops_the_program_shows_no_key(stop: type[BaseException]) -> None:
    """Neither the note nor a traceback that shows variables: the key is no variable on the way to the HTTP library."""

    def stops(_request: httpx.Request) -> httpx.Response:
        raise stop

    with pytest.raises(stop) as caught:
        answering("stripe", stops).create(charge("stripe"))
    shown = list(texts(caught.value))
    assert any("'headers'" in text for text in shown), "no variables are shown"
    assert not any(says(text, CANARIES["stripe"]) for text in shown)


# ── successes ────────────────────────────────────────────────────────────────────────────────────────────────────────
@each_provider
def test_no_success_hands_the_key_on(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A bill is made, read, listed and looked up while every answer says the key: results and journal do not."""
    caplog.set_level(logging.DEBUG)
    client, transport = emulated(name, journal=tmp_path / "bills.sqlite", lookup="always")
    with client:
        made = client.create(charge(name), allow=ALLOW)
        results: list[Any] = [made, client.retrieve(made.id), *client.list(), client.page(ListInvoices())]
        results += [client.resolve(charge(name), since=SINCE), client.create(charge(name), allow=ALLOW)]
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert {path.suffix for path in tmp_path.iterdir()} == {".sqlite", ".sqlite-wal", ".sqlite-shm"}
    stored += b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"res-1" in stored
    assert not says(stored, CANARIES[name])
    assert results[1].raw["echo" if name != "chargebee" else "id"]
    for result in results:
        assert not any(says(said, CANARIES[name]) for said in _all_of(result))
    assert not says(caplog.text, CANARIES[name])
    assert len({result.id for result in (made, results[1], results[-1])}) == 1
    assert not says(repr(transport.emulator.ledger), CANARIES[name])
    assert all(
        request.headers["authorization"] == client._context.provider.auth(CANARIES[name]) for request in transport.sent
    )


@each_provider
def test_amounts_are_not_changed_by_what_is_taken_out(name: str) -> None:
    """The invoice is the one that is read where nothing repeats the key."""
    client, _ = emulated(name)
    invoice = client.retrieve(client.create(charge(name), allow=ALLOW).id)
    assert (invoice.subtotal or invoice.total) == Money(2500, "EUR")


def _classes(kind: type[BridgeError] = BridgeError) -> Iterator[type[BridgeError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _classes(below)


def _twice(client: Client, _name: str) -> None:
    client.create(charge("stripe"))
    client.create(charge("stripe", amount=Money(1, "EUR")))


TWO = Line(quantity=2, amount=Money(500, "EUR"))
SITUATIONS: dict[type[BridgeError], tuple[Any, Callable[[Client, str], object]]] = {
    errors.Unsupported: (None, lambda client, _: client.create(charge("stripe", customer=None))),
    errors.LossyTranslation: (None, lambda client, _: client.create(charge("stripe", amount=None, lines=[TWO]))),
    errors.NothingToBill: (
        None,
        lambda client, _: client.create(PeriodInvoice(reference="r", customer="cus_42", period=MAY, currency="USD")),
    ),
    IdempotencyMismatch: (None, _twice),
    Discrepancy: ({"currency": "usd"}, lambda client, _: client.create(charge("stripe"))),
    errors.AmountMismatch: ({"subtotal": 7, "total": 7}, lambda client, _: client.create(charge("stripe"))),
    MalformedResponse: ({"object": "the key"}, lambda client, _: client.create(charge("stripe"))),
}


@pytest.mark.parametrize("kind", SITUATIONS, ids=lambda kind: kind.__name__)
def test_no_error_made_of_successes_hands_the_key_on(kind: type[BridgeError]) -> None:
    """What is found wrong in an answer that was no refusal is told without the key."""
    change, call = SITUATIONS[kind]
    client, transport = emulated("stripe")
    answer = transport.emulator.__class__.__call__

    def changed(self: Any, *given: Any) -> Any:
        told = answer(self, *given)
        if change is None or b'"object": "invoice"' not in told.content:
            return told
        body = told.parsed | change
        if "object" in change:
            body["object"] = CANARIES["stripe"]  # not a variable of the test: those are shown
        return repeated(
            type(told)(told.status, httpx.Response(200, json=body).content, told.headers), CANARIES["stripe"]
        )

    transport.emulator.__class__.__call__ = changed  # type: ignore[method-assign,assignment]
    with pytest.raises(BridgeError) as caught:
        call(client, "stripe")
    assert type(caught.value) is kind
    assert not any(says(text, CANARIES["stripe"]) for text in texts(caught.value))
    assert not any(says(said, CANARIES["stripe"]) for said in _all_of(caught.value))


# ── what the HTTP library logs ───────────────────────────────────────────────────────────────────────────────────────
@each_provider
async def test_no_log_of_a_real_connection_has_the_key(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP library logs the headers of answers, cleared of the key; it does not log those of requests."""
    caplog.set_level(logging.DEBUG)
    with running(names=[name]) as served:
        served.put(name, repeating(name))
        said: dict[str, Any] = {"base_url": served.base_urls[name], "api_key": CANARIES[name]}
        said |= dict(served.emulators[name].settings) | {"lookup": "never"}
        with Client(name, **said) as client:
            made = client.create(charge(name), allow=ALLOW)
        async with AsyncClient(name, **said) as other:
            with pytest.raises(BridgeError):
                await other.void("no-such-invoice")
            assert (await other.retrieve(made.id)).id == made.id
        assert any("x-echo" in record.getMessage() and "[api key]" in record.getMessage() for record in caplog.records)
        assert not says(caplog.text, CANARIES[name])
        # the other half of the claim: somebody else's request is none of ours, and is logged as it is
        headers = {"Authorization": f"Bearer {CANARIES[name]}"}
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.get(f"{served.base_urls[name]}/none", headers=headers)
        assert says(caplog.text, CANARIES[name])


def test_a_bill_with_a_key_of_few_letters_is_as_it_was() -> None:
    """Defect 19: a key of four letters is not taken for a word; an answer that has those letters is left whole."""
    body = {
        "id": "in_test",
        "object": "invoice",
        "status": "open",
        "currency": "eur",
        "description": "test",
        "lines": {"object": "list", "data": [], "has_more": False},
    }
    client = answering("stripe", lambda _request: httpx.Response(200, json=body), api_key="test")
    found = client.retrieve("in_test", whole=False)
    assert (found.id, found.description) == ("in_test", "test")
    assert isinstance(charge("stripe", reference="test"), OneTimeCharge)
