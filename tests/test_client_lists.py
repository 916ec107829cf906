"""Listings: lazy, filtered again, readable page by page."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    ConfigurationError,
    Invoice,
    ListInvoices,
    MalformedResponse,
    Status,
    Unreadable,
)
from tests.clients import (
    client_of,
    no_waiting,  # noqa: F401 - a fixture, used by every test
    page,
    row,
)


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_listing_is_lazy() -> None:
    """No request before the first invoice is asked for; the second page only when the first is used up."""
    cursors: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("starting_after")
        cursors.append(after)
        return page(row(1), row(2), more=True) if after is None else page(row(3))

    found = client_of(answer).list()
    assert cursors == []
    assert next(found).id == "in_1"
    assert next(found).id == "in_2"
    assert cursors == [None]
    assert next(found).id == "in_3"
    assert cursors == [None, "in_2"]
    assert list(found) == []
    assert cursors == [None, "in_2"]


def test_filters_are_applied_again() -> None:
    """A provider that ignores a filter does not get its invoices past us (defect 28)."""
    rows = [
        row(1),
        row(2, status="paid"),
        row(3, customer="cus_2"),
        row(4, created=1777593599),
        row(5, created=1780272000),
        row(6, customer="cus_1"),
    ]
    client = client_of(lambda _: page(*rows))
    start, end = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert [found.id for found in client.list()] == ["in_1", "in_2", "in_3", "in_4", "in_5", "in_6"]
    assert [found.id for found in client.list(status=Status.PAID)] == ["in_2"]
    assert [found.id for found in client.list(customer="cus_1")] == ["in_6"]
    assert [found.id for found in client.list(created_from=start, created_to=end)] == ["in_1", "in_2", "in_3", "in_6"]


def test_an_item_that_cannot_be_read_raises_or_is_handed_on() -> None:
    """By default it stops the listing; with unreadable="yield" it comes in its place, with its JSON and the reason."""
    client = client_of(lambda _: page(row(1), row(2, object="quote"), row(3)))
    found = client.list()
    assert next(found).id == "in_1"
    with pytest.raises(MalformedResponse, match="its object is 'quote'"):
        next(found)
    first, second, third = client.list(unreadable="yield")
    assert isinstance(first, Invoice)
    assert isinstance(second, Unreadable)
    assert isinstance(third, Invoice)
    assert second.raw["id"] == "in_2"
    assert "its object is 'quote'" in str(second.error)


def test_defect_60_one_odd_amount_does_not_stop_a_listing() -> None:
    """Defect 60: the invoice comes in its place, and says what of it could not be read."""
    found = list(client_of(lambda _: page(row(1), row(2, total="12,00"), row(3, currency="xyz"))).list())
    assert [(one.id, one.currency, [problem.path for problem in one.problems]) for one in found] == [
        ("in_1", "EUR", []),
        ("in_2", "EUR", ["total"]),
        ("in_3", None, ["currency"]),
    ]


def test_a_word_for_unreadable_that_means_nothing_is_refused() -> None:
    """A typing mistake is not taken for "yield"."""
    wrong: Any = "ignore"
    with pytest.raises(ConfigurationError, match='unreadable must be "raise" or "yield", not \'ignore\''):
        list(client_of(lambda _: page(row(1))).list(unreadable=wrong))


def test_a_wrong_filter_is_refused() -> None:
    """A status that is not ours, a naive date, a filter that does not exist."""
    client = client_of(lambda _: page())
    wrong: list[dict[str, Any]] = [{"status": "posted"}, {"created_from": datetime(2026, 5, 1)}, {"state": "open"}]
    for filters in wrong:
        with pytest.raises(ConfigurationError, match=r"^list: "):
            list(client.list(**filters))


@pytest.mark.parametrize("pages", [["in_1"], ["in_1", "in_2"], ["in_1", "in_2", "in_3"]])
def test_a_listing_that_runs_in_circles_is_refused(pages: list[str]) -> None:
    """The same next page again, at once or after a round, ends with an error, not never."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        assert len(requests) < 20
        return page(row(1, id=pages[(len(requests) - 1) % len(pages)]), more=True)

    with pytest.raises(MalformedResponse, match="the same next page again"):
        list(client_of(answer).list())
    assert len(requests) == len(pages) + 1


def test_a_page_is_read_and_continued_by_hand() -> None:
    """page() gives what the provider gives, and the command that reads on: a cursor that can be kept."""
    client = client_of(lambda r: page(row(2)) if "starting_after=in_1" in str(r.url) else page(row(1), more=True))
    first = client.page(ListInvoices())
    assert [item.id for item in first.items if isinstance(item, Invoice)] == ["in_1"]
    assert first.next is not None
    kept = ListInvoices.model_validate_json(first.next.model_dump_json())
    second = client.page(kept)
    assert [item.id for item in second.items if isinstance(item, Invoice)] == ["in_2"]
    assert second.next is None
