"""What a terminal shows names options and fields of a file, never Python's arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType

import pytest

import invoice_bridge
from invoice_bridge.cli import exits
from invoice_bridge.cli.exits import describe
from invoice_bridge.cli.spelling import options_of, spelled
from invoice_bridge.core.commands import Command, Refund, Retrieve, Void
from invoice_bridge.core.errors import Rejected
from invoice_bridge.core.wire import Response
from tests.cli.conftest import Done, execute

PACKAGE = Path(invoice_bridge.__file__).parent
PYTHON = re.compile(
    r"(?<![\w.$%{?&-])[a-z][a-z_]+=|\b[A-Z]\w+\.\w+\(|\b[A-Z]\w*[a-z]\(|\b[a-z]\w+\(\)|\w\(…|\btzinfo\b|\b(?:None|True|False)\b"
)
"""An argument, a method or a constructor of a class, a call, Python's own words."""
UNSEEN = {
    "adapter/compiled.py": "source code of the functions that it compiles",
    "adapter/transitions.py": "an error of an adapter's author",
    "client/http11.py": "lines of a log",
    "client/network.py": "lines of a log",
    "client/network_async.py": "lines of a log",
    "client/reference.py": "pages of documentation",
    "cassettes/": "tests that record",
    "testing/": "tests",
    "cli/": "written for the terminal",
    "compare/join.py": "no option gives keys of another type",
    "compare/facts.py": "types",
    "compare/allowed.py": "a TOML file is given on the command line",
    "compare/from_cassette.py": "the option of vcrpy, as a test writes it",
    "compare/report/": "HTML",
    "webhooks/": "no command reads deliveries",
    "migrate/accounts.py": "a repr",
    "migrate/evidence.py": "HTML",
    "migrate/pages.py": "HTML",
    "migrate/serving.py": "headers of HTTP",
    "migrate/database.py": "SQL",
    "migrate/schema.py": "SQL",
    "migrate/migration.py": "a repr",
    "migrate/engine.py": "a worker with stages of the caller's own",
    "migrate/jobs.py": "workers of the caller's own",
    "switch/": "a Handover and a Shadow are made in Python",
    "journal/postgres.py": "SQL",
    "journal/switches.py": "a switch with instants is made in Python",
    "engine/supervise.py": "a type",
    "matrix.py": "pages of documentation",
    "otel.py": "no command traces",
    "core/parts.py": "an instant of a file has an offset: core/values.py says so",
}
"""Files with texts that no command prints, and why."""
PROVIDERS = {
    "auto_collection=off and the payment terms": "a row of the documentation, in Chargebee's words",
    "a manual invoice is changed first: collection_method=send_invoice, days_until_due=0 (payable at once)": "a plan",
}
"""Texts in a provider's words."""
SETTINGS = re.compile(r"deadline=60\.0|since must be a datetime|journal must be the path|x, base_url=x")
"""Arguments of Client that no option or profile gives in another type, and a repr."""


