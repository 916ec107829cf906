"""The rules of a handover, as generators: they yield the calls to make, so that both clients follow the same rules.

Rules of this file: which side bills follows from the bill and from the instants that the book keeps, never from a
clock. Before one side makes a bill, the other side is asked for its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Generic, TypeAlias, TypeVar

from invoice_bridge.adapter.lookup import is_findable
from invoice_bridge.core.commands import Bill, Command, NewInvoice, OneTimeCharge, PeriodInvoice
from invoice_bridge.core.errors import (
    AlreadyBilled,
    BilledElsewhere,
    ConfigurationError,
    NotFound,
    ProviderError,
    Unreachable,
    Unsupported,
)
from invoice_bridge.core.model import CustomerRef, Invoice, Status
from invoice_bridge.engine.lookup import Resolution
from invoice_bridge.journal.store import Journal
from invoice_bridge.journal.switches import EVERYBODY, Kept, check_instant

C = TypeVar("C", bound=Any)
T = TypeVar("T")
At: TypeAlias = datetime | Mapping[str, datetime]
"""The instant of a switch, or such an instant for each customer, "*" for all others."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call to make: of a client, which is awaited where it is asynchronous, or of the journal."""

    call: Callable[[], Any]
    of_journal: bool = False


Asks: TypeAlias = Generator[Ask, Any, T]


