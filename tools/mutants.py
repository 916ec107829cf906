"""Change the adapters and the core one token at a time, and check whether the tests notice.

    make mutants                         60 mutants of each target, a new seed
    make mutants SEED=7 SAMPLE=100 TARGETS="stripe journal lookup"

A target is a provider (its tables, fields, shapes, bills and verbs) or another part: journal, journal/storage, lookup,
outcome, explain, losses, compare/differences, cassettes/redaction, transitions, money (verbs that move or record it),
natives (native parameters and totals), bills (a subscription, discounts, tax, products, the maps of a profile), and
the compiler of shapes: tools/mutant_targets.py names their files and tests. Mutants come from
mutmut; the printed seed draws the sample. A mutant of a provider is killed if the provider's tests, the conformance
suite, the check of the generated pages or the type checks fail; a mutant of the core, if the tests of that module or
the type checks fail. The exit code is 1 if fewer than 95 % of any target's sample are killed, or if a control fails:
the unchanged files must pass, and a function that raises must be noticed. The tool prints the survivors, and the time
for each mutant.

Tests run in forks of two processes that are ready (tools/warm_tests.py). First "hot", where a change is put into
functions that exist, and only the tests that enter them run. What survives, or is no change of a function alone, runs
"cold": from the file, with all tests of the target. What survives that goes to mypy.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from time import monotonic
from typing import Any

from mutant_targets import NOT_COLLECTED, PASSED, REFUSED, TARGETS, TIMEOUT, Target
from mutmut import Context, RelativeMutationID, list_mutations, mutate

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "invoice_bridge"
ENOUGH = 0.95
LONGEST = 300
"""Seconds of the type checks; tests have ten times as long as they took unchanged, and a minute."""


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


class ControlFailed(Exception):
    """The tests fail without any mutant, or they do not notice one that cannot be missed."""


class Tester:
    """A process that runs tests in forks of itself."""

    def __init__(self, python: str, mode: str, copy: Path, listed: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [python, str(ROOT / "tools" / "warm_tests.py"), mode, str(copy), listed, "--", *arguments],
            cwd=ROOT,
            env=environment(copy),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready = self._read()

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ControlFailed("the tests cannot be collected without any mutant")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process: it stops where its stdin ends."""
        self.process.communicate()


def environment(copy: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{copy}:{ROOT}",
        "MYPYPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",  # two mutants within a second may have one size
        "WARM_TESTS_NOTES": str(copy / "entered.json"),
    }


