"""The rules of the design's last chapter, read from the source itself. A check that finds nothing to check fails."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Required, get_origin, get_type_hints

import pytest

import invoice_bridge
from invoice_bridge import (
    AsyncClient,
    Client,
    Collection,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    explain,
    providers,
)
from invoice_bridge.adapter.declared import Cannot
from invoice_bridge.adapter.provider import Provider, Verbs
from invoice_bridge.client import settings
from invoice_bridge.client.methods import Methods
from invoice_bridge.client.on_invoices import AsyncVerbs
from invoice_bridge.client.on_invoices import Verbs as SyncVerbs
from invoice_bridge.core.commands import (
    Command,
    Delete,
    Finalize,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    Pay,
    Retrieve,
    SendInvoice,
    Update,
    Void,
)
from invoice_bridge.core.wire import Request

SRC = Path(invoice_bridge.__file__).parent
MODULES = sorted(path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py"))
PROVIDERS = sorted(path.name for path in (SRC / "providers").iterdir() if (path / "__init__.py").exists())
TABLES = [module for module in MODULES if module.startswith("providers/") and module.count("/") == 2]
PROVIDER_WORDS = ("chargeapi", "chargebee", "stripe", "whop")

each_module = pytest.mark.parametrize("module", MODULES)
each_provider = pytest.mark.parametrize("name", PROVIDERS)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((SRC / module).read_text("utf-8"), module)


def _imports(module: str) -> Iterator[tuple[str, int]]:
    """Whole names of what a module imports, lazily too, those for type checkers alone left out."""
    typing_only = {
        id(node)
        for test in ast.walk(_tree(module))
        if isinstance(test, ast.If) and isinstance(test.test, ast.Name) and test.test.id == "TYPE_CHECKING"
        for statement in test.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(_tree(module)):
        if id(node) in typing_only:
            continue
        match node:
            case ast.Call(func=ast.Name(id="LazyModule"), args=[ast.Constant(value=str(name))]):
                yield name, node.lineno
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            yield from ((f"{package}.{alias.name}", node.lineno) for alias in node.names)


def test_there_is_something_to_check() -> None:
    """The walk finds the modules that are known to be there, and all four providers."""
    known = {"core/money.py", "client/clients.py", "providers/__init__.py", "providers/stripe/verbs.py"}
    assert known | {"adapter/emulation/core.py"} <= set(MODULES)
    assert len(MODULES) > 30
    assert PROVIDERS == ["chargeapi", "chargebee", "stripe", "whop"]
    assert {name for name, _ in _imports("client/connections.py")} >= {"httpx", "time", "asyncio"}


# ── effects stand in a few places ────────────────────────────────────────────────────────────────────────────────────
NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "httpx",
    "requests",
    "aiohttp",
    "asyncio",
    "starlette",
    "uvicorn",
    "smtplib",
}
CLOCK = {"time", "sched"}
CHANCE = {"random", "secrets", "uuid", "numpy"}
ENVIRONMENT = {"os", "subprocess", "getpass", "platform", "locale", "tempfile"}
EFFECTS = NETWORK | CLOCK | CHANCE | ENVIRONMENT
HARMLESS = {"os.PathLike", "os.fspath"}  # what a path may be: nothing of this machine is read by them

# who may import what of these, and why
ALLOWED: Mapping[str, set[str]] = {
    "files.py": {"os", "secrets"},  # writes files of random names beside no links
    "journal/postgres.py": {"os"},  # a forked child leaves its parent's session open
    "journal/state.py": {"os"},  # asks whether a file may be written, without opening it
    "journal/sqlite.py": {"os"},  # makes its file private, before it is opened
    "emulator/server.py": EFFECTS,  # serves the in-memory providers
    "emulator/ports.py": {"socket", "os"},  # opens their ports
    "emulator/courier.py": {"httpx"} | CLOCK,  # delivers their webhooks
    "emulator/endpoints.py": {"httpx"},  # reads the URL of an endpoint as what delivers to it does
    "emulator/connection.py": NETWORK,  # resets, delays and truncates their answers
    "webhooks/asgi.py": {"starlette", "uvicorn"} | CLOCK,  # receives deliveries; their present is its clock's
    "adapter/emulation/transport.py": {"httpx"},  # the types of a transport; it opens no socket
    "mcp/data.py": {"secrets"},  # marks data with a word that the data cannot guess
    "mcp/session.py": {"time", "secrets"},  # a plan holds for a time; fingerprints of a profile are this process's
    "otel.py": {"time"},  # measures how long things take
    "client/options.py": CLOCK | {"httpx", "random"},  # the rate limiters' clock; how long to wait is drawn
    "compare/report/__init__.py": {"tempfile"},  # its rows wait in a file without a name until the summary is written
    "testing/fault_matrix.py": EFFECTS,  # its sample is drawn by a seed
}
ALLOWED_BELOW: Mapping[str, set[str]] = {
    "cli/": EFFECTS,  # a program for people
    "client/": EFFECTS - CHANCE,  # the only room that does network I/O; keys come from environment variables
    "migrate/": EFFECTS,  # a durable engine
    "switch/": CLOCK | {"asyncio", "os"},  # awaits clients; its rows have the time at which they were written
    "testing/": EFFECTS - CHANCE,  # tests for users: they run clients against emulators
    "cassettes/": {"httpx"},  # records what a transport sees
}


def _may(module: str) -> set[str]:
    below = next((may for folder, may in ALLOWED_BELOW.items() if module.startswith(folder)), set())
    return ALLOWED.get(module, below)


@each_module
def test_no_network_clock_chance_or_environment(module: str) -> None:
    """Billing knowledge is pure: what touches the world stands in the few modules that are for it."""
    forbidden = EFFECTS - _may(module)
    found = [
        f"{module}:{line} imports {name}"
        for name, line in _imports(module)
        if name not in HARMLESS and any(name == bad or name.startswith(f"{bad}.") for bad in forbidden)
    ]
    assert found == []


PRESENT = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


@each_module
def test_no_present_and_no_local_zone(module: str) -> None:
    """Nothing asks for "now", and nothing is turned into the machine's own zone (defect 26)."""
    found = []
    for node in ast.walk(_tree(module)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        nowhere = len(node.args) + len(node.keywords)
        if (owner, node.func.attr) in PRESENT and CLOCK - _may(module):
            found.append(f"{module}:{node.lineno} asks for the present")
        if (node.func.attr == "astimezone" and nowhere == 0) or (node.func.attr == "fromtimestamp" and nowhere < 2):
            found.append(f"{module}:{node.lineno} takes the machine's zone")
    assert found == []


@each_module
def test_no_file_is_opened_where_knowledge_is_pure(module: str) -> None:
    """Reading and writing files is for the command line, profiles, cassettes, what is compared and packaged data."""
    compared = {"compare/allowed.py", "compare/from_cassette.py", "compare/report/__init__.py", "compare/sources.py"}
    if module in {"client/config.py", "calibrations.py", "matrix.py", *compared} or module.startswith(
        ("cli/", "cassettes/", "migrate/", "scaffold/", "testing/", "emulator/server")
    ):
        return
    found = [
        f"{module}:{node.lineno}"
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call)
        and not (module == "adapter/shapes.py" and isinstance(node.func, ast.Name) and node.func.id == "exec")
        and (
            (isinstance(node.func, ast.Name) and node.func.id in {"open", "input", "eval", "exec", "__import__"})
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in {"read_text", "write_text", "read_bytes", "write_bytes"}
            )
        )
    ]
    assert found == []


