"""The first step: read the source's listing, and write an item for each invoice into the ledger.

Rules of this file: nothing is written at either provider. A page of the listing, the place of the next one and the
control totals are one transaction, so that a plan that was interrupted goes on where it was. Every invoice of the
source is an item, also one that is refused or left out: nothing is lost without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from invoice_bridge import providers
from invoice_bridge.adapter.pages import Unreadable
from invoice_bridge.core.commands import ImportInvoice, ListInvoices, faults
from invoice_bridge.core.errors import BridgeError, Unsupported
from invoice_bridge.core.exact import loads
from invoice_bridge.core.imports import Source
from invoice_bridge.core.losses import Loss
from invoice_bridge.core.model import CustomerRef, Invoice, Line, Status
from invoice_bridge.migrate.listings import pages_of
from invoice_bridge.migrate.mapping import CustomerOf, Numbers, source_customer
from invoice_bridge.migrate.operations import write_operation
from invoice_bridge.migrate.outlines import Outlines
from invoice_bridge.migrate.queries import Planned, ids_in, notes_of, owners_of, planned_in, skip_planned, texts_of
from invoice_bridge.migrate.reasons import word_of
from invoice_bridge.migrate.totals import Totals
from invoice_bridge.migrate.values import NewItem

if TYPE_CHECKING:
    from invoice_bridge.adapter.provider import Context
    from invoice_bridge.client.clients import Client
    from invoice_bridge.migrate.ledger import Ledger

__all__ = ["Planner", "digest_of_plan", "fingerprint"]

_CURSOR, TOTALS, COMPLETE, MISSING, SEEN = "cursor", "totals", "complete", "missing customer/", "seen at the target"
Between = tuple[datetime | None, datetime | None]
"""From when on, and before when, the documents were created."""
Progress = Callable[[int], object]
"""Called with how many invoices were read."""


@dataclass
class Planner:
    """What turns an invoice of the source into an item of the plan."""

    account: str
    target: Context
    customer_of: CustomerOf
    product_of: Callable[[Line], Line]
    numbers: Numbers
    drafts: bool = False
    open_invoices: bool = False
    earlier: tuple[int, ...] = ()
    """The plans whose items a sweep leaves out."""
    others: tuple[int, ...] = ()
    """The plans of this ledger between the same accounts: what they may have moved is not moved again."""
    missing: dict[str, CustomerRef] = field(default_factory=dict)
    """The customers that are not mapped."""
    totals: Totals = field(default_factory=Totals)
    """What was read of the source."""

    def __post_init__(self) -> None:
        self.outlines = Outlines(self.target)

    def item(self, read: Invoice | Unreadable, reference: str, earlier: Planned | None = None) -> NewItem:
        """Return the item of an invoice, whatever may become of it; `earlier` is that of an earlier plan."""
        if isinstance(read, Unreadable):
            detail = f"the listing's item cannot be read: {read.error}"
            return NewItem(
                reference, source={"id": reference}, state="refused", reason="source-incomplete", detail=detail
            )
        facts = source_facts(read)
        try:
            if earlier is not None:
                raise Unsupported(
                    f"changed-since-plan: plan {earlier.plan} has it as it was before, and there it is {earlier.state}"
                )
            if (skipped := self._skipped(read)) is not None:
                return NewItem(reference, source=facts, state="skipped", reason=skipped)
            return self._planned(read, reference, facts)
        except (BridgeError, ValueError) as error:  # ValueError: parts that no import can state
            reason = word_of(error) if isinstance(error, BridgeError) else "source-incomplete"
            text = faults(error, ImportInvoice) if isinstance(error, ValidationError) else str(error)
            detail = " ".join(text.split())[:2_000]
            return NewItem(reference, source=facts, state="refused", reason=reason, detail=detail)

    def _skipped(self, invoice: Invoice) -> str | None:
        if invoice.status is Status.DRAFT and not self.drafts:
            return "draft"
        if invoice.status is Status.OPEN and not self.open_invoices:
            return "source-still-billing"
        return None

    def _planned(self, invoice: Invoice, reference: str, facts: Mapping[str, Any]) -> NewItem:
        command = self.command(invoice, reference)
        operation: dict[str, Any] = {"make": write_operation(command)}
        if invoice.status is Status.OPEN:
            _check_closable(invoice, command)
            unarmed = command.model_copy(update={"armed": False})
            operation = {
                "make": write_operation(unarmed),
                "release": {"command": "close", "id": invoice.id},
                "arm": write_operation(command),
            }
        outline = self.outlines.of(command, operation["arm" if "arm" in operation else "make"])
        more = {
            "losses": [[loss.code, loss.severity.value, loss.path] for loss in _unique(outline.losses)],
            "requests": outline.requests,
            "effects": list(outline.effects),
        }
        return NewItem(reference, operation, {**facts, **more})

    def command(self, invoice: Invoice, reference: str) -> ImportInvoice:
        """Return the import of an invoice at the target. Raises Unsupported, with the reason first."""
        customer = self.customer_of(invoice)
        if not customer:
            if invoice.customer is not None and (known := source_customer(invoice)) is not None:
                self.missing[known] = CustomerRef(id=known, name=invoice.customer.name, email=invoice.customer.email)
            raise Unsupported(
                f"customer-unmapped: the customer {source_customer(invoice)!r} of the invoice {invoice.id} has no id "
                "at the target",
                remedy="complete the CSV of customers, and plan anew",
            )
        source = Source(invoice.provider, self.account.partition(":")[2], invoice.id)
        made = ImportInvoice.of(invoice, customer=customer, source=source, reference=reference)
        changes = {**self.numbers.changes(invoice), "lines": tuple(map(self.product_of, made.lines))}
        return made.model_copy(update=changes)


def _check_closable(invoice: Invoice, command: ImportInvoice) -> None:
    """Check that nobody can pay an open invoice at the source once it is closed there. Raises Unsupported.

    One of which a part was settled cannot be voided, and some providers accept payments of what is written off.
    """
    pays = providers.get(invoice.provider).transitions.get("pay")
    is_settled_in_part = bool(command.payments or command.credit_notes)
    if is_settled_in_part and pays is not None and Status.UNCOLLECTIBLE in {*pays.allowed, *pays.undocumented}:
        raise Unsupported(
            f"source-still-billing: a part of the invoice {invoice.id} was paid or credited, so that "
            f"{invoice.provider} can only write it off, and it can still be paid there "
            "afterwards: both accounts would collect the rest",
            remedy="collect the rest at the source, or credit it there and bill it anew at the target",
        )


def source_facts(invoice: Invoice) -> dict[str, Any]:
    """Return what the ledger keeps of an invoice of the source."""
    dated = invoice.issued_at or invoice.created_at
    total = invoice.total
    return {
        "id": invoice.id,
        "number": invoice.number,
        "status": str(invoice.status),
        "month": "" if dated is None else dated.strftime("%Y-%m"),
        "currency": invoice.currency or "",
        "total": None if total is None else total.minor,
        "fingerprint": fingerprint(invoice),
    }


_LEFT_OUT = frozenset({
    "raw", "hosted_url", "pdf_url", "updated_at", "attempts", "next_attempt_at", "losses", "discrepancies", "metadata",
    "payment_method", "native_status",
})  # fmt: skip
"""What may change without the document being another one: the providers' own upkeep, and the caller's marks."""


def fingerprint(invoice: Invoice) -> str:
    """Return a digest of what the document says: the same as long as it is not another document."""
    return hashlib.sha256(invoice.model_dump_json(exclude=set(_LEFT_OUT)).encode()).hexdigest()


def _unique(losses: Iterable[Loss]) -> list[Loss]:
    found = {(loss.code, loss.path): loss for loss in losses}
    return [found[key] for key in sorted(found)]


def read_source(
    ledger: Ledger,
    plan: int,
    source: Client,
    planner: Planner,
    *,
    target: Client | None = None,
    between: Between = (None, None),
    progress: Progress = lambda _read: None,
) -> None:
    """Read the listing from where the plan is, leave out what the target has, and complete the plan."""
    if ledger.note(plan, COMPLETE) is not None:
        return
    planner.totals = Totals.read(ledger.note(plan, TOTALS))
    planner.missing = {one["id"]: CustomerRef(**one) for _, one in notes_of(ledger, plan, MISSING)}
    kept = ledger.note(plan, _CURSOR)
    first = ListInvoices(full=True, created_from=between[0], created_to=between[1])
    goes_on = None if kept is None else ListInvoices.model_validate(loads(kept))
    for page in pages_of(source, first, goes_on):
        items = [item for item in page.items if isinstance(item, Unreadable) or first.matches(item, source.provider)]
        _write_page(ledger, plan, planner, items, page.next)
        progress(planner.totals.count)
    if target is not None:
        _leave_out_what_is_there(ledger, plan, target)
    complete_plan(ledger, plan)


def complete_plan(ledger: Ledger, plan: int) -> None:
    """Note that a plan has all of its items, as they are now."""
    ledger.add(plan, (), {COMPLETE: digest_of_plan(ledger, plan)})
    ledger.analyze()


def _leave_out_what_is_there(ledger: Ledger, plan: int, target: Client) -> None:
    """Skip what the target has a document of: moved with another ledger, or by hand. It reads the whole listing.

    One invoice that is there, and cannot be deleted, is noted: a run looks whether its key opens the same account.
    """
    deletable = {Status.DRAFT, *target._context.provider.deletes_imports}  # noqa: SLF001 - what no client states
    seen: str | None = None
    for page in pages_of(target, ListInvoices()):
        listed = (one.id for one in page.items if isinstance(one, Invoice) and one.status not in deletable)
        seen = seen or next(listed, None)
        there = {
            one.reference: f"the target has {one.id} of that reference, which is {one.status}"
            for one in page.items
            if isinstance(one, Invoice) and one.reference
        }
        skip_planned(ledger, plan, there, "already-at-target")
    if seen is not None:
        ledger.add(plan, (), {SEEN: seen})


def _write_page(
    ledger: Ledger,
    plan: int,
    planner: Planner,
    items: Iterable[Invoice | Unreadable],
    following: ListInvoices | None,
) -> None:
    """Write the items of one page that are new, the totals with them, and where the listing goes on."""
    read = list(items)
    ids = {_id(item) for item in read}
    known = ids_in(ledger, plan, ids)
    before = planned_in(ledger, planner.earlier, ids)
    moved = planned_in(ledger, planner.others, ids)
    owners = owners_of(ledger, {plan, *planner.others}, {name for item in read for name in _names(item)})
    new: list[NewItem] = []
    before_page = len(planner.missing)
    for item in read:
        own = _id(item)
        if own in known:
            continue  # the listing has moved on, and repeats itself
        reference = next(name for name in _names(item) if owners.get(name, own) == own)
        made = _swept(planner, item, reference, before.get(own))
        if made is None:
            continue
        known.add(own)
        owners[reference] = own
        if own not in before and made.state == "planned" and own in moved and moved[own].may_be_at_target:
            made = replace(
                made, operation={}, state="skipped", reason="moved-before", detail=f"by plan {moved[own].plan}"
            )
        planner.totals.add(made.source)
        new.append(made)
    notes = {TOTALS: planner.totals.to_json()}
    for customer in islice(planner.missing.values(), before_page, None):  # those that this page has added
        notes[f"{MISSING}{customer.id}"] = customer.model_dump_json(include={"id", "name", "email"})
    if following is not None:
        notes[_CURSOR] = following.model_dump_json(exclude_defaults=True)
    ledger.add(plan, new, notes)


def _swept(planner: Planner, item: Invoice | Unreadable, reference: str, earlier: Planned | None) -> NewItem | None:
    """Return the item of a document, None if an earlier plan of the sweep has it and nothing else can be done now."""
    if earlier is None:
        return planner.item(item, reference)
    is_same = isinstance(item, Unreadable) or _is_as_planned(item, earlier)
    if not earlier.was_left_out:
        return None if is_same else planner.item(item, reference, earlier)
    made = planner.item(item, reference)
    return None if is_same and made.state != "planned" else made


def _is_as_planned(item: Invoice, earlier: Planned) -> bool:
    """Whether an earlier plan has an invoice as it is, or has itself closed it at the source."""
    is_closed_by_plan = earlier.is_released and item.status in {Status.VOID, Status.UNCOLLECTIBLE, Status.PAID}
    return is_closed_by_plan or earlier.fingerprint == fingerprint(item)


def _names(item: Invoice | Unreadable) -> tuple[str, ...]:
    """Return the references that the item of a document may have, the first that no other document has."""
    own = _id(item)
    reference = (item.reference or own) if isinstance(item, Invoice) else own
    other = f"{reference}~{own}"  # two documents have one reference: each is an item of its own
    return reference, other, f"{other}~{hashlib.sha256(other.encode()).hexdigest()[:16]}"


def _id(item: Invoice | Unreadable) -> str:
    if isinstance(item, Invoice):
        return item.id
    own = item.raw.get("id") if isinstance(item.raw, Mapping) else None
    if isinstance(own, str) and own:
        return own
    return "unreadable-" + hashlib.sha256(repr(item.raw).encode()).hexdigest()[:16]


def digest_of_plan(ledger: Ledger, plan: int) -> str:
    """Return a digest over what every item of a plan is to do, in its order, as it is written in the ledger."""
    digest = hashlib.sha256()
    for texts in texts_of(ledger, plan):
        digest.update("\0".join(texts).encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return digest.hexdigest()
