"""`run.py matrix`, `newest` and `shuffle`: the package in other environments, which are made here.

The matrix runs the unit tests with the oldest and the newest NumPy and SciPy that are supported
and with every Python from 3.11 on that this machine has. `newest` takes the newest version of
everything in requirements.txt and says what breaks; with --beyond, upper limits are ignored too.
`shuffle` runs the unit tests again and again, each time in another order.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import site_build
from .console import Failure, logged, say, tail
from .reproduce import NOT_COPIED, Copy

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# What the unit tests need beside the package. The browser, notebooks and pages are no part of it.
TESTING = ("pytest", "hypothesis", "mpmath", "pyyaml", "matplotlib", "ipywidgets")
OLDEST = {"numpy": "2.0.0", "scipy": "1.13.0", "matplotlib": "3.9.0"}
# NumPy 2.0 and SciPy 1.13 are older than the later Pythons; there, the first ones made for them.
FIRST_FOR = {
    "3.13": {"numpy": "2.1.0", "scipy": "1.14.1", "matplotlib": "3.9.2"},
    "3.14": {"numpy": "2.3.2", "scipy": "1.16.1", "matplotlib": "3.10.5"},
}
SAID = re.compile(r"\d+ (?:passed|failed|error).*")


@dataclass(frozen=True)
class Row:
    """One environment: a Python, and what is asked of an installer."""

    name: str
    python: str
    asked: tuple[str, ...]


def rows() -> list[Row]:
    """Return the environments of the matrix: for each Python the oldest and the newest versions."""
    made = []
    for python in PYTHONS:
        oldest = FIRST_FOR.get(python, OLDEST)
        pinned = tuple(f"{name}=={version}" for name, version in oldest.items())
        rest = tuple(name for name in TESTING if name not in oldest)
        # What came out later than an old matplotlib and warns about how it is used.
        made.append(Row(f"{python}-oldest", python, (*pinned, *rest, "pyparsing<3.3")))
        made.append(Row(f"{python}-newest", python, ("numpy<3", "scipy<2", *TESTING)))
    return made


def matrix(root: Path, rest: Sequence[str]) -> int:
    """Run the unit tests in each environment and print a table; more arguments go to pytest."""
    table = [(row, *_one(root, row, rest)) for row in rows()]
    say("")
    for row, result, versions, said in table:
        numpy, scipy = (versions.get(name, "") for name in ("numpy", "scipy"))
        say(f"{row.name:<12} NumPy {numpy:<7} SciPy {scipy:<7} {result:<8} {said}")
    return 1 if any(result == "FAILED" for _, result, *_ in table) else 0


def _one(root: Path, row: Row, rest: Sequence[str]) -> tuple[str, dict[str, str], str]:
    interpreter = find_python(row.python)
    if interpreter is None:
        return "skipped", {}, f"no Python {row.python} on this machine"
    say(f"\n{row.name}")
    folder = root / "_build" / "matrix" / row.name
    try:
        python = prepared(folder, interpreter, row.asked)
    except Failure as failure:
        return "FAILED", {}, str(failure).splitlines()[-1]
    code, said = unit_tests(root, python, folder / "tests.log", rest)
    return ("passed" if code == 0 else "FAILED"), versions_in(python), said


def find_python(version: str) -> Path | None:
    """Return an interpreter of this version: this one, on the PATH, of pyenv or of uv."""
    for candidate in _candidates(version):
        said = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if said.returncode == 0 and said.stdout.strip() == version:
            return Path(candidate)
    return None


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    if on_path := shutil.which(f"python{version}"):
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))
    if uv := shutil.which("uv"):
        command = [uv, "python", "find", "--no-python-downloads", version]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode == 0:
            yield found.stdout.strip()


def prepared(folder: Path, interpreter: Path, asked: Sequence[str]) -> Path:
    """Return the Python of an environment with what is asked; it is made anew if that changes."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    mark, want = folder / "asked.json", json.dumps([str(interpreter), *asked])
    if mark.exists() and mark.read_text(encoding="utf-8") == want:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    log = folder.with_name(f"{folder.name}.log")
    say("  making the environment")
    uv = shutil.which("uv")
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    for command in ([interpreter, "-m", "venv", folder], [*install, "--quiet", *asked]):
        if logged(command, log, cwd=folder.parent.parent):
            raise Failure(f"could not be made: {tail(log, 1)}")
    mark.write_text(want, encoding="utf-8")
    return python


