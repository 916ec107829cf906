"""What could not be read of an answer: the notes of a Reader, which become `Invoice.problems`."""

from __future__ import annotations

from invoice_bridge.core.model import Problem

__all__ = ["Notes", "clean_text"]


class Notes:
    """What could not be read of one object, by path; the first thing noted of a path stays."""

    __slots__ = ("by_path",)

    def __init__(self) -> None:
        self.by_path: dict[str, Problem] | None = None

    def add(self, path: str, why: str, *, money: bool) -> None:
        """Note that the value at a path reads as None."""
        if self.by_path is None:
            self.by_path = {}
        self.by_path.setdefault(path, Problem(path=clean_text(path), why=clean_text(why), money=money))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that was noted, in the order of reading."""
        return tuple(self.by_path.values()) if self.by_path else ()


def clean_text(text: str) -> str:
    """Replace half a surrogate pair, which JSON can spell and no text can hold, by U+FFFD."""
    try:
        text.encode()  # refuses any half, and costs a tenth of the repair
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
