"""The public names: complete, sorted, pinned, and light to import."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import invoice_bridge

NAMES = [
    "ALL",
    "Address",
    "Adjustment",
    "AlreadyBilled",
    "AlreadySettled",
    "AmountMismatch",
    "AsyncClient",
    "AsyncHandover",
    "AsyncShadow",
    "BillJournal",
    "BilledElsewhere",
    "BridgeError",
    "Client",
    "Collection",
    "Command",
    "ConfigurationError",
    "Credit",
    "CreditNote",
    "CustomerRef",
    "Declined",
    "Delete",
    "Discount",
    "Discrepancy",
    "Effect",
    "EventType",
    "Finalize",
    "Find",
    "Handover",
    "IdempotencyMismatch",
    "ImportInvoice",
    "Interruption",
    "InvalidSignature",
    "InvalidState",
    "Invoice",
    "InvoiceEvent",
    "Journal",
    "Line",
    "ListInvoices",
    "Loss",
    "LossyTranslation",
    "MalformedResponse",
    "MarkPaid",
    "MarkUncollectible",
    "Money",
    "NotFound",
    "NothingToBill",
    "OneTimeCharge",
    "OutcomeUnknown",
    "Page",
    "Pay",
    "Payment",
    "Pdf",
    "Period",
    "PeriodInvoice",
    "Plan",
    "Problem",
    "ProviderError",
    "RateLimited",
    "RateLimiter",
    "RecordPayment",
    "Refund",
    "Rejected",
    "Request",
    "Resolution",
    "Retrieve",
    "SendInvoice",
    "ServerError",
    "Shadow",
    "Source",
    "Status",
    "TaxId",
    "TaxLine",
    "TaxRate",
    "Unauthorized",
    "Unreachable",
    "Unreadable",
    "UnreadableServerError",
    "Unsupported",
    "Update",
    "Void",
    "decode",
    "explain",
    "interrupted",
    "losses",
    "read_command",
    "read_import",
]
# the names that the design fixes; more may join, none of these may go
FIXED = {
    "ALL", "AmountMismatch", "AsyncClient", "BridgeError", "Client", "Collection", "ConfigurationError", "CustomerRef",
    "Declined", "Discrepancy", "IdempotencyMismatch", "InvalidSignature", "InvalidState", "Invoice", "Line",
    "LossyTranslation", "MalformedResponse", "Money", "NotFound", "OneTimeCharge", "OutcomeUnknown", "Period",
    "PeriodInvoice", "Plan", "ProviderError", "RateLimited", "Rejected", "ServerError", "Status", "Unauthorized",
    "Unreachable", "Unsupported", "decode", "explain", "losses",
}  # fmt: skip


def test_the_public_names_are_pinned() -> None:
    """A name that joins or goes is a decision: it changes this list too."""
    assert invoice_bridge.__all__ == NAMES


def test_the_names_that_the_design_fixes_are_there() -> None:
    """Users, documentation and other people's code rely on these."""
    assert set(NAMES) >= FIXED


def test_the_public_names_are_sorted_and_none_stands_twice() -> None:
    """Sorted as a program sorts them: capitals first."""
    assert sorted(set(NAMES)) == NAMES


def test_the_public_names_are_complete() -> None:
    """What type checkers see imported, what is loaded on use, and what is listed are the same names and modules."""
    tree = ast.parse(Path(invoice_bridge.__file__).read_text("utf-8"))
    seen = {
        alias.name: str(node.module).removeprefix("invoice_bridge.")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == invoice_bridge._MODULES
    assert set(seen) == set(NAMES)
    assert set(dir(invoice_bridge)) >= set(NAMES)
    with pytest.raises(AttributeError, match="module 'invoice_bridge' has no attribute 'Invoise'"):
        _ = invoice_bridge.Invoise  # type: ignore[attr-defined]


@pytest.mark.parametrize("first", ["invoice_bridge", "invoice_bridge.client", "invoice_bridge.explain"])
def test_a_function_that_shares_its_modules_name_stays_a_function(first: str) -> None:
    """`decode`, `explain` and `losses` are callable whichever module was loaded first; modules are there on use."""
    names = ("decode", "explain", "losses", "webhooks")
    code = f"import {first}, invoice_bridge; print(*(type(getattr(invoice_bridge, n)).__name__ for n in {names}))"
    assert _python(code).split() == ["function", "function", "function", "module"]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_explained(name: str) -> None:
    """Each public name has a docstring, but ALL, which is a value and explained where it stands."""
    value = getattr(invoice_bridge, name)
    assert name == "ALL" or (value.__doc__ or "").strip()


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


SDKS = {"stripe", "chargebee", "whop_sdk"}
FOR_PEOPLE = {"typer", "click", "rich", "starlette", "uvicorn", "hypothesis", "pytest", "vcr"}


def _loaded(code: str) -> set[str]:
    return set(json.loads(_python(f"{code}; import sys, json; print(json.dumps(sorted(sys.modules)))")))


def test_importing_loads_nothing_but_the_package() -> None:
    """Defect 88: names are loaded when they are used."""
    assert {module for module in _loaded("import invoice_bridge") if module.startswith("invoice_bridge")} == {
        "invoice_bridge"
    }
    assert "invoice_bridge.client" not in _loaded("from invoice_bridge import Money")


def test_all_names_load_no_sdk_and_no_command_line_library() -> None:
    """All public names together load no official SDK, no CLI, server or test library, no HTTP library, no provider."""
    modules = _loaded("from invoice_bridge import *")
    assert "invoice_bridge.client" in modules
    assert {module.partition(".")[0] for module in modules} & (SDKS | FOR_PEOPLE | {"httpx"}) == set()
    assert {module for module in modules if module.startswith("invoice_bridge.providers.")} == set()


def test_making_a_client_loads_the_http_library_and_one_provider() -> None:
    """Beyond what httpx loads by itself (a command line of its own, where that is installed), nothing comes with it."""
    alone = _loaded("import httpx")
    modules = _loaded("from invoice_bridge import Client; Client('stripe', api_key='sk_test_not_a_key')")
    assert {module.partition(".")[0] for module in modules - alone} & (SDKS | FOR_PEOPLE) == set()
    packages = {module.split(".")[2] for module in modules if module.startswith("invoice_bridge.providers.")}
    assert packages == {"stripe"}


def test_the_time_an_import_takes_is_reported(record_property: Callable[[str, object], None]) -> None:
    """Only reported: a machine's speed is no claim of ours."""
    code = "import time; began = time.perf_counter(); from invoice_bridge import *; print(time.perf_counter() - began)"
    seconds = float(_python(code))
    record_property("import_seconds", round(seconds, 3))
    assert seconds > 0


def test_the_package_is_typed() -> None:
    """The marker that lets type checkers read our annotations is shipped."""
    assert (Path(invoice_bridge.__file__).parent / "py.typed").is_file()
