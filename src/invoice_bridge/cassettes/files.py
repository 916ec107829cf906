"""Cassette files: list them in a folder, and read and write them as vcrpy does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invoice_bridge import files
from invoice_bridge.cassettes import reading as recording
from invoice_bridge.core.errors import ConfigurationError

SUFFIXES = (".yaml", ".yml")


def list_paths(place: Path) -> list[Path]:
    """List the cassettes in a folder and below, sorted, or return the one file. Raises ConfigurationError."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise ConfigurationError(f"{place}: this folder or file does not exist")
    paths = sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not paths:
        raise ConfigurationError(f"{place}: it has no cassettes (*.yaml, *.yml); is it the right folder?")
    return paths


def load(path: Path) -> dict[str, Any]:
    """Read a cassette. Raises ConfigurationError if it cannot be read, is not a cassette or exceeds the bounds."""
    try:
        with path.open("rb") as file:
            content = file.read(recording.MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: it cannot be read: {error.strerror}") from None
    return recording.load(content, str(path))


def save(path: Path, cassette: dict[str, Any]) -> None:
    """Write a cassette, as vcrpy would. Raises ConfigurationError if it cannot be written."""
    try:
        from vcr.serializers import yamlserializer
    except ImportError:
        raise ConfigurationError('cassettes need vcrpy: pip install "invoice-bridge[testing]"') from None
    text: str = yamlserializer.serialize(cassette)  # type: ignore[no-untyped-call]
    files.write(path, text)
