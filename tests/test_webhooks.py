"""Deliveries become neutral events, or one of three errors; each is used once; the receiver answers honestly."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_bridge import (
    ConfigurationError,
    EventType,
    InvalidSignature,
    InvoiceEvent,
    MalformedResponse,
    Money,
    Status,
    providers,
    webhooks,
)
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Request
from invoice_bridge.journal.rows import Book
from invoice_bridge.journal.store import Journal
from invoice_bridge.webhooks.asgi import application
from invoice_bridge.webhooks.deliveries import ProcessedEvents, is_stale, parse

AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
SECRET = "whsec_test_not_a_secret"
PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "webhooks.md"
INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "currency": "eur",
    "status": "paid",
    "amount_due": 1999,
    "amount_paid": 500,
    "amount_remaining": 0,
    "total": 1999,
    "lines": {"data": [{"amount": 1999}], "has_more": False},
}


def body(kind: str = "invoice.paid", event: str = "evt_1", **fields: Any) -> bytes:
    said = {
        "id": event,
        "object": "event",
        "type": kind,
        "created": 1779019200,
        "livemode": False,
        "data": {"object": INVOICE},
    }
    return json.dumps(said | fields).encode()


def signed(content: bytes, at: datetime = AT, secret: str = SECRET) -> dict[str, str]:
    seconds = int(at.timestamp())
    signature = hmac.new(secret.encode(), f"{seconds}.".encode() + content, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={seconds},v1={signature}"}


def event(kind: str = "invoice.paid", name: str = "evt_1", **fields: Any) -> InvoiceEvent:
    content = body(kind, name, **fields)
    return parse("stripe", signed(content), content, secret=SECRET, at=AT)


def withdrawn(**fields: Any) -> bytes:
    """A delivery that says that an invoice of our bill res-1 is void."""
    said = {**INVOICE, "status": "void", "metadata": {"invoice_bridge_reference": "res-1"}, **fields}
    return body("invoice.voided", data={"object": said})


@pytest.mark.parametrize(
    "content,verified,free",
    [
        (withdrawn(), True, True),
        (withdrawn(), False, False),  # a hint teaches nothing
        (withdrawn(status="open"), True, False),
        (withdrawn(metadata={"invoice_bridge_reference": "res-2"}), True, False),  # another account's, by the same id
        (withdrawn(metadata={}), True, False),
    ],
)
def test_a_verified_void_teaches_the_journal(tmp_path: Path, content: bytes, verified: bool, free: bool) -> None:
    """A delivery frees a reference where it is verified, says void, and carries the reference of the bill."""
    journal = Journal(tmp_path / "bills.sqlite")
    request = Request("POST", "https://a.test/v1/invoices", key="k")
    number = journal.intend(Book("stripe:acct_1"), "res-1", 1, request, AT)
    journal.conclude(number, "answered", AT, status=200, invoice_id="in_1", verdict="applied")
    secret = SECRET if verified else None
    parse("stripe", signed(content), content, secret=secret, at=AT, verified=verified, journal=journal)
    assert (journal.claims(None, "res-1") == ()) is free
    assert [fact.why for fact in journal.facts()] == (["reported by stripe, event evt_1"] if free else [])


# ── parse ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_event_says_what_the_provider_said() -> None:
    """Every field of an event, and its JSON form comes back as the same event."""
    found = event()
    assert found.provider == "stripe"
    assert found.id == "evt_1"
    assert (found.type, found.native_type) == (EventType.PAID, "invoice.paid")
    assert found.invoice_id == "in_1"
    assert found.invoice is not None
    assert found.invoice.status is Status.PAID
    assert found.occurred_at == datetime(2026, 5, 17, 12, tzinfo=UTC)
    assert (found.version, found.verified, found.test_mode) == (None, True, True)
    assert found.raw is not None
    assert found.raw["data"]["object"]["amount_paid"] == 500
    assert InvoiceEvent.model_validate_json(found.model_dump_json()) == found


def test_defect_18_the_paid_amount_is_the_providers() -> None:
    """What was paid is what the provider says was paid, however much was asked; where it does not say, it is None."""
    partly = event().invoice
    assert partly is not None
    assert (partly.amount_paid, partly.total) == (Money(500, "EUR"), Money(1999, "EUR"))
    silent = event(data={"object": {name: value for name, value in INVOICE.items() if name != "amount_paid"}}).invoice
    assert silent is not None
    assert silent.amount_paid is None


@given(content=st.binary() | st.text().map(str.encode), name=st.sampled_from(providers.names()), checks=st.booleans())
def test_bytes_raise_the_documented_errors_alone(content: bytes, name: str, checks: bool) -> None:
    """For any bytes the answer is an event, or one of the three errors."""
    try:
        parse(name, {}, content, secret="user:password" if checks else None, at=AT, verified=checks)
    except (InvalidSignature, MalformedResponse, ConfigurationError):
        return
    raise AssertionError("random bytes are no event")


KINDS = sorted({row.native for name in providers.names() for row in providers.get(name).webhooks.events})  # type: ignore[union-attr]
WORDS = (
    "id object type event_type created occurred_at timestamp data content invoice related_object livemode currency "
    "currency_code status lines line_items amount resource_version total current_plan"
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["event", "v2.core.event", "invoice", "eur", "EUR", "paid", "inv_1", "\ud800", *KINDS])
)


def one_deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(WORDS.split()) | st.text(max_size=3)
    return LEAVES | st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=8)


JSON = one_deeper(one_deeper(LEAVES))


@given(
    inner=st.fixed_dictionaries({"id": JSON}, optional={"currency": JSON, "currency_code": JSON, "status": JSON}),
    outer=st.dictionaries(st.sampled_from(["created", "occurred_at", "timestamp", "livemode", "data", "id"]), JSON),
    kind=st.sampled_from(KINDS),
    headers=st.dictionaries(st.sampled_from(["webhook-id", "Authorization", "x"]), st.text(), max_size=2),
    name=st.sampled_from(providers.names()),
)
def test_any_json_raises_the_documented_errors_alone(
    inner: dict[str, Any], outer: dict[str, Any], kind: str, headers: dict[str, str], name: str
) -> None:
    """Events with anything in any place are read, or refused as malformed; what is read can be written."""
    about = {"object": "invoice", **inner}
    whole = {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "event_type": kind,
        "content": {"invoice": about},
        "data": about if name == "whop" else {"object": about},
        **outer,
    }
    try:
        found = parse(name, headers, json.dumps(whole).encode(), secret=None, at=AT, verified=False)
    except MalformedResponse:
        return
    assert found.id
    assert not found.verified
    found.model_dump_json()


@given(given_header=st.text(), name=st.sampled_from(["stripe", "whop", "chargebee"]))
def test_any_header_raises_the_documented_errors_alone(given_header: str, name: str) -> None:
    """No header, however odd, is taken for a signature, and none raises anything but InvalidSignature."""
    names = ("stripe-signature", "webhook-id", "webhook-timestamp", "webhook-signature", "authorization")
    stamp = str(int(AT.timestamp()))
    values = (given_header, f"t={stamp},v1={given_header}", f"v1,{given_header}", f"Basic {given_header}")
    odd: list[dict[str, str]] = [dict.fromkeys(names, value) | {"webhook-timestamp": stamp} for value in values]
    odd.append(dict.fromkeys(names, f"t={given_header}"))
    for headers in odd:
        with pytest.raises(InvalidSignature):
            parse(name, headers, b"{}", secret="user:password", at=AT)


@pytest.mark.parametrize("secret", [None, "", "   ", "\ud800", 7])
def test_an_empty_secret_is_refused(secret: Any) -> None:
    """A secret that was not set is a mistake of ours, never a key that anybody could sign with."""
    content = body()
    with pytest.raises(ConfigurationError):
        parse("stripe", signed(content, secret=""), content, secret=secret, at=AT)


def test_what_cannot_be_verified_is_told_before_anything_is_read() -> None:
    """A naive present, a text for a body, a secret with verified=False, and an unknown provider are our mistakes."""
    content = body()
    with pytest.raises(ConfigurationError, match="time zone"):
        parse("stripe", signed(content), content, secret=SECRET, at=datetime(2026, 5, 17))
    with pytest.raises(ConfigurationError, match="bytes"):
        parse("stripe", signed(content), content.decode(), secret=SECRET, at=AT)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="verified=False"):
        parse("stripe", signed(content), content, secret=SECRET, at=AT, verified=False)
    with pytest.raises(ConfigurationError, match="'stripe'"):
        parse("strip", signed(content), content, secret=SECRET, at=AT)


@pytest.mark.parametrize("name", ["stripe", "whop", "chargebee"])
def test_no_error_names_a_secret(name: str) -> None:
    """The secret stands in no refusal, nor in what it was raised from."""
    secret = "user:canary-4f1d"
    for headers in ({}, signed(body(), secret=secret), {"authorization": "Basic x"}):
        with pytest.raises(InvalidSignature) as refused:
            parse(name, headers, body() + b" ", secret=secret, at=AT)
        said = f"{refused.value!r}{refused.value}{refused.value.__cause__!r}{refused.value.__context__!r}"
        assert "canary" not in said


@pytest.mark.parametrize("name", providers.names())
def test_every_event_name_stands_once_with_its_source(name: str) -> None:
    """Rows name a documented event, once; none maps to unknown, which is every other name."""
    declared = providers.get(name).webhooks
    assert declared is not None
    names = [row.native for row in declared.events]
    assert len(names) == len(set(names))
    assert EventType.UNKNOWN not in {row.type for row in declared.events}
    assert declared.source.strip()
    assert [row for row in declared.events if not row.source.strip()] == []
    assert isinstance(declared.verify, Cannot) == (name == "chargeapi")


# ── once, and in order ───────────────────────────────────────────────────────────────────────────────────────────────
def test_an_event_is_seen_within_the_window() -> None:
    """What was used is known for the window and not a moment longer."""
    seen, found = ProcessedEvents(window=timedelta(days=4)), event()
    assert not seen.has(found, at=AT)
    seen.add(found, at=AT)
    assert seen.has(found, at=AT + timedelta(days=4))
    assert not seen.has(found, at=AT + timedelta(days=4, seconds=1))
    assert not seen.has(found.model_copy(update={"provider": "whop"}), at=AT)


def test_the_window_is_bounded() -> None:
    """The oldest is forgotten first, by number and by age; an event used again is young again."""
    seen, first = ProcessedEvents(window=timedelta(days=1), most=2), event()
    others = [first.model_copy(update={"id": f"evt_{number}"}) for number in (2, 3)]
    for found in (first, others[0], first, others[1]):
        seen.add(found, at=AT)
    assert len(seen) == 2
    assert [seen.has(found, at=AT) for found in (first, *others)] == [True, False, True]
    seen.add(others[0], at=AT + timedelta(days=2))
    assert len(seen) == 1
    wrongs: tuple[dict[str, Any], ...] = ({"window": timedelta()}, {"most": 0})
    for wrong in wrongs:
        with pytest.raises(ConfigurationError):
            ProcessedEvents(**wrong)


def test_an_older_state_is_stale() -> None:
    """Versions decide where both have one, else instants; what cannot be told, and another invoice, is not stale."""
    last = event()

    def other(**fields: Any) -> InvoiceEvent:
        return last.model_copy(update={"id": "evt_2", **fields})

    earlier, later = (AT + timedelta(hours=hours) for hours in (-1, 1))
    assert not is_stale(last, None)
    assert is_stale(other(occurred_at=earlier), last)
    assert not is_stale(other(occurred_at=later), last)
    assert not is_stale(other(), last)
    assert not is_stale(other(occurred_at=None), last)
    assert not is_stale(other(occurred_at=earlier, invoice_id="in_2"), last)
    numbered = last.model_copy(update={"version": 7})
    assert is_stale(other(version=6, occurred_at=later), numbered)
    assert not is_stale(other(version=8, occurred_at=earlier), numbered)
    assert not is_stale(other(version=7), numbered)


# ── the receiver ─────────────────────────────────────────────────────────────────────────────────────────────────────
async def deliver(app: Any, content: bytes, headers: dict[str, str], to: str = "/stripe") -> int:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        return (await http.post(to, content=content, headers=headers)).status_code


def receiver(context: Callable[[InvoiceEvent], object], **options: Any) -> Any:
    return application(context, secrets={"stripe": SECRET}, clock=lambda: AT, **options)


async def test_defect_18_the_receiver_answers_500_after_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    """What fails here is never answered with success; it is logged, comes again, and is used then."""
    used: list[str] = []

    def on_event(found: InvoiceEvent) -> None:
        used.append(found.id)
        if len(used) == 1:
            raise RuntimeError("the database is away")

    app, content = receiver(on_event), body()
    with caplog.at_level(logging.ERROR):
        assert await deliver(app, content, signed(content)) == 500
    assert "the database is away" in caplog.text
    assert await deliver(app, content, signed(content)) == 204
    assert await deliver(app, content, signed(content)) == 204
    assert used == ["evt_1", "evt_1"]


async def test_defect_52_an_async_function_is_awaited() -> None:
    """Defect 52: it runs before the answer; its failure is a 500, after which the event comes again; then 204, once."""
    ran: list[str] = []

    class Use:
        async def __call__(self, found: InvoiceEvent) -> None:
            await on_event(found)

    async def on_event(found: InvoiceEvent) -> None:
        await asyncio.sleep(0)
        ran.append(found.id)
        if len(ran) == 1:
            raise ValueError("not now")

    content = body()
    for one in (on_event, partial(on_event), Use()):
        ran.clear()
        app = receiver(one)
        codes = [await deliver(app, content, signed(content)) for _ in range(3)]
        assert (codes, ran) == ([500, 204, 204], ["evt_1", "evt_1"])


async def test_defect_52_a_returned_awaitable_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Defect 52: a plain function that returns a coroutine has done nothing: 500, and the log says what to pass."""

    async def on_event(_found: InvoiceEvent) -> None:
        raise AssertionError("it is not run")

    def plain(found: InvoiceEvent) -> object:
        return on_event(found)

    content = body()
    assert await deliver(receiver(plain), content, signed(content)) == 500
    assert "pass an `async def` function" in caplog.text


