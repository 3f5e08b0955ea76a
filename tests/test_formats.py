"""The pages in one file, the notebooks beside them, and the links that open them elsewhere."""

import json
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest
from _tools import formats

sphinx_errors = pytest.importorskip("sphinx.errors")
COLAB = "https://colab.example/github/o/r/blob/main/{path}"


@pytest.fixture
def launch(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "book" / "_ext"))
    import launch

    return launch


def configured(**places):
    return SimpleNamespace(html_context={"klrl_launch": places})


def test_the_archive_is_the_site_and_gives_the_same_bytes_twice(tmp_path):
    site = tmp_path / "html"
    (site / "book").mkdir(parents=True)
    (site / "index.html").write_text("start")
    (site / "book" / "01.html").write_text("a page")
    (site / "objects.inv").write_text("not for readers")
    made = []
    for name in ("a.zip", "b.zip"):
        formats.pack(site, tmp_path / name, "read me")
        made.append((tmp_path / name).read_bytes())
        (site / "index.html").touch()
    assert made[0] == made[1]
    names = set(zipfile.ZipFile(tmp_path / "a.zip").namelist())
    assert names == {f"klrl-book/{n}" for n in ("README.txt", "index.html", "book/01.html")}


def test_the_title_page_says_what_the_book_says(root):
    said = formats.facts(root)
    assert said["title"] in (root / "README.md").read_text(encoding="utf-8")
    assert said["edition"] == formats.edition(root)
    assert said["author"]


def test_a_launch_link_is_shown_where_an_address_is_given_and_nowhere_else(launch):
    page = "book/03_trpo"
    assert list(launch.links(page, {})) == [(launch.DOWNLOAD, "03_trpo.ipynb")]
    assert len(list(launch.links(page, dict.fromkeys(launch.PLACES, "")))) == 1
    shown = dict(launch.links(page, {"colab": COLAB, "binder": ""}))
    assert shown["open in Colab"] == "https://colab.example/github/o/r/blob/main/book/03_trpo.ipynb"
    everywhere = dict.fromkeys(launch.PLACES, COLAB)
    assert len(list(launch.links(page, everywhere))) == 4


def test_the_line_stands_under_the_title(launch):
    env = SimpleNamespace(doc2path=lambda page: f"{page}.ipynb")
    context = {"body": "<h1>A</h1><p>b</p><h1>no</h1>", "klrl_launch": {"kernel": COLAB}}
    launch.add_line(SimpleNamespace(env=env), "book/01_a", "", context, object())
    title, line = context["body"].split("\n", 1)
    assert title == "<h1>A</h1>"
    assert line.startswith('<p class="klrl-launch"><a download href="01_a.ipynb">')
    assert "run in the browser</a></p><p>b</p>" in line


@pytest.mark.parametrize("address", ["https://host/no-place-for-it", "http://host/{path}"])
def test_an_address_that_cannot_work_is_refused(launch, address):
    launch.check(None, configured(colab=COLAB, binder=""))
    with pytest.raises(sphinx_errors.ConfigError, match="colab"):
        launch.check(None, configured(colab=address))
    with pytest.raises(sphinx_errors.ConfigError, match="colba"):
        launch.check(None, configured(colba=COLAB))


def test_the_places_are_set_in_one_file_and_each_is_known(root, launch):
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    context = config["sphinx"]["config"]["html_context"]
    assert set(context["klrl_launch"]) == set(launch.PLACES)
    launch.check(None, SimpleNamespace(html_context=context))


def test_a_notebook_runs_where_it_lands(root, tmp_path):
    """Its cells need the package and nothing that lies beside it in the book."""
    landed = tmp_path / "Downloads" / "01_mirror_descent.ipynb"
    landed.parent.mkdir()
    landed.write_bytes((root / "book" / landed.name).read_bytes())
    command = [sys.executable, root / "tests" / "book" / "chapters.py", landed.name]
    done = subprocess.run(command, cwd=landed.parent, capture_output=True, text=True, check=True)
    records = json.loads(done.stdout)
    assert len(records) > 10
    assert [r["failure"] for r in records if r["failure"]] == []
