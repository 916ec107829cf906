"""What a command is at, for a person who waits: one line on stderr from the first second on, gone when the work ends.

Rules of this file: it is for terminals alone. Nothing is written under `--json`, into a pipe or a file, where NO_COLOR
or TERM=dumb refuse escapes, or for work of less than a second. rich is loaded only if something is shown.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread, Timer
from typing import Any, TypeVar

from invoice_bridge.cli.exits import is_json
from invoice_bridge.cli.terminal import wants_no_color

T = TypeVar("T")
_AFTER = 1.0
"""Seconds before the line is shown."""


class Line:
    """The line of one piece of work; its methods do nothing where nothing is shown."""

    def __init__(self, text: str) -> None:
        self._text, self._done = text, 0
        self._total: int | None = None
        self._bar: Any = None
        self._lock, self._is_over = Lock(), False

    def show(self, done: int, total: int | None = None, text: str | None = None) -> None:
        """State how much is done, and of how much."""
        self._done, self._total, self._text = done, total, text or self._text
        if self._bar is not None:
            self._update()

    def start(self) -> None:
        """Show the line from now on, unless it was stopped."""
        with self._lock:
            if not self._is_over:
                bar = _bar()
                self._task = bar.add_task(self._text, total=None, count="")
                self._bar = bar  # only now: other threads may state how much is done
                self._update()
                bar.start()

    def stop(self) -> None:
        """Remove the line; it is not shown again."""
        with self._lock:
            self._is_over = True
            if self._bar is not None:
                self._bar.stop()

    def _update(self) -> None:
        count = f"{self._done}/{self._total}" if self._total else str(self._done or "")
        self._bar.update(self._task, description=self._text, completed=self._done, total=self._total, count=count)


_shown: list[Line] = []
"""The lines of the work under way."""


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _start_without_interrupts(thread: Thread) -> None:
    """Start a thread that is never the one that Ctrl-C reaches: the main thread would go on waiting for its answer."""
    if sys.platform == "win32":
        thread.start()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # threads begin with the mask of their maker
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def progress(text: str) -> Iterator[Line]:
    """Show what is done while the block runs, once it has run for a second."""
    line = Line(text)
    if not is_shown():
        yield line
        return
    timer = Timer(_AFTER, line.start)
    timer.daemon = True
    _shown.append(line)
    _start_without_interrupts(timer)
    try:
        yield line
    finally:
        timer.cancel()
        line.stop()
        _shown.remove(line)


def leave_terminal() -> None:
    """Remove the line for good, before another program writes to the terminal."""
    for line in _shown:
        line.stop()


def counted(values: Iterable[T], text: str) -> Iterator[T]:
    """Yield the values, and show how many there were."""
    with progress(text) as line:
        for number, value in enumerate(values, 1):
            line.show(number)
            yield value


def is_shown() -> bool:
    """Return whether a person sees stderr, and nothing reads the output in a pipe."""
    if is_json() or wants_no_color() or os.environ.get("TERM") == "dumb":
        return False
    return sys.stderr.isatty() and not _is_pipe(sys.stdout)


def _is_pipe(stream: Any) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
