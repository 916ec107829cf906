"""The probes of Whop's switches. Most need a draft alone, which is deleted again; what is issued is voided.

The bills go to an address that nobody has, or to the member whom the caller names, with a saved method of that member.
A charge of that method is a probe of its own kind, and is refunded. Each run leaves a product named Calibration, unless
the setting product_id names another: its API deletes no product that has invoices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from invoice_bridge.adapter.emulation.probes import (
    NOBODY,
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

_SANDBOX, _LIVE = "sandbox-api.whop.com", "api.whop.com"
_REFUSED = (400, 422)
_NOT_FOUND = 404
_STATES = {"void": "void", "paid": "paid and refunded"}


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _days(trial: Trial, days: int) -> str:
    now = trial.now.replace(microsecond=0)
    return rfc3339_millis(now + timedelta(days=days))


def _bill(trial: Trial, price: str = "10", **more: Any) -> Request:
    """Make a bill that is saved as a draft, for nobody, unless `more` says otherwise; None leaves a field out."""
    settings = trial.context.settings
    product = settings.get("product_id")
    body = {
        "account_id": settings["account_id"],
        "collection_method": "send_invoice",
        "email_address": NOBODY,
        "customer_name": "Calibration",
        "save_as_draft": True,
        "plan": {"plan_type": "one_time", "initial_price": Decimal(price), "currency": "usd"},
        **({"product_id": product} if product else {"product": {"title": "Calibration"}}),
        **more,
    }
    return trial.post("invoices", body={name: value for name, value in body.items() if value is not None})


def _draft(trial: Trial) -> Flow[dict[str, Any]]:
    return made_of((yield _bill(trial)))


def _method(trial: Trial) -> Flow[str]:
    """Return a saved method of the member. Raises NotSettled if there is none."""
    answer: Response = yield trial.get("payment_methods", query=[("member_id", trial.customer), ("first", 1)])
    rows = made_of(answer).get("data")
    if not rows:
        raise NotSettled("the member has no saved method")
    return str(rows[0]["id"])


def _charge(trial: Trial, method: str, **more: Any) -> Request:
    """Charge the member's method, unless `more` has a date at which Whop would do that."""
    body = {
        "collection_method": "charge_automatically",
        "member_id": trial.customer,
        "email_address": None,
        "customer_name": None,
        "payment_method_id": method,
        "save_as_draft": None,
        "due_date": _days(trial, 20),
    }
    return _bill(trial, **{**body, **more})


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _state_errors_are_422(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    answer: Response = yield trial.post("invoices", draft["id"], "void")
    return {400: False, 422: True}.get(answer.status)


def _unknown_fields_refused(trial: Trial) -> Flow[bool | None]:
    yield from _draft(trial)  # passes: else the field is not the reason
    return not accepted((yield _bill(trial, calibration="unknown")), *_REFUSED)


def _collects_tax(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    plan = made_of((yield trial.get("plans", draft["current_plan"]["id"])))
    collects = plan.get("collect_tax")
    return collects if isinstance(collects, bool) else None


def _one_status_filters(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)

    def listed(*statuses: str) -> Request:
        account = ("account_id", trial.context.settings["account_id"])
        rest = [account, ("direction", "desc"), ("first", 50), *(("statuses", status) for status in statuses)]
        return trial.get("invoices", query=rest)

    def is_in(answer: Response) -> bool:
        return any(row["id"] == draft["id"] for row in made_of(answer)["data"])

    if not is_in((yield listed("draft"))):
        return None
    return not is_in((yield listed("draft", "void")))


def _charge_needs_due_date(trial: Trial) -> Flow[bool | None]:
    method = yield from _method(trial)
    later = {"automatically_finalizes_at": _days(trial, 10)}  # a draft until then, which is deleted before
    made_of((yield _charge(trial, method, **later)))  # passes: else the due date is not the reason
    return not accepted((yield _charge(trial, method, **later, due_date=None)), *_REFUSED)


def _methods_of_members(trial: Trial) -> Flow[bool | None]:
    method = yield from _method(trial)
    later = {"automatically_finalizes_at": _days(trial, 10)}
    made_of((yield _charge(trial, method, **later)))
    stranger = {"member_id": None, "email_address": NOBODY, "customer_name": "Calibration"}
    return not accepted((yield _charge(trial, method, **later, **stranger)), _NOT_FOUND)


# ── issued invoices ──────────────────────────────────────────────────────────────────────────────────────────────────
def _minimum_charge(trial: Trial) -> Flow[bool | None]:
    yield from _draft(trial)  # passes: else the amount is not the reason
    if not accepted((yield _bill(trial, "0.01")), *_REFUSED):
        return True
    return not accepted((yield _bill(trial, "0.01", save_as_draft=None, due_date=_days(trial, 20))), *_REFUSED)


def _past_due_is_open(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial)
    created = datetime.fromisoformat(draft["created_at"])  # by Whop's own clock
    due = rfc3339_millis(created.replace(microsecond=0) - timedelta(days=2))
    invoice = made_of((yield _bill(trial, save_as_draft=None, due_date=due)))
    if invoice.get("status") != "past_due":
        return None
    return accepted((yield trial.post("invoices", invoice["id"], "void")), *_REFUSED)


# ── charges ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _paid(trial: Trial) -> Flow[str]:
    """Charge the member's test card; return the id of the payment."""
    invoice = made_of((yield _charge(trial, (yield from _method(trial)))))
    if invoice.get("status") != "paid" or not invoice.get("payment"):
        raise NotSettled("the charge was not made at once")
    return str(invoice["payment"]["id"])


def _refunds_pend(trial: Trial) -> Flow[bool | None]:
    payment = yield from _paid(trial)
    made_of((yield trial.post("payments", payment, "refund", body={"partial_amount": 1})))
    refunds = made_of((yield trial.get("refunds", query=[("payment_id", payment)])))["data"]
    states = {refund.get("status") for refund in refunds}
    return {("pending",): True, ("succeeded",): False}.get(tuple(states))


def _too_much_refunds_rest(trial: Trial) -> Flow[bool | None]:
    payment = yield from _paid(trial)
    return accepted((yield trial.post("payments", payment, "refund", body={"partial_amount": 100})), *_REFUSED)


# ── the account, and what is taken back ──────────────────────────────────────────────────────────────────────────────
def _is_live(trial: Trial) -> Flow[bool | None]:
    """Decide by the host, which knows the keys of its own environment alone; on this machine it must be an emulator."""
    base = urlsplit(trial.context.base_url)
    account = trial.context.settings["account_id"]
    answer: Response = yield trial.get("invoices", query=[("account_id", account), ("first", 1)])
    if not succeeded(answer):
        return None
    if base.hostname in {_SANDBOX, _LIVE}:
        return base.hostname == _LIVE
    if not _is_loopback(base.hostname or ""):
        return None
    root = trial.context.base_url.removesuffix("/api/v1")
    control = answer_of((yield Request("GET", f"{root}/_control")))
    return False if control.get("provider") == "whop" and {"switches", "writes"} <= control.keys() else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _made(request: Request, response: Response) -> str | None:
    if request.method != "POST" or not request.url.endswith("/invoices") or not succeeded(response):
        return None
    made = answer_of(response).get("id")
    return f"invoices/{made}" if isinstance(made, str) else None


def _take_back(trial: Trial, path: str) -> Flow[Mapping[str, str]]:
    """Delete a draft, void an open invoice, refund a paid one."""
    own = path.rpartition("/")[2]
    answer: Response = yield trial.get("invoices", own)
    if answer.status == _NOT_FOUND:
        return {}
    invoice = made_of(answer)
    state = str(invoice.get("status"))
    if state == "draft":
        return {} if succeeded((yield trial.send("DELETE", "invoices", own))) else {path: state}
    if state in {"open", "past_due"}:
        answer = yield trial.post("invoices", own, "void")
        return {path: "void" if succeeded(answer) else state}
    if state == "paid" and invoice.get("payment"):
        payment = str(invoice["payment"]["id"])
        yield trial.post("payments", payment, "refund", body={})  # refused if nothing is left of it
        left = made_of((yield trial.get("payments", payment))).get("refundable")
        return {path: state if left else _STATES[state]}
    return {path: _STATES.get(state, state)}


def _writes(flow: Callable[[Trial], Flow[bool | None]]) -> Probe:
    return Probe(flow, writes=True)


_PAYMENT = "it shows only in a payment"
PROBES = Probes(
    rows={
        "state_errors_are_422": _writes(_state_errors_are_422),
        "unknown_fields_refused": _writes(_unknown_fields_refused),
        "collects_tax": _writes(_collects_tax),
        "one_status_filters": _writes(_one_status_filters),
        "charge_needs_due_date": _writes(_charge_needs_due_date),
        "methods_of_members": _writes(_methods_of_members),
        "minimum_charge": _writes(_minimum_charge),
        "past_due_is_open": _writes(_past_due_is_open),
        "refunds_pend": Probe(_refunds_pend, writes=True, charges=True),
        "too_much_refunds_rest": Probe(_too_much_refunds_rest, writes=True, charges=True),
    },
    unobserved={
        "tax_inclusive": f"{_PAYMENT} of an account that collects tax; a plan mostly leaves tax_type unspecified",
        "promotes": f"{_PAYMENT} with a promo code, and no request of an invoice names one",
        "declined_stays_open": "it needs a saved method that declines, and no request saves a card",
        "voids_after_120_days": "it needs 120 days: an invoice that is made past due may be voided later",
        "server_error_replayed": "it needs a server error, and no request causes one",
        "payment_method_wins": "it needs a one-time token of a card, which only a checkout page makes",
        "pending_is_refunded": "it shows only while a refund is pending, which the processor decides",
    },
    is_live=_is_live,
    made=_made,
    take_back=_take_back,
    kept=frozenset(_STATES.values()),
    account_decides=True,
    hosts={_SANDBOX},
    note="Each run leaves a product named Calibration, unless the setting product_id names another.",
)
