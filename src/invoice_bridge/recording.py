"""The text of a cassette → its interactions: the one reader that record, replay, check, drift and compare share.

Rules of this file: a cassette is somebody else's data. It is read by the safe loader (vcrpy's own would make any Python
object), and what vcrpy never writes is refused before it can cost anything: aliases, deep nesting, huge files.
"""

from __future__ import annotations

import re
from typing import Any, Final

from invoice_bridge.errors import ConfigurationError

MAX_BYTES: Final = 64_000_000
"""Of a file. Chosen, not measured: what a file of this size costs in memory and seconds is not known yet."""
MAX_DEPTH: Final = 20
"""Of lists and mappings in each other. vcrpy writes six: file, interactions, interaction, request, headers, values."""

# libyaml's anchors and aliases are & or * and then letters, digits, _ or -, at the beginning of a token; after one of
# the characters excluded here no token begins. Text may match as well, so a match is looked at token by token.
_MAYBE_ALIAS = re.compile(r"(?<![A-Za-z0-9%._~+=-])[&*][A-Za-z0-9_-]")


def interactions(content: bytes, name: str) -> list[dict[str, Any]]:
    """Read the interactions of a cassette; `name` is the file's, for messages. Raises ConfigurationError."""
    found: list[dict[str, Any]] = load(content, name)["interactions"]
    for place, interaction in enumerate(found):
        if not isinstance(interaction, dict):
            raise ConfigurationError(f"{name}: interaction {place} is not a mapping; record the cassette again")
    return found


def load(content: bytes, name: str) -> dict[str, Any]:
    """Read a cassette as a whole: a mapping with a list of `interactions`, each as it is written.

    `name` is the file's, for messages. Raises ConfigurationError, with the line where YAML has one, for more than
    MAX_BYTES, nesting beyond MAX_DEPTH, aliases and anchors, and for what is no cassette.
    """
    try:
        import yaml
    except ImportError:
        raise ConfigurationError(
            f'{name}: reading a cassette needs PyYAML: pip install "invoice-bridge[testing]"'
        ) from None
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            f"{name}: it has {len(content)} bytes, more than {MAX_BYTES}: record several smaller cassettes"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name}: it is no text in UTF-8 (line {line})") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if _MAYBE_ALIAS.search(text):
            _scan(text, name)
        data = yaml.load(text, loader)  # noqa: S506 - a safe loader
    except RecursionError:
        raise ConfigurationError(f"{name}: {_TOO_DEEP}") from None
    except (yaml.YAMLError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"{name}: it is not YAML that a cassette has: {told}") from None
    if not isinstance(data, dict) or not isinstance(data.get("interactions"), list):
        raise ConfigurationError(f"{name}: it is no cassette: it has no list of interactions")
    if _is_deep(data):
        _scan(text, name)
        raise ConfigurationError(f"{name}: {_TOO_DEEP}")
    return data


_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH}, which no cassette is: record it again"


def _is_deep(data: Any) -> bool:
    """Whether lists and mappings lie in each other deeper than MAX_DEPTH, found level by level."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _scan(text: str, name: str) -> None:
    """Refuse aliases, anchors and depth, with the line; events are read one by one, so nothing is expanded."""
    import yaml

    depth = 0
    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ConfigurationError(
                f"{name}:{line}: it has a YAML alias or anchor, which a cassette has not: write the value out"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ConfigurationError(f"{name}:{line}: {_TOO_DEEP}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
