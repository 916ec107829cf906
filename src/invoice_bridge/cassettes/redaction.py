"""Redact recorded requests and answers by name and place, from each provider's own table.

Rules of this file: a value is redacted because of its place, never because it looks like a known word. There are two
exceptions: a credential, redacted as a whole word of 12 characters or more in headers and texts, and an e-mail address,
which providers repeat in messages. Everything else stays byte for byte. A second redaction changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from invoice_bridge.adapter.redactions import Becomes, Redaction
from invoice_bridge.cassettes import bodies, locations
from invoice_bridge.cassettes.locations import Edit, Value
from invoice_bridge.cassettes.pseudonyms import REDACTED, pseudonym
from invoice_bridge.cassettes.redaction_rules import rules_of
from invoice_bridge.client.credentials import ApiKey

VERSION: Final = 2
"""The version of the rules; it rises when the same recording would have another result."""
SHORTEST_KEY: Final = 12
"""A shorter credential is redacted only in its own place, not wherever its text occurs again."""

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>\\]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b(basic|bearer)\s+([A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}(?![\w-])")
_AUTHORITY = re.compile(r"://[^/?#\s\"'<>\\]*")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/_=-])")


# ── the redactor ─────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Redacted:
    """An interaction without its secrets. `notes` are the redacted places, `unparsed` the bodies that were not read."""

    interaction: dict[str, Any]
    notes: tuple[str, ...]
    unparsed: tuple[str, ...]


class Redactor:
    """The redactor of one provider's recordings: `request` and `response` fit vcrpy's hooks before_record_….

    `ids=True` makes ids pseudonyms too: right for an account with real customers, needless for a test account. Raises
    ConfigurationError for an unknown provider.
    """

    def __init__(self, provider: str, *, ids: bool = False) -> None:
        self._rules = rules_of(provider, ids=ids)
        self._notes: dict[str, None] = {}
        self._unparsed: dict[str, None] = {}
        self._credentials: set[str] = set()
        self._side = "request"

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the redacted places as in a sidecar: "answer field customer_email", "request header cookie"."""
        return tuple(sorted(self._notes))

    @property
    def unparsed(self) -> tuple[str, ...]:
        """Return the bodies that could not be read, and why."""
        return tuple(self._unparsed)

    # ── vcrpy's hooks, and redaction offline ─────────────────────────────────────────────────────────────────────────
    def request(self, request: Any) -> Any:
        """Redact a vcrpy request; return the same object if there is nothing to redact."""
        body = request.body_bytes if hasattr(request, "body_bytes") else request.body
        content = body if isinstance(body, bytes) else b""
        headers = {name: [value] for name, value in request.headers.items()}
        uri, new_headers, new_content = self._redact_request(request.uri, headers, content)
        if (uri, new_headers, new_content) == (request.uri, headers, content):
            return request
        return type(request)(
            request.method,
            uri,
            request.body if new_content == content else new_content,
            {name: values[0] for name, values in new_headers.items()},
        )

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        """Return a redacted copy of an answer in vcrpy's form."""
        self._side = "answer"
        place = response.get("body")
        inner = place.get("string") if isinstance(place, dict) else response.get("content")
        given = response.get("headers") or {}
        headers = {name: _listed(value) for name, value in given.items()}
        new_headers, content = self._redact_message(headers, _content(inner))
        changed = dict(response)
        if new_headers != headers:
            changed["headers"] = {
                name: values if isinstance(given.get(name), list | tuple) else values[0]
                for name, values in new_headers.items()
            }
        if content != _content(inner):
            text = _like(content, inner)
            changed |= {"body": {**place, "string": text}} if isinstance(place, dict) else {"content": text}
        if isinstance(url := response.get("url"), str):
            changed["url"] = locations.apply(url, self._address(url))
        return changed

    def interaction(self, recorded: Mapping[str, Any]) -> Redacted:
        """Redact one interaction of a cassette's file: one mapping of its list `interactions`.

        Raises KeyError, TypeError or AttributeError if it is not an interaction.
        """
        notes, unparsed = self._notes, self._unparsed
        self._notes, self._unparsed = {}, {}
        try:
            request = recorded["request"]
            headers = {name: _listed(value) for name, value in (request.get("headers") or {}).items()}
            content = _content(request.get("body"))
            uri, new_headers, new_content = self._redact_request(request["uri"], headers, content)
            new_request = dict(request) | {"uri": uri}
            if new_headers != headers:
                new_request["headers"] = new_headers
            if new_content != content:
                new_request["body"] = _like(new_content, request["body"])
            redacted = {**recorded, "request": new_request, "response": self.response(recorded["response"])}
            return Redacted(redacted, self.notes, self.unparsed)
        finally:
            self._notes, self._unparsed = notes | self._notes, unparsed | self._unparsed

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _redact_request(
        self, uri: str, headers: dict[str, list[Any]], content: bytes
    ) -> tuple[str, dict[str, list[Any]], bytes]:
        self._side = "request"
        self._learn(uri, headers)
        redacted = locations.apply(uri, self._address(uri))
        return redacted, *self._redact_message(headers, content)

    def _redact_message(self, headers: dict[str, list[Any]], content: bytes) -> tuple[dict[str, list[Any]], bytes]:
        texts = {name.lower(): _text(values[0]) for name, values in headers.items() if values}
        body = self._body(content, texts.get("content-type", ""), texts.get("content-encoding", ""))
        new_headers: dict[str, list[Any]] = {}
        for name, values in headers.items():
            row = self._rules.headers.get(name.lower())
            if row is not None and row.becomes is Becomes.SECRET:
                self._note("header", name)
                continue
            new = [self._header(name, value, row) for value in values]
            if name.lower() == "content-length" and body != content:
                new = [type(values[0])(len(body))] if isinstance(values[0], str | int) else [str(len(body)).encode()]
            new_headers[name] = new
        return new_headers, body

    def _header(self, name: str, value: Any, row: Redaction | None) -> Any:
        text = _text(value)
        if row is not None:
            new = pseudonym(row.becomes, text)
            if new != text:
                self._note("header", name)
        else:
            new = locations.apply(text, self._prose(text))
        if new == text:
            return value
        return new.encode("latin-1", "replace") if isinstance(value, bytes) else new

    def _body(self, content: bytes, content_type: str, content_encoding: str) -> bytes:
        if not content:
            return content
        try:
            body = bodies.read(content, content_type, content_encoding)
        except ValueError as problem:
            self._unparsed[f"{self._side} body: {problem}"] = None
            return content
        try:
            edits = self._edits(body)
        except ValueError:
            self._unparsed[f"{self._side} body: its content type is JSON, but it is not JSON"] = None
            return content
        text = locations.apply(body.text, edits)
        return content if text == body.text else body.close(text)

    def _edits(self, body: bodies.Body) -> list[Edit]:
        if body.kind == "json":
            return self._values(locations.of_json(body.text))
        return self._values(locations.of_form(body.text)) if body.kind == "form" else self._prose(body.text)

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _values(self, values: Iterable[Value], *, query: bool = False) -> list[Edit]:
        edits: list[Edit] = []
        for value in values:
            row = self._rules.of(value, query=query)
            if row is None:
                if value.is_text:
                    edits += value.within(self._prose(value.text))
                continue
            if value.is_text:
                new = pseudonym(row.becomes, value.text)
            else:
                new = "0" if row.becomes in {Becomes.MASK, Becomes.SECRET} else value.text
            if new != value.text:
                self._note("query" if query else "field", ".".join(value.names))
                edits.append(value.whole(new))
        return edits

    def _prose(self, text: str) -> list[Edit]:
        """Return the edits of a text that has no row: in JSON inside it, addresses, credentials and ids."""
        if text.lstrip()[:1] in {"{", "["}:
            try:
                return self._values(locations.of_json(text))
            except ValueError:
                pass  # the text only begins like JSON
        edits: list[Edit] = []
        if text[:1] == "/" and not re.search(r"\s", text):
            edits += self._address(text)
        for match in _URL.finditer(text):
            edits += _moved(self._address(match[0]), match.start())
        return edits + self._words(text)

    def _address(self, text: str) -> list[Edit]:
        parts = locations.of_address(text)
        edits = self._values(parts.values, query=True)
        if parts.user is not None and parts.user.text != REDACTED:
            self._note("address", "credentials before the host")
            edits.append(parts.user.whole(REDACTED))
        if parts.path is None:
            return edits
        for pattern, row in self._rules.paths:
            for match in pattern.finditer(parts.path.text):
                value = locations.encoded(match[1], parts.path.start + match.start(1))
                new = pseudonym(row.becomes, value.text)
                if new != value.text:
                    self._note("path", row.name)
                    edits.append(value.whole(new))
        segment = locations.encoded(parts.path.text, parts.path.start)
        return [*edits, *segment.within(self._words(segment.text))]

    def _words(self, text: str) -> list[Edit]:
        """Return the edits of a text's words: credentials (plain or in base64), e-mail addresses and redacted ids."""
        edits = [Edit(match.start(), match.end(), REDACTED) for match in self._rules.keys.finditer(text)]
        for key in self._credentials:
            edits += [
                Edit(match.start(), match.end(), REDACTED)
                for match in re.finditer(rf"(?<![A-Za-z0-9_]){re.escape(key)}(?![A-Za-z0-9_])", text)
            ]
            spelled = ApiKey(key).places(text)  # percent-encoded, escaped, in base64
            edits += [Edit(start, end, REDACTED) for start, end in spelled if text[start:end] != key]
        for match in _SCHEME.finditer(text):
            decoded = _decode_base64(match[2])
            if ":" in decoded if match[1].lower() == "basic" else re.search(r"[0-9_]", match[2]):
                edits.append(Edit(match.start(2), match.end(2), REDACTED))
        for match in _BASE64.finditer(text):
            decoded = _decode_base64(match[0])
            if self._rules.keys_inside.search(decoded) or any(key in decoded for key in self._credentials):
                edits.append(Edit(match.start(), match.end(), REDACTED))
        if edits:
            self._note("credential", "in a text")
        edits += self._emails(text)
        if self._rules.ids is not None:
            for match in self._rules.ids.finditer(text):
                if (new := pseudonym(Becomes.ID, match[0])) != match[0]:
                    self._note("id", match[0].rpartition("_")[0] + "_")
                    edits.append(Edit(match.start(), match.end(), new))
        return edits

    def _emails(self, text: str) -> list[Edit]:
        """Return the edits of the e-mail addresses in a text."""
        edits: list[Edit] = []
        hosts = [match.span() for match in _AUTHORITY.finditer(text)]  # user@host in a URL is not an e-mail address
        for match in _EMAIL.finditer(text):
            if any(start <= match.start() < end for start, end in hosts):
                continue
            if (new := pseudonym(Becomes.EMAIL, match[0])) != match[0]:
                self._note("e-mail address", "in a text")
                edits.append(Edit(match.start(), match.end(), new))
        return edits

    def _learn(self, uri: str, headers: Mapping[str, Sequence[Any]]) -> None:
        """Remember the credentials of a request, so that they are redacted wherever an answer repeats them."""
        credentials: list[str] = []
        for name, values in headers.items():
            row = self._rules.headers.get(name.lower())
            if row is None or row.becomes is not Becomes.SECRET or "cookie" in name.lower():
                continue
            for text in map(_text, values):
                scheme, _, rest = text.partition(" ")
                credentials += [rest.strip() or scheme]
                if scheme.lower() == "basic":
                    credentials += _decode_base64(rest.strip()).split(":", 1)
        user = locations.of_address(uri).user
        if user is not None:
            credentials += user.text.split(":", 1)
        self._credentials |= {key for key in credentials if len(key) >= SHORTEST_KEY and key != REDACTED}

    def _note(self, where: str, name: str) -> None:
        self._notes[f"{self._side} {where} {name.lower()}"] = None


def _moved(edits: Iterable[Edit], by: int) -> Iterator[Edit]:
    return (Edit(edit.start + by, edit.end + by, edit.text) for edit in edits)


def _decode_base64(text: str) -> str:
    """Decode base64; return an empty text if it is not base64."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _content(body: Any) -> bytes:
    """Return the bytes of a body in a cassette: text is UTF-8."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return body if isinstance(body, bytes) else b""


def _like(content: bytes, before: Any) -> str | bytes:
    """Return bytes in the type of the body before, if they can be text."""
    if not isinstance(before, str):
        return content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content
