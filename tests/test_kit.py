"""The kit that adapters import: its names are complete and light, and an adapter outside needs nothing else."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import invoice_bridge
from invoice_bridge import adapter

SRC = Path(invoice_bridge.__file__).parent
ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {
    "the scaffold": tuple(sorted((SRC / "scaffold" / "adapter").rglob("*.py"))),
    "the toy adapter": (ROOT / "tests" / "toy.py",),
    "the example for Lago": tuple(sorted((ROOT / "examples" / "lago" / "src").rglob("*.py"))),
}
"""The adapters that are written as a third party writes them."""


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The modules that are imported from, and each name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((str(node.module), alias.name) for alias in node.names)


def test_the_names_are_sorted_and_none_is_listed_twice() -> None:
    """Sorted as a program sorts them: capitals first."""
    assert sorted(set(adapter.__all__)) == adapter.__all__


def test_the_names_are_complete() -> None:
    """What type checkers see imported, what is loaded on use, and what is listed are the same names and modules."""
    seen = {
        alias.name: str(node.module).removeprefix("invoice_bridge.adapter.")
        for block in _tree(Path(adapter.__file__)).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == adapter._MODULES
    assert set(seen) == set(adapter.__all__)
    assert set(dir(adapter)) >= set(adapter.__all__)
    with pytest.raises(AttributeError, match=r"module 'invoice_bridge\.adapter' has no attribute 'Providr'"):
        _ = adapter.Providr  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", adapter.__all__)
def test_every_name_is_the_one_of_its_module(name: str) -> None:
    """Each name loads from the module that is listed for it, and a module of the same name does not take its place."""
    value = getattr(adapter, name)
    module = sys.modules[f"invoice_bridge.adapter.{adapter._MODULES[name]}"]
    assert value is getattr(module, name)
    assert not isinstance(value, type(sys))


def test_what_the_built_in_adapters_use_is_in_the_kit() -> None:
    """Whatever the four adapters import from this room, a third party can import from the kit."""
    used = {
        name
        for path in sorted((SRC / "providers").rglob("*.py"))
        for module, name in _imported(_tree(path))
        if module.startswith("invoice_bridge.adapter.")
    }
    assert len(used) > 50
    assert used - set(adapter.__all__) == set()


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_adapter_outside_imports_the_kit_and_core_alone(name: str) -> None:
    """No other room, and no module of the kit: those may move."""
    modules = {module for path in OUTSIDE[name] for module, _ in _imported(_tree(path))}
    ours = {module for module in modules if module.partition(".")[0] == "invoice_bridge"}
    assert "invoice_bridge.adapter" in ours
    others = {module for module in ours if not module.startswith("invoice_bridge.core.")} - {"invoice_bridge.adapter"}
    assert others == set()


@pytest.mark.parametrize("first", ["invoice_bridge.adapter", "invoice_bridge.adapter.rows"])
def test_a_column_kind_that_shares_its_modules_name_is_the_column_kind(first: str) -> None:
    """`rows` is a function whichever module was loaded first."""
    code = f"import {first}; from invoice_bridge.adapter import rows; print(type(rows).__name__)"
    assert _python(code).strip() == "function"


def test_importing_the_kit_loads_nothing_else() -> None:
    """Names are loaded when they are used: the emulation room and the HTTP library only for what needs them."""
    ours = {name for name in _loaded("import invoice_bridge.adapter") if name.startswith("invoice_bridge")}
    assert ours == {"invoice_bridge", "invoice_bridge.adapter", "invoice_bridge.adapter.homes"}
    loaded = _loaded(
        "from invoice_bridge.adapter import Context, Provider, Shape, Verbs, Webhooks, rows, submit_change"
    )
    assert [name for name in loaded if "emulation" in name or name.partition(".")[0] == "httpx"] == []
    assert "invoice_bridge.adapter.emulation.core" in _loaded("from invoice_bridge.adapter import Emulator")


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def _loaded(code: str) -> list[str]:
    loaded: list[str] = json.loads(_python(f"{code}; import sys, json; print(json.dumps(sorted(sys.modules)))"))
    return loaded
