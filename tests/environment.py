"""An environment that sees the packages of this one, and has its own place to install into."""

from __future__ import annotations

import importlib.util
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = {
    "invoice-bridge": "from invoice_bridge.cli import main\nmain()\n",
    "pip": "import runpy\nrunpy.run_module('pip', run_name='__main__')\n",
    "pytest": "import sys, pytest\nsys.exit(pytest.main())\n",
}


@dataclass(frozen=True)
class Environment:
    """A virtual environment outside the tree; nothing is fetched, nothing of this one is changed."""

    home: Path

    @classmethod
    def make(cls, home: Path) -> Environment:
        venv.create(home, with_pip=importlib.util.find_spec("pip") is None)
        made = cls(home)
        purelib = made.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).stdout
        ours = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
        lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(ours)]
        Path(purelib.strip(), "this_environment.pth").write_text("".join(lines), encoding="utf-8")
        for name, code in PROGRAMS.items():
            program = home / "bin" / name
            program.unlink(missing_ok=True)
            program.write_text(f"#!{home / 'bin' / 'python'}\n{code}", encoding="utf-8")
            program.chmod(0o755)
        return made

    def run(self, *command: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command there; `path` goes before what is installed."""
        return subprocess.run(
            command,
            cwd=cwd,
            env=self.variables(path),
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )

    def variables(self, path: Path | None = None) -> dict[str, str]:
        """The environment variables of what runs there."""
        return {
            "PATH": f"{self.home / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.home),
            "COLUMNS": "160",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONDONTWRITEBYTECODE": "1",  # a file that is changed twice in a second would be taken for its bytecode
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # the suite needs none, and this saves most of a second each time
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's way of saying that the option is given
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **({} if path is None else {"PYTHONPATH": str(path)}),
        }
