"""What the tests of this run prove: taken from those that passed, and held against the file that the matrix prints.

A test declares what it proves with `@pytest.mark.proves(provider, verb, kind)`, or, as the conformance suite does, with
a user property of that name. A run of the whole suite fails where the file says otherwise; `make evidence` writes it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from invoice_bridge.core.commands import Command

FILE = Path(__file__).parent.parent / "src" / "invoice_bridge" / "evidence.json"
KINDS = ("documented", "oracle", "emulator", "recording", "live")

_proved: set[tuple[str, str, str]] = set()
_skipped: set[tuple[str, str, str]] = set()
_broken: set[tuple[str, str, str]] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hand what a test's marks declare to its report, which also travels from the processes that run in parallel."""
    for mark in item.iter_markers("proves"):
        provider, verb, kind = mark.args
        if verb == "*":  # of the command that the test is parametrized with
            parameters = item.callspec.params.values()  # type: ignore[attr-defined]
            verb = next(value.capability for value in parameters if isinstance(value, Command))
        item.user_properties.append(("proves", f"{provider}:{verb}:{kind}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what passed tests prove, and what skipped ones would have."""
    for name, value in report.user_properties:
        if name == "proves":
            provider, verb, kind = str(value).split(":")
            if report.failed:
                _broken.add((provider, verb, kind))
            elif report.skipped:
                _skipped.add((provider, verb, kind))
            elif report.when == "call":
                _proved.add((provider, verb, kind))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the file, or fail where a whole, green run proves something else than it says."""
    config = session.config
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (
        config.option.keyword or config.option.markexpr or getattr(config.option, "lf", False)
    )
    whole = whole and config.getoption("--part") != "slow"
    if hasattr(config, "workerinput") or not whole or config.option.collectonly:
        return
    said = json.loads(FILE.read_text(encoding="utf-8"))
    found = as_json(_proved - _broken)
    if os.environ.get("PYTEST_EVIDENCE") == "write":
        # a skipped test, of recordings that are not there for example, takes nothing away
        said = as_json((_proved | (_skipped & _rows(said))) - _broken)
        FILE.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if exitstatus != 0:
        return
    if not _rows(found) <= _rows(said) <= _rows(found) | _skipped:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line("\nevidence.json does not say what this run proved: run `make evidence`", red=True)
        for line in difference(said, found):
            reporter.write_line(line, red=True)


def difference(said: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What one of both alone has: + what this run proved, - what the file has and no test proved."""
    new, old = _rows(found) - _rows(said), _rows(said) - _rows(found)
    return [f"+ {' '.join(row)}" for row in sorted(new)] + [f"- {' '.join(row)}" for row in sorted(old)]


def _rows(proofs: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(provider, verb, kind) for provider, verbs in proofs.items() for verb in verbs for kind in verbs[verb]}


def as_json(proofs: set[tuple[str, str, str]]) -> dict[str, dict[str, list[str]]]:
    """Proofs by provider and verb, the kinds in their order."""
    found: dict[str, Any] = {}
    for provider, verb, kind in sorted(proofs, key=lambda proof: (proof[0], proof[1], KINDS.index(proof[2]))):
        found.setdefault(provider, {}).setdefault(verb, []).append(kind)
    return found