class Sides(Generic[C]):
    """The two clients of a handover, and the book that they share. Raises ConfigurationError where they share none."""

    def __init__(self, old: C, new: C, at: At) -> None:
        self.old, self.new = old, new
        self.given = instants_of(at)
        self.journal = shared_journal(old, new)
        if old.book.account == new.book.account:
            raise ConfigurationError(
                f"old and new are the same account, {old.book.account.rstrip(':')}: where no setting tells two "
                "accounts of a provider apart, they need books of their own, and no handover is possible"
            )

    # ── who bills ────────────────────────────────────────────────────────────────────────────────────────────────────
    def choose(self, command: Command, on: date | None, *, keep: bool) -> C:
        """Return the side that bills a command, by the instant that the book keeps. Reads the journal.

        With `keep` the instants are kept if this is their first use. Raises ConfigurationError for a period, or a day,
        across the instant, for one that an earlier switch of the book leaves to a third account, and for a one-time
        charge without `on`.
        """
        if not isinstance(command, Bill):
            raise ConfigurationError(f"a {command.verb} is no bill: call it on the client of one side, .old or .new")
        _check_on(command, on)
        name, book, target = _customer_of(command), self.old.book, self.new.book.account
        switches = self.journal.switches
        if keep:
            at = switches.keep(book, target, self.given, name, datetime.now(UTC))
        else:
            at = switches.instant(book, target, self.given, name)
        if _is_from(command, on, at, f"{self.old.provider} and {self.new.provider}"):
            return self.new
        left = self._left_before(command, on, switches.earlier(book, target, name))
        if left is None:
            return self.old
        if left.source == target:  # a switch back: the account of that time is the new side
            return self.new
        raise ConfigurationError(
            f"{command.reference!r} is for the time of {left.source.rstrip(':')}, which this book has left for "
            f"{left.target.rstrip(':')} at {_plain(left.at)}; nothing was sent: bill it with a client of that account "
            "alone, with the same journal and book"
        )

    @staticmethod
    def _left_before(command: Bill, on: date | None, switches: Sequence[Kept]) -> Kept | None:
        """Return the first switch of the book that a bill is before, of those before this one; None if it is after."""
        left = None
        for earlier in switches:
            if _is_from(command, on, earlier.at, f"{earlier.source.rstrip(':')} and {earlier.target.rstrip(':')}"):
                break
            left = earlier
        return left

    def other(self, side: C) -> C:
        """Return the other side."""
        return self.old if side is self.new else self.new

    def create(self, command: OneTimeCharge | PeriodInvoice, on: date | None, **options: Any) -> Asks[Invoice]:
        """Make a bill at the side that its period or date says, after the other side was asked for the reference."""
        side = yield Ask(lambda: self.choose(command, on, keep=True), of_journal=True)
        yield from self.look_elsewhere(command, side)
        made: Invoice = yield Ask(lambda: side.create(command, **options))
        return made

    def look_elsewhere(self, command: NewInvoice, side: C) -> Asks[None]:
        """Look a reference up at the other side, by what the journal has of it, else as `find` does.

        A bill there that has ended since is noted in the journal, which frees the reference; every other one makes the
        side's own client raise BilledElsewhere. Raises BilledElsewhere for a bill that the journal does not know.
        """
        other = self.other(side)
        claims = yield Ask(lambda: self._claims(command.reference, other), of_journal=True)
        if not claims:
            if other.lookup in {"auto", "always"}:
                yield from self._find_elsewhere(command, other)
            return
        for claim in claims:
            if claim.state == "unknown":
                yield Ask(lambda: other.resolve(command))  # "absent" ends the claim
            elif claim.invoice_id is not None:
                try:
                    yield _read_at(other, claim.invoice_id)  # void or deleted ends it
                except (ProviderError, Unreachable):  # then it keeps the reference
                    continue

    def _find_elsewhere(self, command: NewInvoice, other: C) -> Asks[None]:
        command = other._resolve_names(command)  # noqa: SLF001
        remedy = 'keep the journal complete and give both clients lookup="journal"'
        if not is_findable(command, other._context.on(command)):  # noqa: SLF001
            raise Unsupported(
                f"{other.provider} would not carry the reference of this bill, so it cannot be looked up at that side "
                "of the switch; nothing was sent",
                remedy=remedy,
            )
        customer = command.customer
        is_there = customer is not None and customer.at(other.provider) is not None
        whose: dict[str, Any] = {"customer": customer} if is_there else {}
        try:
            invoice: Invoice | None = yield Ask(lambda: other.find(command.reference, **whose))
        except NotFound:
            return
        except AlreadyBilled as several:
            invoice = several.existing
        except Unsupported as refusal:
            raise Unsupported(
                f"{refusal.reason}; the other side of the switch is asked before a bill is made, so nothing was sent",
                source=refusal.source,
                remedy=remedy,
            ) from None
        if invoice is not None and invoice.status in {Status.VOID, Status.DELETED}:
            return
        book = other.book
        what = "several invoices" if invoice is None else invoice.id
        raise BilledElsewhere(
            f"the reference {command.reference!r} is already billed by {what} at {book.account.rstrip(':')}, which the "
            f"journal does not know; nothing was sent: void it there, or leave it the bill",
            provider=other.provider,
            account=book.account,
            invoice_id=None if invoice is None else invoice.id,
            state="made",
        )

    def _claims(self, reference: str, side: C) -> list[Any]:
        return [claim for claim in self.journal.claims(side.book, reference) if claim.account == side.book.account]

    # ── who has it ───────────────────────────────────────────────────────────────────────────────────────────────────
    def resolve(self, command: NewInvoice, on: date | None, **options: Any) -> Asks[Resolution]:
        """Resolve a bill at the side where the journal has it, else at the side that bills it."""
        side = yield Ask(lambda: self._side_to_resolve(command, on), of_journal=True)
        resolution: Resolution = yield Ask(lambda: side.resolve(command, **options))
        return resolution

    def _side_to_resolve(self, command: NewInvoice, on: date | None) -> C:
        sides = [side for side in (self.old, self.new) if self._claims(command.reference, side)]
        return sides[0] if len(sides) == 1 else self.choose(command, on, keep=False)

    def by_id(self, invoice_id: str) -> C:
        """Return the side whose bill made an invoice, by the journal. Raises ConfigurationError for one it lacks."""
        sides = [side for side in (self.old, self.new) if self.journal.reference_of(side.book, invoice_id) is not None]
        if len(sides) == 1:
            return sides[0]
        for account in () if sides else self._left():
            if self.journal.reference_of(replace(self.old.book, account=account), invoice_id) is not None:
                raise ConfigurationError(
                    f"the invoice {invoice_id!r} was made at {account.rstrip(':')}, which this book has left; nothing "
                    "was sent: call the verb on a client of that account"
                )
        problem = (
            "both sides have made an invoice of this id" if sides else "the journal does not know which side has it"
        )
        raise ConfigurationError(
            f"the invoice {invoice_id!r}: {problem}; nothing was sent: call the verb on the client of that side, .old "
            f"({self.old.provider}) or .new ({self.new.provider})"
        )

    def _left(self) -> list[str]:
        """Return the accounts that earlier switches of the book have left, but for those of the two sides."""
        sides = {self.old.book.account, self.new.book.account}
        rows = self.journal.switches.rows(self.old.book)
        return [account for account in dict.fromkeys(row.source for row in rows) if account not in sides]

    def _check_not_left(self, reference: str) -> None:
        left = self._left()
        for claim in self.journal.claims(self.old.book, reference) if left else ():
            if claim.account in left:
                raise BilledElsewhere(
                    f"the reference {reference!r} is at {claim.account.rstrip(':')}, which this book has left: find it "
                    "with a client of that account",
                    provider=claim.provider,
                    account=claim.account,
                    invoice_id=claim.invoice_id,
                    state=claim.state,
                )

    def verb(self, invoice_id: str, call: Callable[[C], Any]) -> Asks[Any]:
        """Call a verb at the side that has the invoice."""
        side = yield Ask(lambda: self.by_id(invoice_id), of_journal=True)
        return (yield Ask(lambda: call(side)))

    def find(self, reference: str, customer: CustomerRef | str | None) -> Asks[Invoice]:
        """Find the one invoice of a reference: where the journal has it, else at both sides.

        Raises NotFound, AlreadyBilled if both sides have one that is not withdrawn, and BilledElsewhere if the journal
        has it at an account that an earlier switch has left.
        """
        claimed = yield Ask(
            lambda: [side for side in (self.old, self.new) if self._claims(reference, side)], of_journal=True
        )
        if len(claimed) == 1:
            side = claimed[0]
            invoice: Invoice = yield Ask(lambda: side.find(reference, customer=customer))
            return invoice
        if not claimed:
            yield Ask(lambda: self._check_not_left(reference), of_journal=True)
        both: list[Invoice] = []
        for side in (self.old, self.new):
            try:
                both.append((yield _find_at(side, reference, customer)))
            except NotFound:
                continue
        live = [invoice for invoice in both if invoice.status not in {Status.VOID, Status.DELETED}]
        if len(live) > 1:
            names = " and ".join(f"{invoice.id} ({invoice.provider})" for invoice in live)
            raise AlreadyBilled(f"the reference {reference!r} is on {names}: void one of them", existing=live[0])
        if not both:
            raise NotFound(
                f"no invoice has the reference {reference!r}, at {self.old.provider} or at {self.new.provider}"
            )
        return (live or both)[-1]


