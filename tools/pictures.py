"""Draw what the program prints as SVG, for the README and the site: `make pictures` writes docs/pictures.

Rules of this file: a picture is the output of the command in its title, and loads nothing from another host (rich's own
form loads a font).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 124
COMMANDS = {
    "explain": "explain examples/one-time-charge.json --provider stripe",
    "losses": "losses examples/period-invoice.toml --provider whop --set account_id=biz_42",
    "compare": "compare cassettes/stripe/period_invoice_lines.yaml cassettes/chargebee/period_invoice_lines.yaml",
}
"""Each picture, and the command that it shows."""
_FONT = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


def output(command: str) -> str:
    """Return what a command prints to a terminal, colours included."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    program = [sys.executable, "-m", "invoice_bridge", *command.split()]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return done.stdout


def drawn(name: str) -> str:
    """Return a picture as SVG."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"{output(COMMANDS[name]).rstrip()}\n "), soft_wrap=False)
    svg = console.export_svg(title=f"$ invoice-bridge {COMMANDS[name]}", theme=MONOKAI, unique_id=name)
    return _FONT.sub("", svg).replace("Fira Code", "ui-monospace")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name in COMMANDS:
        (PICTURES / f"{name}.svg").write_text(drawn(name) + "\n", "utf-8")
        print(f"docs/pictures/{name}.svg")
