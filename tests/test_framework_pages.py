"""The pages about web frameworks and about tasks: their files are written, started and given deliveries and tasks."""

import hashlib
import hmac
import importlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from invoice_bridge.emulator.server import running
from tests.pages import ROOT, Runner, blocks

PAGE = "docs/how-to/webhooks-in-frameworks.md"
SECRET = "whsec_not_a_secret"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's files, from which they are imported; the secret of Stripe's endpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    before = set(sys.modules)
    for block in blocks(PAGE):
        if block.file:
            Path(block.file).write_text(block.text, "utf-8")
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("with_", "handling")):
            del sys.modules[name]


def delivery(event: str = "evt_1", secret: str = SECRET) -> dict[str, Any]:
    """A delivery of Stripe's: its body and its headers."""
    now = int(time.time())
    invoice = {"id": "in_1", "object": "invoice", "currency": "eur", "status": "paid", "total": 1999}
    body = json.dumps(
        {"id": event, "object": "event", "type": "invoice.paid", "created": now, "data": {"object": invoice}}
    ).encode()
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"content": body, "headers": {"Stripe-Signature": f"t={now},v1={digest}"}}


async def statuses(app: Any, path: str) -> list[int]:
    """The answers to a signed delivery, one that another sender signed, and one for a provider that has no secret."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
        good = await http.post(f"{path}/stripe", **delivery())
        bad = await http.post(f"{path}/stripe", **delivery("evt_2", "whsec_of_somebody_else"))
        unknown = await http.post(f"{path}/whop", **delivery("evt_3"))
    return [good.status_code, bad.status_code, unknown.status_code]


@pytest.mark.parametrize("name, path", [("with_fastapi", "/webhooks"), ("with_mount", "/webhooks"), ("with_asgi", "")])
async def test_a_delivery_to_an_asgi_framework_is_received(name: str, path: str, desk: Path) -> None:
    """Signed: 204, and the function has the event; signed by another: 400; a provider without a secret: 404."""
    module: ModuleType = importlib.import_module(name)
    assert await statuses(module.app, path) == [204, 400, 404]
    assert [(event.provider, event.invoice_id) for event in module.events] == [("stripe", "in_1")]


@pytest.mark.slow
def test_a_delivery_to_django_is_received(desk: Path) -> None:
    """In a process of its own, since Django is set up once for a process; its check of forms is on."""
    (desk / "settings.py").write_text(
        "SECRET_KEY = 'not_a_key'\nROOT_URLCONF = 'with_django'\nALLOWED_HOSTS = ['testserver']\n"
        "MIDDLEWARE = ['django.middleware.csrf.CsrfViewMiddleware']\nUSE_TZ = True\n",
        "utf-8",
    )
    deliveries = delivery(), delivery("evt_2", "whsec_of_somebody_else")
    sent = [(each["content"], each["headers"]["Stripe-Signature"]) for each in deliveries]
    (desk / "try_it.py").write_text(
        "import django\ndjango.setup()\nimport with_django\nfrom django.test import Client\n"
        "client = Client(enforce_csrf_checks=True)\n"
        f"for body, signature in {sent!r}:\n"
        "    answer = client.post('/webhooks/stripe', body, content_type='application/json',\n"
        "                         headers={'Stripe-Signature': signature})\n"
        "    print(answer.status_code)\n"
        "print([event.invoice_id for event in with_django.events])\n",
        "utf-8",
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings"}
    done = subprocess.run(
        [sys.executable, "try_it.py"],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split("\n")[:3] == ["204", "400", "['in_1']"], done.stderr


@pytest.mark.slow
def test_the_commands_of_the_page_start_a_server_and_send_it_a_delivery(desk: Path) -> None:
    """Each `uvicorn` of the page is a real server, on a free port; the one that is sent a delivery answers 204."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"8788": str(one.getsockname()[1]), "8789": str(other.getsockname()[1])}
    servers: list[subprocess.Popen[bytes]] = []

    def uvicorn(words: list[str]) -> None:
        servers.append(subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL, cwd=desk))
        for _ in range(300):
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", int(words[-1]))):
                    return
            assert servers[-1].poll() is None, f"{words} ended"
            time.sleep(0.1)
        raise AssertionError(f"{words} does not start")

    runner = Runner(replaced=ports, programs={"uvicorn": uvicorn, "export": lambda _words: None})
    try:
        runner.run(PAGE)
    finally:
        for server in servers:
            server.kill()
            server.wait(30)
    assert (len(servers), runner.compared) == (2, 1)


# ── asyncio, threads, tasks ──────────────────────────────────────────────────────────────────────────────────────────
TASKS = "docs/how-to/async-threads-celery.md"


def test_asyncio_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block prints what the page shows; that of Celery has a test of its own."""
    monkeypatch.chdir(tmp_path)
    runner = Runner(programs={"celery": lambda _words: None})
    runner.run(TASKS)
    assert runner.compared == 3


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("celery") is None, reason="needs celery")
def test_workers_of_celery_bill_each_order_once(tmp_path: Path) -> None:
    """Real worker processes, over a broker of files: an order that is queued twice is billed once."""
    (file,) = [block for block in blocks(TASKS) if block.file == "billing_tasks.py"]
    (tmp_path / "billing_tasks.py").write_text(file.text, "utf-8")
    (tmp_path / "queue").mkdir()
    with running(names=["stripe"]) as served:
        emulator = served.emulators["stripe"]
        environment = {
            **os.environ,
            "BROKER": "filesystem://",
            "STRIPE_API_KEY": emulator.key,
            "STRIPE_URL": served.base_urls["stripe"],
        }
        code = "from billing_tasks import charge\nfor order in (1, 2, 1): charge.delay(order, 500)"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=60)
        command = [sys.executable, "-m", "celery", "-A", "billing_tasks", "worker", "--concurrency", "2", "-l", "INFO"]
        log = (tmp_path / "worker.log").open("wb")
        with log, subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log) as worker:
            try:
                text = _wait(lambda: (tmp_path / "worker.log").read_text("utf-8"), "succeeded in", 3)
            finally:
                worker.send_signal(signal.SIGTERM)
                worker.wait(60)
        assert "Traceback" not in text
        assert sorted(entry.reference or "" for entry in emulator.ledger) == ["order-1", "order-2"]


def _wait(read: Callable[[], str], word: str, times: int) -> str:
    for _ in range(600):
        if (text := read()).count(word) >= times:
            return text
        time.sleep(0.1)
    raise AssertionError(read())


def test_the_pages_are_there() -> None:
    """A page that is renamed is not skipped silently."""
    assert all((ROOT / page).is_file() for page in (PAGE, TASKS))
