"""Feed hostile input, guided by coverage, to every function that reads untrusted data.

    make fuzz                                   1,000,000 inputs over all targets
    make fuzz RUNS=5000000 TARGETS="decode-stripe bill"
    .venv-soak/bin/python tools/fuzz.py --again .fuzz/bill/found-1f3a…      one input again

tests/hostile/targets.py has the targets and the errors that each may raise. Each target begins with the emulators'
own answers and with the corpus of earlier runs under .fuzz (not in git). The tool prints a table and saves each
finding to a file. The exit code is 1 if there is a finding, or if fewer inputs ran than requested.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".fuzz"
LONGEST_INPUT = 5000
HANGS = 30
"""Seconds after which an input counts as one that never ends; a second of computing is already a finding."""
# Fast targets get more inputs.
WEIGHTS = {"error": 8, "json": 6, "money": 20}


# ── one target, in its own process ──────────────────────────────────────────────────────────────────────────────
def fuzz(name: str, runs: int, seed: int) -> None:
    """Feed one target until `runs` inputs have run or one is a finding; libFuzzer ends the process."""
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["invoice_bridge"]):
        from tests.hostile.targets import NAMES, TARGETS, providers

        for provider in NAMES:  # a provider loads on first use; only modules loaded here are instrumented
            providers.get(provider)
    from tests.hostile.mutations import mutated

    target = TARGETS[name]
    corpus = PLACE / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for data in target.seeds:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def mutate(data: bytes, most: int, chance: int) -> bytes:
        """Change the input: half of the changes keep a document's structure, the other half are libFuzzer's."""
        generator = random.Random(chance)
        changed = mutated(data, generator) if generator.random() < 0.5 else atheris.Mutate(data, most)
        return changed[:most]

    options = {
        "-runs": runs,
        "-seed": seed,
        "-max_len": LONGEST_INPUT,
        "-timeout": HANGS,
        "-rss_limit_mb": 2048,
        "-artifact_prefix": f"{PLACE / name}/found-",
        "-print_final_stats": 1,
    }
    arguments = [sys.argv[0], *(f"{option}={value}" for option, value in options.items()), str(corpus)]
    atheris.Setup(arguments, target, custom_mutator=mutate)
    atheris.Fuzz()


# ── the whole run ────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Result:
    """The result of one target."""

    name: str
    requested: int
    inputs: int
    edges: str
    features: str
    corpus: str
    seconds: float
    finding: Path | None
    output: str

    @property
    def is_good(self) -> bool:
        """Return whether all inputs ran and none was a finding."""
        return self.finding is None and self.inputs >= self.requested

    def row(self) -> str:
        """Return the target's line of the table."""
        state = "ok" if self.is_good else f"FOUND {self.finding}" if self.finding else "STOPPED"
        numbers = f"{self.inputs:>9,} {self.edges:>6} {self.features:>8} {self.corpus:>6} {self.seconds:>8.0f}"
        return f"{self.name:<20} {numbers}  {state}"


def run(name: str, runs: int, seed: int) -> Result:
    """Fuzz one target in its own process, and read its output."""
    PLACE.joinpath(name).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    command = [sys.executable, __file__, "--target", name, "--runs", str(runs), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, check=False)
    text = done.stderr.decode("utf-8", "replace") + done.stdout.decode("utf-8", "replace")
    last = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
    counts = re.findall(r"number_of_executed_units: (\d+)", text) or re.findall(r"^#(\d+)", text, re.MULTILINE)
    findings = re.findall(r"Test unit written to (.+)", text)
    problem = done.returncode != 0
    return Result(
        name,
        runs,
        int(counts[-1]) if counts else 0,
        *(last[-1] if last else ("?", "?", "?")),
        time.monotonic() - began,
        Path(findings[-1].strip()).relative_to(ROOT) if findings else PLACE / name if problem else None,
        text[-3000:],
    )


def _environment() -> dict[str, str]:
    """Return the environment of every run, without keys or proxies of a developer's shell."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "LANG"}}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def shares(names: list[str], runs: int) -> dict[str, int]:
    """Return the number of inputs for each target; together at least `runs`."""
    weights = {name: WEIGHTS.get(name.partition("-")[0], 1) for name in names}
    return {name: -(-runs * weight // sum(weights.values())) for name, weight in weights.items()}


def again(path: Path) -> None:
    """Feed one saved input again; its folder has the target's name."""
    sys.path.insert(0, str(ROOT))
    from tests.hostile.targets import TARGETS

    TARGETS[path.resolve().parent.name](path.read_bytes())
    print("no finding")


def main() -> int:
    """Fuzz every target and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1_000_000, help="inputs, over all targets together")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--target", help=argparse.SUPPRESS)
    options.add_argument("--again", type=Path, metavar="FILE", help="feed one saved input, without the fuzzer")
    options.add_argument("targets", nargs="*")
    given = options.parse_args()
    if given.again:
        again(given.again)
        return 0
    if given.target:
        fuzz(given.target, given.runs, given.seed)
        return 0
    sys.path.insert(0, str(ROOT))
    from tests.hostile.targets import TARGETS

    if unknown := set(given.targets) - set(TARGETS):
        options.error(f"unknown targets: {', '.join(sorted(unknown))}; the targets are {', '.join(TARGETS)}")
    requested = shares(given.targets or list(TARGETS), given.runs)
    print(f"seed {given.seed}, {given.jobs} at a time; edges and features by libFuzzer's count", flush=True)
    print(f"{'target':<20} {'inputs':>9} {'edges':>6} {'features':>8} {'corpus':>6} {'seconds':>8}", flush=True)
    began = time.monotonic()
    results: list[Result] = []
    with ThreadPoolExecutor(given.jobs) as jobs:
        for result in jobs.map(lambda name: run(name, requested[name], given.seed), requested):
            results.append(result)
            print(result.row(), flush=True)
            if not result.is_good:
                print(result.output, flush=True)
    bad = [result for result in results if not result.is_good]
    total = sum(result.inputs for result in results)
    print(f"{'all':<20} {total:>9,} {'':>6} {'':>8} {'':>6} {time.monotonic() - began:>8.0f}  {len(bad)} findings")
    return 1 if bad or total < given.runs else 0


if __name__ == "__main__":
    sys.exit(main())
