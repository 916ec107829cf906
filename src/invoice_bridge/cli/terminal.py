"""Stable JSON on stdout, and whether stdout is a terminal that takes colours; rich is loaded only where it is one."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoice_bridge.core.losses import Loss

_STEERS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def write_json(value: Any) -> None:
    """Print one JSON document: keys in the order given, indented."""
    sys.stdout.write(escaped(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def escaped(document: str) -> str:
    """Write what could steer a terminal as JSON's own escapes; the document means the same.

    That is every character of Unicode's category "other" (DEL, C1 controls, direction marks, private use and the like)
    and its line and paragraph separators. In JSON they stand within strings alone. Line ends and tabs stay, as layout.
    """
    if document.replace("\n", "").replace("\t", "").isprintable():  # then it has none of them
        return document
    return "".join(_escape(c) if unicodedata.category(c) in _STEERS and c not in "\n\t" else c for c in document)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def loss_json(loss: Loss) -> dict[str, str]:
    """A loss as JSON."""
    return {name: str(value) for name, value in asdict(loss).items()}


def in_color() -> bool:
    """Whether stdout takes colours: a terminal, and NO_COLOR (https://no-color.org) is not set."""
    forced = ("FORCE_COLOR", "TTY_COMPATIBLE")  # what rich takes for a terminal
    if wants_no_color() or not (sys.stdout.isatty() or any(name in os.environ for name in forced)):
        return False
    from rich.console import Console

    return Console(file=sys.stdout).color_system is not None


def wants_no_color() -> bool:
    """Whether NO_COLOR is set to anything: then nothing is written but text, bold and bars being escapes as well."""
    return bool(os.environ.get("NO_COLOR"))
