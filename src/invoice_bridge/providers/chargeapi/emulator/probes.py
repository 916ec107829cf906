"""The probes of ChargeAPI's switches. A draft can neither be deleted nor voided, so the probes share theirs.

They share a draft by its idempotency key, which returns the first answer again. Most drafts are of a period without
transactions, so that nothing is due. The probes that finalize an invoice over something may charge the fleet's card:
one sentence of the documentation says that finalizing collects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from invoice_bridge.adapter.emulation.probes import (
    NotSettled,
    Probe,
    Probes,
    Trial,
    accepted,
    answer_of,
    made_of,
    succeeded,
)
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.core.wire import Flow, Request, Response

_DAY = "1990-01-01T00:00:00.000Z", "1990-01-02T00:00:00.000Z"
"""A day without transactions."""
_CREATED = 201
_REFUSED = (400, 409)
_WRONG_STATE = "invoice_payment_invalid_state"


class _Draft(NamedTuple):
    """A draft, the answer that it came in, its idempotency key and its period."""

    invoice: dict[str, Any]
    answer: Response
    key: str
    period: tuple[str, str]


def _create(trial: Trial, period: tuple[str, str], key: str, **more: Any) -> Request:
    start, end = period
    body = {"period_start": start, "period_end": end, "fleet": trial.customer, **more}
    return trial.post("invoices", body=body, key=f"{trial.run}-{key}")


def _year(trial: Trial) -> tuple[str, str]:
    now = trial.now.replace(microsecond=0)
    return rfc3339_millis(now - timedelta(days=366)), rfc3339_millis(now)


def _draft(trial: Trial) -> Flow[_Draft]:
    """Return the draft that the probes share: over nothing, or where that is refused over the last year."""
    for period, key in ((_DAY, "day"), (_year(trial), "year")):
        answer: Response = yield _create(trial, period, key)
        if succeeded(answer):
            return _Draft(answer_of(answer), answer, key, period)
    raise NotSettled(f"no draft is made: HTTP {answer.status}")


def _empty(trial: Trial, key: str) -> Flow[dict[str, Any]]:
    """Return a draft over nothing of a probe's own."""
    invoice = made_of((yield _create(trial, _DAY, key)))
    if invoice.get("line_items") or invoice.get("amount_due"):
        raise NotSettled("the period has transactions")
    return invoice


