"""What `make coverage` needs of the tests: it measures programs that they start, and workers write in time."""

import os
import sys

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Write it now: a worker that needs more than ten seconds to exit is killed, with what it would write then."""
    measuring = sys.modules.get("coverage")
    if measuring is not None and (current := measuring.Coverage.current()) is not None:
        current.save()


def measured() -> dict[str, str]:
    """Return the variables by which a program that a test starts is measured too; none but under `make coverage`."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
