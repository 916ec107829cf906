"""The probes of Lago's switches: what a listing shows. None writes, because neither a key nor an answer says "test"."""

from __future__ import annotations

from collections.abc import Mapping

from invoice_bridge.adapter import NotSettled, Probe, Probes, Trial, made_of
from invoice_bridge.core.wire import Flow, Request, Response


def _states_amounts_due(trial: Trial) -> Flow[bool | None]:
    query = [("page", 1), ("per_page", 1), ("external_customer_id", trial.customer)]
    answer: Response = yield trial.get("invoices", query=query)
    rows = made_of(answer)["invoices"]
    if not rows:
        raise NotSettled("the customer has no invoice")
    return "total_due_amount_cents" in rows[0]


def _is_live(trial: Trial) -> Flow[bool | None]:
    yield trial.get("invoices", query=[("page", 1), ("per_page", 1), ("external_customer_id", trial.customer)])
    return None  # no answer states a mode


def _made(_request: Request, _response: Response) -> str | None:
    return None


def _take_back(trial: Trial, path: str) -> Flow[Mapping[str, str]]:
    yield trial.get(*path.split("/"))
    return {path: "not taken back"}


_WRITES = "it needs an invoice of its own, and nothing shows that an account is a test account"
PROBES = Probes(
    rows={"states_amounts_due": Probe(_states_amounts_due)},
    unobserved={
        "pays_at_once": _WRITES,
        "empty_tax_codes": _WRITES,
        "fees_have_dates": _WRITES,
        "voids_paid": _WRITES,
        "mails": "no request shows whether an invoice was mailed",
    },
    is_live=_is_live,
    made=_made,
    take_back=_take_back,
)
