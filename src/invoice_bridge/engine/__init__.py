"""Drives flows: retries, lookups, allowed losses, rate limits. No network, no clock."""
