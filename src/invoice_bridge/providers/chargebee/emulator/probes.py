"""The probes of Chargebee's switches. Each bills a customer that it makes, who is deleted again with all invoices.

Nothing is mailed: the customers have no address, and each request forbids mail and webhooks. Nothing is charged: the
one card that a customer gets is the one of the test gateway that declines every charge. The probes that make invoices
need product catalog 2, because no other request makes a pending invoice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
from invoice_bridge.core.wire import Flow, Request, Response
from invoice_bridge.providers.chargebee.tables import NO_MAIL, QUIET

_YEARS_BACK = 1577836800
"""2020-01-01, more than a month before any run."""
_DECLINES = "4005519200000004"
"""Chargebee's test gateway stores this card, and every charge of it fails (chargebee.com/docs, Test Gateway)."""
_SILENT = dict.fromkeys(QUIET, NO_MAIL[1])
_CREDITS = ("promotional_credits", "refundable_credits", "excess_payments")
_CREATE = ("invoices", "create_for_charge_items_and_charges")
_UNPAID = ("payment_due", "posted", "not_paid")


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _post(trial: Trial, *segments: str, key: str | None = None, **body: Any) -> Request:
    return trial.post(*segments, body=body or None, key=key, headers=_SILENT)


def _invoice(answer: Response) -> dict[str, Any]:
    """Return the invoice of a success. Raises NotSettled."""
    invoice: dict[str, Any] = made_of(answer)["invoice"]
    return invoice


def _code(answer: Response, name: str = "api_error_code") -> str:
    return str(answer_of(answer).get(name) or "")


def _currency(trial: Trial) -> Flow[dict[str, Any]]:
    """Return the currency of the customer whom the caller named: a site with several currencies needs one."""
    answer: Response = yield trial.get("customers", trial.customer)
    code = made_of(answer)["customer"].get("preferred_currency_code")
    return {"currency_code": code} if isinstance(code, str) else {}


def _customer(trial: Trial, switch: str) -> Flow[str]:
    known = trial.name(switch)
    made_of((yield _post(trial, "customers", id=known, first_name="Calibration", auto_collection="off")))
    return known


def _pending(customer: str, amount: int = 1000, **more: Any) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "auto_collection": "off",
        "create_pending_invoice": True,
        "charges": [{"amount": amount, "description": "calibration"}],
        **more,
    }


def _draft(trial: Trial, switch: str, amount: int = 1000) -> Flow[dict[str, Any]]:
    """Make a pending invoice of a new customer."""
    customer, currency = (yield from _customer(trial, switch)), (yield from _currency(trial))
    return _invoice((yield _post(trial, *_CREATE, **_pending(customer, amount, **currency))))


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _quoted_lists(trial: Trial) -> Flow[bool | None]:
    def listed(text: str) -> Request:
        return trial.get("invoices", query=[("status[in]", text), ("limit", 10)])

    plain = made_of((yield listed('["paid","posted"]')))
    answer: Response = yield listed("['paid', 'posted']")
    if not accepted(answer):
        return False
    return True if _ids(answer_of(answer)) == _ids(plain) else None


def _ids(body: Mapping[str, Any]) -> list[str]:
    return [row["invoice"]["id"] for row in body.get("list", ())]


def _customer_credits(trial: Trial) -> Flow[bool | None]:
    answer: Response = yield trial.get("customers", trial.customer)
    customer = made_of(answer)["customer"]
    parts = [row.get(name) for row in (customer, *customer.get("balances", ())) for name in _CREDITS]
    stated = [part for part in parts if isinstance(part, int)]
    return any(stated) if stated else None


def _subscription_order(trial: Trial) -> Flow[bool | None]:
    answer: Response = yield trial.get("subscriptions", query=[("customer_id[is]", trial.customer), ("limit", 100)])
    found = [row["subscription"] for row in made_of(answer)["list"]]
    return any(row.get("po_number") for row in found) if found else None


