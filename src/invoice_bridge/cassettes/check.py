"""Check a folder of cassettes, offline: secrets, provenance, unplayable interactions, age and API version.

Rules of this file: a finding names the place and the kind, never the value. The check changes no file.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_plus, urlsplit

from invoice_bridge import providers
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.cassettes import bodies, files, provenance
from invoice_bridge.cassettes.provenance import Provenance
from invoice_bridge.cassettes.redaction import VERSION, Redactor
from invoice_bridge.cassettes.redaction_rules import key_shapes
from invoice_bridge.core.errors import ConfigurationError

SECRET, UNREAD, PROVENANCE, REPLAY, AGE, API_VERSION = (
    "secret", "unread", "provenance", "replay", "age", "api-version",
)  # fmt: skip
_RISKY: Final = re.compile(
    r"auth(?!enticate)|token|secret|api-?key|cookie|session|passw|signature|credential", re.IGNORECASE
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its file, its interaction (counted from 1; None: the whole file), and its description."""

    path: Path
    kind: str
    message: str
    interaction: int | None = None

    def __str__(self) -> str:
        place = f", interaction {self.interaction}" if self.interaction is not None else ""
        return f"{self.path}{place}: {self.kind}: {self.message}"


def check(place: Path, *, as_of: datetime, max_age: timedelta | None = None) -> tuple[int, tuple[Finding, ...]]:
    """Check one cassette, or every one in a folder and below; return their number and the findings.

    `as_of` is the caller's time. Raises ConfigurationError if there is nothing to check.
    """
    paths = files.list_paths(place)
    findings = [finding for path in paths for finding in _of_file(path, as_of, max_age)]
    if place.is_dir():
        for sidecar in sorted(place.rglob("*.provenance.json")):
            stem = sidecar.name.removesuffix(".provenance.json")
            if not any(sidecar.with_name(stem + suffix) in paths for suffix in files.SUFFIXES):
                findings.append(Finding(sidecar, PROVENANCE, "it has no cassette"))
    return len(paths), tuple(findings)


def _of_file(path: Path, as_of: datetime, max_age: timedelta | None) -> Iterator[Finding]:
    try:
        interactions = files.load(path)["interactions"]
    except ConfigurationError as problem:
        yield Finding(path, REPLAY, str(problem).removeprefix(f"{path}: "))
        return
    if not interactions:
        yield Finding(path, REPLAY, "it has no interactions")
    sidecar: Provenance | None = None
    try:
        sidecar = provenance.read(path)
    except ConfigurationError as problem:
        message = str(problem).removeprefix(f"{path}: ").removeprefix(f"{provenance.path_of(path)}: ")
        yield Finding(path, PROVENANCE, message)
    declared = _declared(sidecar, interactions)
    if sidecar is not None:
        yield from _of_provenance(path, sidecar, declared, interactions, as_of=as_of, max_age=max_age)
    redactor = Redactor(declared.name, ids=sidecar is not None and sidecar.origin == "live") if declared else None
    for number, interaction in enumerate(interactions, 1):
        yield from (Finding(path, kind, message, number) for kind, message in _of_interaction(interaction, redactor))


def _declared(sidecar: Provenance | None, interactions: list[Any]) -> Provider | None:
    """Return the provider of a cassette: the one in its sidecar, or else the one that its host belongs to."""
    if sidecar is not None and sidecar.provider in providers.names():
        return providers.get(sidecar.provider)
    hosts = {_host(interaction) for interaction in interactions}
    known = [providers.get(name) for name in providers.names()]
    return next((declared for declared in known if any(_belongs(host, declared) for host in hosts)), None)


