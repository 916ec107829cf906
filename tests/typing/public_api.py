"""The public API as type checkers see it: read by mypy and pyright in `make check`, never run.

Each `type: ignore` marks a mistake that both must find: where one of them stops finding it, the comment is reported.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true, reportUnusedCoroutine=false

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, assert_type

import httpx

import invoice_bridge
from invoice_bridge import (
    ALL,
    AlreadyBilled,
    AlreadySettled,
    AsyncClient,
    BilledElsewhere,
    BillJournal,
    BridgeError,
    Client,
    Collection,
    CustomerRef,
    Declined,
    Discrepancy,
    Effect,
    EventType,
    IdempotencyMismatch,
    Interruption,
    Invoice,
    InvoiceEvent,
    Journal,
    Line,
    ListInvoices,
    Loss,
    LossyTranslation,
    Money,
    OneTimeCharge,
    OutcomeUnknown,
    Page,
    Period,
    PeriodInvoice,
    Plan,
    Problem,
    RateLimited,
    RateLimiter,
    Request,
    Resolution,
    Retrieve,
    Status,
    TaxLine,
    TaxRate,
    Unreadable,
    Void,
    decode,
    explain,
    interrupted,
    losses,
    read_command,
    webhooks,
)

KEY = "test_not_a_key"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


# ── making a client ──────────────────────────────────────────────────────────────────────────────────────────────────
def clients(http: httpx.Client, asynchronous: httpx.AsyncClient, name: str, settings: dict[str, Any]) -> None:
    """Settings are typed per provider; a provider whose name is not written out takes any."""
    assert_type(Client("chargebee", api_key=KEY, site="acme"), Client)
    assert_type(Client("chargebee", api_key=KEY, site="acme", product_catalog=1, reference_field="cf_ref"), Client)
    assert_type(Client("stripe", api_key=KEY, account="acct_1", mode="test", deadline=20), Client)
    assert_type(Client("whop", api_key=KEY, account_id="biz_1", product_id=None), Client)
    assert_type(Client("chargeapi", api_key=KEY, base_url="http://127.0.0.1:8787", insecure=False), Client)
    assert_type(Client("stripe", api_key=KEY, http=http, customers={"alice": {"stripe": "cus_1"}}), Client)
    assert_type(Client(name, api_key=KEY, **settings), Client)
    assert_type(AsyncClient("stripe", api_key=KEY, http=asynchronous), AsyncClient)
    assert_type(Client.from_config("billing.toml", profile="live"), Client)
    assert_type(Client("stripe", api_key=KEY, lookup="always", journal="bills.sqlite", requests_per_minute=90), Client)
    assert_type(AsyncClient("whop", api_key=KEY, account_id="biz_1", journal=Path("bills.sqlite")), AsyncClient)
    assert_type(Client("stripe", api_key=KEY, journal="bills.sqlite", book="billing", lookup="journal"), Client)
    assert_type(Journal("bills.sqlite"), Journal)
    own: BillJournal = Journal("bills.sqlite")
    limits: RateLimiter | None = None
    assert_type(Client("stripe", api_key=KEY, journal=own, rate_limiter=limits), Client)
    Client("stripe", api_key=KEY, rate_limiter=60)  # type: ignore[call-overload]

    assert_type(Client("lago", api_key=KEY), Client)
    assert_type(Client("lago", api_key=KEY, base_url="http://127.0.0.1:8787", lookup="always", **settings), Client)
    assert_type(AsyncClient(name, api_key=KEY, timeout=5.0, **settings), AsyncClient)
    assert_type(AsyncClient("stripe", api_key=KEY, **settings), AsyncClient)

    Client("stripe", api_key=KEY, acount="acct_1")  # type: ignore[call-overload]
    Client("stripe", api_key=KEY, site="acme")  # type: ignore[call-overload]
    Client("chargebee", api_key=KEY, site="acme", reference_feild="cf_ref")  # type: ignore[call-overload]
    Client("whop", api_key=KEY, acount_id="biz_1")  # type: ignore[call-overload]
    Client("chargeapi", api_key=KEY, acount="x")  # type: ignore[call-overload]
    Client("stripe", api_key=KEY, timeuot=5.0)  # type: ignore[call-overload]
    Client("stripe", api_key=KEY, timeout="5")  # type: ignore[call-overload]
    AsyncClient("stripe", api_key=KEY, acount="acct_1")  # type: ignore[call-overload]
    Client("lago", api_key=KEY, timeuot=5.0)  # type: ignore[call-overload]
    Client("stripe")  # type: ignore[call-overload]
    Client(api_key=KEY)  # type: ignore[call-overload]
    Client("stripe", KEY)  # type: ignore[call-overload]
    Client("stripe", api_key=b"key")  # type: ignore[call-overload]
    Client("stripe", api_key=KEY, http=asynchronous)  # type: ignore[call-overload]
    AsyncClient("stripe", api_key=KEY, http=http)  # type: ignore[call-overload]


def names() -> None:
    """Names are loaded on use, and a misspelt one is found all the same."""
    _ = invoice_bridge.Invoise  # type: ignore[attr-defined]


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def verbs(client: Client, charge: OneTimeCharge, period: PeriodInvoice) -> None:
    """Every verb gives an invoice; listings give invoices, lazily."""
    with client as same:
        assert_type(same, Client)
    assert_type(client.create(charge), Invoice)
    assert_type(client.create(period, allow=["period", "IB-WHOP-PERIOD-01"]), Invoice)
    assert_type(client.create(charge, allow=ALL), Invoice)
    assert_type(client.create(charge, on_discrepancy="report"), Invoice)
    assert_type(client.create(charge, since=NOW), Invoice)
    assert_type(client.resolve(charge), Resolution)
    assert_type(client.resolve(period, since=NOW), Resolution)
    assert_type(client.resolve(charge).state, Literal["found", "absent", "ambiguous", "too_early"])
    assert_type(client.resolve(charge).invoice, Invoice | None)
    assert_type(client.resolve(charge).invoices, tuple[Invoice, ...])
    assert_type(client.retrieve("in_1"), Invoice)
    assert_type(client.finalize("in_1"), Invoice)
    assert_type(client.pay("in_1", expect=Money(1999, "EUR"), payment_method="pm_1", attempt=2), Invoice)
    assert_type(client.mark_paid("in_1"), Invoice)
    assert_type(client.pay("in_1", amount=Money(500, "EUR"), reference="p-1"), Invoice)
    assert_type(client.find("res-1", customer="cus_42"), Invoice)
    assert_type(client.pdf("in_1"), bytes)
    assert_type(client.refund("in_1", reference="re-1", amount=Money(500, "EUR"), reason="duplicate"), Invoice)
    assert_type(client.credit("in_1", reference="cn-1", lines=[], allow=["reason"]), Invoice)
    assert_type(client.void("in_1"), Invoice)
    assert_type(client.mark_uncollectible("in_1"), Invoice)
    assert_type(client.update("in_1", description="x", due_at=NOW, metadata={"a": "b"}), Invoice)
    assert_type(client.delete("in_1"), Invoice)
    assert_type(client.send_invoice("in_1"), Invoice)
    assert_type(client.explain(charge), Plan)
    assert_type(client.losses(charge, as_of=NOW), tuple[Loss, ...])
    assert_type(client.provider, str)

    client.create(Retrieve(id="in_1"))  # type: ignore[arg-type]
    client.create(charge, allow=1)  # type: ignore[arg-type]
    client.create(charge, on_discrepancy="ignore")  # type: ignore[arg-type]
    client.create(charge, since="2026-05-01")  # type: ignore[arg-type]
    client.resolve(charge, since="2026-05-01")  # type: ignore[arg-type]
    client.resolve("res-1")  # type: ignore[arg-type]
    client.retrieve(7)  # type: ignore[arg-type]
    client.retrieve()  # type: ignore[call-arg]
    client.pay("in_1", expect=19.99)  # type: ignore[arg-type]
    client.pay("in_1", Money(1999, "EUR"))  # type: ignore[call-arg]
    client.refund("in_1")  # type: ignore[call-arg]
    client.refund("in_1", reference="r", amount=19.99)  # type: ignore[arg-type]
    client.return_money("in_1")  # type: ignore[attr-defined]


def listings(client: Client, other: AsyncClient) -> None:
    """What cannot be read is part of the type only where it is asked for."""
    assert_type(client.list(), Iterator[Invoice])
    assert_type(client.list(status=Status.OPEN, customer="cus_1", created_from=NOW, full=True), Iterator[Invoice])
    assert_type(client.list(customer=CustomerRef(ids={"stripe": "cus_1"})), Iterator[Invoice])
    assert_type(client.list(unreadable="raise"), Iterator[Invoice])
    assert_type(client.list(unreadable="yield"), Iterator[Invoice | Unreadable])
    assert_type(other.list(unreadable="yield", limit=10), AsyncIterator[Invoice | Unreadable])
    page = client.page(ListInvoices(customer="cus_1"))
    assert_type(page, Page)
    assert_type(page.items, tuple[Invoice | Unreadable, ...])
    assert_type(page.next, ListInvoices | None)

    client.list(unreadable="ignore")  # type: ignore[call-overload]
    client.list(status="open")  # type: ignore[call-overload]
    client.list(stat=Status.OPEN)  # type: ignore[call-overload]
    client.page(Retrieve(id="in_1"))  # type: ignore[arg-type]


async def asynchronous(client: AsyncClient, charge: OneTimeCharge) -> None:
    """AsyncClient has the same verbs, awaited."""
    async with client as same:
        assert_type(same, AsyncClient)
    assert_type(await client.create(charge, on_discrepancy="report"), Invoice)
    assert_type(await client.resolve(charge, since=NOW), Resolution)
    assert_type(await client.pay("in_1", expect=Money(1999, "EUR")), Invoice)
    assert_type(await client.page(ListInvoices()), Page)
    async for invoice in client.list():
        assert_type(invoice, Invoice)
    assert_type(client.explain(charge), Plan)

    client.create(charge).status  # type: ignore[attr-defined]  # noqa: B018


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def money(amount: Money, other: Money) -> None:
    """Amounts are ints of minor units or exact text, never floats."""
    assert_type(Money(1999, "EUR"), Money)
    assert_type(Money.parse("19.99", "EUR"), Money)
    assert_type(Money.parse(Decimal("19.99"), "EUR"), Money)
    assert_type(amount + amount - amount, Money)
    assert_type(2 * amount * 3, Money)
    assert_type(amount < other, bool)
    assert_type(amount.minor, int)
    assert_type(amount.currency, str)
    assert_type(amount.major, Decimal)

    Money(19.99, "EUR")  # type: ignore[arg-type]
    Money("19.99", "EUR")  # type: ignore[arg-type]
    Money(1999)  # type: ignore[call-arg]
    Money.parse(19.99, "EUR")  # type: ignore[arg-type]
    _ = amount + 1  # type: ignore[operator]
    _ = amount * 1.5  # type: ignore[operator]
    _ = amount < 1  # type: ignore[operator]
    amount.minor = 1  # type: ignore[misc]


def bills(lines: list[Line]) -> None:
    """What a caller may write is wider than what is read back: a customer's id, any iterable of lines."""
    charge = OneTimeCharge(
        reference="res-1",
        customer="cus_42",
        amount=Money.parse("19.99", "EUR"),
        collection=Collection.send(net_days=14),
        period=Period.month(2026, 5, tz="Europe/Paris"),
        metadata={"a": "b"},
        tax="provider",
    )
    assert_type(charge.customer, CustomerRef | None)
    assert_type(charge.lines, tuple[Line, ...])
    assert_type(charge.total, Money)
    assert_type(charge.metadata, Mapping[str, str])
    rated = PeriodInvoice(reference="r", period=Period(NOW, NOW), currency="EUR", lines=lines)
    assert_type(rated.total, Money | None)
    assert_type(Line(quantity="1.5", unit_amount=Money(2, "EUR")).amount, Money)
    assert_type(Line(amount=Money(2, "EUR")).quantity, Decimal | None)
    assert_type(Line(amount=Money(2, "EUR"), taxes=[TaxRate(name="VAT", rate="7")]).taxes, tuple[TaxLine, ...])
    Line(amount=Money(2, "EUR"), taxes=[TaxRate(name="VAT", rate=7.5)])  # type: ignore[arg-type]
    assert_type(Collection.charge("pm_1").kind, Literal["manual", "send", "charge"])
    assert_type(read_command({}), OneTimeCharge | PeriodInvoice)

    OneTimeCharge(amount=Money(1, "EUR"))  # type: ignore[call-arg]
    OneTimeCharge(reference="r", amount=19.99)  # type: ignore[arg-type]
    OneTimeCharge(reference="r", amuont=Money(1, "EUR"))  # type: ignore[call-arg]
    OneTimeCharge(reference="r", amount=Money(1, "EUR"), tax="auto")  # type: ignore[arg-type]
    PeriodInvoice(reference="r", currency="EUR")  # type: ignore[call-arg]
    Line(quantity=1.5, unit_amount=Money(2, "EUR"))  # type: ignore[arg-type]
    Line(amount=1.5)  # type: ignore[arg-type]
    Collection.send(net_days="14")  # type: ignore[arg-type]
    Collection.send(14)  # type: ignore[call-arg, arg-type]
    Void()  # type: ignore[call-arg]


