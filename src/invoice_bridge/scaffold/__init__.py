"""Write a new provider's adapter as its own distribution, for `invoice-bridge new-provider`.

Rules of this file: the folder `adapter/` is a working adapter of an invented provider, Acme. It is copied with the name
replaced, so the checks of this repository cover the scaffolded code. Files that tools would read in place
(`pyproject.toml`, tests) end in `.tmpl`. Billing needs nothing from this package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from invoice_bridge import providers
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.files import write as write_file

__all__ = ["new_provider"]

_NAME = re.compile(r"[a-z][a-z0-9]{1,29}", re.ASCII)
_PLACES = {
    "pyproject.toml.tmpl": "pyproject.toml",
    "README.md.tmpl": "README.md",
    "adapter": "src/invoice_bridge_{name}",
    "test_conformance.py.tmpl": "tests/test_conformance.py",
}


def new_provider(name: str, into: Path) -> tuple[Path, ...]:
    """Write an adapter's distribution into the folder `into`/invoice-bridge-NAME, and return the files written.

    The distribution can be installed, and passes the conformance suite without a change. `name` is the provider's, for
    module names and loss codes: 2 to 30 lower-case letters and digits that begin with a letter. Raises
    ConfigurationError for another name, for an existing provider, and for a folder that exists or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a provider's name: write 2 to 30 lower-case letters and digits, a letter first"
        )
    if name in providers.names():
        raise ConfigurationError(f"the provider {name!r} already exists: choose another name")
    target = into / f"invoice-bridge-{name}"
    try:
        into.mkdir(parents=True, exist_ok=True)
        target.mkdir()
        return tuple(_write(name, target))
    except FileExistsError as error:
        raise ConfigurationError(
            f"{error.filename} already exists; nothing was written: remove it, or choose another folder"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{error.filename or target} cannot be written: {error.strerror}") from None


def _write(name: str, target: Path) -> Iterator[Path]:
    for source, place in _PLACES.items():
        for file, below in _sources(files(__name__) / source):
            path = target / place.format(name=name) / below if below else target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, _renamed(file.read_text("utf-8"), name))
            yield path


def _sources(source: Traversable, place: str = "") -> Iterator[tuple[Traversable, str]]:
    """Yield a file, or all modules of a folder and its subfolders, each with its relative path; skip caches."""
    if source.is_file():
        yield source, place
        return
    for child in sorted(source.iterdir(), key=lambda child: child.name):
        if child.name.endswith(".py") or (child.is_dir() and child.name != "__pycache__"):
            yield from _sources(child, f"{place}/{child.name}" if place else child.name)


def _renamed(text: str, name: str) -> str:
    return text.replace("acme", name).replace("Acme", name.capitalize()).replace("ACME", name.upper())