async def test_the_functions_own_invalid_signature_is_an_internal_error() -> None:
    """An error raised by the function is ours, of whatever class it is."""

    def on_event(_found: InvoiceEvent) -> None:
        raise InvalidSignature("of something else")

    assert await deliver(receiver(on_event), body(), signed(body())) == 500


async def test_a_delivery_of_somebody_else_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong or absent signature is answered with 400, what is no event with 500; the function is not called."""
    used: list[InvoiceEvent] = []
    app = receiver(used.append)
    assert await deliver(app, body(), signed(body(), secret="whsec_other")) == 400
    assert await deliver(app, body(), {}) == 400
    assert await deliver(app, b"{}", signed(b"{}")) == 500
    assert await deliver(app, b"x" * 4_000_001, {}) == 413
    assert await deliver(app, body(), signed(body()), "/whop") == 404
    assert used == []
    assert SECRET not in caplog.text


async def test_an_event_that_is_in_use_is_not_used_twice() -> None:
    """A second delivery meanwhile is told to come again."""
    statuses: list[int] = []

    def on_event(_found: InvoiceEvent) -> None:
        import anyio.from_thread

        statuses.append(anyio.from_thread.run(deliver, app, body(), signed(body())))

    app = receiver(on_event)
    assert await deliver(app, body(), signed(body())) == 204
    assert statuses == [409]


async def test_an_unverified_provider_is_named_by_hand() -> None:
    """Without a secret a provider is received where `unverified` names it, and its events say so."""
    used: list[InvoiceEvent] = []
    app = receiver(used.append, unverified=["chargeapi"])
    content = b'{"id":"evt_1","object":"event","type":"report.succeeded","data":{"object":{}}}'
    assert await deliver(app, content, {}, "/chargeapi") == 204
    assert [(found.type, found.verified) for found in used] == [(EventType.UNKNOWN, False)]
    wrongs: tuple[dict[str, Any], ...] = (
        {"secrets": {"stripe": ""}},
        {"secrets": {"stripe": None}},
        {"secrets": {"nobody": SECRET}},
        {"secrets": {"stripe": SECRET}, "unverified": ["stripe"]},
    )
    for wrong in wrongs:
        with pytest.raises(ConfigurationError):
            application(used.append, **wrong)


@pytest.mark.slow
def test_it_can_be_served() -> None:
    """`serve` answers over real HTTP: 204 after the function returned, 400 to anybody else."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = (
        "from invoice_bridge.webhooks.asgi import serve\n"
        f"serve(lambda event: print(event.id, flush=True), secrets={{'stripe': {SECRET!r}}}, port={port})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            content, url = body(), f"http://127.0.0.1:{port}/stripe"
            with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as http:  # it waits longer before each
                assert http.post(url, content=content).status_code == 400
                assert http.post(url, content=content, headers=signed(content, datetime.now(UTC))).status_code == 204
        finally:
            process.terminate()
        assert process.stdout is not None
        assert process.stdout.read() == b"evt_1\n"


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every example of docs/how-to/webhooks.md runs, in order, and prints what a delivery says."""
    content = body()
    used: list[InvoiceEvent] = []
    now = datetime.now(UTC)
    names: dict[str, Any] = {
        "headers": signed(content, now),
        "body": content,
        "secret": SECRET,
        "now": now,
        "last": None,
        "on_event": used.append,
    }
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        exec(example, names)  # noqa: S102 - our own page
    assert capsys.readouterr().out == "in_1 5.00 EUR\n"
    assert [found.id for found in used] == ["evt_1"]
    assert names["seen"].has(used[0], at=now)
    page = PAGE.read_text("utf-8")
    assert [kind for kind in EventType if f"`{kind}`" not in page] == []
    assert webhooks.parse is parse


def test_defect_57_an_event_about_something_else_carries_no_invoice() -> None:
    """Defect 57: what an event carries in the invoice's place and states another kind is refused, not read as one."""
    event: dict[str, Any] = {"id": "ev_1", "object": "event", "event_type": "invoice_updated"}
    note = {"id": "CN-1", "object": "credit_note", "status": "refunded", "currency_code": "EUR", "total": 1}
    with pytest.raises(MalformedResponse, match="its object is 'credit_note'"):
        parse("chargebee", {}, dumps(event | {"content": {"invoice": note}}), secret=None, at=AT, verified=False)


def test_defect_58_an_event_about_a_deleted_invoice_is_read() -> None:
    """Defect 58: the stub that is left of it, and the whole document of the status "deleted", are both deleted."""
    event: dict[str, Any] = {"id": "evt_1", "object": "event", "type": "invoice.deleted"}
    stub = {"id": "in_1", "object": "invoice", "deleted": True}
    whole = {"id": "in_1", "object": "invoice", "status": "deleted", "currency": "eur", "total": 5}
    for carried in (stub, whole):
        body = dumps(event | {"data": {"object": carried}})
        found = parse("stripe", {}, body, secret=None, at=AT, verified=False)
        assert found.type is EventType.DELETED
        assert found.invoice is not None
        assert (found.invoice.id, found.invoice.status) == ("in_1", Status.DELETED)