@each_module
def test_an_adapter_knows_no_other(module: str) -> None:
    """What two providers share stands in the kit. The order of the rooms is drawn in test_rooms.py."""
    if module.startswith("providers/") and module != "providers/__init__.py":
        package = module.split("/")[1]
        ours = [name.removeprefix("invoice_bridge.") for name, _ in _imports(module)]
        others = [name for name in ours if name.startswith("providers.")]
        assert [name for name in others if not name.startswith(f"providers.{package}")] == []


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith("scaffold/")])
def test_imports_are_absolute(module: str) -> None:
    """A name is found by searching for it; only the scaffold, which is copied under another name, is relative."""
    assert [name for name, _ in _imports(module) if name.startswith(".")] == []


@each_module
def test_sdks_are_for_type_checkers_alone(module: str) -> None:
    """No module imports an official SDK at run time."""
    assert [name for name, _ in _imports(module) if name.partition(".")[0] in {"stripe", "chargebee", "whop_sdk"}] == []


# ── core modules know no provider ────────────────────────────────────────────────────────────────────────────────────
CORE = [
    module
    for module in MODULES
    if not module.startswith(("cli/", "migrate/", "providers/")) and module != "client/settings.py"
]
# words that may stand there all the same, and why
KNOWN_WORDS: Mapping[str, set[str]] = {
    "client/core.py": {
        *(f'"{name}"' for name in PROVIDER_WORDS),  # the overloads
        "ChargebeeSettings", "StripeSettings", "WhopSettings",
    },
    "client/config_tables.py": {"STRIPE_API_KEY"},  # the example in a message
}  # fmt: skip


