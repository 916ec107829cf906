"""Find by a reference: the invoice that counts, and what is said where none, or more than one, does."""

from dataclasses import replace
from typing import Any

import pytest

from invoice_bridge import AlreadyBilled, CustomerRef, Find, Invoice, NotFound, Unsupported
from invoice_bridge.adapter.declared import History, Matches
from invoice_bridge.adapter.lookup import find
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.wire import Flow
from tests.listing import LISTING, Desk, bill_of, mine, row, run
from tests.toy import toy_context

ANYBODYS = Find(reference="res-1")
CUSTOMERS = Find(reference="res-1", customer=CustomerRef(id="buy_1"))
UNREADABLE = {"id": None, "ref": "res-1"}


def _found(desk: Desk, command: Find = ANYBODYS, **declared: Any) -> Invoice:
    context = replace(toy_context(), provider=replace(LISTING, **declared)).on(command)
    invoice: Invoice = run(find(command, context), desk)
    return invoice


def _index(*rows: dict[str, Any], gap: str = "") -> dict[str, Any]:
    """A search index with these invoices in it."""

    def search(_command: Any, _context: Context, _history: History) -> Flow[Matches]:
        yield from ()
        return Matches(tuple(map(bill_of, rows)), gap)

    return {"search": search}


def test_the_invoice_of_a_reference_is_found_in_the_listing() -> None:
    """One of several has it."""
    assert _found(Desk([row(1), mine(2), row(3)])).id == "in_2"


@pytest.mark.parametrize("status", ["void", "gone"])
def test_an_invoice_that_was_withdrawn_yields_to_one_that_was_not(status: str) -> None:
    """Wherever it is listed."""
    assert _found(Desk([mine(1, status=status), mine(2), mine(3, status=status)])).id == "in_2"


def test_of_withdrawn_invoices_alone_the_last_is_found() -> None:
    """It is the state of the reference."""
    found = _found(Desk([mine(1, status="void"), mine(2, status="gone")]))
    assert (found.id, found.native_status) == ("in_2", "gone")


def test_several_invoices_of_one_reference_are_named() -> None:
    """Those that were withdrawn are no rivals, and are not named."""
    with pytest.raises(AlreadyBilled) as refused:
        _found(Desk([mine(1), mine(2, status="void"), mine(3)]))
    assert str(refused.value).startswith("the reference 'res-1' is on 2 invoices: in_1, in_3")
    assert refused.value.existing is not None
    assert refused.value.existing.id == "in_1"


def test_a_reference_that_nothing_has_is_not_found() -> None:
    """The listing was read to its end, so there is nothing to add."""
    with pytest.raises(NotFound) as refused:
        _found(Desk([row(1)]))
    assert refused.value.message == "no invoice has the reference 'res-1'"


def test_an_index_that_has_nothing_may_lag() -> None:
    """The error says so, and how to be sure."""
    with pytest.raises(NotFound) as refused:
        _found(Desk([mine(1)]), **_index())
    assert refused.value.message == (
        "no invoice has the reference 'res-1'; the search index may be minutes behind: pass customer=…, whose listing "
        "is read instead"
    )


def test_an_index_is_not_asked_where_the_customer_is_known() -> None:
    """Its listing is up to date."""
    desk = Desk([mine(1)])
    assert _found(desk, CUSTOMERS, **_index(mine(7))).id == "in_1"
    assert desk.sent == ["GET /invoices?buyer=buy_1", "GET /invoices/in_1"]
    assert _found(Desk([mine(1)]), ANYBODYS, **_index(mine(7))).id == "in_7"


@pytest.mark.parametrize("withdrawn", [[], [mine(1, status="void")]])
def test_a_listing_with_a_gap_proves_no_absence(withdrawn: list[dict[str, Any]]) -> None:
    """What cannot be read may be the invoice, and a withdrawn one does not stand for it."""
    with pytest.raises(Unsupported) as refused:
        _found(Desk([*withdrawn, UNREADABLE]))
    text = str(refused.value)
    assert (
        "it is unknown whether an invoice has the reference 'res-1': an invoice that may be it cannot be read" in text
    )
    assert refused.value.remedy == "pass customer=…, whose listing is read instead"
    with pytest.raises(Unsupported) as refused:
        _found(Desk([*withdrawn, UNREADABLE]), CUSTOMERS)
    assert refused.value.remedy == ""


def test_an_invoice_that_was_not_withdrawn_is_found_in_spite_of_a_gap() -> None:
    """It has the reference, whatever else is listed."""
    assert _found(Desk([mine(1), UNREADABLE])).id == "in_1"
