"""Run the benchmarks and print one table: `python run.py bench [--quick] [--full] [name ...]`."""

import argparse
import os
import platform
import sys

import numpy as np

from klrl_lite.sweeps.workers import keep_freed_memory

from .cases import CASES
from .timing import table


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument(
        "--full", action="store_true", help="the whole phase plane by two processes: ten minutes"
    )
    args = parser.parse_args(argv)
    unknown = set(args.names) - set(CASES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    names, rows = args.names or list(CASES), []
    keep_freed_memory(1e9)  # as in every sweep: what is timed is arithmetic, not the system's pages
    for name in names:
        sys.stderr.write(f"{name}: {CASES[name].__doc__.splitlines()[0]}\n")
        options = {"full": args.full} if name == "plane" else {}
        rows += CASES[name](args.quick, **options)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores")
    print(table(rows))
    if args.quick:
        print("Sizes too small to mean anything: this was to see that it runs.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
