"""What holds for every test: no network but loopback, no key from the environment, the same examples every time."""

import gc
import ipaddress
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import hypothesis
import pytest

from tests.databases import place, postgres, postgres_journal  # noqa: F401 - fixtures
from tests.evidence import pytest_runtest_logreport, pytest_runtest_setup, pytest_sessionfinish  # noqa: F401 - hooks

pytest_plugins = ["pytester", "tests.measured"]  # the first one tests the plugin that this library ships

ROOT: Final = Path(__file__).resolve().parent.parent
SHARED: Final = ROOT.parent / "shared"

# Keys and settings of a developer's shell must not reach a test; a proxy would carry loopback requests elsewhere.
FOREIGN_PREFIXES: Final = ("CHARGEAPI_", "CHARGEBEE_", "INVOICE_BRIDGE_", "STRIPE_", "WHOP_")
FOREIGN_SUFFIX: Final = "_PROXY"

# Temporary files are kept in memory where there is room: thousands of journals are synchronised to the disk otherwise.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own there
ROOM: Final = 4 << 30
if MEMORY.is_dir() and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

LONG: Final = (
    "tests/compare/test_report.py",
    "tests/e2e/test_fault_matrix.py",
    "tests/e2e/test_lago.py",
    "tests/e2e/test_new_provider.py",
    "tests/e2e/test_report_page.py",
    "tests/e2e/test_report_use.py",
    "tests/e2e/test_two_providers.py",
    "tests/migrate/test_exactly_once.py",
    "tests/providers/whop/test_whop_tables.py",
    "tests/secrets/test_programs.py",
    "tests/test_benchmarks.py",
    "tests/test_courses.py",
    "tests/test_golden.py",
    "tests/test_site.py",
    "tests/test_tutorials.py",
    "tests/testing/test_plugin.py",
)
"""Files with a test that takes seconds: they start first."""

if missing := [name for name in LONG if not (ROOT / name).is_file()]:
    raise pytest.UsageError(f"tests/conftest.py: LONG names files that are not there: {', '.join(missing)}")

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("repeatable")  # the other one: pytest --hypothesis-profile=soak


class NetworkBlocked(RuntimeError):
    """A test reached for the network. Not an OSError: no HTTP library may take it for a connection that failed."""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _refuse_all_but_loopback(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes | bytearray) else host
    if not _is_loopback(name):
        raise NetworkBlocked(f"a test tried to reach {name!r}: tests reach loopback only, start an emulator instead")


def _guarded_socket_call(name: str) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        address = arguments[-1]
        if self.family in {socket.AF_INET, socket.AF_INET6} and isinstance(address, tuple):
            _refuse_all_but_loopback(address[0])
        return original(self, *arguments)

    return guarded


def _guarded_lookup(name: str) -> Callable[..., Any]:
    original = getattr(socket, name)

    def guarded(host: Any, *arguments: Any, **options: Any) -> Any:
        # No host, or the unspecified one, is asked for in order to listen.
        if host not in {None, "", b"", "0.0.0.0", "::"}:
            _refuse_all_but_loopback(host)
        return original(host, *arguments, **options)

    return guarded


def pytest_configure(config: pytest.Config) -> None:
    """Close the doors before the first test module is imported, not only while a test runs."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, _guarded_socket_call(name))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        patch.setattr(socket, name, _guarded_lookup(name))
    for variable in list(os.environ):
        if variable.upper().startswith(FOREIGN_PREFIXES) or variable.upper().endswith(FOREIGN_SUFFIX):
            patch.delenv(variable)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make test` runs one part and `make slow` the other one; a plain `pytest` runs both."""
    parser.addoption("--part", choices=("all", "fast", "slow"), default="all", help="which tests to run, by mark slow")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other part, and start long tests first: no worker waits for one at the end of a parallel run."""
    part = config.getoption("--part")
    slow = [item for item in items if item.get_closest_marker("slow")]
    if part == "slow":
        config.hook.pytest_deselected(items=[item for item in items if not item.get_closest_marker("slow")])
        items[:] = slow
    elif part == "fast":
        for item in slow:  # skipped, not deselected: what it proves then still counts as not tried (tests/evidence.py)
            item.add_marker(pytest.mark.skip(reason="slow: `make slow` runs it"))
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in LONG)


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection: each full collection would visit all of them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The reference material beside the checkout: contracts and recordings. Without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("no reference material: there is no directory ../shared beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def _no_pace_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that another test left behind keeps its account's pace, with that test's clock: none waits for it."""
    if options := sys.modules.get("invoice_bridge.client.options"):
        monkeypatch.setattr(options, "_paces", WeakValueDictionary())
