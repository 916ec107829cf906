"""The targets of tools/mutants.py: the files that it changes, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass

PASSED, NOT_COLLECTED = 0, 5
"""Exit codes of pytest."""
TIMEOUT, REFUSED = -101, -102
"""Results of a fork that have no exit code."""
FILES = ("tables.py", "fields.py", "shapes.py", "bills.py", "verbs.py")
CLASSES = {"chargeapi": "TestChargeAPI", "chargebee": "TestChargebee", "stripe": "TestStripe", "whop": "TestWhop"}


@dataclass(frozen=True)
class Target:
    """The files to change, and the tests that must notice."""

    name: str
    files: tuple[str, ...]
    """The files to change, below the package."""
    tests: tuple[str, ...]
    """The tests to run: first those that are fast and likely to fail."""
    types: str
    """The package or module whose types are checked."""
    options: tuple[str, ...] = ()
    """More options for pytest."""

    def tests_of(self, file: str) -> tuple[str, ...]:
        """Return the tests to run for a file: for one of a provider, without those of the other providers alone."""
        if not file.startswith("providers/"):
            return self.tests
        others = [name for name in CLASSES if f"providers/{name}/" not in file]
        words = [word for name in others for word in (f"providers/{name}", f"[{name}]")]
        return tuple(test for test in self.tests if not any(word in test for word in words))


def _provider(name: str) -> Target:
    tests = (
        f"tests/test_golden.py::test_nothing_has_changed_unseen[{name}]",
        f"tests/providers/{name}",
        "tests/test_docs.py",
        f"tests/test_conformance.py::{CLASSES[name]}",
    )
    files = tuple(f"providers/{name}/{file}" for file in FILES)
    return Target(name, files, tests, f"invoice_bridge.providers.{name}")


def _module(name: str, files: str, *tests: str) -> Target:
    paths = tuple(f"tests/{test}" for test in tests)
    return Target(name, tuple(files.split()), paths, "invoice_bridge", options=("-m", "not slow"))


_LOOKUP_TESTS = ("test_lookup.py", "test_resolve.py", "test_client_told.py", "test_idempotency.py")
# tests that take half a minute (conformance, every method under every fault) are omitted, because every survivor would
# need that time; how many more mutants they would kill is not measured. Golden files are compared where a target has
# flows of providers: a flow's requests, its specimens and the words of its refusals are in them
TARGETS = {
    target.name: target
    for target in (
        *map(_provider, CLASSES),
        _module(
            "journal",
            "journal/rows.py journal/store.py journal/sqlite.py journal/recent.py",
            "test_refusals.py",
            "test_attacks.py",
            "test_claims.py",
            "test_digests.py",
            "test_journal.py",
            "test_journal_prune.py",
            "test_one_book.py",
            "test_resolve.py",
            "test_idempotency.py",
            "test_client_failures.py",
        ),
        _module(
            "money",
            "adapter/once.py engine/once.py providers/stripe/payments.py providers/stripe/repayments.py "
            "providers/chargebee/payments.py providers/chargebee/repayments.py providers/whop/repayments.py",
            "providers/stripe/test_stripe_repayments.py",
            "providers/stripe/test_stripe_exactly_once.py",
            "providers/chargebee/test_chargebee_payments.py",
            "providers/chargebee/test_chargebee_repayments.py",
            "providers/chargebee/test_chargebee_refused_again.py",
            "providers/whop/test_whop_repayments.py",
            "test_tables.py",
            "test_money_refusals.py",
            "test_golden.py::test_nothing_has_changed_unseen[whop]",
            "test_golden.py::test_nothing_has_changed_unseen[chargebee]",
            "test_golden.py::test_nothing_has_changed_unseen[stripe]",
        ),
        _module(
            "natives",
            "adapter/native.py adapter/native_bodies.py adapter/kinds.py core/natives.py core/totals.py "
            "providers/chargeapi/native.py providers/chargebee/native.py providers/stripe/native.py "
            "providers/whop/native.py",
            "test_kinds.py",
            "test_native_refusals.py",
            "test_native.py",
            "test_whole_bill.py",
            "test_docs.py",
            "providers/chargebee/test_chargebee_native.py",
            "providers/whop/test_whop_native.py",
            "test_commands.py",
            "test_seeds.py",
        ),
        _module(
            "bills",
            "providers/chargebee/conditions.py providers/chargebee/subscription.py providers/stripe/lines.py "
            "providers/stripe/whole.py client/maps.py",
            "test_profiles.py",
            "test_maps.py",
            "providers/chargebee/test_chargebee_conditions.py",
            "providers/chargebee/test_chargebee_parts.py",
            "providers/chargebee/test_chargebee_whole_bill.py",
            "providers/chargebee/test_chargebee_compared.py",
            "providers/stripe/test_stripe_line_refusals.py",
            "providers/stripe/test_stripe_parts.py",
            "providers/stripe/test_stripe_whole.py",
            "providers/stripe/test_stripe_whole_bill.py",
            "providers/stripe/test_stripe_requests.py",
            "providers/stripe/test_stripe_period.py",
            "test_bill_attacks.py",
            "test_golden.py::test_nothing_has_changed_unseen[chargebee]",
            "test_golden.py::test_nothing_has_changed_unseen[stripe]",
            "test_docs.py",
        ),
        _module(
            "journal/storage",
            "journal/location.py journal/prune.py journal/schema.py journal/database.py journal/sqlite.py",
            "test_refusals.py",
            "test_journal_schema.py",
            "test_journal_prune.py",
            "test_journal_postgres.py",
            "test_journal.py",
            "test_one_book.py",
            "cli/test_journal.py",
        ),
        _module(
            "shapes",
            "adapter/compiled.py adapter/recurring.py adapter/shapes.py adapter/trusted.py",
            "test_shapes.py",
            "test_reading.py",
            "test_unmapped.py",
            "test_rooms.py",
        ),
        _module(
            "transitions",
            "adapter/transitions.py adapter/changes.py providers/chargeapi/tables.py providers/chargebee/tables.py "
            "providers/stripe/tables.py providers/whop/tables.py",
            "test_transitions.py",
            "test_docs.py",
            "test_provider.py",
            "test_matrix.py",
            "providers/chargeapi/test_chargeapi_tables.py",
            "providers/chargeapi/test_chargeapi_verbs.py",
            "providers/chargebee/test_chargebee_tables.py",
            "providers/chargebee/test_chargebee_reading.py",
            "providers/chargebee/test_chargebee_verbs.py",
            "providers/stripe/test_stripe_tables.py",
            "providers/stripe/test_stripe_requests.py",
            "providers/stripe/test_stripe_verbs.py",
            "providers/whop/test_whop_tables.py",
            "providers/whop/test_whop_requests.py",
        ),
        _module(
            "lookup",
            "engine/lookup.py adapter/lookup.py",
            "test_refusals.py",
            "test_attacks.py",
            *_LOOKUP_TESTS,
            "test_find.py",
            "test_find_by_journal.py",
            "test_one_book.py",
            "test_defects.py",
        ),
        _module(
            "outcome",
            "engine/supervise.py adapter/checks.py",
            "test_refusals.py",
            "test_checks.py",
            "test_outcome.py",
            "test_whole_bill.py",
            "test_client_failures.py",
            "test_client_told.py",
            "test_defects.py",
        ),
        _module(
            "explain",
            "explain.py",
            "test_explain_whole.py",
            "test_explain.py",
            "test_losses.py",
            "cli/test_commands.py",
        ),
        _module(
            "losses",
            "core/losses.py adapter/paths.py adapter/rows.py engine/allow.py",
            "test_losses.py",
            "test_explain_whole.py",
            "test_tables.py",
            "test_errors.py",
            "test_commands.py",
            "test_client.py",
            "test_native.py",
            "test_whole_bill.py",
            "test_docs.py",
        ),
        _module(
            "compare/differences",
            "compare/differences.py",
            "compare/test_differences.py",
            "compare/test_kinds.py",
            "compare/test_compare_defects.py",
            "compare/test_same_bill.py",
            "compare/test_allowed.py",
            "compare/test_seeded.py",
        ),
        _module(
            "cassettes/redaction",
            "cassettes/redaction.py",
            "cassettes/test_redaction.py",
            "cassettes/test_redaction_edges.py",
            "cassettes/test_redacted_fields.py",
            "cassettes/test_second_judge.py",
            "cassettes/test_check.py",
            "cassettes/test_again.py",
            "cassettes/test_recorder.py",
        ),
        _module(
            "cassettes/redaction_rules",
            "cassettes/redaction_rules.py",
            "cassettes/test_redaction.py",
            "cassettes/test_redaction_edges.py",
            "cassettes/test_redacted_fields.py",
            "cassettes/test_second_judge.py",
            "cassettes/test_check.py",
            "cassettes/test_again.py",
            "cassettes/test_recorder.py",
        ),
    )
}