# ── pending invoices ─────────────────────────────────────────────────────────────────────────────────────────────────
def _tax_inclusive(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial, "tax_inclusive")
    return {"tax_inclusive": True, "tax_exclusive": False}.get(draft.get("price_type", ""))


def _discounted(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial, "discounted")
    return _taken(draft) > 0


def _taken(invoice: Mapping[str, Any]) -> int:
    return sum(row["amount"] for row in invoice.get("discounts", ()))


def _discounts_ignored(trial: Trial) -> Flow[bool | None]:
    customer, currency = (yield from _customer(trial, "discounts_ignored")), (yield from _currency(trial))
    plain = _invoice((yield _post(trial, *_CREATE, **_pending(customer, **currency))))
    off = [{"apply_on": "invoice_amount", "amount": 500}]
    less = _invoice((yield _post(trial, *_CREATE, **_pending(customer, **currency, discounts=off))))
    return {0: True, 500: False}.get(_taken(less) - _taken(plain))


def _rounds_off(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial, "rounds_off", 1001)
    tax = 0 if draft.get("price_type") == "tax_inclusive" else draft.get("tax", 0)
    if (draft["sub_total"] + tax) % 100 == 0:  # a whole amount, which rounding would not change
        return None
    return bool(draft["total"] % 100 == 0)


def _backdating_limited(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial, "backdating_limited")  # passes: else the date is not the reason
    body = _pending(draft["customer_id"], currency_code=draft["currency_code"], invoice_date=_YEARS_BACK)
    answer: Response = yield _post(trial, *_CREATE, **body)
    if succeeded(answer):
        return False
    return True if _code(answer, "param") == "invoice_date" else None


def _failures_stored(trial: Trial) -> Flow[bool | None]:
    known, currency = trial.name("failures_stored"), (yield from _currency(trial))
    request = _post(trial, *_CREATE, key=known, **_pending(known, **currency))
    first: Response = yield request  # refused: there is no such customer yet
    if first.status not in {400, 404}:
        return None
    yield from _customer(trial, "failures_stored")
    again: Response = yield request
    if succeeded(again):
        return False
    return True if (again.status, _code(again)) == (first.status, _code(first)) else None


# ── issued invoices ──────────────────────────────────────────────────────────────────────────────────────────────────
def _charge_on_catalog_2(trial: Trial) -> Flow[bool | None]:
    sites = made_of((yield trial.get("configurations")))["configurations"]
    if {site.get("product_catalog_version") for site in sites} != {"v2"}:
        return None
    customer, currency = (yield from _customer(trial, "charge_on_catalog_2")), (yield from _currency(trial))
    body: dict[str, Any] = {"customer_id": customer, "amount": 1000, "description": "calibration", **currency}
    answer: Response = yield _post(trial, "invoices", "charge", **body)
    if succeeded(answer) or _code(answer) == "payment_method_not_present":  # it only lacks a card to charge
        return True
    is_unknown = answer.status in {404, 405} or _code(answer) == "configuration_incompatible"
    return False if is_unknown else None


def _closing_renumbers(trial: Trial) -> Flow[bool | None]:
    draft = yield from _draft(trial, "closing_renumbers")
    closed = _invoice((yield _post(trial, "invoices", draft["id"], "close")))
    if closed["id"] == draft["id"]:
        return False
    old: Response = yield trial.get("invoices", draft["id"])
    return True if old.status == 404 else None


def _declined_create_kept(trial: Trial) -> Flow[bool | None]:
    customer, currency = (yield from _customer(trial, "declined_create_kept")), (yield from _currency(trial))
    card = {"number": _DECLINES, "expiry_month": 12, "expiry_year": trial.now.year + 3, "cvv": "100"}
    stored: Response = yield _post(trial, "payment_sources", "create_card", customer_id=customer, card=card)
    source = made_of(stored)["payment_source"]["id"]
    body = _pending(customer, **currency, create_pending_invoice=False, auto_collection="on", payment_source_id=source)
    answer: Response = yield _post(trial, *_CREATE, **body)
    if not succeeded(answer) and _code(answer, "type") != "payment":
        return None
    kept: Response = yield trial.get("invoices", query=[("customer_id[is]", customer)])
    return bool(_ids(made_of(kept)))