def invoices(invoice: Invoice, plan: Plan) -> None:
    """What is read may be absent, and says so in its type."""
    assert_type(decode("stripe", b"{}"), Invoice)
    assert_type(invoice.status, Status)
    assert_type(invoice.currency, str | None)
    assert_type(invoice.total, Money | None)
    assert_type(invoice.purchase_order, str | None)
    assert_type(invoice.problems, tuple[Problem, ...])
    assert_type(invoice.lines, tuple[Line, ...])
    assert_type(invoice.customer, CustomerRef | None)
    assert_type(invoice.due_at, datetime | None)
    assert_type(invoice.raw, Mapping[str, Any] | None)
    assert_type(invoice.is_past_due(as_of=NOW), bool)
    assert_type(explain("stripe", Void(id="in_1"), account="acct_1"), Plan)
    assert_type(losses("stripe", Void(id="in_1"), as_of=NOW), tuple[Loss, ...])
    assert_type(plan.requests, tuple[Request, ...])
    assert_type(plan.requests[0].content, bytes)
    assert_type(plan.requests[0].effects, frozenset[Effect])

    invoice.is_past_due()  # type: ignore[call-arg]
    invoice.total.minor  # type: ignore[union-attr]  # noqa: B018


def errors(error: BridgeError) -> None:
    """Every error says what is known; some say more."""
    assert_type(error.outcome, Literal["nothing_done", "partly_done", "done_unread", "unknown"])
    assert_type(error.invoice_id, str | None)
    if isinstance(error, LossyTranslation):
        assert_type(error.losses, tuple[Loss, ...])
    if isinstance(error, RateLimited):
        assert_type(error.retry_after, int | None)
    if isinstance(error, OutcomeUnknown):
        assert_type(error.reference, str | None)
    if isinstance(error, Discrepancy):
        assert_type(error.asked, object)
    if isinstance(error, IdempotencyMismatch):
        assert_type(error.existing, Invoice | None)
    if isinstance(error, BilledElsewhere):
        assert_type(error, BilledElsewhere)
        assert_type(error.account, str)
    if isinstance(error, AlreadySettled):
        assert_type(error.existing, Invoice | None)
    assert_type(isinstance(error, AlreadyBilled), bool)
    stopped = interrupted(error)
    assert_type(stopped, Interruption | None)
    if isinstance(error, Declined):
        assert_type(error.invoice, Invoice | None)


def deliveries(headers: Mapping[str, str], body: bytes) -> None:
    """A delivery is bytes, verified with a secret at an instant; the event may have no invoice."""
    event = webhooks.parse("stripe", headers, body, secret="whsec_not_a_secret", at=NOW)
    assert_type(event, InvoiceEvent)
    assert_type(webhooks.parse("chargeapi", headers, body, secret=None, at=NOW, verified=False), InvoiceEvent)
    assert_type(event.type, EventType)
    assert_type(event.invoice, Invoice | None)
    assert_type(event.occurred_at, datetime | None)
    assert_type(webhooks.ProcessedEvents().has(event, at=NOW), bool)

    webhooks.parse("stripe", headers, body)  # type: ignore[call-arg]
    webhooks.parse("stripe", headers, "{}", secret=None, at=NOW)  # type: ignore[arg-type]
    event.invoice.status  # type: ignore[union-attr]  # noqa: B018