def _docstrings(tree: ast.Module) -> set[int]:
    """Strings that stand alone as statements: docstrings, and the remarks below a field."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _words(module: str) -> Iterator[tuple[str, int]]:
    """Every identifier, and every string that is no docstring (in quotes, so that the two are told apart)."""
    tree = _tree(module)
    docstrings = _docstrings(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield name, line
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, line
            case ast.keyword(arg=str(name)):
                yield name, line
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                yield f'"{text}"', line


@pytest.mark.parametrize("module", CORE)
def test_core_modules_name_no_provider(module: str) -> None:
    """A provider's name in the core would be knowledge in the wrong place."""
    known = KNOWN_WORDS.get(module, set())
    found = [
        f"{module}:{line} {word}"
        for word, line in _words(module)
        if any(name in word.lower() for name in PROVIDER_WORDS)
        and word not in known
        and not any(name in word for name in known if name.isupper())
        and not (module == "client/core.py" and word.startswith("invoice_bridge.client.settings"))
    ]
    assert found == []


def test_the_overloads_name_every_provider_once() -> None:
    """The exception is used as it is meant: one overload for each built-in provider, in `__init__` alone."""
    named = [word.strip('"') for word, _ in _words("client/core.py") if word.strip('"') in PROVIDER_WORDS]
    assert sorted(named) == sorted(PROVIDER_WORDS)


def test_the_registry_names_every_provider() -> None:
    """Every package in providers/ is registered under its own name, and nothing else is built in."""
    assert sorted(providers._BUILT_IN) == PROVIDERS
    for name in PROVIDERS:
        assert providers._BUILT_IN[name] == f"invoice_bridge.providers.{name}:{name.upper()}"


# ── adapters look alike ──────────────────────────────────────────────────────────────────────────────────────────────
def _files(name: str) -> list[str]:
    return sorted(path.name for path in (SRC / "providers" / name).iterdir() if path.name != "__pycache__")


@each_provider
def test_every_adapter_has_the_same_files(name: str) -> None:
    """Any two adapters read side by side; what only one needs has a file of its own there."""
    only_here = {
        "stripe": {
            *("collected.py", "compared.py", "lines.py", "lookup.py", "payments.py", "repayments.py", "whole.py"),
            *("line_shapes.py", "part_shapes.py", "payment_shapes.py"),
            *("imports.py", "import_conditions.py", "import_fields.py", "import_forms.py", "import_limits.py"),
            *("import_parts.py", "import_part_fields.py", "balances.py"),
        },
        "chargebee": {
            *("accrued.py", "compared.py", "conditions.py", "part_shapes.py", "parts.py"),
            *("payments.py", "repayments.py", "subscription.py"),
            *("imports.py", "import_conditions.py", "import_fields.py", "import_forms.py", "import_limits.py"),
            *("balances.py", "taking_back.py"),
        },
        "whop": {"conditions.py", "import_fields.py", "imports.py", "lookup.py", "part_shapes.py", "repayments.py"},
    }
    assert set(_files(name)) - only_here.get(name, set()) == set(_files("chargeapi"))
    assert set(_files("chargeapi")) == {
        "__init__.py", "bills.py", "emulator", "fields.py", "native.py", "shapes.py", "tables.py", "verbs.py",
        "webhooks.py",
    }  # fmt: skip
    emulator = {path.name for path in (SRC / "providers" / name / "emulator").glob("*.py")}
    only_there = {
        "chargebee": {"charges.py", "imports.py", "imported_notes.py", "payments.py", "sources.py"},
        "stripe": {"imports.py", "methods.py", "payments.py", "tax_amounts.py", "totals.py"},
        "whop": {"repayments.py"},
    }
    assert emulator - only_there.get(name, set()) == {
        "__init__.py",
        "documents.py",
        "events.py",
        "probes.py",
        "routes.py",
        "transitions.py",
    }


