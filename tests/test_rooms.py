"""The rooms of the library, and that each imports from those below it alone, also for type checkers."""

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from invoice_bridge import providers
from tools.rooms import FLOOR, MODULES, SRC, arrows, drawing, room


def test_every_module_is_in_aroom() -> None:
    """A new folder or file at the top has a floor."""
    assert {room(module) for module in MODULES if module != "invoice_bridge"} == set(FLOOR)
    assert len(MODULES) > 100


def test_no_arrow_runs_up() -> None:
    """What a room imports is below it, also what it imports for type checkers."""
    up = [
        f"{module} → {other}"
        for module, other in arrows()
        if room(module) != room(other) and FLOOR[room(other)] >= FLOOR[room(module)]
    ]
    assert up == []


def test_no_circle() -> None:
    """No file imports itself by way of others, inside a room either."""
    graph: dict[str, set[str]] = {}
    for module, other in arrows():
        if MODULES[other].name != "__init__.py" or room(module) != room(other):
            graph.setdefault(module, set()).add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" → ".join(circle.args[1]))


def test_what_bills_never_imports_a_test_double() -> None:
    """An emulator is named by its path and loaded when it is asked for."""
    found = [
        f"{module} → {other}"
        for module, other in arrows()
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


def test_every_file_can_be_read_in_one_sitting() -> None:
    """At most 400 lines; a longer file is split by part of the document, never by layer."""
    lengths = {
        path.relative_to(SRC).as_posix(): path.read_text("utf-8").count("\n") for path in sorted(SRC.rglob("*.py"))
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_the_drawing_has_every_room_and_no_arrow_that_follows_from_others() -> None:
    """docs/explanation/architecture.md shows what the imports are."""
    lines = {tuple(line.split(" --> ")) for line in drawing().replace("    ", "").splitlines() if "-->" in line}
    assert {name for line in lines for name in line} == set(FLOOR) - {"__main__", "files"}
    for above, below in lines:
        others = {two for one, two in lines if one == above} - {below}
        reached: set[str] = set()
        while others - reached:
            reached |= others
            others = {two for one, two in lines if one in reached}
        assert below not in reached
