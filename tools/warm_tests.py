"""Run tests against changed sources in forks of a process that is ready: tools/mutants.py starts two of these.

    python tools/warm_tests.py hot FOLDER FILES -- PYTEST_ARGUMENTS...     collected once: functions get other code
    python tools/warm_tests.py cold FOLDER MODULES -- PYTEST_ARGUMENTS...  MODULES are imported: each fork collects

FOLDER has a copy of the package. A line of JSON on stdin starts a fork, and a line on stdout has its result. Rules:

* "cold" imports nothing of the package and nothing of the tests before it forks, so a fork sees the file on the disk.
* "hot" gives a change to functions that exist already. It refuses one of module-level code, of a class body, or of a
  function that ran while everything was imported and collected: its results would still be those of the old code.
* The tests of a hot fork are those that entered the changed code when the unchanged code was tested. What survives
  them is no survivor yet, because a test may run the package in a program of its own: run it cold.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from time import monotonic
from types import CodeType, FunctionType
from typing import Any

import pytest
from mutant_targets import NOT_COLLECTED, REFUSED, TIMEOUT

LONGEST = 600
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
_IN_CODE = (
    *("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags", "co_exceptiontable"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_name"),
)


class Channel:
    """The requests on stdin and the results on stdout; tests get neither of the two."""

    def __init__(self, output: Path) -> None:
        self.requests = os.fdopen(os.dup(0), "r")
        self.results = os.fdopen(os.dup(1), "w")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        self.output = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(self.output, stream)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(json.loads, self.requests)

    def send(self, **result: Any) -> None:
        self.results.write(json.dumps(result) + "\n")
        self.results.flush()

    def fork(self, seconds: float) -> Fork | None:
        """Return the child's end in the child. The parent waits for it, at most so long, and sends the result."""
        os.ftruncate(self.output, 0)
        reading, writing = os.pipe()
        began, pid = monotonic(), os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os.close(reading)
            return Fork(writing)
        os.close(writing)
        alarm = threading.Timer(seconds, _kill, [pid])
        alarm.start()
        _, status = os.waitpid(pid, 0)
        is_late = not alarm.is_alive()
        alarm.cancel()
        alarm.join()
        _kill(pid)  # what it started and left running
        with os.fdopen(reading) as notes:
            found = [json.loads(line) for line in notes if line.endswith("\n")]
        code = TIMEOUT if is_late else os.waitstatus_to_exitcode(status)
        self.send(
            code=code, seconds=monotonic() - began, **{name: value for note in found for name, value in note.items()}
        )
        return None


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class Fork:
    """A plugin of pytest in a child: it notes the first test that fails, and the tests that enter each function."""

    def __init__(self, notes: int) -> None:
        self.notes = notes

    def note(self, **facts: Any) -> None:
        os.write(self.notes, (json.dumps(facts) + "\n").encode())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.note(failed=report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.note(failed=report.nodeid)


class Entered:
    """The code of some files that was entered: for each, by which tests, and "" while all was imported."""

    def __init__(self, files: list[str]) -> None:
        self.files, self.test = frozenset(files), ""
        self.by: dict[tuple[str, str, int], set[str]] = {}
        self.seconds: dict[str, float] = {}

    def start(self) -> None:
        threading.setprofile(self._observe)
        sys.setprofile(self._observe)

    def stop(self) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]

    def _observe(self, frame: Any, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename in self.files:
            self.by.setdefault(_key(code), set()).add(self.test)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.test, began = item.nodeid, monotonic()
        self.start()  # a test may have stopped it
        result = yield
        self.seconds[item.nodeid] = monotonic() - began
        return result


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def changes(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType, bool]]:
    """Yield the pairs of code that differ, with whether they differ themselves or only in what is inside them."""
    inner = [[const for const in code.co_consts if isinstance(const, CodeType)] for code in (old, new)]
    own = [[repr(const) for const in code.co_consts if not isinstance(const, CodeType)] for code in (old, new)]
    is_own = own[0] != own[1] or any(getattr(old, name) != getattr(new, name) for name in _IN_CODE)
    if len(inner[0]) != len(inner[1]):
        yield old, new, True
        return
    below = [change for pair in zip(*inner, strict=True) for change in changes(*pair)]
    if is_own or below:
        yield old, new, is_own
    yield from below


