"""A read-only web page of a ledger, on this machine alone: for `invoice-bridge migrate serve`.

    /                      the last plan          /plan/2                one plan
    /plan/2/items?state=…  its items              /item/17               one item

Rules of this file: it listens on loopback and answers GET only, to a Host that is loopback's: a page of another site
that has its name point here is refused. The policy of every answer allows this server's own style and nothing else.
Nothing is written, and the ledger has no keys. It uses the standard library's server, so that the extra `migrate` is
enough.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from invoice_bridge.core.errors import BridgeError, ConfigurationError
from invoice_bridge.migrate import pages
from invoice_bridge.migrate.watching import item

if TYPE_CHECKING:
    from invoice_bridge.migrate.ledger import Ledger
    from invoice_bridge.migrate.preview import Preview

__all__ = ["PORT", "serve", "serving"]

PORT = 8790
"""The default port of `invoice-bridge migrate serve`."""
_LOOPBACK = "127.0.0.1"
_HOSTS = frozenset({"127.0.0.1", "localhost"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TIMEOUT = 10.0
_ITEM = re.compile(r"/item/(\d{1,18})")
_PLAN = re.compile(r"/plan/(\d{1,18})(/items)?")
_COST = 5
"""A preview is read again after this many times what its reading took, at the earliest."""
_OLD = 60.0
"""Seconds after which a preview is read again though the counts are the same: a reason or an amount may be another."""
_PATIENCE = 3.0
Answer = tuple[HTTPStatus, str, str]


class _Site:
    """What is shown for each path. A preview reads the whole plan: it is read in a thread, and kept for a while."""

    def __init__(self, ledger: Ledger, plan: int | None) -> None:
        self._ledger, self._plan = ledger, plan
        self._lock = threading.Lock()
        self._previews: dict[int, _Kept] = {}
        self._file = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        """Return which file the ledger is; None for a database, and for a file that is gone."""
        place = self._ledger.database.location
        if place.is_url:
            return None
        try:
            found = Path(place.name).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def answer(self, target: str) -> Answer:
        """Return the answer to a GET."""
        try:
            asked = urlsplit(target)
            query = dict(parse_qsl(asked.query, max_num_fields=10))
        except ValueError as error:
            return _problem(HTTPStatus.BAD_REQUEST, "The address cannot be read", str(error))
        if asked.path == "/style.css":
            return HTTPStatus.OK, "text/css; charset=utf-8", pages.style()
        if self._identity() != self._file:  # an open file would be shown as it was, for ever
            gone = "its file was removed, or another one was put in its place: start migrate serve again"
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "The ledger cannot be shown", gone)
        try:
            text = self._page(asked.path, query)
        except (BridgeError, ValueError) as error:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "The ledger cannot be shown", str(error))
        except Exception as error:  # noqa: BLE001 - a browser would show a lost connection
            why = f"{type(error).__name__}: what the ledger has here cannot be read; the command line may show it"
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The page cannot be shown", why)
        if text is None:
            return _problem(HTTPStatus.NOT_FOUND, "There is no such page", "The first page, /, shows the last plan.")
        return HTTPStatus.OK, "text/html; charset=utf-8", text

    def _page(self, path: str, query: dict[str, str]) -> str | None:
        if path == "/":
            number = self._ledger.plan(self._plan).number
            return self._plan_page(number)
        if match := _PLAN.fullmatch(path):
            number = int(match[1])
            try:
                self._ledger.plan(number)
            except ConfigurationError:
                return None
            if match[2]:
                return pages.items_page(self._ledger, number, query)
            return self._plan_page(number)
        if match := _ITEM.fullmatch(path):
            found = item(self._ledger, int(match[1]))
            return None if found is None else pages.item_page(self._ledger, found)
        return None

    def _plan_page(self, plan: int) -> str:
        """Return the page of a plan, with its preview as it was read last; a first reading is waited for a moment."""
        counts: dict[Any, int] = dict(self._ledger.counts(plan))
        with self._lock:
            kept = self._previews.setdefault(plan, _Kept())
            now = time.monotonic()
            is_stale = now >= kept.until and (kept.counts != counts or now >= kept.began + _OLD)
            if is_stale and (kept.reading is None or not kept.reading.is_alive()):
                kept.reading = threading.Thread(target=self._read, args=(plan, kept, counts), daemon=True)
                kept.reading.start()
            reading = kept.reading
        if kept.counts is None and reading is not None:
            reading.join(_PATIENCE)
        return pages.plan_page(self._ledger, plan, kept.preview, kept.at, is_read=kept.counts is not None)

    def _read(self, plan: int, kept: _Kept, counts: dict[Any, int]) -> None:
        began, at = time.monotonic(), datetime.now(UTC)
        try:
            kept.preview = pages.preview(self._ledger, plan)
        except Exception:  # noqa: BLE001 - the ledger is away, or closed: the page says so by itself
            return
        kept.until = time.monotonic() + _COST * (time.monotonic() - began)
        kept.began, kept.at, kept.counts = began, at, counts


@dataclass
class _Kept:
    """The preview of a plan, when and for which counts it was read, and until when it is not read again."""

    preview: Preview | None = None
    at: datetime | None = None
    counts: dict[Any, int] | None = None
    began: float = 0.0
    until: float = 0.0
    reading: threading.Thread | None = None


def _problem(status: HTTPStatus, title: str, text: str) -> Answer:
    return status, "text/html; charset=utf-8", pages.problem_page(title, text)


class _Answers(BaseHTTPRequestHandler):
    """One request: GET of a page, from this machine."""

    server_version, sys_version = "invoice_bridge", ""
    timeout = _TIMEOUT
    site: _Site

    def do_GET(self) -> None:
        """Answer a GET."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not _is_loopback(hosts[0], self.server.server_port):  # type: ignore[attr-defined]
            self._send(*_problem(HTTPStatus.FORBIDDEN, "Refused", "This page answers on 127.0.0.1 and localhost only."))
            return
        self._send(*self.site.answer(self.path))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse every other method, and what is no HTTP, with the headers of every answer."""
        is_method = code == HTTPStatus.NOT_IMPLEMENTED
        status = HTTPStatus.METHOD_NOT_ALLOWED if is_method else HTTPStatus(code)
        body = f"{status.value} {status.phrase}: this page is only read, with GET\n".encode()
        self.send_response(status)
        more = {"Allow": "GET"} if is_method else {}
        kind = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), "Connection": "close"}
        for name, value in {**_HEADERS, **kind, **more}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a path can name a customer's reference."""


