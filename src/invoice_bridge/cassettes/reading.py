"""The reader of cassettes, which record, replay, check, drift and compare share.

Rules of this file: a cassette is untrusted data. The safe loader reads it (vcrpy's own loader can make any Python
object). It refuses aliases, deep nesting and huge files, which vcrpy never writes, before they cost time or memory.
"""

from __future__ import annotations

import re
from typing import Any, Final

from invoice_bridge.core.errors import ConfigurationError

MAX_BYTES: Final = 12_000_000
"""The largest file. SECURITY.md has the cost of reading a file of this size."""
MAX_NODES: Final = 400_000
"""The most keys, values, lists and mappings in a file; each costs 300 to 700 bytes of memory while it is read."""
MAX_DEPTH: Final = 20
"""The deepest nesting of lists and mappings. vcrpy writes six levels: file, interactions, interaction, request,
headers, values."""

LONGEST_NUMBER: Final = 1000
"""The most characters in a value that is not text. YAML 1.1 has numbers to base 60 (1:30:00), and PyYAML's cost for
them is quadratic."""

# An anchor or alias of libyaml is & or * and then letters, digits, _ or -, at the beginning of a token. No token begins
# after one of the characters excluded here. Text may match as well, so a match leads to a check of every token.
_MAYBE_ALIAS = re.compile(rb"(?<![A-Za-z0-9%._~+=-])[&*][A-Za-z0-9_-]")


def interactions(content: bytes, name: str) -> list[dict[str, Any]]:
    """Read the interactions of a cassette; `name` is the file's, for messages. Raises ConfigurationError."""
    listed: list[dict[str, Any]] = load(content, name)["interactions"]
    for place, interaction in enumerate(listed):
        if not isinstance(interaction, dict):
            raise ConfigurationError(f"{name}: interaction {place} is not a mapping; record the cassette again")
    return listed


def load(content: bytes, name: str) -> dict[str, Any]:
    """Read a whole cassette: a mapping with a list of unchanged `interactions`.

    `name` is the file's, for messages. Raises ConfigurationError, with the line if YAML reports one, for more than
    MAX_BYTES, nesting beyond MAX_DEPTH, aliases and anchors, and for a file that is not a cassette.
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
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name}: it is not UTF-8 text (line {line})") from None
    try:
        if _MAYBE_ALIAS.search(content):
            _refuse_aliases(content, name)
        data = yaml.load(content, _bounded(name))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # PyYAML's constructors raise any of these for a tag and a value that do not fit: !!int "", !!bool x
        reason = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"{name}: it is not valid YAML for a cassette: {reason}") from None
    if not isinstance(data, dict) or not isinstance(data.get("interactions"), list):
        raise ConfigurationError(f"{name}: it is not a cassette: it has no list of interactions")
    return data


def _bounded(name: str) -> Any:
    """Return a safe loader, libyaml's if it is installed, that stops at the bounds while it reads.

    PyYAML calls descend_resolver before and ascend_resolver after each node that it composes, in C and in Python
    (PyYAML 6.0, CParser and Composer). Both exist for path resolvers, and the safe loaders have none.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Bounded(base):  # type: ignore[misc]
        nodes = 0
        depth = -1  # the document itself is not inside a list or mapping

        def descend_resolver(self, current_node: Any, _: Any) -> None:
            self.nodes += 1
            self.depth += 1
            if self.nodes > MAX_NODES:
                raise ConfigurationError(f"{name}{_line(current_node)}: {_too_many()}")
            if self.depth > MAX_DEPTH:
                raise ConfigurationError(f"{name}{_line(current_node)}: {_TOO_DEEP}")

        def ascend_resolver(self) -> None:
            self.depth -= 1

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            if isinstance(value, str) and len(value) > LONGEST_NUMBER and implicit[0]:
                return "tag:yaml.org,2002:str"  # the resolver's patterns for numbers would cost sixty times its size
            return super().resolve(kind, value, implicit)

        def construct_scalar(self, node: Any) -> Any:
            if node.tag not in _TEXTS and len(node.value) > LONGEST_NUMBER:
                raise ConfigurationError(
                    f"{name}{_line(node)}: it has a number or date of more than {LONGEST_NUMBER} characters, "
                    "which no cassette has: record it again"
                )
            return super().construct_scalar(node)

    return Bounded


_TEXTS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"}
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH}, which no cassette is: record it again"


def _too_many() -> str:
    return f"it has more than {MAX_NODES} values: record several smaller cassettes"


def _line(node: Any) -> str:
    """Return ":" and the line where a node or an event begins, or "" if the line is unknown."""
    mark = getattr(node, "start_mark", None)
    return "" if mark is None else f":{mark.line + 1}"


def _refuse_aliases(content: bytes, name: str) -> None:
    """Refuse aliases and anchors, with the line; the parser reads events one by one, so nothing is expanded."""
    import yaml

    parse: Any = yaml.parse  # types-PyYAML has no types for it
    for count, event in enumerate(parse(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ConfigurationError(
                f"{name}{_line(event)}: it has a YAML alias or anchor, which no cassette has: write the value out"
            )
        if count > 3 * MAX_NODES:  # the loader refuses it: each node has two events at most
            return
