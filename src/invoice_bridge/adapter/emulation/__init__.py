"""The base of the in-memory providers, and the faults that their requests meet.

Rules of this room: deterministic and without a network. Billing code never imports it.
"""
