"""The how-to "test your app against two providers", run as a stranger's project with the wheel that is built."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_new_provider import blocks, change, dialogue, looks_like
from tests.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "test-two-providers.md"


WARMING = """
import importlib
import pkgutil

def test_imports():
    for room in ("core", "adapter", "engine", "journal", "client", "providers", "emulator"):
        package = importlib.import_module(f"invoice_bridge.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
"""
"""Has pytest compile the library, as the first run of a project does: a plugin's modules are compiled by pytest."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A virtual environment outside the tree, into which the wheel is installed."""
    folder = tmp_path_factory.mktemp("stranger")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    made = Environment.make(folder / "environment")
    done = made.run("pip", "install", "--no-deps", "--ignore-installed", str(wheel), cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "test_warming.py").write_text(WARMING, encoding="utf-8")
    done = shell(made, "env -u PYTHONDONTWRITEBYTECODE pytest -q test_warming.py", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def shell(environment: Environment, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a console, with pytest's plugins found as they are found anywhere."""
    return environment.run("env", "-u", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "sh", "-c", command, cwd=folder)


@pytest.mark.slow
def test_the_stranger_has_the_wheel(environment: Environment, tmp_path: Path) -> None:
    """Library and plugin come from what was installed there, not from this tree."""
    code = "import invoice_bridge.testing.plugin as plugin; print(plugin.__file__)"
    done = environment.run("python", "-c", code, cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(environment.home), done.stdout + done.stderr


@pytest.mark.slow
def test_the_page_is_what_happens(environment: Environment, tmp_path: Path) -> None:
    """Every command of the page runs, every change applies, and what is printed is what the page shows."""
    commands, changes = 0, 0
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if block.kind == "sh":  # needs an account
            continue
        path = tmp_path / block.file
        if block.kind == "diff":
            changes += 1
            path.write_text(change(path.read_text(encoding="utf-8"), block), encoding="utf-8")
        elif block.kind != "console":
            assert block.file, block.text
            path.write_text(block.text, encoding="utf-8")
        else:
            for command, shown in dialogue(block):
                commands += 1
                done = shell(environment, command, tmp_path)
                assert looks_like(shown, done.stdout + done.stderr), f"$ {command}\n{done.stdout}{done.stderr}"
    assert (commands, changes) == (11, 5)


WITHOUT_THE_EXTRA = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"vcr", "yaml", "hypothesis"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import pytest
sys.exit(pytest.main(["-q", "-p", "no:hypothesispytest"]))
"""


@pytest.mark.slow
def test_a_project_without_vcrpy_is_left_alone(environment: Environment, tmp_path: Path) -> None:
    """Where the extra `testing` is not installed, the plugin is loaded, and other tests run as before."""
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n", encoding="utf-8")
    (tmp_path / "run.py").write_text(WITHOUT_THE_EXTRA, encoding="utf-8")
    done = shell(environment, "python run.py", tmp_path)
    assert (done.returncode, looks_like("….…1 passed in …", done.stdout)) == (0, True), done.stdout + done.stderr
    done = shell(environment, "pytest --markers", tmp_path)
    assert "@pytest.mark.bridge(" in done.stdout
