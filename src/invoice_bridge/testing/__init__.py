"""For the tests of applications and of other providers' adapters (extra `testing`)."""

from invoice_bridge.testing.conformance import Conformance

__all__ = ["Conformance"]
