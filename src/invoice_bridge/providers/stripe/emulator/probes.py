"""The probes of Stripe's switches: reads, and drafts that are deleted again."""

from __future__ import annotations

from invoice_bridge.adapter.emulation.probes import Probe, ProbeFlow, Probes, answer_of, ask
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.stripe.tables import REFERENCE_KEY

_OK, _REFUSED = 200, 400


def _draft(context: Context, customer: str, currency: str, key: str | None = None) -> Request:
    body = {
        "customer": customer,
        "currency": currency,
        "auto_advance": "false",
        "collection_method": "send_invoice",
        "days_until_due": "30",
        "pending_invoice_items_behavior": "exclude",
    }
    return ask(context, "POST", "v1", "invoices", body=body, key=key)


def _replay_header(context: Context, customer: str, run: str) -> Flow[bool | None]:
    first = yield _draft(context, customer, "eur", f"{run}-replay")
    again = yield _draft(context, customer, "eur", f"{run}-replay")
    if first.status != _OK or answer_of(first).get("id") != answer_of(again).get("id"):
        return None
    return again.headers.get("idempotent-replayed") == "true"


def _whole_units(context: Context, customer: str, run: str) -> Flow[bool | None]:
    draft = yield _draft(context, customer, "isk", f"{run}-isk")
    if draft.status != _OK:
        return None
    answers: list[int] = []
    for amount in ("100", "101"):  # the first must pass: else the second is refused for another reason
        body = {"lines": [{"amount": amount, "description": "calibration"}]}
        answer: Response = yield ask(context, "POST", "v1", "invoices", answer_of(draft)["id"], "add_lines", body=body)
        answers.append(answer.status)
    return {(_OK, _REFUSED): True, (_OK, _OK): False}.get((answers[0], answers[1]))


def _search(context: Context, customer: str, run: str) -> Flow[bool | None]:
    del customer
    request = context.get("v1", "invoices", "search", query=[("query", f"metadata['{REFERENCE_KEY}']:'{run}'")])
    answer: Response = yield request
    return {_OK: True, _REFUSED: False}.get(answer.status)


def _of_customer(field: str, sign: int) -> ProbeFlow:
    """Return the probe of something that the customer has: an amount of a sign, or anything for 0."""

    def flow(context: Context, customer: str, run: str) -> Flow[bool | None]:
        del run
        answer: Response = yield context.get("v1", "customers", customer)
        body = answer_of(answer)
        if answer.status != _OK or (field not in body and sign):
            return None
        value = body.get(field)
        if sign == 0:
            return value is not None
        return value * sign > 0 if isinstance(value, int) else None

    return flow


def _is_live(context: Context, customer: str, run: str) -> Flow[bool | None]:
    del run
    answer: Response = yield context.get("v1", "customers", customer)
    live = answer_of(answer).get("livemode")
    return live if isinstance(live, bool) else None


def _made(request: Request, response: Response) -> str | None:
    if request.method != "POST" or not request.url.endswith("/v1/invoices") or response.status != _OK:
        return None
    made = answer_of(response).get("id")
    return made if isinstance(made, str) else None


def _undo(context: Context, invoice_id: str) -> Request:
    return ask(context, "DELETE", "v1", "invoices", invoice_id)


_ISSUED = "it needs an issued invoice, which can be voided and not deleted: not built"
_MAIL = "no request shows whether a mail was sent"
_TAX = "it is a setting of the account's taxes, which a draft shows only where automatic tax is on: not built"
PROBES = Probes(
    rows={
        "search": Probe(_search),
        "customer_owes": Probe(_of_customer("balance", 1)),
        "customer_credit": Probe(_of_customer("balance", -1)),
        "customer_discount": Probe(_of_customer("discount", 0)),
        "replay_header": Probe(_replay_header, writes=True),
        "whole_units": Probe(_whole_units, writes=True),
    },
    unobserved={
        "void_uncollectible": _ISSUED,
        "pay_uncollectible": _ISSUED,
        "send_any_method": f"{_ISSUED}; it could mail the customer",
        "method_changes": _ISSUED,
        "in_use_is_idempotency_error": "it needs two requests at once, of which one is slow: no request makes one slow",
        "finalize_empty": _ISSUED,
        "minimum_charge": _ISSUED,
        "tax_inclusive": _TAX,
        "taxed_items": _TAX,
        "number_unique": _ISSUED,
        "effective_at_back": _ISSUED,
        "finalize_mails_send_invoice": _MAIL,
        "record_mails": _MAIL,
        "record_amount_above_due": _ISSUED,
    },
    is_live=_is_live,
    made=_made,
    undo=_undo,
)
