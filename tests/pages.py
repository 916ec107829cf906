"""Runs the blocks of a page of the documentation in their order, and compares what they print with what the page shows.

    ```toml billing.toml      a block with a file's name is written to that file, whatever its language; where the file
                              is there and a TOML block begins with a table, it replaces that table, or adds it
    ```python                 other Python runs, in the names that the blocks before it made
    ```console                each line after `$` runs; the lines after it are what it prints, where the page shows some
    ```text                   right after a Python block: what that block prints

`…` is any text within a line, and any lines where it is alone on one.
"""

import asyncio
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from invoice_bridge import Client, Handover, Shadow
from invoice_bridge.cli.app import run

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^( *)```(\w+)(?: (\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, the file that it is (or ""), its text, and its line on the page."""

    kind: str
    file: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, from top to bottom."""
    text = (ROOT / page).read_text("utf-8")
    return [
        Block(match[2], match[3] or "", re.sub(rf"^{match[1]}", "", match[4], flags=re.MULTILINE), line)
        for match in _BLOCK.finditer(text)
        for line in [text.count("\n", 0, match.start()) + 1]
    ]


def dialogue(text: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the lines that the page shows after it."""
    said: list[tuple[str, str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            said.append((re.sub(r"\s+# .*", "", line[2:]).strip(), ""))
        else:
            command, shown = said[-1]
            said[-1] = (command, f"{shown}{line}\n")
    return said


def looks_like(shown: str, printed: str) -> bool:
    """Return whether what a page shows is what was printed; spaces at the ends of lines do not count."""
    pattern = ""
    for line in shown.strip().splitlines():
        stripped = line.rstrip()
        pattern += (
            r"(?:.*\n)*?" if stripped.strip() == "…" else ".*".join(map(re.escape, stripped.split("…"))) + r" *\n"
        )
    text = "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    return re.fullmatch(pattern, text) is not None


def with_table(path: Path, text: str) -> str:
    """Return the text of a file after a block: the block, or the file with the table that the block begins with."""
    header = re.match(r"\[[^\]\n]+\]$", text, re.MULTILINE)
    if header is None or not path.is_file():
        return text
    parts = re.split(r"^(?=\[)", path.read_text("utf-8"), flags=re.MULTILINE)
    tables = [part.partition("\n")[0] for part in parts]
    if header[0] in tables:
        parts[tables.index(header[0])] = f"{text}\n"
    else:
        parts.append(f"\n{text}")
    return "".join(parts)


@dataclass
class Runner:
    """Runs pages in the current folder. `replaced` changes texts before they run, `programs` are commands not ours."""

    names: dict[str, Any] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, Callable[[list[str]], str | None]] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    """How a command ends that does not end with 0, by its beginning after `invoice-bridge`."""
    served: str | None = None
    """What `invoice-bridge emulate` printed, where a page starts it. It runs until it is stopped: a test starts it."""
    ran: list[str] = field(default_factory=list)
    compared: int = 0

    def run(self, page: str) -> None:
        """Run every block of a page; fails at the line of the block that fails. Closes the clients that it made."""
        try:
            self._run(page)
        finally:
            for value in self.names.values():
                if isinstance(value, Client | Handover | Shadow):
                    value.close()

    def _run(self, page: str) -> None:
        printed: str | None = None
        for block in blocks(page):
            where, text = f"{page}:{block.line}", self._replace(block.text)
            if block.kind == "text":
                assert printed is not None, f"{where}: a text block shows what the Python block before it prints"
                self._compare(where, block.text, printed)
                printed = None
                continue
            printed = None
            if block.file:
                Path(block.file).parent.mkdir(parents=True, exist_ok=True)
                Path(block.file).write_text(with_table(Path(block.file), text), "utf-8")
            elif block.kind == "python":
                printed = self._python(where, text)
                self.ran.append(where)
            elif block.kind == "console":
                for command, shown in dialogue(text):
                    self._command(where, command, shown)
            else:
                assert block.kind in {"toml", "csv", "json", "mermaid", "yaml"}, f"{where}: nothing runs {block.kind!r}"

    def _replace(self, text: str) -> str:
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text

    def _python(self, where: str, text: str) -> str:
        out = StringIO()
        code = compile(text, where, "exec", flags=ast_flags())
        with redirect_stdout(out):
            _execute(code, self.names)
        return out.getvalue()

    def _command(self, where: str, command: str, shown: str) -> None:
        words = shlex.split(command)
        while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        self.ran.append(command)
        printed: str | None
        if words[:2] == ["invoice-bridge", "emulate"]:
            assert self.served is not None, f"{where}: no test serves the emulators"
            printed = self.served
        elif words[0] != "invoice-bridge":
            assert words[0] in self.programs, f"{where}: $ {command}: nothing runs {words[0]!r}"
            printed = self.programs[words[0]](words)
        else:
            out, err = StringIO(), StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                code = run(words[1:])
            printed = out.getvalue() + err.getvalue()
            expected = next((end for begin, end in self.codes.items() if " ".join(words[1:]).startswith(begin)), 0)
            assert code == expected, f"{where}: $ {command} ended with {code}\n{printed}"
        if shown.strip() and printed is not None:
            self._compare(f"{where}: $ {command}", shown, printed)

    def _compare(self, where: str, shown: str, printed: str) -> None:
        self.compared += 1
        for new, old in ((new, old) for old, new in self.replaced.items()):
            printed = printed.replace(new, old)
            shown = shown.replace(new, old)
        assert looks_like(shown, printed), f"{where}\nthe page shows:\n{shown}\nprinted was:\n{printed}"


def ast_flags() -> int:
    """Return the flag that lets a block await at its top level, as pages do."""
    import ast

    return ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def _execute(code: CodeType, names: dict[str, Any]) -> None:
    result = eval(code, names)  # noqa: S307 - the page's own code
    if asyncio.iscoroutine(result):
        asyncio.run(result)
