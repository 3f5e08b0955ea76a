"""`run.py mutants`: small slips in the package, one at a time; the tests have to notice each.

    python run.py mutants                         every mutant of the modules in scope (hours)
    python run.py mutants simplex gibbs           of these modules or folders
    python run.py mutants --sample 200 --seed 1   of a sample, the same for everybody
    python run.py mutants --chapter 05            what the claims of a chapter alone notice
    python run.py mutants --survivors             those too that nothing has noticed, once more
    python run.py mutants --jobs 8                eight side by side
    python run.py mutants sweeps --tests tests/unit/test_sweeps.py      what these tests notice

mutmut makes the mutants, in an environment of its own; tests/mutants does the rest. What has been
tried is kept in _build/mutants, so a run that was ended goes on where it was.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import mutant_engines
from .console import Failure, say
from .environment import Environment
from .hashing import digest
from .matrix import prepared
from .mutant_report import equivalents, report

#: Drawing, widgets and exercises: tests look at what they show, and a slip in the width of a line
#: is none. They can be named, and `__init__.py` files hold no function.
NOT_IN_SCOPE = ("plots", "explore", "labs", "exercises")
HELPERS = "tests/mutants"
ALL_TESTS = "tests/unit"


def mutants(env: Environment, rest: Sequence[str]) -> int:
    """Make mutants, try those not tried before, and print what is left of them."""
    args = _parse(rest)
    place = env.build / "mutants"
    place.mkdir(parents=True, exist_ok=True)
    try:
        chosen = _chosen(env, place, args)
        results = place / _results(env, args)
        _try(env, place, args, chosen, results)
    except subprocess.CalledProcessError as error:
        raise Failure(f"{Path(error.cmd[1]).name} failed:\n{error.stderr}") from error
    done = _done(env.root, results)
    drawn = "every mutant" if args.sample is None else f"seed {args.seed}"
    name = drawn + (f", {args.record}" if args.record else "")
    record = None if args.record is None else (args.chapter or name, _command(rest))
    return report(env.root, chosen, done, chapter=args.chapter is not None, record=record)


def _parse(rest: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py mutants")
    parser.add_argument("modules", nargs="*", help="files or folders of klrl_lite, without .py")
    parser.add_argument("--chapter", help="two digits: its claims, the functions it introduces")
    parser.add_argument("--sample", type=int, help="so many, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tests", nargs="+", default=[ALL_TESTS], help="only these tests")
    parser.add_argument("--seconds", type=float, default=20.0, help="of tests for each mutant")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tried side by side")
    parser.add_argument(
        "--survivors", action="store_true", help="those too that nothing has noticed"
    )
    parser.add_argument(
        "--record", nargs="?", const="", metavar="REMARK", help="write tests/mutants/results.json"
    )
    return parser.parse_args(rest)


def _chosen(env: Environment, place: Path, args: argparse.Namespace) -> list[dict]:
    """Return the mutants that are asked for, in the order in which a seed draws them."""
    wanted: set[str] | None = None
    if args.chapter:
        said = _python(env, f"{HELPERS}/introduced.py")
        chapters = json.loads(said)
        if args.chapter not in chapters:
            raise Failure(f"There is no chapter {args.chapter}")
        wanted = set(chapters[args.chapter])
        paths = sorted({p.split(":")[0] for p in wanted})
    else:
        paths = _paths(env.root, args.modules)
    found = [json.loads(line) for path in paths for line in _lines(_listed(env, place, path))]
    if wanted is not None:
        found = [m for m in found if f"{m['path']}:{m['function']}" in wanted]
    found.sort(key=lambda m: hashlib.sha256(f"{args.seed}{m['id']}".encode()).digest())
    return found[: args.sample]


def _notebook(env: Environment, chapter: str) -> Path:
    (notebook,) = (env.root / "book").glob(f"{chapter}_*.ipynb")
    return notebook


def _results(env: Environment, args: argparse.Namespace) -> str:
    """Name the file of what was noticed: by all tests, by some, by a chapter as it is now."""
    if args.chapter:
        notebook = _notebook(env, args.chapter).relative_to(env.root).as_posix()
        return f"chapter_{args.chapter}-{digest(env.root, [notebook, 'klrl_lite'])[:12]}.jsonl"
    if args.tests == [ALL_TESTS]:
        return "results.jsonl"
    return f"results-{digest(env.root, ['klrl_lite', *args.tests])[:12]}.jsonl"


def _paths(root: Path, modules: Sequence[str]) -> list[str]:
    package = root / "klrl_lite"
    if not modules:
        paths = [
            p for p in package.rglob("*.py") if p.relative_to(package).parts[0] not in NOT_IN_SCOPE
        ]
    else:
        paths = []
        for name in modules:
            here = package / name
            one = here.with_suffix(".py")
            if not here.is_dir() and not one.is_file():
                raise Failure(f"klrl_lite has no module {name}")
            paths += sorted(here.rglob("*.py")) if here.is_dir() else [one]
    return sorted(p.relative_to(root).as_posix() for p in paths if p.name != "__init__.py")


def _listed(env: Environment, place: Path, path: str) -> Path:
    """Return the file with the mutants of a module; it is made anew when the module changes."""
    mark = digest(env.root, [path, f"{HELPERS}/generate.py", "requirements-mutation.lock"])[:12]
    target = place / "lists" / f"{path.removesuffix('.py').replace('/', '.')}-{mark}.jsonl"
    if not target.exists():
        lock = env.root / "requirements-mutation.lock"
        asked = ("--no-deps", "--require-hashes", "-r", str(lock))
        folder = place / f"mutmut-{digest(env.root, [lock.name])[:12]}"
        python = prepared(folder, Path(sys.executable), asked)
        target.parent.mkdir(exist_ok=True)
        command = [python, f"{HELPERS}/generate.py", env.root, path]
        done = subprocess.run(command, cwd=env.root, capture_output=True, text=True, check=True)
        temporary = target.with_suffix(".tmp")
        temporary.write_text(done.stdout, encoding="utf-8")
        temporary.replace(target)
    return target


def _try(
    env: Environment, place: Path, args: argparse.Namespace, chosen: list[dict], results: Path
) -> None:
    """Try what has not been tried before."""
    done = _done(env.root, results)
    waiting = [m for m in chosen if m["id"] not in done]
    if args.survivors:
        known = equivalents(env.root)
        left = [m for m in chosen if done.get(m["id"], {}).get("status") in ("survived", "error")]
        waiting += [m for m in left if known.why(m) is None]
    say(f"{len(chosen)} mutants, {len(waiting)} of them to be tried")
    if not waiting:
        return
    with mutant_engines.copied(env) as copy:
        if args.chapter:
            notebook = _notebook(copy, args.chapter)
            mutant_engines.by_chapter(copy, place, waiting, results, notebook, args.jobs)
        else:
            tests = args.tests
            mutant_engines.by_tests(copy, place, waiting, results, tests, args.seconds, args.jobs)


def _done(root: Path, results: Path) -> dict[str, dict]:
    """Return the last result of each mutant; one whose killer is gone has not been tried."""
    rows = {row["id"]: row for row in map(json.loads, _lines(results))}
    there: dict[str, bool] = {}
    for row in rows.values():
        file, _, test = row["by"].partition("::")
        name = f"{file}::{test.partition('[')[0]}"
        if test and name not in there:
            function = name.rpartition("::")[2]
            text = (root / file).read_text(encoding="utf-8") if (root / file).exists() else ""
            there[name] = f"def {function}(" in text
        row["name"] = name
    return {i: row for i, row in rows.items() if there.get(row.pop("name"), True)}


def _python(env: Environment, *command: str) -> str:
    done = subprocess.run(
        [env.python, *command],
        cwd=env.root,
        env=env.variables(PYTHONPATH=str(env.root)),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _command(rest: Sequence[str]) -> str:
    return " ".join(["python run.py mutants", *rest])
