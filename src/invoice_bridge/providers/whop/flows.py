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
from invoice_bridge.adapter.changes import act, discard, wrong_state
from invoice_bridge.adapter.checks import payable, same_bill, verify
from invoice_bridge.adapter.declared import Sightings
from invoice_bridge.adapter.instants import rfc3339_millis
from invoice_bridge.adapter.lookup import PAGES, first_use, looked_from, noted, reread
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
from invoice_bridge.providers.whop.parse import invoice, payment_id, plan_id, price_of, with_payment, with_plan
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
def charge(ask: OneTimeCharge, use: Context) -> Flow[Invoice]:
    """Bill lines, or one amount, once."""
    return _bill(ask, use, ask.total)


def period(ask: PeriodInvoice, use: Context) -> Flow[Invoice]:
    """Bill a service period by the caller's lines: Whop accrues nothing that it could bill by itself."""
    if ask.total is None:
        raise Unsupported(
            "Whop cannot bill what has accrued in a period: it has no such thing",
            source=_CREATE,
            remedy="give the lines",
        )
    return (yield from _bill(ask, use, ask.total))


def _bill(ask: OneTimeCharge | PeriodInvoice, use: Context, total: Money) -> Flow[Invoice]:
    if use.found is not None:
        return _standing(ask, total, use.found)
    answer = yield from first_use(exchange(_create(ask, use, total)), ask, use)
    if use.provider.is_replay(answer):  # the answer of an earlier try: how does it stand now?
        answer = yield _get(invoice(object_of(answer)).id, use, _specimen(ask, total))
    found, price = yield from _complete(answer, use)
    return _compared(ask, total, found, price)


def _standing(ask: OneTimeCharge | PeriodInvoice, total: Money, found: Invoice) -> Invoice:
    """Go on from the invoice that was there before: there is no further step, so it is this bill or it is not."""
    same_bill(ask, found, total)
    if _other_address(ask, found):
        raise IdempotencyMismatch(
            f"the reference {ask.reference!r} belongs to {found.id} already, {found.status}: it bills another address; "
            "nothing was done to it: give a new bill a new reference",
            existing=found,
        )
    if found.subtotal is None:  # its lines and its plan's price contradict each other, or it has neither
        raise AmountMismatch(
            f"asked for {total}, but what {found.id}, {found.status}, bills cannot be told: its plan's price and its "
            "lines do not agree",
            asked=total,
            invoice=found,
        )
    if found.status is Status.DRAFT and not ask.draft:
        problem = InvalidState(
            f"{found.id} carries the reference {ask.reference!r} and is a draft, which no call finalizes; nothing was "
            f"billed: finalize it in Whop's dashboard, or delete it and bill with attempt={ask.attempt + 1}",
            provider=found.provider,
        )
        problem.invoice = found
        raise problem
    return _verified(ask, found)


def _other_address(ask: Bill, found: Invoice) -> bool:
    """Whether it bills somebody else: who is no member has no id, but an address."""
    if ask.customer is None or ask.customer.at(found.provider) is not None or found.customer is None:
        return False
    asked, theirs = ask.customer.email, found.customer.email
    return asked is not None and theirs is not None and asked.casefold() != theirs.casefold()


def _create(ask: OneTimeCharge | PeriodInvoice, use: Context, total: Money) -> Request:
    body: dict[str, Any] = {"account_id": use.settings["account_id"]}
    body["collection_method"] = "charge_automatically" if ask.collection.kind == "charge" else "send_invoice"
    if use.settings.get("product_id"):
        body["product_id"] = use.settings["product_id"]
    else:
        body["product"] = {"title": _title(ask)}
    body["plan"] = {
        "plan_type": "one_time",
        "initial_price": MONEY.to_units(total),
        "currency": total.currency.lower(),
        **({} if ask.description is None else {"description": ask.description}),
        "internal_notes": ask.reference,
    }
    body["line_items"] = [_line_item(line, ask.description or ask.reference) for line in ask.billed_lines]
    body |= _customer(ask, use) | _collection(ask)
    body["save_as_draft"] = ask.draft
    body["charge_buyer_fee"] = False
    effects, note = _effects(ask)
    specimen = _specimen(ask, total)
    return use.post(
        "invoices",
        body=body,
        step="create",
        effects=effects,
        specimen=specimen,
        note=note,
        opens=True,
        answers=("id",),
    )