def _keywords(name: str, call: str) -> list[str]:
    for node in ast.walk(_tree(f"providers/{name}/__init__.py")):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == call:
            return [str(keyword.arg) for keyword in node.keywords]
    raise AssertionError(f"{name}/__init__.py has no {call}(…)")


ORDER = [
    "name", "title", "reviewed", "api_version", "base_url", "auth", "headers", "form", "idempotency", "rate",
    "search_rate", "retry_header", "settings", "scope", "dashboard", "mode", "sources", "statuses", "transitions",
    "fields", "verb_fields", "import_fields", "natives", "errors", "limits", "import_limits", "money", "redactions",
    "flows", "lookup", "search", "import_lookup", "balances", "deletes_imports", "parse", "shape", "refusal",
    "invoice_id", "reference_in", "webhooks", "emulator",
]  # fmt: skip


@each_provider
def test_every_declaration_gives_its_keywords_in_the_same_order(name: str) -> None:
    """Facts, tables, verbs, in one order everywhere; what has a default may be left out."""
    mine = _keywords(name, "Provider")
    assert mine == [keyword for keyword in ORDER if keyword in mine]
    assert set(ORDER) == {field.name for field in fields(Provider)}
    assert len(mine) > 15


@each_provider
def test_every_verb_is_declared_in_the_same_order(name: str) -> None:
    """Each of the verbs is built or cannot be: nothing is left open."""
    assert _keywords(name, "Verbs") == [field.name for field in fields(Verbs)]
    assert None not in {getattr(providers.get(name).flows, field.name) for field in fields(Verbs)}


@each_provider
def test_a_declaration_is_the_only_thing_in_its_module(name: str) -> None:
    """`providers/<name>/__init__.py` is a docstring, imports, and one value named like the provider."""
    kinds = [type(node).__name__ for node in _tree(f"providers/{name}/__init__.py").body]
    assert kinds[0] == "Expr"
    assert set(kinds[1:-1]) == {"ImportFrom"}
    last = _tree(f"providers/{name}/__init__.py").body[-1]
    assert isinstance(last, ast.Assign)
    assert ast.unparse(last.targets[0]) == name.upper()


# ── money is exact ───────────────────────────────────────────────────────────────────────────────────────────────────
MONEY_MODULES = [
    module
    for module in MODULES
    if module
    in {
        *("core/money.py", "core/model.py", "core/bills.py", "core/verbs.py", "core/commands.py", "core/imports.py"),
        "core/history.py",
    }
    or module in TABLES
]


@pytest.mark.parametrize("module", MONEY_MODULES)
def test_no_float_near_money(module: str) -> None:
    """`float` stands only where one is refused; no literal with a point, and no rounding."""
    tree = _tree(module)
    refusals = {
        id(inner)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "isinstance"
        for inner in ast.walk(call.args[1])
    }
    found = [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id in {"float", "round"} and id(node) not in refusals)
        or (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
    ]
    assert found == []


