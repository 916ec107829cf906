"""Cassette files: found in a folder, read and written as vcrpy reads and writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invoice_bridge.errors import ConfigurationError

SUFFIXES = (".yaml", ".yml")


def found(place: Path) -> list[Path]:
    """List the cassettes in a folder and below, sorted, or the one that is named. Raises ConfigurationError."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise ConfigurationError(f"{place}: there is no such folder or file")
    paths = sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not paths:
        raise ConfigurationError(f"{place}: no cassettes there (*.yaml, *.yml): is it the right folder?")
    return paths


def load(path: Path) -> dict[str, Any]:
    """Read a cassette. Raises ConfigurationError for what vcrpy would not read."""
    serializer = _serializer()
    try:
        read = serializer.deserialize(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: it cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: it is no text in UTF-8: {type(error).__name__}") from None
    except _yaml_error():
        raise ConfigurationError(f"{path}: it is no YAML that vcrpy reads") from None
    if not isinstance(read, dict) or not isinstance(read.get("interactions"), list):
        raise ConfigurationError(f"{path}: it is no cassette: it has no list of interactions")
    return read


def save(path: Path, cassette: dict[str, Any]) -> None:
    """Write a cassette, as vcrpy would."""
    path.write_text(_serializer().serialize(cassette), encoding="utf-8", newline="")


def _serializer() -> Any:
    try:
        from vcr.serializers import yamlserializer
    except ImportError:
        raise ConfigurationError('cassettes need vcrpy: pip install "invoice-bridge[testing]"') from None
    return yamlserializer


def _yaml_error() -> type[Exception]:
    from yaml import YAMLError

    return YAMLError
