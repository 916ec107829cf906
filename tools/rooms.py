"""The rooms of the library and their imports, for tests/test_rooms.py and the drawing on the architecture page."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src" / "invoice_bridge"
MODULES = {
    ".".join(("invoice_bridge", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(SRC.rglob("*.py"))
    if "scaffold/adapter" not in path.as_posix()  # a template, copied under another name
}
FLOORS = (
    ("core",),
    ("files",),
    ("adapter",),
    ("engine",),
    ("journal",),
    ("providers",),
    ("calibrations", "decode"),
    ("matrix",),
    ("explain", "scaffold", "webhooks"),
    ("emulator", "everyday"),
    ("client",),
    ("cassettes",),
    ("compare",),
    ("migrate", "switch"),
    ("mcp", "otel", "testing"),
    ("cli",),
    ("__main__",),
)
"""The rooms, the lowest first: each may import from lower floors and from itself."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
BY_NAME = {("invoice_bridge.core.model", "invoice_bridge.decode")}
"""The one exception: `Invoice.unmapped` calls `decode`."""


def room(module: str) -> str:
    """Return the room of a module: the name below the package."""
    return module.split(".")[1]


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of this package that a module imports, including imports for type checkers."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return frozenset(names & set(MODULES) - {module, "invoice_bridge"})


def arrows() -> list[tuple[str, str]]:
    """Return every import of one module by another, except the declared exception."""
    return [
        (module, other)
        for module in MODULES
        if module != "invoice_bridge"  # the public names, from every room
        for other in sorted(imports(module))
        if (module, other) not in BY_NAME
    ]


def drawing() -> str:
    """Return a diagram of the rooms from the top down, with direct imports but without those that others imply."""
    below: dict[str, set[str]] = {name: set() for name in FLOOR if name not in {"__main__", "files"}}
    for module, other in arrows():
        if room(module) in below and room(other) in below and room(module) != room(other):
            below[room(module)].add(room(other))
    reached: dict[str, set[str]] = {}
    for name in sorted(below, key=FLOOR.__getitem__):
        reached[name] = below[name].union(*(reached[lower] for lower in below[name]))
    lines = []
    for name in sorted(below, key=lambda name: (-FLOOR[name], name)):
        direct = {lower for lower in below[name] if not any(lower in reached[other] for other in below[name] - {lower})}
        lines += [f"    {name} --> {lower}" for lower in sorted(direct, key=lambda lower: (-FLOOR[lower], lower))]
    return "\n".join(("```mermaid", "graph TD", *lines, "```"))
