"""The page of a ledger, over HTTP: what it shows, and that it only reads, to this machine, without secrets."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update

from invoice_bridge import ConfigurationError
from invoice_bridge.migrate import Item, Ledger, Result
from invoice_bridge.migrate.pages import preview
from invoice_bridge.migrate.schema import ITEMS
from invoice_bridge.migrate.serving import serving
from tests.migrate.moves import Move, move

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold" + "x" * 300


def get(url: str, path: str = "/", *, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Ask the page for a path; return status, text and headers."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8"), dict(answer.getheaders())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Move]:
    """Half of a plan is moved, one item is left to a person, drafts and one customer are left out."""
    with move(tmp_path_factory.mktemp("serve")) as made:
        made.fill(12)
        made.emulators["stripe"].invoices[made.bill("paid", "res-other", 4200)]["customer"] = "cus_unknown"
        with made.migration() as migration:
            migration.plan(customers=made.customers, open_invoices=True)
            migration.run(first=6, allow=migration.preview().stopping)
            row = next(migration.ledger.rows(1, ("planned",)))
            with migration.ledger.database.writing() as connection:
                connection.execute(
                    update(ITEMS)
                    .where(ITEMS.c.number == row.number)
                    .values(state="quarantined", due_at=None, reason="number-taken", detail=HOSTILE)
                )
            migration.verify()
        yield made


@pytest.fixture(scope="module")
def ledger(between: Move) -> Iterator[Ledger]:
    with Ledger(between.folder / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def url(ledger: Ledger) -> Iterator[str]:
    with serving(ledger) as address:
        yield address


def cells(text: str) -> list[list[str]]:
    """The rows of all tables, as texts."""
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    return [[re.sub(r"<[^>]*>", " ", cell).strip() for cell in re.findall(r"<td.*?</td>", row)] for row in rows]


def test_the_page_shows_what_the_ledger_has(url: str, ledger: Ledger) -> None:
    """Counts by state, losses by code, reasons, control totals, progress, workers, and what a person decides."""
    status, text, _ = get(url)
    assert status == 200
    rows = cells(text)
    shown = {row[0]: row[2] for row in rows if len(row) == 3}
    assert {state: shown[state] for state in ledger.counts(1)} == {
        state: str(number) for state, number in ledger.counts(1).items()
    }
    codes = {row[0]: row[1] for row in rows if len(row) == 2 and row[0].startswith("IB-")}
    made = preview(ledger, 1)
    assert made is not None
    assert codes == {code: str(number) for code, number in made.losses.items()}
    assert ["customer-unmapped", "no customer at the target is known for it: complete the CSV of customers"] in [
        row[:2] for row in rows
    ]
    assert len([row for row in rows if row[-1:] == ["closes"]]) == len(made.groups)
    assert "7 of 13" not in text  # that is what the run reached, and not what is at its end
    ended = sum(number for state, number in ledger.counts(1).items() if state in {"done", "refused", "skipped"}) + 1
    assert f"{ended} of 13" in text
    assert "Nobody works on it now." in text
    assert "6 of 10 verified" in text
    assert text.count("http-equiv") == 1  # something is left, so that it is loaded again


def test_lists_and_items_are_linked(url: str, ledger: Ledger) -> None:
    """By state, reason and loss; an item's page has its requests, its losses and its history."""
    for query, wanted in (
        ("state=done", lambda row: row.state == "done"),
        ("reason=customer-unmapped", lambda row: row.reason == "customer-unmapped"),
        ("code=IB-CHARGEBEE-IMPORT-METHOD-01", lambda row: "IB-CHARGEBEE-IMPORT-METHOD-01" in str(row.source)),
    ):
        _, text, _ = get(url, f"/plan/1/items?{query}")
        assert re.findall(r'href="/item/(\d+)"', text) == [str(row.number) for row in ledger.rows(1) if wanted(row)]
    row = next(ledger.rows(1, ("done",)))
    _, text, _ = get(url, f"/item/{row.number}")
    assert "POST http://127.0.0.1:" in text
    assert "invoices/import_invoice" in text
    assert row.target_id is not None
    assert row.target_id in text
    assert "Verified" in text
    assert all(code in text for code, _, _ in row.source["losses"])
    refused = next(ledger.rows(1, ("refused",)))
    assert "customer-unmapped" in get(url, f"/item/{refused.number}")[1]


