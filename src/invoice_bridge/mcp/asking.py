"""Asks the person through the assistant's program, before a bill is made; the model neither sees nor gives the answer.

The protocol has two ways: until 2025-11-25 the server sends a request of its own while the tool runs, from 2026-07-28
on the tool answers that it needs an input, and is called again with it.
"""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync as _in_thread  # a session waits for the bill that is being made
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.mcp.data import visible
from invoice_bridge.mcp.session import Session

__all__ = ["ask"]

_NAME = "agree"
_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}


async def ask(context: Any, session: Session, params: CallToolRequestParams) -> InputRequiredResult | None:
    """Ask about the bill that `create` is to make; None if it may go on.

    Raises ConfigurationError if the person does not agree, and, where the profile wants an answer, for a program that
    cannot ask. What `create` refuses by itself is not asked about.
    """
    arguments = params.arguments or {}
    plan_hash = arguments["plan"]
    if not _can_ask(context):
        if await _in_thread(session.must_ask):
            raise ConfigurationError(
                "the profile says ask = true, and this program cannot ask its user (elicitation); nothing was sent"
            )
        return None
    is_modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    if is_modern and params.input_responses is not None and await _in_thread(session.was_asked, plan_hash):
        await _check(session, plan_hash, params.input_responses.get(_NAME))
        return None
    question = await _in_thread(session.question, arguments["bill"], plan_hash)
    if question is None:
        return None
    if is_modern:
        form = ElicitRequestFormParams(message=visible(question), requested_schema=_SCHEMA)
        return InputRequiredResult(input_requests={_NAME: ElicitRequest(params=form)})
    answer = await context.session.elicit_form(visible(question), _SCHEMA, context.request_id)
    await _check(session, plan_hash, answer)
    return None


def _can_ask(context: Any) -> bool:
    capabilities = context.session.client_capabilities
    elicitation = None if capabilities is None else capabilities.elicitation
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def _check(session: Session, plan_hash: str, answer: Any) -> None:
    """Raise ConfigurationError unless the person has agreed; the hash is used up then."""
    if isinstance(answer, ElicitResult) and answer.action == "accept":
        return
    await _in_thread(session.withdraw, plan_hash)
    raise ConfigurationError("the person did not agree; nothing was sent: ask them what to change")
