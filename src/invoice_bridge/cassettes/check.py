"""Check a folder of cassettes, offline: secrets, provenance, what can never replay, age and API version.

Rules of this file: a finding names the place and the kind, never the value. Nothing is changed or recorded anew.
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
from invoice_bridge.cassettes.redaction import VERSION, Redactor, key_shapes
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
        at = f", interaction {self.interaction}" if self.interaction is not None else ""
        return f"{self.path}{at}: {self.kind}: {self.message}"


def check(place: Path, *, as_of: datetime, max_age: timedelta | None = None) -> tuple[int, tuple[Finding, ...]]:
    """Check one cassette, or every one in a folder and below; return how many there were, and the findings.

    `as_of` is the caller's time. Raises ConfigurationError if there is nothing to check.
    """
    paths = files.found(place)
    findings = [finding for path in paths for finding in _of_file(path, as_of, max_age)]
    if place.is_dir():
        for sidecar in sorted(place.rglob("*.provenance.json")):
            stem = sidecar.name.removesuffix(".provenance.json")
            if not any(sidecar.with_name(stem + suffix) in paths for suffix in files.SUFFIXES):
                findings.append(Finding(sidecar, PROVENANCE, "there is no cassette that it could speak of"))
    return len(paths), tuple(findings)


def _of_file(path: Path, as_of: datetime, max_age: timedelta | None) -> Iterator[Finding]:
    try:
        interactions = files.load(path)["interactions"]
    except ConfigurationError as problem:
        yield Finding(path, REPLAY, str(problem).removeprefix(f"{path}: "))
        return
    if not interactions:
        yield Finding(path, REPLAY, "it holds no interaction")
    said: Provenance | None = None
    try:
        said = provenance.read(path)
    except ConfigurationError as problem:
        told = str(problem).removeprefix(f"{path}: ").removeprefix(f"{provenance.path_of(path)}: ")
        yield Finding(path, PROVENANCE, told)
    declared = _declared(said, interactions)
    if said is not None:
        yield from _of_provenance(path, said, declared, interactions, as_of=as_of, max_age=max_age)
    redactor = Redactor(declared.name, ids=said is not None and said.origin == "live") if declared else None
    for number, interaction in enumerate(interactions, 1):
        yield from (Finding(path, kind, what, number) for kind, what in _of_interaction(interaction, redactor))


def _declared(said: Provenance | None, interactions: list[Any]) -> Provider | None:
    """The provider that a cassette is said to be of; where nothing is said, the one its host belongs to."""
    if said is not None and said.provider in providers.names():
        return providers.get(said.provider)
    hosts = {_host(interaction) for interaction in interactions}
    known = [providers.get(name) for name in providers.names()]
    return next((declared for declared in known if any(_belongs(host, declared) for host in hosts)), None)


# ── provenance, age and version ──────────────────────────────────────────────────────────────────────────────────────
def _of_provenance(
    path: Path,
    said: Provenance,
    declared: Provider | None,
    interactions: list[Any],
    *,
    as_of: datetime,
    max_age: timedelta | None,
) -> Iterator[Finding]:
    if said.sha256 != provenance.sum_of(path):
        yield Finding(path, PROVENANCE, "the cassette was changed since it was recorded: its sha256 is another one")
    if said.redactor < VERSION:
        yield Finding(path, PROVENANCE, f"redacted by version {said.redactor}, {VERSION} is newer; redact it again")
    if said.recorded_at > as_of and said.origin != "emulator":  # an emulator's clock is its own
        yield Finding(path, PROVENANCE, f"recorded_at is in the future: {said.recorded_at:%Y-%m-%d}")
    if max_age is not None and as_of - said.recorded_at > max_age:
        days = (as_of - said.recorded_at).days
        yield Finding(path, AGE, f"recorded {days} days ago, more than {max_age.days}; record it again")
    if declared is None or said.provider != declared.name:
        yield Finding(path, PROVENANCE, f"there is no provider {said.provider!r}")
        return
    for host in sorted({_host(interaction) for interaction in interactions} - {""}):
        served_here = said.origin == "emulator" and _is_loopback(host)
        if not served_here and not _belongs(host, declared):
            yield Finding(path, PROVENANCE, f"{host} is no host of {declared.title}")
    if _is_older(said.api_version, declared.api_version):
        text = f"recorded at {said.api_version}, the adapter speaks {declared.api_version}; record it again"
        yield Finding(path, API_VERSION, text)
    for version in provenance.versions(declared.name, interactions):
        if version != said.api_version:
            yield Finding(path, PROVENANCE, f"it says API version {said.api_version}, the requests say {version}")


def _is_older(version: str, than: str) -> bool:
    """Compare versions by their numbers: 2026-08-26.dahlia is older than 2026-10-28.endive."""
    mine, theirs = ([int(digits) for digits in re.findall(r"\d+", text)] for text in (version, than))
    return mine < theirs


def _host(interaction: Any) -> str:
    try:
        return urlsplit(interaction["request"]["uri"]).hostname or ""
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


@cache
def _home(provider: str) -> str:
    """The domain of a provider's API, the first label of its host left out: that may be a site or a sandbox."""
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


