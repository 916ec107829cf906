"""Import every module with some extras and without the others: what each needs is written here, and no more than that.

`python tools/extras.py` is the installation without extras; `python tools/extras.py cli emulator` has these two. A
package of any other extra cannot be imported while it runs, installed or not. Prints what differs from the table.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

import invoice_bridge

PACKAGES = {
    "cli": {"typer", "click", "rich"},
    "emulator": {"starlette", "uvicorn", "click"},  # uvicorn asks for click
    "stripe": {"stripe"},
    "chargebee": {"chargebee"},
    "postgres": {"psycopg"},
    "migrate": {"sqlalchemy"},
    "migrate-postgres": {"pgqueuer", "psycopg", "sqlalchemy"},
    "fast": {"msgspec"},
    "report": set(),
    "otel": {"opentelemetry"},
    "mcp": {"mcp", "mcp_types", "opentelemetry", "starlette", "uvicorn", "click"},
    "testing": {"hypothesis", "pytest", "vcr", "yaml"},
}
"""The packages of each extra, by the names that they are imported by."""

NEEDS = {
    "invoice_bridge.cli.demo": {"cli", "emulator"},
    "invoice_bridge.cli": {"cli"},
    "invoice_bridge.emulator.connection": {"emulator"},
    "invoice_bridge.emulator.server": {"emulator"},
    "invoice_bridge.webhooks.asgi": {"emulator"},
    "invoice_bridge.mcp.asking": {"mcp"},
    "invoice_bridge.mcp.server": {"mcp"},
    "invoice_bridge.migrate": {"migrate"},
    "invoice_bridge.otel": {"otel"},
    "invoice_bridge.testing.fault_matrix": {"testing", "emulator"},
    "invoice_bridge.testing": {"testing"},
}
"""The extras of a module and of all modules below it. Any other module imports with httpx and pydantic alone."""


class Absent(MetaPathFinder):
    """Finds the packages of the extras that are left out first, and says that they are not installed."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Refuse a name of the list; leave any other to the other finders."""
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def modules() -> Iterator[str]:
    """Yield the name of every module of the installed library but its program and the scaffold's templates."""
    folders = [("invoice_bridge", list(invoice_bridge.__path__))]
    for prefix, paths in folders:
        for module in pkgutil.iter_modules(paths, f"{prefix}."):
            if module.name.endswith("__main__") or module.name == "invoice_bridge.scaffold.adapter":
                continue
            yield module.name
            if module.ispkg:
                folders.append((module.name, [f"{path}/{module.name.rpartition('.')[2]}" for path in paths]))


def imports(name: str) -> bool:
    """Return whether a module imports; a typed error that names the extra counts as one that does not."""
    try:
        importlib.import_module(name)
    except (ModuleNotFoundError, invoice_bridge.ConfigurationError):
        return False
    return True


def entry_of(name: str) -> str | None:
    """Return the entry of NEEDS that is about a module."""
    return next((prefix for prefix in NEEDS if f"{name}.".startswith(f"{prefix}.")), None)


def packages(extras: set[str]) -> set[str]:
    """Return the packages that some extras bring."""
    return set[str]().union(*(PACKAGES[extra] for extra in extras))


def main(extras: set[str]) -> int:
    """Import all modules with these extras; print what the table says otherwise."""
    if unknown := extras - set(PACKAGES):
        print(f"no such extra: {', '.join(sorted(unknown))}; there are {', '.join(PACKAGES)}")
        return 2
    present = packages(extras)
    sys.meta_path.insert(0, Absent(packages(set(PACKAGES)) - present))
    absent = {prefix for prefix, needs in NEEDS.items() if not packages(needs) <= present}
    names = list(modules())
    failing = {name for name in names if not imports(name)}
    wrong = [f"{name} should import" for name in sorted(failing) if entry_of(name) not in absent]
    wrong += [f"{prefix} imports without its extra" for prefix in sorted(absent - {entry_of(name) for name in failing})]
    with_what = ", ".join(sorted(extras)) or "no extra"
    print("\n".join(wrong) or f"with {with_what}: {len(names) - len(failing)} of {len(names)} modules import")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(set(sys.argv[1:])))
