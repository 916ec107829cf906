"""Canary keys, providers that repeat them in every answer, and a search for them that is not the library's."""

import base64
import binascii
import html
import json
import re
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx

from invoice_bridge import Client, Money, OneTimeCharge, Period, providers
from invoice_bridge.core.exact import dumps
from invoice_bridge.core.wire import Response
from invoice_bridge.emulator import Emulator, EmulatorTransport

CANARIES: Final = {
    "chargeapi": "ch_sk_test_not_a_key_canary_Zq7/+",
    "chargebee": "test_not_a_key_canary_Zq7/+",
    "stripe": "sk_test_not_a_key_canary_Zq7/+",
    "whop": "whop_test_not_a_key_canary_Zq7/+",
}
"""A key for each provider, which its `mode` takes for one of test mode; / and + change in every encoding."""
MAY: Final = Period.month(2026, 5)
PACE: Final[dict[str, Any]] = {"requests_per_minute": 1_000_000}
SINCE: Final = datetime(2026, 11, 1, tzinfo=UTC)


def spellings(key: str) -> list[str]:
    """Every way in which an answer may say a key."""
    texts = [key, f"{key}:", f"Bearer {key}", f"x{key}", f"xy{key}", f'{{"key": "{key}"}}']
    coded = [coder(text.encode()).decode() for text in texts for coder in (base64.b64encode, base64.urlsafe_b64encode)]
    plain = [key, quote(key), quote(key, safe=""), quote(quote(key, safe=""), safe="")]
    lower = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(key, safe=""))
    every = "".join(f"%{ord(character):02x}" for character in key)
    escaped = [json.dumps(key)[1:-1].replace("/", r"\/"), "".join(f"\\u{ord(c):04x}" for c in key)]
    marked = [html.escape(key), "".join(f"&#{ord(c)};" for c in key), "".join(f"&#x{ord(c):X};" for c in key)]
    return [*plain, lower, every, *escaped, *marked, *coded, *(text.rstrip("=") for text in coded), *map(quote, coded)]


def says(text: str | bytes, key: str) -> bool:
    """Whether a text says a key, in any spelling: the text is decoded in every way, over and over."""
    seen: set[str] = set()
    new = {text if isinstance(text, str) else text.decode("latin-1")}
    for _ in range(3):
        if any(key in each for each in new):
            return True
        seen |= new
        new = {decoded for each in new for decoded in _decoded(each)} - seen
    return any(key in each for each in new)


def _decoded(text: str) -> Iterator[str]:
    yield unquote(text)
    yield html.unescape(text)
    yield re.sub(r"\\+u00([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    yield re.sub(r"\\+([/\"'\\])", r"\1", text)
    runs = re.findall(r"[A-Za-z0-9+/_-]{12,}", text)
    for run in runs:
        for start in range(4):
            group = run[start:].replace("-", "+").replace("_", "/")
            try:
                found = [
                    base64.b64decode(part) for part in (group[: len(group) // 4 * 4], group + "=" * (-len(group) % 4))
                ]
            except binascii.Error:
                continue
            yield from (each.decode("latin-1") for each in found if re.search(rb"[!-~]{12}", each))


def texts(error: BaseException) -> Iterator[str]:
    """All that an error says: its own words, its facts, its notes, its causes, its traceback with all variables."""
    yield "".join(traceback.format_exception(error))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    link: BaseException | None = error
    while link is not None:
        yield f"{link!r} {link} {link.args!r} {vars(link)!r} {getattr(link, '__notes__', ())}"
        link = link.__cause__ or link.__context__


# ── a provider that repeats the key in all it says ───────────────────────────────────────────────────────────────────
def repeating(name: str) -> Emulator:
    """An emulator whose key is the canary, and which repeats it in every body and every header, in every spelling."""
    key = CANARIES[name]
    kind: Any = type(providers.get(name).emulator())

    class Repeats(kind):  # type: ignore[misc]
        def __call__(self, *given: Any, **more: Any) -> Response:
            return repeated(super().__call__(*given, **more), _credential(given[0].headers))

    Repeats.key = key
    made: Emulator = Repeats()
    return made


def _credential(headers: Mapping[str, str]) -> str:
    """The key of a request, as its provider reads it."""
    scheme, _, said = next(value for name, value in headers.items() if name.lower() == "authorization").partition(" ")
    return base64.b64decode(said).decode().removesuffix(":") if scheme == "Basic" else said


def repeated(answer: Response, key: str) -> Response:
    """An answer that says the key where it may: in a field, in the message of a refusal, in headers."""
    body = json.loads(answer.content) if answer.content[:1] == b"{" else {}
    said = " ".join(spellings(key))
    for place in (body, body.get("error")):
        if isinstance(place, dict):
            place["echo"] = said
            if "message" in place:
                place["message"] = f"{place['message']} {said}"
    headers = {**answer.headers, "x-echo": said, "location": f"https://elsewhere.test/?key={quote(key, safe='')}"}
    content = json.dumps(body).replace("/", r"\/").encode() if body else answer.content
    return Response(answer.status, content, headers | {"request-id": f"req-{key}"}, answer.provider)


def charge(name: str, reference: str = "res-1", **said: Any) -> OneTimeCharge:
    """A bill that the provider's emulator takes."""
    kind = providers.get(name).emulator
    given: dict[str, Any] = {
        "reference": reference,
        "customer": kind().customer,
        "amount": Money(2500, "EUR"),
        "description": "Reservation fees",
        "period": MAY if name == "chargeapi" else None,
        "draft": name in {"whop", "chargeapi"},
    }
    return OneTimeCharge(**given | said)


ALLOW: Final = ("amount",)
"""What that bill loses at the provider that accepts no amount."""


def emulated(name: str, **said: Any) -> tuple[Client, EmulatorTransport]:
    """A client of a provider that repeats the key."""
    answers = repeating(name)
    root = providers.get(name).base_url(answers.settings)
    transport = EmulatorTransport(answers, root)
    given: dict[str, Any] = {"lookup": "never", **PACE, **answers.settings, **said}
    return Client(name, api_key=CANARIES[name], http=httpx.Client(transport=transport), **given), transport


def answering(name: str, handler: Any, kind: Any = Client, **said: Any) -> Any:
    """A client, of either kind, whose every request is answered by a function."""
    http = (httpx.Client if kind is Client else httpx.AsyncClient)(transport=httpx.MockTransport(handler))
    given: dict[str, Any] = {"api_key": CANARIES[name], "http": http, "lookup": "never"}
    return kind(name, **given | PACE | dict(providers.get(name).emulator().settings) | said)


def refusal(name: str, said: str) -> bytes:
    """The body of a refusal in the provider's words that says something."""
    facts = {"object": "error", "message": said, "type": "x", "code": said, "api_error_code": said, "param": said}
    return dumps(facts | {"error": facts, "request": said})
