"""Whop's verbs, one generator each. A bill is one request: POST /invoices makes it, and mails or charges it at once.

There is no step between the making and the charging, so whatever can be checked is checked before that request, and
what Whop made of it is compared afterwards, with the plan it charges for. A draft mails and charges nothing. An invoice
that the lookup found is compared in the same way, and nothing is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from invoice_bridge.adapter.answers import json_of, object_of
from invoice_bridge.adapter.changes import delete_draft, invalid_state, submit_change
from invoice_bridge.adapter.checks import payable, same_bill, verify
from invoice_bridge.adapter.declared import Matches
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.lookup import PAGES, annotated, guard_reused_key, lookup_start, refresh
from invoice_bridge.adapter.provider import Context, Page, Unreadable
from invoice_bridge.adapter.reading import Reader
from invoice_bridge.core.commands import (
    Bill,
    Delete,
    ListInvoices,
    MarkPaid,
    MarkUncollectible,
    OneTimeCharge,
    Pay,
    PeriodInvoice,
    Retrieve,
    SendInvoice,
    Update,
    Void,
)
from invoice_bridge.core.errors import (
    AmountMismatch,
    IdempotencyMismatch,
    InvalidState,
    MalformedResponse,
    NotFound,
    ServerError,
    Unauthorized,
    Unsupported,
)
from invoice_bridge.core.model import Invoice, Line, Status
from invoice_bridge.core.money import Money
from invoice_bridge.core.wire import Effect, Flow, Request, Response, exchange
from invoice_bridge.providers.whop.shapes import invoice, payment_id, plan_id, price_of, with_payment, with_plan
from invoice_bridge.providers.whop.tables import LEGACY_ID, MONEY, NATIVE_ID, carries_quantity, fits_title

_SPECIMEN_ID = LEGACY_ID + "{create.id}"
_PLANS_READ = 300  # by one look, at a request each: half of what Whop allows in a minute
_LOOKED_AT = "lookup: the plan has the reference; repeats for each invoice listed, newest first"
_CREATE = "whop-sdk 2.6.0, CreateInvoicesRequest"
_MILLISECOND = timedelta(milliseconds=1)
# past_due is a second word for open, and which of several statuses in one query are honoured is not confirmed: an open
# listing is not narrowed by the server
_NATIVE = {status: status.value for status in (Status.DRAFT, Status.PAID, Status.VOID, Status.UNCOLLECTIBLE)}


# ── the two bills ────────────────────────────────────────────────────────────────────────────────────────────────────
def charge(command: OneTimeCharge, context: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(command, context, command.total)


def period(command: PeriodInvoice, context: Context) -> Flow[Invoice]:
    """Bill a service period by the caller's lines: Whop accrues nothing that it could bill by itself."""
    if command.total is None:
        raise Unsupported(
            "Whop cannot bill what has accrued in a period: it has no such thing",
            source=_CREATE,
            remedy="give the lines",
        )
    return (yield from _bill(command, context, command.total))


def _bill(command: OneTimeCharge | PeriodInvoice, context: Context, total: Money) -> Flow[Invoice]:
    if context.existing is not None:
        return _standing(command, total, context.existing)
    answer = yield from guard_reused_key(exchange(_create(command, context, total)), command, context)
    if context.provider.is_replay(answer):  # the answer of an earlier try: how does it stand now?
        answer = yield _get(invoice(object_of(answer)).id, context, _specimen(command, total))
    found, price = yield from _complete(answer, context)
    return _compared(command, total, found, price)


def _standing(command: OneTimeCharge | PeriodInvoice, total: Money, found: Invoice) -> Invoice:
    """Go on from the invoice that was there before: there is no further step, so it is this bill or it is not."""
    same_bill(command, found, total)
    if _other_address(command, found):
        raise IdempotencyMismatch(
            f"the reference {command.reference!r} belongs to {found.id} already, {found.status}: it bills another "
            "address; nothing was done to it: give a new bill a new reference",
            existing=found,
        )
    if found.subtotal is None:  # its lines and its plan's price contradict each other, or it has neither
        raise AmountMismatch(
            f"asked for {total}, but what {found.id}, {found.status}, bills cannot be told: its plan's price and its "
            "lines do not agree",
            asked=total,
            invoice=found,
        )
    if found.status is Status.DRAFT and not command.draft:
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
    """Whether it bills somebody else: who is no member has no id, but an address."""
    if command.customer is None or command.customer.at(found.provider) is not None or found.customer is None:
        return False
    asked, theirs = command.customer.email, found.customer.email
    return asked is not None and theirs is not None and asked.casefold() != theirs.casefold()