def _paid_by_hand(trial: Trial, switch: str) -> Flow[tuple[str, str]]:
    """Issue an invoice and record a payment; return the ids of both."""
    draft = yield from _draft(trial, switch)
    closed = _invoice((yield _post(trial, "invoices", draft["id"], "close")))
    cash = {"payment_method": "cash", "amount": closed["amount_due"], "date": int(trial.now.timestamp())}
    paid = made_of((yield _post(trial, "invoices", closed["id"], "record_payment", transaction=cash)))
    if paid["invoice"]["status"] != "paid":
        raise NotSettled("the invoice is not paid")
    return closed["id"], paid["transaction"]["id"]


def _applied_payment_deleted(trial: Trial) -> Flow[bool | None]:
    _, transaction = yield from _paid_by_hand(trial, "applied_payment_deleted")
    return accepted((yield _post(trial, "transactions", transaction, "delete_offline_transaction")), 400, 409)


def _deleted_payment_inert(trial: Trial) -> Flow[bool | None]:
    invoice, transaction = yield from _paid_by_hand(trial, "deleted_payment_inert")
    made_of((yield _post(trial, "transactions", transaction, "delete_offline_transaction")))
    status = _invoice((yield trial.get("invoices", invoice)))["status"]
    return {"not_paid": True, "posted": True, "payment_due": False}.get(status)


# ── imports ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _history(trial: Trial, switch: str) -> Flow[Callable[..., Request]]:
    """Return what imports an invoice over 1000 of a new customer; not_paid is never collected."""
    customer, currency = (yield from _customer(trial, switch)), (yield from _currency(trial))

    def of(end: str = "", **more: Any) -> Request:
        body = {
            "id": f"{trial.name(switch)}{end}",
            "customer_id": customer,
            "date": int(trial.now.timestamp()),
            "status": "not_paid",
            "total": 1000,
            "line_items": [{"description": "calibration", "amount": 1000, "unit_amount": 1000, "quantity": 1}],
            **currency,
            **more,
        }
        return _post(trial, "invoices", "import_invoice", **body)

    return of


def _import_enabled(trial: Trial) -> Flow[bool | None]:
    history = yield from _history(trial, "import_enabled")
    answer: Response = yield history()
    if succeeded(answer):
        return True
    return False if _code(answer) == "configuration_incompatible" else None


def _import_total_checked(trial: Trial) -> Flow[bool | None]:
    history = yield from _history(trial, "import_total_checked")
    made_of((yield history()))  # passes: else the total is not the reason
    return not accepted((yield history("-2", total=1001)))


def _import_paid_needs_payments(trial: Trial) -> Flow[bool | None]:
    history = yield from _history(trial, "import_paid_needs_payments")
    made_of((yield history()))
    return not accepted((yield history("-2", status="paid")))


def _credit_reason_checked(trial: Trial) -> Flow[bool | None]:
    history = yield from _history(trial, "credit_reason_checked")
    invoice = _invoice((yield history()))
    note: dict[str, Any] = {
        "id": f"{trial.name('credit_reason')}-cn",
        "customer_id": invoice["customer_id"],
        "currency_code": invoice["currency_code"],
        "reference_invoice_id": invoice["id"],
        "type": "adjustment",
        "status": "voided",  # so that the invoice can be taken back
        "create_reason_code": f"Calibration {trial.run}",
        "date": int(trial.now.timestamp()),
        "total": 100,
    }
    answer: Response = yield _post(trial, "credit_notes", "import_credit_note", **note)
    if succeeded(answer):
        return False
    return True if _code(answer, "param") == "create_reason_code" else None


