"""The pictures in docs/pictures show what the program prints."""

import html
import re
from pathlib import Path

import pytest

from tools import pictures

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"


def shown(svg: str) -> list[str]:
    """Return the lines of text in a picture, without spaces at their ends."""
    lines: dict[str, str] = {}
    for row, text in re.findall(r'<text [^>]*?y="([\d.]+)"[^>]*?>(.*?)</text>', svg):
        lines[row] = lines.get(row, "") + html.unescape(text).replace("\xa0", " ")
    return [line.rstrip() for _, line in sorted(lines.items(), key=lambda pair: float(pair[0])) if line.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("name", pictures.COMMANDS)
def test_a_picture_is_what_its_command_prints(name: str) -> None:
    """Else run `make pictures`, and look at them."""
    assert shown((FOLDER / f"{name}.svg").read_text("utf-8")) == shown(pictures.drawn(name))


@pytest.mark.parametrize("name", pictures.COMMANDS)
def test_a_picture_loads_nothing(name: str) -> None:
    """No font or picture of another host, and no script."""
    svg = (FOLDER / f"{name}.svg").read_text("utf-8")
    assert len(shown(svg)) > 4
    assert re.findall(r"url\([^#]|@import|@font-face|<script|href=", svg) == []


def test_every_picture_has_a_command() -> None:
    """None is drawn by hand."""
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(pictures.COMMANDS)
