"""Python on pages that are not read from top to bottom: each block runs against the emulators, with its names given."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    AsyncClient,
    Client,
    Collection,
    CustomerRef,
    Invoice,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    providers,
)
from invoice_bridge.core.errors import BilledElsewhere
from invoice_bridge.emulator import EmulatorTransport
from tests.cli.test_documented import desk
from tests.pages import Runner, blocks

__all__ = ["desk"]  # a fixture
NOW = datetime(2026, 11, 29, tzinfo=UTC)
GUEST = CustomerRef(ids={"stripe": "cus_42", "whop": "mber_42"})


def python_of(page: str) -> list[str]:
    """Return the Python blocks of a page."""
    return [block.text for block in blocks(page) if block.kind == "python"]


def execute(text: str, names: dict[str, Any]) -> None:
    """Run a block in these names; one that awaits runs in a loop of its own."""
    runner = Runner(names=names)
    runner._python("a page", text)


def charge(reference: str, minor: int = 2000, **fields: Any) -> OneTimeCharge:
    return OneTimeCharge(
        reference=reference, customer="cus_42", amount=Money(minor, "EUR"), description="Fees", **fields
    )


@pytest.fixture
def billing(desk: Path) -> Iterator[Client]:
    """A client of Stripe's emulator, with the journal of the pages."""
    with Client("stripe", api_key=providers.get("stripe").emulator().key, journal="bills.sqlite") as client:
        yield client


def test_the_readme_bills_at_chargebee_and_explains_at_chargeapi(desk: Path) -> None:
    """Both blocks, with a key and a clock; the profile is the README's own file."""
    first, second = python_of("README.md")
    names: dict[str, Any] = {"key": providers.get("chargebee").emulator().key, "now": datetime(2026, 1, 1, tzinfo=UTC)}
    execute(first, names)
    invoice: Invoice = names["invoice"]
    assert (invoice.provider, str(invoice.total), names["late"]) == ("chargebee", "19.99 EUR", [])
    execute(second, names)
    names["billing"].close()


def test_money_that_moves_back_does_so_once(billing: Client, desk: Path) -> None:
    """The first block of the page, each verb on an invoice in a state that allows it; the whole block twice."""
    text, *_ = python_of("docs/how-to/exactly-once.md")
    paid = billing.create(charge("paid", collection=Collection.charge("pm_42")))
    lines = text.splitlines(keepends=True)
    ids = {"refund": paid.id}
    for verb in ("record_payment", "credit", "pay"):
        ids[verb] = billing.create(charge(verb)).id
    given = ""
    for line in lines:
        invoice_id = next((ids[verb] for verb in ids if f".{verb}(" in line), "in_1")
        given += line.replace('"in_1"', f'"{invoice_id}"')
    block = given.replace('    "in_1",', f'    "{ids["record_payment"]}",')
    for _ in range(2):
        execute(block, {"billing": billing, "Money": Money, "paid_at": NOW})
    whole = {verb: billing.retrieve(invoice_id) for verb, invoice_id in ids.items()}
    assert str(whole["refund"].amount_refunded) == "5.00 EUR"
    assert str(whole["record_payment"].amount_paid) == "10.00 EUR"
    assert str(whole["credit"].amount_credited) == "3.00 EUR"
    assert str(whole["pay"].amount_paid) == "5.00 EUR"


def test_one_book_for_all_providers(desk: Path) -> None:
    """The journal of the page: the same bill at another provider is refused. Whop's host is its sandbox's, since test
    and live mode are different books.
    """
    _, made, elsewhere, *_ = python_of("docs/how-to/exactly-once.md")
    names: dict[str, Any] = {
        "Client": Client,
        "key": providers.get("stripe").emulator().key,
        "bill": charge("res-1", collection=Collection.send(due=NOW)).model_copy(update={"customer": GUEST}),
    }
    execute(made, names)
    names["key"] = providers.get("whop").emulator().key
    with pytest.raises(BilledElsewhere) as caught:
        execute(elsewhere.replace('"whop", ', '"whop", base_url="http://127.0.0.1:8787/whop/api/v1", '), names)
    assert (caught.value.provider, caught.value.invoice_id, caught.value.state) == (
        "stripe", names["invoice"].id, "made",
    )  # fmt: skip


def test_an_unknown_outcome_is_resolved(billing: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer to a write is lost: `create` does not know, and `resolve` does."""
    text = python_of("docs/how-to/exactly-once.md")[3]
    real: Any = httpx.HTTPTransport.handle_request

    def lose(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        answer: httpx.Response = real(transport, request)
        if request.method == "POST" and request.url.path.endswith("/finalize"):
            raise httpx.ReadError("lost", request=request)
        return answer

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lose)
    names: dict[str, Any] = {
        "billing": billing, "bill": charge("res-9"), "OutcomeUnknown": OutcomeUnknown, "began": NOW,
    }  # fmt: skip
    execute(text, names)
    assert ("invoice" in names, names["found"].state) == (False, "found")


def test_a_bill_in_a_task_that_ends_in_time(desk: Path) -> None:
    """The last block of the page awaits; nothing is interrupted, and one invoice is made."""
    text = python_of("docs/how-to/exactly-once.md")[-1]
    emulator = providers.get("stripe").emulator()
    transport = EmulatorTransport(emulator, "https://api.stripe.com")
    before = (
        "import asyncio\nimport httpx\n"
        "http = httpx.AsyncClient(transport=transport)\n"
        "billing = AsyncClient('stripe', api_key=key, http=http)\n"
    )
    after = "await billing.close()\nawait http.aclose()\n"
    names = {"transport": transport, "key": emulator.key, "AsyncClient": AsyncClient, "command": charge("res-10")}
    execute(before + text + after, names)
    assert len(emulator.invoices) == 1


def test_two_sides_are_compared_in_a_program(billing: Client, desk: Path) -> None:
    """Both blocks of the page about comparing."""
    text, assertion = python_of("docs/how-to/compare.md")
    made = billing.retrieve(billing.create(charge("res-1")).id)
    Path("before.ndjson").write_text(made.model_dump_json() + "\n", "utf-8")
    names: dict[str, Any] = {"client": billing}
    execute(text, names)
    Path("allowed.toml").write_text('[[allow]]\npath = "description"\nreason = "none is needed"\n', "utf-8")
    with Client("chargebee", site="acme-test", api_key=providers.get("chargebee").emulator().key) as chargebee:
        execute(assertion, {"stripe": billing, "chargebee": chargebee, "bill": charge("res-1")})


@pytest.mark.parametrize("page", ["docs/how-to/native-parameters.md", "docs/reference/logging.md"])
def test_a_page_with_one_block_runs_it(page: str, desk: Path) -> None:
    """As it is."""
    (text,) = python_of(page)
    execute(text, {})