def _texts() -> Iterator[tuple[str, str]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if "emulator/" in name or name.startswith(tuple(UNSEEN)):
            continue
        tree = ast.parse(file.read_text("utf-8"))
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        inner -= {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
        inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if id(node) in inner:
                continue
            if isinstance(node, ast.JoinedStr):
                yield name, "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)  # type: ignore[misc]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield name, node.value


MESSAGES = [(name, text) for name, text in _texts() if " " in text and PYTHON.search(text)]


def test_there_are_messages_that_name_python() -> None:
    """The check below reads them all: those of the bills, the verbs and each provider."""
    assert {name.partition("/")[0] for name, _ in MESSAGES} >= {"core", "adapter", "engine", "journal", "providers"}
    assert len(MESSAGES) > 40


@pytest.mark.parametrize("name, text", MESSAGES)
def test_no_message_names_python_in_a_terminal(name: str, text: str) -> None:
    """Add a row to cli/spelling.py for a new one, or state here that no command prints it."""
    if text in PROVIDERS or SETTINGS.search(text):
        return
    for options in ({}, {"since": "--since", "customer": "--customer", "expect_total": "--expect-total"}):
        shown = re.sub(r"--native \S+=\S+", "", spelled(text, options))
        assert PYTHON.search(shown) is None, f"{name}: {shown}"


IN_FILE = {"since": "--since", "lookup": "--lookup", "expect_total": "--expect-total", "allow": "--allow"}
ON_INVOICE = {
    "amount": "--amount",
    "reference": "--reference",
    "expect": "--expect",
    "due": "--due",
    "attempt": "--attempt",
}


@pytest.mark.parametrize(
    "options, message, shown",
    [
        (IN_FILE, "give expect_total=Money…, what it totals", "give --expect-total '17.99 EUR', what it totals"),
        (IN_FILE, 'allow=["a.b", "lines[0].tax"] accepts', "--allow a.b --allow 'lines[0].tax' accepts"),
        (IN_FILE, "state it: create(…, since=…); or", "state it: --since …; or"),
        (IN_FILE, 'or pass lookup="never" if', "or pass --lookup never if"),
        (IN_FILE, "pass attempt=2", "write attempt = 2 in the file"),
        (ON_INVOICE, "pass attempt=2", "pass --attempt 2"),
        (IN_FILE, "pass reference=…, or", "write reference = … in the file, or"),
        (ON_INVOICE, "write reference=…", "write --reference …"),
        (
            ON_INVOICE,
            "pass expect=…, the invoice's amount_credited before it",
            "pass --expect …, the amount credited before it",
        ),
        ({"payment_method": "--payment-method"}, "pass payment_method, the id", "pass --payment-method, the id"),
        (IN_FILE, "check expect_total, then allow", "check --expect-total, then allow"),
        ({"native_unchecked": "--native-unchecked"}, "goes into native_unchecked", "goes into --native-unchecked"),
        (IN_FILE, "native_unchecked.stripe.a: the table", "native_unchecked.stripe.a: the table"),
        (ON_INVOICE, "use mark_paid, which records", "use mark-paid, which records"),
        (IN_FILE, "collection.payment_method has no id", "collection.payment_method has no id"),
        (ON_INVOICE, "description, due_at or metadata", "description, --due or metadata"),
        (IN_FILE, "description, due_at or metadata", "description, due_at or metadata"),
        (IN_FILE, "write Collection.send(due=…)", 'write collection = {kind = "send", due = …}'),
        (
            IN_FILE,
            'pass customer="cus_…", or CustomerRef(ids={"stripe": "cus_…"})',
            'write customer = "cus_…" in the file, or customer = {ids = {stripe = "cus_…"}}',
        ),
        ({"customer": "--customer"}, "pass customer=…, whose", "pass --customer …, whose"),
        ({"draft": "--draft"}, "or draft=True", "or --draft"),
        (IN_FILE, "create it with draft=True", "create it with draft = true"),
        (IN_FILE, "GET v1/invoices?customer=cus_1&site=acme", "GET v1/invoices?customer=cus_1&site=acme"),
        (IN_FILE, "the reference 'since=1' has", "the reference 'since=1' has"),
        (
            IN_FILE,
            "the journal has the bill 'since=1 True mark_paid': True",
            "the journal has the bill 'since=1 True mark_paid': true",
        ),
        (IN_FILE, "Stripe's since=1 and the customer's", "Stripe's --since 1 and the customer's"),
        (IN_FILE, "allow=['a', 'b'] accepts", "--allow a --allow b accepts"),
        (IN_FILE, "a word that no message names: colour=red", "a word that no message names: colour=red"),
    ],
)
def test_an_argument_is_an_option_or_a_field_of_the_file(options: dict[str, str], message: str, shown: str) -> None:
    """An option where the command has one, else TOML; what is in an address, or unknown, stays."""
    assert spelled(message, options) == shown


def test_options_are_known_by_their_long_names() -> None:
    """An argument such as FILE is no option."""

    class Parameter:
        def __init__(self, name: str, *opts: str) -> None:
            self.name, self.opts = name, list(opts)

    parameters = [Parameter("file", "file"), Parameter("output", "--output", "-o"), Parameter("as_json", "--json")]
    assert options_of(parameters) == {"output": "--output", "as_json": "--json"}


BILL = "examples/one-time-charge.json"


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("find", "none"), "pass --customer …, whose listing is read instead"),
        (("pay", "in_1", "--amount", "5.00 EUR"), "it is collected once: write --reference …"),
        (("pay", "in_1", "--reference", "part-1"), "write --amount …, or leave the reference out"),
        (("update", "in_1"), "an update must change something: description, --due or metadata"),
        (("resolve", BILL), "pass --since …, or keep a journal"),
        (("create", BILL, "--native", "stripe.discounts[0].coupon=spring"), "give --expect-total '17.99 EUR'"),
        (("explain", BILL, "--native", "stripe.discounts[0].coupon=spring"), "give --expect-total '17.99 EUR'"),
        (
            ("create", BILL, "--native-unchecked", "stripe.new_one=1"),
            "--allow native_unchecked.stripe.new_one accepts it",
        ),
        (("void", "in_1", "--reason", "duplicate"), "Stripe would not carry this void as it is:"),
    ],
)
def test_a_refusal_names_what_to_type(stripe: Callable[..., Done], arguments: tuple[str, ...], says: str) -> None:
    """Of bills and of verbs, before anything is sent."""
    without_client = arguments[0] == "explain"
    done = stripe(*arguments) if not without_client else _explained(*arguments)
    assert says in done.err + done.out
    assert done.code != 0


def _explained(*arguments: str) -> Done:
    return execute(*arguments, "--provider", "stripe")


def test_a_providers_own_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal by the provider is printed as it came, whatever it looks like; here without a command's options."""
    monkeypatch.setattr(exits, "_options", ContextVar[Mapping[str, str]]("options", default=MappingProxyType({})))
    error = Rejected("customer=… is wrong, write since=…", provider="stripe", response=Response(400, b"{}"))
    assert describe(error) == "stripe: customer=… is wrong, write since=…"
    assert describe(Rejected("write since=…", provider="stripe")) == "stripe: write since = …"


@pytest.mark.parametrize(
    "command, noun",
    [(Void(id="in_1"), "void"), (Refund(id="in_1", reference="r"), "refund"), (Retrieve(id="in_1"), "bill")],
)
def test_a_command_has_the_noun_of_its_messages(command: Command, noun: str) -> None:
    """So a refused void does not speak of a bill."""
    assert command.noun == noun


def test_a_key_is_no_argument(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in an environment variable, so no message speaks of api_key."""
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_not a_key")
    done = cli("list", "--provider", "stripe")
    assert done.err == "invoice-bridge: the key contains a space or a line break: the variable has the key only\n"
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_not_a_key")
    assert "--base-url is not a URL: write" in cli("list", "--provider", "stripe", "--base-url", "https://[::").err