def _title(ask: Bill) -> str:
    """The product's title: the description, else the reference, else a word: the plan carries both of them whole."""
    return next((text for text in (ask.description, ask.reference) if text and fits_title(text)), "Invoice")


def _line_item(line: Line, otherwise: str) -> dict[str, Any]:
    item: dict[str, Any] = {"label": line.description or otherwise}  # Whop demands a label
    if line.unit_amount is not None and line.quantity is not None and carries_quantity(line):
        whole = line.quantity == line.quantity.to_integral_value()
        return item | {
            "unit_price": MONEY.to_units(line.unit_amount),
            "quantity": int(line.quantity) if whole else line.quantity,
        }
    return item | {"unit_price": MONEY.to_units(line.amount), "quantity": 1}


def _customer(ask: Bill, use: Context) -> dict[str, Any]:
    """A member by its id, or anybody by e-mail and name; a draft may be without."""
    who = ask.customer
    member = who.at(use.provider.name) if who is not None else None
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
    if ask.draft and (who is None or (who.email is None and who.name is None)):
        return {}
    raise Unsupported(
        "Whop bills a member by its id, or anybody by e-mail and name together",
        source=_CREATE,
        remedy='pass customer="mber_…", or CustomerRef(email="…", name="…")',
    )


def _collection(ask: Bill) -> dict[str, Any]:
    """When it is due, or what is charged. Nothing derives from now: a due date counted in days needs the issue date."""
    how = ask.collection
    if how.kind == "charge":
        if how.payment_method is None or how.payment_method.startswith("payt_"):
            raise Unsupported(
                "Whop charges the payment method that the bill names (pmt_…), not a token and no default one",
                source=f"{_CREATE}, payment_method_id",
                remedy='use Collection.charge("pmt_…")',
            )
        # The documentation demands a due date of all but drafts: it is the issue date, for what is charged at once.
        if ask.issued_at is None and not ask.draft:
            raise Unsupported(
                "Whop demands a due date of every invoice that is not a draft, and nothing that is sent derives from "
                "now",
                source="whop-sdk 2.6.0, CreateInvoicesRequestProduct.due_date",
                remedy="give issued_at: a charge is due then",
            )
        due = {} if ask.draft or ask.issued_at is None else {"due_date": rfc3339_millis(ask.issued_at)}
        return {"payment_method_id": how.payment_method} | due
    if how.due is not None:
        return {"due_date": rfc3339_millis(how.due)}
    if how.net_days is not None:
        if ask.issued_at is None:
            raise Unsupported(
                "Whop takes a due date, not a number of days, and nothing that is sent derives from now",
                source=f"{_CREATE}, due_date",
                remedy="give issued_at, or Collection.send(due=…)",
            )
        return {"due_date": rfc3339_millis(_later(ask.issued_at, how.net_days))}
    if not ask.draft:
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


def _effects(ask: Bill) -> tuple[list[Effect], str]:
    if ask.draft:
        return [], ""
    note = "{} at once: what Whop made of it is compared afterwards, with the plan that it charges for"
    if ask.collection.kind == "charge":
        return [Effect.ISSUES, Effect.COLLECTS], note.format("charges")
    return [Effect.ISSUES, Effect.MAILS], note.format("mails")


def _compared(ask: OneTimeCharge | PeriodInvoice, total: Money, found: Invoice, price: Money | None) -> Invoice:
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
    return _verified(ask, found)


