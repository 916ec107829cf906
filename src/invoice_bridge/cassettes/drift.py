"""Changes of an API: two recordings of the same scenarios, compared endpoint by endpoint.

Rules of this file: only fields that both sides could show are compared. A null, an empty list or an empty object shows
nothing of its possible content. Names that a caller chooses (metadata) are not part of the API.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from invoice_bridge.cassettes import bodies, files
from invoice_bridge.core.errors import ConfigurationError

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}")
_STATUS_LIKE: Final = re.compile(
    r"(?:^|_)(?:status|state|type|object|reason|method|behavior|mode|kind|code|interval|model)$"
)
_FREE: Final = re.compile(r"^meta_?data$")


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference at one endpoint. `kind` is added, removed, retyped, word or status; `path` a field or a step."""

    endpoint: str
    kind: str
    path: str
    old: str
    new: str

    def __str__(self) -> str:
        texts = {
            "added": f"{self.path} is new ({self.new})",
            "removed": f"{self.path} is gone (it was {self.old})",
            "retyped": f"{self.path} was {self.old} and is {self.new}",
            "word": f"{self.path} has a new word: {self.new} (known: {self.old})",
            "status": f"{self.path} was answered {self.old} and is answered {self.new}",
        }
        return f"{self.endpoint}: {texts[self.kind]}"


@dataclass(slots=True)
class _Endpoint:
    """The fields, words and statuses in one endpoint's answers."""

    kinds: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    words: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    statuses: dict[str, int] = field(default_factory=dict)

    def add(self, value: Any, path: str = "$") -> None:
        """Add one JSON value."""
        if isinstance(value, dict):
            if value:
                self.kinds[path].add("object")
            for name, inner in value.items():
                inner_path = f"{path}.{name}"
                if inner is None or inner in ([], {}):
                    self.kinds.setdefault(inner_path, set())  # the field exists, with an unknown type
                elif _FREE.match(name):
                    self.kinds[inner_path].add("an object of the caller's own")
                else:
                    self.add(inner, inner_path)
                    if isinstance(inner, str) and _STATUS_LIKE.search(name) and _WORD.fullmatch(inner):
                        self.words[inner_path].add(inner)
        elif isinstance(value, list):
            self.kinds[path].add("array")
            for inner in value:
                self.add(inner, f"{path}[]")
        elif value is not None:
            named = {bool: "boolean", str: "string"}
            self.kinds[path].add(named.get(type(value), "number"))


def drift(old: Path, new: Path) -> tuple[Drift, ...]:
    """Compare two cassettes, or two folders whose cassettes have the same names.

    Raises ConfigurationError if nothing can be compared: no cassette, none of the same name, no endpoint in common.
    """
    pairs = _pairs(old, new)
    before, after = _endpoints(left for _, left, _ in pairs), _endpoints(right for _, _, right in pairs)
    common = [endpoint for endpoint in before if endpoint in after]
    if not common:
        raise ConfigurationError(f"{old} and {new} have no endpoint in common: nothing was compared")
    return tuple(row for endpoint in sorted(common) for row in _of_endpoint(endpoint, before, after))


def _pairs(old: Path, new: Path) -> list[tuple[str, Path, Path]]:
    if old.is_file() and new.is_file():
        return [(old.name, old, new)]
    left, right = ({str(path.relative_to(place)): path for path in files.list_paths(place)} for place in (old, new))
    names = sorted(left.keys() & right.keys())
    if not names:
        raise ConfigurationError(f"{old} and {new} have no cassette of the same name: nothing was compared")
    return [(name, left[name], right[name]) for name in names]


def _endpoints(paths: Iterable[Path]) -> dict[str, _Endpoint]:
    endpoints: dict[str, _Endpoint] = defaultdict(_Endpoint)
    for path in paths:
        recorded = [_parts(path, interaction) for interaction in files.load(path)["interactions"]]
        ids = {text for _, _, _, answer in recorded for text in _ids(answer)}
        steps: Counter[str] = Counter()
        for method, address, status, answer in recorded:
            endpoint = f"{method} {_template(address, ids)}"
            steps[endpoint] += 1
            facts = endpoints[endpoint]
            facts.statuses[f"{path.stem}, step {steps[endpoint]}"] = status
            # an error has its own shape, the same at every endpoint
            facts.add(answer, "$" if status < 400 else "error $")
    return dict(endpoints)


def _parts(path: Path, interaction: Any) -> tuple[str, str, int, Any]:
    """Return the method, address, status and JSON of an interaction; None if the answer is not JSON."""
    try:
        request, answer = interaction["request"], interaction["response"]
        content = answer["body"]["string"]
        content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content or b""
        headers = {name.lower(): values[0] for name, values in answer["headers"].items() if values}
        address, method, status = request["uri"], request["method"], int(answer["status"]["code"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ConfigurationError(f"{path}: an interaction cannot be read; run cassettes check") from None
    try:
        text = bodies.read(content, headers.get("content-type", ""), headers.get("content-encoding", "")).text
        return method, address, status, json.loads(text)
    except (ValueError, RecursionError):
        return method, address, status, None


# ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _template(address: str, ids: set[str]) -> str:
    """Return the path of an address without ids: those of known objects, and segments with a digit except versions."""
    segments = [unquote(segment) for segment in urlsplit(address).path.split("/")]
    return "/".join("{id}" if segment in ids or _is_id(segment) else segment for segment in segments)


def _is_id(segment: str) -> bool:
    return bool(re.search(r"\d", segment)) and not re.fullmatch(r"v\d+(?:\.\d+)?", segment)


def _ids(value: Any) -> Iterator[str]:
    """Yield the value of every field `id` and of every field whose name ends in `_id`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and inner and (name == "id" or name.endswith("_id")):
                yield inner
            yield from _ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids(inner)


def _of_endpoint(endpoint: str, before: dict[str, _Endpoint], after: dict[str, _Endpoint]) -> Iterator[Drift]:
    old, new = before[endpoint], after[endpoint]
    for step, status in old.statuses.items():
        if new.statuses.get(step, status) != status:
            yield Drift(endpoint, "status", step, str(status), str(new.statuses[step]))
    for path in sorted(old.kinds.keys() | new.kinds.keys()):
        parent = re.sub(r"(?:\[\]|\.[^.\[\]]*)$", "", path)
        held = old.kinds.get(parent, set()) & new.kinds.get(parent, set())
        if not held & {"object", "array"} and (path != parent or not held):
            continue  # one side had no parent that could contain it, or no answer of this kind at all
        was, now = (_kinds(side.kinds.get(path)) for side in (old, new))
        if path not in old.kinds:
            yield Drift(endpoint, "added", path, "", now)
        elif path not in new.kinds:
            yield Drift(endpoint, "removed", path, was, "")
        elif old.kinds[path] and new.kinds[path] and not new.kinds[path] <= old.kinds[path]:
            yield Drift(endpoint, "retyped", path, was, now)
        for word in sorted(new.words.get(path, set()) - old.words.get(path, set())):
            if old.words.get(path):
                yield Drift(endpoint, "word", path, ", ".join(sorted(old.words[path])), word)


def _kinds(kinds: set[str] | None) -> str:
    return " or ".join(sorted(kinds)) if kinds else "null or empty"