def _create(command: OneTimeCharge | PeriodInvoice, context: Context, total: Money) -> Request:
    body: dict[str, Any] = {"account_id": context.settings["account_id"]}
    body["collection_method"] = "charge_automatically" if command.collection.kind == "charge" else "send_invoice"
    if context.settings.get("product_id"):
        body["product_id"] = context.settings["product_id"]
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
    effects, note = _effects(command)
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
    """The product's title: the description, else the reference, else a word: the plan carries both of them whole."""
    return next((text for text in (command.description, command.reference) if text and fits_title(text)), "Invoice")


def _line_item(line: Line, otherwise: str) -> dict[str, Any]:
    item: dict[str, Any] = {"label": line.description or otherwise}  # Whop demands a label
    if line.unit_amount is not None and line.quantity is not None and carries_quantity(line):
        whole = line.quantity == line.quantity.to_integral_value()
        return item | {
            "unit_price": MONEY.to_units(line.unit_amount),
            "quantity": int(line.quantity) if whole else line.quantity,
        }
    return item | {"unit_price": MONEY.to_units(line.amount), "quantity": 1}


def _customer(command: Bill, context: Context) -> dict[str, Any]:
    """A member by its id, or anybody by e-mail and name; a draft may be without."""
    who = command.customer
    member = who.at(context.provider.name) if who is not None else None
    if member is not None:
        if member.startswith("mem_"):
            raise Unsupported(
                f"{member} is a membership; Whop bills a member",
                source=_CREATE,
                remedy="pass the membership's member id (mber_…)",
            )
        return {"member_id": member}
    if who is not None and who.email is not None and who.name is not None:
        return {"email_address": who.email, "customer_name": who.name}
    if command.draft and (who is None or (who.email is None and who.name is None)):
        return {}
    raise Unsupported(
        "Whop bills a member by its id, or anybody by e-mail and name together",
        source=_CREATE,
        remedy='pass customer="mber_…", or CustomerRef(email="…", name="…")',
    )


def _collection(command: Bill) -> dict[str, Any]:
    """When it is due, or what is charged. Nothing derives from now: a due date counted in days needs the issue date."""
    how = command.collection
    if how.kind == "charge":
        if how.payment_method is None or how.payment_method.startswith("payt_"):
            raise Unsupported(
                "Whop charges the payment method that the bill names (pmt_…), not a token and no default one",
                source=f"{_CREATE}, payment_method_id",
                remedy='use Collection.charge("pmt_…")',
            )
        # The documentation demands a due date of all but drafts: it is the issue date, for what is charged at once.
        if command.issued_at is None and not command.draft:
            raise Unsupported(
                "Whop demands a due date of every invoice that is not a draft, and nothing that is sent derives from "
                "now",
                source="whop-sdk 2.6.0, CreateInvoicesRequestProduct.due_date",
                remedy="give issued_at: a charge is due then",
            )
        due = {} if command.draft or command.issued_at is None else {"due_date": rfc3339_millis(command.issued_at)}
        return {"payment_method_id": how.payment_method} | due
    if how.due is not None:
        return {"due_date": rfc3339_millis(how.due)}
    if how.net_days is not None:
        if command.issued_at is None:
            raise Unsupported(
                "Whop takes a due date, not a number of days, and nothing that is sent derives from now",
                source=f"{_CREATE}, due_date",
                remedy="give issued_at, or Collection.send(due=…)",
            )
        return {"due_date": rfc3339_millis(_later(command.issued_at, how.net_days))}
    if not command.draft:
        raise Unsupported(
            "Whop mails or charges every invoice that is not a draft",
            source=f"{_CREATE}, save_as_draft",
            remedy="use Collection.send(due=…), or draft=True",
        )
    return {}


def _later(instant: datetime, days: int) -> datetime:
    try:
        return instant + timedelta(days=days)
    except OverflowError:
        raise Unsupported(f"{days} days after {instant.isoformat()} is beyond the calendar") from None


def _effects(command: Bill) -> tuple[list[Effect], str]:
    if command.draft:
        return [], ""
    note = "{} at once: what Whop made of it is compared afterwards, with the plan that it charges for"
    if command.collection.kind == "charge":
        return [Effect.ISSUES, Effect.COLLECTS], note.format("charges")
    return [Effect.ISSUES, Effect.MAILS], note.format("mails")