def _verified(ask: OneTimeCharge | PeriodInvoice, found: Invoice) -> Invoice:
    """Compare the bill with the invoice, and with what its payment says was collected.

    A payment's total is the price after discounts, plus tax on top (whop-sdk 2.6.0, Payment.total): what a bill with
    tax="provider" allows is the amount asked for, with that tax or with the tax within. Where nothing was collected, or
    the payment cannot be read, there is nothing more to compare. Raises AmountMismatch, which says what was collected.
    """
    collected = found.amount_paid
    if collected and collected.currency == found.currency == ask.currency and ask.total is not None:
        allowed = {ask.total}
        if ask.tax == "provider" and found.tax is not None:
            allowed.add(ask.total + found.tax)
        if collected not in allowed:
            tax = f", {found.tax} of it tax" if found.tax else ""
            raise AmountMismatch(
                f"asked for {ask.total}, and {collected} was collected with {found.id}{tax}; "
                + (
                    "refund the difference in Whop's dashboard"
                    if collected > ask.total
                    else "a discount of the account's lowered it: take it as it is, or bill the difference"
                ),
                asked=ask.total,
                found=collected,
                invoice=found,
            )
    return verify(ask, found)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def retrieve(ask: Retrieve, use: Context) -> Flow[Invoice]:
    """Read one invoice with what its plan and its payment say."""
    return _read(_legacy(ask.id), use)


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


def _get(invoice_id: str, use: Context, specimen: Mapping[str, Any] | None = None) -> Request:
    return use.get("invoices", invoice_id, specimen=specimen or _bare(invoice_id, "open"), invoice_id=invoice_id)


def _glance(invoice_id: str, use: Context) -> Flow[Invoice]:
    """An invoice alone, to see how it stands."""
    answer = yield _get(invoice_id, use)
    return invoice(object_of(answer))


def _read(invoice_id: str, use: Context) -> Flow[Invoice]:
    return (yield from _whole((yield _get(invoice_id, use)), use))


def _whole(answer: Response, use: Context) -> Flow[Invoice]:
    found, _ = yield from _complete(answer, use)
    return found


def _complete(answer: Response, use: Context) -> Flow[tuple[Invoice, Money | None]]:
    """An invoice with its plan's and its payment's words, and the plan's price.

    Reading those needs further permissions (plan:basic:read, payment:basic:read); without them their fields stay None.
    """
    data = object_of(answer)
    found, price = invoice(data), None
    if (plan := plan_id(data)) is not None:
        told = yield from _allowed(_plan(plan, use, "the reference and the exact price"))
        if told is not None:
            shown = _about(told, plan)
            found, price = with_plan(found, shown), price_of(found, shown)
    if (payment := payment_id(data)) is not None:
        request = use.get("payments", payment, specimen={"id": payment}, note="when it was paid, and how much")
        told = yield from _allowed(request)
        if told is not None:
            found = with_payment(found, _about(told, payment))
    return found, price


def _plan(plan: str, use: Context, note: str) -> Request:
    return use.get("plans", plan, specimen={"id": plan}, note=note)


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


def page(ask: ListInvoices, use: Context) -> Flow[Page]:
    """Read one page of invoices, newest first.

    Items of a listing are a part of the invoice; `full` retrieves each, and so does a filter by customer, whom items
    leave out.
    """
    if ask.customer is not None and ask.customer.at(use.provider.name) is None:
        raise Unsupported("Whop's invoices are filtered by the id of a member", remedy='pass customer="mber_…"')
    rows, following = yield from _rows(ask, use)
    items: list[Invoice | Unreadable] = []
    for row in rows:
        try:
            found = invoice(row.data)
            items.append((yield from _read(found.id, use)) if ask.full or ask.customer is not None else found)
        except MalformedResponse as error:
            items.append(Unreadable(row.data, error))
        except NotFound:  # a draft deleted since the page was made
            continue
    return Page(tuple(items), following)


