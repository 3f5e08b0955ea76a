#!/usr/bin/env python3
"""The commands of this book. Needs nothing but Python 3.11 or later.

Everything else (environment, packages, notebooks, pages) is made by the commands themselves, inside
this folder. The work is done by the modules in book/_tools; this file reads the command line.
"""

import sys

if sys.version_info < (3, 11):  # before anything that an older Python could not even parse
    sys.exit("This book needs Python 3.11 or later; this is Python " + sys.version.split()[0] + ".")

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "book"))
# On a full disk Python may store half of a module's bytecode, and stumble over it ever after.
sys.dont_write_bytecode = True

from _tools import (
    checks,
    environment,
    formats,
    locks,
    matrix,
    mutants,
    reproduce,
    site_build,
    tasks,
)
from _tools.console import Failure, cause, say

DESCRIPTION = """\
book       make the environment, run the notebooks, build the pages, print the file to open
test       the same, then every test: code, claims, stored notebooks, built pages
live       open the notebooks in JupyterLab
offline    pack the built pages into one file that opens without a network
pdf        print the whole book into one file (needs a Chromium)
refresh    run notebooks and store their outputs in them (all, or those named)
bench      print ratios of running times, measured side by side (--quick for a try)
lint       check style and format of code and notebooks, and the types of klrl_lite
reproduce  build twice from nothing, in two places, and compare
matrix     unit tests with every Python here, with the oldest and the newest NumPy and SciPy
newest     try the newest version of everything (--beyond: above the limits too)
shuffle    unit tests twenty times, or as often as you say, each time in another order
mutants    put small slips into klrl_lite, one at a time, and see which the tests notice
lock       renew requirements*.lock from requirements*.txt
clean      remove what `book` and `test` made; with --all the environment too
"""


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what follows `test`, `live` or `bench` belongs to what they run."""
    parser = argparse.ArgumentParser(
        prog="run.py", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("book", help="build the pages")
    commands.add_parser(
        "test", add_help=False, help="build, then test; further arguments go to pytest"
    )
    commands.add_parser("live", help="open the notebooks in JupyterLab; arguments go to it")
    commands.add_parser("bench", add_help=False, help="time the package against alternatives")
    commands.add_parser("offline", help="pack the pages into one file")
    commands.add_parser("pdf", help="print the book into one file")
    refresh = commands.add_parser("refresh", help="store the outputs of the notebooks")
    refresh.add_argument("notebooks", nargs="*", help="default: every notebook in book/")
    commands.add_parser("lint", help="check style, format and types").add_argument(
        "--fix", action="store_true", help="repair what can be repaired"
    )
    commands.add_parser("reproduce", help="build twice and compare")
    commands.add_parser("matrix", add_help=False, help="test in other environments")
    commands.add_parser("newest", help="try the newest versions").add_argument(
        "--beyond", action="store_true", help="above the limits of requirements.txt too"
    )
    commands.add_parser("shuffle", help="repeat the unit tests in random order").add_argument(
        "repeats", nargs="?", type=int, default=20
    )
    commands.add_parser("mutants", add_help=False, help="try slips of the pen on the tests")
    commands.add_parser("lock", help="renew the locks")
    commands.add_parser("clean", help="remove what was built").add_argument(
        "--all", action="store_true", help="the environment too"
    )
    args, rest = parser.parse_known_args(argv)
    if rest and args.command not in ("test", "live", "bench", "matrix", "mutants"):
        parser.error("unrecognized arguments: " + " ".join(rest))
    return args, rest


def dispatch(args: argparse.Namespace, rest: list[str]) -> int:
    """Run one command and return its exit code."""
    match args.command:
        case "book":
            return site_build.book(environment.ensure(ROOT))
        case "test":
            return checks.test(environment.ensure(ROOT), rest)
        case "live":
            return tasks.live(environment.ensure(ROOT), rest)
        case "bench":
            return tasks.bench(environment.ensure(ROOT), rest)
        case "offline":
            return formats.offline(environment.ensure(ROOT))
        case "pdf":
            return formats.pdf(environment.ensure(ROOT))
        case "refresh":
            return tasks.refresh(environment.ensure(ROOT), args.notebooks)
        case "lint":
            return tasks.lint(environment.ensure(ROOT), fix=args.fix)
        case "matrix":
            return matrix.matrix(ROOT, rest)
        case "newest":
            return matrix.newest(ROOT, beyond=args.beyond)
        case "shuffle":
            return matrix.shuffle(ROOT, args.repeats)
        case "reproduce":
            return reproduce.reproduce(environment.ensure(ROOT))
        case "mutants":
            return mutants.mutants(environment.ensure(ROOT), rest)
        case "lock":
            return locks.renew(ROOT)
        case "clean":
            return tasks.clean(ROOT, everything=args.all)
    raise AssertionError(args.command)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; a failure is one short message, never a traceback."""
    try:
        return dispatch(*parse(sys.argv[1:] if argv is None else argv))
    except Failure as failure:
        say(f"\n{failure}")
        return failure.code
    except OSError as error:
        say(f"\n{cause(error)}")
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