# ── what can never replay ────────────────────────────────────────────────────────────────────────────────────────────
_OF_A_REQUEST: Final = ("method", "uri", "body", "headers")


def _of_interaction(interaction: Any, redactor: Redactor | None) -> Iterator[tuple[str, str]]:
    if why := _unreadable(interaction):
        yield REPLAY, why
        yield from _keys(_texts(interaction))
        return
    if why := _never_replays(interaction):
        yield REPLAY, why
    yield from _secrets(interaction, redactor)


def _unreadable(interaction: Any) -> str | None:
    """Why vcrpy would not read an interaction; None where it would."""
    try:
        request, answer = interaction["request"], interaction["response"]
        wrong = [name for name in _OF_A_REQUEST if name not in request]
        wrong += [name for name in request if name not in _OF_A_REQUEST]
        if wrong:
            return f"vcrpy cannot read its request: {', '.join(wrong)} missing or unknown"
        for message, content in ((request, request["body"]), (answer, answer["body"]["string"])):
            _bytes(content)
            _headers(message)
        urlsplit(request["uri"])
        int(answer["status"]["code"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return "vcrpy cannot read it: a part is missing or has another shape"
    return None


def _never_replays(interaction: Mapping[str, Any]) -> str | None:
    """Why no request is ever given this answer; None where one is.

    vcrpy plays equal requests one after the other, in the order they were recorded, so a request that repeats another
    replays as long as `allow_playback_repeats` is off (with it on, the first answer is given each time).
    """
    request, answer = interaction["request"], interaction["response"]
    address = urlsplit(request["uri"])
    if address.scheme not in {"http", "https"} or not address.hostname:
        return "its address is no whole URL: no request can be equal to it"
    if not re.fullmatch(r"[A-Z]+", str(request["method"])):
        return "its method is none: no request can be equal to it"
    if not 100 <= int(answer["status"]["code"]) <= 599:
        return "its answer has no HTTP status"
    coding, content = _headers(answer).get("content-encoding", ""), _bytes(answer["body"]["string"])
    if coding.lower() in {"gzip", "x-gzip"} and content and not content.startswith(b"\x1f\x8b"):
        return "its answer is said to be gzip and is not: every HTTP client fails on it"
    return None


def _bytes(content: Any) -> bytes:
    if content is not None and not isinstance(content, str | bytes):
        raise TypeError("a body is text or bytes")
    return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content or b""


def _headers(message: Mapping[str, Any]) -> dict[str, str]:
    """The first value of each header, names in lower case."""
    listed = {name: value if isinstance(value, list | tuple) else [value] for name, value in message["headers"].items()}
    return {str(name).lower(): str(values[0]) for name, values in listed.items() if values}


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _secrets(interaction: Mapping[str, Any], redactor: Redactor | None) -> Iterator[tuple[str, str]]:
    """What the tables would take out, then what looks like a credential in what they would leave."""
    left = interaction
    if redactor is not None:
        made = redactor.interaction(interaction)
        yield from ((SECRET, f"{note} is not redacted") for note in made.notes)
        yield from ((UNREAD, f"{problem}: look yourself, or leave it out") for problem in made.unparsed)
        left = made.interaction
    for side, label in (("request", "request"), ("response", "answer")):
        for name in left[side]["headers"]:
            if _RISKY.search(str(name)):
                yield SECRET, f"{label} header {name} is a credential by its name, and no table speaks of it"
    request, answer = left["request"], left["response"]
    outside = {
        "request": {name: value for name, value in request.items() if name != "body"},
        "answer": {name: value for name, value in answer.items() if name != "body"},
    }
    yield from _keys(_texts(outside))
    yield from _keys([("request body", _body(request, request["body"]))])
    yield from _keys([("answer body", _body(answer, answer["body"]["string"]))])


def _body(message: Mapping[str, Any], content: Any) -> str:
    """A body as text; byte for byte where it cannot be looked into, which is reported as unread."""
    told = _headers(message)
    try:
        return bodies.read(_bytes(content), told.get("content-type", ""), told.get("content-encoding", "")).text
    except ValueError:
        return _bytes(content).decode("latin-1")


def _keys(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    shapes = key_shapes(before="")
    for where, text in texts:
        if any(shapes.search(view) for view in _views(text)):
            yield SECRET, f"{where} holds something of the shape of a key"


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, names included, and where it stands."""
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
    """A text as it is, unescaped, percent-decoded, and whatever in it may be base64, at each of the alignments."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    yield plain
    if "%" in plain:
        plain = unquote_plus(plain)
        yield plain
    for found in _BASE64.finditer(plain):
        word = found[0].replace("-", "+").replace("_", "/")
        for start in range(4):
            part = word[start : len(word) - (len(word) - start) % 4]
            try:
                yield base64.b64decode(part, validate=True).decode("latin-1")
            except (binascii.Error, ValueError):
                continue
