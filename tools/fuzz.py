"""Feed hostile input to everything that reads what others write, guided by the coverage it reaches.

    make fuzz                                   1,000,000 inputs over all targets
    make fuzz RUNS=5000000 TARGETS="decode-stripe bill"
    .venv-soak/bin/python tools/fuzz.py --again .fuzz/bill/found-1f3a…      one input again

The targets and what may come of them stand in tests/hostile/targets.py. Each begins with the emulators' own answers and
with what earlier runs kept under .fuzz (not in git). Prints a table; a finding is saved to a file, and the exit code is
then 1, as it is where fewer inputs were fed than asked for.
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
"""Seconds after which an input counts as one that never ends; a second of computing is a finding anyway."""
# What is fed in a fraction of a millisecond may as well be fed more often.
WEIGHTS = {"error": 8, "json": 6, "money": 20}


# ── in a process of its own: one target ──────────────────────────────────────────────────────────────────────────────
def fuzz(name: str, runs: int, seed: int) -> None:
    """Feed one target until `runs` inputs are fed or one is a finding; libFuzzer ends the process."""
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["invoice_bridge"]):
        from tests.hostile.targets import NAMES, TARGETS, providers

        for provider in NAMES:  # loaded when asked for, and instrumented only when loaded here
            providers.get(provider)
    from tests.hostile.mutations import mutated

    target = TARGETS[name]
    corpus = PLACE / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for data in target.seeds:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def mutate(data: bytes, most: int, chance: int) -> bytes:
        """Half of the changes are of a document's own shape, the other half libFuzzer's."""
        luck = random.Random(chance)
        changed = mutated(data, luck) if luck.random() < 0.5 else atheris.Mutate(data, most)
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
    """What became of one target."""

    name: str
    asked: int
    inputs: int
    edges: str
    features: str
    corpus: str
    seconds: float
    finding: Path | None
    told: str

    @property
    def is_good(self) -> bool:
        """Whether all inputs were fed and none was a finding."""
        return self.finding is None and self.inputs >= self.asked

    def row(self) -> str:
        """Its line of the table."""
        state = "ok" if self.is_good else f"FOUND {self.finding}" if self.finding else "STOPPED"
        numbers = f"{self.inputs:>9,} {self.edges:>6} {self.features:>8} {self.corpus:>6} {self.seconds:>8.0f}"
        return f"{self.name:<20} {numbers}  {state}"


def run(name: str, runs: int, seed: int) -> Result:
    """Fuzz one target in a process of its own, and read what it says."""
    PLACE.joinpath(name).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    command = [sys.executable, __file__, "--target", name, "--runs", str(runs), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, env=_surroundings(), capture_output=True, check=False)
    text = done.stderr.decode("utf-8", "replace") + done.stdout.decode("utf-8", "replace")
    last = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
    fed = re.findall(r"number_of_executed_units: (\d+)", text) or re.findall(r"^#(\d+)", text, re.MULTILINE)
    found = re.findall(r"Test unit written to (.+)", text)
    problem = done.returncode != 0
    return Result(
        name,
        runs,
        int(fed[-1]) if fed else 0,
        *(last[-1] if last else ("?", "?", "?")),
        time.monotonic() - began,
        Path(found[-1].strip()).relative_to(ROOT) if found else PLACE / name if problem else None,
        text[-3000:],
    )


def _surroundings() -> dict[str, str]:
    """The same for every run: no key of a developer's shell, no proxy."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "LANG"}}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def shares(names: list[str], runs: int) -> dict[str, int]:
    """How many inputs each target gets; together at least `runs`."""
    weights = {name: WEIGHTS.get(name.partition("-")[0], 1) for name in names}
    return {name: -(-runs * weight // sum(weights.values())) for name, weight in weights.items()}


def again(path: Path) -> None:
    """Feed one saved input again; the folder that it lies in names the target."""
    sys.path.insert(0, str(ROOT))
    from tests.hostile.targets import TARGETS

    TARGETS[path.resolve().parent.name](path.read_bytes())
    print("nothing came of it")


def main() -> int:
    """Fuzz every target, print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1_000_000, help="inputs, over all targets together")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--target", help=argparse.SUPPRESS)
    options.add_argument("--again", type=Path, metavar="FILE", help="feed one saved input, under no fuzzer")
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
        options.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    asked = shares(given.targets or list(TARGETS), given.runs)
    print(f"seed {given.seed}, {given.jobs} at a time; edges and features as libFuzzer counts them", flush=True)
    print(f"{'target':<20} {'inputs':>9} {'edges':>6} {'features':>8} {'corpus':>6} {'seconds':>8}", flush=True)
    began = time.monotonic()
    results: list[Result] = []
    with ThreadPoolExecutor(given.jobs) as jobs:
        for result in jobs.map(lambda name: run(name, asked[name], given.seed), asked):
            results.append(result)
            print(result.row(), flush=True)
            if not result.is_good:
                print(result.told, flush=True)
    bad = [result for result in results if not result.is_good]
    total = sum(result.inputs for result in results)
    print(f"{'all':<20} {total:>9,} {'':>6} {'':>8} {'':>6} {time.monotonic() - began:>8.0f}  {len(bad)} findings")
    return 1 if bad or total < given.runs else 0


if __name__ == "__main__":
    sys.exit(main())
