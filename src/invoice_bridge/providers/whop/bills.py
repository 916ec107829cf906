"""The flows that bill: a one-time charge and a service period."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from invoice_bridge.adapter.answers import object_of
from invoice_bridge.adapter.checks import same_bill, verify
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.provider import Context
from invoice_bridge.core.commands import (
    Bill,
    OneTimeCharge,
    PeriodInvoice,
)
from invoice_bridge.core.errors import (
    AmountMismatch,
    IdempotencyMismatch,
    InvalidState,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.values import shortest
from invoice_bridge.core.wire import Effect, Flow, Request
from invoice_bridge.providers.whop.conditions import carries_quantity, fits_title, product_of
from invoice_bridge.providers.whop.shapes import invoice
from invoice_bridge.providers.whop.tables import LEGACY_ID, MONEY
from invoice_bridge.providers.whop.verbs import CREATE, bare_specimen, complete_invoice, invoice_request

_SPECIMEN_ID = LEGACY_ID + "{create.id}"


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return bill(command, context, command.total)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period by the caller's lines: Whop accrues no charges."""
    if command.total is None:
        raise Unsupported(
            "Whop cannot bill the usage of a period: it accrues nothing",
            source=CREATE,
            remedy="give the lines",
        )
    return (yield from bill(command, context, command.total))


def bill(command: OneTimeCharge | PeriodInvoice, context: Context, total: Money) -> Flow[Invoice]:
    """Make an invoice of a bill's lines, whose sum is `total`, or continue with the existing one; compare it."""
    if context.existing is not None:
        return _standing(command, total, context.existing, context)
    answer = yield _create(command, context, total)
    if context.provider.is_replay(answer):  # the answer of an earlier try: read its present state
        answer = yield invoice_request(invoice(object_of(answer)).id, context, _specimen(command, total))
    found, price = yield from complete_invoice(answer, context)
    return _compared(command, total, found, price)


def _standing(command: OneTimeCharge | PeriodInvoice, total: Money, found: Invoice, context: Context) -> Invoice:
    """Continue with the existing invoice: there is no further step, so it is either this bill or another one."""
    same_bill(command, found, total)
    if _other_address(command, found):
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} already belongs to {found.id} ({found.status}), which bills "
            "another address; nothing was done to it: give a new bill a new reference",
            existing=found,
        )
    if found.subtotal is None:  # its lines and its plan's price contradict each other, or both are missing
        raise AmountMismatch(
            f"asked for {total}, but the amount of {found.id} ({found.status}) is unknown: the price of its plan "
            "and its lines do not agree",
            asked=total,
            invoice=found,
        )
    if found.status is Status.DRAFT and not command.draft and not context.natives.schedules:
        problem = InvalidState(
            f"{found.id} carries the reference {command.reference!r} and is a draft, which no call finalizes; "
            "nothing was billed: finalize it in Whop's dashboard, or delete it and bill with "
            f"attempt={command.attempt + 1}",
            provider=found.provider,
        )
        problem.invoice = found
        raise problem
    return _verified(command, found)


def _other_address(command: Bill, found: Invoice) -> bool:
    """Return whether it bills another customer: a non-member has no id, only an address."""
    if command.customer is None or command.customer.at(found.provider) is not None or found.customer is None:
        return False
    asked, theirs = command.customer.email, found.customer.email
    return asked is not None and theirs is not None and asked.casefold() != theirs.casefold()


def _create(command: OneTimeCharge | PeriodInvoice, context: Context, total: Money) -> Request:
    body: dict[str, Any] = {"account_id": context.settings["account_id"]}
    body["collection_method"] = "charge_automatically" if command.collection.kind == "charge" else "send_invoice"
    if product := product_of(command, context.settings):
        body["product_id"] = product
    else:
        body["product"] = {"title": _title(command)}
    body["plan"] = {
        "plan_type": "one_time",
        "initial_price": MONEY.to_units(total),
        "currency": total.currency.lower(),
        **({} if command.description is None else {"description": command.description}),
        "internal_notes": command.reference,
    }
    body["line_items"] = [_line_item(line, command.description or command.reference) for line in command.billed_lines]
    body |= _customer(command, context) | _collection(command)
    body["save_as_draft"] = command.draft
    body["charge_buyer_fee"] = False
    effects, note = _effects(command, is_scheduled=context.natives.schedules)
    specimen = _specimen(command, total)
    return context.post(
        "invoices",
        body=body,
        step="create",
        effects=effects,
        specimen=specimen,
        note=note,
        opens=True,
        answers=("id",),
    )


def _title(command: Bill) -> str:
    """Return the product's title: the description, the reference or a word; the plan carries both in full."""
    return next((text for text in (command.description, command.reference) if text and fits_title(text)), "Invoice")


def _line_item(line: Line, otherwise: str) -> dict[str, Any]:
    item: dict[str, Any] = {"label": line.description or otherwise}  # Whop requires a label
    if line.unit_amount is not None and line.quantity is not None and carries_quantity(line):
        whole = line.quantity == line.quantity.to_integral_value()
        return item | {
            "unit_price": MONEY.to_units(line.unit_amount),
            "quantity": int(line.quantity) if whole else shortest(line.quantity),
        }
    return item | {"unit_price": MONEY.to_units(line.amount), "quantity": 1}


