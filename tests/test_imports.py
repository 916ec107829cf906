"""An import states a document of the past, whole or not at all, and never leads to a charge."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from invoice_bridge import (
    Client,
    ConfigurationError,
    CreditNote,
    CustomerRef,
    Discount,
    Discrepancy,
    Effect,
    IdempotencyMismatch,
    ImportInvoice,
    Invoice,
    Line,
    Money,
    Payment,
    Request,
    Source,
    Status,
    TaxLine,
    Unsupported,
    explain,
    providers,
    read_import,
)
from invoice_bridge.adapter.imported import same_document, verify_import
from invoice_bridge.adapter.provider import Context
from invoice_bridge.adapter.rows import leaves_of
from invoice_bridge.core.commands import IMPORT_LEAVES
from invoice_bridge.core.errors import AmountMismatch
from invoice_bridge.core.model import AMOUNTS, Adjustment, Problem
from invoice_bridge.core.wire import Flow
from invoice_bridge.emulator import EmulatorTransport
from invoice_bridge.engine.lookup import start
from invoice_bridge.explain import make_context
from invoice_bridge.testing.documents import documents
from invoice_bridge.testing.import_variants import ONE_VALUE, import_variants, leaves_with_import_variants
from tests.clients import no_waiting  # noqa: F401 - a fixture, used by every test

ISSUED = datetime(2026, 3, 2, tzinfo=UTC)
PAID_AT = datetime(2026, 3, 9, tzinfo=UTC)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def document(**said: Any) -> ImportInvoice:
    least: dict[str, Any] = {
        "reference": "doc", "customer": "cus_42", "status": Status.OPEN, "total": eur(1000), "issued_at": ISSUED,
        "lines": (Line(description="Energy", amount=eur(1000)),),
    }  # fmt: skip
    return ImportInvoice(**least | said)


def paid_by(minor: int, **said: Any) -> Payment:
    least: dict[str, Any] = {"amount": eur(minor), "at": PAID_AT, "state": "succeeded"}
    return Payment(**least | said)


def read(**said: Any) -> Invoice:
    """An invoice that was read: paid, of 10.00, by one payment."""
    least: dict[str, Any] = {
        "provider": "stripe", "id": "in_1", "number": "N-1", "status": Status.PAID, "currency": "EUR",
        "subtotal": eur(1000), "total": eur(1000), "amount_due": eur(1000), "amount_paid": eur(1000),
        "amount_remaining": eur(0), "amount_credited": eur(0), "lines": (Line(id="il_1", amount=eur(1000)),),
        "customer": CustomerRef(id="cus_1", name="Ada", email="ada@example.test"), "issued_at": ISSUED,
        "paid_at": PAID_AT, "payments": (paid_by(1000, id="ch_1"),), "payments_complete": True,
        "credit_notes_complete": True, "reference": "res-1",
    }  # fmt: skip
    return Invoice(**least | said)


# ── what a document can be ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "said,problem",
    [
        ({"status": Status.DELETED}, "is no document"),
        ({"status": Status.UNKNOWN}, "is no document"),
        ({"total": eur(-1), "lines": ()}, "credit it at the target"),
        ({"total": eur(999)}, "the parts come to 10.00 EUR, not to the total, 9.99 EUR"),
        ({"paid_at": PAID_AT}, "paid_at belongs to an invoice that is paid"),
        ({"voided_at": PAID_AT}, "voided_at belongs to an invoice that is void"),
        ({"status": Status.PAID}, "has nothing left to pay, and this one has 10.00 EUR"),
        ({"status": Status.PAID, "payments": (paid_by(999),)}, "has 0.01 EUR"),
        ({"payments": (paid_by(1001),)}, "more than there was"),
        ({"payments": (paid_by(1000),)}, "this one is paid"),
        ({"status": Status.VOID, "payments": (paid_by(1),)}, "has neither payments nor credit notes"),
        ({"status": Status.DRAFT, "credit_notes": (CreditNote(amount=eur(1), kind="refund"),)}, "neither payments"),
        ({"payments": (paid_by(1, state="pending"),)}, "payments are those that succeeded"),
        ({"credit_notes": (CreditNote(amount=eur(1)),)}, "not unknown"),
        ({"credit_notes": (CreditNote(amount=eur(0), kind="refund"),)}, "an amount above zero"),
        ({"credit_notes": (CreditNote(amount=eur(1), kind="refund"),)}, "more than there was"),
        ({"status": Status.VOID, "mail": True}, "belong to an open invoice"),
        ({"status": Status.DRAFT, "armed": False}, "belong to an open invoice"),
        ({"mail": True, "armed": False}, "leave mail out until it is armed"),
        ({"lines": (Line(amount=Money(1000, "USD")),)}, "every amount of this document must be in EUR"),
        ({"discounts": (Discount(name="Spring"),)}, "state what each discount takes off"),
        (
            {"taxes": (TaxLine(amount=eur(1)),), "lines": (Line(amount=eur(1000), taxes=(TaxLine(amount=eur(2)),)),)},
            "those of the document to another sum",
        ),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(said: dict[str, Any], problem: str) -> None:
    """Each contradiction is a clear error of the command, before any provider is named."""
    with pytest.raises(ValidationError, match=problem):
        document(**said)


def test_every_part_of_the_total_counts() -> None:
    """Lines − discounts + tax on top + adjustments; tax within the lines adds nothing."""
    whole = document(
        total=eur(1129),
        discounts=(Discount(amount=eur(100)),),
        taxes=(TaxLine(amount=eur(171)), TaxLine(amount=eur(50), inclusive=True)),
        adjustments=(Adjustment(kind="shipping", amount=eur(58)),),
        payments=(paid_by(129),),
        credit_notes=(CreditNote(amount=eur(100), kind="adjustment"), CreditNote(amount=eur(29), kind="credit")),
    )
    assert (whole.paid, whole.credited, whole.given_back, whole.open_amount) == tuple(map(eur, (129, 100, 29, 900)))
    assert not whole.is_settled


def test_a_document_without_lines_has_one_over_all() -> None:
    """The one line comes to the total with whatever lies beside the lines."""
    bare = document(lines=(), taxes=(TaxLine(amount=eur(160)),))
    assert [(line.description, line.amount) for line in bare.stated_lines] == [("Total as issued", eur(840))]


def test_the_leaves_of_an_import_are_its_fields() -> None:
    """IMPORT_LEAVES has every field and nothing else, and each leaf has a variant or has one value alone."""
    assert set(IMPORT_LEAVES) == set(leaves_of(ImportInvoice))
    assert len(IMPORT_LEAVES) == len(set(IMPORT_LEAVES))
    assert leaves_with_import_variants() == set(IMPORT_LEAVES)
    for leaf in set(IMPORT_LEAVES) - ONE_VALUE:
        assert [pair for one in documents("cus_42") for pair in import_variants(one, leaf)], leaf


def test_an_import_is_read_from_a_file_as_it_is_written() -> None:
    """The JSON form of every document reads back as the same; a fault names its field."""
    for one in documents("cus_42"):
        assert read_import({"command": "import_invoice", **one.model_dump(mode="json")}) == one
    with pytest.raises(ConfigurationError, match='"command" must be "import_invoice"'):
        read_import({"command": "period_invoice"})
    with pytest.raises(ConfigurationError, match="total: it is missing"):
        read_import({"reference": "r", "status": "open", "issued_at": "2026-01-01T00:00:00Z"})


@pytest.mark.parametrize("said", [("", "a", "x"), ("stripe", "a", ""), ("stripe", "a\n", "x"), ("stripe", 1, "x")])
def test_a_source_is_named_whole(said: tuple[Any, Any, Any]) -> None:
    """A provider and an id are needed, in printable characters; the account may be empty."""
    with pytest.raises(ValueError, match="of a source is a printable text"):
        Source(*said)
    assert Source("stripe", "", "in_1").account_name == "stripe:"


UNREAD: dict[str, Any] = {
    "status": Status.OPEN, "paid_at": None, "amount_paid": None, "payments": (), "payments_complete": False,
    "amount_remaining": Money(400, "EUR"), "amount_credited": None, "credit_notes_complete": False,
}  # fmt: skip
"""An invoice of which neither payments nor credit notes were read."""


# ── made of an invoice that was read ─────────────────────────────────────────────────────────────────────────────────
def test_an_import_is_made_of_an_invoice_that_was_read() -> None:
    """Status, number, dates, payments and the document's customer are kept; the target's customer has another id."""
    made = ImportInvoice.of(read(), customer="cus_42", source=Source("stripe", "acct_1", "in_1"))
    assert (made.reference, made.number, made.status, made.paid_at) == ("res-1", "N-1", Status.PAID, PAID_AT)
    assert made.customer == CustomerRef(id="cus_42", name="Ada", email="ada@example.test")
    assert [payment.id for payment in made.payments] == ["ch_1"]
    other = ImportInvoice.of(read(reference=None, number=None), number="X-1")
    assert (other.reference, other.number) == ("in_1", "X-1")


@pytest.mark.parametrize(
    "word,said",
    [
        ("source-incomplete", {"status": Status.UNKNOWN}),
        ("source-incomplete", {"lines_complete": False}),
        ("source-incomplete", {"problems": (Problem(path="total", why="is a text", money=True),)}),
        ("source-incomplete", {"issued_at": None}),
        ("source-incomplete", {"total": eur(1001), "amount_paid": eur(1001)}),
        ("source-incomplete", {"payments": (paid_by(400),), "payments_complete": False}),
        ("source-incomplete", {"amount_paid": eur(900), "payments": (paid_by(900),), "amount_due": eur(1000)}),
        ("source-incomplete", UNREAD),
        ("source-incomplete", UNREAD | {"amount_remaining": None, "status": Status.UNCOLLECTIBLE}),
        ("source-incomplete", {"credit_notes": (CreditNote(id="cn", amount=eur(1)),)}),
        ("source-total-unknown", {"total": None}),
        ("negative", {"total": eur(-1000), "lines": (Line(amount=eur(-1000)),)}),
        ("payment-pending", {"payment_pending": True}),
        ("payment-pending", {"payments": (paid_by(1000, state="unknown"),)}),
    ],
)
def test_what_is_not_known_whole_is_refused_with_its_reason(word: str, said: dict[str, Any]) -> None:
    """The reason comes first, a word that stays the same."""
    with pytest.raises(Unsupported) as refused:
        ImportInvoice.of(read(**said))
    assert refused.value.reason.startswith(f"{word}: the invoice in_1 of stripe")


def test_what_the_source_leaves_unsaid_is_derived_where_it_is_exact() -> None:
    """A payment without a row, a balance, a refund without a credit note, a sum of discounts, a sum of tax."""
    one_payment = ImportInvoice.of(read(payments=(), payments_complete=False))
    assert one_payment.payments == (Payment(amount=eur(1000), at=PAID_AT, state="succeeded"),)
    balance = ImportInvoice.of(read(amount_due=eur(700), amount_paid=eur(700), payments=(paid_by(700),)))
    assert [(payment.method, payment.amount) for payment in balance.payments][1:] == [("balance", eur(300))]
    refunded = ImportInvoice.of(read(amount_refunded=eur(200)))
    assert refunded.credit_notes == (CreditNote(amount=eur(200), kind="refund"),)
    parts = {"lines": (Line(amount=eur(1190)),), "subtotal": eur(1190), "discount": eur(190)}
    discounted = ImportInvoice.of(read(**parts, discounts=(Discount(name="A"), Discount(code="B"))))
    assert discounted.discounts == (Discount(name="A, B", amount=eur(190)),)
    on_top = ImportInvoice.of(read(lines=(Line(amount=eur(900)),), subtotal=eur(900), tax=eur(100)))
    assert on_top.taxes == (TaxLine(name="Tax", amount=eur(100), inclusive=False),)
    within = ImportInvoice.of(read(tax=eur(100)))
    assert within.taxes == (TaxLine(name="Tax", amount=eur(100), inclusive=True),)
    written_off = read(
        status=Status.UNCOLLECTIBLE, paid_at=None, payments=(), amount_paid=eur(0),
        credit_notes=(CreditNote(id="WO", amount=eur(1000), kind="write_off"),),
    )  # fmt: skip
    assert ImportInvoice.of(written_off).credit_notes == ()


def test_an_order_number_that_is_the_reference_is_the_reference() -> None:
    """Chargebee keeps the reference where a purchase order stands, and reads it as both."""
    assert ImportInvoice.of(read(purchase_order="res-1")).purchase_order is None
    assert ImportInvoice.of(read(purchase_order="PO-1")).purchase_order == "PO-1"


# ── compared ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "said,problem",
    [
        (dict.fromkeys(("currency", *AMOUNTS)), "it is in None"),
        ({"total": eur(999)}, "it totals 9.99 EUR, not 10.00 EUR"),
        ({"customer": CustomerRef(id="cus_1")}, "it bills cus_1, not cus_42"),
        ({"number": "N-2"}, "its number is N-2, not N-1"),
        ({"reference": "other"}, "its reference is 'other'"),
    ],
)
def test_another_document_under_the_same_number_is_left_alone(said: dict[str, Any], problem: str) -> None:
    """IdempotencyMismatch names what differs, and has that invoice."""
    bare = {"lines": (), "payments": (), "amount_credited": None}
    found = read(**{"reference": "doc", "customer": CustomerRef(id="cus_42"), **bare} | said)
    with pytest.raises(IdempotencyMismatch, match="number-taken") as refused:
        same_document(document(number="N-1"), found)
    assert problem in str(refused.value)
    assert refused.value.existing is found


def test_what_the_provider_made_of_it_is_compared() -> None:
    """Another total, another amount paid or left, or no total at all never passes."""
    done = document(status=Status.PAID, payments=(paid_by(1000),))
    assert verify_import(done, read()) is not None
    for said in ({"total": None}, {"total": eur(999)}, {"amount_paid": eur(999)}):
        with pytest.raises(AmountMismatch):
            verify_import(done, read(**said))
    open_one = read(status=Status.OPEN, paid_at=None, amount_paid=eur(0), payments=(), amount_remaining=None)
    with pytest.raises(AmountMismatch, match=r"left to pay is .* states none"):
        verify_import(document(), open_one)
    with pytest.raises(Discrepancy, match="imported in USD"):
        verify_import(document(total=Money(1000, "USD"), lines=()), read())


# ── never a charge ───────────────────────────────────────────────────────────────────────────────────────────────────
def _flow(effect: Effect) -> Callable[[ImportInvoice, Context], Flow[Invoice]]:
    def flow(command: ImportInvoice, context: Context) -> Flow[Invoice]:
        request: Request = context.on(command).post("invoices", effects=[effect], step="import")
        yield request
        return read(status=command.status, reference=None)

    return flow


@pytest.mark.parametrize(
    "effect,said,sent",
    [
        (Effect.COLLECTS, {}, False),
        (Effect.REFUNDS, {}, False),
        (Effect.MAILS, {}, False),
        (Effect.MAILS, {"mail": True}, True),
        (Effect.COLLECTS, {"mail": True}, False),
        (Effect.MAILS, {"status": Status.VOID}, False),
        (Effect.RECORDS, {}, True),
        (Effect.ISSUES, {}, True),
    ],
)
def test_an_adapter_that_would_charge_or_mail_is_stopped(effect: Effect, said: dict[str, Any], *, sent: bool) -> None:
    """Whatever a flow yields, a request that collects, gives back, or mails unasked is never sent."""
    whop = providers.get("whop")
    rows = tuple(row for row in whop.import_fields if not row.refuses)
    loud = replace(whop, flows=replace(whop.flows, import_invoice=_flow(effect)), import_fields=rows)
    command = document(**said)
    flow = start(command, make_context(loud, {"account_id": "biz_42"}).on(command), lookup="never")
    if sent:
        assert next(flow).effects == {effect}
        return
    with pytest.raises(Unsupported, match="an import is no charge; it was not sent"):
        next(flow)


def test_explain_shows_the_miss_of_the_lookup() -> None:
    """A plan shows an import that is not there yet: the lookup that finds nothing, then the request that makes it."""
    plan = explain("chargebee", document(number="N-1"), site="acme-test")
    assert [(request.method, request.path.rpartition("/")[2]) for request in plan.requests] == [
        ("GET", "N-1"),
        ("POST", "import_invoice"),
    ]
    assert plan.refusal is None


def test_an_import_that_ends_in_another_status_is_a_discrepancy() -> None:
    """The provider's own word counts: an answer that says something else is never taken for done."""
    chargebee = providers.get("chargebee").emulator()
    context = make_context(providers.get("chargebee"), chargebee.settings)

    def lies(request: httpx.Request) -> httpx.Response:
        answer = EmulatorTransport(chargebee, context.base_url).handle_request(request)
        return httpx.Response(answer.status_code, content=answer.read().replace(b'"voided"', b'"posted"'))

    with httpx.Client(transport=httpx.MockTransport(lies)) as http:
        client = Client("chargebee", api_key=chargebee.key, http=http, **chargebee.settings)
        with pytest.raises((Discrepancy, AmountMismatch)) as refused:
            client.import_invoice(document(status=Status.VOID, voided_at=PAID_AT))
    assert refused.value.outcome == "partly_done"


@pytest.mark.parametrize("name", ["chargeapi"])
def test_a_provider_that_takes_no_history_says_why(name: str) -> None:
    """Unsupported, with the reason and its source, whatever the document is."""
    for one in documents("flt_1"):
        refusal = explain(name, one).refusal
        assert isinstance(refusal, Unsupported)
        assert refusal.source


def test_the_page_about_imports_runs() -> None:
    """The example of the how-to page is what it says it is."""
    page = Path(__file__).parents[1] / "docs" / "how-to" / "import-history.md"
    (example,) = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    known: dict[str, Any] = {"print": lambda plan: None}
    exec(example, known)  # noqa: S102 - our own page
    assert known["document"].status is Status.PAID
    assert explain("chargebee", known["document"], site="acme-test").refusal is None
