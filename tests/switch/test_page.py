"""The how-to "Switch providers": its blocks run from top to bottom, against the emulators."""

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from invoice_bridge import providers
from invoice_bridge.cli.app import run
from invoice_bridge.client.config import key_variable
from invoice_bridge.emulator import EmulatorTransport

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "switch-providers.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def emulators(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Both providers; what a client sends reaches their emulator."""
    made: dict[str, Any] = {name: providers.get(name).emulator() for name in ("stripe", "chargebee")}
    for name, emulator in made.items():
        monkeypatch.setenv(key_variable(name), emulator.key)

    def route(_: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        name = next(name for name in made if name in request.url.host)
        path = urlsplit(providers.get(name).base_url(made[name].settings)).path
        root = f"{request.url.scheme}://{request.url.netloc.decode()}{path}"
        return EmulatorTransport(made[name], root).handle_request(request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", route)
    return made


def test_the_page_runs(
    emulators: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each block in its order: files, Python, commands; and what the page says of them is so."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    written, codes = "", []
    for kind, file, text in BLOCK.findall(PAGE.read_text("utf-8")):
        if kind == "toml":
            written = written.partition("[switch]")[0] + text  # a block that begins with [switch] replaces the table
            Path(file).write_text(written, "utf-8")
        elif kind == "python":
            exec(compile(text, str(PAGE), "exec"), names)  # noqa: S102 - the page's own code
        else:
            for command in re.findall(r"^\$ invoice-bridge (.+)$", text, re.MULTILINE):
                codes.append(run(shlex.split(command)))
    assert codes == [0, 0, 0]
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line in {"1 0 0", "stripe chargebee", "chargebee", "0", "True"}] == [
        "1 0 0", "stripe chargebee", "chargebee", "0", "True",
    ]  # fmt: skip
    made = [len(emulator.invoices) for emulator in emulators.values()]
    assert made == [2, 2]


def test_the_page_shows_every_command() -> None:
    """Each command of the group, and both clients."""
    text = PAGE.read_text("utf-8")
    for word in ("switch status", "switch report", "switch move", "Shadow.from_config", "Handover.from_config"):
        assert word in text
