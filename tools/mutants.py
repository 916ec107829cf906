"""Change the adapters and the core one token at a time, and check whether the tests notice.

    make mutants                         60 mutants of each target, a new seed
    make mutants SEED=7 SAMPLE=100 TARGETS="stripe journal lookup"

A target is a provider (its tables, fields, shapes, bills and verbs) or another part: journal, journal/storage, lookup,
outcome, explain, losses, compare/differences, cassettes/redaction, transitions, money (verbs that move or record it),
natives (native parameters and totals), bills (a subscription, discounts, tax, products, the maps of a profile), and
the compiler of shapes. Mutants come from
mutmut; the printed seed draws the sample. A mutant of a provider is killed if the provider's tests, the conformance
suite, the check of the generated pages or the type checks fail; a mutant of the core, if the tests of that module or
the type checks fail. The exit code is 1 if fewer than 95 % of any target's sample are killed, or if the tests fail
without a mutant. The tool prints the survivors, and the time for each mutant.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from time import monotonic

from mutmut import Context, RelativeMutationID, list_mutations, mutate

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "invoice_bridge"
FILES = ("tables.py", "fields.py", "shapes.py", "bills.py", "verbs.py")
ENOUGH = 0.95
LONGEST = 300
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


@dataclass(frozen=True)
class Mutant:
    """One change: the target, the file below the package, and mutmut's name for it."""

    target: Target
    file: str
    mutation: RelativeMutationID

    def __str__(self) -> str:
        change = self.mutation
        return f"{self.file}:{change.line_number + 1} #{change.index}  {change.line.strip()}"


def sample(target: Target, size: int, chance: random.Random) -> list[Mutant]:
    """Draw mutants from all that mutmut makes of a target's files."""
    every = [
        Mutant(target, file, mutation)
        for file in target.files
        for mutation in list_mutations(Context(source=(PACKAGE / file).read_text("utf-8"), filename=file))
    ]
    return chance.sample(every, min(size, len(every)))


def passes(target: Target, tests: tuple[str, ...], copy: Path, python: str) -> bool:
    """Return whether these tests and the type checks of a target pass with the copy."""
    types = ["mypy", "--cache-dir", str(copy / "mypy"), "-p", target.types]
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(copy),
        "MYPYPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for command in (["pytest", "-x", "-q", "-p", "no:cacheprovider", *target.options, *tests], types):
        try:
            done = subprocess.run(
                [python, "-m", *command], cwd=ROOT, env=environment, capture_output=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        if done.returncode != 0:
            return False
    return True


def survives(mutant: Mutant, copy: Path, python: str) -> str | None:
    """Put a mutant into the copy and run the checks; return the changed lines if it survives, else None."""
    place = copy / "invoice_bridge" / mutant.file
    original = place.read_text("utf-8")
    changed, _ = mutate(Context(source=original, filename=mutant.file, mutation_id=mutant.mutation))
    place.write_text(changed, "utf-8")
    try:
        if not passes(mutant.target, mutant.target.tests_of(mutant.file), copy, python):
            return None
        before, after = (set(text.splitlines()) for text in (original, changed))
        return " / ".join(line.strip() for line in after - before)
    finally:
        place.write_text(original, "utf-8")


def main() -> int:
    """Draw the samples, run the checks and print the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options.add_argument("--sample", type=int, default=60)
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument(
        "--python", default=sys.executable, help="the Python of the environment with the project and its tests"
    )
    options.add_argument("targets", nargs="*", metavar="target", help=f"one of {', '.join(TARGETS)} (default: all)")
    given = options.parse_args()
    names = given.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        options.error(f"unknown targets: {', '.join(unknown)}; the targets are {', '.join(TARGETS)}")
    if given.sample < 1 or given.jobs < 1:
        options.error("--sample and --jobs must be 1 or more")
    print(f"seed {given.seed}, {given.sample} mutants of each of {', '.join(names)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copies: Queue[Path] = Queue()
        for number in range(given.jobs):
            copy = Path(shutil.copytree(PACKAGE, Path(folder) / str(number) / "invoice_bridge"))
            compile_dir(copy, quiet=2)  # otherwise every run compiles the whole package; a mutant's file is newer
            copies.put(copy.parent)

        def check(mutant: Mutant) -> str | None:
            copy = copies.get()
            try:
                return survives(mutant, copy, given.python)
            finally:
                copies.put(copy)

        enough = True
        for target in map(TARGETS.__getitem__, names):
            if not passes(target, target.tests, Path(folder) / "0", given.python):
                print(f"{target.name}: the tests fail without any mutant: fix them first")
                return 1
            mutants, began = sample(target, given.sample, random.Random(f"{given.seed}:{target.name}")), monotonic()
            with ThreadPoolExecutor(given.jobs) as jobs:
                survivors = [
                    (mutant, text)
                    for mutant, text in zip(mutants, jobs.map(check, mutants), strict=True)
                    if text is not None
                ]
            rate, each = 1 - len(survivors) / len(mutants), (monotonic() - began) * given.jobs / len(mutants)
            enough = enough and rate >= ENOUGH
            killed = f"{len(mutants) - len(survivors)} of {len(mutants)} killed"
            print(f"{target.name}: {killed}, {rate:.1%}; {each:.0f} s a mutant", flush=True)
            for mutant, text in survivors:
                print(f"  survived  {mutant}\n            → {text}", flush=True)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