@pytest.mark.parametrize("module", [module for module in MONEY_MODULES if "/emulator/" not in module])
def test_no_true_division_near_money(module: str) -> None:
    """Dividing two ints makes a float: amounts are never divided. (An emulator divides Decimals, as its provider.)"""
    divisions = [node for node in ast.walk(_tree(module)) if isinstance(node, ast.BinOp | ast.AugAssign)]
    assert [f"{module}:{node.lineno}" for node in divisions if isinstance(node.op, ast.Div)] == []


# ── every row has a source ───────────────────────────────────────────────────────────────────────────────────────────
def _rows(provider: Provider) -> Iterator[tuple[str, str]]:
    for table in ("statuses", "fields", "errors", "limits", "redactions"):
        for place, row in enumerate(getattr(provider, table)):
            yield f"{table}[{place}] {row}", row.source
    yield "money", provider.money.source
    assert provider.webhooks is not None
    yield "webhooks", provider.webhooks.source
    for event in provider.webhooks.events:
        yield f"webhooks.events {event.native}", event.source
    if isinstance(provider.webhooks.verify, Cannot):
        yield "webhooks.verify", provider.webhooks.verify.source
        yield "webhooks.verify: the reason", provider.webhooks.verify.reason
    yield "idempotency", provider.idempotency.source
    for verb in fields(Verbs):
        flow = getattr(provider.flows, verb.name)
        if isinstance(flow, Cannot):
            yield f"flows.{verb.name}", flow.source
            yield f"flows.{verb.name}: the reason", flow.reason


@each_provider
def test_every_row_of_every_table_has_a_source(name: str) -> None:
    """A row without a source is an opinion; a source is public, and no path of a machine or a private note."""
    rows = list(_rows(providers.get(name)))
    assert len(rows) > 30
    assert [what for what, source in rows if not source.strip()] == []
    private = ("contracts/", "todo", "tbd", "???")
    assert [what for what, source in rows if any(word in source.lower() for word in private)] == []
    assert [what for what, source in rows if source.startswith(("/", "~", "."))] == []


@each_provider
def test_no_table_is_empty(name: str) -> None:
    """Statuses, fields, errors, limits and redactions are there; the codes of losses are unique and well formed."""
    provider = providers.get(name)
    for table in ("statuses", "fields", "errors", "limits", "redactions"):
        assert getattr(provider, table), table
    codes = [(row.code, row.path) for row in provider.fields if row.code]
    assert len({code for code, _ in codes}) >= 1 or name == "stripe"
    for code, path in codes:
        assert code.startswith(f"IB-{name.upper()}-"), (code, path)


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
TYPED: Mapping[str, Any] = {
    "chargeapi": settings.Common,
    "chargebee": settings.ChargebeeSettings,
    "stripe": settings.StripeSettings,
    "whop": settings.WhopSettings,
}


@each_provider
def test_typed_settings_are_the_declared_ones(name: str) -> None:
    """What type checkers see and what is accepted at run time are the same names, required ones required in both."""
    common = set(settings.Common.__annotations__)
    hints = get_type_hints(TYPED[name], include_extras=True)
    declared = providers.get(name).settings
    assert set(hints) - common == {setting.name for setting in declared}
    required = {setting for setting, hint in hints.items() if get_origin(hint) is Required}
    assert required == {setting.name for setting in declared if setting.required}


def test_common_settings_are_the_clients_own() -> None:
    """The arguments of a client, but for provider, key and HTTP client, are the common settings."""
    taken = set(inspect.signature(Client.__init__).parameters) - {"self", "provider", "api_key", "http", "settings"}
    assert taken == set(settings.Common.__annotations__)


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────
MAY = Period.month(2026, 5)
VERBS = (Retrieve, Finalize, Pay, MarkPaid, Void, MarkUncollectible, Delete, SendInvoice)


def _commands(customer: str) -> Iterator[Command]:
    for collection in (Collection.manual(), Collection.send(net_days=14), Collection.charge("pm_1")):
        said: dict[str, Any] = {"reference": "r", "customer": customer, "collection": collection}
        yield OneTimeCharge(amount=Money(1900, "EUR"), period=MAY, **said)
        yield PeriodInvoice(currency="EUR", period=MAY, **said)
    for invoice_id in ("in_1", "inv_1"):  # one provider refuses ids of another shape than its own
        yield from (kind(id=invoice_id) for kind in VERBS)
        yield Update(id=invoice_id, description="x")
    yield ListInvoices()


