"""What a shell completes: the table is that of the commands, values come from closed lists and the file of profiles."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from invoice_bridge import Status, providers
from invoice_bridge.cli.app import COMMANDS, run
from invoice_bridge.cli.completion import TABLE, completed
from tests.cli.conftest import execute
from tools.completion import written

Ask = Callable[..., list[str]]
BILLING = """
default = "main"
[profiles.main]
provider = "stripe"
[profiles.other-account]
provider = "whop"
"""


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Complete a line in a folder with a billing.toml and without any key; give back the proposals."""
    monkeypatch.chdir(tmp_path)
    for name in providers.names():
        monkeypatch.delenv(f"{name.upper()}_API_KEY", raising=False)
    (tmp_path / "billing.toml").write_text(BILLING, "utf-8")

    def complete(line: str) -> list[str]:
        words = f"invoice-bridge {line}"
        monkeypatch.setenv("_INVOICE_BRIDGE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        capsys.readouterr()
        with pytest.raises(SystemExit):
            run([])
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out.split()

    return complete


def test_the_table_is_that_of_the_commands() -> None:
    """A new command, option or value joins it: python -m tools.completion."""
    assert TABLE.read_text("utf-8") == written(), "completion.json is stale: run python -m tools.completion"


def test_every_command_is_in_the_table() -> None:
    """One that is not would be loaded to be completed, which is slower and no error."""
    assert [name for name in COMMANDS if completed(name) is None] == []
    assert completed("none") is None


@pytest.mark.parametrize(
    "line, proposals",
    [
        ("mark", ["mark-paid", "mark-uncollectible"]),
        ("create --provider st", ["stripe"]),
        ("explain bill.json --provider ", [*providers.names(), "all"]),
        ("list --status ", [status.value for status in Status]),
        ("list --mode ", ["test", "live"]),
        ("create --lookup ne", ["never"]),
        ("migrate quar", ["quarantine"]),
        ("migrate quarantine re", ["resolve"]),
        ("migrate run --fr", ["--from"]),
        ("cassettes record --against te", ["test"]),
        ("cassettes record pai", ["paid"]),
        ("providers wh", ["whop"]),
        ("emulate --only char", ["chargeapi", "chargebee"]),
        ("emulate --switch stripe.finalize_e", ["stripe.finalize_empty"]),
        ("create b.json --native str", ["stripe."]),
        ("create b.json --set si", ["site="]),
        ("create b.json --provider whop --set ", ["account_id=", "api_version=", "product_id="]),
        ("list --to ", []),  # an instant
        ("new-provider st", []),  # a name of its own
    ],
)
def test_a_word_is_completed(ask: Ask, line: str, proposals: list[str]) -> None:
    """Commands, options, and values where the list is closed."""
    found = ask(line)
    assert sorted(found) == sorted(proposals)


def test_profiles_are_those_of_the_file(ask: Ask, tmp_path: Path) -> None:
    """Of --config, else of billing.toml in this folder; a file that cannot be read proposes nothing, quietly."""
    assert ask("list --profile ") == ["main", "other-account"]
    (tmp_path / "own.toml").write_text('[profiles.third]\nprovider = "chargebee"\n', "utf-8")
    assert ask("list --config own.toml --profile ") == ["third"]
    assert ask("list --config none.toml --profile ") == []
    assert ask("migrate run --config own.toml --to t") == ["third"]
    for wrong in ("[profiles", "profiles = 3", "[profiles]\nmain = 3"):
        (tmp_path / "own.toml").write_text(wrong, "utf-8")
        assert ask("list --config own.toml --profile x") == []
        assert ask("create b.json --config own.toml --allow IB-STRIPE-Q") == ["IB-STRIPE-QUANTITY-01"]


def test_losses_are_those_of_the_provider(ask: Ask) -> None:
    """Named by the option or by the profile; every code if neither names one."""
    assert all(code.startswith("IB-WHOP-") for code in ask("create b.json --provider whop --allow "))
    assert all(code.startswith("IB-STRIPE-") for code in ask("create b.json --config billing.toml --allow "))
    of_profile = ask("create b.json --config billing.toml --profile other-account --allow ")
    assert of_profile
    assert all(code.startswith("IB-WHOP-") for code in of_profile)


def test_a_shell_does_not_wait_for_what_it_does_not_need(tmp_path: Path) -> None:
    """No model, no client, no provider and nothing of the network is loaded: it takes a fraction of the time."""
    code = (
        "import sys\nfrom invoice_bridge.cli.app import run\n"
        "try:\n    run([])\nexcept SystemExit:\n    pass\nprint('|'.join(sys.modules))"
    )
    asked = {
        "_INVOICE_BRIDGE_COMPLETE": "complete_bash",
        "COMP_WORDS": "invoice-bridge create --provider st",
        "COMP_CWORD": "3",
    }
    own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it loads sqlite3
    done = subprocess.run(
        [sys.executable, "-c", code], env={**own, **asked}, capture_output=True, check=True, cwd=tmp_path
    )
    proposal, *modules = done.stdout.decode().replace("|", "\n").split()
    assert proposal == "stripe"
    heavy = {"httpx", "ssl", "asyncio", "sqlite3", "invoice_bridge.core.model", "invoice_bridge.adapter.provider"}
    assert heavy & set(modules) == set()
    assert [name for name in modules if name.startswith(("invoice_bridge.client", "invoice_bridge.providers."))] == []


# ── in the shells themselves ─────────────────────────────────────────────────────────────────────────────────────────
START = {
    "bash": ["bash", "--noprofile", "-i"],
    "zsh": ["zsh", "-i"],
    "fish": ["fish", "-i"],
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", START)
def test_tab_completes_in_a_shell(shell: str, tmp_path: Path) -> None:
    """--install-completion, a new shell, and the key itself: the provider's name is typed to its end."""
    program = shutil.which("invoice-bridge", path=str(Path(sys.executable).parent))
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    if program is None:
        pytest.skip("the program invoice-bridge is not beside this Python: install the package")
    env = {
        "PATH": f"{Path(program).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "SHELL": f"/bin/{shell}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    installed = execute("--install-completion", shell, env=env)
    assert installed.code == 0, installed.err
    wanted = "--provider chargebee"
    screen = typed(START[shell], env, tmp_path, "invoice-bridge create --provider chargeb", wanted)
    assert wanted in screen, screen


def typed(shell: list[str], env: dict[str, str], folder: Path, line: str, wanted: str) -> str:
    """What a shell's terminal shows once a line is typed into it, and Tab pressed until the wanted text is there."""
    pid, terminal = pty.fork()
    if pid == 0:  # the shell
        os.chdir(folder)
        os.execvpe(shell[0], shell, env)  # noqa: S606 - the shell is what is tested
    try:
        screen = read_until_quiet(terminal, 20, 3)
        os.write(terminal, line.encode())
        for _ in range(4):
            screen += read_until_quiet(terminal, 20, 2)
            os.write(terminal, b"\t")
            screen += read_until_quiet(terminal, 20, 4)
            if wanted in plain(screen):
                break
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return plain(screen)


def plain(screen: str) -> str:
    """A screen without what moves the cursor or sets colours."""
    return re.sub(r"\x1b\[[?>0-9;]*[A-Za-z]|\x1b[=>]|\x1b\(B|\x1b\][^\x07]*\x07|[\r\x07]", "", screen)


def read_until_quiet(terminal: int, longest: float, quiet: float) -> str:
    """Read what a terminal shows until nothing has come for a while."""
    seen, end = b"", time.monotonic() + longest
    while time.monotonic() < end and select.select([terminal], [], [], quiet)[0]:
        seen += os.read(terminal, 65536)
    return seen.decode("utf-8", "replace")
