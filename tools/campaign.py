"""Run the independent campaign: seeded cases against provider servers that share nothing with the library.

    python tools/campaign.py --cases 500 --seed 7 --provider stripe
    python tools/campaign.py --control --cases 100        # no keys, no lookup: must bill twice, with false results

Only the servers' ledgers decide (tests/independent). The exit code is 1 if a bill was made twice, too much was
collected or a result was false; with --control, it is 1 if duplicates or false results are missing.
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.independent.campaign import Count, run
from tests.independent.cases import PROVIDERS


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--provider", action="append", choices=PROVIDERS, help="default: all")
    parser.add_argument("--cases", type=int, default=2000, help="cases of each provider")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="print the steps of each failed case")
    options = parser.parse_args()
    whole = Count()
    for provider in options.provider or PROVIDERS:
        began, total = time.monotonic(), Count()
        last = options.first + options.cases
        with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            parts = [
                pool.submit(
                    run,
                    provider,
                    range(options.first + part, last, options.jobs),
                    options.seed,
                    control=options.control,
                    verbose=options.verbose,
                )
                for part in range(options.jobs)
            ]
            for part in parts:
                total += part.result()
        print(f"{provider}, seed {options.seed}: {total}; {time.monotonic() - began:.0f} s", flush=True)
        print(f"  the last call ended as: {dict(total.ends.most_common())}")
        for line in total.found[: 3 if options.control else 100]:
            print(f"  {line}")
        whole += total
    if options.control:
        return int(not (whole.duplicates and whole.false))
    return int(not whole.is_clean)


if __name__ == "__main__":
    sys.exit(main())