def _rows(ask: ListInvoices, use: Context) -> Flow[tuple[list[Reader], ListInvoices | None]]:
    """One page of the listing as it comes, and the command for the next."""
    listed = _bare(LEGACY_ID + "{listed.id}", "open", plan="{listed.plan}")
    answer = yield use.get(
        "invoices", query=_filters(ask, use), specimen={"data": [listed], "page_info": {"has_next_page": False}}
    )
    at = Reader(object_of(answer), "whop")
    more = at.child("page_info").flag("has_next_page")  # it decides: end_cursor is filled on the last page too
    if more is None or not isinstance(object_of(answer).get("data"), list):
        problem = "the listing has no $.data, or does not say whether it goes on"
        raise MalformedResponse(problem, provider="whop", status=answer.status, response=answer)
    cursor = {"cursor": at.child("page_info").need("end_cursor")} if more else {}
    return at.children("data"), ask.model_copy(update=cursor) if more else None


def look(ask: Bill, use: Context) -> Flow[Sightings]:
    """Find every invoice of a bill's reference. It stands on the plan of each: one read for each invoice listed.

    The whole account's, newest first, from a day before `use.since` on where that is known, at most 300. Whatever
    keeps a plan from being read is a gap, a missing permission (plan:basic:read) among it.
    """
    seen: list[Invoice] = []
    gap, read = "", 0
    listing = ListInvoices(created_from=looked_from(use))
    for _ in range(PAGES):
        rows, following = yield from noted(_rows(listing, use))
        for row in rows:
            if read == _PLANS_READ:
                return Sightings(tuple(seen), f"the account has more invoices than the {read} whose plans were read")
            read += 1
            try:
                one = yield from _sighted(row, ask, use)
            except Unauthorized as refusal:  # no other one can be read then
                told = f"the key may not read the plans, where references stand ({refusal.message})"
                return Sightings(tuple(seen), f"{told}: give it the permission plan:basic:read")
            seen += one.invoices
            gap = one.gap or gap
        if following is None:
            return Sightings(tuple(seen), gap)
        listing = following
    return Sightings(tuple(seen), f"the listing goes on after {PAGES} pages")


def _sighted(row: Reader, ask: Bill, use: Context) -> Flow[Sightings]:
    """Tell whether one listed invoice carries the reference."""
    which = row.text("id") or "an invoice without an id"
    unread = Sightings(gap=f"the plan of {which}, where its reference stands, is not to be found")
    if (plan := plan_id(row.data)) is None:
        return unread
    try:
        told = yield _plan(plan, use, _LOOKED_AT)
        shown = _about(told, plan)
    except NotFound:
        return unread
    if Reader(shown, "whop").text("internal_notes") != ask.reference:
        return Sightings()
    try:
        now = yield from noted(reread(with_plan(invoice(row.data), shown), use))
        return Sightings() if now is None else Sightings((now,))
    except MalformedResponse as error:
        if isinstance(error, ServerError):  # a proxy's page: the next try may read it
            raise
        return Sightings(gap=f"{which} carries it and cannot be read: {error.message}")


def _filters(ask: ListInvoices, use: Context) -> list[tuple[str, object]]:
    """The account always, else a listing may be another's; the rest narrows to a superset and is filtered again."""
    pairs: list[tuple[str, object]] = [("account_id", use.settings["account_id"]), ("first", ask.limit)]
    pairs += [("order", "created_at"), ("direction", "desc")]
    if ask.cursor is not None:
        pairs.append(("after", ask.cursor))
    if ask.status is not None and ask.status in _NATIVE:
        pairs.append(("statuses", _NATIVE[ask.status]))
    if ask.created_from is not None:  # whole milliseconds, one wider: whether the bounds belong to it is not documented
        pairs.append(("created_after", _bound(ask.created_from, -1)))
    if ask.created_to is not None:
        pairs.append(("created_before", _bound(ask.created_to, 2)))
    return pairs


def _bound(instant: datetime, wider: int) -> str:
    whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    try:
        return rfc3339_millis(whole + wider * _MILLISECOND)
    except OverflowError:
        return rfc3339_millis(whole)


# ── the verbs on an invoice ──────────────────────────────────────────────────────────────────────────────────────────
def record_payment(ask: MarkPaid, use: Context) -> Flow[Invoice]:
    """Record a payment made elsewhere. Reads first: while a bank payment clears it would be paid twice."""
    found = payable(Pay(id=ask.id), (yield from _glance(_legacy(ask.id), use)))
    if found.status is not Status.OPEN:
        raise wrong_state(found, "cannot be marked paid")
    return (yield from _change(ask.id, "mark_paid", use, Effect.COLLECTS, {Status.PAID}))


