"""Run the fault matrix: every fault at every request of every bill, judged by what the provider holds.

    python tools/faults.py --sample 400 --seed 7 stripe whop
    python tools/faults.py --control --sample 100        # keys forgotten at once, nothing looked up: must bill twice

Prints a line for each provider and what went wrong. Exits 1 where a bill was made twice or something untrue was told;
with --control, where nothing was. What is run: invoice_bridge.testing.fault_matrix.
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from invoice_bridge import providers
from invoice_bridge.testing.fault_matrix import Count, share


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("providers", nargs="*", default=list(providers.names()))
    parser.add_argument("--sample", type=int, help="cases of each provider; all by default")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--control", action="store_true")
    asked = parser.parse_args()
    wrong = False
    for name in asked.providers:
        began, total = time.monotonic(), Count()
        with ProcessPoolExecutor(asked.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            parts = [
                pool.submit(share, name, asked.sample, asked.seed, part=part, of=asked.jobs, forgets=asked.control)
                for part in range(asked.jobs)
            ]
            for part in parts:
                total += part.result()
        print(f"{name}, seed {asked.seed}: {total}; {time.monotonic() - began:.0f} s", flush=True)
        for line in total.wrong[: 3 if asked.control else 20]:
            print(f"  {line}")
        for line, times in total.unresolved.most_common(0 if asked.control else 10):
            print(f"  not made, {times} times: {line}")
        wrong = wrong or bool(total.duplicates or total.lies)
    return int(wrong is not asked.control)


if __name__ == "__main__":
    sys.exit(main())
