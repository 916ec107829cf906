"""Modules that are imported when the first of their names is read.

Rules of this file: it is for modules that take milliseconds to import and that most programs never use. Nothing is kept
here: each name is read from the module itself, so that a test that replaces `asyncio.sleep` replaces it here too.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """A module by its name, "asyncio": imported at the first use of one of its names."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what inspection, copying and pickling look for imports nothing
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)
