"""The rooms of the library and their imports: read by tests/test_rooms.py, drawn in the page on architecture."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src" / "invoice_bridge"
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
    ("emulator", "everyday"),
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


def room(module: str) -> str:
    """The room of a module: what stands below the package."""
    return module.split(".")[1]


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of ours that a module imports, those for type checkers alone among them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return frozenset(found & set(MODULES) - {module, "invoice_bridge"})


def arrows() -> list[tuple[str, str]]:
    """Every import of one module by another, but for the declared exception."""
    return [
        (module, other)
        for module in MODULES
        if module != "invoice_bridge"  # the public names, from every room
        for other in sorted(imports(module))
        if (module, other) not in BY_NAME
    ]


def drawing() -> str:
    """The rooms from the top down, each with the rooms that it imports, what follows from those left out."""
    below: dict[str, set[str]] = {name: set() for name in FLOOR if name not in {"__main__", "files"}}
    for module, other in arrows():
        if room(module) in below and room(other) in below and room(module) != room(other):
            below[room(module)].add(room(other))
    reached: dict[str, set[str]] = {}
    for name in sorted(below, key=FLOOR.__getitem__):
        reached[name] = below[name].union(*(reached[one] for one in below[name]))
    lines = []
    for name in sorted(below, key=lambda name: (-FLOOR[name], name)):
        direct = {one for one in below[name] if not any(one in reached[other] for other in below[name] - {one})}
        lines += [f"    {name} --> {one}" for one in sorted(direct, key=lambda one: (-FLOOR[one], one))]
    return "\n".join(("```mermaid", "graph TD", *lines, "```"))