def unit_tests(root: Path, python: Path, log: Path, rest: Sequence[str]) -> tuple[int, str]:
    """Run the unit tests with the package of this folder; return the code and the last line."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    env |= {"PYTHONPATH": str(root), "MPLBACKEND": "agg", "PYTHONNOUSERSITE": "1"}
    env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit", *rest]
    code = logged(command, log, cwd=root, env=env)
    lines = log.read_text(encoding="utf-8").splitlines()
    said = next((found[0] for line in reversed(lines) if (found := SAID.search(line))), "")
    for line in [line for line in lines if line.startswith(("FAILED", "ERROR"))][:20]:
        say(f"  {line}")
    say(f"  {said or tail(log, 1)}")
    return code, said


def versions_in(python: Path) -> dict[str, str]:
    """Return the installed versions by name."""
    code = "from importlib import metadata; import json; print(json.dumps({d.name.lower(): "
    code += "d.version for d in metadata.distributions()}))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return json.loads(said)


def newest(root: Path, *, beyond: bool = False) -> int:
    """Try the newest versions: unit tests, then the book; print what is newer than the lock."""
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    asked = [line.split("#")[0].strip() for line in lines]
    asked = [line for line in asked if line and not line.startswith("-")]
    if beyond:
        asked = [re.sub(r",?<[^,]*", "", line) for line in asked]
    version, interpreter = next(
        (v, p) for v in reversed(PYTHONS) if (p := find_python(v)) is not None
    )
    say(f"The newest versions with Python {version}")
    folder = root / "_build" / "matrix" / ("beyond" if beyond else "newest")
    python = prepared(folder, interpreter, asked)
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", _lock(root), re.M))
    for name, now in sorted(versions_in(python).items()):
        if (then := locked.get(name.replace("_", "-"))) not in (None, now):
            say(f"  {name} {then} -> {now}")
    code, _ = unit_tests(root, python, folder / "tests.log", [])
    with tempfile.TemporaryDirectory(prefix="klrl-") as place:
        copy = Copy(Path(place) / "book", folder)
        shutil.copytree(root, copy.root, ignore=shutil.ignore_patterns(*NOT_COPIED))
        try:
            code = site_build.book(copy) or code
        except Failure as failure:
            say(f"\n{failure}")
            code = failure.code
    return code


def shuffle(root: Path, repeats: int) -> int:
    """Run the unit tests so many times, in random orders; a seed gives its order again."""
    interpreter = find_python(PYTHONS[0]) or Path(sys.executable)
    asked = ("numpy<3", "scipy<2", *TESTING, "pytest-randomly", "pytest-xdist")
    python = prepared(root / "_build" / "matrix" / "shuffle", interpreter, asked)
    failed = []
    for seed in range(1, repeats + 1):
        say(f"seed {seed} of {repeats}")
        order = ["-p", "randomly", f"--randomly-seed={seed}", "-n", "auto"]
        log = root / "_build" / "logs" / "shuffle" / f"{seed}.log"
        code, _ = unit_tests(root, python, log, order)
        failed += [seed] if code else []
    say(f"\n{repeats - len(failed)} of {repeats} orders passed.")
    if failed:
        say(f"Failed with seed {', '.join(map(str, failed))}: see _build/logs/shuffle.")
    return 1 if failed else 0


def _lock(root: Path) -> str:
    return (root / "requirements.lock").read_text(encoding="utf-8")
