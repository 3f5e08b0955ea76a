"""The repository's own promises: locks that agree, nothing that belongs to one machine."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

SKIPPED = {".git", ".venv", "_build", "__pycache__"}
SKIPPED |= {".ruff_cache", ".mypy_cache", ".pytest_cache", ".hypothesis"}
SUFFIXES = {
    ".py",
    ".toml",
    ".yml",
    ".yaml",
    ".txt",
    ".lock",
    ".md",
    ".css",
    ".js",
    ".ipynb",
    ".bib",
    "",
}
# Patterns are put together here, so that this file does not find itself.
INDEX_HOST = re.compile(
    "|".join(["pypi" + r"\.org", "python" + "hosted", "--index" + "-url", "find" + "-links"])
)
HOMES = ("home", "root", "work", "Users", "opt")
MACHINE_PATH = re.compile(rf"(?<![\w.<])/(?:{'|'.join(HOMES)})/")
LOCKS = ("requirements", "requirements-browser")  # installed together
ALL_LOCKS = (*LOCKS, "requirements-mutation")


def tracked(root: Path) -> list[Path]:
    """Return the files of the repository: git's list where there is git, else what lies here."""
    if shutil.which("git") and (root / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        found = [root / name for name in names.splitlines()]
    else:
        found = [p for p in root.rglob("*") if not SKIPPED.intersection(p.relative_to(root).parts)]
    return [p for p in found if p.is_file() and p.suffix in SUFFIXES]


def pinned(path: Path) -> dict[str, list[Requirement]]:
    """Return what a lock pins, by name; one name can have several versions for several Pythons."""
    found: dict[str, list[Requirement]] = {}
    for line in path.read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            requirement = Requirement(line.rstrip("\\ "))
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def asked(path: Path) -> list[Requirement]:
    """Return the ranges of a requirements file."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("name", ALL_LOCKS)
def test_the_lock_satisfies_every_range(root, name):
    pins = pinned(root / f"{name}.lock")
    for wanted in asked(root / f"{name}.txt"):
        versions = [next(iter(p.specifier)).version for p in pins[canonicalize_name(wanted.name)]]
        assert all(Version(v) in wanted.specifier for v in versions), wanted


@pytest.mark.parametrize("name", ALL_LOCKS)
def test_the_lock_has_a_hash_for_everything(root, name):
    text = (root / f"{name}.lock").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_both_locks_agree(root):
    main, extra = (pinned(root / f"{name}.lock") for name in LOCKS)
    for name in main.keys() & extra.keys():
        assert {str(r.specifier) for r in extra[name]} <= {str(r.specifier) for r in main[name]}


def test_every_range_says_why_it_is_there(root):
    for name in ALL_LOCKS:
        for line in (root / f"{name}.txt").read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                assert len(line.partition("#")[2].strip()) > 10, line


def test_the_package_needs_only_numpy_and_scipy(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    needed = {Requirement(line).name for line in project["dependencies"]}
    assert needed == {"numpy", "scipy"}
    ranges = {r.name: r.specifier for r in asked(root / "requirements.txt")}
    assert all(
        Requirement(d).specifier == ranges[Requirement(d).name] for d in project["dependencies"]
    )


def test_no_file_names_an_index_or_a_path_of_a_machine(root):
    found = []
    for path in tracked(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [(path.name, m[0]) for m in INDEX_HOST.finditer(text) if path.name != "locks.py"]
        found += [(path.name, m[0]) for m in MACHINE_PATH.finditer(text)]
    assert found == []


def test_every_file_of_the_table_of_contents_is_there(root):
    yaml = pytest.importorskip("yaml")
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    names = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    missing = [n for n in names if not list(root.glob(f"{n}.ipynb")) + list(root.glob(f"{n}.md"))]
    assert missing == []
