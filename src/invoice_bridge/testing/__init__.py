"""For the tests of applications and of other providers' adapters (extra `testing`)."""

import pytest

pytest.register_assert_rewrite("invoice_bridge.testing.conformance")

from invoice_bridge.testing.conformance import Conformance  # noqa: E402 - after the line above, which shows its asserts
from invoice_bridge.testing.same_bill import assert_same_bill  # noqa: E402 - as above

__all__ = ["Conformance", "assert_same_bill"]
