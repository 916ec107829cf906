"""Cassettes: recorded HTTP exchanges that plain vcrpy replays, each with a sidecar that says where it comes from."""

from invoice_bridge.cassettes.record import SCENARIOS, record, record_all

__all__ = ["SCENARIOS", "record", "record_all"]
