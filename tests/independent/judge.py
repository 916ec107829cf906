"""The judge: what happened to the customer, against what the caller was told.

Reads the servers' ledgers and documents. Knows nothing of how the library works, only what its words mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.independent.cases import Case, Step
from tests.independent.server import Doc, Event, Provider

GONE = {"void", "deleted"}
_CHARGEBEE = {"pending": "draft", "posted": "open", "payment_due": "open", "not_paid": "open", "voided": "void"}


@dataclass(frozen=True)
class Shown:
    """An invoice as the provider holds it, in neutral words."""

    id: str
    status: str
    net: int
    total: int
    demanded: int


@dataclass(frozen=True)
class Called:
    """One call: what was asked, what the caller was told, and what the provider held before and after."""

    number: int
    step: Step
    job: dict[str, Any]
    told: dict[str, Any]
    before: dict[str, Shown]
    after: dict[str, Shown]
    under_way: int
    ended: float
    killed: bool


def shown_by(server: Provider) -> dict[str, Shown]:
    """Every invoice of an account, the deleted ones included."""
    return {invoice: _shown(server.name, doc) for invoice, doc in server.invoices.items()}


def _shown(provider: str, doc: Doc) -> Shown:
    word: str = doc["status"]
    status = {"overdue": "open", "past_due": "open"}.get(word, word)
    if provider == "chargebee":
        status = _CHARGEBEE.get(status, status)
        status = "uncollectible" if status == "paid" and doc["write_off_amount"] else status
    status = "deleted" if doc.get("_deleted") else status
    if provider == "whop":
        return Shown(doc["id"], status, doc["_price"], doc["_price"], doc["_price"])
    if provider == "chargeapi":
        net = sum(line["amount"] for line in doc["line_items"])
        total = doc["amount_due"] + (doc["amount_paid"] or 0)
        return Shown(doc["id"], status, net, total, total)
    if provider == "chargebee":
        return Shown(doc["id"], status, doc["sub_total"], doc["total"], doc["total"] - doc["credits_applied"])
    return Shown(doc["id"], status, doc["subtotal"], doc["total"], doc["amount_due"])


def judge(tried: Case, made: list[Called], servers: list[Provider]) -> list[str]:
    """Return what is wrong, each as "duplicate: …", "over: …" or "false: …"."""
    return [*_duplicates(tried, made, servers), *_over(tried, servers), *_untrue(tried, made, servers)]


# ── (a) nobody is billed twice ───────────────────────────────────────────────────────────────────────────────────────
def _duplicates(tried: Case, made: list[Called], servers: list[Provider]) -> Iterator[str]:
    events = sorted(
        ((event, server.name) for server in servers for event in server.events), key=lambda each: each[0].at
    )
    live: set[tuple[str, str]] = set()
    charged: set[tuple[str, str]] = set()
    mails: Counter[tuple[str, str]] = Counter()
    asked_to_mail = {called.number for called in made if called.step.action == "send_invoice"}
    answered = {called.number for called in made if called.told["kind"] == "invoice"}
    for event, name in events:
        where = name, event.invoice
        if event.kind == "issued":
            live.add(where)
            if len(live) > 1:
                yield f"duplicate: issued {sorted(live)}"
        elif event.kind in {"voided", "deleted"}:
            live.discard(where)
        elif event.kind == "collected":
            charged.add(where)
            if len(charged) > 1:
                yield f"duplicate: collected {sorted(charged)}"
        elif event.kind == "mailed" and event.call not in asked_to_mail:
            # No provider says whether an invoice was mailed, so a second mail of the same invoice (not of a new bill)
            # is wrong only where the caller's own journal has an answered first one.
            if mails[where] and tried.journal == "one":
                yield f"duplicate: mailed {where} twice"
            mails[where] += event.call in answered
    drafts = [
        (server.name, each.id) for server in servers for each in shown_by(server).values() if each.status == "draft"
    ]
    if tried.bill["draft"] and len(drafts) > 1:
        yield f"duplicate: drafts {drafts}"


# ── (b) nobody pays more than the bill ───────────────────────────────────────────────────────────────────────────────
def _over(tried: Case, servers: list[Provider]) -> Iterator[str]:
    for server in servers:
        most, rate = tried.bill["amount"], server.switch("tax", 0)
        if tried.bill["tax"] == "provider" or (server.name == "whop" and tried.allows_money):
            most += most * max(rate, server.switch("item_tax", 0)) // 100 + 2  # a line is rounded by itself
        taken = Counter[str]()
        for event in server.events:
            if event.kind == "collected":
                taken[event.invoice] += event.amount
        for invoice, amount in taken.items():
            if amount > most:
                yield f"over: {server.name} collected {amount} for {invoice}, at most {most} was asked"


# ── (c) what the caller was told is so ───────────────────────────────────────────────────────────────────────────────
def _untrue(tried: Case, made: list[Called], servers: list[Provider]) -> Iterator[str]:
    by_name = {server.name: server for server in servers}
    for called in made:
        server = by_name[called.job["provider"]]
        mine = [event for event in server.events if event.call == called.number]
        told = called.told
        check = {"invoice": _invoice, "error": _error, "resolution": _resolution}.get(told["kind"])
        if check is not None:
            for sentence in check(tried, called, mine, servers):
                yield f"false: call {called.number} ({called.step.action}), {sentence}"


def _invoice(tried: Case, called: Called, mine: list[Event], servers: list[Provider]) -> Iterator[str]:
    told, action, bill = called.told, called.step.action, tried.bill
    held = called.after.get(told["id"]) or called.before.get(told["id"])
    if held is None:
        yield f"returned {told['id']}, which the provider does not have"
        return
    yield from _same(told, held)
    wanted = {"pay": {"paid"}, "void": {"void"}, "delete": {"deleted"}, "finalize": {"open", "paid"}}.get(action)
    if wanted is not None and held.status not in wanted:
        yield f"{action} returned {held.id}, which is {held.status}"
    server = next(each for each in servers if each.name == called.job["provider"])
    if action == "create" and not told["discrepancies"]:
        # what has accrued is taxed as the site says; the caller was told (IB-CHARGEBEE-TAX-01), and allowed it by name
        taxed = server.name == "chargebee" and bill["kind"] == "accrued" and tried.allows_money
        yield from _created(bill, held, server, lost_mail="repeated" in _faults(tried), taxed=taxed)
    mailed = any(event.kind == "mailed" and event.invoice == held.id for event in server.events)
    if action == "send_invoice" and not mailed and "repeated" not in _faults(tried):
        yield f"send_invoice returned {held.id}, which was never mailed"


def _faults(tried: Case) -> set[str]:
    return {fault.kind for step in tried.steps for _, fault in step.faults}


def _created(bill: dict[str, Any], held: Shown, server: Provider, *, lost_mail: bool, taxed: bool) -> Iterator[str]:
    """`lost_mail`: a proxy gave an older answer of the same invoice, which looks as that of a mail does."""
    if held.net != bill["amount"]:
        yield f"create returned {held.id} of {held.net}, asked were {bill['amount']}"
    if bill["tax"] == "none" and not taxed and held.total > bill["amount"] and server.name != "whop":
        yield f"create without tax returned {held.id}, whose total is {held.total}"
    if held.status in {*GONE, "uncollectible"}:
        yield f"create returned {held.id}, which is {held.status}"
    if not bill["draft"] and held.status == "draft":
        yield f"create returned {held.id}, which is a draft"
    if bill["draft"]:
        return
    if held.demanded != held.total and server.name == "stripe":  # Chargebee's credits cannot be switched off or read
        yield f"create returned {held.id} of {held.total}, of which {held.demanded} is demanded"
    mails = [event for event in server.events if event.kind == "mailed" and event.invoice == held.id]
    if (
        bill["collection"] == "send"
        and not mails
        and not lost_mail
        and server.name != "chargeapi"
        and held.status == "open"
    ):
        yield f"create to be sent returned {held.id}, which was not mailed"


def _same(told: dict[str, Any], held: Shown) -> Iterator[str]:
    if told["status"] != held.status:
        yield f"said that {held.id} is {told['status']}, it is {held.status}"
    if told["total"] is not None and told["total"] != held.total:
        yield f"said that {held.id} has the total {told['total']}, it has {held.total}"
    if told["due"] is not None and told["due"] != held.demanded:
        yield f"said that {told['due']} is due of {held.id}, it is {held.demanded}"


def _error(tried: Case, called: Called, mine: list[Event], servers: list[Provider]) -> Iterator[str]:
    told = called.told
    outcome = told["outcome"]
    if "BridgeError" not in told["tree"]:
        yield f"a bare {told['error']}: {told['message']}"
        return
    if outcome == "nothing_done" and mine:
        yield f"nothing_done ({told['error']}), but {[event.kind for event in mine]} happened"
    if outcome in {"partly_done", "done_unread"} and called.under_way:
        yield f"{outcome} ({told['error']}), but {called.under_way} of its requests had yet to land"
    known = {invoice for server in servers for invoice in _ever(server)}
    if told["invoice_id"] is not None and told["invoice_id"] not in known:
        yield f"{told['error']} names {told['invoice_id']}, which no provider has"
    yield from _kind_of_error(tried, called, mine, servers)


def _ever(server: Provider) -> set[str]:
    return {event.invoice for event in server.events}


def _kind_of_error(tried: Case, called: Called, mine: list[Event], servers: list[Provider]) -> Iterator[str]:
    told, tree = called.told, set(called.told["tree"])
    existing = told.get("existing")
    if "IdempotencyMismatch" in tree:
        yield f"a mismatch, though every bill of this case is the same: {told['message']}"
    if told["error"] == "AlreadyBilled":
        named = [held for held in called.after.values() if held.id in told["message"] and held.status not in GONE]
        if len(named) < 2:
            yield f"AlreadyBilled, and of what it names {[held.id for held in named]} stands: {told['message']}"
    if "AlreadySettled" in tree and existing is not None:
        held = called.after.get(existing["id"])
        if held is None or held.status not in {*GONE, "uncollectible"}:
            yield f"AlreadySettled names {existing['id']}, which is {held and held.status}"
        elif existing["status"] != held.status:
            yield f"AlreadySettled says {existing['status']} of {held.id}, which is {held.status}"
    if "BilledElsewhere" in tree:
        other = next((server for server in servers if server.name == told["elsewhere"]), None)
        if other is None or not any(
            request.method == "POST" and request.call < called.number for request in other.requests
        ):
            yield f"BilledElsewhere, but nothing was ever asked of {told['elsewhere']}"
        elif told["elsewhere_state"] == "made" and not _ever(other):
            yield f"BilledElsewhere says made, but {other.name} made nothing"
    if tree & {"ConfigurationError", "Unsupported", "LossyTranslation", "AlreadyBilled"} and mine:
        yield f"{told['error']} means that nothing was sent, but {[event.kind for event in mine]} happened"
    taken = sum(event.amount for event in mine if event.kind == "collected")
    if "Discrepancy" in tree and taken and (existing is None or existing["status"] != "paid"):
        yield f"{told['error']} means that nothing was collected, but {taken} was: {told['message']}"


def _resolution(tried: Case, called: Called, mine: list[Event], servers: list[Provider]) -> Iterator[str]:
    told = called.told
    server = next(each for each in servers if each.name == called.job["provider"])
    if mine:
        yield f"resolve changed something: {[event.kind for event in mine]}"
    if told["state"] == "found":
        held = called.after.get(told["invoice"]["id"])
        if held is None:
            yield f"found {told['invoice']['id']}, which the provider does not have"
        else:
            yield from _same(told["invoice"], held)
    if told["state"] == "absent":
        there = [each.id for each in called.after.values() if each.status not in GONE]
        knows = tried.journal == "one" or (tried.keeps_client and tried.journal == "none")
        if there and (knows or not tried.listing_lag):  # what another host made a moment ago shows nowhere yet
            yield f"absent, but {there} is there"
        later = [
            event
            for event in server.events
            if event.kind == "created" and event.call < called.number and event.at > called.ended
        ]
        if later:
            yield f"absent, but {later[0].invoice} landed {later[0].at - called.ended:.0f} s later"
