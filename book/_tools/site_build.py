"""`run.py book`: notebooks to pages. Either a site without any fault, or no site."""

import json
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from .console import Failure, logged, say
from .environment import Environment
from .failures import describe
from .hashing import digest
from .turns import turn

# Every page depends on these: if none has changed, there is nothing to do.
INPUTS = [
    "book",
    "klrl_lite",
    "experiments",
    "_config.yml",
    "_toc.yml",
    "requirements.lock",
    "run.py",
]
# Numbers depend on these, beside the notebook itself. Jupyter Book does not look at them.
COMPUTED_FROM = ["klrl_lite", "experiments", "book/claims.yml", "requirements.lock"]
# How a page is read depends on these; Sphinx notices only some of them.
READ_WITH = ["book/_ext", "book/_static", "book/references.bib", "_config.yml", "_toc.yml"]

_BUILD = "from jupyter_book.cli.main import main; main()"
# The build ends with a traceback in which the error of the notebook comes first.
_EXECUTION_ERROR = re.compile(
    r"^nbclient\.exceptions\.\w+: .*?(?=^The above exception|^Traceback|\Z)", re.M | re.S
)
_PROBLEM = re.compile(r"(^|: )(WARNING|ERROR|CRITICAL|SEVERE): ")  # as Sphinx and docutils write it


def book(env: Environment) -> int:
    """Build the site unless it is up to date, and print the file to open."""
    with turn(env.build) as held:
        return _book(env, held)


def _book(env: Environment, held: tuple[int, ...]) -> int:
    page = env.build / "html" / "index.html"
    stamp = env.build / "site.json"
    want = _hashes(env)
    have = _read(stamp)
    if have == want and page.exists():
        say("The book is up to date.")
    else:
        stamp.unlink(missing_ok=True)
        _drop_outdated(env, have, want)
        start = time.monotonic()
        _build(env, want, held)
        stamp.write_text(json.dumps(want, indent=1) + "\n", encoding="utf-8")
        say(f"Built in {time.monotonic() - start:.0f} s.")
    say(f"\nOpen  {page}\n      {page.as_uri()}")
    return 0


def _hashes(env: Environment) -> dict[str, str]:
    mark = env.read_mark().get("base", "")
    return {
        "all": digest(env.root, INPUTS, mark),
        "computed": digest(env.root, COMPUTED_FROM, mark),
        "read": digest(env.root, READ_WITH, mark),
    }


def _read(file: Path) -> dict[str, str]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _drop_outdated(env: Environment, have: dict[str, str], want: dict[str, str]) -> None:
    """Forget results and parsed pages that rest on something that has changed.

    The stamp of the last good build is compared, or after a failure the stamp of the last attempt.
    An attempt that did not end by itself, with a reason, may have left half a file anywhere.
    """
    attempt = _read(env.build / "attempt.json")
    broken_off = not have and "ended" not in attempt
    have = have or attempt
    if have.get("computed") != want["computed"]:
        if (env.build / ".jupyter_cache").exists():
            say("The package, the claims or the lock have changed: every notebook runs again.")
        shutil.rmtree(env.build / ".jupyter_cache", ignore_errors=True)
    elif not _is_sound(env.build / ".jupyter_cache"):
        say("The stored results are damaged: every notebook runs again.")
        shutil.rmtree(env.build / ".jupyter_cache")
    changed = any(have.get(key) != want[key] for key in ("computed", "read"))
    if changed or broken_off:
        shutil.rmtree(env.build / ".doctrees", ignore_errors=True)
        shutil.rmtree(env.build / "html", ignore_errors=True)


def _is_sound(cache: Path) -> bool:
    """Say whether the database of results can be read, and each notebook that it lists."""
    database = cache / "global.db"
    if not database.exists():
        return not cache.exists() or not any(cache.iterdir())
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as found:
            if found.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return False
            names = [name for (name,) in found.execute("SELECT hashkey FROM nbcache")]
        for name in names:
            json.loads((cache / "executed" / name / "base.ipynb").read_text(encoding="utf-8"))
    except (sqlite3.Error, OSError, ValueError):
        return False
    return True


def _build(env: Environment, want: dict[str, str], held: tuple[int, ...]) -> None:
    """Run Jupyter Book with every warning an error; on failure remove the pages."""
    attempt = env.build / "attempt.json"
    attempt.write_text(json.dumps(want), encoding="utf-8")
    log = env.build / "logs" / "book.log"
    options = ["-W", "-n", "--keep-going", "--path-output", env.root, env.root]
    say(f"Building the book (everything it says is in {log})")
    follow = _Follow(env.root)
    code = -1
    try:
        code = logged(
            [env.python, "-c", _BUILD, "build", *options],
            log,
            cwd=env.root,
            env=env.variables(),
            on_line=follow,
            inherited=held,
        )
    finally:
        if code:
            shutil.rmtree(env.build / "html", ignore_errors=True)
    if code:
        said = log.read_text(encoding="utf-8")
        reason = follow.message(said)
        if follow.explains(said):
            attempt.write_text(json.dumps(want | {"ended": "with a reason"}), encoding="utf-8")
        raise Failure(f"{reason}\nThe book was not built. Everything it said is in {log}", code)


class _Follow:
    """Reads the output of the build: shows progress, remembers what went wrong."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[str] = []
        self.running = ""
        self.last = ""

    def __call__(self, line: str) -> None:
        line = re.sub(r"\x1b\[[0-9;]*m|\x1b\(B", "", line).strip().replace(f"{self.root}/", "")
        if line.startswith("book/") and "Executing notebook" in line:
            if self.running != line.split(":")[0]:  # said twice when the cell fails
                self.running = line.split(":")[0]
                say(f"  running  {self.running}")
        elif "Executed notebook in" in line:
            say("  " + re.sub(r".*Executed notebook (in .*seconds).*", r"         \1", line))
        elif _PROBLEM.search(line):
            self.problems.append(line)
        elif re.match(r"(reading sources|writing output)\.\.\..*100%", line):
            say("  pages read" if line.startswith("reading") else "  pages written")
        if line:
            self.last = line

    def explains(self, log: str) -> bool:
        """Say whether the build found something wrong in the book, and has not just stopped."""
        return bool(self.problems or _EXECUTION_ERROR.search(log))

    def message(self, log: str) -> str:
        """Return the reason of a failed build in a few lines."""
        if failed := _EXECUTION_ERROR.search(log):
            return "A cell failed: " + describe(self.root / self.running, failed[0], root=self.root)
        unique = list(dict.fromkeys(self.problems))
        if not unique:
            # Jupyter Book ends with a box of its own; the cause is the first error before it.
            causes = re.findall(r"^\w+(?:\.\w+)*(?:Error|Exception): .+", log, re.M)
            return f"The build stopped: {causes[0] if causes else self.last}"
        shown = "\n".join(f"  {p}" for p in unique[:10])
        more = f"\n  and {len(unique) - 10} more" if len(unique) > 10 else ""
        return f"{len(unique)} warnings or errors; each has to be resolved:\n{shown}{more}"
