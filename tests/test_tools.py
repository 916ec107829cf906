"""The tools name files that exist: a module that moves takes its entry in a tool's table along."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "invoice_bridge"
MUTANTS = ast.parse((ROOT / "tools" / "mutant_targets.py").read_text("utf-8"))
CONSTANTS = {
    node.targets[0].id: ast.literal_eval(node.value)
    for node in MUTANTS.body
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    if node.targets[0].id in {"FILES", "CLASSES", "_LOOKUP_TESTS"}
}


def _words(node: ast.expr) -> tuple[str, ...]:
    """Return the texts of an argument: a literal, or a constant with a star."""
    if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
        return tuple(CONSTANTS[node.value.id])
    return (str(ast.literal_eval(node)),)


MODULES = {
    words[0]: (words[1].split(), words[2:])
    for node in ast.walk(MUTANTS)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_module"
    for words in [tuple(word for argument in node.args for word in _words(argument))]
}


def test_the_targets_of_the_mutants_are_read_here() -> None:
    """As text: mutmut is not installed where the tests run."""
    assert set(MODULES) == {
        *("explain", "lookup", "outcome", "losses", "journal", "compare/differences", "cassettes/redaction"),
        *("cassettes/redaction_rules", "shapes", "transitions", "money", "natives", "bills", "journal/storage"),
    }


@pytest.mark.parametrize("target", MODULES)
def test_a_target_of_the_mutants_names_files_and_tests_that_exist(target: str) -> None:
    """A file that moved is changed where it went, and the tests that guard it are run: see TARGETS there."""
    files, tests = MODULES[target]
    assert files
    assert tests
    assert [file for file in files if not (PACKAGE / file).is_file()] == []
    for test in tests:
        path, _, rest = test.partition("::")
        assert (ROOT / "tests" / path).is_file(), test
        assert not rest or f"def {rest.partition('[')[0]}(" in (ROOT / "tests" / path).read_text("utf-8"), test


@pytest.mark.parametrize("provider", sorted(CONSTANTS["CLASSES"]))
def test_every_provider_has_the_files_that_the_mutants_change(provider: str) -> None:
    """FILES in tools/mutant_targets.py are those of each provider, and CLASSES names all providers."""
    assert [name for name in CONSTANTS["FILES"] if not (PACKAGE / "providers" / provider / name).is_file()] == []
    assert (ROOT / "tests" / "providers" / provider).is_dir()
    folders = {folder.parent.name for folder in (PACKAGE / "providers").glob("*/__init__.py")}
    assert folders == set(CONSTANTS["CLASSES"])


@pytest.fixture(scope="module")
def warm_tests() -> Any:
    """tools/warm_tests.py: what runs the tests of a mutant; it imports the module beside it."""
    spec = importlib.util.spec_from_file_location("warm_tests", ROOT / "tools" / "warm_tests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return module


_OLD = """
LIMIT = 1
class Row:
    kind = "a"
    def read(self, x, most=3):
        return [y for y in x if y < most]
def rule(a):
    def inner(b): return a < b
    return inner
"""


@pytest.mark.parametrize(
    "old, new, names",
    [
        ("LIMIT = 1", "LIMIT = 2", ["<module>"]),
        ("LIMIT = 1", "LIMIT = True", ["<module>"]),
        ('"a"', '"XXaXX"', ["Row"]),
        ("most=3", "most=4", ["Row"]),
        ("y < most", "y <= most", ["Row.read.<locals>.<listcomp>"]),
        ("a < b", "a <= b", ["rule.<locals>.inner"]),
        ("return inner", "return None", ["rule"]),
    ],
)
def test_a_mutant_is_known_by_the_code_that_it_changes(warm_tests: Any, old: str, new: str, names: list[str]) -> None:
    """Only the code that differs itself counts: what is around it is the same, and may have run already."""
    assert _OLD.count(old) == 1
    codes = [compile(text, "row.py", "exec") for text in (_OLD, _OLD.replace(old, new))]
    changed = [code.co_qualname for code, _, is_own in warm_tests.changes(*codes) if is_own]
    assert (
        changed == names if sys.version_info < (3, 12) else [name.replace(".<locals>.<listcomp>", "") for name in names]
    )


def test_equal_code_is_no_mutant(warm_tests: Any) -> None:
    """Nothing is yielded for the same source."""
    assert list(warm_tests.changes(*(compile(_OLD, "row.py", "exec") for _ in range(2)))) == []