def _compared(command: OneTimeCharge | PeriodInvoice, total: Money, found: Invoice, price: Money | None) -> Invoice:
    """Compare what Whop holds with what was asked. Raises AmountMismatch, which says that it went out already."""
    if found.currency == total.currency:
        wrong = [amount for amount in (price, found.subtotal) if amount is not None and amount != total]
        if wrong:
            went = (
                "it is a draft"
                if found.status is Status.DRAFT
                else "Whop mails or charges when it creates: void or refund it"
            )
            raise AmountMismatch(
                f"asked for {total}, the invoice {found.id} holds {wrong[0]} and is {found.status}; {went}",
                asked=total,
                found=wrong[0],
                invoice=found,
            )
    return _verified(command, found)


def _verified(command: OneTimeCharge | PeriodInvoice, found: Invoice) -> Invoice:
    """Compare the bill with the invoice, and with what its payment says was collected.

    A payment's total is the price after discounts, plus tax on top (whop-sdk 2.6.0, Payment.total): what a bill with
    tax="provider" allows is the amount asked for, with that tax or with the tax within. Where nothing was collected, or
    the payment cannot be read, there is nothing more to compare. Raises AmountMismatch, which says what was collected.
    """
    collected = found.amount_paid
    if collected and collected.currency == found.currency == command.currency and command.total is not None:
        allowed = {command.total}
        if command.tax == "provider" and found.tax is not None:
            allowed.add(command.total + found.tax)
        if collected not in allowed:
            tax = f", {found.tax} of it tax" if found.tax else ""
            raise AmountMismatch(
                f"asked for {command.total}, and {collected} was collected with {found.id}{tax}; "
                + (
                    "refund the difference in Whop's dashboard"
                    if collected > command.total
                    else "a discount of the account's lowered it: take it as it is, or bill the difference"
                ),
                asked=command.total,
                found=collected,
                invoice=found,
            )
    return verify(command, found)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(command: Retrieve, context: Context) -> Flow[Invoice]:
    """Read one invoice with what its plan and its payment say."""
    return _read(_legacy(command.id), context)


def _legacy(invoice_id: str) -> str:
    """The id of a legacy invoice. Raises Unsupported for others; the public tokens that also read one are not taken."""
    if invoice_id.startswith(LEGACY_ID):
        return invoice_id
    if invoice_id.startswith(NATIVE_ID):
        raise Unsupported(
            f"{invoice_id} is a native Whop invoice or a payment; the legacy API, spoken here, reads neither",
            source="docs.whop.com/developer/guides/migrate-from-legacy-invoices",
            remedy="use its inv_… id if it has one",
        )
    raise Unsupported(f"{invoice_id[:40]!r} is not the id of a Whop invoice: those begin with {LEGACY_ID}")


def _get(invoice_id: str, context: Context, specimen: Mapping[str, Any] | None = None) -> Request:
    return context.get("invoices", invoice_id, specimen=specimen or _bare(invoice_id, "open"), invoice_id=invoice_id)


def _glance(invoice_id: str, context: Context) -> Flow[Invoice]:
    """An invoice alone, to see how it stands."""
    answer = yield _get(invoice_id, context)
    return invoice(object_of(answer))


def _read(invoice_id: str, context: Context) -> Flow[Invoice]:
    return (yield from _whole((yield _get(invoice_id, context)), context))


def _whole(answer: Response, context: Context) -> Flow[Invoice]:
    found, _ = yield from _complete(answer, context)
    return found


def _complete(answer: Response, context: Context) -> Flow[tuple[Invoice, Money | None]]:
    """An invoice with its plan's and its payment's words, and the plan's price.

    Reading those needs further permissions (plan:basic:read, payment:basic:read); without them their fields stay None.
    """
    data = object_of(answer)
    found, price = invoice(data), None
    if (plan := plan_id(data)) is not None:
        told = yield from _allowed(_plan(plan, context, "the reference and the exact price"))
        if told is not None:
            shown = _about(told, plan)
            found, price = with_plan(found, shown), price_of(found, shown)
    if (payment := payment_id(data)) is not None:
        request = context.get("payments", payment, specimen={"id": payment}, note="when it was paid, and how much")
        told = yield from _allowed(request)
        if told is not None:
            found = with_payment(found, _about(told, payment))
    return found, price


def _plan(plan: str, context: Context, note: str) -> Request:
    return context.get("plans", plan, specimen={"id": plan}, note=note)


def _about(answer: Response, wanted: str) -> Mapping[str, Any]:
    """The object of an answer. Raises MalformedResponse where it is not the one that was asked for."""
    at = Reader(object_of(answer), "whop")
    if at.text("id") != wanted:
        raise at.fault("id", f"is not {wanted}: something in between mixes answers up")
    return object_of(answer)


