"""Change the adapters one token at a time, and see whether the tests notice.

    make mutants                         60 mutants of each provider, a new seed
    make mutants SEED=7 SAMPLE=100 PROVIDERS="stripe whop"

Mutants come from mutmut, out of each provider's tables, flows and parse; a sample is drawn by the printed seed. A
mutant is killed where the provider's tests, the conformance suite, the check of the generated pages or the types fail.
The exit code is 1 where fewer than 95 % of any provider's sample are killed, or where the tests fail without any
mutant. Survivors are printed.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from mutmut import Context, RelativeMutationID, list_mutations, mutate

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "invoice_bridge"
FILES = ("tables.py", "flows.py", "parse.py")
ENOUGH = 0.95
LONGEST = 300
CLASSES = {"chargeapi": "TestChargeAPI", "chargebee": "TestChargebee", "stripe": "TestStripe", "whop": "TestWhop"}


@dataclass(frozen=True)
class Mutant:
    """One change: the provider, the file, and mutmut's name for it."""

    provider: str
    file: str
    mutation: RelativeMutationID

    def __str__(self) -> str:
        at = self.mutation
        return f"{self.provider}/{self.file}:{at.line_number + 1} #{at.index}  {at.line.strip()}"


def sample(provider: str, size: int, chance: random.Random) -> list[Mutant]:
    """Draw mutants from all that mutmut makes of a provider's files."""
    every = [
        Mutant(provider, file, mutation)
        for file in FILES
        for mutation in list_mutations(
            Context(source=(PACKAGE / "providers" / provider / file).read_text("utf-8"), filename=file)
        )
    ]
    return chance.sample(every, min(size, len(every)))


def passes(provider: str, copy: Path, python: str) -> bool:
    """Whether everything that is to notice a mutant of a provider is content with the copy as it stands."""
    tests = [
        f"tests/test_golden.py::test_nothing_has_changed_unseen[{provider}]",
        f"tests/providers/{provider}",
        "tests/test_docs.py",
        f"tests/test_conformance.py::{CLASSES[provider]}",
    ]
    types = ["mypy", "--cache-dir", str(copy / "mypy"), "-p", f"invoice_bridge.providers.{provider}"]
    place = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(copy), "MYPYPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    for command in (["pytest", "-x", "-q", "-p", "no:cacheprovider", *tests], types):
        try:
            done = subprocess.run(
                [python, "-m", *command], cwd=ROOT, env=place, capture_output=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        if done.returncode != 0:
            return False
    return True


def survives(mutant: Mutant, copy: Path, python: str) -> str | None:
    """Put a mutant into the copy; what it changed where nothing notices, else None."""
    place = copy / "invoice_bridge" / "providers" / mutant.provider / mutant.file
    original = place.read_text("utf-8")
    changed, _ = mutate(Context(source=original, filename=mutant.file, mutation_id=mutant.mutation))
    place.write_text(changed, "utf-8")
    try:
        if not passes(mutant.provider, copy, python):
            return None
        before, after = (set(text.splitlines()) for text in (original, changed))
        return " / ".join(line.strip() for line in after - before)
    finally:
        place.write_text(original, "utf-8")


def main() -> int:
    """Sample, run, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options.add_argument("--sample", type=int, default=60)
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--python", default=sys.executable, help="the python that has the project and its tests")
    options.add_argument("providers", nargs="*", default=list(CLASSES))
    given = options.parse_args()
    print(f"seed {given.seed}, {given.sample} mutants of each of {', '.join(given.providers)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copies: Queue[Path] = Queue()
        for number in range(given.jobs):
            copies.put(Path(shutil.copytree(PACKAGE, Path(folder) / str(number) / "invoice_bridge")).parent)

        def judge(mutant: Mutant) -> str | None:
            copy = copies.get()
            try:
                return survives(mutant, copy, given.python)
            finally:
                copies.put(copy)

        enough = True
        for provider in given.providers:
            if not passes(provider, Path(folder) / "0", given.python):
                print(f"{provider}: the tests fail without any mutant, so a kill would mean nothing")
                return 1
            mutants = sample(provider, given.sample, random.Random(f"{given.seed}:{provider}"))
            with ThreadPoolExecutor(given.jobs) as jobs:
                left = [
                    (mutant, text)
                    for mutant, text in zip(mutants, jobs.map(judge, mutants), strict=True)
                    if text is not None
                ]
            rate = 1 - len(left) / len(mutants)
            enough = enough and rate >= ENOUGH
            print(f"{provider}: {len(mutants) - len(left)} of {len(mutants)} killed, {rate:.1%}", flush=True)
            for mutant, text in left:
                print(f"  survived  {mutant}\n            → {text}", flush=True)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