@dataclass
class Bench:
    """A copy of the package, and the two processes that test it."""

    copy: Path
    python: str
    target: Target
    hot: Tester
    cold: Tester
    seconds: float = LONGEST
    first: Counter[str] = field(default_factory=Counter)
    """The mutants that each argument's tests noticed: those that notice much run first."""

    def put(self, file: str, text: str) -> str:
        """Write a file of the copy; return what was in it."""
        place = self.copy / "invoice_bridge" / file
        before = place.read_text("utf-8")
        place.write_text(text, "utf-8")
        return before

    def last(self, mode: str) -> str:
        """Return the end of what the tests printed."""
        return (self.copy / f"{mode}.txt").read_text("utf-8", "replace")[-2000:]

    def in_functions(self, file: str, old: str, new: str) -> dict[str, Any]:
        return self.hot.ask(do="change", file=file, old=old, new=new)

    def from_file(self, tests: tuple[str, ...]) -> dict[str, Any]:
        """Run the tests that noticed most so far, then the others: most mutants need no more than the first file."""
        ordered = sorted(tests, key=lambda test: -self.first[test])
        seconds = 0.0
        for some in (ordered[:1], ordered[1:]):
            done = self.cold.ask(tests=some, seconds=self.seconds) if some else {"code": PASSED, "seconds": 0.0}
            seconds += done["seconds"]
            if done["code"] not in {PASSED, NOT_COLLECTED}:
                break
        self.first.update(test for test in tests if done.get("failed", "").startswith(test))
        return done | {"seconds": seconds}

    def check_types(self) -> bool:
        types = ["mypy", "--cache-dir", str(self.copy / "mypy"), "-p", self.target.types]
        try:
            done = subprocess.run(
                [self.python, "-m", *types],
                cwd=ROOT,
                env=environment(self.copy),
                capture_output=True,
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def survives(self, mutant: Mutant) -> tuple[str, str]:
        """Put a mutant into the copy and run the checks; return what noticed it, or "" and the changed lines."""
        original = (PACKAGE / mutant.file).read_text("utf-8")
        changed, _ = mutate(Context(source=original, filename=mutant.file, mutation_id=mutant.mutation))
        self.put(mutant.file, changed)
        try:
            for way, done in (
                ("hot", lambda: self.in_functions(mutant.file, original, changed)),
                ("cold", lambda: self.from_file(self.target.tests_of(mutant.file))),
            ):
                code = done()["code"]
                if code not in {PASSED, NOT_COLLECTED, REFUSED}:
                    return "late" if code == TIMEOUT else way, ""
            if not self.check_types():
                return "types", ""
        finally:
            self.put(mutant.file, original)
        before, after = (set(text.splitlines()) for text in (original, changed))
        return "", " / ".join(line.strip() for line in after - before)

    def check_controls(self, learned: dict[str, Any] | None) -> dict[str, Any]:
        """Check that unchanged code passes and a raising function is noticed; return which tests enter which code."""
        done = self.from_file(self.target.tests)
        if done["code"] != PASSED:
            raise ControlFailed(f"the tests fail without any mutant: {self.last('cold')}")
        self.seconds = 60 + 10 * done["seconds"]
        if learned is None:
            done = self.hot.ask(do="enter", file=self.target.files[0], old="", new="")
            if done["code"] != PASSED:
                raise ControlFailed(f"the tests fail with code that is equal: {self.last('hot')}")
            learned = json.loads(Path(done["entered"]).read_text("utf-8"))
        self.hot.ask(do="learn", **learned)
        self._check_noticed(learned["by"])
        if not self.check_types():
            raise ControlFailed("the type checks fail without any mutant")
        return learned

    def _check_noticed(self, entered: list[Any]) -> None:
        """Let the function that most tests enter raise: both ways must notice it."""
        _, name, line, _ = max(entered, key=lambda row: ("" not in row[3], not row[1].endswith(">"), len(row[3])))
        place = next(row[0] for row in entered if (row[1], row[2]) == (name, line))
        file = str(Path(place).relative_to(self.copy / "invoice_bridge"))
        original = (PACKAGE / file).read_text("utf-8")
        tree = ast.parse(original)
        for node in ast.walk(tree):
            starts = (
                {node.lineno, *(one.lineno for one in node.decorator_list)}
                if isinstance(node, ast.FunctionDef)
                else set()
            )
            if line in starts:
                node.body.insert(0, ast.parse("raise RuntimeError('control')").body[0])
        changed = ast.unparse(tree)
        self.put(file, changed)
        try:
            codes = {self.in_functions(file, original, changed)["code"], self.from_file(self.target.tests)["code"]}
        finally:
            self.put(file, original)
        if codes & {PASSED, NOT_COLLECTED, TIMEOUT} or codes == {REFUSED}:
            raise ControlFailed(f"no test notices that {file}:{line} {name} raises: {codes}")


def test_target(
    target: Target, mutants: list[Mutant], copies: list[Path], python: str
) -> tuple[list[tuple[str, str]], float]:
    """Return for each mutant what noticed it, or "" and the changed lines; and the seconds without the controls."""
    with ExitStack() as stack:
        benches: Queue[Bench] = Queue()
        learned: dict[str, Any] | None = None
        for copy in copies:
            hot = Tester(python, "hot", copy, " ".join(target.files), *target.tests, *target.options)
            stack.callback(hot.close)
            cold = Tester(python, "cold", copy, " ".join(hot.ready["modules"]), *target.options)
            stack.callback(cold.close)
            bench = Bench(copy, python, target, hot, cold)
            learned = bench.check_controls(learned)
            benches.put(bench)

        def check(mutant: Mutant) -> tuple[str, str]:
            bench = benches.get()
            try:
                way, text = bench.survives(mutant)
            finally:
                benches.put(bench)
            print(f"  {way or 'survived':<8}  {mutant}", file=sys.stderr, flush=True)
            return way, text

        began = monotonic()
        with ThreadPoolExecutor(len(copies)) as jobs:
            return list(jobs.map(check, mutants)), monotonic() - began


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
        copies = [Path(folder) / str(number) for number in range(given.jobs)]
        for copy in copies:
            shutil.copytree(PACKAGE, copy / "invoice_bridge")
            compile_dir(copy, quiet=2)  # otherwise every run compiles the whole package; a mutant's file is newer
        enough = True
        for target in map(TARGETS.__getitem__, names):
            mutants = sample(target, given.sample, random.Random(f"{given.seed}:{target.name}"))
            try:
                results, seconds = test_target(target, mutants, copies, given.python)
            except ControlFailed as error:
                print(f"{target.name}: {error}")
                return 1
            survivors = [(mutant, text) for mutant, (way, text) in zip(mutants, results, strict=True) if not way]
            rate, each = 1 - len(survivors) / len(mutants), seconds * given.jobs / len(mutants)
            enough = enough and rate >= ENOUGH
            ways = ", ".join(
                f"{way} {count}" for way, count in sorted(Counter(way for way, _ in results if way).items())
            )
            killed = f"{len(mutants) - len(survivors)} of {len(mutants)} killed ({ways})"
            print(f"{target.name}: {killed}, {rate:.1%}; {each:.1f} s a mutant", flush=True)
            for mutant, text in survivors:
                print(f"  survived  {mutant}\n            → {text}", flush=True)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