def _customer(command: Bill, context: Context) -> dict[str, Any]:
    """Return a member by id, or anybody by e-mail and name; a draft may have no customer."""
    who = command.customer
    member = who.at(context.provider.name) if who is not None else None
    if member is not None:
        if member.startswith("mem_"):
            raise Unsupported(
                f"{member} is a membership; Whop bills a member",
                source=CREATE,
                remedy="pass the membership's member id (mber_…)",
            )
        return {"member_id": member}
    if who is not None and who.email is not None and who.name is not None:
        return {"email_address": who.email, "customer_name": who.name}
    if command.draft and (who is None or (who.email is None and who.name is None)):
        return {}
    raise Unsupported(
        "Whop bills a member by its id, or a new customer by e-mail and name together",
        source=CREATE,
        remedy='pass customer="mber_…", or CustomerRef(email="…", name="…")',
    )


def _collection(command: Bill) -> dict[str, Any]:
    """Return the due date or the method to charge, never derived from now: days need the issue date."""
    how = command.collection
    if how.kind == "charge":
        has_token = "payment_token_id" in command.native.get("whop", {})
        if (how.payment_method is None and not has_token) or (how.payment_method or "").startswith("payt_"):
            raise Unsupported(
                "Whop charges the payment method that the bill names (pmt_…), neither a token nor a default",
                source=f"{CREATE}, payment_method_id",
                remedy='use Collection.charge("pmt_…"), or native={"whop": {"payment_token_id": "payt_…"}} for a token',
            )
        # The documentation requires a due date on all but drafts: for an immediate charge it is the issue date.
        if command.issued_at is None and not command.draft:
            raise Unsupported(
                "Whop requires a due date on every invoice that is not a draft, and this library never computes "
                "one from the current time",
                source="whop-sdk 2.6.0, CreateInvoicesRequestProduct.due_date",
                remedy="give issued_at: a charge is due then",
            )
        due = {} if command.draft or command.issued_at is None else {"due_date": rfc3339_millis(command.issued_at)}
        return ({} if how.payment_method is None else {"payment_method_id": how.payment_method}) | due
    if how.due is not None:
        return {"due_date": rfc3339_millis(how.due)}
    if how.net_days is not None:
        if command.issued_at is None:
            raise Unsupported(
                "Whop takes a due date, not a number of days, and this library never computes one from the current "
                "time",
                source=f"{CREATE}, due_date",
                remedy="give issued_at, or Collection.send(due=…)",
            )
        return {"due_date": rfc3339_millis(_later(command.issued_at, how.net_days))}
    if not command.draft:
        raise Unsupported(
            "Whop mails or charges every invoice that is not a draft",
            source=f"{CREATE}, save_as_draft",
            remedy="use Collection.send(due=…), or draft=True",
        )
    return {}


def _later(instant: datetime, days: int) -> datetime:
    try:
        return instant + timedelta(days=days)
    except OverflowError:
        raise Unsupported(f"{days} days after {instant.isoformat()} is beyond the calendar") from None


def _effects(command: Bill, *, is_scheduled: bool) -> tuple[list[Effect], str]:
    if command.draft:
        return [], ""
    when = "when it is finalized" if is_scheduled else "at once"
    note = f"{when}: the invoice is compared afterwards with the plan that Whop charges for"
    if command.collection.kind == "charge":
        return [Effect.ISSUES, Effect.COLLECTS], f"charges {note}"
    return [Effect.ISSUES, Effect.MAILS], f"mails {note}"


def _compared(command: OneTimeCharge | PeriodInvoice, total: Money, found: Invoice, price: Money | None) -> Invoice:
    """Compare Whop's invoice with the bill. Raises AmountMismatch, which says that it is issued already."""
    if found.currency == total.currency:
        wrong = [amount for amount in (price, found.subtotal) if amount is not None and amount != total]
        if wrong:
            went = (
                "it is a draft"
                if found.status is Status.DRAFT
                else "Whop mails or charges when it creates: void or refund it"
            )
            raise AmountMismatch(
                f"asked for {total}, but the invoice {found.id} has {wrong[0]} and is {found.status}; {went}",
                asked=total,
                found=wrong[0],
                invoice=found,
            )
    return _verified(command, found)


def _verified(command: OneTimeCharge | PeriodInvoice, found: Invoice) -> Invoice:
    """Compare the bill with the invoice and with the amount that its payment collected.

    A payment's total is the price after discounts, plus tax on top (whop-sdk 2.6.0, Payment.total): a bill with
    tax="provider" allows its amount with that tax on top, or with the tax included. If nothing was collected, or the
    payment cannot be read, nothing more is compared. Raises AmountMismatch, which says what was collected.
    """
    collected = found.amount_paid
    if collected and collected.currency == found.currency == command.currency and command.total is not None:
        allowed = {command.total if command.expect_total is None else command.expect_total}
        if command.expect_total is None and command.tax == "provider" and found.tax is not None:
            allowed.add(command.total + found.tax)
        if collected not in allowed:
            tax = f", {found.tax} of it tax" if found.tax else ""
            raise AmountMismatch(
                f"asked for {min(allowed)}, but {found.id} collected {collected}{tax}; "
                + (
                    "refund the difference in Whop's dashboard"
                    if collected > max(allowed)
                    else "a discount of the account lowered it: accept it, or bill the difference"
                ),
                asked=min(allowed),
                found=collected,
                invoice=found,
            )
    if found.total is None and command.expect_total is not None:  # no field states its total before it is paid
        command = command.model_copy(update={"expect_total": None})
    return verify(command, found)


def _specimen(command: OneTimeCharge | PeriodInvoice, total: Money) -> dict[str, Any]:
    status = "draft" if command.draft else "paid" if command.collection.kind == "charge" else "open"
    found = bare_specimen(_SPECIMEN_ID, status, total.currency.lower())
    return found | ({"payment": {"id": "{payment.id}"}} if status == "paid" else {})
