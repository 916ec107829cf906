"""What an import loads, and that a model which is built when it is first used is built once and for every use."""

import ast
import inspect
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module

import pytest
import typer

import invoice_bridge.core.balances  # noqa: F401 - a model that the adapters load
from invoice_bridge.adapter.webhooks import InvoiceEvent
from invoice_bridge.cli import app as cli
from invoice_bridge.core.lazy import LazyModule
from invoice_bridge.core.values import _DEFERS, Frozen
from tools.rooms import MODULES

NAMES = "from invoice_bridge import Client, Collection, Invoice, Money, OneTimeCharge, PeriodInvoice, decode, explain"
HEAVY = {"asyncio", "difflib", "httpx", "importlib.metadata", "psycopg", "sqlite3", "typer", "rich", "yaml"}
"""Modules of others that take milliseconds to import: each is loaded by the part that works with it."""
OF_A_PROVIDER = {
    f"invoice_bridge.{module}"
    for module in (
        "adapter.emulation",
        "adapter.reading",
        "adapter.redactions",
        "adapter.shapes",
        "adapter.webhooks",
        "cli",
        "emulator",
        "journal.postgres",
        "journal.sqlite",
        "journal.store",
        "testing",
        "client.config",
        "client.connections",
        "client.network",
        "client.network_async",
    )
}
"""What is ours and is loaded when a provider is named, a client is made, or somebody asks for it."""