def _find_at(side: Any, reference: str, customer: CustomerRef | str | None) -> Ask:
    return Ask(lambda: side.find(reference, customer=customer))


def _read_at(side: Any, invoice_id: str) -> Ask:
    return Ask(lambda: side.retrieve(invoice_id, whole=False))


def instants_of(at: At) -> dict[str, datetime]:
    """Return the instants of a switch by customer, each in its fixed offset. Raises ConfigurationError."""
    given = dict(at) if isinstance(at, Mapping) else {EVERYBODY: at}
    if not given:
        raise ConfigurationError('at has no instant: write one, or one for each customer and "*" for all others')
    for name, instant in given.items():
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ConfigurationError('at maps names of customers to instants; "*" are all others')
        check_instant(instant, "at" if name == EVERYBODY else f"at of {name!r}")
    return {name: in_its_offset(instant) for name, instant in given.items()}


def in_its_offset(instant: datetime) -> datetime:
    """Return an instant in its own fixed offset: a time zone's other offsets would give its days other limits."""
    offset = instant.utcoffset()
    return instant if offset is None else instant.astimezone(timezone(offset))


def shared_journal(old: Any, new: Any) -> Journal:
    """Return the journal that both sides share in one book. Raises ConfigurationError."""
    journals = old.journal, new.journal
    if not all(isinstance(journal, Journal) for journal in journals):
        raise ConfigurationError(
            "both sides need the same journal: pass journal=…, a file or a database, to both clients"
        )
    if journals[0] is not journals[1] and journals[0].path != journals[1].path:
        raise ConfigurationError(
            f"the sides have two journals, {journals[0].path} and {journals[1].path}: neither would know the other's "
            "bills, so pass the same one to both clients"
        )
    if old.book.name != new.book.name:
        raise ConfigurationError(
            f"the sides have two books, {old.book.name!r} and {new.book.name!r}: a reference would be two bills, so "
            "pass the same book= to both clients"
        )
    if not old.book.shares_mode(new.book.mode):
        raise ConfigurationError(
            f"old is in {old.book.mode} mode and new in {new.book.mode} mode: a bill of one is none of the other"
        )
    journal: Journal = journals[0]
    return journal


def _customer_of(command: Bill) -> str | None:
    return None if command.customer is None else command.customer.id


def _check_on(command: Bill, on: date | None) -> None:
    if isinstance(command, PeriodInvoice):
        if on is not None:
            raise ConfigurationError("the start of its period decides who bills a period: leave on= out")
        return
    if on is None:
        raise ConfigurationError(
            f"the one-time charge {command.reference!r} needs on=, the date that it is for: it decides who bills it, "
            "also when the call is repeated later; nothing was sent"
        )
    if not isinstance(on, date):
        raise ConfigurationError("on= must be a date, or an aware datetime")
    if isinstance(on, datetime) and on.utcoffset() is None:
        raise ConfigurationError("on= must be a date, or a datetime with a time zone: this one has none")


def _is_from(command: Bill, on: date | None, at: datetime, accounts: str) -> bool:
    """Return whether a bill is for the time from an instant on; False is before it.

    Raises ConfigurationError for one across it: each of the two accounts bills its part.
    """
    start, end = _span(command, on, at)
    if start < at < end:
        raise ConfigurationError(
            f"{command.reference!r}: {_plain(start)} to {_plain(end)} lies across the switch at {_plain(at)}; nothing "
            f"was sent: bill the part before it and the part from it on as two bills, at {accounts}"
        )
    return start >= at


def _span(command: Bill, on: date | None, at: datetime) -> tuple[datetime, datetime]:
    """Return the time that a bill is for: its period, the day `on` in the offset of the switch, or that instant."""
    if isinstance(command, PeriodInvoice):
        return command.period.start, command.period.end
    if isinstance(on, datetime):
        return on, on
    if on is None:
        raise TypeError("on was checked before")
    try:
        start = datetime(on.year, on.month, on.day, tzinfo=at.tzinfo)
        return start, start + timedelta(days=1)
    except OverflowError:
        raise ConfigurationError(f"on= is {on}, the last day that a computer counts: it is no date of a bill") from None


def _plain(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
