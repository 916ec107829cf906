"""The package `mcp` asks for a newer pydantic than the library: `make lowest` leaves out what imports it."""

from pydantic import VERSION

collect_ignore = ["test_server.py"] if tuple(map(int, VERSION.split(".")[:2])) < (2, 12) else []
