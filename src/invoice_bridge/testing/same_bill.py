"""The assertion that two providers bill the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from invoice_bridge.compare import Side, compare
from invoice_bridge.compare.allowed import Allow


def assert_same_bill(
    left: Side, right: Side, *, allow: Allow = (), as_of: datetime | None = None, keys: Sequence[str] = ("reference",)
) -> None:
    """Fail unless two sides bill the same; the failure shows the differing paths in two columns.

    The sides and arguments are those of invoice_bridge.compare.compare, which also raises ConfigurationError if there
    is nothing to compare. A field that one side does not state is not a difference.
    """
    __tracebackhide__ = True
    with compare(left, right, allow=allow, as_of=as_of, keys=keys) as comparison:
        if not comparison.same:
            raise AssertionError(f"the two sides do not bill the same\n{comparison.text()}")
