"""What an answer is about: whether it belongs to the request that it came for, and whether it says that nothing moved.

Rules of this file: those of supervise.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invoice_bridge.adapter.answers import json_of
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import NewInvoice
from invoice_bridge.core.errors import MalformedResponse
from invoice_bridge.core.wire import Request, Response

__all__ = ["check_subject", "has_failed"]


def check_subject(request: Request, answer: Response, context: Context) -> None:
    """Check that an answer is JSON, and about what was asked: the invoice named, or the bill that is being opened.

    An empty answer passes if it is documented (`Request.empty`): the flow reads the invoice after it. An intermediary
    may return another request's answer. Raises MalformedResponse.
    """
    if any(known is request for known in answer.checked):  # the client has checked it, and its supervision asks again
        return
    if request.empty and not answer.content:
        return
    data, provider = json_of(answer), context.provider
    if request.answers:
        name, value = ".".join(map(str, request.answers)), _value_at(data, request.answers)
        if value is None:
            raise _mixed_up(f"something else: it has no {name}", answer, context)
        is_earlier = isinstance(value, str) and value in request.excludes
        if is_earlier or (request.equals is not None and value != request.equals):
            raise _mixed_up(f"something earlier: its {name} is {value!r}", answer, context)
    if request.invoice_id is not None:
        answered = provider.invoice_id(data)
        if answered is not None and answered != request.invoice_id:
            raise _mixed_up(f"the invoice {answered}, but {request.invoice_id} was requested", answer, context)
    if request.opens and isinstance(context.command, NewInvoice) and provider.reference_in is not None:
        reference = provider.reference_in(data, context)
        if reference is not None and reference != context.command.reference:
            raise _mixed_up(f"the bill {reference!r}, but {context.command.reference!r} was sent", answer, context)
    answer.checked.append(request)


def has_failed(request: Request, answer: Response) -> bool:
    """Whether a successful answer says that nothing was moved: a payment or a refund that failed."""
    if request.failed_if is None:
        return False
    names, words = request.failed_if
    word = _value_at(json_of(answer), names)
    return isinstance(word, str) and word in words


def _value_at(data: Any, names: Iterable[str | int]) -> Any:
    """Return the value at the end of these names and positions, None if there is none."""
    for name in names:
        if isinstance(name, int):
            data = data[name] if isinstance(data, list) and len(data) > name else None
        else:
            data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _mixed_up(problem: str, answer: Response, context: Context) -> MalformedResponse:
    return MalformedResponse(
        f"the answer is about {problem}: an intermediary mixes up answers",
        provider=context.provider.name,
        status=answer.status,
        response=answer,
    )