def _allowed(request: Request) -> Flow[Response | None]:
    try:
        return (yield request)
    except (Unauthorized, NotFound):
        return None


def page(command: ListInvoices, context: Context) -> Flow[Page]:
    """Read one page of invoices, newest first.

    Items of a listing are a part of the invoice; `full` retrieves each, and so does a filter by customer, whom items
    leave out.
    """
    if command.customer is not None and command.customer.at(context.provider.name) is None:
        raise Unsupported("Whop's invoices are filtered by the id of a member", remedy='pass customer="mber_…"')
    rows, following = yield from _rows(command, context)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            found = invoice(row.data)
            items.append(
                (yield from _read(found.id, context)) if command.full or command.customer is not None else found
            )
        except MalformedResponse as error:
            items.append(Unreadable(row.data, error))
        except NotFound:  # a draft deleted since the page was made
            continue
    return Page(tuple(items), following)


def _rows(command: ListInvoices, context: Context) -> Flow[tuple[list[Reader], ListInvoices | None]]:
    """One page of the listing as it comes, and the command for the next."""
    listed = _bare(LEGACY_ID + "{listed.id}", "open", plan="{listed.plan}")
    answer = yield context.get(
        "invoices", query=_filters(command, context), specimen={"data": [listed], "page_info": {"has_next_page": False}}
    )
    at = Reader(object_of(answer), "whop")
    more = at.child("page_info").flag("has_next_page")  # it decides: end_cursor is filled on the last page too
    if more is None or not isinstance(object_of(answer).get("data"), list):
        problem = "the listing has no $.data, or does not say whether it goes on"
        raise MalformedResponse(problem, provider="whop", status=answer.status, response=answer)
    cursor = {"cursor": at.child("page_info").required_text("end_cursor")} if more else {}
    return at.children("data"), command.model_copy(update=cursor) if more else None


def look(command: Bill, context: Context) -> Flow[Matches]:
    """Find every invoice of a bill's reference. It stands on the plan of each: one read for each invoice listed.

    The whole account's, newest first, from a day before `use.since` on where that is known, at most 300. Whatever
    keeps a plan from being read is a gap, a missing permission (plan:basic:read) among it.
    """
    seen: list[Invoice] = []
    gap, read = "", 0
    listing = ListInvoices(created_from=lookup_start(context))
    for _ in range(PAGES):
        rows, following = yield from annotated(_rows(listing, context))
        for row in rows:
            if read == _PLANS_READ:
                return Matches(tuple(seen), f"the account has more invoices than the {read} whose plans were read")
            read += 1
            try:
                one = yield from _sighted(row, command, context)
            except Unauthorized as refusal:  # no other one can be read then
                told = f"the key may not read the plans, where references stand ({refusal.message})"
                return Matches(tuple(seen), f"{told}: give it the permission plan:basic:read")
            seen += one.invoices
            gap = one.gap or gap
        if following is None:
            return Matches(tuple(seen), gap)
        listing = following
    return Matches(tuple(seen), f"the listing goes on after {PAGES} pages")


def _sighted(row: Reader, command: Bill, context: Context) -> Flow[Matches]:
    """Tell whether one listed invoice carries the reference."""
    which = row.text("id") or "an invoice without an id"
    unread = Matches(gap=f"the plan of {which}, where its reference stands, is not to be found")
    if (plan := plan_id(row.data)) is None:
        return unread
    try:
        told = yield _plan(plan, context, _LOOKED_AT)
        shown = _about(told, plan)
    except NotFound:
        return unread
    if Reader(shown, "whop").text("internal_notes") != command.reference:
        return Matches()
    try:
        now = yield from annotated(refresh(with_plan(invoice(row.data), shown), context))
        return Matches() if now is None else Matches((now,))
    except MalformedResponse as error:
        if isinstance(error, ServerError):  # a proxy's page: the next try may read it
            raise
        return Matches(gap=f"{which} carries it and cannot be read: {error.message}")


def _filters(command: ListInvoices, context: Context) -> list[tuple[str, object]]:
    """The account always, else a listing may be another's; the rest narrows to a superset and is filtered again."""
    pairs: list[tuple[str, object]] = [("account_id", context.settings["account_id"]), ("first", command.limit)]
    pairs += [("order", "created_at"), ("direction", "desc")]
    if command.cursor is not None:
        pairs.append(("after", command.cursor))
    if command.status is not None and command.status in _NATIVE:
        pairs.append(("statuses", _NATIVE[command.status]))
    if (
        command.created_from is not None
    ):  # whole milliseconds, one wider: whether the bounds belong to it is not documented
        pairs.append(("created_after", _bound(command.created_from, -1)))
    if command.created_to is not None:
        pairs.append(("created_before", _bound(command.created_to, 2)))
    return pairs


