"""One call of the library, described in JSON: made in this process, or in one that can be killed.

`python -m tests.independent.calls` forks a process for each job that it reads from standard input, so that a killed
caller costs a fork and not an interpreter. What the library says comes back as JSON too, and is all that a judge sees
of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from inspect import getsource, signature
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self, get_args

import httpx

from invoice_bridge import Client, Collection, CustomerRef, Line, Money, OneTimeCharge, Period, PeriodInvoice
from invoice_bridge.core.errors import AlreadyBilled, BridgeError, Declined, Discrepancy, InvalidState
from invoice_bridge.core.idempotency import Lookup
from invoice_bridge.core.model import Invoice
from invoice_bridge.testing import no_waiting

Job = dict[str, Any]
Told = dict[str, Any]

SECRET = "sk_test_not_a_key"
ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, dict[str, Any]] = {
    "chargebee": {"site": "acme"},
    "whop": {"account_id": "biz_independent"},
}
BASE = {"chargeapi": "/v1", "chargebee": "/api/v2", "stripe": "", "whop": "/api/v1"}
CUSTOMERS = {"chargeapi": "cus_1", "chargebee": "cus_1", "stripe": "cus_1", "whop": "mber_1"}
MAY = Period(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
IN_MAY = datetime(2026, 5, 17, 12, tzinfo=UTC).timestamp()
LOOKUPS = get_args(Lookup)


def bill(job: Job) -> OneTimeCharge | PeriodInvoice:
    """The command of a job: the same values for the same job, whenever it is made."""
    told, born = job["bill"], datetime.fromtimestamp(job["born"], UTC).replace(microsecond=0)
    collection = Collection.manual()
    if told["collection"] == "send":
        by_date = job["provider"] in {"chargeapi", "whop"}
        collection = Collection.send(due=born + timedelta(days=500)) if by_date else Collection.send(net_days=14)
    elif told["collection"] == "charge":
        collection = Collection.charge(payment_method=told["payment_method"])
    dated = job["provider"] == "whop" and told["collection"] == "charge"
    shared: dict[str, Any] = {
        "reference": told["reference"],
        "customer": CustomerRef(ids=CUSTOMERS),
        "description": "Charging sessions",
        "collection": collection,
        "tax": told["tax"],
        "draft": told["draft"],
        "attempt": job.get("attempt", 1),
        "issued_at": born if dated else None,  # Whop: a charge has a due date
    }
    amount = Money(told["amount"], "EUR")
    if told["kind"] == "one_time":
        return OneTimeCharge(amount=amount, period=MAY if job["provider"] == "chargeapi" else None, **shared)
    lines = [] if told["kind"] == "accrued" else [Line(description="Energy", amount=amount)]
    subscription = "sub_1" if told["kind"] == "accrued" and job["provider"] == "chargebee" else None
    return PeriodInvoice(period=MAY, currency="EUR", lines=lines, subscription=subscription, **shared)


def perform(
    job: Job, rest: Callable[[float], None] = lambda seconds: None, kept: dict[str, Client] | None = None
) -> Told:
    """Make the call of a job, with the clock that it says; `rest` replaces every wait.

    `kept` holds the clients of a process that lives on; without it this client is the process's first and last.
    """
    with on_clock(job["skipped"], rest):
        named = f"{job['provider']} {job['journal']}"
        try:
            client = (kept or {}).get(named) or _client(job)
        except BridgeError as error:
            return _error(error)
        if kept is not None:
            kept[named] = client
        try:
            return _call(client, job)
        finally:
            if kept is None:
                client.close()


def _client(job: Job) -> Client:
    with no_waiting():
        return Client(
            job["provider"],
            api_key=SECRET,
            base_url=job["url"] + BASE[job["provider"]],
            http=_http(),
            lookup=job["lookup"],
            journal=job["journal"],
            **SETTINGS.get(job["provider"], {}),
        )


@cache
def _http() -> httpx.Client:
    """One for all cases of a process: making one loads certificates."""
    return httpx.Client(verify=False, trust_env=False, timeout=30)  # noqa: S501 - plain http, to this machine


def close() -> None:
    """Close what was opened for the calls of this process."""
    if _http.cache_info().currsize:
        _http().close()
        _http.cache_clear()


def _call(client: Client, job: Job) -> Told:
    since = datetime.fromtimestamp(job["born"] - 5, UTC)
    try:
        if job["action"] == "create":
            command = bill(job)
            grave = {loss.code for loss in client.losses(command) if loss.severity == "changes_money"}
            allow = [loss.code for loss in client.losses(command) if loss.code not in grave or job["allows_money"]]
            knows = job["since"] and "since" in signature(client.create).parameters
            options: dict[str, Any] = {"since": since} if knows else {}
            return _invoice(client.create(command, allow=allow, **options))
        if job["action"] == "resolve":
            done = client.resolve(bill(job), since=since)
            told = {"kind": "resolution", "state": done.state, "message": done.why}
            return told | ({} if done.invoice is None else {"invoice": _invoice(done.invoice)})
        return _invoice(getattr(client, job["action"])(job["id"]))
    except Exception as error:  # noqa: BLE001 - it is judged, whatever it is
        return _error(error)


def _invoice(invoice: Invoice) -> Told:
    return {
        "kind": "invoice",
        "id": invoice.id,
        "status": str(invoice.status),
        "reference": invoice.reference,
        "total": None if invoice.total is None else invoice.total.minor,
        "due": None if invoice.amount_due is None else invoice.amount_due.minor,
        "paid": None if invoice.amount_paid is None else invoice.amount_paid.minor,
        "discrepancies": list(invoice.discrepancies),
    }


def _error(error: Exception) -> Told:
    told: Told = {
        "kind": "error",
        "error": type(error).__name__,
        "tree": [each.__name__ for each in type(error).__mro__],
        "message": str(error),
        "outcome": getattr(error, "outcome", None),
        "invoice_id": getattr(error, "invoice_id", None),
        "steps": [str(step) for step in getattr(error, "steps", ())],
    }
    existing = getattr(error, "existing", None)
    if isinstance(error, InvalidState | Discrepancy | Declined):
        existing = error.invoice
    if isinstance(error, AlreadyBilled):
        told["elsewhere"] = getattr(error, "provider", None)
        told["elsewhere_state"] = getattr(error, "state", None)
    return told | ({"existing": _invoice(existing)} if isinstance(existing, Invoice) else {})


# ── the library's clock ──────────────────────────────────────────────────────────────────────────────────────────────
_real_sleep = time.sleep


class _AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


def _clocked() -> list[ModuleType]:
    """The library's modules that ask what time it is: the clients have no switch for it."""
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "invoice_bridge"]
    return [module for module in modules if getattr(module, "datetime", None) is datetime and _asks(module)]


