"""What pyproject.toml promises of versions, and the lists that the promises are tried with."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def _lines(name: str) -> list[str]:
    lines = (ROOT / "requirements" / name).read_text("utf-8").splitlines()
    return [line.partition(" ")[0] for line in lines if re.match(r"[a-z]", line)]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_the_lowest_versions_are_those_of_the_project() -> None:
    """`make lowest` tries each requirement of the library and its extras as written, but those of SDKs and `mcp`."""
    promised = [
        *PROJECT["dependencies"],
        *EXTRAS["cli"],
        *EXTRAS["emulator"],
        *EXTRAS["postgres"],
        *EXTRAS["migrate"],
        *EXTRAS["migrate-postgres"],
        *EXTRAS["fast"],
        *EXTRAS["otel"],
        *EXTRAS["testing"],
    ]
    beside = {"click>=8.1.8", "fastapi>=0.115.3", "python-multipart>=0.0.9,<0.0.13", "opentelemetry-sdk>=1.31,<2"}
    assert set(_lines("lowest.in")) == {*promised} | beside
    pinned = dict(line.split("==") for line in _lines("lowest.txt"))
    for requirement in promised:
        name, _, floor = requirement.partition(",")[0].partition(">=")
        found = _version(pinned[name.partition("[")[0]])
        assert found[: len(_version(floor))] == _version(floor), requirement
        assert not any(found[len(_version(floor)) :]), requirement


def test_the_floor_is_what_the_project_depends_on() -> None:
    """What `make wheel` imports the library with is what an installation without extras brings."""
    assert _lines("floor.in") == PROJECT["dependencies"]


def test_defect_87_python_has_no_upper_bound() -> None:
    """A library that says "<3.14" cannot be installed by a project that does not say so itself."""
    assert PROJECT["requires-python"] == ">=3.11"


@pytest.mark.parametrize("name", ["stripe", "chargebee"])
def test_defect_87_the_extras_of_the_sdks_collide_with_nobodys_pin(name: str) -> None:
    """No upper bound; the lowest version that `make sdks` tries is the extra's, the last is the oracle of the tests."""
    tried = [line.partition("==")[2] for line in _lines("sdks.txt") if line.startswith(f"{name}==")]
    assert tried == sorted(tried, key=_version)
    assert EXTRAS[name] == [f"{name}>={tried[0].partition('.')[0]}"]
    assert tried[0].endswith(".0.0")
    assert f"{name}=={tried[-1]}" in _lines("dev.in")
    majors = {_version(version)[0] for version in tried}
    assert majors == set(range(min(majors), max(majors) + 1))
