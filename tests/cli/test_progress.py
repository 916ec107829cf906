"""What a command is at: shown in a terminal after a second, and nowhere else."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.adapter.emulation.faults import Fault, Kind
from invoice_bridge.cli.progress import counted, progress
from invoice_bridge.emulator.server import Served, running
from tests.cli.conftest import EXAMPLES, KEY, execute
from tests.measured import measured

CHARGE = str(EXAMPLES / "one-time-charge.json")
LINE = "reading invoices"
CLEARED = "\x1b[2K"
CURSOR = "\x1b[?25h"


def in_terminal(*arguments: str, stop_at: str = "", **env: str) -> tuple[int, str]:
    """Run a command in a terminal, and press Ctrl-C once a text is there; its exit code, and all that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    program = [sys.executable, "-c", "from invoice_bridge.cli import main; main()", *arguments]
    given = {
        **measured(),
        "PATH": "/usr/bin:/bin",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "STRIPE_API_KEY": KEY,
        **env,
    }
    with subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=given) as running:
        os.close(theirs)
        written, stopped = bytearray(), False
        try:
            while piece := os.read(ours, 65536):
                written += piece
                if stop_at and not stopped and stop_at.encode() in written:
                    stopped = True
                    running.send_signal(signal.SIGINT)
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return running.returncode, written.decode().replace("\r\n", "\n")


@pytest.fixture
def slow() -> Iterator[tuple[Served, list[str]]]:
    """An emulator of Stripe that answers a listing after two seconds."""
    with running(clock=FakeClock(), names=["stripe"]) as served:
        yield served, ["--provider", "stripe", "--base-url", served.base_urls["stripe"]]
        served.faults["stripe"].clear()


def delay(served: Served, seconds: float) -> None:
    served.faults["stripe"].add(Fault(kind=Kind.LATENCY, path="invoices", seconds=seconds, times=50))


@pytest.mark.slow
def test_a_slow_listing_shows_that_it_reads_and_leaves_nothing(slow: tuple[Served, list[str]]) -> None:
    """The line is there while an answer is awaited, and the screen is as without it afterwards."""
    served, where = slow
    execute("create", CHARGE, "--lookup", "never", *where, env={"STRIPE_API_KEY": KEY})
    code, quick = in_terminal("list", *where)
    assert (code, LINE in quick, CURSOR in quick) == (0, False, False)
    delay(served, 2.2)
    code, written = in_terminal("list", *where)
    assert code == 0
    assert LINE in written
    shown = written.rpartition(CURSOR)[2]
    assert CLEARED in written[written.rindex(LINE) :]
    assert re.sub(r"^.*\x1b\[2K", "", shown, flags=re.DOTALL) == quick


@pytest.mark.slow
def test_where_nobody_waits_nothing_is_shown(slow: tuple[Served, list[str]]) -> None:
    """Not under --json, not with NO_COLOR or a dumb terminal, not into a pipe."""
    served, where = slow
    bill = execute("create", CHARGE, "--lookup", "never", *where, "--json", env={"STRIPE_API_KEY": KEY})
    delay(served, 1.6)
    _, shown = in_terminal("show", json.loads(bill.out)["id"], *where)
    assert "waiting for Stripe" in shown
    _, as_json = in_terminal("show", json.loads(bill.out)["id"], *where, "--json")
    assert json.loads(as_json)["reference"] == "res-2026-05-17"
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, written = in_terminal("list", *where, **env)
        assert "\x1b" not in written
        assert "res-2026-05-17" in written
    piped = execute("list", *where, env={"STRIPE_API_KEY": KEY, "FORCE_COLOR": "1", "TERM": "xterm"})
    assert (piped.out.count("\n"), piped.err) == (2, "")


@pytest.mark.slow
def test_ctrl_c_leaves_a_clean_line(slow: tuple[Served, list[str]]) -> None:
    """Exit code 130; the line is gone, the cursor is back, and no traceback follows."""
    served, where = slow
    delay(served, 20.0)
    began = time.monotonic()
    code, written = in_terminal("list", *where, stop_at=LINE)
    assert code == 130
    assert time.monotonic() - began < 15
    assert CURSOR in written
    after = written[written.rindex(LINE) :]
    assert CLEARED in after
    assert re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\^C|\s", "", after.partition(CURSOR)[2]) == ""


@pytest.mark.slow
def test_a_browser_of_the_terminal_has_it_alone(slow: tuple[Served, list[str]], tmp_path: Path) -> None:
    """While it runs, however long, nothing is drawn over what it shows."""
    _, where = slow
    execute("create", CHARGE, "--lookup", "never", *where, env={"STRIPE_API_KEY": KEY})
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\necho opened; sleep 3; echo left\n", "utf-8")
    program.chmod(0o755)
    code, written = in_terminal("open", "in_00000001", *where, BROWSER=f"{program} %s")
    assert code == 0
    assert "opened\nleft\n" in written


def test_each_command_that_reaches_out_shows_what_it_is_at() -> None:
    """A new command of these rooms names its work too; those that only read this machine, or serve, need not."""
    folder = Path(__file__).parents[2] / "src/invoice_bridge/cli"
    steps = r"migration\.(?:plan|sweep|run|verify|credits|undo|work)\("
    reach = re.compile(rf"Client\(\*\*arguments|httpx\.Client\(|calibration\.calibrate\(|examine\(|{steps}|work_on")
    for file in sorted(folder.glob("*.py")):
        text = file.read_text("utf-8")
        if reach.search(text):
            assert "progress(" in text or "counted(" in text, file.name


def test_work_without_a_terminal_is_only_done(capsys: pytest.CaptureFixture[str]) -> None:
    """The values are those of the work; nothing is written, and an error goes through."""
    assert list(counted(iter("abc"), "counting")) == ["a", "b", "c"]

    def fail() -> None:
        with progress("failing") as line:
            line.show(1, 2)
            raise ValueError("seen")

    with pytest.raises(ValueError, match="seen"):
        fail()
    assert capsys.readouterr() == ("", "")
