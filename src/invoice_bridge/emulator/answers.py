"""The JSON of the control API: bodies are read strictly, refusals are one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from invoice_bridge.core.wire import Response

M = TypeVar("M", bound=BaseModel)
LARGEST_BODY = 8_000_000


class Refusal(Exception):
    """A refusal of the control API: its HTTP status and one sentence."""

    def __init__(self, message: str, status: int = 400) -> None:
        self.status = status
        super().__init__(message)

    @property
    def answer(self) -> Response:
        """Return the refusal as JSON."""
        return as_json({"error": str(self)}, self.status)


def as_json(body: Any, status: int = 200) -> Response:
    """Make an answer; unlike a provider's, it may have a number of seconds with a fraction, and decimals are text."""
    return Response(status, json.dumps(body, default=str).encode(), {"content-type": "application/json"})


class Body(BaseModel):
    """The base of the bodies: a field that is not listed is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SetClock(Body):
    """PUT clock: the instant, with its offset, and whether the clock runs on."""

    now: datetime
    runs: bool = True


class Advance(Body):
    """POST clock/advance: seconds, zero or more."""

    seconds: float


class NewFault(Body):
    """POST faults: the fields of Fault."""

    kind: str
    method: str = ""
    path: str = ""
    skip: int = 0
    times: int = 1
    seconds: float = Field(default=0.0, ge=0, le=3600)
    lands_after: int | None = None
    behind: int = Field(default=1, le=1000)


class Reset(Body):
    """POST reset: the switches of the new emulator, on top of the present ones."""

    switches: Mapping[str, StrictBool] = {}


def read(kind: type[M], content: bytes) -> M:
    """Read a body. Raises Refusal, which names the first field that is wrong."""
    if len(content) > LARGEST_BODY:
        raise Refusal(f"the body is longer than {LARGEST_BODY} bytes", 413)
    try:
        return kind.model_validate_json(content or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        known = ", ".join(kind.model_fields)
        raise Refusal(f"{place}: {first['msg']}; the fields are: {known}") from None


def at_utc(instant: datetime) -> datetime:
    """Return an instant that has an offset. Raises Refusal."""
    if instant.tzinfo is None:
        raise Refusal("now: write the offset, as in 2026-11-02T09:00:00Z")
    return instant


def instant_text(instant: datetime) -> str:
    """Write an instant as the control API does."""
    return instant.isoformat()


def listed(values: Mapping[str, Any]) -> str:
    """Return names for a message."""
    return ", ".join(values) or "none"
