"""The tutorials, from top to bottom, as a reader runs them: with emulators in a process of their own, over HTTP."""

import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns, which

import httpx
import pytest

from tests.pages import ROOT, Runner, blocks

pytestmark = pytest.mark.slow
PORT, FIRST = "8787", 8801
PROVIDERS = 4


@dataclass(frozen=True)
class Emulators:
    """The process of `invoice-bridge emulate`: its port, the first of the providers' own, and what it printed."""

    port: str
    first: int
    printed: str

    def as_shown(self) -> str:
        """Return what it printed, with the ports of the pages."""
        shown = self.printed.replace(f":{self.port}", f":{PORT}")
        for number in range(PROVIDERS):
            shown = shown.replace(f":{self.first + number}", f":{FIRST + number}")
        return shown


def free_ports() -> int:
    """Return the first of five free ports in a row, of four digits as those of the pages: tables keep their width."""
    for port in random.sample(range(5000, 8700, PROVIDERS + 1), 100):
        if not any(is_used(port + number) for number in range(PROVIDERS + 1)):
            return port
    raise AssertionError("no ports are free")


def is_used(port: int) -> bool:
    """Return whether something listens there."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def emulators() -> Iterator[Emulators]:
    """Started as the pages say, on free ports."""
    first = free_ports() + 1
    port = str(first - 1)
    command = [sys.executable, "-u", "-m", "invoice_bridge", "emulate", "--port", port, "--first-port", str(first)]
    environment = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process:
        try:
            assert process.stdout is not None
            printed, end = b"", time.monotonic() + 60
            while b"invoice-bridge create" not in printed:
                assert time.monotonic() < end, printed
                if select.select([process.stdout], [], [], 1)[0]:
                    printed += os.read(process.stdout.fileno(), 65536)
            yield Emulators(port, first, printed.decode())
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_your_first_bill(emulators: Emulators) -> None:
    """Each block prints what the page shows, and `emulate` the table of the page."""
    page = "docs/tutorials/first-bill.md"
    runner = Runner(
        replaced={f":{PORT}": f":{emulators.port}"},
        programs={"pip": lambda _words: None},
        served=emulators.as_shown(),
    )
    runner.run(page)
    assert runner.compared == 9


class Shop:
    """The shop's server, started anew at each `uvicorn` of the page, and the other programs that the page runs."""

    def __init__(self, folder: Path, emulators: Emulators) -> None:
        self.folder, self.port = folder, str(free_ports())
        self.environment = {**os.environ, "EMULATORS": f"http://127.0.0.1:{emulators.port}"}
        self.environment["SHOP"] = f"http://127.0.0.1:{self.port}"
        self.server: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def export(self, words: list[str]) -> None:
        """Set variables, here (the command line reads them) and for the shop."""
        for word in words[1:]:
            name, _, value = word.partition("=")
            os.environ[name] = self.environment[name] = value

    def uvicorn(self, words: list[str]) -> None:
        """Stop the shop where it runs, and start it."""
        self.stop()
        command = [sys.executable, "-m", *words]
        self.server = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=subprocess.DEVNULL)
        self.starts += 1
        for _ in range(300):
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", int(self.port))):
                    return
            assert self.server.poll() is None, "the shop ended"
            time.sleep(0.1)
        raise AssertionError("the shop does not start")

    def run(self, words: list[str]) -> str:
        """Run curl or a script of the shop."""
        command = [sys.executable, *words[1:]] if words[0] == "python" else words
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def stop(self) -> None:
        """Stop the shop as Ctrl-C does."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(30)


@pytest.fixture
def shop(desk: Path, emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A copy of the shop's folder; its variables are forgotten afterwards."""
    for name in ("STRIPE_API_KEY", "CHARGEBEE_API_KEY", "SHOP_STRIPE_WEBHOOK_SECRET", "SHOP_CHARGEBEE_WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "")
    copytree(ROOT / "examples" / "shop", desk, dirs_exist_ok=True, ignore=ignore_patterns("__pycache__"))
    made = Shop(desk, emulators)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.skipif(which("curl") is None, reason="needs curl")
def test_switch_providers_in_an_hour(emulators: Emulators, shop: Shop) -> None:
    """The shop moves from Stripe to Chargebee and back; each month is billed once, where the page says."""
    programs = {"pip": lambda _words: None, "export": shop.export, "uvicorn": shop.uvicorn}
    runner = Runner(
        replaced={f":{PORT}": f":{emulators.port}", ":8000": f":{shop.port}", "--port 8000": f"--port {shop.port}"},
        programs={**programs, "curl": shop.run, "python": shop.run},
        codes={"switch report": 1},
        served=emulators.as_shown(),
    )
    page = "docs/tutorials/switch-in-an-hour.md"
    shipped = Path("billing.toml").read_text("utf-8").partition("\n")[2]
    assert shipped.strip() == blocks(page)[1].text.strip()
    runner.run(page)
    assert (runner.compared, shop.starts) == (21, 4)
    issued = {}
    for name in ("stripe", "chargebee"):
        ledger = httpx.get(f"http://127.0.0.1:{emulators.port}/{name}/_ledger").json()["ledger"]
        issued[name] = [entry["units"] for entry in ledger if entry["event"] == "issued"]
    assert issued == {"stripe": [2500, 2500, 1250], "chargebee": [3750, 1250]}


def test_migrate_a_year(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve invoices move once, one of them open, and every step prints what the page shows."""
    for name in ("STRIPE_API_KEY", "CHARGEBEE_API_KEY"):
        monkeypatch.setenv(name, "")

    def export(words: list[str]) -> None:
        for word in words[1:]:
            name, _, value = word.partition("=")
            monkeypatch.setenv(name, value)

    def python(words: list[str]) -> None:
        subprocess.run([sys.executable, *words[1:]], check=True, timeout=60)

    runner = Runner(
        replaced={f":{PORT}": f":{emulators.port}"},
        programs={
            "pip": lambda _words: None,
            "export": export,
            "python": python,
            "ls": lambda words: "\n".join(sorted(path.name for path in Path(words[1]).iterdir())),
        },
        served=emulators.as_shown(),
    )
    runner.run("docs/tutorials/migrate-a-year.md")
    assert runner.compared > 8
    assert [command for command in runner.ran if "run" in command.split() and "--plan 3" in command]  # the undo too
    ledger = httpx.get(f"http://127.0.0.1:{emulators.port}/stripe/_ledger").json()["ledger"]
    assert [entry["event"] for entry in ledger if entry["event"] in {"collected", "voided"}] == ["voided", "voided"]
