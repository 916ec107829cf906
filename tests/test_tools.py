"""The tools name files that exist: a module that moves takes its entry in a tool's table along."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "invoice_bridge"
MUTANTS = ast.parse((ROOT / "tools" / "mutants.py").read_text("utf-8"))
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
    """FILES in tools/mutants.py are those of each provider, and CLASSES names all providers."""
    assert [name for name in CONSTANTS["FILES"] if not (PACKAGE / "providers" / provider / name).is_file()] == []
    assert (ROOT / "tests" / "providers" / provider).is_dir()
    folders = {folder.parent.name for folder in (PACKAGE / "providers").glob("*/__init__.py")}
    assert folders == set(CONSTANTS["CLASSES"])