CREDENTIAL_HEADERS = {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"}


@each_provider
def test_credentials_never_stand_in_a_request(name: str) -> None:
    """What explain shows has the version and the key of idempotency in its headers, never a credential."""
    emulator: Any = providers.get(name).emulator()
    given = dict(emulator.settings)
    plans = [explain(name, command, **given) for command in _commands(emulator.customer)]
    requests = [request for plan in plans for request in plan.requests]
    assert len({(request.method, request.url) for request in requests}) >= 8
    assert {header.lower() for request in requests for header in request.headers} & CREDENTIAL_HEADERS == set()
    assert {field.name for field in fields(Request)} & {"auth", "api_key", "credentials", "token"} == set()


def test_both_clients_have_the_same_methods_documented_once() -> None:
    """Names, arguments and what an editor shows of each are equal, and the text is written on their base alone."""
    for name, method in vars(Methods).items():
        if name.startswith("_"):
            continue
        one, other = inspect.getattr_static(Client, name), inspect.getattr_static(AsyncClient, name)
        assert vars(Methods)[name] not in {one, other}, f"{name} is only documented"
        assert (one.__doc__, other.__doc__) == (None, None), name
        shown = [inspect.getdoc(getattr(each, name)) for each in (Client, AsyncClient)]
        assert shown == [inspect.getdoc(method)] * 2, name
        parameters = [list(inspect.signature(each).parameters.values()) for each in (method, one, other)]
        assert parameters[0] == parameters[1] == parameters[2], name
        assert inspect.iscoroutinefunction(other) is (name != "list"), name
    kinds = [(Client, SyncVerbs), (AsyncClient, AsyncVerbs)]
    own = [{name for each in both for name in vars(each) if not name.startswith("_")} for both in kinds]
    assert own[0] == own[1] == {name for name in vars(Methods) if not name.startswith("_")}
    assert inspect.getdoc(Client.__init__) == inspect.getdoc(AsyncClient.__init__)
    assert "api_key" in (Client.__init__.__doc__ or "")


def test_only_the_client_calls_for_credentials() -> None:
    """`auth` of a provider is called in one module; explain's curl asks for the scheme, with an empty key.

    What seeds an emulator calls it in memory, with the emulator's own key.
    """
    callers = {
        module
        for module in MODULES
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "auth"
    }
    assert callers == {"client/messages.py", "emulator/seeds.py", "explain.py"}


# ── habits ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@each_module
def test_no_exception_is_swallowed(module: str) -> None:
    """Nothing catches everything, and nothing that is broad is passed over in silence."""
    found = []
    for node in ast.walk(_tree(module)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {leaf.id for leaf in ast.walk(node.type) if isinstance(leaf, ast.Name)} if node.type else {"all"}
        silent = all(isinstance(step, ast.Pass | ast.Continue) for step in node.body)
        if "all" in caught or (caught & {"Exception", "BaseException"} and silent):
            found.append(f"{module}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith("cli/")])
def test_only_the_command_line_prints(module: str) -> None:
    """A library that prints spoils somebody's output."""
    calls = {
        node.func.id: node.lineno
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert {name: line for name, line in calls.items() if name in {"print", "breakpoint", "pprint"}} == {}


@each_module
def test_every_public_function_and_class_is_explained(module: str) -> None:
    """A module, and each public class and function in it, has a docstring."""
    tree = _tree(module)
    found = [] if ast.get_docstring(tree) else [f"{module}:1"]
    found += [
        f"{module}:{node.lineno} {node.name}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert found == []


AVOIDED = ("gateway", "connector", "driver", "handler", "manager", "service", "helper", "utils", "mock")


@each_module
def test_names_are_the_fields_own_words(module: str) -> None:
    """Modules, classes and functions are named for what they are; the words to avoid say nothing."""
    names = [module] + [
        node.name
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    assert [name for name in names if any(word in name.lower() for word in AVOIDED)] == []
