"""The provider pages: what is printed there is what the tables say."""

import pytest

from invoice_bridge import providers
from invoice_bridge.adapter.redactions import Becomes
from invoice_bridge.core.model import Status
from invoice_bridge.matrix import provider_page, state_diagram, transitions_table


@pytest.mark.parametrize("name", providers.names())
def test_a_page_says_what_a_recording_hides(name: str) -> None:
    """Every row of the redaction table stands on the provider's page, with its source."""
    *_, last = provider_page(name).split("\n\n")
    head, _, *rows = last.splitlines()
    assert head == "| hidden in recordings | which | becomes | source |"
    for one in providers.get(name).redactions:
        place = f"`{one.name}`".replace("|", "\\|") + (f" beside `{one.beside}`" if one.beside else "")
        becomes = "another id, where a live account is recorded" if one.becomes is Becomes.ID else one.becomes
        begin, end = f"| {one.where} |", f"| {becomes} | {one.source} |"
        assert any(place in row for row in rows if row.startswith(begin) and row.endswith(end)), one


@pytest.mark.parametrize("name", providers.names())
def test_a_page_prints_the_transitions(name: str) -> None:
    """Each row of the table of transitions is on the provider's page with its source, and in the diagram."""
    provider = providers.get(name)
    page, rows = provider_page(name).split("\n\n"), transitions_table(provider).splitlines()
    assert {transitions_table(provider), state_diagram(provider)} <= set(page)
    assert rows[0] == "| verb | allowed | becomes | effects | not confirmed | source |"
    for line, (verb, row) in zip(rows[2:], provider.transitions.items(), strict=True):
        assert line.startswith(f"| `{verb}` | ")
        assert line.endswith(f" | {row.source} |")
        assert all(doubt.why in line for doubt in row.doubts)


def test_a_row_in_words() -> None:
    """Statuses and effects are in the order of their own lists; what is open is in the last column but one."""
    chargeapi = transitions_table(providers.get("chargeapi")).splitlines()
    older = "docs.chargeapi.co/api-reference/invoices/{} (older generation)"
    assert (
        chargeapi[2] == f"| `finalize` | `draft` | `open`, `paid` | issues, collects | – | {older.format('finalize')} |"
    )
    silent = "nothing is documented of `uncollectible`: it is tried"
    assert chargeapi[3] == f"| `pay` | `open` | `paid` | collects | {silent} | {older.format('pay')} |"
    update = next(line for line in transitions_table(providers.get("stripe")).splitlines() if "`update`" in line)
    source = providers.get("stripe").transitions["update"].source
    assert update == f"| `update` | `draft`; metadata alone in any | as it was | – | – | {source} |"


CHARGEAPI = """```mermaid
stateDiagram-v2
    draft --> draft: update
    draft --> open: finalize
    draft --> paid: finalize
    open --> open: update?
    open --> paid: pay
    open --> void: void
    uncollectible --> paid: pay?
    uncollectible --> void: void?
```"""


def test_a_diagram_has_an_arrow_for_each_change() -> None:
    """What is not confirmed has a question mark, but not where another word of the same status is confirmed."""
    assert state_diagram(providers.get("chargeapi")) == CHARGEAPI
    assert "open --> paid: mark_paid\n" in state_diagram(providers.get("whop"))  # only past_due is in doubt
    for name in providers.names():
        arrows = [line.split(": ")[0].split(" --> ") for line in state_diagram(providers.get(name)).splitlines()[2:-1]]
        assert arrows
        assert {word.strip() for arrow in arrows for word in arrow} <= set(Status)
