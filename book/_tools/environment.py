"""The book's own Python environment: made once, from the lock, and again when the lock changes."""

import json
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .console import Failure, logged, say, tail
from .hashing import digest
from .turns import turn

MARK = "klrl-environment.json"  # lies in every environment made here, from its first moment


@dataclass(frozen=True)
class Environment:
    """Where the project is and where its environment is."""

    root: Path
    folder: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def mark(self) -> Path:
        """The file that says what has been installed."""
        return self.folder / MARK

    @property
    def build(self) -> Path:
        """Everything that is built goes here."""
        return self.root / "_build"

    def read_mark(self) -> dict[str, str]:
        """Return what has been finished so far, by step."""
        try:
            return json.loads(self.mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def write_mark(self, **steps: str) -> None:
        """Record finished steps; the file is replaced in one go."""
        temporary = self.mark.with_suffix(".tmp")
        temporary.write_text(json.dumps(steps, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, self.mark)

    def variables(self, **more: str) -> dict[str, str]:
        """Return the environment variables under which the book's programs run.

        Results must depend on the book alone: not on the reader's start-up files, matplotlib
        backend, Python path or number of threads.
        """
        env = {k: v for k, v in os.environ.items() if k not in _NOT_PASSED_ON}
        env |= {
            "PATH": os.pathsep.join([str(self.python.parent), env.get("PATH", "")]),
            "VIRTUAL_ENV": str(self.folder),
            "PYTHONNOUSERSITE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "IPYTHONDIR": str(self.folder / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_PLATFORM_DIRS": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        return env | more


_NOT_PASSED_ON = {
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
    "PYTHONDONTWRITEBYTECODE",  # would make every kernel compile NumPy and SciPy again
    "MPLBACKEND",
    "JUPYTER_PATH",
    "PYTEST_ADDOPTS",
}


def ensure(root: Path) -> Environment:
    """Return the environment of the project in `root`, after making or completing it."""
    env = Environment(root, folder_of(root))
    with turn(env.build / "environment"):
        _complete(env, wanted(root, env.folder))
    return env


def _complete(env: Environment, want: dict[str, str]) -> None:
    done = env.read_mark()
    if done.get("base") != want["base"] or not env.python.exists():
        _create(env)
        _install_lock(env, env.root / "requirements.lock")
        done = {"base": want["base"]}
        env.write_mark(**done)
    if done.get("project") != want["project"]:
        _install_project(env)
        env.write_mark(**(done | {"project": want["project"]}))


def wanted(root: Path, folder: Path) -> dict[str, str]:
    """Return the marks of a complete environment in `folder` for the project in `root`."""
    # An environment does not survive being moved.
    base = digest(root, ["requirements.lock"], platform.python_version(), str(folder))
    return {"base": base, "project": digest(root, ["pyproject.toml"], base, str(root))}


def ensure_extra(env: Environment, name: str) -> None:
    """Install requirements-`name`.lock into the environment, once."""
    lock = f"requirements-{name}.lock"
    want = digest(env.root, [lock])
    done = env.read_mark()
    if done.get(name) != want:
        _install_lock(env, env.root / lock)
        env.write_mark(**(done | {name: want}))


def folder_of(root: Path) -> Path:
    """Return where the environment of the project in `root` is or will be."""
    moved = os.environ.get("KLRL_VENV")
    return Path(moved).expanduser().absolute() if moved else root / ".venv"


def _create(env: Environment) -> None:
    """Make an empty environment, over a half-made or outdated one but never over foreign files."""
    if env.folder.exists() and any(env.folder.iterdir()) and not env.mark.exists():
        raise Failure(
            f"{env.folder} exists and was not made by run.py.\n"
            "Remove it, or set KLRL_VENV to the folder that the book's environment should have."
        )
    say(f"Making the environment in {env.folder}")
    shutil.rmtree(env.folder, ignore_errors=True)
    env.folder.mkdir(parents=True)
    env.write_mark()  # from here on a broken environment is known as ours
    # What was started with the Python of this very environment has just removed it.
    python = sys._base_executable if env.folder in Path(sys.executable).parents else sys.executable
    command = [python, "-m", "venv", env.folder]
    if _uv():
        command.insert(3, "--without-pip")
    log = env.build / "logs" / "venv.log"
    if logged(command, log, cwd=env.root):
        hint = "On Debian and Ubuntu: apt-get install python3-venv" if shutil.which("apt") else ""
        raise Failure(f"Python could not make an environment:\n{tail(log)}\n{hint}")


def _uv() -> str | None:
    return shutil.which("uv")


def _install(env: Environment, arguments: list[str | Path], log_name: str, what: str) -> None:
    """Install with uv where it is found, else with pip."""
    uv = _uv()
    start = [uv, "pip"] if uv else [env.python, "-m", "pip", "--disable-pip-version-check"]
    python = ["--python", env.python] if uv else []
    log = env.build / "logs" / log_name
    if logged(
        [*start, "install", *python, *arguments],
        log,
        cwd=env.root,
        env=env.variables(),
        on_line=None if uv else _Counter(),
    ):
        raise Failure(f"Could not install {what} (all of it in {log}):\n{tail(log)}")


class _Counter:
    """Shows that pip is alive: it is silent for a minute otherwise."""

    def __init__(self) -> None:
        self.packages = 0

    def __call__(self, line: str) -> None:
        if line.startswith(("Collecting ", "Processing ")):
            self.packages += 1
            if self.packages % 40 == 0:
                say(f"  {self.packages} packages found")
        elif line.startswith("Installing collected packages") and self.packages > 1:
            say(f"  {self.packages} packages found; unpacking them")


def _install_lock(env: Environment, lock: Path) -> None:
    tool = "uv" if _uv() else "pip"
    pace = "" if _uv() else "; about a minute"
    say(f"Installing what {lock.name} lists, hashes checked, with {tool}{pace}")
    start = time.monotonic()
    # The lock is complete, so nothing has to be resolved.
    arguments = ["--no-deps", "--require-hashes", "-r", lock]
    _install(env, arguments, f"{lock.stem}.log", lock.name)
    say(f"  done in {time.monotonic() - start:.0f} s")


def _install_project(env: Environment) -> None:
    """Make klrl_lite importable from this folder; the build back end is in the lock already."""
    arguments = ["--no-deps", "--no-build-isolation", "-e", env.root]
    arguments.insert(0, "--offline" if _uv() else "--no-index")
    _install(env, arguments, "project.log", "the project itself")
