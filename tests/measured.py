"""What `make coverage` measured in this process is written when its tests end."""

import sys

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Write it now: a worker that needs more than ten seconds to exit is killed, with what it would write then."""
    measuring = sys.modules.get("coverage")
    if measuring is not None and (current := measuring.Coverage.current()) is not None:
        current.save()
