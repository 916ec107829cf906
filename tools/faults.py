"""Run the fault matrix: every fault at every request of every bill, checked against the emulator's ledger.

    python tools/faults.py --sample 400 --seed 7 stripe whop
    python tools/faults.py --control --sample 100        # keys forgotten at once, no lookup: must bill twice
    python tools/faults.py --imports --sample 400        # imports of history, where a provider takes any

The tool prints a line for each provider, and its failures. The exit code is 1 if a bill was made twice or a call had a
false result; with --control, it is 1 if neither happened. invoice_bridge.testing.fault_matrix has the cases.
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from invoice_bridge import providers
from invoice_bridge.testing.fault_matrix import Count, imports, share


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("providers", nargs="*", default=list(providers.names()))
    parser.add_argument("--sample", type=int, help="cases of each provider (default: all)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--imports", action="store_true", help="imports of history in place of bills")
    options = parser.parse_args()
    wrong = False
    for name in options.providers:
        if options.imports and not imports(name):
            print(f"{name}: it takes no history", flush=True)
            continue
        began, total = time.monotonic(), Count()
        with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            parts = [
                pool.submit(
                    share,
                    name,
                    options.sample,
                    options.seed,
                    part=part,
                    of=options.jobs,
                    forgets=options.control,
                    of_imports=options.imports,
                )
                for part in range(options.jobs)
            ]
            for part in parts:
                total += part.result()
        print(f"{name}, seed {options.seed}: {total}; {time.monotonic() - began:.0f} s", flush=True)
        for line in total.wrong[: 3 if options.control else 20]:
            print(f"  {line}")
        for line, times in total.unresolved.most_common(0 if options.control else 10):
            print(f"  not made, {times} times: {line}")
        wrong = wrong or bool(total.duplicates or total.lies)
    return int(wrong is not options.control)


if __name__ == "__main__":
    sys.exit(main())