def _deleted_id_free(trial: Trial) -> Flow[bool | None]:
    history = yield from _history(trial, "deleted_id_free")
    invoice = _invoice((yield history()))
    made_of((yield _post(trial, "invoices", invoice["id"], "void")))
    made_of((yield _post(trial, "invoices", invoice["id"], "delete")))
    answer: Response = yield history()
    if succeeded(answer):
        return True
    return False if _code(answer) == "duplicate_entry" else None


# ── the site, and what is taken back ─────────────────────────────────────────────────────────────────────────────────
def _is_live(trial: Trial) -> Flow[bool | None]:
    answer: Response = yield trial.get("configurations")
    rows = answer_of(answer).get("configurations")
    domains = [str(row.get("domain") or "") for row in rows] if isinstance(rows, list) else []
    if not succeeded(answer) or not all(domains) or not domains:
        return None
    return not all(domain.partition(".")[0].endswith("-test") for domain in domains)


def _made(request: Request, response: Response) -> str | None:
    if request.method != "POST" or not request.url.endswith("/customers") or not succeeded(response):
        return None
    made = (answer_of(response).get("customer") or {}).get("id")
    return f"customers/{made}" if isinstance(made, str) else None


def _take_back(trial: Trial, path: str) -> Flow[Mapping[str, str]]:
    """Void and delete the invoices of a customer, then delete the customer with its card."""
    customer = path.rpartition("/")[2]
    answer: Response = yield trial.get("invoices", query=[("customer_id[is]", customer), ("limit", 100)])
    remains: dict[str, str] = {}
    for row in made_of(answer)["list"]:
        own, state = str(row["invoice"]["id"]), str(row["invoice"]["status"])
        if state in _UNPAID:
            answer = yield _post(trial, "invoices", own, "void")
            state = "voided" if succeeded(answer) else state
        if state in {"pending", "voided"}:
            answer = yield _post(trial, "invoices", own, "delete")
            state = "" if succeeded(answer) else state
        if state:
            remains[f"invoices/{own}"] = state
    answer = yield _post(trial, "customers", customer, "delete", delete_payment_method=True)
    return remains if succeeded(answer) else {**remains, path: "a customer"}


def _writes(flow: Callable[[Trial], Flow[bool | None]]) -> Probe:
    return Probe(flow, writes=True)


PROBES = Probes(
    rows={
        "quoted_lists": Probe(_quoted_lists),
        "customer_credits": Probe(_customer_credits),
        "subscription_order": Probe(_subscription_order),
        "tax_inclusive": _writes(_tax_inclusive),
        "discounted": _writes(_discounted),
        "discounts_ignored": _writes(_discounts_ignored),
        "rounds_off": _writes(_rounds_off),
        "backdating_limited": _writes(_backdating_limited),
        "failures_stored": _writes(_failures_stored),
        "charge_on_catalog_2": _writes(_charge_on_catalog_2),
        "closing_renumbers": _writes(_closing_renumbers),
        "declined_create_kept": _writes(_declined_create_kept),
        "applied_payment_deleted": _writes(_applied_payment_deleted),
        "deleted_payment_inert": _writes(_deleted_payment_inert),
        "import_enabled": _writes(_import_enabled),
        "import_total_checked": _writes(_import_total_checked),
        "import_paid_needs_payments": _writes(_import_paid_needs_payments),
        "credit_reason_checked": _writes(_credit_reason_checked),
        "deleted_id_free": _writes(_deleted_id_free),
    },
    unobserved={
        "in_progress_waits": "it needs two requests at once, of which one is slow: no request makes one slow",
        "pending_refund_noted": "whether a refund is in progress for a while is up to the payment gateway",
        "import_open_collects": "the site may collect hours later, so that an unpaid invoice shows nothing",
    },
    is_live=_is_live,
    made=_made,
    take_back=_take_back,
    kept={"paid", "voided"},
    note="Chargebee may keep a deleted customer for a while before it is gone.",
)