class Hot:
    """Waits with collected tests, and forks for each request; a child goes on to run the tests of its change."""

    def __init__(self, channel: Channel, package: Path, files: list[str]) -> None:
        self.channel, self.package = channel, package
        self.entered = Entered([str(package / file) for file in files])
        self.files = files
        self.functions: dict[CodeType, list[FunctionType]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Serve requests. In a child this returns, and pytest goes on with the tests that are left."""
        for file in self.files:
            importlib.import_module("invoice_bridge." + file.removesuffix(".py").replace("/", "."))
        self.entered.stop()
        gc.unfreeze()  # tests/conftest.py freezes, and frozen objects are not listed
        for thing in gc.get_objects():
            if isinstance(thing, FunctionType) and thing.__code__.co_filename in self.entered.files:
                self.functions.setdefault(thing.__code__, []).append(thing)
        gc.freeze()
        self.channel.send(modules=_imported())
        for request in self.channel:
            if request["do"] == "learn":
                for file, name, line, tests in request["by"]:
                    self.entered.by.setdefault((file, name, line), set()).update(tests)
                self.entered.seconds = request["seconds"]
                self.channel.send()
            elif request["do"] == "enter":
                if (fork := self.channel.fork(LONGEST)) is not None:
                    self._enter(fork, session)
                    return
            elif self._change(request, session):
                return
        os._exit(0)

    def _enter(self, fork: Fork, session: pytest.Session) -> None:
        """Give every function a copy of its own code, and report which tests enter it."""
        for same in self.functions.values():
            for function in same:
                function.__code__ = function.__code__.replace()
        entered = Entered(list(self.entered.files))
        for plugin in (fork, entered):
            session.config.pluginmanager.register(plugin)
        session.config.add_cleanup(partial(_report, fork, entered))

    def _change(self, request: dict[str, Any], session: pytest.Session) -> bool:
        """Send the result of a change, or the refusal of one; return whether this is the child."""
        place = str(self.package / request["file"])
        try:
            pairs = list(changes(*(compile(request[which], place, "exec") for which in ("old", "new"))))
        except SyntaxError:
            pairs = []
        own = [old for old, _, is_own in pairs if is_own]
        tests = set[str]().union(*(self.entered.by.get(_key(old), set()) for old in own))
        if not own or "" in tests or any(old.co_freevars != new.co_freevars for old, new, _ in pairs):
            self.channel.send(code=REFUSED)
            return False
        if not tests:
            self.channel.send(code=NOT_COLLECTED)
            return False
        fork = self.channel.fork(20 + 10 * sum(self.entered.seconds.get(test, 1.0) for test in tests))
        if fork is None:
            return False
        for old, new, _ in pairs:
            for function in self.functions.get(old, ()):
                function.__code__ = new
        session.items[:] = [item for item in session.items if item.nodeid in tests]
        session.config.pluginmanager.register(fork)
        return True


def _report(fork: Fork, entered: Entered) -> None:
    """Write down which tests entered which code, and how long they took."""
    entered.stop()
    by = [(*key, sorted(tests)) for key, tests in entered.by.items()]
    path = Path(os.environ["WARM_TESTS_NOTES"])
    path.write_text(json.dumps({"by": by, "seconds": entered.seconds}), "utf-8")
    fork.note(entered=str(path))


def _imported() -> list[str]:
    """Return the modules of other distributions, without pytest's plugins, which pytest has to load by itself."""
    owners = packages_distributions()
    plugins = {point.dist.name for point in entry_points(group="pytest11") if point.dist is not None}
    return [
        name
        for name, module in list(sys.modules.items())
        if "site-packages" in (getattr(module, "__file__", None) or "")
        if (owner := owners.get(name.partition(".")[0])) is not None and plugins.isdisjoint(owner)
    ]


def main() -> int:
    mode, folder, listed = sys.argv[1:4]
    arguments = sys.argv[5:]
    package = Path(folder) / "invoice_bridge"
    channel = Channel(Path(folder) / f"{mode}.txt")
    if mode == "hot":
        hot = Hot(channel, package, listed.split())
        hot.entered.start()
        return pytest.main([*arguments, *_OPTIONS], plugins=[hot])
    for name in listed.split():
        importlib.import_module(name)
    if any(name.partition(".")[0] in {"invoice_bridge", "tests"} for name in sys.modules):
        raise SystemExit("the package is imported already")
    channel.send(ready=True)
    for request in channel:
        fork = channel.fork(request["seconds"])
        if fork is not None:
            return pytest.main([*request["tests"], *arguments, *_OPTIONS], plugins=[fork])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
