"""The prose of the library and of its pages: phrases that a native engineer would not write."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "invoice_bridge"
AVOIDED = re.compile(
    r"\b(?:[Ww]hoever|say it in|belongs? into|cannot be told(?: an?)?|[Ww]hat came of|came of it"
    r"|(?:is|are|was|were) told(?: an?| by| to)?|told (?:apart|from|whose|what|where|nobody|to nobody)"
    r"|stands? (?:on|in|at|under|there|beside|below|together|for all)|unsaid by)\b"
)
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.toml")),
    *sorted((ROOT / "examples/shop").rglob("*.py")),
]


def _prose(path: Path) -> Iterator[str]:
    """Yield the comments and texts of a Python file, or the whole of a page, each on one line."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield " ".join(text.split())
        return
    parts = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in parts:
            yield " ".join(token.string.split())


def _avoided(path: Path) -> list[str]:
    """Return each avoided phrase of a file, with the words around it."""
    return [
        text[max(0, match.start() - 40) : match.end() + 40] for text in _prose(path) for match in AVOIDED.finditer(text)
    ]


def test_comments_docstrings_and_messages_are_plain_english() -> None:
    """A sentence has a subject, a verb and an object, and the common word for each."""
    files = sorted(SRC.rglob("*.py"))
    assert len(files) > 200
    assert {path.relative_to(SRC).as_posix(): bad for path in files if (bad := _avoided(path))} == {}


def test_pages_are_plain_english() -> None:
    """The same phrases are on no page and in no example."""
    assert len(PAGES) > 80
    assert {path.name: bad for path in PAGES if (bad := _avoided(path))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "whoever has it",
        "ChargeAPI cannot be told an amount",
        "say it in the text",
        "the id stands in a header",
        "Keys stand in a file",
    ],
)
def test_an_avoided_phrase_is_seen(text: str, tmp_path: Path) -> None:
    """In a comment and on a page."""
    (tmp_path / "a.py").write_text(f"x = 1  # {text}\n", "utf-8")
    (tmp_path / "a.md").write_text(text.replace(" ", "\n"), "utf-8")
    assert [len(_avoided(tmp_path / name)) for name in ("a.py", "a.md")] == [1, 1]
