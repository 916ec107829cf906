"""Record the requests and answers of one client, and write them as a cassette on request.

vcrpy records by replacing the transports of every HTTP library in the process, so it would also record what the rest of
the program fetches meanwhile. A Recorder is part of one client. vcrpy's own code writes the file.
"""

from __future__ import annotations

import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from invoice_bridge import files
from invoice_bridge.cassettes import provenance
from invoice_bridge.cassettes.redaction import Redactor
from invoice_bridge.core.errors import ConfigurationError

__all__ = ["Recorder"]


class Recorder(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that passes requests on to `inner` and keeps the exchanges; for `httpx.Client` and `AsyncClient`.

    An asynchronous client blocks while it waits for `inner`: nothing else has to run while recording. A request without
    an answer is not kept. Only save() writes a file. Needs vcrpy (extra `testing`).
    """

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.exchanges: list[tuple[Any, dict[str, Any]]] = []
        """vcrpy's request, and the answer in vcrpy's form; both unredacted, secrets included."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        request.read()
        return self._pass_on(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        await request.aread()
        return self._pass_on(request)

    def _pass_on(self, request: httpx.Request) -> httpx.Response:
        from vcr.request import Request

        make_request: Any = Request
        answer = self._inner.handle_request(request)
        try:
            content = b"".join(answer.stream)  # type: ignore[arg-type] # undecoded: compressed if it was
        finally:
            answer.close()
        headers: dict[str, list[str]] = {}
        for name, value in answer.headers.multi_items():
            headers.setdefault(name, []).append(value)
        recorded = {
            "status": {"code": answer.status_code, "message": answer.reason_phrase},
            "headers": headers,
            "body": {"string": content},
        }
        sent = dict(request.headers.items())
        self.exchanges.append((make_request(request.method, str(request.url), request.content, sent), recorded))
        return httpx.Response(
            answer.status_code,
            headers=answer.headers,
            stream=httpx.ByteStream(content),
            extensions={"reason_phrase": answer.reason_phrase.encode("ascii")},
        )

    def save(self, path: Path, provider: str, *, origin: str, recorded_at: datetime) -> None:
        """Write the redacted cassette and its provenance; replace existing files as a whole.

        `origin` is emulator, test or live; the ids of a live account become pseudonyms too. Raises ConfigurationError,
        and writes nothing, if a body of a real account cannot be decoded: it may contain secrets.
        """
        from vcr.serialize import serialize
        from vcr.serializers import yamlserializer

        redactor = Redactor(provider, ids=origin == "live")
        requests, answers = [], []
        for request, answer in self.exchanges:
            requests.append(redactor.request(copy.deepcopy(request)))
            answers.append(redactor.response(copy.deepcopy(answer)))
        if redactor.unparsed and origin != "emulator":
            raise ConfigurationError(f"{path} was not written: {'; '.join(redactor.unparsed)}")
        text: str = serialize({"requests": requests, "responses": answers}, yamlserializer)  # type: ignore[no-untyped-call]
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text)
        provenance.write(
            path,
            provider=provider,
            origin=origin,
            recorded_at=recorded_at,
            mode="none" if origin == "emulator" else origin,
            redacted=redactor.notes,
        )

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()
