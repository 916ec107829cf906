"""Stable JSON on stdout, and a check whether stdout takes colours; only a terminal loads rich."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoice_bridge.core.losses import Loss

_CONTROLS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def write_json(value: Any) -> None:
    """Print one indented JSON document, with its keys in the given order."""
    sys.stdout.write(escaped(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def escaped(document: str) -> str:
    """Replace characters that could control a terminal by JSON's own escapes; the document's meaning stays the same.

    They are all characters of Unicode's category "other" (DEL, C1 controls, direction marks, private use and so on) and
    the line and paragraph separators. JSON has them only in strings. Line ends and tabs stay: they are layout.
    """
    if document.replace("\n", "").replace("\t", "").isprintable():
        return document
    return "".join(_escape(c) if unicodedata.category(c) in _CONTROLS and c not in "\n\t" else c for c in document)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def loss_json(loss: Loss) -> dict[str, str]:
    """Return a loss as JSON."""
    return {name: str(value) for name, value in asdict(loss).items()}


def in_color() -> bool:
    """Return whether stdout takes colours: it is a terminal, and NO_COLOR (https://no-color.org) is not set."""
    forced = ("FORCE_COLOR", "TTY_COMPATIBLE")  # with one of them, rich assumes a terminal
    if wants_no_color() or not (sys.stdout.isatty() or any(name in os.environ for name in forced)):
        return False
    from rich.console import Console

    return Console(file=sys.stdout).color_system is not None


def wants_no_color() -> bool:
    """Return whether NO_COLOR is set to anything: then bold text and bars, which are escapes too, are off as well."""
    return bool(os.environ.get("NO_COLOR"))