def test_a_long_list_has_pages(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item is on one of them."""
    monkeypatch.setattr("invoice_bridge.migrate.pages.MOST", 5)
    seen: list[str] = []
    with serving(ledger) as url:
        path = "/plan/1/items"
        while True:
            _, text, _ = get(url, path)
            found = re.findall(r'href="/item/(\d+)"', text)
            assert len(found) <= 5
            seen += found
            following = re.search(r'href="([^"]*)">Next page', text)
            if following is None:
                break
            path = following[1].replace("&amp;", "&")
    assert seen == [str(row.number) for row in ledger.rows(1)]


def test_texts_are_data_and_never_markup(url: str) -> None:
    """What a provider wrote is escaped, on the plan's page, in a list and on the item's page."""
    _, text, _ = get(url)
    assert "&lt;img src=x" in text
    assert "<img" not in text
    (number,) = re.findall(r'href="/item/(\d+)"', get(url, "/plan/1/items?state=quarantined")[1])
    assert "<img" not in get(url, f"/item/{number}")[1]
    odd = get(url, "/plan/1/items?state=%3Cimg%3E%22")[1]
    assert "<img" not in odd


@pytest.mark.parametrize("path", ["/", "/plan/1", "/plan/1/items", "/item/1", "/style.css", "/nowhere"])
def test_every_answer_has_a_strict_policy_and_no_secret(url: str, between: Move, path: str) -> None:
    """Nothing from elsewhere, no script, no frame, no keeping; the keys of both accounts are in none."""
    _, text, headers = get(url, path)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Python" not in headers["Server"]
    assert not re.search(r"<script|<style|\sstyle=|(src|href)=\"https?:", text)
    assert between.source["api_key"] not in text
    assert between.target["api_key"] not in text


def test_other_hosts_and_methods_are_refused(url: str) -> None:
    """A name that somebody else points here, another port, no Host; and everything that is no GET."""
    port = urlsplit(url).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.evil.example:{port}"):
        status, text, _ = get(url, Host=host)
        assert (host, status) == (host, 403)
        assert "Plan 1" not in text
    assert get(url, Host=f"LOCALHOST:{port}")[0] == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "CONNECT"):
        status, text, headers = get(url, method=method)
        assert (method, status, headers["Allow"]) == (method, 405, "GET")
        assert "Plan 1" not in text
    assert get(url, "/../../etc/passwd")[0] == 404
    assert get(url, "/plan/99")[0] == 404
    assert get(url, "/item/99999999999999999999")[0] == 404


@pytest.mark.parametrize(
    "path, status",
    [
        ("http://[/", 400),
        ("//[/plan/1", 404),
        ("/plan/1/items?" + "&".join(f"a{number}=1" for number in range(20)), 400),
        ("/plan/1/items?after=" + "9" * 30, 200),
        ("/plan/1/items?after=" + "9" * 5000, 200),
        ("/plan/1/items?after=%D9%A1", 200),
        ("/plan/1/items?state=%00", 200),
        ("/" + "a" * 70000, 414),
    ],
)
def test_every_address_is_answered(path: str, status: int, url: str) -> None:
    """One that cannot be read too: a browser would show a lost connection."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.0 %d " % status)


def test_nothing_is_written(url: str, ledger: Ledger) -> None:
    """The ledger is the same after every page."""

    def everything() -> list[Any]:
        with ledger.database.reading() as connection:
            names = ("plans", "items", "workers", "paces", "notes")
            return [connection.exec_driver_sql(f"SELECT * FROM invoice_bridge_{name}").all() for name in names]  # noqa: S608 - constants

    before = everything()
    for path in ("/", "/plan/1", "/plan/1/items?state=done", "/item/1"):
        assert get(url, path)[0] == 200
    assert everything() == before