def run(code: str, *arguments: str) -> str:
    """What a fresh process prints."""
    program = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(program, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(code: str, before: str = "pass") -> set[str]:
    """The modules that a fresh process loads for a statement, those of another statement left out."""
    printed = run(
        f"import sys, json\n{before}\nearlier = set(sys.modules)\n{code}\n"
        "print('loaded:' + json.dumps(sorted(set(sys.modules) - earlier)))"
    )
    found: set[str] = set(json.loads(printed.rpartition("loaded:")[2]))
    return found


def roots(modules: set[str], names: set[str]) -> set[str]:
    return {name for name in names for module in modules if module == name or module.startswith(f"{name}.")}


@pytest.mark.parametrize("names", [NAMES, "from invoice_bridge import *"])
def test_the_public_names_load_no_heavy_module(names: str) -> None:
    """Neither databases nor event loops, no command line, and of ours nothing that a provider's work needs."""
    modules = loaded(names, before="import pydantic")
    assert "invoice_bridge.client.clients" in modules
    star = {"invoice_bridge.adapter.reading", "invoice_bridge.adapter.webhooks", "invoice_bridge.journal.store"}
    expected = star if "*" in names else set()  # the modules of InvoiceEvent and Journal themselves
    by_pydantic: set[str] = set() if _DEFERS else {"importlib.metadata"}  # it looks for plugins when it builds a model
    assert roots(modules, HEAVY | OF_A_PROVIDER) - by_pydantic == expected
    assert {name for name in modules if name.startswith("invoice_bridge.providers.")} == set()


def test_the_list_of_our_heavy_modules_names_modules() -> None:
    """A module that was renamed would be looked for in vain."""
    assert set(MODULES) >= OF_A_PROVIDER


REQUEST = """
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = HTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
from invoice_bridge import BridgeError, Client
with Client("stripe", api_key="sk_test_not_a_key", base_url=f"http://127.0.0.1:{server.server_port}") as billing:
    try:
        billing.retrieve("in_1", whole=False)
    except BridgeError as error:
        print(type(error).__name__)
"""


def test_a_client_without_an_event_loop_loads_none() -> None:
    """A request of a Client loads no asyncio, and no database where no journal is named."""
    modules = loaded(REQUEST, before="import httpx")
    assert "invoice_bridge.client.network" in modules
    assert roots(modules, {"asyncio", "sqlite3", "invoice_bridge.client.network_async"}) == set()


# ── models that are built when they are first used ───────────────────────────────────────────────────────────────────
def models(of: type[Frozen] = Frozen) -> Iterator[type[Frozen]]:
    for model in of.__subclasses__():
        if model.__module__.startswith("invoice_bridge."):
            yield model
        yield from models(model)


MAKE = """
from datetime import UTC, datetime
from invoice_bridge import *
from invoice_bridge.core.values import _DEFERS, Frozen
eur = {"minor": 5, "currency": "EUR"}
span = {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}
line = {"description": "Line", "quantity": "2", "unit_amount": eur, "period": span}
bill = {"reference": "r", "customer": "cus_1", "lines": [line], "collection": {"kind": "send", "net_days": 3}}
loss = {name: "x" for name in ("code", "path", "sent", "why", "remedy")} | {"fate": "dropped", "severity": "info"}
invoice = {"provider": "stripe", "id": "in_1", "status": "open", "currency": "EUR", "lines": [line], "losses": [loss],
           "problems": [{"path": "a", "why": "b"}], "customer": {"id": "c"}, "period": span, "raw": '{"a": 1.10}'}
once = {"id": "in_1", "reference": "r", "amount": eur}
FIELDS = {
    "Find": {"reference": "r"}, "Refund": once, "Credit": once, "RecordPayment": once | {"at": span["start"]},
    "Address": {"city": "Lyon"},
    "Adjustment": {"kind": "shipping", "amount": eur},
    "CreditNote": {"id": "cn_1", "amount": eur},
    "Discount": {"code": "SPRING", "amount": eur},
    "Payment": {"id": "pay_1", "amount": eur, "at": "2026-05-01T00:00:00Z"},
    "TaxId": {"kind": "eu_vat", "value": "FR1"},
    "TaxLine": {"rate": "20", "amount": eur},
    "TaxRate": {"name": "VAT", "rate": "20"},
    "Bill": bill,
    "Collection": {"kind": "send", "due": "2026-05-01T00:00:00Z"},
    "Command": {},
    "CustomerRef": {"id": "cus_1", "ids": {"stripe": "cus_2"}},
    "ImportInvoice": {"reference": "r", "status": "open", "total": eur, "issued_at": "2026-05-01T00:00:00Z"},
    "Invoice": invoice,
    "InvoiceEvent": {"provider": "stripe", "id": "evt_1", "type": "paid", "verified": True, "invoice": invoice},
    "Line": line,
    "ListInvoices": {"status": "open", "customer": "cus_1"},
    "NewInvoice": {"reference": "r", "customer": "cus_1"},
    "OneTimeCharge": bill | {"period": span},
    "PeriodInvoice": bill | {"period": span, "currency": "EUR"},
    "Problem": {"path": "a", "why": "b"},
    "ReadBalances": {"customer": "cus_1"},
    "Update": {"id": "in_1", "due_at": "2026-05-01T00:00:00Z", "metadata": {"a": "b"}},
}
def models(of=Frozen):
    for model in of.__subclasses__():
        yield model
        yield from models(model)
MODELS = sorted(models(), key=lambda model: model.__name__)
def fields_of(model):
    return FIELDS.get(model.__name__, {"id": "in_1"})
"""

THREADS = (
    MAKE
    + """
import random, sys, threading
assert not (_DEFERS and any(model.__pydantic_complete__ for model in MODELS))
sys.setswitchinterval(1e-6)
barrier, made, failed = threading.Barrier(16), [], []
def make(seed):
    order = MODELS.copy()
    if seed % 2:
        random.Random(f"{sys.argv[1]} {seed}").shuffle(order)
    barrier.wait()
    try:
        made.append({model.__name__: model.model_validate(fields_of(model)).model_dump_json() for model in order})
    except BaseException as error:
        failed.append(repr(error))
threads = [threading.Thread(target=make, args=(seed,)) for seed in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert failed == [], failed
assert len(made) == 16 and all(values == made[0] for values in made)
assert all(model.__pydantic_complete__ for model in MODELS)
print(*sorted(made[0]))
"""
)


@pytest.mark.parametrize("seed", range(3))
def test_many_threads_may_make_the_first_value_of_each_model_at_once(seed: int) -> None:
    """Each model is built once, whole, and before anybody uses it; half the threads begin with the same one."""
    names = run(THREADS, str(seed)).split()
    assert set(names) == {model.__name__ for model in models()} >= {"Invoice", "OneTimeCharge", InvoiceEvent.__name__}


@pytest.mark.skipif(not _DEFERS, reason="before 2.11, pydantic is not asked to build models later")
def test_no_model_is_built_by_an_import() -> None:
    """Building all of them took longer than everything else that an import does."""
    code = f"{NAMES}\n{MAKE}\nprint([model.__name__ for model in MODELS if model.__pydantic_complete__])"
    assert run(code).strip() == "[]"


FIRST_USES = {
    "a caller's variables are not our types": """
        def bill():
            Annotated = Strict = Severity = Instant = Amount = Money = Status = "the caller's own"
            return OneTimeCharge.model_validate(FIELDS["OneTimeCharge"]), Invoice.model_validate(invoice)
        charge, read = bill()
        print(charge.total, read.losses[0].severity.value)
    """,
    "JSON schema": 'print("reference" in OneTimeCharge.model_json_schema()["properties"], "EUR")',
    "a model that has one": """
        from pydantic import BaseModel
        class Order(BaseModel):
            bill: OneTimeCharge
            paid: list[Invoice] = []
        print(Order(bill=FIELDS["OneTimeCharge"], paid=[invoice]).bill.total)
    """,
    "a subclass": """
        class Ours(Invoice):
            note: str = ""
        print(Ours(**invoice, note="n").lines[0].amount)
    """,
    "a subclass of a function's own types": """
        def make():
            class Note(Frozen):
                text: str
            class Ours(Invoice):
                note: "Note | None" = None
            return Ours(**invoice, note=Note(text="x"))
        print(make().note.text, "EUR")
    """,
    "a type adapter": """
        from pydantic import ConfigDict, TypeAdapter
        read = TypeAdapter(list[Invoice | Line]).validate_python([invoice, line])
        print(TypeAdapter(OneTimeCharge | PeriodInvoice).validate_python(FIELDS["OneTimeCharge"]).total, len(read))
    """,
    "a generic model": """
        from typing import Generic, TypeVar
        from pydantic import BaseModel
        T = TypeVar("T")
        class Page(BaseModel, Generic[T]):
            items: list[T]
        print(Page[Invoice](items=[invoice]).items[0].currency)
    """,
    "model_construct and model_copy": """
        made = Line.model_construct(amount=Money(5, "EUR"))
        print(made.model_copy(update={"description": "x"}).model_dump_json(exclude_none=True))
    """,
    "a failure": """
        from pydantic import ValidationError
        try:
            Line(amount=5.0)
        except ValidationError as error:
            print(error.errors()[0]["msg"], "EUR")
    """,
}


@pytest.mark.parametrize("use", FIRST_USES)
def test_a_model_is_built_by_whatever_uses_it_first(use: str) -> None:
    """In a fresh process each: validation, serialization, schemas, other models, subclasses, copies."""
    assert "EUR" in run(MAKE + textwrap.dedent(FIRST_USES[use]))


def test_a_pickled_value_is_read_where_its_model_was_never_used() -> None:
    """Also in a process that has built nothing yet, and there it is written as JSON."""
    code = MAKE + "import pickle\nprint(pickle.dumps(Invoice.model_validate(invoice)).hex())"
    there = run(f"import pickle, sys\nread = pickle.loads(bytes.fromhex(sys.argv[1]))\n{SHOW}", run(code).strip())
    assert there == run(f"{MAKE}read = Invoice.model_validate(invoice)\n{SHOW}")


SHOW = "print(read.model_dump_json(), read == read.model_copy(), hash(read.lines) != 0)"


def test_a_lazy_module_is_the_module() -> None:
    """Its names are read from the module at each use; nothing is loaded to describe it."""
    lazy = LazyModule("colorsys")
    assert not hasattr(lazy, "__wrapped__")
    assert lazy.rgb_to_hsv is import_module("colorsys").rgb_to_hsv
    with pytest.raises(AttributeError):
        _ = lazy.nothing_of_this_name


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────────
def ours(modules: set[str]) -> set[str]:
    return {module.removeprefix("invoice_bridge.") for module in modules if module.startswith("invoice_bridge.")}


def terminal(*arguments: str, content: str = "") -> set[str]:
    """The modules that a command loads."""
    return loaded(
        f"import io, sys\nsys.stdin = io.TextIOWrapper(io.BytesIO({content.encode()!r}))\n"
        f"from invoice_bridge.cli import main\ntry:\n    main({list(arguments)!r})\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code"
    )


def test_the_help_loads_nothing_but_how_a_command_ends() -> None:
    """It names every command, and imports none."""
    modules = terminal("--help")
    assert ours(modules) == {"cli", "cli.app", "cli.exits", "core", "core.errors"}
    assert roots(modules, {"httpx", "pydantic", "sqlite3"}) == set()


def test_a_command_that_sends_nothing_loads_no_client() -> None:
    """`explain` loads the provider that it explains, and neither HTTP nor databases nor tables for a person."""
    bill = '{"command": "one_time_charge", "reference": "r", "customer": "c", "amount": "19.99 EUR"}'
    modules = terminal("explain", "-", "--provider", "stripe", content=bill)
    assert {module.split(".")[1] for module in ours(modules) if module.startswith("providers.")} == {"stripe"}
    assert roots(modules, {"httpx", "asyncio", "sqlite3", "rich.console"}) == set()
    assert "client.clients" not in ours(modules)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_says_of_each_command_what_it_says_of_itself(name: str) -> None:
    """The list of commands repeats the first paragraph of each; otherwise the two would differ one day."""
    entry = cli.COMMANDS[name]
    command = entry.load(name)
    first = inspect.cleandoc(command.help).split("\n\n")[0].replace("\n", " ")
    assert (entry.help, name) == (first, command.name)


def test_every_command_is_listed() -> None:
    """Each function of the modules that takes the options of a command has a name in the list, once."""
    listed = [entry.place for entry in cli.COMMANDS.values()]
    public = {
        f"{module}:{node.name}"
        for module in ("offline", "bills", "invoices")
        for node in ast.parse(MODULES[f"invoice_bridge.cli.{module}"].read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    groups = {
        "calibrate:calibrate",
        "cassettes:app",
        "compare:compare",
        "doctor:doctor",
        "emulate:emulate",
        "journal:app",
        "mcp:mcp",
        "migrate:app",
        "new_provider:scaffold",
        "switch:app",
        "webhooks:app",
    }
    assert sorted(listed) == sorted(public | groups)
    for name in ("cassettes", "journal", "migrate", "switch", "webhooks"):
        assert isinstance(import_module(f"invoice_bridge.cli.{name}").app, typer.Typer)
