"""Cassettes made here, as vcrpy writes them: so many requests that make an invoice, each for a customer of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"


def call(number: int) -> tuple[str, bytes]:
    """The URL and the form of a request: some 330 bytes."""
    fields = {
        "currency": "eur",
        "customer": f"cus_{number:08d}",
        "description": "Reservation fees, as agreed",
        "auto_advance": "false",
        "collection_method": "send_invoice",
        "days_until_due": 14,
        "metadata[invoice_bridge_reference]": f"res-2026-05-{number:08d}",
        "lines[0][amount]": 100 + number,
        "lines[0][description]": "Reservation fees",
    }
    return f"https://api.example.test/v1/customers/cus_{number:08d}/invoices?expand=lines", urlencode(fields).encode()


def write(path: Path, size: int, *, lines: int = 25) -> None:
    """Write a cassette of so many interactions; an answer has 60 bytes a line, and 100 more."""
    from vcr.persisters.filesystem import FilesystemPersister
    from vcr.request import Request
    from vcr.serializers import yamlserializer

    requests, answers = [], []
    for number in range(size):
        url, content = call(number)
        requests.append(Request("POST", url, content, {"content-type": FORM, "idempotency-key": f"ib1-{number:064d}"}))
        rows = ",".join(
            f'{{"id":"il_{number:08d}{line}","amount":{100 + number},"currency":"eur"}}' for line in range(lines)
        )
        text = f'{{"id":"in_{number:08d}","object":"invoice","status":"open","lines":{{"data":[{rows}]}}}}'
        headers = {"content-type": ["application/json"], "request-id": [f"req_{number:08d}"]}
        answers.append({"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": text}})
    persister: Any = FilesystemPersister
    persister.save_cassette(path, {"requests": requests, "responses": answers}, serializer=yamlserializer)