# ── provenance, age and version ──────────────────────────────────────────────────────────────────────────────────────
def _of_provenance(
    path: Path,
    sidecar: Provenance,
    declared: Provider | None,
    interactions: list[Any],
    *,
    as_of: datetime,
    max_age: timedelta | None,
) -> Iterator[Finding]:
    if sidecar.sha256 != provenance.sum_of(path):
        yield Finding(path, PROVENANCE, "the cassette was changed after it was recorded: its sha256 differs")
    if sidecar.redactor < VERSION:
        yield Finding(
            path, PROVENANCE, f"redacted by version {sidecar.redactor}, {VERSION} is the current one; redact it again"
        )
    if sidecar.recorded_at > as_of and sidecar.origin != "emulator":  # an emulator's clock is its own
        yield Finding(path, PROVENANCE, f"recorded_at is in the future: {sidecar.recorded_at:%Y-%m-%d}")
    if max_age is not None and as_of - sidecar.recorded_at > max_age:
        days = (as_of - sidecar.recorded_at).days
        yield Finding(path, AGE, f"recorded {days} days ago, more than {max_age.days}; record it again")
    if declared is None or sidecar.provider != declared.name:
        yield Finding(path, PROVENANCE, f"the provider {sidecar.provider!r} is unknown")
        return
    for host in sorted({_host(interaction) for interaction in interactions} - {""}):
        is_emulator = sidecar.origin == "emulator" and _is_loopback(host)
        if not is_emulator and not _belongs(host, declared):
            yield Finding(path, PROVENANCE, f"{host} is not a host of {declared.title}")
    if _is_older(sidecar.api_version, declared.api_version):
        text = f"recorded with {sidecar.api_version}, the adapter uses {declared.api_version}; record it again"
        yield Finding(path, API_VERSION, text)
    for version in provenance.versions(declared.name, interactions):
        if version != sidecar.api_version:
            yield Finding(
                path, PROVENANCE, f"the sidecar has API version {sidecar.api_version}, the requests have {version}"
            )


def _is_older(version: str, than: str) -> bool:
    """Compare versions by their numbers: 2026-08-26.dahlia is older than 2026-10-28.endive."""
    left, right = ([int(digits) for digits in re.findall(r"\d+", text)] for text in (version, than))
    return left < right


def _host(interaction: Any) -> str:
    try:
        return urlsplit(interaction["request"]["uri"]).hostname or ""
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


@cache
def _home(provider: str) -> str:
    """Return the domain of a provider's API, without the first label of its host: that may be a site or a sandbox."""
    declared = providers.get(provider)
    settings = {setting.name: setting.default or "any" for setting in declared.settings}
    host = urlsplit(declared.base_url(settings)).hostname or ""
    return host.partition(".")[2] if host.count(".") > 1 else host


