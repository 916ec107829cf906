"""Build the sdist and the wheel into `dist`, judge both, and run the tests against what they install (`make wheel`).

The tests run in the unpacked sdist and import the installed package. Tests that read the source find the installed
files there: what the wheel leaves out is missing for them too. Arguments are those of pytest. Writes below `build`
and `dist`, and installs into .venv-floor and .venv-wheel.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
UNPACKED = ROOT / "build" / "sdist"
RELEASE, FLOOR, WHEEL = (ROOT / f".venv-{name}" / "bin" / "python" for name in ("release", "floor", "wheel"))
PIP = (RELEASE, "-m", "pip", "--disable-pip-version-check", "--python")
WHERE = "import invoice_bridge; print(invoice_bridge.__path__[0])"
# Both want an address of the project's owner, which docs/release.md says to fill in.
UNRATED = "AuthorEmail,Url"


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a program, and end with its status where it fails."""
    print("+", *(str(part).removeprefix(f"{ROOT}/") for part in command), flush=True)
    if status := subprocess.run(command, cwd=cwd, check=False).returncode:
        sys.exit(status)


def build() -> tuple[Path, Path]:
    """Build both from the tree, the wheel from the unpacked sdist, and return them."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(RELEASE, "-m", "build", "--no-isolation", "--outdir", DIST)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    return sdist, wheel


def judge(sdist: Path, wheel: Path) -> None:
    """Check what an index and a reader see of both."""
    run(RELEASE, "-m", "twine", "check", "--strict", sdist, wheel)
    run(RELEASE.with_name("check-wheel-contents"), wheel)
    run(RELEASE.with_name("pyroma"), "--min", "10", "--skip-tests", UNRATED, sdist)


def install(python: Path, wheel: Path) -> Path:
    """Install the wheel in an environment that has all it needs, and return where the package is."""
    run(*PIP, python, "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel)
    where = subprocess.run([python, "-I", "-c", WHERE], capture_output=True, text=True, check=True).stdout.strip()
    if "site-packages" not in Path(where).parts:
        sys.exit(f"{python} imports {where}, which is not what the wheel installed")
    return Path(where)


def unpack(sdist: Path, package: Path) -> Path:
    """Unpack the sdist, with the files of the installed package in place of its source."""
    shutil.rmtree(UNPACKED, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(UNPACKED, filter="data")
    (folder,) = UNPACKED.iterdir()
    shutil.rmtree(folder / "src" / "invoice_bridge")
    shutil.copytree(package, folder / "src" / "invoice_bridge", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def main(arguments: list[str]) -> None:
    """Do each step, and stop at the first that fails."""
    sdist, wheel = build()
    judge(sdist, wheel)
    install(FLOOR, wheel)
    run(FLOOR, "-I", ROOT / "tools" / "extras.py")
    folder = unpack(sdist, install(WHEEL, wheel))
    run(WHEEL, "-m", "pytest", "-q", *arguments, cwd=folder)


if __name__ == "__main__":
    main(sys.argv[1:])