def void(ask: Void, use: Context) -> Flow[Invoice]:
    """Withdraw an open invoice for good."""
    return _change(ask.id, "void", use, Effect.VOIDS, {Status.VOID})


def mark_uncollectible(ask: MarkUncollectible, use: Context) -> Flow[Invoice]:
    """Give an open invoice up as a bad debt."""
    return _change(ask.id, "mark_uncollectible", use, Effect.VOIDS, {Status.UNCOLLECTIBLE})


def mail(ask: SendInvoice, use: Context) -> Flow[Invoice]:
    """Mail an open invoice again. Reads first: what `resend` does with others is not documented."""
    found = yield from _glance(_legacy(ask.id), use)
    if found.status is not Status.OPEN:
        raise wrong_state(found, "cannot be sent")
    return (yield from _change(ask.id, "resend", use, Effect.MAILS, set()))


def update(ask: Update, use: Context) -> Flow[Invoice]:
    """Change the description or the due date of a draft. PATCH takes no idempotency key: a lost one stays unknown."""
    if ask.metadata is not None:
        raise Unsupported(
            "Whop's legacy invoices have no metadata", source=_CREATE, remedy="keep it on your side under the reference"
        )
    body: dict[str, Any] = {}
    if ask.description is not None:
        body["plan"] = {"description": ask.description}
    if ask.due_at is not None:
        body["due_date"] = rfc3339_millis(ask.due_at)
    invoice_id = _legacy(ask.id)
    request = use.send(
        "PATCH", "invoices", invoice_id, body=body, specimen=_bare(invoice_id, "draft"), invoice_id=invoice_id
    )
    return (
        yield from act(
            request, lambda: _read(invoice_id, use), lambda answer: _whole(answer, use), allowed={Status.DRAFT}
        )
    )


def delete(ask: Delete, use: Context) -> Flow[Invoice]:
    """Discard a draft. Reads it first: the answer is a bare `true`."""
    found = yield from _read(_legacy(ask.id), use)
    if found.status is not Status.DRAFT:
        raise wrong_state(found, "cannot be deleted")
    request = use.send("DELETE", "invoices", found.id, specimen=True, invoice_id=found.id)
    return (yield from discard(request, found, lambda: _glance(found.id, use), _is_true))


def _change(invoice_id: str, action: str, use: Context, effect: Effect, becomes: set[Status]) -> Flow[Invoice]:
    """Change an open invoice, then read it: the answer is a bare `true`."""
    status = next(iter(becomes), Status.OPEN).value

    def after(answer: Response) -> Flow[Invoice]:
        if not _is_true(answer):
            raise MalformedResponse("the answer is not `true`", provider="whop", status=answer.status, response=answer)
        return (yield from _whole((yield _get(invoice_id, use, _bare(invoice_id, status))), use))

    request = use.post("invoices", _legacy(invoice_id), action, effects=[effect], specimen=True, invoice_id=invoice_id)
    return act(request, lambda: _read(invoice_id, use), after, allowed={Status.OPEN}, becomes=becomes)


def _is_true(answer: Response) -> bool:
    return json_of(answer) is True


# ── specimens: what explain feeds back ───────────────────────────────────────────────────────────────────────────────
def _bare(invoice_id: str, status: str, currency: str = "usd", plan: str = "{plan.id}") -> dict[str, Any]:
    return {"id": invoice_id, "status": status, "current_plan": {"id": plan, "currency": currency}, "line_items": []}


def _specimen(ask: OneTimeCharge | PeriodInvoice, total: Money) -> dict[str, Any]:
    status = "draft" if ask.draft else "paid" if ask.collection.kind == "charge" else "open"
    found = _bare(_SPECIMEN_ID, status, total.currency.lower())
    return found | ({"payment": {"id": "{payment.id}"}} if status == "paid" else {})