def _belongs(host: str, declared: Provider) -> bool:
    home = _home(declared.name)
    return host == home or host.endswith(f".{home}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ── unplayable interactions ──────────────────────────────────────────────────────────────────────────────────────────
_REQUEST_PARTS: Final = ("method", "uri", "body", "headers")


def _of_interaction(interaction: Any, redactor: Redactor | None) -> Iterator[tuple[str, str]]:
    if why := _unreadable(interaction):
        yield REPLAY, why
        yield from _keys(_texts(interaction))
        return
    if why := _never_replays(interaction):
        yield REPLAY, why
    yield from _secrets(interaction, redactor)


def _unreadable(interaction: Any) -> str | None:
    """Return why vcrpy cannot read an interaction; None if it can."""
    try:
        request, answer = interaction["request"], interaction["response"]
        wrong = [name for name in _REQUEST_PARTS if name not in request]
        wrong += [name for name in request if name not in _REQUEST_PARTS]
        if wrong:
            return f"vcrpy cannot read its request: {', '.join(wrong)} missing or unknown"
        for message, content in ((request, request["body"]), (answer, answer["body"]["string"])):
            _bytes(content)
            _headers(message)
        urlsplit(request["uri"])
        int(answer["status"]["code"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return "vcrpy cannot read it: a part is missing or has the wrong type"
    return None


def _never_replays(interaction: Mapping[str, Any]) -> str | None:
    """Return why this answer can never be replayed; None if it can.

    vcrpy plays equal requests one after the other, in the order they were recorded. So a request that repeats another
    replays while `allow_playback_repeats` is off; with it on, each repeat gets the first answer.
    """
    request, answer = interaction["request"], interaction["response"]
    address = urlsplit(request["uri"])
    if address.scheme not in {"http", "https"} or not address.hostname:
        return "its address is not a complete URL: no request can match it"
    if not re.fullmatch(r"[A-Z]+", str(request["method"])):
        return "its method is not an HTTP method: no request can match it"
    if not 100 <= int(answer["status"]["code"]) <= 599:
        return "its answer has no HTTP status"
    coding, content = _headers(answer).get("content-encoding", ""), _bytes(answer["body"]["string"])
    if coding.lower() in {"gzip", "x-gzip"} and content and not content.startswith(b"\x1f\x8b"):
        return "its answer's content encoding is gzip, but the body is not gzip: every HTTP client fails on it"
    return None


def _bytes(content: Any) -> bytes:
    if content is not None and not isinstance(content, str | bytes):
        raise TypeError("a body is text or bytes")
    return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content or b""


def _headers(message: Mapping[str, Any]) -> dict[str, str]:
    """Return the first value of each header, with names in lower case."""
    listed = {name: value if isinstance(value, list | tuple) else [value] for name, value in message["headers"].items()}
    return {str(name).lower(): str(values[0]) for name, values in listed.items() if values}


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _secrets(interaction: Mapping[str, Any], redactor: Redactor | None) -> Iterator[tuple[str, str]]:
    """Yield what the tables would redact, then what looks like a credential in the rest."""
    rest = interaction
    if redactor is not None:
        redacted = redactor.interaction(interaction)
        yield from ((SECRET, f"{note} is not redacted") for note in redacted.notes)
        yield from ((UNREAD, f"{problem}: check it yourself, or remove it") for problem in redacted.unparsed)
        rest = redacted.interaction
    for side, label in (("request", "request"), ("response", "answer")):
        for name in rest[side]["headers"]:
            if _RISKY.search(str(name)):
                yield SECRET, f"{label} header {name} has the name of a credential, and no table has a row for it"
    request, answer = rest["request"], rest["response"]
    outside = {
        "request": {name: value for name, value in request.items() if name != "body"},
        "answer": {name: value for name, value in answer.items() if name != "body"},
    }
    yield from _keys(_texts(outside))
    yield from _keys([("request body", _body(request, request["body"]))])
    yield from _keys([("answer body", _body(answer, answer["body"]["string"]))])


def _body(message: Mapping[str, Any], content: Any) -> str:
    """Return a body as text; byte for byte if it cannot be decoded, which is a finding of its own ("unread")."""
    headers = _headers(message)
    try:
        return bodies.read(_bytes(content), headers.get("content-type", ""), headers.get("content-encoding", "")).text
    except ValueError:
        return _bytes(content).decode("latin-1")


def _keys(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    shapes = key_shapes(before="")
    for where, text in texts:
        if any(shapes.search(view) for view in _views(text)):
            yield SECRET, f"{where} has text in the shape of a key"


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a value, names included, each with its place."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"a name in {where}".rstrip(), str(name)
            yield from _texts(inner, f"{where} {'…' if len(str(name)) > 40 else name}".strip())
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, where)
    elif isinstance(value, str | bytes):
        yield where, value if isinstance(value, str) else value.decode("latin-1")


def _views(text: str) -> Iterator[str]:
    """Yield a text unescaped, then percent-decoded, then each part that may be base64, decoded at each alignment."""
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    yield plain
    if "%" in plain:
        plain = unquote_plus(plain)
        yield plain
    for match in _BASE64.finditer(plain):
        word = match[0].replace("-", "+").replace("_", "/")
        for start in range(4):
            part = word[start : len(word) - (len(word) - start) % 4]
            try:
                yield base64.b64decode(part, validate=True).decode("latin-1")
            except (binascii.Error, ValueError):
                continue
