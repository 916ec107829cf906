"""The probes of Stripe's switches. Each bills a customer that it makes, who is deleted again with all drafts.

An issued invoice can only be voided, and a payment that was recorded stays: both are kept. Nothing is charged, because
no customer has a payment method. The one invoice that is mailed on purpose goes to an address that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from invoice_bridge.adapter.emulation.probes import (
    NOBODY,
    NotSettled,
    Probe,
    ProbeFlow,
    Probes,
    Trial,
    accepted,
    answer_of,
    made_of,
    succeeded,
)
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.stripe.tables import REFERENCE_KEY

_YEARS_BACK = 1577836800
"""2020-01-01, more than a year before any run."""
_ASKED = 5
"""How often the events are read before the one that must come counts as missing."""
_Document = Mapping[str, Any]


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _customer(trial: Trial, switch: str) -> Flow[str]:
    body = {
        "email": NOBODY,
        "name": "Calibration",
        "description": trial.name(switch),
        "address": {"country": "DE", "postal_code": "10115", "city": "Berlin", "line1": "Street 1"},
    }
    answer: Response = yield trial.post("v1", "customers", body=body, key=trial.name(switch))
    return str(made_of(answer)["id"])


def _draft(customer: str, **more: Any) -> dict[str, Any]:
    return {
        "customer": customer,
        "currency": "eur",
        "auto_advance": "false",
        "collection_method": "charge_automatically",
        "pending_invoice_items_behavior": "exclude",
        **more,
    }


def _add_line(trial: Trial, invoice: _Document, amount: int) -> Request:
    lines = [{"amount": amount, "description": "calibration"}]
    return trial.post("v1", "invoices", invoice["id"], "add_lines", body={"lines": lines})


def _new(trial: Trial, customer: str, amount: int = 1000, **more: Any) -> Flow[dict[str, Any]]:
    """Make a draft with one line."""
    answer: Response = yield trial.post("v1", "invoices", body=_draft(customer, **more))
    answer = yield _add_line(trial, made_of(answer), amount)
    return made_of(answer)


def _act(trial: Trial, invoice: _Document, verb: str, **body: Any) -> Request:
    return trial.post("v1", "invoices", invoice["id"], verb, body=body or None)


def _issued(trial: Trial, switch: str, amount: int = 1000, **more: Any) -> Flow[dict[str, Any]]:
    """Make an invoice and issue it; Stripe neither mails nor collects it."""
    customer = yield from _customer(trial, switch)
    draft = yield from _new(trial, customer, amount, **more)
    answer: Response = yield _act(trial, draft, "finalize", auto_advance="false")
    return made_of(answer)


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _search(trial: Trial) -> Flow[bool | None]:
    wanted = f"metadata['{REFERENCE_KEY}']:'{trial.run}'"
    answer: Response = yield trial.get("v1", "invoices", "search", query=[("query", wanted)])
    if not accepted(answer):
        return False
    return True if isinstance(answer_of(answer).get("data"), list) else None


def _of_customer(field: str, sign: int) -> ProbeFlow:
    """Return the probe of something that the customer has: an amount of a sign, or anything for 0."""

    def flow(trial: Trial) -> Flow[bool | None]:
        answer: Response = yield trial.get("v1", "customers", trial.customer)
        body = made_of(answer)
        if body.get("id") != trial.customer or (field not in body and sign):
            return None
        value = body.get(field)
        if sign == 0:
            return value is not None
        return value * sign > 0 if isinstance(value, int) else None

    return flow


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _replay_header(trial: Trial) -> Flow[bool | None]:
    customer = yield from _customer(trial, "replay_header")
    request = trial.post("v1", "invoices", body=_draft(customer), key=f"{trial.run}-draft")
    first: Response = yield request
    again: Response = yield request
    if made_of(first)["id"] != made_of(again)["id"]:
        return None
    return again.headers.get("idempotent-replayed") == "true"


def _whole_units(trial: Trial) -> Flow[bool | None]:
    customer = yield from _customer(trial, "whole_units")
    draft = yield from _new(trial, customer, 100, currency="isk")  # passes: else 101 is refused for another reason
    answer: Response = yield _add_line(trial, draft, 101)
    return not accepted(answer)


def _tax_inclusive(trial: Trial) -> Flow[bool | None]:
    customer = yield from _customer(trial, "tax_inclusive")
    draft = yield from _new(trial, customer, automatic_tax={"enabled": "true"})
    behaviors = {tax.get("tax_behavior") for tax in draft.get("total_taxes") or ()}
    return {("inclusive",): True, ("exclusive",): False}.get(tuple(behaviors))


def _taxed_items(trial: Trial) -> Flow[bool | None]:
    customer = yield from _customer(trial, "taxed_items")
    item = {"customer": customer, "currency": "eur", "amount": 1000, "description": "calibration"}
    made_of((yield trial.post("v1", "invoiceitems", body=item)))
    answer: Response = yield trial.post(
        "v1", "invoices", body=_draft(customer, pending_invoice_items_behavior="include")
    )
    draft = made_of(answer)
    return bool(draft.get("total_taxes")) if draft.get("subtotal") else None


# ── issued invoices ──────────────────────────────────────────────────────────────────────────────────────────────────
def _on_uncollectible(switch: str, verb: str, **body: Any) -> ProbeFlow:
    def flow(trial: Trial) -> Flow[bool | None]:
        invoice = yield from _issued(trial, switch)
        made_of((yield _act(trial, invoice, "mark_uncollectible")))
        return accepted((yield _act(trial, invoice, verb, **body)))

    return flow


def _send_any_method(trial: Trial) -> Flow[bool | None]:
    invoice = yield from _issued(trial, "send_any_method")
    return accepted((yield _act(trial, invoice, "send")))


def _method_changes(trial: Trial) -> Flow[bool | None]:
    invoice = yield from _issued(trial, "method_changes")
    body = {"collection_method": "send_invoice", "days_until_due": 30}
    return accepted((yield trial.post("v1", "invoices", invoice["id"], body=body)))


def _finalize_empty(trial: Trial) -> Flow[bool | None]:
    customer = yield from _customer(trial, "finalize_empty")
    draft = made_of((yield trial.post("v1", "invoices", body=_draft(customer))))
    return accepted((yield _act(trial, draft, "finalize", auto_advance="false")))


def _minimum_charge(trial: Trial) -> Flow[bool | None]:
    invoice = yield from _issued(trial, "minimum_charge", 10)
    return {0: True, 10: False}.get(invoice.get("amount_due", -1))


def _number_unique(trial: Trial) -> Flow[bool | None]:
    number = trial.run.upper()[-16:]
    first = yield from _issued(trial, "number_unique", number=number)
    answer: Response = yield trial.post("v1", "invoices", body=_draft(first["customer"], number=number))
    if not accepted(answer):
        return True
    second = made_of((yield _add_line(trial, answer_of(answer), 1000)))
    return not accepted((yield _act(trial, second, "finalize", auto_advance="false")))


def _effective_at_back(trial: Trial) -> Flow[bool | None]:
    customer = yield from _customer(trial, "effective_at_back")
    plain = yield from _new(trial, customer)  # passes: else the date is not the reason
    body = {"effective_at": _YEARS_BACK}
    if not accepted((yield trial.post("v1", "invoices", plain["id"], body=body))):
        return False
    return accepted((yield _act(trial, plain, "finalize", auto_advance="false")))


def _record_amount_above_due(trial: Trial) -> Flow[bool | None]:
    invoice = yield from _issued(trial, "record_amount_above_due")
    for amount in (1001, 1000):  # the second one must pass: else the first is refused for another reason
        at = int(trial.now.timestamp())
        body = {
            "amount_requested": {"currency": "eur", "value": amount},
            "initiated_at": at,
            "outcome": "guaranteed",
            "guaranteed": {"guaranteed_at": at},
            "payment_method_details": {"type": "custom", "custom": {"display_name": "calibration"}},
            "processor_details": {"type": "custom", "custom": {"payment_reference": f"{trial.run}-{amount}"}},
        }
        record = made_of((yield trial.post("v1", "payment_records", "report_payment", body=body)))
        if accepted((yield _act(trial, invoice, "attach_payment", payment_record=record["id"]))):
            return amount > 1000
    return None


def _finalize_mails(trial: Trial) -> Flow[bool | None]:
    by_mail: dict[str, Any] = {"collection_method": "send_invoice", "days_until_due": 30}
    quiet = yield from _issued(trial, "finalize_mails_send_invoice", **by_mail)
    other = yield from _new(trial, quiet["customer"], **by_mail)
    made_of((yield _act(trial, other, "send")))  # its event must come: else the other one's absence means nothing
    for _ in range(_ASKED):
        answer: Response = yield trial.get("v1", "events", query=[("type", "invoice.sent"), ("limit", 100)])
        mailed = {event["data"]["object"]["id"] for event in made_of(answer)["data"]}
        if other["id"] in mailed:
            return quiet["id"] in mailed
    raise NotSettled("the event of the invoice that was mailed did not come")


# ── the account, and what is taken back ──────────────────────────────────────────────────────────────────────────────
def _is_live(trial: Trial) -> Flow[bool | None]:
    answer: Response = yield trial.get("v1", "customers", trial.customer)
    live = answer_of(answer).get("livemode")
    return live if isinstance(live, bool) else None


def _made(request: Request, response: Response) -> str | None:
    if request.method != "POST" or not request.url.endswith("/v1/customers") or not succeeded(response):
        return None
    made = answer_of(response).get("id")
    return f"v1/customers/{made}" if isinstance(made, str) else None


def _take_back(trial: Trial, path: str) -> Flow[Mapping[str, str]]:
    """Delete the drafts of a customer, void what is issued, and delete the customer."""
    customer = path.rpartition("/")[2]
    answer: Response = yield trial.get("v1", "invoices", query=[("customer", customer), ("limit", 100)])
    remains: dict[str, str] = {}
    for invoice in made_of(answer)["data"]:
        state, own = str(invoice.get("status")), str(invoice["id"])
        if state == "draft":
            answer = yield trial.send("DELETE", "v1", "invoices", own)
            state = "" if succeeded(answer) else state
        elif state in {"open", "uncollectible"}:
            answer = yield _act(trial, invoice, "void")
            state = "void" if succeeded(answer) else state
        if state:
            remains[f"v1/invoices/{own}"] = state
    answer = yield trial.send("DELETE", "v1", "customers", customer)
    return remains if succeeded(answer) else {**remains, path: "a customer"}


def _writes(flow: Callable[[Trial], Flow[bool | None]]) -> Probe:
    return Probe(flow, writes=True)


PROBES = Probes(
    rows={
        "search": Probe(_search),
        "customer_owes": Probe(_of_customer("balance", 1)),
        "customer_credit": Probe(_of_customer("balance", -1)),
        "customer_discount": Probe(_of_customer("discount", 0)),
        "replay_header": _writes(_replay_header),
        "whole_units": _writes(_whole_units),
        "tax_inclusive": _writes(_tax_inclusive),
        "taxed_items": _writes(_taxed_items),
        "void_uncollectible": _writes(_on_uncollectible("void_uncollectible", "void")),
        "pay_uncollectible": _writes(_on_uncollectible("pay_uncollectible", "pay", paid_out_of_band="true")),
        "send_any_method": _writes(_send_any_method),
        "method_changes": _writes(_method_changes),
        "finalize_empty": _writes(_finalize_empty),
        "minimum_charge": _writes(_minimum_charge),
        "number_unique": _writes(_number_unique),
        "effective_at_back": _writes(_effective_at_back),
        "finalize_mails_send_invoice": _writes(_finalize_mails),
        "record_amount_above_due": _writes(_record_amount_above_due),
    },
    unobserved={
        "in_use_is_idempotency_error": "it needs two requests at once, of which one is slow: no request makes one slow",
        "record_mails": "a receipt makes no event, and no answer shows whether one was mailed",
    },
    is_live=_is_live,
    made=_made,
    take_back=_take_back,
    kept={"void", "paid", "uncollectible"},
    note="Stripe mails less in test mode than in live mode: what finalizing mails may differ there.",
)