def _is_loopback(host: str, port: int) -> bool:
    name, sign, given = host.rpartition(":")
    if not sign:
        name, given = host, "80"
    return name.lower() in _HOSTS and given == str(port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave out what a browser did that went away."""


def _listen(ledger: Ledger, plan: int | None, port: int) -> _Server:
    ledger.plan(plan)  # a ledger without a plan has nothing to show

    class Answers(_Answers):
        site = _Site(ledger, plan)

    try:
        return _Server((_LOOPBACK, port), Answers)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"port {port} cannot be used: {why}; name another with --port") from None


def _url(server: _Server) -> str:
    return f"http://{_LOOPBACK}:{server.server_port}/"


@contextmanager
def serving(ledger: Ledger, plan: int | None = None, *, port: int = 0) -> Iterator[str]:
    """Serve the page from a thread while the block runs, and give its address; port 0 takes a free one.

    `plan` is what the first page shows, by default the last plan. Raises ConfigurationError.
    """
    with _listen(ledger, plan, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield _url(server)
        finally:
            server.shutdown()
            thread.join(_TIMEOUT)


def serve(
    ledger: Ledger, plan: int | None = None, *, port: int = PORT, ready: Callable[[str], object] = lambda _url: None
) -> NoReturn:
    """Serve the page until the process is interrupted; call `ready` with its address once the port is open.

    Raises ConfigurationError if the port cannot be used, KeyboardInterrupt when the process is interrupted.
    """
    with _listen(ledger, plan, port) as server:
        if threading.current_thread() is threading.main_thread():  # a shell can have made the process ignore it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        ready(_url(server))
        server.serve_forever()
    raise KeyboardInterrupt  # serve_forever ends in no other way
