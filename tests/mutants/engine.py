"""Tries mutants: puts each into the running package, in a process of its own, and asks a judge.

The parent process imports everything once and collects the tests once. For each mutant it forks;
the child exchanges the code of one function, wherever that function is referred to, and runs what
the judge says, until something fails. So a mutant costs milliseconds, and nothing of it is left.

    python tests/mutants/engine.py cover  COVER.json TESTS...
    python tests/mutants/engine.py tests  MUTANTS.jsonl RESULTS.jsonl COVER.json SECONDS TESTS...
    python tests/mutants/engine.py chapter MUTANTS.jsonl RESULTS.jsonl NOTEBOOK

Run from the project's folder. A mutant of a child that runs out of time or memory is killed, too.
"""

import ast
import contextlib
import functools
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

Mutant = dict[str, object]
Judge = Callable[[Mutant], str]  # names what failed; an empty string if nothing did
MEMORY = 3 * 2**30


def module_of(path: str) -> types.ModuleType:
    """Import the module of a file of the package."""
    name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    return importlib.import_module(name)


def definition(tree: ast.Module, name: str) -> ast.FunctionDef:
    """Find a function or a method by its qualified name; the last one of that name counts."""
    body: list[ast.stmt] = tree.body
    for part in name.split("."):
        node = [n for n in body if getattr(n, "name", None) == part][-1]
        body = getattr(node, "body", [])
    assert isinstance(node, ast.FunctionDef)
    return node


def mutated(root: Path, mutant: Mutant) -> types.FunctionType:
    """Return the mutant of a function, compiled on its own among the names of its module."""
    path, name = str(mutant["path"]), str(mutant["function"])
    source = (root / path).read_text(encoding="utf-8")
    start, old, new = int(str(mutant["start"])), str(mutant["old"]), str(mutant["new"])
    assert source[start : start + len(old)] == old, "the file is not the one that was mutated"
    node = definition(ast.parse(source[:start] + new + source[start + len(old) :]), name)
    node.decorator_list = []
    # A method is compiled in a class: `super()` asks for a cell that only a class gives it.
    owner = name.rpartition(".")[0]
    text = f"class {owner}:\n    pass" if owner else "pass"
    whole = ast.parse(text)
    (whole.body[0].body if isinstance(whole.body[0], ast.ClassDef) else whole.body).append(node)
    scope: dict[str, object] = {}
    code = compile(whole, str(root / path), "exec")
    exec(code, module_of(path).__dict__, scope)
    made = (vars(scope[owner]) if owner else scope)[node.name]
    assert isinstance(made, types.FunctionType)
    return made


class Package:
    """The functions and the caches of the imported package, found once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.functions: dict[tuple[str, str], list[types.FunctionType]] = {}
        self.caches = []
        for thing in gc.get_objects():
            if type(thing) is types.FunctionType:
                place = (thing.__code__.co_filename, thing.__code__.co_qualname)
                self.functions.setdefault(place, []).append(thing)
            elif isinstance(thing, functools._lru_cache_wrapper) and _ours(thing):
                self.caches.append(thing)

    def put_in(self, mutant: Mutant) -> None:
        """Give a function the mutant's code and defaults, and forget what was cached."""
        new = mutated(self.root, mutant)
        path = str(self.root / str(mutant["path"]))
        places = self.functions[path, str(mutant["function"])]
        for old, code in pairs(places[0].__code__, new.__code__):
            for function in self.functions.get((path, old.co_qualname), ()):
                if function.__code__ is old and old.co_freevars == code.co_freevars:
                    function.__code__ = code
        for function in places:
            function.__code__ = new.__code__
            function.__defaults__, function.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
        for cache in self.caches:
            cache.cache_clear()


def _ours(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).startswith("klrl_lite")


def pairs(
    old: types.CodeType, new: types.CodeType
) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """Pair the codes of inner functions, of which some were made when the tests were collected."""
    inner = [[c for c in whole.co_consts if isinstance(c, types.CodeType)] for whole in (old, new)]
    if [c.co_name for c in inner[0]] == [c.co_name for c in inner[1]]:
        for one, other in zip(*inner, strict=True):
            yield one, other
            yield from pairs(one, other)


def limit(seconds: float) -> None:
    """End this process after so many seconds of computing, or many more of waiting."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds)


def attempt(package: Package, mutant: Mutant, judge: Judge) -> dict[str, object]:
    """Judge one mutant in a child; return its status, what killed it, and the seconds."""
    begin = time.monotonic()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 3
        try:
            os.close(reader)
            os.setpgid(0, 0)  # with what the tests start: all of it ends with the child
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            for name in (signal.SIGPROF, signal.SIGALRM):
                signal.signal(name, signal.SIG_DFL)
            limit(10.0)
            package.put_in(mutant)
            try:
                by = judge(mutant)
            except Exception:
                by = getattr(judge, "failed", "")  # a test whose report fails has failed before
                if not by:
                    raise
            os.write(writer, by.encode()[:4000])
            code = 1 if by else 0
        except BaseException as error:
            os.write(writer, repr(error).encode()[:4000])
        finally:
            os._exit(code)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        by = pipe.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        result = "timeout"
    else:
        result = {0: "survived", 1: "killed", 3: "error"}.get(code, "crashed")
    return {"id": mutant["id"], "status": result, "by": by} | {
        "seconds": round(time.monotonic() - begin, 2)
    }


def all_of(root: Path, mutants: Sequence[Mutant], judge: Judge, results: Path) -> None:
    """Try mutants one after the other; each result is written at once."""
    for mutant in mutants:
        module_of(str(mutant["path"]))
    package = Package(root)
    gc.freeze()  # nothing that was found so far need be copied by a child that collects garbage
    caller = os.getppid()
    with results.open("a", encoding="utf-8") as file:
        for mutant in mutants:
            if os.getppid() != caller:  # it was killed: nobody waits for the rest
                break
            done = attempt(package, mutant, judge)
            learn = getattr(judge, "learn", None)
            if learn:
                learn(mutant, done)
            file.write(json.dumps(done) + "\n")
            file.flush()


def read(path: str) -> list[Mutant]:
    """Read one JSON object a line."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def main(command: str, *rest: str) -> int:
    """Run one of the commands above."""
    root = Path.cwd()
    sys.path[:0] = [str(root), str(root / "tests" / "book"), str(Path(__file__).parent)]
    os.environ.setdefault("MPLBACKEND", "agg")
    import judges

    if command == "cover":
        return judges.cover(root, Path(rest[0]), rest[1:])
    if command == "tests":
        judge = Path(rest[2]), float(rest[3]), rest[4:]
        return judges.by_tests(root, read(rest[0]), Path(rest[1]), *judge)
    if command == "chapter":
        return judges.by_chapter(root, read(rest[0]), Path(rest[1]), Path(rest[2]))
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
