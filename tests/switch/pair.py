"""Two emulators, and clients of both that share a journal; a process that can be stopped at each of its edges."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from invoice_bridge import (
    AsyncClient,
    BridgeError,
    Client,
    CustomerRef,
    Handover,
    Invoice,
    Journal,
    Line,
    Money,
    OneTimeCharge,
    Period,
    PeriodInvoice,
    providers,
)
from invoice_bridge.emulator import EmulatorTransport, FakeClock, Fault, Faults
from invoice_bridge.explain import make_context
from tests.databases import Place

AT = datetime(2026, 12, 1, tzinfo=UTC)
HOSTS = {"stripe": "http://127.0.0.1:1", "whop": "http://127.0.0.1:1/api/v1"}  # neither host says "live"


class Killed(BaseException):
    """The process was stopped here."""


class Edges:
    """Counts the edges that a process passes, and stops it at one; `between` runs before every request."""

    def __init__(
        self, stop: int | None = None, *, loses: bool = False, between: Callable[[], None] | None = None
    ) -> None:
        self.left, self.loses, self.between, self.passed = stop, loses, between, 0

    def step(self, *, answered: bool = False) -> None:
        """Pass one edge."""
        self.passed += 1
        if self.left is None:
            return
        self.left -= 1
        if self.left == 0:
            if self.loses and answered:
                raise httpx.ReadError("the answer was lost")
            raise Killed


class EdgedTransport(httpx.BaseTransport):
    """A transport with an edge before each request and one after it."""

    def __init__(self, inner: httpx.BaseTransport, edges: Edges) -> None:
        self.inner, self.edges = inner, edges

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.edges.step()
        if self.edges.between is not None:
            self.edges.between()
        answer = self.inner.handle_request(request)
        self.edges.step(answered=True)
        return answer


class EdgedJournal(Journal):
    """A journal with an edge before each write and one after it."""

    edges = Edges()

    def intend(self, *arguments: Any, **named: Any) -> int:
        self.edges.step()
        number = super().intend(*arguments, **named)
        self.edges.step()
        return number

    def conclude(self, *arguments: Any, **named: Any) -> None:
        self.edges.step()
        super().conclude(*arguments, **named)
        self.edges.step()


class Shop:
    """One provider's emulator."""

    def __init__(self, name: str, *faults: Fault, skew: timedelta = timedelta()) -> None:
        self.name, declared = name, providers.get(name)
        self.emulator: Any = declared.emulator(clock=FakeClock(datetime.now(UTC) + skew))
        self.settings: dict[str, Any] = {**self.emulator.settings, **self.emulator.reference_settings}
        self.root = make_context(declared, self.settings, HOSTS.get(name)).base_url
        self.transport = EmulatorTransport(Faults(self.emulator, faults), self.root)

    def _arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"api_key": self.emulator.key, "base_url": self.root, **self.settings, **given}

    def client(self, edges: Edges | None = None, **given: Any) -> Client:
        """Make a client; without a journal it looks nothing up."""
        transport = self.transport if edges is None else EdgedTransport(self.transport, edges)
        how = {"lookup": "journal" if given.get("journal") else "never"} | given
        return Client(self.name, http=httpx.Client(transport=transport), **self._arguments(how))

    def async_client(self, **given: Any) -> AsyncClient:
        """Make an asynchronous client."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.transport.handle_request))
        return AsyncClient(self.name, http=http, **self._arguments(given))

    def bills(self) -> list[Invoice]:
        """List what is there and not withdrawn, as an observer who writes no journal."""
        with self.client() as client:
            return [invoice for invoice in client.list(full=True) if invoice.status not in {"void", "deleted"}]

    def pay_all(self) -> None:
        """Have every open invoice paid at the source."""
        with self.client() as client:
            for invoice in self.bills():
                if invoice.status == "open":
                    client.mark_paid(invoice.id)

    @property
    def requests(self) -> int:
        """How many requests reached the emulator."""
        return len(self.transport.sent)


class Pair:
    """An old and a new provider."""

    def __init__(self, place: Place, old: str = "stripe", new: str = "chargebee", **how: Any) -> None:
        self.place, self.old, self.new = place, Shop(old, **how), Shop(new, **how)

    @property
    def customer(self) -> CustomerRef:
        """The customer, by the ids of both."""
        return CustomerRef(id="acme", ids={shop.name: shop.emulator.customer for shop in (self.old, self.new)})

    def handover(self, at: Any = AT, *, edges: Edges | None = None, **given: Any) -> Handover:
        """Make a handover, as a process of its own."""
        journal: Any = Journal(self.place)
        if edges is not None:
            journal = EdgedJournal(self.place)
            journal.edges = edges
        named = {"journal": journal, **given}
        return Handover(self.old.client(edges, **named), self.new.client(edges, **named), at=at)

    def period(self, month: int, year: int = 2026, **given: Any) -> PeriodInvoice:
        """The bill of a month."""
        lines = [Line(description="Charging", amount=Money(2500, "EUR"))]
        least: dict[str, Any] = {
            "reference": f"flt/{year}-{month:02}",
            "customer": self.customer,
            "period": Period.month(year, month),
            "currency": "EUR",
            "lines": lines,
        }
        return PeriodInvoice(**(least | given))

    def charge(self, **given: Any) -> OneTimeCharge:
        """A one-time charge."""
        least: dict[str, Any] = {"reference": "res-1", "customer": self.customer, "amount": Money(2500, "EUR")}
        return OneTimeCharge(**(least | given))

    def bills(self, reference: str) -> list[Invoice]:
        """What both have of a reference, and is not withdrawn."""
        return [invoice for shop in (self.old, self.new) for invoice in shop.bills() if invoice.reference == reference]

    def attempt(self, handover: Handover, bill: Any, **given: Any) -> BaseException | None:
        """Make a bill as a process that may be stopped; return what it ended with."""
        try:
            with suppress(AttributeError):
                handover.create(bill, allow=ALLOWED, **given)
        except (BridgeError, Killed) as error:
            return error
        finally:
            handover._sides.journal.close()
        return None


ALLOWED = ["tax"]
