"""All recorded data of the book, made again by one command: each experiment in turn.

    python experiments/run.py               all; an interrupted run goes on where it stopped
    python experiments/run.py trl           one of them
    python experiments/run.py --workers 8   on so many cores; --cluster ADDRESS on a Dask cluster

What an experiment lacks (PyTorch, TRL) is said, and the others run.
"""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Experiment -> what it needs beside the environment of the book, and the list that has it.
NEEDS: dict[str, tuple[tuple[str, ...], str]] = {
    "phase_plane": ((), ""),
    "transformer": (("torch",), "requirements-torch.txt"),
    "trl": (("torch", "trl"), "requirements-trl.txt"),
}
SPREADS = {"phase_plane", "transformer"}  # over cores and machines; the others use one process


def lacking(name: str) -> str:
    """Say what is not installed that the experiment needs, or nothing."""
    packages, requirements = NEEDS[name]
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    if not absent:
        return ""
    return f"{' and '.join(absent)} not installed: pip install -r experiments/{requirements}"


def commands(names: list[str], spread: list[str]) -> dict[str, list[str]]:
    """Return the command of each experiment."""
    return {
        name: [sys.executable, str(HERE / name / "run.py"), *(spread if name in SPREADS else [])]
        for name in names
    }


def main(argv: list[str] | None = None) -> int:
    """Run the experiments; the exit code is bad if one failed or could not be run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*NEEDS, []], help="default: all")
    parser.add_argument("--workers", help="processes, of those that can use several")
    parser.add_argument("--cluster", help="address of a Dask scheduler")
    options = parser.parse_args(argv)
    given = {"--workers": options.workers, "--cluster": options.cluster}
    spread = [word for key, value in given.items() if value for word in (key, value)]
    said = {}
    for name, command in commands(options.names or list(NEEDS), spread).items():
        said[name] = lacking(name)
        if not said[name]:
            print(f"{name}: {' '.join(command)}", file=sys.stderr, flush=True)
            code = subprocess.call(command, cwd=HERE.parent)
            said[name] = f"failed with code {code}" if code else ""
    for name, trouble in said.items():
        print(f"{name}: {trouble or 'recorded'}")
    return 1 if any(said.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
