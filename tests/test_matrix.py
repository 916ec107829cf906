"""The provider pages: what is printed there is what the tables say."""

import pytest

from invoice_bridge import providers
from invoice_bridge.adapter.redactions import Becomes
from invoice_bridge.matrix import provider_page


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
