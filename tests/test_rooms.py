"""The rooms of the library, and that each imports from those below it alone, also for type checkers."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import invoice_bridge
from invoice_bridge import providers

SRC = Path(invoice_bridge.__file__).parent
MODULES = {
    ".".join(("invoice_bridge", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(SRC.rglob("*.py"))
    if "scaffold/adapter" not in path.as_posix()  # a template, which is copied under another name
}
FLOORS = (
    ("core",),
    ("files",),
    ("adapter",),
    ("engine",),
    ("journal",),
    ("providers",),
    ("decode", "matrix"),
    ("explain", "scaffold", "webhooks"),
    ("emulator",),
    ("client",),
    ("cassettes",),
    ("compare",),
    ("testing",),
    ("cli",),
    ("__main__",),
)
"""The rooms from the ground up: each may import from lower floors, and from itself."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
BY_NAME = {("invoice_bridge.core.model", "invoice_bridge.decode")}
"""The one declared exception: `Invoice.unmapped` asks `decode`."""


def _room(module: str) -> str:
    return module.split(".")[1]


@cache
def _imports(module: str) -> frozenset[str]:
    """The modules of ours that a module imports, those for type checkers alone among them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return frozenset(found & set(MODULES) - {module, "invoice_bridge"})


def _arrows() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        if module != "invoice_bridge":  # the public names, from every room
            yield from ((module, other) for other in sorted(_imports(module)) if (module, other) not in BY_NAME)


def test_every_module_is_in_a_room() -> None:
    """A new folder or file at the top has a floor."""
    assert {_room(module) for module in MODULES if module != "invoice_bridge"} == set(FLOOR)
    assert len(MODULES) > 100


def test_no_arrow_runs_up() -> None:
    """What a room imports is below it, also what it imports for type checkers."""
    up = [
        f"{module} → {other}"
        for module, other in _arrows()
        if _room(module) != _room(other) and FLOOR[_room(other)] >= FLOOR[_room(module)]
    ]
    assert up == []


def test_no_circle() -> None:
    """No file imports itself by way of others, inside a room either."""
    graph: dict[str, set[str]] = {}
    for module, other in _arrows():
        if MODULES[other].name != "__init__.py" or _room(module) != _room(other):
            graph.setdefault(module, set()).add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" → ".join(circle.args[1]))


def test_what_bills_never_imports_a_test_double() -> None:
    """An emulator is named by its path and loaded when it is asked for."""
    found = [
        f"{module} → {other}"
        for module, other in _arrows()
        if module.startswith("invoice_bridge.providers.") and ".emulator" in other and ".emulator" not in module
    ]
    assert found == []
    code = (
        "import sys, invoice_bridge; invoice_bridge.Client; invoice_bridge.providers.get('stripe'); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "invoice_bridge.providers.stripe.verbs" in loaded
    assert [name for name in loaded if name.startswith("invoice_bridge") and "emulator" in name] == []
    made = providers.get("stripe").emulator()
    assert type(made).__name__ == "StripeEmulator"


LONG = {"client/clients.py", "client/core.py", "core/commands.py"}
"""The files that are longer than they should be; this list only shrinks."""


def test_every_file_can_be_read_in_one_sitting() -> None:
    """400 lines and a little; a long one is split by part of the document, never by layer."""
    lengths = {
        path.relative_to(SRC).as_posix(): path.read_text("utf-8").count("\n") for path in sorted(SRC.rglob("*.py"))
    }
    assert {name for name, lines in lengths.items() if lines > 430} == LONG