def _act(trial: Trial, invoice: Mapping[str, Any], verb: str, key: str | None = None) -> Request:
    return trial.post("invoices", invoice["id"], verb, body={}, key=key and f"{trial.run}-{key}")


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _create_answers_201(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    return {_CREATED: True, 200: False}.get(draft.answer.status)


def _empty_window_refused(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    return draft.period != _DAY


def _mismatch_refused(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    answer: Response = yield _create(trial, draft.period, draft.key, description="calibration")
    if not accepted(answer, 400, 409, 422):
        return True
    return False if answer_of(answer).get("id") == draft.invoice["id"] else None


def _state_errors_409(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    answer: Response = yield _act(trial, draft.invoice, "void")
    return {400: False, 409: True}.get(answer.status)


def _metadata_merges(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    for name in ("one", "two"):
        answer: Response = yield trial.post("invoices", draft.invoice["id"], body={"metadata": {name: "1"}})
    names = set(made_of(answer).get("metadata") or ())
    return {("one", "two"): True, ("two",): False}.get(tuple(sorted(names)))


def _uppercase_currency(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    currency = str(draft.invoice["currency"]).upper()
    return accepted((yield _create(trial, draft.period, "currency", currency=currency)))


def _finer_timestamps(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    start, end = draft.period
    return accepted((yield _create(trial, (start.replace("Z", "001Z"), end), "timestamp")))


# ── issued over nothing ──────────────────────────────────────────────────────────────────────────────────────────────
def _update_open(trial: Trial) -> Flow[bool | None]:
    draft = yield from _empty(trial, "open")
    issued = made_of((yield _act(trial, draft, "finalize")))
    if issued.get("status") not in {"open", "overdue"}:
        return None
    return accepted((yield trial.post("invoices", draft["id"], body={"description": "calibration"})), *_REFUSED)


def _pays_drafts(trial: Trial) -> Flow[bool | None]:
    draft = yield from _empty(trial, "pay")
    answer: Response = yield _act(trial, draft, "pay")
    if succeeded(answer):
        return True
    if answer_of(answer).get("code") != _WRONG_STATE:
        return None
    made_of((yield _act(trial, draft, "finalize")))
    made_of((yield _act(trial, draft, "pay")))  # passes: else the fleet has no method, which is refused alike
    return False


# ── issued over the transactions of a year ───────────────────────────────────────────────────────────────────────────
def _issued(trial: Trial) -> Flow[dict[str, Any]]:
    """Return the issued invoice that the next probes share."""
    draft = made_of((yield _create(trial, _year(trial), "issued")))
    if not draft.get("line_items") or not draft.get("amount_due"):
        raise NotSettled("the fleet has no transactions within a year")
    return made_of((yield _act(trial, draft, "finalize", "finalize")))


def _amount(invoice: Mapping[str, Any]) -> int:
    return int(invoice.get("amount_due") or 0) + int(invoice.get("amount_paid") or 0)


def _finalize_taxes(trial: Trial) -> Flow[bool | None]:
    invoice = yield from _issued(trial)
    return _amount(invoice) > sum(int(line["amount"]) for line in invoice["line_items"])


def _lines_now(trial: Trial, key: str) -> Flow[bool]:
    """Return whether the year has something that can be billed; a refusal of the period says no."""
    answer: Response = yield _create(trial, _year(trial), key)
    return accepted(answer) and bool(answer_of(answer).get("line_items"))


def _billed_once(trial: Trial) -> Flow[bool | None]:
    yield from _issued(trial)
    return not (yield from _lines_now(trial, "again"))


def _void_releases(trial: Trial) -> Flow[bool | None]:
    invoice = yield from _issued(trial)
    if (yield from _lines_now(trial, "again")):  # billed more than once anyway
        return None
    made_of((yield _act(trial, invoice, "void")))
    return (yield from _lines_now(trial, "released"))


def _finalize_collects(trial: Trial) -> Flow[bool | None]:
    invoice = yield from _issued(trial)
    if invoice.get("status") == "paid":
        return True
    draft = made_of((yield _create(trial, _year(trial), "charged")))
    if not draft.get("line_items"):
        return None
    made_of((yield _act(trial, draft, "finalize")))
    made_of((yield _act(trial, draft, "pay")))  # passes: else the fleet has no method that could be collected from
    return False


# ── the account, and what is taken back ──────────────────────────────────────────────────────────────────────────────
def _is_live(trial: Trial) -> Flow[bool | None]:
    """Look for a mode in what the key reads. No page has one on an invoice: the key's prefix alone states it there."""
    answer: Response = yield trial.get("invoices", query=[("fleet", trial.customer), ("limit", 1)])
    if not succeeded(answer) or "data" not in answer_of(answer):
        return None
    return any(mode is not False for mode in _modes(answer_of(answer)))


def _modes(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if "livemode" in value:
            yield value["livemode"]
        for inner in value.values():
            yield from _modes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _modes(inner)


def _made(request: Request, response: Response) -> str | None:
    if request.method != "POST" or not request.url.endswith("/invoices") or not succeeded(response):
        return None
    made = answer_of(response).get("id")
    return f"invoices/{made}" if isinstance(made, str) else None


def _take_back(trial: Trial, path: str) -> Flow[Mapping[str, str]]:
    """Void an open invoice; a draft stays."""
    own = path.rpartition("/")[2]
    invoice = made_of((yield trial.get("invoices", own)))
    state = str(invoice.get("status"))
    if state in {"open", "overdue", "uncollectible"} and succeeded((yield _act(trial, invoice, "void"))):
        state = "void"
    return {path: state}


def _writes(flow: Callable[[Trial], Flow[bool | None]]) -> Probe:
    return Probe(flow, writes=True)


def _charges(flow: Callable[[Trial], Flow[bool | None]]) -> Probe:
    return Probe(flow, writes=True, charges=True)


PROBES = Probes(
    rows={
        "empty_window_refused": _writes(_empty_window_refused),
        "create_answers_201": _writes(_create_answers_201),
        "mismatch_refused": _writes(_mismatch_refused),
        "state_errors_409": _writes(_state_errors_409),
        "metadata_merges": _writes(_metadata_merges),
        "uppercase_currency": _writes(_uppercase_currency),
        "finer_timestamps": _writes(_finer_timestamps),
        "update_open": _writes(_update_open),
        "pays_drafts": _writes(_pays_drafts),
        "finalize_taxes": _charges(_finalize_taxes),
        "billed_once": _charges(_billed_once),
        "void_releases": _charges(_void_releases),
        "finalize_collects": _charges(_finalize_collects),
    },
    unobserved={
        "void_uncollectible": "it needs an uncollectible invoice, and no request marks one",
        "in_progress_waits": "it needs two requests at once, of which one is slow: no request makes one slow",
        "server_errors_stored": "it needs a server error, and no request causes one",
    },
    is_live=_is_live,
    made=_made,
    take_back=_take_back,
    kept={"draft", "void", "paid"},
    note="Drafts stay for good: no request deletes or voids one.",
)
