"""Read the JSON of an answer. Missing fields raise MalformedResponse, never KeyError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.wire import Response


def json_of(answer: Response) -> Any:
    """Return the body as JSON, read exactly. Raises MalformedResponse for anything else."""
    try:
        return answer.parsed
    except ValueError as error:
        kind = answer.headers.get("content-type", "no content type")
        problem = f"the answer is not JSON ({kind}, {len(answer.content)} bytes: {error}); is base_url right?"
        raise _malformed(answer, problem) from None


def object_of(answer: Response) -> Mapping[str, Any]:
    """Return the body as a JSON object. Raises MalformedResponse for anything else."""
    value = json_of(answer)
    if isinstance(value, dict):
        return value
    raise _malformed(answer, "the answer is not a JSON object")


def text_of(answer: Response, name: str) -> str:
    """Return a required text, like an id. Raises MalformedResponse if it is absent, empty or not a text."""
    value = object_of(answer).get(name)
    if isinstance(value, str) and value:
        return value
    raise _malformed(answer, f"the answer has no text at $.{name}")


def are_texts(values: Iterable[Any]) -> bool:
    """Return whether values are absent or texts that can be taken as they are: not empty, no half of a pair in them."""
    texts = [value for value in values if value is not None]
    if "" in texts:
        return False
    try:
        "".join(texts).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def _malformed(answer: Response, problem: str) -> MalformedResponse:
    return MalformedResponse(problem, provider=answer.provider, status=answer.status, response=answer)