def test_a_worker_shows_while_it_works(between: Move) -> None:
    """With its items in hand; the counts follow at once."""
    from invoice_bridge.migrate.leases import Lease

    with between.migration() as migration, migration.serving() as url:
        header = migration.ledger.plan(1)
        lease = Lease(migration.ledger.database, header.timing)
        taken: list[Item] = []
        try:
            taken += migration.ledger.claim(header, lease.number, None, 2)
            _, text, _ = get(url)
            (row,) = [row for row in cells(text) if row[2:3] == ["works"]]
            assert row[3] == "2"
            assert "items are left." in text
        finally:
            migration.ledger.settle(lease.number, [Result(item, "planned", again_in=0.0, sent=False) for item in taken])
            lease.end()
        assert "Nobody works on it now." in get(url)[1]


def test_a_plan_that_takes_long_to_read_shows_its_progress_meanwhile(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page answers while the totals are read, and has them once they are."""
    monkeypatch.setattr("invoice_bridge.migrate.serving._PATIENCE", 0.05)
    ready, real = threading.Event(), preview

    def slow(*given: Any) -> Any:
        ready.wait(20)
        return real(*given)

    monkeypatch.setattr("invoice_bridge.migrate.pages.preview", slow)
    with serving(ledger) as url:
        first = get(url)[1]
        assert "The plan is being read" in first
        assert "Items by state" in first
        assert "http-equiv" in first
        assert get(url)[0] == 200  # and nobody waits for it
        ready.set()
        for _ in range(200):
            if "The plan is being read" not in get(url)[1]:
                break
            time.sleep(0.05)
        assert "closes" in get(url)[1]


def test_what_cannot_be_served_is_refused(tmp_path: Path, ledger: Ledger, url: str) -> None:
    """A port that is taken, and a ledger without a plan."""
    port = urlsplit(url).port or 0
    with pytest.raises(ConfigurationError, match="name another with --port"), serving(ledger, port=port):
        pass
    with (
        Ledger(tmp_path / "empty.sqlite") as empty,
        pytest.raises(ConfigurationError, match="plan the migration first"),
        serving(empty),
    ):
        pass


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(between: Move) -> None:
    """It prints the address, answers, and ends with Ctrl-C, also where a shell made it ignore the signal."""
    ledger = str(between.folder / "ledger.sqlite")
    command = [sys.executable, "-m", "invoice_bridge", "migrate", "serve", "--port", "0", "--ledger", ledger]
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
    for words in (command, ignoring):
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().split()[0]
            try:
                assert get(url)[0] == 200
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 130
            finally:
                process.kill()


CHROMIUM = Path("/usr/bin/chromium")


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium: apt-get install chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it(url: str, ledger: Ledger, scheme: str, width: int) -> None:
    """No page is wider than the window, nothing is asked for elsewhere, the policy refuses nothing of its own."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    row = next(ledger.rows(1, ("done",)))
    events: list[str] = []
    backgrounds = set()
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: events.append(message.text))
        page.on("request", lambda request: events.append(request.url) if not request.url.startswith(url) else None)
        page.on("dialog", lambda dialog: events.append("dialog"))
        for path in ("", "plan/1/items", f"item/{row.number}"):
            page.goto(url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            cards = "[...document.querySelectorAll('.cards td')].map(cell => cell.getBoundingClientRect().right)"
            assert all(right <= width for right in page.evaluate(cards))  # a long word hides no other column
            backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.goto(url)
        page.get_by_role("link", name="done").click()
        page.get_by_role("link", name=row.reference, exact=True).click()
        assert page.get_by_role("heading", level=1).inner_text() == row.reference
        browser.close()
    assert [event for event in events if "favicon" not in event] == []
    assert backgrounds == {"rgb(244, 245, 247)" if scheme == "light" else "rgb(16, 20, 26)"}
