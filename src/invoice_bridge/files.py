"""Files are written whole or not at all, and never through a link.

Rules of this file: text goes to a new file of a random name in the same folder, opened so that it cannot be a link or
another's file (O_EXCL, O_NOFOLLOW: open(2)), and is renamed when it is complete. Only a file is replaced: a device such
as /dev/null would be gone for every program of the machine.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from invoice_bridge.core.errors import ConfigurationError


@contextmanager
def replacing(path: Path, *, errors: str = "strict") -> Iterator[TextIO]:
    """Open a file to be written in UTF-8, which takes the place of `path` once the block ends without an exception.

    Raises ConfigurationError where `path` is a link, a folder or a device, or cannot be written; what was there before
    is then still there.
    """
    check_target(path)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(part, flags, 0o666)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors=errors, newline="") as file:
                yield file
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: it cannot be written: {error.strerror}") from None


def check_target(path: Path) -> None:
    """Raise ConfigurationError unless `path` is a file, or a new name in a folder that can be written to.

    For what takes long, or cannot be repeated: before it begins.
    """
    try:
        if path.is_symlink():
            raise ConfigurationError(f"{path}: it is a link, and no file is written through one: name the file itself")
        if path.is_dir():
            raise ConfigurationError(f"{path}: it is a folder: name a file in it")
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{path}: it is not a file that can be replaced: name another one")
        if not path.parent.is_dir():
            raise ConfigurationError(f"{path}: there is no such folder")
    except OSError as error:  # such as a name that is too long
        raise ConfigurationError(f"{path}: it cannot be written: {error.strerror}") from None
    if not os.access(path.parent, os.W_OK):
        raise ConfigurationError(f"{path}: its folder cannot be written to")


def write(path: Path, text: str) -> None:
    """Write a text to a file, whole or not at all. Raises ConfigurationError as `replacing` does."""
    with replacing(path) as file:
        file.write(text)
