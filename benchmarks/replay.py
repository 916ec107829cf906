"""What a replayed request costs, vcrpy and the player side by side in one run: python benchmarks/replay.py

The cassettes are made here: as many creating requests as the first column says, each for its own customer, a form of
300 bytes and an answer of 1.5 kB. The requests are asked for in a shuffled order, through httpx.Client in all three
cases: "httpx alone" is what it needs by itself. vcrpy is asked for SAMPLE of them. Times are medians of single calls,
so that another program on the machine does not count. Exit code 1 where the player needs more than LIMIT.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from vcr.config import VCR
from vcr.persisters.filesystem import FilesystemPersister
from vcr.record_mode import RecordMode
from vcr.request import Request
from vcr.serializers import yamlserializer

from invoice_bridge.cassettes.player import Player

SIZES = (100, 1_000, 4_000)
SAMPLE = {100: 100, 1_000: 100, 4_000: 12}
LIMIT = 0.3  # milliseconds a request
DEFAULT = ("method", "scheme", "host", "port", "path", "query")
FORM = "application/x-www-form-urlencoded"


def call(number: int) -> tuple[str, bytes]:
    fields = {
        "currency": "eur",
        "customer": f"cus_{number:08d}",
        "description": "Reservation fees, as agreed",
        "auto_advance": "false",
        "collection_method": "send_invoice",
        "days_until_due": 14,
        "metadata[invoice_bridge_reference]": f"res-2026-05-{number:08d}",
        "lines[0][amount]": 100 + number,
        "lines[0][description]": "Reservation fees",
    }
    return f"https://api.example.test/v1/customers/cus_{number:08d}/invoices?expand=lines", urlencode(fields).encode()


def write(path: Path, size: int) -> None:
    requests, answers = [], []
    for number in range(size):
        url, content = call(number)
        requests.append(Request("POST", url, content, {"content-type": FORM, "idempotency-key": f"ib1-{number:064d}"}))
        lines = ",".join(
            f'{{"id":"il_{number:08d}{line}","amount":{100 + number},"currency":"eur"}}' for line in range(25)
        )
        text = f'{{"id":"in_{number:08d}","object":"invoice","status":"open","lines":{{"data":[{lines}]}}}}'
        headers = {"content-type": ["application/json"], "request-id": [f"req_{number:08d}"]}
        answers.append({"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": text}})
    persister: Any = FilesystemPersister
    persister.save_cassette(path, {"requests": requests, "responses": answers}, serializer=yamlserializer)


@contextmanager
def by_vcrpy(path: Path, bodies: bool) -> Iterator[httpx.Client]:
    match_on = [*DEFAULT, "body"] if bodies else list(DEFAULT)
    plain: Any = VCR(record_mode=RecordMode.NONE, match_on=match_on)  # type: ignore[no-untyped-call]
    with plain.use_cassette(str(path)), httpx.Client() as http:
        yield http


@contextmanager
def by_player(path: Path, bodies: bool) -> Iterator[httpx.Client]:
    with httpx.Client(transport=Player(path, match_on_body=bodies)) as http:
        yield http


@contextmanager
def by_nothing(_path: Path, _bodies: bool) -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}"))) as http:
        yield http


def measure(player: Any, path: Path, numbers: list[int], bodies: bool) -> tuple[float, float]:
    """Seconds to load, milliseconds a request."""
    began = time.perf_counter()
    with player(path, bodies) as http:
        loaded = time.perf_counter() - began
        took = []
        for number in numbers:
            url, content = call(number)
            began = time.perf_counter()
            http.post(url, content=content, headers={"Content-Type": FORM}).raise_for_status()
            took.append(time.perf_counter() - began)
        return loaded, statistics.median(took) * 1000


def main() -> int:
    print("interactions  bodies  vcrpy ms  player ms  httpx alone ms  times faster  vcrpy load s  player load s")
    slow = False
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = Path(folder, f"{size}.yaml")
            write(path, size)
            order = list(range(size))
            random.Random(5).shuffle(order)
            for bodies in (False, True):
                theirs_load, theirs = measure(by_vcrpy, path, order[: SAMPLE[size]], bodies)
                ours_load, ours = measure(by_player, path, order, bodies)
                _, alone = measure(by_nothing, path, order[:1000], bodies)
                slow |= ours > LIMIT
                print(
                    f"{size:12,}  {'yes' if bodies else 'no':>6}  {theirs:8.2f}  {ours:9.3f}  {alone:14.3f}"
                    f"  {theirs / ours:12.0f}  {theirs_load:12.2f}  {ours_load:13.2f}",
                    flush=True,
                )
    print(f"the player: {'MORE THAN' if slow else 'at most'} {LIMIT} ms a request")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
