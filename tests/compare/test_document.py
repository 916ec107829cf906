"""After an import both sides are one document: number and dates are compared, and named losses are declared equal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_bridge import Client, ImportInvoice, Invoice, Line, Money, Payment, Status
from invoice_bridge.compare import Verdict, compare
from invoice_bridge.core.losses import Fate, Loss, Severity
from tests.clients import emulated_at

ISSUED = datetime(2026, 3, 2, tzinfo=UTC)
PAID_AT = datetime(2026, 3, 9, tzinfo=UTC)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def read(**said: Any) -> Invoice:
    least: dict[str, Any] = {
        "provider": "stripe", "id": "in_1", "number": "N-1", "status": Status.PAID, "currency": "EUR",
        "total": eur(1000), "amount_paid": eur(1000), "lines": (Line(amount=eur(1000)),), "lines_complete": True,
        "issued_at": ISSUED, "paid_at": PAID_AT, "reference": "res-1",
    }  # fmt: skip
    return Invoice(**least | said)


def paths(left: Invoice, right: Invoice, **how: Any) -> dict[str, str]:
    with compare(left, right, **how) as found:
        return {one.path: one.verdict.value for row in found.rows for one in row.differences}


def loss(path: str, fate: Fate = Fate.APPROXIMATED, severity: Severity = Severity.WARNS) -> Loss:
    return Loss("IB-ACME-IMPORT-X-01", path, fate, severity, "nothing", "it is not kept", "")


@pytest.mark.parametrize(
    "said",
    [{"number": "N-2"}, {"issued_at": ISSUED + timedelta(days=1)}, {"paid_at": PAID_AT + timedelta(seconds=1)}],
)
def test_number_and_dates_are_compared_of_one_document_alone(said: dict[str, Any]) -> None:
    """Two bills of two providers may have other ones; one document may not."""
    other = read(**said)
    assert paths(read(), other) == {}
    assert paths(read(), other, document=True) == dict.fromkeys(said, "differing")


def test_parts_of_a_second_are_no_difference() -> None:
    """Most providers keep whole seconds."""
    assert paths(read(), read(paid_at=PAID_AT + timedelta(milliseconds=7)), document=True) == {}


def test_what_was_named_as_lost_is_declared_equal() -> None:
    """With the loss as the reason; what was sent is compared all the same, and no amount is declared."""
    other = read(paid_at=PAID_AT + timedelta(days=100), issued_at=ISSUED + timedelta(days=1), total=eur(900))
    losses = [loss("paid_at"), loss("issued_at"), loss("total"), loss("status"), loss("number", Fate.CARRIED)]
    found = paths(read(), other, document=True, losses=losses)
    assert found == {"paid_at": "declared_equal", "issued_at": "differing", "total": "differing"}
    with compare(read(), read(), document=True, losses=losses) as same:
        assert (same.counts[Verdict.MATCHED], same.unused) == (1, ())


def test_a_dropped_number_is_declared_equal() -> None:
    """A provider that numbers its invoices itself has said so before."""
    assert paths(read(), read(number="#0001"), document=True, losses=[loss("number", Fate.DROPPED)]) == {
        "number": "declared_equal"
    }


def test_a_document_and_its_import_at_stripe_differ_in_what_was_named() -> None:
    """Read back, the paid date is the day of the import, and nothing else is another one."""
    source, _ = emulated_at("stripe", lookup="never")
    target, _ = emulated_at("stripe", lookup="never")
    command = ImportInvoice(
        reference="res-1", number="N-1", customer="cus_42", status=Status.PAID, total=eur(1000), issued_at=ISSUED,
        paid_at=PAID_AT, lines=(Line(description="Energy", amount=eur(1000)),),
        payments=(Payment(id="ch_1", amount=eur(1000), at=PAID_AT, state="succeeded"),),
    )  # fmt: skip
    first = _imported(source, command)
    assert first.paid_at != PAID_AT
    stated = first.model_copy(update={"paid_at": PAID_AT})  # as a source states it
    done = _imported(target, command)
    assert paths(stated, done, document=True) == {"paid_at": "differing"}
    assert paths(stated, done, document=True, losses=target.losses(command)) == {"paid_at": "declared_equal"}


def _imported(client: Client, command: ImportInvoice) -> Invoice:
    done = client.import_invoice(command, allow=[each.code for each in client.losses(command)])
    return client.retrieve(done.id)
