"""Imports of history: what becomes of each field, once, and without a charge."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from invoice_bridge.adapter.provider import Context, Provider
from invoice_bridge.client.clients import Client
from invoice_bridge.core.commands import IMPORT_LEAVES, ImportInvoice
from invoice_bridge.core.errors import LossyTranslation
from invoice_bridge.core.losses import Severity
from invoice_bridge.core.model import Invoice
from invoice_bridge.core.wire import Effect
from invoice_bridge.emulator import Emulator, EmulatorTransport
from invoice_bridge.explain import Plan, origin, request_leaves
from invoice_bridge.testing.conformance.base import Checks, lookup_mode, plan_of, shown
from invoice_bridge.testing.documents import documents
from invoice_bridge.testing.import_variants import ONE_VALUE, import_variants, leaves_with_import_variants
from invoice_bridge.testing.metamorphic import contradiction

_MOVES = frozenset({Effect.COLLECTS, Effect.REFUNDS})


class ImportChecks(Checks):
    """Imports of history: what becomes of each field, once, and without a charge.

    A provider that takes no history says so by `import_invoice=cannot(…)`, and these checks are skipped.
    """

    @pytest.fixture
    def importer(self, declared: Provider) -> Provider:
        """The provider, if it takes history."""
        self.needs(declared, "import_invoice")
        if declared.flows.import_invoice is None:
            pytest.skip(f"{declared.title} has no import yet: test_every_verb_is_built_or_refused_with_a_source fails")
        return declared

    def possible_imports(self, context: Context, emulator: Emulator) -> list[tuple[ImportInvoice, Plan]]:
        """Return the documents that the provider accepts, with their plans; at least one."""
        planned = [(command, plan_of(command, context)) for command in documents(emulator.customer)]
        found = [(command, made) for command, made in planned if made.refusal is None]
        assert found, f"{self.provider} refuses every import: {planned[0][1].refusal}"
        return found

    def carry_in(self, client: Client, command: ImportInvoice, made: Plan) -> Invoice:
        """Import a document, allowing all of its losses by name."""
        return client.import_invoice(command, allow=[loss.code for loss in made.losses])

    def test_every_leaf_of_an_import_has_a_row(self, importer: Provider) -> None:
        """Every field that a document can state has a row, and no row is about another field."""
        spoken_of = {row.path for row in importer.import_fields if row.path}
        missing = [leaf for leaf in IMPORT_LEAVES if leaf not in spoken_of]
        assert not missing, f"add a row to IMPORT_FIELDS of {importer.name} for {', '.join(missing)}"
        assert sorted(spoken_of - set(IMPORT_LEAVES)) == []
        assert {row.verbs for row in importer.import_fields} == {("import_invoice",)}
        unknown = sorted(spoken_of - leaves_with_import_variants())
        assert not unknown, f"testing/import_variants.py lacks a variant for {', '.join(unknown)}"

    def test_rows_of_imports_have_sources_and_codes(self, importer: Provider) -> None:
        """Each row names its source in the documentation; each loss has one code, a reason and the value sent."""
        sources = [row.source for row in importer.import_fields] + [row.source for row in importer.import_limits]
        assert [source for source in sources if not source.strip()] == []
        losing = [row for row in importer.import_fields if row.code]
        codes = [row.code for row in losing]
        assert len(codes) == len(set(codes))
        assert [row.code for row in losing if not (row.why and row.sent)] == []
        pattern = rf"IB-{importer.name.upper()}-IMPORT-[A-Z-]+-\d\d"
        assert [code for code in codes if not re.fullmatch(pattern, code)] == []

    @pytest.mark.parametrize("leaf", sorted(set(IMPORT_LEAVES) - ONE_VALUE))
    def test_a_row_of_an_import_tells_the_truth(
        self, importer: Provider, context: Context, emulator: Emulator, leaf: str
    ) -> None:
        """Changing one leaf changes the body, the branch, or nothing, as its row says."""
        possible = [command for command, _ in self.possible_imports(context, emulator)]
        pairs = [pair for command in possible for pair in import_variants(command, leaf)]
        if not pairs and any(row.refuses for row in importer.import_fields):  # only refused kinds of documents have it
            everything = list(documents(emulator.customer))
            assert [pair for command in everything for pair in import_variants(command, leaf)]
            pytest.skip(f"{importer.title} refuses every document that has {leaf}")
        assert pairs, f"no import can be made that differs in {leaf} alone: see testing/import_variants.py"
        wrong = [said for one, two in pairs if (said := contradiction(one, two, leaf, context)) is not None]
        assert not wrong, "\n".join(sorted(set(wrong)))

    def test_every_field_of_an_import_has_an_origin(
        self, importer: Provider, context: Context, emulator: Emulator
    ) -> None:
        """Every value that is sent comes from a field of the document, or is a constant that a row explains."""
        shapes = {
            shape
            for _, made in self.possible_imports(context, emulator)
            for request in made.requests
            for _, shape, _ in request_leaves(request)
        }
        assert shapes
        assert {shape for shape in shapes if origin(importer.import_fields, shape) is None} == set()

    def test_history_is_not_a_charge(self, importer: Provider, context: Context, emulator: Emulator) -> None:
        """No import collects or refunds; a settled document is not mailed, and an open one only on request."""
        for command, made in self.possible_imports(context, emulator):
            assert not made.effects & _MOVES, command.reference
            if command.is_settled or not command.mail:
                assert Effect.MAILS not in made.effects, command.reference
            fresh: Emulator = importer.emulator()
            with self.importing(fresh, context) as client:
                self.carry_in(client, command, made)
            events = {entry.event for entry in fresh.ledger}
            assert not events & {"collected", "refunded"}, command.reference
            assert command.mail or "mailed" not in events, command.reference

    def importing(self, emulator: Emulator, context: Context) -> Client:
        """Return a client of a fresh emulator."""
        http = httpx.Client(transport=EmulatorTransport(emulator, context.base_url))
        return Client(
            self.provider, api_key=emulator.key, http=http, lookup=lookup_mode(context.provider), **emulator.settings
        )

    def test_an_import_ends_as_the_document_did(self, importer: Provider, context: Context, emulator: Emulator) -> None:
        """Read back, each import has the status of the document, or is a draft if it was not to be armed."""
        for command, made in self.possible_imports(context, emulator):
            fresh: Emulator = importer.emulator()
            with self.importing(fresh, context) as client:
                done = self.carry_in(client, command, made)
                again = client.retrieve(done.id)
            assert again.status is done.status
            assert again.status is command.status or not command.armed
            stated = {again.total, again.subtotal} - {None}
            grave = [loss.code for loss in made.losses if loss.severity is Severity.CHANGES_MONEY]
            assert command.total in stated or grave, command.reference

    def test_an_import_is_made_once(self, importer: Provider, context: Context, emulator: Emulator) -> None:
        """The same document imported by two clients in turn, each after a lookup, is one invoice."""
        for command, made in self.possible_imports(context, emulator):
            fresh: Emulator = importer.emulator()
            with self.meeting(fresh, context, lookup="always") as (client, _):
                first = self.carry_in(client, command, made)
            with self.meeting(fresh, context, lookup="always") as (client, transport):
                again = self.carry_in(client, command, made)
            assert again.id == first.id, command.reference
            assert [request for request in transport.sent if request.method != "GET"] == [], command.reference

    def test_what_is_explained_of_an_import_is_what_is_sent(
        self, importer: Provider, context: Context, emulator: Emulator
    ) -> None:
        """The same writes in the same order: method, address, content and key."""
        for command, made in self.possible_imports(context, emulator):
            transport = EmulatorTransport(importer.emulator(), context.base_url)
            with httpx.Client(transport=transport) as http:
                client = Client(
                    self.provider,
                    api_key=emulator.key,
                    http=http,
                    lookup=lookup_mode(context.provider),
                    **emulator.settings,
                )
                self.carry_in(client, command, made)
            explained = [shown(request)[:3] for request in made.requests if request.writes]
            sent = [shown(request)[:3] for request in transport.sent if request.writes]
            assert len(explained) == len(sent), command.reference
            for one, other in zip(_comparable(explained), _comparable(sent), strict=True):
                assert one[:2] == other[:2], command.reference
                assert re.fullmatch(_template(one[2]), other[2]), command.reference

    def test_a_loss_of_an_import_stops_it_before_anything_is_sent(
        self, importer: Provider, client: Client, transport: EmulatorTransport, context: Context, emulator: Emulator
    ) -> None:
        """Every row of a severe loss applies to some document, which is refused unless the loss is allowed by name."""
        rows = [row for row in importer.import_fields if row.code and row.severity is not Severity.INFO]
        rows = [row for row in rows if row.clock is None]
        assert rows, f"no row of {importer.title} is a loss that stops an import"
        met: set[str] = set()
        for command in self.changed(context, emulator):
            losses = plan_of(command, context).losses
            grave = {loss.code for loss in losses if loss.severity is not Severity.INFO}
            if grave <= met:
                continue
            with pytest.raises(LossyTranslation) as refused:
                client.import_invoice(command)
            assert {loss.code for loss in refused.value.losses} == grave
            assert refused.value.outcome == "nothing_done"
            met |= grave
        assert transport.sent == []
        assert [row.code for row in rows if row.code not in met | self.losses_elsewhere] == []

    def changed(self, context: Context, emulator: Emulator) -> Iterator[ImportInvoice]:
        """Return the documents that the provider accepts, then those accepted with one leaf changed."""
        possible = [command for command, _ in self.possible_imports(context, emulator)]
        yield from possible
        for leaf in IMPORT_LEAVES:
            for command in possible:
                for pair in import_variants(command, leaf):
                    for other in pair:
                        if plan_of(other, context).refusal is None:
                            yield other


def _template(content: bytes) -> bytes:
    """A pattern of what is sent: an id stands where what is explained has the name of an earlier answer's."""
    pieces = re.split(rb"%7B[a-z_0-9]+\.id%7D|\{[a-z_0-9]+\.id\}", content)
    return b"[A-Za-z0-9_]+".join(map(re.escape, pieces))


def _comparable(requests: list[tuple[str, str, bytes]]) -> list[tuple[str, str, bytes]]:
    """Return requests without the values of earlier answers, whose places in addresses may have an id."""
    return [
        (method, re.sub(r"(\{|%7B)[A-Za-z_.]+(\}|%7D)|(?<=/)[a-z]+_[0-9a-zA-Z]+(?=/|$)", "*", url), content)
        for method, url, content in requests
    ]
