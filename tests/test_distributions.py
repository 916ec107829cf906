"""What the sdist and the wheel have."""

import subprocess
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from tools.release import UNRATED

ROOT = Path(__file__).resolve().parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
).stdout.split("\0")[:-1]


def _files(builder: SdistBuilder | WheelBuilder) -> set[str]:
    return {file.relative_path.replace("\\", "/") for file in builder.recurse_included_files()}


@pytest.mark.skipif("pyproject.toml" not in TRACKED, reason="not a checkout: git does not list these files")
def test_the_sdist_has_every_tracked_file() -> None:
    """Its tests pass where it is unpacked, so it has what they read; the metadata comes by itself."""
    tracked = {name for name in TRACKED if (ROOT / name).is_file()}
    assert len(tracked) > 500
    assert tracked - _files(SdistBuilder(str(ROOT))) - {".gitignore", "pyproject.toml"} == set()


def test_the_wheel_has_every_file_of_the_package() -> None:
    """Also those that are not Python: styles, the templates of an adapter, the evidence."""
    package = ROOT / "src" / "invoice_bridge"
    files = {path.relative_to(ROOT).as_posix() for path in package.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    assert {"src/invoice_bridge/py.typed", "src/invoice_bridge/migrate/pages.css"} < files
    assert _files(WheelBuilder(str(ROOT))) == files


def test_the_lack_of_addresses_is_excused_only_while_there_are_none() -> None:
    """Once pyproject.toml has `[project.urls]`, the rating asks for them."""
    has_urls = "[project.urls]" in (ROOT / "pyproject.toml").read_text("utf-8")
    assert has_urls == (UNRATED == "")
