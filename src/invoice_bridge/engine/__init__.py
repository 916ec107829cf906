"""Drives flows: retries, lookups, what is allowed, limits on requests. No network, no clock."""
