"""What is fed with hostile input, what may come of it, and where the input starts from.

Shared by the tests beside it and by the fuzzer (tools/fuzz.py). Every target takes bytes; parts are separated by NUL.
Whatever a target's documentation does not name as an error is a finding, and so is a second of computing, and a value
that comes out but cannot be printed, written or read again.
"""

import base64
import contextlib
import gzip
import hashlib
import hmac
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from invoice_bridge import (
    BilledElsewhere,
    BridgeError,
    Client,
    Collection,
    ConfigurationError,
    CustomerRef,
    InvalidSignature,
    Invoice,
    InvoiceEvent,
    Line,
    MalformedResponse,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    ProviderError,
    Unsupported,
    decode,
    explain,
    providers,
    webhooks,
)
from invoice_bridge.adapter.emulation.transport import EmulatorTransport
from invoice_bridge.adapter.pages import Page, Unreadable
from invoice_bridge.cli.files import read_bill
from invoice_bridge.client.config import key_variable, read_profile
from invoice_bridge.client.credentials import ApiKey
from invoice_bridge.client.exchange import Body, Bound
from invoice_bridge.core.commands import ListInvoices
from invoice_bridge.core.exact import LARGEST, dumps, loads
from invoice_bridge.core.wire import Request, Response
from invoice_bridge.engine.lookup import start
from invoice_bridge.engine.supervise import Lost
from invoice_bridge.explain import make_context
from invoice_bridge.journal.rows import Book, unresolved, verdict_of
from invoice_bridge.journal.store import Journal

NAMES = providers.names()
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
SHORT = 3000
"""Bytes of a document to begin with, so that the most is tried in the least time; the largest is taken all the same."""
DUE = datetime(2026, 12, 1, tzinfo=UTC)
SECRET = "user:password_not_a_secret"
LONGEST = 1.0
"""Seconds of computing that no input may take."""


class Finding(AssertionError):
    """An input did what no documentation says."""


@dataclass
class Target:
    """One thing to feed: `feed` returns, or raises what is a finding."""

    name: str
    feed: Callable[[bytes], object]
    _seeds: Callable[[], Sequence[bytes]]

    @cached_property
    def seeds(self) -> Sequence[bytes]:
        """Inputs as they ought to be, shortest first."""
        return sorted(self._seeds(), key=len)

    def __call__(self, data: bytes) -> None:
        """Feed it, against the clock."""
        began = time.thread_time()
        self.feed(data)
        spent = time.thread_time() - began
        if spent > LONGEST:
            raise Finding(f"{self.name}: {len(data)} bytes took {spent:.1f} s")


# ── what must hold of what comes out ─────────────────────────────────────────────────────────────────────────────────
def _holds(claim: bool, text: str) -> None:
    if not claim:
        raise Finding(text)


def _can_be_told(error: BaseException) -> None:
    """An error is logged and printed: its text must be one that can be."""
    str(error).encode()
    repr(error).encode()


def _survives(found: Invoice) -> None:
    """An invoice can be shown, written, read again, and asked what it leaves out."""
    repr(found).encode()
    str(found).encode()
    found.unmapped()
    found.is_past_due(AT)
    assert found.raw is not None
    again = Invoice.model_validate_json(found.model_dump_json())
    _holds(again.model_dump(exclude={"raw"}) == found.model_dump(exclude={"raw"}), "its JSON reads as another invoice")


def _survives_raw(found: Invoice) -> None:
    """What it keeps of the provider's own JSON says the same again."""
    without = found.model_dump(exclude={"raw"})
    again = decode(found.provider, dumps(found.raw))
    _holds(again.model_dump(exclude={"raw"}) == without, "its raw reads as another invoice")


# ── decode ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _as_text(body: bytes) -> Any:
    return body.decode("utf-8", "surrogateescape")


