"""The smaller commands: live, bench, refresh, lint, clean."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .console import Failure, say
from .environment import MARK, Environment, folder_of


def notebooks(root: Path) -> list[Path]:
    """Return the notebooks of the book in order."""
    return sorted((root / "book").glob("*.ipynb"))


def live(env: Environment, rest: Sequence[str]) -> int:
    """Open JupyterLab on the book's folder."""
    command = [env.python, "-m", "jupyterlab", f"--notebook-dir={env.root / 'book'}", *rest]
    if os.name == "posix":  # become JupyterLab: signals then reach it and not only this command
        if os.geteuid() == 0:  # in a container one often is; JupyterLab would refuse to start
            command.append("--allow-root")
        os.chdir(env.root)
        os.execve(env.python, [str(part) for part in command], env.variables())
    return subprocess.call(command, cwd=env.root, env=env.variables())


def bench(env: Environment, rest: Sequence[str]) -> int:
    """Time the package against alternatives and print the ratios."""
    command = [env.python, "-m", "benchmarks", *rest]
    return subprocess.call(command, cwd=env.root, env=env.variables())


def refresh(env: Environment, names: Sequence[str]) -> int:
    """Run notebooks and store their outputs."""
    chosen = [Path(name).absolute() for name in names] or notebooks(env.root)
    for path in chosen:
        if not path.is_file():
            raise Failure(f"There is no notebook {path}")
    if not chosen:
        raise Failure("There is no notebook in book/")
    command = [env.python, env.root / "book" / "_tools" / "store.py", env.root]
    # One process each: nothing of a kernel that failed is left when the next one starts.
    return max([subprocess.call([*command, p], cwd=env.root, env=env.variables()) for p in chosen])


def lint(env: Environment, *, fix: bool = False) -> int:
    """Check style and format of code and notebooks with ruff, types with mypy."""
    ruff = [env.python, "-m", "ruff"]
    steps = [
        [*ruff, "check", *(["--fix"] if fix else []), "."],
        [*ruff, "format", *([] if fix else ["--check"]), "."],
        [env.python, "-m", "mypy"],
    ]
    return max([subprocess.call(step, cwd=env.root, env=env.variables()) for step in steps])


def clean(root: Path, *, everything: bool = False) -> int:
    """Remove what the commands have made, and nothing else."""
    caches = (".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis")
    gone = [root / name for name in ("_build", *caches)]
    gone += root.glob("*.egg-info")
    gone += (
        p
        for top in ("klrl_lite", "book", "tests", "benchmarks")
        for p in (root / top).rglob("__pycache__")
    )
    folder = folder_of(root)
    if everything and (folder / MARK).exists():
        gone.append(folder)
    for path in gone:
        if path.exists():
            shutil.rmtree(path)
            say(f"removed {path}")
    return 0
