"""The dearest answers that were found, and what reading one costs a process of its own: tools/bounds.py prints them."""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from invoice_bridge.core.exact import LARGEST
from tests.clients import KEY, row

CONTAINERS, VALUES = 30_000, 120_000


def gzipped(content: bytes, times: int = 1) -> bytes:
    """Compress the same content again and again, without holding the whole of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(content) for _ in range(times)) + packer.flush()


def _repeated(first: bytes, piece: bytes, last: bytes, most: int = LARGEST) -> bytes:
    return first + piece * ((min(most, LARGEST) - len(first) - len(last)) // len(piece)) + last


def _times(piece: bytes, times: int) -> bytes:
    """A list of as many as are read."""
    return b"[" + b",".join([piece] * times) + b"]"


def _invoice(**said: object) -> bytes:
    return json.dumps(row(1) | said, separators=(",", ":")).encode()


def _listing(rows: list[dict[str, object]]) -> bytes:
    return json.dumps({"object": "list", "has_more": False, "data": rows}, separators=(",", ":")).encode()


def _lines(count: int) -> dict[str, object]:
    line = {f"field_{number}": "a value" for number in range(40)} | {"currency": "eur", "description": "Fees"}
    return {"data": [line | {"id": f"il_{number}", "amount": 100, "quantity": 1} for number in range(count)]}


ANSWERS: dict[str, Callable[[], bytes]] = {
    "100 invoices of 10 lines (an honest one)": lambda: _listing([row(n, lines=_lines(10)) for n in range(100)]),
    "`%41%41…` in a text": lambda: _repeated(b'"', b"%41", b'"'),
    r"`\/\/…` in a text": lambda: _repeated(b'"', b"\\/", b'"'),
    r"`\u0041…` in a text": lambda: _repeated(b'"', b"\\u0041", b'"'),
    "the key, escaped, between `%41`": lambda: _repeated(
        b'"', "".join(f"%{ord(sign):02x}" for sign in KEY).encode() + b"%41" * 5000, b'"'
    ),
    "one text with a sign of four bytes": lambda: _repeated('"😀'.encode(), b"abcdefgh", b'"'),
    "`[[],[],…`": lambda: _times(b"[]", CONTAINERS - 1),
    "`{},{},…` beside a long text": lambda: _repeated(
        _invoice()[:-1] + b',"x":' + _times(b"{}", CONTAINERS - 10) + b',"y":"', b"%41", b'"}'
    ),
    "`1,1,…`": lambda: _repeated(b"[", b"1,", b"1]"),
    "`1e400,…`": lambda: _times(b"1e400", VALUES - 1),
    "`1.1,…`": lambda: _times(b"1.1", VALUES - 1),
    "lists in lists": lambda: _times(b"[" * 90 + b"]" * 90, CONTAINERS // 90 - 1),
    "an invoice of 29,900 lines": lambda: _invoice(
        lines={"data": [{"id": f"il_{number}", "amount": 1} for number in range(CONTAINERS - 100)]}
    ),
    "an invoice of 119,000 lines that are none": lambda: _invoice(lines={"data": [1] * (VALUES - 1000)}),
    r"the same, beside `\/\/…`": lambda: _repeated(
        _invoice(lines={"data": [1] * (VALUES - 1000)})[:-1] + b',"description":"', b"\\/", b'"}'
    ),
    "lines of which nothing can be read": lambda: _invoice(
        lines={
            "data": [
                {"id": 1, "amount": "x", "quantity": "x", "description": 1, "currency": 1}
                for _ in range(VALUES // 6 - 1000)
            ]
        }
    ),
    "a listing of 9,900 invoices": lambda: _listing([row(number) for number in range(CONTAINERS // 3 - 100)]),
    "100,000 entries of metadata": lambda: _invoice(metadata={f"k{number}": "v" for number in range(100_000)}),
    "4 MB that are not JSON": lambda: _repeated(b"<html>", b"&amp;", b"</html>"),
    "gzip of 250 MB": lambda: gzipped(b" " * 1_000_000, 250),
    "gzip of gzip of 250 MB": lambda: gzipped(gzipped(b" " * 1_000_000, 250)),
    "gzip of 4 MB of `%41`": lambda: gzipped(_repeated(b'"', b"%41", b'"')),
}
"""Name → body; those in gzip are sent as such, "gzip of gzip" as gzip, gzip."""

_PROGRAM = """
import sys, time
import httpx
from invoice_bridge import BridgeError, Client
from invoice_bridge.adapter.answers import json_of
from invoice_bridge.engine.supervise import Lost
body, coding = sys.stdin.buffer.read(), sys.argv[1]
class Answer(httpx.BaseTransport):
    def handle_request(self, request):
        pieces = (body[at : at + 16384] for at in range(0, len(body), 16384))
        return httpx.Response(200, headers={"Content-Encoding": coding} if coding else {}, content=pieces)
http = httpx.Client(transport=Answer())
client = Client("stripe", api_key="KEY", base_url="http://127.0.0.1:1", http=http, requests_per_minute=1_000_000)
def memory(name):  # getrusage would count the process that started this one
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith(name))
send, answers = Client._send, []
def once(self, *sent):  # one answer is measured: what asks for another one ends there
    if answers:
        raise KeyboardInterrupt
    answers.append(None)
    try:
        answers[0] = send(self, *sent)
    except Lost as error:
        answers[0] = error
        raise
    return answers[0]
Client._send = once
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")  # begin the peak anew
before, began, cpu = memory("VmRSS"), time.monotonic(), time.process_time()
time.sleep = lambda seconds: None
try:
    if b'"object":"list"' in body[:100]:
        list(client.list())
    else:
        client.retrieve("in_1", whole=False)
except (BridgeError, KeyboardInterrupt):
    pass
took = memory("VmHWM") - before, memory("VmHWM"), time.process_time() - cpu, time.monotonic() - began
try:
    outcome = str(answers[0]) if isinstance(answers[0], Lost) else json_of(answers[0]) and "read"
except BridgeError as error:
    outcome = str(error).partition("bytes: ")[2].partition(");")[0]
print(*took, outcome, sep="|")
""".replace("KEY", KEY)


@dataclass(frozen=True)
class Cost:
    """What an answer cost: bytes on the wire, megabytes above the start and in all, seconds of CPU and by the clock."""

    on_wire: int
    grown: int
    peak: int
    cpu: float
    seconds: float
    outcome: str


def cost(name: str) -> Cost:
    """Have a process of its own read an answer once."""
    body, coding = ANSWERS[name](), ""
    if name.startswith("gzip"):
        coding = "gzip, gzip" if name.startswith("gzip of gzip") else "gzip"
    program = [sys.executable, "-c", _PROGRAM, coding]
    done = subprocess.run(program, input=body, capture_output=True, check=True, timeout=120)
    grown, peak, cpu, seconds, outcome = done.stdout.decode().strip().split("|", 4)
    return Cost(len(body), int(grown), int(peak), float(cpu), float(seconds), outcome)