def _asks(module: ModuleType) -> bool:
    if module.__name__ not in _asking:
        try:
            _asking[module.__name__] = "datetime.now(" in getsource(module)
        except OSError:
            _asking[module.__name__] = False
    return _asking[module.__name__]


_asking: dict[str, bool] = {}


@contextmanager
def on_clock(seconds: float, rest: Callable[[float], None]) -> Iterator[None]:
    """Let the library believe that so many seconds have passed, and let no wait take time."""
    modules, skipped = _clocked(), [seconds]

    class _Now(datetime, metaclass=_AnyDatetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=skipped[0])

    def sleep(wait: float) -> None:
        skipped[0] += wait
        rest(wait)

    for module in modules:
        module.datetime = _Now  # type: ignore[attr-defined]
    time.sleep = sleep  # type: ignore[assignment]
    try:
        yield
    finally:
        time.sleep = _real_sleep
        for module in modules:
            module.datetime = datetime  # type: ignore[attr-defined]


# ── a caller that can be killed ──────────────────────────────────────────────────────────────────────────────────────
class Nursery:
    """Starts callers as processes of their own: a real fork, to be killed with a real SIGKILL."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.independent.calls"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def perform(self, job: Job, born: Callable[[int], None]) -> Told | None:
        """Make a call in a new process; `born` is told its number first. None: it was killed before it could answer."""
        self._write(json.dumps(job))
        born(int(self._read().removeprefix("born ")))
        self._write("go")
        told: Told | None = None
        while not (line := self._read()).startswith("dead "):
            told = json.loads(line)
        return told

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks callers has ended")
        return line.rstrip("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # whole, and not through a buffer that a fork would copy


def _fork_callers() -> None:
    for line in sys.stdin:
        ready, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(ready, 1)  # its number is known to the server now
            try:
                answer = json.dumps(perform(json.loads(line)))
            except Exception as error:  # noqa: BLE001 - it is told, whatever it is
                answer = json.dumps(_error(error))
            _say(answer)
            os._exit(0)
        os.close(ready)
        _say(f"born {child}")
        sys.stdin.readline()
        os.write(go, b"!")
        os.close(go)
        _say(f"dead {os.waitpid(child, 0)[1]}")


if __name__ == "__main__":
    for provider in BASE:  # loads everything once, before the first fork
        Client(provider, api_key=SECRET, base_url="http://127.0.0.1:9", **SETTINGS.get(provider, {})).close()
    _fork_callers()
