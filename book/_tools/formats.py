"""`run.py offline` and `run.py pdf`: the built pages in one file, to be opened or to be printed."""

import json
import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

from . import site_build
from .checks import find_browser
from .console import Failure, say
from .environment import Environment, ensure_extra

NAME = "klrl-book"
# Of no use to a reader: Sphinx's own notes and the inventory for other sites.
LEFT_OUT = {".buildinfo", "objects.inv"}
WHEN = (1980, 1, 1, 0, 0, 0)  # the same pages give the same bytes
README = """\
The Thermodynamics of KL-Regularized RL, edition {edition}

Open index.html in a browser. Nothing is fetched: formulas, figures and search work without a
network. The notebooks lie beside their pages in book/; they run where klrl_lite is installed.
"""


def offline(env: Environment) -> int:
    """Build the book and pack it; print where the file is."""
    site_build.book(env)
    target = env.build / f"{NAME}-{edition(env.root)}.zip"
    pack(env.build / "html", target, README.format(edition=edition(env.root)))
    say(f"\nWrote {target} ({target.stat().st_size / 2**20:.1f} MiB): unpack, open index.html")
    return 0


def pdf(env: Environment) -> int:
    """Build the book and print it with the system's Chromium; print where the file is."""
    chromium = find_browser()
    if chromium is None:
        raise Failure("Printing needs a Chromium; KLRL_CHROMIUM can name one.")
    site_build.book(env)
    ensure_extra(env, "browser")
    target = env.build / f"{NAME}-{edition(env.root)}.pdf"
    say("\nPrinting each page")
    script = env.root / "book" / "_tools" / "printing.py"
    command = [
        env.python,
        script,
        env.build / "html",
        target,
        chromium,
        json.dumps(facts(env.root)),
    ]
    code = subprocess.call([str(p) for p in command], cwd=env.root, env=env.variables())
    if code:
        raise Failure("The book could not be printed.", code)
    say(f"\nWrote {target} ({target.stat().st_size / 2**20:.1f} MiB)")
    return 0


def facts(root: Path) -> dict[str, str]:
    """What stands on the title page."""
    config = (root / "_config.yml").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^(title|author): *(.+)$", config, re.MULTILINE))
    return stated | {
        "subtitle": "An executable book. Every formula is derived, computed, and tested.",
        "picture": (root / "book" / "figures" / "opening.svg").as_uri(),
        "edition": edition(root),
        "licence": "Code under the MIT licence, text and figures under CC BY 4.0",
    }


def edition(root: Path) -> str:
    """Return the version of the project."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def pack(site: Path, target: Path, readme: str) -> None:
    """Write all files of the site below one folder; the archive is replaced in one go."""
    files = sorted(p for p in site.rglob("*") if p.is_file() and p.name not in LEFT_OUT)
    temporary = target.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        write(archive, f"{NAME}/README.txt", readme.encode())
        for file in files:
            write(archive, f"{NAME}/{file.relative_to(site).as_posix()}", file.read_bytes())
    os.replace(temporary, target)


def write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add one file, with nothing of this machine."""
    entry = zipfile.ZipInfo(name, WHEN)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