def _bound(instant: datetime, wider: int) -> str:
    whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    try:
        return rfc3339_millis(whole + wider * _MILLISECOND)
    except OverflowError:
        return rfc3339_millis(whole)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def record_payment(command: MarkPaid, context: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere. Reads first: while a bank payment clears it would be paid twice."""
    found = payable(Pay(id=command.id), (yield from _glance(_legacy(command.id), context)))
    if found.status is not Status.OPEN:
        raise invalid_state(found, "cannot be marked paid")
    return (yield from _change(command.id, "mark_paid", context, Effect.COLLECTS, {Status.PAID}))


def void(command: Void, context: Context) -> Flow[Invoice]:
    """Withdraw an open invoice for good."""
    return _change(command.id, "void", context, Effect.VOIDS, {Status.VOID})


def mark_uncollectible(command: MarkUncollectible, context: Context) -> Flow[Invoice]:
    """Give an open invoice up as a bad debt."""
    return _change(command.id, "mark_uncollectible", context, Effect.VOIDS, {Status.UNCOLLECTIBLE})


def mail(command: SendInvoice, context: Context) -> Flow[Invoice]:
    """Mail an open invoice again. Reads first: what `resend` does with others is not documented."""
    found = yield from _glance(_legacy(command.id), context)
    if found.status is not Status.OPEN:
        raise invalid_state(found, "cannot be sent")
    return (yield from _change(command.id, "resend", context, Effect.MAILS, set()))


def update(command: Update, context: Context) -> Flow[Invoice]:
    """Change the description or the due date of a draft. PATCH takes no idempotency key: a lost one stays unknown."""
    if command.metadata is not None:
        raise Unsupported(
            "Whop's legacy invoices have no metadata", source=_CREATE, remedy="keep it on your side under the reference"
        )
    body: dict[str, Any] = {}
    if command.description is not None:
        body["plan"] = {"description": command.description}
    if command.due_at is not None:
        body["due_date"] = rfc3339_millis(command.due_at)
    invoice_id = _legacy(command.id)
    request = context.send(
        "PATCH", "invoices", invoice_id, body=body, specimen=_bare(invoice_id, "draft"), invoice_id=invoice_id
    )
    return (
        yield from submit_change(
            request, lambda: _read(invoice_id, context), lambda answer: _whole(answer, context), allowed={Status.DRAFT}
        )
    )


def delete(command: Delete, context: Context) -> Flow[Invoice]:
    """Discard a draft. Reads it first: the answer is a bare `true`."""
    found = yield from _read(_legacy(command.id), context)
    if found.status is not Status.DRAFT:
        raise invalid_state(found, "cannot be deleted")
    request = context.send("DELETE", "invoices", found.id, specimen=True, invoice_id=found.id)
    return (yield from delete_draft(request, found, lambda: _glance(found.id, context), _is_true))


def _change(invoice_id: str, action: str, context: Context, effect: Effect, becomes: set[Status]) -> Flow[Invoice]:
    """Change an open invoice, then read it: the answer is a bare `true`."""
    status = next(iter(becomes), Status.OPEN).value

    def after(answer: Response) -> Flow[Invoice]:
        if not _is_true(answer):
            raise MalformedResponse("the answer is not `true`", provider="whop", status=answer.status, response=answer)
        return (yield from _whole((yield _get(invoice_id, context, _bare(invoice_id, status))), context))

    request = context.post(
        "invoices", _legacy(invoice_id), action, effects=[effect], specimen=True, invoice_id=invoice_id
    )
    return submit_change(request, lambda: _read(invoice_id, context), after, allowed={Status.OPEN}, becomes=becomes)


def _is_true(answer: Response) -> bool:
    return json_of(answer) is True


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def _bare(invoice_id: str, status: str, currency: str = "usd", plan: str = "{plan.id}") -> dict[str, Any]:
    return {"id": invoice_id, "status": status, "current_plan": {"id": plan, "currency": currency}, "line_items": []}


def _specimen(command: OneTimeCharge | PeriodInvoice, total: Money) -> dict[str, Any]:
    status = "draft" if command.draft else "paid" if command.collection.kind == "charge" else "open"
    found = _bare(_SPECIMEN_ID, status, total.currency.lower())
    return found | ({"payment": {"id": "{payment.id}"}} if status == "paid" else {})