def _as_mapping(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _as_decimals(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError, DecimalException):
        return None


_FORMS: dict[bytes, Callable[[bytes], Any]] = {b"t": _as_text, b"m": _as_mapping, b"d": _as_decimals}


def _decode(provider: str, data: bytes) -> None:
    form, _, body = data.rpartition(b"\0")
    try:
        found = decode(provider, _FORMS.get(form, bytes)(body))
    except MalformedResponse as error:
        _can_be_told(error)
        return
    _survives(found)
    _survives_raw(found)


def _decode_seeds(provider: str) -> list[bytes]:
    bodies = sorted(set(_documents(provider)), key=len)
    return [form + b"\0" + body for form in (b"", *_FORMS) for body in bodies if len(body) < SHORT] + bodies[-1:]


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _answer(provider: str, part: bytes) -> Response:
    """An answer of a part: its first line says status and headers, where there is one; else it is a 200."""
    head, newline, body = part.partition(b"\n")
    status, *fields = head.decode("latin-1").split("\t")
    if not newline or not (status.isascii() and status.isdecimal() and len(status) == 3):
        return Response(200, part, {}, provider)
    pairs = (field.partition(": ") for field in fields)
    return Response(int(status), body, {name: value for name, _, value in pairs}, provider)


def _list(provider: str, data: bytes) -> None:
    """Answer a listing with the parts in turn, then see whether the next page could be asked for."""
    declared = providers.get(provider)
    how, *parts = data.split(b"\0")
    context = make_context(declared, declared.emulator().settings)
    command = ListInvoices(full=how == b"f", customer="mber_1" if how == b"c" else None)
    page: Page | None = None
    flow = declared.flow(command, context.on(command))
    try:
        request = next(flow)
        for part in parts:
            answer = _answer(provider, part)
            with contextlib.suppress(httpx.InvalidURL):  # the client says so itself
                httpx.Request(request.method, request.url)
            request = flow.send(answer) if answer.status < 300 else flow.throw(declared.error(answer))
    except StopIteration as done:
        page = done.value
    except ProviderError as error:
        _can_be_told(error)
    finally:
        flow.close()
    if page is None:
        return
    for item in page.items:
        if isinstance(item, Unreadable):
            _can_be_told(item.error)
            dumps(item.raw)
        else:
            _survives(item)
            command.matches(item, provider)
    if page.next is not None:
        try:
            next(declared.flow(page.next, context.on(page.next)))
        except (MalformedResponse, Unsupported) as error:
            _can_be_told(error)


def _list_seeds(provider: str) -> list[bytes]:
    said = _recorded(provider)
    lists = [(place, one.content) for place, one in enumerate(said) if _is_list(one)]
    seeds = [b"\0" + body for _, body in lists]
    for place, body in lists[-3:]:  # what was answered next: the lines, the plan, the payment
        rest = [one.content if one.status < 300 else b"404\n" + one.content for one in said[place + 1 : place + 4]]
        seeds += [b"\0".join([how, body, *rest]) for how in (b"", b"f", b"c")]
    page = json.loads(lists[-1][1])
    more = {"next_page_url": f"{providers.get(provider).base_url({'site': 'x'})}/invoices?page=2", "has_more": True}
    more |= {"next_offset": '["1","2"]', "page_info": {"has_next_page": True, "end_cursor": "abc"}}
    return [*seeds, b"\0" + json.dumps(page | more).encode()]


def _is_list(answer: Response) -> bool:
    body = json.loads(answer.content)
    listed = isinstance(body, dict) and "id" not in body and bool(body.get("data") or body.get("list"))
    return answer.status < 300 and listed


# ── the lookup of a bill, and what follows it ────────────────────────────────────────────────────────────────────────
def _lookup(provider: str, data: bytes) -> None:
    """Look a bill up; answer what is asked with the parts in turn. Every request stays below the base URL."""
    declared = providers.get(provider)
    which, *parts = data.split(b"\0")
    bills = _known_bills(provider)
    bill = bills[int(which) % len(bills)] if which.isdigit() and len(which) < 9 else bills[0]
    context = make_context(declared, declared.emulator().settings).on(bill)
    done: Invoice | None = None
    flow = start(bill, context, lookup="always")
    try:
        request = next(flow)
        for part in parts:
            _stays_below(request, context.base_url)
            answer = _answer(provider, part)
            request = flow.send(answer) if answer.status < 300 else flow.throw(declared.error(answer))
    except StopIteration as ended:
        done = ended.value
    except BridgeError as error:
        _can_be_told(error)
    finally:
        flow.close()
    if done is not None:
        _survives(done)
        _holds(done.reference in {None, bill.reference}, f"{bill.reference} became a bill of {done.reference}")


def _stays_below(request: Request, base_url: str) -> None:
    """As an HTTP client sends it, with its dots resolved: the key goes along."""
    with contextlib.suppress(httpx.InvalidURL):  # the client says so itself
        sent, base = httpx.URL(request.url), httpx.URL(base_url)
        _holds(
            (sent.scheme, sent.netloc) == (base.scheme, base.netloc)
            and sent.path.startswith(base.path.rstrip("/") + "/"),
            f"{request.url} is not below {base_url}",
        )


@cache
def _known_bills(provider: str) -> tuple[OneTimeCharge | PeriodInvoice, ...]:
    """The bills that the provider can carry and find again."""
    return tuple(bill for bill, _ in _looked_up(provider))


@cache
def _looked_up(provider: str) -> tuple[tuple[OneTimeCharge | PeriodInvoice, bytes], ...]:
    """Each bill, and what the emulator answers when it is made a second time."""
    declared, found = providers.get(provider), []
    emulator = declared.emulator()
    for bill in _bills(emulator.customer, emulator.payment_method):
        kept = _Kept(declared.emulator(), declared.base_url(emulator.settings))
        with (
            httpx.Client(transport=kept) as http,
            Client(provider, api_key=emulator.key, http=http, lookup="always", **emulator.settings) as at,
            contextlib.suppress(BridgeError),
        ):
            allowed = [loss.path for loss in at.losses(bill)]
            at.create(bill, allow=allowed)
            first = len(kept.answers)
            at.create(bill, allow=allowed)
            found.append((bill, b"\0".join(one.content for one in kept.answers[first:])))
    return tuple(found)


def _lookup_seeds(provider: str) -> list[bytes]:
    seeds = [b"%d\0" % place + answers for place, (_, answers) in enumerate(_looked_up(provider))]
    parts = [part.split(b"\0") for part in seeds]
    # a listing before the bill that another call answers, an answer given twice, and one that never comes
    more = [b"\0".join(change) for one in parts for change in (one + one[1:], [*one[:2], *one[1:]], one[:-1])]
    return [*seeds, *more]


# ── the journal ──────────────────────────────────────────────────────────────────────────────────────────────────────
_HERE, _MINE = Book("stripe:", mode="test"), "r-1"


@cache
def _journal() -> tuple[Journal, sqlite3.Connection]:
    """A journal, and another connection to its file that is held to no rule but SQLite's own."""
    path = _folder() / f"{os.getpid()}.sqlite"
    journal = Journal(path)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.execute("PRAGMA synchronous = OFF")
    return journal, raw


def _cell(value: Any) -> Any:
    """A value that SQLite can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:400]
    return value if isinstance(value, float) else json.dumps(value).encode()


def _rows(data: bytes) -> None:
    """Read a journal whose rows say anything. What may have been sent is never overlooked, whatever its other cells."""
    journal, raw = _journal()
    tries, _, facts = data.partition(b"\0")
    for table, columns, text in (("tries", 16, tries), ("facts", 10, facts)):
        raw.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
        rows = _as_mapping(text)
        for row in rows if isinstance(rows, list) else ():
            cells = [_cell(value) for value in row[:columns]] if isinstance(row, list) else []
            places = ", ".join("?" * columns)
            with contextlib.suppress(sqlite3.Error, OverflowError):
                raw.execute(f"INSERT INTO {table} VALUES ({places})", cells + [None] * (columns - len(cells)))  # noqa: S608
    mine = raw.execute(
        "SELECT count(*) FROM tries WHERE account = ? AND reference = ? AND book = ? AND mode IS NOT 'live'",
        (_HERE.account, _MINE, _HERE.name),
    ).fetchone()[0]
    known = journal.tries(_HERE, _MINE)
    _holds(len(known) == mine, f"{mine} rows of the bill, and {len(known)} are read")
    pending, verdicts = unresolved(known), {verdict_of(one) for one in known}
    _holds(verdicts <= {"applied", "refused", "deferred", "maybe", None}, f"verdicts {verdicts}")
    open_ones = {one.step for one in known if one.ended is None}
    settled = {one.step for one in known if verdict_of(one) in {"applied", "refused"}}
    _holds(open_ones <= set(pending) | settled, "a request without an end counts as settled")
    for claim in (*journal.claims(), *journal.claims(_HERE, _MINE)):
        repr(claim).encode("utf-8", "backslashreplace")
        _holds(claim.state in {"made", "unknown"}, f"a claim is {claim.state}")
    if not raw.execute("SELECT 1 FROM facts LIMIT 1").fetchone() and (
        pending or any(verdict_of(one) == "applied" and one.may_have_been_sent for one in known)
    ):
        _holds(any(claim.account == _HERE.account for claim in journal.claims(_HERE, _MINE)), "nothing claims it")
    journal.history(_MINE)
    journal.facts()
    journal.reference_of(_HERE, "in_1")
    try:
        journal.refuse_elsewhere(_HERE, _MINE)
    except BilledElsewhere as error:
        _can_be_told(error)


def _rows_seeds() -> list[bytes]:
    at, url = "2026-05-17T12:00:00+00:00", "https://api.stripe.com/v1/invoices"
    made = [1, "stripe:", _MINE, 1, "POST", url, "ib1-1", at, at, "answered", 200, "in_1"]
    new = ["default", "test", "d" * 64, "applied"]
    lost = [2, "stripe:", _MINE, 1, "POST", f"{url}/in_1/pay", "ib1-2", at, at, "lost", None, None]
    open_ = [3, "whop:biz_42", _MINE, 2, "POST", url, None, at, None, None, None, None]
    old = [4, "stripe:", _MINE, 1, "POST", url, "ib1-3", at, at, "answered", 409, None]
    fact = [1, "default", "stripe:", "test", _MINE, "in_1", "void", "read", at, 1]
    absent = [2, "default", "whop:biz_42", "test", _MINE, None, "absent", "resolve", at, 3]
    tables: tuple[tuple[list[Any], list[Any]], ...] = (
        ([made + new], []),
        ([made + new, [*lost, *new[:3], "maybe"]], [fact]),
        ([[*open_, *new[:2], None, None]], [absent]),
        ([[*old, "default", "", None, None], made + new], [fact, absent]),
        ([[*lost, *new[:3], "maybe"], [*open_, *new[:2], None, None]], [[*fact[:9], None]]),
        ([], []),
    )
    return [json.dumps(tries).encode() + b"\0" + json.dumps(facts).encode() for tries, facts in tables]


# ── bodies as they come ──────────────────────────────────────────────────────────────────────────────────────────────
def _body(data: bytes) -> None:
    """The first part is a Content-Encoding, the second the size of the pieces, the rest is what is on the wire."""
    coding, size, body = (*data.split(b"\0", 2), b"", b"")[:3]
    length = int(size) if size.isdigit() and len(size) < 6 and int(size) else 1 << 14
    answer = httpx.Response(200, headers=[(b"content-encoding", coding)], stream=httpx.ByteStream(body))
    now = time.monotonic()
    try:
        read = Body(answer, Bound(now, now + 60))
        for at in range(0, len(body), length):
            read.add(body[at : at + length])
        content = read.whole()
    except Lost as error:
        _can_be_told(error)
        return
    _holds(len(content) <= LARGEST, f"{len(content)} bytes")
    kind = coding.strip().lower()
    _holds(kind in {b"", b"identity", b"gzip"}, f"{kind!r} was read")
    if kind == b"gzip" and body:
        _holds(content == gzip.decompress(body), "another program decompresses it to something else")
    else:
        _holds(content == body, "it is not what was on the wire")


def _body_seeds() -> list[bytes]:
    bodies = [one.content for one in _recorded("stripe")][:3]
    packed = [gzip.compress(body, mtime=0) for body in bodies]
    named = packed[0][:3] + b"\x08" + packed[0][4:10] + b"name\0" + packed[0][10:]
    return [
        *(b"\0".join([b"gzip", size, body]) for size in (b"1", b"7", b"") for body in (*packed, named)),
        *(b"\0".join([coding, b"", bodies[0]]) for coding in (b"", b"identity", b"br", b"gzip, gzip", b"\xff")),
        b"\0".join([b"GZIP", b"100", packed[0] + packed[1]]),
        b"\0".join([b"gzip", b"", packed[0][:-4]]),
        b"\0".join([b"gzip", b"", gzip.compress(b"%41" * 2_000_000, mtime=0)]),
        b"gzip\0\0",
    ]


def _concealed(data: bytes) -> None:
    """A body between whose parts the key is written as it is: the parts are kept, whatever escapes they are made of."""
    key = ApiKey("sk_test_not_a_key")
    body = data.replace(b"\0", key.text.encode())
    shown = key.conceal(body)
    _holds(key.text.encode() not in shown, "the key is shown")
    _holds(not key.is_in(shown.decode("latin-1")), "the key is still in it")
    if not key.is_in(data.decode("latin-1")):
        _holds(len(shown) >= len(data.replace(b"\0", b"")), "more than the key is gone")


def _concealed_seeds() -> list[bytes]:
    spelt = "sk_test_not_a_key"
    escapes = (
        "".join(f"%{ord(sign):02x}" for sign in spelt),
        "".join(f"%25{ord(sign):02X}" for sign in spelt),
        "".join(f"\\u{ord(sign):04x}" for sign in spelt),
        "".join(f"&#{ord(sign)};" for sign in spelt),
        base64.b64encode(f"{spelt}:".encode()).decode(),
    )
    return [*(b'{"a": "\0 %41&amp;' + escape.encode() + b'\\/"}' for escape in escapes), b"\0\0", b"%" + b"25" * 20]


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _error(provider: str, data: bytes) -> None:
    """Every answer that is no success becomes a ProviderError; nothing is ever raised on the way."""
    error = providers.get(provider).error(_answer(provider, data))
    _holds(isinstance(error, ProviderError), f"{type(error).__name__} is no ProviderError")
    _can_be_told(error)
    wait = getattr(error, "retry_after", None)
    _holds(wait is None or 0 <= wait < 10**12, f"wait {wait} s?")


def _error_seeds(provider: str) -> list[bytes]:
    found = []
    for answer in {(one.status, one.content) for one in _recorded(provider) if one.status >= 300}:
        heads = ("retry-after: 3\trequest-id: req_1", "retry-after: Wed, 21 Oct 2026 07:28:00 GMT", "")
        found += [f"{status}\t{head}\n".encode() + answer[1] for head in heads for status in (answer[0], 429, 500)]
    return sorted([*found, b"302\tlocation: /\n", b"502\n<html>", b"599\n{", b"400\n"])


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _webhook(provider: str, data: bytes) -> None:
    """The first part: "s" signs the body as the provider would, "h" verifies the headers given, else unverified."""
    how, *rest = data.split(b"\0", 2)
    head, body = rest if len(rest) == 2 else (b"", rest[0] if rest else b"")
    pairs = (line.partition(": ") for line in head.decode("latin-1").split("\n"))
    headers = {name: value for name, _, value in pairs}
    allowed: list[type[BridgeError]] = [MalformedResponse]
    verified = how in {b"s", b"h"} and provider != "chargeapi"  # whose signatures are refused, and tested elsewhere
    if verified and how == b"s":
        headers |= _signed(provider, body)
    elif verified:
        allowed.append(InvalidSignature)
    secret = SECRET if verified else None
    try:
        event = webhooks.parse(provider, headers, body, secret=secret, at=AT, verified=verified)
    except tuple(allowed) as error:
        _can_be_told(error)
        return
    repr(event).encode()
    str(event).encode()
    again = InvoiceEvent.model_validate_json(event.model_dump_json())
    _holds(
        again.model_dump(exclude={"raw": True, "invoice": {"raw"}})
        == event.model_dump(exclude={"raw": True, "invoice": {"raw"}}),
        "its JSON reads as another event",
    )
    webhooks.is_stale(event, again)
    webhooks.ProcessedEvents().add(event, at=AT)
    if event.invoice is not None:
        _survives(event.invoice)


def _signed(provider: str, body: bytes) -> dict[str, str]:
    now = str(int(AT.timestamp()))
    if provider == "stripe":
        mac = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).digest()
        return {"stripe-signature": f"t={now},v1={mac.hex()}"}
    if provider == "whop":
        mac = hmac.new(SECRET.encode(), f"msg_1.{now}.".encode() + body, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(mac).decode()
        return {"webhook-id": "msg_1", "webhook-timestamp": now, "webhook-signature": signature}
    return {"authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()}


def _webhook_seeds(provider: str) -> list[bytes]:
    bodies = [
        json.dumps(event).encode() for one in _documents(provider) for event in _events(provider, json.loads(one))
    ]
    head = {"stripe": "stripe-signature: t=1779019200,v1=00", "chargebee": "authorization: Basic dTpw"}.get(
        provider, "webhook-id: a\nwebhook-timestamp: 1779019200\nwebhook-signature: v1,aGk="
    )
    return [b"\0".join([how, head.encode(), body]) for how in (b"", b"s", b"h") for body in sorted(set(bodies))]


def _events(provider: str, invoice: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that carry an invoice, in each of the provider's shapes."""
    if provider == "chargebee":
        event = {"id": "ev_1", "object": "event", "event_type": "invoice_updated", "occurred_at": 1779019200}
        return [event | {"content": invoice if "invoice" in invoice else {"invoice": invoice}}]
    if provider == "whop":
        event = {"id": "msg_1", "type": "invoice.paid", "timestamp": "2026-05-17T12:00:00Z"}
        return [event | {"data": invoice}]
    event = {"id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1779019200, "livemode": False}
    snapshot = event | {"data": {"object": invoice}}
    if provider == "chargeapi":
        return [snapshot | {"created": "2026-05-17T12:00:00Z"}]
    thin = event | {"object": "v2.core.event", "type": "v1.invoice.paid", "created": "2026-05-17T12:00:00Z"}
    payment = {"object": "invoice_payment", "invoice": invoice["id"]}
    return [
        snapshot,
        thin | {"related_object": {"id": "in_1", "type": "invoice"}},
        event | {"type": "invoice_payment.paid", "data": {"object": payment}},
    ]


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@cache
def _folder() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - a folder of one's own is made in it; a disk would be the slowest part
    place = memory if os.access(memory, os.W_OK) else None
    kept = tempfile.TemporaryDirectory(prefix="hostile-", dir=place, ignore_cleanup_errors=True)
    _KEPT.append(kept)
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _one_line(error: ConfigurationError, path: Path) -> None:
    """An error of a file names it, in one line that is safe on a terminal."""
    _can_be_told(error)
    _holds(str(error).startswith(f"{path}: "), f"the file is not named: {error}")
    _holds(str(error).isprintable(), f"more than one line, or no text: {error}")


def _config(data: bytes) -> None:
    path = _folder() / f"{os.getpid()}.toml"
    path.write_bytes(data)
    try:
        with (
            patch.dict(os.environ, {key_variable(name): "sk_test_not_a_key" for name in NAMES}),
            patch.object(providers, "names", lambda: NAMES),  # else what is installed is read anew each time
        ):
            read = read_profile(path)
    except ConfigurationError as error:
        _one_line(error, path)
        return
    try:
        repr(Client(**read, http=_NO_HTTP))
    except ConfigurationError as error:
        _can_be_told(error)


_NO_HTTP: Any = object()


def _config_seeds() -> list[bytes]:
    whole = (EXAMPLES / "billing.toml").read_bytes()
    bare = b"\n".join(line.partition(b"#")[0].rstrip() for line in whole.splitlines() if line[:1] != b"#")
    others = [bare.replace(b'provider = "stripe"', f'provider = "{name}"'.encode()) for name in providers.names()]
    limits = b'mode = "test"\ntimeout = 30\ndeadline = 90.5'
    with_limits = [text.replace(b'mode = "test"', limits) for text in others]
    return [*with_limits, others[0].replace(b'default = "main"', b'default = "emulator"'), b"\xef\xbb\xbf" + bare]


def _bill(data: bytes) -> None:
    name, _, content = data.rpartition(b"\0")
    path = _folder() / f"{os.getpid()}{ {b'j': '.json', b't': '.toml'}.get(name, '') }"
    path.write_bytes(content)
    try:
        bill = read_bill(str(path))
    except ConfigurationError as error:
        _one_line(error, path)
        return
    repr(bill).encode()
    _holds(type(bill).model_validate_json(bill.model_dump_json()) == bill, "its JSON reads as another bill")
    plan = explain(NAMES[len(content) % len(NAMES)], bill)
    plan.text().encode()
    plan.curl().encode()
    json.dumps(plan.to_json()).encode()


def _bill_seeds() -> list[bytes]:
    files = [(path.suffix[1:2].encode(), path.read_bytes()) for path in sorted(EXAMPLES.glob("*-*"))]
    bills = [(b"j", _as_file(bill)) for bill in _bills(CustomerRef(id="cus_42", ids={"whop": "mber_42"}), "pm_42")]
    return [form + b"\0" + text for name, text in files + bills for form in (name, b"")]


def _as_file(bill: OneTimeCharge | PeriodInvoice) -> bytes:
    return json.dumps({"command": bill.verb, **bill.model_dump(mode="json", exclude_none=True)}).encode()


# ── the smallest ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _money(data: bytes) -> None:
    currency, form, text = (*data.decode("utf-8", "surrogateescape").split("\0", 2), "", "")[:3]
    amount: str | int | Decimal = text
    with contextlib.suppress(ValueError, DecimalException):
        amount = int(text) if form == "i" else Decimal(text) if form == "d" else text
    try:
        found = Money.parse(amount, currency)
    except ValueError as error:
        _can_be_told(error)
        return
    value = Decimal(amount)
    _holds(found.major == value, f"{amount!r} became {found}")
    _holds(Money.parse(f"{found.major:f}", currency) == found, f"{found} reads as another amount")
    str(found).encode()
    repr(found).encode()


def _money_seeds() -> list[bytes]:
    amounts = ("19.99", "0", "-1.5", "1" * 28, "0.0001", "1e3", "+7.000", "1." + "0" * 30, "٣")
    return [
        f"{currency}\0{form}\0{amount}".encode()
        for currency in ("EUR", "JPY", "KWD", "CLF", "BGN")
        for form in ("", "i", "d")
        for amount in amounts
    ]


def _json(data: bytes) -> None:
    form, _, body = data.rpartition(b"\0")
    try:
        value = loads(_as_text(body) if form == b"t" else body)
    except ValueError as error:
        _can_be_told(error)
        return
    _holds(loads(dumps(value)) == value, "it is written as another value")
    _holds(json.loads(dumps(value), parse_float=Decimal) == value, "others read another value")


def _json_seeds() -> list[bytes]:
    bodies = {one.content for name in providers.names() for one in _recorded(name)}
    return [form + b"\0" + body for form in (b"", b"t") for body in sorted(bodies)]


# ── where it starts from ─────────────────────────────────────────────────────────────────────────────────────────────
def _bills(customer: CustomerRef | str, payment_method: str | None) -> Iterator[OneTimeCharge | PeriodInvoice]:
    may = Period.month(2026, 5)
    line = Line(description="Cleaning", quantity=2, unit_amount=Money(750, "EUR"), period=may)
    charge = Collection.charge(payment_method)
    yield OneTimeCharge(reference="r-1", customer=customer, amount=Money(2500, "EUR"), description="Fees", period=may)
    yield OneTimeCharge(
        reference="r-2", customer=customer, lines=[line, line], purchase_order="PO", metadata={"a": "b"}
    )
    yield OneTimeCharge(reference="r-3", customer=customer, lines=[line], collection=charge, tax="provider")
    yield OneTimeCharge(reference="r-4", customer=customer, lines=[line], collection=Collection.send(due=DUE))
    yield OneTimeCharge(reference="r-5", customer=customer, lines=[line] * 12, draft=True, period=may)
    yield PeriodInvoice(reference="p-1", customer=customer, lines=[line], period=may, currency="EUR")
    yield PeriodInvoice(reference="p-2", customer=customer, period=may, currency="EUR", draft=True)


class _Kept(EmulatorTransport):
    """Keeps the answers too."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.answers: list[Response] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        self.answers.append(Response(answer.status_code, answer.read(), answer.headers, self.emulator.name))
        return answer


@cache
def _recorded(provider: str) -> tuple[Response, ...]:
    """What the provider's emulator answers to a day of work, refusals among it."""
    with patch("time.sleep"):
        return _day(provider)


def _day(provider: str) -> tuple[Response, ...]:
    declared = providers.get(provider)
    emulator = declared.emulator()
    kept = _Kept(emulator, declared.base_url(emulator.settings))
    done: list[str] = []
    with (
        httpx.Client(transport=kept) as http,
        Client(provider, api_key=emulator.key, http=http, lookup="never", **emulator.settings) as at,
    ):
        for bill in _bills(emulator.customer, emulator.payment_method):
            with contextlib.suppress(BridgeError):
                done.append(at.create(bill, allow=[loss.path for loss in at.explain(bill).losses]).id)
        verbs: tuple[Callable[[str], object], ...] = (
            at.send_invoice,
            partial(at.update, metadata={"a": "c"}, description="Later"),
            at.finalize,
            at.pay,
            at.mark_paid,
            at.mark_uncollectible,
            at.void,
            at.delete,
            at.retrieve,
        )
        for place, invoice in enumerate([*done, "inv_none"]):
            for verb in verbs[place % 4 :]:
                with contextlib.suppress(BridgeError):
                    verb(invoice)
        for full in (False, True):
            list(at.list(full=full, limit=2))
    with httpx.Client(transport=kept) as http, contextlib.suppress(BridgeError):
        Client(provider, api_key="wrong", http=http, **emulator.settings).retrieve("inv_none")
    return tuple(kept.answers)


def _documents(provider: str) -> list[bytes]:
    """The invoices among the answers, listed ones and all."""
    found = []
    for answer in _recorded(provider):
        body = json.loads(answer.content)
        if answer.status < 300 and isinstance(body, dict):
            found += [json.dumps(one).encode() for one in [body, *body.get("data", ()), *body.get("list", ())]]
    return [one for one in found if _is_invoice(provider, one)]


def _is_invoice(provider: str, body: bytes) -> bool:
    try:
        decode(provider, body)
    except MalformedResponse:
        return False
    return True


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *(Target(f"decode-{name}", partial(_decode, name), partial(_decode_seeds, name)) for name in providers.names()),
        *(Target(f"list-{name}", partial(_list, name), partial(_list_seeds, name)) for name in providers.names()),
        *(Target(f"lookup-{name}", partial(_lookup, name), partial(_lookup_seeds, name)) for name in providers.names()),
        *(Target(f"error-{name}", partial(_error, name), partial(_error_seeds, name)) for name in providers.names()),
        *(
            Target(f"webhook-{name}", partial(_webhook, name), partial(_webhook_seeds, name))
            for name in providers.names()
        ),
        Target("journal", _rows, _rows_seeds),
        Target("body", _body, _body_seeds),
        Target("concealed", _concealed, _concealed_seeds),
        Target("config", _config, _config_seeds),
        Target("bill", _bill, _bill_seeds),
        Target("money", _money, _money_seeds),
        Target("json", _json, _json_seeds),
    )
}
