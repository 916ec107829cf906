"""docs/how-to/run-emulators.md, and the files in docker/, hold what they say."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from invoice_bridge import providers
from invoice_bridge.emulator import Kind
from invoice_bridge.emulator.control import Control
from invoice_bridge.emulator.endpoints import NewEndpoint
from invoice_bridge.emulator.server import FIRST_PORT, PORT, running

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/how-to/run-emulators.md").read_text("utf-8")
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text("utf-8")
PORTS = {name: FIRST_PORT + place for place, name in enumerate(providers.names())}


def test_the_commands_with_curl_work() -> None:
    """Every one of them, in their order, against served emulators."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl on PATH")
    commands = re.findall(r"^\$ (curl .+)$", PAGE, re.MULTILINE)
    assert len(commands) >= 11
    with running() as served:
        for command in commands:
            shown = re.search(r"127\.0\.0\.1:(88\d\d)/", command)
            assert shown is not None, command
            own = next(served.own_ports[name] for name, port in PORTS.items() if str(port) == shown[1])
            words = shlex.split(command.replace(f"127.0.0.1:{shown[1]}/", f"127.0.0.1:{own}/"))
            done = subprocess.run([*words, "--fail-with-body"], capture_output=True, text=True, check=False, timeout=20)
            assert done.returncode == 0, command + done.stdout + done.stderr
            assert "error" not in json.loads(done.stdout)


def test_the_page_names_every_address_and_key() -> None:
    """As `emulate` prints them by default."""
    for name, port in PORTS.items():
        emulator = providers.get(name).emulator()
        row = next(line for line in PAGE.splitlines() if f"127.0.0.1:{PORT}/{name}" in line and line.startswith("|"))
        assert f"`http://127.0.0.1:{port}" in row
        assert f"`{emulator.key}`" in row


def test_the_page_names_every_path_kind_and_field() -> None:
    """A new one is described too."""
    routes = Control("stripe", {}).routes
    assert len(routes) > 15
    for _, path in routes:
        assert f"_control/{path}`" in PAGE or (not path and "`GET _control`" in PAGE), path
    assert [kind for kind in Kind if f"`{kind}`" not in PAGE] == []
    assert [name for name in NewEndpoint.model_fields if f"`{name}`" not in PAGE and name != "url"] == []


def test_the_image_serves_what_the_program_serves() -> None:
    """Its ports are the defaults, its files exist, and its command is one of the program's."""
    exposed = [int(port) for port in re.findall(r"\d+", re.findall(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE)[0])]
    assert exposed == [PORT, *PORTS.values()]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    files = [name for line in copied for name in line.split()]
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []
    kept = {line.removeprefix("!") for line in _lines("docker/Dockerfile.dockerignore") if line.startswith("!")}
    assert kept == set(files)
    entry = json.loads(re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[0])
    assert entry[0].endswith("/invoice-bridge")
    assert entry[1:] == ["emulate", "--host", "0.0.0.0"]


def test_the_compose_file_publishes_those_ports_on_loopback_only() -> None:
    """The keys are public."""
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text("utf-8"))
    (container,) = compose["services"].values()
    last = FIRST_PORT + len(PORTS) - 1
    assert container["ports"] == [
        f"127.0.0.1:{PORT}:{PORT}",
        f"127.0.0.1:{FIRST_PORT}-{last}:{FIRST_PORT}-{last}",
    ]
    assert (ROOT / "docker" / container["build"]["context"] / container["build"]["dockerfile"]).exists()


def _lines(path: str) -> list[str]:
    return (ROOT / path).read_text("utf-8").splitlines()
