"""A target that only notes when each request arrives, and worker processes that send as fast as the ledger allows."""

import multiprocessing
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoice_bridge.migrate import Ledger, Timing
from invoice_bridge.migrate.leases import Lease
from invoice_bridge.migrate.pace import SharedPace

_WARM_UP = 0.3
_THREADS = 4
_TICK = 0.002
CALM = 0.012
"""Seconds. A process that waits longer for a processor sends and notes late, by more than the slots leave room for."""


@dataclass(frozen=True)
class Pace:
    """What the target saw: the share of the rate that was used, the most requests in any second by its clock.

    `late` is how long a process of the measurement had to wait for a processor, at most, in seconds: a request that
    waited between its slot and the target's clock is not the pace's.
    """

    used: float
    most: int
    late: float


@contextmanager
def watched(late: Any) -> Iterator[None]:
    """Keep in `late` by how much a thread of this process wakes later than it asked for, at most."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.is_set():
            began = time.monotonic()
            time.sleep(_TICK)
            waited = time.monotonic() - began - _TICK
            late.value = max(late.value, waited)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Target(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Arrival)
        self.arrivals: list[float] = []


class _Arrival(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(1):
            arrivals: list[float] = getattr(self.server, "arrivals", [])
            arrivals.append(time.monotonic())
            self.request.sendall(b".")


@contextmanager
def target() -> Iterator[_Target]:
    """Serve the target."""
    with _Target() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def send(place: str, port: int, rate: int, seconds: float, *, ready: Any, late: Any, shared: bool) -> None:
    """Send for so long, each request after a slot; unless `shared`, this process has a pace of its own."""
    with Ledger(place) as ledger:
        ready.wait(120)
        until = time.monotonic() + seconds
        lease = Lease(ledger.database, Timing())
        account = "target" if shared else f"target {multiprocessing.current_process().pid}"
        pace = SharedPace(ledger.database, account, rate, lease.fence)

        def loop() -> None:
            with socket.create_connection(("127.0.0.1", port)) as wire:
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while time.monotonic() < until:
                    pace.reserve()
                    wire.sendall(b".")
                    wire.recv(1)

        running = [threading.Thread(target=loop) for _ in range(_THREADS)]
        with watched(late):
            for each in running:
                each.start()
            for each in running:
                each.join()
        lease.end()


def measure(place: str | Path, rate: int, seconds: float, *, shared: bool = True, processes: int = 3) -> Pace:
    """Have processes send for so many seconds, and return what the target saw."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    Ledger(place).close()
    with target() as server:
        port = server.server_address[1]
        ready, late = context.Barrier(processes + 1), context.Value("d", 0.0)
        orders, options = (str(place), port, rate, seconds), {"ready": ready, "late": late, "shared": shared}
        running = [context.Process(target=send, args=orders, kwargs=options) for _ in range(processes)]
        for each in running:
            each.start()
        ready.wait(120)  # on a busy machine a process takes long to begin
        until = time.monotonic() + seconds
        with watched(late):
            for each in running:
                each.join(seconds + 30)
                assert each.exitcode == 0
        arrivals = sorted(server.arrivals)
    began = arrivals[0] + _WARM_UP
    counted = [at for at in arrivals if began <= at < until - 0.2]
    used = (len(counted) - 1) / (counted[-1] - counted[0]) / rate
    first, most = 0, 0
    for last, at in enumerate(arrivals):
        while arrivals[first] <= at - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return Pace(used, most, late.value)
