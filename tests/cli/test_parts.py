"""What a terminal shows of an invoice beside its lines: taxes, discounts, payments and credit notes, one row each."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from invoice_bridge import Discount, Money
from invoice_bridge.cli.output import invoice_parts, print_parts
from invoice_bridge.core.model import CreditNote, Payment, TaxLine
from tests.compare.bills import bill

SEVEN = Money(700, "EUR")
AT = datetime(2026, 11, 2, tzinfo=UTC)


def test_each_part_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Its name, what it is, when and how much; markup in a provider's text is text, and a list that is cut says so."""
    whole = bill(
        lines=(),
        taxes=(TaxLine(name="VAT [red]", rate=Decimal("19.00"), amount=SEVEN, inclusive=True),),
        discounts=(Discount(name="Spring", amount=SEVEN),),
        payments=(
            Payment(id="txn_1", amount=SEVEN, at=AT, state="succeeded", method="cash", recorded_outside=True),
            Payment(id="txn_2", amount=SEVEN, state="failed", refunded=Money(100, "EUR")),
        ),
        payments_complete=False,
        credit_notes=(CreditNote(number="CN-1", amount=SEVEN, kind="adjustment", reason="returned", at=AT),),
    )
    print_parts(*invoice_parts(whole))
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    begin = rows.index("part what when amount")
    assert rows[begin + 1 : begin + 7] == [
        "tax VAT [red], 19 %, within the amounts 7.00 EUR",
        "discount Spring 7.00 EUR",
        "payment txn_1, succeeded, cash, recorded from outside 2026-11-02 7.00 EUR",
        "payment txn_2, failed, 1.00 EUR refunded 7.00 EUR",
        "payment … and more, which are not here",
        "credit note CN-1, adjustment, returned 2026-11-02 7.00 EUR",
    ]


def test_an_invoice_without_parts_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is shown of what is not there."""
    print_parts(*invoice_parts(bill(taxes=(), payments=(), credit_notes=(), discounts=(), adjustments=())))
    assert "part  what" not in capsys.readouterr().out
